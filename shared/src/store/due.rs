//! The attributes by which the sparse index finds a mail that needs attention at some time.

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{DateTime, Utc};

use super::Item;
use super::schema::{DUE_MS, DUE_SHARD, DUE_SHARDS};
use crate::domain::outbox::MailId;

/// The shard a mail is found in, `0` to `7`: always the same for one mail.
pub(super) fn shard(id: &MailId) -> String {
    let sum: u64 = id.as_str().bytes().map(u64::from).sum();
    (sum % DUE_SHARDS).to_string()
}

/// Lets the index find the mail from `at` on.
pub(super) fn add(item: &mut Item, id: &MailId, at: DateTime<Utc>) {
    item.insert(DUE_SHARD.to_owned(), AttributeValue::S(shard(id)));
    item.insert(
        DUE_MS.to_owned(),
        AttributeValue::N(at.timestamp_millis().to_string()),
    );
}
