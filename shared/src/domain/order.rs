//! What a shop tells us about an order, in one shape for every sender.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::identity::Email;
use super::money::{Amount, Currency};

/// An order's id as the shop knows it: 1 to 128 of `A-Z a-z 0-9 . _ : -`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OrderId(String);

/// The text cannot be an order id.
#[derive(Debug, thiserror::Error)]
#[error("an order id has 1 to 128 characters out of A-Z a-z 0-9 . _ : -")]
pub struct InvalidOrderId;

impl OrderId {
    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for OrderId {
    type Error = InvalidOrderId;

    fn try_from(text: String) -> Result<Self, InvalidOrderId> {
        let well_formed = (1..=128).contains(&text.len())
            && text.bytes().all(|byte| {
                byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'-')
            });
        if well_formed {
            Ok(Self(text))
        } else {
            Err(InvalidOrderId)
        }
    }
}

impl From<OrderId> for String {
    fn from(id: OrderId) -> Self {
        id.0
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where an order came from: any word `[a-z0-9-]{1,32}`. Only `amazon` has a meaning: its buyers are never mailed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Source(String);

/// The text cannot be a source.
#[derive(Debug, thiserror::Error)]
#[error("a source has 1 to 32 characters out of a-z 0-9 -")]
pub struct InvalidSource;

impl Source {
    /// The word.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether mailing its buyers is forbidden.
    pub fn is_marketplace(&self) -> bool {
        self.0 == "amazon"
    }
}

impl TryFrom<String> for Source {
    type Error = InvalidSource;

    fn try_from(text: String) -> Result<Self, InvalidSource> {
        let well_formed = (1..=32).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if well_formed {
            Ok(Self(text))
        } else {
            Err(InvalidSource)
        }
    }
}

impl From<Source> for String {
    fn from(source: Source) -> Self {
        source.0
    }
}

/// What happened to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum OrderEventKind {
    /// Paid for (or fulfilled, as the shop chooses to report): earns a thank-you mail.
    #[serde(rename = "order.completed")]
    Completed,
    /// Cancelled: withdraws the mail and the unused code.
    #[serde(rename = "order.cancelled")]
    Cancelled,
    /// Refunded in full: the same as cancelled. Partial refunds never become an event.
    #[serde(rename = "order.refunded")]
    Refunded,
}

impl OrderEventKind {
    /// The kind as events name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "order.completed",
            Self::Cancelled => "order.cancelled",
            Self::Refunded => "order.refunded",
        }
    }
}

/// The buyer, as far as the shop tells. Text that is no usable address counts as no address.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Buyer {
    /// The shop's own id of the customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Where to mail to.
    #[serde(
        default,
        deserialize_with = "lenient_email",
        skip_serializing_if = "Option::is_none"
    )]
    pub email: Option<Email>,
    /// How to greet them: control characters stripped, at most [`MAX_NAME_CHARS`] characters.
    #[serde(
        default,
        deserialize_with = "clean_name",
        skip_serializing_if = "Option::is_none"
    )]
    pub name: Option<String>,
    /// BCP 47 language tag, such as `ja` or `ja-JP`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// Whether they agreed to receive marketing mail; absent means no.
    #[serde(default, deserialize_with = "null_is_default")]
    pub accepts_marketing: bool,
}

/// Longest name used in a mail, in characters; longer ones are cut. Source: design.md §8.
pub const MAX_NAME_CHARS: usize = 40;

/// One line of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderLine {
    /// The shop's stock-keeping unit.
    pub sku: String,
    /// How many.
    pub quantity: u64,
    /// Price of one, in minor units.
    pub unit_price: Amount,
}

/// An event about an order, as it travels through the orders queue (`events/order-completed.order.json` is the reference).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderEvent {
    /// What happened.
    #[serde(rename = "type")]
    pub kind: OrderEventKind,
    /// Where the order came from.
    pub source: Source,
    /// The shop's name for itself; for display only, since one deployment serves one shop.
    #[serde(default, deserialize_with = "null_is_default")]
    pub shop: String,
    /// The order.
    pub order_id: OrderId,
    /// When the shop says it was completed; never used for delays, which count from `received_at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<DateTime<Utc>>,
    /// When we received it; stamped by `receive-order`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received_at: Option<DateTime<Utc>>,
    /// The buyer.
    #[serde(default, deserialize_with = "null_is_default")]
    pub customer: Buyer,
    /// The order's currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// What the buyer paid, in minor units.
    #[serde(default, deserialize_with = "null_is_default")]
    pub total: Amount,
    /// What was bought.
    #[serde(default, deserialize_with = "null_is_default")]
    pub lines: Vec<OrderLine>,
    /// Codes the buyer typed at the shop's own checkout.
    #[serde(default, deserialize_with = "null_is_default")]
    pub codes: Vec<String>,
}

/// `name` without control characters (including the ones that turn text around), trimmed and cut; `None` if nothing is left.
pub fn clean_display_name(name: &str) -> Option<String> {
    let kept: String = name
        .chars()
        .filter(|symbol| !symbol.is_control() && !turns_text(*symbol))
        .collect();
    let cut: String = kept.trim().chars().take(MAX_NAME_CHARS).collect();
    (!cut.is_empty()).then_some(cut)
}

/// Whether a character shows nothing and turns, joins or hides the text around it.
pub fn turns_text(symbol: char) -> bool {
    matches!(symbol, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

/// Senders write `null` for what they do not know, which is the same as leaving it out.
fn null_is_default<'de, D: serde::Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

fn lenient_email<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Email>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.and_then(|text| Email::try_from(text).ok()))
}

fn clean_name<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.as_deref().and_then(clean_display_name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_names_and_addresses_do_not_make_an_event_unusable() {
        let json = r#"{"type":"order.completed","source":"custom","order_id":"1","customer":
            {"email":"not an address","name":" \u0000\u202e<b>花子</b>\r\n0123456789012345678901234567890123456789"}}"#;
        let event: OrderEvent = serde_json::from_str(json).unwrap();
        assert_eq!(event.customer.email, None);
        let name = event.customer.name.unwrap();
        assert!(
            name.starts_with("<b>花子</b>01234") && name.chars().count() == MAX_NAME_CHARS,
            "{name}"
        );
        assert!(!event.customer.accepts_marketing);
    }

    #[test]
    fn what_a_sender_does_not_know_may_be_null_and_nobody_has_agreed_by_it() {
        let left_out = r#"{"type":"order.completed","source":"custom","order_id":"1"}"#;
        let event: OrderEvent = serde_json::from_str(left_out).unwrap();
        assert!(!event.customer.accepts_marketing);
        for nulls in [
            r#""shop":null,"completed_at":null,"customer":null,"currency":null,"total":null,"lines":null,"codes":null"#,
            r#""customer":{"id":null,"email":null,"name":null,"locale":null,"accepts_marketing":null}"#,
        ] {
            let json = format!("{},{nulls}}}", left_out.trim_end_matches('}'));
            assert_eq!(
                serde_json::from_str::<OrderEvent>(&json).unwrap(),
                event,
                "{json}"
            );
        }
    }

    #[test]
    fn order_ids_and_sources_keep_to_their_alphabets() {
        for text in ["", "a b", "#1001", "ä", &"x".repeat(129)] {
            assert!(OrderId::try_from(text.to_owned()).is_err(), "{text}");
        }
        assert!(OrderId::try_from("A-1.b_2:3".to_owned()).is_ok());
        assert!(Source::try_from("Shopify".to_owned()).is_err());
        assert!(
            Source::try_from("amazon".to_owned())
                .unwrap()
                .is_marketplace()
        );
    }
}
