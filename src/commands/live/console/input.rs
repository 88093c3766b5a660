//! Where lines come from: an editor on a terminal, or a pipe.

use std::io::{self, BufRead as _, IsTerminal as _};
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustyline::completion::Completer;
use rustyline::config::{BellStyle, ColorMode, CompletionType, Config};
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::history::FileHistory;
use rustyline::{Context, Editor, Helper, Hinter, Validator};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::super::client::Client;
use super::catalogue::{Argument, Spec};
use super::completion::{Names, complete};

/// What was read.
#[derive(Debug)]
pub(super) enum Read {
    Line(String),
    /// Ctrl-c: the line is of no interest.
    Cleared,
    /// Ctrl-d, or the end of the pipe.
    End,
}

/// A source of lines, on a thread of its own: reading waits for people.
#[derive(Debug)]
pub(super) struct Input {
    requests: mpsc::Sender<oneshot::Sender<Result<Read>>>,
}

impl Input {
    /// An editor if stdin and stdout are a terminal, else lines of stdin. Says which.
    pub(super) fn open(client: &Client, color: bool) -> Result<(Self, bool)> {
        let terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
        let (requests, asked) = mpsc::channel::<oneshot::Sender<Result<Read>>>();
        let names = FetchedNames { client: client.clone(), runtime: Handle::current(), cached: None };
        let thread = std::thread::Builder::new().name("console".to_owned());
        let reading = move || {
            if terminal {
                match LineEditor::new(names, color) {
                    Ok(mut editor) => serve(&asked, || editor.read()),
                    Err(error) => {
                        if let Ok(answer) = asked.recv() {
                            let _ = answer.send(Err(error));
                        }
                    }
                }
            } else {
                serve(&asked, read_pipe);
            }
        };
        thread.spawn(reading).context("cannot start the thread that reads lines")?;
        Ok((Self { requests }, terminal))
    }

    /// The next line.
    pub(super) async fn read(&self) -> Result<Read> {
        let (answer, read) = oneshot::channel();
        // A reader that has gone has nothing more to say.
        if self.requests.send(answer).is_err() {
            return Ok(Read::End);
        }
        read.await.unwrap_or(Ok(Read::End))
    }
}

fn serve(asked: &mpsc::Receiver<oneshot::Sender<Result<Read>>>, mut read: impl FnMut() -> Result<Read>) {
    while let Ok(answer) = asked.recv() {
        if answer.send(read()).is_err() {
            return;
        }
    }
}

fn read_pipe() -> Result<Read> {
    let mut line = Vec::new();
    io::stdin().lock().read_until(b'\n', &mut line).context("cannot read stdin")?;
    if line.is_empty() {
        return Ok(Read::End);
    }
    Ok(Read::Line(String::from_utf8_lossy(&line).into_owned()))
}

/// Editing, history, completion, colour.
struct LineEditor {
    editor: Editor<Assistant, FileHistory>,
    history: Option<PathBuf>,
}

impl LineEditor {
    fn new(names: FetchedNames, color: bool) -> Result<Self> {
        let config = Config::builder()
            .history_ignore_space(true)
            .history_ignore_dups(true)
            .and_then(|config| config.max_history_size(1000))
            .context("cannot set up the history")?
            .completion_type(CompletionType::List)
            .bell_style(BellStyle::None)
            .color_mode(if color { ColorMode::Enabled } else { ColorMode::Disabled })
            .build();
        let mut editor = Editor::with_config(config).context("cannot use the terminal")?;
        editor.set_helper(Some(Assistant { names: names.into(), color }));
        let history = history_file();
        if let Some(file) = &history {
            // There is none the first time.
            let _ = editor.load_history(file);
        }
        Ok(Self { editor, history })
    }

    fn read(&mut self) -> Result<Read> {
        match self.editor.readline(&("cloudai> ", "\x1b[1;32mcloudai>\x1b[0m ")) {
            Ok(line) => {
                if !line.trim().is_empty() && self.editor.add_history_entry(line.as_str()).unwrap_or(false) {
                    self.remember();
                }
                Ok(Read::Line(line))
            }
            Err(ReadlineError::Interrupted | ReadlineError::Signal(_)) => Ok(Read::Cleared),
            Err(ReadlineError::Eof) => Ok(Read::End),
            Err(error) => Err(error).context("cannot read from the terminal"),
        }
    }

    /// After every line, so that a console that is killed has not forgotten. A history that cannot be kept is none.
    fn remember(&mut self) {
        if let Some(file) = &self.history {
            if let Some(folder) = file.parent() {
                let _ = std::fs::create_dir_all(folder);
            }
            let _ = self.editor.append_history(file);
        }
    }
}

/// `$XDG_STATE_HOME/cloudai/history`, by default below `~/.local/state`.
fn history_file() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = variable("XDG_STATE_HOME").or_else(|| Some(variable("HOME")?.join(".local/state")))?;
    Some(state.join("cloudai/history"))
}

/// Completes and colours what is typed.
#[derive(Helper, Hinter, Validator)]
struct Assistant {
    names: std::cell::RefCell<FetchedNames>,
    color: bool,
}

impl Completer for Assistant {
    type Candidate = String;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        let (start, mut offers) = complete(&line[..pos], |argument| self.names.borrow_mut().get(argument));
        // A word that is complete is followed by the next one.
        if let [only] = offers.as_mut_slice() {
            only.push(' ');
        }
        Ok((start, offers))
    }
}

impl Highlighter for Assistant {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> std::borrow::Cow<'l, str> {
        let end = line.find(char::is_whitespace).unwrap_or(line.len());
        let (word, rest) = line.split_at(end);
        match Spec::named(word) {
            Some(_) if self.color => format!("\x1b[36m{word}\x1b[0m{rest}").into(),
            _ => line.into(),
        }
    }

    fn highlight_char(&self, _: &str, _: usize, kind: CmdKind) -> bool {
        self.color && kind != CmdKind::MoveCursor
    }
}

/// Names that the master was asked for a moment ago.
struct FetchedNames {
    client: Client,
    runtime: Handle,
    cached: Option<(Argument, Instant, Names)>,
}

/// How long names are good.
const FRESH: Duration = Duration::from_secs(2);
/// How long tab waits for the master.
const PATIENCE: Duration = Duration::from_millis(700);

impl FetchedNames {
    fn get(&mut self, argument: Argument) -> Names {
        if let Some((of, at, names)) = &self.cached
            && *of == argument
            && at.elapsed() < FRESH
        {
            return names.clone();
        }
        let client = self.client.clone();
        // This is the console's own thread, and none of the runtime's.
        let fetched = self
            .runtime
            .block_on(async move { tokio::time::timeout(PATIENCE, fetch(&client, argument)).await });
        // Without an answer there is nothing to offer, and nothing to complain about in the middle of a line.
        let names = fetched.ok().and_then(Result::ok).unwrap_or_default();
        self.cached = Some((argument, Instant::now(), names.clone()));
        names
    }
}

async fn fetch(client: &Client, argument: Argument) -> Result<Names> {
    let mut names = Names::default();
    match argument {
        Argument::Task => {
            let request = cloudai_proto::v1::ListTasksRequest { limit: 200, ..Default::default() };
            names.tasks = client.tasks(request).await?.into_iter().map(|task| task.task_id).collect();
        }
        Argument::Worker | Argument::WorkerOrAuto => {
            names.workers = client.workers().await?.into_iter().map(|worker| worker.worker_id).collect();
        }
        Argument::Strategy => names.strategies = client.strategy(None).await?.known,
        _ => {}
    }
    Ok(names)
}
