//! What the exit code says.

use std::process::ExitCode;

/// How a command ended, if it could be performed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Nothing that was checked failed.
    Pass,
    /// A check failed.
    Failed,
    /// It could not be performed to its end; the reason has been told.
    CouldNot,
    /// Stopped by the user.
    Interrupted,
}

impl Exit {
    const fn code(self) -> u8 {
        match self {
            Exit::Pass => 0,
            Exit::Failed => 1,
            Exit::CouldNot => 2,
            Exit::Interrupted => 130,
        }
    }
}

/// The code of a command's end; an error is told on standard error, and is 2.
pub fn code(ended: anyhow::Result<Exit>) -> ExitCode {
    let exit = ended.unwrap_or_else(|error| {
        // Every cause in a line of its own would hide the remedy, which is part of the last.
        eprintln!("plimsoll: {error:#}");
        Exit::CouldNot
    });
    ExitCode::from(exit.code())
}
