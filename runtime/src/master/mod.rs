//! The master: takes submissions, lets a strategy place them, tells workers, and keeps the records.
//!
//! ```text
//!   gRPC, HTTP ──Input──▶ shell ──▶ core ──Step { writes, actions }──▶ shell ──writes──▶ store
//!                                                                        └─ then actions: answers, messages to workers
//! ```
//!
//! - [`core`]: the state machine: no I/O, no clock; [`submission`]: what may be asked for
//! - [`shell`]: the loops around it; `carrier.rs`: messages to workers
//! - `grpc.rs`, `clients.rs`, `messages.rs`: the gRPC services; [`http`]: HTTP and WebSocket

mod carrier;
pub mod clients;
pub mod core;
mod grpc;
pub mod http;
mod messages;
pub mod shell;
pub mod submission;

use std::net::SocketAddr;
use std::sync::Arc;

use cloudai_proto::v1::client_service_server::ClientServiceServer;
use cloudai_proto::v1::master_service_server::MasterServiceServer;
use cloudai_schedulers::{Registry, StrategySpec};
pub use shell::Master;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;

use self::carrier::Carrier;
use self::clients::ForClients;
use self::core::{CoreSettings, MasterCore, RestoreError};
use self::grpc::ForWorkers;
use self::http::HttpSettings;
use crate::clock::Clock;
use crate::security::{DialError, Dialer, Exposed, Security, Token, server};
use crate::store::{Store, StoreError};

/// The largest message that is taken: a batch of a thousand tasks with environments.
const MESSAGE_BYTES: usize = 16 << 20;

/// The largest that is sent: a list of ten thousand.
const ANSWER_BYTES: usize = 256 << 20;

/// What a master is told.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MasterSettings {
    /// Where gRPC is served; port 0 takes a free one. Default 127.0.0.1:50051.
    pub grpc: SocketAddr,
    /// HTTP and WebSocket. Default 127.0.0.1:8080.
    pub http: SocketAddr,
    /// The strategy, unless another one was chosen at run time. Default `ai`.
    pub strategy: StrategySpec,
    /// Leases, heartbeats, limits.
    pub core: CoreSettings,
    /// How many heartbeats a WebSocket client may lag behind. Default 100.
    pub heartbeat_buffer: usize,
    /// Time-outs of HTTP.
    pub timeouts: HttpSettings,
    /// Tokens and TLS.
    pub security: Security,
}

impl Default for MasterSettings {
    fn default() -> Self {
        Self {
            grpc: SocketAddr::from(([127, 0, 0, 1], 50051)),
            http: SocketAddr::from(([127, 0, 0, 1], 8080)),
            strategy: StrategySpec { name: "ai".to_owned(), params: Vec::new() },
            core: CoreSettings::default(),
            heartbeat_buffer: 100,
            timeouts: HttpSettings::default(),
            security: Security::default(),
        }
    }
}

/// Why a master does not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MasterError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What the store has.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// A listener would be open to others.
    #[error(transparent)]
    Exposed(#[from] Exposed),
    /// A port is taken, or not ours.
    #[error("{what} cannot listen on {address}: {source}")]
    Bind {
        /// Which listener.
        what: &'static str,
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Tokens and certificates for calls.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The certificate or key for serving.
    #[error("TLS: {0}")]
    Tls(String),
}

/// A master that runs.
#[derive(Debug)]
pub struct RunningMaster {
    /// To ask it things.
    pub master: Master,
    /// Where gRPC is served.
    pub grpc: SocketAddr,
    /// Where HTTP is served.
    pub http: SocketAddr,
    stop: watch::Sender<bool>,
    serving: Vec<JoinHandle<()>>,
    keeping: JoinHandle<()>,
}

impl RunningMaster {
    /// Returns when the master is of no use any more, because another one has taken its store over.
    pub async fn taken_over(&self) {
        let _ = self.master.shared.over.subscribe().wait_for(|over| *over).await;
    }

    /// Stops it; returns when everything acknowledged is in the store and the ports are free. Workers and their tasks go on.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        // A store that is away for good must not keep the process: what it has not taken was not acknowledged.
        let patience = std::time::Duration::from_secs(5);
        let _ = tokio::time::timeout(patience, self.keeping).await;
        for mut serving in self.serving {
            if tokio::time::timeout(patience, &mut serving).await.is_err() {
                serving.abort();
            }
        }
    }
}

async fn bind(
    what: &'static str,
    address: SocketAddr,
    security: &Security,
) -> Result<TcpListener, MasterError> {
    security.check(what, address)?;
    TcpListener::bind(address).await.map_err(|source| MasterError::Bind { what, address, source })
}

/// Starts a master on what the store has.
///
/// # Errors
/// A listener, the store or its records.
pub async fn start(
    settings: MasterSettings,
    registry: Registry,
    store: Arc<dyn Store>,
) -> Result<RunningMaster, MasterError> {
    let security = &settings.security;
    let grpc = bind("gRPC", settings.grpc, security).await?;
    let http = bind("HTTP", settings.http, security).await?;
    let dialer = Dialer::new(security)?;
    let admitted = dialer.token();
    let carrier = Carrier::new(dialer);
    let clock = Clock::new();
    let snapshot = store.load().await?;
    let strategies = registry.iter().map(|info| info.name.to_owned()).collect();
    let core = settings.core.clone();
    let (machine, first) =
        MasterCore::restore(core.clone(), registry, settings.strategy, snapshot, clock.now())?;
    let (stop, stopped) = watch::channel(false);
    let (master, keeping) = Master::start(
        machine,
        first,
        store,
        clock,
        settings.heartbeat_buffer,
        stopped.clone(),
        carrier.clone(),
    );
    let for_workers = ForWorkers {
        master: master.clone(),
        heartbeat_interval_s: core.heartbeat_interval.seconds(),
        lease_s: core.lease.seconds(),
    };
    let for_clients = ForClients {
        master: master.clone(),
        carrier: carrier.clone(),
        limits: core.limits.clone(),
        strategies,
    };
    let (grpc_address, http_address) = (local(&grpc, settings.grpc), local(&http, settings.http));
    let router = server(security)
        .map_err(MasterError::Tls)?
        .add_routes(services(for_workers, for_clients, &admitted).await);
    let (grpc_stop, http_stop) = (stopped.clone(), stopped);
    let serving_grpc = tokio::spawn(async move {
        let stream = TcpListenerStream::new(grpc);
        if let Err(error) = router.serve_with_incoming_shutdown(stream, until(grpc_stop)).await {
            tracing::error!(%error, "gRPC has ended");
        }
    });
    let state = http::State::new(master.clone(), carrier, core.limits, admitted, settings.timeouts);
    let tls = security.tls.clone();
    let serving_http = tokio::spawn(http::serve(http, state, tls, until(http_stop)));
    Ok(RunningMaster {
        master,
        grpc: grpc_address,
        http: http_address,
        stop,
        serving: vec![serving_grpc, serving_http],
        keeping,
    })
}

fn local(listener: &TcpListener, asked: SocketAddr) -> SocketAddr {
    listener.local_addr().unwrap_or(asked)
}

async fn until(mut stopped: watch::Receiver<bool>) {
    // Whoever could send it has gone: then it is over, too.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// The gRPC services, with health and reflection.
async fn services(
    for_workers: ForWorkers,
    for_clients: ForClients,
    admitted: &Token,
) -> tonic::service::Routes {
    let admit = |token: &Token| {
        let token = token.clone();
        move |request: tonic::Request<()>| token.admit(request)
    };
    let (health, health_service) = tonic_health::server::health_reporter();
    let masters = MasterServiceServer::new(for_workers)
        .max_decoding_message_size(MESSAGE_BYTES)
        .max_encoding_message_size(MESSAGE_BYTES);
    let clients = ClientServiceServer::new(for_clients)
        .max_decoding_message_size(MESSAGE_BYTES)
        .max_encoding_message_size(ANSWER_BYTES);
    health.set_serving::<MasterServiceServer<ForWorkers>>().await;
    health.set_serving::<ClientServiceServer<ForClients>>().await;
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(cloudai_proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let routes = tonic::service::Routes::new(health_service)
        .add_service(tonic::service::interceptor::InterceptedService::new(masters, admit(admitted)))
        .add_service(tonic::service::interceptor::InterceptedService::new(clients, admit(admitted)));
    // Clients know one or the other.
    match (reflection().build_v1(), reflection().build_v1alpha()) {
        (Ok(new), Ok(old)) => routes
            .add_service(tonic::service::interceptor::InterceptedService::new(new, admit(admitted)))
            .add_service(tonic::service::interceptor::InterceptedService::new(old, admit(admitted))),
        (Err(error), _) | (_, Err(error)) => {
            tracing::error!(%error, "no gRPC reflection");
            routes
        }
    }
}
