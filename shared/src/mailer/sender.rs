//! The From header in ASCII.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Bytes of a name that fit one encoded word. Source: RFC 2047 §2, 75 characters of which 12 are `=?UTF-8?B?` and `?=`.
const WORD_BYTES: usize = 45;

/// `Name <address>` or a bare address as SES takes it: a name beyond ASCII becomes encoded words (RFC 2047). `None` if it is
/// neither, so that nothing can slip another header in.
pub(super) fn encode(from: &str) -> Option<String> {
    let (name, address) = match from.trim().strip_suffix('>') {
        Some(text) => text.rsplit_once('<')?,
        None => ("", from),
    };
    let (name, address) = (name.trim().trim_matches('"').trim(), address.trim());
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"<>,;\"".contains(&byte);
    if from.contains(char::is_control) || !address.contains('@') || !address.bytes().all(plain) {
        return None;
    }
    if name.is_empty() {
        return Some(address.to_owned());
    }
    if name.is_ascii() {
        let quoted = name.replace('\\', "\\\\").replace('"', "\\\"");
        return Some(format!("\"{quoted}\" <{address}>"));
    }
    Some(format!("{} <{address}>", encoded_words(name)))
}

fn encoded_words(name: &str) -> String {
    let mut words = vec![String::new()];
    for symbol in name.chars() {
        match words.last_mut() {
            Some(word) if word.len() + symbol.len_utf8() <= WORD_BYTES => word.push(symbol),
            _ => words.push(symbol.to_string()),
        }
    }
    let encoded: Vec<String> = words
        .iter()
        .map(|word| format!("=?UTF-8?B?{}?=", STANDARD.encode(word)))
        .collect();
    encoded.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_japanese_name_travels_as_encoded_words() {
        assert_eq!(
            encode("花子の店 <hello@shop.example>").unwrap(),
            "=?UTF-8?B?6Iqx5a2Q44Gu5bqX?= <hello@shop.example>"
        );
        let long = encode(&format!("{} <a@b.jp>", "店".repeat(40))).unwrap();
        assert!(
            long.is_ascii() && long.split(' ').all(|word| word.len() <= 75),
            "{long}"
        );
    }

    #[test]
    fn ascii_names_are_quoted_and_bare_addresses_stay() {
        assert_eq!(
            encode("Shop, Inc. <a@b.jp>").unwrap(),
            "\"Shop, Inc.\" <a@b.jp>"
        );
        assert_eq!(encode(" a@b.jp ").unwrap(), "a@b.jp");
    }

    #[test]
    fn nothing_slips_another_header_or_recipient_in() {
        for from in [
            "Shop\r\nBcc: x@y.jp <a@b.jp>",
            "a@b.jp, c@d.jp",
            "Shop <a@b.jp",
            "Shop",
            "<>",
            "",
        ] {
            assert_eq!(encode(from), None, "{from}");
        }
    }
}
