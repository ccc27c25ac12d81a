//! Mail at scale: none lost, none twice without a flag, and none claimed after its buyer said no.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::StreamExt;
use integration::faults::{Fault, FaultProxy};
use integration::{Stack, completed};
use okaeri::local::Options;
use rand::RngExt;
use serde_json::json;
use shared::aws::Aws;
use shared::clock::Clock;
use shared::domain::order::OrderId;
use shared::domain::outbox::{MailState, OutboxMail};
use shared::env::Env;
use shared::secrets::fetch_identity_key;
use shared::store::OrderOutcome;
use tokio::sync::Barrier;

/// The name under which the fault proxy knows SES's `SendEmail`.
const SEND_EMAIL: &str = "outbound-emails";
/// Requests under way at a time.
const AT_ONCE: usize = 16;

/// A stack whose mails pass through a proxy, with one follow-up.
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

/// Completes orders `0..count`, each of a buyer of its own, all mailed three days later.
pub(crate) async fn orders(stack: &Stack, count: usize) {
    let posts = (0..count).map(|number| async move {
        let event = completed(
            &number.to_string(),
            json!({"customer": {"email": format!("{number}@example.jp")}}),
        );
        stack
            .standard_webhook(stack.clock(), &event)
            .await
            .expect(200);
    });
    futures_util::stream::iter(posts)
        .buffer_unordered(AT_ONCE)
        .collect::<()>()
        .await;
}

/// The outbox's rows of orders `0..count`.
async fn rows(stack: &Stack, count: usize) -> Vec<OutboxMail> {
    let store = Arc::new(stack.running().store().unwrap());
    let reads = (0..count).map(|number| {
        let store = Arc::clone(&store);
        async move {
            let order = OrderId::try_from(number.to_string()).unwrap();
            let markers = store.order_markers(&order).await.unwrap();
            let OrderOutcome::Mail { mail_id, .. } = &markers[0].outcome else {
                panic!("order {number} earned no mail");
            };
            store.mail(mail_id).await.unwrap().unwrap()
        }
    });
    futures_util::stream::iter(reads)
        .buffered(AT_ONCE)
        .collect()
        .await
}

/// How often each buyer was mailed.
async fn mailed(stack: &Stack) -> BTreeMap<String, usize> {
    let mut mailed = BTreeMap::new();
    for mail in stack.inbox().await {
        let id = mail["outbox_id"].as_str().unwrap().to_owned();
        *mailed.entry(id).or_default() += 1;
    }
    mailed
}

/// Makes the outcome of one send in ten unknown, in every way there is.
fn one_in_ten_unknown(proxy: &FaultProxy) {
    let faults = [
        Fault::ApplyThenDropReply,
        Fault::DropRequest,
        Fault::ApplyThen500,
        Fault::ApplyThenDropReply,
    ];
    let mut sends = 0_usize;
    proxy.plan(move |operation| {
        if operation != SEND_EMAIL {
            return Fault::Pass;
        }
        sends += 1;
        if sends.is_multiple_of(10) {
            faults[sends / 10 % faults.len()].clone()
        } else {
            Fault::Pass
        }
    });
}

/// Sends 1,000 mails, one in ten with an unknown outcome, and waits until nothing is undecided. Answers each mail's row with
/// how often SES took it.
async fn a_thousand(ses_events: bool) -> (Vec<(OutboxMail, usize)>, usize) {
    const MAILS: usize = 1_000;
    let (stack, proxy) = stack_behind_proxy(Options {
        ses_events,
        ..Options::default()
    })
    .await;
    orders(&stack, MAILS).await;
    one_in_ten_unknown(&proxy);
    stack.advance("P3D").await;
    for _ in 0..3 {
        stack.advance("PT1H").await;
    }
    let mailed = mailed(&stack).await;
    let rows = rows(&stack, MAILS).await;
    let faults = proxy.faults();
    assert!(faults >= MAILS / 10, "{faults}");
    let with_count = rows.into_iter().map(|row| {
        let count = mailed.get(row.id.as_str()).copied().unwrap_or_default();
        (row, count)
    });
    (with_count.collect(), faults)
}

/// Every mail ended, and none is called sent that SES never took. A mail whose outcome was unknown twice waits for a person.
fn assert_none_lost(mails: &[(OutboxMail, usize)]) {
    for (row, taken) in mails {
        match row.state {
            MailState::Sent => assert!(*taken >= 1, "{row:?}"),
            MailState::Parked => assert!(row.duplicate_risk && row.attempt == 2, "{row:?}"),
            _ => panic!("{row:?}"),
        }
    }
}

#[tokio::test]
async fn of_1000_sends_with_a_tenth_unknown_and_events_none_is_twice_and_none_lost() {
    let (mails, _) = a_thousand(true).await;
    assert_none_lost(&mails);
    for (row, taken) in &mails {
        assert!(*taken <= 1, "{row:?} was sent {taken} times");
    }
}

#[tokio::test]
async fn of_1000_sends_with_a_tenth_unknown_and_no_events_every_possible_duplicate_is_flagged() {
    let (mails, faults) = a_thousand(false).await;
    assert_none_lost(&mails);
    let twice = mails.iter().filter(|(_, taken)| *taken > 1);
    assert!((1..=faults).contains(&twice.count()));
    for (row, taken) in &mails {
        assert!(
            *taken <= 1 || row.duplicate_risk,
            "{row:?} was sent {taken} times and nobody is told"
        );
        assert!(*taken <= 2, "{row:?}");
        assert_eq!(row.duplicate_risk, row.attempt > 1, "{row:?}");
    }
}

#[tokio::test]
async fn in_200_races_of_unsubscribing_and_sending_nothing_is_claimed_after_the_unsubscribe() {
    const RACES: usize = 200;
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    stack.follow_up(&promotion, json!({})).await;
    orders(&stack, RACES).await;
    // Until these are worked off; the stack's own schedule finds nothing due.
    stack.advance("PT0S").await;
    let table = FaultProxy::start(stack.running().dynamodb_url()).await;
    table.plan(integration::faults::mix(7, 15));
    let ahead = Clock::default();
    ahead.advance(TimeDelta::days(4));
    let sender = send_mail::State::load(&stack.env_through(&table.url), ahead)
        .await
        .unwrap();
    let env = Env::from_map(stack.running().settings().clone());
    let identity = fetch_identity_key(&env, &Aws::from_env(&env).unwrap())
        .await
        .unwrap();
    let before = rows(&stack, RACES).await;
    let store = Arc::new(stack.running().store().unwrap());
    let barrier = Arc::new(Barrier::new(2));
    let sending = {
        let (barrier, sender) = (Arc::clone(&barrier), sender.clone());
        tokio::spawn(async move {
            barrier.wait().await;
            send_mail::handle(&sender, Duration::from_mins(2)).await
        })
    };
    barrier.wait().await;
    let mut unsubscribed = Vec::new();
    // From the other end, so that both meet half-way.
    for row in before.iter().rev() {
        let pause = Duration::from_millis(rand::rng().random_range(0..15));
        tokio::time::sleep(pause).await;
        let path = format!("/u/{}", identity.unsubscribe_token(&row.person));
        let request = stack
            .request(reqwest::Method::POST, &path)
            .body("List-Unsubscribe=One-Click");
        stack.send(request).await.expect(200);
        // Whoever is not claimed by now must never be.
        let claimed = store.mail(&row.id).await.unwrap().unwrap().attempt > 0;
        unsubscribed.push((row.id.clone(), claimed));
    }
    // A run that gave up on the table's faults left the rest due.
    let _ = sending.await.unwrap();
    table.plan(|_| Fault::Pass);
    send_mail::handle(&sender, Duration::from_mins(2))
        .await
        .unwrap();
    let mailed = mailed(&stack).await;
    let mut after = 0;
    for (id, claimed) in unsubscribed {
        let row = store.mail(&id).await.unwrap().unwrap();
        if !claimed {
            after += 1;
            assert_eq!(
                (row.state, row.attempt, row.reason.as_deref()),
                (MailState::Withdrawn, 0, Some("unsubscribed")),
            );
            assert_eq!(mailed.get(id.as_str()), None);
        }
    }
    assert!(
        (1..RACES).contains(&after),
        "{after} of {RACES} unsubscribed in time: this shows nothing"
    );
}
