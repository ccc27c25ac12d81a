//! What is written to set a difference right: each write under the condition that the item is as it was seen, and with
//! it a check of every item that the write rests on.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::difference::{Finding, Kind, Subject};
use super::facts::{Due, Fact, Place, ShardFact, fact};
use super::fold::{Fold, Sum};
use super::records::{self, Has};
use super::{Seen, codes, mails, promotions, sums};
use crate::domain::channel::Channel;
use crate::domain::code::{PromotionId, Serial};
use crate::domain::follow_up::FollowUpId;
use crate::domain::order::OrderId;
use crate::domain::promotion::Limits;
use crate::store::keys::{self, Key};
use crate::store::schema::{DUE_MS, DUE_SHARD};
use crate::store::transaction::{Action, Expression};
use crate::store::{Item, OrderMarker, OrderOutcome, due, read, write};

/// How long a mail whose outcome is unknown waits for news. Source: design.md §8.
const UNSETTLED: TimeDelta = TimeDelta::minutes(60);

/// The writes that set `finding` right, given the items it rests on as they stood at one moment; `None` if that would be
/// guessing.
pub(super) fn plan(
    finding: &Finding,
    seen: &Seen,
    fold: &Fold,
    now: DateTime<Utc>,
) -> Option<Vec<Action>> {
    match (&finding.subject, finding.kind) {
        (Subject::Promotion(id), Kind::EntryMissing) => entry(id, seen, fold),
        (Subject::Promotion(id), Kind::AutomaticPlace) => automatic(id, seen, fold),
        (Subject::Batches(id), Kind::MintedBehind) => counter(id, seen, fold),
        (Subject::Code(id, serial), Kind::CodeTaken) => {
            code_taken(id, *serial, finding, seen, fold)
        }
        (Subject::Code(id, serial), Kind::CodeRest) => {
            let item = seen.get(&keys::code(id, *serial))?;
            Some(vec![replaced(item, free)])
        }
        (Subject::Code(id, serial), Kind::CodeNumber) => {
            let item = seen.get(&keys::code(id, *serial))?;
            let number = AttributeValue::N(serial.get().to_string());
            Some(vec![replaced(item, |item| {
                set(item, "serial", number);
            })])
        }
        (Subject::Order(order), Kind::HoldDue) => hold_due(order, seen),
        (Subject::Word(folded), Kind::WordUnlisted | Kind::WordsDiffer) => {
            listing(folded, seen, fold)
        }
        (Subject::Listed(id, folded), Kind::WordMissing | Kind::WordOrphan) => {
            word(id, folded, finding.kind, seen)
        }
        (Subject::Mail(id), Kind::MailMarker | Kind::MailCodeTerms | Kind::MailDue) => {
            of_mail(finding.kind, seen.get(&keys::mail(id))?, seen, now)
        }
        (Subject::Rule(id, version), Kind::RuleVersion) => rule(id, *version, seen, fold),
        (Subject::Mail(id), Kind::MailRule) => {
            let (mail, _) = fold.mails.get(id)?;
            rule(&mail.follow_up_id, mail.follow_up_version, seen, fold)
        }
        (Subject::Marker(order, id), Kind::RuleVersion) => {
            let marker = fold.markers.get(&(order.clone(), id.clone()))?;
            rule(id, marker.follow_up_version, seen, fold)
        }
        _ => None,
    }
}

/// The writes that give a promotion's shards what they must hold.
pub(super) fn balance(
    id: &PromotionId,
    limits: Limits,
    seen: &Seen,
    sum: Sum,
) -> Option<Vec<Action>> {
    let mut shards = BTreeMap::new();
    for index in 0..limits.shard_count() {
        if let Some(item) = seen.get(&keys::shard(id, index)) {
            let Ok(Fact::Shard(_, _, shard)) = fact(item) else {
                return None;
            };
            shards.insert(index, shard);
        }
    }
    let mut actions = vec![check(seen.get(&keys::terms(id))?)];
    for (index, right) in (0_u8..).zip(sums::balanced(limits, &shards, sum)?) {
        let key = keys::shard(id, index);
        match seen.get(&key) {
            None => actions.push(Action::PutNew(shard_item(key.attributes(), right))),
            Some(item) if shards.get(&index) != Some(&right) => {
                actions.push(replaced(item, |item| {
                    *item = shard_item(item.clone(), right);
                }));
            }
            // The first is always among them, so that of two repairs at once one fails.
            Some(item) if index == 0 => actions.push(check(item)),
            Some(_) => {}
        }
    }
    (actions.len() > 1).then_some(actions)
}

/// The write that makes a count of uses what it must be.
pub(super) fn count(key: &Key, seen: &Seen, sum: Sum) -> Option<Vec<Action>> {
    let used = Some(AttributeValue::N(u64::try_from(sum.uses).ok()?.to_string()));
    Some(vec![written(key, seen, |item| set(item, "used", used))])
}

/// The item changed, as it was seen or as a new one.
fn written(key: &Key, seen: &Seen, change: impl FnOnce(&mut Item)) -> Action {
    if let Some(item) = seen.get(key) {
        return replaced(item, change);
    }
    let mut item = key.attributes();
    change(&mut item);
    Action::PutNew(item)
}

fn shard_item(mut item: Item, shard: ShardFact) -> Item {
    let number = |number: i64| Some(AttributeValue::N(number.to_string()));
    set(&mut item, "budget_left", shard.budget_left.and_then(number));
    set(&mut item, "uses_left", shard.uses_left.and_then(number));
    set(&mut item, "spent_amount", number(shard.spent_amount));
    set(&mut item, "spent_uses", number(shard.spent_uses));
    item
}

fn entry(id: &PromotionId, seen: &Seen, fold: &Fold) -> Option<Vec<Action>> {
    let mut item = fold.terms.get(id)?.entry.attributes();
    set(&mut item, "id", Some(AttributeValue::S(id.to_string())));
    Some(vec![
        Action::PutNew(item),
        check(seen.get(&keys::terms(id))?),
    ])
}

fn automatic(id: &PromotionId, seen: &Seen, fold: &Fold) -> Option<Vec<Action>> {
    let key = keys::automatic(id);
    let place = match (fold.terms.get(id)?.automatic, seen.get(&key)) {
        (Some(Place { ends_ms }), _) => written(&key, seen, |item| {
            set(item, "id", text(id.as_str()));
            set(
                item,
                "ends_ms",
                ends_ms.map(|ms| AttributeValue::N(ms.to_string())),
            );
        }),
        (None, Some(item)) => Action::Delete(key, as_seen(item)),
        (None, None) => return None,
    };
    Some(vec![place, check(seen.get(&keys::terms(id))?)])
}

fn counter(id: &PromotionId, seen: &Seen, fold: &Fold) -> Option<Vec<Action>> {
    let needed = promotions::needed_counter(fold, id);
    // Beyond the last number of batches the counter is no counter of them.
    (needed <= Serial::BATCH_END).then_some(())?;
    let minted = Some(AttributeValue::N(needed.to_string()));
    let set_minted = |item: &mut Item| set(item, "minted", minted);
    Some(vec![written(&keys::counter(id), seen, set_minted)])
}

fn code_taken(
    id: &PromotionId,
    serial: Serial,
    finding: &Finding,
    seen: &Seen,
    fold: &Fold,
) -> Option<Vec<Action>> {
    let key = keys::code(id, serial);
    let claims = fold.claims.get(&(id.clone(), serial));
    let claims = claims.map(Vec::as_slice).unwrap_or_default();
    if claims.iter().any(|claim| claim.broken) {
        return None;
    }
    let stands = seen.get(&key);
    let mut item = stands.cloned().unwrap_or_else(|| {
        let mut item = key.attributes();
        set(
            &mut item,
            "serial",
            Some(AttributeValue::N(serial.get().to_string())),
        );
        item
    });
    let order = |order: &OrderId| Some(AttributeValue::S(order.to_string()));
    match codes::verdict(claims) {
        codes::Verdict::Twice(_) => return None,
        codes::Verdict::Free => free(&mut item),
        codes::Verdict::Taken(claim) => match claim.has {
            Has::Redeemed(at) => {
                free(&mut item);
                set(&mut item, "state", text("redeemed"));
                set(&mut item, "order_id", order(&claim.order));
                set(&mut item, "redeemed_at", value(at));
            }
            Has::Held(until) => {
                free(&mut item);
                set(&mut item, "state", text("held"));
                set(&mut item, "order_id", order(&claim.order));
                set(
                    &mut item,
                    "held_until_ms",
                    Some(AttributeValue::N(until?.to_string())),
                );
            }
            Has::KeptUsed => {
                set(&mut item, "state", text("redeemed"));
                set(&mut item, "order_id", order(&claim.order));
                set(&mut item, "held_until_ms", None);
            }
            Has::No => return None,
        },
    }
    let mut actions = vec![match stands {
        Some(stands) => Action::Put(item, as_seen(stands)),
        None => Action::PutNew(item),
    }];
    let records = finding
        .orders
        .iter()
        .filter_map(|order| seen.get(&keys::redemption(order)));
    actions.extend(records.map(check));
    Some(actions)
}

fn hold_due(order: &OrderId, seen: &Seen) -> Option<Vec<Action>> {
    let item = seen.get(&keys::redemption(order))?;
    let Ok(Fact::Record(record, _)) = fact(item) else {
        return None;
    };
    if records::contradiction(&record).is_some() {
        return None;
    }
    Some(vec![replaced(item, |item| {
        set_due(item, &records::right_due(&record));
    })])
}

/// The listed entry of a word made what the other one is; voided, if one of them is.
fn listing(folded: &str, seen: &Seen, fold: &Fold) -> Option<Vec<Action>> {
    let word = fold.words.get(folded)?;
    let looked_up = seen.get(&Key {
        pk: format!("word#{folded}"),
        sk: "word".to_owned(),
    })?;
    let key = keys::word_of(&word.promotion_id, &word.code.folded());
    let copy = |from: &Item| {
        let mut item = from.clone();
        item.extend(key.attributes());
        item
    };
    let Some(listed) = seen.get(&key) else {
        return Some(vec![Action::PutNew(copy(looked_up)), check(looked_up)]);
    };
    let voided = listed
        .get("voided")
        .filter(|voided| **voided == AttributeValue::Bool(true));
    if word.voided || voided.is_none() {
        let listed = Action::Put(copy(looked_up), as_seen(listed));
        return Some(vec![listed, check(looked_up)]);
    }
    // Voiding is for good: the entry that says so is the newer one.
    let mut looked_up_voided = looked_up.clone();
    set(&mut looked_up_voided, "voided", voided.cloned());
    set(
        &mut looked_up_voided,
        "voided_by",
        listed.get("voided_by").cloned(),
    );
    Some(vec![
        Action::Put(copy(&looked_up_voided), as_seen(listed)),
        Action::Put(looked_up_voided, as_seen(looked_up)),
    ])
}

fn word(id: &PromotionId, folded: &str, kind: Kind, seen: &Seen) -> Option<Vec<Action>> {
    let listed_key = Key {
        pk: keys::promotion_partition(id),
        sk: format!("word#{folded}"),
    };
    let key = Key {
        pk: format!("word#{folded}"),
        sk: "word".to_owned(),
    };
    let listed = seen.get(&listed_key)?;
    if kind == Kind::WordOrphan {
        return Some(vec![
            Action::Delete(listed_key, as_seen(listed)),
            check(seen.get(&key)?),
        ]);
    }
    let belongs = listed.get("promotion_id") == Some(&AttributeValue::S(id.to_string()));
    belongs.then_some(())?;
    let mut item = listed.clone();
    item.extend(key.attributes());
    Some(vec![Action::PutNew(item), check(listed)])
}

fn of_mail(kind: Kind, item: &Item, seen: &Seen, now: DateTime<Utc>) -> Option<Vec<Action>> {
    let Ok(Fact::Mail(mail, _)) = fact(item) else {
        return None;
    };
    if kind == Kind::MailDue {
        let right = mails::right_due(&mail).unwrap_or_else(|| Due {
            shard: Some(due::shard(&mail.id)),
            ms: Some((now + UNSETTLED).timestamp_millis()),
        });
        return Some(vec![replaced(item, |item| set_due(item, &right))]);
    }
    if kind == Kind::MailCodeTerms {
        let code = seen.get(&keys::code(&mail.promotion_id, mail.serial))?;
        let expires = mail.code_expires_at.timestamp_millis().to_string();
        let channel = Channel::thank_you(&mail.variant);
        let code = replaced(code, |item| {
            set(item, "expires_ms", Some(AttributeValue::N(expires)));
            set(item, "earned_by", text(mail.order_id.as_str()));
            set(item, "issued_to", text(mail.person.as_str()));
            set(item, "channel", text(channel.as_str()));
        });
        return Some(vec![code, check(item)]);
    }
    let key = keys::order_marker(&mail.order_id, &mail.follow_up_id);
    let marker = OrderMarker {
        follow_up_id: mail.follow_up_id.clone(),
        follow_up_version: mail.follow_up_version,
        decided_at: mail.created_at,
        outcome: OrderOutcome::Mail {
            mail_id: mail.id.clone(),
            promotion_id: mail.promotion_id.clone(),
            serial: mail.serial,
        },
        arm: Some(mail.variant.clone()),
        person: Some(mail.person.clone()),
    };
    let marker = write(&key, &marker).ok()?;
    let stands = seen.get(&key);
    if let Some(stands) = stands {
        // A marker that names another mail which is there is not overruled.
        let stands: OrderMarker = read(stands.clone()).ok()?;
        if let OrderOutcome::Mail { mail_id, .. } = stands.outcome
            && mail_id != mail.id
            && seen.contains_key(&keys::mail(&mail_id))
        {
            return None;
        }
    }
    let put = match stands {
        Some(stands) => Action::Put(marker, as_seen(stands)),
        None => Action::PutNew(marker),
    };
    Some(vec![put, check(item)])
}

/// The item of a follow-up's version, which is known if it is the current one.
fn rule(id: &FollowUpId, version: u64, seen: &Seen, fold: &Fold) -> Option<Vec<Action>> {
    let current = seen.get(&keys::follow_up(id))?;
    (fold.rules.get(id) == Some(&version)).then_some(())?;
    let mut item = current.clone();
    item.remove("deleted_at");
    item.extend(keys::follow_up_version(id, version).attributes());
    Some(vec![Action::PutNew(item), check(current)])
}

fn free(item: &mut Item) {
    set(item, "state", text("unused"));
    for name in ["order_id", "redeemed_at", "held_until_ms"] {
        item.remove(name);
    }
}

fn set_due(item: &mut Item, due: &Due) {
    set(item, DUE_SHARD, due.shard.as_deref().map(text));
    set(
        item,
        DUE_MS,
        due.ms.map(|ms| AttributeValue::N(ms.to_string())),
    );
}

fn set(item: &mut Item, name: &str, value: impl Into<Option<AttributeValue>>) {
    match value.into() {
        Some(value) => item.insert(name.to_owned(), value),
        None => item.remove(name),
    };
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn value(value: impl Serialize) -> Option<AttributeValue> {
    serde_dynamo::to_attribute_value(value).ok()
}

fn replaced(seen: &Item, change: impl FnOnce(&mut Item)) -> Action {
    let mut item = seen.clone();
    change(&mut item);
    Action::Put(item, as_seen(seen))
}

/// Writes nothing, but fails unless the item is as it was seen.
fn check(seen: &Item) -> Action {
    let key = Key::of(seen).unwrap_or_else(|| Key {
        pk: String::new(),
        sk: String::new(),
    });
    Action::Check(key, as_seen(seen))
}

/// That an item's texts, numbers and flags are as they were seen, and that nobody voided it since. Every write of the
/// functions changes at least one of these, so lists and maps need no look.
fn as_seen(seen: &Item) -> Expression {
    let plain = |value: &AttributeValue| value.is_s() || value.is_n() || value.is_bool();
    let mut names: Vec<&String> = seen
        .iter()
        .filter(|(_, value)| plain(value))
        .map(|(name, _)| name)
        .collect();
    names.sort();
    let mut text = String::from("attribute_exists(pk)");
    let mut values = Vec::new();
    for (index, name) in names.into_iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = write!(text, " AND #a{index} = :a{index}");
        values.push((index, name.clone(), seen.get(name).cloned()));
    }
    if !seen.contains_key("voided") {
        text.push_str(" AND attribute_not_exists(voided)");
    }
    let expression = Expression::new(text);
    values
        .into_iter()
        .fold(expression, |expression, (index, name, value)| match value {
            Some(value) => expression
                .name(&format!("#a{index}"), &name)
                .value(&format!(":a{index}"), value),
            None => expression,
        })
}
