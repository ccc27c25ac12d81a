//! The table's stream, as far as `tally` needs it: which redemptions, mails, order events, markers and visits were written.
//!
//! The embedded engine has streams, but asks the whole stream for its last number at every write and never trims it, so that
//! each write becomes slower than the one before. So this stands between the engine and who calls it, notes the keys that a
//! write names before the engine sees it, and hands out each item as it stands once the engine has answered. A record may thus
//! show a later version than its own, come although nothing was written, and come twice; none is lost, also by a kill.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State as Shared};
use axum::http::{HeaderMap, Method, Request, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use dynoxide::Database;
use dynoxide::actions::get_item::GetItemRequest;
use dynoxide::types::AttributeValue;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use shared::store::OrderNews;
use tokio::sync::Notify;

use super::{LocalError, access, settings};

/// Failures after which a record is set aside. Source: `MaximumRetryAttempts` in the template.
const MAX_FAILURES: u32 = 5;
/// One batch in so many is delivered twice, as a stream may.
const TWICE_EVERY: u64 = 10;
/// Largest request the engine takes, in bytes. Source: the `DynamoDB` API reference.
const MAX_REQUEST_BYTES: usize = 16 * 1024 * 1024;

/// What was written and is not counted yet.
pub(super) struct Stream {
    state: Mutex<State>,
    arrived: Notify,
}

struct State {
    /// The keys of `waiting`, those handed out and those whose write is on its way.
    file: File,
    waiting: VecDeque<Change>,
    /// Noted or handed out.
    busy: usize,
    batches: u64,
    sequence: u64,
    database: Option<Database>,
}

/// An item that may have changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pk: String,
    sk: String,
    failures: u32,
}

/// Changes handed out as one event.
pub(super) struct Batch {
    changes: Vec<(String, Change)>,
    pub(super) event: Value,
    /// Whether it is to be delivered once more.
    pub(super) twice: bool,
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stream({} waiting)", self.state().waiting.len())
    }
}

impl Stream {
    /// The stream of `database`, with what the file still names.
    pub(super) fn open(path: &Path, database: Database) -> Result<Self, LocalError> {
        let failed = |error| LocalError::data(path, error);
        let kept = match std::fs::read_to_string(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            read => read.map_err(failed)?,
        };
        // The last line may be cut off: then its write never began.
        let waiting = kept.lines().filter_map(Change::of_line).collect();
        let file = OpenOptions::new().create(true).append(true).open(path);
        Ok(Self {
            state: Mutex::new(State {
                file: file.map_err(failed)?,
                waiting,
                busy: 0,
                batches: 0,
                sequence: 0,
                database: Some(database),
            }),
            arrived: Notify::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets go of the database, so that its file can be closed.
    pub(super) fn close(&self) {
        self.state().database = None;
    }

    /// Keeps keys on disk before they are written to.
    fn note(&self, changes: &[Change]) -> std::io::Result<()> {
        let mut lines = String::new();
        for Change { pk, sk, .. } in changes {
            lines.extend([pk, "\t", sk, "\n"]);
        }
        let mut state = self.state();
        state.file.write_all(lines.as_bytes())?;
        state.busy = state.busy.saturating_add(changes.len());
        Ok(())
    }

    /// Hands noted keys on: the engine has answered.
    fn written(&self, changes: Vec<Change>) {
        let mut state = self.state();
        state.busy = state.busy.saturating_sub(changes.len());
        state.waiting.extend(changes);
        drop(state);
        self.arrived.notify_one();
    }

    /// Waits until something may be there.
    pub(super) async fn arrival(&self) {
        if self.state().waiting.is_empty() {
            self.arrived.notified().await;
        }
    }

    /// The next event of at most `most` records, or `None` if nothing waits. What failed before comes by itself, as when a batch
    /// is cut in halves.
    pub(super) fn take(&self, most: usize) -> Result<Option<Batch>, LocalError> {
        let mut state = self.state();
        let Some(database) = state.database.clone() else {
            return Ok(None);
        };
        let alone = state
            .waiting
            .front()
            .is_some_and(|first| first.failures > 0);
        let count = state.waiting.len().min(if alone { 1 } else { most });
        let changes: Vec<Change> = state.waiting.drain(..count).collect();
        if changes.is_empty() {
            return Ok(None);
        }
        state.busy = state.busy.saturating_add(changes.len());
        state.batches = state.batches.wrapping_add(1);
        let twice = state.batches.is_multiple_of(TWICE_EVERY);
        let mut named = Vec::with_capacity(changes.len());
        for change in changes {
            state.sequence = state.sequence.saturating_add(1);
            named.push((format!("{:021}", state.sequence), change));
        }
        drop(state);
        let records: Result<Vec<Value>, LocalError> = named
            .iter()
            .map(|(number, change)| record(&database, number, change))
            .collect();
        match records {
            Ok(records) => Ok(Some(Batch {
                changes: named,
                event: json!({"Records": records}),
                twice,
            })),
            Err(error) => {
                self.settle(named, Some(""));
                Err(error)
            }
        }
    }

    /// Ends a batch: what lies before the record named as failed is done, the rest comes again.
    pub(super) fn end(&self, batch: Batch, failed: Option<&str>) {
        self.settle(batch.changes, failed);
    }

    fn settle(&self, changes: Vec<(String, Change)>, failed: Option<&str>) {
        let mut state = self.state();
        state.busy = state.busy.saturating_sub(changes.len());
        let again = changes
            .into_iter()
            .filter(|(number, _)| failed.is_some_and(|failed| number.as_str() >= failed));
        for (_, mut change) in again {
            change.failures = change.failures.saturating_add(1);
            if change.failures < MAX_FAILURES {
                state.waiting.push_back(change);
            } else {
                tracing::error!(
                    pk = change.pk,
                    "a stream record failed too often and is set aside"
                );
            }
        }
        if state.busy == 0
            && state.waiting.is_empty()
            && let Err(error) = state.file.set_len(0)
        {
            tracing::warn!(%error, "what was counted is counted again after a restart");
        }
    }
}

impl Change {
    fn of_line(line: &str) -> Option<Self> {
        let (pk, sk) = line.split_once('\t')?;
        Some(Self {
            pk: pk.to_owned(),
            sk: sk.to_owned(),
            failures: 0,
        })
    }
}

/// A stream record with the item as it stands.
fn record(database: &Database, number: &str, change: &Change) -> Result<Value, LocalError> {
    let failed = |error: &dyn std::fmt::Display| LocalError::Engine(error.to_string());
    let key = [("pk", &change.pk), ("sk", &change.sk)]
        .map(|(name, text)| (name.to_owned(), AttributeValue::S(text.clone())));
    let request = GetItemRequest {
        table_name: settings::TABLE.to_owned(),
        key: key.into(),
        consistent_read: Some(true),
        ..GetItemRequest::default()
    };
    let answer = database.get_item(request).map_err(|error| failed(&error))?;
    let answer = serde_json::to_value(&answer).map_err(|error| failed(&error))?;
    Ok(json!({
        "eventID": number, "eventName": "MODIFY", "eventVersion": "1.1", "eventSource": "aws:dynamodb",
        "awsRegion": "ap-northeast-1",
        "dynamodb": {
            "Keys": {"pk": {"S": change.pk}, "sk": {"S": change.sk}}, "NewImage": answer.get("Item"),
            "SequenceNumber": number, "SizeBytes": 0, "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
    }))
}

/// Between callers and the engine.
#[derive(Clone)]
struct Front {
    engine: Uri,
    client: Client<HttpConnector, Body>,
    stream: Arc<Stream>,
}

/// Passes every request on to the engine at `engine`, and notes what it writes.
pub(super) fn front(engine: Uri, stream: Arc<Stream>) -> Router {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new()).build(connector);
    Router::new()
        .fallback(pass_on)
        .layer(DefaultBodyLimit::max(MAX_REQUEST_BYTES))
        .with_state(Front {
            engine,
            client,
            stream,
        })
}

async fn pass_on(
    Shared(front): Shared<Front>,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if asks_for_an_empty_key(&headers, &body) {
        let refusal = json!({"__type": "com.amazon.coral.validate#ValidationException", "message": EMPTY_KEY});
        return (StatusCode::BAD_REQUEST, refusal.to_string()).into_response();
    }
    let changes = changes(&headers, &body);
    // A task of its own: a caller who hangs up does not stop the engine, which may write all the same.
    let passed = tokio::spawn(async move {
        if !changes.is_empty()
            && let Err(error) = front.stream.note(&changes)
        {
            tracing::error!(%error, "a write cannot be noted, so it is not made");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
        let mut request = Request::new(Body::from(body));
        *request.method_mut() = method;
        *request.uri_mut() = front.engine;
        *request.headers_mut() = headers;
        let answer = front.client.request(request).await;
        if !changes.is_empty() {
            front.stream.written(changes);
        }
        match answer {
            Ok(answer) => answer.map(Body::new),
            Err(error) => {
                tracing::warn!(%error, "the embedded engine gave no answer");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    });
    let passed = passed.await;
    passed.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

/// What `DynamoDB` says to [`asks_for_an_empty_key`].
const EMPTY_KEY: &str = "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an \
                         empty string value.";

/// Whether a query compares a key with an empty text, as one for sort keys that begin with nothing does: the engine answers it,
/// and `DynamoDB` refuses it.
fn asks_for_an_empty_key(headers: &HeaderMap, body: &[u8]) -> bool {
    if access::target(headers).is_none_or(|(_, operation)| operation != "Query") {
        return false;
    }
    let query: Value = serde_json::from_slice(body).unwrap_or_default();
    let values = query.get("ExpressionAttributeValues");
    let mut values = values.and_then(Value::as_object).into_iter().flatten();
    values.any(|(_, value)| value.get("S").is_some_and(|text| text == ""))
}

/// The items that `tally` counts and a request would write.
fn changes(headers: &HeaderMap, body: &[u8]) -> Vec<Change> {
    let writes = ["PutItem", "UpdateItem", "TransactWriteItems"];
    let writes = access::target(headers).is_some_and(|(_, operation)| writes.contains(&operation));
    let mut found = Vec::new();
    if writes && let Ok(request) = serde_json::from_slice(body) {
        collect(&request, &mut found);
    }
    found
}

/// Looks for writes anywhere in a request: they name the table, and an item or its key.
fn collect(value: &Value, found: &mut Vec<Change>) {
    match value {
        Value::Array(list) => list.iter().for_each(|value| collect(value, found)),
        Value::Object(fields)
            if fields
                .get("TableName")
                .is_some_and(|name| name == settings::TABLE) =>
        {
            let key = fields.get("Item").or_else(|| fields.get("Key"));
            let text = |name: &str| key?.get(name)?.get("S")?.as_str();
            if let (Some(pk), Some(sk)) = (text("pk"), text("sk"))
                && (matches!(sk, "redemption" | "mail" | "visits") || OrderNews::is_at(sk))
            {
                found.push(Change {
                    pk: pk.to_owned(),
                    sk: sk.to_owned(),
                    failures: 0,
                });
            }
        }
        Value::Object(fields) => fields.values().for_each(|value| collect(value, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_for_an_empty_key_is_refused_as_dynamodb_does() {
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-target", "DynamoDB_20120810.Query".parse().unwrap());
        let query = |prefix: &str| {
            json!({"ExpressionAttributeValues": {":pk": {"S": "order#1"}, ":prefix": {"S": prefix}}}).to_string()
        };
        assert!(asks_for_an_empty_key(&headers, query("").as_bytes()));
        assert!(!asks_for_an_empty_key(
            &headers,
            query("marker#").as_bytes()
        ));
    }

    #[test]
    fn what_a_transaction_writes_to_redemptions_and_mails_of_the_table_is_noted() {
        let mut headers = HeaderMap::new();
        headers.insert(
            "x-amz-target",
            "DynamoDB_20120810.TransactWriteItems".parse().unwrap(),
        );
        let put = |table: &str, pk: &str, sk: &str| json!({"Put": {"TableName": table, "Item": {"pk": {"S": pk}, "sk": {"S": sk}}}});
        let request = json!({"TransactItems": [
            put(settings::TABLE, "order#1", "redemption"),
            put(settings::TABLE, "shard#THX9#0", "shard"),
            put("other", "order#2", "redemption"),
            {"Update": {"TableName": settings::TABLE, "Key": {"pk": {"S": "mail#a"}, "sk": {"S": "mail"}}}},
        ]});
        let named: Vec<String> = changes(&headers, request.to_string().as_bytes())
            .into_iter()
            .map(|change| change.pk)
            .collect();
        assert_eq!(named, ["order#1", "mail#a"]);
    }

    #[test]
    fn what_was_noted_outlives_a_kill_and_what_was_counted_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stream");
        let open = || Stream::open(&path, Database::memory().unwrap()).unwrap();
        let change = Change::of_line("order#1\tredemption").unwrap();
        open().note(std::slice::from_ref(&change)).unwrap();
        let again = open();
        assert_eq!(again.state().waiting, [change]);
        again.state().waiting.clear();
        again.settle(Vec::new(), None);
        assert!(open().state().waiting.is_empty());
    }

    #[test]
    fn what_failed_comes_again_alone_and_is_set_aside_in_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let stream =
            Stream::open(&folder.path().join("stream"), Database::memory().unwrap()).unwrap();
        let named = |number: &str, pk: &str| {
            let line = format!("{pk}\tredemption");
            (number.to_owned(), Change::of_line(&line).unwrap())
        };
        stream.settle(vec![named("1", "a"), named("2", "b")], Some("2"));
        for failures in 1..MAX_FAILURES {
            let waiting = stream.state().waiting.pop_front().unwrap();
            assert_eq!((waiting.pk.as_str(), waiting.failures), ("b", failures));
            stream.settle(vec![("3".to_owned(), waiting)], Some("3"));
        }
        assert!(stream.state().waiting.is_empty());
    }
}
