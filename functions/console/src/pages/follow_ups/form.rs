//! A follow-up's terms as the fields of a form, and back as the API takes them.

use serde_json::{Map, Value, json};
use shared::domain::follow_up::{FollowUpTerms, MAX_VARIANTS};
use shared::domain::money::Currency;

use super::rule::in_units;
use crate::fields::{Fields, tidy_number};
use crate::form::{Errors, Place};
use crate::lang::Lang;

/// Languages whose texts the form has fields for; texts in others are kept as they are.
pub(super) const LANGUAGES: [&str; 2] = ["ja", "en"];

/// Name of a variant's field.
pub(super) fn of_variant(index: usize, name: &str) -> String {
    format!("v{index}-{name}")
}

/// How many variants a form has: at least one.
pub(super) fn variants(fields: &Fields) -> usize {
    let count = fields.get("variants").parse().unwrap_or(1);
    usize::clamp(count, 1, MAX_VARIANTS)
}

/// The fields of a new follow-up.
pub(super) fn empty(lang: Lang) -> Fields {
    let mut fields = Fields::of([("variants", "1".to_owned())]);
    for (name, value) in [
        ("consent", "yes"),
        ("valid", "30"),
        ("holdout", "10"),
        ("v0-delay", "3"),
        ("v0-unit", "D"),
        ("v0-weight", "1"),
    ] {
        fields.set(name, value);
    }
    fields.set("v0-name", lang.pick("3日後", "After 3 days"));
    fields
}

/// An amount of minor units as somebody would type it: `3000`, `30.00`.
fn major(minor: u64, currency: Option<Currency>) -> String {
    let exponent = currency.map_or(0, |currency| u32::from(currency.exponent()));
    let scale = 10_u64.checked_pow(exponent).unwrap_or(1).max(1);
    if exponent == 0 {
        return minor.to_string();
    }
    let digits = usize::try_from(exponent).unwrap_or_default();
    format!("{}.{:0digits$}", minor / scale, minor % scale)
}

/// What somebody typed as an amount, in minor units.
fn minor(text: &str, currency: Option<Currency>) -> Option<u64> {
    let exponent = currency.map_or(0, |currency| usize::from(currency.exponent()));
    let text = tidy_number(text);
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(part) || part.len() > exponent {
        return None;
    }
    format!("{whole}{part:0<exponent$}").parse().ok()
}

/// The fields of a follow-up as it stands.
pub(super) fn of_terms(terms: &FollowUpTerms, currency: Option<Currency>) -> Fields {
    let mut fields = Fields::of([("variants", terms.variants.len().to_string())]);
    let conditions = &terms.conditions;
    fields.set("name", terms.name.as_str());
    if conditions.min_total.minor() > 0 {
        fields.set("min", major(conditions.min_total.minor(), currency));
    }
    for (name, checked) in [
        ("consent", conditions.require_consent),
        ("first", conditions.first_order_only),
        ("bound", terms.bind_to_buyer),
    ] {
        if checked {
            fields.set(name, "yes");
        }
    }
    if conditions.cooldown_days > 0 {
        fields.set("cooldown", conditions.cooldown_days.to_string());
    }
    if let Some(most) = conditions.max_per_address {
        fields.set("most", most.to_string());
    }
    fields.set("valid", terms.code_valid_days.to_string());
    fields.set("holdout", terms.holdout_percent.to_string());
    if let Some(before) = terms.reminder_before_expiry {
        let (count, unit) = in_units(before);
        fields.set("reminder", count.to_string());
        fields.set("reminder-unit", unit.to_string());
    }
    for (index, variant) in terms.variants.iter().enumerate() {
        let (count, unit) = in_units(variant.delay);
        for (name, value) in [
            ("name", variant.name.clone()),
            ("promotion", variant.promotion_id.to_string()),
            ("delay", count.to_string()),
            ("unit", unit.to_string()),
            ("weight", variant.weight.to_string()),
        ] {
            fields.set(&of_variant(index, name), value);
        }
    }
    mail_fields(&mut fields, terms);
    fields
}

fn mail_fields(fields: &mut Fields, terms: &FollowUpTerms) {
    fields.set("from", terms.mail.from.as_str());
    if let Some(sender) = &terms.mail.sender {
        fields.set("sender-name", sender.name.as_str());
        fields.set("sender-address", sender.address.as_str());
        fields.set("sender-contact", sender.contact.as_str());
    }
    for tag in LANGUAGES {
        let template = terms
            .mail
            .templates
            .as_ref()
            .and_then(|templates| templates.get(tag));
        if let Some(template) = template {
            fields.set(&format!("subject-{tag}"), template.subject.as_str());
            fields.set(&format!("body-{tag}"), template.body.as_str());
        }
    }
}

/// A number a form must have, or what to say at its field.
fn whole(
    fields: &Fields,
    name: &str,
    (ja, en): (&str, &str),
    errors: &mut Errors,
    lang: Lang,
) -> Option<u64> {
    let text = tidy_number(fields.get(name));
    let number = text.parse::<u64>().ok();
    if number.is_none() {
        errors.add(name, lang.pick(ja, en));
    }
    number
}

/// The same for one that may be left out.
fn whole_if_any(
    fields: &Fields,
    name: &str,
    words: (&str, &str),
    errors: &mut Errors,
    lang: Lang,
) -> Option<u64> {
    if fields.get(name).is_empty() {
        return None;
    }
    whole(fields, name, words, errors, lang)
}

/// An ISO 8601 duration of a number and a unit.
fn period(count: u64, unit: &str) -> String {
    match unit {
        "H" | "M" | "S" => format!("PT{count}{unit}"),
        _ => format!("P{count}D"),
    }
}

/// What the API is asked for, and what is wrong already.
pub(super) fn read(
    fields: &Fields,
    before: Option<&FollowUpTerms>,
    currency: Option<Currency>,
    lang: Lang,
) -> (Value, Errors) {
    let mut errors = Errors::new();
    if fields.get("name").is_empty() {
        errors.add("name", lang.pick("名前を入力してください", "Enter a name"));
    }
    let conditions = conditions(fields, currency, &mut errors, lang);
    let arms = arms(fields, &mut errors, lang);
    let days = (
        "有効日数は1〜365の数字で入力してください",
        "Enter 1 to 365 days",
    );
    let valid = whole(fields, "valid", days, &mut errors, lang);
    let share = (
        "比較用グループは0〜90の数字で入力してください",
        "Enter 0 to 90 percent",
    );
    let holdout = whole(fields, "holdout", share, &mut errors, lang).unwrap_or(0);
    if holdout > 90 {
        errors.add("holdout", lang.pick(share.0, share.1));
    }
    let terms = json!({
        "name": fields.get("name"),
        "conditions": conditions,
        "variants": arms,
        "holdout_percent": holdout.min(90),
        "code_valid_days": valid.unwrap_or(30).min(u64::from(u16::MAX)),
        "bind_to_buyer": fields.has("bound"),
        "mail": mail(fields, before),
    });
    let mut terms = members(terms);
    let count = ("数字で入力してください", "Enter a number");
    if let Some(count) = whole_if_any(fields, "reminder", count, &mut errors, lang) {
        let before = json!(period(count, fields.get("reminder-unit")));
        terms.insert("reminder_before_expiry".to_owned(), before);
    }
    if fields.get("from").is_empty() {
        errors.add(
            "from",
            lang.pick(
                "差出人メールアドレスを入力してください",
                "Enter the address mails come from",
            ),
        );
    }
    (Value::Object(terms), errors)
}

/// The members of an object; none of what is no object.
fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn conditions(
    fields: &Fields,
    currency: Option<Currency>,
    errors: &mut Errors,
    lang: Lang,
) -> Value {
    let mut conditions = members(json!({
        "require_consent": fields.has("consent"),
        "first_order_only": fields.has("first"),
    }));
    let mut put = |name: &str, number: u64| conditions.insert(name.to_owned(), json!(number));
    if !fields.get("min").is_empty() {
        match minor(fields.get("min"), currency) {
            Some(least) => drop(put("min_total", least)),
            None => errors.add(
                "min",
                lang.pick(
                    "最低購入金額は数字で入力してください",
                    "Enter the minimum as a number",
                ),
            ),
        }
    }
    let days = (
        "日数は1〜365の数字で入力してください",
        "Enter 1 to 365 days",
    );
    if let Some(days) = whole_if_any(fields, "cooldown", days, errors, lang) {
        put("cooldown_days", days.min(u64::from(u16::MAX)));
    }
    let most = (
        "通数は1〜100の数字で入力してください",
        "Enter 1 to 100 mails",
    );
    if let Some(most) = whole_if_any(fields, "most", most, errors, lang) {
        put("max_per_address", most.min(u64::from(u32::MAX)));
    }
    Value::Object(conditions)
}

fn arms(fields: &Fields, errors: &mut Errors, lang: Lang) -> Vec<Value> {
    let mut arms = Vec::new();
    for index in 0..variants(fields) {
        let field = |name| of_variant(index, name);
        let text = |name| fields.get(&of_variant(index, name));
        if text("name").is_empty() {
            errors.add(
                &field("name"),
                lang.pick("パターン名を入力してください", "Name this variant"),
            );
        }
        if text("promotion").is_empty() {
            errors.add(
                &field("promotion"),
                lang.pick("プロモーションを選んでください", "Choose a promotion"),
            );
        }
        let delay = (
            "配信までの時間を数字で入力してください",
            "Enter how long after the order",
        );
        let delay = whole(fields, &field("delay"), delay, errors, lang).unwrap_or(0);
        let weight = ("割合は1以上の数字で入力してください", "Enter 1 or more");
        let weight = whole(fields, &field("weight"), weight, errors, lang).unwrap_or(1);
        arms.push(json!({
            "name": text("name"),
            "promotion_id": text("promotion"),
            "delay": period(delay, text("unit")),
            "weight": weight.min(u64::from(u32::MAX)),
        }));
    }
    arms
}

/// Sender and texts; texts in languages that the form does not show stay.
fn mail(fields: &Fields, before: Option<&FollowUpTerms>) -> Value {
    let mut mail = members(json!({"from": fields.get("from")}));
    let parts = ["sender-name", "sender-address", "sender-contact"].map(|name| fields.get(name));
    if parts.iter().any(|part| !part.is_empty()) {
        let [name, address, contact] = parts;
        let sender = json!({"name": name, "address": address, "contact": contact});
        mail.insert("sender".to_owned(), sender);
    }
    let mut templates = Map::new();
    let kept = before.and_then(|terms| terms.mail.templates.as_ref());
    for (tag, template) in kept.into_iter().flatten() {
        if !LANGUAGES.contains(&tag.as_str()) {
            templates.insert(
                tag.clone(),
                json!({"subject": template.subject, "body": template.body}),
            );
        }
    }
    for tag in LANGUAGES {
        let (subject, body) = (
            fields.get(&format!("subject-{tag}")),
            fields.get(&format!("body-{tag}")),
        );
        if !(subject.is_empty() && body.is_empty()) {
            let body = body.replace("\r\n", "\n");
            templates.insert(tag.to_owned(), json!({"subject": subject, "body": body}));
        }
    }
    if !templates.is_empty() {
        mail.insert("templates".to_owned(), Value::Object(templates));
    }
    Value::Object(mail)
}

/// What is said of a value in both languages; the API's own words without.
type Words = Option<(&'static str, &'static str)>;

/// Pointers of the API's values, the fields they stand in, and what is said if they are refused.
const PLACES: [(&str, &str, Words); 15] = [
    (
        "/name",
        "name",
        Some((
            "名前は1〜200文字で入力してください",
            "A name has 1 to 200 characters",
        )),
    ),
    (
        "/conditions/min_total",
        "min",
        Some(("最低購入金額を確認してください", "Check the minimum")),
    ),
    (
        "/conditions/cooldown_days",
        "cooldown",
        Some((
            "日数は1〜365の数字で入力してください",
            "Enter 1 to 365 days",
        )),
    ),
    (
        "/conditions/max_per_address",
        "most",
        Some((
            "通数は1〜100の数字で入力してください",
            "Enter 1 to 100 mails",
        )),
    ),
    (
        "/holdout_percent",
        "holdout",
        Some((
            "比較用グループは0〜90の数字で入力してください",
            "Enter 0 to 90 percent",
        )),
    ),
    (
        "/code_valid_days",
        "valid",
        Some((
            "有効日数は1〜365の数字で入力してください",
            "Enter 1 to 365 days",
        )),
    ),
    (
        "/reminder_before_expiry",
        "reminder",
        Some((
            "お知らせは有効期間より短い時間で入力してください",
            "A reminder comes before the end, and after the mail",
        )),
    ),
    (
        "/mail/from",
        "from",
        Some((
            "「店名 <アドレス>」の形で入力してください",
            "Write it as “Shop <address>”",
        )),
    ),
    (
        "/mail/sender/name",
        "sender-name",
        Some((
            "名称・住所・連絡先をすべて入力してください",
            "Enter name, address and contact",
        )),
    ),
    (
        "/mail/sender/address",
        "sender-address",
        Some((
            "名称・住所・連絡先をすべて入力してください",
            "Enter name, address and contact",
        )),
    ),
    (
        "/mail/sender/contact",
        "sender-contact",
        Some((
            "名称・住所・連絡先をすべて入力してください",
            "Enter name, address and contact",
        )),
    ),
    ("/mail/templates/ja/subject", "subject-ja", None),
    ("/mail/templates/ja", "body-ja", None),
    ("/mail/templates/en/subject", "subject-en", None),
    ("/mail/templates/en", "body-en", None),
];

/// Where in the form the API's values stand; names of variants' fields are borrowed from `names`.
pub(super) fn places(names: &[(String, String)]) -> Vec<Place<'_>> {
    let fixed = PLACES.into_iter().map(|(pointer, field, words)| Place {
        pointer,
        field,
        words,
    });
    let of_variants = names.iter().map(|(pointer, field)| Place {
        pointer,
        field,
        words: variant_words(pointer),
    });
    fixed.chain(of_variants).collect()
}

fn variant_words(pointer: &str) -> Words {
    let (_, last) = pointer.rsplit_once('/')?;
    Some(match last {
        "name" => (
            "ほかと区別できるパターン名にしてください（100文字以内）",
            "Choose a name that differs from the others, 100 characters at most",
        ),
        "promotion_id" => (
            "1回限りのコードのプロモーションを選んでください（通貨は同じもの）",
            "Choose a promotion of single-use codes, in the same currency as the others",
        ),
        "delay" => (
            "配信までの時間は90日以内にしてください",
            "At most 90 days after the order",
        ),
        _ => ("割合は1以上の数字で入力してください", "Enter 1 or more"),
    })
}

/// Pointers and fields of all variants.
pub(super) fn variant_places(count: usize) -> Vec<(String, String)> {
    let values = [
        ("name", "name"),
        ("promotion_id", "promotion"),
        ("delay", "delay"),
        ("weight", "weight"),
    ];
    let all = (0..count).flat_map(|index| {
        values.map(|(value, field)| {
            (
                format!("/variants/{index}/{value}"),
                of_variant(index, field),
            )
        })
    });
    all.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(json: Value) -> FollowUpTerms {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_follow_up_comes_back_from_its_form_as_it_was() {
        let whole = json!({
            "name": "Thanks", "conditions": {"min_total": 3050, "require_consent": false, "first_order_only": true, "cooldown_days": 30, "max_per_address": 3},
            "variants": [{"name": "A", "promotion_id": "THX9", "delay": "P3D", "weight": 2}, {"name": "B", "promotion_id": "THX9", "delay": "PT90S", "weight": 1}],
            "holdout_percent": 10, "code_valid_days": 60, "bind_to_buyer": true, "reminder_before_expiry": "PT36H",
            "mail": {"from": "Shop <a@b.jp>", "sender": {"name": "n", "address": "a", "contact": "c"},
                "templates": {"en": {"subject": "s", "body": "b"}, "fr": {"subject": "x", "body": "y"}}}
        });
        let dollars = Currency::try_from("USD".to_owned()).ok();
        let before = terms(whole);
        let fields = of_terms(&before, dollars);
        assert_eq!(fields.get("min"), "30.50");
        let (read, errors) = read(&fields, Some(&before), dollars, Lang::En);
        assert!(errors.is_empty(), "{errors:?}");
        assert_eq!(terms(read), before);
    }

    #[test]
    fn what_is_missing_is_said_at_its_field() {
        let (_, errors) = read(&Fields::default(), None, None, Lang::Ja);
        for field in [
            "name",
            "v0-name",
            "v0-promotion",
            "v0-delay",
            "valid",
            "holdout",
            "from",
        ] {
            assert!(errors.of(field).is_some(), "{field}");
        }
    }

    #[test]
    fn amounts_are_read_as_people_write_them() {
        let yen = Currency::try_from("JPY".to_owned()).ok();
        let dollars = Currency::try_from("USD".to_owned()).ok();
        assert_eq!(minor("３，０００円", yen), Some(3_000));
        assert_eq!(minor("30.5", dollars), Some(3_050));
        assert_eq!(minor("30.555", dollars), None);
        assert_eq!(minor("abc", yen), None);
        assert_eq!(minor("1.5", yen), None);
    }
}
