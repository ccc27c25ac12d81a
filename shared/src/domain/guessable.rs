//! Group codes that strangers try first.

use super::code::GroupWord;

/// Words that shops use as codes everywhere, so that people try them, with or without digits. Collected by hand.
const COMMON: [&str; 36] = [
    "AUTUMN",
    "BDAY",
    "BIRTHDAY",
    "BLACKFRIDAY",
    "CHRISTMAS",
    "CODE",
    "COUPON",
    "CYBERMONDAY",
    "DEAL",
    "DISCOUNT",
    "EXTRA",
    "FALL",
    "FIRST",
    "FREE",
    "FREESHIP",
    "FRIENDS",
    "HELLO",
    "NEW",
    "NEWYEAR",
    "OFF",
    "OTOKU",
    "PROMO",
    "SALE",
    "SAVE",
    "SHIPFREE",
    "SPRING",
    "STAFF",
    "STUDENT",
    "SUMMER",
    "TEST",
    "THANKS",
    "THANKYOU",
    "VIP",
    "WELCOME",
    "WINTER",
    "XMAS",
];
/// Fewer symbols than this can be tried out one after the other: 36^5 is 60 million, but few of them look like codes.
const SHORT: usize = 6;

/// Whether strangers may well guess a word: it is short, only digits, or a common word, with or without digits around it.
pub fn is_guessable(word: &GroupWord) -> bool {
    let letters = word
        .as_str()
        .trim_matches(|symbol: char| symbol.is_ascii_digit());
    word.as_str().len() < SHORT || letters.is_empty() || COMMON.contains(&letters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_common_and_numeric_words_are_guessable_and_names_with_something_added_are_not() {
        let guessable = |text: &str| is_guessable(&GroupWord::try_from(text.to_owned()).unwrap());
        for word in [
            "WELCOME",
            "welcome10",
            "2026SALE",
            "123456",
            "AOI10",
            "SUMMER2026",
        ] {
            assert!(guessable(word), "{word}");
        }
        for word in ["HANAKO10", "TEATIME7Q2", "SALEXYZ4"] {
            assert!(!guessable(word), "{word}");
        }
    }
}
