//! `console`: the pages on which shop staff run promotions.
//!
//! Every page is made on the server; what little script there is only makes some of them quicker to use. Whatever changes something goes
//! through the admin API's own routes, in this process ([`api`]), so that there is one set of rules and of answers. What is only read, is
//! read from the table as its types say it.

pub mod api;
pub mod assets;
pub mod chart;
pub mod confirm;
pub mod failure;
pub mod fields;
pub mod figures;
pub mod form;
pub mod format;
pub mod frame;
pub mod guard;
pub mod lang;
pub mod pages;
pub mod query;
pub mod reasons;
pub mod session;
pub mod visit;
pub mod webhooks;
pub mod words;

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::any;
use shared::aws::Aws;
use shared::clock::Clock;
use shared::domain::identity::IdentityKey;
use shared::env::{Env, StartError};
use shared::mailer::Shop;
use shared::secrets::CodeKeys;
use shared::store::{Quarantine, Store};

use api::Api;
use failure::Failure;
use session::Sessions;
use webhooks::Webhooks;

/// What the pages need. Cheap to clone.
#[derive(Clone, Debug)]
pub struct State {
    /// The table, read as it is; what is written goes through [`Self::api`].
    pub store: Arc<Store>,
    /// The time.
    pub clock: Clock,
    /// What the deployment says about the shop.
    pub shop: Arc<Shop>,
    /// The keys of codes, with which pages show what was minted.
    pub code_keys: Arc<CodeKeys>,
    /// The admin API.
    pub api: Api,
    /// Who is signed in.
    pub sessions: Sessions,
    /// The key by which people are known.
    pub identity: Arc<IdentityKey>,
    /// Webhooks that could not be used …
    pub quarantine: Arc<Quarantine>,
    /// … and what reading them again needs.
    pub webhooks: Arc<Webhooks>,
    /// How long after its creation a promotion takes effect at the earliest.
    pub lead_time: chrono::TimeDelta,
}

impl State {
    /// Reads and fetches what the admin API needs, and connects to quarantine and queue.
    ///
    /// # Errors
    /// [`StartError`] says what is missing or unusable.
    pub async fn load(env: &Env, clock: Clock) -> Result<Self, StartError> {
        let admin = create_promotion::State::load(env, clock.clone()).await?;
        let aws = Aws::from_env(env)?;
        Ok(Self {
            quarantine: Arc::new(Quarantine::connect(env, &aws)?),
            webhooks: Arc::new(Webhooks::connect(env, &aws)?),
            identity: Arc::clone(admin.identity()),
            store: Arc::clone(admin.store()),
            shop: Arc::clone(admin.shop()),
            code_keys: Arc::clone(admin.code_keys()),
            sessions: Sessions::new(Arc::clone(admin.identity())),
            lead_time: admin.lead_time().as_delta(),
            clock,
            api: Api::new(create_promotion::routes(admin)),
        })
    }
}

/// All pages: those of the signed-in behind their guard, and the few that anybody may see.
pub fn router(state: State) -> Router {
    let inside = pages::routes()
        .route("/console/{*anything}", any(nothing))
        .route_layer(from_fn_with_state(state.clone(), guard::signed_in));
    let outside =
        pages::sign_in::routes().route_layer(from_fn_with_state(state.clone(), guard::same_origin));
    Router::new()
        .merge(inside)
        .merge(outside)
        .merge(assets::routes())
        .route_layer(from_fn(guard::headers))
        .with_state(state)
}

/// Below `/console` there is no such page.
async fn nothing() -> Failure {
    Failure::NotFound
}
