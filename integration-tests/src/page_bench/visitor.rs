//! A browser's part of HTTP: one connection that stays open, a cookie, compressed answers.

use crate::lab::region::Region;
use anyhow::{Context, ensure};
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    client::conn::http1::{self, SendRequest},
    header,
};
use hyper_util::rt::TokioIo;
use runtime::{
    clock::Clock,
    tasks::Tasks,
    tls::{Trust, client_config},
};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Who is signed in, and where.
#[derive(Clone)]
pub(super) struct Account {
    place: String,
    connector: TlsConnector,
    cookie: String,
    tasks: Tasks,
}

pub(super) struct Visitor {
    sender: SendRequest<Full<Bytes>>,
    account: Account,
}

impl Account {
    /// With an administrator's token.
    pub(super) async fn sign_in(region: &Region, tasks: &Tasks) -> anyhow::Result<Self> {
        let [_, (_, token), (_, fingerprint)] = region.environment();
        let place = region.server.strip_prefix("https://").context("region speaks TLS")?.to_owned();
        let fingerprint = fingerprint.parse().ok().context("a fingerprint")?;
        let mut config = client_config(&Trust::Pinned(fingerprint), None, &Clock::system())?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let connector = TlsConnector::from(Arc::new(config));
        let (cookie, tasks) = (String::new(), tasks.clone());
        let stranger = Self { place, connector, cookie, tasks };
        let mut visitor = stranger.visit().await?;
        let request = visitor
            .request("/sign-in")
            .method("POST")
            .header("sec-fetch-site", "same-origin")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let request = request.body(Full::new(Bytes::from(format!("token={token}"))))?;
        let answer = visitor.sender.send_request(request).await?;
        ensure!(answer.status() == StatusCode::SEE_OTHER, "sign-in: {}", answer.status());
        let cookie = answer.headers().get(header::SET_COOKIE).context("a cookie")?.to_str()?;
        let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        Ok(Self { cookie, ..stranger })
    }

    pub(super) async fn visit(&self) -> anyhow::Result<Visitor> {
        let (host, _) = self.place.rsplit_once(':').context("HOST:PORT")?;
        let stream = TcpStream::connect(&self.place).await?;
        stream.set_nodelay(true)?;
        let name = host.to_owned().try_into()?;
        let stream = self.connector.connect(name, stream).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        self.tasks.spawn_brief("connection", async move {
            // Its end is told to whoever sends on it.
            let _ = connection.await;
        });
        Ok(Visitor { sender, account: self.clone() })
    }
}

impl Visitor {
    /// The size of the answer as it came over the wire.
    pub(super) async fn page(&mut self, path: &str) -> anyhow::Result<usize> {
        let answer = self.get(path).await?;
        Ok(answer.into_body().collect().await?.to_bytes().len())
    }

    /// As it is before it is compressed.
    pub(super) async fn text(&mut self, path: &str) -> anyhow::Result<String> {
        let mut request = self.request(path).body(Full::default())?;
        request.headers_mut().remove(header::ACCEPT_ENCODING);
        self.sender.ready().await?;
        let answer = self.sender.send_request(request).await?;
        ensure!(answer.status() == StatusCode::OK, "{path}: {}", answer.status());
        Ok(String::from_utf8(answer.into_body().collect().await?.to_bytes().into())?)
    }

    /// Reads no further than that.
    pub(super) async fn first_byte(&mut self, path: &str) -> anyhow::Result<()> {
        let first = self.get(path).await?.into_body().frame().await;
        first.context("an answer with nothing in it")??;
        Ok(())
    }

    pub(super) async fn get(&mut self, path: &str) -> anyhow::Result<Response<Incoming>> {
        let request = self.request(path).body(Full::default())?;
        self.sender.ready().await?;
        let answer = self.sender.send_request(request).await?;
        ensure!(answer.status() == StatusCode::OK, "{path}: {}", answer.status());
        Ok(answer)
    }

    fn request(&self, path: &str) -> hyper::http::request::Builder {
        Request::builder()
            .uri(path)
            .header(header::HOST, &self.account.place)
            .header(header::ACCEPT_ENCODING, "gzip")
            .header(header::COOKIE, &self.account.cookie)
    }
}
