//! Results of a follow-up: what each arm of an experiment brought, by the same rules as the other statistics.
//!
//! An experiment is a follow-up from the version on in which its variants, weights or hold-out last changed. What mails and
//! redemptions add to an arm follows from how they stand ([`super::stats`]). What a buyer adds follows from their [`Book`], which
//! takes in facts in any order and any number of times.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::figures::{Share, figures};
use super::follow_up::FollowUpId;
use super::money::{Amount, Currency};
use super::order::OrderId;

/// Completed orders that a book holds: the buyer's first ones. Later ones add nothing. Ours: it keeps a book below 20 KB.
pub const MAX_ORDERS: usize = 100;
/// Experiments that a book holds, the first ones its buyer fell into. Ours: all that one change of a book moves then fits one
/// transaction.
pub const MAX_ASSIGNMENTS: usize = 40;

/// Where an arm's figures are summed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ArmRow {
    /// Of which follow-up.
    pub follow_up_id: FollowUpId,
    /// Of which of its experiments: the version with which it began.
    pub experiment: u64,
    /// Which arm: a variant's name, or `holdout`.
    pub arm: String,
}

figures! {
    /// Sums of an arm, or changes of sums. Amounts are in minor units of the currency of the arms' promotions.
    pub struct ArmFigures {
        /// Buyers, each in the arm of the first order that this experiment dealt with; also if that order was cancelled later, so that
        /// nobody drops out of one arm rather than another.
        pub assigned,
        /// Of these, who completed another order that arrived after that one and was neither cancelled nor refunded in full.
        pub repeat_buyers,
        /// What these other orders came to; those in another currency, or in one that is not known, add nothing.
        pub revenue,
        /// Mails sent, without reminders.
        pub mailed,
        /// Of these, delivered and not bounced.
        pub delivered,
        /// Of these, bounced for good, at once or after they were delivered.
        pub bounced,
        /// Orders that redeemed a code of the arm and were not cancelled.
        pub redeemed,
        /// What such codes took off in them, without what came back with returned lines.
        pub discount,
    }
}

/// What something adds to one arm.
pub type ArmShare = Share<ArmRow, ArmFigures>;

/// A completed order of a buyer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bought {
    /// Which.
    pub order_id: OrderId,
    /// When we first received that it was completed.
    pub at: DateTime<Utc>,
    /// What it came to, in minor units.
    pub total: Amount,
    /// Of which currency, if the shop said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// Whether it was cancelled or refunded in full.
    #[serde(default)]
    pub cancelled: bool,
}

/// That a buyer fell into an arm with an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assigned {
    /// Which arm of which experiment.
    #[serde(flatten)]
    pub row: ArmRow,
    /// The order …
    pub order_id: OrderId,
    /// … and when we first received that it was completed.
    pub at: DateTime<Utc>,
    /// Currency of the arms' promotions, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
}

/// What is heard of a buyer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// They completed an order; a cancelled one is told the same way.
    Bought(Bought),
    /// They fell into an arm.
    Assigned(Assigned),
}

/// A buyer's orders and experiments, and what they added by them to the results.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Book {
    /// How often this was written, by which a write knows whether it still stands as it was read.
    pub times: u64,
    /// The orders in which they arrived, and by id where several did at one moment; [`MAX_ORDERS`] at most.
    pub orders: Vec<Bought>,
    /// The first order in each experiment, in the same order; [`MAX_ASSIGNMENTS`] at most.
    pub assignments: Vec<Assigned>,
    /// What was added.
    pub shares: Vec<ArmShare>,
    /// Whether the buyer asked to be forgotten: what they added stays, and nothing is added any more.
    #[serde(default)]
    pub closed: bool,
}

impl Book {
    /// The book with these facts in it; `None` if they change nothing.
    ///
    /// The order in which facts come does not matter, nor whether they come again, because a book is what all facts together say:
    /// the first orders of them all, and of each experiment the first order of all.
    pub fn with(&self, facts: &[Fact]) -> Option<Self> {
        if self.closed {
            return None;
        }
        let mut next = self.clone();
        for fact in facts {
            match fact {
                Fact::Bought(order) => next.note_order(order),
                Fact::Assigned(assigned) => next.note_assignment(assigned),
            }
        }
        next.shares = next.sums();
        (next != *self).then(|| next.next())
    }

    /// The book of a person who asked to be forgotten; `None` if that is written already.
    pub fn close(&self) -> Option<Self> {
        let closed = Self {
            times: self.times,
            shares: self.shares.clone(),
            closed: true,
            ..Self::default()
        };
        (!self.closed).then(|| closed.next())
    }

    fn next(self) -> Self {
        Self {
            times: self.times.saturating_add(1),
            ..self
        }
    }

    fn note_order(&mut self, order: &Bought) {
        let known = self
            .orders
            .iter_mut()
            .find(|known| known.order_id == order.order_id);
        match known {
            Some(known) => known.cancelled |= order.cancelled,
            None => self.orders.push(order.clone()),
        }
        self.orders
            .sort_by(|one, other| (one.at, &one.order_id).cmp(&(other.at, &other.order_id)));
        self.orders.truncate(MAX_ORDERS);
    }

    fn note_assignment(&mut self, assigned: &Assigned) {
        let same = |known: &&mut Assigned| {
            (&known.row.follow_up_id, known.row.experiment)
                == (&assigned.row.follow_up_id, assigned.row.experiment)
        };
        match self.assignments.iter_mut().find(same) {
            Some(known) if place(known) <= place(assigned) => {}
            Some(known) => *known = assigned.clone(),
            None => self.assignments.push(assigned.clone()),
        }
        self.assignments
            .sort_by(|one, other| (place(one), &one.row).cmp(&(place(other), &other.row)));
        self.assignments.truncate(MAX_ASSIGNMENTS);
    }

    /// What the buyer adds to each arm they fell into.
    fn sums(&self) -> Vec<ArmShare> {
        let share = |assigned: &Assigned| {
            let counts =
                |order: &&Bought| !order.cancelled && (order.at, &order.order_id) > place(assigned);
            let later = || self.orders.iter().filter(counts);
            let paid = later()
                .filter(|order| order.currency.is_some() && order.currency == assigned.currency);
            let figures = ArmFigures {
                assigned: 1,
                repeat_buyers: i128::from(later().next().is_some()),
                // What is kept has 64 bits; nobody buys for more.
                revenue: paid
                    .map(|order| i128::from(order.total.minor()))
                    .sum::<i128>()
                    .min(i64::MAX.into()),
                ..ArmFigures::default()
            };
            let row = assigned.row.clone();
            ArmShare { row, figures }
        };
        self.assignments.iter().map(share).collect()
    }
}

/// Where an assigning order stands among all orders.
fn place(assigned: &Assigned) -> (DateTime<Utc>, &OrderId) {
    (assigned.at, &assigned.order_id)
}

#[cfg(test)]
mod tests;
