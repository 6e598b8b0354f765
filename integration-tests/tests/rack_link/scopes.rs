use super::stage::{EPOCH, PATIENCE, SCOPE, Stage, VLAN, applied, at, scope, serves, serving};
use common::{Epoch, Generation};
use hostler_integration_tests::lab::swarm::inside;
use proto::v1::{RackRole, VerdictKind, from_rack, to_rack};
use std::fs;

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_scope_is_applied_and_acknowledged() -> anyhow::Result<()> {
    let Some((mut stage, mut session)) = Stage::begin("rln").await? else { return Ok(()) };
    assert_eq!(session.hello.epoch, 0, "it has followed nobody yet");
    session.greet(EPOCH, 0).await?;
    stage.serve(&mut session).await?;
    session.offer(SCOPE, at(2), serving()).await?;
    applied(&mut session, at(2)).await?;

    // The same again is acknowledged again; an older one says nothing and changes nothing.
    session.offer(SCOPE, at(1), serving()).await?;
    session.offer(SCOPE, at(2), serving()).await?;
    applied(&mut session, at(2)).await?;

    // The next stream begins with what is there.
    drop(session);
    let session = stage.region.session().await?;
    assert_eq!(session.hello.epoch, EPOCH);
    let state = session.hello.state.clone().unwrap_or_default();
    let scopes = state.scopes.unwrap_or_default().items;
    assert_eq!(scopes.len(), 1, "{scopes:?}");
    assert_eq!((scopes[0].offered, scopes[0].good), (Some(at(2).into()), Some(at(2).into())));
    let interfaces = state.interfaces.unwrap_or_default().items;
    let seg = interfaces.iter().find(|interface| interface.name == "seg");
    assert!(
        seg.is_some_and(|seg| seg.vlan == VLAN && seg.addresses.contains(&"10.66.0.1/16".into()))
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_scope_leaves_the_last_good_one_serving() -> anyhow::Result<()> {
    let Some((mut stage, mut session)) = Stage::begin("rlg").await? else { return Ok(()) };
    session.greet(EPOCH, 0).await?;
    stage.serve(&mut session).await?;
    session.offer(SCOPE, at(2), scope(RackRole::Primary, "10.66.0.7/16")).await?;
    let refused = |number| {
        let wanted = Some(at(number).into());
        move |status: &proto::v1::ScopeStatus| status.offered == wanted
    };
    let status = session.scope_status(refused(2)).await?;
    let verdict = status.verdict.unwrap_or_default();
    assert_eq!(verdict.kind(), VerdictKind::Refused);
    let objection = &verdict.objections[0];
    assert_eq!(objection.field, "subnets[0].prefix");
    assert_eq!(objection.value, "10.66.0.7/16");
    assert!(objection.rule.contains("10.66.0.0/16"), "{objection:?}");
    assert_eq!(status.good, Some(at(1).into()));
    stage.clients(1, 5)?.bind(PATIENCE)?;

    // The machine's own reason, likewise.
    session.offer(SCOPE, at(3), scope(RackRole::Primary, "10.99.0.0/16")).await?;
    let status = session.scope_status(refused(3)).await?;
    let verdict = status.verdict.unwrap_or_default();
    assert!(verdict.reason.contains("10.99.0.0/16"), "{verdict:?}");
    assert_eq!(status.good, Some(at(1).into()));

    // Both are kept: after a power cut, with no region, the good one serves again.
    drop(session);
    stage.rack.kill()?;
    stage.rack.start()?;
    let session = stage.region.session().await?;
    let state = session.hello.state.clone().unwrap_or_default();
    let scopes = state.scopes.unwrap_or_default().items;
    assert_eq!((scopes[0].offered, scopes[0].good), (Some(at(3).into()), Some(at(1).into())));
    stage.clients(2, 5)?.bind(PATIENCE)
}

#[tokio::test(flavor = "multi_thread")]
async fn lower_epochs_are_refused_and_higher_ones_followed() -> anyhow::Result<()> {
    let Some((mut stage, mut session)) = Stage::begin("rle").await? else { return Ok(()) };
    session.greet(EPOCH, 0).await?;
    stage.serve(&mut session).await?;
    let of = |epoch, number| Generation { epoch: Epoch(epoch), number };
    session.offer(SCOPE, of(EPOCH - 1, 9), serving()).await?;
    let lower = Some(of(EPOCH - 1, 9).into());
    let status = session.scope_status(|status| status.offered == lower).await?;
    assert_eq!(status.verdict.unwrap_or_default().kind(), VerdictKind::Refused);
    assert_eq!(status.good, Some(at(1).into()));

    // Other content under a number that is here already.
    session.offer(SCOPE, at(1), scope(RackRole::Secondary, "10.66.0.0/16")).await?;
    let status = session.scope_status(|status| status.offered == Some(at(1).into())).await?;
    assert_eq!(status.verdict.unwrap_or_default().kind(), VerdictKind::Refused);

    // A higher epoch counts, whatever its number.
    session.offer(SCOPE, of(EPOCH + 1, 1), serving()).await?;
    applied(&mut session, of(EPOCH + 1, 1)).await?;
    drop(session);
    let session = stage.region.session().await?;
    assert_eq!(session.hello.epoch, EPOCH + 1);

    // A region of a lower epoch is left.
    session.greet(EPOCH, 0).await?;
    session.ended().await?;
    let log = stage.rack.process()?.says("earlier epoch than this rack has followed", PATIENCE)?;
    assert!(log.contains("ERROR"), "{log}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secondary_stands_by_and_a_withdrawn_scope_is_gone() -> anyhow::Result<()> {
    let Some((stage, mut session)) = Stage::begin("rls").await? else { return Ok(()) };
    session.greet(EPOCH, 0).await?;
    let standby = scope(RackRole::Secondary, "10.66.0.0/16");
    session.offer(SCOPE, at(1), standby).await?;
    let status = session.scope_status(|status| status.offered == Some(at(1).into())).await?;
    assert_eq!(status.verdict.unwrap_or_default().kind(), VerdictKind::Standby);
    let listening = stage.rack_node.run(&["ss", "-Hlun", "sport = :67"])?;
    assert_eq!(listening, "", "no socket is open");

    let kept = stage.rack.state().join("scopes");
    assert_eq!(fs::read_dir(&kept)?.count(), 1);
    let withdrawal = proto::v1::ScopePart {
        scope: SCOPE.into(),
        generation: Some(at(2).into()),
        last: true,
        withdrawn: true,
        ..Default::default()
    };
    session.say(to_rack::Message::Scope(withdrawal)).await?;
    loop {
        if let from_rack::Message::State(state) = session.heard().await?
            && state.scopes.is_some_and(|scopes| scopes.items.is_empty())
        {
            break;
        }
    }
    assert_eq!(fs::read_dir(&kept)?.count(), 0);

    // A kind that only a later rack knows is refused, not passed over.
    session.offer("teapots", at(3), vec![1, 2, 3]).await?;
    let status = session.scope_status(|status| status.scope == "teapots").await?;
    assert!(status.verdict.unwrap_or_default().reason.contains("does not know"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_machine_takes_away_and_gives_back_changes_the_verdict() -> anyhow::Result<()> {
    let Some((stage, mut session)) = Stage::begin("rlm").await? else { return Ok(()) };
    session.greet(EPOCH, 0).await?;
    stage.serve(&mut session).await?;
    stage.rack_node.run(&["ip", "link", "set", "seg", "down"])?;
    let status = session.scope_status(|status| status.good.is_none()).await?;
    assert_eq!(status.verdict.unwrap_or_default().reason, "interface seg is down");
    stage.rack_node.run(&["ip", "link", "set", "seg", "up"])?;
    serves(&mut session, at(1)).await?;

    stage.rack_node.run(&["ip", "address", "del", "10.66.0.1/16", "dev", "seg"])?;
    let status = session.scope_status(|status| status.good.is_none()).await?;
    let reason = status.verdict.unwrap_or_default().reason;
    assert!(reason.contains("interface seg has no IPv4 address"), "{reason}");
    stage.rack_node.address("seg", "10.66.0.1/16")?;
    serves(&mut session, at(1)).await?;
    stage.clients(1, 5)?.bind(PATIENCE)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_tried_again() -> anyhow::Result<()> {
    let Some((stage, mut session)) = Stage::begin("rlp").await? else { return Ok(()) };
    session.greet(EPOCH, 0).await?;
    let taken = inside(&stage.rack_node, || Ok(std::net::UdpSocket::bind("0.0.0.0:67")?))?;
    session.offer(SCOPE, at(1), serving()).await?;
    let status = session.scope_status(|status| status.offered == Some(at(1).into())).await?;
    let verdict = status.verdict.unwrap_or_default();
    assert_eq!(verdict.kind(), VerdictKind::Refused);
    assert!(verdict.reason.contains("67"), "{verdict:?}");
    drop(taken);
    serves(&mut session, at(1)).await?;
    stage.clients(1, 5)?.bind(PATIENCE)
}
