//! SIGKILL at any point: what was answered with 2xx is there afterwards, and nothing happens twice.

use std::time::Duration;

use integration::{Caller, Process, completed};
use serde_json::json;
use shared::clock::Clock;

fn start(directory: &std::path::Path) -> Process {
    Process::start(env!("CARGO_BIN_EXE_integration"), directory)
}

#[tokio::test]
async fn what_was_answered_survives_a_kill_and_is_not_done_twice() {
    let directory = tempfile::tempdir().unwrap();
    let stack = start(directory.path());
    let promotion = stack.caller.promotion(json!({})).await;
    stack.caller.follow_up(&promotion, json!({})).await;
    let codes = stack.caller.codes(&promotion, 2).await;
    let first = stack.caller.redeem("1", &codes[0]).await.expect(201);
    let clock = Clock::default();
    for order in ["a", "b", "c"] {
        let event = completed(
            order,
            json!({"customer": {"email": format!("{order}@example.jp")}}),
        );
        stack
            .caller
            .standard_webhook(&clock, &event)
            .await
            .expect(200);
    }
    stack.kill();

    let stack = start(directory.path());
    assert_eq!(
        stack.caller.redeem("1", &codes[0]).await.expect(200).text,
        first.text
    );
    stack.caller.redeem("2", &codes[0]).await.expect(409);
    let event = completed("a", json!({"customer": {"email": "a@example.jp"}}));
    stack
        .caller
        .standard_webhook(&clock, &event)
        .await
        .expect(200);
    stack.caller.advance("P3D").await;
    assert_eq!(stack.caller.inbox().await.len(), 3);
    stack.kill();

    let stack = start(directory.path());
    stack.caller.advance("PT2H").await;
    assert_eq!(stack.caller.inbox().await.len(), 3);
}

#[tokio::test]
async fn killed_twenty_times_at_odd_moments_no_order_is_lost_and_none_is_mailed_twice() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::default();
    let stack = start(directory.path());
    let promotion = stack.caller.promotion(json!({})).await;
    stack
        .caller
        .follow_up(
            &promotion,
            json!({"variants": [
                {"name": "at once", "promotion_id": promotion["id"], "delay": "PT0S"}
            ]}),
        )
        .await;
    stack.kill();
    let mut accepted = std::collections::BTreeSet::new();
    for round in 0..20_u64 {
        let stack = start(directory.path());
        let (caller, clock) = (stack.caller.clone(), clock.clone());
        let poster = tokio::spawn(async move { post_until_it_dies(&caller, &clock, round).await });
        tokio::time::sleep(Duration::from_millis(20 + round * 17)).await;
        stack.kill();
        accepted.extend(poster.await.unwrap());
    }
    let stack = start(directory.path());
    // Whatever was unknown when the process died is settled or sent again within two hours.
    for _ in 0..3 {
        stack.caller.advance("PT1H").await;
    }
    let mut mailed = std::collections::BTreeMap::<String, usize>::new();
    for mail in stack.caller.inbox().await {
        *mailed
            .entry(mail["to"][0].as_str().unwrap().to_owned())
            .or_default() += 1;
    }
    assert!(
        accepted.len() > 20,
        "only {} orders were accepted",
        accepted.len()
    );
    let lost: Vec<_> = accepted
        .iter()
        .filter(|email| !mailed.contains_key(*email))
        .collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    let twice: Vec<_> = mailed.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "twice: {twice:?}");
}

/// Posts orders until the stack is gone; answers the addresses of those it accepted.
async fn post_until_it_dies(caller: &Caller, clock: &Clock, round: u64) -> Vec<String> {
    let mut accepted = Vec::new();
    for number in 0.. {
        let email = format!("r{round}n{number}@example.jp");
        let event = completed(
            &format!("r{round}-{number}"),
            json!({"customer": {"email": email}}),
        );
        match caller.try_send(caller.signed(clock, &event)).await {
            Ok(answer) if answer.status == 200 => accepted.push(email),
            Ok(_) => {}
            Err(_) => break,
        }
    }
    accepted
}
