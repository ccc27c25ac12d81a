//! What staff should know about a promotion or word that is allowed but may hurt.

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::domain::benefit::Benefit;
use shared::domain::channel::Channel;
use shared::domain::code::GroupWord;
use shared::domain::guessable::is_guessable;
use shared::domain::money::Amount;
use shared::domain::promotion::{Combinability, Promotion, Status};
use shared::http::Problem;
use shared::store::{GroupCode, MAX_LISTED};
use utoipa::ToSchema;

use crate::State;

/// What is allowed but may hurt.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct Warning {
    /// Names it for programs.
    code: &'static str,
    /// It in a sentence.
    detail: String,
}

/// What a promotion's own terms give reason to warn of.
pub(crate) fn of_terms(promotion: &Promotion) -> Vec<Warning> {
    let terms = &promotion.terms;
    let never = terms
        .ends_at
        .filter(|ends_at| *ends_at <= promotion.effective_at);
    let never = never.map(|ends_at| Warning {
        code: "ends-before-it-takes-effect",
        detail: format!(
            "It takes effect at {} but ends at {ends_at}: its codes never work.",
            promotion.effective_at
        ),
    });
    let short = match (terms.limits.budget, most_off(&terms.benefit)) {
        (Some(budget), Some(most)) if budget < most => Some(Warning {
            code: "budget-below-one-discount",
            detail: format!(
                "One discount can come to {}, but the budget is {}: such an order is refused.",
                most.display(terms.currency),
                budget.display(terms.currency)
            ),
        }),
        (Some(_) | None, Some(_) | None) => None,
    };
    never.into_iter().chain(short).collect()
}

/// What a link's word gives reason to warn of: uses of the word count for its own channel, visits of the link for the link's.
pub(crate) fn of_link(channel: &Channel, word: &GroupCode) -> Vec<Warning> {
    if word.channel.as_ref() == Some(channel) {
        return Vec::new();
    }
    let word_channel = word.channel.as_ref().map_or("none", Channel::as_str);
    vec![Warning {
        code: "another-channel",
        detail: format!(
            "Uses of {} count for the channel {word_channel}, visits of this link for {}: its conversion cannot be told.",
            word.code.as_str(),
            channel.as_str()
        ),
    }]
}

/// The most that one order can get, if the benefit bounds it.
fn most_off(benefit: &Benefit) -> Option<Amount> {
    if let Benefit::AmountOff { amount } = benefit {
        Some(*amount)
    } else if let Benefit::PercentOff { max_discount, .. } = benefit {
        *max_discount
    } else {
        None
    }
}

/// What a word gives reason to warn of.
pub(crate) fn of_word(word: &GroupWord) -> Vec<Warning> {
    let warning = is_guessable(word).then(|| Warning {
        code: "guessable",
        detail: "Strangers may well guess this word. Limit its uses, or add a few symbols to it."
            .to_owned(),
    });
    warning.into_iter().collect()
}

/// What may come together in one order with other promotions, as far as the newest 500 of them are concerned.
pub(crate) async fn of_stacking(
    state: &State,
    promotion: &Promotion,
    now: DateTime<Utc>,
) -> Result<Vec<Warning>, Problem> {
    if promotion.terms.combinability == Combinability::Exclusive || percent(promotion).is_none() {
        return Ok(Vec::new());
    }
    let newest = state.store.list_promotions(None, MAX_LISTED).await?;
    let others: Vec<&Promotion> = newest
        .promotions
        .iter()
        .map(AsRef::as_ref)
        .filter(|other| {
            other.id != promotion.id
                && other.status_at(now) != Status::Ended
                && meet(promotion, other)
        })
        .collect();
    Ok(stacked(promotion, &others).into_iter().collect())
}

/// Whether two promotions are for the same currency and, at some time, both in effect.
fn meet(one: &Promotion, other: &Promotion) -> bool {
    let ends_before = |first: &Promotion, second: &Promotion| {
        first
            .terms
            .ends_at
            .is_some_and(|ends_at| ends_at <= second.effective_at)
    };
    one.terms.currency == other.terms.currency
        && !ends_before(one, other)
        && !ends_before(other, one)
}

/// A promotion's percentage in hundredths of a percent, if that is its benefit.
fn percent(promotion: &Promotion) -> Option<u64> {
    if let Benefit::PercentOff { percent, .. } = &promotion.terms.benefit {
        Some(u64::from(percent.hundredths()))
    } else {
        None
    }
}

/// A warning if the percentages that may meet in one order add up to more than 100%: all unrestricted ones, and of the
/// preferential ones the largest. Each is taken of what the others leave, so the warning says what they really come to.
fn stacked(promotion: &Promotion, others: &[&Promotion]) -> Option<Warning> {
    let unrestricted =
        |other: &&&Promotion| other.terms.combinability == Combinability::Unrestricted;
    let mut together: Vec<&Promotion> = others
        .iter()
        .filter(unrestricted)
        .copied()
        .filter(|other| percent(other).is_some())
        .collect();
    if promotion.terms.combinability == Combinability::Unrestricted {
        let preferential = others
            .iter()
            .filter(|other| other.terms.combinability == Combinability::Preferential)
            .filter(|other| percent(other).is_some());
        together.extend(preferential.max_by_key(|other| percent(other)));
    }
    let all = || {
        together
            .iter()
            .copied()
            .chain([promotion])
            .filter_map(percent)
    };
    if together.is_empty() || all().sum::<u64>() <= 10_000 {
        return None;
    }
    // Rounded down at each step, so that what is left is never overstated and what is taken off never understated.
    let left = all().fold(10_000_u64, |left, percent| {
        left.saturating_mul(10_000_u64.saturating_sub(percent)) / 10_000
    });
    let off = 10_000_u64.saturating_sub(left);
    let names: Vec<String> = together
        .iter()
        .take(5)
        .map(|other| format!("\u{201c}{}\u{201d} ({})", other.terms.name, other.id))
        .collect();
    let more = together.len().saturating_sub(names.len());
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    Some(Warning {
        code: "stacks-over-100-percent",
        detail: format!(
            "In one order with {}{more} the percentages add up to {}%. Each is taken of what the others leave, which comes to \
             up to {}.{:02}% off where their products are the same.",
            names.join(", "),
            all().sum::<u64>() / 100,
            off / 100,
            off % 100
        ),
    })
}
