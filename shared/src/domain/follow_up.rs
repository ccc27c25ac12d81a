//! Follow-ups: "when an order completes, wait, then mail a code".

mod arms;
mod check;
mod places;

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::code::PromotionId;
use super::money::Amount;
use super::period::Period;

pub use arms::{Arm, Draw, HOLDOUT};
pub use check::{
    MAX_CODE_VALID_DAYS, MAX_DELAY, MAX_HOLDOUT_PERCENT, MAX_NAME_CHARS, MAX_VARIANT_NAME_CHARS,
    MAX_VARIANTS,
};
pub use places::{MAX_COOLDOWN_DAYS, MAX_PER_ADDRESS, Place, Places};

/// A follow-up's id: `fu_` and 16 random symbols.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FollowUpId(String);

/// The text is no follow-up id.
#[derive(Debug, thiserror::Error)]
#[error("not a follow-up id")]
pub struct InvalidFollowUpId;

impl FollowUpId {
    /// A new id (80 random bits).
    pub fn random() -> Self {
        Self(format!("fu_{}", random_symbols(16)))
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for FollowUpId {
    type Error = InvalidFollowUpId;

    fn try_from(text: String) -> Result<Self, InvalidFollowUpId> {
        let symbols = text.strip_prefix("fu_").unwrap_or_default();
        let well_formed = symbols.len() == 16
            && symbols
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        if well_formed {
            Ok(Self(text))
        } else {
            Err(InvalidFollowUpId)
        }
    }
}

impl From<FollowUpId> for String {
    fn from(id: FollowUpId) -> Self {
        id.0
    }
}

impl fmt::Display for FollowUpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `count` symbols of `a-z2-7`, five random bits each.
pub fn random_symbols(count: usize) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut rng = rand::rng();
    (0..count)
        .filter_map(|_| {
            ALPHABET
                .get(rng.random_range(0..32_usize))
                .copied()
                .map(char::from)
        })
        .collect()
}

/// The rule as staff write it: the body of `POST` and `PUT /v1/follow-ups`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FollowUpTerms {
    /// What staff call it.
    #[schema(min_length = 1, max_length = 200)]
    pub name: String,
    /// Which orders it is for.
    #[serde(default)]
    pub conditions: Conditions,
    /// What is sent and when; buyers are spread over them by weight.
    #[schema(min_items = 1, max_items = 10)]
    pub variants: Vec<Variant>,
    /// Share of buyers who get nothing, to compare with: 0 to 90 percent. Whoever is held out stays so, until variants, weights
    /// or hold-out change.
    #[serde(default)]
    #[schema(maximum = 90, default = 0)]
    pub holdout_percent: u8,
    /// Days a code is valid after its mail is due, rounded up to the end of the day in the shop's zone.
    #[serde(default = "thirty_days")]
    #[schema(minimum = 1, maximum = 365, default = 30)]
    pub code_valid_days: u16,
    /// Whether only the buyer may use the code; otherwise whoever holds it may.
    #[serde(default)]
    pub bind_to_buyer: bool,
    /// How long before the code's end a reminder is mailed, if at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reminder_before_expiry: Option<Period>,
    /// Sender and text.
    pub mail: MailTerms,
}

fn thirty_days() -> u16 {
    30
}

/// Which orders a follow-up is for. All conditions must hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Conditions {
    /// Smallest order total, in minor units of the promotion's currency.
    pub min_total: Amount,
    /// Whether the buyer must have agreed to marketing mail.
    pub require_consent: bool,
    /// Whether it is for a buyer's first order only: no other completed order of theirs is known, but for cancelled ones.
    pub first_order_only: bool,
    /// Days, from one order's arrival to another's, in which a buyer gets at most one mail of this follow-up; 0 for no such
    /// limit.
    #[schema(maximum = 365)]
    pub cooldown_days: u16,
    /// Most mails of this follow-up that a buyer ever gets; no limit if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100)]
    pub max_per_address: Option<u32>,
}

impl Default for Conditions {
    fn default() -> Self {
        Self {
            min_total: Amount::ZERO,
            require_consent: true,
            first_order_only: false,
            cooldown_days: 0,
            max_per_address: None,
        }
    }
}

/// One arm of a follow-up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// What staff call it; statistics know its codes by the channel `thank-you/` and this name in small letters, other symbols
    /// than ASCII letters, digits and `._/-` as `-`.
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// The promotion whose code is mailed.
    pub promotion_id: PromotionId,
    /// How long after the order's event arrived the mail is due.
    pub delay: Period,
    /// Share of buyers relative to the other variants' weights.
    #[serde(default = "one")]
    #[schema(minimum = 1, default = 1)]
    pub weight: u32,
}

fn one<T: From<u8>>() -> T {
    T::from(1)
}

/// Who the mail is from and what it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MailTerms {
    /// `Name <address>` or a bare address, verified with SES.
    #[schema(example = "Shop <hello@shop.example>")]
    pub from: String,
    /// Who is legally sending; the deployment's own sender if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<Sender>,
    /// Texts by language tag (`ja`, `en`, …); built-in ones if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub templates: Option<BTreeMap<String, Template>>,
}

/// The legal sender, printed in every mail's footer. Source: 特定電子メール法 art. 4 (webhooks-and-mail.md §8.6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Sender {
    /// Person or company.
    #[schema(min_length = 1, max_length = 200)]
    pub name: String,
    /// Postal address.
    #[schema(min_length = 1, max_length = 200)]
    pub address: String,
    /// Where to complain or ask: telephone number, mail address or URL.
    #[schema(min_length = 1, max_length = 200)]
    pub contact: String,
}

/// One language's text, in minijinja.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// The subject line.
    pub subject: String,
    /// The body as plain text; paragraphs are separated by empty lines.
    pub body: String,
}

/// Whether a follow-up's mails go out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FollowUpStatus {
    /// They are sent when they are due.
    #[default]
    Active,
    /// Orders earn their codes and mails as ever, but the mails wait.
    Paused,
}

/// A stored follow-up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FollowUp {
    /// Its id.
    pub id: FollowUpId,
    /// Counts the changes, from 1. Mails are sent under the version in force when their order arrived.
    pub version: u64,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// The version from which its variants, weights and hold-out stand: buyers stay in their arms until these change.
    #[serde(default = "one")]
    pub experiment: u64,
    /// Whether its mails go out.
    #[serde(default)]
    pub status: FollowUpStatus,
    /// The rule.
    #[serde(flatten)]
    pub terms: FollowUpTerms,
}
