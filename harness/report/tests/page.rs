//! The page, of documents made by hand: what is hostile stays text, and the page stands alone.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use plimsoll_report::chart::{
    Axis, Band, Chart, Dash, DotGroup, DotRow, Dots, Mapping, Panel, Point, Quantity, Series,
};
use plimsoll_report::document::{
    Block, Cell, CellKind, Column, Document, Figure, Level, Notice, Section, Spark, Table, Verdict,
};
use plimsoll_report::html;
use sha2::{Digest, Sha256};

const HOSTILE: &str = "x</script></title></style></svg><img src=http://evil onerror=alert(1)>\" onload='y' & \u{0}\u{1b}[31m\u{7f}\u{202e}";

fn table(text: &str) -> Table {
    let marked = Cell::new(text).hint(text).marked(true);
    let group = Cell { text: text.into(), hint: text.into(), kind: CellKind::Group };
    Table {
        caption: text.into(),
        columns: vec![Column::text(text).hint(text), Column::number(text).hint(text).of(7)],
        rows: vec![
            vec![group],
            vec![Cell::head(text).hint(text), marked],
            vec![Cell::new(text), Cell::default()],
        ],
    }
}

fn panels(text: &str) -> Chart {
    let axis = |mapping| Axis { label: text.into(), quantity: Quantity::Time, mapping };
    let point = |x: f64| Point { x, y: x, whisker: Some((x, 2.0 * x)), hollow: x > 1.5, tip: text.into() };
    let series = Series {
        name: text.into(),
        variant: 1,
        dash: Dash::Dashed,
        heavy: true,
        markers: true,
        stretches: vec![vec![point(1.0), point(2.0)]],
    };
    Chart::Panels(vec![Panel {
        x: axis(Mapping::Linear),
        y: axis(Mapping::Log),
        series: vec![series],
        identity: Some(text.into()),
        bands: vec![Band { from: 0.0, to: 900.0, label: text.into(), shaded_from: 600.0 }],
        height: 120.0,
    }])
}

fn dots(text: &str) -> Chart {
    let row = DotRow {
        label: text.into(),
        variant: 0,
        low: Some(1.0),
        high: Some(2.0),
        hollow: false,
        tip: text.into(),
    };
    let x = Axis { label: text.into(), quantity: Quantity::Count, mapping: Mapping::Linear };
    Chart::Dots(Dots { x, groups: vec![DotGroup { label: text.into(), rows: vec![row] }] })
}

fn figure(id: &'static str, text: &str, chart: Chart) -> Block {
    let (title, caption, description) = (text.into(), text.into(), text.into());
    Block::Figure(Figure { id, title, caption, description, chart, table: table(text) })
}

/// Every text of it is `text`.
fn document(text: &str) -> Document {
    let t = || text.to_owned();
    let blocks = vec![
        Block::Text(t()),
        figure("curve", text, panels(text)),
        figure("rows", text, dots(text)),
        Block::Table(table(text)),
        Block::Code(t(), t()),
        Block::Definitions(vec![(t(), t())]),
    ];
    Document {
        title: t(),
        subtitle: t(),
        verdict: Verdict { level: Level::Caution, word: t(), reason: t() },
        answer: vec![t(), t()],
        notices: vec![Notice { level: Level::Severe, title: t(), detail: t(), remedy: t() }],
        variants: vec![t()],
        scorecard: table(text),
        sparks: vec![Spark { label: t(), heights: vec![Some(0.5), None], range: t() }],
        sections: vec![Section { id: "all", title: t(), blocks }],
    }
}

fn empty() -> Document {
    Document {
        title: String::new(),
        subtitle: String::new(),
        verdict: Verdict { level: Level::Good, word: String::new(), reason: String::new() },
        answer: Vec::new(),
        notices: Vec::new(),
        variants: Vec::new(),
        scorecard: Table::default(),
        sparks: Vec::new(),
        sections: Vec::new(),
    }
}

/// An opening or closing tag: its name, with a slash before a closing one, and its attributes.
type Tag = (String, Vec<(String, String)>);

/// The tags of a page whose attributes are all double-quoted, as a browser reads them, `<a/>` as two; what is in
/// `<script>`, `<style>` and comments is passed over.
fn tags(page: &str) -> Vec<Tag> {
    let (mut rest, mut found) = (page, Vec::new());
    while let Some(start) = rest.find('<') {
        let mut attributes = Vec::new();
        rest = &rest[start + 1..];
        let end = rest.find([' ', '>', '\n']).unwrap();
        let name = rest[..end].trim_end_matches('/').to_owned();
        rest = &rest[end..];
        while !rest.trim_start_matches(['/', ' ', '\n']).starts_with('>') {
            rest = rest.trim_start();
            let end = rest.find(['=', ' ', '>']).unwrap();
            let key = rest[..end].to_owned();
            rest = &rest[end..];
            let value = match rest.strip_prefix("=\"") {
                Some(quoted) => {
                    let (value, after) = quoted.split_once('"').unwrap();
                    rest = after;
                    value
                }
                None => "",
            };
            attributes.push((key, value.to_owned()));
        }
        if let "script" | "style" = name.as_str() {
            rest = &rest[rest.find(&format!("</{name}>")).unwrap()..];
        }
        let closed = rest.trim_start().starts_with('/').then(|| (format!("/{name}"), Vec::new()));
        found.push((name, attributes));
        found.extend(closed);
    }
    found
}

/// What lies between the only `<name>` and its end.
fn content<'a>(page: &'a str, name: &str) -> &'a str {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    assert_eq!((page.matches(&open).count(), page.matches(&close).count()), (1, 1), "{name}");
    page.split_once(&open).unwrap().1.split_once(&close).unwrap().0
}

fn attribute<'a>(tag: &'a Tag, key: &str) -> Option<&'a str> {
    tag.1.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
}

#[test]
fn hostile_texts_stay_text_wherever_they_stand() {
    let page = html(&document(HOSTILE));
    assert!(page.matches("&lt;/script&gt;").count() > 40, "the texts are on the page");
    for markup in ["<img", "</script></title>", "\" onload", "alert(1)>"] {
        assert!(!page.contains(markup), "{markup} is on the page");
    }
    let unfit = |c: &char| (c.is_control() && *c != '\n' && *c != '\t') || *c == '\u{202e}';
    // In drawings too, except that XML knows direction marks as text.
    let outside: String = page.split("<svg").map(|p| p.rsplit("</svg>").next().unwrap()).collect();
    assert_eq!(outside.chars().find(unfit), None);
    assert!(!page.contains(['\0', '\u{1b}', '\u{7f}']));
    // The hostile texts change no tag and no attribute's name.
    let shape = |page: &str| -> Vec<(String, Vec<String>)> {
        tags(page).into_iter().map(|(n, a)| (n, a.into_iter().map(|(k, _)| k).collect())).collect()
    };
    let tame = html(&document("a text that is longer than forty characters, as the other is"));
    // A band's name too long for its band is left out; the tame one is as long.
    assert_eq!(shape(&page), shape(&tame));
}

#[test]
fn the_page_needs_nothing_else() {
    for page in [html(&document(HOSTILE)), html(&document("plain")), html(&empty())] {
        for tag in tags(&page) {
            assert!(
                !["link", "img", "iframe", "object", "base", "form"].contains(&tag.0.as_str()),
                "{tag:?}"
            );
            for (key, value) in &tag.1 {
                assert!(!key.starts_with("on") && key != "style" && key != "src", "{tag:?}");
                assert!(key != "href" || value.starts_with('#'), "{tag:?}");
            }
        }
        let own = format!("{}{}", content(&page, "style"), content(&page, "script"));
        for address in ["url(", "@import", "https://", "eval(", "innerHTML", "localStorage"] {
            assert!(!own.contains(address), "{address}");
        }
        // The name of SVG is the only address, and nothing is fetched from it.
        assert_eq!(own.replace("http://www.w3.org/2000/svg", "").find("http:"), None);
    }
}

#[test]
fn the_policy_allows_this_script_and_this_style_sheet_alone() {
    let page = html(&document("plain"));
    let all = tags(&page);
    let policy = all
        .iter()
        .find(|t| attribute(t, "http-equiv") == Some("Content-Security-Policy"))
        .and_then(|t| attribute(t, "content"))
        .unwrap();
    let hash = |name| {
        format!("{name}-src 'sha256-{}'", STANDARD.encode(Sha256::digest(content(&page, name).as_bytes())))
    };
    let directives: Vec<&str> = policy.split("; ").collect();
    assert!(directives.contains(&"default-src 'none'"), "{policy}");
    for name in ["script", "style"] {
        assert!(directives.contains(&hash(name).as_str()), "{policy}");
    }
    // It must precede what it governs.
    assert!(page.find("Content-Security-Policy") < page.find("<style"));
}

#[test]
fn ids_are_unique_and_whatever_is_pointed_at_exists() {
    for page in [html(&document("plain")), html(&empty())] {
        let all = tags(&page);
        let ids: Vec<&str> = all.iter().filter_map(|t| attribute(t, "id")).collect();
        let distinct: BTreeSet<&str> = ids.iter().copied().collect();
        assert_eq!(ids.len(), distinct.len(), "{ids:?}");
        for tag in &all {
            let anchors = attribute(tag, "href").map(|h| h.trim_start_matches('#'));
            let names = attribute(tag, "aria-labelledby").into_iter().flat_map(str::split_whitespace);
            for id in names.chain(anchors) {
                assert!(distinct.contains(id), "nothing has the id {id}");
            }
        }
    }
    let page = html(&document("plain"));
    let figures = tags(&page)
        .iter()
        .filter(|t| t.0 == "figure")
        .filter_map(|t| attribute(t, "id").map(str::to_owned))
        .collect::<Vec<_>>();
    assert_eq!(figures, ["curve", "rows"]);
}

#[test]
fn every_element_is_closed_in_its_order() {
    for page in [html(&document(HOSTILE)), html(&empty())] {
        assert!(page.starts_with("<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">"));
        let mut open = Vec::new();
        for (name, _) in tags(&page) {
            match name.strip_prefix('/') {
                Some(closed) => assert_eq!(open.pop().as_deref(), Some(closed)),
                None if ["!DOCTYPE", "meta"].contains(&name.as_str()) => {}
                None => open.push(name),
            }
        }
        assert!(open.is_empty(), "{open:?}");
    }
}

#[test]
fn words_say_what_colours_say() {
    let page = html(&document("plain"));
    assert!(page.contains("severe</span>"), "a notice tells its level");
    assert!(page.contains("<i>≥ ") && page.contains("≥ grows with the length"));
    let quiet = html(&empty());
    assert!(!quiet.contains("≥ grows with"), "what is not on the page is not explained");
    assert!(quiet.contains("Nothing was found"), "that there is no notice is told");
}

#[test]
fn tables_name_their_columns_and_rows() {
    let page = html(&document("plain"));
    let all = tags(&page);
    let scopes: BTreeSet<&str> = all.iter().filter_map(|t| attribute(t, "scope")).collect();
    assert_eq!(scopes, BTreeSet::from(["col", "row", "rowgroup"]));
    assert!(all.iter().filter(|t| t.0 == "th").all(|t| attribute(t, "scope").is_some()));
    assert!(all.iter().any(|t| t.0 == "th" && attribute(t, "colspan") == Some("2")));
    assert!(all.iter().all(|t| attribute(t, "title") != Some("")), "no hint is an empty one");
}

#[test]
fn the_same_document_gives_the_same_bytes() {
    assert!(html(&document(HOSTILE)) == html(&document(HOSTILE)));
}
