//! What the tests share: scenarios written to a temporary folder, and the data beside the project.

use std::path::PathBuf;

use cloudai_workloads::{Location, Problems, Scenario, Task};
use tempfile::TempDir;

/// A worker that holds every small task.
pub(crate) const WORKERS: &str = "worker_id,total_cpu,total_memory,total_storage,total_gpu,gpu_model,speed,labels\n\
     w0,8,16,100,2,A100,1.0,zone=a;disk=ssd\nw1,4,8,100,0,,2,zone=b\n";

/// A scenario folder with these files.
pub(crate) fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

/// Opens a scenario of these tasks on [`WORKERS`].
pub(crate) fn open(tasks: impl AsRef<[u8]>) -> Result<(Scenario, Vec<Task>), Problems> {
    open_files(&[("tasks.csv", tasks.as_ref()), ("workers.csv", WORKERS.as_bytes())])
}

pub(crate) fn open_files(files: &[(&str, &[u8])]) -> Result<(Scenario, Vec<Task>), Problems> {
    let folder = folder(files);
    read(&Location::Folder(folder.path().to_path_buf()))
}

pub(crate) fn read(location: &Location) -> Result<(Scenario, Vec<Task>), Problems> {
    let mut tasks = Vec::new();
    let scenario = Scenario::open(location, &mut |task| tasks.push(task.clone()))?;
    Ok((scenario, tasks))
}

/// The problems of these tasks, one a line, without the path of the folder.
pub(crate) fn problems(tasks: impl AsRef<[u8]>) -> String {
    problems_of(&[("tasks.csv", tasks.as_ref()), ("workers.csv", WORKERS.as_bytes())])
}

pub(crate) fn problems_of(files: &[(&str, &[u8])]) -> String {
    let folder = folder(files);
    let error = read(&Location::Folder(folder.path().to_path_buf())).unwrap_err().to_string();
    error.replace(&format!("{}/", folder.path().display()), "")
}

/// The real logs, if they are on this machine; a test that gets `None` ends, and has said why.
pub(crate) fn shared_data(file: &str) -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let folder = std::env::var_os("CLOUDAI_DATA_DIR").map_or_else(beside, PathBuf::from);
    let path = folder.join(file);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {} is not there (set CLOUDAI_DATA_DIR to the folder with the logs)", path.display());
    None
}
