//! What the deployment says about the shop.

pub(crate) use shared::mailer::{Shop as Settings, complete};
