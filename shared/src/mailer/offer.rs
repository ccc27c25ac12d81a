//! What a code gives, in words a buyer reads.

use chrono::{DateTime, Datelike, TimeDelta, Utc, Weekday};
use chrono_tz::Tz;

use crate::domain::benefit::Benefit;
use crate::domain::money::{Amount, BasisPoints, Currency};
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
    pub fn amount(self, amount: Amount, currency: Currency) -> String {
        let shown = amount.display(currency);
        match (self, shown.strip_prefix('¥')) {
            (Self::Ja, Some(digits)) => format!("{digits}円"),
            _ => shown,
        }
    }

    /// The last day before `end`: `12月25日(金)`, `25 Dec 2026`.
    pub fn last_day(self, end: DateTime<Utc>, zone: Tz) -> String {
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
    pub fn last_moment(self, end: DateTime<Utc>, zone: Tz) -> String {
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
    pub selected_products: bool,
    /// Whether it may be combined with other codes.
    pub combinable: bool,
}

impl Offer {
    /// What a promotion's code gives.
    pub fn of(terms: &PromotionTerms) -> Self {
        Self {
            benefit: terms.benefit.clone(),
            currency: terms.currency,
            minimum: terms.minimum,
            selected_products: terms.products != Products::default()
                || names_products(&terms.benefit),
            combinable: terms.combinability != Combinability::Exclusive,
        }
    }

    /// The bare size: `10%`, `¥500`, `5–15%`; where there is none, the phrase.
    pub fn discount(&self, language: Language) -> String {
        match &self.benefit {
            Benefit::PercentOff { .. }
            | Benefit::AmountOff { .. }
            | Benefit::TieredPercentOff { .. } => self.benefit.display(self.currency),
            Benefit::BuyXGetY { .. } | Benefit::FreeShipping => self.phrase(language),
        }
    }

    /// The discount as a phrase: `10%OFF`, `500円OFF`, `2点購入で1点無料`; `10% off`, `¥500 off`, `buy 2, get 1 free`.
    pub fn phrase(&self, language: Language) -> String {
        match (language, &self.benefit) {
            (Language::Ja, Benefit::PercentOff { percent, .. }) => format!("{percent}%OFF"),
            (Language::En, Benefit::PercentOff { percent, .. }) => format!("{percent}% off"),
            (Language::Ja, Benefit::AmountOff { amount }) => {
                format!("{}OFF", language.amount(*amount, self.currency))
            }
            (Language::En, Benefit::AmountOff { amount }) => {
                format!("{} off", language.amount(*amount, self.currency))
            }
            (_, Benefit::TieredPercentOff { tiers }) => {
                let (lowest, highest) = tiers.range();
                match (language, lowest == highest) {
                    (Language::Ja, true) => format!("{highest}%OFF"),
                    (Language::Ja, false) => format!("最大{highest}%OFF"),
                    (Language::En, true) => format!("{highest}% off"),
                    (Language::En, false) => format!("up to {highest}% off"),
                }
            }
            (
                _,
                Benefit::BuyXGetY {
                    buy, get, percent, ..
                },
            ) => {
                let (buy, get) = (buy.get(), get.get());
                match (language, *percent == BasisPoints::WHOLE) {
                    (Language::Ja, true) => format!("{buy}点購入で{get}点無料"),
                    (Language::Ja, false) => format!("{buy}点購入で{get}点{percent}%OFF"),
                    (Language::En, true) => format!("buy {buy}, get {get} free"),
                    (Language::En, false) => format!("buy {buy}, get {get} at {percent}% off"),
                }
            }
            (Language::Ja, Benefit::FreeShipping) => "送料無料".to_owned(),
            (Language::En, Benefit::FreeShipping) => "free shipping".to_owned(),
        }
    }

    /// The smallest subtotal it applies to, in words: its minimum or its first tier, whichever is more.
    pub fn minimum_subtotal(&self, language: Language) -> Option<String> {
        let first_tier = match &self.benefit {
            Benefit::TieredPercentOff { tiers } => tiers.least(),
            Benefit::PercentOff { .. }
            | Benefit::AmountOff { .. }
            | Benefit::BuyXGetY { .. }
            | Benefit::FreeShipping => Amount::ZERO,
        };
        let subtotal = self.minimum.subtotal.unwrap_or_default().max(first_tier);
        (subtotal > Amount::ZERO).then(|| language.amount(subtotal, self.currency))
    }

    /// The smallest quantity it applies to, if that is more than one.
    pub fn minimum_quantity(&self) -> Option<String> {
        let quantity = self.minimum.quantity.filter(|least| *least > 1)?;
        Some(quantity.to_string())
    }

    /// The most it takes off, in words.
    pub fn maximum(&self, language: Language) -> Option<String> {
        match &self.benefit {
            Benefit::PercentOff { max_discount, .. } => {
                max_discount.map(|amount| language.amount(amount, self.currency))
            }
            Benefit::AmountOff { .. }
            | Benefit::TieredPercentOff { .. }
            | Benefit::BuyXGetY { .. }
            | Benefit::FreeShipping => None,
        }
    }
}

/// Whether a benefit says itself which products it discounts.
fn names_products(benefit: &Benefit) -> bool {
    match benefit {
        Benefit::BuyXGetY { get_products, .. } => get_products.is_some(),
        Benefit::PercentOff { .. }
        | Benefit::AmountOff { .. }
        | Benefit::TieredPercentOff { .. }
        | Benefit::FreeShipping => false,
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
            (
                r#"{"type":"tiered_percent_off","tiers":[{"min_subtotal":5000,"percent":5},{"min_subtotal":9000,"percent":15}]}"#,
                "5–15%",
                "最大15%OFF",
                "up to 15% off",
            ),
            (
                r#"{"type":"tiered_percent_off","tiers":[{"min_subtotal":5000,"percent":5}]}"#,
                "5%",
                "5%OFF",
                "5% off",
            ),
            (
                r#"{"type":"buy_x_get_y","buy":2,"get":1,"percent":100}"#,
                "buy 2, get 1 free",
                "2点購入で1点無料",
                "buy 2, get 1 free",
            ),
            (
                r#"{"type":"buy_x_get_y","buy":2,"get":1,"percent":50}"#,
                "buy 2, get 1 at 50% off",
                "2点購入で1点50%OFF",
                "buy 2, get 1 at 50% off",
            ),
            (
                r#"{"type":"free_shipping"}"#,
                "free shipping",
                "送料無料",
                "free shipping",
            ),
        ] {
            let offer = offer(benefit);
            assert_eq!(offer.discount(Language::En), bare);
            assert_eq!(offer.phrase(Language::Ja), ja);
            assert_eq!(offer.phrase(Language::En), en);
        }
    }

    #[test]
    fn the_first_tier_is_a_minimum_and_named_products_are_a_selection() {
        let tiered = offer(
            r#"{"type":"tiered_percent_off","tiers":[{"min_subtotal":5000,"percent":5}]},"minimum":{"subtotal":3000}"#,
        );
        assert_eq!(
            tiered.minimum_subtotal(Language::Ja).as_deref(),
            Some("5,000円")
        );
        assert!(!tiered.selected_products);
        let gift =
            offer(r#"{"type":"buy_x_get_y","buy":1,"get":1,"percent":100,"get_products":["A"]}"#);
        assert!(gift.selected_products);
        assert_eq!(gift.discount(Language::Ja), "1点購入で1点無料");
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
