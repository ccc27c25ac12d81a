//! Follow-ups and their mails.

use integration::{Stack, completed};
use okaeri::local::ADMIN_KEY;
use serde_json::{Value, json};

use crate::page::Lang;
use crate::staff::{at_work, sign_in_with};

#[tokio::test]
async fn a_follow_up_is_created_previewed_tried_out_and_its_results_are_read() {
    let stack = Stack::start().await;
    stack.promotion(json!({"name": "Next time"})).await;
    for lang in Lang::BOTH {
        let Some(visitor) = at_work(&stack, lang).await else {
            return;
        };
        visitor.visit("/console/follow-ups").await;
        visitor
            .press(lang.pick("フォローメールを作成する", "Create follow-up"))
            .await;
        let create = lang.pick("フォローメールを作成する", "Create follow-up");
        visitor.press(create).await;
        assert_eq!(
            visitor.texts("h1").await,
            [lang.pick("フォローメールを作成", "New follow-up")]
        );
        let name = lang.pick("お礼", "Thanks");
        visitor.type_by_name("name", name).await;
        visitor.type_by_name("v0-name", "three-days").await;
        visitor.choose("Next time").await;
        visitor.type_by_name("holdout", "0").await;
        visitor
            .fill(lang.pick("注文から", "After the order"), "3")
            .await;
        visitor
            .fill(
                lang.pick("差出人メールアドレス", "From"),
                "Tea <hello@shop.example>",
            )
            .await;
        visitor.press(create).await;
        visitor.sees(lang.pick("作成しました。", "Created.")).await;
        let path = visitor.place().await;
        visitor.sees("three-days").await;

        let to = format!("staff-{}@example.jp", lang.code());
        visitor.fill(lang.pick("送り先", "To"), &to).await;
        visitor
            .press(lang.pick("テストメールを送る", "Send a test mail"))
            .await;
        visitor
            .sees(lang.pick(
                "テストメールを受け付けました",
                "The test mail is on its way",
            ))
            .await;
        stack.advance("PT1M").await;
        let inbox = stack.inbox().await;
        let test = inbox.iter().find(|mail| mail["to"] == json!([to])).unwrap();
        assert!(test["subject"].as_str().unwrap().starts_with("[TEST]"));

        let order = completed(
            &format!("order-{}", lang.code()),
            json!({"customer": {"email": format!("buyer-{}@example.jp", lang.code())}}),
        );
        stack
            .standard_webhook(stack.clock(), &order)
            .await
            .expect(200);
        stack.advance("P4D").await;
        let path = path.split(['?', '#']).next().unwrap();
        // Days have passed, and with them the session.
        visitor.visit(&format!("{path}/results")).await;
        sign_in_with(&visitor, ADMIN_KEY).await;
        visitor.sees("three-days").await;
        let id = path.rsplit('/').next().unwrap();
        let results = stack
            .admin(&format!("GET /v1/follow-ups/{id}/results"), Value::Null)
            .await
            .expect(200)
            .body;
        assert_eq!(
            (
                results["arms"][0]["assigned"].clone(),
                results["arms"][0]["delivered"].clone()
            ),
            (json!(1), json!(1))
        );
        stack
            .admin(&format!("DELETE /v1/follow-ups/{id}"), Value::Null)
            .await
            .expect(200);
        visitor.leave().await;
    }
}

#[tokio::test]
async fn mails_are_listed_by_what_became_of_them_and_a_failed_one_is_sent_again() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    stack.follow_up(&promotion, json!({})).await;
    for (order, email) in [
        ("1", "hanako@example.jp"),
        ("2", "bounce@simulator.amazonses.com"),
        ("3", "two..dots@example.jp"),
        ("4", "late..dots@example.jp"),
    ] {
        let order = completed(order, json!({"customer": {"email": email}}));
        stack
            .standard_webhook(stack.clock(), &order)
            .await
            .expect(200);
    }
    stack.advance("P3D").await;
    stack.advance("PT1M").await;
    for lang in Lang::BOTH {
        let Some(visitor) = at_work(&stack, lang).await else {
            return;
        };
        for (view, rows) in [("", 0), ("?view=sent", 1), ("?view=undelivered", 3)] {
            visitor.visit(&format!("/console/mails{view}")).await;
            assert_eq!(
                visitor.texts("tbody tr").await.len(),
                rows,
                "{view}: {}",
                visitor.text().await
            );
        }
        assert!(
            !visitor.text().await.contains("dots@example.jp"),
            "addresses stand in a list"
        );
        let failed = visitor
            .session()
            .run("return [...document.querySelectorAll('tbody tr')].find((row) => row.innerText.includes(arguments[0])).querySelector('a').getAttribute('href')", json!([lang.pick("送信失敗", "Failed")]))
            .await;
        visitor.visit(failed.as_str().unwrap()).await;
        visitor.press(lang.pick("再送する", "Resend")).await;
        visitor.press(lang.pick("再送する", "Resend")).await;
        visitor.sees(lang.pick("配信予定", "Due")).await;
        stack.advance("PT2M").await;
        visitor.visit(failed.as_str().unwrap()).await;
        // Nothing was mended, so SES refuses it again.
        visitor.sees(lang.pick("送信失敗", "Failed")).await;
        visitor.leave().await;
    }
}
