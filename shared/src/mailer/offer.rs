//! What a code gives, in words a buyer reads.

use chrono::{DateTime, Datelike, TimeDelta, Utc, Weekday};
use chrono_tz::Tz;

use crate::domain::money::{Amount, BasisPoints, Currency};

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

/// The kind and size of a discount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discount {
    /// A percentage off.
    Percent(BasisPoints),
    /// A percentage that grows with the cart; the highest one.
    UpToPercent(BasisPoints),
    /// A fixed amount off.
    Amount(Amount),
    /// `get` more units at `percent` off for every `buy` bought.
    BuyGet {
        /// Units to buy.
        buy: u64,
        /// Units discounted.
        get: u64,
        /// How much off them.
        percent: BasisPoints,
    },
    /// No shipping costs.
    FreeShipping,
}

/// What a mailed code gives and asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The discount.
    pub discount: Discount,
    /// The currency of all amounts here.
    pub currency: Currency,
    /// The discount is never more than this.
    pub maximum: Option<Amount>,
    /// Smallest subtotal it applies to.
    pub minimum_subtotal: Option<Amount>,
    /// Smallest number of units it applies to.
    pub minimum_quantity: Option<u64>,
    /// Whether it applies to some products only.
    pub selected_products: bool,
    /// Whether it may be combined with other codes.
    pub combinable: bool,
}

impl Offer {
    /// The bare size, the same in all languages where it is a number: `10%`, `¥500`.
    pub(super) fn discount(&self, language: Language) -> String {
        match self.discount {
            Discount::Percent(percent) => format!("{percent}%"),
            Discount::Amount(amount) => amount.display(self.currency),
            Discount::UpToPercent(percent) => match language {
                Language::Ja => format!("最大{percent}%"),
                Language::En => format!("up to {percent}%"),
            },
            Discount::BuyGet { .. } | Discount::FreeShipping => self.phrase(language),
        }
    }

    /// The discount as a phrase: `10%OFF`, `10% off`, `送料無料`.
    pub(super) fn phrase(&self, language: Language) -> String {
        let full = |percent: BasisPoints| percent.to_string() == "100";
        let size = || self.discount(language);
        match (language, self.discount) {
            (Language::Ja, Discount::Amount(amount)) => {
                format!("{}OFF", language.amount(amount, self.currency))
            }
            (Language::Ja, Discount::Percent(_) | Discount::UpToPercent(_)) => {
                format!("{}OFF", size())
            }
            (
                Language::En,
                Discount::Percent(_) | Discount::UpToPercent(_) | Discount::Amount(_),
            ) => format!("{} off", size()),
            (Language::Ja, Discount::BuyGet { buy, get, percent }) if full(percent) => {
                format!("{buy}点購入で{get}点無料")
            }
            (Language::Ja, Discount::BuyGet { buy, get, percent }) => {
                format!("{buy}点購入で{get}点{percent}%OFF")
            }
            (Language::En, Discount::BuyGet { buy, get, percent }) if full(percent) => {
                format!("buy {buy}, get {get} free")
            }
            (Language::En, Discount::BuyGet { buy, get, percent }) => {
                format!("buy {buy}, get {get} at {percent}% off")
            }
            (Language::Ja, Discount::FreeShipping) => "送料無料".to_owned(),
            (Language::En, Discount::FreeShipping) => "free shipping".to_owned(),
        }
    }
}
