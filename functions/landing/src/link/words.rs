//! What a link's page says, in both languages.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use shared::domain::benefit::Benefit;
use shared::domain::code::GroupWord;
use shared::domain::promotion::{ClaimCode, Combinability, Promotion};
use shared::mailer::{Language, Offer};
use shared::store::GroupCode;

/// One of two, by language.
pub(super) fn pick(language: Language, ja: &'static str, en: &'static str) -> &'static str {
    match language {
        Language::Ja => ja,
        Language::En => en,
    }
}

/// What the promotion gives: `次回のお買い物が10%OFF`, `10% off your next order`.
pub(super) fn offer(language: Language, promotion: &Promotion) -> String {
    let phrase = Offer::of(&promotion.terms).phrase(language);
    match (language, &promotion.terms.benefit) {
        (Language::Ja, Benefit::BuyXGetY { .. }) => phrase,
        (Language::Ja, _) => format!("次回のお買い物が{phrase}"),
        (Language::En, Benefit::BuyXGetY { .. }) => capitalised(&phrase),
        (Language::En, Benefit::FreeShipping) => {
            format!("{} on your next order", capitalised(&phrase))
        }
        (Language::En, _) => format!("{} your next order", capitalised(&phrase)),
    }
}

fn capitalised(text: &str) -> String {
    let mut symbols = text.chars();
    let first = symbols.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(symbols).collect()
}

/// What an order must come to, if anything.
pub(super) fn condition(language: Language, promotion: &Promotion) -> Option<String> {
    let offer = Offer::of(&promotion.terms);
    let (subtotal, quantity) = (offer.minimum_subtotal(language), offer.minimum_quantity());
    let least = match (language, subtotal, quantity) {
        (_, None, None) => return None,
        (Language::Ja, Some(subtotal), None) => format!("{subtotal}以上"),
        (Language::Ja, None, Some(quantity)) => format!("{quantity}点以上"),
        (Language::Ja, Some(subtotal), Some(quantity)) => {
            format!("{subtotal}以上かつ{quantity}点以上")
        }
        (Language::En, Some(subtotal), None) => format!("{subtotal} or more"),
        (Language::En, None, Some(quantity)) => format!("{quantity} items or more"),
        (Language::En, Some(subtotal), Some(quantity)) => {
            format!("{subtotal} or more and at least {quantity} items")
        }
    };
    Some(match language {
        Language::Ja => format!("{least}のご注文でご利用いただけます"),
        Language::En => format!("On orders of {least}"),
    })
}

/// Until when: `12月31日(木) 23:59まで`, `Until 31 Dec, 23:59`; with the year if that is another than now's.
pub(super) fn until(
    language: Language,
    end: DateTime<Utc>,
    zone: Tz,
    now: DateTime<Utc>,
) -> String {
    let last = end - chrono::TimeDelta::minutes(1);
    let moment = moment(language, last, zone, now);
    match language {
        Language::Ja => format!("{moment}まで"),
        Language::En => format!("Until {moment}"),
    }
}

/// From when on, in the same way.
pub(super) fn from(
    language: Language,
    start: DateTime<Utc>,
    zone: Tz,
    now: DateTime<Utc>,
) -> String {
    let moment = moment(language, start, zone, now);
    match language {
        Language::Ja => format!("{moment}からご利用いただけます"),
        Language::En => format!("From {moment}"),
    }
}

fn moment(language: Language, at: DateTime<Utc>, zone: Tz, now: DateTime<Utc>) -> String {
    use chrono::Datelike as _;
    // A day's name is made from its end.
    let day_end = at + chrono::TimeDelta::minutes(1);
    let at = at.with_timezone(&zone);
    let (year, time) = (at.year(), at.format("%H:%M"));
    let this_year = year == now.with_timezone(&zone).year();
    match language {
        Language::Ja => {
            let day = language.last_day(day_end, zone);
            let year = if this_year {
                String::new()
            } else {
                format!("{year}年")
            };
            format!("{year}{day} {time}")
        }
        Language::En if this_year => format!("{}, {time}", at.format("%-d %b")),
        Language::En => format!("{}, {time}", at.format("%-d %b %Y")),
    }
}

/// How many are left.
pub(super) fn remaining(language: Language, uses: u64) -> String {
    let uses = grouped(uses);
    match language {
        Language::Ja => format!("残り{uses}回"),
        Language::En => format!("{uses} left"),
    }
}

/// A number with a comma between thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        let behind = digits.len() - index;
        if index > 0 && behind.is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// How the code gets into the order.
pub(super) fn how(
    language: Language,
    promotion: &Promotion,
    word: Option<&GroupWord>,
) -> &'static str {
    match (promotion.terms.claim_code, word) {
        (ClaimCode::None, _) => pick(
            language,
            "コードの入力は不要です。条件を満たすご注文に自動で適用されます。",
            "No code needed: it applies to your order by itself.",
        ),
        (_, Some(_)) => pick(
            language,
            "ご注文時にこのコードを入力してください",
            "Enter this code when you order.",
        ),
        (ClaimCode::SingleUse, None) => pick(
            language,
            "メールに記載のコードを、ご注文時に入力してください",
            "Enter the code from your mail when you order.",
        ),
        (ClaimCode::Group, None) => pick(
            language,
            "お手元のコードを、ご注文時に入力してください",
            "Enter the code you were given when you order.",
        ),
    }
}

/// The terms beside minimum and time, one sentence each.
pub(super) fn terms(
    language: Language,
    promotion: &Promotion,
    word: Option<&GroupCode>,
) -> Vec<String> {
    let terms = &promotion.terms;
    let offer = Offer::of(terms);
    let mut all = Vec::new();
    if offer.selected_products {
        let text = pick(
            language,
            "対象商品のみにご利用いただけます。",
            "For selected products only.",
        );
        all.push(text.to_owned());
    }
    if let Some(most) = offer.maximum(language) {
        all.push(match language {
            Language::Ja => format!("割引額は最大{most}です。"),
            Language::En => format!("At most {most} off."),
        });
    }
    if let Some(units) = terms.limits.units_per_order {
        all.push(match (language, units) {
            (Language::Ja, _) => format!("1回のご注文につき{units}点まで割引いたします。"),
            (Language::En, 1) => "One item per order.".to_owned(),
            (Language::En, _) => format!("Up to {units} items per order."),
        });
    }
    if terms.claim_code == ClaimCode::SingleUse {
        let text = pick(
            language,
            "1つのコードにつき1回限り有効です。",
            "Each code works once.",
        );
        all.push(text.to_owned());
    }
    let of_word = word.and_then(|word| word.limits.per_customer);
    let each = [terms.limits.per_customer, of_word].into_iter().flatten();
    if let Some(most) = each.min() {
        all.push(match (language, most) {
            (Language::Ja, _) => format!("お一人様{most}回まで。"),
            (Language::En, 1) => "Once per person.".to_owned(),
            (Language::En, _) => format!("Up to {most} times per person."),
        });
    }
    let text = match terms.combinability {
        Combinability::Exclusive => pick(
            language,
            "ほかのコードとは併用できません。",
            "Cannot be combined with other codes.",
        ),
        Combinability::Preferential => pick(
            language,
            "ほかのコードとともにお使いの場合は、最もお得な1つのみ適用されることがあります。",
            "With other codes, only the best one may apply.",
        ),
        Combinability::Unrestricted => pick(
            language,
            "ほかのコードと併用できます（併用不可のコードを除く）。",
            "Can be combined with other codes, unless those say otherwise.",
        ),
    };
    all.push(text.to_owned());
    all
}
