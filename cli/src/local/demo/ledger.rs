//! What the demo did, as it did it: what anybody can add up to know what the pages must say.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::Value;

/// Everything that was done.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// The promotions' ids, by what the demo calls them.
    pub promotions: BTreeMap<&'static str, String>,
    /// The follow-ups' ids, by what the demo calls them.
    pub follow_ups: BTreeMap<&'static str, String>,
    /// All orders, in the order in which they were planned.
    pub sales: Vec<Sale>,
    /// Orders that the shop told of and nobody bought at the checkout.
    pub unasked: Vec<Completed>,
    /// Who bought, by address.
    pub buyers: BTreeMap<String, Buyer>,
    /// Who asked to be forgotten, and when.
    pub forgotten: BTreeMap<String, DateTime<Utc>>,
    /// Every mail that SES took, oldest first.
    pub mails: Vec<Mailed>,
    /// Visits of landing pages that count.
    pub visits: Vec<Visit>,
}

/// A buyer.
#[derive(Clone, Debug)]
pub struct Buyer {
    /// The arm of the thank-you follow-up into which they fall.
    pub arm: String,
    /// Whether they want marketing mail.
    pub consents: bool,
}

/// An order.
#[derive(Clone, Debug)]
pub struct Sale {
    /// The shop's number of it.
    pub order_id: String,
    /// Who bought.
    pub email: String,
    /// Where each code that was used had been handed out, by promotion.
    pub channels: BTreeMap<String, String>,
    /// What the checkout was answered last, if it asked: with the order's status and returns.
    pub redemption: Option<Value>,
    /// Why the checkout refused the code at first, if it did.
    pub refused: Option<String>,
    /// What the shop told when the order was paid for.
    pub completed: Option<Completed>,
    /// Whether the shop told afterwards that it was cancelled or refunded in full.
    pub undone: bool,
}

/// A paid order as the shop told of it.
#[derive(Clone, Debug)]
pub struct Completed {
    /// When, by the stack's clock.
    pub at: DateTime<Utc>,
    /// What it came to, in yen.
    pub total: u64,
    /// What it sold; nothing if the shop's provider does not say.
    pub lines: Vec<SoldLine>,
}

/// A line of a paid order.
#[derive(Clone, Debug)]
pub struct SoldLine {
    /// Of which product.
    pub sku: String,
    /// How many.
    pub quantity: u64,
    /// What one cost, in yen.
    pub unit_price: u64,
}

/// A mail that SES took.
#[derive(Clone, Debug)]
pub struct Mailed {
    /// To whom.
    pub email: String,
    /// The promotion of the code in it.
    pub promotion_id: String,
    /// The code.
    pub code: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Whether it reminds of a mail before it.
    pub reminder: bool,
}

/// Visits of a landing page.
#[derive(Clone, Debug)]
pub struct Visit {
    /// Whose page.
    pub slug: String,
    /// The promotion it is for.
    pub promotion_id: String,
    /// The channel it was handed out in.
    pub channel: String,
    /// When.
    pub at: DateTime<Utc>,
    /// How many.
    pub count: u64,
}
