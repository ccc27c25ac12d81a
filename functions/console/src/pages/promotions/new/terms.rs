//! A form's fields as a promotion's terms, and back.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;
use serde_json::{Map, Value, json};
use shared::domain::benefit::MAX_TIERS;
use shared::domain::cart::Sku;
use shared::domain::money::{Amount, BasisPoints, Currency};
use shared::domain::promotion::{ClaimCode, Combinability, MAX_NAME_CHARS, MAX_SKUS, Restore};

use crate::fields::{Fields, tidy_number};
use crate::form::Errors;
use crate::format::money;
use crate::lang::Lang;
use crate::visit::Visit;

/// Tiers that the form has room for.
pub(crate) const TIERS: usize = 5;

/// A currency's sign as it stands before a field.
pub(crate) fn sign(currency: Currency) -> String {
    money(0, currency)
        .trim_end_matches(['0', '.', ' '])
        .to_owned()
}

/// Minor units as a plain decimal for a field: `123.40`.
pub(crate) fn decimal(minor: u64, currency: Currency) -> String {
    let decimals = usize::from(currency.exponent());
    let digits = format!("{minor:0>width$}", width = decimals.saturating_add(1));
    let (whole, fraction) = digits.split_at(digits.len().saturating_sub(decimals));
    if fraction.bytes().all(|digit| digit == b'0') {
        whole.to_owned()
    } else {
        format!("{whole}.{fraction}")
    }
}

/// An end as the last day and, if it is no midnight, the time of that day.
pub(crate) fn last_day(ends_at: Option<DateTime<Utc>>, zone: Tz) -> (String, String) {
    let Some(ends_at) = ends_at else {
        return (String::new(), String::new());
    };
    let local = ends_at.with_timezone(&zone);
    if local.time() == NaiveTime::MIN {
        let last = local
            .date_naive()
            .pred_opt()
            .unwrap_or_else(|| local.date_naive());
        (last.to_string(), String::new())
    } else {
        (
            local.date_naive().to_string(),
            local.format("%H:%M").to_string(),
        )
    }
}

/// Reads fields, and notes what is wrong with them in the reader's language.
pub(crate) struct Reader<'a> {
    fields: &'a Fields,
    currency: Currency,
    zone: Tz,
    lang: Lang,
    errors: Errors,
}

impl<'a> Reader<'a> {
    /// Reads these fields, whose amounts are in `currency`.
    pub(crate) fn new(fields: &'a Fields, currency: Currency, visit: &Visit) -> Self {
        Self {
            fields,
            currency,
            zone: visit.zone(),
            lang: visit.lang,
            errors: Errors::new(),
        }
    }

    /// What was wrong.
    pub(crate) fn into_errors(self) -> Errors {
        self.errors
    }

    pub(crate) fn wrong(&mut self, field: &str, ja: &str, en: &str) {
        self.errors.add(field, self.lang.pick(ja, en));
    }

    /// The name.
    pub(crate) fn name(&mut self) -> Option<String> {
        let name = self.fields.get("name").to_owned();
        if name.is_empty() {
            self.wrong("name", "名前を入力してください", "Enter a name");
            return None;
        }
        if name.chars().count() > MAX_NAME_CHARS || name.chars().any(char::is_control) {
            self.wrong(
                "name",
                "名前は200文字以内で入力してください",
                "A name has at most 200 characters",
            );
            return None;
        }
        Some(name)
    }

    /// A whole number, if there is one.
    pub(crate) fn whole(&mut self, field: &str) -> Option<u64> {
        let text = tidy_number(self.fields.get(field));
        if text.is_empty() {
            return None;
        }
        let number = text.parse().ok();
        if number.is_none() {
            self.wrong(
                field,
                "0以上の整数で入力してください",
                "Enter a whole number",
            );
        }
        number
    }

    /// A limit of at least 1, if there is one.
    pub(crate) fn limit(&mut self, field: &str) -> Option<u32> {
        let number = self.whole(field)?;
        let limit = u32::try_from(number).ok().filter(|limit| *limit > 0);
        if limit.is_none() {
            self.wrong(
                field,
                "1以上の整数で入力してください（上限なしは空欄）",
                "Enter 1 or more, or leave it empty for no limit",
            );
        }
        limit
    }

    /// An amount above zero, if there is one.
    pub(crate) fn amount(&mut self, field: &str) -> Option<Amount> {
        let amount = self.amount_or_zero(field)?;
        if amount == Amount::ZERO {
            self.wrong(
                field,
                "0より大きい金額を入力してください",
                "Enter an amount above zero",
            );
            return None;
        }
        Some(amount)
    }

    /// An amount, if there is one.
    pub(crate) fn amount_or_zero(&mut self, field: &str) -> Option<Amount> {
        let text = tidy_number(self.fields.get(field));
        if text.is_empty() {
            return None;
        }
        let amount = Amount::from_decimal(&text, self.currency);
        if amount.is_none() {
            self.wrong(
                field,
                "金額を数字で入力してください",
                "Enter an amount in digits",
            );
        }
        amount
    }

    fn percent(&mut self, field: &str) -> Option<BasisPoints> {
        let percent = BasisPoints::parse(&tidy_number(self.fields.get(field))).ok();
        if percent.is_none() {
            self.wrong(
                field,
                "割引率は0より大きく100以下の数字で入力してください",
                "Enter a percentage above 0 and at most 100",
            );
        }
        percent
    }

    fn required<T>(&mut self, field: &str, value: Option<T>, ja: &str, en: &str) -> Option<T> {
        if value.is_none() {
            self.wrong(field, ja, en);
        }
        value
    }

    /// The first moment after the last day, or after the time given on it.
    pub(crate) fn end(&mut self) -> Option<DateTime<Utc>> {
        let day = self.day("ends")?;
        let time = self.fields.get("ends_time");
        if time.is_empty() {
            return self.local("ends", day.succ_opt()?, NaiveTime::MIN);
        }
        let time = self.time("ends_time")?;
        self.local("ends", day, time)
    }

    /// The first moment of the first day, or the time given on it.
    fn start(&mut self) -> Option<DateTime<Utc>> {
        let day = self.day("starts")?;
        let time = if self.fields.get("starts_time").is_empty() {
            NaiveTime::MIN
        } else {
            self.time("starts_time")?
        };
        self.local("starts", day, time)
    }

    fn day(&mut self, field: &str) -> Option<NaiveDate> {
        let text = self.fields.get(field).replace('/', "-");
        if text.is_empty() {
            return None;
        }
        let day = text.parse::<NaiveDate>().ok();
        let plausible = NaiveDate::from_ymd_opt(2000, 1, 1)..=NaiveDate::from_ymd_opt(9998, 1, 1);
        let day = day.filter(|day| plausible.contains(&Some(*day)));
        self.required(
            field,
            day,
            "日付を 2026-12-31 のように入力してください",
            "Enter a date like 2026-12-31",
        )
    }

    fn time(&mut self, field: &str) -> Option<NaiveTime> {
        let text = tidy_number(self.fields.get(field));
        let time = NaiveTime::parse_from_str(&text, "%H:%M").ok();
        let time = time.or_else(|| NaiveTime::parse_from_str(&text, "%H:%M:%S").ok());
        self.required(
            field,
            time,
            "時刻を 18:00 のように入力してください",
            "Enter a time like 18:00",
        )
    }

    /// A local time as a moment. Where clocks are put back the earlier one is meant; one that they skip is refused.
    fn local(&mut self, field: &str, day: NaiveDate, time: NaiveTime) -> Option<DateTime<Utc>> {
        let at = self
            .zone
            .from_local_datetime(&day.and_time(time))
            .earliest();
        let at = at.map(|at| at.with_timezone(&Utc));
        self.required(
            field,
            at,
            "この時刻は存在しません（時計の変更）",
            "There is no such time that day: clocks change",
        )
    }

    /// SKUs, one a line or separated by commas; each once.
    fn skus(&mut self, field: &str) -> Option<Vec<Sku>> {
        let list = sku_list(self.fields.get(field));
        if let Some(bad) = list.bad {
            let bad: String = bad.chars().take(20).collect();
            self.errors.add(
                field,
                self.lang.pick(
                    format!("「{bad}…」はSKUとして長すぎます（64バイトまで）"),
                    format!("“{bad}…” is too long for a SKU (64 bytes at most)"),
                ),
            );
        }
        if list.skus.len() > MAX_SKUS {
            self.wrong(
                field,
                "SKUは4,000件までです",
                "A list has at most 4,000 SKUs",
            );
        }
        (!list.skus.is_empty()).then_some(list.skus)
    }

    fn benefit(&mut self, kind: &str) -> Option<Value> {
        match kind {
            "percent_off" => {
                let (percent, most) = (self.percent("percent"), self.amount("max_discount"));
                let mut benefit = json!({"type": kind, "percent": percent?});
                if let (Some(most), Value::Object(benefit)) = (most, &mut benefit) {
                    benefit.insert("max_discount".to_owned(), json!(most));
                }
                Some(benefit)
            }
            "amount_off" => {
                let amount = self.amount("amount");
                let amount = self.required(
                    "amount",
                    amount,
                    "値引き額を入力してください",
                    "Enter the amount off",
                )?;
                Some(json!({"type": kind, "amount": amount}))
            }
            "tiered_percent_off" => Some(json!({"type": kind, "tiers": self.tiers()?})),
            "buy_x_get_y" => {
                let (buy, get, percent) = (
                    self.limit("buy"),
                    self.limit("get"),
                    self.percent("get_percent"),
                );
                let buy = self.required(
                    "buy",
                    buy,
                    "購入点数を入力してください",
                    "Enter how many to buy",
                );
                let get = self.required(
                    "get",
                    get,
                    "割引になる点数を入力してください",
                    "Enter how many are discounted",
                );
                let mut benefit =
                    json!({"type": kind, "buy": buy?, "get": get?, "percent": percent?});
                if let (Some(skus), Value::Object(benefit)) = (self.skus("get_skus"), &mut benefit)
                {
                    benefit.insert("get_products".to_owned(), json!(skus));
                }
                Some(benefit)
            }
            _ => Some(json!({"type": "free_shipping"})),
        }
    }

    fn tiers(&mut self) -> Option<Vec<Value>> {
        let mut tiers: Vec<(Amount, Value)> = Vec::new();
        for index in 1..=TIERS.min(MAX_TIERS) {
            let (least, percent) = (format!("tier_min_{index}"), format!("tier_percent_{index}"));
            if self.fields.get(&least).is_empty() && self.fields.get(&percent).is_empty() {
                continue;
            }
            let from = self.amount_or_zero(&least);
            let from = self.required(&least, from, "金額を入力してください", "Enter an amount")?;
            let percent = self.percent(&percent)?;
            if tiers.last().is_some_and(|(before, _)| *before >= from) {
                self.wrong(
                    &least,
                    "金額は上の段より大きくしてください",
                    "Each amount must be above the one before",
                );
                return None;
            }
            tiers.push((from, json!({"min_subtotal": from, "percent": percent})));
        }
        if tiers.is_empty() {
            self.wrong(
                "tier_min_1",
                "段階を1つ以上入力してください",
                "Enter at least one tier",
            );
            return None;
        }
        Some(tiers.into_iter().map(|(_, tier)| tier).collect())
    }

    /// The body of `POST /v1/promotions`; none if something is missing.
    pub(crate) fn terms(&mut self, kind: &str) -> Option<Value> {
        let name = self.name();
        let benefit = self.benefit(kind);
        let mut body = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                body.insert(name.to_owned(), value);
            }
        };
        put("currency", Some(json!(self.currency)));
        put("products", self.products());
        put("minimum", self.minimum());
        let (starts_at, ends_at) = (self.start(), self.end());
        if starts_at.is_some() && ends_at.is_some() && ends_at <= starts_at {
            self.wrong(
                "ends",
                "終了日時は開始日時より後にしてください",
                "The end must be later than the start",
            );
        }
        put("starts_at", starts_at.map(|at| json!(at)));
        put("ends_at", ends_at.map(|at| json!(at)));
        put("claim_code", Some(json!(claim_code(self.fields))));
        put("combinability", Some(json!(combinability(self.fields))));
        put("limits", self.limits(kind));
        if self.fields.has("never_restore") {
            put("restore", Some(json!(Restore::Never)));
        }
        if self.fields.has("restore_budget") {
            put("restore_budget_on_return", Some(json!(true)));
        }
        put("name", Some(json!(name?)));
        put("benefit", Some(benefit?));
        Some(Value::Object(body)).filter(|_| self.errors.is_empty())
    }

    fn products(&mut self) -> Option<Value> {
        let listed = self.fields.get("products") == "list";
        let include = if listed { self.skus("skus") } else { None };
        if listed && include.is_none() {
            self.wrong(
                "skus",
                "対象商品のSKUを入力してください",
                "Enter the SKUs of the eligible products",
            );
        }
        let exclude = self.skus("exclude_skus");
        object([
            ("include", include.map(|list| json!(list))),
            ("exclude", exclude.map(|list| json!(list))),
        ])
    }

    fn minimum(&mut self) -> Option<Value> {
        let (subtotal, quantity) = (self.amount("min_subtotal"), self.limit("min_quantity"));
        object([
            ("subtotal", subtotal.map(|least| json!(least))),
            ("quantity", quantity.map(|least| json!(least))),
        ])
    }

    fn limits(&mut self, kind: &str) -> Option<Value> {
        let (budget, uses) = (self.amount("budget"), self.limit("redemptions"));
        let each = self.limit("per_customer");
        let units = if kind == "free_shipping" {
            None
        } else {
            self.limit("units_per_order")
        };
        object([
            ("budget", budget.map(|limit| json!(limit))),
            ("redemptions", uses.map(|limit| json!(limit))),
            ("per_customer", each.map(|limit| json!(limit))),
            ("units_per_order", units.map(|limit| json!(limit))),
        ])
    }
}

/// An object of those that have a value; none without any.
fn object<const N: usize>(parts: [(&str, Option<Value>); N]) -> Option<Value> {
    let parts = parts
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let object: Map<String, Value> = parts.collect();
    (!object.is_empty()).then_some(Value::Object(object))
}

/// How buyers claim it, as the form says.
pub(crate) fn claim_code(fields: &Fields) -> ClaimCode {
    match fields.get("claim_code") {
        "group" => ClaimCode::Group,
        "none" => ClaimCode::None,
        _ => ClaimCode::SingleUse,
    }
}

fn combinability(fields: &Fields) -> Combinability {
    match fields.get("combinability") {
        "preferential" => Combinability::Preferential,
        "unrestricted" => Combinability::Unrestricted,
        _ => Combinability::Exclusive,
    }
}

/// SKUs as they were pasted.
#[derive(Debug, Default)]
pub(crate) struct SkuList {
    /// Each once, in order.
    pub(crate) skus: Vec<Sku>,
    /// How many came more than once.
    pub(crate) doubles: usize,
    /// The first that cannot be one.
    bad: Option<String>,
}

/// Reads SKUs, one a line or separated by commas, tabs or semicolons.
pub(crate) fn sku_list(text: &str) -> SkuList {
    let mut list = SkuList::default();
    let mut seen = std::collections::HashSet::new();
    for part in text.split(['\n', '\r', ',', ';', '\t', '、']) {
        let part = part.trim().trim_matches('"');
        if part.is_empty() {
            continue;
        }
        match Sku::try_from(part.to_owned()) {
            Ok(sku) if seen.insert(sku.clone()) => list.skus.push(sku),
            Ok(_) => list.doubles += 1,
            Err(_) => list.bad = list.bad.or_else(|| Some(part.to_owned())),
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_typed_as_the_last_day_and_shown_as_it_again() {
        let tokyo = chrono_tz::Asia::Tokyo;
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        assert_eq!(
            last_day(Some(at("2026-12-31T15:00:00Z")), tokyo),
            ("2026-12-31".to_owned(), String::new())
        );
        assert_eq!(
            last_day(Some(at("2026-12-31T09:00:00Z")), tokyo),
            ("2026-12-31".to_owned(), "18:00".to_owned())
        );
        assert_eq!(last_day(None, tokyo), (String::new(), String::new()));
    }

    #[test]
    fn amounts_stand_in_fields_without_signs_and_idle_decimals() {
        let currency = |code: &str| Currency::try_from(code.to_owned()).unwrap();
        assert_eq!(decimal(12_340, currency("JPY")), "12340");
        assert_eq!(decimal(12_340, currency("USD")), "123.40");
        assert_eq!(decimal(12_300, currency("USD")), "123");
        assert_eq!(decimal(5, currency("USD")), "0.05");
        assert_eq!(
            (sign(currency("JPY")), sign(currency("KWD"))),
            ("¥".to_owned(), "KWD".to_owned())
        );
    }

    #[test]
    fn pasted_skus_are_each_taken_once_however_they_are_separated() {
        let list = sku_list("A-1\r\nB 2,C;A-1\t\"D\"\n\n");
        let skus: Vec<&str> = list.skus.iter().map(Sku::as_str).collect();
        assert_eq!((skus, list.doubles), (vec!["A-1", "B 2", "C", "D"], 1));
        assert!(sku_list(&"x".repeat(65)).bad.is_some());
    }
}
