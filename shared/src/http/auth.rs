//! Bearer keys: judged before the body is looked at.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, StatusCode, header};

use super::problem::Problem;
use crate::clock::Clock;
use crate::store::{ApiKey, Scope, Store};

/// What a route needs to judge a key.
#[derive(Clone, Debug)]
pub struct Guard {
    /// Where keys are kept.
    pub store: Arc<Store>,
    /// Ages of remembered keys are judged by it.
    pub clock: Clock,
    /// What the route needs.
    pub scope: Scope,
}

/// Middleware: lets a request pass if its key covers the guard's scope, and leaves the [`ApiKey`] in its extensions.
///
/// # Errors
/// 401 without a valid key, 403 if its scope is too narrow, 503 if keys cannot be read.
pub async fn require(
    State(guard): State<Guard>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let text = bearer(request.headers())
        .ok_or_else(unauthenticated)?
        .to_owned();
    let key: ApiKey = guard
        .store
        .api_key(&text, guard.clock.now())
        .await?
        .ok_or_else(unauthenticated)?;
    if !key.scope.covers(guard.scope) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", "This key may not do that")
            .detail("This call needs a key of scope `admin`. Make one with `okaeri keys create --scope admin`."));
    }
    request.extensions_mut().insert(key);
    Ok(next.run(request).await)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, text) = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')?;
    let text = text.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !text.is_empty()).then_some(text)
}

fn unauthenticated() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "unauthenticated",
        "A valid key is needed",
    )
    .detail("Send `Authorization: Bearer <key>` with a key made by `okaeri keys create`.")
}
