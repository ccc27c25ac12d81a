//! What promotions are worth for a cart: pure, integer, total.
//!
//! Percentages come before amounts, inside a kind the older promotion first, and each works on what the former left of
//! the lines it is for. A discount is taken once over its lines, rounded, and then spread over them by largest
//! remainder, so that line discounts sum exactly to it and no line goes below zero.
#![deny(clippy::arithmetic_side_effects)]

use super::benefit::Benefit;
use super::cart::Cart;
use super::money::Amount;
use super::promotion::{Combinability, Promotion};

/// Why a promotion that is open gives nothing for this cart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unpriced {
    /// The cart is in another currency.
    CurrencyMismatch,
    /// None of the lines is one it is for.
    NoEligibleProducts,
    /// The eligible lines come to less than the minimum.
    MinimumNotMet,
    /// Something else was sent that it may not be used with.
    NotCombinable,
    /// Another preferential promotion is worth more to the buyer.
    BetterOneApplied,
}

/// Which lines a promotion discounts, or why it discounts none.
type Verdict = Result<Vec<bool>, Unpriced>;

/// What became of a cart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allocation {
    /// For each promotion sent, in that order, its discount in minor units or why it gives none.
    pub promotions: Vec<Result<Amount, Unpriced>>,
    /// For each line, in order, its discount in minor units.
    pub lines: Vec<Amount>,
}

impl Allocation {
    /// Sum of the line discounts.
    pub fn discount(&self) -> Amount {
        sum(&self.lines)
    }
}

/// Prices `cart` under `promotions`, which are open and in any order.
pub fn price(cart: &Cart, promotions: &[&Promotion]) -> Allocation {
    let mut verdicts: Vec<Verdict> = promotions
        .iter()
        .map(|promotion| eligible_lines(cart, promotion))
        .collect();
    refuse_uncombinable(promotions, &mut verdicts);
    refuse_all_but_the_best_preferential(cart, promotions, &mut verdicts);
    apply(cart, promotions, &verdicts)
}

/// Which lines a promotion is for, if its own terms let it apply.
fn eligible_lines(cart: &Cart, promotion: &Promotion) -> Verdict {
    let terms = &promotion.terms;
    if terms.currency != cart.currency {
        return Err(Unpriced::CurrencyMismatch);
    }
    let skus: Vec<_> = cart.lines.iter().map(|line| &line.sku).collect();
    let eligible = terms.products.eligible(&skus);
    let lines = cart
        .lines
        .iter()
        .zip(&eligible)
        .filter(|(_, eligible)| **eligible)
        .map(|(line, _)| line);
    let (mut any, mut subtotal, mut quantity) = (false, Amount::ZERO, 0_u64);
    for line in lines {
        any = true;
        subtotal = subtotal.checked_add(line.subtotal()).unwrap_or(Amount::MAX);
        quantity = quantity.saturating_add(line.quantity);
    }
    if !any {
        Err(Unpriced::NoEligibleProducts)
    } else if !terms.minimum.is_met_by(subtotal, quantity) {
        Err(Unpriced::MinimumNotMet)
    } else {
        Ok(eligible)
    }
}

/// An exclusive promotion applies only if it was the only one sent; the same promotion applies once.
fn refuse_uncombinable(promotions: &[&Promotion], verdicts: &mut [Verdict]) {
    for (index, (promotion, verdict)) in promotions.iter().zip(verdicts).enumerate() {
        let exclusive = promotion.terms.combinability == Combinability::Exclusive;
        let repeated = promotions
            .iter()
            .take(index)
            .any(|earlier| earlier.id == promotion.id);
        if verdict.is_ok() && ((exclusive && promotions.len() > 1) || repeated) {
            *verdict = Err(Unpriced::NotCombinable);
        }
    }
}

/// Of several preferential promotions keeps the one with which the buyer saves most; of equals the older.
fn refuse_all_but_the_best_preferential(
    cart: &Cart,
    promotions: &[&Promotion],
    verdicts: &mut [Verdict],
) {
    let preferential = |index: usize| {
        promotions
            .get(index)
            .is_some_and(|promotion| promotion.terms.combinability == Combinability::Preferential)
    };
    let mut candidates: Vec<usize> = verdicts
        .iter()
        .enumerate()
        .filter(|(index, verdict)| verdict.is_ok() && preferential(*index))
        .map(|(index, _)| index)
        .collect();
    candidates.sort_by_key(|index| {
        promotions
            .get(*index)
            .map(|promotion| promotion.seniority())
    });
    let only = |keep: usize, verdicts: &[Verdict]| -> Vec<Verdict> {
        let lost = |index: usize| candidates.contains(&index) && index != keep;
        let judge = |(index, verdict): (usize, &Verdict)| {
            if lost(index) {
                Err(Unpriced::BetterOneApplied)
            } else {
                verdict.clone()
            }
        };
        verdicts.iter().enumerate().map(judge).collect()
    };
    let mut best: Option<(Amount, Vec<Verdict>)> = None;
    for candidate in &candidates {
        let verdicts = only(*candidate, verdicts);
        let saved = apply(cart, promotions, &verdicts).discount();
        if best.as_ref().is_none_or(|(most, _)| saved > *most) {
            best = Some((saved, verdicts));
        }
    }
    if let Some((_, chosen)) = best {
        verdicts.clone_from_slice(&chosen);
    }
}

/// Takes the discounts of all promotions that apply, in the order of the module's first paragraph.
fn apply(cart: &Cart, promotions: &[&Promotion], verdicts: &[Verdict]) -> Allocation {
    let mut left: Vec<Amount> = cart
        .lines
        .iter()
        .map(super::cart::CartLine::subtotal)
        .collect();
    let mut discounts: Vec<Result<Amount, Unpriced>> = verdicts
        .iter()
        .map(|verdict| {
            verdict
                .as_ref()
                .map(|_| Amount::ZERO)
                .map_err(|reason| *reason)
        })
        .collect();
    let mut order: Vec<usize> = (0..promotions.len()).collect();
    order.sort_by_key(|index| {
        promotions
            .get(*index)
            .map(|promotion| (rank(&promotion.terms.benefit), promotion.seniority()))
    });
    for index in order {
        let (Some(promotion), Some(Ok(eligible))) = (promotions.get(index), verdicts.get(index))
        else {
            continue;
        };
        let targeted: Vec<Amount> = left
            .iter()
            .zip(eligible)
            .map(|(left, eligible)| if *eligible { *left } else { Amount::ZERO })
            .collect();
        let discount = discount_on(&promotion.terms.benefit, sum(&targeted));
        for (left, share) in left.iter_mut().zip(spread(discount, &targeted)) {
            *left = left.saturating_sub(share);
        }
        if let Some(slot) = discounts.get_mut(index) {
            *slot = Ok(discount);
        }
    }
    let lines = cart
        .lines
        .iter()
        .zip(left)
        .map(|(line, left)| line.subtotal().saturating_sub(left))
        .collect();
    Allocation {
        promotions: discounts,
        lines,
    }
}

/// Percentages before amounts.
fn rank(benefit: &Benefit) -> u8 {
    match benefit {
        Benefit::PercentOff { .. } => 1,
        Benefit::AmountOff { .. } => 2,
    }
}

/// The discount on lines that come to `base`: percentages rounded half up; never more than `base`.
fn discount_on(benefit: &Benefit, base: Amount) -> Amount {
    match benefit {
        Benefit::PercentOff {
            percent,
            max_discount,
        } => {
            let discount = base.percent(*percent);
            max_discount.map_or(discount, |most| discount.min(most))
        }
        Benefit::AmountOff { amount } => base.min(*amount),
    }
}

/// Splits `discount` over lines in proportion to `weights`, whose sum it does not exceed: each share is rounded down, and
/// what is left over goes, one minor unit each, to the largest remainders (the earlier line first).
fn spread(discount: Amount, weights: &[Amount]) -> Vec<Amount> {
    let whole = u128::from(sum(weights).minor());
    let mut shares = Vec::with_capacity(weights.len());
    let mut remainders = Vec::with_capacity(weights.len());
    let mut given = 0_u64;
    for (index, weight) in weights.iter().enumerate() {
        // 10^18 × 10^18 fits u128.
        let scaled = u128::from(discount.minor()).saturating_mul(u128::from(weight.minor()));
        let share = scaled
            .checked_div(whole)
            .and_then(|share| u64::try_from(share).ok())
            .unwrap_or_default();
        remainders.push((scaled.checked_rem(whole).unwrap_or_default(), index));
        given = given.saturating_add(share);
        shares.push(share);
    }
    remainders.sort_by(|(one, one_index), (other, other_index)| {
        other.cmp(one).then(one_index.cmp(other_index))
    });
    let missing = usize::try_from(discount.minor().saturating_sub(given)).unwrap_or(usize::MAX);
    for (_, index) in remainders.into_iter().take(missing) {
        if let Some(share) = shares.get_mut(index) {
            *share = share.saturating_add(1);
        }
    }
    shares
        .into_iter()
        .map(|share| Amount::try_from(share).unwrap_or(Amount::MAX))
        .collect()
}

/// Sum of amounts that together stay within [`Amount::MAX`], as a cart's do.
fn sum(amounts: &[Amount]) -> Amount {
    amounts.iter().fold(Amount::ZERO, |sum, amount| {
        sum.checked_add(*amount).unwrap_or(Amount::MAX)
    })
}

#[cfg(test)]
mod tests;
