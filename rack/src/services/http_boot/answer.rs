//! What is answered to a request: which file, which part of it, or why not.

use bytes::Bytes;
use common::{MacAddr, http_range::Part, rack_config::boot::Architecture};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode,
    header::{
        ACCEPT_RANGES, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
        IF_NONE_MATCH, IF_RANGE, RANGE, RETRY_AFTER,
    },
};
use std::net::IpAddr;
use uuid::Uuid;

use super::stream::{Carried, Piece, Pieces};
use crate::services::{
    boot_events::{BootEvents, Failure, Fetch, Protocol, Told},
    boot_files::{self, Content, Entry, ScriptFor, Table},
};

/// Below this is what is served.
const ROOT: &str = "/boot/";
const SCRIPT: &str = "script";
/// Of what a stranger says of itself, so much is told on.
const LONGEST_SERIAL: usize = 128;
/// Seconds until a file that is on its way may be there.
const SOON: &str = "2";

/// One client's connection, as far as an answer depends on it.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) peer: IpAddr,
    /// The rack, as this client reaches it.
    pub(super) server: IpAddr,
    pub(super) pieces: Pieces,
    pub(super) events: BootEvents,
}

impl Client {
    pub(super) fn answer<B>(&self, table: &Table, request: &Request<B>) -> Response<Carried> {
        let head = request.method() == Method::HEAD;
        let named = request.uri().path().strip_prefix(ROOT).map(percent_decoded);
        let path = named.as_deref().map(boot_files::clean);
        let shown = path.as_ref().and_then(|path| path.clone().ok());
        let mut fetch = Fetch {
            protocol: Protocol::Http,
            peer: self.peer,
            told: Told::default(),
            path: shown.unwrap_or_else(|| request.uri().path().chars().take(256).collect()),
        };
        if !head && request.method() != Method::GET {
            let mut refused = self.refuse(&fetch, StatusCode::METHOD_NOT_ALLOWED, Failure::Refused);
            refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refused;
        }
        let path = match path {
            None => return self.refuse(&fetch, StatusCode::NOT_FOUND, Failure::NotFound),
            Some(Err(_)) => return self.refuse(&fetch, StatusCode::BAD_REQUEST, Failure::Refused),
            Some(Ok(path)) => path,
        };
        if path == SCRIPT {
            let asked = asked(request.uri().query().unwrap_or_default());
            let serial = asked.serial.chars().take(LONGEST_SERIAL).collect();
            fetch.told = Told { mac: asked.mac, uuid: asked.uuid, serial };
            let Some(script) = table.script(&asked, self.peer, self.server) else {
                return self.refuse(&fetch, StatusCode::SERVICE_UNAVAILABLE, Failure::NotFetched);
            };
            let mut answer = self.text(fetch, script, head);
            let fresh = HeaderValue::from_static("no-store");
            answer.headers_mut().insert(CACHE_CONTROL, fresh);
            return answer;
        }
        match table.find(&path) {
            Some(Entry::Ready(Content::Made(bytes))) => self.text(fetch, bytes.clone(), head),
            Some(Entry::Ready(Content::Stored(file))) => {
                let piece = Conditions::read(request.headers(), &file.etag(), file.size);
                self.file(fetch, std::sync::Arc::clone(file), piece, head)
            }
            Some(Entry::Awaited) => {
                let mut answer =
                    self.refuse(&fetch, StatusCode::SERVICE_UNAVAILABLE, Failure::NotFetched);
                answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(SOON));
                answer
            }
            None => self.refuse(&fetch, StatusCode::NOT_FOUND, Failure::NotFound),
        }
    }

    fn file(
        &self,
        fetch: Fetch,
        file: std::sync::Arc<boot_files::StoredFile>,
        conditions: Conditions,
        head: bool,
    ) -> Response<Carried> {
        let size = file.size;
        let mut answer = Response::new(Carried::Nothing);
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, content_type(&fetch.path));
        put(headers, ETAG, &file.etag());
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        let part = match conditions {
            Conditions::Unchanged => {
                *answer.status_mut() = StatusCode::NOT_MODIFIED;
                return answer;
            }
            Conditions::Send(part) => part,
        };
        let at = match part {
            Part::Whole => 0,
            Part::Bytes(first, last) => {
                put(headers, CONTENT_RANGE, &format!("bytes {first}-{last}/{size}"));
                *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
                first
            }
            Part::Unsatisfiable => {
                let mut answer =
                    self.refuse(&fetch, StatusCode::RANGE_NOT_SATISFIABLE, Failure::Refused);
                put(answer.headers_mut(), CONTENT_RANGE, &format!("bytes */{size}"));
                return answer;
            }
        };
        let length = part.length(size);
        put(answer.headers_mut(), CONTENT_LENGTH, &length.to_string());
        let told = self.events.begin(fetch, length);
        match (head, length) {
            (true, _) => told.probed(),
            (false, 0) => told.done(0),
            (false, left) => {
                let piece = Piece { file, at, left, told, sent: 0 };
                *answer.body_mut() = Carried::File(Box::new(piece), self.pieces.clone());
            }
        }
        answer
    }

    /// A text is so short that it is as good as sent.
    fn text(&self, fetch: Fetch, text: Bytes, head: bool) -> Response<Carried> {
        let mut answer = Response::new(Carried::Nothing);
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        let length = text.len() as u64;
        put(answer.headers_mut(), CONTENT_LENGTH, &length.to_string());
        let told = self.events.begin(fetch, length);
        if head {
            told.probed();
        } else {
            told.done(length);
            *answer.body_mut() = Carried::Text(text);
        }
        answer
    }

    fn refuse(&self, fetch: &Fetch, status: StatusCode, failure: Failure) -> Response<Carried> {
        tracing::debug!(peer = %self.peer, path = fetch.path, status = status.as_u16(), "HTTP request refused");
        self.events.refuse(fetch, failure);
        let reason = status.canonical_reason().unwrap_or_default();
        let mut answer = Response::new(Carried::Text(format!("{reason}\n").into()));
        *answer.status_mut() = status;
        answer
    }
}

/// What a request makes its answer depend on (RFC 9110 section 13). Neither a date nor `If-Match` is of use with content that is named by its digest.
enum Conditions {
    Unchanged,
    Send(Part),
}

impl Conditions {
    fn read(headers: &HeaderMap, etag: &str, size: u64) -> Self {
        let value = |name| headers.get(name).and_then(|value| value.to_str().ok());
        if let Some(known) = value(IF_NONE_MATCH) {
            let same = |tag: &str| tag.trim().trim_start_matches("W/") == etag;
            if known.trim() == "*" || known.split(',').any(same) {
                return Self::Unchanged;
            }
        }
        // The rest of another file than the one that was begun would be rubbish.
        let is_other = value(IF_RANGE).is_some_and(|begun| begun.trim() != etag);
        let range = value(RANGE).filter(|_| !is_other);
        Self::Send(range.map_or(Part::Whole, |range| Part::parse(range, size)))
    }
}

/// UEFI tells programs and disk images by type (UEFI specification 2.10, section 24.7.2), and all others do not mind.
fn content_type(path: &str) -> HeaderValue {
    let extension = path.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    HeaderValue::from_static(match extension.as_deref() {
        Some("efi") => "application/efi",
        Some("iso") => "application/vnd.efi-iso",
        Some("img") => "application/vnd.efi-img",
        _ => "application/octet-stream",
    })
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    let value = HeaderValue::from_str(value).expect("digits, hexadecimal digits and punctuation");
    headers.insert(name, value);
}

/// `mac=..&uuid=..&serial=..&arch=..`; what cannot be read was not told.
fn asked(query: &str) -> ScriptFor {
    let mut asked = ScriptFor::default();
    for (key, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        let value = String::from_utf8_lossy(&percent_decoded(value)).into_owned();
        match key {
            "mac" => asked.mac = value.parse::<MacAddr>().ok(),
            "uuid" => asked.uuid = value.parse::<Uuid>().ok(),
            "serial" => asked.serial = value,
            "arch" => asked.architecture = architecture(&value),
            _ => {}
        }
    }
    asked
}

/// By name, or by option 93's number.
fn architecture(value: &str) -> Option<Architecture> {
    let by_number = || Architecture::from_code(value.parse().ok()?).map(|(own, _)| own);
    value.parse().ok().or_else(by_number)
}

/// RFC 3986 section 2.1. What is no escape stays as it is.
fn percent_decoded(text: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let escaped = match (first, after) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                decoded.push(high << 4 | low);
                rest = &after[2..];
            }
            None => {
                decoded.push(*first);
                rest = after;
            }
        }
    }
    decoded
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| value.try_into().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_asked_for_by_whatever_the_machine_knows() {
        let uuid = Uuid::from_u128(0x1234);
        for (query, mac, id, serial, architecture) in [
            ("", None, None, "", None),
            (
                "mac=52:54:00:12:34:56&serial=AB%20C&arch=uefi-x64",
                Some("52:54:00:12:34:56"),
                None,
                "AB C",
                Some(Architecture::UefiX64),
            ),
            (
                &format!("uuid={uuid}&arch=11&mac=x&more=1"),
                None,
                Some(uuid),
                "",
                Some(Architecture::UefiArm64),
            ),
            ("mac=52%3A54%3a00:12:34:56", Some("52:54:00:12:34:56"), None, "", None),
        ] {
            let asked = asked(query);
            assert_eq!(asked.mac, mac.map(|mac| mac.parse().unwrap()), "{query}");
            assert_eq!((asked.uuid, asked.serial.as_str()), (id, serial), "{query}");
            assert_eq!(asked.architecture, architecture, "{query}");
        }
    }

    #[test]
    fn escapes_are_taken_off_once() {
        for (text, decoded) in
            [("a%2fb", "a/b"), ("%2e%2e", ".."), ("%252e", "%2e"), ("100%", "100%"), ("%zz", "%zz")]
        {
            assert_eq!(percent_decoded(text), decoded.as_bytes(), "{text}");
        }
    }
}
