//! One request of somebody who is signed in.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Redirect, Response};
use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use http::request::Parts;
use http::{HeaderValue, header};
use maud::{Markup, html};
use shared::mailer::Shop;
use shared::store::ApiKey;

use crate::failure::Failure;
use crate::guard::flash_cookie;
use crate::lang::Lang;
use crate::session::Sessions;

/// Who asks, in which language, and what every page shows of it. Handlers take it as an argument; only the guard makes one.
#[derive(Clone, Debug)]
pub struct Visit {
    /// The language of the answer.
    pub lang: Lang,
    /// When the request came.
    pub now: DateTime<Utc>,
    /// The shop.
    pub shop: Arc<Shop>,
    /// The key they signed in with.
    pub key: ApiKey,
    /// What forms carry.
    pub token: String,
    /// Path and query asked for.
    pub path: String,
    /// What was done just before, to say once.
    pub flash: Option<String>,
    /// Whether the browser reached us by https.
    pub(crate) secure: bool,
    pub(crate) sessions: Sessions,
}

impl Visit {
    /// The shop's zone.
    pub fn zone(&self) -> Tz {
        self.shop.zone
    }

    /// Today in the shop's zone.
    pub fn today(&self) -> NaiveDate {
        self.now.with_timezone(&self.shop.zone).date_naive()
    }

    /// The hidden field that every form with `method="post"` needs.
    pub fn token_field(&self) -> Markup {
        html! { input type="hidden" name="token" value=(self.token); }
    }

    /// After something was done: to `path`, where `text` is said once. The text names things as staff do, and never holds a code.
    pub fn done(&self, path: &str, text: &str) -> Response {
        let mut response = Redirect::to(path).into_response();
        let cookie = flash_cookie(&self.sessions.write_flash(text), self.secure);
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        response
    }
}

impl<S: Sync> FromRequestParts<S> for Visit {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        // Without a guard before it a page shows nothing.
        parts.extensions.get().cloned().ok_or(Failure::NotFound)
    }
}
