//! Failures as `application/problem+json` (RFC 9457), each with a stable `code`.
#![deny(clippy::wildcard_enum_match_arm)]

use axum::extract::rejection::QueryRejection;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use http::{HeaderValue, StatusCode, header};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::checkout::{CheckoutError, code_answers};
use crate::domain::Fault;
use crate::domain::redemption::{CodeAnswer, Reason, TooManyAttempts};
use crate::domain::returns::ReturnRefusal;
use crate::env::StartError;
use crate::queue::QueueError;
use crate::store::{
    ChangeError, ConfirmError, CreateError, MintError, ReturnError, StoreError, SwitchError,
};

/// Every code a failure can have, by status.
pub const CODES: [&str; 18] = [
    "invalid-body",
    "unauthenticated",
    "forbidden",
    "not-found",
    "code-unknown",
    "method-not-allowed",
    "code-already-redeemed",
    "order-already-redeemed",
    "order-cancelled",
    "hold-lapsed",
    "version-conflict",
    "code-taken",
    "slug-taken",
    "body-too-large",
    "not-applicable",
    "idempotency-key-reused",
    "too-many-attempts",
    "unavailable",
];

/// One thing wrong with a request's body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// JSON pointer (RFC 6901) to the value; empty for the whole body.
    pub pointer: String,
    /// What is wrong with it and what would be right.
    pub detail: String,
}

impl FieldError {
    /// An error at `pointer`.
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            detail: detail.into(),
        }
    }
}

/// A failure as the caller sees it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Problem {
    title: &'static str,
    status: u16,
    /// Also the last part of its `type`.
    #[serde(flatten, serialize_with = "type_and_code")]
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    /// What happened to each code, where codes were refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    codes: Option<Box<serde_json::Value>>,
    /// Seconds after which to try again, for the `Retry-After` header.
    #[serde(skip)]
    retry_after: Option<u64>,
}

fn type_and_code<S: Serializer>(code: &str, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(2))?;
    map.serialize_entry("type", &format!("urn:okaeri:problem:{code}"))?;
    map.serialize_entry("code", code)?;
    map.end()
}

impl Problem {
    /// A failure with its status, stable code and fixed title.
    pub fn new(status: StatusCode, code: &'static str, title: &'static str) -> Self {
        Self {
            title,
            status: status.as_u16(),
            code,
            detail: None,
            errors: Vec::new(),
            codes: None,
            retry_after: None,
        }
    }

    /// Adds a sentence that helps the caller: what happened, what was kept, what to do next.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds what happened to each code.
    #[must_use]
    pub fn codes(mut self, codes: serde_json::Value) -> Self {
        self.codes = Some(Box::new(codes));
        self
    }

    /// The body does not say what it must: 400 with one entry for each thing wrong.
    pub fn invalid_body(errors: Vec<FieldError>) -> Self {
        let mut problem = Self::new(
            StatusCode::BAD_REQUEST,
            "invalid-body",
            "The request is not valid",
        );
        problem.errors = errors;
        problem.detail(
            "Nothing was changed. Correct what `errors` points at and send the request again.",
        )
    }

    /// The body's signature is none of ours: 401, the same whatever is wrong with it, so that it helps nobody to guess.
    pub fn bad_signature() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "A valid key is needed")
            .detail("The request is not signed with this endpoint's secret, or its signature is too old. Nothing was changed.")
    }

    /// No such thing: 404.
    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found")
            .detail(format!("There is no such {what}."))
    }

    /// A link's slug is, or was, in use: 409.
    pub fn slug_taken() -> Self {
        Self::new(StatusCode::CONFLICT, "slug-taken", "The slug is in use").detail(
            "A link has, or had, this slug. Nothing was changed: choose another, or leave it out.",
        )
    }

    /// No such code: 404.
    pub fn code_unknown() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "code-unknown",
            "There is no such code",
        )
    }

    /// Nothing is known about the outcome: 503, to be sent again. The cause is logged, never sent.
    pub fn unavailable(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(%cause, "answered 503");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Temporarily unavailable")
            .detail("The request may or may not have been applied. Send the same request again: it is never applied twice.")
    }

    /// A follow-up's mail could not be sent, for a reason of its own: 422.
    pub fn unsendable(why: &str) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "not-applicable",
            "The mail cannot be sent",
        )
        .detail(why)
    }

    /// More test mails than anybody needs: 429 until `again_at`.
    pub fn too_many_test_mails(again_at: DateTime<Utc>, now: DateTime<Utc>) -> Self {
        let mut problem = Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too-many-attempts",
            "Too many test mails",
        )
        .detail(
            "There were 20 test mails in 10 minutes. Ask for another after `Retry-After` seconds.",
        );
        let seconds = again_at.signed_duration_since(now).num_seconds();
        problem.retry_after = Some(u64::try_from(seconds).unwrap_or_default().max(1));
        problem
    }

    fn idempotency_key_reused() -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key-reused", "The Idempotency-Key was used before")
            .detail("The same Idempotency-Key came with another request. Nothing was changed: use a new key for a new request.")
    }

    fn order_cancelled() -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "order-cancelled",
            "The order was cancelled",
        )
        .detail("Cancelling is final: this order id can never redeem again. Use a new order id.")
    }

    fn hold_lapsed() -> Self {
        Self::new(StatusCode::CONFLICT, "hold-lapsed", "The hold is over")
            .detail("The order was not confirmed in time, and its codes were given back. Redeem them again, under the same order id if you like.")
    }

    fn refused_codes(codes: &[CodeAnswer]) -> Self {
        let gravest = codes
            .iter()
            .filter_map(|code| code.reason)
            .map(gravity)
            .min();
        let problem = match gravest.unwrap_or(Gravity::NotApplicable) {
            Gravity::Unknown => Self::code_unknown(),
            Gravity::Redeemed => Self::new(
                StatusCode::CONFLICT,
                "code-already-redeemed",
                "The code was used by another order",
            ),
            Gravity::NotApplicable => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "not-applicable",
                "A code does not apply",
            ),
        };
        let problem = problem.detail("Nothing was redeemed. `codes` says what happened to each code; leave out those that do not apply.");
        match serde_json::to_value(codes) {
            Ok(codes) => problem.codes(codes),
            Err(_) => problem,
        }
    }

    /// The problem's stable code.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The problem's status.
    pub fn status(&self) -> u16 {
        self.status
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Unavailable(_) | StoreError::Corrupt(_) => Self::unavailable(&error),
        }
    }
}

/// What stands behind the `?` of an address cannot be read.
impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::invalid_body(vec![FieldError::new("", rejection.body_text())])
    }
}

impl From<QueueError> for Problem {
    fn from(error: QueueError) -> Self {
        Self::unavailable(&error)
    }
}

impl From<StartError> for Problem {
    fn from(error: StartError) -> Self {
        match &error {
            StartError::Missing(_) | StartError::Unusable { .. } | StartError::Secret { .. } => {
                Self::unavailable(&error)
            }
        }
    }
}

impl From<Vec<Fault>> for Problem {
    fn from(faults: Vec<Fault>) -> Self {
        Self::invalid_body(
            faults
                .into_iter()
                .map(|fault| FieldError::new(fault.pointer, fault.detail))
                .collect(),
        )
    }
}

impl From<CreateError> for Problem {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::KeyReused => Self::idempotency_key_reused(),
            CreateError::Taken => Self::new(StatusCode::CONFLICT, "code-taken", "The code is in use")
                .detail("A code that reads the same exists already in this shop. Nothing was changed: choose another word."),
            CreateError::Store(error) => error.into(),
        }
    }
}

impl From<MintError> for Problem {
    fn from(error: MintError) -> Self {
        match error {
            MintError::Unknown => Self::not_found("promotion"),
            MintError::NotEnoughLeft { left } => {
                let detail = format!("this promotion has only {left} codes left to mint");
                Self::invalid_body(vec![FieldError::new("/count", detail)])
            }
            MintError::KeyReused => Self::idempotency_key_reused(),
            MintError::Store(error) => error.into(),
        }
    }
}

impl From<SwitchError> for Problem {
    fn from(error: SwitchError) -> Self {
        match error {
            SwitchError::Unknown => Self::not_found("promotion"),
            SwitchError::Ended => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "not-applicable",
                "The promotion was ended",
            )
            .detail(
                "Ending a promotion is final. Nothing was changed: create a new promotion instead.",
            ),
            SwitchError::Store(error) => error.into(),
        }
    }
}

impl From<ChangeError> for Problem {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Conflict => Self::new(
                StatusCode::CONFLICT,
                "version-conflict",
                "The promotion has another version",
            )
            .detail("It was changed since you read it. Nothing was changed: read it again and repeat your change with its `version`."),
            ChangeError::BelowSpent { budget, redemptions } => {
                let fault = |field: &str, spent: Option<u64>| {
                    let detail = format!("it has spent {} already, which a limit cannot be below", spent?);
                    Some(FieldError::new(format!("/limits/{field}"), detail))
                };
                let faults = [fault("budget", budget), fault("redemptions", redemptions)];
                Self::invalid_body(faults.into_iter().flatten().collect())
            }
            ChangeError::Store(error) => error.into(),
        }
    }
}

impl From<TooManyAttempts> for Problem {
    fn from(TooManyAttempts { retry_after }: TooManyAttempts) -> Self {
        let mut problem = Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too-many-attempts",
            "Too many unknown codes",
        )
        .detail("Too many unknown codes were tried for this customer or address. Codes that exist still work; try others after `Retry-After` seconds.");
        problem.retry_after = Some(retry_after);
        problem
    }
}

impl From<CheckoutError> for Problem {
    fn from(error: CheckoutError) -> Self {
        match error {
            CheckoutError::Refused(codes) => Self::refused_codes(&code_answers(&codes)),
            CheckoutError::Nothing => {
                let detail =
                    "send at least one code: the shop has no open promotion that applies by itself";
                Self::invalid_body(vec![FieldError::new("/codes", detail)])
            }
            CheckoutError::AlreadyRedeemed => {
                Self::new(StatusCode::CONFLICT, "order-already-redeemed", "The order has redeemed something else")
                    .detail("This order id was redeemed with other codes, customer or cart. That redemption stands; read it with GET.")
            }
            CheckoutError::Cancelled => Self::order_cancelled(),
            CheckoutError::Store(error) => error.into(),
            CheckoutError::Keys(error) => error.into(),
        }
    }
}

impl From<ConfirmError> for Problem {
    fn from(error: ConfirmError) -> Self {
        match error {
            ConfirmError::Unknown => Self::not_found("redemption"),
            ConfirmError::Lapsed => Self::hold_lapsed(),
            ConfirmError::Cancelled => Self::order_cancelled(),
            ConfirmError::Store(error) => error.into(),
        }
    }
}

impl From<ReturnError> for Problem {
    fn from(error: ReturnError) -> Self {
        match error {
            ReturnError::Unknown => Self::not_found("redemption"),
            ReturnError::Refused(refusal) => refusal.into(),
            ReturnError::Store(error) => error.into(),
        }
    }
}

impl From<ReturnRefusal> for Problem {
    fn from(refusal: ReturnRefusal) -> Self {
        match refusal {
            ReturnRefusal::IdReused => Self::idempotency_key_reused().detail(
                "The same return_id came with other lines before. Nothing was changed: use a new return_id for a new return.",
            ),
            ReturnRefusal::Held => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "not-applicable", "The order is only held")
                .detail("Nothing was changed. Confirm the order before its lines are returned, or cancel it."),
            ReturnRefusal::Lapsed => Self::hold_lapsed(),
            ReturnRefusal::Cancelled => Self::order_cancelled(),
            ReturnRefusal::Faults(faults) => faults.into(),
        }
    }
}

/// What a refused redemption is answered with, gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Gravity {
    Unknown,
    Redeemed,
    NotApplicable,
}

fn gravity(reason: Reason) -> Gravity {
    match reason {
        Reason::CodeUnknown => Gravity::Unknown,
        Reason::CodeAlreadyRedeemed => Gravity::Redeemed,
        Reason::NotStarted
        | Reason::Expired
        | Reason::BudgetExhausted
        | Reason::RedemptionsExhausted
        | Reason::CustomerLimitReached
        | Reason::CustomerRequired
        | Reason::OtherCustomer
        | Reason::Paused
        | Reason::Ended
        | Reason::Voided
        | Reason::MinimumNotMet
        | Reason::NoEligibleProducts
        | Reason::CurrencyMismatch
        | Reason::NotCombinable
        | Reason::BetterOneApplied => Gravity::NotApplicable,
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        } else if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
