//! The inbox: every mail as its reader would see it, and all of them as JSON for tests.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use maud::{DOCTYPE, Markup, html};
use serde::Deserialize;
use shared::http::Problem;

use super::inbox::{Inbox, Mail};

/// Most mails the list shows; the JSON has all.
const MAX_LISTED: usize = 200;
/// What our own pages may load: their style sheet and the mail's frame, nothing else.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'self'; frame-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";
/// What a mail may do: be shown inside our page and open links in new windows. No script, no request, no form.
const MAIL_POLICY: &str = "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; frame-ancestors 'self'";

/// What the pages show, and where they are.
#[derive(Clone)]
struct Pages {
    inbox: Arc<Inbox>,
    url: Arc<str>,
}

/// The routes, relative to `/local`, of the stack at `url`.
pub(super) fn router(inbox: Arc<Inbox>, url: &str) -> Router {
    let state = Pages {
        inbox,
        url: url.into(),
    };
    let pages = Router::new()
        .route("/inbox", get(list))
        .route("/inbox/mail/{id}", get(one))
        .layer(middleware::map_response(|response: Response| async {
            with(response, header::CONTENT_SECURITY_POLICY, PAGE_POLICY)
        }));
    let others = Router::new()
        .route("/inbox/style.css", get(style))
        .route("/inbox/messages", get(messages))
        .route("/inbox/mail/{id}/html", get(html_part));
    pages
        .merge(others)
        .layer(middleware::map_response(|response: Response| async {
            let response = with(response, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
            let response = with(response, header::CACHE_CONTROL, "no-store");
            with(response, header::REFERRER_POLICY, "no-referrer")
        }))
        .with_state(state)
}

fn with(mut response: Response, name: header::HeaderName, value: &'static str) -> Response {
    response
        .headers_mut()
        .insert(name, HeaderValue::from_static(value));
    response
}

/// The words of one language.
struct Words {
    lang: &'static str,
    inbox: &'static str,
    intro: &'static str,
    empty: &'static str,
    empty_next: &'static str,
    from: &'static str,
    to: &'static str,
    subject: &'static str,
    sent: &'static str,
    back: &'static str,
    as_read: &'static str,
    text: &'static str,
    headers: &'static str,
    more: &'static str,
}

const EN: Words = Words {
    lang: "en",
    inbox: "Inbox",
    intro: "Mails the local stack would have sent. Nothing leaves this machine.",
    empty: "No mail yet.",
    empty_next: "Create a follow-up, send a sample order, and move the clock to the day the mail is due:",
    from: "From",
    to: "To",
    subject: "Subject",
    sent: "Sent",
    back: "Inbox",
    as_read: "As the buyer reads it",
    text: "Text part",
    headers: "Extra headers",
    more: "Older mails are in /local/inbox/messages.",
};

const JA: Words = Words {
    lang: "ja",
    inbox: "受信箱",
    intro: "ローカル環境が送ったはずのメールです。このパソコンの外へは何も送られません。",
    empty: "メールはまだありません。",
    empty_next: "フォローメールを作成し、サンプルの注文を送り、配信予定の日まで時計を進めます。",
    from: "差出人",
    to: "宛先",
    subject: "件名",
    sent: "送信日時",
    back: "受信箱",
    as_read: "購入者に見える形",
    text: "テキスト",
    headers: "追加ヘッダー",
    more: "これより古いメールは /local/inbox/messages にあります。",
};

#[derive(Deserialize)]
struct Language {
    lang: Option<String>,
}

/// What the link asks for, else what the browser prefers, else English.
fn words(asked: &Language, headers: &HeaderMap) -> &'static Words {
    let preferred = headers
        .get(header::ACCEPT_LANGUAGE)
        .and_then(|value| value.to_str().ok());
    match asked.lang.as_deref().or(preferred) {
        Some(language) if language.starts_with("ja") => &JA,
        Some(_) | None => &EN,
    }
}

async fn list(
    State(pages): State<Pages>,
    Query(language): Query<Language>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let words = words(&language, &headers);
    let mails = pages
        .inbox
        .mails()
        .map_err(|error| Problem::unavailable(&error))?;
    let content = html! {
        h1 { (words.inbox) }
        p { (words.intro) }
        @if mails.is_empty() {
            (empty(words, &pages.url))
        } @else {
            (table(words, &mails))
        }
    };
    Ok(page(words, words.inbox, "/local/inbox", &content))
}

fn empty(words: &Words, url: &str) -> Markup {
    let send_order = format!(
        "cargo run -q -p okaeri -- orders send --provider standard --email hanako@example.jp --url {url}"
    );
    let move_clock = format!(
        "curl -X POST -H 'Content-Type: application/json' -d '{{\"advance\":\"P3D\"}}' {url}/local/clock"
    );
    html! {
        p { strong { (words.empty) } }
        p { (words.empty_next) }
        pre { (send_order) "\n" (move_clock) }
    }
}

fn table(words: &Words, mails: &[Mail]) -> Markup {
    html! {
        table {
            thead { tr {
                th scope="col" { (words.sent) }
                th scope="col" { (words.to) }
                th scope="col" { (words.subject) }
            } }
            tbody {
                @for mail in mails.iter().rev().take(MAX_LISTED) {
                    tr {
                        td { (time(mail)) }
                        td { (mail.to.join(", ")) }
                        td { a href={ "/local/inbox/mail/" (mail.id) "?lang=" (words.lang) } { (mail.subject) } }
                    }
                }
            }
        }
        @if mails.len() > MAX_LISTED { p { (words.more) } }
    }
}

fn time(mail: &Mail) -> Markup {
    html! { time datetime=(mail.sent_at.to_rfc3339()) { (mail.sent_at.format("%Y-%m-%d %H:%M:%S UTC")) } }
}

async fn one(
    State(pages): State<Pages>,
    Path(id): Path<String>,
    Query(language): Query<Language>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let words = words(&language, &headers);
    let mail = pages
        .inbox
        .mail(&id)
        .map_err(|error| Problem::unavailable(&error))?;
    let mail = mail.ok_or_else(|| Problem::not_found("mail"))?;
    let content = html! {
        p { a href={ "/local/inbox?lang=" (words.lang) } { "← " (words.back) } }
        h1 { (mail.subject) }
        dl {
            dt { (words.from) } dd { (mail.from) }
            dt { (words.to) } dd { (mail.to.join(", ")) }
            dt { (words.sent) } dd { (time(&mail)) }
        }
        h2 { (words.as_read) }
        iframe title=(words.as_read) sandbox="allow-popups allow-popups-to-escape-sandbox"
            src={ "/local/inbox/mail/" (mail.id) "/html" } {}
        h2 { (words.text) }
        pre { (mail.text) }
        h2 { (words.headers) }
        dl {
            @for (name, value) in &mail.headers { dt { (name) } dd { (value) } }
        }
    };
    let path = format!("/local/inbox/mail/{}", mail.id);
    Ok(page(words, &mail.subject, &path, &content))
}

fn page(words: &Words, title: &str, path: &str, content: &Markup) -> Response {
    let page = html! {
        (DOCTYPE)
        html lang=(words.lang) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · Okaeri" }
                link rel="stylesheet" href="/local/inbox/style.css";
            }
            body {
                nav aria-label="Language / 言語" {
                    a href={ (path) "?lang=ja" } lang="ja" aria-current=[(words.lang == "ja").then_some("true")] { "日本語" }
                    " / "
                    a href={ (path) "?lang=en" } lang="en" aria-current=[(words.lang == "en").then_some("true")] { "English" }
                }
                main { (content) }
            }
        }
    };
    (
        [(header::CONTENT_TYPE, "text/html; charset=utf-8")],
        page.into_string(),
    )
        .into_response()
}

/// The mail's HTML alone, for the frame. Its links open in a new window, where the page they lead to is free of the sandbox.
async fn html_part(
    State(pages): State<Pages>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let mail = pages
        .inbox
        .mail(&id)
        .map_err(|error| Problem::unavailable(&error))?;
    let mail = mail.ok_or_else(|| Problem::not_found("mail"))?;
    let html = mail
        .html
        .replacen("<head>", "<head><base target=\"_blank\">", 1);
    let response = ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response();
    Ok(with(response, header::CONTENT_SECURITY_POLICY, MAIL_POLICY))
}

async fn messages(State(pages): State<Pages>) -> Result<Response, Problem> {
    let json = pages
        .inbox
        .json()
        .map_err(|error| Problem::unavailable(&error))?;
    Ok((
        StatusCode::OK,
        [(header::CONTENT_TYPE, "application/json")],
        json,
    )
        .into_response())
}

async fn style() -> Response {
    let css = include_str!("style.css");
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], css).into_response()
}
