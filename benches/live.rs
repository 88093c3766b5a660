//! A live cluster in one process: a master with a durable store, gRPC, and a worker that sleeps instead of running containers
//! (its journal is durable, too). How long a task takes from submission to start, a heartbeat to a WebSocket client, how many
//! tasks a second go all the way, and where that time goes, as Markdown tables.
//!
//! ```sh
//! cargo bench --bench live [-- [--test] [--tasks N] [--batch N] [--mongo URI]]
//! ```
//!
//! `--mongo` keeps the records in MongoDB instead of SQLite, in a database `cloudai_bench_...` of its own. `--test` runs a few
//! tasks. Times are wall times.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a benchmark may end with a panic")]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cloudai_proto::v1;
use cloudai_proto::v1::client_service_client::ClientServiceClient;
use cloudai_proto::v1::master_service_client::MasterServiceClient;
use cloudai_runtime::master::{self, MasterSettings, RunningMaster};
use cloudai_runtime::store::{self, StoreSettings};
use cloudai_runtime::worker::{self, ExecutorKind, RunningWorker, WorkerSettings};
use cloudai_schedulers::Registry;
use futures_util::StreamExt as _;
use tempfile::TempDir;
use tonic::transport::Channel;

type Client = ClientServiceClient<Channel>;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let option =
        |name: &str| args.iter().position(|arg| arg == name).and_then(|at| args.get(at + 1)).cloned();
    let test = args.iter().any(|arg| arg == "--test");
    let number =
        |name: &str, default: usize| option(name).map_or(default, |text| text.parse().expect("a number"));
    let tasks = number("--tasks", if test { 200 } else { 10_000 });
    let batch = number("--batch", 100);
    let mongo = option("--mongo");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads");
    runtime.block_on(measure(tasks, batch, if test { 5 } else { 200 }, mongo));
    runtime.shutdown_timeout(Duration::from_secs(1));
}

/// A master, a worker and a client.
struct Cluster {
    master: RunningMaster,
    worker: RunningWorker,
    client: Client,
    store: String,
    _folder: TempDir,
}

impl Cluster {
    async fn start(mongo: Option<String>) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let mut settings = StoreSettings::default();
        settings.data_dir = folder.path().to_owned();
        settings.mongo_uri = mongo;
        settings.db_name = format!("cloudai_bench_{}", std::process::id());
        let store = store::open(&settings).await.expect("the store");
        let name = store.name();
        let name = name.split_whitespace().next().unwrap_or_default().to_owned();
        let mut settings = MasterSettings::default();
        settings.grpc.set_port(0);
        settings.http.set_port(0);
        settings.strategy = "first_fit".parse().expect("a spec");
        let master = master::start(settings, Registry::builtin(), store).await.expect("a master");
        let mut settings = WorkerSettings::default();
        settings.worker_id = "bench".to_owned();
        settings.listen.set_port(0);
        settings.master = master.grpc.to_string();
        settings.executor = ExecutorKind::Emulated;
        settings.data_dir = folder.path().to_owned();
        (settings.total_cpu, settings.total_memory) = (Some(64.0), Some(512.0));
        settings.total_storage = Some(10_000.0);
        settings.guard = Vec::new();
        let worker = worker::start(settings).await.expect("a worker");
        let client = ClientServiceClient::connect(format!("http://{}", master.grpc)).await.expect("a client");
        let mut cluster = Self { master, worker, client, store: name, _folder: folder };
        while cluster.status().await.active_workers == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // Its first heartbeat has to be answered before it is given work.
        tokio::time::sleep(Duration::from_millis(200)).await;
        cluster
    }

    async fn status(&mut self) -> v1::StatusReply {
        self.client.get_status(v1::StatusRequest {}).await.expect("an answer").into_inner()
    }

    async fn submit(&mut self, count: usize) -> Vec<v1::TaskRecord> {
        let tasks = vec![short(); count];
        self.client.submit_tasks(v1::SubmitRequest { tasks }).await.expect("an answer").into_inner().tasks
    }

    async fn counters(&self) -> Vec<(String, f64)> {
        // The figures of /metrics, over HTTP as Prometheus gets them.
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut stream = tokio::net::TcpStream::connect(self.master.http).await.expect("a connection");
        let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await.expect("a request");
        let mut text = String::new();
        stream.read_to_string(&mut text).await.expect("an answer");
        let figures = text.lines().filter(|line| line.starts_with("cloudai_"));
        figures
            .filter_map(|line| line.rsplit_once(' '))
            .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
            .collect()
    }
}

fn short() -> v1::Submission {
    v1::Submission {
        docker_image: "none".to_owned(),
        cpu_cores: Some(0.1),
        memory_gb: Some(0.1),
        storage_gb: Some(0.1),
        emulated_s: Some(0.001),
        ..v1::Submission::default()
    }
}

fn unix_us() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock");
    i64::try_from(now.as_micros()).expect("a time")
}

async fn measure(tasks: usize, batch: usize, singles: usize, mongo: Option<String>) {
    let mut cluster = Cluster::start(mongo).await;
    println!(
        "Records in {}; {} cores\n",
        cluster.store,
        std::thread::available_parallelism().map_or(0, usize::from)
    );
    latency(&mut cluster, singles).await;
    telemetry(&cluster, singles).await;
    throughput(&mut cluster, tasks, batch).await;
    let _ = cluster.worker.stop().await;
    cluster.master.stop().await;
}

/// One task at a time on an idle cluster.
async fn latency(cluster: &mut Cluster, count: usize) {
    let (mut acknowledged, mut started) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let (wall, begun) = (unix_us(), Instant::now());
        let task = cluster.submit(1).await.remove(0);
        acknowledged.push(begun.elapsed().as_secs_f64() * 1e3);
        let id = v1::TaskId { task_id: task.task_id, ..v1::TaskId::default() };
        let ended = loop {
            let now = cluster.client.get_task(id.clone()).await.expect("an answer").into_inner();
            if now.completed_at_us > 0 {
                break now;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        };
        // The worker's clock is this machine's.
        started.push((ended.started_at_us - wall) as f64 / 1e3);
    }
    println!("| one task on an idle cluster, {count} times | p50 ms | p95 ms | max ms |\n|---|---|---|---|");
    row("from submission to acknowledgement, in the store", acknowledged);
    row("from submission to the start on the worker", started);
    println!();
}

/// From a heartbeat's arrival at the master, and a bit before, to a WebSocket client.
async fn telemetry(cluster: &Cluster, count: usize) {
    let url = format!("ws://{}/ws/telemetry/probe", cluster.master.http);
    let mut master =
        MasterServiceClient::connect(format!("http://{}", cluster.master.grpc)).await.expect("a connection");
    let probe = v1::WorkerInfo {
        worker_id: "probe".to_owned(),
        identity: "probe".to_owned(),
        registration: 1,
        port: 1,
        ..v1::WorkerInfo::default()
    };
    assert!(master.register_worker(probe).await.expect("an answer").into_inner().accepted);
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.expect("a WebSocket");
    let mut seen = Vec::new();
    for beat in 0..count {
        let usage = beat as f64 / 100.0;
        let heartbeat = v1::Heartbeat {
            worker_id: "probe".to_owned(),
            identity: "probe".to_owned(),
            session: 1,
            cpu_usage: usage,
            ..v1::Heartbeat::default()
        };
        let begun = Instant::now();
        let mut sender = master.clone();
        let sending = tokio::spawn(async move { sender.send_heartbeat(heartbeat).await });
        let wanted = format!("\"cpu_usage\":{usage:?},");
        loop {
            let message = socket.next().await.expect("a message").expect("a message");
            if message.to_text().is_ok_and(|text| text.contains(&wanted)) {
                break;
            }
        }
        seen.push(begun.elapsed().as_secs_f64() * 1e3);
        assert!(sending.await.expect("a thread").expect("an answer").into_inner().accepted);
    }
    println!("| heartbeats, {count} times | p50 ms | p95 ms | max ms |\n|---|---|---|---|");
    row("from the worker's call to a WebSocket client", seen);
    println!();
}

fn row(name: &str, mut values: Vec<f64>) {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
    println!("| {name} | {:.2} | {:.2} | {:.2} |", at(0.5), at(0.95), at(1.0));
}

/// Many tasks in batches: every submission, attempt and result is durable.
async fn throughput(cluster: &mut Cluster, tasks: usize, batch: usize) {
    let before = cluster.counters().await;
    let ended = cluster.status().await.completed_tasks;
    let begun = Instant::now();
    let mut left = tasks;
    while left > 0 {
        let count = left.min(batch);
        cluster.submit(count).await;
        left -= count;
    }
    let submitted = begun.elapsed().as_secs_f64();
    while cluster.status().await.completed_tasks < ended + tasks as u64 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let took = begun.elapsed().as_secs_f64();
    let after = cluster.counters().await;
    let change = |name: &str| {
        let value = |figures: &[(String, f64)]| {
            figures.iter().find(|(known, _)| known == name).map_or(0.0, |(_, v)| *v)
        };
        value(&after) - value(&before)
    };
    println!("| {tasks} tasks in batches of {batch} | |\n|---|---|");
    println!(
        "| tasks a second, from the first submission to the last result in the store | {:.0} |",
        tasks as f64 / took
    );
    println!("| seconds in all; until the last was acknowledged | {took:.2}; {submitted:.2} |");
    println!("| seconds in the core | {:.2} |", change("cloudai_step_seconds_total"));
    println!("| seconds waiting for the store | {:.2} |", change("cloudai_commit_seconds_total"));
    println!(
        "| commits; writes | {:.0}; {:.0} |",
        change("cloudai_commits_total"),
        change("cloudai_writes_total")
    );
}
