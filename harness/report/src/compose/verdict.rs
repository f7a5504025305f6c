//! Whether the figures can be believed, and what must be known before.

use plimsoll_analysis::warning::{Kind, Severity, Warning};

use super::Context;
use crate::document::{Level, Notice, Verdict};
use crate::words;

/// The verdict of the whole run.
pub fn verdict(c: &Context<'_>) -> Verdict {
    let warnings = &c.analysis.warnings;
    let severe = |w: &&Warning| w.kind.severity() == Severity::Severe;
    let cells = c.analysis.cells.len();
    let limited = c.analysis.cells.iter().filter(|x| x.trust.is_generator_limited()).count();
    let (level, word, reason) = if cells == 0 {
        (Level::Severe, "No figures", "Nothing was performed.".to_owned())
    } else if let Some(first) = warnings.iter().find(severe) {
        (Level::Severe, "Not valid", format!("{}.", first.kind.title()))
    } else if limited > 0 {
        let reason = format!(
            "In {limited} of {cells} {}, the driver did not do all that was asked of it.",
            if cells == 1 { "cell" } else { "cells" }
        );
        (Level::Caution, "Generator-limited", reason)
    } else if let Some(first) =
        warnings.iter().find(|w| matches!(w.kind, Kind::Unfinished | Kind::Interrupted))
    {
        (Level::Caution, "Incomplete", format!("{}.", first.kind.title()))
    } else {
        let reason =
            "The driver kept its schedule in every cell, and every operation is accounted for.".to_owned();
        (Level::Good, "Valid", reason)
    };
    Verdict { level, word: word.to_owned(), reason }
}

/// Warnings of one kind as one notice.
pub fn notices(c: &Context<'_>) -> Vec<Notice> {
    let mut notices: Vec<Notice> = Vec::new();
    let mut details: Vec<String> = Vec::new();
    for (i, warning) in c.analysis.warnings.iter().enumerate() {
        details.push(detail(c, warning));
        let next = c.analysis.warnings.get(i + 1).map(|w| w.kind.title());
        if next != Some(warning.kind.title()) {
            details.retain(|d| !d.is_empty());
            notices.push(Notice {
                level: level(warning.kind.severity()),
                title: warning.kind.title().to_owned(),
                detail: shortened(&details),
                remedy: warning.kind.remedy().to_owned(),
            });
            details.clear();
        }
    }
    notices
}

/// Eight cells by name; a longer list says no more.
fn shortened(details: &[String]) -> String {
    match details.len() {
        0..=8 => details.join("; "),
        n => format!("{}; and {} more", details[..7].join("; "), n - 7),
    }
}

fn detail(c: &Context<'_>, warning: &Warning) -> String {
    let figures = warning.kind.detail();
    let place = warning.cell.and_then(|id| c.analysis.cell(id)).map(|cell| c.cell_name(cell));
    match (place, figures.is_empty()) {
        (Some(place), true) => place,
        (Some(place), false) => format!("{place}: {figures}"),
        (None, _) => words::sentence(&figures),
    }
}

const fn level(severity: Severity) -> Level {
    match severity {
        Severity::Severe => Level::Severe,
        Severity::Caution => Level::Caution,
        Severity::Note => Level::Note,
    }
}
