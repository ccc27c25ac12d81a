//! `PATCH /v1/promotions/{id}`: what may change, when, and what races decide.

use std::sync::Arc;

use integration::{Stack, redemption};
use serde_json::{Value, json};
use tokio::sync::Barrier;

fn path(promotion: &Value) -> String {
    format!("/v1/promotions/{}", promotion["id"].as_str().unwrap())
}

async fn patch(stack: &Stack, promotion: &Value, fields: Value) -> integration::Answer {
    stack
        .admin(&format!("PATCH {}", path(promotion)), fields)
        .await
}

async fn read(stack: &Stack, promotion: &Value) -> Value {
    let path = format!("GET {}", path(promotion));
    stack.admin(&path, Value::Null).await.expect(200).body
}

/// 100 yen off by the word `WELCOME`, with `terms` on top.
async fn limited(stack: &Stack, mut terms: Value) -> Value {
    terms["claim_code"] = json!("group");
    terms["benefit"] = json!({"type": "amount_off", "amount": 100});
    let promotion = stack.promotion(terms).await;
    let path = format!("POST {}/codes", path(&promotion));
    let word = json!({"code": "WELCOME"});
    stack.admin(&path, word).await.expect(201);
    promotion
}

async fn outcome(stack: &Stack, order: &str) -> String {
    let call = format!("PUT /v1/redemptions/{order}");
    let answer = stack.checkout(&call, redemption(&["WELCOME"])).await;
    match answer.body["codes"][0]["reason"].as_str() {
        Some(reason) if answer.status == 422 => reason.to_owned(),
        _ => answer.status.to_string(),
    }
}

#[tokio::test]
async fn a_scheduled_promotion_changes_in_everything_and_keeps_what_was_not_sent() {
    let stack = Stack::start().await;
    let starts_at = stack.clock().now() + chrono::TimeDelta::hours(1);
    let promotion = stack
        .promotion(json!({"starts_at": starts_at, "ends_at": "2099-01-01T00:00:00Z", "minimum": {"subtotal": 10}}))
        .await;
    let fields = json!({"version": 1, "name": "New", "benefit": {"type": "amount_off", "amount": 500},
        "ends_at": null, "starts_at": null, "claim_code": "group", "combinability": "unrestricted",
        "limits": {"budget": 1000, "redemptions": 10, "shards": 4}});
    let changed = patch(&stack, &promotion, fields).await.expect(200).body;
    assert_eq!(
        (&changed["version"], &changed["name"]),
        (&json!(2), &json!("New"))
    );
    assert_eq!(changed["status"], "active");
    assert_eq!(changed["minimum"], json!({"subtotal": 10}));
    assert_eq!(changed.get("ends_at"), None);
    assert_eq!(changed["spent"], json!({"amount": 0, "redemptions": 0}));
    assert_eq!(read(&stack, &promotion).await, changed);
    let word = json!({"code": "WELCOME"});
    let codes = format!("POST {}/codes", path(&promotion));
    stack.admin(&codes, word).await.expect(201);
    assert_eq!(outcome(&stack, "1").await, "201");
    assert_eq!(outcome(&stack, "2").await, "201");
    assert_eq!(outcome(&stack, "3").await, "budget-exhausted");
}

#[tokio::test]
async fn a_promotion_that_has_begun_changes_in_name_end_and_limits_only() {
    let stack = Stack::start().await;
    let promotion = limited(&stack, json!({"limits": {"budget": 100}})).await;
    let fields = json!({"version": 1, "benefit": {"type": "amount_off", "amount": 5}, "currency": "USD",
        "products": {"include": ["A"]}, "minimum": {"quantity": 2}, "starts_at": "2098-01-01T00:00:00Z", "claim_code": "single_use",
        "combinability": "preferential", "restore": "never",
        "limits": {"budget": null, "redemptions": 5, "shards": 2}});
    let refused = patch(&stack, &promotion, fields).await.expect(400);
    let mut pointers = refused.pointers();
    pointers.sort_unstable();
    assert_eq!(
        pointers,
        [
            "/benefit",
            "/claim_code",
            "/combinability",
            "/currency",
            "/limits/budget",
            "/limits/redemptions",
            "/limits/shards",
            "/minimum",
            "/products",
            "/restore",
            "/starts_at"
        ]
    );
    assert_eq!(read(&stack, &promotion).await["version"], 1);
    let fields = json!({"version": 1, "name": "New", "ends_at": "2099-01-01T00:00:00Z", "limits": {"budget": 250}});
    let changed = patch(&stack, &promotion, fields).await.expect(200).body;
    assert_eq!(changed["limits"], json!({"budget": 250}));
    assert_eq!(outcome(&stack, "1").await, "201");
    assert_eq!(outcome(&stack, "2").await, "201");
    assert_eq!(outcome(&stack, "3").await, "budget-exhausted");
    // A new end takes effect within 10 s.
    let now = stack.clock().now();
    patch(&stack, &promotion, json!({"version": 2, "ends_at": now}))
        .await
        .expect(200);
    stack.advance("PT11S").await;
    assert_eq!(outcome(&stack, "4").await, "expired");
    patch(&stack, &promotion, json!({"version": 3, "ends_at": null}))
        .await
        .expect(200);
    stack.advance("PT11S").await;
    assert_eq!(outcome(&stack, "5").await, "budget-exhausted");
}

#[tokio::test]
async fn a_limit_is_never_lowered_below_what_is_spent_and_is_usable_to_its_last_unit_after_every_change()
 {
    for shards in [1, 7] {
        let stack = Stack::start().await;
        let limits = json!({"budget": 1000, "redemptions": 10, "shards": shards});
        let promotion = limited(&stack, json!({"limits": limits})).await;
        for order in 0..3 {
            assert_eq!(outcome(&stack, &order.to_string()).await, "201");
        }
        let lower = |version: u64, limits: Value| {
            patch(
                &stack,
                &promotion,
                json!({"version": version, "limits": limits}),
            )
        };
        let refused = lower(1, json!({"budget": 299, "redemptions": 2}))
            .await
            .expect(400);
        assert_eq!(
            refused.pointers(),
            ["/limits/budget", "/limits/redemptions"]
        );
        let refused = lower(1, json!({"budget": 400, "redemptions": 2}))
            .await
            .expect(400);
        assert_eq!(refused.pointers(), ["/limits/redemptions"]);
        lower(1, json!({"budget": 499})).await.expect(200);
        assert_eq!(outcome(&stack, "4").await, "201");
        assert_eq!(outcome(&stack, "5").await, "budget-exhausted");
        lower(2, json!({"budget": 400, "redemptions": 4}))
            .await
            .expect(200);
        assert_eq!(outcome(&stack, "5").await, "budget-exhausted");
        lower(3, json!({"budget": 600})).await.expect(200);
        assert_eq!(outcome(&stack, "5").await, "redemptions-exhausted");
        lower(4, json!({"redemptions": 5})).await.expect(200);
        assert_eq!(outcome(&stack, "5").await, "201");
        assert_eq!(
            read(&stack, &promotion).await["spent"],
            json!({"amount": 500, "redemptions": 5})
        );
    }
}

#[tokio::test]
async fn shards_are_laid_out_afresh_while_scheduled() {
    let stack = Stack::start().await;
    let starts_at = stack.clock().now() + chrono::TimeDelta::hours(1);
    let promotion = limited(
        &stack,
        json!({"starts_at": starts_at, "limits": {"budget": 300, "shards": 8}}),
    )
    .await;
    for (version, shards) in [(1, 2), (2, 16), (3, 3)] {
        let fields =
            json!({"version": version, "limits": {"shards": shards, "budget": 200 + version}});
        patch(&stack, &promotion, fields).await.expect(200);
    }
    let refused = patch(
        &stack,
        &promotion,
        json!({"version": 4, "claim_code": "single_use"}),
    )
    .await;
    assert_eq!(refused.expect(400).pointers(), ["/claim_code"]);
    stack.advance("PT1H").await;
    assert_eq!(outcome(&stack, "1").await, "201");
    assert_eq!(outcome(&stack, "2").await, "201");
    assert_eq!(outcome(&stack, "3").await, "budget-exhausted");
}

#[tokio::test]
async fn changes_that_cannot_be_are_pointed_at() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({"limits": {"budget": 5}})).await;
    for (fields, pointer) in [
        (json!({"name": "New"}), ""),
        (json!({"version": "1"}), "/version"),
        (json!({"version": 1, "nmae": "New"}), "/nmae"),
        (json!({"version": 1, "name": " "}), "/name"),
        (json!({"version": 1, "name": null}), ""),
        (
            json!({"version": 1, "limits": {"budget": 0}}),
            "/limits/budget",
        ),
        (
            json!({"version": 1, "limits": {"bugdet": 7}}),
            "/limits/bugdet",
        ),
        (
            json!({"version": 1, "limits": {"per_customer": 1}}),
            "/limits/per_customer",
        ),
        (json!({"version": 1, "ends_at": "soon"}), "/ends_at"),
        (json!({"version": 1, "status": "paused"}), "/status"),
        (json!({"version": 1, "id": "THX9"}), "/id"),
    ] {
        let refused = patch(&stack, &promotion, fields.clone()).await.expect(400);
        assert_eq!(refused.pointers(), [pointer], "{fields}");
    }
    let unknown = json!({"id": "ZZZZ"});
    patch(&stack, &unknown, json!({"version": 1}))
        .await
        .expect(404);
    let end = format!("POST {}/end", path(&promotion));
    stack.admin(&end, Value::Null).await.expect(200);
    let ended = patch(&stack, &promotion, json!({"version": 2, "name": "New"})).await;
    assert_eq!(ended.expect(422).body["code"], "not-applicable");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_changes_from_one_version_exactly_one_is_made_and_repeating_it_conflicts() {
    let stack = Arc::new(Stack::start().await);
    let promotion = stack.promotion(json!({"limits": {"budget": 5000}})).await;
    let barrier = Arc::new(Barrier::new(8));
    let mut tasks = Vec::new();
    for number in 0..8 {
        let (stack, promotion, barrier) = (stack.clone(), promotion.clone(), barrier.clone());
        tasks.push(tokio::spawn(async move {
            let fields = json!({"version": 1, "name": format!("Name {number}"), "limits": {"budget": 5000 + number}});
            barrier.wait().await;
            patch(&stack, &promotion, fields).await
        }));
    }
    let mut made = Vec::new();
    for task in tasks {
        let answer = task.await.unwrap();
        match answer.status {
            200 => made.push(answer.body),
            _ => assert_eq!(answer.expect(409).body["code"], "version-conflict"),
        }
    }
    assert_eq!(made.len(), 1);
    assert_eq!(read(&stack, &promotion).await, made[0]);
    let again = patch(&stack, &promotion, json!({"version": 1, "name": "Name 0"})).await;
    assert_eq!(again.expect(409).body["code"], "version-conflict");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_lowered_while_orders_race_for_it_is_never_exceeded_and_fully_usable() {
    for shards in [1, 5] {
        let stack = Arc::new(Stack::start().await);
        let limits = json!({"budget": 3000, "shards": shards});
        let promotion = limited(&stack, json!({"limits": limits})).await;
        let barrier = Arc::new(Barrier::new(21));
        let mut tasks = Vec::new();
        for number in 0..20 {
            let (stack, barrier) = (stack.clone(), barrier.clone());
            tasks.push(tokio::spawn(async move {
                barrier.wait().await;
                outcome(&stack, &format!("order-{number}")).await
            }));
        }
        barrier.wait().await;
        // Steps down until what is spent stands in the way.
        let (mut version, mut budget) = (1, 3000);
        loop {
            let fields = json!({"version": version, "limits": {"budget": budget - 500}});
            let answer = patch(&stack, &promotion, fields).await;
            if answer.status == 400 || budget == 1000 {
                break;
            }
            let _ = answer.expect(200);
            (version, budget) = (version + 1, budget - 500);
        }
        let mut redeemed = 0;
        for task in tasks {
            redeemed += usize::from(task.await.unwrap() == "201");
        }
        for number in 0..40 {
            redeemed += usize::from(outcome(&stack, &format!("later-{number}")).await == "201");
        }
        let stands = read(&stack, &promotion).await;
        let budget = stands["limits"]["budget"].as_u64().unwrap();
        assert_eq!(stands["spent"]["amount"], budget, "{shards} shards");
        assert_eq!(u64::try_from(redeemed).unwrap() * 100, budget);
    }
}
