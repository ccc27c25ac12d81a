//! What happens in the shop: orders, how each ends, and how often each event about them is delivered. All from one seed.

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

/// Orders come in two waves, a month apart.
pub(crate) const WAVES: usize = 2;
/// Buyers who order again and again; others order once.
const REGULARS: usize = 250;
/// Most orders of one buyer: of more, the shop's service does not promise to know which was the first.
const MOST_OF_A_BUYER: usize = 20;

/// Who sends the shop's webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    Shopify,
    StandardWebhooks,
}

/// What the order says about marketing mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Consent {
    Given,
    Refused,
    Absent,
}

/// Where the buyer can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// This buyer's, in one of three spellings.
    Of {
        buyer: usize,
        spelling: usize,
    },
    MarketplaceAlias,
    None,
}

/// What was paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paid {
    Yen(u64),
    UsCents(u64),
}

/// What happened to an order besides that it was completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Cancelled,
    Refunded,
    RefundedInPart,
}

/// One order, as the shop knows it.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) number: usize,
    pub(crate) id: String,
    pub(crate) sender: Sender,
    /// Sold on a marketplace that forbids mail to its buyers.
    pub(crate) marketplace: bool,
    pub(crate) address: Address,
    pub(crate) consent: Consent,
    pub(crate) paid: Paid,
    /// In which wave it was completed, if ever.
    pub(crate) completed: Option<usize>,
    /// How it ended, and in which wave that was told.
    pub(crate) end: Option<(End, usize)>,
}

/// What an event tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Completed,
    Ended(End),
}

/// One delivery of an event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delivery {
    /// The order's number.
    pub(crate) order: usize,
    pub(crate) told: Told,
}

impl Address {
    /// Whose it is.
    pub(crate) fn buyer(self) -> Option<usize> {
        match self {
            Self::Of { buyer, .. } => Some(buyer),
            Self::MarketplaceAlias | Self::None => None,
        }
    }
}

/// `count` orders.
pub(crate) fn orders(seed: u64, count: usize) -> Vec<Order> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut per_buyer = std::collections::BTreeMap::<usize, usize>::new();
    let mut all = Vec::new();
    for number in 0..count {
        let mut order = order(&mut rng, number);
        if let Some(buyer) = order.address.buyer() {
            let known = per_buyer.entry(buyer).or_default();
            *known += 1;
            if *known > MOST_OF_A_BUYER {
                order.address = Address::None;
            }
        }
        all.push(order);
    }
    all
}

fn order(rng: &mut StdRng, number: usize) -> Order {
    let sender = pick(
        rng,
        &[(50, Sender::Shopify), (50, Sender::StandardWebhooks)],
    );
    let completed = pick(rng, &[(68, Some(0)), (29, Some(1)), (3, None)]);
    Order {
        number,
        id: match sender {
            Sender::Shopify => format!("{}", 5_550_000_000_000 + number),
            Sender::StandardWebhooks => format!("S-{number}"),
        },
        sender,
        marketplace: sender == Sender::StandardWebhooks && rng.random_ratio(1, 12),
        address: address(rng, number),
        consent: pick(
            rng,
            &[
                (80, Consent::Given),
                (12, Consent::Refused),
                (8, Consent::Absent),
            ],
        ),
        paid: paid(rng),
        completed,
        end: end(rng, completed),
    }
}

fn address(rng: &mut StdRng, number: usize) -> Address {
    let buyer = if rng.random_ratio(1, 2) {
        rng.random_range(0..REGULARS)
    } else {
        REGULARS + number
    };
    let spelling = rng.random_range(0..3);
    let addresses = [
        (92, Address::Of { buyer, spelling }),
        (4, Address::MarketplaceAlias),
        (4, Address::None),
    ];
    pick(rng, &addresses)
}

/// Below, at and above what the follow-ups ask for.
fn paid(rng: &mut StdRng) -> Paid {
    let paid = [
        (12, Paid::Yen(2_999)),
        (12, Paid::Yen(3_000)),
        (16, Paid::Yen(3_001)),
        (30, Paid::Yen(5_460)),
        (8, Paid::Yen(8_999)),
        (8, Paid::Yen(9_000)),
        (9, Paid::Yen(12_000)),
        (5, Paid::UsCents(1_050)),
    ];
    pick(rng, &paid)
}

/// How it ends, told at any time: long before it is completed, in the same shuffle, or after the mail has gone.
fn end(rng: &mut StdRng, completed: Option<usize>) -> Option<(End, usize)> {
    let ends = [
        (80, None),
        (6, Some(End::Cancelled)),
        (7, Some(End::Refunded)),
        (7, Some(End::RefundedInPart)),
    ];
    // Of an order that was never completed only its end is told.
    let end = match completed {
        None => End::Cancelled,
        Some(_) => pick(rng, &ends)?,
    };
    let told = if rng.random_ratio(2, 3) {
        completed.unwrap_or(0)
    } else {
        rng.random_range(0..WAVES)
    };
    Some((end, told))
}

/// Every event one to five times, shuffled, by wave. A few repetitions of the first wave's come in the second.
pub(crate) fn deliveries(seed: u64, orders: &[Order]) -> [Vec<Delivery>; WAVES] {
    let mut rng = StdRng::seed_from_u64(seed ^ 0x00DE_11E4);
    let mut waves = [Vec::new(), Vec::new()];
    for order in orders {
        let completed = order.completed.map(|wave| (Told::Completed, wave));
        let ended = order.end.map(|(end, wave)| (Told::Ended(end), wave));
        for (told, wave) in completed.into_iter().chain(ended) {
            let times = pick(&mut rng, &[(55, 1), (20, 2), (13, 3), (7, 4), (5, 5)]);
            for repetition in 0..times {
                let late = repetition > 0 && rng.random_ratio(1, 20);
                let wave = if late { WAVES - 1 } else { wave };
                waves[wave].push(Delivery {
                    order: order.number,
                    told,
                });
            }
        }
    }
    for wave in &mut waves {
        wave.shuffle(&mut rng);
    }
    waves
}

/// One of `choices`, by weight.
fn pick<T: Copy>(rng: &mut StdRng, choices: &[(u32, T)]) -> T {
    let total: u32 = choices.iter().map(|(weight, _)| weight).sum();
    let mut left = rng.random_range(0..total);
    for (weight, choice) in choices {
        if left < *weight {
            return *choice;
        }
        left -= weight;
    }
    choices[0].1
}
