//! What a reader must know before believing the figures, each with what to do about it.

use plimsoll_model::accounting::Accounting;
use plimsoll_model::artefact::{Ending, Run};
use plimsoll_model::plan::CellId;
use plimsoll_model::time::Nanos;

use crate::cell::{CellAnalysis, KeptUp, MAX_ERROR_SHARE};
use crate::quantile::min_samples;
use crate::trust::Limit;

/// How grave a warning is, gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The figures can't be believed.
    Severe,
    /// Some figures mean something else than they seem to.
    Caution,
    /// Good to know.
    Note,
}

/// One warning, of a cell or of the whole run.
#[derive(Debug, Clone, PartialEq)]
pub struct Warning {
    /// What.
    pub kind: Kind,
    /// Where; none for the whole run.
    pub cell: Option<CellId>,
}

/// What there is to warn of, in the order of reports.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Kind {
    /// Operations scheduled and ended differ in number, which is a defect of the driver.
    CountImbalance {
        /// Scheduled.
        scheduled: u64,
        /// Ended.
        ended: u64,
    },
    /// The jobs' sums do not hold.
    JobImbalance,
    /// Accepted jobs that the target no longer knows.
    JobsLost(u64),
    /// Jobs that nobody submitted.
    JobsUnexpected(u64),
    /// Jobs whose state differs between the driver's ledger and the target's.
    LedgerDisagrees(u64),
    /// The run was stopped by a fault.
    Aborted(String),
    /// Nothing was completed.
    NothingCompleted,
    /// The driver did not do what was asked.
    GeneratorLimited(Limit),
    /// The run has not ended, or was killed.
    Unfinished,
    /// The run was stopped by the user.
    Interrupted,
    /// The outstanding work rises, by this many a second.
    Unstable(f64),
    /// This share of the operations did not end well.
    Errors(f64),
    /// Jobs not done when the drain time-out ended.
    JobsUnfinished(u64),
    /// The driver stopped watching these jobs.
    JobsUnobserved(u64),
    /// Little's law does not hold: the mean number out, and what it should be.
    LittleFails {
        /// Mean number out.
        outstanding: f64,
        /// Rate × mean time.
        expected: f64,
    },
    /// Jobs processed or noticed more than once.
    JobsDuplicated(u64),
    /// Fewer samples than p99 needs.
    FewSamples(u64),
    /// Fewer whole intervals in the window than a trend needs.
    ShortWindow(usize),
}

impl Kind {
    /// How grave.
    pub const fn severity(&self) -> Severity {
        match self {
            Kind::CountImbalance { .. }
            | Kind::JobImbalance
            | Kind::JobsLost(_)
            | Kind::JobsUnexpected(_)
            | Kind::LedgerDisagrees(_)
            | Kind::Aborted(_)
            | Kind::NothingCompleted => Severity::Severe,
            Kind::GeneratorLimited(_)
            | Kind::Unfinished
            | Kind::Interrupted
            | Kind::Unstable(_)
            | Kind::Errors(_)
            | Kind::JobsUnfinished(_)
            | Kind::JobsUnobserved(_)
            | Kind::LittleFails { .. } => Severity::Caution,
            Kind::JobsDuplicated(_) | Kind::FewSamples(_) | Kind::ShortWindow(_) => Severity::Note,
        }
    }

    /// What it is, the same for all cells.
    pub const fn title(&self) -> &'static str {
        match self {
            Kind::CountImbalance { .. } => "The counts do not balance",
            Kind::JobImbalance => "The job accounting does not balance",
            Kind::JobsLost(_) => "Accepted jobs were lost",
            Kind::JobsUnexpected(_) => "The target holds jobs that were never submitted",
            Kind::LedgerDisagrees(_) => "The target's ledger disagrees with the driver's",
            Kind::Aborted(_) => "The run was stopped by a fault",
            Kind::NothingCompleted => "Nothing was completed",
            Kind::GeneratorLimited(Limit::Dropped(_)) => "Generator-limited: starts were dropped",
            Kind::GeneratorLimited(Limit::NotSent(_)) => "Generator-limited: not every start was sent",
            Kind::GeneratorLimited(Limit::Late { .. }) => "Generator-limited: starts were sent late",
            Kind::Unfinished => "The run is unfinished",
            Kind::Interrupted => "The run was interrupted",
            Kind::Unstable(_) => "The backlog rises: percentiles depend on the length of the test",
            Kind::Errors(_) => "Operations did not end well",
            Kind::JobsUnfinished(_) => "Jobs were not done by the end of the drain",
            Kind::JobsUnobserved(_) => "Jobs were no longer watched",
            Kind::LittleFails { .. } => "Little’s law does not hold",
            Kind::JobsDuplicated(_) => "Jobs were processed or noticed more than once",
            Kind::FewSamples(_) => "Too few samples for p99",
            Kind::ShortWindow(_) => "Too few intervals to tell a trend",
        }
    }

    /// The figures.
    pub fn detail(&self) -> String {
        match self {
            Kind::CountImbalance { scheduled, ended } => format!("{scheduled} scheduled, {ended} ended"),
            Kind::JobImbalance => "sums differ".to_owned(),
            Kind::JobsLost(n)
            | Kind::JobsUnexpected(n)
            | Kind::LedgerDisagrees(n)
            | Kind::JobsUnfinished(n)
            | Kind::JobsUnobserved(n)
            | Kind::JobsDuplicated(n) => format!("{n} {}", if *n == 1 { "job" } else { "jobs" }),
            Kind::Aborted(reason) => reason.clone(),
            Kind::GeneratorLimited(Limit::Dropped(n)) => format!("{n} dropped"),
            Kind::GeneratorLimited(Limit::NotSent(share)) => format!("{:.1} % sent", share * 100.0),
            Kind::GeneratorLimited(Limit::Late { p99, limit }) => {
                format!("p99 {} late, limit {}", Nanos::from_secs_f64(*p99), Nanos::from_secs_f64(*limit))
            }
            Kind::NothingCompleted | Kind::Unfinished | Kind::Interrupted => String::new(),
            Kind::Unstable(slope) => format!("+{slope:.1}/s"),
            Kind::Errors(share) => format!("{:.2} %", share * 100.0),
            Kind::LittleFails { outstanding, expected } => {
                format!("{outstanding:.1} out, {expected:.1} expected")
            }
            Kind::FewSamples(n) => format!("{n} of {} needed", min_samples(0.99)),
            Kind::ShortWindow(n) => format!("{n}"),
        }
    }

    /// What to do.
    pub const fn remedy(&self) -> &'static str {
        match self {
            Kind::CountImbalance { .. } | Kind::JobImbalance => {
                "This is a defect of plimsoll: do not use the run, and report it with its directory."
            }
            Kind::JobsLost(_) => {
                "Look for these jobs in the target: in its dead letters, its restarts, and whether it accepts before the enqueue is durable."
            }
            Kind::JobsUnexpected(_) => "Give the run a target of its own, or one that starts empty.",
            Kind::LedgerDisagrees(_) => {
                "Compare the two ledgers job by job (jobs.csv); until then believe neither."
            }
            Kind::Aborted(_) => "Repair the cause and run again; the figures end where it stopped.",
            Kind::NothingCompleted => "Look at the errors below; try one request by hand.",
            Kind::GeneratorLimited(Limit::Dropped(_)) => {
                "Raise max_in_flight if the target should hold that many; otherwise the target is past what this test lets it hold, and its waits are understated."
            }
            Kind::GeneratorLimited(Limit::NotSent(_)) => {
                "Use more shards, a lower rate, or another machine for the driver."
            }
            Kind::GeneratorLimited(Limit::Late { .. }) => {
                "Give the driver a core of its own, use more shards, or lower the rate: these waits hold the driver’s own delay."
            }
            Kind::Unfinished => "Let it end, or read the figures as those of the part performed.",
            Kind::Interrupted => "Read the figures as those of the part performed.",
            Kind::Unstable(_) => {
                "Read these percentiles as lower bounds of a wait that has no limit; only rates, and how fast the wait grows, mean something."
            }
            Kind::Errors(_) => "Latencies shown are of ok operations; see the errors by cause.",
            Kind::JobsUnfinished(_) => {
                "Lengthen drain_timeout to see them done; completion times shown leave them out."
            }
            Kind::JobsUnobserved(_) => "Their fate is not known: they are neither done nor lost.",
            Kind::LittleFails { .. } => {
                "Counts and times do not fit each other: shorten the interval, lengthen the step, and compare with the target’s own counters."
            }
            Kind::JobsDuplicated(_) => {
                "At-least-once delivery allows it; make the work idempotent, or lengthen the lease."
            }
            Kind::FewSamples(_) => {
                "Lengthen the step or raise the rate; percentiles without enough samples are left out."
            }
            Kind::ShortWindow(_) => {
                "Lengthen the step or shorten the interval; whether the backlog rises is not known here."
            }
        }
    }
}

/// Every warning of a run: gravest first, then by kind, then in performance order.
pub fn all(run: &Run, cells: &[CellAnalysis]) -> Vec<Warning> {
    let mut warnings: Vec<Warning> = Vec::new();
    let ending = match &run.manifest.ending {
        Ending::Aborted { reason } => Some(Kind::Aborted(reason.clone())),
        Ending::Unfinished => Some(Kind::Unfinished),
        Ending::Interrupted => Some(Kind::Interrupted),
        Ending::Complete => None,
    };
    warnings.extend(ending.map(|kind| Warning { kind, cell: None }));
    for cell in cells {
        warnings.extend(of_cell(cell).into_iter().map(|kind| Warning { kind, cell: Some(cell.id) }));
    }
    warnings.sort_by_key(|w| (w.kind.severity(), order(&w.kind)));
    warnings
}

/// Position of a kind in the order of reports, so that the same kind of several cells stays together.
fn order(kind: &Kind) -> usize {
    match kind {
        Kind::Aborted(_) => 0,
        Kind::Unfinished => 1,
        Kind::Interrupted => 2,
        Kind::CountImbalance { .. } => 3,
        Kind::JobImbalance => 4,
        Kind::JobsLost(_) => 5,
        Kind::JobsUnexpected(_) => 6,
        Kind::LedgerDisagrees(_) => 7,
        Kind::NothingCompleted => 8,
        Kind::GeneratorLimited(Limit::Late { .. }) => 9,
        Kind::GeneratorLimited(Limit::NotSent(_)) => 10,
        Kind::GeneratorLimited(Limit::Dropped(_)) => 11,
        Kind::Unstable(_) => 12,
        Kind::Errors(_) => 13,
        Kind::JobsUnfinished(_) => 14,
        Kind::JobsUnobserved(_) => 15,
        Kind::LittleFails { .. } => 16,
        Kind::JobsDuplicated(_) => 17,
        Kind::FewSamples(_) => 18,
        Kind::ShortWindow(_) => 19,
    }
}

fn of_cell(cell: &CellAnalysis) -> Vec<Kind> {
    let mut kinds = Vec::new();
    if cell.trust.balanced == Some(false) {
        kinds.push(Kind::CountImbalance { scheduled: cell.trust.scheduled, ended: cell.trust.ended });
    }
    if let Some(accounting) = &cell.facts.accounting {
        kinds.extend(of_jobs(accounting, cell.is_finished));
    }
    kinds.extend(cell.trust.limits.iter().map(|l| Kind::GeneratorLimited(*l)));
    if cell.done() == 0 && cell.total.scheduled > 0 && cell.is_finished {
        kinds.push(Kind::NothingCompleted);
    }
    if cell.stability.is_unstable() {
        kinds.push(Kind::Unstable(cell.stability.slope.value.unwrap_or(0.0)));
    }
    if let Some(share) = cell.error_share().filter(|s| *s > MAX_ERROR_SHARE) {
        kinds.push(Kind::Errors(share));
    }
    if let Some(little) = cell.trust.little.filter(|l| !l.holds()) {
        kinds.push(Kind::LittleFails { outstanding: little.outstanding, expected: little.expected });
    }
    let samples = cell.caller_wait().map_or(0, |l| l.count);
    if samples < min_samples(0.99) && samples > 0 {
        kinds.push(Kind::FewSamples(samples));
    }
    if cell.stability.slope.low.is_none() && !matches!(cell.kept_up, KeptUp::No(_)) {
        kinds.push(Kind::ShortWindow(cell.stability.slope.count as usize + 1));
    }
    kinds
}

fn of_jobs(a: &Accounting, is_finished: bool) -> Vec<Kind> {
    let disagreements = a.ledger.as_ref().map_or(0, |l| l.disagreements);
    let mut kinds = vec![
        (a.lost, Kind::JobsLost(a.lost)),
        (a.unexpected, Kind::JobsUnexpected(a.unexpected)),
        (disagreements, Kind::LedgerDisagrees(disagreements)),
        (a.unfinished, Kind::JobsUnfinished(a.unfinished)),
        (a.unobserved, Kind::JobsUnobserved(a.unobserved)),
        (a.duplicated, Kind::JobsDuplicated(a.duplicated)),
    ];
    if is_finished && !a.balances() {
        kinds.push((1, Kind::JobImbalance));
    }
    kinds.into_iter().filter(|(n, _)| *n > 0).map(|(_, kind)| kind).collect()
}
