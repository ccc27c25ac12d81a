//! Mails: their words, their two parts, and their way out. Only this module names `aws_sdk_sesv2`.

mod account;
mod blocks;
mod letter;
mod offer;
mod render;
#[cfg(test)]
mod rules;
mod sample;
mod sender;
mod ses;
mod shop;
pub mod template;

pub use account::Account;
pub use letter::{Letter, LetterError};
pub use offer::{Language, Offer};
pub use render::{MailInput, Reason, RenderError, RenderedMail, render};
pub use sample::{Sample, SampleError};
pub use ses::{Mailer, Outgoing, SendError, THANK_YOU, list_headers};
pub use shop::{Shop, complete};
