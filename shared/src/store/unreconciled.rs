//! Codes of ours that a shop took for an order, and that could not be redeemed under it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::mail_lists::{IndexPlace, Newest};
use super::schema::UNRECONCILED_LIST;
use super::{Store, StoreError, due, keys, write};
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
        let mut item = write(&keys::unreconciled(order), unreconciled)?;
        due::add_to_list(&mut item, UNRECONCILED_LIST, unreconciled.at);
        self.put_once(item).await
    }

    /// At most `limit` orders under which a code could not be redeemed, the latest first, from behind `after` on, and where to go on.
    /// Orders of which that was found out before there was a list are not in it.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn list_unreconciled(
        &self,
        after: Option<&IndexPlace>,
        limit: usize,
    ) -> Result<(Vec<(OrderId, Unreconciled)>, Option<IndexPlace>), StoreError> {
        let list = [UNRECONCILED_LIST.to_owned()];
        let (places, more) = self.index_page(&list, Newest::First, after, limit).await?;
        let orders: Vec<OrderId> = places
            .iter()
            .filter_map(|place| keys::order_id(place.partition()))
            .collect();
        let wanted = orders.iter().map(keys::unreconciled).collect();
        let mut found = self.read_by_key::<Unreconciled>(wanted).await?;
        let listed = orders.into_iter().filter_map(|order| {
            let found = found.remove(&keys::unreconciled(&order))?;
            Some((order, found))
        });
        Ok((listed.collect(), places.last().filter(|_| more).cloned()))
    }

    /// What could not be redeemed under an order, strongly consistent, if anything.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn unreconciled(&self, order: &OrderId) -> Result<Option<Unreconciled>, StoreError> {
        self.get(&keys::unreconciled(order)).await
    }
}
