//! `/v1/orders/{order_id}`: what is known of an order, and why its buyer got a mail or got none.

use axum::Router;
use axum::extract::{Path, State as Shared};
use axum::routing::get;
use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::domain::code::PromotionId;
use shared::domain::follow_up::FollowUpId;
use shared::domain::order::{OrderEventKind, OrderId, Source};
use shared::domain::outbox::{MailState, OutboxMail};
use shared::domain::redemption::Reason;
use shared::http::{Body, Problem};
use shared::store::{OrderHistory, OrderMarker, OrderOutcome, SeenEvent};
use utoipa::ToSchema;

use crate::State;

pub(crate) fn routes() -> Router<State> {
    Router::new().route("/v1/orders/{order_id}", get(read))
}

/// An order as its events and follow-ups left it. Its buyer is not named.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Order)]
pub(crate) struct Known {
    order_id: OrderId,
    /// The events seen, one of each kind, in the order they arrived.
    events: Vec<Event>,
    /// How each follow-up dealt with it; empty until one has.
    follow_ups: Vec<Decision>,
    /// Codes of ours that the shop took for it and that could not be redeemed under it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unreconciled: Vec<Unredeemed>,
}

/// A code that could not be redeemed under the order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UnredeemedCode)]
struct Unredeemed {
    promotion_id: PromotionId,
    /// Why it does not apply; absent if another code stood in its way, or the order's lines cannot be priced.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
}

/// An event about an order, as it first arrived.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SeenOrderEvent)]
struct Event {
    #[serde(rename = "type")]
    kind: OrderEventKind,
    source: Source,
    received_at: DateTime<Utc>,
}

/// How a follow-up dealt with an order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OrderFollowUp)]
struct Decision {
    follow_up_id: FollowUpId,
    /// The version of the follow-up that decided.
    follow_up_version: u64,
    decided_at: DateTime<Utc>,
    /// The arm the buyer fell into, if the order met the conditions: a variant's name or `holdout`.
    #[serde(skip_serializing_if = "Option::is_none")]
    arm: Option<String>,
    /// Where its mail stands, if it gave one.
    #[serde(skip_serializing_if = "Option::is_none")]
    mail: Option<MailState>,
    /// When the mail is or was due.
    #[serde(skip_serializing_if = "Option::is_none")]
    due_at: Option<DateTime<Utc>>,
    /// When SES took the mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    mailed_at: Option<DateTime<Utc>>,
    /// Why there is no mail, or why it has not been sent (yet).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "no-consent")]
    reason: Option<String>,
}

/// Read what became of an order
///
/// The events seen about it and, for each follow-up, when its mail is or was due, or why there is none: `marketplace`,
/// `no-address`, `no-consent`, `below-minimum`,
/// `not-first-order`, `cooldown`, `address-cap`, `holdout`, `cancelled`, and for mails withdrawn later also `unsubscribed`, `suppressed`
/// and others.
#[utoipa::path(
    get,
    path = "/v1/orders/{order_id}",
    operation_id = "read_order",
    tag = "Orders",
    params(("order_id" = OrderId, Path, description = "The order.")),
    responses(
        (status = 200, description = "What is known of it.", body = Known),
        (status = 404, description = "No event named this order."),
    )
)]
pub(crate) async fn read(
    Shared(state): Shared<State>,
    Path(order_id): Path<String>,
) -> Result<Body<Known>, Problem> {
    let unknown = || Problem::not_found("order");
    let order_id = OrderId::try_from(order_id).map_err(|_| unknown())?;
    let history = state.store.order_history(&order_id).await?;
    let mut known = order(order_id, history.ok_or_else(unknown)?);
    if let Some(unreconciled) = state.store.unreconciled(&known.order_id).await? {
        let codes = unreconciled.codes.into_iter().map(|code| Unredeemed {
            promotion_id: code.promotion_id,
            reason: code.reason,
        });
        known.unreconciled.extend(codes);
    }
    Ok(Body(known))
}

fn order(order_id: OrderId, history: OrderHistory) -> Known {
    let OrderHistory { events, decisions } = history;
    Known {
        order_id,
        events: events.into_iter().map(event).collect(),
        unreconciled: Vec::new(),
        follow_ups: decisions
            .into_iter()
            .map(|(marker, mail)| decision(marker, mail.as_ref()))
            .collect(),
    }
}

fn event(seen: SeenEvent) -> Event {
    Event {
        kind: seen.kind,
        source: seen.source,
        received_at: seen.received_at,
    }
}

fn decision(marker: OrderMarker, mail: Option<&OutboxMail>) -> Decision {
    let refused = match marker.outcome {
        OrderOutcome::Mail { .. } => None,
        OrderOutcome::NoMail { reason } => Some(reason.as_str().to_owned()),
    };
    let held_up = mail.and_then(|mail| mail.reason.clone());
    Decision {
        follow_up_id: marker.follow_up_id,
        follow_up_version: marker.follow_up_version,
        decided_at: marker.decided_at,
        arm: marker.arm,
        mail: mail.map(|mail| mail.state),
        due_at: mail.map(|mail| mail.due_at),
        mailed_at: mail.and_then(|mail| mail.mailed_at),
        reason: refused.or(held_up),
    }
}
