//! The Lambda function `watch`.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use shared::clock::Clock;
use shared::env::{Env, StartError};
use watch::{State, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    shared::log::init();
    let state = State::load(&Env::process(), Clock::default())
        .await
        .map_err(StartError::logged)?;
    let state = &state;
    run(service_fn(async |_: LambdaEvent<serde_json::Value>| {
        handle(state).await
    }))
    .await
}
