//! The Lambda function `tally`.

use aws_lambda_events::event::dynamodb::Event;
use lambda_runtime::{LambdaEvent, service_fn};
use shared::clock::Clock;
use shared::env::{Env, StartError};
use tally::{State, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    shared::log::init();
    let state = &State::load(&Env::process(), Clock::default())
        .await
        .map_err(StartError::logged)?;
    // Boxed, or the compiler gives up on the size of all that is nested in it.
    let serve = async move |event: LambdaEvent<Event>| Box::pin(handle(state, event.payload)).await;
    lambda_runtime::run(service_fn(serve)).await
}
