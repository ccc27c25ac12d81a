//! Voiding: taking codes back for good. Each code is decided by itself; a transaction only carries many of them.

use rand::RngExt;

use super::codes::{CodeItem, CodeState};
use super::group_codes::GroupCode;
use super::redemptions::Draw;
use super::transaction::{Action, Expression, Outcome, TransactError};
use super::{Item, Store, StoreError, keys, read, retry};
use crate::domain::code::{FoldedWord, PromotionId};

/// Codes in one transaction: a word takes two of its 100 actions.
const CHUNK: usize = 50;

/// A code to take back.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Voidable {
    /// A single-use code that was minted or issued.
    SingleUse(Draw),
    /// A group word and its promotion.
    Word(PromotionId, FoldedWord),
}

/// What became of a code that was to be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voided {
    /// It was taken back now and never works again.
    Now,
    /// It had been taken back before.
    Before,
    /// An order has it: it stays that order's.
    InUse,
    /// It was never issued.
    Unknown,
}

impl Store {
    /// Takes codes back and says of each, in order, what became of it. No code may be given twice.
    ///
    /// # Errors
    /// [`StoreError`] if not all of it was decided before the deadline; the same call again decides the rest.
    pub async fn void(&self, codes: &[Voidable]) -> Result<Vec<Voided>, StoreError> {
        let mark = format!("{:032x}", rand::rng().random::<u128>());
        let mut attempts = retry::Attempts::new();
        let mut ends = Vec::with_capacity(codes.len());
        for chunk in codes.chunks(CHUNK) {
            ends.extend(self.void_chunk(chunk, &mark, &mut attempts).await?);
        }
        for code in codes {
            if let Voidable::Word(_, word) = code {
                self.group_codes.forget(word);
            }
        }
        Ok(ends)
    }

    async fn void_chunk(
        &self,
        codes: &[Voidable],
        mark: &str,
        attempts: &mut retry::Attempts,
    ) -> Result<Vec<Voided>, StoreError> {
        let mut ends: Vec<Option<Voided>> = vec![None; codes.len()];
        loop {
            let (mut owners, mut actions) = (Vec::new(), Vec::new());
            let open = ends.iter().zip(codes).enumerate();
            for (index, (_, code)) in open.filter(|(_, (end, _))| end.is_none()) {
                for action in actions_for(code, mark) {
                    owners.push(index);
                    actions.push(action);
                }
            }
            let result = if actions.is_empty() {
                Ok(())
            } else {
                self.transact(actions).await
            };
            match result {
                Ok(()) => {
                    let ends = ends.into_iter();
                    return Ok(ends.map(|end| end.unwrap_or(Voided::Now)).collect());
                }
                Err(TransactError::Cancelled(outcomes))
                    if !outcomes.contains(&Outcome::Undecided) =>
                {
                    for (index, outcome) in owners.into_iter().zip(outcomes) {
                        if let (Outcome::Refused(item), Some(code), Some(end)) =
                            (outcome, codes.get(index), ends.get_mut(index))
                        {
                            *end = Some(end_of(code, item, mark)?);
                        }
                    }
                }
                Err(TransactError::Cancelled(_)) => attempts.pause().await?,
                // Applied or not: the mark tells.
                Err(TransactError::Store(StoreError::Unavailable(cause))) => {
                    tracing::warn!(%cause, "voiding undecided, trying again");
                    attempts.pause().await?;
                }
                Err(TransactError::Store(error)) => return Err(error),
            }
        }
    }
}

fn actions_for(code: &Voidable, mark: &str) -> Vec<Action> {
    match code {
        Voidable::SingleUse(draw) => {
            let free = if draw.serial.is_thank_you() {
                Expression::new("#state = :unused")
            } else {
                Expression::new("attribute_not_exists(pk) OR #state = :unused")
            };
            let condition = free
                .name("#state", "state")
                .string(":unused", "unused")
                .string(":voided", "voided")
                .string(":mark", mark)
                .number(":serial", draw.serial.get());
            vec![Action::Update {
                key: keys::code(&draw.promotion_id, draw.serial),
                update: "SET #state = :voided, voided_by = :mark, serial = :serial",
                condition,
            }]
        }
        Voidable::Word(promotion, word) => {
            let update = |key| Action::Update {
                key,
                update: "SET voided = :true, voided_by = :mark",
                condition: Expression::new("attribute_exists(pk) AND attribute_not_exists(voided)")
                    .value(":true", aws_sdk_dynamodb::types::AttributeValue::Bool(true))
                    .string(":mark", mark),
            };
            vec![
                update(keys::word(word)),
                update(keys::word_of(promotion, word)),
            ]
        }
    }
}

/// What an item that refused to be voided says.
fn end_of(code: &Voidable, item: Option<Item>, mark: &str) -> Result<Voided, StoreError> {
    let Some(item) = item else {
        return Ok(Voided::Unknown);
    };
    let ours = item
        .get("voided_by")
        .is_some_and(|by| by.as_s().is_ok_and(|by| by == mark));
    let voided = match code {
        Voidable::SingleUse(_) => read::<CodeItem>(item)?.state == CodeState::Voided,
        Voidable::Word(..) => read::<GroupCode>(item)?.voided,
    };
    Ok(match (voided, ours) {
        (true, true) => Voided::Now,
        (true, false) => Voided::Before,
        (false, _) => Voided::InUse,
    })
}
