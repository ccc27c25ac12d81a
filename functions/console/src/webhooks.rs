//! What reading a quarantined webhook again needs: the queue, and the providers' settings.

use std::fmt;

use chrono::{DateTime, Utc};
use receive_order::quarantine::{ReprocessError, Reprocessed, reprocess};
use shared::aws::Aws;
use shared::env::{Env, StartError};
use shared::queue::Queue;
use shared::secrets::WebhookSecretsSource;
use shared::store::Quarantine;

use crate::failure::Failure;

/// The way a webhook takes, for those that did not make it at first. The secret is fetched when it is needed, not when the function
/// starts: staff need it once in a while.
pub struct Webhooks {
    secrets: WebhookSecretsSource,
    queue: Queue,
}

impl Webhooks {
    /// Connects to the orders queue. Opens no connection yet.
    ///
    /// # Errors
    /// [`StartError`] if a setting is missing.
    pub fn connect(env: &Env, aws: &Aws<'_>) -> Result<Self, StartError> {
        Ok(Self {
            secrets: WebhookSecretsSource::from_env(env, aws)?,
            queue: Queue::connect(env, aws)?,
        })
    }

    /// Reads a body again with today's settings, and has what it says worked off.
    ///
    /// # Errors
    /// [`Failure`] if table, queue or secret cannot be reached; nothing is lost, and doing it again goes on.
    pub async fn reprocess(
        &self,
        quarantine: &Quarantine,
        id: &str,
        now: DateTime<Utc>,
    ) -> Result<Reprocessed, Failure> {
        let secrets = self.secrets.fetch().await?;
        match reprocess(quarantine, &self.queue, &secrets, id, now).await {
            Ok(done) => Ok(done),
            Err(ReprocessError::Store(error)) => Err(error.into()),
            Err(ReprocessError::Queue(error)) => {
                tracing::error!(%error, "a quarantined webhook could not be queued");
                Err(Failure::Unavailable)
            }
        }
    }
}

impl fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Webhooks")
    }
}
