//! A local stack in a process of its own that dies at a chosen request: just before the table, the queue or SES has applied it, or
//! just after, before the function has the answer.
//!
//! A function waits (`.await`) for nothing else that matters: between two requests it only computes, and what it computed dies
//! with it. So these two moments of every request are all the states in which a function can be killed.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, Method, Uri};
use okaeri::local::{Options, Place};
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::Caller;

/// What this package's binary is asked for to be such a stack.
pub const STACK: &str = "stack-through";

/// Is a stack on `directory` whose functions reach table, queue and SES at `through`, until standard input ends.
///
/// # Errors
/// Whatever kept it from starting.
pub async fn serve_stack(directory: PathBuf, through: String) -> Result<(), Box<dyn Error>> {
    let services = ["DYNAMODB", "SQS", "SESV2"];
    let settings = services.map(|name| (format!("AWS_ENDPOINT_URL_{name}"), through.clone()));
    let stack = okaeri::local::start(Options {
        port: 0,
        place: Place::Directory(directory),
        settings: settings.into(),
        ..Options::default()
    })
    .await?;
    let urls = [stack.url(), stack.dynamodb_url(), stack.aws_url()];
    writeln!(std::io::stdout(), "{}", urls.join(" "))?;
    let mut nothing = Vec::new();
    tokio::io::stdin().read_to_end(&mut nothing).await?;
    Ok(())
}

/// A request that a function makes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    /// What it asks of which kinds of items.
    pub request: String,
    /// How many like it came before.
    pub number: usize,
}

/// When a stack dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// The request has left and is never applied.
    Before,
    /// It is applied; nobody learns of it.
    After,
}

/// The stack's lives on one directory, and the wire that it trips over once.
pub struct Mortal {
    binary: &'static str,
    directory: PathBuf,
    url: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    client: reqwest::Client,
    state: Mutex<Life>,
    /// The life that answers, by number, with the addresses of its table and of its queue and SES.
    living: watch::Sender<Option<(usize, [String; 2])>>,
}

#[derive(Default)]
struct Life {
    number: usize,
    child: Option<Child>,
    seen: BTreeMap<String, usize>,
    wire: Option<(Point, Moment)>,
}

impl Mortal {
    /// Nothing lives yet. `binary` is this package's.
    pub async fn new(binary: &'static str, directory: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let shared = Arc::new(Shared {
            client: reqwest::Client::new(),
            state: Mutex::default(),
            living: watch::Sender::new(None),
        });
        let router = Router::new().fallback(pass).with_state(Arc::clone(&shared));
        let task = tokio::spawn(async move {
            // It serves until it is aborted.
            let _ = axum::serve(listener, router).await;
        });
        Self {
            binary,
            directory: directory.to_owned(),
            url,
            shared,
            task,
        }
    }

    /// Has the stack die at this point, once.
    pub fn die_at(&self, point: Point, moment: Moment) {
        self.shared.state().wire = Some((point, moment));
    }

    /// Whether it has yet to die.
    pub fn is_armed(&self) -> bool {
        self.shared.state().wire.is_some()
    }

    /// How many requests of each kind were made so far.
    pub fn seen(&self) -> BTreeMap<String, usize> {
        self.shared.state().seen.clone()
    }

    /// Whether a life has begun and not ended.
    pub fn is_alive(&self) -> bool {
        self.shared.living.borrow().is_some()
    }

    /// Begins a life and waits until it answers; `None` if it dies before that.
    pub fn live(&self) -> Option<Caller> {
        let mut child = Command::new(self.binary)
            .arg(STACK)
            .arg(&self.directory)
            .arg(&self.url)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the stack starts");
        let output = child.stdout.take().expect("standard output");
        let number = {
            let mut life = self.shared.state();
            life.number += 1;
            life.child = Some(child);
            life.number
        };
        let line = BufReader::new(output).lines().next()?.ok()?;
        let [url, table, others] = line.split(' ').collect::<Vec<_>>()[..] else {
            return None;
        };
        let upstream = [table.to_owned(), others.to_owned()];
        self.shared.living.send_replace(Some((number, upstream)));
        Some(Caller::new(url))
    }

    /// Ends the present life, if there is one, by SIGKILL.
    pub fn kill(&self) {
        self.shared.kill();
    }
}

impl Drop for Mortal {
    fn drop(&mut self) {
        self.kill();
        self.task.abort();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, Life> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kill(&self) {
        let child = self.state().child.take();
        if let Some(mut child) = child {
            child.kill().expect("a running process");
            child.wait().expect("an end");
        }
        self.living.send_replace(None);
    }

    /// Who answers, once somebody does.
    async fn upstream(&self) -> (usize, [String; 2]) {
        let mut living = self.living.subscribe();
        let known = living.wait_for(Option::is_some).await;
        known.expect("a sender").clone().expect("a life")
    }

    /// Notes a request of the life `number`; says when that life is to end by it.
    fn note(&self, request: String) -> Option<Moment> {
        let mut life = self.state();
        let seen = life.seen.entry(request.clone()).or_default();
        let point = Point {
            request,
            number: *seen,
        };
        *seen += 1;
        life.wire
            .take_if(|(wire, _)| *wire == point)
            .map(|(_, moment)| moment)
    }
}

/// Passes a request on, unless the stack dies by it.
async fn pass(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if opens_connection(&body) {
        return nothing();
    }
    let born = shared.state().number;
    let (number, [table, others]) = shared.upstream().await;
    let target = headers
        .get("x-amz-target")
        .and_then(|target| target.to_str().ok())
        .unwrap_or(uri.path())
        .to_owned();
    // What the dead have sent is lost.
    if number != born {
        return broken();
    }
    let died = shared.note(shape(&target, &body));
    if died == Some(Moment::Before) {
        shared.kill();
        return broken();
    }
    let upstream = if target.starts_with("DynamoDB") {
        table
    } else {
        others
    };
    let mut headers = headers;
    headers.remove(http::header::HOST);
    let sent = shared
        .client
        .request(method, format!("{upstream}{}", uri.path()))
        .headers(headers)
        .body(body);
    let Ok(answer) = sent.send().await else {
        return broken();
    };
    let (status, headers) = (answer.status(), answer.headers().clone());
    let bytes = answer.bytes().await;
    if died == Some(Moment::After) {
        shared.kill();
    }
    let Ok(bytes) = bytes else {
        return broken();
    };
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// Whether it is the read whose answer nobody wants, by which functions open their connection at the start: before the stack can say
/// where its table is.
fn opens_connection(body: &[u8]) -> bool {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    body["Key"]["pk"]["S"] == "nothing"
}

/// The answer to it.
fn nothing() -> Response {
    let mut response = Response::new(Body::from("{}"));
    let json = http::HeaderValue::from_static("application/x-amz-json-1.0");
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, json);
    response
}

/// For who is dead: nobody reads it.
fn broken() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = http::StatusCode::BAD_GATEWAY;
    response
}

/// A request's operation and the kinds of items it is about, the same for every order, buyer and day.
fn shape(target: &str, body: &[u8]) -> String {
    let operation = target.rsplit(['.', '/']).next().unwrap_or_default();
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let items: Vec<String> = match operation {
        "TransactWriteItems" => {
            let actions = body["TransactItems"].as_array().into_iter().flatten();
            let each = actions.flat_map(|action| action.as_object().into_iter().flatten());
            each.map(|(kind, action)| format!("{kind} {}", item(action)))
                .collect()
        }
        "Query" => {
            let values = body["ExpressionAttributeValues"].as_object();
            let texts = values
                .into_iter()
                .flatten()
                .filter_map(|(_, value)| value["S"].as_str());
            let index = body["IndexName"].as_str().map(str::to_owned);
            index.into_iter().chain(texts.map(kind)).collect()
        }
        _ => vec![item(&body)],
    };
    format!("{operation} {}", items.join(", "))
        .trim()
        .to_owned()
}

fn item(action: &Value) -> String {
    let key = if action["Key"].is_object() {
        &action["Key"]
    } else {
        &action["Item"]
    };
    let parts = ["pk", "sk"].map(|name| key[name]["S"].as_str().map(kind));
    parts.into_iter().flatten().collect::<Vec<_>>().join("/")
}

/// What a key begins with, before any id; numbers are alike.
fn kind(text: &str) -> String {
    let kind = text.split(['#', '_']).next().unwrap_or_default();
    if kind.bytes().all(|byte| byte.is_ascii_digit()) {
        "number".to_owned()
    } else {
        kind.to_owned()
    }
}
