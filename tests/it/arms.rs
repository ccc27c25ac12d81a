//! Arms of a follow-up: variants by weight, a hold-out that gets nothing, codes bound to their buyer.

use std::collections::{BTreeMap, BTreeSet};

use integration::{Stack, completed, redemption};
use serde_json::{Value, json};

use crate::main_job::code_in;
use crate::orders::order;

/// Lets the stack work off a completed order of a buyer.
async fn buys(stack: &Stack, order: &str, buyer: usize) {
    let customer = json!({"customer": {"email": format!("buyer-{buyer}@example.jp")}});
    stack
        .standard_webhook(stack.clock(), &completed(order, customer))
        .await
        .expect(200);
}

async fn arm(stack: &Stack, id: &str) -> String {
    let decision = &order(stack, id).await["follow_ups"][0];
    decision["arm"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn buyers_spread_over_arms_stay_in_theirs_and_the_holdout_gets_no_code_and_no_mail() {
    const BUYERS: usize = 40;
    let stack = Stack::start().await;
    let (early, late) = (
        stack.promotion(json!({})).await,
        stack.promotion(json!({})).await,
    );
    let variants = json!([
        {"name": "翌日", "promotion_id": early["id"], "delay": "P1D", "weight": 1},
        {"name": "Late", "promotion_id": late["id"], "delay": "P2D", "weight": 1}]);
    let terms = json!({"variants": variants, "holdout_percent": 34});
    let rule = stack.follow_up(&early, terms).await;
    for buyer in 0..BUYERS {
        buys(&stack, &format!("first-{buyer}"), buyer).await;
        buys(&stack, &format!("second-{buyer}"), buyer).await;
    }
    stack.advance("PT1S").await;
    let mut arms = BTreeMap::<String, usize>::new();
    for buyer in 0..BUYERS {
        let first = arm(&stack, &format!("first-{buyer}")).await;
        assert_eq!(arm(&stack, &format!("second-{buyer}")).await, first);
        *arms.entry(first).or_default() += 1;
    }
    let names: BTreeSet<&str> = arms.keys().map(String::as_str).collect();
    assert_eq!(names, BTreeSet::from(["holdout", "Late", "翌日"]));

    stack.advance("P2D").await;
    let inbox = stack.inbox().await;
    assert_eq!(inbox.len(), 2 * (BUYERS - arms["holdout"]));
    for (promotion, name, channel) in [
        (&early, "翌日", "thank-you/---"),
        (&late, "Late", "thank-you/late"),
    ] {
        let path = format!(
            "GET /v1/promotions/{}/codes",
            promotion["id"].as_str().unwrap()
        );
        let page = stack.admin(&path, Value::Null).await.expect(200).body;
        let codes = page["codes"].as_array().unwrap();
        assert_eq!(codes.len(), 2 * arms[name]);
        for code in codes {
            assert!(
                code["channel"].as_str().unwrap().starts_with(channel),
                "{code}"
            );
        }
    }

    let held_out = (0..BUYERS).map(|buyer| format!("first-{buyer}"));
    let mut reasons = Vec::new();
    for id in held_out {
        let seen = order(&stack, &id).await;
        if seen["follow_ups"][0]["arm"] == "holdout" {
            assert_eq!(seen["follow_ups"][0]["reason"], "holdout", "{seen}");
            assert!(seen["follow_ups"][0].get("mail").is_none(), "{seen}");
            reasons.push(id);
        }
    }
    assert_eq!(reasons.len(), arms["holdout"]);
    assert_eq!(rule["experiment"], 1);
}

#[tokio::test]
async fn only_changed_arms_start_a_new_experiment() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    let created = stack.follow_up(&promotion, json!({})).await;
    let path = format!("PUT /v1/follow-ups/{}", created["id"].as_str().unwrap());
    let terms = |name: &str, weight: u32, holdout: u8| {
        json!({"name": name, "holdout_percent": holdout, "mail": {"from": "Shop <hello@shop.example>"},
            "variants": [{"name": "10% after 3 days", "promotion_id": promotion["id"], "delay": "P3D", "weight": weight}]})
    };
    for (body, version, experiment) in [
        (terms("Renamed", 1, 0), 2, 1),
        (terms("Renamed", 1, 10), 3, 3),
        (terms("Again", 1, 10), 4, 3),
        (terms("Again", 2, 10), 5, 5),
    ] {
        let changed = stack.admin(&path, body).await.expect(200).body;
        assert_eq!(
            (&changed["version"], &changed["experiment"]),
            (&json!(version), &json!(experiment))
        );
    }
}

#[tokio::test]
async fn a_thank_you_code_bound_to_its_buyer_is_refused_to_anyone_else() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    stack
        .follow_up(&promotion, json!({"bind_to_buyer": true}))
        .await;
    for (id, shop_id) in [("1", json!("77")), ("2", json!(null))] {
        let customer =
            json!({"customer": {"id": shop_id, "email": format!("Own{id}+sale@example.jp")}});
        stack
            .standard_webhook(stack.clock(), &completed(id, customer))
            .await
            .expect(200);
        stack.advance("P3D").await;
    }
    let inbox = stack.inbox().await;
    let redeem = |order: &'static str, code: String, customer: Value| {
        let stack = &stack;
        async move {
            let mut body = redemption(&[&code]);
            if !customer.is_null() {
                body["customer"] = customer;
            }
            let call = format!("PUT /v1/redemptions/{order}");
            stack.checkout(&call, body).await
        }
    };
    for (mail, order, own) in [
        (&inbox[0], "a", json!({"id": "77"})),
        (&inbox[1], "b", json!({"email": "own2@example.jp"})),
    ] {
        let code = code_in(mail, &promotion);
        for (customer, reason) in [
            (json!({"email": "other@example.jp"}), "other-customer"),
            (Value::Null, "customer-required"),
        ] {
            let refused = redeem(order, code.clone(), customer).await.expect(422);
            assert_eq!(
                refused.body["codes"][0]["reason"], reason,
                "{}",
                refused.text
            );
        }
        redeem(order, code, own).await.expect(201);
    }
}
