//! `/local/clock`: moves the stack's clock, and does the work that falls due.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
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

    /// Handles what is queued under the old time, moves the clock, and works until nothing is due and the queue is empty.
    async fn advance(&self, by: TimeDelta) -> Result<(), Problem> {
        self.worker
            .settle()
            .await
            .map_err(|error| Problem::unavailable(&error))?;
        let offset = self.clock.offset() + by;
        if offset > MAX_OFFSET {
            let why = "the clock runs at most 100 years ahead; start on other data to begin anew";
            return Err(Problem::invalid_body(vec![FieldError::new(
                "/advance", why,
            )]));
        }
        // Kept first: a stack that dies in between starts again under the new time.
        self.data
            .keep_clock_offset(offset)
            .map_err(|error| Problem::unavailable(&error))?;
        self.clock.advance(by);
        self.worker
            .settle()
            .await
            .map_err(|error| Problem::unavailable(&error))
    }
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
    control.worker.alone(control.advance(by)).await?;
    Ok(Body(control.time()))
}
