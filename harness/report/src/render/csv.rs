//! `summary.csv` and `intervals.csv`.

use csv::Writer;
use plimsoll_analysis::summary::{COLUMNS, Row};
use plimsoll_analysis::timeline;
use plimsoll_analysis::{Analysis, cell::CellAnalysis};
use plimsoll_model::artefact::Run;
use plimsoll_model::sample::Outcome;

/// A number, or nothing where it is unknown.
fn number(v: Option<f64>) -> String {
    v.map(|v| v.to_string()).unwrap_or_default()
}

/// The rows under the contract's header.
pub fn summary(rows: &[Row]) -> String {
    let records = rows.iter().map(|r| {
        vec![
            r.variant.clone(),
            r.step.clone(),
            number(r.offered_rate),
            r.metric.to_owned(),
            r.outcome.clone(),
            r.stat.to_owned(),
            number(r.value),
            r.unit.to_owned(),
            number(r.low),
            number(r.high),
            r.count.map(|n| n.to_string()).unwrap_or_default(),
        ]
    });
    text(&COLUMNS.map(str::to_owned), records)
}

/// Every interval of every cell.
pub fn intervals(run: &Run, analysis: &Analysis) -> String {
    let mut header: Vec<String> = [
        "variant",
        "step",
        "start_s",
        "end_s",
        "stretch",
        "scheduled_per_s",
        "sent_per_s",
        "completed_per_s",
    ]
    .map(str::to_owned)
    .into();
    header.extend(Outcome::ALL.map(|o| format!("{}_per_s", o.name())));
    let gauges = ["in_flight", "backlog", "wait_count", "wait_p50_s", "wait_p99_s", "wait_max_s"];
    header.extend(gauges.map(str::to_owned));
    header.extend(["completion_p50_s", "completion_p99_s", "completion_max_s"].map(str::to_owned));
    text(&header, analysis.cells.iter().flat_map(|c| of_cell(run, c)))
}

fn of_cell(run: &Run, analysis: &CellAnalysis) -> Vec<Vec<String>> {
    let Some(cell) = run.cell(analysis.id) else { return Vec::new() };
    let (variant, step) = (&run.variant(cell).name, &run.step(cell).name);
    let record = |p: timeline::Point| {
        let mut record = vec![variant.clone(), step.clone(), p.start.to_string(), p.end.to_string()];
        record.push(p.stretch.name().to_owned());
        record.extend([p.scheduled, p.sent, p.completed].map(|v| v.to_string()));
        record.extend(p.outcomes.map(|v| v.to_string()));
        record.extend([p.in_flight, p.backlog, p.caller_wait.count].map(|n| n.to_string()));
        record.extend([p.caller_wait.p50, p.caller_wait.p99, p.caller_wait.max].map(number));
        record.extend([p.completion.p50, p.completion.p99, p.completion.max].map(number));
        record
    };
    timeline::of(run, cell, analysis.caller_metric(), usize::MAX).into_iter().map(record).collect()
}

fn text(header: &[String], records: impl Iterator<Item = Vec<String>>) -> String {
    let mut csv = Writer::from_writer(Vec::new());
    let written =
        csv.write_record(header).and_then(|()| records.into_iter().try_for_each(|r| csv.write_record(r)));
    written.expect("writing to memory does not fail, and all records are as long as the header");
    let bytes = csv.into_inner().expect("writing to memory does not fail");
    String::from_utf8(bytes).expect("made of texts")
}
