//! Which units of a cart a promotion discounts. Units are counted by line, never listed: a cart may hold 10^9 of them.

use crate::domain::benefit::SetUnits;
use crate::domain::cart::Cart;

/// Lines by unit price, the cheapest first; of equals the earlier line.
fn cheapest_first(cart: &Cart) -> Vec<usize> {
    let mut order: Vec<usize> = (0..cart.lines.len()).collect();
    order.sort_by_key(|index| cart.lines.get(*index).map(|line| line.unit_price));
    order
}

/// How many units of each line are taken when `wanted` are, in `order`, from those `available`.
fn take(order: impl Iterator<Item = usize>, available: &[u64], mut wanted: u64) -> Vec<u64> {
    let mut taken = vec![0; available.len()];
    for index in order {
        let (Some(slot), Some(available)) = (taken.get_mut(index), available.get(index)) else {
            continue;
        };
        *slot = wanted.min(*available);
        wanted = wanted.saturating_sub(*slot);
    }
    taken
}

/// How many units of each line are among the `wanted` cheapest of those `available`.
pub(super) fn cheapest(cart: &Cart, available: &[u64], wanted: u64) -> Vec<u64> {
    take(cheapest_first(cart).into_iter(), available, wanted)
}

/// Units of `lines` only.
pub(super) fn of_lines(units: &[u64], lines: &[bool]) -> Vec<u64> {
    let units = units.iter().zip(lines);
    units
        .map(|(units, wanted)| if *wanted { *units } else { 0 })
        .collect()
}

/// Number of units; carts are bounded, so it never saturates.
pub(super) fn count(units: &[u64]) -> u64 {
    units
        .iter()
        .fold(0, |sum, units| sum.saturating_add(*units))
}

/// What a set asks for, and which lines its units come from.
pub(super) struct SetRule<'a> {
    pub(super) buy: SetUnits,
    pub(super) get: SetUnits,
    /// Lines of the bought units.
    pub(super) bought: &'a [bool],
    /// Lines of the discounted units; the same lines, or others, or some of both.
    pub(super) got: &'a [bool],
    /// Most units discounted.
    pub(super) at_most: u64,
}

/// The sets a cart completes.
pub(super) struct Sets {
    pub(super) number: u64,
    /// Discounted units by line: the cheapest there are.
    pub(super) got: Vec<u64>,
    /// Bought units by line: the dearest of the rest.
    pub(super) bought: Vec<u64>,
}

impl SetRule<'_> {
    /// The most sets that `unused` units complete, no unit being both bought and got.
    ///
    /// Of lines that can be either only so many are got that enough remain to be bought.
    pub(super) fn complete(&self, cart: &Cart, unused: &[u64]) -> Sets {
        let (buy, get) = (self.buy.get(), self.get.get());
        let (mut buyable, mut gettable, mut either) = (0_u64, 0_u64, 0_u64);
        for ((units, bought), got) in unused.iter().zip(self.bought).zip(self.got) {
            let place = match (bought, got) {
                (true, true) => &mut either,
                (true, false) => &mut buyable,
                (false, true) => &mut gettable,
                (false, false) => continue,
            };
            *place = place.saturating_add(*units);
        }
        let whole = |units: u64, of: u64| units.checked_div(of).unwrap_or_default();
        let all = buyable.saturating_add(gettable).saturating_add(either);
        let sets = whole(buyable.saturating_add(either), buy)
            .min(whole(gettable.saturating_add(either), get))
            .min(whole(all, buy.saturating_add(get)))
            .min(self.at_most.div_ceil(get));
        let bought = sets.saturating_mul(buy);
        let spare = either.saturating_sub(bought.saturating_sub(buyable));
        let got = self.got_units(
            cart,
            unused,
            sets.saturating_mul(get).min(self.at_most),
            spare,
        );
        let rest: Vec<u64> = unused
            .iter()
            .zip(&got)
            .map(|(unused, got)| unused.saturating_sub(*got))
            .collect();
        let dearest = cheapest_first(cart).into_iter().rev();
        Sets {
            number: sets,
            got,
            bought: take(dearest, &of_lines(&rest, self.bought), bought),
        }
    }

    /// The `wanted` cheapest units of the lines to get from, at most `spare` of them from lines that can also be bought from.
    fn got_units(&self, cart: &Cart, unused: &[u64], mut wanted: u64, mut spare: u64) -> Vec<u64> {
        let mut got = vec![0; unused.len()];
        for index in cheapest_first(cart) {
            let (Some(slot), Some(units), Some(true)) =
                (got.get_mut(index), unused.get(index), self.got.get(index))
            else {
                continue;
            };
            let shared = self.bought.get(index) == Some(&true);
            let most = if shared { spare } else { u64::MAX };
            *slot = wanted.min(*units).min(most);
            wanted = wanted.saturating_sub(*slot);
            if shared {
                spare = spare.saturating_sub(*slot);
            }
        }
        got
    }
}
