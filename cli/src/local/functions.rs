//! All functions, each with its own state and caches, as if it ran alone.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use axum::Router;
use shared::clock::Clock;
use shared::env::{Env, StartError};
use shared::http::edge;

use super::LocalError;

/// What the schedule gives one run of `send-mail`; on AWS the rest of its timeout.
const SEND_BUDGET: Duration = Duration::from_mins(2);

/// The functions, started.
pub(super) struct Functions {
    /// The HTTP functions behind one gateway.
    pub(super) router: Router,
    pub(super) orders: Orders,
    pub(super) mail: Mail,
}

/// `order-completed`, called by the orders queue.
#[derive(Clone)]
pub(super) struct Orders(order_completed::State);

impl Orders {
    pub(super) async fn handle(
        self,
        event: SqsEvent,
    ) -> Result<SqsBatchResponse, lambda_runtime::Error> {
        order_completed::handle(&self.0, event).await
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
            .map(|report| report.claimed)
    }
}

/// Starts every function with the stack's settings.
pub(super) async fn load(
    settings: &BTreeMap<String, String>,
    clock: &Clock,
) -> Result<Functions, LocalError> {
    let env = || Env::from_map(settings.clone());
    let named =
        |function: &'static str| move |cause: StartError| LocalError::Function { function, cause };
    let promotions = create_promotion::State::load(&env(), clock.clone())
        .await
        .map_err(named("create-promotion"))?;
    let redemptions = redeem_code::State::load(&env(), clock.clone())
        .await
        .map_err(named("redeem-code"))?;
    let webhooks = receive_order::State::load(&env(), clock.clone())
        .await
        .map_err(named("receive-order"))?;
    let landing = landing::State::load(&env(), clock.clone())
        .await
        .map_err(named("landing"))?;
    let orders = order_completed::State::load(&env(), clock.clone())
        .await
        .map_err(named("order-completed"))?;
    let mail = send_mail::State::load(&env(), clock.clone())
        .await
        .map_err(named("send-mail"))?;
    let router = create_promotion::router(promotions)
        .merge(redeem_code::router(redemptions))
        .merge(receive_order::router(webhooks))
        .merge(landing::router(landing));
    Ok(Functions {
        router: edge::finish(router),
        orders: Orders(orders),
        mail: Mail(mail),
    })
}
