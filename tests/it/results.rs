//! Results of follow-ups: what arms brought against a model of the same shop, whatever happens on the way.

use std::collections::BTreeMap;

use integration::{Stack, completed, redemption};
use okaeri::local::CHECKOUT_KEY;
use serde_json::{Value, json};
use shared::domain::experiment::{ArmCounts, judge};
use shared::store::AuditMode;

use crate::doctor::table::{Table, pk, set_number, sk};
use crate::main_job::code_in;
use crate::orders::order;
use crate::retelling::{lose_sums, rebuild, replay};

const BUYERS: usize = 60;
/// Figures that are sums.
const SUMS: [&str; 8] = [
    "assigned",
    "mailed",
    "delivered",
    "bounced",
    "redeemed",
    "repeat_buyers",
    "revenue",
    "discount",
];

type Arms = BTreeMap<String, BTreeMap<&'static str, u64>>;

/// A completed order as the test remembers it, in the order in which they arrived.
struct Remembered {
    id: String,
    buyer: usize,
    total: u64,
    yen: bool,
    stands: bool,
    /// Its cancellation came before it.
    still_born: bool,
}

/// A shop with a follow-up of two variants and a hold-out, and what the test knows of it.
struct Life {
    stack: Stack,
    promotions: [Value; 2],
    follow_up: Value,
    orders: Vec<Remembered>,
}

fn address(buyer: usize) -> String {
    match buyer {
        0 => "bounce@simulator.amazonses.com".to_owned(),
        1 => "suppressionlist@simulator.amazonses.com".to_owned(),
        _ => format!("buyer-{buyer}@example.jp"),
    }
}

fn terms(promotions: &[Value; 2], weight: u32) -> Value {
    json!({
        "name": "Thank you", "holdout_percent": 30, "reminder_before_expiry": "P3D",
        "variants": [
            {"name": "翌日", "promotion_id": promotions[0]["id"], "delay": "P1D", "weight": weight},
            {"name": "Late", "promotion_id": promotions[1]["id"], "delay": "P2D", "weight": 1}],
        "mail": {"from": "Shop <hello@shop.example>"},
    })
}

async fn results(stack: &Stack, follow_up: &Value) -> Value {
    stack.advance("PT0S").await;
    let call = format!(
        "GET /v1/follow-ups/{}/results",
        follow_up["id"].as_str().unwrap()
    );
    stack.admin(&call, Value::Null).await.expect(200).body
}

/// The sums of each arm.
fn sums(results: &Value) -> Arms {
    let arms = results["arms"].as_array().unwrap().iter();
    arms.map(|arm| {
        let figures = SUMS.map(|name| (name, arm[name].as_u64().unwrap()));
        (arm["name"].as_str().unwrap().to_owned(), figures.into())
    })
    .collect()
}

impl Life {
    async fn begin() -> Self {
        let stack = Stack::start().await;
        let fifth = json!({"benefit": {"type": "percent_off", "percent": 20}});
        let promotions = [
            stack.promotion(json!({})).await,
            stack.promotion(fifth).await,
        ];
        let follow_up = stack.follow_up(&promotions[0], terms(&promotions, 1)).await;
        Self {
            stack,
            promotions,
            follow_up,
            orders: Vec::new(),
        }
    }

    async fn tell(&self, kind: &str, order: &Remembered) {
        let currency = if order.yen { "JPY" } else { "USD" };
        let fields = json!({"customer": {"email": address(order.buyer)}, "total": order.total, "currency": currency});
        let mut event = completed(&order.id, fields);
        event["type"] = json!(kind);
        let answer = self
            .stack
            .standard_webhook(self.stack.clock(), &event)
            .await;
        answer.expect(200);
    }

    /// A buyer's order of `total`; it may be cancelled or refunded later, or have been before it came.
    async fn buys(&mut self, buyer: usize, total: u64, currency: &str, end: Option<&str>) {
        let order = Remembered {
            id: format!("o-{}", self.orders.len()),
            buyer,
            total,
            yen: currency == "JPY",
            stands: end.is_none(),
            still_born: end == Some("before"),
        };
        if order.still_born {
            self.tell("order.cancelled", &order).await;
            self.stack.advance("PT1S").await;
        }
        self.tell("order.completed", &order).await;
        if order.buyer.is_multiple_of(5) {
            self.tell("order.completed", &order).await;
        }
        if let Some(kind @ ("order.cancelled" | "order.refunded")) = end {
            // Before or after the order was worked off.
            self.tell(kind, &order).await;
            self.stack.advance("PT1S").await;
            // The order was not still-born only if it came first.
            let known = self::order(&self.stack, &order.id).await;
            let arm = known["follow_ups"][0].get("arm").is_some();
            self.orders.push(Remembered {
                still_born: !arm,
                ..order
            });
        } else {
            self.orders.push(order);
        }
    }

    /// Everybody buys, some come back, some of it is cancelled.
    async fn trade(&mut self) {
        for buyer in 0..BUYERS {
            let end = match buyer % 11 {
                3 => Some("order.cancelled"),
                5 => Some("before"),
                _ => None,
            };
            self.buys(buyer, 3_000, "JPY", end).await;
        }
        self.stack.advance("PT1H").await;
        for buyer in (2..BUYERS).filter(|buyer| buyer % 3 != 0) {
            let end = (buyer % 8 == 1).then_some("order.refunded");
            let total = 2_000 + u64::try_from(buyer).unwrap();
            self.buys(buyer, total, "JPY", end).await;
        }
        for buyer in (2..BUYERS).step_by(9) {
            self.buys(buyer, 77, "USD", None).await;
        }
        self.stack.advance("P5D").await;
    }

    /// The arm of each buyer, as the API tells it of their first order that was not cancelled before it came; and how much they
    /// spent in how many orders afterwards.
    async fn model(&self) -> (Arms, BTreeMap<usize, String>) {
        let mut arms = Arms::new();
        for name in ["翌日", "Late", "holdout"] {
            arms.insert(name.to_owned(), SUMS.map(|name| (name, 0)).into());
        }
        let mut assigned = BTreeMap::new();
        for buyer in 0..BUYERS {
            let own = self.orders.iter();
            let mut own = own.filter(|order| order.buyer == buyer && !order.still_born);
            let Some(first) = own.next() else { continue };
            let known = order(&self.stack, &first.id).await;
            let arm = known["follow_ups"][0]["arm"].as_str().unwrap().to_owned();
            let figures = arms.get_mut(&arm).unwrap();
            *figures.get_mut("assigned").unwrap() += 1;
            let later: Vec<_> = own.filter(|order| order.stands).collect();
            *figures.get_mut("repeat_buyers").unwrap() += u64::from(!later.is_empty());
            let yen = later.iter().filter(|order| order.yen);
            *figures.get_mut("revenue").unwrap() += yen.map(|order| order.total).sum::<u64>();
            assigned.insert(buyer, arm);
        }
        (arms, assigned)
    }

    /// Redeems every second code that was mailed, and cancels or returns some of these orders; adds to the model what mails and
    /// codes came to.
    async fn spend(&self, arms: &mut Arms, assigned: &BTreeMap<usize, String>) {
        let inbox = self.stack.inbox().await;
        for (index, mail) in inbox.iter().enumerate() {
            let to = mail["to"][0].as_str().unwrap();
            let buyer = (0..BUYERS).find(|buyer| address(*buyer) == to).unwrap();
            let figures = arms.get_mut(&assigned[&buyer]).unwrap();
            let mut add = |name, by: u64| *figures.get_mut(name).unwrap() += by;
            add("mailed", 1);
            add(if buyer < 2 { "bounced" } else { "delivered" }, 1);
            if index % 2 == 1 {
                continue;
            }
            let place = usize::from(assigned[&buyer] == "Late");
            let code = code_in(mail, &self.promotions[place]);
            let call = format!("PUT /v1/redemptions/r-{index}");
            let answer = self.stack.checkout(&call, redemption(&[&code])).await;
            let took = answer.expect(201).body["discount"].as_u64().unwrap();
            let then = |what: &str| format!("POST /v1/redemptions/r-{index}/{what}");
            if index % 6 == 0 {
                let answer = self.stack.checkout(&then("cancel"), Value::Null).await;
                answer.expect(200);
                continue;
            }
            let mut back = 0;
            if index % 6 == 2 {
                let body = json!({"return_id": "r", "lines": [{"line": 0, "quantity": 1}]});
                let answer = self
                    .stack
                    .checkout(&then("returns"), body)
                    .await
                    .expect(200);
                back = answer.body["returns"][0]["discount"].as_u64().unwrap();
                assert!(back > 0, "{}", answer.text);
            }
            add("redeemed", 1);
            add("discount", took - back);
        }
    }
}

#[tokio::test]
async fn results_are_those_of_a_model_and_stay_so_when_all_is_told_again_lost_and_rebuilt() {
    let mut life = Life::begin().await;
    life.trade().await;
    let (mut arms, assigned) = life.model().await;
    life.spend(&mut arms, &assigned).await;
    let stack = &life.stack;
    let found = results(stack, &life.follow_up).await;
    assert_eq!(sums(&found), arms, "{found:#}");
    let mailed = |arms: &Arms| arms.values().map(|arm| arm["mailed"]).sum::<u64>();
    assert_eq!(arms["holdout"]["mailed"], 0);
    assert!(mailed(&arms) > 40, "{arms:?}");

    // Reminders are mails of no arm.
    let before = stack.inbox().await.len();
    stack.advance("P25D").await;
    let reminders = stack.inbox().await.len() - before;
    assert!(reminders > 10, "{reminders}");
    let found = results(stack, &life.follow_up).await;
    assert_eq!(sums(&found), arms, "{found:#}");

    // All is told again.
    let table = Table::of(stack);
    let items = table.items().await;
    replay(stack, &items, 1).await;
    assert_eq!(results(stack, &life.follow_up).await, found);

    // All that was counted is lost, and several tell of everything at the same moment.
    lose_sums(&table).await;
    let empty = results(stack, &life.follow_up).await;
    assert!(
        sums(&empty)
            .values()
            .all(|arm| arm.values().all(|sum| *sum == 0))
    );
    tokio::join!(
        replay(stack, &items, 2),
        replay(stack, &items, 3),
        replay(stack, &items, 4)
    );
    assert_eq!(results(stack, &life.follow_up).await, found);

    // What stands wrongly in the sums comes back from the ledger.
    let store = stack.running().store().unwrap();
    assert_eq!(rebuild(stack, &store).await, 0);
    let mut broken = 0;
    for mut item in table.all_items().await {
        if pk(&item).starts_with("results#") && sk(&item).ends_with("Late") {
            set_number(&mut item, "revenue", 1);
            table.put(&item).await;
            broken += 1;
        } else if pk(&item).starts_with("results#") || sk(&item) == "book" && broken < 5 {
            table.delete(&item).await;
            broken += 1;
        }
    }
    assert!(broken >= 3, "{broken}");
    assert_ne!(results(stack, &life.follow_up).await, found);
    assert!(rebuild(stack, &store).await >= 3);
    assert_eq!(results(stack, &life.follow_up).await, found);
    assert_eq!(rebuild(stack, &store).await, 0);

    let report = store
        .audit(AuditMode::Look, stack.clock().now(), &mut |_| {})
        .await
        .unwrap();
    let differences: Vec<String> = report.differences.iter().map(ToString::to_string).collect();
    assert_eq!(differences, [""; 0]);
    assert_eq!(report.unknown, 0);
}

#[tokio::test]
async fn arms_are_judged_by_their_buyers_and_changed_weights_begin_with_zeros() {
    let mut life = Life::begin().await;
    for buyer in 2..12 {
        life.buys(buyer, 3_000, "JPY", None).await;
        life.buys(buyer, 1_001, "JPY", None).await;
    }
    let (id, stack) = (life.follow_up["id"].as_str().unwrap(), &life.stack);
    let found = results(stack, &life.follow_up).await;
    assert_eq!(
        (
            &found["follow_up_id"],
            &found["experiment"],
            &found["currency"]
        ),
        (&json!(id), &json!(1), &json!("JPY"))
    );
    let arms = found["arms"].as_array().unwrap();
    let counts: Vec<ArmCounts> = arms
        .iter()
        .zip([(70, false), (70, false), (60, true)])
        .map(|(arm, (weight, holdout))| {
            assert_eq!(arm["holdout"], holdout);
            ArmCounts {
                weight,
                holdout,
                assigned: arm["assigned"].as_u64().unwrap(),
                repeat_buyers: arm["repeat_buyers"].as_u64().unwrap(),
            }
        })
        .collect();
    assert_eq!(counts.iter().map(|arm| arm.repeat_buyers).sum::<u64>(), 10);
    for (arm, judged) in arms.iter().zip(judge(&counts)) {
        assert_eq!(arm["repeat_rate"], json!(judged.repeat_rate), "{arm}");
        assert_eq!(arm["interval"], json!(judged.interval), "{arm}");
        assert_eq!(arm["verdict"], json!(judged.verdict), "{arm}");
        let lift = judged.lift.map_or(Value::Null, |lift| json!(lift));
        assert_eq!(arm.get("lift").unwrap_or(&Value::Null), &lift, "{arm}");
        let assigned = arm["assigned"].as_u64().unwrap();
        let per_buyer = (assigned > 0).then_some(1_001);
        assert_eq!(arm["revenue_per_buyer"], json!(per_buyer), "{arm}");
    }

    let put = format!("PUT /v1/follow-ups/{id}");
    let changed = stack.admin(&put, terms(&life.promotions, 2)).await;
    let changed = changed.expect(200).body;
    let fresh = results(stack, &changed).await;
    assert_eq!(fresh["experiment"], 2);
    let zero = |arms: &Arms| arms.values().all(|arm| arm.values().all(|sum| *sum == 0));
    assert!(zero(&sums(&fresh)), "{fresh}");
    for arm in fresh["arms"].as_array().unwrap() {
        assert_eq!(arm["verdict"], "not_enough_data");
        assert_eq!(
            (&arm["repeat_rate"], &arm["interval"]),
            (&Value::Null, &Value::Null)
        );
    }
    life.buys(2, 3_000, "JPY", None).await;
    let later = sums(&results(&life.stack, &changed).await);
    let total = |name: &str| later.values().map(|arm| arm[name]).sum::<u64>();
    assert_eq!((total("assigned"), total("repeat_buyers")), (1, 0));
}

#[tokio::test]
async fn who_is_forgotten_stays_in_the_sums_but_their_orders_are_gone() {
    let mut life = Life::begin().await;
    for total in [3_000, 1_000, 500] {
        life.buys(2, total, "JPY", None).await;
    }
    let found = results(&life.stack, &life.follow_up).await;
    let revenue = |results: &Value| {
        sums(results)
            .values()
            .map(|arm| arm["revenue"])
            .sum::<u64>()
    };
    assert_eq!(revenue(&found), 1_500);
    let body = json!({"email": address(2)});
    let forget = life.stack.admin("POST /v1/customers/forget", body).await;
    forget.expect(200);
    life.buys(2, 800, "JPY", None).await;
    let stack = &life.stack;
    let table = Table::of(stack);
    replay(stack, &table.items().await, 1).await;
    let store = stack.running().store().unwrap();
    rebuild(stack, &store).await;
    let after = results(stack, &life.follow_up).await;
    assert_eq!(revenue(&after), 1_500);
    assert_eq!(sums(&after), sums(&found));
    let items = table.all_items().await;
    let book = items.iter().find(|item| sk(item) == "book").unwrap();
    assert_eq!(
        (&book["orders"]["L"], &book["assignments"]["L"]),
        (&json!([]), &json!([])),
        "{book}"
    );
}

#[tokio::test]
async fn results_are_for_staff_and_for_follow_ups_that_there_are() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    let follow_up = stack.follow_up(&promotion, json!({})).await;
    let found = results(&stack, &follow_up).await;
    let arms = found["arms"].as_array().unwrap();
    assert_eq!(arms.len(), 1, "no hold-out, no arm of it: {found}");
    assert_eq!(arms[0]["name"], "10% after 3 days");
    let id = follow_up["id"].as_str().unwrap();
    let call = format!("GET /v1/follow-ups/{id}/results");
    stack.call("", &call, Value::Null).await.expect(401);
    stack
        .call(CHECKOUT_KEY, &call, Value::Null)
        .await
        .expect(403);
    for unknown in ["fu_aaaaaaaaaaaaaaaa", "results", "fu_"] {
        let call = format!("GET /v1/follow-ups/{unknown}/results");
        stack.admin(&call, Value::Null).await.expect(404);
    }
    let delete = format!("DELETE /v1/follow-ups/{id}");
    stack.admin(&delete, Value::Null).await.expect(200);
    stack.admin(&call, Value::Null).await.expect(404);
}
