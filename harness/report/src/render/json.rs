//! The summary rows as JSON.

use plimsoll_analysis::summary::{COLUMNS, Row};
use serde_json::{Map, Value, json};

/// An array of objects, one a line, with the fields of `summary.csv` in its order; unknown is null.
pub fn rows(rows: &[Row]) -> String {
    let lines: Vec<String> = rows.iter().map(object).collect();
    format!("[\n{}\n]\n", lines.join(",\n"))
}

/// Written field by field: a map would sort them.
fn object(row: &Row) -> String {
    let values: [Value; COLUMNS.len()] = [
        json!(row.variant),
        json!(row.step),
        json!(row.offered_rate),
        json!(row.metric),
        json!(row.outcome),
        json!(row.stat),
        json!(row.value),
        json!(row.unit),
        json!(row.low),
        json!(row.high),
        json!(row.count),
    ];
    let fields: Vec<String> = COLUMNS
        .iter()
        .zip(values)
        .map(|(name, value)| {
            let one = Value::Object(Map::from_iter([((*name).to_owned(), value)])).to_string();
            one[1..one.len() - 1].to_owned()
        })
        .collect();
    format!("{{{}}}", fields.join(","))
}
