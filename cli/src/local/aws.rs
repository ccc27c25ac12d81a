//! SQS, SES v2 and Secrets Manager as far as the functions use them, in their own wire protocols, on one private loopback address.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use md5::{Digest as _, Md5};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::feedback::Publisher;
use super::inbox::{Inbox, Refusal, SendEmail};
use super::queue::Queue;
use super::settings;

/// Longest message SQS takes, in bytes. Source: `SendMessage` in the SQS API reference.
const MAX_MESSAGE_BYTES: usize = 1024 * 1024;
/// Longest request taken: a message or mail of the largest size, escaped as JSON.
const MAX_REQUEST_BYTES: usize = 16 * 1024 * 1024;

#[derive(Clone)]
struct Services {
    queue: Arc<Queue>,
    inbox: Arc<Inbox>,
    events: Option<Arc<Publisher>>,
    secrets: Arc<BTreeMap<String, String>>,
    orders_queue_url: String,
    orders_dead_letters_url: String,
}

/// The stand-ins of all three services; without `events`, SES reports nothing about the mails it took.
pub(super) fn router(
    queue: Arc<Queue>,
    inbox: Arc<Inbox>,
    events: Option<Arc<Publisher>>,
    secrets: BTreeMap<String, String>,
    url: &str,
) -> Router {
    let services = Services {
        queue,
        inbox,
        events,
        secrets: Arc::new(secrets),
        orders_queue_url: settings::orders_queue_url(url),
        orders_dead_letters_url: settings::orders_dead_letters_url(url),
    };
    Router::new()
        .route("/", post(by_target))
        .route("/v2/email/outbound-emails", post(send_email))
        .route("/v2/email/account", get(account))
        .fallback(unknown)
        .layer(DefaultBodyLimit::max(MAX_REQUEST_BYTES))
        .with_state(services)
}

/// An error in the shape all three services share: the SDK reads the header, other clients the body.
struct AwsError {
    status: StatusCode,
    kind: &'static str,
    message: String,
}

impl AwsError {
    fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            kind,
            message: message.into(),
        }
    }
}

impl IntoResponse for AwsError {
    fn into_response(self) -> Response {
        let body = json!({"__type": self.kind, "message": self.message});
        let mut response = (self.status, amz_json(&body)).into_response();
        if let Ok(kind) = self.kind.parse() {
            response.headers_mut().insert("x-amzn-errortype", kind);
        }
        response
    }
}

fn amz_json(value: &Value) -> Response {
    (
        [(header::CONTENT_TYPE, "application/x-amz-json-1.0")],
        value.to_string(),
    )
        .into_response()
}

async fn by_target(
    State(services): State<Services>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, AwsError> {
    match headers
        .get("x-amz-target")
        .and_then(|target| target.to_str().ok())
    {
        Some("AmazonSQS.SendMessage") => services.send_message(read(&body)?),
        Some("AmazonSQS.ReceiveMessage") => services.receive_dead(&read(&body)?),
        Some("AmazonSQS.DeleteMessage") => services.delete_dead(&read(&body)?),
        Some("secretsmanager.GetSecretValue") => services.secret(&read(&body)?),
        target => {
            tracing::warn!(?target, "an AWS call that the local stack does not know");
            Err(not_known_here())
        }
    }
}

async fn unknown() -> AwsError {
    not_known_here()
}

fn not_known_here() -> AwsError {
    AwsError::new(
        StatusCode::BAD_REQUEST,
        "UnknownOperationException",
        "The local stack does not know this operation.",
    )
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, AwsError> {
    serde_json::from_slice(body).map_err(|error| {
        AwsError::new(
            StatusCode::BAD_REQUEST,
            "SerializationException",
            error.to_string(),
        )
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SendMessage {
    queue_url: String,
    message_body: String,
}

/// Only the dead letters are received by request; the event source takes the others.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ReceiveMessage {
    queue_url: String,
    #[serde(default = "one")]
    max_number_of_messages: usize,
    #[serde(default = "thirty")]
    visibility_timeout: u64,
}

/// What SQS takes for what is not said. Source: `ReceiveMessage` in the SQS API reference.
fn one() -> usize {
    1
}

fn thirty() -> u64 {
    30
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DeleteMessage {
    queue_url: String,
    receipt_handle: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetSecretValue {
    secret_id: String,
}

impl Services {
    fn send_message(&self, message: SendMessage) -> Result<Response, AwsError> {
        let bad = |kind, why: &str| Err(AwsError::new(StatusCode::BAD_REQUEST, kind, why));
        let SendMessage {
            queue_url,
            message_body,
        } = message;
        if queue_url != self.orders_queue_url {
            return bad("QueueDoesNotExist", "The specified queue does not exist.");
        }
        if message_body.is_empty() || message_body.len() > MAX_MESSAGE_BYTES {
            return bad("InvalidParameterValue", "A message has 1 byte to 1 MiB.");
        }
        if !message_body.chars().all(is_taken_by_sqs) {
            return bad(
                "InvalidMessageContents",
                "The message contains characters outside the allowed set.",
            );
        }
        let md5 = md5(&message_body);
        let sent = self.queue.send(message_body);
        let id = sent.map_err(|error| unavailable(&error))?;
        Ok(amz_json(&json!({"MD5OfMessageBody": md5, "MessageId": id})))
    }

    fn receive_dead(&self, request: &ReceiveMessage) -> Result<Response, AwsError> {
        self.is_dead_letters(&request.queue_url)?;
        let hidden_for = Duration::from_secs(request.visibility_timeout);
        let limit = request.max_number_of_messages.clamp(1, 10);
        let handed_out = self.queue.receive_dead(limit, hidden_for);
        let messages: Vec<Value> = handed_out
            .map_err(|error| unavailable(&error))?
            .into_iter()
            .map(|(id, body)| {
                let md5 = md5(&body);
                json!({"MessageId": id, "ReceiptHandle": id, "MD5OfBody": md5, "Body": body})
            })
            .collect();
        Ok(amz_json(&json!({"Messages": messages})))
    }

    fn delete_dead(&self, request: &DeleteMessage) -> Result<Response, AwsError> {
        self.is_dead_letters(&request.queue_url)?;
        let deleted = self.queue.delete_dead(&request.receipt_handle);
        deleted.map_err(|error| unavailable(&error))?;
        Ok(amz_json(&json!({})))
    }

    fn is_dead_letters(&self, queue_url: &str) -> Result<(), AwsError> {
        if queue_url == self.orders_dead_letters_url {
            return Ok(());
        }
        let why = "The specified queue does not exist.";
        Err(AwsError::new(
            StatusCode::BAD_REQUEST,
            "QueueDoesNotExist",
            why,
        ))
    }

    fn secret(&self, request: &GetSecretValue) -> Result<Response, AwsError> {
        let Some(text) = self.secrets.get(&request.secret_id) else {
            let why = "Secrets Manager can't find the specified secret.";
            return Err(AwsError::new(
                StatusCode::BAD_REQUEST,
                "ResourceNotFoundException",
                why,
            ));
        };
        Ok(amz_json(&json!({
            "ARN": format!("arn:aws:secretsmanager:ap-northeast-1:000000000000:secret:{}", request.secret_id),
            "Name": request.secret_id,
            "SecretString": text,
            "VersionId": "00000000-0000-4000-8000-000000000001",
            "VersionStages": ["AWSCURRENT"],
            "CreatedDate": 0,
        })))
    }
}

fn unavailable(error: &std::io::Error) -> AwsError {
    AwsError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "ServiceUnavailable",
        error.to_string(),
    )
}

fn md5(text: &str) -> String {
    let digest = u128::from_be_bytes(Md5::digest(text.as_bytes()).into());
    format!("{digest:032x}")
}

/// The characters XML can carry. Source: `SendMessage` in the SQS API reference.
fn is_taken_by_sqs(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

async fn send_email(State(services): State<Services>, body: Bytes) -> Result<Response, AwsError> {
    let request: SendEmail = read(&body).map_err(|error: AwsError| {
        AwsError::new(error.status, "BadRequestException", error.message)
    })?;
    let id = services
        .inbox
        .accept(request)
        .map_err(|refusal| AwsError::from(&refusal))?;
    // The mail is accepted, whatever becomes of its events now.
    if let Some(Err(error)) = services.events.as_ref().map(|events| events.publish()) {
        tracing::error!(%error, "the events of a mail wait until the next mail or start");
    }
    Ok(amz_json(&json!({"MessageId": id})))
}

impl From<&Refusal> for AwsError {
    fn from(refusal: &Refusal) -> Self {
        let (status, kind) = match refusal {
            Refusal::BadRequest(_) => (StatusCode::BAD_REQUEST, "BadRequestException"),
            Refusal::Rate | Refusal::Quota => {
                (StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsException")
            }
            Refusal::Disk(_) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "InternalServiceErrorException",
            ),
        };
        Self::new(status, kind, refusal.to_string())
    }
}

async fn account(State(services): State<Services>) -> Response {
    let (limits, sent) = services.inbox.usage();
    amz_json(&json!({
        "EnforcementStatus": "HEALTHY",
        "ProductionAccessEnabled": true,
        "SendingEnabled": true,
        "SendQuota": {"Max24HourSend": limits.a_day, "MaxSendRate": limits.a_second, "SentLast24Hours": sent},
    }))
}
