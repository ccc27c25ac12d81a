//! Claim codes: sealed single-use codes, which prove by themselves that they were minted here, and group words.

mod ff1;
mod key;

use std::fmt;
use std::hash::{Hash, Hasher};

use rand::RngExt;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use super::word_filter;
pub use key::CodeKey;

/// Crockford's base-32 alphabet: no I, L, O or U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const RADIX: u64 = 32;
/// Bits of a symbol.
const SYMBOL_BITS: u32 = 5;
/// Symbols of a promotion id, the `TTTT` in front of every sealed code.
const ID_SYMBOLS: usize = 4;
/// Symbols of a whole sealed code, without hyphens.
const SEALED_SYMBOLS: usize = ID_SYMBOLS + 12;
/// Longest text a caller may send as a code, in characters; beyond this it cannot be one, however it is spaced.
pub const MAX_TYPED_CHARS: usize = 64;

/// A promotion's id: four Crockford symbols, random, unique, never reused.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PromotionId(String);

/// The text is not four Crockford symbols.
#[derive(Debug, thiserror::Error)]
#[error("a promotion id is four of 0-9 A-Z without I, L, O, U")]
pub struct InvalidPromotionId;

impl PromotionId {
    /// Draws an id that spells no blocked word. Uniqueness is the store's to enforce.
    pub fn random() -> Self {
        let mut rng = rand::rng();
        loop {
            let text: String = (0..ID_SYMBOLS)
                .map(|_| symbol(rng.random_range(0..32)))
                .collect();
            if !word_filter::spells_a_blocked_word(word_filter::CURRENT, &text) {
                return Self(text);
            }
        }
    }

    /// The four symbols.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for PromotionId {
    type Error = InvalidPromotionId;

    fn try_from(text: String) -> Result<Self, InvalidPromotionId> {
        let well_formed =
            text.len() == ID_SYMBOLS && text.bytes().all(|byte| ALPHABET.contains(&byte));
        if well_formed {
            Ok(Self(text))
        } else {
            Err(InvalidPromotionId)
        }
    }
}

impl From<PromotionId> for String {
    fn from(id: PromotionId) -> Self {
        id.0
    }
}

impl fmt::Display for PromotionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Number of a single-use code within its promotion: below 2^35. The lower half is minted in batches, in order; the upper
/// half is drawn at random for thank-you codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Serial(u64);

/// The number is 2^35 or more.
#[derive(Debug, thiserror::Error)]
#[error("a serial is below 2^35")]
pub struct InvalidSerial;

impl Serial {
    /// First number no batch can take; thank-you codes start here.
    pub const BATCH_END: u64 = 1 << 34;
    /// First number that is no serial: seven symbols of five bits.
    pub const END: u64 = 1 << 35;

    /// A serial for a thank-you code, uniform over the upper half.
    pub fn random_thank_you() -> Self {
        Self(rand::rng().random_range(Self::BATCH_END..Self::END))
    }

    /// The number.
    pub fn get(self) -> u64 {
        self.0
    }

    /// Whether it belongs to a thank-you code.
    pub fn is_thank_you(self) -> bool {
        self.0 >= Self::BATCH_END
    }
}

impl TryFrom<u64> for Serial {
    type Error = InvalidSerial;

    fn try_from(number: u64) -> Result<Self, InvalidSerial> {
        if number < Self::END {
            Ok(Self(number))
        } else {
            Err(InvalidSerial)
        }
    }
}

impl From<Serial> for u64 {
    fn from(serial: Serial) -> Self {
        serial.0
    }
}

/// The canonical text of a single-use code, `TTTT-BBBB-BBBB-BBBB`. It opens a discount: never log or store it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SealedCode(String);

impl SealedCode {
    /// The canonical text, with hyphens. It is a secret.
    pub fn reveal(&self) -> String {
        let mut text = String::with_capacity(SEALED_SYMBOLS + 3);
        for (index, symbol) in self.0.chars().enumerate() {
            if index > 0 && index % 4 == 0 {
                text.push('-');
            }
            text.push(symbol);
        }
        text
    }

    /// The promotion this code claims to belong to.
    pub fn promotion_id(&self) -> PromotionId {
        PromotionId(self.0.chars().take(ID_SYMBOLS).collect())
    }

    /// The number that the body spells, in 60 bits.
    fn body(&self) -> u64 {
        let symbols = self.0.bytes().skip(ID_SYMBOLS);
        symbols.fold(0, |number, symbol| number << SYMBOL_BITS | value(symbol))
    }
}

impl fmt::Debug for SealedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedCode({}-…)", self.promotion_id())
    }
}

/// Folded form of a group word, under which it is looked up and unique: upper case, `O` as `0`, `I` and `L` as `1`. Words are
/// equal if they fold alike, whatever they were.
#[derive(Clone, Debug)]
pub struct FoldedWord {
    folded: String,
    /// What was folded, to be shown where nothing better is known.
    shown: String,
}

impl FoldedWord {
    fn of(word: &str) -> Self {
        Self {
            folded: word.chars().map(fold).collect(),
            shown: word.to_owned(),
        }
    }

    /// The folded text.
    pub fn as_str(&self) -> &str {
        &self.folded
    }
}

impl PartialEq for FoldedWord {
    fn eq(&self, other: &Self) -> bool {
        self.folded == other.folded
    }
}

impl Eq for FoldedWord {}

impl Hash for FoldedWord {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.folded.hash(hasher);
    }
}

/// A group word as staff gave it: 3 to 20 symbols A–Z 0–9, but not 16, which is the shape of a sealed code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GroupWord(String);

/// The text cannot be a group word.
#[derive(Debug, thiserror::Error)]
pub enum InvalidGroupWord {
    /// Too short, too long, or exactly as long as a sealed code.
    #[error("a group code has 3 to 20 symbols, but not 16")]
    Length,
    /// A symbol other than A–Z and 0–9.
    #[error("a group code is made of A-Z and 0-9")]
    Symbol,
}

impl GroupWord {
    /// The word, upper case, as given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form under which it is looked up.
    pub fn folded(&self) -> FoldedWord {
        FoldedWord::of(&self.0)
    }
}

impl TryFrom<String> for GroupWord {
    type Error = InvalidGroupWord;

    fn try_from(text: String) -> Result<Self, InvalidGroupWord> {
        let word: String = text.nfkc().collect::<String>().trim().to_ascii_uppercase();
        if !word
            .chars()
            .all(|symbol| symbol.is_ascii_uppercase() || symbol.is_ascii_digit())
        {
            return Err(InvalidGroupWord::Symbol);
        }
        if !(3..=20).contains(&word.len()) || word.len() == SEALED_SYMBOLS {
            return Err(InvalidGroupWord::Length);
        }
        Ok(Self(word))
    }
}

impl From<GroupWord> for String {
    fn from(word: GroupWord) -> Self {
        word.0
    }
}

/// What a caller typed, read forgivingly: case, spaces, hyphens, `O` and `0`, `I`, `L` and `1`, full-width letters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TypedCode {
    /// Has the shape of a single-use code.
    Sealed(SealedCode),
    /// Has the shape of a group word.
    Word(FoldedWord),
    /// Can be no code of ours; kept to tell the caller what was read.
    Garbled(String),
}

impl TypedCode {
    /// Reads `text`. Never fails: what cannot be a code is [`TypedCode::Garbled`], an unknown code like any other.
    pub fn read(text: &str) -> Self {
        let cleaned: String = text
            .nfkc()
            .filter(|symbol| !is_spacing(*symbol))
            .collect::<String>()
            .to_ascii_uppercase();
        let folded: String = cleaned.chars().map(fold).collect();
        let plain = folded
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
        if folded.len() == SEALED_SYMBOLS && folded.bytes().all(|byte| ALPHABET.contains(&byte)) {
            Self::Sealed(SealedCode(folded))
        } else if plain && (3..=20).contains(&folded.len()) && folded.len() != SEALED_SYMBOLS {
            Self::Word(FoldedWord::of(&cleaned))
        } else {
            Self::Garbled(cleaned)
        }
    }

    /// The same text for every way to type one code; only to compare, never to show.
    pub fn identity(&self) -> String {
        match self {
            Self::Word(word) => word.folded.clone(),
            Self::Sealed(_) | Self::Garbled(_) => self.canonical(),
        }
    }

    /// The canonical text to answer with when nothing better is known (an unknown code).
    pub fn canonical(&self) -> String {
        match self {
            Self::Sealed(code) => code.reveal(),
            Self::Word(word) => word.shown.clone(),
            Self::Garbled(text) => text.clone(),
        }
    }
}

/// Spaces and the hyphens and dashes that keyboards and word processors put in codes.
fn is_spacing(symbol: char) -> bool {
    symbol.is_whitespace()
        || matches!(
            symbol,
            '-' | '_' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{30FC}' | '\u{FF70}' | '\u{200B}'
        )
}

fn fold(symbol: char) -> char {
    match symbol {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    }
}

/// The symbol of a number's last five bits.
fn symbol(number: u64) -> char {
    let place = usize::try_from(number % RADIX).unwrap_or_default();
    ALPHABET.get(place).copied().map_or('0', char::from)
}

/// The number of a symbol; 0 for what is none.
fn value(symbol: u8) -> u64 {
    let mut symbols = (0..).zip(ALPHABET);
    let place = symbols.find_map(|(place, candidate)| (*candidate == symbol).then_some(place));
    place.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reading_forgives_case_spacing_lookalikes_and_width() {
        let canonical = TypedCode::read("TH10-7K3M-9QXA-2F4T");
        for typed in [
            "th1o7k3m9qxa2f4t",
            " THIO 7K3M 9QXA 2F4T ",
            "thlo–7k3m–9qxa–2f4t",
            "ＴＨ１０－７Ｋ３Ｍ－９ＱＸＡ－２Ｆ４Ｔ",
            "TH10ー7K3Mー9QXAー2F4T",
        ] {
            assert_eq!(TypedCode::read(typed), canonical, "{typed}");
        }
    }

    #[test]
    fn group_words_match_by_their_folded_form() {
        let word = GroupWord::try_from("hello10".to_owned()).unwrap();
        assert_eq!(word.as_str(), "HELLO10");
        assert_eq!(TypedCode::read("he11 o-10"), TypedCode::Word(word.folded()));
        assert!(matches!(
            GroupWord::try_from("AB".to_owned()),
            Err(InvalidGroupWord::Length)
        ));
        assert!(matches!(
            GroupWord::try_from("ABCDEFGHJKMNPQRS".to_owned()),
            Err(InvalidGroupWord::Length)
        ));
        assert!(matches!(
            GroupWord::try_from("HANAKO!".to_owned()),
            Err(InvalidGroupWord::Symbol)
        ));
    }

    proptest! {
        #[test]
        fn reading_never_panics(text in any::<String>()) {
            let _ = TypedCode::read(&text).canonical();
        }
    }
}
