//! What strangers may take, over real connections on loopback.

use super::*;
use crate::auth::{
    authority::Authority,
    server_certificate::{ServerCertificate, Source},
};
use axum::routing::get;
use runtime::{
    clock::Clock,
    tls::{Trust, client_config, install_provider, server_config},
};
use std::sync::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpSocket,
};
use tokio_rustls::{TlsConnector, client};

/// Longer than anything that goes well takes.
const LIMIT: Duration = Duration::from_secs(10);

struct Stage {
    address: SocketAddr,
    trust: Trust,
    refused: Arc<Mutex<Vec<String>>>,
    tasks: Tasks,
}

impl Stage {
    async fn set(limits: Limits) -> Self {
        install_provider();
        let (clock, tasks) = (Clock::system(), Tasks::new());
        let authority = Authority::generate("test", clock.now()).unwrap();
        let authority = Arc::new(Authority::open(authority).unwrap());
        let trust = Trust::Authorities(vec![authority.certificate().clone()]);
        let names = vec!["localhost".into()];
        let source = Source::Authority { authority, names, lifetime: Duration::from_secs(3600) };
        let own = ServerCertificate::spawn("test", source, &clock, &tasks).await.unwrap();
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let refused: Arc<Mutex<Vec<String>>> = Arc::default();
        let told = refused.clone();
        let door = Door {
            name: "test",
            tls: Arc::new(server_config(own, &[], &clock).unwrap()),
            routes: Router::new().route("/", get(|| std::future::ready("hello"))),
            connections: Connections::default(),
            crowd: Crowd::new("test", limits),
            refused: Arc::new(move |_, why| told.lock().unwrap().push(why)),
        };
        spawn(listener, door, &tasks);
        Self { address, trust, refused, tasks }
    }

    /// A connection on which nothing was said.
    async fn knock(&self, from: &str) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
        socket.connect(self.address).await.unwrap()
    }

    async fn shake(&self, protocol: &str) -> io::Result<client::TlsStream<TcpStream>> {
        let mut config = client_config(&self.trust, None, &Clock::system()).unwrap();
        config.alpn_protocols = vec![protocol.into()];
        let stream = self.knock("127.0.0.1").await;
        TlsConnector::from(Arc::new(config)).connect("localhost".try_into().unwrap(), stream).await
    }

    async fn close(self) {
        assert!(self.tasks.close(LIMIT).await.is_empty());
    }
}

/// The other side hangs up, whatever it says before.
async fn hangs_up(mut stream: impl tokio::io::AsyncRead + Unpin) {
    let mut said = Vec::new();
    // A reset is an end too.
    let _ = timeout(LIMIT, stream.read_to_end(&mut said)).await.expect("it is still open");
}

/// It answers a whole request.
async fn serves(stream: &mut client::TlsStream<TcpStream>) {
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut said = [0; 15];
    timeout(LIMIT, stream.read_exact(&mut said)).await.unwrap().unwrap();
    assert_eq!(&said, b"HTTP/1.1 200 OK");
}

fn patience(milliseconds: u64) -> Limits {
    Limits { patience: Duration::from_millis(milliseconds), ..Limits::default() }
}

#[tokio::test]
async fn who_does_not_get_to_the_point_is_hung_up_on() {
    let stage = Stage::set(patience(300)).await;
    hangs_up(stage.knock("127.0.0.1").await).await;
    for (protocol, said) in [
        ("http/1.1", ""),
        ("http/1.1", "GET / HTTP/1.1\r\nhost: loc"),
        ("h2", ""),
        ("h2", "PRI * HTTP/2.0\r\n"),
    ] {
        let mut stream = stage.shake(protocol).await.unwrap();
        stream.write_all(said.as_bytes()).await.unwrap();
        hangs_up(stream).await;
    }
    stage.close().await;
}

#[tokio::test]
async fn who_speaks_is_served_whatever_others_take() {
    let limits = Limits { handshakes: 2, connections: 4, ..patience(60_000) };
    let stage = Stage::set(limits).await;
    let silent = [stage.knock("127.0.0.2").await, stage.knock("127.0.0.2").await];
    hangs_up(stage.knock("127.0.0.2").await).await;
    let mut one = stage.shake("http/1.1").await.unwrap();
    let mut other = stage.shake("http/1.1").await.unwrap();
    serves(&mut one).await;
    serves(&mut other).await;
    // The fifth.
    hangs_up(stage.knock("127.0.0.1").await).await;
    drop(silent);
    let start = std::time::Instant::now();
    let mut again = loop {
        match stage.shake("http/1.1").await {
            Ok(stream) => break stream,
            Err(_) => assert!(start.elapsed() < LIMIT, "the places of those who left are not free"),
        }
    };
    serves(&mut again).await;
    stage.close().await;
}

#[tokio::test]
async fn who_distrusts_our_certificate_is_told_of() {
    let mut stage = Stage::set(Limits::default()).await;
    let foreign = Authority::generate("foreign", Clock::system().now()).unwrap();
    stage.trust = Trust::Authorities(vec![foreign.certificate]);
    assert!(stage.shake("h2").await.is_err());
    let start = std::time::Instant::now();
    while stage.refused.lock().unwrap().is_empty() {
        assert!(start.elapsed() < LIMIT);
        sleep(Duration::from_millis(5)).await;
    }
    let told = stage.refused.lock().unwrap().join("");
    assert!(told.contains("does not trust this region's certificate (UnknownCA)"), "{told}");
    stage.close().await;
}
