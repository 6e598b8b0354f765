//! One WebDriver command after another: a request each, answered by `{"value": ..}`.

use anyhow::{Context, bail};
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::lab::{Node, swarm::inside};

/// chromedriver on its node's loopback.
pub(super) struct Driver {
    node: Node,
    port: u16,
}

impl Driver {
    pub(super) fn new(node: &Node, port: u16) -> Self {
        Self { node: node.clone(), port }
    }

    pub(super) fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::GET, path, String::new())
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.call(Method::POST, path, body.to_string())
    }

    pub(super) fn delete(&self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::DELETE, path, String::new())
    }

    fn call(&self, method: Method, path: &str, body: String) -> anyhow::Result<Value> {
        let place = format!("127.0.0.1:{}", self.port);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, &place)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))?;
        let answer = inside(&self.node, || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(exchange(&place, request))
        });
        let answer = answer.with_context(|| format!("chromedriver, {path}"))?;
        let value = answer.get("value").cloned().unwrap_or_default();
        if let Some(error) = value.get("error").and_then(Value::as_str) {
            bail!("{path}: {error}: {}", value["message"].as_str().unwrap_or_default());
        }
        Ok(value)
    }
}

async fn exchange(place: &str, request: Request<Full<Bytes>>) -> anyhow::Result<Value> {
    let stream = TcpStream::connect(place).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let answer = async move {
        let response = sender.send_request(request).await?;
        Ok::<_, hyper::Error>(response.into_body().collect().await?.to_bytes())
    };
    // The connection ends once its sender is gone, which is when the answer is here.
    let (answer, connection) = tokio::join!(answer, connection);
    let bytes = answer?;
    connection?;
    Ok(serde_json::from_slice(&bytes)?)
}
