//! Promotions: their terms, how many codes they have minted, and their place in the list.

use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::automatic::relist;
use super::cache::Ages;
use super::idempotency::{CreateError, Created, Idempotency};
use super::keys::Key;
use super::transaction::{Action, Expression, TransactError};
use super::{Store, StoreError, keys, limits, read, retry, terms, write};
use crate::domain::code::PromotionId;
use crate::domain::promotion::{Promotion, Switch};

/// How long terms serve without being read again: a pause or edit takes effect within this time. Source: design.md §5.
pub(super) const AGES: Ages = Ages {
    present: TimeDelta::seconds(10),
    absent: TimeDelta::seconds(1),
};
/// Most promotions on one page of the API's list.
pub const MAX_PAGE: u32 = 100;
/// Most promotions of one page of [`Store::list_promotions`]. A choice of ours.
pub const MAX_LISTED: u32 = 500;
/// Terms that are fetched at the same time, in two requests: those of a hundred promotions of thousands of products take tens of
/// megabytes until they are read.
const TERMS_AT_A_TIME: usize = 200;

/// A promotion and how many serials it has minted in batches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The promotion.
    pub promotion: Arc<Promotion>,
    /// The first serial that is not minted.
    pub minted: u64,
}

/// Whether remembered terms will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Up to 10 s old (1 s for absence).
    Remembered,
    /// Read now, strongly consistent.
    Now,
}

/// Why a promotion was not switched.
#[derive(Debug, thiserror::Error)]
pub enum SwitchError {
    /// There is no such promotion.
    #[error("there is no such promotion")]
    Unknown,
    /// It was ended before, which is final.
    #[error("the promotion was ended")]
    Ended,
    /// The table did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Serialize, Deserialize)]
pub(super) struct Counter {
    pub(super) minted: u64,
}

#[derive(Serialize, Deserialize)]
struct ListEntry {
    id: PromotionId,
}

/// A place in the list of promotions, after which a page goes on: digits of the creation, `#`, and the id of one of them.
#[derive(Clone, Debug)]
pub struct ListPlace(String);

impl ListPlace {
    /// Reads what [`Self::cursor`] wrote; any other text would be a key that DynamoDB may refuse, or a page of nothing.
    pub fn from_cursor(cursor: &str) -> Option<Self> {
        let (created, id) = cursor.split_once('#')?;
        let digits = !created.is_empty() && created.bytes().all(|byte| byte.is_ascii_digit());
        let known = digits && PromotionId::try_from(id.to_owned()).is_ok();
        known.then(|| Self(cursor.to_owned()))
    }

    /// The place of a promotion, after which a page goes on with the next older one.
    pub fn of(promotion: &Promotion) -> Self {
        Self(keys::promotion_entry(promotion.created_at, &promotion.id).sk)
    }

    /// The place as an opaque text for a URL.
    pub fn cursor(self) -> String {
        self.0
    }
}

/// A page of promotions, newest first, and where the next one starts.
#[derive(Clone, Debug)]
pub struct PromotionPage {
    /// The promotions.
    pub promotions: Vec<Arc<Promotion>>,
    /// What to pass for the next page; none on the last.
    pub next: Option<ListPlace>,
}

impl Store {
    /// Stores a new promotion with `answer` as what its creation is answered with.
    ///
    /// # Errors
    /// [`CreateError::Taken`] if its id is in use: draw another.
    pub async fn create_promotion(
        &self,
        promotion: &Promotion,
        request: Option<&Idempotency>,
        answer: &str,
    ) -> Result<Created, CreateError> {
        let id = &promotion.id;
        let mut actions = vec![
            Action::PutNew(terms::item_of(promotion)?),
            Action::PutNew(write(&keys::counter(id), &Counter { minted: 0 })?),
            Action::PutNew(write(
                &keys::promotion_entry(promotion.created_at, id),
                &ListEntry { id: id.clone() },
            )?),
        ];
        actions.extend(relist(None, promotion)?);
        actions.extend(limits::new_shards(id, promotion.terms.limits)?);
        self.create(actions, request, answer, promotion.created_at)
            .await
    }

    /// The promotion with this id, or `None`.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn promotion(
        &self,
        id: &PromotionId,
        freshness: Freshness,
        now: DateTime<Utc>,
    ) -> Result<Option<Known>, StoreError> {
        if freshness == Freshness::Remembered
            && let Some(known) = self.promotions.fresh(id, now, AGES)
        {
            return Ok(known);
        }
        let known = self.read_promotions(std::slice::from_ref(id)).await?.pop();
        self.promotions.put(id.clone(), now, known.clone());
        Ok(known)
    }

    /// Switches a promotion on, off or (for good) to its end. Switching to what it is already changes nothing.
    ///
    /// # Errors
    /// [`SwitchError`] if there is none, if it was ended, or if the table does not answer.
    pub async fn switch_promotion(
        &self,
        id: &PromotionId,
        to: Switch,
        now: DateTime<Utc>,
    ) -> Result<Known, SwitchError> {
        let mut attempts = retry::Attempts::new();
        loop {
            let known = self
                .promotion(id, Freshness::Now, now)
                .await?
                .ok_or(SwitchError::Unknown)?;
            match known.promotion.switch {
                current if current == to => return Ok(known),
                Switch::Ended => return Err(SwitchError::Ended),
                Switch::On | Switch::Paused => {}
            }
            let mut changed = Promotion::clone(&known.promotion);
            changed.switch = to;
            changed.version += 1;
            let unchanged =
                Expression::new("version = :seen").number(":seen", known.promotion.version);
            let terms = Action::Put(terms::item_of(&changed)?, unchanged);
            let list = relist(Some(&known.promotion), &changed)?;
            match self
                .transact(std::iter::once(terms).chain(list).collect())
                .await
            {
                Ok(()) => {
                    self.promotions.forget(id);
                    return Ok(Known {
                        promotion: Arc::new(changed),
                        minted: known.minted,
                    });
                }
                // Someone else changed it, or nothing is decided: look again.
                Err(TransactError::Cancelled(_)) => attempts.pause().await?,
                Err(TransactError::Store(error)) => return Err(error.into()),
            }
        }
    }

    /// At most `limit` promotions, newest first, from `after` on: one request for their places, then one for each hundred, two at a
    /// time.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn list_promotions(
        &self,
        after: Option<&ListPlace>,
        limit: u32,
    ) -> Result<PromotionPage, StoreError> {
        let limit = limit.clamp(1, MAX_LISTED);
        let request = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .scan_index_forward(false);
        let request = request
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .expression_attribute_values(":pk", AttributeValue::S(keys::PROMOTIONS.to_owned()));
        let request = match after {
            None => request.key_condition_expression("pk = :pk"),
            Some(ListPlace(place)) => request
                .key_condition_expression("pk = :pk AND sk < :place")
                .expression_attribute_values(":place", AttributeValue::S(place.clone())),
        };
        let page = request.send().await.map_err(StoreError::unavailable)?;
        let more = page.last_evaluated_key.is_some();
        let items = page.items.unwrap_or_default();
        let last = items
            .last()
            .and_then(|item| item.get("sk")?.as_s().ok())
            .cloned();
        let ids: Vec<PromotionId> = items
            .into_iter()
            .map(|item| read::<ListEntry>(item).map(|entry| entry.id))
            .collect::<Result<_, _>>()?;
        let mut promotions = Vec::with_capacity(ids.len());
        for some in ids.chunks(TERMS_AT_A_TIME) {
            for item in self.items_under(some.iter().map(keys::terms)).await? {
                promotions.push(Arc::new(terms::promotion_of(item)?));
            }
        }
        promotions.sort_by(|one, other| other.seniority().cmp(&one.seniority()));
        Ok(PromotionPage {
            promotions,
            next: last.filter(|_| more).map(ListPlace),
        })
    }

    /// How many serials each of these promotions has minted, in their order.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn minted_of(&self, promotions: &[Arc<Promotion>]) -> Result<Vec<u64>, StoreError> {
        let key = |promotion: &Arc<Promotion>| keys::counter(&promotion.id);
        let counters = self.read_by_key::<Counter>(promotions.iter().map(key).collect());
        let counters = counters.await?;
        let minted = |promotion| {
            let counter = counters.get(&key(promotion));
            counter.map(|counter| counter.minted).unwrap_or_default()
        };
        Ok(promotions.iter().map(minted).collect())
    }

    /// Terms and counters of those of `ids` that exist, strongly consistent, in one request where they fit.
    pub(super) async fn read_promotions(
        &self,
        ids: &[PromotionId],
    ) -> Result<Vec<Known>, StoreError> {
        let keys = ids
            .iter()
            .flat_map(|id| [keys::terms(id), keys::counter(id)]);
        let (mut terms, mut counters) = (Vec::new(), std::collections::HashMap::new());
        for item in self.items_under(keys).await? {
            match Key::of(&item) {
                Some(Key { pk, sk }) if sk != "terms" => {
                    counters.insert(pk, read::<Counter>(item)?.minted);
                }
                _ => terms.push(terms::promotion_of(item)?),
            }
        }
        let known = |promotion: Promotion| {
            let minted = counters
                .get(&keys::promotion_partition(&promotion.id))
                .copied()
                .unwrap_or_default();
            Known {
                promotion: Arc::new(promotion),
                minted,
            }
        };
        Ok(terms.into_iter().map(known).collect())
    }
}
