//! The table a command works on: a local stack's, running or not, or a deployment's.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use shared::aws::Aws;
use shared::clock::Clock;
use shared::env::{Env, StartError};
use shared::store::Store;

use crate::CliError;
use crate::args::Target;
use crate::local::{self, Found, OpenTable};
use crate::orders;

/// The environment variables that say who calls AWS, and where it is.
const AWS_VARIABLES: [&str; 8] = [
    "AWS_REGION",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_DYNAMODB",
    "AWS_ENDPOINT_URL_SECRETS_MANAGER",
    "AWS_ENDPOINT_URL_SQS",
];

/// A table, however it is reached.
pub(crate) enum Table {
    Reached(Store),
    /// … and where the stack answers that runs on it.
    Running(Store, String),
    Opened(OpenTable),
}

impl Table {
    /// Opens a deployment's table, or a local stack's, whether it runs or not.
    pub(crate) async fn open(target: &Target) -> Result<Self, CliError> {
        if let Some(name) = &target.table {
            return deployed(name).map(Self::Reached);
        }
        match local::find(&target.data)? {
            Found::Running {
                url, dynamodb_url, ..
            } => Ok(Self::Running(local::table_at(&dynamodb_url)?, url)),
            Found::Stopped => Ok(Self::Opened(local::open_table(&target.data).await?)),
            Found::Nothing => Err(CliError::Told(format!(
                "There is no local stack's data in {}.\nStart one with `cargo run -p okaeri`, name its data with --data DIR, or a deployment's table with --table NAME.",
                target.data.display()
            ))),
        }
    }

    pub(crate) fn store(&self) -> &Store {
        match self {
            Self::Reached(store) | Self::Running(store, _) => store,
            Self::Opened(table) => table.store(),
        }
    }

    /// The time by which its functions work: a local stack's clock may have been moved.
    pub(crate) async fn now(&self) -> Result<DateTime<Utc>, CliError> {
        match self {
            Self::Reached(_) => Ok(Clock::default().now()),
            Self::Running(_, url) => orders::stack_time(url).await,
            Self::Opened(table) => Ok(table.clock().now()),
        }
    }

    pub(crate) async fn close(self) {
        match self {
            Self::Reached(_) | Self::Running(..) => {}
            Self::Opened(table) => table.close().await,
        }
    }
}

/// A deployment's table.
fn deployed(name: &str) -> Result<Store, CliError> {
    let env = deployed_env([("TABLE_NAME", name)]);
    let store = Aws::from_env(&env).and_then(|aws| Store::connect(&env, &aws));
    store.map_err(|error| unreachable(&error))
}

/// The environment of a deployment's function: who calls and where, from this process's own, and `settings`.
pub(crate) fn deployed_env<'a>(settings: impl IntoIterator<Item = (&'a str, &'a str)>) -> Env {
    let set = |variable: &str| {
        std::env::var(variable)
            .ok()
            .map(|value| (variable.to_owned(), value))
    };
    let mut variables: BTreeMap<String, String> =
        AWS_VARIABLES.into_iter().filter_map(set).collect();
    if let Some((_, region)) = set("AWS_DEFAULT_REGION") {
        variables.entry("AWS_REGION".to_owned()).or_insert(region);
    }
    for (name, value) in settings {
        variables.insert(name.to_owned(), value.to_owned());
    }
    Env::from_map(variables)
}

/// Says what to do about a deployment that cannot be called.
pub(crate) fn unreachable(error: &StartError) -> CliError {
    CliError::Told(format!(
        "{error}.\nSet AWS_REGION, and load credentials into the environment: eval \"$(aws configure export-credentials --format env)\""
    ))
}
