//! `okaeri orders replay` and `redrive`: events into the orders queue, from a file or from its dead letters.
//!
//! Both deliver at least once, which does no harm: an order earns one code and one mail per follow-up, however often it comes.

use std::collections::HashSet;
use std::io::{IsTerminal as _, Write as _};

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use shared::aws::Aws;
use shared::domain::order::OrderEvent;
use shared::env::Env;
use shared::queue::{DeadLetters, MAX_MESSAGE_BYTES, Queue};

use super::told;
use crate::args::{Redrive, Replay};
use crate::local::{self, Found};
use crate::table::{deployed_env, unreachable};
use crate::{CliError, Said};

/// Times in a row that the queue must say it is empty: one answer may miss messages that are there.
pub(super) const EMPTY_ANSWERS: u8 = 2;

/// Sends every event of a file to the orders queue, or none if any cannot be read.
pub(crate) async fn replay(options: Replay) -> Said {
    let file = options.file.display();
    let text = std::fs::read_to_string(&options.file);
    let text = text.map_err(|error| {
        CliError::Told(format!("{file} cannot be read: {error}. Nothing was sent."))
    })?;
    let events =
        events(&text).map_err(|why| CliError::Told(format!("{file}: {why}. Nothing was sent.")))?;
    let env = match &options.queue_url {
        Some(url) => deployed_env([("ORDERS_QUEUE_URL", url.as_str())]),
        None => running(&options.data)?.0,
    };
    let queue = queue(&env)?;
    let total = events.len();
    let mut sent = options.skip.min(total);
    for event in events.into_iter().skip(options.skip) {
        if let Err(error) = queue.send(event).await {
            return told(format!(
                "Sent {sent} of {total} events of {file}, then: {error}.\nGo on with --skip {sent}; what is sent twice counts once."
            ));
        }
        sent = sent.saturating_add(1);
        progress(&format!("Sent {sent} of {total} events"));
    }
    let sent = sent.saturating_sub(options.skip);
    Ok(format!("Sent {sent} events to the orders queue.\n"))
}

/// Sends the dead letters of orders to the orders queue again, until there are none, or one comes again.
pub(crate) async fn redrive(options: Redrive) -> Said {
    let deployment = options.dead_letters_url.zip(options.queue_url);
    let (env, url) = if let Some((dead, url)) = deployment {
        (deployed_env([("ORDERS_QUEUE_URL", url.as_str())]), dead)
    } else {
        let (env, aws_url) = running(&options.data)?;
        (env, local::orders_dead_letters_url(&aws_url))
    };
    let queue = queue(&env)?;
    let aws = Aws::from_env(&env).map_err(|error| unreachable(&error))?;
    let dead = DeadLetters::connect(&aws, url);
    let mut sent = 0_usize;
    let broken = |sent: usize, error: &dyn std::fmt::Display| {
        CliError::Told(format!(
            "Sent {sent} dead letters again, then: {error}.\nRun it again to go on; what is sent twice counts once."
        ))
    };
    let (mut seen, mut empty) = (HashSet::new(), 0_u8);
    while empty < EMPTY_ANSWERS {
        let letters = dead.receive().await.map_err(|error| broken(sent, &error))?;
        empty = if letters.is_empty() {
            empty.saturating_add(1)
        } else {
            0
        };
        for letter in letters {
            // One that still fails would come back for ever.
            if !seen.insert(Sha256::digest(letter.body.as_bytes())) {
                return Ok(format!(
                    "Sent {sent} dead letters again. One of them came again: either it still fails, as the log of order-completed says, or it was there twice. Run it again to send the rest.\n"
                ));
            }
            let again = queue.send(letter.body.clone()).await;
            again.map_err(|error| broken(sent, &error))?;
            // Only what is safely in the orders queue goes from the dead letters.
            dead.delete(&letter)
                .await
                .map_err(|error| broken(sent, &error))?;
            sent = sent.saturating_add(1);
            progress(&format!("Sent {sent} dead letters again"));
        }
    }
    Ok(match sent {
        0 => "There are no dead letters.\n".to_owned(),
        _ => format!("Sent {sent} dead letters again. None is left.\n"),
    })
}

/// The environment of the local stack that runs on `data`, and where its stand-ins answer.
pub(super) fn running(data: &std::path::Path) -> Result<(Env, String), CliError> {
    match local::find(data)? {
        Found::Running {
            dynamodb_url,
            aws_url,
            ..
        } => Ok((
            Env::from_map(local::settings_at(&dynamodb_url, &aws_url)),
            aws_url,
        )),
        Found::Stopped | Found::Nothing => told(format!(
            "No local stack is running on {}. Nothing was sent.\nStart one in another terminal with `cargo run -p okaeri`, or name the queues of a deployment.",
            data.display()
        )),
    }
}

pub(super) fn queue(env: &Env) -> Result<Queue, CliError> {
    let queue = Aws::from_env(env).and_then(|aws| Queue::connect(env, &aws));
    queue.map_err(|error| unreachable(&error))
}

/// Tells a person who waits how far it is.
fn progress(text: &str) {
    if std::io::stderr().is_terminal() {
        // Nothing depends on whether it is seen.
        let _ = write!(std::io::stderr(), "\r{text} \r");
    }
}

/// The events of a file as they are queued, each checked; or which one is none.
fn events(text: &str) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    for value in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
        // The parser's message is left out: it may quote an address.
        let value = value.map_err(|error| format!("line {} is not JSON", error.line()))?;
        match value {
            Value::Array(values) => found.extend(values),
            Value::Object(mut object) => match object.remove("Records") {
                None => found.push(Value::Object(object)),
                Some(Value::Array(records)) => {
                    for record in records {
                        let body = record.get("body").and_then(Value::as_str);
                        let body = body.and_then(|body| serde_json::from_str(body).ok());
                        found.push(body.ok_or("a record has no body in JSON")?);
                    }
                }
                Some(_) => return Err("`Records` is no list".to_owned()),
            },
            _ => return Err("it holds a value that is no order event".to_owned()),
        }
    }
    if found.is_empty() {
        return Err("it holds no order event".to_owned());
    }
    let numbered = found.into_iter().enumerate();
    numbered
        .map(|(index, value)| {
            let text = value.to_string();
            let number = index.saturating_add(1);
            if serde_json::from_value::<OrderEvent>(value).is_err() {
                Err(format!("number {number} is no order event"))
            } else if text.len() > MAX_MESSAGE_BYTES {
                Err(format!(
                    "number {number} is longer than a message of the queue"
                ))
            } else {
                Ok(text)
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = r#"{"type":"order.completed","source":"custom","order_id":"1"}"#;

    #[test]
    fn events_are_read_alone_in_lists_in_lines_and_as_a_function_gets_them() {
        let record = serde_json::json!({"Records": [{"body": EVENT}, {"body": EVENT}]});
        for (text, count) in [
            (EVENT.to_owned(), 1),
            (format!("[{EVENT},{EVENT}]"), 2),
            (format!("{EVENT}\n{EVENT}\n{EVENT}\n"), 3),
            (record.to_string(), 2),
            (
                include_str!("../../../events/order-completed.order.json").to_owned(),
                1,
            ),
        ] {
            assert_eq!(events(&text).unwrap().len(), count, "{text}");
        }
    }

    #[test]
    fn a_file_with_anything_else_is_refused_whole_without_being_quoted() {
        for text in [
            String::new(),
            "[]".to_owned(),
            "7".to_owned(),
            "hanako@example.jp".to_owned(),
            format!("{EVENT}\n{{\"type\":\"hanako@example.jp\"}}"),
            format!("[{EVENT},7]"),
            r#"{"Records": [{}]}"#.to_owned(),
        ] {
            let why = events(&text).unwrap_err();
            assert!(!why.contains("hanako"), "{why}");
        }
    }
}
