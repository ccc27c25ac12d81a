//! `too-many-attempts`: 20 unknown codes in 10 minutes, for each customer and address.

use integration::{Stack, redemption};
use serde_json::{Value, json};

fn body(code: &str, who: &Value) -> Value {
    let mut body = redemption(&[code]);
    for (name, value) in who.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

async fn redeem(stack: &Stack, order: &str, code: &str, who: &Value) -> integration::Answer {
    let call = format!("PUT /v1/redemptions/{order}");
    stack.checkout(&call, body(code, who)).await
}

#[tokio::test]
async fn after_20_unknown_codes_in_10_minutes_unknown_ones_are_refused_and_good_ones_still_work() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    let codes = stack.codes(&promotion, 2).await;
    let who = json!({"client_ip": "203.0.113.7"});
    for number in 0..20 {
        // Quotes and redemptions count alike.
        if number % 2 == 0 {
            let quote = stack
                .checkout("POST /v1/quotes", body("NOSUCH", &who))
                .await;
            quote.expect(200);
        } else {
            redeem(&stack, "x", "NOSUCH", &who).await.expect(404);
        }
    }
    let refused = redeem(&stack, "x", "NOSUCH", &who).await.expect(429);
    assert_eq!(refused.body["code"], "too-many-attempts");
    let wait: u64 = refused.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((590..=601).contains(&wait), "{wait}");
    let quote = stack
        .checkout("POST /v1/quotes", body("NOSUCH", &who))
        .await;
    quote.expect(429);
    redeem(&stack, "1", &codes[0], &who).await.expect(201);
    // Others are not affected, nor is who names nobody.
    redeem(&stack, "x", "NOSUCH", &json!({"client_ip": "203.0.113.8"}))
        .await
        .expect(404);
    redeem(&stack, "x", "NOSUCH", &json!({})).await.expect(404);
    // A repeated request gets its first answer, whoever has tried what since.
    redeem(&stack, "1", &codes[0], &who).await.expect(200);
    stack.advance("PT10M2S").await;
    redeem(&stack, "x", "NOSUCH", &who).await.expect(404);
}

#[tokio::test]
async fn a_customer_is_counted_by_any_identity_wherever_they_come_from() {
    let stack = Stack::start().await;
    for number in 0..20 {
        let who = json!({"client_ip": format!("203.0.113.{number}"), "customer": {"id": "7", "email": "hanako@example.jp"}});
        redeem(&stack, "x", "NOSUCH", &who).await.expect(404);
    }
    let who = json!({"customer": {"email": "Hanako+1@example.jp"}});
    redeem(&stack, "x", "NOSUCH", &who).await.expect(429);
    redeem(&stack, "x", "NOSUCH", &json!({"customer": {"id": "8"}}))
        .await
        .expect(404);
}

#[tokio::test]
async fn every_unknown_code_of_a_request_counts() {
    let stack = Stack::start().await;
    let words: Vec<_> = (0..10).map(|number| format!("NOSUCH{number}")).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut many = redemption(&words);
    many["client_ip"] = json!("2001:db8:1:2::1");
    for _ in 0..2 {
        stack
            .checkout("PUT /v1/redemptions/1", many.clone())
            .await
            .expect(404);
    }
    // The neighbour in one IPv6 network is the same subscriber.
    many["client_ip"] = json!("2001:db8:1:2::ffff");
    stack
        .checkout("PUT /v1/redemptions/1", many)
        .await
        .expect(429);
}
