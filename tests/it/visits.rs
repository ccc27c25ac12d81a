//! Visits from the items that count them to the sums, whatever becomes of requests and of the stream.

use std::collections::BTreeMap;

use aws_lambda_events::event::dynamodb::Event;
use axum::body::Body;
use http::Request;
use integration::faults::{Fault, FaultProxy, mix};
use integration::{Stack, stream_event};
use serde_json::{Value, json};
use shared::aws::Aws;
use shared::domain::link::{Slug, VisitPart, Visits};
use shared::domain::stats::{Figures, Known, Plan, Recount, Row, Standing};
use shared::env::Env;
use shared::store::Store;
use tower::ServiceExt as _;

use crate::links::{BROWSER, hanako, link};
use crate::shop::faults;

/// Every version of the items of two links over two days, in the order they were written.
fn busy_days(promotion: &Value) -> Vec<(VisitPart, Visits)> {
    let promotion_id: shared::domain::code::PromotionId =
        serde_json::from_value(promotion["id"].clone()).unwrap();
    let mut versions = Vec::new();
    for visits in 1..=6 {
        for (slug, channel) in [("hanako", "influencer/hanako"), ("google", "ad/google")] {
            for day in ["2026-11-22", "2026-11-23"] {
                for part in [0, 7] {
                    let part = VisitPart {
                        slug: Slug::try_from(slug.to_owned()).unwrap(),
                        day: day.parse().unwrap(),
                        part,
                    };
                    let counted = Visits {
                        visits,
                        promotion_id: promotion_id.clone(),
                        channel: channel.to_owned().try_into().unwrap(),
                    };
                    versions.push((part, counted));
                }
            }
        }
    }
    versions
}

/// A stream's event of these.
fn event(versions: &[(VisitPart, Visits)]) -> Event {
    let items = versions.iter().map(|(part, counted)| {
        let item: serde_dynamo::Item = serde_dynamo::to_item(counted).unwrap();
        let mut item = json!(item);
        item["pk"] = json!({"S": format!("visits#{part}")});
        item["sk"] = json!({"S": "visits"});
        item
    });
    stream_event(&items.collect::<Vec<_>>())
}

#[tokio::test]
async fn visits_are_summed_once_whatever_becomes_of_the_stream() {
    let stack = Stack::start().await;
    let promotion = hanako(&stack, json!({})).await;
    let versions = busy_days(&promotion);
    let mut last = BTreeMap::new();
    for (part, counted) in &versions {
        last.insert(part.clone(), counted.clone());
    }
    let standings: Vec<_> = last
        .iter()
        .map(|(part, counted)| Standing::of_visits(part, counted))
        .collect();
    let expected: BTreeMap<Row, Figures> =
        Plan::new(&standings, &Known::default(), Recount::Newer).rows;
    // Four rows of a day and channel, two of links.
    assert_eq!(expected.len(), 6);

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
    for (round, size) in [(0, 5), (1, 1), (2, 16)] {
        let mut told = versions.clone();
        match round {
            1 => told.reverse(),
            2 => told.rotate_left(17),
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
            if index % 3 == 0 {
                tokio::select! {
                    end = &mut run => drop(end.unwrap().unwrap()),
                    Some(()) = seen.recv() => {
                        run.abort();
                        kills += 1;
                        let _ = run.await;
                    }
                }
            } else {
                drop(run.await.unwrap().unwrap());
            }
        }
    }
    assert!(kills >= 3, "{kills}");
    for faulty in faults() {
        proxy.once("TransactWriteItems", faulty);
        loop {
            let answer = tally::handle(&tally, event(&versions)).await.unwrap();
            if answer.batch_item_failures.is_empty() {
                break;
            }
        }
    }
    let day = |text: &str| text.parse().unwrap();
    let id = serde_json::from_value(promotion["id"].clone()).unwrap();
    let rows = store.stats(&id, day("2020-01-01"), day("2120-01-01"));
    let rows: BTreeMap<Row, Figures> = rows
        .await
        .unwrap()
        .into_iter()
        .map(|(place, figures)| {
            let row = Row {
                promotion_id: id.clone(),
                place: Some(place),
                link: None,
            };
            (row, figures)
        })
        .collect();
    let days: BTreeMap<Row, Figures> = expected
        .into_iter()
        .filter(|(row, _)| row.place.is_some())
        .collect();
    assert_eq!(rows, days);
    assert_eq!(
        rows.values().map(|figures| figures.visits).sum::<i128>(),
        48
    );
}

#[tokio::test]
async fn a_visit_whose_outcome_is_unknown_counts_once_at_most_and_the_page_is_shown_all_the_same() {
    let stack = Stack::start().await;
    let promotion = hanako(&stack, json!({})).await;
    link(
        &stack,
        &promotion,
        json!({"slug": "hanako", "code": "HANAKO10"}),
    )
    .await;
    let proxy = FaultProxy::start(stack.running().dynamodb_url()).await;
    let env = stack.env_through(&proxy.url);
    let state = landing::State::load(&env, stack.clock().clone())
        .await
        .unwrap();
    let router = landing::router(state);
    let throttled = || Fault::refusal(400, "ProvisionedThroughputExceededException", "busy");
    let mut least = 0;
    for (fault, counts) in [
        (Fault::Pass, 1),
        (Fault::DropRequest, 0),
        (Fault::ApplyThenDropReply, 1),
        (Fault::ApplyThen500, 1),
        // Another part takes it.
        (throttled(), 1),
    ] {
        proxy.once("UpdateItem", fault);
        let request = Request::get("/l/hanako").header("user-agent", BROWSER);
        let request = request.body(Body::empty()).unwrap();
        let answer = router.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), 200);
        least += counts;
        stack.advance("PT0S").await;
        let counted = stack.admin("GET /v1/links/hanako", Value::Null).await;
        assert_eq!(counted.expect(200).body["visits"], least);
    }
}
