//! Minting: a batch takes the next serials of its promotion, however many, in one transaction.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::codes::{CodeItem, CodeState};
use super::idempotency::Idempotency;
use super::promotions::{Counter, Freshness};
use super::transaction::{Action, Expression, Outcome, TransactError};
use super::{Store, StoreError, keys, read, retry, write};
use crate::domain::channel::Channel;
use crate::domain::code::{PromotionId, Serial};
use crate::domain::follow_up::random_symbols;
use crate::domain::identity::PersonHash;

/// Most actions in one transaction. Source: `TransactWriteItems` in the DynamoDB API reference.
const CHUNK: usize = 100;

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
    /// Whether its codes' items are still being written: nobody is shown them yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pending: bool,
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
        let batch = Batch {
            batch_id: batch_id(request),
            first_serial: 0,
            count,
            channel,
            created_at: now,
            pending: false,
            fingerprint: request
                .map(|request| request.fingerprint().to_owned())
                .unwrap_or_default(),
        };
        self.take_serials(promotion, batch, now).await
    }

    /// Mints one code for each of `holders`, in order, which only they may use. Serials are taken first, under a batch that
    /// is pending; then the codes' items are written; then the batch is shown. Nobody has seen the text of a code before all
    /// of them are bound, and the same request again goes on where the first one ended.
    ///
    /// `fingerprint` tells the request from others under its `Idempotency-Key`; it must be keyed, since it covers identities.
    ///
    /// # Errors
    /// [`MintError`] says which. After [`MintError::Store`] the serials may be taken, and no code of theirs is shown.
    pub async fn mint_bound(
        &self,
        promotion: &PromotionId,
        holders: &[Vec<PersonHash>],
        channel: Option<Channel>,
        request: Option<(&Idempotency, String)>,
        now: DateTime<Utc>,
    ) -> Result<Batch, MintError> {
        let (request, fingerprint) = request.unzip();
        let batch = Batch {
            batch_id: batch_id(request),
            first_serial: 0,
            count: u64::try_from(holders.len()).unwrap_or(u64::MAX),
            channel,
            created_at: now,
            pending: true,
            fingerprint: fingerprint.unwrap_or_default(),
        };
        let mut batch = self.take_serials(promotion, batch, now).await?;
        if !batch.pending {
            return Ok(batch);
        }
        let mut items = Vec::with_capacity(holders.len());
        for (number, people) in (batch.first_serial..).zip(holders) {
            if let Ok(serial) = Serial::try_from(number) {
                let item = write(&keys::code(promotion, serial), &bound(serial, people))?;
                items.push(Action::PutNew(item));
            }
        }
        for chunk in items.chunks(CHUNK) {
            self.put_all_new(chunk).await?;
        }
        let shown = Action::Update {
            key: keys::batch(promotion, &batch.batch_id),
            update: "REMOVE pending",
            condition: Expression::new("attribute_exists(pk)"),
        };
        // Refused would mean that the batch is gone, and batches are never deleted.
        let _: Result<(), Vec<Outcome>> = self.decide(&[shown]).await?;
        batch.pending = false;
        Ok(batch)
    }

    /// Puts each item unless it is there, which means that an earlier attempt put it: the serials are this batch's alone.
    async fn put_all_new(&self, items: &[Action]) -> Result<(), StoreError> {
        let mut missing = items.to_vec();
        while !missing.is_empty() {
            let Err(outcomes) = self.decide(&missing).await? else {
                return Ok(());
            };
            let mut outcomes = outcomes.into_iter();
            missing.retain(|_| !matches!(outcomes.next(), Some(Outcome::Refused(_))));
        }
        Ok(())
    }

    /// Takes the next serials for `batch`, or returns the batch that the same request took them for.
    async fn take_serials(
        &self,
        promotion: &PromotionId,
        batch: Batch,
        now: DateTime<Utc>,
    ) -> Result<Batch, MintError> {
        let (count, fingerprint) = (batch.count, batch.fingerprint.clone());
        let mut attempts = retry::Attempts::new();
        loop {
            let Counter { minted } = self
                .get(&keys::counter(promotion))
                .await?
                .ok_or(MintError::Unknown)?;
            let left = Serial::BATCH_END.saturating_sub(minted);
            let batch = Batch {
                first_serial: minted,
                ..batch.clone()
            };
            if count > left {
                // Only a batch minted by this very request may still answer it.
                return match self
                    .get::<Batch>(&keys::batch(promotion, &batch.batch_id))
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

/// The batch's name: the same whenever its request is repeated.
fn batch_id(request: Option<&Idempotency>) -> String {
    request.map_or_else(
        || random_symbols(16),
        |request| request.name().chars().take(32).collect(),
    )
}

fn bound(serial: Serial, people: &[PersonHash]) -> CodeItem {
    CodeItem {
        serial,
        state: CodeState::Unused,
        order_id: None,
        redeemed_at: None,
        held_until_ms: None,
        channel: None,
        expires_ms: None,
        issued_to: None,
        bound_to: people.to_vec(),
        earned_by: None,
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
