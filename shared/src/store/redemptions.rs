//! Redemption: one transaction that holds every condition, and the judgement of what it refused.
//!
//! The order's record decides first, then each code, then customers and shards. Nothing is checked in one request and
//! written in another. What happens to a record afterwards is in `changes` (cancel), `holds` (confirm, lapse) and `returns`.

mod changes;
mod holds;
mod returns;

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::codes::CodeItem;
use super::limits::{self, Gathered, LimitDraw, Shortage};
use super::transaction::{Action, Expression, Outcome, TransactError};
use super::{Item, Store, StoreError, due, keys, read, retry, word_limits, write};
use crate::domain::code::{PromotionId, Serial};
use crate::domain::money::Amount;
use crate::domain::order::OrderId;
use crate::domain::redemption::{CodeRef, Redeemed, RedeemedCode, Redemption, RedemptionStatus};

pub use holds::ConfirmError;
pub use returns::ReturnError;

/// A single-use code.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Draw {
    /// Its promotion.
    pub promotion_id: PromotionId,
    /// Its number.
    pub serial: Serial,
}

/// How a redemption ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redeem {
    /// It was written now, by this call.
    Done,
    /// The order id has a record already; whoever asks must judge it.
    Recorded(Box<Redemption>),
    /// Nothing was written: these codes of the record (by index) could not be used.
    Refused(Vec<(usize, Obstacle)>),
}

/// The shard each promotion is to draw from next, where one was gathered into.
type GatheredInto = HashMap<PromotionId, u8>;

/// What stood in a code's way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// Its item; `None` is a thank-you code that was never issued.
    Code(Option<CodeItem>),
    /// One of the people has used the promotion as often as they may.
    Customer,
    /// All shards of its promotion together hold too little.
    Limit(Shortage),
}

/// What a cancelled redemption comes to.
enum Judged {
    /// Nothing: try again.
    Again,
    /// The record under the order id, of this version, lapsed: take its place.
    Replace(u64),
    End(Redeem),
}

impl Judged {
    fn recorded(record: Redemption) -> Self {
        Self::End(Redeem::Recorded(Box::new(record)))
    }
}

/// What one write beside the record's own is for.
struct Step {
    /// Index of the code.
    code: usize,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Code,
    Customer,
    Word,
    WordCustomer,
    Shard,
}

impl Store {
    /// Writes `record`, takes the codes it names and draws on their limits, all or nothing. A hold whose time is over, under
    /// this order id or on one of the codes, lapses first; so do those of a promotion that has too little left.
    ///
    /// # Errors
    /// [`StoreError`] if nothing was decided before the deadline. The same call again then finds what became of it.
    pub async fn redeem(&self, record: &Redemption) -> Result<Redeem, StoreError> {
        let mut lapsed = None;
        let mut gathered = GatheredInto::new();
        let mut attempts = retry::Attempts::new();
        loop {
            let put = match lapsed {
                None => Action::PutNew(item_of(record)?),
                Some(version) => replace(record, version)?,
            };
            let (steps, others): (Vec<Step>, Vec<Action>) =
                Self::steps(record, &gathered).into_iter().unzip();
            let actions = std::iter::once(put).chain(others).collect();
            let judged = match self.transact(actions).await {
                Ok(()) => Ok(Judged::End(Redeem::Done)),
                Err(TransactError::Cancelled(outcomes)) => {
                    self.judge(record, &steps, outcomes, &mut gathered).await
                }
                Err(TransactError::Store(error)) => Err(error),
            };
            match judged {
                Ok(Judged::Again) => {}
                Ok(Judged::Replace(version)) => lapsed = Some(version),
                Ok(Judged::End(end)) => return Ok(end),
                // Applied or not: the next attempt finds out.
                Err(StoreError::Unavailable(cause)) => {
                    tracing::warn!(%cause, order.id = %record.order_id, "redemption undecided, trying again");
                }
                Err(error @ StoreError::Corrupt(_)) => return Err(error),
            }
            attempts.pause().await?;
        }
    }

    /// The writes beside the record's own, in their order.
    fn steps(record: &Redemption, gathered: &GatheredInto) -> Vec<(Step, Action)> {
        let Some(redeemed) = &record.redeemed else {
            return Vec::new();
        };
        let mut steps = Vec::new();
        for (index, code) in redeemed.codes.iter().enumerate() {
            let Some(amount) = code.discount else {
                continue;
            };
            let step = |kind, action| (Step { code: index, kind }, action);
            if let CodeRef::Serial(serial) = code.code {
                let action = use_code(&code.promotion_id, serial, record, redeemed);
                steps.push(step(Kind::Code, action));
            }
            if let Some(limit) = code.limits.per_customer {
                let people = redeemed.people.iter();
                steps.extend(people.map(|person| {
                    step(
                        Kind::Customer,
                        limits::count_customer(&code.promotion_id, person, limit),
                    )
                }));
            }
            let word = word_limits::uses(code).into_iter();
            steps.extend(word.map(|counter| step(Kind::Word, counter.count())));
            let people = word_limits::uses_by(code, &redeemed.people).into_iter();
            steps.extend(people.map(|counter| step(Kind::WordCustomer, counter.count())));
            if code.limits.shard_count() > 0 {
                let shard = gathered.get(&code.promotion_id).copied();
                let shard = shard.unwrap_or_else(|| limits::any_shard(code.limits));
                let action = limit_draw(code, amount).take(shard);
                steps.push(step(Kind::Shard, action));
            }
        }
        steps
    }

    /// What a cancelled transaction means.
    async fn judge(
        &self,
        record: &Redemption,
        steps: &[Step],
        outcomes: Vec<Outcome>,
        gathered: &mut GatheredInto,
    ) -> Result<Judged, StoreError> {
        if outcomes.contains(&Outcome::Undecided) {
            return Ok(Judged::Again);
        }
        let now = began_at(record);
        let mut outcomes = outcomes.into_iter();
        match outcomes.next() {
            Some(Outcome::Refused(Some(item))) => return self.judge_record(read(item)?, now).await,
            Some(Outcome::Held) => {}
            Some(Outcome::Refused(None) | Outcome::Undecided) | None => return Ok(Judged::Again),
        }
        let (mut refused, mut dry) = (Vec::new(), Vec::new());
        for (step, outcome) in steps.iter().zip(outcomes) {
            match (step.kind, outcome) {
                (Kind::Code, Outcome::Refused(item)) => {
                    refused.push((step.code, Obstacle::Code(item.map(read).transpose()?)));
                }
                (Kind::Word, Outcome::Refused(_)) => {
                    refused.push((step.code, Obstacle::Limit(Shortage::Uses)));
                }
                (Kind::Customer | Kind::WordCustomer, Outcome::Refused(_)) => {
                    refused.push((step.code, Obstacle::Customer));
                }
                (Kind::Shard, Outcome::Refused(_)) => dry.push(step.code),
                (_, Outcome::Held | Outcome::Undecided) => {}
            }
        }
        let items = || {
            refused.iter().filter_map(|(_, obstacle)| match obstacle {
                Obstacle::Code(item) => item.as_ref(),
                Obstacle::Customer | Obstacle::Limit(_) => None,
            })
        };
        if items().any(|item| item.order_id.as_ref() == Some(&record.order_id)) {
            // Our own write, seen between two of its items: the record under the order id says the rest.
            let recorded = self.judge_recorded(record, now).await?;
            return Ok(recorded.unwrap_or(Judged::Again));
        }
        let overdue: Vec<&OrderId> = items().filter_map(|item| item.overdue_hold(now)).collect();
        if !overdue.is_empty() {
            for order in overdue {
                self.lapse(order, now).await?;
            }
            return Ok(Judged::Again);
        }
        if refused.is_empty() {
            refused = self.gather_for(record, &dry, gathered).await?;
            // All shards were looked at after the transaction: what they lack may be what this order took in between.
            if !refused.is_empty()
                && let Some(judged) = self.judge_recorded(record, now).await?
            {
                return Ok(judged);
            }
        }
        if refused.is_empty() || self.lapse_for(record, &refused).await? {
            return Ok(Judged::Again);
        }
        Ok(Judged::End(Redeem::Refused(refused)))
    }

    /// What the record under the order id means by now, if there is one that `record` does not replace anyway.
    async fn judge_recorded(
        &self,
        record: &Redemption,
        now: DateTime<Utc>,
    ) -> Result<Option<Judged>, StoreError> {
        match self.redemption(&record.order_id).await? {
            Some(recorded) if recorded.status != RedemptionStatus::Lapsed => {
                self.judge_record(recorded, now).await.map(Some)
            }
            Some(_) | None => Ok(None),
        }
    }

    /// What the record that stands under the order id means for a redemption at `now`.
    async fn judge_record(
        &self,
        recorded: Redemption,
        now: DateTime<Utc>,
    ) -> Result<Judged, StoreError> {
        if recorded.status == RedemptionStatus::Lapsed {
            Ok(Judged::Replace(recorded.version))
        } else if recorded.is_overdue_at(now) {
            self.lapse_record(&recorded, now).await?;
            Ok(Judged::Again)
        } else {
            Ok(Judged::recorded(recorded))
        }
    }

    /// Ends the overdue holds of the promotions whose limits refused, unless a code refuses anyway; `true` if any ended.
    async fn lapse_for(
        &self,
        record: &Redemption,
        refused: &[(usize, Obstacle)],
    ) -> Result<bool, StoreError> {
        let limit = |obstacle: &Obstacle| !matches!(obstacle, Obstacle::Code(_));
        if !refused.iter().all(|(_, obstacle)| limit(obstacle)) {
            return Ok(false);
        }
        let codes = record.redeemed.iter().flat_map(|redeemed| &redeemed.codes);
        let codes = codes.enumerate().filter_map(|(index, code)| {
            let named = refused.iter().any(|(refused, _)| *refused == index);
            named.then_some(&code.promotion_id)
        });
        let promotions: Vec<&PromotionId> = codes.collect();
        self.lapse_holds_of(&promotions, began_at(record)).await
    }

    /// Gathers for each code whose shard could not serve it; what it returns cannot be served by all shards together.
    async fn gather_for(
        &self,
        record: &Redemption,
        dry: &[usize],
        gathered: &mut GatheredInto,
    ) -> Result<Vec<(usize, Obstacle)>, StoreError> {
        let mut refused = Vec::new();
        let codes = record
            .redeemed
            .iter()
            .flat_map(|redeemed| &redeemed.codes)
            .enumerate();
        for (index, code) in codes.filter(|(index, _)| dry.contains(index)) {
            match self
                .gather(&limit_draw(code, code.discount.unwrap_or_default()))
                .await?
            {
                Gathered::Exhausted(shortage) => refused.push((index, Obstacle::Limit(shortage))),
                Gathered::TryAgain(shard) => {
                    gathered.insert(code.promotion_id.clone(), shard);
                }
            }
        }
        Ok(refused)
    }

    /// The record under an order id, strongly consistent, or `None`.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn redemption(&self, order: &OrderId) -> Result<Option<Redemption>, StoreError> {
        self.get(&keys::redemption(order)).await
    }
}

fn limit_draw(code: &RedeemedCode, amount: Amount) -> LimitDraw<'_> {
    LimitDraw {
        promotion: &code.promotion_id,
        limits: code.limits,
        amount,
    }
}

/// When the redemption that would write `record` began.
fn began_at(record: &Redemption) -> DateTime<Utc> {
    let redeemed = record.redeemed.as_ref();
    redeemed.map_or(DateTime::UNIX_EPOCH, |redeemed| redeemed.redeemed_at)
}

/// A record's item; a hold's is also found by the time it ends.
fn item_of(record: &Redemption) -> Result<Item, StoreError> {
    let mut item = write(&keys::redemption(&record.order_id), record)?;
    if let (RedemptionStatus::Held, Some(until)) = (record.status, record.held_until) {
        due::add_hold(&mut item, &record.order_id, until);
    }
    Ok(item)
}

/// The write that puts `record` in place of the lapsed one of version `seen`, whose history it drops.
fn replace(record: &Redemption, seen: u64) -> Result<Action, StoreError> {
    let record = Redemption {
        version: seen.saturating_add(1),
        ..record.clone()
    };
    let lapsed = Expression::new("version = :seen AND #status = :lapsed")
        .name("#status", "status")
        .number(":seen", seen)
        .string(":lapsed", "lapsed");
    Ok(Action::Put(item_of(&record)?, lapsed))
}

/// Whether a code is bound to a customer, for each of the up to three identities they have.
const IDENTITIES: [(&str, &str); 3] = [
    (":one", " OR contains(bound_to, :one)"),
    (":two", " OR contains(bound_to, :two)"),
    (":three", " OR contains(bound_to, :three)"),
];

fn use_code(
    promotion: &PromotionId,
    serial: Serial,
    record: &Redemption,
    redeemed: &Redeemed,
) -> Action {
    let unused = if serial.is_thank_you() {
        "#state = :unused AND expires_ms > :now"
    } else {
        "attribute_not_exists(pk) OR #state = :unused"
    };
    let mut condition = Expression::new(format!("({unused}) AND (attribute_not_exists(bound_to)"))
        .name("#state", "state")
        .string(":unused", "unused")
        .string(":order", record.order_id.as_str())
        .number(":serial", serial.get());
    if serial.is_thank_you() {
        condition = condition.number(":now", redeemed.redeemed_at.timestamp_millis());
    }
    for (person, (name, bound_to_them)) in redeemed.people.iter().zip(IDENTITIES) {
        condition = condition
            .string(name, person.as_str())
            .and_text(bound_to_them);
    }
    let condition = condition.and_text(")");
    let key = keys::code(promotion, serial);
    match record.held_until {
        Some(until) => Action::Update {
            key,
            update: "SET #state = :held, order_id = :order, held_until_ms = :until, serial = :serial",
            condition: condition
                .string(":held", "held")
                .number(":until", until.timestamp_millis()),
        },
        None => Action::Update {
            key,
            update: "SET #state = :redeemed, order_id = :order, redeemed_at = :at, serial = :serial",
            condition: condition
                .string(":redeemed", "redeemed")
                .string(":at", timestamp(redeemed.redeemed_at)),
        },
    }
}

/// A time as serde writes it.
fn timestamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_redeemed_is_one_attribute_and_is_read_from_attributes_too() {
        let attributes = json!({
            "order_id": "1001", "status": "redeemed", "version": 1,
            "redeemed": {
                "fingerprint": "f", "written_by": "w", "redeemed_at": "2026-11-30T18:00:00.250Z",
                "codes": [
                    {"promotion_id": "THX9", "code": {"serial": 7}, "discount": 396, "limits": {"budget": 1000, "shards": 1}},
                    {"promotion_id": "Q2W3", "code": {"word": "茶10"}, "reason": "better-one-applied"},
                ],
                "priced": {
                    "currency": "JPY", "subtotal": 3960, "discount": 396, "shipping_discount": 0, "total": 3564,
                    "lines": [{"sku": "茶 \"1\"", "quantity": 2, "subtotal": 3960, "discount": 396}],
                },
            },
        });
        let record: Redemption = serde_json::from_value(attributes.clone()).unwrap();
        let item = item_of(&record).unwrap();
        assert!(item["redeemed"].is_s());
        assert_eq!(read::<Redemption>(item).unwrap(), record);
        let before: Item = serde_dynamo::to_item(attributes).unwrap();
        assert!(before["redeemed"].is_m());
        assert_eq!(read::<Redemption>(before).unwrap(), record);
        let broken = Item::from([(
            "redeemed".to_owned(),
            aws_sdk_dynamodb::types::AttributeValue::S("{".to_owned()),
        )]);
        assert!(read::<Redemption>(broken).is_err());
    }
}
