//! The pages of landing links, as strangers see them.

use integration::Stack;
use okaeri::local::Options;
use reqwest::Method;
use serde_json::{Value, json};

use crate::links::{BROWSER, hanako, link, open, visit};

#[tokio::test]
async fn paused_ended_over_used_up_and_voided_look_alike_to_the_byte_and_tell_nothing() {
    let stack = Stack::start().await;
    let mut pages = Vec::new();
    for (fate, terms) in [
        (
            "pause",
            json!({"name": "Geheim A", "limits": {"budget": 500_000}}),
        ),
        (
            "end",
            json!({"name": "Geheim B", "benefit": {"type": "percent_off", "percent": 33}}),
        ),
        (
            "over",
            json!({"ends_at": stack.clock().now() + chrono::TimeDelta::hours(1)}),
        ),
        ("budget", json!({"limits": {"budget": 396}})),
        ("uses", json!({"limits": {"redemptions": 1}})),
        ("void", json!({})),
        ("word", json!({})),
    ] {
        let mut all = json!({"claim_code": "group"});
        for (name, value) in terms.as_object().unwrap() {
            all[name] = value.clone();
        }
        let promotion = stack.promotion(all).await;
        let id = promotion["id"].as_str().unwrap();
        let word = format!("{}2026X", fate.to_uppercase());
        let mut body = json!({"code": word, "channel": "influencer/hanako"});
        if fate == "word" {
            body["limits"] = json!({"redemptions": 1});
        }
        let add = format!("POST /v1/promotions/{id}/codes");
        stack.admin(&add, body).await.expect(201);
        let made = link(&stack, &promotion, json!({"code": word, "cost": 98_765})).await;
        let open = visit(&stack, &made).await.expect(200);
        assert!(open.text.contains(&word), "{}", open.text);
        for secret in [
            id,
            "Geheim",
            "98765",
            "98,765",
            "influencer",
            "500,000",
            "500000",
        ] {
            assert!(!open.text.contains(secret), "{secret}: {}", open.text);
        }
        match fate {
            "pause" | "end" => {
                let call = format!("POST /v1/promotions/{id}/{fate}");
                stack.admin(&call, Value::Null).await.expect(200);
            }
            "budget" | "uses" | "word" => {
                let order = format!("o-{fate}");
                stack.redeem(&order, &word).await.expect(201);
            }
            "void" => {
                let body = json!({"codes": [word]});
                stack.admin("POST /v1/codes/void", body).await.expect(200);
            }
            _ => {
                stack.advance("PT1H").await;
            }
        }
        stack.advance("PT10S").await;
        let closed = visit(&stack, &made).await.expect(200);
        let headers: Vec<_> = closed
            .headers
            .iter()
            .filter(|(name, _)| *name != "date")
            .map(|(name, value)| format!("{name}: {value:?}"))
            .collect();
        pages.push((fate, closed.text, headers));
    }
    let (_, first, headers) = &pages[0];
    assert!(
        first.contains("このクーポンは現在ご利用いただけません"),
        "{first}"
    );
    assert!(first.contains("href=\"https://shop.example\""), "{first}");
    for (fate, text, others) in &pages {
        assert_eq!((text, others), (first, headers), "{fate}");
    }
}

#[tokio::test]
async fn what_is_left_is_told_where_it_is_true_and_before_the_start_the_date() {
    let stack = Stack::start().await;
    let limited = hanako(&stack, json!({"limits": {"redemptions": 12}})).await;
    let made = link(&stack, &limited, json!({"code": "HANAKO10"})).await;
    assert!(visit(&stack, &made).await.text.contains("残り12回"));
    stack.redeem("1", "HANAKO10").await.expect(201);
    stack.advance("PT10S").await;
    assert!(visit(&stack, &made).await.text.contains("残り11回"));
    // A budget may end it sooner, so no number would be true; and what is left of the budget is nobody's business.
    let both = stack
        .promotion(
            json!({"claim_code": "single_use", "limits": {"redemptions": 12, "budget": 70_000}}),
        )
        .await;
    let page = visit(&stack, &link(&stack, &both, json!({})).await)
        .await
        .text;
    assert!(!page.contains("残り") && !page.contains("70"), "{page}");
    let start = stack.clock().now() + chrono::TimeDelta::days(3);
    let later = stack.promotion(json!({"starts_at": start})).await;
    let page = visit(&stack, &link(&stack, &later, json!({})).await)
        .await
        .text;
    assert!(
        page.contains("からご利用いただけます") && page.contains("ショップを見る"),
        "{page}"
    );
}

#[tokio::test]
async fn hostile_slugs_and_shop_names_stay_text_and_unknown_links_are_one_page() {
    let name = "はなこ <script>alert(1)</script> \u{202e}\"'&商店";
    let stack = Stack::start_with(Options {
        port: 0,
        settings: [
            ("SHOP_NAME".to_owned(), name.to_owned()),
            ("CART_URL".to_owned(), "shopify".to_owned()),
        ]
        .into(),
        ..Options::default()
    })
    .await;
    let promotion = hanako(&stack, json!({})).await;
    let made = link(
        &stack,
        &promotion,
        json!({"slug": "hanako", "code": "HANAKO10"}),
    )
    .await;
    let page = visit(&stack, &made).await.expect(200).text;
    assert!(
        page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"),
        "{page}"
    );
    assert_eq!(page.matches("<script").count(), 1, "{page}");
    assert!(page.contains("<bdi>"), "{page}");
    let cart = "https://shop.example/discount/HANAKO10?redirect=/";
    assert!(page.contains(&format!("href=\"{cart}\"")), "{page}");
    let again = open(&stack, Method::GET, "/l/hanako/?lang=ja", &[]).await;
    assert_eq!(again.expect(200).text, page);
    let unknown = open(&stack, Method::GET, "/l/nobody", &[])
        .await
        .expect(404)
        .text;
    for path in [
        "/l/%3Cscript%3E",
        "/l/%E2%80%AEhanako",
        "/l/HANAKO",
        "/l/%FF",
        "/l/thx9-7k3m-9qxa-2f4t",
        "/l/page-0000000000000000.js",
        "/l/",
        "/l/%01",
        "/l/hanako%2Fhanako",
        "/l/%5Chanako",
        &format!("/l/{}", "x".repeat(3_000)),
    ] {
        let answer = open(&stack, Method::GET, path, &[("user-agent", BROWSER)]).await;
        assert_eq!(answer.expect(404).text, unknown, "{path}");
    }
}

#[tokio::test]
async fn a_page_is_small_asks_for_its_script_alone_and_keeps_its_headers() {
    let stack = Stack::start().await;
    let terms = json!({"ends_at": stack.clock().now() + chrono::TimeDelta::days(9), "minimum": {"subtotal": 3000},
        "products": {"include": ["TEA-01"]}, "limits": {"per_customer": 1, "redemptions": 99}});
    let promotion = hanako(&stack, terms).await;
    let made = link(
        &stack,
        &promotion,
        json!({"slug": "hanako", "code": "HANAKO10"}),
    )
    .await;
    let page = visit(&stack, &made).await.expect(200);
    let script = page.text.split("src=\"").nth(1).unwrap();
    let script = script.split('"').next().unwrap();
    let served = open(&stack, Method::GET, script, &[]).await.expect(200);
    assert!(page.text.len() + served.text.len() < 30_000);
    assert_eq!(
        served.headers["content-type"],
        "text/javascript; charset=utf-8"
    );
    assert_eq!(
        served.headers["cache-control"],
        "public, max-age=31536000, immutable"
    );
    for asks in [
        "<link",
        "<img",
        "<iframe",
        "@import",
        "url(",
        "fetch(",
        "XMLHttpRequest",
        "document.cookie",
    ] {
        assert!(
            !page.text.contains(asks) && !served.text.contains(asks),
            "{asks}"
        );
    }
    assert_eq!(page.text.matches(" src=").count(), 1);
    for (name, value) in [
        ("referrer-policy", "no-referrer"),
        ("x-robots-tag", "noindex"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(page.headers[name], value);
    }
    assert!(!page.headers.contains_key("set-cookie"));
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    for part in [
        "default-src 'none'",
        "script-src 'self'",
        "frame-ancestors 'none'",
        "form-action 'none'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    let (head, _) = page.text.split_once("</head>").unwrap();
    assert!(
        head.contains("og:title") && !head.contains("HANAKO10"),
        "{head}"
    );
    let english = [("user-agent", BROWSER), ("accept-language", "en")];
    let english = open(&stack, Method::GET, "/l/hanako", &english).await.text;
    assert!(
        english.contains("<h1>10% off your next order</h1>"),
        "{english}"
    );
    let chosen = open(&stack, Method::GET, "/l/hanako?lang=ja", &[])
        .await
        .text;
    assert!(chosen.contains("<h1>次回のお買い物が10%OFF</h1>"));
}
