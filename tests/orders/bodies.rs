//! Each event as its sender words and signs it.

use integration::Caller;
use okaeri::local::WEBHOOK_SECRET;
use receive_order::verify;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use shared::clock::Clock;

use crate::facts::{Address, Consent, End, Order, Paid, Sender, Told};

/// The request that delivers it to the stack, signed now.
pub(crate) fn request(caller: &Caller, clock: &Clock, order: &Order, told: Told) -> RequestBuilder {
    match order.sender {
        Sender::Shopify => {
            let body = shopify(order, told).to_string();
            let signature = verify::sign_shopify(WEBHOOK_SECRET, body.as_bytes()).unwrap();
            caller
                .request(Method::POST, "/v1/webhooks/shopify")
                .header("content-type", "application/json")
                .header("x-shopify-hmac-sha256", signature)
                .body(body)
        }
        Sender::StandardWebhooks => caller.signed(clock, &standard(order, told)),
    }
}

/// Spelt as it was typed with this order.
pub(crate) fn address(order: &Order) -> Option<String> {
    match order.address {
        Address::Of { buyer, spelling } => Some(match spelling {
            0 => format!("buyer{buyer}@example.jp"),
            1 => format!("Buyer{buyer}@Example.jp"),
            _ => format!("buyer{buyer}+shop@example.jp"),
        }),
        Address::MarketplaceAlias => Some(format!("a{}@marketplace.amazon.co.jp", order.number)),
        Address::None => None,
    }
}

fn shopify(order: &Order, told: Told) -> Value {
    let (currency, total) = match order.paid {
        Paid::Yen(yen) => ("JPY", yen.to_string()),
        Paid::UsCents(cents) => ("USD", format!("{}.{:02}", cents / 100, cents % 100)),
    };
    let state = match order.consent {
        Consent::Given => Some("subscribed"),
        Consent::Refused => Some("not_subscribed"),
        Consent::Absent => None,
    };
    let consent = state.map(|state| json!({"state": state, "opt_in_level": "single_opt_in"}));
    let (status, cancelled_at, total) = match told {
        Told::Completed => ("paid", None, total),
        Told::Ended(End::Cancelled) => ("paid", Some("2026-11-22T10:00:00+09:00"), total),
        Told::Ended(End::Refunded) => ("refunded", None, "0".to_owned()),
        Told::Ended(End::RefundedInPart) => ("partially_refunded", None, total),
    };
    let id = order.id.parse::<u64>().unwrap();
    json!({
        "id": id, "name": format!("#{id}"), "email": address(order), "contact_email": address(order),
        "created_at": "2026-11-22T09:00:00+09:00", "cancelled_at": cancelled_at,
        "currency": currency, "current_total_price": total, "financial_status": status, "fulfillment_status": null,
        "test": false, "buyer_accepts_marketing": true, "customer_locale": "ja-JP",
        "customer": {"id": 7_770_000_000_000_u64 + id, "first_name": "花子", "email_marketing_consent": consent},
        "discount_codes": [],
        "line_items": [{"id": 1, "product_id": 1, "sku": "TEA-01", "quantity": 1, "price": total}],
    })
}

fn standard(order: &Order, told: Told) -> Value {
    let (currency, total) = match order.paid {
        Paid::Yen(yen) => ("JPY", yen),
        Paid::UsCents(cents) => ("USD", cents),
    };
    let kind = match told {
        Told::Completed => "order.completed",
        Told::Ended(End::Cancelled) => "order.cancelled",
        Told::Ended(End::Refunded) => "order.refunded",
        Told::Ended(End::RefundedInPart) => "order.partially_refunded",
    };
    let mut customer = json!({"name": "Hanako", "locale": "en-US", "email": address(order)});
    match order.consent {
        Consent::Given => customer["accepts_marketing"] = json!(true),
        Consent::Refused => customer["accepts_marketing"] = json!(false),
        Consent::Absent => {}
    }
    json!({"type": kind, "timestamp": "2026-11-22T03:04:06Z", "data": {
        "source": if order.marketplace { "amazon" } else { "custom" }, "order_id": order.id,
        "completed_at": "2026-11-22T03:04:05Z", "customer": customer, "currency": currency, "total": total,
        "lines": [{"sku": "TEA-01", "quantity": 1, "unit_price": total}],
    }})
}
