//! Where every kind of item lives: the single-table layout, in one place.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{DateTime, NaiveDate, Utc};

use crate::domain::cart::Sku;
use crate::domain::channel::Channel;
use crate::domain::code::{FoldedWord, PromotionId, Serial};
use crate::domain::follow_up::FollowUpId;
use crate::domain::identity::PersonHash;
use crate::domain::link::{Slug, VisitPart};
use crate::domain::money::Currency;
use crate::domain::order::{OrderEventKind, OrderId, Source};
use crate::domain::outbox::MailId;
use crate::domain::results::ArmRow;
use crate::domain::sales::SalesRow;
use crate::domain::stats::{Place, Row, Subject};

/// Partition and sort key of one item.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) pk: String,
    pub(super) sk: String,
}

impl Key {
    fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self {
            pk: pk.into(),
            sk: sk.into(),
        }
    }

    /// The key of an item.
    pub(super) fn of(item: &HashMap<String, AttributeValue>) -> Option<Self> {
        let text = |name| item.get(name)?.as_s().ok().cloned();
        Some(Self {
            pk: text("pk")?,
            sk: text("sk")?,
        })
    }

    pub(super) fn attributes(&self) -> HashMap<String, AttributeValue> {
        let pair = |name: &str, value: &str| (name.to_owned(), AttributeValue::S(value.to_owned()));
        HashMap::from([pair("pk", &self.pk), pair("sk", &self.sk)])
    }
}

/// Serials per partition of minted codes: one page of redemptions stays one partition, and a busy promotion spreads.
pub(super) const SERIALS_PER_PARTITION: u64 = 1024;
/// Partitions over which a promotion's thank-you codes spread.
pub(super) const THANK_YOU_PARTITIONS: u64 = 64;

/// Partition of all API keys.
pub(super) const API_KEYS: &str = "api-keys";
/// Partition of all promotions' places in the list, newest first.
pub(super) const PROMOTIONS: &str = "promotions";
/// Partition of all promotions that apply by themselves, but for those that staff ended.
pub(super) const AUTOMATIC: &str = "automatic";
/// Partition of all links' places in the list, newest first.
pub(super) const LINKS: &str = "links";
/// Partition of all follow-ups.
pub(super) const FOLLOW_UPS: &str = "follow-ups";

/// Partition of the one item that says whether mails go out.
pub(super) const SENDING: &str = "sending";

pub(super) fn api_key(digest: &str) -> Key {
    Key::new(API_KEYS, digest)
}

/// An answer kept for a repeated creating request, named by API key and `Idempotency-Key`.
pub(super) fn idempotency(name: &str) -> Key {
    Key::new(format!("idempotency#{name}"), "answer")
}

/// Partition of a promotion's terms, counter, batches and words.
pub(super) fn promotion_partition(id: &PromotionId) -> String {
    format!("promotion#{id}")
}

/// A promotion's place in the list, which sorts by creation.
pub(super) fn promotion_entry(created_at: DateTime<Utc>, id: &PromotionId) -> Key {
    Key::new(
        PROMOTIONS,
        format!("{:015}#{id}", created_at.timestamp_millis()),
    )
}

/// That a promotion applies by itself.
pub(super) fn automatic(id: &PromotionId) -> Key {
    Key::new(AUTOMATIC, id.as_str())
}

pub(super) fn terms(id: &PromotionId) -> Key {
    Key::new(promotion_partition(id), "terms")
}

/// How many serials are minted.
pub(super) fn counter(id: &PromotionId) -> Key {
    Key::new(promotion_partition(id), "counter")
}

pub(super) fn batch(id: &PromotionId, batch_id: &str) -> Key {
    Key::new(promotion_partition(id), format!("batch#{batch_id}"))
}

/// A group word under its promotion, for listing …
pub(super) fn word_of(id: &PromotionId, word: &FoldedWord) -> Key {
    Key::new(promotion_partition(id), format!("word#{}", word.as_str()))
}

/// … and by itself, for look-up and uniqueness across the shop.
pub(super) fn word(word: &FoldedWord) -> Key {
    Key::new(format!("word#{}", word.as_str()), "word")
}

/// A share of a promotion's budget and uses; each in a partition of its own, so that they take writes side by side.
pub(super) fn shard(id: &PromotionId, index: u8) -> Key {
    Key::new(format!("shard#{id}#{index}"), "shard")
}

/// How often a person has used a promotion.
pub(super) fn customer(id: &PromotionId, person: &PersonHash) -> Key {
    Key::new(format!("customer#{id}#{}", person.as_str()), "uses")
}

/// How often a word was used, if that is limited.
pub(super) fn word_uses(word: &FoldedWord) -> Key {
    Key::new(format!("word#{}", word.as_str()), "uses")
}

/// How often a person has used a word, if that is limited.
pub(super) fn word_customer(word: &FoldedWord, person: &PersonHash) -> Key {
    Key::new(
        format!("word-customer#{}#{}", word.as_str(), person.as_str()),
        "uses",
    )
}

/// How many unknown codes a customer, or an address, has tried of late.
pub(super) fn attempts(who: &PersonHash) -> Key {
    Key::new(format!("attempts#{}", who.as_str()), "unknown-codes")
}

/// A single-use code that was used, voided or (thank-you codes) issued.
pub(super) fn code(id: &PromotionId, serial: Serial) -> Key {
    let number = serial.get();
    let partition = if serial.is_thank_you() {
        thank_you_partition(id, number % THANK_YOU_PARTITIONS)
    } else {
        batch_partition(id, number / SERIALS_PER_PARTITION)
    };
    Key::new(partition, format!("{number:011}"))
}

pub(super) fn batch_partition(id: &PromotionId, index: u64) -> String {
    format!("codes#{id}#{index}")
}

pub(super) fn thank_you_partition(id: &PromotionId, index: u64) -> String {
    format!("thank-you#{id}#{index}")
}

/// Partition of everything known about an order: its redemption, markers and tombstone.
pub(super) fn order_partition(order: &OrderId) -> String {
    format!("order#{order}")
}

pub(super) fn redemption(order: &OrderId) -> Key {
    Key::new(order_partition(order), "redemption")
}

/// The order whose partition this is.
pub(super) fn order_id(partition: &str) -> Option<OrderId> {
    let id = partition.strip_prefix("order#")?;
    OrderId::try_from(id.to_owned()).ok()
}

/// What the sort keys of an order's markers begin with.
pub(super) const MARKER_PREFIX: &str = "marker#";

/// That a follow-up has dealt with an order, and how.
pub(super) fn order_marker(order: &OrderId, follow_up: &FollowUpId) -> Key {
    Key::new(
        order_partition(order),
        format!("{MARKER_PREFIX}{follow_up}"),
    )
}

/// What the sort keys of the events seen about an order begin with.
pub(super) const EVENT_PREFIX: &str = "event#";

/// That an event of this kind was seen about an order.
pub(super) fn order_event(order: &OrderId, kind: OrderEventKind) -> Key {
    Key::new(
        order_partition(order),
        format!("{EVENT_PREFIX}{}", kind.as_str()),
    )
}

/// That an order was cancelled or refunded.
pub(super) fn tombstone(order: &OrderId) -> Key {
    Key::new(order_partition(order), TOMBSTONE)
}

/// Sort key of a tombstone.
pub(super) const TOMBSTONE: &str = "tombstone";

/// Codes that a shop took for an order and that could not be redeemed under it.
pub(super) fn unreconciled(order: &OrderId) -> Key {
    Key::new(order_partition(order), "unreconciled")
}

pub(super) fn link(slug: &Slug) -> Key {
    Key::new(format!("link#{slug}"), "link")
}

/// A link's place in the list, which sorts by creation …
pub(super) fn link_entry(created_at: DateTime<Utc>, slug: &Slug) -> Key {
    let created = created_at.timestamp_millis();
    Key::new(LINKS, format!("{created:015}#{slug}"))
}

/// … and among those of its promotion.
pub(super) fn link_of(id: &PromotionId, slug: &Slug) -> Key {
    Key::new(promotion_partition(id), format!("{LINK_PREFIX}{slug}"))
}

/// What the sort keys of a promotion's links begin with.
pub(super) const LINK_PREFIX: &str = "link#";

/// A part of a link's visits of a day; each in a partition of its own, so that they take writes side by side.
pub(super) fn visits(part: &VisitPart) -> Key {
    Key::new(format!("{VISITS}#{part}"), VISITS)
}

/// Sort key of a part of visits, and what its partition begins with.
pub(super) const VISITS: &str = "visits";

/// The part whose partition this is.
pub(super) fn visit_part(partition: &str) -> Option<VisitPart> {
    let (kind, part) = partition.split_once('#')?;
    (kind == VISITS).then(|| VisitPart::read(part))?
}

pub(super) fn follow_up(id: &FollowUpId) -> Key {
    Key::new(FOLLOW_UPS, id.as_str())
}

/// A follow-up as it stood at one version; never changed, so that a queued mail keeps its terms.
pub(super) fn follow_up_version(id: &FollowUpId, version: u64) -> Key {
    Key::new(format!("follow-up#{id}"), format!("version#{version:08}"))
}

pub(super) fn mail(id: &MailId) -> Key {
    Key::new(format!("mail#{id}"), "mail")
}

/// The mail whose partition this is.
pub(super) fn mail_id(partition: &str) -> Option<MailId> {
    let id = partition.strip_prefix("mail#")?;
    MailId::try_from(id.to_owned()).ok()
}

/// A sample mail that staff asked for.
pub(super) fn test_mail(id: &MailId) -> Key {
    Key::new(format!("{TEST_MAIL_PREFIX}{id}"), "test-mail")
}

/// What the partitions of test mails begin with.
const TEST_MAIL_PREFIX: &str = "test-mail#";

/// The test mail whose partition this is.
pub(super) fn test_mail_id(partition: &str) -> Option<MailId> {
    let id = partition.strip_prefix(TEST_MAIL_PREFIX)?;
    MailId::try_from(id.to_owned()).ok()
}

/// Whether mails go out at all.
pub(super) fn sending() -> Key {
    Key::new(SENDING, "state")
}

/// Partition of what became of mails on one day (of UTC) …
pub(super) fn outcomes_partition(day: &str) -> String {
    format!("{SENDING}#{day}")
}

/// … counted in as many parts as the due index has, so that they take writes side by side.
pub(super) fn outcomes(day: &str, part: &str) -> Key {
    Key::new(outcomes_partition(day), format!("{PART_PREFIX}{part}"))
}

/// What the sort keys of those parts begin with.
pub(super) const PART_PREFIX: &str = "part#";

/// Partition of what `watch` looks at and has told.
pub(super) const WATCH: &str = "watch";
/// What the sort keys of sources begin with.
pub(super) const SOURCE_PREFIX: &str = "source#";

/// When a source of orders was heard from.
pub(super) fn source(source: &Source) -> Key {
    Key::new(WATCH, format!("{SOURCE_PREFIX}{}", source.as_str()))
}

/// What staff were told.
pub(super) fn told() -> Key {
    Key::new(WATCH, "told")
}

/// The passing bounces of a person's address.
pub(super) fn soft_bounces(person: &PersonHash) -> Key {
    Key::new(format!("person#{}", person.as_str()), "soft-bounces")
}

/// Address, name and locale of a person.
pub(super) fn contact(person: &PersonHash) -> Key {
    Key::new(person_partition(person), CONTACT)
}

/// A buyer's completed orders, as far as it matters which was the first.
pub(super) fn buyer_orders(person: &PersonHash) -> Key {
    Key::new(format!("person#{}", person.as_str()), "orders")
}

/// The orders for which a buyer was thanked under a follow-up that limits how often.
pub(super) fn places(person: &PersonHash, follow_up: &FollowUpId) -> Key {
    Key::new(
        format!("person#{}", person.as_str()),
        format!("follow-up#{follow_up}"),
    )
}

/// That a person must not be mailed; kept for good.
pub(super) fn suppression(person: &PersonHash) -> Key {
    Key::new(person_partition(person), SUPPRESSION)
}

/// Partition of everything known about a person by themselves.
pub(super) fn person_partition(person: &PersonHash) -> String {
    format!("person#{}", person.as_str())
}

/// Sort key of a contact.
pub(super) const CONTACT: &str = "contact";
/// Sort key of a suppression.
pub(super) const SUPPRESSION: &str = "suppression";
/// What the sort keys of a person's mails begin with.
pub(super) const PERSON_MAIL_PREFIX: &str = "mail#";

/// That a mail is to a person, so that it is found when they ask to be forgotten.
pub(super) fn person_mail(person: &PersonHash, mail: &MailId) -> Key {
    Key::new(
        person_partition(person),
        format!("{PERSON_MAIL_PREFIX}{mail}"),
    )
}

/// What the sort key of what was counted is.
const COUNTED: &str = "counted";

/// What was added to the statistics for an order, a mail or visits; beside them, in their partition.
pub(super) fn counted(subject: &Subject) -> Key {
    let partition = match subject {
        Subject::Order(order) => order_partition(order),
        Subject::Mail(mail) => format!("mail#{mail}"),
        Subject::Visits(part) => visits(part).pk,
        Subject::Sales(order, part) => {
            return Key::new(
                order_partition(order),
                format!("{SALES_COUNTED_PREFIX}{part}"),
            );
        }
    };
    Key::new(partition, COUNTED)
}

/// Whether an item says what was added for a subject.
pub(super) fn is_counted(key: &Key) -> bool {
    key.sk == COUNTED || key.sk.starts_with(SALES_COUNTED_PREFIX)
}

/// What the sort keys of what was added for parts of an order's sales begin with.
const SALES_COUNTED_PREFIX: &str = "counted#sales#";

/// What the partitions of sales begin with.
pub(super) const SALES: &str = "sales";

/// Partition of a product's sales of each day, or of those of all products together.
pub(super) fn sales_partition(currency: Currency, product: Option<&Sku>) -> String {
    let product = product.map_or("", Sku::as_str);
    format!("{SALES}#{}#{product}", currency.code())
}

/// Sales of a product on a day.
pub(super) fn sales(row: &SalesRow) -> Key {
    let partition = sales_partition(row.currency, row.product.as_ref());
    Key::new(partition, row.day.to_string())
}

/// The row of sales whose key this is.
pub(super) fn sales_row(key: &Key) -> Option<SalesRow> {
    let mut parts = key.pk.splitn(3, '#');
    let (kind, currency, product) = (parts.next()?, parts.next()?, parts.next()?);
    let product = match product {
        "" => None,
        sku => Some(Sku::try_from(sku.to_owned()).ok()?),
    };
    (kind == SALES).then_some(SalesRow {
        currency: Currency::try_from(currency.to_owned()).ok()?,
        product,
        day: key.sk.parse().ok()?,
    })
}

/// Where a person's first redemption of a promotion was counted.
pub(super) fn buyer(id: &PromotionId, person: &PersonHash) -> Key {
    Key::new(format!("buyer#{id}#{}", person.as_str()), "buyer")
}

/// Partition of all sums of a promotion.
pub(super) fn stats_partition(id: &PromotionId) -> String {
    format!("stats#{id}")
}

/// Begins the sort keys of a day's sums; those of the next day sort behind all of them.
pub(super) fn stats_day(day: NaiveDate) -> String {
    format!("day#{day}#")
}

/// What the sort keys of links' sums begin with.
const LINK_SUMS: &str = "link#";

/// Sums of a promotion: of a day and channel, of a link, or of what it has spent.
pub(super) fn stats(row: &Row) -> Key {
    let sk = match (&row.place, &row.link) {
        (_, Some(slug)) => format!("{LINK_SUMS}{slug}"),
        (None, None) => "spent".to_owned(),
        (Some(Place { day, channel }), None) => {
            let channel = channel.as_ref().map_or("", |channel| channel.as_str());
            format!("{}{channel}", stats_day(*day))
        }
    };
    Key::new(stats_partition(&row.promotion_id), sk)
}

/// The link whose sums lie here.
pub(super) fn link_of_sums(key: &Key) -> Option<Slug> {
    let slug = key.sk.strip_prefix(LINK_SUMS)?;
    let sums = key.pk.starts_with("stats#");
    sums.then(|| Slug::try_from(slug.to_owned()).ok())?
}

/// The row whose sort key this is.
pub(super) fn stats_row(id: &PromotionId, sk: &str) -> Option<Row> {
    if let Some(slug) = sk.strip_prefix(LINK_SUMS) {
        return Some(Row {
            promotion_id: id.clone(),
            place: None,
            link: Some(Slug::try_from(slug.to_owned()).ok()?),
        });
    }
    let place = match sk.strip_prefix("day#") {
        None => (sk == "spent").then_some(None)?,
        Some(rest) => {
            let (day, channel) = rest.split_once('#')?;
            let channel = match channel {
                "" => None,
                word => Some(Channel::try_from(word.to_owned()).ok()?),
            };
            Some(Place {
                day: day.parse().ok()?,
                channel,
            })
        }
    };
    Some(Row {
        promotion_id: id.clone(),
        place,
        link: None,
    })
}

/// What a buyer added to the results of follow-ups, and by which orders.
pub(super) fn book(person: &PersonHash) -> Key {
    Key::new(format!("buyer-orders#{}", person.as_str()), BOOK)
}

/// Sort key of a buyer's book.
pub(super) const BOOK: &str = "book";

/// Partition of all sums of a follow-up's arms.
pub(super) fn results_partition(id: &FollowUpId) -> String {
    format!("results#{id}")
}

/// What the sort keys of an experiment's sums begin with.
pub(super) fn results_prefix(experiment: u64) -> String {
    format!("{experiment:010}#")
}

/// Sums of an arm.
pub(super) fn arm(row: &ArmRow) -> Key {
    let prefix = results_prefix(row.experiment);
    Key::new(
        results_partition(&row.follow_up_id),
        format!("{prefix}{}", row.arm),
    )
}

/// The follow-up whose arms' sums lie here.
pub(super) fn follow_up_of_results(key: &Key) -> Option<FollowUpId> {
    let id = key.pk.strip_prefix("results#")?;
    FollowUpId::try_from(id.to_owned()).ok()
}

/// The arm whose sort key this is.
pub(super) fn arm_row(id: &FollowUpId, sk: &str) -> Option<ArmRow> {
    let (experiment, arm) = sk.split_once('#')?;
    Some(ArmRow {
        follow_up_id: id.clone(),
        experiment: experiment.parse().ok()?,
        arm: arm.to_owned(),
    })
}

/// The promotion whose sums lie here.
pub(super) fn promotion_of_stats(key: &Key) -> Option<PromotionId> {
    let id = key.pk.strip_prefix("stats#")?;
    PromotionId::try_from(id.to_owned()).ok()
}

/// The promotion that the buyer of this item bought.
pub(super) fn promotion_of_buyer(key: &Key) -> Option<PromotionId> {
    let (id, _) = key.pk.strip_prefix("buyer#")?.split_once('#')?;
    PromotionId::try_from(id.to_owned()).ok()
}
