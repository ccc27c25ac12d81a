//! The rules of Okaeri, pure: no clock, no network, no environment.

pub mod benefit;
pub mod cart;
pub mod change;
pub mod channel;
pub mod code;
pub mod experiment;
mod fault;
pub mod figures;
pub mod follow_up;
pub mod guessable;
pub mod identity;
pub mod link;
pub mod mailbox;
pub mod money;
pub mod order;
pub mod outbox;
pub mod period;
pub mod pricing;
pub mod promotion;
pub mod redemption;
pub mod results;
pub mod returns;
pub mod sales;
pub mod sending;
pub mod stats;
pub mod test_mail;
pub mod thank_you;
pub mod watching;
pub mod word_filter;
pub mod word_limits;

pub use fault::Fault;
