//! At most forty lines for a terminal.

use crate::document::{CellKind, Document, Level, Table};

/// How a terminal is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerminalOptions {
    /// Whether colour may be used; `NO_COLOR` is the caller's to honour.
    pub color: bool,
    /// Columns; taken as at least 40.
    pub width: usize,
}

const MOST_LINES: usize = 40;
const MOST_NOTICES: usize = 4;

/// The summary.
pub fn text(document: &Document, options: &TerminalOptions) -> String {
    let width = options.width.clamp(40, 110);
    let paint = Paint(options.color);
    let mut head = Vec::new();
    head.push(paint.bold(&clean(&document.title)));
    wrap(&document.subtitle, width, 0, |_, line| head.push(line.to_owned()));
    let verdict = format!("{}.", document.verdict.word);
    wrap(&format!("{verdict} {}", document.verdict.reason), width, 0, |i, line| {
        match (i, line.strip_prefix(&verdict)) {
            (0, Some(rest)) => head.push(format!("{}{rest}", paint.level(document.verdict.level, &verdict))),
            _ => head.push(line.to_owned()),
        }
    });
    head.push(String::new());
    wrap(&document.answer.join(" "), width, 0, |_, line| head.push(line.to_owned()));
    let notices = notices(document, width, paint);
    let sparks = sparks(document);
    let room = MOST_LINES.saturating_sub(head.len() + notices.len() + sparks.len() + 3);
    let mut lines = head;
    lines.extend(blank_before(notices));
    lines.extend(blank_before(table(&document.scorecard, paint, room)));
    lines.extend(blank_before(sparks));
    lines.truncate(MOST_LINES);
    lines.iter().map(|l| fit(l, width, options.color)).map(|l| format!("{}\n", l.trim_end())).collect()
}

fn blank_before(lines: Vec<String>) -> Vec<String> {
    if lines.is_empty() { lines } else { std::iter::once(String::new()).chain(lines).collect() }
}

fn notices(document: &Document, width: usize, paint: Paint) -> Vec<String> {
    let mut lines = Vec::new();
    for n in document.notices.iter().take(MOST_NOTICES) {
        let mark = match n.level {
            Level::Severe => "!!",
            Level::Caution => "! ",
            _ => "- ",
        };
        let detail = if n.detail.is_empty() { String::new() } else { format!(": {}", n.detail) };
        // Two lines of a notice say what and where; the page says the rest.
        let mut text = Vec::new();
        wrap(&format!("{}{detail}", n.title), width - 4, 0, |_, line| text.push(line.to_owned()));
        if text.len() > 2 {
            text.truncate(2);
            text[1].push('…');
        }
        for (i, line) in text.iter().enumerate() {
            let mark = if i == 0 { paint.level(n.level, mark) } else { "  ".to_owned() };
            lines.push(format!("{mark} {line}"));
        }
    }
    if document.notices.len() > MOST_NOTICES {
        lines.push(format!(
            "   {} more, and what to do about each, in the report",
            document.notices.len() - MOST_NOTICES
        ));
    }
    lines
}

/// The scorecard in columns; the rows that only the page shows are left out, and as many of the last
/// as there is no room for.
fn table(t: &Table, paint: Paint, room: usize) -> Vec<String> {
    let columns = t.columns.len();
    let mut widths: Vec<usize> = t.columns.iter().map(|c| length(&clean(&c.label))).collect();
    let shown: Vec<_> = t.rows.iter().filter(|r| r[0].kind != CellKind::Minor).collect();
    for row in shown.iter().filter(|r| r.len() == columns) {
        for (w, cell) in widths.iter_mut().zip(row.iter()) {
            *w = (*w).max(length(&clean(&cell.text)) + usize::from(cell.kind == CellKind::Marked) * 2);
        }
    }
    let pad = |text: &str, i: usize| {
        let text = clean(text);
        let gap = " ".repeat(widths[i].saturating_sub(length(&text)));
        if i == 0 { format!("  {text}{gap}") } else { format!("   {gap}{text}") }
    };
    let mut lines = Vec::new();
    lines.push(t.columns.iter().enumerate().map(|(i, c)| pad(&c.label, i)).collect::<String>());
    for row in shown {
        lines.push(match row.len() == columns {
            false => paint.bold(&clean(&row[0].text)),
            true => row
                .iter()
                .enumerate()
                .map(|(i, c)| match c.kind {
                    CellKind::Marked => pad(&format!("≥ {}", c.text), i),
                    _ => pad(&c.text, i),
                })
                .collect(),
        });
    }
    lines.truncate(room.max(3));
    lines
}

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

fn sparks(document: &Document) -> Vec<String> {
    let widest = document.sparks.iter().map(|s| length(&clean(&s.label))).max().unwrap_or(0);
    let bars = |heights: &[Option<f64>]| -> String {
        heights.iter().map(|h| h.map_or(' ', |h| BLOCKS[((h * 7.0).round() as usize).min(7)])).collect()
    };
    let line = |s: &crate::document::Spark| {
        let label = clean(&s.label);
        let gap = " ".repeat(widest - length(&label));
        format!("  {label}{gap}  {}  {}", bars(&s.heights), s.range)
    };
    document.sparks.iter().take(6).map(line).collect()
}

/// What comes from outside must not steer the terminal; narrow spaces become plain ones.
fn clean(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c == '\u{a0}' {
                ' '
            } else if c.is_control() {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

fn length(text: &str) -> usize {
    text.chars().count()
}

/// Cut to the width, unless colour codes make counting unsafe.
fn fit(line: &str, width: usize, color: bool) -> String {
    match !color && length(line) > width {
        true => format!("{}…", line.chars().take(width - 1).collect::<String>()),
        false => line.to_owned(),
    }
}

/// Break at spaces; a figure and its unit stay together.
fn wrap(text: &str, width: usize, indent: usize, mut line: impl FnMut(usize, &str)) {
    let (mut current, mut n) = (String::new(), 0);
    for word in text.split(' ') {
        let word: String = clean(word);
        if !current.is_empty() && length(&current) + 1 + length(&word) > width {
            line(n, &current);
            n += 1;
            current = " ".repeat(indent);
        }
        if !current.trim().is_empty() {
            current.push(' ');
        }
        current.push_str(&word);
    }
    line(n, &current);
}

#[derive(Clone, Copy)]
struct Paint(bool);

impl Paint {
    fn code(self, code: &str, text: &str) -> String {
        if self.0 { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn bold(self, text: &str) -> String {
        self.code("1", text)
    }

    fn level(self, level: Level, text: &str) -> String {
        let code = match level {
            Level::Good => "32",
            Level::Note => "36",
            Level::Caution => "33",
            Level::Severe => "31",
        };
        self.code(code, text)
    }
}
