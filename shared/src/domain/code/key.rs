//! Sealing a serial into a code, and opening it.

use std::fmt;

use hkdf::Hkdf;
use sha2::Sha256;

use super::ff1::{Ff1, Halves};
use super::{PromotionId, RADIX, SEALED_SYMBOLS, SYMBOL_BITS, SealedCode, Serial, symbol};
use crate::domain::word_filter;

/// Symbols of a code's body: 7 of serial, 1 of variant, 4 zeros.
const BODY_SYMBOLS: u32 = 12;
/// Where a body's number holds the variant, above the zeros …
const VARIANT_SHIFT: u32 = 4 * SYMBOL_BITS;
/// … and the serial, above the variant.
const SERIAL_SHIFT: u32 = VARIANT_SHIFT + SYMBOL_BITS;
/// Where it is split for the cipher.
const HALF_SHIFT: u32 = 6 * SYMBOL_BITS;

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::code::{ALPHABET, ID_SYMBOLS, TypedCode, value};

    fn key() -> CodeKey {
        key_of(7, "THX9")
    }

    fn key_of(master: u8, promotion: &str) -> CodeKey {
        CodeKey::derive(
            &[master; 32],
            &[9; 16],
            PromotionId(promotion.to_owned()),
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
        assert_eq!(key_of(8, "THX9").open(&code), None);
        assert_eq!(key_of(7, "THX8").open(&code), None);
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
    }
}
