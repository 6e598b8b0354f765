//! One connection to region and the calls that every kind has.

use anyhow::Context;
use prost_reflect::{DynamicMessage, MethodDescriptor};
use proto::{
    describe::Kind,
    v1::{PushRequest, PushResponse, boot_file_push_client::BootFilePushClient},
};
use tokio_stream::Stream;
use tonic::{
    Request, Status, Streaming,
    client::Grpc,
    codegen::http::uri::PathAndQuery,
    metadata::{Ascii, MetadataMap, MetadataValue},
    transport::Channel,
};

use super::{Fill, Read, codec::Dynamic, dial};
use crate::{failure::Failure, profile::Target};

/// A page of the longest kinds still fits; a single resource never comes near it.
const LARGEST_ANSWER: usize = 64 << 20;

/// Region gives no more at once.
const LARGEST_PAGE: usize = 1000;

pub(crate) struct Client {
    channel: Channel,
    grpc: Grpc<Channel>,
    token: Option<MetadataValue<Ascii>>,
    server: String,
}

/// What a call brought back.
pub(crate) struct Answer {
    pub(crate) item: DynamicMessage,
    /// Where the log stood after a write; what `--wait` waits for.
    pub(crate) cursor: Option<String>,
}

impl Client {
    pub(crate) async fn connect(target: &Target) -> anyhow::Result<Self> {
        let channel = dial::dial(target).await?;
        let token = target.token.as_ref().map(|token| format!("Bearer {token}").parse());
        let mut token: Option<MetadataValue<Ascii>> =
            token.transpose().context("the token holds characters that no token has")?;
        token.iter_mut().for_each(|token| token.set_sensitive(true));
        let grpc = Grpc::new(channel.clone()).max_decoding_message_size(LARGEST_ANSWER);
        Ok(Self { channel, grpc, token, server: target.server.to_string() })
    }

    /// One of the methods that a kind has, by its name in the contract.
    pub(crate) async fn call(
        &mut self,
        kind: &Kind,
        method: &str,
        fill: impl FnOnce(&mut DynamicMessage) -> &mut DynamicMessage,
    ) -> anyhow::Result<Answer> {
        let method = method_of(kind, method)?;
        let mut request = DynamicMessage::new(method.input());
        fill(&mut request);
        self.unary(&method, request).await
    }

    pub(crate) async fn unary(
        &mut self,
        method: &MethodDescriptor,
        request: DynamicMessage,
    ) -> anyhow::Result<Answer> {
        let request_id = request.message_of("write").map(|write| write.text_of("request_id"));
        let request_id = request_id.filter(|id| !id.is_empty());
        let (request, path) = (self.request(request), path(method)?);
        let failed = |server: &str, status| Failure::Region {
            server: server.to_owned(),
            status: Box::new(status),
            request_id,
        };
        if let Err(error) = self.grpc.ready().await {
            return Err(failed(&self.server, Status::from_error(Box::new(error))).into());
        }
        match self.grpc.unary(request, path, Dynamic(method.output())).await {
            Err(status) => Err(failed(&self.server, status).into()),
            Ok(answer) => {
                let cursor = cursor(answer.metadata());
                Ok(Answer { item: answer.into_inner(), cursor })
            }
        }
    }

    pub(crate) async fn stream(
        &mut self,
        method: &MethodDescriptor,
        request: DynamicMessage,
    ) -> anyhow::Result<Streaming<DynamicMessage>> {
        let (request, path) = (self.request(request), path(method)?);
        if let Err(error) = self.grpc.ready().await {
            return Err(self.failed(Status::from_error(Box::new(error))));
        }
        let answer = self.grpc.server_streaming(request, path, Dynamic(method.output())).await;
        answer.map(tonic::Response::into_inner).map_err(|status| self.failed(status))
    }

    /// The parts of a boot file, and where the log stood once it had its name. Typed: a chunk is not worth three copies.
    pub(crate) async fn push(
        &self,
        parts: impl Stream<Item = PushRequest> + Send + 'static,
    ) -> Result<(PushResponse, Option<String>), Status> {
        let request = self.request(parts);
        let answer = BootFilePushClient::new(self.channel.clone()).push(request).await?;
        let cursor = cursor(answer.metadata());
        Ok((answer.into_inner(), cursor))
    }

    /// What went wrong in a call that changes nothing, or in the middle of a stream.
    pub(crate) fn failed(&self, status: Status) -> anyhow::Error {
        let (server, status) = (self.server.clone(), Box::new(status));
        Failure::Region { server, status, request_id: None }.into()
    }

    pub(crate) async fn get(&mut self, kind: &Kind, id: &str) -> anyhow::Result<DynamicMessage> {
        Ok(self.call(kind, "Get", |request| request.text("id", id)).await?.item)
    }

    /// Every page, or as many as make up `limit`; and whether there is more.
    pub(crate) async fn list(
        &mut self,
        kind: &Kind,
        filter: &str,
        order: &str,
        limit: Option<usize>,
    ) -> anyhow::Result<(Vec<DynamicMessage>, bool)> {
        let (mut items, mut token) = (Vec::new(), String::new());
        loop {
            let missing = limit.map_or(LARGEST_PAGE, |limit| LARGEST_PAGE.min(limit - items.len()));
            let page = self
                .call(kind, "List", |request| {
                    request
                        .size("page_size", missing)
                        .text("filter", filter)
                        .text("order_by", order)
                        .text("page_token", &token)
                })
                .await?
                .item;
            items.extend(page.messages_of("items"));
            token = page.text_of("next_page_token");
            if token.is_empty() || limit.is_some_and(|limit| items.len() >= limit) {
                return Ok((items, !token.is_empty()));
            }
        }
    }

    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(token) = &self.token {
            request.metadata_mut().insert("authorization", token.clone());
        }
        request
    }
}

fn cursor(metadata: &MetadataMap) -> Option<String> {
    metadata.get("hostler-cursor")?.to_str().ok().map(str::to_owned)
}

pub(crate) fn method_of(kind: &Kind, name: &str) -> anyhow::Result<MethodDescriptor> {
    kind.service
        .methods()
        .find(|method| method.name() == name)
        .with_context(|| format!("a {} cannot {}", kind.noun, name.to_lowercase()))
}

fn path(method: &MethodDescriptor) -> anyhow::Result<PathAndQuery> {
    Ok(format!("/{}/{}", method.parent_service().full_name(), method.name()).parse()?)
}
