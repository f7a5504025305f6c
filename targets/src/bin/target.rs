//! A bundled target server by itself: `plimsoll-target WORKLOAD …`, as `plimsoll serve` runs it.

use std::process::ExitCode;

use clap::Parser;
use plimsoll_targets::{ServeArgs, serve};

#[derive(Parser)]
#[command(version, about = "Start a bundled target server")]
struct Cli {
    #[command(flatten)]
    serve: ServeArgs,
}

fn main() -> ExitCode {
    match serve(Cli::parse().serve) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
