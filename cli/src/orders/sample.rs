//! Sample orders, each in its provider's words and signed as it signs.

use axum::body::Body;
use axum::http::{Request, header};
use chrono::{DateTime, Utc};
use receive_order::verify;
use serde_json::{Value, json};

use super::{TOTAL_YEN, told};
use crate::CliError;
use crate::args::{Locale, Provider, SendOrder};
use crate::local::{WEBHOOK_SECRET, WOOCOMMERCE_CONSENT_KEY};

/// The order as its provider sends it.
pub(super) fn of(
    order: &SendOrder,
    order_id: &str,
    now: DateTime<Utc>,
) -> Result<Webhook, CliError> {
    match order.provider {
        Provider::Standard => Ok(standard(order, order_id, now)),
        Provider::Shopify => shopify(order, order_id, now),
        Provider::Woocommerce => woocommerce(order, order_id, now),
        Provider::Stripe => Ok(stripe(order, order_id, now)),
    }
}

/// A webhook ready to be sent.
pub(super) struct Webhook {
    provider: &'static str,
    headers: Vec<(&'static str, Option<String>)>,
    body: String,
}

impl Webhook {
    /// The request to the stack at `url`.
    pub(super) fn build(self, url: &str) -> Result<Request<Body>, CliError> {
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
        provider: "standard",
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
    let id = number(order_id)?;
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
        provider: "shopify",
        headers: vec![
            ("x-shopify-topic", Some("orders/paid".to_owned())),
            ("x-shopify-webhook-id", Some(format!("sample-{id}"))),
            ("x-shopify-hmac-sha256", signature),
        ],
        body,
    })
}

/// An order as WooCommerce sends it (webhooks-and-mail.md §3 and §7).
fn woocommerce(order: &SendOrder, order_id: &str, now: DateTime<Utc>) -> Result<Webhook, CliError> {
    let id = number(order_id)?;
    let at = now.format("%Y-%m-%dT%H:%M:%S").to_string();
    let line = |id: u32, sku: &str, quantity: u32, total: &str| -> Value {
        json!({"id": id, "product_id": id, "sku": sku, "quantity": quantity, "total": total})
    };
    let body = json!({
        "id": id,
        "number": id.to_string(),
        "status": "completed",
        "currency": "JPY",
        "date_paid_gmt": at,
        "date_completed_gmt": at,
        "total": TOTAL_YEN.to_string(),
        "customer_id": 0,
        "billing": {"first_name": name(order.locale), "email": order.email},
        "line_items": [line(1, "TEA-01", 2, "3960"), line(2, "CUP-01", 1, "1500")],
        "coupon_lines": [],
        "refunds": [],
        "meta_data": [{"id": 1, "key": WOOCOMMERCE_CONSENT_KEY, "value": if order.no_consent { "no" } else { "yes" }}],
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
fn stripe(order: &SendOrder, order_id: &str, now: DateTime<Utc>) -> Webhook {
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
            "amount_total": TOTAL_YEN,
            "currency": "jpy",
            "consent": {"promotions": if order.no_consent { "opt_out" } else { "opt_in" }},
            "customer_details": {"email": order.email, "name": name(order.locale)},
            "locale": language(order.locale),
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
