//! What tab offers.

use super::super::submission::{TASK_OPTIONS, TaskOption};
use super::catalogue::{Argument, Spec};

/// Names that the master knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) tasks: Vec<String>,
    pub(super) workers: Vec<String>,
    pub(super) strategies: Vec<String>,
}

/// The place of the word before the cursor, and what it can become. `names` is asked only if it is needed.
pub(super) fn complete(line: &str, names: impl FnOnce(Argument) -> Names) -> (usize, Vec<String>) {
    let start = line
        .rfind(char::is_whitespace)
        .map_or(0, |at| at + line[at..].chars().next().map_or(1, char::len_utf8));
    let word = &line[start..];
    let before: Vec<&str> = line[..start].split_whitespace().collect();
    let offered = offers(&before, word, names);
    let lower = word.to_lowercase();
    let mut fitting: Vec<String> =
        offered.into_iter().filter(|offer| offer.to_lowercase().starts_with(&lower)).collect();
    fitting.dedup();
    (start, fitting)
}

fn offers(before: &[&str], word: &str, names: impl FnOnce(Argument) -> Names) -> Vec<String> {
    let Some((command, args)) = before.split_first() else { return owned(Spec::names()) };
    let Some(spec) = Spec::named(command) else { return Vec::new() };
    if spec.name == "task" && args.len() >= 2 {
        return task_offers(args, word);
    }
    let last = spec.takes.len().checked_sub(1);
    let at = if spec.repeats { last.map(|last| args.len().min(last)) } else { Some(args.len()) };
    let Some(&argument) = at.and_then(|at| spec.takes.get(at)) else { return Vec::new() };
    match argument {
        Argument::Command => owned(Spec::names()),
        Argument::Status => owned(["pending", "running", "completed", "failed", "cancelled"]),
        Argument::Word(words) => owned(words.iter().copied()),
        Argument::Free => Vec::new(),
        Argument::Task => {
            let mut tasks = names(argument).tasks;
            // One that stands there already is not offered again.
            tasks.retain(|task| !args.contains(&task.as_str()));
            tasks
        }
        Argument::Worker => names(argument).workers,
        Argument::WorkerOrAuto => {
            let mut offered = vec!["auto".to_owned()];
            offered.extend(names(argument).workers);
            offered
        }
        Argument::Strategy => names(argument).strategies,
    }
}

/// After worker and image: options, and values of those whose values are known.
fn task_offers(args: &[&str], word: &str) -> Vec<String> {
    if args.contains(&"--") {
        return Vec::new();
    }
    let option = args
        .last()
        .and_then(|last| last.strip_prefix('-'))
        .and_then(|name| TaskOption::named(name.trim_start_matches('-')));
    match option {
        Some(option) if args.len() > 2 => match option.names[0] {
            "on_disconnect" => owned(["stop", "keep"]),
            _ => Vec::new(),
        },
        _ if word.starts_with("--") => {
            TASK_OPTIONS.iter().map(|option| format!("--{}", option.names[0])).collect()
        }
        _ => TASK_OPTIONS.iter().map(|option| format!("-{}", option.names[0])).collect(),
    }
}

fn owned<'a>(words: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    words.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(line: &str) -> (usize, Vec<String>) {
        let names = |_| Names {
            tasks: owned(["task-1", "task-2", "task-20"]),
            workers: owned(["w1", "gpu-7"]),
            strategies: owned(["ai", "ai_aggressive", "easy"]),
        };
        complete(line, names)
    }

    #[test]
    fn commands_ids_and_options() {
        for (line, start, offers) in [
            ("sta", 0, &["status"][..]),
            ("STA", 0, &["status"]),
            ("task", 0, &["task", "tasks"]),
            ("monitor ", 8, &["task-1", "task-2", "task-20"]),
            ("monitor task-2", 8, &["task-2", "task-20"]),
            ("monitor task-2 ", 15, &[]),
            ("cancel task-1 ta", 14, &["task-2", "task-20"]),
            ("drain g", 6, &["gpu-7"]),
            ("drain gpu-7 u", 12, &["undo"]),
            ("task ", 5, &["auto", "w1", "gpu-7"]),
            ("task auto ", 10, &[]),
            ("task auto alpine -cp", 17, &["-cpu_cores"]),
            ("task auto alpine --na", 17, &["--name"]),
            ("task auto alpine -on_disconnect k", 32, &["keep"]),
            ("task auto alpine -name ", 23, &[]),
            ("task auto alpine -- -n", 20, &[]),
            ("tasks r", 6, &["running"]),
            ("strategy ai", 9, &["ai", "ai_aggressive"]),
            ("help mon", 5, &["monitor"]),
            ("nonsense ", 9, &[]),
            ("register ", 9, &[]),
            ("monitor\u{3000}task-1", 10, &["task-1"]),
        ] {
            assert_eq!(offered(line), (start, owned(offers.iter().copied())), "{line}");
        }
        assert!(offered("").1.contains(&"quit".to_owned()));
        assert_eq!(offered("task auto alpine ").1.len(), TASK_OPTIONS.len());
    }

    #[test]
    fn the_master_is_asked_only_for_ids() {
        complete("task auto alpine -", |_| panic!("no names are needed"));
        complete("st", |_| panic!("no names are needed"));
    }
}
