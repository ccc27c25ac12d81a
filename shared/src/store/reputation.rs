//! What became of mails, counted once for each mail and thing, however often SES reports it.

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};

use super::outbox::{millis, value};
use super::transaction::{Action, Expression, Outcome};
use super::{Store, StoreError, due, keys, read, retry, schema, write};
use crate::domain::outbox::{MailState, OutboxMail};
use crate::domain::sending::{Outcomes, SoftBounces, WINDOW_DAYS};

/// How long a day's counts are kept. Ours; the window is shorter.
const KEPT: TimeDelta = TimeDelta::days(40);

/// What SES reports about a mail that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It was delivered.
    Delivered,
    /// It came back for good.
    Bounced,
    /// It came back for a passing reason.
    SoftBounced,
    /// Its reader reported it as spam.
    Complained,
}

impl Heard {
    /// The attribute of the mail that says so.
    fn attribute(self) -> &'static str {
        match self {
            Self::Delivered => "delivered_at",
            Self::Bounced => "bounced_at",
            Self::SoftBounced => "soft_bounced_at",
            Self::Complained => "complained_at",
        }
    }

    /// How it counts.
    fn counts(self) -> Outcomes {
        Outcomes {
            known: u64::from(self != Self::Complained),
            bounced: u64::from(self == Self::Bounced),
            complained: u64::from(self == Self::Complained),
        }
    }
}

impl Store {
    /// Counts what was heard of a mail, unless that was counted before. A third passing bounce makes the address rest.
    ///
    /// # Errors
    /// [`StoreError`] if it is not confirmed.
    pub async fn hear(
        &self,
        mail: &OutboxMail,
        heard: Heard,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let mut attempts = retry::Attempts::new();
        let mut reread: Option<OutboxMail> = None;
        loop {
            let mail = reread.as_ref().unwrap_or(mail);
            let mut actions = vec![mark(mail, heard, now)?, count(mail, heard, now)];
            if heard == Heard::SoftBounced {
                let key = keys::soft_bounces(&mail.person);
                let seen: Option<SoftBounces> = self.get(&key).await?;
                let next = seen.clone().unwrap_or_default().and(now);
                let mut item = write(&key, &next)?;
                schema::set_ttl(&mut item, SoftBounces::forget_at(now));
                let seen = seen.map(|seen| seen.version);
                actions.push(Action::put_as_seen(item, "version", seen));
            }
            match self.decide(&actions).await? {
                Ok(()) => return Ok(true),
                Err(outcomes) => match outcomes.into_iter().next() {
                    // It is no longer in the list it was in: look again.
                    Some(Outcome::Refused(Some(item))) if !item.contains_key(heard.attribute()) => {
                        reread = Some(read(item)?);
                    }
                    // Counted before, perhaps by a try whose answer was lost; or the mail is gone.
                    Some(Outcome::Refused(_)) => return Ok(false),
                    // Another bounce of the same person came between: look again.
                    _ => {}
                },
            }
            attempts.pause().await?;
        }
    }

    /// What was counted on each day (UTC) of the window that ends today, the latest first; strongly consistent.
    pub(super) async fn counted_by_day(
        &self,
        now: DateTime<Utc>,
    ) -> Result<Vec<(NaiveDate, Outcomes)>, StoreError> {
        let mut days = Vec::new();
        for back in 0..WINDOW_DAYS {
            let Some(at) = now.checked_sub_days(Days::new(back)) else {
                break;
            };
            let partition = keys::outcomes_partition(&day(at));
            let parts: Vec<Outcomes> = self.query_prefix(&partition, keys::PART_PREFIX).await?;
            let counted = parts.into_iter().fold(Outcomes::default(), Outcomes::plus);
            days.push((at.date_naive(), counted));
        }
        Ok(days)
    }
}

fn day(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d").to_string()
}

/// Marks a mail; one that came back after it was sent goes on to the list of those.
fn mark(mail: &OutboxMail, heard: Heard, now: DateTime<Utc>) -> Result<Action, StoreError> {
    let unmarked = "attribute_exists(pk) AND attribute_not_exists(#heard)";
    let (update, condition) = if heard == Heard::Bounced && mail.state == MailState::Sent {
        let condition = Expression::new(format!("{unmarked} AND #state = :sent"))
            .name("#state", "state")
            .value(":sent", value(MailState::Sent)?)
            .string(":list", schema::BOUNCED_LIST)
            .value(":at_ms", millis(now));
        (
            "SET #heard = :at, due_shard = :list, due_ms = :at_ms",
            condition,
        )
    } else {
        ("SET #heard = :at", Expression::new(unmarked))
    };
    Ok(Action::Update {
        key: keys::mail(&mail.id),
        update,
        condition: condition
            .name("#heard", heard.attribute())
            .value(":at", value(now)?),
    })
}

/// The mail's mark in the same transaction decides; this holds only the day together with its end.
fn count(mail: &OutboxMail, heard: Heard, now: DateTime<Utc>) -> Action {
    let day = day(now);
    let counts = heard.counts();
    Action::Update {
        key: keys::outcomes(&day, &due::shard(&mail.id)),
        update: "SET known = if_not_exists(known, :zero) + :known, bounced = if_not_exists(bounced, :zero) + :bounced, \
                 complained = if_not_exists(complained, :zero) + :complained, #day = :day, #ttl = :ttl",
        condition: Expression::new("attribute_not_exists(pk) OR #day = :day")
            .name("#day", "day")
            .name("#ttl", schema::TTL)
            .string(":day", day)
            .number(":ttl", (now + KEPT).timestamp())
            .number(":zero", 0)
            .number(":known", counts.known)
            .number(":bounced", counts.bounced)
            .number(":complained", counts.complained),
    }
}
