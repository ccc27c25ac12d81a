//! A stack whose checkout the test calls under a clock of its own, with faults in front of the table.

use axum::body::Body;
use chrono::TimeDelta;
use http::Request;
use http_body_util::BodyExt;
use integration::faults::{Fault, FaultProxy};
use integration::{Stack, redemption};
use serde_json::{Value, json};
use shared::clock::Clock;
use tower::ServiceExt;

/// A stack, and the functions at its table under a clock of their own, so that only the test ends holds.
pub(crate) struct Shop {
    pub(crate) stack: Stack,
    pub(crate) proxy: FaultProxy,
    pub(crate) clock: Clock,
    pub(crate) router: axum::Router,
    pub(crate) schedule: lapse_holds::State,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        let stack = Stack::start().await;
        let proxy = FaultProxy::start(stack.running().dynamodb_url()).await;
        let clock = Clock::default();
        let (router, schedule) = functions(&stack, &proxy, &clock).await;
        Self {
            stack,
            proxy,
            clock,
            router,
            schedule,
        }
    }

    /// A promotion of single-use codes, 10 % off, whose books are open, and `count` codes of it.
    pub(crate) async fn promotion(&self, count: u64, terms: Value) -> (Value, Vec<String>) {
        let mut all = json!({"limits": {"budget": 10_000_000, "redemptions": 100_000}});
        for (name, value) in terms.as_object().unwrap() {
            all[name] = value.clone();
        }
        let promotion = self.stack.promotion(all).await;
        let codes = self.stack.codes(&promotion, count).await;
        (promotion, codes)
    }

    pub(crate) async fn call(&self, call: &str, body: Value) -> (u16, Value) {
        send(&self.router, call, body).await
    }

    pub(crate) async fn lapse_due(&self) -> usize {
        let budget = std::time::Duration::from_mins(1);
        lapse_holds::handle(&self.schedule, budget)
            .await
            .unwrap()
            .lapsed
    }

    pub(crate) async fn spent(&self, promotion: &Value) -> (u64, u64) {
        let path = format!("GET /v1/promotions/{}", promotion["id"].as_str().unwrap());
        let spent = &self.stack.admin(&path, Value::Null).await.expect(200).body["spent"];
        (
            spent["amount"].as_u64().unwrap(),
            spent["redemptions"].as_u64().unwrap(),
        )
    }

    /// What an order's record says it still draws: amount and uses. For promotions that take returns back.
    pub(crate) async fn drawn(&self, order: &str) -> (u64, u64) {
        let (status, record) = self
            .call(&format!("GET /v1/redemptions/{order}"), Value::Null)
            .await;
        let draws = status == 200 && (record["status"] == "held" || record["status"] == "redeemed");
        if !draws {
            return (0, 0);
        }
        let returns = record["returns"].as_array().cloned().unwrap_or_default();
        let back: u64 = returns
            .iter()
            .map(|made| made["discount"].as_u64().unwrap())
            .sum();
        (record["discount"].as_u64().unwrap() - back, 1)
    }

    pub(crate) async fn worth(&self, code: &str) -> Value {
        let (_, quote) = self.call("POST /v1/quotes", redemption(&[code])).await;
        quote["codes"][0].clone()
    }
}

pub(crate) async fn functions(
    stack: &Stack,
    proxy: &FaultProxy,
    clock: &Clock,
) -> (axum::Router, lapse_holds::State) {
    let env = || stack.env_through(&proxy.url);
    let state = redeem_code::State::load(&env(), clock.clone())
        .await
        .unwrap();
    let schedule = lapse_holds::State::load(&env(), clock.clone())
        .await
        .unwrap();
    (
        shared::http::edge::finish(redeem_code::router(state)),
        schedule,
    )
}

pub(crate) async fn send(router: &axum::Router, call: &str, body: Value) -> (u16, Value) {
    let (method, path) = call.split_once(' ').unwrap();
    let body = if body.is_null() {
        Body::empty()
    } else {
        Body::from(body.to_string())
    };
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", "Bearer okaeri_local_checkout")
        .body(body)
        .unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap())
}

/// A redemption's body that holds for a minute.
pub(crate) fn hold(code: &str) -> Value {
    let mut body = redemption(&[code]);
    body["hold_seconds"] = json!(60);
    body
}

/// As long as a hold lasts.
pub(crate) const MINUTE: TimeDelta = TimeDelta::minutes(1);

/// What can happen to a transaction on its way.
pub(crate) fn faults() -> Vec<Fault> {
    vec![
        Fault::DropRequest,
        Fault::ApplyThenDropReply,
        Fault::ApplyThen500,
        Fault::Duplicate,
        Fault::Cancel(vec!["TransactionConflict", "None"]),
        Fault::Cancel(vec!["None", "TransactionConflict"]),
        Fault::Cancel(vec!["ConditionalCheckFailed", "ThrottlingError"]),
    ]
}
