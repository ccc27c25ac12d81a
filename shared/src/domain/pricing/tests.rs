#![expect(clippy::arithmetic_side_effects, reason = "test values are small")]

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::domain::promotion::Combinability;
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

/// Small carts meet ties and roundings, large ones the bounds.
fn any_cart() -> impl Strategy<Value = Cart> {
    let line = prop_oneof![
        3 => (0_u8..4, 1..=9_u64, 0..=2_000_u64),
        1 => (0_u8..4, 1..=1_000_000_u64, 0..=1_000_000_000_000_u64),
    ];
    (prop::collection::vec(line, 0..6), 0..=2_000_u64).prop_map(|(lines, shipping)| {
        let lines: Vec<_> = lines
            .iter()
            .map(|(sku, quantity, unit_price)| json!({"sku": format!("S{sku}"), "quantity": quantity, "unit_price": unit_price}))
            .collect();
        serde_json::from_value(json!({"currency": "JPY", "shipping": shipping, "lines": lines}))
            .unwrap()
    })
}

/// A percentage of so many hundredths of a percent.
fn hundredths(value: u64) -> serde_json::Number {
    format!("{}.{:02}", value / 100, value % 100)
        .parse()
        .unwrap()
}

/// A benefit of every kind whose percentage, if it has one, is `share` hundredths of a percent.
fn benefit(kind: u8, share: u64, size: u64) -> serde_json::Value {
    let percent = hundredths(share);
    match kind {
        0 => json!({"type": "percent_off", "percent": percent}),
        1 => json!({"type": "percent_off", "percent": percent, "max_discount": size * 50}),
        2 => json!({"type": "tiered_percent_off", "tiers": [
            {"min_subtotal": size * 100, "percent": percent},
            {"min_subtotal": size * 200, "percent": percent},
        ]}),
        3 => json!({"type": "buy_x_get_y", "buy": size, "get": 1 + share % 3, "percent": percent}),
        4 => {
            json!({"type": "buy_x_get_y", "buy": 1 + share % 3, "get": size, "percent": percent, "get_products": ["S1", "S2"]})
        }
        5 => json!({"type": "amount_off", "amount": size * 100}),
        _ => json!({"type": "free_shipping"}),
    }
}

/// Kind, size and the other terms of a promotion of any kind.
fn any_terms() -> impl Strategy<Value = (u8, u64, serde_json::Value)> {
    let kinds = (0_u8..7, 1..=4_u64);
    let options = (0_usize..3, any::<bool>(), 0..8_u32, 0..3_u64, any::<bool>());
    (kinds, options).prop_map(
        |((kind, size), (combinability, restricted, units, least, automatic))| {
            let combinability = ["exclusive", "preferential", "unrestricted"][combinability];
            let mut terms = json!({"combinability": combinability, "minimum": {"quantity": least}});
            if restricted {
                terms["products"] = json!({"include": ["S0", "S1"]});
            }
            if automatic {
                terms["claim_code"] = json!("none");
            }
            if units > 3 && kind != 6 {
                terms["limits"] = json!({"units_per_order": units - 3});
            }
            (kind, size, terms)
        },
    )
}

fn any_promotions() -> impl Strategy<Value = Vec<Promotion>> {
    prop::collection::vec((any_terms(), 1..=10_000_u64), 0..8).prop_map(|all| {
        let all = all.into_iter().enumerate();
        all.map(|(index, ((kind, size, terms), share))| {
            with_share(&format!("P00{index}"), kind, size, &terms, share)
        })
        .collect()
    })
}

fn with_share(id: &str, kind: u8, size: u64, terms: &serde_json::Value, share: u64) -> Promotion {
    let mut terms = terms.clone();
    terms["benefit"] = benefit(kind, share, size);
    promotion(id, &terms)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn line_discounts_sum_exactly_and_no_line_goes_below_zero(cart in any_cart(), promotions in any_promotions()) {
        prop_assume!(cart.faults().is_empty());
        let allocation = price(&cart, &promotions.iter().collect::<Vec<_>>());
        let applied: u64 = allocation.promotions.iter().flatten().map(|discount| discount.minor()).sum();
        prop_assert_eq!(applied, allocation.saved().minor());
        for (line, discount) in cart.lines.iter().zip(&allocation.lines) {
            prop_assert!(*discount <= line.subtotal());
        }
        prop_assert!(allocation.shipping <= cart.shipping);
    }

    #[test]
    fn the_steps_of_an_explanation_sum_to_the_discounts(cart in any_cart(), promotions in any_promotions()) {
        prop_assume!(cart.faults().is_empty());
        let allocation = price(&cart, &promotions.iter().collect::<Vec<_>>());
        for (index, outcome) in allocation.promotions.iter().enumerate() {
            let own = allocation.trace.iter().filter(|traced| traced.promotion == Some(index));
            let taken: u64 = own.map(|traced| match &traced.step {
                Step::Spread(shares) => sum(shares).minor(),
                Step::Shipping(discount) => discount.minor(),
                _ => 0,
            }).sum();
            prop_assert_eq!(taken, outcome.map_or(0, Amount::minor));
        }
    }

    #[test]
    fn the_order_in_which_codes_are_sent_never_matters(cart in any_cart(), promotions in any_promotions()) {
        prop_assume!(cart.faults().is_empty());
        let sent: Vec<_> = promotions.iter().collect();
        let reversed: Vec<_> = promotions.iter().rev().collect();
        let (one, other) = (price(&cart, &sent), price(&cart, &reversed));
        prop_assert_eq!(&one.lines, &other.lines);
        prop_assert_eq!(one.shipping, other.shipping);
        prop_assert_eq!(one.promotions, other.promotions.into_iter().rev().collect::<Vec<_>>());
    }

    #[test]
    fn what_applies_by_itself_refuses_no_code_and_stays_within_its_number(cart in any_cart(), promotions in any_promotions()) {
        prop_assume!(cart.faults().is_empty());
        let all: Vec<_> = promotions.iter().collect();
        let codes: Vec<_> = promotions.iter().filter(|promotion| !promotion.is_automatic()).collect();
        let (with, without) = (price(&cart, &all), price(&cart, &codes));
        let (automatic, sent): (Vec<_>, Vec<_>) = all.iter().zip(&with.promotions).partition(|(promotion, _)| promotion.is_automatic());
        for ((_, with), without) in sent.iter().zip(&without.promotions) {
            let reason = |outcome: &Result<Amount, Unpriced>| outcome.err().filter(|reason| *reason != Unpriced::BetterOneApplied);
            prop_assert_eq!(reason(with), reason(without));
        }
        let applied: Vec<_> = automatic.iter().filter(|(_, outcome)| outcome.is_ok()).map(|(promotion, _)| promotion).collect();
        prop_assert!(applied.len() <= MAX_AUTOMATIC_PER_ORDER);
        let exclusive = applied.iter().any(|promotion| promotion.terms.combinability == Combinability::Exclusive);
        prop_assert!(!exclusive || (applied.len() == 1 && sent.iter().all(|(_, outcome)| outcome.is_err())));
    }

    #[test]
    fn of_what_applies_by_itself_the_buyer_gets_no_less_than_any_one_alone(cart in any_cart(), promotions in any_promotions()) {
        prop_assume!(cart.faults().is_empty());
        let automatic: Vec<_> = promotions.iter().filter(|promotion| promotion.is_automatic()).collect();
        let saved = price(&cart, &automatic).saved();
        for one in automatic.iter().filter(|promotion| promotion.terms.combinability == Combinability::Exclusive) {
            prop_assert!(price(&cart, &[one]).saved() <= saved);
        }
    }

    #[test]
    fn a_higher_percentage_never_gives_less((kind, size, terms) in any_terms(), cart in any_cart(), shares in (1..=10_000_u64, 1..=10_000_u64)) {
        prop_assume!(cart.faults().is_empty());
        // Further kinds make their sets from the share as well, or have none.
        let kind = kind % 3;
        let given = |share| price(&cart, &[&with_share("P000", kind, size, &terms, share)]).saved();
        let (low, high) = (shares.0.min(shares.1), shares.0.max(shares.1));
        prop_assert!(given(low) <= given(high));
    }

    #[test]
    fn a_higher_percentage_of_the_same_sets_never_gives_less(cart in any_cart(), set in (1..=3_u64, 1..=3_u64), shares in (1..=10_000_u64, 1..=10_000_u64)) {
        prop_assume!(cart.faults().is_empty());
        let given = |share| {
            let benefit = json!({"type": "buy_x_get_y", "buy": set.0, "get": set.1, "percent": hundredths(share)});
            price(&cart, &[&promotion("P000", &json!({"benefit": benefit}))]).saved()
        };
        prop_assert!(given(shares.0.min(shares.1)) <= given(shares.0.max(shares.1)));
    }

    #[test]
    fn one_unit_more_never_makes_a_percentage_smaller(cart in any_cart(), line in 0_usize..6, share in 1..=10_000_u64, capped in any::<bool>(), restricted in any::<bool>()) {
        prop_assume!(!cart.lines.is_empty());
        let mut larger = cart.clone();
        let line = line % cart.lines.len();
        larger.lines[line].quantity += 1;
        prop_assume!(larger.faults().is_empty());
        let terms = if restricted { json!({"products": {"include": ["S0", "S1"]}}) } else { json!({}) };
        let promotion = with_share("P000", u8::from(capped), 3, &terms, share);
        let given = |cart| price(cart, &[&promotion]).discount();
        prop_assert!(given(&cart) <= given(&larger));
    }

    #[test]
    fn sets_discount_no_unit_twice_and_none_that_was_bought(cart in any_cart(), buy in 1..=4_u64, get in 1..=4_u64, lists in any::<(u8, u8)>(), most in prop::option::of(1..=20_u64)) {
        prop_assume!(cart.faults().is_empty());
        let chosen = |list: u8| -> Vec<bool> { (0..cart.lines.len()).map(|line| list >> line & 1 == 1).collect() };
        let (bought, got) = (chosen(lists.0), chosen(lists.1));
        let rule = SetRule {
            buy: buy.try_into().unwrap(),
            get: get.try_into().unwrap(),
            bought: &bought,
            got: &got,
            at_most: most.unwrap_or(u64::MAX),
        };
        let sets = rule.complete(&cart, &quantities(&cart));
        prop_assert_eq!(units::count(&sets.bought), sets.number * buy);
        prop_assert_eq!(units::count(&sets.got), (sets.number * get).min(most.unwrap_or(u64::MAX)));
        for (index, line) in cart.lines.iter().enumerate() {
            prop_assert!(sets.bought[index] + sets.got[index] <= line.quantity);
            prop_assert!(bought[index] || sets.bought[index] == 0);
            prop_assert!(got[index] || sets.got[index] == 0);
        }
    }

    #[test]
    fn counting_units_by_line_is_the_same_as_listing_them(lines in prop::collection::vec((1..=9_u64, 0..=20_u64), 1..5), buy in 1..=3_u64, get in 1..=3_u64, share in 1..=10_000_u64, most in prop::option::of(1..=6_usize)) {
        let lines: Vec<_> = lines.iter().map(|(quantity, price)| ("S", *quantity, *price)).collect();
        let mut prices: Vec<u64> = lines.iter().flat_map(|(_, quantity, price)| vec![*price; usize::try_from(*quantity).unwrap()]).collect();
        prices.sort_unstable();
        let whole = |sum: u64| Amount::try_from(sum).unwrap().percent(BasisPoints::parse(&hundredths(share).to_string()).unwrap());
        let cheapest = |units: usize| whole(prices.iter().take(units.min(most.unwrap_or(units))).sum());
        let sets = prices.len() / usize::try_from(buy + get).unwrap();
        let limits = json!({"units_per_order": most});
        let given = |benefit| price(&cart(&lines), &[&promotion("P000", &json!({"benefit": benefit, "limits": limits}))]).promotions[0];
        let set = given(json!({"type": "buy_x_get_y", "buy": buy, "get": get, "percent": hundredths(share)}));
        let expected = if sets == 0 { Err(Unpriced::MinimumNotMet) } else { Ok(cheapest(sets * usize::try_from(get).unwrap())) };
        prop_assert_eq!(set, expected);
        let percent = given(json!({"type": "percent_off", "percent": hundredths(share)}));
        prop_assert_eq!(percent, Ok(cheapest(prices.len())));
    }
}
