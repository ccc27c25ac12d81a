//! A queued mail as its buyer gets it, from what the table keeps of it.

use super::offer::Offer;
use super::render::{MailInput, Reason, RenderError, RenderedMail, render};
use super::shop::Shop;
use super::template;
use crate::domain::code::CodeKey;
use crate::domain::follow_up::FollowUp;
use crate::domain::outbox::{Contact, OutboxMail};
use crate::domain::promotion::Promotion;

/// What a queued mail is made of.
#[derive(Debug)]
pub struct Letter<'a> {
    /// The mail …
    pub mail: &'a OutboxMail,
    /// … the version of the follow-up it belongs to …
    pub follow_up: &'a FollowUp,
    /// … its reader, as far as still known: without, it greets nobody, in the language for readers of unknown language …
    pub contact: Option<&'a Contact>,
    /// … the promotion of its code …
    pub promotion: &'a Promotion,
    /// … and the key that makes the code's text of its serial.
    pub code_key: &'a CodeKey,
    /// The shop.
    pub shop: &'a Shop,
    /// Where the way out leads.
    pub unsubscribe_url: &'a str,
}

/// Why a queued mail has no words.
#[derive(Debug, thiserror::Error)]
pub enum LetterError {
    /// The law asks for a sender's name, address and contact in every mail, and nothing says them.
    #[error("neither the follow-up nor the deployment says who sends")]
    SenderMissing,
    /// The text failed.
    #[error(transparent)]
    Render(#[from] RenderError),
}

impl Letter<'_> {
    /// Its subject and both parts.
    ///
    /// # Errors
    /// [`LetterError`] if it cannot be sent as things are.
    pub fn render(&self) -> Result<RenderedMail, LetterError> {
        let Self {
            mail,
            follow_up: FollowUp { terms, .. },
            contact,
            ..
        } = self;
        let sender = self.shop.sender_of(&terms.mail);
        let sender = sender.ok_or(LetterError::SenderMissing)?;
        let reminders = mail.reminder_of.as_ref().map(|_| template::reminders());
        let consented = terms.conditions.require_consent;
        Ok(render(&MailInput {
            locale: contact.and_then(|contact| contact.locale.as_deref()),
            templates: reminders.as_ref().or(terms.mail.templates.as_ref()),
            code: &self.code_key.seal(mail.serial),
            offer: &Offer::of(&self.promotion.terms),
            bound: terms.bind_to_buyer,
            code_expires_at: mail.code_expires_at,
            zone: self.shop.zone,
            customer_name: contact.and_then(|contact| contact.name.as_deref()),
            order_id: &mail.order_id,
            shop_name: &self.shop.shop_name,
            shop_url: &self.shop.shop_url,
            unsubscribe_url: self.unsubscribe_url,
            sender: &sender,
            reason: if consented {
                Reason::Consented
            } else {
                Reason::Bought
            },
        })?)
    }
}
