//! `okaeri orders replay`, `redrive` and `quarantine`, as staff call them.

use std::process::Output;

use integration::{Stack, completed};
use serde_json::{Value, json};
use shared::aws::Aws;
use shared::store::Quarantine;
use tokio::process::Command;

async fn orders(stack: &Stack, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_integration"));
    command.arg("orders").args(args);
    command.arg("--data").arg(stack.running().data_path());
    command.output().await.unwrap()
}

fn said(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// An event as it is queued.
fn queued(order: &str) -> Value {
    let email = format!("buyer{order}@example.jp");
    let mut event = completed(order, json!({"customer": {"email": email}}));
    let mut data = event["data"].take();
    data["type"] = json!("order.completed");
    data
}

async fn shop() -> Stack {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    stack.follow_up(&promotion, json!({})).await;
    stack
}

#[tokio::test]
async fn dead_letters_are_sent_again_until_none_is_left() {
    let stack = shop().await;
    let dead = stack.running().data_path().join("queue/dead");
    for order in 1..=12 {
        let letter = json!({"body": queued(&order.to_string()).to_string(), "sent_ms": 0});
        let file = dead.join(format!("{order:012}-x.json"));
        std::fs::write(file, letter.to_string()).unwrap();
    }
    let told = said(&orders(&stack, &["redrive"]).await);
    assert_eq!(told, "Sent 12 dead letters again. None is left.\n");
    assert_eq!(std::fs::read_dir(&dead).unwrap().count(), 0);
    let told = said(&orders(&stack, &["redrive"]).await);
    assert_eq!(told, "There are no dead letters.\n");
    stack.advance("P3D").await;
    assert_eq!(stack.inbox().await.len(), 12);
}

#[tokio::test]
async fn the_same_dead_letter_again_stops_a_redrive_and_is_not_lost() {
    let stack = shop().await;
    let dead = stack.running().data_path().join("queue/dead");
    let letter = json!({"body": queued("1").to_string(), "sent_ms": 0}).to_string();
    for number in 1..=2 {
        std::fs::write(dead.join(format!("{number:012}-x.json")), &letter).unwrap();
    }
    let told = said(&orders(&stack, &["redrive"]).await);
    assert!(told.starts_with("Sent 1 dead letters again. One"), "{told}");
    assert_eq!(std::fs::read_dir(&dead).unwrap().count(), 1);
    stack.advance("P3D").await;
    assert_eq!(stack.inbox().await.len(), 1);
}

#[tokio::test]
async fn what_is_in_quarantine_is_shown_without_its_body_read_again_and_deleted() {
    let stack = shop().await;
    let mut odd = completed("1", json!({"customer": {"email": "hanako@example.jp"}}));
    odd["data"]["order_id"] = json!("#1");
    let kept = stack.standard_webhook(stack.clock(), &odd).await;
    assert_eq!(kept.expect(200).body["quarantined"], true);
    // One that an older reader could not use, and this one can.
    let env = stack.env_through(stack.running().dynamodb_url());
    let quarantine = Quarantine::connect(&env, &Aws::from_env(&env).unwrap()).unwrap();
    let good = completed("2", json!({"customer": {"email": "taro@example.jp"}})).to_string();
    let arrived = stack.clock().now();
    let good = quarantine
        .keep("standard", "an older reader", good.as_bytes(), arrived)
        .await
        .unwrap();

    let listed = said(&orders(&stack, &["quarantine", "list"]).await);
    assert!(
        listed.contains("standard: data is not an order event"),
        "{listed}"
    );
    assert!(
        listed.ends_with("2 webhooks are in quarantine.\n"),
        "{listed}"
    );
    let bad = quarantine.list(arrived).await.unwrap();
    let bad = &bad.iter().find(|one| one.id != good).unwrap().id;
    let shown = said(&orders(&stack, &["quarantine", "show", bad]).await);
    assert!(
        !shown.contains("hanako") && shown.contains("--show-body"),
        "{shown}"
    );
    let shown = said(&orders(&stack, &["quarantine", "show", bad, "--show-body"]).await);
    assert!(shown.contains("hanako@example.jp"), "{shown}");

    let told = said(&orders(&stack, &["quarantine", "redrive", "--all"]).await);
    assert!(
        told.contains(&format!("{good}  sent to the orders queue")),
        "{told}"
    );
    assert!(
        told.contains(&format!("{bad}  still unusable: data is")),
        "{told}"
    );
    assert!(!told.contains('@'), "{told}");
    stack.advance("P3D").await;
    let inbox = stack.inbox().await;
    assert_eq!(inbox.len(), 1);
    assert_eq!(inbox[0]["to"], json!(["taro@example.jp"]));

    let told = said(&orders(&stack, &["quarantine", "delete", bad]).await);
    assert!(told.contains("deleted"), "{told}");
    let listed = said(&orders(&stack, &["quarantine", "list"]).await);
    assert_eq!(listed, "Nothing is in quarantine.\n");
    let gone = orders(&stack, &["quarantine", "show", bad]).await;
    assert!(!gone.status.success());
}

#[tokio::test]
async fn the_quarantine_of_a_stopped_stack_is_read_too_and_nothing_is_sent_without_one() {
    let directory = tempfile::tempdir().unwrap();
    let stack = Stack::start_in(directory.path()).await;
    let mut odd = completed("1", json!({}));
    odd["data"]["order_id"] = json!("#1");
    stack
        .standard_webhook(stack.clock(), &odd)
        .await
        .expect(200);
    stack.stop().await;
    let run = |args: &'static [&'static str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_integration"));
        command
            .arg("orders")
            .args(args)
            .arg("--data")
            .arg(directory.path());
        async move { command.output().await.unwrap() }
    };
    let listed = said(&run(&["quarantine", "list"]).await);
    assert!(
        listed.ends_with("1 webhook is in quarantine.\n"),
        "{listed}"
    );
    for args in [&["redrive"][..], &["quarantine", "redrive", "--all"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_integration"));
        command
            .arg("orders")
            .args(args)
            .arg("--data")
            .arg(directory.path());
        let refused = command.output().await.unwrap();
        assert!(!refused.status.success());
        let why = String::from_utf8_lossy(&refused.stderr);
        assert!(why.contains("No local stack is running"), "{why}");
    }
}

#[tokio::test]
async fn a_files_events_reach_a_deployments_queue_and_count_once_however_often_they_are_sent() {
    let stack = shop().await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("events.jsonl");
    let events: Vec<String> = (1..=3)
        .map(|order| queued(&order.to_string()).to_string())
        .collect();
    std::fs::write(&file, events.join("\n")).unwrap();
    let replay = async |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_integration"));
        command.args(["orders", "replay"]).arg(&file);
        command.arg("--queue-url");
        command.arg(&stack.running().settings()["ORDERS_QUEUE_URL"]);
        for (name, value) in stack.running().settings() {
            if name.starts_with("AWS_") {
                command.env(name, value);
            }
        }
        command.args(more).output().await.unwrap()
    };
    assert_eq!(
        said(&replay(&[]).await),
        "Sent 3 events to the orders queue.\n"
    );
    let again = said(&replay(&["--skip", "1"]).await);
    assert_eq!(again, "Sent 2 events to the orders queue.\n");
    stack.advance("P3D").await;
    assert_eq!(stack.inbox().await.len(), 3);

    std::fs::write(&file, format!("{}\n{{\"type\":\"x\"}}", events[0])).unwrap();
    let refused = replay(&[]).await;
    let why = String::from_utf8_lossy(&refused.stderr);
    assert!(
        why.contains("number 2 is no order event. Nothing was sent."),
        "{why}"
    );
}
