//! Long random lives of a limited promotion, the real stack beside a simple model of it. A failing case shrinks to the fewest
//! steps that still fail and is kept by proptest beside this file.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use integration::{Stack, redemption};
use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

const ORDERS: u8 = 6;
const CODES: u8 = 5;
const CUSTOMERS: u8 = 3;
/// Every redemption gives away 100; the budget is for four of them and a rest, the uses would be for five.
const DISCOUNT: u64 = 100;
const BUDGET: u64 = 450;
const USES: usize = 5;
const PER_CUSTOMER: usize = 2;

#[derive(Clone, Debug)]
enum Step {
    Redeem {
        order: u8,
        code: u8,
        customer: u8,
        hold: bool,
    },
    Confirm(u8),
    Cancel(u8),
    /// Past the time of every hold.
    Wait,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Held,
    Redeemed,
    Lapsed,
    Cancelled,
}

#[derive(Clone, Debug)]
struct Record {
    status: Status,
    /// Code, customer and hold of the request that wrote it.
    request: Option<(u8, u8, bool)>,
}

/// What the promotion should be like.
#[derive(Clone, Debug, Default)]
struct Books {
    records: BTreeMap<u8, Record>,
    /// What the last step should have been answered with: a status, and a problem code or reason.
    answer: Option<(u16, &'static str)>,
}

impl Books {
    fn live(&self) -> impl Iterator<Item = (u8, u8, u8)> {
        let live = |record: &Record| matches!(record.status, Status::Held | Status::Redeemed);
        let records = self.records.iter().filter(move |(_, record)| live(record));
        records.filter_map(|(order, record)| {
            record
                .request
                .map(|(code, customer, _)| (*order, code, customer))
        })
    }

    fn redeem(&mut self, order: u8, code: u8, customer: u8, hold: bool) -> (u16, &'static str) {
        let request = (code, customer, hold);
        match self.records.get(&order) {
            Some(Record {
                status: Status::Cancelled,
                ..
            }) => return (409, "order-cancelled"),
            Some(Record {
                status: Status::Held | Status::Redeemed,
                request: first,
            }) => {
                let same = *first == Some(request);
                return if same {
                    (200, "")
                } else {
                    (409, "order-already-redeemed")
                };
            }
            Some(Record {
                status: Status::Lapsed,
                ..
            })
            | None => {}
        }
        if self.live().any(|(_, taken, _)| taken == code) {
            return (409, "code-already-redeemed");
        }
        if self
            .live()
            .filter(|(_, _, other)| *other == customer)
            .count()
            >= PER_CUSTOMER
        {
            return (422, "customer-limit-reached");
        }
        let live = self.live().count();
        if u64::try_from(live + 1).unwrap() * DISCOUNT > BUDGET {
            return (422, "budget-exhausted");
        }
        if live >= USES {
            return (422, "redemptions-exhausted");
        }
        let status = if hold { Status::Held } else { Status::Redeemed };
        self.records.insert(
            order,
            Record {
                status,
                request: Some(request),
            },
        );
        (201, "")
    }

    fn confirm(&mut self, order: u8) -> (u16, &'static str) {
        match self.records.get_mut(&order) {
            None => (404, "not-found"),
            Some(Record {
                status: Status::Lapsed,
                ..
            }) => (409, "hold-lapsed"),
            Some(Record {
                status: Status::Cancelled,
                ..
            }) => (409, "order-cancelled"),
            Some(record) => {
                record.status = Status::Redeemed;
                (200, "")
            }
        }
    }

    fn cancel(&mut self, order: u8) -> (u16, &'static str) {
        let record = self.records.entry(order).or_insert(Record {
            status: Status::Cancelled,
            request: None,
        });
        record.status = Status::Cancelled;
        (200, "")
    }

    fn wait(&mut self) {
        for record in self
            .records
            .values_mut()
            .filter(|record| record.status == Status::Held)
        {
            record.status = Status::Lapsed;
        }
    }
}

impl ReferenceStateMachine for Books {
    type State = Self;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Self> {
        Just(Self::default()).boxed()
    }

    fn transitions(_: &Self) -> BoxedStrategy<Step> {
        let redeem = (0..ORDERS, 0..CODES, 0..CUSTOMERS, any::<bool>());
        let redeem = redeem.prop_map(|(order, code, customer, hold)| Step::Redeem {
            order,
            code,
            customer,
            hold,
        });
        prop_oneof![
            12 => redeem,
            3 => (0..ORDERS).prop_map(Step::Confirm),
            3 => (0..ORDERS).prop_map(Step::Cancel),
            1 => Just(Step::Wait),
        ]
        .boxed()
    }

    fn apply(mut books: Self, step: &Step) -> Self {
        books.answer = match step {
            Step::Redeem {
                order,
                code,
                customer,
                hold,
            } => Some(books.redeem(*order, *code, *customer, *hold)),
            Step::Confirm(order) => Some(books.confirm(*order)),
            Step::Cancel(order) => Some(books.cancel(*order)),
            Step::Wait => {
                books.wait();
                None
            }
        };
        books
    }
}

/// One stack serves all cases; each has a promotion, orders and customers of its own.
static STACK: LazyLock<(Runtime, Stack)> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let stack = runtime.block_on(Stack::start());
    (runtime, stack)
});
static CASES: AtomicUsize = AtomicUsize::new(0);

/// The promotion as it is.
struct Life {
    case: usize,
    promotion: Value,
    codes: Arc<Vec<String>>,
}

impl Life {
    async fn take(&self, stack: &Stack, step: &Step) -> Option<integration::Answer> {
        let order = |order: &u8| format!("case-{}-{order}", self.case);
        match step {
            Step::Redeem {
                order: number,
                code,
                customer,
                hold,
            } => {
                let mut body = redemption(&[&self.codes[usize::from(*code)]]);
                body["customer"] = json!({"id": format!("case-{}-{customer}", self.case)});
                if *hold {
                    body["hold_seconds"] = json!(60);
                }
                Some(
                    stack
                        .checkout(&format!("PUT /v1/redemptions/{}", order(number)), body)
                        .await,
                )
            }
            Step::Confirm(number) => Some(
                stack
                    .checkout(
                        &format!("POST /v1/redemptions/{}/confirm", order(number)),
                        Value::Null,
                    )
                    .await,
            ),
            Step::Cancel(number) => Some(
                stack
                    .checkout(
                        &format!("POST /v1/redemptions/{}/cancel", order(number)),
                        Value::Null,
                    )
                    .await,
            ),
            Step::Wait => {
                stack.advance("PT61S").await;
                None
            }
        }
    }
}

struct Beside;

impl StateMachineTest for Beside {
    type SystemUnderTest = Life;
    type Reference = Books;

    fn init_test(_: &Books) -> Life {
        let (runtime, stack) = &*STACK;
        runtime.block_on(async {
            let limits = json!({"budget": BUDGET, "redemptions": USES, "per_customer": PER_CUSTOMER, "shards": 3});
            let benefit = json!({"type": "amount_off", "amount": DISCOUNT});
            let promotion = stack.promotion(json!({"benefit": benefit, "limits": limits})).await;
            let codes = Arc::new(stack.codes(&promotion, u64::from(CODES)).await);
            Life { case: CASES.fetch_add(1, Ordering::SeqCst), promotion, codes }
        })
    }

    fn apply(life: Life, books: &Books, step: Step) -> Life {
        let (runtime, stack) = &*STACK;
        let answer = runtime.block_on(life.take(stack, &step));
        let seen = answer.as_ref().map(|answer| {
            let reason = answer.body["codes"][0]["reason"]
                .as_str()
                .filter(|_| answer.status == 422);
            let code = answer.body["code"]
                .as_str()
                .filter(|_| answer.status >= 400);
            (answer.status, reason.or(code).unwrap_or_default())
        });
        assert_eq!(seen, books.answer, "{step:?}");
        life
    }

    fn check_invariants(life: &Life, books: &Books) {
        let (runtime, stack) = &*STACK;
        let path = format!(
            "GET /v1/promotions/{}",
            life.promotion["id"].as_str().unwrap()
        );
        let seen = runtime
            .block_on(stack.admin(&path, Value::Null))
            .expect(200)
            .body["spent"]
            .clone();
        let live = u64::try_from(books.live().count()).unwrap();
        assert_eq!(
            seen,
            json!({"amount": live * DISCOUNT, "redemptions": live})
        );
    }
}

/// A few lives for everybody, and as many as are promised in CI. `PROPTEST_CASES` says otherwise, for this and all such tests.
fn cases() -> u32 {
    match std::env::var_os("OKAERI_THOROUGH") {
        Some(_) => 256,
        None => 24,
    }
}

prop_state_machine! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn the_stack_and_a_simple_model_of_it_never_differ(sequential 40 => Beside);
}
