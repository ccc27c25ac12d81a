//! Landing links: made, opened by people and programs, counted exactly, shown to strangers.

use std::sync::Arc;

use integration::{Answer, Stack};
use reqwest::Method;
use serde_json::{Value, json};
use shared::store::AuditMode;
use tokio::sync::Barrier;

use crate::doctor::table::Table;

/// A telephone in somebody's hands.
pub(crate) const BROWSER: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1";
const BOT: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";

/// A link of `promotion` with `fields` on top.
pub(crate) async fn link(stack: &Stack, promotion: &Value, fields: Value) -> Value {
    let mut body = json!({"promotion_id": promotion["id"], "channel": "influencer/hanako"});
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    let made = stack.admin("POST /v1/links", body).await;
    made.expect(201).body
}

/// Opens a path as a program or person that sends these headers.
pub(crate) async fn open(
    stack: &Stack,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
) -> Answer {
    let mut request = stack.request(method, path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    stack.send(request).await
}

/// Opens a link as a person does, in Japanese.
pub(crate) async fn visit(stack: &Stack, link: &Value) -> Answer {
    let path = format!("/l/{}", link["slug"].as_str().unwrap());
    let headers = [
        ("user-agent", BROWSER),
        ("accept", "text/html"),
        ("accept-language", "ja-JP,ja;q=0.9"),
    ];
    open(stack, Method::GET, &path, &headers).await
}

/// A group promotion with the word `HANAKO10` in the channel `influencer/hanako`.
pub(crate) async fn hanako(stack: &Stack, terms: Value) -> Value {
    let mut all = json!({"claim_code": "group"});
    for (name, value) in terms.as_object().unwrap() {
        all[name] = value.clone();
    }
    let promotion = stack.promotion(all).await;
    let id = promotion["id"].as_str().unwrap();
    let word = json!({"code": "HANAKO10", "channel": "influencer/hanako"});
    let call = format!("POST /v1/promotions/{id}/codes");
    stack.admin(&call, word).await.expect(201);
    promotion
}

async fn get(stack: &Stack, path: &str) -> Value {
    let answer = stack.admin(&format!("GET {path}"), Value::Null).await;
    answer.expect(200).body
}

#[tokio::test]
async fn a_link_is_made_listed_changed_and_taken_back() {
    let stack = Stack::start().await;
    let promotion = hanako(&stack, json!({})).await;
    let fields = json!({"slug": "hanako", "code": "hanako10", "cost": 30_000, "target_url": "https://shop.example/tea"});
    let made = link(&stack, &promotion, fields).await;
    let url = format!("{}/l/hanako", stack.running().url());
    let expected = json!({
        "slug": "hanako", "url": url, "promotion_id": promotion["id"], "code": "HANAKO10", "channel": "influencer/hanako",
        "cost": 30_000, "target_url": "https://shop.example/tea", "visits": 0, "created_at": made["created_at"],
    });
    assert_eq!(made, expected);
    let random = link(&stack, &promotion, json!({})).await;
    assert_eq!(random["slug"].as_str().unwrap().len(), 8);
    for _ in 0..3 {
        link(&stack, &promotion, json!({})).await;
    }
    let (mut seen, mut path) = (Vec::new(), "/v1/links?limit=2".to_owned());
    loop {
        let page = get(&stack, &path).await;
        let links = page["links"].as_array().unwrap();
        assert!(links.len() <= 2);
        seen.extend(links.iter().map(|link| link["slug"].clone()));
        let Some(cursor) = page["cursor"].as_str() else {
            break;
        };
        path = format!("/v1/links?limit=2&cursor={}", cursor.replace('#', "%23"));
    }
    assert_eq!(seen.len(), 5);
    assert_eq!(seen[4], "hanako", "newest first");

    let change = json!({"cost": 45_000, "target_url": null});
    let changed = stack.admin("PATCH /v1/links/hanako", change).await;
    let changed = changed.expect(200).body;
    assert_eq!(
        (&changed["cost"], &changed["target_url"]),
        (&json!(45_000), &Value::Null)
    );
    assert_eq!(get(&stack, "/v1/links/hanako").await, changed);
    let unchanged = stack.admin("PATCH /v1/links/hanako", json!({})).await;
    assert_eq!(unchanged.expect(200).body, changed);

    let gone = stack.admin("DELETE /v1/links/hanako", Value::Null).await;
    assert!(gone.expect(200).body["deleted_at"].is_string());
    for call in ["GET", "DELETE"] {
        let call = format!("{call} /v1/links/hanako");
        stack.admin(&call, Value::Null).await.expect(404);
    }
    let left = get(&stack, "/v1/links").await;
    assert_eq!(left["links"].as_array().unwrap().len(), 4);
    stack.advance("PT10S").await;
    assert_eq!(visit(&stack, &made).await.status, 404);
    // Its visits stay counted, so nobody gets its slug.
    let again = json!({"slug": "hanako", "promotion_id": promotion["id"], "channel": "x"});
    let again = stack.admin("POST /v1/links", again).await.expect(409);
    assert_eq!(again.body["code"], "slug-taken");
}

#[tokio::test]
async fn what_cannot_be_a_link_is_pointed_at_and_no_single_use_code_gets_into_one() {
    let stack = Stack::start().await;
    let group = hanako(&stack, json!({})).await;
    let single = stack.promotion(json!({})).await;
    let automatic = stack.promotion(json!({"claim_code": "none"})).await;
    let code = stack.codes(&single, 1).await.remove(0);
    let lower = code.to_lowercase();
    let other = stack.promotion(json!({"claim_code": "group"})).await;
    let at_shop = format!("https://shop.example/?coupon={code}");
    for (promotion, fields, pointer) in [
        (&group, json!({"slug": "Hanako"}), "/slug"),
        (&group, json!({"slug": "a"}), "/slug"),
        (&group, json!({"slug": lower}), "/slug"),
        (&group, json!({"code": "TARO2026"}), "/code"),
        (&group, json!({"code": code}), "/code"),
        (&other, json!({"code": "HANAKO10"}), "/code"),
        (&single, json!({"code": code}), "/code"),
        (&single, json!({"code": "HANAKO10"}), "/code"),
        (&automatic, json!({"code": "HANAKO10"}), "/code"),
        (&group, json!({"promotion_id": "0000"}), "/promotion_id"),
        (&group, json!({"channel": "花"}), "/channel"),
        (&group, json!({"channel": null}), "/channel"),
        (&group, json!({"cost": -1}), "/cost"),
        (
            &group,
            json!({"target_url": "http://shop.example"}),
            "/target_url",
        ),
        (
            &group,
            json!({"target_url": "javascript:alert(1)"}),
            "/target_url",
        ),
        (&group, json!({"target_url": at_shop}), "/target_url"),
        (&group, json!({"visits": 5}), "/visits"),
    ] {
        let mut body = json!({"promotion_id": promotion["id"], "channel": "x"});
        for (name, value) in fields.as_object().unwrap() {
            body[name] = value.clone();
        }
        let refused = stack.admin_once("again", "POST /v1/links", body).await;
        assert_eq!(
            refused.clone().expect(400).pointers(),
            [pointer],
            "{fields}: {}",
            refused.text
        );
    }
    for query in [
        "limit=0",
        "limit=101",
        "cursor=x",
        "cursor=1%23UPPER",
        "page=2",
    ] {
        let call = format!("GET /v1/links?{query}");
        stack.admin(&call, Value::Null).await.expect(400);
    }
    stack
        .checkout("GET /v1/links", Value::Null)
        .await
        .expect(403);
    let table = json!(Table::of(&stack).all_items().await).to_string();
    let text = code.replace('-', "");
    assert!(!table.contains(&code) && !table.contains(&text) && !table.contains(&lower));
    let links = get(&stack, "/v1/links").await;
    assert_eq!(links, json!({"links": []}));
}

#[tokio::test]
async fn of_16_links_racing_for_one_slug_one_is_made_and_the_same_request_again_is_answered_alike()
{
    let stack = Arc::new(Stack::start().await);
    let promotion = hanako(&stack, json!({})).await;
    let barrier = Arc::new(Barrier::new(16));
    let racing = (0..16).map(|number| {
        let (stack, barrier, id) = (
            Arc::clone(&stack),
            Arc::clone(&barrier),
            promotion["id"].clone(),
        );
        tokio::spawn(async move {
            let body =
                json!({"slug": "hanako", "promotion_id": id, "channel": format!("c/{number}")});
            barrier.wait().await;
            stack.admin("POST /v1/links", body).await
        })
    });
    let mut made = Vec::new();
    for racer in racing.collect::<Vec<_>>() {
        let answer = racer.await.unwrap();
        match answer.status {
            201 => made.push(answer.body),
            _ => assert_eq!(answer.expect(409).body["code"], "slug-taken"),
        }
    }
    assert_eq!(made.len(), 1);
    assert_eq!(get(&stack, "/v1/links/hanako").await, made[0]);

    let body = json!({"promotion_id": promotion["id"], "code": "HANAKO10", "channel": "influencer/hanako"});
    let first = stack
        .admin_once("k", "POST /v1/links", body.clone())
        .await
        .expect(201);
    let void = json!({"codes": ["HANAKO10"]});
    stack.admin("POST /v1/codes/void", void).await.expect(200);
    let again = stack
        .admin_once("k", "POST /v1/links", body.clone())
        .await
        .expect(201);
    assert_eq!(first.body, again.body);
    stack
        .admin_once("l", "POST /v1/links", body.clone())
        .await
        .expect(400);
    let mut another = body;
    another["cost"] = json!(1);
    let another = stack.admin_once("k", "POST /v1/links", another).await;
    assert_eq!(another.expect(422).body["code"], "idempotency-key-reused");
    assert_eq!(
        get(&stack, "/v1/links").await["links"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[tokio::test]
async fn changes_racing_each_other_and_a_deletion_all_end_in_one_state() {
    let stack = Arc::new(Stack::start().await);
    let promotion = hanako(&stack, json!({})).await;
    link(&stack, &promotion, json!({"slug": "hanako"})).await;
    let barrier = Arc::new(Barrier::new(9));
    let racing = (0..9).map(|number| {
        let (stack, barrier) = (Arc::clone(&stack), Arc::clone(&barrier));
        tokio::spawn(async move {
            barrier.wait().await;
            if number == 8 {
                stack.admin("DELETE /v1/links/hanako", Value::Null).await
            } else {
                let cost = json!({"cost": number});
                stack.admin("PATCH /v1/links/hanako", cost).await
            }
        })
    });
    for racer in racing.collect::<Vec<_>>() {
        let status = racer.await.unwrap().status;
        assert!([200, 404].contains(&status), "{status}");
    }
    stack
        .admin("GET /v1/links/hanako", Value::Null)
        .await
        .expect(404);
    assert_eq!(get(&stack, "/v1/links").await["links"], json!([]));
}

#[tokio::test]
async fn people_are_counted_by_day_and_channel_and_bots_scanners_and_prefetches_are_not() {
    let stack = Stack::start().await;
    let promotion = hanako(&stack, json!({})).await;
    let made = link(
        &stack,
        &promotion,
        json!({"slug": "hanako", "code": "HANAKO10", "cost": 1000}),
    )
    .await;
    let other = link(
        &stack,
        &promotion,
        json!({"channel": "ad/google", "code": "HANAKO10"}),
    )
    .await;
    let visits = async |link: &Value| {
        stack.advance("PT0S").await;
        let path = format!("/v1/links/{}", link["slug"].as_str().unwrap());
        get(&stack, &path).await["visits"].as_u64().unwrap()
    };
    for _ in 0..5 {
        visit(&stack, &made).await.expect(200);
    }
    visit(&stack, &other).await.expect(200);
    assert_eq!((visits(&made).await, visits(&other).await), (5, 1));
    let before = Table::of(&stack).all_items().await;
    for (method, headers) in [
        (Method::GET, vec![("user-agent", BOT)]),
        (Method::GET, vec![]),
        (Method::GET, vec![("user-agent", "curl/8.14.1")]),
        (
            Method::GET,
            vec![("user-agent", BROWSER), ("purpose", "prefetch")],
        ),
        (
            Method::GET,
            vec![
                ("user-agent", BROWSER),
                ("sec-purpose", "prefetch;prerender"),
            ],
        ),
        (Method::HEAD, vec![("user-agent", BROWSER)]),
        (
            Method::GET,
            vec![("user-agent", BROWSER), ("sec-fetch-site", "same-origin")],
        ),
    ] {
        let answer = open(&stack, method.clone(), "/l/hanako", &headers).await;
        assert_eq!(answer.expect(200).text.is_empty(), method == Method::HEAD);
    }
    for (method, path) in [
        (Method::POST, "/l/hanako"),
        (Method::GET, "/l/nobody"),
        (Method::GET, "/l/hanako/x"),
    ] {
        let answer = open(&stack, method, path, &[("user-agent", BROWSER)]).await;
        assert!([404, 405].contains(&answer.status), "{path}");
    }
    stack.advance("PT0S").await;
    assert_eq!(
        Table::of(&stack).all_items().await,
        before,
        "nothing was written"
    );

    stack.redeem("1", "HANAKO10").await.expect(201);
    stack.redeem("2", "HANAKO10").await.expect(201);
    stack.advance("P1D").await;
    visit(&stack, &made).await.expect(200);
    stack.advance("PT0S").await;
    let id = promotion["id"].as_str().unwrap();
    let channels = get(&stack, &format!("/v1/promotions/{id}/stats?by=channel")).await;
    let rows = channels["rows"].as_array().unwrap();
    let row = |key: &str| rows.iter().find(|row| row["key"] == key).unwrap();
    let hanako = row("influencer/hanako");
    assert_eq!(
        (&hanako["visits"], &hanako["redemptions"]),
        (&json!(6), &json!(2))
    );
    assert_eq!(hanako["conversion"], 0.3333);
    // What buyers paid, 2 × 3,564, for 1,000.
    assert_eq!(
        (&hanako["cost"], &hanako["roas"]),
        (&json!(1000), &json!(7.13))
    );
    assert_eq!(channels["totals"]["roas"], 7.13);
    assert_eq!(
        (&row("ad/google")["cost"], &row("ad/google")["roas"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(
        (&row("ad/google")["visits"], &row("ad/google")["conversion"]),
        (&json!(1), &json!(0.0))
    );
    let days = get(&stack, &format!("/v1/promotions/{id}/stats")).await;
    let by_day: Vec<_> = days["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["visits"].clone())
        .collect();
    assert_eq!(by_day, [6, 1]);
    assert_eq!(days["totals"]["visits"], 7);
    let links = get(&stack, "/v1/links").await;
    let counted: Vec<_> = links["links"]
        .as_array()
        .unwrap()
        .iter()
        .map(|link| link["visits"].clone())
        .collect();
    assert_eq!(counted, [1, 6]);
}

#[tokio::test]
async fn two_hundred_people_are_two_hundred_visits_and_the_books_agree() {
    let stack = Arc::new(Stack::start().await);
    let promotion = hanako(&stack, json!({})).await;
    let made = link(
        &stack,
        &promotion,
        json!({"slug": "hanako", "code": "HANAKO10"}),
    )
    .await;
    // Not more at a time than a loaded machine answers in time: what is lost is not counted.
    for _ in 0..20 {
        let crowd = (0..10).map(|_| {
            let (stack, made) = (Arc::clone(&stack), made.clone());
            tokio::spawn(async move { visit(&stack, &made).await.status })
        });
        for visitor in crowd.collect::<Vec<_>>() {
            assert_eq!(visitor.await.unwrap(), 200);
        }
    }
    stack.advance("PT0S").await;
    assert_eq!(get(&stack, "/v1/links/hanako").await["visits"], 200);
    let store = stack.running().store().unwrap();
    let now = stack.clock().now();
    let report = store
        .audit(AuditMode::Look, now, &mut |_| {})
        .await
        .unwrap();
    assert_eq!(
        (report.differences.len(), report.open, report.unknown),
        (0, 0, 0)
    );
    let tokyo = chrono_tz::Asia::Tokyo;
    let clean = store.rebuild_stats(tokyo, now).await.unwrap();
    assert_eq!((clean.recounted, clean.repaired, clean.open), (0, 0, 0));

    // Whatever is lost of the sums comes back from the items that count.
    let table = Table::of(&stack);
    for mut row in table.all_items().await {
        if row["visits"].is_object() && row["changes"].is_object() {
            row["visits"] = json!({"N": "1"});
            table.put(&row).await;
        }
    }
    assert_eq!(get(&stack, "/v1/links/hanako").await["visits"], 1);
    let repaired = store.rebuild_stats(tokyo, now).await.unwrap();
    assert_eq!((repaired.repaired, repaired.open), (2, 0));
    assert_eq!(get(&stack, "/v1/links/hanako").await["visits"], 200);
    let kept = json!(table.all_items().await).to_string();
    for personal in ["127.0.0.1", "iPhone", "Mozilla"] {
        assert!(!kept.contains(personal), "{personal} is in the table");
    }
}
