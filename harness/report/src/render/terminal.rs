//! The summary for a terminal: at most 40 lines.

use crate::document::{Cell, CellKind, Document, Level, Spark, Table};

/// Most lines of the whole.
pub const MOST_LINES: usize = 40;

/// Narrowest and widest text, columns.
const WIDTHS: std::ops::RangeInclusive<usize> = 40..=110;

/// How it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerminalOptions {
    /// Whether to use colour and weight.
    pub color: bool,
    /// Columns to fill.
    pub width: usize,
}

/// The document's essence.
pub fn text(document: &Document, options: &TerminalOptions) -> String {
    let paint = Paint { color: options.color, width: options.width.clamp(*WIDTHS.start(), *WIDTHS.end()) };
    let mut lines = vec![paint.bold(&clean(&document.title)), clean(&document.subtitle)];
    let verdict = format!("{}: {}", document.verdict.word, document.verdict.reason);
    lines.extend(paint.wrapped(&clean(&verdict), 0).iter().map(|l| paint.level(document.verdict.level, l)));
    lines.push(String::new());
    for sentence in &document.answer {
        lines.extend(paint.wrapped(&clean(sentence), 2));
    }
    let table = scorecard(&document.scorecard, &paint);
    let sparks: Vec<String> = document.sparks.iter().map(spark).collect();
    // The scorecard is what was asked for: warnings give way first, then the small series.
    let room = MOST_LINES.saturating_sub(lines.len() + table.len() + 1);
    lines.extend(notices(document, &paint, room.min(6)));
    lines.push(String::new());
    lines.extend(table);
    let room = MOST_LINES.saturating_sub(lines.len());
    lines.extend(sparks.into_iter().take(room));
    lines.truncate(MOST_LINES);
    lines.iter().map(|l| format!("{}\n", l.trim_end())).collect()
}

/// Control characters in names from outside must not reach the terminal.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn notices(document: &Document, paint: &Paint, most: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for n in &document.notices {
        lines.push(
            paint.level(
                n.level,
                &paint.cut(&clean(&format!("{}: {} ({})", n.level.name(), n.title, n.detail))),
            ),
        );
    }
    if lines.len() > most {
        let left = lines.len() - most.saturating_sub(1);
        lines.truncate(most.saturating_sub(1));
        lines.push(format!("and {left} more notices, with their remedies in the report"));
        lines.truncate(most);
    }
    lines
}

fn scorecard(table: &Table, paint: &Paint) -> Vec<String> {
    let shown: Vec<&Vec<Cell>> =
        table.rows.iter().filter(|r| r.first().is_some_and(|c| c.kind != CellKind::Minor)).collect();
    let text = |c: &Cell| match c.kind {
        CellKind::Marked => format!("{}†", clean(&c.text)),
        _ => clean(&c.text),
    };
    let width = |i: usize| {
        let cells =
            shown.iter().filter(|r| r.len() > 1).filter_map(|r| r.get(i)).map(|c| text(c).chars().count());
        let head = table.columns.get(i).map_or(0, |c| c.label.chars().count());
        cells.chain([head]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..table.columns.len()).map(width).collect();
    let line = |cells: &[String]| {
        let padded = cells.iter().zip(&widths).enumerate().map(|(i, (t, w))| {
            let space = " ".repeat(w.saturating_sub(t.chars().count()));
            if i == 0 { format!("{t}{space}") } else { format!("{space}{t}") }
        });
        paint.cut(&padded.collect::<Vec<_>>().join("  "))
    };
    let mut lines =
        vec![paint.bold(&line(&table.columns.iter().map(|c| clean(&c.label)).collect::<Vec<_>>()))];
    for row in &shown {
        match row.as_slice() {
            [only] => lines.push(paint.bold(&clean(&only.text))),
            cells => lines.push(line(&cells.iter().map(text).collect::<Vec<_>>())),
        }
    }
    if shown.iter().flat_map(|r| r.iter()).any(|c| c.kind == CellKind::Marked) {
        lines.push("† grows with the length of the test".to_owned());
    }
    lines
}

fn spark(spark: &Spark) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let bar = |h: &Option<f64>| h.map_or(' ', |h| BARS[((h * 7.0).round() as usize).min(7)]);
    let drawn: String = spark.heights.iter().map(bar).collect();
    format!("{drawn}  {}, {}", clean(&spark.label), spark.range)
}

struct Paint {
    color: bool,
    width: usize,
}

impl Paint {
    fn sgr(&self, code: &str, text: &str) -> String {
        if self.color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn bold(&self, text: &str) -> String {
        self.sgr("1", text)
    }

    fn level(&self, level: Level, text: &str) -> String {
        match level {
            Level::Good => self.sgr("32", text),
            Level::Note => text.to_owned(),
            Level::Caution => self.sgr("33", text),
            Level::Severe => self.sgr("31", text),
        }
    }

    fn cut(&self, text: &str) -> String {
        match text.chars().count() > self.width {
            true => text.chars().take(self.width - 1).chain(['…']).collect(),
            false => text.to_owned(),
        }
    }

    /// Broken at spaces to the width; lines after the first are indented.
    fn wrapped(&self, text: &str, indent: usize) -> Vec<String> {
        let mut lines = vec![String::new()];
        for word in text.split(' ') {
            let line = lines.last_mut().expect("there is always a line");
            if !line.trim().is_empty() && line.chars().count() + 1 + word.chars().count() > self.width {
                lines.push(" ".repeat(indent) + word);
            } else {
                if !line.trim().is_empty() {
                    line.push(' ');
                }
                line.push_str(word);
            }
        }
        lines
    }
}
