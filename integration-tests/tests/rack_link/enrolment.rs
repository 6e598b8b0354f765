use super::stage::{EPOCH, PATIENCE, Stage};
use proto::join_token::JoinToken;
use runtime::tls::Fingerprint;
use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

/// Joining fails, and the rack says why.
fn refused(stage: &Stage, token: &str, words: &[&str]) {
    let error = stage.rack.own(&["join", "--name", "rack", token]);
    let error = error.expect_err("it should not join").to_string();
    for word in words {
        assert!(error.contains(word), "{error}\ndoes not say {word:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rack_joins_once_and_says_clearly_why_not() -> anyhow::Result<()> {
    let Some(mut stage) = Stage::set("rlj")? else { return Ok(()) };
    let early = stage.rack.own(&["run"]).unwrap_err().to_string();
    assert!(early.contains("hostler-rack join TOKEN"), "{early}");

    let good = stage.region.token("good");
    refused(&stage, "hostler-admin-x", &["TOKEN", "begin with \"hostler-join-\""]);
    let encoded = good.encode();
    refused(&stage, &encoded.expose()[..40], &["TOKEN", "damaged"]);

    stage.region.script(|script| {
        script.secrets.insert("late".into(), Err("the token expired at noon".into()))
    });
    refused(
        &stage,
        stage.region.token_with("late").encode().expose(),
        &["region refused", "the token expired at noon"],
    );
    refused(
        &stage,
        stage.region.token_with("no").encode().expose(),
        &["region refused", "the token is not known"],
    );

    let other = Stage::region(&stage.region_node, "198.18.0.1:7251")?;
    let stranger = other.token("good");
    let imitated = JoinToken { addresses: good.addresses.clone(), ..stranger.clone() };
    let (pinned, shown) = (Fingerprint::new(stranger.authority), Fingerprint::new(good.authority));
    refused(&stage, imitated.encode().expose(), &[&pinned.to_string(), &shown.to_string()]);

    let nowhere = vec!["198.18.0.1:1".into(), "[fd18::1]:1".into(), "region.invalid:7241".into()];
    let nowhere = JoinToken { addresses: nowhere, ..good.clone() };
    let words = ["cannot be reached", "198.18.0.1:1", "[fd18::1]:1", "region.invalid:7241"];
    refused(&stage, nowhere.encode().expose(), &words);

    let said = stage.rack.own(&["join", "--name", "rack", encoded.expose()])?;
    assert!(said.contains("joined as rack"), "{said}");
    let key = stage.rack.state().join("identity/identity.pem");
    assert_eq!(fs::metadata(key)?.permissions().mode() & 0o777, 0o600);
    refused(&stage, encoded.expose(), &["this rack is rack", "already"]);

    let session = {
        stage.rack.start()?;
        stage.region.session().await?
    };
    assert!(!session.hello.incarnation.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_good_once() -> anyhow::Result<()> {
    let Some(stage) = Stage::set("rlu")? else { return Ok(()) };
    stage.join("once")?;
    fs::remove_dir_all(stage.rack.state().join("identity"))?;
    stage.region.script(|script| assert!(script.secrets["once"].is_err()));
    let token = stage.region.token_with("once");
    refused(&stage, token.encode().expose(), &["region refused", "used already"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn region_is_found_over_ipv6_when_the_first_address_is_dead() -> anyhow::Result<()> {
    let Some(mut stage) = Stage::set("rl6")? else { return Ok(()) };
    let mut region = Stage::region(&stage.region_node, "[fd18::1]:7241")?;
    let mut token = region.token("six");
    token.addresses.insert(0, "198.18.0.99:7241".into());
    stage.rack.own(&["join", "--name", "rack", token.encode().expose()])?;
    stage.rack.start()?;
    region.session().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_renewed_by_itself_and_used() -> anyhow::Result<()> {
    let Some(mut stage) = Stage::set("rlr")? else { return Ok(()) };
    // Renewed at a third of it; the rest is for a machine that is busy.
    stage.region.script(|script| script.lifetime = Duration::from_secs(15));
    stage.join("first")?;
    stage.rack.start()?;
    let mut serials = Vec::new();
    // Three lives one after the other, each ended by a renewal and none by an expiry.
    for _ in 0..3 {
        let session = stage.region.session().await?;
        session.greet(EPOCH, 0).await?;
        serials.push(session.serial.clone());
        session.ended().await?;
    }
    serials.dedup();
    assert_eq!(serials.len(), 3, "{serials:?}");
    // What was renewed is what a restart goes on with.
    stage.rack.kill()?;
    stage.rack.start()?;
    let session = stage.region.session().await?;
    assert!(!serials[..2].contains(&session.serial), "{serials:?}: {}", session.serial);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rack_that_is_revoked_says_so_and_serves_on() -> anyhow::Result<()> {
    let Some((mut stage, mut session)) = Stage::begin("rlv").await? else { return Ok(()) };
    session.greet(EPOCH, 0).await?;
    stage.serve(&mut session).await?;
    stage.region.script(|script| script.refuses = Some("this certificate was revoked".into()));
    drop(session);
    let status = stage.rack.shows("REFUSED")?;
    assert!(status.contains("this certificate was revoked"), "{status}");
    let log = stage.rack.process()?.says("region refuses this rack", PATIENCE)?;
    assert!(log.contains("ERROR") && log.contains("hostler-rack join"), "{log}");
    assert!(stage.region.nobody(Duration::from_secs(2)).await, "it retries slowly");
    stage.clients(1, 5)?.bind(PATIENCE)
}
