//! WooCommerce's orders (webhooks-and-mail.md §3). Only the body is signed, so only the body is believed. It is the order as it
//! stands when the webhook is sent; every save sends it again, and our own state tells the first time from the others.

use chrono::NaiveDateTime;
use serde::Deserialize;
use serde_json::Value;
use shared::domain::identity::Email;
use shared::domain::money::{Amount, Currency};
use shared::domain::order::{
    Buyer, OrderEvent, OrderEventKind, OrderId, OrderLine, Source, clean_display_name,
};
use shared::secrets::{CompletedAt, ProviderSecrets};

use super::Payload;
use super::provider::{Id, money, says_yes};

/// The parts of an order that we read. Whatever an order can do without is optional.
#[derive(Deserialize)]
struct Order {
    id: Id,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    currency: Option<String>,
    #[serde(default)]
    total: Option<String>,
    #[serde(default)]
    date_completed_gmt: Option<String>,
    #[serde(default)]
    date_paid_gmt: Option<String>,
    #[serde(default)]
    customer_id: Option<u64>,
    #[serde(default)]
    billing: Option<Billing>,
    #[serde(default)]
    line_items: Option<Vec<Line>>,
    #[serde(default)]
    coupon_lines: Option<Vec<Coupon>>,
    #[serde(default)]
    meta_data: Option<Vec<Meta>>,
}

#[derive(Default, Deserialize)]
struct Billing {
    #[serde(default)]
    first_name: Option<String>,
    #[serde(default)]
    email: Option<String>,
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
    total: Option<String>,
}

#[derive(Deserialize)]
struct Coupon {
    #[serde(default)]
    code: Option<String>,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(default)]
    key: String,
    #[serde(default)]
    value: Value,
}

/// Reads a verified body. Shop, consent key and the status that counts are kept with the secret.
pub(super) fn read(body: &[u8], settings: &ProviderSecrets) -> Payload {
    let Ok(order) = serde_json::from_slice::<Order>(body) else {
        return Payload::Unusable("not a JSON object with an order's id and fields");
    };
    let kind = match order.status.as_deref() {
        Some("completed") => OrderEventKind::Completed,
        Some("processing") if settings.completed_at == CompletedAt::Processing => {
            OrderEventKind::Completed
        }
        Some("cancelled" | "trash") => OrderEventKind::Cancelled,
        Some("refunded") => OrderEventKind::Refunded,
        // Not that far yet, or failed: the buyer may pay the same order later. Without a status: no order, or a deleted one.
        Some(_) | None => return Payload::Uninteresting,
    };
    match event(kind, order, settings) {
        Ok(event) => Payload::Event(Box::new(event)),
        Err(reason) => Payload::Unusable(reason),
    }
}

fn event(
    kind: OrderEventKind,
    order: Order,
    settings: &ProviderSecrets,
) -> Result<OrderEvent, &'static str> {
    let (currency, total) = money(kind, order.currency, order.total)?;
    let billing = order.billing.unwrap_or_default();
    let agreed = settings.consent_key.as_ref().is_some_and(|key| {
        let mut meta = order.meta_data.iter().flatten();
        meta.any(|meta| meta.key == *key && says_yes(&meta.value))
    });
    let customer = Buyer {
        // 0 is a guest.
        id: order
            .customer_id
            .filter(|id| *id != 0)
            .map(|id| id.to_string()),
        email: billing.email.and_then(|text| Email::try_from(text).ok()),
        name: billing.first_name.as_deref().and_then(clean_display_name),
        locale: None,
        accepts_marketing: agreed,
    };
    let lines = order.line_items.into_iter().flatten();
    let coupons = order.coupon_lines.into_iter().flatten();
    let at = order.date_completed_gmt.or(order.date_paid_gmt);
    Ok(OrderEvent {
        kind,
        source: Source::try_from("woocommerce".to_owned()).map_err(|_| "no source")?,
        shop: settings.shop.clone(),
        order_id: OrderId::try_from(order.id.into_text()).map_err(|_| "the order's id is none")?,
        completed_at: at
            .and_then(|text| text.parse::<NaiveDateTime>().ok())
            .map(|at| at.and_utc()),
        received_at: None,
        customer,
        currency,
        total,
        lines: lines.filter_map(|item| line(item, currency)).collect(),
        codes: coupons.filter_map(|coupon| coupon.code).collect(),
    })
}

/// A line, or `None` for one that names no article or price: lines decide nothing about the mail. WooCommerce tells what a line
/// came to, so the price of one is that divided, rounded down.
fn line(line: Line, currency: Option<Currency>) -> Option<OrderLine> {
    let sku = line.sku.filter(|sku| !sku.is_empty());
    let quantity = line.quantity.filter(|quantity| *quantity > 0)?;
    let total = Amount::from_decimal(&line.total?, currency?)?.minor();
    Some(OrderLine {
        sku: sku.or_else(|| line.product_id.map(Id::into_text))?,
        quantity,
        unit_price: Amount::try_from(total.checked_div(quantity)?).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings() -> ProviderSecrets {
        ProviderSecrets {
            shop: "shop.example".to_owned(),
            consent_key: Some("_marketing_opt_in".to_owned()),
            ..ProviderSecrets::default()
        }
    }

    fn order(json: &Value) -> Value {
        let mut order = json!({"id": 727, "number": "727", "status": "completed", "currency": "JPY",
            "date_created_gmt": "2025-10-09T08:53:20", "date_paid_gmt": "2025-10-09T08:54:00",
            "date_completed_gmt": "2025-10-09T09:00:00", "total": "3980", "customer_id": 0,
            "billing": {"first_name": "花子", "email": "hanako@example.com", "country": "JP"},
            "line_items": [{"id": 315, "name": "Tea", "product_id": 93, "quantity": 2, "total": "3980", "sku": "TEA-01"}],
            "coupon_lines": [{"id": 1, "code": "hanako10"}], "refunds": [],
            "meta_data": [{"id": 9001, "key": "_marketing_opt_in", "value": "yes"}]});
        for (field, value) in json.as_object().unwrap() {
            order[field] = value.clone();
        }
        order
    }

    fn read_order(json: &Value, settings: &ProviderSecrets) -> Payload {
        read(order(json).to_string().as_bytes(), settings)
    }

    fn event_of(json: &Value) -> OrderEvent {
        match read_order(json, &settings()) {
            Payload::Event(event) => *event,
            other => panic!("{json}: {other:?}"),
        }
    }

    #[test]
    fn a_completed_order_is_read_from_its_body() {
        let event = event_of(&json!({}));
        assert_eq!(event.kind, OrderEventKind::Completed);
        assert_eq!(event.order_id.as_str(), "727");
        assert_eq!(event.shop, "shop.example");
        assert_eq!(event.source.as_str(), "woocommerce");
        assert_eq!(event.completed_at, "2025-10-09T09:00:00Z".parse().ok());
        assert_eq!(event.total.minor(), 3_980);
        let buyer = event.customer;
        assert_eq!(buyer.id, None);
        assert_eq!(buyer.email.unwrap().as_str(), "hanako@example.com");
        assert_eq!(buyer.name.as_deref(), Some("花子"));
        assert!(buyer.accepts_marketing);
        let line = &event.lines[0];
        assert_eq!((line.sku.as_str(), line.quantity), ("TEA-01", 2));
        assert_eq!(line.unit_price.minor(), 1_990);
        assert_eq!(event.codes, ["hanako10"]);
        let known = event_of(&json!({"customer_id": 5, "currency": "USD", "total": "39.80"}));
        assert_eq!(known.customer.id.as_deref(), Some("5"));
        assert_eq!(known.total.minor(), 3_980);
    }

    #[test]
    fn the_status_alone_says_what_happened_and_the_shop_which_one_counts() {
        use OrderEventKind::{Cancelled, Completed, Refunded};
        let processing = ProviderSecrets {
            completed_at: CompletedAt::Processing,
            ..settings()
        };
        for (status, by_default, from_processing) in [
            ("completed", Some(Completed), Some(Completed)),
            ("processing", None, Some(Completed)),
            ("cancelled", Some(Cancelled), Some(Cancelled)),
            ("trash", Some(Cancelled), Some(Cancelled)),
            ("refunded", Some(Refunded), Some(Refunded)),
            ("pending", None, None),
            ("on-hold", None, None),
            ("failed", None, None),
            ("checkout-draft", None, None),
        ] {
            let told =
                |settings: &ProviderSecrets| match read_order(&json!({"status": status}), settings)
                {
                    Payload::Event(event) => Some(event.kind),
                    Payload::Uninteresting => None,
                    Payload::Unusable(reason) => panic!("{status}: {reason}"),
                };
            assert_eq!(told(&settings()), by_default, "{status}");
            assert_eq!(told(&processing), from_processing, "{status}");
        }
        assert_eq!(read(br#"{"id":727}"#, &settings()), Payload::Uninteresting);
    }

    #[test]
    fn consent_is_what_the_named_key_says_and_without_it_a_no() {
        let agreed = |meta: Value| {
            event_of(&json!({"meta_data": meta}))
                .customer
                .accepts_marketing
        };
        let opt_in = |value: Value| json!([{"key": "_other", "value": "no"}, {"key": "_marketing_opt_in", "value": value}]);
        for yes in [json!("yes"), json!("1"), json!(1), json!(true), json!("On")] {
            assert!(agreed(opt_in(yes.clone())), "{yes}");
        }
        for no in [
            json!("no"),
            json!(""),
            json!(0),
            json!(false),
            json!(null),
            json!(["yes"]),
            json!({"a": 1}),
        ] {
            assert!(!agreed(opt_in(no.clone())), "{no}");
        }
        assert!(!agreed(json!([{"key": "_other", "value": "yes"}])));
        assert!(!agreed(json!(null)));
        let unnamed = ProviderSecrets {
            consent_key: None,
            ..settings()
        };
        let Payload::Event(event) = read_order(&json!({}), &unnamed) else {
            panic!()
        };
        assert!(!event.customer.accepts_marketing);
    }

    #[test]
    fn an_order_without_address_lines_or_coupons_is_still_one_and_one_without_a_total_is_not() {
        let bare = event_of(
            &json!({"billing": null, "line_items": null, "coupon_lines": null, "meta_data": null,
            "date_completed_gmt": null, "date_paid_gmt": "yesterday"}),
        );
        assert_eq!((bare.customer.email, bare.completed_at), (None, None));
        assert!(bare.lines.is_empty() && bare.codes.is_empty());
        let none =
            json!([{"sku": "A", "quantity": 0, "total": "5"}, {"quantity": 1, "total": "5"}]);
        assert!(event_of(&json!({"line_items": none})).lines.is_empty());
        for json in [
            json!({"id": null}),
            json!({"id": -1}),
            json!({"total": null}),
            json!({"total": "-1"}),
            json!({"currency": "XYZ"}),
        ] {
            let read = read_order(&json, &settings());
            assert!(matches!(read, Payload::Unusable(_)), "{json}");
        }
        let refund = event_of(&json!({"status": "refunded", "total": null}));
        assert_eq!(refund.total, Amount::ZERO);
        for body in [
            &b""[..],
            b"{}",
            b"[]",
            b"webhook_id=1",
            b"{\"id\":1",
            b"\xff",
        ] {
            assert!(matches!(read(body, &settings()), Payload::Unusable(_)));
        }
    }
}
