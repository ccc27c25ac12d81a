//! Lines that come back, and what of their discount comes back with them.
//!
//! After `q` of a line's `n` units have come back, `floor(discount × q / n)` of its discount has, and each return brings
//! the difference: returning everything, in whatever steps, brings exactly the line's discount. A return's discount is
//! split over the order's codes in proportion to what each has not given back yet.
#![deny(clippy::arithmetic_side_effects)]

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::fault::Fault;
use super::money::Amount;
use super::pricing::spread;
use super::redemption::{LineAnswer, RedeemedCode, Redemption, RedemptionStatus};

/// Longest record, in bytes of JSON, that a return may make; DynamoDB takes items up to 400 KB. Source: design.md §5.
const MAX_RECORD_BYTES: usize = 350_000;

/// A return's id as the caller chooses it: 1 to 128 of `A-Z a-z 0-9 . _ : -`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ReturnId(String);

/// The text cannot be a return's id.
#[derive(Debug, thiserror::Error)]
#[error("a return id has 1 to 128 characters out of A-Z a-z 0-9 . _ : -")]
pub struct InvalidReturnId;

impl TryFrom<String> for ReturnId {
    type Error = InvalidReturnId;

    fn try_from(text: String) -> Result<Self, InvalidReturnId> {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
        if (1..=128).contains(&text.len()) && text.bytes().all(known) {
            Ok(Self(text))
        } else {
            Err(InvalidReturnId)
        }
    }
}

impl From<ReturnId> for String {
    fn from(id: ReturnId) -> Self {
        id.0
    }
}

/// What comes back, as a caller sends it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReturnRequest {
    /// Names the return, so that its repetition is known.
    pub return_id: ReturnId,
    /// The lines, each at most once.
    pub lines: Vec<LineQuantity>,
}

/// Some units of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LineQuantity {
    /// Place of the line in the cart, from 0.
    pub line: usize,
    /// How many units, at least 1.
    #[schema(minimum = 1)]
    pub quantity: u64,
}

/// A return that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Return {
    /// Its id.
    pub return_id: ReturnId,
    /// What came back, in the order it was sent.
    pub lines: Vec<ReturnedLine>,
    /// The lines' share of the discount, in minor units.
    pub discount: Amount,
    /// When.
    pub returned_at: DateTime<Utc>,
}

/// Units of a line that came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReturnedLine {
    /// Place of the line in the cart, from 0.
    pub line: usize,
    /// How many units.
    pub quantity: u64,
    /// Their share of the line's discount, in minor units.
    pub discount: Amount,
}

/// Why a return was refused. Nothing was written then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReturnRefusal {
    /// The id was used for other lines.
    IdReused,
    /// The order is not paid for yet: it is to be confirmed or cancelled.
    Held,
    /// The order's hold ended and everything was given back.
    Lapsed,
    /// The order was cancelled, which gave everything back.
    Cancelled,
    /// The lines cannot have come back.
    Faults(Vec<Fault>),
}

impl Return {
    fn is_of(&self, request: &ReturnRequest) -> bool {
        let mut made: Vec<_> = self
            .lines
            .iter()
            .map(|line| LineQuantity {
                line: line.line,
                quantity: line.quantity,
            })
            .collect();
        let mut asked = request.lines.clone();
        made.sort_unstable();
        asked.sort_unstable();
        made == asked
    }
}

impl Redemption {
    /// The record with the return in it as the next version, or `None` if the same return was made before, whatever has
    /// become of the order since.
    ///
    /// # Errors
    /// [`ReturnRefusal`] says why the lines cannot come back.
    pub fn with_return(
        &self,
        request: &ReturnRequest,
        now: DateTime<Utc>,
    ) -> Result<Option<Self>, ReturnRefusal> {
        let before = |made: &&Return| made.return_id == request.return_id;
        if let Some(made) = self.returns.iter().find(before) {
            return if made.is_of(request) {
                Ok(None)
            } else {
                Err(ReturnRefusal::IdReused)
            };
        }
        match self.status {
            RedemptionStatus::Redeemed => {}
            RedemptionStatus::Held if !self.is_overdue_at(now) => return Err(ReturnRefusal::Held),
            RedemptionStatus::Held | RedemptionStatus::Lapsed => return Err(ReturnRefusal::Lapsed),
            RedemptionStatus::Cancelled => return Err(ReturnRefusal::Cancelled),
        }
        let Some(redeemed) = &self.redeemed else {
            return Err(ReturnRefusal::Cancelled);
        };
        let lines = self
            .returned_lines(&redeemed.priced.lines, request)
            .map_err(ReturnRefusal::Faults)?;
        let discount = sum(lines.iter().map(|line| line.discount));
        let mut record = self.changed_to(RedemptionStatus::Redeemed);
        if let Some(redeemed) = &mut record.redeemed {
            share_out(discount, &mut redeemed.codes);
        }
        record.returns.push(Return {
            return_id: request.return_id.clone(),
            lines,
            discount,
            returned_at: now,
        });
        let bytes = serde_json::to_vec(&record).map_or(usize::MAX, |text| text.len());
        if bytes > MAX_RECORD_BYTES {
            let detail = "this order has had so many returns that its record is full";
            return Err(ReturnRefusal::Faults(vec![Fault::new("/lines", detail)]));
        }
        Ok(Some(record))
    }

    fn returned_lines(
        &self,
        lines: &[LineAnswer],
        request: &ReturnRequest,
    ) -> Result<Vec<ReturnedLine>, Vec<Fault>> {
        let (mut returned, mut faults) = (Vec::new(), Vec::new());
        let mut named = HashSet::new();
        if request.lines.is_empty() {
            faults.push(Fault::new("/lines", "a return has at least one line"));
        }
        for (index, LineQuantity { line, quantity }) in request.lines.iter().copied().enumerate() {
            let mut fault = |field: &str, detail: String| {
                faults.push(Fault::new(format!("/lines/{index}/{field}"), detail));
            };
            let Some(sold) = lines.get(line) else {
                let detail = format!("the order has {} lines, counted from 0", lines.len());
                fault("line", detail);
                continue;
            };
            if !named.insert(line) {
                fault("line", "each line is named once".to_owned());
                continue;
            }
            let before = self.units_back(line);
            let left = sold.quantity.saturating_sub(before);
            if !(1..=left).contains(&quantity) {
                let detail = format!("{left} of {} units have not come back yet", sold.quantity);
                fault("quantity", detail);
                continue;
            }
            let after = before.saturating_add(quantity);
            let discount = share(sold, after).saturating_sub(share(sold, before));
            returned.push(ReturnedLine {
                line,
                quantity,
                discount,
            });
        }
        if faults.is_empty() {
            Ok(returned)
        } else {
            Err(faults)
        }
    }

    /// How many units of a line have come back.
    fn units_back(&self, line: usize) -> u64 {
        let all = self.returns.iter().flat_map(|made| &made.lines);
        all.filter(|returned| returned.line == line)
            .fold(0, |sum, returned| sum.saturating_add(returned.quantity))
    }
}

/// What of a line's discount comes back with its first `units` units, rounded down to the minor unit.
fn share(line: &LineAnswer, units: u64) -> Amount {
    // 10^18 × 10^6 fits u128.
    let scaled = u128::from(line.discount.minor()).saturating_mul(u128::from(units));
    let share = scaled
        .checked_div(u128::from(line.quantity))
        .and_then(|share| u64::try_from(share).ok());
    share
        .and_then(|share| Amount::try_from(share).ok())
        .unwrap_or_default()
}

/// Adds each code's part of `discount` to what it has given back, in proportion to what it has not, by largest remainder:
/// the parts sum to `discount`, and no code gives back more than it gave.
fn share_out(discount: Amount, codes: &mut [RedeemedCode]) {
    let left: Vec<Amount> = codes
        .iter()
        .map(|code| {
            let given = code.discount.unwrap_or_default();
            given.saturating_sub(code.returned)
        })
        .collect();
    for (code, part) in codes.iter_mut().zip(spread(discount, &left)) {
        code.returned = sum([code.returned, part].into_iter());
    }
}

fn sum(amounts: impl Iterator<Item = Amount>) -> Amount {
    amounts.fold(Amount::ZERO, |sum, amount| {
        sum.checked_add(amount).unwrap_or(Amount::MAX)
    })
}

#[cfg(test)]
mod tests;
