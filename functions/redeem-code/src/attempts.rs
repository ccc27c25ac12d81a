//! Stopping those who try one unknown code after the other. Whoever sends no unknown code is never asked.

use std::net::{IpAddr, Ipv6Addr};

use chrono::{DateTime, Utc};
use shared::checkout::Resolved;
use shared::domain::redemption::{Reason, TooManyAttempts};
use shared::http::Problem;

use crate::State;
use crate::request::Request;

/// Counts the unknown codes among `resolved` for the customer and the address they came from.
///
/// # Errors
/// 429 if one of them has tried too many.
pub(crate) async fn count(
    state: &State,
    request: &Request,
    resolved: &[Resolved],
    now: DateTime<Utc>,
) -> Result<(), Problem> {
    let unknown = resolved
        .iter()
        .filter(|code| code.verdict == Err(Reason::CodeUnknown));
    let unknown = u64::try_from(unknown.count()).unwrap_or(u64::MAX);
    if unknown == 0 {
        return Ok(());
    }
    let identity = &state.checkout.identity;
    let mut subjects = request.people(identity);
    let address = request.client_ip.map(network);
    subjects.extend(address.map(|address| identity.person_by("ip", &address)));
    let mut until: Option<DateTime<Utc>> = None;
    for subject in &subjects {
        let blocked = state
            .checkout
            .store
            .count_unknown_codes(subject, unknown, now)
            .await?;
        until = until.max(blocked);
    }
    match until {
        None => Ok(()),
        Some(until) => {
            let seconds = (until - now).num_seconds().saturating_add(1);
            Err(TooManyAttempts {
                retry_after: u64::try_from(seconds).unwrap_or(1),
            }
            .into())
        }
    }
}

/// What one subscriber has: an IPv4 address, or the first 64 bits of an IPv6 address.
fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let network = Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64));
            network.to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscriber_is_one_ipv4_address_or_one_ipv6_network() {
        let network = |text: &str| network(text.parse().unwrap());
        assert_eq!(network("::ffff:203.0.113.7"), network("203.0.113.7"));
        assert_eq!(network("2001:db8:1:2:3::4"), network("2001:db8:1:2::"));
        assert_ne!(network("2001:db8:1:3::"), network("2001:db8:1:2::"));
    }
}
