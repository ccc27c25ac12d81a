//! The redemption protocol as a model, checked in every interleaving: three orders, two codes, a budget for one, with lost
//! requests, lost answers, late duplicates, cancellations, a hold and its lapse. (A conflict applies and decides nothing: the
//! request is simply still on its way.)
//!
//! The same checker must find the bug in each of four wrong protocols, or it shows nothing.

use stateright::{Checker, Model, Property};

const ORDERS: usize = 3;
/// The code each order wants: the first two orders compete for one.
const CODE_OF: [usize; ORDERS] = [0, 0, 1];
const CODES: usize = 2;
/// Uses the promotion has; every redemption draws one.
const BUDGET: i8 = 1;
/// The order that holds before it confirms.
const HOLDER: usize = 1;
/// Requests one caller sends for its order: the first and one more after a time-out.
const SENDS: u8 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    /// One transaction with every condition; the order's record is judged before its code.
    Right,
    /// Looks first, writes what it saw to be free later.
    ReadThenWrite,
    /// One transaction without conditions.
    NoCondition,
    /// A failed condition is answered as "used by another order".
    FailureMeansUsed,
    /// The budget is drawn in a second request.
    BudgetOutside,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Record {
    None,
    Held,
    Redeemed,
    Lapsed,
    Cancelled,
}

impl Record {
    fn is_live(self) -> bool {
        matches!(self, Self::Held | Self::Redeemed)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Answer {
    Redeemed,
    CodeUsed,
    Exhausted,
    Cancelled,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
struct Caller {
    /// Requests sent so far.
    sent: u8,
    /// Requests on their way to the table.
    on_the_way: u8,
    answer: Option<Answer>,
    /// `ReadThenWrite`: saw its code free and the budget unspent.
    saw_free: bool,
    /// `BudgetOutside`: wrote its record, has not drawn on the budget.
    owes_budget: bool,
    /// Was told that its code is used while its own order had it.
    wronged: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    records: [Record; ORDERS],
    /// The order that has each code.
    owners: [Option<usize>; CODES],
    budget_left: i8,
    callers: [Caller; ORDERS],
    cancelled: [bool; ORDERS],
    /// Whether holds are past their time.
    late: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Send(usize),
    LoseRequest(usize),
    /// The table takes a request; its answer arrives or is lost.
    Apply {
        order: usize,
        answered: bool,
    },
    Look(usize),
    DrawBudget(usize),
    Confirm,
    Cancel(usize),
    PassTime,
    Lapse(usize),
}

struct Redemption(Protocol);

impl Redemption {
    /// What a request for `order` does at the table, and what its caller concludes.
    fn apply(&self, world: &mut World, order: usize) -> Answer {
        let wanted = CODE_OF[order];
        let free = world.owners[wanted].is_none();
        let funded = world.budget_left > 0
            || self.0 == Protocol::BudgetOutside && world.budget_left == BUDGET;
        let new = matches!(world.records[order], Record::None | Record::Lapsed);
        match self.0 {
            Protocol::NoCondition => {}
            Protocol::ReadThenWrite => {
                if !std::mem::take(&mut world.callers[order].saw_free) {
                    return Answer::CodeUsed;
                }
            }
            Protocol::FailureMeansUsed if !(new && free && funded) => {
                return Answer::CodeUsed;
            }
            Protocol::Right | Protocol::BudgetOutside | Protocol::FailureMeansUsed => {
                match world.records[order] {
                    Record::Held | Record::Redeemed => return Answer::Redeemed,
                    Record::Cancelled => return Answer::Cancelled,
                    Record::None | Record::Lapsed => {}
                }
                if !free {
                    return Answer::CodeUsed;
                }
                if !funded {
                    return Answer::Exhausted;
                }
            }
        }
        world.records[order] = if order == HOLDER {
            Record::Held
        } else {
            Record::Redeemed
        };
        world.owners[wanted] = Some(order);
        if self.0 == Protocol::BudgetOutside {
            world.callers[order].owes_budget = true;
        } else {
            world.budget_left -= 1;
        }
        Answer::Redeemed
    }

    fn give_back(world: &mut World, order: usize) {
        world.owners[CODE_OF[order]] = None;
        world.budget_left += 1;
    }
}

impl Model for Redemption {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World {
            records: [Record::None; ORDERS],
            owners: [None; CODES],
            budget_left: BUDGET,
            callers: [Caller::default(); ORDERS],
            cancelled: [false; ORDERS],
            late: false,
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        for order in 0..ORDERS {
            let caller = world.callers[order];
            if caller.answer.is_none() && caller.sent < SENDS {
                actions.push(Action::Send(order));
            }
            if caller.on_the_way > 0 {
                actions.push(Action::LoseRequest(order));
                actions.push(Action::Apply {
                    order,
                    answered: true,
                });
                actions.push(Action::Apply {
                    order,
                    answered: false,
                });
                if self.0 == Protocol::ReadThenWrite {
                    actions.push(Action::Look(order));
                }
            }
            if caller.owes_budget {
                actions.push(Action::DrawBudget(order));
            }
            if !world.cancelled[order] {
                actions.push(Action::Cancel(order));
            }
            if world.late && world.records[order] == Record::Held {
                actions.push(Action::Lapse(order));
            }
        }
        if world.records[HOLDER] == Record::Held && !world.late {
            actions.push(Action::Confirm);
        }
        if !world.late {
            actions.push(Action::PassTime);
        }
    }

    fn next_state(&self, last: &World, action: Action) -> Option<World> {
        let mut world = last.clone();
        match action {
            Action::Send(order) => {
                world.callers[order].sent += 1;
                world.callers[order].on_the_way += 1;
            }
            Action::LoseRequest(order) => world.callers[order].on_the_way -= 1,
            Action::Look(order) => {
                let free = world.owners[CODE_OF[order]].is_none() && world.budget_left > 0;
                world.callers[order].saw_free = free && world.records[order] == Record::None;
            }
            Action::Apply { order, answered } => {
                world.callers[order].on_the_way -= 1;
                let answer = self.apply(&mut world, order);
                if answered && world.callers[order].answer.is_none() {
                    world.callers[order].answer = Some(answer);
                    world.callers[order].wronged |=
                        answer == Answer::CodeUsed && world.records[order].is_live();
                }
            }
            Action::DrawBudget(order) => {
                world.callers[order].owes_budget = false;
                world.budget_left -= 1;
            }
            Action::Confirm => world.records[HOLDER] = Record::Redeemed,
            Action::Cancel(order) => {
                if world.records[order].is_live() {
                    Self::give_back(&mut world, order);
                }
                world.records[order] = Record::Cancelled;
                world.cancelled[order] = true;
            }
            Action::PassTime => world.late = true,
            Action::Lapse(order) => {
                Self::give_back(&mut world, order);
                world.records[order] = Record::Lapsed;
            }
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(
                "a code belongs to the one live order that has it",
                |_, world: &World| {
                    let live = |code: usize| {
                        let orders = (0..ORDERS).filter(move |order| CODE_OF[*order] == code);
                        orders
                            .filter(|order| world.records[*order].is_live())
                            .collect::<Vec<_>>()
                    };
                    (0..CODES).all(|code| {
                        live(code) == world.owners[code].into_iter().collect::<Vec<_>>()
                    })
                },
            ),
            Property::always(
                "the books balance and nothing is overspent",
                |_, world: &World| {
                    let live = world
                        .records
                        .iter()
                        .filter(|record| record.is_live())
                        .count();
                    let spent = i8::try_from(live).unwrap();
                    spent <= BUDGET && world.budget_left >= 0 && world.budget_left + spent == BUDGET
                },
            ),
            Property::always(
                "no winner is told that its code is used",
                |_, world: &World| world.callers.iter().all(|caller| !caller.wronged),
            ),
            Property::always(
                "what was answered as redeemed is on record",
                |_, world: &World| {
                    let told = |order: usize| world.callers[order].answer == Some(Answer::Redeemed);
                    (0..ORDERS).all(|order| !told(order) || world.records[order] != Record::None)
                },
            ),
            Property::always("cancelled is final", |_, world: &World| {
                (0..ORDERS).all(|order| {
                    !world.cancelled[order] || world.records[order] == Record::Cancelled
                })
            }),
            Property::sometimes(
                "the holder wins, lapses and another order takes its code",
                |_, world: &World| {
                    world.records[HOLDER] == Record::Lapsed && world.owners[0] == Some(0)
                },
            ),
            Property::sometimes(
                "a late duplicate comes after a cancellation",
                |_, world: &World| world.callers[0].answer == Some(Answer::Cancelled),
            ),
            Property::sometimes("the budget refuses somebody", |_, world: &World| {
                world.callers[2].answer == Some(Answer::Exhausted)
            }),
        ]
    }
}

#[test]
fn the_protocol_holds_in_every_interleaving() {
    let checker = Redemption(Protocol::Right)
        .checker()
        .threads(2)
        .spawn_bfs()
        .join();
    checker.assert_properties();
    assert!(
        checker.unique_state_count() > 10_000,
        "only {} states",
        checker.unique_state_count()
    );
}

#[test]
fn the_checker_finds_the_bug_in_each_wrong_protocol() {
    let wrong = [
        (
            Protocol::ReadThenWrite,
            "a code belongs to the one live order that has it",
        ),
        (
            Protocol::NoCondition,
            "a code belongs to the one live order that has it",
        ),
        (
            Protocol::FailureMeansUsed,
            "no winner is told that its code is used",
        ),
        (
            Protocol::BudgetOutside,
            "the books balance and nothing is overspent",
        ),
    ];
    for (protocol, broken) in wrong {
        let checker = Redemption(protocol).checker().threads(2).spawn_bfs().join();
        assert!(
            checker.discovery(broken).is_some(),
            "{protocol:?} was not caught"
        );
    }
}
