//! Racks fetch the content of boot files beside their stream.

use axum::body::{Body, to_bytes};
use hostler_integration_tests::fake_rack::FakeRack;
use http::{HeaderMap, Request, Response, StatusCode, header};
use hyper::{body::Incoming, client::conn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use region::operations::rack;
use runtime::{
    clock::Clock,
    tls::{REGION_NAME, Trust, client_config},
};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    bench::{Doors, admin, with_doors},
    support::pushing::{digest_of, push},
};

const LARGEST: usize = 4 << 20;

/// What came: status, headers, content.
type Came = (StatusCode, HeaderMap, Vec<u8>);

async fn dial(
    doors: &Doors,
    rack: &FakeRack,
    known: bool,
    protocol: &[u8],
) -> TlsStream<TcpStream> {
    let trust = Trust::Authorities(vec![rack.authority.clone()]);
    let identity = known.then(|| rack.identity.clone());
    let mut config = client_config(&trust, identity, &Clock::system()).unwrap();
    config.alpn_protocols = vec![protocol.to_vec()];
    let stream = TcpStream::connect(doors.server.racks[0]).await.unwrap();
    let name = REGION_NAME.try_into().unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(format!("https://{REGION_NAME}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).unwrap()
}

async fn came(answer: Response<Incoming>) -> Came {
    let (head, body) = answer.into_parts();
    let bytes = to_bytes(Body::new(body), LARGEST).await.unwrap();
    (head.status, head.headers, bytes.to_vec())
}

/// By HTTP/1.1, on a connection of its own. None: region cut that.
async fn try_fetch(
    doors: &Doors,
    rack: &FakeRack,
    known: bool,
    asked: Request<Body>,
) -> Option<Came> {
    let stream = TokioIo::new(dial(doors, rack, known, b"http/1.1").await);
    let (mut sender, connection) = conn::http1::handshake(stream).await.unwrap();
    tokio::select! {
        answer = async { Some(came(sender.send_request(asked).await.ok()?).await) } => answer,
        _ = connection => None,
    }
}

async fn fetch(doors: &Doors, rack: &FakeRack, known: bool, asked: Request<Body>) -> Came {
    try_fetch(doors, rack, known, asked).await.expect("region does not cut it")
}

async fn fetch_by_http2(doors: &Doors, rack: &FakeRack, asked: Request<Body>) -> Came {
    let stream = TokioIo::new(dial(doors, rack, true, b"h2").await);
    let (mut sender, connection) =
        conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::select! {
        answer = async { came(sender.send_request(asked).await.unwrap()).await } => answer,
        ended = connection => panic!("{ended:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn racks_fetch_content_whole_and_in_parts() {
    with_doors(async |doors| {
        let rack = doors.rack("r1").await;
        let bytes: Vec<u8> = (0..100_000u32).flat_map(u32::to_be_bytes).collect();
        push(doors.region(), "kernel", &bytes).await.unwrap();
        let (sha256, size) = (digest_of(&bytes), bytes.len());
        let path = format!("/boot-files/{sha256}");
        let etag = format!("\"{sha256}\"");
        let part = |first: usize, last: usize| {
            (206, Some(format!("bytes {first}-{last}/{size}")), bytes[first..=last].to_vec())
        };
        let whole = || (200, None, bytes.clone());
        let table = [
            ("GET", vec![], whole()),
            ("HEAD", vec![], (200, None, vec![])),
            ("GET", vec![("range", "bytes=0-0")], part(0, 0)),
            ("GET", vec![("range", "bytes=150000-349999")], part(150_000, 349_999)),
            ("GET", vec![("range", "bytes=399990-")], part(399_990, 399_999)),
            ("GET", vec![("range", "bytes=-3")], part(399_997, 399_999)),
            ("GET", vec![("range", "bytes=0-1,4-5")], whole()),
            ("GET", vec![("range", "bytes=4-5"), ("if-range", &etag)], part(4, 5)),
            ("GET", vec![("range", "bytes=4-5"), ("if-range", "\"old\"")], whole()),
            (
                "GET",
                vec![("range", "bytes=400000-")],
                (416, Some(format!("bytes */{size}")), vec![]),
            ),
            ("GET", vec![("if-none-match", etag.as_str())], (304, None, vec![])),
            ("POST", vec![], (405, None, vec![])),
        ];
        for (method, headers, (status, range, content)) in table {
            let ask = || request(method, &path, &headers);
            for came in
                [fetch(doors, &rack, true, ask()).await, fetch_by_http2(doors, &rack, ask()).await]
            {
                let (found, named, body) = came;
                assert_eq!(found.as_u16(), status, "{method} {headers:?}");
                let told = named
                    .get(header::CONTENT_RANGE)
                    .map(|value| value.to_str().unwrap().to_owned());
                assert_eq!(told, range, "{method} {headers:?}");
                assert!(body == content, "{method} {headers:?}: {} bytes", body.len());
                if found.is_success() {
                    assert_eq!(named[header::ETAG], etag);
                    let length = if method == "HEAD" { size } else { content.len() };
                    assert_eq!(named[header::CONTENT_LENGTH], length.to_string());
                }
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_racks_with_a_good_certificate_fetch_and_only_what_has_a_name() {
    with_doors(async |doors| {
        let rack = doors.rack("r1").await;
        push(doors.region(), "kernel", b"kernel").await.unwrap();
        let ask = |sha256: &str| request("GET", &format!("/boot-files/{sha256}"), &[]);
        let named = digest_of(b"kernel");
        for (known, sha256, expected) in [
            (true, named.clone(), 200),
            (false, named.clone(), 401),
            (true, digest_of(b"else"), 404),
            (true, "..%2f..%2fregion.db".into(), 404),
            (true, named.to_uppercase(), 404),
        ] {
            let came = fetch(doors, &rack, known, ask(&sha256)).await;
            assert_eq!(came.0.as_u16(), expected, "{known} {sha256}");
        }
        // A name without its content: another region has it, in a folder that is not this one's.
        let store = doors.region().boot_files.clone().unwrap();
        std::fs::remove_file(store.folder().join(&named)).unwrap();
        let (status, headers, _) = fetch(doors, &rack, true, ask(&named)).await;
        assert_eq!((status.as_u16(), &headers[header::RETRY_AFTER]), (503, &"1".parse().unwrap()));
        push(doors.region(), "kernel", b"kernel").await.unwrap();
        assert_eq!(fetch(doors, &rack, true, ask(&named)).await.0.as_u16(), 200);
        doors
            .region()
            .write(&admin(), |tx| rack::revoke(tx, "r1", &proto::v1::Write::default()))
            .await
            .unwrap();
        // Connections that there are as region hears of it are cut.
        let came = async || try_fetch(doors, &rack, true, ask(&named)).await;
        let (status, _, why) = match came().await {
            Some(came) => came,
            None => came().await.unwrap(),
        };
        assert_eq!(status.as_u16(), 403);
        assert!(String::from_utf8(why).unwrap().contains("was revoked"));
    })
    .await;
}
