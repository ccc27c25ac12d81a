//! Style, script and icon: one file each, under a name that changes with its content, so that browsers keep them for good.

use std::sync::LazyLock;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderValue, header};
use sha2::{Digest, Sha256};

use crate::State;

/// A file that is part of the program.
#[derive(Debug)]
pub struct Asset {
    path: LazyLock<String>,
    kind: &'static str,
    text: &'static str,
}

/// How all pages look.
pub static STYLE: Asset = Asset {
    path: LazyLock::new(|| named("style", "css", STYLE_TEXT)),
    kind: "text/css; charset=utf-8",
    text: STYLE_TEXT,
};
/// What makes some of them quicker to use.
pub static SCRIPT: Asset = Asset {
    path: LazyLock::new(|| named("script", "js", SCRIPT_TEXT)),
    kind: "text/javascript; charset=utf-8",
    text: SCRIPT_TEXT,
};
/// The tab's icon.
pub static ICON: Asset = Asset {
    path: LazyLock::new(|| named("icon", "svg", ICON_TEXT)),
    kind: "image/svg+xml",
    text: ICON_TEXT,
};

const STYLE_TEXT: &str = include_str!("../assets/style.css");
const SCRIPT_TEXT: &str = include_str!("../assets/script.js");
const ICON_TEXT: &str = include_str!("../assets/icon.svg");

fn named(name: &str, kind: &str, text: &str) -> String {
    let digest = Sha256::digest(text);
    let hash = hex::encode(digest.get(..6).unwrap_or_default());
    format!("/console/{name}-{hash}.{kind}")
}

impl Asset {
    /// Where it is.
    pub fn path(&self) -> &str {
        &self.path
    }

    fn answer(&self) -> Response {
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static(self.kind)),
            (
                header::CACHE_CONTROL,
                HeaderValue::from_static("public, max-age=31536000, immutable"),
            ),
        ];
        (headers, self.text).into_response()
    }
}

/// The three files, which anybody may see.
pub fn routes() -> Router<State> {
    Router::new()
        .route(STYLE.path(), get(async || STYLE.answer()))
        .route(SCRIPT.path(), get(async || SCRIPT.answer()))
        .route(ICON.path(), get(async || ICON.answer()))
}
