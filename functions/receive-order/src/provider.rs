//! What providers' payloads have in common: ids that may be numbers, amounts that may be text, consent in a field of the shop's own.

use serde::Deserialize;
use serde_json::Value;

/// An id as a number or as text. It is never read as a float: some are above 2^53.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Id {
    Number(u64),
    Text(String),
}

impl Id {
    pub(super) fn into_text(self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text,
        }
    }
}

/// Whether a shop's own field says that the buyer agreed. Plugins write a ticked box in many ways; everything else is a no.
pub(super) fn says_yes(value: &Value) -> bool {
    match value {
        Value::Bool(agreed) => *agreed,
        Value::Number(number) => number.as_u64() == Some(1),
        Value::String(text) => {
            let text = text.trim().to_ascii_lowercase();
            ["1", "yes", "true", "on", "opt_in", "subscribed"].contains(&text.as_str())
        }
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}
