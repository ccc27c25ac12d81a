//! Why there is no page.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use shared::env::StartError;
use shared::store::StoreError;

use crate::api::Refusal;
use crate::frame::{Nav, Page};
use crate::visit::Visit;
use maud::html;

/// Why a handler has no page of its own to show. The guard makes a page of it, in the visitor's language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// There is no such page or thing.
    NotFound,
    /// The admin API refused what was asked, and the page has no field to say it at.
    Refused {
        /// Its status.
        status: StatusCode,
        /// What it said, in English.
        detail: String,
    },
    /// The table does not answer; logged already.
    Unavailable,
}

impl Failure {
    /// The table, or what else a page needs, did not answer; `cause` is for the log.
    pub(crate) fn unavailable(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(%cause, "a page could not be made");
        Self::Unavailable
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Refused { status, .. } => *status,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The page that says so.
    pub fn page(&self, visit: &Visit) -> Response {
        let lang = visit.lang;
        let (title, text) = match self {
            Self::NotFound => (
                lang.pick("ページが見つかりません", "Page not found"),
                lang.pick(
                    "このページは存在しないか、削除されました。メニューからお選びください。",
                    "This page does not exist, or what it showed is gone. Choose another from the menu.",
                ),
            ),
            Self::Refused { detail, .. } => (
                lang.pick("処理できませんでした", "This could not be done"),
                lang.pick(
                    "変更は行われていません。内容を確認して、もう一度お試しください。",
                    detail.as_str(),
                ),
            ),
            Self::Unavailable => (
                lang.pick("一時的に表示できません", "Not available for the moment"),
                lang.pick(
                    "データを読み込めませんでした。数秒後にもう一度お試しください。",
                    "The data could not be read. Try again in a few seconds.",
                ),
            ),
        };
        Page::new(visit, Nav::None, title)
            .status(self.status())
            .render(&html! {
                div .card { p { (text) }
                    p { a .button href="/console" { (lang.pick("概要へ戻る", "Back to the overview")) } } }
            })
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::unavailable(&error)
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        Self::unavailable(&error)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal.status {
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::INTERNAL_SERVER_ERROR => {
                Self::Unavailable
            }
            status => Self::Refused {
                status,
                detail: refusal.words(),
            },
        }
    }
}
