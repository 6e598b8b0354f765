//! Who gets in, and until when.

use common::Timestamp;
use http::{StatusCode, header};
use region::{Region, operations::user};
use runtime::clock::Clock;

use crate::{
    browser::{Browser, PASSWORD, form},
    support::{World, admin, on_both},
};

const HOUR: i64 = 3600;
const START: i64 = 1_795_400_000;

#[tokio::test(flavor = "multi_thread")]
async fn signing_in_takes_the_right_password_and_gives_a_cookie_that_stays_here() {
    on_both(async |world| {
        world.user("mira", "operator").await;
        let mut browser = Browser::new(&world.region);
        for (name, password) in [("mira", "wrong"), ("nobody", PASSWORD), ("", "")] {
            let typed = format!("user={name}&password={}", form(password));
            let answer = browser.post("/sign-in", &typed).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{name}");
            assert!(answer.body.contains("do not belong together"), "{}", answer.body);
            assert_eq!(browser.cookie, None);
        }
        let typed = format!("user=mira&password={}&next=/subnets%3Fsort%3Dcidr", form(PASSWORD));
        let answer = browser.post("/sign-in", &typed).await;
        assert_eq!(
            (answer.status, answer.leads_to()),
            (StatusCode::SEE_OTHER, "/subnets?sort=cidr")
        );
        let cookie = answer.headers[header::SET_COOKIE].to_str().unwrap();
        for flag in ["Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
            assert!(cookie.contains(flag), "{cookie}");
        }
        assert!(!cookie.contains("Domain"), "{cookie}");
        assert_eq!(browser.get("/subnets").await.status, StatusCode::OK);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_token_signs_in_too() {
    on_both(async |world| {
        let secret = world.secret("token", "name=ci role=viewer").await;
        let mut browser = Browser::new(&world.region);
        let answer = browser.post("/sign-in", "token=hostler-guess").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        let answer = browser.post("/sign-in", &format!("token={secret}")).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        assert!(browser.get("/account").await.body.contains("an API token"));
        world.delete("token", "ci").await.unwrap();
        assert_eq!(browser.get("/account").await.status, StatusCode::SEE_OTHER);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_session_there_is_only_the_sign_in() {
    on_both(async |world| {
        let mut browser = Browser::new(&world.region);
        let answer = browser.get("/subnets?filter=a%3Db").await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        assert_eq!(answer.leads_to(), "/sign-in?next=/subnets%3Ffilter%3Da%253Db");
        for path in ["/fabrics?do=create", "/fabrics/dc1?do=delete", "/sign-out"] {
            assert_eq!(browser.post(path, "name=x").await.status, StatusCode::UNAUTHORIZED);
        }
        assert_eq!(browser.get("/live").await.status, StatusCode::UNAUTHORIZED);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_passwords_pause_the_name() {
    on_both(async |world| {
        world.user("mira", "viewer").await;
        let (region, clock) = at(world, START);
        let mut browser = Browser::new(&region);
        for _ in 0..5 {
            let answer = browser.post("/sign-in", "user=mira&password=guess").await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        }
        let answer = browser.sign_in("mira").await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
        assert!(answer.body.contains("wait"), "{}", answer.body);
        clock.set(Timestamp::from_seconds(START + 61));
        assert_eq!(browser.sign_in("mira").await.status, StatusCode::SEE_OTHER);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_can_plant_a_session() {
    on_both(async |world| {
        world.user("mira", "viewer").await;
        let mut browser = Browser::new(&world.region);
        browser.cookie = Some("planted".into());
        browser.sign_in("mira").await;
        let first = browser.cookie.clone().unwrap();
        assert_ne!(first, "planted");
        browser.sign_in("mira").await;
        assert_ne!(browser.cookie.as_ref(), Some(&first));
        let mut other = browser.other();
        other.cookie = Some(first);
        assert_eq!(other.get("/subnets").await.status, StatusCode::SEE_OTHER);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_unused_and_in_any_case() {
    on_both(async |world| {
        world.user("mira", "viewer").await;
        let (region, clock) = at(world, START);
        let mut browser = Browser::new(&region);
        browser.sign_in("mira").await;
        // Used every 11 hours it lives on, until the seventh day.
        for hours in [11, 22, 33, 44] {
            clock.set(Timestamp::from_seconds(START + hours * HOUR));
            assert_eq!(browser.get("/subnets").await.status, StatusCode::OK, "{hours}");
        }
        clock.set(Timestamp::from_seconds(START + 56 * HOUR));
        assert_eq!(browser.get("/subnets").await.status, StatusCode::SEE_OTHER);
        browser.sign_in("mira").await;
        for hours in (66..56 + 7 * 24).step_by(10) {
            clock.set(Timestamp::from_seconds(START + hours * HOUR));
            assert_eq!(browser.get("/subnets").await.status, StatusCode::OK, "{hours}");
        }
        clock.set(Timestamp::from_seconds(START + (56 + 7 * 24) * HOUR));
        assert_eq!(browser.get("/subnets").await.status, StatusCode::SEE_OTHER);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_end_with_what_they_stand_on() {
    on_both(async |world| {
        world.user("mira", "viewer").await;
        let mut here = Browser::new(&world.region);
        let mut there = here.other();
        let (out, gone) = (StatusCode::SEE_OTHER, StatusCode::UNAUTHORIZED);
        let both = async |here: &mut Browser, there: &mut Browser| {
            assert_eq!(here.sign_in("mira").await.status, out);
            assert_eq!(there.sign_in("mira").await.status, out);
            assert_eq!(there.get("/subnets").await.status, StatusCode::OK);
        };
        both(&mut here, &mut there).await;
        assert_eq!(here.post("/sign-out", "").await.status, out);
        assert_eq!(here.get("/subnets").await.status, out);
        assert_eq!(there.get("/subnets").await.status, StatusCode::OK);
        both(&mut here, &mut there).await;
        here.post("/sign-out", "where=everywhere").await;
        assert_eq!(there.get("/subnets").await.status, out);
        both(&mut here, &mut there).await;
        let request = proto::v1::SetPasswordRequest {
            id: "mira".into(),
            password: PASSWORD.into(),
            write: None,
        };
        user::set_password(&world.region, &admin(), request).await.unwrap();
        assert_eq!(there.get("/subnets").await.status, out);
        both(&mut here, &mut there).await;
        world.update("user", "mira", "disabled=true", Default::default()).await.unwrap();
        assert_eq!(there.get("/subnets").await.status, out);
        assert_eq!(there.sign_in("mira").await.status, gone);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_set_on_its_page() {
    on_both(async |world| {
        world.create("user", "name=otto role=viewer").await.unwrap();
        let mut admin = world.signed_in("admin").await;
        let page = "/users/otto?do=set-password";
        let answer = admin.post(page, "password=short").await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer.body.contains("at least 12 characters"), "{}", answer.body);
        let mut otto = admin.other();
        assert_eq!(otto.sign_in("otto").await.status, StatusCode::UNAUTHORIZED);
        let answer = admin.post(page, &format!("password={}", form(PASSWORD))).await;
        assert_eq!(answer.leads_to(), "/users/otto");
        assert_eq!(otto.sign_in("otto").await.status, StatusCode::SEE_OTHER);
        assert_eq!(
            otto.post(page, "password=correct+horse+battery").await.status,
            StatusCode::FORBIDDEN
        );
    })
    .await;
}

fn at(world: &World, seconds: i64) -> (Region, Clock) {
    let clock = Clock::manual(Timestamp::from_seconds(seconds));
    (Region { clock: clock.clone(), ..world.region.clone() }, clock)
}
