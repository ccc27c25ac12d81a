//! Who asks what of AWS: a front of the engine and the stand-ins that tells the functions apart, as their roles do on AWS.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

/// What the access keys of functions begin with; behind it is the function's name.
const KEY_PREFIX: &str = "function-";
/// Largest request looked at, in bytes; what is longer, the stand-ins refuse. Source: the `DynamoDB` API reference.
const MAX_REQUEST_BYTES: usize = 16 * 1024 * 1024;

/// One permission that a function makes use of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// The function's name, such as `redeem-code`.
    pub function: String,
    /// The action as policies name it, such as `dynamodb:PutItem`.
    pub action: String,
    /// On what: a table, `table/index/name`, a queue, a secret, or of SES `identity`, `configuration-set`; `*` where AWS knows
    /// no resource.
    pub resource: String,
}

type Judge = dyn Fn(&Call) -> bool + Send + Sync;

/// Decides what functions may ask of AWS, as IAM does. The stack by itself has none and allows everything.
#[derive(Clone)]
pub struct Access(Arc<Judge>);

impl Access {
    /// Refuses each call for which `judge` says no, as AWS does what a role does not allow.
    pub fn new(judge: impl Fn(&Call) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(judge))
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Access(…)")
    }
}

/// The access key by which a function's requests are known.
pub(super) fn key_of(function: &str) -> String {
    format!("{KEY_PREFIX}{function}")
}

/// Has `access` judge what functions ask of `router`.
pub(super) fn judged(router: Router, access: Option<Access>) -> Router {
    match access {
        None => router,
        Some(access) => router.layer(middleware::from_fn_with_state(access, judge)),
    }
}

async fn judge(State(access): State<Access>, request: Request, next: Next) -> Response {
    let Some(function) = function(request.headers()) else {
        return next.run(request).await;
    };
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, MAX_REQUEST_BYTES).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let asked = asked(&parts.method, parts.uri.path(), &parts.headers, &body);
    for (action, resource) in asked {
        let call = Call {
            function: function.clone(),
            action,
            resource,
        };
        if !(access.0)(&call) {
            return refused(&call);
        }
    }
    next.run(Request::from_parts(parts, Body::from(body))).await
}

/// The function that signed a request; `None` if somebody else did.
pub(super) fn function(headers: &HeaderMap) -> Option<String> {
    let signature = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (_, credential) = signature.split_once("Credential=")?;
    let (key, _) = credential.split_once('/')?;
    key.strip_prefix(KEY_PREFIX).map(str::to_owned)
}

/// The service and the operation that a request of AWS's JSON protocol names.
pub(super) fn target(headers: &HeaderMap) -> Option<(&str, &str)> {
    headers.get("x-amz-target")?.to_str().ok()?.split_once('.')
}

fn refused(call: &Call) -> Response {
    let Call {
        function,
        action,
        resource,
    } = call;
    tracing::error!(
        function,
        action,
        resource,
        "refused: no policy of the function allows it"
    );
    let message = format!("{function} is not authorized to perform {action} on {resource}");
    let body = json!({"__type": "AccessDeniedException", "message": message});
    let kind = [("x-amzn-errortype", "AccessDeniedException")];
    (StatusCode::BAD_REQUEST, kind, body.to_string()).into_response()
}

/// The permissions that AWS asks for before it serves a request.
fn asked(
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    body: &Bytes,
) -> BTreeSet<(String, String)> {
    let request: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| {
        request
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let one = |action: String, resource: &str| BTreeSet::from([(action, resource.to_owned())]);
    match target(headers) {
        Some(("AmazonSQS", action)) => {
            let queue = text("QueueUrl").rsplit('/').next().unwrap_or_default();
            one(format!("sqs:{action}"), queue)
        }
        Some(("secretsmanager", action)) => {
            one(format!("secretsmanager:{action}"), text("SecretId"))
        }
        Some((_, action)) => asked_of_table(action, &request),
        None if (method, path) == (&Method::POST, "/v2/email/outbound-emails") => {
            let send = |resource: &str| ("ses:SendEmail".to_owned(), resource.to_owned());
            let named = !text("ConfigurationSetName").is_empty();
            let set = named.then(|| send("configuration-set"));
            set.into_iter().chain([send("identity")]).collect()
        }
        None if (method, path) == (&Method::GET, "/v2/email/account") => {
            one("ses:GetAccount".to_owned(), "*")
        }
        None => one(format!("unknown:{method}"), path),
    }
}

/// A transaction needs the permission for each of its actions, and none by its own name. Source: "Amazon `DynamoDB`
/// transactions: how it works", IAM.
fn asked_of_table(action: &str, request: &Value) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    let mut add = |action: &str, table: &Value| {
        let table = table.as_str().unwrap_or_default().to_owned();
        found.insert((format!("dynamodb:{action}"), table));
    };
    match action {
        "TransactWriteItems" | "TransactGetItems" => {
            let items = request["TransactItems"].as_array().into_iter().flatten();
            for (kind, item) in items.filter_map(Value::as_object).flatten() {
                let action = match kind.as_str() {
                    "ConditionCheck" => "ConditionCheckItem".to_owned(),
                    kind => format!("{kind}Item"),
                };
                add(&action, &item["TableName"]);
            }
        }
        "BatchGetItem" | "BatchWriteItem" => {
            for table in request["RequestItems"].as_object().into_iter().flatten() {
                add(action, &Value::from(table.0.as_str()));
            }
        }
        action => match request["IndexName"].as_str() {
            None => add(action, &request["TableName"]),
            Some(index) => {
                let table = request["TableName"].as_str().unwrap_or_default();
                add(action, &Value::from(format!("{table}/index/{index}")));
            }
        },
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(target: &str, request: &Value) -> Vec<String> {
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-target", target.parse().unwrap());
        let body = Bytes::from(request.to_string());
        let asked = asked(&Method::POST, "/", &headers, &body).into_iter();
        asked
            .map(|(action, resource)| format!("{action} {resource}"))
            .collect()
    }

    #[test]
    fn a_transaction_asks_for_each_of_its_actions_and_a_query_for_its_index() {
        let on = |kind: &str| json!({kind: {"TableName": "t"}});
        let request =
            json!({"TransactItems": [on("Put"), on("Delete"), on("ConditionCheck"), on("Update")]});
        assert_eq!(
            of("DynamoDB_20120810.TransactWriteItems", &request),
            [
                "dynamodb:ConditionCheckItem t",
                "dynamodb:DeleteItem t",
                "dynamodb:PutItem t",
                "dynamodb:UpdateItem t"
            ]
        );
        let query = json!({"TableName": "t", "IndexName": "due"});
        assert_eq!(
            of("DynamoDB_20120810.Query", &query),
            ["dynamodb:Query t/index/due"]
        );
        let batch = json!({"RequestItems": {"t": {}}});
        assert_eq!(
            of("DynamoDB_20120810.BatchGetItem", &batch),
            ["dynamodb:BatchGetItem t"]
        );
        let send = json!({"QueueUrl": "http://127.0.0.1:1/000000000000/orders"});
        assert_eq!(
            of("AmazonSQS.SendMessage", &send),
            ["sqs:SendMessage orders"]
        );
    }

    #[test]
    fn only_functions_are_judged() {
        let mut headers = HeaderMap::new();
        let signed = |key: &str| format!("AWS4-HMAC-SHA256 Credential={key}/20261122/x");
        headers.insert(header::AUTHORIZATION, signed("local").parse().unwrap());
        assert_eq!(function(&headers), None);
        let key = key_of("redeem-code");
        headers.insert(header::AUTHORIZATION, signed(&key).parse().unwrap());
        assert_eq!(function(&headers).as_deref(), Some("redeem-code"));
    }
}
