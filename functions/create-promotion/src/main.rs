//! The Lambda `create-promotion`.

use lambda_http::{Error, run};
use shared::{
    clock::Clock,
    env::{Env, StartError},
    http::edge,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    shared::log::init();
    let state = create_promotion::State::load(&Env::process(), Clock::default())
        .await
        .map_err(StartError::logged)?;
    run(edge::finish(create_promotion::router(state))).await
}
