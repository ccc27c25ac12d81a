//! The first page: what needs somebody.

use integration::{Stack, completed};
use serde_json::json;

use super::{Staff, text_of};
use crate::mail_lists::{end, failed, mails, parked};

/// The section, as text; none if nothing needs anybody.
async fn attention(stack: &Stack, language: &'static str) -> Option<(String, String)> {
    let mut staff = Staff::signed_in(stack).await;
    staff.language = language;
    let page = staff.get("/console").await.expect(200).text;
    let (_, rest) = page.split_once("aria-labelledby=\"attention\"")?;
    let (section, _) = rest.split_once("</section>")?;
    Some((section.to_owned(), text_of(section)))
}

#[tokio::test]
async fn what_waits_for_somebody_is_told_on_the_first_page_until_it_is_dealt_with_or_old() {
    let stack = Stack::start().await;
    let all = mails(&stack, 4).await;
    assert_eq!(attention(&stack, "en").await, None);
    end(&stack, &all[0], parked()).await;
    end(&stack, &all[1], failed()).await;
    end(&stack, &all[2], failed()).await;
    let unreadable = completed("#1", json!({}));
    let answer = stack.standard_webhook(stack.clock(), &unreadable).await;
    assert_eq!(answer.expect(200).body["quarantined"], true);
    let promotion = stack.promotion(json!({})).await;
    let codes = stack.codes(&promotion, 1).await;
    let void = json!({ "codes": codes });
    stack
        .admin("POST /v1/codes/void", void.clone())
        .await
        .expect(200);
    stack
        .standard_webhook(stack.clock(), &completed("77", void))
        .await
        .expect(200);
    stack.advance("PT1S").await;
    let lasting = [
        (
            "mails?view=attention",
            "確認が必要なメール : 1件",
            "Mails to be looked at : 1",
        ),
        (
            "orders/quarantine",
            "取り込めなかった注文の通知 : 1件",
            "Notices of orders that could not be read : 1",
        ),
    ];
    let passing = [
        (
            "mails?view=undelivered",
            "この48時間に届かなかったメール : 2件",
            "Mails that failed or came back within 48 hours : 2",
        ),
        (
            "orders/unreconciled",
            "この48時間に未照合となった注文 : 1件",
            "Orders unreconciled within 48 hours : 1",
        ),
    ];
    let told = async |(path, ja, en): (&str, &str, &str)| {
        for (language, words) in [("ja", ja), ("en", en)] {
            let (section, text) = attention(&stack, language).await?;
            if !section.contains(&format!("href=\"/console/{path}\"")) || !text.contains(words) {
                return None;
            }
        }
        Some(())
    };
    for matter in lasting.into_iter().chain(passing) {
        assert!(
            told(matter).await.is_some(),
            "{matter:?}: {:?}",
            attention(&stack, "en").await
        );
    }
    // The mails ended four days from the beginning.
    stack.advance("P7D").await;
    for matter in lasting {
        assert!(told(matter).await.is_some(), "{matter:?}");
    }
    for matter in passing {
        assert!(told(matter).await.is_none(), "{matter:?}");
    }
}
