//! Says how long each page takes to its first byte on a stack with many promotions: `cargo run -p integration --example first_byte -- 10000`,
//! and of one kind of page alone, for a profiler, with `-- 10000 /sales 500`: the end of its address, and how often it is asked for.
#![expect(clippy::unwrap_used, reason = "a tool ends where something is amiss")]

use std::io::Write as _;
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use integration::{Stack, redemption};
use okaeri::local::ADMIN_KEY;
use reqwest::Method;
use serde_json::{Value, json};

/// How often each page is asked for, unless the command says so.
const TIMES: usize = 25;

#[tokio::main]
async fn main() {
    let given = |place| std::env::args().nth(place);
    let number = |place, otherwise| given(place).map_or(otherwise, |text| text.parse().unwrap());
    let (count, ending, times) = (
        number(1, 10_000),
        given(2).unwrap_or_default(),
        number(3, TIMES),
    );
    let stack = Stack::start_unwatched().await;
    let Shop {
        newest: id,
        large,
        follow_up,
    } = &open_shop(&stack, count).await;
    // What products sold is compared once a promotion's first day is over.
    stack.advance("P3D").await;
    let cookie = sign_in(&stack).await;
    let pages = [
        "/console/sign-in".to_owned(),
        "/console".to_owned(),
        "/console/promotions".to_owned(),
        "/console/promotions?view=all".to_owned(),
        "/console/promotions/new/percent_off".to_owned(),
        format!("/console/promotions/{id}"),
        format!("/console/promotions/{id}/codes"),
        format!("/console/promotions/{id}/channels"),
        format!("/console/promotions/{large}"),
        format!("/console/promotions/{large}/sales"),
        format!("/console/promotions/{large}/terms"),
        "/console/channels".to_owned(),
        "/console/follow-ups".to_owned(),
        format!("/console/follow-ups/{follow_up}"),
        format!("/console/follow-ups/{follow_up}/results"),
        "/console/mails".to_owned(),
        "/console/orders".to_owned(),
        "/console/settings".to_owned(),
        "/l/hanako".to_owned(),
    ];
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{count} promotions; milliseconds to the first byte, median and worst of {times}"
    )
    .unwrap();
    for page in pages.into_iter().filter(|page| page.ends_with(&ending)) {
        let mut took = Vec::with_capacity(times);
        for _ in 0..times {
            took.push(first_byte(&stack, &page, &cookie).await);
        }
        took.sort();
        let shown = page
            .replace(id, "{id}")
            .replace(large, "{large}")
            .replace(follow_up, "{id}");
        let ms = |time: Option<&Duration>| time.unwrap().as_micros() / 100;
        let [median, worst] = [ms(took.get(times / 2)), ms(took.last())]
            .map(|tenths| format!("{}.{}", tenths / 10, tenths % 10));
        writeln!(out, "{median:>7} {worst:>7}  {shown}").unwrap();
    }
}

/// Ids of what pages show.
struct Shop {
    newest: String,
    /// A promotion of 4,000 SKUs.
    large: String,
    follow_up: String,
}

async fn open_shop(stack: &Stack, count: usize) -> Shop {
    let skus: Vec<String> = (0..4_000)
        .map(|number| format!("SKU-{number:04}"))
        .collect();
    let terms = json!({"name": "4,000 SKUs", "claim_code": "group", "products": {"include": skus}});
    let large = stack.promotion(terms).await;
    let made = stream::iter(0..count).map(|number| {
        let name = format!("Promotion {number}");
        stack.promotion(json!({"name": name, "claim_code": "group"}))
    });
    let made: Vec<_> = made.buffer_unordered(8).collect().await;
    let newest = made.last().unwrap_or(&large);
    let id = text(newest);
    let word = json!({"code": "HANAKO10", "channel": "influencer/hanako"});
    stack
        .admin(&format!("POST /v1/promotions/{id}/codes"), word)
        .await
        .expect(201);
    let link = json!({"slug": "hanako", "promotion_id": id, "code": "HANAKO10", "channel": "influencer/hanako"});
    stack.admin("POST /v1/links", link).await.expect(201);
    stack
        .checkout("PUT /v1/redemptions/1", redemption(&["HANAKO10"]))
        .await
        .expect(201);
    let thanks = stack.promotion(json!({"name": "Next time"})).await;
    let follow_up = stack.follow_up(&thanks, json!({})).await;
    Shop {
        newest: id,
        large: text(&large),
        follow_up: text(&follow_up),
    }
}

/// The id of what the API made.
fn text(made: &Value) -> String {
    made["id"].as_str().unwrap().to_owned()
}

/// How long a page takes until its status and headers are there.
async fn first_byte(stack: &Stack, page: &str, cookie: &str) -> Duration {
    let request = stack.request(Method::GET, page).header("cookie", cookie);
    let begun = Instant::now();
    let answer = request.send().await.unwrap();
    let took = begun.elapsed();
    assert!(answer.status().is_success(), "{page}: {}", answer.status());
    drop(answer.bytes().await.unwrap());
    took
}

/// The cookie of a session.
async fn sign_in(stack: &Stack) -> String {
    let http = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let url = stack.running().url();
    let request = http
        .post(format!("{url}/console/sign-in"))
        .header("origin", url)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("key={ADMIN_KEY}"));
    let answer = request.send().await.unwrap();
    let cookie = answer
        .headers()
        .get("set-cookie")
        .unwrap()
        .to_str()
        .unwrap();
    cookie.split(';').next().unwrap_or_default().to_owned()
}
