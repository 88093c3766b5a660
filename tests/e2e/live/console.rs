//! A master whose console is open on a terminal.

use std::process::{Child, Command, Stdio};

use super::processes::free_port;
use crate::clients::terminal::Session;
use crate::support::Place;

/// A worker that ends with the test.
struct Worker(Child);

impl Drop for Worker {
    fn drop(&mut self) {
        // In order, so that it ends what it runs.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

fn worker(place: &Place, master: &str) -> Worker {
    let args = ["worker", "--worker-id", "w1", "--master", master, "--worker-port", ":0", "--data-dir", "w1"];
    let mut command =
        place.command(&[&args[..], &["--executor", "process", "--cpu", "2", "--memory", "4"]].concat());
    Worker(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap())
}

#[test]
fn a_master_on_a_terminal_opens_its_console() {
    let place = Place::new();
    let (grpc, http) = (free_port().to_string(), free_port().to_string());
    let mut command = place.command(&[
        "master",
        "--grpc-port",
        &grpc,
        "--http-port",
        &http,
        "--heartbeat-interval",
        "200ms",
    ]);
    command.env("XDG_STATE_HOME", place.path("state")).env("NO_COLOR", "1");
    let mut session = Session::start(command);
    session.see("log: ./cloudai-data/master.log");
    session.see(&format!(
        "gRPC on 127.0.0.1:{grpc}, HTTP and WebSocket on 127.0.0.1:{http}, records in SQLite at"
    ));
    session.see("cloudai> ");
    let master = format!("127.0.0.1:{grpc}");
    let running = worker(&place, &master);
    let mut say = |line: &str, answers: &[&str]| {
        session.press(&format!("{line}\r"));
        for answer in answers {
            session.see(answer);
        }
        session.see("cloudai> ");
    };
    // It may take a moment until the worker is there.
    std::thread::sleep(std::time::Duration::from_secs(2));
    say("workers", &["w1", "active", "0/2", "PROCESS"]);
    say("register gpu-7 10.0.0.7:50052", &["gpu-7  registered"]);
    say("task w1 busybox -name first -command \"sh -c 'echo hi; sleep 1; echo ho'\"", &["task-", "pending"]);
    say("tasks", &["first", "busybox"]);
    say("task auto busybox -cpu_cores 64", &["task-"]);
    say("task auto busybox -cpu_cores 65", &["cpu_cores", "from 0 to 64 cores"]);
    say("task nobody busybox", &["no worker has the id 'nobody'"]);
    say("status", &["2 total, 1 active"]);
    say("strategy easy", &["strategy  easy"]);
    say("drain w1", &["w1  draining"]);
    say("drain w1 undo", &["w1  active"]);
    say("forget gpu-7", &["gpu-7  forgotten"]);
    say("results", &["completed"]);
    say("statos", &["status"]);
    say("help", &["monitor <task_id>"]);
    session.press("exit\r");
    assert_eq!(session.end(), Some(0));
    assert!(session.is_as_found());
    drop(running);
    let log = std::fs::read_to_string(place.path("cloudai-data/master.log")).unwrap();
    assert!(!log.contains("ERROR"), "{log}");
}
