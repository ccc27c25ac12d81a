//! Delivers events to a stack that is killed over and over again.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::StreamExt as _;
use integration::{Caller, Process};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use shared::clock::Clock;
use tokio::sync::watch;

use crate::bodies;
use crate::facts::{Delivery, Order};

/// Deliveries on their way at any time.
const AT_ONCE: usize = 24;
/// How long a sender whose connection broke waits for another stack before it tries the same again.
const IMPATIENCE: Duration = Duration::from_secs(1);

/// The shop's stack, which lives many times on one directory.
pub(crate) struct Lives {
    directory: tempfile::TempDir,
    clock: Clock,
    /// Whoever answers now.
    living: watch::Sender<Option<Caller>>,
    rng: StdRng,
    pub(crate) kills: usize,
}

impl Lives {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            clock: Clock::default(),
            living: watch::Sender::new(None),
            rng: StdRng::seed_from_u64(seed ^ 0x000D_EAD5),
            kills: 0,
        }
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) async fn live(&self) -> Process {
        let process = start(self.directory.path());
        let answer = process.caller.call("", "GET /local/clock", Value::Null);
        let ahead = answer.await.expect(200).body["offset_seconds"].clone();
        let ahead = TimeDelta::seconds(ahead.as_i64().unwrap());
        self.clock.advance(ahead - self.clock.offset());
        self.living.send_replace(Some(process.caller.clone()));
        process
    }

    fn kill(&mut self, process: Process) {
        process.kill();
        self.living.send_replace(None);
        self.kills += 1;
    }

    /// Delivers everything, each until it is answered 2xx, while the stack is killed after every so many answers.
    pub(crate) async fn deliver(
        &mut self,
        orders: &Arc<Vec<Order>>,
        wave: Vec<Delivery>,
        kills: usize,
    ) {
        let count = wave.len();
        let taken = Arc::new(watch::Sender::new(0));
        let senders = {
            let (orders, taken) = (Arc::clone(orders), Arc::clone(&taken));
            let (living, clock) = (self.living.subscribe(), self.clock.clone());
            tokio::spawn(async move {
                let each = wave.into_iter().map(|delivery| {
                    let (living, orders, clock) =
                        (living.clone(), Arc::clone(&orders), clock.clone());
                    let taken = Arc::clone(&taken);
                    async move {
                        send(living, &clock, &orders[delivery.order], delivery).await;
                        taken.send_modify(|taken| *taken += 1);
                    }
                });
                let all = futures_util::stream::iter(each).buffer_unordered(AT_ONCE);
                all.collect::<()>().await;
            })
        };
        let mut progress = taken.subscribe();
        for kill in 1..=kills {
            let process = self.live().await;
            let until = count * kill / (kills + 1);
            progress.wait_for(|taken| *taken >= until).await.unwrap();
            // At any moment between two answers, and of what goes on behind them.
            let more = Duration::from_millis(self.rng.random_range(0..60));
            tokio::time::sleep(more).await;
            self.kill(process);
        }
        let process = self.live().await;
        senders.await.unwrap();
        self.kill(process);
    }

    /// Moves the clock on, or further if the stack dies after it did, and works off all that is due, killed `kills` times on the way.
    pub(crate) async fn advance(&mut self, by: &str, kills: usize) {
        for _ in 0..kills {
            let process = self.live().await;
            let work = {
                let (caller, body) = (process.caller.clone(), json!({"advance": by}));
                let request = caller
                    .request(reqwest::Method::POST, "/local/clock")
                    .json(&body);
                tokio::spawn(async move { caller.try_send(request).await.is_ok() })
            };
            let so_long = Duration::from_millis(self.rng.random_range(20..1_200));
            let done = tokio::time::timeout(so_long, work).await;
            self.kill(process);
            if matches!(done, Ok(Ok(true))) {
                return;
            }
        }
        let process = self.live().await;
        process.caller.advance(by).await;
        self.kill(process);
    }
}

/// The stack on `directory`.
pub(crate) fn start(directory: &Path) -> Process {
    Process::start(env!("CARGO_BIN_EXE_integration"), directory)
}

/// Sends a delivery to whoever lives until it is answered 2xx, as senders do.
async fn send(
    mut living: watch::Receiver<Option<Caller>>,
    clock: &Clock,
    order: &Order,
    delivery: Delivery,
) {
    loop {
        let caller = living
            .wait_for(Option::is_some)
            .await
            .unwrap()
            .clone()
            .unwrap();
        let request = bodies::request(&caller, clock, order, delivery.told);
        match caller.try_send(request).await {
            Ok(answer) if answer.status == 200 => {
                assert_eq!(answer.body["quarantined"], Value::Null, "{}", answer.text);
                return;
            }
            Ok(answer) => assert_eq!(answer.status, 503, "{}", answer.text),
            Err(_) => {
                // Whether it lives on under another address or only broke a connection.
                let _ = tokio::time::timeout(IMPATIENCE, living.changed()).await;
            }
        }
    }
}
