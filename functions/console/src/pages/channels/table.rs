//! Figures by channel, as the page of channels and that of a promotion show them.

use std::collections::BTreeMap;

use maud::{Markup, html};
use shared::domain::money::Currency;
use shared::domain::stats::Figures;
use shared::store::{CountedLink, GroupCode};

use crate::figures::Sums;
use crate::format::{count, figure, money, number, percent, ratio};
use crate::lang::Lang;
use crate::visit::Visit;

/// What a channel brought and cost.
#[derive(Clone, Debug, Default)]
pub struct ChannelRow {
    /// Its name; none for codes that were handed out in none.
    pub channel: Option<String>,
    /// Its sums.
    pub figures: Figures,
    /// What its links cost in all, those taken back included, in minor units; none without a cost.
    pub cost: Option<i128>,
    /// Its links, without those taken back.
    pub links: Vec<CountedLink>,
    /// Its words, without those voided.
    pub words: Vec<GroupCode>,
}

/// A row for each channel that has anything to show, the most redemptions first; what has no channel comes last.
pub fn rows(sums: &Sums, links: Vec<CountedLink>, words: Vec<GroupCode>) -> Vec<ChannelRow> {
    let mut all: BTreeMap<Option<String>, ChannelRow> = BTreeMap::new();
    for (channel, figures) in sums.channels() {
        all.entry(channel).or_default().figures = figures;
    }
    for counted in links {
        let row = all
            .entry(Some(counted.link.channel.as_str().to_owned()))
            .or_default();
        if let Some(cost) = counted.link.cost {
            row.cost = Some(
                row.cost
                    .unwrap_or_default()
                    .saturating_add(cost.minor().into()),
            );
        }
        if counted.link.deleted_at.is_none() {
            row.links.push(counted);
        }
    }
    for word in words.into_iter().filter(|word| !word.voided) {
        let channel = word.channel.clone().map(String::from);
        all.entry(channel).or_default().words.push(word);
    }
    let mut rows: Vec<ChannelRow> = all
        .into_iter()
        .map(|(channel, row)| ChannelRow { channel, ..row })
        .collect();
    rows.sort_by_key(|row| {
        (
            row.channel.is_none(),
            std::cmp::Reverse(row.figures.redemptions),
        )
    });
    rows
}

/// The words above the columns.
fn columns(lang: Lang) -> [&'static str; 7] {
    [
        lang.pick("訪問数", "Visits"),
        lang.pick("利用回数", "Redemptions"),
        lang.pick("利用率（訪問→利用）", "Conversion"),
        lang.pick("コード利用売上", "Revenue with code"),
        lang.pick("割引総額", "Discount given"),
        lang.pick("広告費", "Ad cost"),
        lang.pick("広告費用対効果（ROAS）", "Return on ad spend"),
    ]
}

fn cells(
    figures: &Figures,
    (revenue, cost): (i128, Option<i128>),
    currency: Currency,
    lang: Lang,
) -> [Markup; 7] {
    let times = cost
        .and_then(|cost| ratio(revenue, cost))
        .map(|times| format!("{times}×"));
    [
        html! { (number(count(figures.visits))) },
        html! { (number(count(figures.redemptions))) },
        figure(percent(figures.redemptions, figures.visits), lang),
        html! { (money(figures.revenue, currency)) },
        html! { (money(figures.discount, currency)) },
        figure(cost.map(|cost| money(cost, currency)), lang),
        figure(times, lang),
    ]
}

/// The table with a row of totals.
pub fn table(rows: &[ChannelRow], currency: Currency, caption: &str, visit: &Visit) -> Markup {
    let lang = visit.lang;
    let words = columns(lang);
    let mut total = Figures::default();
    let (mut revenue, mut cost): (i128, Option<i128>) = (0, None);
    for row in rows {
        total += row.figures;
        if let Some(paid) = row.cost {
            revenue = revenue.saturating_add(row.figures.revenue);
            cost = Some(cost.unwrap_or_default().saturating_add(paid));
        }
    }
    html! {
        div .table { table .stacked {
            caption { (caption) }
            thead { tr { th scope="col" { (lang.pick("配布経路", "Channel")) } @for word in words { th .right scope="col" { (word) } } } }
            tbody { @for row in rows { tr {
                th scope="row" { (name(row, visit)) }
                @for (word, cell) in words.iter().zip(cells(&row.figures, (row.figures.revenue, row.cost), currency, lang)) {
                    td .right data-label=(word) { (cell) }
                }
            } } }
            tfoot { tr { th scope="row" { (lang.pick("合計", "Total")) }
                @for (word, cell) in words.iter().zip(cells(&total, (revenue, cost), currency, lang)) { td .right data-label=(word) { (cell) } } } }
        } }
        p .note { (lang.pick(
            "広告費はリンクに登録した額の合計で、期間にかかわらず全額です。ROASは、広告費のある経路のコード利用売上を広告費で割った値です。",
            "Ad cost is what the links say in all, whatever the period. The return is the revenue of channels with a cost, divided by it.",
        )) }
    }
}

/// A channel's name, opening to its words and links.
fn name(row: &ChannelRow, visit: &Visit) -> Markup {
    let lang = visit.lang;
    let name = match &row.channel {
        Some(channel) => html! { bdi { (channel) } },
        None => html! { span .muted { (lang.pick("経路なし", "No channel")) } },
    };
    if row.links.is_empty() && row.words.is_empty() {
        return name;
    }
    html! {
        details .channel {
            summary { (name) }
            ul .handed-out {
                @for word in &row.words { li {
                    span .code-box { code translate="no" { (word.code.as_str()) }
                        (crate::pages::promotions::copy_button(word.code.as_str(), lang)) }
                } }
                @for CountedLink { link, visits } in &row.links { @let url = visit.shop.link_url(&link.slug); li {
                    a href=(super::link::path(&link.slug)) { "/l/" (link.slug) }
                    span .muted { " " (lang.pick("訪問 ", "Visits ")) (number(*visits)) " " }
                    (crate::pages::promotions::copy_button(&url, lang))
                } }
            }
        }
    }
}
