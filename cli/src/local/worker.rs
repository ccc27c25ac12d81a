//! What calls functions without a request: the event source of the orders queue and the schedule.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use lambda_runtime::Error;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

use super::functions::{Mail, Orders};
use super::queue::{Delivery, Queue};

/// Most messages in one event. Source: `BatchSize` in the template.
const BATCH: usize = 10;
/// How often `send-mail` is called; on AWS each minute.
const SEND_EVERY: Duration = Duration::from_secs(1);
/// How often a failed run of `send-mail` is tried again before the caller is told.
const SEND_TRIES: u32 = 5;

/// Runs `order-completed` and `send-mail`, each one call at a time.
pub(super) struct Worker {
    queue: Arc<Queue>,
    orders: Orders,
    mail: Mail,
    orders_turn: Mutex<()>,
    mail_turn: Mutex<()>,
}

impl Worker {
    pub(super) fn new(queue: Arc<Queue>, orders: Orders, mail: Mail) -> Self {
        Self {
            queue,
            orders,
            mail,
            orders_turn: Mutex::new(()),
            mail_turn: Mutex::new(()),
        }
    }

    /// Starts the event source and the schedule.
    pub(super) fn spawn(self: &Arc<Self>, stop: &watch::Sender<bool>) -> [JoinHandle<()>; 2] {
        let (events, schedule) = (Arc::clone(self), Arc::clone(self));
        let (events_stopped, schedule_stopped) = (stop.subscribe(), stop.subscribe());
        [
            tokio::spawn(async move { events.watch_queue(events_stopped).await }),
            tokio::spawn(async move { schedule.keep_schedule(schedule_stopped).await }),
        ]
    }

    /// Runs `work` while neither event source nor schedule does.
    pub(super) async fn alone<T>(&self, work: impl Future<Output = T>) -> T {
        let _orders = self.orders_turn.lock().await;
        let _mail = self.mail_turn.lock().await;
        work.await
    }

    /// Handles everything queued and sends everything due, until there is nothing of either. Only for [`Worker::alone`].
    pub(super) async fn settle(&self) -> Result<(), Error> {
        loop {
            while let Some(at) = self.queue.next_at() {
                tokio::time::sleep_until(at).await;
                self.handle_batch().await;
            }
            let sent = self.send_due().await?;
            if sent == 0 && self.queue.next_at().is_none() {
                return Ok(());
            }
        }
    }

    async fn watch_queue(&self, mut stopped: watch::Receiver<bool>) {
        while !*stopped.borrow() {
            let ready = async {
                match self.queue.next_at() {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => self.queue.arrival().await,
                }
            };
            tokio::select! {
                () = ready => {
                    let _turn = self.orders_turn.lock().await;
                    self.handle_batch().await;
                }
                _ = stopped.changed() => return,
            }
        }
    }

    async fn keep_schedule(&self, mut stopped: watch::Receiver<bool>) {
        while !*stopped.borrow() {
            {
                let _turn = self.mail_turn.lock().await;
                if let Err(error) = run(self.mail.clone().handle()).await {
                    tracing::error!(%error, "send-mail failed; it runs again in a second");
                }
            }
            tokio::select! {
                () = tokio::time::sleep(SEND_EVERY) => {}
                _ = stopped.changed() => return,
            }
        }
    }

    async fn handle_batch(&self) {
        let orders = self.orders.clone();
        deliver(&self.queue, |event| orders.handle(event)).await;
    }

    async fn send_due(&self) -> Result<usize, Error> {
        let mut tries = 0_u32;
        loop {
            tries = tries.saturating_add(1);
            match run(self.mail.clone().handle()).await {
                Err(error) if tries < SEND_TRIES => {
                    tracing::warn!(%error, "send-mail failed; trying again");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                result => return result,
            }
        }
    }
}

/// A function's run as its own task, so that its panic ends the run and not the stack.
async fn run<T: Send + 'static>(
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    tokio::spawn(work).await?
}

/// Hands one batch to `handle` and settles each message by what it answers.
async fn deliver<F>(queue: &Queue, handle: impl FnOnce(SqsEvent) -> F)
where
    F: Future<Output = Result<SqsBatchResponse, Error>> + Send + 'static,
{
    let deliveries = queue.receive(BATCH);
    if deliveries.is_empty() {
        return;
    }
    let mut event = SqsEvent::default();
    event.records = deliveries.iter().map(record).collect();
    let answer = run(handle(event)).await;
    if let Err(error) = &answer {
        tracing::error!(%error, "order-completed failed; its messages come again");
    }
    for (delivery, failed) in judge(deliveries, answer.ok()) {
        if failed {
            queue.failed(delivery);
        } else {
            queue.handled(delivery);
        }
    }
}

/// Which messages failed: all without an answer or if the answer names one that was not in the batch, as Lambda judges it.
fn judge(deliveries: Vec<Delivery>, answer: Option<SqsBatchResponse>) -> Vec<(Delivery, bool)> {
    let failures: Option<Vec<String>> = answer.map(|answer| {
        let failures = answer.batch_item_failures.into_iter();
        failures.map(|failure| failure.item_identifier).collect()
    });
    let named = failures.filter(|failures| {
        failures
            .iter()
            .all(|id| deliveries.iter().any(|delivery| delivery.id() == id))
    });
    let failed = |id: &str| {
        named
            .as_ref()
            .is_none_or(|named| named.iter().any(|named| named == id))
    };
    let judged = deliveries.into_iter().map(|delivery| {
        let failed = failed(delivery.id());
        (delivery, failed)
    });
    judged.collect()
}

fn record(delivery: &Delivery) -> SqsMessage {
    let mut message = SqsMessage::default();
    message.message_id = Some(delivery.id().to_owned());
    message.receipt_handle = Some(delivery.id().to_owned());
    message.body = Some(delivery.body.clone());
    message.attributes = [
        ("ApproximateReceiveCount", delivery.receives().to_string()),
        ("SentTimestamp", delivery.sent_ms.to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    message.event_source = Some("aws:sqs".to_owned());
    message.event_source_arn =
        Some("arn:aws:sqs:ap-northeast-1:000000000000:okaeri-local-orders".to_owned());
    message.aws_region = Some("ap-northeast-1".to_owned());
    message
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex as StdMutex;

    use shared::clock::Clock;

    use super::*;

    type Answer = fn(&SqsEvent) -> Result<SqsBatchResponse, Error>;

    /// Delivers until nothing waits, answering each batch by `answer`; returns the bodies seen, batch by batch.
    async fn drain(queue: &Queue, answer: Answer) -> Vec<Vec<String>> {
        let seen = Arc::new(StdMutex::new(Vec::new()));
        while let Some(at) = queue.next_at() {
            tokio::time::sleep_until(at).await;
            let seen = Arc::clone(&seen);
            deliver(queue, move |event| async move {
                let bodies = event
                    .records
                    .iter()
                    .map(|record| record.body.clone().unwrap())
                    .collect();
                seen.lock().unwrap().push(bodies);
                answer(&event)
            })
            .await;
        }
        let seen = seen.lock().unwrap();
        seen.clone()
    }

    fn queue_of(dir: &tempfile::TempDir, bodies: &[&str]) -> Queue {
        let queue = Queue::open(&dir.path().join("queue"), Clock::default()).unwrap();
        for body in bodies {
            queue.send((*body).to_owned()).unwrap();
        }
        queue
    }

    fn dead(dir: &tempfile::TempDir) -> usize {
        std::fs::read_dir(dir.path().join("queue/dead"))
            .unwrap()
            .count()
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_messages_named_as_failed_come_again_and_end_among_the_dead() {
        let dir = tempfile::tempdir().unwrap();
        let queue = queue_of(&dir, &["good", "poison"]);
        let seen = drain(&queue, |event| {
            let mut answer = SqsBatchResponse::default();
            for record in &event.records {
                if record.body.as_deref() == Some("poison") {
                    answer.add_failure(record.message_id.clone().unwrap());
                }
            }
            Ok(answer)
        })
        .await;
        let mut expected = vec![vec!["good".to_owned(), "poison".to_owned()]];
        expected.resize(5, vec!["poison".to_owned()]);
        assert_eq!(seen, expected);
        assert_eq!(dead(&dir), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_or_panicking_run_and_a_failure_nobody_sent_fail_the_whole_batch() {
        let answers: [Answer; 3] = [
            |_| Err("no table".into()),
            |_| panic!("a bug"),
            |_| {
                let mut answer = SqsBatchResponse::default();
                answer.add_failure("nobody");
                Ok(answer)
            },
        ];
        for answer in answers {
            let dir = tempfile::tempdir().unwrap();
            let seen = drain(&queue_of(&dir, &["one", "two"]), answer).await;
            assert_eq!(seen.len(), 5);
            assert_eq!(dead(&dir), 2);
        }
    }

    #[tokio::test]
    async fn a_batch_holds_ten_messages_at_most() {
        let dir = tempfile::tempdir().unwrap();
        let bodies: Vec<String> = (1..=25).map(|body| body.to_string()).collect();
        let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
        let seen = drain(
            &queue_of(&dir, &bodies),
            |_| Ok(SqsBatchResponse::default()),
        )
        .await;
        assert!(seen.iter().all(|batch| batch.len() <= 10));
        // Two of the 25 come twice.
        assert_eq!(seen.concat().len(), 27);
    }
}
