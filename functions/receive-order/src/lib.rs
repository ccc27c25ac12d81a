//! Receives signed webhooks: verifies the signature over the raw bytes, reads the payload as an order event and queues it.
//! A 200 means that the event is durably queued, durably kept aside, or of no interest.

mod provider;
pub mod quarantine;
mod shopify;
mod standard;
mod stripe;
pub mod verify;
mod woocommerce;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::aws::Aws;
use shared::clock::Clock;
use shared::domain::order::OrderEvent;
use shared::env::{Env, StartError};
use shared::http::openapi::{self, Access};
use shared::http::{Body, Problem, body};
use shared::metrics::Metrics;
use shared::queue::{MAX_MESSAGE_BYTES, Queue};
use shared::secrets::{ProviderSecrets, WebhookSecrets};
use shared::store::Quarantine;

use verify::Scheme;

/// What the function works with.
#[derive(Clone, Debug)]
pub struct State {
    secrets: Arc<WebhookSecrets>,
    queue: Arc<Queue>,
    quarantine: Arc<Quarantine>,
    metrics: Metrics,
    clock: Clock,
}

impl State {
    /// Reads settings and secrets and connects to queue and quarantine.
    ///
    /// # Errors
    /// [`StartError`] if a setting or secret is missing or unusable.
    pub async fn load(env: &Env, clock: Clock) -> Result<Self, StartError> {
        let aws = Aws::from_env(env)?;
        Ok(Self {
            secrets: Arc::new(WebhookSecrets::fetch(env, &aws).await?),
            queue: Arc::new(Queue::connect(env, &aws)?),
            quarantine: Arc::new(Quarantine::connect(env, &aws)?),
            metrics: Metrics::from_env(env),
            clock,
        })
    }
}

/// The routes, one for each provider. They need no bearer key: the body's signature is the key.
pub fn router(state: State) -> Router {
    Router::new()
        .route("/v1/webhooks/standard", post(standard))
        .route("/v1/webhooks/shopify", post(shopify))
        .route("/v1/webhooks/woocommerce", post(woocommerce))
        .route("/v1/webhooks/stripe", post(stripe))
        .with_state(state)
}

/// What each call of the function takes and answers.
#[derive(utoipa::OpenApi)]
#[openapi(paths(standard, shopify, woocommerce, stripe))]
struct Calls;

/// The function's part of the OpenAPI document.
pub fn openapi() -> utoipa::openapi::OpenApi {
    openapi::complete(<Calls as utoipa::OpenApi>::openapi(), Access::Public)
}

/// Tell of an order, as the shop's own system (Standard Webhooks)
///
/// `type` is `order.completed`, `order.cancelled` or `order.refunded`, `data` the order.
#[utoipa::path(
    post,
    path = "/v1/webhooks/standard",
    operation_id = "standard_webhook",
    tag = "Webhooks",
    params(
        ("webhook-id" = String, Header, description = "The message's id."),
        ("webhook-timestamp" = String, Header, description = "Seconds since 1970; at most 5 minutes off."),
        ("webhook-signature" = String, Header, description = "`v1,` and the MAC of id, time and body, in base64."),
    ),
    request_body(content = Object, description = "Read only once its signature is right.", example = json!({
        "type": "order.completed", "timestamp": "2026-11-22T03:04:06Z", "data": {
            "order_id": "1001", "completed_at": "2026-11-22T03:04:05Z", "currency": "JPY", "total": 5460,
            "customer": {"email": "taro@example.jp", "name": "太郎", "locale": "ja", "accepts_marketing": true},
            "lines": [{"sku": "TEA-01", "quantity": 2, "unit_price": 1980}]
        }
    })),
    responses(
        (status = 200, description = "Durably queued, durably set aside, or of no interest.", body = Receipt),
        (status = 401, description = "It is not signed with this endpoint's secret, or its time is off."),
        (status = 503, description = "It could not be kept: send it again."),
    )
)]
async fn standard(
    axum::extract::State(state): axum::extract::State<State>,
    request: Request,
) -> Result<Response, Problem> {
    receive(&state, Scheme::Standard, request).await
}

/// Tell of an order, as Shopify
///
/// Set it up for `orders/paid`, `orders/cancelled` and `orders/updated`, as JSON.
#[utoipa::path(
    post,
    path = "/v1/webhooks/shopify",
    operation_id = "shopify_webhook",
    tag = "Webhooks",
    params(("X-Shopify-Hmac-Sha256" = String, Header, description = "The MAC of the body, in base64.")),
    request_body(content = Object, description = "Shopify's order. Read only once its signature is right."),
    responses(
        (status = 200, description = "Durably queued, durably set aside, or of no interest.", body = Receipt),
        (status = 401, description = "It is not signed with this endpoint's secret."),
        (status = 503, description = "It could not be kept: send it again."),
    )
)]
async fn shopify(
    axum::extract::State(state): axum::extract::State<State>,
    request: Request,
) -> Result<Response, Problem> {
    receive(&state, Scheme::Shopify, request).await
}

/// Tell of an order, as WooCommerce
///
/// Set it up for `order.updated`. The unsigned form that WooCommerce sends when the webhook is switched on gets a 200 and means
/// nothing.
#[utoipa::path(
    post,
    path = "/v1/webhooks/woocommerce",
    operation_id = "woocommerce_webhook",
    tag = "Webhooks",
    params(("X-WC-Webhook-Signature" = Option<String>, Header, description = "The MAC of the body, in base64.")),
    request_body(content = Object, description = "WooCommerce's order. Read only once its signature is right."),
    responses(
        (status = 200, description = "Durably queued, durably set aside, or of no interest.", body = Receipt),
        (status = 401, description = "It is not signed with this endpoint's secret."),
        (status = 503, description = "It could not be kept."),
    )
)]
async fn woocommerce(
    axum::extract::State(state): axum::extract::State<State>,
    request: Request,
) -> Result<Response, Problem> {
    receive(&state, Scheme::WooCommerce, request).await
}

/// Tell of an order, as Stripe
///
/// Set it up for `checkout.session.completed`, `checkout.session.async_payment_succeeded`, `charge.refunded` and
/// `charge.dispute.created`.
#[utoipa::path(
    post,
    path = "/v1/webhooks/stripe",
    operation_id = "stripe_webhook",
    tag = "Webhooks",
    params(("Stripe-Signature" = String, Header, description = "`t=` seconds since 1970, `v1=` the MAC of time and body in hexadecimal; at most 5 minutes off.")),
    request_body(content = Object, description = "Stripe's event. Read only once its signature is right."),
    responses(
        (status = 200, description = "Durably queued, durably set aside, or of no interest.", body = Receipt),
        (status = 401, description = "It is not signed with this endpoint's secret, or its time is off."),
        (status = 503, description = "It could not be kept: send it again."),
    )
)]
async fn stripe(
    axum::extract::State(state): axum::extract::State<State>,
    request: Request,
) -> Result<Response, Problem> {
    receive(&state, Scheme::Stripe, request).await
}

/// What a verified payload says.
#[derive(Debug, PartialEq)]
enum Payload {
    /// Something that happened to an order.
    Event(Box<OrderEvent>),
    /// Nothing we act on: another topic, a test, an order not yet paid.
    Uninteresting,
    /// It cannot be read, for this reason; never a quotation of it.
    Unusable(&'static str),
}

/// The answer to whatever was signed.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Receipt {
    /// Always true.
    received: bool,
    /// Whether it is about an order and on its way.
    queued: bool,
    /// Whether it could not be understood and is kept for a person to look at.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    quarantined: bool,
}

impl Receipt {
    /// Nothing was to be kept.
    const RECEIVED: Self = Self {
        received: true,
        queued: false,
        quarantined: false,
    };
}

async fn receive(state: &State, scheme: Scheme, request: Request) -> Result<Response, Problem> {
    let (parts, stream) = request.into_parts();
    let bytes = body::read(Request::new(stream)).await?;
    let now = state.clock.now();
    if scheme == Scheme::WooCommerce && verify::is_woocommerce_ping(&parts.headers, &bytes) {
        return Ok(Body(Receipt::RECEIVED).into_response());
    }
    let provider = provider(&state.secrets, scheme);
    let verified = verify::verify(
        scheme,
        &provider.secrets,
        &parts.headers,
        &bytes,
        now.timestamp(),
    );
    if let Err(reject) = verified {
        tracing::info!(webhook.scheme = scheme.name(), reason = ?reject, "refused a webhook");
        return Err(Problem::bad_signature());
    }
    let payload = read(scheme, provider, &bytes);
    let receipt = keep(state, scheme, payload, &bytes, now).await?;
    Ok(Body(receipt).into_response())
}

fn provider(secrets: &WebhookSecrets, scheme: Scheme) -> &ProviderSecrets {
    match scheme {
        Scheme::Standard => &secrets.standard,
        Scheme::Shopify => &secrets.shopify,
        Scheme::WooCommerce => &secrets.woocommerce,
        Scheme::Stripe => &secrets.stripe,
    }
}

fn read(scheme: Scheme, provider: &ProviderSecrets, bytes: &[u8]) -> Payload {
    match scheme {
        Scheme::Standard => standard::read(bytes, &provider.shop),
        Scheme::Shopify => shopify::read(bytes, &provider.shop),
        Scheme::WooCommerce => woocommerce::read(bytes, provider),
        Scheme::Stripe => stripe::read(bytes, provider),
    }
}

/// What a body says that was signed, could not be used, and is read again. It may hold an address, so it has no `Debug`.
pub enum Reread {
    /// An order event, as it is queued.
    Event(String),
    /// Nothing we act on.
    Uninteresting,
    /// It still cannot be used, for this reason.
    Unusable(&'static str),
}

/// Reads a body again that `scheme` (its name) sent, by the reader of this version and today's settings. Its signature was
/// verified when it arrived, at `received_at`, from which the delay of its mail counts.
pub fn reread(
    secrets: &WebhookSecrets,
    scheme: &str,
    bytes: &[u8],
    received_at: DateTime<Utc>,
) -> Reread {
    let schemes = [
        Scheme::Standard,
        Scheme::Shopify,
        Scheme::WooCommerce,
        Scheme::Stripe,
    ];
    let Some(scheme) = schemes.into_iter().find(|known| known.name() == scheme) else {
        return Reread::Unusable("this version knows no such sender");
    };
    match read(scheme, provider(secrets, scheme), bytes) {
        Payload::Uninteresting => Reread::Uninteresting,
        Payload::Unusable(reason) => Reread::Unusable(reason),
        Payload::Event(mut event) => {
            event.received_at = Some(received_at);
            match serde_json::to_string(&event) {
                Ok(json) if json.len() <= MAX_MESSAGE_BYTES => Reread::Event(json),
                Ok(_) | Err(_) => Reread::Unusable(TOO_LONG),
            }
        }
    }
}

/// Why an event is kept that was read.
const TOO_LONG: &str = "the event is longer than a message of the queue";

/// Makes what the payload says durable. A refusal here makes the sender try again.
async fn keep(
    state: &State,
    scheme: Scheme,
    payload: Payload,
    bytes: &Bytes,
    now: DateTime<Utc>,
) -> Result<Receipt, Problem> {
    let unusable = match payload {
        Payload::Uninteresting => return Ok(Receipt::RECEIVED),
        Payload::Unusable(reason) => reason,
        Payload::Event(mut event) => {
            event.received_at = Some(now);
            let json =
                serde_json::to_string(&event).map_err(|error| Problem::unavailable(&error))?;
            if json.len() <= MAX_MESSAGE_BYTES {
                state.queue.send(json).await?;
                let by = Some(("Provider", scheme.name()));
                state.metrics.count(now, "OrdersReceived", 1, by);
                return Ok(Receipt {
                    queued: true,
                    ..Receipt::RECEIVED
                });
            }
            TOO_LONG
        }
    };
    let id = state
        .quarantine
        .keep(scheme.name(), unusable, bytes, now)
        .await?;
    state.metrics.count(now, "Quarantined", 1, None);
    tracing::warn!(webhook.scheme = scheme.name(), reason = unusable, quarantine.id = %id, "kept an unusable webhook in quarantine");
    Ok(Receipt {
        quarantined: true,
        ..Receipt::RECEIVED
    })
}

#[cfg(test)]
mod tests;
