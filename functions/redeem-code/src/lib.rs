//! `redeem-code`: what codes are worth (quotes), and using them for an order, exactly once.

mod answer;
mod attempts;
mod change;
mod explanation;
mod quote;
mod redeem;
mod request;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{post, put};
use shared::aws::Aws;
use shared::checkout::{Checkout, Offered};
use shared::clock::Clock;
use shared::env::{Env, StartError};
use shared::http::auth::{self, Guard};
use shared::http::openapi::{self, Access};
use shared::metrics::Metrics;
use shared::store::Scope;

/// What each call of the function takes and answers.
#[derive(utoipa::OpenApi)]
#[openapi(paths(
    quote::quote,
    redeem::redeem,
    redeem::read,
    change::confirm,
    change::cancel,
    change::returns,
))]
struct Calls;

/// The function's part of the OpenAPI document.
pub fn openapi() -> utoipa::openapi::OpenApi {
    openapi::complete(
        <Calls as utoipa::OpenApi>::openapi(),
        Access::Key(Scope::Checkout),
    )
}

/// What the function keeps between requests.
#[derive(Clone, Debug)]
pub struct State {
    checkout: Checkout,
    metrics: Metrics,
    clock: Clock,
}

impl State {
    /// Reads `TABLE_NAME` and `METRICS_NAMESPACE`, and fetches the code keys and the identity key at the same time.
    ///
    /// # Errors
    /// [`StartError`] says what is missing or unusable.
    pub async fn load(env: &Env, clock: Clock) -> Result<Self, StartError> {
        let aws = Aws::from_env(env)?;
        let offered = Offered::CodesAndAutomatic;
        Ok(Self {
            checkout: Box::pin(Checkout::load(env, &aws, offered, clock.now())).await?,
            metrics: Metrics::from_env(env),
            clock,
        })
    }
}

/// All routes, each for keys of scope `checkout` or `admin`.
pub fn router(state: State) -> Router {
    let guard = Guard {
        store: Arc::clone(&state.checkout.store),
        clock: state.clock.clone(),
        scope: Scope::Checkout,
    };
    Router::new()
        .route("/v1/quotes", post(quote::quote))
        .route(
            "/v1/redemptions/{order_id}",
            put(redeem::redeem).get(redeem::read),
        )
        .route("/v1/redemptions/{order_id}/confirm", post(change::confirm))
        .route("/v1/redemptions/{order_id}/cancel", post(change::cancel))
        .route("/v1/redemptions/{order_id}/returns", post(change::returns))
        .route_layer(from_fn_with_state(guard, auth::require))
        .with_state(state)
}
