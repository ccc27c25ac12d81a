//! Test mails: few, short-lived, each sent at most once.

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{DateTime, Utc};

use super::outbox::{LEASE, absent, millis, value};
use super::people::{Suppression, SuppressionReason};
use super::schema::{DUE_INDEX, DUE_MS, DUE_SHARD, TEST_MAIL_SHARD};
use super::transaction::{Action, Expression, Outcome};
use super::{Store, StoreError, keys, read, schema, write};
use crate::domain::follow_up::random_symbols;
use crate::domain::outbox::MailId;
use crate::domain::test_mail::{KEPT, TestMail, TestMailState};

/// What became of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TestMailClaim {
    /// The mail is the caller's to send, once.
    Claimed,
    /// Somebody else has it, or it has ended.
    Moved,
    /// Its recipient must not be mailed.
    Suppressed(SuppressionReason),
}

/// What became of a test mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TestMailChange {
    /// SES took it.
    Sent {
        /// When.
        at: DateTime<Utc>,
    },
    /// It was not sent and is to be tried again.
    DueAgain {
        /// When.
        at: DateTime<Utc>,
        /// Why it was not sent.
        reason: String,
    },
    /// It was not sent, and will not be.
    Failed {
        /// Why.
        reason: String,
    },
    /// Nobody knows.
    Unknown,
}

/// Places of the actions in a transaction.
const MAIL: usize = 0;
const SUPPRESSION: usize = 1;

/// Ends a test mail: its address goes, and nothing looks for it any more.
const END: &str = "SET #state = :state, sent_at = :sent, #reason = :reason \
                   REMOVE #to, lease_until, due_shard, due_ms";

impl Store {
    /// Queues a test mail, unless its recipient must not be mailed: then the reason.
    ///
    /// # Errors
    /// [`StoreError`] if it is not confirmed; it may be queued all the same.
    pub async fn queue_test_mail(
        &self,
        mail: &TestMail,
    ) -> Result<Option<SuppressionReason>, StoreError> {
        let mut item = write(&keys::test_mail(&mail.id), mail)?;
        item.insert(
            DUE_SHARD.to_owned(),
            AttributeValue::S(TEST_MAIL_SHARD.to_owned()),
        );
        item.insert(DUE_MS.to_owned(), millis(mail.requested_at));
        schema::set_ttl(&mut item, mail.requested_at + KEPT);
        let actions = [
            Action::PutNew(item),
            Action::Check(keys::suppression(&mail.person), absent()),
        ];
        match self.decide(&actions).await? {
            Ok(()) => Ok(None),
            // Its id is random: only an earlier try of the same call can have queued it.
            Err(outcomes) => suppressed(&outcomes),
        }
    }

    /// A test mail, strongly consistent; `None` once a day has passed.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn test_mail(
        &self,
        id: &MailId,
        now: DateTime<Utc>,
    ) -> Result<Option<TestMail>, StoreError> {
        let mail: Option<TestMail> = self.get(&keys::test_mail(id)).await?;
        Ok(mail.filter(|mail| now < mail.requested_at + KEPT))
    }

    /// At most `limit` test mails that need attention at `now`, the longest waiting first.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn due_test_mails(
        &self,
        now: DateTime<Utc>,
        limit: u16,
    ) -> Result<Vec<MailId>, StoreError> {
        let request = self.client.query().table_name(&self.table);
        let request = request
            .index_name(DUE_INDEX)
            .key_condition_expression("due_shard = :shard AND due_ms <= :now")
            .expression_attribute_values(":shard", AttributeValue::S(TEST_MAIL_SHARD.to_owned()))
            .expression_attribute_values(":now", millis(now))
            .limit(i32::from(limit));
        let page = request.send().await.map_err(StoreError::unavailable)?;
        let id = |item: super::Item| keys::test_mail_id(item.get("pk")?.as_s().ok()?);
        Ok(page
            .items
            .unwrap_or_default()
            .into_iter()
            .filter_map(id)
            .collect())
    }

    /// Claims a test mail that is due, unless its recipient must not be mailed.
    ///
    /// # Errors
    /// [`StoreError`] if it is not confirmed; then the claim may stand until its lease ends, and the mail is not sent.
    pub async fn claim_test_mail(
        &self,
        mail: &TestMail,
        now: DateTime<Utc>,
    ) -> Result<TestMailClaim, StoreError> {
        let token = random_symbols(16);
        let lease_until = now + LEASE;
        let claim = Action::Update {
            key: keys::test_mail(&mail.id),
            update: "SET #state = :sending, lease_until = :lease, due_ms = :lease_ms, claim = :claim",
            condition: Expression::new("#state = :due")
                .name("#state", "state")
                .value(":due", value(TestMailState::Due)?)
                .value(":sending", value(TestMailState::Sending)?)
                .value(":lease", value(lease_until)?)
                .value(":lease_ms", millis(lease_until))
                .string(":claim", token.as_str()),
        };
        let actions = [
            claim,
            Action::Check(keys::suppression(&mail.person), absent()),
        ];
        let Err(outcomes) = self.decide(&actions).await? else {
            return Ok(TestMailClaim::Claimed);
        };
        match outcomes.get(MAIL) {
            Some(Outcome::Refused(item)) => {
                let claim = item.as_ref().and_then(|item| item.get("claim"));
                let own = claim.and_then(|claim| claim.as_s().ok()) == Some(&token);
                Ok(if own {
                    TestMailClaim::Claimed
                } else {
                    TestMailClaim::Moved
                })
            }
            _ => Ok(suppressed(&outcomes)?.map_or(TestMailClaim::Moved, TestMailClaim::Suppressed)),
        }
    }

    /// Records what became of a test mail, if it still is in the state in which it was read; with its end, its address goes.
    ///
    /// # Errors
    /// [`StoreError`] if it is not confirmed.
    pub async fn change_test_mail(
        &self,
        id: &MailId,
        seen: TestMailState,
        change: &TestMailChange,
    ) -> Result<(), StoreError> {
        let condition = Expression::new("#state = :seen")
            .name("#state", "state")
            .name("#reason", "reason")
            .value(":seen", value(seen)?);
        let end = |state, sent: Option<DateTime<Utc>>, reason: Option<&str>| {
            let condition = condition
                .clone()
                .name("#to", "to")
                .value(":state", value(state)?)
                .value(":sent", value(sent)?)
                .value(":reason", value(reason)?);
            Ok::<_, StoreError>((END, condition))
        };
        let (update, condition) = match change {
            TestMailChange::Sent { at } => end(TestMailState::Sent, Some(*at), None)?,
            TestMailChange::Failed { reason } => end(TestMailState::Failed, None, Some(reason))?,
            TestMailChange::Unknown => end(TestMailState::Unknown, None, Some("unknown-outcome"))?,
            TestMailChange::DueAgain { at, reason } => (
                "SET #state = :due, due_ms = :at, #reason = :reason REMOVE lease_until",
                condition
                    .value(":due", value(TestMailState::Due)?)
                    .value(":at", millis(*at))
                    .string(":reason", reason),
            ),
        };
        let action = Action::Update {
            key: keys::test_mail(id),
            update,
            condition,
        };
        // Refused, it was recorded by an earlier try, or by whoever found the lease over.
        self.decide(&[action]).await.map(|_| ())
    }
}

/// Why the recipient must not be mailed, if that refused the transaction.
fn suppressed(outcomes: &[Outcome]) -> Result<Option<SuppressionReason>, StoreError> {
    match outcomes.get(SUPPRESSION) {
        Some(Outcome::Refused(item)) => {
            let suppression: Option<Suppression> = item.clone().map(read).transpose()?;
            Ok(Some(
                suppression.map_or(SuppressionReason::Unsubscribed, |found| found.reason),
            ))
        }
        _ => Ok(None),
    }
}
