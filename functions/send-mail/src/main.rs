//! The Lambda function `send-mail`.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use send_mail::{State, handle};
use shared::clock::Clock;
use shared::env::{Env, StartError};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    shared::log::init();
    let clock = Clock::default();
    let state = State::load(&Env::process(), clock.clone())
        .await
        .map_err(StartError::logged)?;
    let (state, clock) = (&state, &clock);
    run(service_fn(async |event: LambdaEvent<serde_json::Value>| {
        let left_ms = i64::try_from(event.context.deadline)? - clock.now().timestamp_millis();
        let budget = std::time::Duration::from_millis(u64::try_from(left_ms).unwrap_or(0));
        handle(state, budget).await
    }))
    .await
}
