//! `okaeri orders send`: a sample order, signed as its provider signs, sent to the local stack.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use chrono::{DateTime, Utc};
use receive_order::verify;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::args::{Locale, Provider, SendOrder};
use crate::local::{self, Found, WEBHOOK_SECRET};
use crate::{CliError, Said, client};

/// Lines of the sample order: two bags of tea at 1,980 yen and a cup at 1,500.
const TOTAL_YEN: u32 = 5_460;

#[derive(Deserialize)]
struct Time {
    now: DateTime<Utc>,
}

/// Sends the order and says what became of it.
pub(crate) async fn send(order: SendOrder) -> Said {
    let url = address(&order)?;
    let now = stack_time(&url).await?;
    let order_id = order
        .order_id
        .clone()
        .unwrap_or_else(|| now.timestamp_millis().to_string());
    let request = match order.provider {
        Provider::Standard => standard(&order, &order_id, now),
        Provider::Shopify => shopify(&order, &order_id, now)?,
    };
    let slug = match order.provider {
        Provider::Standard => "standard",
        Provider::Shopify => "shopify",
    };
    let request = request.build(&format!("{url}/v1/webhooks/{slug}"))?;
    let (status, answer) = client::send(request).await?;
    let answer = String::from_utf8_lossy(&answer);
    if status != StatusCode::OK {
        return told(format!(
            "The stack answered {status} and took nothing:\n{answer}"
        ));
    }
    Ok(said(&order, &order_id, &url, &answer))
}

fn said(order: &SendOrder, order_id: &str, url: &str, answer: &str) -> String {
    let consent = if order.no_consent {
        "The buyer did not agree to mails, so a follow-up that requires consent sends none (reason: no-consent)."
    } else {
        "A follow-up whose conditions it meets queues a mail within a second."
    };
    format!(
        "Sent order {order_id} of ¥{TOTAL_YEN}. The stack answered: {answer}\n{consent}\n\nNext:\n\
        - move the clock to the day the mail is due:\n\
        \x20   curl -X POST -H 'Content-Type: application/json' -d '{{\"advance\":\"P3D\"}}' {url}/local/clock\n\
        - read it: {url}/local/inbox\n\
        - no follow-up yet? POST {url}/v1/follow-ups (README, \"Thank-you mail\")\n"
    )
}

/// Where the stack answers: as told, or as the data directory says.
fn address(order: &SendOrder) -> Result<String, CliError> {
    if let Some(url) = &order.url {
        return Ok(url.trim_end_matches('/').to_owned());
    }
    match local::find(&order.data)? {
        Found::Running { url, .. } => Ok(url),
        Found::Stopped | Found::Nothing => told(format!(
            "No local stack is running on {}. Nothing was sent.\nStart one in another terminal with `cargo run -p okaeri`, or name one with --url http://127.0.0.1:PORT.",
            order.data.display()
        )),
    }
}

/// The stack's time: signatures carry it, and the stack's clock may have been moved.
async fn stack_time(url: &str) -> Result<DateTime<Utc>, CliError> {
    let request = Request::get(format!("{url}/local/clock")).body(Body::empty());
    let request =
        request.map_err(|error| CliError::Told(format!("{url} is no address: {error}.")))?;
    let (_, answer) = client::send(request).await?;
    match serde_json::from_slice::<Time>(&answer) {
        Ok(time) => Ok(time.now),
        Err(_) => told(format!(
            "{url} is not a local stack: its /local/clock does not tell the time. Sample orders are only for local stacks. Nothing was sent."
        )),
    }
}

/// A webhook ready to be sent.
struct Webhook {
    headers: Vec<(&'static str, Option<String>)>,
    body: String,
}

impl Webhook {
    fn build(self, url: &str) -> Result<Request<Body>, CliError> {
        let mut request = Request::post(url).header(header::CONTENT_TYPE, "application/json");
        for (name, value) in self.headers {
            let Some(value) = value else {
                return told(
                    "The local webhook secret cannot be used to sign. Nothing was sent. Please report this.",
                );
            };
            request = request.header(name, value);
        }
        let request = request.body(Body::from(self.body));
        request.map_err(|error| CliError::Told(format!("{url} is no address: {error}.")))
    }
}

/// An order as a shop of one's own sends it (Standard Webhooks; design.md §8).
fn standard(order: &SendOrder, order_id: &str, now: DateTime<Utc>) -> Webhook {
    let body = json!({
        "type": "order.completed",
        "timestamp": now.to_rfc3339(),
        "data": {
            "source": "custom",
            "shop": "shop.example",
            "order_id": order_id,
            "completed_at": now.to_rfc3339(),
            "customer": {
                "email": order.email,
                "name": name(order.locale),
                "locale": language(order.locale),
                "accepts_marketing": !order.no_consent,
            },
            "currency": "JPY",
            "total": TOTAL_YEN,
            "lines": [
                {"sku": "TEA-01", "quantity": 2, "unit_price": 1_980},
                {"sku": "CUP-01", "quantity": 1, "unit_price": 1_500},
            ],
            "codes": [],
        },
    });
    let body = body.to_string();
    let id = format!("msg_{order_id}");
    let signature = verify::sign_standard(WEBHOOK_SECRET, &id, now.timestamp(), body.as_bytes());
    Webhook {
        headers: vec![
            ("webhook-id", Some(id)),
            ("webhook-timestamp", Some(now.timestamp().to_string())),
            ("webhook-signature", signature),
        ],
        body,
    }
}

/// An order as Shopify sends it (webhooks-and-mail.md §2 and §7).
fn shopify(order: &SendOrder, order_id: &str, now: DateTime<Utc>) -> Result<Webhook, CliError> {
    let Ok(id) = order_id.parse::<u64>() else {
        return told(format!(
            "{order_id} is no Shopify order id: they are whole numbers. Nothing was sent."
        ));
    };
    let state = if order.no_consent {
        "not_subscribed"
    } else {
        "subscribed"
    };
    let line = |id: u32, sku: &str, quantity: u32, price: &str| -> Value {
        json!({"id": id, "product_id": id, "sku": sku, "quantity": quantity, "price": price})
    };
    let body = json!({
        "id": id,
        "name": format!("#{id}"),
        "email": order.email,
        "contact_email": order.email,
        "created_at": now.to_rfc3339(),
        "cancelled_at": null,
        "currency": "JPY",
        "current_total_price": TOTAL_YEN.to_string(),
        "financial_status": "paid",
        "fulfillment_status": null,
        "test": false,
        "buyer_accepts_marketing": !order.no_consent,
        "customer_locale": language(order.locale),
        "customer": {
            "id": 7_770_000_000_001_u64,
            "first_name": name(order.locale),
            "email_marketing_consent": {"state": state, "opt_in_level": "single_opt_in", "consent_updated_at": now.to_rfc3339()},
        },
        "discount_codes": [],
        "line_items": [line(1, "TEA-01", 2, "1980"), line(2, "CUP-01", 1, "1500")],
    });
    let body = body.to_string();
    let signature = verify::sign_shopify(WEBHOOK_SECRET, body.as_bytes());
    Ok(Webhook {
        headers: vec![
            ("x-shopify-topic", Some("orders/paid".to_owned())),
            ("x-shopify-webhook-id", Some(format!("sample-{id}"))),
            ("x-shopify-hmac-sha256", signature),
        ],
        body,
    })
}

fn language(locale: Locale) -> &'static str {
    match locale {
        Locale::Ja => "ja-JP",
        Locale::En => "en-US",
    }
}

fn name(locale: Locale) -> &'static str {
    match locale {
        Locale::Ja => "花子",
        Locale::En => "Hanako",
    }
}

fn told<T>(what: impl Into<String>) -> Result<T, CliError> {
    Err(CliError::Told(what.into()))
}
