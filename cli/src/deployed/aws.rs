//! Calls of AWS that only the doctor makes, signed with the signer of the official SDK.
//!
//! Three more crates of the SDK, for four calls in all, would add 73 s of one core to a first build (measured), and none of them
//! tells the `Date` of an answer, which the clock is compared with.

use std::fmt::Write as _;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use axum::body::Body;
use axum::http::{Method, Request, Response, StatusCode, header};
use chrono::{DateTime, TimeDelta, Utc};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use roxmltree::Document;
use serde_json::Value;
use shared::clock::Clock;
use shared::env::{Env, StartError};

use crate::CliError;
use crate::client::Pooled;

/// Longest wait for an answer. Ours.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(15);
/// Largest answer that is read, in bytes: above any that these calls give. Ours.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// A service, as far as it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    CloudFormation,
    CloudWatch,
    DynamoDb,
    SecretsManager,
    Ses,
    Sns,
    Sqs,
}

impl Service {
    /// First label of its host name, name in signatures, and version or prefix of its calls.
    /// Source: the service's endpoints and API reference.
    const fn facts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::CloudFormation => ("cloudformation", "cloudformation", "2010-05-15"),
            Self::CloudWatch => ("monitoring", "monitoring", "2010-08-01"),
            Self::DynamoDb => ("dynamodb", "dynamodb", "DynamoDB_20120810"),
            Self::SecretsManager => ("secretsmanager", "secretsmanager", "secretsmanager"),
            Self::Ses => ("email", "ses", "v2"),
            Self::Sns => ("sns", "sns", "2010-03-31"),
            Self::Sqs => ("sqs", "sqs", "AmazonSQS"),
        }
    }
}

/// Why a call brought nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// The service says that there is no such thing.
    #[error("{0}")]
    Absent(String),
    /// Anything else: no permission, no connection, an answer that cannot be read.
    #[error("{0}")]
    Failed(String),
}

/// Calls AWS in one region as one caller.
pub(super) struct Aws {
    client: Pooled,
    credentials: Credentials,
    region: String,
    endpoint: Option<String>,
    clock: Clock,
}

/// An answer's text, and how far this machine's clock is ahead of the service's.
pub(super) struct Answer {
    pub(super) text: String,
    pub(super) ahead: Option<TimeDelta>,
}

impl Aws {
    /// Takes region and credentials from the environment, like all functions.
    pub(super) fn from_env(env: &Env) -> Result<Self, StartOrClient> {
        let endpoint = env.get("AWS_ENDPOINT_URL");
        let tls = !endpoint
            .as_ref()
            .is_some_and(|url| url.starts_with("http://"));
        Ok(Self {
            credentials: Credentials::new(
                env.require("AWS_ACCESS_KEY_ID")?,
                env.require("AWS_SECRET_ACCESS_KEY")?,
                env.get("AWS_SESSION_TOKEN"),
                None,
                "environment",
            ),
            region: env.require("AWS_REGION")?,
            client: Pooled::new(tls)?,
            endpoint,
            clock: Clock::default(),
        })
    }

    /// Calls a service of the Query protocol, which answers XML.
    pub(super) async fn query(
        &self,
        service: Service,
        action: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Answer, CallError> {
        let version = service.facts().2;
        let mut form = format!("Action={action}&Version={version}");
        for (name, value) in parameters {
            let value =
                percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
            // Writing to a string cannot fail.
            let _ = write!(form, "&{name}={value}");
        }
        let kind = [("content-type", "application/x-www-form-urlencoded")];
        self.call(service, Method::POST, "/", &kind, form).await
    }

    /// Calls a service of the JSON protocol.
    pub(super) async fn json(
        &self,
        service: Service,
        action: &str,
        body: &Value,
    ) -> Result<Value, CallError> {
        let target = format!("{}.{action}", service.facts().2);
        let headers = [
            ("content-type", "application/x-amz-json-1.0"),
            ("x-amz-target", target.as_str()),
        ];
        let answer = self.call(service, Method::POST, "/", &headers, body.to_string());
        read(&answer.await?.text)
    }

    /// Reads from a service that has paths.
    pub(super) async fn get(&self, service: Service, path: &str) -> Result<Value, CallError> {
        let answer = self.call(service, Method::GET, path, &[], String::new());
        read(&answer.await?.text)
    }

    async fn call(
        &self,
        service: Service,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Result<Answer, CallError> {
        let failed = |error: &dyn std::fmt::Display| CallError::Failed(error.to_string());
        let (host, _, _) = service.facts();
        let base = self.endpoint.clone().unwrap_or_else(|| {
            let domain = if self.region.starts_with("cn-") {
                "amazonaws.com.cn"
            } else {
                "amazonaws.com"
            };
            format!("https://{host}.{}.{domain}", self.region)
        });
        let uri = format!("{}{path}", base.trim_end_matches('/'));
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(body).map_err(|error| failed(&error))?;
        self.sign(service, &mut request)
            .map_err(|error| failed(&error))?;
        let exchange = async {
            let sent = self.client.send(request.map(Body::from)).await;
            let answer = sent.map_err(|error| CallError::Failed(error.text))?;
            let now = self.clock.now();
            let (status, ahead) = (answer.status(), ahead(&answer, now));
            Ok((status, ahead, text(answer).await?))
        };
        let (status, ahead, text) = tokio::time::timeout(CALL_TIMEOUT, exchange)
            .await
            .map_err(|_| CallError::Failed(format!("no answer in {CALL_TIMEOUT:?}")))??;
        if status.is_success() {
            return Ok(Answer { text, ahead });
        }
        Err(refusal(status, &text, ahead))
    }

    fn sign(
        &self,
        service: Service,
        request: &mut Request<String>,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let identity = self.credentials.clone().into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(service.facts().1)
            .time(self.clock.now().into())
            .settings(SigningSettings::default())
            .build()?
            .into();
        let headers: Vec<(&str, &str)> = request
            .headers()
            .iter()
            .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
            .collect();
        let uri = request.uri().to_string();
        let body = SignableBody::Bytes(request.body().as_bytes());
        let signable =
            SignableRequest::new(request.method().as_str(), uri, headers.into_iter(), body)?;
        let (instructions, _) = sign(signable, &parameters)?.into_parts();
        instructions.apply_to_request_http1x(request);
        Ok(())
    }
}

/// Why there can be no calls.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartOrClient {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Client(#[from] CliError),
}

async fn text(answer: Response<Incoming>) -> Result<String, CallError> {
    let body = http_body_util::Limited::new(answer.into_body(), MAX_ANSWER_BYTES);
    let bytes = body.collect().await;
    let bytes = bytes.map_err(|error| CallError::Failed(error.to_string()))?;
    String::from_utf8(bytes.to_bytes().into()).map_err(|_| unreadable())
}

fn unreadable() -> CallError {
    CallError::Failed("its answer is not of the form this version knows".to_owned())
}

fn read(text: &str) -> Result<Value, CallError> {
    serde_json::from_str(text).map_err(|_| unreadable())
}

/// How far `now` is ahead of the answer's `Date`, which is cut to whole seconds.
fn ahead<B>(answer: &Response<B>, now: DateTime<Utc>) -> Option<TimeDelta> {
    let date = answer.headers().get(header::DATE)?.to_str().ok()?;
    let theirs = DateTime::parse_from_rfc2822(date).ok()?;
    Some(now.signed_duration_since(theirs))
}

/// What a refusal means. A clock that is wrong makes every signature wrong, so its distance is told with it.
fn refusal(status: StatusCode, text: &str, ahead: Option<TimeDelta>) -> CallError {
    let (code, message) = code_and_message(text);
    let told = match (code.as_str(), message.as_str()) {
        ("", "") => format!("it answered {status}"),
        (code, "") => code.to_owned(),
        ("", message) => message.to_owned(),
        (code, message) => format!("{code}: {message}"),
    };
    let absent = ["NotFound", "NonExistentQueue", "QueueDoesNotExist"];
    if status == StatusCode::NOT_FOUND
        || absent.iter().any(|word| code.contains(word))
        || message.ends_with("does not exist")
    {
        return CallError::Absent(told);
    }
    match ahead {
        Some(ahead) if ahead.abs() > super::live::MAX_CLOCK_DISTANCE => CallError::Failed(format!(
            "{told} (this machine's clock is {} s off AWS's)",
            ahead.num_seconds()
        )),
        _ => CallError::Failed(told),
    }
}

/// Code and message of a refusal, as XML or as JSON.
fn code_and_message(text: &str) -> (String, String) {
    if let Ok(document) = Document::parse(text) {
        let inner = |name| {
            let mut nodes = document.descendants();
            let found = nodes.find(|node| node.tag_name().name() == name);
            let text = found.and_then(|node| node.text());
            text.unwrap_or_default().to_owned()
        };
        return (inner("Code"), inner("Message"));
    }
    let json: Value = serde_json::from_str(text).unwrap_or_default();
    let field = |names: [&str; 2]| {
        let found = names.iter().find_map(|name| json.get(*name)?.as_str());
        found.unwrap_or_default().to_owned()
    };
    let code = field(["__type", "name"]);
    let code = code.rsplit('#').next().unwrap_or_default().to_owned();
    (code, field(["message", "Message"]))
}

/// The members of a list in an answer, each as its fields that are texts.
pub(super) fn members(text: &str, list: &str) -> Result<Vec<Member>, CallError> {
    let document = Document::parse(text).map_err(|_| unreadable())?;
    let lists = document
        .descendants()
        .filter(|node| node.tag_name().name() == list);
    let members = lists.flat_map(|list| list.children().filter(roxmltree::Node::is_element));
    Ok(members
        .map(|member| {
            let fields = member.children().filter(roxmltree::Node::is_element);
            Member(
                fields
                    .map(|field| {
                        let name = field.tag_name().name().to_owned();
                        (name, field.text().unwrap_or_default().to_owned())
                    })
                    .collect(),
            )
        })
        .collect())
}

/// Text of the first element of this name; absent and empty are the same.
pub(super) fn element(text: &str, name: &str) -> Option<String> {
    let document = Document::parse(text).ok()?;
    let found = document
        .descendants()
        .find(|node| node.tag_name().name() == name)?;
    found.text().map(str::to_owned)
}

/// One member of a list.
pub(super) struct Member(Vec<(String, String)>);

impl Member {
    pub(super) fn get(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(field, _)| field == name);
        found.map_or("", |(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_read_as_xml_and_as_json_and_absence_is_told_from_the_rest() {
        let xml = "<ErrorResponse xmlns=\"x\"><Error><Type>Sender</Type><Code>ValidationError</Code><Message>Stack with id nope does not exist</Message></Error></ErrorResponse>";
        let status = StatusCode::BAD_REQUEST;
        assert!(matches!(
            refusal(status, xml, None),
            CallError::Absent(why) if why == "ValidationError: Stack with id nope does not exist"
        ));
        let json = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException","message":"no"}"#;
        assert!(matches!(
            refusal(status, json, None),
            CallError::Absent(why) if why == "ResourceNotFoundException: no"
        ));
        let denied = r#"{"__type":"AccessDeniedException","Message":"not you"}"#;
        assert!(matches!(
            refusal(status, denied, Some(TimeDelta::seconds(-600))),
            CallError::Failed(why) if why == "AccessDeniedException: not you (this machine's clock is -600 s off AWS's)"
        ));
        assert!(matches!(
            refusal(status, "<html>", None),
            CallError::Failed(why) if why == "it answered 400 Bad Request"
        ));
    }

    #[test]
    fn members_of_lists_keep_their_fields_and_an_empty_element_is_none() {
        let text = "<A xmlns=\"x\"><B><L><member><K>a</K><V>1 &amp; 2</V></member><member><K>b</K><V/></member></L><NextToken/></B></A>";
        let members = members(text, "L").unwrap();
        assert_eq!(members.len(), 2);
        assert_eq!(
            (
                members[0].get("K"),
                members[0].get("V"),
                members[1].get("V")
            ),
            ("a", "1 & 2", "")
        );
        assert_eq!(element(text, "NextToken"), None);
        assert_eq!(element(text, "V").as_deref(), Some("1 & 2"));
    }

    #[test]
    fn the_clocks_distance_comes_from_the_date_header() {
        let answer = Response::builder()
            .header("date", "Sun, 22 Nov 2026 17:19:38 GMT")
            .body(())
            .unwrap();
        let now = "2026-11-22T17:20:38Z".parse().unwrap();
        assert_eq!(ahead(&answer, now), Some(TimeDelta::seconds(60)));
        assert_eq!(ahead(&Response::new(()), now), None);
    }
}
