//! Works off the orders queue: a completed order earns at most one code and one mail under each follow-up, a cancelled or
//! refunded one loses what it earned. Events may come many times, in any order, and to two functions at once.

mod codes;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use shared::aws::Aws;
use shared::checkout::{Checkout, CheckoutError, Offered};
use shared::clock::Clock;
use shared::domain::follow_up::{Arm, FollowUp, FollowUpTerms, Variant};
use shared::domain::identity::{Email, IdentityKey, PersonHash};
use shared::domain::money::Currency;
use shared::domain::order::{Buyer, OrderEvent, OrderEventKind};
use shared::domain::outbox::Contact;
use shared::domain::thank_you::{Decision, NoMail, Schedule, decide};
use shared::env::{Env, StartError};
use shared::store::{Freshness, Gift, Issue, SeenEvent, Store, StoreError, ThankYou};

/// What the function works with.
#[derive(Clone, Debug)]
pub struct State {
    checkout: Checkout,
    /// The shop's zone, in which a code's last day ends.
    zone: Tz,
    clock: Clock,
}

impl State {
    /// Reads settings and secrets and connects to the table.
    ///
    /// # Errors
    /// [`StartError`] if a setting or secret is missing or unusable.
    pub async fn load(env: &Env, clock: Clock) -> Result<Self, StartError> {
        let aws = Aws::from_env(env)?;
        Ok(Self {
            checkout: Box::pin(Checkout::load(env, &aws, Offered::Codes, clock.now())).await?,
            zone: env.parse_or("TIME_ZONE", Tz::UTC)?,
            clock,
        })
    }
}

/// Why a message goes back to the queue, and in the end to the dead-letter queue. None of these quotes the message.
#[derive(Debug, thiserror::Error)]
enum RecordError {
    #[error("the message has no body")]
    NoBody,
    #[error("the message is not an order event (line {line}, column {column})")]
    NotAnEvent { line: usize, column: usize },
    #[error("the event's time is beyond the calendar")]
    BeyondCalendar,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the order's codes could not be redeemed: {0}")]
    Codes(#[from] CheckoutError),
}

/// Works off a batch. Messages that fail are named in the answer and come again; the others are done.
///
/// # Errors
/// If the follow-ups cannot be read, or if a message cannot be named because it has no id: the whole batch comes again.
pub async fn handle(
    state: &State,
    event: SqsEvent,
) -> Result<SqsBatchResponse, lambda_runtime::Error> {
    // Read for each batch rather than remembered: a new follow-up must not miss the order that comes a second later.
    let follow_ups = state.checkout.store.follow_ups().await?;
    let mut response = SqsBatchResponse::default();
    for record in event.records {
        let id = record
            .message_id
            .as_deref()
            .ok_or("SQS record without messageId")?;
        if let Err(error) = work_off(state, &follow_ups, &record).await {
            tracing::error!(message.id = id, %error, "a message failed and goes back to the queue");
            response.add_failure(id);
        }
    }
    Ok(response)
}

async fn work_off(
    state: &State,
    follow_ups: &[FollowUp],
    record: &SqsMessage,
) -> Result<(), RecordError> {
    let now = state.clock.now();
    let order = read(record)?;
    let received_at = received_at(&order, record, now);
    let email = order.customer.email.as_ref();
    let buyer = email.map(|email| state.checkout.identity.person(email));
    let seen = state
        .checkout
        .store
        .record_event(&order, buyer.as_ref(), received_at)
        .await?;
    match order.kind {
        OrderEventKind::Completed => {
            Box::pin(codes::redeem(state, &order, now)).await?;
            for follow_up in follow_ups {
                follow(state, &order, follow_up, &seen, received_at, now).await?;
            }
        }
        OrderEventKind::Cancelled | OrderEventKind::Refunded => {
            let store = &state.checkout.store;
            store.cancel_order(&order.order_id, order.kind, now).await?;
            codes::take_back(state, &order.order_id, now).await?;
        }
    }
    // Only for the alarm of a source that falls silent, so it holds no order up.
    if let Err(error) = state.checkout.store.heard_from(&order.source, now).await {
        tracing::warn!(%error, "it is not kept that the source was heard from");
    }
    tracing::info!(order.id = %order.order_id, order.event = ?order.kind, "worked off an order event");
    Ok(())
}

fn read(record: &SqsMessage) -> Result<OrderEvent, RecordError> {
    let body = record.body.as_deref().ok_or(RecordError::NoBody)?;
    serde_json::from_str(body).map_err(|error| RecordError::NotAnEvent {
        line: error.line(),
        column: error.column(),
    })
}

/// From when delays count: when the webhook arrived; for an event that came straight into the queue, when it was sent there.
fn received_at(order: &OrderEvent, record: &SqsMessage, now: DateTime<Utc>) -> DateTime<Utc> {
    let sent_ms = record.attributes.get("SentTimestamp");
    let sent_at = sent_ms
        .and_then(|text| text.parse().ok())
        .and_then(DateTime::from_timestamp_millis);
    order.received_at.or(sent_at).unwrap_or(now)
}

/// Deals with an order under one follow-up, for good.
async fn follow(
    state: &State,
    order: &OrderEvent,
    follow_up: &FollowUp,
    seen: &SeenEvent,
    received_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<(), RecordError> {
    let store = &state.checkout.store;
    let terms = &follow_up.terms;
    let currency = currency(store, follow_up, now).await?;
    let email = match decide(order, &terms.conditions, currency) {
        Decision::Mail(email) => email,
        Decision::NoMail(reason) => return no_mail(state, order, follow_up, reason, now).await,
    };
    if terms.conditions.first_order_only && !seen.first_order {
        return no_mail(state, order, follow_up, NoMail::NotFirstOrder, now).await;
    }
    let person = state.checkout.identity.person(email);
    let draw = state
        .checkout
        .identity
        .draw(&person, &follow_up.experiment_name());
    let variant = match terms.arm(draw) {
        None => return Ok(()),
        Some(Arm::Holdout) => None,
        Some(Arm::Variant(variant)) => Some(variant),
    };
    let schedule = |variant: &Variant| {
        Schedule::plan(
            received_at,
            variant.delay,
            terms.code_valid_days,
            state.zone,
        )
        .ok_or(RecordError::BeyondCalendar)
    };
    let planned = variant.map(schedule).transpose()?;
    let contact = planned.map(|plan| contact(&order.customer, email, plan.forget_at));
    let bound_to = bound_to(&state.checkout.identity, terms, &order.customer);
    let gift = variant.zip(planned).zip(contact.as_ref());
    let thank_you = ThankYou {
        order_id: &order.order_id,
        follow_up,
        person: &person,
        gift: gift.map(|((variant, schedule), contact)| Gift {
            variant,
            contact,
            schedule,
            bound_to: &bound_to,
        }),
        received_at,
        now,
    };
    let reason = match store.issue_thank_you(&thank_you).await? {
        Issue::Issued | Issue::DecidedBefore => return Ok(()),
        Issue::Cancelled => NoMail::Cancelled,
        Issue::Forgotten => NoMail::Suppressed,
        Issue::Refused(reason) => reason,
    };
    no_mail(state, order, follow_up, reason, now).await
}

async fn no_mail(
    state: &State,
    order: &OrderEvent,
    follow_up: &FollowUp,
    reason: NoMail,
    now: DateTime<Utc>,
) -> Result<(), RecordError> {
    let store = &state.checkout.store;
    store
        .record_no_mail(&order.order_id, follow_up, reason, now)
        .await?;
    Ok(())
}

/// The currency in which a follow-up's minimum is meant: that of its promotions, which have the same.
async fn currency(
    store: &Store,
    follow_up: &FollowUp,
    now: DateTime<Utc>,
) -> Result<Option<Currency>, StoreError> {
    let Some(variant) = follow_up.terms.variants.first() else {
        return Ok(None);
    };
    let known = store
        .promotion(&variant.promotion_id, Freshness::Remembered, now)
        .await?;
    Ok(known.map(|known| known.promotion.terms.currency))
}

/// Whom a code is bound to, if it is: its buyer, by the shop's id and by address, because a checkout may give either.
fn bound_to(key: &IdentityKey, terms: &FollowUpTerms, buyer: &Buyer) -> Vec<PersonHash> {
    if !terms.bind_to_buyer {
        return Vec::new();
    }
    let email = buyer.email.as_ref().map(Email::as_str);
    key.people(buyer.id.as_deref(), email, None)
}

fn contact(buyer: &Buyer, email: &Email, forget_at: DateTime<Utc>) -> Contact {
    Contact {
        email: email.clone(),
        name: buyer.name.clone(),
        locale: buyer.locale.as_deref().and_then(language_tag),
        forget_at,
    }
}

/// Longest language tag that is taken, in bytes. Source: RFC 5646 §4.4.1.
const MAX_TAG_BYTES: usize = 35;

/// A language tag, or `None` for text that cannot be one: a locale decides the words of a mail, never whether it is sent.
fn language_tag(text: &str) -> Option<String> {
    let tag = text.trim().replace('_', "-");
    let fits = (2..=MAX_TAG_BYTES).contains(&tag.len())
        && tag
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    fits.then_some(tag)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(body: &str) -> SqsMessage {
        let attributes = json!({"SentTimestamp": "1795316645000"});
        let record = json!({"messageId": "m1", "body": body, "attributes": attributes});
        serde_json::from_value(record).unwrap()
    }

    fn order(json: &serde_json::Value) -> OrderEvent {
        let mut order = json!({"type": "order.completed", "source": "custom", "order_id": "1"});
        for (field, value) in json.as_object().unwrap() {
            order[field] = value.clone();
        }
        read(&record(&order.to_string())).unwrap()
    }

    #[test]
    fn the_reference_events_are_read() {
        for (text, kind) in [
            (
                include_str!("../../../events/order-completed.order.json"),
                OrderEventKind::Completed,
            ),
            (
                include_str!("../../../events/order-completed.cancelled.json"),
                OrderEventKind::Cancelled,
            ),
        ] {
            let batch: SqsEvent = serde_json::from_str(text).unwrap();
            let order = read(&batch.records[0]).unwrap();
            assert_eq!(order.kind, kind);
            assert_eq!(order.order_id.as_str(), "1001");
        }
    }

    #[test]
    fn a_poison_message_is_refused_without_being_quoted() {
        for body in [
            "",
            "{",
            "hanako@example.jp",
            r#"{"type":"hanako@example.jp"}"#,
            "[]",
            "null",
        ] {
            let error = read(&record(body)).unwrap_err();
            assert!(matches!(error, RecordError::NotAnEvent { .. }), "{body}");
            assert!(!error.to_string().contains("hanako"), "{error}");
        }
        let mut without_body = record("");
        without_body.body = None;
        assert!(matches!(read(&without_body), Err(RecordError::NoBody)));
    }

    #[test]
    fn a_delay_counts_from_the_webhooks_arrival_then_from_the_queues() {
        let now = "2026-11-22T10:00:00Z".parse().unwrap();
        let stamped = order(
            &json!({"received_at": "2026-11-22T03:04:05Z", "completed_at": "2020-01-01T00:00:00Z"}),
        );
        let bare = order(&json!({"completed_at": "2020-01-01T00:00:00Z"}));
        let record = record("");
        let sent_at = DateTime::from_timestamp_millis(1_795_316_645_000).unwrap();
        assert_eq!(
            received_at(&stamped, &record, now),
            "2026-11-22T03:04:05Z".parse::<DateTime<Utc>>().unwrap()
        );
        assert_eq!(received_at(&bare, &record, now), sent_at);
        assert_eq!(received_at(&bare, &SqsMessage::default(), now), now);
    }

    #[test]
    fn only_a_language_tag_is_kept_as_one() {
        for (text, tag) in [
            ("ja", Some("ja")),
            (" ja_JP ", Some("ja-JP")),
            ("zh-Hant-TW", Some("zh-Hant-TW")),
            ("", None),
            ("x", None),
            ("../../etc", None),
            ("日本語", None),
            (&"a".repeat(36), None),
        ] {
            assert_eq!(language_tag(text).as_deref(), tag, "{text}");
        }
    }
}
