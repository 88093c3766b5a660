//! Records in a real MongoDB. Skipped where there is no mongod, unless `CLOUDAI_TEST_REQUIRE` has `mongo`.

use std::time::Duration;

use mongodb::bson::{Bson, Document, doc};
use mongodb::{Client, Collection};

use super::processes::{Cluster, until};

#[path = "../../../runtime/tests/it/mongod.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod mongod;

use mongod::Mongod;

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(work)
}

/// A cluster on this server.
fn cluster(uri: String) -> Cluster {
    let settings =
        [("HEARTBEAT_INTERVAL", "200ms".to_owned()), ("INACTIVE_AFTER", "2s".to_owned()), ("MONGO_URI", uri)];
    Cluster::with_settings(&["w1"], settings.to_vec())
}

async fn find(collection: &Collection<Document>, task_id: &str) -> Document {
    collection.find_one(doc! { "task_id": task_id }).await.unwrap().unwrap()
}

#[test]
fn documents_are_as_specified() {
    block_on(async {
        let Some(server) = Mongod::replica_set().await else { return };
        let cluster = cluster(server.uri());
        let id = cluster.submit(&["--user", "ada"], "echo hello; exit 3");
        cluster.until_status(&id, "failed");
        assert!(cluster.document(&["status"])["store"].as_str().unwrap().starts_with("MongoDB"));

        let database = Client::with_uri_str(server.uri()).await.unwrap().database("cluster_db");
        let task = find(&database.collection("TASKS"), &id).await;
        assert_eq!(task.get_str("user_id").unwrap(), "ada");
        assert_eq!(task.get_str("docker_image").unwrap(), "busybox");
        assert_eq!(task.get_str("status").unwrap(), "failed");
        assert_eq!(task.get_str("assigned_worker").unwrap(), "w1");
        for amount in ["cpu_cores", "memory_gb", "storage_gb", "gpu_cores"] {
            assert!(matches!(task.get(amount), Some(Bson::Double(_))), "{amount}: {task}");
        }
        for time in ["created_at", "started_at", "completed_at"] {
            assert!(matches!(task.get(time), Some(Bson::DateTime(_))), "{time}: {task}");
        }
        assert_eq!(task.get_array("command").unwrap().len(), 3);

        let result = find(&database.collection("RESULTS"), &id).await;
        assert_eq!(result.get_str("worker_id").unwrap(), "w1");
        assert_eq!(result.get_str("status").unwrap(), "failed");
        assert_eq!(result.get("exit_code").and_then(Bson::as_i32), Some(3));
        assert_eq!(result.get_str("logs").unwrap(), "hello\n");
        assert!(result.get_f64("execution_time").unwrap() >= 0.0);
        assert!(matches!(result.get("completed_at"), Some(Bson::DateTime(_))));

        let workers: Collection<Document> = database.collection("WORKER_REGISTRY");
        let worker = workers.find_one(doc! { "worker_id": "w1" }).await.unwrap().unwrap();
        for field in
            ["worker_ip", "total_cpu", "total_memory", "total_storage", "total_gpu", "last_heartbeat"]
        {
            assert!(worker.contains_key(field), "{field}: {worker}");
        }
        assert!(worker.get_bool("is_active").unwrap());
        assert!(matches!(worker.get("registered_at"), Some(Bson::DateTime(_))));
    });
}

#[test]
fn a_store_that_is_away_delays_acknowledgements_and_loses_nothing() {
    block_on(async {
        let Some(mut server) = Mongod::replica_set().await else { return };
        let cluster = cluster(server.uri());
        let running = cluster.submit(&[], "sleep 2; echo done");
        cluster.until_status(&running, "running");
        server.kill();
        until("the master tells of it", || {
            // A write has to be missed first.
            let _ =
                cluster.place.command(&["task", "submit", "x"]).env("MASTER_ADDR", cluster.address()).spawn();
            std::thread::sleep(Duration::from_secs(1));
            cluster.document(&["status"])["store_ready"] == false
        });
        std::thread::sleep(Duration::from_secs(3));
        assert_eq!(
            cluster.document(&["workers"])["workers"][0]["state"],
            "active",
            "heartbeats are answered"
        );
        server.restart().await;
        until("what ended meanwhile is stored", || cluster.status_of(&running) == "completed");
        cluster.good(&["task", "submit", "busybox", "--wait", "--", "true"]);
        assert_eq!(cluster.document(&["status"])["store_ready"], true);
    });
}

#[test]
fn a_master_that_starts_again_goes_on_with_what_mongodb_has() {
    block_on(async {
        let Some(server) = Mongod::replica_set().await else { return };
        let mut cluster = cluster(server.uri());
        let running = cluster.submit(&[], "sleep 2; echo survived");
        cluster.until_status(&running, "running");
        let waiting = cluster.submit(&["--cpu", "4"], "echo later");
        cluster.kill_master();
        cluster.start_master();
        cluster.good(&["task", "wait", &running, &waiting]);
        assert_eq!(cluster.document(&["task", "show", &running])["attempt"], 1);
    });
}
