//! Minting and listing codes: one transaction for any number, text only where it is asked for.

use std::collections::BTreeSet;
use std::sync::Arc;

use integration::Stack;
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn a_million_codes_are_minted_in_one_transaction_and_listed_as_csv_over_pages() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    let path = format!("/v1/promotions/{}/codes", promotion["id"].as_str().unwrap());
    let body = json!({"count": 1_000_000, "channel": "ad/google-nov"});
    let batch = stack
        .admin(&format!("POST {path}"), body)
        .await
        .expect(201)
        .body;
    assert_eq!(
        (&batch["first_serial"], &batch["count"]),
        (&json!(0), &json!(1_000_000))
    );
    let second = stack
        .admin(&format!("POST {path}"), json!({"count": 5}))
        .await
        .expect(201)
        .body;
    assert_eq!(second["first_serial"], 1_000_000);

    let mut codes = BTreeSet::new();
    let mut next = format!("{path}?limit=20000");
    for page in 0..5 {
        let request = stack
            .request(Method::GET, &next)
            .bearer_auth("okaeri_local_admin")
            .header("accept", "text/csv");
        let answer = stack.send(request).await.expect(200);
        assert_eq!(answer.headers["content-type"], "text/csv; charset=utf-8");
        let mut lines = answer.text.lines();
        assert_eq!(
            lines.next(),
            Some("code,status,channel,order_id,redeemed_at")
        );
        for line in lines {
            let (code, rest) = line.split_once(',').unwrap();
            assert_eq!(rest, "unused,ad/google-nov,,");
            codes.insert(code.to_owned());
        }
        assert_eq!(codes.len(), (page + 1) * 20_000);
        let link = answer.headers["link"].to_str().unwrap();
        next = link
            .strip_prefix('<')
            .unwrap()
            .split_once('>')
            .unwrap()
            .0
            .to_owned();
        assert!(link.ends_with("rel=\"next\""), "{link}");
    }
    stack.redeem("1", codes.first().unwrap()).await.expect(201);
}

#[tokio::test]
async fn the_listing_tells_of_every_code_what_became_of_it() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    let codes = stack.codes(&promotion, 3).await;
    stack.redeem("order-1", &codes[1]).await.expect(201);
    let path = format!("/v1/promotions/{}/codes", promotion["id"].as_str().unwrap());
    let page = stack
        .admin(&format!("GET {path}"), Value::Null)
        .await
        .expect(200)
        .body;
    let statuses: Vec<_> = page["codes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|code| code["status"].as_str().unwrap())
        .collect();
    assert_eq!(statuses, ["unused", "redeemed", "unused"]);
    assert_eq!(page["codes"][1]["order_id"], "order-1");
    assert!(page["codes"][1]["redeemed_at"].is_string());
    assert_eq!(page["cursor"], Value::Null);
    stack
        .admin(
            &format!(
                "POST /v1/promotions/{}/end",
                promotion["id"].as_str().unwrap()
            ),
            Value::Null,
        )
        .await
        .expect(200);
    let page = stack
        .admin(&format!("GET {path}?limit=1"), Value::Null)
        .await
        .expect(200)
        .body;
    assert_eq!(page["codes"][0]["status"], "expired");
    assert_eq!(page["codes"].as_array().unwrap().len(), 1);
    assert!(page["cursor"].is_string());
    stack
        .admin(&format!("GET {path}?limit=20001"), Value::Null)
        .await
        .expect(400);
    stack
        .admin(&format!("GET {path}?cursor=x"), Value::Null)
        .await
        .expect(400);
    stack
        .admin(&format!("GET {path}?batch=none"), Value::Null)
        .await
        .expect(404);
}

#[tokio::test]
async fn a_repeated_minting_request_returns_the_same_batch_and_another_is_refused() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    let path = format!(
        "POST /v1/promotions/{}/codes",
        promotion["id"].as_str().unwrap()
    );
    let first = stack
        .admin_once("mint-1", &path, json!({"count": 10}))
        .await
        .expect(201);
    let again = stack
        .admin_once("mint-1", &path, json!({"count": 10}))
        .await
        .expect(201);
    assert_eq!(again.text, first.text);
    let other = stack
        .admin_once("mint-1", &path, json!({"count": 11}))
        .await
        .expect(422);
    assert_eq!(other.body["code"], "idempotency-key-reused");
    let read = format!("GET /v1/promotions/{}", promotion["id"].as_str().unwrap());
    assert_eq!(
        stack.admin(&read, Value::Null).await.expect(200).body["minted"],
        10
    );
}

#[tokio::test]
async fn batches_minted_at_the_same_moment_never_share_a_serial() {
    let stack = Arc::new(Stack::start().await);
    let promotion = stack.promotion(json!({})).await;
    let path = format!(
        "POST /v1/promotions/{}/codes",
        promotion["id"].as_str().unwrap()
    );
    let barrier = Arc::new(tokio::sync::Barrier::new(16));
    let mut tasks = Vec::new();
    for _ in 0..16 {
        let (stack, barrier, path) = (stack.clone(), barrier.clone(), path.clone());
        tasks.push(tokio::spawn(async move {
            barrier.wait().await;
            let batch = stack
                .admin(&path, json!({"count": 100}))
                .await
                .expect(201)
                .body;
            batch["first_serial"].as_u64().unwrap()
        }));
    }
    let mut firsts = BTreeSet::new();
    for task in tasks {
        firsts.insert(task.await.unwrap());
    }
    assert_eq!(firsts, (0..16).map(|index| index * 100).collect());
}

#[tokio::test]
async fn a_code_minted_after_its_promotion_was_remembered_works_at_once_and_one_not_minted_does_not()
 {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    let first = stack.codes(&promotion, 1).await.remove(0);
    stack.redeem("1", &first).await.expect(201);
    let second = stack.codes(&promotion, 1).await.remove(0);
    stack.redeem("2", &second).await.expect(201);
    // A well-formed code of this promotion with a wrong body.
    let wrong = format!("{}-0000-0000-0000", promotion["id"].as_str().unwrap());
    assert_eq!(
        stack.redeem("3", &wrong).await.expect(404).body["code"],
        "code-unknown"
    );
}

#[tokio::test]
async fn a_request_that_does_not_fit_its_promotion_is_pointed_at() {
    let stack = Stack::start().await;
    let single = stack.promotion(json!({})).await;
    let group = stack.promotion(json!({"claim_code": "group"})).await;
    let post = |promotion: &Value, body: Value| {
        let (stack, path) = (
            &stack,
            format!(
                "POST /v1/promotions/{}/codes",
                promotion["id"].as_str().unwrap()
            ),
        );
        async move {
            stack
                .admin(&path, body)
                .await
                .expect(400)
                .pointers()
                .join(" ")
        }
    };
    assert_eq!(post(&single, json!({"code": "HANAKO10"})).await, "/code");
    assert_eq!(post(&single, json!({"count": 0})).await, "/count");
    assert_eq!(post(&single, json!({"count": 1_u64 << 35})).await, "/count");
    assert_eq!(
        post(&single, json!({"count": 1, "channel": "a b"})).await,
        "/channel"
    );
    assert_eq!(post(&single, json!({})).await, "");
    assert_eq!(post(&group, json!({"count": 5})).await, "/count");
    assert_eq!(post(&group, json!({"code": "NO WORD"})).await, "/code");
}
