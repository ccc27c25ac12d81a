//! The `okaeri` command as a binary of this package, so that tests can start it, and kill it; by another name of its own, the
//! function `redeem-code`, so that tests can start it many times; by a third, a stack whose requests a test can watch.

use std::error::Error;
use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;
use integration::{fleet, points};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    if std::env::args().nth(1).as_deref() == Some(fleet::REDEEM_CODE) {
        return fleet::serve_redeem_code().await.map(|()| ExitCode::SUCCESS);
    }
    if let [_, name, directory, through] = &std::env::args().collect::<Vec<_>>()[..]
        && name == points::STACK
    {
        let stack = points::serve_stack(directory.into(), through.clone());
        return stack.await.map(|()| ExitCode::SUCCESS);
    }
    match okaeri::run(okaeri::Args::parse()).await {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => {
            writeln!(std::io::stderr(), "okaeri: {error}")?;
            Ok(ExitCode::from(error.exit_code()))
        }
    }
}
