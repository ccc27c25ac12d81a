//! Takes in what SES reports about mails it took: a mail whose answer was lost is settled, so that it is not sent again, and a
//! person whose address does not exist or who complained is not mailed any more.
//!
//! SES publishes at least once, in any order, and sometimes before the sender has its own answer.

mod event;

use std::sync::Arc;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use chrono::{DateTime, Utc};
use shared::aws::Aws;
use shared::clock::Clock;
use shared::domain::outbox::MailId;
use shared::env::{Env, StartError};
use shared::metrics::Metrics;
use shared::store::{Heard, Store, StoreError, SuppressionReason};

use event::{Malformed, News, Report};

/// What the function works with.
#[derive(Clone, Debug)]
pub struct State {
    store: Arc<Store>,
    metrics: Metrics,
    clock: Clock,
}

impl State {
    /// Connects to the table.
    ///
    /// # Errors
    /// [`StartError`] if a setting is missing or unusable.
    #[expect(
        clippy::unused_async,
        reason = "all functions load alike, and others fetch secrets"
    )]
    pub async fn load(env: &Env, clock: Clock) -> Result<Self, StartError> {
        let aws = Aws::from_env(env)?;
        Ok(Self {
            store: Arc::new(Store::connect(env, &aws)?),
            metrics: Metrics::from_env(env),
            clock,
        })
    }
}

/// Why a message goes back to the queue, and in the end to the dead-letter queue. None of these quotes the message.
#[derive(Debug, thiserror::Error)]
enum RecordError {
    #[error("the message has no body")]
    NoBody,
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Takes in a batch. Messages that fail are named in the answer and come again; the others are done.
///
/// # Errors
/// If a message cannot be named because it has no id: the whole batch comes again.
pub async fn handle(
    state: &State,
    event: SqsEvent,
) -> Result<SqsBatchResponse, lambda_runtime::Error> {
    let mut response = SqsBatchResponse::default();
    for record in event.records {
        let id = record
            .message_id
            .as_deref()
            .ok_or("SQS record without messageId")?;
        if let Err(error) = take_in(state, &record).await {
            tracing::error!(message.id = id, %error, "a message failed and goes back to the queue");
            response.add_failure(id);
        }
    }
    Ok(response)
}

async fn take_in(state: &State, record: &SqsMessage) -> Result<(), RecordError> {
    let now = state.clock.now();
    let body = record.body.as_deref().ok_or(RecordError::NoBody)?;
    let Some(report) = event::read(body)? else {
        tracing::debug!("an event that is not about a mail of ours");
        return Ok(());
    };
    let Report {
        mail_id,
        attempt,
        message_id,
        mailed_at,
        news,
    } = &report;
    let store = &state.store;
    let changed = match news {
        News::Rejected { reason } => store.reject_mail(mail_id, *attempt, reason, now).await?,
        News::Taken | News::Delivered | News::SoftBounced | News::Bounced | News::Complained => {
            store
                .settle_mail(mail_id, *attempt, message_id, *mailed_at)
                .await?
        }
    };
    match news {
        News::Taken => {}
        News::Delivered => count(state, mail_id, Heard::Delivered, now).await?,
        News::SoftBounced => count(state, mail_id, Heard::SoftBounced, now).await?,
        News::Bounced => {
            suppress(store, mail_id, SuppressionReason::Bounced, now).await?;
            count(state, mail_id, Heard::Bounced, now).await?;
            judge_rates(store, now).await?;
        }
        News::Complained => {
            suppress(store, mail_id, SuppressionReason::Complained, now).await?;
            count(state, mail_id, Heard::Complained, now).await?;
            judge_rates(store, now).await?;
        }
        News::Rejected { .. } => {
            tracing::error!(mail.id = %mail_id, "SES will not deliver a mail it took");
        }
    }
    tracing::info!(mail.id = %mail_id, ?news, changed, "took in an event of SES");
    Ok(())
}

/// Counts what was heard of a mail, once.
async fn count(
    state: &State,
    mail_id: &MailId,
    heard: Heard,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let store = &state.store;
    let Some(mail) = store.mail(mail_id).await? else {
        return Ok(());
    };
    if store.hear(&mail, heard, now).await? {
        let metric = match heard {
            Heard::Delivered => "MailsDelivered",
            Heard::Bounced => "MailsBounced",
            Heard::SoftBounced => "MailsBouncedForNow",
            Heard::Complained => "MailsComplainedOf",
        };
        state.metrics.count(now, metric, 1, None);
    }
    Ok(())
}

/// Stops all mail when too much of it comes back or is complained of: SES would do so soon, and for longer.
async fn judge_rates(store: &Store, now: DateTime<Utc>) -> Result<(), StoreError> {
    let (outcomes, pause) = store.judge_outcomes(now).await?;
    if let Some(standing) = pause {
        tracing::error!(?outcomes, reason = standing.reason.as_str(), since = %standing.since, "no mail is sent at present");
    } else if let Some(reason) = outcomes.alarming() {
        tracing::error!(
            ?outcomes,
            reason = reason.as_str(),
            "nearly too many mails come back or are complained of"
        );
    }
    Ok(())
}

/// Sees to it that the person a mail went to gets no other.
async fn suppress(
    store: &Store,
    mail_id: &MailId,
    reason: SuppressionReason,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    // Who was forgotten cannot be named any more, and has no address to mail to.
    let Some(mail) = store.mail(mail_id).await? else {
        return Ok(());
    };
    store.suppress(&mail.person, reason, now).await
}
