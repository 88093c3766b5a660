//! The master, as a client sees it.

use std::error::Error as _;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use cloudai_proto::v1;
use cloudai_proto::v1::client_service_client::ClientServiceClient;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Response, Status, Streaming};

use super::options::{CommonOptions, Secret};
use super::settings::Settings;
use super::values::{self, Address};
use crate::cli::live::Connection;
use crate::failure::Usage;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);
/// How often the other side is asked whether it still lives, and how long it may take to say so.
const ALIVE: Duration = Duration::from_secs(5);
/// Answers may be long: lists, and results with their logs.
const MAX_MESSAGE: usize = 256 << 20;

/// A request that the master did not do, or did not get.
#[derive(Debug)]
pub(crate) struct RpcError {
    code: Code,
    /// The connection failed; the master has said nothing.
    lost: bool,
    text: String,
}

impl RpcError {
    fn new(status: &Status, address: &Address) -> Self {
        let said = status.message();
        // What the master says has no cause; what the connection says has.
        let lost = status.source().is_some();
        let text = match status.code() {
            _ if lost => {
                let cause = innermost(status).unwrap_or_else(|| said.to_owned());
                let hint = about_tls(&cause);
                format!("lost the master at {address}: {cause}{hint}; is `cloudai master` running there?")
            }
            Code::Unavailable if said.is_empty() => {
                format!("cannot reach the master at {address}; is `cloudai master` running there?")
            }
            Code::Unavailable => format!("the master at {address} cannot do that now: {said}"),
            Code::Unauthenticated | Code::PermissionDenied => {
                let why = if said.is_empty() { "no reason given" } else { said };
                format!("the master at {address} does not let us in: {why}; set CLOUDAI_TOKEN to its token")
            }
            Code::DeadlineExceeded => format!("the master at {address} did not answer in time"),
            Code::Unimplemented => {
                let version = env!("CARGO_PKG_VERSION");
                format!("the master at {address} does not know this request; is it of version {version}?")
            }
            _ if said.is_empty() => {
                format!("the master at {address} failed: {}", status.code().description())
            }
            _ => said.to_owned(),
        };
        Self { code: status.code(), lost, text }
    }

    /// True if the request was refused for what it says, and would be again.
    pub(crate) fn is_refusal(&self) -> bool {
        !self.lost && matches!(self.code, Code::InvalidArgument | Code::NotFound | Code::OutOfRange)
    }

    /// True if the master was not there; it may be later.
    pub(crate) fn is_absence(&self) -> bool {
        self.lost || matches!(self.code, Code::Unavailable | Code::Unknown | Code::Cancelled)
    }
}

impl fmt::Display for RpcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for RpcError {}

/// What is at the bottom of an error.
fn innermost(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let mut cause = error.source()?;
    while let Some(next) = cause.source() {
        cause = next;
    }
    Some(cause.to_string())
}

/// What a failed connection says of one side that wants TLS, and one that does not.
fn about_tls(cause: &str) -> &'static str {
    if cause.contains("InvalidContentType") {
        " (it does not speak TLS: unset TLS_CA_FILE and TLS_CERT_FILE)"
    } else if cause.contains("connection closed") || cause.contains("invalid size") {
        " (does it want TLS? then set TLS_CA_FILE)"
    } else {
        ""
    }
}

/// Adds the token to every request.
#[derive(Clone, Debug)]
struct Bearer(Option<MetadataValue<Ascii>>);

impl Bearer {
    fn new(token: Option<&str>) -> Result<Self, Usage> {
        let header = token.map(|token| MetadataValue::try_from(format!("Bearer {token}"))).transpose();
        let mut header = header
            .map_err(|_| Usage("CLOUDAI_TOKEN: expected printable ASCII without line breaks".to_owned()))?;
        if let Some(header) = &mut header {
            header.set_sensitive(true);
        }
        Ok(Self(header))
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(header) = &self.0 {
            request.metadata_mut().insert("authorization", header.clone());
        }
        Ok(request)
    }
}

/// A connection to the master. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    service: ClientServiceClient<InterceptedService<Channel, Bearer>>,
    address: Address,
}

/// Where the master is, and what it wants to see.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) address: Address,
    pub(crate) token: Option<Secret>,
    /// Certificates (PEM) to trust; none: without TLS.
    pub(crate) authorities: Option<Vec<u8>>,
}

impl Target {
    /// The master that flags, environment or `.env` name.
    pub(crate) fn resolve(connection: &Connection, settings: &Settings) -> Result<Self> {
        let local = Address { host: "localhost".to_owned(), port: 50_051 };
        let reach = |text: &str| values::reach(text, 50_051);
        let address = match &connection.master {
            Some(address) => reach(address)
                .map_err(|expected| Usage(format!("--master: \"{}\": {expected}", address.escape_debug())))?,
            None => settings.get_or("MASTER_ADDR", None, reach, local)?,
        };
        let token = settings.get("CLOUDAI_TOKEN", connection.token.as_deref(), values::text)?.map(Secret);
        let authorities = match &connection.tls_ca_file {
            Some(file) => Some(file.clone()),
            None => match settings.get("TLS_ENABLED", None, values::switch)? {
                Some(true) => {
                    let file = match settings.get("TLS_CA_FILE", None, values::text)? {
                        Some(file) => Some(file),
                        None => settings.get("TLS_CERT_FILE", None, values::text)?,
                    };
                    Some(file.ok_or_else(|| {
                        Usage(
                            "TLS_ENABLED is true: expected TLS_CA_FILE or TLS_CERT_FILE to be set, too"
                                .to_owned(),
                        )
                    })?)
                }
                // A certificate of one's own means TLS here as it does for master and worker.
                None => match settings.get("TLS_CA_FILE", None, values::text)? {
                    Some(file) => Some(file),
                    None => settings.get("TLS_CERT_FILE", None, values::text)?,
                },
                Some(false) => None,
            },
        };
        let read = |file: String| {
            std::fs::read(&file).map_err(|error| Usage(format!("cannot read {file}: {error}")))
        };
        Ok(Self { address, token, authorities: authorities.map(read).transpose()? })
    }
}

impl Client {
    /// Connects to the master that this process has just started.
    pub(crate) async fn local(listener: SocketAddr, common: &CommonOptions) -> Result<Self> {
        // A listener on every address is reached on any; certificates name names.
        let host = if common.tls.is_some() || listener.ip().is_unspecified() {
            "localhost".to_owned()
        } else {
            listener.ip().to_string()
        };
        let authorities = common.tls.as_ref().map(|tls| std::fs::read(&tls.ca_file)).transpose();
        Self::connect(Target {
            address: Address { host, port: listener.port() },
            token: common.token.clone(),
            authorities: authorities.context("cannot read TLS_CA_FILE")?,
        })
        .await
    }

    /// Connects to a master.
    pub(crate) async fn connect(target: Target) -> Result<Self> {
        let Target { address, token, authorities } = target;
        let scheme = if authorities.is_some() { "https" } else { "http" };
        let mut endpoint = Endpoint::from_shared(format!("{scheme}://{address}"))
            .with_context(|| format!("{address} is no address"))?
            .connect_timeout(CONNECT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(ALIVE)
            .keep_alive_timeout(ALIVE)
            .keep_alive_while_idle(true);
        if let Some(pem) = authorities {
            let tls =
                ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)).domain_name(&address.host);
            endpoint = endpoint.tls_config(tls).context("the certificates of TLS_CA_FILE are of no use")?;
        }
        let bearer = Bearer::new(token.as_ref().map(|Secret(token)| token.as_str()))?;
        let cause = match tokio::time::timeout(CONNECT, endpoint.connect()).await {
            Ok(Ok(channel)) => return Ok(Self::over(channel, bearer, address)),
            Ok(Err(error)) => innermost(&error).unwrap_or_else(|| error.to_string()),
            Err(_) => format!("no answer within {} s", CONNECT.as_secs()),
        };
        let text = format!(
            "cannot reach the master at {address}: {cause}{}; is `cloudai master` running there?",
            about_tls(&cause)
        );
        Err(RpcError { code: Code::Unavailable, lost: true, text }.into())
    }

    fn over(channel: Channel, bearer: Bearer, address: Address) -> Self {
        let service = ClientServiceClient::with_interceptor(channel, bearer)
            .max_decoding_message_size(MAX_MESSAGE)
            .max_encoding_message_size(MAX_MESSAGE);
        Self { service, address }
    }

    /// The master's address.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    fn answer<T>(&self, answer: Result<Response<T>, Status>) -> Result<T> {
        answer.map(Response::into_inner).map_err(|status| self.error(&status))
    }

    /// A status in words.
    pub(crate) fn error(&self, status: &Status) -> anyhow::Error {
        RpcError::new(status, &self.address).into()
    }

    pub(crate) async fn submit(&self, tasks: Vec<v1::Submission>) -> Result<Vec<v1::TaskRecord>> {
        let answer = self.service.clone().submit_tasks(v1::SubmitRequest { tasks }).await;
        Ok(self.answer(answer)?.tasks)
    }

    pub(crate) async fn tasks(&self, request: v1::ListTasksRequest) -> Result<Vec<v1::TaskRecord>> {
        Ok(self.answer(self.service.clone().list_tasks(request).await)?.tasks)
    }

    pub(crate) async fn task(&self, id: &str) -> Result<v1::TaskRecord> {
        self.answer(self.service.clone().get_task(task_id(id)).await)
    }

    pub(crate) async fn watch(&self, id: &str) -> Result<Streaming<v1::TaskRecord>> {
        self.answer(self.service.clone().watch_task(task_id(id)).await)
    }

    pub(crate) async fn cancel(&self, id: &str) -> Result<v1::TaskRecord> {
        self.answer(self.service.clone().cancel_task(task_id(id)).await)
    }

    pub(crate) async fn logs(&self, id: &str, attempt: u32, follow: bool) -> Result<Streaming<v1::LogChunk>> {
        let request = v1::LogRequest { task_id: id.to_owned(), attempt, follow };
        self.answer(self.service.clone().stream_logs(request).await)
    }

    pub(crate) async fn results(&self, request: v1::ListResultsRequest) -> Result<Vec<v1::ResultRecord>> {
        Ok(self.answer(self.service.clone().list_results(request).await)?.results)
    }

    pub(crate) async fn why(&self, id: &str) -> Result<v1::WhyReply> {
        self.answer(self.service.clone().why(task_id(id)).await)
    }

    pub(crate) async fn workers(&self) -> Result<Vec<v1::WorkerRecord>> {
        Ok(self.answer(self.service.clone().list_workers(v1::ListWorkersRequest {}).await)?.workers)
    }

    pub(crate) async fn register(&self, id: &str, address: &str) -> Result<v1::WorkerRecord> {
        let request = v1::PreRegistration { worker_id: id.to_owned(), worker_ip: address.to_owned() };
        self.answer(self.service.clone().pre_register_worker(request).await)
    }

    pub(crate) async fn drain(&self, id: &str, undo: bool) -> Result<v1::WorkerRecord> {
        let request = v1::DrainRequest { worker_id: id.to_owned(), undo };
        self.answer(self.service.clone().drain_worker(request).await)
    }

    pub(crate) async fn forget(&self, id: &str) -> Result<v1::WorkerRecord> {
        let request = v1::WorkerId { worker_id: id.to_owned() };
        self.answer(self.service.clone().forget_worker(request).await)
    }

    pub(crate) async fn status(&self) -> Result<v1::StatusReply> {
        self.answer(self.service.clone().get_status(v1::StatusRequest {}).await)
    }

    /// The strategy in force, after switching to `spec` if there is one.
    pub(crate) async fn strategy(&self, spec: Option<&str>) -> Result<v1::StrategyReply> {
        let request = v1::StrategyRequest { spec: spec.unwrap_or_default().to_owned() };
        self.answer(self.service.clone().strategy(request).await)
    }
}

/// The current attempt of a task.
fn task_id(id: &str) -> v1::TaskId {
    v1::TaskId { task_id: id.to_owned(), ..v1::TaskId::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(code: Code, message: &str) -> RpcError {
        RpcError::new(&Status::new(code, message), &values::listen("master:1").unwrap())
    }

    #[test]
    fn statuses_in_words() {
        let error = said(Code::InvalidArgument, "cpu_cores is 65: expected 0 to 64");
        assert_eq!(
            (error.to_string().as_str(), error.is_refusal()),
            ("cpu_cores is 65: expected 0 to 64", true)
        );
        assert!(said(Code::NotFound, "no such task").is_refusal());
        let error = said(Code::Unavailable, "");
        assert!(
            error
                .to_string()
                .contains("cannot reach the master at master:1; is `cloudai master` running there?")
        );
        assert!(error.is_absence() && !error.is_refusal());
        assert!(
            said(Code::Unavailable, "the store is away")
                .to_string()
                .ends_with("cannot do that now: the store is away")
        );
        assert!(
            said(Code::Unauthenticated, "wrong token").to_string().contains("wrong token; set CLOUDAI_TOKEN")
        );
        assert!(said(Code::Internal, "").to_string().contains("the master at master:1 failed"));
        assert!(said(Code::Unimplemented, "").to_string().contains("does not know this request"));
    }

    #[test]
    fn where_the_master_is() {
        let target = |connection: &Connection, settings: &Settings| Target::resolve(connection, settings);
        let none = Connection::default();
        let at = target(&none, &Settings::of(&[], "")).unwrap();
        assert_eq!(
            (at.address.to_string(), at.token, at.authorities),
            ("localhost:50051".to_owned(), None, None)
        );
        let at = target(&none, &Settings::of(&[("CLOUDAI_TOKEN", "t")], "MASTER_ADDR=far:1")).unwrap();
        assert_eq!((at.address.to_string(), at.token), ("far:1".to_owned(), Some(Secret("t".to_owned()))));
        let flag = Connection { master: Some("near".to_owned()), ..Connection::default() };
        assert_eq!(
            target(&flag, &Settings::of(&[], "MASTER_ADDR=far:1")).unwrap().address.to_string(),
            "near:50051"
        );
        let wrong = Connection { master: Some("a b".to_owned()), ..Connection::default() };
        let error = target(&wrong, &Settings::of(&[], "")).unwrap_err().to_string();
        assert!(error.starts_with("--master: \"a b\": expected HOST:PORT"), "{error}");
        let error = target(&none, &Settings::of(&[("TLS_ENABLED", "true")], "")).unwrap_err().to_string();
        assert!(error.contains("expected TLS_CA_FILE or TLS_CERT_FILE"), "{error}");
        let error = target(&none, &Settings::of(&[], "TLS_CA_FILE=/no/such/file")).unwrap_err().to_string();
        assert!(error.contains("cannot read /no/such/file"), "{error}");
        assert!(Bearer::new(Some("a\nb")).is_err());
    }
}
