//! One file a command.

mod generate;
mod import;
#[cfg(feature = "live")]
pub(crate) mod live;
mod oracle;
mod scenario;
mod simulate;
mod strategies;
mod sweep;
mod tune;
mod validate;

use std::io::{IsTerminal, Write as _};
use std::path::Path;

pub(crate) use generate::preset_help;

use anyhow::{Context, Result};
use clap::CommandFactory;
use cloudai_reports::{Options, TableStyle};
use cloudai_schedulers::Registry;

use crate::cli::{Cli, Command};

/// Runs a command.
pub(crate) fn run(command: Command) -> Result<()> {
    let registry = Registry::builtin();
    match command {
        Command::Simulate(args) => simulate::run(&args, &registry),
        Command::Sweep(args) => sweep::run(&args, &registry),
        Command::Tune(args) => tune::run(&args, &registry),
        Command::Validate(args) => validate::run(&args),
        Command::Oracle(args) => oracle::run(&args, &registry),
        Command::Generate(args) => generate::run(&args),
        Command::Import(command) => import::run(&command),
        Command::Strategies { name } => strategies::run(name.as_deref(), &registry),
        Command::Report { dir, no_plots } => report(&dir, !no_plots),
        #[cfg(feature = "live")]
        Command::Live(command) => live::run(command, registry),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "cloudai", &mut script);
            print(&String::from_utf8_lossy(&script))
        }
    }
}

/// Colours and width of tables on stdout.
fn table_style() -> TableStyle {
    let color =
        std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let width = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).unwrap_or(80);
    TableStyle::new(color, width)
}

/// Prints results on stdout.
fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("cannot write to stdout")
}

/// Renders a report again, in its place.
fn report(dir: &Path, plots: bool) -> Result<()> {
    if dir.join(cloudai_reports::sweep::RESULTS).is_file() {
        return sweep::render(&cloudai_reports::sweep::load(dir)?, dir, plots);
    }
    let comparison = cloudai_reports::load(dir)?;
    cloudai_reports::write(&comparison, dir, &Options::default().with_plots(plots))?;
    crate::failure::tell(format_args!("report: {}", dir.join("index.html").display()));
    Ok(())
}
