//! Receives signed webhooks: verifies the signature over the raw bytes, reads the payload as an order event and queues it.
//! A 200 means that the event is durably queued, durably kept aside, or of no interest.

mod provider;
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
use shared::http::{Body, Problem, body};
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
            clock,
        })
    }
}

/// The routes, one for each provider. They need no bearer key: the body's signature is the key.
pub fn router(state: State) -> Router {
    let route = |scheme: Scheme| {
        post(
            async move |axum::extract::State(state): axum::extract::State<State>, request| {
                receive(&state, scheme, request).await
            },
        )
    };
    Router::new()
        .route("/v1/webhooks/standard", route(Scheme::Standard))
        .route("/v1/webhooks/shopify", route(Scheme::Shopify))
        .route("/v1/webhooks/woocommerce", route(Scheme::WooCommerce))
        .route("/v1/webhooks/stripe", route(Scheme::Stripe))
        .with_state(state)
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
#[derive(Debug, Serialize)]
struct Receipt {
    received: bool,
    queued: bool,
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
    let payload = match scheme {
        Scheme::Standard => standard::read(&bytes, &provider.shop),
        Scheme::Shopify => shopify::read(&bytes, &provider.shop),
        Scheme::WooCommerce => woocommerce::read(&bytes, provider),
        Scheme::Stripe => stripe::read(&bytes, provider),
    };
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
                return Ok(Receipt {
                    queued: true,
                    ..Receipt::RECEIVED
                });
            }
            "the event is longer than a message of the queue"
        }
    };
    let id = state
        .quarantine
        .keep(scheme.name(), unusable, bytes, now)
        .await?;
    tracing::warn!(webhook.scheme = scheme.name(), reason = unusable, quarantine.id = %id, "kept an unusable webhook in quarantine");
    Ok(Receipt {
        quarantined: true,
        ..Receipt::RECEIVED
    })
}

#[cfg(test)]
mod tests;
