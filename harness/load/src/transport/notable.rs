//! The fields of a response's head that matter beyond its exchange.

use plimsoll_model::time::Nanos;

use super::h1::retry_after;

/// Longest `Location` kept, bytes: a job keeps it as long as it is watched.
const LONGEST_LOCATION: usize = 2048;

/// What is kept of a head.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notable {
    /// `Location`, if it is text of a sane length.
    pub location: Option<Box<str>>,
    /// `Retry-After`, if it is in seconds.
    pub retry_after: Option<Nanos>,
}

impl Notable {
    /// Keep the field if it is notable.
    pub fn note(&mut self, name: &str, value: &[u8]) {
        if name.eq_ignore_ascii_case("location") {
            let text = std::str::from_utf8(value).ok().filter(|t| t.len() <= LONGEST_LOCATION);
            self.location = text.map(|t| t.trim().into());
        } else if name.eq_ignore_ascii_case("retry-after") {
            self.retry_after = retry_after(value);
        }
    }

    /// Of a parsed head.
    pub fn of(headers: &http::HeaderMap) -> Self {
        let mut notable = Notable::default();
        headers.iter().for_each(|(name, value)| notable.note(name.as_str(), value.as_bytes()));
        notable
    }
}
