//! The sync shape's memory of keys: so that a repeated request is not worked on twice.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

/// Requests remembered; beyond it the oldest finished ones are forgotten. (The queued shape needs
/// no such memory: there, the job store itself knows every key.)
pub(crate) const REMEMBERED: usize = 65_536;

#[derive(Clone, Debug)]
enum Stage {
    Running,
    Done {
        status: u16,
        body: Value,
    },
    /// Failed in a way that may pass: the same key may try again.
    Open,
}

#[derive(Debug)]
struct Entry {
    place: u64,
    digest: [u8; 32],
    stage: Stage,
    label: &'static str,
    attempts: u32,
    processed: u32,
}

#[derive(Debug, Default)]
struct Inner {
    entries: HashMap<String, Entry>,
    order: VecDeque<(u64, String)>,
    last_place: u64,
    /// Keys accepted, but no longer remembered.
    evicted: u64,
}

/// What a key was found to be.
#[derive(Debug, PartialEq)]
pub(crate) enum Begin {
    /// New, or open to another attempt; the attempt's number.
    Fresh(u32),
    /// In line or being worked on.
    Running,
    /// Finished: status and body of the answer it got.
    Done(u16, Value),
    /// Used with another payload.
    Conflict,
}

/// The latest [`REMEMBERED`] keys of the sync shape.
#[derive(Debug, Default)]
pub(crate) struct Dedup {
    inner: Mutex<Inner>,
}

impl Dedup {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Claims a key, or says why it cannot be had.
    pub fn begin(&self, key: &str, digest: [u8; 32]) -> Begin {
        let mut inner = self.lock();
        if let Some(entry) = inner.entries.get_mut(key) {
            if entry.digest != digest {
                return Begin::Conflict;
            }
            return match &entry.stage {
                Stage::Running => Begin::Running,
                Stage::Done { status, body } => Begin::Done(*status, body.clone()),
                Stage::Open => {
                    entry.stage = Stage::Running;
                    entry.attempts += 1;
                    Begin::Fresh(entry.attempts)
                }
            };
        }
        inner.last_place += 1;
        let place = inner.last_place;
        let entry =
            Entry { place, digest, stage: Stage::Running, label: "running", attempts: 1, processed: 0 };
        inner.entries.insert(key.to_owned(), entry);
        inner.order.push_back((place, key.to_owned()));
        inner.forget_oldest();
        Begin::Fresh(1)
    }

    /// The work was never begun: as if the request had not been made.
    pub fn forget(&self, key: &str) {
        let mut inner = self.lock();
        let again = inner.entries.get_mut(key).is_some_and(|entry| {
            entry.attempts -= 1;
            entry.stage = Stage::Open;
            entry.attempts > 0
        });
        if !again {
            inner.entries.remove(key);
        }
    }

    /// The work has ended; with `retry` the key is open to another attempt.
    pub fn finish(&self, key: &str, status: u16, body: Value, retry: bool) {
        if let Some(entry) = self.lock().entries.get_mut(key) {
            entry.label = if status < 400 { "succeeded" } else { "failed" };
            entry.processed += 1;
            entry.stage = if retry { Stage::Open } else { Stage::Done { status, body } };
        }
    }

    /// A page of `[key,status,attempts,processed_count]`, in order of acceptance.
    pub fn page(&self, after: u64, limit: usize) -> Value {
        let inner = self.lock();
        let start = inner.order.partition_point(|(place, _)| *place <= after);
        let mut last = after;
        let mut jobs = Vec::new();
        for (place, key) in inner.order.iter().skip(start) {
            if jobs.len() == limit {
                return json!({"jobs": jobs, "next": last, "evicted": inner.evicted});
            }
            last = *place;
            // A key forgotten and used again stands at its later place only.
            if let Some(e) = inner.entries.get(key).filter(|entry| entry.place == *place) {
                jobs.push(json!([key, e.label, e.attempts, e.processed]));
            }
        }
        json!({"jobs": jobs, "next": null, "evicted": inner.evicted})
    }
}

impl Inner {
    fn forget_oldest(&mut self) {
        while self.order.len() > REMEMBERED {
            let Some((place, key)) = self.order.pop_front() else { return };
            let known = self.entries.get(&key).filter(|entry| entry.place == place);
            let Some(running) = known.map(|entry| matches!(entry.stage, Stage::Running)) else { continue };
            if running && self.entries.len() < 2 * REMEMBERED {
                // It keeps its memory at the end of the line, and with a new place: pages are
                // found by bisection, which needs places in order.
                self.last_place += 1;
                let last = self.last_place;
                if let Some(entry) = self.entries.get_mut(&key) {
                    entry.place = last;
                }
                self.order.push_back((last, key));
                return;
            }
            self.entries.remove(&key);
            self.evicted += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_worked_on_once() {
        let dedup = Dedup::default();
        assert_eq!(dedup.begin("k", [1; 32]), Begin::Fresh(1));
        assert_eq!(dedup.begin("k", [1; 32]), Begin::Running);
        assert_eq!(dedup.begin("k", [2; 32]), Begin::Conflict);
        dedup.finish("k", 200, json!({"a": 1}), false);
        assert_eq!(dedup.begin("k", [1; 32]), Begin::Done(200, json!({"a": 1})));
        assert_eq!(dedup.page(0, 10)["jobs"], json!([["k", "succeeded", 1, 1]]));
    }

    #[test]
    fn a_passing_failure_leaves_the_key_open() {
        let dedup = Dedup::default();
        dedup.begin("k", [1; 32]);
        dedup.finish("k", 502, json!({}), true);
        assert_eq!(dedup.begin("k", [1; 32]), Begin::Fresh(2));
        dedup.forget("k");
        assert_eq!(dedup.begin("k", [1; 32]), Begin::Fresh(2));
    }

    #[test]
    fn the_memory_is_bounded() {
        let dedup = Dedup::default();
        for i in 0..REMEMBERED + 10 {
            let key = i.to_string();
            dedup.begin(&key, [0; 32]);
            dedup.finish(&key, 200, Value::Null, false);
        }
        assert_eq!(dedup.lock().entries.len(), REMEMBERED);
        assert_eq!(dedup.page(0, 1)["evicted"], 10);
        assert_eq!(dedup.begin("0", [0; 32]), Begin::Fresh(1));
    }

    #[test]
    fn a_long_running_key_outlives_the_others_and_pages_stay_whole() {
        let dedup = Dedup::default();
        dedup.begin("slow", [0; 32]);
        for i in 0..REMEMBERED + 10 {
            let key = i.to_string();
            dedup.begin(&key, [0; 32]);
            dedup.finish(&key, 200, Value::Null, false);
        }
        assert_eq!(dedup.begin("slow", [0; 32]), Begin::Running);
        let (mut after, mut lines) = (0, 0);
        loop {
            let page = dedup.page(after, 1000);
            lines += page["jobs"].as_array().unwrap().len();
            match page["next"].as_u64() {
                Some(next) => after = next,
                None => break,
            }
        }
        assert_eq!(lines, dedup.lock().entries.len());
    }
}
