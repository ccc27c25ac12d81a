//! `create-promotion`: the admin API for promotions, their codes, links, follow-ups, and what became of orders.

mod codes;
mod comparison;
mod customers;
mod follow_ups;
mod links;
mod listing;
mod lookup;
mod orders;
mod patch;
mod promotions;
pub mod results;
mod samples;
mod stats;
mod warnings;

pub use listing::{CSV_HEADER, csv_of};

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use shared::aws::Aws;
use shared::clock::Clock;
use shared::domain::identity::IdentityKey;
use shared::domain::period::Period;
use shared::env::{Env, StartError};
use shared::http::auth::{self, Guard};
use shared::http::openapi::{self, Access};
use shared::mailer::Shop;
use shared::secrets::{CodeKeys, fetch_identity_key};
use shared::store::{Scope, Store};

/// What each call of the function takes and answers.
#[derive(utoipa::OpenApi)]
#[openapi(paths(
    promotions::create,
    promotions::list,
    promotions::read,
    patch::patch,
    promotions::pause,
    promotions::resume,
    promotions::end,
    stats::stats,
    comparison::compare,
    codes::add,
    listing::list,
    lookup::lookup,
    lookup::void,
    follow_ups::create,
    follow_ups::list,
    follow_ups::read,
    follow_ups::replace,
    follow_ups::delete,
    results::results,
    samples::preview,
    samples::test,
    samples::read_test,
    customers::forget,
    follow_ups::pause,
    follow_ups::resume,
    orders::read,
    links::create,
    links::list,
    links::read,
    links::change,
    links::delete,
))]
struct Calls;

/// The function's part of the OpenAPI document.
pub fn openapi() -> utoipa::openapi::OpenApi {
    openapi::complete(
        <Calls as utoipa::OpenApi>::openapi(),
        Access::Key(Scope::Admin),
    )
}

/// What the function keeps between requests.
#[derive(Clone, Debug)]
pub struct State {
    store: Arc<Store>,
    clock: Clock,
    code_keys: Arc<CodeKeys>,
    identity: Arc<IdentityKey>,
    lead_time: Period,
    shop: Arc<Shop>,
}

/// Lead time of a deployment that sets none. Source: design.md §2.
const DEFAULT_LEAD_TIME: &str = "PT4H";

impl State {
    /// Reads `TABLE_NAME`, `LEAD_TIME`, `TIME_ZONE` and what mails say about the shop, and fetches the code keys and the identity key
    /// at the same time.
    ///
    /// # Errors
    /// [`StartError`] says what is missing or unusable.
    pub async fn load(env: &Env, clock: Clock) -> Result<Self, StartError> {
        let aws = Aws::from_env(env)?;
        let lead_time = env
            .get("LEAD_TIME")
            .unwrap_or_else(|| DEFAULT_LEAD_TIME.to_owned());
        let unusable = |why: String| StartError::Unusable {
            name: "LEAD_TIME".to_owned(),
            why,
        };
        let shop = Shop::read(env)?;
        let secrets = tokio::try_join!(CodeKeys::fetch(env, &aws), fetch_identity_key(env, &aws));
        let (code_keys, identity) = secrets?;
        Ok(Self {
            store: Arc::new(Store::connect(env, &aws)?),
            clock,
            code_keys: Arc::new(code_keys),
            identity: Arc::new(identity),
            shop: Arc::new(shop),
            lead_time: lead_time
                .parse()
                .map_err(|error| unusable(format!("{error}")))?,
        })
    }
}

impl State {
    /// The table, with what this process remembers of it.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// The keys of codes.
    pub fn code_keys(&self) -> &Arc<CodeKeys> {
        &self.code_keys
    }

    /// The key under which people are hashed.
    pub fn identity(&self) -> &Arc<IdentityKey> {
        &self.identity
    }

    /// What the deployment says about the shop.
    pub fn shop(&self) -> &Arc<Shop> {
        &self.shop
    }

    /// How long after its creation a promotion takes effect at the earliest.
    pub fn lead_time(&self) -> Period {
        self.lead_time
    }
}

/// All routes, each for keys of scope `admin`.
pub fn router(state: State) -> Router {
    let guard = Guard {
        store: Arc::clone(&state.store),
        clock: state.clock.clone(),
        scope: Scope::Admin,
    };
    routes(state).route_layer(from_fn_with_state(guard, auth::require))
}

/// The same routes for a caller in this process that has judged the key itself and put it, as an
/// [`ApiKey`](shared::store::ApiKey), into the request's extensions: never to be served as they are.
pub fn routes(state: State) -> Router {
    Router::new()
        .merge(promotions::routes())
        .merge(stats::routes())
        .merge(comparison::routes())
        .merge(codes::routes())
        .merge(lookup::routes())
        .merge(follow_ups::routes())
        .merge(results::routes())
        .merge(samples::routes())
        .merge(customers::routes())
        .merge(orders::routes())
        .merge(links::routes())
        .with_state(state)
}
