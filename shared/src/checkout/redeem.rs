//! Using codes for an order, or holding them: exactly once.
//!
//! A redemption that goes through is one request to the table. Only a refusal looks further, because the order may have
//! redeemed the same request before: then that first answer stands, whatever its promotion has become since.

use chrono::{DateTime, Utc};

use super::resolve::{Buyer, Offered, Resolved, judge_items, price_within_limits};
use super::{Checkout, CheckoutError};
use crate::domain::cart::Cart;
use crate::domain::code::{PromotionId, TypedCode};
use crate::domain::identity::PersonHash;
use crate::domain::order::OrderId;
use crate::domain::redemption::{
    HoldSeconds, Priced, Reason, Redeemed, Redemption, RedemptionStatus,
};
use crate::store::{Observed, Obstacle, Redeem};

/// An order that wants to use codes.
#[derive(Debug)]
pub struct Order<'a> {
    /// Its id.
    pub order_id: &'a OrderId,
    /// The codes, each once.
    pub codes: &'a [TypedCode],
    /// Whether promotions that apply by themselves do.
    pub offered: Offered,
    /// The people that the customer's identities name; none without a customer.
    pub people: Vec<PersonHash>,
    /// What is bought.
    pub cart: &'a Cart,
    /// How long to hold the codes instead of using them at once.
    pub hold: Option<HoldSeconds>,
    /// Keyed hash of the request: the same request again gets the same answer.
    pub fingerprint: String,
    /// Marks the record this call writes.
    pub written_by: String,
    /// When it is redeemed.
    pub now: DateTime<Utc>,
}

impl Checkout {
    /// The record under the order id that answers `order`: written now, or by the same request before.
    ///
    /// # Errors
    /// [`CheckoutError`] says why nothing was used.
    pub async fn redeem(&self, order: &Order<'_>) -> Result<Redemption, CheckoutError> {
        let mut resolved = self
            .resolve(order.codes, order.offered, &order.people, order.now)
            .await?;
        if resolved.is_empty() {
            return match self.recorded(order).await? {
                Some(recorded) => Ok(recorded),
                None => Err(CheckoutError::Nothing),
            };
        }
        require_customer(&mut resolved, &order.people);
        let mut observed = Observed::default();
        loop {
            let mut drawing = resolved.clone();
            let allocation = price_within_limits(order.cart, &mut drawing, &observed);
            if refuses(&drawing) {
                return self.refuse_unless_recorded(order, drawing).await;
            }
            drawing.retain(|code| !code.is_automatic() || code.verdict.is_ok());
            let record = order.record(&drawing, Priced::new(order.cart, &allocation));
            let obstacles = match self.store.redeem(&record).await? {
                Redeem::Done => return Ok(record),
                Redeem::Recorded(recorded) => return order.first_answer(*recorded),
                Redeem::Refused(obstacles) => obstacles,
            };
            let exhausted: Option<Vec<PromotionId>> = obstacles
                .iter()
                .map(|(index, _)| drawing.get(*index)?.automatic_id().cloned())
                .collect();
            let Some(exhausted) = exhausted else {
                return Err(order.refused(drawing, &obstacles));
            };
            // Only what applies by itself stood in the way: the order goes on without it.
            resolved.retain(|code| code.automatic_id().is_none_or(|id| !exhausted.contains(id)));
            let mut automatic = resolved.clone();
            automatic.retain(Resolved::is_automatic);
            observed = self.observe(&automatic, &order.people).await?;
        }
    }

    /// What the order's record answers, if there is one that does not make way.
    async fn recorded(&self, order: &Order<'_>) -> Result<Option<Redemption>, CheckoutError> {
        match self.store.redemption(order.order_id).await? {
            Some(recorded) if !recorded.makes_way_at(order.now) => {
                return order.first_answer(recorded).map(Some);
            }
            Some(recorded) if recorded.is_overdue_at(order.now) => {
                self.store.lapse(order.order_id, order.now).await?;
            }
            Some(_) | None => {}
        }
        Ok(None)
    }

    /// No transaction decided this refusal, so the order's record, if there is one, still may.
    async fn refuse_unless_recorded(
        &self,
        order: &Order<'_>,
        mut resolved: Vec<Resolved>,
    ) -> Result<Redemption, CheckoutError> {
        if let Some(recorded) = self.recorded(order).await? {
            return Ok(recorded);
        }
        let observed = self.observe(&resolved, &[]).await?;
        let buyer = Buyer::People(&order.people);
        judge_items(&mut resolved, &observed, buyer, order.now);
        Err(CheckoutError::Refused(resolved))
    }
}

impl Order<'_> {
    fn record(&self, resolved: &[Resolved], priced: Priced) -> Redemption {
        let redeemed = Redeemed {
            fingerprint: self.fingerprint.clone(),
            written_by: self.written_by.clone(),
            redeemed_at: self.now,
            people: self.people.clone(),
            codes: resolved.iter().filter_map(Resolved::record).collect(),
            priced,
        };
        let held_until = self.hold.map(|hold| hold.end(self.now));
        Redemption {
            order_id: self.order_id.clone(),
            status: match held_until {
                Some(_) => RedemptionStatus::Held,
                None => RedemptionStatus::Redeemed,
            },
            version: 1,
            held_until,
            redeemed: Some(redeemed),
            cancelled_at: None,
            returns: Vec::new(),
        }
    }

    /// The refusal that the transaction's own conditions decided. No code was refused before it, so the record has them all.
    fn refused(
        &self,
        mut resolved: Vec<Resolved>,
        obstacles: &[(usize, Obstacle)],
    ) -> CheckoutError {
        for (index, obstacle) in obstacles {
            if let Some(code) = resolved.get_mut(*index) {
                code.obstruct(obstacle, Buyer::People(&self.people), self.now);
            }
        }
        CheckoutError::Refused(resolved)
    }

    /// The record, if the same request wrote it and it still stands.
    fn first_answer(&self, recorded: Redemption) -> Result<Redemption, CheckoutError> {
        if recorded.status == RedemptionStatus::Cancelled {
            return Err(CheckoutError::Cancelled);
        }
        let same = recorded
            .redeemed
            .as_ref()
            .is_some_and(|redeemed| redeemed.fingerprint == self.fingerprint);
        if same {
            Ok(recorded)
        } else {
            Err(CheckoutError::AlreadyRedeemed)
        }
    }
}

/// A limit per customer cannot be held for nobody.
fn require_customer(resolved: &mut [Resolved], people: &[PersonHash]) {
    for code in resolved {
        if people.is_empty() && code.verdict.is_ok() && code.counts_customers() {
            code.verdict = Err(Reason::CustomerRequired);
        }
    }
}

/// Whether any code refuses the whole redemption; one left aside for a better one does not.
fn refuses(resolved: &[Resolved]) -> bool {
    let mut sent = resolved.iter().filter(|code| !code.is_automatic());
    sent.any(|code| {
        code.verdict
            .is_err_and(|reason| reason != Reason::BetterOneApplied)
    })
}
