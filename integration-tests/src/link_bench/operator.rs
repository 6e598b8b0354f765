//! An operator's program on region's machine: gRPC without the command line's start in the measure.

use crate::lab::{region::Region, swarm::inside};
use anyhow::Context;
use runtime::{
    channel::{Target, channel},
    clock::Clock,
    tls::{Trust, client_config},
};
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::interceptor::InterceptedService,
    transport::Channel,
};

/// Shows its token with each call.
#[derive(Clone)]
pub(crate) struct Bearer(MetadataValue<Ascii>);

impl tonic::service::Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

pub(crate) type Operator = InterceptedService<Channel, Bearer>;

pub(crate) async fn connect(region: &Region) -> anyhow::Result<Operator> {
    let [_, (_, token), (_, fingerprint)] = region.environment();
    let place = region.server.strip_prefix("https://").context("region speaks TLS")?;
    let (host, _) = place.rsplit_once(':').context("HOST:PORT")?;
    let target = Target { addresses: vec![place.into()], name: host.to_owned().try_into()? };
    let fingerprint = fingerprint.parse().ok().context("a fingerprint")?;
    let config = client_config(&Trust::Pinned(fingerprint), None, &Clock::system())?;
    let bearer = Bearer(format!("Bearer {token}").parse()?);
    Ok(InterceptedService::new(channel(&target, config).await?, bearer))
}

/// Runs on a thread of region's machine, whose sockets are all there.
pub(crate) fn on_region<T: Send>(
    region: &Region,
    work: impl AsyncFnOnce() -> anyhow::Result<T> + Send,
) -> anyhow::Result<T> {
    inside(&region.node, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(work())
    })
}
