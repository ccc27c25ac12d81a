//! Codes bound to customers: minted in one go, for one customer each, and refused to everybody else.

use std::sync::Arc;

use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use integration::faults::{Fault, FaultProxy};
use integration::{Stack, redemption};
use serde_json::{Value, json};
use tokio::sync::Barrier;
use tower::ServiceExt;

async fn bound(stack: &Stack, customers: Value) -> (Value, Vec<String>) {
    let promotion = stack.promotion(json!({})).await;
    let path = format!("/v1/promotions/{}/codes", promotion["id"].as_str().unwrap());
    let body = json!({"customers": customers, "channel": "win-back/november"});
    let batch = stack
        .admin(&format!("POST {path}"), body)
        .await
        .expect(201)
        .body;
    let codes = listed(stack, &path, batch["batch_id"].as_str().unwrap()).await;
    (promotion, codes)
}

async fn listed(stack: &Stack, path: &str, batch: &str) -> Vec<String> {
    let call = format!("GET {path}?batch={batch}&limit=20000");
    let page = stack.admin(&call, Value::Null).await.expect(200).body;
    let codes = page["codes"].as_array().unwrap().iter();
    codes
        .map(|code| code["code"].as_str().unwrap().to_owned())
        .collect()
}

async fn outcome(stack: &Stack, order: &str, code: &str, customer: Value) -> String {
    let mut body = redemption(&[code]);
    if !customer.is_null() {
        body["customer"] = customer;
    }
    let call = format!("PUT /v1/redemptions/{order}");
    let answer = stack.checkout(&call, body).await;
    match answer.body["codes"][0]["reason"].as_str() {
        Some(reason) if answer.status == 422 => reason.to_owned(),
        _ => answer.status.to_string(),
    }
}

#[tokio::test]
async fn a_bound_code_works_for_its_customer_by_any_identity_and_for_nobody_else() {
    let stack = Stack::start().await;
    let customers = json!([
        {"email": "hanako@example.jp", "id": "77"}, {"phone": "+81 90-1234-5678"}, {"email": "jiro@example.jp"}
    ]);
    let (promotion, codes) = bound(&stack, customers).await;
    assert_eq!(codes.len(), 3);
    let hanako = json!({"email": "Hanako+tea@example.jp"});
    for (order, customer, reason) in [
        ("0", Value::Null, "customer-required"),
        (
            "0",
            json!({"email": "taro@example.jp", "id": "78"}),
            "other-customer",
        ),
        ("0", json!({"id": "hanako@example.jp"}), "other-customer"),
    ] {
        assert_eq!(outcome(&stack, order, &codes[0], customer).await, reason);
    }
    let quoted = |customer: Value| {
        let mut body = redemption(&[&codes[0]]);
        body["customer"] = customer;
        let stack = &stack;
        async move {
            let quote = stack.checkout("POST /v1/quotes", body).await.expect(200);
            quote.body["codes"][0]["reason"].clone()
        }
    };
    assert_eq!(quoted(json!({"id": "78"})).await, "other-customer");
    assert_eq!(quoted(hanako.clone()).await, Value::Null);
    assert_eq!(quoted(Value::Null).await, Value::Null);
    assert_eq!(
        outcome(&stack, "1", &codes[0], json!({"id": "77", "phone": "1"})).await,
        "201"
    );
    assert_eq!(outcome(&stack, "2", &codes[0], hanako.clone()).await, "409");
    assert_eq!(
        outcome(&stack, "3", &codes[1], json!({"phone": "+819012345678"})).await,
        "201"
    );
    // Given back, it is still bound.
    stack
        .checkout("POST /v1/redemptions/1/cancel", Value::Null)
        .await
        .expect(200);
    assert_eq!(
        outcome(&stack, "4", &codes[0], json!({"id": "78"})).await,
        "other-customer"
    );
    assert_eq!(outcome(&stack, "4", &codes[0], hanako).await, "201");
    // Codes minted for anybody are still anybody's, and bound ones can be voided like others.
    let free = stack.codes(&promotion, 1).await.remove(0);
    assert_eq!(outcome(&stack, "5", &free, Value::Null).await, "201");
    let voided = stack
        .admin("POST /v1/codes/void", json!({"codes": [codes[2]]}))
        .await;
    assert_eq!(voided.expect(200).body["voided"], json!([codes[2]]));
    let facts = stack
        .admin("POST /v1/codes/lookup", json!({"code": codes[2]}))
        .await
        .body;
    assert_eq!(
        (&facts["status"], &facts["channel"]),
        (&json!("voided"), &json!("win-back/november"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_customers_get_a_code_each_once_however_often_the_request_is_sent() {
    let stack = Arc::new(Stack::start().await);
    let promotion = stack.promotion(json!({})).await;
    let path = format!("/v1/promotions/{}/codes", promotion["id"].as_str().unwrap());
    let call = format!("POST {path}");
    let customers: Vec<_> = (0..1_000)
        .map(|number| json!({"id": format!("c{number}")}))
        .collect();
    let body = json!({"customers": customers});
    let barrier = Arc::new(Barrier::new(3));
    let mut tasks = Vec::new();
    for _ in 0..3 {
        let (stack, barrier, call, body) =
            (stack.clone(), barrier.clone(), call.clone(), body.clone());
        tasks.push(tokio::spawn(async move {
            barrier.wait().await;
            stack.admin_once("all", &call, body).await.expect(201).text
        }));
    }
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers.dedup();
    let [answer] = answers.as_slice() else {
        panic!("{answers:?}")
    };
    let batch: Value = serde_json::from_str(answer).unwrap();
    let codes = listed(&stack, &path, batch["batch_id"].as_str().unwrap()).await;
    assert_eq!(codes.len(), 1_000);
    for number in [0, 99, 100, 999] {
        let (order, customer) = (format!("o{number}"), json!({"id": format!("c{number}")}));
        assert_eq!(
            outcome(&stack, &order, &codes[number], json!({"id": "x"})).await,
            "other-customer"
        );
        assert_eq!(
            outcome(&stack, &order, &codes[number], customer).await,
            "201"
        );
    }
    let other = stack
        .admin_once("all", &call, json!({"customers": [{"id": "c0"}]}))
        .await;
    assert_eq!(other.expect(422).body["code"], "idempotency-key-reused");
    let read = format!("GET /v1/promotions/{}", promotion["id"].as_str().unwrap());
    assert_eq!(stack.admin(&read, Value::Null).await.body["minted"], 1_000);
}

#[tokio::test]
async fn a_batch_cut_off_half_way_shows_no_code_until_the_same_request_completes_it() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    let proxy = FaultProxy::start(stack.running().dynamodb_url()).await;
    let env = stack.env_through(&proxy.url);
    let state = create_promotion::State::load(&env, stack.clock().clone())
        .await
        .unwrap();
    let router = shared::http::edge::finish(create_promotion::router(state));
    let customers: Vec<_> = (0..250)
        .map(|number| json!({"id": format!("c{number}")}))
        .collect();
    let path = format!("/v1/promotions/{}/codes", promotion["id"].as_str().unwrap());
    let send = || {
        let request = Request::post(&path)
            .header("authorization", "Bearer okaeri_local_admin")
            .header("idempotency-key", "cut")
            .body(Body::from(json!({"customers": customers}).to_string()))
            .unwrap();
        let router = router.clone();
        async move {
            let response = router.oneshot(request).await.unwrap();
            let status = response.status().as_u16();
            let bytes = response.into_body().collect().await.unwrap().to_bytes();
            (status, serde_json::from_slice::<Value>(&bytes).unwrap())
        }
    };
    // Serials are taken and 100 items written, then nothing gets through any more.
    let mut writes = 0;
    proxy.plan(move |operation| {
        writes += usize::from(operation == "TransactWriteItems");
        if writes > 2 {
            Fault::DropRequest
        } else {
            Fault::Pass
        }
    });
    assert_eq!(send().await.0, 503);
    let page = stack
        .admin(&format!("GET {path}"), Value::Null)
        .await
        .expect(200)
        .body;
    assert_eq!(page["codes"], json!([]));
    // Codes minted meanwhile are not affected.
    let free = stack.codes(&promotion, 1).await.remove(0);
    assert_eq!(outcome(&stack, "free", &free, Value::Null).await, "201");
    proxy.plan(|operation| match operation {
        "TransactWriteItems" => Fault::Duplicate,
        _ => Fault::Pass,
    });
    let (status, batch) = send().await;
    assert_eq!(
        (status, &batch["first_serial"], &batch["count"]),
        (201, &json!(0), &json!(250))
    );
    let codes = listed(&stack, &path, batch["batch_id"].as_str().unwrap()).await;
    assert_eq!(codes.len(), 250);
    for number in [0, 150, 249] {
        let order = number.to_string();
        assert_eq!(
            outcome(&stack, &order, &codes[number], json!({"id": "x"})).await,
            "other-customer"
        );
        let own = json!({"id": format!("c{number}")});
        assert_eq!(outcome(&stack, &order, &codes[number], own).await, "201");
    }
}

#[tokio::test]
async fn customers_that_cannot_be_are_pointed_at() {
    let stack = Stack::start().await;
    let single = stack.promotion(json!({})).await;
    let group = stack.promotion(json!({"claim_code": "group"})).await;
    let many: Vec<_> = (0..1_001)
        .map(|number| json!({"id": number.to_string()}))
        .collect();
    for (promotion, body, pointer) in [
        (&single, json!({"customers": []}), "/customers"),
        (&single, json!({"customers": many}), "/customers"),
        (
            &single,
            json!({"customers": [{"id": "1"}, {}]}),
            "/customers/1",
        ),
        (
            &single,
            json!({"customers": [{"email": " "}]}),
            "/customers/0/email",
        ),
        (
            &single,
            json!({"customers": [{"name": "Hanako"}]}),
            "/customers/0/name",
        ),
        (
            &single,
            json!({"customers": [{"id": "1"}], "count": 1}),
            "/customers",
        ),
        (&group, json!({"customers": [{"id": "1"}]}), "/customers"),
    ] {
        let call = format!(
            "POST /v1/promotions/{}/codes",
            promotion["id"].as_str().unwrap()
        );
        let refused = stack.admin(&call, body).await.expect(400);
        assert_eq!(refused.pointers(), [pointer]);
    }
}
