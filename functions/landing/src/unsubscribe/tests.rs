//! Without a table: what a `POST` does is tested through the local stack.

use axum::body::Body;
use http::{Request, header};
use http_body_util::BodyExt;
use shared::clock::Clock;
use shared::domain::identity::{Email, IdentityKey};
use shared::domain::link::CartUrl;
use shared::env::Env;
use shared::mailer::Shop;
use tower::ServiceExt;

use super::*;

/// A table at a port that nothing listens on.
pub(crate) fn state() -> State {
    let env = [
        ("AWS_REGION", "local"),
        ("AWS_ACCESS_KEY_ID", "x"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
        ("TABLE_NAME", "okaeri"),
    ];
    let env = Env::from_map(
        env.map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
    );
    let aws = shared::aws::Aws::from_env(&env).unwrap();
    State {
        store: shared::store::Store::connect(&env, &aws).unwrap().into(),
        identity: IdentityKey::from_secret(b"secret").into(),
        clock: Clock::default(),
        cart: CartUrl::new(None, "https://shop.example").unwrap().into(),
        shop: Shop {
            shop_name: "はなこ <b>商店</b>".to_owned(),
            shop_url: "https://shop.example".to_owned(),
            public_url: "https://api.example".to_owned(),
            sender: None,
            zone: chrono_tz::Asia::Tokyo,
        }
        .into(),
        site: crate::Site::default().into(),
    }
}

fn token(state: &State) -> String {
    let email = Email::try_from("a@b.jp".to_owned()).unwrap();
    state
        .identity
        .unsubscribe_token(&state.identity.person(&email))
}

async fn call(method: &str, path: &str, language: &str) -> (StatusCode, String) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::ACCEPT_LANGUAGE, language)
        .body(Body::empty())
        .unwrap();
    let response = crate::router(state()).oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.into()).unwrap())
}

#[tokio::test]
async fn looking_needs_no_table_and_offers_one_button() {
    let token = token(&state());
    for (path, language, button) in [
        (format!("/u/{token}"), "ja-JP,ja;q=0.9", "配信を停止する"),
        (format!("/u/{token}"), "de", "Stop these mails"),
        (format!("/u/{token}?lang=ja"), "en", "配信を停止する"),
    ] {
        let (status, page) = call("GET", &path, language).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(page.matches("<button>").count(), 1);
        assert!(
            page.contains(&format!("<form method=\"post\"><button>{button}")),
            "{page}"
        );
        assert!(page.contains("&lt;b&gt;商店"), "{page}");
        for outside in ["http:", "https:", "<script", "<img", "<link"] {
            assert!(!page.contains(outside), "{outside}: {page}");
        }
    }
}

#[tokio::test]
async fn every_token_that_is_not_ours_gets_the_same_page() {
    let good = token(&state());
    let (_, expected) = call("GET", "/u/x", "en").await;
    for token in [
        &good[..good.len() - 1],
        "u1..",
        "%F0%9F%92%A9",
        "%FF",
        "u2.a.b",
        "",
        "u1.a/b",
        &"x".repeat(2_000),
    ] {
        for method in ["GET", "POST"] {
            let (status, page) = call(method, &format!("/u/{token}"), "en").await;
            assert_eq!(status, StatusCode::NOT_FOUND, "{method} {token}");
            assert_eq!(page, expected, "{method} {token}");
        }
    }
}

#[tokio::test]
async fn health_needs_nothing() {
    assert_eq!(call("GET", "/healthz", "en").await.0, StatusCode::OK);
}
