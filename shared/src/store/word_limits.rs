//! Uses of single group codes: a counter for each word, and one for each word and person.

use super::keys::{self, Key};
use super::limits;
use super::transaction::{Action, Expression};
use crate::domain::code::{FoldedWord, GroupWord};
use crate::domain::identity::PersonHash;
use crate::domain::redemption::{CodeRef, RedeemedCode};

/// One counter of a word, and the most it may come to.
pub(super) struct WordCounter {
    key: Key,
    limit: u32,
}

impl WordCounter {
    /// Where it is kept.
    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    /// Counts one more use, which must stay within the limit.
    pub(super) fn count(&self) -> Action {
        limits::count_use(self.key.clone(), self.limit)
    }

    /// Takes one use back.
    pub(super) fn uncount(&self) -> Action {
        Action::Update {
            key: self.key.clone(),
            update: "SET used = used - :one",
            condition: Expression::new("used >= :one").number(":one", 1),
        }
    }
}

/// The counter of a redeemed word's uses, if they are limited.
pub(super) fn uses(code: &RedeemedCode) -> Option<WordCounter> {
    let limit = code.word_limits.redemptions?;
    let key = keys::word_uses(&folded(code)?);
    Some(WordCounter { key, limit })
}

/// The counters of a redeemed word's uses by these people, if those are limited.
pub(super) fn uses_by(code: &RedeemedCode, people: &[PersonHash]) -> Vec<WordCounter> {
    let (Some(limit), Some(word)) = (code.word_limits.per_customer, folded(code)) else {
        return Vec::new();
    };
    let keys = people
        .iter()
        .map(|person| keys::word_customer(&word, person));
    keys.map(|key| WordCounter { key, limit }).collect()
}

fn folded(code: &RedeemedCode) -> Option<FoldedWord> {
    match &code.code {
        CodeRef::Serial(_) | CodeRef::Automatic => None,
        CodeRef::Word(word) => GroupWord::try_from(word.clone())
            .ok()
            .map(|word| word.folded()),
    }
}
