//! Where a code was handed out.

use serde::{Deserialize, Serialize};

/// A channel such as `influencer/hanako` or `ad/google-nov`: 1 to 64 bytes of `A-Z a-z 0-9 . _ / -`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Channel(String);

/// The text cannot be a channel.
#[derive(Debug, thiserror::Error)]
#[error("a channel has 1 to 64 characters out of A-Z a-z 0-9 . _ / -")]
pub struct InvalidChannel;

impl Channel {
    /// The channel's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The channel of a follow-up's codes: `thank-you/` and the variant's name, reduced to the channel alphabet.
    pub fn thank_you(variant: &str) -> Self {
        let word: String = variant
            .to_ascii_lowercase()
            .chars()
            .map(|symbol| if allowed(symbol) { symbol } else { '-' })
            .collect();
        let cut: String = word.chars().take(54).collect();
        Self(format!("thank-you/{cut}"))
    }
}

fn allowed(symbol: char) -> bool {
    symbol.is_ascii_alphanumeric() || matches!(symbol, '.' | '_' | '/' | '-')
}

impl TryFrom<String> for Channel {
    type Error = InvalidChannel;

    fn try_from(text: String) -> Result<Self, InvalidChannel> {
        if (1..=64).contains(&text.len()) && text.chars().all(allowed) {
            Ok(Self(text))
        } else {
            Err(InvalidChannel)
        }
    }
}

impl From<Channel> for String {
    fn from(channel: Channel) -> Self {
        channel.0
    }
}
