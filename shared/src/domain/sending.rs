//! Whether mails go out at all: what stops every mail of the account, and when it may end (webhooks-and-mail.md §8.2, §8.5).

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// Why no mail is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PauseReason {
    /// SES, or staff in it, paused the account or the configuration set.
    SendingPaused,
    /// AWS took the account's right to send away.
    AccountSuspended,
    /// The sender's MAIL FROM domain lost its DNS records.
    MailFromDomainNotVerified,
    /// The configuration set is gone.
    ConfigurationSetMissing,
    /// Our own access to SES is refused.
    AccessRefused,
    /// The quota of 24 hours is used up.
    Quota,
    /// Too many mails bounced for good.
    BounceRate,
    /// Too many readers complained.
    ComplaintRate,
}

/// What must be seen before mails go out again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resumption {
    /// SES says that the account may send.
    Account,
    /// SES says that some of the quota is free.
    Quota,
    /// Only a mail that SES takes shows it: one is tried first.
    Trial,
    /// The rates of the window are below the limit again, as old days leave it.
    Rates,
}

impl PauseReason {
    /// What an error that stops the whole queue means, by SES's name for it. Source: webhooks-and-mail.md §8.2.
    pub fn of_ses(code: &str) -> Self {
        match code {
            "SendingPausedException" => Self::SendingPaused,
            "AccountSuspendedException" => Self::AccountSuspended,
            "MailFromDomainNotVerifiedException" => Self::MailFromDomainNotVerified,
            "NotFoundException" => Self::ConfigurationSetMissing,
            _ => Self::AccessRefused,
        }
    }

    /// The stable word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SendingPaused => "sending-paused",
            Self::AccountSuspended => "account-suspended",
            Self::MailFromDomainNotVerified => "mail-from-domain-not-verified",
            Self::ConfigurationSetMissing => "configuration-set-missing",
            Self::AccessRefused => "access-refused",
            Self::Quota => "quota",
            Self::BounceRate => "bounce-rate",
            Self::ComplaintRate => "complaint-rate",
        }
    }

    /// What must be seen before mails go out again.
    pub fn resumption(self) -> Resumption {
        match self {
            Self::SendingPaused | Self::AccountSuspended => Resumption::Account,
            Self::Quota => Resumption::Quota,
            Self::MailFromDomainNotVerified
            | Self::ConfigurationSetMissing
            | Self::AccessRefused => Resumption::Trial,
            Self::BounceRate | Self::ComplaintRate => Resumption::Rates,
        }
    }

    /// How long to wait before looking again. Source of the 15 minutes: webhooks-and-mail.md §8.2; the others are ours.
    pub fn probe_every(self) -> TimeDelta {
        match self {
            Self::AccountSuspended | Self::BounceRate | Self::ComplaintRate => TimeDelta::hours(1),
            Self::SendingPaused
            | Self::MailFromDomainNotVerified
            | Self::ConfigurationSetMissing
            | Self::AccessRefused
            | Self::Quota => TimeDelta::minutes(15),
        }
    }
}

/// That no mail is sent at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendingPause {
    /// Why.
    pub reason: PauseReason,
    /// Since when.
    pub since: DateTime<Utc>,
    /// When to look next whether it is over.
    pub probe_at: DateTime<Utc>,
}

impl SendingPause {
    /// A pause from `now` on.
    pub fn new(reason: PauseReason, now: DateTime<Utc>) -> Self {
        Self {
            reason,
            since: now,
            probe_at: now + reason.probe_every(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_stored_as_the_word_it_is_told_by() {
        for reason in [
            PauseReason::SendingPaused,
            PauseReason::AccountSuspended,
            PauseReason::MailFromDomainNotVerified,
            PauseReason::ConfigurationSetMissing,
            PauseReason::AccessRefused,
            PauseReason::Quota,
            PauseReason::BounceRate,
            PauseReason::ComplaintRate,
        ] {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
    }
}
