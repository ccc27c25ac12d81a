//! Pacing: never faster than SES allows the account, nor more than it allows for the day.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use shared::mailer::{Account, Mailer};
use tokio::time::Instant;

/// How long SES's word about rate and quota is believed. Ours: `GetAccount` itself may be called once a second.
const BELIEVED: TimeDelta = TimeDelta::minutes(5);
/// Pause between mails while SES does not tell the rate: that of an account in the sandbox. Source: SES service quotas.
const CAUTIOUS: Duration = Duration::from_secs(1);
/// Longest pause between mails, so that no claim runs out while its mail waits.
const LONGEST: Duration = Duration::from_secs(10);
/// How long nothing is sent after SES asked to slow down.
const BREATH: Duration = Duration::from_secs(1);
/// Most mails under way at a time, and the time in which they are to leave. Ours.
const MOST_AT_ONCE: usize = 16;
const UNDER_WAY: Duration = Duration::from_millis(500);

/// The pace at which mails leave, shared by all that are under way.
#[derive(Debug, Default)]
pub(crate) struct Pacer(Mutex<Pace>);

#[derive(Debug)]
struct Pace {
    interval: Duration,
    /// The next moment at which a mail may leave.
    next: Instant,
    /// Mails left in SES's 24 hours, as far as is known; no limit if absent.
    left: Option<u64>,
    asked_at: Option<DateTime<Utc>>,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            interval: CAUTIOUS,
            next: Instant::now(),
            left: None,
            asked_at: None,
        }
    }
}

impl Pacer {
    /// Asks SES for rate and quota, unless its last word is fresh.
    pub(crate) async fn refresh(&self, mailer: &Mailer, now: DateTime<Utc>) {
        let asked_at = self.pace().asked_at;
        if asked_at.is_some_and(|asked_at| asked_at <= now && now - asked_at < BELIEVED) {
            return;
        }
        match mailer.account().await {
            Ok(account) => self.learn(&account, now),
            Err(error) => tracing::warn!(%error, "mails go out at the last pace known"),
        }
    }

    /// Takes SES's word.
    pub(crate) fn learn(&self, account: &Account, now: DateTime<Utc>) {
        let mut pace = self.pace();
        let interval = account.interval.unwrap_or(CAUTIOUS);
        // A tenth below the rate: SES counts arrivals, which bunch up on the way.
        pace.interval = (interval.saturating_mul(10) / 9).min(LONGEST);
        pace.left = account.left;
        pace.asked_at = Some(now);
    }

    /// Whether the quota has room for a mail, which then counts as sent.
    pub(crate) fn reserve(&self) -> bool {
        let mut pace = self.pace();
        match pace.left {
            None => true,
            Some(0) => {
                // The word may be old: it is asked for again before the queue is stopped.
                pace.asked_at = None;
                false
            }
            Some(left) => {
                pace.left = Some(left.saturating_sub(1));
                true
            }
        }
    }

    /// Whether the quota is known to be used up.
    pub(crate) fn is_used_up(&self) -> bool {
        self.pace().left == Some(0)
    }

    /// Waits until the next mail may leave.
    pub(crate) async fn turn(&self) {
        let at = {
            let mut pace = self.pace();
            let at = pace.next.max(Instant::now());
            pace.next = at + pace.interval;
            at
        };
        tokio::time::sleep_until(at).await;
    }

    /// Halves the pace until SES is asked again, after a moment of rest.
    pub(crate) fn slow_down(&self) {
        let mut pace = self.pace();
        pace.interval = pace.interval.saturating_mul(2).min(LONGEST);
        pace.next = pace.next.max(Instant::now() + BREATH);
    }

    /// How many mails may be under way together: those that leave within half a second.
    pub(crate) fn at_once(&self) -> usize {
        let interval = self.pace().interval.as_nanos().max(1);
        let count = UNDER_WAY.as_nanos() / interval;
        usize::try_from(count)
            .unwrap_or(MOST_AT_ONCE)
            .clamp(1, MOST_AT_ONCE)
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pacer(rate: u32, left: Option<u64>) -> Pacer {
        let pacer = Pacer::default();
        let account = Account {
            may_send: true,
            interval: Some(Duration::from_secs(1) / rate),
            left,
        };
        pacer.learn(&account, DateTime::UNIX_EPOCH);
        pacer
    }

    #[tokio::test(start_paused = true)]
    async fn no_second_sees_more_mails_than_the_rate() {
        let pacer = pacer(50, None);
        let mut left = Vec::new();
        for _ in 0..200 {
            pacer.turn().await;
            left.push(Instant::now());
        }
        for (place, first) in left.iter().enumerate() {
            let within = left[place..]
                .iter()
                .filter(|at| **at - *first < Duration::from_secs(1));
            assert!(within.count() <= 50);
        }
        // And not much fewer: 200 mails at 45 a second.
        assert!(left[199] - left[0] < Duration::from_millis(4_500));
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_throttle_nothing_leaves_for_a_second_and_then_half_as_much() {
        let pacer = pacer(90, None);
        pacer.turn().await;
        let start = Instant::now();
        pacer.slow_down();
        pacer.turn().await;
        assert!(start.elapsed() >= BREATH);
        pacer.turn().await;
        assert!(start.elapsed() >= BREATH + Duration::from_secs(2) / 90);
    }

    #[tokio::test]
    async fn a_quota_is_given_out_once() {
        let pacer = pacer(1_000, Some(2));
        assert_eq!([(); 3].map(|()| pacer.reserve()), [true, true, false]);
        assert!(pacer.is_used_up());
    }

    #[tokio::test]
    async fn as_many_are_under_way_as_leave_within_half_a_second() {
        assert_eq!(
            [1, 10, 1_000].map(|rate| pacer(rate, None).at_once()),
            [1, 4, 16]
        );
    }
}
