//! The demo: a month of made-up trade that always comes to the same, and that every figure adds up to.

use std::collections::BTreeMap;

use integration::{Caller, Stack, books};
use okaeri::local::demo::{self, Ledger, Size};
use okaeri::local::{Options, Place};
use serde_json::{Value, json};

/// A fortnight of a small shop.
const SMALL: Size = Size {
    seed: 5,
    days: 12,
    orders: 80,
};

/// A stack of the small shop, and what happened on it.
async fn played() -> (Stack, Ledger) {
    let stack = Stack::start_with(SMALL.begun(Options {
        port: 0,
        ..Options::default()
    }))
    .await;
    let ledger = demo::fill(stack.running(), SMALL, &|_, _| ())
        .await
        .unwrap();
    stack.advance("PT0S").await;
    (stack, ledger)
}

/// What the API says of every promotion and follow-up, by the demo's own names for them.
async fn figures(stack: &Caller, ledger: &Ledger) -> BTreeMap<String, Value> {
    let mut said = BTreeMap::new();
    for (name, id) in &ledger.promotions {
        for by in ["day", "channel"] {
            let call = format!("GET /v1/promotions/{id}/stats?by={by}");
            let stats = stack.admin(&call, Value::Null).await.expect(200).body;
            said.insert(
                format!("{name} by {by}"),
                json!([stats["rows"], stats["totals"]]),
            );
        }
        let promotion = stack
            .admin(&format!("GET /v1/promotions/{id}"), Value::Null)
            .await;
        let body = promotion.expect(200).body;
        said.insert(
            format!("{name} stands"),
            json!([body["status"], body["spent"], body["minted"]]),
        );
    }
    for (name, id) in &ledger.follow_ups {
        let call = format!("GET /v1/follow-ups/{id}/results");
        let results = stack.admin(&call, Value::Null).await.expect(200).body;
        said.insert((*name).to_owned(), results["arms"].clone());
    }
    said
}

/// Those of `sums` that `said` has under another number.
fn differences(said: &Value, sums: &books::Sums) -> Vec<String> {
    let named = said.as_object().unwrap().iter();
    let numbers = named.filter(|(name, number)| {
        number.is_u64() && !name.ends_with("_per_buyer") && *name != "cost"
    });
    let wrong = numbers.filter(|(name, number)| {
        sums.get(name.as_str()).copied().unwrap_or_default() != number.as_u64().unwrap()
    });
    wrong
        .map(|(name, number)| format!("{name}: {number}, not {:?}", sums.get(name.as_str())))
        .collect()
}

/// Holds what products sold before each promotion and since against what the shop told.
async fn compare_sales(stack: &Caller, ledger: &Ledger) {
    let mut compared = 0;
    for (name, id) in &ledger.promotions {
        let read = async |of: &str| {
            let call = format!("GET /v1/promotions/{id}{of}");
            stack.admin(&call, Value::Null).await.expect(200).body
        };
        let (promotion, said) = (read("").await, read("/comparison").await);
        for period in ["before", "since"] {
            let said = &said[period];
            let Some(sums) = books::sales(ledger, &promotion, said) else {
                assert!(said.is_null(), "{name} {period}: {said}");
                assert_eq!(promotion["status"], "scheduled", "{name}");
                continue;
            };
            let figure = |name: &str| said[name].as_u64().unwrap();
            assert_eq!((figure("units"), figure("sales")), sums, "{name} {period}");
            compared += u64::from(sums.0 > 0);
        }
    }
    assert!(compared > 6, "{compared}");
}

#[tokio::test]
async fn the_demo_comes_to_the_same_figures_twice_and_each_is_the_sum_of_what_was_done() {
    let ((first, one), (second, other)) = tokio::join!(played(), played());
    let said = figures(&first, &one).await;
    for (name, figures) in figures(&second, &other).await {
        assert_eq!(said[&name], figures, "{name}");
    }

    for (name, id) in &one.promotions {
        let rows = books::stats(&one, id);
        let totals = &said[&format!("{name} by day")][1];
        assert_eq!(
            differences(totals, &books::total(rows.values())),
            [""; 0],
            "{name}"
        );
        for by in ["day", "channel"] {
            let mut expected: BTreeMap<Option<String>, books::Sums> = BTreeMap::new();
            for ((day, channel), sums) in &rows {
                let key = if by == "day" {
                    Some(day.to_string())
                } else {
                    channel.clone()
                };
                let row = expected.entry(key).or_default();
                *row = books::total([&*row, sums]);
            }
            for row in said[&format!("{name} by {by}")][0].as_array().unwrap() {
                let key = row["key"].as_str().map(str::to_owned);
                let sums = expected.remove(&key).unwrap_or_default();
                assert_eq!(differences(row, &sums), [""; 0], "{name} {key:?}");
            }
            assert!(expected.is_empty(), "{name}: {expected:?}");
        }
    }
    compare_sales(&first, &one).await;
    for name in ["thanks", "welcome"] {
        let mut expected = books::results(&one, name);
        for arm in said[name].as_array().unwrap() {
            let sums = expected
                .remove(arm["name"].as_str().unwrap())
                .unwrap_or_default();
            assert_eq!(differences(arm, &sums), [""; 0], "{name} {}", arm["name"]);
        }
        assert!(expected.is_empty(), "{name}: {expected:?}");
    }
}

#[tokio::test]
async fn the_demo_has_something_to_show_of_everything() {
    let (stack, ledger) = played().await;
    let said = figures(&stack, &ledger).await;
    let status = |name: &str| said[&format!("{name} stands")][0].clone();
    for (name, expected) in [
        ("influencer", "active"),
        ("tiers", "paused"),
        ("bundle", "ended"),
        ("shipping", "ended"),
        ("festival", "scheduled"),
    ] {
        assert_eq!(status(name), expected, "{name}");
    }
    assert!(ledger.sales.len() == SMALL.orders);
    let some = |what: &str, found: bool| assert!(found, "the demo shows no {what}");
    let of = |status: &str| {
        let answers = ledger
            .sales
            .iter()
            .filter_map(|sale| sale.redemption.as_ref());
        answers.filter(|answer| answer["status"] == status).count()
    };
    some("cancelled order", of("cancelled") > 0);
    some("hold", of("held") > 0);
    some(
        "return",
        ledger.sales.iter().any(|sale| {
            sale.redemption
                .as_ref()
                .is_some_and(|answer| !answer["returns"].is_null())
        }),
    );
    some(
        "refused code",
        ledger.sales.iter().any(|sale| sale.refused.is_some()),
    );

    some("person who is forgotten", !ledger.forgotten.is_empty());
    let unreconciled = stack
        .admin("GET /v1/orders/TEL-0007", Value::Null)
        .await
        .expect(200);
    some(
        "unreconciled order",
        !unreconciled.body["unreconciled"].is_null(),
    );
    let arms = said["welcome"].as_array().unwrap();
    some("bounce", arms[0]["bounced"].as_u64() == Some(2));
    // Addresses belong to nobody.
    for mail in &ledger.mails {
        let nobodys = [
            "@example.jp",
            "@example.com",
            "@example.org",
            "@simulator.amazonses.com",
        ];
        assert!(
            nobodys.iter().any(|domain| mail.email.ends_with(domain)),
            "{}",
            mail.email
        );
    }
}

#[tokio::test]
async fn the_demo_leaves_data_alone_and_what_it_made_goes_on_at_the_present() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::Directory(folder.path().join("data"));
    let options = Options {
        port: 0,
        place: place.clone(),
        ..Options::default()
    };
    let size = Size {
        days: 10,
        orders: 12,
        ..SMALL
    };
    let (stack, ledger) = demo::start(options.clone(), size, &|_, _| ())
        .await
        .unwrap();
    let before = figures(&Caller::new(stack.url()), &ledger).await;
    stack.stop().await;

    let refused = demo::start(options.clone(), size, &|_, _| ())
        .await
        .unwrap_err();
    assert!(
        refused.to_string().contains("holds data already"),
        "{refused}"
    );

    let stack = Stack::start_with(options).await;
    assert_eq!(figures(&stack, &ledger).await, before);
    let time = stack
        .call("", "GET /local/clock", Value::Null)
        .await
        .expect(200)
        .body;
    assert_eq!(time["offset_seconds"], 0);
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}
