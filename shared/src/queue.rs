//! The orders queue. Only this module names `aws_sdk_sqs`.

use std::fmt;

use aws_sdk_sqs::Client;

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
