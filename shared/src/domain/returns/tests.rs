#![expect(
    clippy::arithmetic_side_effects,
    reason = "small numbers, and a test may panic"
)]

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn now() -> DateTime<Utc> {
    "2026-11-25T03:05:00Z".parse().unwrap()
}

/// A redeemed order of lines `(quantity, discount)`; the codes' discounts split their sum as `codes` says.
fn order(lines: &[(u64, u64)], codes: &[u64]) -> Redemption {
    let total: u64 = lines.iter().map(|(_, discount)| discount).sum();
    let lines: Vec<Value> = lines
        .iter()
        .map(|(quantity, discount)| json!({"sku": "A", "quantity": quantity, "subtotal": 1_000_000, "discount": discount}))
        .collect();
    let codes: Vec<Value> = codes
        .iter()
        .map(|discount| json!({"promotion_id": "THX9", "code": {"word": "HELLO"}, "discount": discount, "restore_budget_on_return": true}))
        .collect();
    serde_json::from_value(json!({
        "order_id": "1", "status": "redeemed", "version": 1,
        "redeemed": {
            "fingerprint": "", "written_by": "", "redeemed_at": now(), "codes": codes,
            "priced": {"currency": "JPY", "subtotal": 1_000_000, "discount": total, "shipping_discount": 0, "total": 0, "lines": lines},
        },
    }))
    .unwrap()
}

fn request(id: &str, lines: &[(usize, u64)]) -> ReturnRequest {
    let lines = lines
        .iter()
        .map(|(line, quantity)| LineQuantity {
            line: *line,
            quantity: *quantity,
        })
        .collect();
    ReturnRequest {
        return_id: ReturnId(id.to_owned()),
        lines,
    }
}

fn pointers(refusal: ReturnRefusal) -> Vec<String> {
    match refusal {
        ReturnRefusal::Faults(faults) => faults.into_iter().map(|fault| fault.pointer).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_return_brings_the_difference_of_shares_rounded_down() {
    let mut record = order(&[(3, 100)], &[100]);
    let mut given = Vec::new();
    for id in ["a", "b", "c"] {
        record = record
            .with_return(&request(id, &[(0, 1)]), now())
            .unwrap()
            .unwrap();
        given.push(record.returns.last().unwrap().discount.minor());
    }
    assert_eq!(given, [33, 33, 34]);
    assert_eq!(record.version, 4);
}

#[test]
fn the_same_return_again_changes_nothing_and_its_id_names_no_other() {
    let first = order(&[(3, 100), (1, 5)], &[105]);
    let lines = [(0, 1), (1, 1)];
    let made = first
        .with_return(&request("a", &lines), now())
        .unwrap()
        .unwrap();
    let again = request("a", &[(1, 1), (0, 1)]);
    assert_eq!(made.with_return(&again, now()), Ok(None));
    let cancelled = made.changed_to(RedemptionStatus::Cancelled);
    assert_eq!(cancelled.with_return(&again, now()), Ok(None));
    assert_eq!(
        made.with_return(&request("a", &[(0, 2)]), now()),
        Err(ReturnRefusal::IdReused)
    );
}

#[test]
fn lines_that_cannot_come_back_are_all_pointed_at() {
    let record = order(&[(3, 100), (1, 5)], &[105]);
    let bad = request("a", &[(2, 1), (0, 4), (1, 0), (1, 1)]);
    let refused = record.with_return(&bad, now()).unwrap_err();
    let expected = [
        "/lines/0/line",
        "/lines/1/quantity",
        "/lines/2/quantity",
        "/lines/3/line",
    ];
    assert_eq!(pointers(refused), expected);
    let refused = record.with_return(&request("a", &[]), now()).unwrap_err();
    assert_eq!(pointers(refused), ["/lines"]);
}

#[test]
fn only_a_redeemed_order_has_something_to_return() {
    let record = order(&[(1, 100)], &[100]);
    let lines = request("a", &[(0, 1)]);
    let held = Redemption {
        held_until: Some(now() + chrono::TimeDelta::seconds(1)),
        ..record.changed_to(RedemptionStatus::Held)
    };
    let overdue = Redemption {
        held_until: Some(now()),
        ..held.clone()
    };
    for (record, refusal) in [
        (held, ReturnRefusal::Held),
        (overdue, ReturnRefusal::Lapsed),
        (
            record.changed_to(RedemptionStatus::Lapsed),
            ReturnRefusal::Lapsed,
        ),
        (
            record.changed_to(RedemptionStatus::Cancelled),
            ReturnRefusal::Cancelled,
        ),
    ] {
        assert_eq!(record.with_return(&lines, now()), Err(refusal));
    }
}

#[test]
fn a_record_never_outgrows_its_item() {
    let lines = vec![(1_000_000, 1); 1_000];
    let mut record = order(&lines, &[1_000]);
    let all: Vec<_> = (0..1_000).map(|line| (line, 1)).collect();
    for number in 0_u32.. {
        match record.with_return(&request(&number.to_string(), &all), now()) {
            Ok(next) => record = next.unwrap(),
            Err(refusal) => {
                assert!(number > 3, "{number}");
                assert_eq!(pointers(refusal), ["/lines"]);
                return;
            }
        }
    }
}

proptest! {
    #[test]
    fn returns_in_whatever_steps_sum_to_the_discount_and_no_code_gives_back_more_than_it_gave(
        lines in prop::collection::vec((1_u64..6, 0_u64..1_000), 1..5),
        cuts in prop::collection::vec(0_u64..1_000, 0..4),
        steps in prop::collection::vec((0_usize..5, 1_u64..4), 0..40),
    ) {
        let total: u64 = lines.iter().map(|(_, discount)| discount).sum();
        let mut edges: Vec<u64> = cuts.iter().map(|cut| (*cut).min(total)).chain([0, total]).collect();
        edges.sort_unstable();
        let codes: Vec<u64> = edges.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let mut record = order(&lines, &codes);
        let mut steps: Vec<(usize, u64)> = steps;
        // Whatever is left at the end comes back one unit at a time.
        steps.extend((0..lines.len()).flat_map(|line| std::iter::repeat_n((line, 1), 5)));
        for (number, step) in steps.into_iter().enumerate() {
            if let Ok(Some(next)) = record.with_return(&request(&number.to_string(), &[step]), now()) {
                record = next;
            }
            let returned: u64 = record.returns.iter().map(|made| made.discount.minor()).sum();
            let redeemed = record.redeemed.as_ref().unwrap();
            let back: u64 = redeemed.codes.iter().map(|code| code.returned.minor()).sum();
            prop_assert_eq!(back, returned);
            for code in &redeemed.codes {
                prop_assert!(code.returned <= code.discount.unwrap());
            }
        }
        let redeemed = record.redeemed.as_ref().unwrap();
        for code in &redeemed.codes {
            prop_assert_eq!(code.returned, code.discount.unwrap());
        }
    }
}
