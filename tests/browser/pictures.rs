//! The README's pictures of the demo's pages. `OKAERI_PICTURES=1` renews those in `docs/`; without it they are only measured.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use integration::Stack;
use okaeri::local::demo::Ledger;
use serde_json::json;

use crate::page::Visitor;

/// Most bytes of a picture.
const MOST_BYTES: usize = 60_000;

/// Takes a picture of each page that the README shows.
pub(crate) async fn take(visitor: &Visitor, stack: &Stack, ledger: &Ledger) {
    let renew = std::env::var("OKAERI_PICTURES").is_ok_and(|text| text == "1");
    let pages = [
        ("console-overview", "/console".to_owned()),
        (
            "console-promotion",
            format!("/console/promotions/{}", ledger.promotions["influencer"]),
        ),
        (
            "console-results",
            format!(
                "/console/follow-ups/{}/results",
                ledger.follow_ups["thanks"]
            ),
        ),
    ];
    for (name, page) in pages {
        visitor
            .session()
            .go(&format!("{}{page}", stack.running().url()))
            .await;
        let asked = json!({"format": "webp", "quality": 70});
        let picture = visitor
            .session()
            .devtools("Page.captureScreenshot", asked)
            .await;
        let picture = BASE64.decode(picture["data"].as_str().unwrap()).unwrap();
        assert!(
            picture.len() < MOST_BYTES,
            "{name}: {} bytes",
            picture.len()
        );
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../docs/{name}.webp"));
        if renew {
            std::fs::write(&path, picture).unwrap();
        }
        let kept = std::fs::metadata(&path).unwrap().len();
        assert!(
            usize::try_from(kept).unwrap() < MOST_BYTES,
            "{}",
            path.display()
        );
    }
}
