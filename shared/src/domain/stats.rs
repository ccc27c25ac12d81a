//! Statistics: what each redemption, each mail and each link's visits add to the sums of its promotion, day and channel, and each
//! order to those of its products.
//!
//! Nothing is counted by event. What an order adds is a function of its record as it stands, and beside the sums stands what
//! was added for it, and of which version of the record. So a version that was seen before, or is older, adds nothing; a newer
//! one adds the difference, whatever was missed in between. An order's figures stand on the day it was redeemed.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::channel::Channel;
use super::code::PromotionId;
use super::figures::{self, Named, difference, figures, merged};
use super::identity::PersonHash;
use super::link::{Slug, VisitPart, Visits};
use super::money::Amount;
use super::order::OrderId;
use super::outbox::{MailId, MailState, OutboxMail};
use super::redemption::{RedeemedCode, Redemption, RedemptionStatus};
use super::results::{ArmFigures, ArmRow, ArmShare};
use super::sales::{SalesFigures, SalesRow, SalesShare};

figures! {
    /// Sums, or changes of sums. Amounts are in minor units; a sum of many of the largest amounts needs more than 64 bits.
    pub struct Figures {
        /// Visits of landing links.
        pub visits,
        /// Orders that redeemed, also those cancelled later.
        pub redemptions,
        /// Of these, cancelled.
        pub cancelled,
        /// Of these, lines came back.
        pub returned,
        /// The discount that the returned lines had.
        pub returned_discount,
        /// People who redeemed for the first time.
        pub buyers,
        /// What buyers paid for orders that were not cancelled.
        pub revenue,
        /// What was taken off in those orders.
        pub discount,
        /// Mails sent.
        pub mails,
        /// What a promotion without shards has given away, holds included.
        pub spent_amount,
        /// How often.
        pub spent_uses,
    }
}

/// Where figures are summed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Row {
    /// Of which promotion.
    pub promotion_id: PromotionId,
    /// On which day and in which channel; what the promotion has spent stands in a row without either.
    pub place: Option<Place>,
    /// Of which link alone; then without day and channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<Slug>,
}

/// A day in the shop's zone, and a channel.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The day.
    pub day: NaiveDate,
    /// Where the code was handed out, if that is known.
    pub channel: Option<Channel>,
}

/// What is counted once.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// An order's redemption.
    Order(OrderId),
    /// A mail.
    Mail(MailId),
    /// A part of a link's visits of a day.
    Visits(VisitPart),
    /// A part of what an order sold, by its number.
    Sales(OrderId, u32),
}

/// What was added for one subject.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// The version of it that was counted.
    pub version: u64,
    /// How often this was written, by which a write knows whether it still stands as it was read.
    pub times: u64,
    /// What it added, at most once to a row.
    pub shares: Vec<Share>,
    /// What it added to arms of follow-ups, at most once to a row.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arms: Vec<ArmShare>,
    /// What it added to sales, at most once to a row.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sales: Vec<SalesShare>,
}

/// What one subject adds to one row.
pub type Share = figures::Share<Row, Figures>;

/// A person's first redemption of a promotion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstBuy {
    /// When; of several at one moment, the order with the lesser id.
    pub at: DateTime<Utc>,
    /// Which.
    pub order_id: OrderId,
    /// Where it was counted.
    pub place: Place,
}

impl FirstBuy {
    /// Whether it came before the other, or is the same redemption, counted elsewhere.
    fn replaces(&self, other: &Self) -> bool {
        match (self.at, &self.order_id).cmp(&(other.at, &other.order_id)) {
            Ordering::Less => true,
            Ordering::Equal => self.place != other.place,
            Ordering::Greater => false,
        }
    }
}

/// Who bought what: a person's marker.
pub type Buyer = (PromotionId, PersonHash);

/// Where a code was handed out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The channel, if that is known.
    pub channel: Option<Channel>,
    /// The arm of a follow-up in whose mail it was, if it was in one.
    pub arm: Option<ArmRow>,
}

/// A subject as it stands now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Which.
    pub subject: Subject,
    /// Its version; a later one stands for all before it.
    pub version: u64,
    /// What it adds.
    pub shares: Vec<Share>,
    /// What it adds to arms of follow-ups.
    pub arms: Vec<ArmShare>,
    /// What it adds to sales.
    pub sales: Vec<SalesShare>,
    /// Who bought with it.
    pub buyers: Vec<(Buyer, FirstBuy)>,
}

impl Standing {
    /// A subject that adds nothing.
    pub fn new(subject: Subject, version: u64) -> Self {
        Self {
            subject,
            version,
            shares: Vec::new(),
            arms: Vec::new(),
            sales: Vec::new(),
            buyers: Vec::new(),
        }
    }

    /// What a record adds. `origins` says of each of its codes, in order, where it was handed out.
    ///
    /// A hold adds nothing but what it draws, since nobody has paid. A cancelled order stays a redemption, and a cancelled one,
    /// without revenue and discount. An order under two promotions counts for both, with all it came to.
    pub fn of_redemption(record: &Redemption, zone: Tz, origins: &[Origin]) -> Self {
        let mut standing = Self::new(Subject::Order(record.order_id.clone()), record.version);
        let Some(redeemed) = &record.redeemed else {
            return standing;
        };
        let status = record.status;
        let held = record.held_until.is_some();
        let paid = matches!(
            status,
            RedemptionStatus::Redeemed | RedemptionStatus::Cancelled
        ) && !held;
        let draws = matches!(status, RedemptionStatus::Redeemed | RedemptionStatus::Held);
        let day = redeemed.redeemed_at.with_timezone(&zone).date_naive();
        let mut seen: Vec<&PromotionId> = Vec::new();
        let mut origins = origins.iter().cloned();
        for code in &redeemed.codes {
            let Origin { channel, arm } = origins.next().unwrap_or_default();
            let (Some(discount), Some(drawn)) = (code.discount, code.drawn()) else {
                continue;
            };
            let id = &code.promotion_id;
            if draws && code.limits.shard_count() == 0 {
                standing.shares.push(spent(id, drawn));
            }
            if !paid {
                continue;
            }
            let place = Place { day, channel };
            if let Some(person) = redeemed.people.first() {
                let first = FirstBuy {
                    at: redeemed.redeemed_at,
                    order_id: record.order_id.clone(),
                    place: place.clone(),
                };
                standing.buyers.push(((id.clone(), person.clone()), first));
            }
            let mut figures = sold(record, code, discount);
            if !seen.contains(&id) && draws {
                figures.revenue = minor(redeemed.priced.total);
            }
            seen.push(id);
            standing.shares.push(share(id, Some(place), figures));
            if let Some(row) = arm.filter(|_| draws) {
                let figures = thanked(code, discount);
                standing.arms.push(ArmShare { row, figures });
            }
        }
        standing.shares = merged(standing.shares);
        standing.arms = one_order(standing.arms);
        standing
    }

    /// What a mail adds, to its `arm` too if it is an arm's first mail; `None` while SES has not taken it. One that SES took and
    /// then refused adds nothing any more.
    ///
    /// Its versions count what happened to it after SES took it, of which nothing happens twice nor is undone, but that staff have it
    /// sent again: then it begins anew, above all versions of the try before.
    pub fn of_mail(mail: &OutboxMail, zone: Tz, arm: Option<ArmRow>) -> Option<Self> {
        let (version, sent) = match mail.state {
            MailState::Sent => (1, mail.mailed_at),
            MailState::Failed => (2, None),
            MailState::Due
            | MailState::Sending
            | MailState::Unsettled
            | MailState::Parked
            | MailState::Withdrawn => return None,
        };
        let heard = [mail.delivered_at, mail.bounced_at];
        let heard: u64 = heard.iter().map(|at| u64::from(at.is_some())).sum();
        let shares = sent.map(|at| {
            let place = Place {
                day: at.with_timezone(&zone).date_naive(),
                channel: Some(Channel::thank_you(&mail.variant)),
            };
            let figures = Figures {
                mails: 1,
                ..Figures::default()
            };
            share(&mail.promotion_id, Some(place), figures)
        });
        let arms = sent.and(arm).map(|row| {
            let (delivered, bounced) = (mail.delivered_at.is_some(), mail.bounced_at.is_some());
            let figures = ArmFigures {
                mailed: 1,
                delivered: (delivered && !bounced).into(),
                bounced: bounced.into(),
                ..ArmFigures::default()
            };
            ArmShare { row, figures }
        });
        let version = version + heard + VERSIONS_OF_A_TRY * u64::from(mail.resends);
        let mut standing = Self::new(Subject::Mail(mail.id.clone()), version);
        standing.shares.extend(shares);
        standing.arms.extend(arms);
        Some(standing)
    }
}

impl Standing {
    /// What visits add: to their day and channel, and to their link. They only ever grow, so their number is their version.
    pub fn of_visits(part: &VisitPart, counted: &Visits) -> Self {
        let figures = Figures {
            visits: counted.visits.into(),
            ..Figures::default()
        };
        let place = Place {
            day: part.day,
            channel: Some(counted.channel.clone()),
        };
        let link = Row {
            promotion_id: counted.promotion_id.clone(),
            place: None,
            link: Some(part.slug.clone()),
        };
        let of_link = Share { row: link, figures };
        let mut standing = Self::new(Subject::Visits(part.clone()), counted.visits);
        standing.shares = vec![share(&counted.promotion_id, Some(place), figures), of_link];
        standing
    }
}

/// Most versions that a mail goes through between two times staff have it sent: sent, refused after all, delivered, bounced.
const VERSIONS_OF_A_TRY: u64 = 4;

fn share(promotion: &PromotionId, place: Option<Place>, figures: Figures) -> Share {
    let row = Row {
        promotion_id: promotion.clone(),
        place,
        link: None,
    };
    Share { row, figures }
}

/// What a code of an arm adds that an order used.
fn thanked(code: &RedeemedCode, discount: Amount) -> ArmFigures {
    ArmFigures {
        redeemed: 1,
        discount: minor(discount.saturating_sub(code.returned)),
        ..ArmFigures::default()
    }
}

/// One share for each arm; an order with two codes of one arm is one order.
fn one_order(shares: Vec<ArmShare>) -> Vec<ArmShare> {
    let mut shares = merged(shares);
    for share in &mut shares {
        share.figures.redeemed = 1;
    }
    shares
}

fn spent(promotion: &PromotionId, drawn: Amount) -> Share {
    let figures = Figures {
        spent_amount: minor(drawn),
        spent_uses: 1,
        ..Figures::default()
    };
    share(promotion, None, figures)
}

fn sold(record: &Redemption, code: &RedeemedCode, discount: Amount) -> Figures {
    let cancelled = record.status == RedemptionStatus::Cancelled;
    Figures {
        redemptions: 1,
        cancelled: cancelled.into(),
        returned: i128::from(!record.returns.is_empty()),
        returned_discount: minor(code.returned),
        discount: if cancelled { 0 } else { minor(discount) },
        ..Figures::default()
    }
}

fn minor(amount: Amount) -> i128 {
    i128::from(amount.minor())
}

/// What the table says about subjects and buyers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// What was added for each subject.
    pub counted: HashMap<Subject, Counted>,
    /// Each buyer's first redemption.
    pub buyers: HashMap<Buyer, FirstBuy>,
}

/// What to write so that subjects count as they stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// What then was added for each subject that changed.
    pub counted: Vec<(Subject, Counted)>,
    /// Each buyer's first redemption, where it is another than was known.
    pub buyers: HashMap<Buyer, FirstBuy>,
    /// How the sums change; also those to which several add nothing together, since what is added to a row changes with it.
    pub rows: BTreeMap<Row, Figures>,
    /// How the sums of arms change, in the same way.
    pub arms: BTreeMap<ArmRow, ArmFigures>,
    /// How sales change, in the same way.
    pub sales: BTreeMap<SalesRow, SalesFigures>,
}

/// Which versions are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recount {
    /// Those later than the one counted.
    Newer,
    /// That one too, if it adds something else now.
    Same,
}

impl Plan {
    /// Compares subjects, each named once, with what is known of them.
    pub fn new(standings: &[Standing], known: &Known, recount: Recount) -> Self {
        let mut plan = Self::default();
        for standing in standings {
            let before = known.counted.get(&standing.subject);
            let counted = Counted {
                version: standing.version,
                times: before.map_or(1, |before| before.times.saturating_add(1)),
                shares: standing.shares.clone(),
                arms: standing.arms.clone(),
                sales: standing.sales.clone(),
            };
            let news = match before {
                None => true,
                Some(before) => match standing.version.cmp(&before.version) {
                    Ordering::Greater => true,
                    Ordering::Equal => recount == Recount::Same,
                    Ordering::Less => false,
                },
            };
            if !news {
                continue;
            }
            let same = |before: &Counted| {
                (before.version, &before.shares, &before.arms, &before.sales)
                    == (
                        counted.version,
                        &counted.shares,
                        &counted.arms,
                        &counted.sales,
                    )
            };
            if !before.is_some_and(same) {
                let nothing = Counted::default();
                let before = before.unwrap_or(&nothing);
                add(&mut plan.rows, difference(&before.shares, &counted.shares));
                add(&mut plan.arms, difference(&before.arms, &counted.arms));
                add(&mut plan.sales, difference(&before.sales, &counted.sales));
                plan.counted.push((standing.subject.clone(), counted));
            }
            for (buyer, first) in &standing.buyers {
                plan.note_buyer(buyer, first, known);
            }
        }
        plan
    }

    /// Counts a buyer where they bought first, whatever the order in which that is heard of.
    fn note_buyer(&mut self, buyer: &Buyer, first: &FirstBuy, known: &Known) {
        let one = Figures {
            buyers: 1,
            ..Figures::default()
        };
        let row = |place: &Place| Row {
            promotion_id: buyer.0.clone(),
            place: Some(place.clone()),
            link: None,
        };
        let standing = self.buyers.get(buyer).or_else(|| known.buyers.get(buyer));
        match standing.cloned() {
            Some(earlier) if !first.replaces(&earlier) => return,
            Some(later) => *self.rows.entry(row(&later.place)).or_default() += -one,
            None => {}
        }
        *self.rows.entry(row(&first.place)).or_default() += one;
        self.buyers.insert(buyer.clone(), first.clone());
    }

    /// How many items are to be written.
    pub fn writes(&self) -> usize {
        self.counted.len()
            + self.buyers.len()
            + self.rows.len()
            + self.arms.len()
            + self.sales.len()
    }
}

/// Adds changes to those that are planned.
fn add<R: Ord, F: Named>(planned: &mut BTreeMap<R, F>, changes: BTreeMap<R, F>) {
    for (row, figures) in changes {
        *planned.entry(row).or_default() += figures;
    }
}

#[cfg(test)]
mod tests;
