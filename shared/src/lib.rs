//! What all Okaeri functions share: the rules of promotions, codes and follow-ups (`domain`, pure),
//! the edges they are used through (`store`, `mailer`, `queue`, `http`), and using codes for an order (`checkout`).
//!
//! Dependencies point one way: `store`, `mailer`, `queue` and `http` know `domain`, `checkout` knows `store` and `domain`, never
//! the other way round.

// Test files that examples share know this crate by its name.
#[cfg(test)]
extern crate self as shared;

pub mod aws;
pub mod checkout;
pub mod clock;
pub mod domain;
pub mod env;
pub mod http;
pub mod log;
pub mod mailer;
pub mod metrics;
pub mod queue;
mod schema;
pub mod secrets;
pub mod store;
