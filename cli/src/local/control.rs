//! `/local/clock`: moves the stack's clock, and does the work that falls due.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use shared::clock::Clock;
use shared::domain::period::Period;
use shared::http::{Body, FieldError, Problem};

use super::data::Data;
use super::worker::Worker;

/// How far the clock may run ahead in all; beyond it, dates leave the range some formats have.
const MAX_OFFSET: TimeDelta = TimeDelta::days(36_525);

/// Who moves the clock.
pub(super) struct Control {
    clock: Clock,
    data: Arc<Data>,
    worker: Arc<Worker>,
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control")
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance: Period,
}

/// The stack's time.
#[derive(Serialize)]
struct Time {
    now: DateTime<Utc>,
    /// How far it runs ahead of the machine's clock.
    offset_seconds: i64,
}

impl Control {
    pub(super) fn new(clock: Clock, data: Arc<Data>, worker: Arc<Worker>) -> Self {
        Self {
            clock,
            data,
            worker,
        }
    }

    fn time(&self) -> Time {
        Time {
            now: self.clock.now(),
            offset_seconds: self.clock.offset().num_seconds(),
        }
    }

    /// Moves the clock while neither event sources nor schedule run.
    pub(super) async fn move_by(&self, by: TimeDelta) -> Result<(), Problem> {
        Box::pin(self.worker.alone(self.advance(by))).await
    }

    /// The same for who knows that nothing but queued events waits under the old time.
    pub(super) async fn leap_by(&self, by: TimeDelta) -> Result<(), Problem> {
        let leap = async {
            self.worker.hand_over().await;
            self.go_on(by).await
        };
        Box::pin(self.worker.alone(leap)).await
    }

    /// Handles what is queued under the old time, moves the clock, and works until nothing is due and the queue is empty.
    async fn advance(&self, by: TimeDelta) -> Result<(), Problem> {
        self.settle("The clock was not moved.").await?;
        self.go_on(by).await
    }

    /// Moves the clock, and works until nothing is due and the queues are empty.
    async fn go_on(&self, by: TimeDelta) -> Result<(), Problem> {
        let offset = self.clock.offset() + by;
        if offset > MAX_OFFSET {
            let why = "the clock runs at most 100 years ahead; start on other data to begin anew";
            return Err(Problem::invalid_body(vec![FieldError::new(
                "/advance", why,
            )]));
        }
        // Kept first: a stack that dies in between starts again under the new time.
        let kept = self.data.keep_clock_offset(offset);
        kept.map_err(|error| failed(&error, "The clock was not moved."))?;
        self.clock.advance(by);
        self.settle("The clock was moved; what is due goes on being tried every second.")
            .await
    }

    async fn settle(&self, state: &str) -> Result<(), Problem> {
        self.worker
            .settle()
            .await
            .map_err(|error| failed(&error, state))
    }
}

fn failed(cause: &dyn std::fmt::Display, state: &str) -> Problem {
    tracing::error!(%cause, "the work that was due could not be done");
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "unavailable",
        "Temporarily unavailable",
    )
    .detail(format!(
        "{state} The stack's log says what failed; GET /local/clock tells the time."
    ))
}

/// The routes, relative to `/local`.
pub(super) fn router(control: Arc<Control>) -> Router {
    Router::new()
        .route("/clock", get(read).post(advance))
        .with_state(control)
}

async fn read(State(control): State<Arc<Control>>) -> Body<Time> {
    Body(control.time())
}

async fn advance(
    State(control): State<Arc<Control>>,
    Body(request): Body<Advance>,
) -> Result<Body<Time>, Problem> {
    let by = request.advance.as_delta();
    let mover = Arc::clone(&control);
    // A task of its own: a caller who hangs up must not leave messages half-handled.
    let moved = tokio::spawn(async move { mover.move_by(by).await });
    moved
        .await
        .map_err(|error| Problem::unavailable(&error))??;
    Ok(Body(control.time()))
}
