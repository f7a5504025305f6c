//! The run directory: the only thing a report is made from.
//!
//! | file | written | holds |
//! |---|---|---|
//! | `run.json` | at the start, after each cell, at the end (atomically) | [`Manifest`]: plan, environment, facts of each cell |
//! | `intervals.jsonl` | appended and flushed about once a second | [`IntervalRecord`]s |
//! | `jobs.csv` | appended, if asked for | a row for each job |
//!
//! Everything else in it (`report.html`, `summary.csv`, `intervals.csv`, `histograms.hlog`) is rebuilt from these.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::accounting::Accounting;
use crate::interval::{Interval, IntervalRecord};
use crate::plan::{CellId, Plan, Step, Variant};
use crate::time::Nanos;

/// Version of the directory's schema; a reader refuses a later one.
pub const SCHEMA: u32 = 1;

/// What is known of a run beside its intervals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`SCHEMA`] of the writer.
    pub schema: u32,
    /// Version of plimsoll that ran.
    pub version: String,
    /// The command, for people: `run` or `compare`.
    pub command: String,
    /// UTC start, RFC 3339, whole seconds.
    pub started_at: String,
    /// How the run ended, so far as it has.
    pub ending: Ending,
    /// The machine.
    pub environment: Environment,
    /// The test.
    pub plan: Plan,
    /// One entry for each cell begun, in performance order.
    pub cells: Vec<CellFacts>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It has not, or was killed: the figures end with the last flushed interval.
    Unfinished,
    /// Every cell was performed.
    Complete,
    /// Stopped by the user.
    Interrupted,
    /// Stopped by a fault, such as a target that died.
    Aborted {
        /// What happened, for people.
        reason: String,
    },
}

/// The machine a run was made on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// Kernel release.
    pub kernel: String,
    /// CPU model.
    pub cpu: String,
    /// Cores this process may use.
    pub cores: u32,
    /// Memory, bytes.
    pub memory_bytes: u64,
    /// Open-file limit.
    pub fd_limit: u64,
    /// Kernel clock source.
    pub clock_source: String,
    /// CPU frequency governor, if told.
    pub governor: Option<String>,
    /// Median time of an fsync in the run directory, if measured.
    pub fsync: Option<Nanos>,
}

/// What is known of one cell beside its intervals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CellFacts {
    /// Which.
    pub id: CellId,
    /// `CLOCK_MONOTONIC` of the first intended start's origin, ns.
    pub origin_ns: Nanos,
    /// From the origin to the end of arrivals; less than planned if cut short.
    pub arrivals_end: Nanos,
    /// From the origin to the end of the drain.
    pub drain_end: Nanos,
    /// Driver's CPU time over the cell, user and system.
    pub driver_cpu: Nanos,
    /// Time the driver's load threads were runnable but not running (schedstat), if told.
    pub driver_run_queue_wait: Option<Nanos>,
    /// Target's CPU time over the cell, where the target is ours.
    pub target_cpu: Option<Nanos>,
    /// Target's peak resident memory by the cell's end, bytes, where it is ours.
    pub target_peak_rss: Option<u64>,
    /// Durability class of the target's queue, where it is ours and has one.
    pub durability: Option<String>,
    /// The bundled target's own counters, as differences over the cell.
    pub target_counters: std::collections::BTreeMap<String, u64>,
    /// Job accounting; absent for synchronous work.
    pub accounting: Option<Accounting>,
}

/// A run directory being written.
#[derive(Debug)]
pub struct RunWriter {
    dir: PathBuf,
    intervals: File,
}

impl RunWriter {
    /// Create `dir` (and its parents) and begin with `manifest`.
    ///
    /// # Errors
    /// When the directory can't be made or written, or already holds a run.
    pub fn create(dir: &Path, manifest: &Manifest) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        if dir.join("run.json").exists() {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "the directory already holds a run"));
        }
        let intervals =
            OpenOptions::new().create(true).truncate(true).write(true).open(dir.join("intervals.jsonl"))?;
        let writer = RunWriter { dir: dir.to_owned(), intervals };
        writer.write_manifest(manifest)?;
        Ok(writer)
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Replace `run.json` in one step: a reader sees the old or the new one, never half.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn write_manifest(&self, manifest: &Manifest) -> io::Result<()> {
        let text = serde_json::to_string_pretty(manifest).map_err(io::Error::other)?;
        let new = self.dir.join("run.json.new");
        fs::write(&new, text + "\n")?;
        fs::rename(new, self.dir.join("run.json"))
    }

    /// Append one interval; it survives the death of this process once this returns.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn append(&mut self, record: &IntervalRecord) -> io::Result<()> {
        let mut line = serde_json::to_vec(record).map_err(io::Error::other)?;
        line.push(b'\n');
        self.intervals.write_all(&line)
    }
}

/// A run as read back: the only input of analysis and reports.
#[derive(Debug, Clone)]
pub struct Run {
    /// What is known of it.
    pub manifest: Manifest,
    /// Its cells, in performance order.
    pub cells: Vec<Cell>,
}

/// One cell of a [`Run`].
#[derive(Debug, Clone)]
pub struct Cell {
    /// What is known of it; a cell cut off by a kill has only its `id` and origin right.
    pub facts: CellFacts,
    /// Its intervals in order, all shards' figures together.
    pub intervals: Vec<Interval>,
}

impl Cell {
    /// Add a shard's figures: to the interval with the same start if there is one.
    pub fn add(&mut self, interval: Interval) {
        match self.intervals.binary_search_by_key(&interval.start, |i| i.start) {
            Ok(index) => self.intervals[index].merge_shard(&interval),
            Err(index) => self.intervals.insert(index, interval),
        }
    }

    /// All its intervals merged.
    pub fn merged(&self) -> Interval {
        let mut all = Interval { start: Nanos::MAX, ..Interval::default() };
        self.intervals.iter().for_each(|i| all.merge_later(i));
        all
    }
}

/// A run directory that can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A file is missing or unreadable.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not what plimsoll writes.
    #[error("{path}:{line}: {message}")]
    Format {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// It was written by a later version.
    #[error("{path} has schema {found}; this plimsoll reads up to {SCHEMA}: use a newer one")]
    Schema {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: u32,
    },
}

impl Run {
    /// Read a run directory. A last line cut off by a kill is left out; any other damage is an error.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn load(dir: &Path) -> Result<Run, ReadError> {
        let manifest = read_manifest(&dir.join("run.json"))?;
        let path = dir.join("intervals.jsonl");
        let mut cells: Vec<Cell> =
            manifest.cells.iter().map(|facts| Cell { facts: facts.clone(), intervals: Vec::new() }).collect();
        for (cell, interval) in read_intervals(&path)? {
            match cells.get_mut(cell) {
                Some(cell) => cell.add(interval),
                None => {
                    let message = format!("interval of cell {cell}, but run.json has {}", cells.len());
                    return Err(ReadError::Format { path, line: 1, message });
                }
            }
        }
        Ok(Run { manifest, cells })
    }

    /// The variant a cell tested.
    pub fn variant(&self, cell: &Cell) -> &Variant {
        &self.manifest.plan.variants[cell.facts.id.variant]
    }

    /// The step that loaded a cell.
    pub fn step(&self, cell: &Cell) -> &Step {
        &self.manifest.plan.steps[cell.facts.id.step]
    }

    /// The cell of a variant and a step, if it was begun.
    pub fn cell(&self, id: CellId) -> Option<&Cell> {
        self.cells.iter().find(|c| c.facts.id == id)
    }
}

fn read_manifest(path: &Path) -> Result<Manifest, ReadError> {
    let text = fs::read_to_string(path).map_err(|source| ReadError::Io { path: path.to_owned(), source })?;
    let format = |e: serde_json::Error| ReadError::Format {
        path: path.to_owned(),
        line: e.line(),
        message: e.to_string(),
    };
    // The schema first: a later one need not parse as ours.
    let raw: serde_json::Value = serde_json::from_str(&text).map_err(format)?;
    match raw.get("schema").and_then(serde_json::Value::as_u64) {
        Some(found) if found > u64::from(SCHEMA) => {
            Err(ReadError::Schema { path: path.to_owned(), found: found as u32 })
        }
        _ => {
            let manifest: Manifest = serde_json::from_str(&text).map_err(format)?;
            let plan = &manifest.plan;
            match manifest
                .cells
                .iter()
                .find(|c| c.id.variant >= plan.variants.len() || c.id.step >= plan.steps.len())
            {
                Some(c) => Err(ReadError::Format {
                    path: path.to_owned(),
                    line: 1,
                    message: format!("cell {:?} is not in the plan", c.id),
                }),
                None => Ok(manifest),
            }
        }
    }
}

fn read_intervals(path: &Path) -> Result<Vec<(usize, Interval)>, ReadError> {
    let file = File::open(path).map_err(|source| ReadError::Io { path: path.to_owned(), source })?;
    let mut reader = BufReader::new(file);
    let mut read = Vec::new();
    let mut text = String::new();
    for line in 1.. {
        text.clear();
        let n =
            reader.read_line(&mut text).map_err(|source| ReadError::Io { path: path.to_owned(), source })?;
        if n == 0 || !text.ends_with('\n') {
            break;
        }
        let interval = serde_json::from_str::<IntervalRecord>(&text)
            .map_err(|e| e.to_string())
            .and_then(|r| r.decode().map(|i| (r.cell, i)).map_err(|e| e.to_string()))
            .map_err(|message| ReadError::Format { path: path.to_owned(), line, message })?;
        read.push(interval);
    }
    Ok(read)
}
