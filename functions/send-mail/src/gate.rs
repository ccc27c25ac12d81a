//! Whether mails go out at all, and the look that ends a pause (webhooks-and-mail.md §8.2).

use chrono::{DateTime, Utc};
use shared::domain::sending::{Resumption, SendingPause};
use shared::mailer::Account;
use shared::store::StoreError;

use crate::State;

/// Whether this run may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// It may.
    Open,
    /// It may, from now on: this pause was ended.
    Resumed(SendingPause),
    /// It may not.
    Closed(SendingPause),
}

/// Looks whether mails go out, and, when the time has come, whether a pause is over.
pub(crate) async fn pass(state: &State) -> Result<Gate, StoreError> {
    let now = state.clock.now();
    let Some(pause) = state.store.sending_pause().await? else {
        return Ok(Gate::Open);
    };
    if now < pause.probe_at {
        log(&pause);
        return Ok(Gate::Closed(pause));
    }
    if is_over(state, &pause, now).await? {
        return resume(state, pause).await;
    }
    let Some(standing) = state.store.prolong_pause(&pause, now).await? else {
        // Staff have just lifted it.
        return Ok(Gate::Open);
    };
    log(&standing);
    Ok(Gate::Closed(standing))
}

/// Says why nothing is sent.
pub(crate) fn log(pause: &SendingPause) {
    let SendingPause {
        reason,
        since,
        probe_at,
    } = pause;
    tracing::error!(reason = reason.as_str(), %since, %probe_at, "no mail is sent at present; what is due waits");
}

async fn resume(state: &State, pause: SendingPause) -> Result<Gate, StoreError> {
    if state.store.resume_sending(&pause).await? {
        tracing::warn!(reason = pause.reason.as_str(), since = %pause.since, "mails go out again");
        return Ok(Gate::Resumed(pause));
    }
    // Somebody else has changed it, or a lost answer hides that this run has: the next look tells.
    Ok(match state.store.sending_pause().await? {
        None => Gate::Resumed(pause),
        Some(standing) => Gate::Closed(standing),
    })
}

async fn is_over(
    state: &State,
    pause: &SendingPause,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    match pause.reason.resumption() {
        Resumption::Trial => Ok(true),
        Resumption::Account => Ok(told(state, now).await.is_some_and(|told| told.may_send)),
        Resumption::Quota => {
            let told = told(state, now).await;
            Ok(told.is_some_and(|told| told.left != Some(0)))
        }
        Resumption::Rates => {
            let outcomes = state.store.mail_outcomes(now).await?;
            Ok(outcomes.too_bad().is_none())
        }
    }
}

/// SES's word about the account, if it gives any.
async fn told(state: &State, now: DateTime<Utc>) -> Option<Account> {
    match state.mailer.account().await {
        Ok(account) => {
            state.pacer.learn(&account, now);
            Some(account)
        }
        Err(error) => {
            tracing::warn!(%error, "whether mails can go out again is not known");
            None
        }
    }
}
