use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

use super::processes::Cluster;

/// A request with a body of JSON, if it has one: status and document.
fn ask(cluster: &Cluster, method: &str, path: &str, body: Option<&str>) -> (u16, Value) {
    let mut stream = TcpStream::connect(("127.0.0.1", cluster.http)).unwrap();
    let body = body.unwrap_or_default();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost:{}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        cluster.http,
        body.len()
    );
    stream.write_all((head + body).as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    // A chunked body is a line with its length before and after it.
    let body = body.find(['{', '[']).map_or("", |at| &body[at..body.rfind(['}', ']']).unwrap() + 1]);
    (status, serde_json::from_str(body).unwrap_or_default())
}

#[test]
fn tasks_over_http() {
    let cluster = Cluster::start(&["w1"]);
    let (status, health) = ask(&cluster, "GET", "/health", None);
    assert_eq!(
        (status, &health["workers"], &health["active_workers"]),
        (200, &1.into(), &1.into()),
        "{health}"
    );
    let (status, taken) =
        ask(&cluster, "POST", "/tasks", Some(r#"{"docker_image": "busybox", "command": "echo 'a b'"}"#));
    assert_eq!((status, &taken["status"]), (201, &"pending".into()), "{taken}");
    let id = taken["task_id"].as_str().unwrap();
    cluster.good(&["task", "wait", id]);
    let (status, task) = ask(&cluster, "GET", &format!("/tasks/{id}"), None);
    assert_eq!(
        (status, &task["command"], &task["cpu_cores"]),
        (200, &json!(["echo", "a b"]), &1.0.into()),
        "{task}"
    );
    assert_eq!(ask(&cluster, "GET", "/tasks/none", None).0, 404);
    let (status, error) =
        ask(&cluster, "POST", "/tasks", Some(r#"{"docker_image": "busybox", "cpu_cores": 65}"#));
    assert_eq!((status, error.to_string().contains("64")), (400, true), "{error}");
    let (status, workers) = ask(&cluster, "GET", "/workers", None);
    assert_eq!((status, &workers["w1"]["is_active"]), (200, &true.into()), "{workers}");
    let (status, telemetry) = ask(&cluster, "GET", "/telemetry/w1", None);
    assert_eq!((status, &telemetry["worker_id"]), (200, &"w1".into()), "{telemetry}");
    assert_eq!(ask(&cluster, "GET", "/telemetry/nobody", None).0, 404);
}
