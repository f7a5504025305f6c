//! Tidy CSV: comma, header, plain decimals, empty for unknown.

use plimsoll_analysis::Analysis;
use plimsoll_analysis::summary::{COLUMNS, Row};
use plimsoll_analysis::timeline::{self, Spot};
use plimsoll_model::artefact::Run;
use plimsoll_model::sample::Outcome;

/// `summary.csv`.
pub fn summary(rows: &[Row]) -> String {
    write(
        &COLUMNS,
        rows.iter().map(|r| {
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
                r.count.map_or(String::new(), |n| n.to_string()),
            ]
        }),
    )
}

/// Columns of `intervals.csv`: rates in 1/s, times in seconds since the cell's origin. The last eight
/// are of ok operations that ended in the interval, of both phases.
pub const INTERVAL_COLUMNS: [&str; 24] = [
    "variant",
    "step",
    "start_s",
    "end_s",
    "stretch",
    "scheduled_per_s",
    "sent_per_s",
    "ok_per_s",
    "rejected_per_s",
    "failed_per_s",
    "timed_out_per_s",
    "dropped_per_s",
    "unresolved_per_s",
    "completed_per_s",
    "in_flight",
    "backlog",
    "wait_count",
    "wait_p50_s",
    "wait_p99_s",
    "wait_max_s",
    "completion_count",
    "completion_p50_s",
    "completion_p99_s",
    "completion_max_s",
];

/// `intervals.csv`.
pub fn intervals(run: &Run, analysis: &Analysis) -> String {
    let mut rows = Vec::new();
    for (v, variant) in run.manifest.plan.variants.iter().enumerate() {
        for x in analysis.of_variant(v) {
            let Some(cell) = run.cell(x.id) else { continue };
            for p in timeline::of(run, cell, x.caller_metric(), usize::MAX) {
                let mut row = vec![variant.name.clone(), run.step(cell).name.clone()];
                row.extend([plain(p.start), plain(p.end), p.stretch.name().to_owned()]);
                row.extend([plain(p.scheduled), plain(p.sent)]);
                row.extend(p.outcomes.iter().take(Outcome::ALL.len()).map(|r| plain(*r)));
                row.extend([plain(p.completed), p.in_flight.to_string(), p.backlog.to_string()]);
                row.extend(spot(&p.caller_wait));
                row.extend(spot(&p.completion));
                rows.push(row);
            }
        }
    }
    write(&INTERVAL_COLUMNS, rows.into_iter())
}

fn spot(s: &Spot) -> [String; 4] {
    [s.count.to_string(), number(s.p50), number(s.p99), number(s.max)]
}

/// The shortest decimal that reads back to the same number; never an exponent.
fn plain(v: f64) -> String {
    if v == 0.0 { "0".to_owned() } else { v.to_string() }
}

fn number(v: Option<f64>) -> String {
    v.filter(|v| v.is_finite()).map_or(String::new(), plain)
}

fn write(columns: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(columns).expect("writing to memory does not fail");
    rows.for_each(|row| writer.write_record(&row).expect("each row is as long as the header"));
    let bytes = writer.into_inner().expect("writing to memory does not fail");
    String::from_utf8(bytes).expect("only text was written")
}
