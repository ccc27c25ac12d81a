//! Sales of products by day: read for comparisons. What orders add to them is counted with the other statistics.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::NaiveDate;
use futures_util::future::try_join_all;

use super::keys::{self, Key};
use super::sums::Sums;
use super::{Store, StoreError, every_item};
use crate::domain::cart::Sku;
use crate::domain::money::Currency;
use crate::domain::sales::{SalesFigures, SalesRow};

/// Products read side by side.
const TOGETHER: usize = 20;

impl Store {
    /// What was sold of some products from `first` to `last`, both included, by day; of all products together if `None` is among
    /// them. One query for each.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn sales(
        &self,
        currency: Currency,
        products: &[Option<&Sku>],
        first: NaiveDate,
        last: NaiveDate,
    ) -> Result<BTreeMap<NaiveDate, SalesFigures>, StoreError> {
        let mut days: BTreeMap<NaiveDate, SalesFigures> = BTreeMap::new();
        for together in products.chunks(TOGETHER) {
            let rows = together.iter().map(|product| async move {
                let partition = keys::sales_partition(currency, *product);
                self.sales_between(&partition, first, last).await
            });
            for (row, sums) in try_join_all(rows).await?.into_iter().flatten() {
                *days.entry(row.day).or_default() += sums.figures;
            }
        }
        Ok(days)
    }

    async fn sales_between(
        &self,
        partition: &str,
        first: NaiveDate,
        last: NaiveDate,
    ) -> Result<Vec<(SalesRow, Sums<SalesFigures>)>, StoreError> {
        let day = |day: NaiveDate| AttributeValue::S(day.to_string());
        let request = self
            .query("pk = :pk AND sk BETWEEN :first AND :last", partition)
            .expression_attribute_values(":first", day(first))
            .expression_attribute_values(":last", day(last));
        let items = every_item(request).await?;
        let rows = items.iter().filter_map(|item| {
            let row = keys::sales_row(&Key::of(item)?)?;
            Some((row, Sums::of(item)))
        });
        Ok(rows.collect())
    }
}
