//! What can be typed.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use clap_complete::Shell;
use plimsoll_targets::ServeArgs;

/// Load-test synchronous and queue-backed services under one schedule, on one page.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  plimsoll compare configs/quickstart.yaml    sync against queue-backed, with a report at the end
  plimsoll init my-test.yaml                  a commented test to start from
  plimsoll validate my-test.yaml              everything it will do, defaults filled in
  plimsoll run my-test.yaml --out reports/a   perform it
  plimsoll serve email --shape queued         a target to try things on

Exit codes:
  0  performed, and nothing that was checked failed
  1  performed, and a check failed: a job was lost, or came from nowhere
  2  could not be performed: bad test, port taken, target died
  3  performed, but no verdict can be given
  130  interrupted; the report holds what was measured until then";

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Perform a test
    Run(RunArgs),
    /// Perform a test of several variants, such as sync and queued, and compare them
    Compare(RunArgs),
    /// Start a bundled target server
    Serve(Box<ServeArgs>),
    /// Rebuild every output of a run from its directory
    Report(ReportArgs),
    /// Check a test and print the full plan, every default filled in; sends nothing
    Validate(ValidateArgs),
    /// Write a commented test to start from
    Init(InitArgs),
    /// Print a shell's completion script
    Completions(CompletionsArgs),
}

#[derive(Debug, clap::Args)]
pub struct RunArgs {
    /// The test
    pub config: PathBuf,

    /// Directory for the run; must not hold one yet [default: reports/NAME-TIME]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Perform only this variant (may be given more than once)
    #[arg(long = "variant", value_name = "NAME")]
    pub variants: Vec<String>,

    /// Seed in place of the test's own
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// Print the summary as JSON on standard output, in place of words
    #[arg(long)]
    pub json: bool,

    /// No progress on standard error
    #[arg(long, short)]
    pub quiet: bool,
}

#[derive(Debug, clap::Args)]
pub struct ReportArgs {
    /// Directory of the run
    pub dir: PathBuf,

    /// Print the summary as JSON on standard output, in place of words
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, clap::Args)]
pub struct ValidateArgs {
    /// The test
    pub config: PathBuf,
}

#[derive(Debug, clap::Args)]
pub struct InitArgs {
    /// File to write; must not exist. `-` for standard output
    #[arg(default_value = "plimsoll.yaml")]
    pub file: PathBuf,
}

#[derive(Debug, clap::Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Args::command().debug_assert();
    }
}
