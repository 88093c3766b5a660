//! The commands of the console: what `help` says, and what can be completed.

use std::fmt::Write as _;

use super::super::output::text::wrapped;
use super::super::output::{Paint, Style};
use super::super::submission::TASK_OPTIONS;

/// What an argument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Argument {
    Command,
    Task,
    Worker,
    WorkerOrAuto,
    Status,
    Strategy,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Something that nobody can guess.
    Free,
}

/// A command.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Spec {
    pub(super) name: &'static str,
    /// Other names.
    aliases: &'static [&'static str],
    args: &'static str,
    about: &'static str,
    /// What its arguments are; the last one may be repeated if `repeats`.
    pub(super) takes: &'static [Argument],
    pub(super) repeats: bool,
}

const fn spec(
    name: &'static str,
    args: &'static str,
    about: &'static str,
    takes: &'static [Argument],
) -> Spec {
    Spec { name, aliases: &[], args, about, takes, repeats: false }
}

/// All commands, as `help` lists them.
pub(super) const COMMANDS: &[Spec] = &[
    Spec {
        aliases: &["?"],
        ..spec("help", "[command]", "list the commands, or explain one", &[Argument::Command])
    },
    spec("status", "", "workers, tasks and the master", &[]),
    spec("workers", "", "the workers: state, address, resources, tasks, last heartbeat", &[]),
    spec(
        "register",
        "<worker_id> <worker_address>",
        "make a worker known before its first contact",
        &[Argument::Free, Argument::Free],
    ),
    spec(
        "task",
        "<worker_id|auto> <docker_image> [-option value]... [-- command words]",
        "submit a task, to one worker or to where the strategy puts it",
        &[Argument::WorkerOrAuto, Argument::Free],
    ),
    spec(
        "monitor",
        "<task_id>",
        "states and output of a task as they happen; any key leaves",
        &[Argument::Task],
    ),
    Spec { repeats: true, ..spec("cancel", "<task_id>...", "cancel tasks", &[Argument::Task]) },
    spec("tasks", "[status]", "the newest tasks", &[Argument::Status]),
    spec("results", "", "how the latest tasks ended", &[]),
    spec("logs", "<task_id>", "what a task has written so far", &[Argument::Task]),
    spec("why", "<task_id>", "why a task waits", &[Argument::Task]),
    spec("strategy", "[spec]", "the strategy in force, or switch to another", &[Argument::Strategy]),
    spec(
        "drain",
        "<worker_id> [undo]",
        "give a worker no new tasks, or again",
        &[Argument::Worker, Argument::Word(&["undo"])],
    ),
    spec(
        "forget",
        "<worker_id>",
        "declare a worker gone for good; what it held is given up",
        &[Argument::Worker],
    ),
    Spec { aliases: &["quit"], ..spec("exit", "", "leave; also quit, or ctrl-d", &[]) },
];

impl Spec {
    /// The command of this name, in any case.
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        let is = |other: &&str| other.eq_ignore_ascii_case(name);
        COMMANDS.iter().find(|spec| is(&spec.name) || spec.aliases.iter().any(is))
    }

    /// All names that can be written.
    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        COMMANDS.iter().flat_map(|spec| std::iter::once(spec.name).chain(spec.aliases.iter().copied()))
    }

    /// How it is written.
    pub(super) fn usage(&self) -> String {
        if self.args.is_empty() { self.name.to_owned() } else { format!("{} {}", self.name, self.args) }
    }
}

/// What `help` says.
pub(super) fn help(of: Option<&Spec>, style: Style) -> String {
    match of {
        Some(spec) => help_of(spec, style),
        None => help_of_all(style),
    }
}

fn help_of_all(style: Style) -> String {
    const NAMES: usize = 24;
    let mut out = String::new();
    for spec in COMMANDS {
        // One that is long has more to say of itself.
        let mut usage = spec.usage();
        if usage.len() > NAMES {
            usage = format!("{} ...", spec.name);
        }
        let about = wrapped(spec.about, style.width, NAMES + 2);
        let _ = writeln!(
            out,
            "{}{}  {about}",
            style.paint(&usage, Some(Paint::Bold)),
            " ".repeat(NAMES - usage.len())
        );
    }
    out.push_str("\n`help <command>` explains one. Tab completes commands, ids and options.\n");
    out
}

fn help_of(spec: &Spec, style: Style) -> String {
    let mut out = format!("{}\n  {}\n", style.paint(&spec.usage(), Some(Paint::Bold)), spec.about);
    match spec.name {
        "task" => {
            out.push_str("\nOptions:\n");
            for option in TASK_OPTIONS {
                let also: Vec<String> = option.names[1..].iter().map(|name| format!("-{name}")).collect();
                let also =
                    if also.is_empty() { String::new() } else { format!("  also {}", also.join(", ")) };
                let _ = writeln!(out, "  {:<28}{also}", format!("-{} {}", option.names[0], option.takes));
            }
            out.push_str("\nExamples:\n  task auto alpine -command \"echo hello\"\n");
            out.push_str("  task w1 python:3.12 -cpu_cores 2 -mem 4 -- python -c 'print(6 * 7)'\n");
        }
        "register" => out.push_str("\nExample:\n  register gpu-7 10.0.0.7:50052\n"),
        "strategy" => out.push_str("\nExamples:\n  strategy\n  strategy easy\n  strategy ai(window=64)\n"),
        "tasks" => out.push_str("\nA status is pending, running, completed, failed or cancelled.\n"),
        _ => {}
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::super::output::text::width;
    use super::*;

    #[test]
    fn help_fits_eighty_columns_and_names_every_command() {
        let style = Style { color: false, width: 80, now_us: 0 };
        let all = help(None, style);
        for spec in COMMANDS {
            assert!(all.lines().any(|line| line.starts_with(spec.name)), "{}", spec.name);
            let one = help(Some(spec), style);
            assert!(one.starts_with(&spec.usage()), "{one}");
            assert!(one.lines().chain(all.lines()).all(|line| width(line) <= 80), "{one}");
        }
        assert!(help(Spec::named("task"), style).contains("-cpu_cores N"));
        assert_eq!(Spec::named("QUIT").map(|spec| spec.name), Some("exit"));
    }
}
