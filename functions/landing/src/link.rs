//! `/l/{slug}`: the page of a landing link. Looking changes nothing but the count of visits.
//!
//! Of what is behind it, it shows what a buyer may know. Paused, ended and used up look alike, also to the byte.

mod page;
mod words;

use std::sync::LazyLock;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State as Given};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use sha2::{Digest, Sha256};
use shared::domain::link::{Link, Slug};
use shared::domain::promotion::{Closed, Promotion};
use shared::store::{Freshness, GroupCode, Left, StoreError};

use crate::visitor::is_visit;
use crate::{State, language};
use page::View;

const SCRIPT: &str = include_str!("link/page.js");
/// How long the script may be kept: for good, since another one has another name.
const FOR_GOOD: &str = "public, max-age=31536000, immutable";

static SCRIPT_PATH: LazyLock<String> = LazyLock::new(|| {
    let hash = Sha256::digest(SCRIPT);
    let hash = u64::from_be_bytes(hash.first_chunk().copied().unwrap_or_default());
    // No slug has a dot.
    format!("/l/page-{hash:016x}.js")
});

/// Where the script is, which is another place when it is another script.
pub(crate) fn script_path() -> &'static str {
    &SCRIPT_PATH
}

/// The script of the pages; they work without.
pub(crate) async fn script() -> Response {
    let mut response = SCRIPT.into_response();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/javascript; charset=utf-8"),
        (header::CACHE_CONTROL, FOR_GOOD),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("x-robots-tag"), "noindex"),
    ] {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}

/// Show what a link's promotion gives
///
/// Browsers in somebody's hands are counted, without cookies and without keeping anything of them.
#[utoipa::path(
    get,
    path = "/l/{slug}",
    operation_id = "show_link",
    tag = "Public pages",
    params(
        ("slug" = String, Path, description = "The end of the link."),
        ("lang" = Option<String>, Query, description = "`ja` or `en`; otherwise the browser's language."),
    ),
    responses(
        (status = 200, description = "The page.", body = String, content_type = "text/html"),
        (status = 404, description = "There is no such link.", body = String, content_type = "text/html"),
        (status = 503, description = "It cannot be shown now: try again.", body = String, content_type = "text/html"),
    )
)]
pub(crate) async fn show(
    Given(state): Given<State>,
    slug: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let language = language(query.as_deref(), &headers);
    let now = state.clock.now();
    // Some programs close every address with a slash.
    let slug = slug.ok();
    let slug =
        slug.and_then(|Path(slug)| Slug::try_from(slug.trim_end_matches('/').to_owned()).ok());
    let found = match slug {
        None => Ok(None),
        Some(slug) => found(&state, &slug, now, || is_visit(&method, &headers)).await,
    };
    let shown = match &found {
        Ok(Some(found)) => found.view(now),
        Ok(None) => View::Unknown,
        Err(error) => {
            tracing::error!(%error, "a link's page cannot be shown");
            View::Failed
        }
    };
    page::render(&state, language, &shown, now)
}

/// A link and what its page rests on.
struct Found {
    link: Link,
    promotion: std::sync::Arc<Promotion>,
    word: Option<GroupCode>,
    left: Left,
}

impl Found {
    fn view(&self, now: DateTime<Utc>) -> View<'_> {
        let gone = self.link.code.is_some()
            && self
                .word
                .as_ref()
                .is_none_or(|word| word.voided || word.promotion_id != self.link.promotion_id);
        match self.promotion.closed_at(now) {
            Some(Closed::Paused | Closed::Ended | Closed::Expired) => View::Unavailable,
            _ if gone || self.left.used_up => View::Unavailable,
            Some(Closed::NotStarted) => View::Soon(&self.promotion),
            None => View::Open {
                promotion: &self.promotion,
                word: self.word.as_ref(),
                uses_left: self.left.uses,
                target: self.link.target_url.as_ref(),
            },
        }
    }
}

/// Reads what a link's page rests on, and counts the visit meanwhile, if it is one.
async fn found(
    state: &State,
    slug: &Slug,
    now: DateTime<Utc>,
    is_visit: impl Fn() -> bool,
) -> Result<Option<Found>, StoreError> {
    let store = &state.store;
    let Some(link) = store.link(slug, Freshness::Remembered, now).await? else {
        return Ok(None);
    };
    let count = async {
        if is_visit()
            && let Err(error) = store.count_visit(&link, state.shop.zone, now).await
        {
            // The page matters more: at worst a visit is missing.
            tracing::warn!(%error, "a visit may not have been counted");
        }
    };
    let read = async {
        let known = store.promotion(&link.promotion_id, Freshness::Remembered, now);
        let Some(known) = known.await? else {
            return Ok::<_, StoreError>(None);
        };
        let word = match &link.code {
            None => None,
            Some(code) => {
                let word = code.folded();
                store.group_code(&word, Freshness::Remembered, now).await?
            }
        };
        let left = store.left_of(&known.promotion, word.as_ref(), now).await?;
        Ok(Some((known.promotion, word, left)))
    };
    let ((), read) = tokio::join!(count, read);
    Ok(read?.map(|(promotion, word, left)| Found {
        link,
        promotion,
        word,
        left,
    }))
}

#[cfg(test)]
mod tests;
