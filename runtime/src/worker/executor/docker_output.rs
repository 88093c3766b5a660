//! What comes out of a container: output and usage.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::query_parameters::{LogsOptionsBuilder, StatsOptionsBuilder};
use cloudai_proto::v1;
use futures_util::StreamExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::task::JoinHandle;

use super::LogFiles;
use crate::record::UnixMicros;

/// How long the last output may take after the end of a container.
const LAST_OUTPUT: Duration = Duration::from_secs(5);
/// Between samples of the usage.
const SAMPLE: Duration = Duration::from_secs(5);

/// The output of a container on its way into files.
#[derive(Debug)]
pub(super) struct Output {
    docker: Docker,
    name: String,
    files: LogFiles,
    task: JoinHandle<bool>,
}

impl Output {
    /// Copies from the beginning, and goes on while the container runs.
    pub(super) fn follow(docker: Docker, name: String, files: LogFiles) -> Self {
        let (engine, container, into) = (docker.clone(), name.clone(), files.clone());
        let task = tokio::spawn(async move { copy(&engine, &container, &into, true).await.is_ok() });
        Self { docker, name, files, task }
    }

    /// Everything is in the files when this returns. The container has ended.
    pub(super) async fn finish(mut self) {
        let whole = tokio::time::timeout(LAST_OUTPUT, &mut self.task).await;
        if !matches!(whole, Ok(Ok(true))) {
            self.task.abort();
            Self::collect(&self.docker, &self.name, &self.files).await;
        }
    }

    /// Copies what there is.
    pub(super) async fn collect(docker: &Docker, name: &str, files: &LogFiles) {
        if let Err(error) = copy(docker, name, files, false).await {
            tracing::warn!(name, error, "cannot read the output of a container");
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn copy(docker: &Docker, name: &str, files: &LogFiles, follow: bool) -> Result<(), String> {
    let create = |path| async move { tokio::fs::File::create(path).await.map_err(|error| error.to_string()) };
    let mut stdout = create(&files.stdout).await?;
    let mut stderr = create(&files.stderr).await?;
    let options = LogsOptionsBuilder::default().stdout(true).stderr(true).follow(follow).build();
    let mut chunks = docker.logs(name, Some(options));
    while let Some(chunk) = chunks.next().await {
        let (file, bytes) = match chunk.map_err(|error| error.to_string())? {
            LogOutput::StdErr { message } => (&mut stderr, message),
            LogOutput::StdOut { message } | LogOutput::Console { message } => (&mut stdout, message),
            LogOutput::StdIn { .. } => continue,
        };
        file.write_all(&bytes).await.map_err(|error| error.to_string())?;
        // So that who follows the file sees it.
        file.flush().await.map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// The usage of a container, sampled now and then: the engine forgets it with the end.
#[derive(Debug)]
pub(super) struct Usage {
    last: Arc<Mutex<Option<v1::ResourceUsage>>>,
    task: JoinHandle<()>,
}

impl Usage {
    pub(super) fn watch(docker: Docker, name: String) -> Self {
        let last = Arc::new(Mutex::new(None::<v1::ResourceUsage>));
        let into = last.clone();
        let task = tokio::spawn(async move {
            // Soon after the start, for the short ones.
            let mut pause = Duration::from_millis(500);
            loop {
                tokio::time::sleep(pause).await;
                pause = SAMPLE;
                let options = StatsOptionsBuilder::default().stream(false).one_shot(true).build();
                let Some(Ok(stats)) = docker.stats(&name, Some(options)).next().await else { continue };
                let cpu = stats.cpu_stats.and_then(|cpu| cpu.cpu_usage?.total_usage).unwrap_or(0);
                let memory = stats.memory_stats.map_or(0, |m| m.max_usage.or(m.usage).unwrap_or(0));
                let mut last = into.lock().unwrap_or_else(PoisonError::into_inner);
                let before = last.unwrap_or_default();
                *last = Some(v1::ResourceUsage {
                    cpu_s: before.cpu_s.max(cpu as f64 / 1e9),
                    peak_memory: before.peak_memory.max(memory as f64 / f64::from(1 << 20)),
                });
            }
        });
        Self { last, task }
    }

    /// What was seen last; nothing if the container was too short.
    pub(super) fn last(&self) -> Option<v1::ResourceUsage> {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Usage {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Microseconds since the unix epoch of a time as Docker writes it, `2026-01-31T12:00:00.123456789Z`; none of one before it,
/// as Docker writes "never".
pub(super) fn parse_time(text: &str) -> Option<UnixMicros> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.split('-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut time = time.split(':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    let micros: i64 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    if year < 1970 {
        return None;
    }
    // Years that begin in March have their odd day at their end.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000_000 + micros)
}

#[cfg(test)]
mod tests {
    use super::parse_time;

    #[test]
    fn times_are_read_as_docker_writes_them() {
        assert_eq!(parse_time("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(parse_time("2024-02-29T23:59:59.5Z"), Some(1_709_251_199_500_000));
        assert_eq!(parse_time("2026-11-28T00:01:33.123456789Z"), Some(1_795_824_093_123_456));
        assert_eq!(parse_time("0001-01-01T00:00:00Z"), None);
        assert_eq!(parse_time("yesterday"), None);
    }
}
