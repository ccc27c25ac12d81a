//! The main job, over HTTP only: an order earns a code by mail, the code buys once.

use integration::{Answer, Stack, completed, redemption};
use reqwest::Method;
use serde_json::{Value, json};

/// The code in a mail's text.
pub(crate) fn code_in(mail: &Value, promotion: &Value) -> String {
    let prefix = format!("{}-", promotion["id"].as_str().unwrap());
    let text = mail["text"].as_str().unwrap();
    let start = text
        .find(&prefix)
        .unwrap_or_else(|| panic!("no code in {text}"));
    text[start..start + 19].to_owned()
}

#[tokio::test]
async fn an_order_posted_five_times_earns_one_mail_whose_code_buys_once() {
    let stack = Stack::start().await;
    let promotion = stack
        .promotion(json!({"minimum": {"subtotal": 3000}}))
        .await;
    stack.follow_up(&promotion, json!({})).await;
    for _ in 0..5 {
        stack
            .standard_webhook(stack.clock(), &completed("1001", json!({})))
            .await
            .expect(200);
    }
    assert!(stack.inbox().await.is_empty());
    stack.advance("P2DT23H").await;
    assert!(stack.inbox().await.is_empty(), "three days are not over");
    stack.advance("PT2H").await;
    let inbox = stack.inbox().await;
    assert_eq!(inbox.len(), 1, "{inbox:?}");
    let mail = &inbox[0];
    let code = code_in(mail, &promotion);

    assert_eq!(mail["to"], json!(["hanako@example.jp"]));
    assert!(
        mail["subject"].as_str().unwrap().contains("10%OFF"),
        "{}",
        mail["subject"]
    );
    assert!(
        mail["text"].as_str().unwrap().contains("花子"),
        "in the buyer's language, by name"
    );
    assert!(mail["html"].as_str().unwrap().contains(&code));
    let unsubscribe = mail["headers"]["List-Unsubscribe"].as_str().unwrap();
    assert!(
        unsubscribe.starts_with("<http") && unsubscribe.ends_with('>'),
        "{unsubscribe}"
    );
    assert_eq!(
        mail["headers"]["List-Unsubscribe-Post"],
        "List-Unsubscribe=One-Click"
    );

    let typed = code.to_lowercase().replace('-', " ");
    let quote = stack
        .checkout("POST /v1/quotes", redemption(&[&typed]))
        .await
        .expect(200)
        .body;
    assert_eq!(quote["discount"], 396);
    let first = stack.redeem("2001", &typed).await.expect(201);
    assert_eq!(first.body["codes"][0]["code"], code);
    assert_eq!(
        stack.redeem("2001", &typed).await.expect(200).text,
        first.text
    );
    assert_eq!(
        stack.redeem("2002", &typed).await.expect(409).body["code"],
        "code-already-redeemed"
    );
}

#[tokio::test]
async fn an_english_buyer_is_written_to_in_english() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    stack.follow_up(&promotion, json!({})).await;
    let buyer = json!({"customer": {"name": "Hanako", "locale": "en-GB"}});
    stack
        .standard_webhook(stack.clock(), &completed("1", buyer))
        .await
        .expect(200);
    stack.advance("P3D").await;
    let inbox = stack.inbox().await;
    assert_eq!(inbox.len(), 1);
    assert!(
        inbox[0]["text"].as_str().unwrap().contains("Dear Hanako"),
        "{}",
        inbox[0]["text"]
    );
}

#[tokio::test]
async fn nobody_who_must_not_be_mailed_is_mailed() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    stack
        .follow_up(&promotion, json!({"conditions": {"min_total": 3000}}))
        .await;
    let never = [
        json!({"source": "amazon"}),
        json!({"customer": {"email": "x1@marketplace.amazon.co.jp"}}),
        json!({"customer": {"accepts_marketing": false}}),
        json!({"customer": {"accepts_marketing": null}}),
        json!({"customer": {"email": "no address"}}),
        json!({"customer": {"email": null}}),
        json!({"total": 2999}),
    ];
    for (number, fields) in never.iter().enumerate() {
        stack
            .standard_webhook(
                stack.clock(),
                &completed(&format!("never-{number}"), fields.clone()),
            )
            .await
            .expect(200);
    }
    stack
        .standard_webhook(stack.clock(), &completed("yes", json!({})))
        .await
        .expect(200);
    stack.advance("P4D").await;
    assert_eq!(stack.inbox().await.len(), 1);
}

#[tokio::test]
async fn a_cancelled_order_is_not_mailed_in_whatever_order_the_events_come() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    stack.follow_up(&promotion, json!({})).await;
    let cancelled = |order: &str, kind: &str| {
        let mut event = completed(order, json!({}));
        event["type"] = json!(kind);
        event
    };
    for (order, kind) in [("before", "order.cancelled"), ("after", "order.refunded")] {
        if order == "before" {
            stack
                .standard_webhook(stack.clock(), &cancelled(order, kind))
                .await
                .expect(200);
            stack
                .standard_webhook(stack.clock(), &completed(order, json!({})))
                .await
                .expect(200);
        } else {
            stack
                .standard_webhook(stack.clock(), &completed(order, json!({})))
                .await
                .expect(200);
            stack.advance("PT1M").await;
            stack
                .standard_webhook(stack.clock(), &cancelled(order, kind))
                .await
                .expect(200);
        }
    }
    stack.advance("P4D").await;
    assert!(stack.inbox().await.is_empty());
}

#[tokio::test]
async fn one_click_unsubscribes_and_looking_does_not() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    stack.follow_up(&promotion, json!({})).await;
    stack
        .standard_webhook(stack.clock(), &completed("1", json!({})))
        .await
        .expect(200);
    stack.advance("P3D").await;
    let inbox = stack.inbox().await;
    let header = inbox[0]["headers"]["List-Unsubscribe"].as_str().unwrap();
    let path = header
        .trim_matches(['<', '>'])
        .strip_prefix(stack.running().url())
        .unwrap()
        .to_owned();

    let get = |path: String| stack.send(stack.request(Method::GET, &path));
    let post = |path: String| {
        let stack = &stack;
        async move {
            let request = stack
                .request(Method::POST, &path)
                .header("content-type", "application/x-www-form-urlencoded");
            stack.send(request.body("List-Unsubscribe=One-Click")).await
        }
    };
    let page: Answer = get(path.clone()).await.expect(200);
    assert!(page.text.contains("<form"), "{}", page.text);
    stack
        .standard_webhook(stack.clock(), &completed("2", json!({})))
        .await
        .expect(200);
    stack
        .standard_webhook(stack.clock(), &completed("3", json!({})))
        .await
        .expect(200);
    stack.advance("P2D").await;
    assert_eq!(stack.inbox().await.len(), 1);

    let forged = format!("{path}x");
    get(forged.clone()).await.expect(404);
    post(forged).await.expect(404);
    post(path.clone()).await.expect(200);
    post(path.clone()).await.expect(200);
    stack
        .standard_webhook(stack.clock(), &completed("4", json!({})))
        .await
        .expect(200);
    stack.advance("P10D").await;
    assert_eq!(
        stack.inbox().await.len(),
        1,
        "two mails were waiting and one order came: none is sent"
    );
}

#[tokio::test]
async fn a_thank_you_code_works_until_the_end_of_its_last_day_in_the_shops_zone() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    stack
        .follow_up(&promotion, json!({"code_valid_days": 1}))
        .await;
    for order in ["1", "2"] {
        stack
            .standard_webhook(
                stack.clock(),
                &completed(
                    order,
                    json!({"customer": {"email": format!("b{order}@example.jp")}}),
                ),
            )
            .await
            .expect(200);
    }
    stack.advance("P3D").await;
    let codes: Vec<_> = stack
        .inbox()
        .await
        .iter()
        .map(|mail| code_in(mail, &promotion))
        .collect();
    stack.advance("P1D").await;
    stack.redeem("10", &codes[0]).await.expect(201);
    stack.advance("P1D").await;
    assert_eq!(
        stack.redeem("11", &codes[1]).await.expect(422).body["codes"][0]["reason"],
        "expired"
    );
    stack.redeem("10", &codes[0]).await.expect(200);
}
