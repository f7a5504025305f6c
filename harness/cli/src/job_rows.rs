//! `jobs.csv`: every operation's own row.

use std::fs::File;
use std::io;
use std::path::Path;

use plimsoll_load::recorder::JobRow;
use plimsoll_model::sample::Outcome;
use plimsoll_model::time::Nanos;

/// Writes `jobs.csv` of a run.
#[derive(Debug)]
pub struct JobRows {
    csv: csv::Writer<File>,
}

const HEADER: [&str; 11] = [
    "variant",
    "step",
    "seq",
    "outcome",
    "status",
    "intended_s",
    "sent_s",
    "answered_s",
    "job_outcome",
    "finished_s",
    "noticed_s",
];

impl JobRows {
    /// Begin `jobs.csv` in `dir`.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn create(dir: &Path) -> io::Result<Self> {
        let mut csv = csv::Writer::from_path(dir.join("jobs.csv"))?;
        csv.write_record(HEADER)?;
        Ok(JobRows { csv })
    }

    /// Add one row; times are offsets from the cell's `origin`, in seconds.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn write(&mut self, variant: &str, step: &str, origin: Nanos, row: &JobRow) -> io::Result<()> {
        let at = |t: Nanos| format!("{:.9}", (t - origin).as_secs_f64());
        let s = &row.sample;
        let job = row.job.as_ref();
        self.csv.write_record([
            variant,
            step,
            &row.seq.to_string(),
            s.outcome.name(),
            &s.status.map(|s| s.to_string()).unwrap_or_default(),
            &at(s.intended),
            &at(s.sent),
            &at(s.ended),
            job.map_or("", |j| job_outcome(j.outcome)),
            &job.and_then(|j| j.finished).map(at).unwrap_or_default(),
            &job.map(|j| at(j.noticed)).unwrap_or_default(),
        ])?;
        Ok(())
    }

    /// Bring what was written to the file.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.csv.flush()
    }
}

fn job_outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "done",
        Outcome::Failed => "failed",
        _ => "unresolved",
    }
}
