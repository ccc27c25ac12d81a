//! Items of single-use codes. A minted code has none until it is used or voided; a thank-you code has one from its issue.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::minting::Batch;
use super::{Store, StoreError, keys};
use crate::domain::channel::Channel;
use crate::domain::code::{PromotionId, Serial};
use crate::domain::identity::PersonHash;
use crate::domain::order::OrderId;

/// What may be done with a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CodeState {
    /// It can be redeemed.
    Unused,
    /// An order not yet paid for has it, until its hold ends.
    Held,
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
    /// First millisecond since 1970 at which that order's hold is over, if it is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_until_ms: Option<i64>,
    /// Where it was handed out (thank-you codes; a minted code's channel is its batch's).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// First millisecond since 1970 at which it no longer works (thank-you codes).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<i64>,
    /// To whom it was issued (thank-you codes).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_to: Option<PersonHash>,
    /// Who alone may use it, by each of their identities; anybody, if nobody is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bound_to: Vec<PersonHash>,
    /// The order that earned it (thank-you codes).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earned_by: Option<OrderId>,
}

impl CodeItem {
    /// The order whose hold on it is over at `now` and has to lapse before anyone else can take it.
    pub fn overdue_hold(&self, now: DateTime<Utc>) -> Option<&OrderId> {
        let over = self.held_until_ms? <= now.timestamp_millis();
        self.order_id
            .as_ref()
            .filter(|_| over && self.state == CodeState::Held)
    }
}

/// A code of a promotion, for listing. Its text is the caller's to seal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedCode {
    /// Its number.
    pub serial: Serial,
    /// Where it was handed out.
    pub channel: Option<Channel>,
    /// Its item, if it was ever used, voided or issued.
    pub item: Option<CodeItem>,
}

/// Where a listing of single-use codes goes on: first the minted ones by serial, then the thank-you codes by partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// The next minted serial.
    Minted(u64),
    /// The partition of thank-you codes, and the first serial to list there.
    ThankYou(u64, u64),
}

impl Position {
    /// The start of a promotion's codes.
    pub const START: Self = Self::Minted(0);

    /// Reads what [`Self::cursor`] wrote.
    pub fn from_cursor(cursor: &str) -> Option<Self> {
        if let Some(serial) = cursor.strip_prefix('s') {
            return serial.parse().ok().map(Self::Minted);
        }
        let (partition, serial) = cursor.strip_prefix('t')?.split_once('-')?;
        Some(Self::ThankYou(
            partition.parse().ok()?,
            serial.parse().ok()?,
        ))
    }

    /// The position as an opaque text for a URL. It holds serials, no code text.
    pub fn cursor(self) -> String {
        match self {
            Self::Minted(serial) => format!("s{serial}"),
            Self::ThankYou(partition, serial) => format!("t{partition}-{serial}"),
        }
    }
}

impl Store {
    /// Minted codes from `start` up to `end`, in order; their channels are those of `batches`.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn minted_codes(
        &self,
        promotion: &PromotionId,
        batches: &[Batch],
        start: u64,
        end: u64,
    ) -> Result<Vec<ListedCode>, StoreError> {
        let mut items = HashMap::new();
        if start < end {
            for partition in
                start / keys::SERIALS_PER_PARTITION..=(end - 1) / keys::SERIALS_PER_PARTITION
            {
                let found: Vec<CodeItem> = self
                    .query_partition(&keys::batch_partition(promotion, partition))
                    .await?;
                items.extend(found.into_iter().map(|item| (item.serial.get(), item)));
            }
        }
        let listed = (start..end).filter_map(|number| {
            let index = batches.partition_point(|batch| batch.first_serial <= number);
            let batch = index
                .checked_sub(1)
                .and_then(|index| batches.get(index))
                .filter(|batch| batch.contains(number));
            if batch.is_some_and(|batch| batch.pending) {
                return None;
            }
            let channel = batch.and_then(|batch| batch.channel.clone());
            Some(ListedCode {
                serial: Serial::try_from(number).ok()?,
                channel,
                item: items.remove(&number),
            })
        });
        Ok(listed.collect())
    }

    /// At most `limit` thank-you codes of one partition, from `from` on, in order.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn thank_you_codes(
        &self,
        promotion: &PromotionId,
        partition: u64,
        from: u64,
        limit: usize,
    ) -> Result<Vec<ListedCode>, StoreError> {
        let all: Vec<CodeItem> = self
            .query_partition(&keys::thank_you_partition(promotion, partition))
            .await?;
        let listed = all
            .into_iter()
            .filter(|item| item.serial.get() >= from)
            .take(limit);
        Ok(listed
            .map(|item| ListedCode {
                serial: item.serial,
                channel: item.channel.clone(),
                item: Some(item),
            })
            .collect())
    }
}

/// Number of partitions of a promotion's thank-you codes.
pub const THANK_YOU_PARTITIONS: u64 = keys::THANK_YOU_PARTITIONS;
