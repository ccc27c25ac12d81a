//! Who sent a webhook: one verifier for every scheme. It compares MACs in constant time and in full length, never strings,
//! and takes no default for a missing header or secret.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use sha2::Sha256;

/// How far a signed time may be from ours, both ways, in seconds. Source: webhooks-and-mail.md §5.
pub const TOLERANCE: u64 = 300;
/// Shortest key Standard Webhooks allows, in bytes. Source: Standard Webhooks 1.0.0, "Signature scheme".
const MIN_STANDARD_KEY_BYTES: usize = 24;

/// Where WooCommerce puts its signature.
const WOOCOMMERCE_SIGNATURE: &str = "x-wc-webhook-signature";

/// How a sender signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Standard Webhooks 1.0.0, symmetric (`v1`): id, time and body are signed.
    Standard,
    /// Shopify: the body alone is signed.
    Shopify,
    /// WooCommerce: the body alone is signed.
    WooCommerce,
    /// Stripe: time and body are signed.
    Stripe,
}

impl Scheme {
    /// The scheme's name in routes and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Shopify => "shopify",
            Self::WooCommerce => "woocommerce",
            Self::Stripe => "stripe",
        }
    }
}

/// Why a request counts as not signed. Callers are never told which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reject {
    /// No usable secret is configured.
    NoSecret,
    /// A header is missing.
    NoHeader,
    /// A header is not of the scheme's form, or came twice.
    Malformed,
    /// The signed time is more than [`TOLERANCE`] away from ours.
    Stale,
    /// No signature fits.
    Mismatch,
}

/// What was signed in front of the body, and the MACs the sender offers for it.
struct Offer {
    prefix: String,
    macs: Vec<[u8; 32]>,
}

/// Checks that `body` was signed with one of `secrets` (the current one first, then those still valid while a sender
/// rotates). `now` is in seconds since 1970.
///
/// # Errors
/// [`Reject`], for logs only.
pub fn verify(
    scheme: Scheme,
    secrets: &[String],
    headers: &HeaderMap,
    body: &[u8],
    now: i64,
) -> Result<(), Reject> {
    let keys: Vec<_> = secrets
        .iter()
        .filter_map(|secret| key(scheme, secret))
        .collect();
    if keys.is_empty() {
        return Err(Reject::NoSecret);
    }
    let offer = match scheme {
        Scheme::Standard => standard_offer(headers, now)?,
        Scheme::Shopify => body_offer(header(headers, "x-shopify-hmac-sha256")?)?,
        Scheme::WooCommerce => body_offer(header(headers, WOOCOMMERCE_SIGNATURE)?)?,
        Scheme::Stripe => stripe_offer(header(headers, "stripe-signature")?, now)?,
    };
    let genuine = keys.iter().any(|key| {
        let signed = signed(key, &[offer.prefix.as_bytes(), body]);
        offer
            .macs
            .iter()
            .any(|offered| signed.clone().verify_slice(offered).is_ok())
    });
    if genuine {
        Ok(())
    } else {
        Err(Reject::Mismatch)
    }
}

/// The value of `webhook-signature` for a Standard Webhooks request; `None` if the secret is unusable. `timestamp` is in
/// seconds since 1970.
pub fn sign_standard(secret: &str, id: &str, timestamp: i64, body: &[u8]) -> Option<String> {
    let key = key(Scheme::Standard, secret)?;
    let prefix = format!("{id}.{timestamp}.");
    Some(format!(
        "v1,{}",
        text_of(signed(&key, &[prefix.as_bytes(), body]))
    ))
}

/// The value of `X-Shopify-Hmac-Sha256` for a body; `None` if the secret is empty.
pub fn sign_shopify(secret: &str, body: &[u8]) -> Option<String> {
    let key = key(Scheme::Shopify, secret)?;
    Some(text_of(signed(&key, &[body])))
}

/// The value of `X-WC-Webhook-Signature` for a body; `None` if the secret is empty.
pub fn sign_woocommerce(secret: &str, body: &[u8]) -> Option<String> {
    let key = key(Scheme::WooCommerce, secret)?;
    Some(text_of(signed(&key, &[body])))
}

/// The value of `Stripe-Signature` for a body; `None` if the secret is empty. `timestamp` is in seconds since 1970.
pub fn sign_stripe(secret: &str, timestamp: i64, body: &[u8]) -> Option<String> {
    let key = key(Scheme::Stripe, secret)?;
    let mac = signed(&key, &[format!("{timestamp}.").as_bytes(), body]);
    let mac = hex::encode(mac.finalize().into_bytes());
    Some(format!("t={timestamp},v1={mac}"))
}

/// Whether this is what WooCommerce sends, unsigned, when a webhook is switched on. It wants a 200 and means nothing.
pub(crate) fn is_woocommerce_ping(headers: &HeaderMap, body: &[u8]) -> bool {
    let id = body.strip_prefix(b"webhook_id=");
    !headers.contains_key(WOOCOMMERCE_SIGNATURE)
        && id.is_some_and(|id| (1..=20).contains(&id.len()) && id.iter().all(u8::is_ascii_digit))
}

/// The key bytes of a secret. `whsec_` is a mark before base64 for Standard Webhooks and an ordinary part of the secret for
/// everybody else.
fn key(scheme: Scheme, secret: &str) -> Option<Vec<u8>> {
    match scheme {
        Scheme::Standard => BASE64
            .decode(secret.strip_prefix("whsec_").unwrap_or(secret))
            .ok()
            .filter(|key| key.len() >= MIN_STANDARD_KEY_BYTES),
        Scheme::Shopify | Scheme::WooCommerce | Scheme::Stripe => {
            Some(secret.as_bytes().to_vec()).filter(|key| !key.is_empty())
        }
    }
}

/// A base64 MAC of the body alone.
fn body_offer(signature: &str) -> Result<Offer, Reject> {
    Ok(Offer {
        prefix: String::new(),
        macs: vec![mac_of(signature).ok_or(Reject::Malformed)?],
    })
}

/// `t=<seconds>,v1=<hex>[,v1=<hex>…]`; other schemes than `v1` count for nothing. Two times mean that two headers were joined.
fn stripe_offer(signature: &str, now: i64) -> Result<Offer, Reject> {
    let (mut time, mut macs) = (None, Vec::new());
    for part in signature.split(',') {
        match part.split_once('=') {
            Some(("t", value)) if time.replace(value).is_some() => return Err(Reject::Malformed),
            Some(("v1", value)) => {
                let mac = hex::decode(value).ok();
                macs.extend(mac.and_then(|mac| <[u8; 32]>::try_from(mac).ok()));
            }
            Some(_) => {}
            None => return Err(Reject::Malformed),
        }
    }
    let time = time.ok_or(Reject::Malformed)?;
    fresh(time, now)?;
    Ok(Offer {
        prefix: format!("{time}."),
        macs,
    })
}

fn standard_offer(headers: &HeaderMap, now: i64) -> Result<Offer, Reject> {
    let (id, time) = (
        header(headers, "webhook-id")?,
        header(headers, "webhook-timestamp")?,
    );
    let signatures = header(headers, "webhook-signature")?;
    if id.is_empty() || id.contains('.') {
        return Err(Reject::Malformed);
    }
    fresh(time, now)?;
    let mut macs = Vec::new();
    for signature in signatures.split(' ') {
        // A second comma means that two headers were joined into one.
        match signature.split_once(',') {
            Some((version, mac)) if !mac.contains(',') => {
                macs.extend((version == "v1").then(|| mac_of(mac)).flatten());
            }
            _ => return Err(Reject::Malformed),
        }
    }
    Ok(Offer {
        prefix: format!("{id}.{time}."),
        macs,
    })
}

/// The header's text, if it came exactly once.
fn header<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, Reject> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().ok_or(Reject::NoHeader)?;
    if values.next().is_some() {
        return Err(Reject::Malformed);
    }
    value.to_str().map_err(|_| Reject::Malformed)
}

fn fresh(time: &str, now: i64) -> Result<(), Reject> {
    if !(1..=12).contains(&time.len()) || !time.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Reject::Malformed);
    }
    let time: i64 = time.parse().map_err(|_| Reject::Malformed)?;
    if now.abs_diff(time) > TOLERANCE {
        Err(Reject::Stale)
    } else {
        Ok(())
    }
}

fn mac_of(text: &str) -> Option<[u8; 32]> {
    BASE64.decode(text).ok()?.try_into().ok()
}

fn text_of(mac: Hmac<Sha256>) -> String {
    BASE64.encode(mac.finalize().into_bytes())
}

fn signed(key: &[u8], message: &[&[u8]]) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in message {
        mac.update(part);
    }
    mac
}

#[cfg(test)]
mod tests;
