//! The vocabulary that pages share, as `ux.md` has it: states as word and shape, benefits in words, reasons.

use maud::{Markup, html};
use shared::domain::benefit::{Benefit, Tier};
use shared::domain::money::Currency;
use shared::domain::promotion::{ClaimCode, Combinability, Status};

use crate::format::{money, money_in_words};
use crate::lang::Lang;

/// Colour of a badge; the shape and the word say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// All is well, and at work.
    Good,
    /// To come, or of no weight.
    Plain,
    /// Waits for somebody.
    Warning,
    /// Over, or wrong.
    Bad,
    /// To be known.
    Info,
}

impl Tone {
    fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Plain => "plain",
            Self::Warning => "warning",
            Self::Bad => "bad",
            Self::Info => "info",
        }
    }
}

/// A state as tint, shape and word.
pub fn badge(tone: Tone, shape: &str, word: &str) -> Markup {
    html! { span .badge .(tone.class()) { span .shape aria-hidden="true" { (shape) } (word) } }
}

/// A promotion's status.
pub fn status(status: Status, lang: Lang) -> Markup {
    match status {
        Status::Active => badge(Tone::Good, "●", status_word(status, lang)),
        Status::Scheduled => badge(Tone::Info, "○", status_word(status, lang)),
        Status::Paused => badge(Tone::Warning, "‖", status_word(status, lang)),
        Status::Ended => badge(Tone::Plain, "■", status_word(status, lang)),
    }
}

/// A promotion's status in a word.
pub fn status_word(status: Status, lang: Lang) -> &'static str {
    match status {
        Status::Active => lang.pick("実施中", "Active"),
        Status::Scheduled => lang.pick("開始前", "Scheduled"),
        Status::Paused => lang.pick("一時停止中", "Paused"),
        Status::Ended => lang.pick("終了", "Ended"),
    }
}

/// What a single-use code or word is, by the API's name of it.
pub fn code_status(status: &str, lang: Lang) -> Markup {
    match status {
        "unused" => badge(Tone::Plain, "○", lang.pick("未使用", "Unused")),
        "held" => badge(
            Tone::Info,
            "◐",
            lang.pick("仮押さえ（決済待ち）", "Held (unpaid)"),
        ),
        "redeemed" => badge(Tone::Good, "●", lang.pick("利用済み", "Redeemed")),
        "voided" => badge(Tone::Bad, "×", lang.pick("無効", "Voided")),
        "expired" => badge(Tone::Plain, "■", lang.pick("期限切れ", "Expired")),
        _ => badge(Tone::Plain, "○", lang.pick("有効", "Works")),
    }
}

/// How buyers claim a promotion.
pub fn claim_code(kind: ClaimCode, lang: Lang) -> &'static str {
    match kind {
        ClaimCode::SingleUse => lang.pick("1回限りのコード", "Single-use codes"),
        ClaimCode::Group => lang.pick("共通コード", "Shared code"),
        ClaimCode::None => lang.pick("コード不要（自動適用）", "No code needed"),
    }
}

/// With what else a promotion may be used.
pub fn combinability(rule: Combinability, lang: Lang) -> &'static str {
    match rule {
        Combinability::Exclusive => lang.pick("併用不可", "Exclusive"),
        Combinability::Preferential => lang.pick("優先（最もお得な1つのみ）", "Preferential"),
        Combinability::Unrestricted => lang.pick("併用可", "Unrestricted"),
    }
}

/// A benefit in a few words, for lists: `10%OFF`, `¥500引き`, `段階割引 5〜15%OFF`.
pub fn benefit(benefit: &Benefit, currency: Currency, lang: Lang) -> String {
    match benefit {
        Benefit::PercentOff { percent, .. } => {
            lang.pick(format!("{percent}%OFF"), format!("{percent}% off"))
        }
        Benefit::AmountOff { amount } => {
            let amount = money(i128::from(amount.minor()), currency);
            lang.pick(format!("{amount}引き"), format!("{amount} off"))
        }
        Benefit::TieredPercentOff { .. } => {
            let range = benefit.display(currency);
            lang.pick(
                format!("段階割引 {}OFF", range.replace('–', "〜")),
                format!("Tiered, {range} off"),
            )
        }
        Benefit::BuyXGetY {
            buy, get, percent, ..
        } => {
            let (buy, get) = (buy.get(), get.get());
            let free = percent.hundredths() == 10_000;
            match (lang, free) {
                (Lang::Ja, true) => format!("{buy}点購入で{get}点無料"),
                (Lang::Ja, false) => format!("{buy}点購入で{get}点{percent}%OFF"),
                (Lang::En, true) => format!("Buy {buy}, get {get} free"),
                (Lang::En, false) => format!("Buy {buy}, get {get} at {percent}% off"),
            }
        }
        Benefit::FreeShipping => lang.pick("送料無料", "Free shipping").to_owned(),
    }
}

/// A benefit in full sentences, each of them a term.
pub fn benefit_terms(benefit_of: &Benefit, currency: Currency, lang: Lang) -> Vec<String> {
    let words = |minor: u64| money_in_words(i128::from(minor), currency, lang);
    match benefit_of {
        Benefit::PercentOff {
            percent,
            max_discount,
        } => {
            let mut terms = vec![lang.pick(
                format!("対象商品の合計から{percent}%割引"),
                format!("{percent}% off the eligible products"),
            )];
            terms.extend(max_discount.map(|most| {
                let most = words(most.minor());
                lang.pick(
                    format!("割引は1注文につき{most}まで"),
                    format!("At most {most} off per order"),
                )
            }));
            terms
        }
        Benefit::AmountOff { amount } => {
            let amount = words(amount.minor());
            vec![lang.pick(
                format!("対象商品の合計から{amount}引き"),
                format!("{amount} off the eligible products"),
            )]
        }
        Benefit::TieredPercentOff { tiers } => Vec::<Tier>::from(tiers.clone())
            .iter()
            .map(|tier| {
                let (least, percent) = (words(tier.min_subtotal.minor()), tier.percent);
                lang.pick(
                    format!("{least}以上で{percent}%割引"),
                    format!("{percent}% off from {least}"),
                )
            })
            .collect(),
        Benefit::BuyXGetY { get_products, .. } => {
            let mut terms = vec![benefit(benefit_of, currency, lang)];
            terms.extend(get_products.as_ref().map(|products| {
                let count = products.skus().len();
                lang.pick(
                    format!("割引になるのは指定の{count}商品"),
                    format!("The discounted units are among {count} listed products"),
                )
            }));
            terms
        }
        Benefit::FreeShipping => vec![lang.pick("送料が無料", "Shipping is free").to_owned()],
    }
}

/// Why an order earned no mail, by the API's name of the reason.
pub fn no_mail_reason(reason: &str, lang: Lang) -> Option<&'static str> {
    let (ja, en) = match reason {
        "no-consent" => ("配信の同意なし", "No consent to mail"),
        "below-minimum" => ("最低金額未満", "Below the minimum"),
        "cooldown" => ("配信間隔内", "Too soon after the last mail"),
        "not-first-order" => ("初回購入ではない", "Not a first order"),
        "holdout" => ("比較用グループ", "In the hold-out"),
        "cancelled" => ("注文取消", "Order cancelled"),
        "unsubscribed" => ("配信停止済み", "Unsubscribed"),
        "suppressed" => ("配信できないアドレス", "Address cannot be mailed"),
        "marketplace" => ("モール注文のため対象外", "Marketplace order"),
        "no-address" => ("メールアドレスなし", "No mail address"),
        _ => return None,
    };
    Some(lang.pick(ja, en))
}

/// Why a code was refused or gave nothing, by the API's name of the reason.
pub fn refusal(reason: &str, lang: Lang) -> Option<&'static str> {
    let (ja, en) = match reason {
        "not-started" => ("開始前", "Not started"),
        "expired" => ("期限切れ", "Expired"),
        "paused" => ("一時停止中", "Paused"),
        "ended" => ("終了", "Ended"),
        "voided" => ("無効", "Voided"),
        "budget-exhausted" => ("予算に到達", "Budget used up"),
        "redemptions-exhausted" => ("利用上限に到達", "Usage limit reached"),
        "customer-limit-reached" => ("お一人様の上限に到達", "Limit per customer reached"),
        "minimum-not-met" => ("最低条件に未達", "Minimum not met"),
        "no-eligible-products" => ("対象商品なし", "No eligible products"),
        "currency-mismatch" => ("通貨違い", "Other currency"),
        "not-combinable" => ("併用不可", "Not combinable"),
        "other-customer" => ("別のお客様用", "For another customer"),
        "customer-required" => ("お客様情報が必要", "Customer needed"),
        "code-unknown" => ("該当なし", "Unknown code"),
        "code-already-redeemed" => ("利用済み", "Already redeemed"),
        "better-one-applied" => ("よりお得な割引を適用", "A better one applied"),
        _ => return None,
    };
    Some(lang.pick(ja, en))
}

/// A mail's state, by the API's name of it.
pub fn mail_state(state: &str, lang: Lang) -> Markup {
    match state {
        "due" => badge(Tone::Info, "○", lang.pick("配信予定", "Due")),
        "sending" => badge(Tone::Info, "◐", lang.pick("送信中", "Sending")),
        "sent" => badge(Tone::Good, "●", lang.pick("配信済み", "Sent")),
        "delivered" => badge(Tone::Good, "●", lang.pick("到達", "Delivered")),
        "bounced" => badge(Tone::Bad, "×", lang.pick("不達（エラー）", "Bounced")),
        "failed" => badge(Tone::Bad, "×", lang.pick("送信失敗", "Failed")),
        "unsettled" => badge(Tone::Warning, "?", lang.pick("結果確認中", "Unsettled")),
        "parked" => badge(Tone::Warning, "‖", lang.pick("保留（要確認）", "Parked")),
        _ => badge(Tone::Plain, "■", lang.pick("配信取りやめ", "Withdrawn")),
    }
}

/// "n things" in English with the right plural.
pub fn plural(count: u64, one: &str, many: &str) -> String {
    let number = crate::format::number(count);
    let word = if count == 1 { one } else { many };
    format!("{number} {word}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_kind_of_benefit_is_said_in_both_languages() {
        let yen = Currency::try_from("JPY".to_owned()).unwrap();
        for (json, ja, en) in [
            (
                json!({"type": "percent_off", "percent": 12.5}),
                "12.5%OFF",
                "12.5% off",
            ),
            (
                json!({"type": "amount_off", "amount": 500}),
                "¥500引き",
                "¥500 off",
            ),
            (
                json!({"type": "tiered_percent_off", "tiers": [{"min_subtotal": 1, "percent": 5}, {"min_subtotal": 9, "percent": 15}]}),
                "段階割引 5〜15%OFF",
                "Tiered, 5–15% off",
            ),
            (
                json!({"type": "buy_x_get_y", "buy": 2, "get": 1, "percent": 100}),
                "2点購入で1点無料",
                "Buy 2, get 1 free",
            ),
            (
                json!({"type": "buy_x_get_y", "buy": 2, "get": 1, "percent": 50}),
                "2点購入で1点50%OFF",
                "Buy 2, get 1 at 50% off",
            ),
            (
                json!({"type": "free_shipping"}),
                "送料無料",
                "Free shipping",
            ),
        ] {
            let read: Benefit = serde_json::from_value(json).unwrap();
            assert_eq!(benefit(&read, yen, Lang::Ja), ja);
            assert_eq!(benefit(&read, yen, Lang::En), en);
            assert!(!benefit_terms(&read, yen, Lang::Ja).is_empty());
        }
    }
}
