//! The buyer's way from a link to an order.

use integration::{Stack, redemption};
use serde_json::{Value, json};

use crate::page::{Lang, Visitor};
use crate::staff::at_work;

/// Most bytes that a landing page may load in all. Source: issue 6, "Shows".
const MOST_BYTES: u64 = 30_000;

/// A promotion of one word, with a link on a channel that has a cost.
async fn with_link(stack: &Stack) -> String {
    let ends = stack.clock().now() + chrono::TimeDelta::days(3);
    let terms = json!({"name": "Internal name", "claim_code": "group", "ends_at": ends, "limits": {"redemptions": 128}});
    let promotion = stack.promotion(terms).await;
    let id = promotion["id"].as_str().unwrap().to_owned();
    let word = json!({"code": "HANAKO10", "channel": "influencer/hanako"});
    stack
        .admin(&format!("POST /v1/promotions/{id}/codes"), word)
        .await
        .expect(201);
    let link = json!({"slug": "hanako", "promotion_id": id, "code": "HANAKO10", "channel": "influencer/hanako", "cost": 1_000});
    stack.admin("POST /v1/links", link).await.expect(201);
    id
}

#[tokio::test]
async fn a_buyer_goes_from_the_link_to_an_order_and_staff_see_visit_and_use() {
    for lang in Lang::BOTH {
        let stack = Stack::start().await;
        let id = with_link(&stack).await;
        let Some(buyer) = Visitor::arrive_with(&stack, lang, (390, 844)).await else {
            return;
        };
        let traffic = buyer.visit("/l/hanako").await;
        let bytes: u64 = traffic.loaded.iter().map(|(_, bytes)| bytes).sum();
        assert!(bytes > 0 && bytes < MOST_BYTES, "{:?}", traffic.loaded);
        let blocking = buyer
            .session()
            .run("return performance.getEntriesByType('resource').filter((one) => one.renderBlockingStatus === 'blocking').map((one) => one.name)", json!([]))
            .await;
        let blocking = blocking.as_array().unwrap();
        assert!(
            blocking
                .iter()
                .all(|one| one.as_str().unwrap().contains(".css")),
            "{blocking:?}"
        );
        buyer.sees("HANAKO10").await;
        buyer.sees("128").await;
        buyer.sees(lang.pick("10%OFF", "10% off")).await;
        assert!(
            !buyer.text().await.contains("Internal name"),
            "the page tells what staff call it"
        );
        // The countdown is the script's, and the copy button too.
        buyer
            .until("return /[0-9]/.test(document.getElementById('countdown').innerText)")
            .await;
        buyer.press(lang.pick("コピー", "Copy")).await;
        buyer
            .until(lang.pick(
                "return document.body.innerText.includes('コピーしました')",
                "return document.body.innerText.includes('Copied')",
            ))
            .await;
        buyer.leave().await;

        stack
            .checkout("PUT /v1/redemptions/1001", redemption(&["HANAKO10"]))
            .await
            .expect(201);
        stack.advance("PT1M").await;
        let stats = stack
            .admin(
                &format!("GET /v1/promotions/{id}/stats?by=channel"),
                Value::Null,
            )
            .await
            .expect(200)
            .body;
        assert_eq!(
            (
                stats["totals"]["visits"].clone(),
                stats["totals"]["redemptions"].clone()
            ),
            (json!(1), json!(1))
        );
        let staff = at_work(&stack, lang).await.unwrap();
        staff
            .visit(&format!("/console/promotions/{id}/channels"))
            .await;
        staff.sees("influencer/hanako").await;
        staff.sees("100.0%").await;
        staff.leave().await;
    }
}

#[tokio::test]
async fn the_landing_page_says_all_that_matters_without_a_script() {
    let stack = Stack::start().await;
    with_link(&stack).await;
    for lang in Lang::BOTH {
        let Some(buyer) = Visitor::arrive_with(&stack, lang, (390, 844)).await else {
            return;
        };
        buyer
            .session()
            .devtools(
                "Emulation.setScriptExecutionDisabled",
                json!({"value": true}),
            )
            .await;
        buyer
            .session()
            .go(&format!("{}/l/hanako", stack.running().url()))
            .await;
        // Scripts are let run again to look at a page that none of its own has touched.
        buyer
            .session()
            .devtools(
                "Emulation.setScriptExecutionDisabled",
                json!({"value": false}),
            )
            .await;
        buyer.sees("HANAKO10").await;
        buyer.sees("128").await;
        let buttons = buyer.texts("button").await;
        assert!(!buttons.iter().any(|words| words.contains(lang.pick("コピー", "Copy")) && !words.is_empty()) || buyer.session().run("return [...document.querySelectorAll('button')].every((one) => one.getClientRects().length === 0 || !/Copy|コピー/.test(one.innerText))", json!([])).await == true);
        let shop = buyer.session().run("return [...document.querySelectorAll('main a')].some((one) => one.href.startsWith('https://shop.example'))", json!([])).await;
        assert_eq!(shop, true);
        buyer.leave().await;
    }
}

#[tokio::test]
async fn an_outsider_learns_nothing_of_why_a_link_no_longer_works() {
    let stack = Stack::start().await;
    let id = with_link(&stack).await;
    let Some(buyer) = Visitor::arrive(&stack, Lang::En).await else {
        return;
    };
    stack
        .admin(&format!("POST /v1/promotions/{id}/pause"), Value::Null)
        .await
        .expect(200);
    stack.advance("PT1M").await;
    buyer.visit("/l/hanako").await;
    let paused = buyer.text().await;
    assert!(!paused.contains("HANAKO10"));
    stack
        .admin(&format!("POST /v1/promotions/{id}/end"), Value::Null)
        .await
        .expect(200);
    stack.advance("PT1M").await;
    buyer.visit("/l/hanako").await;
    assert_eq!(buyer.text().await, paused);
    buyer.visit("/l/no-such-link").await;
    buyer.leave().await;
}
