//! What each arm brought: the verdict in a sentence, intervals drawn, the table, and how it is reckoned.

#![expect(
    clippy::float_arithmetic,
    reason = "shares to look at; no money and no limit rests on them"
)]

use axum::Router;
use axum::extract::{Path, State as Shared};
use axum::response::Response;
use axum::routing::get;
use maud::{Markup, html};
use serde::Deserialize;
use shared::domain::experiment::{Verdict, buyers_needed};
use shared::domain::follow_up::FollowUp;
use shared::domain::money::Currency;

pub(super) use create_promotion::results::ArmResults;

use super::{find, framed, path, tabs};
use crate::State;
use crate::chart::{self, Caption, Interval};
use crate::failure::Failure;
use crate::format::{figure, money, number};
use crate::lang::Lang;
use crate::pages::mails::sender_banner;
use crate::query::Lenient;
use crate::visit::Visit;
use crate::words::{Tone, badge};

/// Most earlier experiments that are offered; each costs two reads to find.
const MOST_EARLIER: usize = 10;
/// The rate that is taken for granted while nobody of the hold-out came back. Ours, a usual one of shops.
const USUAL_RATE: f64 = 0.1;

pub(super) fn routes() -> Router<State> {
    Router::new().route("/console/follow-ups/{id}/results", get(page))
}

/// What the arms of a follow-up's present experiment brought: what the API answers.
pub(super) async fn of(state: &State, follow_up: &FollowUp) -> Result<Vec<ArmResults>, Failure> {
    let sums = state
        .store
        .results(&follow_up.id, follow_up.experiment)
        .await?;
    Ok(create_promotion::results::arms(&follow_up.terms, &sums))
}

/// A verdict as tint, shape and word.
pub(super) fn verdict_badge(verdict: Verdict, lang: Lang) -> Markup {
    let word = verdict_word(verdict, lang);
    match verdict {
        Verdict::Better => badge(Tone::Good, "▲", word),
        Verdict::Worse => badge(Tone::Bad, "▼", word),
        Verdict::NoDifferenceSeen => badge(Tone::Info, "＝", word),
        Verdict::NotEnoughData => badge(Tone::Plain, "…", word),
    }
}

fn verdict_word(verdict: Verdict, lang: Lang) -> &'static str {
    match verdict {
        Verdict::Better => lang.pick("配信なしより高い", "Higher than without mail"),
        Verdict::Worse => lang.pick("配信なしより低い", "Lower than without mail"),
        Verdict::NoDifferenceSeen => lang.pick("差は確認できていません", "No difference seen yet"),
        Verdict::NotEnoughData => lang.pick("まだ判定できません", "Not enough data"),
    }
}

#[derive(Default, Deserialize)]
struct Asked {
    experiment: Option<u64>,
}

async fn page(
    visit: Visit,
    Shared(state): Shared<State>,
    Path(id): Path<String>,
    Lenient(asked): Lenient<Asked>,
) -> Result<Response, Failure> {
    let lang = visit.lang;
    let follow_up = find(&state, id).await?;
    let earlier = earlier(&state, &follow_up).await?;
    let shown = match asked.experiment {
        None => follow_up.clone(),
        Some(wanted) if wanted == follow_up.experiment => follow_up.clone(),
        Some(wanted) => {
            let found = earlier.iter().find(|version| version.experiment == wanted);
            found.cloned().ok_or(Failure::NotFound)?
        }
    };
    let arms = of(&state, &shown).await?;
    let currency = state.store.currency_of(&shown, visit.now).await?;
    let body = html! {
        (sender_banner(&visit))
        (tabs(&follow_up.id, true, lang))
        @if shown.experiment != follow_up.experiment { p .notice { (lang.pick(
            "以前の比較の結果です。この比較に入った方の注文は引き続き数えます。",
            "Results of an earlier experiment. Orders of those who were in it go on counting.",
        )) } }
        section .card {
            p .verdict { (sentence(&arms, lang)) }
            (drawn(&arms, lang))
        }
        section .card {
            h2 { (lang.pick("配信パターンごとの数字", "Figures by arm")) }
            (table(&arms, currency, lang))
        }
        (method(lang))
        (experiments(&visit, &follow_up, &earlier, shown.experiment))
    };
    Ok(framed(&visit, &follow_up).render(&body))
}

/// The versions with which earlier experiments ended, the latest first.
async fn earlier(state: &State, follow_up: &FollowUp) -> Result<Vec<FollowUp>, Failure> {
    let mut found: Vec<FollowUp> = Vec::new();
    let mut first = follow_up.experiment;
    while first > 1 && found.len() < MOST_EARLIER {
        let last = state
            .store
            .follow_up_version(&follow_up.id, first - 1)
            .await?;
        let Some(last) = last else { break };
        first = last.experiment.min(first - 1);
        found.push(last);
    }
    Ok(found)
}

fn experiments(visit: &Visit, follow_up: &FollowUp, earlier: &[FollowUp], shown: u64) -> Markup {
    let lang = visit.lang;
    if earlier.is_empty() {
        return html! {};
    }
    let here = format!("{}/results", path(&follow_up.id));
    let all = std::iter::once(follow_up).chain(earlier);
    html! {
        section .card {
            h2 { (lang.pick("比較の一覧", "Experiments")) }
            ul .plain-list { @for version in all {
                @let word = if version.experiment == follow_up.experiment {
                    lang.pick("現在の比較", "The present one").to_owned()
                } else {
                    lang.pick(format!("第{}版から", version.experiment), format!("From version {}", version.experiment))
                };
                li { a href=(format!("{here}?experiment={}", version.experiment)) aria-current=[(version.experiment == shown).then_some("true")] { (word) }
                    " " span .note { (super::rule::short(&version.terms, lang)) } }
            } }
        }
    }
}

/// What can be said, in a sentence.
fn sentence(arms: &[ArmResults], lang: Lang) -> Markup {
    let Some(holdout) = arms.iter().find(|arm| arm.holdout) else {
        return html! { strong { (verdict_word(Verdict::NotEnoughData, lang)) } (lang.pick(
            "：比較用グループ（配信なし）がないため、メールの効果は分かりません。",
            ": there is no hold-out, so what the mail brings cannot be told.",
        )) };
    };
    let judged: Vec<&ArmResults> = arms
        .iter()
        .filter(|arm| !arm.holdout && arm.verdict != Verdict::NotEnoughData)
        .collect();
    if judged.is_empty() {
        let needed = buyers_needed(
            holdout
                .repeat_rate
                .filter(|rate| *rate > 0.0)
                .unwrap_or(USUAL_RATE),
        );
        let least = arms.iter().map(|arm| arm.assigned).min().unwrap_or(0);
        let (least, needed) = (number(least), number(needed));
        return html! { strong { (verdict_word(Verdict::NotEnoughData, lang)) } (lang.pick(
            format!("：1グループ約{needed}人のうち、まだ{least}人です。"),
            format!(": {least} of about {needed} per group."),
        )) };
    }
    html! { @for arm in judged { span .line { "「" bdi { (arm.name) } "」 " strong { (verdict_word(arm.verdict, lang)) } (lift_words(arm, lang)) } } }
}

fn lift_words(arm: &ArmResults, lang: Lang) -> String {
    let (Some(lift), Some([low, high])) = (arm.lift, arm.lift_interval) else {
        return String::new();
    };
    let (lift, low, high) = (signed(lift), signed(low), signed(high));
    lang.pick(
        format!("（押し上げ {lift}、95%信頼区間 {low}〜{high}）"),
        format!(" (lift {lift}, 95% interval {low} to {high})"),
    )
}

/// A share of one in percent with its sign: `+30.0%`, `−4.1%`.
fn signed(share: f64) -> String {
    let text = format!("{:.1}%", share.abs() * 100.0);
    if text == "0.0%" {
        text
    } else if share < 0.0 {
        format!("\u{2212}{text}")
    } else {
        format!("+{text}")
    }
}

fn share(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}

/// In hundred-thousandths, as charts take it.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "a share of one fits"
)]
fn hundred_thousandths(share: f64) -> i128 {
    (share * 100_000.0).round() as i128
}

fn name(arm: &ArmResults, lang: Lang) -> &str {
    if arm.holdout {
        lang.pick("比較用グループ（配信なし）", "Hold-out (no mail)")
    } else {
        &arm.name
    }
}

fn drawn(arms: &[ArmResults], lang: Lang) -> Markup {
    let intervals: Vec<Interval> = arms
        .iter()
        .filter_map(|arm| {
            let (rate, [low, high]) = (arm.repeat_rate?, arm.interval?);
            Some(Interval {
                label: name(arm, lang).to_owned(),
                low: hundred_thousandths(low),
                rate: hundred_thousandths(rate),
                high: hundred_thousandths(high),
                text: format!("{} ({}–{})", share(rate), share(low), share(high)),
                holdout: arm.holdout,
            })
        })
        .collect();
    if intervals.is_empty() {
        return html! { p .empty-chart { (lang.pick("対象のお客様がまだいません", "No buyers yet")) } };
    }
    let caption = Caption {
        id: "repeat-rate",
        title: lang
            .pick("もう一度購入したお客様の割合", "How many buyers came back?")
            .to_owned(),
        unit: lang
            .pick(
                "リピート購入率（95%信頼区間）、比較開始から",
                "Repeat rate with 95% interval, since the experiment began",
            )
            .to_owned(),
        first: lang.pick("配信パターン", "Arm"),
        second: lang.pick("リピート購入率", "Repeat rate"),
    };
    chart::intervals(&caption, &intervals, lang)
}

fn table(arms: &[ArmResults], currency: Option<Currency>, lang: Lang) -> Markup {
    let heads = [
        lang.pick("対象人数", "Assigned"),
        lang.pick("配信数", "Mailed"),
        lang.pick("到達数", "Delivered"),
        lang.pick("不達", "Bounced"),
        lang.pick("利用回数", "Redeemed"),
        lang.pick(
            "リピート購入率（95%信頼区間）",
            "Repeat rate (95% interval)",
        ),
        lang.pick("1人あたり売上", "Revenue per buyer"),
        lang.pick("1人あたり割引", "Discount per buyer"),
        lang.pick("押し上げ効果", "Lift"),
    ];
    html! {
        div .table { table .stacked .tight {
            caption { (lang.pick("比較が始まってからの合計。開封は計測していません", "Sums since the experiment began. Opens are not measured")) }
            thead { tr {
                th scope="col" { (lang.pick("配信パターン", "Arm")) }
                @for head in heads { th .right scope="col" { (head) } }
                th scope="col" { (lang.pick("判定", "Verdict")) }
            } }
            tbody { @for arm in arms {
                tr {
                    th scope="row" { bdi { (name(arm, lang)) } }
                    @for (head, cell) in heads.iter().zip(cells(arm, currency)) { td .right data-label=(head) { (figure(cell, lang)) } }
                    td data-label=(lang.pick("判定", "Verdict")) { @if arm.holdout { (lang.pick("比較の基準", "Reference")) } @else { (verdict_badge(arm.verdict, lang)) } }
                }
            } }
        } }
    }
}

/// An arm's figures in the order of the table's columns; none where there is no divisor, or nothing is sent.
fn cells(arm: &ArmResults, currency: Option<Currency>) -> [Option<String>; 9] {
    let sent = |count: u64| (!arm.holdout).then(|| number(count));
    let amount = |amount: Option<shared::domain::money::Amount>| {
        Some(money(i128::from(amount?.minor()), currency?))
    };
    let rate = arm.repeat_rate.zip(arm.interval);
    [
        Some(number(arm.assigned)),
        sent(arm.mailed),
        sent(arm.delivered),
        sent(arm.bounced),
        sent(arm.redeemed),
        rate.map(|(rate, [low, high])| format!("{} ({}–{})", share(rate), share(low), share(high))),
        amount(arm.revenue_per_buyer),
        amount(arm.discount_per_buyer).filter(|_| !arm.holdout),
        arm.lift.map(signed),
    ]
}

fn method(lang: Lang) -> Markup {
    html! {
        details .card .method {
            summary { (lang.pick("判定のしかた", "How this is reckoned")) }
            ul .terms {
                li { (lang.pick(
                    "お客様はくじ引きで配信パターンか比較用グループに入り、比較が続くかぎり同じグループのままです。注文ではなく人を数えます。",
                    "Each buyer falls into an arm or the hold-out by lot and stays there. People are counted, not orders.",
                )) }
                li { (lang.pick(
                    "リピート購入率は、対象になった注文より後にもう一度購入し、取消も全額返金もされていないお客様の割合です。",
                    "The repeat rate is the share of buyers who completed another order later that was neither cancelled nor refunded in full.",
                )) }
                li { (lang.pick(
                    "棒は95%信頼区間（ウィルソン法）。判定は比較用グループとの差の区間で行い、区間どうしの重なりでは判断しません。",
                    "Bars are 95% intervals (Wilson). The verdict rests on the interval of the difference to the hold-out, not on whether bars overlap.",
                )) }
                li { (lang.pick(
                    "毎日見ても、表示される判定が一度でも誤る確率は5%以下です（混合逐次確率比検定）。差が±約2割以内なら「差は確認できていません」とします。",
                    "Look as often as you like: the chance that any verdict shown is ever wrong is 5% at most (a mixture sequential probability ratio test). Within about a fifth, no difference is said to be seen.",
                )) }
                li { (lang.pick(
                    "必要な人数は、率が1.5倍になったときに80%の確率で気づける目安です。",
                    "How many buyers are needed is a guide: to notice a rate half as high again with 80% probability.",
                )) }
            }
        }
    }
}
