//! How many racks have what region wants, told by a glyph and by words. An away rack may have lost what it had, so only racks that are heard count;
//! revoked ones are not asked.

use proto::v1::{self, Progress};

use super::{cells::Tone, subnet::text};
use crate::operations::{OperationError, Tx, convergence, fleet::Member};

pub(super) struct Badge {
    pub(super) tone: Tone,
    pub(super) said: String,
}

impl Badge {
    pub(super) fn of_fleet<'a>(members: impl IntoIterator<Item = &'a Member>) -> Self {
        let members: Vec<&Member> =
            members.into_iter().filter(|member| !member.rack.revoked).collect();
        let count = |holds: fn(&Member) -> bool| members.iter().filter(|own| holds(own)).count();
        let current = count(|member| member.rack.connected && member.is_current());
        let away = count(|member| !member.rack.connected);
        let any = |progress| members.iter().any(|member| member.with(progress).next().is_some());
        let tone = match () {
            () if members.is_empty() => Tone::Off,
            () if any(Progress::Refused) => Tone::Bad,
            () if away > 0 => Tone::Unknown,
            () if any(Progress::Pending) => Tone::Info,
            () => Tone::Ok,
        };
        let newest = members.iter().map(|member| member.wanted()).max().unwrap_or_default();
        let away = if away > 0 { format!(", {away} away") } else { String::new() };
        let all = members.len();
        let said = format!("{current} of {all} racks up to date{away}, generation {newest}");
        Self { tone, said }
    }

    /// In one word.
    pub(super) fn of_rack(member: &Member) -> Self {
        let (tone, said) = match () {
            () if member.rack.revoked => (Tone::Hold, "revoked"),
            () if member.with(Progress::Refused).next().is_some() => (Tone::Bad, "refuses"),
            () if !member.rack.connected => (Tone::Unknown, "away"),
            () if !member.is_current() => (Tone::Info, "behind"),
            () => (Tone::Ok, "up to date"),
        };
        Self { tone, said: said.into() }
    }

    /// Of the racks that serve a VLAN; None: none is asked to.
    pub(super) fn of_vlan(tx: &mut Tx<'_>, vlan: &str) -> Result<Option<Self>, OperationError> {
        Self::of_scope(tx, &format!("dhcp {vlan}"))
    }

    /// Of the racks that tell machines what to boot; None: none does.
    pub(super) fn of_boots(tx: &mut Tx<'_>) -> Result<Option<Self>, OperationError> {
        Self::of_scope(tx, "boot")
    }

    fn of_scope(tx: &mut Tx<'_>, name: &str) -> Result<Option<Self>, OperationError> {
        let mut scopes = Vec::new();
        for scope in convergence::scopes(tx)?.into_iter().filter(|own| own.name == name) {
            let rack = super::resource("rack").get(tx, &scope.rack_id)?;
            if text(&rack, "revoked") != "yes" {
                scopes.push((scope, text(&rack, "connected") == "yes"));
            }
        }
        Ok(Self::of_scopes(&scopes))
    }

    /// Each with whether its rack is heard.
    fn of_scopes(scopes: &[(v1::ScopeProgress, bool)]) -> Option<Self> {
        let state = |(scope, connected): &(v1::ScopeProgress, bool)| {
            let (tone, word) = progress(scope.progress());
            let hopeful = matches!(tone, Tone::Ok | Tone::Info);
            if hopeful && !connected { (Tone::Unknown, "a rack is away") } else { (tone, word) }
        };
        let states: Vec<_> = scopes.iter().map(state).collect();
        let (tone, worst) = *states.iter().max_by_key(|(tone, _)| weight(*tone))?;
        let done = states.iter().filter(|(tone, _)| *tone == Tone::Ok).count();
        let number = scopes.iter().filter_map(|(scope, _)| Some(scope.wanted?.number)).max();
        let (number, all) = (number.unwrap_or_default(), scopes.len());
        let racks = if all == 1 { "rack" } else { "racks" };
        let on = format!("generation {number} on {done} of {all} {racks}");
        let said = if done == all { on } else { format!("{worst}: {on}") };
        Some(Self { tone, said })
    }
}

pub(super) fn progress(progress: Progress) -> (Tone, &'static str) {
    match progress {
        Progress::Applied => (Tone::Ok, "applied"),
        Progress::Standby => (Tone::Ok, "standby"),
        Progress::Pending => (Tone::Info, "pending"),
        Progress::Refused => (Tone::Bad, "refused"),
        Progress::Unreachable => (Tone::Unknown, "not heard"),
        Progress::Unspecified => (Tone::Unknown, "not known"),
    }
}

fn weight(tone: Tone) -> u8 {
    match tone {
        Tone::Bad => 3,
        Tone::Warn | Tone::Unknown => 2,
        Tone::Info | Tone::Hold => 1,
        Tone::Ok | Tone::Off => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(progress: Progress) -> v1::ScopeProgress {
        let wanted = Some(v1::Generation { epoch: 1, number: 7 });
        v1::ScopeProgress { progress: progress.into(), wanted, ..Default::default() }
    }

    #[test]
    fn only_racks_that_are_heard_are_up_to_date() {
        use Progress::{Applied, Pending, Refused, Standby, Unreachable};
        for (scopes, tone, said) in [
            (&[(Applied, true), (Standby, true)][..], Tone::Ok, "generation 7 on 2 of 2 racks"),
            (&[(Applied, true)], Tone::Ok, "generation 7 on 1 of 1 rack"),
            (
                &[(Applied, true), (Pending, true)],
                Tone::Info,
                "pending: generation 7 on 1 of 2 racks",
            ),
            (
                &[(Applied, true), (Standby, false)],
                Tone::Unknown,
                "a rack is away: generation 7 on 1 of 2 racks",
            ),
            (
                &[(Applied, true), (Unreachable, false)],
                Tone::Unknown,
                "not heard: generation 7 on 1 of 2 racks",
            ),
            (
                &[(Refused, false), (Pending, true)],
                Tone::Bad,
                "refused: generation 7 on 0 of 2 racks",
            ),
        ] {
            let scopes: Vec<_> = scopes.iter().map(|(own, heard)| (scope(*own), *heard)).collect();
            let badge = Badge::of_scopes(&scopes).unwrap();
            assert_eq!((badge.tone, badge.said.as_str()), (tone, said));
        }
        assert!(Badge::of_scopes(&[]).is_none());
        assert_eq!(Badge::of_fleet(&[]).tone, Tone::Off);
    }
}
