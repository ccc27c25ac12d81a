//! Statistics from the ledger: counts every record anew, then holds each row against what was added for records, mails, visits and buyers.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::domain::outbox::OutboxMail;
use crate::domain::redemption::Redemption;
use crate::domain::results::{ArmFigures, ArmRow, Book};
use crate::domain::sales::{SalesFigures, SalesRow};
use crate::domain::stats::{Counted, Figures, FirstBuy, Recount, Row, Standing};
use crate::store::keys::{self, Key};
use crate::store::sums::{Sums, corrections};
use crate::store::{Item, OrderNews, Store, StoreError, Told, read};

/// Looks at rows that kept changing while they were held against the ledger.
const LOOKS: u32 = 4;

/// What a rebuilding did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatsRebuilt {
    /// Redemptions, mails, sales of orders and parts of links' visits read.
    pub records: usize,
    /// Of these, added otherwise than before.
    pub recounted: usize,
    /// Rows that said something else than what was added.
    pub repaired: usize,
    /// Rows that kept changing while they were looked at, so that nothing is known of them.
    pub open: usize,
}

/// Every row as it stands.
#[derive(Default)]
struct Stand {
    rows: BTreeMap<Row, Sums<Figures>>,
    arms: BTreeMap<ArmRow, Sums<ArmFigures>>,
    sales: BTreeMap<SalesRow, Sums<SalesFigures>>,
}

/// What was added to each row, which is what it should say.
#[derive(Default)]
struct Added {
    rows: BTreeMap<Row, Figures>,
    arms: BTreeMap<ArmRow, ArmFigures>,
    sales: BTreeMap<SalesRow, SalesFigures>,
}

impl Store {
    /// Makes the statistics say what the records do. It may run beside the shop's trade, and again after it was cut off.
    ///
    /// A row is written only if it did not change from before all that adds to it was read: whatever changes one, changes the
    /// other in the same transaction.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer; what was set right by then stays so.
    pub async fn rebuild_stats(
        &self,
        zone: Tz,
        now: DateTime<Utc>,
    ) -> Result<StatsRebuilt, StoreError> {
        let mut report = StatsRebuilt::default();
        let mut start = None;
        loop {
            let (items, next) = self.scan_page(start).await?;
            let (mut standings, mut facts) = (Vec::new(), Vec::new());
            for item in items {
                let told = self.told_in(&item, zone, now).await?;
                facts.extend(told.fact);
                standings.extend(told.standings);
                standings.extend(self.standing_in(item, zone, now).await?);
            }
            report.records = report.records.saturating_add(standings.len());
            let recounted = self.count(&standings, Recount::Same).await?;
            let buyers = self.count_buyers(facts).await?;
            report.recounted = report.recounted.saturating_add(recounted + buyers);
            start = next;
            if start.is_none() {
                break;
            }
        }
        for _ in 0..LOOKS {
            let (repaired, open) = self.look_at_rows().await?;
            report.repaired = report.repaired.saturating_add(repaired);
            report.open = open;
            if open == 0 {
                break;
            }
        }
        Ok(report)
    }

    /// How a redemption, a mail or a link's visits stand, if the item is one.
    async fn standing_in(
        &self,
        item: Item,
        zone: Tz,
        now: DateTime<Utc>,
    ) -> Result<Option<Standing>, StoreError> {
        let Some(key) = Key::of(&item) else {
            return Ok(None);
        };
        Ok(match (key.pk.split_once('#'), key.sk.as_str()) {
            (Some(("order", _)), "redemption") => {
                let record: Redemption = read(item)?;
                Some(self.standing_of(&record, zone, now).await?)
            }
            (Some(("mail", _)), "mail") => {
                let mail: OutboxMail = read(item)?;
                self.standing_of_mail(&mail, zone, now).await?
            }
            (Some(_), keys::VISITS) => match keys::visit_part(&key.pk) {
                Some(part) => Some(Standing::of_visits(&part, &read(item)?)),
                None => None,
            },
            _ => None,
        })
    }

    /// What an item says as news of an order, if it is any.
    async fn told_in(&self, item: &Item, zone: Tz, now: DateTime<Utc>) -> Result<Told, StoreError> {
        let Some(key) = Key::of(item) else {
            return Ok(Told::default());
        };
        let Some(order_id) = keys::order_id(&key.pk).filter(|_| OrderNews::is_at(&key.sk)) else {
            return Ok(Told::default());
        };
        let news = OrderNews::of(&key.sk, item.clone());
        match news.map_err(|error| StoreError::Corrupt(error.to_string()))? {
            Some(news) => self.told_by(&order_id, news, zone, now).await,
            None => Ok(Told::default()),
        }
    }

    /// Holds all rows against what was added to them: how many were set right, and how many changed meanwhile.
    async fn look_at_rows(&self) -> Result<(usize, usize), StoreError> {
        // In this order: whatever is added later changes its row too.
        let stand = self.stand().await?;
        let should = self.added().await?;
        let mut repairs = corrections(&stand.rows, &should.rows, keys::stats);
        repairs.extend(corrections(&stand.arms, &should.arms, keys::arm));
        repairs.extend(corrections(&stand.sales, &should.sales, keys::sales));
        let (mut repaired, mut open) = (0_usize, 0_usize);
        for repair in repairs {
            match self.decide(&[repair]).await? {
                Ok(()) => repaired = repaired.saturating_add(1),
                Err(_) => open = open.saturating_add(1),
            }
        }
        Ok((repaired, open))
    }

    async fn stand(&self) -> Result<Stand, StoreError> {
        let mut stand = Stand::default();
        let mut start = None;
        loop {
            let (items, next) = self.scan_page(start).await?;
            for item in &items {
                let Some(key) = Key::of(item) else { continue };
                if let Some(id) = keys::promotion_of_stats(&key) {
                    let row = keys::stats_row(&id, &key.sk);
                    stand.rows.extend(row.map(|row| (row, Sums::of(item))));
                } else if let Some(id) = keys::follow_up_of_results(&key) {
                    let row = keys::arm_row(&id, &key.sk);
                    stand.arms.extend(row.map(|row| (row, Sums::of(item))));
                } else if let Some(row) = keys::sales_row(&key) {
                    stand.sales.insert(row, Sums::of(item));
                }
            }
            start = next;
            if start.is_none() {
                return Ok(stand);
            }
        }
    }

    /// What was added to each row for all records, mails and buyers.
    async fn added(&self) -> Result<Added, StoreError> {
        let mut added = Added::default();
        let mut start = None;
        loop {
            let (items, next) = self.scan_page(start).await?;
            for item in items {
                let Some(key) = Key::of(&item) else { continue };
                let mut shares = Vec::new();
                if keys::is_counted(&key) {
                    let counted: Counted = read(item)?;
                    for share in counted.shares {
                        *added.rows.entry(share.row).or_default() += share.figures;
                    }
                    for share in counted.sales {
                        *added.sales.entry(share.row).or_default() += share.figures;
                    }
                    shares = counted.arms;
                } else if key.sk == keys::BOOK {
                    let book: Book = read(item)?;
                    shares = book.shares;
                } else if let Some(promotion_id) = keys::promotion_of_buyer(&key) {
                    let first: FirstBuy = read(item)?;
                    let row = Row {
                        promotion_id,
                        place: Some(first.place),
                        link: None,
                    };
                    added.rows.entry(row).or_default().buyers += 1;
                }
                for share in shares {
                    *added.arms.entry(share.row).or_default() += share.figures;
                }
            }
            start = next;
            if start.is_none() {
                return Ok(added);
            }
        }
    }

    async fn scan_page(
        &self,
        start: Option<Item>,
    ) -> Result<(Vec<Item>, Option<Item>), StoreError> {
        let request = self.client.scan().table_name(&self.table);
        let page = request
            .consistent_read(true)
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(StoreError::unavailable)?;
        Ok((page.items.unwrap_or_default(), page.last_evaluated_key))
    }
}
