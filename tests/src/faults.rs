//! An HTTP proxy between the AWS SDK and the embedded engine, or SES, that misbehaves on demand, as networks and services do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What happens to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing unusual.
    Pass,
    /// The engine never sees it and the connection breaks.
    DropRequest,
    /// The engine gets it only after this long.
    HoldThenApply(Duration),
    /// The engine applies it and the connection breaks.
    ApplyThenDropReply,
    /// The engine applies it, but the answer comes only after this long.
    ApplyThenHold(Duration),
    /// The engine applies it, but the answer is a server error.
    ApplyThen500,
    /// The engine applies it twice; the second answer is given.
    Duplicate,
    /// The engine never sees it: the transaction is cancelled with these reason codes.
    Cancel(Vec<&'static str>),
    /// The engine never sees it: this status and body are the answer.
    Answer(u16, String),
    /// The engine applies it; if it cancels the transaction, the reason at this place becomes a conflict.
    MixInConflict(usize),
}

impl Fault {
    /// An AWS service's refusal by this name.
    pub fn refusal(status: u16, kind: &str, message: &str) -> Self {
        let body = serde_json::json!({"__type": kind, "message": message});
        Self::Answer(status, body.to_string())
    }

    /// What it is called where faults are counted, whatever its time or place.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::DropRequest => "drop request",
            Self::HoldThenApply(_) => "hold, apply",
            Self::ApplyThenDropReply => "apply, drop reply",
            Self::ApplyThenHold(_) => "apply, hold",
            Self::ApplyThen500 => "apply, 500",
            Self::Duplicate => "duplicate",
            Self::Cancel(_) => "cancel",
            Self::Answer(..) => "answer",
            Self::MixInConflict(_) => "mix in conflict",
        }
    }
}

/// Longer than [`shared::aws::ATTEMPT_TIMEOUT`], so that the SDK has given up.
const TOO_LONG: Duration = Duration::from_millis(800);

/// A plan that does each of the five faults of networks and services to `each_per_mille` of all requests, and as often cancels
/// a transaction for a conflict, which the engine by itself never does. `seed` fixes the sequence.
pub fn mix(seed: u64, each_per_mille: usize) -> impl FnMut(&str) -> Fault + Send + 'static {
    let mut rng = StdRng::seed_from_u64(seed);
    let faults = [
        Fault::DropRequest,
        Fault::ApplyThenDropReply,
        Fault::ApplyThenHold(TOO_LONG),
        Fault::ApplyThen500,
        Fault::Duplicate,
        Fault::Cancel(vec!["TransactionConflict"]),
    ];
    move |operation| match faults.get(rng.random_range(0..1000) / each_per_mille.max(1)) {
        Some(Fault::Cancel(_)) if operation != "TransactWriteItems" => Fault::Pass,
        Some(fault) => fault.clone(),
        None => Fault::Pass,
    }
}

/// How often what was done to which operation: names of operations and faults.
pub type Tally = BTreeMap<(String, &'static str), usize>;

type Plan = Box<dyn FnMut(&str) -> Fault + Send>;

struct Shared {
    upstream: Mutex<String>,
    client: reqwest::Client,
    plan: Mutex<Plan>,
    operations: Mutex<Vec<String>>,
    tally: Mutex<Tally>,
}

/// A running proxy. It ends with its value.
pub struct FaultProxy {
    /// Where it listens, as an endpoint URL.
    pub url: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl FaultProxy {
    /// Listens on a loopback port of its own and passes everything on to `upstream`.
    pub async fn start(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free loopback port");
        let url = format!("http://{}", listener.local_addr().expect("a bound address"));
        let shared = Arc::new(Shared {
            upstream: Mutex::new(upstream.to_owned()),
            client: reqwest::Client::new(),
            plan: Mutex::new(Box::new(|_| Fault::Pass)),
            operations: Mutex::default(),
            tally: Mutex::default(),
        });
        let task = tokio::spawn(serve(listener, Arc::clone(&shared)));
        Self { url, shared, task }
    }

    /// Passes on to another server from now on, such as a stack that had to know this proxy first.
    pub fn pass_on_to(&self, upstream: &str) {
        upstream.clone_into(&mut self.shared.upstream());
    }

    /// From now on `plan` decides, given each operation's name (`TransactWriteItems`, …); for SES, the end of its path
    /// (`outbound-emails`).
    pub fn plan(&self, plan: impl FnMut(&str) -> Fault + Send + 'static) {
        *self
            .shared
            .plan
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Box::new(plan);
    }

    /// Does `fault` to the next request of `operation`, and nothing to all others.
    pub fn once(&self, operation: &'static str, fault: Fault) {
        let mut fault = Some(fault);
        self.plan(move |name| {
            if name == operation {
                fault.take().unwrap_or(Fault::Pass)
            } else {
                Fault::Pass
            }
        });
    }

    /// Names of all operations that arrived since the last call, in order.
    pub fn take_operations(&self) -> Vec<String> {
        std::mem::take(
            &mut self
                .shared
                .operations
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// How many requests were not simply passed.
    pub fn faults(&self) -> usize {
        let tally = self.tally();
        let faults = tally
            .iter()
            .filter(|((_, fault), _)| *fault != Fault::Pass.name());
        faults.map(|(_, count)| count).sum()
    }

    /// What happened to all requests so far.
    pub fn tally(&self) -> Tally {
        self.shared.tally().clone()
    }
}

impl Shared {
    fn upstream(&self) -> std::sync::MutexGuard<'_, String> {
        self.upstream.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tally(&self) -> std::sync::MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            return;
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service = service_fn(move |request| handle(Arc::clone(&shared), request));
            // An error is a connection that a fault broke.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// The connection is to break without an answer.
#[derive(Debug)]
struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("broken on purpose")
    }
}

impl std::error::Error for Broken {}

async fn handle(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Broken> {
    let target = request
        .headers()
        .get("x-amz-target")
        .and_then(|target| target.to_str().ok())
        .unwrap_or(request.uri().path());
    let operation = target
        .rsplit(['.', '/'])
        .next()
        .unwrap_or_default()
        .to_owned();
    shared
        .operations
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(operation.clone());
    let fault = (shared.plan.lock().unwrap_or_else(PoisonError::into_inner))(&operation);
    *shared.tally().entry((operation, fault.name())).or_default() += 1;
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Broken)?.to_bytes();
    let forward = || forward(&shared, &parts, body.clone());
    let (status, body) = match fault {
        Fault::Pass => forward().await?,
        Fault::DropRequest => return Err(Broken),
        Fault::HoldThenApply(time) => {
            tokio::time::sleep(time).await;
            forward().await?
        }
        Fault::ApplyThenDropReply => {
            forward().await?;
            return Err(Broken);
        }
        Fault::ApplyThenHold(time) => {
            let given = forward().await?;
            tokio::time::sleep(time).await;
            given
        }
        Fault::ApplyThen500 => {
            forward().await?;
            let error = r#"{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError"}"#;
            (StatusCode::INTERNAL_SERVER_ERROR, error.into())
        }
        Fault::Duplicate => {
            forward().await?;
            forward().await?
        }
        Fault::Answer(status, body) => (
            StatusCode::from_u16(status).map_err(|_| Broken)?,
            body.into(),
        ),
        Fault::Cancel(codes) => (StatusCode::BAD_REQUEST, cancelled(&codes).into()),
        Fault::MixInConflict(index) => {
            let (status, body) = forward().await?;
            (status, mix_in_conflict(body, index))
        }
    };
    Ok(answer(status, body))
}

async fn forward(
    shared: &Shared,
    parts: &http::request::Parts,
    body: Bytes,
) -> Result<(StatusCode, Bytes), Broken> {
    let mut headers = parts.headers.clone();
    headers.remove(http::header::HOST);
    headers.remove(http::header::CONTENT_LENGTH);
    let url = format!("{}{}", shared.upstream(), parts.uri.path());
    let sent = shared
        .client
        .request(parts.method.clone(), url)
        .headers(headers)
        .body(body)
        .send()
        .await;
    let given = sent.map_err(|_| Broken)?;
    let status = given.status();
    Ok((status, given.bytes().await.map_err(|_| Broken)?))
}

/// Without the checksum header the SDK checks nothing against it, so a changed body passes.
fn answer(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let json = http::HeaderValue::from_static("application/x-amz-json-1.0");
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, json);
    response
}

fn cancelled(codes: &[&str]) -> String {
    let reasons: Vec<_> = codes
        .iter()
        .map(|code| serde_json::json!({"Code": code}))
        .collect();
    serde_json::json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "Transaction cancelled on purpose",
        "CancellationReasons": reasons,
    })
    .to_string()
}

fn mix_in_conflict(body: Bytes, index: usize) -> Bytes {
    let Ok(mut json) = serde_json::from_slice::<serde_json::Value>(&body) else {
        return body;
    };
    match json.pointer_mut(&format!("/CancellationReasons/{index}")) {
        None => body,
        Some(reason) => {
            *reason = serde_json::json!({"Code": "TransactionConflict"});
            json.to_string().into()
        }
    }
}
