//! The Lambda function `console`.

use console::{State, router};
use shared::clock::Clock;
use shared::env::{Env, StartError};
use shared::http::edge;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    shared::log::init();
    let state = State::load(&Env::process(), Clock::default())
        .await
        .map_err(StartError::logged)?;
    lambda_http::run(edge::finish(router(state))).await
}
