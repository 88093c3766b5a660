//! HTTP and WebSocket: JSON in and out, every error as `{"error": "..."}`.
//!
//! - this file: routes, settings, errors; `serve.rs`: connections and their time-outs; `guard.rs`: who may call
//! - `tasks.rs`: tasks; `telemetry.rs`: workers, heartbeats, WebSocket; `metrics.rs`: for Prometheus
//! - `openapi.json`: the description of it all, served as `/openapi.json`

mod guard;
mod metrics;
mod serve;
mod tasks;
mod telemetry;

use std::time::Duration;

use axum::extract::{DefaultBodyLimit, FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Json, Router, middleware};
pub(super) use serve::serve;

use super::carrier::Carrier;
use super::clients::ClientError;
use super::core::Problem;
use super::shell::Master;
use crate::limits::Limits;
use crate::security::Token;

/// What HTTP is told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpSettings {
    /// How long a client may take to send its request. Default 15 s.
    pub read_timeout: Duration,
    /// How long a client may take to accept what is sent to it, and the master to answer. Default 15 s.
    pub write_timeout: Duration,
    /// How long a connection may lie idle between requests. Default 60 s.
    pub idle_timeout: Duration,
    /// The largest body. Default 16 MiB.
    pub body_bytes: usize,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            read_timeout: Duration::from_secs(15),
            write_timeout: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(60),
            body_bytes: 16 << 20,
        }
    }
}

/// What handlers need.
#[derive(Clone, Debug)]
pub(super) struct State {
    master: Master,
    carrier: Carrier,
    limits: Limits,
    admitted: Token,
    settings: HttpSettings,
}

impl State {
    pub(super) const fn new(
        master: Master,
        carrier: Carrier,
        limits: Limits,
        admitted: Token,
        settings: HttpSettings,
    ) -> Self {
        Self { master, carrier, limits, admitted, settings }
    }
}

/// The description of this interface.
const OPENAPI: &str = include_str!("openapi.json");

fn router(state: State) -> Router {
    let body = DefaultBodyLimit::max(state.settings.body_bytes);
    Router::new()
        .route("/health", get(telemetry::health))
        .route("/workers", get(telemetry::workers))
        .route("/telemetry", get(telemetry::all))
        .route("/telemetry/{worker_id}", get(telemetry::one))
        .route("/tasks", get(tasks::list).post(tasks::submit))
        .route("/tasks/{task_id}", get(tasks::show).delete(tasks::cancel))
        .route("/tasks/{task_id}/result", get(tasks::result))
        .route("/tasks/{task_id}/why", get(tasks::why))
        .route("/metrics", get(metrics::metrics))
        .route("/openapi.json", get(openapi))
        .layer(middleware::from_fn_with_state(state.clone(), guard::in_time))
        // What streams for as long as it takes is not cut off.
        .route("/tasks/{task_id}/logs", get(tasks::logs))
        .route("/ws/telemetry", any(telemetry::watch_all))
        .route("/ws/telemetry/{worker_id}", any(telemetry::watch_one))
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(state.clone(), guard::admit))
        .layer(body)
        .with_state(state)
}

async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI)
}

async fn unknown(uri: Uri) -> Failure {
    Failure(StatusCode::NOT_FOUND, format!("no such path: {}", uri.path()))
}

async fn wrong_method(method: axum::http::Method, uri: Uri) -> Failure {
    Failure(StatusCode::METHOD_NOT_ALLOWED, format!("{} does not take {method}", uri.path()))
}

/// The id in a path.
struct Id(String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let Path(id) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|rejection| Failure(StatusCode::BAD_REQUEST, rejection.body_text()))?;
        Ok(Self(id))
    }
}

/// An error, as it is answered.
#[derive(Debug)]
struct Failure(StatusCode, String);

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.0, Json(serde_json::json!({ "error": self.1 }))).into_response()
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let status = match &error {
            ClientError::Refused { .. } | ClientError::Invalid(_) => StatusCode::BAD_REQUEST,
            ClientError::Problem(Problem::UnknownTask(_) | Problem::UnknownWorker(_)) => {
                StatusCode::NOT_FOUND
            }
            ClientError::Problem(Problem::Full(..)) => StatusCode::TOO_MANY_REQUESTS,
            ClientError::Problem(_) => StatusCode::CONFLICT,
            ClientError::Store(_) | ClientError::Stopped(_) | ClientError::Logs(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            ClientError::Unexpected => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self(status, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn the_description_has_every_route_and_no_other() {
        let source = include_str!("mod.rs");
        let routes: BTreeSet<&str> = source
            .split(".route(\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .filter(|path| path.starts_with('/'))
            .collect();
        let described: serde_json::Value = serde_json::from_str(super::OPENAPI).unwrap();
        let described: BTreeSet<&str> =
            described["paths"].as_object().unwrap().keys().map(String::as_str).collect();
        assert!(routes.len() > 10, "{routes:?}");
        assert_eq!(routes, described);
    }
}
