//! Budgets, uses and uses per customer: never exceeded, fully usable, given back.

use std::sync::Arc;

use integration::{Stack, redemption};
use serde_json::{Value, json};
use tokio::sync::Barrier;

/// A group code `WELCOME` on a promotion of 100 yen off with these limits.
async fn limited(stack: &Stack, limits: Value) -> Value {
    let benefit = json!({"type": "amount_off", "amount": 100});
    let promotion = stack
        .promotion(json!({"claim_code": "group", "benefit": benefit, "limits": limits}))
        .await;
    let path = format!(
        "POST /v1/promotions/{}/codes",
        promotion["id"].as_str().unwrap()
    );
    stack
        .admin(&path, json!({"code": "WELCOME"}))
        .await
        .expect(201);
    promotion
}

async fn spent(stack: &Stack, promotion: &Value) -> Value {
    let path = format!("GET /v1/promotions/{}", promotion["id"].as_str().unwrap());
    stack.admin(&path, Value::Null).await.expect(200).body["spent"].clone()
}

/// The first reason given, or the status as text.
async fn outcome(stack: &Stack, order: &str, customer: Value) -> String {
    let mut body = redemption(&["WELCOME"]);
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

/// Outcomes of `attempts` redemptions started at the same moment.
async fn race(
    stack: &Arc<Stack>,
    attempts: usize,
    customer: impl Fn(usize) -> Value,
) -> Vec<String> {
    let barrier = Arc::new(Barrier::new(attempts));
    let mut tasks = Vec::new();
    for number in 0..attempts {
        let (stack, barrier, customer) =
            (Arc::clone(stack), Arc::clone(&barrier), customer(number));
        tasks.push(tokio::spawn(async move {
            barrier.wait().await;
            outcome(&stack, &format!("order-{number}"), customer).await
        }));
    }
    let mut outcomes = Vec::new();
    for task in tasks {
        outcomes.push(task.await.unwrap());
    }
    outcomes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_of_20_amounts_raced_by_100_orders_gives_exactly_20_at_any_number_of_shards() {
    for shards in [1, 4, 64] {
        let stack = Arc::new(Stack::start().await);
        let promotion = limited(&stack, json!({"budget": 2050, "shards": shards})).await;
        let outcomes = race(&stack, 100, |_| Value::Null).await;
        let count = |wanted: &str| outcomes.iter().filter(|outcome| *outcome == wanted).count();
        assert_eq!(
            (count("201"), count("budget-exhausted")),
            (20, 80),
            "{shards} shards: {outcomes:?}"
        );
        assert_eq!(
            spent(&stack, &promotion).await,
            json!({"amount": 2000, "redemptions": 20}),
            "{shards} shards"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_use_limit_raced_by_five_times_as_many_orders_is_used_up_exactly() {
    for shards in [1, 7] {
        let stack = Arc::new(Stack::start().await);
        let promotion = limited(
            &stack,
            json!({"redemptions": 10, "budget": 100_000, "shards": shards}),
        )
        .await;
        let outcomes = race(&stack, 50, |_| Value::Null).await;
        let count = |wanted: &str| outcomes.iter().filter(|outcome| *outcome == wanted).count();
        assert_eq!(
            (count("201"), count("redemptions-exhausted")),
            (10, 40),
            "{shards} shards: {outcomes:?}"
        );
        assert_eq!(
            spent(&stack, &promotion).await,
            json!({"amount": 1000, "redemptions": 10})
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_racing_themselves_gets_no_more_than_their_limit() {
    let stack = Arc::new(Stack::start().await);
    limited(&stack, json!({"per_customer": 3})).await;
    let spellings = [
        "hanako@gmail.com",
        "Hana.Ko@gmail.com",
        "hanako+sale@googlemail.com",
    ];
    let outcomes = race(&stack, 30, |number| json!({"email": spellings[number % 3]})).await;
    let count = |wanted: &str| outcomes.iter().filter(|outcome| *outcome == wanted).count();
    assert_eq!(
        (count("201"), count("customer-limit-reached")),
        (3, 27),
        "{outcomes:?}"
    );
    assert_eq!(
        outcome(&stack, "other", json!({"email": "taro@example.jp"})).await,
        "201"
    );
}

#[tokio::test]
async fn a_limit_per_customer_counts_if_any_identity_matches_and_needs_one() {
    let stack = Stack::start().await;
    limited(&stack, json!({"per_customer": 1})).await;
    assert_eq!(outcome(&stack, "0", Value::Null).await, "customer-required");
    let first = json!({"id": "77", "email": "hanako@example.jp", "phone": "+81 90-1234-5678"});
    assert_eq!(outcome(&stack, "1", first).await, "201");
    for (order, customer) in [
        ("2", json!({"id": "77"})),
        ("3", json!({"email": "Hanako+x@example.jp", "id": "78"})),
        ("4", json!({"phone": "+819012345678"})),
    ] {
        assert_eq!(
            outcome(&stack, order, customer).await,
            "customer-limit-reached"
        );
    }
    // What was refused counted nothing.
    assert_eq!(outcome(&stack, "5", json!({"id": "78"})).await, "201");
}

#[tokio::test]
async fn a_cancellation_gives_budget_uses_and_the_customers_use_back_once() {
    let stack = Stack::start().await;
    let promotion = limited(
        &stack,
        json!({"budget": 100, "redemptions": 1, "per_customer": 1}),
    )
    .await;
    let customer = json!({"email": "hanako@example.jp"});
    assert_eq!(outcome(&stack, "1", customer.clone()).await, "201");
    assert_eq!(
        outcome(&stack, "2", customer.clone()).await,
        "customer-limit-reached"
    );
    assert_eq!(
        outcome(&stack, "2", json!({"id": "8"})).await,
        "budget-exhausted"
    );
    for _ in 0..3 {
        stack
            .checkout("POST /v1/redemptions/1/cancel", Value::Null)
            .await
            .expect(200);
    }
    assert_eq!(
        spent(&stack, &promotion).await,
        json!({"amount": 0, "redemptions": 0})
    );
    assert_eq!(outcome(&stack, "2", customer).await, "201");
    assert_eq!(
        outcome(&stack, "3", json!({"id": "8"})).await,
        "budget-exhausted"
    );
    assert_eq!(
        spent(&stack, &promotion).await,
        json!({"amount": 100, "redemptions": 1})
    );
}

#[tokio::test]
async fn a_quote_says_what_limits_leave_and_draws_on_nothing() {
    let stack = Stack::start().await;
    let promotion = limited(&stack, json!({"redemptions": 1, "per_customer": 1})).await;
    let mut body = redemption(&["WELCOME"]);
    for _ in 0..3 {
        let quote = stack
            .checkout("POST /v1/quotes", body.clone())
            .await
            .expect(200)
            .body;
        assert_eq!(
            (&quote["codes"][0]["applied"], &quote["discount"]),
            (&json!(true), &json!(100))
        );
    }
    assert_eq!(spent(&stack, &promotion).await["redemptions"], 0);
    assert_eq!(outcome(&stack, "1", json!({"id": "7"})).await, "201");
    let quote = stack
        .checkout("POST /v1/quotes", body.clone())
        .await
        .expect(200)
        .body;
    assert_eq!(
        (&quote["codes"][0]["reason"], &quote["discount"]),
        (&json!("redemptions-exhausted"), &json!(0))
    );
    body["customer"] = json!({"id": "7"});
    stack
        .checkout("POST /v1/redemptions/1/cancel", Value::Null)
        .await
        .expect(200);
    let quote = stack
        .checkout("POST /v1/quotes", body)
        .await
        .expect(200)
        .body;
    assert_eq!(quote["codes"][0]["applied"], true);
}

#[tokio::test]
async fn limits_that_cannot_be_are_pointed_at() {
    let stack = Stack::start().await;
    for (limits, pointer) in [
        (json!({"budget": 0}), "/limits/budget"),
        (json!({"redemptions": 0}), "/limits/redemptions"),
        (json!({"per_customer": 0}), "/limits/per_customer"),
        (json!({"shards": 65}), "/limits/shards"),
        (json!({"shards": 0}), "/limits/shards"),
        (json!({"budget": -1}), "/limits/budget"),
        (json!({"units_per_order": 0}), "/limits/units_per_order"),
    ] {
        let body = json!({"name": "x", "currency": "JPY", "benefit": {"type": "percent_off", "percent": 10}, "limits": limits});
        assert_eq!(
            stack
                .admin("POST /v1/promotions", body)
                .await
                .expect(400)
                .pointers(),
            [pointer]
        );
    }
}
