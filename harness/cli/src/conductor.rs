//! Performs a plan: cell by cell, each with a fresh target, everything kept in the run directory.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use plimsoll_load::audit;
use plimsoll_load::engine::{CellJob, CellResult, EngineError, Listener, perform};
use plimsoll_load::recorder::JobRow;
use plimsoll_load::shard::Stop;
use plimsoll_load::transport::Endpoint;
use plimsoll_model::accounting::Accounting;
use plimsoll_model::artefact::{CellFacts, Ending, Manifest, RunWriter, SCHEMA};
use plimsoll_model::interval::{Interval, IntervalRecord};
use plimsoll_model::plan::{CellId, Plan, Target};
use plimsoll_model::template::expand_env;
use plimsoll_model::time::Nanos;
use tokio::sync::watch;

use crate::bundled::BundledTarget;
use crate::environment;
use crate::job_rows::JobRows;
use crate::process;
use crate::progress::Progress;

/// Longest wait for something to listen at an external target.
const REACH_TIMEOUT: Duration = Duration::from_secs(5);

/// Performs one plan.
pub struct Conductor {
    manifest: Manifest,
    writer: RunWriter,
    rows: Option<JobRows>,
    stop: watch::Receiver<Stop>,
    progress: Progress,
}

impl Conductor {
    /// Begin a run of `plan` in the directory `dir`.
    ///
    /// # Errors
    /// When the directory can't be written, or holds a run already.
    pub fn new(
        plan: Plan,
        command: &str,
        dir: &Path,
        stop: watch::Receiver<Stop>,
        progress: Progress,
    ) -> anyhow::Result<Self> {
        let cannot =
            || format!("cannot keep a run in {}; choose another directory with --out", dir.display());
        fs::create_dir_all(dir).with_context(cannot)?;
        let manifest = Manifest {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            command: command.to_owned(),
            started_at: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            ending: Ending::Unfinished,
            environment: environment::gather(dir),
            plan,
            cells: Vec::new(),
        };
        let writer = RunWriter::create(dir, &manifest).with_context(cannot)?;
        let rows = manifest.plan.job_ledger.then(|| JobRows::create(dir)).transpose().with_context(cannot)?;
        Ok(Conductor { manifest, writer, rows, stop, progress })
    }

    /// Perform every cell; tells how it ended. What was measured is in the run directory in any case.
    ///
    /// # Errors
    /// When the run directory can't be written any more.
    pub fn conduct(mut self) -> anyhow::Result<Ending> {
        let cells = self.manifest.plan.cells();
        let mut ending = Ending::Complete;
        for (number, id) in cells.iter().enumerate() {
            if *self.stop.borrow() != Stop::No {
                ending = Ending::Interrupted;
                break;
            }
            let (variant, step) = self.names(*id);
            self.progress.cell(number + 1, cells.len(), &variant, &step);
            if let Err(error) = self.cell(*id) {
                ending = match *self.stop.borrow() {
                    Stop::No => Ending::Aborted { reason: format!("{variant} at {step}: {error:#}") },
                    Stop::Soon => Ending::Interrupted,
                };
                break;
            }
        }
        // A wish to stop that came in the last cell cut its drain short, too.
        if *self.stop.borrow() != Stop::No {
            ending = Ending::Interrupted;
        }
        self.progress.done();
        self.manifest.ending = ending.clone();
        self.write_manifest()?;
        Ok(ending)
    }

    fn names(&self, id: CellId) -> (String, String) {
        let plan = &self.manifest.plan;
        (plan.variants[id.variant].name.clone(), plan.steps[id.step].name.clone())
    }

    fn write_manifest(&self) -> anyhow::Result<()> {
        self.writer.write_manifest(&self.manifest).context("cannot write run.json")
    }

    fn cell(&mut self, id: CellId) -> anyhow::Result<()> {
        let plan = self.manifest.plan.clone();
        let mut tested = Tested::begin(&plan, id, self.writer.dir(), &self.stop)?;
        let job = CellJob {
            plan: &plan,
            id,
            endpoint: tested.endpoint.clone(),
            key_prefix: tested.key_prefix(&plan, id, &self.manifest.started_at),
            shared_clock: tested.bundled.as_ref().is_some_and(|b| b.ready.shares_our_clock()),
        };
        self.manifest.cells.push(facts_to_come(&plan, id));
        let before = tested.observe();
        let stop = self.stop.clone();
        let mut listener = CellListener { conductor: self, id, bundled: &mut tested.bundled, died: None };
        let performed = perform(&job, &stop, &mut listener);
        let died = listener.died.take();
        self.progress.cell_ended(plan.steps[id.step].load.duration());
        if let Some(rows) = &mut self.rows {
            rows.flush().context("cannot write jobs.csv")?;
        }
        let result = match (performed, died) {
            (_, Some(reason)) => bail!(reason),
            (Err(EngineError::Io(e)), None) => bail!("cannot go on: {e}"),
            (performed, None) => performed?,
        };
        self.conclude(tested, &job, result, &before)
    }

    /// Complete the cell's facts, and end its target.
    fn conclude(
        &mut self,
        tested: Tested,
        job: &CellJob<'_>,
        mut result: CellResult,
        before: &Observed,
    ) -> anyhow::Result<()> {
        let after = tested.observe();
        let accounting = job.plan.variants[job.id.variant]
            .is_async()
            .then(|| tested.account(&job.key_prefix, &mut result))
            .transpose()?;
        let facts = self.manifest.cells.last_mut().context("the cell's facts were begun")?;
        *facts = CellFacts {
            id: job.id,
            origin_ns: result.origin,
            arrivals_end: result.arrivals_end,
            drain_end: result.drain_end,
            driver_cpu: after.own_cpu - before.own_cpu,
            driver_run_queue_wait: result.run_queue_wait,
            target_cpu: after.cpu.zip(before.cpu).map(|(a, b)| a - b),
            target_peak_rss: after.peak_rss,
            durability: tested.bundled.as_ref().map(|b| b.ready.durability.clone()).filter(|d| d != "none"),
            target_counters: after.counters_since(before),
            accounting,
        };
        if let Some(bundled) = tested.bundled {
            bundled.stop();
        }
        self.write_manifest()
    }
}

/// A cell's facts before it has been performed: those of a run that is killed in it.
fn facts_to_come(plan: &Plan, id: CellId) -> CellFacts {
    CellFacts {
        id,
        origin_ns: Nanos::ZERO,
        arrivals_end: plan.steps[id.step].load.duration(),
        drain_end: Nanos::ZERO,
        driver_cpu: Nanos::ZERO,
        driver_run_queue_wait: None,
        target_cpu: None,
        target_peak_rss: None,
        durability: None,
        target_counters: BTreeMap::new(),
        accounting: None,
    }
}

/// A target ready to be loaded.
struct Tested {
    endpoint: Endpoint,
    bundled: Option<BundledTarget>,
}

/// What can be seen of this process and the target at one time.
struct Observed {
    own_cpu: Nanos,
    cpu: Option<Nanos>,
    peak_rss: Option<u64>,
    counters: BTreeMap<String, u64>,
}

impl Observed {
    fn counters_since(&self, before: &Observed) -> BTreeMap<String, u64> {
        let earlier = |name| before.counters.get(name).copied().unwrap_or(0);
        self.counters.iter().map(|(name, n)| (name.clone(), n.saturating_sub(earlier(name)))).collect()
    }
}

impl Tested {
    /// Start the target of a cell, or make sure that an external one answers.
    fn begin(plan: &Plan, id: CellId, dir: &Path, stop: &watch::Receiver<Stop>) -> anyhow::Result<Self> {
        match &plan.variants[id.variant].target {
            Target::Bundled(settings) => {
                let bundled = BundledTarget::start(settings, plan.seed, dir, stop)?;
                Ok(Tested { endpoint: Endpoint::resolve(&bundled.ready.url)?, bundled: Some(bundled) })
            }
            Target::External { url } => {
                let url = expand_env(url, |name| std::env::var(name).ok()).context("target")?;
                let endpoint = Endpoint::resolve(&url)?;
                endpoint.wait_reachable(REACH_TIMEOUT).with_context(|| {
                    format!(
                        "nothing answers at {}; start the service, or correct `target`",
                        endpoint.authority()
                    )
                })?;
                Ok(Tested { endpoint, bundled: None })
            }
        }
    }

    /// A fresh bundled target gets the same keys in each run, so that its seeded work repeats; an
    /// external one may remember keys, so each run, variant and step has its own.
    fn key_prefix(&self, plan: &Plan, id: CellId, started_at: &str) -> String {
        match self.bundled {
            Some(_) => format!("{}-{}-", plan.seed, id.step),
            None => {
                let digits: String = started_at.chars().filter(char::is_ascii_digit).collect();
                format!("{digits}-{}-{}-", id.variant, id.step)
            }
        }
    }

    fn observe(&self) -> Observed {
        let pid = self.bundled.as_ref().map(BundledTarget::pid);
        let counters = pid.and_then(|_| audit::counters(&self.endpoint).ok()).unwrap_or_default();
        Observed {
            own_cpu: process::own_cpu(),
            cpu: pid.and_then(process::cpu),
            peak_rss: pid.and_then(process::peak_rss),
            counters,
        }
    }

    /// Account for every job: against the target's own ledger where it is ours.
    fn account(&self, key_prefix: &str, result: &mut CellResult) -> anyhow::Result<Accounting> {
        match self.bundled {
            Some(_) => Ok(audit::audit(&self.endpoint, key_prefix, &mut result.jobs)?),
            None => Ok(result.jobs.accounting()),
        }
    }
}

/// Keeps what a cell gives.
struct CellListener<'a> {
    conductor: &'a mut Conductor,
    id: CellId,
    bundled: &'a mut Option<BundledTarget>,
    /// Why the target is gone, if it is.
    died: Option<String>,
}

impl Listener for CellListener<'_> {
    fn begun(&mut self, origin: Nanos) -> io::Result<()> {
        if let Some(facts) = self.conductor.manifest.cells.last_mut() {
            facts.origin_ns = origin;
        }
        self.conductor.writer.write_manifest(&self.conductor.manifest)
    }

    fn interval(&mut self, interval: &Interval) -> io::Result<()> {
        let conductor = &mut *self.conductor;
        let cell = conductor.manifest.cells.len() - 1;
        conductor.writer.append(&IntervalRecord::new(cell, interval))?;
        let (variant, step) = conductor.names(self.id);
        conductor.progress.interval(&format!("{variant} at {step}"), interval);
        if self.died.is_none() {
            self.died = self.bundled.as_mut().and_then(BundledTarget::ended);
        }
        match &self.died {
            Some(reason) => Err(io::Error::other(reason.clone())),
            None => Ok(()),
        }
    }

    fn row(&mut self, row: &JobRow) -> io::Result<()> {
        let conductor = &mut *self.conductor;
        let origin = conductor.manifest.cells.last().map_or(Nanos::ZERO, |c| c.origin_ns);
        let plan = &conductor.manifest.plan;
        let (variant, step) = (&plan.variants[self.id.variant].name, &plan.steps[self.id.step].name);
        match &mut conductor.rows {
            Some(rows) => rows.write(variant, step, origin, row),
            None => Ok(()),
        }
    }
}
