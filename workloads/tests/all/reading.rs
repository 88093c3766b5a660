//! Reading scenarios: what is understood, and what is refused with which message.

use cloudai_schedulers::model::{Duration, Time};
use cloudai_workloads::{LoadedBecause, Location, Scenario, Task};

use crate::support::{WORKERS, open, open_files, problems, problems_of, read, shared_data};

#[test]
fn an_id_that_no_list_can_name_is_refused() {
    let tasks = "task_id,arrival_s,duration_s\nb;ad,0,1\nfi|ne,0,1\n\"a\tb\",0,1\n";
    let expected =
        "has a ; or a control character; expected an id that a list with ; between its ids can name";
    assert_eq!(
        problems(tasks),
        format!("tasks.csv:2: task_id: \"b;ad\": {expected}\ntasks.csv:4: task_id: \"a\\tb\": {expected}")
    );
    let workers = WORKERS.replace("\nw1,", "\nw;1,");
    let told = problems_of(&[
        ("tasks.csv", b"task_id,arrival_s,duration_s\na,0,1\n"),
        ("workers.csv", workers.as_bytes()),
    ]);
    assert_eq!(told, format!("workers.csv:3: worker_id: \"w;1\": {expected}"));
}

#[test]
fn defaults_stand_in_for_empty_cells_and_missing_columns() {
    let (scenario, tasks) =
        open("task_id,arrival_s,duration_s,cpu_cores,priority\na,0,1.5,,\nb,0.5,2,0.25,-3\n").unwrap();
    assert_eq!(scenario.tasks, 2);
    assert_eq!(scenario.is_loaded(), None);
    let (a, b) = (&tasks[0], &tasks[1]);
    assert_eq!(a.name, "a");
    assert_eq!(a.duration, Duration::from_micros(1_500_000));
    assert_eq!(a.spec.request, cloudai_workloads::DEFAULT_REQUEST);
    assert_eq!((a.spec.replicas, a.spec.priority, a.spec.estimate), (1, 0, None));
    assert_eq!(b.spec.arrival, Time::from_micros(500_000));
    assert_eq!((b.spec.request.cpu_milli, b.spec.priority), (250, -3));
    assert_eq!((scenario.first_arrival, scenario.last_arrival), (Time::ZERO, Time::from_micros(500_000)));
    assert!(scenario.needs.priorities && scenario.needs.asks_cpu && !scenario.needs.estimates);
}

#[test]
fn tasks_that_are_held_are_not_read_again() {
    let folder = crate::support::folder(&[
        ("tasks.csv", b"task_id,arrival_s,duration_s,user_id\na,0,1,u\nb,1,1,v\n"),
        ("workers.csv", WORKERS.as_bytes()),
    ]);
    let (mut scenario, tasks) = read(&Location::Folder(folder.path().to_path_buf())).unwrap();
    scenario.hold().unwrap();
    assert_eq!(scenario.is_loaded(), Some(LoadedBecause::Asked));
    std::fs::remove_file(folder.path().join("tasks.csv")).unwrap();
    scenario.hold().unwrap();
    let (mut stream, mut task, mut again) = (scenario.stream().unwrap(), Task::default(), Vec::new());
    while stream.next_into(&mut task).unwrap() {
        again.push(task.clone());
    }
    assert_eq!(again, tasks);
}

#[test]
fn a_stream_shows_tasks_where_they_lie_and_none_at_its_ends() {
    let text = Location::text("task_id,arrival_s,duration_s\na,0,1\nb,2,1\n", WORKERS);
    let (mut scenario, tasks) = read(&text).unwrap();
    assert_eq!(scenario.is_loaded(), None);
    for held in [false, true] {
        if held {
            scenario.hold().unwrap();
        }
        let mut stream = scenario.stream().unwrap();
        assert_eq!(stream.task(), None);
        for task in &tasks {
            assert_eq!(stream.advance().unwrap(), Some(task.spec.arrival));
            assert_eq!(stream.task(), Some(task));
        }
        for _ in 0..2 {
            assert_eq!(stream.advance().unwrap(), None);
            assert_eq!(stream.task(), None);
        }
    }
}

#[test]
fn a_stream_can_be_taken_again() {
    let folder = crate::support::folder(&[
        ("tasks.csv", b"task_id,arrival_s,duration_s,user_id\na,0,1,u\nb,1,1,v\nc,2,1,u\n"),
        ("workers.csv", WORKERS.as_bytes()),
    ]);
    let (scenario, tasks) = read(&Location::Folder(folder.path().to_path_buf())).unwrap();
    assert_eq!(scenario.users, ["", "u", "v"]);
    for _ in 0..2 {
        let (mut stream, mut task, mut again) = (scenario.stream().unwrap(), Task::default(), Vec::new());
        while stream.next_into(&mut task).unwrap() {
            again.push(task.clone());
        }
        assert_eq!(again, tasks);
    }
    std::fs::write(folder.path().join("tasks.csv"), "task_id,arrival_s,duration_s\na,0,1\n").unwrap();
    let mut stream = scenario.stream().unwrap();
    let mut task = Task::default();
    assert!(stream.next_into(&mut task).unwrap());
    let error = stream.next_into(&mut task).unwrap_err().to_string();
    assert!(error.contains("changed while it was in use; expected the 3 tasks"), "{error}");
}

#[test]
fn unsorted_files_are_loaded_and_given_in_order_of_arrival_then_index() {
    let (scenario, tasks) = open("task_id,arrival_s,duration_s\na,5,1\nb,3,1\nc,5,1\nd,0,1\n").unwrap();
    assert_eq!(scenario.is_loaded(), Some(LoadedBecause::Unsorted { line: 3 }));
    let order: Vec<(&str, u32)> = tasks.iter().map(|task| (task.name.as_str(), task.spec.index)).collect();
    assert_eq!(order, [("d", 3), ("b", 1), ("a", 0), ("c", 2)]);
}

#[test]
fn byte_order_mark_crlf_quotes_and_blanks_are_understood() {
    let text = "\u{feff}task_id , arrival_s,duration_s,command\r\n\"a, b\", 1 ,2,\"x \"\"y\"\"\nz\"\r\n\r\nc,2,2,\r\n";
    let (_, tasks) = open(text).unwrap();
    assert_eq!(tasks.len(), 2);
    assert_eq!(tasks[0].name, "a, b");
    assert_eq!(
        problems("\u{feff}task_id,arrival_s,duration_s,command\r\na,0,1,\"x\r\ny\"\r\nb,0,-1,\r\n"),
        "tasks.csv:4: duration_s: \"-1\": is negative; expected seconds, 0 to 10^11"
    );
}

#[test]
fn constraints_users_and_families_are_interned() {
    let (scenario, tasks) = open(
        "task_id,arrival_s,duration_s,user_id,docker_image,gpu_cores,gpu_model,labels\n\
         a,0,1,u,x,1,A100|V100,\nb,0,1,u,y,1,V100|A100,\nc,0,1,u,x,0,,disk=ssd; zone=a\nd,0,1,,,0,,\n",
    )
    .unwrap();
    let ids: Vec<u32> = tasks.iter().map(|task| task.spec.constraint.0).collect();
    assert_eq!(ids, [1, 1, 2, 0]);
    assert!(scenario.constraints[1].allows(&scenario.workers[0]));
    assert!(!scenario.constraints[2].allows(&scenario.workers[1]));
    assert_eq!(tasks[0].spec.family, tasks[2].spec.family);
    assert_ne!(tasks[0].spec.family, tasks[1].spec.family);
    assert_eq!(tasks[3].spec.user.0, 0);
    assert!(scenario.needs.gpus && scenario.needs.gpu_models && scenario.needs.labels);
    assert_eq!(scenario.profile.tasks, 4);
    assert_eq!(scenario.profile.shapes.iter().map(|shape| shape.count).collect::<Vec<_>>(), [2, 1, 1]);
}

#[test]
fn every_bad_cell_is_told_with_line_column_value_and_expectation() {
    let found = problems(
        "task_id,arrival_s,duration_s,cpu_cores,gpu_cores,replicas,priority,labels\n\
         ,0,1,,,,,\nb,,1,,,,,\nc,-1,1,,,,,\nd,0,inf,,,,,\ne,0,1,two,,,,\nf,0,1,,1.5,,,\ng,0,1,,,0,,\n\
         h,0,1,,,1.5,,\ni,0,1,,,,high,\nj,0,1,,,,,zone\nk,0,1\nl,0,1e12,,,,,\n",
    );
    let expected = [
        "tasks.csv:2: task_id: \"\": is missing; expected a text that names the task",
        "tasks.csv:3: arrival_s: \"\": is missing; expected seconds, 0 to 10^11",
        "tasks.csv:4: arrival_s: \"-1\": is negative; expected seconds, 0 to 10^11",
        "tasks.csv:5: duration_s: \"inf\": is not finite; expected seconds, 0 to 10^11",
        "tasks.csv:6: cpu_cores: \"two\": is not a number; expected a number of cores, 0 or more",
        "tasks.csv:7: gpu_cores: \"1.5\": expected 0, a fraction of one GPU, or a whole number",
        "tasks.csv:8: replicas: \"0\": expected a whole number from 1 to 1000000",
        "tasks.csv:9: replicas: \"1.5\": is not a whole number; expected a whole number from 1 to 1000000",
        "tasks.csv:10: priority: \"high\": is not a number; expected a whole number from -2147483648 to 2147483647",
        "tasks.csv:11: labels: \"zone\": \"zone\" is not of the form k=v; expected k=v pairs with ; between them, each key once",
        "tasks.csv:12: has 3 cells; expected 8, as in the header",
        "tasks.csv:13: duration_s: \"1e12\": is too large; expected seconds, 0 to 10^11",
    ];
    assert_eq!(found.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn headers_are_checked() {
    let found = problems("task_id,arrival_s,arrival_s,cores\na,0,1,1\n");
    let lines: Vec<&str> = found.lines().collect();
    assert_eq!(
        lines[0],
        "tasks.csv:1: arrival_s: \"arrival_s\": the column stands there twice; expected it once"
    );
    assert!(
        lines[1].starts_with("tasks.csv:1: \"cores\": unknown column; expected some of task_id, arrival_s,")
    );
    assert_eq!(
        lines[2],
        "tasks.csv:1: duration_s: the column is missing; expected one with seconds, 0 to 10^11"
    );
    assert_eq!(
        problems(""),
        "tasks.csv: is empty; expected a header with at least task_id, arrival_s, duration_s"
    );
    assert_eq!(
        problems("task_id,arrival_s,duration_s\n"),
        "tasks.csv: has no tasks; expected at least one row"
    );
}

#[test]
fn bytes_that_are_not_utf8_are_a_problem_of_their_cell() {
    let found = problems(b"task_id,arrival_s,duration_s,user_id\na,0,1,\xff\xfe\n\xff,0,1,u\n");
    assert!(found.starts_with("tasks.csv:2: user_id: \""), "{found}");
    assert!(found.contains("tasks.csv:3: task_id:"), "{found}");
}

#[test]
fn duplicates_name_both_lines() {
    let found = problems("task_id,arrival_s,duration_s\na,0,1\nb,0,1\na,1,1\na,2,1\n");
    let expected = "tasks.csv:4: task_id: \"a\": duplicate id, first on line 2; expected an id of its own\n\
                    tasks.csv:5: task_id: \"a\": duplicate id, first on line 2; expected an id of its own";
    assert_eq!(found, expected);
    let workers = "worker_id,total_cpu,total_memory,total_storage,total_gpu\nw,1,1,1,0\nw,1,1,1,0.5\n";
    let found = problems_of(&[
        ("tasks.csv", b"task_id,arrival_s,duration_s\na,0,1\n"),
        ("workers.csv", workers.as_bytes()),
    ]);
    let expected = "workers.csv:3: total_gpu: \"0.5\": is not a whole number; expected a whole number of GPUs from 0 to 64\n\
                    workers.csv:3: worker_id: \"w\": duplicate id, first on line 2; expected an id of its own";
    assert_eq!(found, expected);
}

#[test]
fn a_task_that_fits_nowhere_is_an_error() {
    let found = problems(
        "task_id,arrival_s,duration_s,cpu_cores,gpu_cores,gpu_model,replicas\n\
         ok,0,1,8,,,\nbig,0,1,9,,,\nmodel,0,1,1,1,H100,\ngang,0,1,4,,,4\nfits,0,1,4,,,3\nparts,0,1,0,0.6,,3\n",
    );
    let expected = [
        "tasks.csv:3: task_id: \"big\": fits nowhere: asks for cpu 9, memory 0.5 GB, storage 1 GB; expected what fits \
         one worker (of 2 allowed workers, the most in each: cpu 8, memory 16 GB, storage 100 GB, gpu 2)",
        "tasks.csv:4: task_id: \"model\": fits nowhere: asks for cpu 1, memory 0.5 GB, storage 1 GB, gpu 1, \
         gpu_model H100; expected what some of the 2 workers has",
        "tasks.csv:5: task_id: \"gang\": fits nowhere: asks for 4 replicas, each of cpu 4, memory 0.5 GB, storage 1 GB; \
         expected what fits the workers together (of 2 allowed workers, the most in each: cpu 8, memory 16 GB, \
         storage 100 GB, gpu 2)",
        "tasks.csv:7: task_id: \"parts\": fits nowhere: asks for 3 replicas, each of cpu 0, memory 0.5 GB, storage 1 GB, \
         gpu 0.6; expected what fits the workers together (of 2 allowed workers, the most in each: cpu 8, memory 16 GB, \
         storage 100 GB, gpu 2)",
    ];
    assert_eq!(found.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn dependencies_may_point_forward_and_merge_with_edges() {
    let tasks = b"task_id,arrival_s,duration_s,depends_on\na,0,1,b; c\nb,0,1,\nc,0,1,b;b\n";
    let edges = b"from_task,to_task,transfer_s\nb,a,2.5\nb,a,2.5\n";
    let files: [(&str, &[u8]); 3] =
        [("tasks.csv", tasks), ("workers.csv", WORKERS.as_bytes()), ("edges.csv", edges)];
    let (scenario, _) = open_files(&files).unwrap();
    let edges: Vec<(u32, u32, u64)> =
        scenario.edges.iter().map(|edge| (edge.from, edge.to, edge.transfer.micros())).collect();
    assert_eq!(edges, [(1, 0, 2_500_000), (1, 2, 0), (2, 0, 0)]);
    assert!(scenario.needs.dependencies && scenario.needs.transfers);
    assert_eq!(scenario.is_loaded(), Some(LoadedBecause::Dependencies));
}

#[test]
fn bad_dependencies_are_told() {
    let found = problems("task_id,arrival_s,duration_s,depends_on\na,0,1,x\nb,0,1,b\n");
    assert_eq!(
        found,
        "tasks.csv:2: depends_on: \"x\": unknown task; expected the id of a task in this file\n\
         tasks.csv:3: depends_on: \"b\": is the task itself; expected another task"
    );
    let found =
        problems("task_id,arrival_s,duration_s,depends_on\nz,0,1,\na,0,1,c;z\nb,0,1,a\nc,0,1,b\nd,0,1,c\n");
    assert_eq!(
        found,
        "tasks.csv:2: depends_on: dependency cycle a -> b -> c -> a; expected no cycle".replace(":2:", ":3:")
    );
    let files: [(&str, &[u8]); 3] = [
        ("tasks.csv", b"task_id,arrival_s,duration_s,depends_on\na,0,1,b\nb,0,1,\n"),
        ("workers.csv", WORKERS.as_bytes()),
        ("edges.csv", b"from_task,to_task,transfer_s\na,b,1\n"),
    ];
    assert!(problems_of(&files).contains("dependency cycle a -> b -> a"), "{}", problems_of(&files));
    let files: [(&str, &[u8]); 3] = [
        ("tasks.csv", b"task_id,arrival_s,duration_s\na,0,1\nb,0,1\n"),
        ("workers.csv", WORKERS.as_bytes()),
        ("edges.csv", b"from_task,to_task,transfer_s\na,b,1\na,b,2\na,a,1\nb,q,1\n"),
    ];
    let found = problems_of(&files);
    assert!(
        found.contains("edges.csv:3: transfer_s: \"2\": differs from line 2, which states the same edge"),
        "{found}"
    );
    assert!(found.contains("edges.csv:4: to_task: \"a\": is the task itself"), "{found}");
    assert!(found.contains("edges.csv:5: to_task: \"q\": unknown task"), "{found}");
}

#[test]
fn durations_by_pair_are_found() {
    let tasks: &[u8] = b"task_id,arrival_s,duration_s\na,0,1\nb,0,1\n";
    let with = |durations: &'static str| {
        [("tasks.csv", tasks), ("workers.csv", WORKERS.as_bytes()), ("durations.csv", durations.as_bytes())]
    };
    let (scenario, _) = open_files(&with("task_id,worker_id,duration_s\nb,w1,3\nb,w0,2\n")).unwrap();
    let durations = scenario.durations.unwrap();
    assert_eq!(durations.get(1, 0), Some(Duration::from_secs(2)));
    assert_eq!(durations.get(1, 1), Some(Duration::from_secs(3)));
    assert_eq!(durations.get(0, 0), None);
    assert_eq!(durations.get(9, 9), None);
    let found = problems_of(&with("task_id,worker_id,duration_s\nx,w1,3\nb,w9,2\na,w0,1\na,w0,2\n"));
    let expected = "durations.csv:2: task_id: \"x\": unknown task; expected the id of a task in the file of tasks\n\
                    durations.csv:3: worker_id: \"w9\": unknown worker; expected the id of a worker in the file of workers\n\
                    durations.csv:5: states the same task and worker as line 4";
    assert_eq!(found, expected);
}

#[test]
fn problems_of_all_files_come_together() {
    let files: [(&str, &[u8]); 3] = [
        ("tasks.csv", b"task_id,arrival_s,duration_s\na,x,1\n"),
        ("workers.csv", b"worker_id,total_cpu,total_memory,total_storage,total_gpu\n"),
        ("scenario.toml", b"on_full = 'reject'\n"),
    ];
    let expected = "workers.csv: has no workers; expected at least one row\n\
                    tasks.csv:2: arrival_s: \"x\": is not a number; expected seconds, 0 to 10^11";
    assert_eq!(problems_of(&files), expected);
    let found = problems_of(&[("scenario.toml", b"on_full = 3\n")]);
    assert!(found.contains("tasks.csv: cannot be read: "), "{found}");
    assert!(found.contains("scenario.toml:1: on_full: \"3\": expected wait or reject"), "{found}");
    let missing = Scenario::check(&Location::Folder("no/such/folder".into())).unwrap_err().to_string();
    assert!(missing.starts_with("no/such/folder: is not a folder; expected a scenario"), "{missing}");
}

#[test]
fn the_hash_is_of_the_input_files_and_nothing_else() {
    let tasks: &[u8] = b"task_id,arrival_s,duration_s\na,0,1\n";
    let hash = |files: &[(&str, &[u8])]| open_files(files).unwrap().0.hash;
    let plain = hash(&[("tasks.csv", tasks), ("workers.csv", WORKERS.as_bytes())]);
    let settings: (&str, &[u8]) = ("scenario.toml", b"name = 'other'\n");
    assert_eq!(plain, hash(&[("tasks.csv", tasks), ("workers.csv", WORKERS.as_bytes()), settings]));
    let other: &[u8] = b"task_id,arrival_s,duration_s\na,0,2\n";
    assert_ne!(plain, hash(&[("tasks.csv", other), ("workers.csv", WORKERS.as_bytes())]));
    assert_eq!(plain.len(), 64);
}

#[test]
fn the_example_of_topcuoglu_is_read() {
    let Some(folder) = shared_data("heft-2002") else { return };
    let (scenario, tasks) = read(&Location::Folder(folder)).unwrap();
    assert_eq!((tasks.len(), scenario.workers.len(), scenario.edges.len()), (10, 3, 15));
    assert_eq!(scenario.durations.unwrap().get(0, 2), Some(Duration::from_secs(9)));
    assert_eq!(scenario.name, "heft-2002");
}

#[cfg(unix)]
#[test]
fn a_pipe_is_read_once_and_kept() {
    let folder = crate::support::folder(&[("workers.csv", WORKERS.as_bytes())]);
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    if !made.is_ok_and(|status| status.success()) {
        eprintln!("skipped: mkfifo makes no pipe here");
        return;
    }
    let write = pipe.clone();
    let writer = std::thread::spawn(move || std::fs::write(write, "task_id,arrival_s,duration_s\na,0,1\n"));
    let (scenario, tasks) = read(&Location::files(&pipe, folder.path().join("workers.csv"))).unwrap();
    writer.join().unwrap().unwrap();
    assert_eq!((scenario.is_loaded(), tasks.len()), (Some(LoadedBecause::Pipe), 1));
    assert_eq!(scenario.name, "pipe");
}

#[test]
fn a_quote_left_open_is_named_where_its_row_begins() {
    let tasks = "task_id,arrival_s,duration_s,cpu_cores\n\"a,0,1,1\n";
    let workers = "worker_id,total_cpu,total_memory,total_storage,total_gpu\nw,4,4,4,0\n";
    let error = Scenario::check(&Location::text(tasks, workers)).unwrap_err().to_string();
    assert!(error.contains("tasks.csv:2: has 1 cell; expected 4"), "{error}");
    assert!(error.contains("is a quote left open?"), "{error}");
}

/// In the last column it leaves as many cells as there have to be, and would swallow the rest of the file without a word.
#[test]
fn a_quote_left_open_in_the_last_column_is_an_error() {
    let (tasks, workers) = (
        "task_id,arrival_s,duration_s,user_id\n",
        "worker_id,total_cpu,total_memory,total_storage,total_gpu\n",
    );
    for row in ["a,0,1,\"x\nb,0,1,y\n", "a,0,1,x\nb,0,1,\"", "a,0,1,\"x\"\"\n"] {
        let found =
            Scenario::check(&Location::text(format!("{tasks}{row}"), format!("{workers}w,4,4,4,0\n")));
        let error = found.unwrap_err().to_string();
        assert!(
            error.contains("has a quote that is left open up to the end of the file; expected a closing one"),
            "{error}"
        );
    }
    let gpu_model =
        "worker_id,total_cpu,total_memory,total_storage,total_gpu,gpu_model\nv,4,4,4,0,\"A\nw,4,4,4,0,B\n";
    let error =
        Scenario::check(&Location::text(format!("{tasks}a,0,1,\"x\"\n"), gpu_model)).unwrap_err().to_string();
    assert!(error.contains("workers.csv:2: has a quote that is left open"), "{error}");
}

#[test]
fn lines_of_blanks_before_the_header_are_skipped() {
    let workers = "\r\n  \r\n\nworker_id,total_cpu,total_memory,total_storage,total_gpu\r\nw,4,4,4,0\r\n";
    let tasks = |header: &str| format!("{header}task_id,arrival_s,duration_s\na,0,1\nb,0,x\n");
    for blank in ["\n", "\r\n", "\u{feff}\r\n", " \t\n"] {
        let error = Scenario::check(&Location::text(tasks(blank), workers)).unwrap_err().to_string();
        assert!(error.starts_with("tasks.csv:4: duration_s: \"x\""), "{error}");
    }
    let error = Scenario::check(&Location::text(" \r\n", workers)).unwrap_err().to_string();
    assert!(error.contains("tasks.csv: is empty"), "{error}");
}
