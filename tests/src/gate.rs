//! An HTTP proxy between a command and the stack that stops the traffic at a chosen point and says so, so that a test can
//! look at the command there, or kill it.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// What happens to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Nothing: it is passed on, and so is the answer.
    Pass,
    /// The stack never sees it, and there is no answer.
    Before,
    /// The stack answers, but the answer never arrives.
    After,
    /// Only so many bytes of the answer's body arrive.
    Within(usize),
    /// Only so many bytes of the answer's body arrive, then the connection breaks.
    CutAt(usize),
    /// It is refused with this status, and `Retry-After: 0`.
    Refuse(u16),
}

type Plan = Box<dyn FnMut(usize) -> Stop + Send>;

struct Shared {
    upstream: String,
    client: reqwest::Client,
    plan: Mutex<(usize, Plan)>,
    stopped: mpsc::UnboundedSender<()>,
}

/// A running proxy. It ends with its value.
pub struct Gate {
    /// Where it listens.
    pub url: String,
    stopped: mpsc::UnboundedReceiver<()>,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Gate {
    /// Listens on a loopback port of its own and passes everything on to `upstream`.
    pub async fn start(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free loopback port");
        let url = format!("http://{}", listener.local_addr().expect("a bound address"));
        let (sender, stopped) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            upstream: upstream.to_owned(),
            client: reqwest::Client::new(),
            plan: Mutex::new((0, Box::new(|_| Stop::Pass))),
            stopped: sender,
        });
        let task = tokio::spawn(serve(listener, Arc::clone(&shared)));
        Self {
            url,
            stopped,
            shared,
            task,
        }
    }

    /// From now on `plan` decides, given each request's number from now, which starts at 0.
    pub fn plan(&self, plan: impl FnMut(usize) -> Stop + Send + 'static) {
        *self.shared.plan() = (0, Box::new(plan));
    }

    /// Does `stop` to the request of this number from now, and nothing to others.
    pub fn at(&self, number: usize, stop: Stop) {
        self.plan(move |now| if now == number { stop } else { Stop::Pass });
    }

    /// Requests since the last plan.
    pub fn requests(&self) -> usize {
        self.shared.plan().0
    }

    /// Waits until a request is stopped for good.
    pub async fn stopped(&mut self) {
        self.stopped.recv().await.expect("a running proxy");
    }
}

impl Shared {
    fn plan(&self) -> std::sync::MutexGuard<'_, (usize, Plan)> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Stop {
        let mut plan = self.plan();
        let number = plan.0;
        plan.0 += 1;
        (plan.1)(number)
    }

    /// Says that a request is stopped, and never returns.
    async fn stop<T>(&self) -> T {
        let _ = self.stopped.send(());
        std::future::pending().await
    }
}

impl Drop for Gate {
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
            // An error is a connection that the command, or this gate, broke.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

type Body = BoxBody<Bytes, std::io::Error>;

async fn handle(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<Body>, std::io::Error> {
    let stop = shared.next();
    if let Stop::Refuse(status) = stop {
        let mut response = Response::new(whole(Bytes::new()));
        *response.status_mut() = StatusCode::from_u16(status).expect("a status");
        let now = http::HeaderValue::from_static("0");
        response
            .headers_mut()
            .insert(http::header::RETRY_AFTER, now);
        return Ok(response);
    }
    if stop == Stop::Before {
        return shared.stop().await;
    }
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(std::io::Error::other)?;
    let mut headers = parts.headers;
    headers.remove(http::header::HOST);
    let path = parts.uri.path_and_query().expect("a path");
    let sent = shared
        .client
        .request(parts.method, format!("{}{path}", shared.upstream))
        .headers(headers)
        .body(body.to_bytes());
    let answer = sent.send().await.map_err(std::io::Error::other)?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let bytes = answer.bytes().await.map_err(std::io::Error::other)?;
    let body = match stop {
        Stop::After => return shared.stop().await,
        Stop::Within(size) => pieces(&bytes, size, Some(shared)),
        Stop::CutAt(size) => pieces(&bytes, size, None),
        Stop::Pass | Stop::Before | Stop::Refuse(_) => whole(bytes),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

fn whole(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed()
}

/// The first `size` bytes; then nothing more ever, or a broken connection.
fn pieces(bytes: &Bytes, size: usize, stopped: Option<Arc<Shared>>) -> Body {
    let first = bytes.slice(..size.min(bytes.len()));
    let stream = futures_util::stream::unfold((Some(first), stopped), |(first, stopped)| async {
        match (first, stopped) {
            (Some(first), stopped) => Some((Ok(Frame::data(first)), (None, stopped))),
            (None, Some(shared)) => shared.stop().await,
            (None, None) => Some((
                Err(std::io::Error::other("cut off on purpose")),
                (None, None),
            )),
        }
    });
    BodyExt::boxed(StreamBody::new(stream))
}
