//! The ledger: what each order's record says about itself, about codes and about sums.

use chrono::{DateTime, Utc};

use super::difference::{Account, Finding, Kind, Subject};
use super::facts::Due;
use super::fold::Sum;
use crate::domain::code::{PromotionId, Serial};
use crate::domain::money::Amount;
use crate::domain::order::OrderId;
use crate::domain::redemption::{CodeRef, Redeemed, RedeemedCode, Redemption, RedemptionStatus};
use crate::store::{due, keys, word_limits};

/// What a record says about one of its codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) order: OrderId,
    pub(super) has: Has,
    /// Whether the record contradicts itself, so that nothing is repaired by it.
    pub(super) broken: bool,
}

/// Whether the order has the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Has {
    /// Since then, for good.
    Redeemed(DateTime<Utc>),
    /// Until then, in milliseconds since 1970.
    Held(Option<i64>),
    /// It was cancelled, and the code stays used.
    KeptUsed,
    /// Not any more.
    No,
}

/// Whether the record still draws on limits.
fn draws(record: &Redemption) -> bool {
    match record.status {
        RedemptionStatus::Held | RedemptionStatus::Redeemed => true,
        RedemptionStatus::Lapsed | RedemptionStatus::Cancelled => false,
    }
}

/// Every single-use code the record names, with what it says about it if it was not left aside.
pub(super) fn claims(record: &Redemption) -> Vec<(PromotionId, Serial, Option<Claim>)> {
    let Some(redeemed) = &record.redeemed else {
        return Vec::new();
    };
    let broken = contradiction(record).is_some();
    let named = redeemed.codes.iter().filter_map(|code| {
        let serial = match &code.code {
            CodeRef::Serial(serial) => *serial,
            CodeRef::Word(_) | CodeRef::Automatic => return None,
        };
        let claim = code.discount.map(|_| Claim {
            order: record.order_id.clone(),
            has: has(record, redeemed, code),
            broken,
        });
        Some((code.promotion_id.clone(), serial, claim))
    });
    named.collect()
}

fn has(record: &Redemption, redeemed: &Redeemed, code: &RedeemedCode) -> Has {
    match record.status {
        RedemptionStatus::Redeemed => Has::Redeemed(redeemed.redeemed_at),
        RedemptionStatus::Held => Has::Held(record.held_until.map(|at| at.timestamp_millis())),
        RedemptionStatus::Cancelled if code.keep_on_cancel => Has::KeptUsed,
        RedemptionStatus::Cancelled | RedemptionStatus::Lapsed => Has::No,
    }
}

/// What the record draws on each account: nothing (but an entry) where it draws no more.
pub(super) fn owed(record: &Redemption) -> Vec<(Account, Sum)> {
    let Some(redeemed) = &record.redeemed else {
        return Vec::new();
    };
    let one = i128::from(draws(record));
    let uses = |key| {
        let sum = Sum {
            amount: 0,
            uses: one,
        };
        (Account::Uses(key), sum)
    };
    let mut owed = Vec::new();
    for code in &redeemed.codes {
        let Some(amount) = code.drawn() else { continue };
        if code.limits.shard_count() > 0 {
            let amount = i128::from(amount.minor()).saturating_mul(one);
            let account = Account::Shards(code.promotion_id.clone());
            owed.push((account, Sum { amount, uses: one }));
        }
        if code.limits.per_customer.is_some() {
            let people = redeemed.people.iter();
            owed.extend(people.map(|person| uses(keys::customer(&code.promotion_id, person))));
        }
        let word = word_limits::uses(code).into_iter();
        let people = word_limits::uses_by(code, &redeemed.people).into_iter();
        owed.extend(
            word.chain(people)
                .map(|counter| uses(counter.key().clone())),
        );
    }
    owed
}

/// Whether the index finds the record when, and only when, its hold ends.
pub(super) fn hold_due(record: &Redemption, due: &Due) -> Option<Finding> {
    let expected = right_due(record);
    (expected != *due).then(|| {
        let subject = Subject::Order(record.order_id.clone());
        Finding::new(
            subject,
            Kind::HoldDue,
            expected.to_string(),
            due.to_string(),
        )
    })
}

/// The due index's attributes as they must be.
pub(super) fn right_due(record: &Redemption) -> Due {
    match (record.status, record.held_until) {
        (RedemptionStatus::Held, Some(until)) => Due {
            shard: Some(due::hold_shard(&record.order_id)),
            ms: Some(until.timestamp_millis()),
        },
        _ => Due::default(),
    }
}

/// What in the record cannot be true together: expected and found.
pub(super) fn contradiction(record: &Redemption) -> Option<(String, String)> {
    let told = |expected: &str, found: &str| Some((expected.to_owned(), found.to_owned()));
    let cancelled = record.status == RedemptionStatus::Cancelled;
    if cancelled != record.cancelled_at.is_some() {
        return told(
            "a time of cancellation if, and only if, it is cancelled",
            "one without the other",
        );
    }
    if record.redeemed.is_none() && !cancelled {
        return told("what it redeemed", "nothing");
    }
    match (record.status, record.held_until) {
        (RedemptionStatus::Held | RedemptionStatus::Lapsed, None) => {
            return told("when its hold ends", "no time");
        }
        (RedemptionStatus::Redeemed, Some(_)) => {
            return told("no end of a hold, since it is final", "one");
        }
        _ => {}
    }
    let redeemed = record.redeemed.as_ref()?;
    sums_differ(record, redeemed)
        .map(|(what, expected, found)| (format!("{what} of {expected}"), found.to_string()))
}

/// The first of the record's own sums that does not add up: what, its parts' sum, and what the record says.
fn sums_differ(record: &Redemption, redeemed: &Redeemed) -> Option<(&'static str, i128, i128)> {
    let minor = |amount: Amount| i128::from(amount.minor());
    let priced = &redeemed.priced;
    let lines: i128 = priced.lines.iter().map(|line| minor(line.discount)).sum();
    let codes = redeemed.codes.iter();
    let codes: i128 = codes.filter_map(|code| code.discount).map(minor).sum();
    let given = minor(priced.discount).saturating_add(minor(priced.shipping_discount));
    let returned: i128 = redeemed.codes.iter().map(|code| minor(code.returned)).sum();
    let returns: i128 = record.returns.iter().map(|made| minor(made.discount)).sum();
    let return_lines = record.returns.iter().flat_map(|made| &made.lines);
    let return_lines: i128 = return_lines.map(|line| minor(line.discount)).sum();
    let sums = [
        ("a discount", lines, minor(priced.discount)),
        ("discounts of its codes", given, codes),
        ("discounts of its returns", return_lines, returns),
        ("what its codes gave back", returns, returned),
    ];
    sums.into_iter()
        .find(|(_, expected, found)| expected != found)
}
