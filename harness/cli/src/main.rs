//! The plimsoll command line.

mod args;
mod bundled;
mod commands;
mod conductor;
mod environment;
mod exit;
mod job_rows;
mod process;
mod progress;
mod signals;

use std::process::ExitCode;

use args::Command;
use clap::Parser;

fn main() -> ExitCode {
    let ended = match args::Args::parse().command {
        Command::Run(args) => commands::run::run(&args),
        Command::Compare(args) => commands::run::compare(&args),
        Command::Serve(args) => commands::serve(*args),
        Command::Report(args) => commands::report::report(&args),
        Command::Validate(args) => commands::validate(&args),
        Command::Init(args) => commands::init(&args),
        Command::Completions(args) => commands::completions(&args),
    };
    exit::code(ended)
}
