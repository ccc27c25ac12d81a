//! A shop to put a load on: its promotions, codes and carts, over HTTP like any caller.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Method, Request, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::told;
use crate::CliError;
use crate::client::Pooled;
use crate::local::{ADMIN_KEY, Meter};

/// Codes fetched at a time: the most the API gives. Source: design.md §7.
const PAGE: u64 = 20_000;

/// Calls a stack, and reads what its functions asked of the table.
pub(super) struct Shop {
    url: String,
    client: Pooled,
    pub(super) meter: Meter,
}

/// An answer, and how long it took from the request's first byte to the answer's last.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Value,
    pub(super) took: Duration,
}

impl Shop {
    pub(super) fn new(url: &str, meter: Meter) -> Result<Self, CliError> {
        Ok(Self {
            url: url.to_owned(),
            client: Pooled::new(false)?,
            meter,
        })
    }

    /// Makes one call; a null body sends none.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<Answer, CliError> {
        let failed =
            |error: &dyn std::fmt::Display| told(format!("the stack gave no answer: {error}"));
        let sent = if body.is_null() {
            Body::empty()
        } else {
            Body::from(body.to_string())
        };
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header(header::AUTHORIZATION, format!("Bearer {ADMIN_KEY}"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(sent)
            .map_err(|error| failed(&error))?;
        let begun = Instant::now();
        let answer = self.client.send(request).await;
        let answer = answer.map_err(|unanswered| told(unanswered.text))?;
        let status = answer.status().as_u16();
        let bytes = answer.into_body().collect().await;
        let bytes = bytes.map_err(|error| failed(&error))?.to_bytes();
        Ok(Answer {
            status,
            took: begun.elapsed(),
            body: serde_json::from_slice(&bytes).unwrap_or_default(),
        })
    }

    /// The same, for what has to succeed before anything can be measured.
    async fn made(&self, method: Method, path: &str, body: &Value) -> Result<Value, CliError> {
        let answer = self.call(method, path, body).await?;
        match answer.status {
            200 | 201 => Ok(answer.body),
            status => Err(told(format!("{path} answered {status}: {}", answer.body))),
        }
    }

    /// Waits until the stack has worked off what was done to it, so that nothing is measured beside its counting.
    pub(super) async fn settled(&self) -> Result<(), CliError> {
        let now = json!({"advance": "PT0S"});
        self.made(Method::POST, "/local/clock", &now).await?;
        Ok(())
    }

    /// A promotion of 10 % off with these terms on top; its id.
    pub(super) async fn promotion(
        &self,
        claim_code: &str,
        limits: &Value,
    ) -> Result<String, CliError> {
        let terms = json!({
            "name": "Bench", "currency": "JPY", "benefit": {"type": "percent_off", "percent": 10},
            "claim_code": claim_code, "limits": limits,
        });
        let promotion = self.made(Method::POST, "/v1/promotions", &terms).await?;
        text(&promotion, "id")
    }

    /// Mints codes; the batch's id.
    pub(super) async fn mint(&self, promotion: &str, count: u64) -> Result<String, CliError> {
        let path = format!("/v1/promotions/{promotion}/codes");
        let batch = self
            .made(Method::POST, &path, &json!({"count": count}))
            .await?;
        text(&batch, "batch_id")
    }

    /// Adds a word to a promotion of group codes.
    pub(super) async fn word(&self, promotion: &str, word: &str) -> Result<(), CliError> {
        let path = format!("/v1/promotions/{promotion}/codes");
        self.made(Method::POST, &path, &json!({"code": word}))
            .await?;
        Ok(())
    }
}

fn text(object: &Value, field: &str) -> Result<String, CliError> {
    let text = object.get(field).and_then(Value::as_str);
    text.map(str::to_owned)
        .ok_or_else(|| told(format!("the stack answered without `{field}`: {object}")))
}

/// The unused codes of a batch, fetched a page at a time.
pub(super) struct Codes<'a> {
    shop: &'a Shop,
    pub(super) promotion: String,
    path: String,
    fetched: Mutex<Fetched>,
}

#[derive(Default)]
struct Fetched {
    codes: VecDeque<String>,
    cursor: Option<String>,
}

impl<'a> Codes<'a> {
    /// Those of this batch, the first page of them fetched.
    pub(super) async fn open(
        shop: &'a Shop,
        promotion: &str,
        batch: &str,
    ) -> Result<Self, CliError> {
        let codes = Self {
            shop,
            promotion: promotion.to_owned(),
            path: format!("/v1/promotions/{promotion}/codes?limit={PAGE}&batch={batch}"),
            fetched: Mutex::default(),
        };
        codes.fetch(&mut *codes.fetched.lock().await).await?;
        Ok(codes)
    }

    /// One that nobody had yet.
    pub(super) async fn next(&self) -> Result<String, CliError> {
        let mut fetched = self.fetched.lock().await;
        if fetched.codes.is_empty() && fetched.cursor.is_some() {
            self.fetch(&mut fetched).await?;
        }
        let code = fetched.codes.pop_front();
        code.ok_or_else(|| told("all codes are used up: ask for fewer seconds"))
    }

    async fn fetch(&self, fetched: &mut Fetched) -> Result<(), CliError> {
        let cursor = fetched.cursor.take();
        let cursor = cursor
            .map(|cursor| format!("&cursor={cursor}"))
            .unwrap_or_default();
        let path = format!("{}{cursor}", self.path);
        let page = self.shop.made(Method::GET, &path, &Value::Null).await?;
        let rows = page.get("codes").and_then(Value::as_array);
        let codes = rows
            .into_iter()
            .flatten()
            .filter_map(|row| row.get("code")?.as_str());
        fetched.codes.extend(codes.map(str::to_owned));
        fetched.cursor = page
            .get("cursor")
            .and_then(Value::as_str)
            .map(str::to_owned);
        Ok(())
    }
}

/// A quote's or redemption's body: a cart of three lines, and a buyer.
pub(super) fn order(code: &str, buyer: u64) -> Value {
    json!({
        "codes": [code], "customer": {"email": format!("buyer-{buyer}@example.jp")},
        "cart": {"currency": "JPY", "shipping": 500, "lines": [
            {"sku": "TEA-01", "quantity": 2, "unit_price": 1980},
            {"sku": "TEA-02", "quantity": 1, "unit_price": 1280},
            {"sku": "CUP-01", "quantity": 4, "unit_price": 650},
        ]},
    })
}
