//! Texts with placeholders: `{{seq}}`, `{{seq % N}}`, `{{key}}` and `{{env:NAME}}`.
//!
//! A [`Template`] is what the configuration says, and may name environment variables; they are
//! looked up only by [`Template::ready`], just before sending, so that a secret is never part of
//! the plan and never written to the run directory.
//!
//! ```
//! use plimsoll_model::template::Template;
//!
//! let template = Template::parse(r#"{"key":"{{key}}","user":"u{{seq % 10}}"}"#).unwrap();
//! let ready = template.ready(|_| None).unwrap();
//! let mut out = Vec::new();
//! ready.render(42, "k-42", &mut out);
//! assert_eq!(out, br#"{"key":"k-42","user":"u2"}"#);
//! ```

use std::fmt;

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Sent as it is.
    Literal(String),
    /// The arrival's number, from 0.
    Seq,
    /// The arrival's number modulo this; at least 1. For cycling through a table.
    SeqModulo(u64),
    /// The arrival's key.
    Key,
    /// The value of this environment variable.
    Env(String),
}

/// A text with placeholders, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

/// A placeholder that is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateError {
    /// Where `{{` stands in the text, bytes.
    pub offset: usize,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub remedy: String,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.message, self.remedy)
    }
}

impl std::error::Error for TemplateError {}

/// An environment variable that is not set (or not UTF-8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingEnv(pub String);

impl fmt::Display for MissingEnv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the environment variable {} is not set", self.0)
    }
}

impl std::error::Error for MissingEnv {}

impl Template {
    /// Reads a text; whatever stands outside of `{{` … `}}` is literal.
    ///
    /// # Errors
    /// If a `{{` is not closed or holds anything but a known placeholder.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let (mut pieces, mut at) = (Vec::new(), 0);
        while let Some(open) = text[at..].find("{{").map(|i| at + i) {
            if open > at {
                pieces.push(Piece::Literal(text[at..open].to_owned()));
            }
            let inside = &text[open + 2..];
            let Some(length) = inside.find("}}") else {
                return Err(TemplateError {
                    offset: open,
                    message: "{{ is never closed".to_owned(),
                    remedy: "close the placeholder with }}; a literal {{ cannot be sent".to_owned(),
                });
            };
            pieces.push(placeholder(&inside[..length], open)?);
            at = open + 2 + length + 2;
        }
        if at < text.len() {
            pieces.push(Piece::Literal(text[at..].to_owned()));
        }
        Ok(Self { pieces })
    }

    /// The parts, in order.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The environment variables it names, in order.
    pub fn env_names(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|p| if let Piece::Env(name) = p { Some(name.as_str()) } else { None })
    }

    /// Looks up the environment variables with `env`, so that it can be rendered.
    ///
    /// # Errors
    /// If `env` has no value for a name.
    pub fn ready(&self, env: impl Fn(&str) -> Option<String>) -> Result<Ready, MissingEnv> {
        let mut pieces: Vec<Piece> = Vec::with_capacity(self.pieces.len());
        for piece in &self.pieces {
            let piece = match piece {
                Piece::Env(name) => Piece::Literal(env(name).ok_or_else(|| MissingEnv(name.clone()))?),
                other => other.clone(),
            };
            match (pieces.last_mut(), piece) {
                (Some(Piece::Literal(text)), Piece::Literal(more)) => text.push_str(&more),
                (_, piece) => pieces.push(piece),
            }
        }
        Ok(Ready { pieces })
    }
}

/// A template that needs nothing but the arrival's number and key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    pieces: Vec<Piece>,
}

impl Ready {
    /// Appends the text for one arrival to `out`; allocates only when `out` has to grow.
    pub fn render(&self, seq: u64, key: &str, out: &mut Vec<u8>) {
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Seq => decimal(seq, out),
                Piece::SeqModulo(n) => decimal(seq % (*n).max(1), out),
                Piece::Key => out.extend_from_slice(key.as_bytes()),
                // Replaced by `Template::ready`, the only maker of this type.
                Piece::Env(_) => {}
            }
        }
    }

    /// The text, if it is the same for every arrival.
    pub fn constant(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [] => Some(""),
            [Piece::Literal(text)] => Some(text),
            _ => None,
        }
    }
}

/// Replaces `{{env:NAME}}` in a text that may hold no other placeholder, such as a target's URL.
///
/// # Errors
/// If `env` has no value for a name. A text that is not a template is given back as it is.
pub fn expand_env(text: &str, env: impl Fn(&str) -> Option<String>) -> Result<String, MissingEnv> {
    let Ok(template) = Template::parse(text) else { return Ok(text.to_owned()) };
    let ready = template.ready(env)?;
    Ok(ready.constant().unwrap_or(text).to_owned())
}

/// Appends a number in decimal.
fn decimal(mut n: u64, out: &mut Vec<u8>) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Reads what stands between `{{` and `}}`.
fn placeholder(inside: &str, offset: usize) -> Result<Piece, TemplateError> {
    let fail =
        |message: String, remedy: &str| Err(TemplateError { offset, message, remedy: remedy.to_owned() });
    let word = inside.trim();
    if let Some(name) = word.strip_prefix("env:") {
        let starts = |c: char| c.is_ascii_alphabetic() || c == '_';
        let name = name.trim();
        let valid = name.starts_with(starts) && name.chars().all(|c| starts(c) || c.is_ascii_digit());
        return if valid && name.len() <= 256 {
            Ok(Piece::Env(name.to_owned()))
        } else {
            fail(
                format!("{{{{{word}}}}} does not name an environment variable"),
                "use letters, digits and _, such as {{env:API_TOKEN}}",
            )
        };
    }
    if let Some((left, right)) = word.split_once('%')
        && left.trim() == "seq"
    {
        return match right.trim().parse::<u64>() {
            Ok(n) if n > 0 && !right.trim().starts_with('+') => Ok(Piece::SeqModulo(n)),
            _ => fail(
                format!("{{{{{word}}}}} does not divide by a positive whole number"),
                "write for instance {{seq % 1000}}",
            ),
        };
    }
    match word {
        "seq" => Ok(Piece::Seq),
        "key" => Ok(Piece::Key),
        _ => {
            let shown: String = word.chars().take(40).collect();
            fail(format!("{{{{{shown}}}}} is not a placeholder"), remedy_for(word))
        }
    }
}

/// What a stranger in braces was probably meant to be.
fn remedy_for(word: &str) -> &'static str {
    let lower = word.to_ascii_lowercase();
    let any = |words: &[&str]| words.iter().any(|w| lower.contains(w));
    if any(&["env", "secret", "token", "$"]) {
        "did you mean {{env:NAME}}? NAME is an environment variable"
    } else if any(&["key", "uuid", "id", "rand"]) {
        "did you mean {{key}}? It is unique in the run"
    } else if any(&["seq", "index", "count", "num", "user", "iter"]) || lower == "i" || lower == "n" {
        "did you mean {{seq}} or {{seq % 1000}}? It counts the arrivals from 0"
    } else {
        "use {{seq}}, {{seq % 1000}}, {{key}} or {{env:NAME}}"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(text: &str, seq: u64) -> String {
        let ready = Template::parse(text).unwrap().ready(|n| (n == "SET").then(|| "v".to_owned())).unwrap();
        let mut out = Vec::new();
        ready.render(seq, "k9", &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn placeholders_are_filled_in() {
        for (text, expected) in [
            ("", ""),
            ("plain }} { text", "plain }} { text"),
            ("{{seq}}", "1234"),
            ("a{{ seq }}b{{key}}c", "a1234bk9c"),
            ("{{seq % 10}}{{seq%1000}}{{seq % 1}}", "42340"),
            ("Bearer {{env:SET}}!", "Bearer v!"),
            (r#"{"a":{"b":"{{key}}"}}"#, r#"{"a":{"b":"k9"}}"#),
        ] {
            assert_eq!(render(text, 1234), expected, "{text}");
        }
        assert_eq!(render("{{seq}}", 0), "0");
        assert_eq!(render("{{seq}}", u64::MAX), u64::MAX.to_string());
    }

    #[test]
    fn strangers_are_refused_where_they_stand() {
        for (text, offset, part) in [
            ("ab{{uuid}}", 2, "{{key}}"),
            ("{{seq", 0, "never closed"),
            ("{{seq % 0}}", 0, "positive"),
            ("{{seq % -3}}", 0, "positive"),
            ("{{seq % x}}", 0, "positive"),
            ("{{user}}", 0, "{{seq % 1000}}"),
            ("{{env:}}", 0, "API_TOKEN"),
            ("{{env:a b}}", 0, "API_TOKEN"),
            ("{{$TOKEN}}", 0, "{{env:NAME}}"),
            ("é{{}}", 2, "{{key}}"),
        ] {
            let error = Template::parse(text).unwrap_err();
            assert_eq!(error.offset, offset, "{text}");
            assert!(error.to_string().contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn a_missing_variable_is_named() {
        let template = Template::parse("{{env:NOT_SET}}").unwrap();
        assert_eq!(template.env_names().collect::<Vec<_>>(), ["NOT_SET"]);
        assert_eq!(template.ready(|_| None), Err(MissingEnv("NOT_SET".to_owned())));
    }

    #[test]
    fn a_url_is_expanded() {
        let env = |_: &str| Some("h:1".to_owned());
        assert_eq!(expand_env("http://{{env:HOST}}/x", env).unwrap(), "http://h:1/x");
        assert_eq!(expand_env("http://h/", env).unwrap(), "http://h/");
    }
}
