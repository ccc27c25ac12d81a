//! Eight processes of `redeem-code` at one table, while requests and answers between them and it are lost, late, doubled or
//! turned into errors: whatever happens, a code has one winner and a limit gives exactly what it holds.
//!
//! The faults come in a sequence that `OKAERI_SEED` fixes; each run prints its own.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "to clippy, integration tests and their helpers are no tests; a story is told in one piece"
)]

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use integration::faults::{self, FaultProxy};
use integration::fleet::Member;
use integration::{Answer, Stack, redemption};
use okaeri::local::CHECKOUT_KEY;
use reqwest::Method;
use serde_json::{Value, json};
use shared::domain::code::PromotionId;
use shared::domain::order::OrderId;
use shared::domain::promotion::Limits;
use shared::store::{Shard, Store, Wanted};
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::JoinSet;

/// How often each kind of fault happens to a request, of a thousand.
const EACH_PER_MILLE: usize = 25;
/// How often a checkout sends an order before the test calls it stuck. Once is nearly always enough.
const MOST_TRIES: usize = 50;
/// What a checkout waits before it sends an order again, times how often it has sent it.
const EACH_WAITS: Duration = Duration::from_millis(20);
/// Orders on their way at any time, where not all race for one code.
const AT_ONCE: usize = 50;
/// What each code takes off the cart of [`redemption`].
const AMOUNT: u64 = 396;

/// How much is raced for.
#[derive(Clone, Copy, Debug)]
struct Size {
    processes: usize,
    /// Codes, and orders that race for each.
    codes: u64,
    orders: usize,
    /// Codes raced for at any time.
    codes_at_once: usize,
    /// What a limit holds; five times as many orders want it.
    uses: usize,
}

/// What every test run does.
const SMALL: Size = Size {
    processes: 8,
    codes: 200,
    orders: 50,
    codes_at_once: 3,
    uses: 60,
};
/// What `--ignored` does.
const LARGE: Size = Size {
    processes: 16,
    codes: 400,
    orders: 50,
    codes_at_once: 3,
    uses: 150,
};

/// One fleet is enough for a machine.
static ALONE: Mutex<()> = Mutex::const_new(());

struct Fleet {
    _alone: MutexGuard<'static, ()>,
    began: Instant,
    size: Size,
    stack: Stack,
    proxy: FaultProxy,
    /// The stack's table without faults.
    table: Store,
    members: Vec<Member>,
    seed: u64,
    sent: AtomicUsize,
    undecided: AtomicUsize,
}

/// An order that wants a code.
#[derive(Clone)]
struct Order {
    id: String,
    /// Its place in the race, which chooses the processes it goes to.
    number: usize,
    body: Value,
}

impl Fleet {
    async fn start(size: Size) -> Arc<Self> {
        let alone = ALONE.lock().await;
        let stack = Stack::start().await;
        let proxy = FaultProxy::start(stack.running().dynamodb_url()).await;
        let settings = stack.settings_through(&proxy.url);
        let mut members = Vec::new();
        for _ in 0..size.processes {
            members.push(Member::start(env!("CARGO_BIN_EXE_integration"), &settings).await);
        }
        let given = std::env::var("OKAERI_SEED").ok();
        let seed = given.map_or_else(rand::random, |text| text.parse().unwrap());
        say(&format!("OKAERI_SEED={seed} {size:?}"));
        proxy.plan(faults::mix(seed, EACH_PER_MILLE));
        Arc::new(Self {
            _alone: alone,
            began: Instant::now(),
            size,
            table: stack.running().store().unwrap(),
            stack,
            proxy,
            members,
            seed,
            sent: AtomicUsize::new(0),
            undecided: AtomicUsize::new(0),
        })
    }

    /// What the order is told in the end. As a checkout does, it sends the same request again until it is told; here to one
    /// process after the other.
    async fn decide(&self, order: &Order, first: usize) -> Answer {
        let path = format!("/v1/redemptions/{}", order.id);
        let members = self.members.iter().cycle().skip(first % self.members.len());
        for (tries, Member { caller, .. }) in (1..).zip(members.take(MOST_TRIES)) {
            self.sent.fetch_add(1, Ordering::Relaxed);
            let request = caller.request(Method::PUT, &path).bearer_auth(CHECKOUT_KEY);
            let answer = caller.send(request.json(&order.body)).await;
            if answer.status != 503 {
                return answer;
            }
            self.undecided.fetch_add(1, Ordering::Relaxed);
            // On a machine that others keep busy, asking at once again only keeps it so.
            tokio::time::sleep(EACH_WAITS * tries).await;
        }
        panic!(
            "seed {}: order {} stays undecided, as {:?} of {:?} calls were",
            self.seed, order.id, self.undecided, self.sent
        );
    }

    /// The same, but one order in ten is sent to two processes at the same moment, which must agree.
    async fn place(&self, order: &Order) -> Answer {
        if !order.number.is_multiple_of(10) {
            return self.decide(order, order.number).await;
        }
        let (one, other) = tokio::join!(
            self.decide(order, order.number),
            self.decide(order, order.number + 1)
        );
        let told = format!("seed {}: {one:?} beside {other:?}", self.seed);
        assert_eq!(one.text, other.text, "{told}");
        assert!(one.status != 201 || other.status != 201, "{told}");
        if other.status == 201 { other } else { one }
    }

    /// Places the order; if it wins, another process must tell it the same again.
    async fn place_again(&self, order: &Order) -> Answer {
        let answer = self.place(order).await;
        if answer.status <= 201 {
            let again = self.decide(order, order.number + 2).await;
            assert_eq!(
                (again.status, &again.text),
                (200, &answer.text),
                "seed {}: {}",
                self.seed,
                order.id
            );
        }
        answer
    }

    /// Places all orders, [`AT_ONCE`] at any time; the winners, and the losers with what they were told.
    async fn race(self: &Arc<Self>, orders: Vec<Order>) -> (Vec<Order>, Vec<(Order, Answer)>) {
        let placed = orders.into_iter().map(|order| {
            let fleet = Arc::clone(self);
            Box::pin(async move { (fleet.place_again(&order).await, order) })
        });
        let (mut winners, mut losers) = (Vec::new(), Vec::new());
        for (answer, order) in rolling(AT_ONCE, placed).await {
            if answer.status <= 201 {
                winners.push(order);
            } else {
                losers.push((order, answer));
            }
        }
        (winners, losers)
    }

    /// Whether the order has a record.
    async fn recorded(&self, order: &Order) -> bool {
        let id = OrderId::try_from(order.id.clone()).unwrap();
        let mut read = self.table.redemption(&id).await;
        // On a busy machine it may take longer than the SDK waits.
        for _ in 1..MOST_TRIES {
            if read.is_ok() {
                break;
            }
            read = self.table.redemption(&id).await;
        }
        read.unwrap().is_some()
    }

    /// What is shown as spent, after holding it against the shards and the records of `orders`: amount and uses.
    async fn spent(&self, promotion: &Value, orders: &[Order]) -> (u64, u64) {
        let path = format!("GET /v1/promotions/{}", promotion["id"].as_str().unwrap());
        let shown = &self.stack.admin(&path, Value::Null).await.expect(200).body["spent"];
        let shown = (
            shown["amount"].as_u64().unwrap(),
            shown["redemptions"].as_u64().unwrap(),
        );
        let mut ledger = (0, 0);
        for order in orders {
            if self.recorded(order).await {
                let path = format!("GET /v1/redemptions/{}", order.id);
                let record = self.stack.checkout(&path, Value::Null).await.expect(200);
                ledger.0 += record.body["discount"].as_u64().unwrap();
                ledger.1 += 1;
            }
        }
        let (limits, shards) = self.shards(promotion).await;
        let left = (
            limits.budget.map(|budget| budget.minor() - ledger.0),
            limits.redemptions.map(|uses| u64::from(uses) - ledger.1),
        );
        let counted = (shards.spent_amount, shards.spent_uses);
        let told = format!("seed {}: {limits:?} {shards:?}", self.seed);
        assert_eq!(shown, ledger, "shown and ledger; {told}");
        assert_eq!((shards.budget_left, shards.uses_left), left, "{told}");
        assert_eq!(
            (counted.0.try_into(), counted.1.try_into()),
            (Ok(ledger.0), Ok(ledger.1)),
            "{told}"
        );
        shown
    }

    /// A promotion's limits and the sum of its shards.
    async fn shards(&self, promotion: &Value) -> (Limits, Shard) {
        let id = PromotionId::try_from(promotion["id"].as_str().unwrap().to_owned()).unwrap();
        let limits = serde_json::from_value(promotion["limits"].clone()).unwrap();
        let wanted = Wanted {
            promotions: &[(&id, limits)],
            ..Wanted::default()
        };
        let observed = self.table.observe(wanted).await.unwrap();
        (limits, observed.shards[&id])
    }

    /// A promotion of the word `word` that takes [`AMOUNT`] off.
    async fn word(&self, word: &str, limits: Value) -> Value {
        let benefit = json!({"type": "amount_off", "amount": AMOUNT});
        let terms = json!({"claim_code": "group", "benefit": benefit, "limits": limits});
        let promotion = self.stack.promotion(terms).await;
        let path = format!(
            "POST /v1/promotions/{}/codes",
            promotion["id"].as_str().unwrap()
        );
        let added = self.stack.admin(&path, json!({"code": word})).await;
        added.expect(201);
        promotion
    }

    /// The run is worth something only if every fault happened.
    fn end(&self) {
        let mut counts = std::collections::BTreeMap::<_, usize>::new();
        let mut passed = 0;
        for ((operation, fault), count) in self.proxy.tally() {
            if fault == "pass" {
                passed += count;
            } else {
                *counts.entry(fault).or_default() += count;
                assert_ne!(operation, "");
            }
        }
        say(&format!(
            "{} s, {} calls, {} of them 503; requests to the table: {passed} passed, {counts:?}",
            self.began.elapsed().as_secs(),
            self.sent.load(Ordering::Relaxed),
            self.undecided.load(Ordering::Relaxed),
        ));
        let names: Vec<_> = counts.keys().copied().collect();
        assert_eq!(
            names,
            [
                "apply, 500",
                "apply, drop reply",
                "apply, hold",
                "cancel",
                "drop request",
                "duplicate"
            ]
        );
    }
}

/// Where a failing or asked-for run shows what it did.
fn say(text: &str) {
    #[expect(clippy::print_stderr, reason = "shown with --nocapture, or on failure")]
    {
        eprintln!("processes: {text}");
    }
}

/// Runs all futures, at most `at_once` at any time.
async fn rolling<F>(at_once: usize, futures: impl IntoIterator<Item = F>) -> Vec<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let (mut running, mut done) = (JoinSet::new(), Vec::new());
    for future in futures {
        if running.len() >= at_once {
            done.push(running.join_next().await.unwrap().unwrap());
        }
        running.spawn(future);
    }
    done.extend(running.join_all().await);
    done
}

fn orders(name: &str, count: usize, body: impl Fn(usize) -> Value) -> Vec<Order> {
    let order = |number| Order {
        id: format!("{name}-{number}"),
        number,
        body: body(number),
    };
    (0..count).map(order).collect()
}

/// Races orders for one single-use code; answers its winner.
async fn race_for(fleet: Arc<Fleet>, code: String, number: usize) -> (String, Order) {
    let name = format!("code-{}-{number}", &code[..4]);
    let orders = orders(&name, fleet.size.orders, |_| redemption(&[&code]));
    let (mut winners, losers) = fleet.race(orders).await;
    let seed = fleet.seed;
    assert_eq!(winners.len(), 1, "seed {seed}: winners of {name}");
    for (order, answer) in losers {
        assert_eq!(
            (answer.status, &answer.body["code"]),
            (409, &json!("code-already-redeemed")),
            "seed {seed}: {}: {}",
            order.id,
            answer.text
        );
        assert!(!fleet.recorded(&order).await, "seed {seed}: {}", order.id);
    }
    (code, winners.remove(0))
}

/// Races for all codes of a promotion of `shards`.
async fn race_for_codes(fleet: &Arc<Fleet>, count: u64, shards: u8) {
    let limits = json!({"budget": 1_000_000_000, "redemptions": 1_000_000, "shards": shards});
    let promotion = fleet.stack.promotion(json!({"limits": limits})).await;
    let codes = fleet.stack.codes(&promotion, count).await;
    let races = codes.into_iter().zip(0..);
    let races = races.map(|(code, number)| Box::pin(race_for(Arc::clone(fleet), code, number)));
    let won = rolling(fleet.size.codes_at_once, races).await;
    let path = format!(
        "GET /v1/promotions/{}/codes?limit=20000",
        promotion["id"].as_str().unwrap()
    );
    let listed = fleet.stack.admin(&path, Value::Null).await.expect(200).body;
    for code in listed["codes"].as_array().unwrap() {
        let (_, winner) = won.iter().find(|(won, _)| code["code"] == **won).unwrap();
        assert_eq!(
            (&code["status"], &code["order_id"]),
            (&json!("redeemed"), &json!(winner.id)),
            "seed {}",
            fleet.seed
        );
    }
    let winners: Vec<_> = won.into_iter().map(|(_, order)| order).collect();
    assert_eq!(
        fleet.spent(&promotion, &winners).await,
        (AMOUNT * count, count)
    );
}

/// Races five times as many orders as `limits` has room for.
async fn race_for_limit(fleet: &Arc<Fleet>, word: &str, limits: Value, reason: &str) {
    let promotion = fleet.word(word, limits).await;
    let uses = fleet.size.uses;
    let orders = orders(word, 5 * uses, |_| redemption(&[word]));
    let (winners, losers) = fleet.race(orders.clone()).await;
    let told = format!("seed {}: {word}", fleet.seed);
    for (order, answer) in &losers {
        assert_eq!(
            (answer.status, &answer.body["codes"][0]["reason"]),
            (422, &json!(reason)),
            "{told}: {}: {}",
            order.id,
            answer.text
        );
    }
    assert_eq!((winners.len(), losers.len()), (uses, 4 * uses), "{told}");
    let uses = u64::try_from(uses).unwrap();
    assert_eq!(
        fleet.spent(&promotion, &orders).await,
        (AMOUNT * uses, uses),
        "{told}"
    );
}

async fn race_for_budgets(fleet: &Arc<Fleet>) {
    let uses = u64::try_from(fleet.size.uses).unwrap();
    for shards in [1, 4, 64] {
        // Half an amount stays, which no order can have.
        let limits = json!({"budget": AMOUNT * uses + AMOUNT / 2, "shards": shards});
        let word = format!("BUDGET{shards}");
        race_for_limit(fleet, &word, limits, "budget-exhausted").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_200_codes_raced_by_50_orders_has_one_winner_whatever_8_processes_meet() {
    let fleet = Fleet::start(SMALL).await;
    for (count, shards) in [(68, 1), (66, 4), (66, 64)] {
        race_for_codes(&fleet, count, shards).await;
    }
    fleet.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_gives_exactly_what_it_holds_at_any_number_of_shards_whatever_8_processes_meet() {
    let fleet = Fleet::start(SMALL).await;
    race_for_budgets(&fleet).await;
    fleet.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uses_and_uses_per_customer_are_given_exactly_whatever_8_processes_meet() {
    let fleet = Fleet::start(SMALL).await;
    for shards in [1, 4, 64] {
        let limits = json!({"redemptions": fleet.size.uses, "shards": shards});
        let word = format!("USES{shards}");
        race_for_limit(&fleet, &word, limits, "redemptions-exhausted").await;
    }
    // 20 customers under three names each, 15 orders of each, three of which are served.
    let word = "CUSTOMERS";
    fleet.word(word, json!({"per_customer": 3})).await;
    let orders = orders(word, 300, |number| {
        let customer = number % 20;
        let spelling = ["", "+sale", "+x"][number / 20 % 3];
        let mut body = redemption(&[word]);
        body["customer"] = json!({"email": format!("buyer{customer}{spelling}@example.jp")});
        body
    });
    let (winners, losers) = fleet.race(orders).await;
    for customer in 0..20 {
        let of = |order: &&Order| order.number % 20 == customer;
        let won = winners.iter().filter(of).count();
        assert_eq!(won, 3, "seed {}: customer {customer}", fleet.seed);
    }
    for (order, answer) in losers {
        let reason = &answer.body["codes"][0]["reason"];
        assert_eq!(
            (answer.status, reason),
            (422, &json!("customer-limit-reached")),
            "seed {}: {}",
            fleet.seed,
            order.id
        );
        assert!(!fleet.recorded(&order).await, "seed {}", fleet.seed);
    }
    fleet.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: cargo test -p integration --test processes -- --ignored --nocapture"]
async fn a_large_run_of_16_processes_breaks_nothing_either() {
    let fleet = Fleet::start(LARGE).await;
    for (count, shards) in [(100, 1), (100, 4), (LARGE.codes - 200, 64)] {
        race_for_codes(&fleet, count, shards).await;
    }
    race_for_budgets(&fleet).await;
    fleet.end();
}
