//! The API's description: the OpenAPI document, and a page to read and try it. Everything is in the binary, nothing is loaded
//! from elsewhere, and nothing here needs a key.

use std::borrow::Cow;
use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderName, HeaderValue, header};
use shared::http::Problem;
use shared::http::openapi::{self, Access};
use utoipa_swagger_ui::{Config, serve};

/// The document as it was reviewed: what `okaeri openapi` prints. A test says when it no longer is.
pub const DOCUMENT: &str = include_str!("../openapi.json");

const PAGE: &str = include_str!("page.html");
const START: &str = include_str!("start.js");
/// Files of Swagger UI that the page loads.
const ASSETS: [&str; 3] = [
    "swagger-ui.css",
    "swagger-ui-bundle.js",
    "favicon-32x32.png",
];
/// Only our own files; Swagger UI has its icons in the style sheet.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";
/// How long a caller may keep an answer; a deployment changes it.
const SOON: &str = "public, max-age=300";

/// The public routes.
pub fn router() -> Router {
    Router::new()
        .route("/v1/openapi.json", get(document))
        .route("/docs", get(page))
        .route("/docs/{file}", get(file))
}

/// What each call of the function takes and answers.
#[derive(utoipa::OpenApi)]
#[openapi(paths(document, page))]
struct Calls;

/// The function's part of the OpenAPI document.
pub fn openapi() -> utoipa::openapi::OpenApi {
    openapi::complete(<Calls as utoipa::OpenApi>::openapi(), Access::Public)
}

/// Read this document
#[utoipa::path(
    get,
    path = "/v1/openapi.json",
    operation_id = "read_openapi",
    tag = "Public pages",
    responses((status = 200, description = "The OpenAPI document.", body = Object, content_type = "application/json"))
)]
async fn document() -> Response {
    answer("application/json", DOCUMENT.as_bytes().into())
}

/// Show this document
#[utoipa::path(
    get,
    path = "/docs",
    operation_id = "show_docs",
    tag = "Public pages",
    responses((status = 200, description = "A page to read and try it.", body = String, content_type = "text/html"))
)]
async fn page() -> Response {
    let mut response = answer("text/html; charset=utf-8", PAGE.as_bytes().into());
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(POLICY),
    );
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    headers.insert(
        HeaderName::from_static("x-robots-tag"),
        HeaderValue::from_static("noindex"),
    );
    response
}

async fn file(name: Result<Path<String>, axum::extract::rejection::PathRejection>) -> Response {
    let unknown = || Problem::not_found("file").into_response();
    let Ok(Path(name)) = name else {
        return unknown();
    };
    if name == "start.js" {
        return answer("text/javascript; charset=utf-8", START.as_bytes().into());
    }
    if !ASSETS.contains(&name.as_str()) {
        return unknown();
    }
    match serve(&name, Arc::new(Config::from("/v1/openapi.json"))) {
        Ok(Some(file)) => answer(&file.content_type, file.bytes),
        Ok(None) | Err(_) => unknown(),
    }
}

fn answer(content_type: &str, bytes: Cow<'static, [u8]>) -> Response {
    let mut response = bytes.into_response();
    for (name, value) in [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, SOON),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use http::{Request, Response, StatusCode};
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    async fn get(path: &str) -> Response<axum::body::Body> {
        let request = Request::get(path).body(axum::body::Body::empty()).unwrap();
        router().oneshot(request).await.unwrap()
    }

    #[tokio::test]
    async fn every_file_the_page_names_is_served_and_no_other() {
        let mut addresses: Vec<&str> = PAGE
            .split('"')
            .filter(|text| text.starts_with('/') || text.contains("//"))
            .collect();
        addresses.push("/docs");
        for address in addresses {
            let response = get(address).await;
            assert_eq!(response.status(), StatusCode::OK, "{address}");
            let bytes = response.into_body().collect().await.unwrap().to_bytes();
            assert!(!bytes.is_empty(), "{address}");
        }
        for address in ["/docs/index.html", "/docs/%FF", "/docs/..%2Fpage.html"] {
            assert_eq!(
                get(address).await.status(),
                StatusCode::NOT_FOUND,
                "{address}"
            );
        }
    }

    #[tokio::test]
    async fn the_page_may_load_nothing_from_elsewhere() {
        let response = get("/docs").await;
        let policy = response.headers()["content-security-policy"]
            .to_str()
            .unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; "));
        assert!(
            !policy.contains("http") && !policy.contains('*'),
            "{policy}"
        );
    }
}
