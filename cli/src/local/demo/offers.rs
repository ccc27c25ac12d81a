//! What the made-up shop has on: its promotions, codes and follow-ups.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::goods::TEAS;
use super::story::Story;

/// The promotions whose codes the thank-you follow-up mails, one to an arm, …
pub(super) const THANKS: [&str; 2] = ["next10", "next15"];
/// … the arms' names, …
pub(super) const ARMS: [&str; 2] = ["10pct-3days", "15pct-7days"];
/// … and after how many days each mails.
pub(super) const DELAYS: [usize; 2] = [3, 7];
/// What an order comes to at least that earns such a mail, and that uses its code, in yen.
pub(super) const THANKS_FROM: u64 = 3_000;
/// What an order comes to at least that may use a code from an ad, in yen.
pub(super) const AD_FROM: u64 = 4_000;
/// What such a code takes off, in yen.
pub(super) const AD_OFF: u64 = 500;

/// A word that many buyers share.
pub(super) struct Word {
    /// Of which promotion.
    pub(super) promotion: &'static str,
    pub(super) text: &'static str,
    pub(super) channel: &'static str,
    /// How many orders may use it, if that is limited.
    pub(super) redemptions: Option<u32>,
}

/// All words, the influencers' first.
pub(super) const WORDS: [Word; 6] = [
    word("influencer", "HANAKO10", "influencer/hanako", None),
    word("influencer", "KENJI10", "influencer/kenji", None),
    word("influencer", "MIKA10", "influencer/mika", Some(200)),
    word("tiers", "TEATIME", "newsletter/monthly", None),
    word("bundle", "SANTEN", "flyer/shop", None),
    word("festival", "MATSURI20", "influencer/hanako", None),
];

const fn word(
    promotion: &'static str,
    text: &'static str,
    channel: &'static str,
    redemptions: Option<u32>,
) -> Word {
    Word {
        promotion,
        text,
        channel,
        redemptions,
    }
}

/// A landing link.
pub(super) struct Link {
    pub(super) slug: &'static str,
    /// For which promotion.
    pub(super) promotion: &'static str,
    /// The word that it shows, if it shows one.
    pub(super) word: Option<&'static str>,
    pub(super) channel: &'static str,
    /// What the channel costs, in yen.
    pub(super) cost: Option<u64>,
}

/// All links.
pub(super) const LINKS: [Link; 5] = [
    link(
        "hanako",
        "influencer",
        Some("HANAKO10"),
        "influencer/hanako",
        Some(30_000),
    ),
    link(
        "kenji-tea",
        "influencer",
        Some("KENJI10"),
        "influencer/kenji",
        Some(20_000),
    ),
    link(
        "mika",
        "influencer",
        Some("MIKA10"),
        "influencer/mika",
        None,
    ),
    link("tea-search", "ads", None, "ad/google-search", Some(24_000)),
    link("tea-photos", "ads", None, "ad/instagram", Some(18_000)),
];

const fn link(
    slug: &'static str,
    promotion: &'static str,
    word: Option<&'static str>,
    channel: &'static str,
    cost: Option<u64>,
) -> Link {
    Link {
        slug,
        promotion,
        word,
        channel,
        cost,
    }
}

/// Where single-use codes are handed out one by one.
pub(super) const ADS: [&str; 2] = ["ad/google-search", "ad/instagram"];

/// A promotion's terms, under the name by which the demo knows it, in the order in which they are made.
pub(super) fn promotions(
    story: &Story,
    day: impl Fn(usize) -> DateTime<Utc>,
) -> Vec<(&'static str, Value)> {
    let mut promotions = promotions_by_mail();
    promotions.extend(promotions_by_word_or_ad(story, &day));
    promotions.extend(promotions_of_weeks(story, &day));
    promotions
}

/// Those whose codes thank-you mails carry.
fn promotions_by_mail() -> Vec<(&'static str, Value)> {
    vec![
        (
            "next10",
            json!({
                "name": "次回10%OFF（お礼メール）", "currency": "JPY", "minimum": {"subtotal": THANKS_FROM},
                "benefit": {"type": "percent_off", "percent": 10, "max_discount": 3_000}, "limits": {"budget": 500_000},
            }),
        ),
        (
            "next15",
            json!({
                "name": "次回15%OFF（お礼メール）", "currency": "JPY", "minimum": {"subtotal": THANKS_FROM},
                "benefit": {"type": "percent_off", "percent": 15, "max_discount": 3_000}, "limits": {"budget": 300_000},
            }),
        ),
        (
            "welcome",
            json!({
                "name": "はじめてのお礼 300円引き", "currency": "JPY", "minimum": {"subtotal": 2_000}, "combinability": "preferential",
                "benefit": {"type": "amount_off", "amount": 300},
            }),
        ),
    ]
}

/// Those whose codes influencers and advertisements carry.
fn promotions_by_word_or_ad(
    story: &Story,
    day: impl Fn(usize) -> DateTime<Utc>,
) -> Vec<(&'static str, Value)> {
    let ads = story.uses_of_ads();
    vec![
        (
            "influencer",
            json!({
                "name": "新茶フェア 10%OFF", "currency": "JPY", "claim_code": "group", "combinability": "preferential",
                "benefit": {"type": "percent_off", "percent": 10, "max_discount": 2_000},
                "limits": {"budget": story.budget_of_influencers(), "per_customer": 3}, "ends_at": day(story.days + 11),
            }),
        ),
        (
            "ads",
            json!({
                "name": "広告限定 500円引き", "currency": "JPY", "minimum": {"subtotal": AD_FROM}, "combinability": "preferential",
                "benefit": {"type": "amount_off", "amount": AD_OFF},
                // Nearly spent by today.
                "limits": {"budget": AD_OFF * (ads + ads / 16 + 1), "per_customer": 1}, "restore_budget_on_return": true,
            }),
        ),
        (
            "tiers",
            json!({
                "name": "まとめてお得 最大20%OFF", "currency": "JPY", "claim_code": "group", "combinability": "preferential",
                "benefit": {"type": "tiered_percent_off", "tiers": [
                    {"min_subtotal": 5_000, "percent": 5}, {"min_subtotal": 8_000, "percent": 10}, {"min_subtotal": 15_000, "percent": 20},
                ]},
                "limits": {"redemptions": 300},
            }),
        ),
    ]
}

/// Those that last for a while, or are still to come.
fn promotions_of_weeks(
    story: &Story,
    day: impl Fn(usize) -> DateTime<Utc>,
) -> Vec<(&'static str, Value)> {
    let teas: Vec<&str> = TEAS.iter().map(|(sku, _)| *sku).collect();
    vec![
        (
            "bundle",
            json!({
                "name": "お茶 2点で1点無料", "currency": "JPY", "claim_code": "group", "combinability": "preferential",
                "benefit": {"type": "buy_x_get_y", "buy": 2, "get": 1, "percent": 100}, "products": {"include": teas},
                "ends_at": day(story.bundle_ends()),
            }),
        ),
        (
            "shipping",
            json!({
                "name": "送料無料ウィーク", "currency": "JPY", "claim_code": "none", "combinability": "unrestricted",
                "benefit": {"type": "free_shipping"}, "minimum": {"subtotal": 2_000},
                "starts_at": day(story.shipping_starts()), "ends_at": day(story.days + 4),
            }),
        ),
        (
            "festival",
            json!({
                "name": "お茶まつり 20%OFF", "currency": "JPY", "claim_code": "group", "combinability": "exclusive",
                "benefit": {"type": "percent_off", "percent": 20, "max_discount": 5_000},
                "limits": {"budget": 1_000_000, "per_customer": 1}, "starts_at": day(story.days + 7), "ends_at": day(story.days + 21),
            }),
        ),
    ]
}

/// The follow-ups, under the names by which the demo knows them; `id` tells a promotion's id.
pub(super) fn follow_ups<'a>(id: impl Fn(&str) -> &'a str) -> [(&'static str, Value); 2] {
    let mail = json!({"from": "Okaeri Tea <hello@shop.example>"});
    let variants: Vec<Value> = THANKS
        .iter()
        .zip(ARMS)
        .zip(DELAYS)
        .zip([2, 1])
        .map(|(((promotion, name), days), weight)| {
            json!({"name": name, "promotion_id": id(promotion), "delay": format!("P{days}D"), "weight": weight})
        })
        .collect();
    [
        (
            "thanks",
            json!({
                "name": "ご購入のお礼", "variants": variants, "holdout_percent": 20, "mail": mail,
                "conditions": {"min_total": THANKS_FROM, "cooldown_days": 14},
                "code_valid_days": 14, "reminder_before_expiry": "P3D",
            }),
        ),
        (
            "welcome",
            json!({
                "name": "はじめてのお客様へ", "mail": mail, "code_valid_days": 30,
                "conditions": {"first_order_only": true},
                "variants": [{"name": "300yen-1day", "promotion_id": id("welcome"), "delay": "P1D"}],
            }),
        ),
    ]
}
