//! Holds: what they keep from others, how they end, and that the books agree whoever meets their end.

use std::sync::Arc;

use integration::{Stack, redemption};
use serde_json::{Value, json};
use shared::clock::Clock;
use tokio::sync::Barrier;

use crate::shop::{MINUTE, Shop, faults, functions, hold, send};

#[tokio::test]
async fn a_hold_is_kept_from_others_and_confirmed_for_good() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({"limits": {"budget": 10_000}})).await;
    let code = stack.codes(&promotion, 1).await.remove(0);
    let first = stack
        .checkout("PUT /v1/redemptions/1", hold(&code))
        .await
        .expect(201);
    assert_eq!(first.body["status"], "held");
    assert!(first.body["held_until"].is_string());
    assert_eq!(first.body["redeemed_at"], Value::Null);
    let again = stack
        .checkout("PUT /v1/redemptions/1", hold(&code))
        .await
        .expect(200);
    assert_eq!(again.text, first.text);
    let path = format!(
        "GET /v1/promotions/{}/codes",
        promotion["id"].as_str().unwrap()
    );
    let listed = stack.admin(&path, Value::Null).await.expect(200).body;
    assert_eq!(
        (
            &listed["codes"][0]["status"],
            &listed["codes"][0]["order_id"]
        ),
        (&json!("held"), &json!("1"))
    );
    let other = stack.redeem("2", &code).await.expect(409);
    assert_eq!(other.body["code"], "code-already-redeemed");
    let other = stack.redeem("1", &code).await.expect(409);
    assert_eq!(other.body["code"], "order-already-redeemed");
    let quote = stack
        .checkout("POST /v1/quotes", redemption(&[&code]))
        .await
        .expect(200);
    assert_eq!(quote.body["codes"][0]["reason"], "code-already-redeemed");

    let confirmed = stack
        .checkout("POST /v1/redemptions/1/confirm", json!({}))
        .await
        .expect(200);
    assert_eq!(confirmed.body["status"], "redeemed");
    assert!(confirmed.body["redeemed_at"].is_string());
    for _ in 0..2 {
        stack.advance("PT2M").await;
        let again = stack
            .checkout("POST /v1/redemptions/1/confirm", Value::Null)
            .await
            .expect(200);
        assert_eq!(again.text, confirmed.text);
        let again = stack
            .checkout("PUT /v1/redemptions/1", hold(&code))
            .await
            .expect(200);
        assert_eq!(again.text, confirmed.text);
    }
    let listed = stack.admin(&path, Value::Null).await.expect(200).body;
    assert_eq!(listed["codes"][0]["status"], "redeemed");
    stack
        .checkout("POST /v1/redemptions/9/confirm", Value::Null)
        .await
        .expect(404);
}

#[tokio::test]
async fn a_hold_that_ends_unpaid_gives_everything_back_and_the_order_may_come_again() {
    let stack = Stack::start().await;
    let limits = json!({"budget": 396, "redemptions": 1, "per_customer": 1});
    let promotion = stack
        .promotion(json!({"limits": limits, "restore": "never"}))
        .await;
    let code = stack.codes(&promotion, 1).await.remove(0);
    let mut body = hold(&code);
    body["customer"] = json!({"id": "7"});
    for _ in 0..2 {
        stack
            .checkout("PUT /v1/redemptions/1", body.clone())
            .await
            .expect(201);
        stack.advance("PT1M").await;
        let lapsed = stack
            .checkout("GET /v1/redemptions/1", Value::Null)
            .await
            .expect(200);
        assert_eq!(lapsed.body["status"], "lapsed");
        let late = stack
            .checkout("POST /v1/redemptions/1/confirm", Value::Null)
            .await
            .expect(409);
        assert_eq!(late.body["code"], "hold-lapsed");
        let path = format!("GET /v1/promotions/{}", promotion["id"].as_str().unwrap());
        let spent = stack.admin(&path, Value::Null).await.expect(200).body["spent"].clone();
        assert_eq!(spent, json!({"amount": 0, "redemptions": 0}));
    }
    body["hold_seconds"] = Value::Null;
    stack
        .checkout("PUT /v1/redemptions/2", body.clone())
        .await
        .expect(201);
    let refused = stack
        .checkout("PUT /v1/redemptions/1", body)
        .await
        .expect(409);
    assert_eq!(refused.body["code"], "code-already-redeemed");
}

#[tokio::test]
async fn hold_seconds_out_of_bounds_are_pointed_at() {
    let stack = Stack::start().await;
    for seconds in [json!(0), json!(86_401), json!(-1), json!("60")] {
        let mut body = redemption(&["HELLO"]);
        body["hold_seconds"] = seconds;
        let refused = stack
            .checkout("PUT /v1/redemptions/1", body)
            .await
            .expect(400);
        assert_eq!(refused.pointers(), ["/hold_seconds"]);
    }
}

#[tokio::test]
async fn a_warm_hold_is_one_request_and_only_who_takes_its_code_over_makes_more() {
    let shop = Shop::open().await;
    let (_, codes) = shop.promotion(2, json!({})).await;
    shop.call("PUT /v1/redemptions/0", hold(&codes[0])).await;
    shop.proxy.take_operations();
    assert_eq!(
        shop.call("PUT /v1/redemptions/1", hold(&codes[1])).await.0,
        201
    );
    assert_eq!(shop.proxy.take_operations(), ["TransactWriteItems"]);
    assert_eq!(
        shop.call("PUT /v1/redemptions/2", hold(&codes[1])).await.0,
        409
    );
    assert_eq!(shop.proxy.take_operations(), ["TransactWriteItems"]);
    shop.clock.advance(MINUTE);
    shop.worth(&codes[1]).await;
    shop.call("GET /v1/redemptions/1", Value::Null).await;
    shop.proxy.take_operations();
    assert_eq!(
        shop.call("PUT /v1/redemptions/2", hold(&codes[1])).await.0,
        201
    );
    let expected = [
        "TransactWriteItems",
        "GetItem",
        "TransactWriteItems",
        "TransactWriteItems",
    ];
    assert_eq!(shop.proxy.take_operations(), expected);
    let (_, lapsed) = shop.call("GET /v1/redemptions/1", Value::Null).await;
    assert_eq!(lapsed["status"], "lapsed");
}

#[tokio::test]
async fn whoever_meets_an_overdue_hold_ends_it_and_goes_on() {
    for (call, status, becomes) in [
        ("PUT /v1/redemptions/1", 201, "held"),
        ("POST /v1/redemptions/1/confirm", 409, "lapsed"),
        ("POST /v1/redemptions/1/cancel", 200, "cancelled"),
    ] {
        let shop = Shop::open().await;
        let (promotion, codes) = shop.promotion(1, json!({})).await;
        let (_, first) = shop.call("PUT /v1/redemptions/1", hold(&codes[0])).await;
        shop.clock.advance(MINUTE);
        assert_eq!(shop.worth(&codes[0]).await["applied"], true);
        let body = if call.starts_with("PUT") {
            hold(&codes[0])
        } else {
            Value::Null
        };
        assert_eq!(shop.call(call, body).await.0, status, "{call}");
        let (_, record) = shop.call("GET /v1/redemptions/1", Value::Null).await;
        assert_eq!(record["status"], becomes, "{call}");
        let held = u64::from(becomes == "held");
        assert_eq!(shop.spent(&promotion).await, (396 * held, held), "{call}");
        if held == 1 {
            assert_ne!(record["held_until"], first["held_until"]);
        }
        assert_eq!(shop.lapse_due().await, 0);
    }
}

#[tokio::test]
async fn a_limit_refuses_only_after_the_overdue_holds_that_draw_on_it_ended() {
    for limits in [
        json!({"budget": 400}),
        json!({"redemptions": 1}),
        json!({"per_customer": 1}),
    ] {
        let shop = Shop::open().await;
        let (_, codes) = shop.promotion(2, json!({"limits": limits})).await;
        let (_, others) = shop.promotion(1, json!({})).await;
        shop.call("PUT /v1/redemptions/0", hold(&others[0])).await;
        let with_customer = |mut body: Value| {
            body["customer"] = json!({"id": "7"});
            body
        };
        let first = with_customer(hold(&codes[0]));
        assert_eq!(shop.call("PUT /v1/redemptions/1", first).await.0, 201);
        let second = with_customer(redemption(&[&codes[1]]));
        assert_eq!(
            shop.call("PUT /v1/redemptions/2", second.clone()).await.0,
            422
        );
        shop.clock.advance(MINUTE);
        assert_eq!(
            shop.call("PUT /v1/redemptions/2", second).await.0,
            201,
            "{limits}"
        );
        let (_, ended) = shop.call("GET /v1/redemptions/1", Value::Null).await;
        assert_eq!(ended["status"], "lapsed");
        let (_, other) = shop.call("GET /v1/redemptions/0", Value::Null).await;
        assert_eq!(other["status"], "held", "not this promotion's");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_16_orders_racing_an_overdue_holds_code_exactly_one_takes_it() {
    let shop = Arc::new(Shop::open().await);
    let (promotion, codes) = shop.promotion(5, json!({})).await;
    for (round, code) in codes.iter().enumerate() {
        let first = format!("PUT /v1/redemptions/{round}");
        assert_eq!(shop.call(&first, hold(code)).await.0, 201);
        shop.clock.advance(MINUTE);
        let barrier = Arc::new(Barrier::new(16));
        let tasks: Vec<_> = (0..16)
            .map(|number| {
                let (shop, barrier, body) =
                    (Arc::clone(&shop), Arc::clone(&barrier), redemption(&[code]));
                tokio::spawn(async move {
                    barrier.wait().await;
                    let call = format!("PUT /v1/redemptions/{round}-{number}");
                    shop.call(&call, body).await.0
                })
            })
            .collect();
        let mut statuses = Vec::new();
        for task in tasks {
            statuses.push(task.await.unwrap());
        }
        statuses.sort_unstable();
        let mut expected = vec![409; 16];
        expected[0] = 201;
        assert_eq!(statuses, expected);
    }
    assert_eq!(shop.spent(&promotion).await, (396 * 5, 5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn confirmations_cancellations_and_lapses_at_once_leave_the_books_in_order() {
    let shop = Shop::open().await;
    let late = Clock::default();
    late.advance(MINUTE * 2);
    let (late_router, late_schedule) = functions(&shop.stack, &shop.proxy, &late).await;
    let shop = Arc::new(shop);
    let (promotion, codes) = shop.promotion(8, json!({})).await;
    let mut uses = 0;
    for (round, code) in codes.iter().enumerate() {
        let order = format!("/v1/redemptions/{round}");
        assert_eq!(shop.call(&format!("PUT {order}"), hold(code)).await.0, 201);
        let barrier = Arc::new(Barrier::new(16));
        let tasks: Vec<_> = (0..16)
            .map(|number| {
                let (shop, barrier) = (Arc::clone(&shop), Arc::clone(&barrier));
                let (late_router, schedule) = (late_router.clone(), late_schedule.clone());
                // Every other round without cancellations, which otherwise always have the last word.
                let kind = if round % 2 == 0 {
                    number % 4
                } else {
                    number % 3
                };
                let order = order.clone();
                tokio::spawn(async move {
                    barrier.wait().await;
                    let budget = std::time::Duration::from_mins(1);
                    match kind {
                        0 => drop(
                            shop.call(&format!("POST {order}/confirm"), Value::Null)
                                .await,
                        ),
                        1 => drop(lapse_holds::handle(&schedule, budget).await.unwrap()),
                        2 => drop(
                            send(&late_router, &format!("POST {order}/confirm"), Value::Null).await,
                        ),
                        _ => drop(
                            shop.call(&format!("POST {order}/cancel"), Value::Null)
                                .await,
                        ),
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let (_, record) = shop.call(&format!("GET {order}"), Value::Null).await;
        let redeemed = record["status"] == "redeemed";
        assert_ne!(record["status"], "held");
        uses += u64::from(redeemed);
        assert_eq!(shop.spent(&promotion).await, (396 * uses, uses), "{record}");
        assert_eq!(shop.worth(code).await["applied"], !redeemed, "{record}");
    }
}

#[tokio::test]
async fn a_confirmation_whose_answer_is_lost_is_made_once() {
    let shop = Shop::open().await;
    let faults = faults();
    let (promotion, codes) = shop
        .promotion(faults.len().try_into().unwrap(), json!({}))
        .await;
    for (order, (fault, code)) in faults.iter().zip(&codes).enumerate() {
        shop.call(&format!("PUT /v1/redemptions/{order}"), hold(code))
            .await;
        shop.proxy.once("TransactWriteItems", fault.clone());
        let confirm = format!("POST /v1/redemptions/{order}/confirm");
        let (status, answer) = shop.call(&confirm, Value::Null).await;
        assert_eq!(
            (status, &answer["status"]),
            (200, &json!("redeemed")),
            "{fault:?}"
        );
        assert_eq!(shop.call(&confirm, Value::Null).await, (200, answer));
        let uses = u64::try_from(order).unwrap() + 1;
        assert_eq!(shop.spent(&promotion).await, (396 * uses, uses));
    }
    assert_eq!(shop.proxy.faults(), faults.len());
}

#[tokio::test]
async fn a_lapse_whose_answer_is_lost_gives_back_once() {
    let shop = Shop::open().await;
    for fault in faults() {
        let (promotion, codes) = shop.promotion(1, json!({})).await;
        let order = format!("PUT /v1/redemptions/{}", codes[0]);
        shop.call(&order, hold(&codes[0])).await;
        shop.clock.advance(MINUTE);
        shop.proxy.once("TransactWriteItems", fault.clone());
        shop.lapse_due().await;
        shop.lapse_due().await;
        assert_eq!(shop.spent(&promotion).await, (0, 0), "{fault:?}");
        assert_eq!(shop.call(&order, hold(&codes[0])).await.0, 201);
        assert_eq!(shop.spent(&promotion).await, (396, 1), "{fault:?}");
    }
}

#[tokio::test]
async fn a_held_code_is_not_voided_and_bound_codes_and_words_come_back_as_they_were_after_a_lapse()
{
    let shop = Shop::open().await;
    let (hanako, jiro) = (
        json!({"email": "hanako@example.jp"}),
        json!({"email": "jiro@example.jp"}),
    );
    let path = |promotion: &Value| {
        let id = promotion["id"].as_str().unwrap();
        format!("/v1/promotions/{id}/codes")
    };
    let (single, _) = shop.promotion(1, json!({})).await;
    let body = json!({"customers": [hanako]});
    let call = format!("POST {}", path(&single));
    let batch = shop.stack.admin(&call, body).await.expect(201).body;
    let batch_id = batch["batch_id"].as_str().unwrap();
    let call = format!("GET {}?batch={batch_id}", path(&single));
    let page = shop.stack.admin(&call, Value::Null).await.expect(200).body;
    let bound = page["codes"][0]["code"].as_str().unwrap();
    let words = shop
        .stack
        .promotion(json!({"claim_code": "group", "combinability": "unrestricted"}))
        .await;
    let limits = json!({"redemptions": 1, "per_customer": 1});
    let body = json!({"code": "HANAKO10", "limits": limits});
    let call = format!("POST {}", path(&words));
    shop.stack.admin(&call, body).await.expect(201);

    let put = async |order: &str, code: &str, customer: &Value| {
        let mut body = hold(code);
        body["customer"] = customer.clone();
        let call = format!("PUT /v1/redemptions/{order}");
        let (status, answer) = shop.call(&call, body).await;
        match answer["codes"][0]["reason"].as_str() {
            Some(reason) if status == 422 => reason.to_owned(),
            _ => status.to_string(),
        }
    };
    assert_eq!(put("1", bound, &jiro).await, "other-customer");
    assert_eq!(put("1", bound, &hanako).await, "201");
    assert_eq!(put("2", "HANAKO10", &hanako).await, "201");
    assert_eq!(put("3", "HANAKO10", &jiro).await, "redemptions-exhausted");
    let void = json!({"codes": [bound]});
    let answer = shop.stack.admin("POST /v1/codes/void", void.clone()).await;
    assert_eq!(
        answer.expect(200).body["already_redeemed"],
        json!([bound]),
        "an order has it"
    );
    let sought = json!({"code": bound});
    let facts = shop.stack.admin("POST /v1/codes/lookup", sought).await.body;
    assert_eq!(
        (&facts["status"], &facts["order_id"]),
        (&json!("held"), &json!("1"))
    );

    shop.clock.advance(MINUTE);
    // Overdue, both make way for the next order; the code only for its customer.
    assert_eq!(put("4", bound, &jiro).await, "other-customer");
    assert_eq!(put("5", bound, &hanako).await, "201");
    assert_eq!(put("6", "HANAKO10", &jiro).await, "201");
    assert_eq!(put("7", "HANAKO10", &jiro).await, "redemptions-exhausted");
    shop.clock.advance(MINUTE);
    assert_eq!(shop.lapse_due().await, 2);
    assert_eq!(put("8", "HANAKO10", &jiro).await, "201");
    let answer = shop.stack.admin("POST /v1/codes/void", void).await;
    assert_eq!(answer.expect(200).body["voided"], json!([bound]));
    assert_eq!(put("9", bound, &hanako).await, "voided");
}
