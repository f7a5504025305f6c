//! Statistics over a run: pure functions of [`plimsoll_model::artefact::Run`], no I/O and no words for people
//! beyond the messages of [`warning`].
//!
//! # Brief overview
//!
//! [`Analysis::of`] reads a run once. Each *cell* (a variant under a step's load) becomes a
//! [`cell::CellAnalysis`]: rates over its [`window`], latencies with [`quantile`]s that are unknown
//! rather than guessed, whether its backlog was [stable](stability), and how far its driver can be
//! [trusted](trust). Over all cells of a variant, [`capacity`] brackets the highest load it kept up
//! with; [`scorecard`] sets the variants side by side; [`summary`] lists every figure in the long
//! form that scripts read; [`timeline`] gives the figures over time. `plimsoll-report` only
//! words and draws what is found here.
//!
//! Times are in seconds and rates in 1/s, as `f64`, unless a name says otherwise.
//!
//! ```
//! use plimsoll_analysis::quantile::{binomial_ranks, min_samples};
//!
//! assert_eq!(min_samples(0.99), 299);
//! assert_eq!(binomial_ranks(10_000, 0.99, 0.95), Some((9_880, 9_920)));
//! ```

pub mod batch;
pub mod capacity;
pub mod cell;
pub mod estimate;
pub mod latency;
pub mod quantile;
pub mod scorecard;
pub mod stability;
pub mod summary;
pub mod timeline;
pub mod trust;
pub mod warning;
pub mod window;

use plimsoll_model::artefact::Run;
use plimsoll_model::plan::CellId;

use crate::capacity::Capacity;
use crate::cell::CellAnalysis;
use crate::scorecard::Scorecard;
use crate::warning::Warning;

/// Everything found in a run.
#[derive(Debug, Clone)]
pub struct Analysis {
    /// One for each cell begun, in performance order.
    pub cells: Vec<CellAnalysis>,
    /// One for each variant of the plan.
    pub capacities: Vec<Capacity>,
    /// The variants side by side.
    pub scorecard: Scorecard,
    /// What a reader must know before believing the figures, gravest first.
    pub warnings: Vec<Warning>,
}

impl Analysis {
    /// Analyse a run; a pure function of it.
    pub fn of(run: &Run) -> Analysis {
        let mut cells: Vec<CellAnalysis> = run.cells.iter().map(|c| CellAnalysis::of(run, c)).collect();
        cell::excuse_standing_errors(run, &mut cells);
        let capacities: Vec<Capacity> =
            (0..run.manifest.plan.variants.len()).map(|v| Capacity::of(run, &cells, v)).collect();
        let scorecard = Scorecard::of(run, &cells, &capacities);
        let warnings = warning::all(run, &cells);
        Analysis { cells, capacities, scorecard, warnings }
    }

    /// A cell's analysis, if the cell was begun.
    pub fn cell(&self, id: CellId) -> Option<&CellAnalysis> {
        self.cells.iter().find(|c| c.id == id)
    }

    /// The cells of one variant in step order.
    pub fn of_variant(&self, variant: usize) -> Vec<&CellAnalysis> {
        let mut cells: Vec<_> = self.cells.iter().filter(|c| c.id.variant == variant).collect();
        cells.sort_by_key(|c| c.id.step);
        cells
    }
}
