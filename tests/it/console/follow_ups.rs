//! Follow-ups in the console: making, changing, pausing and deleting them, their mail, and what they brought.

use integration::{Stack, completed};
use serde_json::{Value, json};

use super::{Staff, hidden, location, text_of};

/// What a complete form sends for one variant.
fn fields<'a>(name: &'a str, promotion: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("name", name),
        ("min", "３，０００"),
        ("consent", "yes"),
        ("variants", "1"),
        ("v0-name", "A"),
        ("v0-promotion", promotion),
        ("v0-delay", "3"),
        ("v0-unit", "D"),
        ("v0-weight", "1"),
        ("holdout", "10"),
        ("valid", "30"),
        ("reminder", "2"),
        ("reminder-unit", "D"),
        ("from", "Shop <hello@shop.example>"),
    ]
}

async fn read(stack: &Stack, path: &str) -> Value {
    let id = path.rsplit('/').next().unwrap();
    stack
        .admin(&format!("GET /v1/follow-ups/{id}"), Value::Null)
        .await
        .expect(200)
        .body
}

#[tokio::test]
async fn staff_make_a_follow_up_and_are_told_at_the_field_what_is_wrong() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    let id = promotion["id"].as_str().unwrap();
    let mut staff = Staff::signed_in(&stack).await;
    let empty = staff.get("/console/follow-ups").await.expect(200);
    assert!(text_of(&empty.text).contains("Thank buyers by mail"));
    staff.language = "ja";
    let form = staff.get("/console/follow-ups/new").await.expect(200).text;
    assert!(form.contains(id), "its promotion can be chosen");
    let mut wrong = fields("", id);
    wrong.push(("body-ja", "{{ no.such }}"));
    let answer = staff.post("/console/follow-ups/new", &wrong).await;
    assert_eq!(answer.status, 422);
    assert!(answer.text.contains("<title>エラー：") && answer.text.contains("href=\"#f-name\""));
    assert!(
        answer.text.contains("value=\"３，０００\""),
        "what was typed is kept"
    );
    // A text of its own is judged by the API, at its field.
    let mut wrong = fields("お礼", id);
    wrong.extend([("subject-ja", "件名"), ("body-ja", "{{ no.such }}")]);
    let answer = staff.post("/console/follow-ups/new", &wrong).await;
    assert!(
        answer.text.contains("id=\"f-body-ja-error\""),
        "{}",
        text_of(&answer.text)
    );
    assert_eq!(
        stack.admin("GET /v1/follow-ups", Value::Null).await.body["follow_ups"],
        json!([])
    );
    let once = hidden(&answer.text, "once").unwrap();
    let mut right = fields("お礼", id);
    right.push(("once", &once));
    let made = staff.post("/console/follow-ups/new", &right).await;
    assert_eq!(made.status, 303, "{}", text_of(&made.text));
    let path = location(&made);
    let stored = read(&stack, &path).await;
    assert_eq!(
        stored["conditions"],
        json!({"min_total": 3000, "require_consent": true, "first_order_only": false, "cooldown_days": 0})
    );
    assert_eq!(stored["reminder_before_expiry"], "P2D");
    assert_eq!(
        (&stored["holdout_percent"], &stored["variants"][0]["delay"]),
        (&json!(10), &json!("P3D"))
    );
    // The same form again makes no second one.
    let again = staff.post("/console/follow-ups/new", &right).await;
    assert_eq!(location(&again), path);
    let page = staff.get(&path).await.expect(200).text;
    let sentence = "3,000円以上の注文について、注文の3日後に、1回限りのコードをメールで送ります。";
    assert!(page.contains(sentence), "{}", text_of(&page));
}

#[tokio::test]
async fn variants_come_and_go_without_script_and_changed_arms_ask_before_a_new_experiment() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    let id = promotion["id"].as_str().unwrap();
    let follow_up = stack.follow_up(&promotion, json!({})).await;
    let path = format!("/console/follow-ups/{}", follow_up["id"].as_str().unwrap());
    let edit = format!("{path}/edit");
    let mut staff = Staff::signed_in(&stack).await;
    let form = staff.get(&edit).await.expect(200).text;
    assert!(form.contains("value=\"10% after 3 days\""));
    let mut more = fields("Thanks", id);
    more.push(("add", "yes"));
    let two = staff.post(&edit, &more).await.expect(200).text;
    assert!(two.contains("name=\"v1-name\"") && hidden(&two, "variants").as_deref() == Some("2"));
    let mut two = fields("Thanks", id);
    two.retain(|(name, _)| *name != "variants");
    two.extend([
        ("variants", "2"),
        ("v1-name", "B"),
        ("v1-promotion", id),
        ("v1-delay", "36"),
        ("v1-unit", "H"),
        ("v1-weight", "2"),
    ]);
    let mut fewer = two.clone();
    fewer.push(("remove", "0"));
    let one = staff.post(&edit, &fewer).await.expect(200).text;
    assert!(one.contains("value=\"B\"") && hidden(&one, "variants").as_deref() == Some("1"));
    let asked = staff.post(&edit, &two).await.expect(200).text;
    assert!(text_of(&asked).contains("This starts a new experiment"));
    assert_eq!(
        read(&stack, &path).await["version"],
        1,
        "nothing is saved yet"
    );
    two.push(("confirmed", "yes"));
    let done = staff.post_and_follow(&edit, &two).await;
    assert!(text_of(&done.text).contains("Saved"));
    let stored = read(&stack, &path).await;
    assert_eq!(
        (&stored["experiment"], &stored["variants"][1]["delay"]),
        (&json!(2), &json!("P1DT12H"))
    );
    // The old experiment stays readable.
    let results = staff.get(&format!("{path}/results")).await.expect(200).text;
    assert!(results.contains("experiment=1"), "{}", text_of(&results));
    let old = staff
        .get(&format!("{path}/results?experiment=1"))
        .await
        .expect(200)
        .text;
    assert!(
        old.contains("10% after 3 days")
            && text_of(&old).contains("Results of an earlier experiment")
    );
    assert_eq!(
        staff
            .get(&format!("{path}/results?experiment=9"))
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn pausing_and_deleting_ask_first_and_deleting_wants_the_name() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    let follow_up = stack
        .follow_up(&promotion, json!({"name": "Thank you <b>"}))
        .await;
    let path = format!("/console/follow-ups/{}", follow_up["id"].as_str().unwrap());
    let mut staff = Staff::signed_in(&stack).await;
    for (call, status) in [("pause", "paused"), ("resume", "active")] {
        let asked = staff.get(&format!("{path}/{call}")).await.expect(200).text;
        assert!(asked.contains("Thank you &lt;b&gt;"));
        staff.post_and_follow(&format!("{path}/{call}"), &[]).await;
        assert_eq!(read(&stack, &path).await["status"], status);
    }
    staff.get(&format!("{path}/delete")).await.expect(200);
    let refused = staff
        .post(&format!("{path}/delete"), &[("typed", "Thank")])
        .await;
    assert_eq!(refused.status, 422);
    assert_eq!(read(&stack, &path).await["status"], "active");
    let gone = staff
        .post_and_follow(&format!("{path}/delete"), &[("typed", "Thank you <b>")])
        .await;
    assert!(gone.text.contains("Deleted “Thank you &lt;b&gt;”"));
    assert_eq!(staff.get(&path).await.status, 404);
}

#[tokio::test]
async fn results_are_the_apis_and_say_that_there_is_not_enough_data() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    let follow_up = stack
        .follow_up(&promotion, json!({"holdout_percent": 50}))
        .await;
    for number in 0..24 {
        let email = format!("b{}@example.jp", number % 16);
        let event = completed(&number.to_string(), json!({"customer": {"email": email}}));
        stack
            .standard_webhook(stack.clock(), &event)
            .await
            .expect(200);
    }
    stack.advance("P4D").await;
    stack.advance("PT1M").await;
    let id = follow_up["id"].as_str().unwrap();
    let api = stack
        .admin(&format!("GET /v1/follow-ups/{id}/results"), Value::Null)
        .await
        .expect(200)
        .body;
    let mut staff = Staff::signed_in(&stack).await;
    let page = staff
        .get(&format!("/console/follow-ups/{id}/results"))
        .await
        .expect(200)
        .text;
    let rows = page.split("<tbody>").last().unwrap();
    let rows: Vec<String> = rows.split("</tr>").map(text_of).collect();
    for (arm, row) in api["arms"].as_array().unwrap().iter().zip(&rows) {
        let rate = arm["repeat_rate"].as_f64().unwrap() * 100.0;
        assert!(row.contains(&format!("{rate:.1}%")), "{row} {arm}");
        let counts: Vec<&str> = row.split(' ').collect();
        let assigned = arm["assigned"].to_string();
        assert!(counts.contains(&assigned.as_str()), "{row} {arm}");
        if arm["holdout"] == false {
            let found = format!(
                "{} {} {} {} {}",
                assigned, arm["mailed"], arm["delivered"], arm["bounced"], arm["redeemed"]
            );
            assert!(row.contains(&found), "{row} {found}");
        } else {
            assert!(row.contains('—') && row.contains("Hold-out"), "{row}");
        }
    }
    let verdict = text_of(&page);
    assert!(
        verdict.contains("Not enough data") && verdict.contains("per group"),
        "{verdict}"
    );
    assert!(page.contains("<svg role=\"img\""));
    let list = staff.get("/console/follow-ups").await.expect(200).text;
    assert!(text_of(&list).contains("Not enough data"));
}

#[tokio::test]
async fn the_mail_is_shown_in_both_languages_and_a_test_mail_is_sent_from_the_page() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    let follow_up = stack.follow_up(&promotion, json!({})).await;
    let path = format!("/console/follow-ups/{}", follow_up["id"].as_str().unwrap());
    let mut staff = Staff::signed_in(&stack).await;
    let ja = staff
        .get(&format!("{path}/mail?mail=ja&arm=0"))
        .await
        .expect(200);
    let en = staff
        .get(&format!("{path}/mail?mail=en&arm=0"))
        .await
        .expect(200);
    assert!(ja.text.contains("花子") && en.text.contains("Hanako"));
    assert!(
        ja.headers["content-security-policy"]
            .to_str()
            .unwrap()
            .starts_with("sandbox;")
    );
    staff.get(&path).await.expect(200);
    let odd = staff
        .post(
            &format!("{path}/test"),
            &[("to", "nonsense"), ("locale", "ja")],
        )
        .await;
    assert_eq!(odd.status, 422);
    assert!(odd.text.contains("f-to-error"), "{}", text_of(&odd.text));
    let sent = staff
        .post(
            &format!("{path}/test"),
            &[("to", "staff@shop.example"), ("locale", "ja")],
        )
        .await;
    assert_eq!(sent.status, 303, "{}", text_of(&sent.text));
    stack.advance("PT1M").await;
    let there = location(&sent);
    assert!(!there.contains("staff"), "no address in an address");
    let page = staff.get(&there).await.expect(200);
    assert!(text_of(&page.text).contains("Sent"));
    assert_eq!(stack.inbox().await.len(), 1);
}
