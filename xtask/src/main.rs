//! Project chores: `cargo xtask test` is what the README and CI call.

mod licences;
mod packages;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Chores of the plimsoll repository.
#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Set up what the tests need, then check format, lints, licences and documentation, and run all tests
    Test,
    /// Check that every dependency's licence is allowed
    Licences,
}

fn main() -> ExitCode {
    let done = match Args::parse().command {
        Command::Test => test::test(),
        Command::Licences => licences::check(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
