//! Shopify's orders (webhooks-and-mail.md §2). Only the body is signed, so only the body is believed: topic and shop headers
//! play no part.

use chrono::DateTime;
use serde::Deserialize;
use serde_json::Value;
use shared::domain::identity::Email;
use shared::domain::money::{Amount, Currency};
use shared::domain::order::{
    Buyer, OrderEvent, OrderEventKind, OrderId, OrderLine, Source, clean_display_name,
};

use super::Payload;
use super::provider::{Id, money};

/// The parts of an order that we read. Whatever an order can do without is optional, and read leniently.
#[derive(Deserialize)]
struct Order {
    id: Id,
    #[serde(default)]
    test: Option<bool>,
    #[serde(default)]
    cancelled_at: Option<Value>,
    #[serde(default)]
    financial_status: Option<String>,
    #[serde(default)]
    created_at: Option<String>,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    contact_email: Option<String>,
    #[serde(default)]
    customer: Option<Customer>,
    #[serde(default)]
    customer_locale: Option<String>,
    #[serde(default)]
    currency: Option<String>,
    #[serde(default)]
    current_total_price: Option<String>,
    #[serde(default)]
    line_items: Option<Vec<Line>>,
    #[serde(default)]
    discount_codes: Option<Vec<DiscountCode>>,
}

#[derive(Deserialize)]
struct Customer {
    #[serde(default)]
    id: Option<Id>,
    #[serde(default)]
    first_name: Option<String>,
    #[serde(default)]
    email_marketing_consent: Option<Consent>,
}

#[derive(Deserialize)]
struct Consent {
    #[serde(default)]
    state: Option<String>,
}

#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    sku: Option<String>,
    #[serde(default)]
    product_id: Option<Id>,
    #[serde(default)]
    quantity: Option<u64>,
    #[serde(default)]
    price: Option<String>,
}

#[derive(Deserialize)]
struct DiscountCode {
    #[serde(default)]
    code: Option<String>,
}

/// Reads a verified body. `shop` is the shop's name as kept with its secret.
pub(super) fn read(body: &[u8], shop: &str) -> Payload {
    let Ok(order) = serde_json::from_slice::<Order>(body) else {
        return Payload::Unusable("not a JSON object with an order's id and fields");
    };
    if order.test == Some(true) {
        return Payload::Uninteresting;
    }
    let kind = match order.financial_status.as_deref() {
        _ if order.cancelled_at.is_some() => OrderEventKind::Cancelled,
        Some("refunded") => OrderEventKind::Refunded,
        Some("paid") => OrderEventKind::Completed,
        // Not paid yet, refunded in part, or no order at all.
        _ => return Payload::Uninteresting,
    };
    match event(kind, order, shop) {
        Ok(event) => Payload::Event(Box::new(event)),
        Err(reason) => Payload::Unusable(reason),
    }
}

fn event(kind: OrderEventKind, order: Order, shop: &str) -> Result<OrderEvent, &'static str> {
    let (currency, total) = money(kind, order.currency, order.current_total_price)?;
    let email = [order.email, order.contact_email]
        .into_iter()
        .flatten()
        .find_map(|text| Email::try_from(text).ok());
    let lines = order.line_items.into_iter().flatten();
    let codes = order.discount_codes.into_iter().flatten();
    Ok(OrderEvent {
        kind,
        source: Source::try_from("shopify".to_owned()).map_err(|_| "no source")?,
        shop: shop.to_owned(),
        order_id: OrderId::try_from(order.id.into_text()).map_err(|_| "the order's id is none")?,
        completed_at: order
            .created_at
            .and_then(|text| DateTime::parse_from_rfc3339(&text).ok())
            .map(|at| at.to_utc()),
        received_at: None,
        customer: buyer(order.customer, email, order.customer_locale),
        currency,
        total,
        lines: lines.filter_map(|item| line(item, currency)).collect(),
        codes: codes.filter_map(|discount| discount.code).collect(),
    })
}

fn buyer(customer: Option<Customer>, email: Option<Email>, locale: Option<String>) -> Buyer {
    let (id, name, consent) = customer.map_or((None, None, None), |customer| {
        (
            customer.id,
            customer.first_name,
            customer.email_marketing_consent,
        )
    });
    let state = consent.and_then(|consent| consent.state);
    Buyer {
        id: id.map(Id::into_text),
        email,
        name: name.as_deref().and_then(clean_display_name),
        locale,
        // `buyer_accepts_marketing` is the weaker, older flag and counts for nothing.
        accepts_marketing: state.as_deref() == Some("subscribed"),
    }
}

/// A line, or `None` for one that names no article or price: lines decide nothing about the mail.
fn line(line: Line, currency: Option<Currency>) -> Option<OrderLine> {
    let sku = line.sku.filter(|sku| !sku.is_empty());
    Some(OrderLine {
        sku: sku.or_else(|| line.product_id.map(Id::into_text))?,
        quantity: line.quantity.unwrap_or_default(),
        unit_price: Amount::from_decimal(&line.price?, currency?)?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SHOP: &str = "example.myshopify.com";

    fn order(json: &Value) -> Value {
        let mut order = json!({"id": 5_550_000_000_001_u64, "email": "hanako@example.com", "created_at": "2025-10-09T17:53:20+09:00",
            "cancelled_at": null, "currency": "JPY", "current_total_price": "3980", "financial_status": "paid", "test": false,
            "buyer_accepts_marketing": true, "customer_locale": "ja-JP",
            "customer": {"id": 7_770_000_000_001_u64, "first_name": "花子", "email_marketing_consent": {"state": "subscribed"}},
            "line_items": [{"id": 1, "product_id": 11, "sku": "TEA-01", "quantity": 2, "price": "1990"}],
            "discount_codes": [{"code": "HANAKO10", "amount": "10", "type": "percentage"}]});
        for (field, value) in json.as_object().unwrap() {
            order[field] = value.clone();
        }
        order
    }

    fn read_order(json: &Value) -> Payload {
        read(order(json).to_string().as_bytes(), SHOP)
    }

    fn event_of(json: &Value) -> OrderEvent {
        match read_order(json) {
            Payload::Event(event) => *event,
            other => panic!("{json}: {other:?}"),
        }
    }

    #[test]
    fn a_paid_order_is_read_from_its_body() {
        let event = event_of(&json!({}));
        assert_eq!(event.kind, OrderEventKind::Completed);
        assert_eq!(event.order_id.as_str(), "5550000000001");
        assert_eq!(event.shop, SHOP);
        assert_eq!(event.source.as_str(), "shopify");
        assert_eq!(event.completed_at, "2025-10-09T08:53:20Z".parse().ok());
        assert_eq!(event.total.minor(), 3_980);
        let buyer = event.customer;
        assert_eq!(buyer.id.as_deref(), Some("7770000000001"));
        assert_eq!(buyer.email.unwrap().as_str(), "hanako@example.com");
        assert_eq!(buyer.name.as_deref(), Some("花子"));
        assert_eq!(buyer.locale.as_deref(), Some("ja-JP"));
        assert!(buyer.accepts_marketing);
        assert_eq!(event.lines[0].sku, "TEA-01");
        assert_eq!(event.lines[0].quantity, 2);
        assert_eq!(event.lines[0].unit_price.minor(), 1_990);
        assert_eq!(event.codes, ["HANAKO10"]);
    }

    #[test]
    fn ids_above_two_to_the_53_keep_every_digit() {
        let event = event_of(&json!({"id": 820_982_911_946_154_508_u64}));
        assert_eq!(event.order_id.as_str(), "820982911946154508");
        let event = event_of(&json!({"id": "820982911946154508"}));
        assert_eq!(event.order_id.as_str(), "820982911946154508");
    }

    #[test]
    fn amounts_are_minor_units_of_their_currency() {
        let dollars = event_of(
            &json!({"currency": "USD", "current_total_price": "39.80", "line_items": [{"sku": "A", "quantity": 1, "price": "0.29"}]}),
        );
        assert_eq!(dollars.total.minor(), 3_980);
        assert_eq!(dollars.lines[0].unit_price.minor(), 29);
        assert_eq!(
            event_of(&json!({"current_total_price": "3980.00"}))
                .total
                .minor(),
            3_980
        );
    }

    #[test]
    fn the_body_alone_says_what_happened() {
        for (json, kind) in [
            (
                json!({"cancelled_at": "2025-10-09T09:00:00Z"}),
                Some(OrderEventKind::Cancelled),
            ),
            (
                json!({"cancelled_at": "2025-10-09T09:00:00Z", "financial_status": "refunded"}),
                Some(OrderEventKind::Cancelled),
            ),
            (
                json!({"cancelled_at": "2025-10-09T09:00:00Z", "currency": null, "current_total_price": null}),
                Some(OrderEventKind::Cancelled),
            ),
            (
                json!({"financial_status": "refunded", "current_total_price": "0"}),
                Some(OrderEventKind::Refunded),
            ),
            (json!({"financial_status": "partially_refunded"}), None),
            (json!({"financial_status": "pending"}), None),
            (json!({"financial_status": "authorized"}), None),
            (json!({"financial_status": null}), None),
            (json!({"test": true}), None),
            (
                json!({"test": true, "cancelled_at": "2025-10-09T09:00:00Z"}),
                None,
            ),
        ] {
            let found = match read_order(&json) {
                Payload::Event(event) => Some(event.kind),
                Payload::Uninteresting => None,
                Payload::Unusable(reason) => panic!("{json}: {reason}"),
            };
            assert_eq!(found, kind, "{json}");
        }
        assert_eq!(
            read(br#"{"id":1,"order_id":2,"refund_line_items":[]}"#, SHOP),
            Payload::Uninteresting
        );
    }

    #[test]
    fn only_a_subscribed_buyer_agreed_to_mail() {
        for state in [
            json!("not_subscribed"),
            json!("pending"),
            json!("unsubscribed"),
            json!("SUBSCRIBED"),
            json!(null),
        ] {
            let event =
                event_of(&json!({"customer": {"email_marketing_consent": {"state": state}}}));
            assert!(!event.customer.accepts_marketing, "{state}");
        }
        for customer in [
            json!(null),
            json!({}),
            json!({"email_marketing_consent": null}),
        ] {
            assert!(
                !event_of(&json!({"customer": customer}))
                    .customer
                    .accepts_marketing
            );
        }
    }

    #[test]
    fn an_order_without_address_lines_or_codes_is_still_an_order() {
        let event = event_of(
            &json!({"email": "", "contact_email": null, "line_items": null, "discount_codes": null, "created_at": "yesterday"}),
        );
        assert_eq!(event.customer.email, None);
        assert!(event.lines.is_empty() && event.codes.is_empty());
        let contact = event_of(&json!({"email": null, "contact_email": "hanako@example.com"}));
        assert!(contact.customer.email.is_some());
        let lines = event_of(&json!({"line_items": [{"sku": null, "product_id": 11, "quantity": 1, "price": "5"}, {"title": "Tip", "quantity": 1, "price": "1"}]})).lines;
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].sku, "11");
    }

    #[test]
    fn a_paid_order_without_id_or_total_is_unusable() {
        for json in [
            json!({"id": null}),
            json!({"id": 1.5e18}),
            json!({"id": -1}),
            json!({"id": "#1001"}),
            json!({"currency": "XYZ"}),
            json!({"current_total_price": "-1"}),
            json!({"current_total_price": "39.805"}),
            json!({"current_total_price": null}),
        ] {
            assert!(matches!(read_order(&json), Payload::Unusable(_)), "{json}");
        }
        for body in [&b""[..], b"{}", b"[]", b"null", b"{\"id\":1", b"\xff"] {
            assert!(matches!(read(body, SHOP), Payload::Unusable(_)));
        }
    }
}
