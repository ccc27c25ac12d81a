//! The one table. Only this module names `aws_sdk_dynamodb`.
//!
//! Every write carries the condition that decides it; reads that a decision rests on are strongly consistent.
//! `keys` lists every kind of item and where it lives.

mod api_keys;
mod attempts;
mod audit;
mod automatic;
mod buyers;
mod cache;
mod changing;
mod codes;
mod due;
mod follow_ups;
mod forgetting;
mod group_codes;
mod idempotency;
mod issuing;
mod keys;
mod limits;
mod links;
mod mail_lists;
mod minting;
mod orders;
mod outbox;
mod people;
mod promotions;
mod quarantine;
mod reads;
mod redemptions;
mod reputation;
mod results;
mod retry;
mod sales;
pub mod schema;
mod seen;
mod sending;
mod stats;
mod sums;
mod terms;
mod test_mails;
mod transaction;
mod unreconciled;
mod voiding;
mod watching;
mod word_limits;

use std::fmt;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use api_keys::{ApiKey, NewApiKey, Scope};
pub use audit::{AuditMode, AuditProgress, AuditReport, Difference, Repair};
pub use changing::ChangeError;
pub use codes::{CodeItem, CodeState, ListedCode, Position, THANK_YOU_PARTITIONS};
pub use follow_ups::DeletedFollowUp;
pub use forgetting::Forgotten;
pub use group_codes::GroupCode;
pub use idempotency::{CreateError, Created, Idempotency};
pub use issuing::{Gift, Issue, ThankYou};
pub use limits::{Observed, Shard, Shortage, Wanted};
pub use links::{CountedLink, Left, LinkPage, LinkPlace};
pub use mail_lists::{IndexPlace, MailPage, MailView, Resend};
pub use minting::{Batch, MintError};
pub use orders::{OrderMarker, OrderOutcome, Tombstone};
pub use outbox::{Block, Claim, LEASE, MailChange};
pub use people::{Suppression, SuppressionReason};
pub use promotions::{
    Freshness, Known, ListPlace, MAX_LISTED, MAX_PAGE, PromotionPage, SwitchError,
};
pub use quarantine::{Quarantine, Quarantined};
pub use redemptions::{ConfirmError, Draw, Obstacle, Redeem, ReturnError};
pub use reputation::Heard;
pub use results::{OrderNews, Told};
pub use seen::{OrderHistory, SeenEvent};
pub use sending::{Lifted, SendingState};
pub use stats::StatsRebuilt;
pub use test_mails::{TestMailChange, TestMailClaim};
pub use unreconciled::{Unreconciled, UnreconciledCode};
pub use voiding::{Voidable, Voided};

use crate::aws::{Aws, describe};
use crate::domain::code::{FoldedWord, PromotionId};
use crate::domain::follow_up::{FollowUp, FollowUpId};
use crate::domain::link::{Link, Slug};
use crate::domain::promotion::Promotion;
use crate::env::{Env, StartError};
use cache::Cache;
use keys::Key;

/// An item as DynamoDB hands it over.
type Item = std::collections::HashMap<String, AttributeValue>;

/// Why the table did not answer. None of these says whether a write was applied.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Timed out, throttled, unreachable, or refused for a reason of its own.
    #[error("the table is unavailable: {0}")]
    Unavailable(String),
    /// An item is not of the form this version writes.
    #[error("an item cannot be read: {0}")]
    Corrupt(String),
}

impl StoreError {
    /// Wraps whatever the SDK said; the text is for logs only.
    fn unavailable(error: impl std::error::Error) -> Self {
        Self::Unavailable(describe(&error))
    }
}

/// The table and what this process remembers of it.
pub struct Store {
    client: Client,
    table: String,
    api_keys: Cache<String, ApiKey>,
    promotions: Cache<PromotionId, Known>,
    group_codes: Cache<FoldedWord, GroupCode>,
    automatic: Cache<(), Arc<[Arc<Promotion>]>>,
    batches: Cache<PromotionId, Arc<[Batch]>>,
    follow_up_versions: Cache<(FollowUpId, u64), Arc<FollowUp>>,
    links: Cache<Slug, Link>,
    left: Cache<links::LeftKey, Left>,
    said: watching::Said,
}

impl Store {
    /// Connects to the table that `TABLE_NAME` names. Opens no connection yet.
    ///
    /// # Errors
    /// [`StartError::Missing`] without `TABLE_NAME`.
    pub fn connect(env: &Env, aws: &Aws<'_>) -> Result<Self, StartError> {
        let client = Client::new(&aws.config("DYNAMODB"));
        Ok(Self {
            client,
            table: env.require("TABLE_NAME")?,
            api_keys: Cache::new(),
            promotions: Cache::new(),
            group_codes: Cache::new(),
            automatic: Cache::new(),
            batches: Cache::new(),
            follow_up_versions: Cache::new(),
            links: Cache::new(),
            left: Cache::new(),
            said: watching::Said::default(),
        })
    }

    /// The item under `key`, strongly consistent, or `None`.
    async fn get<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<T>, StoreError> {
        let request = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key.attributes()));
        let answer = request
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::unavailable)?;
        answer.item.map(read).transpose()
    }

    /// Opens the connection to the table by a read whose answer nobody wants. If it fails, the first read that somebody wants tells.
    pub async fn open_connection(&self) {
        let nothing = keys::Key {
            pk: "nothing".to_owned(),
            sk: "nothing".to_owned(),
        };
        if let Err(error) = self.get::<serde::de::IgnoredAny>(&nothing).await {
            tracing::warn!(%error, "the table did not answer at the start");
        }
    }

    /// All items of one partition whose sort key starts with `prefix`, strongly consistent, in order.
    async fn query_prefix<T: DeserializeOwned>(
        &self,
        partition: &str,
        prefix: &str,
    ) -> Result<Vec<T>, StoreError> {
        let request = self
            .query("pk = :pk AND begins_with(sk, :prefix)", partition)
            .expression_attribute_values(":prefix", AttributeValue::S(prefix.to_owned()));
        every(request).await
    }

    /// All items of one partition, strongly consistent, in order. (DynamoDB refuses an empty prefix of a key.)
    async fn query_partition<T: DeserializeOwned>(
        &self,
        partition: &str,
    ) -> Result<Vec<T>, StoreError> {
        every(self.query("pk = :pk", partition)).await
    }

    /// A query of one partition, `:pk` in its key condition, strongly consistent.
    fn query(&self, key_condition: &str, partition: &str) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression(key_condition)
            .expression_attribute_values(":pk", AttributeValue::S(partition.to_owned()))
    }
}

/// All that a query finds, read.
async fn every<T: DeserializeOwned>(query: QueryFluentBuilder) -> Result<Vec<T>, StoreError> {
    let items = every_item(query).await?;
    items.into_iter().map(read).collect()
}

/// All that a query finds, page after page.
async fn every_item(query: QueryFluentBuilder) -> Result<Vec<Item>, StoreError> {
    let (mut items, mut start) = (Vec::new(), None);
    loop {
        let request = query.clone().set_exclusive_start_key(start);
        let page = request.send().await.map_err(StoreError::unavailable)?;
        items.extend(page.items.unwrap_or_default());
        start = page.last_evaluated_key;
        if start.is_none() {
            return Ok(items);
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.table)
    }
}

/// Reads an item's attributes as a `T`; attributes that `T` does not know (keys, TTL, index) are skipped.
fn read<T: DeserializeOwned>(item: Item) -> Result<T, StoreError> {
    serde_dynamo::from_item(item).map_err(|error| StoreError::Corrupt(error.to_string()))
}

/// A `T`'s attributes under its key.
fn write<T: Serialize>(key: &Key, value: &T) -> Result<Item, StoreError> {
    let mut item: Item =
        serde_dynamo::to_item(value).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    item.extend(key.attributes());
    Ok(item)
}
