//! Forgetting a person: what is not sent is withdrawn, and everything kept about them goes but that they must not be mailed.
//!
//! What a limit or the books rest on stays under the keyed hash: uses of promotions and words, used codes, mails sent, and what the
//! person added to the results of follow-ups, without the orders by which they did.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::orders::voiding;
use super::outbox::{FORGOTTEN, MARK_ENDED, ended, value};
use super::people::SuppressionReason;
use super::transaction::{Action, Expression};
use super::{CodeItem, CodeState, Store, StoreError, every_item, keys, retry};
use crate::domain::identity::PersonHash;
use crate::domain::outbox::{MailId, MailState, OutboxMail};
use keys::Key;

/// That a mail is to a person.
#[derive(Serialize, Deserialize)]
pub(super) struct PersonMail {
    pub(super) mail_id: MailId,
}

/// What forgetting a person took away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Mails that were due and are not sent; their codes are void.
    pub mails_withdrawn: u32,
    /// Mails that were on their way at that moment and may arrive.
    pub mails_in_flight: u32,
    /// Addresses, each with name and language: 1 or 0.
    pub addresses: u32,
    /// What follow-ups had counted about them.
    pub counters: u32,
}

/// What became of one mail to a forgotten person.
enum LetGo {
    Withdrawn,
    InFlight,
    /// It had ended before.
    Ended,
}

impl Store {
    /// Forgets a person, for good. They are not mailed any more, and no order issues anything to them from then on. Doing it
    /// again removes what a first call left, and is right whatever became of that.
    ///
    /// # Errors
    /// [`StoreError`] if any part is not confirmed; doing it again completes it.
    pub async fn forget(
        &self,
        person: &PersonHash,
        now: DateTime<Utc>,
    ) -> Result<Forgotten, StoreError> {
        let first = Action::Update {
            key: keys::suppression(person),
            update: "SET forgotten_at = :now, #reason = if_not_exists(#reason, :reason), \
                     since = if_not_exists(since, :now)",
            condition: Expression::new("attribute_not_exists(forgotten_at)")
                .name("#reason", "reason")
                .value(":now", value(now)?)
                .value(":reason", value(SuppressionReason::Forgotten)?),
        };
        // Refused, they were forgotten before, and what is left of that is done now.
        let _: Result<(), _> = self.decide(&[first]).await?;
        // Whatever is issued after that fails its check, so this strongly consistent read sees all there is.
        let mut forgotten = Forgotten::default();
        for key in self.keys_of(&keys::person_partition(person)).await? {
            let counter = match key.sk.strip_prefix(keys::PERSON_MAIL_PREFIX) {
                _ if key.sk == keys::SUPPRESSION => continue,
                Some(id) => match self.let_go(&key, id, now).await? {
                    LetGo::Withdrawn => &mut forgotten.mails_withdrawn,
                    LetGo::InFlight => &mut forgotten.mails_in_flight,
                    LetGo::Ended => continue,
                },
                None if !self.remove(&key).await? => continue,
                None if key.sk == keys::CONTACT => &mut forgotten.addresses,
                None => &mut forgotten.counters,
            };
            *counter = counter.saturating_add(1);
        }
        self.close_book(person).await?;
        Ok(forgotten)
    }

    /// Withdraws a mail that is still due and voids its code, which nobody has seen; forgets to whom it was, unless it is on
    /// its way.
    async fn let_go(
        &self,
        pointer: &Key,
        id: &str,
        now: DateTime<Utc>,
    ) -> Result<LetGo, StoreError> {
        let id = MailId::try_from(id.to_owned())
            .map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let mut attempts = retry::Attempts::new();
        loop {
            let mail: Option<OutboxMail> = self.get(&keys::mail(&id)).await?;
            let unseen = match mail.as_ref().map(|mail| mail.state) {
                Some(MailState::Due) => mail,
                Some(MailState::Sending | MailState::Unsettled) => return Ok(LetGo::InFlight),
                Some(
                    MailState::Sent | MailState::Failed | MailState::Parked | MailState::Withdrawn,
                )
                | None => None,
            };
            let Some(mail) = unseen else {
                self.remove(pointer).await?;
                return Ok(LetGo::Ended);
            };
            let key = keys::code(&mail.promotion_id, mail.serial);
            let code: Option<CodeItem> = self.get(&key).await?;
            let mut actions = vec![withdrawal(&id, mail.attempt, now)?, removal(pointer)];
            if code.is_some_and(|code| code.state == CodeState::Unused) {
                actions.push(voiding(&mail.promotion_id, mail.serial));
            }
            if self.decide(&actions).await?.is_ok() {
                return Ok(LetGo::Withdrawn);
            }
            // Something has moved on, or an earlier try did it: look again.
            attempts.pause().await?;
        }
    }

    /// Deletes an item; `false` if there was none.
    async fn remove(&self, key: &Key) -> Result<bool, StoreError> {
        Ok(self.decide(&[removal(key)]).await?.is_ok())
    }

    /// The keys of all items of a partition, strongly consistent.
    async fn keys_of(&self, partition: &str) -> Result<Vec<Key>, StoreError> {
        let request = self.query("pk = :pk", partition);
        let items = every_item(request.projection_expression("pk, sk")).await?;
        Ok(items.iter().filter_map(Key::of).collect())
    }
}

fn withdrawal(id: &MailId, attempt: u32, now: DateTime<Utc>) -> Result<Action, StoreError> {
    let due = Expression::new("#state = :due AND attempt = :attempt")
        .number(":attempt", attempt)
        .string(":due", "due");
    Ok(Action::Update {
        key: keys::mail(id),
        update: MARK_ENDED,
        condition: ended(due, MailState::Withdrawn, FORGOTTEN, now)?,
    })
}

fn removal(key: &Key) -> Action {
    Action::Delete(key.clone(), Expression::new("attribute_exists(pk)"))
}
