//! Reminders before a code's end: only of what was mailed and is still unused, and each at most once.

use integration::faults::{Fault, FaultProxy};
use integration::{Stack, completed};
use okaeri::local::Options;
use serde_json::{Value, json};
use shared::domain::order::OrderId;
use shared::domain::outbox::{MailState, OutboxMail};
use shared::store::{AuditMode, OrderOutcome};

/// The name under which the fault proxy knows SES's `SendEmail`.
const SEND_EMAIL: &str = "outbound-emails";

/// A stack with a follow-up after three days, whose codes are valid for 30 days and reminded of three days before.
async fn stack() -> (Stack, FaultProxy, Value) {
    let proxy = FaultProxy::start("").await;
    let stack = Stack::start_with(Options {
        port: 0,
        ses_events: false,
        settings: [("AWS_ENDPOINT_URL_SESV2".to_owned(), proxy.url.clone())].into(),
        ..Options::default()
    })
    .await;
    proxy.pass_on_to(stack.running().aws_url());
    let promotion = stack.promotion(json!({})).await;
    let follow_up = stack
        .follow_up(&promotion, json!({"reminder_before_expiry": "P3D"}))
        .await;
    assert_eq!(follow_up["reminder_before_expiry"], "P3D");
    (stack, proxy, follow_up)
}

async fn order(stack: &Stack, id: &str, locale: &str) {
    let buyer = json!({"customer": {"email": format!("{id}@example.jp"), "locale": locale}});
    let event = completed(id, buyer);
    stack
        .standard_webhook(stack.clock(), &event)
        .await
        .expect(200);
}

/// An order's mail and its reminder.
async fn rows(stack: &Stack, order: &str) -> (OutboxMail, OutboxMail) {
    let store = stack.running().store().unwrap();
    let order = OrderId::try_from(order.to_owned()).unwrap();
    let markers = store.order_markers(&order).await.unwrap();
    let OrderOutcome::Mail { mail_id, .. } = &markers[0].outcome else {
        panic!("no mail");
    };
    let mail = store.mail(mail_id).await.unwrap().unwrap();
    let reminder = mail.reminder.clone().unwrap();
    let reminder = store.mail(&reminder).await.unwrap().unwrap();
    (mail, reminder)
}

/// What a reminder ended as.
async fn ended(stack: &Stack, order: &str) -> (MailState, Option<String>) {
    let (_, reminder) = rows(stack, order).await;
    (reminder.state, reminder.reason)
}

fn code(mail: &Value) -> String {
    let text = mail["text"].as_str().unwrap();
    let line = text
        .lines()
        .find(|line| line.len() == 19 && line.split('-').count() == 4);
    line.unwrap().to_owned()
}

fn withdrawn(reason: &str) -> (MailState, Option<String>) {
    (MailState::Withdrawn, Some(reason.to_owned()))
}

#[tokio::test]
async fn who_has_not_used_the_code_is_reminded_once_before_it_ends() {
    let (stack, _proxy, _) = stack().await;
    order(&stack, "ja", "ja").await;
    order(&stack, "en", "en-GB").await;
    stack.advance("P3D").await;
    assert_eq!(stack.inbox().await.len(), 2);
    stack.advance("P26D").await;
    assert_eq!(stack.inbox().await.len(), 2);
    stack.advance("P2D").await;
    stack.advance("P30D").await;
    let inbox = stack.inbox().await;
    assert_eq!(inbox.len(), 4);
    for (name, says) in [("ja", "までです"), ("en", "ends on")] {
        let to = json!([format!("{name}@example.jp")]);
        let mails: Vec<_> = inbox.iter().filter(|mail| mail["to"] == to).collect();
        assert_eq!(mails.len(), 2);
        assert!(mails[1]["subject"].as_str().unwrap().contains(says));
        assert_eq!(code(mails[0]), code(mails[1]));
        assert!(mails[1]["headers"]["List-Unsubscribe"].is_string());
        let (mail, reminder) = rows(&stack, name).await;
        assert_eq!(reminder.state, MailState::Sent);
        assert_eq!(
            reminder.due_at,
            mail.code_expires_at - chrono::TimeDelta::days(3)
        );
    }
}

#[tokio::test]
async fn nobody_is_reminded_of_what_was_used_cancelled_voided_unsubscribed_from_or_never_mailed() {
    let (stack, proxy, _) = stack().await;
    for id in ["used", "cancelled", "unsubscribed", "voided"] {
        order(&stack, id, "ja").await;
    }
    stack.advance("P3D").await;
    let inbox = stack.inbox().await;
    let mail_to = |name: &str| {
        let to = json!([format!("{name}@example.jp")]);
        inbox.iter().find(|mail| mail["to"] == to).unwrap().clone()
    };
    stack
        .redeem("9001", &code(&mail_to("used")))
        .await
        .expect(201);
    let mut cancel = completed("cancelled", json!({}));
    cancel["type"] = json!("order.cancelled");
    stack
        .standard_webhook(stack.clock(), &cancel)
        .await
        .expect(200);
    let link = mail_to("unsubscribed")["headers"]["List-Unsubscribe"].clone();
    let link = link.as_str().unwrap().trim_matches(['<', '>']);
    let path = link.strip_prefix(stack.running().url()).unwrap();
    let request = stack
        .request(reqwest::Method::POST, path)
        .body("List-Unsubscribe=One-Click");
    stack.send(request).await.expect(200);
    stack
        .admin(
            "POST /v1/codes/void",
            json!({"codes": [code(&mail_to("voided"))]}),
        )
        .await
        .expect(200);
    proxy.plan(|operation| match operation {
        SEND_EMAIL => Fault::refusal(400, "MessageRejected", "on purpose"),
        _ => Fault::Pass,
    });
    order(&stack, "failed", "ja").await;
    stack.advance("P3D").await;
    proxy.plan(|_| Fault::Pass);
    // Withdrawn with the order already.
    assert_eq!(ended(&stack, "cancelled").await, withdrawn("cancelled"));
    stack.advance("P40D").await;
    assert_eq!(stack.inbox().await.len(), 4);
    for (order, reason) in [
        ("used", "code-used"),
        ("cancelled", "cancelled"),
        ("unsubscribed", "unsubscribed"),
        ("voided", "voided"),
        ("failed", "first-mail-not-sent"),
    ] {
        let ended = ended(&stack, order).await;
        // After 40 days some codes are over, which is reason enough by itself.
        assert_eq!(ended.0, MailState::Withdrawn, "{order}");
        let told = ended.1.unwrap();
        assert!(told == reason || told == "code-expired", "{order}: {told}");
    }
    // The doctor knows reminders, too.
    let store = stack.running().store().unwrap();
    let report = store
        .audit(AuditMode::Look, stack.clock().now(), &mut |_| {})
        .await
        .unwrap();
    assert!(report.differences.is_empty());
}

#[tokio::test]
async fn a_deleted_follow_up_and_a_cancellation_before_the_mail_withdraw_both() {
    let (stack, _proxy, follow_up) = stack().await;
    order(&stack, "early", "ja").await;
    order(&stack, "kept", "ja").await;
    let mut cancel = completed("early", json!({}));
    cancel["type"] = json!("order.cancelled");
    stack
        .standard_webhook(stack.clock(), &cancel)
        .await
        .expect(200);
    stack.advance("P3D").await;
    let (mail, reminder) = rows(&stack, "early").await;
    assert_eq!(mail.state, MailState::Withdrawn);
    assert_eq!(reminder.state, MailState::Withdrawn);
    let path = format!(
        "DELETE /v1/follow-ups/{}",
        follow_up["id"].as_str().unwrap()
    );
    stack.admin(&path, Value::Null).await.expect(200);
    stack.advance("P28D").await;
    assert_eq!(stack.inbox().await.len(), 1);
    assert_eq!(ended(&stack, "kept").await, withdrawn("follow-up-deleted"));
}

#[tokio::test]
async fn a_reminder_of_unknown_outcome_is_dropped_and_never_sent_again() {
    let (stack, proxy, _) = stack().await;
    order(&stack, "1", "ja").await;
    stack.advance("P3D").await;
    proxy.once(SEND_EMAIL, Fault::ApplyThenDropReply);
    stack.advance("P28D").await;
    assert_eq!(rows(&stack, "1").await.1.state, MailState::Unsettled);
    for _ in 0..3 {
        stack.advance("PT1H").await;
    }
    assert_eq!(stack.inbox().await.len(), 2);
    let (_, reminder) = rows(&stack, "1").await;
    assert_eq!(
        (reminder.state, reminder.attempt, reminder.reason.as_deref()),
        (MailState::Failed, 1, Some("unknown-outcome"))
    );
}
