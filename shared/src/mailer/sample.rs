//! A follow-up's mail as a made-up buyer of a made-up order would get it: for previews and test mails. Its code is none.

use chrono::{DateTime, Utc};

use super::offer::Offer;
use super::render::{MailInput, Reason, RenderError, RenderedMail, render};
use super::shop::Shop;
use crate::domain::code::CodeKey;
use crate::domain::follow_up::{FollowUpTerms, Variant};
use crate::domain::order::OrderId;
use crate::domain::promotion::Promotion;
use crate::domain::thank_you::Schedule;

/// What is sampled, and for whom.
#[derive(Debug)]
pub struct Sample<'a> {
    /// The follow-up …
    pub terms: &'a FollowUpTerms,
    /// … the arm of it …
    pub variant: &'a Variant,
    /// … that arm's promotion …
    pub promotion: &'a Promotion,
    /// … and its key, to make sure that the code shown is none.
    pub code_key: &'a CodeKey,
    /// The shop.
    pub shop: &'a Shop,
    /// The made-up buyer's language tag.
    pub locale: Option<&'a str>,
    /// The made-up buyer's name.
    pub customer_name: Option<&'a str>,
    /// The made-up order.
    pub order_id: &'a OrderId,
    /// Where the way out leads.
    pub unsubscribe_url: &'a str,
    /// When the order is taken to arrive.
    pub now: DateTime<Utc>,
}

/// Why there is no sample.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    /// The law asks for a sender's name, address and contact in every mail, and nothing says them.
    #[error("neither the follow-up nor the deployment says who sends")]
    SenderMissing,
    /// The mail would be due beyond the calendar.
    #[error("the mail would be due beyond the calendar")]
    BeyondCalendar,
    /// The text failed.
    #[error(transparent)]
    Render(#[from] RenderError),
}

impl Sample<'_> {
    /// Renders it with the renderer of real mails.
    ///
    /// # Errors
    /// [`SampleError`] if a real mail could not be sent either.
    pub fn render(&self) -> Result<RenderedMail, SampleError> {
        let terms = self.terms;
        let sender = self.shop.sender_of(&terms.mail);
        let sender = sender.ok_or(SampleError::SenderMissing)?;
        let zone = self.shop.zone;
        let schedule = Schedule::plan(self.now, self.variant.delay, terms.code_valid_days, zone)
            .ok_or(SampleError::BeyondCalendar)?;
        let consented = terms.conditions.require_consent;
        Ok(render(&MailInput {
            locale: self.locale,
            templates: terms.mail.templates.as_ref(),
            code: &self.code_key.specimen(),
            offer: &Offer::of(&self.promotion.terms),
            bound: terms.bind_to_buyer,
            code_expires_at: schedule.code_expires_at,
            zone,
            customer_name: self.customer_name,
            order_id: self.order_id,
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
