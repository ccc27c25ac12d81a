//! `okaeri orders`: `send` sends a sample order, signed as its provider signs, to the local stack; `replay`, `redrive` and
//! `quarantine` send again what was lost on the way, to a local stack or a deployment; `forget` deletes a person's from it.

mod forget;
mod quarantine;
mod queues;
pub(crate) mod sample;

pub(crate) use forget::forget;
pub(crate) use quarantine::run as quarantine;
pub(crate) use queues::{redrive, replay};

use axum::body::Body;
use axum::http::{Request, StatusCode};
use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::args::SendOrder;
use crate::local::{self, Found};
use crate::{CliError, Said, client};

/// Lines of the sample order: two bags of tea at 1,980 yen and a cup at 1,500.
const TOTAL_YEN: u64 = 5_460;

#[derive(Deserialize)]
struct Time {
    now: DateTime<Utc>,
}

/// Sends the order and says what became of it.
pub(crate) async fn send(order: SendOrder) -> Said {
    let url = address(&order)?;
    let now = stack_time(&url).await?;
    let order_id = order
        .order_id
        .clone()
        .unwrap_or_else(|| now.timestamp_millis().to_string());
    let sale = sample::Sale::sample(&order, &order_id);
    let request = sale.webhook(order.provider, now)?.build(&url)?;
    let (status, answer) = client::send(request).await?;
    let answer = String::from_utf8_lossy(&answer);
    if status != StatusCode::OK {
        return told(format!(
            "The stack answered {status} and took nothing:\n{answer}"
        ));
    }
    Ok(said(&order, &order_id, &url, &answer))
}

fn said(order: &SendOrder, order_id: &str, url: &str, answer: &str) -> String {
    let consent = if order.no_consent {
        "The buyer did not agree to mails, so a follow-up that requires consent sends none (reason: no-consent)."
    } else {
        "A follow-up whose conditions it meets queues a mail within a second."
    };
    format!(
        "Sent order {order_id} of ¥{TOTAL_YEN}. The stack answered: {answer}\n{consent}\n\nNext:\n\
        - move the clock to the day the mail is due:\n\
        \x20   curl -X POST -H 'Content-Type: application/json' -d '{{\"advance\":\"P3D\"}}' {url}/local/clock\n\
        - read it: {url}/local/inbox\n\
        - no follow-up yet? POST {url}/v1/follow-ups (README, \"Thank-you mail\")\n"
    )
}

/// Where the stack answers: as told, or as the data directory says.
fn address(order: &SendOrder) -> Result<String, CliError> {
    if let Some(url) = &order.url {
        return Ok(url.trim_end_matches('/').to_owned());
    }
    match local::find(&order.data)? {
        Found::Running { url, .. } => Ok(url),
        Found::Stopped | Found::Nothing => told(format!(
            "No local stack is running on {}. Nothing was sent.\nStart one in another terminal with `cargo run -p okaeri`, or name one with --url http://127.0.0.1:PORT.",
            order.data.display()
        )),
    }
}

/// The stack's time: signatures carry it, and the stack's clock may have been moved.
pub(crate) async fn stack_time(url: &str) -> Result<DateTime<Utc>, CliError> {
    let request = Request::get(format!("{url}/local/clock")).body(Body::empty());
    let request =
        request.map_err(|error| CliError::Told(format!("{url} is no address: {error}.")))?;
    let (_, answer) = client::send(request).await?;
    match serde_json::from_slice::<Time>(&answer) {
        Ok(time) => Ok(time.now),
        Err(_) => told(format!(
            "{url} is not a local stack: its /local/clock does not tell the time. Sample orders are only for local stacks. Nothing was sent."
        )),
    }
}

fn told<T>(what: impl Into<String>) -> Result<T, CliError> {
    Err(CliError::Told(what.into()))
}
