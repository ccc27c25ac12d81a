//! Warnings: what is allowed but may hurt, said when it is created or changed.

use integration::Stack;
use serde_json::{Value, json};

fn codes(answer: &Value) -> Vec<&str> {
    let warnings = answer["warnings"].as_array().unwrap().iter();
    warnings
        .map(|warning| warning["code"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_promotion_whose_budget_is_below_one_discount_is_warned_of() {
    let stack = Stack::start().await;
    let amount = json!({"type": "amount_off", "amount": 500});
    let capped = json!({"type": "percent_off", "percent": 10, "max_discount": 500});
    for benefit in [amount, capped] {
        let terms = json!({"benefit": benefit, "limits": {"budget": 499}});
        let promotion = stack.promotion(terms).await;
        assert_eq!(codes(&promotion), ["budget-below-one-discount"]);
        let path = format!("/v1/promotions/{}", promotion["id"].as_str().unwrap());
        let raise = json!({"version": 1, "limits": {"budget": 500}});
        let raised = stack
            .admin(&format!("PATCH {path}"), raise)
            .await
            .expect(200);
        assert_eq!(codes(&raised.body), [""; 0]);
    }
}

#[tokio::test]
async fn percentages_that_add_up_to_more_than_100_in_one_order_are_warned_of_with_what_they_come_to()
 {
    let stack = Stack::start().await;
    let percent = |percent: u64, combinability: &str, more: Value| {
        let mut terms = json!({"name": format!("{percent} off"), "combinability": combinability,
            "benefit": {"type": "percent_off", "percent": percent}});
        for (name, value) in more.as_object().unwrap() {
            terms[name] = value.clone();
        }
        let stack = &stack;
        async move { stack.promotion(terms).await }
    };
    let none = json!({});
    assert_eq!(
        codes(&percent(60, "unrestricted", none.clone()).await),
        [""; 0]
    );
    assert_eq!(
        codes(&percent(50, "exclusive", none.clone()).await),
        [""; 0]
    );
    assert_eq!(
        codes(&percent(40, "preferential", none.clone()).await),
        [""; 0]
    );
    let dollars = json!({"currency": "USD"});
    assert_eq!(codes(&percent(50, "unrestricted", dollars).await), [""; 0]);
    let over = json!({"ends_at": "2020-01-01T00:00:00Z"});
    assert_eq!(
        codes(&percent(50, "unrestricted", over).await),
        ["ends-before-it-takes-effect"]
    );
    let second = percent(50, "preferential", none).await;
    assert_eq!(codes(&second), ["stacks-over-100-percent"]);
    let detail = second["warnings"][0]["detail"].as_str().unwrap();
    assert!(
        detail.contains("60 off") && detail.contains("110%") && detail.contains("80.00%"),
        "{detail}"
    );
    assert!(!detail.contains("40 off"), "{detail}");
    // A change that makes them meet is warned of as well.
    let starts_at = stack.clock().now() + chrono::TimeDelta::hours(1);
    let later = json!({"starts_at": starts_at});
    let third = percent(30, "exclusive", later).await;
    assert_eq!(codes(&third), [""; 0]);
    let call = format!("PATCH /v1/promotions/{}", third["id"].as_str().unwrap());
    let changed = stack
        .admin(
            &call,
            json!({"version": 1, "combinability": "unrestricted"}),
        )
        .await;
    assert_eq!(
        codes(&changed.expect(200).body),
        ["stacks-over-100-percent"]
    );
}

#[tokio::test]
async fn a_word_that_strangers_may_guess_is_warned_of_and_taken() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({"claim_code": "group"})).await;
    let call = format!(
        "POST /v1/promotions/{}/codes",
        promotion["id"].as_str().unwrap()
    );
    for (word, expected) in [("WELCOME10", vec!["guessable"]), ("HANAKO10", vec![])] {
        let added = stack
            .admin_once(word, &call, json!({"code": word}))
            .await
            .expect(201);
        assert_eq!(codes(&added.body), expected);
        let again = stack
            .admin_once(word, &call, json!({"code": word}))
            .await
            .expect(201);
        assert_eq!(again.text, added.text);
        stack.redeem(word, word).await.expect(201);
    }
}
