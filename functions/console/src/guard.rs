//! What stands before every page: who asks, from where, and whether a form is one of ours.

use axum::body::Body;
use axum::extract::{Request, State as Shared};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use shared::store::{ApiKey, Scope, StoreError};

use crate::State;
use crate::failure::Failure;
use crate::fields::Fields;
use crate::lang::Lang;
use crate::pages::sign_in;
use crate::session::{Session, Sessions};
use crate::visit::Visit;

/// What pages may load and do: nothing but our own style, script, pictures and frames, nothing inline.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; \
    frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Middleware: headers of every answer, unless it has its own.
pub async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        // With `no-referrer` browsers would send our own forms with `Origin: null`.
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("x-robots-tag"), "noindex"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
    ];
    for (name, value) in headers {
        let given = response.headers_mut().entry(name);
        given.or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Middleware: lets a request pass that writes nothing, or comes from a page of ours.
pub async fn same_origin(Shared(state): Shared<State>, request: Request, next: Next) -> Response {
    if is_ours(&state, &request) {
        next.run(request).await
    } else {
        refused(Lang::of(request.headers()))
    }
}

/// Middleware: lets those pass who are signed in, with forms that are ours. Others see the sign-in page.
pub async fn signed_in(Shared(state): Shared<State>, request: Request, next: Next) -> Response {
    let lang = Lang::of(request.headers());
    if !is_ours(&state, &request) {
        return refused(lang);
    }
    let now = state.clock.now();
    let (mut parts, body) = request.into_parts();
    let writes = writes(&parts.method);
    let body = if writes { body } else { Body::empty() };
    let Ok(body) = shared::http::body::read(Request::new(body)).await else {
        return too_long(lang);
    };
    let fields = Fields::read(&body);
    let found = match find(&state, &parts.headers, now).await {
        Ok(found) => found,
        Err(error) => return sign_in::unavailable(lang, &error),
    };
    let Some((session, key)) = found else {
        return if writes {
            sign_in::again(lang, parts.uri.path(), &fields)
        } else {
            Redirect::to(&sign_in::address(&path_of(&parts))).into_response()
        };
    };
    if writes && !state.sessions.is_form_token(&session, fields.get("token")) {
        return refused(lang);
    }
    let visit = Visit {
        lang,
        now,
        shop: std::sync::Arc::clone(&state.shop),
        key,
        token: state.sessions.form_token(&session),
        path: path_of(&parts),
        flash: cookie(&parts.headers, FLASH).and_then(|value| state.sessions.read_flash(&value)),
        secure: is_secure(&state, &parts.headers),
        sessions: state.sessions.clone(),
    };
    parts.extensions.insert(visit.clone());
    parts.extensions.insert(fields);
    let response = next.run(Request::from_parts(parts, Body::empty())).await;
    let mut response = match response.extensions().get::<Failure>() {
        Some(failure) => failure.page(&visit),
        None => response,
    };
    let renewed = Sessions::renewed(&session, now);
    let renewed =
        renewed.map(|session| session_cookie(&state.sessions.write(&session), visit.secure));
    let said = (!writes && visit.flash.is_some()).then(|| ended_cookie(FLASH, visit.secure));
    for cookie in renewed.into_iter().chain(said) {
        if let Ok(value) = HeaderValue::from_str(&cookie) {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
    response
}

fn path_of(parts: &Parts) -> String {
    let path = parts.uri.path_and_query();
    path.map_or("/console", |path| path.as_str()).to_owned()
}

fn too_long(lang: Lang) -> Response {
    let title = lang.pick("入力が長すぎます", "Too long");
    let text = lang.pick(
        "一度に送れるのは1MBまでです。変更は行われていません。",
        "A form takes 1 MB at most. Nothing was changed.",
    );
    let body = maud::html! { p { (text) } };
    sign_in::bare(lang, StatusCode::PAYLOAD_TOO_LARGE, title, &body)
}

/// Who asks, if they are signed in under a key that still exists and may do everything.
async fn find(
    state: &State,
    headers: &HeaderMap,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<Option<(Session, ApiKey)>, StoreError> {
    let value = cookie(headers, session_name(is_secure(state, headers)));
    let Some(session) = value.and_then(|value| state.sessions.read(&value, now)) else {
        return Ok(None);
    };
    let key = state.store.api_key_of_digest(&session.digest, now).await?;
    let key = key.filter(|key| key.scope.covers(Scope::Admin));
    Ok(key.map(|key| (session, key)))
}

fn writes(method: &Method) -> bool {
    *method != Method::GET && *method != Method::HEAD
}

/// Whether a request writes nothing or was sent by a page of ours. Browsers name the origin of every form they post.
fn is_ours(state: &State, request: &Request) -> bool {
    if !writes(request.method()) {
        return true;
    }
    let header = |name: HeaderName| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let Some(origin) = header(header::ORIGIN) else {
        return false;
    };
    let public = origin_of(&state.shop.public_url);
    let host = header(header::HOST).map(|host| {
        let scheme = if is_secure(state, request.headers()) {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{host}")
    });
    origin == public || host.is_some_and(|host| host == origin) || are_one_machine(origin, public)
}

/// The scheme, host and port of an address.
fn origin_of(url: &str) -> &str {
    let after_scheme = url.find("://").map_or(0, |at| at.saturating_add(3));
    let rest = url.get(after_scheme..).unwrap_or_default();
    let end = rest
        .find('/')
        .map_or(url.len(), |at| at.saturating_add(after_scheme));
    url.get(..end).unwrap_or(url)
}

/// Whether both are names of this machine's loopback address, with the same port.
fn are_one_machine(one: &str, other: &str) -> bool {
    let port = |origin: &str| {
        let rest = origin.strip_prefix("http://")?.to_owned();
        let (host, port) = rest.rsplit_once(':')?;
        matches!(host, "localhost" | "127.0.0.1" | "[::1]").then(|| port.to_owned())
    };
    port(one).is_some() && port(one) == port(other)
}

fn is_secure(state: &State, headers: &HeaderMap) -> bool {
    let forwarded = headers
        .get("x-forwarded-proto")
        .and_then(|value| value.to_str().ok());
    state.shop.public_url.starts_with("https://") || forwarded == Some("https")
}

/// What a forged or outdated form is answered with.
fn refused(lang: Lang) -> Response {
    let title = lang.pick("受け付けられませんでした", "Not accepted");
    let text = lang.pick(
        "この送信は、このコンソールのページからのものと確認できませんでした。変更は行われていません。ページを開き直して、もう一度お試しください。",
        "This form could not be shown to come from a page of this console. Nothing was changed. Open the page again and try once more.",
    );
    sign_in::bare(
        lang,
        StatusCode::FORBIDDEN,
        title,
        &maud::html! {
            p { (text) }
            p { a .button href="/console" { (lang.pick("コンソールを開く", "Open the console")) } }
        },
    )
}

/// Name of the cookie that holds a line to show once.
const FLASH: &str = "okaeri-flash";

/// A cookie of a request.
pub fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(header::COOKIE).into_iter();
    let mut pairs = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'));
    pairs.find_map(|pair| {
        let (known, value) = pair.trim().split_once('=')?;
        (known == name).then(|| value.to_owned())
    })
}

/// `__Secure-` has browsers refuse the cookie from a page that came without https; `__Host-` would need it sent to every path.
fn session_name(secure: bool) -> &'static str {
    if secure {
        "__Secure-okaeri-session"
    } else {
        "okaeri-session"
    }
}

/// The cookie that signs in, until the browser is closed or the session ends.
pub fn session_cookie(value: &str, secure: bool) -> String {
    set_cookie(
        session_name(secure),
        value,
        "HttpOnly; SameSite=Strict",
        secure,
    )
}

/// The cookie that signs out.
pub fn session_ended(secure: bool) -> String {
    ended_cookie(session_name(secure), secure)
}

/// The cookie that holds a line to show on the next page.
pub(crate) fn flash_cookie(value: &str, secure: bool) -> String {
    set_cookie(
        FLASH,
        value,
        "HttpOnly; SameSite=Strict; Max-Age=60",
        secure,
    )
}

/// The cookie that remembers a language for a year.
pub(crate) fn language_cookie(lang: Lang, secure: bool) -> String {
    set_cookie(
        crate::lang::COOKIE,
        lang.code(),
        "SameSite=Lax; Max-Age=31536000",
        secure,
    )
}

fn ended_cookie(name: &str, secure: bool) -> String {
    set_cookie(name, "", "HttpOnly; SameSite=Strict; Max-Age=0", secure)
}

fn set_cookie(name: &str, value: &str, rules: &str, secure: bool) -> String {
    let secure = if secure { "; Secure" } else { "" };
    format!("{name}={value}; Path=/console; {rules}{secure}")
}

/// Whether a browser reached us by https.
pub(crate) fn came_by_https(state: &State, headers: &HeaderMap) -> bool {
    is_secure(state, headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        for (url, origin) in [
            ("https://a.example/base/", "https://a.example"),
            ("https://a.example", "https://a.example"),
            ("http://127.0.0.1:8787", "http://127.0.0.1:8787"),
        ] {
            assert_eq!(origin_of(url), origin);
        }
    }

    #[test]
    fn only_names_of_the_loopback_with_one_port_are_one_machine() {
        let here = "http://127.0.0.1:8787";
        assert!(are_one_machine("http://localhost:8787", here));
        for other in [
            "http://localhost:8788",
            "http://evil.example:8787",
            "https://localhost:8787",
            "null",
            "http://localhost",
        ] {
            assert!(!are_one_machine(other, here), "{other}");
        }
        assert!(!are_one_machine(
            "http://localhost:8787",
            "https://shop.example"
        ));
    }

    #[test]
    fn cookies_are_found_among_others_and_in_several_lines() {
        let mut headers = HeaderMap::new();
        headers.append(
            "cookie",
            HeaderValue::from_static("a=1; okaeri-session=x=y"),
        );
        headers.append("cookie", HeaderValue::from_static("b=2"));
        assert_eq!(cookie(&headers, "okaeri-session").as_deref(), Some("x=y"));
        assert_eq!(cookie(&headers, "b").as_deref(), Some("2"));
        assert_eq!(cookie(&headers, "okaeri"), None);
    }

    #[test]
    fn the_session_cookie_is_kept_from_scripts_other_sites_and_other_paths() {
        let cookie = session_cookie("v", true);
        for rule in [
            "__Secure-",
            "HttpOnly",
            "SameSite=Strict",
            "Path=/console",
            "; Secure",
        ] {
            assert!(cookie.contains(rule), "{cookie}");
        }
        assert!(!session_cookie("v", false).contains("Secure"));
    }
}
