use super::{samples::*, *};
use common::Epoch;
use std::net::IpAddr;

/// One rack with eth1 in dc1/10, and a machine that answers as the test wants.
struct Rack {
    scopes: Scopes,
    interfaces: Vec<Interface>,
}

fn eth(number: u8, index: usize) -> Interface {
    let address = IpAddr::from([10, 0, number, 2]);
    Interface {
        name: format!("eth{number}"),
        index,
        mac: None,
        up: true,
        addresses: vec![(address, 24)],
    }
}

fn ten() -> DhcpVlan {
    vlan("dc1/10", &["10.0.1.0/24"])
}

fn refused(reason: &str) -> Verdict {
    Verdict::Refused { objections: Vec::new(), reason: reason.into() }
}

impl Rack {
    fn new() -> Self {
        Self { scopes: Scopes::default(), interfaces: vec![eth(1, 4)] }
    }

    fn offer(&mut self, vlan: &DhcpVlan, number: u64) {
        let record = record(vlan, number);
        assert_eq!(self.scopes.judge(&record), Offer::Accept);
        self.scopes.take(&record);
    }

    fn due(&self, again: bool) -> Vec<Attempt> {
        self.scopes.due(&self.interfaces, &Assignments::new(), again)
    }

    /// The one attempt that is due, concluded as the shell does with a service that takes everything.
    fn settle(&mut self) -> Verdict {
        let mut due = self.due(false);
        assert_eq!(due.len(), 1, "{due:?}");
        let attempt = due.remove(0);
        let generation = attempt.newest.generation;
        let (verdict, serving) = match &attempt.newest.action {
            Action::Serve { links, .. } => {
                (Verdict::Applied, Some(Serving { generation, links: links.clone() }))
            }
            Action::StandBy => (Verdict::Standby, None),
            Action::Refuse { objections, reason } => {
                let (objections, reason) = (objections.clone(), reason.clone());
                (Verdict::Refused { objections, reason }, None)
            }
        };
        self.scopes.conclude(&attempt, verdict.clone(), serving);
        verdict
    }

    fn status(&self) -> ScopeStatus {
        self.scopes.statuses().remove(0).1
    }
}

#[test]
fn a_scope_is_tried_once_and_again_when_something_changed() {
    let mut rack = Rack::new();
    rack.offer(&ten(), 1);
    assert!(rack.scopes.statuses().is_empty(), "nothing is said before the first verdict");
    assert_eq!(rack.settle(), Verdict::Applied);
    assert!(rack.due(true).is_empty());
    rack.interfaces[0].addresses.push(([10, 0, 1, 3].into(), 24));
    assert_eq!(rack.due(false).len(), 1, "another address");
    rack.settle();
    rack.interfaces[0].index += 1;
    assert_eq!(rack.due(false).len(), 1, "another interface of the same name");
}

#[test]
fn an_interface_that_goes_and_comes_back_changes_the_verdict() {
    let mut rack = Rack::new();
    rack.interfaces.push(eth(2, 5));
    rack.offer(&ten(), 1);
    assert_eq!(rack.settle(), Verdict::Applied);
    rack.offer(&vlan("dc1/20", &["10.0.2.0/24"]), 2);
    rack.settle();
    let gone = rack.interfaces.remove(0);
    assert_eq!(rack.settle(), refused("interface eth1 is gone"));
    let ten = ScopeName::Dhcp(ten().vlan).to_string();
    let mut statuses = rack.scopes.statuses().into_iter();
    let (name, status) = statuses.find(|(_, status)| status.scope == ten).unwrap();
    assert_eq!(name, "dc1/10");
    assert_eq!((status.offered, status.good), (at(1), None));
    assert!(rack.due(false).is_empty(), "it is not mistaken for a VLAN of relays");
    assert_eq!(rack.due(true).len(), 1, "it is looked at again");
    rack.interfaces.insert(0, gone);
    assert_eq!(rack.settle(), Verdict::Applied);
}

#[test]
fn a_refused_generation_leaves_the_last_good_one_to_fall_back_on() {
    let mut rack = Rack::new();
    rack.offer(&ten(), 1);
    rack.settle();
    rack.offer(&vlan("dc1/10", &["10.9.9.0/24"]), 2);
    let attempt = rack.due(false).remove(0);
    let good = attempt.good.clone().unwrap();
    assert_eq!(good.generation, at(1));
    assert!(matches!(good.action, Action::Serve { ref links, .. } if links.len() == 1));
    let before = attempt.serving.clone();
    assert!(!rack.scopes.conclude(&attempt, refused("no interface"), before));
    let status = rack.status();
    assert_eq!((status.offered, status.good), (at(2), Some(at(1))));
    rack.offer(&ten(), 3);
    assert_eq!(rack.settle(), Verdict::Applied);
    assert_eq!(rack.status().good, Some(at(3)));
}

#[test]
fn only_what_the_machine_refused_is_tried_again() {
    let mut rack = Rack::new();
    rack.offer(&ten(), 1);
    let attempt = rack.due(false).remove(0);
    rack.scopes.conclude(&attempt, refused("port 67 is taken"), None);
    assert!(rack.due(false).is_empty());
    assert_eq!(rack.due(true).len(), 1);
    let objections = vec![Objection::new("subnets[0].prefix", "x", "must be a prefix")];
    let verdict = Verdict::Refused { objections, reason: String::new() };
    rack.scopes.conclude(&attempt, verdict, None);
    assert!(rack.due(true).is_empty());
}

#[test]
fn a_standby_opens_nothing_and_counts_as_good() {
    let mut rack = Rack::new();
    rack.offer(&standby(ten()), 1);
    assert_eq!(rack.settle(), Verdict::Standby);
    assert_eq!(rack.status().good, Some(at(1)));
}

#[test]
fn content_that_breaks_a_rule_is_refused_with_the_field() {
    let mut rack = Rack::new();
    let other = vlan("dc1/11", &["10.0.1.0/24"]);
    let misnamed = Record { scope: ScopeName::Dhcp(ten().vlan), ..record(&other, 1) };
    let garbage = Record { content: vec![0xff; 9], ..record(&ten(), 2) };
    for (bad, field) in [(misnamed, "id"), (garbage, "content")] {
        rack.scopes.take(&bad);
        let Verdict::Refused { objections, .. } = rack.settle() else { panic!("{field}") };
        assert_eq!(objections[0].field, field);
    }
}

#[test]
fn a_rejected_offer_is_shown_and_changes_nothing() {
    let mut rack = Rack::new();
    rack.offer(&ten(), 5);
    rack.settle();
    let mut lower = record(&ten(), 9);
    lower.generation.epoch = Epoch(2);
    let other = record(&vlan("dc1/10", &["10.0.1.0/25"]), 5);
    for bad in [lower, other] {
        assert_eq!(rack.scopes.judge(&bad), Offer::Refuse);
        rack.scopes.reject(&bad, "is of an earlier epoch".into());
        let status = rack.status();
        assert_eq!((status.offered, status.offered_digest), (bad.generation, bad.digest));
        assert!(matches!(status.verdict, Verdict::Refused { .. }));
        assert_eq!(status.good, Some(at(5)));
        assert!(rack.due(true).is_empty());
    }
    rack.offer(&ten(), 6);
    rack.settle();
    assert_eq!(rack.status().verdict, Verdict::Applied);
}

#[test]
fn after_a_start_the_offered_is_tried_before_the_good() {
    let (good, offered) = (record(&ten(), 1), record(&ten(), 2));
    let kept = Kept { offered: Some(offered), good: Some(good) };
    let name = ScopeName::Dhcp(ten().vlan);
    let scopes = Scopes::load([(name, kept)].into());
    let mut rack = Rack { scopes, ..Rack::new() };
    let attempt = rack.due(false).remove(0);
    assert_eq!(
        (attempt.newest.generation, attempt.good.map(|good| good.generation)),
        (at(2), Some(at(1)))
    );
    rack.settle();
    assert_eq!(rack.status().good, Some(at(2)));
}

#[test]
fn a_withdrawn_scope_is_forgotten() {
    let mut rack = Rack::new();
    rack.offer(&ten(), 1);
    rack.settle();
    let serving = rack.scopes.withdraw(&ScopeName::Dhcp(ten().vlan));
    assert_eq!(serving.map(|serving| serving.generation), Some(at(1)));
    assert!(rack.scopes.statuses().is_empty() && rack.due(true).is_empty());
}
