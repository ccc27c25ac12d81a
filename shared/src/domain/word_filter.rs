//! Keeps codes from spelling words nobody wants on a receipt.

use std::sync::LazyLock;

/// Version of the list below, stored in each promotion. A list never changes once released: a code opens only under the
/// list it was sealed with. To change it, add a list and a version.
pub const CURRENT: u32 = 1;

/// Version 1: words of English, German, Spanish and Japanese in Latin letters, compared after [`fold`].
const VERSION_1: [&str; 38] = [
    "ASS", "FAG", "FUK", "GAY", "KKK", "SEX", "TIT", "WTF", "XXX", "ANAL", "ANUS", "ARSE", "BAKA",
    "COCK", "CRAP", "CUNT", "DEAD", "DICK", "FICK", "FUCK", "HATE", "HELL", "JERK", "KILL", "KUSO",
    "NAZI", "NEGR", "NIGG", "PENIS", "PORN", "PUTA", "RAPE", "SHINE", "SHIT", "SLUT", "TWAT",
    "UNKO", "WHORE",
];

/// Whether `text` (Crockford symbols, no hyphens) spells a word of list `version`. An unknown version blocks nothing, so that
/// the caller's own check of the version decides.
pub fn spells_a_blocked_word(version: u32, text: &str) -> bool {
    if version != CURRENT {
        return false;
    }
    let folded: Vec<u8> = text.bytes().map(fold).collect();
    let mut starts = folded.iter().enumerate();
    starts.any(|(start, first)| {
        let words = WORDS.get(usize::from(*first)).map(Vec::as_slice);
        let rest = folded.get(start..).unwrap_or_default();
        words
            .unwrap_or_default()
            .iter()
            .any(|word| rest.starts_with(word))
    })
}

/// Version 1, folded, by first symbol: sealing looks at every code it makes.
static WORDS: LazyLock<Vec<Vec<Vec<u8>>>> = LazyLock::new(|| {
    let mut by_first = vec![Vec::new(); usize::from(u8::MAX) + 1];
    for word in VERSION_1 {
        let folded: Vec<u8> = word.bytes().map(fold).collect();
        let first = folded.first().copied().unwrap_or_default();
        if let Some(words) = by_first.get_mut(usize::from(first)) {
            words.push(folded);
        }
    }
    by_first
});

/// Maps look-alikes to one symbol: digits that read as letters, and letters that Crockford's alphabet leaves out.
fn fold(symbol: u8) -> u8 {
    match symbol {
        b'O' => b'0',
        b'I' | b'L' => b'1',
        b'Z' => b'2',
        b'E' => b'3',
        b'A' => b'4',
        b'S' => b'5',
        b'G' => b'6',
        b'T' => b'7',
        b'B' => b'8',
        b'U' => b'V',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn look_alike_digits_spell_words_too() {
        assert!(spells_a_blocked_word(1, "X5EXK"));
        assert!(spells_a_blocked_word(1, "P5H17Q"));
        assert!(spells_a_blocked_word(1, "8AKA"));
        assert!(!spells_a_blocked_word(1, "7K3M9QXA2F4T"));
    }

    #[test]
    fn version_1_never_changes() {
        let digest = Sha256::digest(VERSION_1.join(",").as_bytes());
        let hex = hex::encode(&digest[..8]);
        assert_eq!(hex, "b6d8ee31f5730588");
    }
}
