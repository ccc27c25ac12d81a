//! One mail: to whom, what it says, what happened to it, and sending it again.

use axum::Router;
use axum::extract::{Path, State as Shared};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderValue, header};
use maud::{Markup, html};
use serde::Deserialize;
use shared::domain::follow_up::FollowUp;
use shared::domain::outbox::{Contact, MailId, MailState, OutboxMail};
use shared::mailer::{Letter, LetterError, RenderedMail, list_headers};
use shared::store::{Freshness, Resend};

use super::{kind, sender_banner};
use crate::State;
use crate::confirm::{Confirm, Gravity};
use crate::failure::Failure;
use crate::format::{end, relative, time};
use crate::frame::{Nav, Page, Weight, banner, views};
use crate::lang::Lang;
use crate::pages::follow_ups::Names;
use crate::query::Lenient;
use crate::reasons;
use crate::visit::Visit;

/// What a mail may do inside our page: be shown. Mails bring their own styles; nothing else of them works, and links lead nowhere.
const MAIL_POLICY: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; \
    frame-ancestors 'self'";
/// Stands where the way out of the reader would: whoever looks at a mail here must not unsubscribe its reader.
pub(crate) const NO_TOKEN: &str = "sample";

pub(crate) fn routes() -> Router<State> {
    Router::new()
        .route("/console/mails/{id}", get(page))
        .route("/console/mails/{id}/body", get(body))
        .route("/console/mails/{id}/resend", get(ask).post(resend))
}

/// The page of a mail.
pub(crate) fn path(id: &MailId) -> String {
    format!("/console/mails/{id}")
}

#[derive(Default, Deserialize)]
struct Asked {
    #[serde(default)]
    tab: String,
    #[serde(default)]
    width: String,
}

/// A mail with what it is made of.
struct Found {
    mail: OutboxMail,
    follow_up: Option<FollowUp>,
    contact: Option<Contact>,
    words: Result<RenderedMail, Wordless>,
}

/// Why a mail's words cannot be shown.
enum Wordless {
    /// What it is made of is gone.
    Missing,
    /// Nobody is set as its sender.
    Sender,
    /// Its own text fails.
    Text,
}

async fn find(state: &State, visit: &Visit, id: String) -> Result<Found, Failure> {
    let id = MailId::try_from(id).map_err(|_| Failure::NotFound)?;
    let mail = state.store.mail(&id).await?.ok_or(Failure::NotFound)?;
    let follow_up = state
        .store
        .follow_up_version(&mail.follow_up_id, mail.follow_up_version)
        .await?;
    let contact = state.store.contact(&mail.person, visit.now).await?;
    let words = words(state, visit, &mail, follow_up.as_ref(), contact.as_ref()).await?;
    Ok(Found {
        mail,
        follow_up,
        contact,
        words,
    })
}

async fn words(
    state: &State,
    visit: &Visit,
    mail: &OutboxMail,
    follow_up: Option<&FollowUp>,
    contact: Option<&Contact>,
) -> Result<Result<RenderedMail, Wordless>, Failure> {
    let known = state
        .store
        .promotion(&mail.promotion_id, Freshness::Remembered, visit.now)
        .await?;
    let (Some(follow_up), Some(known)) = (follow_up, known) else {
        return Ok(Err(Wordless::Missing));
    };
    let code_key = state.code_keys.of(&known.promotion).await?;
    let letter = Letter {
        mail,
        follow_up,
        contact,
        promotion: &known.promotion,
        code_key: &code_key,
        shop: &state.shop,
        unsubscribe_url: &state.shop.unsubscribe_url(NO_TOKEN),
    };
    Ok(letter.render().map_err(|error| match error {
        LetterError::SenderMissing => Wordless::Sender,
        LetterError::Render(_) => Wordless::Text,
    }))
}

async fn page(
    visit: Visit,
    Shared(state): Shared<State>,
    Path(id): Path<String>,
    Lenient(asked): Lenient<Asked>,
) -> Result<Response, Failure> {
    let lang = visit.lang;
    let found = find(&state, &visit, id).await?;
    let names = Names::read(&state).await?;
    let title = match &found.contact {
        Some(contact) => reasons::masked(contact.email.as_str()),
        None => lang
            .pick("宛先消去済みのメール", "Mail to an erased address")
            .to_owned(),
    };
    let markup = html! {
        (sender_banner(&visit))
        @if found.mail.duplicate_risk { (banner(Weight::Warning, lang.pick("二重に届いている可能性があります", "It may have arrived twice"), &html! {
            p { (lang.pick("結果がわからなかったあとに、もう一度送信しています。", "It was sent again after an outcome that nobody knows.")) } })) }
        div .columns {
            section .card { (content(&found, &asked, lang)) }
            aside .stack {
                section .card { h2 { (lang.pick("このメール", "This mail")) } (facts(&visit, &found, &names)) }
                section .card { h2 { (lang.pick("履歴", "History")) } (history(&visit, &found.mail)) }
            }
        }
    };
    let resendable = found.mail.can_be_sent_again() && visit.now < found.mail.code_expires_at;
    let actions = html! {
        @if resendable { a .button .primary href=(format!("{}/resend", path(&found.mail.id))) { (lang.pick("再送する", "Resend")) } }
    };
    Ok(Page::new(&visit, Nav::Mails, title)
        .below_nav()
        .beside(reasons::state(&found.mail, lang))
        .actions(actions)
        .render(&markup))
}

fn content(found: &Found, asked: &Asked, lang: Lang) -> Markup {
    let words = match &found.words {
        Ok(words) => words,
        Err(why) => return html! { p { (wordless(why, lang)) } },
    };
    let here = path(&found.mail.id);
    let tab = match asked.tab.as_str() {
        known @ ("text" | "headers") => known,
        _ => "html",
    };
    let item = |name: &str, word: &str| {
        (
            format!("{here}?tab={name}"),
            word.to_owned(),
            None,
            tab == name,
        )
    };
    let tabs = [
        item("html", "HTML"),
        item("text", lang.pick("テキスト", "Text")),
        item("headers", lang.pick("ヘッダー", "Headers")),
    ];
    html! {
        p .mail-subject { span .note { (lang.pick("件名", "Subject")) } " " strong { bdi { (words.subject) } } }
        (views(lang.pick("メールの形式", "Parts of the mail"), &tabs))
        @match tab {
            "text" => pre .mail-text { (words.text) },
            "headers" => (headers(found, words, lang)),
            _ => (framed(&here, &format!("{here}/body"), &asked.width, lang)),
        }
        p .note { (lang.pick(
            "表示は現在の設定で作り直したものです。リンクと配信停止はここでは動きません。",
            "Made again from what is kept. Links and the way out do not work here.",
        )) }
    }
}

/// A mail in a frame of its own, as wide as a telephone or as the page.
pub(crate) fn framed(here: &str, source: &str, width: &str, lang: Lang) -> Markup {
    let phone = width == "phone";
    let join = if here.contains('?') { '&' } else { '?' };
    html! {
        nav .widths aria-label=(lang.pick("表示幅", "Width")) {
            a .button .small href=(format!("{here}{join}width=full")) aria-current=[(!phone).then_some("true")] { (lang.pick("全幅", "Full width")) }
            a .button .small href=(format!("{here}{join}width=phone")) aria-current=[phone.then_some("true")] { (lang.pick("スマートフォン", "Phone")) }
        }
        iframe .mail-frame .phone[phone] sandbox="" src=(source) title=(lang.pick("メールの表示", "The mail as it looks")) {}
    }
}

fn wordless(why: &Wordless, lang: Lang) -> &'static str {
    match why {
        Wordless::Missing => lang.pick(
            "このメールのもとになったプロモーションまたはフォローメールが見つかりません。",
            "The promotion or follow-up that this mail is made of is gone.",
        ),
        Wordless::Sender => lang.pick(
            "差出人情報が未設定のため、本文を作れません。",
            "It has no words yet: sender details are missing.",
        ),
        Wordless::Text => lang.pick(
            "本文テンプレートにエラーがあり、表示できません。",
            "Its own text has an error and cannot be shown.",
        ),
    }
}

fn headers(found: &Found, words: &RenderedMail, lang: Lang) -> Markup {
    let to = found
        .contact
        .as_ref()
        .map(|contact| reasons::masked(contact.email.as_str()));
    let from = found
        .follow_up
        .as_ref()
        .map(|follow_up| follow_up.terms.mail.from.as_str());
    let list = list_headers(found.mail.kind(), &format!("https://…/u/{NO_TOKEN}"));
    html! {
        dl .facts {
            dt { "From" } dd { bdi { (from.unwrap_or("—")) } }
            dt { "To" } dd { (to.as_deref().unwrap_or(lang.pick("（消去済み）", "(erased)"))) }
            dt { "Subject" } dd { bdi { (words.subject) } }
            @for (name, value) in list.iter().filter(|(name, _)| *name != "List-Id") { dt { (name) } dd { (value) } }
            @if let Some(id) = &found.mail.message_id { dt { "SES Message-ID" } dd { code translate="no" { (id) } } }
        }
    }
}

fn facts(visit: &Visit, found: &Found, names: &Names) -> Markup {
    let (lang, mail) = (visit.lang, &found.mail);
    let order = crate::pages::orders::path(&mail.order_id);
    html! {
        dl .facts {
            dt { (lang.pick("状態", "State")) } dd { (reasons::state_and_reason(mail, lang)) }
            dt { (lang.pick("種類", "Kind")) } dd { (kind(mail, lang)) }
            dt { (lang.pick("フォローメール", "Follow-up")) } dd { a href=(crate::pages::follow_ups::path(&mail.follow_up_id)) { bdi { (names.of(&mail.follow_up_id, lang)) } } }
            dt { (lang.pick("配信パターン", "Arm")) } dd { bdi { (mail.variant) } }
            dt { (lang.pick("注文", "Order")) } dd { a href=(order) { bdi { (mail.order_id) } } }
            dt { (lang.pick("プロモーション", "Promotion")) } dd { a href=(format!("/console/promotions/{}", mail.promotion_id)) { (mail.promotion_id) } }
            dt { (lang.pick("コードの期限", "Code works")) } dd { (end(mail.code_expires_at, visit.zone(), lang)) }
            dt { (lang.pick("試行回数", "Attempts")) } dd { (mail.attempt) }
        }
    }
}

fn history(visit: &Visit, mail: &OutboxMail) -> Markup {
    let lang = visit.lang;
    let mut steps = vec![(
        mail.created_at,
        lang.pick("キューに追加", "Queued").to_owned(),
    )];
    steps.extend(
        mail.mailed_at
            .map(|at| (at, lang.pick("SESが受け付け", "SES took it").to_owned())),
    );
    steps.extend(
        mail.delivered_at
            .map(|at| (at, lang.pick("到達", "Delivered").to_owned())),
    );
    steps.extend(
        mail.bounced_at
            .map(|at| (at, lang.pick("不達", "Bounced").to_owned())),
    );
    steps.extend(
        mail.ended_at
            .map(|at| (at, ended(mail.state, lang).to_owned())),
    );
    steps.sort_by_key(|(at, _)| *at);
    html! {
        ol .timeline {
            @for (at, word) in &steps { li { span { (word) } div .note { (time(*at, visit.zone(), lang)) } } }
            @if matches!(mail.state, MailState::Due) {
                li .ahead { span { (lang.pick("配信予定", "Due")) } div .note { (time(mail.due_at, visit.zone(), lang)) " · " (relative(mail.due_at, visit.now, lang)) } }
            }
        }
        @if mail.resends > 0 { p .note { (lang.pick(format!("再送の指示：{}回", mail.resends), format!("Sent again by staff: {} ×", mail.resends))) } }
    }
}

fn ended(state: MailState, lang: Lang) -> &'static str {
    match state {
        MailState::Failed => lang.pick("送信失敗", "Failed"),
        MailState::Parked => lang.pick("保留", "Parked"),
        MailState::Due
        | MailState::Sending
        | MailState::Sent
        | MailState::Unsettled
        | MailState::Withdrawn => lang.pick("取りやめ", "Withdrawn"),
    }
}

/// The HTML part alone, for the frame.
async fn body(
    visit: Visit,
    Shared(state): Shared<State>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let found = find(&state, &visit, id).await?;
    let words = found.words.map_err(|_| Failure::NotFound)?;
    Ok(mail_document(&words.html))
}

/// A mail's HTML as a document that can do nothing.
pub(crate) fn mail_document(html: &str) -> Response {
    let html = html.replacen("<head>", "<head><base target=\"_blank\">", 1);
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        ),
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(MAIL_POLICY),
        ),
        (
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        ),
    ];
    (headers, html).into_response()
}

fn question<'a>(visit: &Visit, mail: &OutboxMail) -> Confirm<'a> {
    let lang = visit.lang;
    let mut consequences = vec![lang.pick(
        "1分以内に送信します。注文の取消や配信停止がないか、送信の直前にもう一度確認します。",
        "It is sent within a minute. Whether the order was cancelled or the buyer unsubscribed is looked at again right before.",
    ).to_owned()];
    if mail.may_have_arrived() {
        consequences.insert(
            0,
            lang.pick(
                "前のメールが届いている可能性があります。その場合、お客様には2通届きます。",
                "The first may have arrived. Then the buyer gets it twice.",
            )
            .to_owned(),
        );
    }
    Confirm {
        nav: Nav::Mails,
        title: lang.pick("メールを再送", "Resend this mail").to_owned(),
        consequences,
        action: format!("{}/resend", path(&mail.id)),
        verb: lang.pick("再送する", "Resend"),
        back: path(&mail.id),
        gravity: Gravity::Reversible,
        carries: vec![("attempt", mail.attempt.to_string())],
    }
}

async fn ask(
    visit: Visit,
    Shared(state): Shared<State>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let id = MailId::try_from(id).map_err(|_| Failure::NotFound)?;
    let mail = state.store.mail(&id).await?.ok_or(Failure::NotFound)?;
    if !mail.can_be_sent_again() {
        return Ok(moved(&visit, &mail.id));
    }
    Ok(question(&visit, &mail).page(&visit))
}

async fn resend(
    visit: Visit,
    Shared(state): Shared<State>,
    Path(id): Path<String>,
    fields: crate::fields::Fields,
) -> Result<Response, Failure> {
    let lang = visit.lang;
    let id = MailId::try_from(id).map_err(|_| Failure::NotFound)?;
    let mail = state.store.mail(&id).await?.ok_or(Failure::NotFound)?;
    // What was asked about is the try that was seen, not a later one.
    if fields.get("attempt") != mail.attempt.to_string() || !mail.can_be_sent_again() {
        return Ok(moved(&visit, &id));
    }
    match state.store.resend_mail(&mail, visit.now).await? {
        Resend::Due(_) => {
            tracing::info!(mail.id = %id, by = visit.key.name, "staff had a mail sent again");
            let said = lang.pick(
                "再送を受け付けました。1分以内に送信します。",
                "It is due again and sent within a minute.",
            );
            Ok(visit.done(&path(&id), said))
        }
        Resend::Moved(_) => Ok(moved(&visit, &id)),
    }
}

fn moved(visit: &Visit, id: &MailId) -> Response {
    let said = visit.lang.pick(
        "このメールの状態が変わったため、何も変更していません。",
        "This mail no longer is as it was; nothing was changed.",
    );
    visit.done(&path(id), said)
}
