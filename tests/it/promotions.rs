//! `/v1/promotions`: creation, reading, listing and switching.

use integration::Stack;
use serde_json::{Value, json};

fn example() -> Value {
    json!({
        "name": "Next time 10% off", "currency": "JPY",
        "benefit": {"type": "percent_off", "percent": 12.5, "max_discount": 3000},
        "products": {"include": ["B0CHX1W1XY"], "exclude": []},
        "minimum": {"subtotal": 3000},
        "starts_at": "2026-12-01T00:00:00+09:00", "ends_at": "2099-01-01T00:00:00+09:00",
        "claim_code": "single_use", "combinability": "exclusive",
    })
}

#[tokio::test]
async fn a_promotion_is_answered_with_its_terms_and_what_became_of_them() {
    let stack = Stack::start().await;
    let created = stack
        .admin("POST /v1/promotions", example())
        .await
        .expect(201)
        .body;
    for field in [
        "name",
        "currency",
        "benefit",
        "products",
        "minimum",
        "claim_code",
        "combinability",
    ] {
        assert_eq!(created[field], example()[field], "{field}");
    }
    assert_eq!(created["starts_at"], "2026-11-30T15:00:00Z");
    assert_eq!(created["id"].as_str().unwrap().len(), 4);
    assert_eq!(
        (&created["version"], &created["minted"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(created["spent"], json!({"amount": 0, "redemptions": 0}));
    assert_eq!(created["warnings"], json!([]));
    let path = format!("GET /v1/promotions/{}", created["id"].as_str().unwrap());
    let read = stack.admin(&path, Value::Null).await.expect(200).body;
    for field in [
        "id",
        "name",
        "benefit",
        "effective_at",
        "created_at",
        "status",
    ] {
        assert_eq!(read[field], created[field], "{field}");
    }
    stack
        .admin("GET /v1/promotions/ZZZZ", Value::Null)
        .await
        .expect(404);
    stack
        .admin("GET /v1/promotions/no-such", Value::Null)
        .await
        .expect(404);
}

#[tokio::test]
async fn a_promotion_is_paused_resumed_and_ended_for_good() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    let code = stack.codes(&promotion, 1).await.remove(0);
    let post = |action: &'static str| {
        let (stack, id) = (&stack, promotion["id"].as_str().unwrap().to_owned());
        async move {
            stack
                .admin(&format!("POST /v1/promotions/{id}/{action}"), json!({}))
                .await
        }
    };
    let refused = |reason: &'static str| {
        let (stack, code) = (&stack, code.clone());
        async move {
            // Terms are remembered for 10 s.
            stack.advance("PT11S").await;
            let answer = stack.redeem("1", &code).await.expect(422);
            assert_eq!(answer.body["codes"][0]["reason"], reason);
        }
    };
    assert_eq!(post("pause").await.expect(200).body["status"], "paused");
    refused("paused").await;
    assert_eq!(post("pause").await.expect(200).body["version"], 2);
    assert_eq!(post("resume").await.expect(200).body["status"], "active");
    assert_eq!(post("end").await.expect(200).body["status"], "ended");
    refused("ended").await;
    assert_eq!(
        post("resume").await.expect(422).body["code"],
        "not-applicable"
    );
    let with_field = stack
        .admin(
            &format!(
                "POST /v1/promotions/{}/end",
                promotion["id"].as_str().unwrap()
            ),
            json!({"now": true}),
        )
        .await;
    assert_eq!(with_field.expect(400).pointers(), ["/now"]);
}

#[tokio::test]
async fn codes_work_inside_the_window_only() {
    let stack = Stack::start().await;
    let now = stack.clock().now();
    let window = json!({"starts_at": now + chrono::TimeDelta::hours(1), "ends_at": now + chrono::TimeDelta::hours(2)});
    let promotion = stack.promotion(window).await;
    assert_eq!(promotion["status"], "scheduled");
    let code = stack.codes(&promotion, 1).await.remove(0);
    assert_eq!(
        stack.redeem("1", &code).await.expect(422).body["codes"][0]["reason"],
        "not-started"
    );
    stack.advance("PT1H30M").await;
    stack.redeem("1", &code).await.expect(201);
    stack.advance("PT30M").await;
    stack.redeem("1", &code).await.expect(200);
    let path = format!("GET /v1/promotions/{}", promotion["id"].as_str().unwrap());
    assert_eq!(
        stack.admin(&path, Value::Null).await.expect(200).body["status"],
        "ended"
    );
}

#[tokio::test]
async fn the_list_pages_newest_first_and_filters_by_status() {
    let stack = Stack::start().await;
    let mut created = Vec::new();
    for number in 0..5 {
        let promotion = stack
            .promotion(json!({"name": format!("Promotion {number}")}))
            .await;
        created.push(promotion["id"].clone());
        stack.advance("PT1S").await;
    }
    stack
        .admin(
            &format!("POST /v1/promotions/{}/pause", created[2].as_str().unwrap()),
            Value::Null,
        )
        .await
        .expect(200);
    let mut listed = Vec::new();
    let mut path = "GET /v1/promotions?limit=2".to_owned();
    loop {
        let page = stack.admin(&path, Value::Null).await.expect(200).body;
        listed.extend(
            page["promotions"]
                .as_array()
                .unwrap()
                .iter()
                .map(|promotion| promotion["id"].clone()),
        );
        let Some(cursor) = page["cursor"].as_str() else {
            break;
        };
        path = format!(
            "GET /v1/promotions?limit=2&cursor={}",
            cursor.replace('#', "%23")
        );
    }
    created.reverse();
    assert_eq!(listed, created);
    let paused = stack
        .admin("GET /v1/promotions?status=paused", Value::Null)
        .await
        .expect(200)
        .body;
    let paused: Vec<_> = paused["promotions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|promotion| &promotion["id"])
        .collect();
    assert_eq!(paused, [&created[2]]);
    stack
        .admin("GET /v1/promotions?status=odd", Value::Null)
        .await
        .expect(400);
    for cursor in ["", "x", "%23", "1%23", "1%23abcde", "terms%236F1Z"] {
        let path = format!("GET /v1/promotions?cursor={cursor}");
        let refused = stack.admin(&path, Value::Null).await.expect(400);
        assert_eq!(refused.body["errors"][0]["pointer"], "/cursor");
    }
}

#[tokio::test]
async fn one_idempotency_key_creates_once_and_refuses_another_body() {
    let stack = Stack::start().await;
    let first = stack
        .admin_once("key-1", "POST /v1/promotions", example())
        .await
        .expect(201);
    let again = stack
        .admin_once("key-1", "POST /v1/promotions", example())
        .await
        .expect(201);
    assert_eq!(again.text, first.text);
    let mut other = example();
    other["name"] = json!("Another");
    let refused = stack
        .admin_once("key-1", "POST /v1/promotions", other.clone())
        .await
        .expect(422);
    assert_eq!(refused.body["code"], "idempotency-key-reused");
    // A refused body does not use the key up.
    let invalid = stack
        .admin_once("key-2", "POST /v1/promotions", json!({"name": ""}))
        .await;
    invalid.expect(400);
    stack
        .admin_once("key-2", "POST /v1/promotions", other)
        .await
        .expect(201);
    let listed = stack
        .admin("GET /v1/promotions", Value::Null)
        .await
        .expect(200)
        .body;
    assert_eq!(listed["promotions"].as_array().unwrap().len(), 2);
    // Answers are kept for a day.
    stack.advance("PT24H").await;
    let later = stack
        .admin_once("key-1", "POST /v1/promotions", example())
        .await
        .expect(201);
    assert_ne!(later.body["id"], first.body["id"]);
}

#[tokio::test]
async fn one_idempotency_key_raced_by_16_requests_creates_once() {
    let stack = std::sync::Arc::new(Stack::start().await);
    let barrier = std::sync::Arc::new(tokio::sync::Barrier::new(16));
    let mut tasks = Vec::new();
    for _ in 0..16 {
        let (stack, barrier) = (stack.clone(), barrier.clone());
        tasks.push(tokio::spawn(async move {
            barrier.wait().await;
            stack
                .admin_once("key", "POST /v1/promotions", example())
                .await
                .expect(201)
                .text
        }));
    }
    let mut answers = std::collections::BTreeSet::new();
    for task in tasks {
        answers.insert(task.await.unwrap());
    }
    assert_eq!(answers.len(), 1);
}

#[tokio::test]
async fn terms_that_cannot_be_are_refused_with_pointers_and_create_nothing() {
    let stack = Stack::start().await;
    let pointers = |change: Value| {
        let stack = &stack;
        async move {
            let mut body = example();
            for (field, value) in change.as_object().unwrap() {
                body[field] = value.clone();
            }
            stack
                .admin("POST /v1/promotions", body)
                .await
                .expect(400)
                .pointers()
                .join(" ")
        }
    };
    assert_eq!(pointers(json!({"currency": "YEN"})).await, "/currency");
    assert_eq!(
        pointers(json!({"benefit": {"type": "percent_off", "percent": 120}})).await,
        "/benefit/percent"
    );
    assert_eq!(
        pointers(json!({"benefit": {"type": "percent_off", "percent": 1.234}})).await,
        "/benefit/percent"
    );
    assert_eq!(
        pointers(json!({"benefit": {"type": "percent_off"}})).await,
        "/benefit"
    );
    assert_eq!(
        pointers(json!({"benefit": {"type": "half_off"}})).await,
        "/benefit/type"
    );
    assert_eq!(
        pointers(json!({"products": {"include": [""]}})).await,
        "/products/include/0"
    );
    assert_eq!(
        pointers(json!({"ends_at": "2020-01-01T00:00:00Z", "starts_at": "2021-01-01T00:00:00Z"}))
            .await,
        "/ends_at"
    );
    assert_eq!(pointers(json!({"ends_at": "tomorrow"})).await, "/ends_at");
    assert_eq!(
        pointers(json!({"name": "", "products": {"include": []}})).await,
        "/name /products/include"
    );
    assert_eq!(pointers(json!({"discount": 10})).await, "/discount");
    let listed = stack
        .admin("GET /v1/promotions", Value::Null)
        .await
        .expect(200)
        .body;
    assert_eq!(listed["promotions"], json!([]));
}
