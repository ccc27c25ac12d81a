//! Sums over all orders against the counters that keep them: budgets, uses, uses per customer and per word.
//!
//! A counter and the records it counts are never read at one moment, so a scan beside running functions proves nothing
//! yet. What proves it: read all records, then the counter, then all records again. A record whose version is the same
//! both times was what it is when the counter was read, since versions only grow and records are never deleted. One
//! that was written once between contributed what it did before or what it does after, which bounds the sum; one that
//! was written more often leaves the counter open until the next look.

use std::collections::{BTreeMap, HashMap};

use super::difference::{Account, Finding, Kind, Subject};
use super::facts::ShardFact;
use super::fold::Sum;
use super::records;
use crate::domain::money::Amount;
use crate::domain::order::OrderId;
use crate::domain::promotion::Limits;
use crate::domain::redemption::Redemption;

/// What one record contributes to one account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Share {
    version: u64,
    sum: Sum,
    broken: bool,
}

/// Contributions to one account.
pub(super) type Shares = HashMap<OrderId, Share>;

/// Notes what a record contributes to the accounts that are looked at.
pub(super) fn note(record: &Redemption, open: &mut HashMap<Account, Shares>) {
    let owed = records::owed(record);
    if owed.is_empty() {
        return;
    }
    let broken = records::contradiction(record).is_some();
    for (account, sum) in owed {
        if let Some(shares) = open.get_mut(&account) {
            let share = shares.entry(record.order_id.clone()).or_default();
            share.version = record.version;
            share.sum.add(sum);
            share.broken |= broken;
        }
    }
}

/// Between what an account must come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) low: Sum,
    pub(super) high: Sum,
    /// Whether a record contradicts itself: then nothing is repaired by the sum.
    pub(super) broken: bool,
}

impl Bounds {
    pub(super) fn exactly(sum: Sum) -> Self {
        Self {
            low: sum,
            high: sum,
            broken: false,
        }
    }

    pub(super) fn is_exact(&self) -> bool {
        self.low == self.high
    }

    fn add(&mut self, one: Sum, other: Sum) {
        self.low.add(Sum {
            amount: one.amount.min(other.amount),
            uses: one.uses.min(other.uses),
        });
        self.high.add(Sum {
            amount: one.amount.max(other.amount),
            uses: one.uses.max(other.uses),
        });
    }
}

/// What an account came to at a moment after `before` was read and before `after` was; `None` if that is not to be known.
pub(super) fn between(before: &Shares, after: &Shares) -> Option<Bounds> {
    let mut bounds = Bounds::default();
    for (order, last) in after {
        let first = before.get(order).copied().unwrap_or_default();
        if first.version != last.version && first.version.checked_add(1) != Some(last.version) {
            return None;
        }
        bounds.broken |= last.broken || first.broken;
        bounds.add(first.sum, last.sum);
    }
    // An order that drew here and draws elsewhere now was written more than once.
    before
        .keys()
        .all(|order| after.contains_key(order))
        .then_some(bounds)
}

/// A count of uses that is not between its bounds.
pub(super) fn judge_uses(account: &Account, used: i64, bounds: &Bounds) -> Vec<Finding> {
    let found = i128::from(used);
    if (bounds.low.uses..=bounds.high.uses).contains(&found) {
        return Vec::new();
    }
    let expected = range(bounds.low.uses, bounds.high.uses);
    let subject = Subject::Account(account.clone());
    vec![Finding::new(
        subject,
        Kind::Uses,
        expected,
        found.to_string(),
    )]
}

/// What is wrong with a promotion's shards, of which `limits` says how many count.
pub(super) fn judge_shards(
    account: &Account,
    limits: Limits,
    shards: &BTreeMap<u8, ShardFact>,
    bounds: &Bounds,
) -> Vec<Finding> {
    let found = |kind, expected: String, found: String| {
        Finding::new(Subject::Account(account.clone()), kind, expected, found)
    };
    let mut findings = Vec::new();
    let total = total(limits, shards);
    let whole = |index: u8| {
        shards.get(&index).is_some_and(|shard| {
            shard.budget_left.is_some() == limits.budget.is_some()
                && shard.uses_left.is_some() == limits.redemptions.is_some()
        })
    };
    let missing = (0..limits.shard_count())
        .filter(|index| !whole(*index))
        .count();
    if missing > 0 {
        let expected = format!("{} shares", limits.shard_count());
        findings.push(found(
            Kind::ShardIncomplete,
            expected,
            format!("{missing} of them missing or not whole"),
        ));
    }
    if total.negative {
        findings.push(found(
            Kind::ShardNegative,
            "0 or more".to_owned(),
            "less".to_owned(),
        ));
    }
    let (low, high) = (bounds.low, bounds.high);
    let mut within = |kind, low: i128, high: i128, stands: i128| {
        if !(low..=high).contains(&stands) {
            findings.push(found(kind, range(low, high), stands.to_string()));
        }
    };
    within(
        Kind::SpentAmount,
        low.amount,
        high.amount,
        total.spent_amount,
    );
    within(Kind::SpentUses, low.uses, high.uses, total.spent_uses);
    if let Some(budget) = limits.budget.map(minor) {
        let (least, most) = (left(budget, high.amount), left(budget, low.amount));
        within(Kind::BudgetLeft, least, most, total.budget_left);
        within(Kind::Overspent, i128::MIN, budget, low.amount);
    }
    if let Some(uses) = limits.redemptions.map(i128::from) {
        within(
            Kind::UsesLeft,
            left(uses, high.uses),
            left(uses, low.uses),
            total.uses_left,
        );
        within(Kind::Overspent, i128::MIN, uses, low.uses);
    }
    findings
}

pub(super) fn minor(amount: Amount) -> i128 {
    i128::from(amount.minor())
}

/// What must be left of `limit`; never less than nothing.
pub(super) fn left(limit: i128, spent: i128) -> i128 {
    limit.saturating_sub(spent).max(0)
}

fn range(low: i128, high: i128) -> String {
    if low == high {
        low.to_string()
    } else if low == i128::MIN {
        format!("at most {high}")
    } else {
        format!("{low} to {high}")
    }
}

/// The sum of the shards that count.
#[derive(Default)]
struct Total {
    budget_left: i128,
    uses_left: i128,
    spent_amount: i128,
    spent_uses: i128,
    negative: bool,
}

fn total(limits: Limits, shards: &BTreeMap<u8, ShardFact>) -> Total {
    let mut total = Total::default();
    for (_, shard) in shards.range(..limits.shard_count()) {
        let (budget, uses) = (
            i128::from(shard.budget_left.unwrap_or_default()),
            i128::from(shard.uses_left.unwrap_or_default()),
        );
        total.negative |= budget < 0 || uses < 0;
        total.budget_left = total.budget_left.saturating_add(budget);
        total.uses_left = total.uses_left.saturating_add(uses);
        total.spent_amount = total
            .spent_amount
            .saturating_add(i128::from(shard.spent_amount));
        total.spent_uses = total
            .spent_uses
            .saturating_add(i128::from(shard.spent_uses));
    }
    total
}

/// The shards as they must be together, moving as little as possible: what is spent is corrected in the first, what is
/// left is added to the first or taken where it is. `None` if a number does not fit.
pub(super) fn balanced(
    limits: Limits,
    shards: &BTreeMap<u8, ShardFact>,
    sum: Sum,
) -> Option<Vec<ShardFact>> {
    let count = limits.shard_count();
    let stand: Vec<ShardFact> = (0..count)
        .map(|index| shards.get(&index).copied().unwrap_or_default())
        .collect();
    let numbers = |of: fn(&ShardFact) -> i64| stand.iter().map(of).collect::<Vec<i64>>();
    let spent_amount = spread(&numbers(|shard| shard.spent_amount), sum.amount, Least::Any)?;
    let spent_uses = spread(&numbers(|shard| shard.spent_uses), sum.uses, Least::Any)?;
    let budget = numbers(|shard| shard.budget_left.unwrap_or_default());
    let uses = numbers(|shard| shard.uses_left.unwrap_or_default());
    let budget = limits
        .budget
        .map(|limit| spread(&budget, left(minor(limit), sum.amount), Least::Zero));
    let uses = limits
        .redemptions
        .map(|limit| spread(&uses, left(limit.into(), sum.uses), Least::Zero));
    let (budget, uses) = (
        budget.map_or(Some(None), |all| all.map(Some))?,
        uses.map_or(Some(None), |all| all.map(Some))?,
    );
    let at =
        |all: &Option<Vec<i64>>, index: usize| all.as_ref().and_then(|all| all.get(index).copied());
    let spent = spent_amount.into_iter().zip(spent_uses).enumerate();
    let shards = spent.map(|(index, (spent_amount, spent_uses))| ShardFact {
        budget_left: at(&budget, index),
        uses_left: at(&uses, index),
        spent_amount,
        spent_uses,
    });
    Some(shards.collect())
}

/// The least that a single number may be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Least {
    Zero,
    Any,
}

/// The numbers changed so that they sum to `target`.
fn spread(numbers: &[i64], target: i128, least: Least) -> Option<Vec<i64>> {
    let mut numbers: Vec<i128> = numbers.iter().map(|number| i128::from(*number)).collect();
    if least == Least::Zero {
        for number in &mut numbers {
            *number = (*number).max(0);
        }
    }
    let mut missing = target.saturating_sub(numbers.iter().sum());
    for number in &mut numbers {
        let step = match least {
            Least::Zero => missing.max(number.saturating_neg()),
            Least::Any => missing,
        };
        *number = number.saturating_add(step);
        missing = missing.saturating_sub(step);
    }
    numbers
        .into_iter()
        .map(|number| i64::try_from(number).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(version: u64, amount: i128) -> Share {
        Share {
            version,
            sum: Sum { amount, uses: 1 },
            broken: false,
        }
    }

    fn shares(all: &[(&str, u64, i128)]) -> Shares {
        let order = |id: &str| OrderId::try_from(id.to_owned()).unwrap();
        all.iter()
            .map(|(id, version, amount)| (order(id), share(*version, *amount)))
            .collect()
    }

    #[test]
    fn records_that_stood_still_give_an_exact_sum_and_moving_ones_bounds() {
        let still = shares(&[("1", 1, 10), ("2", 4, 20)]);
        let bounds = between(&still, &still).unwrap();
        assert!(bounds.is_exact());
        assert_eq!(
            bounds.low,
            Sum {
                amount: 30,
                uses: 2
            }
        );
        let moved = shares(&[("1", 2, 3), ("2", 4, 20), ("3", 1, 5)]);
        let bounds = between(&still, &moved).unwrap();
        assert_eq!((bounds.low.amount, bounds.high.amount), (23, 35));
        assert_eq!((bounds.low.uses, bounds.high.uses), (2, 3));
    }

    #[test]
    fn a_record_written_twice_between_the_looks_or_gone_elsewhere_bounds_nothing() {
        let before = shares(&[("1", 1, 10)]);
        assert_eq!(between(&before, &shares(&[("1", 3, 10)])), None);
        assert_eq!(
            between(&before, &shares(&[("1", 1, 10), ("2", 2, 1)])),
            None
        );
        assert_eq!(between(&before, &shares(&[])), None);
    }

    #[test]
    fn numbers_are_spread_to_their_target_and_what_is_left_never_falls_below_zero() {
        assert_eq!(spread(&[3, 0, 5], 10, Least::Zero), Some(vec![5, 0, 5]));
        assert_eq!(spread(&[3, 0, 5], 2, Least::Zero), Some(vec![0, 0, 2]));
        assert_eq!(spread(&[-4, 0, 5], 3, Least::Zero), Some(vec![0, 0, 3]));
        assert_eq!(spread(&[3, 0, 5], 2, Least::Any), Some(vec![-3, 0, 5]));
        assert_eq!(spread(&[0], i128::MAX, Least::Any), None);
    }

    #[test]
    fn shards_that_do_not_add_up_are_found_and_balanced() {
        let limits = Limits {
            budget: Amount::try_from(100).ok(),
            redemptions: Some(10),
            shards: Some(2),
            ..Limits::default()
        };
        let id = crate::domain::code::PromotionId::random();
        let account = Account::Shards(id);
        let shard = |budget, uses, amount, spent| ShardFact {
            budget_left: Some(budget),
            uses_left: Some(uses),
            spent_amount: amount,
            spent_uses: spent,
        };
        let bounds = Bounds::exactly(Sum {
            amount: 30,
            uses: 3,
        });
        let right = BTreeMap::from([(0, shard(20, 5, -10, 0)), (1, shard(50, 2, 40, 3))]);
        assert_eq!(judge_shards(&account, limits, &right, &bounds), []);
        let wrong = BTreeMap::from([(0, shard(20, -1, -10, 0)), (7, shard(50, 2, 40, 3))]);
        let kinds: Vec<_> = judge_shards(&account, limits, &wrong, &bounds)
            .iter()
            .map(|finding| finding.kind)
            .collect();
        let expected = [
            Kind::ShardIncomplete,
            Kind::ShardNegative,
            Kind::SpentAmount,
            Kind::SpentUses,
            Kind::BudgetLeft,
            Kind::UsesLeft,
        ];
        assert_eq!(kinds, expected);
        let balanced = balanced(limits, &wrong, bounds.low).unwrap();
        let balanced: BTreeMap<u8, ShardFact> = (0..).zip(balanced).collect();
        assert_eq!(judge_shards(&account, limits, &balanced, &bounds), []);
    }
}
