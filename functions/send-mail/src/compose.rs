//! A claimed mail's words, from what the table knows at that moment.

use chrono::{DateTime, TimeDelta, Utc};
use shared::domain::follow_up::FollowUp;
use shared::domain::outbox::{Contact, OutboxMail};
use shared::domain::promotion::{Closed, Promotion};
use shared::mailer::{self, Outgoing, RenderedMail};
use shared::store::{Freshness, MailChange, StoreError};

use crate::{STAFF_PAUSE, State};

/// How long a mail waits after the table or a secret could not be read.
const READ_PAUSE: TimeDelta = TimeDelta::minutes(5);

/// A mail ready to be sent.
pub(crate) struct Letter {
    follow_up: FollowUp,
    contact: Contact,
    mail: RenderedMail,
    unsubscribe_url: String,
}

impl Letter {
    pub(crate) fn outgoing<'a>(&'a self, mail: &'a OutboxMail) -> Outgoing<'a> {
        Outgoing {
            mail_id: &mail.id,
            attempt: mail.attempt,
            kind: mail.kind(),
            from: &self.follow_up.terms.mail.from,
            to: &self.contact.email,
            mail: &self.mail,
            unsubscribe_url: &self.unsubscribe_url,
        }
    }
}

/// Composes a mail, or says what becomes of it unsent.
pub(crate) async fn compose(
    state: &State,
    mail: &OutboxMail,
    now: DateTime<Utc>,
) -> Result<Letter, MailChange> {
    let store = &state.store;
    let follow_up = store
        .follow_up_version(&mail.follow_up_id, mail.follow_up_version)
        .await;
    let follow_up = found(follow_up, now)?.ok_or_else(|| failed("follow-up-missing"))?;
    let contact = found(store.contact(&mail.person, now).await, now)?;
    let contact = contact.ok_or_else(|| failed("no-address"))?;
    let promotion = store
        .promotion(&mail.promotion_id, Freshness::Remembered, now)
        .await;
    let promotion = found(promotion, now)?
        .ok_or_else(|| failed("promotion-missing"))?
        .promotion;
    if let Some(closed) = promotion.closed_at(now) {
        return Err(while_closed(closed, &promotion, now));
    }
    let token = state.identity.unsubscribe_token(&mail.person);
    let unsubscribe_url = state.shop.unsubscribe_url(&token);
    let rendered = words(
        state,
        mail,
        now,
        &follow_up,
        &contact,
        &promotion,
        &unsubscribe_url,
    )
    .await?;
    Ok(Letter {
        follow_up,
        contact,
        mail: rendered,
        unsubscribe_url,
    })
}

async fn words(
    state: &State,
    mail: &OutboxMail,
    now: DateTime<Utc>,
    follow_up: &FollowUp,
    contact: &Contact,
    promotion: &Promotion,
    unsubscribe_url: &str,
) -> Result<RenderedMail, MailChange> {
    let shop = &state.shop;
    if shop.sender_of(&follow_up.terms.mail).is_none() {
        tracing::error!(
            follow_up.id = %follow_up.id,
            "nothing is sent: the law asks for a sender's name, address and contact. Set SenderName, SenderAddress and \
             SenderContact, or mail.sender of the follow-up"
        );
        return Err(again(now + STAFF_PAUSE, "sender-missing"));
    }
    let code_key = state.code_keys.of(promotion).await;
    let code_key = code_key.map_err(|error| {
        tracing::error!(%error, "a mail waits for its code key");
        again(now + READ_PAUSE, "code-key")
    })?;
    let letter = mailer::Letter {
        mail,
        follow_up,
        contact: Some(contact),
        promotion,
        code_key: &code_key,
        shop,
        unsubscribe_url,
    };
    letter.render().map_err(|error| {
        tracing::error!(follow_up.id = %follow_up.id, %error, "a mail could not be written");
        failed("template")
    })
}

/// A code that gives nothing now is not mailed now.
fn while_closed(closed: Closed, promotion: &Promotion, now: DateTime<Utc>) -> MailChange {
    match closed {
        Closed::NotStarted => again(promotion.effective_at, "promotion-not-started"),
        Closed::Paused => again(now + STAFF_PAUSE, "promotion-paused"),
        Closed::Ended | Closed::Expired => MailChange::Withdrawn {
            reason: "promotion-ended".to_owned(),
        },
    }
}

fn found<T>(read: Result<T, StoreError>, now: DateTime<Utc>) -> Result<T, MailChange> {
    read.map_err(|error| {
        tracing::error!(%error, "a mail waits for the table");
        again(now + READ_PAUSE, "table")
    })
}

fn again(at: DateTime<Utc>, reason: &str) -> MailChange {
    MailChange::DueAgain {
        at,
        reason: reason.to_owned(),
    }
}

fn failed(reason: &str) -> MailChange {
    MailChange::Failed {
        reason: reason.to_owned(),
    }
}
