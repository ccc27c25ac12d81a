//! Codes of ours that a shop took for an order, and that could not be redeemed under it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Store, StoreError, keys, write};
use crate::domain::code::PromotionId;
use crate::domain::order::OrderId;
use crate::domain::redemption::Reason;

/// What a shop gave a buyer for codes that gave nothing here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreconciled {
    /// One for each code of ours, in the order's own order.
    pub codes: Vec<UnreconciledCode>,
    /// When it was found out.
    pub at: DateTime<Utc>,
}

/// One code, without its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreconciledCode {
    /// Its promotion.
    pub promotion_id: PromotionId,
    /// Why it does not apply; none if it would have, without the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

impl Store {
    /// Keeps what was found out first.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn record_unreconciled(
        &self,
        order: &OrderId,
        unreconciled: &Unreconciled,
    ) -> Result<(), StoreError> {
        self.put_once(write(&keys::unreconciled(order), unreconciled)?)
            .await
    }

    /// What could not be redeemed under an order, strongly consistent, if anything.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn unreconciled(&self, order: &OrderId) -> Result<Option<Unreconciled>, StoreError> {
        self.get(&keys::unreconciled(order)).await
    }
}
