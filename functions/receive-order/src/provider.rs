//! What providers' payloads have in common: ids that may be numbers, amounts that may be text, consent in a field of the shop's own.

use serde::Deserialize;
use serde_json::Value;
use shared::domain::money::{Amount, Currency};
use shared::domain::order::OrderEventKind;

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

/// An order's currency and total, both as text. What is taken back is the whole order, whatever it came to, so only a completed
/// one needs them.
pub(super) fn money(
    kind: OrderEventKind,
    currency: Option<String>,
    total: Option<String>,
) -> Result<(Option<Currency>, Amount), &'static str> {
    let currency = currency.and_then(|code| Currency::try_from(code).ok());
    let total = currency
        .zip(total)
        .and_then(|(currency, text)| Amount::from_decimal(&text, currency));
    let total = match kind {
        OrderEventKind::Completed => total.ok_or("no total in a known currency")?,
        OrderEventKind::Cancelled | OrderEventKind::Refunded => total.unwrap_or_default(),
    };
    Ok((currency, total))
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
