//! All functions, each with its own state and caches, as if it ran alone.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_lambda_events::event::dynamodb;
use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use axum::Router;
use shared::clock::Clock;
use shared::env::{Env, StartError};
use shared::http::edge;

use super::{LocalError, access};

/// What the schedule gives one run of `send-mail` or `lapse-holds`; on AWS the rest of its timeout.
const SEND_BUDGET: Duration = Duration::from_mins(2);

/// The functions, started.
pub(super) struct Functions {
    /// The HTTP functions behind one gateway.
    pub(super) router: Router,
    /// Called by the orders queue.
    pub(super) orders: Consumer,
    /// Called by the queue of SES events.
    pub(super) feedback: Consumer,
    pub(super) mail: Mail,
    pub(super) holds: Holds,
    /// Called by the table's stream.
    pub(super) tally: Tally,
    pub(super) watch: Watch,
}

/// A function that a queue calls.
#[derive(Clone)]
pub(super) enum Consumer {
    OrderCompleted(order_completed::State),
    MailFeedback(mail_feedback::State),
}

impl Consumer {
    pub(super) async fn handle(
        self,
        event: SqsEvent,
    ) -> Result<SqsBatchResponse, lambda_runtime::Error> {
        match self {
            Self::OrderCompleted(state) => order_completed::handle(&state, event).await,
            Self::MailFeedback(state) => mail_feedback::handle(&state, event).await,
        }
    }
}

/// `send-mail`, called by the schedule.
#[derive(Clone)]
pub(super) struct Mail(send_mail::State);

impl Mail {
    /// One run; answers how many mails it worked on.
    pub(super) async fn handle(self) -> Result<usize, lambda_runtime::Error> {
        send_mail::handle(&self.0, SEND_BUDGET)
            .await
            .map(|report| report.claimed.saturating_add(report.tests))
    }
}

/// `lapse-holds`, called by the schedule.
#[derive(Clone)]
pub(super) struct Holds(lapse_holds::State);

impl Holds {
    /// One run; answers how many holds it ended.
    pub(super) async fn handle(self) -> Result<usize, lambda_runtime::Error> {
        lapse_holds::handle(&self.0, SEND_BUDGET)
            .await
            .map(|report| report.lapsed)
    }
}

/// `watch`, called by the schedule.
#[derive(Clone)]
pub(super) struct Watch(watch::State);

impl Watch {
    /// One run.
    pub(super) async fn handle(self) -> Result<(), lambda_runtime::Error> {
        watch::handle(&self.0).await.map(drop)
    }
}

/// `tally`, called by the table's stream.
#[derive(Clone)]
pub(super) struct Tally(tally::State);

impl Tally {
    /// Counts a batch; answers the record from which on it failed, if it did.
    pub(super) async fn handle(
        self,
        event: dynamodb::Event,
    ) -> Result<Option<String>, lambda_runtime::Error> {
        let answer = tally::handle(&self.0, event).await?;
        let mut failures = answer.batch_item_failures.into_iter();
        Ok(failures.next().and_then(|failure| failure.item_identifier))
    }
}

/// Starts every function with the stack's settings.
pub(super) async fn load(
    settings: &BTreeMap<String, String>,
    clock: &Clock,
) -> Result<Functions, LocalError> {
    // Each has an access key of its own, by which the stand-ins can tell who asks.
    let env = |function: &str| {
        let mut settings = settings.clone();
        settings.insert("AWS_ACCESS_KEY_ID".to_owned(), access::key_of(function));
        Env::from_map(settings)
    };
    let named =
        |function: &'static str| move |cause: StartError| LocalError::Function { function, cause };
    let promotions = create_promotion::State::load(&env("create-promotion"), clock.clone())
        .await
        .map_err(named("create-promotion"))?;
    let redemptions = redeem_code::State::load(&env("redeem-code"), clock.clone())
        .await
        .map_err(named("redeem-code"))?;
    let webhooks = receive_order::State::load(&env("receive-order"), clock.clone())
        .await
        .map_err(named("receive-order"))?;
    let landing = landing::State::load(&env("landing"), clock.clone())
        .await
        .map_err(named("landing"))?;
    let console = console::State::load(&env("console"), clock.clone())
        .await
        .map_err(named("console"))?;
    let orders = order_completed::State::load(&env("order-completed"), clock.clone())
        .await
        .map_err(named("order-completed"))?;
    let feedback = mail_feedback::State::load(&env("mail-feedback"), clock.clone())
        .await
        .map_err(named("mail-feedback"))?;
    let mail = send_mail::State::load(&env("send-mail"), clock.clone())
        .await
        .map_err(named("send-mail"))?;
    let holds = lapse_holds::State::load(&env("lapse-holds"), clock.clone())
        .await
        .map_err(named("lapse-holds"))?;
    let tally = tally::State::load(&env("tally"), clock.clone())
        .await
        .map_err(named("tally"))?;
    let watch = watch::State::load(&env("watch"), clock.clone())
        .await
        .map_err(named("watch"))?;
    let router = create_promotion::router(promotions)
        .merge(redeem_code::router(redemptions))
        .merge(receive_order::router(webhooks))
        .merge(landing::router(landing))
        .merge(console::router(console))
        .merge(docs::router());
    Ok(Functions {
        router: edge::finish(router),
        orders: Consumer::OrderCompleted(orders),
        feedback: Consumer::MailFeedback(feedback),
        mail: Mail(mail),
        holds: Holds(holds),
        tally: Tally(tally),
        watch: Watch(watch),
    })
}
