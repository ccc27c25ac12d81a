//! Promotions, their place in the list, their counters and batches, and their words.

use super::difference::{Finding, Kind, Subject};
use super::facts::Place;
use super::fold::Fold;
use crate::domain::code::PromotionId;

pub(super) fn findings(fold: &Fold) -> Vec<Finding> {
    let mut findings = Vec::new();
    for id in &fold.mentioned {
        let subject = || Subject::Promotion(id.clone());
        if !fold.terms.contains_key(id) {
            let expected = "the terms of what belongs to this promotion";
            findings.push(Finding::new(
                subject(),
                Kind::TermsMissing,
                expected,
                "none",
            ));
        } else if !fold.entries.contains(id) {
            findings.push(Finding::new(
                subject(),
                Kind::EntryMissing,
                "a place in the list",
                "none",
            ));
        }
        findings.extend(automatic(fold, id));
        findings.extend(batches(fold, id));
    }
    findings.extend(words(fold));
    findings
}

/// It is among those that apply by themselves exactly if its terms say so, until the same end.
fn automatic(fold: &Fold, id: &PromotionId) -> Option<Finding> {
    let expected = fold.terms.get(id)?.automatic;
    let found = fold.automatic.get(id).copied();
    let told = |place: Option<Place>| {
        place.map_or_else(|| "no place".to_owned(), |place| place.to_string())
    };
    (expected != found).then(|| {
        let subject = Subject::Promotion(id.clone());
        Finding::new(subject, Kind::AutomaticPlace, told(expected), told(found))
    })
}

/// Serials from 0 to the counter belong to one batch each, and the counter is behind nothing that was handed out.
pub(super) fn batches(fold: &Fold, id: &PromotionId) -> Vec<Finding> {
    let mut batches = fold.batches.get(id).cloned().unwrap_or_default();
    batches.sort_unstable();
    let found = |kind, expected: String, found: String| {
        Finding::new(Subject::Batches(id.clone()), kind, expected, found)
    };
    let mut findings = Vec::new();
    let (mut end, mut overlap, mut gap) = (0_u64, None, None);
    for (first, count) in batches {
        if first < end {
            overlap = overlap.or(Some((first, end)));
        }
        if first > end {
            gap = gap.or(Some((end, first)));
        }
        end = end.max(first.saturating_add(count));
    }
    let counter = fold.counters.get(id).copied();
    let needed = needed_counter(fold, id);
    if counter.is_none_or(|minted| minted < needed) && fold.terms.contains_key(id) {
        let stands = counter.map_or_else(|| "none".to_owned(), |minted| minted.to_string());
        findings.push(found(
            Kind::MintedBehind,
            format!("at least {needed}"),
            stands,
        ));
    }
    let last = counter.unwrap_or_default().max(needed);
    if last > end {
        gap = gap.or(Some((end, last)));
    }
    if let Some((from, to)) = overlap {
        let stands = format!("numbers from {from} to below {to} in two");
        findings.push(found(
            Kind::BatchOverlap,
            "each number in one batch".to_owned(),
            stands,
        ));
    }
    if let Some((from, to)) = gap {
        let stands = format!("numbers from {from} to below {to} in none");
        findings.push(found(
            Kind::BatchGap,
            "each number in one batch".to_owned(),
            stands,
        ));
    }
    findings
}

/// The least that the counter of minted codes must be: past the batches and past every code that was used or voided.
pub(super) fn needed_counter(fold: &Fold, id: &PromotionId) -> u64 {
    let batches = fold.batches.get(id).into_iter().flatten();
    let ends = batches.map(|(first, count)| first.saturating_add(*count));
    let seen = fold.seen_end.get(id).copied().unwrap_or_default();
    ends.fold(seen, u64::max)
}

fn words(fold: &Fold) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (folded, word) in &fold.words {
        let (kind, found) = match fold
            .listed
            .get(&(word.promotion_id.clone(), folded.clone()))
        {
            Some(listed) if listed == word => continue,
            Some(listed) if listed.voided != word.voided => {
                (Kind::WordsDiffer, "only one of them voided")
            }
            Some(_) => (Kind::WordsDiffer, "two that differ"),
            None => (Kind::WordUnlisted, "only the one that the checkout reads"),
        };
        let subject = Subject::Word(folded.clone());
        let expected = format!(
            "two equal entries, one of them in promotion {}",
            word.promotion_id
        );
        findings.push(Finding::new(subject, kind, expected, found));
    }
    for (id, folded) in fold.listed.keys() {
        let subject = || Subject::Listed(id.clone(), folded.clone());
        match fold.words.get(folded) {
            None => {
                let expected = "an entry that the checkout reads";
                findings.push(Finding::new(subject(), Kind::WordMissing, expected, "none"));
            }
            Some(word) if word.promotion_id != *id => {
                let expected = format!("the word in promotion {} alone", word.promotion_id);
                findings.push(Finding::new(
                    subject(),
                    Kind::WordOrphan,
                    expected,
                    "it here too",
                ));
            }
            Some(_) => {}
        }
    }
    findings
}
