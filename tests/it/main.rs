//! Okaeri from outside: over HTTP against the local stack, and its functions under faults.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "to clippy, helpers of integration tests are no tests"
)]

mod crash;
mod faults;
mod follow_ups;
mod limits;
mod main_job;
mod minting;
mod promotions;
mod redemptions;
mod template;
mod webhooks;
