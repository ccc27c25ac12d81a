//! Claim codes: sealed single-use codes, which prove by themselves that they were minted here, and group words.

mod ff1;

use std::fmt;
use std::hash::{Hash, Hasher};

use hkdf::Hkdf;
use rand::RngExt;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use unicode_normalization::UnicodeNormalization;

use super::word_filter;
use ff1::{Ff1, Halves};

/// Crockford's base-32 alphabet: no I, L, O or U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const RADIX: u64 = 32;
/// Bits of a symbol.
const SYMBOL_BITS: u32 = 5;
/// Symbols of a promotion id, the `TTTT` in front of every sealed code.
const ID_SYMBOLS: usize = 4;
/// Symbols of a code's body: 7 of serial, 1 of variant, 4 zeros.
const BODY_SYMBOLS: u32 = 12;
/// Where a body's number holds the variant, above the zeros …
const VARIANT_SHIFT: u32 = 4 * SYMBOL_BITS;
/// … and the serial, above the variant.
const SERIAL_SHIFT: u32 = VARIANT_SHIFT + SYMBOL_BITS;
/// Where it is split for the cipher.
const HALF_SHIFT: u32 = 6 * SYMBOL_BITS;
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

/// Seals and opens the single-use codes of one promotion.
///
/// FF1 (NIST SP 800-38G) with AES-256 and an empty tweak over `[serial: 7 symbols][variant: 1][zeros: 4]`, radix 32.
pub struct CodeKey {
    promotion_id: PromotionId,
    cipher: Ff1<RADIX, 6>,
    word_list: u32,
}

impl CodeKey {
    /// Derives a promotion's key: HKDF-SHA256 of the master key with the promotion's salt, bound to its id.
    #[expect(clippy::missing_panics_doc, reason = "no input makes it panic")]
    pub fn derive(
        master_key: &[u8],
        salt: &[u8; 16],
        promotion_id: PromotionId,
        word_list: u32,
    ) -> Self {
        let mut key = [0_u8; 32];
        let info = [b"okaeri/code/v1", promotion_id.as_str().as_bytes()].concat();
        #[expect(
            clippy::expect_used,
            reason = "32 bytes are a valid length for HKDF-SHA256, whatever the input"
        )]
        Hkdf::<Sha256>::new(Some(salt), master_key)
            .expand(&info, &mut key)
            .expect("32 bytes are a valid output length");
        Self {
            promotion_id,
            cipher: Ff1::new(&key),
            word_list,
        }
    }

    /// The code of a serial: the first variant that spells no blocked word (the last if all do, so that `n` serials are
    /// always `n` codes).
    pub fn seal(&self, serial: Serial) -> SealedCode {
        let mut code = self.seal_variant(serial, 0);
        for variant in 1..RADIX {
            if !self.passed_over(&code) {
                break;
            }
            code = self.seal_variant(serial, variant);
        }
        code
    }

    /// Whether sealing takes another variant than this.
    fn passed_over(&self, code: &SealedCode) -> bool {
        word_filter::spells_a_blocked_word(self.word_list, &code.0)
    }

    /// The serial of a code sealed by [`Self::seal`] with this key, or `None` for anything else.
    pub fn open(&self, code: &SealedCode) -> Option<Serial> {
        if !code.0.starts_with(self.promotion_id.as_str()) {
            return None;
        }
        let plain = joined(self.cipher.decrypt(halves(code.body())));
        let zeros = plain & ((1 << VARIANT_SHIFT) - 1);
        if zeros != 0 {
            return None;
        }
        let serial = Serial::try_from(plain >> SERIAL_SHIFT).ok()?;
        let variant = plain >> VARIANT_SHIFT & (RADIX - 1);
        // The cipher maps one to one: nothing but this serial and variant makes this code. Sealing must have come as far as it.
        let mut earlier = (0..variant).map(|variant| self.seal_variant(serial, variant));
        let taken = earlier.all(|code| self.passed_over(&code))
            && (variant == RADIX - 1 || !self.passed_over(code));
        taken.then_some(serial)
    }

    /// A code that looks like one of this promotion's and is none: what previews and test mails show.
    pub fn specimen(&self) -> SealedCode {
        let numbered =
            |number: u32| SealedCode(format!("{}SAMP1E{number:06}", self.promotion_id.as_str()));
        // Of a million texts one is a code by chance.
        let mut numbers = 0..=999_999_u32;
        let found = numbers.find(|number| self.open(&numbered(*number)).is_none());
        numbered(found.unwrap_or_default())
    }

    /// `variant` is below 32.
    fn seal_variant(&self, serial: Serial, variant: u64) -> SealedCode {
        let plain = serial.0 << SERIAL_SHIFT | variant << VARIANT_SHIFT;
        let body = joined(self.cipher.encrypt(halves(plain)));
        let mut text = String::with_capacity(SEALED_SYMBOLS);
        text.push_str(&self.promotion_id.0);
        for place in (0..BODY_SYMBOLS).rev() {
            text.push(symbol(body >> (SYMBOL_BITS * place)));
        }
        SealedCode(text)
    }
}

/// A body's number in two halves of 30 bits.
fn halves(body: u64) -> Halves {
    let half = |number: u64| u32::try_from(number & ((1 << HALF_SHIFT) - 1)).unwrap_or_default();
    Halves {
        left: half(body >> HALF_SHIFT),
        right: half(body),
    }
}

fn joined(Halves { left, right }: Halves) -> u64 {
    u64::from(left) << HALF_SHIFT | u64::from(right)
}

impl fmt::Debug for CodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CodeKey({}, …)", self.promotion_id)
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

    fn key() -> CodeKey {
        CodeKey::derive(
            &[7; 32],
            &[9; 16],
            PromotionId("THX9".to_owned()),
            word_filter::CURRENT,
        )
    }

    #[test]
    fn the_format_never_changes() {
        assert_eq!(key().seal(Serial(0)).reveal(), "THX9-XAHD-P11Y-8TFY");
    }

    #[test]
    fn a_specimen_has_the_shape_of_a_code_and_opens_to_none() {
        let specimen = key().specimen();
        assert_eq!(specimen.reveal(), "THX9-SAMP-1E00-0000");
        assert_eq!(key().open(&specimen), None);
        assert_eq!(
            TypedCode::read(&specimen.reveal()),
            TypedCode::Sealed(specimen)
        );
    }

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

    #[test]
    fn no_sealed_code_spells_a_blocked_word_and_every_one_opens() {
        let key = key();
        let mut redrawn = 0;
        for number in 0..20_000 {
            let serial = Serial(number);
            let code = key.seal(serial);
            assert!(!word_filter::spells_a_blocked_word(
                word_filter::CURRENT,
                &code.0
            ));
            assert_eq!(key.open(&code), Some(serial));
            redrawn += u32::from(code != key.seal_variant(serial, 0));
        }
        assert!(
            redrawn > 0,
            "the filter never had to choose another variant, so nothing was shown"
        );
    }

    #[test]
    fn only_the_variant_that_sealing_takes_opens() {
        let key = key();
        let mut later = 0;
        for serial in (0..5_000).map(Serial) {
            let sealed = key.seal(serial);
            for code in (0..4).map(|variant| key.seal_variant(serial, variant)) {
                let expected = (code == sealed).then_some(serial);
                assert_eq!(key.open(&code), expected, "{serial:?}");
            }
            later += u32::from(sealed != key.seal_variant(serial, 0));
        }
        assert!(later > 0, "sealing always took the first variant");
    }

    #[test]
    fn a_code_of_another_promotion_or_master_key_does_not_open() {
        let code = key().seal(Serial(1));
        let other_key = CodeKey::derive(
            &[8; 32],
            &[9; 16],
            PromotionId("THX9".to_owned()),
            word_filter::CURRENT,
        );
        assert_eq!(other_key.open(&code), None);
        let other_promotion = CodeKey::derive(
            &[7; 32],
            &[9; 16],
            PromotionId("THX8".to_owned()),
            word_filter::CURRENT,
        );
        assert_eq!(other_promotion.open(&code), None);
    }

    #[test]
    fn debug_output_never_shows_the_code() {
        let code = key().seal(Serial(77));
        assert!(!format!("{code:?}").contains(&code.reveal()[5..]));
    }

    proptest! {
        #[test]
        fn every_serial_opens_to_itself(number in 0..Serial::END) {
            let key = key();
            prop_assert_eq!(key.open(&key.seal(Serial(number))), Some(Serial(number)));
        }

        #[test]
        fn a_changed_symbol_does_not_open(number in 0..Serial::END, place in ID_SYMBOLS..SEALED_SYMBOLS, by in 1_usize..32) {
            let key = key();
            let mut text = key.seal(Serial(number)).0.into_bytes();
            text[place] = ALPHABET[(usize::try_from(value(text[place])).unwrap() + by) % 32];
            let changed = SealedCode(String::from_utf8(text).unwrap());
            // 20 zero bits and one variant in 32: a wrong code opens with a chance of 2^-25.
            prop_assert_eq!(key.open(&changed), None);
        }

        #[test]
        fn reading_never_panics(text in any::<String>()) {
            let _ = TypedCode::read(&text).canonical();
        }
    }
}
