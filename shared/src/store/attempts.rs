//! Unknown codes that somebody tried, to stop those who guess. This limits cost and noise only: a lost reply may count twice.

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::transaction::{Action, Expression, Outcome};
use super::{Store, StoreError, keys, read, retry, schema, write};
use crate::domain::identity::PersonHash;

/// Most unknown codes in one window. Source: design.md §7.
const MOST: u64 = 20;
/// How long a window lasts, from the first unknown code on. Source: design.md §7.
const WINDOW: TimeDelta = TimeDelta::minutes(10);

#[derive(Serialize, Deserialize)]
struct Attempts {
    used: u64,
    ends_ms: i64,
}

impl Store {
    /// Counts `unknown` more codes that `who` tried in vain, unless they have tried too many: then the time at which they may
    /// try again.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn count_unknown_codes(
        &self,
        who: &PersonHash,
        unknown: u64,
        now: DateTime<Utc>,
    ) -> Result<Option<DateTime<Utc>>, StoreError> {
        let key = keys::attempts(who);
        let more = Action::Update {
            key: key.clone(),
            update: "SET used = used + :unknown",
            condition: Expression::new("used < :most AND ends_ms > :now")
                .number(":unknown", unknown)
                .number(":most", MOST)
                .number(":now", now.timestamp_millis()),
        };
        let ends = now + WINDOW;
        let first = Attempts {
            used: unknown,
            ends_ms: ends.timestamp_millis(),
        };
        let mut item = write(&key, &first)?;
        schema::set_ttl(&mut item, ends);
        let over = Expression::new("attribute_not_exists(pk) OR ends_ms <= :now").value(
            ":now",
            AttributeValue::N(now.timestamp_millis().to_string()),
        );
        let first = Action::Put(item, over);
        let mut attempts = retry::Attempts::new();
        loop {
            let Err(outcomes) = self.decide(std::slice::from_ref(&more)).await? else {
                return Ok(None);
            };
            if let Some(Outcome::Refused(Some(item))) = outcomes.into_iter().next() {
                let stands: Attempts = read(item)?;
                if let Some(ends) = DateTime::from_timestamp_millis(stands.ends_ms)
                    && now < ends
                {
                    return Ok(Some(ends));
                }
            }
            // There is no window, or it is over: begin one, unless somebody does at the same moment.
            if self.decide(std::slice::from_ref(&first)).await?.is_ok() {
                return Ok(None);
            }
            attempts.pause().await?;
        }
    }
}
