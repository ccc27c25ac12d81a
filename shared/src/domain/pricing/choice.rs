//! Which of the promotions that could apply to a cart do.

use super::super::cart::Cart;
use super::super::promotion::{Combinability, Promotion};
use super::{Refusal, Verdict, apply};

/// Most promotions that apply to one order by themselves. With ten codes of four limits each and the record, their limits
/// still fit into one transaction of 100 actions.
pub const MAX_AUTOMATIC_PER_ORDER: usize = 4;

/// Of the codes sent, an exclusive one applies only if it is the only one; the same promotion applies once.
pub(super) fn refuse_uncombinable(promotions: &[&Promotion], verdicts: &mut [Verdict]) {
    let sent = |promotion: &&&Promotion| !promotion.is_automatic();
    let several = promotions.iter().filter(sent).count() > 1;
    for (index, (promotion, verdict)) in promotions.iter().zip(verdicts).enumerate() {
        if verdict.is_err() || promotion.is_automatic() {
            continue;
        }
        let repeated = promotions
            .iter()
            .take(index)
            .any(|earlier| earlier.id == promotion.id);
        if is_exclusive(promotion) && several {
            *verdict = Err(Refusal::Exclusive);
        } else if repeated {
            *verdict = Err(Refusal::Repeated);
        }
    }
}

/// Settles which promotions apply by themselves, and of the preferential ones which is the best.
///
/// What may not be used with a code that applies gives way to it. Where no code applies, an exclusive one of them competes
/// with all the others together: what saves the buyer most applies, of equals the others together, then the oldest.
pub(super) fn choose_automatic(
    cart: &Cart,
    promotions: &[&Promotion],
    mut verdicts: Vec<Verdict>,
) -> Vec<Verdict> {
    let applies = |wanted: fn(&Promotion) -> bool, verdicts: &[Verdict]| {
        let mut pairs = promotions.iter().zip(verdicts);
        pairs.any(|(promotion, verdict)| verdict.is_ok() && wanted(promotion))
    };
    let code = applies(|promotion| !promotion.is_automatic(), &verdicts);
    let exclusive_code = applies(
        |promotion| !promotion.is_automatic() && is_exclusive(promotion),
        &verdicts,
    );
    for (promotion, verdict) in promotions.iter().zip(&mut verdicts) {
        let gives_way = exclusive_code || (code && is_exclusive(promotion));
        if gives_way && promotion.is_automatic() && verdict.is_ok() {
            *verdict = Err(Refusal::GivesWay);
        }
    }
    let mut alone: Vec<_> = promotions.iter().zip(&verdicts).enumerate().collect();
    alone.retain(|(_, (promotion, verdict))| {
        promotion.is_automatic() && is_exclusive(promotion) && verdict.is_ok()
    });
    alone.sort_by_key(|(_, (promotion, _))| promotion.seniority());
    let alone: Vec<usize> = alone.into_iter().map(|(index, _)| index).collect();
    if alone.is_empty() {
        return settle(cart, promotions, verdicts);
    }
    let choices = std::iter::once(None).chain(alone.iter().copied().map(Some));
    let choices: Vec<_> = choices
        .map(|only| {
            let chosen = |index: &usize| match only {
                Some(only) => *index == only,
                None => !alone.contains(index),
            };
            let mut chosen_verdicts = verdicts.clone();
            for (index, verdict) in chosen_verdicts.iter_mut().enumerate() {
                if verdict.is_ok() && !chosen(&index) {
                    *verdict = Err(Refusal::GivesWay);
                }
            }
            settle(cart, promotions, chosen_verdicts)
        })
        .collect();
    // The last of equals is kept by `max_by_key`, so the choices are looked at from the end.
    let best = choices
        .into_iter()
        .rev()
        .max_by_key(|verdicts| apply(cart, promotions, verdicts).saved());
    best.unwrap_or(verdicts)
}

/// Keeps the best preferential promotion, and the oldest of those that apply by themselves.
fn settle(cart: &Cart, promotions: &[&Promotion], mut verdicts: Vec<Verdict>) -> Vec<Verdict> {
    best_preferential(cart, promotions, &mut verdicts);
    let mut automatic: Vec<_> = promotions.iter().zip(&mut verdicts).collect();
    automatic.retain(|(promotion, verdict)| promotion.is_automatic() && verdict.is_ok());
    automatic.sort_by_key(|(promotion, _)| promotion.seniority());
    for (_, verdict) in automatic.into_iter().skip(MAX_AUTOMATIC_PER_ORDER) {
        *verdict = Err(Refusal::TooMany);
    }
    verdicts
}

fn is_exclusive(promotion: &Promotion) -> bool {
    promotion.terms.combinability == Combinability::Exclusive
}

/// Of several preferential promotions keeps the one with which the buyer saves most; of equals the older.
fn best_preferential(cart: &Cart, promotions: &[&Promotion], verdicts: &mut [Verdict]) {
    let places = promotions.iter().zip(&*verdicts).enumerate();
    let mut candidates: Vec<_> = places
        .filter(|(_, (promotion, verdict))| {
            verdict.is_ok() && promotion.terms.combinability == Combinability::Preferential
        })
        .map(|(index, (promotion, _))| (promotion.seniority(), index))
        .collect();
    if candidates.len() < 2 {
        return;
    }
    candidates.sort_unstable();
    let mut saved = Vec::with_capacity(candidates.len());
    for (_, candidate) in &candidates {
        let mut alone = verdicts.to_vec();
        for (_, other) in candidates.iter().filter(|(_, other)| other != candidate) {
            if let Some(verdict) = alone.get_mut(*other) {
                *verdict = Err(Refusal::Repeated);
            }
        }
        saved.push((*candidate, apply(cart, promotions, &alone).saved()));
    }
    let most = saved
        .iter()
        .map(|(_, saved)| *saved)
        .max()
        .unwrap_or_default();
    let best = saved.iter().find(|(_, saved)| *saved == most);
    let best = best.map(|(index, _)| *index);
    for (index, saved) in saved {
        if let Some(verdict) = verdicts.get_mut(index).filter(|_| Some(index) != best) {
            *verdict = Err(Refusal::BetterOneApplied { saved, most });
        }
    }
}
