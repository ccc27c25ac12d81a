//! Stripe's vectors.

use super::*;

const SECRET: &str = "whsec_TestOnlyNotARealStripeSecret0001";
const MAC: &str = "c714bf51787b59fdfc7c3042d28f0e225196155b124f4414196708b2a51951e6";
const BODY: &str = r#"{
  "id": "evt_1TestOnly000001",
  "object": "event",
  "api_version": "2025-09-30.clover",
  "created": 1759999990,
  "data": {
    "object": {
      "id": "cs_test_a1TestOnly000001",
      "object": "checkout.session",
      "amount_total": 3980,
      "currency": "jpy",
      "client_reference_id": "order-1001",
      "consent": {
        "promotions": "opt_in"
      },
      "customer_details": {
        "email": "hanako@example.com",
        "name": "Hanako"
      },
      "locale": "ja",
      "payment_status": "paid",
      "status": "complete"
    }
  },
  "livemode": false,
  "type": "checkout.session.completed"
}"#;

pub(super) fn case() -> Case {
    Case {
        scheme: Scheme::Stripe,
        secrets: vec![SECRET.to_owned()],
        headers: HeaderMap::new(),
        body: BODY.as_bytes().to_vec(),
        now: NOW,
    }
    .header("stripe-signature", &format!("t=1760000000,v1={MAC}"))
}

fn signature(value: &str) -> Case {
    case().header("stripe-signature", value)
}

/// Whether a changed header says the same: hexadecimal digits may be of either case.
pub(super) fn is_same_signature(one: &[u8], other: &[u8]) -> bool {
    one.starts_with(b"t=") && one.eq_ignore_ascii_case(other)
}

#[test]
fn every_genuine_vector_is_accepted_and_what_we_sign_equals_it() {
    let wrong = "00".repeat(32);
    let mut rotated = case();
    rotated.secrets.insert(0, "whsec_newer".to_owned());
    for (name, case) in [
        ("stripe_ok", case()),
        (
            "stripe_ok_rotation_two_v1_and_v0",
            signature(&format!("t=1760000000,v1={wrong},v1={MAC},v0={wrong}")),
        ),
        ("stripe_ok_at_edge_300", case().now(1_760_000_300)),
        ("stripe_ok_at_edge_300_future", case().now(1_759_999_700)),
        ("stripe_ok_with_the_older_of_two_secrets", rotated),
    ] {
        assert_eq!(case.verified(), Ok(()), "{name}");
    }
    let signed = sign_stripe(SECRET, 1_760_000_000, BODY.as_bytes());
    assert_eq!(signed, Some(format!("t=1760000000,v1={MAC}")));
    assert_eq!(sign_stripe("", 1_760_000_000, BODY.as_bytes()), None);
}

#[test]
fn every_forged_signature_is_refused() {
    let mut twice = case();
    let again = case().headers["stripe-signature"].clone();
    twice.headers.append("stripe-signature", again);
    for (name, case) in [
        ("stripe_reject_301_old", case().now(1_760_000_301)),
        ("stripe_reject_301_future", case().now(1_759_999_699)),
        (
            "stripe_reject_v0_only",
            signature(&format!("t=1760000000,v0={MAC}")),
        ),
        (
            "stripe_reject_two_t",
            signature(&format!("t=1760000000,t=1760000000,v1={MAC}")),
        ),
        ("stripe_reject_empty_v1", signature("t=1760000000,v1=")),
        ("stripe_reject_missing", case().without("stripe-signature")),
        ("stripe_reject_empty", signature("")),
        (
            "stripe_reject_something_at_the_end",
            signature(&format!("t=1760000000,v1={MAC},")),
        ),
        ("stripe_reject_no_t", signature(&format!("v1={MAC}"))),
        (
            "stripe_reject_other_t",
            signature(&format!("t=1760000001,v1={MAC}")),
        ),
        (
            "stripe_reject_first_16_bytes",
            signature(&format!("t=1760000000,v1={}", &MAC[..32])),
        ),
        (
            "stripe_reject_good_plus_extra",
            signature(&format!("t=1760000000,v1={MAC}00")),
        ),
        (
            "stripe_reject_signed_t",
            signature(&format!("t=+1760000000,v1={MAC}")),
        ),
        ("stripe_reject_body_reserialised", {
            let value: serde_json::Value = serde_json::from_str(BODY).unwrap();
            Case {
                body: value.to_string().into_bytes(),
                ..case()
            }
        }),
        ("stripe_reject_header_twice", twice),
        ("stripe_reject_empty_secret", case().secret("")),
        (
            "stripe_reject_secret_without_its_mark",
            case().secret("TestOnlyNotARealStripeSecret0001"),
        ),
    ] {
        assert!(case.verified().is_err(), "{name}");
    }
}
