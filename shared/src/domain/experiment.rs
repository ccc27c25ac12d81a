//! What an experiment says: how many of an arm's buyers came back, how sure that is, and whether a variant brings more of them
//! back than the hold-out.
//!
//! # The rule behind a verdict
//! Staff look at results every day and stop when they like what they see, so a test made for one look would call differences
//! that are none. The rule here holds at all looks together: a mixture sequential probability ratio test (Robbins 1970; for
//! A/B tests Johari, Pekelis and Walsh 2015), turned into a confidence sequence (Howard et al. 2021).
//!
//! Every buyer's arm is an independent draw with known weights, so if a mail changed nothing, each buyer who came back would be
//! from the variant, rather than from the hold-out, with the known chance `p`, whenever they were assigned and however
//! long they took. If it multiplies the share of buyers who come back by `ratio`, that chance is `p·ratio / (p·ratio + 1 - p)`.
//! So what is tested is one sequence of coin flips. The evidence against a ratio is the likelihood of the flips, averaged over
//! a Beta distribution around `p`, divided by their likelihood under that ratio; it is a martingale under that ratio, and by
//! Ville's inequality exceeds `1/α` at any time with probability `α` at most. The ratios not refuted thus hold the true one at
//! all looks with probability 95 % for all variants of an experiment together (`α` is 5 % divided by their number).
//!
//! The verdict is read from that interval alone: above 1, `better`; below 1, `worse`; within a quarter of 1,
//! `no_difference_seen`; else `not_enough_data`. So all verdicts that an experiment ever shows are right with probability 95 %.
//! A buyer who came back and was refunded is taken out again; that does not depend on the arm, and only costs evidence.

#![expect(
    clippy::float_arithmetic,
    reason = "statistics to look at; no money and no limit rests on them"
)]

#[cfg(test)]
mod simulation;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Half the width, in standard deviations, of an interval that 95 % of a normal distribution lie in.
const Z_95: f64 = 1.959_963_984_540_054;
/// The point that 80 % of a normal distribution lie below.
const Z_80: f64 = 0.841_621_233_572_914;
/// Ratio of rates that groups are made large enough to notice. Ours.
const WORTH_NOTICING: f64 = 1.5;
/// Chance that any verdict of an experiment is ever wrong.
const ALPHA: f64 = 0.05;
/// Ratio above 1 up to which (and one divided by it, down to which) a difference counts as none.
const NO_DIFFERENCE: f64 = 1.25;
/// What ratios are looked for: the standard deviation of their logarithms in the mixture. Others are found too, but later.
const EXPECTED_LOG_RATIO: f64 = 0.25;
/// Halvings of an interval of chances, until nothing of a float is left to halve.
const HALVINGS: u32 = 60;

/// What an arm brought so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArmCounts {
    /// Its part of all buyers, relative to the other arms' weights.
    pub weight: u64,
    /// Whether it is the hold-out.
    pub holdout: bool,
    /// Buyers in it.
    pub assigned: u64,
    /// How many of them came back.
    pub repeat_buyers: u64,
}

/// Whether a variant brings more buyers back than the hold-out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing can be said yet, or nothing ever: there is no hold-out, or this is it.
    NotEnoughData,
    /// It brings more back.
    Better,
    /// It brings fewer back.
    Worse,
    /// If there is a difference, it is less than a quarter (between -20 % and +25 %).
    NoDifferenceSeen,
}

/// What can be said about an arm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judgement {
    /// Share of its buyers who came back, 0 to 1; none without buyers.
    pub repeat_rate: Option<f64>,
    /// Where the true share lies, with probability 95 % at one look (Wilson's interval).
    pub interval: Option<[f64; 2]>,
    /// How much larger the share is than the hold-out's: 0.3 for 30 % more. None for the hold-out itself, and while nobody of it
    /// came back.
    pub lift: Option<f64>,
    /// Where the true lift lies, with probability 95 % at all looks and for all variants together; none while that is unbounded.
    pub lift_interval: Option<[f64; 2]>,
    /// What follows.
    pub verdict: Verdict,
}

/// Judges the arms of one experiment, each in its place.
pub fn judge(arms: &[ArmCounts]) -> Vec<Judgement> {
    let holdout = arms.iter().find(|arm| arm.holdout);
    let variants = arms.iter().filter(|arm| !arm.holdout).count();
    let alpha = ALPHA / float(u64::try_from(variants.max(1)).unwrap_or(u64::MAX));
    let judgements = arms.iter().map(|arm| {
        let compared = holdout.filter(|_| !arm.holdout);
        let ratios = compared.and_then(|holdout| unrefuted_ratios(arm, holdout, alpha));
        Judgement {
            repeat_rate: rate(arm),
            interval: wilson(arm.repeat_buyers, arm.assigned),
            lift: compared.and_then(|holdout| lift(arm, holdout)),
            lift_interval: ratios
                .filter(|[_, high]| high.is_finite())
                .map(|[low, high]| [low - 1.0, high - 1.0]),
            verdict: ratios.map_or(Verdict::NotEnoughData, verdict),
        }
    });
    judgements.collect()
}

/// About how many buyers each of two groups needs, so that a rate half as high again as `base` is noticed with a probability of 80 %.
/// A guide for staff: it is reckoned for a single look (two-sided, 5 %), and looking as often as one likes needs some more.
pub fn buyers_needed(base: f64) -> u64 {
    let (one, other) = (base, (base * WORTH_NOTICING).min(0.99));
    let gap = other - one;
    if one.is_nan() || one <= 0.0 || gap <= 0.0 {
        return u64::MAX;
    }
    let middle = f64::midpoint(one, other);
    let null = Z_95 * (2.0 * middle * (1.0 - middle)).sqrt();
    let apart = Z_80 * (one * (1.0 - one) + other * (1.0 - other)).sqrt();
    whole(((null + apart) / gap).powi(2).ceil())
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "such casts saturate"
)]
fn whole(number: f64) -> u64 {
    number as u64
}

fn rate(arm: &ArmCounts) -> Option<f64> {
    (arm.assigned > 0).then(|| float(arm.repeat_buyers) / float(arm.assigned))
}

fn lift(arm: &ArmCounts, holdout: &ArmCounts) -> Option<f64> {
    let base = rate(holdout).filter(|base| *base > 0.0)?;
    Some(rate(arm)? / base - 1.0)
}

fn verdict([low, high]: [f64; 2]) -> Verdict {
    if low > 1.0 {
        Verdict::Better
    } else if high < 1.0 {
        Verdict::Worse
    } else if low > 1.0 / NO_DIFFERENCE && high < NO_DIFFERENCE {
        Verdict::NoDifferenceSeen
    } else {
        Verdict::NotEnoughData
    }
}

/// Wilson's score interval of a share, which holds its stated rate also for small numbers and for shares near 0 and 1.
fn wilson(hits: u64, of: u64) -> Option<[f64; 2]> {
    if of == 0 {
        return None;
    }
    let (n, share) = (float(of), float(hits) / float(of));
    let square = Z_95 * Z_95;
    let middle = (share + square / (2.0 * n)) / (1.0 + square / n);
    let deviation = (share * (1.0 - share) / n + square / (4.0 * n * n)).sqrt();
    let half = Z_95 * deviation / (1.0 + square / n);
    Some([(middle - half).max(0.0), (middle + half).min(1.0)])
}

/// The least and the largest ratio of shares that what was seen does not refute; `None` while nobody came back or one of the arms
/// gets no buyers.
fn unrefuted_ratios(arm: &ArmCounts, holdout: &ArmCounts, alpha: f64) -> Option<[f64; 2]> {
    let flips = Flips {
        heads: float(arm.repeat_buyers),
        tails: float(holdout.repeat_buyers),
    };
    if arm.weight == 0 || holdout.weight == 0 || flips.heads + flips.tails == 0.0 {
        return None;
    }
    let chance = float(arm.weight) / (float(arm.weight) + float(holdout.weight));
    let odds = float(arm.weight) / float(holdout.weight);
    let [low, high] = flips.unrefuted_chances(chance, -alpha.ln());
    // A chance of 1 stands for a ratio without bound.
    let ratio = |chance: f64| chance / (1.0 - chance) / odds;
    Some([ratio(low), ratio(high)])
}

/// How often coins fell on either side.
#[derive(Clone, Copy, Debug)]
struct Flips {
    heads: f64,
    tails: f64,
}

impl Flips {
    /// The interval of chances of heads against which the evidence, as a logarithm, is below `limit`, when chances around `expected`
    /// were looked for.
    fn unrefuted_chances(self, expected: f64, limit: f64) -> [f64; 2] {
        let spread = expected * (1.0 - expected) * EXPECTED_LOG_RATIO * EXPECTED_LOG_RATIO;
        let weight = (1.0 / spread - 1.0).max(1.0);
        let (a, b) = (weight * expected, weight * (1.0 - expected));
        let mixture = ln_beta(a + self.heads, b + self.tails) - ln_beta(a, b);
        let refuted = |chance: f64| mixture - self.ln_likelihood(chance) >= limit;
        // At the chance that was seen the evidence is below 1, and it grows to both sides of it.
        let seen = self.heads / (self.heads + self.tails);
        [boundary(seen, 0.0, refuted), boundary(seen, 1.0, refuted)]
    }

    fn ln_likelihood(self, chance: f64) -> f64 {
        let part = |times: f64, chance: f64| {
            if times == 0.0 {
                0.0
            } else {
                times * chance.ln()
            }
        };
        part(self.heads, chance) + part(self.tails, 1.0 - chance)
    }
}

/// Where, from `inside` to `outside`, chances begin to be refuted; `outside` itself if none is.
fn boundary(inside: f64, outside: f64, refuted: impl Fn(f64) -> bool) -> f64 {
    if !refuted(outside) {
        return outside;
    }
    let (mut inside, mut outside) = (inside, outside);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(inside, outside);
        if refuted(middle) {
            outside = middle;
        } else {
            inside = middle;
        }
    }
    outside
}

fn ln_beta(a: f64, b: f64) -> f64 {
    libm::lgamma(a) + libm::lgamma(b) - libm::lgamma(a + b)
}

#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "counts beyond 2^53 lose a digit nobody sees"
)]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn arm(weight: u64, assigned: u64, repeat_buyers: u64) -> ArmCounts {
        ArmCounts {
            weight,
            holdout: false,
            assigned,
            repeat_buyers,
        }
    }

    fn holdout(weight: u64, assigned: u64, repeat_buyers: u64) -> ArmCounts {
        ArmCounts {
            holdout: true,
            ..arm(weight, assigned, repeat_buyers)
        }
    }

    fn close(found: f64, expected: f64) -> bool {
        (found - expected).abs() < 5e-5
    }

    /// Source of the values: ux.md §2, computed there.
    #[test]
    fn so_many_buyers_are_needed_to_notice_a_rate_half_as_high_again() {
        assert!(
            buyers_needed(0.1).abs_diff(683) <= 3,
            "{}",
            buyers_needed(0.1)
        );
        assert!(buyers_needed(0.05) > buyers_needed(0.1));
        assert_eq!(buyers_needed(0.0), u64::MAX);
        assert!(buyers_needed(0.9) < 1_000);
    }

    /// Source of the values: Newcombe, Two-sided confidence intervals for the single proportion (1998), table I, method 3.
    #[test]
    fn intervals_are_wilsons() {
        for (hits, of, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let [found_low, found_high] = wilson(hits, of).unwrap();
            assert!(
                close(found_low, low) && close(found_high, high),
                "{hits}/{of}: {found_low} to {found_high}"
            );
        }
        assert_eq!(wilson(0, 0), None);
    }

    #[test]
    fn without_buyers_or_a_holdout_nothing_is_said() {
        for arms in [
            vec![arm(1, 0, 0), holdout(1, 0, 0)],
            vec![arm(1, 1_000, 100)],
            vec![arm(1, 1_000, 100), arm(1, 1_000, 900)],
            vec![arm(9, 9, 1), holdout(1, 1, 0)],
        ] {
            for judgement in judge(&arms) {
                assert_eq!(judgement.verdict, Verdict::NotEnoughData, "{arms:?}");
                assert!(judgement.lift.is_none(), "{arms:?}");
            }
        }
        assert!(judge(&[]).is_empty());
    }

    #[test]
    fn clear_differences_are_called_and_the_holdout_is_not_judged() {
        let arms = [
            arm(4, 4_000, 800),
            arm(4, 4_000, 200),
            holdout(2, 2_000, 200),
        ];
        let [better, worse, control] = judge(&arms)[..] else {
            panic!("three arms");
        };
        assert_eq!(better.verdict, Verdict::Better);
        assert!(close(better.lift.unwrap(), 1.0));
        assert_eq!(worse.verdict, Verdict::Worse);
        assert!(close(worse.lift.unwrap(), -0.5));
        assert_eq!(
            (control.verdict, control.lift),
            (Verdict::NotEnoughData, None)
        );
        assert!(close(control.repeat_rate.unwrap(), 0.1));
    }

    #[test]
    fn equal_arms_are_called_equal_only_when_a_quarter_is_ruled_out() {
        let verdict = |times: u64| {
            let arms = [
                arm(1, 1_000 * times, 100 * times),
                holdout(1, 1_000 * times, 100 * times),
            ];
            judge(&arms)[0].verdict
        };
        assert_eq!(verdict(1), Verdict::NotEnoughData);
        assert_eq!(verdict(3), Verdict::NotEnoughData);
        assert_eq!(verdict(10), Verdict::NoDifferenceSeen);
    }

    #[test]
    fn a_holdout_none_of_whom_came_back_has_no_lift_but_can_lose() {
        let [variant, _] = judge(&[arm(1, 500, 60), holdout(1, 500, 0)])[..] else {
            panic!("two arms");
        };
        assert_eq!(variant.verdict, Verdict::Better);
        assert_eq!((variant.lift, variant.lift_interval), (None, None));
    }

    /// The mixture's likelihood is also the product of what it predicts before each flip, which needs no gamma function.
    #[test]
    fn the_mixture_is_the_product_of_its_predictions() {
        let (a, b) = (7.5_f64, 2.5);
        let (mut heads, mut tails, mut product) = (0.0_f64, 0.0, 0.0);
        for flip in 0..500 {
            let all = a + b + heads + tails;
            if flip % 3 == 0 {
                product += ((b + tails) / all).ln();
                tails += 1.0;
            } else {
                product += ((a + heads) / all).ln();
                heads += 1.0;
            }
        }
        let closed = ln_beta(a + heads, b + tails) - ln_beta(a, b);
        assert!((product - closed).abs() < 1e-8, "{product} {closed}");
    }

    proptest! {
        #[test]
        fn whatever_is_counted_shares_lie_in_their_intervals_and_all_is_finite(
            counts in prop::collection::vec((0_u64..=u64::from(u32::MAX), 0_u64..=u64::MAX / 2, 0_u64..=u64::MAX / 2), 0..6),
            with_holdout: bool,
        ) {
            let arms: Vec<ArmCounts> = counts.iter().enumerate().map(|(index, (weight, a, b))| ArmCounts {
                weight: *weight,
                holdout: with_holdout && index == 0,
                assigned: *a.max(b),
                repeat_buyers: *a.min(b),
            }).collect();
            let judgements = judge(&arms);
            prop_assert_eq!(judgements.len(), arms.len());
            for Judgement { repeat_rate, interval, lift, lift_interval, .. } in judgements {
                if let (Some(share), Some([low, high])) = (repeat_rate, interval) {
                    prop_assert!((0.0..=1.0).contains(&share));
                    prop_assert!(low <= share + 1e-9 && share <= high + 1e-9, "{low} {share} {high}");
                }
                prop_assert!(lift.is_none_or(f64::is_finite));
                prop_assert!(lift_interval.is_none_or(|[low, high]| low.is_finite() && high.is_finite() && low <= high));
            }
        }

        #[test]
        fn swapping_arm_and_holdout_swaps_the_verdict(
            (arm_buyers, holdout_buyers) in (0_u64..5_000, 0_u64..5_000),
        ) {
            let verdict = |ours: u64, theirs: u64| judge(&[arm(1, 50_000, ours), holdout(1, 50_000, theirs)])[0].verdict;
            let swapped = match verdict(holdout_buyers, arm_buyers) {
                Verdict::Better => Verdict::Worse,
                Verdict::Worse => Verdict::Better,
                same => same,
            };
            prop_assert_eq!(verdict(arm_buyers, holdout_buyers), swapped);
        }
    }
}
