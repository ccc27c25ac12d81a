//! WooCommerce's vectors.

use super::*;

const SECRET: &str = "wc_k3yForTestsOnly0123456789abcdef";
const SIGNATURE: &str = "DngRve8wG1fur//A6KwGoewFtiIqf4A8yO1LL28PxBg=";
const BODY: &str = r#"{"id":727,"number":"727","status":"completed","currency":"JPY","date_created_gmt":"2025-10-09T08:53:20","date_paid_gmt":"2025-10-09T08:54:00","date_completed_gmt":"2025-10-09T09:00:00","total":"3980","customer_id":0,"billing":{"first_name":"\u82b1\u5b50","email":"hanako@example.com","country":"JP"},"line_items":[{"id":315,"name":"Tea","product_id":93,"quantity":2,"total":"3980","sku":"TEA-01"}],"refunds":[],"meta_data":[{"id":9001,"key":"_marketing_opt_in","value":"yes"}],"_links":{"self":[{"href":"https:\/\/shop.example\/wp-json\/wc\/v3\/orders\/727"}]}}"#;

pub(super) fn case() -> Case {
    let case = Case {
        scheme: Scheme::WooCommerce,
        secrets: vec![SECRET.to_owned()],
        headers: HeaderMap::new(),
        body: BODY.as_bytes().to_vec(),
        now: NOW,
    };
    case.header("x-wc-webhook-topic", "order.updated")
        .header("x-wc-webhook-signature", SIGNATURE)
}

fn signature(value: &str) -> Case {
    case().header("x-wc-webhook-signature", value)
}

#[test]
fn the_genuine_vector_is_accepted_and_what_we_sign_equals_it() {
    assert_eq!(case().verified(), Ok(()));
    let mut rotated = case();
    rotated.secrets.insert(0, "newer".to_owned());
    assert_eq!(rotated.verified(), Ok(()));
    let body = BODY.as_bytes();
    assert_eq!(sign_woocommerce(SECRET, body).as_deref(), Some(SIGNATURE));
    assert_eq!(sign_woocommerce("", body), None);
}

#[test]
fn every_forged_signature_is_refused() {
    let mac = mac_bytes(SIGNATURE);
    let mut twice = case();
    twice.headers.append(
        "x-wc-webhook-signature",
        HeaderValue::from_static(SIGNATURE),
    );
    for (name, case) in [
        (
            "woocommerce_reject_missing",
            case().without("x-wc-webhook-signature"),
        ),
        ("woocommerce_reject_empty", signature("")),
        (
            "woocommerce_reject_hex_instead_of_base64",
            signature("0e7811bdef301b57eeafffc0e8ac06a1ec05b6222a7f803cc8ed4b2f6f0fc418"),
        ),
        (
            "woocommerce_reject_first_16_bytes",
            signature(&BASE64.encode(&mac[..16])),
        ),
        (
            "woocommerce_reject_one_char_changed",
            signature(&SIGNATURE.replacen('D', "E", 1)),
        ),
        (
            "woocommerce_reject_body_reserialised",
            case().reserialised(),
        ),
        ("woocommerce_reject_empty_secret", case().secret("")),
        ("woocommerce_reject_signed_with_an_empty_secret", {
            let text = text_of(signed(b"", &[BODY.as_bytes()]));
            signature(&text).secret("")
        }),
        ("woocommerce_reject_header_twice", twice),
        (
            "woocommerce_reject_headers_joined",
            signature(&format!("{SIGNATURE},{SIGNATURE}")),
        ),
        (
            "woocommerce_reject_shopifys_header",
            case()
                .without("x-wc-webhook-signature")
                .header("x-shopify-hmac-sha256", SIGNATURE),
        ),
    ] {
        assert!(case.verified().is_err(), "{name}");
    }
}
