//! Okaeri from outside: over HTTP against the local stack, and its functions under faults.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::too_many_lines,
    clippy::indexing_slicing,
    reason = "to clippy, integration tests and their helpers are no tests; a story is told in one piece"
)]

mod attempts;
mod automatic;
mod bootstraps;
mod bound_codes;
mod bulk;
mod crash;
mod doctor;
mod events;
mod faults;
mod feedback;
mod follow_ups;
mod holds;
mod limits;
mod main_job;
mod minting;
mod model;
mod openapi;
mod orderings;
mod patching;
mod pricing;
mod promotions;
mod protocol;
mod redemptions;
mod returns;
mod secrecy;
mod shop;
mod stats;
mod template;
mod voiding;
mod warnings;
mod webhooks;
mod word_limits;
