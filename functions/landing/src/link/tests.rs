//! The words and the page without a table; what visits do is tested through the local stack.

use chrono::TimeDelta;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use shared::domain::code::PromotionId;
use shared::domain::promotion::KeyRef;
use shared::mailer::Language;

use super::page::{View, render};
use super::*;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

const NOW: &str = "2026-12-01T00:00:00Z";

fn promotion(terms: &Value) -> Promotion {
    let mut all = json!({"name": "Geheim", "currency": "JPY", "benefit": {"type": "percent_off", "percent": 10},
        "claim_code": "group", "ends_at": "2027-01-01T00:00:00+09:00"});
    for (name, value) in terms.as_object().unwrap() {
        all[name] = value.clone();
    }
    let keys = KeyRef {
        salt: [0; 16],
        master_key_version: 1,
        word_list: 1,
    };
    let id = PromotionId::try_from("THX9".to_owned()).unwrap();
    let terms = serde_json::from_value(all).unwrap();
    Promotion::new(
        id,
        terms,
        keys,
        at("2026-11-22T00:00:00Z"),
        TimeDelta::zero(),
    )
}

async fn shown(language: Language, view: &View<'_>) -> (http::response::Parts, String) {
    let state = crate::unsubscribe::tests::state();
    let response = render(&state, language, view, at(NOW));
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (parts, String::from_utf8(body.into()).unwrap())
}

fn word(promotion: &Promotion) -> GroupCode {
    serde_json::from_value(
        json!({"code": "HANAKO10", "promotion_id": promotion.id, "limits": {"per_customer": 1}}),
    )
    .unwrap()
}

#[tokio::test]
async fn a_shared_link_shows_the_shops_picture_if_it_has_one() {
    let promotion = promotion(&json!({}));
    let picture = "https://shop.example/picture.png";
    for picture in [None, Some(picture)] {
        let mut state = crate::unsubscribe::tests::state();
        state.site = crate::Site {
            picture: picture.map(|url| url.to_owned().try_into().unwrap()),
            ..crate::Site::default()
        }
        .into();
        let response = render(&state, Language::En, &View::Soon(&promotion), at(NOW));
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let page = String::from_utf8(body.into()).unwrap();
        let named = page
            .contains("<meta property=\"og:image\" content=\"https://shop.example/picture.png\">");
        assert_eq!(named, picture.is_some(), "{page}");
    }
}

#[tokio::test]
async fn the_page_says_what_the_offer_is_in_both_languages_and_small() {
    let promotion = promotion(&json!({"minimum": {"subtotal": 3000}}));
    let word = word(&promotion);
    let view = View::Open {
        promotion: &promotion,
        word: Some(&word),
        uses_left: Some(128),
        target: None,
    };
    for (language, words) in [
        (
            Language::Ja,
            [
                "<h1>次回のお買い物が10%OFF</h1>",
                "3,000円以上のご注文でご利用いただけます",
                "12月31日(木) 23:59まで",
                "残り128回",
                ">クーポンを使って買い物をする</a>",
                "お一人様1回まで。",
                "ほかのコードとは併用できません。",
            ],
        ),
        (
            Language::En,
            [
                "<h1>10% off your next order</h1>",
                "On orders of ¥3,000 or more",
                "Until 31 Dec, 23:59",
                "128 left",
                ">Shop with this code</a>",
                "Once per person.",
                "Cannot be combined with other codes.",
            ],
        ),
    ] {
        let (parts, page) = shown(language, &view).await;
        assert_eq!(parts.status, http::StatusCode::OK);
        for text in words {
            assert!(page.contains(text), "{text}: {page}");
        }
        assert!(
            page.contains("&lt;b&gt;商店") && !page.contains("<b>"),
            "{page}"
        );
        assert_eq!(page.matches("class=\"button\"").count(), 1);
        assert!(page.len() + SCRIPT.len() < 30_000);
        let (head, _) = page.split_once("</head>").unwrap();
        assert!(!head.contains("HANAKO10"), "{head}");
        for secret in ["Geheim", "THX9"] {
            assert!(!page.contains(secret), "{secret}: {page}");
        }
        let policy = parts.headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.contains("script-src 'self'") && !policy.contains("unsafe"),
            "{policy}"
        );
        assert!(
            !page.contains(" style=") && !page.contains(" onclick"),
            "{page}"
        );
    }
}

#[tokio::test]
async fn what_is_not_so_is_not_said() {
    let promotion = promotion(&json!({"claim_code": "single_use", "ends_at": null}));
    let view = View::Open {
        promotion: &promotion,
        word: None,
        uses_left: None,
        target: None,
    };
    let (_, page) = shown(Language::Ja, &view).await;
    for absent in [
        "まで・",
        "残り",
        "id=\"countdown\"",
        "ご注文でご利用いただけます",
    ] {
        assert!(!page.contains(absent), "{absent}: {page}");
    }
    assert!(page.contains("メールに記載のコードを、ご注文時に入力してください"));
    assert!(page.contains("id=\"code-box\" hidden"), "{page}");
}

#[tokio::test]
async fn before_the_start_the_page_says_when_and_shows_no_code() {
    let promotion = promotion(&json!({"starts_at": "2026-12-10T00:00:00+09:00"}));
    for (language, text) in [
        (Language::Ja, "12月10日(木) 00:00から"),
        (Language::En, "From 10 Dec, 00:00"),
    ] {
        let (_, page) = shown(language, &View::Soon(&promotion)).await;
        assert!(page.contains(text), "{page}");
        assert!(
            !page.contains("<code") && !page.contains("<script"),
            "{page}"
        );
    }
}

#[test]
fn every_offer_reads_naturally() {
    for (benefit, ja, en) in [
        (
            json!({"type": "amount_off", "amount": 1500}),
            "次回のお買い物が1,500円OFF",
            "¥1,500 off your next order",
        ),
        (
            json!({"type": "free_shipping"}),
            "次回のお買い物が送料無料",
            "Free shipping on your next order",
        ),
        (
            json!({"type": "buy_x_get_y", "buy": 2, "get": 1, "percent": 100}),
            "2点購入で1点無料",
            "Buy 2, get 1 free",
        ),
        (
            json!({"type": "tiered_percent_off", "tiers": [{"min_subtotal": 5000, "percent": 5}, {"min_subtotal": 9000, "percent": 15}]}),
            "次回のお買い物が最大15%OFF",
            "Up to 15% off your next order",
        ),
    ] {
        let promotion = promotion(&json!({"benefit": benefit}));
        assert_eq!(words::offer(Language::Ja, &promotion), ja);
        assert_eq!(words::offer(Language::En, &promotion), en);
    }
    let zone = chrono_tz::Asia::Tokyo;
    let next_year = words::until(Language::En, at("2027-12-31T15:00:00Z"), zone, at(NOW));
    assert_eq!(next_year, "Until 31 Dec 2027, 23:59");
    assert_eq!(words::remaining(Language::En, 1_234_567), "1,234,567 left");
}
