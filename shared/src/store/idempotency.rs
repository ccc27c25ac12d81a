//! Creating requests that may be sent twice: the answer is kept under API key and `Idempotency-Key` for a day, written in
//! the same transaction as what it answers for.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::transaction::{Action, Expression, Outcome, TransactError};
use super::{Store, StoreError, keys, read, retry, schema, write};

/// How long an answer is kept. Source: design.md §7.
const KEPT: TimeDelta = TimeDelta::hours(24);

/// A creating request that names itself.
#[derive(Clone, Debug)]
pub struct Idempotency {
    name: String,
    fingerprint: String,
}

impl Idempotency {
    /// A request made with one API key under one `Idempotency-Key`, for one path with one body.
    pub fn new(
        key_digest: &str,
        idempotency_key: &str,
        path: &str,
        body: &serde_json::Value,
    ) -> Self {
        let name = hex::encode(Sha256::digest(
            format!("{key_digest}\n{idempotency_key}").as_bytes(),
        ));
        let fingerprint = hex::encode(Sha256::digest(format!("{path}\n{body}").as_bytes()));
        Self { name, fingerprint }
    }

    /// A name for what this request creates: the same whenever it is repeated.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Tells this request's path and body from others under the same name.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

/// The answer to a creating request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Created {
    /// It was created now.
    Now,
    /// It had been created by the same request; this was the answer, as JSON.
    Before(String),
}

/// Why nothing was created.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The `Idempotency-Key` was used for another request within a day.
    #[error("the Idempotency-Key was used for another request")]
    KeyReused,
    /// What was to be created exists already under its natural key.
    #[error("it exists already")]
    Taken,
    /// The table did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Serialize, Deserialize)]
struct KeptAnswer {
    fingerprint: String,
    answer: String,
    expires_ms: i64,
}

impl Store {
    /// Whether a request of this name was answered of late, so that it is to be answered alike.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn was_answered(&self, request: &Idempotency) -> Result<bool, StoreError> {
        let kept: Option<KeptAnswer> = self.get(&keys::idempotency(&request.name)).await?;
        Ok(kept.is_some())
    }

    /// How this request was answered before, if it was within a day.
    ///
    /// # Errors
    /// [`CreateError::KeyReused`] if another request had its name; [`CreateError::Store`] if the table does not answer.
    pub async fn answered(
        &self,
        request: &Idempotency,
        now: DateTime<Utc>,
    ) -> Result<Option<Created>, CreateError> {
        let kept: Option<KeptAnswer> = self.get(&keys::idempotency(&request.name)).await?;
        match kept.filter(|kept| now.timestamp_millis() < kept.expires_ms) {
            None => Ok(None),
            Some(kept) if kept.fingerprint == request.fingerprint => {
                Ok(Some(Created::Before(kept.answer)))
            }
            Some(_) => Err(CreateError::KeyReused),
        }
    }

    /// Creates what `actions` put, once for each request that names itself.
    pub(super) async fn create(
        &self,
        actions: Vec<Action>,
        request: Option<&Idempotency>,
        answer: &str,
        now: DateTime<Utc>,
    ) -> Result<Created, CreateError> {
        let mut all = actions;
        if let Some(request) = request {
            all.insert(0, keep_answer(request, answer, now)?);
        }
        let mut attempts = retry::Attempts::new();
        loop {
            let outcomes = match self.transact(all.clone()).await {
                Ok(()) => return Ok(Created::Now),
                Err(TransactError::Cancelled(outcomes)) => outcomes,
                Err(TransactError::Store(error)) => return Err(error.into()),
            };
            if outcomes.contains(&Outcome::Undecided) {
                attempts.pause().await?;
                continue;
            }
            return match (request, outcomes.into_iter().next()) {
                (Some(request), Some(Outcome::Refused(Some(item)))) => {
                    let kept: KeptAnswer = read(item)?;
                    let same = kept.fingerprint == request.fingerprint;
                    if same {
                        Ok(Created::Before(kept.answer))
                    } else {
                        Err(CreateError::KeyReused)
                    }
                }
                _ => Err(CreateError::Taken),
            };
        }
    }
}

fn keep_answer(
    request: &Idempotency,
    answer: &str,
    now: DateTime<Utc>,
) -> Result<Action, StoreError> {
    let expires = now + KEPT;
    let kept = KeptAnswer {
        fingerprint: request.fingerprint.clone(),
        answer: answer.to_owned(),
        expires_ms: expires.timestamp_millis(),
    };
    let mut item = write(&keys::idempotency(&request.name), &kept)?;
    schema::set_ttl(&mut item, expires);
    // The table deletes expired items late, so their age is part of the condition.
    let free = Expression::new("attribute_not_exists(pk) OR expires_ms <= :now")
        .number(":now", now.timestamp_millis());
    Ok(Action::Put(item, free))
}
