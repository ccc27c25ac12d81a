//! The vectors of webhooks-and-mail.md §7 by their names, and mutations of them.

mod stripe;
mod woocommerce;

use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;

use super::*;

const NOW: i64 = 1_760_000_010;

const SHOPIFY_SECRET: &str = "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";
const SHOPIFY_SIGNATURE: &str = "tuFVnEM5nsHGM1UkfA7RwWG8m6bSmWZwd8/989dtr9U=";
const SHOPIFY_BODY: &str = r##"{"id":5550000000001,"name":"#1001","email":"hanako@example.com","contact_email":"hanako@example.com","created_at":"2025-10-09T17:53:20+09:00","cancelled_at":null,"currency":"JPY","current_total_price":"3980","financial_status":"paid","fulfillment_status":null,"test":false,"buyer_accepts_marketing":true,"customer_locale":"ja-JP","customer":{"id":7770000000001,"first_name":"花子","email_marketing_consent":{"state":"subscribed","opt_in_level":"single_opt_in","consent_updated_at":"2025-10-09T17:50:00+09:00"}},"line_items":[{"id":1,"product_id":11,"sku":"TEA-01","quantity":2,"price":"1990"}]}"##;

const STANDARD_SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const STANDARD_ID: &str = "msg_2TestOnly0000000000000001";
const STANDARD_TIME: &str = "1760000000";
const STANDARD_SIGNATURE: &str = "v1,BzA77jQmS48DI0H1sVko1kACGF5Iy3TcAFKvK6C+W/o=";
const STANDARD_BODY: &str = r#"{"type":"order.completed","timestamp":"2025-10-09T08:53:20Z","data":{"order_id":"A-1001","email":"hanako@example.com","currency":"JPY","total_minor":3980,"locale":"ja-JP","marketing_consent":{"state":"subscribed","at":"2025-10-09T08:50:00Z","source":"checkout-box-v3"},"items":[{"sku":"TEA-01","qty":2,"unit_minor":1990}]}}"#;

/// One request as a case of the table.
#[derive(Clone)]
struct Case {
    scheme: Scheme,
    secrets: Vec<String>,
    headers: HeaderMap,
    body: Vec<u8>,
    now: i64,
}

impl Case {
    fn verified(&self) -> Result<(), Reject> {
        verify(
            self.scheme,
            &self.secrets,
            &self.headers,
            &self.body,
            self.now,
        )
    }

    fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers
            .insert(name, HeaderValue::from_str(value).unwrap());
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    fn secret(mut self, secret: &str) -> Self {
        self.secrets = vec![secret.to_owned()];
        self
    }

    fn now(mut self, now: i64) -> Self {
        self.now = now;
        self
    }

    fn reserialised(mut self) -> Self {
        let value: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        self.body = serde_json::to_vec_pretty(&value).unwrap();
        self
    }
}

fn shopify() -> Case {
    let case = Case {
        scheme: Scheme::Shopify,
        secrets: vec![SHOPIFY_SECRET.to_owned()],
        headers: HeaderMap::new(),
        body: SHOPIFY_BODY.as_bytes().to_vec(),
        now: NOW,
    };
    case.header("x-shopify-topic", "orders/paid")
        .header("x-shopify-hmac-sha256", SHOPIFY_SIGNATURE)
}

fn standard() -> Case {
    let case = Case {
        scheme: Scheme::Standard,
        secrets: vec![STANDARD_SECRET.to_owned()],
        headers: HeaderMap::new(),
        body: STANDARD_BODY.as_bytes().to_vec(),
        now: NOW,
    };
    case.header("webhook-id", STANDARD_ID)
        .header("webhook-timestamp", STANDARD_TIME)
        .header("webhook-signature", STANDARD_SIGNATURE)
}

fn shopify_signature(value: &str) -> Case {
    shopify().header("x-shopify-hmac-sha256", value)
}

fn standard_signature(value: &str) -> Case {
    standard().header("webhook-signature", value)
}

fn mac_bytes(text: &str) -> Vec<u8> {
    BASE64.decode(text).unwrap()
}

#[test]
fn every_genuine_vector_is_accepted() {
    let wrong = BASE64.encode([7; 32]);
    let two = format!("v1,{wrong} {STANDARD_SIGNATURE} v1a,{wrong}");
    let mut rotated = standard();
    rotated
        .secrets
        .insert(0, format!("whsec_{}", BASE64.encode([1; 24])));
    let public = Case {
        body: br#"{"email":"test@example.com","username":"test_user"}"#.to_vec(),
        ..standard()
    };
    let public = public
        .secret("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")
        .now(1_649_367_553)
        .header("webhook-id", "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk")
        .header("webhook-timestamp", "1649367553")
        .header(
            "webhook-signature",
            "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
        );
    for (name, case) in [
        ("shopify_ok", shopify()),
        ("standard_ok", standard()),
        (
            "standard_ok_second_of_two_plus_v1a",
            standard_signature(&two),
        ),
        ("standard_ok_at_edge_300_old", standard().now(1_760_000_300)),
        (
            "standard_ok_at_edge_300_future",
            standard().now(1_759_999_700),
        ),
        ("standard_ok_with_the_older_of_two_secrets", rotated),
        ("standard_ok_public_vector", public),
    ] {
        assert_eq!(case.verified(), Ok(()), "{name}");
    }
}

#[test]
fn every_forged_shopify_signature_is_refused() {
    let mac = mac_bytes(SHOPIFY_SIGNATURE);
    let mut twice = shopify();
    twice.headers.append(
        "x-shopify-hmac-sha256",
        HeaderValue::from_static(SHOPIFY_SIGNATURE),
    );
    for (name, case) in [
        (
            "shopify_reject_missing",
            shopify().without("x-shopify-hmac-sha256"),
        ),
        ("shopify_reject_empty", shopify_signature("")),
        (
            "shopify_reject_hex_instead_of_base64",
            shopify_signature("b6e1559c43399ec1c63355247c0ed1c161bc9ba6d299667077cffdf3d76dafd5"),
        ),
        (
            "shopify_reject_first_16_bytes",
            shopify_signature(&BASE64.encode(&mac[..16])),
        ),
        (
            "shopify_reject_one_char_changed",
            shopify_signature(&SHOPIFY_SIGNATURE.replacen('t', "u", 1)),
        ),
        ("shopify_reject_body_reserialised", shopify().reserialised()),
        ("shopify_reject_empty_secret", shopify().secret("")),
        ("shopify_reject_signed_with_an_empty_secret", {
            let text = text_of(signed(b"", &[SHOPIFY_BODY.as_bytes()]));
            shopify_signature(&text).secret("")
        }),
        (
            "shopify_reject_no_secret",
            Case {
                secrets: Vec::new(),
                ..shopify()
            },
        ),
        ("shopify_reject_header_twice", twice),
        (
            "shopify_reject_headers_joined",
            shopify_signature(&format!("{SHOPIFY_SIGNATURE},{SHOPIFY_SIGNATURE}")),
        ),
        (
            "shopify_reject_standards_secret",
            shopify().secret(STANDARD_SECRET),
        ),
    ] {
        assert!(case.verified().is_err(), "{name}");
    }
}

#[test]
fn every_forged_standard_signature_is_refused() {
    let mac = mac_bytes(STANDARD_SIGNATURE.strip_prefix("v1,").unwrap());
    let prefix = format!("v1,{}", BASE64.encode(&mac[..16]));
    let extra = format!("v1,{}", BASE64.encode([&mac[..], b"x"].concat()));
    let joined = |between: &str| format!("{STANDARD_SIGNATURE}{between}{STANDARD_SIGNATURE}");
    let mut twice = standard();
    twice.headers.append(
        "webhook-signature",
        HeaderValue::from_static(STANDARD_SIGNATURE),
    );
    for (name, case) in [
        ("standard_reject_empty_v1", standard_signature("v1,")),
        (
            "standard_reject_prefix_of_good",
            standard_signature(&prefix),
        ),
        (
            "standard_reject_good_plus_extra",
            standard_signature(&extra),
        ),
        (
            "standard_reject_good_plus_extra_text",
            standard_signature(&format!("{STANDARD_SIGNATURE}x")),
        ),
        (
            "standard_reject_headers_joined",
            standard_signature(&joined(",")),
        ),
        (
            "standard_reject_headers_joined_with_a_space",
            standard_signature(&joined(", ")),
        ),
        ("standard_reject_header_twice", twice),
        (
            "standard_reject_v1a_only",
            standard_signature(&STANDARD_SIGNATURE.replace("v1,", "v1a,")),
        ),
    ] {
        assert!(case.verified().is_err(), "{name}");
    }
}

#[test]
fn a_standard_signature_covers_id_time_and_body_and_needs_a_real_secret() {
    for (name, case) in [
        (
            "standard_reject_id_changed",
            standard().header("webhook-id", "msg_2TestOnly0000000000000002"),
        ),
        ("standard_reject_stale", standard().now(1_760_000_301)),
        ("standard_reject_future", standard().now(1_759_999_699)),
        (
            "standard_reject_body_reserialised",
            standard().reserialised(),
        ),
        (
            "standard_reject_missing_id",
            standard().without("webhook-id"),
        ),
        (
            "standard_reject_missing_timestamp",
            standard().without("webhook-timestamp"),
        ),
        (
            "standard_reject_missing_signature",
            standard().without("webhook-signature"),
        ),
        (
            "standard_reject_id_with_a_dot",
            standard().header("webhook-id", "msg.1"),
        ),
        (
            "standard_reject_signed_timestamp",
            standard().header("webhook-timestamp", "+1760000000"),
        ),
        (
            "standard_reject_short_secret",
            standard().secret("whsec_AAECAwQF"),
        ),
        ("standard_reject_empty_secret", standard().secret("")),
        (
            "standard_reject_mark_alone_as_secret",
            standard().secret("whsec_"),
        ),
    ] {
        assert!(case.verified().is_err(), "{name}");
    }
}

#[test]
fn what_we_sign_is_what_the_vectors_say() {
    let body = STANDARD_BODY.as_bytes();
    assert_eq!(
        sign_standard(STANDARD_SECRET, STANDARD_ID, 1_760_000_000, body).as_deref(),
        Some(STANDARD_SIGNATURE)
    );
    assert_eq!(
        sign_shopify(SHOPIFY_SECRET, SHOPIFY_BODY.as_bytes()).as_deref(),
        Some(SHOPIFY_SIGNATURE)
    );
    assert_eq!(sign_standard("", STANDARD_ID, 1_760_000_000, body), None);
    assert_eq!(sign_shopify("", SHOPIFY_BODY.as_bytes()), None);
    // The local stack's one secret: base64 for Standard Webhooks, the whole string for Shopify.
    let local = "whsec_b2thZXJpLWxvY2FsLXNlY3JldC0zMmJ5dGVzISEhIQ==";
    let signature = sign_shopify(local, SHOPIFY_BODY.as_bytes()).unwrap();
    assert_eq!(
        shopify_signature(&signature).secret(local).verified(),
        Ok(())
    );
    let signature = sign_standard(local, STANDARD_ID, 1_760_000_000, body).unwrap();
    assert_eq!(
        standard_signature(&signature).secret(local).verified(),
        Ok(())
    );
}

/// Mutations of each scheme; in CI as many as are promised.
fn mutations() -> u32 {
    match std::env::var_os("OKAERI_THOROUGH") {
        Some(_) => 100_000,
        None => 10_000,
    }
}

/// `original` with one byte changed, inserted or removed.
fn mutated(original: &[u8], place: prop::sample::Index, byte: u8, kind: u8) -> Vec<u8> {
    let mut bytes = original.to_vec();
    match kind {
        0 => bytes[place.index(original.len())] = byte,
        1 => bytes.insert(place.index(original.len() + 1), byte),
        _ => {
            bytes.remove(place.index(original.len()));
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(mutations()))]

    #[test]
    fn no_body_with_one_mutation_is_accepted(place: prop::sample::Index, byte: u8, kind in 0_u8..3) {
        for case in [shopify(), standard(), woocommerce::case(), stripe::case()] {
            let body = mutated(&case.body, place, byte, kind);
            prop_assume!(body != case.body);
            let forged = Case { body, ..case };
            prop_assert_eq!(forged.verified(), Err(Reject::Mismatch));
        }
    }

    #[test]
    fn no_header_with_one_mutation_is_accepted(place: prop::sample::Index, byte: u8, kind in 0_u8..3) {
        for (case, name) in [
            (shopify(), "x-shopify-hmac-sha256"),
            (woocommerce::case(), "x-wc-webhook-signature"),
            (stripe::case(), "stripe-signature"),
            (standard(), "webhook-signature"),
            (standard(), "webhook-id"),
            (standard(), "webhook-timestamp"),
        ] {
            let genuine = case.headers[name].as_bytes().to_vec();
            let bytes = mutated(&genuine, place, byte, kind);
            // What cannot be a header's value never reaches the verifier.
            let same = stripe::is_same_signature(&bytes, &genuine);
            if let Ok(value) = HeaderValue::from_bytes(&bytes) && bytes != genuine && !same {
                let mut forged = case;
                forged.headers.insert(HeaderName::from_static(name), value);
                prop_assert!(forged.verified().is_err(), "{}: {:?}", name, bytes);
            }
        }
    }

    #[test]
    fn no_request_whatsoever_makes_the_verifier_panic(
        signature in "[ -~]{0,80}", id in "[ -~]{0,20}", time in "[0-9+-]{0,14}", secret in "[ -~]{0,60}",
        body in prop::collection::vec(any::<u8>(), 0..64), now: i64,
    ) {
        let case = standard_signature(&signature).header("webhook-id", &id).header("webhook-timestamp", &time);
        let case = Case { body, ..case }.secret(&secret).now(now);
        prop_assert!(case.verified().is_err());
        for (name, scheme) in [
            ("x-shopify-hmac-sha256", Scheme::Shopify),
            ("x-wc-webhook-signature", Scheme::WooCommerce),
            ("stripe-signature", Scheme::Stripe),
        ] {
            let case = case.clone().header(name, &signature);
            let case = Case { scheme, ..case };
            prop_assert!(case.verified().is_err());
        }
    }
}
