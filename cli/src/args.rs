//! What can be typed.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use shared::domain::code::{PromotionId, Serial};

use crate::local;

mod bench;
mod orders;

pub(crate) use bench::Bench;
pub(crate) use orders::{ForgetOrders, Quarantine, QuarantineTarget, Redrive, Replay};

/// Promotion codes and thank-you mail for your own shop.
#[derive(Debug, Parser)]
#[command(name = "okaeri", version, args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// Without a command, those of `local`.
    #[command(flatten)]
    pub(crate) local: Local,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run everything on this machine (the default)
    Local(Local),
    /// Make, list and revoke API keys
    #[command(subcommand)]
    Keys(Keys),
    /// Mint, export and void codes in bulk
    #[command(subcommand)]
    Codes(Codes),
    /// Compare all books with the orders' records, and repair them; or check a deployed stack
    Doctor(Doctor),
    /// Work with orders
    #[command(subcommand)]
    Orders(Orders),
    /// See whether mails go out, and let them
    #[command(subcommand)]
    Mail(Mail),
    /// Work with statistics
    #[command(subcommand)]
    Stats(Stats),
    /// Put a load on a stack in memory, and say what it took and asked of the table
    Bench(Bench),
    /// Print the OpenAPI document of all HTTP functions
    Openapi,
}

#[derive(Debug, Parser)]
pub(crate) struct Local {
    /// Port on 127.0.0.1; 0 takes any free one
    #[arg(long, default_value_t = local::DEFAULT_PORT)]
    pub(crate) port: u16,
    /// Directory that keeps the data
    #[arg(long, value_name = "DIR", default_value = DATA, conflicts_with = "memory")]
    pub(crate) data: PathBuf,
    /// Keep nothing: all data is gone when the stack stops
    #[arg(long)]
    pub(crate) memory: bool,
    /// Fill it with a month of made-up trade first; only where there is no data yet
    #[arg(long)]
    pub(crate) demo: bool,
    /// What decides on all that happens in the demo: the same number, the same figures
    #[arg(long, value_name = "N", requires = "demo", default_value_t = local::demo::DEFAULT_SEED)]
    pub(crate) seed: u64,
    /// Mails a second the SES stand-in takes
    #[arg(long, value_name = "N", default_value_t = local::DEFAULT_SES_RATE)]
    pub(crate) ses_rate: u32,
    /// Mails a day the SES stand-in takes
    #[arg(long, value_name = "N", default_value_t = local::DEFAULT_SES_QUOTA)]
    pub(crate) ses_quota: u64,
}

/// Where the local stack keeps its data unless told otherwise. Source: design.md §9.
const DATA: &str = ".okaeri";

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Make a key; it is shown once
    Create {
        /// What staff call it
        #[arg(long)]
        name: String,
        /// What it may do
        #[arg(long)]
        scope: Scope,
        #[command(flatten)]
        target: Target,
    },
    /// List all keys; the keys themselves are kept nowhere
    List {
        #[command(flatten)]
        target: Target,
    },
    /// Make a key useless, within a minute
    Revoke {
        /// The key's name, or the beginning of its digest as `keys list` shows it
        key: String,
        #[command(flatten)]
        target: Target,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Scope {
    /// Everything
    Admin,
    /// Quotes and redemptions
    Checkout,
}

/// Whose table: a local stack's, running or not, or a deployment's.
#[derive(Debug, Parser)]
pub(crate) struct Target {
    /// Data directory of a local stack
    #[arg(long, value_name = "DIR", default_value = DATA, conflicts_with = "table")]
    pub(crate) data: PathBuf,
    /// Table of a deployment; region and credentials come from the environment
    #[arg(long, value_name = "NAME")]
    pub(crate) table: Option<String>,
}

/// Each can be interrupted at any moment: the same command again goes on where it ended.
#[derive(Debug, Subcommand)]
pub(crate) enum Codes {
    /// Mint single-use codes; begun again after an interruption, it never mints twice
    Mint(Mint),
    /// Write the codes and what became of each as CSV
    Export(Export),
    /// Take codes back for good
    Void(Void),
}

/// Which stack to call. The admin key comes from the environment variable `OKAERI_API_KEY`; a local stack's own needs none.
#[derive(Debug, Parser)]
pub(crate) struct Api {
    /// Address of the API (`ApiUrl` of a deployment), if not the local stack running on `--data`
    #[arg(long)]
    pub(crate) url: Option<String>,
    /// Data directory of the local stack
    #[arg(long, value_name = "DIR", default_value = DATA)]
    pub(crate) data: PathBuf,
    /// How long to go on trying while the stack is unreachable, busy or failing
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    pub(crate) retry_for: u32,
}

#[derive(Debug, Parser)]
pub(crate) struct Mint {
    /// The promotion's id
    #[arg(long, value_name = "ID", value_parser = promotion_id)]
    pub(crate) promotion: PromotionId,
    /// How many codes
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=Serial::BATCH_END))]
    pub(crate) count: u64,
    /// Where they will be handed out, such as `ad/google-nov`
    #[arg(long)]
    pub(crate) channel: Option<String>,
    /// Split them into batches of at most so many; else they are one batch
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=Serial::BATCH_END))]
    pub(crate) batch_size: Option<u64>,
    /// Write them to this CSV file too; it must not exist
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Where progress is kept until all is done; `FILE.state` beside `--out`, or `okaeri-mint-ID.state` here, unless given
    #[arg(long, value_name = "FILE")]
    pub(crate) resume: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) api: Api,
}

#[derive(Debug, Parser)]
pub(crate) struct Export {
    /// The promotion's id
    #[arg(long, value_name = "ID", value_parser = promotion_id)]
    pub(crate) promotion: PromotionId,
    /// Only this batch
    #[arg(long, value_name = "ID")]
    pub(crate) batch: Option<String>,
    /// The CSV file to write, which must not exist; `-` is standard output, which cannot be resumed
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) api: Api,
}

#[derive(Debug, Parser)]
pub(crate) struct Void {
    /// The promotion's id; codes of others are left alone
    #[arg(long, value_name = "ID", value_parser = promotion_id)]
    pub(crate) promotion: PromotionId,
    /// A list of codes, one to a line, or CSV with the code first; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) from: PathBuf,
    /// Change nothing, only say what would be voided
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) api: Api,
}

/// Reads a promotion's id as forgivingly as a code.
fn promotion_id(text: &str) -> Result<PromotionId, String> {
    PromotionId::try_from(text.trim().to_ascii_uppercase()).map_err(|error| error.to_string())
}

#[derive(Debug, Subcommand)]
pub(crate) enum Mail {
    /// What stops all mail, since when and why, and how many bounced or were complained of
    Status {
        #[command(flatten)]
        target: Target,
    },
    /// End a pause for bounces or complaints; what was counted until now counts no more
    Resume {
        /// Why it is right to send again; kept with the time and `--by`
        #[arg(long, value_parser = note)]
        reason: String,
        /// Who says so; `$USER` unless given
        #[arg(long, value_name = "NAME", value_parser = note)]
        by: Option<String>,
        #[command(flatten)]
        target: Target,
    },
}

/// Longest note, in characters. Ours.
const MAX_NOTE_CHARS: usize = 200;

/// A line that says something.
fn note(text: &str) -> Result<String, String> {
    let text = text.trim();
    let fits = (1..=MAX_NOTE_CHARS).contains(&text.chars().count());
    if fits && !text.contains(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err(format!("one line of 1 to {MAX_NOTE_CHARS} characters"))
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Stats {
    /// Make all sums say what the orders' records and mails do; it may run beside the shop's trade, and again
    Rebuild(Rebuild),
}

#[derive(Debug, Parser)]
pub(crate) struct Rebuild {
    /// The shop's time zone (`TimeZone` of the deployment); a local stack's is Asia/Tokyo
    #[arg(long, value_name = "ZONE")]
    pub(crate) time_zone: Option<chrono_tz::Tz>,
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(Debug, Parser)]
pub(crate) struct Doctor {
    /// Check this CloudFormation stack instead: mail, queues, secrets, table, alarms, clock, API, keys; nothing is written
    #[arg(long, value_name = "NAME", conflicts_with_all = ["repair", "table", "data"])]
    pub(crate) stack: Option<String>,
    /// Set right what can be set right without guessing; without it nothing is written
    #[arg(long)]
    pub(crate) repair: bool,
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Orders {
    /// Send a correctly signed sample webhook to the local stack
    Send(SendOrder),
    /// Send the events of a file to the orders queue
    Replay(Replay),
    /// Send the dead letters of orders again
    Redrive(Redrive),
    /// Delete the dead letters and quarantined webhooks that name a person
    Forget(ForgetOrders),
    /// Look at signed webhooks that could not be used, and read them again
    #[command(subcommand)]
    Quarantine(Quarantine),
}

#[derive(Debug, Parser)]
pub(crate) struct SendOrder {
    /// Whose webhook to send
    #[arg(long)]
    pub(crate) provider: Provider,
    /// The buyer's address
    #[arg(long)]
    pub(crate) email: String,
    /// The buyer's language
    #[arg(long, default_value = "ja")]
    pub(crate) locale: Locale,
    /// The buyer did not agree to mails
    #[arg(long)]
    pub(crate) no_consent: bool,
    /// The order's id; a new one unless given. Send the same twice to see that it counts once
    #[arg(long)]
    pub(crate) order_id: Option<String>,
    /// Address of the local stack, if not the one running on `--data`
    #[arg(long)]
    pub(crate) url: Option<String>,
    /// Data directory of the local stack
    #[arg(long, value_name = "DIR", default_value = DATA)]
    pub(crate) data: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Provider {
    /// Standard Webhooks: your own shop
    Standard,
    /// Shopify
    Shopify,
    /// WooCommerce
    Woocommerce,
    /// Stripe
    Stripe,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Locale {
    /// Japanese
    Ja,
    /// English
    En,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definitions_hold_together_and_options_alone_are_those_of_local() {
        Args::command().debug_assert();
        let args = Args::parse_from(["okaeri", "--port", "9000"]);
        assert!(args.command.is_none());
        assert_eq!((args.local.port, args.local.memory), (9000, false));
        assert_eq!(Args::parse_from(["okaeri"]).local.port, local::DEFAULT_PORT);
        assert!(Args::try_parse_from(["okaeri", "--port", "1", "keys", "list"]).is_err());
    }

    #[test]
    fn a_count_no_promotion_can_have_and_an_id_no_promotion_has_are_refused_at_once() {
        let mint = |id: &str, count: &str| {
            Args::try_parse_from([
                "okaeri",
                "codes",
                "mint",
                "--promotion",
                id,
                "--count",
                count,
            ])
        };
        assert!(mint("6f1z", "17179869184").is_ok());
        assert!(mint("6F1Z", "17179869185").is_err());
        assert!(mint("6F1Z", "0").is_err());
        assert!(mint("../x", "1").is_err());
    }

    #[test]
    fn memory_and_a_data_directory_exclude_each_other_and_a_seed_is_for_the_demo() {
        assert!(Args::try_parse_from(["okaeri", "--seed", "1"]).is_err());
        assert!(Args::try_parse_from(["okaeri", "--demo", "--seed", "1"]).is_ok());
        assert!(Args::try_parse_from(["okaeri", "local", "--memory", "--data", "x"]).is_err());
        assert!(Args::try_parse_from(["okaeri", "local", "--memory"]).is_ok());
    }
}
