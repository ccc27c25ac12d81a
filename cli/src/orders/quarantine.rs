//! `okaeri orders quarantine`: signed webhooks that could not be used, to look at, read again or delete.

use std::fmt::Write as _;

use shared::aws::Aws;
use shared::clock::Clock;
use shared::env::Env;
use shared::secrets::WebhookSecrets;
use shared::store::{Quarantine, Quarantined};

use super::queues::{queue, running};
use super::told;
use crate::args::{self, QuarantineTarget};
use crate::local::{self, Found, OpenTable};
use crate::table::{deployed_env, unreachable};
use crate::{CliError, Said};
use receive_order::quarantine::{ReprocessError, Reprocessed, reprocess};

/// Runs one of the quarantine commands.
pub(crate) async fn run(command: args::Quarantine) -> Said {
    match command {
        args::Quarantine::List { target } => {
            let place = Place::open(&target).await?;
            let said = list(place.quarantine()).await;
            place.close().await;
            said
        }
        args::Quarantine::Show {
            id,
            show_body,
            target,
        } => {
            let place = Place::open(&target).await?;
            let said = show(place.quarantine(), &id, show_body).await;
            place.close().await;
            said
        }
        args::Quarantine::Delete { ids, target } => {
            let place = Place::open(&target).await?;
            let said = delete(place.quarantine(), &ids).await;
            place.close().await;
            said
        }
        args::Quarantine::Redrive {
            ids,
            all,
            queue_url,
            webhook_secrets,
            target,
        } => {
            let env = redrive_env(&target, queue_url.as_deref(), webhook_secrets.as_deref())?;
            let ids = if all { None } else { Some(ids) };
            redrive(&env, ids).await
        }
    }
}

/// A quarantine, however it is reached.
pub(super) enum Place {
    Reached(Quarantine),
    Opened(Box<OpenTable>),
}

impl Place {
    pub(super) async fn open(target: &QuarantineTarget) -> Result<Self, CliError> {
        if let Some(name) = &target.table {
            let env = deployed_env([("QUARANTINE_TABLE_NAME", name.as_str())]);
            return connect(&env).map(Self::Reached);
        }
        match local::find(&target.data)? {
            Found::Running {
                dynamodb_url,
                aws_url,
                ..
            } => {
                let env = Env::from_map(local::settings_at(&dynamodb_url, &aws_url));
                connect(&env).map(Self::Reached)
            }
            Found::Stopped => Ok(Self::Opened(Box::new(
                local::open_table(&target.data).await?,
            ))),
            Found::Nothing => told(format!(
                "There is no local stack's data in {}.\nName its data with --data DIR, or a deployment's quarantine with --table NAME.",
                target.data.display()
            )),
        }
    }

    pub(super) fn quarantine(&self) -> &Quarantine {
        match self {
            Self::Reached(quarantine) => quarantine,
            Self::Opened(table) => table.quarantine(),
        }
    }

    pub(super) async fn close(self) {
        match self {
            Self::Reached(_) => {}
            Self::Opened(table) => table.close().await,
        }
    }
}

fn connect(env: &Env) -> Result<Quarantine, CliError> {
    let quarantine = Aws::from_env(env).and_then(|aws| Quarantine::connect(env, &aws));
    quarantine.map_err(|error| unreachable(&error))
}

fn redrive_env(
    target: &QuarantineTarget,
    queue_url: Option<&str>,
    secrets: Option<&str>,
) -> Result<Env, CliError> {
    match (&target.table, queue_url, secrets) {
        (None, _, _) => running(&target.data).map(|(env, _)| env),
        (Some(table), Some(queue_url), Some(secrets)) => Ok(deployed_env([
            ("QUARANTINE_TABLE_NAME", table.as_str()),
            ("ORDERS_QUEUE_URL", queue_url),
            ("WEBHOOK_SECRETS_SECRET", secrets),
        ])),
        (Some(_), _, _) => told(
            "For a deployment, name its queue and secrets too: --queue-url (OrdersQueueUrl) and --webhook-secrets (WebhookSecretsArn). Nothing was sent.",
        ),
    }
}

async fn list(quarantine: &Quarantine) -> Said {
    let kept = quarantine.list(Clock::default().now()).await?;
    let mut said = String::new();
    for one in &kept {
        said.push_str(&line(one));
    }
    // Writing to a string cannot fail.
    let _ = match kept.len() {
        0 => writeln!(said, "Nothing is in quarantine."),
        1 => writeln!(said, "1 webhook is in quarantine."),
        many => writeln!(said, "{many} webhooks are in quarantine."),
    };
    Ok(said)
}

fn line(one: &Quarantined) -> String {
    let at = one.received_at.format("%Y-%m-%d %H:%M:%S UTC");
    format!("{}  {at}  {}: {}\n", one.id, one.scheme, one.reason)
}

async fn show(quarantine: &Quarantine, id: &str, show_body: bool) -> Said {
    let Some((about, body)) = quarantine.read(id, Clock::default().now()).await? else {
        return unknown(id);
    };
    let mut said = line(&about);
    if show_body {
        said.push_str(&String::from_utf8_lossy(&body));
        said.push('\n');
    } else {
        // Writing to a string cannot fail.
        let _ = writeln!(
            said,
            "Its body has {} bytes, and may hold addresses and names: --show-body shows it.",
            body.len()
        );
    }
    Ok(said)
}

async fn delete(quarantine: &Quarantine, ids: &[String]) -> Said {
    let mut said = String::new();
    for id in ids {
        let what = if quarantine.discard(id).await? {
            "deleted"
        } else {
            "not in quarantine"
        };
        // Writing to a string cannot fail.
        let _ = writeln!(said, "{id}  {what}");
    }
    Ok(said)
}

/// Reads bodies again, sends those that say something now, and takes them out. Cut off, it goes on when run again: a body goes
/// only once its event is in the queue, and an event that comes twice counts once.
async fn redrive(env: &Env, ids: Option<Vec<String>>) -> Said {
    let now = Clock::default().now();
    let (quarantine, queue) = (connect(env)?, queue(env)?);
    let aws = Aws::from_env(env).map_err(|error| unreachable(&error))?;
    let secrets = WebhookSecrets::fetch(env, &aws).await;
    let secrets = secrets.map_err(|error| unreachable(&error))?;
    let ids = match ids {
        Some(ids) => ids,
        None => quarantine
            .list(now)
            .await?
            .into_iter()
            .map(|one| one.id)
            .collect(),
    };
    let (mut said, mut left) = (String::new(), 0_usize);
    for id in &ids {
        let done = reprocess(&quarantine, &queue, &secrets, id, now).await;
        let what = match done {
            Ok(Reprocessed::Queued) => "sent to the orders queue".to_owned(),
            Ok(Reprocessed::Uninteresting) => "of no interest, deleted".to_owned(),
            Ok(Reprocessed::Unusable(reason)) => {
                left = left.saturating_add(1);
                format!("still unusable: {reason}")
            }
            Ok(Reprocessed::Gone) => return unknown(id),
            Err(ReprocessError::Queue(error)) => {
                return told(format!("{said}{error}.\nRun it again to go on."));
            }
            Err(ReprocessError::Store(error)) => return Err(error.into()),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(said, "{id}  {what}");
    }
    let done = ids.len().saturating_sub(left);
    // Writing to a string cannot fail.
    let _ = writeln!(said, "{done} are done, {left} stay in quarantine.");
    Ok(said)
}

fn unknown<T>(id: &str) -> Result<T, CliError> {
    told(format!(
        "Nothing named {id} is in quarantine. `okaeri orders quarantine list` shows what is."
    ))
}
