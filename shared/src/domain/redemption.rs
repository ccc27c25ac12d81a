//! Redemptions: the codes used by one order, all or none, and what a caller is told about each code.

mod as_text;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::cart::{Cart, Sku};
use super::code::{PromotionId, Serial};
use super::fault::Fault;
use super::identity::PersonHash;
use super::money::{Amount, Currency};
use super::order::OrderId;
use super::pricing::{Allocation, Unpriced};
use super::promotion::{Closed, Limits};
use super::returns::Return;
use super::word_limits::WordLimits;

/// Most codes in one request. Source: design.md §5.
pub const MAX_CODES: usize = 10;
/// Longest hold, in seconds: a day. Source: design.md §5.
pub const MAX_HOLD_SECONDS: u32 = 86_400;

/// Why a code does not apply. The names are part of the HTTP contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// There is no such code.
    CodeUnknown,
    /// Another order has it.
    CodeAlreadyRedeemed,
    /// Its promotion has not begun.
    NotStarted,
    /// Its time, or its promotion's, is over.
    Expired,
    /// Its promotion has given away all it may.
    BudgetExhausted,
    /// Its promotion was used as often as it may be.
    RedemptionsExhausted,
    /// This customer has used its promotion as often as they may.
    CustomerLimitReached,
    /// Its promotion counts uses per customer, and none was named.
    CustomerRequired,
    /// It is bound to another customer.
    OtherCustomer,
    /// Its promotion is paused.
    Paused,
    /// Its promotion was ended.
    Ended,
    /// It was taken back.
    Voided,
    /// The eligible lines come to too little.
    MinimumNotMet,
    /// No line is one it is for.
    NoEligibleProducts,
    /// The cart is in another currency.
    CurrencyMismatch,
    /// It may not be used with the others sent.
    NotCombinable,
    /// Another preferential code is worth more; this one is not consumed.
    BetterOneApplied,
}

impl From<Closed> for Reason {
    fn from(closed: Closed) -> Self {
        match closed {
            Closed::NotStarted => Self::NotStarted,
            Closed::Paused => Self::Paused,
            Closed::Ended => Self::Ended,
            Closed::Expired => Self::Expired,
        }
    }
}

impl From<Unpriced> for Reason {
    fn from(unpriced: Unpriced) -> Self {
        match unpriced {
            Unpriced::CurrencyMismatch => Self::CurrencyMismatch,
            Unpriced::NoEligibleProducts => Self::NoEligibleProducts,
            Unpriced::MinimumNotMet => Self::MinimumNotMet,
            Unpriced::NotCombinable => Self::NotCombinable,
            Unpriced::BetterOneApplied => Self::BetterOneApplied,
        }
    }
}

/// Who is buying, as far as the checkout tells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Customer {
    /// The shop's own id of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 254, example = "77")]
    pub id: Option<String>,
    /// Their address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 254, example = "hanako@example.jp")]
    pub email: Option<String>,
    /// Their telephone number.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 254, example = "+81312345678")]
    pub phone: Option<String>,
}

/// Longest text that names a customer, in bytes.
const MAX_IDENTITY_BYTES: usize = 254;

impl Customer {
    /// Everything in it that cannot be; `pointer` is where it stands.
    pub fn faults(&self, pointer: &str) -> Vec<Fault> {
        let identities = [
            ("id", &self.id),
            ("email", &self.email),
            ("phone", &self.phone),
        ];
        let unusable = |text: &String| text.trim().is_empty() || text.len() > MAX_IDENTITY_BYTES;
        let faulty = identities
            .into_iter()
            .filter(|(_, value)| value.as_ref().is_some_and(unusable));
        let detail = format!("an identity has 1 to {MAX_IDENTITY_BYTES} bytes");
        faulty
            .map(|(field, _)| Fault::new(format!("{pointer}/{field}"), detail.clone()))
            .collect()
    }
}

/// What became of one code, as the caller sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct CodeAnswer {
    /// The canonical text, never what was typed.
    pub code: String,
    /// The promotion it belongs to, if the code is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub promotion_id: Option<PromotionId>,
    /// Whether it gives a discount.
    pub applied: bool,
    /// What it takes off in all, lines or shipping, in minor units, if it applies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discount: Option<Amount>,
    /// Why it gives none, if it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// A promotion that applied by itself, as the caller sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AutomaticAnswer {
    /// Which.
    pub promotion_id: PromotionId,
    /// What it takes off in all, lines or shipping, in minor units.
    pub discount: Amount,
}

/// One priced line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LineAnswer {
    /// What.
    pub sku: Sku,
    /// How many.
    pub quantity: u64,
    /// Before discounts, in minor units.
    pub subtotal: Amount,
    /// What is taken off, in minor units.
    pub discount: Amount,
}

/// A priced cart without its codes. `total = subtotal − discount + shipping − shipping_discount`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Priced {
    /// Currency of all amounts.
    pub currency: Currency,
    /// Sum of the lines before discounts.
    pub subtotal: Amount,
    /// What is taken off the lines.
    pub discount: Amount,
    /// What is taken off shipping.
    pub shipping_discount: Amount,
    /// What the buyer pays.
    pub total: Amount,
    /// The lines, in the cart's order.
    pub lines: Vec<LineAnswer>,
}

impl Priced {
    /// The cart under an allocation.
    pub fn new(cart: &Cart, allocation: &Allocation) -> Self {
        let subtotal = cart.subtotal();
        let discount = allocation.discount();
        let left = subtotal.saturating_sub(discount);
        let shipping = cart.shipping.saturating_sub(allocation.shipping);
        let lines = cart.lines.iter().zip(&allocation.lines);
        let lines = lines.map(|(line, discount)| LineAnswer {
            sku: line.sku.clone(),
            quantity: line.quantity,
            subtotal: line.subtotal(),
            discount: *discount,
        });
        Self {
            currency: cart.currency,
            subtotal,
            discount,
            shipping_discount: allocation.shipping,
            total: left.checked_add(shipping).unwrap_or(Amount::MAX),
            lines: lines.collect(),
        }
    }
}

/// Which code it was, without a single-use code's text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CodeRef {
    /// A single-use code's serial.
    Serial(Serial),
    /// A group word, as staff gave it.
    Word(String),
    /// None: the promotion applied by itself.
    Automatic,
}

/// One code of a stored redemption.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedeemedCode {
    /// Its promotion.
    pub promotion_id: PromotionId,
    /// Which code.
    pub code: CodeRef,
    /// Its discount, or why it was left aside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discount: Option<Amount>,
    /// Why it was left aside, unconsumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Whether a cancellation leaves it used.
    #[serde(default)]
    pub keep_on_cancel: bool,
    /// What it drew on, and a cancellation gives back.
    #[serde(default, skip_serializing_if = "Limits::is_none")]
    pub limits: Limits,
    /// Whether returned lines give their discount back to the budget.
    #[serde(default)]
    pub restore_budget_on_return: bool,
    /// Its part, in minor units, of the discounts of all lines returned so far.
    #[serde(default)]
    pub returned: Amount,
    /// What a group code drew on of its own, and a cancellation gives back.
    #[serde(default, skip_serializing_if = "WordLimits::is_none")]
    pub word_limits: WordLimits,
}

impl RedeemedCode {
    /// What its promotion has still given away for it, in minor units; nothing if it was left aside.
    pub fn drawn(&self) -> Option<Amount> {
        let back = if self.restore_budget_on_return {
            self.returned
        } else {
            Amount::ZERO
        };
        Some(self.discount?.saturating_sub(back))
    }
}

/// Where a redemption stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RedemptionStatus {
    /// Its codes are taken for an order not yet paid for, until its hold ends.
    Held,
    /// Its codes are used.
    Redeemed,
    /// Its hold ended unpaid and everything was given back: the order may come again.
    Lapsed,
    /// Final: its codes were given back, and the order id can never redeem again.
    Cancelled,
}

/// What an order redeemed: the whole answer, with serials in place of code text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redeemed {
    /// Keyed hash of the request: the same request again gets the same answer.
    pub fingerprint: String,
    /// Random mark of the call that wrote it, so that a caller whose reply was lost knows its own write.
    pub written_by: String,
    /// When it was redeemed; of a hold not yet confirmed, when it was made.
    pub redeemed_at: DateTime<Utc>,
    /// Who redeemed it, by keyed hash of each identity given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub people: Vec<PersonHash>,
    /// The codes, in the order they were sent, and after them the promotions that applied by themselves.
    pub codes: Vec<RedeemedCode>,
    /// The amounts.
    pub priced: Priced,
}

/// The record under an order id; also the ledger entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redemption {
    /// The order.
    pub order_id: OrderId,
    /// Where it stands.
    pub status: RedemptionStatus,
    /// Counts the changes, from 1, also over a lapse and what comes after it.
    pub version: u64,
    /// First moment at which its hold is over; absent once it is confirmed, and where nothing was ever held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_until: Option<DateTime<Utc>>,
    /// What it redeemed; nothing if it was cancelled before it came.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "as_text")]
    pub redeemed: Option<Redeemed>,
    /// When it was cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled_at: Option<DateTime<Utc>>,
    /// Lines that came back, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub returns: Vec<Return>,
}

impl Redemption {
    /// Whether it is a hold whose time is over at `now`.
    pub fn is_overdue_at(&self, now: DateTime<Utc>) -> bool {
        self.status == RedemptionStatus::Held && self.held_until.is_some_and(|until| until <= now)
    }

    /// Whether the order may redeem as if it had never come: it lapsed, or is a hold that has to.
    pub fn makes_way_at(&self, now: DateTime<Utc>) -> bool {
        self.status == RedemptionStatus::Lapsed || self.is_overdue_at(now)
    }

    /// It in another state, as the next version.
    #[must_use]
    pub fn changed_to(&self, status: RedemptionStatus) -> Self {
        Self {
            status,
            version: self.version.saturating_add(1),
            ..self.clone()
        }
    }

    /// A hold made final at `now`.
    #[must_use]
    pub fn confirmed(&self, now: DateTime<Utc>) -> Self {
        let redeemed = self.redeemed.clone().map(|redeemed| Redeemed {
            redeemed_at: now,
            ..redeemed
        });
        Self {
            held_until: None,
            redeemed,
            ..self.changed_to(RedemptionStatus::Redeemed)
        }
    }
}

/// How long an order may be held, 1 to [`MAX_HOLD_SECONDS`] seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct HoldSeconds(u32);

/// The number is no time an order can be held.
#[derive(Debug, thiserror::Error)]
#[error("a hold lasts 1 to {MAX_HOLD_SECONDS} seconds")]
pub struct InvalidHold;

impl TryFrom<u32> for HoldSeconds {
    type Error = InvalidHold;

    fn try_from(seconds: u32) -> Result<Self, InvalidHold> {
        if (1..=MAX_HOLD_SECONDS).contains(&seconds) {
            Ok(Self(seconds))
        } else {
            Err(InvalidHold)
        }
    }
}

impl HoldSeconds {
    /// First moment at which a hold made at `now` is over, rounded down to the millisecond, since the codes' items carry
    /// it in milliseconds and both must end at once.
    pub fn end(self, now: DateTime<Utc>) -> DateTime<Utc> {
        (now + TimeDelta::seconds(self.0.into())).trunc_subsecs(3)
    }
}

/// Too many unknown codes were tried for a customer or from an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyAttempts {
    /// Seconds until others may be tried, at least 1.
    pub retry_after: u64,
}
