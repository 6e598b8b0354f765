//! One running region: database, authorities, listeners and the tasks behind them.

use axum::middleware::{from_fn, from_fn_with_state};
use proto::v1::{enrol_server::EnrolServer, rack_link_server::RackLinkServer};
use runtime::{
    clock::Clock,
    tasks::Tasks,
    tls::{REGION_NAME, TlsError, server_config},
};
use rustls::ServerConfig;
use rustls_pki_types::CertificateDer;
use std::{io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};
use tokio::net::TcpListener;
use tonic::service::Routes;

use crate::{
    Region, addresses,
    api::{
        self,
        authenticate::{Authenticator, authenticate},
        measure::measure,
    },
    auth::{
        authorities::{Authorities, AuthoritiesError},
        server_certificate::{self, CertificateError, ServerCertificate, Source},
    },
    boot_store,
    config::Config,
    db::OpenError,
    gauges,
    listen::{self, Connections, Crowd, Door, Limits},
    operations::{rack::Signing, rack_token::Doorstep},
    racks::{Racks, boot_files},
    reconcile, ui,
};

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Database(#[from] OpenError),
    #[error(transparent)]
    Authorities(#[from] AuthoritiesError),
    #[error("{}: cannot be made", path.display())]
    Folder { path: PathBuf, source: io::Error },
    #[error("boot-files: the folder cannot be used")]
    BootFiles(#[source] boot_store::StoreError),
    #[error("{name}: no certificate")]
    Certificate { name: &'static str, source: CertificateError },
    #[error("{name}: no TLS")]
    Tls { name: &'static str, source: TlsError },
    #[error("{name}: cannot listen on {address}")]
    Listen { name: &'static str, address: SocketAddr, source: io::Error },
}

/// Where a running region listens, port 0 resolved.
pub struct Server {
    pub region: Region,
    pub authorities: Authorities,
    pub operators: Vec<SocketAddr>,
    pub racks: Vec<SocketAddr>,
}

/// Region's own certificate on the racks' port; racks know it by its authority.
const OWN_CERTIFICATE: Duration = Duration::from_secs(90 * 86_400);
/// What a rack may send at once; region sends less.
const LARGEST_MESSAGE: usize = 1024 * 1024;
const OPERATORS: &str = "operators";
const RACKS: &str = "racks";

/// Everything but metrics, which are the process's and not the region's: tests run two regions in one process.
pub async fn start(config: &Config, tasks: Tasks, clock: Clock) -> Result<Server, StartError> {
    let mut region = open(config, tasks, clock).await?;
    let authorities = Authorities::open(&region.db, config.key_file(), &region.clock).await?;
    let operators = bind(OPERATORS, &config.operators.listen).await?;
    let racks = bind(RACKS, &config.racks.listen).await?;
    region.doorstep = Some(Arc::new(Doorstep {
        addresses: addresses::reachable(&config.racks.addresses, &bound(&racks)),
        authority: authorities.racks_fingerprint(),
    }));
    let boot_files = boot_store::Store::open(&config.boot_files()).await;
    region.boot_files = Some(boot_files.map_err(StartError::BootFiles)?);
    let server = Server {
        operators: bound(&operators),
        racks: bound(&racks),
        authorities: authorities.clone(),
        region: region.clone(),
    };
    reconcile::spawn(&region, config);
    gauges::spawn(&region);
    serve_racks(config, &region, &authorities, racks).await?;
    serve_operators(config, &region, &authorities, operators).await?;
    Ok(server)
}

/// What is done beside a running region: the database, brought up to date.
pub async fn open(config: &Config, tasks: Tasks, clock: Clock) -> Result<Region, StartError> {
    let folder = &config.state_directory;
    // Nobody else on the machine reads what is in it.
    let mut private = tokio::fs::DirBuilder::new();
    private.recursive(true).mode(0o700);
    private
        .create(folder)
        .await
        .map_err(|source| StartError::Folder { path: folder.clone(), source })?;
    Ok(Region::open(config.database().expose(), tasks, clock).await?)
}

/// What operators know this region by: the authority behind its own certificate, or the first certificate of the files.
pub async fn known_by(config: &Config) -> Result<CertificateDer<'static>, StartError> {
    if let Some(path) = &config.operators.certificate {
        let chain = server_certificate::read_chain(path).await;
        return chain.map_err(|source| StartError::Certificate { name: OPERATORS, source });
    }
    let (tasks, clock) = (Tasks::new(), Clock::system());
    let region = open(config, tasks, clock).await?;
    let authorities = Authorities::open(&region.db, config.key_file(), &region.clock).await?;
    Ok(authorities.operators.certificate().clone())
}

async fn serve_racks(
    config: &Config,
    region: &Region,
    authorities: &Authorities,
    listeners: Vec<TcpListener>,
) -> Result<(), StartError> {
    let own = Source::Authority {
        authority: authorities.racks.clone(),
        names: vec![REGION_NAME.into()],
        lifetime: OWN_CERTIFICATE,
    };
    let clients = [authorities.racks.certificate().clone()];
    let tls = tls(RACKS, own, &clients, region).await?;
    let signing = Signing {
        authority: authorities.racks.clone(),
        lifetime: config.racks.certificate_lifetime,
    };
    let connections = Connections::default();
    let racks = Racks::spawn(region, signing, connections.clone());
    let refused = racks.refused();
    let mut routes = Routes::builder();
    routes
        .add_service(RackLinkServer::new(racks.clone()).max_decoding_message_size(LARGEST_MESSAGE))
        .add_service(EnrolServer::new(racks.clone()));
    let routes = routes.routes().prepare().into_axum_router().layer(from_fn(measure));
    let routes = routes.merge(boot_files::routes(racks));
    let crowd = Crowd::new(RACKS, Limits::default());
    let door = Door { name: RACKS, tls, routes, connections, crowd, refused };
    listeners.into_iter().for_each(|listener| listen::spawn(listener, door.clone(), &region.tasks));
    Ok(())
}

async fn serve_operators(
    config: &Config,
    region: &Region,
    authorities: &Authorities,
    listeners: Vec<TcpListener>,
) -> Result<(), StartError> {
    let own = match (&config.operators.certificate, &config.operators.key) {
        (Some(certificate), Some(key)) => {
            Source::Files { certificate: certificate.clone(), key: key.clone() }
        }
        _ => Source::Authority {
            authority: authorities.operators.clone(),
            names: addresses::certificate_names(&config.operators.names),
            lifetime: OWN_CERTIFICATE,
        },
    };
    let tls = tls(OPERATORS, own, &[], region).await?;
    let authenticator = Authenticator::spawn(region);
    let routes = api::routes(region.clone()).prepare().into_axum_router();
    let routes =
        routes.layer(from_fn_with_state(authenticator, authenticate)).layer(from_fn(measure));
    let routes = routes.merge(ui::routes(region.clone()));
    let door = Door {
        name: OPERATORS,
        tls,
        routes,
        connections: Connections::default(),
        crowd: Crowd::new(OPERATORS, Limits::default()),
        // Nobody shows a certificate here.
        refused: Arc::new(|_, _| {}),
    };
    listeners.into_iter().for_each(|listener| listen::spawn(listener, door.clone(), &region.tasks));
    Ok(())
}

async fn tls(
    name: &'static str,
    source: Source,
    clients: &[CertificateDer<'static>],
    region: &Region,
) -> Result<Arc<ServerConfig>, StartError> {
    let own = ServerCertificate::spawn(name, source, &region.clock, &region.tasks).await;
    let own = own.map_err(|source| StartError::Certificate { name, source })?;
    let config = server_config(own, clients, &region.clock)
        .map_err(|source| StartError::Tls { name, source })?;
    Ok(Arc::new(config))
}

async fn bind(
    name: &'static str,
    addresses: &[SocketAddr],
) -> Result<Vec<TcpListener>, StartError> {
    let mut listeners = Vec::new();
    for address in addresses {
        let bound = listen::bind(*address).await;
        let address = *address;
        listeners.push(bound.map_err(|source| StartError::Listen { name, address, source })?);
    }
    Ok(listeners)
}

fn bound(listeners: &[TcpListener]) -> Vec<SocketAddr> {
    listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
}
