//! From bytes to a tree: everything that can be wrong before a key has any meaning.

use std::fs::File;
use std::io::Read;
use std::path::Path as FilePath;

use serde_yaml::{Error as YamlError, Spanned};

use super::error::{Collector, ConfigErrors, Fault};
use super::node::{Kind, Path, Raw, Tree, Value};

/// Largest file that is read, bytes. A long configuration has some thousands.
pub const MAX_FILE_BYTES: usize = 1 << 20;

/// Most values of a file, most of those that aliases may add, and deepest nesting.
const MAX_NODES: usize = 10_000;
const MAX_DEPTH: usize = 24;

const EXAMPLE: &str = "target: http://127.0.0.1:8080/ and load: { model: open, rate: 200/s, duration: 20s }";

/// Reads a file's text.
pub(super) fn file(path: &FilePath, name: &str) -> Result<String, ConfigErrors> {
    let fail = |fault| Err(ConfigErrors::whole_file(name, fault));
    let mut bytes = Vec::new();
    let read = File::open(path)
        .and_then(|f| f.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes))
        .map_err(|e| if path.is_dir() { std::io::ErrorKind::IsADirectory.into() } else { e });
    match read {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return fail(
                Fault::new("no such file")
                    .remedy("check the path, or write a starting point with `plimsoll init`"),
            );
        }
        Err(e) if e.kind() == std::io::ErrorKind::IsADirectory => {
            return fail(Fault::new("is a directory").remedy("name one of the files in it"));
        }
        Err(e) => return fail(Fault::new(format!("cannot be read: {e}"))),
        Ok(_) if bytes.len() > MAX_FILE_BYTES => return fail(too_large()),
        Ok(_) => {}
    }
    decode(bytes).or_else(fail)
}

fn too_large() -> Fault {
    Fault::new("is larger than 1 MiB, which no configuration needs").remedy("check that it is the right file")
}

fn decode(bytes: Vec<u8>) -> Result<String, Fault> {
    String::from_utf8(bytes).map_err(|e| {
        let valid = e.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(&e.as_bytes()[..valid]);
        let (line, column) = position(&before);
        let byte = e.as_bytes().get(valid).copied().unwrap_or(0);
        Fault::new(format!("the byte 0x{byte:02X} is not UTF-8"))
            .remedy("save the file as UTF-8")
            .at(line, column)
    })
}

/// Line and column just after a text.
fn position(before: &str) -> (usize, usize) {
    let line_start = before.rfind('\n').map_or(0, |i| i + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// Reads the tree of a text without byte-order mark; duplicate keys are reported and left out.
pub(super) fn tree(text: &str, name: &str, problems: &mut Collector<'_>) -> Option<Tree> {
    if text.len() > MAX_FILE_BYTES {
        problems.add_at(1, 1, String::new(), too_large().unseen());
        return None;
    }
    if let Some(i) = text.find('\0') {
        let (line, column) = position(&text[..i]);
        let fault = Fault::new(format!("a NUL byte: {name} is not a text file"))
            .remedy("check that it is the right file, saved as UTF-8");
        problems.add_at(line, column, String::new(), fault.unseen());
        return None;
    }
    let raw = match serde_yaml::from_str_with_options::<Spanned<Raw>>(text, options()) {
        Ok(raw) => raw,
        Err(error) => {
            let (fault, line, column) = syntax(&error, text);
            problems.add_at(line, column, String::new(), fault);
            return None;
        }
    };
    let (tree, duplicates) = Tree::new(raw, text);
    for d in &duplicates {
        if problems.is_full() {
            break;
        }
        let fault = Fault::new(format!("given twice; line {} has it already", d.first.line))
            .remedy("remove one of the two")
            .at(d.second.line, d.second.column);
        problems.add(&tree, &d.path, fault);
    }
    match not_a_mapping(&tree.root.value) {
        None => Some(tree),
        Some(fault) => {
            problems.add(&tree, &Path::default(), fault);
            None
        }
    }
}

/// Why the root is not what a file should be.
fn not_a_mapping(root: &Value) -> Option<Fault> {
    let expected = format!("keys with values, at least {EXAMPLE}");
    match root {
        Value::Map(_) => None,
        Value::Scalar(Kind::Null, _) => {
            let fault = Fault::new("the file is empty").remedy(format!("write at least {EXAMPLE}"));
            Some(fault.at(1, 1).unseen())
        }
        Value::List(_) => Some(Fault::new("the file is a list").expected(expected)),
        _ => Some(Fault::new("the file is a single value").expected(expected)),
    }
}

/// How strict the YAML parser is, and what bounds its work.
fn options() -> serde_yaml::Options {
    serde_yaml::options! {
        // Both places of a duplicate are reported, so both entries have to be seen.
        duplicate_keys: serde_yaml::DuplicateKeyPolicy::PassThrough,
        strict_booleans: true,
        emit_comments: false,
        non_finite_float_policy: serde_yaml::NonFiniteFloatPolicy::PassThrough,
        with_snippet: false,
        alias_limits: serde_yaml::alias_limits! {
            max_total_replayed_events: MAX_NODES,
            max_replay_stack_depth: 8,
        },
        budget: serde_yaml::budget! {
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_nodes: MAX_NODES,
            max_events: 4 * MAX_NODES,
            max_total_scalar_bytes: MAX_FILE_BYTES,
            max_merge_keys: 100,
        },
    }
}

/// What the YAML parser refused, in words, with what most often helps.
fn syntax(error: &YamlError, text: &str) -> (Fault, usize, usize) {
    let plain = innermost(error);
    let at = error.location().map_or((1, 1), |l| (l.line().max(1) as usize, l.column().max(1) as usize));
    let line = text.lines().nth(at.0 - 1).unwrap_or("");
    if let Some((row, column)) = tab_indent(text, at.0) {
        let fault = Fault::new("indented with a tab").remedy("indent with spaces; YAML takes nothing else");
        return (fault, row, column);
    }
    let fault = match plain {
        YamlError::MultipleDocuments { .. } => Fault::new("a second document begins")
            .remedy("remove the line `---` and what follows: a file holds one test"),
        YamlError::Budget { breach: serde_yaml::budget::BudgetBreach::Depth { .. }, .. } => too_deep(),
        YamlError::Budget { .. } => Fault::new(format!("more than {MAX_NODES} values, or too many anchors"))
            .remedy("a configuration has some dozens: check that it is the right file"),
        YamlError::AliasReplayLimitExceeded { .. }
        | YamlError::AliasExpansionLimitExceeded { .. }
        | YamlError::AliasReplayStackDepthExceeded { .. }
        | YamlError::AliasReplayCounterOverflow { .. } => {
            Fault::new(format!("its aliases (*name) expand to more than {MAX_NODES} values"))
                .remedy("write the values out, or nest fewer aliases")
        }
        YamlError::RecursiveReferencesRequireWeakTypes { .. } => {
            Fault::new("an alias (*name) within its own anchor (&name)").remedy("write the value out")
        }
        YamlError::UnknownAnchor { .. } => Fault::new("an alias (*name) whose anchor (&name) is not above")
            .remedy("quote the text if it should begin with *"),
        _ if plain.to_string().contains("recursion limit") => too_deep(),
        _ => {
            let fault = Fault::new(format!("not YAML: {}", message(plain)));
            if line.contains("{{") {
                fault.remedy("put a text that holds {{…}} in single quotes")
            } else {
                fault.maybe_remedy(hint(plain, line))
            }
        }
    };
    (fault, at.0, at.1)
}

fn too_deep() -> Fault {
    Fault::new(format!("nested more than {MAX_DEPTH} levels deep")).remedy("no key needs that depth")
}

/// The message alone, since the place is told in the project's own form.
fn message(error: &YamlError) -> String {
    let text = error.to_string();
    let end = text.rfind(" at line ").unwrap_or(text.len());
    text[..end].chars().take(200).collect()
}

fn hint(error: &YamlError, line: &str) -> Option<String> {
    let text = error.to_string();
    let hint = if text.contains("mapping values are not allowed") {
        "quote a value that holds `: `, and indent the keys of one mapping alike"
    } else if text.contains("unexpected character") || text.contains("cannot start") {
        "quote a value that begins with a special character"
    } else if text.contains("unclosed") {
        "close it"
    } else if text.contains("flow mapping") || text.contains("flow sequence") {
        "separate entries with commas, and close the bracket"
    } else if text.contains("null into string") || text.contains("expected string scalar") {
        "a key must be a plain word"
    } else if line.contains(": ") {
        "check the indentation and quotes of this line and the one before"
    } else {
        return None;
    };
    Some(hint.to_owned())
}

/// Where the first tab in the indentation of the line, or of one of its neighbours, stands. Parsers
/// tell the place of a tab only roughly.
fn tab_indent(text: &str, line: usize) -> Option<(usize, usize)> {
    let near = text.lines().enumerate().skip(line.saturating_sub(1)).take(2);
    near.filter_map(|(i, l)| {
        let indent = &l[..l.len() - l.trim_start_matches([' ', '\t']).len()];
        indent.find('\t').filter(|_| !l.trim().is_empty()).map(|c| (i + 1, c + 1))
    })
    .next()
}

fn innermost(mut error: &YamlError) -> &YamlError {
    while let YamlError::AliasError { error: inner, .. } | YamlError::WithSnippet { error: inner, .. } = error
    {
        error = inner;
    }
    error
}
