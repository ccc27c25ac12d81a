//! `GET /v1/promotions/{id}/comparison`: what its products sold since it began, beside as many days before.

use std::collections::{BTreeMap, HashSet};

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State as Shared};
use axum::routing::get;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use shared::domain::cart::Sku;
use shared::domain::code::PromotionId;
use shared::domain::figures::Named as _;
use shared::domain::money::{Amount, Currency};
use shared::domain::promotion::{Products, Promotion};
use shared::domain::sales::{Periods, SalesFigures};
use shared::http::{Body, FieldError, Problem};
use shared::store::Freshness;
use utoipa::{IntoParams, ToSchema};

use crate::State;
use crate::promotions::find_as;
use crate::stats::{NO_DAY, amount, count, day, rounded};

/// Most products of a list that are looked at; each takes a query. A choice of ours.
const MAX_PRODUCTS: usize = 50;

pub(crate) fn routes() -> Router<State> {
    Router::new().route("/v1/promotions/{id}/comparison", get(compare))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ComparisonQuery {
    /// Last day, in the shop's zone; the promotion's last, and yesterday at most, unless given. The 91st since it began at most.
    #[param(required = false, nullable = false, example = "2026-11-30")]
    to: Option<String>,
}

/// What a promotion's products sold, whoever had a code, before it began and since. Orders that the shop told of count on the day
/// they arrived; those cancelled or refunded in full do not count, nor do orders whose products the shop does not name.
#[derive(Serialize, ToSchema)]
#[schema(as = Comparison)]
pub(crate) struct Answer {
    promotion_id: PromotionId,
    /// Currency of all amounts, which are in minor units.
    currency: Currency,
    /// Whose days they are (IANA name).
    time_zone: String,
    /// How many products the promotion lists, but for those it excludes; null if it is for all.
    #[schema(required)]
    products: Option<u64>,
    /// How many of these are compared, the first 50; null if all of the shop's are.
    #[schema(required)]
    compared: Option<u64>,
    /// The same weekdays so many whole weeks earlier that none is in both; null before its first day is over.
    #[schema(required)]
    before: Option<Period>,
    /// The days since it began, its first included; null before that is over.
    #[schema(required)]
    since: Option<Period>,
    /// How units changed, to four decimals: 0.25 is a quarter more. Null if there were none before.
    #[schema(required)]
    units_change: Option<f64>,
    /// How sales changed.
    #[schema(required)]
    sales_change: Option<f64>,
    /// The days of both that sold any.
    days: Vec<SalesDay>,
}

/// Some days together.
#[derive(Serialize, ToSchema)]
#[schema(as = ComparisonPeriod)]
pub(crate) struct Period {
    /// First day.
    #[schema(value_type = String, format = Date)]
    from: NaiveDate,
    /// Last day, included.
    #[schema(value_type = String, format = Date)]
    to: NaiveDate,
    #[serde(flatten)]
    sales: Sales,
}

/// One day.
#[derive(Serialize, ToSchema)]
pub(crate) struct SalesDay {
    /// Which.
    #[schema(value_type = String, format = Date)]
    day: NaiveDate,
    #[serde(flatten)]
    sales: Sales,
}

/// What was sold.
#[derive(Serialize, ToSchema)]
#[schema(as = ComparisonSales)]
pub(crate) struct Sales {
    /// Units.
    units: u64,
    /// What they cost, by the prices of the orders' lines, before what was taken off the orders.
    sales: Amount,
}

impl Sales {
    fn of(figures: SalesFigures) -> Self {
        Self {
            units: count(figures.units),
            sales: amount(figures.sales),
        }
    }
}

/// What a promotion's products sold before it and since
///
/// Read from sums of each product, at most 50 of them, so it takes the same for a thousand orders and for a million. Its terms may be
/// those of 10 seconds ago.
#[utoipa::path(
    get,
    path = "/v1/promotions/{id}/comparison",
    operation_id = "compare_sales",
    tag = "Promotions",
    params(("id" = PromotionId, Path, description = "The promotion."), ComparisonQuery),
    responses(
        (status = 200, description = "Both periods.", body = Answer),
        (status = 404, description = "There is no such promotion."),
    )
)]
pub(crate) async fn compare(
    Shared(state): Shared<State>,
    Path(id): Path<String>,
    query: Result<Query<ComparisonQuery>, QueryRejection>,
) -> Result<Body<Answer>, Problem> {
    let now = state.clock.now();
    // Thousands of products take longer to read than their sums; the console has just read them.
    let known = find_as(&state, id, Freshness::Remembered, now).await?;
    let Query(query) = query?;
    let zone = state.shop.zone;
    let promotion = &known.promotion;
    let asked = query.to.as_deref().map(|text| day(text, zone)).transpose();
    let asked = asked.map_err(|_| Problem::invalid_body(vec![FieldError::new("/to", NO_DAY)]))?;
    let day_of = |at: DateTime<Utc>| at.with_timezone(&zone).date_naive();
    let last = asked.unwrap_or_else(|| last_day(promotion, now, day_of));
    let periods = Periods::new(day_of(promotion.effective_at), last);
    let listed = Listed::of(&promotion.terms.products);
    let mut answer = Answer {
        promotion_id: promotion.id.clone(),
        currency: promotion.terms.currency,
        time_zone: zone.name().to_owned(),
        products: listed.number,
        compared: listed
            .number
            .map(|_| listed.added.len().try_into().unwrap_or(u64::MAX)),
        before: None,
        since: None,
        units_change: None,
        sales_change: None,
        days: Vec::new(),
    };
    if let Some(periods) = periods {
        let days = listed.sales(&state, promotion, periods).await?;
        let (before, since) = (sum(&days, periods.before), sum(&days, periods.since));
        answer.units_change = change(before.units, since.units);
        answer.sales_change = change(before.sales, since.sales);
        answer.before = Some(period(periods.before, before));
        answer.since = Some(period(periods.since, since));
        let both = [periods.before, periods.since].into_iter();
        let both = both.flat_map(|(from, to)| days.range(from..=to));
        answer.days = both
            .filter(|(_, figures)| !figures.is_zero())
            .map(|(day, figures)| SalesDay {
                day: *day,
                sales: Sales::of(*figures),
            })
            .collect();
    }
    Ok(Body(answer))
}

/// By which part of `before` it changed, rounded to ten-thousandths; unknown where there was nothing.
fn change(before: i128, since: i128) -> Option<f64> {
    let more = since.saturating_sub(before);
    let size = rounded(more.abs().checked_mul(10_000)?, before)?;
    let size = i32::try_from(size).unwrap_or(i32::MAX);
    let signed = if more < 0 { -size } else { size };
    #[expect(
        clippy::float_arithmetic,
        reason = "a ratio to look at: what it rests on was rounded as an integer"
    )]
    Some(f64::from(signed) / 10_000.0)
}

/// The last whole day of a promotion until now. One that staff ended goes on to the end it had: when they did so is not kept.
fn last_day(
    promotion: &Promotion,
    now: DateTime<Utc>,
    day_of: impl Fn(DateTime<Utc>) -> NaiveDate,
) -> NaiveDate {
    let yesterday = day_of(now).pred_opt().unwrap_or(NaiveDate::MIN);
    let end = promotion.terms.ends_at;
    // Its end is the first moment after it.
    let last = end.map(|end| day_of(end - TimeDelta::nanoseconds(1)));
    last.map_or(yesterday, |last| last.min(yesterday))
}

/// The products whose sales make up a promotion's.
struct Listed<'a> {
    /// How many the promotion lists.
    number: Option<u64>,
    /// Those that count, or all.
    added: Vec<Option<&'a Sku>>,
    /// Those that are taken from all.
    taken_off: Vec<Option<&'a Sku>>,
}

impl<'a> Listed<'a> {
    fn of(products: &'a Products) -> Self {
        // A list may name a product twice.
        let each = |list: &'a [Sku]| -> Vec<&'a Sku> {
            let mut seen = HashSet::new();
            list.iter().filter(|sku| seen.insert(*sku)).collect()
        };
        let Some(included) = &products.include else {
            let excluded = each(products.exclude.as_deref().unwrap_or_default());
            let excluded = excluded.into_iter().take(MAX_PRODUCTS);
            return Self {
                number: None,
                added: vec![None],
                taken_off: excluded.map(Some).collect(),
            };
        };
        let skus = each(included);
        let eligible = products.eligible(&skus);
        let mut skus: Vec<&Sku> = skus
            .into_iter()
            .zip(eligible)
            .filter_map(|(sku, eligible)| eligible.then_some(sku))
            .collect();
        let number = skus.len().try_into().unwrap_or(u64::MAX);
        skus.truncate(MAX_PRODUCTS);
        Self {
            number: Some(number),
            added: skus.into_iter().map(Some).collect(),
            taken_off: Vec::new(),
        }
    }

    async fn sales(
        &self,
        state: &State,
        promotion: &Promotion,
        periods: Periods,
    ) -> Result<BTreeMap<NaiveDate, SalesFigures>, Problem> {
        let (first, last) = (periods.before.0, periods.since.1);
        let currency = promotion.terms.currency;
        let sold = |skus| state.store.sales(currency, skus, first, last);
        let mut days = sold(&self.added).await?;
        for (day, figures) in sold(&self.taken_off).await? {
            *days.entry(day).or_default() += -figures;
        }
        Ok(days)
    }
}

fn sum(
    days: &BTreeMap<NaiveDate, SalesFigures>,
    (from, to): (NaiveDate, NaiveDate),
) -> SalesFigures {
    let mut sum = SalesFigures::default();
    for (_, figures) in days.range(from..=to) {
        sum += *figures;
    }
    sum
}

fn period((from, to): (NaiveDate, NaiveDate), figures: SalesFigures) -> Period {
    Period {
        from,
        to,
        sales: Sales::of(figures),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_rounded_have_a_sign_and_are_unknown_without_anything_before() {
        assert_eq!(change(0, 5), None);
        assert_eq!(change(3, 4), Some(0.3333));
        assert_eq!(change(3, 1), Some(-0.6667));
        assert_eq!(change(100_000_000, 99_999_999), Some(0.0));
        assert_eq!(change(1, i128::from(u64::MAX)), Some(214_748.364_7));
    }

    #[test]
    fn a_list_counts_without_what_it_excludes_and_beyond_it_the_first_50() {
        let skus = |names: &[&str]| {
            let skus = names.iter().map(|name| Sku::try_from((*name).to_owned()));
            Some(skus.collect::<Result<Vec<_>, _>>().unwrap())
        };
        let both = Products {
            include: skus(&["A", "B", "C", "A"]),
            exclude: skus(&["B"]),
        };
        let listed = Listed::of(&both);
        let said: Vec<_> = listed
            .added
            .iter()
            .flatten()
            .map(|sku| sku.as_str())
            .collect();
        assert_eq!((listed.number, said), (Some(2), vec!["A", "C"]));
        let all_but = Products {
            include: None,
            exclude: skus(&["B", "B"]),
        };
        let listed = Listed::of(&all_but);
        assert_eq!((listed.number, listed.added), (None, vec![None]));
        assert_eq!(listed.taken_off.len(), 1);
        let names: Vec<String> = (0..4_000).map(|number| number.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let long = Products {
            include: skus(&names),
            exclude: None,
        };
        let listed = Listed::of(&long);
        assert_eq!((listed.number, listed.added.len()), (Some(4_000), 50));
    }
}
