//! Bearer keys: kept as SHA-256 digests, remembered for a minute.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::cache::Ages;
use super::idempotency::{CreateError, Created, Idempotency};
use super::transaction::{Action, Expression};
use super::{Store, StoreError, keys, write};
use crate::domain::follow_up::random_symbols;

/// How long a key serves without being read again: a revocation takes effect within this time. Source: design.md §5.
const AGES: Ages = Ages {
    present: TimeDelta::seconds(60),
    absent: TimeDelta::seconds(1),
};

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Everything.
    Admin,
    /// Quotes and redemptions.
    Checkout,
}

impl Scope {
    /// Whether a key of this scope may do what needs `needed`.
    pub fn covers(self, needed: Self) -> bool {
        match self {
            Self::Admin => true,
            Self::Checkout => needed == Self::Checkout,
        }
    }
}

/// A key as stored. The key itself is nowhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// SHA-256 of the key, 64 hex digits.
    pub digest: String,
    /// What staff call it.
    pub name: String,
    /// What it may do.
    pub scope: Scope,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// A key to be stored, and its text, which is shown once.
#[derive(Debug)]
pub struct NewApiKey {
    /// The bearer text; never stored.
    pub text: String,
    /// What is stored.
    pub stored: ApiKey,
}

impl NewApiKey {
    /// A random key: `okaeri_` and 38 symbols of 5 random bits (190 bits).
    pub fn random(name: String, scope: Scope, now: DateTime<Utc>) -> Self {
        Self::given(format!("okaeri_{}", random_symbols(38)), name, scope, now)
    }

    /// A key whose text is chosen by the caller; only the local stack's fixed keys are.
    pub fn given(text: String, name: String, scope: Scope, now: DateTime<Utc>) -> Self {
        let stored = ApiKey {
            digest: digest(&text),
            name,
            scope,
            created_at: now,
        };
        Self { text, stored }
    }
}

/// SHA-256 of a bearer key, in hex.
fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

impl Store {
    /// The key whose bearer text this is, or `None` if there is no such key.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn api_key(
        &self,
        text: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<ApiKey>, StoreError> {
        self.api_key_of_digest(&digest(text), now).await
    }

    /// The key with this digest, remembered as [`Self::api_key`] does; `None` if there is no such key.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn api_key_of_digest(
        &self,
        digest: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<ApiKey>, StoreError> {
        let digest = digest.to_owned();
        if let Some(known) = self.api_keys.fresh(&digest, now, AGES) {
            return Ok(known);
        }
        let key: Option<ApiKey> = self.get(&keys::api_key(&digest)).await?;
        self.api_keys.put(digest, now, key.clone());
        Ok(key)
    }

    /// Stores a key; storing the same one again changes nothing.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn put_api_key(&self, key: &ApiKey) -> Result<(), StoreError> {
        let item = write(&keys::api_key(&key.digest), key)?;
        // Refused: it is stored already.
        self.decide(&[Action::PutNew(item)]).await.map(|_| ())
    }

    /// Creates a key, once for each request that names itself: a repeat is told so, and never the key's text.
    ///
    /// # Errors
    /// [`CreateError`] if the request's name was used for another one, or if the table does not answer.
    pub async fn create_api_key(
        &self,
        key: &ApiKey,
        request: &Idempotency,
    ) -> Result<Created, CreateError> {
        let item = write(&keys::api_key(&key.digest), key)?;
        let actions = vec![Action::PutNew(item)];
        self.create(actions, Some(request), "", key.created_at)
            .await
    }

    /// All keys.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn list_api_keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        self.query_partition(keys::API_KEYS).await
    }

    /// Deletes the key with this digest; it stops working within a minute.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer. `Ok(false)` means there was no such key.
    pub async fn revoke_api_key(&self, digest: &str) -> Result<bool, StoreError> {
        let exists = Expression::new("attribute_exists(pk)");
        let deleted = self
            .decide(&[Action::Delete(keys::api_key(digest), exists)])
            .await?;
        Ok(deleted.is_ok())
    }
}
