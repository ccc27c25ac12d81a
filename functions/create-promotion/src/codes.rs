//! `POST /v1/promotions/{id}/codes`: mint single-use codes, add a group code. The listing is in `listing`.

use axum::Router;
use axum::extract::{Path, State as Shared};
use axum::response::Response;
use axum::routing::post;
use serde::{Deserialize, Serialize};
use shared::domain::Fault;
use shared::domain::channel::Channel;
use shared::domain::code::GroupWord;
use shared::domain::promotion::{ClaimCode, Promotion};
use shared::http::Problem;
use shared::http::body::json;
use shared::http::creating::{Creating, created};
use shared::store::{Batch, GroupCode, Idempotency};

use crate::State;
use crate::promotions::find;

pub(crate) fn routes() -> Router<State> {
    Router::new().route(
        "/v1/promotions/{id}/codes",
        post(add).get(crate::listing::list),
    )
}

/// Either `count` or `code`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewCodes {
    count: Option<u64>,
    code: Option<GroupWord>,
    channel: Option<Channel>,
}

/// A batch as its minting is answered.
#[derive(Serialize)]
struct BatchAnswer<'a> {
    batch_id: &'a str,
    first_serial: u64,
    count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'a Channel>,
}

async fn add(
    Shared(state): Shared<State>,
    Path(id): Path<String>,
    creating: Creating<NewCodes>,
) -> Result<Response, Problem> {
    let Creating { body, request } = creating;
    let known = find(&state, id, state.clock.now()).await?;
    let claim = known.promotion.terms.claim_code;
    let NewCodes {
        count,
        code,
        channel,
    } = body;
    match (count, code) {
        (Some(_), _) if claim == ClaimCode::Group => refuse(
            "/count",
            "this promotion has group codes: send `code`, not `count`",
        ),
        (_, Some(_)) if claim == ClaimCode::SingleUse => refuse(
            "/code",
            "this promotion has single-use codes: send `count`, not `code`",
        ),
        (Some(_), Some(_)) => refuse("/code", "send either `count` or `code`"),
        (Some(0), None) => refuse("/count", "a batch has at least 1 code"),
        (Some(count), None) => {
            mint(&state, &known.promotion, count, channel, request.as_ref()).await
        }
        (None, Some(code)) => {
            add_word(&state, &known.promotion, code, channel, request.as_ref()).await
        }
        (None, None) if claim == ClaimCode::Group => refuse("", "missing field `code`"),
        (None, None) => refuse("", "missing field `count`"),
    }
}

fn refuse(pointer: &str, detail: &str) -> Result<Response, Problem> {
    Err(vec![Fault::new(pointer, detail)].into())
}

async fn mint(
    state: &State,
    promotion: &Promotion,
    count: u64,
    channel: Option<Channel>,
    request: Option<&Idempotency>,
) -> Result<Response, Problem> {
    let batch: Batch = state
        .store
        .mint(&promotion.id, count, channel, request, state.clock.now())
        .await?;
    let answer = BatchAnswer {
        batch_id: &batch.batch_id,
        first_serial: batch.first_serial,
        count: batch.count,
        channel: batch.channel.as_ref(),
    };
    Ok(json(http::StatusCode::CREATED, &answer))
}

async fn add_word(
    state: &State,
    promotion: &Promotion,
    code: GroupWord,
    channel: Option<Channel>,
    request: Option<&Idempotency>,
) -> Result<Response, Problem> {
    let code = GroupCode {
        code,
        promotion_id: promotion.id.clone(),
        channel,
        voided: false,
    };
    let answer = serde_json::to_string(&code).map_err(|error| Problem::unavailable(&error))?;
    let outcome = state
        .store
        .add_group_code(&code, request, &answer, state.clock.now())
        .await?;
    Ok(created(outcome, answer))
}
