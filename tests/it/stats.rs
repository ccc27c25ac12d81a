//! Statistics: what was counted against what the orders' records say, whatever happens on the way.

use std::collections::BTreeMap;

use aws_lambda_events::event::dynamodb::Event;
use integration::faults::{FaultProxy, mix};
use integration::{Stack, completed, redemption, stream_event};
use serde_json::{Value, json};
use shared::aws::Aws;
use shared::domain::code::PromotionId;
use shared::domain::figures::Named as _;
use shared::domain::redemption::Redemption;
use shared::domain::stats::{Figures, Known, Plan, Recount, Row, Standing};
use shared::env::Env;
use shared::store::Store;

use crate::doctor::table::{Table, sk};
use crate::shop::{faults, hold};

/// Waits until the stack has counted all that was written.
async fn counted(stack: &Stack) {
    stack.advance("PT0S").await;
}

async fn stats(stack: &Stack, promotion: &Value, query: &str) -> Value {
    let id = promotion["id"].as_str().unwrap();
    let call = format!("GET /v1/promotions/{id}/stats{query}");
    stack.admin(&call, Value::Null).await.expect(200).body
}

/// The figures of a row or of the totals that are not zero.
fn figures(sums: &Value) -> BTreeMap<String, u64> {
    let all = sums.as_object().unwrap().iter();
    all.filter_map(|(name, value)| Some((name.clone(), value.as_u64().filter(|value| *value > 0)?)))
        .collect()
}

fn expected(figures: &[(&str, u64)]) -> BTreeMap<String, u64> {
    let named = figures.iter();
    named
        .map(|(name, value)| ((*name).to_owned(), *value))
        .collect()
}

fn by(customer: &str, codes: &[&str]) -> Value {
    let mut body = redemption(codes);
    body["customer"] = json!({"email": customer});
    body
}

#[tokio::test]
async fn a_promotion_tells_what_each_channel_and_day_brought_and_cost() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({"claim_code": "group"})).await;
    let path = format!(
        "POST /v1/promotions/{}/codes",
        promotion["id"].as_str().unwrap()
    );
    for (word, channel) in [
        ("HANAKO10", Some("influencer/hanako")),
        ("TARO2026", Some("influencer/taro")),
        ("PLAINTEA", None),
    ] {
        let mut body = json!({"code": word});
        if let Some(channel) = channel {
            body["channel"] = json!(channel);
        }
        stack.admin(&path, body).await.expect(201);
    }
    let redeem = async |order: &str, customer: &str, word: &str| {
        let call = format!("PUT /v1/redemptions/{order}");
        stack
            .checkout(&call, by(customer, &[word]))
            .await
            .expect(201)
    };
    redeem("1", "hanako@example.jp", "HANAKO10").await;
    redeem("2", "hanako@example.jp", "HANAKO10").await;
    redeem("3", "taro@example.jp", "TARO2026").await;
    stack.advance("P1D").await;
    redeem("4", "jiro@example.jp", "PLAINTEA").await;
    stack
        .checkout("POST /v1/redemptions/2/cancel", Value::Null)
        .await
        .expect(200);
    let lines = json!({"return_id": "r1", "lines": [{"line": 0, "quantity": 1}]});
    stack
        .checkout("POST /v1/redemptions/3/returns", lines)
        .await
        .expect(200);
    counted(&stack).await;

    let days = stats(&stack, &promotion, "").await;
    let totals = [
        ("redemptions", 4),
        ("cancelled", 1),
        ("returned", 1),
        ("returned_discount", 198),
        ("buyers", 3),
        ("revenue", 3 * 3564),
        ("discount", 3 * 396),
    ];
    assert_eq!(figures(&days["totals"]), expected(&totals), "{days}");
    assert_eq!(days["totals"]["conversion"], Value::Null);
    assert_eq!(
        (&days["currency"], &days["by"]),
        (&json!("JPY"), &json!("day"))
    );
    let rows = days["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2, "{days}");
    assert_eq!(
        (&rows[0]["key"], &rows[1]["key"]),
        (&days["from"], &days["to"])
    );
    assert_eq!(
        figures(&rows[1]),
        expected(&[
            ("redemptions", 1),
            ("buyers", 1),
            ("revenue", 3564),
            ("discount", 396)
        ])
    );

    let channels = stats(&stack, &promotion, "?by=channel").await;
    assert_eq!(channels["totals"], days["totals"]);
    let rows = channels["rows"].as_array().unwrap();
    let keys: Vec<&Value> = rows.iter().map(|row| &row["key"]).collect();
    assert_eq!(
        keys,
        [
            &json!("influencer/hanako"),
            &json!("influencer/taro"),
            &Value::Null
        ]
    );
    assert_eq!(
        figures(&rows[0]),
        expected(&[
            ("redemptions", 2),
            ("cancelled", 1),
            ("buyers", 1),
            ("revenue", 3564),
            ("discount", 396)
        ])
    );

    let first = format!("?from={0}&to={0}", days["from"].as_str().unwrap());
    assert_eq!(
        stats(&stack, &promotion, &first).await["totals"]["redemptions"],
        3
    );
}

#[tokio::test]
async fn minted_codes_count_for_their_batchs_channel_and_a_sent_mail_for_its_variants() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    let path = format!("/v1/promotions/{}/codes", promotion["id"].as_str().unwrap());
    let mint = json!({"count": 3, "channel": "ad/google-nov"});
    stack.admin(&format!("POST {path}"), mint).await.expect(201);
    let page = stack
        .admin(&format!("GET {path}"), Value::Null)
        .await
        .expect(200)
        .body;
    stack
        .redeem("1", page["codes"][0]["code"].as_str().unwrap())
        .await
        .expect(201);
    stack.follow_up(&promotion, json!({})).await;
    stack
        .standard_webhook(stack.clock(), &completed("1", json!({})))
        .await
        .expect(200);
    stack.advance("P3D").await;
    let channels = stats(&stack, &promotion, "?by=channel").await;
    let rows = channels["rows"].as_array().unwrap();
    assert_eq!(rows[0]["key"], "ad/google-nov", "{channels}");
    assert_eq!(rows[0]["redemptions"], 1);
    assert_eq!(rows[1]["key"], "thank-you/10--after-3-days", "{channels}");
    assert_eq!(figures(&rows[1]), expected(&[("mails", 1)]));
}

#[tokio::test]
async fn spent_of_a_promotion_without_limits_is_what_its_orders_draw_holds_included() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    let codes = stack.codes(&promotion, 3).await;
    stack.redeem("1", &codes[0]).await.expect(201);
    stack.redeem("2", &codes[1]).await.expect(201);
    stack
        .checkout("PUT /v1/redemptions/3", hold(&codes[2]))
        .await
        .expect(201);
    stack
        .checkout("POST /v1/redemptions/1/cancel", Value::Null)
        .await
        .expect(200);
    counted(&stack).await;
    let read = format!("GET /v1/promotions/{}", promotion["id"].as_str().unwrap());
    let read = async || stack.admin(&read, Value::Null).await.expect(200).body["spent"].clone();
    assert_eq!(read().await, json!({"amount": 792, "redemptions": 2}));
    // A hold is no redemption, and once it is over draws nothing.
    assert_eq!(
        stats(&stack, &promotion, "").await["totals"]["redemptions"],
        2
    );
    stack.advance("PT2M").await;
    assert_eq!(read().await, json!({"amount": 396, "redemptions": 1}));
}

#[tokio::test]
async fn what_is_no_range_of_days_is_pointed_at() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    let id = promotion["id"].as_str().unwrap();
    for (query, pointer) in [
        ("?from=yesterday", "/from"),
        ("?from=2024-01-01&to=2026-01-01", "/from"),
        ("?from=2026-11-02&to=2026-11-01", "/to"),
        ("?by=week", ""),
        ("?until=2026-11-01", ""),
    ] {
        let call = format!("GET /v1/promotions/{id}/stats{query}");
        let answer = stack.admin(&call, Value::Null).await.expect(400);
        assert_eq!(answer.pointers(), [pointer], "{query}");
    }
    stack
        .admin("GET /v1/promotions/0000/stats", Value::Null)
        .await
        .expect(404);
}

/// Every version of every order's record of a busy life, in the order they were written.
async fn busy_life(stack: &Stack, promotion: &Value) -> Vec<Redemption> {
    let path = format!(
        "POST /v1/promotions/{}/codes",
        promotion["id"].as_str().unwrap()
    );
    stack
        .admin(
            &path,
            json!({"code": "HANAKO10", "channel": "influencer/hanako"}),
        )
        .await
        .expect(201);
    let store = stack.running().store().unwrap();
    let mut versions = Vec::new();
    let mut told = async |order: &str| {
        let order = order.to_owned().try_into().unwrap();
        let record: Redemption = store.redemption(&order).await.unwrap().unwrap();
        if !versions.contains(&record) {
            versions.push(record);
        }
    };
    for order in 0..16 {
        let id = order.to_string();
        let put = format!("PUT /v1/redemptions/{order}");
        let then = |what: &str| format!("POST /v1/redemptions/{order}/{what}");
        let mut body = by(&format!("buyer{}@example.jp", order % 5), &["HANAKO10"]);
        if order % 4 == 3 {
            body["hold_seconds"] = json!(60);
        }
        stack.checkout(&put, body.clone()).await.expect(201);
        told(&id).await;
        match order % 8 {
            1 => stack
                .checkout(&then("cancel"), Value::Null)
                .await
                .expect(200),
            2 => {
                let lines = json!({"return_id": "r", "lines": [{"line": 0, "quantity": 1}]});
                stack.checkout(&then("returns"), lines).await.expect(200)
            }
            3 => stack
                .checkout(&then("confirm"), Value::Null)
                .await
                .expect(200),
            7 => {
                stack.advance("PT2M").await;
                told(&id).await;
                stack.checkout(&put, body).await.expect(201)
            }
            _ => continue,
        };
        told(&id).await;
    }
    versions
}

/// A stream's event of these records.
fn event(records: &[Redemption]) -> Event {
    let items = records.iter().map(|record| {
        let item: serde_dynamo::Item = serde_dynamo::to_item(record).unwrap();
        let mut item = json!(item);
        item["pk"] = json!({"S": format!("order#{}", record.order_id)});
        item["sk"] = json!({"S": "redemption"});
        item
    });
    stream_event(&items.collect::<Vec<_>>())
}

/// The rows that a fold of the last versions comes to; without channels, which only the stack's own table knows.
fn fold(versions: &[Redemption]) -> BTreeMap<Row, Figures> {
    let mut last = BTreeMap::new();
    for record in versions {
        last.insert(record.order_id.clone(), record);
    }
    let zone = chrono_tz::Asia::Tokyo;
    let standings: Vec<_> = last
        .values()
        .map(|record| Standing::of_redemption(record, zone, &[]))
        .collect();
    Plan::new(&standings, &Known::default(), Recount::Newer).rows
}

/// All rows of a promotion that say anything.
async fn rows_of(store: &Store, id: &PromotionId) -> BTreeMap<Row, Figures> {
    let day = |text: &str| text.parse().unwrap();
    let placed = store
        .stats(id, day("2020-01-01"), day("2120-01-01"))
        .await
        .unwrap();
    let placed = placed
        .into_iter()
        .map(|(place, figures)| (Some(place), figures));
    let spent = (None, store.spent_by_stats(id).await.unwrap());
    let rows = placed
        .chain([spent])
        .filter(|(_, figures)| !figures.is_zero());
    rows.map(|(place, figures)| {
        let promotion_id = id.clone();
        (
            Row {
                promotion_id,
                place,
                link: None,
            },
            figures,
        )
    })
    .collect()
}

#[tokio::test]
async fn the_sums_are_those_of_the_records_whatever_becomes_of_the_stream_and_a_rebuilding_restores_them()
 {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({"claim_code": "group"})).await;
    let versions = busy_life(&stack, &promotion).await;
    counted(&stack).await;
    let expected = fold(&versions);

    // Another table, so that only this test counts there: out of order, in batches, twice, with faults, and killed.
    let proxy = FaultProxy::start(stack.running().dynamodb_url()).await;
    let settings = |url: &str| {
        let mut settings = stack.settings_through(url);
        settings.insert("TABLE_NAME".to_owned(), "counted".to_owned());
        Env::from_map(settings)
    };
    let env = settings(stack.running().dynamodb_url());
    let store = Store::connect(&env, &Aws::from_env(&env).unwrap()).unwrap();
    store.create_table().await.unwrap();
    let tally = tally::State::load(&settings(&proxy.url), stack.clock().clone())
        .await
        .unwrap();
    let mut kills = 0;
    for (round, size) in [(0, 3), (1, 1), (2, 7)] {
        let mut told = versions.clone();
        match round {
            0 => told.reverse(),
            1 => told.rotate_left(5),
            _ => {}
        }
        for (index, batch) in told.chunks(size).enumerate() {
            let (tally, event) = (tally.clone(), event(batch));
            let mut faulty = mix(u64::try_from(index * 3 + round).unwrap(), 30);
            let (begun, mut seen) = tokio::sync::mpsc::unbounded_channel();
            proxy.plan(move |operation| {
                if operation == "TransactWriteItems" {
                    let _ = begun.send(());
                }
                faulty(operation)
            });
            let mut run = tokio::spawn(async move { tally::handle(&tally, event).await });
            let mut ended = None;
            if round == 0 || index % 3 == 0 {
                tokio::select! {
                    end = &mut run => ended = Some(end),
                    Some(()) = seen.recv() => {
                        // The transaction is on its way.
                        run.abort();
                        kills += 1;
                    }
                }
            }
            let ended = match ended {
                Some(ended) => ended,
                None => run.await,
            };
            match ended {
                Ok(answered) => drop(answered.unwrap()),
                Err(ended) => assert!(ended.is_cancelled()),
            }
        }
    }
    assert!(kills >= 6, "{kills}");
    let mut left = versions.clone();
    while !left.is_empty() {
        let answer = tally::handle(&tally, event(&left)).await.unwrap();
        if answer.batch_item_failures.is_empty() {
            left.clear();
        }
    }
    for faulty in faults() {
        // Told again from the start, each version by itself.
        proxy.once("TransactWriteItems", faulty);
        for version in versions.chunks(1) {
            let answer = tally::handle(&tally, event(version)).await.unwrap();
            assert!(answer.batch_item_failures.is_empty());
        }
    }
    let id = promotion["id"]
        .as_str()
        .unwrap()
        .to_owned()
        .try_into()
        .unwrap();
    assert_eq!(rows_of(&store, &id).await, expected);

    // The stack counted the same, by channel.
    let totals = stats(&stack, &promotion, "").await["totals"].clone();
    let sum = expected
        .values()
        .fold(Figures::default(), |mut sum, figures| {
            sum += *figures;
            sum
        });
    for name in [
        "redemptions",
        "cancelled",
        "returned",
        "returned_discount",
        "buyers",
        "revenue",
        "discount",
    ] {
        let parts = sum.parts();
        let part = parts.iter().find(|(known, _)| *known == name).unwrap().1;
        assert_eq!(
            totals[name].as_i64().map(i128::from),
            Some(part),
            "{name}: {totals}"
        );
    }

    // Whatever is lost of the stack's sums comes back from the ledger.
    let own = stack.running().store().unwrap();
    let clean = own
        .rebuild_stats(chrono_tz::Asia::Tokyo, stack.clock().now())
        .await
        .unwrap();
    assert_eq!((clean.recounted, clean.repaired, clean.open), (0, 0, 0));
    let table = Table::of(&stack);
    let mut row = table
        .all_items()
        .await
        .into_iter()
        .find(|item| sk(item).starts_with("day#"))
        .unwrap();
    row["redemptions"] = json!({"N": "1"});
    table.put(&row).await;
    assert_ne!(stats(&stack, &promotion, "").await["totals"], totals);
    let repaired = own
        .rebuild_stats(chrono_tz::Asia::Tokyo, stack.clock().now())
        .await
        .unwrap();
    assert_eq!((repaired.repaired, repaired.open), (1, 0));
    assert_eq!(stats(&stack, &promotion, "").await["totals"], totals);
}
