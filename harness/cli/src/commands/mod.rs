//! The commands, each from checked arguments to its exit code.

pub mod report;
pub mod run;

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;
use clap::CommandFactory;
use plimsoll_model::config;
use plimsoll_targets::ServeArgs;

use crate::args::{Args, CompletionsArgs, InitArgs, ValidateArgs};
use crate::exit::Exit;

/// Niceness of a target that a driver started: the driver's threads come first.
const TARGET_NICENESS: i32 = 10;

/// `plimsoll serve`.
pub fn serve(args: ServeArgs) -> anyhow::Result<Exit> {
    if args.exit_with_parent {
        // On one machine a target that wants every core would make its driver late, and be blamed for
        // it. Threads started from here on inherit this; without leave to change it, it stays.
        let _ = rustix::process::setpriority_process(None, TARGET_NICENESS);
    }
    plimsoll_targets::serve(args)?;
    Ok(Exit::Pass)
}

/// `plimsoll validate`.
pub fn validate(args: &ValidateArgs) -> anyhow::Result<Exit> {
    let plan = config::load(&args.config)?;
    print(&config::describe(&plan))
}

/// `plimsoll init`.
pub fn init(args: &InitArgs) -> anyhow::Result<Exit> {
    if args.file == Path::new("-") {
        return print(config::TEMPLATE);
    }
    let shown = args.file.display();
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&args.file)
        .with_context(|| format!("cannot write {shown}; choose another name"))?;
    file.write_all(config::TEMPLATE.as_bytes()).with_context(|| format!("cannot write {shown}"))?;
    print(&format!("Wrote {shown}. Next: plimsoll validate {shown}\n"))
}

/// `plimsoll completions`.
pub fn completions(args: &CompletionsArgs) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "plimsoll", &mut script);
    print(&String::from_utf8_lossy(&script))
}

/// Print to standard output; a reader that has gone away, such as `head`, is no error.
pub fn print(text: &str) -> anyhow::Result<Exit> {
    match io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(e).context("cannot write to standard output"),
        _ => Ok(Exit::Pass),
    }
}
