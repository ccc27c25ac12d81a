//! Webhooks that are no story of a buyer, and what comes of them.

use serde_json::json;

use super::DemoError;
use super::ledger::{Completed, SoldLine};
use super::shop::Shop;
use crate::orders::sample::Webhook;

/// A shop's update went wrong: the amount is a text, which nobody can take for yen.
pub(super) async fn send_unreadable(shop: &Shop) -> Result<(), DemoError> {
    let body = json!({"type": "order.completed", "data": {"order_id": "OT-9001", "currency": "JPY", "total": "4,980円"}});
    let webhook = Webhook::standard("msg_unreadable", body.to_string(), shop.now());
    shop.webhook(webhook).await
}

/// An order taken by telephone lists a word whose promotion is over. Its buyer left no address.
pub(super) async fn send_unasked(shop: &Shop) -> Result<Completed, DemoError> {
    let order = Completed {
        at: shop.now(),
        total: 4_340,
        lines: vec![SoldLine {
            sku: "SENCHA-UJI-100".to_owned(),
            quantity: 3,
            unit_price: 1_280,
        }],
    };
    let lines = order.lines.iter().map(
        |line| json!({"sku": line.sku, "quantity": line.quantity, "unit_price": line.unit_price}),
    );
    let body = json!({"type": "order.completed", "data": {
        "order_id": "TEL-0007", "currency": "JPY", "total": order.total, "codes": ["SANTEN"], "customer": {},
        "lines": lines.collect::<Vec<_>>(),
    }});
    let webhook = Webhook::standard("msg_unasked", body.to_string(), order.at);
    shop.webhook(webhook).await?;
    Ok(order)
}
