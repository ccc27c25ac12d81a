//! Promotions, from the first form to the end.

use integration::{Stack, redemption};
use serde_json::{Value, json};

use crate::page::{Lang, Visitor};
use crate::staff::at_work;

/// Fills in the form for 15 % off and creates it; answers the promotion's path.
async fn create(visitor: &Visitor, name: &str) -> String {
    let lang = visitor.lang;
    visitor.visit("/console/promotions").await;
    visitor
        .press(lang.pick("プロモーションを作成", "Create promotion"))
        .await;
    visitor.press(lang.pick("割引率", "Percent off")).await;
    visitor.fill(lang.pick("名前", "Name"), name).await;
    visitor
        .fill(lang.pick("割引率", "Percent off"), "１５０")
        .await;
    visitor
        .fill(lang.pick("予算（割引総額の上限）", "Budget"), "50,000")
        .await;
    let review = lang.pick("確認画面へ進む", "Review promotion");
    visitor.press(review).await;
    let error = lang.pick(
        "割引率は0より大きく100以下の数字で入力してください",
        "Enter a percentage above 0 and at most 100",
    );
    visitor.sees(error).await;
    let title = visitor
        .session()
        .run("return document.title", json!([]))
        .await;
    assert!(
        title
            .as_str()
            .unwrap()
            .starts_with(lang.pick("エラー：", "Error: ")),
        "{title}"
    );
    // The list of errors has the keyboard, each leads to its field, and what was entered stands there still.
    let focused = visitor
        .session()
        .run("return document.activeElement.innerText", json!([]))
        .await;
    assert!(focused.as_str().unwrap().contains(error), "{focused}");
    visitor.press(error).await;
    let focused = visitor
        .session()
        .run("return document.activeElement.id", json!([]))
        .await;
    assert_eq!(focused, "f-percent");
    assert_eq!(visitor.value(lang.pick("名前", "Name")).await, name);
    visitor
        .fill(lang.pick("割引率", "Percent off"), "１５")
        .await;
    visitor.press(review).await;
    visitor.sees("15%").await;
    visitor
        .press(lang.pick("この内容で作成する", "Create"))
        .await;
    visitor
        .sees(lang.pick("プロモーションを作成しました", "Promotion created"))
        .await;
    let place = visitor.place().await;
    place.strip_suffix("/created").unwrap().to_owned()
}

#[tokio::test]
async fn a_promotion_is_created_with_an_error_mended_its_codes_are_downloaded_and_it_is_paused_resumed_and_ended()
 {
    let stack = Stack::start().await;
    for lang in Lang::BOTH {
        let Some(visitor) = at_work(&stack, lang).await else {
            return;
        };
        let path = create(&visitor, lang.pick("秋の感謝祭", "Autumn thanks")).await;
        let id = path.rsplit('/').next().unwrap();
        let call = format!("GET /v1/promotions/{id}");
        let made = stack.admin(&call, Value::Null).await.expect(200).body;
        assert_eq!(
            made["benefit"],
            json!({"type": "percent_off", "percent": 15})
        );
        assert_eq!(made["limits"]["budget"], 50_000);

        visitor.visit(&format!("{path}/codes")).await;
        visitor.fill(lang.pick("枚数", "How many"), "12").await;
        visitor
            .fill(lang.pick("配布経路", "Channel"), "flyer/station")
            .await;
        visitor
            .press(lang.pick("コードを発行する", "Issue codes"))
            .await;
        let made = stack.admin(&call, Value::Null).await.expect(200).body;
        assert_eq!(made["minted"], 112);
        // As the browser would download it, with the browser's session.
        let csv = visitor
            .session()
            .run_async("const done = arguments[arguments.length - 1]; const link = document.querySelector('a[href*=\".csv\"], a[download]'); fetch(link.href).then((answer) => answer.text()).then(done, (error) => done(String(error)));")
            .await;
        let lines: Vec<&str> = csv.as_str().unwrap().lines().collect();
        let code = lines.iter().find(|line| line.starts_with(id)).unwrap();
        let code = code.split(',').next().unwrap();

        visitor.visit(&format!("{path}/codes")).await;
        visitor
            .fill(
                lang.pick("コード", "Code"),
                &code.to_lowercase().replace('-', " "),
            )
            .await;
        visitor.press(lang.pick("照会する", "Look up")).await;
        visitor.sees(lang.pick("未使用", "Unused")).await;
        assert!(
            !visitor.place().await.contains(&code[5..]),
            "the code stands in the address"
        );
        visitor.press(lang.pick("無効にする", "Void code")).await;
        visitor.press(lang.pick("無効にする", "Void code")).await;
        visitor
            .sees(lang.pick("コードを無効にしました。", "The code is void."))
            .await;
        let refused = stack.redeem("voided", code).await.expect(422).body;
        assert_eq!(refused["codes"][0]["reason"], "voided");

        for (open, verb, said, status) in [
            (
                lang.pick("一時停止する", "Pause"),
                lang.pick("一時停止する", "Pause promotion"),
                lang.pick("一時停止しました。", "Paused."),
                "paused",
            ),
            (
                lang.pick("再開する", "Resume"),
                lang.pick("再開する", "Resume promotion"),
                lang.pick("再開しました。", "Resumed."),
                "active",
            ),
        ] {
            visitor.visit(&path).await;
            visitor.press(open).await;
            visitor.press(verb).await;
            visitor.sees(said).await;
            assert_eq!(stack.admin(&call, Value::Null).await.body["status"], status);
        }
        visitor
            .press(lang.pick("その他の操作", "More actions"))
            .await;
        visitor.press(lang.pick("終了する", "End promotion")).await;
        visitor.press(lang.pick("終了する", "End promotion")).await;
        visitor.sees(lang.pick("終了しました。", "Ended.")).await;
        assert_eq!(
            stack.admin(&call, Value::Null).await.body["status"],
            "ended"
        );
        visitor.leave().await;
    }
}

#[tokio::test]
async fn staff_find_a_promotion_by_its_word_and_read_what_it_brought() {
    let stack = Stack::start().await;
    let promotion = stack
        .promotion(
            json!({"name": "新茶フェア", "claim_code": "group", "limits": {"budget": 1_000}}),
        )
        .await;
    let id = promotion["id"].as_str().unwrap();
    stack.promotion(json!({"name": "Another"})).await;
    let word = json!({"code": "HANAKO10", "channel": "influencer/hanako"});
    stack
        .admin(&format!("POST /v1/promotions/{id}/codes"), word)
        .await
        .expect(201);
    for order in ["1", "2"] {
        stack
            .checkout(
                &format!("PUT /v1/redemptions/{order}"),
                redemption(&["HANAKO10"]),
            )
            .await
            .expect(201);
    }
    stack.advance("PT1M").await;
    for lang in Lang::BOTH {
        let Some(visitor) = at_work(&stack, lang).await else {
            return;
        };
        visitor.sees("¥792").await;
        visitor.visit("/console/promotions").await;
        visitor
            .fill(
                lang.pick(
                    "名前・ID・共通コードで検索",
                    "Search by name, id or shared code",
                ),
                "hanako10",
            )
            .await;
        visitor.press(lang.pick("検索する", "Search")).await;
        assert_eq!(visitor.place().await, format!("/console/promotions/{id}"));
        for figure in ["¥792", "¥7,128", "79%", "¥208"] {
            visitor.sees(figure).await;
        }
        visitor.press(lang.pick("経路別", "By channel")).await;
        visitor.sees("influencer/hanako").await;
        for part in ["terms", "history", "codes"] {
            visitor
                .visit(&format!("/console/promotions/{id}/{part}"))
                .await;
        }
        visitor.leave().await;
    }
}

#[tokio::test]
async fn a_promotion_is_paused_by_keyboard_alone() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({"name": "Tea"})).await;
    let id = promotion["id"].as_str().unwrap();
    let Some(visitor) = at_work(&stack, Lang::En).await else {
        return;
    };
    visitor.visit("/console/promotions").await;
    visitor.reach("Tea").await;
    visitor.enter().await;
    visitor.reach("Pause").await;
    visitor.enter().await;
    visitor.reach("Pause promotion").await;
    visitor.enter().await;
    visitor.sees("Paused.").await;
    let status = stack
        .admin(&format!("GET /v1/promotions/{id}"), Value::Null)
        .await
        .body["status"]
        .clone();
    assert_eq!(status, "paused");
    visitor.leave().await;
}

#[tokio::test]
async fn an_influencer_is_handed_a_code_and_a_link_that_work_by_one_form() {
    let stack = Stack::start().await;
    let promotion = stack
        .promotion(json!({"name": "Tea", "claim_code": "group"}))
        .await;
    for lang in Lang::BOTH {
        let Some(visitor) = at_work(&stack, lang).await else {
            return;
        };
        let word = format!("MIKA{}", lang.code().to_uppercase());
        let slug = format!("mika-{}", lang.code());
        visitor.visit("/console/channels").await;
        visitor
            .press(lang.pick("コードを渡す", "Hand out a code"))
            .await;
        visitor.choose("Tea").await;
        visitor.type_by_name("name", &slug).await;
        visitor.type_by_name("word", &word).await;
        visitor.fill(lang.pick("広告費", "Ad cost"), "30,000").await;
        visitor.type_by_name("slug", &slug).await;
        visitor
            .press(lang.pick("コードとリンクを作る", "Make code and link"))
            .await;
        visitor.sees(&word).await;
        visitor.sees(&format!("/l/{slug}")).await;
        let order = format!("by-{}", lang.code());
        let call = format!("PUT /v1/redemptions/{order}");
        stack
            .checkout(&call, redemption(&[&word]))
            .await
            .expect(201);
        stack.advance("PT1M").await;
        visitor.visit(&format!("/l/{slug}")).await;
        visitor.sees(&word).await;
        stack.advance("PT1M").await;
        let id = promotion["id"].as_str().unwrap();
        let call = format!("GET /v1/promotions/{id}/stats?by=channel");
        let stats = stack.admin(&call, Value::Null).await.expect(200).body;
        let rows = stats["rows"].as_array().unwrap();
        let channel = format!("influencer/{slug}");
        let row = rows.iter().find(|row| row["key"] == *channel).unwrap();
        assert_eq!(
            [&row["visits"], &row["redemptions"], &row["cost"]],
            [1, 1, 30_000]
        );
        visitor.visit("/console/channels").await;
        visitor.sees(&channel).await;
        visitor.leave().await;
    }
}
