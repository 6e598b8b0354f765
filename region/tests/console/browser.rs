//! What a browser does, without one: keeps the cookie, follows nothing by itself, says where it comes from.

use axum::{
    Router,
    body::{Body, to_bytes},
};
use common::{
    RackId,
    report::{Client, FactClass, LeaseChanged, LeaseState},
};
use http::{HeaderMap, Request, StatusCode, header};
use proto::v1;
use region::{
    Region,
    db::positions::Outbox,
    operations::{
        self, Tx,
        lease::{self, Facts},
        user,
    },
    resources, ui,
};
use std::sync::atomic::{AtomicU64, Ordering};
use tower::ServiceExt;
use uuid::Uuid;

use crate::support::{World, admin, item};

pub(crate) const PASSWORD: &str = "correct horse battery";

const FORM: &str = "application/x-www-form-urlencoded";

pub(crate) struct Browser {
    routes: Router,
    pub(crate) cookie: Option<String>,
    pub(crate) headers: Vec<(&'static str, String)>,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn leads_to(&self) -> &str {
        self.headers.get(header::LOCATION).map_or("", |to| to.to_str().unwrap())
    }

    /// The value of an input of the page.
    pub(crate) fn input(&self, name: &str) -> String {
        let at = self.body.find(&format!("name=\"{name}\"")).unwrap();
        let rest = &self.body[at..];
        let rest = rest.split_once("value=\"").unwrap().1;
        rest.split_once('"').unwrap().0.to_owned()
    }
}

impl Browser {
    pub(crate) fn new(region: &Region) -> Self {
        Self::of(ui::routes(region.clone()))
    }

    pub(crate) fn of(routes: Router) -> Self {
        let headers = vec![("sec-fetch-site", "same-origin".to_owned())];
        Self { routes, cookie: None, headers }
    }

    pub(crate) fn routes(&self) -> Router {
        self.routes.clone()
    }

    /// Another browser at the same region.
    pub(crate) fn other(&self) -> Self {
        Self::of(self.routes.clone())
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, FORM, "").await
    }

    /// As a form sends it that carries a file.
    pub(crate) async fn upload(&mut self, path: &str, parts: &[(&str, &str)]) -> Answer {
        let part = |(name, text): &(&str, &str)| {
            let file = if *name == "file" { "; filename=\"site.yaml\"" } else { "" };
            let head = format!("Content-Disposition: form-data; name=\"{name}\"{file}");
            format!("--between\r\n{head}\r\n\r\n{text}\r\n")
        };
        let body = parts.iter().map(part).collect::<String>() + "--between--\r\n";
        self.send("POST", path, "multipart/form-data; boundary=between", &body).await
    }

    pub(crate) async fn post(&mut self, path: &str, form: &str) -> Answer {
        self.send("POST", path, FORM, form).await
    }

    async fn send(&mut self, method: &str, path: &str, media: &str, body: &str) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "region.example:7240")
            .header(header::CONTENT_TYPE, media);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        if let Some(cookie) = &self.cookie {
            request = request.header(header::COOKIE, format!("__Host-session={cookie}"));
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let response = self.routes.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        for line in parts.headers.get_all(header::SET_COOKIE) {
            let line = line.to_str().unwrap();
            if let Some(rest) = line.strip_prefix("__Host-session=") {
                let value = rest.split(';').next().unwrap();
                self.cookie = Some(value.to_owned()).filter(|value| !value.is_empty());
            }
        }
        let body = to_bytes(body, 10 << 20).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub(crate) async fn sign_in(&mut self, name: &str) -> Answer {
        self.post("/sign-in", &format!("user={name}&password={}", form(PASSWORD))).await
    }
}

/// As a form sends it.
pub(crate) fn form(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

impl World {
    /// Somebody who can sign in.
    pub(crate) async fn user(&self, name: &str, role: &str) {
        self.create("user", &format!("name={name} role={role}")).await.unwrap();
        let request =
            v1::SetPasswordRequest { id: name.into(), password: PASSWORD.into(), write: None };
        user::set_password(&self.region, &admin(), request).await.unwrap();
    }

    /// What Create answers once.
    pub(crate) async fn secret(&self, noun: &'static str, fields: &str) -> String {
        let resource = resources::by_noun(noun).unwrap();
        let (item, _) = item(noun, fields);
        let made = self
            .region
            .write(&admin(), move |tx| resource.create(tx, &item, &Default::default()))
            .await
            .unwrap();
        resource.kind().field("secret").unwrap().show(&made)
    }

    /// A client of the network has this address for an hour.
    pub(crate) async fn lease(&self, address: &str, host_name: &str) {
        self.leases("dc1/10", &[(address.to_owned(), host_name.to_owned())]).await;
    }

    /// Addresses on a VLAN, and what the clients that have them call themselves.
    pub(crate) async fn leases(&self, vlan: &'static str, held: &[(String, String)]) {
        // What is told later has a higher number, in whichever world.
        static NUMBERS: AtomicU64 = AtomicU64::new(1);
        let find = |tx: &mut Tx<'_>| operations::find::<plan::Vlan>(tx.conn, vlan);
        let vlan = self.region.read(&admin(), find).await.unwrap();
        let now = self.region.clock.now();
        let lease = |(address, host_name): &(String, String)| LeaseChanged {
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            vlan: vlan.id.cast(),
            address: address.parse().unwrap(),
            state: LeaseState::Bound,
            client: Client {
                identifier: Vec::new(),
                hardware_type: 1,
                hardware: vec![0x52, 0x54, 0, 0, 0, 1],
            },
            host_name: host_name.as_bytes().to_vec(),
            relay_information: Vec::new(),
            started: now,
            ends: now.shifted(3600 * 1_000_000),
        };
        let leases: Vec<_> = held.iter().map(lease).collect();
        let newest = leases.last().unwrap().number;
        let outbox = Outbox {
            rack: RackId::new(Uuid::from_u128(7)),
            incarnation: Uuid::from_u128(8),
            class: FactClass::Lease,
        };
        let facts = Facts { outbox, rack: "rack1".into(), leases, newest, snapshot: None };
        lease::record(&self.region, vec![facts]).await.unwrap();
    }

    pub(crate) async fn signed_in(&self, role: &str) -> Browser {
        self.user(role, role).await;
        let mut browser = Browser::new(&self.region);
        assert_eq!(browser.sign_in(role).await.status, StatusCode::SEE_OTHER);
        browser
    }

    pub(crate) async fn network(&self) {
        for (noun, fields) in [
            ("fabric", "name=dc1"),
            ("vlan", "fabric=dc1 vid=10"),
            ("subnet", "vrf=default vlan=dc1/10 cidr=10.0.0.0/24 gateway=10.0.0.1"),
            ("range", "subnet=10.0.0.0/24 first=10.0.0.100 last=10.0.0.199 dynamic=true"),
        ] {
            self.create(noun, fields).await.unwrap();
        }
    }
}
