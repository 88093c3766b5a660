//! Who may listen and speak: tokens, TLS, and the rule that nothing is open beyond this machine by accident.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity, Server, ServerTlsConfig};

/// How the parties of a cluster know each other. Default: no token, no TLS: for one machine.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Security {
    /// What every caller has to show, over gRPC and HTTP (`Authorization: Bearer ...`).
    pub token: Option<String>,
    /// The certificate chain of this party, and its key, as PEM files.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Whom to trust when calling others, as a PEM file; makes calls go over TLS.
    pub tls_ca: Option<PathBuf>,
    /// Listen beyond this machine without TLS and token all the same.
    pub insecure: bool,
}

/// A listener would be open to others.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "{what} on {address} would be open to other machines: expected TLS (TLS_ENABLED, TLS_CERT_FILE, TLS_KEY_FILE) and a \
     token (CLOUDAI_TOKEN), or --insecure"
)]
pub struct Exposed {
    what: &'static str,
    address: SocketAddr,
}

impl Security {
    /// Refuses a listener beyond loopback without TLS and a token, unless told otherwise.
    ///
    /// # Errors
    /// [`Exposed`].
    pub fn check(&self, what: &'static str, address: SocketAddr) -> Result<(), Exposed> {
        let closed = self.token.is_some() && self.tls.is_some();
        if address.ip().is_loopback() || closed || self.insecure {
            return Ok(());
        }
        Err(Exposed { what, address })
    }
}

/// A gRPC server, over TLS if `security` has a certificate.
///
/// # Errors
/// Names the file that cannot be used, and why.
pub fn server(security: &Security) -> Result<Server, String> {
    let (ask, patience) = (Duration::from_secs(30), Duration::from_secs(20));
    let server = Server::builder()
        .tcp_nodelay(true)
        .http2_keepalive_interval(Some(ask))
        .http2_keepalive_timeout(Some(patience));
    let Some((certificate, key)) = &security.tls else { return Ok(server) };
    let read = |path: &PathBuf| std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
    let tls = ServerTlsConfig::new().identity(Identity::from_pem(read(certificate)?, read(key)?));
    server.tls_config(tls).map_err(|error| error.to_string())
}

/// Why a party cannot be called.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DialError {
    /// The address cannot be read.
    #[error("address '{0}': expected HOST:PORT")]
    Address(String),
    /// The file of the trusted certificates cannot be used.
    #[error("{path}: {problem}", path = .0.display(), problem = .1)]
    Trust(PathBuf, String),
    /// The token cannot be sent.
    #[error("the token holds characters that a header cannot: expected visible ASCII")]
    Token,
}

impl From<DialError> for tonic::Status {
    fn from(error: DialError) -> Self {
        Self::failed_precondition(error.to_string())
    }
}

/// Calls other parties.
#[derive(Clone, Debug, Default)]
pub struct Dialer {
    token: Token,
    trusted: Option<String>,
}

impl Dialer {
    /// One that goes by `security`.
    ///
    /// # Errors
    /// A file that cannot be read, or a token that cannot be sent.
    pub fn new(security: &Security) -> Result<Self, DialError> {
        let read = |path: &PathBuf| {
            std::fs::read_to_string(path).map_err(|error| DialError::Trust(path.clone(), error.to_string()))
        };
        let trusted = security.tls_ca.as_ref().map(read).transpose()?;
        Ok(Self { token: Token::new(security.token.as_deref())?, trusted })
    }

    /// A connection that is made when it is first needed.
    ///
    /// # Errors
    /// The address, or the trusted certificates, cannot be read.
    pub fn dial(&self, address: &str) -> Result<Channel, DialError> {
        let wrong = || DialError::Address(address.to_owned());
        let scheme = if self.trusted.is_some() { "https" } else { "http" };
        let mut endpoint = Endpoint::from_shared(format!("{scheme}://{address}"))
            .map_err(|_| wrong())?
            .connect_timeout(Duration::from_secs(5))
            .tcp_nodelay(true)
            // Thousands of calls at once make a connection break.
            .concurrency_limit(128)
            .http2_keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(10));
        if let Some(trusted) = &self.trusted {
            let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(trusted));
            endpoint = endpoint.tls_config(tls).map_err(|_| wrong())?;
        }
        Ok(endpoint.connect_lazy())
    }

    /// What is shown with every call.
    #[must_use]
    pub fn token(&self) -> Token {
        self.token.clone()
    }
}

/// Shows a token with every call, and asks for it.
#[derive(Clone, Debug, Default)]
pub struct Token(Option<MetadataValue<Ascii>>);

impl Token {
    /// One for `token`; none asks for nothing.
    ///
    /// # Errors
    /// [`DialError::Token`].
    pub fn new(token: Option<&str>) -> Result<Self, DialError> {
        let bearer = token.map(|token| format!("Bearer {token}").parse().map_err(|_| DialError::Token));
        Ok(Self(bearer.transpose()?))
    }

    /// The interceptor of a server: refuses calls that do not show the token.
    ///
    /// # Errors
    /// `unauthenticated`.
    pub fn admit(&self, request: tonic::Request<()>) -> Result<tonic::Request<()>, tonic::Status> {
        let Some(expected) = &self.0 else { return Ok(request) };
        let shown = request.metadata().get("authorization");
        if shown.is_some_and(|shown| same(shown.as_encoded_bytes(), expected.as_encoded_bytes())) {
            return Ok(request);
        }
        Err(tonic::Status::unauthenticated("expected the cluster's token (CLOUDAI_TOKEN)"))
    }

    /// True if the header `Authorization` of an HTTP request shows the token, or none is asked for.
    #[must_use]
    pub fn is_shown(&self, header: Option<&[u8]>) -> bool {
        self.0
            .as_ref()
            .is_none_or(|expected| header.is_some_and(|shown| same(shown, expected.as_encoded_bytes())))
    }
}

/// Compares in a time that does not tell where the first difference is.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differences, (a, b)| differences | (a ^ b)) == 0
}

impl tonic::service::Interceptor for Token {
    fn call(&mut self, mut request: tonic::Request<()>) -> Result<tonic::Request<()>, tonic::Status> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert("authorization", token.clone());
        }
        Ok(request)
    }
}

/// True for an address of this machine alone.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_open_beyond_this_machine_by_accident() {
        let (here, there) = ("127.0.0.1:1".parse().unwrap(), "0.0.0.0:1".parse().unwrap());
        let mut security = Security::default();
        assert_eq!(security.check("gRPC", here), Ok(()));
        assert!(security.check("gRPC", there).is_err());
        security.token = Some("secret".to_owned());
        assert!(security.check("gRPC", there).is_err(), "a token that anybody can read on its way");
        security.tls = Some((PathBuf::new(), PathBuf::new()));
        assert_eq!(security.check("gRPC", there), Ok(()));
        assert_eq!(Security { insecure: true, ..Security::default() }.check("gRPC", there), Ok(()));
    }

    #[test]
    fn a_token_is_asked_for_and_shown() {
        let mut token = Token::new(Some("secret")).unwrap();
        assert!(token.admit(tonic::Request::new(())).is_err());
        let shown = tonic::service::Interceptor::call(&mut token, tonic::Request::new(())).unwrap();
        assert!(token.admit(shown).is_ok());
        assert!(token.is_shown(Some(b"Bearer secret")) && !token.is_shown(Some(b"Bearer secreT")));
        assert!(Token::default().is_shown(None) && !token.is_shown(None));
        assert!(Token::new(Some("a\nb")).is_err());
    }
}
