//! The file as a tree whose every node knows where it stands.
//!
//! Scalars keep their source text, so that `path: on` or `header: 0123` is the text that was
//! written, whatever YAML would make of it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::{Location, Spanned};

use super::suggest::nearest;

/// Where something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// First byte and length in the file.
    pub bytes: Option<(usize, usize)>,
}

impl Place {
    fn new(location: Location) -> Self {
        let span = location.span();
        let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        Self {
            line: number(location.line()).max(1),
            column: number(location.column()).max(1),
            bytes: span.byte_offset().zip(span.byte_len()).map(|(o, n)| (number(o), number(n))),
        }
    }

    fn source(self, text: &str) -> Option<&str> {
        let (offset, length) = self.bytes?;
        text.get(offset..offset.checked_add(length)?)
    }
}

/// What a plain scalar would be to YAML; a quoted one is a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Bool,
    Number,
    Text,
}

/// A node of the tree.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub place: Place,
    pub value: Value,
}

#[derive(Debug, Clone)]
pub(super) enum Value {
    Scalar(Kind, String),
    List(Vec<Node>),
    Map(Vec<Entry>),
    /// Was wrong, was reported, and counts as if it had not been written.
    Removed,
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub key: String,
    pub key_place: Place,
    pub node: Node,
}

/// One step down the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    Key(String),
    Index(usize),
}

/// A path from the root.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Path(pub Vec<Segment>);

impl Path {
    /// Down the given keys.
    pub fn of(keys: &[&str]) -> Self {
        Self(keys.iter().map(|k| Segment::Key((*k).to_owned())).collect())
    }

    pub fn key(&self, key: &str) -> Self {
        let mut path = self.clone();
        path.0.push(Segment::Key(key.to_owned()));
        path
    }

    pub fn index(&self, index: usize) -> Self {
        let mut path = self.clone();
        path.0.push(Segment::Index(index));
        path
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Key(key) => {
                    let plain = key.chars().all(|c| c.is_alphanumeric() || "_-".contains(c));
                    let dot = if i == 0 { "" } else { "." };
                    if plain && !key.is_empty() {
                        write!(f, "{dot}{key}")?;
                    } else {
                        write!(f, "{dot}{}", super::error::shown(key))?;
                    }
                }
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// A key that its mapping already had.
pub(super) struct Duplicate {
    pub path: Path,
    pub first: Place,
    pub second: Place,
}

/// The whole file.
pub(super) struct Tree {
    pub root: Node,
}

impl Tree {
    /// From what the YAML parser gave; keys given twice keep their first value.
    pub fn new(raw: Spanned<Raw>, text: &str) -> (Self, Vec<Duplicate>) {
        let mut duplicates = Vec::new();
        let root = convert(raw, text, &Path::default(), &mut duplicates);
        (Self { root }, duplicates)
    }

    /// The node at a path, if it exists (removed or not).
    pub fn get(&self, path: &Path) -> Option<&Node> {
        path.0.iter().try_fold(&self.root, |node, segment| match (segment, &node.value) {
            (Segment::Key(key), Value::Map(entries)) => {
                entries.iter().find(|e| e.key == *key).map(|e| &e.node)
            }
            (Segment::Index(i), Value::List(items)) => items.get(*i),
            _ => None,
        })
    }

    /// Whether there is a value, right or wrong, at a path.
    pub fn has(&self, path: &Path) -> bool {
        self.get(path).is_some()
    }

    /// Whether something at or below a path was removed, so that what is missing may not be missed.
    pub fn damaged(&self, path: &Path) -> bool {
        self.get(path).is_some_and(damaged)
    }

    /// Whether a removed key of the mapping at a path was probably meant to be `key`, which is then
    /// not missed a second time.
    pub fn misspelt(&self, path: &Path, key: &str) -> bool {
        let Some(Value::Map(entries)) = self.get(path).map(|n| &n.value) else { return false };
        let mut removed = entries.iter().filter(|e| matches!(e.node.value, Value::Removed));
        removed.any(|e| e.key != key && nearest(&e.key, &[key]).is_some())
    }

    /// Forgets the value at a path; `false` when there is none left to forget.
    pub fn remove(&mut self, path: &Path) -> bool {
        let found =
            path.0.iter().try_fold(&mut self.root, |node, segment| match (segment, &mut node.value) {
                (Segment::Key(key), Value::Map(entries)) => {
                    entries.iter_mut().find(|e| e.key == *key).map(|e| &mut e.node)
                }
                (Segment::Index(i), Value::List(items)) => items.get_mut(*i),
                _ => None,
            });
        let Some(node) = found else { return false };
        !matches!(std::mem::replace(&mut node.value, Value::Removed), Value::Removed)
    }

    /// Line and column of the value at a path. Of a mapping or list, and of anything not written,
    /// it is the key that leads there, or the nearest one.
    pub fn position(&self, path: &Path) -> (usize, usize) {
        let (mut node, mut at) = (&self.root, (self.root.place.line, self.root.place.column));
        for segment in &path.0 {
            let next = match (segment, &node.value) {
                (Segment::Key(key), Value::Map(entries)) => {
                    entries.iter().find(|e| e.key == *key).map(|e| (&e.node, e.key_place))
                }
                (Segment::Index(i), Value::List(items)) => items.get(*i).map(|n| (n, n.place)),
                _ => None,
            };
            let Some((found, place)) = next else { return at };
            (node, at) = (found, (place.line, place.column));
        }
        match node.value {
            // A value that is not there has no place worth showing.
            Value::Scalar(Kind::Null, _) | Value::Map(_) | Value::List(_) => at,
            _ if path.0.is_empty() => at,
            _ => (node.place.line, node.place.column),
        }
    }

    /// Line and column of the key at the end of a path, else as [`Tree::position`].
    pub fn key_position(&self, path: &Path) -> (usize, usize) {
        let Some((Segment::Key(last), parents)) = path.0.split_last() else { return self.position(path) };
        let parent = Path(parents.to_vec());
        match self.get(&parent).map(|n| &n.value) {
            Some(Value::Map(entries)) => entries
                .iter()
                .find(|e| e.key == *last)
                .map_or_else(|| self.position(&parent), |e| (e.key_place.line, e.key_place.column)),
            _ => self.position(&parent),
        }
    }
}

fn damaged(node: &Node) -> bool {
    match &node.value {
        Value::Removed => true,
        Value::Scalar(..) => false,
        Value::List(items) => items.iter().any(damaged),
        Value::Map(entries) => entries.iter().any(|e| damaged(&e.node)),
    }
}

fn convert(raw: Spanned<Raw>, text: &str, path: &Path, duplicates: &mut Vec<Duplicate>) -> Node {
    let place = Place::new(raw.defined);
    let value = match raw.value {
        Raw::Text(s) => Value::Scalar(Kind::Text, s),
        Raw::Plain(kind, value) => {
            let source = place.source(text).map(str::trim).filter(|s| !s.is_empty() || kind == Kind::Null);
            Value::Scalar(kind, source.map_or(value, str::to_owned))
        }
        Raw::List(items) => Value::List(
            items
                .into_iter()
                .enumerate()
                .map(|(i, n)| convert(n, text, &path.index(i), duplicates))
                .collect(),
        ),
        Raw::Map(raw_entries) => {
            let mut entries: Vec<Entry> = Vec::with_capacity(raw_entries.len());
            for (key, node) in raw_entries {
                let key_place = Place::new(key.defined);
                let here = path.key(&key.value);
                let node = convert(node, text, &here, duplicates);
                // Linear search: only small mappings are right, and the size of all is bounded.
                match entries.iter().find(|e| e.key == key.value) {
                    Some(e) => {
                        duplicates.push(Duplicate { path: here, first: e.key_place, second: key_place });
                    }
                    None => entries.push(Entry { key: key.value, key_place, node }),
                }
            }
            Value::Map(entries)
        }
    };
    Node { place, value }
}

/// What the YAML parser gives, before source texts and places are put in.
pub(super) enum Raw {
    Plain(Kind, String),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping, a list or a value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Plain(Kind::Null, String::new()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Plain(Kind::Bool, value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Plain(Kind::Number, value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Plain(Kind::Number, value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Plain(Kind::Number, value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Raw, E> {
        Ok(Raw::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Raw::Map(map))
    }
}
