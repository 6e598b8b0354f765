//! What region does by itself. A reconciler is woken, never told: it looks at what is, does what is missing and may run at any time, also twice at once.

mod boot_files;
pub mod liveness;
pub mod rack_configs;
pub mod retention;

use futures_util::future::{BoxFuture, FutureExt};
use runtime::telemetry::Causes;
use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use crate::{
    Region,
    config::{Audit, Config, Events},
    events::Follower,
    operations::OperationError,
};

/// What reconcilers work with.
#[derive(Clone)]
pub struct Context {
    pub region: Region,
    pub keep: Events,
    pub audit: Audit,
}

struct Reconciler {
    name: &'static str,
    /// Kinds of resource whose events wake it.
    kinds: &'static [&'static str],
    /// Runs this often all the same.
    period: Duration,
    run: fn(Context) -> BoxFuture<'static, Result<(), OperationError>>,
    /// Somebody waits for a pass.
    nudged: fn(&Context) -> BoxFuture<'_, ()>,
}

static TABLE: &[Reconciler] = &[
    Reconciler {
        name: "rack-configs",
        kinds: &[
            "fabric",
            "vrf",
            "vlan",
            "subnet",
            "range",
            "reservation",
            "rack",
            "boot-file",
            "boot-profile",
            "boot-default",
            "machine",
            "interface",
        ],
        period: Duration::from_secs(30),
        run: |context| Box::pin(rack_configs::run(context)),
        nudged: |context| Box::pin(context.region.configurations.nudged()),
    },
    Reconciler {
        name: "liveness",
        kinds: &[],
        period: liveness::PERIOD,
        run: |context| Box::pin(liveness::run(context)),
        nudged: |_| Box::pin(std::future::pending()),
    },
    Reconciler {
        name: "boot-files",
        kinds: &[],
        period: Duration::from_secs(600),
        run: |context| Box::pin(boot_files::run(context)),
        nudged: |_| Box::pin(std::future::pending()),
    },
    Reconciler {
        name: "retention",
        kinds: &[],
        period: Duration::from_secs(600),
        run: |context| Box::pin(retention::run(context)),
        nudged: |_| Box::pin(std::future::pending()),
    },
];

/// Each as a task.
pub fn spawn(region: &Region, config: &Config) {
    let context = Context {
        region: region.clone(),
        keep: config.events.clone(),
        audit: config.audit.clone(),
    };
    for reconciler in TABLE {
        region.tasks.spawn(reconciler.name, keep_running(reconciler, context.clone()));
    }
}

async fn keep_running(own: &'static Reconciler, context: Context) {
    let shutdown = context.region.tasks.shutdown();
    tokio::select! {
        () = shutdown.cancelled() => {}
        never = turns(own, &context) => match never {},
    }
}

async fn turns(own: &'static Reconciler, context: &Context) -> Infallible {
    let mut follower = None;
    loop {
        // Before the pass, so that it hears of what the pass does not see.
        if follower.is_none() {
            follower = context.region.log.follow_from_now().await.ok();
        }
        let started = Instant::now();
        let outcome = (own.run)(context.clone()).await;
        metrics::histogram!("hostler_reconcile_seconds", "reconciler" => own.name)
            .record(started.elapsed());
        let rest = match outcome {
            Ok(()) if follower.is_some() => own.period,
            Ok(()) => own.period.min(AFTER_FAILURE),
            Err(error) => {
                tracing::warn!(reconciler = own.name, error = %Causes(&error), "will try again");
                own.period.min(AFTER_FAILURE)
            }
        };
        tokio::select! {
            () = tokio::time::sleep(rest) => {}
            () = (own.nudged)(context) => {}
            () = woken(&mut follower, own.kinds) => {}
        }
    }
}

const AFTER_FAILURE: Duration = Duration::from_secs(2);

/// An event of one of these kinds; or the log began anew, and nobody knows what happened.
async fn woken(follower: &mut Option<Follower>, kinds: &[&str]) {
    let Some(own) = follower.as_mut().filter(|_| !kinds.is_empty()) else {
        return std::future::pending().await;
    };
    loop {
        match own.next().await {
            Ok(event) if kinds.contains(&event.kind.as_str()) => {
                // One pass for all that is known by now: a thousand subnets made at once are not a thousand passes.
                while let Some(Ok(_)) = own.next().now_or_never() {}
                return;
            }
            Ok(_) => {}
            Err(_) => break,
        }
    }
    *follower = None;
}
