//! What SES reports about mails: lost answers are settled, dead addresses are mailed no more, and repeats change nothing.

use std::sync::Arc;

use aws_lambda_events::event::sqs::SqsEvent;
use chrono::TimeDelta;
use integration::faults::{Fault, FaultProxy};
use integration::{Stack, completed};
use okaeri::local::{Options, Place};
use serde_json::{Value, json};
use shared::domain::outbox::{MailId, MailState, OutboxMail};
use tokio::sync::Barrier;

/// The name under which the fault proxy knows SES's `SendEmail`.
const SEND_EMAIL: &str = "outbound-emails";

/// Starts a stack whose mails pass through a proxy.
async fn stack_behind_proxy(ses_events: bool) -> (Stack, FaultProxy) {
    stack_on(Place::Memory, ses_events).await
}

async fn stack_on(place: Place, ses_events: bool) -> (Stack, FaultProxy) {
    let proxy = FaultProxy::start("").await;
    let stack = Stack::start_with(Options {
        port: 0,
        place,
        ses_events,
        settings: [("AWS_ENDPOINT_URL_SESV2".to_owned(), proxy.url.clone())].into(),
        ..Options::default()
    })
    .await;
    proxy.pass_on_to(stack.running().aws_url());
    (stack, proxy)
}

pub(crate) async fn order(stack: &Stack, id: &str, email: &str) {
    let event = completed(id, json!({"customer": {"email": email}}));
    let _ = stack
        .standard_webhook(stack.clock(), &event)
        .await
        .expect(200);
}

/// A follow-up, three days after an order.
pub(crate) async fn follow_up(stack: &Stack) {
    let promotion = stack.promotion(json!({})).await;
    stack.follow_up(&promotion, json!({})).await;
}

/// The outbox's row of a mail in the inbox.
pub(crate) async fn row(stack: &Stack, mail: &Value) -> OutboxMail {
    let id = mail["outbox_id"].as_str().unwrap().to_owned();
    let store = stack.running().store().unwrap();
    store
        .mail(&MailId::try_from(id).unwrap())
        .await
        .unwrap()
        .unwrap()
}

/// An event of SES about one attempt at a mail, with `fields` of its own.
pub(crate) fn event(kind: &str, row: &OutboxMail, attempt: u32, fields: &Value) -> Value {
    let mut event = json!({
        "eventType": kind,
        "mail": {
            "messageId": "another-id", "timestamp": "2030-01-01T00:00:00.000Z", "destination": ["hanako@example.jp"],
            "tags": {"mail_id": [row.id], "attempt": [attempt.to_string()]},
        },
    });
    for (name, value) in fields.as_object().unwrap() {
        event[name] = value.clone();
    }
    event
}

/// Hands messages to `mail-feedback` in one batch; answers the places of those that failed.
pub(crate) async fn feed(stack: &Stack, bodies: &[String]) -> Vec<String> {
    let env = stack.env_through(stack.running().dynamodb_url());
    let state = mail_feedback::State::load(&env, stack.clock().clone())
        .await
        .unwrap();
    let records: Vec<Value> = (0..)
        .zip(bodies)
        .map(|(place, body)| json!({"messageId": format!("{place}"), "body": body}))
        .collect();
    let batch: SqsEvent = serde_json::from_value(json!({"Records": records})).unwrap();
    let answer = mail_feedback::handle(&state, batch).await.unwrap();
    let failures = answer.batch_item_failures.into_iter();
    failures.map(|failure| failure.item_identifier).collect()
}

#[tokio::test]
async fn who_bounces_or_complains_gets_no_second_mail_and_others_do() {
    let stack = Stack::start().await;
    follow_up(&stack).await;
    let boxes = ["bounce", "suppressionlist", "complaint", "success"];
    for round in 1..=2 {
        for name in boxes {
            let address = format!("{name}@simulator.amazonses.com");
            order(&stack, &format!("{name}-{round}"), &address).await;
        }
        stack.advance("P3D").await;
    }
    let inbox = stack.inbox().await;
    let count = |name: &str| {
        let to = json!([format!("{name}@simulator.amazonses.com")]);
        inbox.iter().filter(|mail| mail["to"] == to).count()
    };
    assert_eq!(boxes.map(count), [1, 1, 1, 2]);
    for mail in &inbox {
        let row = row(&stack, mail).await;
        assert_eq!((row.state, row.attempt), (MailState::Sent, 1));
    }
}

#[tokio::test]
async fn a_mail_whose_answer_was_lost_is_settled_by_its_events_and_never_sent_again() {
    for fault in [Fault::ApplyThenDropReply, Fault::ApplyThen500] {
        let (stack, proxy) = stack_behind_proxy(true).await;
        follow_up(&stack).await;
        proxy.once(SEND_EMAIL, fault.clone());
        order(&stack, "1", "hanako@example.jp").await;
        stack.advance("P3D").await;
        for _ in 0..3 {
            stack.advance("PT1H").await;
        }
        let inbox = stack.inbox().await;
        assert_eq!((inbox.len(), proxy.faults()), (1, 1), "{fault:?}");
        let row = row(&stack, &inbox[0]).await;
        assert_eq!(
            (row.state, row.attempt, row.duplicate_risk),
            (MailState::Sent, 1, false)
        );
        assert_eq!(row.message_id.as_deref(), inbox[0]["id"].as_str());
        assert!(row.mailed_at.is_some());
    }
}

#[tokio::test]
async fn without_events_a_mail_whose_answer_was_lost_is_sent_again_once_after_an_hour_and_flagged()
{
    let (stack, proxy) = stack_behind_proxy(false).await;
    follow_up(&stack).await;
    proxy.once(SEND_EMAIL, Fault::ApplyThenDropReply);
    order(&stack, "1", "hanako@example.jp").await;
    stack.advance("P3D").await;
    stack.advance("PT59M").await;
    let inbox = stack.inbox().await;
    assert_eq!(inbox.len(), 1);
    assert_eq!(row(&stack, &inbox[0]).await.state, MailState::Unsettled);
    for _ in 0..3 {
        stack.advance("PT1H").await;
    }
    let inbox = stack.inbox().await;
    assert_eq!(inbox.len(), 2);
    let again = row(&stack, &inbox[1]).await;
    assert_eq!(
        (again.state, again.attempt, again.duplicate_risk),
        (MailState::Sent, 2, true)
    );

    // The first attempt's event comes at last: the mail stands as its later attempt left it.
    let late = event("Send", &again, 1, &json!({})).to_string();
    assert!(feed(&stack, &[late]).await.is_empty());
    assert_eq!(row(&stack, &inbox[1]).await, again);
}

#[tokio::test]
async fn an_event_settles_only_the_attempt_it_is_about_and_repeats_change_nothing() {
    let (stack, proxy) = stack_behind_proxy(false).await;
    follow_up(&stack).await;
    proxy.once(SEND_EMAIL, Fault::ApplyThenDropReply);
    order(&stack, "1", "hanako@example.jp").await;
    stack.advance("P3D").await;
    let inbox = stack.inbox().await;
    let unsettled = row(&stack, &inbox[0]).await;
    let send = |attempt| event("Send", &unsettled, attempt, &json!({})).to_string();
    assert!(feed(&stack, &[send(2), send(0)]).await.is_empty());
    assert_eq!(row(&stack, &inbox[0]).await, unsettled);

    let delivery = event("Delivery", &unsettled, 1, &json!({"delivery": {}}));
    let delivery = delivery.to_string();
    assert!(feed(&stack, &[send(1)]).await.is_empty());
    let settled = row(&stack, &inbox[0]).await;
    assert_eq!(
        (settled.state, settled.message_id.as_deref()),
        (MailState::Sent, Some("another-id"))
    );
    assert!(feed(&stack, &[send(1), delivery.clone()]).await.is_empty());
    let delivered = row(&stack, &inbox[0]).await;
    assert!(delivered.delivered_at.is_some());
    let unmarked = OutboxMail {
        delivered_at: None,
        ..delivered.clone()
    };
    assert_eq!(unmarked, settled);
    assert!(feed(&stack, &[send(1), delivery]).await.is_empty());
    assert_eq!(row(&stack, &inbox[0]).await, delivered);
    stack.advance("PT3H").await;
    assert_eq!(stack.inbox().await.len(), 1);
}

#[tokio::test]
async fn of_eight_events_at_once_exactly_one_settles_the_mail() {
    let (stack, proxy) = stack_behind_proxy(false).await;
    follow_up(&stack).await;
    proxy.once(SEND_EMAIL, Fault::ApplyThenDropReply);
    order(&stack, "1", "hanako@example.jp").await;
    stack.advance("P3D").await;
    let inbox = stack.inbox().await;
    let mail = row(&stack, &inbox[0]).await;
    let barrier = Arc::new(Barrier::new(8));
    let store = Arc::new(stack.running().store().unwrap());
    let racers = (0..8).map(|racer| {
        let (barrier, store, id) = (Arc::clone(&barrier), Arc::clone(&store), mail.id.clone());
        let now = stack.clock().now();
        tokio::spawn(async move {
            barrier.wait().await;
            let name = racer.to_string();
            let settled = store.settle_mail(&id, 1, &name, now).await.unwrap();
            settled.then_some(name)
        })
    });
    let mut winners = Vec::new();
    for racer in racers.collect::<Vec<_>>() {
        winners.extend(racer.await.unwrap());
    }
    assert_eq!(winners.len(), 1);
    let settled = row(&stack, &inbox[0]).await;
    assert_eq!(settled.message_id.as_ref(), winners.first());
}

#[tokio::test]
async fn a_stack_that_was_down_for_hours_hears_from_ses_before_it_sends_anything_again() {
    // Enough that sending would begin before the last event is read, were it not made to wait.
    const MAILS: usize = 20;
    let directory = tempfile::tempdir().unwrap();
    let place = Place::Directory(directory.path().join("data"));
    let (stack, proxy) = stack_on(place.clone(), false).await;
    follow_up(&stack).await;
    proxy.plan(|operation| match operation {
        SEND_EMAIL => Fault::ApplyThenDropReply,
        _ => Fault::Pass,
    });
    for number in 0..MAILS {
        let id = number.to_string();
        order(&stack, &id, &format!("{id}@example.jp")).await;
    }
    stack.advance("P3D").await;
    for mail in stack.inbox().await {
        assert_eq!(row(&stack, &mail).await.state, MailState::Unsettled);
    }
    let hours_later = stack.clock().offset() + TimeDelta::hours(3);
    stack.stop().await;
    let clock = json!({"offset_ms": hours_later.num_milliseconds()}).to_string();
    std::fs::write(directory.path().join("data/clock.json"), clock).unwrap();

    let stack = Stack::start_with(Options {
        port: 0,
        place,
        ..Options::default()
    })
    .await;
    stack.advance("PT3H").await;
    let inbox = stack.inbox().await;
    assert_eq!(inbox.len(), MAILS);
    for mail in &inbox {
        let row = row(&stack, mail).await;
        assert_eq!((row.state, row.attempt), (MailState::Sent, 1));
    }
}

#[tokio::test]
async fn a_rejected_mail_failed_even_where_ses_had_said_yes() {
    let stack = Stack::start().await;
    follow_up(&stack).await;
    order(&stack, "1", "hanako@example.jp").await;
    stack.advance("P3D").await;
    let inbox = stack.inbox().await;
    let sent = row(&stack, &inbox[0]).await;
    assert_eq!(sent.state, MailState::Sent);
    let reject = json!({"reject": {"reason": "Bad content"}});
    let reject = event("Reject", &sent, 1, &reject).to_string();
    let send = event("Send", &sent, 1, &json!({})).to_string();
    assert!(feed(&stack, &[reject, send]).await.is_empty());
    let failed = row(&stack, &inbox[0]).await;
    assert_eq!(
        (failed.state, failed.reason.as_deref()),
        (MailState::Failed, Some("Bad content"))
    );
}

#[tokio::test]
async fn a_message_that_is_no_event_fails_alone() {
    let stack = Stack::start().await;
    follow_up(&stack).await;
    order(&stack, "1", "hanako@example.jp").await;
    stack.advance("P3D").await;
    let sent = row(&stack, &stack.inbox().await[0]).await;
    let transient = json!({"bounce": {"bounceType": "Transient", "bounceSubType": "MailboxFull"}});
    let unknown = OutboxMail {
        id: MailId::random(),
        ..sent.clone()
    };
    let bodies = [
        event("Bounce", &sent, 1, &transient).to_string(),
        "{".to_owned(),
        event("Complaint", &unknown, 1, &json!({"complaint": {}})).to_string(),
        event("Bounce", &sent, 1, &json!({})).to_string(),
        event("Open", &sent, 1, &json!({})).to_string(),
    ];
    assert_eq!(feed(&stack, &bodies).await, ["1", "3"]);
    let store = stack.running().store().unwrap();
    assert!(!store.is_suppressed(&sent.person).await.unwrap());
}
