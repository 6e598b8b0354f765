//! A rack that does what a test tells it to, over the real stream.

use anyhow::Context;
use proto::{
    join_token::JoinToken,
    v1::{self, enrol_client::EnrolClient, from_rack, rack_link_client::RackLinkClient, to_rack},
};
use rcgen::{CertificateParams, KeyPair};
use runtime::{
    channel::{Target, channel},
    clock::Clock,
    tls::{Fingerprint, Identity, REGION_NAME, Trust, client_config},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::{collections::BTreeMap, time::Duration};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming, transport::Channel};
use uuid::Uuid;

/// Longer than anything that goes well takes.
const LIMIT: Duration = Duration::from_secs(10);

/// A rack that has joined.
#[derive(Clone)]
pub struct FakeRack {
    pub id: String,
    pub name: String,
    /// Made anew, it is a rack that lost its disk.
    pub incarnation: Uuid,
    pub addresses: Vec<String>,
    pub authority: CertificateDer<'static>,
    pub identity: Identity,
}

impl FakeRack {
    pub async fn join(token: &str, name: &str) -> anyhow::Result<Self> {
        let token: JoinToken = token
            .parse()
            .map_err(|refusal: common::Refusal| anyhow::anyhow!("join token: {}", refusal.0))?;
        let trust = Trust::Pinned(Fingerprint::new(token.authority));
        let channel = reach(&token.addresses, &trust, None).await?;
        let (key, request) = key()?;
        let joining = v1::JoinRequest {
            secret: token.secret.expose().clone(),
            signing_request: request,
            name: name.into(),
            version: "0.0.0-fake".into(),
        };
        let joined = EnrolClient::new(channel).join(joining).await?.into_inner();
        Ok(Self {
            id: joined.rack_id,
            name: joined.name,
            incarnation: Uuid::new_v4(),
            addresses: token.addresses,
            authority: joined.authority.into(),
            identity: identity(joined.certificate, &key),
        })
    }

    /// From now on it shows the new certificate.
    pub async fn renew(&mut self) -> anyhow::Result<()> {
        let (key, signing_request) = key()?;
        let channel = self.channel().await?;
        let renewed = EnrolClient::new(channel).renew(v1::RenewRequest { signing_request }).await?;
        self.identity = identity(renewed.into_inner().certificate, &key);
        Ok(())
    }

    pub async fn channel(&self) -> anyhow::Result<Channel> {
        let trust = Trust::Authorities(vec![self.authority.clone()]);
        reach(&self.addresses, &trust, Some(self.identity.clone())).await
    }

    /// What it says first when it has nothing.
    pub fn hello(&self) -> v1::RackHello {
        v1::RackHello {
            version: "0.0.0-fake".into(),
            incarnation: self.incarnation.to_string(),
            ..v1::RackHello::default()
        }
    }

    pub async fn connect(&self, hello: v1::RackHello) -> anyhow::Result<Stream> {
        let channel = self.channel().await?;
        let (to, from_test) = mpsc::channel(64);
        to.send(v1::FromRack { message: Some(from_rack::Message::Hello(hello)) }).await?;
        let mut client = RackLinkClient::new(channel);
        let connecting = client.connect(ReceiverStream::new(from_test));
        let mut from = tokio::time::timeout(LIMIT, connecting).await??.into_inner();
        let first = tokio::time::timeout(LIMIT, from.message()).await??;
        match first.and_then(|message| message.message) {
            Some(to_rack::Message::Hello(hello)) => {
                Ok(Stream { to, from, hello, applied: BTreeMap::new() })
            }
            other => anyhow::bail!("no hello: {other:?}"),
        }
    }
}

/// An open stream.
pub struct Stream {
    to: mpsc::Sender<v1::FromRack>,
    from: Streaming<v1::ToRack>,
    pub hello: v1::RegionHello,
    /// What it says of its scopes.
    applied: BTreeMap<String, v1::ScopeStatus>,
}

/// A scope as it came, its parts joined.
#[derive(Clone, Debug)]
pub struct Scope {
    pub last: v1::ScopePart,
    pub content: Vec<u8>,
    pub parts: usize,
}

impl Stream {
    /// The next message; the stream's end is an error.
    pub async fn next(&mut self) -> anyhow::Result<to_rack::Message> {
        let message = tokio::time::timeout(LIMIT, self.from.message()).await??;
        message.and_then(|message| message.message).context("the stream ended")
    }

    /// Waits for the stream's end; how it ended.
    pub async fn ended(&mut self) -> anyhow::Result<Option<Status>> {
        let ended = async {
            loop {
                match self.from.message().await {
                    Ok(Some(_)) => {}
                    Ok(None) => return None,
                    Err(status) => return Some(status),
                }
            }
        };
        Ok(tokio::time::timeout(LIMIT, ended).await?)
    }

    /// The next scope, whole; whatever else comes meanwhile is dropped.
    pub async fn scope(&mut self) -> anyhow::Result<Scope> {
        let (mut content, mut parts) = (Vec::new(), 0);
        loop {
            if let to_rack::Message::Scope(part) = self.next().await? {
                content.extend_from_slice(&part.content);
                parts += 1;
                if part.last {
                    return Ok(Scope { last: part, content, parts });
                }
            }
        }
    }

    /// Everything of the class up to this number is recorded.
    pub async fn recorded(&mut self) -> anyhow::Result<u64> {
        loop {
            if let to_rack::Message::Recorded(recorded) = self.next().await? {
                return Ok(recorded.upto.context("a position")?.number);
            }
        }
    }

    /// The next request.
    pub async fn request(&mut self) -> anyhow::Result<v1::Request> {
        loop {
            if let to_rack::Message::Request(request) = self.next().await? {
                return Ok(request);
            }
        }
    }

    pub async fn send(&self, message: from_rack::Message) -> anyhow::Result<()> {
        Ok(self.to.send(v1::FromRack { message: Some(message) }).await?)
    }

    /// Says what became of a scope; a withdrawn one it lets go of.
    pub async fn answer(&mut self, scope: &Scope, verdict: v1::Verdict) -> anyhow::Result<()> {
        let part = &scope.last;
        if part.withdrawn {
            self.applied.remove(&part.scope);
        } else {
            let good = (verdict.kind() != v1::VerdictKind::Refused).then_some(part.generation);
            let status = v1::ScopeStatus {
                scope: part.scope.clone(),
                offered: part.generation,
                digest: part.digest.clone(),
                verdict: Some(verdict),
                good: good.flatten(),
            };
            self.applied.insert(part.scope.clone(), status);
        }
        self.send(from_rack::Message::State(self.state())).await
    }

    /// What it would say in its next hello.
    pub fn state(&self) -> v1::RackState {
        let items = self.applied.values().cloned().collect();
        v1::RackState {
            scopes: Some(v1::ScopeStatuses { items }),
            services: None,
            interfaces: None,
            counts: None,
        }
    }
}

/// A verdict without reasons.
pub fn verdict(kind: v1::VerdictKind) -> v1::Verdict {
    v1::Verdict { kind: kind.into(), ..v1::Verdict::default() }
}

fn key() -> anyhow::Result<(KeyPair, Vec<u8>)> {
    let key = KeyPair::generate()?;
    let request = CertificateParams::default().serialize_request(&key)?;
    Ok((key, request.der().to_vec()))
}

fn identity(certificate: Vec<u8>, key: &KeyPair) -> Identity {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    Identity { chain: vec![certificate.into()], key }
}

async fn reach(
    addresses: &[String],
    trust: &Trust,
    identity: Option<Identity>,
) -> anyhow::Result<Channel> {
    let name = REGION_NAME.try_into().context("region's name")?;
    let target = Target { addresses: addresses.to_vec(), name };
    let config = client_config(trust, identity, &Clock::system())?;
    Ok(channel(&target, config).await?)
}
