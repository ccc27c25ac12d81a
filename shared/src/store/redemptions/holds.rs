//! Holds: confirming one, and ending those whose time is over.

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{DateTime, Utc};

use super::changes::{AfterCancel, finish_code, give_back};
use crate::domain::code::PromotionId;
use crate::domain::order::OrderId;
use crate::domain::redemption::{CodeRef, Redemption, RedemptionStatus};
use crate::store::schema::DUE_INDEX;
use crate::store::transaction::Action;
use crate::store::{Store, StoreError, due, keys, read, retry};

/// Why an order could not be confirmed.
#[derive(Debug, thiserror::Error)]
pub enum ConfirmError {
    /// It has redeemed nothing.
    #[error("no such redemption")]
    Unknown,
    /// Its hold was over before.
    #[error("the hold lapsed")]
    Lapsed,
    /// It was cancelled.
    #[error("the order was cancelled")]
    Cancelled,
    /// Nothing is known about the outcome.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Makes an order's hold final and returns the record. Confirming again, or what was never held, changes nothing.
    ///
    /// # Errors
    /// [`ConfirmError`] says what stands in the way; nothing is confirmed then.
    pub async fn confirm(
        &self,
        order: &OrderId,
        now: DateTime<Utc>,
    ) -> Result<Redemption, ConfirmError> {
        let mut attempts = retry::Attempts::new();
        loop {
            let seen = self.redemption(order).await?;
            let seen = seen.ok_or(ConfirmError::Unknown)?;
            match seen.status {
                RedemptionStatus::Redeemed => return Ok(seen),
                RedemptionStatus::Lapsed => return Err(ConfirmError::Lapsed),
                RedemptionStatus::Cancelled => return Err(ConfirmError::Cancelled),
                RedemptionStatus::Held if seen.is_overdue_at(now) => {
                    if self.lapse_record(&seen, now).await? {
                        return Err(ConfirmError::Lapsed);
                    }
                }
                RedemptionStatus::Held => {
                    let record = seen.confirmed(now);
                    let codes = finish_codes(&seen, now);
                    if self.change(&seen, &record, codes).await? {
                        return Ok(record);
                    }
                }
            }
            attempts.pause().await?;
        }
    }

    /// Orders whose holds were over at `now`, at most `limit`, the longest over first. The index may lag behind the table, so
    /// each must be read before anything is decided.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn overdue_holds(
        &self,
        now: DateTime<Utc>,
        limit: u16,
    ) -> Result<Vec<OrderId>, StoreError> {
        let mut found = Vec::new();
        for shard in due::hold_shards() {
            let request = self.client.query().table_name(&self.table);
            let request = request
                .index_name(DUE_INDEX)
                .key_condition_expression("due_shard = :shard AND due_ms <= :now")
                .expression_attribute_values(":shard", AttributeValue::S(shard))
                .expression_attribute_values(
                    ":now",
                    AttributeValue::N(now.timestamp_millis().to_string()),
                )
                .limit(i32::from(limit));
            let page = request.send().await.map_err(StoreError::unavailable)?;
            found.extend(page.items.unwrap_or_default().iter().filter_map(|item| {
                let due_ms: i64 = item.get("due_ms")?.as_n().ok()?.parse().ok()?;
                Some((due_ms, keys::order_id(item.get("pk")?.as_s().ok()?)?))
            }));
        }
        found.sort_by_key(|(due_ms, _)| *due_ms);
        found.truncate(usize::from(limit));
        Ok(found.into_iter().map(|(_, order)| order).collect())
    }

    /// Ends an order's hold if its time is over at `now`, gives back what it drew and frees its codes. `true` if this call
    /// ended it; `false` if it is no hold, is not over, or another write was at it, which may then be asked again.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn lapse(&self, order: &OrderId, now: DateTime<Utc>) -> Result<bool, StoreError> {
        match self.redemption(order).await? {
            Some(seen) if seen.is_overdue_at(now) => self.lapse_record(&seen, now).await,
            _ => Ok(false),
        }
    }

    /// The same for a record that was read as an overdue hold. Its version stands for that: it is still held, until the same time.
    pub(super) async fn lapse_record(
        &self,
        seen: &Redemption,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let record = seen.changed_to(RedemptionStatus::Lapsed);
        let back = give_back(seen, AfterCancel::Free, now);
        self.change(seen, &record, back).await
    }

    /// Ends the overdue holds that draw on these promotions; `true` if any ended.
    pub(super) async fn lapse_holds_of(
        &self,
        promotions: &[&PromotionId],
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let overdue = self.overdue_holds(now, OVERDUE_PAGE).await?;
        let mut lapsed = false;
        for item in self
            .items_under(overdue.iter().map(keys::redemption))
            .await?
        {
            let seen: Redemption = read(item)?;
            if seen.is_overdue_at(now) && draws_on(&seen, promotions) {
                lapsed |= self.lapse_record(&seen, now).await?;
            }
        }
        Ok(lapsed)
    }
}

/// Overdue holds looked at when a limit refuses, in one request. The schedule ends the others.
const OVERDUE_PAGE: u16 = 100;

fn draws_on(record: &Redemption, promotions: &[&PromotionId]) -> bool {
    let codes = record.redeemed.iter().flat_map(|redeemed| &redeemed.codes);
    codes
        .filter(|code| code.discount.is_some())
        .any(|code| promotions.contains(&&code.promotion_id))
}

/// The writes that make a hold's codes used ones.
fn finish_codes(seen: &Redemption, now: DateTime<Utc>) -> Vec<Action> {
    let codes = seen.redeemed.iter().flat_map(|redeemed| &redeemed.codes);
    let taken = codes.filter(|code| code.discount.is_some());
    taken
        .filter_map(|code| match code.code {
            CodeRef::Serial(serial) => {
                Some(finish_code(&code.promotion_id, serial, &seen.order_id, now))
            }
            CodeRef::Word(_) | CodeRef::Automatic => None,
        })
        .collect()
}
