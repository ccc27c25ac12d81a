//! Statistics: sums of each promotion by day and channel and of each product by day, and beside each order and mail what was added
//! for it.
//!
//! One transaction changes both, under the condition that what was added before is still of the version that was read. That
//! one condition decides: a stream record that comes twice, late, out of its batch or from the start again finds its version
//! counted. So does a repetition after a reply was lost.

mod rebuild;

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;

use super::cache::Ages;
use super::keys::Key;
use super::minting::Batch;
use super::promotions::Freshness;
use super::sums::{self, Sums};
use super::transaction::{Action, Expression, TransactError};
use super::{CodeItem, Store, StoreError, every_item, keys, read, retry, write};
use crate::domain::channel::Channel;
use crate::domain::code::{GroupWord, PromotionId, Serial};
use crate::domain::outbox::OutboxMail;
use crate::domain::redemption::{CodeRef, RedeemedCode, Redemption};
use crate::domain::stats::{
    Buyer, Figures, Known, Origin, Place, Plan, Recount, Row, Standing, Subject,
};

pub use rebuild::StatsRebuilt;

/// Most actions in one transaction. Source: `TransactWriteItems` in the DynamoDB API reference.
const MAX_ACTIONS: usize = 100;
/// Orders and mails counted together, which mostly takes three writes for each and one for each row they share.
const TOGETHER: usize = 25;
/// Batches never change where their codes are handed out; one that is not known yet is looked for.
const BATCHES_AGE: Ages = Ages {
    present: TimeDelta::hours(1),
    absent: TimeDelta::zero(),
};

impl Store {
    /// What a redemption adds to the statistics, with each code's channel as the table tells it.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn standing_of(
        &self,
        record: &Redemption,
        zone: Tz,
        now: DateTime<Utc>,
    ) -> Result<Standing, StoreError> {
        let mut origins = Vec::new();
        for code in record.redeemed.iter().flat_map(|redeemed| &redeemed.codes) {
            origins.push(self.origin_of(code, now).await?);
        }
        Ok(Standing::of_redemption(record, zone, &origins))
    }

    /// What a mail adds to the statistics; `None` while SES has not taken it.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn standing_of_mail(
        &self,
        mail: &OutboxMail,
        zone: Tz,
        now: DateTime<Utc>,
    ) -> Result<Option<Standing>, StoreError> {
        let arm = self.arm_of_mail(mail, now).await?;
        Ok(Standing::of_mail(mail, zone, arm))
    }

    /// Where a code was handed out: a word and a thank-you code say so, a minted one's batch does.
    async fn origin_of(
        &self,
        code: &RedeemedCode,
        now: DateTime<Utc>,
    ) -> Result<Origin, StoreError> {
        let id = &code.promotion_id;
        let channel = match &code.code {
            CodeRef::Automatic => None,
            CodeRef::Word(word) => {
                let Ok(word) = GroupWord::try_from(word.clone()) else {
                    return Ok(Origin::default());
                };
                let word = word.folded();
                let found = self.group_code(&word, Freshness::Remembered, now);
                found.await?.and_then(|found| found.channel)
            }
            CodeRef::Serial(serial) if serial.is_thank_you() => {
                let item: Option<CodeItem> = self.get(&keys::code(id, *serial)).await?;
                let Some(item) = item else {
                    return Ok(Origin::default());
                };
                let arm = self.arm_of_code(&item, id, now).await?;
                let channel = item.channel;
                return Ok(Origin { channel, arm });
            }
            CodeRef::Serial(serial) => self.channel_of_batch(id, *serial, now).await?,
        };
        Ok(Origin { channel, arm: None })
    }

    async fn channel_of_batch(
        &self,
        id: &PromotionId,
        serial: Serial,
        now: DateTime<Utc>,
    ) -> Result<Option<Channel>, StoreError> {
        let of = |batches: &[Batch]| {
            let batch = batches.iter().find(|batch| batch.contains(serial.get()))?;
            Some(batch.channel.clone())
        };
        let known = self.batches.fresh(id, now, BATCHES_AGE).flatten();
        if let Some(channel) = known.and_then(|batches| of(&batches)) {
            return Ok(channel);
        }
        let batches: Arc<[Batch]> = self.batches(id).await?.into();
        let channel = of(&batches).flatten();
        self.batches.put(id.clone(), now, Some(batches));
        Ok(channel)
    }

    /// Has the statistics say what these subjects, each named once, add to them. Answers how many of them changed anything.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer; those before it are counted, and may be counted again without harm.
    pub async fn count(
        &self,
        standings: &[Standing],
        recount: Recount,
    ) -> Result<usize, StoreError> {
        let mut changed: usize = 0;
        let mut waiting: Vec<&[Standing]> = standings.chunks(TOGETHER).rev().collect();
        while let Some(together) = waiting.pop() {
            if let Some(counted) = Box::pin(self.count_together(together, recount)).await? {
                changed = changed.saturating_add(counted);
            } else {
                let (first, rest) = together.split_at(together.len() / 2);
                waiting.extend([rest, first]);
            }
        }
        Ok(changed)
    }

    /// The same in one transaction; `None` if that is too much for one.
    async fn count_together(
        &self,
        standings: &[Standing],
        recount: Recount,
    ) -> Result<Option<usize>, StoreError> {
        let mut attempts = retry::Attempts::new();
        loop {
            match self.try_to_count(standings, recount).await {
                Ok(Tried::Counted(changed)) => return Ok(Some(changed)),
                Ok(Tried::TooMuch) => return Ok(None),
                // Another run counted some of them, or nothing was decided: look again.
                Ok(Tried::Again) => {}
                // Applied or not: what is counted tells.
                Err(StoreError::Unavailable(cause)) => {
                    tracing::warn!(%cause, "counting undecided, trying again");
                }
                Err(error @ StoreError::Corrupt(_)) => return Err(error),
            }
            attempts.pause().await?;
        }
    }

    async fn try_to_count(
        &self,
        standings: &[Standing],
        recount: Recount,
    ) -> Result<Tried, StoreError> {
        let known = self.known_of(standings).await?;
        let plan = Plan::new(standings, &known, recount);
        if plan.writes() == 0 {
            return Ok(Tried::Counted(0));
        }
        if plan.writes() > MAX_ACTIONS && standings.len() > 1 {
            return Ok(Tried::TooMuch);
        }
        match self.transact(actions(&plan, &known)?).await {
            Ok(()) => Ok(Tried::Counted(plan.counted.len())),
            Err(TransactError::Cancelled(_)) => Ok(Tried::Again),
            Err(TransactError::Store(error)) => Err(error),
        }
    }

    /// What the table says about these subjects and their buyers, strongly consistent.
    async fn known_of(&self, standings: &[Standing]) -> Result<Known, StoreError> {
        let mut wanted: HashMap<Key, Wanted<'_>> = HashMap::new();
        for standing in standings {
            let subject = &standing.subject;
            wanted.insert(keys::counted(subject), Wanted::Counted(subject));
            for (buyer, _) in &standing.buyers {
                wanted.insert(keys::buyer(&buyer.0, &buyer.1), Wanted::Buyer(buyer));
            }
        }
        let mut known = Known::default();
        for item in self.items_under(wanted.keys().cloned()).await? {
            match Key::of(&item).and_then(|key| wanted.get(&key)) {
                Some(Wanted::Counted(subject)) => {
                    known.counted.insert((*subject).clone(), read(item)?);
                }
                Some(Wanted::Buyer(buyer)) => {
                    known.buyers.insert((*buyer).clone(), read(item)?);
                }
                None => {}
            }
        }
        Ok(known)
    }

    /// Sums of a promotion from `from` to `to`, both included, by day and channel.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn stats(
        &self,
        id: &PromotionId,
        from: NaiveDate,
        to: NaiveDate,
    ) -> Result<Vec<(Place, Figures)>, StoreError> {
        let behind = keys::stats_day(to.succ_opt().unwrap_or(to));
        let request = self
            .query(
                "pk = :pk AND sk BETWEEN :first AND :behind",
                &keys::stats_partition(id),
            )
            .expression_attribute_values(":first", AttributeValue::S(keys::stats_day(from)))
            .expression_attribute_values(":behind", AttributeValue::S(behind.clone()));
        let items = every_item(request).await?;
        let rows = items.iter().filter_map(|item| {
            let key = Key::of(item).filter(|key| key.sk < behind)?;
            let row = keys::stats_row(id, &key.sk)?;
            Some((row.place?, Sums::of(item).figures))
        });
        Ok(rows.collect())
    }

    /// What a promotion without budget and use limit has given away, as counted so far.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn spent_by_stats(&self, id: &PromotionId) -> Result<Figures, StoreError> {
        let row = Row {
            promotion_id: id.clone(),
            place: None,
            link: None,
        };
        let request = self.client.get_item().table_name(&self.table);
        let request = request
            .set_key(Some(keys::stats(&row).attributes()))
            .consistent_read(true);
        let answer = request.send().await.map_err(StoreError::unavailable)?;
        Ok(answer
            .item
            .as_ref()
            .map(Sums::of)
            .unwrap_or_default()
            .figures)
    }
}

/// What became of one try to count.
enum Tried {
    /// So many subjects changed.
    Counted(usize),
    /// One transaction cannot take it.
    TooMuch,
    Again,
}

enum Wanted<'a> {
    Counted(&'a Subject),
    Buyer(&'a Buyer),
}

/// The transaction of a plan.
fn actions(plan: &Plan, known: &Known) -> Result<Vec<Action>, StoreError> {
    let mut actions = Vec::with_capacity(plan.writes());
    for (subject, counted) in &plan.counted {
        let item = write(&keys::counted(subject), counted)?;
        let seen = known.counted.get(subject).map(|before| before.times);
        actions.push(Action::put_as_seen(item, "times", seen));
    }
    for (buyer, first) in &plan.buyers {
        let item = write(&keys::buyer(&buyer.0, &buyer.1), first)?;
        actions.push(match known.buyers.get(buyer) {
            None => Action::PutNew(item),
            Some(before) => {
                let as_read = Expression::new("order_id = :seen");
                Action::Put(item, as_read.string(":seen", before.order_id.as_str()))
            }
        });
    }
    let rows = plan.rows.iter();
    actions.extend(rows.map(|(row, figures)| sums::add(keys::stats(row), figures)));
    let arms = plan.arms.iter();
    actions.extend(arms.map(|(row, figures)| sums::add(keys::arm(row), figures)));
    let sales = plan.sales.iter();
    actions.extend(sales.map(|(row, figures)| sums::add(keys::sales(row), figures)));
    Ok(actions)
}
