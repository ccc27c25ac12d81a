//! Promotions that apply by themselves: a list of their own, because every cart is priced under all of them.

use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::promotions::{AGES, Freshness};
use super::transaction::{Action, Expression};
use super::{Store, StoreError, every_item, keys, read, write};
use crate::domain::code::PromotionId;
use crate::domain::promotion::{Promotion, Switch};

/// A promotion's place in the list. It is there exactly while the promotion is automatic and staff have not ended it.
#[derive(Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) id: PromotionId,
    /// When its window ends, in milliseconds since 1970: later ones need not be looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ends_ms: Option<i64>,
}

impl Entry {
    pub(super) fn of(promotion: &Promotion) -> Self {
        Self {
            id: promotion.id.clone(),
            ends_ms: promotion
                .terms
                .ends_at
                .map(|ends_at| ends_at.timestamp_millis()),
        }
    }
}

/// Whether it has a place in the list.
pub(super) fn is_listed(promotion: &Promotion) -> bool {
    promotion.is_automatic() && promotion.switch != Switch::Ended
}

/// The write that keeps the list true when `before` (none: it is new) becomes `after`, in the transaction that does that.
pub(super) fn relist(
    before: Option<&Promotion>,
    after: &Promotion,
) -> Result<Option<Action>, StoreError> {
    let key = keys::automatic(&after.id);
    let listed = before.filter(|before| is_listed(before));
    let there = Expression::new("attribute_exists(pk)");
    Ok(match (listed, is_listed(after)) {
        (None, false) => None,
        (None, true) => Some(Action::PutNew(write(&key, &Entry::of(after))?)),
        (Some(_), false) => Some(Action::Delete(key, there)),
        (Some(before), true) if before.terms.ends_at == after.terms.ends_at => None,
        (Some(_), true) => Some(Action::Put(write(&key, &Entry::of(after))?, there)),
    })
}

impl Store {
    /// All promotions that apply by themselves, but those whose window is over or that staff ended; older ones first.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn automatic_promotions(
        &self,
        freshness: Freshness,
        now: DateTime<Utc>,
    ) -> Result<Arc<[Arc<Promotion>]>, StoreError> {
        if freshness == Freshness::Remembered
            && let Some(Some(known)) = self.automatic.fresh(&(), now, AGES)
        {
            return Ok(known);
        }
        let ids = self.automatic_ids(now).await?;
        let known = self.read_promotions(&ids).await?;
        let mut promotions: Vec<_> = known.into_iter().map(|known| known.promotion).collect();
        promotions.sort_by(|one, other| one.seniority().cmp(&other.seniority()));
        let promotions: Arc<[Arc<Promotion>]> = promotions.into();
        self.automatic.put((), now, Some(Arc::clone(&promotions)));
        Ok(promotions)
    }

    /// Has what [`Self::automatic_promotions`] answers ready. If it fails, whoever wants them tells.
    pub async fn remember_automatic_promotions(&self, now: DateTime<Utc>) {
        if let Err(error) = self.automatic_promotions(Freshness::Now, now).await {
            tracing::warn!(%error, "the table did not answer at the start");
        }
    }

    async fn automatic_ids(&self, now: DateTime<Utc>) -> Result<Vec<PromotionId>, StoreError> {
        let now = AttributeValue::N(now.timestamp_millis().to_string());
        let request = self
            .query("pk = :pk", keys::AUTOMATIC)
            .filter_expression("attribute_not_exists(ends_ms) OR ends_ms > :now")
            .expression_attribute_values(":now", now);
        let items = every_item(request).await?;
        items
            .into_iter()
            .map(|item| Ok(read::<Entry>(item)?.id))
            .collect()
    }
}
