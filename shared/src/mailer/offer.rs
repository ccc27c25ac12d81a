//! What a code gives, in words a buyer reads.

use chrono::{DateTime, Datelike, TimeDelta, Utc, Weekday};
use chrono_tz::Tz;

use crate::domain::benefit::Benefit;
use crate::domain::money::{Amount, Currency};
use crate::domain::promotion::{Combinability, Minimum, Products, PromotionTerms};

/// A language the built-in words exist in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Japanese.
    Ja,
    /// English, also for everyone whose language is not built in.
    En,
}

impl Language {
    /// The language of a tag such as `ja-JP`.
    pub fn of(locale: &str) -> Self {
        let primary = locale.split(['-', '_']).next().unwrap_or(locale);
        if primary.eq_ignore_ascii_case("ja") {
            Self::Ja
        } else {
            Self::En
        }
    }

    /// The tag for `lang` attributes.
    pub fn tag(self) -> &'static str {
        match self {
            Self::Ja => "ja",
            Self::En => "en",
        }
    }

    /// An amount inside a sentence: Japanese writes yen behind the number.
    pub(super) fn amount(self, amount: Amount, currency: Currency) -> String {
        let shown = amount.display(currency);
        match (self, shown.strip_prefix('¥')) {
            (Self::Ja, Some(digits)) => format!("{digits}円"),
            _ => shown,
        }
    }

    /// The last day before `end`: `12月25日(金)`, `25 Dec 2026`.
    pub(super) fn last_day(self, end: DateTime<Utc>, zone: Tz) -> String {
        let last = last_minute(end).with_timezone(&zone);
        match self {
            Self::Ja => {
                let weekday = weekday_ja(last.weekday());
                format!("{}月{}日({weekday})", last.month(), last.day())
            }
            Self::En => last.format("%-d %b %Y").to_string(),
        }
    }

    /// The last minute before `end`, with year and time: `2026年12月25日(金) 23:59`, `25 Dec 2026, 23:59 (JST)`.
    pub(super) fn last_moment(self, end: DateTime<Utc>, zone: Tz) -> String {
        let last = last_minute(end).with_timezone(&zone);
        match self {
            Self::Ja => {
                let (year, day) = (last.year(), self.last_day(end, zone));
                format!("{year}年{day} {}", last.format("%H:%M"))
            }
            Self::En => last.format("%-d %b %Y, %H:%M (%Z)").to_string(),
        }
    }
}

/// Ends are half-open, so what people call the end is the minute before.
fn last_minute(end: DateTime<Utc>) -> DateTime<Utc> {
    end.checked_sub_signed(TimeDelta::minutes(1)).unwrap_or(end)
}

fn weekday_ja(day: Weekday) -> &'static str {
    match day {
        Weekday::Mon => "月",
        Weekday::Tue => "火",
        Weekday::Wed => "水",
        Weekday::Thu => "木",
        Weekday::Fri => "金",
        Weekday::Sat => "土",
        Weekday::Sun => "日",
    }
}

/// What a mailed code gives and asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    benefit: Benefit,
    currency: Currency,
    minimum: Minimum,
    /// Whether it applies to some products only.
    pub(super) selected_products: bool,
    /// Whether it may be combined with other codes.
    pub(super) combinable: bool,
}

impl Offer {
    /// What a promotion's code gives.
    pub fn of(terms: &PromotionTerms) -> Self {
        Self {
            benefit: terms.benefit.clone(),
            currency: terms.currency,
            minimum: terms.minimum,
            selected_products: terms.products != Products::default(),
            combinable: terms.combinability != Combinability::Exclusive,
        }
    }

    /// The bare size: `10%`, `¥500`.
    pub(super) fn discount(&self) -> String {
        self.benefit.display(self.currency)
    }

    /// The discount as a phrase: `10%OFF`, `500円OFF`, `10% off`, `¥500 off`.
    pub(super) fn phrase(&self, language: Language) -> String {
        match (language, &self.benefit) {
            (Language::Ja, Benefit::AmountOff { amount }) => {
                format!("{}OFF", language.amount(*amount, self.currency))
            }
            (Language::Ja, Benefit::PercentOff { .. }) => format!("{}OFF", self.discount()),
            (Language::En, _) => format!("{} off", self.discount()),
        }
    }

    /// The smallest subtotal it applies to, in words.
    pub(super) fn minimum_subtotal(&self, language: Language) -> Option<String> {
        let subtotal = self
            .minimum
            .subtotal
            .filter(|least| *least > Amount::ZERO)?;
        Some(language.amount(subtotal, self.currency))
    }

    /// The smallest quantity it applies to, if that is more than one.
    pub(super) fn minimum_quantity(&self) -> Option<String> {
        let quantity = self.minimum.quantity.filter(|least| *least > 1)?;
        Some(quantity.to_string())
    }

    /// The most it takes off, in words.
    pub(super) fn maximum(&self, language: Language) -> Option<String> {
        match &self.benefit {
            Benefit::PercentOff { max_discount, .. } => {
                max_discount.map(|amount| language.amount(amount, self.currency))
            }
            Benefit::AmountOff { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(benefit: &str) -> Offer {
        let terms = format!(r#"{{"name":"x","currency":"JPY","benefit":{benefit}}}"#);
        Offer::of(&serde_json::from_str(&terms).unwrap())
    }

    #[test]
    fn a_discount_reads_naturally_in_both_languages() {
        for (benefit, bare, ja, en) in [
            (
                r#"{"type":"percent_off","percent":12.5}"#,
                "12.5%",
                "12.5%OFF",
                "12.5% off",
            ),
            (
                r#"{"type":"amount_off","amount":1500}"#,
                "¥1,500",
                "1,500円OFF",
                "¥1,500 off",
            ),
        ] {
            let offer = offer(benefit);
            assert_eq!(offer.discount(), bare);
            assert_eq!(offer.phrase(Language::Ja), ja);
            assert_eq!(offer.phrase(Language::En), en);
        }
    }

    #[test]
    fn the_last_day_is_the_one_that_ends_when_the_code_does() {
        let tokyo = chrono_tz::Asia::Tokyo;
        let midnight: DateTime<Utc> = "2026-12-25T15:00:00Z".parse().unwrap();
        assert_eq!(Language::Ja.last_day(midnight, tokyo), "12月25日(金)");
        assert_eq!(Language::En.last_day(midnight, tokyo), "25 Dec 2026");
        assert_eq!(
            Language::Ja.last_moment(midnight, tokyo),
            "2026年12月25日(金) 23:59"
        );
        let new_york: DateTime<Utc> = "2026-11-02T05:00:00Z".parse().unwrap();
        let shown = Language::En.last_moment(new_york, chrono_tz::America::New_York);
        assert_eq!(shown, "1 Nov 2026, 23:59 (EST)");
    }
}
