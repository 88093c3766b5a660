//! `cloudai`: the one binary. It parses the command line, calls a crate, and prints.

mod cli;
mod commands;
mod failure;
mod folder;
mod interrupt;
mod progress;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    // A worker runs this program again beside itself and beside each process that it starts.
    #[cfg(feature = "live")]
    if let Some(code) = commands::live::beside_a_worker() {
        return code;
    }
    let cli = cli::Cli::parse();
    match commands::run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if !failure::is_broken_pipe(&error) {
                failure::tell(format_args!("error: {}", failure::message(&error)));
            }
            failure::exit_code(&error)
        }
    }
}
