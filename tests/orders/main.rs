//! 2,000 orders, delivered one to five times each, shuffled, many at a time, from two senders, with cancellations mixed in,
//! to a stack that is killed all the while: one code and one mail for each order that earns them, none for the others.
//!
//! `facts` is what happens in the shop, `model` says who is to be mailed and knows nothing of the code, `bodies` words and signs
//! the events, `delivery` kills, `outcome` compares. The seed is printed; `OKAERI_SEED` sets it.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "to clippy, integration tests and their helpers are no tests; a story is told in one piece"
)]

mod bodies;
mod delivery;
mod every_point;
mod facts;
mod model;
mod outcome;

use std::sync::Arc;
use std::time::Instant;

use delivery::Lives;

/// The seed of every run that is not told another.
const SEED: u64 = 20_261_122;

/// How much happens.
#[derive(Clone, Copy, Debug)]
struct Size {
    orders: usize,
    /// Kills while a wave of events is delivered, then while they are worked off, then while its mails are sent.
    kills: [usize; 3],
}

async fn run(size: Size) {
    let began = Instant::now();
    let given = std::env::var("OKAERI_SEED").ok();
    let seed = given.map_or(SEED, |text| text.parse().unwrap());
    say(&format!("OKAERI_SEED={seed} {size:?}"));
    let orders = Arc::new(facts::orders(seed, size.orders));
    let waves = facts::deliveries(seed, &orders);
    let delivered: usize = waves.iter().map(Vec::len).sum();
    let mut lives = Lives::new(seed);
    let process = lives.live().await;
    let made = outcome::open_shop(&process.caller).await;
    drop(process);
    let [delivering, working, sending] = size.kills;
    for wave in waves {
        lives.deliver(&orders, wave, delivering).await;
        say(&format!("{} s: delivered", began.elapsed().as_secs()));
        lives.advance("PT0S", working).await;
        say(&format!("{} s: worked off", began.elapsed().as_secs()));
        lives.advance("P3D", sending).await;
        // What was on its way when a stack died is settled, or sent again, within two hours.
        lives.advance("PT2H", 2).await;
        lives.advance("P31D", 1).await;
        say(&format!("{} s: sent", began.elapsed().as_secs()));
    }
    let process = lives.live().await;
    process.caller.advance("PT0S").await;
    let seen = outcome::Seen::look(&process.caller, &made, &orders).await;
    drop(process);
    let mails = seen.judge(&orders);
    outcome::assert_all_done(lives.directory());
    say(&format!(
        "{} s, {delivered} deliveries, {} kills, mails: {mails:?}",
        began.elapsed().as_secs(),
        lives.kills
    ));
}

/// Where a failing or asked-for run shows what it did.
fn say(text: &str) {
    #[expect(clippy::print_stderr, reason = "shown with --nocapture, or on failure")]
    {
        eprintln!("orders: {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_2000_orders_each_that_earns_them_has_one_code_and_one_mail_whatever_dies() {
    run(Size {
        orders: 2_000,
        kills: [12, 5, 6],
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes a quarter of an hour"]
async fn of_10000_orders_each_that_earns_them_has_one_code_and_one_mail_whatever_dies() {
    run(Size {
        orders: 10_000,
        kills: [60, 20, 20],
    })
    .await;
}
