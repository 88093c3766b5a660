//! Who may call, and for how long.

use axum::extract::{Request, State as Extracted};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::{Failure, State};
use crate::security::is_loopback;

/// Refuses calls without the cluster's token, and calls that a foreign web page makes in a visitor's browser.
pub(super) async fn admit(Extracted(state): Extracted<State>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let shown = headers.get(header::AUTHORIZATION).map(axum::http::HeaderValue::as_bytes);
    if !state.admitted.is_shown(shown) {
        return Failure(
            StatusCode::UNAUTHORIZED,
            "expected the cluster's token: Authorization: Bearer TOKEN".to_owned(),
        )
        .into_response();
    }
    if let Err(failure) = check_origin(headers, request.uri(), shown.is_some()) {
        return failure.into_response();
    }
    next.run(request).await
}

/// A page of another site that knows our address can make a browser call it. It cannot hide where it comes from (`Origin`), and
/// a name that it has pointed at our address shows in `Host`. Who shows a token is no such page.
fn check_origin(headers: &HeaderMap, uri: &Uri, token_shown: bool) -> Result<(), Failure> {
    let forbidden = |what: &str, value: &str, expected: &str| {
        Err(Failure(StatusCode::FORBIDDEN, format!("{what} '{value}': expected {expected}")))
    };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).or_else(|| {
        // HTTP/2 has it in the address.
        uri.authority().map(axum::http::uri::Authority::as_str)
    });
    let Some(host) = host else {
        return forbidden("Host", "", "the name or address of this master");
    };
    let name = without_port(host);
    let literal = name.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>().is_ok();
    if !(token_shown || literal || is_loopback(name)) {
        return forbidden("Host", host, "localhost or an address; another name needs the cluster's token");
    }
    if let Some(origin) = headers.get(header::ORIGIN) {
        let origin = origin.to_str().unwrap_or_default();
        let from = origin.split_once("://").map_or(origin, |(_, from)| from);
        if from != host {
            return forbidden("Origin", origin, "none, or that of this master");
        }
    }
    Ok(())
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.chars().all(|c| c.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

/// Answers for a master that takes too long, such as one whose store is away, or for a client that does not finish its request.
pub(super) async fn in_time(Extracted(state): Extracted<State>, request: Request, next: Next) -> Response {
    let patience = state.settings.read_timeout + state.settings.write_timeout;
    match tokio::time::timeout(patience, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let text = match state.master.store_problem() {
                Some((_, problem)) => format!("not answered in time: {problem}"),
                None => "not answered in time".to_owned(),
            };
            Failure(StatusCode::SERVICE_UNAVAILABLE, text).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: &str, origin: Option<&str>) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        check_origin(&headers, &Uri::from_static("/"), false).is_ok()
    }

    #[test]
    fn pages_of_other_sites_are_refused() {
        assert!(check("localhost:8080", None));
        assert!(check("127.0.0.1:8080", Some("http://127.0.0.1:8080")));
        assert!(check("[::1]:8080", Some("http://[::1]:8080")));
        assert!(check("192.168.0.7:8080", None));
        assert!(!check("localhost:8080", Some("http://evil.example")));
        assert!(!check("localhost:8080", Some("null")));
        assert!(!check("evil.example:8080", None), "a name that was pointed at this machine");
        assert!(!check("localhost:8080", Some("http://localhost:9999")), "another program on this machine");
    }
}
