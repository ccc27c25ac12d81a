//! Writes what it takes to measure each function by itself, with made-up answers of AWS instead of a table:
//! `cargo run -p integration --example yardstick -- DIRECTORY` puts there, for each function, `NAME.event.json`, what it is
//! called with; `NAME.answers.json`, what each operation of AWS answers; and `NAME.env`, its settings. In an event `{{i}}`
//! stands for the number of the call.
//!
//! One answer for each operation is all there is, so functions that work through a list are measured with nothing in it.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a tool for those who measure"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use integration::Stack;
use integration::policies::template;
use okaeri::local::ADMIN_KEY;
use serde_json::{Value, json};

/// The table's name while a function is measured, as `TABLE_NAME`.
const TABLE: &str = "okaeri";
/// Settings that say where AWS is: the one who measures has others.
const PLACES: [&str; 4] = [
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_DYNAMODB",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
];

/// What a function is measured with.
struct Case {
    function: &'static str,
    event: Value,
    answers: Value,
}

#[tokio::main]
async fn main() {
    let directory = PathBuf::from(std::env::args_os().nth(1).expect("a directory"));
    let stack = Stack::start().await;
    let shop = Shop::open(&stack).await;
    for case in cases(&shop) {
        write(&directory, &stack, &case);
    }
    stack.stop().await;
}

/// What a stack holds after some days, and its secrets.
struct Shop {
    code: String,
    secrets: Value,
    webhook_secrets: Value,
    items: Vec<Value>,
}

impl Shop {
    async fn open(stack: &Stack) -> Self {
        let limits = json!({"limits": {"budget": 1_000_000_000, "shards": 1}});
        let promotion = stack.promotion(limits).await;
        let code = stack.codes(&promotion, 1).await.remove(0);
        let link = json!({"promotion_id": promotion["id"], "channel": "influencer/hanako", "slug": "hanako"});
        stack.admin("POST /v1/links", link).await.expect(201);
        let thanks = stack.promotion(json!({})).await;
        stack.follow_up(&thanks, json!({})).await;
        let settings = stack.running().settings();
        let secret = |name: &str| json!({"SecretId": settings[name]});
        let aws = &settings["AWS_ENDPOINT_URL"];
        let target = "secretsmanager.GetSecretValue";
        let scan = json!({"TableName": settings["TABLE_NAME"]});
        let table = ask(
            &settings["AWS_ENDPOINT_URL_DYNAMODB"],
            "DynamoDB_20120810.Scan",
            &scan,
        )
        .await;
        Self {
            code,
            // Serves as the identity key too, which is any text that is long enough.
            secrets: ask(aws, target, &secret("CODE_KEYS_SECRET")).await,
            webhook_secrets: ask(aws, target, &secret("WEBHOOK_SECRETS_SECRET")).await,
            items: table["Items"].as_array().expect("items").clone(),
        }
    }

    /// The first item of which this is so.
    fn item(&self, wanted: impl Fn(&Value) -> bool) -> &Value {
        self.items
            .iter()
            .find(|item| wanted(item))
            .expect("an item")
    }

    /// Terms and counter of the promotion whose code there is.
    fn promotion(&self) -> Value {
        let key = format!("promotion#{}", &self.code[..4]);
        let of = |sort_key: &str| {
            self.item(|item| item["pk"]["S"] == *key && item["sk"]["S"] == *sort_key)
        };
        json!({"body": {"Responses": {TABLE: [of("terms"), of("counter")]}, "UnprocessedKeys": {}}})
    }

    fn admin_key(&self) -> Value {
        json!({"body": {"Item": self.item(|item| item["scope"]["S"] == "admin")}})
    }

    fn link(&self) -> Value {
        json!({"body": {"Item": self.item(|item| item["slug"]["S"] == "hanako" && item["channel"].is_object())}})
    }

    fn follow_ups(&self) -> Value {
        let item = self.item(|item| item["pk"]["S"] == "follow-ups");
        json!({"body": {"Items": [item], "Count": 1, "ScannedCount": 1}})
    }
}

fn cases(shop: &Shop) -> Vec<Case> {
    let secrets = json!({"body": shop.secrets});
    let case = |function, event, answers| Case {
        function,
        event,
        answers,
    };
    vec![
        case(
            "redeem-code",
            redemption(&shop.code),
            json!({"GetSecretValue": secrets, "GetItem": shop.admin_key(), "BatchGetItem": shop.promotion(), "TransactWriteItems": {"body": {}}}),
        ),
        case(
            "create-promotion",
            sample("create-promotion.create"),
            json!({"GetSecretValue": secrets, "GetItem": shop.admin_key(), "TransactWriteItems": {"body": {}}}),
        ),
        case(
            "receive-order",
            sample("receive-order.shopify"),
            json!({"GetSecretValue": {"body": shop.webhook_secrets}, "SendMessage": {"body": {
                "MessageId": "059f36b4-87a3-44ab-83d2-661975830a7d"}}}),
        ),
        case(
            "order-completed",
            numbered(&sample("order-completed.order")),
            json!({"GetSecretValue": secrets, "Query": shop.follow_ups(), "BatchGetItem": shop.promotion()}),
        ),
        case(
            "landing",
            sample("landing.link"),
            json!({"GetSecretValue": secrets, "GetItem": shop.link(), "BatchGetItem": shop.promotion()}),
        ),
        case(
            "console",
            sample("console.sign-in"),
            json!({"GetSecretValue": secrets, "GetItem": shop.admin_key()}),
        ),
        case("docs", sample("docs.openapi"), json!({})),
        case("tally", sample("tally.batch"), json!({})),
        case(
            "mail-feedback",
            sample("mail-feedback.batch"),
            json!({"GetSecretValue": secrets}),
        ),
        case(
            "send-mail",
            sample("send-mail.schedule"),
            json!({"GetSecretValue": secrets, "GET /v2/email/account": {"body": {"SendQuota":
                {"Max24HourSend": 50_000.0, "MaxSendRate": 14.0, "SentLast24Hours": 0.0}, "SendingEnabled": true}}}),
        ),
        case("lapse-holds", sample("lapse-holds.schedule"), json!({})),
        case("watch", sample("watch.schedule"), json!({})),
    ]
}

fn sample(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../events/{name}.json"));
    let text = std::fs::read_to_string(path).expect("a sample event");
    serde_json::from_str(&text).expect("JSON")
}

/// The same with another order at each call.
fn numbered(event: &Value) -> Value {
    let text = event.to_string().replace("1001", "{{i}}");
    serde_json::from_str(&text).expect("JSON")
}

fn write(directory: &Path, stack: &Stack, case: &Case) {
    let mut settings = stack.running().settings().clone();
    settings.retain(|name, _| !PLACES.contains(&name.as_str()));
    for name in ["TABLE_NAME", "METRICS_NAMESPACE"] {
        settings.insert(name.to_owned(), TABLE.to_owned());
    }
    // What the template gives to all functions.
    let global = &template()["Globals"]["Function"]["Environment"]["Variables"];
    let global: BTreeMap<String, String> =
        serde_norway::from_value(global.clone()).expect("names and texts");
    settings.extend(global);
    let lines: Vec<String> = settings
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let env = lines.join("\n");
    for (kind, text) in [
        ("event.json", case.event.to_string()),
        ("answers.json", case.answers.to_string()),
        ("env", env),
    ] {
        let path = directory.join(format!("{}.{kind}", case.function));
        std::fs::write(&path, text).expect("a file is written");
        println!("{}", path.display());
    }
}

/// A whole redemption as API Gateway hands it over: key, code, budget, a cart of three lines.
fn redemption(code: &str) -> Value {
    let cart = json!({"currency": "JPY", "lines": [
        {"sku": "TEA-01", "quantity": 2, "unit_price": 1980},
        {"sku": "TEA-02", "quantity": 1, "unit_price": 540},
        {"sku": "CUP-07", "quantity": 3, "unit_price": 820},
    ]});
    let body = json!({"codes": [code], "cart": cart}).to_string();
    let mut event = sample("redeem-code.redeem");
    let path = "/v1/redemptions/order-{{i}}";
    event["rawPath"] = json!(path);
    event["requestContext"]["http"]["path"] = json!(path);
    event["headers"]["authorization"] = json!(format!("Bearer {ADMIN_KEY}"));
    event["headers"]["content-length"] = json!(body.len().to_string());
    event["body"] = json!(body);
    event["isBase64Encoded"] = json!(false);
    event
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
