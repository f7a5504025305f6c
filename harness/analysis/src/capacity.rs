//! How heavily a variant may be loaded: a bracket, never a point.

use plimsoll_model::artefact::Run;
use plimsoll_model::plan::CellId;

use crate::cell::{CellAnalysis, KeptUp};
use crate::estimate::{Estimate, ratio};

/// The bracket of one variant.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Capacity {
    /// Index of the variant.
    pub variant: usize,
    /// The highest offered rate, 1/s, at which it kept up, with every lower one kept up as well;
    /// none if it never did.
    pub lower: Option<f64>,
    /// The step of `lower`.
    pub lower_step: Option<usize>,
    /// The lowest offered rate at which it did not; none if it always kept up: then the capacity is
    /// at least `lower`.
    pub upper: Option<f64>,
    /// The step of `upper`.
    pub upper_step: Option<usize>,
    /// Completed rate at the highest offered rate, if that was past the capacity: what the variant
    /// does when it does all it can.
    pub saturation: Option<Estimate>,
    /// The step of `saturation`.
    pub saturation_step: Option<usize>,
    /// The heaviest rate above `lower` that can't be judged, if no failure lies above `lower`: then
    /// nothing is known of the loads between.
    pub unjudged: Option<f64>,
    /// A higher rate was kept up with after a lower one was not: the smaller bound stands.
    pub inverted: bool,
}

impl Capacity {
    /// Of one variant, from its open-model cells. A load inversion is treated conservatively, as RFC
    /// 9971 does: the lower bound stays below the lowest failure. A cell that can't be
    /// judged is left out.
    pub fn of(run: &Run, cells: &[CellAnalysis], variant: usize) -> Self {
        let mut judged: Vec<(f64, CellId, &CellAnalysis)> = cells
            .iter()
            .filter(|c| c.id.variant == variant)
            .filter_map(|c| run.manifest.plan.steps[c.id.step].load.offered_rate().map(|r| (r, c.id, c)))
            .collect();
        judged.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.step.cmp(&b.1.step)));
        let mut capacity = Capacity { variant, ..Capacity::default() };
        for (rate, id, cell) in &judged {
            match (&cell.kept_up, capacity.upper) {
                (KeptUp::Yes, None) => {
                    (capacity.lower, capacity.lower_step) = (Some(*rate), Some(id.step));
                }
                (KeptUp::Yes, Some(_)) => capacity.inverted = true,
                (KeptUp::No(_), None) => {
                    (capacity.upper, capacity.upper_step) = (Some(*rate), Some(id.step));
                }
                (KeptUp::Unknown, None) => capacity.unjudged = Some(*rate),
                _ => (),
            }
        }
        if capacity.upper.is_some() || capacity.unjudged < capacity.lower {
            capacity.unjudged = None;
        }
        if let Some((_, id, cell)) = judged.last().filter(|(.., c)| matches!(c.kept_up, KeptUp::No(_))) {
            capacity.saturation = Some(cell.rates.completed);
            capacity.saturation_step = Some(id.step);
        }
        capacity
    }
}

/// How far two variants agree on what they complete past saturation: the ratio of the greater to
/// the smaller of all variants' rates; none unless all were saturated.
pub fn saturation_ratio(capacities: &[Capacity]) -> Option<f64> {
    let rates: Option<Vec<f64>> = capacities.iter().map(|c| c.saturation.and_then(|s| s.value)).collect();
    let rates = rates.filter(|r| r.len() > 1)?;
    let (low, high) = rates.iter().fold((f64::INFINITY, 0.0f64), |(l, h), r| (l.min(*r), h.max(*r)));
    ratio(high, low)
}
