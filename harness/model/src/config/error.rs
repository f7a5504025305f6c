//! What is wrong with a file, all of it at once.

use std::fmt;

use super::node::{Path, Tree};
use super::units::UnitError;

/// Problems beyond this many are not kept: whoever has so many fixes these first.
pub(super) const MAX_PROBLEMS: usize = 50;

/// Most characters of a source line, or of a text of the file, shown in a message.
const SHOWN: usize = 120;

/// One thing wrong, where it stands, and how to put it right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file as it was named by the caller.
    pub file: String,
    /// Line, from 1; 0 when the problem is the file itself.
    pub line: usize,
    /// Column in characters, from 1; 0 when the problem is the file itself.
    pub column: usize,
    /// Path of keys such as `load.stages[2].rate`; empty when there is none.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub expected: Option<String>,
    /// What to do.
    pub remedy: Option<String>,
    /// The source line, when it may be shown.
    pub source: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", clean(&self.file))?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        f.write_str(": ")?;
        if !self.path.is_empty() {
            write!(f, "{}: ", clean(&self.path))?;
        }
        write!(f, "{}", clean(&self.message))?;
        if let Some(expected) = &self.expected {
            write!(f, "; expected {}", clean(expected))?;
        }
        if let Some(remedy) = &self.remedy {
            write!(f, "; {}", clean(remedy))?;
        }
        self.source.as_ref().map_or(Ok(()), |source| self.caret(source, f))
    }
}

impl Problem {
    /// The source line with a caret under the column, when the column lies within what is shown.
    fn caret(&self, source: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chars: Vec<char> = source.chars().collect();
        // The end of a long line matters as much as its start: the window follows the column.
        let from = (self.column.saturating_sub(1)).saturating_sub(SHOWN * 2 / 3);
        let from = if chars.len() <= SHOWN { 0 } else { from };
        let shown: String = chars.iter().skip(from).take(SHOWN).collect();
        let shown: String = shown.chars().map(|c| if harmful(c) { ' ' } else { c }).collect();
        let indent = self.column.saturating_sub(1 + from).min(SHOWN);
        write!(f, "\n    | {}\n    | {:indent$}^", shown.trim_end(), "")
    }
}

/// Control characters of the file must not reach a terminal, nor characters that reorder its text.
fn harmful(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn clean(text: &str) -> String {
    text.chars().flat_map(|c| if harmful(c) { c.escape_default().collect() } else { vec![c] }).collect()
}

/// Everything wrong with one file, sorted by line; at least one problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors {
    /// In the order of their lines.
    pub problems: Vec<Problem>,
    /// Whether more problems were found than are kept.
    pub more: bool,
}

impl ConfigErrors {
    /// A single problem with the file itself.
    pub(super) fn whole_file(file: &str, fault: Fault) -> Self {
        let problem = Problem {
            file: file.to_owned(),
            line: fault.at.map_or(0, |at| at.0),
            column: fault.at.map_or(0, |at| at.1),
            path: String::new(),
            message: fault.message,
            expected: fault.expected,
            remedy: fault.remedy,
            source: None,
        };
        Self { problems: vec![problem], more: false }
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            write!(f, "{}{problem}", if i == 0 { "" } else { "\n\n" })?;
        }
        if self.more {
            f.write_str("\n\n… and more; fix these first")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// A problem before it is tied to its place in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub message: String,
    pub expected: Option<String>,
    pub remedy: Option<String>,
    /// Line and column when it is not the start of the value in question.
    pub at: Option<(usize, usize)>,
    /// Whether the source line may be shown; not when it holds a password.
    pub show: bool,
}

impl Fault {
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), expected: None, remedy: None, at: None, show: true }
    }

    pub fn expected(self, expected: impl Into<String>) -> Self {
        Self { expected: Some(expected.into()), ..self }
    }

    pub fn remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }

    pub fn maybe_remedy(self, remedy: Option<String>) -> Self {
        Self { remedy: remedy.or(self.remedy), ..self }
    }

    pub fn at(self, line: usize, column: usize) -> Self {
        Self { at: Some((line, column)), ..self }
    }

    pub fn unseen(self) -> Self {
        self.unseen_if(true)
    }

    pub fn unseen_if(self, unseen: bool) -> Self {
        Self { show: self.show && !unseen, ..self }
    }
}

impl From<UnitError> for Fault {
    fn from(e: UnitError) -> Self {
        Fault::new(e.message).expected(e.expected).maybe_remedy(e.remedy)
    }
}

/// A text of the file as shown in a message: quoted, escaped and bounded.
pub(super) fn shown(text: &str) -> String {
    if text.chars().nth(SHOWN).is_none() {
        return format!("{text:?}");
    }
    format!("{:?}…", text.chars().take(SHOWN).collect::<String>())
}

/// Collects the problems of one file.
pub(super) struct Collector<'a> {
    file: &'a str,
    text: &'a str,
    problems: Vec<Problem>,
    more: bool,
}

impl<'a> Collector<'a> {
    pub fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text, problems: Vec::new(), more: false }
    }

    pub fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    pub fn is_full(&self) -> bool {
        self.more
    }

    /// Adds a fault at a path of `tree`; the same fault at the same place is added once only, since
    /// what several variants share is wrong once.
    pub fn add(&mut self, tree: &Tree, path: &Path, fault: Fault) {
        let (line, column) = fault.at.unwrap_or_else(|| tree.position(path));
        self.add_at(line, column, path.to_string(), fault);
    }

    /// Adds a fault at a line and column.
    pub fn add_at(&mut self, line: usize, column: usize, path: String, fault: Fault) {
        let source = self.text.lines().nth(line.saturating_sub(1)).filter(|_| fault.show);
        // No message may grow with the file.
        let source = source.map(|s| s.chars().take(column + SHOWN).collect());
        let problem = Problem {
            file: self.file.to_owned(),
            line,
            column,
            path: path.chars().take(2 * SHOWN).collect(),
            message: fault.message,
            expected: fault.expected,
            remedy: fault.remedy,
            source,
        };
        if self.problems.contains(&problem) {
        } else if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        } else {
            self.more = true;
        }
    }

    pub fn finish(mut self) -> ConfigErrors {
        self.problems.sort_by_key(|p| (p.line, p.column));
        ConfigErrors { problems: self.problems, more: self.more }
    }
}
