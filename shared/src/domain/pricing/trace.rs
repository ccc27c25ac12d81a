//! Why each amount is what it is: the steps of pricing, and the sentences that tell them.

use super::Unpriced;
use crate::domain::benefit::Tier;
use crate::domain::money::{Amount, BasisPoints, Currency};
use crate::domain::promotion::Minimum;

/// One step of pricing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traced {
    /// The promotion it is about, by its place among those sent; none for the cart as a whole.
    pub promotion: Option<usize>,
    /// What was done.
    pub step: Step,
}

/// What was done in a step of pricing. Amounts are minor units of the cart's currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The promotion gives nothing.
    Refused(Refusal),
    /// What it is for, before discounts.
    Eligible {
        /// Number of lines it is for.
        lines: usize,
        /// Number of lines in the cart.
        of: usize,
        /// Units of its lines.
        units: u64,
        /// What they cost.
        subtotal: Amount,
    },
    /// The tier its lines reach.
    Tier(Tier),
    /// The sets that units not yet used in a set complete.
    Sets {
        /// Number of sets.
        sets: u64,
        /// Units that keep their price.
        bought: u64,
        /// Units discounted.
        got: u64,
    },
    /// Only the cheapest units are discounted.
    Units {
        /// Number of units discounted.
        units: u64,
        /// Number of units it is for.
        of: u64,
    },
    /// A percentage was taken.
    Percent {
        /// The percentage.
        percent: BasisPoints,
        /// What earlier discounts left of what it is taken from.
        base: Amount,
        /// The percentage of that, rounded half up.
        discount: Amount,
    },
    /// A fixed amount was taken.
    Amount {
        /// What the promotion gives.
        amount: Amount,
        /// What earlier discounts left of its lines, which it cannot exceed.
        base: Amount,
    },
    /// The promotion gives no more than this.
    Capped(Amount),
    /// What each line of the cart got of it.
    Spread(Vec<Amount>),
    /// What was left of shipping was taken.
    Shipping(Amount),
    /// What the buyer pays.
    Total {
        /// Lines before discounts.
        subtotal: Amount,
        /// Taken off the lines.
        discount: Amount,
        /// Shipping before discounts.
        shipping: Amount,
        /// Taken off shipping.
        shipping_discount: Amount,
    },
}

/// Why a promotion gives nothing, with the figures that decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The promotion is in this currency, the cart in another.
    CurrencyMismatch(Currency),
    /// No line is one it is for, or one it would discount.
    NoEligibleProducts,
    /// Its lines come to too little.
    BelowMinimum {
        /// What they cost.
        subtotal: Amount,
        /// Their units.
        units: u64,
        /// What they must come to.
        minimum: Minimum,
    },
    /// Its lines reach no tier.
    BelowFirstTier {
        /// What they cost.
        subtotal: Amount,
        /// Where the first tier begins.
        least: Amount,
    },
    /// The cart completes no set.
    NoSet {
        /// Units of a set to buy.
        buy: u64,
        /// Units of a set to get.
        get: u64,
    },
    /// It applies only alone.
    Exclusive,
    /// A code of the same promotion was sent before it.
    Repeated,
    /// It would apply by itself, but not with the code that does, or not with what saves the buyer more.
    GivesWay,
    /// It would apply by itself, but so do as many older ones as an order can have.
    TooMany,
    /// Another preferential promotion saves the buyer more, or as much and is older.
    BetterOneApplied {
        /// What the buyer would save in all with this one.
        saved: Amount,
        /// What the buyer saves in all with the other.
        most: Amount,
    },
}

impl Refusal {
    /// The reason without its figures.
    pub fn unpriced(self) -> Unpriced {
        match self {
            Self::CurrencyMismatch(_) => Unpriced::CurrencyMismatch,
            Self::NoEligibleProducts => Unpriced::NoEligibleProducts,
            Self::BelowMinimum { .. } | Self::BelowFirstTier { .. } | Self::NoSet { .. } => {
                Unpriced::MinimumNotMet
            }
            Self::Exclusive | Self::Repeated | Self::GivesWay | Self::TooMany => {
                Unpriced::NotCombinable
            }
            Self::BetterOneApplied { .. } => Unpriced::BetterOneApplied,
        }
    }

    fn sentence(self, currency: Currency) -> String {
        let shown = |amount: Amount| amount.display(currency);
        match self {
            Self::CurrencyMismatch(own) => format!(
                "Gives nothing: the cart is in {}, the promotion in {}.",
                currency.code(),
                own.code()
            ),
            Self::NoEligibleProducts => {
                "Gives nothing: the cart has no line that it is for.".to_owned()
            }
            Self::BelowMinimum {
                subtotal,
                units,
                minimum,
            } => {
                let least = [
                    minimum.subtotal.map(shown),
                    minimum.quantity.map(self::units),
                ];
                let least: Vec<String> = least.into_iter().flatten().collect();
                format!(
                    "Gives nothing: its lines come to {} and {} before discounts; it takes {}.",
                    shown(subtotal),
                    self::units(units),
                    least.join(" and ")
                )
            }
            Self::BelowFirstTier { subtotal, least } => format!(
                "Gives nothing: its lines come to {} before discounts; the first tier begins at {}.",
                shown(subtotal),
                shown(least)
            ),
            Self::NoSet { buy, get } => format!(
                "Gives nothing: the cart completes no set of {} to buy and {} to get.",
                units(buy),
                units(get)
            ),
            Self::Exclusive => {
                "Gives nothing: it applies only alone, and others were sent.".to_owned()
            }
            Self::Repeated => {
                "Gives nothing: another code of the same promotion was sent before it.".to_owned()
            }
            Self::GivesWay => {
                "Gives way: it does not go together with a code sent, or saves the buyer less than what applies instead."
                    .to_owned()
            }
            Self::TooMany => format!(
                "Gives nothing: an order has at most {} promotions without a code, and older ones apply.",
                super::MAX_AUTOMATIC_PER_ORDER
            ),
            Self::BetterOneApplied { saved, most } => format!(
                "Left aside unused: with it the buyer would save {} in all, with another preferential one {}.",
                shown(saved),
                shown(most)
            ),
        }
    }
}

impl Step {
    /// Its kind, a word of the HTTP contract.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Eligible { .. } => "eligible",
            Self::Tier(_) => "tier",
            Self::Sets { .. } => "sets",
            Self::Units { .. } => "units",
            Self::Percent { .. } => "percent",
            Self::Amount { .. } => "amount",
            Self::Capped(_) => "cap",
            Self::Spread(_) => "lines",
            Self::Shipping(_) => "shipping",
            Self::Total { .. } => "total",
        }
    }

    /// It in an English sentence, with the amounts in `currency`.
    pub fn sentence(&self, currency: Currency) -> String {
        let shown = |amount: Amount| amount.display(currency);
        match self {
            Self::Refused(refusal) => refusal.sentence(currency),
            Self::Eligible {
                lines,
                of,
                units,
                subtotal,
            } => {
                let units = self::units(*units);
                let cost = shown(*subtotal);
                format!("It is for {lines} of {of} lines: {units}, {cost} before discounts.")
            }
            Self::Tier(tier) => {
                let from = shown(tier.min_subtotal);
                format!("They reach the tier from {from}: {}%.", tier.percent)
            }
            Self::Sets { sets, bought, got } => format!(
                "Units not yet used in a set complete {}: {} bought, the {got} cheapest discounted.",
                counted(*sets, "set"),
                self::units(*bought)
            ),
            Self::Units { units, of } => {
                format!("Only the {units} cheapest of {of} units are discounted in one order.")
            }
            Self::Percent {
                percent,
                base,
                discount,
            } => {
                let (base, discount) = (shown(*base), shown(*discount));
                format!("{percent}% of the {base} left to discount is {discount}, rounded half up.")
            }
            Self::Amount { amount, base } => {
                let (off, base) = (shown(*amount.min(base)), shown(*base));
                let amount = shown(*amount);
                format!(
                    "It takes off {amount}, but no more than the {base} left to discount: {off}."
                )
            }
            Self::Capped(most) => format!("It gives at most {}.", shown(*most)),
            Self::Spread(shares) => spread_sentence(shares, currency),
            Self::Shipping(discount) => {
                format!(
                    "It takes off all that is left of shipping: {}.",
                    shown(*discount)
                )
            }
            Self::Total {
                subtotal,
                discount,
                shipping,
                shipping_discount,
            } => {
                let lines = (*subtotal, *discount);
                total_sentence(lines, (*shipping, *shipping_discount), currency)
            }
        }
    }
}

/// What is paid, from price and discount of the lines and of shipping.
fn total_sentence(
    lines: (Amount, Amount),
    shipping: (Amount, Amount),
    currency: Currency,
) -> String {
    let [lines, shipping] = [lines, shipping].map(|(price, off)| {
        let sum = format!("{} − {}", price.display(currency), off.display(currency));
        (price.saturating_sub(off), sum)
    });
    let total = super::add(lines.0, shipping.0).display(currency);
    format!(
        "The buyer pays {} for the lines and {} for shipping: {total}.",
        lines.1, shipping.1
    )
}

/// Lines are named by their index, as JSON pointers name them.
fn spread_sentence(shares: &[Amount], currency: Currency) -> String {
    let given: Vec<String> = shares
        .iter()
        .enumerate()
        .filter(|(_, share)| **share > Amount::ZERO)
        .map(|(index, share)| format!("line {index} gets {}", share.display(currency)))
        .collect();
    if given.is_empty() {
        "No line gets any of it.".to_owned()
    } else {
        format!(
            "Spread in proportion to what is left of the lines: {}.",
            given.join(", ")
        )
    }
}

fn units(number: u64) -> String {
    counted(number, "unit")
}

fn counted(number: u64, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}
