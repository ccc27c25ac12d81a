//! What a completed order earns under a follow-up, and when.

use chrono::{DateTime, Datelike, Days, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::follow_up::Conditions;
use super::identity::Email;
use super::money::Currency;
use super::order::OrderEvent;
use super::period::Period;

/// How long a buyer's address is kept after their mail is due. Source: design.md §8.
const CONTACT_KEPT: TimeDelta = TimeDelta::days(30);

/// Why an order earns no mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoMail {
    /// A marketplace's order or a marketplace's alias address: its buyers must never be mailed.
    Marketplace,
    /// There is no address to mail to.
    NoAddress,
    /// The buyer did not say that they want marketing mail.
    NoConsent,
    /// The order's total is below the follow-up's minimum.
    BelowMinimum,
    /// It is not the buyer's first order, and the follow-up is for those.
    NotFirstOrder,
    /// The buyer was thanked not long ago.
    Cooldown,
    /// The buyer was thanked as often as the follow-up allows.
    AddressCap,
    /// The buyer fell into the hold-out.
    Holdout,
    /// The order was cancelled or refunded.
    Cancelled,
    /// The buyer asked to be forgotten.
    Suppressed,
}

impl NoMail {
    /// The reason as it is answered.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Marketplace => "marketplace",
            Self::NoAddress => "no-address",
            Self::NoConsent => "no-consent",
            Self::BelowMinimum => "below-minimum",
            Self::NotFirstOrder => "not-first-order",
            Self::Cooldown => "cooldown",
            Self::AddressCap => "address-cap",
            Self::Holdout => "holdout",
            Self::Suppressed => "suppressed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Whether an order earns a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision<'a> {
    /// It does; to this address.
    Mail(&'a Email),
    /// It does not.
    NoMail(NoMail),
}

/// Judges a completed order. The minimum is an amount of `promotion_currency`; it is not compared with a total in another
/// currency.
pub fn decide<'a>(
    order: &'a OrderEvent,
    conditions: &Conditions,
    promotion_currency: Option<Currency>,
) -> Decision<'a> {
    let comparable = match (order.currency, promotion_currency) {
        (Some(paid), Some(promised)) => paid == promised,
        _ => true,
    };
    if order.source.is_marketplace() {
        return Decision::NoMail(NoMail::Marketplace);
    }
    match &order.customer.email {
        Some(email) if email.is_marketplace_alias() => Decision::NoMail(NoMail::Marketplace),
        None => Decision::NoMail(NoMail::NoAddress),
        Some(_) if conditions.require_consent && !order.customer.accepts_marketing => {
            Decision::NoMail(NoMail::NoConsent)
        }
        Some(_) if comparable && order.total < conditions.min_total => {
            Decision::NoMail(NoMail::BelowMinimum)
        }
        Some(email) => Decision::Mail(email),
    }
}

/// The times of one mail and its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// When the mail is to be sent.
    pub due_at: DateTime<Utc>,
    /// First moment the code no longer works: a midnight of the shop's zone.
    pub code_expires_at: DateTime<Utc>,
    /// From when on the buyer's address counts as gone.
    pub forget_at: DateTime<Utc>,
}

impl Schedule {
    /// Plans a mail `delay` after the order's event arrived, with a code that works until the end of the day (of `zone`)
    /// that contains the due time plus `code_valid_days` × 24 h. `None` if that is beyond the calendar.
    pub fn plan(
        received_at: DateTime<Utc>,
        delay: Period,
        code_valid_days: u16,
        zone: Tz,
    ) -> Option<Self> {
        let due_at = received_at.checked_add_signed(delay.as_delta())?;
        let valid = TimeDelta::days(i64::from(code_valid_days));
        Some(Self {
            due_at,
            code_expires_at: end_of_day(due_at.checked_add_signed(valid)?, zone)?,
            forget_at: due_at.checked_add_signed(CONTACT_KEPT)?,
        })
    }
}

impl Schedule {
    /// When a reminder is due: `before` the code's end. `None` if that is not after the mail itself.
    pub fn reminder_at(&self, before: Period) -> Option<DateTime<Utc>> {
        let at = self.code_expires_at.checked_sub_signed(before.as_delta())?;
        (self.due_at < at && at < self.code_expires_at).then_some(at)
    }

    /// From when on the buyer's address counts as gone if a mail is due at `last_due_at` too.
    pub fn forget_after(&self, last_due_at: DateTime<Utc>) -> DateTime<Utc> {
        last_due_at
            .checked_add_signed(CONTACT_KEPT)
            .map_or(self.forget_at, |at| at.max(self.forget_at))
    }
}

/// Longest stretch that clocks have jumped over at midnight: Samoa left out a whole day in 2011. In minutes.
const LONGEST_GAP_MINUTES: i64 = 25 * 60;

/// First moment of the day after the one that contains `moment` in `zone`. Where clocks jump over midnight, the day begins
/// when the jump ends; where midnight comes twice, with the first.
fn end_of_day(moment: DateTime<Utc>, zone: Tz) -> Option<DateTime<Utc>> {
    // Local times near the ends of chrono's calendar panic, and RFC 3339 writes four-digit years.
    if !(1970..=9998).contains(&moment.year()) {
        return None;
    }
    let day = moment.with_timezone(&zone).date_naive();
    let midnight = day.checked_add_days(Days::new(1))?.and_time(NaiveTime::MIN);
    (0..=LONGEST_GAP_MINUTES).find_map(|minutes| {
        let local = midnight.checked_add_signed(TimeDelta::minutes(minutes))?;
        let first = zone.from_local_datetime(&local).earliest()?;
        Some(first.to_utc())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn order(json: &serde_json::Value) -> OrderEvent {
        let mut order = serde_json::json!({"type": "order.completed", "source": "custom", "order_id": "1", "currency": "JPY", "total": 5000,
            "customer": {"email": "a@b.jp", "accepts_marketing": true}});
        for (field, value) in json.as_object().unwrap() {
            order[field] = value.clone();
        }
        serde_json::from_value(order).unwrap()
    }

    #[test]
    fn an_order_earns_a_mail_only_if_every_condition_holds() {
        let jpy = Currency::try_from("JPY".to_owned()).ok();
        let conditions: Conditions =
            serde_json::from_value(serde_json::json!({"min_total": 3000})).unwrap();
        for (json, reason) in [
            (serde_json::json!({}), None),
            (serde_json::json!({"total": 3000}), None),
            (
                serde_json::json!({"total": 2999}),
                Some(NoMail::BelowMinimum),
            ),
            (serde_json::json!({"total": 2999, "currency": "USD"}), None),
            (
                serde_json::json!({"total": 2999, "currency": null}),
                Some(NoMail::BelowMinimum),
            ),
            (
                serde_json::json!({"customer": {"email": "a@b.jp"}}),
                Some(NoMail::NoConsent),
            ),
            (
                serde_json::json!({"customer": {"email": "a@b.jp", "accepts_marketing": false}, "total": 0}),
                Some(NoMail::NoConsent),
            ),
            (
                serde_json::json!({"customer": {"accepts_marketing": true}}),
                Some(NoMail::NoAddress),
            ),
            (
                serde_json::json!({"customer": {"email": "no address"}}),
                Some(NoMail::NoAddress),
            ),
            (
                serde_json::json!({"source": "amazon"}),
                Some(NoMail::Marketplace),
            ),
            (
                serde_json::json!({"source": "amazon", "customer": {}, "total": 0}),
                Some(NoMail::Marketplace),
            ),
            (
                serde_json::json!({"customer": {"email": "x@marketplace.amazon.co.jp"}}),
                Some(NoMail::Marketplace),
            ),
        ] {
            let order = order(&json);
            let refused = match decide(&order, &conditions, jpy) {
                Decision::Mail(_) => None,
                Decision::NoMail(reason) => Some(reason),
            };
            assert_eq!(refused, reason, "{json}");
        }
    }

    #[test]
    fn consent_counts_for_nothing_only_where_the_shop_says_so() {
        let conditions: Conditions =
            serde_json::from_value(serde_json::json!({"require_consent": false})).unwrap();
        let order = order(&serde_json::json!({"customer": {"email": "a@b.jp"}}));
        assert!(matches!(
            decide(&order, &conditions, None),
            Decision::Mail(_)
        ));
    }

    fn plan(received: &str, delay: &str, days: u16, zone: &str) -> Schedule {
        let (delay, zone) = (delay.parse().unwrap(), zone.parse().unwrap());
        Schedule::plan(at(received), delay, days, zone).unwrap()
    }

    #[test]
    fn a_mail_is_due_a_delay_after_its_order_arrived_and_its_address_kept_for_30_days_more() {
        let plan = plan("2026-11-22T03:04:05Z", "P3D", 30, "Asia/Tokyo");
        assert_eq!(plan.due_at, at("2026-11-25T03:04:05Z"));
        assert_eq!(plan.code_expires_at, at("2026-12-25T15:00:00Z"));
        assert_eq!(plan.forget_at, at("2026-12-25T03:04:05Z"));
    }

    #[test]
    fn a_reminder_is_due_before_the_codes_end_and_after_the_mail_and_keeps_the_address() {
        let plan = plan("2026-11-22T03:04:05Z", "P3D", 30, "Asia/Tokyo");
        let due = plan.reminder_at("P3D".parse().unwrap());
        assert_eq!(due, Some(at("2026-12-22T15:00:00Z")));
        assert_eq!(plan.forget_after(due.unwrap()), at("2027-01-21T15:00:00Z"));
        for before in ["PT0S", "P31D"] {
            assert_eq!(plan.reminder_at(before.parse().unwrap()), None, "{before}");
        }
    }

    #[test]
    fn a_code_works_until_the_end_of_a_day_of_the_shops_zone() {
        for case in [
            // One millisecond before midnight in Tokyo and midnight itself are different days.
            "Asia/Tokyo 2026-11-22T14:59:59.999Z 1 2026-11-23T15:00:00Z",
            "Asia/Tokyo 2026-11-22T15:00:00Z 1 2026-11-24T15:00:00Z",
            "UTC 2026-03-01T00:00:00Z 365 2027-03-02T00:00:00Z",
            // New York: clocks go back within the 24 h, then forward.
            "America/New_York 2026-11-01T03:30:00Z 1 2026-11-02T05:00:00Z",
            "America/New_York 2026-03-08T04:30:00Z 1 2026-03-10T04:00:00Z",
            "Pacific/Kiritimati 2026-11-22T09:59:00Z 1 2026-11-23T10:00:00Z",
        ] {
            let [zone, due, days, expires] = case.split(' ').collect::<Vec<_>>()[..] else {
                panic!("{case}");
            };
            let plan = plan(due, "PT0S", days.parse().unwrap(), zone);
            assert_eq!(plan.code_expires_at, at(expires), "{case}");
        }
    }

    #[test]
    fn a_day_without_midnight_begins_when_the_clocks_have_jumped() {
        for (zone, moment, end) in [
            // Beirut 2026-03-29: 00:00 becomes 01:00, so the day begins at 22:00Z all the same.
            (
                "Asia/Beirut",
                "2026-03-28T12:00:00Z",
                "2026-03-28T22:00:00Z",
            ),
            // Samoa left out 30 December 2011.
            (
                "Pacific/Apia",
                "2011-12-30T00:00:00Z",
                "2011-12-30T10:00:00Z",
            ),
            // Havana 2026-11-01: 00:00 to 01:00 comes twice; the day begins with the first.
            (
                "America/Havana",
                "2026-10-31T12:00:00Z",
                "2026-11-01T04:00:00Z",
            ),
        ] {
            assert_eq!(
                end_of_day(at(moment), zone.parse().unwrap()),
                Some(at(end)),
                "{zone}"
            );
        }
    }

    #[test]
    fn a_time_beyond_the_calendar_is_refused_and_never_panics() {
        for received in [
            DateTime::<Utc>::MAX_UTC,
            DateTime::<Utc>::MAX_UTC - TimeDelta::days(2),
            DateTime::<Utc>::MIN_UTC,
        ] {
            for zone in [Tz::Asia__Tokyo, Tz::America__New_York] {
                let _ = Schedule::plan(received, "P3D".parse().unwrap(), 30, zone);
                let _ = end_of_day(received, zone);
            }
        }
    }
}
