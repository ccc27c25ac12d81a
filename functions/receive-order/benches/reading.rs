//! How long an order's webhook takes to verify and read. `cargo bench -p receive-order`; figures are in `docs/speed.md`.

use std::error::Error;
use std::hint::black_box;

use chrono::{DateTime, Utc};
use criterion::Criterion;
use receive_order::{Reread, reread, verify};
use serde_json::Value;
use shared::secrets::{ProviderSecrets, WebhookSecrets};

fn main() -> Result<(), Box<dyn Error>> {
    let event: Value =
        serde_json::from_str(include_str!("../../../events/receive-order.shopify.json"))?;
    let body = event
        .get("body")
        .and_then(Value::as_str)
        .ok_or("the sample has a body")?;
    let provider = || ProviderSecrets {
        shop: "example.myshopify.com".to_owned(),
        secrets: vec!["secret".to_owned()],
        ..ProviderSecrets::default()
    };
    let secrets = WebhookSecrets {
        standard: provider(),
        shopify: provider(),
        woocommerce: provider(),
        stripe: provider(),
    };
    let now: DateTime<Utc> = "2026-11-22T03:04:05Z".parse()?;
    let read = || {
        reread(
            black_box(&secrets),
            "shopify",
            black_box(body.as_bytes()),
            now,
        )
    };
    if !matches!(read(), Reread::Event(_)) {
        return Err("the sample is no order".into());
    }
    let mut criterion = Criterion::default().configure_from_args();
    criterion.bench_function("read a Shopify order into the queue's event", |bencher| {
        bencher.iter(read);
    });
    criterion.bench_function("sign a Shopify order", |bencher| {
        bencher.iter(|| verify::sign_shopify("secret", black_box(body.as_bytes())));
    });
    criterion.final_summary();
    Ok(())
}
