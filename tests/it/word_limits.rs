//! Limits of single group codes: held in the redemption's own transaction, given back by a cancellation.

use std::sync::Arc;

use integration::{Stack, redemption};
use serde_json::{Value, json};
use tokio::sync::Barrier;

/// The words `HANAKO10` with these limits and `TARO10` without, of one promotion.
async fn words(stack: &Stack, limits: Value) -> String {
    let promotion = stack.promotion(json!({"claim_code": "group"})).await;
    let path = format!("/v1/promotions/{}/codes", promotion["id"].as_str().unwrap());
    for body in [
        json!({"code": "HANAKO10", "limits": limits}),
        json!({"code": "TARO10"}),
    ] {
        stack.admin(&format!("POST {path}"), body).await.expect(201);
    }
    path
}

async fn outcome(stack: &Stack, order: &str, word: &str, customer: Value) -> String {
    let mut body = redemption(&[word]);
    if !customer.is_null() {
        body["customer"] = customer;
    }
    let call = format!("PUT /v1/redemptions/{order}");
    let answer = stack.decided(&call, body).await;
    match answer.body["codes"][0]["reason"].as_str() {
        Some(reason) if answer.status == 422 => reason.to_owned(),
        // Redeemed by the attempt whose answer was 503.
        _ if answer.status == 200 => "201".to_owned(),
        _ => answer.status.to_string(),
    }
}

async fn quoted(stack: &Stack, customer: Value) -> Value {
    let mut body = redemption(&["HANAKO10"]);
    if !customer.is_null() {
        body["customer"] = customer;
    }
    let quote = stack.checkout("POST /v1/quotes", body).await.expect(200);
    quote.body["codes"][0]["reason"].clone()
}

async fn cancel(stack: &Stack, order: &str) {
    let call = format!("POST /v1/redemptions/{order}/cancel");
    stack.checkout(&call, Value::Null).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_words_uses_raced_by_many_orders_are_used_up_exactly_and_other_words_go_on() {
    let stack = Arc::new(Stack::start().await);
    words(&stack, json!({"redemptions": 7})).await;
    let barrier = Arc::new(Barrier::new(35));
    let mut tasks = Vec::new();
    for number in 0..35 {
        let (stack, barrier) = (stack.clone(), barrier.clone());
        tasks.push(tokio::spawn(async move {
            barrier.wait().await;
            outcome(&stack, &format!("order-{number}"), "HANAKO10", Value::Null).await
        }));
    }
    let mut outcomes = Vec::new();
    for task in tasks {
        outcomes.push(task.await.unwrap());
    }
    let count = |wanted: &str| outcomes.iter().filter(|outcome| *outcome == wanted).count();
    assert_eq!(
        (count("201"), count("redemptions-exhausted")),
        (7, 28),
        "{outcomes:?}"
    );
    assert_eq!(quoted(&stack, Value::Null).await, "redemptions-exhausted");
    assert_eq!(outcome(&stack, "other", "TARO10", Value::Null).await, "201");
}

#[tokio::test]
async fn a_words_limit_per_customer_counts_that_word_alone_and_needs_a_customer() {
    let stack = Stack::start().await;
    words(&stack, json!({"per_customer": 1})).await;
    let hanako = json!({"id": "7", "email": "hanako@example.jp"});
    assert_eq!(
        outcome(&stack, "0", "HANAKO10", Value::Null).await,
        "customer-required"
    );
    assert_eq!(
        outcome(&stack, "1", "HANAKO10", hanako.clone()).await,
        "201"
    );
    assert_eq!(
        outcome(
            &stack,
            "2",
            "HANAKO10",
            json!({"email": "Hanako+x@example.jp"})
        )
        .await,
        "customer-limit-reached"
    );
    assert_eq!(
        quoted(&stack, json!({"id": "7"})).await,
        "customer-limit-reached"
    );
    assert_eq!(quoted(&stack, Value::Null).await, Value::Null);
    assert_eq!(outcome(&stack, "3", "TARO10", hanako.clone()).await, "201");
    assert_eq!(
        outcome(&stack, "4", "HANAKO10", json!({"id": "8"})).await,
        "201"
    );
    cancel(&stack, "1").await;
    assert_eq!(outcome(&stack, "5", "HANAKO10", hanako).await, "201");
}

#[tokio::test]
async fn a_cancellation_gives_a_words_use_back_once() {
    let stack = Stack::start().await;
    words(&stack, json!({"redemptions": 1})).await;
    assert_eq!(outcome(&stack, "1", "HANAKO10", Value::Null).await, "201");
    cancel(&stack, "1").await;
    cancel(&stack, "1").await;
    assert_eq!(outcome(&stack, "2", "HANAKO10", Value::Null).await, "201");
    assert_eq!(
        outcome(&stack, "3", "HANAKO10", Value::Null).await,
        "redemptions-exhausted"
    );
}

#[tokio::test]
async fn a_words_limits_are_answered_and_those_that_cannot_be_are_pointed_at() {
    let stack = Stack::start().await;
    let path = words(&stack, json!({"redemptions": 1})).await;
    let call = format!("POST {path}");
    let limits = json!({"redemptions": 50, "per_customer": 2});
    let created = stack
        .admin(&call, json!({"code": "MIDORI", "limits": limits}))
        .await;
    assert_eq!(created.expect(201).body["limits"], limits);
    for (limits, pointer) in [
        (json!({"redemptions": 0}), "/limits/redemptions"),
        (json!({"per_customer": 0}), "/limits/per_customer"),
        (json!({"budget": 5}), "/limits/budget"),
    ] {
        let refused = stack
            .admin(&call, json!({"code": "AOI", "limits": limits}))
            .await;
        assert_eq!(refused.expect(400).pointers(), [pointer]);
    }
    let single = stack.promotion(json!({})).await;
    let call = format!(
        "POST /v1/promotions/{}/codes",
        single["id"].as_str().unwrap()
    );
    let refused = stack
        .admin(&call, json!({"count": 1, "limits": {"redemptions": 1}}))
        .await;
    assert_eq!(refused.expect(400).pointers(), ["/limits"]);
}
