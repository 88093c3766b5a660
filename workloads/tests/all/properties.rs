//! Properties: no input panics the readers, and what is written reads back.

use std::collections::{BTreeMap, BTreeSet};

use cloudai_schedulers::model::{
    Capacity, Constraint, Duration, GpuRequest, Request, Speed, Time, WorkerSpec,
};
use cloudai_workloads::openb::{self, Arrivals};
use cloudai_workloads::{
    Location, Scenario, SettingError, Settings, TaskColumn, TaskRow, TaskWriter, swf, write_workers,
};
use proptest::prelude::*;

use crate::support::{WORKERS, folder, read};

const EVERY_COLUMN: [TaskColumn; 14] = [
    TaskColumn::CpuCores,
    TaskColumn::MemoryGb,
    TaskColumn::StorageGb,
    TaskColumn::GpuCores,
    TaskColumn::EstimateS,
    TaskColumn::UserId,
    TaskColumn::DockerImage,
    TaskColumn::Command,
    TaskColumn::Priority,
    TaskColumn::DeadlineS,
    TaskColumn::DependsOn,
    TaskColumn::Replicas,
    TaskColumn::GpuModel,
    TaskColumn::Labels,
];

/// Cells that are likely to upset a reader, among good ones.
fn cell() -> impl Strategy<Value = String> {
    let nasty = [
        "",
        "0",
        "1",
        "2",
        "t1",
        "t2",
        "w0",
        "w1",
        "1.5",
        "-1",
        "-0",
        "1e3",
        "1e-400",
        "1e400",
        "inf",
        "NaN",
        "99999999999999999999",
        "100000000001",
        "0.0000001",
        "\"",
        "\"a\nb\"",
        "a;b",
        "t1;t2",
        "k=v",
        "=",
        "k=v;k=w",
        "A100|V100",
        "\u{feff}",
        "\r",
        " ",
    ];
    prop_oneof![8 => prop::sample::select(nasty.to_vec()).prop_map(str::to_owned), 1 => ".{0,6}"]
}

fn table(header: &'static str, width: usize) -> impl Strategy<Value = Vec<u8>> {
    let row = prop::collection::vec(cell(), width - 1..width + 2).prop_map(|cells| cells.join(","));
    prop::collection::vec(row, 0..6)
        .prop_map(move |rows| format!("{header}\n{}", rows.join("\n")).into_bytes())
}

/// Nothing of what is read may panic; what comes out must be in order.
fn read_anything(files: &[(&str, &[u8])]) {
    let folder = folder(files);
    match read(&Location::Folder(folder.path().to_path_buf())) {
        Ok((scenario, tasks)) => {
            assert_eq!(scenario.tasks, tasks.len() as u64);
            assert!(tasks.is_sorted_by_key(|task| (task.spec.arrival, task.spec.index)));
            assert_eq!(scenario.profile.shapes.iter().map(|shape| shape.count).sum::<u64>(), scenario.tasks);
            assert!(scenario.edges.is_sorted());
        }
        Err(problems) => {
            assert!(problems.count() > 0);
            assert!(!problems.to_string().is_empty());
        }
    }
}

/// A text as a cell can hold it: blanks around it are not kept.
fn text() -> impl Strategy<Value = String> {
    "[a-z,\"\n ]{0,8}".prop_map(|text| text.trim().to_owned())
}

fn request() -> impl Strategy<Value = Request> {
    let gpu = prop_oneof![Just(0u64), 1u64..1000, (1u64..=64).prop_map(|devices| devices * 1000)];
    (0u64..1_000_000_000, 0u64..1_000_000_000, 0u64..1_000_000_000, gpu).prop_map(
        |(cpu_milli, memory_mib, storage_mib, gpu)| Request {
            cpu_milli,
            memory_mib,
            storage_mib,
            gpu: GpuRequest::from_milli(gpu).unwrap(),
        },
    )
}

#[derive(Clone, Debug)]
struct Written {
    arrival: u64,
    duration: u64,
    request: Request,
    estimate: Option<u64>,
    deadline: Option<u64>,
    texts: (String, String, String),
    priority: i32,
    constraint: Constraint,
}

fn written() -> impl Strategy<Value = Written> {
    const MOST: u64 = 100_000_000_000_000_000;
    let constraint = (any::<bool>(), any::<bool>()).prop_map(|(model, label)| Constraint {
        gpu_models: if model {
            BTreeSet::from(["A 100".to_owned(), "V100".to_owned()])
        } else {
            BTreeSet::new()
        },
        labels: if label { BTreeMap::from([("zone".to_owned(), "a=b".to_owned())]) } else { BTreeMap::new() },
    });
    let times = (0..=MOST, 0..=MOST, prop::option::of(0..=MOST), prop::option::of(0..=MOST));
    (times, request(), (text(), text(), text()), any::<i32>(), constraint).prop_map(
        |((arrival, duration, estimate, deadline), request, texts, priority, constraint)| Written {
            arrival,
            duration,
            request,
            estimate,
            deadline,
            texts,
            priority,
            constraint,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn any_bytes_are_read_or_refused(tasks in prop::collection::vec(any::<u8>(), 0..300)) {
        read_anything(&[("tasks.csv", &tasks), ("workers.csv", WORKERS.as_bytes())]);
        read_anything(&[("tasks.csv", b"task_id,arrival_s,duration_s\na,0,1\n"), ("workers.csv", &tasks)]);
        let mut with_header = b"task_id,arrival_s,duration_s\n".to_vec();
        with_header.extend_from_slice(&tasks);
        read_anything(&[("tasks.csv", &with_header), ("workers.csv", WORKERS.as_bytes())]);
    }

    #[test]
    fn any_cells_are_read_or_refused(
        tasks in table("task_id,arrival_s,duration_s,cpu_cores,gpu_cores,depends_on,replicas,gpu_model,labels,priority", 10),
        more in table("task_id,arrival_s,duration_s", 3),
        edges in table("from_task,to_task,transfer_s", 3),
        durations in table("task_id,worker_id,duration_s", 3),
        settings in ".{0,40}",
    ) {
        read_anything(&[("tasks.csv", &tasks), ("workers.csv", WORKERS.as_bytes())]);
        let good: &[u8] = b"task_id,arrival_s,duration_s\nt1,0,1\nt2,0,1\n";
        for tasks in [&more[..], good] {
            let workers = ("workers.csv", WORKERS.as_bytes());
            read_anything(&[("tasks.csv", tasks), workers, ("edges.csv", &edges)]);
            read_anything(&[("tasks.csv", tasks), workers, ("durations.csv", &durations)]);
        }
        read_anything(&[("tasks.csv", good), ("workers.csv", WORKERS.as_bytes()), ("scenario.toml", settings.as_bytes())]);
    }

    #[test]
    fn any_log_is_imported_or_refused(log in prop::collection::vec(any::<u8>(), 0..200), rows in table("; MaxProcs: 9", 18)) {
        let spaced: Vec<u8> = rows.iter().map(|&byte| if byte == b',' { b' ' } else { byte }).collect();
        let keep = folder(&[("a.swf", &log), ("b.swf", &spaced)]);
        for name in ["a.swf", "b.swf"] {
            let out = keep.path().join(format!("{name}-out"));
            let done = swf::import(&keep.path().join(name), Some(100), &out).is_ok();
            prop_assert_eq!(done, out.exists());
            if done {
                Scenario::check(&Location::Folder(out)).unwrap();
            }
        }
        let out = keep.path().join("openb");
        let _ = openb::import(&keep.path().join("a.swf"), &keep.path().join("b.swf"), Arrivals::Trace, &out);
    }

    #[test]
    fn any_setting_is_taken_or_refused(key in prop::sample::select(Settings::KEYS.to_vec()), value in ".{0,12}") {
        let mut settings = Settings::default();
        match settings.set(key, &value) {
            Ok(()) => {
                let shown = settings.in_force().into_iter().find(|(shown, _)| shown == key).unwrap().1;
                let mut again = Settings::default();
                again.set(key, &shown).unwrap();
                prop_assert_eq!(settings, again);
            }
            Err(SettingError::BadValue { key: named, .. }) => prop_assert_eq!(named, key),
            Err(other) => prop_assert!(false, "{}", other),
        }
    }

    #[test]
    fn what_is_written_reads_back(rows in prop::collection::vec(written(), 1..8), speed in 1u32..5_000_000) {
        let capacity = Capacity { cpu_milli: 999_999_999_999, memory_mib: 999_999_999_999, storage_mib: 1_000_000_000_000, gpus: 64 };
        let worker = WorkerSpec {
            name: "w, \"1\"".to_owned(),
            capacity,
            gpu_model: Some("A 100".to_owned()),
            speed: Speed::from_millionths(speed).unwrap(),
            labels: BTreeMap::from([("zone".to_owned(), "a=b".to_owned())]),
        };
        let keep = folder(&[]);
        let file = |name: &str| std::fs::File::create(keep.path().join(name)).unwrap();
        write_workers(file("workers.csv"), std::slice::from_ref(&worker)).unwrap();
        let mut writer = TaskWriter::new(file("tasks.csv"), &EVERY_COLUMN).unwrap();
        let ids: Vec<String> = (0..rows.len()).map(|index| format!("t{index}")).collect();
        for (index, row) in rows.iter().enumerate() {
            writer.write(&TaskRow {
                task_id: &ids[index],
                arrival: Time::from_micros(row.arrival),
                duration: Duration::from_micros(row.duration),
                request: row.request,
                estimate: row.estimate.map(Duration::from_micros),
                user_id: &row.texts.0,
                docker_image: &row.texts.1,
                command: &row.texts.2,
                priority: row.priority,
                deadline: row.deadline.map(Time::from_micros),
                depends_on: &ids[..index],
                replicas: 1,
                constraint: Some(&row.constraint),
            }).unwrap();
        }
        writer.finish().unwrap();
        let (scenario, mut tasks) = read(&Location::Folder(keep.path().to_path_buf())).unwrap();
        prop_assert_eq!(&scenario.workers, &[worker]);
        prop_assert_eq!(scenario.edges.len(), rows.len() * (rows.len() - 1) / 2);
        tasks.sort_by_key(|task| task.spec.index);
        for (row, task) in rows.iter().zip(&tasks) {
            prop_assert_eq!(task.duration.micros(), row.duration);
            prop_assert_eq!(task.spec.arrival.micros(), row.arrival);
            prop_assert_eq!(task.spec.request, row.request);
            prop_assert_eq!(task.spec.estimate.map(Duration::micros), row.estimate);
            prop_assert_eq!(task.spec.deadline.map(Time::micros), row.deadline);
            prop_assert_eq!(task.spec.priority, row.priority);
            prop_assert_eq!(&scenario.users[task.spec.user.0 as usize], &row.texts.0);
            prop_assert_eq!(&scenario.constraints[task.spec.constraint.0 as usize], &row.constraint);
        }
    }
}
