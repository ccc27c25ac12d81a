//! `/u/{token}`: the way out of the mails (RFC 8058). Looking changes nothing, since mail scanners follow links; only a `POST`
//! does. A token that is not ours gets the same page whatever is wrong with it.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State as Given};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use shared::domain::identity::PersonHash;
use shared::http::Problem;
use shared::http::page::{page, wants_page};
use shared::mailer::Language;
use shared::store::SuppressionReason;

use crate::{State, language};

const STYLE: &str = include_str!("page.css");

/// The page's words in one language.
struct Words {
    lang: &'static str,
    other: &'static str,
    other_name: &'static str,
    title: &'static str,
    what: &'static str,
    orders: &'static str,
    button: &'static str,
    done_title: &'static str,
    done: &'static str,
    unknown_title: &'static str,
    unknown: &'static str,
    failed_title: &'static str,
    failed: &'static str,
}

const JA: Words = Words {
    lang: "ja",
    other: "en",
    other_name: "English",
    title: "メールの配信停止",
    what: "クーポンやお礼のメールが届かなくなります。",
    orders: "ご注文に関する大切なお知らせは引き続き届きます。",
    button: "配信を停止する",
    done_title: "停止しました",
    done: "クーポンやお礼のメールは、今後お送りしません。",
    unknown_title: "このリンクは使えません",
    unknown: "リンクの一部が欠けている可能性があります。メールのリンクをもう一度開いてください。",
    failed_title: "停止できませんでした",
    failed: "ただいま混み合っています。少し待ってから、もう一度お試しください。",
};

const EN: Words = Words {
    lang: "en",
    other: "ja",
    other_name: "日本語",
    title: "Stop these mails",
    what: "You will get no more of our mails with thanks and codes.",
    orders: "Important messages about your orders will still reach you.",
    button: "Stop these mails",
    done_title: "Stopped",
    done: "We will send you no more mails with thanks and codes.",
    unknown_title: "This link does not work",
    unknown: "A part of it may be missing. Please open the link in the mail again.",
    failed_title: "Not stopped yet",
    failed: "We are busy right now. Please try again in a moment.",
};

/// Show what unsubscribing stops
///
/// It changes nothing, since mail scanners follow links.
#[utoipa::path(
    get,
    path = "/u/{token}",
    operation_id = "ask_to_unsubscribe",
    tag = "Public pages",
    params(
        ("token" = String, Path, description = "The end of the link in a mail."),
        ("lang" = Option<String>, Query, description = "`ja` or `en`; otherwise the browser's language."),
    ),
    responses(
        (status = 200, description = "A page with a button.", body = String, content_type = "text/html"),
        (status = 404, description = "The link is none of ours.", content((String = "text/html"), (Problem = "application/problem+json"))),
    )
)]
pub(crate) async fn ask(
    Given(state): Given<State>,
    token: Token,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let words = words(query.as_deref(), &headers);
    if person(&state, token).is_none() {
        return unknown(words);
    }
    let content = html! {
        p { (words.what) }
        p { (words.orders) }
        form method="post" { button { (words.button) } }
        (language_link(words))
    };
    show(
        StatusCode::OK,
        words,
        Some(&state.shop.shop_name),
        words.title,
        &content,
    )
}

/// Unsubscribe with one click (RFC 8058)
///
/// The body, if any, says nothing the address does not say. People get a page, mail programs an empty answer.
#[utoipa::path(
    post,
    path = "/u/{token}",
    operation_id = "unsubscribe",
    tag = "Public pages",
    params(
        ("token" = String, Path, description = "The end of the link in a mail."),
        ("lang" = Option<String>, Query, description = "`ja` or `en`; otherwise the browser's language."),
    ),
    responses(
        (status = 200, description = "No more mails.", body = String, content_type = "text/html"),
        (status = 404, description = "The link is none of ours.", content((String = "text/html"), (Problem = "application/problem+json"))),
        (status = 503, description = "Not stopped yet: try again."),
    )
)]
pub(crate) async fn stop(
    Given(state): Given<State>,
    token: Token,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let words = words(query.as_deref(), &headers);
    let Some(person) = person(&state, token) else {
        return unknown(words);
    };
    let reason = SuppressionReason::Unsubscribed;
    let stopped = state
        .store
        .suppress(&person, reason, state.clock.now())
        .await;
    match (stopped, wants_page(&headers)) {
        (Ok(()), false) => StatusCode::OK.into_response(),
        (Ok(()), true) => {
            let content = html! { p { (words.done) } p { (words.orders) } };
            show(
                StatusCode::OK,
                words,
                Some(&state.shop.shop_name),
                words.done_title,
                &content,
            )
        }
        (Err(error), false) => Problem::from(error).into_response(),
        (Err(error), true) => {
            let status = Problem::from(error).into_response().status();
            let content = html! {
                p { (words.failed) }
                form method="post" { button { (words.button) } }
            };
            show(
                status,
                words,
                Some(&state.shop.shop_name),
                words.failed_title,
                &content,
            )
        }
    }
}

/// What stands in the address; not even text if it was garbled thoroughly.
type Token = Result<Path<String>, PathRejection>;

fn person(state: &State, token: Token) -> Option<PersonHash> {
    let Path(token) = token.ok()?;
    state.identity.open_unsubscribe_token(&token)
}

/// The page's words in the language asked for.
fn words(query: Option<&str>, headers: &HeaderMap) -> &'static Words {
    match language(query, headers) {
        Language::Ja => &JA,
        Language::En => &EN,
    }
}

fn language_link(words: &Words) -> Markup {
    let other = words.other;
    html! { nav { a href={ "?lang=" (other) } lang=(other) hreflang=(other) { (words.other_name) } } }
}

fn unknown(words: &Words) -> Response {
    let content = html! { p { (words.unknown) } (language_link(words)) };
    show(
        StatusCode::NOT_FOUND,
        words,
        None,
        words.unknown_title,
        &content,
    )
}

fn show(
    status: StatusCode,
    words: &Words,
    shop: Option<&str>,
    title: &str,
    content: &Markup,
) -> Response {
    let document = html! {
        (DOCTYPE)
        html lang=(words.lang) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                meta name="color-scheme" content="light dark";
                title { (title) @if let Some(shop) = shop { " – " (shop) } }
                style { (PreEscaped(STYLE)) }
            }
            body {
                @if let Some(shop) = shop { header { bdi { (shop) } } }
                main { h1 { (title) } (content) }
            }
        }
    };
    page(status, document.into_string(), STYLE)
}

#[cfg(test)]
pub(crate) mod tests;
