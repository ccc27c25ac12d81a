//! Returns: their shares sum exactly, they are made once, and the budget gets back what its promotion says.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Barrier;

use crate::shop::{Shop, faults};

/// Three units and one, 10 % off: 335 on the first line, 50 on the second.
fn order(code: &str) -> Value {
    let lines = json!([
        {"sku": "A", "quantity": 3, "unit_price": 1115},
        {"sku": "B", "quantity": 1, "unit_price": 500},
    ]);
    json!({"codes": [code], "cart": {"currency": "JPY", "lines": lines}})
}

fn units(id: &str, lines: &[(usize, u64)]) -> Value {
    let lines: Vec<Value> = lines
        .iter()
        .map(|(line, quantity)| json!({"line": line, "quantity": quantity}))
        .collect();
    json!({"return_id": id, "lines": lines})
}

const RETURNS: &str = "POST /v1/redemptions/1/returns";

#[tokio::test]
async fn everything_returned_in_steps_brings_exactly_the_discount_and_the_first_answer_stays() {
    let shop = Shop::open().await;
    let (promotion, codes) = shop.promotion(1, json!({})).await;
    let (_, first) = shop.call("PUT /v1/redemptions/1", order(&codes[0])).await;
    assert_eq!(first["returns"], Value::Null);
    let mut discounts = Vec::new();
    for (id, lines) in [
        ("a", vec![(0, 1)]),
        ("b", vec![(0, 1), (1, 1)]),
        ("c", vec![(0, 1)]),
    ] {
        let (status, answer) = shop.call(RETURNS, units(id, &lines)).await;
        assert_eq!(status, 200, "{answer}");
        let made = answer["returns"].as_array().unwrap().last().unwrap();
        assert_eq!(made["return_id"], id);
        assert!(made["returned_at"].is_string());
        discounts.push(made["discount"].as_u64().unwrap());
        let (status, again) = shop.call(RETURNS, units(id, &lines)).await;
        assert_eq!((status, &again), (200, &answer));
    }
    let lines: Vec<u64> = [0, 1]
        .map(|line| first["lines"][line]["discount"].as_u64().unwrap())
        .into();
    assert_eq!(lines.iter().sum::<u64>(), discounts.iter().sum::<u64>());
    let (_, read) = shop.call("GET /v1/redemptions/1", Value::Null).await;
    let (status, repeated) = shop.call("PUT /v1/redemptions/1", order(&codes[0])).await;
    assert_eq!((status, &repeated), (200, &read));
    for field in ["discount", "lines", "total", "status", "redeemed_at"] {
        assert_eq!(read[field], first[field], "{field}");
    }
    assert_eq!(read["returns"].as_array().unwrap().len(), 3);
    // The promotion did not say that returns go back to its budget.
    assert_eq!(shop.spent(&promotion).await, (385, 1));
}

#[tokio::test]
async fn what_cannot_come_back_is_refused_and_changes_nothing() {
    let shop = Shop::open().await;
    let (_, codes) = shop.promotion(2, json!({})).await;
    shop.call("PUT /v1/redemptions/1", order(&codes[0])).await;
    assert_eq!(shop.call(RETURNS, units("a", &[(0, 2)])).await.0, 200);
    for (body, pointer) in [
        (units("b", &[(0, 2)]), "/lines/0/quantity"),
        (units("b", &[(1, 0)]), "/lines/0/quantity"),
        (units("b", &[(1, 1), (2, 1)]), "/lines/1/line"),
        (units("b", &[(1, 1), (1, 1)]), "/lines/1/line"),
        (units("b", &[]), "/lines"),
        (units("b b", &[(0, 1)]), "/return_id"),
        (
            json!({"return_id": "b", "lines": [{"line": -1, "quantity": 1}]}),
            "/lines/0/line",
        ),
        (
            json!({"return_id": "b", "lines": [{"line": 0, "quantity": 1, "why": "x"}]}),
            "/lines/0/why",
        ),
    ] {
        let (status, problem) = shop.call(RETURNS, body.clone()).await;
        assert_eq!(status, 400, "{body}: {problem}");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}");
    }
    let (status, problem) = shop.call(RETURNS, units("a", &[(0, 1)])).await;
    assert_eq!(
        (status, &problem["code"]),
        (422, &json!("idempotency-key-reused"))
    );
    let (_, read) = shop.call("GET /v1/redemptions/1", Value::Null).await;
    assert_eq!(read["returns"].as_array().unwrap().len(), 1);

    let unknown = "POST /v1/redemptions/nobody/returns";
    assert_eq!(shop.call(unknown, units("a", &[(0, 1)])).await.0, 404);
    assert_eq!(
        shop.call("GET /v1/redemptions/nobody", Value::Null).await.0,
        404
    );
    let mut held = order(&codes[1]);
    held["hold_seconds"] = json!(60);
    shop.call("PUT /v1/redemptions/2", held).await;
    let returns = "POST /v1/redemptions/2/returns";
    let (status, problem) = shop.call(returns, units("a", &[(0, 1)])).await;
    assert_eq!((status, &problem["code"]), (422, &json!("not-applicable")));
    shop.call("POST /v1/redemptions/2/cancel", Value::Null)
        .await;
    let (status, problem) = shop.call(returns, units("a", &[(0, 1)])).await;
    assert_eq!((status, &problem["code"]), (409, &json!("order-cancelled")));
}

#[tokio::test]
async fn the_budget_gets_returns_back_where_its_promotion_says_so_and_a_cancellation_only_the_rest()
{
    let shop = Shop::open().await;
    let terms =
        json!({"restore_budget_on_return": true, "limits": {"budget": 400, "redemptions": 5}});
    let (promotion, codes) = shop.promotion(2, terms).await;
    assert_eq!(promotion["restore_budget_on_return"], true);
    assert_eq!(
        shop.call("PUT /v1/redemptions/1", order(&codes[0])).await.0,
        201
    );
    assert_eq!(shop.spent(&promotion).await, (385, 1));
    shop.call(RETURNS, units("a", &[(1, 1), (0, 1)])).await;
    assert_eq!(shop.spent(&promotion).await, (385 - 50 - 111, 1));
    // What came back can be given away again.
    let small = json!({"codes": [codes[1]], "cart": {"currency": "JPY", "lines": [{"sku": "A", "quantity": 1, "unit_price": 1760}]}});
    assert_eq!(shop.call("PUT /v1/redemptions/2", small).await.0, 201);
    assert_eq!(shop.spent(&promotion).await, (224 + 176, 2));
    for _ in 0..2 {
        shop.call("POST /v1/redemptions/1/cancel", Value::Null)
            .await;
        assert_eq!(shop.spent(&promotion).await, (176, 1));
    }
    // A return made before the cancellation is still answered as it was.
    let (status, answer) = shop.call(RETURNS, units("a", &[(0, 1), (1, 1)])).await;
    assert_eq!((status, &answer["status"]), (200, &json!("cancelled")));
}

#[tokio::test]
async fn codes_that_discounted_one_order_share_what_comes_back() {
    let shop = Shop::open().await;
    let terms = |restore: bool, percent: u64| {
        json!({
            "combinability": "unrestricted", "restore_budget_on_return": restore,
            "benefit": {"type": "percent_off", "percent": percent},
        })
    };
    let (one, mut codes) = shop.promotion(1, terms(true, 10)).await;
    let (two, more) = shop.promotion(1, terms(true, 20)).await;
    let (kept, others) = shop.promotion(1, terms(false, 5)).await;
    codes.extend(more.into_iter().chain(others));
    let mut body = order(&codes[0]);
    body["codes"] = json!(codes);
    let (status, redeemed) = shop.call("PUT /v1/redemptions/1", body).await;
    assert_eq!(status, 201, "{redeemed}");
    let given = |index: usize| redeemed["codes"][index]["discount"].as_u64().unwrap();
    let mut before = (given(0), given(1));
    for (id, lines) in [
        ("a", [(0, 1)]),
        ("b", [(1, 1)]),
        ("c", [(0, 1)]),
        ("d", [(0, 1)]),
    ] {
        assert_eq!(shop.call(RETURNS, units(id, &lines)).await.0, 200);
        let after = (shop.spent(&one).await.0, shop.spent(&two).await.0);
        assert!(after.0 < before.0 && after.1 < before.1);
        before = after;
    }
    assert_eq!(before, (0, 0));
    assert_eq!(shop.spent(&kept).await, (given(2), 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn returns_of_one_line_raced_by_16_are_made_as_often_as_there_are_units() {
    let shop = Arc::new(Shop::open().await);
    let (promotion, codes) = shop
        .promotion(1, json!({"restore_budget_on_return": true}))
        .await;
    shop.call("PUT /v1/redemptions/1", order(&codes[0])).await;
    let barrier = Arc::new(Barrier::new(16));
    let tasks: Vec<_> = (0..16)
        .map(|number| {
            let (shop, barrier) = (Arc::clone(&shop), Arc::clone(&barrier));
            // Each id comes twice at once.
            let id = (number / 2).to_string();
            tokio::spawn(async move {
                barrier.wait().await;
                (shop.call(RETURNS, units(&id, &[(0, 1)])).await.0, id)
            })
        })
        .collect();
    let mut made = std::collections::BTreeSet::new();
    for task in tasks {
        match task.await.unwrap() {
            (200, id) => drop(made.insert(id)),
            (status, _) => assert_eq!(status, 400),
        }
    }
    assert_eq!(made.len(), 3);
    let (_, read) = shop.call("GET /v1/redemptions/1", Value::Null).await;
    assert_eq!(read["returns"].as_array().unwrap().len(), 3);
    assert_eq!(shop.spent(&promotion).await, (50, 1));
}

#[tokio::test]
async fn a_return_whose_answer_is_lost_is_made_once() {
    let shop = Shop::open().await;
    let faults = faults();
    for fault in &faults {
        let (promotion, codes) = shop
            .promotion(1, json!({"restore_budget_on_return": true}))
            .await;
        let path = format!("/v1/redemptions/{}", codes[0]);
        shop.call(&format!("PUT {path}"), order(&codes[0])).await;
        shop.proxy.once("TransactWriteItems", fault.clone());
        let returns = format!("POST {path}/returns");
        let (status, answer) = shop.call(&returns, units("a", &[(0, 3)])).await;
        assert_eq!(status, 200, "{fault:?}: {answer}");
        assert_eq!(
            shop.call(&returns, units("a", &[(0, 3)])).await,
            (200, answer)
        );
        assert_eq!(shop.spent(&promotion).await, (50, 1), "{fault:?}");
    }
    assert_eq!(shop.proxy.faults(), faults.len());
}
