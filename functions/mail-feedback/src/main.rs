//! The Lambda function `mail-feedback`.

use aws_lambda_events::event::sqs::SqsEvent;
use lambda_runtime::{LambdaEvent, service_fn};
use mail_feedback::{State, handle};
use shared::clock::Clock;
use shared::env::{Env, StartError};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    shared::log::init();
    let state = &State::load(&Env::process(), Clock::default())
        .await
        .map_err(StartError::logged)?;
    let serve = async move |event: LambdaEvent<SqsEvent>| handle(state, event.payload).await;
    lambda_runtime::run(service_fn(serve)).await
}
