//! A channel to region, and why there is none.

use runtime::{
    channel::{Attempt, ConnectError, Target as Place, channel},
    clock::Clock,
    tls::{self, Fingerprint, Trust, WrongServer},
};
use rustls::{ClientConfig, OtherError};
use std::{io, time::Duration};
use tonic::transport::{Channel, Endpoint};

use crate::{
    failure::Failure,
    profile::{Server, Target},
};

/// For one attempt without TLS; with it, `runtime::channel` has its own.
const LIMIT: Duration = Duration::from_secs(5);

pub(super) async fn dial(target: &Target) -> anyhow::Result<Channel> {
    if !target.server.tls {
        let endpoint = Endpoint::from_shared(target.server.to_string())?.connect_timeout(LIMIT);
        let connected = endpoint.connect().await;
        return Ok(connected.map_err(|error| Failure::unreachable(&target.server, &error))?);
    }
    let Some(trust) = &target.trust else {
        return Err(Failure::NoTrust { server: target.server.to_string() }.into());
    };
    let place = place(&target.server)?;
    match channel(&place, client_config(trust)?).await {
        Ok(channel) => Ok(channel),
        Err(error) => Err(reason(&target.server, &error).into()),
    }
}

/// The fingerprint of what a region shows, before anybody trusts it: of the authority that signed its certificate, or of the certificate itself.
pub(crate) async fn shown(server: &Server) -> anyhow::Result<Fingerprint> {
    // No certificate has this fingerprint, so nothing is ever said to whoever answers.
    let nobody = Trust::Pinned(Fingerprint::new([0; 32]));
    let attempt = channel(&place(server)?, client_config(&nobody)?).await;
    let error = attempt.expect_err("no certificate has a fingerprint of zeros");
    let reason = reason(server, &error);
    if let Failure::WrongCertificate { shown, .. } = reason {
        return Ok(shown);
    }
    Err(reason.into())
}

fn client_config(trust: &Trust) -> anyhow::Result<ClientConfig> {
    Ok(tls::client_config(trust, None, &Clock::system())?)
}

fn place(server: &Server) -> anyhow::Result<Place> {
    let name = server.name().map_err(Failure::Usage)?;
    Ok(Place { addresses: vec![server.address()], name })
}

fn reason(server: &Server, error: &ConnectError) -> Failure {
    let attempts = match error {
        ConnectError::Unreachable(attempts) => attempts.as_slice(),
        ConnectError::NoAddress | ConnectError::Transport(_) => &[],
    };
    let handshake = attempts.iter().find_map(|(_, attempt)| match attempt {
        Attempt::Tls(error) => Some(error),
        Attempt::Tcp(_) | Attempt::Late => None,
    });
    let Some(handshake) = handshake else { return Failure::unreachable(server, error) };
    let server = server.to_string();
    match wrong_server(handshake) {
        Some(WrongServer { expected, shown }) => {
            Failure::WrongCertificate { server, expected: *expected, shown: *shown }
        }
        None => Failure::Untrusted { server, cause: handshake.to_string() },
    }
}

/// What `runtime::tls` said, inside what rustls said, inside what the socket said.
fn wrong_server(error: &io::Error) -> Option<&WrongServer> {
    let rustls::Error::Other(OtherError(inner)) = error.get_ref()?.downcast_ref()? else {
        return None;
    };
    inner.downcast_ref()
}
