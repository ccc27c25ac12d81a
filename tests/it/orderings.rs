//! Every order of {redeem, hold, confirm, cancel, lapse, return} up to four steps ends in books that agree.

use serde_json::{Value, json};

use crate::shop::{MINUTE, Shop};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Redeem,
    Hold,
    Confirm,
    Cancel,
    Lapse,
    Return,
}

const STEPS: [Step; 6] = [
    Step::Redeem,
    Step::Hold,
    Step::Confirm,
    Step::Cancel,
    Step::Lapse,
    Step::Return,
];

/// What an order is, as simply as it can be said; the request that made it is kept with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Is {
    New,
    Held,
    Redeemed(Step),
    Lapsed,
    Cancelled,
}

/// What a step answers, and what the order is then.
#[expect(
    clippy::match_same_arms,
    reason = "a table by what the order is, in which order matters"
)]
fn model(is: Is, step: Step) -> (u16, Is) {
    match (is, step) {
        (Is::Held, Step::Lapse) => (0, Is::Lapsed),
        (_, Step::Lapse) => (0, is),
        (Is::Cancelled, Step::Cancel) => (200, is),
        (Is::Cancelled, _) => (409, is),
        (_, Step::Cancel) => (200, Is::Cancelled),
        (Is::New | Is::Lapsed, Step::Redeem) => (201, Is::Redeemed(Step::Redeem)),
        (Is::New | Is::Lapsed, Step::Hold) => (201, Is::Held),
        (Is::New, Step::Confirm | Step::Return) => (404, is),
        (Is::Lapsed, Step::Confirm | Step::Return) => (409, is),
        (Is::Held, Step::Hold) => (200, is),
        (Is::Held, Step::Redeem) => (409, is),
        (Is::Held, Step::Confirm) => (200, Is::Redeemed(Step::Hold)),
        (Is::Held, Step::Return) => (422, is),
        (Is::Redeemed(made), Step::Redeem | Step::Hold) => {
            (if made == step { 200 } else { 409 }, is)
        }
        (Is::Redeemed(_), Step::Confirm | Step::Return) => (200, is),
    }
}

/// All sequences of up to four steps in which only the last one is refused or does nothing; what comes after such a step
/// is covered by the sequence without it, since the books are looked at in between.
fn sequences() -> Vec<Vec<Step>> {
    let mut open = vec![(Vec::new(), Is::New)];
    let mut all: Vec<Vec<Step>> = Vec::new();
    for _ in 0..4 {
        let longer: Vec<(Vec<Step>, u16, Is, Is)> = open
            .iter()
            .flat_map(|(sequence, is)| {
                STEPS.map(|step| {
                    let (status, then) = model(*is, step);
                    ([sequence.as_slice(), &[step]].concat(), status, *is, then)
                })
            })
            .collect();
        all.extend(longer.iter().map(|(sequence, ..)| sequence.clone()));
        open = longer
            .into_iter()
            .filter(|(_, status, is, then)| is != then || matches!(status, 200 | 201))
            .map(|(sequence, .., then)| (sequence, then))
            .collect();
    }
    all
}

#[tokio::test]
async fn in_every_order_of_up_to_four_steps_spent_is_what_the_records_still_draw() {
    let shop = Shop::open().await;
    let sequences = sequences();
    let terms = json!({"restore_budget_on_return": true});
    let (promotion, codes) = shop
        .promotion(sequences.len().try_into().unwrap(), terms)
        .await;
    let cart =
        json!({"currency": "JPY", "lines": [{"sku": "A", "quantity": 3, "unit_price": 1115}]});
    let (mut amount, mut uses) = (0, 0);
    for (order, (sequence, code)) in sequences.iter().zip(&codes).enumerate() {
        let path = format!("/v1/redemptions/{order}");
        let mut is = Is::New;
        for (number, step) in sequence.iter().enumerate() {
            let mut put = json!({"codes": [code], "cart": cart});
            let (expected, then) = model(is, *step);
            let status = match step {
                Step::Redeem => shop.call(&format!("PUT {path}"), put).await.0,
                Step::Hold => {
                    put["hold_seconds"] = json!(60);
                    shop.call(&format!("PUT {path}"), put).await.0
                }
                Step::Confirm => {
                    shop.call(&format!("POST {path}/confirm"), Value::Null)
                        .await
                        .0
                }
                Step::Cancel => {
                    shop.call(&format!("POST {path}/cancel"), Value::Null)
                        .await
                        .0
                }
                Step::Return => {
                    let body = json!({"return_id": number.to_string(), "lines": [{"line": 0, "quantity": 1}]});
                    shop.call(&format!("POST {path}/returns"), body).await.0
                }
                // By turns time only passes, and whoever comes next meets the overdue hold, or the schedule ends it.
                Step::Lapse => {
                    shop.clock.advance(MINUTE);
                    if order % 2 == 0 {
                        shop.lapse_due().await;
                    }
                    0
                }
            };
            assert_eq!(status, expected, "{sequence:?} at {number}");
            is = then;
        }
        let (drawn, used) = shop.drawn(&order.to_string()).await;
        amount += drawn;
        uses += used;
        assert_eq!(shop.spent(&promotion).await, (amount, uses), "{sequence:?}");
        let free = !matches!(is, Is::Held | Is::Redeemed(_));
        assert_eq!(shop.worth(code).await["applied"], free, "{sequence:?}");
        // What is still held must not end in the middle of a later sequence.
        if matches!(is, Is::Held | Is::Lapsed) {
            shop.clock.advance(MINUTE);
            shop.lapse_due().await;
            (amount, uses) = (amount - drawn, uses - used);
        }
    }
}
