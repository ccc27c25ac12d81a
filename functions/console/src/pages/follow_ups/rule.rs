//! A follow-up's rule as sentences.

use shared::domain::follow_up::FollowUpTerms;
use shared::domain::money::Currency;
use shared::domain::period::Period;

use crate::format::{money_in_words, number};
use crate::lang::Lang;

/// The largest unit in which a period is whole, with how many: days, hours, minutes or seconds.
pub(super) fn in_units(period: Period) -> (i64, char) {
    let seconds = period.as_delta().num_seconds();
    let units = [(86_400, 'D'), (3_600, 'H'), (60, 'M')];
    let whole = units.into_iter().find(|(size, _)| seconds % size == 0);
    whole.map_or((seconds, 'S'), |(size, unit)| (seconds / size, unit))
}

/// How long a period is: `3日`, `3 days`.
pub(super) fn length(period: Period, lang: Lang) -> String {
    let (count, unit) = in_units(period);
    let (ja, en) = match unit {
        'D' => ("日", "day"),
        'H' => ("時間", "hour"),
        'M' => ("分", "minute"),
        _ => ("秒", "second"),
    };
    match lang {
        Lang::Ja => format!("{count}{ja}"),
        Lang::En => format!("{count} {en}{}", if count == 1 { "" } else { "s" }),
    }
}

/// When a mail goes out: `注文の3日後`, `3 days after`.
pub(super) fn after(delay: Period, lang: Lang) -> String {
    if in_units(delay).0 == 0 {
        return lang.pick("注文後すぐ", "right after the order").to_owned();
    }
    let length = length(delay, lang);
    lang.pick(
        format!("注文の{length}後"),
        format!("{length} after the order"),
    )
}

/// When the mails of all variants go out, once for each time.
fn delays(terms: &FollowUpTerms, lang: Lang) -> String {
    let mut times: Vec<Period> = terms.variants.iter().map(|variant| variant.delay).collect();
    times.sort();
    times.dedup();
    let times: Vec<String> = times.into_iter().map(|delay| after(delay, lang)).collect();
    times.join(lang.pick("または", " or "))
}

/// The rule in a few words, for lists.
pub(super) fn short(terms: &FollowUpTerms, lang: Lang) -> String {
    let arms = terms.variants.len();
    let delays = delays(terms, lang);
    match (lang, arms, terms.holdout_percent) {
        (Lang::Ja | Lang::En, 1, 0) => delays,
        (Lang::Ja, _, 0) => format!("{delays}・{arms}パターン"),
        (Lang::Ja, _, held) => format!("{delays}・{arms}パターン・配信なし{held}%"),
        (Lang::En, _, 0) => format!("{delays} · {arms} arms"),
        (Lang::En, _, held) => format!(
            "{delays} · {arms} arm{} · hold-out {held}%",
            if arms == 1 { "" } else { "s" }
        ),
    }
}

/// The rule as one sentence.
pub(super) fn sentence(terms: &FollowUpTerms, currency: Option<Currency>, lang: Lang) -> String {
    let least = terms.conditions.min_total.minor();
    let amount = match currency {
        Some(currency) => money_in_words(i128::from(least), currency, lang),
        None => number(least),
    };
    let first = terms.conditions.first_order_only;
    let delays = delays(terms, lang);
    match lang {
        Lang::Ja => {
            let which = match (least, first) {
                (0, false) => "すべての注文について".to_owned(),
                (0, true) => "お客様の初回の注文について".to_owned(),
                (_, false) => format!("{amount}以上の注文について"),
                (_, true) => format!("{amount}以上の初回の注文について"),
            };
            format!("{which}、{delays}に、1回限りのコードをメールで送ります。")
        }
        Lang::En => {
            let which = match (least, first) {
                (0, false) => "each order".to_owned(),
                (0, true) => "a buyer's first order".to_owned(),
                (_, false) => format!("each order of {amount} or more"),
                (_, true) => format!("a buyer's first order, if it is {amount} or more"),
            };
            format!("For {which}, a single-use code is mailed {delays}.")
        }
    }
}

/// What else holds, a line each.
pub(super) fn lines(terms: &FollowUpTerms, lang: Lang) -> Vec<String> {
    let conditions = &terms.conditions;
    let mut lines = vec![
        if conditions.require_consent {
            lang.pick(
                "お知らせメールに同意したお客様だけに送ります",
                "Only to buyers who agreed to mail",
            )
        } else {
            lang.pick(
                "同意の有無にかかわらず送ります",
                "Also to buyers who did not agree to mail",
            )
        }
        .to_owned(),
    ];
    if conditions.cooldown_days > 0 {
        let days = conditions.cooldown_days;
        lines.push(lang.pick(
            format!("同じお客様には{days}日に1通まで"),
            format!("At most one mail to a buyer in {days} days"),
        ));
    }
    if let Some(most) = conditions.max_per_address {
        lines.push(lang.pick(
            format!("お一人様{most}通まで"),
            format!("At most {most} mails to a buyer, ever"),
        ));
    }
    let days = terms.code_valid_days;
    lines.push(lang.pick(
        format!("コードの有効期間は配信予定日から{days}日後の23:59まで"),
        format!("Codes work until the end of day {days} after the mail is due"),
    ));
    if terms.bind_to_buyer {
        lines.push(
            lang.pick(
                "コードはご本人だけが使えます",
                "Only the buyer can use the code",
            )
            .to_owned(),
        );
    }
    if let Some(before) = terms.reminder_before_expiry {
        let before = length(before, lang);
        lines.push(lang.pick(
            format!("未使用なら期限の{before}前にお知らせを送ります"),
            format!("Unused codes are reminded of {before} before they end"),
        ));
    }
    if terms.holdout_percent > 0 {
        let held = terms.holdout_percent;
        lines.push(lang.pick(
            format!("{held}%のお客様には送らず、比較用グループとします"),
            format!("{held}% of buyers get nothing, to compare with"),
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn terms(conditions: &serde_json::Value, delay: &str) -> FollowUpTerms {
        serde_json::from_value(
            json!({"name": "x", "conditions": conditions, "mail": {"from": "a@b.jp"},
            "variants": [{"name": "A", "promotion_id": "THX9", "delay": delay}]}),
        )
        .unwrap()
    }

    #[test]
    fn a_rule_is_one_sentence_in_both_languages() {
        let yen = Currency::try_from("JPY".to_owned()).ok();
        let all = terms(&json!({}), "P3D");
        assert_eq!(
            sentence(&all, yen, Lang::Ja),
            "すべての注文について、注文の3日後に、1回限りのコードをメールで送ります。"
        );
        let some = terms(
            &json!({"min_total": 3000, "first_order_only": true}),
            "PT1H",
        );
        assert_eq!(
            sentence(&some, yen, Lang::Ja),
            "3,000円以上の初回の注文について、注文の1時間後に、1回限りのコードをメールで送ります。"
        );
        assert_eq!(
            sentence(&some, yen, Lang::En),
            "For a buyer's first order, if it is ¥3,000 or more, a single-use code is mailed 1 hour after the order."
        );
        assert_eq!(after("PT0S".parse().unwrap(), Lang::Ja), "注文後すぐ");
        assert_eq!(length("PT90S".parse().unwrap(), Lang::En), "90 seconds");
    }
}
