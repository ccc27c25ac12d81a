//! Lengths of time as ISO 8601 durations.

use std::fmt;
use std::str::FromStr;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

/// A length of time written as an ISO 8601 duration of weeks, days, hours, minutes and seconds (`P3D`, `PT4H`, `P1W`).
///
/// Representation: whole seconds, 0 to 366 days. Years and months are refused: their length depends on the date. A day is 24 h.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Period {
    seconds: u32,
}

/// Longest period, in seconds.
const MAX_SECONDS: u64 = 366 * 86_400;

/// The text is no usable duration.
#[derive(Debug, thiserror::Error)]
pub enum InvalidPeriod {
    /// Not of the form `PnWnDTnHnMnS`.
    #[error(
        "a period is an ISO 8601 duration of weeks, days, hours, minutes and seconds, such as P3D or PT4H"
    )]
    Syntax,
    /// Above 366 days.
    #[error("a period is at most 366 days")]
    TooLong,
}

impl Period {
    /// The period as a time difference.
    pub fn as_delta(self) -> TimeDelta {
        TimeDelta::seconds(i64::from(self.seconds))
    }
}

impl FromStr for Period {
    type Err = InvalidPeriod;

    fn from_str(text: &str) -> Result<Self, InvalidPeriod> {
        let rest = text.strip_prefix('P').ok_or(InvalidPeriod::Syntax)?;
        let (days, time) = match rest.split_once('T') {
            Some((_, "")) => return Err(InvalidPeriod::Syntax),
            Some((days, time)) => (days, time),
            None => (rest, ""),
        };
        if days.is_empty() && time.is_empty() {
            return Err(InvalidPeriod::Syntax);
        }
        let days = sum(days, &[('W', 7 * 86_400), ('D', 86_400)])?;
        let time = sum(time, &[('H', 3_600), ('M', 60), ('S', 1)])?;
        let seconds = days
            .checked_add(time)
            .filter(|seconds| *seconds <= MAX_SECONDS)
            .ok_or(InvalidPeriod::TooLong)?;
        u32::try_from(seconds)
            .map(|seconds| Self { seconds })
            .map_err(|_| InvalidPeriod::TooLong)
    }
}

/// Adds up `<digits><unit>` parts, whose units must come in the order given, each at most once.
fn sum(mut text: &str, units: &[(char, u64)]) -> Result<u64, InvalidPeriod> {
    let mut total = 0_u64;
    for (unit, seconds) in units {
        let Some((digits, rest)) = text.split_once(*unit) else {
            continue;
        };
        if digits.is_empty()
            || digits.len() > 9
            || !digits.bytes().all(|byte| byte.is_ascii_digit())
        {
            return Err(InvalidPeriod::Syntax);
        }
        let count: u64 = digits.parse().map_err(|_| InvalidPeriod::Syntax)?;
        total = total.saturating_add(count.saturating_mul(*seconds));
        text = rest;
    }
    if text.is_empty() {
        Ok(total)
    } else {
        Err(InvalidPeriod::Syntax)
    }
}

impl TryFrom<String> for Period {
    type Error = InvalidPeriod;

    fn try_from(text: String) -> Result<Self, InvalidPeriod> {
        text.parse()
    }
}

impl From<Period> for String {
    fn from(period: Period) -> Self {
        period.to_string()
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, rest) = (self.seconds / 86_400, self.seconds % 86_400);
        let (hours, minutes, seconds) = (rest / 3_600, rest % 3_600 / 60, rest % 60);
        f.write_str("P")?;
        if days > 0 {
            write!(f, "{days}D")?;
        }
        if rest > 0 || days == 0 {
            f.write_str("T")?;
        }
        if hours > 0 {
            write!(f, "{hours}H")?;
        }
        if minutes > 0 {
            write!(f, "{minutes}M")?;
        }
        if seconds > 0 || self.seconds == 0 {
            write!(f, "{seconds}S")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn iso_durations_read_as_seconds_and_months_are_refused() {
        for (text, seconds) in [
            ("P3D", 259_200),
            ("PT4H", 14_400),
            ("PT0S", 0),
            ("P1W", 604_800),
            ("P1DT2H3M4S", 93_784),
        ] {
            assert_eq!(
                text.parse::<Period>().unwrap().as_delta().num_seconds(),
                seconds,
                "{text}"
            );
        }
        for text in [
            "",
            "P",
            "PT",
            "3D",
            "P1M",
            "P1Y",
            "P-1D",
            "PT1D",
            "P1D2W",
            "P1.5D",
            "P367D",
            "P99999999999D",
        ] {
            assert!(text.parse::<Period>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_period_reads_back_as_written(seconds in 0_u32..=31_622_400) {
            let period = Period { seconds };
            prop_assert_eq!(period.to_string().parse::<Period>().unwrap(), period);
        }
    }
}
