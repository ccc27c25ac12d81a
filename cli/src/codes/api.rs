//! Calls of a stack's API, over a connection that is kept, tried again for as long as that may help.

use std::cell::Cell;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::response::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use rand::RngExt as _;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::time::{Instant, timeout};

use super::state::check_of;
use crate::local::{self, ADMIN_KEY, Found};
use crate::progress::Progress;
use crate::{CliError, args, client};

/// The environment variable that holds the API key.
const KEY_VARIABLE: &str = "OKAERI_API_KEY";
/// Longest wait for the head of an answer. Source: an HTTP API of API Gateway gives its functions 30 s.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(40);
/// Longest silence within an answer.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(30);
/// First and longest pause between attempts, before jitter.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Longest pause a stack can ask for with `Retry-After`.
const LONGEST_ASKED: Duration = Duration::from_mins(2);
/// Longest answer that is read whole, in bytes. Source: Lambda's answers have at most 6 MB.
const MAX_WHOLE_BYTES: usize = 8 * 1024 * 1024;

/// A stack and the key to it.
pub(super) struct Api {
    base: String,
    target: String,
    key: HeaderValue,
    http: client::Pooled,
    retry_for: Duration,
    /// Whether it ever answered in this run: before, an unreachable address is more likely wrong than gone.
    reached: Cell<bool>,
}

/// Why a call came to nothing.
#[derive(Debug)]
pub(super) enum Failure {
    /// The stack refuses the request, and would again.
    Refused {
        /// The problem's stable code; empty if it is none.
        code: String,
        /// What it says, and what to do.
        detail: String,
        /// Whether it never saw an earlier attempt that may have been applied.
        at_once: bool,
    },
    /// The stack did not answer, or could not, for as long as it was tried.
    Unavailable(String),
    /// The file or stream for the answer failed, not the stack.
    Here(CliError),
}

impl Failure {
    /// The failure in words for the person, with what was `kept` and how to go on.
    pub(super) fn told(self, kept: &str) -> CliError {
        match self {
            Self::Refused { detail, .. } | Self::Unavailable(detail) => {
                CliError::Told(format!("{detail}\n{kept}"))
            }
            Self::Here(error) => CliError::Told(format!("{error}\n{kept}")),
        }
    }

    /// Whether the stack's very first word was no, so that nothing can have been begun.
    pub(super) fn refused_at_once(&self) -> bool {
        matches!(self, Self::Refused { at_once: true, .. })
    }
}

impl From<CliError> for Failure {
    fn from(error: CliError) -> Self {
        Self::Here(error)
    }
}

/// One call.
pub(super) struct Call<'a> {
    pub(super) method: Method,
    pub(super) path: &'a str,
    pub(super) accept: &'static str,
    pub(super) idempotency_key: Option<String>,
    pub(super) body: Option<Value>,
}

impl<'a> Call<'a> {
    pub(super) fn get(path: &'a str) -> Self {
        Self {
            method: Method::GET,
            path,
            accept: "application/json",
            idempotency_key: None,
            body: None,
        }
    }

    pub(super) fn post(path: &'a str, body: Value) -> Self {
        Self {
            method: Method::POST,
            body: Some(body),
            ..Self::get(path)
        }
    }
}

/// Takes in the body of an answer, piece by piece.
pub(super) trait Taker {
    /// An answer begins, perhaps again: what came of an earlier attempt does not count.
    ///
    /// # Errors
    /// [`CliError`] if it cannot be taken in.
    fn begin(&mut self, headers: &HeaderMap) -> Result<(), CliError>;

    /// The next piece.
    ///
    /// # Errors
    /// [`CliError`] if it cannot be taken in.
    fn piece(&mut self, piece: &[u8]) -> Result<(), CliError>;
}

/// What one attempt came to.
enum Attempt {
    Done(Parts),
    Failed(Failure),
    /// Try again, after this long if the stack says so.
    Again(String, Option<Duration>),
}

impl Api {
    /// Finds the stack and the key.
    ///
    /// # Errors
    /// [`CliError::Told`] if no stack runs there, there is no key, or it would travel in the clear.
    pub(super) fn open(args: &args::Api) -> Result<Self, CliError> {
        let (base, target) = match &args.url {
            Some(url) => {
                let url = url.trim_end_matches('/').to_owned();
                (url.clone(), url)
            }
            None => (running_on(args)?, directory(args)),
        };
        let ours = check(&base)?;
        let key = match std::env::var(KEY_VARIABLE) {
            Ok(key) => key.trim().to_owned(),
            Err(_) if ours => ADMIN_KEY.to_owned(),
            Err(_) => {
                return Err(CliError::Told(format!(
                    "There is no key for {base}. Nothing was done.\nPut one of scope `admin` into the environment variable {KEY_VARIABLE}; `okaeri keys create --table NAME` makes one."
                )));
            }
        };
        let mut key = HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_| {
            CliError::Told(format!(
                "{KEY_VARIABLE} holds no key: it has characters no key has. Nothing was done."
            ))
        })?;
        key.set_sensitive(true);
        Ok(Self {
            http: client::Pooled::new(base.starts_with("https:"))?,
            base,
            target,
            key,
            retry_for: Duration::from_secs(args.retry_for.into()),
            reached: Cell::new(false),
        })
    }

    /// Names the stack, also after it was started anew.
    pub(super) fn target(&self) -> &str {
        &self.target
    }

    /// Tells keys apart without telling them.
    pub(super) fn key_check(&self) -> String {
        let hash = Sha256::new().chain_update("okaeri/cli\n");
        check_of(hash.chain_update(self.key.as_bytes()))
    }

    /// The answer as JSON.
    ///
    /// # Errors
    /// [`Failure`] says why there is none.
    pub(super) async fn json<T: DeserializeOwned>(
        &self,
        call: &Call<'_>,
        progress: &Progress,
    ) -> Result<T, Failure> {
        let mut whole = Whole(Vec::new());
        self.take(call, &mut whole, progress).await?;
        serde_json::from_slice(&whole.0).map_err(|_| {
            let detail = format!("{}{} does not answer as Okaeri does.", self.base, call.path);
            Failure::Refused {
                code: String::new(),
                detail,
                at_once: false,
            }
        })
    }

    /// Hands the answer's body to `taker` and returns its headers. The request is sent again until it is answered, so it
    /// must be one that may be.
    ///
    /// # Errors
    /// [`Failure`] says why there is none.
    pub(super) async fn take(
        &self,
        call: &Call<'_>,
        taker: &mut impl Taker,
        progress: &Progress,
    ) -> Result<HeaderMap, Failure> {
        let until = Instant::now() + self.retry_for;
        let mut pause = FIRST_PAUSE;
        let mut again = false;
        loop {
            let (why, asked) = match self.attempt(call, taker).await? {
                Attempt::Done(parts) => {
                    self.reached.set(true);
                    return Ok(parts.headers);
                }
                Attempt::Failed(Failure::Refused { code, detail, .. }) => {
                    return Err(Failure::Refused {
                        code,
                        detail,
                        at_once: !again,
                    });
                }
                Attempt::Failed(failure) => return Err(failure),
                Attempt::Again(why, asked) => (why, asked),
            };
            let most = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
            let jitter = Duration::from_millis(rand::rng().random_range(most / 2..=most));
            let wait = asked.unwrap_or_default().min(LONGEST_ASKED).max(jitter);
            if Instant::now() + wait > until {
                return Err(Failure::Unavailable(why));
            }
            progress.waits(&why);
            tokio::time::sleep(wait).await;
            (again, pause) = (true, (pause * 2).min(LONGEST_PAUSE));
        }
    }

    async fn attempt(&self, call: &Call<'_>, taker: &mut impl Taker) -> Result<Attempt, Failure> {
        let request = self.request(call)?;
        let response = match timeout(ANSWER_TIMEOUT, self.http.send(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(why)) if !self.reached.get() && why.unconnected => {
                return Err(Failure::Unavailable(self.nobody(&why.text)));
            }
            Ok(Err(why)) => {
                return Ok(Attempt::Again(
                    format!("{}: {}.", self.base, why.text),
                    None,
                ));
            }
            Err(_) => {
                return Ok(Attempt::Again(
                    format!("{} does not answer.", self.base),
                    None,
                ));
            }
        };
        if !response.status().is_success() {
            return Ok(self.refusal(response).await);
        }
        let (parts, mut body) = response.into_parts();
        taker.begin(&parts.headers)?;
        loop {
            let frame = match timeout(SILENCE_TIMEOUT, body.frame()).await {
                Ok(None) => return Ok(Attempt::Done(parts)),
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(_))) | Err(_) => {
                    let why = format!("An answer of {} was cut off.", self.base);
                    return Ok(Attempt::Again(why, None));
                }
            };
            if let Some(piece) = frame.data_ref() {
                taker.piece(piece)?;
            }
        }
    }

    fn request(&self, call: &Call<'_>) -> Result<Request<Body>, Failure> {
        let uri = format!("{}{}", self.base, call.path);
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(uri)
            .header(header::ACCEPT, call.accept)
            .header(header::AUTHORIZATION, &self.key);
        if let Some(key) = &call.idempotency_key {
            request = request.header("idempotency-key", key);
        }
        let body = match &call.body {
            None => Body::empty(),
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Body::from(body.to_string())
            }
        };
        request
            .body(body)
            .map_err(|error| Failure::Here(CliError::Told(format!("{}: {error}.", self.base))))
    }

    /// What an answer without success means.
    async fn refusal(&self, response: Response<Incoming>) -> Attempt {
        let (parts, body) = response.into_parts();
        let body = timeout(
            SILENCE_TIMEOUT,
            http_body_util::Limited::new(body, MAX_WHOLE_BYTES).collect(),
        );
        let body = match body.await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(_)) | Err(_) => Bytes::new(),
        };
        let (code, said) = said(parts.status, &body);
        let detail = format!("{} answered {said}", self.base);
        if parts.status == StatusCode::TOO_MANY_REQUESTS || parts.status.is_server_error() {
            return Attempt::Again(detail, retry_after(&parts.headers));
        }
        let hint = match parts.status {
            StatusCode::UNAUTHORIZED => format!(
                "\nPut a key of this stack, of scope `admin`, into the environment variable {KEY_VARIABLE}."
            ),
            _ => String::new(),
        };
        Attempt::Failed(Failure::Refused {
            code,
            detail: format!("{detail}{hint}"),
            at_once: false,
        })
    }

    fn nobody(&self, why: &str) -> String {
        format!(
            "Nothing answers at {}: {why}.\nCheck the address; a local stack starts with `cargo run -p okaeri`.",
            self.base
        )
    }
}

struct Whole(Vec<u8>);

impl Taker for Whole {
    fn begin(&mut self, _headers: &HeaderMap) -> Result<(), CliError> {
        self.0.clear();
        Ok(())
    }

    fn piece(&mut self, piece: &[u8]) -> Result<(), CliError> {
        if self.0.len().saturating_add(piece.len()) > MAX_WHOLE_BYTES {
            return Err(CliError::Told(
                "An answer is longer than any of Okaeri's.".to_owned(),
            ));
        }
        self.0.extend_from_slice(piece);
        Ok(())
    }
}

/// A refusal's code and words: the problem's own, where it is one.
fn said(status: StatusCode, body: &[u8]) -> (String, String) {
    #[derive(Deserialize)]
    struct Problem {
        code: String,
        detail: Option<String>,
        #[serde(default)]
        errors: Vec<Field>,
    }
    #[derive(Deserialize)]
    struct Field {
        pointer: String,
        detail: String,
    }
    let Ok(problem) = serde_json::from_slice::<Problem>(body) else {
        return (String::new(), format!("{status}."));
    };
    let detail = problem.detail.unwrap_or_default();
    let mut said = format!("{} {}: {detail}", status.as_u16(), problem.code);
    for field in problem.errors {
        // Writing to a string cannot fail.
        let _ = write!(said, "\n  {}: {}", field.pointer, field.detail);
    }
    (problem.code, said)
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    seconds.trim().parse().ok().map(Duration::from_secs)
}

fn running_on(args: &args::Api) -> Result<String, CliError> {
    match local::find(&args.data)? {
        Found::Running { url, .. } => Ok(url),
        Found::Stopped | Found::Nothing => Err(CliError::Told(format!(
            "No local stack is running on {}. Nothing was done.\nStart one in another terminal with `cargo run -p okaeri`, or name a stack with --url.",
            args.data.display()
        ))),
    }
}

fn directory(args: &args::Api) -> String {
    let path = std::fs::canonicalize(&args.data).unwrap_or_else(|_| args.data.clone());
    path.display().to_string()
}

/// Whether an address is of this machine. Others are taken over TLS only: the key would travel in the clear.
fn check(base: &str) -> Result<bool, CliError> {
    let refuse = |why: &str| {
        Err(CliError::Told(format!(
            "{base} is no address to call: {why}. Nothing was done."
        )))
    };
    let Ok(uri) = base.parse::<Uri>() else {
        return refuse("write https://HOST");
    };
    let (Some(scheme), Some(host)) = (uri.scheme_str(), uri.host()) else {
        return refuse("write https://HOST");
    };
    if uri
        .authority()
        .is_some_and(|authority| authority.as_str().contains('@'))
        || uri.query().is_some()
    {
        return refuse("keys do not belong in it");
    }
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let ours = bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    match (scheme, ours) {
        ("https", _) | ("http", true) => Ok(ours),
        ("http", false) => refuse("without TLS the key could be read on its way; write https://"),
        _ => refuse("write https://HOST"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_goes_only_over_tls_or_to_this_machine() {
        for url in [
            "http://127.0.0.1:8787",
            "http://localhost",
            "http://[::1]:1",
            "https://127.0.0.1",
        ] {
            assert!(check(url).unwrap(), "{url}");
        }
        assert!(!check("https://abc.execute-api.example.com/prod").unwrap());
        for url in [
            "http://shop.example",
            "http://127.0.0.1.shop.example",
            "shop.example",
            "ftp://127.0.0.1",
            "",
            "https://user:word@shop.example",
            "https://shop.example?key=1",
            "http://127.0.0.1@shop.example",
        ] {
            assert!(check(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_problem_is_told_in_its_own_words_with_what_it_points_at() {
        let body = br#"{"code":"invalid-body","detail":"Nothing was changed.","errors":[{"pointer":"/channel","detail":"too long"}]}"#;
        assert_eq!(
            said(StatusCode::BAD_REQUEST, body).1,
            "400 invalid-body: Nothing was changed.\n  /channel: too long"
        );
        assert_eq!(
            said(StatusCode::BAD_GATEWAY, b"<html>").1,
            "502 Bad Gateway."
        );
    }
}
