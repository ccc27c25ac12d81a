//! What calls functions without a request: the event sources of the queues and the schedule.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use lambda_runtime::Error;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

use super::functions::{Consumer, Holds, Mail, Tally, Watch};
use super::queue::{Delivery, Queue};
use super::stream::{Batch, Stream};

/// Most messages in one event. Source: `BatchSize` in the template.
const BATCH: usize = 10;
/// Most records of the stream in one event. Source: `BatchSize` in the template.
const STREAM_BATCH: usize = 100;
/// Pause before a batch of the stream that failed comes again.
const STREAM_PAUSE: Duration = Duration::from_millis(100);
/// How often `send-mail` and `lapse-holds` are called; on AWS each minute.
const SEND_EVERY: Duration = Duration::from_secs(1);
/// How often `watch` is called, as on AWS; also after the clock was moved. Source: its schedule in the template.
const LOOK_EVERY: Duration = Duration::from_mins(15);
/// How often a failed run of either is tried again before the caller is told.
const SEND_TRIES: u32 = 5;

/// A queue and the function it calls, one call at a time.
pub(super) struct EventSource {
    queue: Arc<Queue>,
    consumer: Consumer,
    turn: Mutex<()>,
}

impl EventSource {
    pub(super) fn new(queue: Arc<Queue>, consumer: Consumer) -> Self {
        Self {
            queue,
            consumer,
            turn: Mutex::new(()),
        }
    }

    async fn watch(&self, mut stopped: watch::Receiver<bool>) {
        while !*stopped.borrow() {
            let ready = async {
                match self.queue.next_at() {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => self.queue.arrival().await,
                }
            };
            tokio::select! {
                () = ready => {
                    let _turn = self.turn.lock().await;
                    self.handle_batch().await;
                }
                _ = stopped.changed() => return,
            }
        }
    }

    /// Handles everything queued. Only for who has the turn.
    async fn drain(&self) {
        while let Some(at) = self.queue.next_at() {
            tokio::time::sleep_until(at).await;
            self.handle_batch().await;
        }
    }

    async fn handle_batch(&self) {
        let consumer = self.consumer.clone();
        deliver(&self.queue, |event| consumer.handle(event)).await;
    }
}

/// The table's stream and the function it calls, one call at a time.
pub(super) struct StreamSource {
    stream: Arc<Stream>,
    tally: Tally,
    turn: Mutex<()>,
}

impl StreamSource {
    pub(super) fn new(stream: Arc<Stream>, tally: Tally) -> Self {
        Self {
            stream,
            tally,
            turn: Mutex::new(()),
        }
    }

    async fn watch(&self, mut stopped: watch::Receiver<bool>) {
        while !*stopped.borrow() {
            tokio::select! {
                () = self.stream.arrival() => {
                    let _turn = self.turn.lock().await;
                    self.drain().await;
                }
                _ = stopped.changed() => return,
            }
        }
    }

    /// Counts everything written, or sets it aside. Only for who has the turn.
    async fn drain(&self) {
        loop {
            match self.stream.take(STREAM_BATCH) {
                Ok(None) => return,
                Ok(Some(batch)) => self.deliver(batch).await,
                Err(error) => {
                    tracing::error!(%error, "the stream cannot be read; trying again");
                    tokio::time::sleep(STREAM_PAUSE).await;
                }
            }
        }
    }

    async fn deliver(&self, batch: Batch) {
        let mut answer = self.call(&batch).await;
        if batch.twice {
            answer = self.call(&batch).await;
        }
        match answer {
            Ok(None) => self.stream.end(batch, None),
            Ok(Some(failed)) => {
                self.stream.end(batch, Some(&failed));
                tokio::time::sleep(STREAM_PAUSE).await;
            }
            Err(error) => {
                tracing::error!(%error, "tally failed; the batch comes again");
                self.stream.end(batch, Some(""));
                tokio::time::sleep(STREAM_PAUSE).await;
            }
        }
    }

    async fn call(&self, batch: &Batch) -> Result<Option<String>, Error> {
        let event = serde_json::from_value(batch.event.clone())?;
        run(Box::pin(self.tally.clone().handle(event))).await
    }
}

/// Runs what the queues, the stream and the schedule call.
pub(super) struct Worker {
    orders: EventSource,
    feedback: EventSource,
    mail: Mail,
    holds: Holds,
    mail_turn: Mutex<()>,
    stats: StreamSource,
    watch: Watch,
}

impl Worker {
    pub(super) fn new(
        orders: EventSource,
        feedback: EventSource,
        mail: Mail,
        holds: Holds,
        stats: StreamSource,
        watch: Watch,
    ) -> Self {
        Self {
            orders,
            feedback,
            mail,
            holds,
            mail_turn: Mutex::new(()),
            stats,
            watch,
        }
    }

    /// Starts the event sources and the schedule.
    pub(super) fn spawn(self: &Arc<Self>, stop: &watch::Sender<bool>) -> [JoinHandle<()>; 4] {
        let [orders, feedback, schedule, stats] =
            [(); 4].map(|()| (Arc::clone(self), stop.subscribe()));
        [
            tokio::spawn(async move { orders.0.orders.watch(orders.1).await }),
            tokio::spawn(async move { feedback.0.feedback.watch(feedback.1).await }),
            tokio::spawn(async move { schedule.0.keep_schedule(schedule.1).await }),
            tokio::spawn(async move { stats.0.stats.watch(stats.1).await }),
        ]
    }

    /// Runs `work` while neither event sources nor schedule do.
    pub(super) async fn alone<T>(&self, work: impl Future<Output = T>) -> T {
        let _orders = self.orders.turn.lock().await;
        let _feedback = self.feedback.turn.lock().await;
        let _mail = self.mail_turn.lock().await;
        let _stats = self.stats.turn.lock().await;
        work.await
    }

    /// Handles everything queued, sends everything due, ends overdue holds and counts it all, until there is nothing left of these. Only for [`Worker::alone`].
    pub(super) async fn settle(&self) -> Result<(), Error> {
        loop {
            self.orders.drain().await;
            self.feedback.drain().await;
            let sent = self.send_due().await?;
            let lapsed = self.lapse_due().await?;
            let queued = [&self.orders, &self.feedback]
                .iter()
                .any(|source| source.queue.next_at().is_some());
            self.stats.drain().await;
            if sent == 0 && lapsed == 0 && !queued {
                self.look().await;
                return Ok(());
            }
        }
    }

    /// Handles everything queued and counts it all, without looking for what is due. Only for [`Worker::alone`].
    pub(super) async fn hand_over(&self) {
        let queued = || {
            let sources = [&self.orders, &self.feedback];
            sources
                .iter()
                .any(|source| source.queue.next_at().is_some())
        };
        while queued() {
            self.orders.drain().await;
            self.feedback.drain().await;
        }
        self.stats.drain().await;
    }

    async fn keep_schedule(&self, mut stopped: watch::Receiver<bool>) {
        let mut looked: Option<Instant> = None;
        while !*stopped.borrow() {
            if looked.is_none_or(|at| at.elapsed() >= LOOK_EVERY) {
                self.look().await;
                looked = Some(Instant::now());
            }
            self.hear_from_ses().await;
            {
                let _turn = self.mail_turn.lock().await;
                if let Err(error) = run(Box::pin(self.mail.clone().handle())).await {
                    tracing::error!(%error, "send-mail failed; it runs again in a second");
                }
                if let Err(error) = run(Box::pin(self.holds.clone().handle())).await {
                    tracing::error!(%error, "lapse-holds failed; it runs again in a second");
                }
            }
            tokio::select! {
                () = tokio::time::sleep(SEND_EVERY) => {}
                _ = stopped.changed() => return,
            }
        }
    }

    /// Takes in what SES has reported. On AWS that is done long before anything is sent again, for want of a report, after an
    /// hour; a stack that was down for that hour would do both at once.
    async fn hear_from_ses(&self) {
        let _turn = self.feedback.turn.lock().await;
        self.feedback.drain().await;
    }

    /// Runs `watch`. It only tells: a failed run holds nothing up.
    async fn look(&self) {
        if let Err(error) = run(Box::pin(self.watch.clone().handle())).await {
            tracing::error!(%error, "watch failed; it runs again in a quarter of an hour");
        }
    }

    async fn send_due(&self) -> Result<usize, Error> {
        persist("send-mail", || Box::pin(self.mail.clone().handle())).await
    }

    async fn lapse_due(&self) -> Result<usize, Error> {
        persist("lapse-holds", || Box::pin(self.holds.clone().handle())).await
    }
}

/// Runs a scheduled function until it succeeds or has failed [`SEND_TRIES`] times.
async fn persist<F>(name: &str, mut handle: impl FnMut() -> F) -> Result<usize, Error>
where
    F: Future<Output = Result<usize, Error>> + Send + 'static,
{
    let mut tries = 0_u32;
    loop {
        tries = tries.saturating_add(1);
        match run(handle()).await {
            Err(error) if tries < SEND_TRIES => {
                tracing::warn!(%error, function = name, "a scheduled run failed; trying again");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            result => return result,
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
    event.records = deliveries
        .iter()
        .map(|delivery| record(queue, delivery))
        .collect();
    let answer = run(Box::pin(handle(event))).await;
    if let Err(error) = &answer {
        tracing::error!(%error, queue = queue.name(), "a function failed; its messages come again");
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

fn record(queue: &Queue, delivery: &Delivery) -> SqsMessage {
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
    message.event_source_arn = Some(format!(
        "arn:aws:sqs:ap-northeast-1:000000000000:{}",
        queue.name()
    ));
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
        let queue = Queue::open(&dir.path().join("queue"), "test", Clock::default()).unwrap();
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
