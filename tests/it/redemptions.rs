//! `/v1/quotes` and `/v1/redemptions`: what each answer says, and who wins a race.

use std::sync::Arc;

use integration::{Stack, redemption};
use serde_json::{Value, json};
use tokio::sync::Barrier;

#[tokio::test]
async fn a_code_is_quoted_redeemed_repeated_and_refused_to_others() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    let code = stack.codes(&promotion, 1).await.remove(0);
    let typed = code.to_lowercase().replace('-', " ");

    let mut body = redemption(&[&typed]);
    body["cart"]["shipping"] = json!(500);
    let quote = stack
        .checkout("POST /v1/quotes", body.clone())
        .await
        .expect(200)
        .body;
    let applied =
        json!([{"code": code, "promotion_id": promotion["id"], "applied": true, "discount": 396}]);
    let expected = json!({
        "currency": "JPY", "subtotal": 3960, "discount": 396, "shipping_discount": 0, "total": 4064, "codes": applied,
        "lines": [{"sku": "B0CHX1W1XY", "quantity": 2, "subtotal": 3960, "discount": 396}],
    });
    assert_eq!(quote, expected);

    let first = stack
        .checkout("PUT /v1/redemptions/1001", body.clone())
        .await
        .expect(201);
    assert_eq!(first.body["order_id"], "1001");
    assert_eq!(first.body["status"], "redeemed");
    assert!(first.body["redeemed_at"].is_string());
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&first.body[field], value, "{field}");
    }

    let again = stack
        .checkout("PUT /v1/redemptions/1001", body.clone())
        .await
        .expect(200);
    assert_eq!(again.text, first.text);
    let read = stack
        .checkout("GET /v1/redemptions/1001", Value::Null)
        .await
        .expect(200);
    assert_eq!(read.text, first.text);

    let other_order = stack
        .checkout("PUT /v1/redemptions/1002", body.clone())
        .await
        .expect(409);
    assert_eq!(other_order.body["code"], "code-already-redeemed");
    assert_eq!(
        other_order.headers["content-type"],
        "application/problem+json"
    );
    body["cart"]["shipping"] = json!(0);
    let other_request = stack
        .checkout("PUT /v1/redemptions/1001", body.clone())
        .await
        .expect(409);
    assert_eq!(other_request.body["code"], "order-already-redeemed");
    let quote = stack
        .checkout("POST /v1/quotes", body)
        .await
        .expect(200)
        .body;
    assert_eq!(quote["codes"][0]["applied"], false);
    assert_eq!(quote["codes"][0]["reason"], "code-already-redeemed");
    assert_eq!(quote["discount"], 0);
    stack
        .checkout("GET /v1/redemptions/1002", Value::Null)
        .await
        .expect(404);
}

#[tokio::test]
async fn of_64_orders_racing_one_code_exactly_one_wins() {
    let stack = Arc::new(Stack::start().await);
    let promotion = stack.promotion(json!({})).await;
    let code = stack.codes(&promotion, 1).await.remove(0);
    let statuses = race(&stack, 64, move |index| {
        (format!("order-{index}"), code.clone())
    })
    .await;
    assert_eq!(
        statuses.iter().filter(|(status, _)| *status == 201).count(),
        1
    );
    let lost = statuses
        .iter()
        .filter(|(status, body)| *status == 409 && body.contains("code-already-redeemed"));
    assert_eq!(lost.count(), 63, "{statuses:?}");
}

#[tokio::test]
async fn one_order_racing_itself_gets_one_creation_and_equal_answers() {
    let stack = Arc::new(Stack::start().await);
    let promotion = stack.promotion(json!({})).await;
    let code = stack.codes(&promotion, 1).await.remove(0);
    let statuses = race(&stack, 32, move |_| ("order".to_owned(), code.clone())).await;
    assert_eq!(
        statuses.iter().filter(|(status, _)| *status == 201).count(),
        1
    );
    assert_eq!(
        statuses.iter().filter(|(status, _)| *status == 200).count(),
        31,
        "{statuses:?}"
    );
    assert!(statuses.iter().all(|(_, body)| *body == statuses[0].1));
}

/// Starts `count` redemptions at the same moment.
async fn race(
    stack: &Arc<Stack>,
    count: usize,
    what: impl Fn(usize) -> (String, String),
) -> Vec<(u16, String)> {
    let barrier = Arc::new(Barrier::new(count));
    let mut tasks = Vec::new();
    for index in 0..count {
        let (stack, barrier) = (Arc::clone(stack), Arc::clone(&barrier));
        let (order, code) = what(index);
        tasks.push(tokio::spawn(async move {
            barrier.wait().await;
            let call = format!("PUT /v1/redemptions/{order}");
            let answer = stack.decided(&call, redemption(&[&code])).await;
            (answer.status, answer.text)
        }));
    }
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

#[tokio::test]
async fn a_cancelled_order_gives_its_code_back_once_and_never_redeems_again() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    let code = stack.codes(&promotion, 1).await.remove(0);
    stack.redeem("1", &code).await.expect(201);
    let cancelled = stack
        .checkout("POST /v1/redemptions/1/cancel", Value::Null)
        .await
        .expect(200);
    assert_eq!(cancelled.body["status"], "cancelled");
    assert_eq!(cancelled.body["discount"], 396);
    let again = stack
        .checkout("POST /v1/redemptions/1/cancel", json!({}))
        .await
        .expect(200);
    assert_eq!(again.text, cancelled.text);
    assert_eq!(
        stack.redeem("1", &code).await.expect(409).body["code"],
        "order-cancelled"
    );
    stack.redeem("2", &code).await.expect(201);
    // Cancelling again must not take the code from the order that has it now.
    stack
        .checkout("POST /v1/redemptions/1/cancel", Value::Null)
        .await
        .expect(200);
    assert_eq!(
        stack.redeem("3", &code).await.expect(409).body["code"],
        "code-already-redeemed"
    );
}

#[tokio::test]
async fn a_cancellation_that_comes_first_refuses_the_redemption_still_on_its_way() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    let code = stack.codes(&promotion, 1).await.remove(0);
    let cancelled = stack
        .checkout("POST /v1/redemptions/9/cancel", Value::Null)
        .await
        .expect(200);
    assert_eq!(
        (&cancelled.body["order_id"], &cancelled.body["status"]),
        (&json!("9"), &json!("cancelled"))
    );
    assert_eq!(
        stack.redeem("9", &code).await.expect(409).body["code"],
        "order-cancelled"
    );
    stack.redeem("10", &code).await.expect(201);
}

#[tokio::test]
async fn a_code_that_is_never_restored_stays_used_after_a_cancellation() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({"restore": "never"})).await;
    let code = stack.codes(&promotion, 1).await.remove(0);
    stack.redeem("1", &code).await.expect(201);
    stack
        .checkout("POST /v1/redemptions/1/cancel", Value::Null)
        .await
        .expect(200);
    assert_eq!(
        stack.redeem("2", &code).await.expect(409).body["code"],
        "code-already-redeemed"
    );
}

#[tokio::test]
async fn a_refused_redemption_says_of_every_code_what_happened_and_uses_none() {
    let stack = Stack::start().await;
    let open = stack
        .promotion(json!({"combinability": "unrestricted"}))
        .await;
    let dear = stack
        .promotion(json!({"combinability": "unrestricted", "minimum": {"subtotal": 9000}}))
        .await;
    let good = stack.codes(&open, 1).await.remove(0);
    let too_dear = stack.codes(&dear, 1).await.remove(0);
    let refused = stack
        .checkout("PUT /v1/redemptions/1", redemption(&[&good, &too_dear]))
        .await
        .expect(422);
    assert_eq!(refused.body["code"], "not-applicable");
    assert_eq!(refused.body["codes"][0]["applied"], true);
    assert_eq!(refused.body["codes"][1]["reason"], "minimum-not-met");
    let unknown = stack
        .checkout("PUT /v1/redemptions/1", redemption(&[&too_dear, "NOSUCH"]))
        .await
        .expect(404);
    assert_eq!(unknown.body["code"], "code-unknown");
    assert_eq!(unknown.body["codes"][1]["reason"], "code-unknown");
    stack.redeem("2", &good).await.expect(201);
}

#[tokio::test]
async fn group_words_are_shared_and_read_forgivingly() {
    let stack = Stack::start().await;
    let promotion = stack
        .promotion(json!({"claim_code": "group", "benefit": {"type": "amount_off", "amount": 500}}))
        .await;
    let path = format!(
        "POST /v1/promotions/{}/codes",
        promotion["id"].as_str().unwrap()
    );
    let word = json!({"code": "hello10", "channel": "influencer/hanako"});
    let added = stack.admin(&path, word).await.expect(201).body;
    assert_eq!(added["code"], "HELLO10");
    let same = stack
        .admin(&path, json!({"code": "HE11O1O"}))
        .await
        .expect(409);
    assert_eq!(same.body["code"], "code-taken");
    for order in ["1", "2"] {
        let answer = stack.redeem(order, "ｈｅｌｌｏ 1o").await.expect(201).body;
        assert_eq!(answer["codes"][0]["code"], "HELLO10");
        assert_eq!(answer["discount"], 500);
    }
}

#[tokio::test]
async fn bad_requests_are_pointed_at_and_keys_are_judged_first() {
    let stack = Stack::start().await;
    let put = "PUT /v1/redemptions/1";
    assert_eq!(
        stack
            .call("no-such-key", put, json!("not even an object"))
            .await
            .expect(401)
            .body["code"],
        "unauthenticated"
    );
    stack
        .checkout("POST /v1/promotions", json!({}))
        .await
        .expect(403);
    let pointed = |body: Value| {
        let stack = &stack;
        async move {
            stack
                .checkout(put, body)
                .await
                .expect(400)
                .pointers()
                .join(" ")
        }
    };
    assert_eq!(
        pointed(json!({"codes": ["A1B"], "cart": {"currency": "yen", "lines": []}})).await,
        "/cart/currency"
    );
    let mut unknown_field = redemption(&["A1B"]);
    unknown_field["cart"]["lines"][0]["price"] = json!(1);
    assert_eq!(pointed(unknown_field).await, "/cart/lines/0/price");
    let mut zero = redemption(&["A1B"]);
    zero["cart"]["lines"][0]["quantity"] = json!(0);
    assert_eq!(pointed(zero).await, "/cart/lines/0/quantity");
    assert_eq!(pointed(redemption(&[])).await, "/codes");
    let bad_id = stack
        .checkout("PUT /v1/redemptions/a%20b", redemption(&["A1B"]))
        .await
        .expect(400);
    assert_eq!(bad_id.pointers(), ["/order_id"]);
    stack
        .checkout("GET /v1/nothing", Value::Null)
        .await
        .expect(404);
    stack
        .checkout("DELETE /v1/quotes", Value::Null)
        .await
        .expect(405);
    let long = format!("{{\"codes\":[\"{}\"]}}", "x".repeat(2 * 1024 * 1024));
    let request = stack
        .request(reqwest::Method::PUT, "/v1/redemptions/1")
        .bearer_auth("okaeri_local_checkout")
        .body(long);
    stack.send(request).await.expect(413);
}
