//! Bounces and complaints: each counts once, a dead-ended address rests, and too many of them stop all mail.

use integration::Stack;
use serde_json::json;
use shared::domain::sending::{Outcomes, PauseReason};

use crate::feedback::{event, feed, follow_up, order, row};

#[tokio::test]
async fn at_4_percent_bounced_all_mail_stops_until_the_days_have_passed_and_repeats_count_once() {
    const GOOD: usize = 195;
    const BAD: usize = 9;
    let stack = Stack::start().await;
    follow_up(&stack).await;
    for number in 0..GOOD {
        order(
            &stack,
            &format!("g{number}"),
            &format!("{number}@example.jp"),
        )
        .await;
    }
    for number in 0..BAD {
        let address = format!("bounce+{number}@simulator.amazonses.com");
        order(&stack, &format!("b{number}"), &address).await;
    }
    stack.advance("P3D").await;
    let store = stack.running().store().unwrap();
    let outcomes = store.mail_outcomes(stack.clock().now()).await.unwrap();
    let expected = Outcomes {
        known: 204,
        bounced: 9,
        complained: 0,
    };
    assert_eq!(outcomes, expected);
    let pause = store.sending_pause().await.unwrap().unwrap();
    assert_eq!(pause.reason, PauseReason::BounceRate);

    order(&stack, "late", "late@example.jp").await;
    stack.advance("P4D").await;
    assert_eq!(stack.inbox().await.len(), GOOD + BAD);
    stack.advance("P4D").await;
    assert_eq!(stack.inbox().await.len(), GOOD + BAD + 1);
    assert_eq!(store.sending_pause().await.unwrap(), None);
}

#[tokio::test]
async fn after_three_passing_bounces_in_30_days_an_address_rests_for_30() {
    let stack = Stack::start().await;
    follow_up(&stack).await;
    let transient = json!({"bounce": {"bounceType": "Transient", "bounceSubType": "MailboxFull"}});
    for number in 1..=3 {
        order(&stack, &number.to_string(), "full@example.jp").await;
        stack.advance("P3D").await;
        let inbox = stack.inbox().await;
        assert_eq!(inbox.len(), number);
        let sent = row(&stack, &inbox[number - 1]).await;
        let bounce = event("Bounce", &sent, 1, &transient).to_string();
        // Repeats are no second bounce.
        assert!(feed(&stack, &[bounce.clone(), bounce]).await.is_empty());
    }
    order(&stack, "4", "full@example.jp").await;
    order(&stack, "other", "other@example.jp").await;
    stack.advance("P3D").await;
    assert_eq!(stack.inbox().await.len(), 4);
    stack.advance("P28D").await;
    order(&stack, "5", "full@example.jp").await;
    stack.advance("P3D").await;
    assert_eq!(stack.inbox().await.len(), 5);
}
