//! What each function asks of AWS, and that its role allows exactly that.
//!
//! Every stack of these tests refuses what the template does not grant, so whatever any test reaches is covered. The run here goes
//! through all that functions do, so that it also shows what is granted and not made use of.

use std::collections::BTreeSet;

use integration::faults::{Fault, FaultProxy};
use integration::policies::granted;
use integration::{Stack, completed, redemption};
use okaeri::local::{Call, Options};
use serde_json::{Value, json};
use shared::domain::sending::{PauseReason, SendingPause};

use crate::console::Staff;
use crate::feedback::order;
use crate::shop::hold;

/// A stack whose mails pass through a proxy.
async fn stack_behind_proxy() -> (Stack, FaultProxy) {
    let proxy = FaultProxy::start("").await;
    let stack = Stack::start_with(Options {
        port: 0,
        settings: [("AWS_ENDPOINT_URL_SESV2".to_owned(), proxy.url.clone())].into(),
        ..Options::default()
    })
    .await;
    proxy.pass_on_to(stack.running().aws_url());
    (stack, proxy)
}

fn id(object: &Value) -> &str {
    object["id"].as_str().unwrap()
}

/// Promotions, codes of every kind, look-ups, voiding, changes, limits.
async fn staff(stack: &Stack) {
    let promotion = stack
        .promotion(json!({"limits": {"budget": 100_000, "redemptions": 50, "per_customer": 9, "shards": 3}}))
        .await;
    let path = format!("/v1/promotions/{}", id(&promotion));
    let codes = format!("POST {path}/codes");
    let bound =
        json!({"customers": [{"email": "a@example.jp", "id": "7"}, {"phone": "+819012345678"}]});
    stack.admin_once("bound", &codes, bound).await.expect(201);
    let batch = stack.codes(&promotion, 3).await;
    let lookup = json!({"code": batch[2]});
    stack
        .admin("POST /v1/codes/lookup", lookup)
        .await
        .expect(200);
    let void = json!({"codes": [batch[2]]});
    stack.admin("POST /v1/codes/void", void).await.expect(200);
    let change =
        json!({"version": promotion["version"], "name": "New", "limits": {"budget": 90_000}});
    stack
        .admin(&format!("PATCH {path}"), change)
        .await
        .expect(200);
    for call in ["pause", "resume"] {
        let call = format!("POST {path}/{call}");
        stack.admin(&call, Value::Null).await.expect(200);
    }
    for call in ["", "/stats", "/codes"] {
        let call = format!("GET {path}{call}");
        stack.admin(&call, Value::Null).await.expect(200);
    }
    stack
        .admin("GET /v1/promotions?limit=1", Value::Null)
        .await
        .expect(200);
    let link = crate::links::link(stack, &promotion, json!({"slug": "hanako"})).await;
    for call in ["GET", "PATCH"] {
        let call = format!("{call} /v1/links/hanako");
        let body = json!({"cost": 1});
        let body = if call.starts_with("GET") {
            Value::Null
        } else {
            body
        };
        stack.admin(&call, body).await.expect(200);
    }
    stack.admin("GET /v1/links", Value::Null).await.expect(200);
    crate::links::visit(stack, &link).await.expect(200);
    stack
        .admin("DELETE /v1/links/hanako", Value::Null)
        .await
        .expect(200);
    let automatic = stack
        .promotion(json!({"claim_code": "none", "combinability": "unrestricted"}))
        .await;
    let end = format!("POST /v1/promotions/{}/end", id(&automatic));
    stack.admin(&end, Value::Null).await.expect(200);
    let group = stack.promotion(json!({"claim_code": "group"})).await;
    let word = json!({"code": "HANAKO10", "limits": {"redemptions": 2, "per_customer": 1}});
    let add = format!("POST /v1/promotions/{}/codes", id(&group));
    stack.admin(&add, word).await.expect(201);
}

/// Quotes, orders, holds of every end, returns, cancellations, a budget that is used up.
async fn checkout(stack: &Stack) {
    let limits = json!({"budget": 1_200, "redemptions": 50, "per_customer": 9, "shards": 3});
    let promotion = stack.promotion(json!({"limits": limits})).await;
    let codes = stack.codes(&promotion, 8).await;
    let call = |call: &'static str| stack.checkout(call, Value::Null);
    let by_a_customer = |mut body: Value| {
        body["customer"] = json!({"email": "b@example.jp"});
        body
    };
    let with_both = by_a_customer(redemption(&[&codes[0], "HANAKO10"]));
    stack
        .checkout("POST /v1/quotes", with_both)
        .await
        .expect(200);
    for (order, code) in ["1", "2", "3"].iter().zip(&codes) {
        let body = by_a_customer(hold(code));
        let hold = format!("PUT /v1/redemptions/{order}");
        stack.checkout(&hold, body).await.expect(201);
    }
    call("POST /v1/redemptions/1/confirm").await.expect(200);
    let returned = json!({"return_id": "r", "lines": [{"line": 0, "quantity": 1}]});
    stack
        .checkout("POST /v1/redemptions/1/returns", returned)
        .await
        .expect(200);
    call("POST /v1/redemptions/2/cancel").await.expect(200);
    call("GET /v1/redemptions/2").await.expect(200);
    // What is left lies in two shards, and then in none; whoever asks looks for overdue holds first.
    for (order, code) in ["4", "5", "6"].iter().zip(&codes[3..]) {
        let body = by_a_customer(redemption(&[code]));
        let put = format!("PUT /v1/redemptions/{order}");
        stack.checkout(&put, body).await;
    }
    let word = by_a_customer(redemption(&["HANAKO10"]));
    stack
        .checkout("PUT /v1/redemptions/7", word)
        .await
        .expect(201);
    let unknown = by_a_customer(redemption(&["ZZZZ-7K3M-9QXA-2F4T"]));
    stack
        .checkout("PUT /v1/redemptions/8", unknown)
        .await
        .expect(404);
    stack.advance("PT2M").await;
}

/// An order that names codes, which a cancellation gives back, and one whose budget others have used up.
async fn codes_of_orders(stack: &Stack) {
    let limits = json!({"budget": 396, "per_customer": 2, "shards": 2});
    let promotion = stack.promotion(json!({"limits": limits})).await;
    let codes = stack.codes(&promotion, 2).await;
    for (order, code) in ["20", "21"].iter().zip(&codes) {
        let event = completed(order, json!({"codes": [code], "total": 1}));
        told(stack, event).await;
    }
    let mut cancelled = completed("20", json!({}));
    cancelled["type"] = json!("order.cancelled");
    told(stack, cancelled).await;
}

async fn told(stack: &Stack, event: Value) {
    let sent = stack.standard_webhook(stack.clock(), &event).await;
    sent.expect(200);
    stack.advance("PT1S").await;
}

/// Mails of every fate: sent, bounced, complained of, taken back, unsubscribed from, forgotten, of unknown outcome.
async fn mails(stack: &Stack, proxy: &FaultProxy) {
    let promotion = stack.promotion(json!({})).await;
    let rule = json!({
        "conditions": {"cooldown_days": 1, "max_per_address": 5, "first_order_only": true},
        "reminder_before_expiry": "P3D",
    });
    let follow_up = stack.follow_up(&promotion, rule).await;
    let path = format!("/v1/follow-ups/{}", id(&follow_up));
    for (call, body) in [
        ("preview", Value::Null),
        ("test", json!({"to": "staff@shop.example"})),
        ("pause", Value::Null),
        ("resume", Value::Null),
    ] {
        let call = format!("POST {path}/{call}");
        stack.admin(&call, body).await.expect(200);
    }
    let buyers = [
        "a@example.jp",
        "bounce@simulator.amazonses.com",
        "complaint@simulator.amazonses.com",
        "forgotten@example.jp",
        "late@example.jp",
    ];
    for (number, email) in (100..).zip(buyers) {
        order(stack, &number.to_string(), email).await;
    }
    stack.advance("PT1S").await;
    let forget = json!({"email": "forgotten@example.jp"});
    let forgotten = stack.admin("POST /v1/customers/forget", forget).await;
    forgotten.expect(200);
    let mut cancelled = completed("104", json!({}));
    cancelled["type"] = json!("order.cancelled");
    told(stack, cancelled).await;
    // Too many bounced: only a look at the days' counts ends that.
    let store = stack.running().store().unwrap();
    let bad = SendingPause::new(PauseReason::BounceRate, stack.clock().now());
    store.pause_sending(bad).await.unwrap();
    stack.advance("PT2H").await;
    let stopped = Fault::refusal(400, "SendingPausedException", "on purpose");
    proxy.once("outbound-emails", stopped);
    stack.advance("P3D").await;
    proxy.once("outbound-emails", Fault::ApplyThenDropReply);
    for _ in 0..3 {
        stack.advance("PT1H").await;
    }
    stack.advance("P28D").await;
    let inbox = stack.inbox().await;
    let link = inbox.last().unwrap()["headers"]["List-Unsubscribe"].clone();
    let link = link.as_str().unwrap().trim_matches(['<', '>']);
    let path = link.splitn(4, '/').nth(3).unwrap();
    for method in [reqwest::Method::GET, reqwest::Method::POST] {
        let request = stack.request(method, &format!("/{path}"));
        stack.send(request).await.expect(200);
    }
    stack
        .admin("GET /v1/orders/100", Value::Null)
        .await
        .expect(200);
    let path = format!("DELETE /v1/follow-ups/{}", id(&follow_up));
    stack.admin(&path, Value::Null).await.expect(200);
}

/// What staff do at the pages: they look, hand out, change, take back, forget, and read again what is in quarantine.
async fn pages(stack: &Stack) {
    let group = stack.promotion(json!({"claim_code": "group"})).await;
    let thanks = stack.promotion(json!({})).await;
    let follow_up = stack.follow_up(&thanks, json!({})).await;
    let mut staff = Staff::signed_in(stack).await;
    for page in [
        "",
        "/promotions",
        "/channels",
        "/follow-ups",
        "/mails",
        "/orders/quarantine",
        "/settings/keys",
    ] {
        staff.get(&format!("/console{page}")).await.expect(200);
    }
    let form = [
        ("once", "form-1"),
        ("promotion", id(&group)),
        ("kind", "influencer"),
        ("name", "taro"),
        ("word", "TARO10"),
        ("cost", "30,000"),
        ("slug", "taro"),
    ];
    staff.post_and_follow("/console/channels/new", &form).await;
    let link = "/console/channels/links/taro";
    let change = [("cost", "1,200"), ("target_url", "")];
    staff.post_and_follow(link, &change).await;
    staff.post_and_follow(&format!("{link}/delete"), &[]).await;
    let test = format!("/console/follow-ups/{}/test", id(&follow_up));
    let to = [("to", "staff@shop.example"), ("locale", "ja")];
    staff.post_and_follow(&test, &to).await;
    let person = [("email", "b0@example.jp"), ("typed", "b0@example.jp")];
    let forget = "/console/settings/people/forget/confirm";
    staff.post(forget, &person).await.expect(200);
    let kept = stack.running().quarantine().unwrap();
    let now = stack.clock().now();
    for event in [completed("55", json!({})), completed("#2", json!({}))] {
        let body = event.to_string();
        let id = kept.keep("standard", "as it was", body.as_bytes(), now);
        let one = format!("/console/orders/quarantine/{}", id.await.unwrap());
        staff.get(&one).await.expect(200);
        staff
            .post_and_follow(&format!("{one}/reprocess"), &[])
            .await;
        staff.post(&format!("{one}/discard"), &[]).await;
    }
}

#[tokio::test]
async fn every_role_allows_exactly_what_its_function_asks_of_aws() {
    let (stack, proxy) = stack_behind_proxy().await;
    staff(&stack).await;
    checkout(&stack).await;
    codes_of_orders(&stack).await;
    mails(&stack, &proxy).await;
    pages(&stack).await;
    let mut odd = completed("1", json!({}));
    odd["data"]["order_id"] = json!("#1");
    let kept = stack
        .standard_webhook(stack.clock(), &odd)
        .await
        .expect(200);
    assert_eq!(kept.body["quarantined"], true);

    let shown = |calls: BTreeSet<&Call>| -> Vec<String> {
        let line = |call: &Call| format!("{} {} {}", call.function, call.action, call.resource);
        calls.into_iter().map(line).collect()
    };
    let (made, granted) = (stack.calls(), granted());
    let missing = shown(made.difference(granted).collect());
    assert!(missing.is_empty(), "made and not granted: {missing:#?}");
    let idle = shown(granted.difference(&made).collect());
    assert!(idle.is_empty(), "granted and not made use of: {idle:#?}");
}
