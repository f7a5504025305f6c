//! The test command.

use std::env;
use std::process::Command;

use anyhow::{Context, bail};

use crate::{licences, packages};

/// Set up, check and test everything.
///
/// # Errors
/// When a check or test fails, or a test could not run for want of a program.
pub fn test() -> anyhow::Result<()> {
    let missing = packages::install();
    cargo(&["fmt", "--all", "--check"])?;
    cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "--deny", "warnings"])?;
    licences::check()?;
    document()?;
    let mut tests = vec!["test", "--workspace", "--no-fail-fast"];
    if !missing.is_empty() {
        tests.push("--");
    }
    for needed in &missing {
        tests.extend(["--skip", needed.tests]);
    }
    cargo(&tests)?;
    for needed in &missing {
        eprintln!(
            "xtask: NOT RUN: tests named *{}*, which need {}: install {} (Debian: apt-get install {})",
            needed.tests, needed.program, needed.program, needed.package
        );
    }
    if missing.is_empty() { Ok(()) } else { bail!("some tests did not run, see above") }
}

/// Documentation must build without warnings: broken links are broken promises.
fn document() -> anyhow::Result<()> {
    let mut doc = command(&["doc", "--workspace", "--no-deps", "--quiet", "--document-private-items"]);
    doc.env("RUSTDOCFLAGS", "--deny warnings");
    run(doc)
}

fn cargo(arguments: &[&str]) -> anyhow::Result<()> {
    run(command(arguments))
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    command
}

fn run(mut command: Command) -> anyhow::Result<()> {
    eprintln!("xtask: {command:?}");
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    if status.success() { Ok(()) } else { bail!("{command:?} failed ({status})") }
}
