//! What stops all mail: nothing is lost and nothing sent twice, each run says why it waits, and it goes on by itself.

use std::time::Duration;

use integration::faults::{Fault, FaultProxy};
use integration::{Stack, completed};
use okaeri::local::Options;
use serde_json::{Value, json};
use shared::domain::order::OrderId;
use shared::domain::outbox::{MailState, OutboxMail};
use shared::domain::sending::PauseReason;
use shared::store::OrderOutcome;

/// The names under which the fault proxy knows SES's `SendEmail` and `GetAccount`.
const SEND_EMAIL: &str = "outbound-emails";
const GET_ACCOUNT: &str = "account";

async fn stack_behind_proxy(options: Options) -> (Stack, FaultProxy) {
    let proxy = FaultProxy::start("").await;
    let stack = Stack::start_with(Options {
        port: 0,
        settings: [("AWS_ENDPOINT_URL_SESV2".to_owned(), proxy.url.clone())].into(),
        ..options
    })
    .await;
    proxy.pass_on_to(stack.running().aws_url());
    let promotion = stack.promotion(json!({})).await;
    stack.follow_up(&promotion, json!({})).await;
    (stack, proxy)
}

async fn orders(stack: &Stack, count: usize) {
    for number in 0..count {
        let buyer = json!({"customer": {"email": format!("{number}@example.jp")}});
        let event = completed(&number.to_string(), buyer);
        stack
            .standard_webhook(stack.clock(), &event)
            .await
            .expect(200);
    }
}

async fn rows(stack: &Stack, count: usize) -> Vec<OutboxMail> {
    let store = stack.running().store().unwrap();
    let mut rows = Vec::new();
    for number in 0..count {
        let order = OrderId::try_from(number.to_string()).unwrap();
        let markers = store.order_markers(&order).await.unwrap();
        let OrderOutcome::Mail { mail_id, .. } = &markers[0].outcome else {
            panic!("order {number} earned no mail");
        };
        rows.push(store.mail(mail_id).await.unwrap().unwrap());
    }
    rows
}

async fn paused(stack: &Stack) -> Option<PauseReason> {
    let store = stack.running().store().unwrap();
    store
        .sending_pause()
        .await
        .unwrap()
        .map(|pause| pause.reason)
}

/// Asserts that every mail was sent once.
async fn assert_all_sent_once(stack: &Stack, count: usize) {
    assert_eq!(paused(stack).await, None);
    assert_eq!(stack.inbox().await.len(), count);
    for row in rows(stack, count).await {
        assert_eq!((row.state, row.duplicate_risk), (MailState::Sent, false));
    }
}

#[tokio::test]
async fn what_stops_the_account_stops_all_mail_until_it_is_over_and_then_each_is_sent_once() {
    const MAILS: usize = 40;
    for (kind, reason) in [
        (
            "MailFromDomainNotVerifiedException",
            PauseReason::MailFromDomainNotVerified,
        ),
        ("NotFoundException", PauseReason::ConfigurationSetMissing),
    ] {
        let (stack, proxy) = stack_behind_proxy(Options::default()).await;
        orders(&stack, MAILS).await;
        // Some leave before it stops.
        let mut sends = 0;
        let refusal = Fault::refusal(400, kind, "on purpose");
        proxy.plan(move |operation| {
            sends += usize::from(operation == SEND_EMAIL);
            if operation == SEND_EMAIL && sends > 10 {
                refusal.clone()
            } else {
                Fault::Pass
            }
        });
        stack.advance("P3D").await;
        assert_eq!(paused(&stack).await, Some(reason));
        let tried = sends_of(&proxy);
        // Those under way when the first was refused, and no more.
        assert!((11..=26).contains(&tried), "{tried}");
        assert_eq!(stack.inbox().await.len(), 10);
        for row in rows(&stack, MAILS).await {
            assert!(matches!(row.state, MailState::Sent | MailState::Due));
        }
        // A look that finds no change tries one mail.
        let since = stack.running().store().unwrap().sending_pause().await;
        let since = since.unwrap().unwrap().since;
        proxy.take_operations();
        stack.advance("PT15M").await;
        assert_eq!(sends_of(&proxy), 1);
        let standing = stack.running().store().unwrap().sending_pause().await;
        assert_eq!(standing.unwrap().unwrap().since, since);
        proxy.plan(|_| Fault::Pass);
        stack.advance("PT5M").await;
        assert_eq!(stack.inbox().await.len(), 10);
        stack.advance("PT15M").await;
        assert_all_sent_once(&stack, MAILS).await;
    }
}

/// How many sends arrived since the operations were last taken.
fn sends_of(proxy: &FaultProxy) -> usize {
    let operations = proxy.take_operations();
    let sends = operations.iter().filter(|name| *name == SEND_EMAIL);
    sends.count()
}

/// What SES says of an account.
fn account(sending: bool, sent: u64) -> Value {
    json!({"EnforcementStatus": if sending { "HEALTHY" } else { "SHUTDOWN" }, "SendingEnabled": sending,
        "SendQuota": {"Max24HourSend": 50, "MaxSendRate": 1000, "SentLast24Hours": sent}})
}

#[tokio::test]
async fn a_paused_or_suspended_account_is_asked_about_and_tried_with_no_mail_until_it_may_send() {
    const MAILS: usize = 5;
    for (kind, reason) in [
        ("SendingPausedException", PauseReason::SendingPaused),
        ("AccountSuspendedException", PauseReason::AccountSuspended),
    ] {
        let (stack, proxy) = stack_behind_proxy(Options::default()).await;
        orders(&stack, MAILS).await;
        let refusal = Fault::refusal(400, kind, "on purpose");
        proxy.plan(move |operation| match operation {
            SEND_EMAIL => refusal.clone(),
            GET_ACCOUNT => Fault::Answer(200, account(false, 0).to_string()),
            _ => Fault::Pass,
        });
        stack.advance("P3D").await;
        assert_eq!(paused(&stack).await, Some(reason));
        proxy.take_operations();
        stack.advance("PT61M").await;
        assert_eq!(proxy.take_operations(), [GET_ACCOUNT]);
        proxy.plan(|_| Fault::Pass);
        stack.advance("PT61M").await;
        assert_all_sent_once(&stack, MAILS).await;
    }
}

#[tokio::test]
async fn a_days_quota_is_used_up_exactly_without_one_refusal_and_the_rest_waits_until_it_frees() {
    const MAILS: usize = 25;
    let (stack, proxy) = stack_behind_proxy(Options {
        ses_quota: 10,
        ..Options::default()
    })
    .await;
    orders(&stack, MAILS).await;
    stack.advance("P3D").await;
    assert_eq!(paused(&stack).await, Some(PauseReason::Quota));
    assert_eq!((stack.inbox().await.len(), sends_of(&proxy)), (10, 10));
    stack.advance("PT12H").await;
    assert_eq!((stack.inbox().await.len(), sends_of(&proxy)), (10, 0));
    for _ in 0..3 {
        stack.advance("PT24H").await;
    }
    assert_all_sent_once(&stack, MAILS).await;
    assert_eq!(sends_of(&proxy), 15);
}

#[tokio::test]
async fn a_refusal_of_one_mail_stops_no_other() {
    const MAILS: usize = 10;
    let (stack, proxy) = stack_behind_proxy(Options::default()).await;
    orders(&stack, MAILS).await;
    proxy.once(
        SEND_EMAIL,
        Fault::refusal(400, "MessageRejected", "on purpose"),
    );
    stack.advance("P3D").await;
    assert_eq!(paused(&stack).await, None);
    let rows = rows(&stack, MAILS).await;
    let failed: Vec<_> = rows
        .iter()
        .filter(|row| row.state == MailState::Failed)
        .collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].reason.as_deref(), Some("MessageRejected"));
    assert_eq!(stack.inbox().await.len(), MAILS - 1);
}

#[tokio::test]
async fn a_thousand_mails_leave_at_just_below_the_rate_with_next_to_no_throttle() {
    const MAILS: usize = 1_000;
    let (stack, proxy) = stack_behind_proxy(Options {
        ses_rate: 50,
        ..Options::default()
    })
    .await;
    crate::mail_certainty::orders(&stack, MAILS).await;
    proxy.take_operations();
    stack.advance("P3D").await;
    let sends = sends_of(&proxy);
    for _ in 0..3 {
        stack.advance("PT2M").await;
    }
    assert_all_sent_once(&stack, MAILS).await;
    assert!(sends <= MAILS + 10, "{} throttles", sends - MAILS);
    let inbox = stack.inbox().await;
    let at = |place: usize| -> chrono::DateTime<chrono::Utc> {
        inbox[place]["sent_at"].as_str().unwrap().parse().unwrap()
    };
    let took = (at(MAILS - 20) - at(0)).to_std().unwrap();
    // Never above the rate: 979 intervals at 50 a second.
    assert!(took >= Duration::from_secs(19), "{took:?}");
}

#[tokio::test]
async fn a_throttle_slows_mails_down_and_loses_none() {
    const MAILS: usize = 10;
    let (stack, proxy) = stack_behind_proxy(Options::default()).await;
    orders(&stack, MAILS).await;
    let throttle = Fault::refusal(
        429,
        "TooManyRequestsException",
        "Maximum sending rate exceeded.",
    );
    proxy.once(SEND_EMAIL, throttle);
    stack.advance("P3D").await;
    assert_eq!(stack.inbox().await.len(), MAILS - 1);
    stack.advance("PT1M").await;
    assert_all_sent_once(&stack, MAILS).await;
}
