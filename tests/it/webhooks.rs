//! `/v1/webhooks/*` from outside: what is believed, what is refused, what is kept.

use integration::{Stack, completed};
use okaeri::local::WEBHOOK_SECRET;
use receive_order::verify::{sign_shopify, sign_standard};
use reqwest::Method;
use serde_json::{Value, json};

/// Posts under Standard Webhooks with every part chosen by the test.
async fn post(stack: &Stack, headers: &[(&str, &str)], body: &str) -> integration::Answer {
    let mut request = stack
        .request(Method::POST, "/v1/webhooks/standard")
        .header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    stack.send(request.body(body.to_owned())).await
}

#[tokio::test]
async fn forged_mangled_stale_reserialised_and_missing_signatures_are_refused_alike() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    stack.follow_up(&promotion, json!({})).await;
    let body = completed("1", json!({})).to_string();
    let now = stack.clock().now().timestamp();
    let sign = |time: i64| sign_standard(WEBHOOK_SECRET, "msg_1", time, body.as_bytes()).unwrap();
    let (good, time) = (sign(now), now.to_string());
    let (old, old_time) = (sign(now - 301), (now - 301).to_string());
    let (early, early_time) = (sign(now + 400), (now + 400).to_string());
    let forged = sign_standard(
        "whsec_b3RoZXItc2VjcmV0LW90aGVyLXNlY3JldC0zMmJ5dGVz",
        "msg_1",
        now,
        body.as_bytes(),
    )
    .unwrap();
    let reserialised =
        serde_json::to_string_pretty(&serde_json::from_str::<Value>(&body).unwrap()).unwrap();
    let shorter = &good[..good.len() - 4];
    let headers = |signature| {
        [
            ("webhook-id", "msg_1"),
            ("webhook-timestamp", time.as_str()),
            ("webhook-signature", signature),
        ]
    };
    let mut answers = vec![
        post(&stack, &[], &body).await,
        post(&stack, &headers(""), &body).await,
        post(&stack, &headers("v1,"), &body).await,
        post(&stack, &headers(&forged), &body).await,
        post(&stack, &headers(shorter), &body).await,
        post(&stack, &headers(&good), &reserialised).await,
        post(&stack, &headers(&good), &body.replace("5460", "9460")).await,
    ];
    let at = |time, signature| {
        [
            ("webhook-id", "msg_1"),
            ("webhook-timestamp", time),
            ("webhook-signature", signature),
        ]
    };
    answers.push(post(&stack, &at(&old_time, &old), &body).await);
    answers.push(post(&stack, &at(&early_time, &early), &body).await);
    answers.push(post(&stack, &at(&old_time, &good), &body).await);
    for (number, answer) in answers.iter().enumerate() {
        assert_eq!(
            (answer.status, &answer.text),
            (401, &answers[0].text),
            "{number}"
        );
    }
    stack.advance("P4D").await;
    assert!(stack.inbox().await.is_empty());
}

#[tokio::test]
async fn a_shopify_order_earns_a_mail_too() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    stack.follow_up(&promotion, json!({})).await;
    let order = json!({
        "id": 5_550_000_000_001_u64, "name": "#1001", "email": "hanako@example.com", "currency": "JPY",
        "current_total_price": "3980", "financial_status": "paid", "cancelled_at": null, "test": false,
        "customer_locale": "ja-JP", "created_at": "2025-10-09T17:53:20+09:00",
        "customer": {"id": 7_770_000_000_001_u64, "first_name": "花子", "email_marketing_consent": {"state": "subscribed"}},
        "line_items": [{"id": 1, "product_id": 11, "sku": "TEA-01", "quantity": 2, "price": "1990"}],
    });
    let post = |order: Value| {
        let body = order.to_string();
        let signature = sign_shopify(WEBHOOK_SECRET, body.as_bytes()).unwrap();
        let request = stack
            .request(Method::POST, "/v1/webhooks/shopify")
            .header("content-type", "application/json");
        stack.send(
            request
                .header("x-shopify-hmac-sha256", signature)
                .body(body),
        )
    };
    let mut unpaid = order.clone();
    unpaid["id"] = json!(2);
    unpaid["financial_status"] = json!("pending");
    let mut no_consent = order.clone();
    no_consent["id"] = json!(3);
    no_consent["customer"]["email_marketing_consent"] = Value::Null;
    no_consent["buyer_accepts_marketing"] = json!(true);
    let mut test = order.clone();
    test["id"] = json!(4);
    test["test"] = json!(true);
    for order in [&order, &order, &unpaid, &no_consent, &test] {
        post(order.clone()).await.expect(200);
    }
    let unsigned = stack
        .request(Method::POST, "/v1/webhooks/shopify")
        .body(order.to_string());
    stack.send(unsigned).await.expect(401);
    stack.advance("P3D").await;
    let inbox = stack.inbox().await;
    assert_eq!(inbox.len(), 1);
    assert!(
        inbox[0]["text"].as_str().unwrap().contains("花子様"),
        "{}",
        inbox[0]["text"]
    );
}

#[tokio::test]
async fn what_is_signed_but_unusable_is_kept_and_answered_200() {
    let stack = Stack::start().await;
    let now = stack.clock().now().timestamp();
    let time = now.to_string();
    for body in [
        "not json",
        "[]",
        r#"{"type":"order.completed","data":{"source":"custom"}}"#,
    ] {
        let signature = sign_standard(WEBHOOK_SECRET, "msg_1", now, body.as_bytes()).unwrap();
        let headers = [
            ("webhook-id", "msg_1"),
            ("webhook-timestamp", time.as_str()),
            ("webhook-signature", signature.as_str()),
        ];
        let answer = post(&stack, &headers, body).await.expect(200);
        assert_eq!(answer.body["quarantined"], true, "{body}: {}", answer.text);
    }
    let odd = json!({"type": "customer.created", "data": {}}).to_string();
    let signature = sign_standard(WEBHOOK_SECRET, "msg_1", now, odd.as_bytes()).unwrap();
    let headers = [
        ("webhook-id", "msg_1"),
        ("webhook-timestamp", time.as_str()),
        ("webhook-signature", signature.as_str()),
    ];
    assert_ne!(
        post(&stack, &headers, &odd).await.expect(200).body["quarantined"],
        true
    );
}
