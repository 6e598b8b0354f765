//! Finds region, and finds it again.

use runtime::{
    backoff::Backoff,
    channel::{ConnectError, channel},
    telemetry::Causes,
    tls::{self, TlsError, certificate_alert},
};
use std::{error::Error, time::Duration};
use tonic::{Code, Status, transport::Channel};

use super::{
    Link, LinkState,
    session::{self, SessionError},
};
use crate::enrol;

/// Between attempts to reach a region that is away: soon at first, since it may only have been restarted.
const AWAY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(15));
/// Between attempts at a region that says no: only an operator can change that.
const REFUSED: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(300));

/// Why there is no stream.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    #[error("region cannot be reached")]
    Connect(#[from] ConnectError),
    #[error("this rack's identity cannot be used")]
    Tls(#[from] TlsError),
    #[error("the stream to region ended")]
    Session(#[from] SessionError),
}

pub(super) async fn run(link: &Link) {
    let (mut away, mut refused) =
        (Backoff::new(AWAY.0, AWAY.1), Backoff::new(REFUSED.0, REFUSED.1));
    let mut said = String::new();
    loop {
        let (outcome, opened) = attempt(link).await;
        if opened {
            away.reset();
            refused.reset();
            said.clear();
        }
        let error = match outcome {
            Ok(()) => continue,
            Err(error) => error,
        };
        let why = Causes(&error).to_string();
        let is_news = why != said;
        let wait = match refusal(&error) {
            Some(refusal) => {
                link.enter(LinkState::Refused, refusal.clone());
                if is_news {
                    tracing::error!(error = %refusal, "region refuses this rack; DHCP goes on as it is. Join again: stop it, remove its identity directory, and run `hostler-rack join` with a new token");
                }
                refused.next()
            }
            None => {
                link.enter(LinkState::Unreachable, why.clone());
                if is_news {
                    tracing::warn!(error = %why, "no region; DHCP goes on, and facts are kept until it is back");
                }
                away.next()
            }
        };
        said = why;
        tokio::time::sleep(wait).await;
    }
}

/// One connection, from its first packet to its end; and whether region opened the stream. Ends well when there is a new certificate to connect with.
async fn attempt(link: &Link) -> (Result<(), LinkError>, bool) {
    let mut opened = false;
    let outcome = async {
        let channel = reach(link).await?;
        Ok(session::run(link, channel, &mut opened).await?)
    };
    (outcome.await, opened)
}

async fn reach(link: &Link) -> Result<Channel, LinkError> {
    let identity = link.credentials.borrow().identity()?;
    let config = tls::client_config(&link.trust(), Some(identity), &link.validity)?;
    Ok(channel(&enrol::target(&link.addresses), config).await?)
}

/// What region has against this rack, if that is why: its own words, or its alert about our certificate.
fn refusal(error: &LinkError) -> Option<String> {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(status) = error.downcast_ref::<Status>()
            && matches!(status.code(), Code::PermissionDenied | Code::Unauthenticated)
        {
            return Some(status.message().to_owned());
        }
        if let Some(alert) = certificate_alert(error) {
            return Some(format!("region does not take this rack's certificate: {alert:?}"));
        }
        cause = error.source();
    }
    None
}
