//! Benefits of every kind through the HTTP contract: what they give, what they draw on, and how a quote explains it.

use integration::Stack;
use serde_json::{Value, json};

/// A promotion with the group code `word`.
async fn word(stack: &Stack, word: &str, terms: Value) -> Value {
    let mut all = json!({"claim_code": "group", "combinability": "unrestricted"});
    for (field, value) in terms.as_object().unwrap() {
        all[field] = value.clone();
    }
    let promotion = stack.promotion(all).await;
    let path = format!(
        "POST /v1/promotions/{}/codes",
        promotion["id"].as_str().unwrap()
    );
    stack.admin(&path, json!({"code": word})).await.expect(201);
    promotion
}

fn cart() -> Value {
    json!({"currency": "JPY", "shipping": 500, "lines": [
        {"sku": "TEA", "quantity": 3, "unit_price": 1000}, {"sku": "CUP", "quantity": 1, "unit_price": 600}]})
}

#[tokio::test]
async fn every_kind_of_benefit_is_quoted_and_redeemed_in_its_order() {
    let stack = Stack::start().await;
    word(
        &stack,
        "SHIPFREE",
        json!({"benefit": {"type": "free_shipping"}}),
    )
    .await;
    let tiers =
        json!([{"min_subtotal": 1000, "percent": 5}, {"min_subtotal": 3600, "percent": 10}]);
    word(
        &stack,
        "TIERS",
        json!({"benefit": {"type": "tiered_percent_off", "tiers": tiers}}),
    )
    .await;
    let set =
        json!({"type": "buy_x_get_y", "buy": 2, "get": 1, "percent": 50, "get_products": ["CUP"]});
    word(
        &stack,
        "CUPSET",
        json!({"benefit": set, "products": {"include": ["TEA"]}}),
    )
    .await;
    let body = json!({"codes": ["SHIPFREE", "TIERS", "CUPSET"], "cart": cart()});
    let quote = stack
        .checkout("POST /v1/quotes", body.clone())
        .await
        .expect(200)
        .body;
    // 50 % of 600, then 10 % of the 3,300 left; shipping apart.
    let amounts = json!([630, 500, 2970]);
    let told = |body: &Value| json!([body["discount"], body["shipping_discount"], body["total"]]);
    let by_code = |body: &Value| -> Vec<Value> {
        let codes = body["codes"].as_array().unwrap();
        codes.iter().map(|code| code["discount"].clone()).collect()
    };
    assert_eq!(told(&quote), amounts);
    assert_eq!(by_code(&quote), [json!(500), json!(330), json!(300)]);
    assert_eq!(quote["lines"][0]["discount"], 300);
    assert_eq!(quote["lines"][1]["discount"], 330);
    assert_eq!(quote.get("explanation"), None);
    let first = stack
        .checkout("PUT /v1/redemptions/1", body.clone())
        .await
        .expect(201)
        .body;
    assert_eq!(told(&first), amounts);
    assert_eq!(by_code(&first), by_code(&quote));
    let again = stack
        .checkout("PUT /v1/redemptions/1", body)
        .await
        .expect(200)
        .body;
    assert_eq!(again, first);
}

#[tokio::test]
async fn free_shipping_draws_on_its_budget_like_any_discount() {
    let stack = Stack::start().await;
    let terms = json!({"benefit": {"type": "free_shipping"}, "limits": {"budget": 900}});
    let promotion = word(&stack, "SHIPFREE", terms).await;
    let body = json!({"codes": ["SHIPFREE"], "cart": cart()});
    let put = |order: &'static str| stack.checkout(order, body.clone());
    let answer = put("PUT /v1/redemptions/1").await.expect(201).body;
    assert_eq!(answer["codes"][0]["discount"], 500);
    assert_eq!(
        (&answer["discount"], &answer["total"]),
        (&json!(0), &json!(3600))
    );
    let refused = put("PUT /v1/redemptions/2").await.expect(422).body;
    assert_eq!(refused["codes"][0]["reason"], "budget-exhausted");
    let path = format!("GET /v1/promotions/{}", promotion["id"].as_str().unwrap());
    let read = stack.admin(&path, Value::Null).await.expect(200).body;
    assert_eq!(read["spent"], json!({"amount": 500, "redemptions": 1}));
}

#[tokio::test]
async fn units_per_order_caps_the_units_discounted_cheapest_first() {
    let stack = Stack::start().await;
    let terms = json!({"limits": {"units_per_order": 2}});
    let promotion = word(&stack, "TWOUNITS", terms).await;
    assert_eq!(promotion["limits"], json!({"units_per_order": 2}));
    let body = json!({"codes": ["TWOUNITS"], "cart": cart()});
    for (call, status) in [("POST /v1/quotes", 200), ("PUT /v1/redemptions/1", 201)] {
        let answer = stack.checkout(call, body.clone()).await.expect(status).body;
        assert_eq!(answer["lines"][0]["discount"], 100);
        assert_eq!(answer["lines"][1]["discount"], 60);
    }
}

#[tokio::test]
async fn carts_that_complete_no_set_or_reach_no_tier_are_refused_and_use_nothing() {
    let stack = Stack::start().await;
    let tiers = json!([{"min_subtotal": 5000, "percent": 5}]);
    for (name, benefit, reason) in [
        (
            "TIERS",
            json!({"type": "tiered_percent_off", "tiers": tiers}),
            "minimum-not-met",
        ),
        (
            "SETS",
            json!({"type": "buy_x_get_y", "buy": 4, "get": 1, "percent": 100}),
            "minimum-not-met",
        ),
        (
            "GIFT",
            json!({"type": "buy_x_get_y", "buy": 1, "get": 1, "percent": 100, "get_products": ["POT"]}),
            "no-eligible-products",
        ),
    ] {
        word(&stack, name, json!({"benefit": benefit})).await;
        let body = json!({"codes": [name], "cart": cart()});
        let refused = stack
            .checkout("PUT /v1/redemptions/1", body)
            .await
            .expect(422)
            .body;
        assert_eq!(refused["codes"][0]["reason"], reason, "{name}");
    }
}

#[tokio::test]
async fn a_quote_that_asks_for_it_is_explained_step_by_step() {
    let stack = Stack::start().await;
    word(&stack, "TEN", json!({"products": {"include": ["CUP"]}})).await;
    let gone = word(&stack, "GONE", json!({})).await;
    let path = format!("POST /v1/promotions/{}/end", gone["id"].as_str().unwrap());
    stack.admin(&path, json!({})).await.expect(200);
    let body = json!({"codes": ["TEN", "ABSENT", "GONE"], "cart": cart(), "explain": true});
    let quote = stack
        .checkout("POST /v1/quotes", body)
        .await
        .expect(200)
        .body;
    let step = |code: &str, step: &str, detail: &str| json!({"code": code, "step": step, "detail": detail});
    let expected = json!([
        step("ABSENT", "refused", "Was not priced, because of its state or its limits: code-unknown."),
        step("GONE", "refused", "Was not priced, because of its state or its limits: ended."),
        step("TEN", "eligible", "It is for 1 of 2 lines: 1 unit, ¥600 before discounts."),
        step("TEN", "percent", "10% of the ¥600 left to discount is ¥60, rounded half up."),
        step("TEN", "lines", "Spread in proportion to what is left of the lines: line 1 gets ¥60."),
        {"step": "total", "detail": "The buyer pays ¥3,600 − ¥60 for the lines and ¥500 − ¥0 for shipping: ¥4,040."},
    ]);
    assert_eq!(quote["explanation"], expected);
}

#[tokio::test]
async fn benefits_that_cannot_be_are_pointed_at() {
    let stack = Stack::start().await;
    let tier = |start: u64| json!({"min_subtotal": start, "percent": 5});
    let ten: Vec<Value> = (0..10).map(tier).collect();
    for (benefit, pointer) in [
        (
            json!({"type": "tiered_percent_off", "tiers": []}),
            "/benefit/tiers",
        ),
        (
            json!({"type": "tiered_percent_off", "tiers": ten}),
            "/benefit/tiers",
        ),
        (
            json!({"type": "tiered_percent_off", "tiers": [tier(2), tier(2)]}),
            "/benefit/tiers",
        ),
        (
            json!({"type": "tiered_percent_off", "tiers": [{"min_subtotal": 1, "percent": 101}]}),
            "/benefit/tiers/0/percent",
        ),
        (
            json!({"type": "buy_x_get_y", "buy": 0, "get": 1, "percent": 100}),
            "/benefit/buy",
        ),
        (
            json!({"type": "buy_x_get_y", "buy": 1, "get": 1, "percent": 0}),
            "/benefit/percent",
        ),
        (
            json!({"type": "buy_x_get_y", "buy": 1, "get": 1, "percent": 5, "get_products": []}),
            "/benefit/get_products",
        ),
        (json!({"type": "free_shipping", "percent": 5}), "/benefit"),
    ] {
        let body = json!({"name": "x", "currency": "JPY", "benefit": benefit});
        let refused = stack.admin("POST /v1/promotions", body).await.expect(400);
        assert_eq!(refused.pointers(), [pointer]);
    }
}
