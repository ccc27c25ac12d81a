//! `/v1/follow-ups`: create, list, read, replace, delete.

use axum::Router;
use axum::extract::{Path, State as Shared};
use axum::response::Response;
use axum::routing::{get, post};
use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::domain::Fault;
use shared::domain::follow_up::{
    FollowUp, FollowUpId, FollowUpStatus, FollowUpTerms, MAX_VARIANTS, MailTerms, Template, Variant,
};
use shared::domain::promotion::ClaimCode;
use shared::http::creating::{Creating, created};
use shared::http::openapi::IdempotencyKey;
use shared::http::{Body, NoBody, Problem};
use shared::mailer::template;
use shared::store::{DeletedFollowUp, Freshness};
use utoipa::ToSchema;

use crate::State;

pub(crate) fn routes() -> Router<State> {
    Router::new()
        .route("/v1/follow-ups", get(list).post(create))
        .route("/v1/follow-ups/{id}", get(read).put(replace).delete(delete))
        .route("/v1/follow-ups/{id}/pause", post(pause))
        .route("/v1/follow-ups/{id}/resume", post(resume))
}

/// Create a follow-up
///
/// It applies to orders that arrive from then on.
#[utoipa::path(
    post,
    path = "/v1/follow-ups",
    operation_id = "create_follow_up",
    tag = "Follow-ups",
    params(IdempotencyKey),
    request_body(content = FollowUpTerms, example = json!({
        "name": "Thank you", "conditions": {"min_total": 3000},
        "variants": [{"name": "10% after 3 days", "promotion_id": "THX9", "delay": "P3D"}],
        "mail": {"from": "Shop <hello@shop.example>"}
    })),
    responses(
        (status = 201, description = "It is created.", body = FollowUp, links(
            ("read" = (operation_id = "read_follow_up", parameters(("id" = "$response.body#/id")))),
            ("replace" = (operation_id = "replace_follow_up", parameters(("id" = "$response.body#/id")))),
            ("delete" = (operation_id = "delete_follow_up", parameters(("id" = "$response.body#/id")))),
        )),
        (status = 422, description = "The `Idempotency-Key` came with another request before."),
    )
)]
pub(crate) async fn create(
    Shared(state): Shared<State>,
    creating: Creating<FollowUpTerms>,
) -> Result<Response, Problem> {
    let Creating {
        body: terms,
        request,
    } = creating;
    let now = state.clock.now();
    check(&state, &terms, now).await?;
    let follow_up = FollowUp {
        id: FollowUpId::random(),
        version: 1,
        created_at: now,
        experiment: 1,
        status: FollowUpStatus::Active,
        terms,
    };
    let answer = serde_json::to_string(&follow_up).map_err(|error| Problem::unavailable(&error))?;
    let outcome = state
        .store
        .create_follow_up(&follow_up, request.as_ref(), &answer)
        .await?;
    Ok(created(outcome, answer))
}

/// All follow-ups: they are few, so one page holds them.
#[derive(Serialize, ToSchema)]
#[schema(as = FollowUpList)]
pub(crate) struct List {
    follow_ups: Vec<FollowUp>,
}

/// List all follow-ups
#[utoipa::path(
    get,
    path = "/v1/follow-ups",
    operation_id = "list_follow_ups",
    tag = "Follow-ups",
    responses((status = 200, description = "All of them.", body = List))
)]
pub(crate) async fn list(Shared(state): Shared<State>) -> Result<Body<List>, Problem> {
    let follow_ups = state.store.follow_ups().await?;
    Ok(Body(List { follow_ups }))
}

/// Read a follow-up
#[utoipa::path(
    get,
    path = "/v1/follow-ups/{id}",
    operation_id = "read_follow_up",
    tag = "Follow-ups",
    params(("id" = FollowUpId, Path, description = "The follow-up.")),
    responses(
        (status = 200, description = "The follow-up.", body = FollowUp),
        (status = 404, description = "There is no such follow-up."),
    )
)]
pub(crate) async fn read(
    Shared(state): Shared<State>,
    Path(id): Path<String>,
) -> Result<Body<FollowUp>, Problem> {
    let follow_up = state
        .store
        .follow_up(&named(id).ok_or_else(unknown)?)
        .await?;
    follow_up.map(Body).ok_or_else(unknown)
}

/// Replace a follow-up
///
/// Later orders are dealt with under the new terms; mails already queued keep theirs.
#[utoipa::path(
    put,
    path = "/v1/follow-ups/{id}",
    operation_id = "replace_follow_up",
    tag = "Follow-ups",
    params(("id" = FollowUpId, Path, description = "The follow-up.")),
    request_body = FollowUpTerms,
    responses(
        (status = 200, description = "The follow-up as it then stands.", body = FollowUp),
        (status = 404, description = "There is no such follow-up."),
    )
)]
pub(crate) async fn replace(
    Shared(state): Shared<State>,
    Path(id): Path<String>,
    Body(terms): Body<FollowUpTerms>,
) -> Result<Body<FollowUp>, Problem> {
    let id = named(id).ok_or_else(unknown)?;
    check(&state, &terms, state.clock.now()).await?;
    let follow_up = state.store.replace_follow_up(&id, &terms).await?;
    follow_up.map(Body).ok_or_else(unknown)
}

/// Delete a follow-up
///
/// Its unsent mails are withdrawn.
#[utoipa::path(
    delete,
    path = "/v1/follow-ups/{id}",
    operation_id = "delete_follow_up",
    tag = "Follow-ups",
    params(("id" = FollowUpId, Path, description = "The follow-up.")),
    responses(
        (status = 200, description = "The follow-up as it last stood.", body = DeletedFollowUp),
        (status = 404, description = "There is no such follow-up."),
    )
)]
pub(crate) async fn delete(
    Shared(state): Shared<State>,
    Path(id): Path<String>,
) -> Result<Body<DeletedFollowUp>, Problem> {
    let id = named(id).ok_or_else(unknown)?;
    let deleted = state.store.delete_follow_up(&id, state.clock.now()).await?;
    deleted.map(Body).ok_or_else(unknown)
}

/// Pause a follow-up
///
/// Orders earn their codes as ever, but mails wait until it is resumed, and go within 15 minutes after. A code may run out
/// meanwhile; then its mail is withdrawn.
#[utoipa::path(
    post,
    path = "/v1/follow-ups/{id}/pause",
    operation_id = "pause_follow_up",
    tag = "Follow-ups",
    params(("id" = FollowUpId, Path, description = "The follow-up.")),
    request_body = NoBody,
    responses(
        (status = 200, description = "The follow-up as it then stands.", body = FollowUp),
        (status = 404, description = "There is no such follow-up."),
    )
)]
pub(crate) async fn pause(
    Shared(state): Shared<State>,
    Path(id): Path<String>,
    _: NoBody,
) -> Result<Body<FollowUp>, Problem> {
    switch(&state, id, FollowUpStatus::Paused).await
}

/// Resume a paused follow-up
///
/// What waited is sent within 15 minutes.
#[utoipa::path(
    post,
    path = "/v1/follow-ups/{id}/resume",
    operation_id = "resume_follow_up",
    tag = "Follow-ups",
    params(("id" = FollowUpId, Path, description = "The follow-up.")),
    request_body = NoBody,
    responses(
        (status = 200, description = "The follow-up as it then stands.", body = FollowUp),
        (status = 404, description = "There is no such follow-up."),
    )
)]
pub(crate) async fn resume(
    Shared(state): Shared<State>,
    Path(id): Path<String>,
    _: NoBody,
) -> Result<Body<FollowUp>, Problem> {
    switch(&state, id, FollowUpStatus::Active).await
}

async fn switch(
    state: &State,
    id: String,
    status: FollowUpStatus,
) -> Result<Body<FollowUp>, Problem> {
    let id = named(id).ok_or_else(unknown)?;
    let follow_up = state.store.switch_follow_up(&id, status).await?;
    follow_up.map(Body).ok_or_else(unknown)
}

/// The id a path names; text that is no id names no follow-up.
pub(crate) fn named(id: String) -> Option<FollowUpId> {
    FollowUpId::try_from(id).ok()
}

pub(crate) fn unknown() -> Problem {
    Problem::not_found("follow-up")
}

/// Refuses terms that cannot be, naming everything that is wrong at once.
async fn check(state: &State, terms: &FollowUpTerms, now: DateTime<Utc>) -> Result<(), Problem> {
    let mut faults = terms.faults();
    faults.extend(template_faults(&terms.mail, template::check));
    // More variants than that are refused already, and must not cause a read each.
    if terms.variants.len() <= MAX_VARIANTS {
        faults.extend(promotion_faults(state, &terms.variants, now).await?);
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults.into())
    }
}

/// What is wrong with the promotions of variants. They have one currency, in which the minimum is meant and arms are compared.
async fn promotion_faults(
    state: &State,
    variants: &[Variant],
    now: DateTime<Utc>,
) -> Result<Vec<Fault>, Problem> {
    let mut faults = Vec::new();
    let mut currency = None;
    for (index, variant) in variants.iter().enumerate() {
        let known = state
            .store
            .promotion(&variant.promotion_id, Freshness::Now, now)
            .await?;
        let mut refuse = |detail| {
            let pointer = format!("/variants/{index}/promotion_id");
            faults.push(Fault::new(pointer, detail));
        };
        let Some(known) = known else {
            refuse("there is no such promotion");
            continue;
        };
        match known.promotion.terms.claim_code {
            ClaimCode::SingleUse => {}
            ClaimCode::Group => refuse(
                "this promotion is claimed with a shared word; a thank-you mail carries a single-use code",
            ),
            ClaimCode::None => refuse(
                "this promotion applies by itself; a thank-you mail carries a single-use code",
            ),
        }
        if *currency.get_or_insert(known.promotion.terms.currency) != known.promotion.terms.currency
        {
            refuse("this promotion has another currency than the first variant's");
        }
    }
    Ok(faults)
}

/// What `check` finds in each template, pointed at from the root of the follow-up.
fn template_faults(
    mail: &MailTerms,
    check: impl Fn(&str, &Template) -> Result<(), Vec<Fault>>,
) -> Vec<Fault> {
    let templates = mail.templates.iter().flatten();
    templates
        .flat_map(|(locale, template)| {
            let place = format!(
                "/mail/templates/{}",
                locale.replace('~', "~0").replace('/', "~1")
            );
            let faults = check(locale, template).err().unwrap_or_default();
            faults
                .into_iter()
                .map(move |fault| Fault::new(format!("{place}{}", fault.pointer), fault.detail))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_templates_faults_are_pointed_at_from_the_root() {
        let mail: MailTerms =
            serde_json::from_value(serde_json::json!({"from": "a@b.jp", "templates": {
            "ja": {"subject": "s", "body": "{{ x }}"}, "en/x": {"subject": "s", "body": "ok"}}}))
            .unwrap();
        let faults = template_faults(&mail, |locale, template| match template.body.as_str() {
            "ok" => Err(vec![Fault::new("", format!("no language {locale}"))]),
            _ => Err(vec![Fault::new("/body", "unknown variable x")]),
        });
        assert_eq!(
            faults,
            [
                Fault::new("/mail/templates/en~1x", "no language en/x"),
                Fault::new("/mail/templates/ja/body", "unknown variable x"),
            ]
        );
        assert_eq!(template_faults(&mail, |_, _| Ok(())), []);
    }
}
