//! Single-use codes against the records of the orders that have, or had, them.

use std::collections::BTreeSet;

use super::difference::{Finding, Kind, Subject};
use super::facts::at;
use super::fold::Fold;
use super::records::{Claim, Has};
use crate::domain::code::{PromotionId, Serial};
use crate::store::{CodeItem, CodeState};

pub(super) fn findings(fold: &Fold) -> Vec<Finding> {
    let codes: BTreeSet<_> = fold.codes.keys().chain(fold.claims.keys()).collect();
    let judged = codes.into_iter().flat_map(|code| judge(fold, code));
    judged.collect()
}

/// What the records say about a code.
pub(super) enum Verdict<'a> {
    /// This order has it.
    Taken(&'a Claim),
    /// No order has it.
    Free,
    /// More than one order has it.
    Twice(Vec<&'a Claim>),
}

pub(super) fn verdict(claims: &[Claim]) -> Verdict<'_> {
    let has = |claim: &&Claim| matches!(claim.has, Has::Redeemed(_) | Has::Held(_));
    let active: Vec<&Claim> = claims.iter().filter(has).collect();
    match active.as_slice() {
        [claim] => Verdict::Taken(claim),
        [] => claims
            .iter()
            .find(|claim| claim.has == Has::KeptUsed)
            .map_or(Verdict::Free, Verdict::Taken),
        _ => Verdict::Twice(active),
    }
}

fn judge(fold: &Fold, code: &(PromotionId, Serial)) -> Vec<Finding> {
    let (item, claims) = (fold.codes.get(code), fold.claims.get(code));
    let claims = claims.map(Vec::as_slice).unwrap_or_default();
    let subject = || Subject::Code(code.0.clone(), code.1);
    let mut orders: Vec<_> = claims.iter().map(|claim| claim.order.clone()).collect();
    orders.extend(item.and_then(|item| item.order_id.clone()));
    orders.sort();
    orders.dedup();
    let finding = |kind, expected: String, found: String| {
        Finding::new(subject(), kind, expected, found).with_orders(orders.clone())
    };
    let mut findings = Vec::new();
    if let Some(item) = item.filter(|item| item.serial != code.1) {
        let (expected, found) = (code.1.get(), item.serial.get());
        findings.push(finding(
            Kind::CodeNumber,
            expected.to_string(),
            found.to_string(),
        ));
    }
    match verdict(claims) {
        Verdict::Twice(active) => {
            let found = format!("{} orders", active.len());
            findings.push(finding(
                Kind::CodeTwice,
                "one order at most".to_owned(),
                found,
            ));
        }
        Verdict::Taken(claim) => {
            if let Some(expected) = disagreement(claim, item) {
                findings.push(finding(Kind::CodeTaken, expected, described(item)));
            }
        }
        Verdict::Free => {
            let Some(item) = item else { return findings };
            let taken = matches!(item.state, CodeState::Redeemed | CodeState::Held);
            let known = item
                .order_id
                .as_ref()
                .is_some_and(|order| fold.orders.contains(order));
            let expected = "a code that no order has".to_owned();
            if taken && known {
                findings.push(finding(Kind::CodeTaken, expected, described(Some(item))));
            } else if taken {
                let expected = "the record of the order that has it".to_owned();
                findings.push(finding(Kind::CodeOrphan, expected, "none".to_owned()));
            } else if item.order_id.is_some()
                || item.redeemed_at.is_some()
                || item.held_until_ms.is_some()
            {
                findings.push(finding(Kind::CodeRest, expected, described(Some(item))));
            }
        }
    }
    findings
}

/// What the item should be, if it is not.
fn disagreement(claim: &Claim, item: Option<&CodeItem>) -> Option<String> {
    let ours = item.filter(|item| item.order_id.as_ref() == Some(&claim.order));
    let order = &claim.order;
    match claim.has {
        Has::Redeemed(redeemed_at) => {
            let agrees = ours.is_some_and(|item| {
                item.state == CodeState::Redeemed
                    && item.redeemed_at == Some(redeemed_at)
                    && item.held_until_ms.is_none()
            });
            let when = at(redeemed_at.timestamp_millis());
            (!agrees).then(|| format!("redeemed by order {order} at {when}"))
        }
        Has::Held(until) => {
            let agrees = ours.is_some_and(|item| {
                item.state == CodeState::Held
                    && item.held_until_ms == until
                    && item.redeemed_at.is_none()
            });
            let until = until.map_or_else(|| "an unknown time".to_owned(), at);
            (!agrees).then(|| format!("held by order {order} until {until}"))
        }
        Has::KeptUsed => {
            let agrees = ours.is_some_and(|item| item.state == CodeState::Redeemed);
            (!agrees).then(|| format!("redeemed by order {order}, which was cancelled"))
        }
        Has::No => None,
    }
}

fn described(item: Option<&CodeItem>) -> String {
    let Some(item) = item else {
        return "a code that no order has".to_owned();
    };
    let state = match item.state {
        CodeState::Unused => "unused",
        CodeState::Held => "held",
        CodeState::Redeemed => "redeemed",
        CodeState::Voided => "voided",
    };
    let order = item
        .order_id
        .as_ref()
        .map(|order| format!(" by order {order}"));
    let when = item
        .redeemed_at
        .map(|when| format!(" at {}", at(when.timestamp_millis())));
    let until = item.held_until_ms.map(|ms| format!(" until {}", at(ms)));
    [Some(state.to_owned()), order, when, until]
        .into_iter()
        .flatten()
        .collect()
}
