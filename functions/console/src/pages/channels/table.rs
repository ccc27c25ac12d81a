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

/// What one line of the table rests on.
struct Line {
    figures: Figures,
    /// Redemptions that are compared with the visits.
    of_visits: i128,
    /// Revenue that is compared with the cost.
    of_cost: i128,
    cost: Option<i128>,
}

impl Line {
    fn of(row: &ChannelRow) -> Self {
        Self {
            figures: row.figures,
            of_visits: row.figures.redemptions,
            of_cost: row.figures.revenue,
            cost: row.cost,
        }
    }

    /// All rows together; channels without visits, or without a cost, are left out of what visits and cost are compared with.
    fn total(rows: &[ChannelRow]) -> Self {
        let mut total = Self {
            figures: Figures::default(),
            of_visits: 0,
            of_cost: 0,
            cost: None,
        };
        for row in rows {
            total.figures += row.figures;
            if row.figures.visits > 0 {
                total.of_visits = total.of_visits.saturating_add(row.figures.redemptions);
            }
            if let Some(paid) = row.cost {
                total.of_cost = total.of_cost.saturating_add(row.figures.revenue);
                total.cost = Some(total.cost.unwrap_or_default().saturating_add(paid));
            }
        }
        total
    }

    fn cells(&self, currency: Currency, lang: Lang) -> [Markup; 7] {
        let figures = &self.figures;
        let times = self.cost.and_then(|cost| ratio(self.of_cost, cost));
        [
            html! { (number(count(figures.visits))) },
            html! { (number(count(figures.redemptions))) },
            figure(percent(self.of_visits, figures.visits), lang),
            html! { (money(figures.revenue, currency)) },
            html! { (money(figures.discount, currency)) },
            figure(self.cost.map(|cost| money(cost, currency)), lang),
            figure(times.map(|times| format!("{times}×")), lang),
        ]
    }
}

/// The table with a row of totals.
pub fn table(rows: &[ChannelRow], currency: Currency, caption: &str, visit: &Visit) -> Markup {
    let lang = visit.lang;
    let words = columns(lang);
    html! {
        div .table { table .stacked {
            caption { (caption) }
            thead { tr { th scope="col" { (lang.pick("配布経路", "Channel")) } @for word in words { th .right scope="col" { (word) } } } }
            tbody { @for row in rows { tr {
                th scope="row" { (name(row, visit)) }
                @for (word, cell) in words.iter().zip(Line::of(row).cells(currency, lang)) {
                    td .right data-label=(word) { (cell) }
                }
            } } }
            tfoot { tr { th scope="row" { (lang.pick("合計", "Total")) }
                @for (word, cell) in words.iter().zip(Line::total(rows).cells(currency, lang)) { td .right data-label=(word) { (cell) } } } }
        } }
        p .note { (lang.pick(
            "広告費はリンクに登録した額の合計で、期間にかかわらず全額です。ROASは、広告費のある経路のコード利用売上を広告費で割った値、合計の利用率は訪問のある経路だけの値です。",
            "Ad cost is what the links say in all, whatever the period. The return is the revenue of channels with a cost, divided by it; the total’s conversion is that of channels with visits.",
        )) }
    }
}

/// A channel's name, opening to its words and links.
fn name(row: &ChannelRow, visit: &Visit) -> Markup {
    let lang = visit.lang;
    let name = if let Some(channel) = &row.channel {
        html! { bdi { (channel) } }
    } else {
        html! { span .muted { (lang.pick("経路なし", "No channel")) } }
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
