//! What can be typed behind `okaeri bench`.

use std::path::PathBuf;

use clap::Parser;

/// Puts a load on a stack of its own, in memory and on loopback, and says what it took; nothing of it stays.
#[derive(Debug, Parser)]
pub(crate) struct Bench {
    #[command(flatten)]
    pub(crate) load: Loads,
    /// How long the load lasts
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) seconds: u64,
    /// How many callers there are, each with one request at a time
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) concurrency: u32,
    /// Shards of the budget of `--hot`
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) shards: u8,
    /// With `--flat`, go up to so many minted codes
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub(crate) most_codes: u64,
    /// With `--flat`, go up to so many earlier redemptions
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub(crate) most_redemptions: u64,
    /// With `--flat`, draw the figures into this SVG file too
    #[arg(long, value_name = "FILE", conflicts_with_all = ["redeem", "mixed", "hot"])]
    pub(crate) plot: Option<PathBuf>,
}

/// Which load.
#[derive(Debug, Parser)]
#[group(required = true, multiple = false)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "flags of which clap takes exactly one"
)]
pub(crate) struct Loads {
    /// Redeem single-use codes
    #[arg(long)]
    pub(crate) redeem: bool,
    /// Quotes, redemptions, holds, confirmations, cancellations and returns
    #[arg(long)]
    pub(crate) mixed: bool,
    /// Redeem one group code with a budget
    #[arg(long)]
    pub(crate) hot: bool,
    /// What a redemption asks of the table, with more and more codes minted and redeemed before
    #[arg(long)]
    pub(crate) flat: bool,
}
