//! The attributes by which the sparse index finds what needs attention at some time, mails and holds, and what staff look through.

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{DateTime, Utc};

use super::Item;
use super::schema::{
    DUE_MS, DUE_SHARD, DUE_SHARDS, FAILED_LIST, HOLD_SHARDS, PARKED_LIST, SENT_LIST, WITHDRAWN_LIST,
};
use crate::domain::order::OrderId;
use crate::domain::outbox::{MailId, MailState};

/// The shard a mail is found in, `0` to `7`: always the same for one mail.
pub(super) fn shard(id: &MailId) -> String {
    let sum: u64 = id.as_str().bytes().map(u64::from).sum();
    (sum % DUE_SHARDS).to_string()
}

/// The list a mail is in once it has ended; one that came back for good goes on to [`super::schema::BOUNCED_LIST`]. `None` while it
/// waits for its time.
pub(super) fn list(state: MailState) -> Option<&'static str> {
    match state {
        MailState::Due | MailState::Sending | MailState::Unsettled => None,
        MailState::Sent => Some(SENT_LIST),
        MailState::Failed => Some(FAILED_LIST),
        MailState::Parked => Some(PARKED_LIST),
        MailState::Withdrawn => Some(WITHDRAWN_LIST),
    }
}

/// All parts of the index in which mails wait for their time.
pub(super) fn shards() -> impl Iterator<Item = String> {
    (0..DUE_SHARDS).map(|index| index.to_string())
}

/// Lets the index find the mail from `at` on.
pub(super) fn add(item: &mut Item, id: &MailId, at: DateTime<Utc>) {
    item.insert(DUE_SHARD.to_owned(), AttributeValue::S(shard(id)));
    item.insert(
        DUE_MS.to_owned(),
        AttributeValue::N(at.timestamp_millis().to_string()),
    );
}

/// The shard an order's hold is found in, `hold-0` to `hold-3`: always the same for one order.
pub(super) fn hold_shard(order: &OrderId) -> String {
    let sum: u64 = order.as_str().bytes().map(u64::from).sum();
    format!("{HOLD_SHARD_PREFIX}{}", sum % HOLD_SHARDS)
}

/// What the shards of holds begin with, so that nobody takes them for mails.
const HOLD_SHARD_PREFIX: &str = "hold-";

/// All shards of holds.
pub(super) fn hold_shards() -> impl Iterator<Item = String> {
    (0..HOLD_SHARDS).map(|index| format!("{HOLD_SHARD_PREFIX}{index}"))
}

/// Lets the index find an order's hold from `until` on.
pub(super) fn add_hold(item: &mut Item, order: &OrderId, until: DateTime<Utc>) {
    item.insert(DUE_SHARD.to_owned(), AttributeValue::S(hold_shard(order)));
    item.insert(
        DUE_MS.to_owned(),
        AttributeValue::N(until.timestamp_millis().to_string()),
    );
}

/// Puts an item in a list that staff look through, at a time.
pub(super) fn add_to_list(item: &mut Item, list: &str, at: DateTime<Utc>) {
    item.insert(DUE_SHARD.to_owned(), AttributeValue::S(list.to_owned()));
    item.insert(
        DUE_MS.to_owned(),
        AttributeValue::N(at.timestamp_millis().to_string()),
    );
}
