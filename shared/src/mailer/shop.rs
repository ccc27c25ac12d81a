//! What the deployment says about the shop, as its mails show it.

use chrono_tz::Tz;

use crate::domain::follow_up::{MailTerms, Sender};
use crate::domain::link::Slug;
use crate::env::{Env, StartError};

/// The shop, as mails show it.
#[derive(Debug)]
pub struct Shop {
    /// As buyers know it.
    pub shop_name: String,
    /// Where buyers shop.
    pub shop_url: String,
    /// Base of the links in mails, without a slash at its end.
    pub public_url: String,
    /// The legal sender, for follow-ups that bring none.
    pub sender: Option<Sender>,
    /// In which dates are shown and codes end.
    pub zone: Tz,
}

impl Shop {
    /// Reads `SHOP_NAME`, `SHOP_URL`, `PUBLIC_URL`, `TIME_ZONE` and `SENDER_NAME`, `SENDER_ADDRESS`, `SENDER_CONTACT`.
    ///
    /// # Errors
    /// [`StartError`] naming what is missing or unusable. A sender that is not complete counts as none.
    pub fn read(env: &Env) -> Result<Self, StartError> {
        let parts = ["SENDER_NAME", "SENDER_ADDRESS", "SENDER_CONTACT"].map(|name| env.get(name));
        let sender = match parts {
            [Some(name), Some(address), Some(contact)] => complete(Sender {
                name,
                address,
                contact,
            }),
            _ => None,
        };
        Ok(Self {
            shop_name: env.require("SHOP_NAME")?,
            shop_url: url(env, "SHOP_URL")?,
            public_url: url(env, "PUBLIC_URL")?.trim_end_matches('/').to_owned(),
            sender,
            zone: env.parse_or("TIME_ZONE", chrono_tz::UTC)?,
        })
    }

    /// Who legally sends a follow-up's mails: its own sender, else the deployment's. `None` if neither is complete; then
    /// nothing may be sent.
    pub fn sender_of(&self, mail: &MailTerms) -> Option<Sender> {
        let own = mail.sender.clone().and_then(complete);
        own.or_else(|| self.sender.clone())
    }

    /// A landing link's address.
    pub fn link_url(&self, slug: &Slug) -> String {
        format!("{}/l/{slug}", self.public_url)
    }

    /// The link behind which `token` unsubscribes.
    pub fn unsubscribe_url(&self, token: &str) -> String {
        format!("{}/u/{token}", self.public_url)
    }
}

/// The sender, if each of its parts says something: the law asks for all three.
pub fn complete(sender: Sender) -> Option<Sender> {
    let parts = [&sender.name, &sender.address, &sender.contact];
    let blank = parts.iter().any(|part| part.trim().is_empty());
    (!blank).then_some(sender)
}

/// A web address in printable ASCII, as links and mail headers need it.
fn url(env: &Env, name: &str) -> Result<String, StartError> {
    let url = env.require(name)?;
    let web = url.starts_with("https://") || url.starts_with("http://");
    let plain = url
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !b"<>\"".contains(&byte));
    if web && plain {
        Ok(url)
    } else {
        Err(StartError::Unusable {
            name: name.to_owned(),
            why: "it must be an http(s) URL in printable ASCII".to_owned(),
        })
    }
}
