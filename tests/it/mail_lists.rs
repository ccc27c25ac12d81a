//! What staff look through: every mail is in the list of where it stands, and is sent again at their word, once.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::TimeDelta;
use integration::{Stack, completed};
use serde_json::{Value, json};
use shared::domain::order::OrderId;
use shared::domain::outbox::{MailId, MailState, OutboxMail};
use shared::store::{
    Claim, IndexPlace, MailChange, MailView, OrderOutcome, Resend, Store, SuppressionReason,
};
use tokio::sync::Barrier;

use crate::feedback::{event, feed, follow_up, order};

const VIEWS: [MailView; 5] = [
    MailView::Waiting,
    MailView::Sent,
    MailView::Undelivered,
    MailView::Parked,
    MailView::Withdrawn,
];

pub(crate) fn store(stack: &Stack) -> Arc<Store> {
    Arc::new(stack.running().store().unwrap())
}

/// The mail that an order earned.
pub(crate) async fn mail_of(store: &Store, order: &str) -> OutboxMail {
    let order = OrderId::try_from(order.to_owned()).unwrap();
    let markers = store.order_markers(&order).await.unwrap();
    let OrderOutcome::Mail { mail_id, .. } = &markers[0].outcome else {
        panic!("{markers:?}");
    };
    store.mail(mail_id).await.unwrap().unwrap()
}

/// All mails of a view, page after page.
async fn listed(store: &Store, view: MailView, per_page: usize) -> Vec<MailId> {
    let (mut found, mut after): (Vec<MailId>, Option<IndexPlace>) = (Vec::new(), None);
    loop {
        let page = store
            .list_mails(view, after.as_ref(), per_page)
            .await
            .unwrap();
        assert!(page.mails.len() <= per_page);
        found.extend(page.mails.into_iter().map(|mail| mail.id));
        after = page.next;
        if after.is_none() {
            return found;
        }
    }
}

/// Orders of buyers of their own, and their mails, which wait.
pub(crate) async fn mails(stack: &Stack, count: usize) -> Vec<OutboxMail> {
    follow_up(stack).await;
    for number in 0..count {
        order(stack, &number.to_string(), &format!("b{number}@example.jp")).await;
    }
    stack.advance("PT1S").await;
    let store = store(stack);
    let mut found = Vec::new();
    for number in 0..count {
        found.push(mail_of(&store, &number.to_string()).await);
    }
    found
}

/// Claims a due mail three days on and ends it.
pub(crate) async fn end(stack: &Stack, mail: &OutboxMail, change: MailChange) -> OutboxMail {
    let (store, later) = (store(stack), stack.clock().now() + TimeDelta::days(4));
    let Claim::Claimed(claimed) = store.claim_mail(mail, later).await.unwrap() else {
        panic!("not claimed");
    };
    assert!(store.change_mail(&claimed, &change, later).await.unwrap());
    store.mail(&mail.id).await.unwrap().unwrap()
}

pub(crate) fn failed() -> MailChange {
    MailChange::Failed {
        reason: "MessageRejected".to_owned(),
    }
}

pub(crate) fn parked() -> MailChange {
    MailChange::Parked {
        reason: "unknown-outcome".to_owned(),
    }
}

#[tokio::test]
async fn each_mail_is_in_the_list_of_where_it_stands_and_in_no_other() {
    let stack = Stack::start().await;
    let mails = mails(&stack, 7).await;
    let store = store(&stack);
    let cancel = json!({"type": "order.cancelled", "timestamp": "2026-11-22T03:04:06Z", "data": completed("0", json!({}))["data"]});
    stack
        .standard_webhook(stack.clock(), &cancel)
        .await
        .expect(200);
    stack.advance("PT1S").await;
    end(&stack, &mails[1], failed()).await;
    end(&stack, &mails[2], parked()).await;
    let taken = |id: &str| MailChange::Sent {
        at: stack.clock().now() + TimeDelta::days(4),
        message_id: id.to_owned(),
    };
    end(&stack, &mails[3], taken("a")).await;
    let sent = end(&stack, &mails[4], taken("b")).await;
    let bounce = json!({"bounce": {"bounceType": "Permanent"}});
    let bounce = event("Bounce", &sent, 1, &bounce).to_string();
    assert!(feed(&stack, &[bounce]).await.is_empty());
    let unsettled = MailChange::Unsettled {
        decide_at: stack.clock().now() + TimeDelta::days(5),
    };
    end(&stack, &mails[5], unsettled).await;
    let expected: [&[usize]; 5] = [&[5, 6], &[3], &[1, 4], &[2], &[0]];
    for (view, expected) in VIEWS.into_iter().zip(expected) {
        let expected: BTreeSet<&MailId> = expected.iter().map(|&index| &mails[index].id).collect();
        let found = listed(&store, view, 50).await;
        assert_eq!(found.iter().collect::<BTreeSet<_>>(), expected, "{view:?}");
        assert_eq!(found.len(), expected.len(), "{view:?}");
    }
    // The next due comes first; of what has ended, the latest.
    assert_eq!(
        listed(&store, MailView::Waiting, 1).await[0],
        mails[6].id,
        "due in three days, before what is settled in five"
    );
}

#[tokio::test]
async fn pages_miss_none_and_repeat_none_also_of_many_that_ended_at_one_moment() {
    let stack = Stack::start().await;
    let mails = mails(&stack, 13).await;
    let store = store(&stack);
    let all: BTreeSet<&MailId> = mails.iter().map(|mail| &mail.id).collect();
    for per_page in [1, 4, 100] {
        let found = listed(&store, MailView::Waiting, per_page).await;
        assert_eq!(found.len(), all.len());
        assert_eq!(found.iter().collect::<BTreeSet<_>>(), all);
    }
    let now = stack.clock().now();
    for mail in &mails {
        let reason = "code-expired".to_owned();
        let withdrawn = MailChange::Withdrawn { reason };
        assert!(store.change_mail(mail, &withdrawn, now).await.unwrap());
    }
    for per_page in [1, 4, 100] {
        let found = listed(&store, MailView::Withdrawn, per_page).await;
        assert_eq!(found.len(), all.len());
        assert_eq!(found.iter().collect::<BTreeSet<_>>(), all);
    }
    assert_eq!(listed(&store, MailView::Waiting, 5).await, []);
}

#[tokio::test]
async fn of_eight_resends_at_once_one_makes_the_mail_due_and_it_is_sent_once() {
    for (change, may_have_arrived) in [(failed(), false), (parked(), true)] {
        let stack = Stack::start().await;
        let mails = mails(&stack, 1).await;
        let seen = end(&stack, &mails[0], change).await;
        let (barrier, store) = (Arc::new(Barrier::new(8)), store(&stack));
        let now = stack.clock().now();
        let racers = (0..8).map(|racer| {
            let (barrier, store, seen) = (Arc::clone(&barrier), Arc::clone(&store), seen.clone());
            tokio::spawn(async move {
                barrier.wait().await;
                let at = now + TimeDelta::milliseconds(racer);
                store.resend_mail(&seen, at).await.unwrap()
            })
        });
        let mut due = 0;
        for racer in racers.collect::<Vec<_>>() {
            due += usize::from(matches!(racer.await.unwrap(), Resend::Due(_)));
        }
        assert_eq!(due, 1);
        let mail = store.mail(&seen.id).await.unwrap().unwrap();
        assert_eq!((mail.state, mail.resends), (MailState::Due, 1));
        assert_eq!(mail.duplicate_risk, may_have_arrived);
        assert_eq!((mail.attempt, mail.reason, mail.ended_at), (1, None, None));
        assert_eq!(
            listed(&store, MailView::Waiting, 9).await,
            std::slice::from_ref(&seen.id)
        );
        stack.advance("PT1M").await;
        let mail = store.mail(&seen.id).await.unwrap().unwrap();
        assert_eq!((mail.state, mail.attempt), (MailState::Sent, 2));
        assert_eq!(stack.inbox().await.len(), 1);
        assert!(matches!(
            store.resend_mail(&seen, now).await.unwrap(),
            Resend::Moved(Some(_))
        ));
    }
}

#[tokio::test]
async fn a_resend_beside_a_cancellation_or_an_unsubscription_sends_nothing_after_it() {
    let stack = Stack::start().await;
    let mails = mails(&stack, 24).await;
    let store = store(&stack);
    for (index, mail) in mails.iter().enumerate() {
        let seen = end(
            &stack,
            mail,
            if index % 3 == 0 { parked() } else { failed() },
        )
        .await;
        let (one, other) = (Arc::clone(&store), Arc::clone(&store));
        let now = stack.clock().now();
        let barrier = Arc::new(Barrier::new(2));
        let (first, second) = (Arc::clone(&barrier), barrier);
        let order = seen.order_id.clone();
        let person = seen.person.clone();
        let resend = tokio::spawn(async move {
            first.wait().await;
            one.resend_mail(&seen, now).await.unwrap()
        });
        let forbid = tokio::spawn(async move {
            second.wait().await;
            if index % 2 == 0 {
                let kind = shared::domain::order::OrderEventKind::Cancelled;
                other.cancel_order(&order, kind, now).await.unwrap();
            } else {
                let reason = SuppressionReason::Unsubscribed;
                other.suppress(&person, reason, now).await.unwrap();
            }
        });
        resend.await.unwrap();
        forbid.await.unwrap();
    }
    stack.advance("PT2M").await;
    assert_eq!(stack.inbox().await, Vec::<Value>::new());
    assert_eq!(
        listed(&store, MailView::Withdrawn, 7).await.len(),
        mails.len()
    );
    for mail in &mails {
        let mail = store.mail(&mail.id).await.unwrap().unwrap();
        let reason = mail.reason.unwrap();
        assert!(
            ["cancelled", "unsubscribed"].contains(&reason.as_str()),
            "{reason}"
        );
    }
}

#[tokio::test]
async fn a_mail_sent_again_counts_once_and_the_books_agree() {
    let stack = Stack::start().await;
    let mails = mails(&stack, 3).await;
    let store = store(&stack);
    for mail in &mails {
        let at = stack.clock().now() + TimeDelta::days(4);
        let message_id = mail.id.to_string();
        let sent = end(&stack, mail, MailChange::Sent { at, message_id }).await;
        // SES took it and then would not deliver it.
        let rejected = store.reject_mail(&sent.id, 1, "Bad content", at).await;
        assert!(rejected.unwrap());
        let failed = store.mail(&sent.id).await.unwrap().unwrap();
        let again = store.resend_mail(&failed, stack.clock().now()).await;
        assert!(matches!(again.unwrap(), Resend::Due(_)));
    }
    stack.advance("PT1M").await;
    assert_eq!(stack.inbox().await.len(), 3);
    stack.advance("PT1M").await;
    let follow_ups = stack
        .admin("GET /v1/follow-ups", Value::Null)
        .await
        .expect(200)
        .body;
    let id = follow_ups["follow_ups"][0]["id"].as_str().unwrap();
    let results = stack
        .admin(&format!("GET /v1/follow-ups/{id}/results"), Value::Null)
        .await
        .expect(200)
        .body;
    assert_eq!(results["arms"][0]["mailed"], 3, "{results}");
    let report = store
        .audit(
            shared::store::AuditMode::Look,
            stack.clock().now(),
            &mut |_| {},
        )
        .await
        .unwrap();
    assert!(report.differences.is_empty(), "{:?}", report.differences);
}

#[tokio::test]
async fn orders_with_codes_that_could_not_be_redeemed_are_listed_latest_first() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    let codes = stack.codes(&promotion, 3).await;
    let void = json!({ "codes": codes });
    stack.admin("POST /v1/codes/void", void).await.expect(200);
    for (number, code) in codes.iter().enumerate() {
        let event = completed(&number.to_string(), json!({"codes": [code]}));
        stack
            .standard_webhook(stack.clock(), &event)
            .await
            .expect(200);
        stack.advance("PT1M").await;
    }
    let store = store(&stack);
    let (first, next) = store.list_unreconciled(None, 2).await.unwrap();
    let (second, end) = store.list_unreconciled(next.as_ref(), 2).await.unwrap();
    let found: Vec<&str> = first
        .iter()
        .chain(&second)
        .map(|(order, _)| order.as_str())
        .collect();
    assert_eq!(found, ["2", "1", "0"]);
    assert!(next.is_some() && end.is_none());
    assert!(first[0].1.codes[0].reason.is_some());
}
