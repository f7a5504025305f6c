//! What the outputs say and how they look, for runs of a simulated queue. `UPDATE_GOLDEN=1` rewrites
//! the golden files.

#![allow(clippy::unwrap_used, reason = "a test says so by failing")]

mod common;

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use common::{closed, comparison, open, plan, run, variant};
use plimsoll_model::artefact::{Ending, Run};
use plimsoll_model::sample::{FailureKind, Outcome, Phase};
use plimsoll_model::time::Nanos;
use plimsoll_report::document::{Block, Document, Level};
use plimsoll_report::{
    TerminalOptions, chart, compose, histograms_hlog, html, intervals_csv, json, summary_csv, terminal,
    write_all,
};

fn compared() -> &'static (Run, Document) {
    static RUN: OnceLock<(Run, Document)> = OnceLock::new();
    RUN.get_or_init(|| {
        let run = comparison();
        let document = compose(&run);
        (run, document)
    })
}

fn near(a: f64, b: f64, share: f64) -> bool {
    (a - b).abs() <= share * a.abs()
}

fn small() -> Run {
    let variants = vec![variant("sync", false), variant("queued", true)];
    run(plan(variants, vec![open(60.0, 8), open(230.0, 8)]))
}

fn plain(d: &Document, width: usize) -> String {
    terminal(d, &TerminalOptions { color: false, width })
}

fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, text).unwrap();
    }
    let wanted = fs::read_to_string(&path).unwrap_or_default();
    assert!(wanted == text, "{name} differs; look at it, and accept it with UPDATE_GOLDEN=1");
}

#[test]
fn goldens() {
    let run = small();
    let d = compose(&run);
    golden("terminal.txt", &plain(&d, 100));
    golden("summary.csv", &summary_csv(&run));
    golden("intervals.csv", &intervals_csv(&run));
    for s in &d.sections {
        for b in &s.blocks {
            if let Block::Figure(f) = b {
                golden(&format!("{}.svg", f.id), &chart::svg(&f.chart, f.id, &f.title, &f.description));
            }
        }
    }
}

#[test]
fn a_comparison_answers_in_words_from_figures() {
    let (_, d) = compared();
    let answer = d.answer.join(" ").replace('\u{a0}', " ");
    assert!(answer.starts_with("Up to 150 emails a second both shapes keep up"), "{answer}");
    assert!(answer.contains("A queue adds no capacity"), "{answer}");
    assert!(answer.contains("queued callers are still answered in p50 1."), "{answer}");
    assert_eq!(d.verdict.level, Level::Good);
    assert!(d.notices.iter().any(|n| n.title.starts_with("The backlog rises")));
}

#[test]
fn the_page_needs_nothing_else() {
    let page = html(&compared().1);
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
    for bad in ["src=", "href=\"http", "url(", "@import", " style=", "onclick", "javascript:"] {
        assert!(!page.contains(bad), "{bad}");
    }
    assert_eq!(page.matches("<h1>").count(), 1);
    assert_eq!(page.matches("<figure").count(), page.matches("<svg xmlns").count());
    assert_eq!(page.matches("role=\"img\"").count(), page.matches("<desc").count());
    let mut ids: Vec<&str> = page.split(" id=\"").skip(1).filter_map(|s| s.split('"').next()).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "an id is used twice");
}

#[test]
fn every_output_is_a_pure_function_of_the_run() {
    let (run, _) = compared();
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let paths = write_all(run, a.path()).unwrap();
    write_all(run, b.path()).unwrap();
    write_all(run, b.path()).unwrap();
    assert_eq!(paths.len(), 4);
    for path in paths {
        let name = path.file_name().unwrap();
        let text = fs::read(&path).unwrap();
        assert!(text == fs::read(b.path().join(name)).unwrap(), "{name:?}");
        let dir = a.path().to_str().unwrap().as_bytes();
        assert!(!text.windows(dir.len()).any(|w| w == dir), "{name:?} holds the directory's path");
    }
    assert_eq!(fs::read_dir(b.path()).unwrap().count(), 4, "no half-written file is left");
}

#[test]
fn hostile_names_stay_text() {
    let hostile = "</script></style><img src=x onerror=\"alert(1)\">\u{1b}[31m,|'\"&";
    let mut p =
        plan(vec![variant(hostile, false), variant("queued", true)], vec![open(60.0, 4), open(90.0, 4)]);
    p.name = hostile.into();
    p.steps[0].name = hostile.into();
    let mut r = run(p);
    r.manifest.ending = Ending::Aborted { reason: hostile.into() };
    r.manifest.environment.cpu = hostile.into();
    let d = compose(&r);
    let page = html(&d);
    assert!(!page.contains("<img") && !page.contains('\u{1b}'), "markup got through");
    assert_eq!(page.matches("</script>").count(), 1);
    assert_eq!(page.matches("</style>").count(), 1);
    assert!(!plain(&d, 100).contains('\u{1b}'), "a name steers the terminal");
    histograms_hlog(&r).unwrap();
    let table: serde_json::Value = serde_json::from_str(&json(&r)).unwrap();
    assert_eq!(table[0]["variant"], hostile);
    let csv = summary_csv(&r);
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    assert_eq!(&reader.records().next().unwrap().unwrap()[0], hostile);
}

#[test]
fn json_and_csv_hold_the_same_rows() {
    let r = small();
    let csv = summary_csv(&r);
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let names = reader.headers().unwrap().clone();
    let rows: serde_json::Value = serde_json::from_str(&json(&r)).unwrap();
    let rows = rows.as_array().unwrap();
    let mut n = 0;
    for (record, row) in reader.records().zip(rows) {
        n += 1;
        for (name, field) in names.iter().zip(record.unwrap().iter()) {
            match &row[name] {
                serde_json::Value::Null => assert_eq!(field, "", "{name}"),
                serde_json::Value::String(s) => assert_eq!(field, s, "{name}"),
                v => {
                    // The JSON reader of this test may round the last place otherwise.
                    assert!(near(field.parse::<f64>().unwrap(), v.as_f64().unwrap(), 1e-12), "{name}");
                }
            }
        }
    }
    assert_eq!(n, rows.len());
}

#[test]
fn the_log_reads_back_with_every_sample() {
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
    let r = small();
    let log = histograms_hlog(&r).unwrap();
    let (mut tags, mut last) = (Vec::new(), std::time::Duration::ZERO);
    for entry in IntervalLogIterator::new(log.as_bytes()) {
        if let LogEntry::Interval(i) = entry.unwrap() {
            assert!(i.start_timestamp() >= last, "a log rises");
            last = i.start_timestamp();
            tags.push(i.tag().unwrap().as_str().to_owned());
        }
    }
    assert!(tags.iter().any(|t| t == "queued/230/s/completion_time/ok"), "{:?}", tags.first());
    assert!(!log.contains("warmup"));
}

/// Compose, draw and print whatever run it is; the page and the summary of it.
fn whole(r: &Run) -> (Document, String, String) {
    let d = compose(r);
    let page = html(&d);
    for width in [40, 80, 200] {
        let text = plain(&d, width);
        assert!(text.lines().count() <= 40, "{} lines at {width}", text.lines().count());
        assert!(text.lines().all(|l| l.chars().count() <= width), "a line is wider than {width}");
    }
    assert!(!page.contains("NaN") && !page.contains("inf "), "a figure is not a number");
    let text = plain(&d, 100).replace('\u{a0}', " ");
    (d, page, text)
}

#[test]
fn forty_lines_at_any_width() {
    whole(&compared().0);
}

#[test]
fn a_single_step_of_one_variant_is_not_compared() {
    let r = run(plan(vec![variant("sync", false)], vec![open(100.0, 30)]));
    let (d, page, text) = whole(&r);
    assert!(text.contains("At 100/s offered"), "{text}");
    assert!(!text.contains("queue adds") && !page.contains("Under rising load"));
    assert!(page.contains("percentile-curve") && page.contains("over-time"));
    assert!(!d.scorecard.rows.is_empty());
}

#[test]
fn an_async_run_alone() {
    let r = run(plan(vec![variant("queued", true)], vec![open(60.0, 8), open(230.0, 8)]));
    let (_, page, text) = whole(&r);
    assert!(text.contains("queued keeps up") && page.contains("Anatomy of a job"), "{text}");
}

#[test]
fn the_closed_model_has_no_response_time() {
    let r = run(plan(vec![variant("sync", false)], vec![closed(2, 8), closed(16, 8)]));
    let (_, page, text) = whole(&r);
    assert!(text.contains("response time does not exist"), "{text}");
    assert!(page.contains("users (concurrency)") && !page.contains("completed = offered"));
}

#[test]
fn nothing_completed() {
    let mut r = run(plan(vec![variant("sync", false)], vec![open(50.0, 6), open(80.0, 6)]));
    for i in r.cells.iter_mut().flat_map(|c| &mut c.intervals) {
        i.series.clear();
        for t in i.tallies.values_mut() {
            let n = t.outcome(Outcome::Ok);
            t.outcomes = [(Outcome::Failed, n)].into();
            t.failures = [(FailureKind::Connect, n)].into();
            t.statuses.clear();
        }
    }
    let (d, page, text) = whole(&r);
    assert_eq!(d.verdict.level, Level::Severe);
    assert!(text.contains("Nothing was completed of") && page.contains("failed by: connect"), "{text}");
}

#[test]
fn cut_off_in_its_second_cell() {
    let mut r = small();
    r.cells.truncate(2);
    r.cells[1].facts.drain_end = Nanos::ZERO;
    r.cells[1].facts.accounting = None;
    r.cells[1].intervals.truncate(2);
    r.manifest.cells.truncate(2);
    r.manifest.ending = Ending::Unfinished;
    let (d, _, text) = whole(&r);
    assert_eq!(d.verdict.word, "Incomplete");
    assert!(text.contains("The run is unfinished"), "{text}");
    r.cells.clear();
    assert_eq!(whole(&r).0.verdict.word, "No figures");
}

#[test]
fn lost_jobs_are_not_valid() {
    let mut r = small();
    let a = r.cells.iter_mut().find_map(|c| c.facts.accounting.as_mut()).unwrap();
    a.done -= 3;
    a.lost += 3;
    let (d, _, text) = whole(&r);
    assert_eq!(d.verdict.level, Level::Severe);
    assert!(text.contains("Accepted jobs were lost: queued at 60/s: 3 jobs"), "{text}");
}

#[test]
fn counts_that_do_not_balance_are_a_defect() {
    let mut r = small();
    let t = r.cells[0].intervals[1].tallies.entry(Phase::Measured).or_default();
    t.scheduled += 5;
    assert_eq!(whole(&r).0.verdict.word, "Not valid");
}

#[test]
fn colour_only_if_told() {
    let d = &compared().1;
    assert!(!plain(d, 100).contains('\u{1b}'));
    assert!(terminal(d, &TerminalOptions { color: true, width: 100 }).contains("\u{1b}[32mValid.\u{1b}[0m"));
}
