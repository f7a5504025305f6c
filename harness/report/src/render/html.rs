//! The page: one file without a single address in it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use crate::chart;
use crate::document::{Block, Cell, CellKind, Document, Figure, Level, Notice, Section, Table};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The whole page.
pub fn page(d: &Document) -> String {
    // By hash, so that nothing but these two runs or styles, whatever a name in the run holds.
    let policy = format!(
        "default-src 'none'; style-src '{}'; script-src '{}'; base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    );
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (d.title) " – plimsoll" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#answer" { "Skip to the answer" }
                (header(d))
                main {
                    (answer(d))
                    (notices(&d.notices))
                    section #scorecard aria-labelledby="scorecard-title" {
                        h2 #scorecard-title { "Scorecard" }
                        (table(&d.scorecard, true))
                    }
                    @for s in &d.sections { (section(s)) }
                }
                footer { p { "Made by plimsoll from the run directory alone; the same directory gives the same page." } }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    // HTML has no way to hold a control character, and a name from outside may.
    let allowed = |c: char| !c.is_control() || c == '\n';
    markup.into_string().chars().map(|c| if allowed(c) { c } else { '\u{fffd}' }).collect()
}

fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text.as_bytes())))
}

fn header(d: &Document) -> Markup {
    html! {
        header {
            h1 { (d.title) }
            p.subtitle { (d.subtitle) }
            p.verdict.(d.verdict.level.name()) {
                strong { (mark(d.verdict.level)) " " (d.verdict.word) } " " (d.verdict.reason)
            }
            nav aria-label="Contents" {
                ul {
                    li { a href="#scorecard" { "Scorecard" } }
                    @for s in &d.sections { li { a href={ "#" (s.id) } { (s.title) } } }
                }
            }
        }
    }
}

/// A sign beside the colour, which alone says nothing to some readers and on paper.
const fn mark(level: Level) -> &'static str {
    match level {
        Level::Good => "✓",
        Level::Note => "·",
        Level::Caution => "!",
        Level::Severe => "✗",
    }
}

fn answer(d: &Document) -> Markup {
    html! {
        section #answer aria-label="Answer" {
            @for (i, sentence) in d.answer.iter().enumerate() {
                p.lead[i == 0] { (sentence) }
            }
        }
    }
}

fn notices(notices: &[Notice]) -> Markup {
    html! {
        @if !notices.is_empty() {
            section #warnings aria-labelledby="warnings-title" {
                h2 #warnings-title { "Before you believe it" }
                ul.notices {
                    @for n in notices {
                        li.(n.level.name()) {
                            p {
                                span.level { (mark(n.level)) " " (n.level.name()) } " "
                                strong { (n.title) "." }
                                @if !n.detail.is_empty() { " " (n.detail) "." }
                            }
                            p.remedy { (n.remedy) }
                        }
                    }
                }
            }
        }
    }
}

fn section(s: &Section) -> Markup {
    let title_id = format!("{}-title", s.id);
    html! {
        section id=(s.id) aria-labelledby=(title_id) {
            h2 id=(title_id) { (s.title) }
            @for b in &s.blocks { (block(b)) }
        }
    }
}

fn block(b: &Block) -> Markup {
    match b {
        Block::Text(text) => html! { p { (text) } },
        Block::Figure(f) => figure(f),
        Block::Table(t) => table(t, false),
        Block::Code(title, code) => {
            html! { details { summary { (title) } pre tabindex="0" { code { (code) } } } }
        }
        Block::Definitions(list) => html! {
            dl { @for (term, text) in list { dt { (term) } dd { (text) } } }
        },
    }
}

fn figure(f: &Figure) -> Markup {
    let svg = chart::svg(&f.chart, f.id, &f.title, &f.description);
    html! {
        figure id=(f.id) role="group" aria-labelledby={ (f.id) "-caption" } {
            figcaption id={ (f.id) "-caption" } {
                h3 { (f.title) }
                p { (f.caption) }
            }
            // Our own drawing, whose every text was escaped where it was written.
            div.drawing { (PreEscaped(svg)) }
            p.readout aria-live="polite" {}
            details { summary { "Figures" } (table(&f.table, false)) }
        }
    }
}

fn table(t: &Table, is_scorecard: bool) -> Markup {
    let columns = t.columns.len();
    html! {
        div.scroll tabindex="0" role="region" aria-label=(t.caption) {
            table.scorecard[is_scorecard] {
                caption { (t.caption) }
                thead {
                    tr {
                        @for c in &t.columns {
                            th scope="col" .number[c.numeric] title=[hint(&c.hint)] {
                                @if let Some(v) = c.variant { (swatch(v)) " " }
                                (c.label)
                            }
                        }
                    }
                }
                tbody {
                    @for row in &t.rows {
                        @if row.len() == 1 && columns > 1 {
                            tr.group { th scope="rowgroup" colspan=(columns) { (row[0].text) } }
                        } @else {
                            tr { @for (c, cell) in t.columns.iter().zip(row) { (entry(cell, c.numeric)) } }
                        }
                    }
                }
            }
        }
    }
}

fn entry(cell: &Cell, numeric: bool) -> Markup {
    match cell.kind {
        CellKind::Head | CellKind::Minor => html! { th scope="row" title=[hint(&cell.hint)] { (cell.text) } },
        CellKind::Marked => html! {
            td.marked .number[numeric] title={ "grows with the length of the test; " (cell.hint) } { "≥ " (cell.text) }
        },
        _ => html! { td .number[numeric] title=[hint(&cell.hint)] { (cell.text) } },
    }
}

fn hint(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// A variant's colour and marker beside its name.
fn swatch(variant: usize) -> Markup {
    PreEscaped(chart::swatch(variant))
}
