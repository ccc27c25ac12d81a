//! What the public sees: the way out of the mails. Nothing here needs a key, so nothing here says who anybody is.

mod unsubscribe;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use http::StatusCode;
use shared::aws::Aws;
use shared::clock::Clock;
use shared::domain::identity::IdentityKey;
use shared::env::{Env, StartError};
use shared::http::openapi::{self, Access};
use shared::secrets::fetch_identity_key;
use shared::store::Store;

/// What the pages need. Cheap to clone.
#[derive(Clone, Debug)]
pub struct State {
    store: Arc<Store>,
    identity: Arc<IdentityKey>,
    clock: Clock,
    shop_name: Arc<str>,
}

impl State {
    /// Reads the settings and fetches the key that signs unsubscribe links.
    ///
    /// # Errors
    /// [`StartError`] naming the variable or secret that is missing or unusable.
    pub async fn load(env: &Env, clock: Clock) -> Result<Self, StartError> {
        let shop_name = env.require("SHOP_NAME")?.into();
        let aws = Aws::from_env(env)?;
        let identity = fetch_identity_key(env, &aws).await?;
        Ok(Self {
            store: Arc::new(Store::connect(env, &aws)?),
            identity: Arc::new(identity),
            clock,
            shop_name,
        })
    }
}

/// What each call of the function takes and answers.
#[derive(utoipa::OpenApi)]
#[openapi(paths(health, unsubscribe::ask, unsubscribe::stop))]
struct Calls;

/// The function's part of the OpenAPI document.
pub fn openapi() -> utoipa::openapi::OpenApi {
    openapi::complete(<Calls as utoipa::OpenApi>::openapi(), Access::Public)
}

/// Say that the API answers
#[utoipa::path(
    get,
    path = "/healthz",
    operation_id = "health",
    tag = "Public pages",
    responses((status = 200, description = "It does."))
)]
async fn health() -> StatusCode {
    StatusCode::OK
}

/// The public routes.
pub fn router(state: State) -> Router {
    Router::new()
        .route("/healthz", get(health))
        .route("/u/{token}", get(unsubscribe::ask).post(unsubscribe::stop))
        .with_state(state)
}
