//! Sales: what orders sold of each product, day by day, whether or not a promotion had a part in it.
//!
//! A promotion's days are held against those before it by these sums. They come from shops' own word on their orders: one that
//! names no products adds nothing.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, NaiveDate, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::cart::Sku;
use super::figures::{self, figures};
use super::money::{Amount, Currency};
use super::order::{OrderId, OrderLine};
use super::stats::{Standing, Subject};

/// Most products of one order that are counted. Source: design.md §5, most lines of a cart.
const MAX_PRODUCTS: usize = 1_000;
/// Most rows that one subject adds to. What is counted goes into one transaction, which has room for 100 items.
const ROWS_TOGETHER: usize = 90;
/// Most days that are compared: a quarter.
const MAX_DAYS: i64 = 91;

figures! {
    /// Sums of what was sold, or changes of them.
    pub struct SalesFigures {
        /// Units.
        pub units,
        /// Their prices, in minor units, before what was taken off the order.
        pub sales,
    }
}

/// Where sales are summed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SalesRow {
    /// In which currency.
    pub currency: Currency,
    /// Of which product; of all together without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<Sku>,
    /// On which day, in the shop's zone.
    pub day: NaiveDate,
}

/// What an order adds to one row.
pub type SalesShare = figures::Share<SalesRow, SalesFigures>;

/// What an order sold of one product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sold {
    /// Which.
    pub sku: Sku,
    /// How many.
    pub units: u64,
    /// What they cost together, in minor units.
    pub sales: Amount,
}

impl Sold {
    /// Lines by product. Those whose SKU is none are left out, and so are products beyond the 1,000th.
    pub fn of(lines: &[OrderLine]) -> Vec<Self> {
        let mut products: BTreeMap<Sku, (u64, Amount)> = BTreeMap::new();
        for line in lines {
            let Ok(sku) = Sku::try_from(line.sku.clone()) else {
                continue;
            };
            let sales = line.unit_price.checked_mul(line.quantity);
            let sold = products.entry(sku).or_default();
            sold.0 = sold.0.saturating_add(line.quantity);
            sold.1 = sales
                .and_then(|sales| sales.checked_add(sold.1))
                .unwrap_or(Amount::MAX);
        }
        let products = products.into_iter().take(MAX_PRODUCTS);
        products
            .map(|(sku, (units, sales))| Self { sku, units, sales })
            .collect()
    }

    fn figures(&self) -> SalesFigures {
        SalesFigures {
            units: self.units.into(),
            sales: self.sales.minor().into(),
        }
    }
}

/// A completed order, as far as it matters for sales.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SoldOrder {
    /// Which.
    pub order_id: OrderId,
    /// When it arrived.
    pub at: DateTime<Utc>,
    /// The currency of its amounts.
    pub currency: Currency,
    /// What it sold.
    pub products: Vec<Sold>,
    /// Whether it was cancelled or refunded in full since.
    pub cancelled: bool,
}

impl SoldOrder {
    /// What the order adds, in parts that each fit one transaction; a cancelled one adds nothing any more, in as many parts.
    pub fn standings(&self, zone: Tz) -> Vec<Standing> {
        let day = self.at.with_timezone(&zone).date_naive();
        let share = |product: Option<Sku>, figures| SalesShare {
            row: SalesRow {
                currency: self.currency,
                product,
                day,
            },
            figures,
        };
        let mut all = SalesFigures::default();
        let mut shares = Vec::with_capacity(self.products.len().saturating_add(1));
        for sold in &self.products {
            all += sold.figures();
            shares.push(share(Some(sold.sku.clone()), sold.figures()));
        }
        if !shares.is_empty() {
            shares.push(share(None, all));
        }
        let parts = shares.chunks(ROWS_TOGETHER).zip(0..);
        let standings = parts.map(|(shares, part)| {
            let subject = Subject::Sales(self.order_id.clone(), part);
            let mut standing = Standing::new(subject, 1 + u64::from(self.cancelled));
            if !self.cancelled {
                standing.sales = shares.to_vec();
            }
            standing
        });
        standings.collect()
    }
}

/// Days since a promotion began, and as many before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Periods {
    /// First and last day before, both included.
    pub before: (NaiveDate, NaiveDate),
    /// First and last day since.
    pub since: (NaiveDate, NaiveDate),
}

impl Periods {
    /// From the day it began to the last one, a quarter at most, and the same days so many whole weeks earlier that none is in
    /// both: shops sell by weekday. `None` if the last day is before the first.
    pub fn new(first: NaiveDate, last: NaiveDate) -> Option<Self> {
        let days = (last - first).num_days().checked_add(1)?.min(MAX_DAYS);
        let days = u64::try_from(days).ok().filter(|days| *days > 0)?;
        let back = Days::new(days.div_ceil(7).saturating_mul(7));
        let last = first.checked_add_days(Days::new(days.saturating_sub(1)))?;
        Some(Self {
            before: (first.checked_sub_days(back)?, last.checked_sub_days(back)?),
            since: (first, last),
        })
    }
}

#[cfg(test)]
mod tests;
