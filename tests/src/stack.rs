//! A local stack of the test's own, in memory, and short ways to call it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;

use okaeri::local::{
    ADMIN_KEY, CHECKOUT_KEY, Call, Options, Place, Running, WEBHOOK_SECRET, start,
};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use shared::clock::Clock;
use shared::env::Env;

use crate::policies::Recorder;

/// What was answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: http::HeaderMap,
    /// The body as text.
    pub text: String,
    /// The body as JSON; null if it is none.
    pub body: Value,
}

impl Answer {
    async fn read(request: RequestBuilder) -> Self {
        Self::try_read(request).await.expect("an answer")
    }

    async fn try_read(request: RequestBuilder) -> Result<Self, reqwest::Error> {
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await?;
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Ok(Self {
            status,
            headers,
            text,
            body,
        })
    }

    /// The answer itself, if it has this status; else the test ends showing it.
    #[expect(
        clippy::return_self_not_must_use,
        reason = "often only the status matters"
    )]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    /// The pointers of a validation problem.
    pub fn pointers(&self) -> Vec<&str> {
        let errors = self.body["errors"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        errors
            .iter()
            .filter_map(|error| error["pointer"].as_str())
            .collect()
    }
}

/// Calls a stack that may run in this process or in another.
#[derive(Clone, Debug)]
pub struct Caller {
    url: String,
    http: reqwest::Client,
}

impl Caller {
    /// Calls the stack at `url`.
    pub fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            http: reqwest::Client::new(),
        }
    }

    /// Calls the stack at `url`, whose host `name` stands for `address`.
    pub fn at(url: &str, name: &str, address: SocketAddr) -> Self {
        let http = reqwest::Client::builder().resolve(name, address).build();
        Self {
            url: url.to_owned(),
            http: http.expect("a client"),
        }
    }

    /// A request to `path`, without a key.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    /// `call` is a method and a path; a null body sends none.
    pub async fn call(&self, key: &str, call: &str, body: Value) -> Answer {
        Answer::read(self.keyed(key, call, body)).await
    }

    /// The same as the fixed admin key.
    pub async fn admin(&self, call: &str, body: Value) -> Answer {
        self.call(ADMIN_KEY, call, body).await
    }

    /// The same as the fixed checkout key.
    pub async fn checkout(&self, call: &str, body: Value) -> Answer {
        self.call(CHECKOUT_KEY, call, body).await
    }

    /// As [`Self::checkout`], but a 503 is sent again, as a checkout does: on a loaded machine the table may not answer in time,
    /// and the same request again can never count twice.
    pub async fn decided(&self, call: &str, body: Value) -> Answer {
        let mut answer = self.checkout(call, body.clone()).await;
        for _ in 0..60 {
            if answer.status != 503 {
                break;
            }
            answer = self.checkout(call, body.clone()).await;
        }
        answer
    }

    /// As [`Self::admin`], with an `Idempotency-Key`.
    pub async fn admin_once(&self, idempotency_key: &str, call: &str, body: Value) -> Answer {
        Answer::read(
            self.keyed(ADMIN_KEY, call, body)
                .header("idempotency-key", idempotency_key),
        )
        .await
    }

    /// Sends a request as it is.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        Answer::read(request).await
    }

    /// Sends a request to a stack that may die before it answers.
    ///
    /// # Errors
    /// What became of the connection.
    pub async fn try_send(&self, request: RequestBuilder) -> Result<Answer, reqwest::Error> {
        Answer::try_read(request).await
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "bodies are written where they are passed"
    )]
    fn keyed(&self, key: &str, call: &str, body: Value) -> RequestBuilder {
        let (method, path) = call.split_once(' ').expect("a method and a path");
        let method = method.parse().expect("a method");
        let request = self.request(method, path).bearer_auth(key);
        if body.is_null() {
            request
        } else {
            request.json(&body)
        }
    }

    /// A promotion of 10 % off with `terms` on top.
    pub async fn promotion(&self, terms: Value) -> Value {
        let mut body = json!({"name": "Test", "currency": "JPY", "benefit": {"type": "percent_off", "percent": 10}});
        replace(&mut body, &terms);
        self.admin("POST /v1/promotions", body)
            .await
            .expect(201)
            .body
    }

    /// `count` fresh single-use codes of a promotion.
    pub async fn codes(&self, promotion: &Value, count: u64) -> Vec<String> {
        let path = format!(
            "/v1/promotions/{}/codes",
            promotion["id"].as_str().expect("an id")
        );
        let batch = self
            .admin(&format!("POST {path}"), json!({"count": count}))
            .await
            .expect(201)
            .body;
        let batch_id = batch["batch_id"].as_str().expect("a batch id");
        let page = self
            .admin(
                &format!("GET {path}?batch={batch_id}&limit=20000"),
                Value::Null,
            )
            .await
            .expect(200)
            .body;
        let codes = page["codes"].as_array().expect("codes");
        codes
            .iter()
            .map(|code| code["code"].as_str().expect("a code").to_owned())
            .collect()
    }

    /// Redeems `code` under `order` for a cart of one line that costs 3,960.
    pub async fn redeem(&self, order: &str, code: &str) -> Answer {
        self.checkout(&format!("PUT /v1/redemptions/{order}"), redemption(&[code]))
            .await
    }

    /// A follow-up on `promotion` with `terms` on top: three days later, consent required.
    pub async fn follow_up(&self, promotion: &Value, terms: Value) -> Value {
        let mut body = json!({
            "name": "Thank you",
            "variants": [{"name": "10% after 3 days", "promotion_id": promotion["id"], "delay": "P3D"}],
            "mail": {"from": "Shop <hello@shop.example>"},
        });
        replace(&mut body, &terms);
        self.admin("POST /v1/follow-ups", body)
            .await
            .expect(201)
            .body
    }

    /// Posts an event as the shop's own sender would: signed under Standard Webhooks.
    pub async fn standard_webhook(&self, clock: &Clock, event: &Value) -> Answer {
        Answer::read(self.signed(clock, event)).await
    }

    /// The request of [`Self::standard_webhook`].
    pub fn signed(&self, clock: &Clock, event: &Value) -> RequestBuilder {
        let body = event.to_string();
        let timestamp = clock.now().timestamp();
        let signature = receive_order::verify::sign_standard(
            WEBHOOK_SECRET,
            "msg_test",
            timestamp,
            body.as_bytes(),
        );
        self.request(Method::POST, "/v1/webhooks/standard")
            .header("content-type", "application/json")
            .header("webhook-id", "msg_test")
            .header("webhook-timestamp", timestamp.to_string())
            .header("webhook-signature", signature.expect("a usable secret"))
            .body(body)
    }

    /// Moves the stack's clock and waits for everything then due.
    pub async fn advance(&self, by: &str) {
        let _ = self
            .call("", "POST /local/clock", json!({"advance": by}))
            .await
            .expect(200);
    }

    /// All mails SES took, oldest first.
    pub async fn inbox(&self) -> Vec<Value> {
        let answer = self
            .call("", "GET /local/inbox/messages", Value::Null)
            .await
            .expect(200);
        answer.body.as_array().expect("a list").clone()
    }
}

/// A redemption's body with a cart of one line that costs 3,960.
pub fn redemption(codes: &[&str]) -> Value {
    json!({"codes": codes, "cart": {"currency": "JPY", "lines": [{"sku": "B0CHX1W1XY", "quantity": 2, "unit_price": 1980}]}})
}

/// The event of a completed order, with `fields` of its data on top.
pub fn completed(order: &str, fields: Value) -> Value {
    let mut data = json!({
        "source": "custom", "shop": "shop.example", "order_id": order, "completed_at": "2026-11-22T03:04:05Z",
        "customer": {"email": "hanako@example.jp", "name": "花子", "locale": "ja", "accepts_marketing": true},
        "currency": "JPY", "total": 5460, "lines": [{"sku": "B0CHX1W1XY", "quantity": 2, "unit_price": 1980}], "codes": [],
    });
    merge(&mut data, fields);
    json!({"type": "order.completed", "timestamp": "2026-11-22T03:04:06Z", "data": data})
}

/// Puts the fields of `from` in place of those of `into`.
fn replace(into: &mut Value, from: &Value) {
    for (name, value) in from.as_object().into_iter().flatten() {
        into[name] = value.clone();
    }
}

/// The same, inside objects of both too.
fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

/// A stack in this process.
#[derive(Debug)]
pub struct Stack {
    running: Running,
    caller: Caller,
    recorder: Recorder,
}

impl Stack {
    /// Starts a stack in memory on a port of its own.
    pub async fn start() -> Self {
        Self::start_with(Options {
            port: 0,
            ..Options::default()
        })
        .await
    }

    /// Starts a stack that keeps its data in `directory`.
    pub async fn start_in(directory: &Path) -> Self {
        let place = Place::Directory(directory.to_owned());
        Self::start_with(Options {
            port: 0,
            place,
            ..Options::default()
        })
        .await
    }

    /// Stops it, with everything written.
    pub async fn stop(self) {
        self.running.stop().await;
    }

    /// Starts a stack as `options` say.
    pub async fn start_with(options: Options) -> Self {
        let recorder = Recorder::default();
        // On AWS too, a function may do only what its role says.
        let options = Options {
            access: Some(recorder.access()),
            ..options
        };
        Self::of(options, recorder).await
    }

    /// Starts a stack as the command does, to be measured: nobody looks at what its functions ask for.
    pub async fn start_unwatched() -> Self {
        let options = Options {
            port: 0,
            ..Options::default()
        };
        Self::of(options, Recorder::default()).await
    }

    async fn of(options: Options, recorder: Recorder) -> Self {
        let running = start(options).await.expect("the local stack starts");
        let caller = Caller::new(running.url());
        Self {
            running,
            caller,
            recorder,
        }
    }

    /// What the stack's own functions have asked of AWS.
    pub fn calls(&self) -> BTreeSet<Call> {
        self.recorder.calls()
    }

    /// The stack's clock.
    pub fn clock(&self) -> &Clock {
        self.running.clock()
    }

    /// The running stack.
    pub fn running(&self) -> &Running {
        &self.running
    }

    /// The functions' settings, with the table behind `dynamodb_url`.
    pub fn settings_through(&self, dynamodb_url: &str) -> BTreeMap<String, String> {
        let mut settings = self.running.settings().clone();
        settings.insert(
            "AWS_ENDPOINT_URL_DYNAMODB".to_owned(),
            dynamodb_url.to_owned(),
        );
        settings
    }

    /// The same as the environment of a function in this process.
    pub fn env_through(&self, dynamodb_url: &str) -> Env {
        Env::from_map(self.settings_through(dynamodb_url))
    }
}

impl std::ops::Deref for Stack {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}
