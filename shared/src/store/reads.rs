//! Reading many items at once.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::KeysAndAttributes;
use futures_util::future::try_join_all;
use serde::de::DeserializeOwned;

use super::keys::Key;
use super::{Item, Store, StoreError, read};

/// Most keys of one request. Source: DynamoDB's `BatchGetItem`.
const MOST_KEYS: usize = 100;

impl Store {
    /// The items under these keys that exist, strongly consistent and in any order: up to 100 to a request, all requests at the same
    /// time. No key may be named twice.
    pub(super) async fn items_under(
        &self,
        keys: impl IntoIterator<Item = Key>,
    ) -> Result<Vec<Item>, StoreError> {
        let keys: Vec<Item> = keys.into_iter().map(|key| key.attributes()).collect();
        let parts = keys.chunks(MOST_KEYS);
        let parts = parts.map(|part| self.items_of_part(part.to_vec()));
        Ok(try_join_all(parts).await?.into_iter().flatten().collect())
    }

    /// As [`Self::items_under`], read and by key, which may be named twice.
    pub(super) async fn read_by_key<T: DeserializeOwned>(
        &self,
        mut keys: Vec<Key>,
    ) -> Result<HashMap<Key, T>, StoreError> {
        keys.sort();
        keys.dedup();
        let items = self.items_under(keys).await?;
        let found = items.into_iter().filter_map(|item| {
            let key = Key::of(&item)?;
            Some(read(item).map(|item| (key, item)))
        });
        found.collect()
    }

    /// One request, and more for what it left: DynamoDB stops at 16 MB, and where it is short of capacity.
    async fn items_of_part(&self, mut wanted: Vec<Item>) -> Result<Vec<Item>, StoreError> {
        let mut found = Vec::with_capacity(wanted.len());
        while !wanted.is_empty() {
            let keys = KeysAndAttributes::builder()
                .set_keys(Some(wanted))
                .consistent_read(true);
            let keys = keys.build().map_err(StoreError::unavailable)?;
            let request = self.client.batch_get_item();
            let request = request.request_items(&self.table, keys);
            let answer = request.send().await.map_err(StoreError::unavailable)?;
            let items = answer
                .responses
                .and_then(|mut tables| tables.remove(&self.table));
            found.extend(items.into_iter().flatten());
            let unread = answer
                .unprocessed_keys
                .and_then(|mut tables| tables.remove(&self.table));
            wanted = unread.map(|unread| unread.keys).unwrap_or_default();
        }
        Ok(found)
    }
}
