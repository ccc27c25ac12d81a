//! API Gateway: every request becomes an HTTP API event (payload format 2.0), every answer of the functions comes back from one,
//! so that what the gateway does to paths, headers, cookies and bodies is done here too.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, Utc};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Context, LambdaEvent};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use shared::clock::Clock;
use shared::domain::follow_up::random_symbols;
use tower::Service as _;

/// Longest request line and headers, in bytes. Source of this and the next three: quotas of HTTP APIs in the API Gateway guide, and of Lambda.
const MAX_HEAD_BYTES: usize = 10_240;
/// Longest request body, in bytes.
const MAX_BODY_BYTES: usize = 10 * 1024 * 1024;
/// Longest answer of a function, in bytes, as JSON.
const MAX_ANSWER_BYTES: usize = 6_291_556;
/// Longest time a function may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The API's id; the functions see it as their host, as they do on AWS. (`lambda_http` would panic on some hosts a caller may send.)
const API_ID: &str = "local";
/// The host the functions see.
const DOMAIN: &str = "local.execute-api.localhost";

/// Headers that belong to the connection and not to the request.
const HOP_BY_HOP: [HeaderName; 6] = [
    header::CONNECTION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::EXPECT,
];

#[derive(Clone)]
struct Gateway {
    functions: Router,
    clock: Clock,
}

/// Sends every request to `functions`, as events.
pub(super) fn router(functions: Router, clock: Clock) -> Router {
    Router::new()
        .fallback(pass)
        .with_state(Gateway { functions, clock })
}

/// A failure of the gateway's own, in its own words.
#[derive(Debug)]
struct Failure(StatusCode, &'static str);

const INTERNAL: Failure = Failure(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error");

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let body = json!({"message": self.1}).to_string();
        (self.0, [(header::CONTENT_TYPE, "application/json")], body).into_response()
    }
}

async fn pass(
    State(gateway): State<Gateway>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    if head_bytes(&parts) > MAX_HEAD_BYTES {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Err(Failure(status, "Request Header Fields Too Large"));
    }
    let body = whole(body).await?;
    let now = gateway.clock.now();
    let event = event(&parts, &body, peer, now);
    let answer = tokio::time::timeout(TIMEOUT, invoke(gateway.functions, event, now));
    let answer = answer
        .await
        .map_err(|_| Failure(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"))??;
    respond(&answer)
}

/// Bytes of the request line and headers.
fn head_bytes(parts: &Parts) -> usize {
    let line = parts
        .method
        .as_str()
        .len()
        .saturating_add(parts.uri.to_string().len());
    let headers = parts
        .headers
        .iter()
        .map(|(name, value)| name.as_str().len().saturating_add(value.len()));
    headers.fold(line, usize::saturating_add)
}

async fn whole(body: Body) -> Result<Bytes, Failure> {
    match Limited::new(body, MAX_BODY_BYTES).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Failure(
            StatusCode::PAYLOAD_TOO_LARGE,
            "Request Entity Too Large",
        )),
        Err(_) => Err(Failure(StatusCode::BAD_REQUEST, "Bad Request")),
    }
}

/// The event a function gets. Source: "payload format version" 2.0 in the API Gateway guide.
fn event(parts: &Parts, body: &[u8], peer: SocketAddr, now: DateTime<Utc>) -> Value {
    let path = percent_decode_str(parts.uri.path()).decode_utf8_lossy();
    let path = if path.starts_with('/') {
        path.into_owned()
    } else {
        format!("/{path}")
    };
    let (headers, cookies) = headers(&parts.headers, body.len(), peer);
    let user_agent = headers.get("user-agent").cloned().unwrap_or_default();
    let mut event = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": parts.uri.query().unwrap_or_default(),
        "headers": headers,
        "requestContext": {
            "accountId": "000000000000",
            "apiId": API_ID,
            "domainName": DOMAIN,
            "domainPrefix": API_ID,
            "http": {
                "method": parts.method.as_str(),
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": peer.ip().to_string(),
                "userAgent": user_agent,
            },
            "requestId": random_symbols(16),
            "routeKey": "$default",
            "stage": "$default",
            "time": now.format("%d/%b/%Y:%H:%M:%S %z").to_string(),
            "timeEpoch": now.timestamp_millis(),
        },
        "isBase64Encoded": false,
    });
    if let Value::Object(event) = &mut event {
        if !cookies.is_empty() {
            event.insert("cookies".to_owned(), json!(cookies));
        }
        add_body(event, &parts.headers, body);
    }
    event
}

/// Adds the body: as text only for the few types the gateway takes for text, else in base64.
/// Source: webhooks-and-mail.md §1 rule 1 (a check against AWS).
fn add_body(event: &mut Map<String, Value>, headers: &HeaderMap, body: &[u8]) {
    if body.is_empty() {
        return;
    }
    let text = if is_text(headers) {
        std::str::from_utf8(body).ok()
    } else {
        None
    };
    let (body, encoded) = match text {
        Some(text) => (text.to_owned(), false),
        None => (BASE64.encode(body), true),
    };
    event.insert("body".to_owned(), json!(body));
    event.insert("isBase64Encoded".to_owned(), json!(encoded));
}

fn is_text(headers: &HeaderMap) -> bool {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let media_type = content_type
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default();
    let media_type = media_type.trim().to_ascii_lowercase();
    let exact = [
        "application/json",
        "application/xml",
        "application/javascript",
    ];
    media_type.starts_with("text/") || exact.contains(&media_type.as_str())
}

/// Headers by lower-case name, several of one name joined with commas, and the cookies apart.
fn headers(
    given: &HeaderMap,
    length: usize,
    peer: SocketAddr,
) -> (Map<String, Value>, Vec<String>) {
    let values = |name: &HeaderName, separator: &str| {
        let values: Vec<_> = given
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .collect();
        values.join(separator)
    };
    let mut headers = Map::new();
    for name in given
        .keys()
        .filter(|name| !HOP_BY_HOP.contains(name) && *name != header::COOKIE)
    {
        headers.insert(name.as_str().to_owned(), values(name, ",").into());
    }
    let forwarded_for = match headers.get("x-forwarded-for").and_then(Value::as_str) {
        Some(before) => format!("{before}, {}", peer.ip()),
        None => peer.ip().to_string(),
    };
    for (name, value) in [
        ("host", DOMAIN.to_owned()),
        ("content-length", length.to_string()),
        ("x-forwarded-for", forwarded_for),
        ("x-forwarded-proto", "http".to_owned()),
    ] {
        headers.insert(name.to_owned(), value.into());
    }
    let cookies = values(&header::COOKIE, "; ");
    let cookies = cookies
        .split(';')
        .map(str::trim)
        .filter(|cookie| !cookie.is_empty());
    let cookies = cookies.map(str::to_owned).collect();
    (headers, cookies)
}

/// Runs the function as Lambda does: the event in, its answer out, both as JSON. A panic ends the call, not the stack.
async fn invoke(functions: Router, event: Value, now: DateTime<Utc>) -> Result<Vec<u8>, Failure> {
    let call = tokio::spawn(async move {
        let event: LambdaRequest = serde_json::from_value(event)?;
        let mut context = Context::default();
        context.request_id = random_symbols(26);
        let timeout_ms = i64::try_from(TIMEOUT.as_millis()).unwrap_or_default();
        let deadline = now.timestamp_millis().saturating_add(timeout_ms);
        context.deadline = u64::try_from(deadline).unwrap_or_default();
        // A router is always ready. The adapter goes before the wait: it is not `Send`, only its future is.
        let answer = Adapter::from(functions).call(LambdaEvent::new(event, context));
        let Ok(answer) = answer.await;
        serde_json::to_vec(&answer)
    });
    let failed = |error: &dyn std::fmt::Display| {
        tracing::error!(%error, "a function failed");
        INTERNAL
    };
    let answer = call
        .await
        .map_err(|error| failed(&error))?
        .map_err(|error| failed(&error))?;
    if answer.len() > MAX_ANSWER_BYTES {
        return Err(failed(&format!(
            "its answer has {} bytes, more than {MAX_ANSWER_BYTES}",
            answer.len()
        )));
    }
    Ok(answer)
}

/// A function's answer. Source: "payload format version" 2.0 in the API Gateway guide.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    status_code: u16,
    #[serde(default)]
    headers: Map<String, Value>,
    #[serde(default)]
    cookies: Vec<String>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

fn respond(answer: &[u8]) -> Result<Response, Failure> {
    let answer: Answer = serde_json::from_slice(answer).map_err(|_| INTERNAL)?;
    let body = answer.body.unwrap_or_default();
    let body = if answer.is_base64_encoded {
        BASE64.decode(body).map_err(|_| INTERNAL)?
    } else {
        body.into_bytes()
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(answer.status_code).map_err(|_| INTERNAL)?;
    let cookies = answer
        .cookies
        .iter()
        .map(|cookie| ("set-cookie", cookie.as_str()));
    let headers = answer.headers.iter();
    let headers = headers.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)));
    for (name, value) in headers.chain(cookies) {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| INTERNAL)?;
        let value = HeaderValue::from_str(value).map_err(|_| INTERNAL)?;
        if !HOP_BY_HOP.contains(&name) && name != header::CONTENT_LENGTH {
            response.headers_mut().append(name, value);
        }
    }
    Ok(response)
}

#[cfg(test)]
mod tests;
