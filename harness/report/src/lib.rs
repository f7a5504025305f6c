//! One [`Document`] composed from a run, and its renderers.
//!
//! # Brief overview
//!
//! [`compose()`] turns a [`Run`] into a [`Document`]: a verdict, an answer in words, warnings with
//! remedies, and sections of tables and figures. Everything is decided there, once: the renderers
//! ([`html`], [`terminal`], and the files of [`write_all`]) compute no figure, so that no two outputs
//! can disagree. Charts are small SVG drawings of our own ([`chart`]), readable without scripts and
//! without style sheets.
//!
//! Every output is a pure function of the run directory's contents: no clock, no path, no order of
//! hashing goes into it, and writing twice gives the same bytes.
//!
//! ```no_run
//! use std::path::Path;
//! use plimsoll_model::artefact::Run;
//! use plimsoll_report::{TerminalOptions, compose, terminal, write_all};
//!
//! let dir = Path::new("reports/email");
//! let run = Run::load(dir)?;
//! print!("{}", terminal(&compose(&run), &TerminalOptions { color: false, width: 100 }));
//! for path in write_all(&run, dir)? {
//!     println!("{}", path.display());
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod chart;
mod compose;
pub mod document;
mod render;
mod words;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use plimsoll_analysis::{Analysis, summary};
use plimsoll_model::artefact::Run;

pub use crate::document::Document;
pub use crate::render::terminal::TerminalOptions;

/// Everything a report says of `run`.
pub fn compose(run: &Run) -> Document {
    compose::document(run, &Analysis::of(run))
}

/// The page: one file that needs nothing else.
pub fn html(document: &Document) -> String {
    render::html::page(document)
}

/// At most 40 lines for a terminal, each ended by a newline.
pub fn terminal(document: &Document, options: &TerminalOptions) -> String {
    render::terminal::text(document, options)
}

/// The rows of `summary.csv` as a JSON array of objects with the same fields; unknown figures are null.
pub fn json(run: &Run) -> String {
    render::json::rows(&summary::rows(run, &Analysis::of(run)))
}

/// `summary.csv`: the contract is that of [`plimsoll_analysis::summary`].
pub fn summary_csv(run: &Run) -> String {
    render::csv::summary(&summary::rows(run, &Analysis::of(run)))
}

/// `intervals.csv`: rates, gauges and latencies of each interval.
pub fn intervals_csv(run: &Run) -> String {
    render::csv::intervals(run, &Analysis::of(run))
}

/// `histograms.hlog`: an HdrHistogram interval log, tagged `variant/step/metric/outcome`.
///
/// # Errors
/// When a histogram can't be written in that form.
pub fn histograms_hlog(run: &Run) -> io::Result<String> {
    render::hlog::log(run)
}

/// Write `report.html`, `summary.csv`, `intervals.csv` and `histograms.hlog` into `dir`, each in one
/// step, and tell their paths.
///
/// # Errors
/// When a file can't be written; those before it are whole.
pub fn write_all(run: &Run, dir: &Path) -> io::Result<Vec<PathBuf>> {
    let analysis = Analysis::of(run);
    let document = compose::document(run, &analysis);
    let files = [
        ("report.html", html(&document)),
        ("summary.csv", render::csv::summary(&summary::rows(run, &analysis))),
        ("intervals.csv", render::csv::intervals(run, &analysis)),
        ("histograms.hlog", render::hlog::log(run)?),
    ];
    files.into_iter().map(|(name, text)| write_whole(&dir.join(name), &text)).collect()
}

/// A reader sees the old file or the new one, never half of it.
fn write_whole(path: &Path, text: &str) -> io::Result<PathBuf> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    fs::write(&new, text)?;
    fs::rename(&new, path)?;
    Ok(path.to_owned())
}
