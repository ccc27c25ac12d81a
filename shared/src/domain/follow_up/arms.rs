//! Which arm of a follow-up a buyer falls into: one of its variants, by weight, or the hold-out.

use super::{FollowUp, FollowUpTerms, Variant};

/// The name of the arm that gets nothing, to compare with. No variant has it.
pub const HOLDOUT: &str = "holdout";

/// An arm of a follow-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arm<'a> {
    /// Gets no code and no mail.
    Holdout,
    /// Gets this variant's.
    Variant(&'a Variant),
}

impl<'a> Arm<'a> {
    /// The arm's name.
    pub fn name(self) -> &'a str {
        match self {
            Self::Holdout => HOLDOUT,
            Self::Variant(variant) => &variant.name,
        }
    }
}

/// Two independent uniform numbers that are always the same for one buyer in one experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    holdout: u64,
    variant: u64,
}

impl Draw {
    /// Reads the two numbers from 128 uniform bits.
    pub fn from_bits(bits: u128) -> Self {
        let low = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).unwrap_or(u64::MAX);
        Self {
            holdout: low(bits >> 64),
            variant: low(bits),
        }
    }
}

/// Where `draw` falls among `parts` equal parts, from 0: `floor(draw × parts / 2^64)`, so that no part is larger than another by
/// more than one in 2^64 / `parts`.
fn part(draw: u64, parts: u64) -> u64 {
    u64::try_from((u128::from(draw) * u128::from(parts)) >> 64).unwrap_or(u64::MAX)
}

impl FollowUp {
    /// What tells this experiment from all others: draws of two experiments have nothing to do with each other.
    pub fn experiment_name(&self) -> String {
        format!("{}#{}", self.id, self.experiment)
    }
}

impl FollowUpTerms {
    /// The arm of a buyer with this draw; `None` only for terms without variants, which are never saved.
    ///
    /// The hold-out is drawn first and by itself, so a larger one holds whoever a smaller one does.
    pub fn arm(&self, draw: Draw) -> Option<Arm<'_>> {
        if part(draw.holdout, 100) < u64::from(self.holdout_percent) {
            return Some(Arm::Holdout);
        }
        let weights = || {
            self.variants
                .iter()
                .map(|variant| u64::from(variant.weight))
        };
        let mut place = part(draw.variant, weights().sum());
        let mut variants = self.variants.iter();
        let found = variants.find(|variant| {
            let weight = u64::from(variant.weight);
            let here = place < weight;
            place = place.saturating_sub(weight);
            here
        });
        found.map(Arm::Variant)
    }

    /// The arms, variants in their order and last the hold-out if there is one, each with the part of all buyers who fall into it,
    /// relative to the others' parts.
    pub fn arms(&self) -> Vec<(Arm<'_>, u64)> {
        let held = u64::from(self.holdout_percent);
        let rest = 100_u64.saturating_sub(held);
        let weight = |variant: &Variant| u64::from(variant.weight);
        let all: u64 = self.variants.iter().map(weight).sum();
        let variants = self.variants.iter();
        let variants =
            variants.map(|variant| (Arm::Variant(variant), rest.saturating_mul(weight(variant))));
        let holdout = (held > 0).then(|| (Arm::Holdout, held.saturating_mul(all)));
        variants.chain(holdout).collect()
    }

    /// Whether buyers fall into the same arms, with the same in them, under both.
    pub(crate) fn same_arms(&self, other: &Self) -> bool {
        self.variants == other.variants && self.holdout_percent == other.holdout_percent
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::domain::follow_up::FollowUpId;
    use crate::domain::identity::{Email, IdentityKey};

    fn terms(weights: &[u32], holdout_percent: u8) -> FollowUpTerms {
        let variant = |(index, weight): (usize, &u32)| json!({"name": index.to_string(), "promotion_id": "THX9", "delay": "P3D", "weight": weight});
        let variants: Vec<_> = weights.iter().enumerate().map(variant).collect();
        serde_json::from_value(
            json!({"name": "Thank you", "variants": variants, "holdout_percent": holdout_percent,
            "mail": {"from": "a@b.jp"}}),
        )
        .unwrap()
    }

    fn follow_up(terms: FollowUpTerms, experiment: u64) -> FollowUp {
        FollowUp {
            id: FollowUpId::try_from("fu_aaaaaaaaaaaaaaaa".to_owned()).unwrap(),
            version: 7,
            created_at: chrono::DateTime::UNIX_EPOCH,
            experiment,
            status: crate::domain::follow_up::FollowUpStatus::Active,
            terms,
        }
    }

    /// The arms of `count` buyers.
    fn arms(follow_up: &FollowUp, count: u32) -> Vec<String> {
        let key = IdentityKey::from_secret(b"secret");
        let person = |number: u32| {
            let email = Email::try_from(format!("buyer-{number}@example.jp")).unwrap();
            key.person(&email)
        };
        (0..count)
            .map(|number| {
                let draw = key.draw(&person(number), &follow_up.experiment_name());
                follow_up.terms.arm(draw).unwrap().name().to_owned()
            })
            .collect()
    }

    fn shares(arms: &[String]) -> BTreeMap<&str, u32> {
        let mut shares = BTreeMap::new();
        for arm in arms {
            *shares.entry(arm.as_str()).or_default() += 1;
        }
        shares
    }

    #[test]
    fn of_20000_buyers_each_arm_gets_its_share() {
        let follow_up = follow_up(terms(&[1, 2, 5], 20), 1);
        let arms = arms(&follow_up, 20_000);
        // Five standard deviations of a share of 20,000 are at most 354; the sequence is fixed, so this never flickers.
        for (arm, expected) in [(HOLDOUT, 4_000), ("0", 2_000), ("1", 4_000), ("2", 10_000)] {
            let found = shares(&arms)[arm];
            assert!(found.abs_diff(expected) < 354, "{arm}: {found}");
        }
    }

    #[test]
    fn weights_are_parts_of_all_buyers_and_the_holdout_is_there_only_if_there_is_one() {
        let with = |holdout| terms(&[3, 1], holdout);
        let (held, free) = (with(20), with(0));
        let shares: Vec<u64> = held.arms().into_iter().map(|(_, weight)| weight).collect();
        // Of 400 parts, 60 % and 20 % for the variants.
        assert_eq!(shares, [240, 80, 80]);
        assert!(free.arms().iter().all(|(arm, _)| *arm != Arm::Holdout));
    }

    #[test]
    fn of_20000_buyers_each_arm_gets_the_share_that_its_weight_says() {
        let follow_up = follow_up(terms(&[1, 2, 5], 20), 1);
        let drawn = arms(&follow_up, 20_000);
        let weights = follow_up.terms.arms();
        let all: u64 = weights.iter().map(|(_, weight)| weight).sum();
        for (arm, weight) in weights {
            let expected = u32::try_from(20_000 * weight / all).unwrap();
            let found = shares(&drawn)[arm.name()];
            assert!(found.abs_diff(expected) < 354, "{}: {found}", arm.name());
        }
    }

    #[test]
    fn a_buyer_stays_in_their_arm_and_a_new_experiment_draws_anew() {
        let first = follow_up(terms(&[1, 1], 0), 1);
        let renamed = FollowUp {
            version: 9,
            ..first.clone()
        };
        assert_eq!(arms(&first, 1_000), arms(&renamed, 1_000));
        let second = follow_up(terms(&[1, 1], 0), 2);
        let pairs = arms(&first, 10_000).into_iter().zip(arms(&second, 10_000));
        let same = pairs.filter(|(one, other)| one == other).count();
        assert!((4_750..5_250).contains(&same), "{same}");
    }

    #[test]
    fn the_draws_of_released_versions_never_change() {
        let key = IdentityKey::from_secret(b"secret");
        let person = key.person(&Email::try_from("a@b.jp".to_owned()).unwrap());
        let bits = key.draw(&person, "fu_aaaaaaaaaaaaaaaa#1");
        assert_eq!(
            format!("{:016x}{:016x}", bits.holdout, bits.variant),
            "e7f0c9042e451c9d819ce918f0d90183"
        );
    }

    proptest! {
        #[test]
        fn every_draw_has_an_arm_and_every_arm_exactly_its_parts_of_the_draws(
            weights in prop::collection::vec(1_u32..=u32::MAX, 1..=10),
            holdout in 0_u8..=90,
            bits: u128,
        ) {
            let terms = terms(&weights, holdout);
            prop_assert!(terms.arm(Draw::from_bits(bits)).is_some());
            // The first draw of each part, counted in parts of the whole, falls into the arm that the weights say.
            let total: u64 = weights.iter().copied().map(u64::from).sum();
            let mut start = 0;
            for (index, weight) in weights.iter().enumerate() {
                for place in [start, start + u64::from(*weight) - 1] {
                    let first = (u128::from(place) << 64).div_ceil(u128::from(total));
                    let draw = Draw { holdout: u64::MAX, variant: u64::try_from(first).unwrap() };
                    let name = index.to_string();
                    prop_assert_eq!(terms.arm(draw).unwrap().name(), name.as_str());
                }
                start += u64::from(*weight);
            }
        }

        #[test]
        fn a_larger_holdout_holds_whoever_a_smaller_one_does_and_moves_nobody_between_variants(
            weights in prop::collection::vec(1_u32..1_000, 1..=10),
            (less, more) in (0_u8..=90, 0_u8..=90),
            bits: u128,
        ) {
            let (less, more) = (less.min(more), less.max(more));
            let draw = Draw::from_bits(bits);
            let (small, large) = (terms(&weights, less), terms(&weights, more));
            let (small, large) = (small.arm(draw).unwrap(), large.arm(draw).unwrap());
            if small == Arm::Holdout {
                prop_assert_eq!(large, Arm::Holdout);
            }
            if large != Arm::Holdout {
                prop_assert_eq!(small.name(), large.name());
            }
        }
    }
}
