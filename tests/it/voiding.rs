//! Looking codes up and taking them back.

use std::sync::Arc;

use integration::Stack;
use serde_json::{Value, json};
use tokio::sync::Barrier;

async fn group(stack: &Stack, word: &str) -> Value {
    let promotion = stack.promotion(json!({"claim_code": "group"})).await;
    let path = format!(
        "POST /v1/promotions/{}/codes",
        promotion["id"].as_str().unwrap()
    );
    stack
        .admin(&path, json!({"code": word, "channel": "influencer/hanako"}))
        .await
        .expect(201);
    promotion
}

async fn lookup(stack: &Stack, code: &str) -> Value {
    stack
        .admin("POST /v1/codes/lookup", json!({"code": code}))
        .await
        .expect(200)
        .body
}

async fn void(stack: &Stack, codes: &[&str]) -> Value {
    stack
        .admin("POST /v1/codes/void", json!({"codes": codes}))
        .await
        .expect(200)
        .body
}

#[tokio::test]
async fn a_code_typed_anyhow_is_looked_up_with_what_became_of_it() {
    let stack = Stack::start().await;
    let promotion = stack
        .promotion(json!({"ends_at": "2099-01-01T00:00:00Z"}))
        .await;
    let code = stack.codes(&promotion, 1).await.remove(0);
    let typed = code.to_lowercase().replace('-', " ");
    let facts = lookup(&stack, &typed).await;
    assert_eq!(
        facts,
        json!({"code": code, "promotion_id": promotion["id"], "kind": "single_use", "status": "unused",
            "expires_at": "2099-01-01T00:00:00Z"})
    );
    stack.redeem("order-1", &code).await.expect(201);
    let facts = lookup(&stack, &code).await;
    assert_eq!(
        (&facts["status"], &facts["order_id"]),
        (&json!("redeemed"), &json!("order-1"))
    );
    assert!(facts["redeemed_at"].is_string());
    let words = group(&stack, "HANAKO10").await;
    assert_eq!(
        lookup(&stack, "hanako 1o").await,
        json!({"code": "HANAKO10", "promotion_id": words["id"], "kind": "group", "status": "unused",
            "channel": "influencer/hanako"})
    );
    let wrong = format!("{}-0000-0000-0000", promotion["id"].as_str().unwrap());
    for unknown in ["NOSUCH", "!!!", "ZZZZ-0000-0000-0000", &wrong] {
        let answer = stack
            .admin("POST /v1/codes/lookup", json!({"code": unknown}))
            .await;
        assert_eq!(answer.expect(404).body["code"], "code-unknown");
    }
    let empty = stack
        .admin("POST /v1/codes/lookup", json!({"code": ""}))
        .await;
    assert_eq!(empty.expect(400).pointers(), ["/code"]);
    let checkout = stack.checkout("POST /v1/codes/lookup", json!({"code": code}));
    checkout.await.expect(403);
}

#[tokio::test]
async fn a_minted_codes_channel_is_looked_up_in_its_batch() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    let path = format!("/v1/promotions/{}/codes", promotion["id"].as_str().unwrap());
    for channel in ["ad/one", "ad/two"] {
        stack
            .admin(
                &format!("POST {path}"),
                json!({"count": 2, "channel": channel}),
            )
            .await
            .expect(201);
    }
    let page = stack.admin(&format!("GET {path}"), Value::Null).await.body;
    let code = page["codes"][2]["code"].as_str().unwrap();
    assert_eq!(lookup(&stack, code).await["channel"], "ad/two");
}

#[tokio::test]
async fn voided_codes_never_work_and_redeemed_ones_stay_their_orders() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    let codes = stack.codes(&promotion, 3).await;
    stack.redeem("order-1", &codes[1]).await.expect(201);
    let sent = [&codes[0], &codes[1], &codes[0].to_lowercase(), "NOSUCH"];
    let answer = void(&stack, &sent).await;
    assert_eq!(
        answer,
        json!({"voided": [codes[0]], "already_voided": [], "already_redeemed": [codes[1]], "unknown": ["NOSUCH"]})
    );
    let again = void(&stack, &[&codes[0]]).await;
    assert_eq!(again["already_voided"], json!([codes[0]]));
    let refused = stack.redeem("order-2", &codes[0]).await.expect(422);
    assert_eq!(refused.body["codes"][0]["reason"], "voided");
    let quote = stack.checkout("POST /v1/quotes", integration::redemption(&[&codes[0]]));
    assert_eq!(quote.await.expect(200).body["codes"][0]["reason"], "voided");
    assert_eq!(lookup(&stack, &codes[0]).await["status"], "voided");
    // Cancelling frees what the order had, and nothing that was voided.
    for order in ["order-1", "order-2"] {
        stack
            .checkout(&format!("POST /v1/redemptions/{order}/cancel"), Value::Null)
            .await
            .expect(200);
    }
    assert_eq!(lookup(&stack, &codes[0]).await["status"], "voided");
    assert_eq!(lookup(&stack, &codes[1]).await["status"], "unused");
    assert_eq!(
        void(&stack, &[&codes[1]]).await["voided"],
        json!([codes[1]])
    );
    stack.redeem("order-3", &codes[1]).await.expect(422);
    let path = format!(
        "GET /v1/promotions/{}/codes",
        promotion["id"].as_str().unwrap()
    );
    let page = stack.admin(&path, Value::Null).await.expect(200).body;
    assert_eq!(page["codes"][0]["status"], "voided");
}

#[tokio::test]
async fn a_voided_word_stops_working_within_10_seconds_and_stays_voided_after_a_cancellation() {
    let stack = Stack::start().await;
    let promotion = group(&stack, "HANAKO10").await;
    stack.redeem("1", "HANAKO10").await.expect(201);
    assert_eq!(
        void(&stack, &["hanako10"]).await["voided"],
        json!(["HANAKO10"])
    );
    assert_eq!(
        void(&stack, &["HANAKO10"]).await["already_voided"],
        json!(["HANAKO10"])
    );
    stack.advance("PT11S").await;
    let refused = stack.redeem("2", "HANAKO10").await.expect(422);
    assert_eq!(refused.body["codes"][0]["reason"], "voided");
    stack
        .checkout("POST /v1/redemptions/1/cancel", Value::Null)
        .await
        .expect(200);
    stack.redeem("3", "HANAKO10").await.expect(422);
    assert_eq!(lookup(&stack, "HANAKO10").await["status"], "voided");
    let path = format!("/v1/promotions/{}/codes", promotion["id"].as_str().unwrap());
    let page = stack.admin(&format!("GET {path}"), Value::Null).await.body;
    assert_eq!(page["codes"][0]["status"], "voided");
    // The word stays taken: who remembers it must not get another promotion.
    let taken = stack
        .admin(&format!("POST {path}"), json!({"code": "HANAKO10"}))
        .await;
    assert_eq!(taken.expect(409).body["code"], "code-taken");
}

#[tokio::test]
async fn a_thousand_codes_are_voided_in_one_request_and_one_more_is_refused() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    let codes = stack.codes(&promotion, 1_001).await;
    stack.redeem("1", &codes[500]).await.expect(201);
    let answer = stack
        .admin("POST /v1/codes/void", json!({"codes": codes[..1_000]}))
        .await
        .expect(200)
        .body;
    assert_eq!(answer["voided"].as_array().unwrap().len(), 999);
    assert_eq!(answer["already_redeemed"], json!([codes[500]]));
    for bad in [json!({"codes": codes}), json!({"codes": []})] {
        let refused = stack.admin("POST /v1/codes/void", bad).await.expect(400);
        assert_eq!(refused.pointers(), ["/codes"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_voiding_and_redeeming_at_the_same_moment_exactly_one_wins() {
    let stack = Arc::new(Stack::start().await);
    let promotion = stack.promotion(json!({})).await;
    for (number, code) in stack.codes(&promotion, 12).await.into_iter().enumerate() {
        let barrier = Arc::new(Barrier::new(3));
        let redeeming = {
            let (stack, barrier, code) = (stack.clone(), barrier.clone(), code.clone());
            tokio::spawn(async move {
                barrier.wait().await;
                stack.redeem(&format!("order-{number}"), &code).await.status
            })
        };
        let voiding = || {
            let (stack, barrier, code) = (stack.clone(), barrier.clone(), code.clone());
            tokio::spawn(async move {
                barrier.wait().await;
                void(&stack, &[&code]).await["voided"]
                    .as_array()
                    .unwrap()
                    .len()
            })
        };
        let (one, other) = (voiding(), voiding());
        let redeemed = usize::from(redeeming.await.unwrap() == 201);
        let voided = one.await.unwrap() + other.await.unwrap();
        assert_eq!(redeemed + voided, 1, "redeemed {redeemed}, voided {voided}");
    }
}
