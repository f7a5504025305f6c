//! Serde's view of the tree: derived types are read from it, and every error tells its path.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, Expected, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::error::{Fault, shown};
use super::node::{Entry, Kind, Node, Path, Segment, Value};
use super::suggest::did_you_mean;

/// Why a type could not be read.
#[derive(Debug)]
pub(super) struct DeError {
    /// From the root once the error has travelled up; collected in reverse.
    reversed: Vec<Segment>,
    /// What to do about it.
    pub what: What,
}

/// The kinds of errors that are treated differently.
#[derive(Debug)]
pub(super) enum What {
    /// The last key of the path is not allowed there.
    UnknownKey(Fault),
    /// The mapping at the path lacks this key.
    MissingKey(&'static str),
    /// The value at the path is wrong.
    BadValue(Fault),
    /// The value at the path lost its only entry, which has been reported.
    Consequence,
}

impl DeError {
    fn bad(fault: Fault) -> Self {
        Self { reversed: Vec::new(), what: What::BadValue(fault) }
    }

    fn below(mut self, segment: Segment) -> Self {
        self.reversed.push(segment);
        self
    }

    /// Where the error is.
    pub fn path(&self) -> Path {
        Path(self.reversed.iter().rev().cloned().collect())
    }
}

impl fmt::Display for DeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::MissingKey(key) => write!(f, "`{key}` is missing"),
            What::UnknownKey(fault) | What::BadValue(fault) => f.write_str(&fault.message),
            What::Consequence => f.write_str("its entry was wrong"),
        }
    }
}

impl std::error::Error for DeError {}

impl de::Error for DeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::bad(Fault::new(message.to_string()))
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let (message, quoted) = match unexpected {
            Unexpected::Unit => ("has no value".to_owned(), None),
            Unexpected::Map => ("is a mapping".to_owned(), None),
            Unexpected::Seq => ("is a list".to_owned(), None),
            Unexpected::Str(s) => (format!("{} is a text", shown(s)), Some(s.to_owned())),
            Unexpected::Bool(b) => (format!("{b} is true or false"), None),
            other => (format!("{other} is not allowed here"), None),
        };
        let expected = Expecting(expected).to_string();
        let remedy = match (unexpected, quoted) {
            (_, Some(q)) if expected.starts_with("a list") && q.len() < 40 => Some(format!("write [{q}]")),
            (Unexpected::Map | Unexpected::Seq, _) if expected == "a text" => {
                Some("put the text in single quotes".to_owned())
            }
            _ => None,
        };
        Self::bad(Fault::new(message).expected(expected).maybe_remedy(remedy))
    }

    /// How the project's own types report: `Unexpected::Other` holds the whole message, and the
    /// expectation's second line, if any, the remedy. Serde has no other way to hand over three texts.
    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let message = match unexpected {
            Unexpected::Other(message) => message.to_owned(),
            other => format!("{other} is out of range"),
        };
        let expected = expected.to_string();
        let (expected, remedy) = expected.split_once('\n').unwrap_or((&expected, ""));
        let fault = Fault::new(message).expected(expected);
        Self::bad(if remedy.is_empty() { fault } else { fault.remedy(remedy) })
    }

    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> Self {
        let fault = Fault::new(format!("{} is not known here", shown(variant)));
        Self::bad(fault.expected(known.join(" or ")).maybe_remedy(did_you_mean(variant, known)))
    }

    fn unknown_field(key: &str, known: &'static [&'static str]) -> Self {
        let fault = Fault::new("no such key").expected(format!("one of {}", known.join(", ")));
        let what = What::UnknownKey(fault.maybe_remedy(did_you_mean(key, known)));
        Self { reversed: Vec::new(), what }
    }

    fn missing_field(key: &'static str) -> Self {
        Self { reversed: Vec::new(), what: What::MissingKey(key) }
    }
}

/// Reports a value that has the right YAML type but is not what it should be.
pub(super) fn refuse<E: de::Error>(message: &str, expected: &str, remedy: Option<&str>) -> E {
    let expected = match remedy {
        Some(remedy) => format!("{expected}\n{remedy}"),
        None => expected.to_owned(),
    };
    E::invalid_value(Unexpected::Other(message), &expected.as_str())
}

/// A node as a deserializer.
#[derive(Clone, Copy)]
pub(super) struct NodeDe<'a>(pub &'a Node);

impl NodeDe<'_> {
    fn wrong(self, expected: &dyn Expected) -> DeError {
        let unexpected = match &self.0.value {
            Value::Scalar(Kind::Null, _) | Value::Removed => Unexpected::Unit,
            Value::Scalar(Kind::Number, text) => {
                let fault = Fault::new(format!("{text} is a number"));
                return DeError::bad(fault.expected(Expecting(expected).to_string()));
            }
            Value::Scalar(Kind::Bool, text) => {
                let fault = Fault::new(format!("{text} is true or false"));
                return DeError::bad(fault.expected(Expecting(expected).to_string()));
            }
            Value::Scalar(_, text) => Unexpected::Str(text),
            Value::List(_) => Unexpected::Seq,
            Value::Map(_) => Unexpected::Map,
        };
        de::Error::invalid_type(unexpected, expected)
    }
}

impl<'de> Deserializer<'de> for NodeDe<'_> {
    type Error = DeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        match &self.0.value {
            Value::Map(_) => self.deserialize_map(visitor),
            Value::List(_) => self.deserialize_seq(visitor),
            _ => self.deserialize_str(visitor),
        }
    }

    /// Any scalar is a text, as it was written.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        match &self.0.value {
            Value::Scalar(kind, text) if *kind != Kind::Null => visitor.visit_str(text),
            _ => Err(self.wrong(&visitor)),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        self.deserialize_str(visitor)
    }

    /// Numbers are read from their text too, which a quoted one does not offer.
    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        match &self.0.value {
            Value::Scalar(Kind::Text, text) if text.parse::<f64>().is_ok() => {
                let message = format!("{} is a text, for it is in quotes", shown(text));
                let fault = Fault::new(message).expected(Expecting(&visitor).to_string());
                Err(DeError::bad(fault.remedy("remove the quotes")))
            }
            _ => self.deserialize_str(visitor),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        self.deserialize_u64(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        match &self.0.value {
            Value::Scalar(Kind::Bool, text) => visitor.visit_bool(text.eq_ignore_ascii_case("true")),
            Value::Scalar(Kind::Text, text) => {
                let fault = Fault::new(format!("{} is a text", shown(text))).expected("true or false");
                Err(DeError::bad(fault.maybe_remedy(truth(text).map(|t| format!("write {t}")))))
            }
            _ => Err(self.wrong(&visitor)),
        }
    }

    /// A key that is there has a value; that it has none is an error of the type within.
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        visitor.visit_some(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        match &self.0.value {
            Value::List(items) => visitor.visit_seq(Items { items: items.iter(), index: 0 }),
            _ => Err(self.wrong(&visitor)),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        match &self.0.value {
            Value::Map(entries) => visitor.visit_map(Entries { entries: entries.iter(), current: None }),
            _ => Err(self.wrong(&visitor)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeError> {
        self.deserialize_map(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeError> {
        let expected = variants.join(" or ");
        match &self.0.value {
            Value::Scalar(kind, name) if *kind != Kind::Null => {
                visitor.visit_enum(Choice { name, node: None })
            }
            Value::Map(entries) => {
                let mut left = entries.iter().filter(|e| !matches!(e.node.value, Value::Removed));
                match (left.next(), left.next()) {
                    (None, _) if !entries.is_empty() => {
                        Err(DeError { reversed: Vec::new(), what: What::Consequence })
                    }
                    (Some(e), None) => visitor.visit_enum(Choice { name: &e.key, node: Some(&e.node) }),
                    _ => Err(DeError::bad(Fault::new("is not a single key").expected(expected))),
                }
            }
            _ => Err(self.wrong(&expected.as_str())),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u128 f32 char bytes byte_buf unit unit_struct tuple tuple_struct
        identifier
    }
}

/// What people write for true and false.
fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "on" | "y" | "1" | "true" => Some(true),
        "no" | "off" | "n" | "0" | "false" => Some(false),
        _ => None,
    }
}

/// What a visitor expects, in the words of these messages rather than serde's.
struct Expecting<'a>(&'a dyn Expected);

impl fmt::Display for Expecting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0.to_string().as_str() {
            "a sequence" => "a list such as [a, b]",
            "a boolean" => "true or false",
            "a string" => "a text",
            other => other,
        })
    }
}

struct Items<'a> {
    items: std::slice::Iter<'a, Node>,
    index: usize,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = DeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, DeError> {
        for node in self.items.by_ref() {
            let index = self.index;
            self.index += 1;
            if !matches!(node.value, Value::Removed) {
                let value = seed.deserialize(NodeDe(node));
                return value.map(Some).map_err(|e| e.below(Segment::Index(index)));
            }
        }
        Ok(None)
    }
}

struct Entries<'a> {
    entries: std::slice::Iter<'a, Entry>,
    current: Option<&'a Entry>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = DeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DeError> {
        self.current = self.entries.find(|e| !matches!(e.node.value, Value::Removed));
        let Some(entry) = self.current else { return Ok(None) };
        let key = seed.deserialize(StrDeserializer::new(&entry.key));
        key.map(Some).map_err(|e: DeError| e.below(Segment::Key(entry.key.clone())))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DeError> {
        let Some(entry) = self.current else {
            return Err(de::Error::custom("a value was asked for before its key"));
        };
        seed.deserialize(NodeDe(&entry.node)).map_err(|e| e.below(Segment::Key(entry.key.clone())))
    }
}

/// A variant of an enum: `name` alone, or `{ name: node }`.
struct Choice<'a> {
    name: &'a str,
    node: Option<&'a Node>,
}

impl<'de> EnumAccess<'de> for Choice<'_> {
    type Error = DeError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), DeError> {
        let name = seed.deserialize(StrDeserializer::new(self.name)).map_err(|e: DeError| {
            if self.node.is_some() { e.below(Segment::Key(self.name.to_owned())) } else { e }
        })?;
        Ok((name, self))
    }
}

impl<'de> VariantAccess<'de> for Choice<'_> {
    type Error = DeError;

    fn unit_variant(self) -> Result<(), DeError> {
        match self.node {
            None => Ok(()),
            Some(_) => Err(DeError::bad(
                Fault::new(format!("`{}` takes no value", self.name))
                    .remedy(format!("write {} alone", self.name)),
            )),
        }
    }

    /// The name alone stands for a mapping without entries, so that `poll` gives every default.
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, DeError> {
        match self.node {
            None => seed.deserialize(de::value::MapDeserializer::new(std::iter::empty::<(&str, &str)>())),
            Some(node) => {
                seed.deserialize(NodeDe(node)).map_err(|e| e.below(Segment::Key(self.name.to_owned())))
            }
        }
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, DeError> {
        Err(de::Error::invalid_type(Unexpected::Unit, &visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeError> {
        Err(de::Error::invalid_type(Unexpected::Unit, &visitor))
    }
}
