//! `POST /v1/promotions/{id}/codes`: mint single-use codes (for anybody or for one customer each), add a group code. The listing is in `listing`.

use std::borrow::Cow;

use axum::Router;
use axum::extract::{Path, State as Shared};
use axum::response::Response;
use axum::routing::post;
use serde::{Deserialize, Serialize};
use shared::domain::Fault;
use shared::domain::channel::Channel;
use shared::domain::code::{GroupWord, PromotionId};
use shared::domain::promotion::{ClaimCode, Promotion};
use shared::domain::redemption::Customer;
use shared::domain::word_limits::WordLimits;
use shared::http::Problem;
use shared::http::body::json;
use shared::http::creating::{Creating, created};
use shared::http::openapi::IdempotencyKey;
use shared::store::{Batch, GroupCode, Idempotency};
use utoipa::openapi::schema::{OneOfBuilder, Schema};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

use crate::State;
use crate::promotions::find;
use crate::warnings::{self, Warning};

pub(crate) fn routes() -> Router<State> {
    Router::new().route(
        "/v1/promotions/{id}/codes",
        post(add).get(crate::listing::list),
    )
}

/// What codes to add: one of `count`, `customers` and `code`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCodes {
    /// How many single-use codes to mint for whoever has them.
    #[schema(minimum = 1, maximum = 17_179_869_184_i64)]
    count: Option<u64>,
    /// Mints one single-use code for each of them, in this order, that nobody else can use.
    #[schema(min_items = 1, max_items = 1000)]
    customers: Option<Vec<Customer>>,
    /// A word to add, for a promotion with `claim_code: "group"`.
    code: Option<GroupWord>,
    /// Where they are handed out.
    channel: Option<Channel>,
    /// How often the word may be used, beside the promotion's own limits.
    limits: Option<WordLimits>,
}

/// A batch as its minting is answered.
#[derive(Serialize, ToSchema)]
#[schema(as = Batch)]
struct BatchAnswer<'a> {
    /// Lists its codes alone.
    batch_id: &'a str,
    /// Number of its first code within the promotion.
    first_serial: u64,
    /// How many codes it has.
    count: u64,
    /// Where they are handed out.
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'a Channel>,
}

/// A word as its creation is answered.
#[derive(Serialize, ToSchema)]
#[schema(as = GroupCodeAdded)]
struct WordAnswer<'a> {
    #[serde(flatten)]
    code: &'a GroupCode,
    /// What is allowed but may hurt.
    warnings: Vec<Warning>,
}

/// What the addition of codes answers: only its schema exists.
pub(crate) struct Added;

impl PartialSchema for Added {
    fn schema() -> RefOr<Schema> {
        let batch = Ref::from_schema_name(BatchAnswer::name());
        let word = Ref::from_schema_name(WordAnswer::name());
        OneOfBuilder::new().item(batch).item(word).into()
    }
}

impl ToSchema for Added {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Added")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((BatchAnswer::name().into_owned(), BatchAnswer::schema()));
        schemas.push((WordAnswer::name().into_owned(), WordAnswer::schema()));
        BatchAnswer::schemas(schemas);
        WordAnswer::schemas(schemas);
    }
}

/// Mint single-use codes or add a group code
#[utoipa::path(
    post,
    path = "/v1/promotions/{id}/codes",
    operation_id = "add_codes",
    tag = "Codes",
    params(("id" = PromotionId, Path, description = "The promotion."), IdempotencyKey),
    request_body(content = NewCodes, examples(
        ("mint" = (summary = "Codes for whoever has them", value = json!({"count": 1000, "channel": "ad/google-nov"}))),
        ("bound" = (summary = "One code for each customer", value = json!({"customers": [{"email": "hanako@example.jp"}]}))),
        ("word" = (summary = "A word many buyers share", value = json!({"code": "HANAKO10", "channel": "influencer/hanako", "limits": {"redemptions": 50}}))),
    )),
    responses(
        (status = 201, description = "The codes exist. Minted ones are listed by their batch.", body = Added, links(
            ("list_codes" = (operation_id = "list_codes", parameters(("id" = "$request.path.id")))),
        )),
        (status = 404, description = "There is no such promotion."),
        (status = 409, description = "A group code that reads the same is in use."),
        (status = 422, description = "The `Idempotency-Key` came with another request before."),
    )
)]
pub(crate) async fn add(
    Shared(state): Shared<State>,
    Path(id): Path<String>,
    creating: Creating<NewCodes>,
) -> Result<Response, Problem> {
    let Creating { body, request } = creating;
    let known = find(&state, id, state.clock.now()).await?;
    let promotion = &known.promotion;
    let (channel, request) = (body.channel.clone(), request.as_ref());
    match asked_for(body, promotion.terms.claim_code)? {
        Asked::Codes(count) => mint(&state, promotion, count, channel, request).await,
        Asked::Bound(customers) => {
            mint_bound(&state, promotion, &customers, channel, request).await
        }
        Asked::Word(code, limits) => {
            let code = GroupCode {
                code,
                promotion_id: promotion.id.clone(),
                channel,
                limits,
                voided: false,
            };
            add_word(&state, code, request).await
        }
    }
}

/// What a body asks for.
enum Asked {
    /// So many codes for whoever has them.
    Codes(u64),
    /// One code for each customer.
    Bound(Vec<Customer>),
    /// A word.
    Word(GroupWord, WordLimits),
}

fn asked_for(body: NewCodes, claim: ClaimCode) -> Result<Asked, Vec<Fault>> {
    let refuse = |pointer: &str, detail: &str| Err(vec![Fault::new(pointer, detail)]);
    match (claim, body.count, body.customers, body.code) {
        (ClaimCode::Group, None, None, Some(code)) => {
            let limits = body.limits.unwrap_or_default();
            let faults = limits.faults();
            if faults.is_empty() {
                Ok(Asked::Word(code, limits))
            } else {
                Err(faults)
            }
        }
        (ClaimCode::Group, Some(_), _, _) => refuse(
            "/count",
            "this promotion has group codes: send `code`, not `count`",
        ),
        (ClaimCode::Group, _, Some(_), _) => refuse(
            "/customers",
            "this promotion has group codes: send `code`, not `customers`",
        ),
        (ClaimCode::Group, None, None, None) => refuse("", "missing field `code`"),
        (ClaimCode::SingleUse, _, _, Some(_)) => refuse(
            "/code",
            "this promotion has single-use codes: send `count` or `customers`, not `code`",
        ),
        (ClaimCode::SingleUse, ..) if body.limits.is_some() => refuse(
            "/limits",
            "only a group code has limits of its own; a single-use code serves one order",
        ),
        (ClaimCode::SingleUse, Some(_), Some(_), _) => {
            refuse("/customers", "send either `count` or `customers`")
        }
        (ClaimCode::SingleUse, Some(0), None, _) => refuse("/count", "a batch has at least 1 code"),
        (ClaimCode::SingleUse, Some(count), None, _) => Ok(Asked::Codes(count)),
        (ClaimCode::SingleUse, None, Some(customers), _) => check(customers),
        (ClaimCode::SingleUse, None, None, _) => refuse("", "missing field `count`"),
        (ClaimCode::None, ..) => refuse("", "this promotion applies by itself and has no codes"),
    }
}

/// Most customers in one request. Source: design.md §7.
const MAX_CUSTOMERS: usize = 1_000;

fn check(customers: Vec<Customer>) -> Result<Asked, Vec<Fault>> {
    if !(1..=MAX_CUSTOMERS).contains(&customers.len()) {
        let detail = format!("a request names 1 to {MAX_CUSTOMERS} customers");
        return Err(vec![Fault::new("/customers", detail)]);
    }
    let mut faults = Vec::new();
    for (index, customer) in customers.iter().enumerate() {
        let pointer = format!("/customers/{index}");
        if *customer == Customer::default() {
            let detail = "name the customer by `id`, `email` or `phone`";
            faults.push(Fault::new(pointer, detail));
        } else {
            faults.extend(customer.faults(&pointer));
        }
    }
    if faults.is_empty() {
        Ok(Asked::Bound(customers))
    } else {
        Err(faults)
    }
}

async fn mint(
    state: &State,
    promotion: &Promotion,
    count: u64,
    channel: Option<Channel>,
    request: Option<&Idempotency>,
) -> Result<Response, Problem> {
    let now = state.clock.now();
    let store = &state.store;
    let batch = store
        .mint(&promotion.id, count, channel, request, now)
        .await?;
    Ok(minted(&batch))
}

/// One code for each customer, in their order; the listing of the batch tells which is whose.
async fn mint_bound(
    state: &State,
    promotion: &Promotion,
    customers: &[Customer],
    channel: Option<Channel>,
    request: Option<&Idempotency>,
) -> Result<Response, Problem> {
    let identity = &state.identity;
    let holders: Vec<_> = customers
        .iter()
        .map(|customer| {
            let (id, email, phone) = (&customer.id, &customer.email, &customer.phone);
            identity.people(id.as_deref(), email.as_deref(), phone.as_deref())
        })
        .collect();
    // The request's own fingerprint is a plain hash of a body with addresses, so only a keyed hash of it is kept.
    let request = request.map(|request| {
        let fingerprint = identity.fingerprint(request.fingerprint().as_bytes());
        (request, fingerprint)
    });
    let now = state.clock.now();
    let store = &state.store;
    let batch = store
        .mint_bound(&promotion.id, &holders, channel, request, now)
        .await?;
    Ok(minted(&batch))
}

fn minted(batch: &Batch) -> Response {
    let answer = BatchAnswer {
        batch_id: &batch.batch_id,
        first_serial: batch.first_serial,
        count: batch.count,
        channel: batch.channel.as_ref(),
    };
    json(http::StatusCode::CREATED, &answer)
}

async fn add_word(
    state: &State,
    code: GroupCode,
    request: Option<&Idempotency>,
) -> Result<Response, Problem> {
    let answer = WordAnswer {
        code: &code,
        warnings: warnings::of_word(&code.code),
    };
    let answer = serde_json::to_string(&answer).map_err(|error| Problem::unavailable(&error))?;
    let outcome = state
        .store
        .add_group_code(&code, request, &answer, state.clock.now())
        .await?;
    Ok(created(outcome, answer))
}
