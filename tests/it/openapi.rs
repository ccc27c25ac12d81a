//! The OpenAPI document: what the code generates, what is reviewed and served, and whether the stack keeps to it.

use std::collections::BTreeSet;

use integration::Stack;
use okaeri::local::ADMIN_KEY;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::template;

fn document() -> Value {
    serde_json::from_str(docs::DOCUMENT).unwrap()
}

/// `METHOD /path` of every operation in the document.
fn operations(document: &Value) -> BTreeSet<String> {
    let mut operations = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            operations.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    operations
}

#[test]
fn the_reviewed_document_is_what_the_code_generates() {
    assert!(
        okaeri::openapi::document() == docs::DOCUMENT,
        "functions/docs/openapi.json is not what the code generates. Renew it and review what changed:\n\
         cargo run -q -p okaeri -- openapi > /tmp/openapi.json && mv /tmp/openapi.json functions/docs/openapi.json"
    );
}

/// What serves the page, and is no call.
const ASSETS: &str = "GET /docs/start.js";

#[test]
fn the_document_describes_every_call_and_no_other() {
    let described = operations(&document());
    let calls: BTreeSet<&str> = template::CALLS.iter().map(|(call, _)| *call).collect();
    let calls = calls.into_iter().filter(|call| *call != ASSETS);
    let matches = |pattern: &str, call: &str| {
        let (pattern, call) = (pattern.split('/'), call.split('/'));
        pattern.clone().count() == call.clone().count()
            && pattern
                .zip(call)
                .all(|(part, given)| part.starts_with('{') || part == given)
    };
    let mut found = BTreeSet::new();
    for call in calls {
        let operation = described.iter().find(|pattern| matches(pattern, call));
        found.insert(operation.unwrap_or_else(|| panic!("{call} is not described")));
    }
    assert_eq!(found, described.iter().collect());
}

#[test]
fn the_bounds_in_the_document_are_the_constants_of_the_code() {
    use shared::domain::{cart, follow_up, promotion, redemption};
    let document = document();
    let number = |value: usize| Value::from(value);
    for (place, bound) in [
        (
            "PromotionTerms/properties/name/maxLength",
            number(promotion::MAX_NAME_CHARS),
        ),
        (
            "Products/properties/include/maxItems",
            number(promotion::MAX_SKUS),
        ),
        (
            "Products/properties/exclude/maxItems",
            number(promotion::MAX_SKUS),
        ),
        (
            "Limits/properties/shards/maximum",
            promotion::MAX_SHARDS.into(),
        ),
        ("Cart/properties/lines/maxItems", number(cart::MAX_LINES)),
        (
            "CartLine/properties/quantity/maximum",
            cart::MAX_QUANTITY.into(),
        ),
        (
            "CartLine/properties/unit_price/maximum",
            cart::MAX_UNIT_PRICE.into(),
        ),
        (
            "QuoteRequest/properties/codes/maxItems",
            number(redemption::MAX_CODES),
        ),
        (
            "RedemptionRequest/properties/codes/maxItems",
            number(redemption::MAX_CODES),
        ),
        (
            "RedemptionRequest/properties/hold_seconds/maximum",
            redemption::MAX_HOLD_SECONDS.into(),
        ),
        (
            "FollowUpTerms/properties/name/maxLength",
            number(follow_up::MAX_NAME_CHARS),
        ),
        (
            "FollowUpTerms/properties/code_valid_days/maximum",
            follow_up::MAX_CODE_VALID_DAYS.into(),
        ),
        (
            "Variant/properties/name/maxLength",
            number(follow_up::MAX_VARIANT_NAME_CHARS),
        ),
        (
            "CodeLookup/properties/code/maxLength",
            number(shared::domain::code::MAX_TYPED_CHARS),
        ),
        (
            "NewCodes/properties/count/maximum",
            shared::domain::code::Serial::BATCH_END.into(),
        ),
    ] {
        let found = document.pointer(&format!("/components/schemas/{place}"));
        assert_eq!(found, Some(&bound), "{place}");
    }
    let limit = |path: &str| {
        let parameters = document["paths"][path]["get"]["parameters"].as_array();
        let limit = parameters
            .unwrap()
            .iter()
            .find(|one| one["name"] == "limit");
        limit.unwrap()["schema"]["maximum"].clone()
    };
    assert_eq!(limit("/v1/promotions"), shared::store::MAX_PAGE);
}

#[tokio::test]
async fn the_document_and_its_page_are_served_to_everybody() {
    let stack = Stack::start().await;
    let get = async |path| {
        stack
            .call("", &format!("GET {path}"), Value::Null)
            .await
            .expect(200)
    };
    let served = get("/v1/openapi.json").await;
    assert_eq!(served.text, docs::DOCUMENT);
    assert_eq!(served.headers["content-type"], "application/json");
    assert!(
        get("/docs")
            .await
            .text
            .contains("<title>Okaeri API</title>")
    );
    assert!(get("/docs/swagger-ui-bundle.js").await.text.len() > 100_000);
}

/// A code and a promotion as the document's examples name them.
const CODE: &str = "THX9-7K3M-9QXA-2F4T";
const PROMOTION: &str = "THX9";

/// What random calls are judged by. Valid data may well be refused: rules across fields are in no schema.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,\
    response_headers_conformance,negative_data_rejection,unsupported_method,ignored_auth";

/// The `schemathesis` command, or `None` if there is none and none is required.
fn schemathesis() -> Option<String> {
    let set = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
    let command = set("OKAERI_SCHEMATHESIS");
    if command.is_none() {
        let required = set("OKAERI_REQUIRE_ALL").is_some_and(|text| text == "1");
        assert!(!required, "OKAERI_SCHEMATHESIS is not set");
        #[expect(clippy::print_stderr, reason = "says why nothing was tested")]
        {
            eprintln!("skipped: OKAERI_SCHEMATHESIS names no schemathesis command");
        }
    }
    command
}

/// Answers may gain fields, so the document leaves them open; here each must be described.
fn close_answers(document: &mut Value) {
    let schemas = document["components"]["schemas"].as_object_mut().unwrap();
    for schema in schemas.values_mut().filter_map(Value::as_object_mut) {
        if schema.contains_key("properties") {
            let closed = "additionalProperties".to_owned();
            schema.entry(closed).or_insert(json!(false));
        }
    }
}

#[tokio::test]
async fn no_random_call_is_answered_otherwise_than_the_document_says() {
    let Some(command) = schemathesis() else {
        return;
    };
    let stack = Stack::start().await;
    let served = stack.call("", "GET /v1/openapi.json", Value::Null).await;
    let promotion = stack.promotion(json!({"claim_code": "group"})).await;
    let id = promotion["id"].as_str().unwrap();
    let word = json!({"code": "HANAKO24"});
    let added = stack
        .admin(&format!("POST /v1/promotions/{id}/codes"), word)
        .await;
    added.expect(201);
    // Its examples name this promotion and code, so that they get past "there is none".
    let served = served.expect(200).text;
    let served = served.replace(CODE, "HANAKO24").replace(PROMOTION, id);
    let mut document: Value = serde_json::from_str(&served).unwrap();
    close_answers(&mut document);
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("openapi.json"), document.to_string()).unwrap();
    let output = Command::new(command)
        .current_dir(directory.path())
        .args(["run", "openapi.json", "--url", stack.running().url()])
        .args(["--header", &format!("Authorization: Bearer {ADMIN_KEY}")])
        .args([
            "--checks",
            CHECKS,
            "--phases",
            "examples,coverage,fuzzing,stateful",
        ])
        .args([
            "--max-examples",
            "20",
            "--seed",
            "20261122",
            "--continue-on-failure",
        ])
        .args(["--suppress-health-check", "all", "--no-color"])
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    let (_, summary) = said.split_once("Test cases:").unwrap();
    let cases: u64 = summary.split_whitespace().next().unwrap().parse().unwrap();
    assert!(cases > 1_000, "{said}");
}
