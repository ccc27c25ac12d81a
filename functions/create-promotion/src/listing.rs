//! `GET /v1/promotions/{id}/codes`: every code of a promotion as JSON or CSV, recomputed from serials.
//!
//! Group words come first, then minted codes by serial, then thank-you codes. A page costs one query per 1,024 serials.

use std::fmt::Write;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State as Shared};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderValue, header};
use serde::{Deserialize, Serialize};
use shared::domain::Fault;
use shared::domain::channel::Channel;
use shared::domain::code::{CodeKey, PromotionId};
use shared::domain::order::OrderId;
use shared::domain::promotion::{ClaimCode, Closed, Promotion};
use shared::http::Problem;
use shared::http::body::json;
use shared::store::{
    CodeItem, CodeState, GroupCode, Known, ListedCode, Position, THANK_YOU_PARTITIONS,
};
use utoipa::{IntoParams, ToSchema};

use crate::State;
use crate::promotions::find;

/// Most codes on a page. Source: design.md §7.
const MAX_PAGE: usize = 20_000;
/// The first line of every page of CSV.
pub const CSV_HEADER: &str = "code,status,channel,order_id,redeemed_at\n";
/// Codes on a page whose size the caller leaves open.
const DEFAULT_PAGE: usize = 1_000;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// Only the codes of this batch.
    #[param(required = false, nullable = false)]
    batch: Option<String>,
    /// Where the page before ended.
    #[param(required = false, nullable = false)]
    cursor: Option<String>,
    /// Most codes on the page; 1,000 unless given.
    #[param(required = false, nullable = false, minimum = 1, maximum = 20000)]
    limit: Option<usize>,
}

/// A code as callers see it.
#[derive(Serialize, ToSchema)]
#[schema(as = Code)]
struct CodeRow {
    /// Its text.
    code: String,
    status: RowStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Channel>)]
    channel: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<OrderId>)]
    order_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    redeemed_at: Option<DateTime<Utc>>,
}

/// What may be done with a code, or was.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = CodeStatus)]
pub(crate) enum RowStatus {
    Unused,
    Held,
    Redeemed,
    Voided,
    Expired,
}

impl RowStatus {
    /// What may be done with a word at `now`.
    pub(crate) fn of_word(word: &GroupCode, promotion: &Promotion, now: DateTime<Utc>) -> Self {
        if word.voided {
            Self::Voided
        } else if closed_for_good(promotion, now) {
            Self::Expired
        } else {
            Self::Unused
        }
    }

    /// What may be done with a single-use code at `now`; it has an item if it was ever used, voided or issued.
    pub(crate) fn of_item(
        item: Option<&CodeItem>,
        promotion: &Promotion,
        now: DateTime<Utc>,
    ) -> Self {
        match item {
            Some(CodeItem {
                state: CodeState::Held,
                ..
            }) => Self::Held,
            Some(CodeItem {
                state: CodeState::Redeemed,
                ..
            }) => Self::Redeemed,
            Some(CodeItem {
                state: CodeState::Voided,
                ..
            }) => Self::Voided,
            Some(item)
                if item
                    .expires_ms
                    .is_some_and(|expires| expires <= now.timestamp_millis()) =>
            {
                Self::Expired
            }
            _ if closed_for_good(promotion, now) => Self::Expired,
            _ => Self::Unused,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Unused => "unused",
            Self::Held => "held",
            Self::Redeemed => "redeemed",
            Self::Voided => "voided",
            Self::Expired => "expired",
        }
    }
}

/// Codes: words first, then minted ones in their order, then thank-you codes.
#[derive(Serialize, ToSchema)]
#[schema(as = CodePage)]
pub(crate) struct Page {
    codes: Vec<CodeRow>,
    /// Where the next page starts; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

/// List a promotion's codes and what became of each
///
/// As CSV with `Accept: text/csv`. The address of the next page is in a `Link` header too.
#[utoipa::path(
    get,
    path = "/v1/promotions/{id}/codes",
    operation_id = "list_codes",
    tag = "Codes",
    params(("id" = PromotionId, Path, description = "The promotion."), ListQuery),
    responses(
        (status = 200, description = "A page of codes.", content((Page = "application/json"), (String = "text/csv")),
            headers(("Link" = String, description = "The next page, as `rel=\"next\"`; absent on the last one.")),
            links(
                ("look_up" = (operation_id = "look_up_code", request_body = json!({"code": "$response.body#/codes/0/code"}))),
                ("redeem" = (operation_id = "redeem", parameters(("order_id" = "1001")), request_body = json!({
                    "codes": ["$response.body#/codes/0/code"],
                    "cart": {"currency": "JPY", "lines": [{"sku": "B0CHX1W1XY", "quantity": 2, "unit_price": 1980}]}
                }))),
            )
        ),
        (status = 404, description = "There is no such promotion or batch."),
    )
)]
pub(crate) async fn list(
    Shared(state): Shared<State>,
    Path(id): Path<String>,
    query: Result<Query<ListQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Query(query) = query?;
    let limit = query.limit.unwrap_or(DEFAULT_PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(vec![Fault::new("/limit", format!("limit is 1 to {MAX_PAGE}"))].into());
    }
    let start = match &query.cursor {
        None => Position::START,
        Some(cursor) => Position::from_cursor(cursor).ok_or_else(|| {
            vec![Fault::new(
                "/cursor",
                "use a cursor that a page answered with",
            )]
        })?,
    };
    let now = state.clock.now();
    let known = find(&state, id, now).await?;
    let page = page(&state, &known, query.batch.as_deref(), start, limit, now).await?;
    let next = page
        .cursor
        .as_deref()
        .map(|cursor| next_link(&known.promotion, query.batch.as_deref(), cursor, limit));
    let csv_wanted = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/csv"));
    let mut response = if csv_wanted {
        csv(&page)
    } else {
        json(http::StatusCode::OK, &page)
    };
    if let Some(link) = next.and_then(|link| HeaderValue::from_str(&link).ok()) {
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

fn next_link(promotion: &Promotion, batch: Option<&str>, cursor: &str, limit: usize) -> String {
    let batch = batch
        .map(|batch| format!("&batch={batch}"))
        .unwrap_or_default();
    format!(
        "</v1/promotions/{}/codes?cursor={cursor}&limit={limit}{batch}>; rel=\"next\"",
        promotion.id
    )
}

async fn page(
    state: &State,
    known: &Known,
    batch: Option<&str>,
    start: Position,
    limit: usize,
    now: DateTime<Utc>,
) -> Result<Page, Problem> {
    let promotion = &known.promotion;
    if promotion.terms.claim_code == ClaimCode::Group {
        let words = state.store.group_codes_of(&promotion.id).await?;
        let rows = words.into_iter().map(|word| CodeRow {
            status: RowStatus::of_word(&word, promotion, now),
            code: word.code.into(),
            channel: word.channel.map(String::from),
            order_id: None,
            redeemed_at: None,
        });
        return Ok(Page {
            codes: rows.collect(),
            cursor: None,
        });
    }
    let key = state.code_keys.of(promotion).await?;
    let (listed, next) = list_single_use(state, known, batch, start, limit).await?;
    let codes = listed
        .into_iter()
        .map(|code| row(&key, promotion, code, now))
        .collect();
    Ok(Page {
        codes,
        cursor: next.map(Position::cursor),
    })
}

/// Up to `limit` codes from `start` on, and where the next page starts.
async fn list_single_use(
    state: &State,
    known: &Known,
    batch: Option<&str>,
    start: Position,
    limit: usize,
) -> Result<(Vec<ListedCode>, Option<Position>), Problem> {
    let store = &state.store;
    let id = &known.promotion.id;
    let batches = store.batches(id).await?;
    let (first, end) = match batch {
        None => (0, known.minted),
        Some(wanted) => {
            let batch = batches
                .iter()
                .find(|batch| batch.batch_id == wanted && !batch.pending)
                .ok_or_else(|| Problem::not_found("batch"))?;
            (
                batch.first_serial,
                batch.first_serial.saturating_add(batch.count),
            )
        }
    };
    let mut listed = Vec::new();
    let mut position = start;
    while listed.len() < limit {
        let room = limit - listed.len();
        match position {
            Position::Minted(from) => {
                let from = from.max(first);
                let to = end.min(from.saturating_add(u64::try_from(room).unwrap_or(u64::MAX)));
                listed.extend(store.minted_codes(id, &batches, from, to).await?);
                position = if to < end {
                    Position::Minted(to)
                } else {
                    Position::ThankYou(0, 0)
                };
            }
            Position::ThankYou(partition, _)
                if partition >= THANK_YOU_PARTITIONS || batch.is_some() =>
            {
                return Ok((listed, None));
            }
            Position::ThankYou(partition, from) => {
                let found = store.thank_you_codes(id, partition, from, room).await?;
                let full = found.len() == room;
                let last = found.last().map_or(from, |code| code.serial.get());
                listed.extend(found);
                position = if full {
                    Position::ThankYou(partition, last + 1)
                } else {
                    Position::ThankYou(partition + 1, 0)
                };
            }
        }
    }
    let more = !matches!(position, Position::ThankYou(..) if batch.is_some());
    Ok((listed, Some(position).filter(|_| more)))
}

fn row(key: &CodeKey, promotion: &Promotion, listed: ListedCode, now: DateTime<Utc>) -> CodeRow {
    let status = RowStatus::of_item(listed.item.as_ref(), promotion, now);
    let (order_id, redeemed_at) = listed
        .item
        .map(|item| (item.order_id, item.redeemed_at))
        .unwrap_or_default();
    CodeRow {
        code: key.seal(listed.serial).reveal(),
        status,
        channel: listed.channel.map(String::from),
        order_id: order_id.map(String::from),
        redeemed_at,
    }
}

fn closed_for_good(promotion: &Promotion, now: DateTime<Utc>) -> bool {
    matches!(
        promotion.closed_at(now),
        Some(Closed::Ended | Closed::Expired)
    )
}

/// The page as CSV. No value needs quoting: codes, channels and order ids have no comma, quote, line break, nor a
/// leading `=`, `+` or `@` that a spreadsheet would run; a leading `-` is only possible in an id and gets a quote mark.
fn csv(page: &Page) -> Response {
    let kind = HeaderValue::from_static("text/csv; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], csv_text(&page.codes)).into_response()
}

/// A page of codes as CSV, as the call answers it. For the bench.
#[doc(hidden)]
pub fn csv_of(
    key: &CodeKey,
    promotion: &Promotion,
    listed: Vec<ListedCode>,
    now: DateTime<Utc>,
) -> String {
    let rows = listed
        .into_iter()
        .map(|listed| row(key, promotion, listed, now));
    csv_text(&rows.collect::<Vec<_>>())
}

fn csv_text(codes: &[CodeRow]) -> String {
    let mut text = String::from(CSV_HEADER);
    for row in codes {
        let redeemed_at = row
            .redeemed_at
            .map(|at| at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
            .unwrap_or_default();
        let channel = cell(row.channel.as_deref().unwrap_or_default());
        let order_id = cell(row.order_id.as_deref().unwrap_or_default());
        let _ = writeln!(
            text,
            "{},{},{channel},{order_id},{redeemed_at}",
            row.code,
            row.status.as_str()
        );
    }
    text
}

fn cell(text: &str) -> String {
    if text.starts_with('-') {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}
