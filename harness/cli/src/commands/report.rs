//! `plimsoll report`, and the end of every run: the same outputs from the same directory.

use std::io::IsTerminal;
use std::path::Path;

use anyhow::Context;
use plimsoll_model::artefact::Run;

use super::print;
use crate::args::ReportArgs;
use crate::exit::Exit;

/// `plimsoll report`.
pub fn report(args: &ReportArgs) -> anyhow::Result<Exit> {
    let run = Run::load(&args.dir)?;
    write_and_show(&run, &args.dir, args.json)?;
    Ok(Exit::Pass)
}

/// Write every output of `run` into its directory `dir`, and show its summary.
pub fn write_and_show(run: &Run, dir: &Path, json: bool) -> anyhow::Result<()> {
    let document = plimsoll_report::compose(run);
    plimsoll_report::write_all(run, dir).with_context(|| format!("cannot write into {}", dir.display()))?;
    let path = dir.join("report.html");
    if json {
        print(&plimsoll_report::json(run))?;
        eprintln!("plimsoll: report: {}", path.display());
        return Ok(());
    }
    let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let width = terminal_size::terminal_size().map_or(100, |(w, _)| usize::from(w.0));
    let options = plimsoll_report::TerminalOptions { color: colour, width };
    print(&plimsoll_report::terminal(&document, &options))?;
    print(&format!("report: {}\n", path.display()))?;
    Ok(())
}
