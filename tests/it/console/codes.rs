//! What staff do with codes.

use integration::Stack;
use serde_json::{Value, json};

use super::{Staff, location, text_of};

#[tokio::test]
async fn codes_are_issued_once_downloaded_looked_up_and_voided_and_none_is_ever_in_an_address() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    let base = format!("/console/promotions/{}", promotion["id"].as_str().unwrap());
    let codes_page = format!("{base}/codes");
    let mut staff = Staff::signed_in(&stack).await;
    staff.get(&codes_page).await.expect(200);
    let issue = [
        ("once", "form-7"),
        ("count", "３０"),
        ("channel", "ad/google-nov"),
    ];
    staff.post_and_follow(&codes_page, &issue).await;
    let page = staff.post_and_follow(&codes_page, &issue).await;
    assert_eq!(
        listed(&stack).await[0]["minted"],
        30,
        "sent twice, issued once"
    );
    let (_, rest) = page.text.split_once("/batches/").unwrap();
    let batch = rest.split_once('/').unwrap().0.to_owned();
    let file = staff
        .get(&format!("{base}/batches/{batch}/1/codes.csv"))
        .await
        .expect(200);
    assert!(
        file.headers["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/csv")
    );
    assert!(
        file.headers["content-disposition"]
            .to_str()
            .unwrap()
            .starts_with("attachment")
    );
    let codes: Vec<&str> = file
        .text
        .lines()
        .skip(1)
        .map(|line| line.split_once(',').unwrap().0)
        .collect();
    assert_eq!(codes.len(), 30);
    assert_eq!(
        staff
            .get(&format!("{base}/batches/{batch}/2/codes.csv"))
            .await
            .status,
        404
    );
    stack.redeem("order-1", codes[0]).await.expect(201);
    assert!(text_of(&staff.get(&codes_page).await.expect(200).text).contains("ad/google-nov 30 1"));

    let facts = text_of(
        &staff
            .post(
                "/console/codes/lookup",
                &[("code", &codes[0].to_lowercase())],
            )
            .await
            .expect(200)
            .text,
    );
    assert!(
        facts.contains("Redeemed") && facts.contains("order-1"),
        "{facts}"
    );
    let question = staff
        .post("/console/codes/void", &[("code", codes[1])])
        .await
        .expect(200);
    assert!(question.text.contains("class=\"button danger\""));
    let done = staff
        .post(
            "/console/codes/void",
            &[("code", codes[1]), ("sure", "yes")],
        )
        .await
        .expect(303);
    assert_eq!(location(&done), codes_page);
    for answer in [&file, &question, &done] {
        for (_, value) in answer
            .headers
            .iter()
            .filter(|(name, _)| *name != "content-length")
        {
            let value = value.to_str().unwrap();
            assert!(codes.iter().all(|code| !value.contains(code)), "{value}");
        }
    }
    let void = format!("{base}/batches/{batch}/void");
    let asked = text_of(&staff.get(&void).await.expect(200).text);
    assert!(asked.contains("Of the 30 codes of this batch"), "{asked}");
    let mistyped = staff
        .post(&void, &[("from", "0"), ("typed", "31")])
        .await
        .expect(422);
    assert!(mistyped.text.contains("Type “30” to confirm"));
    staff
        .post_and_follow(&void, &[("from", "0"), ("typed", "３０")])
        .await;
    let file = staff
        .get(&format!("{base}/batches/{batch}/1/codes.csv"))
        .await
        .expect(200);
    let statuses: Vec<&str> = file
        .text
        .lines()
        .skip(1)
        .map(|line| line.split(',').nth(1).unwrap())
        .collect();
    assert_eq!(
        statuses
            .iter()
            .filter(|status| **status == "voided")
            .count(),
        29
    );
    assert_eq!(statuses[0], "redeemed");
    let unknown = staff
        .post("/console/codes/lookup", &[("code", "ZZZZ-ZZZZ-ZZZZ-ZZZZ")])
        .await
        .expect(200);
    assert!(text_of(&unknown.text).contains("There is no such code"));
}

/// The promotions, newest first.
async fn listed(stack: &Stack) -> Vec<Value> {
    let list = stack
        .admin("GET /v1/promotions", Value::Null)
        .await
        .expect(200)
        .body;
    list["promotions"].as_array().unwrap().clone()
}
