//! What the public sees: landing links and the way out of the mails. Nothing here needs a key, so nothing here says who anybody is.

mod link;
mod unsubscribe;
mod visitor;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use http::{HeaderMap, StatusCode};
use shared::aws::Aws;
use shared::clock::Clock;
use shared::domain::identity::IdentityKey;
use shared::domain::link::{CartUrl, TargetUrl};
use shared::env::{Env, StartError};
use shared::http::openapi::{self, Access};
use shared::http::page::preferred_language;
use shared::mailer::{Language, Shop};
use shared::secrets::fetch_identity_key;
use shared::store::Store;

/// What the pages need. Cheap to clone.
#[derive(Clone, Debug)]
pub struct State {
    store: Arc<Store>,
    identity: Arc<IdentityKey>,
    clock: Clock,
    shop: Arc<Shop>,
    /// Where the buttons of links lead.
    cart: Arc<CartUrl>,
    /// What pages name of the shop's site.
    site: Arc<Site>,
}

/// What every page of a link names of the shop's site, as far as the shop has said where it is.
#[derive(Debug, Default)]
struct Site {
    /// Who sells, as the law on mail order asks.
    legal: Option<TargetUrl>,
    privacy: Option<TargetUrl>,
    /// What chats and social networks show beside a link.
    picture: Option<TargetUrl>,
}

impl State {
    /// Reads the settings and fetches the key that signs unsubscribe links.
    ///
    /// # Errors
    /// [`StartError`] naming the variable or secret that is missing or unusable.
    pub async fn load(env: &Env, clock: Clock) -> Result<Self, StartError> {
        let shop = Shop::read(env)?;
        let cart = CartUrl::new(env.get("CART_URL").as_deref(), &shop.shop_url);
        let cart = cart.map_err(|error| unusable("CART_URL", &error))?;
        let site = Site {
            legal: address(env, "LEGAL_URL")?,
            privacy: address(env, "PRIVACY_URL")?,
            picture: address(env, "PICTURE_URL")?,
        };
        let aws = Aws::from_env(env)?;
        let identity = fetch_identity_key(env, &aws).await?;
        Ok(Self {
            store: Arc::new(Store::connect(env, &aws)?),
            identity: Arc::new(identity),
            clock,
            shop: Arc::new(shop),
            cart: Arc::new(cart),
            site: Arc::new(site),
        })
    }
}

fn unusable(name: &str, why: &impl std::fmt::Display) -> StartError {
    StartError::Unusable {
        name: name.to_owned(),
        why: why.to_string(),
    }
}

/// The address that a setting names, if it is set.
fn address(env: &Env, name: &str) -> Result<Option<TargetUrl>, StartError> {
    let url = env.get(name).map(TargetUrl::try_from).transpose();
    url.map_err(|error| unusable(name, &error))
}

/// What each call of the function takes and answers.
#[derive(utoipa::OpenApi)]
#[openapi(paths(health, link::show, unsubscribe::ask, unsubscribe::stop))]
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
    let mut router = Router::new()
        .route("/healthz", get(health))
        .route(link::script_path(), get(link::script));
    // The gateway hands over decoded paths, so that a garbled name may be of several parts, or of none.
    for path in ["/l/", "/l/{*slug}"] {
        router = router.route(path, get(link::show));
    }
    for path in ["/u/", "/u/{*token}"] {
        router = router.route(path, get(unsubscribe::ask).post(unsubscribe::stop));
    }
    router.with_state(state)
}

/// The language may be given in the address (`?lang=ja`); otherwise the browser's decides.
fn language(query: Option<&str>, headers: &HeaderMap) -> Language {
    let asked =
        query.and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("lang=")));
    let chosen = asked.or_else(|| preferred_language(headers, &["en", "ja"]));
    Language::of(chosen.unwrap_or_default())
}
