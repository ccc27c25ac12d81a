//! What promotions are worth for a cart: pure, integer, total.
//!
//! `buy_x_get_y` comes first, then percentages (tiered ones too), then amounts, then shipping; inside a kind the older
//! promotion first, and each works on what the former left of the lines it is for. A discount is taken once over its
//! lines, rounded, and then spread over them by largest remainder, so that line discounts sum exactly to it and no line
//! goes below zero. Every step is kept in a [`Traced`], from which a quote can explain itself.
//!
//! Promotions that apply by themselves never stand in the way of a code: `choice` says which of them apply.
#![deny(clippy::arithmetic_side_effects)]

mod choice;
mod trace;
mod units;

use std::collections::HashSet;

use super::benefit::Benefit;
use super::cart::{Cart, CartLine, Sku};
use super::money::{Amount, BasisPoints};
use super::promotion::Promotion;
pub use choice::MAX_AUTOMATIC_PER_ORDER;
use choice::{choose_automatic, refuse_uncombinable};
pub use trace::{Refusal, Step, Traced};
use units::{SetRule, Sets};

/// Why a promotion that is open gives nothing for this cart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unpriced {
    /// The cart is in another currency.
    CurrencyMismatch,
    /// None of the lines is one it is for.
    NoEligibleProducts,
    /// The eligible lines come to less than the minimum or the first tier, or complete no set.
    MinimumNotMet,
    /// Something else was sent that it may not be used with.
    NotCombinable,
    /// Another preferential promotion is worth more to the buyer.
    BetterOneApplied,
}

/// What a promotion can work on, before discounts.
#[derive(Clone, Debug)]
struct Eligible {
    /// Which lines it is for.
    lines: Vec<bool>,
    /// Which lines it discounts, where they are others than it is for.
    got: Option<Vec<bool>>,
    units: u64,
    subtotal: Amount,
}

/// What a promotion can work on, or why it gives nothing.
type Verdict = Result<Eligible, Refusal>;

/// What became of a cart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allocation {
    /// For each promotion sent, in that order, what it takes off in all (lines or shipping) in minor units, or why it
    /// gives nothing. Limits draw on this.
    pub promotions: Vec<Result<Amount, Unpriced>>,
    /// For each line, in order, its discount in minor units.
    pub lines: Vec<Amount>,
    /// What is taken off shipping, in minor units.
    pub shipping: Amount,
    /// Step by step, how it came to this, in the order in which promotions apply.
    pub trace: Vec<Traced>,
}

impl Allocation {
    /// Sum of the line discounts.
    pub fn discount(&self) -> Amount {
        sum(&self.lines)
    }

    /// What the buyer saves: on lines and shipping.
    pub fn saved(&self) -> Amount {
        add(self.discount(), self.shipping)
    }
}

/// Prices `cart` under `promotions`, which are open and in any order: those whose codes were sent, and those that apply by
/// themselves.
pub fn price(cart: &Cart, promotions: &[&Promotion]) -> Allocation {
    let mut verdicts: Vec<Verdict> = promotions
        .iter()
        .map(|promotion| judge(cart, promotion))
        .collect();
    refuse_uncombinable(promotions, &mut verdicts);
    let verdicts = choose_automatic(cart, promotions, verdicts);
    let mut allocation = apply(cart, promotions, &verdicts);
    let total = Step::Total {
        subtotal: cart.subtotal(),
        discount: allocation.discount(),
        shipping: cart.shipping,
        shipping_discount: allocation.shipping,
    };
    allocation.trace.push(Traced {
        promotion: None,
        step: total,
    });
    allocation
}

/// What a promotion can work on, if its own terms let it apply.
fn judge(cart: &Cart, promotion: &Promotion) -> Verdict {
    let terms = &promotion.terms;
    if terms.currency != cart.currency {
        return Err(Refusal::CurrencyMismatch(terms.currency));
    }
    let skus: Vec<&Sku> = cart.lines.iter().map(|line| &line.sku).collect();
    let lines = terms.products.eligible(&skus);
    let got = got_lines(&terms.benefit, &skus);
    let missing = |lines: &[bool]| !lines.contains(&true);
    if missing(&lines) || got.as_deref().is_some_and(missing) {
        return Err(Refusal::NoEligibleProducts);
    }
    let of_them = cart
        .lines
        .iter()
        .zip(&lines)
        .filter(|(_, eligible)| **eligible);
    let (mut subtotal, mut units) = (Amount::ZERO, 0_u64);
    for (line, _) in of_them {
        subtotal = add(subtotal, line.subtotal());
        units = units.saturating_add(line.quantity);
    }
    if !terms.minimum.is_met_by(subtotal, units) {
        return Err(Refusal::BelowMinimum {
            subtotal,
            units,
            minimum: terms.minimum,
        });
    }
    let eligible = Eligible {
        lines,
        got,
        units,
        subtotal,
    };
    match &terms.benefit {
        Benefit::TieredPercentOff { tiers } if tiers.reached(subtotal).is_none() => {
            Err(Refusal::BelowFirstTier {
                subtotal,
                least: tiers.least(),
            })
        }
        Benefit::BuyXGetY { buy, get, .. }
            if complete_sets(cart, promotion, &eligible, &quantities(cart))
                .is_none_or(|sets| sets.number == 0) =>
        {
            Err(Refusal::NoSet {
                buy: buy.get(),
                get: get.get(),
            })
        }
        Benefit::PercentOff { .. }
        | Benefit::AmountOff { .. }
        | Benefit::TieredPercentOff { .. }
        | Benefit::BuyXGetY { .. }
        | Benefit::FreeShipping => Ok(eligible),
    }
}

/// Which of `skus` a benefit discounts, if it says so itself.
fn got_lines(benefit: &Benefit, skus: &[&Sku]) -> Option<Vec<bool>> {
    match benefit {
        Benefit::BuyXGetY {
            get_products: Some(products),
            ..
        } => {
            let listed: HashSet<&Sku> = products.skus().iter().collect();
            Some(skus.iter().map(|sku| listed.contains(*sku)).collect())
        }
        Benefit::BuyXGetY { .. }
        | Benefit::PercentOff { .. }
        | Benefit::AmountOff { .. }
        | Benefit::TieredPercentOff { .. }
        | Benefit::FreeShipping => None,
    }
}

/// The sets that `unused` units complete, if the promotion is of that kind.
fn complete_sets(
    cart: &Cart,
    promotion: &Promotion,
    eligible: &Eligible,
    unused: &[u64],
) -> Option<Sets> {
    let Benefit::BuyXGetY { buy, get, .. } = promotion.terms.benefit else {
        return None;
    };
    let rule = SetRule {
        buy,
        get,
        bought: &eligible.lines,
        got: eligible.got.as_ref().unwrap_or(&eligible.lines),
        at_most: units_per_order(promotion).unwrap_or(u64::MAX),
    };
    Some(rule.complete(cart, unused))
}

fn units_per_order(promotion: &Promotion) -> Option<u64> {
    promotion.terms.limits.units_per_order.map(u64::from)
}

fn quantities(cart: &Cart) -> Vec<u64> {
    cart.lines.iter().map(|line| line.quantity).collect()
}

/// Takes the discounts of all promotions that apply, in the order of the module's first paragraph.
fn apply(cart: &Cart, promotions: &[&Promotion], verdicts: &[Verdict]) -> Allocation {
    let mut till = Till::new(cart);
    let mut discounts = vec![Ok(Amount::ZERO); promotions.len()];
    let mut order: Vec<_> = promotions
        .iter()
        .zip(verdicts)
        .zip(discounts.iter_mut())
        .enumerate()
        .collect();
    order.sort_by_key(|(_, ((promotion, _), _))| {
        (rank(&promotion.terms.benefit), promotion.seniority())
    });
    for (index, ((promotion, verdict), discount)) in order {
        till.now = Some(index);
        *discount = match verdict {
            Ok(eligible) => Ok(till.serve(promotion, eligible)),
            Err(refusal) => {
                till.note(Step::Refused(*refusal));
                Err(refusal.unpriced())
            }
        };
    }
    let lines = cart.lines.iter().zip(till.left);
    Allocation {
        promotions: discounts,
        lines: lines
            .map(|(line, left)| line.subtotal().saturating_sub(left))
            .collect(),
        shipping: cart.shipping.saturating_sub(till.shipping),
        trace: till.trace,
    }
}

/// The place of a kind among the others.
fn rank(benefit: &Benefit) -> u8 {
    match benefit {
        Benefit::BuyXGetY { .. } => 0,
        Benefit::PercentOff { .. } | Benefit::TieredPercentOff { .. } => 1,
        Benefit::AmountOff { .. } => 2,
        Benefit::FreeShipping => 3,
    }
}

/// A cart while discounts are taken off it.
struct Till<'a> {
    cart: &'a Cart,
    /// What is left of each line.
    left: Vec<Amount>,
    /// What is left of shipping.
    shipping: Amount,
    /// Units by line that no set has used: a unit is bought or got once in an order.
    unused: Vec<u64>,
    /// The promotion being served, by its place among those sent.
    now: Option<usize>,
    trace: Vec<Traced>,
}

impl<'a> Till<'a> {
    fn new(cart: &'a Cart) -> Self {
        Self {
            cart,
            left: cart.lines.iter().map(CartLine::subtotal).collect(),
            shipping: cart.shipping,
            unused: quantities(cart),
            now: None,
            trace: Vec::new(),
        }
    }

    fn note(&mut self, step: Step) {
        self.trace.push(Traced {
            promotion: self.now,
            step,
        });
    }

    /// Takes off what a promotion gives, and says how much that is.
    fn serve(&mut self, promotion: &Promotion, eligible: &Eligible) -> Amount {
        self.note(Step::Eligible {
            lines: eligible.lines.iter().filter(|line| **line).count(),
            of: eligible.lines.len(),
            units: eligible.units,
            subtotal: eligible.subtotal,
        });
        match &promotion.terms.benefit {
            Benefit::BuyXGetY { percent, .. } => self.take_sets(promotion, eligible, *percent),
            Benefit::PercentOff {
                percent,
                max_discount,
            } => self.take_percent(promotion, eligible, *percent, *max_discount),
            Benefit::TieredPercentOff { tiers } => match tiers.reached(eligible.subtotal) {
                Some(tier) => {
                    self.note(Step::Tier(tier));
                    self.take_percent(promotion, eligible, tier.percent, None)
                }
                None => Amount::ZERO,
            },
            Benefit::AmountOff { amount } => {
                let targeted = self.targeted(promotion, eligible);
                let base = sum(&targeted);
                let discount = base.min(*amount);
                self.note(Step::Amount {
                    amount: *amount,
                    base,
                });
                self.take_off(discount, &targeted)
            }
            Benefit::FreeShipping => {
                let discount = std::mem::take(&mut self.shipping);
                self.note(Step::Shipping(discount));
                discount
            }
        }
    }

    /// A share of the cheapest units of the sets the cart still completes, rounded half up.
    fn take_sets(
        &mut self,
        promotion: &Promotion,
        eligible: &Eligible,
        percent: BasisPoints,
    ) -> Amount {
        let Some(sets) = complete_sets(self.cart, promotion, eligible, &self.unused) else {
            return Amount::ZERO;
        };
        for ((unused, got), bought) in self.unused.iter_mut().zip(&sets.got).zip(&sets.bought) {
            *unused = unused.saturating_sub(got.saturating_add(*bought));
        }
        let prices = self.cart.lines.iter().zip(&sets.got);
        let targeted: Vec<Amount> = prices
            .map(|(line, got)| line.unit_price.checked_mul(*got).unwrap_or(Amount::MAX))
            .collect();
        self.note(Step::Sets {
            sets: sets.number,
            bought: units::count(&sets.bought),
            got: units::count(&sets.got),
        });
        self.take_share(percent, None, &targeted)
    }

    fn take_percent(
        &mut self,
        promotion: &Promotion,
        eligible: &Eligible,
        percent: BasisPoints,
        most: Option<Amount>,
    ) -> Amount {
        let targeted = self.targeted(promotion, eligible);
        self.take_share(percent, most, &targeted)
    }

    /// A percentage of `targeted`, rounded half up, but no more than `most`.
    fn take_share(
        &mut self,
        percent: BasisPoints,
        most: Option<Amount>,
        targeted: &[Amount],
    ) -> Amount {
        let base = sum(targeted);
        let mut discount = base.percent(percent);
        self.note(Step::Percent {
            percent,
            base,
            discount,
        });
        if let Some(most) = most.filter(|most| discount > *most) {
            self.note(Step::Capped(most));
            discount = most;
        }
        self.take_off(discount, targeted)
    }

    /// What is left of the lines a promotion discounts: of all their units, or of the cheapest if their number is limited.
    /// Each unit of a line counts an equal part of what is left of the line, rounded down.
    fn targeted(&mut self, promotion: &Promotion, eligible: &Eligible) -> Vec<Amount> {
        let available = units::of_lines(&quantities(self.cart), &eligible.lines);
        let units = match units_per_order(promotion).filter(|most| *most < eligible.units) {
            Some(most) => {
                self.note(Step::Units {
                    units: most,
                    of: eligible.units,
                });
                units::cheapest(self.cart, &available, most)
            }
            None => available,
        };
        let lines = self.cart.lines.iter().zip(&self.left).zip(units);
        lines
            .map(|((line, left), units)| left.part(units, line.quantity))
            .collect()
    }

    /// Takes `discount`, which `targeted` covers, off its lines.
    fn take_off(&mut self, discount: Amount, targeted: &[Amount]) -> Amount {
        let shares = spread(discount, targeted);
        for (left, share) in self.left.iter_mut().zip(&shares) {
            *left = left.saturating_sub(*share);
        }
        self.note(Step::Spread(shares));
        discount
    }
}

/// Splits `discount` over lines in proportion to `weights`, whose sum it does not exceed: each share is rounded down, and
/// what is left over goes, one minor unit each, to the largest remainders (the earlier line first).
pub(super) fn spread(discount: Amount, weights: &[Amount]) -> Vec<Amount> {
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
    amounts
        .iter()
        .fold(Amount::ZERO, |sum, amount| add(sum, *amount))
}

fn add(one: Amount, other: Amount) -> Amount {
    one.checked_add(other).unwrap_or(Amount::MAX)
}

#[cfg(test)]
mod examples;
#[cfg(test)]
mod tests;
