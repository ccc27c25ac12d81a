//! Signed webhooks that could not be read, kept for a person to look at. They may hold personal data, so they have a table of
//! their own: encrypted, without a stream, and gone after 30 days.

use std::fmt;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, BillingMode, KeyType, ScalarAttributeType};
use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};

use super::schema::{PARTITION_KEY, SORT_KEY, attribute, key, set_ttl};
use super::{Item, StoreError};
use crate::aws::Aws;
use crate::domain::identity::hex;
use crate::env::{Env, StartError};

/// How long a body is kept. Source: design.md §4.
const KEPT: TimeDelta = TimeDelta::days(30);
/// Longest part of a body in one item, in bytes; an item holds 400 KB with everything around it.
/// Source: `DynamoDB` service quotas.
const MAX_PART_BYTES: usize = 300 * 1024;

/// The quarantine table.
pub struct Quarantine {
    client: Client,
    table: String,
}

impl Quarantine {
    /// Connects to the table that `QUARANTINE_TABLE_NAME` names. Opens no connection yet.
    ///
    /// # Errors
    /// [`StartError::Missing`] without `QUARANTINE_TABLE_NAME`.
    pub fn connect(env: &Env, aws: &Aws<'_>) -> Result<Self, StartError> {
        Ok(Self {
            client: Client::new(&aws.config("DYNAMODB")),
            table: env.require("QUARANTINE_TABLE_NAME")?,
        })
    }

    /// Creates the table unless it exists. It takes the main table's key and TTL attribute.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the engine refuses.
    pub async fn create_table(&self) -> Result<(), StoreError> {
        let request = self.client.create_table().table_name(&self.table);
        let request = request
            .billing_mode(BillingMode::PayPerRequest)
            .attribute_definitions(attribute(PARTITION_KEY, ScalarAttributeType::S)?)
            .attribute_definitions(attribute(SORT_KEY, ScalarAttributeType::S)?)
            .key_schema(key(PARTITION_KEY, KeyType::Hash)?)
            .key_schema(key(SORT_KEY, KeyType::Range)?);
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(CreateTableError::ResourceInUseException(_)) => Ok(()),
                _ => Err(StoreError::unavailable(error)),
            },
        }
    }

    /// Keeps a body that `scheme` sent and that is unusable for `reason`, in parts; the same body again is kept once.
    /// Returns the name it is kept under, which says nothing about its contents to whoever has not got them.
    ///
    /// # Errors
    /// [`StoreError`] if a part is not confirmed. Keeping the body again completes it.
    pub async fn keep(
        &self,
        scheme: &str,
        reason: &str,
        body: &[u8],
        now: DateTime<Utc>,
    ) -> Result<String, StoreError> {
        let id = id(scheme, body);
        for part in parts(&id, scheme, reason, body, now) {
            let put = self.client.put_item().table_name(&self.table);
            let put = put
                .set_item(Some(part))
                .condition_expression("attribute_not_exists(pk)");
            match put.send().await {
                Ok(_) => {}
                Err(error) => match error.as_service_error() {
                    Some(PutItemError::ConditionalCheckFailedException(_)) => {}
                    _ => return Err(StoreError::unavailable(error)),
                },
            }
        }
        Ok(id)
    }
}

/// Names a body by the first half of its SHA-256.
fn id(scheme: &str, body: &[u8]) -> String {
    let digest = Sha256::digest([scheme.as_bytes(), b"\0", body].concat());
    hex(digest.get(..16).unwrap_or_default())
}

fn parts(id: &str, scheme: &str, reason: &str, body: &[u8], now: DateTime<Utc>) -> Vec<Item> {
    let text = |value: &str| AttributeValue::S(value.to_owned());
    // An empty body has one part too, or nothing would be kept of it.
    let chunks = body
        .chunks(MAX_PART_BYTES)
        .chain(body.is_empty().then_some(body));
    chunks
        .enumerate()
        .map(|(index, chunk)| {
            let mut part = Item::from([
                (PARTITION_KEY.to_owned(), text(id)),
                (SORT_KEY.to_owned(), text(&format!("part#{index:02}"))),
                ("scheme".to_owned(), text(scheme)),
                ("reason".to_owned(), text(reason)),
                ("received_at".to_owned(), text(&now.to_rfc3339())),
                ("body".to_owned(), AttributeValue::B(Blob::new(chunk))),
            ]);
            set_ttl(&mut part, now + KEPT);
            part
        })
        .collect()
}

impl fmt::Debug for Quarantine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Quarantine({})", self.table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_body_fit_into_items_and_add_up_to_it() {
        for length in [0, 1, MAX_PART_BYTES, MAX_PART_BYTES + 1, 1024 * 1024] {
            let body: Vec<u8> = (0..=u8::MAX).cycle().take(length).collect();
            let parts = parts("id", "standard", "why", &body, DateTime::UNIX_EPOCH);
            assert!(!parts.is_empty());
            let joined: Vec<u8> = parts
                .iter()
                .flat_map(|part| part["body"].as_b().unwrap().as_ref().to_vec())
                .collect();
            assert_eq!(joined, body);
            for part in &parts {
                assert!(part["body"].as_b().unwrap().as_ref().len() <= MAX_PART_BYTES);
                assert_eq!(part["ttl"].as_n().unwrap(), "2592000");
            }
        }
    }

    #[test]
    fn the_same_body_of_the_same_sender_has_one_name() {
        assert_eq!(id("shopify", b"x"), id("shopify", b"x"));
        assert_ne!(id("shopify", b"x"), id("standard", b"x"));
        assert_ne!(id("shopify", b"x"), id("shopify", b"y"));
    }
}
