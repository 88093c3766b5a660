//! A MongoDB server for tests, on loopback, in a temporary folder. It ends with its test.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mongodb::Client;
use mongodb::bson::{Document, doc};
use tempfile::TempDir;

/// How long a server may take to take writes.
const START: Duration = Duration::from_secs(60);

pub(crate) struct Mongod {
    program: PathBuf,
    folder: TempDir,
    port: u16,
    replica_set: bool,
    child: Child,
}

impl Mongod {
    /// Starts a replica set of one member that wants credentials; `None` where there is no mongod, which is a failure if `CLOUDAI_TEST_REQUIRE` has `mongo`.
    pub(crate) async fn replica_set() -> Option<Self> {
        Self::start(true).await
    }

    /// Starts a server that is in no replica set, and so has no transactions; it wants no credentials.
    pub(crate) async fn standalone() -> Option<Self> {
        Self::start(false).await
    }

    async fn start(replica_set: bool) -> Option<Self> {
        let Some(program) = program() else {
            let required = std::env::var("CLOUDAI_TEST_REQUIRE").unwrap_or_default();
            let why = "no mongod: neither CLOUDAI_MONGOD, nor in PATH, nor in test-services/mongod of the target folder";
            assert!(!required.split(',').any(|name| name.trim() == "mongo"), "{why}");
            eprintln!("skipped: {why}");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("data")).unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let child = spawn(&program, &folder, port, replica_set);
        let mut server = Self { program, folder, port, replica_set, child };
        if replica_set {
            let host = format!("127.0.0.1:{port}");
            let members = doc! { "_id": "rs0", "members": [{ "_id": 0, "host": host }] };
            server.wait_for("a server that answers", doc! { "ping": 1 }, |_| true).await;
            server.ask(doc! { "replSetInitiate": members }).await.unwrap();
        }
        server.wait().await;
        if replica_set {
            // As long as there is no user, one may be made from the same machine.
            let user = doc! { "createUser": "ann", "pwd": "s3cret", "roles": ["root"] };
            server.wait_for("a user", user, |_| true).await;
        }
        Some(server)
    }

    /// Its address, with credentials if it wants them.
    pub(crate) fn uri(&self) -> String {
        self.uri_as(if self.replica_set { "ann:s3cret@" } else { "" })
    }

    /// Its address, for `user:password@`.
    pub(crate) fn uri_as(&self, who: &str) -> String {
        let set = if self.replica_set { "?replicaSet=rs0" } else { "" };
        format!("mongodb://{who}127.0.0.1:{}/{set}", self.port)
    }

    /// Waits until it takes writes.
    pub(crate) async fn wait(&mut self) {
        let writable = |hello: &Document| hello.get_bool("isWritablePrimary").is_ok_and(|yes| yes);
        self.wait_for("a primary", doc! { "hello": 1 }, writable).await;
    }

    async fn wait_for(&mut self, what: &str, command: Document, holds: impl Fn(&Document) -> bool) {
        let deadline = Instant::now() + START;
        loop {
            if self.ask(command.clone()).await.is_ok_and(|reply| holds(&reply)) {
                return;
            }
            let ended = self.child.try_wait().unwrap();
            if ended.is_some() || Instant::now() >= deadline {
                let said = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
                let last: Vec<&str> = said.lines().rev().take(20).collect();
                panic!(
                    "{what}: not in time ({ended:?})\n{}",
                    last.into_iter().rev().collect::<Vec<_>>().join("\n")
                );
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn ask(&self, command: Document) -> mongodb::error::Result<Document> {
        let limits = "serverSelectionTimeoutMS=2000&connectTimeoutMS=2000";
        let uri = format!("mongodb://127.0.0.1:{}/?directConnection=true&{limits}", self.port);
        let client = Client::with_uri_str(uri).await?;
        let reply = client.database("admin").run_command(command).await;
        client.shutdown().immediate(true).await;
        reply
    }

    /// Stops it in its tracks: its connections stay open, and nothing comes back on them.
    pub(crate) fn freeze(&self) {
        self.signal("STOP");
    }

    pub(crate) fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    /// Kills it, as a loss of power would.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again over what it left.
    pub(crate) async fn restart(&mut self) {
        self.child = spawn(&self.program, &self.folder, self.port, self.replica_set);
        self.wait().await;
    }
}

impl Drop for Mongod {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(program: &PathBuf, folder: &TempDir, port: u16, replica_set: bool) -> Child {
    let log = fs::File::options().append(true).create(true).open(folder.path().join("log")).unwrap();
    let mut command = Command::new(program);
    command
        .args(["--bind_ip", "127.0.0.1", "--nounixsocket", "--wiredTigerCacheSizeGB", "0.25"])
        .args(["--port", &port.to_string()])
        .arg("--dbpath")
        .arg(folder.path().join("data"))
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log);
    if replica_set {
        // Members of a replica set with users have a key for each other.
        let key = folder.path().join("key");
        fs::write(&key, "bm9ib2R5IGVsc2UgaXMgaW4gdGhpcyBzZXQ=").unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        command.args(["--replSet", "rs0", "--oplogSize", "256", "--keyFile"]).arg(key);
    }
    command.spawn().unwrap()
}

/// Where mongod is: where `CLOUDAI_MONGOD` says, in PATH, or where `.ci/run` puts it.
fn program() -> Option<PathBuf> {
    if let Some(program) = std::env::var_os("CLOUDAI_MONGOD").filter(|program| !program.is_empty()) {
        let program = PathBuf::from(program);
        assert!(program.is_file(), "CLOUDAI_MONGOD: there is no {}", program.display());
        return Some(program);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).map(|folder| folder.join("mongod"));
    let test = std::env::current_exe().unwrap();
    let in_target = test.ancestors().map(|folder| folder.join("test-services/mongod/mongod"));
    in_path.chain(in_target).find(|program| program.is_file())
}
