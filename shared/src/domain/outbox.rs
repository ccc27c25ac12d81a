//! Mails that are due or were sent.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::code::{PromotionId, Serial};
use super::follow_up::{FollowUpId, random_symbols};
use super::identity::PersonHash;
use super::order::OrderId;

/// A mail's id: 26 random symbols `a-z2-7`, safe in SES tags and table keys.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MailId(String);

/// The text is no mail id.
#[derive(Debug, thiserror::Error)]
#[error("not a mail id")]
pub struct InvalidMailId;

impl MailId {
    /// A new id (130 random bits).
    pub fn random() -> Self {
        Self(random_symbols(26))
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for MailId {
    type Error = InvalidMailId;

    fn try_from(text: String) -> Result<Self, InvalidMailId> {
        let well_formed = text.len() == 26
            && text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        if well_formed {
            Ok(Self(text))
        } else {
            Err(InvalidMailId)
        }
    }
}

impl From<MailId> for String {
    fn from(id: MailId) -> Self {
        id.0
    }
}

impl fmt::Display for MailId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a mail stands (webhooks-and-mail.md §8.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MailState {
    /// Waits for its time (or for another try).
    Due,
    /// Claimed by one `send-mail` run until its lease ends.
    Sending,
    /// SES took it.
    Sent,
    /// The outcome is unknown: the answer was lost or the sender died. Waits for an SES event to settle it.
    Unsettled,
    /// Refused for good; the reason is kept.
    Failed,
    /// Set aside for a person to decide.
    Parked,
    /// Taken back before it was sent: order cancelled, person unsubscribed, follow-up deleted.
    Withdrawn,
}

/// The reason kept with a mail whose outcome stayed unknown.
pub const UNKNOWN_OUTCOME: &str = "unknown-outcome";

/// One mail in the outbox. The code is kept as its serial and only becomes text in the mail itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxMail {
    /// Its id.
    pub id: MailId,
    /// Where it stands.
    pub state: MailState,
    /// The follow-up that earned it …
    pub follow_up_id: FollowUpId,
    /// … and the version of it in force when the order arrived.
    pub follow_up_version: u64,
    /// The variant's name.
    pub variant: String,
    /// The order that earned it.
    pub order_id: OrderId,
    /// To whom; address, name and locale are in the person's contact item.
    pub person: PersonHash,
    /// The promotion of its code.
    pub promotion_id: PromotionId,
    /// The code's serial.
    pub serial: Serial,
    /// First moment the code no longer works.
    pub code_expires_at: DateTime<Utc>,
    /// When it is to be sent.
    pub due_at: DateTime<Utc>,
    /// When it entered the outbox.
    pub created_at: DateTime<Utc>,
    /// How often it was claimed.
    #[serde(default)]
    pub attempt: u32,
    /// Until when the claim holds, in state `sending`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_until: Option<DateTime<Utc>>,
    /// When SES took it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mailed_at: Option<DateTime<Utc>>,
    /// The id SES gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// Why it failed, was parked or withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it ended unsent (failed, parked or withdrawn); mails that ended before this was kept have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<DateTime<Utc>>,
    /// How often staff had it sent again after it had ended.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub resends: u32,
    /// Sent again after an unknown outcome that nothing settled: the buyer may have it twice.
    #[serde(default)]
    pub duplicate_risk: bool,
    /// When it was heard that it was delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered_at: Option<DateTime<Utc>>,
    /// When it was heard that it came back for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bounced_at: Option<DateTime<Utc>>,
    /// The reminder queued with it, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reminder: Option<MailId>,
    /// The mail it reminds of, if it is a reminder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reminder_of: Option<MailId>,
}

impl OutboxMail {
    /// What kind of mail it is, as SES tag and list name.
    pub fn kind(&self) -> &'static str {
        match self.reminder_of {
            None => "thank-you",
            Some(_) => "reminder",
        }
    }

    /// Whether staff may have it sent again: it ended unsent, and nothing forbids it but what the next try looks at anyway.
    pub fn can_be_sent_again(&self) -> bool {
        matches!(self.state, MailState::Failed | MailState::Parked)
    }

    /// Whether an earlier try may have reached the buyer, so that another may be their second.
    pub fn may_have_arrived(&self) -> bool {
        self.duplicate_risk
            || matches!(self.state, MailState::Parked | MailState::Unsettled)
            || self.reason.as_deref() == Some(UNKNOWN_OUTCOME)
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands fields over by reference"
)]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// How to reach a person: kept apart from everything else, under their hash, and gone 30 days after their last mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// Where to mail to.
    pub email: super::identity::Email,
    /// How to greet them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Their language tag, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// From this moment on it counts as gone, even if the table has not deleted it yet.
    pub forget_at: DateTime<Utc>,
}
