//! What every HTTP function answers the same way.

use axum::Router;
use http::StatusCode;

use super::problem::Problem;

/// Adds the answers that no route gives: 404 for unknown paths and 405 for unknown methods. The local stack adds them once to
/// the merged routers of all functions.
pub fn finish(router: Router) -> Router {
    router
        .fallback(unknown_route)
        .method_not_allowed_fallback(unknown_method)
}

async fn unknown_route() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not-found", "Not found")
        .detail("There is nothing at this path.")
}

async fn unknown_method() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method-not-allowed",
        "Method not allowed",
    )
    .detail("This path does not take that method.")
}
