//! How far the racks are with what they were told.

use common::RackId;
use proto::v1::{self, Progress};
use std::collections::{BTreeMap, HashSet};

use super::{OperationError, Tx, rack, session};
use crate::{
    auth::{Verb, authorise},
    db::{
        refused_scopes::{self, RefusedScope},
        scopes::{self, Said, Wanted},
        sessions,
    },
    events::{self, Cursor},
    resources::field::wire_time,
};

/// Every scope that passes since `cursor` have stamped or could not build, each as it is now; None while no pass reaches that far.
pub fn touched(
    tx: &mut Tx<'_>,
    cursor: Cursor,
) -> Result<Option<Vec<v1::ScopeProgress>>, OperationError> {
    authorise(tx.actor, "convergence", Verb::Wait)?;
    let epoch = events::epoch(tx.conn)?;
    if cursor.epoch != epoch {
        return Err(OperationError::Compacted { floor: Cursor::start(epoch) });
    }
    match scopes::reach(tx.conn)? {
        Some(reach) if reach.cursor >= cursor => {}
        _ => return Ok(None),
    }
    let stamped = scopes::stamped_since(tx.conn, cursor)?;
    let view = View::load(tx)?;
    Ok(Some(view.all(&stamped, |refused| refused.cursor >= cursor)))
}

/// Every scope of every rack, as it is now.
pub fn scopes(tx: &mut Tx<'_>) -> Result<Vec<v1::ScopeProgress>, OperationError> {
    authorise(tx.actor, "convergence", Verb::Overview)?;
    let view = View::load(tx)?;
    Ok(view.all(&scopes::outlines(tx.conn)?, |_| true))
}

pub fn overview(tx: &mut Tx<'_>) -> Result<v1::OverviewResponse, OperationError> {
    authorise(tx.actor, "convergence", Verb::Overview)?;
    let mut behind: BTreeMap<String, Vec<v1::ScopeProgress>> = BTreeMap::new();
    let view = View::load(tx)?;
    for own in view.all(&scopes::outlines(tx.conn)?, |_| true) {
        if !matches!(own.progress(), Progress::Applied | Progress::Standby) {
            behind.entry(own.rack_id.clone()).or_default().push(own);
        }
    }
    let racks = rack::all(tx)?;
    let racks = racks.into_iter().map(|rack| {
        let id: RackId = rack.id.cast();
        let behind = behind.remove(&id.to_string()).unwrap_or_default();
        v1::RackConvergence {
            rack: rack.key,
            rack_id: id.to_string(),
            connected: view.connected.contains(&id),
            last_seen: rack.value.last_seen.map(wire_time),
            current: behind.is_empty(),
            behind,
            counts: view.counts.get(&id).cloned(),
        }
    });
    let racks: Vec<_> = racks.collect();
    let current = racks.iter().filter(|rack| rack.current).count();
    Ok(v1::OverviewResponse { current: u32::try_from(current).unwrap_or(u32::MAX), racks })
}

/// What racks say and who is there, at one moment.
struct View {
    keys: BTreeMap<RackId, String>,
    connected: HashSet<RackId>,
    /// Of those that are there and told them.
    counts: BTreeMap<RackId, v1::RackCounts>,
    said: BTreeMap<(RackId, String), Said>,
    /// What region itself could not build.
    refused: BTreeMap<(RackId, String), RefusedScope>,
}

impl View {
    fn load(tx: &mut Tx<'_>) -> Result<Self, OperationError> {
        let keys = rack::all(tx)?.into_iter().map(|rack| (rack.id.cast(), rack.key)).collect();
        let sessions = sessions::load_all(tx.conn)?;
        let there = || sessions.iter().filter(|row| row.connected);
        let connected = there().filter_map(|row| row.ids()).map(|(rack, _)| rack).collect();
        let counts = there().filter_map(|row| Some((row.ids()?.0, session::counts(row)?)));
        let counts = counts.map(|(rack, counts)| (rack, (&counts).into())).collect();
        let said = scopes::said(tx.conn)?;
        let said = said.into_iter().map(|said| ((said.rack, said.scope.clone()), said)).collect();
        let refused = refused_scopes::load_all(tx.conn)?;
        let place = |one: RefusedScope| ((one.rack, one.scope.clone()), one);
        let refused = refused.into_iter().map(place).collect();
        Ok(Self { keys, connected, counts, said, refused })
    }

    /// These, and those that could not be built: what was built last is no answer to what is wanted now.
    fn all(
        &self,
        wanted: &[Wanted],
        touched: impl Fn(&RefusedScope) -> bool,
    ) -> Vec<v1::ScopeProgress> {
        let mut all: BTreeMap<(RackId, &str), v1::ScopeProgress> = wanted
            .iter()
            .map(|wanted| ((wanted.rack, wanted.scope.as_str()), self.progress(wanted)))
            .collect();
        for refused in self.refused.values() {
            let place = (refused.rack, refused.scope.as_str());
            if touched(refused) || all.contains_key(&place) {
                all.insert(place, self.unbuilt(refused));
            }
        }
        all.into_values().collect()
    }

    fn unbuilt(&self, refused: &RefusedScope) -> v1::ScopeProgress {
        let verdict = <v1::Verdict as prost::Message>::decode(refused.verdict.as_slice());
        // What an older region wrote and this one cannot read is refused all the same.
        let verdict = verdict.unwrap_or_default();
        v1::ScopeProgress {
            rack: self.key(refused.rack),
            rack_id: refused.rack.to_string(),
            scope: refused.scope.clone(),
            name: refused.name.clone(),
            progress: Progress::Refused.into(),
            wanted: Some(refused.generation.into()),
            good: self.status(refused.rack, &refused.scope).and_then(|status| status.good),
            reason: verdict.reason,
            objections: verdict.objections,
        }
    }

    fn key(&self, rack: RackId) -> String {
        self.keys.get(&rack).cloned().unwrap_or_else(|| rack.to_string())
    }

    fn status(&self, rack: RackId, scope: &str) -> Option<v1::ScopeStatus> {
        let said = self.said.get(&(rack, scope.to_owned()))?;
        <v1::ScopeStatus as prost::Message>::decode(said.status.as_slice()).ok()
    }

    fn progress(&self, wanted: &Wanted) -> v1::ScopeProgress {
        let said = self.said.get(&(wanted.rack, wanted.scope.clone()));
        let status = self.status(wanted.rack, &wanted.scope).unwrap_or_default();
        let verdict = status.verdict.unwrap_or_default();
        let answered = said.is_some_and(|said| said.generation >= wanted.generation);
        let progress = self.judge(wanted, answered, said.is_some(), verdict.kind());
        let refused = progress == Progress::Refused;
        v1::ScopeProgress {
            rack: self.key(wanted.rack),
            rack_id: wanted.rack.to_string(),
            scope: wanted.scope.clone(),
            name: wanted.name.clone(),
            progress: progress.into(),
            wanted: Some(wanted.generation.into()),
            good: status.good,
            reason: match progress {
                Progress::Refused => verdict.reason,
                Progress::Unreachable => "the rack has no stream to region".into(),
                Progress::Unspecified
                | Progress::Pending
                | Progress::Applied
                | Progress::Standby => String::new(),
            },
            objections: if refused { verdict.objections } else { Vec::new() },
        }
    }

    fn judge(
        &self,
        wanted: &Wanted,
        answered: bool,
        listed: bool,
        verdict: v1::VerdictKind,
    ) -> Progress {
        // Withdrawn, and the rack has let go of it.
        if wanted.withdrawn && !listed {
            return Progress::Applied;
        }
        let open = match self.connected.contains(&wanted.rack) {
            true => Progress::Pending,
            false => Progress::Unreachable,
        };
        match verdict {
            v1::VerdictKind::Applied if answered => Progress::Applied,
            v1::VerdictKind::Standby if answered => Progress::Standby,
            v1::VerdictKind::Refused if answered => Progress::Refused,
            v1::VerdictKind::Unspecified
            | v1::VerdictKind::Applied
            | v1::VerdictKind::Standby
            | v1::VerdictKind::Refused => open,
        }
    }
}

/// Which scopes have moved since the last look; what follows a change tells only these.
#[derive(Default)]
pub struct Told(BTreeMap<(String, String), (i32, Option<v1::Generation>)>);

impl Told {
    pub fn news(&mut self, now: Vec<v1::ScopeProgress>) -> Vec<v1::ScopeProgress> {
        let is_news = |own: &v1::ScopeProgress| {
            let place = (own.rack_id.clone(), own.scope.clone());
            let state = (own.progress, own.wanted);
            self.0.insert(place, state) != Some(state)
        };
        now.into_iter().filter(is_news).collect()
    }
}

/// Nothing more is to come of it, as far as racks can be reached.
pub fn is_settled(scope: &v1::ScopeProgress) -> bool {
    matches!(scope.progress(), Progress::Applied | Progress::Standby | Progress::Refused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn progress_follows_what_was_said_last() {
        let rack = RackId::new(Uuid::from_u128(1));
        let at = |number| common::Generation { epoch: common::Epoch(1), number };
        use v1::VerdictKind::{Applied, Refused, Standby, Unspecified};
        for (connected, withdrawn, said, expected) in [
            (true, false, None, Progress::Pending),
            (false, false, None, Progress::Unreachable),
            (true, false, Some((4, Applied)), Progress::Pending),
            (true, false, Some((5, Applied)), Progress::Applied),
            (false, false, Some((5, Applied)), Progress::Applied),
            (true, false, Some((5, Standby)), Progress::Standby),
            (true, false, Some((5, Refused)), Progress::Refused),
            (true, false, Some((5, Unspecified)), Progress::Pending),
            (true, true, Some((5, Unspecified)), Progress::Pending),
            (false, true, None, Progress::Applied),
        ] {
            let wanted = Wanted {
                rack,
                scope: "dhcp/x".into(),
                name: "dhcp dc1/10".into(),
                generation: at(5),
                digest: [0; 32],
                content: Vec::new(),
                withdrawn,
                cursor: Cursor::start(common::Epoch(1)),
            };
            let said = said.map(|(number, kind)| {
                let verdict = Some(v1::Verdict { kind: kind.into(), ..Default::default() });
                let status = v1::ScopeStatus { verdict, ..Default::default() };
                let status = prost::Message::encode_to_vec(&status);
                Said { rack, scope: "dhcp/x".into(), generation: at(number), status, at: 0 }
            });
            let view = View {
                keys: BTreeMap::new(),
                connected: connected.then_some(rack).into_iter().collect(),
                counts: BTreeMap::new(),
                said: said.into_iter().map(|said| ((rack, "dhcp/x".into()), said)).collect(),
                refused: BTreeMap::new(),
            };
            assert_eq!(view.progress(&wanted).progress(), expected, "{wanted:?}");
        }
    }
}
