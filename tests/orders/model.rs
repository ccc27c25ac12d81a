//! Who is to be mailed, written down from what the README promises shops, apart from the code that decides it: this file
//! knows only what happened in the shop.
//!
//! Where the outcome may depend on which event arrived first, it says what holds in any order.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::facts::{Address, Consent, End, Order, Paid};

/// The shop's follow-ups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rule {
    /// Every order of ¥3,000 or more by who agreed, but for a tenth of the buyers.
    Each,
    /// A buyer's first order, of ¥9,000 or more, whether they agreed or not.
    First,
    /// Orders of ¥9,000 or more by who agreed, at most one in 30 days and one ever.
    Once,
}

pub(crate) const RULES: [Rule; 3] = [Rule::Each, Rule::First, Rule::Once];

/// What is to become of an order under a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// The rule never dealt with it.
    Nothing,
    /// One code and one mail.
    Mailed,
    /// No mail, for one of these reasons.
    Refused(Vec<&'static str>),
    /// One code and one mail, or neither for one of these reasons.
    MailedUnless(Vec<&'static str>),
}

/// How many of these orders are mailed.
#[derive(Clone, Debug)]
pub(crate) struct Share {
    /// Numbers of orders.
    pub(crate) orders: Vec<usize>,
    pub(crate) mailed: RangeInclusive<usize>,
}

/// Says of every order what becomes of it under `rule`, and of some groups how many are mailed.
pub(crate) fn expected(rule: Rule, orders: &[Order]) -> (Vec<Expected>, Vec<Share>) {
    let mut by_buyer = BTreeMap::<usize, Vec<&Order>>::new();
    for order in orders.iter().filter(|order| order.completed.is_some()) {
        if let Some(buyer) = order.address.buyer() {
            by_buyer.entry(buyer).or_default().push(order);
        }
    }
    let of_buyer = |order: &Order| {
        let orders = order.address.buyer().and_then(|buyer| by_buyer.get(&buyer));
        orders.map_or(&[][..], Vec::as_slice)
    };
    let each = orders.iter().map(|order| one(rule, order, of_buyer(order)));
    let shares = by_buyer.values().filter_map(|orders| share(rule, orders));
    (each.collect(), shares.collect())
}

fn one(rule: Rule, order: &Order, of_buyer: &[&Order]) -> Expected {
    let Some(wave) = order.completed else {
        return Expected::Nothing;
    };
    if let Some(reason) = unfit(rule, order) {
        return Expected::Refused(vec![reason]);
    }
    let may_stand_in_the_way = match rule {
        Rule::Each => vec!["holdout"],
        Rule::First => vec!["not-first-order"],
        Rule::Once => vec!["cooldown", "address-cap"],
    };
    if withdrawn(order) {
        // Whichever was noticed first is named.
        return Expected::Refused([vec!["cancelled"], may_stand_in_the_way].concat());
    }
    let rivals = rivals(rule, of_buyer);
    if rule == Rule::Each || rivals.iter().any(|rival| ended(rival)) {
        return Expected::MailedUnless(may_stand_in_the_way);
    }
    let first_wave = rivals.iter().filter_map(|rival| rival.completed).min();
    let of_first_wave = rivals.iter().filter(|rival| rival.completed == first_wave);
    match (rule, of_first_wave.count()) {
        (Rule::First, _) if first_wave < Some(wave) => Expected::Refused(vec!["not-first-order"]),
        (_, _) if first_wave < Some(wave) => Expected::Refused(vec!["address-cap"]),
        (_, 1) => Expected::Mailed,
        (Rule::First, _) => Expected::MailedUnless(vec!["not-first-order"]),
        (_, _) => Expected::MailedUnless(vec!["cooldown"]),
    }
}

/// Of a buyer's orders, how many are mailed.
fn share(rule: Rule, of_buyer: &[&Order]) -> Option<Share> {
    let rivals = rivals(rule, of_buyer);
    let first_wave = rivals.iter().filter_map(|rival| rival.completed).min()?;
    let anything_ended = rivals.iter().any(|rival| ended(rival));
    let (counted, mailed) = match rule {
        Rule::Each => return None,
        // The second one's turn comes if the first is cancelled before it arrives, also after the first one's mail.
        Rule::First if anything_ended => {
            let kept = rivals.iter().filter(|rival| !ended(rival));
            (kept.copied().collect(), 0..=1)
        }
        Rule::Once if anything_ended => (rivals, 0..=1),
        Rule::First | Rule::Once => {
            let fit = |order: &&Order| unfit(rule, order).is_none();
            let first: Vec<&Order> = rivals
                .into_iter()
                .filter(|rival| rival.completed == Some(first_wave))
                .collect();
            let surely = usize::from(first.iter().all(fit));
            (first, surely..=1)
        }
    };
    Some(Share {
        orders: counted.iter().map(|order| order.number).collect(),
        mailed,
    })
}

/// A buyer's orders that take each other's place under a rule.
fn rivals<'a>(rule: Rule, of_buyer: &[&'a Order]) -> Vec<&'a Order> {
    let is_rival = |order: &&&Order| match rule {
        Rule::Each => false,
        // Every completed order makes the others later ones, thanked or not.
        Rule::First => true,
        Rule::Once => unfit(rule, order).is_none(),
    };
    of_buyer.iter().filter(is_rival).copied().collect()
}

/// Why the order by itself earns nothing under a rule.
fn unfit(rule: Rule, order: &Order) -> Option<&'static str> {
    let consent_needed = rule != Rule::First;
    let least = match rule {
        Rule::Each => 3_000,
        Rule::First | Rule::Once => 9_000,
    };
    match (order.address, order.paid) {
        _ if order.marketplace => Some("marketplace"),
        (Address::MarketplaceAlias, _) => Some("marketplace"),
        (Address::None, _) => Some("no-address"),
        _ if consent_needed && order.consent != Consent::Given => Some("no-consent"),
        // A minimum in yen says nothing about dollars.
        (_, Paid::Yen(paid)) if paid < least => Some("below-minimum"),
        _ => None,
    }
}

/// Cancelled or refunded in full; a part refunded changes nothing.
fn ended(order: &Order) -> bool {
    matches!(order.end, Some((End::Cancelled | End::Refunded, _)))
}

/// That was told before its mail could leave.
fn withdrawn(order: &Order) -> bool {
    ended(order) && order.end.map(|(_, wave)| wave) <= order.completed
}

/// Whether its mail's code is to be void because it ended after the mail had left.
pub(crate) fn voided(order: &Order) -> bool {
    ended(order) && !withdrawn(order)
}
