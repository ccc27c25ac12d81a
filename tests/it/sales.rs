//! Sales of products before a promotion and since: what the shop's orders said against what is answered, whatever happens on the way.

use integration::{Stack, completed};
use serde_json::{Value, json};
use shared::store::AuditMode;

use crate::doctor::table::{Table, pk, set_number};
use crate::retelling::{lose_sums, rebuild, replay};

/// What an order sold, as the test remembers it: on which day, by product, units and price of one.
struct Order {
    day: i64,
    lines: Vec<(String, u64, u64)>,
}

async fn tell(stack: &Stack, kind: &str, id: &str, fields: Value) {
    let mut event = completed(id, fields);
    event["type"] = json!(kind);
    let answer = stack.standard_webhook(stack.clock(), &event).await;
    answer.expect(200);
}

fn lines(order: &Order) -> Value {
    let lines = order.lines.iter();
    let lines = lines.map(
        |(sku, quantity, price)| json!({"sku": sku, "quantity": quantity, "unit_price": price}),
    );
    lines.collect()
}

async fn comparison(stack: &Stack, promotion: &Value) -> Value {
    stack.advance("PT0S").await;
    let id = promotion["id"].as_str().unwrap();
    let call = format!("GET /v1/promotions/{id}/comparison");
    stack.admin(&call, Value::Null).await.expect(200).body
}

/// Units and sales of the days from `first` to `last`, of the products that `counts` is true of.
fn model(orders: &[Order], (first, last): (i64, i64), counts: impl Fn(&str) -> bool) -> (u64, u64) {
    let days = orders
        .iter()
        .filter(|order| (first..=last).contains(&order.day));
    let lines = days.flat_map(|order| &order.lines);
    let counted = lines.filter(|(sku, ..)| counts(sku));
    counted.fold((0, 0), |(units, sales), (_, quantity, price)| {
        (units + quantity, sales + quantity * price)
    })
}

fn periods(answer: &Value) -> [(u64, u64); 2] {
    ["before", "since"].map(|period| {
        let figure = |name: &str| answer[period][name].as_u64().unwrap();
        (figure("units"), figure("sales"))
    })
}

/// Twenty days of trade around a promotion that begins on the 14th: orders told twice, cancelled before and after they were
/// completed, in another currency, of many products, and of none.
struct Life {
    stack: Stack,
    orders: Vec<Order>,
    /// For three products, one of them excluded.
    listed: Value,
    /// For all but one.
    all_but: Value,
}

const PRODUCTS: [&str; 4] = ["TEA", "CUP", "POT", "抹茶 50g#2"];
const BEGINS: i64 = 14;
const DAYS: i64 = 20;

impl Life {
    async fn begin() -> Self {
        let stack = Stack::start().await;
        // From noon on, in the shop's zone, so that minutes do not end a day.
        let noon = chrono::NaiveTime::from_hms_opt(3, 0, 0).unwrap();
        let until = noon - stack.clock().now().time();
        let until = until.num_seconds().rem_euclid(24 * 60 * 60);
        stack.advance(&format!("PT{until}S")).await;
        let (mut listed, mut all_but) = (Value::Null, Value::Null);
        let mut orders = Vec::new();
        for day in 0..DAYS {
            if day == BEGINS {
                let products = json!({"products": {"include": ["TEA", "CUP", "POT", "TEA"], "exclude": ["POT"]}});
                listed = stack.promotion(products).await;
                all_but = stack
                    .promotion(json!({"products": {"exclude": ["CUP"]}}))
                    .await;
            }
            for number in 0..=(day % 4) {
                orders.extend(sell(&stack, day, number).await);
            }
            stack.advance("P1D").await;
        }
        Self {
            stack,
            orders,
            listed,
            all_but,
        }
    }
}

/// Tells of one order; answers it if it counts.
async fn sell(stack: &Stack, day: i64, number: i64) -> Option<Order> {
    let id = format!("{day}-{number}");
    let turn = usize::try_from(day + number).unwrap();
    let quantity = u64::try_from(day % 3 + 1).unwrap();
    let product = |place: usize| PRODUCTS[place % PRODUCTS.len()].to_owned();
    let mut order = Order {
        day,
        lines: vec![
            (product(turn), quantity, 1_000),
            (product(turn + 1), 1, 300),
            (product(turn), 1, 900),
        ],
    };
    if turn == 9 {
        let many = (0..300).map(|number| (format!("many-{number}"), 2, 10));
        order.lines.extend(many);
    }
    let mut fields =
        json!({"customer": {"email": format!("buyer-{id}@example.jp")}, "lines": lines(&order)});
    match turn % 7 {
        1 => fields["customer"] = json!({"email": null, "id": null}),
        2 => fields["currency"] = json!("USD"),
        3 => fields["lines"] = json!([]),
        _ => {}
    }
    if turn % 7 == 4 && number % 2 == 0 {
        tell(stack, "order.cancelled", &id, fields.clone()).await;
    }
    tell(stack, "order.completed", &id, fields.clone()).await;
    // The shop may tell it again, on another day too.
    tell(stack, "order.completed", &id, fields.clone()).await;
    if turn % 7 == 4 && number % 2 == 1 {
        stack.advance("PT1M").await;
        tell(stack, "order.refunded", &id, fields).await;
    }
    (!matches!(turn % 7, 2..=4)).then_some(order)
}

#[tokio::test]
async fn what_products_sold_is_what_orders_said_however_often_and_in_whatever_order_it_is_told() {
    let life = Life::begin().await;
    let stack = &life.stack;
    let found = [
        comparison(stack, &life.listed).await,
        comparison(stack, &life.all_but).await,
    ];
    // Since the 14th day, six days are over; those before are a week earlier.
    let (before, since) = ((BEGINS - 7, DAYS - 1 - 7), (BEGINS, DAYS - 1));
    let listed = |sku: &str| ["TEA", "CUP"].contains(&sku);
    let all_but = |sku: &str| sku != "CUP";
    let expected = [
        [before, since].map(|days| model(&life.orders, days, listed)),
        [before, since].map(|days| model(&life.orders, days, all_but)),
    ];
    assert_eq!(found.each_ref().map(periods), expected, "{found:#?}");
    assert!(expected[0][0].0 > 5 && expected[0][1].0 > 5, "{expected:?}");
    assert_eq!(
        (&found[0]["products"], &found[0]["compared"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(found[1]["products"], Value::Null);
    let days = found[0]["days"].as_array().unwrap();
    let units: u64 = days.iter().map(|day| day["units"].as_u64().unwrap()).sum();
    assert_eq!(units, expected[0][0].0 + expected[0][1].0);

    let same = async || {
        let again = [
            comparison(stack, &life.listed).await,
            comparison(stack, &life.all_but).await,
        ];
        again == found
    };
    let table = Table::of(stack);
    let items = table.items().await;
    replay(stack, &items, 1).await;
    assert!(same().await, "all told again");

    // All that was counted is lost, and several tell of everything at the same moment.
    lose_sums(&table).await;
    assert_eq!(periods(&comparison(stack, &life.listed).await), [(0, 0); 2]);
    tokio::join!(replay(stack, &items, 2), replay(stack, &items, 3));
    assert!(same().await, "told anew by two");

    // What stands wrongly in the sums comes back from the ledger, also a row that nothing was added to.
    let store = stack.running().store().unwrap();
    assert_eq!(rebuild(stack, &store).await, 0);
    let mut broken = 0;
    for mut item in table.all_items().await {
        if !pk(&item).starts_with("sales#JPY#") {
            continue;
        }
        broken += 1;
        if broken % 3 == 0 {
            table.delete(&item).await;
        } else if broken % 3 == 1 {
            set_number(&mut item, "units", 77);
            table.put(&item).await;
        } else {
            item["pk"] = json!({"S": format!("{}x", pk(&item))});
            table.put(&item).await;
        }
    }
    assert!(!same().await);
    assert!(rebuild(stack, &store).await >= broken);
    assert!(same().await, "rebuilt");
    assert_eq!(rebuild(stack, &store).await, 0);

    let report = store
        .audit(AuditMode::Look, stack.clock().now(), &mut |_| {})
        .await
        .unwrap();
    let differences: Vec<String> = report.differences.iter().map(ToString::to_string).collect();
    assert_eq!((differences, report.unknown), (Vec::new(), 0));
}

#[tokio::test]
async fn nothing_is_compared_before_a_day_is_over_and_what_is_no_day_is_pointed_at() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    let answer = comparison(&stack, &promotion).await;
    let none = ["before", "since", "units_change", "sales_change"];
    assert!(none.iter().all(|name| answer[name].is_null()), "{answer}");
    let id = promotion["id"].as_str().unwrap();
    for (query, pointer) in [
        ("?to=yesterday", "/to"),
        ("?to=", "/to"),
        ("?from=2026-11-02", ""),
        ("?to=2026-11-02&to=2026-11-03", ""),
    ] {
        let call = format!("GET /v1/promotions/{id}/comparison{query}");
        let answer = stack.admin(&call, Value::Null).await.expect(400);
        assert_eq!(answer.pointers(), [pointer], "{query}");
    }
    let unknown = "GET /v1/promotions/0000/comparison";
    stack.admin(unknown, Value::Null).await.expect(404);
    stack
        .checkout(&unknown.replace("0000", id), Value::Null)
        .await
        .expect(403);
    stack.advance("P2D").await;
    let answer = comparison(&stack, &promotion).await;
    assert_eq!(periods(&answer), [(0, 0); 2]);
    assert!(answer["units_change"].is_null() && answer["since"]["from"].is_string());
}
