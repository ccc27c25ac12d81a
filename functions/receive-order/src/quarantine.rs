//! Signed webhooks that could not be used, read again by the reader of this version: for the command and the console.

use chrono::{DateTime, Utc};
use shared::queue::{Queue, QueueError};
use shared::secrets::WebhookSecrets;
use shared::store::{Quarantine, StoreError};

use crate::{Reread, reread};

/// What became of a body that was read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reprocessed {
    /// Its event is in the orders queue, and it is out of quarantine.
    Queued,
    /// It says nothing we act on, and is out of quarantine.
    Uninteresting,
    /// It still cannot be used, for this reason, and stays.
    Unusable(&'static str),
    /// It is not in quarantine (any more).
    Gone,
}

/// Why it is not known to be done. Again, it goes on where it was.
#[derive(Debug, thiserror::Error)]
pub enum ReprocessError {
    /// The table did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The queue did not confirm.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// Reads a body again with today's settings, and puts what it says into the orders queue. It leaves quarantine only once its event
/// is there; an event that comes twice counts once.
///
/// # Errors
/// [`ReprocessError`] if queue or table do not answer.
pub async fn reprocess(
    quarantine: &Quarantine,
    queue: &Queue,
    secrets: &WebhookSecrets,
    id: &str,
    now: DateTime<Utc>,
) -> Result<Reprocessed, ReprocessError> {
    let Some((about, body)) = quarantine.read(id, now).await? else {
        return Ok(Reprocessed::Gone);
    };
    match reread(secrets, &about.scheme, &body, about.received_at) {
        Reread::Event(event) => {
            queue.send(event).await?;
            let _ = quarantine.discard(id).await?;
            Ok(Reprocessed::Queued)
        }
        Reread::Uninteresting => {
            let _ = quarantine.discard(id).await?;
            Ok(Reprocessed::Uninteresting)
        }
        Reread::Unusable(reason) => Ok(Reprocessed::Unusable(reason)),
    }
}
