//! Budgets and uses over shard items, and uses per customer.
//!
//! A shard holds what is left of its share. A redemption draws from one of them; when that one cannot, enough is gathered
//! into one shard, sum unchanged, and the draw is tried again. Only a snapshot of all shards can say that too
//! little is left. A shard also counts what was given away, which gathering does not move.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, Get, TransactGetItem};
use rand::RngExt;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use super::codes::CodeItem;
use super::keys::Key;
use super::redemptions::Draw;
use super::transaction::{Action, Expression, TransactError};
use super::{Item, Store, StoreError, keys, read, write};
use crate::domain::code::{FoldedWord, PromotionId};
use crate::domain::identity::PersonHash;
use crate::domain::money::Amount;
use crate::domain::promotion::Limits;
use crate::domain::word_limits::WordLimits;

/// One shard, or the sum of several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Shard {
    /// What is left to give away, in minor units, if that is limited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget_left: Option<u64>,
    /// How many uses are left, if they are limited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uses_left: Option<u64>,
    /// Given away through this shard, less what came back to it: only the sum over all shards means something.
    pub spent_amount: i64,
    /// Uses through this shard, less those that came back to it.
    pub spent_uses: i64,
}

impl Shard {
    /// What shard `index` holds at the start.
    pub(super) fn share_of(limits: Limits, index: u8) -> Self {
        let (budget_left, uses_left) = limits.share(index);
        Self {
            budget_left,
            uses_left,
            ..Self::default()
        }
    }

    fn add(self, other: Self) -> Self {
        let sum = |one: Option<u64>, other: Option<u64>| match (one, other) {
            (None, None) => None,
            (one, other) => Some(
                one.unwrap_or_default()
                    .saturating_add(other.unwrap_or_default()),
            ),
        };
        Self {
            budget_left: sum(self.budget_left, other.budget_left),
            uses_left: sum(self.uses_left, other.uses_left),
            spent_amount: self.spent_amount.saturating_add(other.spent_amount),
            spent_uses: self.spent_uses.saturating_add(other.spent_uses),
        }
    }

    /// The same shard with nothing left.
    fn emptied(self) -> Self {
        Self {
            budget_left: self.budget_left.map(|_| 0),
            uses_left: self.uses_left.map(|_| 0),
            ..self
        }
    }

    /// What stands in the way of one more use that gives `amount` away.
    pub fn shortage(self, amount: Amount) -> Option<Shortage> {
        if self.budget_left.is_some_and(|left| left < amount.minor()) {
            Some(Shortage::Budget)
        } else if self.uses_left == Some(0) {
            Some(Shortage::Uses)
        } else {
            None
        }
    }
}

/// What a promotion has too little of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// Money to give away.
    Budget,
    /// Uses.
    Uses,
}

/// What one use of a limited promotion takes.
#[derive(Clone, Debug)]
pub(super) struct LimitDraw<'a> {
    pub(super) promotion: &'a PromotionId,
    pub(super) limits: Limits,
    pub(super) amount: Amount,
}

/// Items of a new promotion's shards.
pub(super) fn new_shards(id: &PromotionId, limits: Limits) -> Result<Vec<Action>, StoreError> {
    let shard = |index: u8| {
        let shard = Shard::share_of(limits, index);
        Ok(Action::PutNew(write(&keys::shard(id, index), &shard)?))
    };
    (0..limits.shard_count()).map(shard).collect()
}

impl LimitDraw<'_> {
    fn amounts(&self, condition: &'static str) -> Expression {
        let expression = Expression::new(condition).number(":one", 1);
        expression.number(":amount", self.amount.minor())
    }

    /// Takes the use from shard `index`, which must hold enough.
    pub(super) fn take(&self, index: u8) -> Action {
        let (update, condition) = match (self.limits.budget, self.limits.redemptions) {
            (Some(_), Some(_)) => (
                "SET budget_left = budget_left - :amount, uses_left = uses_left - :one, \
                 spent_amount = spent_amount + :amount, spent_uses = spent_uses + :one",
                "budget_left >= :amount AND uses_left >= :one",
            ),
            (Some(_), None) => (
                "SET budget_left = budget_left - :amount, spent_amount = spent_amount + :amount, spent_uses = spent_uses + :one",
                "budget_left >= :amount",
            ),
            (None, _) => (
                "SET uses_left = uses_left - :one, spent_amount = spent_amount + :amount, spent_uses = spent_uses + :one",
                "uses_left >= :one",
            ),
        };
        Action::Update {
            key: keys::shard(self.promotion, index),
            update,
            condition: self.amounts(condition),
        }
    }

    /// Gives the use back to any one shard.
    pub(super) fn give_back(&self) -> Action {
        let update = match (self.limits.budget, self.limits.redemptions) {
            (Some(_), Some(_)) => {
                "SET budget_left = budget_left + :amount, uses_left = uses_left + :one, \
                 spent_amount = spent_amount - :amount, spent_uses = spent_uses - :one"
            }
            (Some(_), None) => {
                "SET budget_left = budget_left + :amount, spent_amount = spent_amount - :amount, spent_uses = spent_uses - :one"
            }
            (None, _) => {
                "SET uses_left = uses_left + :one, spent_amount = spent_amount - :amount, spent_uses = spent_uses - :one"
            }
        };
        let key = keys::shard(self.promotion, any_shard(self.limits));
        Action::Update {
            key,
            update,
            condition: self.amounts("attribute_exists(pk)"),
        }
    }

    /// Gives the amount back to any one shard, but not the use.
    pub(super) fn give_back_amount(&self) -> Action {
        let update = match self.limits.budget {
            Some(_) => {
                "SET budget_left = budget_left + :amount, spent_amount = spent_amount - :amount"
            }
            None => "SET spent_amount = spent_amount - :amount",
        };
        Action::Update {
            key: keys::shard(self.promotion, any_shard(self.limits)),
            update,
            condition: Expression::new("attribute_exists(pk)")
                .number(":amount", self.amount.minor()),
        }
    }
}

/// A shard at random.
pub(super) fn any_shard(limits: Limits) -> u8 {
    rand::rng().random_range(0..limits.shard_count().max(1))
}

/// Counts one more use of a promotion by a person, who must be below `limit`.
pub(super) fn count_customer(promotion: &PromotionId, person: &PersonHash, limit: u32) -> Action {
    count_use(keys::customer(promotion, person), limit)
}

/// Counts one more use, of which there must be fewer than `limit`.
pub(super) fn count_use(key: Key, limit: u32) -> Action {
    let below =
        Expression::new("attribute_not_exists(used) OR used < :limit").number(":limit", limit);
    Action::Update {
        key,
        update: "SET used = if_not_exists(used, :zero) + :one",
        condition: below.number(":zero", 0).number(":one", 1),
    }
}

/// Takes one use by a person back.
pub(super) fn uncount_customer(promotion: &PromotionId, person: &PersonHash) -> Action {
    let counted = Expression::new("used >= :one").number(":one", 1);
    Action::Update {
        key: keys::customer(promotion, person),
        update: "SET used = used - :one",
        condition: counted,
    }
}

/// What became of a draw that its shard could not serve.
pub(super) enum Gathered {
    /// Together the shards hold enough, and this one does, unless someone drew from it meanwhile.
    TryAgain(u8),
    /// All shards together hold too little.
    Exhausted(Shortage),
}

#[derive(Deserialize)]
struct CustomerUses {
    used: u64,
}

/// What a quote rests on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    /// Single-use codes.
    pub codes: &'a [Draw],
    /// Promotions with limits.
    pub promotions: &'a [(&'a PromotionId, Limits)],
    /// Words with limits of their own.
    pub words: &'a [(FoldedWord, WordLimits)],
    /// Whose uses count.
    pub people: &'a [PersonHash],
}

/// Whose item a key names.
enum Subject<'a> {
    Code(&'a Draw),
    Shard(&'a PromotionId),
    Customer(&'a PromotionId),
    Word(&'a FoldedWord),
    WordCustomer(&'a FoldedWord),
}

impl<'a> Wanted<'a> {
    fn keys(&self) -> HashMap<Key, Subject<'a>> {
        let mut keys = HashMap::new();
        for draw in self.codes {
            let key = keys::code(&draw.promotion_id, draw.serial);
            keys.insert(key, Subject::Code(draw));
        }
        for (id, limits) in self.promotions {
            let shards = 0..limits.shard_count();
            keys.extend(shards.map(|index| (keys::shard(id, index), Subject::Shard(id))));
            if limits.per_customer.is_some() {
                let people = self.people.iter();
                let customer = |person| (keys::customer(id, person), Subject::Customer(id));
                keys.extend(people.map(customer));
            }
        }
        for (word, limits) in self.words {
            if limits.redemptions.is_some() {
                keys.insert(keys::word_uses(word), Subject::Word(word));
            }
            if limits.per_customer.is_some() {
                let people = self.people.iter();
                let customer = |person| {
                    (
                        keys::word_customer(word, person),
                        Subject::WordCustomer(word),
                    )
                };
                keys.extend(people.map(customer));
            }
        }
        keys
    }
}

/// What the table knew, at one moment each, of everything a quote rests on.
#[derive(Debug, Default)]
pub struct Observed {
    /// Items of the codes that have one.
    pub codes: HashMap<Draw, CodeItem>,
    /// What is left and spent of each limited promotion.
    pub shards: HashMap<PromotionId, Shard>,
    /// The most that any of the people has used a promotion.
    pub uses: HashMap<PromotionId, u64>,
    /// Uses of each limited word.
    pub word_uses: HashMap<FoldedWord, u64>,
    /// The most that any of the people has used a word.
    pub word_uses_by: HashMap<FoldedWord, u64>,
}

impl Observed {
    fn note(&mut self, subject: &Subject<'_>, item: Item) -> Result<(), StoreError> {
        let most = |uses: &mut u64, item| {
            let CustomerUses { used } = read(item)?;
            *uses = used.max(*uses);
            Ok(())
        };
        match subject {
            Subject::Code(draw) => {
                self.codes.insert((*draw).clone(), read(item)?);
                Ok(())
            }
            Subject::Shard(id) => {
                let shard: Shard = read(item)?;
                let sum = self.shards.entry((*id).clone()).or_default();
                *sum = sum.add(shard);
                Ok(())
            }
            Subject::Customer(id) => most(self.uses.entry((*id).clone()).or_default(), item),
            Subject::Word(word) => most(self.word_uses.entry((*word).clone()).or_default(), item),
            Subject::WordCustomer(word) => {
                most(self.word_uses_by.entry((*word).clone()).or_default(), item)
            }
        }
    }
}

impl Store {
    /// Reads all that is wanted, strongly consistent: one request for up to 100 items.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn observe(&self, wanted: Wanted<'_>) -> Result<Observed, StoreError> {
        let subjects = wanted.keys();
        let mut observed = Observed::default();
        for item in self.items_under(subjects.keys().cloned()).await? {
            if let Some(subject) = Key::of(&item).and_then(|key| subjects.get(&key)) {
                observed.note(subject, item)?;
            }
        }
        Ok(observed)
    }

    /// Finds a shard that can serve `draw`; else moves what a few shards hold into one of them, if all together hold enough.
    /// Either is picked at random, so that calls which gather at the same moment seldom meet.
    pub(super) async fn gather(&self, draw: &LimitDraw<'_>) -> Result<Gathered, StoreError> {
        let shards = self
            .snapshot(draw.promotion, draw.limits.shard_count())
            .await?;
        let total = shards
            .iter()
            .fold(Shard::default(), |sum, shard| sum.add(*shard));
        if let Some(shortage) = total.shortage(draw.amount) {
            return Ok(Gathered::Exhausted(shortage));
        }
        let mut shuffled: Vec<(u8, Shard)> = (0..).zip(shards).collect();
        shuffled.shuffle(&mut rand::rng());
        let serves = |shard: &Shard| shard.shortage(draw.amount).is_none();
        if let Some((index, _)) = shuffled.iter().find(|(_, shard)| serves(shard)) {
            return Ok(Gathered::TryAgain(*index));
        }
        let (mut sum, mut picked) = (Shard::default(), Vec::new());
        for (index, shard) in shuffled {
            sum = sum.add(shard);
            picked.push((index, shard));
            if serves(&sum) {
                break;
            }
        }
        // There is a shard wherever there is something to draw on.
        let target = picked.first().map_or(0, |(index, _)| *index);
        let moves = picked.into_iter().map(|(index, seen)| {
            let left = if index == target { sum } else { seen.emptied() };
            move_left(keys::shard(draw.promotion, index), seen, left)
        });
        match self.transact(moves.collect()).await {
            // Not applied: someone drew or gathered meanwhile, and the next try finds out.
            Ok(()) | Err(TransactError::Cancelled(_)) => Ok(Gathered::TryAgain(target)),
            Err(TransactError::Store(error)) => Err(error),
        }
    }

    /// All shards at one moment.
    pub(super) async fn snapshot(
        &self,
        promotion: &PromotionId,
        shards: u8,
    ) -> Result<Vec<Shard>, StoreError> {
        let mut request = self.client.transact_get_items();
        for index in 0..shards {
            let get = Get::builder()
                .table_name(&self.table)
                .set_key(Some(keys::shard(promotion, index).attributes()));
            let get = get.build().map_err(StoreError::unavailable)?;
            request = request.transact_items(TransactGetItem::builder().get(get).build());
        }
        let answer = request.send().await.map_err(StoreError::unavailable)?;
        let items = answer.responses.unwrap_or_default().into_iter();
        items
            .map(|response| read(response.item.unwrap_or_default()))
            .collect()
    }
}

/// Sets what a shard has left, if it still has what was seen.
fn move_left(key: Key, seen: Shard, left: Shard) -> Action {
    let numbers = [
        (":seen_budget", seen.budget_left),
        (":budget", left.budget_left),
        (":seen_uses", seen.uses_left),
        (":uses", left.uses_left),
    ];
    let (update, condition) = match (left.budget_left, left.uses_left) {
        (Some(_), Some(_)) => (
            "SET budget_left = :budget, uses_left = :uses",
            "budget_left = :seen_budget AND uses_left = :seen_uses",
        ),
        (Some(_), None) => ("SET budget_left = :budget", "budget_left = :seen_budget"),
        (None, _) => ("SET uses_left = :uses", "uses_left = :seen_uses"),
    };
    let given = numbers
        .into_iter()
        .filter_map(|(name, number)| Some((name, number?)));
    let condition = given.fold(Expression::new(condition), |expression, (name, number)| {
        expression.value(name, AttributeValue::N(number.to_string()))
    });
    Action::Update {
        key,
        update,
        condition,
    }
}

/// Changes what a shard has left by these amounts; it must hold what is taken.
pub(super) fn move_by(key: Key, limits: Limits, budget: i64, uses: i64) -> Action {
    let (update, condition) = match (limits.budget, limits.redemptions) {
        (Some(_), Some(_)) => (
            "SET budget_left = budget_left + :budget, uses_left = uses_left + :uses",
            "budget_left >= :least_budget AND uses_left >= :least_uses",
        ),
        (Some(_), None) => (
            "SET budget_left = budget_left + :budget",
            "budget_left >= :least_budget",
        ),
        (None, _) => (
            "SET uses_left = uses_left + :uses",
            "uses_left >= :least_uses",
        ),
    };
    let taken = |by: i64| by.saturating_neg().max(0);
    let mut condition = Expression::new(condition);
    if limits.budget.is_some() {
        condition = condition
            .number(":budget", budget)
            .number(":least_budget", taken(budget));
    }
    if limits.redemptions.is_some() {
        condition = condition
            .number(":uses", uses)
            .number(":least_uses", taken(uses));
    }
    Action::Update {
        key,
        update,
        condition,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_differ_by_at_most_one_and_sum_to_the_whole() {
        for shards in [1, 3, 64] {
            let limits = Limits {
                budget: Amount::try_from(1_000).ok(),
                redemptions: Some(70),
                shards: Some(shards),
                ..Limits::default()
            };
            let shares: Vec<_> = (0..shards).map(|index| limits.share(index)).collect();
            let budgets: Vec<u64> = shares.iter().filter_map(|(budget, _)| *budget).collect();
            assert_eq!(budgets.iter().sum::<u64>(), 1_000);
            assert!(budgets.iter().max().unwrap() - budgets.iter().min().unwrap() <= 1);
            assert_eq!(shares.iter().filter_map(|(_, uses)| *uses).sum::<u64>(), 70);
        }
    }
}
