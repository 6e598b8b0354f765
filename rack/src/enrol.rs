//! How a rack becomes a member of a region, and stays one. Its key is made here and never leaves.

use common::RackId;
use proto::{
    join_token::JoinToken,
    v1::{self, enrol_client::EnrolClient},
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use runtime::{
    channel::{ConnectError, Target, channel},
    clock::Clock,
    tls::{self, Fingerprint, TlsError, Trust},
};
use rustls_pki_types::CertificateDer;
use tonic::{Code, Status, transport::Channel};

use crate::store::{
    StoreError,
    identity::{Credentials, IdentityStore, Membership},
};

#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    #[error("this rack is {name} ({rack}) of a region already; to make it another's, stop it and remove {path}", path = path.display())]
    Member { name: String, rack: RackId, path: std::path::PathBuf },
    #[error("region cannot be reached")]
    Connect(#[from] ConnectError),
    #[error("TLS cannot be set up")]
    Tls(#[from] TlsError),
    #[error("a key cannot be made")]
    Key(#[from] rcgen::Error),
    #[error("region refused: {0}")]
    Refused(String),
    #[error("region did not answer as it should: {0}")]
    Broken(String),
    #[error("the answer names the authority {shown}, but the token pins {pinned}")]
    WrongAuthority { pinned: Fingerprint, shown: Fingerprint },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Joins the region of the token; afterwards `run` serves it.
pub async fn join(
    token: &JoinToken,
    name: &str,
    store: &IdentityStore,
    clock: &Clock,
) -> Result<Membership, EnrolError> {
    if let Some((member, _)) = store.load()? {
        let path = store.folder().to_owned();
        return Err(EnrolError::Member { name: member.name, rack: member.rack, path });
    }
    let pinned = Fingerprint::new(token.authority);
    let config = tls::client_config(&Trust::Pinned(pinned), None, clock)?;
    let channel = channel(&target(&token.addresses), config).await?;
    let request = Request::new()?;
    let joining = v1::JoinRequest {
        secret: token.secret.expose().clone(),
        signing_request: request.der.clone(),
        name: name.into(),
        version: env!("CARGO_PKG_VERSION").into(),
    };
    let answer = EnrolClient::new(channel).join(joining).await.map_err(refusal)?.into_inner();
    let authority = CertificateDer::from(answer.authority);
    let shown = Fingerprint::of(&authority);
    if shown != pinned {
        return Err(EnrolError::WrongAuthority { pinned, shown });
    }
    let membership = Membership {
        rack: answer.rack_id.parse().map_err(|_| {
            EnrolError::Broken(format!("it gave this rack the id {:?}", answer.rack_id))
        })?,
        name: answer.name,
        addresses: token.addresses.clone(),
        authority,
    };
    store.save(&membership, &request.signed(answer.certificate, clock)?)?;
    Ok(membership)
}

/// Asks over a channel that shows the old certificate for one with a new key.
pub async fn renew(channel: Channel, clock: &Clock) -> Result<Credentials, EnrolError> {
    let request = Request::new()?;
    let renewing = v1::RenewRequest { signing_request: request.der.clone() };
    let answer = EnrolClient::new(channel).renew(renewing).await.map_err(refusal)?.into_inner();
    request.signed(answer.certificate, clock)
}

/// Where region is, by which name its certificate is known.
pub fn target(addresses: &[String]) -> Target {
    let name = tls::REGION_NAME.try_into().expect("the name is a host name");
    Target { addresses: addresses.to_vec(), name }
}

/// A new key, and the request to have it signed.
struct Request {
    key: KeyPair,
    der: Vec<u8>,
}

impl Request {
    /// Region takes the public key alone, so the request says nothing else.
    fn new() -> Result<Self, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let der = params.serialize_request(&key)?.der().to_vec();
        Ok(Self { key, der })
    }

    fn signed(&self, certificate: Vec<u8>, clock: &Clock) -> Result<Credentials, EnrolError> {
        let key = self.key.serialize_pem();
        let credentials = Credentials::new(key, certificate.into(), clock.now());
        credentials.map_err(|what| EnrolError::Broken(what.into()))
    }
}

/// What region says no to, in its own words; anything else is the connection's fault.
fn refusal(status: Status) -> EnrolError {
    match status.code() {
        Code::PermissionDenied
        | Code::Unauthenticated
        | Code::InvalidArgument
        | Code::FailedPrecondition
        | Code::AlreadyExists
        | Code::NotFound => EnrolError::Refused(status.message().into()),
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::DeadlineExceeded
        | Code::ResourceExhausted
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => {
            EnrolError::Broken(format!("{:?}: {}", status.code(), status.message()))
        }
    }
}
