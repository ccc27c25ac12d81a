//! Returns: recording one, and giving its share back to the budgets that take it.

use chrono::{DateTime, Utc};

use super::limit_draw;
use crate::domain::money::Amount;
use crate::domain::order::OrderId;
use crate::domain::redemption::Redemption;
use crate::domain::returns::{ReturnRefusal, ReturnRequest};
use crate::store::transaction::Action;
use crate::store::{Store, StoreError, retry};

/// Why a return was not made.
#[derive(Debug, thiserror::Error)]
pub enum ReturnError {
    /// The order has redeemed nothing.
    #[error("no such redemption")]
    Unknown,
    /// The lines cannot come back.
    #[error("the return was refused")]
    Refused(ReturnRefusal),
    /// Nothing is known about the outcome.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Records a return and returns the record. The same return again changes nothing.
    ///
    /// # Errors
    /// [`ReturnError`] says what stands in the way; nothing is written then.
    pub async fn return_lines(
        &self,
        order: &OrderId,
        request: &ReturnRequest,
        now: DateTime<Utc>,
    ) -> Result<Redemption, ReturnError> {
        let mut attempts = retry::Attempts::new();
        loop {
            let seen = self.redemption(order).await?.ok_or(ReturnError::Unknown)?;
            let changed = seen
                .with_return(request, now)
                .map_err(ReturnError::Refused)?;
            let Some(record) = changed else {
                return Ok(seen);
            };
            if self
                .change(&seen, &record, give_back(&seen, &record))
                .await?
            {
                return Ok(record);
            }
            attempts.pause().await?;
        }
    }
}

/// The writes that give back what `record` has returned more than `seen`, where the promotion takes it.
fn give_back(seen: &Redemption, record: &Redemption) -> Vec<Action> {
    let before = seen.redeemed.iter().flat_map(|redeemed| &redeemed.codes);
    let after = record.redeemed.iter().flat_map(|redeemed| &redeemed.codes);
    let more = before
        .zip(after)
        .filter(|(_, after)| after.restore_budget_on_return && after.limits.shard_count() > 0);
    more.filter_map(|(before, after)| {
        let amount = after.returned.saturating_sub(before.returned);
        (amount > Amount::ZERO).then(|| limit_draw(after, amount).give_back_amount())
    })
    .collect()
}
