//! Which items a difference rests on.

use std::collections::BTreeSet;

use super::difference::{Account, Subject};
use super::facts::{Fact, fact};
use crate::domain::code::GroupWord;
use crate::domain::promotion::MAX_SHARDS;
use crate::store::keys::{self, Key};
use crate::store::{Item, OrderOutcome};

/// The items an account is kept in.
pub(super) fn of_account(account: &Account) -> BTreeSet<Key> {
    match account {
        Account::Uses(key) => BTreeSet::from([key.clone()]),
        Account::Shards(id) => {
            let shards = (0..MAX_SHARDS).map(|index| keys::shard(id, index));
            shards.chain([keys::terms(id)]).collect()
        }
    }
}

/// The items a difference is about.
pub(super) fn primary(subject: &Subject) -> Vec<Key> {
    let word = |folded: &str| {
        let word = GroupWord::try_from(folded.to_owned()).ok()?;
        Some(keys::word(&word.folded()))
    };
    match subject {
        Subject::Promotion(id) => vec![keys::terms(id), keys::counter(id)],
        Subject::Batches(id) => vec![keys::counter(id)],
        Subject::Code(id, serial) => vec![keys::code(id, *serial)],
        Subject::Order(order) => vec![keys::redemption(order)],
        Subject::Word(folded) => word(folded).into_iter().collect(),
        Subject::Listed(id, folded) => {
            let listed = GroupWord::try_from(folded.clone()).ok();
            let listed = listed.map(|word| keys::word_of(id, &word.folded()));
            listed.into_iter().chain(word(folded)).collect()
        }
        Subject::Mail(id) => vec![keys::mail(id)],
        Subject::Marker(order, follow_up) => vec![keys::order_marker(order, follow_up)],
        Subject::Rule(id, version) => {
            vec![keys::follow_up(id), keys::follow_up_version(id, *version)]
        }
        Subject::Account(account) => of_account(account).into_iter().collect(),
        Subject::Item(key) => vec![key.clone()],
    }
}

/// The items that an item is compared with.
pub(super) fn references(item: &Item) -> Vec<Key> {
    match fact(item) {
        Ok(Fact::Terms(promotion)) => {
            let entry = keys::promotion_entry(promotion.created_at, &promotion.id);
            vec![entry, keys::automatic(&promotion.id)]
        }
        Ok(Fact::Word(_, word)) => vec![keys::word_of(&word.promotion_id, &word.code.folded())],
        Ok(Fact::Listed(_, _, word)) => vec![keys::word(&word.code.folded())],
        Ok(Fact::Code(_, _, code)) => code.order_id.iter().map(keys::redemption).collect(),
        Ok(Fact::Mail(mail, _)) => vec![
            keys::order_marker(&mail.order_id, &mail.follow_up_id),
            keys::code(&mail.promotion_id, mail.serial),
            keys::follow_up_version(&mail.follow_up_id, mail.follow_up_version),
            keys::follow_up(&mail.follow_up_id),
        ],
        Ok(Fact::Marker(_, follow_up, marker)) => {
            let version = keys::follow_up_version(&follow_up, marker.follow_up_version);
            let current = keys::follow_up(&follow_up);
            match marker.outcome {
                OrderOutcome::Mail { mail_id, .. } => vec![version, current, keys::mail(&mail_id)],
                OrderOutcome::NoMail { .. } => vec![version, current],
            }
        }
        _ => Vec::new(),
    }
}
