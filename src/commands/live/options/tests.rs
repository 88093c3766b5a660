use clap::Parser;

use super::*;

#[derive(Debug, Parser)]
struct Master {
    #[command(flatten)]
    args: MasterArgs,
}

#[derive(Debug, Parser)]
struct Worker {
    #[command(flatten)]
    args: WorkerArgs,
}

type Variables<'a> = &'a [(&'static str, &'static str)];

fn master(flags: &[&str], variables: Variables<'_>, file: &str) -> Result<MasterOptions, String> {
    let args = Master::try_parse_from([&["master"], flags].concat()).unwrap().args;
    MasterOptions::resolve(&args, &Settings::of(variables, file)).map_err(|error| error.to_string())
}

fn worker(flags: &[&str], variables: Variables<'_>, file: &str) -> Result<WorkerOptions, String> {
    let args = Worker::try_parse_from([&["worker"], flags].concat()).unwrap().args;
    WorkerOptions::resolve(&args, &Settings::of(variables, file)).map_err(|error| error.to_string())
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn defaults_of_a_master() {
    let options = master(&[], &[], "").unwrap();
    assert_eq!(
        (options.grpc.to_string(), options.http.to_string()),
        ("127.0.0.1:50051".into(), "127.0.0.1:8080".into())
    );
    let timeouts = (options.http_read_timeout, options.http_write_timeout, options.http_idle_timeout);
    assert_eq!(timeouts, (seconds(15), seconds(15), seconds(60)));
    assert_eq!(
        (options.heartbeat_interval, options.inactive_after, options.lease),
        (seconds(5), seconds(30), seconds(300))
    );
    assert_eq!((options.max_cpu_cores, options.max_memory_gb), (64.0, 512.0));
    assert_eq!((options.pool_size, options.heartbeat_buffer), (100, 100));
    assert_eq!((options.scheduler_strategy.as_str(), options.db_name.as_str()), ("ai", "cluster_db"));
    assert_eq!((options.mongo_uri, options.console), (None, true));
    let common = options.common;
    assert_eq!((common.log_level, common.data_dir), (LogLevel::Info, PathBuf::from("./cloudai-data")));
    assert_eq!((common.tls, common.token, common.insecure), (None, None, false));
}

#[test]
fn defaults_of_a_worker() {
    let options = worker(&[], &[], "").unwrap();
    assert_eq!(
        (options.master.to_string(), options.listen.to_string()),
        ("localhost:50051".into(), "127.0.0.1:50052".into())
    );
    assert_eq!(options.worker_ip.as_deref(), Some("127.0.0.1"), "the master is on loopback");
    assert!(!options.worker_id.is_empty(), "the name of this machine");
    assert_eq!(options.advertised().unwrap(), "127.0.0.1");
    assert_eq!((options.executor, options.cpu), (Executor::Docker, None));
}

#[test]
fn flags_environment_and_file_mix() {
    let options = master(
        &["--http-port", "9000", "--no-console"],
        &[("GRPC_PORT", "9001"), ("HTTP_PORT", "1"), ("LOG_LEVEL", "DEBUG")],
        "GRPC_PORT=2\nLEASE=2m\nDB_NAME='x y'\nSCHEDULER_STRATEGY=\"ai(window=64)\"",
    )
    .unwrap();
    assert_eq!((options.grpc.port, options.http.port, options.lease), (9001, 9000, seconds(120)));
    assert_eq!((options.db_name.as_str(), options.scheduler_strategy.as_str()), ("x y", "ai(window=64)"));
    assert_eq!((options.common.log_level, options.console), (LogLevel::Debug, false));

    let options = worker(
        &["--worker-id", "w1", "--cpu", "4", "--label", "rack=b"],
        &[("EXECUTOR", "Process"), ("WORKER_IP", "AUTO")],
        "MASTER_ADDR=:7\nWORKER_ID=w2",
    )
    .unwrap();
    assert_eq!(
        (options.worker_id.as_str(), options.executor, options.cpu),
        ("w1", Executor::Process, Some(4.0))
    );
    assert_eq!(options.master.to_string(), "127.0.0.1:7");
    assert_eq!(options.labels, [("rack".to_owned(), "b".to_owned())]);
}

#[test]
fn a_listener_beyond_this_machine_needs_tls_and_a_token() {
    let open = ["--grpc-port", "0.0.0.0:50051"];
    let error = master(&open, &[], "").unwrap_err();
    assert!(error.contains("GRPC_PORT: 0.0.0.0:50051 is open to other machines"), "{error}");
    assert!(error.contains("--insecure"), "{error}");
    let error = master(&open, &[("TLS_CERT_FILE", "a"), ("TLS_KEY_FILE", "b")], "").unwrap_err();
    assert!(error.contains("expected CLOUDAI_TOKEN to be set"), "{error}");
    let options =
        master(&open, &[("TLS_CERT_FILE", "a"), ("TLS_KEY_FILE", "b"), ("CLOUDAI_TOKEN", "geheim")], "")
            .unwrap();
    assert!(!format!("{options:?}").contains("geheim"), "a token is not shown");
    assert_eq!(options.common.tls.unwrap().ca_file, PathBuf::from("a"));
    assert!(master(&["--grpc-port", "0.0.0.0:50051", "--insecure"], &[], "").is_ok());
    assert!(master(&["--http-port", "[::]:80"], &[], "").unwrap_err().contains("HTTP_PORT: [::]:80"));
    assert!(worker(&["--worker-port", "0.0.0.0:1"], &[], "").unwrap_err().contains("WORKER_PORT"));
}

#[test]
fn tls_wants_both_files_and_can_be_switched_off() {
    let both = [("TLS_CERT_FILE", "a"), ("TLS_KEY_FILE", "b")];
    assert!(master(&[], &both, "").unwrap().common.tls.is_some());
    assert!(master(&["--tls-enabled", "false"], &both, "").unwrap().common.tls.is_none());
    assert!(master(&[], &both[..1], "").unwrap_err().contains("TLS_KEY_FILE is not set"));
    assert!(master(&[], &[("TLS_ENABLED", "TRUE")], "").unwrap_err().contains("TLS_CERT_FILE is not set"));
}

#[test]
fn what_does_not_go_together_is_refused() {
    for (flags, message) in [
        (["--http-port", "50051"], "GRPC_PORT and HTTP_PORT are both 127.0.0.1:50051"),
        (
            ["--inactive-after", "5s"],
            "INACTIVE_AFTER is 5s: expected more than HEARTBEAT_INTERVAL, which is 5s",
        ),
        (["--lease", "4s"], "LEASE is 4s: expected more than HEARTBEAT_INTERVAL"),
        (["--mongo-uri", "http://u:geheim@x"], "--mongo-uri: \"(not shown)\": "),
        (["--pool-size", "0"], "--pool-size: \"0\": expected a whole number"),
        (["--heartbeat-interval", "often"], "--heartbeat-interval: \"often\": expected a duration"),
        (["--log-level", "loud"], "--log-level: \"loud\": expected error, warn, info, debug or trace"),
    ] {
        let error = master(&flags, &[], "").unwrap_err();
        assert!(error.contains(message), "{error}");
    }
    let error = worker(&["--master", "10.0.0.1"], &[], "").unwrap_err();
    assert!(
        error.contains(
            "127.0.0.1:50052 is reached from this machine only, and the master is at 10.0.0.1:50051"
        ),
        "{error}"
    );
    let far = ["--master", "10.0.0.1", "--worker-port", "0.0.0.0:7", "--insecure"];
    assert_eq!(worker(&far, &[], "").unwrap().worker_ip, None);
    assert!(
        worker(&["--executor", "podman"], &[], "")
            .unwrap_err()
            .contains("expected docker, process or emulated")
    );
}
