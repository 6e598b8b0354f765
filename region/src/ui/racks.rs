//! Racks: who is there, who is behind, and why.

use askama::Template;
use axum::{extract::State, response::Response};
use common::Timestamp;
use proto::v1::{self, Progress, ServiceState};

use super::{
    Console, Fault,
    actions::Actions,
    badge::{Badge, progress},
    cells::{Cell, Pair, Tone},
    export::Format,
    frame::{self, Frame},
    history::{self, Change},
    outbox,
    query::Query,
    visitor::Visitor,
    words::{self, Moment},
};
use crate::{
    auth::Verb,
    events,
    operations::{
        OperationError, Tx,
        erased::AnyResource,
        fleet::{self, Member},
        list::list as list_of,
    },
};

#[derive(Template)]
#[template(path = "racks.html")]
struct RacksPage {
    frame: Frame,
    badge: Badge,
    sentence: String,
    services: Vec<String>,
    rows: Vec<RackRow>,
    shown: Vec<(String, String, usize, bool)>,
    enrol: Option<&'static str>,
    /// Join tokens that nobody has used yet: for whom, until when, and where each is taken back. None: not for this visitor.
    open: Option<Vec<(Cell, Cell, String)>>,
    csv: String,
    json: String,
}

struct RackRow {
    name: Cell,
    link: Cell,
    generation: String,
    lag: Cell,
    outbox: Cell,
    applied: Cell,
    services: Vec<(Tone, String)>,
    version: String,
    certificate: Cell,
    reasons: Vec<(Tone, String, String)>,
}

impl RackRow {
    fn has_reason(&self) -> bool {
        !self.reasons.is_empty()
    }
}

/// What a rack is behind with: a state, what happened, and why.
pub(super) fn reasons(member: &Member, now: Timestamp) -> Vec<(Tone, String, String)> {
    let mut reasons: Vec<_> = member
        .with(Progress::Refused)
        .map(|scope| {
            let number = scope.wanted.map(|wanted| wanted.number).unwrap_or_default();
            let said = format!("{} refused generation {number}:", scope.name);
            let why: Vec<String> = scope
                .objections
                .iter()
                .map(|objection| {
                    format!("{}: {} {}", objection.field, objection.value, objection.rule)
                })
                .chain(Some(scope.reason.clone()).filter(|reason| !reason.is_empty()))
                .collect();
            let good = scope.good.map(|good| good.number).unwrap_or_default();
            let goes_on = match good {
                0 => "Nothing was served here before.".to_owned(),
                number => format!("Generation {number} goes on serving."),
            };
            (Tone::Bad, said, format!("{}. {goes_on}", why.join("; ")))
        })
        .collect();
    if !member.rack.connected && !member.rack.revoked {
        let since = time(member.rack.last_seen).map(|at| words::relative(at, now));
        let said = format!("Unreachable, last seen {}.", since.unwrap_or("never".into()));
        let waiting = member.with(Progress::Unreachable).count();
        let why = match waiting {
            0 => "It serves what it has.".to_owned(),
            1 => "It serves what it has; 1 change waits for it.".to_owned(),
            many => format!("It serves what it has; {many} changes wait for it."),
        };
        reasons.push((Tone::Unknown, said, why));
    }
    for service in &member.services {
        let tone = match service.state() {
            ServiceState::Degraded => Tone::Warn,
            ServiceState::Failed => Tone::Bad,
            ServiceState::Running | ServiceState::Idle | ServiceState::Unspecified => continue,
        };
        reasons.push((tone, format!("{}:", service.name), service.detail.clone()));
    }
    reasons.extend(outbox::reason(member.counts.as_ref()));
    reasons
}

/// How many generations what it serves is behind what region wants, as far as it said.
fn lag(member: &Member) -> Cell {
    let settled = [Progress::Applied, Progress::Standby];
    let late = member.scopes.iter().filter(|scope| !settled.contains(&scope.progress()));
    let good = late.map(|scope| scope.good.map_or(0, |good| good.number)).min();
    match (good, member.wanted()) {
        (None, _) => Cell::Muted("none".into()),
        (Some(0), _) => Cell::Text("all of it".into()),
        (Some(good), wanted) => Cell::Text(words::number(i128::from(wanted.saturating_sub(good)))),
    }
}

fn service(member: &Member, name: &str) -> (Tone, String) {
    if !member.rack.connected {
        return (Tone::Unknown, format!("{name} not known"));
    }
    let found = member.services.iter().find(|service| service.name == name);
    let (tone, word) = match found.map_or(ServiceState::Unspecified, v1::ServiceStatus::state) {
        ServiceState::Running => (Tone::Ok, "running"),
        ServiceState::Idle => (Tone::Off, "idle"),
        ServiceState::Degraded => (Tone::Warn, "needs a look"),
        ServiceState::Failed => (Tone::Bad, "failed"),
        ServiceState::Unspecified => (Tone::Unknown, "not known"),
    };
    (tone, format!("{name} {word}"))
}

pub(super) fn time(at: Option<prost_types::Timestamp>) -> Option<Timestamp> {
    at.map(|at| Timestamp::from_seconds(at.seconds).shifted(i64::from(at.nanos) / 1000))
}

fn row(member: &Member, services: &[String], now: Timestamp) -> RackRow {
    let refused = member.with(Progress::Refused).next().is_some();
    let pending = member.with(Progress::Pending).next().is_some();
    let link = match (member.rack.revoked, member.rack.connected) {
        (true, _) => Cell::State(Tone::Hold, "revoked".into()),
        (_, true) => Cell::State(Tone::Ok, "connected".into()),
        _ => Cell::State(Tone::Unknown, "away".into()),
    };
    let applied = match () {
        () if refused => Cell::State(Tone::Bad, "refused".into()),
        () if !member.rack.connected => Cell::State(Tone::Unknown, "not heard".into()),
        () if pending => Cell::State(Tone::Info, "pending".into()),
        () if member.scopes.is_empty() => Cell::Muted("serves nothing".into()),
        () => Cell::State(Tone::Ok, "applied".into()),
    };
    let expires = time(member.rack.certificate_expires);
    RackRow {
        name: Cell::Link(super::cells::page_of("rack", &member.key), member.key.clone()),
        link,
        generation: member.wanted().to_string(),
        lag: lag(member),
        outbox: outbox::cell(member.counts.as_ref()),
        applied,
        services: services.iter().map(|name| service(member, name)).collect(),
        version: member.rack.version.clone(),
        certificate: expires.map_or(Cell::Empty, |at| Cell::Time(Moment::relative(at, now))),
        reasons: reasons(member, now),
    }
}

pub(super) async fn list(
    State(console): State<Console>,
    visitor: Visitor,
    query: Query,
) -> Result<Response, Fault> {
    if Format::of(query.get("as")).is_some() || !query.get("do").is_empty() {
        return super::list::show(console, visitor, query, super::of("racks")?).await;
    }
    let now = console.region.clock.now();
    let sees_tokens = frame::may(&visitor, Verb::List, "rack-token");
    let read = console.region.read(&visitor.actor, move |tx| {
        let open = sees_tokens.then(|| open_tokens(tx, now)).transpose()?;
        Ok((events::horizon(tx.conn)?.cursor, fleet::fleet(tx)?, open))
    });
    let (cursor, members, open) = read.await?;
    let look = |member: &&Member| !reasons(member, now).is_empty();
    let behind =
        |member: &&Member| !(member.rack.revoked || member.rack.connected && member.is_current());
    let wanted = query.get("show");
    let chosen: Vec<&Member> = match wanted {
        "behind" => members.iter().filter(behind).collect(),
        "look" => members.iter().filter(look).collect(),
        _ => members.iter().collect(),
    };
    let mut services: Vec<String> = members
        .iter()
        .flat_map(|member| member.services.iter().map(|service| service.name.clone()))
        .collect();
    services.sort();
    services.dedup();
    let shown = [
        ("All", "", members.len()),
        ("Behind", "behind", members.iter().filter(behind).count()),
        ("Needs a look", "look", members.iter().filter(look).count()),
    ];
    let shown = shown.map(|(name, value, count)| {
        (name.to_owned(), query.with(&[("show", value)]), count, wanted == value)
    });
    frame::render(&RacksPage {
        badge: Badge::of_fleet(&members),
        sentence: sentence(&members),
        rows: chosen.iter().map(|member| row(member, &services, now)).collect(),
        services,
        shown: shown.into(),
        enrol: frame::may(&visitor, Verb::Create, "rack-token").then_some("/rack-tokens?do=create"),
        open,
        csv: query.with(&[("as", "csv")]),
        json: query.with(&[("as", "json")]),
        frame: Frame::new(&visitor, &[("Racks", "/racks")], now)
            .command("hostler rack list -o wide")
            .live(
                &["rack", "rack-token", "scope", "vlan", "subnet", "range", "reservation"],
                cursor,
            ),
    })
}

/// A region has few; of more, those that end last.
const TOKENS: i32 = 50;

fn open_tokens(
    tx: &mut Tx<'_>,
    now: Timestamp,
) -> Result<Vec<(Cell, Cell, String)>, OperationError> {
    let order_by = "expires_at desc".to_owned();
    let request = v1::ListRequest { page_size: TOKENS, order_by, ..Default::default() };
    let found = list_of::<plan::RackToken>(tx, &request)?.items;
    let open = found.into_iter().filter_map(|token| {
        let ends = time(token.expires_at).filter(|ends| *ends > now && token.used_at.is_none())?;
        let page = super::cells::page_of("rack-token", &token.meta?.key);
        let name = if token.name.is_empty() { "any name".to_owned() } else { token.name };
        let ends = Cell::Time(Moment::relative(ends, now));
        Some((Cell::Link(page.clone(), name), ends, format!("{page}?do=delete")))
    });
    Ok(open.collect())
}

fn sentence(members: &[Member]) -> String {
    let refused =
        members.iter().filter(|member| member.with(Progress::Refused).next().is_some()).count();
    let away =
        members.iter().filter(|member| !member.rack.connected && !member.rack.revoked).count();
    match (refused, away) {
        _ if members.is_empty() => "None has joined yet.".into(),
        (0, 0) => "All are connected, and none refuses anything.".into(),
        (refused, away) => {
            let parts = [(refused, "refuses"), (away, "unreachable")];
            let parts: Vec<String> = parts
                .iter()
                .filter(|(count, _)| *count > 0)
                .map(|(count, word)| format!("{count} {word}"))
                .collect();
            format!("{}. Each goes on with the last generation that it accepted.", parts.join(", "))
        }
    }
}

#[derive(Template)]
#[template(path = "rack.html")]
struct RackPage {
    frame: Frame,
    key: String,
    badge: Badge,
    reasons: Vec<(Tone, String, String)>,
    pairs: Vec<Pair>,
    scopes: Vec<(String, Cell, String, String)>,
    services: Vec<(String, Tone, String, String)>,
    counts: Vec<(&'static str, String)>,
    interfaces: Vec<(String, String, Cell, String)>,
    changes: Vec<Change>,
    actions: Actions,
}

pub(super) async fn detail(
    console: Console,
    visitor: Visitor,
    query: Query,
    (resource, key): (&'static dyn AnyResource, String),
) -> Result<Response, Fault> {
    let now = console.region.clock.now();
    let read = console.region.read(&visitor.actor, move |tx| {
        let item = resource.get(tx, &key)?;
        let key = proto::describe::meta(&item, "key");
        let member = fleet::fleet(tx)?.into_iter().find(|member| member.key == key);
        let member = member.ok_or(OperationError::NotFound { noun: "rack", id: key })?;
        let changes = history::of(tx, resource.kind(), &item, now)?;
        Ok((events::horizon(tx.conn)?.cursor, item, member, changes))
    });
    let (cursor, item, member, changes) = read.await?;
    let scope = |scope: &v1::ScopeProgress| {
        let (tone, word) = progress(scope.progress());
        let number = |of: Option<v1::Generation>| {
            of.map_or("none".into(), |generation| generation.number.to_string())
        };
        let cell = Cell::State(tone, word.into());
        (scope.name.clone(), cell, number(scope.wanted), number(scope.good))
    };
    let of_service = |own: &v1::ServiceStatus| {
        let (tone, said) = service(&member, &own.name);
        let word = said.split_once(' ').map_or(String::new(), |(_, word)| word.to_owned());
        (own.name.clone(), tone, word, own.detail.clone())
    };
    let interface = |own: &v1::RackInterface| {
        let (tone, word) = if own.up { (Tone::Ok, "up") } else { (Tone::Off, "down") };
        let state = Cell::State(tone, word.into());
        (own.name.clone(), own.mac.clone(), state, own.addresses.join(", "))
    };
    frame::render(&RackPage {
        badge: Badge::of_rack(&member),
        reasons: reasons(&member, now),
        pairs: super::cells::pairs(resource.kind(), &item, now),
        scopes: member.scopes.iter().map(scope).collect(),
        services: member.services.iter().map(of_service).collect(),
        counts: outbox::lines(member.counts.as_ref()),
        interfaces: member.interfaces.iter().map(interface).collect(),
        changes,
        actions: Actions::of(
            &visitor,
            resource.kind(),
            &query,
            if member.rack.revoked { &["revoke"] } else { &[] },
        ),
        frame: Frame::new(&visitor, &[("Racks", "/racks"), (&member.key, "")], now)
            .command(format!("hostler rack get {}", member.key))
            .live(&["rack", "scope", "vlan", "subnet", "range", "reservation"], cursor),
        key: member.key.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lag_is_of_the_scope_that_is_furthest_behind() {
        use Progress::{Applied, Pending, Refused, Standby};
        for (scopes, expected) in [
            (&[][..], "none"),
            (&[(Applied, 3, Some(3)), (Standby, 7, None)], "none"),
            (&[(Applied, 3, Some(3)), (Pending, 9, Some(7))], "2"),
            (&[(Refused, 9, Some(4)), (Pending, 9, Some(7))], "5"),
            (&[(Pending, 9, None)], "all of it"),
        ] {
            let number = |number| v1::Generation { epoch: 1, number };
            let scope =
                |(progress, wanted, good): &(Progress, u64, Option<u64>)| v1::ScopeProgress {
                    progress: (*progress).into(),
                    wanted: Some(number(*wanted)),
                    good: good.map(number),
                    ..Default::default()
                };
            let member = Member {
                rack: v1::Rack::default(),
                key: "rack1".into(),
                services: Vec::new(),
                interfaces: Vec::new(),
                scopes: scopes.iter().map(scope).collect(),
                counts: None,
            };
            let (Cell::Muted(said) | Cell::Text(said)) = lag(&member) else { panic!("no lag") };
            assert_eq!(said, expected);
        }
    }
}
