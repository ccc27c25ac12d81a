//! `/v1/follow-ups/{id}/preview` and `/test`: a follow-up's mail for a made-up order, shown or sent. Its code is none.
//!
//! A test mail leaves from the outbox like any other, so that this function needs no right to send.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::{Path, State as Shared};
use axum::routing::{get, post};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shared::domain::Fault;
use shared::domain::follow_up::{FollowUp, FollowUpId, Variant};
use shared::domain::identity::Email;
use shared::domain::order::OrderId;
use shared::domain::outbox::MailId;
use shared::domain::promotion::Promotion;
use shared::domain::test_mail::{TestMail, TestMailState};
use shared::http::{Body, BodyIfAny, Problem};
use shared::mailer::{Sample, SampleError, THANK_YOU, list_headers};
use shared::store::{Freshness, SuppressionReason};
use utoipa::ToSchema;

use crate::State;

pub(crate) fn routes() -> Router<State> {
    Router::new()
        .route("/v1/follow-ups/{id}/preview", post(preview))
        .route("/v1/follow-ups/{id}/test", post(test))
        .route("/v1/follow-ups/{id}/test/{test_id}", get(read_test))
}

/// Whom the sample is for; whatever is left out is made up.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = PreviewRequest)]
pub(crate) struct PreviewBody {
    /// The buyer's language tag; as for a buyer of unknown language if absent.
    #[schema(max_length = 35)]
    locale: Option<String>,
    /// The variant's name; the first one if absent.
    variant: Option<String>,
    /// How the buyer is called.
    #[schema(max_length = 200)]
    customer_name: Option<String>,
    /// The order that earned the mail.
    #[schema(value_type = Option<String>)]
    order_id: Option<OrderId>,
}

/// A mail as a buyer would get it.
#[derive(Serialize, ToSchema)]
#[schema(as = Preview)]
pub(crate) struct Shown {
    subject: String,
    html: String,
    text: String,
    /// What the mail carries beside its own headers; the way out leads nowhere here.
    headers: BTreeMap<&'static str, String>,
}

/// Longest name and language tag that are taken, in characters.
const MAX_NAME_CHARS: usize = 200;
const MAX_TAG_BYTES: usize = 35;
/// The made-up order and the end of its way out.
const ORDER_ID: &str = "1001";
const NO_TOKEN: &str = "sample";

/// See a follow-up's mail
///
/// For a made-up order, with a made-up code that works nowhere. Nothing is sent or kept.
#[utoipa::path(
    post,
    path = "/v1/follow-ups/{id}/preview",
    operation_id = "preview_follow_up",
    tag = "Follow-ups",
    params(("id" = FollowUpId, Path, description = "The follow-up.")),
    request_body(content = PreviewBody, example = json!({"locale": "en", "customer_name": "Hanako"})),
    responses(
        (status = 200, description = "The mail.", body = Shown),
        (status = 404, description = "There is no such follow-up."),
        (status = 422, description = "Nothing could be sent: no sender is set, or the text fails."),
    )
)]
pub(crate) async fn preview(
    Shared(state): Shared<State>,
    Path(id): Path<String>,
    BodyIfAny(body): BodyIfAny<PreviewBody>,
) -> Result<Body<Shown>, Problem> {
    let follow_up = find(&state, id).await?;
    let variant = chosen(&follow_up, body.variant.as_deref(), body.locale.as_deref())?;
    if body
        .customer_name
        .as_ref()
        .is_some_and(|name| name.chars().count() > MAX_NAME_CHARS)
    {
        let detail = format!("a name has at most {MAX_NAME_CHARS} characters");
        return Err(vec![Fault::new("/customer_name", detail)].into());
    }
    let now = state.clock.now();
    let order_id = match body.order_id {
        Some(order_id) => order_id,
        None => {
            OrderId::try_from(ORDER_ID.to_owned()).map_err(|error| Problem::unavailable(&error))?
        }
    };
    let promotion = promotion_of(&state, variant, now).await?;
    let code_key = state.code_keys.of(&promotion).await?;
    let unsubscribe_url = state.shop.unsubscribe_url(NO_TOKEN);
    let sample = Sample {
        terms: &follow_up.terms,
        variant,
        promotion: &promotion,
        code_key: &code_key,
        shop: &state.shop,
        locale: body.locale.as_deref(),
        customer_name: body.customer_name.as_deref(),
        order_id: &order_id,
        unsubscribe_url: &unsubscribe_url,
        now,
    };
    let mail = sample.render().map_err(|error| unsendable(&error))?;
    Ok(Body(Shown {
        subject: mail.subject,
        html: mail.html,
        text: mail.text,
        headers: list_headers(THANK_YOU, &unsubscribe_url).into(),
    }))
}

/// Where a test mail goes, and which.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TestMailRequest)]
pub(crate) struct TestBody {
    /// The one recipient.
    #[schema(value_type = String, max_length = 254)]
    to: Email,
    /// The reader's language tag; as for a buyer of unknown language if absent.
    #[serde(default)]
    #[schema(max_length = 35)]
    locale: Option<String>,
    /// The variant's name; the first one if absent.
    #[serde(default)]
    variant: Option<String>,
}

/// A test mail and what became of it.
#[derive(Serialize, ToSchema)]
#[schema(as = TestMail)]
pub(crate) struct Asked {
    /// Its id.
    #[schema(value_type = String)]
    id: MailId,
    /// Whose mail is sampled.
    follow_up_id: FollowUpId,
    /// The variant's name.
    variant: String,
    /// Where it stands.
    state: TestMailState,
    /// Why it waits, or was not sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// When it was asked for.
    requested_at: DateTime<Utc>,
    /// When SES took it.
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_at: Option<DateTime<Utc>>,
}

impl From<TestMail> for Asked {
    fn from(mail: TestMail) -> Self {
        Self {
            id: mail.id,
            follow_up_id: mail.follow_up_id,
            variant: mail.variant,
            state: mail.state,
            reason: mail.reason,
            requested_at: mail.requested_at,
            sent_at: mail.sent_at,
        }
    }
}

/// Send a follow-up's mail to yourself
///
/// For a made-up order, with a made-up code that works nowhere and `[TEST]` before the subject. It is sent within a minute;
/// read it again to see what became of it. There are 20 in 10 minutes.
#[utoipa::path(
    post,
    path = "/v1/follow-ups/{id}/test",
    operation_id = "test_follow_up",
    tag = "Follow-ups",
    params(("id" = FollowUpId, Path, description = "The follow-up.")),
    request_body(content = TestBody, example = json!({"to": "staff@shop.example"})),
    responses(
        (status = 200, description = "It is on its way.", body = Asked),
        (status = 404, description = "There is no such follow-up."),
        (status = 422, description = "Nothing could be sent: no sender is set."),
        (status = 429, description = "There were 20 test mails in 10 minutes."),
    )
)]
pub(crate) async fn test(
    Shared(state): Shared<State>,
    Path(id): Path<String>,
    Body(body): Body<TestBody>,
) -> Result<Body<Asked>, Problem> {
    let follow_up = find(&state, id).await?;
    let variant = chosen(&follow_up, body.variant.as_deref(), body.locale.as_deref())?;
    if body.to.is_marketplace_alias() {
        let detail =
            "an address that Amazon gives to its buyers; the marketplace forbids to mail them";
        return Err(vec![Fault::new("/to", detail)].into());
    }
    if state.shop.sender_of(&follow_up.terms.mail).is_none() {
        return Err(unsendable(&SampleError::SenderMissing));
    }
    let now = state.clock.now();
    let counted = state.identity.person_by("test-mails", "");
    if let Some(again_at) = state.store.count_unknown_codes(&counted, 1, now).await? {
        return Err(Problem::too_many_test_mails(again_at, now));
    }
    let mail = TestMail {
        id: MailId::random(),
        state: TestMailState::Due,
        follow_up_id: follow_up.id.clone(),
        variant: variant.name.clone(),
        locale: body.locale,
        person: state.identity.person(&body.to),
        to: Some(body.to),
        requested_at: now,
        reason: None,
        sent_at: None,
        lease_until: None,
    };
    match state.store.queue_test_mail(&mail).await? {
        None => Ok(Body(mail.into())),
        Some(reason) => {
            let why = match reason {
                SuppressionReason::Unsubscribed => "whoever reads it unsubscribed",
                SuppressionReason::Bounced => "mail to it came back",
                SuppressionReason::Complained => "whoever reads it reported a mail as spam",
                SuppressionReason::Forgotten => "whoever reads it asked to be forgotten",
            };
            let detail = format!("this address must not be mailed: {why}");
            Err(vec![Fault::new("/to", detail)].into())
        }
    }
}

/// Read what became of a test mail
///
/// It is kept for a day.
#[utoipa::path(
    get,
    path = "/v1/follow-ups/{id}/test/{test_id}",
    operation_id = "read_test_mail",
    tag = "Follow-ups",
    params(
        ("id" = FollowUpId, Path, description = "The follow-up."),
        ("test_id" = String, Path, description = "The test mail."),
    ),
    responses(
        (status = 200, description = "The test mail as it stands.", body = Asked),
        (status = 404, description = "There is no such test mail."),
    )
)]
pub(crate) async fn read_test(
    Shared(state): Shared<State>,
    Path((id, test_id)): Path<(String, String)>,
) -> Result<Body<Asked>, Problem> {
    let unknown = || Problem::not_found("test mail");
    let test_id = MailId::try_from(test_id).map_err(|_| unknown())?;
    let mail = state.store.test_mail(&test_id, state.clock.now()).await?;
    let mail = mail.filter(|mail| mail.follow_up_id.as_str() == id);
    mail.map(|mail| Body(mail.into())).ok_or_else(unknown)
}

async fn find(state: &State, id: String) -> Result<FollowUp, Problem> {
    let unknown = || Problem::not_found("follow-up");
    let id = FollowUpId::try_from(id).map_err(|_| unknown())?;
    let follow_up = state.store.follow_up(&id).await?;
    follow_up.ok_or_else(unknown)
}

/// The arm that is sampled.
fn chosen<'a>(
    follow_up: &'a FollowUp,
    name: Option<&str>,
    locale: Option<&str>,
) -> Result<&'a Variant, Problem> {
    if locale.is_some_and(|tag| tag.len() > MAX_TAG_BYTES) {
        let detail = format!("a language tag has at most {MAX_TAG_BYTES} characters");
        return Err(vec![Fault::new("/locale", detail)].into());
    }
    let mut variants = follow_up.terms.variants.iter();
    let found = match name {
        None => variants.next(),
        Some(name) => variants.find(|variant| variant.name == name),
    };
    found.ok_or_else(|| {
        vec![Fault::new(
            "/variant",
            "the follow-up has no variant of this name",
        )]
        .into()
    })
}

async fn promotion_of(
    state: &State,
    variant: &Variant,
    now: DateTime<Utc>,
) -> Result<Promotion, Problem> {
    let id = &variant.promotion_id;
    let known = state
        .store
        .promotion(id, Freshness::Remembered, now)
        .await?;
    let known = known.ok_or_else(|| Problem::unsendable("The variant's promotion is missing."))?;
    Ok(Promotion::clone(&known.promotion))
}

fn unsendable(error: &SampleError) -> Problem {
    Problem::unsendable(match error {
        SampleError::SenderMissing => {
            "The law asks for a sender's name, address and contact in every mail: set `mail.sender` of the follow-up, or the deployment's."
        }
        SampleError::BeyondCalendar => "The mail would be due beyond the calendar.",
        SampleError::Render(_) => {
            "The follow-up's text fails for this sample: correct its templates."
        }
    })
}
