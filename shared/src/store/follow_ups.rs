//! Follow-ups: the current one under its id, and one item for each of its versions, which queued mails refer to.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::transaction::{Action, Expression, TransactError};
use super::{CreateError, Created, Idempotency, Item, Store, StoreError, keys, retry, write};
use crate::domain::follow_up::{FollowUp, FollowUpId, FollowUpStatus, FollowUpTerms};

/// The current item of a follow-up. A deleted one stays, so that a mail's claim can see that it is deleted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Current {
    #[serde(flatten)]
    follow_up: FollowUp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deleted_at: Option<DateTime<Utc>>,
}

/// A follow-up that is no more.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct DeletedFollowUp {
    /// As it last stood.
    #[serde(flatten)]
    pub follow_up: FollowUp,
    /// When it was deleted; no mail is claimed after that.
    pub deleted_at: DateTime<Utc>,
}

impl Store {
    /// Stores a new follow-up with `answer` as what its creation is answered with.
    ///
    /// # Errors
    /// [`CreateError`]; its id is random, so it is never taken but by an earlier try of the same call.
    pub async fn create_follow_up(
        &self,
        follow_up: &FollowUp,
        request: Option<&Idempotency>,
        answer: &str,
    ) -> Result<Created, CreateError> {
        let actions = vec![
            Action::PutNew(item(&current(follow_up))?),
            Action::PutNew(version_item(follow_up)?),
        ];
        self.create(actions, request, answer, follow_up.created_at)
            .await
    }

    /// The follow-up, unless there is none or it is deleted.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn follow_up(&self, id: &FollowUpId) -> Result<Option<FollowUp>, StoreError> {
        let current: Option<Current> = self.get(&keys::follow_up(id)).await?;
        Ok(current.and_then(live))
    }

    /// The follow-up as it stood at `version`, also after it was changed or deleted.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn follow_up_version(
        &self,
        id: &FollowUpId,
        version: u64,
    ) -> Result<Option<FollowUp>, StoreError> {
        self.get(&keys::follow_up_version(id, version)).await
    }

    /// All follow-ups but the deleted ones, oldest first.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn follow_ups(&self) -> Result<Vec<FollowUp>, StoreError> {
        let all: Vec<Current> = self.query_partition(keys::FOLLOW_UPS).await?;
        let mut live: Vec<FollowUp> = all.into_iter().filter_map(live).collect();
        live.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        Ok(live)
    }

    /// Gives a follow-up new terms as its next version; the same terms again change nothing. `None` if there is none.
    ///
    /// # Errors
    /// [`StoreError`] if it is not confirmed.
    pub async fn replace_follow_up(
        &self,
        id: &FollowUpId,
        terms: &FollowUpTerms,
    ) -> Result<Option<FollowUp>, StoreError> {
        let mut attempts = retry::Attempts::new();
        loop {
            let Some(seen) = self.follow_up(id).await? else {
                return Ok(None);
            };
            if seen.terms == *terms {
                return Ok(Some(seen));
            }
            let version = seen.version.saturating_add(1);
            let next = FollowUp {
                version,
                experiment: if seen.terms.same_arms(terms) {
                    seen.experiment
                } else {
                    version
                },
                terms: terms.clone(),
                ..seen.clone()
            };
            let actions = vec![
                Action::Put(item(&current(&next))?, unchanged_since(&seen)),
                Action::PutNew(version_item(&next)?),
            ];
            match self.transact(actions).await {
                Ok(()) => return Ok(Some(next)),
                Err(TransactError::Store(error)) => return Err(error),
                // Somebody else changed it meanwhile: what it is now decides.
                Err(TransactError::Cancelled(_)) => attempts.pause().await?,
            }
        }
    }

    /// Pauses or resumes a follow-up; doing it again changes nothing. `None` if there is none.
    ///
    /// # Errors
    /// [`StoreError`] if it is not confirmed.
    pub async fn switch_follow_up(
        &self,
        id: &FollowUpId,
        status: FollowUpStatus,
    ) -> Result<Option<FollowUp>, StoreError> {
        let mut attempts = retry::Attempts::new();
        loop {
            let Some(seen) = self.follow_up(id).await? else {
                return Ok(None);
            };
            if seen.status == status {
                return Ok(Some(seen));
            }
            let next = FollowUp {
                status,
                ..seen.clone()
            };
            let put = Action::Put(item(&current(&next))?, unchanged_since(&seen));
            match self.transact(vec![put]).await {
                Ok(()) => return Ok(Some(next)),
                Err(TransactError::Store(error)) => return Err(error),
                // Somebody else changed it meanwhile: what it is now decides.
                Err(TransactError::Cancelled(_)) => attempts.pause().await?,
            }
        }
    }

    /// Deletes a follow-up: later orders earn nothing by it and its unsent mails are withdrawn when they come up. Deleting it
    /// again changes nothing. `None` if there never was one.
    ///
    /// # Errors
    /// [`StoreError`] if it is not confirmed.
    pub async fn delete_follow_up(
        &self,
        id: &FollowUpId,
        now: DateTime<Utc>,
    ) -> Result<Option<DeletedFollowUp>, StoreError> {
        let mut attempts = retry::Attempts::new();
        loop {
            let Some(seen) = self.get::<Current>(&keys::follow_up(id)).await? else {
                return Ok(None);
            };
            if let Some(deleted_at) = seen.deleted_at {
                return Ok(Some(DeletedFollowUp {
                    follow_up: seen.follow_up,
                    deleted_at,
                }));
            }
            let gone = Current {
                deleted_at: Some(now),
                ..seen.clone()
            };
            let delete = Action::Put(item(&gone)?, unchanged_since(&seen.follow_up));
            match self.transact(vec![delete]).await {
                Ok(()) => {
                    return Ok(Some(DeletedFollowUp {
                        follow_up: seen.follow_up,
                        deleted_at: now,
                    }));
                }
                Err(TransactError::Store(error)) => return Err(error),
                Err(TransactError::Cancelled(_)) => attempts.pause().await?,
            }
        }
    }
}

fn current(follow_up: &FollowUp) -> Current {
    Current {
        follow_up: follow_up.clone(),
        deleted_at: None,
    }
}

fn live(current: Current) -> Option<FollowUp> {
    match current.deleted_at {
        None => Some(current.follow_up),
        Some(_) => None,
    }
}

fn item(current: &Current) -> Result<Item, StoreError> {
    write(&keys::follow_up(&current.follow_up.id), current)
}

fn version_item(follow_up: &FollowUp) -> Result<Item, StoreError> {
    write(
        &keys::follow_up_version(&follow_up.id, follow_up.version),
        follow_up,
    )
}

/// That nobody changed, paused, resumed or deleted a follow-up since it was seen.
fn unchanged_since(seen: &FollowUp) -> Expression {
    let status = match seen.status {
        FollowUpStatus::Active => "active",
        FollowUpStatus::Paused => PAUSED,
    };
    Expression::new(
        "#version = :seen AND attribute_not_exists(deleted_at) \
         AND (#status = :status OR attribute_not_exists(#status))",
    )
    .name("#version", "version")
    .name("#status", "status")
    .number(":seen", seen.version)
    .string(":status", status)
}

/// A paused follow-up's `status`.
const PAUSED: &str = "paused";

/// That mails of a follow-up may be sent.
pub(super) fn sends() -> Expression {
    Expression::new(
        "attribute_exists(pk) AND attribute_not_exists(deleted_at) \
         AND (attribute_not_exists(#status) OR #status <> :paused)",
    )
    .name("#status", "status")
    .string(":paused", PAUSED)
}

/// Whether the item for which [`sends`] failed is a follow-up that is only paused.
pub(super) fn is_paused(item: &Item) -> bool {
    let status = item.get("status").and_then(|status| status.as_s().ok());
    status.is_some_and(|status| status == PAUSED) && !item.contains_key("deleted_at")
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;

    #[test]
    fn a_follow_up_reads_back_from_its_items_as_it_was_written() {
        let terms = serde_json::from_value(
            serde_json::json!({"name": "Thank you", "conditions": {"min_total": 3000},
            "variants": [{"name": "A", "promotion_id": "THX9", "delay": "P3D"}], "code_valid_days": 365,
            "mail": {"from": "Shop <hello@shop.example>", "sender": {"name": "店", "address": "東京", "contact": "03"},
                "templates": {"ja": {"subject": "s", "body": "b"}}}}),
        );
        let follow_up = FollowUp {
            id: FollowUpId::random(),
            version: 1,
            created_at: "2026-11-22T03:04:05.678Z".parse().unwrap(),
            experiment: 1,
            status: FollowUpStatus::Active,
            terms: terms.unwrap(),
        };
        let seen: Current = read(item(&current(&follow_up)).unwrap()).unwrap();
        assert_eq!(live(seen), Some(follow_up.clone()));
        let version: FollowUp = read(version_item(&follow_up).unwrap()).unwrap();
        assert_eq!(version, follow_up);
        let gone = Current {
            deleted_at: Some(follow_up.created_at),
            ..current(&follow_up)
        };
        assert_eq!(live(read(item(&gone).unwrap()).unwrap()), None);
    }
}
