//! Signing in and out, and the choice of a language, for which nobody has to be signed in.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State as Shared;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use maud::{Markup, html};
use serde::Deserialize;
use shared::store::Scope;

use crate::State;
use crate::fields::Fields;
use crate::form::{Errors, Input};
use crate::frame::{document, language_switch, logo};
use crate::guard::{came_by_https, language_cookie, session_cookie, session_ended};
use crate::lang::Lang;
use crate::query::Lenient;
use crate::session::Sessions;

pub(crate) fn routes() -> Router<State> {
    Router::new()
        .route("/console/sign-in", get(ask).post(sign_in))
        .route("/console/sign-out", post(sign_out))
        .route("/console/language", post(language))
}

/// The sign-in page that leads back to `path`.
pub(crate) fn address(path: &str) -> String {
    if path == "/console" {
        return "/console/sign-in".to_owned();
    }
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("next", path);
    format!("/console/sign-in?{}", query.finish())
}

/// Where to go after signing in: only ever a page of ours.
fn own(path: &str) -> &str {
    let rest = path.strip_prefix("/console");
    let below = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']));
    let plain = path
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'\\')
        && !path.contains("//");
    if below && plain { path } else { "/console" }
}

#[derive(Default, Deserialize)]
struct Asked {
    #[serde(default)]
    next: String,
}

/// What a sign-in form carries besides the key.
#[derive(Clone, Copy, Default)]
struct Carried<'a> {
    next: &'a str,
    /// The form that was sent when the session was over, to go on with.
    kept: &'a str,
}

async fn ask(headers: HeaderMap, Lenient(asked): Lenient<Asked>) -> Response {
    let carried = Carried {
        next: own(&asked.next),
        ..Carried::default()
    };
    form(
        Lang::of(&headers),
        carried,
        &Errors::new(),
        None,
        StatusCode::OK,
    )
}

/// The page for somebody whose session was over when they sent a form: it keeps what they wrote.
pub(crate) fn again(lang: Lang, path: &str, fields: &Fields) -> Response {
    let kept = fields.body_without(&["token", "key"]);
    let carried = Carried {
        next: own(path),
        kept: &kept,
    };
    let note = lang.pick(
        "セッションが終了しました。サインインすると、入力した内容から続けられます。",
        "Your session has ended. Sign in, and you go on with what you entered.",
    );
    form(
        lang,
        carried,
        &Errors::new(),
        Some(note),
        StatusCode::UNAUTHORIZED,
    )
}

async fn sign_in(
    Shared(state): Shared<State>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Response> {
    let lang = Lang::of(&headers);
    let fields = Fields::read(&body);
    let carried = Carried {
        next: own(fields.get("next")),
        kept: fields.get("kept"),
    };
    let now = state.clock.now();
    let text = fields.get("key");
    let found = if text.is_empty() {
        None
    } else {
        state
            .store
            .api_key(text, now)
            .await
            .map_err(|error| unavailable(lang, &error))?
    };
    let Some(key) = found.filter(|key| key.scope.covers(Scope::Admin)) else {
        let mut errors = Errors::new();
        errors.add(
            "key",
            lang.pick(
                "キーが正しくないか、失効しています",
                "The key is not right, or was revoked",
            ),
        );
        return Ok(form(lang, carried, &errors, None, StatusCode::FORBIDDEN));
    };
    let session = Sessions::begin(key.digest, now);
    let mut response = if carried.kept.is_empty() {
        Redirect::to(carried.next).into_response()
    } else {
        go_on(lang, carried, &state.sessions.form_token(&session))
    };
    let cookie = session_cookie(
        &state.sessions.write(&session),
        came_by_https(&state, &headers),
    );
    set(&mut response, &cookie);
    Ok(response)
}

/// Nobody can be recognised, because the table does not answer.
pub(crate) fn unavailable(lang: Lang, error: &shared::store::StoreError) -> Response {
    tracing::error!(%error, "nobody can sign in");
    let title = lang.pick(
        "一時的にサインインできません",
        "Signing in does not work for the moment",
    );
    bare(
        lang,
        StatusCode::SERVICE_UNAVAILABLE,
        title,
        &html! {
            p { (lang.pick("数秒後にもう一度お試しください。", "Try again in a few seconds.")) }
        },
    )
}

/// Sends the kept form again, under the new session, when somebody says so.
fn go_on(lang: Lang, carried: Carried<'_>, token: &str) -> Response {
    let fields = Fields::read(carried.kept.as_bytes());
    let title = lang.pick("サインインしました", "You are signed in");
    bare(
        lang,
        StatusCode::OK,
        title,
        &html! {
            p { (lang.pick("入力した内容で続けます。", "Go on with what you entered.")) }
            form method="post" action=(carried.next) {
                input type="hidden" name="token" value=(token);
                @for (name, value) in fields.pairs().filter(|(name, _)| *name != "token") {
                    input type="hidden" name=(name) value=(value);
                }
                div .buttons {
                    button .button .primary type="submit" { (lang.pick("続ける", "Go on")) }
                    a .button href="/console" { (lang.pick("破棄して概要へ", "Discard it")) }
                }
            }
        },
    )
}

async fn sign_out(Shared(state): Shared<State>, headers: HeaderMap) -> Response {
    let mut response = Redirect::to("/console/sign-in").into_response();
    set(
        &mut response,
        &session_ended(came_by_https(&state, &headers)),
    );
    response
}

async fn language(Shared(state): Shared<State>, headers: HeaderMap, body: Bytes) -> Response {
    let fields = Fields::read(&body);
    let mut response = Redirect::to(own(fields.get("next"))).into_response();
    if let Some(lang) = Lang::from_code(fields.get("lang")) {
        set(
            &mut response,
            &language_cookie(lang, came_by_https(&state, &headers)),
        );
    }
    response
}

fn set(response: &mut Response, cookie: &str) {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

fn form(
    lang: Lang,
    carried: Carried<'_>,
    errors: &Errors,
    note: Option<&str>,
    status: StatusCode,
) -> Response {
    let title = lang.pick("サインイン", "Sign in");
    let hint = html! { (lang.pick(
        "権限が admin のAPIキーです。パスワードマネージャーや貼り付けも使えます。",
        "An API key of scope admin. Password managers and pasting work.",
    )) };
    let body = html! {
        @if let Some(note) = note { p .notice role="status" { (note) } }
        (errors.summary(lang))
        form method="post" action="/console/sign-in" novalidate {
            input type="hidden" name="next" value=(carried.next);
            @if !carried.kept.is_empty() { input type="hidden" name="kept" value=(carried.kept); }
            // For password managers, which keep a name beside a password.
            input .hidden type="text" name="username" value="okaeri" autocomplete="username" tabindex="-1" aria-hidden="true" readonly;
            (Input::new("key", lang.pick("管理キー", "Admin key"), "")
                .kind("password").autocomplete("current-password").hint(hint).render(errors, lang))
            div .buttons { button .button .primary type="submit" { (lang.pick("サインインする", "Sign in")) } }
        }
        (language_switch(lang, &address(carried.next)))
    };
    let shown = if errors.is_empty() {
        title.to_owned()
    } else {
        format!("{}{title}", lang.pick("エラー：", "Error: "))
    };
    titled(lang, status, (&shown, title), &body)
}

/// A page without a menu, for those who are not signed in.
pub(crate) fn bare(lang: Lang, status: StatusCode, title: &str, body: &Markup) -> Response {
    titled(lang, status, (title, title), body)
}

fn titled(lang: Lang, status: StatusCode, (tab, title): (&str, &str), body: &Markup) -> Response {
    let whole = html! {
        div .gate { main #main {
            div .gate-brand { (logo()) span .brand-name { "Okaeri" } }
            div .card { h1 { (title) } (body) }
        } }
    };
    (status, Html(document(lang, tab, &whole).into_string())).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_signing_in_one_only_ever_comes_to_a_page_of_the_console() {
        for path in [
            "/console",
            "/console/promotions?status=active",
            "/console?x=1",
        ] {
            assert_eq!(own(path), path);
        }
        for path in [
            "",
            "/",
            "https://evil.example",
            "//evil.example",
            "/consolex",
            "/console//evil.example",
            "/console\\evil",
            "/console/\r\nSet-Cookie:x",
            "/console/é",
        ] {
            assert_eq!(own(path), "/console", "{path}");
        }
    }

    #[test]
    fn the_way_back_survives_in_the_address() {
        assert_eq!(address("/console"), "/console/sign-in");
        assert_eq!(
            address("/console/a?b=c&d"),
            "/console/sign-in?next=%2Fconsole%2Fa%3Fb%3Dc%26d"
        );
    }
}
