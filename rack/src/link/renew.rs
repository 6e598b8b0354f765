//! Keeps the rack's certificate young.

use runtime::{backoff::Backoff, telemetry::Causes};
use std::time::Duration;
use tonic::transport::Channel;

use super::Link;
use crate::enrol::{self, EnrolError};

/// The wall clock may be set while this waits.
const LOOK: Duration = Duration::from_secs(60);
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(3600));

/// Ends when there is a new certificate, which then is the one to connect with.
pub(super) async fn run(link: &Link, channel: Channel) {
    let mut retry = Backoff::new(RETRY.0, RETRY.1);
    loop {
        until_due(link).await;
        match renew(link, channel.clone()).await {
            Ok(()) => return,
            Err(error) => {
                let ends = link.credentials.borrow().ends();
                tracing::warn!(error = %Causes(&error), %ends, "the certificate was not renewed; it is tried again");
            }
        }
        tokio::time::sleep(retry.next()).await;
    }
}

async fn until_due(link: &Link) {
    loop {
        let renewal = link.credentials.borrow().renewal();
        let left = renewal.micros().saturating_sub(link.validity.now().micros());
        let Some(left) = u64::try_from(left).ok().filter(|left| *left > 0) else { return };
        tokio::time::sleep(Duration::from_micros(left).min(LOOK)).await;
    }
}

async fn renew(link: &Link, channel: Channel) -> Result<(), EnrolError> {
    let credentials = enrol::renew(channel, &link.validity).await?;
    link.identity.save_credentials(&credentials)?;
    let ends = credentials.ends();
    link.credentials.send_replace(credentials);
    link.status.send_modify(|status| status.certificate_ends = ends.to_string());
    tracing::info!(%ends, "the certificate was renewed");
    Ok(())
}
