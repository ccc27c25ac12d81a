//! Who may see the console: signing in and out, languages, keys, people.

use integration::{Stack, completed};
use okaeri::local::ADMIN_KEY;
use serde_json::{Value, json};

use crate::page::{Lang, Visitor};

/// Signs in with a key, wherever that leads.
pub(crate) async fn sign_in_with(visitor: &Visitor, key: &str) {
    let lang = visitor.lang;
    visitor.fill(lang.pick("管理キー", "Admin key"), key).await;
    visitor.press(lang.pick("サインインする", "Sign in")).await;
}

/// Opens a browser in which staff are signed in.
pub(crate) async fn at_work(stack: &Stack, lang: Lang) -> Option<Visitor> {
    let visitor = Visitor::arrive(stack, lang).await?;
    visitor.visit("/console/sign-in").await;
    sign_in_with(&visitor, ADMIN_KEY).await;
    assert_eq!(visitor.place().await, "/console");
    Some(visitor)
}

#[tokio::test]
async fn staff_sign_in_where_they_wanted_to_go_and_nobody_else_does() {
    let stack = Stack::start().await;
    for lang in Lang::BOTH {
        let Some(visitor) = Visitor::arrive(&stack, lang).await else {
            return;
        };
        visitor.visit("/console/mails").await;
        assert_eq!(
            visitor.place().await,
            "/console/sign-in?next=%2Fconsole%2Fmails"
        );
        sign_in_with(&visitor, "okaeri_local_checkout").await;
        visitor
            .sees(lang.pick(
                "キーが正しくないか、失効しています",
                "The key is not right, or was revoked",
            ))
            .await;
        sign_in_with(&visitor, ADMIN_KEY).await;
        assert_eq!(visitor.place().await, "/console/mails");
        visitor.press(lang.pick("サインアウト", "Sign out")).await;
        assert_eq!(visitor.place().await, "/console/sign-in");
        visitor.visit("/console/promotions").await;
        assert!(visitor.place().await.starts_with("/console/sign-in"));
        visitor.leave().await;
    }
}

#[tokio::test]
async fn every_page_is_in_the_browsers_language_until_staff_choose_the_other() {
    let stack = Stack::start().await;
    for lang in Lang::BOTH {
        let Some(visitor) = at_work(&stack, lang).await else {
            return;
        };
        let word = |lang: Lang| lang.pick("プロモーション", "Promotions");
        visitor.visit("/console/promotions").await;
        assert_eq!(visitor.texts("h1").await, [word(lang)]);
        let (other, name) = match lang {
            Lang::Ja => (Lang::En, "English"),
            Lang::En => (Lang::Ja, "日本語"),
        };
        visitor.press(name).await;
        assert_eq!(visitor.place().await, "/console/promotions");
        assert_eq!(visitor.texts("h1").await, [word(other)]);
        visitor.visit("/console/settings").await;
        assert_eq!(visitor.texts("h1").await, [other.pick("設定", "Settings")]);
        visitor.leave().await;
    }
}

#[tokio::test]
async fn a_key_is_made_shown_once_used_and_revoked() {
    let stack = Stack::start().await;
    for lang in Lang::BOTH {
        let Some(visitor) = at_work(&stack, lang).await else {
            return;
        };
        let name = format!("till-{}", lang.code());
        visitor.visit("/console/settings/keys").await;
        visitor.fill(lang.pick("名前", "Name"), &name).await;
        visitor
            .press(lang.pick("キーを作成する", "Create the key"))
            .await;
        let shown = visitor.texts(".code-box code").await;
        let key = shown.first().unwrap();
        let quote = json!({"codes": [], "cart": {"currency": "JPY", "lines": [{"sku": "A", "quantity": 1, "unit_price": 1}]}});
        assert_ne!(
            stack
                .call(key, "POST /v1/quotes", quote.clone())
                .await
                .status,
            401
        );
        visitor.visit("/console/settings/keys").await;
        assert!(
            !visitor.text().await.contains(key.as_str()),
            "the key is shown again"
        );
        visitor
            .press(&lang.pick("失効させる {}", "Revoke {}").replace("{}", &name))
            .await;
        visitor.press(lang.pick("失効させる", "Revoke")).await;
        visitor
            .sees(
                &lang
                    .pick("「{}」を失効させました。", "Revoked “{}”.")
                    .replace("{}", &name),
            )
            .await;
        stack.advance("PT2M").await;
        assert_eq!(stack.call(key, "POST /v1/quotes", quote).await.status, 401);
        visitor.leave().await;
    }
}

#[tokio::test]
async fn a_person_is_forgotten_once_their_address_is_typed_again() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    stack.follow_up(&promotion, json!({})).await;
    for lang in Lang::BOTH {
        let Some(visitor) = at_work(&stack, lang).await else {
            return;
        };
        let email = format!("hanako-{}@example.jp", lang.code());
        let order = completed(
            &format!("order-{}", lang.code()),
            json!({"customer": {"email": email}}),
        );
        stack
            .standard_webhook(stack.clock(), &order)
            .await
            .expect(200);
        stack.advance("PT1M").await;
        visitor.visit("/console/settings/people").await;
        visitor
            .fill(lang.pick("メールアドレス", "Mail address"), &email)
            .await;
        visitor.press(lang.pick("照会する", "Look up")).await;
        let forget = lang.pick("個人情報を消去する", "Forget this person");
        visitor.press(forget).await;
        visitor.press(forget).await;
        let asked = lang.pick("確認のため「", "Type “");
        visitor.sees(asked).await;
        visitor.fill(asked, &email).await;
        visitor.press(forget).await;
        visitor
            .sees(lang.pick("個人情報を消去しました", "They are forgotten"))
            .await;
        assert!(!visitor.place().await.contains("example.jp"));
        stack.advance("P4D").await;
        assert!(
            stack
                .inbox()
                .await
                .iter()
                .all(|mail| mail["to"] != json!([email]))
        );
        visitor.leave().await;
    }
}

#[tokio::test]
async fn an_order_is_looked_up_with_what_became_of_it() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    stack.follow_up(&promotion, json!({})).await;
    let code = stack.codes(&promotion, 1).await.remove(0);
    stack.redeem("1001", &code).await.expect(201);
    let order = completed(
        "1001",
        json!({"customer": {"email": "taro@example.jp", "accepts_marketing": false}}),
    );
    stack
        .standard_webhook(stack.clock(), &order)
        .await
        .expect(200);
    stack.advance("PT1M").await;
    for lang in Lang::BOTH {
        let Some(visitor) = at_work(&stack, lang).await else {
            return;
        };
        visitor.visit("/console/orders").await;
        let label = lang.pick("注文番号", "Order id");
        let look = lang.pick("注文を照会する", "Look up the order");
        visitor.fill(label, "9999").await;
        visitor.press(look).await;
        visitor
            .sees(lang.pick("この注文は見つかりません", "No such order is known"))
            .await;
        assert_eq!(visitor.value(label).await, "9999");
        visitor.fill(label, "1001").await;
        visitor.press(look).await;
        visitor.sees(lang.pick("配信の同意なし", "consent")).await;
        visitor.sees("¥396").await;
        visitor.leave().await;
    }
}

#[tokio::test]
async fn a_notice_in_quarantine_is_read_shown_without_names_and_reprocessed() {
    let stack = Stack::start().await;
    for lang in Lang::BOTH {
        let Some(visitor) = at_work(&stack, lang).await else {
            return;
        };
        let order = format!("kept-{}", lang.code());
        let body = completed(
            &order,
            json!({"customer": {"email": "jiro@example.jp", "name": "次郎"}}),
        )
        .to_string();
        // As an earlier version kept it, which could not read it.
        let env = stack.env_through(stack.running().dynamodb_url());
        let aws = shared::aws::Aws::from_env(&env).unwrap();
        let quarantine = shared::store::Quarantine::connect(&env, &aws).unwrap();
        quarantine
            .keep(
                "standard",
                "data is not an order event",
                body.as_bytes(),
                stack.clock().now(),
            )
            .await
            .unwrap();
        visitor.visit("/console/orders/quarantine").await;
        let link = visitor
            .session()
            .run(
                "return document.querySelector('tbody a').getAttribute('href')",
                json!([]),
            )
            .await;
        visitor.visit(link.as_str().unwrap()).await;
        assert!(
            !visitor.text().await.contains("jiro@example.jp"),
            "the address is shown unasked"
        );
        visitor
            .press(lang.pick("再取り込みする", "Reprocess"))
            .await;
        visitor
            .sees(lang.pick("再取り込みしました。", "Reprocessed"))
            .await;
        stack.advance("PT1M").await;
        stack
            .admin(&format!("GET /v1/orders/{order}"), Value::Null)
            .await
            .expect(200);
        visitor.leave().await;
    }
}
