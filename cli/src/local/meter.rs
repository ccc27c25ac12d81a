//! What the table is asked and what that costs: a front of the engine that has each request tell the capacity it used.

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::access;

/// Largest request or answer looked at, in bytes. Source: the `DynamoDB` API reference.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Counts what is asked of the stack's table. The stack by itself has none.
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<Mutex<BTreeMap<Asked, Usage>>>);

/// Who asked what of which kind of item.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asked {
    /// The function's name, such as `redeem-code`; empty for who is none.
    pub function: String,
    /// The operation, such as `TransactWriteItems`.
    pub operation: String,
    /// What the first item's partition key begins with, up to its `#`; for a query of an index, the index.
    pub kind: String,
}

/// How many requests, and the units they used as the engine counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Requests that were answered.
    pub requests: u64,
    /// Read request units, in halves: an eventually consistent read of up to 4 KB is one half.
    pub half_reads: u64,
    /// Write request units, in halves.
    pub half_writes: u64,
    /// Requests whose answer told no capacity: those refused, also by a condition. On AWS a refused write costs what it would have
    /// cost; `half_writes` has it as if all its items had up to 1 KB, so then the true sum may be larger.
    pub untold: u64,
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        let fields = [
            (&mut self.requests, other.requests),
            (&mut self.half_reads, other.half_reads),
            (&mut self.half_writes, other.half_writes),
            (&mut self.untold, other.untold),
        ];
        for (sum, more) in fields {
            *sum = sum.saturating_add(more);
        }
    }
}

impl Meter {
    /// What was asked since the last call.
    pub fn take(&self) -> BTreeMap<Asked, Usage> {
        std::mem::take(&mut self.counts())
    }

    /// The sum of what a function asked since the last [`Self::take`].
    pub fn of(&self, function: &str) -> Usage {
        let mut sum = Usage::default();
        for (asked, usage) in self.counts().iter() {
            if asked.function == function {
                sum += *usage;
            }
        }
        sum
    }

    fn counts(&self) -> MutexGuard<'_, BTreeMap<Asked, Usage>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Has `meter` count what is asked of `router`.
pub(super) fn metered(router: Router, meter: Option<Meter>) -> Router {
    match meter {
        None => router,
        Some(meter) => router.layer(middleware::from_fn_with_state(meter, count)),
    }
}

async fn count(State(meter): State<Meter>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, MAX_BYTES).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let Some((asked, least, body)) = prepare(&parts.headers, &body) else {
        return next.run(Request::from_parts(parts, Body::from(body))).await;
    };
    let length = HeaderValue::from(body.len());
    parts.headers.insert(header::CONTENT_LENGTH, length);
    let answer = next.run(Request::from_parts(parts, Body::from(body))).await;
    let (parts, body) = answer.into_parts();
    let Ok(body) = axum::body::to_bytes(body, MAX_BYTES).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let used = usage(&asked.operation, least, &body);
    *meter.counts().entry(asked).or_default() += used;
    Response::from_parts(parts, Body::from(body))
}

/// A request as it is counted, the half write units it costs at least, also refused, and its body with the wish to be told what
/// it used.
fn prepare(headers: &HeaderMap, body: &[u8]) -> Option<(Asked, u64, Bytes)> {
    let (_, operation) = access::target(headers)?;
    let mut request: Value = serde_json::from_slice(body).ok()?;
    let asked = Asked {
        function: access::function(headers).unwrap_or_default(),
        operation: operation.to_owned(),
        kind: kind(&request),
    };
    if operation.ends_with("Item") || operation.ends_with("Items") || operation == "Query" {
        let fields = request.as_object_mut()?;
        fields.insert("ReturnConsumedCapacity".to_owned(), json!("TOTAL"));
        // At each transaction the engine looks through the tokens of ten minutes, as DynamoDB does not: after 100,000 others that takes
        // longer than all the rest. Without one, a transaction that the client sends again is refused, which redemptions see through.
        fields.remove("ClientRequestToken");
    }
    let actions = request.get("TransactItems").and_then(Value::as_array);
    let actions = actions.and_then(|actions| u64::try_from(actions.len()).ok());
    // A unit is two halves, and in a transaction each counts twice. Source: "`DynamoDB` read and write operations".
    let least = match operation {
        "TransactWriteItems" => actions.unwrap_or_default().saturating_mul(4),
        "PutItem" | "UpdateItem" | "DeleteItem" => 2,
        _ => 0,
    };
    Some((asked, least, request.to_string().into()))
}

/// What the first key in a request begins with.
fn kind(request: &Value) -> String {
    let named = request.get("IndexName").and_then(Value::as_str);
    let key = named.or_else(|| first_key(request)).unwrap_or_default();
    key.split('#').next().unwrap_or_default().to_owned()
}

fn first_key(value: &Value) -> Option<&str> {
    match value {
        Value::Array(list) => list.iter().find_map(first_key),
        Value::Object(fields) => match fields.get("pk").and_then(|pk| pk.get("S")) {
            Some(key) => key.as_str(),
            None => fields.values().find_map(first_key),
        },
        _ => None,
    }
}

/// What an answer says was used, over all tables; `least` half write units if it says nothing.
fn usage(operation: &str, least: u64, body: &[u8]) -> Usage {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let told = match answer.get("ConsumedCapacity") {
        Some(Value::Array(tables)) => tables.iter().collect(),
        Some(table) => vec![table],
        None => Vec::new(),
    };
    let mut usage = Usage {
        requests: 1,
        untold: u64::from(told.is_empty()),
        half_writes: if told.is_empty() { least } else { 0 },
        ..Usage::default()
    };
    let reads = [
        "GetItem",
        "Query",
        "Scan",
        "BatchGetItem",
        "TransactGetItems",
    ];
    for table in told {
        let units = halves(table.get("CapacityUnits"));
        let sum = if reads.contains(&operation) {
            &mut usage.half_reads
        } else {
            &mut usage.half_writes
        };
        *sum = sum.saturating_add(units);
    }
    usage
}

/// A number of units, which is whole or ends in a half.
fn halves(units: Option<&Value>) -> u64 {
    let text = units.map(Value::to_string).unwrap_or_default();
    let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
    let whole: u64 = whole.parse().unwrap_or_default();
    whole
        .saturating_mul(2)
        .saturating_add(u64::from(rest.starts_with('5')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_asks_what_it_used_and_goes_on_without_its_token() {
        let mut headers = HeaderMap::new();
        let target = "DynamoDB_20120810.TransactWriteItems".parse().unwrap();
        headers.insert("x-amz-target", target);
        let sent = json!({"ClientRequestToken": "a", "TransactItems": []}).to_string();
        let (_, _, body) = prepare(&headers, sent.as_bytes()).unwrap();
        let expected = json!({"TransactItems": [], "ReturnConsumedCapacity": "TOTAL"});
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), expected);
    }

    #[test]
    fn units_are_kept_in_halves() {
        let of = |value: Value| halves(Some(&value));
        assert_eq!(
            [of(json!(0.5)), of(json!(2.0)), of(json!(3)), of(json!(7.5))],
            [1, 4, 6, 15]
        );
        assert_eq!(halves(None), 0);
    }

    #[test]
    fn a_refused_write_counts_as_if_its_items_were_small() {
        let told = br#"{"ConsumedCapacity": [{"TableName": "a", "CapacityUnits": 4.0, "WriteCapacityUnits": 4.0}]}"#;
        let usage = |body| super::usage("TransactWriteItems", 12, body);
        assert_eq!((usage(told).half_writes, usage(told).untold), (8, 0));
        assert_eq!((usage(b"{}").half_writes, usage(b"{}").untold), (12, 1));
    }
}
