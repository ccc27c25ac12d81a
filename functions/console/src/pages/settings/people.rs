//! One person, by address: whether they may be mailed, and forgetting them. Addresses never stand in a URL.

use axum::Router;
use axum::extract::State as Shared;
use axum::response::Response;
use axum::routing::{get, post};
use maud::{Markup, html};
use serde_json::{Value, json};
use shared::domain::identity::Email;
use shared::store::{Suppression, SuppressionReason};

use super::{Tab, tabs};
use crate::State;
use crate::confirm::{Confirm, Gravity};
use crate::failure::Failure;
use crate::fields::Fields;
use crate::form::{Errors, Input};
use crate::format::{number, time};
use crate::frame::{Nav, Page};
use crate::lang::Lang;
use crate::visit::Visit;
use crate::words::{Tone, badge};

pub(super) const LOOK_UP: &str = "/console/settings/people";

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route(LOOK_UP, get(begin).post(look_up))
        .route("/console/settings/people/forget", post(ask))
        .route("/console/settings/people/forget/confirm", post(forget))
}

async fn begin(visit: Visit) -> Response {
    page(&visit, "", &Errors::new(), &html! {})
}

fn page(visit: &Visit, typed: &str, errors: &Errors, found: &Markup) -> Response {
    let lang = visit.lang;
    let body = html! {
        (tabs(Tab::People, lang))
        (errors.summary(lang))
        section .card .narrow {
            form .form method="post" action=(LOOK_UP) novalidate {
                (visit.token_field())
                (Input::new("email", lang.pick("メールアドレス", "Mail address"), typed).kind("email").autocomplete("off")
                    .hint(html! { (lang.pick("アドレスは保存されず、記録にも残りません", "The address is neither kept nor logged")) }).render(errors, lang))
                div .buttons { button .button .primary type="submit" { (lang.pick("照会する", "Look up")) } }
            }
        }
        (found)
    };
    Page::new(
        visit,
        Nav::Settings,
        lang.pick("配信停止・個人情報", "Suppression & forget"),
    )
    .below_nav()
    .errors(errors.len())
    .render(&body)
}

fn address(fields: &Fields) -> Option<Email> {
    Email::try_from(fields.get("email").to_owned()).ok()
}

fn no_address(visit: &Visit, fields: &Fields) -> Response {
    let mut errors = Errors::new();
    errors.add(
        "email",
        visit.lang.pick(
            "メールアドレスを「名前@ドメイン」の形で入力してください",
            "Enter a mail address such as name@example.jp",
        ),
    );
    page(visit, fields.get("email"), &errors, &html! {})
}

async fn look_up(
    visit: Visit,
    Shared(state): Shared<State>,
    fields: Fields,
) -> Result<Response, Failure> {
    let Some(email) = address(&fields) else {
        return Ok(no_address(&visit, &fields));
    };
    let person = state.identity.person(&email);
    let suppression = state.store.suppression(&person).await?;
    let contact = state.store.contact(&person, visit.now).await?;
    let found = found(&visit, &email, suppression.as_ref(), contact.is_some());
    Ok(page(&visit, email.as_str(), &Errors::new(), &found))
}

fn suppressed(reason: SuppressionReason, lang: Lang) -> &'static str {
    match reason {
        SuppressionReason::Unsubscribed => {
            lang.pick("ご本人が配信を停止しました", "They unsubscribed")
        }
        SuppressionReason::Bounced => lang.pick(
            "メールが届かないアドレスです（不達）",
            "Mail to this address bounced",
        ),
        SuppressionReason::Complained => lang.pick(
            "迷惑メールとして報告されました",
            "They reported a mail as spam",
        ),
        SuppressionReason::Forgotten => lang.pick(
            "個人情報の消去を求められました",
            "They asked to be forgotten",
        ),
    }
}

fn found(visit: &Visit, email: &Email, suppression: Option<&Suppression>, contact: bool) -> Markup {
    let lang = visit.lang;
    let forgotten = suppression.and_then(|found| found.forgotten_at);
    html! {
        section .card .narrow {
            h2 { bdi { (email.as_str()) } }
            dl .facts {
                dt { (lang.pick("メール配信", "Mail")) }
                dd { @match suppression {
                    None => (badge(Tone::Good, "●", lang.pick("停止されていません", "Not suppressed"))),
                    Some(found) => {
                        (badge(Tone::Bad, "×", lang.pick("配信しません", "Never mailed")))
                        div .note { (suppressed(found.reason, lang)) " · " (time(found.since, visit.zone(), lang)) }
                    },
                } }
                dt { (lang.pick("保存している連絡先", "Contact kept")) }
                dd { @if contact { (lang.pick("あり（最後のメールから30日で消去）", "Yes, until 30 days after the last mail")) } @else { (lang.pick("なし", "None")) } }
                @if let Some(at) = forgotten { dt { (lang.pick("個人情報の消去", "Forgotten")) } dd { (time(at, visit.zone(), lang)) } }
            }
            form method="post" action="/console/settings/people/forget" {
                (visit.token_field())
                input type="hidden" name="email" value=(email.as_str());
                button .button type="submit" { (lang.pick("個人情報を消去する", "Forget this person")) }
            }
        }
    }
}

fn question<'a>(visit: &Visit, email: &Email) -> Confirm<'a> {
    let lang = visit.lang;
    let lines = [
        (
            "まだ送っていないメールは取りやめ、そのコードは無効になります。",
            "Unsent mails are withdrawn and their codes void.",
        ),
        (
            "アドレス・氏名・言語を消去し、今後この方には何も送りません。",
            "Address, name and language go, and nothing is mailed to them again.",
        ),
        (
            "利用上限と集計に必要な匿名の記録は残ります。",
            "What limits and sums rest on stays, under a keyed hash.",
        ),
        ("元に戻せません。", "This cannot be undone."),
    ];
    Confirm {
        nav: Nav::Settings,
        title: lang.pick("個人情報を消去", "Forget this person").to_owned(),
        consequences: lines
            .iter()
            .map(|(ja, en)| lang.pick(*ja, *en).to_owned())
            .collect(),
        action: "/console/settings/people/forget/confirm".to_owned(),
        verb: lang.pick("個人情報を消去する", "Forget this person"),
        back: LOOK_UP.to_owned(),
        gravity: Gravity::Mass(email.as_str().to_owned()),
        carries: vec![("email", email.as_str().to_owned())],
    }
}

async fn ask(visit: Visit, fields: Fields) -> Response {
    match address(&fields) {
        Some(email) => question(&visit, &email).page(&visit),
        None => no_address(&visit, &fields),
    }
}

async fn forget(
    visit: Visit,
    Shared(state): Shared<State>,
    fields: Fields,
) -> Result<Response, Failure> {
    let lang = visit.lang;
    let Some(email) = address(&fields) else {
        return Ok(no_address(&visit, &fields));
    };
    let question = question(&visit, &email);
    if !question.is_confirmed(&fields) {
        return Ok(question.mistyped(&visit, &fields));
    }
    let body = json!({"email": email.as_str()});
    let removed = state.api.post(&visit, "/v1/customers/forget", body).await?;
    Ok(done(&visit, &removed, lang))
}

/// What was removed, and what is left to do by hand.
fn done(visit: &Visit, removed: &Value, lang: Lang) -> Response {
    let count = |name: &str| removed[name].as_u64().unwrap_or_default();
    let in_flight = count("mails_in_flight");
    let body = html! {
        (tabs(Tab::People, lang))
        section .card .narrow {
            p .flash role="status" { span aria-hidden="true" { "✓" } (lang.pick("個人情報を消去しました", "They are forgotten")) }
            dl .facts {
                dt { (lang.pick("取りやめたメール", "Mails withdrawn")) } dd { (number(count("mails_withdrawn"))) }
                dt { (lang.pick("送信中だったメール", "Mails on their way")) } dd { (number(in_flight)) }
                dt { (lang.pick("消去した連絡先", "Addresses removed")) } dd { (number(count("addresses"))) }
            }
            h3 { (lang.pick("残りの作業", "Left to do")) }
            ul .terms {
                @if in_flight > 0 { li { (lang.pick("15分後にもう一度実行し、送信中だったメールの記録も消去してください。", "Do this again in a quarter of an hour, for the mails on their way.")) } }
                li { (lang.pick("取り込みエラーと未処理の注文に残る情報は、次のコマンドで消去できます：", "What dead letters and quarantine hold of them goes with: ")) code translate="no" { "okaeri orders forget --email …" } }
            }
            a .button href=(LOOK_UP) { (lang.pick("戻る", "Go back")) }
        }
    };
    Page::new(
        visit,
        Nav::Settings,
        lang.pick("個人情報を消去", "Forget this person"),
    )
    .below_nav()
    .render(&body)
}
