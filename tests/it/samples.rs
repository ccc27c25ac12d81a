//! A follow-up's mail as staff try it: previews and test mails.

use std::collections::BTreeMap;

use integration::{Stack, completed};
use okaeri::local::Options;
use serde_json::{Value, json};

use crate::main_job::code_in;

async fn preview(stack: &Stack, follow_up: &Value, body: Value) -> Value {
    let call = format!(
        "POST /v1/follow-ups/{}/preview",
        follow_up["id"].as_str().unwrap()
    );
    stack.admin(&call, body).await.expect(200).body
}

fn test_call(follow_up: &Value) -> String {
    format!(
        "POST /v1/follow-ups/{}/test",
        follow_up["id"].as_str().unwrap()
    )
}

#[tokio::test]
async fn a_preview_is_the_mail_a_buyer_gets_but_for_its_code_and_its_way_out() {
    let stack = Stack::start().await;
    let promotion = stack
        .promotion(json!({"minimum": {"subtotal": 3000}}))
        .await;
    let follow_up = stack.follow_up(&promotion, json!({})).await;
    let asked = json!({"locale": "ja", "customer_name": "花子", "order_id": "77"});
    let shown = preview(&stack, &follow_up, asked).await;
    let made_up = code_in(&shown, &promotion);
    stack.redeem("1", &made_up).await.expect(404);
    assert!(stack.inbox().await.is_empty());

    stack
        .standard_webhook(stack.clock(), &completed("77", json!({})))
        .await
        .expect(200);
    stack.advance("P3D").await;
    let inbox = stack.inbox().await;
    let mail = &inbox[0];
    let code = code_in(mail, &promotion);
    assert_eq!(shown["subject"], mail["subject"]);
    let way_out = |mail: &Value| {
        let header = mail["headers"]["List-Unsubscribe"].as_str().unwrap();
        header.trim_matches(['<', '>']).to_owned()
    };
    for part in ["text", "html"] {
        let real = mail[part].as_str().unwrap();
        let alike = shown[part].as_str().unwrap();
        let alike = alike
            .replace(&made_up, &code)
            .replace(&way_out(&shown), &way_out(mail));
        assert_eq!(alike, real, "{part}");
    }
    let names = |mail: &Value| -> Vec<String> {
        mail["headers"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect()
    };
    assert_eq!(names(&shown), names(mail));
    assert_eq!(
        shown["headers"]["List-Unsubscribe-Post"],
        "List-Unsubscribe=One-Click"
    );
}

#[tokio::test]
async fn a_preview_needs_no_body_speaks_the_language_asked_for_and_refuses_what_it_does_not_know() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    let follow_up = stack.follow_up(&promotion, json!({})).await;
    let shown = preview(&stack, &follow_up, Value::Null).await;
    assert!(shown["text"].as_str().unwrap().contains("SAMP"));
    let english =
        json!({"locale": "en-GB", "customer_name": "Hanako", "variant": "10% after 3 days"});
    let english = preview(&stack, &follow_up, english).await;
    assert!(english["text"].as_str().unwrap().contains("Dear Hanako"));

    let call = format!(
        "POST /v1/follow-ups/{}/preview",
        follow_up["id"].as_str().unwrap()
    );
    for (body, pointer) in [
        (json!({"variant": "B"}), "/variant"),
        (json!({"order_id": "#"}), "/order_id"),
        (json!({"locale": "x".repeat(36)}), "/locale"),
        (json!({"customer_name": "x".repeat(201)}), "/customer_name"),
        (json!({"code": "x"}), "/code"),
    ] {
        let refused = stack.admin(&call, body).await.expect(400);
        assert_eq!(refused.pointers(), [pointer]);
    }
    stack.checkout(&call, Value::Null).await.expect(403);
    let unknown = "POST /v1/follow-ups/fu_aaaaaaaaaaaaaaaa/preview";
    stack.admin(unknown, Value::Null).await.expect(404);
}

#[tokio::test]
async fn a_test_mail_is_sent_once_marked_as_a_test_without_a_code_that_works() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    let follow_up = stack.follow_up(&promotion, json!({})).await;
    let asked = json!({"to": "staff@shop.example", "locale": "en"});
    let asked = stack
        .admin(&test_call(&follow_up), asked)
        .await
        .expect(200)
        .body;
    assert_eq!(asked["state"], "due");
    stack.advance("PT1M").await;
    stack.advance("PT3H").await;

    let inbox = stack.inbox().await;
    assert_eq!(inbox.len(), 1);
    let mail = &inbox[0];
    assert_eq!(mail["to"], json!(["staff@shop.example"]));
    assert_eq!(mail["outbox_id"], asked["id"]);
    assert!(mail["subject"].as_str().unwrap().starts_with("[TEST] "));
    stack
        .redeem("1", &code_in(mail, &promotion))
        .await
        .expect(404);

    let read = format!(
        "GET /v1/follow-ups/{}/test/{}",
        follow_up["id"].as_str().unwrap(),
        asked["id"].as_str().unwrap()
    );
    let stands = stack.admin(&read, Value::Null).await.expect(200);
    assert_eq!(stands.body["state"], "sent");
    assert!(!stands.text.contains("staff@shop.example"));

    let header = mail["headers"]["List-Unsubscribe"].as_str().unwrap();
    let way_out = header.trim_matches(['<', '>']);
    let path = way_out.strip_prefix(stack.running().url()).unwrap();
    stack
        .send(stack.request(reqwest::Method::POST, path))
        .await
        .expect(200);
    let again = json!({"to": "Staff+1@shop.example"});
    let refused = stack.admin(&test_call(&follow_up), again).await.expect(400);
    assert_eq!(refused.pointers(), ["/to"]);
    stack.advance("P1D").await;
    stack.admin(&read, Value::Null).await.expect(404);
}

#[tokio::test]
async fn who_unsubscribes_before_a_test_mail_leaves_does_not_get_it() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    let follow_up = stack.follow_up(&promotion, json!({})).await;
    let clock = stack.clock().clone();
    let env = stack.env_through(stack.running().dynamodb_url());
    let aws = shared::aws::Aws::from_env(&env).unwrap();
    let identity = shared::secrets::fetch_identity_key(&env, &aws)
        .await
        .unwrap();
    let to = shared::domain::identity::Email::try_from("staff@shop.example".to_owned()).unwrap();
    let store = stack.running().store().unwrap();
    // Queued for later than the schedule's next second, so that the test comes before it.
    let mail = shared::domain::test_mail::TestMail {
        id: shared::domain::outbox::MailId::random(),
        state: shared::domain::test_mail::TestMailState::Due,
        follow_up_id: serde_json::from_value(follow_up["id"].clone()).unwrap(),
        variant: "10% after 3 days".to_owned(),
        locale: None,
        person: identity.person(&to),
        to: Some(to),
        requested_at: clock.now() + chrono::TimeDelta::minutes(30),
        reason: None,
        sent_at: None,
        lease_until: None,
    };
    assert_eq!(store.queue_test_mail(&mail).await.unwrap(), None);
    let reason = shared::store::SuppressionReason::Unsubscribed;
    store
        .suppress(&mail.person, reason, clock.now())
        .await
        .unwrap();
    stack.advance("PT31M").await;
    assert!(stack.inbox().await.is_empty());
    let stands = store
        .test_mail(&mail.id, clock.now())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(stands.reason.as_deref(), Some("unsubscribed"));
    assert_eq!(stands.to, None);
}

#[tokio::test]
async fn test_mails_go_to_no_marketplace_buyer_and_not_without_end_or_sender() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    let follow_up = stack.follow_up(&promotion, json!({})).await;
    let call = test_call(&follow_up);
    for to in ["x1@marketplace.amazon.co.jp", "nobody", "花@店.jp"] {
        let refused = stack.admin(&call, json!({"to": to})).await.expect(400);
        assert_eq!(refused.pointers(), ["/to"], "{to}");
    }
    for _ in 0..20 {
        let to = json!({"to": "staff@shop.example"});
        stack.admin(&call, to).await.expect(200);
    }
    let to = json!({"to": "staff@shop.example"});
    let refused = stack.admin(&call, to.clone()).await.expect(429);
    assert!(refused.headers.contains_key("retry-after"));
    stack.advance("PT10M").await;
    stack.admin(&call, to.clone()).await.expect(200);

    let settings = BTreeMap::from([("SENDER_NAME".to_owned(), String::new())]);
    let without_sender = Stack::start_with(Options {
        port: 0,
        settings,
        ..Options::default()
    })
    .await;
    let promotion = without_sender.promotion(json!({})).await;
    let follow_up = without_sender.follow_up(&promotion, json!({})).await;
    without_sender
        .admin(&test_call(&follow_up), to)
        .await
        .expect(422);
    let own = json!({"mail": {"from": "a@b.jp", "sender": {"name": "S", "address": "A", "contact": "C"}}});
    let own = without_sender.follow_up(&promotion, own).await;
    preview(&without_sender, &own, json!({})).await;
}
