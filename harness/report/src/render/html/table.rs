//! Tables.

use maud::{Markup, PreEscaped, html};

use crate::chart;
use crate::document::{Cell, CellKind, Column, Table};

/// Texts longer than this may be broken, px being dearer than lines.
const LONG: usize = 40;

/// What the mark of a [`CellKind::Marked`] cell means.
const MARKED: &str = "grows with the length of the test";

/// What a table is for, which decides how large it is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The variants side by side, under a heading that says the same as its caption.
    Scorecard,
    /// Any other.
    Plain,
}

/// A table that scrolls in a narrow window.
pub fn table(t: &Table, role: Role) -> Markup {
    let is_scorecard = role == Role::Scorecard;
    let label = hint(&t.caption);
    html! {
        div.scroll tabindex="0" role=[label.is_some().then_some("region")] aria-label=[label] {
            // The border is for readers whose server refuses style sheets.
            table class=[is_scorecard.then_some("scorecard")] border="1" {
                @if !t.caption.is_empty() { caption { (t.caption) } }
                thead { tr { @for c in &t.columns { (heading(c)) } } }
                @for group in t.rows.chunk_by(|_, next| !is_group(next)) {
                    tbody { @for row in group { (line(row, &t.columns)) } }
                }
            }
            @if t.rows.iter().flatten().any(|c| c.kind == CellKind::Marked) {
                p.foot { "≥ " (MARKED) }
            }
        }
    }
}

/// The text for a `title` attribute, if there is any: an empty one would hide an outer one.
fn hint(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn is_group(row: &[Cell]) -> bool {
    row.first().is_some_and(|c| c.kind == CellKind::Group)
}

fn heading(c: &Column) -> Markup {
    html! {
        // A heading without text would be read out as one.
        @if c.label.is_empty() { td {} } @else {
            th scope="col" class=[c.numeric.then_some("number")] title=[hint(&c.hint)] {
                @if let Some(v) = c.variant { (PreEscaped(chart::swatch(v))) " " }
                (c.label)
            }
        }
    }
}

fn line(row: &[Cell], columns: &[Column]) -> Markup {
    match row {
        [group, ..] if is_group(row) => html! {
            tr.group {
                th scope="rowgroup" colspan=(columns.len().max(1)) title=[hint(&group.hint)] {
                    (group.text)
                }
            }
        },
        _ => {
            html! { tr { @for (cell, column) in row.iter().zip(columns) { (entry(cell, column.numeric)) } } }
        }
    }
}

fn entry(cell: &Cell, numeric: bool) -> Markup {
    let class = match (numeric, cell.text.chars().count() > LONG) {
        (true, _) => Some("number"),
        (false, true) => Some("long"),
        (false, false) => None,
    };
    match cell.kind {
        CellKind::Head | CellKind::Minor | CellKind::Group => html! {
            th scope="row" class=[class] title=[hint(&cell.hint)] { (cell.text) }
        },
        CellKind::Marked => {
            let both = match cell.hint.as_str() {
                "" => MARKED.to_owned(),
                hint => format!("{MARKED}; {hint}"),
            };
            html! { td class=[class] title=(both) { i { "≥ " (cell.text) } } }
        }
        CellKind::Plain => html! {
            td class=[class] title=[hint(&cell.hint)] { (cell.text) }
        },
    }
}
