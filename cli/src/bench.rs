//! `okaeri bench`: a load on a stack of its own, in memory, that says what each call took and asked of the table.

mod flat;
mod load;
mod plot;
mod shop;
mod times;

use crate::args::Bench;
use crate::local::{self, Meter, Options, Place};
use crate::{CliError, Said};
use shop::Shop;

/// Runs the load, then stops the stack.
pub(crate) async fn run(args: Bench) -> Said {
    crate::run_local::log_to_standard_error();
    let meter = Meter::default();
    let stack = local::start(Options {
        port: 0,
        place: Place::Memory,
        meter: Some(meter.clone()),
        ..Options::default()
    })
    .await?;
    let shop = Shop::new(stack.url(), meter)?;
    let said = if args.load.flat {
        flat::run(&shop, &args).await
    } else {
        load::run(&shop, &args).await
    };
    stack.stop().await;
    said
}

/// How this program was built: figures of a debug build say nothing about a release.
fn build() -> &'static str {
    if cfg!(debug_assertions) {
        "a debug build"
    } else {
        "a release build"
    }
}

fn told(text: impl Into<String>) -> CliError {
    CliError::Told(text.into())
}
