//! A few busy weeks of a shop, with everything in it that the doctor compares.

use integration::{Stack, completed, redemption};
use serde_json::{Value, json};

/// Redeems `codes` under `order` for hanako or whoever `fields` say.
async fn redeem(stack: &Stack, order: &str, codes: &[&str], fields: Value) {
    let mut body = redemption(codes);
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    let call = format!("PUT /v1/redemptions/{order}");
    stack.checkout(&call, body).await.expect(201);
}

async fn after(stack: &Stack, order: &str, what: &str, body: Value) {
    let call = format!("POST /v1/redemptions/{order}/{what}");
    stack.checkout(&call, body).await.expect(200);
}

async fn word(stack: &Stack, promotion: &Value, body: Value) {
    let call = format!(
        "POST /v1/promotions/{}/codes",
        promotion["id"].as_str().unwrap()
    );
    stack.admin(&call, body).await.expect(201);
}

fn customer(id: &str) -> Value {
    json!({"customer": {"id": id, "email": format!("{id}@example.jp")}})
}

/// Lives it. Afterwards one hold is open and one mail is due.
pub(crate) async fn live(stack: &Stack) {
    by_themselves(stack).await;
    single_use(stack).await;
    words(stack).await;
    bound_and_kept(stack).await;
    thank_you(stack).await;
    holds(stack).await;
    links(stack).await;
}

/// One without a code, which everybody gets till the end of this, and one that was ended.
async fn by_themselves(stack: &Stack) {
    let limits = json!({"budget": 1_000_000, "redemptions": 500, "per_customer": 100, "shards": 2});
    let terms = json!({"name": "By itself", "claim_code": "none", "combinability": "unrestricted",
        "benefit": {"type": "amount_off", "amount": 10}, "limits": limits});
    stack.promotion(terms.clone()).await;
    let ended = stack.promotion(terms).await;
    let end = format!("POST /v1/promotions/{}/end", ended["id"].as_str().unwrap());
    stack.admin(&end, json!({})).await.expect(200);
    for (order, who) in [
        ("bare-1", "hanako"),
        ("bare-2", "taro"),
        ("bare-3", "hanako"),
    ] {
        redeem(stack, order, &[], customer(who)).await;
    }
    after(stack, "bare-1", "cancel", Value::Null).await;
}

async fn single_use(stack: &Stack) {
    let limits = json!({"budget": 1_000_000, "redemptions": 500, "per_customer": 5});
    let promotion = stack.promotion(json!({"limits": limits})).await;
    let codes = stack.codes(&promotion, 8).await;
    stack.codes(&promotion, 1_100).await;
    for (index, code) in codes.iter().take(5).enumerate() {
        let who = if index < 3 { "hanako" } else { "taro" };
        redeem(stack, &format!("single-{index}"), &[code], customer(who)).await;
    }
    after(stack, "single-0", "cancel", Value::Null).await;
    let back = json!({"return_id": "r", "lines": [{"line": 0, "quantity": 1}]});
    after(stack, "single-2", "returns", back).await;
    after(stack, "never-seen", "cancel", Value::Null).await;
    let voided = json!({"codes": [codes[6], codes[7]]});
    stack.admin("POST /v1/codes/void", voided).await.expect(200);
    // A code that was given back is free for another order.
    redeem(stack, "single-again", &[&codes[0]], customer("jiro")).await;
    let path = format!("PATCH /v1/promotions/{}", promotion["id"].as_str().unwrap());
    let change =
        json!({"version": 1, "limits": {"budget": 900_000, "redemptions": 600, "per_customer": 5}});
    stack.admin(&path, change).await.expect(200);
}

async fn words(stack: &Stack) {
    let limits = json!({"budget": 50_000, "redemptions": 60, "shards": 4});
    let terms = json!({"claim_code": "group", "limits": limits, "restore_budget_on_return": true});
    let promotion = stack.promotion(terms).await;
    let limited = json!({"code": "HANAKO10", "channel": "influencer/hanako", "limits": {"redemptions": 20, "per_customer": 4}});
    word(stack, &promotion, limited).await;
    word(
        stack,
        &promotion,
        json!({"code": "TEA20", "channel": "ad/google"}),
    )
    .await;
    word(
        stack,
        &promotion,
        json!({"code": "LEAKED", "limits": {"redemptions": 2}}),
    )
    .await;
    for index in 0..5 {
        let order = format!("word-{index}");
        redeem(
            stack,
            &order,
            &["HANAKO10"],
            customer(["a", "b"][index % 2]),
        )
        .await;
    }
    redeem(stack, "word-tea", &["tea20"], customer("a")).await;
    redeem(stack, "word-leaked", &["LEAKED"], json!({})).await;
    after(stack, "word-1", "cancel", Value::Null).await;
    let back = json!({"return_id": "r", "lines": [{"line": 0, "quantity": 1}]});
    after(stack, "word-2", "returns", back).await;
    stack
        .admin("POST /v1/codes/void", json!({"codes": ["LEAKED"]}))
        .await
        .expect(200);
}

async fn bound_and_kept(stack: &Stack) {
    let terms = json!({"restore": "never", "limits": {"redemptions": 100}});
    let promotion = stack.promotion(terms).await;
    let customers = json!([{"email": "hanako@example.jp"}, {"id": "77"}, {"id": "78"}]);
    let path = format!("/v1/promotions/{}/codes", promotion["id"].as_str().unwrap());
    let batch = stack
        .admin(&format!("POST {path}"), json!({"customers": customers}))
        .await
        .expect(201)
        .body;
    let call = format!(
        "GET {path}?batch={}&limit=100",
        batch["batch_id"].as_str().unwrap()
    );
    let page = stack.admin(&call, Value::Null).await.expect(200).body;
    let bound = |index: usize| page["codes"][index]["code"].as_str().unwrap().to_owned();
    redeem(stack, "bound", &[&bound(0)], customer("hanako")).await;
    redeem(
        stack,
        "kept",
        &[&bound(1)],
        json!({"customer": {"id": "77"}}),
    )
    .await;
    after(stack, "kept", "cancel", Value::Null).await;
}

async fn thank_you(stack: &Stack) {
    let promotion = stack
        .promotion(json!({"limits": {"budget": 100_000, "shards": 64}}))
        .await;
    let rule = stack.follow_up(&promotion, json!({})).await;
    let order = |order: &'static str, fields: Value| async move {
        let event = completed(order, fields);
        stack
            .standard_webhook(stack.clock(), &event)
            .await
            .expect(200);
    };
    for id in ["buys", "never-uses", "changes-mind"] {
        order(
            id,
            json!({"customer": {"email": format!("{id}@example.jp")}}),
        )
        .await;
    }
    order(
        "no-consent",
        json!({"customer": {"accepts_marketing": false}}),
    )
    .await;
    stack.advance("PT1M").await;
    let mut cancelled = completed("changes-mind", json!({}));
    cancelled["type"] = json!("order.cancelled");
    stack
        .standard_webhook(stack.clock(), &cancelled)
        .await
        .expect(200);
    stack.advance("P3D").await;
    let inbox = stack.inbox().await;
    let mail = inbox
        .iter()
        .find(|mail| mail["to"] == json!(["buys@example.jp"]))
        .unwrap();
    let code = crate::main_job::code_in(mail, &promotion);
    redeem(stack, "thanked", &[&code], json!({})).await;
    let path = format!("PUT /v1/follow-ups/{}", rule["id"].as_str().unwrap());
    let variants = json!([{"name": "later", "promotion_id": promotion["id"], "delay": "P9D"}]);
    let changed =
        json!({"name": "Thank you", "variants": variants, "mail": {"from": "hello@shop.example"}});
    stack.admin(&path, changed).await.expect(200);
    order("late", json!({"customer": {"email": "late@example.jp"}})).await;
    stack.advance("PT1M").await;
}

/// Links that were visited, changed and taken back.
async fn links(stack: &Stack) {
    let promotion = stack.promotion(json!({})).await;
    for slug in ["life", "death"] {
        let link = crate::links::link(stack, &promotion, json!({"slug": slug})).await;
        for _ in 0..9 {
            crate::links::visit(stack, &link).await.expect(200);
        }
    }
    let cost = json!({"cost": 500});
    stack.admin("PATCH /v1/links/life", cost).await.expect(200);
    stack
        .admin("DELETE /v1/links/death", Value::Null)
        .await
        .expect(200);
}

async fn holds(stack: &Stack) {
    let limits = json!({"budget": 10_000, "redemptions": 30, "per_customer": 9, "shards": 4});
    let promotion = stack.promotion(json!({"limits": limits})).await;
    let codes = stack.codes(&promotion, 6).await;
    let held = |seconds: u32| json!({"hold_seconds": seconds, "customer": {"id": "holder"}});
    for (index, code) in codes.iter().take(4).enumerate() {
        redeem(stack, &format!("hold-{index}"), &[code], held(300)).await;
    }
    after(stack, "hold-0", "confirm", json!({})).await;
    after(stack, "hold-1", "cancel", Value::Null).await;
    stack.advance("PT10M").await;
    // What lapsed comes again under the same order.
    redeem(
        stack,
        "hold-2",
        &[&codes[2]],
        json!({"customer": {"id": "holder"}}),
    )
    .await;
    redeem(stack, "open-hold", &[&codes[4]], held(86_400)).await;
}
