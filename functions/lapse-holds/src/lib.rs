//! Ends the holds whose time is over and that no request has met yet.
//!
//! It runs each minute. Every lapse is one transaction under its own condition, so runs may overlap with each other and with
//! whatever the checkout does.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use shared::aws::Aws;
use shared::clock::Clock;
use shared::env::{Env, StartError};
use shared::store::Store;

/// Nothing is begun when less than this remains: a lapse is at most two requests to the table, each with a deadline of 2 s.
const RESERVE: Duration = Duration::from_secs(5);
/// Holds looked up at a time.
const PAGE: u16 = 100;

/// What a run needs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct State {
    store: Arc<Store>,
    clock: Clock,
}

impl State {
    /// Reads `TABLE_NAME` and prepares the client.
    ///
    /// # Errors
    /// [`StartError`] naming the variable that is missing.
    #[expect(
        clippy::unused_async,
        reason = "every function's state is loaded alike, and others fetch secrets"
    )]
    pub async fn load(env: &Env, clock: Clock) -> Result<Self, StartError> {
        let aws = Aws::from_env(env)?;
        let store = Arc::new(Store::connect(env, &aws)?);
        Ok(Self { store, clock })
    }
}

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Holds ended.
    pub lapsed: usize,
}

/// Ends overdue holds until there are none, or until less than 5 s of `budget` remain; the next run goes on.
///
/// # Errors
/// If the table does not answer; what was ended until then stays ended.
pub async fn handle(state: &State, budget: Duration) -> Result<Report, lambda_runtime::Error> {
    let started = Instant::now();
    let mut report = Report::default();
    loop {
        let before = report.lapsed;
        let now = state.clock.now();
        for order in state.store.overdue_holds(now, PAGE).await? {
            if budget.saturating_sub(started.elapsed()) < RESERVE {
                return Ok(report);
            }
            match state.store.lapse(&order, now).await {
                Ok(true) => report.lapsed += 1,
                Ok(false) => {}
                // A record that cannot be read must not keep the others.
                Err(error) => tracing::error!(%error, order.id = %order, "hold not ended"),
            }
        }
        if report.lapsed == before {
            return Ok(report);
        }
    }
}
