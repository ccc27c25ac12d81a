//! The Lambda `redeem-code`.

use lambda_http::{Error, run};
use shared::{
    clock::Clock,
    env::{Env, StartError},
    http::edge,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    shared::log::init();
    let state = redeem_code::State::load(&Env::process(), Clock::default())
        .await
        .map_err(StartError::logged)?;
    run(edge::finish(redeem_code::router(state))).await
}
