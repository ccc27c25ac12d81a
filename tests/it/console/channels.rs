//! Handing out codes and links, and what they bring.

use integration::{Stack, redemption};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Staff, location, text_of};

#[tokio::test]
async fn one_form_makes_word_and_link_once_and_their_figures_are_those_of_the_api() {
    let stack = Stack::start().await;
    let promotion = stack
        .promotion(json!({"name": "Spring", "claim_code": "group"}))
        .await;
    let id = promotion["id"].as_str().unwrap();
    let mut staff = Staff::signed_in(&stack).await;
    staff
        .get(&format!("/console/channels/new?promotion={id}"))
        .await
        .expect(200);
    let form = [
        ("once", "form-1"),
        ("promotion", id),
        ("kind", "influencer"),
        ("name", "hanako"),
        ("word", "hanako10"),
        ("redemptions", "５０"),
        ("cost", "30,000"),
        ("slug", "hanako"),
    ];
    let page = staff.post_and_follow("/console/channels/new", &form).await;
    let text = text_of(&page.text);
    for words in ["/l/hanako", "HANAKO10", "influencer/hanako", "Spring"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let again = staff.post("/console/channels/new", &form).await.expect(303);
    assert_eq!(location(&again), "/console/channels/links/hanako");
    let links = stack.admin("GET /v1/links", Value::Null).await.expect(200);
    assert_eq!(links.body["links"].as_array().unwrap().len(), 1);

    for _ in 0..4 {
        let visit = stack.request(Method::GET, "/l/hanako").header(
            "user-agent",
            "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0",
        );
        stack.send(visit).await.expect(200);
    }
    stack
        .checkout("PUT /v1/redemptions/1", redemption(&["HANAKO10"]))
        .await
        .expect(201);
    stack.advance("PT1S").await;
    let call = format!("GET /v1/promotions/{id}/stats?by=channel");
    let stats = stack.admin(&call, Value::Null).await.expect(200).body;
    let row = &stats["rows"][0];
    let figures = [
        "visits",
        "redemptions",
        "conversion",
        "revenue",
        "discount",
        "cost",
        "roas",
    ];
    assert_eq!(
        figures.map(|name| row[name].clone()),
        [
            json!(4),
            json!(1),
            json!(0.25),
            json!(3564),
            json!(396),
            json!(30_000),
            json!(0.12)
        ]
    );
    for path in [
        "/console/channels".to_owned(),
        format!("/console/promotions/{id}/channels"),
    ] {
        let text = text_of(&staff.get(&path).await.expect(200).text);
        assert!(
            text.contains("4 1 25.0% ¥3,564 ¥396 ¥30,000 0.1×"),
            "{path}: {text}"
        );
        assert!(
            text.contains("HANAKO10") && text.contains("/l/hanako"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn what_is_in_use_already_is_said_at_its_field_and_everything_typed_is_kept() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({"claim_code": "group"})).await;
    let id = promotion["id"].as_str().unwrap();
    let mut staff = Staff::signed_in(&stack).await;
    staff.get("/console/channels/new").await.expect(200);
    let form = |once, word, slug| {
        [
            ("once", once),
            ("promotion", id),
            ("kind", "ad"),
            ("name", "nov"),
            ("word", word),
            ("slug", slug),
            ("cost", "500"),
        ]
    };
    staff
        .post("/console/channels/new", &form("1", "NOV10", "nov"))
        .await
        .expect(303);
    for (word, slug, words) in [
        ("nov10", "dec", "NOV10 is in use already"),
        ("DEC10", "nov", "Another link has, or had, this end"),
        ("DEC10", "a b", "The end of a link has 3 to 40"),
        ("D", "dec", "A shared code has 3 to 20"),
    ] {
        let page = staff
            .post("/console/channels/new", &form(word, word, slug))
            .await
            .expect(422);
        let text = text_of(&page.text);
        assert!(text.contains(words), "{words}: {text}");
        assert!(
            page.text.contains(&format!("value=\"{word}\"")) && page.text.contains("value=\"500\"")
        );
    }
    let page = staff
        .post("/console/channels/new", &[("promotion", "ZZZZ")])
        .await
        .expect(422);
    assert!(text_of(&page.text).contains("Choose a promotion"));
}

#[tokio::test]
async fn a_links_cost_and_target_change_and_it_is_taken_back_after_a_question() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    let link = json!({"promotion_id": promotion["id"], "channel": "ad/nov", "slug": "nov"});
    stack.admin("POST /v1/links", link).await.expect(201);
    let path = "/console/channels/links/nov";
    let mut staff = Staff::signed_in(&stack).await;
    staff.get(path).await.expect(200);
    let wrong = [("cost", "1,200"), ("target_url", "javascript:alert(1)")];
    let page = staff.post(path, &wrong).await.expect(422);
    assert!(text_of(&page.text).contains("Enter an https:// address"));
    let right = [
        ("cost", "1,200"),
        ("target_url", "https://shop.example/tea"),
    ];
    staff.post_and_follow(path, &right).await;
    let seen = stack
        .admin("GET /v1/links/nov", Value::Null)
        .await
        .expect(200)
        .body;
    assert_eq!(
        (&seen["cost"], &seen["target_url"]),
        (&json!(1_200), &json!("https://shop.example/tea"))
    );
    let question = staff.get(&format!("{path}/delete")).await.expect(200);
    assert!(text_of(&question.text).contains("Its page is gone within 10 seconds"));
    staff.post_and_follow(&format!("{path}/delete"), &[]).await;
    assert_eq!(staff.get(path).await.status, 404);
}
