//! `events/`: samples of what each function is called with, for `sam local invoke` and for `bootstraps`.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use aws_lambda_events::event::dynamodb;
use aws_lambda_events::event::eventbridge::EventBridgeEvent;
use aws_lambda_events::event::sqs::SqsEvent;
use lambda_http::request::LambdaRequest;
use okaeri::local::WEBHOOK_SECRET;
use receive_order::verify::{Scheme, verify};
use serde::de::DeserializeOwned;

/// Reads an event, or ends the test.
type Reader = fn(&str);

/// The functions, and how each reads what it is called with.
const READERS: &[(&str, Reader)] = &[
    ("console", request),
    ("create-promotion", request),
    ("docs", request),
    ("landing", request),
    ("lapse-holds", read_as::<EventBridgeEvent>),
    ("mail-feedback", read_as::<SqsEvent>),
    ("order-completed", read_as::<SqsEvent>),
    ("receive-order", request),
    ("redeem-code", request),
    ("send-mail", read_as::<EventBridgeEvent>),
    ("tally", read_as::<dynamodb::Event>),
    ("watch", read_as::<EventBridgeEvent>),
];

/// The workspace's directory.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Names of all function crates.
pub(crate) fn functions() -> BTreeSet<String> {
    names(&root().join("functions"))
}

/// Names of all samples: `<function>.<case>`.
pub(crate) fn samples() -> BTreeSet<String> {
    let files = names(&root().join("events")).into_iter();
    files
        .filter_map(|file| file.strip_suffix(".json").map(str::to_owned))
        .collect()
}

/// The text of a sample.
pub(crate) fn sample(name: &str) -> String {
    let file: PathBuf = root().join("events").join(format!("{name}.json"));
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The function that a sample is for.
pub(crate) fn function_of(sample: &str) -> &str {
    sample.split_once('.').unwrap().0
}

fn names(directory: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

fn read_as<T: DeserializeOwned>(text: &str) {
    serde_json::from_str::<T>(text).unwrap();
}

/// Reads an HTTP API event through the gateway's own rules.
fn request(text: &str) {
    let event: serde_json::Value = serde_json::from_str(text).unwrap();
    let context = &event["requestContext"];
    assert_eq!(event["version"], "2.0");
    assert_eq!(event["rawPath"], context["http"]["path"]);
    assert_eq!(event["routeKey"], context["routeKey"]);
    let route = format!("RouteKey: {}\n", event["routeKey"].as_str().unwrap());
    assert!(template().contains(&route), "no {route}");
    // lambda_http panics on a host that is an address.
    let host = event["headers"]["host"].as_str().unwrap();
    assert!(host.parse::<IpAddr>().is_err(), "{host}");

    let request = as_request(text);
    assert_eq!(request.uri().path(), event["rawPath"]);
    assert_eq!(request.method().as_str(), context["http"]["method"]);
    let length = request.headers().get("content-length");
    let length = length.map_or("0", |length| length.to_str().unwrap());
    assert_eq!(request.body().len().to_string(), length);
}

fn as_request(text: &str) -> lambda_http::Request {
    serde_json::from_str::<LambdaRequest>(text).unwrap().into()
}

fn template() -> String {
    std::fs::read_to_string(root().join("template.yaml")).unwrap()
}

#[test]
fn every_function_has_a_sample_event_that_it_can_read() {
    let known: BTreeSet<String> = READERS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(known, functions());
    let sampled: BTreeSet<String> = samples()
        .iter()
        .map(|name| function_of(name).to_owned())
        .collect();
    assert_eq!(sampled, functions());
    for name in samples() {
        let (_, read) = READERS
            .iter()
            .find(|(function, _)| *function == function_of(&name))
            .unwrap();
        read(&sample(&name));
    }
}

#[test]
fn the_sample_webhooks_are_signed_with_the_local_secret() {
    for (name, scheme) in [
        ("receive-order.standard", Scheme::Standard),
        ("receive-order.shopify", Scheme::Shopify),
        ("receive-order.woocommerce", Scheme::WooCommerce),
        ("receive-order.stripe", Scheme::Stripe),
    ] {
        let request = as_request(&sample(name));
        let text = |name: &str| {
            request
                .headers()
                .get(name)
                .map(|value| value.to_str().unwrap())
        };
        let stripe = text("stripe-signature").map(|signature| &signature[2..12]);
        let signed_at = text("webhook-timestamp").or(stripe);
        let signed_at = signed_at.map_or(0, |at| at.parse().unwrap());
        let secrets = [WEBHOOK_SECRET.to_owned()];
        let verified = verify(
            scheme,
            &secrets,
            request.headers(),
            request.body(),
            signed_at,
        );
        assert_eq!(verified, Ok(()), "{name}");
    }
}
