//! The `okaeri` command as a binary of this package, so that tests can start it, and kill it.

use clap::Parser;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), okaeri::CliError> {
    okaeri::run(okaeri::Args::parse()).await
}
