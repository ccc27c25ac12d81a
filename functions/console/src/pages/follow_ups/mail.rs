//! A follow-up's mail as it looks, and a sample of it by mail.

use axum::Router;
use axum::extract::{Path, State as Shared};
use axum::response::Response;
use axum::routing::{get, post};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::domain::follow_up::{FollowUp, Variant};
use shared::domain::outbox::MailId;
use shared::domain::test_mail::TestMailState;

use super::{Asked, find, path};
use crate::State;
use crate::api::{Call, Refusal, text};
use crate::failure::Failure;
use crate::fields::Fields;
use crate::form::{Choice, Errors, Input, Place};
use crate::format::time;
use crate::frame::views;
use crate::lang::Lang;
use crate::pages::mails::one::{framed, mail_document};
use crate::query::Lenient;
use crate::reasons;
use crate::visit::Visit;
use crate::words::{Tone, badge};

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/console/follow-ups/{id}/mail", get(document))
        .route("/console/follow-ups/{id}/test", post(send_test))
}

/// A language's tag that has a preview: `ja` unless `en` is asked for.
fn tag(asked: &str, lang: Lang) -> &'static str {
    match asked {
        "ja" => "ja",
        "en" => "en",
        _ => lang.code(),
    }
}

/// What the API makes of a made-up order.
async fn sample(
    visit: &Visit,
    state: &State,
    follow_up: &FollowUp,
    tag: &str,
    variant: &Variant,
) -> Result<Value, Refusal> {
    let name = if tag == "ja" { "花子" } else { "Hanako" };
    let body = json!({"locale": tag, "variant": variant.name, "customer_name": name});
    let call = format!("/v1/follow-ups/{}/preview", follow_up.id);
    state.api.post(visit, &call, body).await
}

fn chosen(follow_up: &FollowUp, arm: usize) -> Option<(usize, &Variant)> {
    let variants = &follow_up.terms.variants;
    let found = variants.get(arm).map(|variant| (arm, variant));
    found.or_else(|| variants.first().map(|variant| (0, variant)))
}

/// The mail in each language, in a frame.
pub(super) async fn preview(
    visit: &Visit,
    state: &State,
    follow_up: &FollowUp,
    asked: &Asked,
) -> Markup {
    let lang = visit.lang;
    let Some((arm, variant)) = chosen(follow_up, asked.arm) else {
        return html! {};
    };
    let tag = tag(&asked.mail, lang);
    let here = |tag: &str, arm: usize| format!("{}?mail={tag}&arm={arm}", path(&follow_up.id));
    let tabs = [("ja", "日本語"), ("en", "English")];
    let tabs: Vec<_> = tabs
        .iter()
        .map(|(each, word)| (here(each, arm), (*word).to_owned(), None, *each == tag))
        .collect();
    let sample = sample(visit, state, follow_up, tag, variant).await;
    html! {
        section .card #mail {
            div .card-head { h2 { (lang.pick("メールの見え方", "The mail")) } span .note { (lang.pick("見本のコードは使えません", "Its code is a sample and works nowhere")) } }
            (views(lang.pick("メールの言語", "Language of the mail"), &tabs))
            @if follow_up.terms.variants.len() > 1 {
                nav .widths aria-label=(lang.pick("配信パターン", "Arm")) { @for (index, each) in follow_up.terms.variants.iter().enumerate() {
                    a .button .small href=(here(tag, index)) aria-current=[(index == arm).then_some("true")] { bdi { (each.name) } }
                } }
            }
            @match sample {
                Ok(sample) => {
                    p .mail-subject lang=(tag) { span .note { (lang.pick("件名", "Subject")) } " " strong { bdi { (text(&sample, "subject")) } } }
                    (framed(&here(tag, arm), &format!("{}/mail?mail={tag}&arm={arm}", path(&follow_up.id)), &asked.width, lang))
                    details { summary { (lang.pick("テキスト版を見る", "Show the text part")) }
                        pre .mail-text lang=(tag) { (text(&sample, "text")) } }
                },
                Err(refusal) => p .notice { (unsendable(&refusal, lang)) },
            }
        }
    }
}

fn unsendable(refusal: &Refusal, lang: Lang) -> String {
    match lang {
        Lang::Ja => "このままでは送信できないため、見本を作れません。差出人情報と本文テンプレートを確認してください。".to_owned(),
        Lang::En => format!("It could not be sent as it is: {}", refusal.words()),
    }
}

#[derive(Default, Deserialize)]
struct Shown {
    #[serde(default)]
    mail: String,
    #[serde(default)]
    arm: usize,
}

/// The HTML part alone, for the frame.
async fn document(
    visit: Visit,
    Shared(state): Shared<State>,
    Path(id): Path<String>,
    Lenient(shown): Lenient<Shown>,
) -> Result<Response, Failure> {
    let follow_up = find(&state, id).await?;
    let (_, variant) = chosen(&follow_up, shown.arm).ok_or(Failure::NotFound)?;
    let tag = tag(&shown.mail, visit.lang);
    let sample = sample(&visit, &state, &follow_up, tag, variant).await?;
    Ok(mail_document(text(&sample, "html")))
}

/// A form that sends a sample, and what became of the last one.
pub(super) async fn test_card(
    visit: &Visit,
    state: &State,
    follow_up: &FollowUp,
    test: Option<&str>,
) -> Markup {
    let lang = visit.lang;
    let standing = match test.and_then(|id| MailId::try_from(id.to_owned()).ok()) {
        Some(id) => state.store.test_mail(&id, visit.now).await.ok().flatten(),
        None => None,
    };
    let standing = standing.filter(|mail| mail.follow_up_id == follow_up.id);
    html! {
        section .card #test {
            h2 { (lang.pick("テストメール", "Test mail")) }
            @if let Some(mail) = &standing {
                div .test-state {
                    (test_state(mail.state, lang))
                    @if let Some(reason) = &mail.reason { p .note { (reasons::words_of(reason, lang)) } }
                    @if let Some(at) = mail.sent_at { p .note { (time(at, visit.zone(), lang)) } }
                    @if matches!(mail.state, TestMailState::Due | TestMailState::Sending) {
                        p { a href=(format!("{}?test={}#test", path(&follow_up.id), mail.id)) { (lang.pick("状態を更新", "Look again")) } }
                    }
                }
            }
            (test_form(visit, follow_up, &Fields::default(), &Errors::new()))
        }
    }
}

fn test_state(state: TestMailState, lang: Lang) -> Markup {
    match state {
        TestMailState::Due => badge(
            Tone::Info,
            "○",
            lang.pick("1分以内に送信します", "Sent within a minute"),
        ),
        TestMailState::Sending => badge(Tone::Info, "◐", lang.pick("送信中", "Sending")),
        TestMailState::Sent => badge(Tone::Good, "●", lang.pick("送信しました", "Sent")),
        TestMailState::Failed => badge(
            Tone::Bad,
            "×",
            lang.pick("送信できませんでした", "Not sent"),
        ),
        TestMailState::Unknown => badge(
            Tone::Warning,
            "?",
            lang.pick("結果がわかりません", "Outcome unknown"),
        ),
    }
}

fn test_form(visit: &Visit, follow_up: &FollowUp, fields: &Fields, errors: &Errors) -> Markup {
    let lang = visit.lang;
    let names = follow_up
        .terms
        .variants
        .iter()
        .map(|variant| Choice::new(&variant.name, variant.name.clone()));
    let names: Vec<Choice<'_>> = names.collect();
    let languages = [Choice::new("ja", "日本語"), Choice::new("en", "English")];
    let language = match fields.get("locale") {
        "" => lang.code(),
        given => given,
    };
    html! {
        form .form method="post" action=(format!("{}/test", path(&follow_up.id))) novalidate {
            (visit.token_field())
            (Input::new("to", lang.pick("送り先", "To"), fields.get("to")).kind("email").autocomplete("email")
                .hint(html! { (lang.pick("自分のアドレスへ。件名に [TEST] が付きます", "Your own address. [TEST] stands before the subject")) })
                .render(errors, lang))
            (crate::form::select(("locale", lang.pick("言語", "Language")), language, &languages, errors, lang))
            @if names.len() > 1 { (crate::form::select(("variant", lang.pick("配信パターン", "Arm")), fields.get("variant"), &names, errors, lang)) }
            div .buttons { button .button type="submit" { (lang.pick("テストメールを送る", "Send a test mail")) } }
        }
    }
}

async fn send_test(
    visit: Visit,
    Shared(state): Shared<State>,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Failure> {
    let lang = visit.lang;
    let follow_up = find(&state, id).await?;
    let mut body = json!({"to": fields.get("to"), "locale": fields.get("locale")});
    if let (Some(body), false) = (body.as_object_mut(), fields.get("variant").is_empty()) {
        body.insert("variant".to_owned(), json!(fields.get("variant")));
    }
    let call = format!("/v1/follow-ups/{}/test", follow_up.id);
    let asked = state
        .api
        .call(&visit, Call::new(http::Method::POST, &call).body(body))
        .await;
    match asked {
        Ok(mail) => {
            let there = format!("{}?test={}#test", path(&follow_up.id), text(&mail, "id"));
            let said = lang.pick(
                "テストメールを受け付けました。1分以内に送信します。",
                "The test mail is on its way.",
            );
            Ok(visit.done(&there, said))
        }
        Err(refusal) => {
            let mut errors = Errors::new();
            let to = Place {
                pointer: "/to",
                field: "to",
                words: Some((
                    "送れるメールアドレスを入力してください（配信停止・不達のアドレスには送れません）",
                    "Enter an address that may be mailed (not one that unsubscribed or bounced)",
                )),
            };
            errors.refused(&refusal, &[to], lang);
            let body = html! {
                (errors.summary(lang))
                section .card .narrow { (test_form(&visit, &follow_up, &fields, &errors)) }
            };
            let page = super::framed(&visit, &follow_up).errors(errors.len());
            Ok(page.render(&body))
        }
    }
}
