//! What `watch` looks at: sources that fall silent, budgets nearly spent, and how mail fares.

use ::watch::Report;
use integration::{Stack, completed};
use serde_json::{Value, json};
use shared::domain::sending::{PauseReason, SendingPause};

async fn look(stack: &Stack) -> Report {
    let env = stack.env_through(stack.running().dynamodb_url());
    let state = ::watch::State::load(&env, stack.clock().clone())
        .await
        .unwrap();
    ::watch::handle(&state).await.unwrap()
}

async fn sells(stack: &Stack, source: &str, order: u32) {
    let event = completed(&order.to_string(), json!({"source": source}));
    let sent = stack.standard_webhook(stack.clock(), &event).await;
    sent.expect(200);
    stack.advance("PT1S").await;
}

#[tokio::test]
async fn a_source_that_sent_daily_is_missed_after_24_hours_of_silence_until_it_sends_again() {
    let stack = Stack::start().await;
    for day in 0..7 {
        if day > 0 {
            stack.advance("P1D").await;
        }
        sells(&stack, "shopify", day).await;
        if day != 3 {
            sells(&stack, "custom", 100 + day).await;
        }
    }
    stack.advance("PT23H").await;
    assert!(look(&stack).await.silent_sources.is_empty());
    stack.advance("PT1H").await;
    // The one that left out a day is no daily one.
    let silent = look(&stack).await.silent_sources;
    assert_eq!(silent, ["shopify".to_owned()].into());
    // The stack's own run had told it, once.
    let report = look(&stack).await;
    assert!(report.news.is_empty());
    let told = stack.running().store().unwrap().told().await.unwrap();
    assert_eq!(told.silent, silent);
    sells(&stack, "shopify", 50).await;
    assert!(look(&stack).await.silent_sources.is_empty());
}

#[tokio::test]
async fn a_live_promotion_is_named_once_when_a_tenth_of_its_budget_or_uses_is_left() {
    let stack = Stack::start().await;
    let mut promotions = Vec::new();
    for limits in [
        json!({"budget": 3_960, "shards": 3}),
        json!({"redemptions": 10}),
        json!({"budget": 3_961, "redemptions": 100}),
        Value::Null,
    ] {
        let terms = match limits {
            Value::Null => json!({}),
            limits => json!({"limits": limits}),
        };
        promotions.push(stack.promotion(terms).await);
    }
    for (number, promotion) in (0_u32..).step_by(100).zip(&promotions) {
        for (order, code) in (number..).zip(stack.codes(promotion, 9).await) {
            stack.redeem(&order.to_string(), &code).await.expect(201);
        }
    }
    let id = |index: usize| promotions[index]["id"].as_str().unwrap().to_owned();
    let report = look(&stack).await;
    assert_eq!(report.nearly_spent, [id(0), id(1)].into());
    assert_eq!(report.news, report.nearly_spent);
    let pause = format!("POST /v1/promotions/{}/pause", id(0));
    stack.admin(&pause, Value::Null).await.expect(200);
    let report = look(&stack).await;
    assert_eq!(report.nearly_spent, [id(1)].into());
    assert!(report.news.is_empty());
}

#[tokio::test]
async fn a_pause_of_all_mail_is_reported_for_as_long_as_it_stands() {
    let stack = Stack::start().await;
    assert_eq!(look(&stack).await, Report::default());
    let store = stack.running().store().unwrap();
    let pause = SendingPause::new(PauseReason::AccountSuspended, stack.clock().now());
    store.pause_sending(pause).await.unwrap();
    let report = look(&stack).await;
    assert_eq!(report.mail_paused, Some(PauseReason::AccountSuspended));
    stack.advance("PT2H").await;
    assert_eq!(look(&stack).await.mail_paused, None);
}
