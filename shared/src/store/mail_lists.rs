//! What staff look through: mails by where they stand, a page at a time; and staff's word that a mail is sent again.
//!
//! The due index holds them all: those that wait, by when they are due, and those that have ended, in one part for each way to
//! end. A write that moves a mail moves it there too, so no list costs a request of its own.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{DateTime, Utc};

use super::outbox::{millis, value};
use super::schema::{
    BOUNCED_LIST, DUE_INDEX, DUE_MS, FAILED_LIST, PARKED_LIST, SENT_LIST, WITHDRAWN_LIST,
};
use super::transaction::{Action, Expression, Outcome};
use super::{Item, Store, StoreError, due, keys, read};
use crate::domain::identity::PersonHash;
use crate::domain::outbox::{Contact, MailId, MailState, OutboxMail};

/// Most entries of a page.
const MAX_PAGE: usize = 100;

/// The mails that staff look at together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailView {
    /// Those that wait for their time, are being sent, or whose outcome is being waited for; the next one first. All others show the
    /// latest first.
    Waiting,
    /// Those SES took, and that did not come back for good.
    Sent,
    /// Those that came back for good, or that SES refused.
    Undelivered,
    /// Those left to staff.
    Parked,
    /// Those taken back.
    Withdrawn,
}

impl MailView {
    fn lists(self) -> Vec<String> {
        let lists: &[&str] = match self {
            Self::Waiting => return due::shards().collect(),
            Self::Sent => &[SENT_LIST],
            Self::Undelivered => &[BOUNCED_LIST, FAILED_LIST],
            Self::Parked => &[PARKED_LIST],
            Self::Withdrawn => &[WITHDRAWN_LIST],
        };
        lists.iter().map(|&list| list.to_owned()).collect()
    }

    fn order(self) -> Newest {
        match self {
            Self::Waiting => Newest::Last,
            Self::Sent | Self::Undelivered | Self::Parked | Self::Withdrawn => Newest::First,
        }
    }
}

/// Which way a list is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Newest {
    First,
    Last,
}

/// A place in a list: behind what stands at this time under this partition key. As text it is
/// `milliseconds.key` with `~` for the key's `#`, which would end an address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IndexPlace {
    ms: i64,
    partition: String,
}

impl IndexPlace {
    pub(super) fn partition(&self) -> &str {
        &self.partition
    }

    fn of(item: &Item) -> Option<Self> {
        Some(Self {
            ms: item.get(DUE_MS)?.as_n().ok()?.parse().ok()?,
            partition: item.get("pk")?.as_s().ok()?.clone(),
        })
    }
}

impl fmt::Display for IndexPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.ms, self.partition.replacen('#', "~", 1))
    }
}

/// The text is no place in a list.
#[derive(Debug, thiserror::Error)]
#[error("not a place in a list")]
pub struct InvalidPlace;

impl FromStr for IndexPlace {
    type Err = InvalidPlace;

    fn from_str(text: &str) -> Result<Self, InvalidPlace> {
        let (ms, partition) = text.split_once('.').ok_or(InvalidPlace)?;
        Ok(Self {
            ms: ms.parse().map_err(|_| InvalidPlace)?,
            partition: partition.replacen('~', "#", 1),
        })
    }
}

/// A page of mails.
#[derive(Clone, Debug)]
pub struct MailPage {
    /// The mails as they stand, strongly consistent; the index by which they were found may lag behind.
    pub mails: Vec<OutboxMail>,
    /// Where the next page begins, if there is one.
    pub next: Option<IndexPlace>,
}

/// What became of staff's word that a mail be sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resend {
    /// It is due at once.
    Due(Box<OutboxMail>),
    /// It no longer is as it was seen, and was left alone: as it stands, if it still is there.
    Moved(Option<Box<OutboxMail>>),
}

impl Store {
    /// At most `limit` (100 at most) mails of a view, from behind `after` on.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn list_mails(
        &self,
        view: MailView,
        after: Option<&IndexPlace>,
        limit: usize,
    ) -> Result<MailPage, StoreError> {
        let (places, more) = self
            .index_page(&view.lists(), view.order(), after, limit)
            .await?;
        let ids: Vec<MailId> = places
            .iter()
            .filter_map(|place| keys::mail_id(&place.partition))
            .collect();
        let wanted = ids.iter().map(keys::mail).collect();
        let mut found = self.read_by_key::<OutboxMail>(wanted).await?;
        let mails = ids
            .iter()
            .filter_map(|id| found.remove(&keys::mail(id)))
            .collect();
        Ok(MailPage {
            mails,
            next: places.last().filter(|_| more).cloned(),
        })
    }

    /// How to reach each of these people, as far as that is known and may still be.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn contacts(
        &self,
        people: &[PersonHash],
        now: DateTime<Utc>,
    ) -> Result<HashMap<PersonHash, Contact>, StoreError> {
        let wanted = people.iter().map(keys::contact).collect();
        let mut found = self.read_by_key::<Contact>(wanted).await?;
        let contacts = people.iter().filter_map(|person| {
            let contact = found.remove(&keys::contact(person))?;
            (now < contact.forget_at).then(|| (person.clone(), contact))
        });
        Ok(contacts.collect())
    }

    /// Has a mail that failed or was parked sent again: it is due at once, if state and attempt are as `seen`. Whatever forbids
    /// sending it is looked at by the claim, as for every mail. One that may have reached its buyer before is flagged.
    ///
    /// # Errors
    /// [`StoreError`] if it is not confirmed; it may be due all the same, and saying so again changes nothing.
    pub async fn resend_mail(
        &self,
        seen: &OutboxMail,
        now: DateTime<Utc>,
    ) -> Result<Resend, StoreError> {
        if !seen.can_be_sent_again() {
            return Ok(Resend::Moved(Some(Box::new(seen.clone()))));
        }
        let next = OutboxMail {
            state: MailState::Due,
            due_at: now,
            duplicate_risk: seen.may_have_arrived(),
            resends: seen.resends.saturating_add(1),
            reason: None,
            ended_at: None,
            mailed_at: None,
            message_id: None,
            lease_until: None,
            ..seen.clone()
        };
        match self.decide(&[resending(seen, &next)?]).await? {
            Ok(()) => Ok(Resend::Due(Box::new(next))),
            Err(outcomes) => match outcomes.into_iter().next() {
                Some(Outcome::Refused(Some(item))) => {
                    let found: OutboxMail = read(item)?;
                    // An earlier try whose answer was lost, at the same moment: what was asked for is done.
                    if found == next {
                        return Ok(Resend::Due(Box::new(found)));
                    }
                    Ok(Resend::Moved(Some(Box::new(found))))
                }
                _ => Ok(Resend::Moved(None)),
            },
        }
    }

    /// The places of at most `limit` entries of these parts of the index, taken as one, from behind `after` on; and whether there
    /// are more.
    pub(super) async fn index_page(
        &self,
        lists: &[String],
        order: Newest,
        after: Option<&IndexPlace>,
        limit: usize,
    ) -> Result<(Vec<IndexPlace>, bool), StoreError> {
        let limit = limit.clamp(1, MAX_PAGE);
        let mut found = Vec::new();
        for list in lists {
            found.extend(self.index_part(list, order, after, limit).await?);
        }
        found.sort_by(|one, other| in_order(order, one, other));
        let more = found.len() > limit;
        found.truncate(limit);
        Ok((found, more))
    }

    /// The first entries of one part behind `after`: more than `limit`, if there are, and with all of the moment of the last one,
    /// since the index sorts by nothing but the time.
    async fn index_part(
        &self,
        list: &str,
        order: Newest,
        after: Option<&IndexPlace>,
        limit: usize,
    ) -> Result<Vec<IndexPlace>, StoreError> {
        let (mut found, mut start) = (Vec::new(), None);
        loop {
            let request = self.client.query().table_name(&self.table);
            let request = request
                .index_name(DUE_INDEX)
                .scan_index_forward(order == Newest::Last)
                .limit(i32::try_from(limit.saturating_add(1)).unwrap_or(i32::MAX))
                .set_exclusive_start_key(start)
                .expression_attribute_values(":list", AttributeValue::S(list.to_owned()));
            let request = match (after, order) {
                (None, _) => request.key_condition_expression("due_shard = :list"),
                (Some(place), Newest::First) => request
                    .key_condition_expression("due_shard = :list AND due_ms <= :ms")
                    .expression_attribute_values(":ms", AttributeValue::N(place.ms.to_string())),
                (Some(place), Newest::Last) => request
                    .key_condition_expression("due_shard = :list AND due_ms >= :ms")
                    .expression_attribute_values(":ms", AttributeValue::N(place.ms.to_string())),
            };
            let page = request.send().await.map_err(StoreError::unavailable)?;
            let entries = page.items.unwrap_or_default();
            let behind = |place: &IndexPlace| {
                after.is_none_or(|after| in_order(order, after, place) == Ordering::Less)
            };
            found.extend(entries.iter().filter_map(IndexPlace::of).filter(behind));
            start = page.last_evaluated_key;
            let moment = found.get(limit).map(|place: &IndexPlace| place.ms);
            let passed = moment.is_some() && found.last().map(|last| last.ms) != moment;
            if start.is_none() || passed {
                return Ok(found);
            }
        }
    }
}

fn in_order(order: Newest, one: &IndexPlace, other: &IndexPlace) -> Ordering {
    match order {
        Newest::First => other.cmp(one),
        Newest::Last => one.cmp(other),
    }
}

fn resending(seen: &OutboxMail, next: &OutboxMail) -> Result<Action, StoreError> {
    let as_seen = Expression::new("#state = :seen AND attempt = :attempt")
        .name("#state", "state")
        .name("#reason", "reason")
        .value(":seen", value(seen.state)?)
        .number(":attempt", seen.attempt)
        .value(":due", value(next.state)?)
        .value(":at", value(next.due_at)?)
        .value(":at_ms", millis(next.due_at))
        .string(":shard", due::shard(&seen.id))
        .value(":risk", AttributeValue::Bool(next.duplicate_risk))
        .number(":resends", next.resends);
    Ok(Action::Update {
        key: keys::mail(&seen.id),
        update: "SET #state = :due, due_at = :at, due_shard = :shard, due_ms = :at_ms, \
                 duplicate_risk = :risk, resends = :resends \
                 REMOVE #reason, ended_at, mailed_at, message_id, lease_until",
        condition: as_seen,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_a_list_reads_back_and_nothing_else_is_one() {
        let place = IndexPlace {
            ms: 1_764_000_000_000,
            partition: "order#a.b".to_owned(),
        };
        assert_eq!(place.to_string(), "1764000000000.order~a.b");
        assert_eq!(place.to_string().parse::<IndexPlace>().unwrap(), place);
        for text in ["", "1", "x.mail#a", ".mail#a"] {
            assert!(text.parse::<IndexPlace>().is_err(), "{text}");
        }
    }
}
