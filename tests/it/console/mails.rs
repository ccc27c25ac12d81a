//! Mails in the console: where each stands and why, what it says, and sending it again.

use chrono::TimeDelta;
use integration::Stack;
use serde_json::{Value, json};
use shared::domain::outbox::MailState;
use shared::domain::sending::{PauseReason, SendingPause};
use shared::store::MailChange;

use super::{Staff, text_of};
use crate::feedback::order;
use crate::mail_lists::{end, failed, mail_of, mails, parked, store};

/// What ends a mail, the view it is then in, and why in Japanese and English.
fn endings() -> Vec<(MailChange, &'static str, &'static str, &'static str)> {
    let withdrawn = |reason: &str| MailChange::Withdrawn {
        reason: reason.to_owned(),
    };
    let failed_for = |reason: &str| MailChange::Failed {
        reason: reason.to_owned(),
    };
    vec![
        (
            failed(),
            "undelivered",
            "SESの応答：MessageRejected",
            "SES answered: MessageRejected",
        ),
        (
            failed_for("no-address"),
            "undelivered",
            "メールアドレスが残っていません",
            "The address is gone",
        ),
        (
            failed_for("template"),
            "undelivered",
            "本文テンプレートにエラーがあります",
            "own text has an error",
        ),
        (
            parked(),
            "attention",
            "届いている可能性があります",
            "it may have arrived",
        ),
        (
            withdrawn("cancelled"),
            "withdrawn",
            "注文が取り消されたか",
            "The order was cancelled",
        ),
        (
            withdrawn("unsubscribed"),
            "withdrawn",
            "配信を停止しました",
            "The buyer unsubscribed",
        ),
        (
            withdrawn("suppressed"),
            "withdrawn",
            "配信できないアドレスです",
            "cannot be mailed",
        ),
        (
            withdrawn("code-used"),
            "withdrawn",
            "すでに利用されています",
            "was used already",
        ),
        (
            withdrawn("promotion-ended"),
            "withdrawn",
            "プロモーションが終了しました",
            "The promotion has ended",
        ),
        (
            withdrawn("follow-up-deleted"),
            "withdrawn",
            "フォローメールが削除されました",
            "The follow-up was deleted",
        ),
    ]
}

#[tokio::test]
async fn each_state_is_shown_with_its_reason_in_words_in_both_languages_and_addresses_masked() {
    let stack = Stack::start().await;
    let endings = endings();
    let all = mails(&stack, endings.len() + 2).await;
    for (mail, (change, ..)) in all.iter().zip(&endings) {
        end(&stack, mail, change.clone()).await;
    }
    let waiting = MailChange::DueAgain {
        at: stack.clock().now() + TimeDelta::days(9),
        reason: "sender-missing".to_owned(),
    };
    end(&stack, &all[endings.len()], waiting).await;
    let mut staff = Staff::signed_in(&stack).await;
    for language in ["ja", "en"] {
        staff.language = language;
        for (index, (_, view, ja, en)) in endings.iter().enumerate() {
            let words = if language == "ja" { ja } else { en };
            let list = staff
                .get(&format!("/console/mails?view={view}"))
                .await
                .expect(200);
            let page = staff
                .get(&format!("/console/mails/{}", all[index].id))
                .await
                .expect(200);
            for (place, text) in [("list", &list.text), ("page", &page.text)] {
                assert!(
                    text_of(text).contains(words),
                    "{place} {view} {language}: {words}"
                );
                assert!(text.contains("b•••@example.jp"), "{place}");
                assert!(
                    !text.contains(&format!("b{index}@")),
                    "{place}: an address in full"
                );
                let slugs = [
                    "no-address",
                    "code-used",
                    "unknown-outcome",
                    "promotion-ended",
                ];
                assert!(
                    slugs.iter().all(|slug| !text.contains(slug)),
                    "{place} {language}"
                );
            }
        }
        let waiting = staff.get("/console/mails").await.expect(200).text;
        let words = if language == "ja" {
            "差出人情報が未設定です"
        } else {
            "No sender details are set"
        };
        assert!(text_of(&waiting).contains(words), "{}", text_of(&waiting));
    }
}

#[tokio::test]
async fn a_mail_reads_as_its_buyer_got_it_but_for_the_way_out_and_its_frame_can_do_nothing() {
    let stack = Stack::start().await;
    let all = mails(&stack, 1).await;
    stack.advance("P3D").await;
    let sent = &stack.inbox().await[0];
    let mut staff = Staff::signed_in(&stack).await;
    let path = format!("/console/mails/{}", all[0].id);
    let without_way_out = |text: &str| {
        let mut text = text.to_owned();
        while let Some(start) = text.find("/u/") {
            let end = text[start + 3..]
                .find(|symbol: char| !symbol.is_ascii_alphanumeric() && !"_-.".contains(symbol));
            let end = end.map_or(text.len(), |end| start + 3 + end);
            text.replace_range(start..end, "WAY-OUT");
        }
        text
    };
    let frame = staff.get(&format!("{path}/body")).await.expect(200);
    let html = frame.text.replacen("<base target=\"_blank\">", "", 1);
    assert_eq!(
        without_way_out(&html),
        without_way_out(sent["html"].as_str().unwrap())
    );
    let policy = frame.headers["content-security-policy"].to_str().unwrap();
    assert!(
        policy.starts_with("sandbox; default-src 'none'") && !policy.contains("script-src"),
        "{policy}"
    );
    let page = staff.get(&path).await.expect(200).text;
    assert!(page.contains("<iframe") && page.contains("sandbox=\"\""));
    assert!(page.contains(sent["subject"].as_str().unwrap()));
    let text = staff
        .get(&format!("{path}?tab=text"))
        .await
        .expect(200)
        .text;
    let (_, code) = sent["text"].as_str().unwrap().split_once('#').unwrap();
    let code = code.split_whitespace().next().unwrap();
    assert!(text.contains(code), "staff read the code in the mail");
    let links = text
        .split("href=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap());
    assert!(
        links.into_iter().all(|link| !link.contains(code)),
        "no code in an address"
    );
    let headers = staff
        .get(&format!("{path}?tab=headers"))
        .await
        .expect(200)
        .text;
    assert!(headers.contains("List-Unsubscribe") && headers.contains("b•••@example.jp"));
}

#[tokio::test]
async fn a_failed_mail_is_sent_again_at_staffs_word_once_and_a_parked_one_with_a_warning() {
    let stack = Stack::start().await;
    let all = mails(&stack, 3).await;
    end(&stack, &all[0], failed()).await;
    end(&stack, &all[1], parked()).await;
    let mut staff = Staff::signed_in(&stack).await;
    let path = |index: usize| format!("/console/mails/{}/resend", all[index].id);
    // A waiting one offers nothing of the kind, and looking changes nothing.
    let waiting = staff
        .get(&format!("/console/mails/{}", all[2].id))
        .await
        .expect(200);
    assert!(!waiting.text.contains("/resend"));
    let first = staff.get(&path(0)).await.expect(200).text;
    assert!(
        !text_of(&first).contains("may have arrived"),
        "SES refused it"
    );
    let asked = staff.get(&path(1)).await.expect(200).text;
    assert!(text_of(&asked).contains("The first may have arrived"));
    let store = store(&stack);
    for mail in &all[..2] {
        let now = store.mail(&mail.id).await.unwrap().unwrap();
        assert!(now.can_be_sent_again(), "a look changed it");
    }
    // What was asked about is the first try, not a later one.
    let other = staff.post_and_follow(&path(0), &[("attempt", "7")]).await;
    assert!(text_of(&other.text).contains("nothing was changed"));
    for (index, risk) in [(0, false), (1, true)] {
        let done = staff
            .post_and_follow(&path(index), &[("attempt", "1")])
            .await;
        assert!(
            text_of(&done.text).contains("It is due again"),
            "{}",
            text_of(&done.text)
        );
        let mail = store.mail(&all[index].id).await.unwrap().unwrap();
        assert_eq!((mail.state, mail.duplicate_risk), (MailState::Due, risk));
        let again = staff
            .post_and_follow(&path(index), &[("attempt", "1")])
            .await;
        assert!(text_of(&again.text).contains("nothing was changed"));
    }
    stack.advance("PT1M").await;
    assert_eq!(stack.inbox().await.len(), 2);
    let page = staff
        .get(&format!("/console/mails/{}", all[1].id))
        .await
        .expect(200);
    assert!(text_of(&page.text).contains("It may have arrived twice"));
}

#[tokio::test]
async fn lists_are_paged_and_each_empty_one_says_so() {
    let stack = Stack::start().await;
    let mut staff = Staff::signed_in(&stack).await;
    for (view, words) in [
        ("waiting", "No mail is scheduled yet"),
        ("sent", "No mail was sent yet"),
        ("undelivered", "No mail failed"),
        ("attention", "No mail needs your attention"),
        ("withdrawn", "No mail was withdrawn"),
    ] {
        let page = staff
            .get(&format!("/console/mails?view={view}"))
            .await
            .expect(200);
        assert!(text_of(&page.text).contains(words), "{view}");
    }
    let all = mails(&stack, 53).await;
    let first = staff.get("/console/mails").await.expect(200).text;
    let next = first
        .split("href=\"")
        .find(|link| link.contains("after="))
        .unwrap();
    let next = next.split('"').next().unwrap().replace("&amp;", "&");
    let second = staff.get(&next).await.expect(200).text;
    let shown = |page: &str| {
        let listed = |id: &str| page.contains(&format!("href=\"/console/mails/{id}\""));
        all.iter().filter(|mail| listed(mail.id.as_str())).count()
    };
    assert_eq!((shown(&first), shown(&second)), (50, 3));
    assert_eq!(
        staff
            .get("/console/mails?view=sent&after=nonsense")
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn what_stops_all_mail_is_shown_and_lifted_with_a_reason_that_is_kept() {
    let stack = Stack::start().await;
    let mut staff = Staff::signed_in(&stack).await;
    let quiet = staff.get("/console/mails").await.expect(200).text;
    assert!(!text_of(&quiet).contains("No mail is being sent"));
    let (store, now) = (store(&stack), stack.clock().now());
    store
        .pause_sending(SendingPause::new(PauseReason::BounceRate, now))
        .await
        .unwrap();
    let page = staff.get("/console/mails").await.expect(200).text;
    assert!(
        text_of(&page).contains("Too many mails bounced"),
        "{}",
        text_of(&page)
    );
    staff.get("/console/mails/resume").await.expect(200);
    let missing = staff.post("/console/mails/resume", &[("why", " ")]).await;
    assert_eq!(missing.status, 422);
    assert!(missing.text.contains("Error: ") && text_of(&missing.text).contains("Say why"));
    let done = staff
        .post_and_follow("/console/mails/resume", &[("why", "Old list removed")])
        .await;
    assert!(text_of(&done.text).contains("go out again"));
    let state = store.sending_state(now).await.unwrap();
    assert_eq!(
        (state.pause, state.liftings[0].why.as_str()),
        (None, "Old list removed")
    );
    // What only SES can end stays.
    store
        .pause_sending(SendingPause::new(PauseReason::AccountSuspended, now))
        .await
        .unwrap();
    staff.get("/console/mails/resume").await.expect(200);
    let refused = staff
        .post("/console/mails/resume", &[("why", "please")])
        .await;
    assert_eq!(refused.status, 422);
    assert!(store.sending_state(now).await.unwrap().pause.is_some());
}

#[tokio::test]
async fn without_a_sender_every_page_about_mail_says_that_nothing_is_sent() {
    let settings = ["SENDER_NAME", "SENDER_ADDRESS", "SENDER_CONTACT"]
        .map(|name| (name.to_owned(), String::new()));
    let stack = Stack::start_with(okaeri::local::Options {
        port: 0,
        settings: settings.into(),
        ..okaeri::local::Options::default()
    })
    .await;
    let promotion = stack.promotion(json!({})).await;
    let follow_up = stack.follow_up(&promotion, json!({})).await;
    order(&stack, "1", "hanako@example.jp").await;
    stack.advance("PT1S").await;
    let mail = mail_of(&store(&stack), "1").await;
    let id = follow_up["id"].as_str().unwrap();
    let mut staff = Staff::signed_in(&stack).await;
    for path in [
        "/console/mails".to_owned(),
        format!("/console/mails/{}", mail.id),
        "/console/follow-ups".to_owned(),
        format!("/console/follow-ups/{id}"),
        format!("/console/follow-ups/{id}/results"),
        format!("/console/follow-ups/{id}/edit"),
        "/console/settings".to_owned(),
    ] {
        let page = staff.get(&path).await.expect(200);
        assert!(
            text_of(&page.text).contains("No mail is being sent: sender details are missing"),
            "{path}"
        );
    }
    let _: Value = follow_up;
}
