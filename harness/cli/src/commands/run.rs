//! `plimsoll run` and `plimsoll compare`.

use std::path::PathBuf;

use anyhow::bail;
use plimsoll_model::artefact::{Ending, Run};
use plimsoll_model::config::{self, Overrides};
use plimsoll_model::plan::Plan;

use super::report;
use crate::args::RunArgs;
use crate::conductor::Conductor;
use crate::environment;
use crate::exit::Exit;
use crate::progress::Progress;
use crate::signals;

/// `plimsoll run`: every variant of the test.
pub fn run(args: &RunArgs) -> anyhow::Result<Exit> {
    perform(plan(args)?, "run", args)
}

/// `plimsoll compare`: at least two variants.
pub fn compare(args: &RunArgs) -> anyhow::Result<Exit> {
    let plan = plan(args)?;
    if plan.variants.len() < 2 {
        bail!(
            "{} leaves one variant, and a comparison needs two: add `variants`, or use `plimsoll run`",
            args.config.display()
        );
    }
    perform(plan, "compare", args)
}

fn plan(args: &RunArgs) -> anyhow::Result<Plan> {
    let mut plan = config::load(&args.config)?;
    Overrides { seed: args.seed }.apply(&mut plan);
    for name in &args.variants {
        if !plan.variants.iter().any(|v| v.name == *name) {
            let names: Vec<_> = plan.variants.iter().map(|v| v.name.as_str()).collect();
            bail!("no variant is named {name:?}; there are: {}", names.join(", "));
        }
    }
    if !args.variants.is_empty() {
        plan.variants.retain(|v| args.variants.contains(&v.name));
    }
    environment::raise_fd_limit();
    plan.max_in_flight = plan.max_in_flight.min(environment::connection_limit());
    Ok(plan)
}

fn perform(plan: Plan, command: &str, args: &RunArgs) -> anyhow::Result<Exit> {
    let dir = args.out.clone().unwrap_or_else(|| default_dir(&plan.name));
    let progress = Progress::new(plan.arrivals_duration(), args.quiet);
    let stop = signals::watch()?;
    let ending = Conductor::new(plan, command, &dir, stop, progress)?.conduct()?;
    let run = Run::load(&dir)?;
    report::write_and_show(&run, &dir, args.json)?;
    Ok(match ending {
        Ending::Interrupted => Exit::Interrupted,
        Ending::Aborted { reason } => {
            eprintln!("plimsoll: {reason}");
            Exit::CouldNot
        }
        Ending::Complete | Ending::Unfinished if accounts_are_valid(&run) => Exit::Pass,
        Ending::Complete | Ending::Unfinished => Exit::Failed,
    })
}

/// Whether no job was lost and none came from nowhere.
fn accounts_are_valid(run: &Run) -> bool {
    run.cells.iter().filter_map(|c| c.facts.accounting.as_ref()).all(|a| a.is_valid())
}

fn default_dir(name: &str) -> PathBuf {
    let safe: String = name.chars().map(|c| if c.is_alphanumeric() || c == '-' { c } else { '_' }).collect();
    PathBuf::from(format!("reports/{safe}-{}", jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ")))
}
