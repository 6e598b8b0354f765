//! What a rack's stream brings beside facts: that it is there, how it is, and what became of each scope.

use common::{
    Epoch, Generation, Objection, RackId,
    report::{FactClass, RackCounts, ScopeStatus, Verdict},
};
use proto::v1;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

use super::{OperationError, Tx, rack};
use crate::{
    Region,
    db::{
        Conn, DbError,
        positions::{self, Outbox},
        scopes::{self, Reach, Said, Table, Wanted},
        sessions::{self, SessionRow},
    },
    events::{self, Cursor},
};

/// A stream that a rack has just opened.
#[derive(Clone, Debug)]
pub struct Opening {
    pub rack: RackId,
    pub session: Uuid,
    pub incarnation: Uuid,
    /// Where it comes from.
    pub address: String,
    pub hello: v1::RackHello,
}

/// What the stream begins with.
pub struct Opened {
    /// What people call the rack.
    pub key: String,
    pub version: String,
    pub reach: Reach,
    /// Of each class, facts of this incarnation up to here are recorded.
    pub recorded: [(FactClass, u64); FactClass::ALL.len()],
    /// What the rack does not have yet.
    pub send: Vec<Wanted>,
    /// The rack has seen a later configuration than this database knows; everything was stamped anew.
    pub rolled_back: bool,
}

pub async fn open(region: &Region, opening: Opening) -> Result<Opened, OperationError> {
    let actor = rack::actor(opening.rack);
    region.write(&actor, move |tx| open_in(tx, &opening)).await
}

fn open_in(tx: &mut Tx<'_>, opening: &Opening) -> Result<Opened, OperationError> {
    let hello = &opening.hello;
    let state = hello.state.clone().unwrap_or_default();
    let statuses = statuses(state.scopes.unwrap_or_default().items);
    let before = lock_reach(tx)?;
    let seen = newest_seen(Epoch(hello.epoch), &statuses);
    check_epoch(tx, before, seen.epoch)?;
    let rolled_back = seen > before.generation;
    let reach = if rolled_back { begin_epoch(tx, before, seen)? } else { before };
    let (rack, incarnation) = (opening.rack, opening.incarnation);
    let before_it = sessions::find(tx.conn, rack)?.map(|row| row.incarnation).unwrap_or_default();
    if before_it != incarnation.as_bytes() {
        positions::keep_only(tx.conn, rack, [incarnation.as_bytes(), &before_it])?;
    }
    sessions::open(
        tx.conn,
        &SessionRow {
            rack: opening.rack.uuid().as_bytes().to_vec(),
            session: opening.session.as_bytes().to_vec(),
            connected: true,
            version: hello.version.clone(),
            incarnation: opening.incarnation.as_bytes().to_vec(),
            connected_at: tx.now.micros(),
            last_seen: tx.now.micros(),
            services: prost::Message::encode_to_vec(&state.services.unwrap_or_default()),
            interfaces: prost::Message::encode_to_vec(&state.interfaces.unwrap_or_default()),
            counts: state.counts.map(|counts| encoded(&counts.into())),
        },
    )?;
    let key = rack::connected(tx, opening.rack, &hello.version, &opening.address)?;
    note_scopes(tx, opening.rack, &key, &statuses)?;
    let mut recorded = FactClass::ALL.map(|class| (class, 0));
    for (class, number) in &mut recorded {
        *number = positions::load(tx.conn, Outbox { rack, incarnation, class: *class })?;
    }
    Ok(Opened {
        key,
        version: hello.version.clone(),
        reach,
        recorded,
        send: missing(tx.conn, opening.rack, reach, &statuses)?,
        rolled_back,
    })
}

/// The highest that the rack has ever seen; its scopes may be behind its epoch.
fn newest_seen(epoch: Epoch, statuses: &[ScopeStatus]) -> Generation {
    let offered = statuses.iter().map(|status| status.offered).max().unwrap_or_default();
    offered.max(Generation { epoch, number: 0 })
}

/// How far a clock of a region that wrote epochs may have been ahead of this one's.
const AHEAD_SECONDS: u64 = 86_400;

/// Epochs are the seconds at which regions began them, so none is of tomorrow. One rack that says so must not use them up for all.
fn check_epoch(tx: &Tx<'_>, reach: Reach, seen: Epoch) -> Result<(), OperationError> {
    let now = u64::try_from(tx.now.seconds()).unwrap_or_default();
    let last = now.saturating_add(AHEAD_SECONDS).max(reach.generation.epoch.0);
    if seen.0 <= last {
        return Ok(());
    }
    let rule = format!("must be at most {last}: a day ahead of region's clock");
    let objection = Objection::new("hello.epoch", seen.0, rule);
    Err(OperationError::Refused(vec![objection]))
}

/// The database was rolled back: what it calls new, the rack would call old. A new epoch makes everything new.
fn begin_epoch(tx: &mut Tx<'_>, reach: Reach, seen: Generation) -> Result<Reach, OperationError> {
    let now = u64::try_from(tx.now.seconds()).unwrap_or_default();
    let epoch = Epoch(now.max(seen.epoch.0 + 1).max(reach.generation.epoch.0 + 1));
    tracing::warn!(%seen, epoch = epoch.0, "the database was rolled back; a new epoch begins");
    events::raise_epoch(tx.conn, epoch)?;
    let detail = format!(
        "a rack had seen generation {seen}, which this database does not know: it was rolled back, and every configuration is sent again"
    );
    rack::tell(tx, "region.epoch", None, &detail)?;
    lock_reach(tx)
}

/// Until the transaction ends, nobody else takes a number. In a new epoch everything is stamped anew.
pub(crate) fn lock_reach(tx: &mut Tx<'_>) -> Result<Reach, OperationError> {
    let epoch = events::epoch(tx.conn)?;
    let reach = scopes::lock_reach(tx.conn, epoch)?;
    if reach.generation.epoch == epoch {
        return Ok(reach);
    }
    let generation = Generation { epoch, number: reach.generation.number + 1 };
    let reach = Reach { generation, cursor: Cursor::start(epoch) };
    scopes::save_reach(tx.conn, reach)?;
    scopes::restamp_all(tx.conn, generation)?;
    Ok(reach)
}

/// What the rack shows to be current is not sent again; what it has and nobody wants is withdrawn.
fn missing(
    conn: &mut Conn,
    rack: RackId,
    reach: Reach,
    statuses: &[ScopeStatus],
) -> Result<Vec<Wanted>, DbError> {
    let has: BTreeMap<&str, &ScopeStatus> =
        statuses.iter().map(|status| (status.scope.as_str(), status)).collect();
    let wanted = scopes::wanted_of(conn, rack, Generation::default())?;
    let known: BTreeSet<String> = wanted.iter().map(|wanted| wanted.scope.clone()).collect();
    let is_new = |wanted: &Wanted| match has.get(wanted.scope.as_str()) {
        Some(own) if wanted.withdrawn => own.offered <= wanted.generation,
        Some(own) => own.offered != wanted.generation || own.offered_digest != wanted.digest,
        None => !wanted.withdrawn,
    };
    let stray = statuses.iter().filter(|status| !known.contains(&status.scope));
    let strays = stray.map(|status| Wanted {
        rack,
        scope: status.scope.clone(),
        name: status.scope.clone(),
        generation: reach.generation,
        digest: status.offered_digest,
        content: Vec::new(),
        withdrawn: true,
        cursor: reach.cursor,
    });
    let strays: Vec<Wanted> = strays.collect();
    Ok(wanted.into_iter().filter(is_new).chain(strays).collect())
}

/// As they are kept: of a size that a rack cannot choose.
pub(crate) fn encoded(counts: &RackCounts) -> Vec<u8> {
    prost::Message::encode_to_vec(&v1::RackCounts::from(counts))
}

/// None: they are not known, for the rack is away or told none.
pub(crate) fn counts(row: &SessionRow) -> Option<RackCounts> {
    row.counts.as_deref().filter(|_| row.connected).and_then(decoded)
}

pub(crate) fn decoded(counts: &[u8]) -> Option<RackCounts> {
    let read = <v1::RackCounts as prost::Message>::decode(counts);
    read.ok().map(Into::into)
}

/// What has changed of the rack's own state, but for its counts, which are kept with the next sign of life.
pub async fn note_state(
    region: &Region,
    rack: RackId,
    session: Uuid,
    state: v1::RackState,
) -> Result<(), OperationError> {
    region
        .write(&rack::actor(rack), move |tx| {
            let state = state.clone();
            if let Some(services) = state.services {
                let services = prost::Message::encode_to_vec(&services);
                sessions::set_services(tx.conn, session, &services)?;
            }
            if let Some(interfaces) = state.interfaces {
                let interfaces = prost::Message::encode_to_vec(&interfaces);
                sessions::set_interfaces(tx.conn, session, &interfaces)?;
            }
            if let Some(scopes) = state.scopes {
                let key = rack::key(tx, rack)?;
                note_scopes(tx, rack, &key, &statuses(scopes.items))?;
            }
            Ok(())
        })
        .await
}

/// The whole list: a scope that is not in it is one that the rack has let go of.
fn note_scopes(
    tx: &mut Tx<'_>,
    rack: RackId,
    key: &str,
    statuses: &[ScopeStatus],
) -> Result<(), OperationError> {
    let before: BTreeMap<String, Said> = scopes::said_by(tx.conn, rack)?
        .into_iter()
        .map(|said| (said.scope.clone(), said))
        .collect();
    for status in statuses {
        let encoded = prost::Message::encode_to_vec(&v1::ScopeStatus::from(status));
        if before.get(&status.scope).is_some_and(|said| said.status == encoded) {
            continue;
        }
        let said = Said {
            rack,
            scope: status.scope.clone(),
            generation: status.offered,
            status: encoded,
            at: tx.now.micros(),
        };
        scopes::save_said(tx.conn, &said)?;
        if before.get(&status.scope).is_none_or(|before| is_news(before, status)) {
            let name = scopes::name(tx.conn, rack, &status.scope)?;
            let name = name.unwrap_or_else(|| status.scope.clone());
            tell_verdict(tx, (rack, key), (&name, status.offered), &status.verdict)?;
        }
    }
    let listed: BTreeSet<&str> = statuses.iter().map(|status| status.scope.as_str()).collect();
    for scope in before.keys().filter(|scope| !listed.contains(scope.as_str())) {
        scopes::forget(tx.conn, rack, scope, Table::Said)?;
    }
    scopes::forget_withdrawn(tx.conn, rack, &listed)?;
    Ok(())
}

/// What is served beside may have changed, and the verdict not.
fn is_news(before: &Said, status: &ScopeStatus) -> bool {
    let before = last_word(before);
    before.is_none_or(|old| old.offered != status.offered || old.verdict != status.verdict)
}

fn last_word(said: &Said) -> Option<ScopeStatus> {
    let read = <v1::ScopeStatus as prost::Message>::decode(said.status.as_slice()).ok()?;
    ScopeStatus::try_from(read).ok()
}

/// `scope` is what people call it, and the generation that the verdict is of.
pub(crate) fn tell_verdict(
    tx: &mut Tx<'_>,
    (rack, key): (RackId, &str),
    (scope, at): (&str, Generation),
    verdict: &Verdict,
) -> Result<(), OperationError> {
    let (event, why) = match verdict {
        Verdict::Applied => {
            tracing::info!(rack = key, scope, generation = %at, "applied");
            ("scope.applied", String::new())
        }
        Verdict::Standby => {
            tracing::info!(rack = key, scope, generation = %at, "standing by");
            ("scope.standby", String::new())
        }
        Verdict::Refused { objections, reason } => {
            let mut why: Vec<String> = objections.iter().map(ToString::to_string).collect();
            why.extend(Some(reason.clone()).filter(|reason| !reason.is_empty()));
            let why = why.join("; ");
            tracing::error!(rack = key, scope, generation = %at, reason = %why, "refused");
            ("scope.refused", format!(": {why}"))
        }
    };
    rack::tell(tx, event, Some((rack, key)), &format!("{scope} at {at}{why}"))
}

/// What the rack said of a scope holds again, although nothing new is sent to it.
pub(crate) fn tell_again(tx: &mut Tx<'_>, wanted: &Wanted) -> Result<(), OperationError> {
    let said = scopes::said_by(tx.conn, wanted.rack)?;
    let said = said.iter().find(|said| said.scope == wanted.scope);
    let answered = said.filter(|said| said.generation >= wanted.generation).and_then(last_word);
    let Some(status) = answered else { return Ok(()) };
    let key = rack::key(tx, wanted.rack)?;
    let scope = (wanted.name.as_str(), status.offered);
    tell_verdict(tx, (wanted.rack, &key), scope, &status.verdict)
}

/// A status that cannot be read is left out: the rack then counts as behind with that scope.
fn statuses(items: Vec<v1::ScopeStatus>) -> Vec<ScopeStatus> {
    let read = items.into_iter().filter_map(|status| {
        let refused = |error| tracing::warn!(%error, "a scope's status cannot be read");
        ScopeStatus::try_from(status).map_err(refused).ok()
    });
    read.collect()
}

/// Everything newer than `after`, for a stream that is open.
pub async fn configuration(
    region: &Region,
    rack: RackId,
    after: Generation,
) -> Result<(Generation, Vec<Wanted>), OperationError> {
    region
        .read(&rack::actor(rack), move |tx| {
            let newest = scopes::reach(tx.conn)?.map_or(after, |reach| reach.generation);
            Ok((newest, scopes::wanted_of(tx.conn, rack, after)?))
        })
        .await
}

/// Whether a newer stream of the rack, here or in another region, has taken the place of this one.
pub async fn is_overtaken(
    region: &Region,
    rack: RackId,
    session: Uuid,
) -> Result<bool, OperationError> {
    let row = region.read(&rack::actor(rack), move |tx| Ok(sessions::find(tx.conn, rack)?)).await?;
    Ok(row.and_then(|row| row.ids()).is_some_and(|(_, newest)| newest != session))
}

/// The stream has ended. A newer one may have taken its place: then nothing has happened.
pub async fn close(region: &Region, rack: RackId, session: Uuid) -> Result<(), OperationError> {
    region
        .write(&rack::actor(rack), move |tx| {
            if sessions::close(tx.conn, rack, session)? {
                rack::disconnected(tx, rack)?;
            }
            Ok(())
        })
        .await
}
