//! `/v1/promotions`: create, read, list, pause, resume, end.

use axum::Router;
use axum::extract::{Path, Query, State as Shared};
use axum::response::Response;
use axum::routing::{get, post};
use chrono::{DateTime, Utc};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use shared::domain::Fault;
use shared::domain::code::PromotionId;
use shared::domain::money::Amount;
use shared::domain::promotion::{
    ClaimCode, KeyRef, MAX_AUTOMATIC, Promotion, PromotionTerms, Status, Switch,
};
use shared::domain::stats::Figures;
use shared::domain::word_filter;
use shared::http::creating::{Creating, created};
use shared::http::openapi::IdempotencyKey;
use shared::http::{Body, FieldError, NoBody, Problem};
use shared::store::{CreateError, Freshness, Known, ListPlace, Shard, Wanted};
use utoipa::{IntoParams, ToSchema};

use crate::State;
use crate::warnings::{self, Warning};

pub(crate) fn routes() -> Router<State> {
    Router::new()
        .route("/v1/promotions", post(create).get(list))
        .route("/v1/promotions/{id}", get(read).patch(crate::patch::patch))
        .route("/v1/promotions/{id}/pause", post(pause))
        .route("/v1/promotions/{id}/resume", post(resume))
        .route("/v1/promotions/{id}/end", post(end))
}

/// A promotion as it stands.
#[derive(Serialize, ToSchema)]
#[schema(as = Promotion)]
pub(crate) struct PromotionAnswer<'a> {
    id: &'a PromotionId,
    #[serde(flatten)]
    terms: &'a PromotionTerms,
    status: Status,
    /// From when on it can work: its start, or its creation plus the lead time, whichever is later.
    effective_at: DateTime<Utc>,
    created_at: DateTime<Utc>,
    /// Counts the changes, from 1; `PATCH` sends it back.
    version: u64,
    /// How many single-use codes were minted.
    minted: u64,
    /// What it has given away: exact with a budget or use limit, else as counted, which may lag seconds.
    spent: Spent,
    /// What is allowed but may hurt.
    warnings: Vec<Warning>,
}

/// What a promotion has given away.
#[derive(Default, Serialize, ToSchema)]
struct Spent {
    /// In minor units.
    amount: Amount,
    /// In orders.
    redemptions: u64,
}

impl Spent {
    /// What the statistics count, which is never below zero.
    fn counted(figures: &Figures) -> Self {
        let count = |value: i128| u64::try_from(value.max(0)).unwrap_or(u64::MAX);
        Self {
            amount: Amount::try_from(count(figures.spent_amount)).unwrap_or(Amount::MAX),
            redemptions: count(figures.spent_uses),
        }
    }

    /// The sum over all shards, which is never below zero.
    fn of(shards: Shard) -> Self {
        let amount = u64::try_from(shards.spent_amount).unwrap_or_default();
        Self {
            amount: Amount::try_from(amount).unwrap_or(Amount::MAX),
            redemptions: u64::try_from(shards.spent_uses).unwrap_or_default(),
        }
    }
}

impl<'a> PromotionAnswer<'a> {
    fn new(known: &'a Known, spent: Spent, now: DateTime<Utc>) -> Self {
        let promotion = &known.promotion;
        Self {
            id: &promotion.id,
            terms: &promotion.terms,
            status: promotion.status_at(now),
            effective_at: promotion.effective_at,
            created_at: promotion.created_at,
            version: promotion.version,
            minted: known.minted,
            spent,
            warnings: warnings::of_terms(promotion),
        }
    }
}

/// Create a promotion
#[utoipa::path(
    post,
    path = "/v1/promotions",
    operation_id = "create_promotion",
    tag = "Promotions",
    params(IdempotencyKey),
    request_body(content = PromotionTerms, example = json!({
        "name": "Next time 10% off", "currency": "JPY",
        "benefit": {"type": "percent_off", "percent": 10, "max_discount": 3000},
        "minimum": {"subtotal": 3000}, "limits": {"budget": 500_000, "per_customer": 1}
    })),
    responses(
        (status = 201, description = "It is created.", body = PromotionAnswer<'static>, links(
            ("read" = (operation_id = "read_promotion", parameters(("id" = "$response.body#/id")))),
            ("change" = (operation_id = "change_promotion", parameters(("id" = "$response.body#/id")))),
            ("add_codes" = (operation_id = "add_codes", parameters(("id" = "$response.body#/id")))),
            ("list_codes" = (operation_id = "list_codes", parameters(("id" = "$response.body#/id")))),
            ("pause" = (operation_id = "pause_promotion", parameters(("id" = "$response.body#/id")))),
            ("resume" = (operation_id = "resume_promotion", parameters(("id" = "$response.body#/id")))),
            ("stats" = (operation_id = "read_stats", parameters(("id" = "$response.body#/id")))),
            ("end" = (operation_id = "end_promotion", parameters(("id" = "$response.body#/id")))),
        )),
        (status = 422, description = "The `Idempotency-Key` came with another request before."),
    )
)]
pub(crate) async fn create(
    Shared(state): Shared<State>,
    creating: Creating<PromotionTerms>,
) -> Result<Response, Problem> {
    let Creating {
        body: terms,
        request,
    } = creating;
    let faults = terms.faults();
    if !faults.is_empty() {
        return Err(faults.into());
    }
    let now = state.clock.now();
    if terms.claim_code == ClaimCode::None {
        let answered = match &request {
            Some(request) => state.store.was_answered(request).await?,
            None => false,
        };
        if !answered {
            refuse_one_too_many(&state, now).await?;
        }
    }
    let master_key_version = state.code_keys.newest()?;
    loop {
        let keys = KeyRef {
            salt: rand::rng().random(),
            master_key_version,
            word_list: word_filter::CURRENT,
        };
        let promotion = Promotion::new(
            PromotionId::random(),
            terms.clone(),
            keys,
            now,
            state.lead_time.as_delta(),
        );
        let known = Known {
            promotion: promotion.into(),
            minted: 0,
        };
        let mut answer = PromotionAnswer::new(&known, Spent::default(), now);
        answer
            .warnings
            .extend(warnings::of_stacking(&state, &known.promotion, now).await?);
        let answer =
            serde_json::to_string(&answer).map_err(|error| Problem::unavailable(&error))?;
        match state
            .store
            .create_promotion(&known.promotion, request.as_ref(), &answer)
            .await
        {
            // One of a million ids: draw another.
            Err(CreateError::Taken) => {}
            outcome => return Ok(created(outcome?, answer)),
        }
    }
}

/// Every cart is priced under all promotions that apply by themselves, so a shop has only so many.
pub(crate) async fn refuse_one_too_many(state: &State, now: DateTime<Utc>) -> Result<(), Problem> {
    let store = &state.store;
    let there = store.automatic_promotions(Freshness::Now, now).await?.len();
    if there < MAX_AUTOMATIC {
        return Ok(());
    }
    let detail = format!(
        "there are {there} promotions already that apply by themselves and are not over; end one of them first"
    );
    Err(vec![Fault::new("/claim_code", detail)].into())
}

/// The promotion a path names; text that is no promotion id names none.
pub(crate) async fn find(state: &State, id: String, now: DateTime<Utc>) -> Result<Known, Problem> {
    find_as(state, id, Freshness::Now, now).await
}

/// The same, also as remembered.
pub(crate) async fn find_as(
    state: &State,
    id: String,
    freshness: Freshness,
    now: DateTime<Utc>,
) -> Result<Known, Problem> {
    let id = PromotionId::try_from(id).map_err(|_| Problem::not_found("promotion"))?;
    let known = state.store.promotion(&id, freshness, now).await?;
    known.ok_or_else(|| Problem::not_found("promotion"))
}

/// Read a promotion
#[utoipa::path(
    get,
    path = "/v1/promotions/{id}",
    operation_id = "read_promotion",
    tag = "Promotions",
    params(("id" = PromotionId, Path, description = "The promotion.")),
    responses(
        (status = 200, description = "The promotion as it stands.", body = PromotionAnswer<'static>),
        (status = 404, description = "There is no such promotion."),
    )
)]
pub(crate) async fn read(
    Shared(state): Shared<State>,
    Path(id): Path<String>,
) -> Result<Body<serde_json::Value>, Problem> {
    let now = state.clock.now();
    let known = find(&state, id, now).await?;
    answer(&state, &known, now).await.map(Body)
}

/// A promotion as it stands, with what it has spent.
async fn answer(
    state: &State,
    known: &Known,
    now: DateTime<Utc>,
) -> Result<serde_json::Value, Problem> {
    let answer = serde_json::to_value(standing(state, known, now).await?);
    answer.map_err(|error| Problem::unavailable(&error))
}

/// A promotion as it stands after a change, which may have made it meet others.
pub(crate) async fn changed_answer(
    state: &State,
    known: &Known,
    now: DateTime<Utc>,
) -> Result<serde_json::Value, Problem> {
    let mut answer = standing(state, known, now).await?;
    answer
        .warnings
        .extend(warnings::of_stacking(state, &known.promotion, now).await?);
    serde_json::to_value(answer).map_err(|error| Problem::unavailable(&error))
}

async fn standing<'a>(
    state: &State,
    known: &'a Known,
    now: DateTime<Utc>,
) -> Result<PromotionAnswer<'a>, Problem> {
    let (id, limits) = (&known.promotion.id, known.promotion.terms.limits);
    let spent = if limits.shard_count() > 0 {
        let wanted = Wanted {
            promotions: &[(id, limits)],
            ..Wanted::default()
        };
        let observed = state.store.observe(wanted).await?;
        Spent::of(observed.shards.get(id).copied().unwrap_or_default())
    } else {
        Spent::counted(&state.store.spent_by_stats(id).await?)
    };
    Ok(PromotionAnswer::new(known, spent, now))
}

/// Pause a promotion
///
/// Its codes stop working within 10 s, until it is resumed.
#[utoipa::path(
    post,
    path = "/v1/promotions/{id}/pause",
    operation_id = "pause_promotion",
    tag = "Promotions",
    params(("id" = PromotionId, Path, description = "The promotion.")),
    request_body = NoBody,
    responses(
        (status = 200, description = "The promotion as it then stands.", body = PromotionAnswer<'static>),
        (status = 404, description = "There is no such promotion."),
        (status = 422, description = "It was ended, which is final."),
    )
)]
pub(crate) async fn pause(
    state: Shared<State>,
    id: Path<String>,
    _: NoBody,
) -> Result<Body<serde_json::Value>, Problem> {
    switch(state, id, Switch::Paused).await
}

/// Resume a paused promotion
#[utoipa::path(
    post,
    path = "/v1/promotions/{id}/resume",
    operation_id = "resume_promotion",
    tag = "Promotions",
    params(("id" = PromotionId, Path, description = "The promotion.")),
    request_body = NoBody,
    responses(
        (status = 200, description = "The promotion as it then stands.", body = PromotionAnswer<'static>),
        (status = 404, description = "There is no such promotion."),
        (status = 422, description = "It was ended, which is final."),
    )
)]
pub(crate) async fn resume(
    state: Shared<State>,
    id: Path<String>,
    _: NoBody,
) -> Result<Body<serde_json::Value>, Problem> {
    switch(state, id, Switch::On).await
}

/// End a promotion for good
///
/// Ending one twice is no failure.
#[utoipa::path(
    post,
    path = "/v1/promotions/{id}/end",
    operation_id = "end_promotion",
    tag = "Promotions",
    params(("id" = PromotionId, Path, description = "The promotion.")),
    request_body = NoBody,
    responses(
        (status = 200, description = "The promotion as it then stands.", body = PromotionAnswer<'static>),
        (status = 404, description = "There is no such promotion."),
    )
)]
pub(crate) async fn end(
    state: Shared<State>,
    id: Path<String>,
    _: NoBody,
) -> Result<Body<serde_json::Value>, Problem> {
    switch(state, id, Switch::Ended).await
}

async fn switch(
    Shared(state): Shared<State>,
    Path(id): Path<String>,
    to: Switch,
) -> Result<Body<serde_json::Value>, Problem> {
    let now = state.clock.now();
    let id = PromotionId::try_from(id).map_err(|_| Problem::not_found("promotion"))?;
    let known = state.store.switch_promotion(&id, to, now).await?;
    answer(&state, &known, now).await.map(Body)
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// Only those that are this now.
    #[param(required = false, nullable = false)]
    status: Option<Status>,
    /// Where the page before ended.
    #[param(required = false, nullable = false)]
    cursor: Option<String>,
    /// Most promotions on the page; 20 unless given.
    #[param(required = false, nullable = false, minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// Promotions on a page whose size the caller leaves open.
const DEFAULT_PAGE: u32 = 20;
/// A page ends early once its promotions come to this many bytes: Lambda answers at most 6 MB, and one promotion may list 8,000 SKUs.
const MAX_PAGE_BYTES: usize = 4_000_000;

/// Promotions, newest first.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = PromotionPage)]
pub(crate) struct Page {
    #[schema(value_type = Vec<PromotionAnswer<'static>>)]
    promotions: Vec<serde_json::Value>,
    /// Where the next page starts; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

/// List promotions, newest first
#[utoipa::path(
    get,
    path = "/v1/promotions",
    operation_id = "list_promotions",
    tag = "Promotions",
    params(ListQuery),
    responses((status = 200, description = "A page of promotions.", body = Page))
)]
pub(crate) async fn list(
    Shared(state): Shared<State>,
    query: Result<Query<ListQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Body<Page>, Problem> {
    let Query(query) = query?;
    let limit = query.limit.unwrap_or(DEFAULT_PAGE);
    if !(1..=shared::store::MAX_PAGE).contains(&limit) {
        let detail = format!("limit is 1 to {}", shared::store::MAX_PAGE);
        return Err(Problem::invalid_body(vec![FieldError::new(
            "/limit", detail,
        )]));
    }
    let mut after = query
        .cursor
        .map(|cursor| {
            let detail = "use a cursor that a page answered with";
            ListPlace::from_cursor(&cursor)
                .ok_or_else(|| Problem::invalid_body(vec![FieldError::new("/cursor", detail)]))
        })
        .transpose()?;
    let now = state.clock.now();
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut page = Page::default();
    let mut bytes = 0;
    loop {
        let missing = limit.saturating_sub(u32::try_from(page.promotions.len()).unwrap_or(limit));
        let found = state.store.list_promotions(after.as_ref(), missing).await?;
        after = found.next;
        let mut promotions = found.promotions;
        let wanted_status = query.status;
        promotions.retain(|promotion| {
            wanted_status.is_none_or(|status| promotion.status_at(now) == status)
        });
        let minted = state.store.minted_of(&promotions).await?;
        for (promotion, minted) in promotions.into_iter().zip(minted) {
            let promotion = answer(&state, &Known { promotion, minted }, now).await?;
            bytes += promotion.to_string().len();
            page.promotions.push(promotion);
        }
        if after.is_none() || page.promotions.len() >= wanted || bytes > MAX_PAGE_BYTES {
            page.cursor = after.map(ListPlace::cursor);
            return Ok(Body(page));
        }
    }
}
