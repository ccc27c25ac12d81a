//! `okaeri mail`: what stops all mail, and staff's word that it may go out again.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use shared::domain::sending::{PauseReason, Resumption, SendingPause, clears_on, sum};
use shared::store::{Lifted, SendingState, StoreError};

use crate::args::{Mail, Target};
use crate::table::Table;
use crate::{CliError, Said};

/// Runs one of them.
pub(crate) async fn run(command: Mail) -> Said {
    match command {
        Mail::Status { target } => status(&target).await,
        Mail::Resume { reason, by, target } => {
            let user = || std::env::var("USER").unwrap_or_else(|_| "unknown".to_owned());
            resume(&target, &reason, &by.unwrap_or_else(user)).await
        }
    }
}

async fn status(target: &Target) -> Said {
    let table = Table::open(target).await?;
    let now = table.now().await;
    let state = match now {
        Ok(now) => table
            .store()
            .sending_state(now)
            .await
            .map(|state| (state, now))
            .map_err(|error| failed(&error)),
        Err(error) => Err(error),
    };
    table.close().await;
    let (state, now) = state?;
    Ok(described(&state, now))
}

async fn resume(target: &Target, why: &str, by: &str) -> Said {
    let table = Table::open(target).await?;
    let now = table.now().await;
    let lifted = match now {
        Ok(now) => table
            .store()
            .lift_pause(by, why, now)
            .await
            .map_err(|error| failed(&error)),
        Err(error) => Err(error),
    };
    table.close().await;
    match lifted? {
        Lifted::Done(lifting) => Ok(format!(
            "Mails go out again within a minute. Of {} mails, {} had bounced for good and {} been complained of; none of them counts any more.\nWritten down: {} by {}: {}\n",
            lifting.outcomes.known,
            lifting.outcomes.bounced,
            lifting.outcomes.complained,
            time(lifting.at),
            lifting.by,
            lifting.why,
        )),
        Lifted::NotPaused => Ok("Nothing stops mails. Nothing was changed.\n".to_owned()),
        Lifted::NotForStaff(pause) => Err(CliError::Told(format!(
            "{}\nThis cannot be lifted here, since SES would refuse every mail. Nothing was changed.",
            stopped(&pause)
        ))),
    }
}

fn failed(error: &StoreError) -> CliError {
    CliError::Told(format!(
        "{error}\nRun it again. For a deployment, check the table's name, AWS_REGION and the credentials."
    ))
}

fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}

fn stopped(pause: &SendingPause) -> String {
    let why = match pause.reason {
        PauseReason::SendingPaused => "SES, or staff in it, paused sending",
        PauseReason::AccountSuspended => "AWS took the account's right to send away",
        PauseReason::MailFromDomainNotVerified => "the MAIL FROM domain lost its DNS records",
        PauseReason::ConfigurationSetMissing => "the SES configuration set is gone",
        PauseReason::AccessRefused => "SES refuses this deployment's access",
        PauseReason::Quota => "the SES quota of 24 hours is used up",
        PauseReason::BounceRate => "too many mails bounced for good",
        PauseReason::ComplaintRate => "too many readers complained",
    };
    let (reason, since) = (pause.reason.as_str(), time(pause.since));
    let next = time(pause.probe_at);
    format!("No mail is sent since {since}: {why} ({reason}). The next look is at {next}.")
}

fn described(state: &SendingState, now: DateTime<Utc>) -> String {
    let mut said = match &state.pause {
        None => "Mails go out.\n".to_owned(),
        Some(pause) => format!("{}\n{}\n", stopped(pause), outlook(pause, state, now)),
    };
    let counts = sum(&state.days);
    // Writing to a string cannot fail.
    let _ = writeln!(
        said,
        "Of the last 7 days count {} mails of known outcome: {} bounced for good{} (4% stop all mail), {} complained of{} (0.08%). Fewer than 200 are not judged.",
        counts.known,
        counts.bounced,
        share(counts.bounced, counts.known),
        counts.complained,
        share(counts.complained, counts.known),
    );
    for lifting in state.liftings.iter().rev() {
        let _ = writeln!(
            said,
            "{}: {} of {} mails bounced, {} complaints; resumed by {}: {}",
            time(lifting.at),
            lifting.outcomes.bounced,
            lifting.outcomes.known,
            lifting.outcomes.complained,
            lifting.by,
            lifting.why,
        );
    }
    said
}

/// When a pause ends, as far as that is known.
fn outlook(pause: &SendingPause, state: &SendingState, now: DateTime<Utc>) -> String {
    match pause.reason.resumption() {
        Resumption::Rates => {
            let day = clears_on(&state.days, now.date_naive());
            let ends = day.map_or_else(
                || "It ends by itself as those days pass".to_owned(),
                |day| {
                    format!(
                        "It ends by itself on {day} (UTC), when enough of those days have passed"
                    )
                },
            );
            format!(
                "{ends}; once the cause is gone, `okaeri mail resume --reason …` ends it at once."
            )
        }
        Resumption::Account | Resumption::Quota | Resumption::Trial => {
            "It ends by itself once SES takes mails again; what is due waits.".to_owned()
        }
    }
}

/// ` (4.41%)`: hundredths of a percent, rounded down; nothing of nothing.
fn share(part: u64, whole: u64) -> String {
    let ratio = part.saturating_mul(10_000).checked_div(whole);
    ratio.map_or_else(String::new, |ratio| {
        format!(", {}.{:02}%", ratio / 100, ratio % 100)
    })
}
