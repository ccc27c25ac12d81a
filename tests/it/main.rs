//! Okaeri from outside: over HTTP against the local stack, and its functions under faults.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::too_many_lines,
    clippy::indexing_slicing,
    reason = "to clippy, integration tests and their helpers are no tests; a story is told in one piece"
)]

mod arms;
mod attempts;
mod automatic;
mod bench;
mod bootstraps;
mod bound_codes;
mod bulk;
mod buyers;
mod console;
mod cost;
mod crash;
mod demo;
mod deployed_doctor;
mod doctor;
mod events;
mod faults;
mod feedback;
mod follow_ups;
mod forget;
mod holds;
mod limits;
mod links;
mod mail_certainty;
mod mail_lists;
mod mail_pauses;
mod main_job;
mod minting;
mod model;
mod openapi;
mod operations;
mod order_codes;
mod orderings;
mod orders;
mod pages;
mod patching;
mod policies;
mod pricing;
mod promotions;
mod protocol;
mod redemptions;
mod redriving;
mod reminders;
mod reputation;
mod results;
mod retelling;
mod returns;
mod runbooks;
mod sales;
mod sam_local;
mod samples;
mod secrecy;
mod shop;
mod stats;
mod story;
mod template;
mod tls;
mod visits;
mod voiding;
mod warnings;
mod watch;
mod webhooks;
mod word_limits;
