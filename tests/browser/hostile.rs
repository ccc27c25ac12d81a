//! Data that tries to break pages: shown as what it is, and nothing more.

use integration::{Stack, completed};
use serde_json::json;

use crate::page::{Lang, Visitor};
use crate::staff::at_work;

/// Text that is markup, endless, or turns what follows it around.
const NAMES: [&str; 4] = [
    "<script>document.title='owned'</script><b>bold</b>",
    "\"'><img src=x onerror=alert(1)>{{ code }}",
    "寿限無寿限無五劫の擦り切れ海砂利水魚の水行末雲来末風来末食う寝る処に住む処寿限無寿限無五劫の擦り切れ海砂利水魚の水行末雲来末",
    "abc \u{202e}gnitrevni\u{202c} \u{5e9}\u{5dc}\u{5d5}\u{5dd} ThisIsOneVeryLongWordThatNobodyEverBreaksBecauseItHasNoSpacesInItAtAllAndGoesOnAndOn",
];

/// The page is no wider than the window, and nothing of the data became part of it.
async fn holds(visitor: &Visitor, path: &str) {
    visitor.visit(path).await;
    let found = visitor
        .session()
        .run(
            "return {wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
                     made: document.querySelectorAll('main img[src=x], main b, main script').length, title: document.title,
                     out: [...document.querySelectorAll('body *')].filter((one) => one.getBoundingClientRect().right > document.documentElement.clientWidth + 1).map((one) => one.outerHTML.slice(0, 120)).slice(0, 4)}",
            json!([]),
        )
        .await;
    assert_eq!(
        (
            found["wide"].as_i64().unwrap().max(0),
            found["made"].as_u64().unwrap()
        ),
        (0, 0),
        "{path}: {found}"
    );
    assert_ne!(found["title"], "owned", "{path}");
}

#[tokio::test]
async fn names_subjects_and_lists_of_4000_skus_that_are_markup_endless_or_turned_around_leave_pages_whole()
 {
    let stack = Stack::start().await;
    let skus: Vec<String> = (0..4_000)
        .map(|number| format!("{number:04}<i>{}", "長".repeat(4)))
        .collect();
    let mut ids = Vec::new();
    for name in NAMES {
        let few = &skus[..if name == NAMES[0] { skus.len() } else { 3 }];
        let terms = json!({"name": name, "products": {"include": few, "exclude": ["<b>x</b>"]}, "limits": {"budget": 1_000_000_000_000_000_000_u64}});
        let promotion = stack.promotion(terms).await;
        let follow_up = json!({
            "name": name, "variants": [{"name": name.chars().take(100).collect::<String>(), "promotion_id": promotion["id"], "delay": "PT0S"}], "holdout_percent": 10,
            "mail": {"from": "Shop <hello@shop.example>", "templates": {"ja": {"subject": "<b>{{ customer.name }}</b>", "body": "<script>1</script> {{ code }} {{ unsubscribe_url }}"}}},
        });
        let follow_up = stack.follow_up(&promotion, follow_up).await;
        ids.push((
            promotion["id"].as_str().unwrap().to_owned(),
            follow_up["id"].as_str().unwrap().to_owned(),
        ));
    }
    let order = completed(
        "hostile",
        json!({"customer": {"name": NAMES[0]}, "lines": [{"sku": NAMES[1].chars().take(20).collect::<String>(), "quantity": 1, "unit_price": 9_000}]}),
    );
    stack
        .standard_webhook(stack.clock(), &order)
        .await
        .expect(200);
    stack.advance("PT1H").await;
    for (lang, width) in [(Lang::Ja, 1_280), (Lang::En, 390)] {
        let Some(visitor) = at_work(&stack, lang).await else {
            return;
        };
        visitor.narrow_to(width).await;
        for path in [
            "/console",
            "/console/promotions?view=all",
            "/console/follow-ups",
            "/console/mails?view=sent",
            "/console/settings",
        ] {
            holds(&visitor, path).await;
        }
        for (promotion, follow_up) in &ids {
            for part in ["", "/codes", "/channels", "/sales", "/terms", "/history"] {
                holds(&visitor, &format!("/console/promotions/{promotion}{part}")).await;
            }
            holds(
                &visitor,
                &format!("/console/promotions/new?from={promotion}"),
            )
            .await;
            for part in ["", "/results", "/edit"] {
                holds(&visitor, &format!("/console/follow-ups/{follow_up}{part}")).await;
            }
        }
        visitor.leave().await;
    }
}
