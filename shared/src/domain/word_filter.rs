//! Keeps codes from spelling words nobody wants on a receipt.

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
    let folded: String = text.chars().map(fold).collect();
    VERSION_1.iter().any(|word| {
        let word: String = word.chars().map(fold).collect();
        folded.contains(&word)
    })
}

/// Maps look-alikes to one symbol: digits that read as letters, and letters that Crockford's alphabet leaves out.
fn fold(symbol: char) -> char {
    match symbol {
        'O' => '0',
        'I' | 'L' => '1',
        'Z' => '2',
        'E' => '3',
        'A' => '4',
        'S' => '5',
        'G' => '6',
        'T' => '7',
        'B' => '8',
        'U' => 'V',
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
        let hex = super::super::identity::hex(&digest[..8]);
        assert_eq!(hex, "b6d8ee31f5730588");
    }
}
