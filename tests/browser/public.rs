//! Pages that nobody signs in for.

use integration::{Stack, completed};
use serde_json::json;

use crate::page::{Lang, Visitor};

#[tokio::test]
async fn a_buyer_unsubscribes_from_the_mail_in_the_inbox_by_reading_and_one_press() {
    let stack = Stack::start().await;
    for lang in Lang::BOTH {
        let Some(visitor) = Visitor::arrive(&stack, lang).await else {
            return;
        };
        let promotion = stack.promotion(json!({})).await;
        stack.follow_up(&promotion, json!({})).await;
        let email = format!("hanako-{}@example.jp", lang.code());
        let order = completed(
            &format!("order-{}", lang.code()),
            json!({"customer": {"email": email, "locale": lang.code()}}),
        );
        stack
            .standard_webhook(stack.clock(), &order)
            .await
            .expect(200);
        stack.advance("P3D").await;
        visitor.visit("/local/inbox").await;
        visitor.sees(&email).await;
        let mails = stack.inbox().await;
        let link = mails.last().unwrap()["headers"]["List-Unsubscribe"]
            .as_str()
            .unwrap();
        visitor.visit(link.trim_matches(['<', '>'])).await;
        visitor
            .press(lang.pick("配信を停止する", "Stop these mails"))
            .await;
        visitor.sees(lang.pick("停止しました", "Stopped")).await;
        visitor.leave().await;
    }
}

#[tokio::test]
async fn the_page_of_the_api_shows_every_call_without_asking_anybody_else() {
    let stack = Stack::start().await;
    let Some(visitor) = Visitor::arrive(&stack, Lang::En).await else {
        return;
    };
    visitor.visit_unjudged("/docs").await;
    visitor
        .until("return document.querySelectorAll('.opblock').length > 20")
        .await;
    visitor.leave_unjudged().await;
}
