//! The summary as JSON.

use plimsoll_analysis::summary::Row;
use serde_json::{Value, json};

/// An array of objects with the columns of `summary.csv` as keys, ended by a newline.
pub fn rows(rows: &[Row]) -> String {
    let object = |r: &Row| {
        json!({
            "variant": r.variant,
            "step": r.step,
            "offered_rate": r.offered_rate,
            "metric": r.metric,
            "outcome": r.outcome,
            "stat": r.stat,
            "value": r.value,
            "unit": r.unit,
            "low": r.low,
            "high": r.high,
            "count": r.count,
        })
    };
    let all: Vec<Value> = rows.iter().map(object).collect();
    format!("{:#}\n", Value::from(all))
}
