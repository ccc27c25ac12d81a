//! What all Okaeri functions share: the rules of promotions, codes and follow-ups (`domain`, pure),
//! and the edges they are used through (`store`, `mailer`, `queue`, `http`).
//!
//! Dependencies point one way: `store`, `mailer`, `queue` and `http` know `domain`, never the other way round.

pub mod aws;
pub mod clock;
pub mod domain;
pub mod env;
pub mod http;
pub mod mailer;
pub mod queue;
mod schema;
pub mod secrets;
pub mod store;
