//! Redemption: one transaction that holds every condition, and the judgement of what it refused.
//!
//! The order's record decides first, then each code. Nothing is checked in one request and written in another.

use chrono::{DateTime, Utc};

use super::codes::{CodeItem, CodeState};
use super::transaction::{Action, Expression, Outcome, TransactError};
use super::{Store, StoreError, keys, read, retry, write};
use crate::domain::code::{PromotionId, Serial};
use crate::domain::order::OrderId;
use crate::domain::redemption::{CodeRef, Redemption, RedemptionStatus};

/// A single-use code to be used by an order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Draw {
    /// Its promotion.
    pub promotion_id: PromotionId,
    /// Its number.
    pub serial: Serial,
}

/// How a redemption ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redeem {
    /// It was written now, by this call.
    Done,
    /// The order id has a record already; whoever asks must judge it.
    Recorded(Box<Redemption>),
    /// Nothing was written: these draws (by index) could not be made. `None` is a thank-you code that was never issued.
    Refused(Vec<(usize, Option<CodeItem>)>),
}

/// Why a redemption was not cancelled.
#[derive(Debug, thiserror::Error)]
pub enum CancelError {
    /// The table did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Writes `record` and uses the codes it names, all or nothing.
    ///
    /// # Errors
    /// [`StoreError`] if nothing was decided before the deadline. The same call again then finds what became of it.
    pub async fn redeem(&self, record: &Redemption, draws: &[Draw]) -> Result<Redeem, StoreError> {
        let actions = redeem_actions(record, draws)?;
        let mut attempts = retry::Attempts::new();
        loop {
            match self.transact(actions.clone()).await {
                Ok(()) => return Ok(Redeem::Done),
                Err(TransactError::Cancelled(outcomes)) => {
                    if let Some(end) = self.judge(record, outcomes).await? {
                        return Ok(end);
                    }
                }
                // Applied or not: the next attempt finds out.
                Err(TransactError::Store(StoreError::Unavailable(cause))) => {
                    tracing::warn!(%cause, order.id = %record.order_id, "redemption undecided, trying again");
                }
                Err(TransactError::Store(error)) => return Err(error),
            }
            attempts.pause().await?;
        }
    }

    /// What a cancelled transaction means, or `None` if it decided nothing.
    async fn judge(
        &self,
        record: &Redemption,
        outcomes: Vec<Outcome>,
    ) -> Result<Option<Redeem>, StoreError> {
        if outcomes.contains(&Outcome::Undecided) {
            return Ok(None);
        }
        let mut outcomes = outcomes.into_iter();
        match outcomes.next() {
            Some(Outcome::Refused(Some(item))) => {
                return Ok(Some(Redeem::Recorded(Box::new(read(item)?))));
            }
            Some(Outcome::Held) => {}
            Some(Outcome::Refused(None) | Outcome::Undecided) | None => return Ok(None),
        }
        let mut refused = Vec::new();
        for (index, outcome) in outcomes.enumerate() {
            if let Outcome::Refused(item) = outcome {
                refused.push((index, item.map(read::<CodeItem>).transpose()?));
            }
        }
        let names_us = |item: &Option<CodeItem>| {
            item.as_ref()
                .is_some_and(|item| item.order_id.as_ref() == Some(&record.order_id))
        };
        if refused.iter().any(|(_, item)| names_us(item)) {
            // Our own write, seen between two of its items: the record under the order id says the rest.
            let recorded = self.redemption(&record.order_id).await?;
            return Ok(recorded.map(|recorded| Redeem::Recorded(Box::new(recorded))));
        }
        Ok((!refused.is_empty()).then_some(Redeem::Refused(refused)))
    }

    /// The record under an order id, strongly consistent, or `None`.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn redemption(&self, order: &OrderId) -> Result<Option<Redemption>, StoreError> {
        self.get(&keys::redemption(order)).await
    }

    /// Cancels an order's redemption, gives its codes back as its promotions say, and returns the record. An order id never
    /// seen gets a cancelled record, so that a redemption still on its way is refused. Cancelling again changes nothing.
    ///
    /// # Errors
    /// [`CancelError`] if the table does not answer.
    pub async fn cancel(
        &self,
        order: &OrderId,
        now: DateTime<Utc>,
    ) -> Result<Redemption, CancelError> {
        let mut keep = Vec::new();
        let mut attempts = retry::Attempts::new();
        loop {
            let seen = self.redemption(order).await?;
            if let Some(cancelled) = seen
                .as_ref()
                .filter(|seen| seen.status == RedemptionStatus::Cancelled)
            {
                return Ok(cancelled.clone());
            }
            let (record, actions, serials) = cancel_actions(order, seen, &keep, now)?;
            match self.transact(actions).await {
                Ok(()) => return Ok(record),
                Err(TransactError::Cancelled(outcomes)) => {
                    // A code that no longer names this order is not ours to give back.
                    let codes = outcomes.into_iter().skip(1).zip(serials);
                    keep.extend(
                        codes
                            .filter(|(outcome, _)| matches!(outcome, Outcome::Refused(_)))
                            .map(|(_, draw)| draw),
                    );
                }
                Err(TransactError::Store(StoreError::Unavailable(cause))) => {
                    tracing::warn!(%cause, order.id = %order, "cancellation undecided, trying again");
                }
                Err(TransactError::Store(error)) => return Err(error.into()),
            }
            attempts.pause().await?;
        }
    }
}

fn redeem_actions(record: &Redemption, draws: &[Draw]) -> Result<Vec<Action>, StoreError> {
    let mut actions = vec![Action::PutNew(write(
        &keys::redemption(&record.order_id),
        record,
    )?)];
    let redeemed_at = record
        .redeemed
        .as_ref()
        .map(|redeemed| redeemed.redeemed_at)
        .unwrap_or_default();
    for draw in draws {
        let usable = if draw.serial.is_thank_you() {
            Expression::new("#state = :unused AND expires_ms > :now")
                .number(":now", redeemed_at.timestamp_millis())
        } else {
            Expression::new("attribute_not_exists(pk) OR #state = :unused")
        };
        let at = redeemed_at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
        let condition = usable
            .name("#state", "state")
            .string(":unused", "unused")
            .string(":redeemed", "redeemed")
            .string(":order", record.order_id.as_str())
            .string(":at", at)
            .number(":serial", draw.serial.get());
        actions.push(Action::Update {
            key: keys::code(&draw.promotion_id, draw.serial),
            update: "SET #state = :redeemed, order_id = :order, redeemed_at = :at, serial = :serial",
            condition,
        });
    }
    Ok(actions)
}

/// The cancelled record, the writes that make it so, and the codes given back by all but the first of them.
fn cancel_actions(
    order: &OrderId,
    seen: Option<Redemption>,
    keep: &[Draw],
    now: DateTime<Utc>,
) -> Result<(Redemption, Vec<Action>, Vec<Draw>), StoreError> {
    let key = keys::redemption(order);
    let Some(seen) = seen else {
        let record = Redemption {
            order_id: order.clone(),
            status: RedemptionStatus::Cancelled,
            version: 1,
            redeemed: None,
            cancelled_at: Some(now),
        };
        let put = Action::PutNew(write(&key, &record)?);
        return Ok((record, vec![put], Vec::new()));
    };
    let unchanged = Expression::new("version = :seen").number(":seen", seen.version);
    let record = Redemption {
        status: RedemptionStatus::Cancelled,
        version: seen.version.saturating_add(1),
        cancelled_at: Some(now),
        ..seen
    };
    let mut actions = vec![Action::Put(write(&key, &record)?, unchanged)];
    let back: Vec<Draw> = given_back(&record)
        .filter(|draw| !keep.contains(draw))
        .collect();
    for draw in &back {
        let ours = Expression::new("order_id = :order AND #state = :redeemed")
            .name("#state", "state")
            .string(":order", order.as_str())
            .string(":redeemed", "redeemed")
            .string(":unused", "unused");
        let update = "SET #state = :unused REMOVE order_id, redeemed_at";
        actions.push(Action::Update {
            key: keys::code(&draw.promotion_id, draw.serial),
            update,
            condition: ours,
        });
    }
    Ok((record, actions, back))
}

/// The single-use codes that a cancelled record gives back.
fn given_back(record: &Redemption) -> impl Iterator<Item = Draw> {
    let codes = record.redeemed.iter().flat_map(|redeemed| &redeemed.codes);
    codes
        .filter(|code| code.reason.is_none() && !code.keep_on_cancel)
        .filter_map(|code| match code.code {
            CodeRef::Serial(serial) => Some(Draw {
                promotion_id: code.promotion_id.clone(),
                serial,
            }),
            CodeRef::Word(_) => None,
        })
}

impl CodeItem {
    /// Whether an order other than `order` has it.
    pub fn is_taken_from(&self, order: &OrderId) -> bool {
        self.state == CodeState::Redeemed && self.order_id.as_ref() != Some(order)
    }
}
