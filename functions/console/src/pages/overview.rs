//! The first page: what needs somebody, today, what runs, the latest month.

mod waiting;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::Router;
use axum::extract::State as Shared;
use axum::response::Response;
use axum::routing::get;
use chrono::{Days, NaiveDate, TimeDelta};
use futures_util::future::try_join_all;
use maud::{Markup, html};
use shared::domain::code::PromotionId;
use shared::domain::money::Currency;
use shared::domain::promotion::{Promotion, Status};
use shared::domain::stats::Figures;
use shared::store::StoreError;

use crate::State;
use crate::chart::{self, Caption, Point};
use crate::failure::Failure;
use crate::figures::{NEWEST, Spent, Sums, newest, spent};
use crate::format::{
    budget_used, count, day, end, end_text, money, number, relative, short, short_day,
};
use crate::frame::{Nav, Page, Weight, banner, key_figure};
use crate::lang::Lang;
use crate::pages::promotions::{Budget, budget_cell};
use crate::visit::Visit;
use crate::words::{self, Tone, badge};

/// Most promotions whose sums are read for the figures, one request each, all at the same time; those that run come first.
const SUMMED: usize = 30;
/// Most promotions listed as running.
const LISTED: usize = 20;
/// Days of the chart.
const DAYS: u64 = 30;
/// How long before its end a promotion needs attention.
const SOON: TimeDelta = TimeDelta::hours(48);

pub(crate) fn routes() -> Router<State> {
    Router::new().route("/console", get(overview))
}

/// What the page is made of.
struct Facts {
    promotions: Vec<Arc<Promotion>>,
    /// Whether there are more promotions than were looked at, or more with sums than were summed.
    partly: bool,
    spent: HashMap<PromotionId, Spent>,
    sums: BTreeMap<&'static str, (Currency, Sums)>,
}

async fn overview(Shared(state): Shared<State>, visit: Visit) -> Result<Response, Failure> {
    let lang = visit.lang;
    let facts = read(&state, &visit).await?;
    let page = Page::new(&visit, Nav::Overview, Nav::Overview.word(lang));
    if facts.promotions.is_empty() {
        return Ok(page.render(&beginning(lang)));
    }
    let pause = state.store.sending_pause().await?;
    let stopped = pause.map(|pause| pause.reason.as_str());
    let waiting = Box::pin(waiting::matters(&state, &visit)).await?;
    let body = html! {
        (attention(&facts, waiting, stopped, &state, &visit))
        (today(&facts, &visit))
        (running(&facts, &visit))
        (month(&facts, &visit))
        @if facts.partly { p .note { (bounded(lang)) } }
    };
    let create = html! { a .button .primary href="/console/promotions/new" { (lang.pick("プロモーションを作成", "Create promotion")) } };
    Ok(page.actions(create).render(&body))
}

fn bounded(lang: Lang) -> String {
    let (most, summed) = (
        number(NEWEST.into()),
        number(u64::try_from(SUMMED).unwrap_or(u64::MAX)),
    );
    lang.pick(
        format!("新しい{most}件のプロモーションのうち、実施中のものから順に{summed}件までの数値を合計しています。"),
        format!("Figures are of up to {summed} of the newest {most} promotions, those that run first."),
    )
}

async fn read(state: &State, visit: &Visit) -> Result<Facts, Failure> {
    let found = newest(state).await?;
    let mut begun: Vec<&Promotion> = found
        .promotions
        .iter()
        .map(AsRef::as_ref)
        .filter(|promotion: &&Promotion| promotion.status_at(visit.now) != Status::Scheduled)
        .collect();
    begun.sort_by_key(|promotion| match promotion.status_at(visit.now) {
        Status::Active => 0,
        Status::Paused => 1,
        Status::Ended | Status::Scheduled => 2,
    });
    let partly = found.next.is_some() || begun.len() > SUMMED;
    begun.truncate(SUMMED);
    let live: Vec<&Promotion> = begun
        .iter()
        .copied()
        .filter(|promotion| promotion.status_at(visit.now) != Status::Ended)
        .collect();
    let (from, to) = (visit.today() - Days::new(DAYS - 1), visit.today());
    let sums = begun.iter().map(|promotion| async move {
        let sums = Sums::between(state, &promotion.id, from, to).await?;
        Ok::<_, StoreError>((promotion.terms.currency, sums))
    });
    let (spent, sums) =
        futures_util::future::try_join(spent(state, &live), try_join_all(sums)).await?;
    let mut by_currency: BTreeMap<&'static str, (Currency, Vec<Sums>)> = BTreeMap::new();
    for (currency, sums) in sums {
        by_currency
            .entry(currency.code())
            .or_insert((currency, Vec::new()))
            .1
            .push(sums);
    }
    let sums = by_currency
        .into_iter()
        .map(|(code, (currency, all))| (code, (currency, Sums::joined(from, to, all))))
        .collect();
    Ok(Facts {
        promotions: found.promotions,
        partly,
        spent,
        sums,
    })
}

/// The three steps of a shop that has nothing yet.
fn beginning(lang: Lang) -> Markup {
    html! {
        section .card {
            h2 { (lang.pick("3つの手順で始められます", "Three steps to begin with")) }
            ol .steps {
                li { strong { (lang.pick("プロモーションを作る", "Create a promotion")) }
                    span .note { (lang.pick("割引の内容、期間、予算を決めます。", "Decide what buyers get, when, and for how much in total.")) }
                    a .button .primary href="/console/promotions/new" { (lang.pick("プロモーションを作成", "Create promotion")) } }
                li { strong { (lang.pick("コードやリンクを配る", "Hand out codes or a link")) }
                    span .note { (lang.pick("インフルエンサーや広告ごとに分けて渡せます。", "One for each influencer or ad.")) }
                    a .button href="/console/channels/new" { (lang.pick("コードを渡す", "Hand out a code")) } }
                li { strong { (lang.pick("注文を連携する", "Connect your orders")) }
                    span .note { (lang.pick("Shopify・WooCommerce・Stripe の注文を受け取ると、お礼メールを送れます。", "Orders of Shopify, WooCommerce or Stripe earn their buyers a thank-you mail.")) }
                    a .button href=(Nav::Settings.path()) { (lang.pick("設定を開く", "Open settings")) } }
            }
        }
    }
}

/// A matter that waits for somebody.
struct Matter {
    tone: Tone,
    word: String,
    text: Markup,
}

fn attention(
    facts: &Facts,
    waiting: Vec<Matter>,
    stopped: Option<&str>,
    state: &State,
    visit: &Visit,
) -> Markup {
    let lang = visit.lang;
    let mut matters = waiting;
    for promotion in &facts.promotions {
        matters.extend(matters_of(promotion, facts, visit));
    }
    html! {
        @if state.shop.sender.is_none() {
            (banner(Weight::Danger, lang.pick("差出人情報が足りないため、メールは送信されません", "Sender details are missing: nothing is being sent"), &html! {
                p { a href=(Nav::Settings.path()) { (lang.pick("差出人情報を確認する", "Check the sender details")) } }
            }))
        }
        @if let Some(reason) = stopped {
            (banner(Weight::Danger, lang.pick("メールの送信が止まっています", "No mail is being sent"), &html! {
                p { (stop_reason(reason, lang)) " " a href=(Nav::Mails.path()) { (lang.pick("メール配信を確認する", "See mails")) } }
            }))
        }
        @if !matters.is_empty() {
            section .card aria-labelledby="attention" {
                h2 #attention { (lang.pick("要対応", "Needs attention")) }
                ul .attention { @for matter in &matters { li { (badge(matter.tone, "!", &matter.word)) span { (matter.text) } } } }
            }
        }
    }
}

fn matters_of(promotion: &Promotion, facts: &Facts, visit: &Visit) -> Vec<Matter> {
    let lang = visit.lang;
    let mut matters = Vec::new();
    if promotion.status_at(visit.now) != Status::Active {
        return matters;
    }
    let link = html! { a href=(format!("/console/promotions/{}", promotion.id)) { bdi { (promotion.terms.name) } } };
    let spent = facts.spent.get(&promotion.id).copied().unwrap_or_default();
    if let Some(budget) = Budget::of(promotion, spent).filter(|budget| budget.is_nearly_used()) {
        let used = budget_used(budget.spent, budget.whole);
        let left = money(budget.left.into(), promotion.terms.currency);
        matters.push(Matter {
            tone: if budget.left == 0 { Tone::Bad } else { Tone::Warning },
            word: lang.pick("予算", "Budget").to_owned(),
            text: html! { (link) ": " (lang.pick(format!("予算の{used}を使いました（残額{left}）"), format!("{used} of the budget used, {left} left"))) },
        });
    }
    if let Some(ends_at) = promotion
        .terms
        .ends_at
        .filter(|end| *end - visit.now < SOON)
    {
        let (until, rest) = (
            end_text(ends_at, visit.zone(), lang),
            relative(ends_at, visit.now, lang),
        );
        matters.push(Matter {
            tone: Tone::Warning,
            word: lang.pick("まもなく終了", "Ends soon").to_owned(),
            text: html! { (link) ": " (until) " (" (rest) ")" },
        });
    }
    matters
}

/// Why no mail is sent, by its name in the table.
fn stop_reason(reason: &str, lang: Lang) -> &'static str {
    match reason {
        "sending-paused" => lang.pick(
            "SESの送信が一時停止されています。",
            "Sending is paused at SES.",
        ),
        "account-suspended" => lang.pick(
            "SESのアカウントが停止されています。",
            "The SES account is suspended.",
        ),
        "quota" => lang.pick(
            "1日の送信上限に達しました。自動的に再開します。",
            "The day's quota is used up. It resumes by itself.",
        ),
        "bounce-rate" => lang.pick(
            "不達（エラー）の割合が高いため停止しています。",
            "Too many mails bounced.",
        ),
        "complaint-rate" => lang.pick(
            "迷惑メール報告の割合が高いため停止しています。",
            "Too many complaints.",
        ),
        _ => lang.pick(
            "SESの設定を確認してください。",
            "Check the settings of SES.",
        ),
    }
}

/// The figures of today, each with yesterday's. Shops with promotions in several currencies get each.
fn today(facts: &Facts, visit: &Visit) -> Markup {
    let (lang, today) = (visit.lang, visit.today());
    let yesterday = today - Days::new(1);
    let whole = |day: NaiveDate, value: &dyn Fn(&Figures) -> i128| -> i128 {
        facts
            .sums
            .values()
            .map(|(_, sums)| value(&sums.on(day)))
            .sum()
    };
    let counted = |name: &str, value: &dyn Fn(&Figures) -> i128| {
        let (now, before) = (
            number(count(whole(today, value))),
            number(count(whole(yesterday, value))),
        );
        key_figure(
            name,
            &html! { (now) },
            &html! { (lang.pick("昨日 ", "Yesterday ")) (before) },
        )
    };
    let amounts = |day: NaiveDate, value: &dyn Fn(&Figures) -> i128| -> String {
        let all: Vec<String> = facts
            .sums
            .values()
            .map(|(currency, sums)| money(value(&sums.on(day)), *currency))
            .collect();
        if all.is_empty() {
            number(0)
        } else {
            all.join(" · ")
        }
    };
    let summed = |name: &str, value: &dyn Fn(&Figures) -> i128| {
        key_figure(
            name,
            &html! { (amounts(today, value)) },
            &html! { (lang.pick("昨日 ", "Yesterday ")) (amounts(yesterday, value)) },
        )
    };
    html! {
        section aria-labelledby="today" {
            div .card-head { h2 #today { (lang.pick("今日", "Today")) } span .note { (day(today, lang)) } }
            dl .figures {
                (counted(lang.pick("利用回数", "Redemptions"), &|figures| figures.redemptions))
                (summed(lang.pick("割引総額", "Discount given"), &|figures| figures.discount))
                (summed(lang.pick("コード利用売上", "Revenue with code"), &|figures| figures.revenue))
                (counted(lang.pick("配信したメール", "Mails sent"), &|figures| figures.mails))
            }
        }
    }
}

fn running(facts: &Facts, visit: &Visit) -> Markup {
    let lang = visit.lang;
    let live: Vec<&Promotion> = facts
        .promotions
        .iter()
        .map(AsRef::as_ref)
        .filter(|promotion: &&Promotion| promotion.status_at(visit.now) == Status::Active)
        .collect();
    let words = [
        lang.pick("割引内容", "Benefit"),
        lang.pick("終了", "Ends"),
        lang.pick("利用回数", "Redemptions"),
        lang.pick("予算消化", "Budget used"),
    ];
    html! {
        section aria-labelledby="live" {
            div .card-head { h2 #live { (lang.pick("実施中のプロモーション", "Live promotions")) }
                a href="/console/promotions?view=active" { (lang.pick("すべて見る", "See all")) " (" (number(u64::try_from(live.len()).unwrap_or(u64::MAX))) ")" } }
            @if live.is_empty() { div .empty { p { (lang.pick("実施中のプロモーションはありません。", "No promotion is running.")) } } }
            @else { div .table { table .stacked {
                caption .hidden { (lang.pick("実施中のプロモーション", "Live promotions")) }
                thead { tr { th scope="col" { (lang.pick("名前", "Name")) } th scope="col" { (words[0]) } th scope="col" { (words[1]) }
                    th .right scope="col" { (words[2]) } th scope="col" { (words[3]) } } }
                tbody { @for promotion in live.iter().take(LISTED) {
                    @let spent = facts.spent.get(&promotion.id).copied();
                    tr {
                        th scope="row" { a href=(format!("/console/promotions/{}", promotion.id)) { bdi { (promotion.terms.name) } } }
                        td data-label=(words[0]) { (words::benefit(&promotion.terms.benefit, promotion.terms.currency, lang)) }
                        td data-label=(words[1]) { span { @match promotion.terms.ends_at { Some(at) => (end(at, visit.zone(), lang)), None => (lang.pick("終了日なし", "No end")) } } }
                        td .right data-label=(words[2]) { (crate::format::figure(spent.map(|spent| number(spent.uses)), lang)) }
                        td data-label=(words[3]) { @match spent { Some(spent) => (budget_cell(promotion, spent, lang)), None => (crate::format::figure(None, lang)) } }
                    }
                } }
            } } }
        }
    }
}

fn month(facts: &Facts, visit: &Visit) -> Markup {
    let lang = visit.lang;
    let mut days: BTreeMap<NaiveDate, i128> = BTreeMap::new();
    for (_, sums) in facts.sums.values() {
        for (day, figures) in sums.days(DAYS) {
            *days.entry(day).or_default() += figures.redemptions;
        }
    }
    let points: Vec<Point> = days
        .into_iter()
        .map(|(on, value)| Point {
            label: day(on, lang),
            tick: short_day(on, lang),
            value,
            text: number(count(value)),
        })
        .collect();
    let caption = Caption {
        id: "month",
        title: lang
            .pick("最近30日間の利用回数", "Redemptions in the latest 30 days")
            .to_owned(),
        unit: lang
            .pick("回／日・取消を含む", "Per day, cancelled ones included")
            .to_owned(),
        first: lang.pick("日", "Day"),
        second: lang.pick("利用回数", "Redemptions"),
    };
    html! { section .card { (chart::bars(&caption, &points, &|value| short(value, lang), lang)) } }
}
