use super::stage::{EPOCH, PATIENCE, Stage, VLAN};
use anyhow::ensure;
use hostler_integration_tests::fake_region::Session;
use proto::v1::{
    FactClass, LeaseState, RackCounts, ReleaseLeaseRequest, Request, from_rack, request, to_rack,
};
use std::collections::{BTreeMap, BTreeSet};

/// Reads facts, recording none, until there are so many; by number.
async fn collect(session: &mut Session, count: usize) -> anyhow::Result<BTreeMap<u64, Vec<u8>>> {
    let mut found = BTreeMap::new();
    while found.len() < count {
        let batch = session.facts().await?;
        ensure!(batch.snapshot.is_none() && batch.leases.len() <= 512 && batch.sent_at > 0);
        for fact in batch.leases {
            ensure!(fact.state() == LeaseState::Bound && fact.vlan == VLAN, "{fact:?}");
            let newest = found.last_key_value().map_or(0, |(number, _)| *number);
            ensure!(fact.number > newest, "{} after {newest}", fact.number);
            found.insert(fact.number, fact.address);
        }
    }
    ensure!(found.len() == count, "{} facts, not {count}", found.len());
    Ok(found)
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_reconnect_exactly_what_is_not_recorded_is_said_again() -> anyhow::Result<()> {
    let Some((mut stage, mut session)) = Stage::begin("rlf").await? else { return Ok(()) };
    session.greet(EPOCH, 0).await?;
    stage.serve(&mut session).await?;
    let mut clients = stage.clients(1, 40)?;
    clients.bind(PATIENCE)?;
    let facts = collect(&mut session, 40).await?;
    assert_eq!(clients.wrong, [""; 0]);

    // Region's hello says up to where; that it never said so while the stream was open does not matter.
    let numbers: Vec<u64> = facts.keys().copied().collect();
    drop(session);
    let mut session = stage.region.session().await?;
    assert_eq!(session.hello.newest[0].number, numbers[39]);
    session.greet(EPOCH, numbers[14]).await?;
    let again = collect(&mut session, 25).await?;
    assert!(again.iter().eq(facts.iter().skip(15)));

    // Recorded, and then the rack loses power: nothing is said again, and what comes new is.
    session.record(numbers[39]).await?;
    stage.rack.shows(&format!("{} recorded by region", numbers[39]))?;
    drop(session);
    stage.rack.kill()?;
    stage.rack.start()?;
    let mut session = stage.region.session().await?;
    assert_eq!(session.hello.newest[0].number, numbers[39]);
    session.greet(EPOCH, numbers[39]).await?;
    clients.renew(PATIENCE)?;
    let renewed = collect(&mut session, 40).await?;
    assert!(*renewed.first_key_value().expect("forty of them").0 > numbers[39]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_region_it_serves_on_and_tells_later() -> anyhow::Result<()> {
    let Some((mut stage, mut session)) = Stage::begin("rla").await? else { return Ok(()) };
    session.greet(EPOCH, 0).await?;
    stage.serve(&mut session).await?;
    let incarnation = session.hello.incarnation.clone();
    stage.region_node.run(&["ip", "link", "set", "mgmt", "down"])?;
    stage.clients(1, 20)?.bind(PATIENCE)?;
    // Region does not answer, and the rack itself is switched off and on.
    stage.rack.kill()?;
    stage.rack.start()?;
    stage.clients(2, 20)?.bind(PATIENCE)?;
    stage.rack.shows("UNREACHABLE")?;
    stage.region_node.run(&["ip", "link", "set", "mgmt", "up"])?;
    drop(session);
    let mut session = stage.region.session().await?;
    assert_eq!(session.hello.incarnation, incarnation);
    session.greet(EPOCH, 0).await?;
    let facts = collect(&mut session, 40).await?;
    let mut addresses: Vec<_> = facts.values().collect();
    addresses.sort();
    addresses.dedup();
    assert_eq!(addresses.len(), 40, "each lease once");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn state_is_told_while_facts_wait() -> anyhow::Result<()> {
    use super::stage::{SCOPE, applied, at, serving};
    let Some((stage, mut session)) = Stage::begin("rlo").await? else { return Ok(()) };
    session.greet(EPOCH, 0).await?;
    stage.serve(&mut session).await?;
    // Nothing is recorded, so after eight batches the rack waits, with more to say.
    let mut clients = stage.clients(1, 20)?;
    clients.bind(PATIENCE)?;
    let mut last = 0;
    for _ in 0..8 {
        last = session.facts().await?.leases.last().map_or(last, |fact| fact.number);
        clients.renew(PATIENCE)?;
    }
    session.offer(SCOPE, at(2), serving()).await?;
    loop {
        match session.heard().await? {
            from_rack::Message::State(state) => {
                let scopes = state.scopes.unwrap_or_default().items;
                if scopes.iter().any(|scope| scope.offered == Some(at(2).into())) {
                    break;
                }
            }
            other @ (from_rack::Message::Facts(_)
            | from_rack::Message::Hello(_)
            | from_rack::Message::Request(_)
            | from_rack::Message::Answer(_)) => anyhow::bail!("{other:?}"),
        }
    }
    session.record(last).await?;
    let next = session.facts().await?;
    ensure!(next.leases.first().is_some_and(|fact| fact.number > last), "{next:?}");
    // And it is the same stream all the while.
    session.offer(SCOPE, at(3), serving()).await?;
    applied(&mut session, at(3)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_released_at_regions_request() -> anyhow::Result<()> {
    let Some((stage, mut session)) = Stage::begin("rlq").await? else { return Ok(()) };
    session.greet(EPOCH, 0).await?;
    stage.serve(&mut session).await?;
    let mut clients = stage.clients(1, 1)?;
    clients.bind(PATIENCE)?;
    let address = clients.leases()[0].address.to_string();
    let bound = session.facts().await?;
    let ask = |id, address: &str| {
        to_rack::Message::Request(Request {
            id,
            deadline_milliseconds: 5000,
            request: Some(request::Request::ReleaseLease(ReleaseLeaseRequest {
                vlan: VLAN.into(),
                address: address.into(),
            })),
        })
    };
    for (id, asked, refused) in [
        (7, "10.66.9.9", true),
        (8, "fd00::1", true),
        (9, "nonsense", true),
        (10, address.as_str(), false),
    ] {
        session.say(ask(id, asked)).await?;
        let answer = session.answer().await?;
        assert_eq!((answer.id, !answer.refused.is_empty()), (id, refused), "{answer:?}");
    }
    session.record(bound.leases[0].number).await?;
    let released = session.facts().await?;
    assert_eq!(released.leases[0].state(), LeaseState::Released);
    assert_eq!(released.leases[0].address, bound.leases[0].address);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rack_whose_disk_was_put_back_goes_on_as_another() -> anyhow::Result<()> {
    let Some((mut stage, mut session)) = Stage::begin("rli").await? else { return Ok(()) };
    session.greet(EPOCH, 0).await?;
    stage.serve(&mut session).await?;
    let before = session.hello.incarnation.clone();
    drop(session);
    // What region has of it is not on its disk: those numbers must not be used for anything else.
    let session = stage.region.session().await?;
    assert_eq!(session.hello.incarnation, before);
    session.greet(EPOCH, 1_000_000).await?;
    session.ended().await?;
    let mut session = stage.region.session().await?;
    assert_ne!(session.hello.incarnation, before);
    session.greet(EPOCH, 0).await?;
    stage.clients(1, 5)?.bind(PATIENCE)?;
    assert_eq!(collect(&mut session, 5).await?.len(), 5);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_log_no_longer_has_crosses_as_one_snapshot() -> anyhow::Result<()> {
    const CLIENTS: u16 = 600;
    /// Some megabytes of renewals.
    const ROUNDS: usize = 50;
    let Some(mut stage) = Stage::set("rlc")? else { return Ok(()) };
    stage.rack.configure("[leases]\nsegment = 1\noutbox = 1\n")?;
    stage.join("first")?;
    stage.rack.start()?;
    let mut session = stage.region.session().await?;
    session.greet(EPOCH, 0).await?;
    stage.serve(&mut session).await?;
    let mut clients = stage.clients(1, CLIENTS)?;
    clients.bind(PATIENCE)?;
    // Region records nothing of all that.
    for _ in 0..ROUNDS {
        clients.renew(PATIENCE)?;
    }
    drop(session);
    let mut session = stage.region.session().await?;
    let newest = session.hello.newest[0].number;
    session.greet(EPOCH, 0).await?;
    let (mut named, mut first) = (BTreeSet::new(), true);
    loop {
        let page = session.facts().await?;
        let snapshot = page.snapshot.expect("a page of a snapshot");
        assert_eq!((snapshot.first, snapshot.upto), (first, newest));
        named.extend(page.leases.into_iter().map(|fact| fact.address));
        first = false;
        if snapshot.last {
            break;
        }
    }
    assert_eq!(named.len(), usize::from(CLIENTS));
    // From there on it is facts again.
    session.record(newest).await?;
    clients.renew(PATIENCE)?;
    let next = session.facts().await?;
    ensure!(next.snapshot.is_none() && next.leases[0].number > newest, "{next:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn region_is_told_what_was_offered_and_what_it_has_not_recorded() -> anyhow::Result<()> {
    let Some((mut stage, mut session)) = Stage::begin("rlc").await? else { return Ok(()) };
    let told = |session: &Session| session.hello.state.clone().unwrap_or_default().counts;
    assert_eq!(told(&session), Some(RackCounts::default()), "region has said nothing yet");
    session.greet(EPOCH, 0).await?;
    stage.serve(&mut session).await?;
    stage.clients(1, 10)?.bind(PATIENCE)?;
    let waiting = |count: u64| {
        move |counts: &RackCounts| counts.waiting.first().is_some_and(|own| own.count == count)
    };
    let counts = session.counts(waiting(10)).await?;
    assert!(counts.offers >= 10, "{counts:?}");
    // Boots are left out: this region records none.
    assert_eq!((counts.waiting.len(), counts.waiting[0].class()), (1, FactClass::Lease));
    // It waits longer and longer, also while there is no stream.
    let later = session.counts(|counts| counts.waiting[0].oldest_seconds > 0).await?;
    drop(session);
    let mut session = stage.region.session().await?;
    let newest = session.hello.newest[0].number;
    let again = told(&session).unwrap_or_default();
    assert!(again.offers == counts.offers && waiting(10)(&again), "{again:?}");
    assert!(again.waiting[0].oldest_seconds >= later.waiting[0].oldest_seconds, "{again:?}");
    session.greet(EPOCH, newest - 4).await?;
    session.counts(waiting(4)).await?;
    session.record(newest).await?;
    let none = session.counts(waiting(0)).await?;
    assert_eq!(none.waiting[0].oldest_seconds, 0);
    Ok(())
}
