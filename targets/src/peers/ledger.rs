//! A bounded ledger of effects: what really happened at a peer, and how often.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

/// Entries kept; beyond it the oldest are dropped and counted.
const ENTRIES_MAX: usize = 1_000_000;
/// Longest id a peer takes, in bytes: with [`ENTRIES_MAX`] it bounds a ledger's memory.
pub(super) const ID_MAX: usize = 256;

#[derive(Default)]
struct Inner<T> {
    entries: HashMap<String, (u64, T)>,
    /// Ids with an effect, in the order of their first one.
    order: VecDeque<String>,
    /// Effects had, repeated ones included.
    effects: u64,
    evicted: u64,
}

/// Ids and the number of effects each had, with a `T` remembered for each.
#[derive(Default)]
pub(crate) struct Ledger<T> {
    inner: Mutex<Inner<T>>,
}

impl<T: Clone + Default> Ledger<T> {
    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is remembered of `id` (its default at first), in one step for all callers.
    pub fn update<R>(&self, id: &str, change: impl FnOnce(&mut T) -> R) -> R {
        let mut inner = self.lock();
        if !inner.entries.contains_key(id) {
            inner.entries.insert(id.to_owned(), (0, T::default()));
            inner.order.push_back(id.to_owned());
            if inner.order.len() > ENTRIES_MAX
                && let Some(oldest) = inner.order.pop_front()
            {
                inner.entries.remove(&oldest);
                inner.evicted += 1;
            }
        }
        let mut unknown = T::default();
        change(inner.entries.get_mut(id).map_or(&mut unknown, |(_, memory)| memory))
    }

    /// Records one effect for `id`; returns how many it has had.
    pub fn effect(&self, id: &str) -> u64 {
        self.update(id, |_| ());
        let mut inner = self.lock();
        inner.effects += 1;
        inner.entries.get_mut(id).map_or(0, |(count, _)| {
            *count += 1;
            *count
        })
    }

    /// `(effects, distinct ids with an effect)`.
    pub fn totals(&self) -> (u64, u64) {
        let inner = self.lock();
        let distinct = inner.entries.values().filter(|(count, _)| *count > 0).count();
        (inner.effects, distinct as u64 + inner.evicted)
    }

    /// A page: `{"effects":[[id,count],…],"next":…}`; the cursor is a place in the ledger's order.
    pub fn page(&self, after: u64, limit: usize) -> Value {
        let inner = self.lock();
        // Evicted entries keep their places, so that a cursor means the same after an eviction.
        let skip = usize::try_from(after.saturating_sub(inner.evicted)).unwrap_or(usize::MAX);
        let ids: Vec<_> = inner.order.iter().skip(skip).take(limit).collect();
        let end = skip.saturating_add(ids.len());
        let next = (end < inner.order.len()).then_some(end as u64 + inner.evicted);
        let lines: Vec<_> = ids
            .into_iter()
            .map(|id| json!([id, inner.entries.get(id).map_or(0, |(count, _)| *count)]))
            .collect();
        json!({"effects": lines, "next": next, "evicted": inner.evicted})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_effects_and_pages_in_order() {
        let ledger = Ledger::<()>::default();
        for id in ["a", "b", "a", "c"] {
            ledger.effect(id);
        }
        assert_eq!(ledger.totals(), (4, 3));
        let page = ledger.page(0, 2);
        assert_eq!(page["effects"], json!([["a", 2], ["b", 1]]));
        assert_eq!(page["next"], json!(2));
        let page = ledger.page(2, 2);
        assert_eq!(page["effects"], json!([["c", 1]]));
        assert_eq!(page["next"], Value::Null);
    }
}
