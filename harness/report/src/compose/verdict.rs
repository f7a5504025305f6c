//! Whether the figures can be believed, and what to know before believing them.

use plimsoll_analysis::warning::{Kind, Severity, Warning};
use plimsoll_model::plan::CellId;

use super::View;
use crate::document::{Level, Notice, Verdict};
use crate::words;

/// Most cells named in one notice.
const MOST_CELLS: usize = 3;

/// The verdict: that of the gravest warning.
pub fn verdict(view: &View<'_>) -> Verdict {
    let warnings = &view.analysis.warnings;
    let limited = view.analysis.cells.iter().filter(|c| c.trust.is_generator_limited()).count();
    let (level, word, reason) = match warnings.first().map(|w| (w.kind.severity(), w)) {
        Some((Severity::Severe, w)) => (
            Level::Severe,
            "not to be believed as it stands",
            format!("{}: {}", w.kind.title(), w.kind.detail()),
        ),
        _ if limited > 0 => {
            let cells = view.analysis.cells.len();
            let reason =
                format!("in {limited} of {cells} cells the figures are the driver's, see the warnings");
            (Level::Caution, "generator-limited", reason)
        }
        Some((Severity::Caution, w)) if ends_early(&w.kind) => {
            (Level::Caution, ending_word(&w.kind), "it holds what was measured until then".to_owned())
        }
        _ => (Level::Good, "measured", sound(view)),
    };
    Verdict { level, word: word.to_owned(), reason }
}

fn ends_early(kind: &Kind) -> bool {
    matches!(kind, Kind::Unfinished | Kind::Interrupted)
}

fn ending_word(kind: &Kind) -> &'static str {
    if matches!(kind, Kind::Interrupted) { "interrupted" } else { "unfinished" }
}

/// Why a sound run can be believed.
fn sound(view: &View<'_>) -> String {
    let cells = &view.analysis.cells;
    let scheduled: u64 = cells.iter().map(|c| c.trust.scheduled).sum();
    let late = cells.iter().filter_map(|c| c.trust.lateness.as_ref()?.p99()).fold(0.0, f64::max);
    let late = if late > 0.0 {
        format!(", the driver at most {} late at p99", words::time(late))
    } else {
        String::new()
    };
    format!("every one of {} scheduled starts is accounted for{late}", words::count(scheduled))
}

/// The warnings, those of one kind together.
pub fn notices(view: &View<'_>) -> Vec<Notice> {
    let mut notices: Vec<(&'static str, Vec<&Warning>)> = Vec::new();
    for warning in &view.analysis.warnings {
        match notices.last_mut().filter(|(title, _)| *title == warning.kind.title()) {
            Some((_, same)) => same.push(warning),
            None => notices.push((warning.kind.title(), vec![warning])),
        }
    }
    notices.into_iter().map(|(title, same)| notice(view, title, &same)).collect()
}

fn notice(view: &View<'_>, title: &str, same: &[&Warning]) -> Notice {
    let first = &same[0].kind;
    let level = match first.severity() {
        Severity::Severe => Level::Severe,
        Severity::Caution => Level::Caution,
        Severity::Note => Level::Note,
    };
    let mut places: Vec<String> = same.iter().take(MOST_CELLS).map(|w| place(view, w)).collect();
    if same.len() > MOST_CELLS {
        places.push(format!("and {} more", same.len() - MOST_CELLS));
    }
    Notice { level, title: title.to_owned(), detail: places.join("; "), remedy: first.remedy().to_owned() }
}

fn place(view: &View<'_>, warning: &Warning) -> String {
    let named = |id: CellId| view.analysis.cell(id).map(|c| view.cell_name(c));
    match warning.cell.and_then(named) {
        Some(name) => format!("{name}: {}", warning.kind.detail()),
        None => warning.kind.detail(),
    }
}
