//! Pages for people: nothing from outside, nothing remembered, nothing framed.

use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use sha2::{Digest, Sha256};

/// A whole HTML document whose only style is `style`, written into it as `<style>` exactly as given.
///
/// The policy lets in that style by its hash, forms to ourselves, and nothing else; the address is neither indexed nor passed on.
pub fn page(status: StatusCode, document: String, style: &str) -> Response {
    show(status, document, style, "form-action 'self'")
}

/// The same for a document that has no forms, but may load scripts from where it is from.
pub fn page_with_script(status: StatusCode, document: String, style: &str) -> Response {
    show(
        status,
        document,
        style,
        "script-src 'self'; form-action 'none'",
    )
}

fn show(status: StatusCode, document: String, style: &str, allowed: &str) -> Response {
    let hash = STANDARD.encode(Sha256::digest(style));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; {allowed}; base-uri 'none'; frame-ancestors 'none'"
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, policy.as_str()),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("x-robots-tag"), "noindex"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (header::VARY, "accept, accept-language"),
    ];
    let mut response = (status, document).into_response();
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// Whether a caller asks for a page: browsers name `text/html`, machines do not.
pub fn wants_page(headers: &HeaderMap) -> bool {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

/// Which of `languages` (primary tags, the default first) a caller prefers by `Accept-Language`.
pub fn preferred_language<'a>(headers: &HeaderMap, languages: &[&'a str]) -> Option<&'a str> {
    let accept = headers
        .get(header::ACCEPT_LANGUAGE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let ranked = accept.split(',').filter_map(|range| {
        let mut parts = range.split(';');
        let tag = parts.next()?.trim().split('-').next()?;
        let language = languages
            .iter()
            .find(|known| known.eq_ignore_ascii_case(tag))?;
        Some((thousandths(parts.next())?, *language))
    });
    // Of equal ones the first stands, as people list them.
    let best = ranked.reduce(|best, next| if next.0 > best.0 { next } else { best });
    best.filter(|(quality, _)| *quality > 0)
        .map(|(_, language)| language)
        .or_else(|| languages.first().copied())
}

/// The quality `q=0.5` in thousandths; 1,000 if absent.
fn thousandths(quality: Option<&str>) -> Option<u16> {
    let Some(quality) = quality else {
        return Some(1_000);
    };
    let text = quality.trim().strip_prefix("q=")?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{fraction:0<3.3}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_people_list_first_or_weigh_most_is_chosen() {
        for (accept, expected) in [
            (None, "en"),
            (Some("ja"), "ja"),
            (Some("ja-JP,ja;q=0.9,en-US;q=0.8,en;q=0.7"), "ja"),
            (Some("fr, en;q=0.3, ja;q=0.5"), "ja"),
            (Some("en,ja"), "en"),
            (Some("ja;q=0"), "en"),
            (Some("de"), "en"),
            (Some(";;q=,,ja;q=x"), "en"),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static(accept));
            }
            let language = preferred_language(&headers, &["en", "ja"]);
            assert_eq!(language, Some(expected), "{accept:?}");
        }
    }

    #[test]
    fn a_page_lets_nothing_in_and_its_address_nowhere() {
        let response = page(StatusCode::OK, "<p>".to_owned(), "p{}");
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert!(
            header("content-security-policy").starts_with("default-src 'none'; style-src 'sha256-")
        );
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("x-robots-tag"), "noindex");
    }
}
