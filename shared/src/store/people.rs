//! People by keyed hash: how to reach them, and who must not be mailed.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::transaction::{Action, Expression, Outcome};
use super::{Store, StoreError, keys, schema, write};
use crate::domain::identity::PersonHash;
use crate::domain::outbox::Contact;

/// Why a person must not be mailed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SuppressionReason {
    /// They said so.
    Unsubscribed,
    /// Their address does not exist.
    Bounced,
    /// They reported a mail as spam.
    Complained,
    /// They asked to be forgotten.
    Forgotten,
}

/// That a person must not be mailed; kept for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppression {
    /// Why; of several reasons the first.
    pub reason: SuppressionReason,
    /// Since when.
    pub since: DateTime<Utc>,
    /// When they were forgotten, if they were: from then on nothing is written about them either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forgotten_at: Option<DateTime<Utc>>,
}

impl Store {
    /// How to reach a person, or `None` if that is not known or no longer to be known.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn contact(
        &self,
        person: &PersonHash,
        now: DateTime<Utc>,
    ) -> Result<Option<Contact>, StoreError> {
        let contact: Option<Contact> = self.get(&keys::contact(person)).await?;
        Ok(contact.filter(|contact| now < contact.forget_at))
    }

    /// Sees to it that a person is not mailed any more. Doing it again changes nothing.
    ///
    /// # Errors
    /// [`StoreError`] if it is not confirmed.
    pub async fn suppress(
        &self,
        person: &PersonHash,
        reason: SuppressionReason,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let suppression = Suppression {
            reason,
            since: now,
            forgotten_at: None,
        };
        let item = write(&keys::suppression(person), &suppression)?;
        // Refused means that they were suppressed before, which is all that is asked for.
        let _: Result<(), Vec<Outcome>> = self.decide(&[Action::PutNew(item)]).await?;
        Ok(())
    }

    /// Whether a person must not be mailed, and why.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn suppression(
        &self,
        person: &PersonHash,
    ) -> Result<Option<Suppression>, StoreError> {
        self.get(&keys::suppression(person)).await
    }

    /// Whether a person must not be mailed.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn is_suppressed(&self, person: &PersonHash) -> Result<bool, StoreError> {
        Ok(self.suppression(person).await?.is_some())
    }
}

/// Keeps the newest address, for the longest of the times asked for. Where there is an item, the write rests on its time not
/// having moved since it was read.
pub(super) fn contact_action(
    person: &PersonHash,
    contact: &Contact,
    known: Option<&Contact>,
) -> Result<Action, StoreError> {
    let kept_until = known.map_or(contact.forget_at, |known| {
        known.forget_at.max(contact.forget_at)
    });
    let contact = Contact {
        forget_at: kept_until,
        ..contact.clone()
    };
    let mut item = write(&keys::contact(person), &contact)?;
    schema::set_ttl(&mut item, kept_until);
    let Some(known) = known else {
        return Ok(Action::PutNew(item));
    };
    let seen = serde_dynamo::to_attribute_value(known.forget_at)
        .map_err(|error| StoreError::Corrupt(error.to_string()))?;
    Ok(Action::Put(
        item,
        Expression::new("forget_at = :seen").value(":seen", seen),
    ))
}
