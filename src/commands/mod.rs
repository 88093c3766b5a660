//! One file a command.

mod generate;
mod import;
mod oracle;
mod scenario;
mod simulate;
mod strategies;
mod validate;

use std::io::Write as _;
use std::path::Path;

pub(crate) use generate::preset_help;

use anyhow::{Context, Result};
use clap::CommandFactory;
use cloudai_reports::Options;
use cloudai_schedulers::Registry;

use crate::cli::{Cli, Command};

/// Runs a command.
pub(crate) fn run(command: Command) -> Result<()> {
    let registry = Registry::builtin();
    match command {
        Command::Simulate(args) => simulate::run(&args, &registry),
        Command::Validate(args) => validate::run(&args),
        Command::Oracle(args) => oracle::run(&args, &registry),
        Command::Generate(args) => generate::run(&args),
        Command::Import(command) => import::run(&command),
        Command::Strategies { name } => strategies::run(name.as_deref(), &registry),
        Command::Report { dir, no_plots } => report(&dir, !no_plots),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "cloudai", &mut script);
            print(&String::from_utf8_lossy(&script))
        }
    }
}

/// Prints results on stdout.
fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("cannot write to stdout")
}

/// Renders a report again, in its place.
fn report(dir: &Path, plots: bool) -> Result<()> {
    let comparison = cloudai_reports::load(dir)?;
    cloudai_reports::write(&comparison, dir, &Options::default().with_plots(plots))?;
    crate::failure::tell(format_args!("report: {}", dir.join("index.html").display()));
    Ok(())
}
