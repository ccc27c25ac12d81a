//! Orders in the console: one looked up, what could not be read, and what could not be reconciled.

use integration::{Stack, completed};
use serde_json::json;

use super::{Staff, location, text_of};

#[tokio::test]
async fn an_order_is_looked_up_and_tells_why_its_buyer_got_no_mail() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    let follow_up = json!({"name": "Thanks <i>", "conditions": {"min_total": 5000}});
    stack.follow_up(&promotion, follow_up).await;
    let orders = [
        (
            "1",
            json!({"customer": {"accepts_marketing": false}}),
            "配信の同意なし",
            "No consent to mail",
        ),
        (
            "2",
            json!({"total": 10}),
            "最低金額未満",
            "Below the minimum",
        ),
        (
            "3",
            json!({"source": "amazon"}),
            "モール注文のため対象外",
            "Marketplace order",
        ),
        ("4", json!({}), "配信予定", "Due"),
    ];
    for (order, data, ..) in &orders {
        let event = completed(order, data.clone());
        stack
            .standard_webhook(stack.clock(), &event)
            .await
            .expect(200);
    }
    stack.advance("PT1S").await;
    let mut staff = Staff::signed_in(&stack).await;
    staff.get("/console/orders").await.expect(200);
    for (order, _, ja, en) in orders {
        for (language, words) in [("ja", ja), ("en", en)] {
            staff.language = language;
            let found = staff.post("/console/orders", &[("order", order)]).await;
            assert_eq!(found.status, 303, "{}", text_of(&found.text));
            let page = staff.get(&location(&found)).await.expect(200).text;
            assert!(
                text_of(&page).contains(words),
                "{order} {words}: {}",
                text_of(&page)
            );
            assert!(page.contains("Thanks &lt;i&gt;") && !page.contains("<i>"));
            assert!(!page.contains("hanako@"), "an order names nobody");
        }
    }
    staff.language = "en";
    for (typed, words) in [("999", "No such order"), ("<b>", "Enter an order id")] {
        let answer = staff.post("/console/orders", &[("order", typed)]).await;
        assert_eq!(answer.status, 422);
        assert!(text_of(&answer.text).contains(words));
    }
    assert_eq!(staff.get("/console/orders/order?id=999").await.status, 404);
}

#[tokio::test]
async fn what_an_order_redeemed_and_returned_is_shown_line_by_line_without_the_code() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    let code = stack.codes(&promotion, 1).await.remove(0);
    stack.redeem("A-1", &code).await.expect(201);
    let back = json!({"return_id": "r", "lines": [{"line": 0, "quantity": 1}]});
    stack
        .checkout("POST /v1/redemptions/A-1/returns", back)
        .await
        .expect(200);
    let mut staff = Staff::signed_in(&stack).await;
    let page = staff
        .get("/console/orders/order?id=A-1")
        .await
        .expect(200)
        .text;
    let text = text_of(&page);
    for words in ["B0CHX1W1XY", "¥3,960", "¥396", "Return", "¥198"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(!page.contains(&code));
}

#[tokio::test]
async fn a_quarantined_webhook_is_masked_read_again_and_discarded_at_staffs_word() {
    let stack = Stack::start().await;
    let mut staff = Staff::signed_in(&stack).await;
    let list = "/console/orders/quarantine";
    let empty = staff.get(list).await.expect(200);
    assert!(text_of(&empty.text).contains("Nothing is in quarantine"));
    // Two that cannot be read: the id is no order id.
    for total in [1, 2] {
        let event = completed(
            "#1",
            json!({"total": total, "customer": {"name": "<script>花子"}}),
        );
        let answer = stack
            .standard_webhook(stack.clock(), &event)
            .await
            .expect(200);
        assert_eq!(answer.body["quarantined"], true);
    }
    let store = stack.running().quarantine().unwrap();
    let ids: Vec<String> = store.ids().await.unwrap();
    let page = staff.get(list).await.expect(200).text;
    assert!(ids.iter().all(|id| page.contains(id)) && !page.contains("hanako@"));
    let one = format!("{list}/{}", ids[0]);
    let hidden = staff.get(&one).await.expect(200).text;
    assert!(
        !hidden.contains("hanako@") && !hidden.contains("花子"),
        "{}",
        text_of(&hidden)
    );
    let shown = staff.get(&format!("{one}?show=all")).await.expect(200).text;
    assert!(
        shown.contains("hanako@example.jp")
            && shown.contains("&lt;script&gt;")
            && !shown.contains("<script>花子")
    );
    // Still unreadable, it stays.
    let still = staff
        .post_and_follow(&format!("{one}/reprocess"), &[])
        .await;
    assert!(
        text_of(&still.text).contains("still cannot be read"),
        "{}",
        text_of(&still.text)
    );
    assert_eq!(store.ids().await.unwrap().len(), 2);
    staff.get(&format!("{list}/reprocess")).await.expect(200);
    let fields: Vec<(&str, &str)> = ids.iter().map(|id| ("id", id.as_str())).collect();
    let all = staff
        .post_and_follow(&format!("{list}/reprocess"), &fields)
        .await;
    assert!(text_of(&all.text).contains("0 are done, 2 still cannot be read"));
    staff.get(&format!("{one}/discard")).await.expect(200);
    assert_eq!(
        store.ids().await.unwrap().len(),
        2,
        "a look discards nothing"
    );
    staff.post_and_follow(&format!("{one}/discard"), &[]).await;
    assert_eq!(store.ids().await.unwrap(), [ids[1].clone()]);
    assert_eq!(staff.get(&one).await.status, 404);
}

#[tokio::test]
async fn a_webhook_that_can_be_read_now_becomes_an_order_and_leaves_quarantine() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    stack.follow_up(&promotion, json!({})).await;
    let store = stack.running().quarantine().unwrap();
    // As an earlier version would have kept what this one reads.
    let body = completed("55", json!({})).to_string();
    let id = store
        .keep(
            "standard",
            "data is not an order event",
            body.as_bytes(),
            stack.clock().now(),
        )
        .await
        .unwrap();
    let mut staff = Staff::signed_in(&stack).await;
    staff
        .get(&format!("/console/orders/quarantine/{id}"))
        .await
        .expect(200);
    let done = staff
        .post_and_follow(&format!("/console/orders/quarantine/{id}/reprocess"), &[])
        .await;
    assert!(
        text_of(&done.text).contains("Reprocessed"),
        "{}",
        text_of(&done.text)
    );
    stack.advance("PT1S").await;
    assert_eq!(store.ids().await.unwrap(), Vec::<String>::new());
    let order = staff.get("/console/orders/order?id=55").await.expect(200);
    assert!(text_of(&order.text).contains("Due"));
    staff.get("/console/orders/quarantine").await.expect(200);
    let again = staff
        .post_and_follow(&format!("/console/orders/quarantine/{id}/reprocess"), &[])
        .await;
    assert!(text_of(&again.text).contains("before"));
}

#[tokio::test]
async fn unreconciled_orders_are_listed_with_reason_and_without_code() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    let codes = stack.codes(&promotion, 1).await;
    stack
        .admin("POST /v1/codes/void", json!({ "codes": codes }))
        .await
        .expect(200);
    let event = completed("77", json!({ "codes": codes }));
    stack
        .standard_webhook(stack.clock(), &event)
        .await
        .expect(200);
    stack.advance("PT1S").await;
    let mut staff = Staff::signed_in(&stack).await;
    for (language, words) in [("ja", "無効"), ("en", "Voided")] {
        staff.language = language;
        let page = staff
            .get("/console/orders/unreconciled")
            .await
            .expect(200)
            .text;
        assert!(
            page.contains("id=77") && text_of(&page).contains(words),
            "{}",
            text_of(&page)
        );
        assert!(!page.contains(&codes[0]));
        let order = staff
            .get("/console/orders/order?id=77")
            .await
            .expect(200)
            .text;
        assert!(text_of(&order).contains(words));
    }
}
