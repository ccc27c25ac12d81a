//! Who may see and do anything.

use chrono::TimeDelta;
use integration::Stack;
use okaeri::local::{ADMIN_KEY, CHECKOUT_KEY};
use reqwest::Method;
use serde_json::{Value, json};
use shared::store::{NewApiKey, Scope};

use super::{Staff, hidden, location};

/// Every page, and every form's address, of those that this crate of tests knows. `THX9` is no promotion.
const PAGES: [&str; 22] = [
    "/console",
    "/console/promotions",
    "/console/promotions?view=active",
    "/console/promotions/new",
    "/console/promotions/new/percent_off",
    "/console/promotions/THX9",
    "/console/promotions/THX9/codes",
    "/console/promotions/THX9/channels",
    "/console/promotions/THX9/sales",
    "/console/promotions/THX9/terms",
    "/console/promotions/THX9/history",
    "/console/promotions/THX9/edit",
    "/console/promotions/THX9/pause",
    "/console/promotions/THX9/resume",
    "/console/promotions/THX9/end",
    "/console/promotions/THX9/batches/x/1/codes.csv",
    "/console/promotions/THX9/batches/x/void",
    "/console/channels",
    "/console/channels/new",
    "/console/channels/links/thx9-THX9",
    "/console/channels/links/THX9/delete",
    "/console/nothing",
];

const FORMS: [&str; 14] = [
    "/console/promotions/search",
    "/console/promotions/new/percent_off",
    "/console/promotions/new/percent_off/price",
    "/console/promotions/THX9/codes",
    "/console/promotions/THX9/edit",
    "/console/promotions/THX9/pause",
    "/console/promotions/THX9/resume",
    "/console/promotions/THX9/end",
    "/console/promotions/THX9/batches/x/void",
    "/console/codes/lookup",
    "/console/codes/void",
    "/console/channels/new",
    "/console/channels/links/thx9",
    "/console/channels/links/thx9/delete",
];

#[tokio::test]
async fn without_a_session_every_page_leads_to_the_sign_in_and_every_form_is_refused() {
    let stack = Stack::start().await;
    let mut stranger = Staff::stranger(&stack);
    for path in PAGES {
        let answer = stranger.get(path).await;
        assert_eq!(answer.status, 303, "{path}");
        assert!(
            location(&answer).starts_with("/console/sign-in"),
            "{path}: {}",
            location(&answer)
        );
    }
    for path in FORMS {
        let answer = stranger.post(path, &[("name", "x")]).await;
        assert_eq!(answer.status, 401, "{path}");
        assert!(
            answer.text.contains("action=\"/console/sign-in\""),
            "{path}"
        );
    }
    for cookie in [
        "okaeri-session=",
        "okaeri-session=s1.a.b.1.2.c",
        "__Secure-okaeri-session=x",
    ] {
        let request = stranger
            .request(Method::GET, "/console")
            .header("cookie", cookie);
        assert_eq!(stranger.send(request).await.status, 303, "{cookie}");
    }
}

#[tokio::test]
async fn signed_in_every_page_is_there_or_says_in_the_frame_that_it_is_not() {
    let stack = Stack::start().await;
    let mut staff = Staff::signed_in(&stack).await;
    for path in PAGES {
        let answer = staff.get(path).await;
        let expected = if path.contains("THX9") || path.ends_with("nothing") {
            404
        } else {
            200
        };
        assert_eq!(answer.status, expected, "{path}");
        assert!(
            answer.text.contains("href=\"/console/promotions\""),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_form_from_elsewhere_from_nowhere_or_without_its_token_is_refused_and_changes_nothing() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    let path = format!(
        "/console/promotions/{}/pause",
        promotion["id"].as_str().unwrap()
    );
    let mut staff = Staff::signed_in(&stack).await;
    staff.get(&path).await.expect(200);
    let body = staff.form(&[]);
    let url = stack.running().url().to_owned();
    let port = url.rsplit_once(':').unwrap().1;
    let foreign = [
        None,
        Some("null".to_owned()),
        Some("https://evil.example".to_owned()),
        Some(format!("http://evil.example:{port}")),
        Some(format!("https://127.0.0.1:{port}")),
        Some("http://127.0.0.1:1".to_owned()),
        Some(format!("{url}.evil.example")),
    ];
    for origin in foreign {
        let mut request = staff.request(Method::POST, &path).body(body.clone());
        if let Some(origin) = &origin {
            request = request.header("origin", origin);
        }
        let answer = staff.send(request).await;
        assert_eq!(answer.status, 403, "{origin:?}");
    }
    for token in ["", "x", &"0".repeat(64)] {
        let request = staff.request(Method::POST, &path).header("origin", &url);
        let answer = staff.send(request.body(format!("token={token}"))).await;
        assert_eq!(answer.status, 403, "{token}");
    }
    // Another session's token is good for that session alone.
    let mut other = Staff::signed_in(&stack).await;
    other.get("/console").await.expect(200);
    let request = staff.request(Method::POST, &path).header("origin", &url);
    let answer = staff
        .send(request.body(format!("token={}", other.token)))
        .await;
    assert_eq!(answer.status, 403);
    let call = format!("GET /v1/promotions/{}", promotion["id"].as_str().unwrap());
    let seen = stack.admin(&call, Value::Null).await.expect(200).body;
    assert_eq!(seen["version"], 1);
    let local = staff
        .request(Method::POST, &path)
        .header("origin", format!("http://localhost:{port}"));
    assert_eq!(
        staff.send(local.body(body)).await.status,
        303,
        "another name of this machine"
    );
}

#[tokio::test]
async fn only_an_admin_key_signs_in_and_what_is_wrong_with_another_is_not_said() {
    let stack = Stack::start().await;
    let mut stranger = Staff::stranger(&stack);
    stranger.language = "ja";
    for key in ["", "okaeri_wrong", CHECKOUT_KEY, &ADMIN_KEY.to_uppercase()] {
        let answer = stranger
            .post("/console/sign-in", &[("key", key)])
            .await
            .expect(403);
        assert!(
            answer.text.contains("キーが正しくないか、失効しています"),
            "{key}"
        );
        assert!(!answer.text.contains("okaeri_wrong"));
        assert!(stranger.cookies.is_empty());
    }
    let answer = stranger
        .post(
            "/console/sign-in",
            &[
                ("key", &format!(" {ADMIN_KEY} ")),
                ("next", "/console/promotions"),
            ],
        )
        .await;
    assert_eq!(
        (answer.status, location(&answer).as_str()),
        (303, "/console/promotions")
    );
    let cookie = answer.headers["set-cookie"].to_str().unwrap();
    for rule in ["HttpOnly", "SameSite=Strict", "Path=/console"] {
        assert!(cookie.contains(rule), "{cookie}");
    }
    assert!(
        !cookie.contains(ADMIN_KEY) && !cookie.contains("Secure"),
        "{cookie}"
    );
    let mut elsewhere = Staff::stranger(&stack);
    let answer = elsewhere
        .post(
            "/console/sign-in",
            &[("key", ADMIN_KEY), ("next", "//evil.example")],
        )
        .await;
    assert_eq!(location(&answer), "/console");
}

#[tokio::test]
async fn over_https_the_cookie_is_secure_and_one_that_came_without_is_not_taken() {
    let stack = Stack::start().await;
    // API Gateway says by which scheme it was reached; here that is a header of the stand-in's own, so the function is asked directly.
    let env = stack.env_through(stack.running().dynamodb_url());
    let state = console::State::load(&env, stack.clock().clone())
        .await
        .unwrap();
    let router = console::router(state);
    let ask = async |method: &str, path: &str, cookie: &str, body: &str| {
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("x-forwarded-proto", "https")
            .header("host", "shop.example")
            .header("origin", "https://shop.example")
            .header("cookie", cookie)
            .body(axum::body::Body::from(body.to_owned()))
            .unwrap();
        tower::ServiceExt::oneshot(router.clone(), request)
            .await
            .unwrap()
    };
    let answer = ask("POST", "/console/sign-in", "", &format!("key={ADMIN_KEY}")).await;
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(
        cookie.starts_with("__Secure-okaeri-session=") && cookie.contains("; Secure"),
        "{cookie}"
    );
    let pair = cookie.split_once(';').unwrap().0;
    assert_eq!(ask("GET", "/console", pair, "").await.status(), 200);
    let plain = pair.replace("__Secure-", "");
    assert_eq!(ask("GET", "/console", &plain, "").await.status(), 303);
}

#[tokio::test]
async fn a_revoked_key_ends_its_sessions_within_a_minute_and_an_idle_hour_ends_any() {
    let stack = Stack::start().await;
    let store = stack.running().store().unwrap();
    let key = NewApiKey::random("Hanako".to_owned(), Scope::Admin, stack.clock().now());
    store.put_api_key(&key.stored).await.unwrap();
    let mut hanako = Staff::stranger(&stack);
    hanako
        .post("/console/sign-in", &[("key", &key.text)])
        .await
        .expect(303);
    hanako.get("/console").await.expect(200);
    assert!(store.revoke_api_key(&key.stored.digest).await.unwrap());
    stack.clock().advance(TimeDelta::seconds(60));
    assert_eq!(hanako.get("/console").await.status, 303);
    assert_eq!(
        hanako
            .post("/console/codes/lookup", &[("code", "x")])
            .await
            .status,
        401
    );

    let mut staff = Staff::signed_in(&stack).await;
    stack.clock().advance(TimeDelta::minutes(59));
    staff.get("/console").await.expect(200);
    stack.clock().advance(TimeDelta::minutes(59));
    staff.get("/console").await.expect(200);
    stack.clock().advance(TimeDelta::minutes(60));
    assert_eq!(staff.get("/console").await.status, 303);
}

#[tokio::test]
async fn a_form_sent_after_the_session_ended_goes_on_after_signing_in_again() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({"name": "Before"})).await;
    let id = promotion["id"].as_str().unwrap();
    let path = format!("/console/promotions/{id}/edit");
    let mut staff = Staff::signed_in(&stack).await;
    staff.get(&path).await.expect(200);
    stack.clock().advance(TimeDelta::hours(2));
    let fields = [("name", "After & <b>"), ("version", "1")];
    let answer = staff.post(&path, &fields).await.expect(401);
    let (kept, next) = (
        hidden(&answer.text, "kept").unwrap(),
        hidden(&answer.text, "next").unwrap(),
    );
    assert!(!kept.contains("token="), "{kept}");
    let kept = kept.replace("&amp;", "&");
    let again = staff
        .post(
            "/console/sign-in",
            &[("key", ADMIN_KEY), ("next", &next), ("kept", &kept)],
        )
        .await
        .expect(200);
    assert!(again.text.contains("After &amp; &lt;b&gt;") && !again.text.contains("<b>"));
    assert_eq!(hidden(&again.text, "version").as_deref(), Some("1"));
    staff.post_and_follow(&path, &fields).await;
    let seen = stack
        .admin(&format!("GET /v1/promotions/{id}"), Value::Null)
        .await
        .expect(200)
        .body;
    assert_eq!(seen["name"], "After & <b>");
}

#[tokio::test]
async fn signing_out_ends_what_the_browser_holds_and_every_answer_forbids_what_is_not_ours() {
    let stack = Stack::start().await;
    let mut staff = Staff::signed_in(&stack).await;
    let page = staff.get("/console").await.expect(200);
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    for rule in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "frame-ancestors 'none'",
        "form-action 'self'",
    ] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert!(
        !page.text.contains(" style=\"")
            && !page.text.contains("<style")
            && !page.text.contains(" onclick")
    );
    // With `no-referrer` a browser would name no origin in the forms of these pages.
    assert_eq!(page.headers["referrer-policy"], "same-origin");
    assert_eq!(page.headers["cache-control"], "no-store");
    staff.post("/console/sign-out", &[]).await.expect(303);
    assert!(staff.cookies.is_empty(), "{:?}", staff.cookies);
    assert_eq!(staff.get("/console").await.status, 303);
}

#[tokio::test]
async fn style_and_script_are_public_and_kept_for_good_under_a_name_that_changes_with_them() {
    let stack = Stack::start().await;
    let mut stranger = Staff::stranger(&stack);
    let page = stranger.get("/console/sign-in").await.expect(200);
    for (start, kind) in [
        ("/console/style-", "text/css"),
        ("/console/script-", "text/javascript"),
        ("/console/icon-", "image/svg+xml"),
    ] {
        let (_, rest) = page.text.split_once(start).unwrap();
        let path = format!("{start}{}", rest.split_once('"').unwrap().0);
        let file = stranger.get(&path).await.expect(200);
        assert!(
            file.headers["content-type"]
                .to_str()
                .unwrap()
                .starts_with(kind),
            "{path}"
        );
        assert!(
            file.headers["cache-control"]
                .to_str()
                .unwrap()
                .contains("immutable"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn the_browsers_language_is_spoken_until_somebody_chooses_the_other() {
    let stack = Stack::start().await;
    let mut staff = Staff::signed_in(&stack).await;
    staff.language = "ja,en;q=0.5";
    assert!(
        staff
            .get("/console")
            .await
            .expect(200)
            .text
            .contains("<html lang=\"ja\">")
    );
    let back = staff
        .post(
            "/console/language",
            &[("lang", "en"), ("next", "/console/promotions")],
        )
        .await
        .expect(303);
    assert_eq!(location(&back), "/console/promotions");
    assert!(
        staff
            .get("/console")
            .await
            .expect(200)
            .text
            .contains("<html lang=\"en\">")
    );
    let away = staff
        .post(
            "/console/language",
            &[("lang", "ja"), ("next", "https://evil.example")],
        )
        .await
        .expect(303);
    assert_eq!(location(&away), "/console");
}
