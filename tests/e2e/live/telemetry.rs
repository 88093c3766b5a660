//! WebSocket clients.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use super::processes::Cluster;

type Socket = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

async fn watch(cluster: &Cluster, path: &str) -> Socket {
    let url = format!("ws://127.0.0.1:{}{path}", cluster.http);
    connect_async(url).await.unwrap().0
}

/// The next message that is text.
async fn next(socket: &mut Socket) -> Value {
    loop {
        let message =
            tokio::time::timeout(Duration::from_secs(10), socket.next()).await.unwrap().unwrap().unwrap();
        if let Message::Text(text) = message {
            return serde_json::from_str(&text).unwrap();
        }
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(work)
}

#[test]
fn each_heartbeat_is_a_message() {
    let cluster = Cluster::start(&["w1", "w2"]);
    let task = cluster.submit(&["--worker", "w2", "--memory", "0.25"], "sleep 20");
    cluster.until_status(&task, "running");
    block_on(async {
        let mut all = watch(&cluster, "/ws/telemetry").await;
        let mut one = watch(&cluster, "/ws/telemetry/w2").await;
        // What a client says is tolerated.
        one.send(Message::text("hello?")).await.unwrap();
        let mut heard = BTreeMap::new();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(3) {
            let message = next(&mut all).await;
            *heard.entry(message["worker_id"].as_str().unwrap().to_owned()).or_insert(0) += 1;
        }
        // Every 200 ms.
        for worker in ["w1", "w2"] {
            assert!(heard[worker] >= 6, "{heard:?}");
        }
        let message = next(&mut one).await;
        assert_eq!(message["worker_id"], "w2");
        assert_eq!(message["running_tasks"][0]["task_id"], task);
        assert_eq!(message["running_tasks"][0]["memory_allocated"], 256.0);
        assert_eq!(message["is_active"], true);
        for usage in ["cpu_usage", "memory_usage", "gpu_usage"] {
            let percent = message[usage].as_f64().unwrap();
            assert!((0.0..=100.0).contains(&percent), "{message}");
        }
    });
    cluster.good(&["task", "cancel", &task]);
}

#[test]
fn clients_that_do_not_read_hold_nobody_up() {
    let cluster = Cluster::start(&["w1"]);
    block_on(async {
        let mut deaf = Vec::new();
        for _ in 0..20 {
            deaf.push(watch(&cluster, "/ws/telemetry").await);
        }
        let mut reader = watch(&cluster, "/ws/telemetry").await;
        for _ in 0..10 {
            let begun = Instant::now();
            next(&mut reader).await;
            assert!(begun.elapsed() < Duration::from_secs(2));
        }
        cluster.good(&["task", "submit", "busybox", "--wait", "--", "true"]);
        drop(deaf);
    });
}

#[test]
fn pages_of_other_sites_and_unknown_workers_are_refused() {
    let cluster = Cluster::start(&["w1"]);
    block_on(async {
        let url = format!("ws://127.0.0.1:{}/ws/telemetry", cluster.http);
        let mut request = url.clone().into_client_request().unwrap();
        request.headers_mut().insert("Origin", "http://evil.example".parse().unwrap());
        assert!(connect_async(request).await.unwrap_err().to_string().contains("403"));
        assert!(connect_async(format!("{url}/nobody")).await.unwrap_err().to_string().contains("404"));
    });
}
