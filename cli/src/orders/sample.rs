//! Sample orders, each in its provider's words and signed as it signs.

use axum::body::Body;
use axum::http::{Request, header};
use chrono::{DateTime, Utc};
use receive_order::verify;
use serde_json::{Value, json};
use shared::domain::order::OrderEventKind;

use super::{TOTAL_YEN, told};
use crate::CliError;
use crate::args::{Locale, Provider, SendOrder};
use crate::local::{WEBHOOK_SECRET, WOOCOMMERCE_CONSENT_KEY};

/// An order that a shop tells of.
pub(crate) struct Sale<'a> {
    /// The shop's own number of it; whole for Shopify and `WooCommerce`.
    pub(crate) order_id: &'a str,
    /// What happened to it.
    pub(crate) happened: OrderEventKind,
    /// Who bought …
    pub(crate) email: &'a str,
    /// … and how they are greeted, …
    pub(crate) name: &'a str,
    /// … in which language, as `ja-JP`.
    pub(crate) language: &'a str,
    /// Whether they want marketing mail.
    pub(crate) consents: bool,
    /// What it came to, in yen.
    pub(crate) total: u64,
    /// What was bought.
    pub(crate) lines: Vec<Line<'a>>,
    /// The codes that the order lists.
    pub(crate) codes: Vec<String>,
}

/// A line of an order.
#[derive(Clone, Copy)]
pub(crate) struct Line<'a> {
    /// Which article.
    pub(crate) sku: &'a str,
    /// How many.
    pub(crate) quantity: u64,
    /// What one costs, in yen.
    pub(crate) unit_price: u64,
}

impl<'a> Sale<'a> {
    /// The sample order that `orders send` sends: two bags of tea at 1,980 yen and a cup at 1,500.
    pub(super) fn sample(order: &'a SendOrder, order_id: &'a str) -> Self {
        let line = |sku, quantity, unit_price| Line {
            sku,
            quantity,
            unit_price,
        };
        Self {
            order_id,
            happened: OrderEventKind::Completed,
            email: &order.email,
            name: name(order.locale),
            language: language(order.locale),
            consents: !order.no_consent,
            total: TOTAL_YEN,
            lines: vec![line("TEA-01", 2, 1_980), line("CUP-01", 1, 1_500)],
            codes: Vec::new(),
        }
    }

    /// The webhook in which `provider` tells of it.
    pub(crate) fn webhook(
        &self,
        provider: Provider,
        now: DateTime<Utc>,
    ) -> Result<Webhook, CliError> {
        match provider {
            Provider::Standard => Ok(standard(self, now)),
            Provider::Shopify => shopify(self, now),
            Provider::Woocommerce => woocommerce(self, now),
            Provider::Stripe => Ok(stripe(self, now)),
        }
    }
}

/// A webhook ready to be sent.
pub(crate) struct Webhook {
    provider: &'static str,
    headers: Vec<(&'static str, Option<String>)>,
    body: String,
}

impl Webhook {
    /// Any body, signed under Standard Webhooks.
    pub(crate) fn standard(id: &str, body: String, now: DateTime<Utc>) -> Self {
        let at = now.timestamp();
        let signature = verify::sign_standard(WEBHOOK_SECRET, id, at, body.as_bytes());
        Self {
            provider: "standard",
            headers: vec![
                ("webhook-id", Some(id.to_owned())),
                ("webhook-timestamp", Some(at.to_string())),
                ("webhook-signature", signature),
            ],
            body,
        }
    }

    /// The request to the stack at `url`.
    pub(crate) fn build(self, url: &str) -> Result<Request<Body>, CliError> {
        let mut request = Request::post(format!("{url}/v1/webhooks/{}", self.provider))
            .header(header::CONTENT_TYPE, "application/json");
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
fn standard(sale: &Sale<'_>, now: DateTime<Utc>) -> Webhook {
    let body = json!({
        "type": sale.happened,
        "timestamp": now.to_rfc3339(),
        "data": {
            "source": "custom",
            "shop": "shop.example",
            "order_id": sale.order_id,
            "completed_at": now.to_rfc3339(),
            "customer": {
                "email": sale.email,
                "name": sale.name,
                "locale": sale.language,
                "accepts_marketing": sale.consents,
            },
            "currency": "JPY",
            "total": sale.total,
            "lines": sale.lines.iter().map(|line| {
                json!({"sku": line.sku, "quantity": line.quantity, "unit_price": line.unit_price})
            }).collect::<Vec<_>>(),
            "codes": sale.codes,
        },
    });
    // A delivery's id has no dot: that is what stands between the signed parts.
    let happened = sale.happened.as_str().replace('.', "_");
    let id = format!("msg_{}_{happened}", sale.order_id);
    Webhook::standard(&id, body.to_string(), now)
}

/// An order as Shopify sends it (webhooks-and-mail.md §2 and §7).
fn shopify(sale: &Sale<'_>, now: DateTime<Utc>) -> Result<Webhook, CliError> {
    let id = number(sale.order_id)?;
    let state = if sale.consents {
        "subscribed"
    } else {
        "not_subscribed"
    };
    let cancelled = sale.happened == OrderEventKind::Cancelled;
    let refunded = sale.happened == OrderEventKind::Refunded;
    let lines = (1_u32..).zip(&sale.lines).map(|(id, line)| -> Value {
        json!({"id": id, "product_id": id, "sku": line.sku, "quantity": line.quantity, "price": line.unit_price.to_string()})
    });
    let body = json!({
        "id": id,
        "name": format!("#{id}"),
        "email": sale.email,
        "contact_email": sale.email,
        "created_at": now.to_rfc3339(),
        "cancelled_at": cancelled.then(|| now.to_rfc3339()),
        "currency": "JPY",
        "current_total_price": sale.total.to_string(),
        "financial_status": if refunded { "refunded" } else { "paid" },
        "fulfillment_status": null,
        "test": false,
        "buyer_accepts_marketing": sale.consents,
        "customer_locale": sale.language,
        "customer": {
            "id": 7_770_000_000_001_u64,
            "first_name": sale.name,
            "email_marketing_consent": {"state": state, "opt_in_level": "single_opt_in", "consent_updated_at": now.to_rfc3339()},
        },
        "discount_codes": sale.codes.iter().map(|code| json!({"code": code})).collect::<Vec<_>>(),
        "line_items": lines.collect::<Vec<_>>(),
    });
    let body = body.to_string();
    let signature = verify::sign_shopify(WEBHOOK_SECRET, body.as_bytes());
    let topic = match sale.happened {
        OrderEventKind::Completed => "orders/paid",
        OrderEventKind::Cancelled => "orders/cancelled",
        OrderEventKind::Refunded => "orders/updated",
    };
    Ok(Webhook {
        provider: "shopify",
        headers: vec![
            ("x-shopify-topic", Some(topic.to_owned())),
            ("x-shopify-webhook-id", Some(format!("sample-{id}"))),
            ("x-shopify-hmac-sha256", signature),
        ],
        body,
    })
}

/// An order as WooCommerce sends it (webhooks-and-mail.md §3 and §7).
fn woocommerce(sale: &Sale<'_>, now: DateTime<Utc>) -> Result<Webhook, CliError> {
    let id = number(sale.order_id)?;
    let at = now.format("%Y-%m-%dT%H:%M:%S").to_string();
    let lines = (1_u32..).zip(&sale.lines).map(|(id, line)| -> Value {
        let total = line.unit_price.saturating_mul(line.quantity).to_string();
        json!({"id": id, "product_id": id, "sku": line.sku, "quantity": line.quantity, "total": total})
    });
    let status = match sale.happened {
        OrderEventKind::Completed => "completed",
        OrderEventKind::Cancelled => "cancelled",
        OrderEventKind::Refunded => "refunded",
    };
    let body = json!({
        "id": id,
        "number": id.to_string(),
        "status": status,
        "currency": "JPY",
        "date_paid_gmt": at,
        "date_completed_gmt": at,
        "total": sale.total.to_string(),
        "customer_id": 0,
        "billing": {"first_name": sale.name, "email": sale.email},
        "line_items": lines.collect::<Vec<_>>(),
        "coupon_lines": sale.codes.iter().map(|code| json!({"code": code})).collect::<Vec<_>>(),
        "refunds": [],
        "meta_data": [{"id": 1, "key": WOOCOMMERCE_CONSENT_KEY, "value": if sale.consents { "yes" } else { "no" }}],
    });
    let body = body.to_string();
    let signature = verify::sign_woocommerce(WEBHOOK_SECRET, body.as_bytes());
    Ok(Webhook {
        provider: "woocommerce",
        headers: vec![
            ("x-wc-webhook-topic", Some("order.updated".to_owned())),
            ("x-wc-webhook-signature", signature),
        ],
        body,
    })
}

/// A paid Checkout Session as Stripe sends it (webhooks-and-mail.md §4 and §7). The order is known by its payment.
fn stripe(sale: &Sale<'_>, now: DateTime<Utc>) -> Webhook {
    let order_id = sale.order_id;
    let body = json!({
        "id": format!("evt_{order_id}"),
        "object": "event",
        "created": now.timestamp(),
        "livemode": false,
        "type": "checkout.session.completed",
        "data": {"object": {
            "id": format!("cs_test_{order_id}"),
            "object": "checkout.session",
            "payment_intent": order_id,
            "payment_status": "paid",
            "amount_total": sale.total,
            "currency": "jpy",
            "consent": {"promotions": if sale.consents { "opt_in" } else { "opt_out" }},
            "customer_details": {"email": sale.email, "name": sale.name},
            "locale": sale.language,
        }},
    });
    let body = body.to_string();
    let signature = verify::sign_stripe(WEBHOOK_SECRET, now.timestamp(), body.as_bytes());
    Webhook {
        provider: "stripe",
        headers: vec![("stripe-signature", signature)],
        body,
    }
}

/// The number that an order is known by at Shopify and WooCommerce.
fn number(order_id: &str) -> Result<u64, CliError> {
    match order_id.parse() {
        Ok(id) => Ok(id),
        Err(_) => told(format!(
            "{order_id} is no order id of this provider: they are whole numbers. Nothing was sent."
        )),
    }
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
