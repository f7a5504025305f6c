//! Reads the derived types so often that every mistake has been found.

use serde::Deserialize;

use super::de::{DeError, NodeDe, What};
use super::error::{Collector, Fault};
use super::node::{Path, Tree};
use super::schema::Config;

/// The file's configuration without what was wrong in it; `None` when nothing can be made of the
/// rest. Each mistake is reported, and removed from the tree.
pub(super) fn config(tree: &mut Tree, problems: &mut Collector<'_>) -> Option<Config> {
    // Each round removes a node, so this ends; the collector's limit ends it sooner.
    while !problems.is_full() {
        match Config::deserialize(NodeDe(&tree.root)) {
            Ok(config) => return Some(config),
            Err(error) => {
                let path = error.path();
                report(&error, &path, tree, problems);
                if path.0.is_empty() || !tree.remove(&path) {
                    return None;
                }
            }
        }
    }
    None
}

fn report(error: &DeError, path: &Path, tree: &Tree, problems: &mut Collector<'_>) {
    match &error.what {
        What::UnknownKey(fault) => {
            let (line, column) = tree.key_position(path);
            problems.add(tree, path, fault.clone().at(line, column));
        }
        // A key that is missing only because its value was wrong has been reported.
        What::MissingKey(key) if tree.has(&path.key(key)) || tree.misspelt(path, key) => {}
        What::MissingKey(key) => {
            let fault = Fault::new(format!("`{key}` is missing")).remedy(example(key));
            problems.add(tree, path, fault);
        }
        What::BadValue(fault) => problems.add(tree, path, fault.clone()),
        What::Consequence => {}
    }
}

/// What to add for a missing key.
fn example(key: &str) -> String {
    let value = match key {
        "duration" => "duration: 20s",
        "from" => "from: 20/s",
        "to" => "to: 200/s",
        "count" => "count: 10",
        _ => return format!("add `{key}`"),
    };
    format!("add {value}")
}
