//! What staff do with promotions.

use integration::{Stack, redemption};
use serde_json::{Value, json};

use super::{Staff, hidden, location, text_of};

/// The form of a new promotion as somebody fills it in.
const FORM: [(&str, &str); 9] = [
    ("once", "form-1"),
    ("name", "春の10%"),
    ("currency", "JPY"),
    ("percent", "１０"),
    ("max_discount", "3,000"),
    ("claim_code", "single_use"),
    ("combinability", "exclusive"),
    ("budget", "５００，０００"),
    ("count", "20"),
];

fn with<'a>(fields: &[(&'a str, &'a str)], more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let kept = fields
        .iter()
        .filter(|(name, _)| more.iter().all(|(new, _)| new != name));
    kept.chain(more).copied().collect()
}

async fn all(stack: &Stack) -> Vec<Value> {
    let list = stack
        .admin("GET /v1/promotions", Value::Null)
        .await
        .expect(200)
        .body;
    list["promotions"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_promotion_is_filled_in_looked_over_and_created_once_however_often_the_form_is_sent() {
    let stack = Stack::start().await;
    let mut staff = Staff::signed_in(&stack).await;
    let form = staff
        .get("/console/promotions/new/percent_off")
        .await
        .expect(200);
    assert!(hidden(&form.text, "once").unwrap().len() >= 16);
    let path = "/console/promotions/new/percent_off";
    let review = staff
        .post(path, &with(&FORM, &[("step", "review")]))
        .await
        .expect(200);
    let text = text_of(&review.text);
    for words in [
        "Create as shown",
        "10% off the eligible products",
        "¥500,000",
        "20 codes are issued right away",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(
        all(&stack).await.is_empty(),
        "nothing is created before somebody says so"
    );
    let create = with(&FORM, &[("step", "create")]);
    let first = staff.post(path, &create).await.expect(303);
    let second = staff.post(path, &create).await.expect(303);
    assert_eq!(location(&first), location(&second));
    let created = staff.get(&location(&first)).await.expect(200);
    assert!(text_of(&created.text).contains("What next"));
    let promotions = all(&stack).await;
    assert_eq!(promotions.len(), 1);
    let made = &promotions[0];
    assert_eq!(
        (&made["name"], &made["minted"]),
        (&json!("春の10%"), &json!(20))
    );
    assert_eq!(
        made["benefit"],
        json!({"type": "percent_off", "percent": 10, "max_discount": 3000})
    );
    assert_eq!(made["limits"]["budget"], 500_000);
}

type Fields<'a> = Vec<(&'a str, &'a str)>;

#[tokio::test]
async fn every_kind_can_be_created_and_the_last_day_is_part_of_it() {
    let stack = Stack::start().await;
    let mut staff = Staff::signed_in(&stack).await;
    staff.get("/console").await;
    let kinds: [(&str, Fields<'_>, Value); 4] = [
        (
            "amount_off",
            vec![("amount", "500")],
            json!({"type": "amount_off", "amount": 500}),
        ),
        (
            "tiered_percent_off",
            vec![
                ("tier_min_1", "3,000"),
                ("tier_percent_1", "5"),
                ("tier_min_2", "8000"),
                ("tier_percent_2", "12.5"),
            ],
            json!({"type": "tiered_percent_off", "tiers": [{"min_subtotal": 3000, "percent": 5}, {"min_subtotal": 8000, "percent": 12.5}]}),
        ),
        (
            "buy_x_get_y",
            vec![
                ("buy", "2"),
                ("get", "1"),
                ("get_percent", "100"),
                ("get_skus", "A\nB"),
            ],
            json!({"type": "buy_x_get_y", "buy": 2, "get": 1, "percent": 100, "get_products": ["A", "B"]}),
        ),
        ("free_shipping", vec![], json!({"type": "free_shipping"})),
    ];
    for (kind, fields, benefit) in kinds {
        let once = format!("once-{kind}");
        let base = [
            ("name", kind),
            ("currency", "JPY"),
            ("once", once.as_str()),
            ("step", "create"),
            ("claim_code", "group"),
            ("starts", "2026-12-01"),
            ("ends", "2099-12-31"),
            ("products", "list"),
            ("skus", "A, B\nA"),
            ("min_subtotal", "1000"),
            ("redemptions", "100"),
            ("combinability", "unrestricted"),
        ];
        let path = format!("/console/promotions/new/{kind}");
        let answer = staff.post(&path, &with(&base, &fields)).await;
        assert_eq!(answer.status, 303, "{kind}: {}", text_of(&answer.text));
        let made = all(&stack).await.remove(0);
        assert_eq!(made["benefit"], benefit);
        assert_eq!(
            made["ends_at"], "2099-12-31T15:00:00Z",
            "midnight after the last day, in Tokyo"
        );
        assert_eq!(made["products"]["include"], json!(["A", "B"]));
        assert_eq!(
            (&made["claim_code"], &made["combinability"]),
            (&json!("group"), &json!("unrestricted"))
        );
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_form_stands_above_it_and_at_the_field_and_everything_typed_is_kept() {
    let stack = Stack::start().await;
    let mut staff = Staff::signed_in(&stack).await;
    staff.language = "ja";
    staff.get("/console").await;
    let path = "/console/promotions/new/percent_off";
    let wrong = [
        ("percent", "120"),
        ("starts", "2026-12-31"),
        ("ends", "2026-12-01"),
        ("budget", "abc"),
        ("skus", "TEA-1\nTEA-2"),
        ("step", "review"),
    ];
    let page = staff.post(path, &with(&FORM, &wrong)).await.expect(422);
    assert!(
        page.text.contains("<title>エラー：")
            && page.text.contains("入力内容をご確認ください（3件）"),
        "{}",
        text_of(&page.text)
    );
    for (field, words) in [
        (
            "percent",
            "割引率は0より大きく100以下の数字で入力してください",
        ),
        ("ends", "終了日時は開始日時より後にしてください"),
        ("budget", "金額を数字で入力してください"),
    ] {
        assert!(
            page.text.contains(&format!("href=\"#f-{field}\"")),
            "{field}"
        );
        assert!(
            page.text.contains(&format!("id=\"f-{field}-error\"")),
            "{field}"
        );
        assert!(page.text.matches(words).count() >= 2, "{words}");
    }
    for kept in [
        "value=\"春の10%\"",
        "value=\"120\"",
        "value=\"abc\"",
        "TEA-1\nTEA-2</textarea>",
        "value=\"3,000\"",
        "value=\"2026-12-31\"",
    ] {
        assert!(page.text.contains(kept), "{kept}");
    }
    assert_eq!(hidden(&page.text, "once").as_deref(), Some("form-1"));
    assert!(all(&stack).await.is_empty());
    let word = with(
        &FORM,
        &[
            ("claim_code", "group"),
            ("word", "HANAKO10"),
            ("step", "create"),
        ],
    );
    staff.post(path, &word).await.expect(303);
    let taken = with(
        &FORM,
        &[
            ("claim_code", "group"),
            ("word", "hanak010"),
            ("once", "form-2"),
            ("step", "review"),
        ],
    );
    let page = staff.post(path, &taken).await.expect(422);
    assert!(
        page.text
            .contains("HANAK010はすでに使われています。別の言葉にしてください"),
        "{}",
        text_of(&page.text)
    );
}

#[tokio::test]
async fn the_price_preview_is_what_a_quote_for_the_same_cart_says() {
    let stack = Stack::start().await;
    let mut staff = Staff::signed_in(&stack).await;
    staff.get("/console").await;
    let cart = [
        ("cart_price_1", "1,980"),
        ("cart_quantity_1", "2"),
        ("cart_price_2", "500"),
        ("cart_quantity_2", "1"),
        ("cart_shipping", "600"),
    ];
    let preview = staff
        .post(
            "/console/promotions/new/percent_off/price",
            &with(&FORM, &cart),
        )
        .await
        .expect(200);
    let text = text_of(&preview.text);
    let promotion = stack
        .promotion(json!({"benefit": {"type": "percent_off", "percent": 10, "max_discount": 3000}}))
        .await;
    let code = stack.codes(&promotion, 1).await.remove(0);
    let quoted = json!({"codes": [code], "cart": {"currency": "JPY", "shipping": 600, "lines": [
        {"sku": "a", "quantity": 2, "unit_price": 1980}, {"sku": "b", "quantity": 1, "unit_price": 500}]}});
    let quote = stack
        .checkout("POST /v1/quotes", quoted)
        .await
        .expect(200)
        .body;
    assert_eq!(quote["discount"], 446);
    for words in [
        "List price ¥4,460",
        "Discount \u{2212}¥446",
        "Shipping ¥600",
        "To pay ¥4,614",
        "up to ¥500,000 given away",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let unready = staff
        .post(
            "/console/promotions/new/percent_off/price",
            &[("currency", "JPY")],
        )
        .await
        .expect(200);
    assert!(text_of(&unready.text).contains("Enter a name"));
    let shared = with(
        &FORM,
        &[("claim_code", "group"), ("word", "SALE10"), ("budget", "")],
    );
    let warned = staff
        .post("/console/promotions/new/percent_off/price", &shared)
        .await
        .expect(200);
    let text = text_of(&warned.text);
    for words in [
        "No budget and no usage limit",
        "Easily guessed",
        "Some symbols are easily confused",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[tokio::test]
async fn the_promotions_page_shows_the_figures_of_the_api() {
    let stack = Stack::start().await;
    let promotion = stack
        .promotion(json!({"name": "Spring", "limits": {"budget": 100_000, "redemptions": 50}}))
        .await;
    let id = promotion["id"].as_str().unwrap();
    let codes = stack.codes(&promotion, 5).await;
    for (order, code) in codes.iter().take(3).enumerate() {
        let order = format!("order-{order}");
        stack
            .checkout(&format!("PUT /v1/redemptions/{order}"), redemption(&[code]))
            .await
            .expect(201);
    }
    stack
        .checkout("POST /v1/redemptions/order-0/cancel", Value::Null)
        .await
        .expect(200);
    stack.advance("PT1S").await;
    let stats = stack
        .admin(&format!("GET /v1/promotions/{id}/stats"), Value::Null)
        .await
        .expect(200)
        .body;
    let seen = stack
        .admin(&format!("GET /v1/promotions/{id}"), Value::Null)
        .await
        .expect(200)
        .body;
    assert_eq!(
        (
            &stats["totals"]["redemptions"],
            &seen["spent"]["redemptions"]
        ),
        (&json!(3), &json!(2))
    );
    let mut staff = Staff::signed_in(&stack).await;
    let page = staff
        .get(&format!("/console/promotions/{id}"))
        .await
        .expect(200);
    let text = text_of(&page.text);
    for words in [
        "Given away ¥792",
        "<1% of ¥100,000, ¥99,208 left",
        "Redemptions 2 of 50, 48 left",
        "Revenue with code ¥7,128",
        "¥9.0",
        "Redemptions, cancelled ones included 3",
        "Of these cancelled 1",
    ] {
        assert!(text.replace("&lt;", "<").contains(words), "{words}: {text}");
    }
    let overview = text_of(&staff.get("/console").await.expect(200).text);
    for words in [
        "Redemptions 3 Yesterday 0",
        "Discount given ¥792 Yesterday ¥0",
        "Revenue with code ¥7,128",
    ] {
        assert!(overview.contains(words), "{words}: {overview}");
    }
    let list = text_of(&staff.get("/console/promotions").await.expect(200).text);
    assert!(list.contains("2 / 50 ¥792"), "{list}");
    let channels = text_of(
        &staff
            .get(&format!("/console/promotions/{id}/channels"))
            .await
            .expect(200)
            .text,
    );
    assert!(
        channels.contains("No channel 0 3 — no data ¥7,128 ¥792"),
        "{channels}"
    );
}

#[tokio::test]
async fn staff_pause_resume_and_end_each_after_a_question_that_says_what_follows() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({"name": "Spring"})).await;
    stack.codes(&promotion, 1_000).await;
    stack.follow_up(&promotion, json!({"name": "Thanks"})).await;
    let base = format!("/console/promotions/{}", promotion["id"].as_str().unwrap());
    let status = async || all(&stack).await[0]["status"].clone();
    let mut staff = Staff::signed_in(&stack).await;
    for (act, words, then) in [
        (
            "pause",
            "Paused within 10 seconds. Codes stay valid and work again after Resume.",
            "paused",
        ),
        ("resume", "Resumed within 10 seconds", "active"),
        (
            "end",
            "Of 1,000 codes issued, all that are unused stop working",
            "ended",
        ),
    ] {
        let path = format!("{base}/{act}");
        let before = status().await;
        let question = text_of(&staff.get(&path).await.expect(200).text);
        assert!(
            question.contains(words) && question.contains("Spring"),
            "{question}"
        );
        assert_eq!(status().await, before, "asking changes nothing");
        if act == "end" {
            assert!(
                question.contains("Thanks") && question.contains("cannot be undone"),
                "{question}"
            );
        }
        let page = staff.post_and_follow(&path, &[]).await;
        assert!(page.text.contains("role=\"status\""), "{act}");
        assert_eq!(status().await, then);
        let again = staff.get(&base).await.expect(200);
        assert!(!again.text.contains("class=\"flash\""), "said once");
    }
    let late = staff.post(&format!("{base}/pause"), &[]).await.expect(422);
    assert!(late.text.contains("error-summary"));
}

#[tokio::test]
async fn name_end_and_limits_are_changed_and_what_cannot_be_is_said_at_its_field() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({"limits": {"budget": 1_000}})).await;
    let code = stack.codes(&promotion, 1).await.remove(0);
    stack.redeem("order-1", &code).await.expect(201);
    stack.clock().advance(chrono::TimeDelta::minutes(1));
    let path = format!(
        "/console/promotions/{}/edit",
        promotion["id"].as_str().unwrap()
    );
    let mut staff = Staff::signed_in(&stack).await;
    let page = staff.get(&path).await.expect(200);
    assert!(
        page.text.contains("value=\"1000\"") && !page.text.contains("f-redemptions"),
        "no limit can be added now"
    );
    let low = [
        ("name", "New"),
        ("version", "1"),
        ("budget", "100"),
        ("ends", ""),
    ];
    let refused = staff.post(&path, &low).await.expect(422);
    assert!(
        text_of(&refused.text).contains("The budget must be at least the ¥396 that are used"),
        "{}",
        text_of(&refused.text)
    );
    let right = [
        ("name", "New"),
        ("version", "1"),
        ("budget", "2,000"),
        ("ends", "2099-01-01"),
        ("ends_time", "18:00"),
    ];
    staff.post_and_follow(&path, &right).await;
    let seen = all(&stack).await.remove(0);
    assert_eq!(
        (&seen["name"], &seen["limits"]["budget"]),
        (&json!("New"), &json!(2_000))
    );
    assert_eq!(seen["ends_at"], "2099-01-01T09:00:00Z");
    let stale = staff.post(&path, &right).await;
    assert_eq!(stale.status, 422);
    assert!(
        text_of(&stale.text).contains("Somebody else changed this meanwhile"),
        "{}",
        text_of(&stale.text)
    );
}

#[tokio::test]
async fn a_search_finds_by_name_id_word_and_code_and_puts_no_code_into_the_address() {
    let stack = Stack::start().await;
    let spring = stack.promotion(json!({"name": "Spring tea"})).await;
    let group = stack
        .promotion(json!({"name": "Hanako", "claim_code": "group"}))
        .await;
    let id = |promotion: &Value| promotion["id"].as_str().unwrap().to_owned();
    let add = format!("POST /v1/promotions/{}/codes", id(&group));
    stack
        .admin(&add, json!({"code": "HANAKO10"}))
        .await
        .expect(201);
    let code = stack.codes(&spring, 1).await.remove(0);
    let mut staff = Staff::signed_in(&stack).await;
    staff.get("/console/promotions").await.expect(200);
    for (typed, found) in [
        (id(&spring), &spring),
        (id(&spring).to_lowercase(), &spring),
        ("ｈａｎａｋｏ１０".to_owned(), &group),
        (code.clone(), &spring),
    ] {
        let answer = staff
            .post("/console/promotions/search", &[("q", &typed)])
            .await
            .expect(303);
        assert_eq!(
            location(&answer),
            format!("/console/promotions/{}", id(found)),
            "{typed}"
        );
    }
    let by_name = staff
        .post_and_follow("/console/promotions/search", &[("q", "spring")])
        .await;
    assert!(by_name.text.contains("Spring tea") && !by_name.text.contains("<bdi>Hanako</bdi>"));
    let wrong = format!("{}0", &code[..code.len() - 1]);
    let answer = staff
        .post("/console/promotions/search", &[("q", &wrong)])
        .await
        .expect(303);
    assert!(
        !location(&answer).contains(&wrong[5..]),
        "{}",
        location(&answer)
    );
    let none = staff.get("/console/promotions?q=nothing").await.expect(200);
    assert!(text_of(&none.text).contains("Nothing matches"));
    let ended = staff
        .get("/console/promotions?view=ended")
        .await
        .expect(200);
    assert!(text_of(&ended.text).contains("Nothing matches"));
}
