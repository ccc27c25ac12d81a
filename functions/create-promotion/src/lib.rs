//! `create-promotion`: the admin API for promotions, their codes, links, follow-ups, and what became of orders.

mod codes;
mod customers;
mod follow_ups;
mod links;
mod listing;
mod lookup;
mod orders;
mod patch;
mod promotions;
mod results;
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

/// All routes, each for keys of scope `admin`.
pub fn router(state: State) -> Router {
    let guard = Guard {
        store: Arc::clone(&state.store),
        clock: state.clock.clone(),
        scope: Scope::Admin,
    };
    Router::new()
        .merge(promotions::routes())
        .merge(stats::routes())
        .merge(codes::routes())
        .merge(lookup::routes())
        .merge(follow_ups::routes())
        .merge(results::routes())
        .merge(samples::routes())
        .merge(customers::routes())
        .merge(orders::routes())
        .merge(links::routes())
        .route_layer(from_fn_with_state(guard, auth::require))
        .with_state(state)
}
