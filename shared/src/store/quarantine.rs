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
use crate::env::{Env, StartError};

/// How long a body is kept. Source: design.md §4.
const KEPT: TimeDelta = TimeDelta::days(30);
/// Longest part of a body in one item, in bytes; an item holds 400 KB with everything around it.
/// Source: `DynamoDB` service quotas.
const MAX_PART_BYTES: usize = 300 * 1024;

/// Pages of the table, of a megabyte each, that [`Quarantine::glance`] reads at most: some 1,500 webhooks of the usual 5 KB. Ours.
const GLANCE_PAGES: u32 = 8;

/// A body in quarantine, without itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// The name it is kept under.
    pub id: String,
    /// Whose webhook it is.
    pub scheme: String,
    /// Why it is unusable.
    pub reason: String,
    /// When it arrived.
    pub received_at: DateTime<Utc>,
    /// Its length in bytes, if it was kept since that is noted.
    pub size: Option<u64>,
}

impl Quarantined {
    /// When it goes by itself.
    pub fn gone_at(&self) -> DateTime<Utc> {
        self.received_at + KEPT
    }
}

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

    /// All bodies whose 30 days are not over, without themselves, oldest first. It reads the whole table, which holds what went
    /// wrong in 30 days.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn list(&self, now: DateTime<Utc>) -> Result<Vec<Quarantined>, StoreError> {
        let mut found = self.all().await?;
        found.retain(|one| now < one.received_at + KEPT);
        found.sort_by(|a, b| (a.received_at, &a.id).cmp(&(b.received_at, &b.id)));
        Ok(found)
    }

    /// The names of all bodies, also of those whose 30 days are over and that are only not yet deleted.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn ids(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.all().await?.into_iter().map(|one| one.id).collect())
    }

    /// The bodies found by reading at most [`GLANCE_PAGES`] megabytes of the table, latest first, and whether there may be more: what a
    /// page shows must not take as long as a flood of bad webhooks is large.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn glance(&self, now: DateTime<Utc>) -> Result<(Vec<Quarantined>, bool), StoreError> {
        let (mut found, more) = self.scan(GLANCE_PAGES).await?;
        found.retain(|one| now < one.gone_at());
        found.sort_by(|a, b| (b.received_at, &a.id).cmp(&(a.received_at, &b.id)));
        Ok((found, more))
    }

    async fn all(&self) -> Result<Vec<Quarantined>, StoreError> {
        Ok(self.scan(u32::MAX).await?.0)
    }

    /// What is found on at most so many pages of the table, and whether there are more.
    async fn scan(&self, most: u32) -> Result<(Vec<Quarantined>, bool), StoreError> {
        let mut found = Vec::new();
        let mut start = None;
        for _ in 0..most {
            let request = self.client.scan().table_name(&self.table);
            let request = request
                .consistent_read(true)
                .filter_expression("sk = :first")
                .expression_attribute_values(":first", AttributeValue::S(part_key(0)))
                .projection_expression("pk, scheme, reason, received_at, size_bytes")
                .set_exclusive_start_key(start);
            let page = request.send().await.map_err(StoreError::unavailable)?;
            for item in page.items.unwrap_or_default() {
                found.push(facts(&item)?);
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                break;
            }
        }
        Ok((found, start.is_some()))
    }

    /// A body and what is known about it, strongly consistent; `None` if there is none, or its 30 days are over.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn read(
        &self,
        id: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<(Quarantined, Vec<u8>)>, StoreError> {
        let found = self.read_overdue(id).await?;
        Ok(found.filter(|(about, _)| now < about.received_at + KEPT))
    }

    /// The same, also when its 30 days are over and it is only not yet deleted.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn read_overdue(
        &self,
        id: &str,
    ) -> Result<Option<(Quarantined, Vec<u8>)>, StoreError> {
        let parts = self.parts_of(id).await?;
        let Some(first) = parts.first() else {
            return Ok(None);
        };
        let about = facts(first)?;
        let mut body = Vec::new();
        for part in &parts {
            let chunk = part.get("body").and_then(|chunk| chunk.as_b().ok());
            let chunk =
                chunk.ok_or_else(|| StoreError::Corrupt("a part has no body".to_owned()))?;
            body.extend_from_slice(chunk.as_ref());
        }
        Ok(Some((about, body)))
    }

    /// Deletes a body; `false` if there was none.
    ///
    /// # Errors
    /// [`StoreError`] if a part is not confirmed to be gone. Doing it again completes it.
    pub async fn discard(&self, id: &str) -> Result<bool, StoreError> {
        let parts = self.parts_of(id).await?;
        // The last one first, so that what is cut off can still be found by its first.
        for part in parts.iter().rev() {
            let key = super::keys::Key::of(part);
            let key = key.ok_or_else(|| StoreError::Corrupt("a part has no key".to_owned()))?;
            let delete = self.client.delete_item().table_name(&self.table);
            let delete = delete.set_key(Some(key.attributes()));
            let _ = delete.send().await.map_err(StoreError::unavailable)?;
        }
        Ok(!parts.is_empty())
    }

    async fn parts_of(&self, id: &str) -> Result<Vec<Item>, StoreError> {
        let mut parts = Vec::new();
        let mut start = None;
        loop {
            let request = self.client.query().table_name(&self.table);
            let request = request
                .consistent_read(true)
                .key_condition_expression("pk = :id")
                .expression_attribute_values(":id", AttributeValue::S(id.to_owned()))
                .set_exclusive_start_key(start);
            let page = request.send().await.map_err(StoreError::unavailable)?;
            parts.extend(page.items.unwrap_or_default());
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(parts);
            }
        }
    }
}

fn part_key(index: usize) -> String {
    format!("part#{index:02}")
}

fn facts(item: &Item) -> Result<Quarantined, StoreError> {
    let text = |name: &str| {
        let text = item.get(name).and_then(|value| value.as_s().ok());
        text.ok_or_else(|| StoreError::Corrupt(format!("a quarantined body has no {name}")))
    };
    let received_at = DateTime::parse_from_rfc3339(text("received_at")?);
    Ok(Quarantined {
        id: text(PARTITION_KEY)?.clone(),
        scheme: text("scheme")?.clone(),
        reason: text("reason")?.clone(),
        received_at: received_at
            .map_err(|error| StoreError::Corrupt(error.to_string()))?
            .to_utc(),
        size: item
            .get("size_bytes")
            .and_then(|size| size.as_n().ok()?.parse().ok()),
    })
}

/// Names a body by the first half of its SHA-256.
fn id(scheme: &str, body: &[u8]) -> String {
    let digest = Sha256::digest([scheme.as_bytes(), b"\0", body].concat());
    hex::encode(digest.get(..16).unwrap_or_default())
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
                (SORT_KEY.to_owned(), text(&part_key(index))),
                ("scheme".to_owned(), text(scheme)),
                ("reason".to_owned(), text(reason)),
                ("received_at".to_owned(), text(&now.to_rfc3339())),
                (
                    "size_bytes".to_owned(),
                    AttributeValue::N(body.len().to_string()),
                ),
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
