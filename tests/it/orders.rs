//! `/v1/orders/{order_id}`: staff see what was heard of an order and why its buyer got a mail, or none.

use integration::{Stack, completed};
use serde_json::{Value, json};

/// What is known of an order.
pub(crate) async fn order(stack: &Stack, id: &str) -> Value {
    let call = format!("GET /v1/orders/{id}");
    stack.admin(&call, Value::Null).await.expect(200).body
}

/// Lets the stack work off an event under its present clock.
pub(crate) async fn hear(stack: &Stack, event: &Value) {
    stack
        .standard_webhook(stack.clock(), event)
        .await
        .expect(200);
    stack.advance("PT1S").await;
}

/// The same order's event of another kind.
pub(crate) fn event(kind: &str, order: &str) -> Value {
    let mut event = completed(order, json!({}));
    event["type"] = json!(kind);
    event
}

#[tokio::test]
async fn an_order_tells_its_events_once_each_and_when_its_mail_is_due_and_was_sent() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    let rule = stack.follow_up(&promotion, json!({})).await;
    for _ in 0..3 {
        hear(&stack, &completed("1001", json!({}))).await;
    }
    let seen = order(&stack, "1001").await;
    assert_eq!(seen["order_id"], "1001");
    let [event] = &seen["events"].as_array().unwrap()[..] else {
        panic!("{seen}");
    };
    assert_eq!(
        (&event["type"], &event["source"]),
        (&json!("order.completed"), &json!("custom"))
    );
    let time = |value: &Value| {
        value
            .as_str()
            .unwrap()
            .parse::<chrono::DateTime<chrono::Utc>>()
    };
    let received_at = time(&event["received_at"]).unwrap();
    let [decision] = &seen["follow_ups"].as_array().unwrap()[..] else {
        panic!("{seen}");
    };
    assert_eq!(
        (&decision["follow_up_id"], &decision["mail"]),
        (&rule["id"], &json!("due"))
    );
    let due_at = time(&decision["due_at"]).unwrap();
    assert_eq!(due_at - received_at, chrono::TimeDelta::days(3));
    assert!(decision.get("mailed_at").is_none() && decision.get("reason").is_none());

    stack.advance("P3D").await;
    let seen = order(&stack, "1001").await;
    let decision = &seen["follow_ups"][0];
    assert_eq!(decision["mail"], "sent");
    assert!(time(&decision["mailed_at"]).unwrap() >= due_at);
    for personal in ["hanako", "花子", "example.jp"] {
        assert!(!seen.to_string().contains(personal), "{seen}");
    }
}

#[tokio::test]
async fn an_order_without_a_mail_tells_why() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    let terms = json!({"conditions": {"min_total": 3000}});
    stack.follow_up(&promotion, terms).await;
    for (id, fields, reason) in [
        ("a", json!({"source": "amazon"}), "marketplace"),
        ("b", json!({"customer": {"email": null}}), "no-address"),
        (
            "c",
            json!({"customer": {"accepts_marketing": false}}),
            "no-consent",
        ),
        ("d", json!({"total": 2999}), "below-minimum"),
    ] {
        hear(&stack, &completed(id, fields)).await;
        let seen = order(&stack, id).await;
        assert_eq!(seen["follow_ups"][0]["reason"], reason, "{seen}");
        assert!(seen["follow_ups"][0].get("due_at").is_none(), "{seen}");
    }
}

#[tokio::test]
async fn a_cancellation_shows_in_whatever_order_the_events_come() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    stack.follow_up(&promotion, json!({})).await;
    hear(&stack, &event("order.completed", "after")).await;
    hear(&stack, &event("order.refunded", "after")).await;
    hear(&stack, &event("order.cancelled", "before")).await;
    let only_cancelled = order(&stack, "before").await;
    assert_eq!(only_cancelled["follow_ups"], json!([]));
    hear(&stack, &event("order.completed", "before")).await;
    for (id, kinds) in [
        ("after", ["order.completed", "order.refunded"]),
        ("before", ["order.cancelled", "order.completed"]),
    ] {
        let seen = order(&stack, id).await;
        let events = seen["events"].as_array().unwrap();
        let found: Vec<_> = events.iter().map(|event| &event["type"]).collect();
        assert_eq!(found, kinds, "{seen}");
        assert_eq!(seen["follow_ups"][0]["reason"], "cancelled", "{seen}");
    }
    for unknown in ["never", "a%20b"] {
        let call = format!("GET /v1/orders/{unknown}");
        stack.admin(&call, Value::Null).await.expect(404);
    }
    stack
        .checkout("GET /v1/orders/after", Value::Null)
        .await
        .expect(403);
}
