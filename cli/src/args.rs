//! What can be typed.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::local;

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
    /// Work with orders
    #[command(subcommand)]
    Orders(Orders),
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

/// Whose keys: a local stack's, running or not, or a deployment's.
#[derive(Debug, Parser)]
pub(crate) struct Target {
    /// Data directory of a local stack
    #[arg(long, value_name = "DIR", default_value = DATA, conflicts_with = "table")]
    pub(crate) data: PathBuf,
    /// Table of a deployment; region and credentials come from the environment
    #[arg(long, value_name = "NAME")]
    pub(crate) table: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Orders {
    /// Send a correctly signed sample webhook to the local stack
    Send(SendOrder),
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
    fn memory_and_a_data_directory_exclude_each_other() {
        assert!(Args::try_parse_from(["okaeri", "local", "--memory", "--data", "x"]).is_err());
        assert!(Args::try_parse_from(["okaeri", "local", "--memory"]).is_ok());
    }
}
