//! `/v1/follow-ups`: the rule is checked when it is saved, and changes reach later orders only.

use integration::{Stack, completed};
use serde_json::{Value, json};

fn rule(promotion: &Value, change: &Value) -> Value {
    let mut body = json!({
        "name": "Thank you",
        "variants": [{"name": "10% after 3 days", "promotion_id": promotion["id"], "delay": "P3D"}],
        "mail": {"from": "Shop <hello@shop.example>"},
    });
    for (field, value) in change.as_object().unwrap() {
        body[field] = value.clone();
    }
    body
}

#[tokio::test]
async fn a_follow_up_is_answered_whole_with_its_defaults() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    let created = stack
        .admin("POST /v1/follow-ups", rule(&promotion, &json!({})))
        .await
        .expect(201)
        .body;
    let conditions = json!({"min_total": 0, "require_consent": true, "first_order_only": false, "cooldown_days": 0});
    assert_eq!(created["conditions"], conditions);
    assert_eq!(created["variants"][0]["weight"], 1);
    assert_eq!(
        (&created["holdout_percent"], &created["code_valid_days"]),
        (&json!(0), &json!(30))
    );
    assert_eq!(created["bind_to_buyer"], false);
    let id = created["id"].as_str().unwrap();
    let read = stack
        .admin(&format!("GET /v1/follow-ups/{id}"), Value::Null)
        .await
        .expect(200)
        .body;
    assert_eq!(read, created);
    let listed = stack
        .admin("GET /v1/follow-ups", Value::Null)
        .await
        .expect(200)
        .body;
    assert_eq!(listed["follow_ups"], json!([created]));
    stack
        .admin("GET /v1/follow-ups/none", Value::Null)
        .await
        .expect(404);
}

#[tokio::test]
async fn what_cannot_be_or_is_not_built_yet_is_refused_where_it_stands() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    let dollars = stack.promotion(json!({"currency": "USD"})).await;
    let variant =
        |name: &str| json!({"name": name, "promotion_id": promotion["id"], "delay": "P3D"});
    let template = |body: &str| json!({"from": "hello@shop.example", "templates": {"en": {"subject": "Hi", "body": body}}});
    for (change, pointer) in [
        (
            json!({"variants": [variant("a"), variant("A")]}),
            "/variants/1/name",
        ),
        (
            json!({"variants": [variant("a"), {"name": "b", "promotion_id": dollars["id"], "delay": "P3D"}]}),
            "/variants/1/promotion_id",
        ),
        (json!({"variants": []}), "/variants"),
        (
            json!({"variants": [{"name": "a", "promotion_id": "ZZZZ", "delay": "P3D"}]}),
            "/variants/0/promotion_id",
        ),
        (
            json!({"variants": [{"name": "a", "promotion_id": promotion["id"], "delay": "3 days"}]}),
            "/variants/0/delay",
        ),
        (json!({"holdout_percent": 91}), "/holdout_percent"),
        (
            json!({"reminder_before_expiry": "P30D"}),
            "/reminder_before_expiry",
        ),
        (
            json!({"conditions": {"max_per_address": 0}}),
            "/conditions/max_per_address",
        ),
        (
            json!({"conditions": {"cooldown_days": 366}}),
            "/conditions/cooldown_days",
        ),
        (json!({"code_valid_days": 0}), "/code_valid_days"),
        (json!({"mail": {"from": "nobody"}}), "/mail/from"),
        (
            json!({"mail": template("Hello {{ code }} {{ coed }}")}),
            "/mail/templates/en/body",
        ),
        (
            json!({"mail": template("No code in here")}),
            "/mail/templates/en/body",
        ),
        (
            json!({"mail": template("{{ code } broken")}),
            "/mail/templates/en/body",
        ),
        (json!({"surprise": 1}), "/surprise"),
    ] {
        let refused = stack
            .admin("POST /v1/follow-ups", rule(&promotion, &change))
            .await
            .expect(400);
        assert_eq!(refused.pointers(), [pointer], "{change}: {}", refused.text);
    }
    let listed = stack
        .admin("GET /v1/follow-ups", Value::Null)
        .await
        .expect(200)
        .body;
    assert_eq!(listed["follow_ups"], json!([]));
}

#[tokio::test]
async fn a_change_reaches_later_orders_and_a_deletion_withdraws_what_was_not_sent() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    let own_text = |subject: &str| json!({"mail": {"from": "hello@shop.example", "templates": {"ja": {"subject": subject, "body": "{{ customer.name }}様\n\n{{ code }}\n\n{{ shop_url }}"}}}});
    let created = stack
        .admin("POST /v1/follow-ups", rule(&promotion, &own_text("first")))
        .await
        .expect(201)
        .body;
    let path = format!("/v1/follow-ups/{}", created["id"].as_str().unwrap());
    let order = |order: &'static str| {
        let stack = &stack;
        async move {
            let buyer = json!({"customer": {"email": format!("{order}@example.jp")}});
            stack
                .standard_webhook(stack.clock(), &completed(order, buyer))
                .await
                .expect(200);
            stack.advance("PT1M").await;
        }
    };
    order("before").await;
    let changed = stack
        .admin(
            &format!("PUT {path}"),
            rule(&promotion, &own_text("second")),
        )
        .await
        .expect(200)
        .body;
    assert_eq!(
        (&changed["id"], &changed["version"]),
        (&created["id"], &json!(2))
    );
    // Rules are remembered for 10 s.
    order("after").await;
    stack.advance("P3D").await;
    let inbox = stack.inbox().await;
    assert_eq!(inbox.len(), 2);
    // What is due together goes out several at a time, in no promised order.
    for (order, subject) in [("before", "first"), ("after", "second")] {
        let to = json!([format!("{order}@example.jp")]);
        let mail = inbox.iter().find(|mail| mail["to"] == to).unwrap();
        assert_eq!(mail["subject"], subject);
    }

    order("withdrawn").await;
    stack
        .admin(&format!("DELETE {path}"), Value::Null)
        .await
        .expect(200);
    stack.advance("PT1M").await;
    order("too-late").await;
    stack.advance("P4D").await;
    assert_eq!(stack.inbox().await.len(), 2);
    stack
        .admin(&format!("GET {path}"), Value::Null)
        .await
        .expect(404);
    stack
        .admin(&format!("PUT {path}"), rule(&promotion, &json!({})))
        .await
        .expect(404);
}

#[tokio::test]
async fn one_idempotency_key_creates_one_follow_up() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    let body = rule(&promotion, &json!({}));
    let first = stack
        .admin_once("rule", "POST /v1/follow-ups", body.clone())
        .await
        .expect(201);
    let again = stack
        .admin_once("rule", "POST /v1/follow-ups", body)
        .await
        .expect(201);
    assert_eq!(again.text, first.text);
    let other = rule(&promotion, &json!({"name": "Other"}));
    assert_eq!(
        stack
            .admin_once("rule", "POST /v1/follow-ups", other)
            .await
            .expect(422)
            .body["code"],
        "idempotency-key-reused"
    );
    let listed = stack
        .admin("GET /v1/follow-ups", Value::Null)
        .await
        .expect(200)
        .body;
    assert_eq!(listed["follow_ups"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_paused_follow_up_takes_orders_and_its_mails_wait_until_it_is_resumed() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    let created = stack.follow_up(&promotion, json!({})).await;
    assert_eq!(created["status"], "active");
    let path = format!("/v1/follow-ups/{}", created["id"].as_str().unwrap());
    let switch = |to: &str| {
        let call = format!("POST {path}/{to}");
        let stack = &stack;
        async move { stack.admin(&call, Value::Null).await }
    };
    crate::orders::hear(&stack, &completed("before", json!({}))).await;
    for _ in 0..2 {
        let paused = switch("pause").await.expect(200).body;
        assert_eq!(
            (&paused["status"], &paused["version"]),
            (&json!("paused"), &json!(1))
        );
    }
    let buyer = json!({"customer": {"email": "while@example.jp"}});
    crate::orders::hear(&stack, &completed("while", buyer)).await;
    let changed = rule(&promotion, &json!({"name": "Still paused"}));
    let changed = stack
        .admin(&format!("PUT {path}"), changed)
        .await
        .expect(200)
        .body;
    assert_eq!(
        (&changed["status"], &changed["version"]),
        (&json!("paused"), &json!(2))
    );
    stack.advance("P4D").await;
    assert!(stack.inbox().await.is_empty());
    for order in ["before", "while"] {
        let seen = crate::orders::order(&stack, order).await;
        let decision = &seen["follow_ups"][0];
        assert_eq!(
            (&decision["mail"], &decision["reason"]),
            (&json!("due"), &json!("follow-up-paused"))
        );
    }
    assert_eq!(switch("resume").await.expect(200).body["status"], "active");
    stack.advance("PT15M").await;
    assert_eq!(stack.inbox().await.len(), 2);

    stack
        .admin(&format!("DELETE {path}"), Value::Null)
        .await
        .expect(200);
    switch("pause").await.expect(404);
    switch("resume").await.expect(404);
}

#[tokio::test]
async fn a_pause_racing_changes_of_the_terms_is_never_lost_and_loses_none() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    let created = stack.follow_up(&promotion, json!({})).await;
    let path = format!("/v1/follow-ups/{}", created["id"].as_str().unwrap());
    let mut calls = vec![(format!("POST {path}/pause"), Value::Null)];
    calls.extend((0..7).map(|number| {
        let terms = rule(&promotion, &json!({"name": format!("Name {number}")}));
        (format!("PUT {path}"), terms)
    }));
    let mut tasks = tokio::task::JoinSet::new();
    for (call, body) in calls {
        let caller = integration::Caller::clone(&stack);
        tasks.spawn(async move { caller.admin(&call, body).await.expect(200) });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let read = stack
        .admin(&format!("GET {path}"), Value::Null)
        .await
        .expect(200)
        .body;
    assert_eq!(
        (&read["status"], &read["version"]),
        (&json!("paused"), &json!(8))
    );
}
