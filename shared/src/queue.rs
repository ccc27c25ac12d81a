//! The orders queue. Only this module names `aws_sdk_sqs`.

use std::fmt;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::timeout::TimeoutConfig;

use crate::aws::{Aws, describe};
use crate::env::{Env, StartError};

/// Longest message the queue takes, in bytes. Source: Amazon SQS quotas, "Message size" (1 MiB since August 2025).
pub const MAX_MESSAGE_BYTES: usize = 1024 * 1024;

/// Why a message may not be in the queue; the text is for logs only.
#[derive(Debug, thiserror::Error)]
#[error("the queue is unavailable: {0}")]
pub struct QueueError(String);

/// The queue through which order events travel. It delivers at least once, in any order.
pub struct Queue {
    client: Client,
    url: String,
}

impl Queue {
    /// Connects to the queue that `ORDERS_QUEUE_URL` names. Opens no connection yet.
    ///
    /// # Errors
    /// [`StartError::Missing`] without `ORDERS_QUEUE_URL`.
    pub fn connect(env: &Env, aws: &Aws<'_>) -> Result<Self, StartError> {
        Ok(Self {
            client: Client::new(&aws.config("SQS")),
            url: env.require("ORDERS_QUEUE_URL")?,
        })
    }

    /// Puts JSON text into the queue; it is durably there once this returns `Ok`.
    ///
    /// # Errors
    /// [`QueueError`] if the queue did not confirm; the message may be there all the same.
    pub async fn send(&self, body: String) -> Result<(), QueueError> {
        let request = self.client.send_message().queue_url(&self.url);
        match request.message_body(sendable(body)).send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(QueueError(describe(&error))),
        }
    }
}

/// How long a message handed out is hidden from others, in seconds: long enough to send ten on.
const HIDDEN_SECONDS: i32 = 60;
/// How long an empty queue is waited for, in seconds, so that all of its servers are asked. Source: "Short and long polling" in
/// the SQS developer guide.
const WAIT_SECONDS: i32 = 2;
/// A receive must answer within this; it waits by itself.
const RECEIVE_TIMEOUT: Duration = Duration::from_secs(15);

/// A message taken from the dead letters; it comes back unless it is deleted. It may hold an address, so it has no `Debug`.
pub struct DeadLetter {
    /// What it says.
    pub body: String,
    receipt: String,
}

/// The queue of messages that failed too often.
pub struct DeadLetters {
    client: Client,
    url: String,
}

impl DeadLetters {
    /// Connects to the queue at `url`. Opens no connection yet.
    pub fn connect(aws: &Aws<'_>, url: String) -> Self {
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(RECEIVE_TIMEOUT)
            .operation_timeout(RECEIVE_TIMEOUT.saturating_mul(3))
            .build();
        let config = aws_sdk_sqs::config::Builder::from(&aws.config("SQS"))
            .timeout_config(timeouts)
            .build();
        Self {
            client: Client::from_conf(config),
            url,
        }
    }

    /// Up to ten messages, hidden from others for a minute; none if the queue is empty.
    ///
    /// # Errors
    /// [`QueueError`] if the queue does not answer.
    pub async fn receive(&self) -> Result<Vec<DeadLetter>, QueueError> {
        let request = self.client.receive_message().queue_url(&self.url);
        let request = request
            .max_number_of_messages(10)
            .visibility_timeout(HIDDEN_SECONDS)
            .wait_time_seconds(WAIT_SECONDS);
        let answer = request.send().await;
        let answer = answer.map_err(|error| QueueError(describe(&error)))?;
        let letter = |message: aws_sdk_sqs::types::Message| {
            Some(DeadLetter {
                body: message.body?,
                receipt: message.receipt_handle?,
            })
        };
        let messages = answer.messages.unwrap_or_default();
        Ok(messages.into_iter().filter_map(letter).collect())
    }

    /// Deletes a message that was sent on.
    ///
    /// # Errors
    /// [`QueueError`] if it is not confirmed; then it may come back.
    pub async fn delete(&self, letter: &DeadLetter) -> Result<(), QueueError> {
        let request = self.client.delete_message().queue_url(&self.url);
        let sent = request.receipt_handle(&letter.receipt).send().await;
        sent.map(|_| ())
            .map_err(|error| QueueError(describe(&error)))
    }
}

impl fmt::Debug for DeadLetters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeadLetters({})", self.url)
    }
}

/// SQS refuses the two characters that XML cannot carry; in JSON text they stand within strings, where an escape means
/// the same. Source: `SendMessage` in the SQS API reference.
fn sendable(json: String) -> String {
    if json.contains(['\u{FFFE}', '\u{FFFF}']) {
        json.replace('\u{FFFE}', "\\ufffe")
            .replace('\u{FFFF}', "\\uffff")
    } else {
        json
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Queue({})", self.url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_sqs_refuses_travels_as_escapes_and_reads_back_the_same() {
        let text = "花\u{FFFE}子\u{FFFF}";
        let sent = sendable(serde_json::to_string(text).unwrap());
        assert!(!sent.contains(['\u{FFFE}', '\u{FFFF}']), "{sent}");
        assert_eq!(serde_json::from_str::<String>(&sent).unwrap(), text);
    }
}
