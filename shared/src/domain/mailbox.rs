//! A mail's sender as staff write it.

use super::identity::Email;

/// Longest display name, in characters; as an RFC 2047 encoded word in Japanese it still fits the lines of a header.
const MAX_NAME_CHARS: usize = 64;

/// `Name <address>` or a bare address. The address is ASCII; the name may be in any script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    name: Option<String>,
    address: Email,
}

/// The text is no mailbox.
#[derive(Debug, thiserror::Error)]
pub enum InvalidMailbox {
    /// What stands for the address is none.
    #[error("a sender is `Name <address>` or an address such as hello@shop.example, in ASCII")]
    Address,
    /// The name is too long or holds symbols that a mail's header cannot.
    #[error(
        "a sender's name has at most {MAX_NAME_CHARS} characters, without control characters and without < > \" \\"
    )]
    Name,
}

impl Mailbox {
    /// The display name, if there is one: no quotes, angle brackets, backslashes or control characters in it.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The address.
    pub fn address(&self) -> &Email {
        &self.address
    }
}

impl TryFrom<&str> for Mailbox {
    type Error = InvalidMailbox;

    fn try_from(text: &str) -> Result<Self, InvalidMailbox> {
        let text = text.trim();
        let (name, address) = match text.strip_suffix('>') {
            Some(rest) => rest.split_once('<').ok_or(InvalidMailbox::Address)?,
            None => ("", text),
        };
        let address = Email::try_from(address.to_owned()).map_err(|_| InvalidMailbox::Address)?;
        let name = unquoted(name.trim());
        let unfit = |symbol: char| symbol.is_control() || matches!(symbol, '<' | '>' | '"' | '\\');
        if name.chars().count() > MAX_NAME_CHARS || name.chars().any(unfit) {
            return Err(InvalidMailbox::Name);
        }
        let name = (!name.is_empty()).then(|| name.to_owned());
        Ok(Self { name, address })
    }
}

/// The name without the quotes that a name with a comma is usually written in.
fn unquoted(name: &str) -> &str {
    let inner = name
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    inner.map_or(name, str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_is_an_address_with_or_without_a_name() {
        for (text, name, address) in [
            ("hello@shop.example", None, "hello@shop.example"),
            ("<hello@shop.example>", None, "hello@shop.example"),
            (
                " Shop <hello@shop.example> ",
                Some("Shop"),
                "hello@shop.example",
            ),
            ("お茶の店 <a@b.jp>", Some("お茶の店"), "a@b.jp"),
            ("\"Tea, Ltd.\" <a@b.jp>", Some("Tea, Ltd."), "a@b.jp"),
        ] {
            let mailbox = Mailbox::try_from(text).unwrap();
            assert_eq!(mailbox.name(), name, "{text}");
            assert_eq!(mailbox.address().as_str(), address, "{text}");
        }
    }

    #[test]
    fn text_that_could_forge_a_header_is_no_sender() {
        for text in [
            "",
            "Shop",
            "Shop <>",
            "Shop hello@shop.example",
            "a@b.jp, c@d.jp",
            "Shop <a@b.jp> <c@d.jp>",
            "Shop\r\nBcc: x <a@b.jp>",
            "Shop \"x <a@b.jp>",
            "<Shop <a@b.jp>",
            "花@店.jp",
            &format!("{} <a@b.jp>", "x".repeat(65)),
        ] {
            assert!(Mailbox::try_from(text).is_err(), "{text}");
        }
    }
}
