//! Connections: TLS if asked for, and an end to those that do not get on.

use std::path::PathBuf;
use std::sync::Arc;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::{HttpSettings, State, router};

/// Serves until `stop` is over, and then until the requests under way are answered.
pub(in super::super) async fn serve(
    listener: TcpListener,
    state: State,
    tls: Option<(PathBuf, PathBuf)>,
    stop: impl Future<Output = ()> + Send,
) {
    let acceptor = match tls.map(|(certificate, key)| tls_config(&certificate, &key)).transpose() {
        Ok(config) => config.map(|config| TlsAcceptor::from(Arc::new(config))),
        Err(problem) => {
            // gRPC uses the same files, and has refused to start.
            tracing::error!(problem, "HTTP cannot be served over TLS");
            return;
        }
    };
    let settings = state.settings.clone();
    let app = router(state);
    let graceful = GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Such as too many open files: others may close some.
                tracing::warn!(%error, "a connection cannot be accepted");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            }
        };
        let (app, settings, acceptor, watcher) =
            (app.clone(), settings.clone(), acceptor.clone(), graceful.watcher());
        tokio::spawn(async move {
            if let Err(error) = connection(stream, app, settings, acceptor, watcher).await {
                tracing::debug!(error, "a connection has ended");
            }
        });
    }
    drop(listener);
    // Streams of output and WebSockets have no end of their own.
    let _ = tokio::time::timeout(std::time::Duration::from_secs(2), graceful.shutdown()).await;
}

async fn connection(
    stream: TcpStream,
    app: axum::Router,
    settings: HttpSettings,
    acceptor: Option<TlsAcceptor>,
    watcher: hyper_util::server::graceful::Watcher,
) -> Result<(), String> {
    // Small answers go out at once.
    let _ = stream.set_nodelay(true);
    match acceptor {
        None => converse(stream, app, settings, watcher).await,
        Some(acceptor) => {
            let handshake = tokio::time::timeout(settings.read_timeout, acceptor.accept(stream)).await;
            let stream = handshake.map_err(|_| "no handshake in time".to_owned())?;
            converse(stream.map_err(|error| error.to_string())?, app, settings, watcher).await
        }
    }
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Send + 'static,
    app: axum::Router,
    settings: HttpSettings,
    watcher: hyper_util::server::graceful::Watcher,
) -> Result<(), String> {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(settings.write_timeout));
    let mut builder = Builder::new(TokioExecutor::new());
    // Between requests, too: that is what ends an idle connection.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(settings.idle_timeout);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(Some(settings.idle_timeout));
    let io = TokioIo::new(Box::pin(stream));
    let service = TowerToHyperService::new(app);
    let serving = builder.serve_connection_with_upgrades(io, service);
    watcher.watch(serving).await.map_err(|error| error.to_string())
}

fn tls_config(certificate: &std::path::Path, key: &std::path::Path) -> Result<ServerConfig, String> {
    let problem =
        |path: &std::path::Path, error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|error| problem(certificate, &error))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| problem(key, &error))?;
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, private);
    config.map_err(|error| problem(certificate, &error))
}
