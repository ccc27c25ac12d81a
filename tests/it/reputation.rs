//! Bounces and complaints: each counts once, a dead-ended address rests, and too many of them stop all mail.

use chrono::TimeDelta;
use integration::Stack;
use serde_json::json;
use shared::domain::sending::{Outcomes, PauseReason, SendingPause};
use shared::store::Lifted;
use tokio::process::Command;

use crate::doctor::table::Table;
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

/// What was counted today, written past all rules.
async fn count(stack: &Stack, known: u64, bounced: u64) {
    let day = stack.clock().now().format("%Y-%m-%d").to_string();
    let number = |number: u64| json!({"N": number.to_string()});
    let item = json!({"pk": {"S": format!("sending#{day}")}, "sk": {"S": "part#by-hand"}, "day": {"S": day},
        "known": number(known), "bounced": number(bounced), "complained": number(0)});
    Table::of(stack).put(&item).await;
}

async fn mail_command(stack: &Stack, args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_integration"));
    command.arg("mail").args(args);
    command.arg("--data").arg(stack.running().data_path());
    let output = command.output().await.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn staff_see_and_end_a_pause_for_bounces_and_only_later_ones_make_another() {
    let stack = Stack::start().await;
    follow_up(&stack).await;
    order(&stack, "1", "hanako@example.jp").await;
    order(&stack, "2", "bounce@simulator.amazonses.com").await;
    // The local clock is not the machine's.
    stack.advance("P2D").await;
    count(&stack, 300, 20).await;
    let store = stack.running().store().unwrap();
    let now = stack.clock().now();
    let (_, pause) = store.judge_outcomes(now).await.unwrap();
    assert_eq!(pause.unwrap().reason, PauseReason::BounceRate);
    let told = mail_command(&stack, &["status"]).await;
    let ends = (now + TimeDelta::days(7)).format("%Y-%m-%d").to_string();
    for words in [
        "No mail is sent since",
        "bounce-rate",
        "300 mails",
        "20 bounced for good, 6.66%",
        &ends,
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }

    let resume = ["resume", "--reason", "list cleaned", "--by", "Hanako"];
    let told = mail_command(&stack, &resume).await;
    assert!(
        told.starts_with("Mails go out again") && told.contains("by Hanako: list cleaned"),
        "{told}"
    );
    assert_eq!(
        mail_command(&stack, &resume).await,
        "Nothing stops mails. Nothing was changed.\n"
    );
    let told = mail_command(&stack, &["status"]).await;
    assert!(
        told.starts_with("Mails go out.\n") && told.contains("count 0 mails"),
        "{told}"
    );
    assert!(
        told.contains("20 of 300 mails bounced, 0 complaints; resumed by Hanako: list cleaned"),
        "{told}"
    );

    // One more bounce is judged alone; as many again stop all mail again.
    stack.advance("P1D").await;
    assert_eq!(stack.inbox().await.len(), 2);
    assert_eq!(store.sending_pause().await.unwrap(), None);
    count(&stack, 300, 20).await;
    let (outcomes, pause) = store.judge_outcomes(stack.clock().now()).await.unwrap();
    assert_eq!((outcomes.bounced, pause.is_some()), (21, true));
}

#[tokio::test]
async fn what_ses_stops_is_not_for_staff_to_lift() {
    let stack = Stack::start().await;
    let store = stack.running().store().unwrap();
    let now = stack.clock().now();
    let pause = SendingPause::new(PauseReason::AccountSuspended, now);
    store.pause_sending(pause).await.unwrap();
    let refused = store.lift_pause("Hanako", "please", now).await.unwrap();
    assert_eq!(refused, Lifted::NotForStaff(pause));
    assert_eq!(store.sending_pause().await.unwrap(), Some(pause));
}

#[tokio::test]
async fn a_pause_lifted_while_the_same_bounces_are_judged_stays_lifted() {
    let stack = Stack::start().await;
    let store = stack.running().store().unwrap();
    let now = stack.clock().now();
    count(&stack, 300, 20).await;
    for round in 0..20 {
        let state = json!({"pk": {"S": "sending"}, "sk": {"S": "state"}});
        Table::of(&stack).delete(&state).await;
        let (_, pause) = store.judge_outcomes(now).await.unwrap();
        let pause = pause.unwrap();
        let later = now + TimeDelta::minutes(round);
        let (lifted, ..) = tokio::join!(
            store.lift_pause("Hanako", "list cleaned", later),
            store.judge_outcomes(later),
            store.prolong_pause(&pause, later),
            store.judge_outcomes(later),
            store.judge_outcomes(later),
        );
        assert!(matches!(lifted.unwrap(), Lifted::Done(_)), "{round}");
        assert_eq!(store.sending_pause().await.unwrap(), None, "{round}");
        let liftings = store.sending_state(later).await.unwrap().liftings;
        assert_eq!(liftings.len(), 1, "{round}");
    }
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
