//! What the black-box tests stand on: a stack of their own, callers, and faults between the SDK and the engine.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "test helpers end the test they serve"
)]

pub mod books;
pub mod deployment;
pub mod faults;
pub mod fleet;
pub mod gate;
pub mod points;
pub mod policies;
mod process;
mod stack;
mod stream;

pub use process::Process;
pub use stack::{Answer, Caller, Stack, completed, redemption};
pub use stream::stream_event;
