//! Who a buyer is, without keeping who they are: addresses are normalised and then known only by a keyed hash.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use unicode_normalization::UnicodeNormalization;

use super::follow_up::Draw;

/// Longest address SMTP carries, in bytes. Source: RFC 5321 §4.5.3.1.3 less the angle brackets.
const MAX_EMAIL_BYTES: usize = 254;

/// An e-mail address as the buyer gave it, trimmed. Its `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Email(String);

/// The text cannot be an address we can send to.
#[derive(Debug, thiserror::Error)]
#[error(
    "not an e-mail address: it must have one @, a domain with a dot, no spaces, and at most 254 ASCII characters"
)]
pub struct InvalidEmail;

impl Email {
    /// The address as given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is an alias that Amazon gives to marketplace buyers, who must never be mailed.
    pub fn is_marketplace_alias(&self) -> bool {
        let domain = self
            .0
            .rsplit_once('@')
            .map_or("", |(_, domain)| domain)
            .to_ascii_lowercase();
        domain
            .strip_prefix("marketplace.amazon.")
            .is_some_and(|rest| !rest.is_empty())
    }

    /// One form for all spellings that reach the same person: NFKC, lower case, no plus-tag, no dots at Gmail.
    fn normalised(&self) -> String {
        let lower = self.0.nfkc().collect::<String>().to_lowercase();
        let (local, domain) = lower.rsplit_once('@').unwrap_or((&lower, ""));
        let local = local.split('+').next().unwrap_or(local);
        match domain {
            "gmail.com" | "googlemail.com" => format!("{}@gmail.com", local.replace('.', "")),
            _ => format!("{local}@{domain}"),
        }
    }
}

impl TryFrom<String> for Email {
    type Error = InvalidEmail;

    fn try_from(text: String) -> Result<Self, InvalidEmail> {
        let address = text.trim();
        let (local, domain) = address.rsplit_once('@').ok_or(InvalidEmail)?;
        let plain = address.bytes().all(|byte| {
            byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>' | b',' | b';' | b'"' | b'\\')
        });
        let domain_ok = domain.contains('.')
            && !domain.starts_with('.')
            && !domain.ends_with('.')
            && !domain.contains("..");
        if plain
            && domain_ok
            && !local.is_empty()
            && !local.contains('@')
            && address.len() <= MAX_EMAIL_BYTES
        {
            Ok(Self(address.to_owned()))
        } else {
            Err(InvalidEmail)
        }
    }
}

impl From<Email> for String {
    fn from(email: Email) -> Self {
        email.0
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(…)")
    }
}

/// A person as the table knows them: 32 hex digits of a keyed hash of their normalised address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PersonHash(String);

impl PersonHash {
    /// The 32 hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is not 32 lower-case hex digits.
#[derive(Debug, thiserror::Error)]
#[error("not a person hash")]
pub struct InvalidPersonHash;

impl TryFrom<String> for PersonHash {
    type Error = InvalidPersonHash;

    fn try_from(text: String) -> Result<Self, InvalidPersonHash> {
        let hex = text.len() == 32
            && text
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if hex {
            Ok(Self(text))
        } else {
            Err(InvalidPersonHash)
        }
    }
}

impl From<PersonHash> for String {
    fn from(person: PersonHash) -> Self {
        person.0
    }
}

/// The key under which people and requests are hashed and unsubscribe links are signed. It never rotates: links in
/// sent mails must work for as long as the mails exist.
#[derive(Clone)]
pub struct IdentityKey {
    people: [u8; 32],
    requests: [u8; 32],
    links: [u8; 32],
    arms: [u8; 32],
    console: [u8; 32],
}

impl IdentityKey {
    /// Splits a secret of any length into one key per purpose (HKDF-SHA256).
    #[expect(clippy::missing_panics_doc, reason = "no input makes it panic")]
    pub fn from_secret(secret: &[u8]) -> Self {
        let derived = Hkdf::<Sha256>::new(None, secret);
        let key = |info: &[u8]| {
            let mut key = [0_u8; 32];
            #[expect(
                clippy::expect_used,
                reason = "32 bytes are a valid length for HKDF-SHA256, whatever the input"
            )]
            derived
                .expand(info, &mut key)
                .expect("32 bytes are a valid output length");
            key
        };
        Self {
            people: key(b"okaeri/people/v1"),
            requests: key(b"okaeri/requests/v1"),
            links: key(b"okaeri/links/v1"),
            arms: key(b"okaeri/arms/v1"),
            console: key(b"okaeri/console/v1"),
        }
    }

    /// The person behind an address.
    pub fn person(&self, email: &Email) -> PersonHash {
        self.person_by("email", &email.normalised())
    }

    /// The person behind another identity (`kind` tells ids, telephone numbers and addresses apart).
    pub fn person_by(&self, kind: &str, value: &str) -> PersonHash {
        let mac = mac(
            &self.people,
            &[kind.as_bytes(), b"\0", value.as_bytes()].concat(),
        );
        PersonHash(hex::encode(mac.get(..16).unwrap_or_default()))
    }

    /// The people a customer's identities name, one for each identity given: their id, address (normalised as for mails, as far
    /// as it is one) and telephone number (digits and a leading `+` only).
    pub fn people(
        &self,
        id: Option<&str>,
        email: Option<&str>,
        phone: Option<&str>,
    ) -> Vec<PersonHash> {
        let tidy = |text: &str| text.nfkc().collect::<String>().trim().to_lowercase();
        let address = |text: &str| match Email::try_from(text.to_owned()) {
            Ok(email) => self.person(&email),
            Err(_) => self.person_by("email", &tidy(text)),
        };
        let dialled = |text: &str| {
            tidy(text)
                .chars()
                .filter(|symbol| symbol.is_ascii_digit() || *symbol == '+')
                .collect::<String>()
        };
        let people = [
            id.map(|id| self.person_by("id", &tidy(id))),
            email.map(address),
            phone.map(|phone| self.person_by("phone", &dialled(phone))),
        ];
        people.into_iter().flatten().collect()
    }

    /// Tells one request body from another without keeping it: 64 hex digits.
    pub fn fingerprint(&self, body: &[u8]) -> String {
        hex::encode(mac(&self.requests, body))
    }

    /// What a buyer draws in an experiment: always the same, and for anyone without the key as good as random.
    pub fn draw(&self, person: &PersonHash, experiment: &str) -> Draw {
        let message = [person.as_str().as_bytes(), b"\0", experiment.as_bytes()].concat();
        let bits = mac(&self.arms, &message)
            .into_iter()
            .take(16)
            .fold(0, |bits, byte| (bits << 8) | u128::from(byte));
        Draw::from_bits(bits)
    }

    /// The token of a person's unsubscribe link: `u1.<payload>.<signature>`, URL-safe, without the address. It never expires.
    pub fn unsubscribe_token(&self, person: &PersonHash) -> String {
        let signed = format!("u1.{}", URL_SAFE_NO_PAD.encode(person.as_str()));
        let signature = URL_SAFE_NO_PAD.encode(mac(&self.links, signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    /// The person an unsubscribe token names, or `None` if it was not made by [`Self::unsubscribe_token`].
    pub fn open_unsubscribe_token(&self, token: &str) -> Option<PersonHash> {
        let (signed, signature) = token.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let payload = signed.strip_prefix("u1.")?;
        hmac(&self.links, signed.as_bytes())
            .verify_slice(&signature)
            .ok()?;
        let person = String::from_utf8(URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        PersonHash::try_from(person).ok()
    }

    /// The console's mark on what it hands to a browser and wants back unchanged: 64 hex digits.
    pub fn console_mark(&self, message: &str) -> String {
        hex::encode(mac(&self.console, message.as_bytes()))
    }

    /// Whether `mark` is what [`Self::console_mark`] puts on `message`, compared in constant time.
    pub fn is_console_mark(&self, message: &str, mark: &str) -> bool {
        let pairs = mark.as_bytes().chunks(2).map(|pair| {
            let digits = std::str::from_utf8(pair).ok()?;
            let plain = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            plain.then(|| u8::from_str_radix(digits, 16).ok()).flatten()
        });
        let Some(bytes) = pairs.collect::<Option<Vec<u8>>>() else {
            return false;
        };
        hmac(&self.console, message.as_bytes())
            .verify_slice(&bytes)
            .is_ok()
    }
}

impl fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdentityKey(…)")
    }
}

fn hmac(key: &[u8; 32], message: &[u8]) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    mac
}

fn mac(key: &[u8; 32], message: &[u8]) -> Vec<u8> {
    hmac(key, message).finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn email(text: &str) -> Email {
        Email::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn spellings_of_one_address_are_one_person() {
        let key = IdentityKey::from_secret(b"secret");
        assert_eq!(
            key.person(&email("Hanako.Y+sale@gmail.com")),
            key.person(&email("hanakoy@googlemail.com"))
        );
        assert_eq!(
            key.person(&email("A+x@example.jp")),
            key.person(&email("a@EXAMPLE.jp"))
        );
        assert_ne!(
            key.person(&email("a.b@example.jp")),
            key.person(&email("ab@example.jp"))
        );
        assert_ne!(
            key.person(&email("a@example.jp")),
            IdentityKey::from_secret(b"other").person(&email("a@example.jp"))
        );
    }

    #[test]
    fn text_that_is_no_address_is_refused() {
        for text in [
            "",
            "a",
            "@b.jp",
            "a@b",
            "a b@c.jp",
            "a@b@c.jp",
            "a@b.jp\r\nBcc: x@y.jp",
            "a@.jp",
            "<a@b.jp>",
            "花@example.jp",
        ] {
            assert!(Email::try_from(text.to_owned()).is_err(), "{text}");
        }
        assert_eq!(format!("{:?}", email("a@b.jp")), "Email(…)");
    }

    #[test]
    fn amazon_alias_domains_are_recognised() {
        for text in [
            "x@marketplace.amazon.co.jp",
            "x@MARKETPLACE.amazon.com",
            "x@marketplace.amazon.de",
        ] {
            assert!(email(text).is_marketplace_alias(), "{text}");
        }
        for text in [
            "x@amazon.com",
            "x@marketplace.example.jp",
            "x@notmarketplace.amazon.com",
        ] {
            assert!(!email(text).is_marketplace_alias(), "{text}");
        }
    }

    #[test]
    fn an_unsubscribe_token_opens_to_its_person_and_no_changed_one_does() {
        let key = IdentityKey::from_secret(b"secret");
        let person = key.person(&email("a@b.jp"));
        let token = key.unsubscribe_token(&person);
        assert_eq!(key.open_unsubscribe_token(&token), Some(person.clone()));
        for place in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
            assert_eq!(
                key.open_unsubscribe_token(std::str::from_utf8(&bytes).unwrap()),
                None,
                "{place}"
            );
        }
        let other = IdentityKey::from_secret(b"other").unsubscribe_token(&person);
        assert_eq!(key.open_unsubscribe_token(&other), None);
        assert_eq!(key.open_unsubscribe_token(""), None);
    }
}
