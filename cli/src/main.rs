//! The `okaeri` command.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;

#[tokio::main]
async fn main() -> ExitCode {
    match okaeri::run(okaeri::Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to tell it to if standard error is closed too.
            let _ = writeln!(std::io::stderr(), "okaeri: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
