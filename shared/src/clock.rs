//! The only place that reads the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};

/// The time as one stack sees it: the machine's clock plus an offset that only the local stack and tests move.
///
/// Clones share the offset. Functions read it once per request or record and pass `now` on.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    offset_ms: Arc<AtomicI64>,
}

impl Clock {
    /// The present, in whole milliseconds, so that a stored time equals the one answered.
    pub fn now(&self) -> DateTime<Utc> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place that reads the machine's clock"
        )]
        let now_ms = Utc::now().timestamp_millis();
        let shifted = now_ms.saturating_add(self.offset_ms.load(Ordering::SeqCst));
        DateTime::from_timestamp_millis(shifted).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// How far this clock runs ahead of the machine's.
    pub fn offset(&self) -> TimeDelta {
        TimeDelta::milliseconds(self.offset_ms.load(Ordering::SeqCst))
    }

    /// Moves this clock and all its clones by `by`.
    pub fn advance(&self, by: TimeDelta) {
        self.offset_ms
            .fetch_add(by.num_milliseconds(), Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_the_offset() {
        let clock = Clock::default();
        let clone = clock.clone();
        clock.advance(TimeDelta::days(3));
        assert_eq!(clone.offset(), TimeDelta::days(3));
        assert!(clone.now() > Clock::default().now() + TimeDelta::days(2));
    }
}
