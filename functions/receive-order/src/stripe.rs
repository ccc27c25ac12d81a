//! Stripe's checkout sessions, refunds and disputes (webhooks-and-mail.md §4).
//!
//! An order is known by its payment intent where there is one, else by its session: a refund names only the former.

use chrono::DateTime;
use serde::Deserialize;
use serde_json::{Map, Value};
use shared::domain::identity::Email;
use shared::domain::money::{Amount, Currency};
use shared::domain::order::{
    Buyer, OrderEvent, OrderEventKind, OrderId, Source, clean_display_name,
};
use shared::secrets::ProviderSecrets;

use super::Payload;
use super::provider::says_yes;

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    created: Option<i64>,
    #[serde(default)]
    livemode: Option<bool>,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    object: Value,
}

/// The parts of a Checkout Session that we read.
#[derive(Deserialize)]
struct Session {
    id: String,
    #[serde(default)]
    payment_intent: Option<Reference>,
    #[serde(default)]
    payment_status: Option<String>,
    #[serde(default)]
    amount_total: Option<u64>,
    #[serde(default)]
    currency: Option<String>,
    #[serde(default)]
    customer: Option<Reference>,
    #[serde(default)]
    customer_details: Option<Details>,
    #[serde(default)]
    locale: Option<String>,
    #[serde(default)]
    consent: Option<Consent>,
    #[serde(default)]
    metadata: Option<Map<String, Value>>,
}

/// Another object, by id or as a whole.
#[derive(Deserialize)]
#[serde(untagged)]
enum Reference {
    Id(String),
    Whole { id: String },
}

impl Reference {
    fn into_id(self) -> String {
        match self {
            Self::Id(id) | Self::Whole { id } => id,
        }
    }
}

#[derive(Default, Deserialize)]
struct Details {
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    name: Option<String>,
}

#[derive(Deserialize)]
struct Consent {
    #[serde(default)]
    promotions: Option<String>,
}

/// A charge, or a dispute about one.
#[derive(Deserialize)]
struct Payment {
    #[serde(default)]
    payment_intent: Option<Reference>,
    /// Whether all of a charge was refunded.
    #[serde(default)]
    refunded: Option<bool>,
}

/// Reads a verified body. Shop, mode and consent key are kept with the secret.
pub(super) fn read(body: &[u8], settings: &ProviderSecrets) -> Payload {
    let Ok(event) = serde_json::from_slice::<Event>(body) else {
        return Payload::Unusable("not a JSON object with a type and data.object");
    };
    let other_mode = settings
        .livemode
        .is_some_and(|live| event.livemode != Some(live));
    if other_mode {
        return Payload::Uninteresting;
    }
    let read = match event.kind.as_str() {
        "checkout.session.completed" | "checkout.session.async_payment_succeeded" => {
            session(event, settings)
        }
        "charge.refunded" => taken_back(OrderEventKind::Refunded, event, settings),
        "charge.dispute.created" => taken_back(OrderEventKind::Cancelled, event, settings),
        _ => Ok(None),
    };
    match read {
        Ok(Some(event)) => Payload::Event(Box::new(event)),
        Ok(None) => Payload::Uninteresting,
        Err(reason) => Payload::Unusable(reason),
    }
}

fn session(event: Event, settings: &ProviderSecrets) -> Result<Option<OrderEvent>, &'static str> {
    let session: Session =
        serde_json::from_value(event.data.object).map_err(|_| "not a Checkout Session")?;
    let paid = session.payment_status.as_deref();
    // An unpaid one is told of again when the money has come.
    if !matches!(paid, Some("paid" | "no_payment_required")) {
        return Ok(None);
    }
    let currency = currency(session.currency).ok_or("no known currency")?;
    let total = session
        .amount_total
        .and_then(|minor| Amount::try_from(minor).ok());
    let details = session.customer_details.unwrap_or_default();
    let opted_in = session
        .consent
        .is_some_and(|consent| consent.promotions.as_deref() == Some("opt_in"));
    let agreed = settings.consent_key.as_ref().is_some_and(|key| {
        let metadata = session.metadata.as_ref();
        metadata
            .and_then(|metadata| metadata.get(key))
            .is_some_and(says_yes)
    });
    let order_id = session
        .payment_intent
        .map_or(session.id, Reference::into_id);
    let mut order = order(OrderEventKind::Completed, order_id, settings)?;
    order.completed_at = event
        .created
        .and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    order.customer = Buyer {
        id: session.customer.map(Reference::into_id),
        email: details.email.and_then(|text| Email::try_from(text).ok()),
        name: details.name.as_deref().and_then(clean_display_name),
        locale: session.locale.filter(|locale| locale != "auto"),
        accepts_marketing: opted_in || agreed,
    };
    order.currency = Some(currency);
    order.total = total.ok_or("no total")?;
    Ok(Some(order))
}

/// A charge that was refunded in full, or disputed. What no payment intent is behind was no order of a session.
fn taken_back(
    kind: OrderEventKind,
    event: Event,
    settings: &ProviderSecrets,
) -> Result<Option<OrderEvent>, &'static str> {
    let payment: Payment =
        serde_json::from_value(event.data.object).map_err(|_| "not a charge or dispute")?;
    let in_part = kind == OrderEventKind::Refunded && payment.refunded != Some(true);
    match payment.payment_intent {
        Some(intent) if !in_part => order(kind, intent.into_id(), settings).map(Some),
        Some(_) | None => Ok(None),
    }
}

fn order(
    kind: OrderEventKind,
    order_id: String,
    settings: &ProviderSecrets,
) -> Result<OrderEvent, &'static str> {
    Ok(OrderEvent {
        kind,
        source: Source::try_from("stripe".to_owned()).map_err(|_| "no source")?,
        shop: settings.shop.clone(),
        order_id: OrderId::try_from(order_id).map_err(|_| "the order's id is none")?,
        completed_at: None,
        received_at: None,
        customer: Buyer::default(),
        currency: None,
        total: Amount::ZERO,
        // Stripe sends neither lines nor promotion codes with the event.
        lines: Vec::new(),
        codes: Vec::new(),
    })
}

/// Stripe writes currencies in lower case. Amounts are in the minor unit, or whole where there is none, as ours are.
fn currency(code: Option<String>) -> Option<Currency> {
    Currency::try_from(code?.to_ascii_uppercase()).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings() -> ProviderSecrets {
        ProviderSecrets {
            shop: "shop.example".to_owned(),
            ..ProviderSecrets::default()
        }
    }

    fn completed(json: &Value) -> Value {
        let mut session = json!({"id": "cs_test_a1", "object": "checkout.session", "amount_total": 3980, "currency": "jpy",
            "client_reference_id": "order-1001", "payment_intent": "pi_1", "consent": {"promotions": "opt_in"},
            "customer": "cus_1", "customer_details": {"email": "hanako@example.com", "name": "Hanako"}, "locale": "ja",
            "payment_status": "paid", "status": "complete", "metadata": {"newsletter": "yes"}});
        for (field, value) in json.as_object().unwrap() {
            session[field] = value.clone();
        }
        event("checkout.session.completed", &session)
    }

    fn event(kind: &str, object: &Value) -> Value {
        json!({"id": "evt_1", "object": "event", "created": 1_759_999_990, "livemode": false, "type": kind,
            "data": {"object": object}})
    }

    fn read_event(event: &Value, settings: &ProviderSecrets) -> Payload {
        read(event.to_string().as_bytes(), settings)
    }

    fn order_of(event: &Value) -> OrderEvent {
        match read_event(event, &settings()) {
            Payload::Event(event) => *event,
            other => panic!("{event}: {other:?}"),
        }
    }

    #[test]
    fn a_paid_session_is_an_order_known_by_its_payment() {
        let order = order_of(&completed(&json!({})));
        assert_eq!(order.kind, OrderEventKind::Completed);
        assert_eq!(order.order_id.as_str(), "pi_1");
        assert_eq!(order.source.as_str(), "stripe");
        assert_eq!(order.completed_at, "2025-10-09T08:53:10Z".parse().ok());
        // 3,980 yen: there is no smaller unit.
        assert_eq!(
            (order.total.minor(), order.currency.unwrap().code()),
            (3_980, "JPY")
        );
        let buyer = order.customer;
        assert_eq!(buyer.id.as_deref(), Some("cus_1"));
        assert_eq!(buyer.email.unwrap().as_str(), "hanako@example.com");
        assert_eq!(buyer.locale.as_deref(), Some("ja"));
        assert!(buyer.accepts_marketing);
        let expanded = order_of(&completed(
            &json!({"payment_intent": {"id": "pi_2", "amount": 1}}),
        ));
        assert_eq!(expanded.order_id.as_str(), "pi_2");
        let free = order_of(&completed(
            &json!({"payment_intent": null, "payment_status": "no_payment_required", "amount_total": 0, "locale": "auto"}),
        ));
        assert_eq!(
            (free.order_id.as_str(), free.customer.locale),
            ("cs_test_a1", None)
        );
    }

    #[test]
    fn money_on_its_way_is_waited_for() {
        let unpaid = completed(&json!({"payment_status": "unpaid"}));
        assert_eq!(read_event(&unpaid, &settings()), Payload::Uninteresting);
        let mut later = completed(&json!({}));
        later["type"] = json!("checkout.session.async_payment_succeeded");
        assert_eq!(order_of(&later).kind, OrderEventKind::Completed);
        let mut failed = unpaid;
        failed["type"] = json!("checkout.session.async_payment_failed");
        assert_eq!(read_event(&failed, &settings()), Payload::Uninteresting);
    }

    #[test]
    fn only_a_full_refund_or_a_dispute_takes_an_order_back() {
        let refund = |object: &Value| event("charge.refunded", object);
        let full = order_of(&refund(
            &json!({"id": "ch_1", "payment_intent": "pi_1", "refunded": true}),
        ));
        assert_eq!(
            (full.kind, full.order_id.as_str()),
            (OrderEventKind::Refunded, "pi_1")
        );
        for object in [
            json!({"payment_intent": "pi_1", "refunded": false}),
            json!({"payment_intent": "pi_1"}),
            json!({"payment_intent": null, "refunded": true}),
        ] {
            assert_eq!(
                read_event(&refund(&object), &settings()),
                Payload::Uninteresting,
                "{object}"
            );
        }
        let dispute = event(
            "charge.dispute.created",
            &json!({"id": "dp_1", "payment_intent": "pi_1"}),
        );
        assert_eq!(order_of(&dispute).kind, OrderEventKind::Cancelled);
    }

    #[test]
    fn consent_is_stripes_own_or_the_named_metadata_and_modes_are_kept_apart() {
        let agreed = |json: Value, key: Option<&str>| {
            let settings = ProviderSecrets {
                consent_key: key.map(str::to_owned),
                ..settings()
            };
            match read_event(&completed(&json), &settings) {
                Payload::Event(event) => event.customer.accepts_marketing,
                other => panic!("{other:?}"),
            }
        };
        let none = json!({"consent": {"promotions": "opt_out"}});
        assert!(!agreed(none.clone(), None));
        assert!(!agreed(json!({"consent": null}), None));
        assert!(agreed(none.clone(), Some("newsletter")));
        assert!(!agreed(none, Some("other")));
        let live = ProviderSecrets {
            livemode: Some(true),
            ..settings()
        };
        assert_eq!(
            read_event(&completed(&json!({})), &live),
            Payload::Uninteresting
        );
        let mut event = completed(&json!({}));
        event["livemode"] = json!(true);
        assert!(matches!(read_event(&event, &live), Payload::Event(_)));
    }

    #[test]
    fn what_cannot_be_read_is_unusable_and_other_types_are_of_no_interest() {
        let other = event("invoice.paid", &json!({"id": 7}));
        assert_eq!(read_event(&other, &settings()), Payload::Uninteresting);
        for json in [
            json!({"currency": "xyz"}),
            json!({"currency": null}),
            json!({"amount_total": null}),
            json!({"amount_total": -1}),
            json!({"id": 1}),
            json!({"payment_intent": "p i"}),
        ] {
            let read = read_event(&completed(&json), &settings());
            assert!(matches!(read, Payload::Unusable(_)), "{json}");
        }
        for body in [
            &b""[..],
            b"{}",
            b"[]",
            b"{\"type\":\"charge.refunded\",\"data\":{\"object\":7}}",
            b"\xff",
        ] {
            assert!(matches!(read(body, &settings()), Payload::Unusable(_)));
        }
    }
}
