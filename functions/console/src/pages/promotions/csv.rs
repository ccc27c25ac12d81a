//! Codes as CSV files. Lambda answers at most 6 MB, so a large batch comes in several files.

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State as Shared};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderValue, Method, header};
use shared::store::Position;

use super::find;
use crate::State;
use crate::api::Call;
use crate::failure::Failure;
use crate::visit::Visit;

/// Codes in one file: with the longest channel and order id about 5 MB, most of the time 2.
const PER_FILE: u64 = 20_000;

pub(super) fn routes() -> Router<State> {
    Router::new().route(
        "/console/promotions/{id}/batches/{batch}/{part}/codes.csv",
        get(file),
    )
}

/// How many files a batch of so many codes comes in.
pub(super) fn parts_of(count: u64) -> u64 {
    count.div_ceil(PER_FILE).max(1)
}

/// Where one of them is.
pub(super) fn part_path(base: &str, batch: &str, part: u64) -> String {
    format!(
        "{base}/batches/{batch}/{}/codes.csv",
        part.saturating_add(1)
    )
}

async fn file(
    Shared(state): Shared<State>,
    visit: Visit,
    Path((id, batch, part)): Path<(String, String, u64)>,
) -> Result<Response, Failure> {
    let known = find(&state, &visit, id).await?;
    let id = &known.promotion.id;
    let batches = state.store.batches(id).await?;
    let found = batches
        .iter()
        .find(|known| known.batch_id == batch && !known.pending);
    let found = found.ok_or(Failure::NotFound)?;
    let skipped = part
        .checked_sub(1)
        .and_then(|before| before.checked_mul(PER_FILE));
    let skipped = skipped
        .filter(|skipped| *skipped < found.count)
        .ok_or(Failure::NotFound)?;
    let cursor = Position::Minted(found.first_serial.saturating_add(skipped)).cursor();
    let path = format!("/v1/promotions/{id}/codes?batch={batch}&limit={PER_FILE}&cursor={cursor}");
    let (_, csv) = state
        .api
        .raw(&visit, Call::new(Method::GET, &path).csv())
        .await?;
    let name = format!(
        "attachment; filename=\"codes-{id}-{}-{part}.csv\"",
        found.first_serial
    );
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/csv; charset=utf-8"),
        ),
        (
            header::CONTENT_DISPOSITION,
            HeaderValue::from_str(&name).unwrap_or(HeaderValue::from_static("attachment")),
        ),
    ];
    Ok((headers, Body::from(csv)).into_response())
}
