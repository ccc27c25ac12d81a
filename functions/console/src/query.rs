//! What an address asks for after its question mark.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, Query};
use http::request::Parts;
use serde::de::DeserializeOwned;

/// The query of a page's address. One that cannot be read, as a cut-off link has, asks for nothing in particular: staff see the page.
pub struct Lenient<T>(pub T);

impl<S: Sync, T: DeserializeOwned + Default> FromRequestParts<S> for Lenient<T> {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let asked = Query::try_from_uri(&parts.uri).map(|Query(asked)| asked);
        Ok(Self(asked.unwrap_or_default()))
    }
}
