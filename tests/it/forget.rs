//! Forgetting a person.

use integration::{Stack, completed, redemption};
use serde_json::{Value, json};
use shared::domain::identity::{Email, PersonHash};
use shared::domain::order::OrderId;
use tokio::process::Command;

const HANAKO: &str = "hanako@example.jp";

async fn forget(stack: &Stack, email: &str) -> Value {
    let body = json!({"email": email});
    let answer = stack.admin("POST /v1/customers/forget", body).await;
    answer.expect(200).body
}

async fn order(stack: &Stack, id: &str, email: &str) {
    let buyer = json!({"customer": {"email": email}});
    stack
        .standard_webhook(stack.clock(), &completed(id, buyer))
        .await
        .expect(200);
}

async fn person(stack: &Stack, email: &str) -> PersonHash {
    let env = stack.env_through(stack.running().dynamodb_url());
    let aws = shared::aws::Aws::from_env(&env).unwrap();
    let identity = shared::secrets::fetch_identity_key(&env, &aws).await;
    let email = Email::try_from(email.to_owned()).unwrap();
    identity.unwrap().person(&email)
}

fn removed(withdrawn: u32, addresses: u32) -> Value {
    let elsewhere = "Delete what dead letters and quarantine hold of them: okaeri orders forget --email ADDRESS; else the former go within 14 days, the latter within 30.";
    json!({"mails_withdrawn": withdrawn, "mails_in_flight": 0, "addresses": addresses, "counters": 0,
        "next_steps": [elsewhere]})
}

#[tokio::test]
async fn a_forgotten_person_is_gone_and_later_orders_earn_them_nothing() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    stack.follow_up(&promotion, json!({})).await;
    order(&stack, "1", HANAKO).await;
    stack.advance("P3D").await;
    order(&stack, "2", HANAKO).await;
    order(&stack, "3", "taro@example.jp").await;
    stack.advance("PT1M").await;
    assert_eq!(stack.inbox().await.len(), 1);

    // In another spelling of the same address.
    let gone = forget(&stack, "Hanako+shop@Example.JP").await;
    let mut expected = removed(1, 1);
    // Which orders of theirs were the first.
    expected["counters"] = json!(1);
    assert_eq!(gone, expected);
    assert_eq!(forget(&stack, HANAKO).await, removed(0, 0));
    let store = stack.running().store().unwrap();
    let hanako = person(&stack, HANAKO).await;
    let now = stack.clock().now();
    assert_eq!(store.contact(&hanako, now).await.unwrap(), None);

    order(&stack, "4", HANAKO).await;
    stack.advance("P10D").await;
    let inbox = stack.inbox().await;
    assert_eq!(inbox.len(), 2, "the one before, and another buyer's");
    assert_eq!(inbox[1]["to"], json!(["taro@example.jp"]));
    assert_eq!(store.contact(&hanako, now).await.unwrap(), None);
    let order = OrderId::try_from("4".to_owned()).unwrap();
    let markers = store.order_markers(&order).await.unwrap();
    let outcome = serde_json::to_value(&markers[0].outcome).unwrap();
    assert_eq!(outcome, json!({"type": "no_mail", "reason": "suppressed"}));
    assert_eq!(forget(&stack, HANAKO).await, removed(0, 0));
}

#[tokio::test]
async fn who_was_never_heard_of_can_be_forgotten_and_is_then_never_mailed() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    stack.follow_up(&promotion, json!({})).await;
    assert_eq!(forget(&stack, HANAKO).await, removed(0, 0));
    order(&stack, "1", HANAKO).await;
    stack.advance("P4D").await;
    assert!(stack.inbox().await.is_empty());

    let call = "POST /v1/customers/forget";
    for body in [json!({}), json!({"email": "x"}), json!({"email": null})] {
        stack.admin(call, body).await.expect(400);
    }
    let extra = json!({"email": HANAKO, "phone": "1"});
    let refused = stack.admin(call, extra).await.expect(400);
    assert_eq!(refused.pointers(), ["/phone"]);
    let body = json!({"email": HANAKO});
    stack.checkout(call, body).await.expect(403);
}

#[tokio::test]
async fn of_orders_racing_a_forgetting_nothing_about_the_person_is_left_and_nothing_mailed() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    stack.follow_up(&promotion, json!({})).await;
    let ids: Vec<String> = (0..30).map(|id| id.to_string()).collect();
    let orders = async {
        for id in &ids {
            order(&stack, id, HANAKO).await;
        }
    };
    let forgetting = async {
        for _ in 0..3 {
            tokio::task::yield_now().await;
            let _ = forget(&stack, HANAKO).await;
        }
    };
    tokio::join!(orders, forgetting);
    stack.advance("PT1M").await;
    assert_eq!(forget(&stack, HANAKO).await, removed(0, 0));
    stack.advance("P4D").await;
    assert!(stack.inbox().await.is_empty());
    let hanako = person(&stack, HANAKO).await;
    let store = stack.running().store().unwrap();
    let contact = store.contact(&hanako, stack.clock().now()).await;
    assert_eq!(contact.unwrap(), None);
}

#[tokio::test]
async fn forgetting_gives_nobody_a_limit_again() {
    let stack = Stack::start().await;
    let promotion = stack
        .promotion(json!({"limits": {"per_customer": 1}}))
        .await;
    let codes = stack.codes(&promotion, 2).await;
    let mut first = redemption(&[&codes[0]]);
    first["customer"] = json!({"email": HANAKO});
    let mut second = redemption(&[&codes[1]]);
    second["customer"] = json!({"email": HANAKO});
    stack
        .checkout("PUT /v1/redemptions/1", first)
        .await
        .expect(201);
    let _ = forget(&stack, HANAKO).await;
    let refused = stack
        .checkout("PUT /v1/redemptions/2", second.clone())
        .await
        .expect(422);
    assert_eq!(refused.body["codes"][0]["reason"], "customer-limit-reached");
    stack
        .checkout("POST /v1/redemptions/1/cancel", Value::Null)
        .await
        .expect(200);
    stack
        .checkout("PUT /v1/redemptions/3", second)
        .await
        .expect(201);
}

#[tokio::test]
async fn what_waits_of_a_person_among_dead_letters_and_in_quarantine_is_found_and_deleted() {
    let stack = Stack::start().await;
    let dead = stack.running().data_path().join("queue/dead");
    for (number, email) in [HANAKO, "taro@example.jp", "Hanako+tea@Example.jp"]
        .iter()
        .enumerate()
    {
        let event = json!({"type": "order.completed", "source": "custom", "order_id": number.to_string(),
            "customer": {"email": email}});
        let letter = json!({"body": event.to_string(), "sent_ms": 0});
        std::fs::write(
            dead.join(format!("{number:012}-x.json")),
            letter.to_string(),
        )
        .unwrap();
        let mut odd = completed("1", json!({"customer": {"email": email}}));
        odd["data"]["order_id"] = json!(format!("#{number}"));
        stack
            .standard_webhook(stack.clock(), &odd)
            .await
            .expect(200);
    }
    let orders = async |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_integration"));
        command.arg("orders").args(args);
        command.arg("--data").arg(stack.running().data_path());
        let output = command.output().await.unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let told = orders(&["forget", "--email", HANAKO]).await;
    assert!(
        told.starts_with(
            "Deleted 2 dead letters and 2 quarantined webhooks that named the address."
        ),
        "{told}"
    );
    let letters: Vec<String> = std::fs::read_dir(&dead)
        .unwrap()
        .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    assert!(
        letters.len() == 1 && letters[0].contains("taro"),
        "{letters:?}"
    );
    let left = orders(&["quarantine", "list"]).await;
    assert!(left.ends_with("1 webhook is in quarantine.\n"), "{left}");
}

#[tokio::test]
async fn thirty_days_after_the_last_mail_an_address_counts_as_gone_also_if_its_item_is_still_there()
{
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    stack.follow_up(&promotion, json!({})).await;
    order(&stack, "1", HANAKO).await;
    stack.advance("P3D").await;
    let store = stack.running().store().unwrap();
    let hanako = person(&stack, HANAKO).await;
    let now = stack.clock().now();
    assert!(store.contact(&hanako, now).await.unwrap().is_some());
    stack.advance("P30D").await;
    let now = stack.clock().now();
    assert_eq!(store.contact(&hanako, now).await.unwrap(), None);
    let told = stack
        .admin("GET /v1/orders/1", Value::Null)
        .await
        .expect(200);
    assert!(!told.body.to_string().contains("hanako"), "{}", told.body);
}
