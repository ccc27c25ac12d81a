//! Group codes: words that many buyers share, unique across the shop in their folded form.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::idempotency::{CreateError, Created, Idempotency};
use super::promotions::{AGES, Freshness};
use super::transaction::Action;
use super::{Store, StoreError, keys, write};
use crate::domain::channel::Channel;
use crate::domain::code::{FoldedWord, GroupWord, PromotionId};
use crate::domain::word_limits::WordLimits;

/// A word and what it stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GroupCode {
    /// The word, upper case, as staff gave it.
    pub code: GroupWord,
    /// Its promotion.
    pub promotion_id: PromotionId,
    /// Where it is handed out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// How often it may be used, beside its promotion's limits.
    #[serde(default, skip_serializing_if = "WordLimits::is_none")]
    pub limits: WordLimits,
    /// Whether it was taken back.
    #[serde(default, skip_serializing_if = "is_false")]
    pub voided: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(value: &bool) -> bool {
    !value
}

impl Store {
    /// Adds a word to its promotion.
    ///
    /// # Errors
    /// [`CreateError::Taken`] if the word, or one that reads the same, is in use anywhere in the shop.
    pub async fn add_group_code(
        &self,
        code: &GroupCode,
        request: Option<&Idempotency>,
        answer: &str,
        now: DateTime<Utc>,
    ) -> Result<Created, CreateError> {
        let folded = code.code.folded();
        let actions = vec![
            Action::PutNew(write(&keys::word(&folded), code)?),
            Action::PutNew(write(&keys::word_of(&code.promotion_id, &folded), code)?),
        ];
        let created = self.create(actions, request, answer, now).await;
        self.group_codes.forget(&folded);
        created
    }

    /// What a word stands for, or `None`.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn group_code(
        &self,
        word: &FoldedWord,
        freshness: Freshness,
        now: DateTime<Utc>,
    ) -> Result<Option<GroupCode>, StoreError> {
        if freshness == Freshness::Remembered
            && let Some(known) = self.group_codes.fresh(word, now, AGES)
        {
            return Ok(known);
        }
        let found: Option<GroupCode> = self.get(&keys::word(word)).await?;
        self.group_codes.put(word.clone(), now, found.clone());
        Ok(found)
    }

    /// All words of a promotion.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn group_codes_of(
        &self,
        promotion: &PromotionId,
    ) -> Result<Vec<GroupCode>, StoreError> {
        self.query_prefix(&keys::promotion_partition(promotion), "word#")
            .await
    }
}
