//! Writes what it takes to measure `redeem-code` by itself at a whole redemption, with made-up answers of AWS instead of a table:
//! `cargo run -p integration --example yardstick -- DIRECTORY` puts `redeem.json`, the event, and `answers.json` there. In the
//! event `{{i}}` stands for the number of the call.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a tool for those who measure"
)]

use std::path::PathBuf;

use integration::Stack;
use okaeri::local::CHECKOUT_KEY;
use serde_json::{Value, json};

/// The table's name while the function is measured, as `TABLE_NAME`.
const TABLE: &str = "okaeri";

#[tokio::main]
async fn main() {
    let directory = PathBuf::from(std::env::args_os().nth(1).expect("a directory"));
    let stack = Stack::start().await;
    let limits = json!({"limits": {"budget": 1_000_000_000, "shards": 1}});
    let promotion = stack.promotion(limits).await;
    let code = stack.codes(&promotion, 1).await.remove(0);
    let settings = stack.running().settings();
    let secret = json!({"SecretId": settings["CODE_KEYS_SECRET"]});
    let secret = ask(
        &settings["AWS_ENDPOINT_URL"],
        "secretsmanager.GetSecretValue",
        &secret,
    )
    .await;
    let scan = json!({"TableName": settings["TABLE_NAME"]});
    let table = ask(
        &settings["AWS_ENDPOINT_URL_DYNAMODB"],
        "DynamoDB_20120810.Scan",
        &scan,
    )
    .await;
    let items = table["Items"].as_array();
    let items = items.unwrap_or_else(|| unreachable!("{table}"));
    let of_promotion = |sort_key: &str| {
        let found = items.iter().find(|item| item["sk"]["S"] == sort_key);
        found.expect("the promotion's items").clone()
    };
    let key = items.iter().find(|item| item["scope"]["S"] == "checkout");
    let answers = json!({
        "GetSecretValue": {"body": secret},
        "GetItem": {"body": {"Item": key}},
        "BatchGetItem": {"body": {"Responses": {TABLE: [of_promotion("terms"), of_promotion("counter")]}, "UnprocessedKeys": {}}},
        "TransactWriteItems": {"body": {}},
    });
    let cart = json!({"currency": "JPY", "lines": [
        {"sku": "TEA-01", "quantity": 2, "unit_price": 1980},
        {"sku": "TEA-02", "quantity": 1, "unit_price": 540},
        {"sku": "CUP-07", "quantity": 3, "unit_price": 820},
    ]});
    let body = json!({"codes": [code], "cart": cart}).to_string();
    let event = event(&body);
    for (name, content) in [("redeem.json", &event), ("answers.json", &answers)] {
        let path = directory.join(name);
        std::fs::write(&path, content.to_string()).expect("a file is written");
        println!("{}", path.display());
    }
    stack.stop().await;
}

/// The call as API Gateway hands it over.
fn event(body: &str) -> Value {
    let path = "/v1/redemptions/order-{{i}}";
    json!({
        "version": "2.0",
        "routeKey": "PUT /v1/redemptions/{order_id}",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {
            "accept": "application/json",
            "authorization": format!("Bearer {CHECKOUT_KEY}"),
            "content-length": body.len().to_string(),
            "content-type": "application/json",
            "host": "a1b2c3d4e5.execute-api.ap-northeast-1.amazonaws.com",
            "user-agent": "shop-backend/4.2 (linux)",
            "x-forwarded-for": "203.0.113.17",
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
        },
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "a1b2c3d4e5",
            "domainName": "a1b2c3d4e5.execute-api.ap-northeast-1.amazonaws.com",
            "domainPrefix": "a1b2c3d4e5",
            "http": {"method": "PUT", "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.17",
                     "userAgent": "shop-backend/4.2 (linux)"},
            "requestId": "Yk3x{{i}}jFiAEM_Q=",
            "routeKey": "PUT /v1/redemptions/{order_id}",
            "stage": "$default",
            "time": "22/Nov/2026:07:30:00 +0000",
            "timeEpoch": 1_795_332_600_000_u64,
        },
        "body": body,
        "isBase64Encoded": false,
    })
}

/// One call of a stand-in, which looks at no signature.
async fn ask(url: &str, target: &str, body: &Value) -> Value {
    let request = reqwest::Client::new()
        .post(url)
        .header("x-amz-target", target)
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-date", "20261122T000000Z")
        .header(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=none/20261122/local/any/aws4_request, SignedHeaders=host, Signature=none",
        )
        .body(body.to_string());
    let answer = request.send().await.expect("an answer");
    let text = answer.text().await.expect("a text");
    serde_json::from_str(&text).unwrap_or_else(|_| unreachable!("{target}: {text}"))
}
