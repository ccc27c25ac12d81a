//! Standard Webhooks bodies: `{"type", "timestamp", "data": {the fields of an order event without type}}` (design.md §8).

use serde::Deserialize;
use serde_json::{Map, Value};
use shared::domain::order::OrderEventKind;

use super::Payload;

/// The source of orders that do not name one: a shop of one's own.
const OWN_SHOP: &str = "custom";

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    data: Map<String, Value>,
}

/// Reads a verified body. `shop` is the shop's name where the body gives none.
pub(super) fn read(body: &[u8], shop: &str) -> Payload {
    let Ok(envelope) = serde_json::from_slice::<Envelope>(body) else {
        return Payload::Unusable("not a JSON object with a type and data");
    };
    let kind = Value::String(envelope.kind);
    if OrderEventKind::deserialize(&kind).is_err() {
        return Payload::Uninteresting;
    }
    let mut data = envelope.data;
    data.insert("type".to_owned(), kind);
    for (field, default) in [("source", OWN_SHOP), ("shop", shop)] {
        if data.get(field).is_none_or(Value::is_null) {
            data.insert(field.to_owned(), Value::String(default.to_owned()));
        }
    }
    // Only our own clock says when we received it.
    data.remove("received_at");
    match serde_json::from_value(Value::Object(data)) {
        Ok(event) => Payload::Event(Box::new(event)),
        Err(_) => Payload::Unusable("data is not an order event"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shared::domain::order::OrderEvent;

    use super::*;

    fn read_json(json: &Value) -> Payload {
        read(json.to_string().as_bytes(), "shop.example")
    }

    fn event(json: &Value) -> OrderEvent {
        match read_json(json) {
            Payload::Event(event) => *event,
            other => panic!("{json}: {other:?}"),
        }
    }

    #[test]
    fn an_order_in_our_own_words_is_taken_as_it_is() {
        let event = event(
            &json!({"type": "order.completed", "timestamp": "2026-11-22T03:04:06Z", "data": {
            "source": "shopify", "shop": "example.myshopify.com", "order_id": "1001", "completed_at": "2026-11-22T03:04:05Z",
            "customer": {"id": "77", "email": "hanako@example.jp", "name": "花子", "locale": "ja", "accepts_marketing": true},
            "currency": "JPY", "total": 5460, "lines": [{"sku": "B0CHX1W1XY", "quantity": 2, "unit_price": 1980}], "codes": [],
            "received_at": "1999-01-01T00:00:00Z", "unknown": {"field": 1}}}),
        );
        assert_eq!(event.kind, OrderEventKind::Completed);
        assert_eq!(event.order_id.as_str(), "1001");
        assert_eq!(event.source.as_str(), "shopify");
        assert_eq!(event.shop, "example.myshopify.com");
        assert_eq!(event.total.minor(), 5_460);
        assert!(event.customer.accepts_marketing);
        assert_eq!(event.received_at, None);
    }

    #[test]
    fn a_minimal_order_comes_from_the_shop_itself_and_nobody_agreed_to_mail() {
        let event =
            event(&json!({"type": "order.cancelled", "data": {"order_id": "A-1", "source": null}}));
        assert_eq!(event.kind, OrderEventKind::Cancelled);
        assert_eq!(event.source.as_str(), "custom");
        assert_eq!(event.shop, "shop.example");
        assert!(!event.customer.accepts_marketing);
    }

    #[test]
    fn other_types_are_of_no_interest_whatever_they_carry() {
        for json in [
            json!({"type": "ping"}),
            json!({"type": "order.created", "data": {"order_id": 7}}),
            json!({"type": "", "data": {}}),
        ] {
            assert_eq!(read_json(&json), Payload::Uninteresting, "{json}");
        }
    }

    #[test]
    fn an_order_that_cannot_be_read_is_unusable() {
        for json in [
            json!([]),
            json!({}),
            json!({"type": 1}),
            json!({"type": "order.completed"}),
            json!({"type": "order.completed", "data": []}),
            json!({"type": "order.completed", "data": {}}),
            json!({"type": "order.completed", "data": {"order_id": "#1"}}),
            json!({"type": "order.completed", "data": {"order_id": "1", "total": -1}}),
            json!({"type": "order.completed", "data": {"order_id": "1", "total": 1.5}}),
        ] {
            assert!(matches!(read_json(&json), Payload::Unusable(_)), "{json}");
        }
        for body in [&b""[..], b"{", b"\xff", b"webhook_id=1"] {
            assert!(matches!(read(body, ""), Payload::Unusable(_)));
        }
    }
}
