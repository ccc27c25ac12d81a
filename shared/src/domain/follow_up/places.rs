//! How often a buyer may be thanked under one follow-up: cooldown and cap.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::Conditions;
use crate::domain::order::OrderId;
use crate::domain::thank_you::NoMail;

/// Longest cooldown, in days.
pub const MAX_COOLDOWN_DAYS: u16 = 365;
/// Largest cap per address.
pub const MAX_PER_ADDRESS: u32 = 100;
/// Places kept for one buyer, the newest: as many as a cap can count, and only the newest matters to a cooldown.
const KEPT: usize = 100;

/// An order's place among those for which a buyer was thanked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The order.
    pub order_id: OrderId,
    /// When it arrived.
    pub received_at: DateTime<Utc>,
}

/// The orders for which a buyer was thanked (or held out) under one follow-up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Places {
    /// Counts the changes.
    pub version: u64,
    /// The orders, in the order in which they took their places.
    pub taken: Vec<Place>,
}

impl Conditions {
    /// Whether it matters how often the same buyer was thanked before.
    pub fn limit_buyers(&self) -> bool {
        self.cooldown_days > 0 || self.max_per_address.is_some()
    }
}

impl Places {
    /// With a place for an order that arrived at `received_at`, or why it gets none. An order that has one keeps it.
    ///
    /// A cooldown is as long as its days × 24 h, between the arrivals of orders. An order that arrived before one that has a
    /// place is inside the cooldown however long before: its mail would be due after the other's.
    ///
    /// # Errors
    /// [`NoMail::Cooldown`], or [`NoMail::AddressCap`].
    pub fn take(
        &self,
        order_id: &OrderId,
        received_at: DateTime<Utc>,
        conditions: &Conditions,
    ) -> Result<Self, NoMail> {
        if self.taken.iter().any(|place| place.order_id == *order_id) {
            return Ok(self.clone());
        }
        let cooldown = TimeDelta::days(i64::from(conditions.cooldown_days));
        let over = |place: &Place| {
            let end = place.received_at.checked_add_signed(cooldown);
            end.is_some_and(|end| end <= received_at)
        };
        if conditions.cooldown_days > 0 && !self.taken.iter().all(over) {
            return Err(NoMail::Cooldown);
        }
        let most = conditions.max_per_address.map(usize::try_from);
        if most.is_some_and(|most| most.is_ok_and(|most| self.taken.len() >= most)) {
            return Err(NoMail::AddressCap);
        }
        let mut taken = self.taken.clone();
        taken.push(Place {
            order_id: order_id.clone(),
            received_at,
        });
        let dropped = taken.len().saturating_sub(KEPT);
        taken.drain(..dropped);
        Ok(self.next(taken))
    }

    /// Without the order's place; `None` if it has none.
    pub fn give_back(&self, order_id: &OrderId) -> Option<Self> {
        let mut taken = self.taken.clone();
        taken.retain(|place| place.order_id != *order_id);
        (taken.len() < self.taken.len()).then(|| self.next(taken))
    }

    fn next(&self, taken: Vec<Place>) -> Self {
        Self {
            version: self.version.saturating_add(1),
            taken,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> OrderId {
        OrderId::try_from(text.to_owned()).unwrap()
    }

    fn conditions(cooldown_days: u16, max_per_address: Option<u32>) -> Conditions {
        Conditions {
            cooldown_days,
            max_per_address,
            ..Conditions::default()
        }
    }

    fn at(hours: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(1_000) + TimeDelta::hours(hours)
    }

    #[test]
    fn a_cooldown_ends_to_the_millisecond_and_earlier_arrivals_are_inside_it() {
        let month = conditions(30, None);
        let taken = Places::default().take(&id("1"), at(0), &month).unwrap();
        let end = at(30 * 24);
        for (received_at, allowed) in [
            (at(0), false),
            (end - TimeDelta::milliseconds(1), false),
            (end, true),
            (at(-40 * 24), false),
            (DateTime::<Utc>::MAX_UTC, true),
        ] {
            let second = taken.take(&id("2"), received_at, &month);
            assert_eq!(second.is_ok(), allowed, "{received_at}");
        }
        assert_eq!(taken.take(&id("1"), at(1), &month), Ok(taken.clone()));
        let never_over = Places::default().take(&id("1"), DateTime::<Utc>::MAX_UTC, &month);
        let second = never_over
            .unwrap()
            .take(&id("2"), DateTime::<Utc>::MAX_UTC, &month);
        assert_eq!(second, Err(NoMail::Cooldown));
    }

    #[test]
    fn a_cap_counts_places_and_a_place_given_back_is_free_again() {
        let twice = conditions(0, Some(2));
        let mut places = Places::default();
        for order in ["1", "2"] {
            places = places.take(&id(order), at(0), &twice).unwrap();
        }
        assert_eq!(
            places.take(&id("3"), at(9_999), &twice),
            Err(NoMail::AddressCap)
        );
        assert_eq!(places.give_back(&id("3")), None);
        let freed = places.give_back(&id("1")).unwrap();
        assert!(freed.take(&id("3"), at(1), &twice).is_ok());
        assert!(freed.version > places.version);
    }

    #[test]
    fn no_more_places_are_kept_than_matter() {
        let daily = conditions(1, None);
        let mut places = Places::default();
        for day in 0..150 {
            let order = id(&day.to_string());
            places = places.take(&order, at(day * 24), &daily).unwrap();
        }
        assert_eq!(places.taken.len(), KEPT);
        assert_eq!(places.taken.last().unwrap().order_id, id("149"));
    }
}
