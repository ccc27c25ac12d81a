//! `/v1/links`: landing links, which count their visits.

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State as Shared};
use axum::response::Response;
use axum::routing::{get, post};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};
use shared::domain::Fault;
use shared::domain::channel::Channel;
use shared::domain::code::{GroupWord, PromotionId, TypedCode};
use shared::domain::link::{Link, Slug, TargetUrl};
use shared::domain::money::Amount;
use shared::domain::promotion::ClaimCode;
use shared::http::creating::{Creating, created};
use shared::http::openapi::IdempotencyKey;
use shared::http::{Body, FieldError, Problem};
use shared::store::{CountedLink, CreateError, Freshness, LinkPlace, MAX_PAGE};
use utoipa::{IntoParams, ToSchema};

use crate::State;
use crate::warnings::{self, Warning};

pub(crate) fn routes() -> Router<State> {
    Router::new()
        .route("/v1/links", post(create).get(list))
        .route("/v1/links/{slug}", get(read).patch(change).delete(delete))
}

/// A link as staff ask for it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewLink {
    /// The end of its address; a random one unless given.
    slug: Option<Slug>,
    /// What it is for.
    promotion_id: PromotionId,
    /// The group code that it shows, one of that promotion's. A single-use code never stands in an address of ours: whoever hands one
    /// out puts it behind the `#`, which browsers keep to themselves.
    #[schema(value_type = Option<GroupWord>)]
    code: Option<String>,
    /// Where it is handed out; its visits count there.
    channel: Channel,
    /// What the channel cost, in minor units of the promotion's currency.
    cost: Option<Amount>,
    /// Where its button leads (`https://…`, `http://` for this machine alone); the shop's cart unless given. `{code}` in it stands for
    /// the code.
    target_url: Option<TargetUrl>,
}

/// A link as it stands.
#[derive(Serialize, ToSchema)]
#[schema(as = Link)]
pub(crate) struct LinkAnswer {
    slug: Slug,
    /// Its address.
    url: String,
    promotion_id: PromotionId,
    /// The group code that it shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<GroupWord>,
    /// Where it is handed out.
    channel: Channel,
    /// What the channel cost, in minor units of the promotion's currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<Amount>,
    /// Where its button leads, if not to the shop's cart.
    #[serde(skip_serializing_if = "Option::is_none")]
    target_url: Option<TargetUrl>,
    created_at: DateTime<Utc>,
    /// How often people opened it, counted within seconds; known bots, mail scanners and prefetches are left out.
    visits: u64,
    /// What is allowed but may hurt; only where it is created.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
    /// When it was taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_at: Option<DateTime<Utc>>,
}

impl LinkAnswer {
    fn new(state: &State, counted: CountedLink) -> Self {
        let CountedLink { link, visits } = counted;
        Self {
            url: state.shop.link_url(&link.slug),
            slug: link.slug,
            promotion_id: link.promotion_id,
            code: link.code,
            channel: link.channel,
            cost: link.cost,
            target_url: link.target_url,
            created_at: link.created_at,
            visits,
            warnings: Vec::new(),
            deleted_at: link.deleted_at,
        }
    }
}

/// Create a link
///
/// Its page shows what the promotion gives, with the code if it names one, and counts its visits for the channel.
#[utoipa::path(
    post,
    path = "/v1/links",
    operation_id = "create_link",
    tag = "Links",
    params(IdempotencyKey),
    request_body(content = NewLink, example = json!({
        "promotion_id": "THX9", "channel": "influencer/hanako", "cost": 30_000
    })),
    responses(
        (status = 201, description = "It is created.", body = LinkAnswer, links(
            ("read" = (operation_id = "read_link", parameters(("slug" = "$response.body#/slug")))),
            ("change" = (operation_id = "change_link", parameters(("slug" = "$response.body#/slug")))),
            ("delete" = (operation_id = "delete_link", parameters(("slug" = "$response.body#/slug")))),
        )),
        (status = 409, description = "The slug is, or was, in use."),
        (status = 422, description = "The `Idempotency-Key` came with another request before."),
    )
)]
pub(crate) async fn create(
    Shared(state): Shared<State>,
    creating: Creating<NewLink>,
) -> Result<Response, Problem> {
    let Creating { body, request } = creating;
    let now = state.clock.now();
    if let Some(request) = &request
        && let Some(before) = state.store.answered(request, now).await?
    {
        // The same request again is answered as before, whatever became of its promotion and word.
        return Ok(created(before, String::new()));
    }
    let (code, warnings) = check(&state, &body, now).await?;
    loop {
        let link = Link {
            slug: body.slug.clone().unwrap_or_else(Slug::random),
            promotion_id: body.promotion_id.clone(),
            code: code.clone(),
            channel: body.channel.clone(),
            cost: body.cost,
            target_url: body.target_url.clone(),
            created_at: now,
            version: 1,
            deleted_at: None,
        };
        let counted = CountedLink {
            link: link.clone(),
            visits: 0,
        };
        let mut answer = LinkAnswer::new(&state, counted);
        answer.warnings.clone_from(&warnings);
        let answer =
            serde_json::to_string(&answer).map_err(|error| Problem::unavailable(&error))?;
        let created_now = state.store.create_link(&link, request.as_ref(), &answer);
        match created_now.await {
            Err(CreateError::Taken) if body.slug.is_some() => return Err(Problem::slug_taken()),
            // One of 27^8: draw another.
            Err(CreateError::Taken) => {}
            outcome => return Ok(created(outcome?, answer)),
        }
    }
}

/// The word that a link shows, and what may hurt.
async fn check(
    state: &State,
    body: &NewLink,
    now: DateTime<Utc>,
) -> Result<(Option<GroupWord>, Vec<Warning>), Problem> {
    let refuse = |pointer: &str, detail: &str| Err(vec![Fault::new(pointer, detail)].into());
    let id = &body.promotion_id;
    let Some(known) = state.store.promotion(id, Freshness::Now, now).await? else {
        return refuse("/promotion_id", "there is no such promotion");
    };
    let Some(code) = &body.code else {
        return Ok((None, Vec::new()));
    };
    if matches!(TypedCode::read(code), TypedCode::Sealed(_)) {
        let detail = "a single-use code never stands in a link that everybody can open: leave `code` out, and put the code behind the link's `#`";
        return refuse("/code", detail);
    }
    match known.promotion.terms.claim_code {
        ClaimCode::Group => {}
        ClaimCode::SingleUse => {
            let detail = "this promotion has single-use codes, each for one buyer: leave `code` out, and put each behind the link's `#`";
            return refuse("/code", detail);
        }
        ClaimCode::None => {
            return refuse("/code", "this promotion applies by itself and has no codes");
        }
    }
    let word = match GroupWord::try_from(code.clone()) {
        Ok(word) => word,
        Err(error) => return refuse("/code", &error.to_string()),
    };
    let folded = word.folded();
    let found = state.store.group_code(&folded, Freshness::Now, now).await?;
    let found = found.filter(|found| found.promotion_id == *id);
    match found {
        None => refuse(
            "/code",
            "this promotion has no such group code: add it first",
        ),
        Some(found) if found.voided => refuse("/code", "this group code was voided"),
        Some(found) => {
            let warnings = warnings::of_link(&body.channel, &found);
            Ok((Some(found.code), warnings))
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// Where the page before ended.
    #[param(required = false, nullable = false)]
    cursor: Option<String>,
    /// Most links on the page; 20 unless given.
    #[param(required = false, nullable = false, minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// Links on a page whose size the caller leaves open.
const DEFAULT_PAGE: u32 = 20;

/// Links, newest first.
#[derive(Serialize, ToSchema)]
#[schema(as = LinkPage)]
pub(crate) struct Page {
    links: Vec<LinkAnswer>,
    /// Where the next page starts; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

/// List links with their visits, newest first
#[utoipa::path(
    get,
    path = "/v1/links",
    operation_id = "list_links",
    tag = "Links",
    params(ListQuery),
    responses((status = 200, description = "A page of links.", body = Page))
)]
pub(crate) async fn list(
    Shared(state): Shared<State>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Body<Page>, Problem> {
    let refuse = |pointer: &str, detail: String| {
        Problem::invalid_body(vec![FieldError::new(pointer, detail)])
    };
    let Query(query) = query?;
    let limit = query.limit.unwrap_or(DEFAULT_PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(refuse("/limit", format!("limit is 1 to {MAX_PAGE}")));
    }
    let after = query.cursor.map(|cursor| {
        let detail = "use a cursor that a page answered with".to_owned();
        LinkPlace::from_cursor(&cursor).ok_or_else(|| refuse("/cursor", detail))
    });
    let found = state
        .store
        .list_links(after.transpose()?.as_ref(), limit)
        .await?;
    let links = found.links.into_iter();
    Ok(Body(Page {
        links: links
            .map(|counted| LinkAnswer::new(&state, counted))
            .collect(),
        cursor: found.next.map(LinkPlace::cursor),
    }))
}

/// Read a link
#[utoipa::path(
    get,
    path = "/v1/links/{slug}",
    operation_id = "read_link",
    tag = "Links",
    params(("slug" = Slug, Path, description = "The link.")),
    responses(
        (status = 200, description = "The link.", body = LinkAnswer),
        (status = 404, description = "There is no such link."),
    )
)]
pub(crate) async fn read(
    Shared(state): Shared<State>,
    Path(slug): Path<String>,
) -> Result<Body<LinkAnswer>, Problem> {
    let slug = named(slug)?;
    let link = state
        .store
        .link(&slug, Freshness::Now, state.clock.now())
        .await?;
    answer(&state, link).await
}

/// What is to change of a link. What is not sent stays, `null` removes.
#[expect(clippy::option_option, reason = "not sent, removed, set")]
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LinkChange {
    /// What the channel cost, in minor units of the promotion's currency.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Amount>)]
    cost: Option<Option<Amount>>,
    /// Where its button leads; the shop's cart without.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<TargetUrl>)]
    target_url: Option<Option<TargetUrl>>,
}

/// Tells `null` from what was not sent.
#[expect(clippy::option_option, reason = "not sent, removed, set")]
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Change a link's cost or target
///
/// Its slug, promotion, code and channel stay, since its visits were counted for them.
#[utoipa::path(
    patch,
    path = "/v1/links/{slug}",
    operation_id = "change_link",
    tag = "Links",
    params(("slug" = Slug, Path, description = "The link.")),
    request_body(content = LinkChange, example = json!({"cost": 45_000})),
    responses(
        (status = 200, description = "The link as it then stands.", body = LinkAnswer),
        (status = 404, description = "There is no such link."),
    )
)]
pub(crate) async fn change(
    Shared(state): Shared<State>,
    Path(slug): Path<String>,
    Body(change): Body<LinkChange>,
) -> Result<Body<LinkAnswer>, Problem> {
    let slug = named(slug)?;
    let changed = state
        .store
        .change_link(&slug, state.clock.now(), |link| {
            link.cost = change.cost.unwrap_or(link.cost);
            if let Some(target_url) = &change.target_url {
                link.target_url.clone_from(target_url);
            }
        })
        .await?;
    answer(&state, changed).await
}

/// Take a link back
///
/// Its page is gone within 10 s. Its visits stay counted, what it cost stays in the statistics, and its slug is never given out again.
#[utoipa::path(
    delete,
    path = "/v1/links/{slug}",
    operation_id = "delete_link",
    tag = "Links",
    params(("slug" = Slug, Path, description = "The link.")),
    responses(
        (status = 200, description = "The link as it last stood.", body = LinkAnswer),
        (status = 404, description = "There is no such link."),
    )
)]
pub(crate) async fn delete(
    Shared(state): Shared<State>,
    Path(slug): Path<String>,
) -> Result<Body<LinkAnswer>, Problem> {
    let slug = named(slug)?;
    let now = state.clock.now();
    let deleted = state
        .store
        .change_link(&slug, now, |link| link.deleted_at = Some(now));
    answer(&state, deleted.await?).await
}

/// The slug a path names; text that is no slug names no link.
fn named(slug: String) -> Result<Slug, Problem> {
    Slug::try_from(slug).map_err(|_| Problem::not_found("link"))
}

async fn answer(state: &State, link: Option<Link>) -> Result<Body<LinkAnswer>, Problem> {
    let link = link.ok_or_else(|| Problem::not_found("link"))?;
    let visits = state.store.visits_of(&link).await?;
    Ok(Body(LinkAnswer::new(state, CountedLink { link, visits })))
}
