//! Amounts, currencies and percentages. Integers only; every rounding says its direction.
#![deny(clippy::arithmetic_side_effects)]

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An amount in a currency's minor unit (cents; whole yen), 0 to 10^18, so that no sum of two overflows.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(try_from = "u64", into = "u64")]
pub struct Amount(u64);

/// The amount is above 10^18 minor units.
#[derive(Debug, thiserror::Error)]
#[error("an amount is at most 10^18 minor units")]
pub struct AmountTooLarge;

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The largest amount, in minor units.
    pub const MAX: Self = Self(1_000_000_000_000_000_000);

    /// The number of minor units.
    pub fn minor(self) -> u64 {
        self.0
    }

    /// Reads decimal text such as `39.80` exactly: `None` if it is negative, no plain decimal, above [`Self::MAX`], or finer
    /// than the currency's minor unit (zeros aside), so nothing is ever rounded.
    pub fn from_decimal(text: &str, currency: Currency) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let all_digits =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let decimals = usize::from(currency.exponent());
        let significant = fraction.trim_end_matches('0');
        if !all_digits(whole) || !all_digits(fraction) || significant.len() > decimals {
            return None;
        }
        let minor: u64 = format!("{whole}{significant:0<decimals$}").parse().ok()?;
        Self::try_from(minor).ok()
    }

    /// `self + other`, or `None` above [`Self::MAX`].
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0
            .checked_add(other.0)
            .and_then(|sum| Self::try_from(sum).ok())
    }

    /// `self - other`, but never below zero.
    #[must_use]
    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// `self` times a quantity, or `None` above [`Self::MAX`].
    pub fn checked_mul(self, quantity: u64) -> Option<Self> {
        self.0
            .checked_mul(quantity)
            .and_then(|product| Self::try_from(product).ok())
    }

    /// The share `percent` of this amount, rounded half up to the minor unit; never more than the amount.
    #[must_use]
    pub fn percent(self, percent: BasisPoints) -> Self {
        // 10^18 × 10^4 fits u128 with room to spare, so nothing here can saturate.
        let scaled = u128::from(self.0).saturating_mul(u128::from(percent.0));
        let rounded = scaled
            .saturating_add(5_000)
            .checked_div(10_000)
            .unwrap_or_default();
        Self(u64::try_from(rounded).unwrap_or(self.0).min(self.0))
    }

    /// The price of `units` of the `of` units that cost this amount together, rounded down; all of it for all of them.
    #[must_use]
    pub fn part(self, units: u64, of: u64) -> Self {
        if units >= of {
            return self;
        }
        // 10^18 × 2^64 fits u128, and `units < of`, so the part is below the whole.
        let scaled = u128::from(self.0).saturating_mul(u128::from(units));
        let part = scaled.checked_div(u128::from(of)).unwrap_or_default();
        Self(u64::try_from(part).unwrap_or(self.0).min(self.0))
    }

    /// Written for people: with the currency's sign, thousands separators and its number of decimals (`¥12,340`, `$12.40`).
    pub fn display(self, currency: Currency) -> String {
        let decimals = usize::from(currency.exponent());
        let digits = format!("{:0>width$}", self.0, width = decimals.saturating_add(1));
        let (whole, fraction) = digits.split_at(digits.len().saturating_sub(decimals));
        let grouped: Vec<&str> = whole
            .as_bytes()
            .rchunks(3)
            .rev()
            .filter_map(|chunk| std::str::from_utf8(chunk).ok())
            .collect();
        let point = if decimals > 0 { "." } else { "" };
        format!("{}{}{point}{fraction}", currency.sign(), grouped.join(","))
    }
}

impl TryFrom<u64> for Amount {
    type Error = AmountTooLarge;

    fn try_from(minor: u64) -> Result<Self, AmountTooLarge> {
        if minor <= Self::MAX.0 {
            Ok(Self(minor))
        } else {
            Err(AmountTooLarge)
        }
    }
}

impl From<Amount> for u64 {
    fn from(amount: Amount) -> Self {
        amount.0
    }
}

/// An ISO 4217 currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency(iso_currency::Currency);

/// The text is no ISO 4217 code.
#[derive(Debug, thiserror::Error)]
#[error("a currency is an ISO 4217 code in upper case, such as JPY")]
pub struct InvalidCurrency;

impl Currency {
    /// The three-letter code.
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// Number of decimals of the minor unit: 0 for JPY, 2 for USD, 3 for KWD.
    pub fn exponent(self) -> u16 {
        self.0.exponent().unwrap_or(0)
    }

    /// What stands before an amount: a sign where it is unmistakable, else the code.
    fn sign(self) -> String {
        match self.code() {
            "JPY" => "¥".to_owned(),
            "USD" => "$".to_owned(),
            "EUR" => "€".to_owned(),
            "GBP" => "£".to_owned(),
            code => format!("{code} "),
        }
    }
}

impl TryFrom<String> for Currency {
    type Error = InvalidCurrency;

    fn try_from(code: String) -> Result<Self, InvalidCurrency> {
        iso_currency::Currency::from_code(&code)
            .map(Self)
            .ok_or(InvalidCurrency)
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.code().to_owned()
    }
}

/// A percentage in hundredths of a percent: 1 to 10,000. Written in JSON as a number with up to two decimals (`12.5`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BasisPoints(u16);

/// The number is no percentage a discount can have.
#[derive(Debug, thiserror::Error)]
#[error("a percentage is above 0, at most 100, with at most 2 decimals")]
pub struct InvalidPercent;

impl BasisPoints {
    /// All of it.
    pub const WHOLE: Self = Self(10_000);

    /// The percentage in hundredths of a percent, 1 to 10,000.
    pub fn hundredths(self) -> u16 {
        self.0
    }

    /// Reads decimal text such as `10`, `12.5` or `10.00`.
    ///
    /// # Errors
    /// [`InvalidPercent`] outside (0, 100] or with more than two significant decimals.
    pub fn parse(text: &str) -> Result<Self, InvalidPercent> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let fraction = fraction.trim_end_matches('0');
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty()
            || whole.len() > 3
            || fraction.len() > 2
            || !all_digits(whole)
            || !all_digits(fraction)
        {
            return Err(InvalidPercent);
        }
        let hundredths: u16 = format!("{whole}{fraction:0<2}")
            .parse()
            .map_err(|_| InvalidPercent)?;
        if (1..=10_000).contains(&hundredths) {
            Ok(Self(hundredths))
        } else {
            Err(InvalidPercent)
        }
    }
}

impl fmt::Display for BasisPoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:03}", self.0);
        let (whole, fraction) = text.split_at(text.len().saturating_sub(2));
        match fraction.trim_end_matches('0') {
            "" => f.write_str(whole),
            fraction => write!(f, "{whole}.{fraction}"),
        }
    }
}

impl Serialize for BasisPoints {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::Error;
        let number: serde_json::Number = self.to_string().parse().map_err(S::Error::custom)?;
        number.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for BasisPoints {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let number = serde_json::Number::deserialize(deserializer)?;
        Self::parse(&number.to_string()).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn currency(code: &str) -> Currency {
        Currency::try_from(code.to_owned()).unwrap()
    }

    #[test]
    fn percentages_have_at_most_two_decimals_and_stay_within_0_and_100() {
        for (text, shown) in [
            ("10", "10"),
            ("12.5", "12.5"),
            ("0.01", "0.01"),
            ("100", "100"),
            ("33.30", "33.3"),
            ("10.0", "10"),
        ] {
            assert_eq!(BasisPoints::parse(text).unwrap().to_string(), shown);
        }
        for text in [
            "0", "0.001", "100.01", "101", "-5", "1e1", "", ".5", "12.345", "NaN",
        ] {
            assert!(BasisPoints::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_percentage_rounds_half_up_to_the_minor_unit() {
        let percent = |minor: u64, percent: &str| {
            Amount(minor)
                .percent(BasisPoints::parse(percent).unwrap())
                .minor()
        };
        assert_eq!(percent(3_960, "10"), 396);
        assert_eq!(percent(5, "10"), 1); // 0.5 rounds up
        assert_eq!(percent(4, "10"), 0); // 0.4 rounds down
        assert_eq!(percent(1_000, "33.33"), 333);
        assert_eq!(percent(Amount::MAX.minor(), "100"), Amount::MAX.minor());
    }

    #[test]
    fn a_part_rounds_down_and_all_units_are_the_whole() {
        let part = |minor: u64, units: u64, of: u64| Amount(minor).part(units, of).minor();
        assert_eq!(part(1_000, 1, 3), 333);
        assert_eq!(part(1_000, 2, 3), 666);
        assert_eq!(part(1_000, 3, 3), 1_000);
        assert_eq!(part(1_000, 0, 3), 0);
        let most = Amount::MAX.minor();
        assert_eq!(part(most, 999_999, 1_000_000), most / 1_000_000 * 999_999);
    }

    #[test]
    fn amounts_are_shown_with_their_currencys_decimals() {
        assert_eq!(Amount(12_340).display(currency("JPY")), "¥12,340");
        assert_eq!(Amount(12_340).display(currency("USD")), "$123.40");
        assert_eq!(Amount(5).display(currency("EUR")), "€0.05");
        assert_eq!(Amount(1_234_567).display(currency("KWD")), "KWD 1,234.567");
        assert_eq!(Amount(0).display(currency("JPY")), "¥0");
    }

    #[test]
    fn decimals_read_as_minor_units_without_rounding() {
        let minor =
            |text: &str, code: &str| Amount::from_decimal(text, currency(code)).map(Amount::minor);
        assert_eq!(minor("3980", "JPY"), Some(3_980));
        assert_eq!(minor("3980.00", "JPY"), Some(3_980));
        assert_eq!(minor("39.8", "USD"), Some(3_980));
        assert_eq!(minor("0.29", "USD"), Some(29)); // 28.999… as a float
        assert_eq!(minor("1.234", "KWD"), Some(1_234));
        for (text, code) in [
            ("3980.5", "JPY"),
            ("0.005", "USD"),
            ("-1", "JPY"),
            ("+1", "JPY"),
            ("1e3", "JPY"),
            ("1,000", "JPY"),
            ("", "JPY"),
            (".5", "USD"),
            ("5.", "USD"),
            ("NaN", "USD"),
            ("10000000000000000000", "JPY"),
        ] {
            assert_eq!(minor(text, code), None, "{text} {code}");
        }
    }

    #[test]
    fn percentages_travel_through_json_and_the_table_as_numbers() {
        let json = serde_json::to_string(&BasisPoints::parse("12.5").unwrap()).unwrap();
        assert_eq!(json, "12.5");
        assert_eq!(
            serde_json::from_str::<BasisPoints>("12.50").unwrap(),
            BasisPoints::parse("12.5").unwrap()
        );
        assert!(serde_json::from_str::<BasisPoints>("\"10\"").is_err());
    }
}
