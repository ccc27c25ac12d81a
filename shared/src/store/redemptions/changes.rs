//! Changes of a record that stands, each under the condition that it is still the version that was read; and cancelling.

use chrono::{DateTime, Utc};

use super::{item_of, limit_draw, timestamp};
use crate::domain::code::{PromotionId, Serial};
use crate::domain::order::OrderId;
use crate::domain::redemption::{CodeRef, Redemption, RedemptionStatus};
use crate::store::limits;
use crate::store::transaction::{Action, Expression, Outcome, TransactError};
use crate::store::{Store, StoreError, keys, retry, word_limits};

impl Store {
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
        let mut attempts = retry::Attempts::new();
        loop {
            match self.redemption(order).await? {
                None => {
                    let record = never_seen(order, now);
                    let put = Action::PutNew(item_of(&record)?);
                    if self.apply(order, put, Vec::new()).await? {
                        return Ok(record);
                    }
                }
                Some(seen) if seen.status == RedemptionStatus::Cancelled => return Ok(seen),
                Some(seen) if seen.is_overdue_at(now) => {
                    if self.lapse_record(&seen, now).await? {
                        continue;
                    }
                }
                Some(seen) => {
                    let record = Redemption {
                        cancelled_at: Some(now),
                        ..seen.changed_to(RedemptionStatus::Cancelled)
                    };
                    let back = give_back(&seen, AfterCancel::AsPromised, now);
                    if self.change(&seen, &record, back).await? {
                        return Ok(record);
                    }
                }
            }
            attempts.pause().await?;
        }
    }

    /// Puts `record` in place of `seen`, if that still stands, together with `others`; `false` if it does not, or if nobody
    /// knows.
    pub(super) async fn change(
        &self,
        seen: &Redemption,
        record: &Redemption,
        others: Vec<Action>,
    ) -> Result<bool, StoreError> {
        let unchanged = Expression::new("version = :seen").number(":seen", seen.version);
        let put = Action::Put(item_of(record)?, unchanged);
        self.apply(&seen.order_id, put, others).await
    }

    /// Applies a record's write with `others`. Those that fail though the record is as it was seen are left out: a code that no
    /// longer names the order, for one, is not its to change.
    async fn apply(
        &self,
        order: &OrderId,
        put: Action,
        mut others: Vec<Action>,
    ) -> Result<bool, StoreError> {
        loop {
            let actions = std::iter::once(put.clone()).chain(others.iter().cloned());
            let outcomes = match self.transact(actions.collect()).await {
                Ok(()) => return Ok(true),
                Err(TransactError::Cancelled(outcomes)) => outcomes,
                Err(TransactError::Store(StoreError::Unavailable(cause))) => {
                    tracing::warn!(%cause, order.id = %order, "change of a redemption undecided");
                    return Ok(false);
                }
                Err(TransactError::Store(error)) => return Err(error),
            };
            if outcomes.contains(&Outcome::Undecided) || outcomes.first() != Some(&Outcome::Held) {
                return Ok(false);
            }
            let before = others.len();
            let mut held = outcomes.iter().skip(1);
            others.retain(|_| held.next() == Some(&Outcome::Held));
            if others.len() == before {
                return Ok(false);
            }
        }
    }
}

fn never_seen(order: &OrderId, now: DateTime<Utc>) -> Redemption {
    Redemption {
        order_id: order.clone(),
        status: RedemptionStatus::Cancelled,
        version: 1,
        held_until: None,
        redeemed: None,
        cancelled_at: Some(now),
        returns: Vec::new(),
    }
}

/// Which codes can be used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterCancel {
    /// Those whose promotion restores them.
    AsPromised,
    /// All: nobody paid for them.
    Free,
}

/// The writes that give back what a record has drawn and not given back yet, and free its codes.
pub(super) fn give_back(seen: &Redemption, codes: AfterCancel, now: DateTime<Utc>) -> Vec<Action> {
    let held = seen.status == RedemptionStatus::Held;
    let Some(redeemed) = seen
        .redeemed
        .as_ref()
        .filter(|_| held || seen.status == RedemptionStatus::Redeemed)
    else {
        return Vec::new();
    };
    let mut actions = Vec::new();
    for code in &redeemed.codes {
        let Some(amount) = code.drawn() else {
            continue;
        };
        if let CodeRef::Serial(serial) = code.code {
            let keep = code.keep_on_cancel && codes == AfterCancel::AsPromised;
            let (promotion, order) = (&code.promotion_id, &seen.order_id);
            match (keep, held) {
                (false, _) => actions.push(free_code(promotion, serial, order)),
                (true, true) => actions.push(finish_code(promotion, serial, order, now)),
                (true, false) => {}
            }
        }
        if code.limits.per_customer.is_some() {
            let people = redeemed.people.iter();
            actions
                .extend(people.map(|person| limits::uncount_customer(&code.promotion_id, person)));
        }
        let words = word_limits::uses(code).into_iter();
        let words = words.chain(word_limits::uses_by(code, &redeemed.people));
        actions.extend(words.map(|counter| counter.uncount()));
        if code.limits.shard_count() > 0 {
            actions.push(limit_draw(code, amount).give_back());
        }
    }
    actions
}

fn free_code(promotion: &PromotionId, serial: Serial, order: &OrderId) -> Action {
    let ours = Expression::new("order_id = :order AND (#state = :redeemed OR #state = :held)")
        .name("#state", "state")
        .string(":order", order.as_str())
        .string(":redeemed", "redeemed")
        .string(":held", "held")
        .string(":unused", "unused");
    Action::Update {
        key: keys::code(promotion, serial),
        update: "SET #state = :unused REMOVE order_id, redeemed_at, held_until_ms",
        condition: ours,
    }
}

/// Makes a held code a used one.
pub(super) fn finish_code(
    promotion: &PromotionId,
    serial: Serial,
    order: &OrderId,
    at: DateTime<Utc>,
) -> Action {
    let ours = Expression::new("order_id = :order AND #state = :held")
        .name("#state", "state")
        .string(":order", order.as_str())
        .string(":held", "held")
        .string(":redeemed", "redeemed")
        .string(":at", timestamp(at));
    Action::Update {
        key: keys::code(promotion, serial),
        update: "SET #state = :redeemed, redeemed_at = :at REMOVE held_until_ms",
        condition: ours,
    }
}
