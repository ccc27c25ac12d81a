//! Keeps the statistics: hears from the table's stream what became of redemptions, mails, orders and links' visits, and has the sums
//! say so.
//!
//! A stream tells of each change at least once, in order for one item, and a batch that failed comes again, perhaps in halves.
//! Only the new image is used: what a record adds follows from how it stands, and the store adds the difference to what
//! was added for it before, if that was an older version. What orders say of their buyers is taken in in any order.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lambda_events::event::dynamodb::{Event, EventRecord};
use aws_lambda_events::event::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use chrono_tz::Tz;
use shared::aws::Aws;
use shared::clock::Clock;
use shared::domain::link::{VisitPart, Visits};
use shared::domain::order::OrderId;
use shared::domain::outbox::OutboxMail;
use shared::domain::redemption::Redemption;
use shared::domain::stats::{Recount, Standing, Subject};
use shared::env::{Env, StartError};
use shared::store::{OrderNews, Store, StoreError, Told};

/// What the function works with. Cheap to clone.
#[derive(Clone, Debug)]
pub struct State {
    store: Arc<Store>,
    clock: Clock,
    /// The shop's zone, whose days the sums are of.
    zone: Tz,
}

impl State {
    /// Reads `TABLE_NAME` and `TIME_ZONE` and prepares the client.
    ///
    /// # Errors
    /// [`StartError`] if a setting is missing or unusable.
    #[expect(
        clippy::unused_async,
        reason = "every function's state is loaded alike, and others fetch secrets"
    )]
    pub async fn load(env: &Env, clock: Clock) -> Result<Self, StartError> {
        let aws = Aws::from_env(env)?;
        Ok(Self {
            store: Arc::new(Store::connect(env, &aws)?),
            clock,
            zone: env.parse_or("TIME_ZONE", Tz::UTC)?,
        })
    }
}

/// Why a stream record comes again. None of these quotes it.
#[derive(Debug, thiserror::Error)]
enum RecordError {
    #[error("the item cannot be read: {0}")]
    Malformed(#[from] serde_dynamo::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Counts a batch. Answers the record from which on the batch has to come again, if there is one: a stream goes on only behind
/// what is done.
///
/// # Errors
/// If a record has no sequence number to name it by: the whole batch comes again.
pub async fn handle(
    state: &State,
    event: Event,
) -> Result<DynamoDbEventResponse, lambda_runtime::Error> {
    let mut latest: HashMap<Subject, Standing> = HashMap::new();
    let mut facts = Vec::new();
    let (mut first, mut failed) = (None, None);
    for record in event.records {
        let number = record.change.sequence_number.clone();
        let number = number.ok_or("stream record without SequenceNumber")?;
        first.get_or_insert_with(|| number.clone());
        match news(state, record).await {
            Ok(Told { standings, fact }) => {
                for standing in standings {
                    keep_latest(&mut latest, standing);
                }
                facts.extend(fact);
            }
            Err(error) => {
                tracing::error!(record = number, %error, "a stream record failed and comes again");
                failed = Some(number);
                break;
            }
        }
    }
    let standings: Vec<Standing> = latest.into_values().collect();
    let counted = async {
        let changed = state.store.count(&standings, Recount::Newer).await?;
        let buyers = state.store.count_buyers(facts).await?;
        Ok::<_, StoreError>((changed, buyers))
    };
    match counted.await {
        Ok((changed, buyers)) => tracing::debug!(changed, buyers, "counted"),
        Err(error) => {
            tracing::error!(%error, "a batch was not counted and comes again");
            failed = first;
        }
    }
    Ok(response(failed))
}

fn keep_latest(latest: &mut HashMap<Subject, Standing>, standing: Standing) {
    let known = latest.get(&standing.subject);
    if known.is_none_or(|known| known.version <= standing.version) {
        latest.insert(standing.subject.clone(), standing);
    }
}

/// What a stream record tells: nothing, if it is not counted. None of what is counted is ever deleted.
async fn news(state: &State, record: EventRecord) -> Result<Told, RecordError> {
    let image = record.change.new_image;
    if image.is_empty() {
        return Ok(Told::default());
    }
    let key = |name| match record.change.keys.get(name) {
        Some(serde_dynamo::AttributeValue::S(text)) => text.as_str(),
        _ => "",
    };
    let now = state.clock.now();
    let standing = match (key("pk").split_once('#'), key("sk")) {
        (Some(("order", _)), "redemption") => {
            let redemption: Redemption = serde_dynamo::from_item(image)?;
            let standing = state.store.standing_of(&redemption, state.zone, now);
            Some(standing.await?)
        }
        (Some(("mail", _)), "mail") => {
            let mail: OutboxMail = serde_dynamo::from_item(image)?;
            state.store.standing_of_mail(&mail, state.zone, now).await?
        }
        (Some(("visits", part)), "visits") => {
            let Some(part) = VisitPart::read(part) else {
                return Ok(Told::default());
            };
            let visits: Visits = serde_dynamo::from_item(image)?;
            Some(Standing::of_visits(&part, &visits))
        }
        (Some(("order", order)), sk) => {
            let Ok(order_id) = OrderId::try_from(order.to_owned()) else {
                return Ok(Told::default());
            };
            let Some(news) = OrderNews::of(sk, image)? else {
                return Ok(Told::default());
            };
            let told = state.store.told_by(&order_id, news, state.zone, now);
            return Ok(told.await?);
        }
        _ => None,
    };
    Ok(Told {
        fact: None,
        standings: standing.into_iter().collect(),
    })
}

fn response(failed: Option<String>) -> DynamoDbEventResponse {
    let mut response = DynamoDbEventResponse::default();
    if let Some(number) = failed {
        let mut failure = DynamoDbBatchItemFailure::default();
        failure.item_identifier = Some(number);
        response.batch_item_failures.push(failure);
    }
    response
}
