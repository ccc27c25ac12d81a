use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::domain::figures::{Named as _, difference};

fn at(minute: u32) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + chrono::TimeDelta::minutes(minute.into())
}

fn row(experiment: u64, arm: &str) -> ArmRow {
    ArmRow {
        follow_up_id: FollowUpId::try_from("fu_y4hohjnflmkp4iva".to_owned()).unwrap(),
        experiment,
        arm: arm.to_owned(),
    }
}

fn order(id: &str) -> OrderId {
    OrderId::try_from(id.to_owned()).unwrap()
}

fn bought(id: &str, minute: u32, cancelled: bool) -> Fact {
    Fact::Bought(Bought {
        order_id: order(id),
        at: at(minute),
        total: Amount::try_from(1_000 + u64::from(minute)).unwrap(),
        currency: serde_json::from_value(json!("JPY")).unwrap(),
        cancelled,
    })
}

fn assigned(id: &str, minute: u32, experiment: u64) -> Fact {
    Fact::Assigned(Assigned {
        row: row(experiment, "A"),
        order_id: order(id),
        at: at(minute),
        currency: serde_json::from_value(json!("JPY")).unwrap(),
    })
}

fn book(facts: &[Fact]) -> Book {
    Book::default().with(facts).unwrap_or_default()
}

fn sums(facts: &[Fact]) -> ArmFigures {
    let book = book(facts);
    assert_eq!(book.shares.len(), 1);
    book.shares[0].figures
}

#[test]
fn a_buyer_comes_back_with_a_later_order_that_stands_and_only_its_currency_is_revenue() {
    let first = [bought("1", 5, false), assigned("1", 5, 1)];
    let alone = ArmFigures {
        assigned: 1,
        ..ArmFigures::default()
    };
    assert_eq!(sums(&first), alone);
    let with = |more: Fact| sums(&[&first[..], &[more]].concat());
    // Before it, cancelled, at the same moment with a lesser id, and the same order again.
    assert_eq!(with(bought("0", 4, false)), alone);
    assert_eq!(with(bought("2", 9, true)), alone);
    assert_eq!(with(bought("0", 5, false)), alone);
    assert_eq!(with(bought("1", 5, false)), alone);
    let back = |revenue| ArmFigures {
        assigned: 1,
        repeat_buyers: 1,
        revenue,
        ..ArmFigures::default()
    };
    assert_eq!(with(bought("2", 5, false)), back(1_005));
    assert_eq!(with(bought("2", 9, false)), back(1_009));
    let Fact::Bought(mut foreign) = bought("2", 9, false) else {
        unreachable!()
    };
    foreign.currency = serde_json::from_value(json!("USD")).unwrap();
    assert_eq!(with(Fact::Bought(foreign.clone())), back(0));
    foreign.currency = None;
    assert_eq!(with(Fact::Bought(foreign)), back(0));
    // Whose assigning order was cancelled stays in their arm.
    assert_eq!(with(bought("1", 5, true)), alone);
}

#[test]
fn of_several_orders_in_an_experiment_the_first_that_arrived_assigns() {
    let later = [assigned("2", 9, 1), bought("2", 9, false)];
    let all = [&later[..], &[assigned("1", 5, 1), bought("1", 5, false)]].concat();
    assert_eq!(sums(&later).repeat_buyers, 0);
    assert_eq!(sums(&all).repeat_buyers, 1);
    assert_eq!(sums(&all).revenue, 1_009);
}

#[test]
fn a_closed_book_names_no_order_and_takes_in_nothing() {
    let open = book(&[
        assigned("1", 5, 1),
        bought("1", 5, false),
        bought("2", 6, false),
    ]);
    let closed = open.close().unwrap();
    assert_eq!((&closed.shares, closed.times), (&open.shares, 2));
    assert!(closed.orders.is_empty() && closed.assignments.is_empty());
    assert_eq!(closed.with(&[bought("3", 7, false)]), None);
    assert_eq!(closed.close(), None);
}

#[test]
fn a_book_reads_back_as_it_was_written() {
    let book = book(&[
        assigned("1", 5, 1),
        bought("1", 5, true),
        bought("2", 6, false),
    ]);
    let item: serde_dynamo::Item = serde_dynamo::to_item(&book).unwrap();
    assert_eq!(serde_dynamo::from_item::<_, Book>(item).unwrap(), book);
}

/// What may be heard of a buyer: orders, of which some are cancelled later, and experiments they were part of. More than a book
/// holds, now and then.
fn facts() -> impl Strategy<Value = Vec<Fact>> {
    let orders = prop::collection::vec((0_u32..400, any::<bool>(), 0_u64..60), 1..130);
    orders.prop_map(|orders| {
        let mut facts = Vec::new();
        for (index, (minute, cancelled, experiment)) in orders.into_iter().enumerate() {
            let id = index.to_string();
            facts.push(bought(&id, minute, false));
            if cancelled {
                facts.push(bought(&id, minute, true));
            }
            if experiment < 55 {
                facts.push(assigned(&id, minute, experiment));
            }
        }
        facts
    })
}

proptest! {
    /// However facts come, a book says what they say together, and rows that followed its changes stand at its sums.
    #[test]
    fn a_buyers_sums_are_the_same_in_whatever_order_and_however_often_facts_are_told(
        facts in facts(),
        told in prop::collection::vec((any::<prop::sample::Index>(), 1_usize..6), 0..80),
    ) {
        let whole = book(&facts);
        let mut heard = Book::default();
        let mut rows: BTreeMap<ArmRow, ArmFigures> = BTreeMap::new();
        let mut hear = |facts: &[Fact]| {
            let Some(next) = heard.with(facts) else { return };
            assert_eq!(next.times, heard.times + 1);
            for (row, figures) in difference(&heard.shares, &next.shares) {
                *rows.entry(row).or_default() += figures;
            }
            heard = next;
        };
        for (start, count) in told {
            let start = start.index(facts.len());
            hear(&facts[start..facts.len().min(start + count)]);
        }
        let mut backwards = facts.clone();
        backwards.reverse();
        for fact in backwards.chunks(1) {
            hear(fact);
        }
        rows.retain(|_, figures| !figures.is_zero());
        prop_assert_eq!((&heard.orders, &heard.assignments), (&whole.orders, &whole.assignments));
        let shares = whole.shares.iter().map(|share| (share.row.clone(), share.figures));
        prop_assert_eq!(rows, shares.collect::<BTreeMap<_, _>>());
        // One change of a book fits one transaction.
        prop_assert!(whole.assignments.len() <= MAX_ASSIGNMENTS && 2 * MAX_ASSIGNMENTS < 100);
    }
}
