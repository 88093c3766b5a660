//! The whole worker with a real Docker Engine. Each test is skipped where there is none, and says so.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cloudai_proto::v1;
use cloudai_runtime::worker::{ExecutorKind, WorkerSettings};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

use super::docker_support::{docker, docker_image};
use super::support::{PlayedMaster, Worker, task};

/// The containers of one worker. Where a test has failed, they go with this.
struct Containers {
    identity: String,
}

impl Containers {
    fn all(&self) -> Vec<String> {
        let filter = format!("label=cloudai.identity={}", self.identity);
        docker(&["ps", "-aq", "--filter", &filter]).lines().map(str::to_owned).collect()
    }

    /// Removal follows the report.
    async fn are_gone(&self) {
        for _ in 0..200 {
            if self.all().is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("containers are left: {:?}", self.all());
    }
}

impl Drop for Containers {
    fn drop(&mut self) {
        for container in self.all() {
            // It may be going already.
            let _ = std::process::Command::new("docker").args(["rm", "-f", &container]).output();
        }
    }
}

struct Setup {
    containers: Containers,
    folder: tempfile::TempDir,
    master: PlayedMaster,
    worker: Worker,
    image: &'static str,
}

impl Setup {
    async fn new() -> Option<Self> {
        let image = docker_image(Path::new(env!("CARGO_TARGET_TMPDIR")))?;
        let folder = tempfile::tempdir().unwrap();
        let master = PlayedMaster::start().await;
        let worker = master.worker(folder.path(), settings).await;
        let identity = std::fs::read_to_string(folder.path().join("worker/identity")).unwrap();
        Some(Self { containers: Containers { identity }, folder, master, worker, image })
    }

    async fn run(&mut self, task_id: &str, script: &str) {
        let task = self.task(task_id, &["sh", "-c", script]);
        let ack = self.worker.assign(task).await;
        assert!(ack.accepted, "{ack:?}");
    }

    fn task(&self, task_id: &str, command: &[&str]) -> v1::Task {
        v1::Task { docker_image: self.image.to_owned(), ..task(task_id, command) }
    }
}

fn settings(settings: &mut WorkerSettings) {
    settings.executor = ExecutorKind::Docker;
    settings.stop_grace = Duration::from_secs(1);
}

#[tokio::test]
async fn a_container_runs_and_its_end_and_output_are_reported() {
    let Some(mut setup) = Setup::new().await else { return };
    setup.run("echo", "echo out; echo err >&2; echo $CLOUDAI_TASK_ID.$CLOUDAI_ATTEMPT").await;
    let result = setup.master.result("echo").await;
    assert_eq!((result.status.as_str(), result.exit_code), ("completed", 0), "{result:?}");
    assert_eq!(result.logs, "out\necho.1\nerr\n");
    assert!(result.started_at_us > 0 && result.completed_at_us >= result.started_at_us, "{result:?}");
    assert_eq!(setup.worker.logs("echo", false).await, ["out\necho.1\n", "err\n"]);
    setup.run("three", "exit 3").await;
    let result = setup.master.result("three").await;
    assert_eq!(
        (result.status.as_str(), result.exit_code, result.reason.as_str()),
        ("failed", 3, "exit code 3")
    );
    setup.containers.are_gone().await;
}

#[tokio::test]
async fn output_is_followed_while_it_comes() {
    let Some(mut setup) = Setup::new().await else { return };
    setup.run("slow", "for i in 1 2 3 4; do echo $i; sleep 0.2; done").await;
    assert_eq!(setup.worker.logs("slow", true).await[0], "1\n2\n3\n4\n");
}

#[tokio::test]
async fn a_container_that_eats_memory_is_killed_and_says_so() {
    let Some(mut setup) = Setup::new().await else { return };
    let hog = setup.task("hog", &["sh", "-c", "x=xxxxxxxxxxxxxxxx; while :; do x=$x$x; done"]);
    setup.worker.assign(v1::Task { memory_gb: 0.03125, ..hog }).await;
    let result = setup.master.result("hog").await;
    assert_eq!((result.status.as_str(), result.exit_code), ("failed", 137), "{result:?}");
    assert_eq!(result.reason, "out of memory: limit of 32 MB");
}

#[tokio::test]
async fn a_container_is_stopped_when_cancelled_and_killed_if_it_does_not() {
    let Some(mut setup) = Setup::new().await else { return };
    setup.run("polite", "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.05; done").await;
    setup.run("stubborn", "trap '' TERM; while :; do sleep 1; done").await;
    setup.master.status("polite", "running").await;
    setup.master.status("stubborn", "running").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let begin = Instant::now();
    assert!(setup.worker.cancel("polite").await.held);
    assert!(setup.worker.cancel("stubborn").await.held);
    let polite = setup.master.result("polite").await;
    assert_eq!(
        (polite.status.as_str(), polite.exit_code, polite.logs.as_str()),
        ("cancelled", 0, "ready\nbye\n")
    );
    let stubborn = setup.master.result("stubborn").await;
    assert_eq!((stubborn.status.as_str(), stubborn.exit_code), ("cancelled", 137));
    assert!(begin.elapsed() >= Duration::from_secs(1), "{:?}", begin.elapsed());
    setup.containers.are_gone().await;
}

#[tokio::test]
async fn a_container_has_the_labels_and_limits_of_its_task() {
    let Some(mut setup) = Setup::new().await else { return };
    let task = v1::Task {
        cpu_cores: 0.5,
        memory_gb: 0.0625,
        env: [("COLOUR".to_owned(), "blue".to_owned())].into(),
        ..setup.task("shown", &["sleep", "60"])
    };
    setup.worker.assign(task).await;
    setup.master.status("shown", "running").await;
    let [container] = &setup.containers.all()[..] else { panic!("{:?}", setup.containers.all()) };
    let shown = |format: &str| docker(&["inspect", "--format", format, container]);
    assert_eq!(shown("{{.HostConfig.NanoCpus}}"), "500000000");
    assert_eq!(shown("{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}}"), "67108864 67108864");
    assert_eq!(shown("{{.HostConfig.PidsLimit}}"), "1024");
    assert_eq!(shown("{{.HostConfig.SecurityOpt}}"), "[no-new-privileges]");
    assert_eq!(shown("{{.HostConfig.Privileged}} {{len .HostConfig.DeviceRequests}}"), "false 0");
    let label = |name: &str| shown(&format!("{{{{index .Config.Labels \"cloudai.{name}\"}}}}"));
    assert_eq!(["task", "attempt", "worker"].map(label), ["shown", "1", "w1"]);
    let env = shown("{{.Config.Env}}");
    for word in ["COLOUR=blue", "CLOUDAI_TASK_ID=shown", "CLOUDAI_ATTEMPT=1"] {
        assert!(env.contains(word), "{env}");
    }
    setup.worker.cancel("shown").await;
    setup.master.result("shown").await;
}

#[tokio::test]
async fn a_restarted_worker_finds_its_containers() {
    let Some(mut setup) = Setup::new().await else { return };
    setup.run("long", "echo begin; sleep 4; echo end; exit 5").await;
    setup.run("short", "sleep 1; echo done; exit 4").await;
    setup.master.status("long", "running").await;
    setup.master.status("short", "running").await;
    let begin = Instant::now();
    setup.worker.worker.stop().await.unwrap();
    assert!(begin.elapsed() < Duration::from_secs(1), "stopping is quick: {:?}", begin.elapsed());
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let worker = setup.master.worker(setup.folder.path(), settings).await;
    let held = setup.master.heard().registrations.last().unwrap().held.clone();
    let states: Vec<(&str, &str)> = held.iter().map(|t| (t.task_id.as_str(), t.status.as_str())).collect();
    assert_eq!(states, [("long", "running"), ("short", "ended")]);
    let short = setup.master.result("short").await;
    assert_eq!((short.exit_code, short.logs.as_str()), (4, "done\n"));
    let long = setup.master.result("long").await;
    assert_eq!((long.status.as_str(), long.exit_code, long.logs.as_str()), ("failed", 5, "begin\nend\n"));
    worker.worker.stop().await.unwrap();
}

#[tokio::test]
async fn what_cannot_start_is_a_failed_start() {
    let Some(mut setup) = Setup::new().await else { return };
    let task = setup.task("no-command", &["/does/not/exist"]);
    setup.worker.assign(task).await;
    let result = setup.master.result("no-command").await;
    assert_eq!((result.status.as_str(), result.started_at_us), ("failed", 0), "{result:?}");
    assert!(result.reason.contains("/does/not/exist"), "{}", result.reason);
    setup.containers.are_gone().await;

    // The engine has no driver for it, but the request reaches it.
    let task = v1::Task { gpu_cores: 1.0, gpu_devices: vec![1], ..setup.task("gpu", &["true"]) };
    setup.worker.assign(task).await;
    let result = setup.master.result("gpu").await;
    if result.status == "failed" {
        assert!(result.reason.contains("gpu"), "{}", result.reason);
    }
}

/// A registry that lets one user in, and has no image.
async fn empty_registry(heard: Arc<Mutex<Vec<String>>>) -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let heard = heard.clone();
            tokio::spawn(async move {
                let (read, mut write) = stream.split();
                let mut lines = BufReader::new(read).lines();
                let (mut path, mut who) = (String::new(), String::new());
                while let Ok(Some(line)) = lines.next_line().await {
                    if let Some(rest) = line.strip_prefix("GET ").or_else(|| line.strip_prefix("HEAD ")) {
                        path = rest.to_owned();
                    } else if line.to_ascii_lowercase().starts_with("authorization: ") {
                        who = line["authorization: ".len()..].to_owned();
                    } else if line.is_empty() {
                        heard.lock().unwrap().push(format!("{path} {who}"));
                        // me:word
                        let (status, header, body) = if who != "Basic bWU6d29yZA==" {
                            ("401 Unauthorized", "WWW-Authenticate: Basic realm=\"test\"\r\n", "")
                        } else if path.starts_with("/v2/ ") {
                            ("200 OK", "", "{}")
                        } else {
                            (
                                "404 Not Found",
                                "",
                                "{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\",\"message\":\"manifest unknown\"}]}",
                            )
                        };
                        let answer = format!(
                            "HTTP/1.1 {status}\r\nDocker-Distribution-Api-Version: registry/2.0\r\nContent-Type: application/json\r\n{header}Content-Length: {}\r\n\r\n{body}",
                            body.len()
                        );
                        write.write_all(answer.as_bytes()).await.unwrap();
                        who.clear();
                    }
                }
            });
        }
    });
    port
}

#[tokio::test]
async fn an_image_that_does_not_exist_is_named_and_the_registry_hears_who_asks() {
    let Some(mut setup) = Setup::new().await else { return };
    let heard = Arc::new(Mutex::new(Vec::new()));
    let port = empty_registry(heard.clone()).await;
    let image = format!("127.0.0.1:{port}/nothing/here:7");
    let task = v1::Task { docker_image: image.clone(), ..setup.task("stranger", &[]) };
    setup.worker.assign(task.clone()).await;
    let result = setup.master.result("stranger").await;
    assert_eq!((result.status.as_str(), result.started_at_us), ("failed", 0));
    assert!(result.reason.starts_with(&format!("cannot pull image {image}: ")), "{}", result.reason);

    // A login.
    setup.worker.worker.stop().await.unwrap();
    let config = setup.folder.path().join("docker");
    std::fs::create_dir(&config).unwrap();
    let login = format!("{{\"auths\": {{\"127.0.0.1:{port}\": {{\"auth\": \"bWU6d29yZA==\"}}}}}}");
    std::fs::write(config.join("config.json"), login).unwrap();
    let change = |s: &mut WorkerSettings| {
        settings(s);
        s.docker_config = config.clone();
    };
    setup.worker = setup.master.worker(setup.folder.path(), change).await;
    setup.worker.assign(v1::Task { task_id: "friend".to_owned(), ..task }).await;
    let result = setup.master.result("friend").await;
    assert_eq!((result.status.as_str(), result.started_at_us), ("failed", 0));
    let heard = heard.lock().unwrap().join("\n");
    assert!(result.reason.starts_with(&format!("no such image: {image}")), "{}\n{heard}", result.reason);
}

#[tokio::test]
async fn what_a_killed_worker_leaves_does_not_outlive_the_lease() {
    let Some(setup) = Setup::new().await else { return };
    let Setup { containers, folder, master, worker, image } = setup;
    worker.worker.stop().await.unwrap();
    master.heard().lease_s = 2.0;
    let (mut process, session, mut client) = master.worker_process(folder.path(), "docker").await;
    for (task_id, choice) in [("stops", "stop"), ("keeps", "keep")] {
        let task = v1::Task {
            session,
            docker_image: image.to_owned(),
            on_disconnect: choice.to_owned(),
            ..task(task_id, &["sleep", "60"])
        };
        assert!(client.assign_task(task).await.unwrap().into_inner().accepted);
        master.status(task_id, "running").await;
    }
    process.kill().unwrap();
    process.wait().unwrap();
    let killed = Instant::now();
    let running = || {
        let filter = format!("label=cloudai.identity={}", containers.identity);
        docker(&["ps", "-q", "--filter", &filter]).lines().count()
    };
    assert_eq!(running(), 2);
    while running() == 2 {
        assert!(killed.elapsed() < Duration::from_secs(15), "it runs on");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut worker = master.worker(folder.path(), settings).await;
    let stopped = master.result("stops").await;
    assert_eq!((stopped.status.as_str(), stopped.reason.as_str()), ("cancelled", "cut off from the master"));
    master.status("keeps", "running").await;
    worker.cancel("keeps").await;
    assert_eq!(master.result("keeps").await.status, "cancelled");
    containers.are_gone().await;
}
