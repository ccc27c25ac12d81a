//! Whether mails go out at all: one item, changed only as it was seen.

use serde::{Deserialize, Serialize};

use super::transaction::{Action, Expression};
use super::{Store, StoreError, keys, retry, write};
use crate::domain::sending::SendingPause;

/// The item; it stays when mails go out again, so that its version goes on counting.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Sending {
    version: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pause: Option<SendingPause>,
}

impl Store {
    /// Why no mail is sent at present, if none is; strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn sending_pause(&self) -> Result<Option<SendingPause>, StoreError> {
        let sending: Option<Sending> = self.get(&keys::sending()).await?;
        Ok(sending.and_then(|sending| sending.pause))
    }

    /// Stops all mail, or, if it is stopped for this reason, sets the time of the next look. A pause for another reason stands.
    /// Answers the pause that stands.
    ///
    /// # Errors
    /// [`StoreError`] if it is not confirmed.
    pub async fn pause_sending(&self, pause: SendingPause) -> Result<SendingPause, StoreError> {
        let mut attempts = retry::Attempts::new();
        loop {
            let seen: Option<Sending> = self.get(&keys::sending()).await?;
            let next = match seen.and_then(|seen| seen.pause) {
                Some(standing) if standing.reason != pause.reason => return Ok(standing),
                Some(standing) if standing.probe_at >= pause.probe_at => return Ok(standing),
                Some(standing) => SendingPause {
                    since: standing.since,
                    ..pause
                },
                None => pause,
            };
            if self.put_sending(seen, Some(next)).await? {
                return Ok(next);
            }
            attempts.pause().await?;
        }
    }

    /// Lets mails go out again, if they are stopped as `seen`; `false` if they no longer are.
    ///
    /// # Errors
    /// [`StoreError`] if it is not confirmed.
    pub async fn resume_sending(&self, seen: &SendingPause) -> Result<bool, StoreError> {
        let standing: Option<Sending> = self.get(&keys::sending()).await?;
        match standing {
            Some(sending) if sending.pause == Some(*seen) => self.put_sending(standing, None).await,
            _ => Ok(false),
        }
    }

    /// Puts the next version; `false` if the item is no longer as seen (or was put by a try whose answer was lost).
    async fn put_sending(
        &self,
        seen: Option<Sending>,
        pause: Option<SendingPause>,
    ) -> Result<bool, StoreError> {
        let version = seen.map(|seen| seen.version);
        let next = Sending {
            version: version.unwrap_or(0).saturating_add(1),
            pause,
        };
        let item = write(&keys::sending(), &next)?;
        let action = match version {
            None => Action::PutNew(item),
            Some(version) => Action::Put(
                item,
                Expression::new("version = :seen").number(":seen", version),
            ),
        };
        Ok(self.decide(&[action]).await?.is_ok())
    }
}
