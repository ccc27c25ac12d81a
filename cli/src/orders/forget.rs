//! `okaeri orders forget`: deletes what still waits of a person among dead letters and in quarantine. The API forgets what the
//! table knows; orders that come later, from a queue too, write nothing about them.

use std::collections::HashSet;

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use shared::aws::Aws;
use shared::domain::identity::{Email, IdentityKey, PersonHash};
use shared::queue::DeadLetters;
use shared::store::Quarantine;

use super::quarantine::Place;
use super::queues::{EMPTY_ANSWERS, running};
use crate::args::{ForgetOrders, QuarantineTarget};
use crate::local;
use crate::table::{deployed_env, unreachable};
use crate::{CliError, Said};

/// Looks through both places and deletes what names the address, in any of its spellings.
pub(crate) async fn forget(options: ForgetOrders) -> Said {
    let person = Wanted::new(&options.email);
    let mut letters = 0_usize;
    let (env, urls) = if options.dead_letters_url.is_empty() {
        let (env, aws_url) = running(&options.data)?;
        (env, vec![local::orders_dead_letters_url(&aws_url)])
    } else {
        (deployed_env([]), options.dead_letters_url)
    };
    let aws = Aws::from_env(&env).map_err(|error| unreachable(&error))?;
    for url in urls {
        let deleted = from_queue(&DeadLetters::connect(&aws, url), &person).await?;
        letters = letters.saturating_add(deleted);
    }
    let place = Place::open(&QuarantineTarget {
        data: options.data,
        table: options.quarantine_table,
    })
    .await?;
    let bodies = from_quarantine(place.quarantine(), &person).await;
    place.close().await;
    let bodies = bodies?;
    Ok(format!(
        "Deleted {letters} dead letters and {bodies} quarantined webhooks that named the address.\nDead letters that were looked at show again within a minute. What the table knows is forgotten by POST /v1/customers/forget.\n"
    ))
}

/// Whom to look for: compared as the table compares people, under a key of no meaning.
struct Wanted {
    key: IdentityKey,
    person: PersonHash,
}

impl Wanted {
    fn new(email: &Email) -> Self {
        let key = IdentityKey::from_secret(b"compared within one run, and kept nowhere");
        let person = key.person(email);
        Self { key, person }
    }

    /// Whether a body names the person, in whatever field, as JSON or any other text.
    fn is_named_in(&self, body: &[u8]) -> bool {
        let text = String::from_utf8_lossy(body);
        let mut texts = vec![text.replace("%40", "@")];
        if let Ok(value) = serde_json::from_slice(body) {
            strings(value, &mut texts);
        }
        texts.iter().any(|text| self.is_in(text))
    }

    fn is_in(&self, text: &str) -> bool {
        // Some signs may be part of an address, but more often stand around one.
        [".!#$%&'*+/=?^_`{|}~@-", ".+_@-"].iter().any(|signs| {
            text.split(|symbol: char| !symbol.is_alphanumeric() && !signs.contains(symbol))
                .map(|word| word.trim_matches(['.', '\'']))
                .filter(|word| word.contains('@'))
                .filter_map(|word| Email::try_from(word.to_owned()).ok())
                .any(|email| self.key.person(&email) == self.person)
        })
    }
}

/// All texts of a JSON value, their escapes read.
fn strings(value: Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(values) => values.into_iter().for_each(|value| strings(value, found)),
        Value::Object(fields) => {
            for (name, value) in fields {
                found.push(name);
                strings(value, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Deletes the dead letters that name the person; the others come back after their minute.
async fn from_queue(dead: &DeadLetters, person: &Wanted) -> Result<usize, CliError> {
    let broken = |error: &dyn std::fmt::Display| {
        CliError::Told(format!(
            "{error}.\nWhat was deleted by then is gone; run it again for the rest."
        ))
    };
    let (mut deleted, mut empty, mut seen) = (0_usize, 0_u8, HashSet::new());
    while empty < EMPTY_ANSWERS {
        let letters = dead.receive().await.map_err(|error| broken(&error))?;
        // Nothing new: the queue is empty, or its letters come round again.
        let mut news = false;
        for letter in letters {
            if person.is_named_in(letter.body.as_bytes()) {
                dead.delete(&letter).await.map_err(|error| broken(&error))?;
                deleted = deleted.saturating_add(1);
                news = true;
            } else {
                news |= seen.insert(Sha256::digest(letter.body.as_bytes()));
            }
        }
        empty = if news { 0 } else { empty.saturating_add(1) };
    }
    Ok(deleted)
}

async fn from_quarantine(quarantine: &Quarantine, person: &Wanted) -> Result<usize, CliError> {
    let mut deleted = 0_usize;
    for id in quarantine.ids().await? {
        let Some((_, body)) = quarantine.read_overdue(&id).await? else {
            continue;
        };
        if person.is_named_in(&body) && quarantine.discard(&id).await? {
            deleted = deleted.saturating_add(1);
        }
    }
    Ok(deleted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_found_in_every_spelling_and_nobody_else() {
        let wanted = Wanted::new(&Email::try_from("hanako@example.jp".to_owned()).unwrap());
        for body in [
            r#"{"customer":{"email":"hanako@example.jp"}}"#,
            r#"{"a":[{"b":"Hanako <HANAKO+shop@Example.JP>, and others"}]}"#,
            r#"{"a":"hanako\u0040example.jp"}"#,
            r#"{"Message":"{\"to\":\"hanako@example.jp\"}"}"#,
            "webhook_id=7&email=hanako%40example.jp",
            "not JSON: hanako@example.jp.",
        ] {
            assert!(wanted.is_named_in(body.as_bytes()), "{body}");
        }
        for body in [
            r#"{"email":"hanako@example.jp.example"}"#,
            r#"{"email":"xhanako@example.jp"}"#,
            "",
            "hanako",
        ] {
            assert!(!wanted.is_named_in(body.as_bytes()), "{body}");
        }
    }
}
