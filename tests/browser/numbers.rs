//! After the demo: what pages say is what was done.

use std::collections::BTreeMap;

use integration::{Stack, books, stream_event};
use okaeri::local::Options;
use okaeri::local::demo::{self, Ledger, Size};
use serde_json::{Value, json};

use crate::page::{Lang, Visitor};
use crate::staff::at_work;

/// A smaller month than the demo's own, so that it is soon over.
const SIZE: Size = Size {
    seed: 18,
    days: 21,
    orders: 160,
};
/// Words in which pages name the sums of a promotion, in Japanese and English, beside the API's own.
const ALL_FIGURES: [(&str, &str, &str); 8] = [
    (
        "redemptions",
        "利用回数（取消を含む）",
        "Redemptions, cancelled ones included",
    ),
    ("cancelled", "うち取消", "Of these cancelled"),
    ("returned", "うち返品あり", "Of these with returns"),
    (
        "buyers",
        "初めて利用した人",
        "People who used it for the first time",
    ),
    (
        "revenue",
        "コード利用売上（取消を除く）",
        "Revenue with code, without cancelled orders",
    ),
    (
        "discount",
        "割引総額（取消を除く）",
        "Discount given, without cancelled orders",
    ),
    (
        "returned_discount",
        "返品された商品の割引",
        "Discount of returned goods",
    ),
    ("mails", "配信したメール", "Mails sent with a code"),
];
const CHANNEL_FIGURES: [(&str, &str, &str); 4] = [
    ("visits", "訪問数", "Visits"),
    ("redemptions", "利用回数", "Redemptions"),
    ("revenue", "コード利用売上", "Revenue with code"),
    ("discount", "割引総額", "Discount given"),
];
const ARM_FIGURES: [(&str, &str, &str); 5] = [
    ("assigned", "対象人数", "Assigned"),
    ("mailed", "配信数", "Mailed"),
    ("delivered", "到達数", "Delivered"),
    ("bounced", "不達", "Bounced"),
    ("redeemed", "利用回数", "Redeemed"),
];

/// The rows of a page's tables: the words at their head, and below them each cell by the word above it.
async fn rows(visitor: &Visitor, selector: &str) -> Vec<(String, BTreeMap<String, String>)> {
    let script = r"
        const words = (one) => one.innerText.replace(/\s+/g, ' ').trim();
        return [...document.querySelectorAll(arguments[0])].map((row) => [
          words(row.querySelector('th')),
          Object.fromEntries([...row.querySelectorAll('td')].map((cell) => [cell.dataset.label ?? '', words(cell)])),
        ]);";
    let found = visitor.session().run(script, json!([selector])).await;
    serde_json::from_value(found).unwrap()
}

/// The digits of a figure, without what is beside it.
fn digits(text: &str) -> u64 {
    let figure = text.split(['/', ' ']).next().unwrap();
    let digits: String = figure.chars().filter(char::is_ascii_digit).collect();
    digits
        .parse()
        .unwrap_or_else(|_| panic!("{text:?} is no figure"))
}

fn sum(sums: &books::Sums, name: &str) -> u64 {
    sums.get(name).copied().unwrap_or_default()
}

/// Compares every page of figures with the fold of the ledger.
async fn compare(visitor: &Visitor, stack: &Stack, ledger: &Ledger) {
    let lang = visitor.lang;
    visitor.visit("/console/promotions?view=all").await;
    let listed = rows(visitor, "tbody tr").await;
    assert_eq!(listed.len(), ledger.promotions.len(), "{listed:?}");
    for (name, id) in &ledger.promotions {
        let now = stack.clock().now();
        let spent = books::spent(ledger, id, now, *name == "ads");
        let (_, cells) = listed
            .iter()
            .find(|(head, _)| head.ends_with(id.as_str()))
            .unwrap();
        assert_eq!(
            digits(&cells[lang.pick("利用回数", "Redemptions")]),
            spent.uses,
            "{name}"
        );
        assert_eq!(
            digits(&cells[lang.pick("割引総額", "Discount given")]),
            spent.amount,
            "{name}"
        );

        let stats = books::stats(ledger, id);
        let total = books::total(stats.values());
        visitor.visit(&format!("/console/promotions/{id}")).await;
        if !total.is_empty() {
            let shown = rows(visitor, "main table:not(.stacked) tbody tr").await;
            for (figure, ja, en) in ALL_FIGURES {
                let (_, cells) = shown
                    .iter()
                    .find(|(head, _)| head == lang.pick(ja, en))
                    .unwrap();
                assert_eq!(digits(&cells[""]), sum(&total, figure), "{name}: {figure}");
            }
        }
        compare_sales(visitor, stack, ledger, id).await;
        let mut channels: BTreeMap<Option<String>, books::Sums> = BTreeMap::new();
        for ((_, channel), sums) in &stats {
            let row = channels.entry(channel.clone()).or_default();
            *row = books::total([&*row, sums]);
        }
        visitor
            .visit(&format!("/console/promotions/{id}/channels"))
            .await;
        let shown = rows(visitor, "table.stacked tbody tr").await;
        for (channel, sums) in &channels {
            let head = channel
                .as_deref()
                .unwrap_or(lang.pick("経路なし", "No channel"));
            let (_, cells) = shown
                .iter()
                .find(|(known, _)| known == head)
                .unwrap_or_else(|| panic!("{name}: no {head}"));
            for (figure, ja, en) in CHANNEL_FIGURES {
                assert_eq!(
                    digits(&cells[lang.pick(ja, en)]),
                    sum(sums, figure),
                    "{name} {head}: {figure}"
                );
            }
        }
    }
    for (name, id) in &ledger.follow_ups {
        visitor
            .visit(&format!("/console/follow-ups/{id}/results"))
            .await;
        let shown = rows(visitor, "table.stacked tbody tr").await;
        for (arm, sums) in books::results(ledger, name) {
            let word = if arm == "holdout" {
                lang.pick("比較用グループ（配信なし）", "Hold-out")
            } else {
                &arm
            };
            let (_, cells) = shown
                .iter()
                .find(|(head, _)| head.starts_with(word))
                .unwrap_or_else(|| panic!("{name}: no {arm}: {shown:?}"));
            for (figure, ja, en) in ARM_FIGURES {
                let (_, cell) = cells
                    .iter()
                    .find(|(label, _)| label.starts_with(lang.pick(ja, en)))
                    .unwrap_or_else(|| panic!("{name}: no {figure}: {cells:?}"));
                // The hold-out gets no mail, which is no number.
                if cell.starts_with('—') {
                    assert_eq!(sum(&sums, figure), 0, "{name} {arm}: {figure}");
                } else {
                    assert_eq!(digits(cell), sum(&sums, figure), "{name} {arm}: {figure}");
                }
            }
        }
    }
    today(visitor, stack, ledger).await;
}

/// What the products of a promotion sold before it and since, on its tab of these.
async fn compare_sales(visitor: &Visitor, stack: &Stack, ledger: &Ledger, id: &str) {
    let lang = visitor.lang;
    visitor
        .visit(&format!("/console/promotions/{id}/sales"))
        .await;
    let read = async |of: &str| {
        let call = format!("GET /v1/promotions/{id}{of}");
        stack.admin(&call, Value::Null).await.expect(200).body
    };
    let (promotion, said) = (read("").await, read("/comparison").await);
    let shown = rows(visitor, "main table:not(.stacked) tbody tr").await;
    for (period, ja, en) in [("before", "開始前", "Before"), ("since", "開始後", "Since")] {
        let found = shown
            .iter()
            .find(|(head, _)| head.starts_with(lang.pick(ja, en)));
        let sums = books::sales(ledger, &promotion, &said[period]);
        let cells = found.map(|(_, cells)| {
            let figure = |ja, en| digits(&cells[lang.pick(ja, en)]);
            (figure("販売数", "Units"), figure("売上", "Sales"))
        });
        assert_eq!(cells, sums, "{id} {period}: {shown:?}");
    }
}

/// The figures of today on the first page.
async fn today(visitor: &Visitor, stack: &Stack, ledger: &Ledger) {
    let day = books::day(stack.clock().now());
    let mut sums = books::Sums::new();
    for id in ledger.promotions.values() {
        let stats = books::stats(ledger, id);
        let of_today = stats
            .iter()
            .filter(|((at, _), _)| *at == day)
            .map(|(_, sums)| sums);
        sums = books::total(of_today.chain([&sums]));
    }
    visitor.visit("/console").await;
    let shown = visitor.texts("dl.figures dd").await;
    let begins =
        |text: &str| text.starts_with(|first: char| first.is_ascii_digit() || first == '¥');
    for figure in ["redemptions", "discount", "revenue", "mails"] {
        let expected = sum(&sums, figure);
        assert!(
            shown
                .iter()
                .any(|text| begins(text) && digits(text) == expected),
            "today's {figure} is {expected}: {shown:?}"
        );
    }
}

/// Every item of the stack's table, as the stream shows it.
async fn images(stack: &Stack) -> Vec<Value> {
    let http = reqwest::Client::new();
    let (mut found, mut from) = (Vec::new(), Value::Null);
    loop {
        let mut body = json!({"TableName": stack.running().settings()["TABLE_NAME"]});
        if !from.is_null() {
            body["ExclusiveStartKey"] = from;
        }
        let answer = http
            .post(stack.running().dynamodb_url())
            .header("x-amz-target", "DynamoDB_20120810.Scan")
            .header("content-type", "application/x-amz-json-1.0")
            .header("authorization", "AWS4-HMAC-SHA256 Credential=local/20260101/ap-northeast-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0")
            .header("x-amz-date", "20260101T000000Z")
            .body(body.to_string())
            .send()
            .await
            .unwrap();
        let mut page: Value = answer.json().await.unwrap();
        let items = page["Items"].as_array_mut();
        found.append(items.unwrap_or_else(|| panic!("no items")));
        from = page["LastEvaluatedKey"].take();
        if from.is_null() {
            return found;
        }
    }
}

/// Tells `tally` everything twice more, the last first, in batches of odd sizes, and ends it in between.
async fn replay(stack: &Stack) {
    let kinds = ["redemption", "mail", "visits", "tombstone"];
    let mut told = images(stack).await;
    told.retain(|image| {
        let sk = image["sk"]["S"].as_str().unwrap();
        kinds.contains(&sk) || sk.starts_with("marker#") || sk.starts_with("event#")
    });
    assert!(told.len() > 300, "{}", told.len());
    let env = stack.env_through(stack.running().dynamodb_url());
    let tally = tally::State::load(&env, stack.clock().clone()).await;
    let tally = tally.unwrap();
    let mut killed = 0;
    for size in [7, 23] {
        told.reverse();
        for (number, batch) in told.chunks(size).enumerate() {
            let (ours, event) = (tally.clone(), stream_event(batch));
            let run = tokio::spawn(async move { tally::handle(&ours, event).await });
            if number % 3 == 0 {
                tokio::task::yield_now().await;
                run.abort();
                killed += usize::from(run.await.is_err());
            } else {
                run.await.unwrap().unwrap();
            }
        }
    }
    assert!(killed > 10, "{killed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_number_is_the_sum_of_what_was_done_also_after_the_stream_came_twice_more_and_in_pieces()
 {
    if !crate::driver::available() {
        return;
    }
    let stack = Stack::start_with(SIZE.begun(Options {
        port: 0,
        ..Options::default()
    }))
    .await;
    let ledger = demo::fill(stack.running(), SIZE, &|_, _| ()).await.unwrap();
    let Some(visitor) = at_work(&stack, Lang::Ja).await else {
        return;
    };
    compare(&visitor, &stack, &ledger).await;
    crate::pictures::take(&visitor, &stack, &ledger).await;
    replay(&stack).await;
    visitor.look_less();
    compare(&visitor, &stack, &ledger).await;
    visitor.leave().await;
    let visitor = at_work(&stack, Lang::En).await.unwrap();
    visitor.look_less();
    compare(&visitor, &stack, &ledger).await;
    visitor.leave().await;
}
