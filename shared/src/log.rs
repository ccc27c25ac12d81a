//! What functions log: a line for each event on standard output, as JSON where the function's log settings ask for that.
//!
//! As the runtime's own set-up does it, but for its filter language: the regular expressions behind that are a tenth of a
//! function's size, and a function that logs whole levels needs none.

use std::env;

use tracing_subscriber::filter::LevelFilter;

/// Begins to log, at the level that `AWS_LAMBDA_LOG_LEVEL` or `RUST_LOG` names (`info` unless one does), in the form that
/// `AWS_LAMBDA_LOG_FORMAT` names (`JSON` or text). Lambda sets the first and the last.
pub fn init() {
    let level = env::var("AWS_LAMBDA_LOG_LEVEL").or_else(|_| env::var("RUST_LOG"));
    let level = level.ok().and_then(|level| level.parse().ok());
    let lines = tracing_subscriber::fmt()
        .with_max_level(level.unwrap_or(LevelFilter::INFO))
        .with_ansi(false)
        .with_target(false)
        .without_time();
    let format = env::var("AWS_LAMBDA_LOG_FORMAT").unwrap_or_default();
    if format.eq_ignore_ascii_case("json") {
        lines.json().init();
    } else {
        lines.init();
    }
}
