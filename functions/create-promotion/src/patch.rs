//! `PATCH /v1/promotions/{id}`: change a promotion, from a version the caller has seen.

use std::borrow::Cow;

use axum::extract::{Path, State as Shared};
use rand::RngExt;
use serde_json::{Map, Value};
use shared::domain::Fault;
use shared::domain::change::merged;
use shared::domain::code::PromotionId;
use shared::domain::promotion::PromotionTerms;
use shared::http::{Body, Problem, body};
use shared::store::{ChangeError, SwitchError};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::State;
use crate::promotions::{PromotionAnswer, changed_answer, find, refuse_one_too_many};

/// Change a promotion
///
/// What is not sent stays; `null` removes `starts_at`, `ends_at`, `products`, `minimum` and limits; `limits` are merged, other
/// objects replaced. Name, end and limits change at any time, all other terms until 20 s before it takes effect.
#[utoipa::path(
    patch,
    path = "/v1/promotions/{id}",
    operation_id = "change_promotion",
    tag = "Promotions",
    params(("id" = PromotionId, Path, description = "The promotion.")),
    request_body(content = PromotionChange, example = json!({"version": 1, "name": "Next time 10% off, again"})),
    responses(
        (status = 200, description = "The promotion as it then stands.", body = PromotionAnswer<'static>),
        (status = 404, description = "There is no such promotion."),
        (status = 409, description = "It was changed since you read it."),
        (status = 422, description = "It was ended, which is final."),
    )
)]
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

/// The fields of a promotion's terms, none required, and the version that they change: only its schema exists.
pub(crate) struct PromotionChange;

/// Fields that have no default to go back to.
const NEVER_ABSENT: [&str; 3] = ["name", "currency", "benefit"];

impl PartialSchema for PromotionChange {
    fn schema() -> RefOr<Schema> {
        let RefOr::T(Schema::Object(mut terms)) = PromotionTerms::schema() else {
            return PromotionTerms::schema();
        };
        terms.description = Some("What is to change of a promotion.".to_owned());
        for (name, schema) in &mut terms.properties {
            if !NEVER_ABSENT.contains(&name.as_str()) {
                let null = ObjectBuilder::new().schema_type(Type::Null);
                let either = OneOfBuilder::new().item(schema.clone()).item(null);
                *schema = either.into();
            }
        }
        let version = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(1))
            .description(Some("The `version` you read."));
        terms
            .properties
            .insert("version".to_owned(), version.into());
        terms.required = vec!["version".to_owned()];
        RefOr::T(Schema::Object(terms))
    }
}

impl ToSchema for PromotionChange {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("PromotionChange")
    }
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
