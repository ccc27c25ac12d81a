//! Rows of sums: added to in the transaction that decides whether that was done before, and set right as they were seen.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::AttributeValue;

use super::Item;
use super::keys::Key;
use super::transaction::{Action, Expression};
use crate::domain::figures::Named;

/// A row as it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums<F> {
    pub(super) figures: F,
    /// How often it was written.
    changes: i128,
}

impl<F: Named> Sums<F> {
    /// A figure that is missing is zero.
    pub(super) fn of(item: &Item) -> Self {
        let number = |name: &str| {
            let text = item.get(name).and_then(|value| value.as_n().ok());
            text.and_then(|text| text.parse().ok()).unwrap_or_default()
        };
        Self {
            figures: F::from_parts(number),
            changes: number("changes"),
        }
    }
}

/// Adds to a row. Whether to do so is for the rest of the transaction to decide; the condition only says that it is one of these.
pub(super) fn add<F: Named>(key: Key, figures: &F) -> Action {
    let is_one = Expression::new("attribute_not_exists(pk) OR attribute_exists(changes)");
    let parts = figures.parts().into_iter();
    Action::Update {
        key,
        update: F::ADD,
        condition: parts.fold(is_one.number(":one", 1), |expression, (name, value)| {
            expression.number(&format!(":{name}"), value)
        }),
    }
}

/// What sets right the rows that do not say what they should, each if it still is as it was seen.
pub(super) fn corrections<R: Ord, F: Named>(
    stand: &BTreeMap<R, Sums<F>>,
    should: &BTreeMap<R, F>,
    key: impl Fn(&R) -> Key,
) -> Vec<Action> {
    let rows: BTreeSet<&R> = stand.keys().chain(should.keys()).collect();
    let wrong = rows.into_iter().filter_map(|row| {
        let seen = stand.get(row);
        let figures = should.get(row).copied().unwrap_or_default();
        let right = seen.map_or(F::default(), |sums| sums.figures) == figures;
        (!right).then(|| set(&key(row), &figures, seen))
    });
    wrong.collect()
}

fn set<F: Named>(key: &Key, figures: &F, seen: Option<&Sums<F>>) -> Action {
    let changes = seen.map_or(0, |sums| sums.changes);
    let mut item = key.attributes();
    let number = |value: i128| AttributeValue::N(value.to_string());
    let parts = figures.parts().into_iter();
    item.extend(parts.map(|(name, value)| (name.to_owned(), number(value))));
    item.insert("changes".to_owned(), number(changes.saturating_add(1)));
    Action::put_as_seen(item, "changes", seen.map(|sums| sums.changes))
}
