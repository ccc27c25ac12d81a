//! What the routes answer before anything is kept: neither queue nor quarantine is reached here, since nothing listens there.

use std::collections::BTreeMap;

use axum::body::Body as Stream;
use http::StatusCode;
use http_body_util::BodyExt;
use shared::http::body::MAX_BODY_BYTES;
use tower::ServiceExt;

use shared::metrics::Metrics;

use super::*;

const SECRET: &str = "whsec_b2thZXJpLWxvY2FsLXNlY3JldC0zMmJ5dGVzISEhIQ==";

fn state() -> State {
    let variables = [
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_REGION", "ap-northeast-1"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
        ("ORDERS_QUEUE_URL", "http://127.0.0.1:9/orders"),
        ("QUARANTINE_TABLE_NAME", "quarantine"),
    ];
    let pairs = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let env = Env::from_map(BTreeMap::from(pairs));
    let aws = Aws::from_env(&env).unwrap();
    let provider = ProviderSecrets {
        shop: "example.myshopify.com".to_owned(),
        secrets: vec![SECRET.to_owned()],
        ..ProviderSecrets::default()
    };
    let secrets = WebhookSecrets {
        standard: provider.clone(),
        shopify: provider.clone(),
        woocommerce: provider.clone(),
        stripe: provider,
    };
    State {
        secrets: Arc::new(secrets),
        queue: Arc::new(Queue::connect(&env, &aws).unwrap()),
        quarantine: Arc::new(Quarantine::connect(&env, &aws).unwrap()),
        metrics: Metrics::from_env(&env),
        clock: Clock::default(),
    }
}

fn signed_standard(state: &State, body: &str) -> http::request::Builder {
    let now = state.clock.now().timestamp();
    let signature = verify::sign_standard(SECRET, "msg_1", now, body.as_bytes()).unwrap();
    http::Request::post("/v1/webhooks/standard")
        .header("webhook-id", "msg_1")
        .header("webhook-timestamp", now.to_string())
        .header("webhook-signature", signature)
}

fn signed_shopify(body: &str) -> http::request::Builder {
    let signature = verify::sign_shopify(SECRET, body.as_bytes()).unwrap();
    http::Request::post("/v1/webhooks/shopify").header("x-shopify-hmac-sha256", signature)
}

fn signed_woocommerce(body: &str) -> http::request::Builder {
    let signature = verify::sign_woocommerce(SECRET, body.as_bytes()).unwrap();
    http::Request::post("/v1/webhooks/woocommerce").header("x-wc-webhook-signature", signature)
}

fn signed_stripe(state: &State, body: &str) -> http::request::Builder {
    let now = state.clock.now().timestamp();
    let signature = verify::sign_stripe(SECRET, now, body.as_bytes()).unwrap();
    http::Request::post("/v1/webhooks/stripe").header("stripe-signature", signature)
}

async fn answer(
    state: State,
    request: http::request::Builder,
    body: impl Into<Stream>,
) -> (StatusCode, String) {
    let request = request.body(body.into()).unwrap();
    let response = router(state).oneshot(request).await.unwrap();
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

#[tokio::test]
async fn every_bad_signature_gets_the_same_answer() {
    let state = state();
    let post = |path: &str| http::Request::post(path);
    let mut answers = Vec::new();
    for request in [
        post("/v1/webhooks/standard"),
        post("/v1/webhooks/shopify"),
        post("/v1/webhooks/woocommerce"),
        post("/v1/webhooks/stripe"),
        signed_woocommerce("other body"),
        signed_stripe(&state, "other body"),
        post("/v1/webhooks/shopify").header("x-shopify-hmac-sha256", ""),
        signed_shopify("other body"),
        signed_shopify("{}").header("x-shopify-hmac-sha256", "again"),
        signed_standard(&state, "other body"),
        signed_standard(&state, "{}").header("webhook-id", "again"),
    ] {
        answers.push(answer(state.clone(), request, "{}").await);
    }
    let late = [signed_standard(&state, "{}"), signed_stripe(&state, "{}")];
    state.clock.advance(chrono::TimeDelta::seconds(302));
    for late in late {
        answers.push(answer(state.clone(), late, "{}").await);
    }
    let mut unconfigured = state.clone();
    unconfigured.secrets = Arc::default();
    answers.push(answer(unconfigured, signed_shopify("{}"), "{}").await);
    assert_eq!(answers[0].0, StatusCode::UNAUTHORIZED);
    assert!(answers[0].1.contains("\"code\":\"unauthenticated\""));
    for answer in &answers {
        assert_eq!(answer, &answers[0]);
    }
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused_before_its_signature_is_looked_at() {
    let body = "x".repeat(MAX_BODY_BYTES + 1);
    let (status, _) = answer(state(), http::Request::post("/v1/webhooks/shopify"), body).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    let body = " ".repeat(MAX_BODY_BYTES - 2) + "{}";
    let request = signed_standard(&state(), &body);
    let (status, _) = answer(state(), request, body).await;
    // Signed and of a length that is allowed, but unusable; the quarantine does not answer here.
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn what_is_of_no_interest_is_received_whatever_its_content_type() {
    let ping = r#"{"type":"ping","timestamp":"2026-11-22T00:00:00Z","data":{}}"#;
    let unpaid = r#"{"id":1,"financial_status":"pending"}"#;
    let form = || {
        http::Request::post("/v1/webhooks/woocommerce")
            .header("content-type", "application/x-www-form-urlencoded")
    };
    let other = r#"{"type":"invoice.paid","data":{"object":{}}}"#;
    for (request, body) in [
        (signed_standard(&state(), ping), ping),
        (signed_shopify(unpaid), unpaid),
        (signed_woocommerce(r#"{"id":727}"#), r#"{"id":727}"#),
        (signed_stripe(&state(), other), other),
        // What WooCommerce sends unsigned when a webhook is switched on.
        (form(), "webhook_id=12"),
        (
            signed_shopify(unpaid).header("content-type", "application/x-www-form-urlencoded"),
            unpaid,
        ),
    ] {
        let answer = answer(state(), request, body).await;
        assert_eq!(
            answer,
            (
                StatusCode::OK,
                r#"{"received":true,"queued":false}"#.to_owned()
            )
        );
    }
}

#[tokio::test]
async fn a_ping_is_only_a_ping_where_it_says_nothing_else() {
    for body in [
        "webhook_id=",
        "webhook_id=1&id=2",
        "webhook_id=x",
        "webhook_id",
        "{}",
    ] {
        let form = http::Request::post("/v1/webhooks/woocommerce");
        assert_eq!(
            answer(state(), form, body).await.0,
            StatusCode::UNAUTHORIZED,
            "{body}"
        );
    }
    let forged =
        http::Request::post("/v1/webhooks/woocommerce").header("x-wc-webhook-signature", "");
    let (status, _) = answer(state(), forged, "webhook_id=12").await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let elsewhere = http::Request::post("/v1/webhooks/shopify");
    let (status, _) = answer(state(), elsewhere, "webhook_id=12").await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_order_that_cannot_be_queued_is_not_acknowledged() {
    let body = r#"{"id":1,"financial_status":"paid","currency":"JPY","current_total_price":"1"}"#;
    let (status, text) = answer(state(), signed_shopify(body), body).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(text.contains("\"code\":\"unavailable\""), "{text}");
}
