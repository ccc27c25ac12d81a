//! `PATCH /v1/promotions/{id}`: change a promotion, from a version the caller has seen.

use axum::extract::{Path, State as Shared};
use rand::RngExt;
use serde_json::{Map, Value};
use shared::domain::Fault;
use shared::domain::change::merged;
use shared::domain::promotion::PromotionTerms;
use shared::http::{Body, Problem, body};
use shared::store::{ChangeError, SwitchError};

use crate::State;
use crate::promotions::{changed_answer, find, refuse_one_too_many};

pub(crate) async fn patch(
    Shared(state): Shared<State>,
    Path(id): Path<String>,
    Body(mut fields): Body<Map<String, Value>>,
) -> Result<Body<Value>, Problem> {
    let version = version(fields.remove("version"))?;
    let now = state.clock.now();
    let known = find(&state, id, now).await?;
    let seen = &known.promotion;
    if seen.version != version {
        return Err(ChangeError::Conflict.into());
    }
    if seen.is_ended_for_good() {
        return Err(SwitchError::Ended.into());
    }
    let terms = parse(&merged(&seen.terms, fields))?;
    let mark = format!("{:032x}", rand::rng().random::<u128>());
    let changed = seen.change(terms, mark, state.lead_time.as_delta(), now)?;
    if changed.terms.claim_code != seen.terms.claim_code {
        refuse_with_codes(&state, &known).await?;
        if changed.is_automatic() {
            refuse_one_too_many(&state, now).await?;
        }
    }
    let stage = seen.stage_at(now);
    state.store.change_promotion(seen, &changed, stage).await?;
    let known = shared::store::Known {
        promotion: changed.into(),
        minted: known.minted,
    };
    changed_answer(&state, &known, now).await.map(Body)
}

fn version(value: Option<Value>) -> Result<u64, Vec<Fault>> {
    let detail =
        "send the `version` that you read: it keeps two people from undoing each other's changes";
    let pointer = if value.is_some() { "/version" } else { "" };
    value
        .and_then(|value| value.as_u64())
        .ok_or_else(|| vec![Fault::new(pointer, detail)])
}

/// Terms as a caller may write them, refused with pointers.
fn parse(terms: &Value) -> Result<PromotionTerms, Problem> {
    let bytes = serde_json::to_vec(terms).map_err(|error| Problem::unavailable(&error))?;
    body::parse(&bytes).map_err(|error| Problem::invalid_body(vec![error]))
}

/// How buyers claim it cannot change once there are codes of the old kind.
async fn refuse_with_codes(state: &State, known: &shared::store::Known) -> Result<(), Problem> {
    let words = state.store.group_codes_of(&known.promotion.id).await?;
    if known.minted == 0 && words.is_empty() {
        return Ok(());
    }
    let detail = "this promotion has codes already: create a new promotion instead";
    Err(vec![Fault::new("/claim_code", detail)].into())
}
