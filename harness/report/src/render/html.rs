//! The page: one file, complete without scripts, without style sheets and without a network.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use crate::chart;
use crate::document::{Block, Cell, CellKind, Column, Document, Figure, Level, Notice, Section, Table};

const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/enhance.js");

/// The whole page.
pub fn page(document: &Document) -> String {
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy());
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (clean(&document.title)) " – plimsoll" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#answer" { "Skip to the answer" }
                (header(document))
                main {
                    (answer(document))
                    (notices(&document.notices))
                    section id="scorecard" {
                        h2 { "Scorecard" }
                        (table(&document.scorecard))
                    }
                    @for s in &document.sections { (section(s)) }
                }
                footer { p { "† grows with the length of the test: the target did not keep up, so this figure says how long it was tried." } }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    markup.into_string()
}

/// Nothing may be loaded, and no script run but the one in the page.
fn policy() -> String {
    let hash = STANDARD.encode(Sha256::digest(SCRIPT.as_bytes()));
    format!("default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{hash}'")
}

/// HTML can't hold control characters, and names from outside may.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

fn header(document: &Document) -> Markup {
    html! {
        header {
            p.brand { "plimsoll" }
            h1 { (clean(&document.title)) }
            p.subtitle { (clean(&document.subtitle)) }
            p.verdict.(class_of(document.verdict.level)) {
                strong { (sign(document.verdict.level)) " " (clean(&document.verdict.word)) }
                ": " (clean(&document.verdict.reason)) "."
            }
            nav aria-label="Contents" {
                a href="#scorecard" { "Scorecard" }
                @for s in &document.sections { " " a href={ "#" (s.id) } { (short(&s.title)) } }
            }
        }
    }
}

/// The part of a heading before its explanation.
fn short(title: &str) -> &str {
    title.split(':').next().unwrap_or(title)
}

fn class_of(level: Level) -> &'static str {
    level.name()
}

/// A sign beside the colour, since colour alone says nothing to some readers.
fn sign(level: Level) -> &'static str {
    match level {
        Level::Good => "✓",
        Level::Note => "i",
        Level::Caution => "!",
        Level::Severe => "✕",
    }
}

fn answer(document: &Document) -> Markup {
    html! {
        section #answer {
            @for (i, sentence) in document.answer.iter().enumerate() {
                p.lead[i == 0] { (clean(sentence)) }
            }
        }
    }
}

fn notices(notices: &[Notice]) -> Markup {
    html! {
        section #notices aria-label="Warnings" {
            @if notices.is_empty() {
                p.quiet { "No warnings." }
            }
            @for n in notices {
                div.notice.(class_of(n.level)) {
                    p { strong { (sign(n.level)) " " (n.level.name()) ": " (clean(&n.title)) } }
                    p { (clean(&n.detail)) }
                    p.remedy { "Remedy: " (clean(&n.remedy)) }
                }
            }
        }
    }
}

fn section(section: &Section) -> Markup {
    html! {
        section id=(section.id) {
            h2 { (clean(&section.title)) }
            @for block in &section.blocks { (self::block(block)) }
        }
    }
}

fn block(block: &Block) -> Markup {
    match block {
        Block::Text(text) => html! { p { (clean(text)) } },
        Block::Figure(f) => figure(f),
        Block::Table(t) => table(t),
        Block::Code(title, text) => html! {
            details { summary { (clean(title)) } pre { code { (clean(text)) } } }
        },
        Block::Definitions(terms) => html! {
            details {
                summary { "Glossary" }
                dl { @for (term, meaning) in terms { dt { (clean(term)) } dd { (clean(meaning)) } } }
            }
        },
    }
}

fn figure(f: &Figure) -> Markup {
    html! {
        figure role="group" id=(f.id) aria-label=(clean(&f.title)) {
            h3 { (clean(&f.title)) }
            div.drawing { (PreEscaped(chart::svg(&f.chart, f.id, &f.title, &f.description))) }
            p.readout aria-hidden="true" {}
            figcaption { (clean(&f.caption)) }
            details { summary { "Figures as a table" } (table(&f.table)) }
        }
    }
}

fn table(t: &Table) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label=(clean(&t.caption)) {
            table {
                caption { (clean(&t.caption)) }
                thead { tr { @for c in &t.columns { (head(c)) } } }
                tbody {
                    @for row in &t.rows {
                        @match row.as_slice() {
                            [only] if only.kind == CellKind::Group => {
                                tr.group { th scope="colgroup" colspan=(t.columns.len()) { (clean(&only.text)) } }
                            }
                            cells => tr { @for (cell, column) in cells.iter().zip(&t.columns) { (self::cell(cell, column)) } },
                        }
                    }
                }
            }
        }
    }
}

fn head(c: &Column) -> Markup {
    let hint = (!c.hint.is_empty()).then(|| clean(&c.hint));
    html! {
        th scope="col" class=[c.numeric.then_some("number")] title=[hint] {
            @if let Some(variant) = c.variant {
                span.{ "mark c" (variant % chart::COLOURS) } aria-hidden="true" { "■ " }
            }
            (clean(&c.label))
        }
    }
}

fn cell(cell: &Cell, column: &Column) -> Markup {
    let hint = (!cell.hint.is_empty()).then(|| clean(&cell.hint));
    match cell.kind {
        CellKind::Head | CellKind::Minor | CellKind::Group => html! {
            th scope="row" title=[hint] { (clean(&cell.text)) }
        },
        kind => html! {
            td class=[column.numeric.then_some("number")] title=[hint] {
                @if kind == CellKind::Marked && !cell.text.is_empty() {
                    em { (clean(&cell.text)) "†" }
                } @else {
                    (clean(&cell.text))
                }
            }
        },
    }
}
