//! What can be typed after `okaeri orders`, for orders that were lost on the way.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use shared::domain::identity::Email;

use super::DATA;

#[derive(Debug, Parser)]
pub(crate) struct Replay {
    /// Order events as JSON: one, an array, one to a line, or the event of a Lambda function with `Records`
    pub(crate) file: PathBuf,
    /// Leave out so many events at its beginning
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) skip: usize,
    /// Orders queue of a deployment (`OrdersQueueUrl`), if not the local stack's running on `--data`
    #[arg(long, value_name = "URL", conflicts_with = "data")]
    pub(crate) queue_url: Option<String>,
    /// Data directory of the local stack
    #[arg(long, value_name = "DIR", default_value = DATA)]
    pub(crate) data: PathBuf,
}

#[derive(Debug, Parser)]
pub(crate) struct Redrive {
    /// Dead letters of a deployment (`OrdersDeadLettersUrl`), if not the local stack's running on `--data`
    #[arg(
        long,
        value_name = "URL",
        conflicts_with = "data",
        requires = "queue_url"
    )]
    pub(crate) dead_letters_url: Option<String>,
    /// Its orders queue (`OrdersQueueUrl`)
    #[arg(long, value_name = "URL", requires = "dead_letters_url")]
    pub(crate) queue_url: Option<String>,
    /// Data directory of the local stack
    #[arg(long, value_name = "DIR", default_value = DATA)]
    pub(crate) data: PathBuf,
}

#[derive(Debug, Parser)]
pub(crate) struct ForgetOrders {
    /// The person's address, in any of its spellings
    #[arg(long, value_parser = address)]
    pub(crate) email: Email,
    /// Dead letters of a deployment (`OrdersDeadLettersUrl`), if not the local stack's running on `--data`; may be given again
    #[arg(
        long,
        value_name = "URL",
        conflicts_with = "data",
        requires = "quarantine_table"
    )]
    pub(crate) dead_letters_url: Vec<String>,
    /// Its quarantine (`QuarantineTableName`)
    #[arg(long, value_name = "NAME", requires = "dead_letters_url")]
    pub(crate) quarantine_table: Option<String>,
    /// Data directory of the local stack
    #[arg(long, value_name = "DIR", default_value = DATA)]
    pub(crate) data: PathBuf,
}

fn address(text: &str) -> Result<Email, String> {
    Email::try_from(text.to_owned()).map_err(|_| "this is no address".to_owned())
}

#[derive(Debug, Subcommand)]
pub(crate) enum Quarantine {
    /// List them: name, time, sender and reason
    List {
        #[command(flatten)]
        target: QuarantineTarget,
    },
    /// Show one
    Show {
        /// Its name
        id: String,
        /// Show its body too, which may hold addresses and names
        #[arg(long)]
        show_body: bool,
        #[command(flatten)]
        target: QuarantineTarget,
    },
    /// Read them again, send those that can be used now to the orders queue, and delete these
    Redrive {
        /// Their names
        #[arg(required_unless_present = "all")]
        ids: Vec<String>,
        /// All of them
        #[arg(long, conflicts_with = "ids")]
        all: bool,
        /// Orders queue of the deployment (`OrdersQueueUrl`)
        #[arg(long, value_name = "URL", requires = "table")]
        queue_url: Option<String>,
        /// Webhook secrets of the deployment (`WebhookSecretsArn`), which also say how the shop's orders are read
        #[arg(long, value_name = "ARN", requires = "table")]
        webhook_secrets: Option<String>,
        #[command(flatten)]
        target: QuarantineTarget,
    },
    /// Delete them for good
    Delete {
        /// Their names
        #[arg(required = true)]
        ids: Vec<String>,
        #[command(flatten)]
        target: QuarantineTarget,
    },
}

/// Whose quarantine: a local stack's, running or not, or a deployment's.
#[derive(Debug, Parser)]
pub(crate) struct QuarantineTarget {
    /// Data directory of a local stack
    #[arg(long, value_name = "DIR", default_value = DATA, conflicts_with = "table")]
    pub(crate) data: PathBuf,
    /// Quarantine table of a deployment (`QuarantineTableName`); region and credentials come from the environment
    #[arg(long, value_name = "NAME")]
    pub(crate) table: Option<String>,
}
