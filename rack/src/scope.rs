//! What this rack knows of each scope, and what is to be done about it. Decides; `apply` acts.

use common::{
    Generation, Objection, VlanId,
    generation::{Digest, Offer},
    rack_config::{DhcpVlan, Role, ScopeConfig, ScopeName},
    report::{ScopeStatus, Verdict},
};
use proto::convert::rack_config;
use std::collections::BTreeMap;

use crate::{
    attach::{Assignments, Attachment, Link},
    net::interfaces::Interface,
    store::scopes::{Kept, Record},
};

/// One generation of a scope, read.
#[derive(Clone, Debug)]
pub struct Version {
    pub generation: Generation,
    pub digest: Digest,
    pub content: Result<ScopeConfig, Vec<Objection>>,
}

impl Version {
    pub fn read(record: &Record) -> Self {
        let read = rack_config::decode(&record.content).map_err(|refused| refused.0);
        let content = read.and_then(|config| named(config, record));
        Self { generation: record.generation, digest: record.digest, content }
    }
}

/// The scope's name and its content must speak of the same thing.
fn named(config: ScopeConfig, record: &Record) -> Result<ScopeConfig, Vec<Objection>> {
    let name = config.name();
    if name == record.scope {
        return Ok(config);
    }
    let rule = format!("must be the one of its scope, {}", record.scope);
    Err(vec![Objection::new("id", name, rule)])
}

/// What a service was told last.
#[derive(Clone, Debug, PartialEq)]
pub struct Serving {
    pub generation: Generation,
    pub links: Vec<Link>,
}

/// An offer that changed nothing, and why; shown until a newer one is taken.
#[derive(Clone, Debug)]
struct Rejected {
    generation: Generation,
    digest: Digest,
    reason: String,
}

#[derive(Debug, Default)]
struct Scope {
    /// Untried or refused.
    offered: Option<Version>,
    good: Option<Version>,
    rejected: Option<Rejected>,
    /// Of the newest version.
    verdict: Option<Verdict>,
    /// How the newest could be reached when the verdict was given.
    tried: Option<Result<Vec<Link>, String>>,
    serving: Option<Serving>,
    /// The interfaces by which a generation was served: that they are gone is a fault, and does not make it a VLAN of relays alone.
    served_by: Option<(Generation, Vec<String>)>,
}

/// All scopes of the rack.
#[derive(Debug, Default)]
pub struct Scopes {
    scopes: BTreeMap<ScopeName, Scope>,
    /// By name, of kinds that a later version knows.
    unknown: BTreeMap<String, Rejected>,
}

/// One scope's turn: what to try, and what to fall back on.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub scope: ScopeName,
    pub newest: Plan,
    reached: Result<Vec<Link>, String>,
    /// The last good version, where the newest is another.
    pub good: Option<Plan>,
    pub serving: Option<Serving>,
    /// What was said of the newest before.
    pub verdict: Option<Verdict>,
}

/// A version and what it takes.
#[derive(Clone, Debug)]
pub struct Plan {
    pub generation: Generation,
    pub action: Action,
}

#[derive(Clone, Debug)]
pub enum Action {
    Serve { config: ScopeConfig, links: Vec<Link> },
    StandBy,
    Refuse { objections: Vec<Objection>, reason: String },
}

impl Scopes {
    pub fn load(kept: BTreeMap<ScopeName, Kept>) -> Self {
        let read = |record: Option<Record>| record.as_ref().map(Version::read);
        let scopes = kept.into_iter().map(|(name, kept)| {
            let scope =
                Scope { offered: read(kept.offered), good: read(kept.good), ..Scope::default() };
            (name, scope)
        });
        Self { scopes: scopes.collect(), unknown: BTreeMap::new() }
    }

    /// What to do with an offer; nothing is changed.
    pub fn judge(&self, record: &Record) -> Offer {
        let newest = self.scopes.get(&record.scope).and_then(Scope::newest);
        newest.map_or(Offer::Accept, |newest| {
            newest.generation.judge(&newest.digest, record.generation, &record.digest)
        })
    }

    /// Takes an accepted offer, which is on the disk by now.
    pub fn take(&mut self, record: &Record) {
        let scope = self.scopes.entry(record.scope.clone()).or_default();
        scope.offered = Some(Version::read(record));
        (scope.rejected, scope.verdict, scope.tried) = (None, None, None);
    }

    pub fn reject(&mut self, record: &Record, reason: String) {
        let scope = self.scopes.entry(record.scope.clone()).or_default();
        let (generation, digest) = (record.generation, record.digest);
        scope.rejected = Some(Rejected { generation, digest, reason });
    }

    pub fn reject_unknown(&mut self, scope: String, generation: Generation, digest: Digest) {
        let reason = "is of a kind that this version of hostler-rack does not know".into();
        self.unknown.insert(scope, Rejected { generation, digest, reason });
    }

    pub fn forget_unknown(&mut self, scope: &str) {
        self.unknown.remove(scope);
    }

    /// Forgets a scope; what of it is still being served.
    pub fn withdraw(&mut self, name: &ScopeName) -> Option<Serving> {
        self.scopes.remove(name)?.serving
    }

    pub fn attachment<'a>(
        &self,
        interfaces: &'a [Interface],
        assignments: &'a Assignments,
    ) -> Attachment<'a> {
        let shapes: Vec<&DhcpVlan> = self.scopes.values().filter_map(Scope::shape).collect();
        Attachment::new(interfaces, assignments, &shapes)
    }

    /// Scopes that were never tried, that are reached otherwise than when they were, or (with `again`) that the machine refused.
    pub fn due(
        &self,
        interfaces: &[Interface],
        assignments: &Assignments,
        again: bool,
    ) -> Vec<Attempt> {
        let attachment = self.attachment(interfaces, assignments);
        let due = self.scopes.iter().filter_map(|(name, scope)| {
            let newest = scope.newest()?;
            let reached = scope.reach(newest, &attachment);
            let late = scope.verdict.is_none()
                || scope.tried.as_ref() != Some(&reached)
                || (again && scope.refused_by_machine());
            late.then(|| Attempt {
                scope: name.clone(),
                newest: newest.plan(&reached),
                reached,
                good: scope
                    .fallback()
                    .map(|good| good.plan(&self.reach_good(name, good, interfaces, assignments))),
                serving: scope.serving.clone(),
                verdict: scope.verdict.clone(),
            })
        });
        due.collect()
    }

    /// Keeps the outcome of an attempt; true when the offered version proved good by it.
    pub fn conclude(
        &mut self,
        attempt: &Attempt,
        verdict: Verdict,
        serving: Option<Serving>,
    ) -> bool {
        let Some(scope) = self.scopes.get_mut(&attempt.scope) else { return false };
        scope.tried = Some(attempt.reached.clone());
        if let Some(Serving { generation, links }) = &serving
            && !links.is_empty()
        {
            let names = links.iter().map(|link| link.addresses.interface.clone());
            scope.served_by = Some((*generation, names.collect()));
        }
        scope.serving = serving;
        let proved = !matches!(verdict, Verdict::Refused { .. }) && scope.offered.is_some();
        if proved {
            scope.good = scope.offered.take();
        }
        scope.verdict = Some(verdict);
        proved
    }

    pub fn refused_by_machine(&self) -> bool {
        self.scopes.values().any(Scope::refused_by_machine)
    }

    /// Each with what people call it.
    pub fn statuses(&self) -> Vec<(String, ScopeStatus)> {
        let known = self.scopes.iter();
        let known = known.filter_map(|(name, scope)| Some((scope.label(), scope.status(name)?)));
        let unknown = self.unknown.iter();
        let unknown = unknown.map(|(name, rejected)| (String::new(), rejected.status(name, None)));
        known.chain(unknown).collect()
    }

    /// What people call a VLAN.
    pub fn name(&self, vlan: VlanId) -> String {
        self.scopes.get(&ScopeName::Dhcp(vlan)).map(Scope::label).unwrap_or_default()
    }

    /// As `reach`, were the scope's good version its newest.
    fn reach_good(
        &self,
        name: &ScopeName,
        good: &Version,
        interfaces: &[Interface],
        assignments: &Assignments,
    ) -> Result<Vec<Link>, String> {
        let others = self.scopes.iter().filter(|(other, _)| *other != name);
        let mut shapes: Vec<&DhcpVlan> = others.filter_map(|(_, scope)| scope.shape()).collect();
        shapes.extend(good.vlan());
        let attachment = Attachment::new(interfaces, assignments, &shapes);
        self.scopes[name].reach(good, &attachment)
    }
}

impl Scope {
    fn newest(&self) -> Option<&Version> {
        self.offered.as_ref().or(self.good.as_ref())
    }

    fn fallback(&self) -> Option<&Version> {
        self.offered.as_ref().and(self.good.as_ref())
    }

    /// By which the interfaces are told apart: the newest version that can be read.
    fn shape(&self) -> Option<&DhcpVlan> {
        [&self.offered, &self.good].into_iter().flatten().find_map(Version::vlan)
    }

    fn label(&self) -> String {
        self.shape().map(|vlan| vlan.name.clone()).unwrap_or_default()
    }

    fn reach(&self, version: &Version, attachment: &Attachment<'_>) -> Result<Vec<Link>, String> {
        let vlan = match &version.content {
            Ok(ScopeConfig::Dhcp(vlan)) => vlan,
            Ok(ScopeConfig::Boot(_)) => return Ok(attachment.all_links()),
            Err(_) => return Ok(Vec::new()),
        };
        if vlan.role == Role::Secondary {
            return Ok(Vec::new());
        }
        let before = self.served_by.as_ref().filter(|(served, _)| *served == version.generation);
        attachment.reach(vlan, before.map(|(_, names)| names.as_slice()).unwrap_or_default())
    }

    fn refused_by_machine(&self) -> bool {
        matches!(&self.verdict, Some(Verdict::Refused { objections, .. }) if objections.is_empty())
    }

    /// Nothing is said of a scope that was not tried yet.
    fn status(&self, name: &ScopeName) -> Option<ScopeStatus> {
        let standby = self.good.as_ref().filter(|_| self.verdict == Some(Verdict::Standby));
        let good = self.serving.as_ref().map(|serving| serving.generation);
        let good = good.or(standby.map(|standby| standby.generation));
        if let Some(rejected) = &self.rejected {
            return Some(rejected.status(&name.to_string(), good));
        }
        let (newest, verdict) = self.newest().zip(self.verdict.clone())?;
        let (offered, offered_digest) = (newest.generation, newest.digest);
        Some(ScopeStatus { scope: name.to_string(), offered, offered_digest, verdict, good })
    }
}

impl Rejected {
    fn status(&self, scope: &str, good: Option<Generation>) -> ScopeStatus {
        let (objections, reason) = (Vec::new(), self.reason.clone());
        ScopeStatus {
            scope: scope.into(),
            offered: self.generation,
            offered_digest: self.digest,
            verdict: Verdict::Refused { objections, reason },
            good,
        }
    }
}

impl Version {
    fn vlan(&self) -> Option<&DhcpVlan> {
        match &self.content {
            Ok(ScopeConfig::Dhcp(vlan)) => Some(vlan),
            Ok(ScopeConfig::Boot(_)) | Err(_) => None,
        }
    }

    fn plan(&self, reached: &Result<Vec<Link>, String>) -> Plan {
        let action = match (&self.content, reached) {
            (Err(objections), _) => {
                Action::Refuse { objections: objections.clone(), reason: String::new() }
            }
            (Ok(ScopeConfig::Dhcp(vlan)), _) if vlan.role == Role::Secondary => Action::StandBy,
            (Ok(_), Err(reason)) => {
                Action::Refuse { objections: Vec::new(), reason: reason.clone() }
            }
            (Ok(config), Ok(links)) => {
                Action::Serve { config: config.clone(), links: links.clone() }
            }
        };
        Plan { generation: self.generation, action }
    }
}

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;
