//! Changing a promotion: its terms and what its shards hold, in one transaction.

use super::automatic::relist;
use super::limits::{self, Shard};
use super::transaction::{Action, Expression, Outcome, TransactError};
use super::{Store, StoreError, keys, retry, terms, write};
use crate::domain::change::Stage;
use crate::domain::code::PromotionId;
use crate::domain::money::Amount;
use crate::domain::promotion::{Limits, Promotion};

/// Why a promotion was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// It has another version than the one the change was made from.
    #[error("the promotion was changed meanwhile")]
    Conflict,
    /// A limit would be below what is spent already.
    #[error("a limit would be below what is spent")]
    BelowSpent {
        /// What it has given away, in minor units, if the budget is the one.
        budget: Option<u64>,
        /// How often it was used, if that limit is the one.
        redemptions: Option<u64>,
    },
    /// The table did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Puts `changed` in place of `seen`. A raised limit is added to a shard, a lowered one drawn from the shards under the
    /// same conditions as a redemption. While `stage` is scheduled nothing is spent, and the shards are laid out afresh.
    ///
    /// # Errors
    /// [`ChangeError`] says which; nothing was changed then.
    pub async fn change_promotion(
        &self,
        seen: &Promotion,
        changed: &Promotion,
        stage: Stage,
    ) -> Result<(), ChangeError> {
        let unchanged = Expression::new("version = :seen").number(":seen", seen.version);
        let terms = Action::Put(terms::item_of(changed)?, unchanged);
        let list = relist(Some(seen), changed)?;
        let mut attempts = retry::Attempts::new();
        loop {
            let result = match self.shard_actions(seen, changed, stage).await {
                Ok(shards) => {
                    let actions = std::iter::once(terms.clone())
                        .chain(list.clone())
                        .chain(shards);
                    self.transact(actions.collect()).await
                }
                Err(ChangeError::Store(error)) => Err(TransactError::Store(error)),
                Err(refused) => return Err(refused),
            };
            match result {
                Ok(()) => break,
                Err(TransactError::Cancelled(outcomes)) => {
                    if is_done(outcomes, changed)? {
                        break;
                    }
                }
                // Applied or not: the mark tells.
                Err(TransactError::Store(StoreError::Unavailable(cause))) => {
                    tracing::warn!(%cause, promotion.id = %seen.id, "change undecided, trying again");
                }
                Err(TransactError::Store(error)) => return Err(error.into()),
            }
            attempts.pause().await?;
        }
        self.promotions.forget(&seen.id);
        Ok(())
    }

    async fn shard_actions(
        &self,
        seen: &Promotion,
        changed: &Promotion,
        stage: Stage,
    ) -> Result<Vec<Action>, ChangeError> {
        let (id, before, after) = (&seen.id, seen.terms.limits, changed.terms.limits);
        let same = (before.budget, before.redemptions, before.shards)
            == (after.budget, after.redemptions, after.shards);
        if same {
            return Ok(Vec::new());
        }
        match stage {
            Stage::Scheduled => Ok(lay_out(id, after)?),
            Stage::Begun => {
                let shards = self.snapshot(id, before.shard_count()).await?;
                moved(id, before, after, &shards)
            }
        }
    }
}

/// Whether a cancelled change was ours after all (its reply was lost). `false`: nothing is decided.
fn is_done(outcomes: Vec<Outcome>, changed: &Promotion) -> Result<bool, ChangeError> {
    if outcomes.contains(&Outcome::Undecided) {
        return Ok(false);
    }
    match outcomes.into_iter().next() {
        Some(Outcome::Refused(Some(item))) => {
            let stands = terms::promotion_of(item)?;
            if stands.changed_by == changed.changed_by {
                Ok(true)
            } else {
                Err(ChangeError::Conflict)
            }
        }
        Some(Outcome::Refused(None)) => Err(ChangeError::Conflict),
        // A shard no longer holds what was to be drawn from it.
        Some(Outcome::Held | Outcome::Undecided) | None => Ok(false),
    }
}

/// Shards of a promotion that nobody has used yet. Those beyond the new number are left behind, and nobody reads them.
fn lay_out(id: &PromotionId, limits: Limits) -> Result<Vec<Action>, StoreError> {
    let shard = |index: u8| {
        let unused = Expression::new("attribute_not_exists(pk) OR spent_uses = :zero");
        let item = write(&keys::shard(id, index), &Shard::share_of(limits, index))?;
        Ok(Action::Put(item, unused.number(":zero", 0)))
    };
    (0..limits.shard_count()).map(shard).collect()
}

/// What is added to, or taken from, what each shard holds.
fn moved(
    id: &PromotionId,
    before: Limits,
    after: Limits,
    shards: &[Shard],
) -> Result<Vec<Action>, ChangeError> {
    let minor = |limits: Limits| limits.budget.map(Amount::minor);
    let left = |of: fn(&Shard) -> Option<u64>| -> Vec<u64> {
        shards
            .iter()
            .map(|shard| of(shard).unwrap_or_default())
            .collect()
    };
    let budgets = spread(
        minor(before),
        minor(after),
        &left(|shard| shard.budget_left),
    );
    let uses = |limits: Limits| limits.redemptions.map(u64::from);
    let uses = spread(uses(before), uses(after), &left(|shard| shard.uses_left));
    let (budgets, uses) = match (budgets, uses) {
        (Ok(budgets), Ok(uses)) => (budgets, uses),
        (budgets, uses) => {
            return Err(ChangeError::BelowSpent {
                budget: budgets.err(),
                redemptions: uses.err(),
            });
        }
    };
    let moves = (0..).zip(budgets.into_iter().zip(uses));
    let moves = moves.filter(|(_, by)| *by != (0, 0));
    Ok(moves
        .map(|(index, (budget, uses))| limits::move_by(keys::shard(id, index), after, budget, uses))
        .collect())
}

/// By how much each shard's share changes when the whole goes from `before` to `after`; what was spent, if that is more.
fn spread(before: Option<u64>, after: Option<u64>, left: &[u64]) -> Result<Vec<i64>, u64> {
    let (Some(before), Some(after)) = (before, after) else {
        return Ok(vec![0; left.len()]);
    };
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let mut missing = before.saturating_sub(after);
    let total = left
        .iter()
        .fold(0_u64, |sum, left| sum.saturating_add(*left));
    if total < missing {
        return Err(before.saturating_sub(total));
    }
    let mut more = signed(after.saturating_sub(before));
    let by = left.iter().map(|left| {
        let taken = missing.min(*left);
        missing = missing.saturating_sub(taken);
        std::mem::take(&mut more).saturating_sub(signed(taken))
    });
    Ok(by.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lowered_limit_is_taken_where_it_is_and_never_below_what_is_spent() {
        assert_eq!(spread(Some(10), Some(4), &[3, 0, 5]), Ok(vec![-3, 0, -3]));
        assert_eq!(spread(Some(10), Some(2), &[3, 0, 5]), Ok(vec![-3, 0, -5]));
        assert_eq!(spread(Some(10), Some(1), &[3, 0, 5]), Err(2));
        assert_eq!(spread(Some(10), Some(25), &[3, 0, 5]), Ok(vec![15, 0, 0]));
        assert_eq!(spread(None, None, &[3, 1]), Ok(vec![0, 0]));
    }
}
