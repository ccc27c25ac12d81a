//! The rules of Okaeri, pure: no clock, no network, no environment.

pub mod channel;
pub mod code;
pub mod follow_up;
pub mod identity;
pub mod money;
pub mod order;
pub mod outbox;
pub mod period;
pub mod word_filter;
