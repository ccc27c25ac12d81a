//! Trying again what nothing has decided: with jitter, up to a deadline.

use std::time::Duration;

use rand::RngExt;
use tokio::time::Instant;

use super::StoreError;

/// How long one call goes on trying; below every function's Lambda timeout, with room for one more operation.
pub(super) const DEADLINE: Duration = Duration::from_secs(6);
/// First and longest pause, before jitter.
const FIRST_PAUSE: Duration = Duration::from_millis(4);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// The attempts of one call.
pub(super) struct Attempts {
    until: Instant,
    pause: Duration,
}

impl Attempts {
    pub(super) fn new() -> Self {
        Self {
            until: Instant::now() + DEADLINE,
            pause: FIRST_PAUSE,
        }
    }

    /// Waits a random part of a growing pause.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] once the deadline has passed.
    pub(super) async fn pause(&mut self) -> Result<(), StoreError> {
        if Instant::now() >= self.until {
            return Err(StoreError::Unavailable(
                "conflicting requests kept it from being decided".to_owned(),
            ));
        }
        let most = u64::try_from(self.pause.as_micros()).unwrap_or(u64::MAX);
        let pause = Duration::from_micros(rand::rng().random_range(0..=most));
        tokio::time::sleep(pause).await;

        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }
}
