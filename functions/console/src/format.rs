//! Numbers, money and times as people read them.

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Timelike, Utc};
use chrono_tz::Tz;
use maud::{Markup, html};
use shared::domain::money::{Amount, Currency};

use crate::lang::Lang;

/// What stands where a figure would need a divisor that there is not.
pub const NONE: &str = "—";

/// A sum of the statistics as a count: never below zero.
pub fn count(value: i128) -> u64 {
    u64::try_from(value.max(0)).unwrap_or(u64::MAX)
}

/// A whole number with separators of thousands: `12,340`.
pub fn number(value: u64) -> String {
    let digits = value.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .filter_map(|group| std::str::from_utf8(group).ok())
        .collect();
    groups.join(",")
}

/// An amount of minor units with its currency's sign and decimals, for tables: `¥12,340`, `$123.40`, `−¥500`.
pub fn money(minor: i128, currency: Currency) -> String {
    let amount = Amount::try_from(u64::try_from(minor.unsigned_abs()).unwrap_or(u64::MAX));
    let text = amount.unwrap_or(Amount::MAX).display(currency);
    if minor < 0 {
        format!("\u{2212}{text}")
    } else {
        text
    }
}

/// The same in a sentence: Japanese says `12,340円`.
pub fn money_in_words(minor: i128, currency: Currency, lang: Lang) -> String {
    let text = money(minor, currency);
    match lang {
        Lang::Ja if currency.code() == "JPY" => format!("{}円", text.replace('¥', "")),
        Lang::Ja | Lang::En => text,
    }
}

/// An amount for an axis: `¥20万` or `¥200k` where the currency has no decimals, else whole units.
pub fn money_on_axis(minor: i128, currency: Currency, lang: Lang) -> String {
    let scale = 10_i128
        .checked_pow(u32::from(currency.exponent()))
        .unwrap_or(1);
    let whole = minor / scale;
    let sign = money(0, currency);
    let sign = sign.trim_end_matches(['0', '.']);
    format!("{sign}{}", short(whole, lang))
}

/// A round number in few symbols: `1.5万`, `15k`.
pub fn short(value: i128, lang: Lang) -> String {
    let steps: &[(i128, &str)] = match lang {
        Lang::Ja => &[(100_000_000, "億"), (10_000, "万")],
        Lang::En => &[(1_000_000_000, "bn"), (1_000_000, "m"), (1_000, "k")],
    };
    for (size, unit) in steps {
        if value >= *size {
            let tenths = value / (size / 10).max(1);
            return match (tenths / 10, tenths % 10) {
                (whole, 0) => format!("{}{unit}", number(count(whole))),
                (whole, tenth) => format!("{}.{tenth}{unit}", number(count(whole))),
            };
        }
    }
    number(count(value))
}

/// A share in tenths of a percent, rounded half up: `11.7%`; none without a divisor.
pub fn percent(part: i128, whole: i128) -> Option<String> {
    let tenths = rounded(part.checked_mul(1_000)?, whole)?;
    let (sign, tenths) = if tenths < 0 {
        ("\u{2212}", tenths.unsigned_abs())
    } else {
        ("", tenths.unsigned_abs())
    };
    Some(format!("{sign}{}.{}%", tenths / 10, tenths % 10))
}

/// How much of a budget is used, in whole percent rounded down: `100%` only when nothing is left, `<1%` if anything is spent.
pub fn budget_used(spent: u64, budget: u64) -> String {
    let percent = u128::from(spent)
        .saturating_mul(100)
        .checked_div(u128::from(budget));
    match percent {
        _ if spent == 0 => "0%".to_owned(),
        Some(0) => "<1%".to_owned(),
        Some(percent) if spent < budget => format!("{}%", percent.min(99)),
        Some(_) | None => "100%".to_owned(),
    }
}

/// One sum divided by another to one decimal, rounded half up (`3.4`); none without a divisor.
pub fn ratio(part: i128, by: i128) -> Option<String> {
    let tenths = rounded(part.checked_mul(10)?, by)?;
    Some(format!("{}.{}", number(count(tenths / 10)), tenths % 10))
}

/// A division rounded half up; none by zero or less.
pub fn rounded(part: i128, by: i128) -> Option<i128> {
    if by <= 0 {
        return None;
    }
    let doubled = part.checked_mul(2)?.checked_add(by)?;
    Some(doubled.div_euclid(by.checked_mul(2)?))
}

/// A figure, or a dash with a hidden word for it.
pub fn figure(value: Option<String>, lang: Lang) -> Markup {
    match value {
        Some(value) => html! { (value) },
        None => {
            html! { span aria-hidden="true" { (NONE) } span .hidden { (lang.pick("データなし", "no data")) } }
        }
    }
}

const WEEKDAYS: [&str; 7] = ["月", "火", "水", "木", "金", "土", "日"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

fn nth<'a>(names: &[&'a str], index: u32) -> &'a str {
    let index = usize::try_from(index).unwrap_or_default();
    names.get(index).copied().unwrap_or_default()
}

/// A day: `2026/12/01(火)`, `1 Dec 2026`.
pub fn day(day: NaiveDate, lang: Lang) -> String {
    match lang {
        Lang::Ja => {
            let weekday = nth(&WEEKDAYS, day.weekday().num_days_from_monday());
            format!("{}({weekday})", day.format("%Y/%m/%d"))
        }
        Lang::En => format!(
            "{} {} {}",
            day.day(),
            nth(&MONTHS, day.month0()),
            day.year()
        ),
    }
}

/// Days from the first to the last: `12/1〜12/24`, `1 Dec – 24 Dec`.
pub fn days(first: NaiveDate, last: NaiveDate, lang: Lang) -> String {
    let (first, last) = (short_day(first, lang), short_day(last, lang));
    lang.pick(format!("{first}〜{last}"), format!("{first} – {last}"))
}

/// A day on an axis: `12/1`, `1 Dec`.
pub fn short_day(day: NaiveDate, lang: Lang) -> String {
    match lang {
        Lang::Ja => format!("{}/{}", day.month(), day.day()),
        Lang::En => format!("{} {}", day.day(), nth(&MONTHS, day.month0())),
    }
}

/// A time to the minute, in the shop's zone: `2026/12/01(火) 00:00`, `1 Dec 2026, 00:00`.
pub fn time_text(at: DateTime<Utc>, zone: Tz, lang: Lang) -> String {
    let local = at.with_timezone(&zone);
    let (date, clock) = (day(local.date_naive(), lang), local.format("%H:%M"));
    match lang {
        Lang::Ja => format!("{date} {clock}"),
        Lang::En => format!("{date}, {clock}"),
    }
}

/// The same, marked for machines.
pub fn time(at: DateTime<Utc>, zone: Tz, lang: Lang) -> Markup {
    html! { time datetime=(at.to_rfc3339()) { (time_text(at, zone, lang)) } }
}

/// The first moment after a window as its last minute if it is midnight: `2026/12/31(木) 23:59まで`, `until 31 Dec 2026, 23:59`.
pub fn end_text(end: DateTime<Utc>, zone: Tz, lang: Lang) -> String {
    let local = end.with_timezone(&zone);
    let midnight = local.hour() == 0 && local.minute() == 0 && local.second() == 0;
    let last = if midnight {
        end - TimeDelta::minutes(1)
    } else {
        end
    };
    let text = time_text(last, zone, lang);
    match lang {
        Lang::Ja => format!("{text}まで"),
        Lang::En => format!("until {text}"),
    }
}

/// The same, marked for machines.
pub fn end(end: DateTime<Utc>, zone: Tz, lang: Lang) -> Markup {
    html! { time datetime=(end.to_rfc3339()) { (end_text(end, zone, lang)) } }
}

/// How far off a time is, as an extra beside it: `3日後`, `in 3 days`, `2 hours ago`.
pub fn relative(at: DateTime<Utc>, now: DateTime<Utc>, lang: Lang) -> String {
    let ahead = at >= now;
    let seconds = (at - now).num_seconds().unsigned_abs();
    let (amount, ja, en) = match seconds {
        0..60 => return lang.pick("まもなく", "about now").to_owned(),
        60..3_600 => (seconds / 60, "分", "minute"),
        3_600..172_800 => (seconds / 3_600, "時間", "hour"),
        _ => (seconds / 86_400, "日", "day"),
    };
    match lang {
        Lang::Ja => format!("{}{ja}{}", number(amount), if ahead { "後" } else { "前" }),
        Lang::En => {
            let plural = if amount == 1 { "" } else { "s" };
            let span = format!("{} {en}{plural}", number(amount));
            if ahead {
                format!("in {span}")
            } else {
                format!("{span} ago")
            }
        }
    }
}

/// The zone's short name at a moment: `JST`.
pub fn zone_name(now: DateTime<Utc>, zone: Tz) -> String {
    now.with_timezone(&zone).format("%Z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn currency(code: &str) -> Currency {
        Currency::try_from(code.to_owned()).unwrap()
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    const TOKYO: Tz = chrono_tz::Asia::Tokyo;

    #[test]
    fn money_has_its_currencys_decimals_thousands_and_a_minus_before_the_sign() {
        assert_eq!(money(12_340, currency("JPY")), "¥12,340");
        assert_eq!(money(12_340, currency("USD")), "$123.40");
        assert_eq!(money(-500, currency("JPY")), "\u{2212}¥500");
        assert_eq!(money(0, currency("JPY")), "¥0");
        assert_eq!(money(1_234, currency("KWD")), "KWD 1.234");
        assert_eq!(
            money_in_words(12_340, currency("JPY"), Lang::Ja),
            "12,340円"
        );
        assert_eq!(money_in_words(12_340, currency("USD"), Lang::Ja), "$123.40");
        assert_eq!(money_in_words(12_340, currency("JPY"), Lang::En), "¥12,340");
    }

    #[test]
    fn axes_say_round_amounts_in_few_symbols() {
        assert_eq!(money_on_axis(200_000, currency("JPY"), Lang::Ja), "¥20万");
        assert_eq!(money_on_axis(200_000, currency("JPY"), Lang::En), "¥200k");
        assert_eq!(money_on_axis(150_000, currency("USD"), Lang::En), "$1.5k");
        assert_eq!(money_on_axis(900, currency("JPY"), Lang::Ja), "¥900");
        assert_eq!(short(120_000_000, Lang::Ja), "1.2億");
    }

    #[test]
    fn shares_are_rounded_half_up_to_a_tenth_and_unknown_without_a_divisor() {
        assert_eq!(percent(48, 412).as_deref(), Some("11.7%"));
        assert_eq!(percent(0, 20).as_deref(), Some("0.0%"));
        assert_eq!(percent(1, 0), None);
        assert_eq!(percent(1, 2_000).as_deref(), Some("0.1%"));
        assert_eq!(percent(-21, 1_000).as_deref(), Some("\u{2212}2.1%"));
        assert_eq!(ratio(34, 10).as_deref(), Some("3.4"));
        assert_eq!(ratio(1, 0), None);
    }

    #[test]
    fn a_budget_is_used_up_only_when_nothing_is_left_and_touched_as_soon_as_anything_is() {
        for (spent, budget, text) in [
            (0, 100, "0%"),
            (1, 1_000, "<1%"),
            (199, 1_000, "19%"),
            (999_999, 1_000_000, "99%"),
            (100, 100, "100%"),
            (120, 100, "100%"),
        ] {
            assert_eq!(budget_used(spent, budget), text, "{spent} of {budget}");
        }
    }

    #[test]
    fn times_are_the_shops_and_a_midnight_end_is_the_day_before() {
        let midnight = at("2026-11-30T15:00:00Z");
        assert_eq!(time_text(midnight, TOKYO, Lang::Ja), "2026/12/01(火) 00:00");
        assert_eq!(time_text(midnight, TOKYO, Lang::En), "1 Dec 2026, 00:00");
        assert_eq!(
            end_text(at("2026-12-31T15:00:00Z"), TOKYO, Lang::Ja),
            "2026/12/31(木) 23:59まで"
        );
        assert_eq!(
            end_text(at("2026-12-31T15:00:00Z"), TOKYO, Lang::En),
            "until 31 Dec 2026, 23:59"
        );
        assert_eq!(
            end_text(at("2026-12-31T12:00:00Z"), TOKYO, Lang::En),
            "until 31 Dec 2026, 21:00"
        );
        assert_eq!(zone_name(midnight, TOKYO), "JST");
    }

    #[test]
    fn distances_in_time_are_said_in_the_largest_whole_unit() {
        let now = at("2026-12-01T00:00:00Z");
        for (there, ja, en) in [
            ("2026-12-04T01:00:00Z", "3日後", "in 3 days"),
            ("2026-11-30T22:00:00Z", "2時間前", "2 hours ago"),
            ("2026-12-01T00:01:30Z", "1分後", "in 1 minute"),
            ("2026-12-01T00:00:10Z", "まもなく", "about now"),
        ] {
            assert_eq!(relative(at(there), now, Lang::Ja), ja);
            assert_eq!(relative(at(there), now, Lang::En), en);
        }
    }

    #[test]
    fn numbers_have_separators_of_thousands() {
        assert_eq!(number(0), "0");
        assert_eq!(number(1_234_567), "1,234,567");
        assert_eq!(count(-3), 0);
    }
}
