//! gRPC without generated types: a closure answers every call, in JSON.

use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use prost::{Message, bytes::Buf};
use prost_reflect::{DynamicMessage, MethodDescriptor, SerializeOptions};
use runtime::{
    clock::Clock,
    tasks::Tasks,
    tls::{self, Fingerprint, Identity},
};
use rustls::{
    crypto::aws_lc_rs::sign::any_supported_type,
    pki_types::CertificateDer,
    sign::{CertifiedKey, SingleCertAndKey},
};
use serde_json::Value;
use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;
use tokio_stream::Stream;
use tokio_util::sync::CancellationToken;
use tonic::{
    Status, Streaming,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::BoxFuture,
    server::{Grpc, ServerStreamingService, StreamingService},
};

/// One call as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// `Subnets/List`
    pub(crate) method: String,
    pub(crate) request: Value,
    pub(crate) token: Option<String>,
    /// How many of this method came before.
    pub(crate) before: usize,
}

/// What is answered: messages, then perhaps an error, or silence.
pub(crate) struct Reply {
    cursor: Option<String>,
    steps: VecDeque<Result<Value, Status>>,
    hold: bool,
}

impl Reply {
    pub(crate) fn one(message: Value) -> Self {
        Self::stream([message])
    }

    pub(crate) fn stream(messages: impl IntoIterator<Item = Value>) -> Self {
        Self { cursor: None, steps: messages.into_iter().map(Ok).collect(), hold: false }
    }

    pub(crate) fn refuse(status: Status) -> Self {
        Self { cursor: None, steps: [Err(status)].into(), hold: false }
    }

    /// As a write answers where the log stood.
    pub(crate) fn at(mut self, cursor: &str) -> Self {
        self.cursor = Some(cursor.to_owned());
        self
    }

    /// Says nothing more, and does not end.
    pub(crate) fn hold(mut self) -> Self {
        self.hold = true;
        self
    }
}

type Script = dyn Fn(&Call) -> Reply + Send + Sync;

pub(crate) struct FakeRegion {
    pub(crate) url: String,
    /// Of the authority, when it speaks TLS.
    pub(crate) fingerprint: Option<Fingerprint>,
    /// In PEM.
    pub(crate) authority: String,
    state: Arc<State>,
    tasks: Tasks,
}

struct State {
    script: Box<Script>,
    calls: Mutex<Vec<Call>>,
    /// Ends every open connection.
    cut: Mutex<CancellationToken>,
}

impl FakeRegion {
    pub(crate) async fn start(script: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> Self {
        Self::listen(script, None).await
    }

    /// With a certificate for this name, signed by an authority of its own.
    pub(crate) async fn start_tls(
        name: &str,
        script: impl Fn(&Call) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::listen(script, Some(name)).await
    }

    async fn listen(
        script: impl Fn(&Call) -> Reply + Send + Sync + 'static,
        tls: Option<&str>,
    ) -> Self {
        tls::install_provider();
        let certified = tls.map(certify);
        let acceptor = certified.as_ref().map(|(identity, _)| acceptor(identity.clone()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            script: Box::new(script),
            calls: Mutex::default(),
            cut: Mutex::default(),
        });
        let tasks = Tasks::new();
        tasks.spawn("fake region", accept(listener, acceptor, state.clone(), tasks.clone()));
        let scheme = if tls.is_some() { "https" } else { "http" };
        let chain = certified.as_ref().map(|(identity, _)| identity.chain.as_slice());
        Self {
            url: format!("{scheme}://{address}"),
            fingerprint: chain.and_then(|chain| chain.last()).map(Fingerprint::of),
            authority: certified.map(|(_, authority)| authority).unwrap_or_default(),
            state,
            tasks,
        }
    }

    /// Every connection ends, as when region is killed; new ones are taken.
    pub(crate) fn cut(&self) {
        let mut cut = self.state.cut.lock().unwrap();
        std::mem::take(&mut *cut).cancel();
    }

    pub(crate) fn calls(&self, method: &str) -> Vec<Call> {
        let calls = self.state.calls.lock().unwrap();
        calls.iter().filter(|call| call.method == method).cloned().collect()
    }
}

impl Drop for FakeRegion {
    fn drop(&mut self) {
        self.tasks.shutdown().cancel();
    }
}

async fn accept(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    state: Arc<State>,
    tasks: Tasks,
) {
    let shutdown = tasks.shutdown();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted.unwrap().0,
            () = shutdown.cancelled() => return,
        };
        let (state, cut) = (state.clone(), state.cut.lock().unwrap().clone());
        let (acceptor, shutdown) = (acceptor.clone(), shutdown.clone());
        tasks.spawn_brief("fake connection", async move {
            tokio::select! {
                () = talk(stream, acceptor, state) => {}
                () = cut.cancelled() => {}
                () = shutdown.cancelled() => {}
            }
        });
    }
}

async fn talk(stream: tokio::net::TcpStream, acceptor: Option<TlsAcceptor>, state: Arc<State>) {
    match acceptor {
        None => serve(stream, state).await,
        Some(acceptor) => {
            // A client that does not trust us goes away here.
            if let Ok(stream) = acceptor.accept(stream).await {
                serve(stream, state).await;
            }
        }
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, state: Arc<State>) {
    let service = service_fn(move |request| answer(state.clone(), request));
    // How a connection ends is the test's business and not the server's.
    let _ = auto::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(
    state: Arc<State>,
    request: Request<Incoming>,
) -> Result<Response<tonic::body::Body>, Infallible> {
    let path = request.uri().path().trim_start_matches("/hostler.v1.").to_owned();
    let (service, name) = path.split_once('/').expect("a gRPC path");
    let method = proto::describe::method(&format!("hostler.v1.{service}"), name);
    let (streams, request) = (method.is_client_streaming(), request.map(tonic::body::Body::new));
    let call = Answer { state, path: path.clone(), method };
    Ok(match streams {
        true => Grpc::new(Raw).streaming(call, request).await,
        false => Grpc::new(Raw).server_streaming(call, request).await,
    })
}

#[derive(Clone)]
struct Answer {
    state: Arc<State>,
    path: String,
    method: MethodDescriptor,
}

impl ServerStreamingService<Vec<u8>> for Answer {
    type Response = Vec<u8>;
    type ResponseStream = Steps;
    type Future = BoxFuture<tonic::Response<Steps>, Status>;

    fn call(&mut self, request: tonic::Request<Vec<u8>>) -> Self::Future {
        let token = token(&request);
        let message = self.read(&request.into_inner());
        Box::pin(std::future::ready(Ok(self.reply(token, message))))
    }
}

/// Of a client that streams: the call is all of its messages.
impl StreamingService<Vec<u8>> for Answer {
    type Response = Vec<u8>;
    type ResponseStream = Steps;
    type Future = BoxFuture<tonic::Response<Steps>, Status>;

    fn call(&mut self, request: tonic::Request<Streaming<Vec<u8>>>) -> Self::Future {
        let own = self.clone();
        let token = token(&request);
        Box::pin(async move {
            let (mut from, mut messages) = (request.into_inner(), Vec::new());
            while let Some(message) = from.message().await? {
                messages.push(own.read(&message));
            }
            Ok(own.reply(token, Value::Array(messages)))
        })
    }
}

fn token<T>(request: &tonic::Request<T>) -> Option<String> {
    let token = request.metadata().get("authorization")?;
    Some(token.to_str().unwrap().to_owned())
}

impl Answer {
    fn read(&self, bytes: &[u8]) -> Value {
        let message = DynamicMessage::decode(self.method.input(), bytes).unwrap();
        let options = SerializeOptions::new()
            .use_proto_field_name(true)
            .skip_default_fields(true)
            .stringify_64_bit_integers(false);
        message.serialize_with_options(serde_json::value::Serializer, &options).unwrap()
    }

    fn reply(&self, token: Option<String>, request: Value) -> tonic::Response<Steps> {
        let mut calls = self.state.calls.lock().unwrap();
        let before = calls.iter().filter(|call| call.method == self.path).count();
        let call = Call { method: self.path.clone(), request, token, before };
        calls.push(call.clone());
        drop(calls);
        let reply = (self.state.script)(&call);
        let cursor = reply.cursor.clone();
        let mut answer = tonic::Response::new(Steps { reply, method: self.method.clone() });
        if let Some(cursor) = cursor {
            answer.metadata_mut().insert("hostler-cursor", cursor.parse().unwrap());
        }
        answer
    }
}

struct Steps {
    reply: Reply,
    method: MethodDescriptor,
}

impl Stream for Steps {
    type Item = Result<Vec<u8>, Status>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.reply.steps.pop_front() {
            None if self.reply.hold => Poll::Pending,
            None => Poll::Ready(None),
            Some(step) => Poll::Ready(Some(step.map(|message| {
                let read = DynamicMessage::deserialize(self.method.output(), message);
                read.expect("the script speaks the contract").encode_to_vec()
            }))),
        }
    }
}

/// Bytes as they are.
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        prost::bytes::BufMut::put_slice(buffer, &item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining()).to_vec()))
    }
}

/// A certificate for this name, and the authority that signed it.
fn certify(name: &str) -> (Identity, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).unwrap();
    let issuer = rcgen::Issuer::new(params, key);
    let own = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec![name.to_owned()])
        .unwrap()
        .signed_by(&own, &issuer)
        .unwrap();
    let chain = certificate.pem() + &authority.pem();
    let identity = Identity::from_pem(chain.as_bytes(), own.serialize_pem().as_bytes()).unwrap();
    (identity, authority.pem())
}

fn acceptor(identity: Identity) -> TlsAcceptor {
    let key = any_supported_type(&identity.key).unwrap();
    let chain: Vec<CertificateDer<'static>> = identity.chain;
    let certified = SingleCertAndKey::from(CertifiedKey::new(chain, key));
    TlsAcceptor::from(Arc::new(
        tls::server_config(Arc::new(certified), &[], &Clock::system()).unwrap(),
    ))
}
