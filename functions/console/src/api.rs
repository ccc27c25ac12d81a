//! The admin API, called in this process: one set of rules and errors, whoever asks.

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use serde::Deserialize;
use serde_json::Value;
use tower::ServiceExt as _;

use crate::visit::Visit;

/// The admin API's routes, behind whose guard the console stands: it has judged the key itself.
#[derive(Clone, Debug)]
pub struct Api(Router);

/// What the API refused, and why.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Refusal {
    /// The status it would have answered.
    #[serde(skip)]
    pub status: StatusCode,
    /// Its stable name, such as `version-conflict`.
    #[serde(default)]
    pub code: String,
    /// A sentence about it, in English.
    #[serde(default)]
    pub detail: String,
    /// What is wrong with which value.
    #[serde(default)]
    pub errors: Vec<Wrong>,
}

/// One value that the API did not take.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Wrong {
    /// JSON pointer to it.
    pub pointer: String,
    /// What is wrong with it, in English.
    pub detail: String,
}

impl Refusal {
    /// All it says, as one line.
    pub fn words(&self) -> String {
        let details = self.errors.iter().map(|wrong| wrong.detail.as_str());
        let all: Vec<&str> = if self.errors.is_empty() {
            vec![self.detail.as_str()]
        } else {
            details.collect()
        };
        all.join("; ")
    }
}

/// A call of the API.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    method: Method,
    path: &'a str,
    body: Option<Value>,
    once: Option<&'a str>,
    accept: &'a str,
}

impl<'a> Call<'a> {
    /// A call without a body.
    pub fn new(method: Method, path: &'a str) -> Self {
        Self {
            method,
            path,
            body: None,
            once: None,
            accept: "application/json",
        }
    }

    /// With a JSON body.
    #[must_use]
    pub fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// With an `Idempotency-Key`: the same form sent twice does it once.
    #[must_use]
    pub fn once(mut self, key: &'a str) -> Self {
        self.once = Some(key).filter(|key| !key.is_empty());
        self
    }

    /// As CSV.
    #[must_use]
    pub fn csv(mut self) -> Self {
        self.accept = "text/csv";
        self
    }
}

/// A text of an answer; empty if it has none of that name.
pub fn text<'a>(answer: &'a Value, name: &str) -> &'a str {
    answer.get(name).and_then(Value::as_str).unwrap_or_default()
}

impl Api {
    /// The API behind these routes.
    pub fn new(routes: Router) -> Self {
        Self(routes)
    }

    /// What a call answers, as JSON.
    ///
    /// # Errors
    /// A [`Refusal`] with the API's own words.
    pub async fn call(&self, visit: &Visit, call: Call<'_>) -> Result<Value, Refusal> {
        let (_, bytes) = self.raw(visit, call).await?;
        serde_json::from_slice(&bytes).map_err(|error| Refusal::internal(&error))
    }

    /// What a call answers, as it is.
    ///
    /// # Errors
    /// A [`Refusal`] with the API's own words.
    pub async fn raw(&self, visit: &Visit, call: Call<'_>) -> Result<(HeaderMap, Bytes), Refusal> {
        let mut request = Request::builder()
            .method(call.method)
            .uri(call.path)
            .header(header::ACCEPT, call.accept)
            .extension(visit.key.clone());
        if let Some(once) = call.once {
            request = request.header("idempotency-key", once);
        }
        let body = call.body.map(|body| body.to_string()).unwrap_or_default();
        let request = request
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body))
            .map_err(|error| Refusal::internal(&error))?;
        let Ok(response) = self.0.clone().oneshot(request).await;
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await;
        let bytes = bytes.map_err(|error| Refusal::internal(&error))?.to_bytes();
        if parts.status.is_success() {
            return Ok((parts.headers, bytes));
        }
        let mut refusal: Refusal = serde_json::from_slice(&bytes).unwrap_or_else(|_| Refusal {
            status: parts.status,
            code: String::new(),
            detail: String::new(),
            errors: Vec::new(),
        });
        refusal.status = parts.status;
        Err(refusal)
    }

    /// What `GET path` answers.
    ///
    /// # Errors
    /// A [`Refusal`] with the API's own words.
    pub async fn get(&self, visit: &Visit, path: &str) -> Result<Value, Refusal> {
        self.call(visit, Call::new(Method::GET, path)).await
    }

    /// What `POST path` with this body answers; `Value::Null` sends none.
    ///
    /// # Errors
    /// A [`Refusal`] with the API's own words.
    pub async fn post(&self, visit: &Visit, path: &str, body: Value) -> Result<Value, Refusal> {
        let call = Call::new(Method::POST, path);
        let call = if body.is_null() {
            call
        } else {
            call.body(body)
        };
        self.call(visit, call).await
    }
}

impl Refusal {
    fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "the admin API could not be called");
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            code: "unavailable".to_owned(),
            detail: "The admin API did not answer.".to_owned(),
            errors: Vec::new(),
        }
    }
}
