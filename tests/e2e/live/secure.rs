//! A cluster whose parties talk over TLS and show a token.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::processes::Cluster;
use crate::clients::commands::certificate;
use crate::support::Place;

#[test]
fn parties_talk_over_tls_and_show_a_token() {
    let place = Place::new();
    if certificate(&place).is_none() {
        println!("skipped: there is no openssl to make a certificate with");
        return;
    }
    let settings = [
        ("HEARTBEAT_INTERVAL", "200ms"),
        ("TLS_ENABLED", "true"),
        ("TLS_CERT_FILE", "cert.pem"),
        ("TLS_KEY_FILE", "key.pem"),
        ("CLOUDAI_TOKEN", "open sesame"),
    ];
    let settings = settings.map(|(name, value)| (name, value.to_owned())).to_vec();
    let cluster = Cluster::in_place(place, &["w1"], settings);
    let id = cluster.submit(&["--wait"], "echo hello");
    let id = id.split_whitespace().next().unwrap();
    assert_eq!(cluster.good(&["task", "logs", id]).out, "hello\n", "from the worker, through the master");

    let wrong = cluster.run(&["status", "--token", "open barley"]);
    assert_eq!(wrong.code, Some(1), "{}", wrong.err);
    assert!(wrong.err.contains("CLOUDAI_TOKEN"), "{}", wrong.err);

    assert!(http(&cluster, "").contains(" 401 "));
    assert!(http(&cluster, "Authorization: Bearer open barley\r\n").contains(" 401 "));
    let health = http(&cluster, "Authorization: Bearer open sesame\r\n");
    assert!(health.contains(" 200 ") && health.contains("\"status\":\"healthy\""), "{health}");
}

/// What `GET /health` answers over TLS.
fn http(cluster: &Cluster, header: &str) -> String {
    let address = format!("localhost:{}", cluster.http);
    let mut client = Command::new("openssl")
        .args(["s_client", "-quiet", "-verify_quiet", "-verify_return_error", "-CAfile"])
        .arg(cluster.place.path("cert.pem"))
        .args(["-connect", &address])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let request = format!("GET /health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{header}\r\n");
    client.stdin.as_mut().unwrap().write_all(request.as_bytes()).unwrap();
    let output = client.wait_with_output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn nothing_listens_beyond_this_machine_by_accident() {
    let place = Place::new();
    let ran = place.run(&["master", "--no-console", "--grpc-port", "0.0.0.0:0", "--http-port", ":0"]);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    assert!(ran.err.contains("--insecure"), "{}", ran.err);
}
