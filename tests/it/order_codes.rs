//! Codes of ours that come with an order of a webhook: redeemed under it, once, within all limits, and given back with it.

use integration::{Stack, completed, redemption};
use serde_json::{Value, json};

async fn told(stack: &Stack, event: &Value) {
    stack
        .standard_webhook(stack.clock(), event)
        .await
        .expect(200);
    // Answers once the queues are empty.
    stack.advance("PT0S").await;
}

async fn record(stack: &Stack, order: &str) -> (u16, Value) {
    let call = format!("GET /v1/redemptions/{order}");
    let answer = stack.checkout(&call, Value::Null).await;
    (answer.status, answer.body)
}

fn taken_back(order: &str, kind: &str) -> Value {
    json!({"type": kind, "timestamp": "2026-11-22T03:04:06Z", "data": {"order_id": order}})
}

#[tokio::test]
async fn an_orders_codes_are_redeemed_under_it_once_and_other_shops_codes_are_none_of_ours() {
    let stack = Stack::start().await;
    let limits = json!({"budget": 1_000, "per_customer": 1});
    let promotion = stack
        .promotion(json!({"combinability": "unrestricted", "limits": limits}))
        .await;
    let code = stack.codes(&promotion, 1).await.remove(0);
    // One that applies by itself was no part of the price that the shop made.
    let by_itself = json!({"claim_code": "none", "combinability": "unrestricted"});
    stack.promotion(by_itself).await;
    let event = completed(
        "7001",
        json!({"codes": [code.to_lowercase(), "SHOPS-OWN-10", code]}),
    );
    for _ in 0..3 {
        told(&stack, &event).await;
    }
    let (status, redeemed) = record(&stack, "7001").await;
    assert_eq!(status, 200);
    assert_eq!(
        (&redeemed["status"], &redeemed["discount"]),
        (&json!("redeemed"), &json!(396))
    );
    assert_eq!(redeemed["codes"].as_array().unwrap().len(), 1);
    assert_eq!(redeemed["automatic"], Value::Null);
    let path = format!("GET /v1/promotions/{}", promotion["id"].as_str().unwrap());
    let spent = stack.admin(&path, Value::Null).await.expect(200).body["spent"].clone();
    assert_eq!(spent, json!({"amount": 396, "redemptions": 1}));
    // Another order cannot use it.
    stack.redeem("other", &code).await.expect(409);
}

#[tokio::test]
async fn an_order_that_was_redeemed_or_cancelled_before_is_left_alone() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    let codes = stack.codes(&promotion, 3).await;
    let first = stack.redeem("7002", &codes[0]).await.expect(201).body;
    told(&stack, &completed("7002", json!({"codes": [codes[1]]}))).await;
    assert_eq!(record(&stack, "7002").await.1, first);
    stack
        .checkout("POST /v1/redemptions/7003/cancel", json!({}))
        .await
        .expect(200);
    told(&stack, &completed("7003", json!({"codes": [codes[1]]}))).await;
    assert_eq!(record(&stack, "7003").await.1["status"], "cancelled");
    stack.redeem("7004", &codes[1]).await.expect(201);
    // A refund of what the checkout redeemed is the checkout's to tell.
    told(&stack, &taken_back("7004", "order.refunded")).await;
    assert_eq!(record(&stack, "7004").await.1["status"], "redeemed");
}

#[tokio::test]
async fn what_was_redeemed_with_an_order_is_given_back_with_it_in_whatever_order_the_events_come() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    let code = stack.codes(&promotion, 1).await.remove(0);
    for (order, kind) in [("7005", "order.cancelled"), ("7006", "order.refunded")] {
        told(&stack, &completed(order, json!({"codes": [code]}))).await;
        assert_eq!(record(&stack, order).await.1["status"], "redeemed");
        told(&stack, &taken_back(order, kind)).await;
        assert_eq!(record(&stack, order).await.1["status"], "cancelled");
        told(&stack, &completed(order, json!({"codes": [code]}))).await;
        assert_eq!(record(&stack, order).await.1["status"], "cancelled");
    }
    // The cancellation first: what comes after it is undone at once.
    told(&stack, &taken_back("7007", "order.cancelled")).await;
    told(&stack, &completed("7007", json!({"codes": [code]}))).await;
    assert_ne!(record(&stack, "7007").await.1["status"], "redeemed");
    stack.redeem("7008", &code).await.expect(201);
}

#[tokio::test]
async fn codes_that_do_not_apply_use_nothing_and_hold_nothing_up() {
    let stack = Stack::start().await;
    let promotion = stack
        .promotion(json!({"products": {"include": ["OTHER"]}}))
        .await;
    let thanks = stack.promotion(json!({})).await;
    stack.follow_up(&thanks, json!({})).await;
    let code = stack.codes(&promotion, 1).await.remove(0);
    told(&stack, &completed("7009", json!({"codes": [code]}))).await;
    // Lines that cannot be a cart: what the codes gave is not known here.
    let odd = json!({"codes": [code], "lines": [{"sku": "", "quantity": 1, "unit_price": 1}]});
    told(&stack, &completed("7010", odd)).await;
    for order in ["7009", "7010"] {
        assert_eq!(record(&stack, order).await.0, 404);
    }
    let order = stack
        .admin("GET /v1/orders/7009", Value::Null)
        .await
        .expect(200);
    let expected = json!([{"promotion_id": promotion["id"], "reason": "no-eligible-products"}]);
    assert_eq!(order.body["unreconciled"], expected);
    let order = stack
        .admin("GET /v1/orders/7010", Value::Null)
        .await
        .expect(200);
    assert_eq!(
        order.body["unreconciled"],
        json!([{"promotion_id": promotion["id"]}])
    );
    let quote = redemption(&[&code]);
    let quote = stack
        .checkout("POST /v1/quotes", quote)
        .await
        .expect(200)
        .body;
    assert_eq!(quote["codes"][0]["reason"], "no-eligible-products");
    // Both orders earned their thank-you all the same.
    stack.advance("P4D").await;
    assert_eq!(stack.inbox().await.len(), 2);
}
