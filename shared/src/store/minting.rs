//! Minting: a batch takes the next serials of its promotion, however many, in one transaction.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::idempotency::Idempotency;
use super::promotions::{Counter, Freshness};
use super::transaction::{Action, Expression, Outcome, TransactError};
use super::{Store, StoreError, keys, read, retry, write};
use crate::domain::channel::Channel;
use crate::domain::code::{PromotionId, Serial};
use crate::domain::follow_up::random_symbols;

/// A run of serials minted together: `first_serial .. first_serial + count`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Its id: the same for the same request under one `Idempotency-Key`.
    pub batch_id: String,
    /// The first serial.
    pub first_serial: u64,
    /// How many; at least 1.
    pub count: u64,
    /// Where they are handed out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// When it was minted.
    pub created_at: DateTime<Utc>,
    /// Tells the request that minted it from others under the same `Idempotency-Key`.
    #[serde(default)]
    pub fingerprint: String,
}

impl Batch {
    /// Whether a serial belongs to it.
    pub fn contains(&self, serial: u64) -> bool {
        (self.first_serial..self.first_serial.saturating_add(self.count)).contains(&serial)
    }
}

/// Why nothing was minted.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// There is no such promotion.
    #[error("there is no such promotion")]
    Unknown,
    /// The promotion has fewer serials left than asked for.
    #[error("the promotion has only {left} codes left to mint")]
    NotEnoughLeft {
        /// How many it has.
        left: u64,
    },
    /// The `Idempotency-Key` was used for another request.
    #[error("the Idempotency-Key was used for another request")]
    KeyReused,
    /// The table did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Mints `count` codes. The same request again returns the batch it minted, for as long as the batch exists.
    ///
    /// # Errors
    /// [`MintError`] says which; nothing was minted then.
    pub async fn mint(
        &self,
        promotion: &PromotionId,
        count: u64,
        channel: Option<Channel>,
        request: Option<&Idempotency>,
        now: DateTime<Utc>,
    ) -> Result<Batch, MintError> {
        let batch_id = request.map_or_else(
            || random_symbols(16),
            |request| request.name().chars().take(32).collect(),
        );
        let fingerprint = request
            .map(|request| request.fingerprint().to_owned())
            .unwrap_or_default();
        let mut attempts = retry::Attempts::new();
        loop {
            let Counter { minted } = self
                .get(&keys::counter(promotion))
                .await?
                .ok_or(MintError::Unknown)?;
            let left = Serial::BATCH_END.saturating_sub(minted);
            let batch = Batch {
                batch_id: batch_id.clone(),
                first_serial: minted,
                count,
                channel: channel.clone(),
                created_at: now,
                fingerprint: fingerprint.clone(),
            };
            if count > left {
                // Only a batch minted by this very request may still answer it.
                return match self
                    .get::<Batch>(&keys::batch(promotion, &batch_id))
                    .await?
                {
                    Some(earlier) => repeated(earlier, &fingerprint),
                    None => Err(MintError::NotEnoughLeft { left }),
                };
            }
            let outcomes = match self.transact(mint_actions(promotion, &batch)?).await {
                Ok(()) => {
                    self.promotion(promotion, Freshness::Now, now).await?;
                    return Ok(batch);
                }
                Err(TransactError::Cancelled(outcomes)) => outcomes,
                Err(TransactError::Store(error)) => return Err(error.into()),
            };
            if let Some(Outcome::Refused(Some(item))) = outcomes.into_iter().next() {
                return repeated(read(item)?, &fingerprint);
            }
            // Another batch took these serials, or nothing is decided.
            attempts.pause().await?;
        }
    }

    /// All batches of a promotion, by first serial.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn batches(&self, promotion: &PromotionId) -> Result<Vec<Batch>, StoreError> {
        let mut batches: Vec<Batch> = self
            .query_prefix(&keys::promotion_partition(promotion), "batch#")
            .await?;
        batches.sort_by_key(|batch| batch.first_serial);
        Ok(batches)
    }
}

fn mint_actions(promotion: &PromotionId, batch: &Batch) -> Result<Vec<Action>, StoreError> {
    let taken_from = Expression::new("minted = :seen")
        .number(":seen", batch.first_serial)
        .number(":end", batch.first_serial.saturating_add(batch.count));
    let key = keys::counter(promotion);
    Ok(vec![
        Action::PutNew(write(&keys::batch(promotion, &batch.batch_id), batch)?),
        Action::Update {
            key,
            update: "SET minted = :end",
            condition: taken_from,
        },
    ])
}

fn repeated(earlier: Batch, fingerprint: &str) -> Result<Batch, MintError> {
    if earlier.fingerprint == fingerprint {
        Ok(earlier)
    } else {
        Err(MintError::KeyReused)
    }
}
