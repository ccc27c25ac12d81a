//! The local stack: every function behind one loopback address, over embedded stand-ins of the AWS services they use.
//!
//! The functions run unchanged. They reach `DynamoDB` (`engine`), SQS, SES and Secrets Manager (`aws`) through the AWS SDK, are called
//! through an API Gateway stand-in (`gateway`), event sources, a schedule (`worker`) and the table's stream (`stream`), and share one movable clock (`control`).

mod access;
mod aws;
mod control;
mod data;
pub mod demo;
mod engine;
mod feedback;
mod functions;
mod gateway;
mod guard;
mod inbox;
mod meter;
mod pages;
mod queue;
mod settings;
mod stream;
mod worker;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use chrono::TimeDelta;
use shared::aws::Aws;
use shared::clock::Clock;
use shared::env::{Env, StartError};
use shared::http::edge;
use shared::store::{NewApiKey, Quarantine, Scope, Store, StoreError};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use access::{Access, Call};
use control::Control;
use data::Data;
pub use data::Found;
use engine::Engine;
use feedback::Publisher;
use functions::Functions;
use inbox::{Inbox, Limits};
pub use meter::{Asked, Meter, Usage};
use queue::Queue;
use worker::{EventSource, StreamSource, Worker};

/// The port of the local stack unless another is asked for. Source: design.md §9.
pub const DEFAULT_PORT: u16 = 8787;
/// Mails a second the SES stand-in takes unless told otherwise. Source: design.md §9.
pub const DEFAULT_SES_RATE: u32 = 1_000;
/// Mails a day the SES stand-in takes unless told otherwise. Source: design.md §9.
pub const DEFAULT_SES_QUOTA: u64 = 1_000_000;
/// The key of scope `admin` that every local stack knows. Source: design.md §9.
pub const ADMIN_KEY: &str = "okaeri_local_admin";
/// The key of scope `checkout` that every local stack knows. Source: design.md §9.
pub const CHECKOUT_KEY: &str = "okaeri_local_checkout";
/// The webhook secret of every provider: for Shopify, `WooCommerce` and Stripe the whole string is the secret. Source: design.md §9.
pub const WEBHOOK_SECRET: &str = "whsec_b2thZXJpLWxvY2FsLXNlY3JldC0zMmJ5dGVzISEhIQ==";
/// The key of a WooCommerce order's `meta_data` under which the local shop keeps a buyer's consent.
pub const WOOCOMMERCE_CONSENT_KEY: &str = "_marketing_opt_in";
/// How long a stop waits for requests and runs already begun.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// Connections that may wait to be accepted. Source: what tokio takes by itself.
const BACKLOG: u32 = 1024;

/// Where a stack keeps its data.
#[derive(Clone, Debug)]
pub enum Place {
    /// In this directory, made if absent; a later stack on it goes on where this one ended, however it ended.
    Directory(PathBuf),
    /// Nowhere: gone when the stack stops.
    Memory,
}

/// How to start a stack.
#[derive(Clone, Debug)]
pub struct Options {
    /// The public port on 127.0.0.1; 0 takes any free one.
    pub port: u16,
    /// Where to keep data.
    pub place: Place,
    /// How far the clock of new data runs ahead of the machine's at first; behind it, if negative.
    pub begin: TimeDelta,
    /// Mails a second the SES stand-in takes.
    pub ses_rate: u32,
    /// Mails in 24 hours the SES stand-in takes.
    pub ses_quota: u64,
    /// Whether the SES stand-in reports what becomes of the mails it took.
    pub ses_events: bool,
    /// Environment variables that replace the stack's own for all functions; an empty value unsets one.
    pub settings: BTreeMap<String, String>,
    /// What the functions may ask of AWS; everything if absent.
    pub access: Option<Access>,
    /// What counts the requests to the table, and the units they use.
    pub meter: Option<Meter>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: DEFAULT_PORT,
            place: Place::Memory,
            begin: TimeDelta::zero(),
            ses_rate: DEFAULT_SES_RATE,
            ses_quota: DEFAULT_SES_QUOTA,
            ses_events: true,
            settings: BTreeMap::new(),
            access: None,
            meter: None,
        }
    }
}

/// Why a stack did not start, or cannot be found.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// The port is taken.
    #[error(
        "port {port} on 127.0.0.1 cannot be used: {cause}\nStop what listens there, or choose another port: cargo run -p okaeri -- local --port 8788"
    )]
    Port {
        /// The port asked for.
        port: u16,
        /// What the system said.
        cause: std::io::Error,
    },
    /// Another stack runs on the same data.
    #[error(
        "another local stack is running on {}{}\nUse that one, stop it, or start on other data: cargo run -p okaeri -- local --data DIR --port 8788",
        .path.display(), .url.as_ref().map(|url| format!(" at {url}")).unwrap_or_default()
    )]
    InUse {
        /// The data directory.
        path: PathBuf,
        /// Where the other stack answers, if it says so.
        url: Option<String>,
    },
    /// A file of the data directory cannot be read or written.
    #[error("{} cannot be used: {why}\nCheck that it can be written, or start on other data: cargo run -p okaeri -- local --data DIR", .path.display())]
    Data {
        /// The file or directory.
        path: PathBuf,
        /// What went wrong.
        why: String,
    },
    /// The embedded engine did not start.
    #[error("the embedded DynamoDB engine did not start: {0}")]
    Engine(String),
    /// A loopback server did not start.
    #[error("a loopback server did not start: {0}")]
    Server(#[from] std::io::Error),
    /// A function refused to start.
    #[error("function {function} did not start: {cause}")]
    Function {
        /// Which function.
        function: &'static str,
        /// What it said.
        cause: StartError,
    },
    /// The stack's own connection to its table refused to start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The table does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl LocalError {
    fn data(path: &Path, why: impl std::fmt::Display) -> Self {
        Self::Data {
            path: path.to_owned(),
            why: why.to_string(),
        }
    }
}

/// A stack that runs until [`Running::stop`]; dropping it ends it at once.
#[derive(Debug)]
pub struct Running {
    url: String,
    aws_url: String,
    settings: BTreeMap<String, String>,
    clock: Clock,
    control: Arc<Control>,
    inbox: Arc<Inbox>,
    front: Stage,
    back: Stage,
    engine: Engine,
    data: Arc<Data>,
}

impl Running {
    /// Where the stack answers, without a slash at the end: `http://127.0.0.1:8787`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where the embedded engine speaks the table's protocol.
    pub fn dynamodb_url(&self) -> &str {
        self.engine.url()
    }

    /// Where the stand-ins speak the protocols of SQS, SES v2 and Secrets Manager.
    pub fn aws_url(&self) -> &str {
        &self.aws_url
    }

    /// The environment variables every function was started with.
    pub fn settings(&self) -> &BTreeMap<String, String> {
        &self.settings
    }

    /// The stack's clock. Move it by `POST /local/clock`, which also does the work that falls due.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The data directory; a temporary one for a stack in memory.
    pub fn data_path(&self) -> &Path {
        self.data.path()
    }

    /// The stack's table, through the AWS SDK, with caches of its own.
    ///
    /// # Errors
    /// [`StartError`] if the settings were overridden with unusable ones.
    pub fn store(&self) -> Result<Store, StartError> {
        connect(self.settings.clone())
    }

    /// The stack's quarantine, through the AWS SDK.
    ///
    /// # Errors
    /// [`StartError`] if the settings were overridden with unusable ones.
    pub fn quarantine(&self) -> Result<Quarantine, StartError> {
        connect_quarantine(self.settings.clone())
    }

    /// Takes no more requests, lets those begun finish, and closes the data.
    pub async fn stop(mut self) {
        self.front.end().await;
        self.back.end().await;
        self.engine.stop(STOP_PATIENCE).await;
        self.data.forget_url();
    }
}

/// Tasks that end together: what callers reach before what it rests on.
#[derive(Debug)]
struct Stage {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Stage {
    fn new() -> Self {
        Self {
            stop: watch::Sender::new(false),
            tasks: Vec::new(),
        }
    }

    fn serve(&mut self, listener: TcpListener, router: Router) {
        self.tasks
            .push(tokio::spawn(serve(listener, router, self.stop.subscribe())));
    }

    /// Lets what was begun finish.
    async fn end(&mut self) {
        self.stop.send_replace(true);
        for task in &mut self.tasks {
            if tokio::time::timeout(STOP_PATIENCE, &mut *task)
                .await
                .is_err()
            {
                task.abort();
            }
        }
        self.tasks.clear();
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Starts a stack and returns once it answers.
///
/// # Errors
/// [`LocalError`], which says what to do about it.
pub async fn start(options: Options) -> Result<Running, LocalError> {
    let data = Arc::new(Data::open(&options.place)?);
    let clock = Clock::default();
    clock.advance(data.clock_offset()?.unwrap_or(options.begin));
    let public = bind_public(options.port)?;
    let url = url_of(&public)?;
    let access = options.access;
    let engine = Engine::start(
        data.table().as_deref(),
        &data.stream(),
        &clock,
        (access.clone(), options.meter),
    )?;
    let (private, aws_url) = bind_private()?;

    let settings = settings::compose(&url, engine.url(), &aws_url, options.settings);
    let orders = open_queue(&data, "queue", settings::ORDERS_QUEUE, &clock)?;
    let feedback = open_queue(&data, "feedback", settings::FEEDBACK_QUEUE, &clock)?;
    let limits = Limits {
        a_second: options.ses_rate,
        a_day: options.ses_quota,
    };
    let inbox = open_inbox(&data, limits, &clock)?;
    let events = options
        .ses_events
        .then(|| open_publisher(&data, &inbox, &feedback))
        .transpose()?;
    let (mut front, mut back) = (Stage::new(), Stage::new());
    let stand_ins = aws::router(
        Arc::clone(&orders),
        Arc::clone(&inbox),
        events,
        data.secrets()?,
        &aws_url,
    );
    back.serve(private, access::judged(stand_ins, access));

    prepare_table(&engine, settings.clone(), &clock).await?;
    let functions = functions::load(&settings, &clock).await?;
    let (router, worker) = wire(functions, orders, feedback, &engine);
    front.tasks.extend(worker.spawn(&front.stop));
    let control = Arc::new(Control::new(clock.clone(), Arc::clone(&data), worker));
    let local = local_routes(Arc::clone(&inbox), &url, Arc::clone(&control));
    let routes = Router::new()
        .nest("/local", guard::keep(local, &public)?)
        .merge(gateway::router(router, clock.clone()));
    data.record_url(&url, engine.url(), &aws_url)?;
    front.serve(public, routes);
    Ok(Running {
        url,
        aws_url,
        settings,
        clock,
        control,
        inbox,
        front,
        back,
        engine,
        data,
    })
}

fn open_inbox(data: &Data, limits: Limits, clock: &Clock) -> Result<Arc<Inbox>, LocalError> {
    let file = data.path().join("inbox.jsonl");
    Ok(Arc::new(Inbox::open(&file, limits, clock.clone())?))
}

/// The HTTP functions, and what calls the others.
fn wire(
    functions: Functions,
    orders: Arc<Queue>,
    feedback: Arc<Queue>,
    engine: &Engine,
) -> (Router, Arc<Worker>) {
    let worker = Worker::new(
        EventSource::new(orders, functions.orders),
        EventSource::new(feedback, functions.feedback),
        functions.mail,
        functions.holds,
        StreamSource::new(engine.stream(), functions.tally),
        functions.watch,
    );
    (functions.router, Arc::new(worker))
}

fn open_queue(
    data: &Data,
    folder: &str,
    name: &'static str,
    clock: &Clock,
) -> Result<Arc<Queue>, LocalError> {
    Queue::open(&data.path().join(folder), name, clock.clone()).map(Arc::new)
}

fn open_publisher(
    data: &Data,
    inbox: &Arc<Inbox>,
    feedback: &Arc<Queue>,
) -> Result<Arc<Publisher>, LocalError> {
    let path = data.path().join("published.json");
    Publisher::open(&path, Arc::clone(inbox), Arc::clone(feedback)).map(Arc::new)
}

/// Whether a stack runs on this directory, and if so where.
///
/// # Errors
/// [`LocalError::Data`] if the directory cannot be read.
pub fn find(path: &Path) -> Result<Found, LocalError> {
    data::find(path)
}

/// Opens the table of a directory on which no stack runs, for as long as the returned value lives.
///
/// # Errors
/// [`LocalError`], which says what to do about it.
pub async fn open_table(path: &Path) -> Result<OpenTable, LocalError> {
    let data = Data::open(&Place::Directory(path.to_owned()))?;
    let clock = Clock::default();
    clock.advance(data.clock_offset()?.unwrap_or_default());
    let engine = Engine::start(
        data.table().as_deref(),
        &data.stream(),
        &clock,
        (None, None),
    )?;
    let settings = settings::compose("", engine.url(), "", BTreeMap::new());
    prepare_table(&engine, settings.clone(), &clock).await?;
    Ok(OpenTable {
        quarantine: connect_quarantine(settings.clone())?,
        store: connect(settings)?,
        engine,
        clock,
        _data: data,
    })
}

/// The table of a directory on which no stack runs.
#[derive(Debug)]
pub struct OpenTable {
    store: Store,
    quarantine: Quarantine,
    engine: Engine,
    clock: Clock,
    _data: Data,
}

impl OpenTable {
    /// The stack's clock, which may have been moved.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The table.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Its quarantine.
    pub fn quarantine(&self) -> &Quarantine {
        &self.quarantine
    }

    /// Closes the table.
    pub async fn close(mut self) {
        self.engine.stop(STOP_PATIENCE).await;
    }
}

/// The environment of a function of the stack whose engine and stand-ins answer there.
pub fn settings_at(dynamodb_url: &str, aws_url: &str) -> BTreeMap<String, String> {
    settings::compose("", dynamodb_url, aws_url, BTreeMap::new())
}

/// Where the dead letters of orders are, among the stand-ins that answer at `aws_url`.
pub fn orders_dead_letters_url(aws_url: &str) -> String {
    settings::orders_dead_letters_url(aws_url)
}

/// The table of the stack whose engine answers at `dynamodb_url`.
///
/// # Errors
/// [`StartError`]; with these settings it does not happen.
pub fn table_at(dynamodb_url: &str) -> Result<Store, StartError> {
    connect(settings::compose("", dynamodb_url, "", BTreeMap::new()))
}

/// Makes the table and the two fixed keys, unless they are there.
async fn prepare_table(
    engine: &Engine,
    settings: BTreeMap<String, String>,
    clock: &Clock,
) -> Result<(), LocalError> {
    let mut direct = settings;
    direct.insert(
        "AWS_ENDPOINT_URL_DYNAMODB".to_owned(),
        engine.url().to_owned(),
    );
    let store = connect(direct.clone())?;
    store.create_table().await?;
    connect_quarantine(direct)?.create_table().await?;
    engine.delete_expired_items_of(settings::TABLE)?;
    for (text, scope) in [(ADMIN_KEY, Scope::Admin), (CHECKOUT_KEY, Scope::Checkout)] {
        let key = NewApiKey::given(text.to_owned(), text.to_owned(), scope, clock.now());
        store.put_api_key(&key.stored).await?;
    }
    Ok(())
}

fn connect_quarantine(settings: BTreeMap<String, String>) -> Result<Quarantine, StartError> {
    let env = Env::from_map(settings);
    Quarantine::connect(&env, &Aws::from_env(&env)?)
}

fn connect(settings: BTreeMap<String, String>) -> Result<Store, StartError> {
    let env = Env::from_map(settings);
    Store::connect(&env, &Aws::from_env(&env)?)
}

fn local_routes(inbox: Arc<Inbox>, url: &str, control: Arc<Control>) -> Router {
    edge::finish(pages::router(inbox, url).merge(control::router(control)))
}

fn bind_public(port: u16) -> Result<TcpListener, LocalError> {
    bind(port).map_err(|cause| LocalError::Port { port, cause })
}

/// A loopback port for what only the stack's own parts call, and where it is.
fn bind_private() -> std::io::Result<(TcpListener, String)> {
    let listener = bind(0)?;
    let url = url_of(&listener)?;
    Ok((listener, url))
}

/// A listener on loopback. Connections have from it to send what they have at once: else an answer of several parts waits 40 ms
/// for its reader to acknowledge the first.
fn bind(port: u16) -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_nodelay(true)?;
    socket.set_reuseaddr(true)?;
    socket.bind((Ipv4Addr::LOCALHOST, port).into())?;
    socket.listen(BACKLOG)
}

fn url_of(listener: &TcpListener) -> std::io::Result<String> {
    Ok(format!("http://{}", listener.local_addr()?))
}

async fn serve(listener: TcpListener, router: Router, mut stopped: watch::Receiver<bool>) {
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let stop = async move {
        // An error means that the sender is gone, and the stack with it.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    };
    let served = axum::serve(listener, service)
        .with_graceful_shutdown(stop)
        .await;
    if let Err(error) = served {
        tracing::error!(%error, "a loopback server ended");
    }
}

#[cfg(test)]
mod tests;
