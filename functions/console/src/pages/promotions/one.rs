//! One promotion: its figures, and the tabs that only show.

use axum::Router;
use axum::extract::{Path, State as Shared};
use axum::response::Response;
use axum::routing::get;
use maud::{Markup, html};
use shared::domain::promotion::{ClaimCode, Promotion, Status, Switch};
use shared::domain::stats::Figures;
use shared::store::Known;

use super::charts::{burn_chart, discount_chart, redemptions_chart};
use super::find;
use super::parts::{Budget, Tab, path, sentences, summary_card, tabs, window};
use crate::State;
use crate::chart::{self, Caption, Row};
use crate::failure::Failure;
use crate::figures::{Spent, Sums, spent};
use crate::format::{
    budget_used, count, days, end_text, figure, money, number, ratio, relative, time,
};
use crate::frame::{Nav, Page, Weight, banner, bar, key_figure};
use crate::lang::Lang;
use crate::pages::channels::{bar_of, rows, table};
use crate::visit::Visit;
use crate::words;

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/console/promotions/{id}", get(results))
        .route("/console/promotions/{id}/channels", get(channels))
        .route("/console/promotions/{id}/terms", get(terms))
        .route("/console/promotions/{id}/history", get(history))
}

/// A promotion with what it has spent and its sums.
pub(super) struct Standing {
    pub(super) known: Known,
    pub(super) spent: Spent,
    pub(super) sums: Sums,
}

impl Standing {
    /// Reads all three.
    pub(super) async fn read(state: &State, visit: &Visit, id: String) -> Result<Self, Failure> {
        let known = find(state, visit, id).await?;
        let promotion = known.promotion.as_ref();
        let promotions = [promotion];
        let (all, sums) = futures_util::future::try_join(
            spent(state, &promotions),
            Sums::of(state, promotion, visit.today()),
        )
        .await?;
        let spent = all.get(&promotion.id).copied().unwrap_or_default();
        Ok(Self { known, spent, sums })
    }

    pub(super) fn promotion(&self) -> &Promotion {
        &self.known.promotion
    }

    /// The page around a tab.
    pub(super) fn page(&self, visit: &Visit, tab: Tab, body: &Markup) -> Response {
        let promotion = self.promotion();
        let figures = html! { (self.notices(visit)) (self.figures(visit.lang)) (tabs(&promotion.id, tab, visit.lang)) };
        frame(promotion, visit).render(&html! { (figures) (body) })
    }

    /// What staff should know before anything else.
    fn notices(&self, visit: &Visit) -> Markup {
        let (promotion, lang) = (self.promotion(), visit.lang);
        let effective = promotion.status_at(visit.now) == Status::Scheduled;
        let never = promotion
            .terms
            .ends_at
            .is_some_and(|end| end <= promotion.effective_at);
        html! {
            @if effective {
                (banner(Weight::Info, lang.pick("まだ始まっていません", "Not started yet"), &html! { p {
                    (lang.pick("反映予定：", "Takes effect: ")) (time(promotion.effective_at, visit.zone(), lang))
                    " (" (relative(promotion.effective_at, visit.now, lang)) ")" } }))
            }
            @if never {
                (banner(Weight::Danger, lang.pick("このままでは一度も使えません", "As it is, it can never be used"), &html! { p {
                    (lang.pick("反映される前に終了日時が来ます。条件から終了日時を変更してください。", "It ends before it takes effect. Change its end under Terms.")) } }))
            }
        }
    }

    fn figures(&self, lang: Lang) -> Markup {
        let (promotion, total) = (self.promotion(), self.sums.total());
        let (currency, limits) = (promotion.terms.currency, promotion.terms.limits);
        let spent = money(self.spent.amount.into(), currency);
        let budget = Budget::of(promotion, self.spent);
        let spent_note = if let Some(budget) = budget {
            let used = budget_used(budget.spent, budget.whole);
            let (whole, left) = (
                money(budget.whole.into(), currency),
                money(budget.left.into(), currency),
            );
            let name = lang.pick(
                format!("予算消化 {used}"),
                format!("{used} of the budget used"),
            );
            html! {
                (lang.pick(format!("予算{whole}の{used}・残額{left}"), format!("{used} of {whole}, {left} left")))
                (bar(budget.spent, budget.whole, &name))
            }
        } else {
            html! { (lang.pick("予算なし", "No budget")) }
        };
        let uses_note = match limits.redemptions {
            Some(limit) => {
                let left = number(u64::from(limit).saturating_sub(self.spent.uses));
                let limit = number(limit.into());
                lang.pick(
                    format!("上限{limit}回・残り{left}回"),
                    format!("of {limit}, {left} left"),
                )
            }
            None => lang
                .pick("上限なし・取消を除く", "No limit; without cancelled orders")
                .to_owned(),
        };
        let period = period(&self.sums, lang);
        let return_of = ratio(total.revenue, total.discount);
        html! {
            dl .figures {
                (key_figure(lang.pick("割引総額（利用中）", "Given away"), &html! { (spent) }, &spent_note))
                (key_figure(lang.pick("利用回数", "Redemptions"), &html! { (number(self.spent.uses)) }, &html! { (uses_note) }))
                (key_figure(lang.pick("コード利用売上", "Revenue with code"), &html! { (money(total.revenue, currency)) }, &html! { (period) }))
                (key_figure(
                    &lang.pick(format!("割引{}あたりの売上", unit(currency)), format!("Revenue per {} of discount", unit(currency))),
                    &figure(return_of.map(|times| format!("{}{times}", sign(currency))), lang),
                    &html! { (lang.pick("売上÷割引総額・", "Revenue ÷ discount, ")) (period) },
                ))
            }
        }
    }
}

/// One whole unit of a currency, such as `¥1`.
fn unit(currency: shared::domain::money::Currency) -> String {
    format!("{}1", sign(currency))
}

fn sign(currency: shared::domain::money::Currency) -> String {
    let zero = money(0, currency);
    zero.trim_end_matches(['0', '.']).to_owned()
}

/// The days that sums are of.
fn period(sums: &Sums, lang: Lang) -> String {
    days(sums.from, sums.to, lang)
}

/// The frame of every page of a promotion: its name, status and what can be done with it.
pub(super) fn frame<'a>(promotion: &Promotion, visit: &'a Visit) -> Page<'a> {
    let (lang, base) = (visit.lang, path(&promotion.id));
    let over = promotion.status_at(visit.now) == Status::Ended;
    let actions = html! {
        @if promotion.switch == Switch::Paused && !over {
            a .button .primary href=(format!("{base}/resume")) { (lang.pick("再開する", "Resume")) }
        } @else if !over {
            @match promotion.terms.claim_code {
                ClaimCode::SingleUse => { a .button .primary href=(format!("{base}/codes#issue")) { (lang.pick("コードを発行する", "Issue codes")) } }
                ClaimCode::Group => { a .button .primary href=(format!("{base}/codes#issue")) { (lang.pick("共通コードを追加する", "Add a shared code")) } }
                ClaimCode::None => {}
            }
            a .button href=(format!("{base}/pause")) { (lang.pick("一時停止する", "Pause")) }
        }
        details .menu {
            summary .button aria-label=(lang.pick("その他の操作", "More actions")) { "•••" }
            ul .menu-items {
                @if !over { li { a href=(format!("{base}/edit")) { (lang.pick("名前・期間・上限を変更", "Change name, end, limits")) } } }
                li { a href=(format!("/console/promotions/new?from={}", promotion.id)) { (lang.pick("複製して作成", "Duplicate")) } }
                @if promotion.switch != Switch::Ended { li { a .danger-text href=(format!("{base}/end")) { (lang.pick("終了する", "End promotion")) } } }
            }
        }
    };
    Page::new(visit, Nav::Promotions, promotion.terms.name.clone())
        .below_nav()
        .beside(words::status(promotion.status_at(visit.now), lang))
        .below(html! {
            code translate="no" { (promotion.id) } " · "
            (words::benefit(&promotion.terms.benefit, promotion.terms.currency, lang)) " · " (window(promotion, visit))
        })
        .actions(actions)
}

async fn results(
    Shared(state): Shared<State>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let standing = Standing::read(&state, &visit, id).await?;
    let lang = visit.lang;
    let promotion = standing.promotion();
    let total = standing.sums.total();
    let body = html! {
        div .columns {
            div .stack {
                @if total.redemptions == 0 { (no_redemption(promotion, &visit)) }
                div .card { (redemptions_chart(&standing.sums, lang)) }
                div .card { (discount_chart(promotion, &standing.sums, lang)) }
                @if let Some(budget) = Budget::of(promotion, standing.spent) {
                    div .card { (burn_chart(promotion, budget, &standing.sums, &visit)) }
                }
                (all_figures(promotion, &total, &standing.sums, lang))
            }
            (summary_card(promotion, &visit))
        }
    };
    Ok(standing.page(&visit, Tab::Results, &body))
}

fn no_redemption(promotion: &Promotion, visit: &Visit) -> Markup {
    let lang = visit.lang;
    let begun = promotion.effective_at <= visit.now;
    html! {
        div .empty {
            p { @if begun { (lang.pick("まだ利用されていません。コードを配ると、ここに実績が表示されます。", "Not used yet. Hand out codes, and results appear here.")) }
                @else { (lang.pick("コードは次の日時から使えます：", "Codes work from ")) (time(promotion.effective_at, visit.zone(), lang)) } }
            @if promotion.terms.claim_code != ClaimCode::None {
                a .button href=(format!("{}/codes", path(&promotion.id))) { (lang.pick("コードを見る", "See codes")) }
            }
        }
    }
}

fn all_figures(promotion: &Promotion, total: &Figures, sums: &Sums, lang: Lang) -> Markup {
    let currency = promotion.terms.currency;
    let amount = |value| money(value, currency);
    let rows = [
        (
            lang.pick(
                "利用回数（取消を含む）",
                "Redemptions, cancelled ones included",
            ),
            number(count(total.redemptions)),
        ),
        (
            lang.pick("うち取消", "Of these cancelled"),
            number(count(total.cancelled)),
        ),
        (
            lang.pick("うち返品あり", "Of these with returns"),
            number(count(total.returned)),
        ),
        (
            lang.pick("初めて利用した人", "People who used it for the first time"),
            number(count(total.buyers)),
        ),
        (
            lang.pick(
                "コード利用売上（取消を除く）",
                "Revenue with code, without cancelled orders",
            ),
            amount(total.revenue),
        ),
        (
            lang.pick(
                "割引総額（取消を除く）",
                "Discount given, without cancelled orders",
            ),
            amount(total.discount),
        ),
        (
            lang.pick("返品された商品の割引", "Discount of returned goods"),
            amount(total.returned_discount),
        ),
        (
            lang.pick("配信したメール", "Mails sent with a code"),
            number(count(total.mails)),
        ),
    ];
    html! {
        section .card {
            div .card-head { h2 { (lang.pick("すべての数値", "All figures")) } span .note { (period(sums, lang)) } }
            table { tbody { @for (name, value) in rows { tr { th scope="row" { (name) } td .right { (value) } } } } }
        }
    }
}

async fn channels(
    Shared(state): Shared<State>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let standing = Standing::read(&state, &visit, id).await?;
    let (lang, promotion) = (visit.lang, standing.promotion());
    let asked = futures_util::future::try_join(
        state.store.links_of(&promotion.id),
        state.store.group_codes_of(&promotion.id),
    );
    let (links, words) = Box::pin(asked).await?;
    let all = rows(&standing.sums, links, words);
    let used = all.iter().filter(|row| row.figures.redemptions > 0);
    let bars: Vec<Row> = used.map(|row| bar_of(row, lang)).collect();
    let period = period(&standing.sums, lang);
    let caption = Caption {
        id: "channels",
        title: lang
            .pick(
                "どの経路がよく使われていますか",
                "Which channel brings buyers?",
            )
            .to_owned(),
        unit: lang
            .pick(
                "利用回数（回）と利用率（訪問→利用）",
                "Redemptions, and conversion of visits",
            )
            .to_owned(),
        first: lang.pick("配布経路", "Channel"),
        second: lang.pick("利用回数", "Redemptions"),
    };
    let title = lang.pick("配布経路ごとの数値", "Figures by channel");
    let new = format!("/console/channels/new?promotion={}", promotion.id);
    let body = html! {
        p { a .button href=(new) { (lang.pick("コードとリンクを渡す", "Hand out a code and a link")) } }
        @if all.is_empty() {
            div .empty { p { (lang.pick("配布経路ごとの数値は、リンクを作るかコードが使われると表示されます。", "Figures by channel appear once there is a link or a code was used.")) } }
        } @else {
            @if !bars.is_empty() { div .card { (chart::horizontal(&caption, &bars, lang)) } }
            (table(&all, promotion.terms.currency, &format!("{title} ({period})"), &visit))
        }
    };
    Ok(standing.page(&visit, Tab::Channels, &body))
}

async fn terms(
    Shared(state): Shared<State>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let standing = Standing::read(&state, &visit, id).await?;
    let (lang, promotion) = (visit.lang, standing.promotion());
    let over = promotion.status_at(visit.now) == Status::Ended;
    let lists = [
        (
            lang.pick("対象商品", "Eligible products"),
            &promotion.terms.products.include,
        ),
        (
            lang.pick("対象外商品", "Excluded products"),
            &promotion.terms.products.exclude,
        ),
    ];
    let body = html! {
        section .card .narrow {
            div .card-head { h2 { (lang.pick("条件", "Terms")) }
                @if !over { a .button .small href=(format!("{}/edit", path(&promotion.id))) { (lang.pick("名前・終了・上限を変更", "Change name, end, limits")) } } }
            ul .terms { @for line in sentences(promotion, &visit) { li { (line) } } }
            p .note { (lang.pick(
                "開始後に変更できるのは、名前・終了日時・上限の値だけです。ほかの条件を変えるには、複製して作成します。",
                "After the start only the name, the end and the values of limits can be changed. For anything else, duplicate it.",
            )) }
        }
        @for (title, list) in lists { @if let Some(list) = list {
            section .card {
                div .card-head { h2 { (title) } span .note { (number(u64::try_from(list.len()).unwrap_or(u64::MAX))) (lang.pick("件", " SKUs")) } }
                div .scroll tabindex="0" role="group" aria-label=(title) {
                    table .plain-table { caption .hidden { (title) } thead .hidden { tr { th scope="col" { "SKU" } } }
                        tbody { @for sku in list { tr { td { code translate="no" { bdi { (sku.as_str()) } } } } } } }
                }
            }
        } }
    };
    Ok(standing.page(&visit, Tab::Terms, &body))
}

async fn history(
    Shared(state): Shared<State>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let standing = Standing::read(&state, &visit, id).await?;
    let (lang, promotion) = (visit.lang, standing.promotion());
    let mut events = vec![(
        promotion.created_at,
        lang.pick("作成", "Created").to_owned(),
    )];
    if promotion.effective_at != promotion.created_at {
        events.push((
            promotion.effective_at,
            lang.pick("反映（コードが使えるようになる日時）", "Takes effect")
                .to_owned(),
        ));
    }
    for batch in state.store.batches(&promotion.id).await? {
        let codes = number(batch.count);
        let channel = batch
            .channel
            .map(|channel| format!(" ({})", channel.as_str()))
            .unwrap_or_default();
        events.push((
            batch.created_at,
            lang.pick(
                format!("コード{codes}件を発行{channel}"),
                format!("{codes} codes issued{channel}"),
            ),
        ));
    }
    events.extend(
        promotion
            .terms
            .ends_at
            .map(|end| (end, lang.pick("終了", "Ends").to_owned())),
    );
    events.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    let changes = promotion.version.saturating_sub(1);
    let body = html! {
        section .card .narrow {
            h2 { (lang.pick("履歴", "History")) }
            table { caption .hidden { (lang.pick("履歴", "History")) }
                thead { tr { th scope="col" { (lang.pick("日時", "Time")) } th scope="col" { (lang.pick("できごと", "What")) } } }
                tbody { @for (at, what) in &events { tr {
                    td .nowrap { (time(*at, visit.zone(), lang)) }
                    td { (what) @if *at > visit.now { " " span .muted { "(" (relative(*at, visit.now, lang)) ")" } } }
                } } }
            }
            p .note {
                (lang.pick(
                    format!("作成後の変更（一時停止・再開を含む）：{}回。変更ごとの日時と担当者は記録していません。", number(changes)),
                    format!("Changes since its creation, pauses and resumptions included: {}. When and by whom each was made is not recorded.", number(changes)),
                ))
                @if promotion.switch == Switch::Ended { " " (lang.pick("担当者が終了しました。", "It was ended by staff.")) }
            }
        }
    };
    Ok(standing.page(&visit, Tab::History, &body))
}

/// When a promotion ends, for confirmations.
pub(super) fn ends(promotion: &Promotion, visit: &Visit) -> Option<String> {
    let ends_at = promotion.terms.ends_at?;
    Some(end_text(ends_at, visit.zone(), visit.lang))
}
