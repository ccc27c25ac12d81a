//! `DynamoDB`: the embedded engine, on a thread of its own so that its disk writes hold up nobody else.

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use dynoxide::Database;
use dynoxide::actions::update_time_to_live::{TimeToLiveSpecification, UpdateTimeToLiveRequest};
use shared::clock::Clock;
use shared::store::schema;
use tokio::sync::oneshot;

use super::access::{self, Access};
use super::meter::{self, Meter};
use super::stream::{self, Stream};
use super::{LocalError, bind_private};

/// How often expired items are deleted. AWS takes up to days; nothing may depend on it.
const SWEEP_EVERY: Duration = Duration::from_mins(1);

/// The running engine.
pub(super) struct Engine {
    url: String,
    stream: Arc<Stream>,
    database: Option<Database>,
    stop: Option<oneshot::Sender<()>>,
    ended: Option<oneshot::Receiver<()>>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Engine({})", self.url)
    }
}

impl Engine {
    /// Opens the file, or a database in memory, and answers on a free loopback port.
    ///
    /// `SQLite` commits to its write-ahead log with `synchronous = FULL` before the engine answers, so an answered write
    /// survives the death of the process and of the machine. Items on file expire by the machine's clock (the engine takes
    /// another only in memory), so they may be deleted later than the stack's clock says, never earlier.
    /// What is written to redemptions and mails is named in `stream` until it was counted. `access` judges what functions ask, `meter` counts what
    /// everybody does.
    pub(super) fn start(
        file: Option<&Path>,
        stream: &Path,
        clock: &Clock,
        (access, meter): (Option<Access>, Option<Meter>),
    ) -> Result<Self, LocalError> {
        let failed = |error: &dyn std::fmt::Display| LocalError::Engine(error.to_string());
        let database = match file {
            Some(path) => Database::new(&path.to_string_lossy())
                .map_err(|error| LocalError::data(path, error))?,
            None => Database::memory_with_clock(Arc::new(StackClock(clock.clone())))
                .map_err(|error| failed(&error))?,
        };
        let stream = Arc::new(Stream::open(stream, database.clone())?);
        let (front, url) = bind_private()?;
        let (inner, inner_url) = bind_private()?;
        let inner_url = inner_url.parse().map_err(|error| failed(&error))?;
        let router = meter::metered(stream::front(inner_url, Arc::clone(&stream)), meter);
        let router = access::judged(router, access);
        // From here on they belong to the engine's own thread.
        let (front, inner) = (front.into_std()?, inner.into_std()?);
        let (stop, stopped) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let served = database.clone();
        std::thread::Builder::new()
            .name("dynamodb".to_owned())
            .spawn(move || {
                let ends = (front, router, inner);
                if let Err(error) = runtime.block_on(serve(ends, served, stopped)) {
                    tracing::error!(error, "the embedded engine ended");
                }
                drop(runtime);
                // Nobody waits any more if the stack was dropped.
                let _ = end.send(());
            })?;
        Ok(Self {
            url,
            stream,
            database: Some(database),
            stop: Some(stop),
            ended: Some(ended),
        })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// What is written to the table.
    pub(super) fn stream(&self) -> Arc<Stream> {
        Arc::clone(&self.stream)
    }

    /// Has expired items of this table deleted from now on.
    pub(super) fn delete_expired_items_of(&self, table: &str) -> Result<(), LocalError> {
        let Some(database) = &self.database else {
            return Ok(());
        };
        let request = UpdateTimeToLiveRequest {
            table_name: table.to_owned(),
            time_to_live_specification: TimeToLiveSpecification {
                attribute_name: schema::TTL.to_owned(),
                enabled: true,
            },
        };
        let described = database.update_time_to_live(request);
        described
            .map(drop)
            .map_err(|error| LocalError::Engine(error.to_string()))
    }

    /// Lets requests already begun finish, then closes the file.
    pub(super) async fn stop(&mut self, patience: Duration) {
        self.database = None;
        self.stream.close();
        // Dropping the sender stops the server too.
        self.stop = None;
        if let Some(ended) = self.ended.take()
            && tokio::time::timeout(patience, ended).await.is_err()
        {
            tracing::warn!("the embedded engine is still answering; what it has answered is kept");
        }
    }
}

/// Answers at the first listener by passing on to the engine at the second.
async fn serve(
    (front, router, inner): (TcpListener, Router, TcpListener),
    database: Database,
    stopped: oneshot::Receiver<()>,
) -> Result<(), String> {
    let asynchronous = |listener| {
        tokio::net::TcpListener::from_std(listener)
            .map_err(|error: std::io::Error| error.to_string())
    };
    let (front, inner) = (asynchronous(front)?, asynchronous(inner)?);
    tokio::spawn(sweep(database.clone()));
    let (stop_engine, engine_stopped) = oneshot::channel::<()>();
    let engine = tokio::spawn(dynoxide::server::serve_with_shutdown(
        inner,
        database,
        ended(engine_stopped),
    ));
    let served = axum::serve(front, router).with_graceful_shutdown(ended(stopped));
    let served = served.await.map_err(|error| error.to_string());
    drop(stop_engine);
    engine.await.map_err(|error| error.to_string())??;
    served
}

/// Ends when the sender is gone, which is how the stack says stop.
async fn ended(stopped: oneshot::Receiver<()>) {
    let _ = stopped.await;
}

async fn sweep(database: Database) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        let database = database.clone();
        let swept = tokio::task::spawn_blocking(move || database.sweep_ttl());
        if let Ok(Err(error)) = swept.await {
            tracing::warn!(%error, "expired items could not be deleted");
        }
    }
}

/// The stack's clock as the engine reads it.
struct StackClock(Clock);

impl dynoxide::storage_backend::Clock for StackClock {
    fn now_unix_secs(&self) -> u64 {
        u64::try_from(self.0.now().timestamp()).unwrap_or_default()
    }

    fn now_unix_secs_f64(&self) -> f64 {
        Duration::from_secs(self.now_unix_secs()).as_secs_f64()
    }
}
