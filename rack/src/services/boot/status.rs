//! How the two servers are, for people.

use common::report::{ServiceState, ServiceStatus};
use runtime::tasks::Tasks;
use std::{net::SocketAddr, time::Duration};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};

use crate::services::{boot_files::Progress, http_boot::HttpBootService, tftp::TftpService};

/// How old what is shown may be.
const EVERY: Duration = Duration::from_secs(1);
/// Files that are named; more are counted.
const NAMED: usize = 3;

/// Where a server listens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Listening {
    at: Vec<SocketAddr>,
    /// Why it does not listen where it was told last.
    refused: Option<String>,
}

impl Listening {
    /// Refused: as before.
    pub(super) fn set(&mut self, at: Vec<SocketAddr>, refused: Option<String>) {
        if refused.is_none() {
            self.at = at;
        }
        self.refused = refused;
    }
}

pub(super) struct Reporter {
    pub(super) progress: watch::Receiver<Progress>,
    /// None: switched off.
    pub(super) tftp: Option<TftpService>,
    pub(super) http: HttpBootService,
    pub(super) tftp_listening: watch::Receiver<Listening>,
    pub(super) http_listening: watch::Receiver<Listening>,
}

impl Reporter {
    /// Looks every second, until shutdown.
    pub(super) fn start(self, tasks: &Tasks) -> [watch::Receiver<ServiceStatus>; 2] {
        let (tftp, shown_tftp) = watch::channel(self.tftp());
        let (http, shown_http) = watch::channel(self.http());
        let shutdown = tasks.shutdown();
        tasks.spawn("boot status", async move {
            let mut turn = interval(EVERY);
            turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    _ = turn.tick() => {}
                    () = shutdown.cancelled() => return,
                }
                for (shown, status) in [(&tftp, self.tftp()), (&http, self.http())] {
                    shown.send_if_modified(|shown| {
                        let is_new = *shown != status;
                        *shown = status;
                        is_new
                    });
                }
            }
        });
        [shown_tftp, shown_http]
    }

    fn tftp(&self) -> ServiceStatus {
        let Some(tftp) = &self.tftp else {
            let detail = "switched off by boot.tftp".into();
            return ServiceStatus { name: "tftp".into(), state: ServiceState::Idle, detail };
        };
        let open = counted(tftp.open(), "transfer");
        describe("tftp", &self.tftp_listening.borrow(), &self.progress.borrow(), &open)
    }

    fn http(&self) -> ServiceStatus {
        let open = counted(self.http.open(), "connection");
        describe("http-boot", &self.http_listening.borrow(), &self.progress.borrow(), &open)
    }
}

fn describe(name: &str, listening: &Listening, progress: &Progress, open: &str) -> ServiceStatus {
    let awaited = awaited(progress);
    let state = match (&listening.refused, listening.at.is_empty(), &awaited) {
        (Some(_), true, _) => ServiceState::Failed,
        (Some(_), false, _) | (None, false, Some(_)) => ServiceState::Degraded,
        (None, true, _) => ServiceState::Idle,
        (None, false, None) => ServiceState::Running,
    };
    let at: Vec<_> = listening.at.iter().map(ToString::to_string).collect();
    let serves = match at.is_empty() {
        true => "listens nowhere".to_owned(),
        false => {
            format!("{} at {}, {open}", counted(progress.ready, "file"), at.join(" and "))
        }
    };
    let parts = listening.refused.clone().into_iter().chain(awaited).chain([serves]);
    ServiceStatus { name: name.into(), state, detail: parts.collect::<Vec<_>>().join("; ") }
}

fn awaited(progress: &Progress) -> Option<String> {
    if progress.awaited.is_empty() {
        return None;
    }
    let named = progress.awaited.iter().take(NAMED).map(ToString::to_string);
    let mut names = named.collect::<Vec<_>>().join(", ");
    if progress.awaited.len() > NAMED {
        names = format!("{names} and {} more", progress.awaited.len() - NAMED);
    }
    let why = progress.trouble.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
    Some(format!("not here yet: {names}{why}"))
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_said_first() {
        let at: Vec<SocketAddr> = vec!["10.0.0.2:69".parse().unwrap()];
        let listening = |at: &[SocketAddr], refused: Option<&str>| Listening {
            at: at.into(),
            refused: refused.map(str::to_owned),
        };
        let progress = |ready, awaited: &[&str], trouble: Option<&str>| Progress {
            ready,
            awaited: awaited.iter().map(|path| path.parse().unwrap()).collect(),
            trouble: trouble.map(str::to_owned),
        };
        let taken = Some("UDP port 69 of 10.0.0.2 is taken by dnsmasq (process 812)");
        for (listening, progress, state, detail) in [
            (listening(&[], None), progress(0, &[], None), ServiceState::Idle, "listens nowhere"),
            (
                listening(&at, None),
                progress(3, &[], None),
                ServiceState::Running,
                "3 files at 10.0.0.2:69, 1 transfer",
            ),
            (
                listening(&at, None),
                progress(1, &["a", "b", "c", "d"], Some("region cannot be reached")),
                ServiceState::Degraded,
                "not here yet: a, b, c and 1 more (region cannot be reached); 1 file at 10.0.0.2:69, 1 transfer",
            ),
            (
                listening(&[], taken),
                progress(1, &[], None),
                ServiceState::Failed,
                "UDP port 69 of 10.0.0.2 is taken by dnsmasq (process 812); listens nowhere",
            ),
        ] {
            let status = describe("tftp", &listening, &progress, "1 transfer");
            assert_eq!((status.state, status.detail.as_str()), (state, detail));
        }
    }
}
