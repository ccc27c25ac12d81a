//! Worked examples, one a row: `(what it shows, currency and shipping, cart, promotions, lines, shipping, promotions)`.
//!
//! A cart is `SKU quantity×price`, a promotion its terms in short: `10%`, `10% max 300`, `-500`, `T 1000:5 2000:10`,
//! `2+1 50%`, `ship`, then `on A B` (products), `for C` (`get_products`), `min 500` (subtotal), `units 2`, `excl` or
//! `pref` (else unrestricted), and `auto` (applies by itself). Older ones stand first. The last column is what each takes off, or why it gives nothing.

use serde_json::{Value, json};

use super::*;
use crate::domain::promotion::tests::promotion;

type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static [u64],
    u64,
    &'static [&'static str],
);

#[rustfmt::skip]
const TABLE: &[Row] = &[
    // Percentages: rounded half up, once over all lines, then spread by largest remainder.
    ("the design's example", "JPY 500", "A 2×1980", &["10%"], &[396], 0, &["396"]),
    ("half rounds up", "JPY 0", "A 1×5", &["10%"], &[1], 0, &["1"]),
    ("below half rounds down", "JPY 0", "A 1×4", &["10%"], &[0], 0, &["0"]),
    ("rounded once, not by line", "JPY 0", "A 1×5, B 1×5", &["10%"], &[1, 0], 0, &["1"]),
    ("odd unit to the largest remainder", "JPY 0", "A 1×333, B 1×333, C 1×339", &["10%"], &[34, 33, 34], 0, &["101"]),
    ("of equal remainders the earlier line", "JPY 0", "A 1×15, B 1×15, C 1×15", &["10%"], &[2, 2, 1], 0, &["5"]),
    ("hundredths of a percent", "JPY 0", "A 1×10000", &["0.01%"], &[1], 0, &["1"]),
    ("99.99 % of 5,000 leaves the half", "JPY 0", "A 1×5000", &["99.99%"], &[5000], 0, &["5000"]),
    ("99.99 % of 5,001 leaves one", "JPY 0", "A 1×5001", &["99.99%"], &[5000], 0, &["5000"]),
    ("everything", "JPY 0", "A 3×7, B 1×1", &["100%"], &[21, 1], 0, &["22"]),
    ("33.33 % of 1,000", "JPY 0", "A 1×1000", &["33.33%"], &[333], 0, &["333"]),
    ("cents", "USD 0", "A 1×1999", &["15%"], &[300], 0, &["300"]),
    ("cents, half a cent up", "USD 0", "A 1×1010", &["2.5%"], &[25], 0, &["25"]),
    ("cents, exactly half", "USD 0", "A 1×1020", &["2.5%"], &[26], 0, &["26"]),
    ("fils, three decimals", "KWD 250", "A 1×1234", &["12.5%"], &[154], 0, &["154"]),
    ("fils over lines", "KWD 0", "A 1×1001, B 2×1001", &["10%"], &[100, 200], 0, &["300"]),
    ("a free line gets nothing", "JPY 0", "A 1×0, B 1×100", &["10%"], &[0, 10], 0, &["10"]),
    ("a cart of nothing but free lines", "JPY 0", "A 1×0", &["10%"], &[0], 0, &["0"]),
    ("capped", "JPY 0", "A 1×1000", &["50% max 300"], &[300], 0, &["300"]),
    ("not quite capped", "JPY 0", "A 1×598", &["50% max 300"], &[299], 0, &["299"]),
    ("a cap is spread as well", "JPY 0", "A 1×100, B 1×200", &["50% max 100"], &[33, 67], 0, &["100"]),
    ("only its products", "JPY 0", "A 1×100, B 1×100", &["10% on B"], &[0, 10], 0, &["10"]),
    ("none of its products", "JPY 0", "A 1×100", &["10% on B"], &[0], 0, &["NoEligibleProducts"]),
    ("an empty cart", "JPY 500", "", &["10%"], &[], 0, &["NoEligibleProducts"]),
    ("at the minimum", "JPY 0", "A 2×250", &["10% min 500"], &[50], 0, &["50"]),
    ("below the minimum", "JPY 0", "A 1×499", &["10% min 500"], &[0], 0, &["MinimumNotMet"]),
    ("the minimum counts its own lines", "JPY 0", "A 1×400, B 1×400", &["10% on A min 500"], &[0, 0], 0, &["MinimumNotMet"]),
    // Amounts.
    ("an amount", "JPY 0", "A 1×800", &["-500"], &[500], 0, &["500"]),
    ("no more than the lines", "JPY 500", "A 1×400", &["-500"], &[400], 0, &["400"]),
    ("spread by price", "JPY 0", "A 1×100, B 1×200", &["-100"], &[33, 67], 0, &["100"]),
    ("one yen over three lines", "JPY 0", "A 1×1, B 1×1, C 1×1", &["-1"], &[1, 0, 0], 0, &["1"]),
    ("an amount on products", "USD 0", "A 1×1000, B 1×300", &["-500 on B"], &[0, 300], 0, &["300"]),
    // Tiers: chosen by the eligible lines before discounts.
    ("below the first tier", "JPY 0", "A 1×999", &["T 1000:5 2000:10"], &[0], 0, &["MinimumNotMet"]),
    ("at the first tier", "JPY 0", "A 1×1000", &["T 1000:5 2000:10"], &[50], 0, &["50"]),
    ("one short of the second", "JPY 0", "A 1×1999", &["T 1000:5 2000:10"], &[100], 0, &["100"]),
    ("at the second tier", "JPY 0", "A 1×2000", &["T 1000:5 2000:10"], &[200], 0, &["200"]),
    ("a tier from nothing", "JPY 0", "A 1×10", &["T 0:5"], &[1], 0, &["1"]),
    ("tiers count their own lines", "JPY 0", "A 1×1500, B 1×900", &["T 1000:5 2000:10 on A"], &[75, 0], 0, &["75"]),
    ("the tier is chosen before older discounts", "JPY 0", "A 1×2000", &["50%", "T 1000:5 2000:10"], &[1100], 0, &["1000", "100"]),
    ("tiers in fils", "KWD 0", "A 3×3335", &["T 10000:7.5"], &[750], 0, &["750"]),
    // Sets: the cheapest units are discounted.
    ("two and one free", "JPY 0", "A 3×100", &["2+1 100%"], &[100], 0, &["100"]),
    ("no whole set", "JPY 0", "A 2×100", &["2+1 100%"], &[0], 0, &["MinimumNotMet"]),
    ("several sets, one unit over", "JPY 0", "A 7×100", &["2+1 100%"], &[200], 0, &["200"]),
    ("the cheapest of several lines", "JPY 0", "A 1×300, B 1×100, C 1×200", &["2+1 100%"], &[0, 100, 0], 0, &["100"]),
    ("of equal prices the earlier line", "JPY 0", "A 1×100, B 1×100", &["1+1 100%"], &[100, 0], 0, &["100"]),
    ("the cheapest across lines", "JPY 0", "A 2×300, B 2×100", &["1+1 100%"], &[0, 200], 0, &["200"]),
    ("half price, rounded once", "JPY 0", "A 2×5, B 2×3", &["1+1 50%"], &[0, 3], 0, &["3"]),
    ("half price of an odd sum", "JPY 0", "A 2×5, B 1×3, C 1×2", &["1+1 50%"], &[0, 2, 1], 0, &["3"]),
    ("one bought, two got", "JPY 0", "A 3×100", &["1+2 100%"], &[200], 0, &["200"]),
    ("buy A, get B", "JPY 0", "A 2×500, B 1×80", &["2+1 100% on A for B"], &[0, 80], 0, &["80"]),
    ("buy A, get B: nothing to get", "JPY 0", "A 2×500", &["2+1 100% on A for B"], &[0], 0, &["NoEligibleProducts"]),
    ("buy A, get B: too few A", "JPY 0", "A 1×500, B 1×80", &["2+1 100% on A for B"], &[0, 0], 0, &["MinimumNotMet"]),
    ("buy A, get B: as many sets as either allows", "JPY 0", "A 9×500, B 2×80", &["2+1 100% on A for B"], &[0, 160], 0, &["160"]),
    ("a unit is never both bought and got", "JPY 0", "A 1×100", &["1+1 100% on A for A"], &[0], 0, &["MinimumNotMet"]),
    ("buy any, get A: A can be bought too", "JPY 0", "A 3×100", &["1+1 100% for A"], &[100], 0, &["100"]),
    ("cheap A is kept to be bought, B is got", "JPY 0", "A 1×50, B 1×80", &["1+1 100% on A for A B"], &[0, 80], 0, &["80"]),
    ("one A bought, one A and one B got", "JPY 0", "A 3×50, B 1×80", &["1+1 100% on A for A B"], &[50, 80], 0, &["130"]),
    ("at most one unit in an order", "JPY 0", "A 9×100", &["2+1 100% units 1"], &[100], 0, &["100"]),
    ("half a set still counts its units", "JPY 0", "A 6×100", &["1+2 100% units 3"], &[300], 0, &["300"]),
    ("sets in cents", "USD 0", "A 3×1999", &["2+1 33.33%"], &[666], 0, &["666"]),
    // Units of an order.
    ("the cheapest unit only", "JPY 0", "A 1×300, B 2×100", &["10% units 1"], &[0, 10], 0, &["10"]),
    ("the cheapest units over lines", "JPY 0", "A 2×300, B 2×100", &["10% units 3"], &[30, 20], 0, &["50"]),
    ("more than there are", "JPY 0", "A 2×300", &["10% units 3"], &[60], 0, &["60"]),
    ("an amount on one unit", "JPY 0", "A 3×300", &["-500 units 1"], &[300], 0, &["300"]),
    ("a tier by all, a discount on one", "JPY 0", "A 4×500", &["T 1000:5 2000:10 units 1"], &[50], 0, &["50"]),
    ("a part of what is left, rounded down", "JPY 0", "A 3×100", &["-1", "100% units 1"], &[101], 0, &["1", "100"]),
    ("a part after an older percentage", "JPY 0", "A 3×100", &["0.34%", "100% units 2"], &[200], 0, &["1", "199"]),
    // Shipping.
    ("free shipping", "JPY 500", "A 1×100", &["ship"], &[0], 500, &["500"]),
    ("shipping that costs nothing", "JPY 0", "A 1×100", &["ship"], &[0], 0, &["0"]),
    ("free shipping from a minimum", "JPY 500", "A 1×2999", &["ship min 3000"], &[0], 0, &["MinimumNotMet"]),
    ("the minimum is before discounts", "JPY 500", "A 1×3000", &["100%", "ship min 3000"], &[3000], 500, &["3000", "500"]),
    ("free shipping for products", "JPY 500", "A 1×100", &["ship on B"], &[0], 0, &["NoEligibleProducts"]),
    ("shipping is given once, by the older", "JPY 500", "A 1×100", &["ship", "ship"], &[0], 500, &["500", "0"]),
    // Together.
    ("percentages before amounts", "JPY 0", "A 1×1000", &["-100", "50%"], &[600], 0, &["100", "500"]),
    ("percentages compound, the older first", "JPY 0", "A 1×1005", &["10%", "10%"], &[191], 0, &["101", "90"]),
    ("sets before percentages", "JPY 0", "A 3×100", &["10%", "2+1 100%"], &[120], 0, &["20", "100"]),
    ("all kinds", "USD 500", "A 3×1000", &["ship", "-100", "10%", "2+1 100%"], &[1300], 500, &["500", "100", "200", "1000"]),
    ("a unit serves one set in an order", "JPY 0", "A 4×100", &["1+1 100%", "1+1 50%"], &[200], 0, &["200", "0"]),
    ("what an older set left over", "JPY 0", "A 5×100", &["2+1 100%", "1+1 50%"], &[150], 0, &["100", "50"]),
    ("nothing is left", "JPY 0", "A 1×100", &["100%", "-50"], &[100], 0, &["100", "0"]),
    ("exclusive only alone", "JPY 0", "A 1×100", &["10% excl", "20%"], &[20], 0, &["NotCombinable", "20"]),
    ("the better of two", "JPY 0", "A 1×1000", &["5% pref", "20% pref"], &[200], 0, &["BetterOneApplied", "200"]),
    ("of equals the older", "JPY 0", "A 1×1000", &["10% pref", "-100 pref"], &[100], 0, &["100", "BetterOneApplied"]),
    ("shipping counts among the better", "JPY 500", "A 1×1000", &["10% pref", "ship pref"], &[0], 500, &["BetterOneApplied", "500"]),
    // Promotions that apply by themselves.
    ("by itself", "JPY 0", "A 1×1000", &["10% auto"], &[100], 0, &["100"]),
    ("by itself, and a code on what it left", "JPY 0", "A 1×1000", &["10% auto", "10%"], &[190], 0, &["100", "90"]),
    ("an exclusive code is alone", "JPY 0", "A 1×1000", &["50% auto", "10% excl"], &[100], 0, &["NotCombinable", "100"]),
    ("an exclusive one gives way to a code", "JPY 0", "A 1×1000", &["50% auto excl", "10%"], &[100], 0, &["NotCombinable", "100"]),
    ("but not to a code that gives nothing", "JPY 0", "A 1×1000", &["50% auto excl", "10% min 1001"], &[500], 0, &["500", "MinimumNotMet"]),
    ("an exclusive one that saves more", "JPY 0", "A 1×1000", &["10% auto", "10% auto", "20% auto excl"], &[200], 0, &["NotCombinable", "NotCombinable", "200"]),
    ("an exclusive one that saves less", "JPY 0", "A 1×1000", &["10% auto", "10% auto", "18% auto excl"], &[190], 0, &["100", "90", "NotCombinable"]),
    ("of equals the others together", "JPY 0", "A 1×1000", &["19% auto excl", "10% auto", "10% auto"], &[190], 0, &["NotCombinable", "100", "90"]),
    ("of two exclusive ones the better", "JPY 0", "A 1×1000", &["10% auto excl", "-200 auto excl"], &[200], 0, &["NotCombinable", "200"]),
    ("of two equal exclusive ones the older", "JPY 0", "A 1×1000", &["20% auto excl", "-200 auto excl"], &[200], 0, &["200", "NotCombinable"]),
    ("a better preferential one leaves the code unused", "JPY 0", "A 1×1000", &["30% auto pref", "20% pref"], &[300], 0, &["300", "BetterOneApplied"]),
    ("a better preferential code", "JPY 0", "A 1×1000", &["10% auto pref", "20% pref"], &[200], 0, &["BetterOneApplied", "200"]),
    ("no more than four", "JPY 0", "A 1×1000", &["-1 auto", "-2 auto", "-3 auto", "-4 auto", "-5 auto"], &[10], 0, &["1", "2", "3", "4", "NotCombinable"]),
    ("which does not count what gives nothing", "JPY 0", "A 1×1000", &["-1 auto min 2000", "-2 auto", "-3 auto", "-4 auto", "-5 auto"], &[14], 0, &["MinimumNotMet", "2", "3", "4", "5"]),
    ("nor codes", "JPY 0", "A 1×1000", &["-1", "-2 auto", "-3 auto", "-4 auto", "-5 auto"], &[15], 0, &["1", "2", "3", "4", "5"]),
    ("free shipping by itself", "JPY 500", "A 1×5000", &["ship auto min 5000"], &[0], 500, &["500"]),
];

/// Reads a promotion's terms from a row.
fn terms(short: &str, currency: &str) -> Value {
    let mut words = short.split(' ').peekable();
    let number = |text: &str| text.parse::<serde_json::Number>().unwrap();
    let percent = |text: &str| number(text.trim_end_matches('%'));
    let first = words.next().unwrap();
    let mut benefit = match first {
        "ship" => json!({"type": "free_shipping"}),
        "T" => json!({"type": "tiered_percent_off", "tiers": []}),
        _ if first.starts_with('-') => json!({"type": "amount_off", "amount": number(&first[1..])}),
        _ if first.ends_with('%') => json!({"type": "percent_off", "percent": percent(first)}),
        _ => {
            let (buy, get) = first.split_once('+').unwrap();
            let share = percent(words.next().unwrap());
            json!({"type": "buy_x_get_y", "buy": number(buy), "get": number(get), "percent": share})
        }
    };
    let mut terms = json!({"currency": currency, "combinability": "unrestricted"});
    let mut list = "";
    while let Some(word) = words.next() {
        match (word, word.split_once(':')) {
            ("max", _) => benefit["max_discount"] = number(words.next().unwrap()).into(),
            ("min", _) => {
                terms["minimum"] = json!({"subtotal": number(words.next().unwrap())});
            }
            ("units", _) => {
                terms["limits"] = json!({"units_per_order": number(words.next().unwrap())});
            }
            ("auto", _) => terms["claim_code"] = json!("none"),
            ("excl", _) => terms["combinability"] = json!("exclusive"),
            ("pref", _) => terms["combinability"] = json!("preferential"),
            ("on" | "for", _) => list = word,
            (_, Some((from, share))) => {
                let tier = json!({"min_subtotal": number(from), "percent": number(share)});
                benefit["tiers"].as_array_mut().unwrap().push(tier);
            }
            (sku, None) => {
                let named = match list {
                    "on" => &mut terms["products"]["include"],
                    _ => &mut benefit["get_products"],
                };
                let mut skus = named.as_array().cloned().unwrap_or_default();
                skus.push(json!(sku));
                *named = skus.into();
            }
        }
    }
    terms["benefit"] = benefit;
    terms
}

/// Reads a cart from a row.
fn cart(money: &str, lines: &str) -> Cart {
    let (currency, shipping) = money.split_once(' ').unwrap();
    let line = |line: &str| {
        let (sku, rest) = line.split_once(' ').unwrap();
        let (quantity, price) = rest.split_once('×').unwrap();
        let (quantity, price): (u64, u64) = (quantity.parse().unwrap(), price.parse().unwrap());
        json!({"sku": sku, "quantity": quantity, "unit_price": price})
    };
    let lines = lines.split(", ").filter(|text| !text.is_empty());
    let lines: Vec<Value> = lines.map(line).collect();
    let shipping: u64 = shipping.parse().unwrap();
    serde_json::from_value(json!({"currency": currency, "shipping": shipping, "lines": lines}))
        .unwrap()
}

#[test]
fn every_worked_example_comes_out_as_written_and_explains_itself() {
    for (what, money, lines, promotions, discounts, shipping, outcomes) in TABLE {
        let cart = cart(money, lines);
        let currency = &money[..3];
        let promotions: Vec<Promotion> = promotions
            .iter()
            .enumerate()
            .map(|(index, short)| promotion(&format!("P00{index}"), &terms(short, currency)))
            .collect();
        for promotion in &promotions {
            assert_eq!(promotion.terms.faults(), [], "{what}");
        }
        let allocation = price(&cart, &promotions.iter().collect::<Vec<_>>());
        let minor: Vec<u64> = allocation.lines.iter().map(|line| line.minor()).collect();
        assert_eq!(minor, *discounts, "{what}: lines");
        assert_eq!(allocation.shipping.minor(), *shipping, "{what}: shipping");
        let told = allocation.promotions.iter().map(|outcome| match outcome {
            Ok(discount) => discount.minor().to_string(),
            Err(reason) => format!("{reason:?}"),
        });
        assert_eq!(told.collect::<Vec<_>>(), *outcomes, "{what}: promotions");
        for index in 0..promotions.len() {
            let about = |traced: &&Traced| traced.promotion == Some(index);
            assert!(
                allocation.trace.iter().any(|traced| about(&traced)),
                "{what}: promotion {index} is not explained"
            );
        }
        for traced in &allocation.trace {
            assert!(traced.step.sentence(cart.currency).ends_with('.'), "{what}");
        }
    }
    assert!(TABLE.len() >= 60, "{} examples", TABLE.len());
}

#[test]
fn an_explanation_tells_each_step_with_its_figures() {
    let cart = cart("JPY 500", "A 3×1000, B 1×5");
    let promotions = [
        promotion("P000", &terms("10% max 150 on A", "JPY")),
        promotion("P001", &terms("2+1 100% on A", "JPY")),
        promotion("P002", &terms("-500 min 9000", "JPY")),
    ];
    let allocation = price(&cart, &promotions.iter().collect::<Vec<_>>());
    let told: Vec<String> = allocation
        .trace
        .iter()
        .map(|traced| {
            let about = traced
                .promotion
                .map_or("-".to_owned(), |index| index.to_string());
            format!(
                "{about} {}: {}",
                traced.step.name(),
                traced.step.sentence(cart.currency)
            )
        })
        .collect();
    let expected = [
        "1 eligible: It is for 1 of 2 lines: 3 units, ¥3,000 before discounts.",
        "1 sets: Units not yet used in a set complete 1 set: 2 units bought, the 1 cheapest discounted.",
        "1 percent: 100% of the ¥1,000 left to discount is ¥1,000, rounded half up.",
        "1 lines: Spread in proportion to what is left of the lines: line 0 gets ¥1,000.",
        "0 eligible: It is for 1 of 2 lines: 3 units, ¥3,000 before discounts.",
        "0 percent: 10% of the ¥2,000 left to discount is ¥200, rounded half up.",
        "0 cap: It gives at most ¥150.",
        "0 lines: Spread in proportion to what is left of the lines: line 0 gets ¥150.",
        "2 refused: Gives nothing: its lines come to ¥3,005 and 4 units before discounts; it takes ¥9,000.",
        "- total: The buyer pays ¥3,005 − ¥1,150 for the lines and ¥500 − ¥0 for shipping: ¥2,355.",
    ];
    assert_eq!(told, expected);
}
