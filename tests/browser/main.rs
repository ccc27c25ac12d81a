//! What staff and buyers see, in headless Chromium: each test does what a person does, and every page it comes to is looked at for
//! errors, requests that leave this machine, a policy that lets inline code run, and what axe-core finds.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::too_many_lines,
    clippy::indexing_slicing,
    reason = "to clippy, integration tests and their helpers are no tests; a story is told in one piece"
)]

mod buyers;
mod driver;
mod hostile;
mod mails;
mod numbers;
mod page;
mod pictures;
mod promotions;
mod public;
mod staff;
