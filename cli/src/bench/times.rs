//! How long calls took, without floats: microseconds, sorted.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

/// What was measured of one kind of call.
#[derive(Debug, Default)]
pub(super) struct Times {
    micros: Vec<u64>,
    statuses: BTreeMap<u16, u64>,
}

impl Times {
    pub(super) fn note(&mut self, status: u16, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.micros.push(micros);
        let count = self.statuses.entry(status).or_default();
        *count = count.saturating_add(1);
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.micros.extend(other.micros);
        for (status, more) in other.statuses {
            let count = self.statuses.entry(status).or_default();
            *count = count.saturating_add(more);
        }
    }

    pub(super) fn count(&self) -> usize {
        self.micros.len()
    }

    /// The least time that so many per mille of the calls did not exceed (nearest rank), in microseconds.
    pub(super) fn per_mille(&self, share: usize) -> u64 {
        let mut sorted = self.micros.clone();
        sorted.sort_unstable();
        let rank = sorted.len().saturating_mul(share).div_ceil(1000).max(1);
        let found = sorted.get(rank.saturating_sub(1)).or(sorted.last());
        found.copied().unwrap_or_default()
    }

    /// One line of the table of results.
    pub(super) fn line(&self, name: &str, over: Duration) -> String {
        let count = u64::try_from(self.count()).unwrap_or(u64::MAX);
        let millis = u64::try_from(over.as_millis()).unwrap_or(u64::MAX).max(1);
        let rate = count.saturating_mul(1000).div_euclid(millis);
        let mut line = format!("{name:<10} {count:>9} {rate:>7}");
        for share in [500, 900, 990, 1000] {
            let _ = write!(line, " {:>9}", millis_of(self.per_mille(share)));
        }
        for (status, count) in &self.statuses {
            let _ = write!(line, "  {status}×{count}");
        }
        line
    }

    /// Whether every call was answered with one of these.
    pub(super) fn only(&self, statuses: &[u16]) -> bool {
        self.statuses.keys().all(|status| statuses.contains(status))
    }
}

/// The head over [`Times::line`].
pub(super) const HEAD: &str =
    "call           calls     /s    p50 ms    p90 ms    p99 ms    max ms  answers";

/// Microseconds as milliseconds with two decimals, cut off.
pub(super) fn millis_of(micros: u64) -> String {
    hundredths(micros.div_euclid(10))
}

/// Hundredths with two decimals.
pub(super) fn hundredths(number: u64) -> String {
    format!("{}.{:02}", number.div_euclid(100), number.rem_euclid(100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_nearest_ranks() {
        let mut times = Times::default();
        for millis in (1..=100).rev() {
            times.note(201, Duration::from_millis(millis));
        }
        let of = |share| times.per_mille(share);
        assert_eq!(
            [of(500), of(900), of(990), of(1000)],
            [50_000, 90_000, 99_000, 100_000]
        );
        assert_eq!(Times::default().per_mille(500), 0);
        assert_eq!(millis_of(1_239), "1.23");
    }
}
