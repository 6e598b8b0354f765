//! `--wait`: from a write's answer to the last rack's verdict.

use clap::ArgMatches;
use prost_reflect::DynamicMessage;
use proto::{
    describe,
    v1::{self, Progress},
};
use runtime::backoff::Backoff;
use std::{collections::BTreeMap, time::Duration};
use tokio::time::{Instant, timeout_at};
use tonic::{Status, Streaming};

use crate::{
    failure::{self, Exit},
    grammar,
    region::{Answer, Client, Fill},
};

/// When --wait does not say how long.
pub(crate) const USUAL_SECONDS: u64 = 60;

/// Where each scope on each rack is.
#[derive(Default)]
struct Racks {
    scopes: BTreeMap<(String, String), v1::ScopeProgress>,
    settled: bool,
}

/// Does nothing unless --wait was said.
pub(crate) async fn after(
    client: &mut Client,
    arguments: &ArgMatches,
    answer: &Answer,
) -> anyhow::Result<Exit> {
    let Some(seconds) = grammar::typed::<u64>(arguments, "wait") else {
        return Ok(Exit::Done);
    };
    let Some(cursor) = &answer.cursor else {
        anyhow::bail!("saved, but region did not say what to wait for: hostler status");
    };
    until_applied(client, cursor, seconds).await
}

/// Tells of each rack as it comes; the exit code says how it ended.
pub(crate) async fn until_applied(
    client: &mut Client,
    cursor: &str,
    seconds: u64,
) -> anyhow::Result<Exit> {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    let mut racks = Racks::default();
    let away = follow(client, cursor, deadline, &mut racks).await?;
    eprint!("{}", racks.verdict(seconds, away));
    Ok(racks.exit())
}

/// Until everything is settled or the time is up; then the reason why region does not answer, if it does not.
async fn follow(
    client: &mut Client,
    cursor: &str,
    deadline: Instant,
    racks: &mut Racks,
) -> anyhow::Result<Option<Status>> {
    let method = describe::method("hostler.v1.Convergence", "Wait");
    let mut pause = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
    loop {
        let mut request = DynamicMessage::new(method.input());
        request.text("cursor", cursor);
        let lost = match timeout_at(deadline, client.stream(&method, request)).await {
            Err(_) => return Ok(None),
            Ok(Err(error)) => match failure::status_of(&error) {
                Some(status) => status.clone(),
                None => return Err(error),
            },
            Ok(Ok(stream)) => match timeout_at(deadline, read(stream, racks)).await {
                Err(_) => return Ok(None),
                Ok(ended) => match ended? {
                    None => return Ok(None),
                    Some(lost) => lost,
                },
            },
        };
        // The change is saved; a region that starts again goes on with telling.
        if !failure::is_lost(&lost) {
            return Err(client.failed(lost));
        }
        if timeout_at(deadline, tokio::time::sleep(pause.next())).await.is_err() {
            return Ok(Some(lost));
        }
    }
}

/// To the end of one stream: None when everything is settled.
async fn read(
    mut stream: Streaming<DynamicMessage>,
    racks: &mut Racks,
) -> anyhow::Result<Option<Status>> {
    loop {
        match stream.message().await {
            Ok(Some(progress)) => eprint!("{}", racks.take(progress.transcode_to()?)),
            Ok(None) if racks.settled => return Ok(None),
            Ok(None) => return Ok(Some(Status::unavailable("region ended the stream"))),
            Err(status) => return Ok(Some(status)),
        }
    }
}

impl Racks {
    /// What is new, a line each.
    fn take(&mut self, progress: v1::WaitProgress) -> String {
        self.settled |= progress.settled;
        let mut lines = String::new();
        for scope in progress.scopes {
            let place = (scope.rack.clone(), scope.scope.clone());
            let before = self.scopes.get(&place).map(|before| (before.progress, &before.reason));
            if before != Some((scope.progress, &scope.reason)) {
                lines += &line(&scope);
            }
            self.scopes.insert(place, scope);
        }
        lines
    }

    fn count(&self, wanted: &[Progress]) -> usize {
        self.scopes.values().filter(|scope| wanted.contains(&scope.progress())).count()
    }

    fn exit(&self) -> Exit {
        if self.count(&[Progress::Refused]) > 0 {
            Exit::RackRefused
        } else if self.settled {
            Exit::Done
        } else {
            Exit::RackBehind
        }
    }

    fn verdict(&self, seconds: u64, away: Option<Status>) -> String {
        let good = self.count(&[Progress::Applied, Progress::Standby]);
        let refused = self.count(&[Progress::Refused]);
        let all = self.scopes.len();
        if let Some(away) = away {
            return format!(
                "saved, but region does not say how far the racks are: {}\n",
                away.message()
            );
        }
        match (self.settled, refused, all) {
            (true, _, 0) => "saved; it touches no rack\n".into(),
            (true, 0, _) => format!("applied: {good} of {all}\n"),
            (true, ..) => {
                format!("saved, but {refused} of {all} refused it and serve what they had\n")
            }
            (false, ..) => {
                let late = self.late();
                format!(
                    "saved, but after {seconds} s only {good} of {all} have it; behind: {late}\n"
                )
            }
        }
    }

    fn late(&self) -> String {
        let late = self
            .scopes
            .values()
            .filter(|scope| !matches!(scope.progress(), Progress::Applied | Progress::Standby));
        let names: Vec<String> =
            late.map(|scope| format!("{} ({})", scope.rack, scope.name)).collect();
        if names.is_empty() { "not known yet".into() } else { names.join(", ") }
    }
}

fn line(scope: &v1::ScopeProgress) -> String {
    let word = match scope.progress() {
        Progress::Unspecified | Progress::Pending => "pending",
        Progress::Applied => "applied",
        Progress::Standby => "standby",
        Progress::Refused => "refused",
        Progress::Unreachable => "unreachable",
    };
    let reason =
        if scope.reason.is_empty() { String::new() } else { format!("  {}", scope.reason) };
    let objections = scope
        .objections
        .iter()
        .map(|one| format!("    {}: {:?} {}\n", one.field, one.value, one.rule));
    let objections: String = objections.collect();
    format!("  {:<11}  {}  {}{reason}\n{objections}", word, scope.rack, scope.name)
}
