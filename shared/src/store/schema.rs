//! The table's shape, and its creation where no template does it (the local stack and tests).
//! `template.yaml` declares the same; a test holds the two together.

use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType,
};

use super::{Store, StoreError};

/// Partition key of the table, a string.
pub const PARTITION_KEY: &str = "pk";
/// Sort key of the table, a string.
pub const SORT_KEY: &str = "sk";
/// Attribute after which the table deletes an item some time later, in seconds since 1970.
pub const TTL: &str = "ttl";
/// Sparse index of what needs attention at some time (mails, holds) and of what staff look through (mails that ended, unreconciled
/// orders): the items with [`DUE_SHARD`] and [`DUE_MS`].
pub const DUE_INDEX: &str = "due";
/// Partition key of the due index, a string `0` to `7` for mails and `hold-0` to `hold-3` for holds, which keeps a burst of either
/// off a single partition, and [`TEST_MAIL_SHARD`].
pub const DUE_SHARD: &str = "due_shard";
/// Number of values of [`DUE_SHARD`] for mails.
pub const DUE_SHARDS: u64 = 8;
/// Number of values of [`DUE_SHARD`] for holds: room for thousands a second, and few to ask when a budget runs out.
pub const HOLD_SHARDS: u64 = 4;
/// The value of [`DUE_SHARD`] for test mails, which are few.
pub const TEST_MAIL_SHARD: &str = "test-mail";
/// The values of [`DUE_SHARD`] for mails that have ended, by how; staff look through them. A mail enters one with the write that ends
/// it, so each takes at most the rate at which mails end, far below the 1,000 writes a second of a partition.
pub const SENT_LIST: &str = "mail-sent";
/// Those that came back for good.
pub const BOUNCED_LIST: &str = "mail-bounced";
/// Those refused for good.
pub const FAILED_LIST: &str = "mail-failed";
/// Those left to staff.
pub const PARKED_LIST: &str = "mail-parked";
/// Those taken back.
pub const WITHDRAWN_LIST: &str = "mail-withdrawn";
/// The value of [`DUE_SHARD`] for orders with codes that could not be redeemed, which are few.
pub const UNRECONCILED_LIST: &str = "unreconciled";
/// Sort key of the due index, a number: milliseconds since 1970.
pub const DUE_MS: &str = "due_ms";

impl Store {
    /// Creates the table unless it exists.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the engine refuses.
    pub async fn create_table(&self) -> Result<(), StoreError> {
        let due = GlobalSecondaryIndex::builder()
            .index_name(DUE_INDEX)
            .key_schema(key(DUE_SHARD, KeyType::Hash)?)
            .key_schema(key(DUE_MS, KeyType::Range)?)
            .projection(
                Projection::builder()
                    .projection_type(ProjectionType::KeysOnly)
                    .build(),
            );
        let request = self
            .client
            .create_table()
            .table_name(&self.table)
            .billing_mode(BillingMode::PayPerRequest);
        let request = request
            .attribute_definitions(attribute(PARTITION_KEY, ScalarAttributeType::S)?)
            .attribute_definitions(attribute(SORT_KEY, ScalarAttributeType::S)?)
            .attribute_definitions(attribute(DUE_SHARD, ScalarAttributeType::S)?)
            .attribute_definitions(attribute(DUE_MS, ScalarAttributeType::N)?)
            .key_schema(key(PARTITION_KEY, KeyType::Hash)?)
            .key_schema(key(SORT_KEY, KeyType::Range)?)
            .global_secondary_indexes(due.build().map_err(StoreError::unavailable)?);
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(CreateTableError::ResourceInUseException(_)) => Ok(()),
                _ => Err(StoreError::unavailable(error)),
            },
        }
    }
}

pub(super) fn key(name: &str, kind: KeyType) -> Result<KeySchemaElement, StoreError> {
    KeySchemaElement::builder()
        .attribute_name(name)
        .key_type(kind)
        .build()
        .map_err(StoreError::unavailable)
}

pub(super) fn attribute(
    name: &str,
    kind: ScalarAttributeType,
) -> Result<AttributeDefinition, StoreError> {
    AttributeDefinition::builder()
        .attribute_name(name)
        .attribute_type(kind)
        .build()
        .map_err(StoreError::unavailable)
}

/// Lets the table delete `item` some time after `at`.
pub(super) fn set_ttl(item: &mut super::Item, at: chrono::DateTime<chrono::Utc>) {
    item.insert(
        TTL.to_owned(),
        aws_sdk_dynamodb::types::AttributeValue::N(at.timestamp().to_string()),
    );
}
