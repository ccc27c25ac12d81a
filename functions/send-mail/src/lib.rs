//! Sends the mails that are due: one claim, one message, one record of what became of it.
//!
//! It runs each minute with reserved concurrency 1; two runs at once would still send each mail once, since a mail is claimed
//! under conditions before it is sent.

mod compose;
mod gate;
mod pace;
mod test_mails;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use shared::aws::Aws;
use shared::clock::Clock;
use shared::domain::identity::IdentityKey;
use shared::domain::outbox::{MailId, MailState, OutboxMail, UNKNOWN_OUTCOME};
use shared::domain::sending::{PauseReason, SendingPause};
use shared::env::{Env, StartError};
use shared::mailer::{Mailer, SendError, Shop};
use shared::metrics::Metrics;
use shared::secrets::{CodeKeys, fetch_identity_key};
use shared::store::{Block, Claim, MailChange, Store, StoreError};

use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use gate::Gate;
use pace::Pacer;

/// Nothing is claimed when less than this remains, so that a run does not die while a mail is on its way: SES has 10 s to
/// answer, and the table is quick or down. Source: design.md §8.
const RESERVE: Duration = Duration::from_secs(20);
/// Mails looked up at a time.
const PAGE: u16 = 100;
/// How long an unknown outcome may be settled by an SES event before the mail is sent again. Source: design.md §8.
const SETTLING_TIME: TimeDelta = TimeDelta::minutes(60);
/// How long a mail waits for what only staff can mend. Ours.
const STAFF_PAUSE: TimeDelta = TimeDelta::hours(1);
/// How long a mail waits before it is looked at again whether its follow-up was resumed.
const PAUSED_PAUSE: TimeDelta = TimeDelta::minutes(15);
/// How often SES may ask to slow down before the run ends. Ours.
const MOST_SLOW_DOWNS: usize = 5;
/// Longest wait after SES asked to slow down. Source: webhooks-and-mail.md §8.2.
const MAX_SLOW_DOWN_MINUTES: i64 = 10;

/// What a run needs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct State {
    store: Arc<Store>,
    mailer: Mailer,
    identity: Arc<IdentityKey>,
    code_keys: Arc<CodeKeys>,
    shop: Arc<Shop>,
    pacer: Arc<Pacer>,
    metrics: Metrics,
    clock: Clock,
}

impl State {
    /// Reads the settings, fetches the secrets and prepares the clients.
    ///
    /// # Errors
    /// [`StartError`] naming the variable or secret that is missing or unusable.
    pub async fn load(env: &Env, clock: Clock) -> Result<Self, StartError> {
        let shop = Shop::read(env)?;
        let aws = Aws::from_env(env)?;
        let identity = fetch_identity_key(env, &aws).await?;
        Ok(Self {
            store: Arc::new(Store::connect(env, &aws)?),
            mailer: Mailer::connect(env, &aws)?,
            identity: Arc::new(identity),
            code_keys: Arc::new(CodeKeys::fetch(env, &aws).await?),
            shop: Arc::new(shop),
            pacer: Arc::default(),
            metrics: Metrics::from_env(env),
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

/// What became of a mail, and what that means for the others.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    change: MailChange,
    stop: Option<Stop>,
}

/// What SES's answer about one mail means for all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// They leave more slowly.
    SlowDown,
    /// None leaves.
    Pause(PauseReason),
}

impl From<MailChange> for Step {
    fn from(change: MailChange) -> Self {
        Self { change, stop: None }
    }
}

/// Sends what is due until nothing is, or until less than 20 s of `budget` remain, or while all mail is stopped.
///
/// # Errors
/// If the table does not answer; what was done until then is recorded, and the rest stays due.
pub async fn handle(state: &State, budget: Duration) -> Result<Report, lambda_runtime::Error> {
    let mut run = Run::new(state, budget);
    run.test_mails().await?;
    loop {
        let done_before = run.report.claimed;
        match gate::pass(state).await? {
            Gate::Open => {}
            Gate::Resumed(pause) => run.resumed = Some(pause),
            Gate::Closed(pause) => run.report.stopped = Some(pause.reason.as_str().to_owned()),
        }
        if run.report.stopped.is_none() {
            run.page().await?;
        }
        if run.report.stopped.is_some() || run.report.claimed == done_before {
            let sent = u64::try_from(run.report.sent).unwrap_or(u64::MAX);
            state
                .metrics
                .count(state.clock.now(), "MailsSent", sent, None);
            return Ok(run.report);
        }
    }
}

/// One run: what it may still do and what it has done.
struct Run<'a> {
    state: &'a State,
    /// When to claim no more.
    until: Instant,
    report: Report,
    slow_downs: usize,
    /// The pause that was ended at the begin of this run, until SES has taken a mail: so long one is tried at a time.
    resumed: Option<SendingPause>,
    error: Option<lambda_runtime::Error>,
}

/// What a task made of one mail.
type Attended = (MailId, Result<Option<Step>, StoreError>);

impl<'a> Run<'a> {
    fn new(state: &'a State, budget: Duration) -> Self {
        Self {
            state,
            until: Instant::now() + budget.saturating_sub(RESERVE),
            report: Report::default(),
            slow_downs: 0,
            resumed: None,
            error: None,
        }
    }

    /// Sends the sample mails that staff asked for, but not while all mail is stopped.
    async fn test_mails(&mut self) -> Result<(), lambda_runtime::Error> {
        let state = self.state;
        let waiting = state
            .store
            .due_test_mails(state.clock.now(), test_mails::MOST)
            .await?;
        if waiting.is_empty() || matches!(gate::pass(state).await?, Gate::Closed(_)) {
            return Ok(());
        }
        for id in waiting {
            if Instant::now() >= self.until {
                break;
            }
            let worked = test_mails::attend(state, &id).await?;
            self.report.tests += usize::from(worked);
        }
        Ok(())
    }

    /// Works on a page of what is due, several mails at a time. Whatever was begun is finished, also after an error.
    async fn page(&mut self) -> Result<(), lambda_runtime::Error> {
        let state = self.state;
        let due = state.store.due_mails(state.clock.now(), PAGE).await?;
        if due.is_empty() {
            return Ok(());
        }
        state.pacer.refresh(&state.mailer, state.clock.now()).await;
        if state.pacer.is_used_up() {
            return self.pause(PauseReason::Quota).await;
        }
        let mut under_way = JoinSet::new();
        for id in due {
            while under_way.len() >= self.at_once() {
                self.finish(under_way.join_next().await).await;
            }
            if Instant::now() >= self.until {
                self.report.stopped.get_or_insert_with(|| "time".to_owned());
            }
            if self.error.is_some() || self.report.stopped.is_some() || !state.pacer.reserve() {
                break;
            }
            let state = state.clone();
            under_way.spawn(async move {
                let attended = attend(&state, &id).await;
                (id, attended)
            });
        }
        while !under_way.is_empty() {
            self.finish(under_way.join_next().await).await;
        }
        self.error.take().map_or(Ok(()), Err)
    }

    fn at_once(&self) -> usize {
        if self.resumed.is_some() {
            1
        } else {
            self.state.pacer.at_once()
        }
    }

    /// Takes in what became of a mail.
    async fn finish(&mut self, attended: Option<Result<Attended, JoinError>>) {
        let step = match attended {
            None | Some(Ok((_, Ok(None)))) => return,
            Some(Ok((id, Ok(Some(step))))) => {
                log(&id, &step);
                step
            }
            // A row that cannot be read must not hold up the others.
            Some(Ok((id, Err(StoreError::Corrupt(why))))) => {
                tracing::error!(mail.id = %id, %why, "a mail in the outbox cannot be read");
                return;
            }
            Some(Ok((_, Err(error @ StoreError::Unavailable(_))))) => {
                self.error = Some(error.into());
                return;
            }
            Some(Err(error)) => {
                self.error = Some(error.into());
                return;
            }
        };
        self.report.count(&step.change);
        if matches!(step.change, MailChange::Sent { .. }) {
            self.resumed = None;
        }
        match step.stop {
            None => {}
            Some(Stop::SlowDown) => self.slow_down(),
            Some(Stop::Pause(reason)) => {
                if let Err(error) = self.pause(reason).await {
                    self.error = Some(error);
                }
            }
        }
    }

    fn slow_down(&mut self) {
        self.state.pacer.slow_down();
        self.slow_downs += 1;
        tracing::warn!(count = self.slow_downs, "SES asks to slow down");
        if self.slow_downs >= MOST_SLOW_DOWNS {
            self.report.stopped = Some("slow-down".to_owned());
        }
    }

    /// Stops all mail until SES takes some again.
    async fn pause(&mut self, reason: PauseReason) -> Result<(), lambda_runtime::Error> {
        let mut pause = SendingPause::new(reason, self.state.clock.now());
        // A mail tried after a pause has shown that it is not over.
        if let Some(before) = self.resumed.filter(|before| before.reason == reason) {
            pause.since = before.since;
        }
        let standing = self.state.store.pause_sending(pause).await?;
        gate::log(&standing);
        self.report.stopped = Some(standing.reason.as_str().to_owned());
        Ok(())
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
        // Nobody is reminded twice: whether it arrived or not, this was the only one.
        MailState::Unsettled if mail.reminder_of.is_some() => {
            record(state, &mail, given_up(&mail, UNKNOWN_OUTCOME).into()).await
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
    let now = state.clock.now();
    let recorded = state.store.change_mail(mail, &step.change, now).await?;
    Ok(recorded.then_some(step))
}

/// Composes and sends a claimed mail.
async fn send(state: &State, mail: &OutboxMail, now: DateTime<Utc>) -> Step {
    let letter = match compose::compose(state, mail, now).await {
        Ok(letter) => letter,
        Err(change) => return change.into(),
    };
    state.pacer.turn().await;
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
            stop: Some(Stop::SlowDown),
        },
        Err(SendError::QuotaExceeded) => paused(PauseReason::Quota, now),
        Err(SendError::QueueStopped { reason }) => paused(PauseReason::of_ses(&reason), now),
    }
}

/// A mail that SES did not take because it takes none: it is due again when that is looked at.
fn paused(reason: PauseReason, now: DateTime<Utc>) -> Step {
    Step {
        change: MailChange::DueAgain {
            at: SendingPause::new(reason, now).probe_at,
            reason: reason.as_str().to_owned(),
        },
        stop: Some(Stop::Pause(reason)),
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

/// A mail that must not be sent (any more): withdrawn, unless it may have been sent before. Then a person decides, but a
/// reminder is dropped.
fn given_up(mail: &OutboxMail, reason: &str) -> MailChange {
    match mail.state {
        MailState::Unsettled if mail.reminder_of.is_some() => MailChange::Failed {
            reason: UNKNOWN_OUTCOME.to_owned(),
        },
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
}

#[cfg(test)]
mod tests;
