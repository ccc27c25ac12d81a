//! Bodies of creating requests, which may name themselves with an `Idempotency-Key`.

use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::de::DeserializeOwned;

use super::body;
use super::problem::{FieldError, Problem};
use crate::store::{ApiKey, Created, Idempotency};

/// Longest `Idempotency-Key`, in bytes: as Stripe's.
const MAX_KEY_BYTES: usize = 255;

/// A JSON body and what names the request.
#[derive(Clone, Debug)]
pub struct Creating<T> {
    /// What is to be created.
    pub body: T,
    /// How a repetition is known, if the caller sent an `Idempotency-Key`.
    pub request: Option<Idempotency>,
}

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Creating<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        let key_digest = request
            .extensions()
            .get::<ApiKey>()
            .map(|key| key.digest.clone())
            .unwrap_or_default();
        let path = request.uri().path().to_owned();
        let named = request
            .headers()
            .get("idempotency-key")
            .map(read_key)
            .transpose()?;
        let bytes = body::read(request).await?;
        let refuse = |error| Problem::invalid_body(vec![error]);
        let body = body::parse(&bytes).map_err(refuse)?;
        // Compared as JSON: key order and white space make no other request.
        let json: serde_json::Value = body::parse(&bytes).map_err(refuse)?;
        let request = named.map(|named| Idempotency::new(&key_digest, &named, &path, &json));
        Ok(Self { body, request })
    }
}

fn read_key(value: &HeaderValue) -> Result<String, Problem> {
    let text = value
        .to_str()
        .ok()
        .map(str::trim)
        .filter(|text| (1..=MAX_KEY_BYTES).contains(&text.len()));
    text.map(str::to_owned).ok_or_else(|| {
        let detail = format!(
            "the Idempotency-Key header has 1 to {MAX_KEY_BYTES} printable ASCII characters"
        );
        Problem::invalid_body(vec![FieldError::new("", detail)])
    })
}

/// The 201 of something created now (`answer`) or by the same request before.
pub fn created(created: Created, answer: String) -> Response {
    let body = match created {
        Created::Now => answer,
        Created::Before(answer) => answer,
    };
    (
        StatusCode::CREATED,
        [(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        )],
        body,
    )
        .into_response()
}
