//! Chance that always falls the same way: numbers from a seed and what they decide.

use sha2::{Digest, Sha256};

/// A row of numbers (`SplitMix64`). Each thing to decide has a row of its own, so that one more decision moves no other.
#[derive(Debug)]
pub(super) struct Dice(u64);

impl Dice {
    /// The numbers that decide on `what` under this seed.
    pub(super) fn new(seed: u64, what: &str) -> Self {
        let digest = Sha256::digest(format!("{seed}\0{what}").as_bytes());
        let start = digest
            .iter()
            .take(8)
            .fold(0_u64, |bits, byte| (bits << 8) | u64::from(*byte));
        Self(start)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `end`, without `end`; 0 if there is none.
    pub(super) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX);
        let number = self.next().checked_rem(end).unwrap_or_default();
        usize::try_from(number).unwrap_or_default()
    }

    /// A number from `first` to `last`, both included.
    pub(super) fn between(&mut self, first: usize, last: usize) -> usize {
        let span = last.saturating_sub(first).saturating_add(1);
        first.saturating_add(self.below(span))
    }

    /// True so many times of a hundred.
    pub(super) fn percent(&mut self, of_hundred: usize) -> bool {
        self.below(100) < of_hundred
    }

    /// One of several that are equally likely.
    pub(super) fn one_of<T: Copy + Default>(&mut self, of: &[T]) -> T {
        let place = self.below(of.len());
        of.get(place).copied().unwrap_or_default()
    }

    /// One of several, each as likely as its weight says.
    pub(super) fn weighed<T: Copy + Default>(&mut self, of: &[(T, usize)]) -> T {
        let mut place = self.below(of.iter().map(|(_, weight)| weight).sum());
        for (thing, weight) in of {
            match place.checked_sub(*weight) {
                Some(rest) => place = rest,
                None => return *thing,
            }
        }
        T::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_always_decides_alike_and_two_decisions_have_nothing_to_do_with_each_other() {
        let row = |seed, what| {
            let mut dice = Dice::new(seed, what);
            (0..8).map(|_| dice.below(1_000)).collect::<Vec<_>>()
        };
        assert_eq!(row(1, "a"), row(1, "a"));
        assert_ne!(row(1, "a"), row(1, "b"));
        assert_ne!(row(1, "a"), row(2, "a"));
    }

    #[test]
    fn what_weighs_more_comes_oftener_and_what_weighs_nothing_never() {
        let mut dice = Dice::new(7, "weights");
        let drawn: Vec<u32> = (0..4_000)
            .map(|_| dice.weighed(&[(1, 3), (2, 1), (3, 0)]))
            .collect();
        let count = |number| drawn.iter().filter(|drawn| **drawn == number).count();
        assert!(count(1).abs_diff(3_000) < 150, "{}", count(1));
        assert_eq!(count(1) + count(2), 4_000);
    }
}
