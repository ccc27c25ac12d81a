//! Sends the mails that are due: one claim, one message, one record of what became of it.
//!
//! It runs each minute with reserved concurrency 1; two runs at once would still send each mail once, since a mail is claimed
//! under conditions before it is sent.

mod compose;
mod settings;
mod test_mails;

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use shared::aws::Aws;
use shared::clock::Clock;
use shared::domain::identity::IdentityKey;
use shared::domain::outbox::{MailId, MailState, OutboxMail};
use shared::env::{Env, StartError};
use shared::mailer::{Mailer, SendError};
use shared::secrets::{CodeKeys, fetch_identity_key};
use shared::store::{Block, Claim, MailChange, Store, StoreError};

use settings::Settings;

/// Nothing is claimed when less than this remains, so that a run does not die while a mail is on its way: SES has 10 s to
/// answer, and the table is quick or down. Source: design.md §8.
const RESERVE: Duration = Duration::from_secs(20);
/// Mails looked up at a time.
const PAGE: u16 = 100;
/// How long an unknown outcome may be settled by an SES event before the mail is sent again. Source: design.md §8.
const SETTLING_TIME: TimeDelta = TimeDelta::minutes(60);
/// How long a mail waits while SES takes none at all, for the day's quota, and for what only staff can mend. Source of the
/// first: webhooks-and-mail.md §8.2; the others are ours.
const STOPPED_PAUSE: TimeDelta = TimeDelta::minutes(15);
const QUOTA_PAUSE: TimeDelta = TimeDelta::hours(1);
const STAFF_PAUSE: TimeDelta = TimeDelta::hours(1);
/// How long a mail waits before it is looked at again whether its follow-up was resumed.
const PAUSED_PAUSE: TimeDelta = TimeDelta::minutes(15);
/// Longest wait after SES asked to slow down. Source: webhooks-and-mail.md §8.2.
const MAX_SLOW_DOWN_MINUTES: i64 = 10;
/// The kind of all mails so far, as SES tag and list name.
const KIND: &str = shared::mailer::THANK_YOU;
/// The reason kept with a mail whose outcome stayed unknown.
const UNKNOWN_OUTCOME: &str = "unknown-outcome";

/// What a run needs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct State {
    store: Arc<Store>,
    mailer: Mailer,
    identity: Arc<IdentityKey>,
    code_keys: Arc<CodeKeys>,
    settings: Arc<Settings>,
    clock: Clock,
}

impl State {
    /// Reads the settings, fetches the secrets and prepares the clients.
    ///
    /// # Errors
    /// [`StartError`] naming the variable or secret that is missing or unusable.
    pub async fn load(env: &Env, clock: Clock) -> Result<Self, StartError> {
        let settings = Settings::read(env)?;
        let aws = Aws::from_env(env)?;
        let identity = fetch_identity_key(env, &aws).await?;
        Ok(Self {
            store: Arc::new(Store::connect(env, &aws)?),
            mailer: Mailer::connect(env, &aws)?,
            identity: Arc::new(identity),
            code_keys: Arc::new(CodeKeys::fetch(env, &aws).await?),
            settings: Arc::new(settings),
            clock,
        })
    }
}

/// What a run did, counted in mails.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Worked on: the sum of all below.
    pub claimed: usize,
    /// Taken by SES.
    pub sent: usize,
    /// To be tried again later.
    pub put_back: usize,
    /// Of unknown outcome.
    pub unsettled: usize,
    /// Refused for good.
    pub failed: usize,
    /// Left to staff.
    pub parked: usize,
    /// Taken back.
    pub withdrawn: usize,
    /// Test mails worked on, beside all above.
    pub tests: usize,
    /// Why the run ended before everything due was done, if it did.
    pub stopped: Option<String>,
}

impl Report {
    fn count(&mut self, change: &MailChange) {
        let counter = match change {
            MailChange::Sent { .. } => &mut self.sent,
            MailChange::DueAgain { .. } => &mut self.put_back,
            MailChange::Unsettled { .. } => &mut self.unsettled,
            MailChange::Failed { .. } => &mut self.failed,
            MailChange::Parked { .. } => &mut self.parked,
            MailChange::Withdrawn { .. } => &mut self.withdrawn,
        };
        *counter += 1;
        self.claimed += 1;
    }
}

/// What became of a mail, and whether any other can be sent in this run.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    change: MailChange,
    stop: Option<String>,
}

impl From<MailChange> for Step {
    fn from(change: MailChange) -> Self {
        Self { change, stop: None }
    }
}

/// Sends what is due until nothing is, or until less than 20 s of `budget` remain.
///
/// # Errors
/// If the table does not answer; what was done until then is recorded, and the rest stays due.
pub async fn handle(state: &State, budget: Duration) -> Result<Report, lambda_runtime::Error> {
    let started = Instant::now();
    let mut report = Report::default();
    for id in state
        .store
        .due_test_mails(state.clock.now(), test_mails::MOST)
        .await?
    {
        if budget.saturating_sub(started.elapsed()) < RESERVE {
            break;
        }
        let worked = test_mails::attend(state, &id).await?;
        report.tests += usize::from(worked);
    }
    loop {
        let done_before = report.claimed;
        for id in state.store.due_mails(state.clock.now(), PAGE).await? {
            if budget.saturating_sub(started.elapsed()) < RESERVE {
                report.stopped = Some("time".to_owned());
                return Ok(report);
            }
            match attend(state, &id).await {
                Ok(None) => {}
                Ok(Some(step)) => {
                    report.count(&step.change);
                    log(&id, &step);
                    if step.stop.is_some() {
                        report.stopped = step.stop;
                        return Ok(report);
                    }
                }
                // A row that cannot be read must not hold up the others.
                Err(StoreError::Corrupt(why)) => {
                    tracing::error!(mail.id = %id, %why, "a mail in the outbox cannot be read");
                }
                Err(error @ StoreError::Unavailable(_)) => return Err(error.into()),
            }
        }
        if report.claimed == done_before {
            return Ok(report);
        }
    }
}

/// Does what one mail needs now. `None` if it needs nothing or somebody else has it.
async fn attend(state: &State, id: &MailId) -> Result<Option<Step>, StoreError> {
    let now = state.clock.now();
    let Some(mail) = state.store.mail(id).await? else {
        return Ok(None);
    };
    match mail.state {
        MailState::Due | MailState::Unsettled if mail.code_expires_at <= now => {
            record(state, &mail, given_up(&mail, "code-expired").into()).await
        }
        MailState::Due | MailState::Unsettled => match state.store.claim_mail(&mail, now).await? {
            Claim::Moved => Ok(None),
            Claim::Blocked(block @ Block::FollowUpPaused) => {
                record(state, &mail, waiting(&mail, now, block).into()).await
            }
            Claim::Blocked(block) => {
                record(state, &mail, given_up(&mail, block.reason()).into()).await
            }
            Claim::Claimed(claimed) => {
                let step = send(state, &claimed, now).await;
                record(state, &claimed, step).await
            }
        },
        MailState::Sending if mail.lease_until.is_some_and(|end| end <= now) => {
            let since = mail.lease_until.unwrap_or(now);
            record(state, &mail, unknown(&mail, since).into()).await
        }
        MailState::Sending
        | MailState::Sent
        | MailState::Failed
        | MailState::Parked
        | MailState::Withdrawn => Ok(None),
    }
}

async fn record(state: &State, mail: &OutboxMail, step: Step) -> Result<Option<Step>, StoreError> {
    let recorded = state.store.change_mail(mail, &step.change).await?;
    Ok(recorded.then_some(step))
}

/// Composes and sends a claimed mail.
async fn send(state: &State, mail: &OutboxMail, now: DateTime<Utc>) -> Step {
    let letter = match compose::compose(state, mail, now).await {
        Ok(letter) => letter,
        Err(change) => return change.into(),
    };
    let outcome = state.mailer.send(letter.outgoing(mail)).await;
    judge(outcome, mail, state.clock.now())
}

/// What SES's answer means for the mail. Source: webhooks-and-mail.md §8.2.
fn judge(outcome: Result<String, SendError>, mail: &OutboxMail, now: DateTime<Utc>) -> Step {
    let again = |pause, reason: &str| MailChange::DueAgain {
        at: now + pause,
        reason: reason.to_owned(),
    };
    match outcome {
        Ok(message_id) => MailChange::Sent {
            at: now,
            message_id,
        }
        .into(),
        Err(SendError::Unknown(why)) => {
            tracing::warn!(mail.id = %mail.id, %why, "nobody knows whether a mail was sent");
            unknown(mail, now).into()
        }
        Err(SendError::Refused { reason }) => MailChange::Failed { reason }.into(),
        Err(SendError::SlowDown) => Step {
            change: again(slow_down(mail.attempt), "slow-down"),
            stop: Some("slow-down".to_owned()),
        },
        Err(SendError::QuotaExceeded) => Step {
            change: again(QUOTA_PAUSE, "quota"),
            stop: Some("quota".to_owned()),
        },
        Err(SendError::QueueStopped { reason }) => Step {
            change: again(STOPPED_PAUSE, &reason),
            stop: Some(reason),
        },
    }
}

/// 1, 2, 4, 8, then 10 minutes.
fn slow_down(attempt: u32) -> TimeDelta {
    let doublings = attempt.saturating_sub(1).min(4);
    TimeDelta::minutes((1 << doublings).min(MAX_SLOW_DOWN_MINUTES))
}

/// A first unknown outcome waits for an SES event; after a second one a person decides.
fn unknown(mail: &OutboxMail, since: DateTime<Utc>) -> MailChange {
    if mail.duplicate_risk {
        MailChange::Parked {
            reason: UNKNOWN_OUTCOME.to_owned(),
        }
    } else {
        MailChange::Unsettled {
            decide_at: since + SETTLING_TIME,
        }
    }
}

/// A mail that must not be sent yet; one that may have been sent before stays known as that.
fn waiting(mail: &OutboxMail, now: DateTime<Utc>, block: Block) -> MailChange {
    let at = now + PAUSED_PAUSE;
    match mail.state {
        MailState::Unsettled => MailChange::Unsettled { decide_at: at },
        _ => MailChange::DueAgain {
            at,
            reason: block.reason().to_owned(),
        },
    }
}

/// A mail that must not be sent (any more): withdrawn, unless it may have been sent before.
fn given_up(mail: &OutboxMail, reason: &str) -> MailChange {
    match mail.state {
        MailState::Unsettled => MailChange::Parked {
            reason: UNKNOWN_OUTCOME.to_owned(),
        },
        _ => MailChange::Withdrawn {
            reason: reason.to_owned(),
        },
    }
}

fn log(id: &MailId, step: &Step) {
    let reason = match &step.change {
        MailChange::Sent { .. } | MailChange::Unsettled { .. } => "",
        MailChange::DueAgain { reason, .. }
        | MailChange::Failed { reason }
        | MailChange::Parked { reason }
        | MailChange::Withdrawn { reason } => reason,
    };
    let outcome = match &step.change {
        MailChange::Sent { .. } => "sent",
        MailChange::DueAgain { .. } => "due again",
        MailChange::Unsettled { .. } => "unsettled",
        MailChange::Failed { .. } => "failed",
        MailChange::Parked { .. } => "parked",
        MailChange::Withdrawn { .. } => "withdrawn",
    };
    tracing::info!(mail.id = %id, outcome, reason, "worked on a mail");
    if let Some(stop) = &step.stop {
        tracing::error!(stop, "SES takes no mail at present; what is due waits");
    }
}

#[cfg(test)]
mod tests;
