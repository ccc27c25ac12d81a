//! `GET /v1/promotions/{id}/stats`: what a promotion brought and cost, by day or channel.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State as Shared};
use axum::routing::get;
use chrono::{DateTime, Days, NaiveDate};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use shared::domain::channel::Channel;
use shared::domain::code::PromotionId;
use shared::domain::figures::Named as _;
use shared::domain::money::{Amount, Currency};
use shared::domain::stats::{Figures, Place};
use shared::http::{Body, FieldError, Problem};
use shared::store::CountedLink;
use utoipa::{IntoParams, ToSchema};

use crate::State;
use crate::promotions::find;

/// Most days of one answer: a leap year.
const MAX_DAYS: u64 = 366;

pub(crate) fn routes() -> Router<State> {
    Router::new().route("/v1/promotions/{id}/stats", get(stats))
}

/// What the rows are of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum By {
    /// Days in the shop's zone.
    #[default]
    Day,
    /// Channels.
    Channel,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct StatsQuery {
    /// First day, in the shop's zone; a time stands for its day. The promotion's first day unless given, a year ago at most.
    #[param(required = false, nullable = false, example = "2026-11-01")]
    from: Option<String>,
    /// Last day, which is included; today unless given. At most 366 days together.
    #[param(required = false, nullable = false, example = "2026-11-30")]
    to: Option<String>,
    /// What the rows are of; days unless given.
    #[param(required = false, nullable = false)]
    by: Option<By>,
}

/// Some days of a promotion, counted within seconds of what happened. An order's figures stand on the day it was redeemed.
#[derive(Serialize, ToSchema)]
#[schema(as = Stats)]
pub(crate) struct Answer {
    promotion_id: PromotionId,
    /// Currency of all amounts, which are in minor units.
    currency: Currency,
    /// First day.
    #[schema(value_type = String, format = Date)]
    from: NaiveDate,
    /// Last day, included.
    #[schema(value_type = String, format = Date)]
    to: NaiveDate,
    /// Whose days they are (IANA name).
    time_zone: String,
    /// What the rows are of.
    by: By,
    /// Those that have anything to show, by day or by name.
    rows: Vec<StatsRow>,
    /// Their sum.
    totals: Totals,
}

/// One day or channel.
#[derive(Serialize, ToSchema)]
pub(crate) struct StatsRow {
    /// The day (`2026-11-22`) or channel; null for codes that were handed out in none.
    key: Option<String>,
    #[serde(flatten)]
    sums: Sums,
    #[serde(flatten)]
    spending: Spending,
}

/// All rows together.
#[derive(Serialize, ToSchema)]
#[schema(as = StatsTotals)]
pub(crate) struct Totals {
    #[serde(flatten)]
    sums: Sums,
    #[serde(flatten)]
    spending: Spending,
}

/// What channels cost, as their links say, and what that brought.
#[derive(Clone, Copy, Default, Serialize, ToSchema)]
#[schema(as = StatsSpending)]
pub(crate) struct Spending {
    /// What the channel's links cost in all, whatever the days, links taken back included; null without a cost, and for a day.
    cost: Option<Amount>,
    /// Return on ad spend: revenue of the days asked for, of channels with a cost, divided by that cost, to two decimals; null
    /// without a cost.
    roas: Option<f64>,
}

impl Spending {
    fn of(revenue: i128, cost: Option<i128>) -> Self {
        Self {
            cost: cost.map(amount),
            roas: cost.and_then(|cost| decimal(revenue, cost, 100)),
        }
    }
}

/// Sums; amounts in minor units.
#[derive(Serialize, ToSchema)]
#[schema(as = StatsSums)]
pub(crate) struct Sums {
    /// Visits of landing links; 0 without any.
    visits: u64,
    /// Orders that redeemed, also those cancelled later. A hold counts once it is confirmed.
    redemptions: u64,
    /// How many of these were cancelled.
    cancelled: u64,
    /// Of how many of these lines came back.
    returned: u64,
    /// The discount that these lines had had.
    returned_discount: Amount,
    /// People who redeemed this promotion for the first time, as far as orders name them.
    buyers: u64,
    /// What buyers paid for orders that were not cancelled, returned lines included.
    revenue: Amount,
    /// What was taken off in these orders, returned lines included.
    discount: Amount,
    /// Mails sent with a code of it.
    mails: u64,
    /// `redemptions / visits`, to four decimals, rounded half up; null without visits.
    #[schema(required)]
    conversion: Option<f64>,
}

impl Sums {
    fn of(figures: &Figures) -> Self {
        Self {
            visits: count(figures.visits),
            redemptions: count(figures.redemptions),
            cancelled: count(figures.cancelled),
            returned: count(figures.returned),
            returned_discount: amount(figures.returned_discount),
            buyers: count(figures.buyers),
            revenue: amount(figures.revenue),
            discount: amount(figures.discount),
            mails: count(figures.mails),
            conversion: conversion(figures.redemptions, figures.visits),
        }
    }
}

/// A sum is never negative, and beyond what can be written it is the most that can.
pub(crate) fn count(value: i128) -> u64 {
    u64::try_from(value.max(0)).unwrap_or(u64::MAX)
}

/// The same for amounts.
pub(crate) fn amount(value: i128) -> Amount {
    Amount::try_from(count(value)).unwrap_or(Amount::MAX)
}

/// One sum divided by another, rounded half up; none by zero.
pub(crate) fn rounded(sum: i128, by: i128) -> Option<i128> {
    let doubled = sum.checked_mul(2)?.checked_add(by)?;
    doubled.checked_div(by.checked_mul(2)?)
}

/// Ten-thousandths, rounded half up, as a decimal fraction.
fn conversion(redemptions: i128, visits: i128) -> Option<f64> {
    decimal(redemptions, visits, 10_000)
}

/// One sum divided by another, in parts of `parts`, rounded half up, as a decimal fraction.
fn decimal(sum: i128, by: i128, parts: u32) -> Option<f64> {
    let ratio = rounded(sum.checked_mul(parts.into())?, by)?;
    let ratio = f64::from(u32::try_from(ratio).unwrap_or(u32::MAX));
    #[expect(
        clippy::float_arithmetic,
        reason = "a ratio to look at: what it rests on was rounded as an integer"
    )]
    Some(ratio / f64::from(parts))
}

/// What a promotion brought and cost
///
/// Read from sums, so it takes the same for a thousand codes and for a million.
#[utoipa::path(
    get,
    path = "/v1/promotions/{id}/stats",
    operation_id = "read_stats",
    tag = "Promotions",
    params(("id" = PromotionId, Path, description = "The promotion."), StatsQuery),
    responses(
        (status = 200, description = "The sums.", body = Answer),
        (status = 404, description = "There is no such promotion."),
    )
)]
pub(crate) async fn stats(
    Shared(state): Shared<State>,
    Path(id): Path<String>,
    query: Result<Query<StatsQuery>, QueryRejection>,
) -> Result<Body<Answer>, Problem> {
    let now = state.clock.now();
    let known = find(&state, id, now).await?;
    let Query(query) = query?;
    let promotion = &known.promotion;
    let day_of = |at: DateTime<chrono::Utc>| at.with_timezone(&state.shop.zone).date_naive();
    let created = day_of(promotion.created_at);
    let (from, to) = range(&query, state.shop.zone, created, day_of(now))?;
    let by = query.by.unwrap_or_default();
    let found = state.store.stats(&promotion.id, from, to).await?;
    let costs = costs(state.store.links_of(&promotion.id).await?);
    Ok(Body(Answer {
        promotion_id: promotion.id.clone(),
        currency: promotion.terms.currency,
        from,
        to,
        time_zone: state.shop.zone.name().to_owned(),
        by,
        totals: totals(&found, &costs),
        rows: rows(&found, &costs, by),
    }))
}

/// What the links of each channel cost, those taken back included: that was paid.
fn costs(links: Vec<CountedLink>) -> BTreeMap<Channel, i128> {
    let mut costs = BTreeMap::new();
    for CountedLink { link, .. } in links {
        if let Some(cost) = link.cost {
            *costs.entry(link.channel).or_default() += i128::from(cost.minor());
        }
    }
    costs
}

fn totals(found: &[(Place, Figures)], costs: &BTreeMap<Channel, i128>) -> Totals {
    let (mut totals, mut revenue) = (Figures::default(), 0);
    for (Place { channel, .. }, figures) in found {
        totals += *figures;
        if channel
            .as_ref()
            .is_some_and(|channel| costs.contains_key(channel))
        {
            revenue += figures.revenue;
        }
    }
    let cost = (!costs.is_empty()).then(|| costs.values().sum());
    Totals {
        sums: Sums::of(&totals),
        spending: Spending::of(revenue, cost),
    }
}

fn rows(found: &[(Place, Figures)], costs: &BTreeMap<Channel, i128>, by: By) -> Vec<StatsRow> {
    // What has no channel comes last.
    let mut sums: BTreeMap<(bool, String), (Figures, Option<i128>)> = BTreeMap::new();
    let of = |channel: &Channel| (false, channel.as_str().to_owned());
    for (Place { day, channel }, figures) in found {
        let key = match (by, channel) {
            (By::Day, _) => (false, day.to_string()),
            (By::Channel, Some(channel)) => of(channel),
            (By::Channel, None) => (true, String::new()),
        };
        sums.entry(key).or_default().0 += *figures;
    }
    if by == By::Channel {
        for (channel, cost) in costs {
            sums.entry(of(channel)).or_default().1 = Some(*cost);
        }
    }
    sums.retain(|_, (figures, cost)| !figures.is_zero() || cost.is_some());
    let rows = sums.iter().map(|((none, key), (figures, cost))| StatsRow {
        key: (!none).then(|| key.clone()),
        sums: Sums::of(figures),
        spending: Spending::of(figures.revenue, *cost),
    });
    rows.collect()
}

/// The days asked for, both included.
fn range(
    query: &StatsQuery,
    zone: Tz,
    created: NaiveDate,
    today: NaiveDate,
) -> Result<(NaiveDate, NaiveDate), Problem> {
    let fault = |pointer: &str, detail: String| {
        Err(Problem::invalid_body(vec![FieldError::new(
            pointer, detail,
        )]))
    };
    let read = |text: &Option<String>| text.as_deref().map(|text| day(text, zone));
    let Ok(to) = read(&query.to).transpose() else {
        return fault("/to", NO_DAY.to_owned());
    };
    let Ok(from) = read(&query.from).transpose() else {
        return fault("/from", NO_DAY.to_owned());
    };
    let to = to.unwrap_or_else(|| from.map_or(today, |from| from.max(today)));
    let longest = to - Days::new(MAX_DAYS - 1);
    let from = from.unwrap_or_else(|| created.min(to).max(longest));
    if to < from {
        return fault("/to", "the last day is not before the first".to_owned());
    }
    if from < longest {
        let detail = format!("at most {MAX_DAYS} days; to {to} that is from {longest} on");
        return fault("/from", detail);
    }
    Ok((from, to))
}

/// What is said of a text that names no day.
pub(crate) const NO_DAY: &str = "a day like 2026-11-22, or a time in RFC 3339";

/// Why a text names no day.
pub(crate) struct NoDay;

/// The day that a text names, in the shop's zone.
pub(crate) fn day(text: &str, zone: Tz) -> Result<NaiveDate, NoDay> {
    let day = match text.parse::<NaiveDate>() {
        Ok(day) => day,
        Err(_) => DateTime::parse_from_rfc3339(text)
            .map_err(|_| NoDay)?
            .with_timezone(&zone)
            .date_naive(),
    };
    // Days far off could not be counted from.
    let plausible = NaiveDate::from_ymd_opt(2000, 1, 1)..=NaiveDate::from_ymd_opt(9998, 1, 1);
    plausible.contains(&Some(day)).then_some(day).ok_or(NoDay)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(from: Option<&str>, to: Option<&str>) -> Result<(String, String), Problem> {
        let query = StatsQuery {
            from: from.map(str::to_owned),
            to: to.map(str::to_owned),
            by: None,
        };
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        let found = range(
            &query,
            chrono_tz::Asia::Tokyo,
            day("2026-11-20"),
            day("2026-11-22"),
        );
        found.map(|(from, to)| (from.to_string(), to.to_string()))
    }

    #[test]
    fn days_are_those_of_the_shop_and_both_ends_are_included() {
        let days = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        assert_eq!(asked(None, None).unwrap(), days("2026-11-20", "2026-11-22"));
        let evening = asked(Some("2026-11-21T15:00:00Z"), Some("2026-11-22")).unwrap();
        assert_eq!(evening, days("2026-11-22", "2026-11-22"));
        assert_eq!(
            asked(None, Some("2026-11-01")).unwrap(),
            days("2026-11-01", "2026-11-01")
        );
        assert!(asked(Some("2025-11-22"), Some("2026-11-22")).is_ok());
    }

    #[test]
    fn a_range_that_is_backwards_too_long_or_no_range_is_refused() {
        for (from, to) in [
            (Some("2026-11-22"), Some("2026-11-21")),
            (Some("2025-11-21"), Some("2026-11-22")),
            (Some("yesterday"), None),
            (None, Some("+262000-01-01")),
        ] {
            assert!(asked(from, to).is_err(), "{from:?} {to:?}");
        }
    }

    #[test]
    fn conversion_is_rounded_half_up_and_unknown_without_visits() {
        assert_eq!(conversion(1, 0), None);
        assert_eq!(conversion(1, 3), Some(0.3333));
        assert_eq!(conversion(2, 3), Some(0.6667));
        assert_eq!(conversion(1, 20_000), Some(0.0001));
        assert_eq!(conversion(3, 2), Some(1.5));
    }

    #[test]
    fn return_on_ad_spend_has_two_decimals_and_needs_a_cost() {
        let roas = |revenue, cost| Spending::of(revenue, cost).roas;
        assert_eq!(roas(3_564, None), None);
        assert_eq!(roas(3_564, Some(0)), None);
        assert_eq!(roas(0, Some(30_000)), Some(0.0));
        assert_eq!(roas(100_000, Some(30_000)), Some(3.33));
        assert_eq!(roas(i128::from(u64::MAX), Some(1)), Some(42_949_672.95));
    }
}
