//! What each item says, as far as the audit compares it with others.

use std::fmt;

use serde::de::DeserializeOwned;

use crate::domain::code::{PromotionId, Serial};
use crate::domain::follow_up::{FollowUp, FollowUpId};
use crate::domain::link::{Link, Visits};
use crate::domain::order::OrderId;
use crate::domain::outbox::OutboxMail;
use crate::domain::promotion::Promotion;
use crate::domain::redemption::Redemption;
use crate::store::automatic;
use crate::store::keys::{self, Key};
use crate::store::minting::Batch;
use crate::store::promotions::Counter;
use crate::store::schema::{DUE_MS, DUE_SHARD};
use crate::store::{CodeItem, GroupCode, Item, OrderMarker, read, terms};

/// One item, read.
pub(super) enum Fact {
    Terms(Box<Promotion>),
    Counter(PromotionId, u64),
    /// A place in the list of promotions.
    Entry(PromotionId),
    /// A place among those that apply by themselves.
    Automatic(PromotionId, Place),
    Batch(PromotionId, Batch),
    /// A word as it is looked up, under its folded form.
    Word(String, Box<GroupCode>),
    /// A word as its promotion lists it.
    Listed(PromotionId, String, Box<GroupCode>),
    Shard(PromotionId, u8, ShardFact),
    /// A count of uses, named by its key.
    Uses(i64),
    Code(PromotionId, Serial, Box<CodeItem>),
    Record(Box<Redemption>, Due),
    Marker(OrderId, FollowUpId, Box<OrderMarker>),
    Mail(Box<OutboxMail>, Due),
    /// A follow-up as it stands.
    Rule(FollowUpId, u64),
    /// A follow-up as it stood at one version.
    RuleVersion(FollowUpId, u64),
    /// An item that nothing is compared with.
    Other,
    /// An item of a kind this version does not know.
    Unknown,
}

/// A promotion's place among those that apply by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Until when, in milliseconds since 1970; for good if absent.
    pub(super) ends_ms: Option<i64>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ends_ms {
            None => f.write_str("a place without end"),
            Some(ms) => write!(f, "a place until {}", at(ms)),
        }
    }
}

/// Attributes of the due index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) shard: Option<String>,
    pub(super) ms: Option<i64>,
}

impl fmt::Display for Due {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.shard, self.ms) {
            (None, None) => f.write_str("no time"),
            (Some(shard), Some(ms)) => write!(f, "{} in part {shard}", at(ms)),
            (None, Some(ms)) => write!(f, "{} in no part", at(ms)),
            (Some(shard), None) => write!(f, "no time in part {shard}"),
        }
    }
}

/// A moment in milliseconds since 1970, for people.
pub(super) fn at(ms: i64) -> String {
    chrono::DateTime::from_timestamp_millis(ms).map_or_else(
        || ms.to_string(),
        |at| at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
    )
}

/// A shard's numbers as they stand, which may be negative where something is wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ShardFact {
    pub(super) budget_left: Option<i64>,
    pub(super) uses_left: Option<i64>,
    pub(super) spent_amount: i64,
    pub(super) spent_uses: i64,
}

/// What an item says, or its key if it cannot be read.
pub(super) fn fact(item: &Item) -> Result<Fact, Key> {
    let key = Key::of(item).ok_or_else(nowhere)?;
    if keys::is_counted(&key) {
        return Ok(Fact::Other);
    }
    read_fact(&key, item).ok_or(key)
}

fn nowhere() -> Key {
    Key {
        pk: String::new(),
        sk: String::new(),
    }
}

/// Kinds of items that nothing is compared with.
const UNCOMPARED: [&str; 13] = [
    keys::API_KEYS,
    keys::SENDING,
    keys::WATCH,
    "idempotency",
    "attempts",
    "person",
    "test-mail",
    "buyer",
    "stats",
    "buyer-orders",
    "results",
    keys::SALES,
    keys::LINKS,
];

fn read_fact(key: &Key, item: &Item) -> Option<Fact> {
    let (kind, rest) = key.pk.split_once('#').unwrap_or((key.pk.as_str(), ""));
    match kind {
        keys::PROMOTIONS => {
            let (_, id) = key.sk.split_once('#')?;
            let named = text(item, "id")? == id;
            named.then_some(Fact::Entry(promotion(id)?))
        }
        keys::AUTOMATIC => {
            let entry: automatic::Entry = parsed(item)?;
            let named = keys::automatic(&entry.id) == *key;
            let place = Place {
                ends_ms: entry.ends_ms,
            };
            named.then_some(Fact::Automatic(entry.id, place))
        }
        "promotion" => of_promotion(&promotion(rest)?, key, item),
        "word" if key.sk == "word" => {
            let word: GroupCode = parsed(item)?;
            let folded = word.code.folded().as_str() == rest;
            folded.then(|| Fact::Word(rest.to_owned(), Box::new(word)))
        }
        "word" | "customer" | "word-customer" if key.sk == "uses" => {
            Some(Fact::Uses(number(item, "used")?))
        }
        "shard" => {
            let (id, index) = rest.split_once('#')?;
            Some(Fact::Shard(
                promotion(id)?,
                index.parse().ok()?,
                shard(item)?,
            ))
        }
        "codes" | "thank-you" => {
            let (id, _) = rest.split_once('#')?;
            let (id, number) = (promotion(id)?, key.sk.parse::<u64>().ok()?);
            let serial = Serial::try_from(number).ok()?;
            let placed = keys::code(&id, serial) == *key;
            placed.then_some(Fact::Code(id, serial, Box::new(parsed(item)?)))
        }
        "order" => of_order(keys::order_id(&key.pk)?, key, item),
        keys::FOLLOW_UPS => {
            let follow_up: FollowUp = parsed(item)?;
            let named = follow_up.id.as_str() == key.sk;
            named.then_some(Fact::Rule(follow_up.id, follow_up.version))
        }
        "follow-up" => {
            let follow_up: FollowUp = parsed(item)?;
            let named = keys::follow_up_version(&follow_up.id, follow_up.version) == *key;
            named.then_some(Fact::RuleVersion(follow_up.id, follow_up.version))
        }
        "mail" => {
            let mail: OutboxMail = parsed(item)?;
            let named = keys::mail(&mail.id) == *key;
            named.then(|| Fact::Mail(Box::new(mail), due(item)))
        }
        "link" | keys::VISITS => of_link(key, item),
        _ if UNCOMPARED.contains(&kind) => Some(Fact::Other),
        _ => Some(Fact::Unknown),
    }
}

/// A link or some of its visits: nothing is compared with them, but they must be what this version wrote.
fn of_link(key: &Key, item: &Item) -> Option<Fact> {
    let named = if key.sk == keys::VISITS {
        let _: Visits = parsed(item)?;
        keys::visit_part(&key.pk).is_some()
    } else {
        let link: Link = parsed(item)?;
        keys::link(&link.slug) == *key
    };
    named.then_some(Fact::Other)
}

fn of_promotion(id: &PromotionId, key: &Key, item: &Item) -> Option<Fact> {
    let (kind, rest) = key.sk.split_once('#').unwrap_or((key.sk.as_str(), ""));
    match kind {
        "terms" => {
            let promotion = terms::promotion_of(item.clone()).ok()?;
            (promotion.id == *id).then(|| Fact::Terms(Box::new(promotion)))
        }
        "counter" => {
            let Counter { minted } = parsed(item)?;
            Some(Fact::Counter(id.clone(), minted))
        }
        "batch" => {
            let batch: Batch = parsed(item)?;
            (batch.batch_id == rest).then(|| Fact::Batch(id.clone(), batch))
        }
        "word" => {
            let word: GroupCode = parsed(item)?;
            let folded = word.code.folded().as_str() == rest;
            folded.then(|| Fact::Listed(id.clone(), rest.to_owned(), Box::new(word)))
        }
        "link" => Some(Fact::Other),
        _ => Some(Fact::Unknown),
    }
}

fn of_order(order: OrderId, key: &Key, item: &Item) -> Option<Fact> {
    match key.sk.as_str() {
        "redemption" => {
            let record: Redemption = parsed(item)?;
            let named = record.order_id == order;
            named.then(|| Fact::Record(Box::new(record), due(item)))
        }
        "tombstone" | "unreconciled" => Some(Fact::Other),
        other if other.starts_with(keys::EVENT_PREFIX) => Some(Fact::Other),
        other => match other.strip_prefix(keys::MARKER_PREFIX) {
            None => Some(Fact::Unknown),
            Some(id) => {
                let id = FollowUpId::try_from(id.to_owned()).ok()?;
                let marker: OrderMarker = parsed(item)?;
                let named = marker.follow_up_id == id;
                named.then(|| Fact::Marker(order, id, Box::new(marker)))
            }
        },
    }
}

fn parsed<T: DeserializeOwned>(item: &Item) -> Option<T> {
    read(item.clone()).ok()
}

fn promotion(id: &str) -> Option<PromotionId> {
    PromotionId::try_from(id.to_owned()).ok()
}

fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

fn number(item: &Item, name: &str) -> Option<i64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

fn due(item: &Item) -> Due {
    Due {
        shard: text(item, DUE_SHARD).map(str::to_owned),
        ms: number(item, DUE_MS),
    }
}

/// `None` if an attribute is there and no whole number.
fn shard(item: &Item) -> Option<ShardFact> {
    let given = |name| match item.get(name) {
        None => Some(None),
        Some(_) => number(item, name).map(Some),
    };
    Some(ShardFact {
        budget_left: given("budget_left")?,
        uses_left: given("uses_left")?,
        spent_amount: given("spent_amount")?.unwrap_or_default(),
        spent_uses: given("spent_uses")?.unwrap_or_default(),
    })
}
