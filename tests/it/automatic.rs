//! Promotions that apply by themselves: to every cart they are for, within their limits, and never against a code.

use std::sync::Arc;

use integration::faults::Fault;
use integration::{Stack, redemption};
use serde_json::{Value, json};
use tokio::sync::Barrier;

use crate::shop::{Shop, faults};

/// 100 yen off for every cart, with these terms on top.
async fn automatic(stack: &Stack, terms: Value) -> Value {
    let mut all = json!({"claim_code": "none", "combinability": "unrestricted",
        "benefit": {"type": "amount_off", "amount": 100}});
    for (name, value) in terms.as_object().unwrap() {
        all[name] = value.clone();
    }
    stack.promotion(all).await
}

/// A clock that moved on shows every function what was changed.
async fn forget_terms(stack: &Stack) {
    stack.advance("PT11S").await;
}

async fn spent(stack: &Stack, promotion: &Value) -> Value {
    let path = format!("GET /v1/promotions/{}", promotion["id"].as_str().unwrap());
    stack.admin(&path, Value::Null).await.expect(200).body["spent"].clone()
}

#[tokio::test]
async fn it_applies_to_quotes_and_orders_with_and_without_codes_and_is_given_back() {
    let stack = Stack::start().await;
    let promotion = automatic(&stack, json!({"limits": {"budget": 1_000}})).await;
    let id = &promotion["id"];
    let coded = stack
        .promotion(json!({"combinability": "unrestricted"}))
        .await;
    let code = stack.codes(&coded, 1).await.remove(0);

    let quote = stack.checkout("POST /v1/quotes", redemption(&[])).await;
    let quote = quote.expect(200).body;
    assert_eq!(quote["discount"], 100);
    assert_eq!(quote["codes"], json!([]));
    assert_eq!(
        quote["automatic"],
        json!([{"promotion_id": id, "discount": 100}])
    );

    // The percentage comes first; each draws on its own.
    let redeemed = stack.redeem("1", &code).await.expect(201).body;
    assert_eq!(redeemed["discount"], 496);
    assert_eq!(redeemed["codes"].as_array().unwrap().len(), 1);
    assert_eq!(redeemed["codes"][0]["discount"], 396);
    assert_eq!(
        redeemed["automatic"],
        json!([{"promotion_id": id, "discount": 100}])
    );
    let repeated = stack.redeem("1", &code).await.expect(200).body;
    assert_eq!(repeated, redeemed);

    let bare = stack
        .checkout("PUT /v1/redemptions/2", redemption(&[]))
        .await;
    assert_eq!(bare.expect(201).body["discount"], 100);
    assert_eq!(
        spent(&stack, &promotion).await,
        json!({"amount": 200, "redemptions": 2})
    );
    let cancelled = stack
        .checkout("POST /v1/redemptions/1/cancel", json!({}))
        .await;
    cancelled.expect(200);
    assert_eq!(
        spent(&stack, &promotion).await,
        json!({"amount": 100, "redemptions": 1})
    );
    let read = stack
        .checkout("GET /v1/redemptions/2", Value::Null)
        .await
        .expect(200)
        .body;
    assert_eq!(
        read["automatic"],
        json!([{"promotion_id": id, "discount": 100}])
    );
    let back = json!({"return_id": "r", "lines": [{"line": 0, "quantity": 2}]});
    let returned = stack
        .checkout("POST /v1/redemptions/2/returns", back)
        .await
        .expect(200)
        .body;
    assert_eq!(returned["returns"][0]["discount"], 100);
}

#[tokio::test]
async fn an_order_goes_on_without_one_that_is_spent_paused_or_used_up_by_the_customer() {
    let stack = Stack::start().await;
    let (code, other) = {
        let coded = stack
            .promotion(json!({"combinability": "unrestricted"}))
            .await;
        let mut codes = stack.codes(&coded, 2).await;
        (codes.remove(0), codes.remove(0))
    };
    let budget = automatic(&stack, json!({"limits": {"budget": 150}})).await;
    let customer = automatic(&stack, json!({"limits": {"per_customer": 1}})).await;
    let mut body = redemption(&[&code]);
    body["customer"] = json!({"email": "hanako@example.jp"});
    let first = stack
        .checkout("PUT /v1/redemptions/1", body.clone())
        .await
        .expect(201)
        .body;
    assert_eq!(first["discount"], 596);
    assert_eq!(first["automatic"].as_array().unwrap().len(), 2);

    // The same person again: 50 of the budget are left, and their one use is gone.
    body["codes"] = json!([other]);
    let quote = stack
        .checkout("POST /v1/quotes", body.clone())
        .await
        .expect(200)
        .body;
    assert_eq!(quote["discount"], 396);
    let second = stack
        .checkout("PUT /v1/redemptions/2", body.clone())
        .await
        .expect(201)
        .body;
    assert_eq!(
        (&second["discount"], &second["automatic"]),
        (&json!(396), &Value::Null)
    );
    assert_eq!(spent(&stack, &budget).await["amount"], 100);

    // A stranger, unnamed: what counts customers stays out of quote and order alike.
    let nobody = stack
        .checkout("PUT /v1/redemptions/3", redemption(&[]))
        .await
        .expect(201)
        .body;
    assert_eq!(nobody["discount"], 0);
    body["customer"]["email"] = json!("taro@example.jp");
    body["codes"] = json!([]);
    let taro = stack
        .checkout("PUT /v1/redemptions/4", body.clone())
        .await
        .expect(201)
        .body;
    assert_eq!(
        taro["automatic"],
        json!([{"promotion_id": customer["id"], "discount": 100}])
    );

    for promotion in [&budget, &customer] {
        let path = format!(
            "POST /v1/promotions/{}/pause",
            promotion["id"].as_str().unwrap()
        );
        stack.admin(&path, json!({})).await.expect(200);
    }
    forget_terms(&stack).await;
    // The answer of before stands; a new order without codes has nothing to redeem.
    let again = stack
        .checkout("PUT /v1/redemptions/4", body.clone())
        .await
        .expect(200)
        .body;
    assert_eq!(again, taro);
    let nothing = stack
        .checkout("PUT /v1/redemptions/5", body)
        .await
        .expect(400);
    assert_eq!(nothing.pointers(), ["/codes"]);
}

#[tokio::test]
async fn an_exclusive_code_stands_alone_and_an_explanation_says_what_gave_way() {
    let stack = Stack::start().await;
    let promotion = automatic(&stack, json!({})).await;
    let exclusive = stack.promotion(json!({})).await;
    let code = stack.codes(&exclusive, 1).await.remove(0);
    let mut body = redemption(&[&code]);
    body["explain"] = json!(true);
    let quote = stack
        .checkout("POST /v1/quotes", body)
        .await
        .expect(200)
        .body;
    assert_eq!(
        (&quote["discount"], &quote["automatic"]),
        (&json!(396), &Value::Null)
    );
    let about = quote["explanation"].as_array().unwrap().iter();
    let mut about = about.filter(|step| step["promotion_id"] == promotion["id"]);
    let step = about.next().unwrap();
    assert_eq!(
        (&step["step"], &step["code"]),
        (&json!("refused"), &Value::Null)
    );
    assert!(step["detail"].as_str().unwrap().starts_with("Gives way"));
    assert_eq!(
        stack.redeem("1", &code).await.expect(201).body["discount"],
        396
    );
}

#[tokio::test]
async fn it_has_no_codes_and_no_follow_up_and_a_shop_has_at_most_25() {
    let stack = Stack::start().await;
    let promotion = automatic(&stack, json!({})).await;
    let path = format!("/v1/promotions/{}/codes", promotion["id"].as_str().unwrap());
    for body in [json!({"count": 1}), json!({"code": "HANAKO10"})] {
        stack.admin(&format!("POST {path}"), body).await.expect(400);
    }
    let none = stack
        .admin(&format!("GET {path}"), Value::Null)
        .await
        .expect(200);
    assert_eq!(none.body["codes"], json!([]));
    let follow_up = json!({"name": "Thanks", "mail": {"from": "shop@shop.example"},
        "variants": [{"name": "A", "promotion_id": promotion["id"], "delay": "P3D"}]});
    let refused = stack
        .admin("POST /v1/follow-ups", follow_up)
        .await
        .expect(400);
    assert_eq!(refused.pointers(), ["/variants/0/promotion_id"]);

    // One that is over does not count, nor one that was ended.
    let now = stack.clock().now();
    let ends_at = now + chrono::TimeDelta::seconds(5);
    automatic(&stack, json!({"ends_at": ends_at})).await;
    let terms = json!({"name": "One more", "currency": "JPY", "claim_code": "none",
        "benefit": {"type": "free_shipping"}});
    for number in 2..=24 {
        let key = format!("number-{number}");
        stack
            .admin_once(&key, "POST /v1/promotions", terms.clone())
            .await
            .expect(201);
    }
    let refused = stack
        .admin("POST /v1/promotions", terms.clone())
        .await
        .expect(400);
    assert_eq!(refused.pointers(), ["/claim_code"]);
    // The repetition of one that went through is answered as before.
    stack
        .admin_once("number-24", "POST /v1/promotions", terms.clone())
        .await
        .expect(201);
    stack.advance("PT5S").await;
    stack
        .admin("POST /v1/promotions", terms.clone())
        .await
        .expect(201);
    stack
        .admin("POST /v1/promotions", terms.clone())
        .await
        .expect(400);
    let end = format!(
        "POST /v1/promotions/{}/end",
        promotion["id"].as_str().unwrap()
    );
    stack.admin(&end, json!({})).await.expect(200);
    stack.admin("POST /v1/promotions", terms).await.expect(201);
}

#[tokio::test]
async fn a_promotion_becomes_automatic_and_stops_being_so_while_it_is_scheduled() {
    let stack = Stack::start().await;
    let starts_at = stack.clock().now() + chrono::TimeDelta::hours(1);
    let promotion = stack
        .promotion(json!({"starts_at": starts_at, "combinability": "unrestricted"}))
        .await;
    let patch = format!("PATCH /v1/promotions/{}", promotion["id"].as_str().unwrap());
    let change = |version: u64, claim: &str| json!({"version": version, "claim_code": claim});
    for (version, claim) in [(1, "none"), (2, "single_use"), (3, "none")] {
        stack
            .admin(&patch, change(version, claim))
            .await
            .expect(200);
    }
    let ends_at = starts_at + chrono::TimeDelta::hours(1);
    stack
        .admin(&patch, json!({"version": 4, "ends_at": ends_at}))
        .await
        .expect(200);
    let discount = async || {
        let quote = stack.checkout("POST /v1/quotes", redemption(&[])).await;
        quote.expect(200).body["discount"].clone()
    };
    assert_eq!(discount().await, 0);
    stack.advance("PT1H").await;
    assert_eq!(discount().await, 396);
    stack.advance("PT1H").await;
    assert_eq!(discount().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_60_orders_racing_a_budget_of_10_all_go_through_and_exactly_10_get_it() {
    let stack = Arc::new(Stack::start().await);
    let promotion = automatic(&stack, json!({"limits": {"budget": 1_050, "shards": 4}})).await;
    let barrier = Arc::new(Barrier::new(60));
    let tasks: Vec<_> = (0..60)
        .map(|order| {
            let (stack, barrier) = (Arc::clone(&stack), Arc::clone(&barrier));
            tokio::spawn(async move {
                barrier.wait().await;
                let call = format!("PUT /v1/redemptions/{order}");
                let answer = stack.decided(&call, redemption(&[])).await;
                assert!([200, 201].contains(&answer.status), "{}", answer.text);
                answer.body["discount"].as_u64().unwrap()
            })
        })
        .collect();
    let mut given = 0;
    for task in tasks {
        given += task.await.unwrap();
    }
    assert_eq!(given, 1_000);
    assert_eq!(
        spent(&stack, &promotion).await,
        json!({"amount": 1_000, "redemptions": 10})
    );
}

#[tokio::test]
async fn a_warm_order_is_one_request_and_every_fault_leaves_it_drawn_once() {
    let shop = Shop::open().await;
    let limits = json!({"budget": 100_000, "redemptions": 1_000, "shards": 4});
    let promotion = automatic(&shop.stack, json!({"limits": limits})).await;
    assert_eq!(
        shop.call("PUT /v1/redemptions/first", redemption(&[]))
            .await
            .0,
        201
    );
    shop.proxy.take_operations();
    assert_eq!(
        shop.call("PUT /v1/redemptions/warm", redemption(&[]))
            .await
            .0,
        201
    );
    assert_eq!(shop.proxy.take_operations(), ["TransactWriteItems"]);
    let mut orders = 2;
    for (number, fault) in faults().into_iter().enumerate() {
        let mut plan = Some(fault);
        shop.proxy.plan(move |_| plan.take().unwrap_or(Fault::Pass));
        let call = format!("PUT /v1/redemptions/faulty-{number}");
        let (status, body) = shop.call(&call, redemption(&[])).await;
        assert!([200, 201].contains(&status), "{body}");
        assert_eq!(body["discount"], 100, "{body}");
        orders += 1;
    }
    assert_eq!(shop.spent(&promotion).await, (orders * 100, orders));
}
