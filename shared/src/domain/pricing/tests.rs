#![expect(clippy::arithmetic_side_effects, reason = "test values are small")]

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::domain::promotion::tests::promotion;

fn cart(lines: &[(&str, u64, u64)]) -> Cart {
    let lines: Vec<_> = lines
        .iter()
        .map(|(sku, quantity, unit_price)| json!({"sku": sku, "quantity": quantity, "unit_price": unit_price}))
        .collect();
    serde_json::from_value(json!({"currency": "JPY", "lines": lines})).unwrap()
}

fn minor(amounts: &[Amount]) -> Vec<u64> {
    amounts.iter().map(|amount| amount.minor()).collect()
}

fn percent(id: &str, percent: f64) -> Promotion {
    promotion(
        id,
        &json!({"benefit": {"type": "percent_off", "percent": percent}, "combinability": "unrestricted"}),
    )
}

fn amount(id: &str, amount: u64) -> Promotion {
    promotion(
        id,
        &json!({"benefit": {"type": "amount_off", "amount": amount}, "combinability": "unrestricted"}),
    )
}

#[test]
fn the_designs_own_example_comes_out_as_written() {
    let allocation = price(&cart(&[("B0CHX1W1XY", 2, 1980)]), &[&percent("THX9", 10.0)]);
    assert_eq!(allocation.promotions, [Ok(Amount::try_from(396).unwrap())]);
    assert_eq!(minor(&allocation.lines), [396]);
}

#[test]
fn a_percentage_is_rounded_once_and_spread_by_largest_remainder() {
    // 10 % of 1,005 is 100.5, rounded to 101: shares 33.5 + 33.5 + 33.9…, the odd units go to the largest remainders.
    let allocation = price(
        &cart(&[("A", 1, 333), ("B", 1, 333), ("C", 1, 339)]),
        &[&percent("THX9", 10.0)],
    );
    assert_eq!(allocation.discount().minor(), 101);
    assert_eq!(minor(&allocation.lines), [34, 33, 34]);
}

#[test]
fn max_discount_caps_and_an_amount_never_exceeds_its_lines() {
    let capped = promotion(
        "CAPP",
        &json!({"benefit": {"type": "percent_off", "percent": 50, "max_discount": 300}}),
    );
    assert_eq!(
        price(&cart(&[("A", 1, 1000)]), &[&capped])
            .discount()
            .minor(),
        300
    );
    assert_eq!(
        price(&cart(&[("A", 1, 400)]), &[&amount("AMNT", 500)])
            .discount()
            .minor(),
        400
    );
}

#[test]
fn only_eligible_lines_are_discounted_and_judged_by_the_minimum() {
    let terms = json!({
        "products": {"include": ["A", "B"], "exclude": ["B"]},
        "minimum": {"subtotal": 500, "quantity": 2},
    });
    let promotion = promotion("THX9", &terms);
    let discounts = |lines: &[(&str, u64, u64)]| price(&cart(lines), &[&promotion]);
    assert_eq!(
        minor(&discounts(&[("A", 2, 250), ("B", 5, 900), ("C", 1, 10)]).lines),
        [50, 0, 0]
    );
    assert_eq!(
        discounts(&[("A", 2, 249), ("B", 5, 900)]).promotions,
        [Err(Unpriced::MinimumNotMet)]
    );
    assert_eq!(
        discounts(&[("A", 1, 900)]).promotions,
        [Err(Unpriced::MinimumNotMet)]
    );
    assert_eq!(
        discounts(&[("B", 1, 900)]).promotions,
        [Err(Unpriced::NoEligibleProducts)]
    );
    let dollars: Cart = serde_json::from_value(json!({"currency": "USD", "lines": []})).unwrap();
    assert_eq!(
        price(&dollars, &[&promotion]).promotions,
        [Err(Unpriced::CurrencyMismatch)]
    );
}

#[test]
fn percentages_come_before_amounts_and_each_works_on_what_is_left() {
    let (half, hundred) = (percent("HA5F", 50.0), amount("HNDR", 100));
    for order in [[&hundred, &half], [&half, &hundred]] {
        let allocation = price(&cart(&[("A", 1, 1000)]), &order);
        assert_eq!(allocation.discount().minor(), 600);
    }
}

#[test]
fn an_exclusive_promotion_applies_only_alone_and_any_promotion_only_once() {
    let exclusive = promotion("EXC0", &json!({}));
    let open = percent("0PEN", 10.0);
    let cart = cart(&[("A", 1, 1000)]);
    let expected = [
        Err(Unpriced::NotCombinable),
        Ok(Amount::try_from(100).unwrap()),
    ];
    assert_eq!(price(&cart, &[&exclusive, &open]).promotions, expected);
    let twice = price(&cart, &[&open, &open]).promotions;
    assert_eq!(
        twice,
        [
            Ok(Amount::try_from(100).unwrap()),
            Err(Unpriced::NotCombinable)
        ]
    );
}

#[test]
fn of_preferential_promotions_the_best_for_the_buyer_wins_whatever_the_order() {
    let preferential = |id: &str, percent: u64| {
        promotion(
            id,
            &json!({"benefit": {"type": "percent_off", "percent": percent}, "combinability": "preferential"}),
        )
    };
    let (small, large) = (preferential("SMA5", 5), preferential("BGGR", 20));
    let cart = cart(&[("A", 1, 1000)]);
    let large_wins = Ok(Amount::try_from(200).unwrap());
    assert_eq!(
        price(&cart, &[&small, &large]).promotions,
        [Err(Unpriced::BetterOneApplied), large_wins]
    );
    assert_eq!(
        price(&cart, &[&large, &small]).promotions,
        [large_wins, Err(Unpriced::BetterOneApplied)]
    );
}

prop_compose! {
    fn any_cart()(lines in prop::collection::vec((0_u8..4, 1..=1_000_000_u64, 0..=1_000_000_000_000_u64), 0..6)) -> Cart {
        let lines: Vec<_> = lines
            .iter()
            .map(|(sku, quantity, unit_price)| json!({"sku": format!("S{sku}"), "quantity": quantity, "unit_price": unit_price}))
            .collect();
        serde_json::from_value(json!({"currency": "JPY", "lines": lines})).unwrap()
    }
}

prop_compose! {
    fn any_promotions()(kinds in prop::collection::vec((0_u8..3, 1..=10_000_u64, any::<bool>(), any::<bool>()), 0..5)) -> Vec<Promotion> {
        kinds.iter().enumerate().map(|(index, (combinability, value, is_percent, restricted))| {
            let benefit = if *is_percent {
                json!({"type": "percent_off", "percent": format!("{}.{:02}", value / 100, value % 100).parse::<serde_json::Number>().unwrap()})
            } else {
                json!({"type": "amount_off", "amount": value * 1000})
            };
            let combinability = ["exclusive", "preferential", "unrestricted"][usize::from(*combinability)];
            let mut terms = json!({"benefit": benefit, "combinability": combinability});
            if *restricted {
                terms["products"] = json!({"include": ["S0", "S1"]});
            }
            promotion(&format!("P00{index}"), &terms)
        }).collect()
    }
}

proptest! {
    #[test]
    fn line_discounts_sum_exactly_and_no_line_goes_below_zero(cart in any_cart(), promotions in any_promotions()) {
        prop_assume!(cart.faults().is_empty());
        let allocation = price(&cart, &promotions.iter().collect::<Vec<_>>());
        let applied: u64 = allocation.promotions.iter().flatten().map(|discount| discount.minor()).sum();
        prop_assert_eq!(applied, allocation.discount().minor());
        for (line, discount) in cart.lines.iter().zip(&allocation.lines) {
            prop_assert!(*discount <= line.subtotal());
        }
    }

    #[test]
    fn the_order_in_which_codes_are_sent_never_matters(cart in any_cart(), promotions in any_promotions()) {
        prop_assume!(cart.faults().is_empty());
        let sent: Vec<_> = promotions.iter().collect();
        let reversed: Vec<_> = promotions.iter().rev().collect();
        let (one, other) = (price(&cart, &sent), price(&cart, &reversed));
        prop_assert_eq!(&one.lines, &other.lines);
        prop_assert_eq!(one.promotions, other.promotions.into_iter().rev().collect::<Vec<_>>());
    }
}
