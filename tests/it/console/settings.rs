//! Settings in the console: keys, webhooks, suppression and forgetting.

use integration::{Stack, completed};
use serde_json::{Value, json};

use super::{Staff, text_of};
use crate::mail_lists::{mails, store};

#[tokio::test]
async fn a_key_is_shown_once_works_and_ends_its_sessions_when_revoked() {
    let stack = Stack::start().await;
    let mut staff = Staff::signed_in(&stack).await;
    let keys = "/console/settings/keys";
    staff.get(keys).await.expect(200);
    for (name, scope) in [("", "admin"), ("x", "owner")] {
        let answer = staff.post(keys, &[("name", name), ("scope", scope)]).await;
        assert_eq!(answer.status, 422, "{name} {scope}");
    }
    let made = staff
        .post(keys, &[("name", "Shop <b>"), ("scope", "admin")])
        .await
        .expect(200);
    assert_eq!(made.headers["cache-control"], "no-store");
    let start = made.text.find("okaeri_").unwrap();
    let key: String = made.text[start..]
        .chars()
        .take_while(|symbol| symbol.is_ascii_alphanumeric() || *symbol == '_')
        .collect();
    stack
        .call(&key, "GET /v1/promotions", Value::Null)
        .await
        .expect(200);
    let list = staff.get(keys).await.expect(200).text;
    assert!(!list.contains(&key) && list.contains("Shop &lt;b&gt;"));
    // The local stack names its fixed keys by their text; no other key's text is ever listed.
    let listed = list.split("okaeri_").skip(1);
    assert!(listed.into_iter().all(|rest| rest.starts_with("local_")));
    // Whoever signed in with it is out a minute after it is revoked.
    let mut other = Staff::stranger(&stack);
    assert_eq!(
        other
            .post("/console/sign-in", &[("key", &key)])
            .await
            .status,
        303
    );
    other.get(keys).await.expect(200);
    let row = list
        .split("<tr>")
        .find(|row| row.contains("Shop &lt;b&gt;"))
        .unwrap();
    let revoke = row
        .split("href=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    assert!(!key.contains(revoke.split('/').nth(4).unwrap()));
    let asked = staff.get(revoke).await.expect(200);
    assert!(text_of(&asked.text).contains("stops within a minute"));
    stack
        .call(&key, "GET /v1/promotions", Value::Null)
        .await
        .expect(200);
    let done = staff.post_and_follow(revoke, &[]).await;
    assert!(done.text.contains("Revoked “Shop &lt;b&gt;”"));
    stack.advance("PT61S").await;
    stack
        .call(&key, "GET /v1/promotions", Value::Null)
        .await
        .expect(401);
    assert_eq!(other.get(keys).await.status, 303, "to sign in again");
}

#[tokio::test]
async fn a_form_sent_twice_or_at_the_same_time_makes_one_key() {
    let stack = Stack::start().await;
    let mut one = Staff::signed_in(&stack).await;
    let mut other = Staff::signed_in(&stack).await;
    let keys = "/console/settings/keys";
    let shown = "Keep it now";
    other.get(keys).await.expect(200);
    let form = one.get(keys).await.expect(200).text;
    let once = form.split("name=\"once\" value=\"").nth(1).unwrap();
    let once = once.split('"').next().unwrap();
    let fields = [("name", "Shop"), ("scope", "checkout"), ("once", once)];
    let (first, second) = tokio::join!(one.post(keys, &fields), other.post(keys, &fields));
    let texts = [first.expect(200).text, second.expect(200).text];
    let made = texts.iter().filter(|text| text.contains(shown)).count();
    assert_eq!(made, 1, "only one of them is shown a key");
    let again = one.post(keys, &fields).await.expect(200).text;
    assert!(!again.contains(shown) && text_of(&again).contains("has been created already"));
    let row = "<th scope=\"row\"><bdi>Shop</bdi>";
    assert_eq!(again.matches(row).count(), 1);
    // Another filling of the form is another key, under the same name too.
    let fields = [("name", "Shop"), ("scope", "checkout")];
    let more = one.post(keys, &fields).await.expect(200).text;
    assert!(more.contains(shown));
    assert_eq!(more.matches(row).count(), 2);
}

#[tokio::test]
async fn a_person_is_looked_up_and_forgotten_without_their_address_in_any_url() {
    let stack = Stack::start().await;
    let all = mails(&stack, 1).await;
    let mut staff = Staff::signed_in(&stack).await;
    let people = "/console/settings/people";
    staff.get(people).await.expect(200);
    let odd = staff.post(people, &[("email", "nobody")]).await;
    assert_eq!(odd.status, 422);
    let found = staff
        .post(people, &[("email", "B0@Example.JP")])
        .await
        .expect(200);
    let text = text_of(&found.text);
    assert!(
        text.contains("Not suppressed") && text.contains("Yes, until 30 days"),
        "{text}"
    );
    let asked = staff
        .post(&format!("{people}/forget"), &[("email", "b0@example.jp")])
        .await
        .expect(200);
    assert!(text_of(&asked.text).contains("cannot be undone"));
    let confirm = format!("{people}/forget/confirm");
    let mistyped = staff
        .post(&confirm, &[("email", "b0@example.jp"), ("typed", "b0")])
        .await;
    assert_eq!(mistyped.status, 422);
    assert!(
        store(&stack)
            .contact(&all[0].person, stack.clock().now())
            .await
            .unwrap()
            .is_some()
    );
    let done = staff
        .post(
            &confirm,
            &[("email", "b0@example.jp"), ("typed", "b0@example.jp")],
        )
        .await
        .expect(200);
    assert!(text_of(&done.text).contains("They are forgotten"));
    assert!(
        store(&stack)
            .contact(&all[0].person, stack.clock().now())
            .await
            .unwrap()
            .is_none()
    );
    let gone = staff
        .post(people, &[("email", "b0@example.jp")])
        .await
        .expect(200);
    let text = text_of(&gone.text);
    assert!(
        text.contains("They asked to be forgotten") && text.contains("None"),
        "{text}"
    );
    let withdrawn = staff
        .get("/console/mails?view=withdrawn")
        .await
        .expect(200)
        .text;
    assert!(
        text_of(&withdrawn).contains("(address erased)")
            && text_of(&withdrawn).contains("data was erased")
    );
}

#[tokio::test]
async fn settings_show_what_is_deployed_and_which_sources_were_heard_from() {
    let stack = Stack::start().await;
    stack
        .standard_webhook(stack.clock(), &completed("1", json!({"source": "custom"})))
        .await
        .expect(200);
    stack.advance("PT1S").await;
    let mut staff = Staff::signed_in(&stack).await;
    let page = text_of(&staff.get("/console/settings").await.expect(200).text);
    for words in [
        "Asia/Tokyo",
        "/v1/webhooks/shopify",
        "custom",
        "sam deploy",
        "SenderName",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
}
