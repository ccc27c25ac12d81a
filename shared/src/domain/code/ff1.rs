//! FF1 format-preserving encryption (NIST SP 800-38G) for short strings of a fixed, even length: AES-256, empty tweak.
//!
//! The `fpe` crate does the same for strings of any length with big integers; tests hold this to it and to NIST's sample. Half
//! a string here is a number of at most 32 bits, so that each round is one block of AES.

use aes::Aes256;
use aes::cipher::{BlockCipherEncrypt, KeyInit};

/// Source: SP 800-38G, algorithm 7.
const ROUNDS: u8 = 10;

/// FF1 over strings of `2 * HALF` symbols of `RADIX`, each half given as the number it spells.
pub(super) struct Ff1<const RADIX: u64, const HALF: u32> {
    cipher: Aes256,
    /// What the first block, which is the same for every string, leaves for the second.
    chained: u128,
}

/// A string: the numbers its halves spell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Halves {
    pub(super) left: u32,
    pub(super) right: u32,
}

impl<const RADIX: u64, const HALF: u32> Ff1<RADIX, HALF> {
    /// Number of strings that half a string can be.
    const HALVES: u64 = {
        let halves = RADIX.pow(HALF);
        assert!(halves <= 1 << 32, "half a string has at most 32 bits");
        halves
    };

    pub(super) fn new(key: &[u8; 32]) -> Self {
        let cipher = Aes256::new(key.into());
        let [.., high, middle, low] = RADIX.to_be_bytes();
        let [.., half] = HALF.to_be_bytes();
        // Version, method and addition; radix; rounds; left half; length of the string; length of the tweak.
        #[rustfmt::skip]
        let first = [1, 2, 1, high, middle, low, ROUNDS, half, 0, 0, 0, 2 * half, 0, 0, 0, 0];
        let chained = encrypt(&cipher, u128::from_be_bytes(first));
        Self { cipher, chained }
    }

    pub(super) fn encrypt(&self, Halves { left, right }: Halves) -> Halves {
        let (mut left, mut right) = (left, right);
        for round in 0..ROUNDS {
            let sum = (u64::from(left) + self.mixed(round, right)) % Self::HALVES;
            (left, right) = (right, narrow(sum));
        }
        Halves { left, right }
    }

    pub(super) fn decrypt(&self, Halves { left, right }: Halves) -> Halves {
        let (mut left, mut right) = (left, right);
        for round in (0..ROUNDS).rev() {
            let difference =
                (u64::from(right) + Self::HALVES - self.mixed(round, left)) % Self::HALVES;
            (left, right) = (narrow(difference), left);
        }
        Halves { left, right }
    }

    /// What a round adds to one half on account of the other, below [`Self::HALVES`].
    fn mixed(&self, round: u8, half: u32) -> u64 {
        let bytes = (u64::BITS - (Self::HALVES - 1).leading_zeros()).div_ceil(8);
        // Zeros; the round; the half in as many bytes as the largest one takes.
        let second = u128::from(round) << (8 * bytes) | u128::from(half);
        let output = encrypt(&self.cipher, self.chained ^ second);
        // For halves of up to four bytes the first eight of the output count.
        let first = u64::try_from(output >> 64).unwrap_or_default();
        first % Self::HALVES
    }
}

fn encrypt(cipher: &Aes256, block: u128) -> u128 {
    let mut block = block.to_be_bytes().into();
    cipher.encrypt_block(&mut block);
    u128::from_be_bytes(block.into())
}

/// A number below 2^32, which [`Ff1::HALVES`] never exceeds.
fn narrow(number: u64) -> u32 {
    u32::try_from(number).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use fpe::ff1::{FF1, FlexibleNumeralString};
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    /// Sample 7 of NIST's FF1 samples: AES-256, radix 10, ten digits, no tweak. The others have tweaks or other keys.
    #[test]
    fn nists_sample_comes_out() {
        let key = "2b7e151628aed2a6abf7158809cf4f3cef4359d8d580aa4f7f036d6f04fc6a94";
        let key: [u8; 32] = hex::decode(key).unwrap().try_into().unwrap();
        let ff1 = Ff1::<10, 5>::new(&key);
        let plain = Halves {
            left: 1_234,
            right: 56_789,
        };
        let sealed = Halves {
            left: 66_576,
            right: 67_009,
        };
        assert_eq!(ff1.encrypt(plain), sealed);
        assert_eq!(ff1.decrypt(sealed), plain);
    }

    /// The digits of both halves, most significant first.
    fn digits(halves: Halves) -> Vec<u16> {
        let half = |half: u32| {
            (0..6)
                .rev()
                .map(move |place| u16::try_from(half >> (5 * place) & 31).unwrap())
        };
        half(halves.left).chain(half(halves.right)).collect()
    }

    /// As many strings as are promised in CI, over keys enough.
    fn strings() -> u32 {
        match std::env::var_os("OKAERI_THOROUGH") {
            Some(_) => 1_000_000,
            None => 20_000,
        }
    }

    #[test]
    fn it_equals_the_crate_fpe_on_random_strings_of_random_keys() {
        let mut random = StdRng::seed_from_u64(38);
        for _ in 0..strings() / 1_000 {
            let key: [u8; 32] = random.random();
            let ours = Ff1::<32, 6>::new(&key);
            let theirs = FF1::<aes::Aes256>::new(&key, 32).unwrap();
            for _ in 0..1_000 {
                let [left, right] = [(); 2].map(|()| random.random_range(0..1 << 30));
                let plain = Halves { left, right };
                let sealed = ours.encrypt(plain);
                let expected = theirs
                    .encrypt(&[], &FlexibleNumeralString::from(digits(plain)))
                    .unwrap();
                assert_eq!(digits(sealed), Vec::<u16>::from(expected));
                assert_eq!(ours.decrypt(sealed), plain);
            }
        }
    }
}
