//! What a line of the console means.

use cloudai_proto::v1;

use super::super::submission::{TASK_OPTIONS, TaskOption};
use super::super::task::task_status;
use super::super::values;
use super::catalogue::{COMMANDS, Spec};

/// A command.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Command {
    /// Of all commands, or of one.
    Help(Option<&'static Spec>),
    Status,
    Workers,
    Register {
        worker_id: String,
        address: String,
    },
    Task(Box<v1::Submission>),
    Monitor(String),
    Cancel(Vec<String>),
    /// Those of a status, or all.
    Tasks(Option<String>),
    Results,
    Logs(String),
    Why(String),
    /// Switch to it, or say which one is in force.
    Strategy(Option<String>),
    Drain {
        worker_id: String,
        undo: bool,
    },
    Forget(String),
    Exit,
}

/// What a line means; nothing if it is blank or a comment.
pub(super) fn parse(line: &str) -> Result<Option<Command>, String> {
    let words = shlex::split(line).ok_or("a quote is not closed, or nothing follows a backslash")?;
    let Some((name, args)) = words.split_first() else { return Ok(None) };
    let Some(spec) = Spec::named(name) else {
        let hint = nearest(name, COMMANDS.iter().map(|spec| spec.name));
        let hint = hint
            .map_or_else(|| "`help` lists the commands".to_owned(), |name| format!("did you mean `{name}`?"));
        return Err(format!("unknown command \"{}\": {hint}", name.escape_debug()));
    };
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let usage = || format!("usage: {}", spec.usage());
    let command = match (spec.name, args.as_slice()) {
        ("help", []) => Command::Help(None),
        ("help", [name]) => Command::Help(Some(Spec::named(name).ok_or_else(|| {
            let hint = nearest(name, COMMANDS.iter().map(|spec| spec.name));
            let hint = hint.map(|name| format!(": did you mean `{name}`?")).unwrap_or_default();
            format!("no command is called \"{}\"{hint}", name.escape_debug())
        })?)),
        ("status", []) => Command::Status,
        ("workers", []) => Command::Workers,
        ("register", &[worker_id, address]) => {
            let address = values::reach(address, 50_052)
                .map_err(|expected| format!("\"{}\": {expected}", address.escape_debug()))?;
            Command::Register { worker_id: worker_id.to_owned(), address: address.to_string() }
        }
        ("task", [worker, rest @ ..]) if !rest.is_empty() => Command::Task(Box::new(task(worker, rest)?)),
        ("monitor", &[id]) => Command::Monitor(id.to_owned()),
        ("cancel", [_, ..]) => Command::Cancel(args.iter().map(|&id| id.to_owned()).collect()),
        ("tasks", []) => Command::Tasks(None),
        ("tasks", [status]) => Command::Tasks(Some(task_status(status).map_err(|wrong| wrong.to_string())?)),
        ("results", []) => Command::Results,
        ("logs", &[id]) => Command::Logs(id.to_owned()),
        ("why", &[id]) => Command::Why(id.to_owned()),
        ("strategy", []) => Command::Strategy(None),
        // Blanks after the commas of a spec are welcome.
        ("strategy", spec) => Command::Strategy(Some(spec.concat())),
        ("drain", &[worker_id]) => Command::Drain { worker_id: worker_id.to_owned(), undo: false },
        ("drain", &[worker_id, "undo" | "--undo" | "-undo"]) => {
            Command::Drain { worker_id: worker_id.to_owned(), undo: true }
        }
        ("forget", &[id]) => Command::Forget(id.to_owned()),
        ("exit", []) => Command::Exit,
        _ => return Err(usage()),
    };
    Ok(Some(command))
}

/// `<worker_id|auto> <docker_image> [-option value]... [-- words...]`.
fn task(worker: &str, rest: &[&str]) -> Result<v1::Submission, String> {
    let usage = || Spec::named("task").map(|spec| format!("usage: {}", spec.usage())).unwrap_or_default();
    let (image, mut rest) = match rest {
        [image, rest @ ..] if !image.starts_with('-') && !worker.starts_with('-') => (image, rest),
        _ => return Err(usage()),
    };
    let mut task = v1::Submission { docker_image: (*image).to_owned(), ..v1::Submission::default() };
    if !worker.eq_ignore_ascii_case("auto") {
        worker.clone_into(&mut task.worker_id);
    }
    while let [word, after @ ..] = rest {
        if *word == "--" {
            task.args = after.iter().map(|&word| word.to_owned()).collect();
            break;
        }
        let Some(option) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')) else {
            return Err(format!(
                "\"{}\": expected an option, as in -cpu_cores 2, or -- and a command",
                word.escape_debug()
            ));
        };
        // -name=value, too; a value may hold more of them.
        let (name, joined) =
            option.split_once('=').map_or((option, None), |(name, value)| (name, Some(value)));
        let option = TaskOption::named(name).ok_or_else(|| {
            let hint = nearest(name, TASK_OPTIONS.iter().flat_map(|option| option.names.iter().copied()));
            let hint = hint
                .map_or_else(|| "`help task` lists them".to_owned(), |name| format!("did you mean -{name}?"));
            format!("unknown option -{}: {hint}", name.escape_debug())
        })?;
        let (value, next) = match (joined, after) {
            (Some(value), after) => (value, after),
            (None, [value, after @ ..]) => (*value, after),
            (None, []) => return Err(format!("-{name}: expected {} after it", option.takes)),
        };
        option
            .set(&mut task, value)
            .map_err(|expected| format!("-{name}: \"{}\": {expected}", value.escape_debug()))?;
        rest = next;
    }
    if !task.command.is_empty() && !task.args.is_empty() {
        return Err("-command and words after --: expected one of them".to_owned());
    }
    Ok(task)
}

/// The name that `word` was probably meant to be.
fn nearest<'a>(word: &str, names: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let word = word.to_lowercase();
    let mut begun = names.clone().filter(|name| name.starts_with(&word));
    if let (Some(only), None) = (begun.next(), begun.next()) {
        return Some(only);
    }
    let most = if word.chars().count() < 4 { 1 } else { 2 };
    names
        .map(|name| (distance(&word, name), name))
        .filter(|&(far, _)| far <= most)
        .min()
        .map(|(_, name)| name)
}

/// Letters to insert, remove, replace or swap to turn `a` into `b` (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    // A word of any length would take time: beyond these no name is near.
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(40).collect(), b.chars().take(40).collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let other = usize::from(a[i - 1] != b[j - 1]);
            let mut least = (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + other);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = least;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good(line: &str) -> Command {
        parse(line).unwrap_or_else(|error| panic!("{line}: {error}")).unwrap()
    }

    fn bad(line: &str) -> String {
        match parse(line) {
            Err(error) => error,
            Ok(command) => panic!("{line}: {command:?}"),
        }
    }

    fn submission(line: &str) -> v1::Submission {
        match good(line) {
            Command::Task(task) => *task,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn each_command() {
        let text = str::to_owned;
        for (line, command) in [
            ("help", Command::Help(None)),
            ("?", Command::Help(None)),
            ("  HELP  ", Command::Help(None)),
            ("status", Command::Status),
            ("workers", Command::Workers),
            (
                "register w1 10.0.0.7",
                Command::Register { worker_id: text("w1"), address: text("10.0.0.7:50052") },
            ),
            (
                "register 'w 1' [::1]:7",
                Command::Register { worker_id: text("w 1"), address: text("[::1]:7") },
            ),
            ("monitor task-1", Command::Monitor(text("task-1"))),
            ("cancel task-1", Command::Cancel(vec![text("task-1")])),
            ("cancel a b", Command::Cancel(vec![text("a"), text("b")])),
            ("tasks", Command::Tasks(None)),
            ("tasks Running", Command::Tasks(Some(text("running")))),
            ("results", Command::Results),
            ("logs task-1", Command::Logs(text("task-1"))),
            ("why task-1", Command::Why(text("task-1"))),
            ("strategy", Command::Strategy(None)),
            (
                "strategy queue(order=sjf, backfill=easy)",
                Command::Strategy(Some(text("queue(order=sjf,backfill=easy)"))),
            ),
            ("drain w1", Command::Drain { worker_id: text("w1"), undo: false }),
            ("drain w1 undo", Command::Drain { worker_id: text("w1"), undo: true }),
            ("forget w1", Command::Forget(text("w1"))),
            ("exit", Command::Exit),
            ("quit", Command::Exit),
            ("status # now", Command::Status),
        ] {
            assert_eq!(good(line), command, "{line}");
        }
        assert!(matches!(good("help task"), Command::Help(Some(spec)) if spec.name == "task"));
        for nothing in ["", "   ", "# a comment", "\t"] {
            assert_eq!(parse(nothing), Ok(None));
        }
    }

    #[test]
    fn tasks_with_options() {
        let task = submission("task auto alpine");
        assert_eq!(
            (task.worker_id.as_str(), task.docker_image.as_str(), task.cpu_cores),
            ("", "alpine", None)
        );
        let task = submission(
            "task w1 registry:5000/a/b:1 -cpu_cores 2 -mem 0.5 -storage 3 -gpu_cores=0.25 -gpu_model A100 -gpu_model H100 \
             -name 'my task' -command \"sh -c 'echo hi'\" -priority -5 -estimate 90 -user ada -label a=b -env K=v=w \
             -on_disconnect keep --emulated-s 2",
        );
        assert_eq!((task.worker_id.as_str(), task.docker_image.as_str()), ("w1", "registry:5000/a/b:1"));
        assert_eq!(
            (task.cpu_cores, task.memory_gb, task.storage_gb, task.gpu_cores),
            (Some(2.0), Some(0.5), Some(3.0), Some(0.25))
        );
        assert_eq!(
            (task.name.as_str(), task.command.as_str(), task.user_id.as_str()),
            ("my task", "sh -c 'echo hi'", "ada")
        );
        assert_eq!((task.priority, task.estimate_s, task.emulated_s), (-5, Some(90.0), Some(2.0)));
        assert_eq!(
            (task.labels["a"].as_str(), task.env["K"].as_str(), task.on_disconnect.as_str()),
            ("b", "v=w", "keep")
        );
        assert_eq!(task.gpu_models, ["A100", "H100"]);
        let task = submission("task AUTO alpine -name=a=b -- sh -c 'exit 3' -name x");
        assert_eq!((task.name.as_str(), task.worker_id.as_str()), ("a=b", ""));
        assert_eq!(task.args, ["sh", "-c", "exit 3", "-name", "x"]);
    }

    #[test]
    fn what_is_odd_is_refused_with_a_hint() {
        for (line, message) in [
            ("statsu", "unknown command \"statsu\": did you mean `status`?"),
            ("mon", "unknown command \"mon\": did you mean `monitor`?"),
            ("frobnicate", "unknown command \"frobnicate\": `help` lists the commands"),
            ("\u{1b}[A", "unknown command \"\\u{1b}[A\""),
            ("日本", "`help` lists the commands"),
            ("help nothing", "no command is called \"nothing\""),
            ("help sttaus", "did you mean `status`?"),
            ("status now", "usage: status"),
            ("register w1", "usage: register <worker_id> <worker_address>"),
            ("register w1 a b", "usage: register"),
            ("register w1 'a b'", "\"a b\": expected HOST:PORT"),
            ("task", "usage: task <worker_id|auto> <docker_image>"),
            ("task auto", "usage: task"),
            ("task auto -cpu 2", "usage: task"),
            ("task -cpu 2", "usage: task"),
            ("task auto alpine echo", "\"echo\": expected an option, as in -cpu_cores 2"),
            ("task auto alpine -cpu", "-cpu: expected N after it"),
            ("task auto alpine -cpu two", "-cpu: \"two\": expected a number from 0"),
            ("task auto alpine -cpu_core 2", "unknown option -cpu_core: did you mean -cpu_cores?"),
            ("task auto alpine -zzzzz 2", "unknown option -zzzzz: `help task` lists them"),
            ("task auto alpine -command x -- y", "expected one of them"),
            ("task auto alpine -command 'x", "a quote is not closed"),
            ("monitor", "usage: monitor <task_id>"),
            ("cancel", "usage: cancel <task_id>..."),
            (
                "tasks done",
                "\"done\" is no status: expected pending, running, completed, failed or cancelled",
            ),
            ("logs a b", "usage: logs"),
            ("drain w1 redo", "usage: drain <worker_id> [undo]"),
            ("forget", "usage: forget"),
            ("exit now", "usage: exit"),
            ("status \\", "nothing follows a backslash"),
        ] {
            let error = bad(line);
            assert!(error.contains(message), "{line}: {error}");
        }
    }

    #[test]
    fn distances() {
        for (a, b, far) in
            [("", "", 0), ("abc", "", 3), ("kitten", "sitting", 3), ("ab", "ba", 1), ("tasks", "task", 1)]
        {
            assert_eq!(distance(a, b), far, "{a} {b}");
        }
        assert_eq!(nearest("x", ["a", "task"].into_iter()), Some("a"), "one letter is near any other");
    }
}
