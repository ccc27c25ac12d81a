//! Items of single-use codes. A minted code has none until it is used or voided; a thank-you code has one from its issue.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::channel::Channel;
use crate::domain::code::Serial;
use crate::domain::identity::PersonHash;
use crate::domain::order::OrderId;

/// What may be done with a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CodeState {
    /// It can be redeemed.
    Unused,
    /// An order has it.
    Redeemed,
    /// It was taken back.
    Voided,
}

/// The item of one single-use code. It never expires from the table: a used code stays used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeItem {
    /// The code's number.
    pub serial: Serial,
    /// What may be done with it.
    pub state: CodeState,
    /// The order that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<OrderId>,
    /// When that order took it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redeemed_at: Option<DateTime<Utc>>,
    /// Where it was handed out (thank-you codes; a minted code's channel is its batch's).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// First millisecond since 1970 at which it no longer works (thank-you codes).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<i64>,
    /// To whom it was issued (thank-you codes).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_to: Option<PersonHash>,
    /// The order that earned it (thank-you codes).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earned_by: Option<OrderId>,
}
