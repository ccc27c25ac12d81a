//! An SQS queue: one file per message, so that an accepted message outlives the process. Delivers at least once.

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared::clock::Clock;
use shared::domain::follow_up::random_symbols;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::LocalError;
use super::data::{PARTIAL, write_whole};

/// Failed receives after which a message is dead. Source: `maxReceiveCount` in the template.
pub(super) const MAX_RECEIVES: u32 = 5;
/// One message in so many is delivered twice, as a standard queue may.
const TWICE_EVERY: u64 = 10;
/// Pause before a failed message comes again; it doubles with every failure. Real queues wait longer.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The queue.
#[derive(Debug)]
pub(super) struct Queue {
    name: &'static str,
    folder: PathBuf,
    dead: PathBuf,
    clock: Clock,
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Debug)]
struct State {
    next: u64,
    waiting: VecDeque<Waiting>,
    /// Until when dead messages that were handed out are hidden.
    hidden: HashMap<String, Instant>,
}

#[derive(Debug)]
struct Waiting {
    id: String,
    failures: u32,
    /// To be delivered once more after it was handled.
    twice: bool,
    not_before: Instant,
}

#[derive(Debug, Deserialize, Serialize)]
struct Stored {
    body: String,
    sent_ms: i64,
}

/// A message handed out; it stays in the queue until [`Queue::handled`].
#[derive(Debug)]
pub(super) struct Delivery {
    waiting: Waiting,
    pub(super) body: String,
    /// When it was sent, milliseconds since 1970.
    pub(super) sent_ms: i64,
}

impl Delivery {
    pub(super) fn id(&self) -> &str {
        &self.waiting.id
    }

    /// How often it was handed out without success, this time included.
    pub(super) fn receives(&self) -> u32 {
        self.waiting.failures.saturating_add(1)
    }
}

impl Queue {
    /// Opens the queue in `folder` with every message that was accepted and not yet handled.
    pub(super) fn open(
        folder: &Path,
        name: &'static str,
        clock: Clock,
    ) -> Result<Self, LocalError> {
        let dead = folder.join("dead");
        let opened = fs::create_dir_all(&dead).and_then(|()| message_ids(folder));
        let ids = opened.map_err(|error| LocalError::data(folder, error))?;
        let last_dead = message_ids(&dead)
            .map_err(|error| LocalError::data(&dead, error))?
            .pop();
        let last = ids
            .iter()
            .chain(&last_dead)
            .filter_map(|id| number(id))
            .max();
        let now = Instant::now();
        let waiting = ids.into_iter().map(|id| Waiting::new(id, now)).collect();
        Ok(Self {
            name,
            folder: folder.to_owned(),
            dead,
            clock,
            state: Mutex::new(State {
                next: last.map_or(1, |last| last.saturating_add(1)),
                waiting,
                hidden: HashMap::new(),
            }),
            arrived: Notify::new(),
        })
    }

    /// What AWS would call it.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// Accepts a message: once this returns its id, it is on disk.
    pub(super) fn send(&self, body: String) -> std::io::Result<String> {
        let number = {
            let mut state = self.state();
            let number = state.next;
            state.next = number.saturating_add(1);
            number
        };
        let id = format!("{number:012}-{}", random_symbols(12));
        let stored = Stored {
            body,
            sent_ms: self.clock.now().timestamp_millis(),
        };
        write_whole(&self.file(&id), &serde_json::to_vec(&stored)?)?;
        self.state()
            .waiting
            .push_back(Waiting::new(id.clone(), Instant::now()));
        self.arrived.notify_one();
        Ok(id)
    }

    /// Hands out up to `limit` messages whose time has come.
    pub(super) fn receive(&self, limit: usize) -> Vec<Delivery> {
        let now = Instant::now();
        let mut ready = Vec::new();
        {
            let mut state = self.state();
            for _ in 0..state.waiting.len() {
                let Some(waiting) = state.waiting.pop_front() else {
                    break;
                };
                if ready.len() < limit && waiting.not_before <= now {
                    ready.push(waiting);
                } else {
                    state.waiting.push_back(waiting);
                }
            }
        }
        ready
            .into_iter()
            .filter_map(|waiting| self.deliver(waiting))
            .collect()
    }

    fn deliver(&self, waiting: Waiting) -> Option<Delivery> {
        let read = fs::read(self.file(&waiting.id))
            .and_then(|bytes| Ok(serde_json::from_slice::<Stored>(&bytes)?));
        match read {
            Ok(stored) => Some(Delivery {
                waiting,
                body: stored.body,
                sent_ms: stored.sent_ms,
            }),
            Err(error) => {
                tracing::error!(%error, message.id = waiting.id, "a queued message cannot be read");
                self.bury(&waiting.id);
                None
            }
        }
    }

    /// Takes a handled message from the queue, unless it is one of those delivered twice.
    pub(super) fn handled(&self, delivery: Delivery) {
        let mut waiting = delivery.waiting;
        if waiting.twice {
            waiting.twice = false;
            self.state().waiting.push_back(waiting);
        } else if let Err(error) = fs::remove_file(self.file(&waiting.id)) {
            tracing::warn!(%error, message.id = waiting.id, "a handled message could not be deleted and will come again");
        }
    }

    /// Puts a message back whose handling failed, or among the dead if it failed too often.
    pub(super) fn failed(&self, delivery: Delivery) {
        let mut waiting = delivery.waiting;
        waiting.failures = waiting.failures.saturating_add(1);
        if waiting.failures >= MAX_RECEIVES {
            tracing::error!(message.id = waiting.id, folder = %self.dead.display(), "a message failed too often and was set aside");
            return self.bury(&waiting.id);
        }
        let doublings = waiting.failures.saturating_sub(1);
        waiting.not_before =
            Instant::now() + FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(doublings));
        self.state().waiting.push_back(waiting);
    }

    fn bury(&self, id: &str) {
        let grave = self.dead.join(format!("{id}.json"));
        if let Err(error) = fs::rename(self.file(id), grave) {
            tracing::error!(%error, message.id = id, "a dead message could not be set aside");
        }
    }

    /// Hands out up to `limit` dead messages, id and body, and hides them for `hidden_for`.
    pub(super) fn receive_dead(
        &self,
        limit: usize,
        hidden_for: Duration,
    ) -> std::io::Result<Vec<(String, String)>> {
        let now = Instant::now();
        let mut state = self.state();
        state.hidden.retain(|_, until| now < *until);
        let mut handed_out = Vec::new();
        for id in message_ids(&self.dead)? {
            if handed_out.len() == limit {
                break;
            }
            if state.hidden.contains_key(&id) {
                continue;
            }
            let bytes = fs::read(self.dead.join(format!("{id}.json")))?;
            // What cannot be read stays where it is.
            if let Ok(stored) = serde_json::from_slice::<Stored>(&bytes) {
                state.hidden.insert(id.clone(), now + hidden_for);
                handed_out.push((id, stored.body));
            }
        }
        Ok(handed_out)
    }

    /// Deletes a dead message, if there is one of this id.
    pub(super) fn delete_dead(&self, id: &str) -> std::io::Result<()> {
        if message_ids(&self.dead)?.iter().any(|dead| dead == id) {
            fs::remove_file(self.dead.join(format!("{id}.json")))?;
        }
        Ok(())
    }

    /// When the next waiting message may be handed out; `None` if none waits.
    pub(super) fn next_at(&self) -> Option<Instant> {
        self.state()
            .waiting
            .iter()
            .map(|waiting| waiting.not_before)
            .min()
    }

    /// Returns when a message may have arrived since the last call.
    pub(super) async fn arrival(&self) {
        self.arrived.notified().await;
    }

    fn file(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}.json"))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn new(id: String, now: Instant) -> Self {
        let twice = number(&id).is_some_and(|number| number % TWICE_EVERY == 0);
        Self {
            id,
            failures: 0,
            twice,
            not_before: now,
        }
    }
}

/// The running number an id begins with.
fn number(id: &str) -> Option<u64> {
    id.split('-').next()?.parse().ok()
}

/// Ids of the messages in a folder, oldest first. What a dying process left half-written was never accepted and goes.
fn message_ids(folder: &Path) -> std::io::Result<Vec<String>> {
    let mut ids = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let stem = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .map(str::to_owned);
        match path.extension().and_then(|extension| extension.to_str()) {
            Some(PARTIAL) => fs::remove_file(&path)?,
            Some("json") => ids.extend(stem),
            _ => {}
        }
    }
    ids.sort();
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(dir: &tempfile::TempDir) -> Queue {
        Queue::open(&dir.path().join("queue"), "test", Clock::default()).unwrap()
    }

    fn bodies(deliveries: &[Delivery]) -> Vec<&str> {
        deliveries
            .iter()
            .map(|delivery| delivery.body.as_str())
            .collect()
    }

    #[test]
    fn an_accepted_message_survives_the_process_until_it_is_handled() {
        let dir = tempfile::tempdir().unwrap();
        let queue = open(&dir);
        queue.send("first".to_owned()).unwrap();
        queue.send("second".to_owned()).unwrap();
        let handed_out = queue.receive(10);
        assert_eq!(bodies(&handed_out), ["first", "second"]);
        // The process dies with both in hand, and a third half-written.
        drop(queue);
        fs::write(dir.path().join("queue/000000000003-x.partial"), "{\"bo").unwrap();

        let queue = open(&dir);
        let mut again = queue.receive(10);
        assert_eq!(bodies(&again), ["first", "second"]);
        queue.handled(again.remove(0));
        drop(queue);

        let queue = open(&dir);
        assert_eq!(bodies(&queue.receive(10)), ["second"]);
        let third = queue.send("third".to_owned()).unwrap();
        assert!(third.starts_with("000000000003-"), "{third}");
    }

    #[test]
    fn one_message_in_ten_comes_twice() {
        let dir = tempfile::tempdir().unwrap();
        let queue = open(&dir);
        for body in 1..=20 {
            queue.send(body.to_string()).unwrap();
        }
        let mut seen = Vec::new();
        while queue.next_at().is_some() {
            for delivery in queue.receive(3) {
                seen.push(delivery.body.clone());
                queue.handled(delivery);
            }
        }
        assert_eq!(seen.len(), 22);
        for twice in ["10", "20"] {
            assert_eq!(seen.iter().filter(|body| *body == twice).count(), 2);
        }
        assert!(message_ids(&queue.folder).unwrap().is_empty());
    }

    #[test]
    fn a_message_that_fails_five_times_is_set_aside_and_not_lost() {
        let dir = tempfile::tempdir().unwrap();
        let queue = open(&dir);
        queue.send("poison".to_owned()).unwrap();
        let mut receives = 0;
        while queue.next_at().is_some() {
            // Its pause is over.
            for waiting in &mut queue.state().waiting {
                waiting.not_before = Instant::now();
            }
            for delivery in queue.receive(1) {
                receives += 1;
                assert_eq!(delivery.receives(), receives);
                queue.failed(delivery);
            }
        }
        assert_eq!(receives, MAX_RECEIVES);
        assert_eq!(message_ids(&queue.dead).unwrap().len(), 1);
        assert!(message_ids(&queue.folder).unwrap().is_empty());
    }
}
