//! Whether mails go out at all: what stops every mail of the account, and when it may end (webhooks-and-mail.md §8.2, §8.5).

use std::cmp::Ordering;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
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

/// Days over which bounces and complaints are compared with mails, today included. Ours.
pub const WINDOW_DAYS: u64 = 7;
/// Fewest mails of known outcome that are judged. Source: webhooks-and-mail.md §8.5.
const JUDGED_FROM: u64 = 200;
/// Fewest complaints that are judged: a single one of 200 mails would be six times the limit. Ours.
const COMPLAINTS_FROM: u64 = 2;

/// What became of the mails of the window, each counted once for each thing that happened to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcomes {
    /// Delivered, or come back for whatever reason.
    #[serde(default)]
    pub known: u64,
    /// Come back for good.
    #[serde(default)]
    pub bounced: u64,
    /// Reported as spam.
    #[serde(default)]
    pub complained: u64,
}

impl Outcomes {
    /// The sum of both.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            known: self.known.saturating_add(other.known),
            bounced: self.bounced.saturating_add(other.bounced),
            complained: self.complained.saturating_add(other.complained),
        }
    }

    /// What is left without `other`; never below zero.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self {
            known: self.known.saturating_sub(other.known),
            bounced: self.bounced.saturating_sub(other.bounced),
            complained: self.complained.saturating_sub(other.complained),
        }
    }

    /// Why all mail must stop: 4 % bounced, or 0.08 % complained. Source: webhooks-and-mail.md §8.5.
    pub fn too_bad(self) -> Option<PauseReason> {
        self.at_least(400, 8)
    }

    /// What staff should hear of: 2 % bounced, or 0.05 % complained. Source: webhooks-and-mail.md §8.5.
    pub fn alarming(self) -> Option<PauseReason> {
        self.at_least(200, 5)
    }

    /// Bounces and complaints in ten-thousandths of the mails of known outcome, rounded down, which agrees with the limits above;
    /// zero while there are too few to judge.
    pub fn rates(self) -> (u64, u64) {
        let rate = |count: u64, from: u64| {
            if self.known < JUDGED_FROM || count < from {
                0
            } else {
                count.saturating_mul(10_000) / self.known
            }
        };
        (
            rate(self.bounced, 0),
            rate(self.complained, COMPLAINTS_FROM),
        )
    }

    /// Compares with rates in ten-thousandths, without rounding.
    fn at_least(self, bounced: u64, complained: u64) -> Option<PauseReason> {
        let reaches =
            |count: u64, rate: u64| count.saturating_mul(10_000) >= self.known.saturating_mul(rate);
        if self.known < JUDGED_FROM {
            None
        } else if reaches(self.bounced, bounced) {
            Some(PauseReason::BounceRate)
        } else if self.complained >= COMPLAINTS_FROM && reaches(self.complained, complained) {
            Some(PauseReason::ComplaintRate)
        } else {
            None
        }
    }
}

/// That staff let mails go out again after too many had come back or been complained of. What was counted until then counts no
/// more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifting {
    /// When.
    pub at: DateTime<Utc>,
    /// Who, as they call themselves.
    pub by: String,
    /// Why, in their words.
    pub why: String,
    /// The pause it ended.
    pub pause: SendingPause,
    /// What the window held then.
    pub outcomes: Outcomes,
    /// What had been counted by then on its own day (UTC).
    pub of_day: Outcomes,
}

impl Lifting {
    /// What still counts of all that was counted on `day`.
    pub fn leaves(&self, day: NaiveDate, counted: Outcomes) -> Outcomes {
        match day.cmp(&self.at.date_naive()) {
            Ordering::Less => Outcomes::default(),
            Ordering::Equal => counted.minus(self.of_day),
            Ordering::Greater => counted,
        }
    }
}

/// The sum of days.
pub fn sum(days: &[(NaiveDate, Outcomes)]) -> Outcomes {
    days.iter()
        .fold(Outcomes::default(), |sum, (_, day)| sum.plus(*day))
}

/// The first day (UTC) after `today` on which what is left of `days` in the window is no longer too bad, if nothing is added.
pub fn clears_on(days: &[(NaiveDate, Outcomes)], today: NaiveDate) -> Option<NaiveDate> {
    (1..=WINDOW_DAYS)
        .filter_map(|ahead| today.checked_add_days(Days::new(ahead)))
        .find(|then| {
            let in_window = |day: NaiveDate| {
                day.checked_add_days(Days::new(WINDOW_DAYS))
                    .is_some_and(|out| *then < out)
            };
            let left: Vec<_> = days
                .iter()
                .copied()
                .filter(|(day, _)| in_window(*day))
                .collect();
            sum(&left).too_bad().is_none()
        })
}

/// Passing bounces after which an address rests, the time in which they count, and how long it rests. Source:
/// webhooks-and-mail.md §8.4.
const SOFT_BOUNCES: usize = 3;
const REST: TimeDelta = TimeDelta::days(30);

/// The passing bounces of one person's address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SoftBounces {
    /// Counts the changes, from 1.
    pub version: u64,
    /// When, in milliseconds since 1970; only those of the last 30 days.
    pub at_ms: Vec<i64>,
    /// Until when no mail goes there, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_until_ms: Option<i64>,
}

impl SoftBounces {
    /// The same after one more bounce at `now`: the third within 30 days makes the address rest for 30.
    #[must_use]
    pub fn and(&self, now: DateTime<Utc>) -> Self {
        let since = (now - REST).timestamp_millis();
        let mut at_ms: Vec<i64> = self
            .at_ms
            .iter()
            .copied()
            .filter(|at| *at > since)
            .collect();
        at_ms.push(now.timestamp_millis());
        let rests = at_ms.len() >= SOFT_BOUNCES;
        Self {
            version: self.version.saturating_add(1),
            at_ms: if rests { Vec::new() } else { at_ms },
            paused_until_ms: if rests {
                Some((now + REST).timestamp_millis())
            } else {
                self.paused_until_ms
            },
        }
    }

    /// From when on nothing in it counts any more.
    pub fn forget_at(now: DateTime<Utc>) -> DateTime<Utc> {
        now + REST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_stops_at_4_percent_bounced_or_0_08_percent_complained_of_200_or_more() {
        for (known, bounced, complained, expected) in [
            (199, 199, 199, None),
            (200, 7, 0, None),
            (200, 8, 0, Some(PauseReason::BounceRate)),
            (200, 0, 1, None),
            (2_500, 0, 2, Some(PauseReason::ComplaintRate)),
            (2_501, 0, 2, None),
        ] {
            let outcomes = Outcomes {
                known,
                bounced,
                complained,
            };
            assert_eq!(outcomes.too_bad(), expected, "{outcomes:?}");
        }
    }

    #[test]
    fn a_lifting_forgives_what_was_counted_before_it_and_nothing_after() {
        let day = |day: u32| NaiveDate::from_ymd_opt(2026, 11, day).unwrap();
        let counts = |known, bounced| Outcomes {
            known,
            bounced,
            complained: 0,
        };
        let at = "2026-11-22T10:00:00Z".parse().unwrap();
        let lifting = Lifting {
            at,
            by: "Hanako".to_owned(),
            why: "list cleaned".to_owned(),
            pause: SendingPause::new(PauseReason::BounceRate, at),
            outcomes: counts(300, 20),
            of_day: counts(100, 10),
        };
        assert_eq!(lifting.leaves(day(21), counts(200, 10)), counts(0, 0));
        assert_eq!(lifting.leaves(day(22), counts(150, 12)), counts(50, 2));
        assert_eq!(lifting.leaves(day(23), counts(150, 12)), counts(150, 12));
    }

    #[test]
    fn a_pause_is_told_to_end_when_its_bad_days_have_left_the_window() {
        let day = |day: u32| NaiveDate::from_ymd_opt(2026, 11, day).unwrap();
        let counts = |known, bounced| Outcomes {
            known,
            bounced,
            complained: 0,
        };
        let days = [(day(20), counts(100, 20)), (day(22), counts(300, 0))];
        assert_eq!(sum(&days).too_bad(), Some(PauseReason::BounceRate));
        assert_eq!(clears_on(&days, day(22)), Some(day(27)));
    }

    #[test]
    fn three_passing_bounces_within_30_days_make_an_address_rest_for_30() {
        let day = |day: i64| DateTime::UNIX_EPOCH + TimeDelta::days(day);
        let twice = SoftBounces::default().and(day(1)).and(day(2));
        assert_eq!(twice.paused_until_ms, None);
        let paused = twice.and(day(30)).paused_until_ms;
        assert_eq!(paused, Some(day(60).timestamp_millis()));
        assert_eq!(twice.and(day(31)).paused_until_ms, None);
    }

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
