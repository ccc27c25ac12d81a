//! When sources of orders were heard from, and what staff were told.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use super::transaction::{Action, Outcome};
use super::{Store, StoreError, keys, schema, write};
use crate::domain::order::Source;
use crate::domain::watching::{SourceRecord, Told};

/// How often this process says at most that a source was heard from. A day would do to know the daily ones, but not to notice 24
/// hours of silence.
const SAID_EVERY: TimeDelta = TimeDelta::hours(1);

/// When this process last said of each source that it was heard from.
#[derive(Debug, Default)]
pub(super) struct Said(Mutex<HashMap<Source, DateTime<Utc>>>);

impl Said {
    fn lately(&self, source: &Source, now: DateTime<Utc>) -> bool {
        let said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        said.get(source).is_some_and(|at| now < *at + SAID_EVERY)
    }

    fn note(&self, source: &Source, now: DateTime<Utc>) {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        said.insert(source.clone(), now);
    }
}

impl Store {
    /// Keeps that a source of orders was heard from; once an hour and process at most, so nearly always without a request. Whoever
    /// else says so at the same moment says it for this one too.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn heard_from(&self, source: &Source, now: DateTime<Utc>) -> Result<(), StoreError> {
        if self.said.lately(source, now) {
            return Ok(());
        }
        let key = keys::source(source);
        let seen: Option<SourceRecord> = self.get(&key).await?;
        let next = match &seen {
            None => SourceRecord::first(source.clone(), now),
            Some(record) => record.again(now),
        };
        let mut item = write(&key, &next)?;
        schema::set_ttl(&mut item, SourceRecord::forget_at(now));
        let version = seen.map(|record| record.version);
        let put = Action::put_as_seen(item, "version", version);
        let _: Result<(), Vec<Outcome>> = self.decide(&[put]).await?;
        self.said.note(source, now);
        Ok(())
    }

    /// All sources of orders of late, strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn sources(&self) -> Result<Vec<SourceRecord>, StoreError> {
        self.query_prefix(keys::WATCH, keys::SOURCE_PREFIX).await
    }

    /// What staff were told, strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn told(&self) -> Result<Told, StoreError> {
        Ok(self.get(&keys::told()).await?.unwrap_or_default())
    }

    /// Keeps what staff are now told, if nobody else has kept anything since `next` was made from what was read; says whether so.
    ///
    /// # Errors
    /// [`StoreError`] if it is not confirmed.
    pub async fn tell(&self, next: &Told) -> Result<bool, StoreError> {
        let item = write(&keys::told(), next)?;
        let seen = next.version.checked_sub(1).filter(|version| *version > 0);
        let put = Action::put_as_seen(item, "version", seen);
        Ok(self.decide(&[put]).await?.is_ok())
    }
}
