//! What staff should hear of before buyers do: a sender of orders that fell silent, a budget that is nearly spent.

use std::collections::BTreeSet;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::order::Source;

/// Silence after which a daily sender is missed. Source: promises.md, G16.
const SILENT_AFTER: TimeDelta = TimeDelta::hours(24);
/// Days in a row on which a sender must have sent to be a daily one. All of them: with fewer, a shop that is closed at weekends
/// would be missed each Saturday.
const DAILY: u64 = 7;
/// Silence after which a sender counts as given up, and is missed no longer. Ours.
const GIVEN_UP_AFTER: TimeDelta = TimeDelta::days(14);

/// When a source of orders was heard from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRecord {
    /// The source.
    pub source: Source,
    /// Counts the changes, from 1.
    pub version: u64,
    /// When it was heard from last, to the hour or better.
    pub last_at: DateTime<Utc>,
    /// The days (UTC) on which it was heard from, of the last seven.
    pub days: BTreeSet<NaiveDate>,
}

impl SourceRecord {
    /// The first time that a source is heard from.
    pub fn first(source: Source, now: DateTime<Utc>) -> Self {
        Self {
            source,
            version: 1,
            last_at: now,
            days: BTreeSet::from([now.date_naive()]),
        }
    }

    /// The same once it was heard from at `now`, too.
    #[must_use]
    pub fn again(&self, now: DateTime<Utc>) -> Self {
        let today = now.date_naive();
        let oldest = today.checked_sub_days(Days::new(DAILY - 1));
        let mut days: BTreeSet<NaiveDate> = self
            .days
            .iter()
            .copied()
            .filter(|day| oldest.is_some_and(|oldest| *day >= oldest))
            .collect();
        days.insert(today);
        Self {
            source: self.source.clone(),
            version: self.version.saturating_add(1),
            last_at: self.last_at.max(now),
            days,
        }
    }

    /// Whether a source that sent on each of seven days in a row has sent nothing for 24 hours; for two weeks at most, after which
    /// it counts as given up.
    pub fn is_silent_at(&self, now: DateTime<Utc>) -> bool {
        let last_day = self.last_at.date_naive();
        let daily = (0..DAILY).all(|back| {
            last_day
                .checked_sub_days(Days::new(back))
                .is_some_and(|day| self.days.contains(&day))
        });
        let silence = now - self.last_at;
        daily && (SILENT_AFTER..GIVEN_UP_AFTER).contains(&silence)
    }

    /// From when on nothing in it counts any more.
    pub fn forget_at(now: DateTime<Utc>) -> DateTime<Utc> {
        now + GIVEN_UP_AFTER + GIVEN_UP_AFTER
    }
}

/// What staff were told of, so that each thing is named once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Told {
    /// Counts the changes, from 1.
    pub version: u64,
    /// Promotions that had nearly nothing left.
    pub nearly_spent: BTreeSet<String>,
    /// Sources that were silent.
    pub silent: BTreeSet<String>,
}

impl Told {
    /// The same once all of these were told, and what is over forgotten; `None` if nothing changes.
    #[must_use]
    pub fn after(&self, nearly_spent: BTreeSet<String>, silent: BTreeSet<String>) -> Option<Self> {
        let next = Self {
            version: self.version.saturating_add(1),
            nearly_spent,
            silent,
        };
        let same = (&self.nearly_spent, &self.silent) == (&next.nearly_spent, &next.silent);
        (!same).then_some(next)
    }
}

/// Whether at least 90 % of a limit is used up, given what is left of it. A limit of nothing counts as used up.
pub fn is_nearly_spent(limit: u64, left: u64) -> bool {
    u128::from(left) * 10 <= u128::from(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hour(day: i64, hour: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(day) + TimeDelta::hours(hour)
    }

    fn heard(times: &[(i64, i64)]) -> SourceRecord {
        let source = Source::try_from("shopify".to_owned()).unwrap();
        let (first, rest) = times.split_first().unwrap();
        let first = SourceRecord::first(source, hour(first.0, first.1));
        rest.iter()
            .fold(first, |record, time| record.again(hour(time.0, time.1)))
    }

    #[test]
    fn only_who_sent_on_seven_days_in_a_row_is_missed_after_24_hours_and_for_two_weeks() {
        let days: Vec<(i64, i64)> = (1..=7).map(|day| (day, 12)).collect();
        let daily = heard(&days);
        for (now, silent) in [
            (hour(8, 11), false),
            (hour(8, 12), true),
            (hour(21, 11), true),
            (hour(21, 12), false),
        ] {
            assert_eq!(daily.is_silent_at(now), silent, "{now}");
        }
        assert!(!daily.again(hour(8, 13)).is_silent_at(hour(9, 12)));
        assert!(!heard(&days[1..]).is_silent_at(hour(9, 0)));
        let weekdays = [1, 2, 3, 4, 5, 8, 9, 10, 11, 12].map(|day| (day, 9));
        assert!(!heard(&weekdays).is_silent_at(hour(14, 9)));
        // What an earlier second of the same hour says changes nothing, and old days are dropped.
        let long: Vec<(i64, i64)> = (1..=30).map(|day| (day, 1)).collect();
        assert_eq!(heard(&long).days.len(), 7);
    }

    #[test]
    fn a_tenth_left_is_nearly_spent_and_a_unit_more_is_not() {
        assert!(is_nearly_spent(1_000, 100));
        assert!(!is_nearly_spent(1_000, 101));
        assert!(is_nearly_spent(9, 0) && !is_nearly_spent(9, 1));
        assert!(!is_nearly_spent(u64::MAX, u64::MAX));
    }
}
