//! Sample mails that staff asked for: each is sent at most once, says that it is a test, and carries no code that works.

use chrono::{DateTime, TimeDelta, Utc};
use shared::domain::identity::Email;
use shared::domain::order::OrderId;
use shared::domain::outbox::MailId;
use shared::domain::test_mail::{TRIED_FOR, TestMail, TestMailState};
use shared::mailer::{Outgoing, RenderedMail, Sample, SendError};
use shared::store::{Block, Freshness, StoreError, TestMailChange, TestMailClaim};

use crate::State;

/// Most test mails in one run: SES may take 10 s for each, and the others wait.
pub(crate) const MOST: u16 = 5;
/// How long one waits that SES does not take now.
const PAUSE: TimeDelta = TimeDelta::minutes(1);
/// The kind of a test mail, as SES tag and list name.
const KIND: &str = "test";
/// The made-up order.
const ORDER_ID: &str = "1001";
/// Before every subject.
const MARK: &str = "[TEST] ";

/// Does what one test mail needs now; `false` if it needs nothing.
pub(crate) async fn attend(state: &State, id: &MailId) -> Result<bool, StoreError> {
    let now = state.clock.now();
    let Some(mail) = state.store.test_mail(id, now).await? else {
        return Ok(false);
    };
    let failed = |reason: &str| TestMailChange::Failed {
        reason: reason.to_owned(),
    };
    let (seen, change) = match mail.state {
        TestMailState::Due if mail.requested_at + TRIED_FOR <= now => {
            let last = mail.reason.as_deref().unwrap_or("not-sent-in-time");
            (TestMailState::Due, failed(last))
        }
        TestMailState::Due => match state.store.claim_test_mail(&mail, now).await? {
            TestMailClaim::Moved => return Ok(false),
            TestMailClaim::Suppressed(reason) => {
                let reason = Block::Suppressed(reason).reason();
                (TestMailState::Due, failed(reason))
            }
            TestMailClaim::Claimed => (TestMailState::Sending, send(state, &mail, now).await),
        },
        TestMailState::Sending if mail.lease_until.is_some_and(|end| end <= now) => {
            (TestMailState::Sending, TestMailChange::Unknown)
        }
        TestMailState::Sending
        | TestMailState::Sent
        | TestMailState::Failed
        | TestMailState::Unknown => return Ok(false),
    };
    state.store.change_test_mail(id, seen, &change).await?;
    tracing::info!(mail.id = %id, ?change, "worked on a test mail");
    Ok(true)
}

async fn send(state: &State, mail: &TestMail, now: DateTime<Utc>) -> TestMailChange {
    let letter = match compose(state, mail, now).await {
        Ok(letter) => letter,
        Err(change) => return change,
    };
    let outcome = state.mailer.send(Outgoing {
        mail_id: &mail.id,
        attempt: 1,
        kind: KIND,
        from: &letter.from,
        to: &letter.to,
        mail: &letter.mail,
        unsubscribe_url: &letter.unsubscribe_url,
    });
    judge(outcome.await, state.clock.now())
}

/// What SES's answer means for a test mail: what may have been sent is not sent again.
fn judge(outcome: Result<String, SendError>, now: DateTime<Utc>) -> TestMailChange {
    let again = |reason: &str| TestMailChange::DueAgain {
        at: now + PAUSE,
        reason: reason.to_owned(),
    };
    match outcome {
        Ok(_) => TestMailChange::Sent { at: now },
        Err(SendError::Unknown(_)) => TestMailChange::Unknown,
        Err(SendError::Refused { reason }) => TestMailChange::Failed { reason },
        Err(SendError::SlowDown) => again("slow-down"),
        Err(SendError::QuotaExceeded) => again("quota"),
        Err(SendError::QueueStopped { reason }) => again(&reason),
    }
}

struct Letter {
    from: String,
    to: Email,
    mail: RenderedMail,
    unsubscribe_url: String,
}

async fn compose(
    state: &State,
    mail: &TestMail,
    now: DateTime<Utc>,
) -> Result<Letter, TestMailChange> {
    let failed = |reason: &str| TestMailChange::Failed {
        reason: reason.to_owned(),
    };
    let wait = |error: &dyn std::fmt::Display| {
        tracing::error!(%error, "a test mail waits");
        TestMailChange::DueAgain {
            at: now + PAUSE,
            reason: "table".to_owned(),
        }
    };
    let store = &state.store;
    let follow_up = store.follow_up(&mail.follow_up_id).await;
    let follow_up = follow_up.map_err(|error| wait(&error))?;
    let follow_up = follow_up.ok_or_else(|| failed("follow-up-deleted"))?;
    let mut variants = follow_up.terms.variants.iter();
    let variant = variants.find(|variant| variant.name == mail.variant);
    let variant = variant.ok_or_else(|| failed("variant-missing"))?;
    let known = store.promotion(&variant.promotion_id, Freshness::Remembered, now);
    let known = known.await.map_err(|error| wait(&error))?;
    let promotion = known.ok_or_else(|| failed("promotion-missing"))?.promotion;
    let code_key = state.code_keys.of(&promotion).await;
    let code_key = code_key.map_err(|error| wait(&error))?;
    let to = mail.to.clone().ok_or_else(|| failed("no-address"))?;
    let order_id = OrderId::try_from(ORDER_ID.to_owned()).map_err(|_| failed("template"))?;
    let token = state.identity.unsubscribe_token(&mail.person);
    let unsubscribe_url = state.shop.unsubscribe_url(&token);
    let sample = Sample {
        terms: &follow_up.terms,
        variant,
        promotion: &promotion,
        code_key: &code_key,
        shop: &state.shop,
        locale: mail.locale.as_deref(),
        customer_name: None,
        order_id: &order_id,
        unsubscribe_url: &unsubscribe_url,
        now,
    };
    let mut rendered = sample.render().map_err(|error| {
        tracing::error!(follow_up.id = %follow_up.id, %error, "a test mail could not be written");
        failed("template")
    })?;
    rendered.subject.insert_str(0, MARK);
    Ok(Letter {
        from: follow_up.terms.mail.from.clone(),
        to,
        mail: rendered,
        unsubscribe_url,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_mail_that_may_have_been_sent_is_not_sent_again() {
        let now = DateTime::UNIX_EPOCH;
        let unknown = Err(SendError::Unknown("lost".to_owned()));
        assert_eq!(judge(unknown, now), TestMailChange::Unknown);
        for not_now in [SendError::SlowDown, SendError::QuotaExceeded] {
            let change = judge(Err(not_now), now);
            assert!(matches!(change, TestMailChange::DueAgain { .. }));
        }
    }
}
