//! Redemption: one transaction that holds every condition, and the judgement of what it refused.
//!
//! The order's record decides first, then each code, then customers and shards. Nothing is checked in one request and
//! written in another.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::codes::CodeItem;
use super::limits::{self, Gathered, LimitDraw, Shortage};
use super::transaction::{Action, Expression, Outcome, TransactError};
use super::{Store, StoreError, keys, read, retry, write};
use crate::domain::code::{PromotionId, Serial};
use crate::domain::money::Amount;
use crate::domain::order::OrderId;
use crate::domain::redemption::{CodeRef, RedeemedCode, Redemption, RedemptionStatus};

/// A single-use code.
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
    /// Nothing was written: these codes of the record (by index) could not be used.
    Refused(Vec<(usize, Obstacle)>),
}

/// The shard each promotion is to draw from next, where one was gathered into.
type GatheredInto = HashMap<PromotionId, u8>;

/// What stood in a code's way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// Its item; `None` is a thank-you code that was never issued.
    Code(Option<CodeItem>),
    /// One of the people has used the promotion as often as they may.
    Customer,
    /// All shards of its promotion together hold too little.
    Limit(Shortage),
}

/// One write beside the record's own.
struct Step {
    /// Index of the code it is for.
    code: usize,
    kind: Kind,
    action: Action,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Code,
    Customer,
    Shard,
}

impl Store {
    /// Writes `record`, uses the codes it names and draws on their limits, all or nothing.
    ///
    /// # Errors
    /// [`StoreError`] if nothing was decided before the deadline. The same call again then finds what became of it.
    pub async fn redeem(&self, record: &Redemption) -> Result<Redeem, StoreError> {
        let put = Action::PutNew(write(&keys::redemption(&record.order_id), record)?);
        let mut gathered = GatheredInto::new();
        let mut attempts = retry::Attempts::new();
        loop {
            let steps = Self::steps(record, &gathered);
            let actions =
                std::iter::once(put.clone()).chain(steps.iter().map(|step| step.action.clone()));
            let end = match self.transact(actions.collect()).await {
                Ok(()) => Ok(Some(Redeem::Done)),
                Err(TransactError::Cancelled(outcomes)) => {
                    self.judge(record, &steps, outcomes, &mut gathered).await
                }
                Err(TransactError::Store(error)) => Err(error),
            };
            match end {
                Ok(Some(end)) => return Ok(end),
                Ok(None) => {}
                // Applied or not: the next attempt finds out.
                Err(StoreError::Unavailable(cause)) => {
                    tracing::warn!(%cause, order.id = %record.order_id, "redemption undecided, trying again");
                }
                Err(error @ StoreError::Corrupt(_)) => return Err(error),
            }
            attempts.pause().await?;
        }
    }

    fn steps(record: &Redemption, gathered: &GatheredInto) -> Vec<Step> {
        let Some(redeemed) = &record.redeemed else {
            return Vec::new();
        };
        let mut steps = Vec::new();
        for (index, code) in redeemed.codes.iter().enumerate() {
            let Some(amount) = code.discount else {
                continue;
            };
            let step = |kind, action| Step {
                code: index,
                kind,
                action,
            };
            if let CodeRef::Serial(serial) = code.code {
                let action = use_code(
                    &code.promotion_id,
                    serial,
                    &record.order_id,
                    redeemed.redeemed_at,
                );
                steps.push(step(Kind::Code, action));
            }
            if let Some(limit) = code.limits.per_customer {
                let people = redeemed.people.iter();
                steps.extend(people.map(|person| {
                    step(
                        Kind::Customer,
                        limits::count_customer(&code.promotion_id, person, limit),
                    )
                }));
            }
            if code.limits.shard_count() > 0 {
                let shard = gathered.get(&code.promotion_id).copied();
                let shard = shard.unwrap_or_else(|| limits::any_shard(code.limits));
                let action = limit_draw(code, amount).take(shard);
                steps.push(step(Kind::Shard, action));
            }
        }
        steps
    }

    /// What a cancelled transaction means, or `None` if it decided nothing.
    async fn judge(
        &self,
        record: &Redemption,
        steps: &[Step],
        outcomes: Vec<Outcome>,
        gathered: &mut GatheredInto,
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
        let (mut refused, mut dry) = (Vec::new(), Vec::new());
        for (step, outcome) in steps.iter().zip(outcomes) {
            match (step.kind, outcome) {
                (Kind::Code, Outcome::Refused(item)) => {
                    refused.push((step.code, Obstacle::Code(item.map(read).transpose()?)));
                }
                (Kind::Customer, Outcome::Refused(_)) => {
                    refused.push((step.code, Obstacle::Customer));
                }
                (Kind::Shard, Outcome::Refused(_)) => dry.push(step.code),
                (_, Outcome::Held | Outcome::Undecided) => {}
            }
        }
        let names_us = |obstacle: &Obstacle| matches!(obstacle, Obstacle::Code(Some(item)) if item.order_id.as_ref() == Some(&record.order_id));
        if refused.iter().any(|(_, obstacle)| names_us(obstacle)) {
            // Our own write, seen between two of its items: the record under the order id says the rest.
            let recorded = self.redemption(&record.order_id).await?;
            return Ok(recorded.map(|recorded| Redeem::Recorded(Box::new(recorded))));
        }
        if refused.is_empty() {
            refused = self.gather_for(record, &dry, gathered).await?;
        }
        Ok((!refused.is_empty()).then_some(Redeem::Refused(refused)))
    }

    /// Gathers for each code whose shard could not serve it; what it returns cannot be served by all shards together.
    async fn gather_for(
        &self,
        record: &Redemption,
        dry: &[usize],
        gathered: &mut GatheredInto,
    ) -> Result<Vec<(usize, Obstacle)>, StoreError> {
        let mut refused = Vec::new();
        let codes = record
            .redeemed
            .iter()
            .flat_map(|redeemed| &redeemed.codes)
            .enumerate();
        for (index, code) in codes.filter(|(index, _)| dry.contains(index)) {
            match self
                .gather(&limit_draw(code, code.discount.unwrap_or_default()))
                .await?
            {
                Gathered::Exhausted(shortage) => refused.push((index, Obstacle::Limit(shortage))),
                Gathered::TryAgain(shard) => {
                    gathered.insert(code.promotion_id.clone(), shard);
                }
            }
        }
        Ok(refused)
    }

    /// The record under an order id, strongly consistent, or `None`.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn redemption(&self, order: &OrderId) -> Result<Option<Redemption>, StoreError> {
        self.get(&keys::redemption(order)).await
    }

    /// Cancels an order's redemption, gives back what it drew and its codes as their promotions say, and returns the record. An
    /// order id never seen gets a cancelled record, so that a redemption still on its way is refused. Cancelling again
    /// changes nothing.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn cancel(
        &self,
        order: &OrderId,
        now: DateTime<Utc>,
    ) -> Result<Redemption, StoreError> {
        let mut left_alone = Vec::new();
        let mut attempts = retry::Attempts::new();
        loop {
            let seen = self.redemption(order).await?;
            if let Some(cancelled) = seen
                .as_ref()
                .filter(|seen| seen.status == RedemptionStatus::Cancelled)
            {
                return Ok(cancelled.clone());
            }
            let (record, put) = cancelled(order, seen, now)?;
            let steps = give_back(&record)
                .into_iter()
                .filter(|step| !left_alone.contains(&(step.code, step.kind)));
            let steps: Vec<Step> = steps.collect();
            let actions = std::iter::once(put).chain(steps.iter().map(|step| step.action.clone()));
            match self.transact(actions.collect()).await {
                Ok(()) => return Ok(record),
                Err(TransactError::Cancelled(outcomes))
                    if !outcomes.contains(&Outcome::Undecided) =>
                {
                    // A code that no longer names this order is not ours to give back.
                    let refused = steps.iter().zip(outcomes.into_iter().skip(1));
                    let refused =
                        refused.filter(|(_, outcome)| matches!(outcome, Outcome::Refused(_)));
                    left_alone.extend(refused.map(|(step, _)| (step.code, step.kind)));
                }
                Err(TransactError::Cancelled(_)) => {}
                Err(TransactError::Store(StoreError::Unavailable(cause))) => {
                    tracing::warn!(%cause, order.id = %order, "cancellation undecided, trying again");
                }
                Err(TransactError::Store(error)) => return Err(error),
            }
            attempts.pause().await?;
        }
    }
}

fn limit_draw(code: &RedeemedCode, amount: Amount) -> LimitDraw<'_> {
    LimitDraw {
        promotion: &code.promotion_id,
        limits: code.limits,
        amount,
    }
}

fn use_code(promotion: &PromotionId, serial: Serial, order: &OrderId, at: DateTime<Utc>) -> Action {
    let usable = if serial.is_thank_you() {
        Expression::new("#state = :unused AND expires_ms > :now")
            .number(":now", at.timestamp_millis())
    } else {
        Expression::new("attribute_not_exists(pk) OR #state = :unused")
    };
    let condition = usable
        .name("#state", "state")
        .string(":unused", "unused")
        .string(":redeemed", "redeemed")
        .string(":order", order.as_str())
        .string(
            ":at",
            at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true),
        )
        .number(":serial", serial.get());
    Action::Update {
        key: keys::code(promotion, serial),
        update: "SET #state = :redeemed, order_id = :order, redeemed_at = :at, serial = :serial",
        condition,
    }
}

/// The cancelled record, and the write that makes it so.
fn cancelled(
    order: &OrderId,
    seen: Option<Redemption>,
    now: DateTime<Utc>,
) -> Result<(Redemption, Action), StoreError> {
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
        return Ok((record, put));
    };
    let unchanged = Expression::new("version = :seen").number(":seen", seen.version);
    let record = Redemption {
        status: RedemptionStatus::Cancelled,
        version: seen.version.saturating_add(1),
        cancelled_at: Some(now),
        ..seen
    };
    let put = Action::Put(write(&key, &record)?, unchanged);
    Ok((record, put))
}

/// The writes that give back what a cancelled record drew.
fn give_back(record: &Redemption) -> Vec<Step> {
    let Some(redeemed) = &record.redeemed else {
        return Vec::new();
    };
    let mut steps = Vec::new();
    for (index, code) in redeemed.codes.iter().enumerate() {
        let Some(amount) = code.discount else {
            continue;
        };
        let step = |kind, action| Step {
            code: index,
            kind,
            action,
        };
        if let (CodeRef::Serial(serial), false) = (&code.code, code.keep_on_cancel) {
            steps.push(step(
                Kind::Code,
                free_code(&code.promotion_id, *serial, &record.order_id),
            ));
        }
        if code.limits.per_customer.is_some() {
            let people = redeemed.people.iter();
            steps.extend(people.map(|person| {
                step(
                    Kind::Customer,
                    limits::uncount_customer(&code.promotion_id, person),
                )
            }));
        }
        if code.limits.shard_count() > 0 {
            steps.push(step(Kind::Shard, limit_draw(code, amount).give_back()));
        }
    }
    steps
}

fn free_code(promotion: &PromotionId, serial: Serial, order: &OrderId) -> Action {
    let ours = Expression::new("order_id = :order AND #state = :redeemed")
        .name("#state", "state")
        .string(":order", order.as_str())
        .string(":redeemed", "redeemed")
        .string(":unused", "unused");
    let update = "SET #state = :unused REMOVE order_id, redeemed_at";
    Action::Update {
        key: keys::code(promotion, serial),
        update,
        condition: ours,
    }
}
