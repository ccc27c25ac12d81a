//! Odd data leaves pages right, and much of it leaves them quick: requests are counted, not milliseconds.

use integration::Stack;
use okaeri::local::{Meter, Options};
use serde_json::{Value, json};

use super::{Staff, text_of};

const HOSTILE: &str = "\"><script>alert(1)</script><b>\u{202e}gnirps";

#[tokio::test]
async fn markup_and_marks_in_names_and_products_are_shown_as_text_on_every_page() {
    let stack = Stack::start().await;
    let long = "あ".repeat(200);
    let sku = "x".repeat(64);
    let odd = stack.promotion(json!({"name": HOSTILE, "claim_code": "group", "products": {"include": [sku, "<i>sku</i>"]}})).await;
    stack.promotion(json!({"name": long})).await;
    let id = odd["id"].as_str().unwrap();
    let mut staff = Staff::signed_in(&stack).await;
    let base = format!("/console/promotions/{id}");
    let pages = [
        "",
        "/codes",
        "/channels",
        "/sales",
        "/terms",
        "/history",
        "/edit",
        "/pause",
        "/end",
        "/created",
    ];
    let mut paths: Vec<String> = pages.iter().map(|page| format!("{base}{page}")).collect();
    paths.extend([
        "/console".to_owned(),
        "/console/promotions".to_owned(),
        "/console/promotions/new".to_owned(),
    ]);
    paths.push(format!("/console/promotions/new?from={id}"));
    paths.push("/console/promotions?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E".to_owned());
    for path in paths {
        let page = staff.get(&path).await.expect(200);
        for raw in ["<script>alert", "<b>", "<i>sku"] {
            assert!(!page.text.contains(raw), "{path}: {raw}");
        }
        if !path.contains('?') && !path.ends_with("/created") {
            assert!(page.text.contains("&lt;script&gt;"), "{path}");
        }
    }
    let list = staff.get("/console/promotions").await.expect(200).text;
    assert!(list.contains(&format!("<bdi>{long}</bdi>")));
    assert!(
        list.contains("\u{202e}gnirps</bdi>"),
        "the mark turns nothing outside its own box"
    );
}

/// Requests to the table that a page takes, after one that has connected and looked up the key.
async fn requests(stack: &Stack, meter: &Meter, staff: &mut Staff<'_>, path: &str) -> u64 {
    staff
        .get("/console/promotions/new/percent_off")
        .await
        .expect(200);
    let before = meter.of("console").requests;
    staff.get(path).await.expect(200);
    let _ = stack;
    meter.of("console").requests - before
}

#[tokio::test]
async fn what_a_page_asks_of_the_table_is_bounded_however_many_promotions_there_are() {
    let meter = Meter::default();
    let options = Options {
        port: 0,
        meter: Some(meter.clone()),
        ..Options::default()
    };
    let stack = Stack::start_with(options).await;
    for number in 0..320 {
        stack
            .promotion(json!({"name": format!("Promotion {number}"), "limits": {"budget": 1_000}}))
            .await;
    }
    let id = stack.promotion(json!({"name": "Last"})).await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut staff = Staff::signed_in(&stack).await;
    for (path, most) in [
        // One for places, two for terms of 200 and two for what those shown spent; the overview also sums 30.
        ("/console/promotions".to_owned(), 5),
        ("/console/promotions?view=ended".to_owned(), 5),
        ("/console".to_owned(), 44),
        (format!("/console/promotions/{id}"), 4),
        (format!("/console/promotions/{id}/codes"), 5),
        ("/console/promotions/new/percent_off".to_owned(), 0),
    ] {
        let made = requests(&stack, &meter, &mut staff, &path).await;
        assert!(made <= most, "{path}: {made} requests");
    }
    let first = staff.get("/console/promotions").await.expect(200);
    let text = text_of(&first.text);
    assert!(
        text.contains("cover the newest 200 promotions") && text.contains("Next"),
        "{text}"
    );
    let mut seen = std::collections::BTreeSet::new();
    let mut page = first.text;
    loop {
        for part in page.split("<bdi>Promotion ").skip(1) {
            assert!(
                seen.insert(part.split_once('<').unwrap().0.to_owned()),
                "shown twice"
            );
        }
        let Some((before, _)) = page.split_once("\" rel=\"next\"") else {
            break;
        };
        let next = before
            .rsplit_once("href=\"")
            .unwrap()
            .1
            .replace("&amp;", "&");
        page = staff.get(&next).await.expect(200).text;
    }
    assert_eq!(seen.len(), 320, "every one of them is on some page, once");
}

#[tokio::test]
async fn a_list_of_4000_products_is_taken_kept_and_shown() {
    let stack = Stack::start().await;
    let mut staff = Staff::signed_in(&stack).await;
    staff.get("/console").await;
    let skus: Vec<String> = (0..4_000)
        .map(|number| format!("SKU-{number:05}"))
        .collect();
    let skus = skus.join("\n");
    let fields = [
        ("name", "Many"),
        ("currency", "JPY"),
        ("percent", "10"),
        ("products", "list"),
        ("skus", skus.as_str()),
        ("once", "many"),
        ("claim_code", "single_use"),
        ("combinability", "exclusive"),
    ];
    let path = "/console/promotions/new/percent_off";
    let review: Vec<(&str, &str)> = fields.iter().copied().chain([("step", "review")]).collect();
    let page = staff.post(path, &review).await.expect(200);
    assert!(text_of(&page.text).contains("4,000 listed products are eligible"));
    let create: Vec<(&str, &str)> = fields.iter().copied().chain([("step", "create")]).collect();
    staff.post(path, &create).await.expect(303);
    let list = stack
        .admin("GET /v1/promotions", Value::Null)
        .await
        .expect(200)
        .body;
    let made = &list["promotions"][0];
    assert_eq!(made["products"]["include"].as_array().unwrap().len(), 4_000);
    let terms = staff
        .get(&format!(
            "/console/promotions/{}/terms",
            made["id"].as_str().unwrap()
        ))
        .await
        .expect(200);
    assert!(terms.text.contains("SKU-03999"));
}

#[tokio::test]
async fn an_address_whose_query_cannot_be_read_shows_the_page() {
    let stack = Stack::start().await;
    let mut staff = Staff::signed_in(&stack).await;
    let twice = ["after", "days", "from", "promotion", "q", "view"]
        .map(|name| format!("{name}=a&{name}=b"))
        .join("&");
    for page in [
        "/console",
        "/console/channels",
        "/console/channels/new",
        "/console/follow-ups",
        "/console/mails",
        "/console/orders",
        "/console/promotions",
        "/console/promotions/new",
    ] {
        let plain = staff.get(page).await.expect(200);
        for query in ["%", "=&&==", "view=%ff", &twice] {
            let answer = staff.get(&format!("{page}?{query}")).await;
            assert_eq!(answer.status, 200, "{page}?{query}");
            let heading = |text: &str| text.split("<h1").nth(1).map(|rest| rest[..30].to_owned());
            assert_eq!(
                heading(&answer.text),
                heading(&plain.text),
                "{page}?{query}"
            );
        }
    }
}
