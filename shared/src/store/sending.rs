//! Whether mails go out at all: one item, changed only as it was seen.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::transaction::Action;
use super::{Store, StoreError, keys, retry, write};
use crate::domain::sending::{Lifting, Outcomes, Resumption, SendingPause, sum};

/// Liftings that are remembered; older ones go. Ours.
const LIFTINGS: usize = 20;

/// The item; it stays when mails go out again, so that its version goes on counting.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Sending {
    version: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pause: Option<SendingPause>,
    /// Oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    liftings: Vec<Lifting>,
}

/// All that is known about whether mails go out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendingState {
    /// Why none does at present, if none does.
    pub pause: Option<SendingPause>,
    /// What counts of the days (UTC) of the window, the latest first.
    pub days: Vec<(NaiveDate, Outcomes)>,
    /// The pauses that staff ended, oldest first; the last 20.
    pub liftings: Vec<Lifting>,
}

/// What came of lifting a pause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lifted {
    /// Mails go out again.
    Done(Lifting),
    /// They did already.
    NotPaused,
    /// Something stops them that staff cannot lift here.
    NotForStaff(SendingPause),
}

impl Store {
    /// Why no mail is sent at present, if none is; strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn sending_pause(&self) -> Result<Option<SendingPause>, StoreError> {
        Ok(self.sending().await?.and_then(|sending| sending.pause))
    }

    /// All that is known about whether mails go out; strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn sending_state(&self, now: DateTime<Utc>) -> Result<SendingState, StoreError> {
        let sending = self.sending().await?.unwrap_or_default();
        let days = self.days_that_count(sending.liftings.last(), now).await?;
        Ok(SendingState {
            pause: sending.pause,
            days,
            liftings: sending.liftings,
        })
    }

    /// What counts of the mails of the window that ends today (UTC): all, or what came after the last lifting.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn mail_outcomes(&self, now: DateTime<Utc>) -> Result<Outcomes, StoreError> {
        Ok(sum(&self.sending_state(now).await?.days))
    }

    /// Stops all mail, or, if it is stopped for this reason, sets the time of the next look. A pause for another reason stands.
    /// Answers the pause that stands.
    ///
    /// # Errors
    /// [`StoreError`] if it is not confirmed.
    pub async fn pause_sending(&self, pause: SendingPause) -> Result<SendingPause, StoreError> {
        let mut attempts = retry::Attempts::new();
        loop {
            let seen = self.sending().await?;
            if let Some(standing) = self.put_pause(seen.as_ref(), pause).await? {
                return Ok(standing);
            }
            attempts.pause().await?;
        }
    }

    /// Stops all mail if too much of it comes back or is complained of. Answers what counted, and the pause that stands if that
    /// was too bad. The pause holds only beside what was judged: if staff lift another meanwhile, it is judged anew.
    ///
    /// # Errors
    /// [`StoreError`] if it is not confirmed.
    pub async fn judge_outcomes(
        &self,
        now: DateTime<Utc>,
    ) -> Result<(Outcomes, Option<SendingPause>), StoreError> {
        let mut attempts = retry::Attempts::new();
        loop {
            let seen = self.sending().await?;
            let lifting = seen.as_ref().and_then(|seen| seen.liftings.last());
            let outcomes = sum(&self.days_that_count(lifting, now).await?);
            let Some(reason) = outcomes.too_bad() else {
                return Ok((outcomes, None));
            };
            let pause = SendingPause::new(reason, now);
            if let Some(standing) = self.put_pause(seen.as_ref(), pause).await? {
                return Ok((outcomes, Some(standing)));
            }
            attempts.pause().await?;
        }
    }

    /// Sets the time of the next look at a pause, if it stands as `seen`. Answers the pause that stands, if one does.
    ///
    /// # Errors
    /// [`StoreError`] if it is not confirmed.
    pub async fn prolong_pause(
        &self,
        seen: &SendingPause,
        now: DateTime<Utc>,
    ) -> Result<Option<SendingPause>, StoreError> {
        let standing = self.sending().await?;
        let Some(sending) = standing.as_ref().filter(|one| one.pause == Some(*seen)) else {
            return Ok(standing.and_then(|sending| sending.pause));
        };
        let pause = SendingPause::new(seen.reason, now);
        match self.put_pause(Some(sending), pause).await? {
            Some(next) => Ok(Some(next)),
            None => self.sending_pause().await,
        }
    }

    /// Lets mails go out again, if they are stopped as `seen`; `false` if they no longer are.
    ///
    /// # Errors
    /// [`StoreError`] if it is not confirmed.
    pub async fn resume_sending(&self, seen: &SendingPause) -> Result<bool, StoreError> {
        match self.sending().await? {
            Some(sending) if sending.pause == Some(*seen) => {
                let liftings = sending.liftings.clone();
                self.put_sending(Some(&sending), None, liftings).await
            }
            _ => Ok(false),
        }
    }

    /// Ends a pause for bounces or complaints on staff's word, and remembers who did so and why. What was counted until now
    /// counts no more. Other pauses stand: SES has the last word there.
    ///
    /// # Errors
    /// [`StoreError`] if it is not confirmed.
    pub async fn lift_pause(
        &self,
        by: &str,
        why: &str,
        now: DateTime<Utc>,
    ) -> Result<Lifted, StoreError> {
        let mut attempts = retry::Attempts::new();
        loop {
            let seen = self.sending().await?.unwrap_or_default();
            let Some(pause) = seen.pause else {
                // Perhaps a try of this call did it and its answer was lost.
                let own = |last: &&Lifting| last.at == now && last.by == by && last.why == why;
                let done = seen.liftings.last().filter(own);
                return Ok(done.map_or(Lifted::NotPaused, |last| Lifted::Done(last.clone())));
            };
            if pause.reason.resumption() != Resumption::Rates {
                return Ok(Lifted::NotForStaff(pause));
            }
            let counted = self.counted_by_day(now).await?;
            let of_day = counted.iter().find(|(day, _)| *day == now.date_naive());
            let lifting = Lifting {
                at: now,
                by: by.to_owned(),
                why: why.to_owned(),
                pause,
                outcomes: sum(&that_count(seen.liftings.last(), &counted)),
                of_day: of_day.map_or_else(Outcomes::default, |(_, counts)| *counts),
            };
            let mut liftings = seen.liftings.clone();
            liftings.push(lifting.clone());
            let surplus = liftings.len().saturating_sub(LIFTINGS);
            liftings.drain(..surplus);
            if self.put_sending(Some(&seen), None, liftings).await? {
                return Ok(Lifted::Done(lifting));
            }
            attempts.pause().await?;
        }
    }

    async fn sending(&self) -> Result<Option<Sending>, StoreError> {
        self.get(&keys::sending()).await
    }

    async fn days_that_count(
        &self,
        lifting: Option<&Lifting>,
        now: DateTime<Utc>,
    ) -> Result<Vec<(NaiveDate, Outcomes)>, StoreError> {
        Ok(that_count(lifting, &self.counted_by_day(now).await?))
    }

    /// Puts a pause beside one as seen; `None` if the item is no longer as seen. Answers the pause that stands.
    async fn put_pause(
        &self,
        seen: Option<&Sending>,
        pause: SendingPause,
    ) -> Result<Option<SendingPause>, StoreError> {
        let next = match seen.and_then(|seen| seen.pause) {
            Some(standing) if standing.reason != pause.reason => return Ok(Some(standing)),
            Some(standing) if standing.probe_at >= pause.probe_at => return Ok(Some(standing)),
            Some(standing) => SendingPause {
                since: standing.since,
                ..pause
            },
            None => pause,
        };
        let liftings = seen.map(|seen| seen.liftings.clone()).unwrap_or_default();
        let put = self.put_sending(seen, Some(next), liftings).await?;
        Ok(put.then_some(next))
    }

    /// Puts the next version; `false` if the item is no longer as seen (or was put by a try whose answer was lost).
    async fn put_sending(
        &self,
        seen: Option<&Sending>,
        pause: Option<SendingPause>,
        liftings: Vec<Lifting>,
    ) -> Result<bool, StoreError> {
        let version = seen.map(|seen| seen.version);
        let next = Sending {
            version: version.unwrap_or(0).saturating_add(1),
            pause,
            liftings,
        };
        let item = write(&keys::sending(), &next)?;
        let put = Action::put_as_seen(item, "version", version);
        Ok(self.decide(&[put]).await?.is_ok())
    }
}

/// What still counts of days after the last lifting.
fn that_count(
    lifting: Option<&Lifting>,
    counted: &[(NaiveDate, Outcomes)],
) -> Vec<(NaiveDate, Outcomes)> {
    let left = |(day, counts): &(NaiveDate, Outcomes)| {
        let left = lifting.map_or(*counts, |lifting| lifting.leaves(*day, *counts));
        (*day, left)
    };
    counted.iter().map(left).collect()
}
