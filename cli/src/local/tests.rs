use shared::domain::follow_up::random_symbols;

use super::*;

fn options(place: Place) -> Options {
    Options {
        port: 0,
        place,
        ..Options::default()
    }
}

/// An SDK client's way in, for what the functions will do.
fn env_of(stack: &Running) -> Env {
    Env::from_map(stack.settings().clone())
}

async fn get(stack: &Running, path: &str) -> (axum::http::StatusCode, String) {
    let request = axum::http::Request::get(format!("{}{path}", stack.url()));
    answer(request.body(axum::body::Body::empty()).unwrap()).await
}

async fn post(stack: &Running, path: &str, body: &str) -> (axum::http::StatusCode, String) {
    let request = axum::http::Request::post(format!("{}{path}", stack.url()));
    let request = request.header("content-type", "application/json");
    answer(
        request
            .body(axum::body::Body::from(body.to_owned()))
            .unwrap(),
    )
    .await
}

async fn answer(
    request: axum::http::Request<axum::body::Body>,
) -> (axum::http::StatusCode, String) {
    let (status, body) = crate::client::send(request).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_stack_in_memory_serves_the_store_through_the_sdk_with_both_fixed_keys() {
    let stack = start(options(Place::Memory)).await.unwrap();
    let store = stack.store().unwrap();
    for (text, scope) in [(ADMIN_KEY, Scope::Admin), (CHECKOUT_KEY, Scope::Checkout)] {
        let key = store
            .api_key(text, stack.clock().now())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(key.scope, scope);
    }
    assert!(
        store
            .api_key("okaeri_other", stack.clock().now())
            .await
            .unwrap()
            .is_none()
    );
    let path = stack.data_path().to_owned();
    stack.stop().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn every_secret_reaches_the_functions_through_secrets_manager() {
    let stack = start(options(Place::Memory)).await.unwrap();
    let env = env_of(&stack);
    let aws = Aws::from_env(&env).unwrap();
    shared::secrets::CodeKeys::fetch(&env, &aws).await.unwrap();
    shared::secrets::fetch_identity_key(&env, &aws)
        .await
        .unwrap();
    let webhooks = shared::secrets::WebhookSecrets::fetch(&env, &aws)
        .await
        .unwrap();
    assert_eq!(webhooks.standard.secrets, [WEBHOOK_SECRET]);
    assert_eq!(webhooks.shopify.secrets, [WEBHOOK_SECRET]);
    stack.stop().await;
}

#[tokio::test]
async fn what_was_written_is_there_after_a_stack_died_without_stopping() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::Directory(dir.path().join("data"));
    let stack = start(options(place.clone())).await.unwrap();
    let text = random_symbols(20);
    let key = NewApiKey::given(
        text.clone(),
        "kept".to_owned(),
        Scope::Admin,
        stack.clock().now(),
    );
    stack
        .store()
        .unwrap()
        .put_api_key(&key.stored)
        .await
        .unwrap();
    assert!(matches!(
        start(options(place.clone())).await,
        Err(LocalError::InUse { url: Some(_), .. })
    ));
    let (status, time) = post(&stack, "/local/clock", r#"{"advance":"P3D"}"#).await;
    assert_eq!(status, 200, "{time}");
    // As after SIGKILL, the recorded address stays behind.
    drop(stack);

    let stack = loop {
        match start(options(place.clone())).await {
            Ok(stack) => break stack,
            Err(LocalError::InUse { .. }) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    };
    let found = stack
        .store()
        .unwrap()
        .api_key(&text, stack.clock().now())
        .await
        .unwrap();
    assert_eq!(found.unwrap(), key.stored);
    assert_eq!(stack.clock().offset(), chrono::TimeDelta::days(3));
    stack.stop().await;
}

#[tokio::test]
async fn the_clock_moves_for_every_function_and_a_bad_body_is_pointed_at() {
    let stack = start(options(Place::Memory)).await.unwrap();
    let before = stack.clock().now();
    let (status, time) = post(&stack, "/local/clock", r#"{"advance":"P3D"}"#).await;
    assert_eq!(status, 200, "{time}");
    assert!(stack.clock().now() - before >= chrono::TimeDelta::days(3));
    let (_, read) = get(&stack, "/local/clock").await;
    assert!(read.contains(r#""offset_seconds":259200"#), "{read}");
    for (body, pointer) in [
        (r#"{"advance":"3 days"}"#, "/advance"),
        (r#"{"advance":"-P1D"}"#, "/advance"),
        (r#"{"back":"P1D"}"#, "/back"),
        ("{", ""),
    ] {
        let (status, problem) = post(&stack, "/local/clock", body).await;
        let problem: serde_json::Value = serde_json::from_str(&problem).unwrap();
        assert_eq!(status, 400, "{problem}");
        assert_eq!(problem["code"], "invalid-body");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}");
    }
    stack.stop().await;
}

#[tokio::test]
async fn unknown_routes_answer_problems_on_both_sides_of_the_gateway() {
    let stack = start(options(Place::Memory)).await.unwrap();
    for path in ["/nothing", "/local/nothing", "/local"] {
        let (status, problem) = get(&stack, path).await;
        assert_eq!(status, 404, "{path}");
        assert!(
            problem.contains(r#""code":"not-found""#),
            "{path}: {problem}"
        );
    }
    let (status, _) = post(&stack, "/local/inbox", "").await;
    assert_eq!(status, 405);
    stack.stop().await;
}

#[tokio::test]
async fn a_mail_accepted_over_the_wire_is_listed_shown_and_boxed_in() {
    let stack = start(options(Place::Memory)).await.unwrap();
    assert_eq!(
        get(&stack, "/local/inbox/messages").await,
        (axum::http::StatusCode::OK, "[]".to_owned())
    );
    let mail = serde_json::json!({
        "FromEmailAddress": "hello@shop.example",
        "Destination": {"ToAddresses": ["hanako@example.jp"]},
        "Content": {"Simple": {
            "Subject": {"Data": "<script>alert(1)</script>"},
            "Body": {"Text": {"Data": "text </pre>"}, "Html": {"Data": "<html><head></head><body>html</body></html>"}},
        }},
        "EmailTags": [{"Name": "mail_id", "Value": "abc"}],
    });
    let request =
        axum::http::Request::post(format!("{}/v2/email/outbound-emails", stack.aws_url()));
    let (status, accepted) = answer(
        request
            .body(axum::body::Body::from(mail.to_string()))
            .unwrap(),
    )
    .await;
    assert_eq!(status, 200, "{accepted}");
    let accepted: serde_json::Value = serde_json::from_str(&accepted).unwrap();
    let id = accepted["MessageId"].as_str().unwrap();
    let (_, listed) = get(&stack, "/local/inbox/messages").await;
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(
        (&listed[0]["id"], &listed[0]["outbox_id"]),
        (&accepted["MessageId"], &"abc".into())
    );
    for path in [
        "/local/inbox".to_owned(),
        format!("/local/inbox/mail/{id}?lang=ja"),
    ] {
        let (status, page) = get(&stack, &path).await;
        assert_eq!(status, 200);
        assert!(
            page.contains("&lt;script&gt;") && !page.contains("<script>"),
            "{page}"
        );
    }
    let (_, part) = get(&stack, &format!("/local/inbox/mail/{id}/html")).await;
    assert!(part.contains("<base target=\"_blank\">"), "{part}");
    assert_eq!(get(&stack, "/local/inbox/mail/nobody").await.0, 404);
    stack.stop().await;
}

#[tokio::test]
async fn what_is_accepted_sends_at_once() {
    let listener = bind(0).unwrap();
    let connected = tokio::net::TcpStream::connect(listener.local_addr().unwrap());
    let (accepted, connected) = tokio::join!(listener.accept(), connected);
    assert!(accepted.unwrap().0.nodelay().unwrap());
    drop(connected.unwrap());
}

#[tokio::test]
async fn a_taken_port_is_named_with_the_way_out() {
    let taken = bind(0).unwrap();
    let port = taken.local_addr().unwrap().port();
    let refused = start(Options {
        port,
        ..options(Place::Memory)
    })
    .await
    .unwrap_err();
    assert!(refused.to_string().contains("--port"), "{refused}");
}

async fn send_message(
    stack: &Running,
    queue_url: &str,
    body: &str,
) -> (axum::http::StatusCode, String) {
    let request =
        axum::http::Request::post(stack.aws_url()).header("x-amz-target", "AmazonSQS.SendMessage");
    let message = serde_json::json!({"QueueUrl": queue_url, "MessageBody": body}).to_string();
    answer(request.body(axum::body::Body::from(message)).unwrap()).await
}

#[tokio::test]
async fn the_queue_answers_as_sqs_does() {
    let stack = start(options(Place::Memory)).await.unwrap();
    let url = stack.settings()["ORDERS_QUEUE_URL"].clone();
    let (status, sent) = send_message(&stack, &url, "hello").await;
    assert_eq!(status, 200, "{sent}");
    assert!(
        sent.contains(r#""MD5OfMessageBody":"5d41402abc4b2a76b9719d911017c592""#),
        "{sent}"
    );
    for (queue, body, kind) in [
        ("http://elsewhere/q", "hello", "QueueDoesNotExist"),
        (url.as_str(), "", "InvalidParameterValue"),
        (url.as_str(), "\u{1}", "InvalidMessageContents"),
        (url.as_str(), "\u{ffff}", "InvalidMessageContents"),
    ] {
        let (status, refused) = send_message(&stack, queue, body).await;
        assert_eq!(status, 400);
        assert!(refused.contains(kind), "{refused}");
    }
    // A poison message ends among the dead before the clock moves.
    let (status, _) = post(&stack, "/local/clock", r#"{"advance":"PT0S"}"#).await;
    assert_eq!(status, 200);
    assert!(
        std::fs::read_dir(stack.data_path().join("queue"))
            .unwrap()
            .count()
            == 1
    );
    stack.stop().await;
}
