//! The outbox: which mails need attention, who may send one, and what became of it (webhooks-and-mail.md §8.3).

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::people::{Suppression, SuppressionReason};
use super::schema::{self, DUE_INDEX, DUE_MS, DUE_SHARDS};
use super::transaction::{Action, Expression, Outcome, TransactError};
use super::{CodeItem, CodeState, Item, Store, StoreError, due, follow_ups, keys, read, retry};
use crate::domain::follow_up::random_symbols;
use crate::domain::outbox::{MailId, MailState, OutboxMail};

/// How long a claim holds: well above the 10 s in which SES must answer. Source: webhooks-and-mail.md §8.3.
pub const LEASE: TimeDelta = TimeDelta::seconds(120);

/// What became of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The mail is the caller's to send, once, until its lease ends.
    Claimed(Box<OutboxMail>),
    /// It is no longer as it was read: somebody else has it, or it is not due.
    Moved,
    /// It must not be sent.
    Blocked(Block),
}

/// Why a mail must not be sent. Where several hold, the first of these is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// Its order was cancelled or refunded.
    Cancelled,
    /// Its buyer must not be mailed.
    Suppressed(SuppressionReason),
    /// Its buyer's address rests after passing bounces.
    Resting,
    /// Its follow-up was deleted.
    FollowUpDeleted,
    /// Its follow-up is paused: it waits.
    FollowUpPaused,
    /// An order has its code.
    CodeUsed,
    /// Its code was voided.
    CodeVoided,
    /// It is a reminder, and the mail it reminds of was not sent.
    NothingToRemindOf,
}

impl Block {
    /// The reason kept with the mail.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Suppressed(SuppressionReason::Unsubscribed) => "unsubscribed",
            Self::Resting
            | Self::Suppressed(SuppressionReason::Bounced | SuppressionReason::Complained) => {
                "suppressed"
            }
            Self::Suppressed(SuppressionReason::Forgotten) => FORGOTTEN,
            Self::FollowUpDeleted => "follow-up-deleted",
            Self::FollowUpPaused => "follow-up-paused",
            Self::CodeUsed => "code-used",
            Self::CodeVoided => "voided",
            Self::NothingToRemindOf => "first-mail-not-sent",
        }
    }
}

/// What became of a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailChange {
    /// SES took it.
    Sent {
        /// When.
        at: DateTime<Utc>,
        /// The id SES gave it.
        message_id: String,
    },
    /// It was not sent and is to be tried again.
    DueAgain {
        /// When.
        at: DateTime<Utc>,
        /// Why it was not sent.
        reason: String,
    },
    /// Nobody knows whether it was sent.
    Unsettled {
        /// When to decide without further news.
        decide_at: DateTime<Utc>,
    },
    /// It will never be sent.
    Failed {
        /// Why.
        reason: String,
    },
    /// A person must decide.
    Parked {
        /// Why.
        reason: String,
    },
    /// It was taken back.
    Withdrawn {
        /// Why.
        reason: String,
    },
}

impl MailChange {
    fn state(&self) -> MailState {
        match self {
            Self::Sent { .. } => MailState::Sent,
            Self::DueAgain { .. } => MailState::Due,
            Self::Unsettled { .. } => MailState::Unsettled,
            Self::Failed { .. } => MailState::Failed,
            Self::Parked { .. } => MailState::Parked,
            Self::Withdrawn { .. } => MailState::Withdrawn,
        }
    }
}

/// The reason kept with a mail to somebody who was forgotten.
pub(super) const FORGOTTEN: &str = "forgotten";

/// Places of the actions in a claim's transaction, after the mail's own.
const TOMBSTONE: usize = 1;
const SUPPRESSION: usize = 2;
const FOLLOW_UP: usize = 3;
const CODE: usize = 4;
const RESTING: usize = 5;
const FIRST_MAIL: usize = 6;

/// The update by which a mail becomes `sent`.
const MARK_SENT: &str = "SET #state = :state, mailed_at = :at, message_id = :message, due_shard = :list, due_ms = :at_ms \
                         REMOVE lease_until";
/// The update by which a mail ends unsent.
pub(super) const MARK_ENDED: &str = "SET #state = :state, #reason = :reason, ended_at = :ended, due_shard = :list, \
                                     due_ms = :ended_ms REMOVE lease_until";

/// Adds to a condition what [`MARK_SENT`] writes.
fn sent(
    condition: Expression,
    at: DateTime<Utc>,
    message_id: &str,
) -> Result<Expression, StoreError> {
    Ok(condition
        .value(":state", value(MailState::Sent)?)
        .value(":at", value(at)?)
        .string(":message", message_id)
        .string(":list", schema::SENT_LIST)
        .value(":at_ms", millis(at)))
}

/// Adds to a condition what [`MARK_ENDED`] writes, and the names it and the condition use.
pub(super) fn ended(
    condition: Expression,
    state: MailState,
    reason: &str,
    at: DateTime<Utc>,
) -> Result<Expression, StoreError> {
    Ok(condition
        .name("#state", "state")
        .name("#reason", "reason")
        .value(":state", value(state)?)
        .string(":reason", reason)
        .value(":ended", value(at)?)
        .string(":list", due::list(state).unwrap_or(schema::FAILED_LIST))
        .value(":ended_ms", millis(at)))
}

impl Store {
    /// At most `limit` mails that need attention at `now`, the longest waiting first. The index may lag behind the table, so
    /// each must be read before anything is decided.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn due_mails(
        &self,
        now: DateTime<Utc>,
        limit: u16,
    ) -> Result<Vec<MailId>, StoreError> {
        let mut found = Vec::new();
        for shard in 0..DUE_SHARDS {
            let request = self.client.query().table_name(&self.table);
            let request = request
                .index_name(DUE_INDEX)
                .key_condition_expression("due_shard = :shard AND due_ms <= :now")
                .expression_attribute_values(":shard", AttributeValue::S(shard.to_string()))
                .expression_attribute_values(":now", millis(now))
                .limit(i32::from(limit));
            let page = request.send().await.map_err(StoreError::unavailable)?;
            found.extend(page.items.unwrap_or_default().iter().filter_map(entry));
        }
        found.sort_by_key(|(due_ms, _)| *due_ms);
        found.truncate(usize::from(limit));
        Ok(found.into_iter().map(|(_, id)| id).collect())
    }

    /// A mail, strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn mail(&self, id: &MailId) -> Result<Option<OutboxMail>, StoreError> {
        self.get(&keys::mail(id)).await
    }

    /// Claims a mail that was read as `due` or `unsettled`: one transaction that also holds against it everything that forbids
    /// sending it. A mail claimed after an unknown outcome is flagged: the buyer may get it twice.
    ///
    /// # Errors
    /// [`StoreError`] if it is not confirmed; then the claim may stand until its lease ends.
    pub async fn claim_mail(
        &self,
        mail: &OutboxMail,
        now: DateTime<Utc>,
    ) -> Result<Claim, StoreError> {
        let token = random_symbols(16);
        let claimed = OutboxMail {
            state: MailState::Sending,
            attempt: mail.attempt.saturating_add(1),
            lease_until: Some(now + LEASE),
            reason: None,
            duplicate_risk: mail.duplicate_risk || mail.state == MailState::Unsettled,
            ..mail.clone()
        };
        let mut actions = vec![
            claim_action(mail, &claimed, &token, now)?,
            Action::Check(keys::tombstone(&mail.order_id), absent()),
            Action::Check(keys::suppression(&mail.person), absent()),
            Action::Check(keys::follow_up(&mail.follow_up_id), follow_ups::sends()),
            Action::Check(
                keys::code(&mail.promotion_id, mail.serial),
                Expression::new("#state = :unused")
                    .name("#state", "state")
                    .value(":unused", value(CodeState::Unused)?),
            ),
            Action::Check(
                keys::soft_bounces(&mail.person),
                Expression::new("attribute_not_exists(paused_until_ms) OR paused_until_ms <= :now")
                    .value(":now", millis(now)),
            ),
        ];
        if let Some(first) = &mail.reminder_of {
            let sent = Expression::new("#state = :sent")
                .name("#state", "state")
                .value(":sent", value(MailState::Sent)?);
            actions.push(Action::Check(keys::mail(first), sent));
        }
        match self.decide(&actions).await? {
            Ok(()) => Ok(Claim::Claimed(Box::new(claimed))),
            Err(outcomes) if holds_token(&outcomes, &token) => {
                Ok(Claim::Claimed(Box::new(claimed)))
            }
            Err(outcomes) => judge(outcomes),
        }
    }

    /// Records what became of a mail, if it is still as `mail` says (state and attempt); `false` if it is not. That SES took it
    /// is a fact and is recorded even if the mail has meanwhile been given up as unsettled. What ends it unsent does so `now`.
    ///
    /// # Errors
    /// [`StoreError`] if it is not confirmed.
    pub async fn change_mail(
        &self,
        mail: &OutboxMail,
        change: &MailChange,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        match self.decide(&[change_action(mail, change, now)?]).await? {
            Ok(()) => Ok(true),
            // A try whose answer was lost may have been applied.
            Err(outcomes) => match outcomes.into_iter().next() {
                Some(Outcome::Refused(Some(item))) => {
                    let found: OutboxMail = read(item)?;
                    Ok(found.state == change.state() && found.attempt == mail.attempt)
                }
                _ => Ok(false),
            },
        }
    }

    /// Records what SES itself reports: at `mailed_at` it took this attempt at a mail. That settles an attempt whose answer was
    /// lost or has not come yet; a mail that has ended, was put back, or is at a later attempt stays as it is. `false` if this
    /// call did not settle it.
    ///
    /// # Errors
    /// [`StoreError`] if it is not confirmed.
    pub async fn settle_mail(
        &self,
        id: &MailId,
        attempt: u32,
        message_id: &str,
        mailed_at: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let condition = Expression::new("attempt = :attempt AND #state IN (:sending, :unsettled)")
            .name("#state", "state")
            .number(":attempt", attempt)
            .value(":sending", value(MailState::Sending)?)
            .value(":unsettled", value(MailState::Unsettled)?);
        let action = Action::Update {
            key: keys::mail(id),
            update: MARK_SENT,
            condition: sent(condition, mailed_at, message_id)?,
        };
        Ok(self.decide(&[action]).await?.is_ok())
    }

    /// Records what SES itself reports: it took this attempt at a mail and then would not deliver it. That holds also against
    /// the caller's own `sent`, which comes first. `false` if this call did not change the mail.
    ///
    /// # Errors
    /// [`StoreError`] if it is not confirmed.
    pub async fn reject_mail(
        &self,
        id: &MailId,
        attempt: u32,
        reason: &str,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let condition =
            Expression::new("attempt = :attempt AND #state IN (:sending, :unsettled, :sent)")
                .number(":attempt", attempt)
                .value(":sending", value(MailState::Sending)?)
                .value(":unsettled", value(MailState::Unsettled)?)
                .value(":sent", value(MailState::Sent)?);
        let action = Action::Update {
            key: keys::mail(id),
            update: MARK_ENDED,
            condition: ended(condition, MailState::Failed, reason, now)?,
        };
        Ok(self.decide(&[action]).await?.is_ok())
    }

    /// Applies all actions or none, trying again while nothing is decided. The inner error has one outcome per action, of which
    /// at least one is refused; a try whose answer was lost may have caused that.
    pub(super) async fn decide(
        &self,
        actions: &[Action],
    ) -> Result<Result<(), Vec<Outcome>>, StoreError> {
        let mut attempts = retry::Attempts::new();
        loop {
            match self.transact(actions.to_vec()).await {
                Ok(()) => return Ok(Ok(())),
                Err(TransactError::Cancelled(outcomes))
                    if !outcomes.contains(&Outcome::Undecided) =>
                {
                    return Ok(Err(outcomes));
                }
                Err(TransactError::Store(error @ StoreError::Corrupt(_))) => return Err(error),
                Err(TransactError::Cancelled(_) | TransactError::Store(_)) => {
                    attempts.pause().await?;
                }
            }
        }
    }
}

pub(super) fn absent() -> Expression {
    Expression::new("attribute_not_exists(pk)")
}

pub(super) fn millis(at: DateTime<Utc>) -> AttributeValue {
    AttributeValue::N(at.timestamp_millis().to_string())
}

pub(super) fn value(value: impl Serialize) -> Result<AttributeValue, StoreError> {
    serde_dynamo::to_attribute_value(value).map_err(|error| StoreError::Corrupt(error.to_string()))
}

/// Time and mail of an entry of the due index.
fn entry(item: &Item) -> Option<(i64, MailId)> {
    let due_ms = item.get(DUE_MS)?.as_n().ok()?.parse().ok()?;
    Some((due_ms, keys::mail_id(item.get("pk")?.as_s().ok()?)?))
}

fn claim_action(
    mail: &OutboxMail,
    claimed: &OutboxMail,
    token: &str,
    now: DateTime<Utc>,
) -> Result<Action, StoreError> {
    let lease_until = now + LEASE;
    Ok(Action::Update {
        key: keys::mail(&mail.id),
        update: "SET #state = :sending, attempt = :next, lease_until = :lease, due_ms = :lease_ms, \
                 duplicate_risk = :risk, claim = :claim REMOVE #reason",
        condition: Expression::new("#state = :seen AND attempt = :attempt AND due_ms <= :now")
            .name("#state", "state")
            .name("#reason", "reason")
            .value(":seen", value(mail.state)?)
            .number(":attempt", mail.attempt)
            .value(":now", millis(now))
            .value(":sending", value(claimed.state)?)
            .number(":next", claimed.attempt)
            .value(":lease", value(lease_until)?)
            .value(":lease_ms", millis(lease_until))
            .value(":risk", AttributeValue::Bool(claimed.duplicate_risk))
            .string(":claim", token),
    })
}

/// Whether the mail was refused because an earlier try of the same claim, whose answer was lost, has it.
fn holds_token(outcomes: &[Outcome], token: &str) -> bool {
    match outcomes.first() {
        Some(Outcome::Refused(Some(item))) => {
            item.get("claim").and_then(|claim| claim.as_s().ok()) == Some(&token.to_owned())
        }
        _ => false,
    }
}

/// What a refused claim means.
fn judge(mut outcomes: Vec<Outcome>) -> Result<Claim, StoreError> {
    let mut refused = |place: usize| match outcomes.get_mut(place) {
        Some(Outcome::Refused(item)) => Some(item.take()),
        _ => None,
    };
    if refused(0).is_some() {
        return Ok(Claim::Moved);
    }
    if refused(TOMBSTONE).is_some() {
        return Ok(Claim::Blocked(Block::Cancelled));
    }
    if let Some(item) = refused(SUPPRESSION) {
        let suppression: Option<Suppression> = item.map(read).transpose()?;
        let reason = suppression.map_or(SuppressionReason::Unsubscribed, |found| found.reason);
        return Ok(Claim::Blocked(Block::Suppressed(reason)));
    }
    if refused(RESTING).is_some() {
        return Ok(Claim::Blocked(Block::Resting));
    }
    if let Some(item) = refused(FOLLOW_UP) {
        let paused = item.as_ref().is_some_and(follow_ups::is_paused);
        return Ok(Claim::Blocked(if paused {
            Block::FollowUpPaused
        } else {
            Block::FollowUpDeleted
        }));
    }
    match (refused(CODE), refused(FIRST_MAIL)) {
        (Some(item), _) => {
            let code: Option<CodeItem> = item.map(read).transpose()?;
            let used = code
                .is_some_and(|code| matches!(code.state, CodeState::Redeemed | CodeState::Held));
            let block = if used {
                Block::CodeUsed
            } else {
                Block::CodeVoided
            };
            Ok(Claim::Blocked(block))
        }
        (None, Some(_)) => Ok(Claim::Blocked(Block::NothingToRemindOf)),
        (None, None) => Ok(Claim::Moved),
    }
}

fn change_action(
    mail: &OutboxMail,
    change: &MailChange,
    now: DateTime<Utc>,
) -> Result<Action, StoreError> {
    let as_seen = match change {
        MailChange::Sent { .. } => {
            Expression::new("attempt = :attempt AND (#state = :seen OR #state = :unsettled)")
                .value(":unsettled", value(MailState::Unsettled)?)
        }
        _ => Expression::new("attempt = :attempt AND #state = :seen"),
    };
    let condition = as_seen
        .name("#state", "state")
        .number(":attempt", mail.attempt)
        .value(":seen", value(mail.state)?)
        .value(":state", value(change.state())?);
    let (update, condition) = match change {
        MailChange::Sent { at, message_id } => (MARK_SENT, sent(condition, *at, message_id)?),
        MailChange::DueAgain { at, reason } => (
            "SET #state = :state, due_at = :at, due_ms = :at_ms, #reason = :reason \
             REMOVE lease_until",
            condition
                .name("#reason", "reason")
                .value(":at", value(at)?)
                .value(":at_ms", millis(*at))
                .string(":reason", reason),
        ),
        MailChange::Unsettled { decide_at } => (
            "SET #state = :state, due_ms = :at_ms REMOVE lease_until",
            condition.value(":at_ms", millis(*decide_at)),
        ),
        MailChange::Failed { reason }
        | MailChange::Parked { reason }
        | MailChange::Withdrawn { reason } => {
            (MARK_ENDED, ended(condition, change.state(), reason, now)?)
        }
    };
    Ok(Action::Update {
        key: keys::mail(&mail.id),
        update,
        condition,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(pairs: &[(&str, &str)]) -> Item {
        let pair = |(name, text): &(&str, &str)| {
            ((*name).to_owned(), AttributeValue::S((*text).to_owned()))
        };
        pairs.iter().map(pair).collect()
    }

    fn refused(pairs: &[(&str, &str)]) -> Outcome {
        Outcome::Refused(Some(item(pairs)))
    }

    fn code(state: &str) -> Outcome {
        let mut code = item(&[("state", state)]);
        code.insert("serial".to_owned(), AttributeValue::N("1".to_owned()));
        Outcome::Refused(Some(code))
    }

    #[test]
    fn of_several_reasons_not_to_send_the_first_is_told() {
        let since = ("since", "2026-11-22T03:04:05Z");
        let mut outcomes = [
            refused(&[("claim", "other")]),
            refused(&[("kind", "order.cancelled")]),
            refused(&[("reason", "complained"), since]),
            refused(&[]),
            code("redeemed"),
        ];
        let expected = [
            None,
            Some("cancelled"),
            Some("suppressed"),
            Some("follow-up-deleted"),
            Some("code-used"),
        ];
        for (place, reason) in expected.into_iter().enumerate() {
            let claim = judge(outcomes.to_vec()).unwrap();
            match reason {
                None => assert_eq!(claim, Claim::Moved),
                Some(reason) => {
                    assert!(
                        matches!(claim, Claim::Blocked(block) if block.reason() == reason),
                        "{claim:?}"
                    );
                }
            }
            outcomes[place] = Outcome::Held;
        }
    }

    #[test]
    fn a_code_without_its_item_or_voided_is_not_mailed() {
        for last in [code("voided"), Outcome::Refused(None)] {
            let mut outcomes = vec![Outcome::Held; 4];
            outcomes.push(last);
            assert_eq!(judge(outcomes).unwrap(), Claim::Blocked(Block::CodeVoided));
        }
    }

    #[test]
    fn a_claim_whose_answer_was_lost_is_known_by_its_token() {
        let outcomes = [refused(&[("claim", "mine"), ("state", "sending")])];
        assert!(holds_token(&outcomes, "mine"));
        assert!(!holds_token(&outcomes, "theirs"));
        assert!(!holds_token(&[Outcome::Held], "mine"));
    }
}
