//! Landing links: a public address for a channel, and perhaps a word, whose visits are counted.

use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::channel::Channel;
use super::code::{GroupWord, PromotionId, TypedCode};
use super::money::Amount;

/// Fewest and most characters of a slug.
pub const SLUG_CHARS: (usize, usize) = (3, 40);
/// Characters of a slug that nobody chose: 27^8 = 2.8 × 10^11 of them, so that trying some out finds none.
const RANDOM_CHARS: usize = 8;
/// What such a slug is made of: no vowels, which make words, and none of `0 1 l`, which look like letters or a digit.
const RANDOM_ALPHABET: &[u8; 27] = b"bcdfghjkmnpqrstvwxz23456789";
/// Longest `target_url`, in bytes; browsers and servers alike take as much.
pub const MAX_TARGET_BYTES: usize = 2_000;
/// Items among which the visits of one link on one day are spread, each in a partition of its own. One takes 1,000 writes a second
/// (`DynamoDB` Developer Guide, "Partitions and data distribution"), so a link takes 8,000.
pub const VISIT_PARTS: u8 = 8;

/// The end of a link's address: 3 to 40 of `a-z 0-9 -`, with a letter or digit at both ends, and never the shape of a single-use code.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Slug(String);

/// The text cannot be a slug.
#[derive(Debug, thiserror::Error)]
pub enum InvalidSlug {
    /// Of another form.
    #[error(
        "a slug has 3 to 40 characters out of a-z, 0-9 and -, and begins and ends with a letter or digit"
    )]
    Form,
    /// It reads as a single-use code, and addresses are seen by everybody on their way.
    #[error("a slug must not have the shape of a single-use code")]
    Code,
}

impl Slug {
    /// One that nobody chose.
    pub fn random() -> Self {
        let mut rng = rand::rng();
        let symbols = (0..RANDOM_CHARS).filter_map(|_| {
            let index = rng.random_range(0..RANDOM_ALPHABET.len());
            RANDOM_ALPHABET.get(index).copied().map(char::from)
        });
        Self(symbols.collect())
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Slug {
    type Error = InvalidSlug;

    fn try_from(text: String) -> Result<Self, InvalidSlug> {
        let (least, most) = SLUG_CHARS;
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let ends = [text.as_bytes().first(), text.as_bytes().last()];
        if !(least..=most).contains(&text.len())
            || !text.bytes().all(allowed)
            || ends.contains(&Some(&b'-'))
        {
            return Err(InvalidSlug::Form);
        }
        if matches!(TypedCode::read(&text), TypedCode::Sealed(_)) {
            return Err(InvalidSlug::Code);
        }
        Ok(Self(text))
    }
}

impl From<Slug> for String {
    fn from(slug: Slug) -> Self {
        slug.0
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A link as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The end of its address.
    pub slug: Slug,
    /// What it is for.
    pub promotion_id: PromotionId,
    /// The word it shows, if it shows one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<GroupWord>,
    /// Where it is handed out; its visits count there.
    pub channel: Channel,
    /// What the channel cost, in minor units of the promotion's currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Amount>,
    /// Where its button leads, if not to the shop's cart; `{code}` in it stands for the code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_url: Option<TargetUrl>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Counts the changes, from 1.
    pub version: u64,
    /// When it was taken back; its slug is never given out again, since its visits stay counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<DateTime<Utc>>,
}

/// A web address that a button may lead to: `https`, or `http` of this machine, without spaces, quotes, `#` or control characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TargetUrl(String);

/// The text cannot be such an address.
#[derive(Debug, thiserror::Error)]
pub enum InvalidTargetUrl {
    /// Of another form.
    #[error(
        "a target is an https:// address (http:// for this machine alone) of at most 2000 printable ASCII characters, without spaces, quotes, user names and #"
    )]
    Form,
    /// A part of it reads as a single-use code.
    #[error(
        "a target must hold no single-use code: write {{code}} where the code belongs, and the browser puts it there"
    )]
    Code,
}

impl TargetUrl {
    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for TargetUrl {
    type Error = InvalidTargetUrl;

    fn try_from(text: String) -> Result<Self, InvalidTargetUrl> {
        let plain = text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"<>\"'`\\#^|".contains(&byte));
        if !plain || text.len() > MAX_TARGET_BYTES || !is_web(&text) {
            return Err(InvalidTargetUrl::Form);
        }
        let mut parts = text.split(['/', '?', '&', '=', ';', ',', '+', '%', '.']);
        if parts.any(|part| matches!(TypedCode::read(part), TypedCode::Sealed(_))) {
            return Err(InvalidTargetUrl::Code);
        }
        Ok(Self(text))
    }
}

impl From<TargetUrl> for String {
    fn from(url: TargetUrl) -> Self {
        url.0
    }
}

/// Whether it begins with a scheme and host that may be linked to.
fn is_web(text: &str) -> bool {
    let (rest, anywhere) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => (rest, true),
        (None, Some(rest)) => (rest, false),
        (None, None) => return false,
    };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    if authority.is_empty() || authority.contains(['@', '{', '}']) {
        return false;
    }
    let is_port = |rest: &str| {
        let port = rest.strip_prefix(':');
        rest.is_empty() || port.is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let here = ["localhost", "127.0.0.1", "[::1]"];
    anywhere
        || here
            .iter()
            .filter_map(|host| authority.strip_prefix(host))
            .any(is_port)
}

/// A text with `{code}` in it, filled in. Codes are of letters, digits and hyphens, which need no encoding in addresses.
pub fn with_code(pattern: &str, code: &str) -> String {
    pattern.replace(CODE_PLACE, code)
}

/// Where in an address the code belongs.
pub const CODE_PLACE: &str = "{code}";

/// Where buttons lead that lead to the shop: its address, or a pattern by which the shop's cart takes a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CartUrl(String);

/// The setting is no such pattern.
#[derive(Debug, thiserror::Error)]
#[error(
    "it must be shopify, woocommerce, or an https:// address with {{code}} in it, which may begin with {{shop}}"
)]
pub struct InvalidCartUrl;

/// What shop systems take a code by. Shopify: "Shareable discount links" in its Help Center. WooCommerce itself takes none; `?coupon=`
/// is what most plugins for that take.
const PRESETS: [(&str, &str); 2] = [
    ("shopify", "{shop}/discount/{code}?redirect=/"),
    ("woocommerce", "{shop}/?coupon={code}"),
];

impl CartUrl {
    /// Reads the setting: a preset's name or a pattern, in which `{shop}` stands for the shop's address. Without one, buttons lead to
    /// the shop.
    ///
    /// # Errors
    /// [`InvalidCartUrl`] for anything else.
    pub fn new(setting: Option<&str>, shop_url: &str) -> Result<Self, InvalidCartUrl> {
        let Some(setting) = setting else {
            return Ok(Self(shop_url.to_owned()));
        };
        let preset = PRESETS.iter().find(|(name, _)| *name == setting);
        let pattern = preset.map_or(setting, |(_, pattern)| *pattern);
        let filled = pattern.replace("{shop}", shop_url.trim_end_matches('/'));
        let usable = filled.contains(CODE_PLACE) && TargetUrl::try_from(filled.clone()).is_ok();
        usable.then_some(Self(filled)).ok_or(InvalidCartUrl)
    }

    /// The address, perhaps with `{code}` in it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One of the items that count a link's visits of one day.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VisitPart {
    /// Of which link.
    pub slug: Slug,
    /// On which day, in the shop's zone.
    pub day: NaiveDate,
    /// Which of [`VISIT_PARTS`].
    pub part: u8,
}

impl VisitPart {
    /// Reads what its [`Display`](fmt::Display) wrote.
    pub fn read(text: &str) -> Option<Self> {
        let (slug, rest) = text.split_once('#')?;
        let (day, part) = rest.split_once('#')?;
        Some(Self {
            slug: Slug::try_from(slug.to_owned()).ok()?,
            day: day.parse().ok()?,
            part: part.parse().ok()?,
        })
    }
}

impl fmt::Display for VisitPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}#{}", self.slug, self.day, self.part)
    }
}

/// So many visits, as one such item says. It only grows, so the number is also its version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visits {
    /// How many.
    pub visits: u64,
    /// For which promotion.
    pub promotion_id: PromotionId,
    /// In which channel.
    pub channel: Channel,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_plain_words_for_addresses_and_never_codes() {
        for slug in ["abc", "hanako-10", "a-b", &"x".repeat(40), "0123456789"] {
            assert!(Slug::try_from(slug.to_owned()).is_ok(), "{slug}");
        }
        for slug in [
            "",
            "ab",
            "-ab",
            "ab-",
            "abc\u{0}",
            "Abc",
            "a b",
            "a.b",
            "a/b",
            "ａｂｃ",
            "花子の",
            &"x".repeat(41),
            "\u{202e}abc",
            "<b>abc",
            "thx9-7k3m-9qxa-2f4t",
            "thx97k3m9qxa2f4t",
        ] {
            assert!(Slug::try_from(slug.to_owned()).is_err(), "{slug}");
        }
    }

    #[test]
    fn a_random_slug_is_one_and_seldom_comes_twice() {
        let drawn: std::collections::HashSet<Slug> = (0..1_000).map(|_| Slug::random()).collect();
        assert_eq!(drawn.len(), 1_000);
        for slug in drawn {
            assert!(Slug::try_from(String::from(slug)).is_ok());
        }
    }

    #[test]
    fn a_cart_is_a_preset_a_pattern_or_the_shop() {
        let shop = "https://shop.example/";
        let cart = |setting| CartUrl::new(setting, shop).map(|cart| cart.as_str().to_owned());
        assert_eq!(cart(None).unwrap(), shop);
        for (setting, expected) in [
            ("shopify", "https://shop.example/discount/{code}?redirect=/"),
            ("woocommerce", "https://shop.example/?coupon={code}"),
            ("{shop}/cart?c={code}", "https://shop.example/cart?c={code}"),
            ("https://cart.example/{code}", "https://cart.example/{code}"),
        ] {
            assert_eq!(cart(Some(setting)).unwrap(), expected);
        }
        for setting in [
            "Shopify",
            "https://cart.example/",
            "http://cart.example/{code}",
            "{code}",
        ] {
            assert!(cart(Some(setting)).is_err(), "{setting}");
        }
    }

    #[test]
    fn a_part_of_visits_reads_as_it_was_written() {
        let part = VisitPart {
            slug: Slug::try_from("hanako-10".to_owned()).unwrap(),
            day: NaiveDate::from_ymd_opt(2026, 11, 22).unwrap(),
            part: 7,
        };
        assert_eq!(part.to_string(), "hanako-10#2026-11-22#7");
        assert_eq!(VisitPart::read(&part.to_string()), Some(part));
        for text in [
            "",
            "hanako-10",
            "hanako-10#2026-11-22",
            "X#2026-11-22#7",
            "abc#1#7",
            "abc#2026-11-22#x",
        ] {
            assert_eq!(VisitPart::read(text), None, "{text}");
        }
    }

    #[test]
    fn buttons_lead_to_https_or_this_machine_only() {
        for url in [
            "https://shop.example",
            "https://shop.example/tea?coupon={code}&x=1",
            "http://localhost:3000/x",
            "http://127.0.0.1",
            "http://[::1]:80/",
        ] {
            assert!(TargetUrl::try_from(url.to_owned()).is_ok(), "{url}");
        }
        for url in [
            "",
            "shop.example",
            "http://shop.example",
            "http://localhost.evil.example/",
            "http://127.0.0.1.evil.example/",
            "http://localhost:80@evil.example/",
            "http://localhost:x/",
            "http://[::1].evil.example.[/",
            "https://",
            "https://?x",
            "https://a@b.example/",
            "https://{code}.example/",
            "javascript:alert(1)",
            "data:text/html,x",
            "https://shop.example/#THX9-7K3M-9QXA-2F4T",
            "https://shop.example/?c=THX9-7K3M-9QXA-2F4T",
            "https://shop.example/\"onclick=",
            "https://shop.example/a b",
            "https://shop.example/花",
        ] {
            assert!(TargetUrl::try_from(url.to_owned()).is_err(), "{url}");
        }
    }
}
