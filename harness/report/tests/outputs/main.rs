//! Every output of simulated runs: what it says, and that it can be relied on.
#![allow(clippy::unwrap_used)]

mod simulation;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use plimsoll_model::artefact::{Ending, Run};
use plimsoll_model::sample::{Metric, Outcome, Phase};
use plimsoll_report::document::Level;
use plimsoll_report::{
    TerminalOptions, compose, histograms_hlog, html, intervals_csv, json, summary_csv, terminal, write_all,
};
use simulation::{closed, open, run, variant};

const RATES: [f64; 5] = [20.0, 80.0, 140.0, 170.0, 280.0];

/// Simulated once for all tests.
static COMPARISON: LazyLock<Run> =
    LazyLock::new(|| run(vec![variant("sync", false), variant("queued", true)], RATES.map(open).into()));

fn comparison() -> Run {
    COMPARISON.clone()
}

fn plain(run: &Run) -> String {
    terminal(&compose(run), &TerminalOptions { color: false, width: 100 })
}

#[test]
fn the_answer_is_made_of_the_figures() {
    let document = compose(&comparison());
    let answer = document.answer.join(" ").replace('\u{a0}', " ");
    for words in [
        "keep up, at 280/s no longer",
        "At 280/s, sync callers wait",
        "queued callers are still answered in 1 ms",
        "longer the longer the test",
        "A queue adds no capacity",
        "accepted jobs are accounted for",
        "agrees, job by job",
    ] {
        assert!(answer.contains(words), "no {words:?} in: {answer}");
    }
    assert_eq!(document.verdict.level, Level::Good);
}

#[test]
fn only_what_waits_for_work_is_marked_as_growing() {
    let document = compose(&comparison());
    let row = |name: &str| {
        let row = document.scorecard.rows.iter().find(|r| r[0].text == name);
        row.unwrap_or_else(|| panic!("no row {name:?}"))
            .iter()
            .map(|c| format!("{:?}", c.kind))
            .collect::<Vec<_>>()
    };
    assert_eq!(row("caller waits, p50 / p99, at 280/s")[1..], ["Marked", "Plain"]);
    assert_eq!(row("work done, p50 / p99, at 280/s")[1..], ["Marked", "Marked"]);
    assert_eq!(row("work done, p50 / p99, at 20/s")[1..], ["Plain", "Plain"]);
}

#[test]
fn the_terminal_gets_at_most_forty_lines_of_its_width() {
    for width in [20, 60, 100, 400] {
        let text = terminal(&compose(&comparison()), &TerminalOptions { color: false, width });
        assert!(text.lines().count() <= 40, "{} lines at {width}", text.lines().count());
        assert!(!text.contains('\u{1b}'));
        let widest = text.lines().map(|l| l.chars().count()).max().unwrap();
        assert!(widest <= 110, "{widest} columns at {width}:\n{text}");
    }
    assert!(
        terminal(&compose(&comparison()), &TerminalOptions { color: true, width: 100 }).contains("\u{1b}[")
    );
}

#[test]
fn csv_and_json_are_the_same_rows() {
    let run = comparison();
    let text = summary_csv(&run);
    assert_eq!(
        text.lines().next(),
        Some("variant,step,offered_rate,metric,outcome,stat,value,unit,low,high,count")
    );
    let mut csv = csv::Reader::from_reader(text.as_bytes());
    let objects: Vec<serde_json::Value> = serde_json::from_str(&json(&run)).unwrap();
    let records: Vec<_> = csv.records().map(Result::unwrap).collect();
    assert_eq!(records.len(), objects.len());
    for (record, object) in records.iter().zip(&objects) {
        assert_eq!(
            (&record[0], &record[3]),
            (object["variant"].as_str().unwrap(), object["metric"].as_str().unwrap())
        );
        assert_eq!(record[6].parse::<f64>().ok(), object["value"].as_f64());
    }
}

#[test]
fn the_summary_counts_what_the_intervals_hold() {
    let run = comparison();
    let mut csv = csv::Reader::from_reader(summary_csv(&run).into_bytes().leak() as &[u8]);
    let rows: BTreeMap<[String; 5], f64> = csv
        .records()
        .map(Result::unwrap)
        .filter_map(|r| Some(([0, 1, 3, 4, 5].map(|i| r[i].to_owned()), r[6].parse().ok()?)))
        .collect();
    for cell in &run.cells {
        let (variant, step) = (&run.variant(cell).name, &run.step(cell).name);
        let value = |metric: &str, outcome: &str, stat: &str| {
            rows[&[variant, step, metric, outcome, stat].map(|s: &str| s.to_owned())]
        };
        let all = cell.merged();
        assert_eq!(value("operations", "ok", "value"), all.total().outcome(Outcome::Ok) as f64);
        let response = all.merged(Metric::ResponseTime, Phase::Measured, &[Outcome::Ok]);
        assert_eq!(value("response_time", "ok", "count"), response.count() as f64);
        assert_eq!(value("response_time", "ok", "max"), response.max().unwrap().as_secs_f64());
    }
}

#[test]
fn the_log_is_read_back_by_the_format_s_own_reader() {
    let run = comparison();
    let log = histograms_hlog(&run).unwrap();
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for entry in IntervalLogIterator::new(log.as_bytes()) {
        if let LogEntry::Interval(i) = entry.unwrap() {
            let bytes =
                base64::Engine::decode(&base64::engine::general_purpose::STANDARD, i.encoded_histogram())
                    .unwrap();
            let h: hdrhistogram::Histogram<u64> =
                hdrhistogram::serialization::Deserializer::new().deserialize(&mut bytes.as_slice()).unwrap();
            *counts.entry(i.tag().unwrap().as_str().to_owned()).or_default() += h.len();
        }
    }
    let done =
        run.cells.iter().find(|c| run.variant(c).name == "queued" && run.step(c).name == "140/s").unwrap();
    let done = done.merged().merged(Metric::CompletionTime, Phase::Measured, &[Outcome::Ok]).count();
    assert_eq!(counts["queued/140/s/completion_time/ok"], done);
}

#[test]
fn outputs_depend_on_the_run_alone() {
    let run = comparison();
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let written = dirs.each_ref().map(|dir| {
        write_all(&run, dir.path()).unwrap();
        let paths = write_all(&run, dir.path()).unwrap();
        paths.iter().map(|p| std::fs::read(p).unwrap()).collect::<Vec<_>>()
    });
    assert!(written[0] == written[1]);
}

#[test]
fn one_variant_under_one_step_is_not_compared() {
    let one = run(vec![variant("only", false)], vec![open(140.0)]);
    let text = plain(&one);
    assert!(text.contains("140/s: responses took") && text.contains("none failed"), "{text}");
    assert!(!text.contains("both variants") && !text.contains("A queue adds"), "{text}");
    assert!(html(&compose(&one)).contains("Percentiles at 140/s"));
}

#[test]
fn the_closed_model_says_that_there_is_no_schedule() {
    let closed = run(vec![variant("only", false)], vec![closed(2), closed(8)]);
    let document = compose(&closed);
    assert!(document.answer[0].contains("no schedule in the closed model"), "{:?}", document.answer);
    assert!(html(&document).contains("users"));
}

#[test]
fn what_was_cut_off_or_empty_is_told_and_nothing_breaks() {
    for (ending, words) in [
        (Ending::Interrupted, "interrupted"),
        (Ending::Unfinished, "unfinished"),
        (Ending::Aborted { reason: "the target died".into() }, "the target died"),
    ] {
        let mut cut = comparison();
        cut.manifest.ending = ending;
        cut.manifest.cells.truncate(3);
        cut.cells.truncate(3);
        cut.cells[2].facts.drain_end = plimsoll_model::time::Nanos::ZERO;
        cut.cells[2].intervals.truncate(2);
        let page = html(&compose(&cut));
        assert!(page.contains(words), "the page does not say {words:?}");
        assert!(plain(&cut).contains(words));
    }
    let mut empty = comparison();
    empty.cells.iter_mut().for_each(|c| c.intervals.clear());
    assert!(html(&compose(&empty)).contains("</html>"));
    empty.cells.clear();
    empty.manifest.cells.clear();
    assert!(plain(&empty).contains("Nothing was measured") || plain(&empty).contains("can't be told"));
    assert!(intervals_csv(&empty).lines().count() == 1);
}

#[test]
fn hostile_names_stay_text() {
    let mut hostile = comparison();
    let name = "<img src=x onerror=alert(1)>\u{1b}[31m\"'&</script>";
    hostile.manifest.plan.name = name.into();
    hostile.manifest.plan.variants[0].name = name.into();
    hostile.manifest.plan.steps[0].name = name.into();
    hostile.manifest.environment.cpu = name.into();
    let page = html(&compose(&hostile));
    assert!(!page.contains("<img") && !page.contains("\u{1b}"), "markup from a name");
    assert!(!plain(&hostile).contains('\u{1b}'));
}
