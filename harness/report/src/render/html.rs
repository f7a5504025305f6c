//! The page: one file without a single address in it, whole without scripts and without style sheets.

mod table;

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use self::table::{Role, table};
use crate::chart;
use crate::document::{Block, Document, Figure, Level, Notice, Section};

const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/enhance.js");

/// The whole page.
pub fn page(document: &Document) -> String {
    let d = document;
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy());
                meta name="viewport" content="width=device-width, initial-scale=1";
                // The style sheet alone asks for dark: where it is refused, the drawings' own colours
                // need a light page.
                title { (d.title) " – plimsoll" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#answer" { "Skip to the answer" }
                (header(d))
                main {
                    (answer(d))
                    (notices(&d.notices))
                    section #scorecard aria-labelledby="heading-scorecard" {
                        h2 #heading-scorecard { "Scorecard" }
                        (table(&d.scorecard, Role::Scorecard))
                    }
                    @for s in &d.sections { (section(s)) }
                }
                footer {
                    p { "Made by plimsoll from the run directory alone; the same directory gives the same page." }
                }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    markup.into_string().chars().map(|c| if is_fit(c) { c } else { '\u{fffd}' }).collect()
}

/// Whether a page may hold the character. HTML has no way to hold a control character, and a mark of
/// direction would rearrange what stands beside it; a name from outside may have either.
fn is_fit(c: char) -> bool {
    !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        && (!c.is_control() || c == '\n' || c == '\t')
}

/// By hash, so that nothing but this style sheet and this script is obeyed, whatever a name in the run
/// holds.
fn policy() -> String {
    let hash = |text: &str| format!("sha256-{}", STANDARD.encode(Sha256::digest(text.as_bytes())));
    format!(
        "default-src 'none'; style-src '{}'; script-src '{}'; base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
}

fn header(d: &Document) -> Markup {
    html! {
        header {
            h1 { (d.title) }
            p.subtitle { (d.subtitle) }
            p.verdict.(d.verdict.level.name()) {
                strong { (sign(d.verdict.level)) " " (d.verdict.word) } " " (d.verdict.reason)
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

/// A sign beside the colour, which alone says nothing to some readers and on paper. The word follows
/// it, so it is not read out.
fn sign(level: Level) -> Markup {
    let sign = match level {
        Level::Good => "✓",
        Level::Note => "·",
        Level::Caution => "!",
        Level::Severe => "✗",
    };
    html! { span aria-hidden="true" { (sign) } }
}

fn answer(d: &Document) -> Markup {
    html! {
        section #answer aria-labelledby="heading-answer" {
            h2.unseen #heading-answer { "Answer" }
            @for (i, sentence) in d.answer.iter().enumerate() {
                p class=[(i == 0).then_some("lead")] { (sentence) }
            }
        }
    }
}

fn notices(notices: &[Notice]) -> Markup {
    html! {
        section #warnings aria-labelledby="heading-warnings" {
            h2 #heading-warnings class=[notices.is_empty().then_some("unseen")] { "Before you believe it" }
            @if notices.is_empty() {
                p.quiet { "Nothing was found that would make the figures doubtful." }
            } @else {
                ul.notices { @for n in notices { (notice(n)) } }
            }
        }
    }
}

fn notice(n: &Notice) -> Markup {
    html! {
        li.(n.level.name()) {
            p {
                span.level { (sign(n.level)) " " (n.level.name()) } " "
                strong { (ended(&n.title)) }
                @if !n.detail.is_empty() { " " (ended(&n.detail)) }
            }
            @if !n.remedy.is_empty() { p.remedy { (ended(&n.remedy)) } }
        }
    }
}

/// With a full stop, if it has no end yet.
fn ended(text: &str) -> Cow<'_, str> {
    match text.is_empty() || text.ends_with(['.', '!', '?', '…', ':']) {
        true => Cow::Borrowed(text),
        false => Cow::Owned(format!("{text}.")),
    }
}

fn section(s: &Section) -> Markup {
    // Not `{id}-title`: a drawing of the same name calls its title so.
    let heading = format!("heading-{}", s.id);
    html! {
        section id=(s.id) aria-labelledby=(heading) {
            h2 id=(heading) { (s.title) }
            @for b in &s.blocks { (block(b)) }
        }
    }
}

fn block(b: &Block) -> Markup {
    match b {
        Block::Text(text) => html! { p { (text) } },
        Block::Figure(f) => figure(f),
        Block::Table(t) => table(t, Role::Plain),
        Block::Code(title, code) => html! {
            details { summary { (title) } pre tabindex="0" { code { (code) } } }
        },
        Block::Definitions(list) => html! {
            dl { @for (term, text) in list { dt { (term) } dd { (text) } } }
        },
    }
}

fn figure(f: &Figure) -> Markup {
    let svg = chart::svg(&f.chart, f.id, &f.title, &f.description);
    let heading = format!("heading-{}", f.id);
    html! {
        figure id=(f.id) role="group" aria-labelledby=(heading) {
            // First, as HTML wants a caption first or last: it tells how to read what follows.
            figcaption {
                h3 id=(heading) { (f.title) }
                p { (f.caption) }
            }
            // Our own drawing, whose every text was escaped where it was written.
            div.drawing { (PreEscaped(svg)) }
            details { summary { "Figures as a table" } (table(&f.table, Role::Plain)) }
        }
    }
}
