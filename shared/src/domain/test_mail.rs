//! Sample mails that staff asked to be sent to an address of their own.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::follow_up::FollowUpId;
use super::identity::{Email, PersonHash};
use super::outbox::MailId;

/// How long a test mail is tried, and its address kept, at most: whoever asked for it has gone by then.
pub const TRIED_FOR: TimeDelta = TimeDelta::hours(1);
/// How long it is kept what became of one.
pub const KEPT: TimeDelta = TimeDelta::hours(24);

/// Where a test mail stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TestMailState {
    /// Waits for `send-mail`, which runs each minute.
    Due,
    /// On its way to SES.
    Sending,
    /// SES took it.
    Sent,
    /// It was not sent and will not be.
    Failed,
    /// The outcome is unknown; it is not sent again.
    Unknown,
}

/// A sample mail of a follow-up, to one address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestMail {
    /// Its id.
    pub id: MailId,
    /// Where it stands.
    pub state: TestMailState,
    /// Whose mail is sampled …
    pub follow_up_id: FollowUpId,
    /// … and which arm of it, by name.
    pub variant: String,
    /// The language asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// To whom, by hash.
    pub person: PersonHash,
    /// Where to; gone once it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Email>,
    /// When it was asked for.
    pub requested_at: DateTime<Utc>,
    /// Why it waits, or was not sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When SES took it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<DateTime<Utc>>,
    /// Until when the claim holds, in state `sending`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_until: Option<DateTime<Utc>>,
}
