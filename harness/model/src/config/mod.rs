//! Configuration files: YAML in, a checked [`Plan`] or every mistake at once out.
//!
//! The text becomes a tree that knows the place of every node (`read`, `node`). Derived types
//! (`schema`) are read from the tree; what is wrong is noted, taken out of the tree and the reading
//! repeated, so that one mistake does not hide the next (`collect`). The checks between keys, and the
//! defaults, come last (`lower`).
//!
//! ```
//! let text = "target: http://127.0.0.1:8080/
//! load: { model: open, arrivals: constant, rate: 2k/s, duration: 20s }";
//! let plan = plimsoll_model::config::parse(text, "minimal.yaml").unwrap();
//! assert_eq!(plan.name, "minimal");
//! assert_eq!(plan.steps[0].name, "2000/s");
//!
//! let errors = plimsoll_model::config::parse("load: { modle: open }", "bad.yaml").unwrap_err();
//! assert_eq!(errors.problems[0].message, "is missing");
//! assert!(errors.to_string().contains("bad.yaml:1:9: load.modle: no such key"));
//! ```

mod collect;
mod de;
mod describe;
mod error;
mod lower;
mod node;
mod read;
mod scalar;
mod schema;
mod suggest;
pub mod units;
mod url;
mod workloads;

use std::path::Path;

use crate::plan::Plan;

pub use describe::describe;
pub use error::{ConfigErrors, Problem};
pub use read::MAX_FILE_BYTES;

/// A commented file to start from, as `plimsoll init` writes it.
pub const TEMPLATE: &str = include_str!("starter.yaml");

/// Where `{{env:NAME}}` is looked up; `None` when it is not set.
type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What the command line says over the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Replaces `seed`.
    pub seed: Option<u64>,
}

impl Overrides {
    /// Puts the given values into a plan.
    pub fn apply(&self, plan: &mut Plan) {
        if let Some(seed) = self.seed {
            plan.seed = seed;
        }
    }
}

/// Reads and checks a file of at most [`MAX_FILE_BYTES`].
///
/// # Errors
/// Everything wrong with it: that it cannot be read, or each mistake in it with its place.
pub fn load(path: &Path) -> Result<Plan, ConfigErrors> {
    let name = path.display().to_string();
    parse(&read::file(path, &name)?, &name)
}

/// Checks a text; `file_name` stands in messages, and its stem is the test's name unless the text
/// gives one. Variables named by `{{env:NAME}}` must be set in this process's environment; their
/// values are not part of the plan.
///
/// # Errors
/// Each mistake with its place.
pub fn parse(text: &str, file_name: &str) -> Result<Plan, ConfigErrors> {
    parse_with(text, file_name, &|name| std::env::var(name).ok())
}

/// [`parse`] with another environment than the process's.
///
/// # Errors
/// As [`parse`].
pub fn parse_with(
    text: &str,
    file_name: &str,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Plan, ConfigErrors> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut problems = error::Collector::new(file_name, text);
    let plan = read::tree(text, file_name, &mut problems).and_then(|mut tree| {
        let config = collect::config(&mut tree, &mut problems)?;
        let stem = Path::new(file_name).file_stem().unwrap_or_default().to_string_lossy();
        let cores = std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(1));
        let mut lower = lower::Lower { tree: &tree, text, problems: &mut problems, env, cores };
        lower::plan(&config, &stem, &mut lower)
    });
    match plan {
        Some(plan) if problems.is_empty() => Ok(plan),
        _ => Err(problems.finish()),
    }
}
