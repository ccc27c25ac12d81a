//! How often a buyer is thanked: first orders only, cooldown, cap per address, whatever comes twice, late or at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use integration::faults::{Fault, FaultProxy};
use integration::{Stack, completed};
use serde_json::{Value, json};
use tokio::sync::Barrier;

use crate::orders::{event, hear, order};

/// What a follow-up decided about an order: `mail`, or the reason for none.
async fn outcome(stack: &Stack, id: &str) -> String {
    let decision = &order(stack, id).await["follow_ups"][0];
    match decision["reason"].as_str() {
        Some(reason) => reason.to_owned(),
        None => "mail".to_owned(),
    }
}

async fn follow_up(stack: &Stack, conditions: Value) {
    let promotion = stack.promotion(json!({})).await;
    let terms = json!({"conditions": conditions});
    stack.follow_up(&promotion, terms).await;
}

/// A completed order of the buyer of that name, however they spell their address.
fn order_of(buyer: &str, id: &str) -> Value {
    let email = format!("{buyer}+{id}@Example.jp");
    completed(id, json!({"customer": {"email": email}}))
}

#[tokio::test]
async fn within_a_cooldown_a_buyer_is_thanked_once_and_other_buyers_all_the_same() {
    let stack = Stack::start().await;
    follow_up(&stack, json!({"cooldown_days": 30})).await;
    for (id, buyer, wait, expected) in [
        ("1", "hanako", "PT0S", "mail"),
        ("2", "hanako", "P29D", "cooldown"),
        ("3", "taro", "PT0S", "mail"),
        ("4", "hanako", "P1D", "mail"),
    ] {
        stack.advance(wait).await;
        hear(&stack, &order_of(buyer, id)).await;
        hear(&stack, &order_of(buyer, id)).await;
        assert_eq!(outcome(&stack, id).await, expected, "{id}");
    }
    stack.advance("P4D").await;
    assert_eq!(stack.inbox().await.len(), 3);
}

#[tokio::test]
async fn a_cap_is_for_life_and_the_holdout_is_counted_like_a_mail() {
    for holdout in [0, 90] {
        let stack = Stack::start().await;
        let promotion = stack.promotion(json!({})).await;
        let terms = json!({"conditions": {"max_per_address": 2}, "holdout_percent": holdout});
        stack.follow_up(&promotion, terms).await;
        let mut outcomes = Vec::new();
        for id in ["1", "2", "3"] {
            stack.advance("P90D").await;
            hear(&stack, &order_of("hanako", id)).await;
            let decision = order(&stack, id).await["follow_ups"][0].clone();
            outcomes.push((decision["arm"].is_string(), decision["reason"].clone()));
        }
        assert!(outcomes[0].0 && outcomes[1].0, "{outcomes:?}");
        assert_eq!(outcomes[2], (false, json!("address-cap")));
    }
}

#[tokio::test]
async fn a_cancelled_order_gives_its_place_back_unless_its_mail_was_sent() {
    let stack = Stack::start().await;
    follow_up(&stack, json!({"cooldown_days": 30})).await;
    hear(&stack, &order_of("hanako", "1")).await;
    hear(&stack, &order_of("hanako", "2")).await;
    hear(&stack, &event("order.cancelled", "1")).await;
    hear(&stack, &event("order.cancelled", "1")).await;
    hear(&stack, &order_of("hanako", "3")).await;
    stack.advance("P4D").await;
    hear(&stack, &event("order.refunded", "3")).await;
    hear(&stack, &order_of("hanako", "4")).await;
    for (id, expected) in [
        ("1", "cancelled"),
        ("2", "cooldown"),
        ("3", "mail"),
        ("4", "cooldown"),
    ] {
        assert_eq!(outcome(&stack, id).await, expected, "{id}");
    }
    assert_eq!(stack.inbox().await.len(), 1);
}

#[tokio::test]
async fn a_first_order_is_one_without_another_that_was_not_cancelled() {
    let stack = Stack::start().await;
    // Orders count also before there is a rule that asks.
    hear(&stack, &order_of("old", "old-1")).await;
    follow_up(&stack, json!({"first_order_only": true})).await;
    hear(&stack, &order_of("old", "old-2")).await;
    for id in ["a-1", "a-2"] {
        hear(&stack, &order_of("a", id)).await;
    }
    hear(&stack, &event("order.cancelled", "a-1")).await;
    hear(&stack, &order_of("a", "a-3")).await;
    hear(&stack, &order_of("b", "b-1")).await;
    hear(&stack, &event("order.refunded", "b-1")).await;
    hear(&stack, &order_of("b", "b-2")).await;
    hear(&stack, &event("order.cancelled", "c-1")).await;
    hear(&stack, &order_of("c", "c-1")).await;
    hear(&stack, &order_of("c", "c-2")).await;
    for (id, expected) in [
        ("old-2", "not-first-order"),
        ("a-1", "cancelled"),
        ("a-2", "not-first-order"),
        ("a-3", "not-first-order"),
        ("b-1", "cancelled"),
        ("b-2", "mail"),
        ("c-1", "cancelled"),
        ("c-2", "mail"),
    ] {
        assert_eq!(outcome(&stack, id).await, expected, "{id}");
    }
}

/// Works off orders at the same moment, each of them twice, through a proxy that spoils two writes in five; then each once more.
async fn race(stack: &Stack, orders: &[String]) {
    let proxy = FaultProxy::start(stack.running().dynamodb_url()).await;
    let mut writes = 0;
    proxy.plan(move |operation| {
        writes += usize::from(operation == "TransactWriteItems");
        match (operation, writes % 5) {
            ("TransactWriteItems", 1) => Fault::ApplyThen500,
            ("TransactWriteItems", 3) => Fault::Cancel(vec!["TransactionConflict", "None"]),
            _ => Fault::Pass,
        }
    });
    let env = stack.env_through(&proxy.url);
    let state = order_completed::State::load(&env, stack.clock().clone())
        .await
        .unwrap();
    let batch = |id: &str| {
        let mut event = order_of("hanako", id)["data"].clone();
        event["type"] = json!("order.completed");
        let record = json!({"messageId": id, "body": event.to_string()});
        serde_json::from_value(json!({"Records": [record]})).unwrap()
    };
    let barrier = Arc::new(Barrier::new(orders.len() * 2));
    let mut tasks = tokio::task::JoinSet::new();
    for id in [orders, orders].concat() {
        let (state, barrier, event) = (state.clone(), Arc::clone(&barrier), batch(&id));
        tasks.spawn(async move {
            barrier.wait().await;
            // What fails comes again below, as the queue would bring it.
            let _ = order_completed::handle(&state, event).await;
        });
    }
    while tasks.join_next().await.is_some() {}
    proxy.plan(|_| Fault::Pass);
    for id in orders {
        let answer = order_completed::handle(&state, batch(id)).await.unwrap();
        assert!(answer.batch_item_failures.is_empty());
    }
}

#[tokio::test]
async fn of_a_buyers_orders_at_the_same_moment_exactly_as_many_are_thanked_as_may_be() {
    for (conditions, thanked, reason) in [
        (json!({"cooldown_days": 30}), 1, "cooldown"),
        (json!({"max_per_address": 3}), 3, "address-cap"),
        (json!({"first_order_only": true}), 1, "not-first-order"),
    ] {
        let stack = Stack::start().await;
        follow_up(&stack, conditions).await;
        let orders: Vec<String> = (0..8).map(|number| format!("race-{number}")).collect();
        race(&stack, &orders).await;
        let mut outcomes = BTreeMap::<String, usize>::new();
        for id in &orders {
            *outcomes.entry(outcome(&stack, id).await).or_default() += 1;
        }
        let expected = BTreeMap::from([
            ("mail".to_owned(), thanked),
            (reason.to_owned(), 8 - thanked),
        ]);
        assert_eq!(outcomes, expected);
        stack.advance("P4D").await;
        assert_eq!(stack.inbox().await.len(), thanked);
    }
}
