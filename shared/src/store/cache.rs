//! What one process remembers of the table for a few seconds.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

/// Most entries kept; beyond it the cache starts afresh, so that a flood of made-up keys cannot fill memory.
const MAX_ENTRIES: usize = 10_000;

/// Values (or their known absence) by key, each with the time it was read.
pub(super) struct Cache<K, V> {
    entries: Mutex<HashMap<K, Entry<V>>>,
}

struct Entry<V> {
    read_at: DateTime<Utc>,
    /// `None`: known to be absent.
    value: Option<V>,
}

/// How long an entry may serve.
#[derive(Clone, Copy)]
pub(super) struct Ages {
    pub(super) present: TimeDelta,
    pub(super) absent: TimeDelta,
}

impl<K: Eq + Hash, V: Clone> Cache<K, V> {
    pub(super) fn new() -> Self {
        Self {
            entries: Mutex::new(HashMap::new()),
        }
    }

    /// What is remembered of `key`, unless it was read `ages` ago or longer (or in the future: the clock moved).
    #[expect(
        clippy::option_option,
        reason = "not remembered, known to be absent, present"
    )]
    pub(super) fn fresh(&self, key: &K, now: DateTime<Utc>, ages: Ages) -> Option<Option<V>> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let Entry { read_at, value } = entries.get(key)?;
        let limit = if value.is_some() {
            ages.present
        } else {
            ages.absent
        };
        let age = now - *read_at;
        (TimeDelta::zero() <= age && age < limit).then(|| value.clone())
    }

    pub(super) fn put(&self, key: K, now: DateTime<Utc>, value: Option<V>) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MAX_ENTRIES {
            entries.clear();
        }
        entries.insert(
            key,
            Entry {
                read_at: now,
                value,
            },
        );
    }

    pub(super) fn forget(&self, key: &K) {
        self.entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presence_and_absence_age_apart_and_the_future_is_not_trusted() {
        let cache = Cache::new();
        let ages = Ages {
            present: TimeDelta::seconds(10),
            absent: TimeDelta::seconds(1),
        };
        let start = DateTime::UNIX_EPOCH;
        cache.put("here", start, Some(1));
        cache.put("gone", start, None);
        let after = |seconds| start + TimeDelta::seconds(seconds);
        assert_eq!(cache.fresh(&"here", after(9), ages), Some(Some(1)));
        assert_eq!(cache.fresh(&"here", after(10), ages), None);
        assert_eq!(cache.fresh(&"gone", start, ages), Some(None));
        assert_eq!(cache.fresh(&"gone", after(1), ages), None);
        assert_eq!(
            cache.fresh(&"here", start - TimeDelta::seconds(1), ages),
            None
        );
    }
}
