//! The `okaeri` command as a binary of this package, so that tests can start it, and kill it; by another name of its own, the
//! function `redeem-code`, so that tests can start it many times.

use std::error::Error;

use clap::Parser;
use integration::fleet;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    if std::env::args().nth(1).as_deref() == Some(fleet::REDEEM_CODE) {
        return fleet::serve_redeem_code().await;
    }
    Ok(okaeri::run(okaeri::Args::parse()).await?)
}
