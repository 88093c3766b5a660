use std::io::Write as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use insta::assert_snapshot;
use serde_json::Value;

use super::fake_master::FakeMaster;
use crate::support::{Place, Ran};

/// The command with the address of a master.
fn run(master: &FakeMaster, args: &[&str]) -> Ran {
    let place = Place::new();
    let ran =
        place.command(args).env("MASTER_ADDR", &master.address).env("USER", "ada").output().unwrap().into();
    assert_eq!(place.names(), Vec::<String>::new(), "a client leaves nothing");
    ran
}

fn good(master: &FakeMaster, args: &[&str]) -> Ran {
    let ran = run(master, args);
    assert_eq!(ran.code, Some(0), "{args:?}: {}", ran.err);
    assert!(ran.out.lines().all(|line| line.chars().count() <= 80), "{}", ran.out);
    ran
}

fn document(master: &FakeMaster, args: &[&str]) -> Value {
    serde_json::from_str(&good(master, &[args, &["--json"]].concat()).out).unwrap()
}

#[test]
fn a_task_from_submission_to_its_log() {
    let master = FakeMaster::start();
    let id =
        good(&master, &["task", "submit", "ok", "--name", "ünïcode", "--cpu", "2", "--", "echo", "a b"]).out;
    assert_eq!(id, "task-1\n", "the id alone, so that scripts can use it");
    let waited = good(&master, &["task", "wait", "task-1"]);
    assert_eq!(waited.out, "task-1  completed on w1\n");

    let task = document(&master, &["task", "show", "task-1"]);
    assert_eq!(
        (&task["status"], &task["cpu_cores"], &task["user_id"]),
        (&"completed".into(), &2.0.into(), &"ada".into())
    );
    assert_eq!((&task["command"], &task["exit_code"]), (&serde_json::json!(["echo", "a b"]), &0.into()));
    assert!(task["completed_at_us"].as_i64().unwrap() > 0 && task["completed_at"].as_i64().unwrap() > 0);
    let shown = good(&master, &["task", "show", "task-1"]).out;
    assert!(shown.starts_with("task-1  completed\nname       ünïcode\n"), "{shown}");

    let logs = good(&master, &["task", "logs", "task-1"]);
    assert_eq!((logs.out.as_str(), logs.err.as_str()), ("one\ntwo", "careful\n"));
    assert_eq!(document(&master, &["task", "logs", "task-1"])["stderr"], "careful\n");

    let list = good(&master, &["task", "list", "--status", "Completed"]).out;
    assert!(list.contains("task-1") && list.contains("ünïcode"), "{list}");
    assert_eq!(document(&master, &["task", "list", "--status", "running"]), serde_json::json!({"tasks": []}));
    let results = good(&master, &["results"]).out;
    assert!(results.contains("task-1  completed     0  w1"), "{results}");
    assert_eq!(document(&master, &["results"])["results"][0]["execution_time"], 1.5);
}

#[test]
fn waiting_says_whether_all_completed() {
    let master = FakeMaster::start();
    let ran = run(&master, &["task", "submit", "fails", "--wait"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), "task-1  failed (3) on w1\n"));
    assert!(
        ran.err.starts_with("task-1  submitted\n") && ran.err.ends_with("error: the task did not complete\n"),
        "{}",
        ran.err
    );
    good(&master, &["task", "submit", "slow", "--wait"]);
    let ran = run(&master, &["task", "wait", "task-1", "task-2"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("1 of 2 tasks did not complete"), "{}", ran.err);
    good(&master, &["task", "submit", "stuck"]);
    let ran = run(&master, &["task", "wait", "task-3", "--timeout", "200ms"]);
    assert_eq!(
        (ran.code, ran.err.contains("not all tasks have ended within 200ms; they go on")),
        (Some(1), true)
    );
    let ran = run(&master, &["task", "wait", "task-9"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(2), "error: no task is called \"task-9\"\n"));
    let followed = good(&master, &["task", "submit", "slow"]).out;
    assert_eq!(good(&master, &["task", "logs", "-f", followed.trim()]).out, "one\ntwo");
}

#[test]
fn all_flags_of_a_submission_reach_the_master() {
    let master = FakeMaster::start();
    let flags = "task submit stuck --memory 4 --storage 2 --gpu 0.5 --gpu-model A100 --gpu-model H100 --user bob --priority -2 \
                 --deadline 4000000000 --estimate 2m --label a=b --env K=v=w --worker w1 --on-disconnect keep --emulated-s 3";
    let mut args: Vec<&str> = flags.split_whitespace().collect();
    args.extend(["--command", "-x 'y z'"]);
    good(&master, &args);
    let state = master.state.lock().unwrap();
    let task = &state.submitted[0];
    assert_eq!(
        (task.memory_gb, task.storage_gb, task.gpu_cores, task.cpu_cores),
        (Some(4.0), Some(2.0), Some(0.5), None)
    );
    assert_eq!((task.user_id.as_str(), task.priority, task.deadline), ("bob", -2, 4_000_000_000));
    assert_eq!(
        (task.estimate_s, task.emulated_s, &task.gpu_models[..]),
        (Some(120.0), Some(3.0), &["A100".to_owned(), "H100".to_owned()][..])
    );
    assert_eq!(
        (task.labels["a"].as_str(), task.env["K"].as_str(), task.worker_id.as_str()),
        ("b", "v=w", "w1")
    );
    assert_eq!((task.on_disconnect.as_str(), task.command.as_str()), ("keep", "-x 'y z'"));
}

#[test]
fn a_file_is_taken_whole_or_not_at_all() {
    let master = FakeMaster::start();
    let place = Place::new();
    place.write(
        "tasks.json",
        r#"[{"docker_image": "ok", "user_id": "carl"}, {"docker_image": "ok", "cpu_cores": 2}]"#,
    );
    place.write("greedy.json", r#"[{"docker_image": "ok"}, {"docker_image": "ok", "cpu_cores": 65}]"#);
    place.write("wrong.json", "[{\"docker_image\": \"ok\"},\n{\"image\": \"ok\"}]");
    let submit = |file: &str| -> Ran {
        let args = ["task", "submit", "--file", file];
        place.command(&args).env("MASTER_ADDR", &master.address).env("USER", "ada").output().unwrap().into()
    };
    assert_eq!(submit("tasks.json").out, "task-1\ntask-2\n");
    let users: Vec<String> =
        master.state.lock().unwrap().submitted.iter().map(|task| task.user_id.clone()).collect();
    assert_eq!(users, ["carl", "ada"]);
    let ran = submit("greedy.json");
    assert_eq!((ran.code, ran.err.as_str()), (Some(2), "error: cpu_cores is 65: expected 0 to 64\n"));
    let ran = submit("wrong.json");
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.starts_with("error: wrong.json:2:8: unknown field `image`"), "{}", ran.err);
    assert_eq!((submit("none.json").code, master.state.lock().unwrap().tasks.len()), (Some(2), 2));

    let mut child = place
        .command(&["task", "submit", "--file", "-", "--json"])
        .env("MASTER_ADDR", &master.address)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"{\"docker_image\": \"ok\"}").unwrap();
    let ran: Ran = child.wait_with_output().unwrap().into();
    assert_eq!(serde_json::from_str::<Value>(&ran.out).unwrap()["tasks"][0]["task_id"], "task-3");
}

#[test]
fn tasks_are_cancelled_one_by_one() {
    let master = FakeMaster::start();
    good(&master, &["task", "submit", "stuck"]);
    let ran = run(&master, &["task", "cancel", "task-9", "task-1"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), "task-1  cancelled\n"));
    assert!(
        ran.err.contains("task-9: no task is called")
            && ran.err.contains("1 of 2 tasks could not be cancelled"),
        "{}",
        ran.err
    );
    assert_eq!(run(&master, &["task", "wait", "task-1"]).code, Some(1), "a cancelled task did not complete");
}

#[test]
fn workers_status_strategy_and_why() {
    let master = FakeMaster::start();
    good(&master, &["task", "submit", "stuck"]);
    let mut told = String::new();
    for args in [
        &["workers"][..],
        &["workers", "register", "gpu-7", "10.0.0.7:50052"],
        &["workers", "drain", "w1"],
        &["workers", "drain", "w1", "--undo"],
        &["workers", "forget", "gpu-7"],
        &["workers", "list"],
        &["strategy"],
        &["strategy", "easy"],
        &["task", "why", "task-1"],
    ] {
        let out = good(&master, args).out;
        told.push_str(&format!("$ cloudai {}\n{out}\n", args.join(" ")));
    }
    // How long ago a heartbeat was depends on the machine.
    let told = told.replace("1 s ago", "    now");
    assert_snapshot!("live-cluster", told);
    let status = good(&master, &["status"]).out;
    assert!(status.contains("workers   1 total, 1 active") && status.contains("strategy  easy"), "{status}");
    assert_eq!(document(&master, &["status"])["active_workers"], 1);
    assert_eq!(document(&master, &["workers"])["workers"][1]["total_cpu"], 4.0);
    assert_eq!(document(&master, &["workers", "drain", "w1"])["state"], "draining");
    assert_eq!(document(&master, &["strategy"])["known"][1], "easy");
    assert_eq!(document(&master, &["task", "why", "task-1"])["workers"][0]["reason"], "1 of 4 cores free");
    let ran = run(&master, &["workers", "register", "w3", "a b"]);
    assert_eq!((ran.code, ran.err.contains("\"a b\": expected HOST:PORT")), (Some(2), true));
    let ran = run(&master, &["strategy", "nonsense"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(2), "error: no strategy is called \"nonsense\"\n"));
    let ran = run(&master, &["task", "list", "--status", "done"]);
    assert_eq!((ran.code, ran.err.contains("\"done\" is no status: expected pending")), (Some(2), true));
}

#[test]
fn a_master_that_is_not_there_is_named() {
    let place = Place::new();
    // Nobody listens on this port: it was taken, and given back.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let ran = place.run(&["status", "--master", &format!(":{port}")]);
    assert_eq!(ran.code, Some(1));
    let message = format!("error: cannot reach the master at 127.0.0.1:{port}: Connection refused");
    assert!(ran.err.starts_with(&message), "{}", ran.err);
    assert!(ran.err.ends_with("is `cloudai master` running there?\n"), "{}", ran.err);
    place.write(".env", "# settings\nMASTER_ADDR=a:b:c\n");
    let ran = place.run(&["task", "list"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.starts_with("error: .env:2: MASTER_ADDR: \"a:b:c\": expected HOST:PORT"), "{}", ran.err);
    // One that accepts, and says nothing.
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let begun = Instant::now();
    let ran = place.run(&["status", "--master", &mute.local_addr().unwrap().to_string()]);
    assert_eq!(ran.code, Some(1));
    assert!(begun.elapsed() < Duration::from_secs(40), "{:?}", begun.elapsed());
}

#[test]
fn a_token_is_shown_and_a_wrong_one_refused() {
    let master = FakeMaster::with_token(Some("geheim"));
    let ran = run(&master, &["status"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("does not let us in: wrong token; set CLOUDAI_TOKEN"), "{}", ran.err);
    good(&master, &["status", "--token", "geheim"]);
    let place = Place::new();
    place.write(".env", "export CLOUDAI_TOKEN='geheim'\n");
    assert_eq!(place.run(&["status", "--master", &master.address]).code, Some(0));
}

#[test]
fn ctrl_c_ends_waiting_with_130() {
    let master = FakeMaster::start();
    good(&master, &["task", "submit", "stuck"]);
    let place = Place::new();
    for signal in ["INT", "TERM"] {
        let child = place
            .command(&["task", "wait", "task-1"])
            .env("MASTER_ADDR", &master.address)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(500));
        let killed = std::process::Command::new("kill")
            .args(["-s", signal, &child.id().to_string()])
            .status()
            .unwrap();
        assert!(killed.success());
        let ran: Ran = child.wait_with_output().unwrap().into();
        assert_eq!(ran.code, Some(130), "{}", ran.err);
    }
}

#[test]
fn waiting_goes_on_over_a_restart_of_the_master() {
    let master = FakeMaster::start();
    good(&master, &["task", "submit", "stuck"]);
    let place = Place::new();
    let child = place
        .command(&["task", "wait", "task-1"])
        .env("MASTER_ADDR", &master.address)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let master = master.restart(Duration::from_millis(1500));
    std::thread::sleep(Duration::from_millis(500));
    master.state.lock().unwrap().tasks.get_mut("task-1").unwrap().status = "completed".to_owned();
    let ran: Ran = child.wait_with_output().unwrap().into();
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "task-1  completed\n"), "{}", ran.err);
    assert_eq!(ran.err.matches("trying again").count(), 1, "{}", ran.err);
    assert!(ran.err.contains("lost the master at"), "{}", ran.err);
}

/// A certificate of this machine and its key, made by openssl if there is one.
pub(crate) fn certificate(place: &Place) -> Option<(String, String)> {
    let words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem -out cert.pem -days 2 \
                 -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -addext basicConstraints=CA:FALSE";
    let mut openssl = std::process::Command::new("openssl");
    let made = openssl.args(words.split_whitespace()).current_dir(place.path("")).output();
    made.ok().filter(|made| made.status.success())?;
    let read = |name| std::fs::read_to_string(place.path(name)).unwrap();
    Some((read("cert.pem"), read("key.pem")))
}

#[test]
fn an_encrypted_master_is_checked_against_a_certificate() {
    let place = Place::new();
    let Some((cert, key)) = certificate(&place) else {
        println!("skipped: there is no openssl to make a certificate with");
        return;
    };
    let master = FakeMaster::with_tls(&cert, &key);
    let address = master.address.replace("127.0.0.1", "localhost");
    place.good(&["status", "--master", &master.address, "--tls-ca-file", "cert.pem"]);
    place.good(&["status", "--master", &address, "--tls-ca-file", "cert.pem"]);
    let mut command = place.command(&["status", "--master", &address]);
    let ran: Ran =
        command.env("TLS_ENABLED", "true").env("TLS_CERT_FILE", "cert.pem").output().unwrap().into();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let other = Place::new();
    certificate(&other).unwrap();
    let ran = other.run(&["status", "--master", &address, "--tls-ca-file", "cert.pem"]);
    assert_eq!((ran.code, ran.err.contains("certificate")), (Some(1), true), "{}", ran.err);
    let ran = place.run(&["status", "--master", &address]);
    assert_eq!(ran.code, Some(1), "{}", ran.err);
}

#[test]
fn settings_of_master_and_worker_are_checked_before_anything_starts() {
    let place = Place::new();
    place.write(".env", "# of this cluster\nexport LEASE='soon'\nMONGO_URI=mongodb://user:geheim@host/\n");
    for (args, message) in [
        (&["master"][..], "error: .env:2: LEASE: \"soon\": expected a duration above 0"),
        (&["master", "--lease", "60", "--grpc-port", "x"], "error: --grpc-port: \"x\": expected a port"),
        (&["master", "--lease", "60", "--scheduler-strategy", "nonsense"], "error: SCHEDULER_STRATEGY: "),
        (
            &["master", "--lease", "60", "--http-port", "0.0.0.0:80"],
            "error: HTTP_PORT: 0.0.0.0:80 is open to other machines",
        ),
        (
            &["worker", "--executor", "podman"],
            "error: --executor: \"podman\": expected docker, process or emulated",
        ),
        (
            &["worker", "--master", "10.0.0.1"],
            "error: WORKER_PORT: 127.0.0.1:50052 is reached from this machine only",
        ),
    ] {
        let ran = place.run(args);
        assert_eq!(ran.code, Some(2), "{args:?}: {}", ran.err);
        assert!(ran.err.starts_with(message), "{args:?}: {}", ran.err);
    }
    place.write(".env", "MONGO_URI='mongodb://user:geheim@host/\n");
    let ran = place.run(&["master"]);
    assert_eq!(
        (ran.code, ran.err.as_str()),
        (Some(2), "error: .env:1: \"(not shown)\": expected a closing '\n")
    );
}
