//! Tests of what orders add to sales, and of which days are compared.

use serde_json::json;

use super::*;
use crate::domain::figures::Named as _;
use crate::domain::stats::{Known, Plan, Recount};

fn lines(lines: &serde_json::Value) -> Vec<OrderLine> {
    serde_json::from_value(lines.clone()).unwrap()
}

fn order(products: Vec<Sold>, cancelled: bool) -> SoldOrder {
    SoldOrder {
        order_id: OrderId::try_from("1001".to_owned()).unwrap(),
        at: "2026-11-21T15:00:00Z".parse().unwrap(),
        currency: Currency::try_from("JPY".to_owned()).unwrap(),
        products,
        cancelled,
    }
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

#[test]
fn lines_of_one_product_are_one_and_what_is_no_product_is_left_out() {
    let sold = Sold::of(&lines(&json!([
        {"sku": "B", "quantity": 1, "unit_price": 500},
        {"sku": "A", "quantity": 2, "unit_price": 300},
        {"sku": "B", "quantity": 3, "unit_price": 400},
        {"sku": "", "quantity": 9, "unit_price": 900},
        {"sku": "x\u{7}", "quantity": 9, "unit_price": 900},
        {"sku": "C", "quantity": 1_000_000, "unit_price": 1_000_000_000_000_000_000_u64},
    ])));
    let said = serde_json::to_value(&sold).unwrap();
    let expected = json!([
        {"sku": "A", "units": 2, "sales": 600},
        {"sku": "B", "units": 4, "sales": 1700},
        {"sku": "C", "units": 1_000_000, "sales": 1_000_000_000_000_000_000_u64},
    ]);
    assert_eq!(said, expected);
    let many: Vec<OrderLine> = (0..1_100)
        .map(|number| OrderLine {
            sku: format!("{number:04}"),
            quantity: 1,
            unit_price: Amount::ZERO,
        })
        .collect();
    assert_eq!(Sold::of(&many).len(), 1_000);
}

#[test]
fn an_order_of_many_products_comes_in_parts_that_add_up_and_cancelled_takes_all_of_them_back() {
    let many: Vec<OrderLine> = (0..500)
        .map(|number| OrderLine {
            sku: format!("{number:03}"),
            quantity: number,
            unit_price: Amount::try_from(10).unwrap(),
        })
        .collect();
    let zone = chrono_tz::Asia::Tokyo;
    let standings = order(Sold::of(&many), false).standings(zone);
    assert_eq!(standings.len(), 6);
    let mut known = Known::default();
    let mut sums: BTreeMap<SalesRow, SalesFigures> = BTreeMap::new();
    let mut count = |standings: &[Standing]| {
        for standing in standings {
            let plan = Plan::new(std::slice::from_ref(standing), &known, Recount::Newer);
            assert!(plan.writes() <= 100, "{}", plan.writes());
            known.counted.extend(plan.counted);
            for (row, figures) in plan.sales {
                *sums.entry(row).or_default() += figures;
            }
        }
        sums.clone()
    };
    let sums = count(&standings);
    assert_eq!(count(&standings), sums);
    assert_eq!(sums.len(), 501);
    let row = |product: Option<&str>| SalesRow {
        currency: Currency::try_from("JPY".to_owned()).unwrap(),
        product: product.map(|sku| Sku::try_from(sku.to_owned()).unwrap()),
        day: day("2026-11-22"),
    };
    let of = |units, sales| SalesFigures { units, sales };
    assert_eq!(sums[&row(None)], of(124_750, 1_247_500));
    assert_eq!(sums[&row(Some("499"))], of(499, 4_990));
    let cancelled = order(Sold::of(&many), true).standings(zone);
    let sums = count(&cancelled);
    assert!(sums.values().all(SalesFigures::is_zero));
    // News that it was completed may come late.
    assert_eq!(count(&standings), sums);
}

#[test]
fn an_order_that_names_no_products_adds_nothing() {
    assert_eq!(order(Vec::new(), false).standings(Tz::UTC), []);
}

#[test]
fn as_many_days_are_compared_on_the_same_weekdays_and_none_twice() {
    let periods = |first: &str, last: &str| {
        let Periods { before, since } = Periods::new(day(first), day(last))?;
        let said = |(first, last): (NaiveDate, NaiveDate)| format!("{first}/{last}");
        Some((said(before), said(since)))
    };
    let expected = |before: &str, since: &str| Some((before.to_owned(), since.to_owned()));
    assert_eq!(periods("2026-11-22", "2026-11-21"), None);
    assert_eq!(
        periods("2026-11-22", "2026-11-22"),
        expected("2026-11-15/2026-11-15", "2026-11-22/2026-11-22")
    );
    assert_eq!(
        periods("2026-11-22", "2026-11-28"),
        expected("2026-11-15/2026-11-21", "2026-11-22/2026-11-28")
    );
    assert_eq!(
        periods("2026-11-22", "2026-11-29"),
        expected("2026-11-08/2026-11-15", "2026-11-22/2026-11-29")
    );
    assert_eq!(
        periods("2026-01-01", "2026-11-29"),
        expected("2025-10-02/2025-12-31", "2026-01-01/2026-04-01")
    );
}
