//! Where a code was handed out.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

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

    /// The channel of a follow-up's codes: `thank-you/` and the variant's name, reduced to the channel alphabet. A name with
    /// letters beyond ASCII would lose what tells it apart, so eight hex digits of its hash follow.
    pub fn thank_you(variant: &str) -> Self {
        let word: String = variant
            .to_ascii_lowercase()
            .chars()
            .map(|symbol| if allowed(symbol) { symbol } else { '-' })
            .collect();
        let cut = |most: usize| word.chars().take(most).collect::<String>();
        if variant.is_ascii() {
            return Self(format!("thank-you/{}", cut(54)));
        }
        let hash = Sha256::digest(variant.as_bytes());
        let hash = hex::encode(hash.get(..4).unwrap_or_default());
        Self(format!("thank-you/{}-{hash}", cut(45)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variants_channel_keeps_to_the_alphabet_and_tells_names_in_any_script_apart() {
        for (name, channel) in [
            ("10% after 3 days", "thank-you/10--after-3-days"),
            ("早い", "thank-you/---78fe8aac"),
            ("遅い", "thank-you/---ea81ed0b"),
        ] {
            assert_eq!(Channel::thank_you(name).as_str(), channel);
        }
        for name in ["x".repeat(100), "名".repeat(100)] {
            let channel = Channel::thank_you(&name).as_str().to_owned();
            assert_eq!(channel.len(), 64);
            assert!(Channel::try_from(channel).is_ok());
        }
    }
}
