//! Results of follow-ups: sums of each arm, and beside each buyer what they added and by which orders.
//!
//! As with the other statistics, one transaction changes a buyer's book and the sums, if the book is as it was read. What a book
//! says is what all facts together say, so facts may come late, twice, in any order and from the start again. The rows of an arm
//! are single items: transactions that meet at one try again.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::cache::Ages;
use super::keys::Key;
use super::promotions::Freshness;
use super::sums::{self, Sums};
use super::transaction::{Action, TransactError};
use super::{
    CodeItem, OrderMarker, OrderOutcome, SeenEvent, Store, StoreError, every_item, keys, retry,
    write,
};
use crate::domain::code::PromotionId;
use crate::domain::figures::difference;
use crate::domain::follow_up::{FollowUp, FollowUpId};
use crate::domain::identity::PersonHash;
use crate::domain::money::Currency;
use crate::domain::order::{OrderEventKind, OrderId};
use crate::domain::outbox::OutboxMail;
use crate::domain::results::{ArmFigures, ArmRow, Assigned, Book, Bought, Fact};
use crate::domain::sales::SoldOrder;
use crate::domain::stats::Standing;

/// A version of a follow-up never changes; one that is not known yet is looked for.
const VERSION_AGE: Ages = Ages {
    present: TimeDelta::hours(1),
    absent: TimeDelta::zero(),
};

/// What is heard about an order that may count for its buyer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderNews {
    /// It was completed.
    Completed(SeenEvent),
    /// It was cancelled or refunded in full.
    Cancelled,
    /// A follow-up has dealt with it.
    Marked(OrderMarker),
}

/// What an item of the table says that is counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// What a buyer did.
    pub fact: Option<(PersonHash, Fact)>,
    /// How subjects stand.
    pub standings: Vec<Standing>,
}

/// Which kind of news an item is.
enum Kind {
    Completed,
    Cancelled,
    Marked,
}

/// By the sort key of an item of an order's partition.
fn kind(sk: &str) -> Option<Kind> {
    if sk == keys::TOMBSTONE {
        Some(Kind::Cancelled)
    } else if sk.strip_prefix(keys::EVENT_PREFIX) == Some(OrderEventKind::Completed.as_str()) {
        Some(Kind::Completed)
    } else {
        sk.starts_with(keys::MARKER_PREFIX).then_some(Kind::Marked)
    }
}

impl OrderNews {
    /// Whether the item of an order's partition with this sort key is news.
    pub fn is_at(sk: &str) -> bool {
        kind(sk).is_some()
    }

    /// The news that the item of an order's partition with this sort key is, if it is any.
    ///
    /// # Errors
    /// If the item cannot be read.
    pub fn of(
        sk: &str,
        item: impl Into<serde_dynamo::Item>,
    ) -> Result<Option<Self>, serde_dynamo::Error> {
        let Some(kind) = kind(sk) else {
            return Ok(None);
        };
        Ok(Some(match kind {
            Kind::Completed => Self::Completed(serde_dynamo::from_item(item)?),
            Kind::Cancelled => Self::Cancelled,
            Kind::Marked => Self::Marked(serde_dynamo::from_item(item)?),
        }))
    }
}

impl Told {
    /// What it says of an order that it was completed.
    fn of(order_id: &OrderId, seen: SeenEvent, cancelled: bool, zone: Tz) -> Self {
        let bought = Bought {
            order_id: order_id.clone(),
            at: seen.received_at,
            total: seen.total,
            currency: seen.currency,
            cancelled,
        };
        let sold = seen.currency.map(|currency| SoldOrder {
            order_id: order_id.clone(),
            at: seen.received_at,
            currency,
            products: seen.products,
            cancelled,
        });
        Self {
            fact: seen.person.map(|person| (person, Fact::Bought(bought))),
            standings: sold.map(|sold| sold.standings(zone)).unwrap_or_default(),
        }
    }
}

impl Store {
    /// What news of an order say, with what the table knows besides.
    ///
    /// A tombstone names no buyer, and may come before or after the order: whichever is looked at last, by a strongly consistent
    /// read, finds the other.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn told_by(
        &self,
        order_id: &OrderId,
        news: OrderNews,
        zone: Tz,
        now: DateTime<Utc>,
    ) -> Result<Told, StoreError> {
        match news {
            OrderNews::Completed(seen) if seen.person.is_none() && seen.products.is_empty() => {
                Ok(Told::default())
            }
            OrderNews::Completed(seen) => {
                let cancelled = self.tombstone(order_id).await?.is_some();
                Ok(Told::of(order_id, seen, cancelled, zone))
            }
            OrderNews::Cancelled => {
                let seen = self.completed_event(order_id).await?;
                let told = seen.map(|seen| Told::of(order_id, seen, true, zone));
                Ok(told.unwrap_or_default())
            }
            OrderNews::Marked(marker) => Ok(Told {
                fact: self.assignment_of(order_id, marker, now).await?,
                ..Told::default()
            }),
        }
    }

    async fn completed_event(&self, order_id: &OrderId) -> Result<Option<SeenEvent>, StoreError> {
        self.get(&keys::order_event(order_id, OrderEventKind::Completed))
            .await
    }

    /// The arm that a marker put its buyer into, if it did.
    async fn assignment_of(
        &self,
        order_id: &OrderId,
        marker: OrderMarker,
        now: DateTime<Utc>,
    ) -> Result<Option<(PersonHash, Fact)>, StoreError> {
        let (Some(arm), Some(person)) = (marker.arm, marker.person) else {
            return Ok(None);
        };
        let (id, version) = (&marker.follow_up_id, marker.follow_up_version);
        let Some(follow_up) = self.remembered_version(id, version, now).await? else {
            return Ok(None);
        };
        // An order's event is kept before anything is done for it.
        let Some(seen) = self.completed_event(order_id).await? else {
            return Ok(None);
        };
        let assigned = Assigned {
            row: row(&follow_up, arm),
            order_id: order_id.clone(),
            at: seen.received_at,
            currency: self.currency_of(&follow_up, now).await?,
        };
        Ok(Some((person, Fact::Assigned(assigned))))
    }

    /// The currency of a follow-up's promotions, which have the same.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn currency_of(
        &self,
        follow_up: &FollowUp,
        now: DateTime<Utc>,
    ) -> Result<Option<Currency>, StoreError> {
        let Some(variant) = follow_up.terms.variants.first() else {
            return Ok(None);
        };
        let id = &variant.promotion_id;
        let known = self.promotion(id, Freshness::Remembered, now).await?;
        Ok(known.map(|known| known.promotion.terms.currency))
    }

    /// The arm for which a mail counts: that of its variant, unless it is a reminder.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn arm_of_mail(
        &self,
        mail: &OutboxMail,
        now: DateTime<Utc>,
    ) -> Result<Option<ArmRow>, StoreError> {
        if mail.reminder_of.is_some() {
            return Ok(None);
        }
        let of = (&mail.follow_up_id, mail.follow_up_version);
        self.arm_row(of, mail.variant.clone(), now).await
    }

    /// The arm in whose mail a thank-you code was: the order that earned it has a marker that says so.
    pub(super) async fn arm_of_code(
        &self,
        code: &CodeItem,
        promotion: &PromotionId,
        now: DateTime<Utc>,
    ) -> Result<Option<ArmRow>, StoreError> {
        let Some(order_id) = &code.earned_by else {
            return Ok(None);
        };
        let markers = self.order_markers(order_id).await?;
        let gave = markers.into_iter().find(|marker| match &marker.outcome {
            OrderOutcome::Mail {
                promotion_id,
                serial,
                ..
            } => promotion_id == promotion && *serial == code.serial,
            OrderOutcome::NoMail { .. } => false,
        });
        let Some(OrderMarker {
            follow_up_id,
            follow_up_version,
            arm: Some(arm),
            ..
        }) = gave
        else {
            return Ok(None);
        };
        self.arm_row((&follow_up_id, follow_up_version), arm, now)
            .await
    }

    /// The row of an arm of the experiment that a follow-up's version belongs to.
    async fn arm_row(
        &self,
        (id, version): (&FollowUpId, u64),
        arm: String,
        now: DateTime<Utc>,
    ) -> Result<Option<ArmRow>, StoreError> {
        let follow_up = self.remembered_version(id, version, now).await?;
        Ok(follow_up.map(|follow_up| row(&follow_up, arm)))
    }

    async fn remembered_version(
        &self,
        id: &FollowUpId,
        version: u64,
        now: DateTime<Utc>,
    ) -> Result<Option<Arc<FollowUp>>, StoreError> {
        let key = (id.clone(), version);
        if let Some(Some(known)) = self.follow_up_versions.fresh(&key, now, VERSION_AGE) {
            return Ok(Some(known));
        }
        let found = self.follow_up_version(id, version).await?.map(Arc::new);
        self.follow_up_versions.put(key, now, found.clone());
        Ok(found)
    }

    /// Has the results say what these facts add to them. Answers how many buyers' books changed.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer; those before it are counted, and may be counted again without harm.
    pub async fn count_buyers(&self, facts: Vec<(PersonHash, Fact)>) -> Result<usize, StoreError> {
        let mut people: BTreeMap<PersonHash, Vec<Fact>> = BTreeMap::new();
        for (person, fact) in facts {
            people.entry(person).or_default().push(fact);
        }
        let mut changed: usize = 0;
        for (person, facts) in people {
            let news = |book: &Book| book.with(&facts);
            changed = changed.saturating_add(usize::from(self.rewrite(&person, news).await?));
        }
        Ok(changed)
    }

    /// Closes the book of a person who asked to be forgotten: what they bought goes, what they added to the results stays.
    pub(super) async fn close_book(&self, person: &PersonHash) -> Result<(), StoreError> {
        self.rewrite(person, Book::close).await.map(|_| ())
    }

    /// Changes a buyer's book, and the sums with it; `false` if there is nothing to change.
    async fn rewrite(
        &self,
        person: &PersonHash,
        change: impl Fn(&Book) -> Option<Book>,
    ) -> Result<bool, StoreError> {
        let key = keys::book(person);
        let mut attempts = retry::Attempts::new();
        loop {
            let seen: Option<Book> = self.get(&key).await?;
            let before = seen.clone().unwrap_or_default();
            let Some(next) = change(&before) else {
                return Ok(false);
            };
            let item = write(&key, &next)?;
            let seen = seen.map(|book| book.times);
            let mut actions = vec![Action::put_as_seen(item, "times", seen)];
            let rows = difference(&before.shares, &next.shares);
            actions.extend(
                rows.iter()
                    .map(|(row, figures)| sums::add(keys::arm(row), figures)),
            );
            match self.transact(actions).await {
                Ok(()) => return Ok(true),
                Err(TransactError::Store(error @ StoreError::Corrupt(_))) => return Err(error),
                // Another run was at it, nothing was decided, or a reply was lost: the book tells.
                Err(TransactError::Cancelled(_)) => {}
                Err(TransactError::Store(StoreError::Unavailable(cause))) => {
                    tracing::warn!(%cause, "a buyer's orders are undecided, trying again");
                }
            }
            attempts.pause().await?;
        }
    }

    /// The sums of an experiment's arms that have any, by name.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn results(
        &self,
        id: &FollowUpId,
        experiment: u64,
    ) -> Result<HashMap<String, ArmFigures>, StoreError> {
        let request = self
            .query(
                "pk = :pk AND begins_with(sk, :prefix)",
                &keys::results_partition(id),
            )
            .expression_attribute_values(
                ":prefix",
                AttributeValue::S(keys::results_prefix(experiment)),
            );
        let items = every_item(request).await?;
        let rows = items.iter().filter_map(|item| {
            let row = keys::arm_row(id, &Key::of(item)?.sk)?;
            Some((row.arm, Sums::of(item).figures))
        });
        Ok(rows.collect())
    }
}

fn row(follow_up: &FollowUp, arm: String) -> ArmRow {
    ArmRow {
        follow_up_id: follow_up.id.clone(),
        experiment: follow_up.experiment,
        arm,
    }
}
