//! All channels of the promotions that run or ran lately.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::State as Shared;
use axum::response::Response;
use axum::routing::get;
use chrono::Days;
use futures_util::future::try_join_all;
use maud::{Markup, html};
use serde::Deserialize;
use shared::domain::money::Currency;
use shared::domain::promotion::{ClaimCode, Promotion, Status};
use shared::store::{CountedLink, GroupCode, StoreError};

use super::table::{ChannelRow, rows, table};
use crate::State;
use crate::chart::{self, Caption, Row};
use crate::failure::Failure;
use crate::figures::{NEWEST, Sums, newest};
use crate::format::{NONE, count, number, percent, short_day};
use crate::frame::{Nav, Page, nothing_yet, views};
use crate::lang::Lang;
use crate::query::Lenient;
use crate::visit::Visit;

/// Most promotions whose channels are read, three requests each, all at the same time; those that run come first.
const LOOKED_AT: usize = 20;

pub(super) fn routes() -> Router<State> {
    Router::new().route("/console/channels", get(list))
}

/// Over which days.
#[derive(Default, Deserialize)]
struct Asked {
    #[serde(default)]
    days: String,
}

/// The spans that can be chosen.
const SPANS: [(u64, &str, &str); 4] = [
    (7, "7日間", "7 days"),
    (30, "30日間", "30 days"),
    (90, "90日間", "90 days"),
    (366, "1年間", "A year"),
];

/// The span asked for; 30 days unless another is chosen.
fn span(asked: &str) -> u64 {
    let wanted = asked.parse().unwrap_or(30);
    if SPANS.iter().any(|(days, ..)| *days == wanted) {
        wanted
    } else {
        30
    }
}

/// What was handed out under promotions of one currency.
struct Group {
    currency: Currency,
    sums: Vec<Sums>,
    links: Vec<CountedLink>,
    words: Vec<GroupCode>,
}

async fn list(
    Shared(state): Shared<State>,
    visit: Visit,
    Lenient(asked): Lenient<Asked>,
) -> Result<Response, Failure> {
    let lang = visit.lang;
    let days = span(&asked.days);
    let (from, to) = (
        visit.today() - Days::new(days.saturating_sub(1)),
        visit.today(),
    );
    let (groups, partly) = read(&state, &visit, (from, to)).await?;
    let tables: Vec<(Currency, Vec<ChannelRow>)> = groups
        .into_values()
        .map(|group| {
            let sums = Sums::joined(from, to, group.sums);
            (group.currency, rows(&sums, group.links, group.words))
        })
        .filter(|(_, rows)| !rows.is_empty())
        .collect();
    let period = format!("{} – {}", short_day(from, lang), short_day(to, lang));
    let body = html! {
        @if tables.is_empty() {
            (nothing_yet(lang.pick(
                "インフルエンサーに渡すコードとリンクを作ります。訪問数・利用回数・売上を経路ごとに比べられます。",
                "Make a code and a link for each influencer, and compare what they bring.",
            ), &html! {}))
        } @else {
            (views(lang.pick("期間", "Period"), &SPANS.map(|(span, ja, en)| {
                (format!("/console/channels?days={span}"), lang.pick(ja, en).to_owned(), None, span == days)
            })))
            @for (index, (currency, rows)) in tables.iter().enumerate() {
                (chart_of(rows, index, &period, lang))
                (table(rows, *currency, &format!("{}（{period} · {}）", lang.pick("配布経路ごとの数値", "Figures by channel"), currency.code()), &visit))
            }
            @if partly { p .note { (bounded(lang)) } }
        }
    };
    let hand_out = html! { a .button .primary href="/console/channels/new" { (lang.pick("コードを渡す", "Hand out a code")) } };
    Ok(Page::new(&visit, Nav::Channels, Nav::Channels.word(lang))
        .actions(hand_out)
        .render(&body))
}

fn bounded(lang: Lang) -> String {
    let looked = number(u64::try_from(LOOKED_AT).unwrap_or(u64::MAX));
    let most = number(NEWEST.into());
    lang.pick(
        format!("新しい{most}件のプロモーションのうち、実施中のものから順に{looked}件までが対象です。それ以外は各プロモーションの「経路別」で見られます。"),
        format!("Of the newest {most} promotions up to {looked} are included, those that run first; see “By channel” of others."),
    )
}

/// Sums, links and words of the promotions looked at, and whether there are others.
async fn read(
    state: &State,
    visit: &Visit,
    (from, to): (chrono::NaiveDate, chrono::NaiveDate),
) -> Result<(BTreeMap<&'static str, Group>, bool), Failure> {
    let found = newest(state).await?;
    let mut promotions: Vec<&Promotion> = found.promotions.iter().map(AsRef::as_ref).collect();
    promotions.sort_by_key(|promotion| match promotion.status_at(visit.now) {
        Status::Active => 0,
        Status::Paused | Status::Scheduled => 1,
        Status::Ended => 2,
    });
    let partly = found.next.is_some() || promotions.len() > LOOKED_AT;
    promotions.truncate(LOOKED_AT);
    let all = promotions.iter().map(|promotion| async move {
        let sums = Sums::between(state, &promotion.id, from, to);
        let links = state.store.links_of(&promotion.id);
        let words = async {
            if promotion.terms.claim_code == ClaimCode::Group {
                state.store.group_codes_of(&promotion.id).await
            } else {
                Ok(Vec::new())
            }
        };
        let asked = Box::pin(futures_util::future::try_join3(sums, links, words));
        let (sums, links, words) = asked.await?;
        Ok::<_, StoreError>((promotion.terms.currency, sums, links, words))
    });
    let mut groups = BTreeMap::new();
    for (currency, sums, links, words) in try_join_all(all).await? {
        let group = groups.entry(currency.code()).or_insert(Group {
            currency,
            sums: Vec::new(),
            links: Vec::new(),
            words: Vec::new(),
        });
        group.sums.push(sums);
        group.links.extend(links);
        group.words.extend(words);
    }
    Ok((groups, partly))
}

/// Which channels bring buyers, as bars.
fn chart_of(rows: &[ChannelRow], index: usize, period: &str, lang: Lang) -> Markup {
    let bars: Vec<Row> = rows
        .iter()
        .filter(|row| row.figures.redemptions > 0)
        .map(|row| bar_of(row, lang))
        .collect();
    if bars.is_empty() {
        return html! {};
    }
    let id = format!("channels-{index}");
    let caption = Caption {
        id: &id,
        title: lang
            .pick(
                "どの経路がよく使われていますか",
                "Which channel brings buyers?",
            )
            .to_owned(),
        unit: format!(
            "{} ({period})",
            lang.pick("利用回数と利用率", "Redemptions, and conversion of visits")
        ),
        first: lang.pick("配布経路", "Channel"),
        second: lang.pick("利用回数", "Redemptions"),
    };
    html! { div .card { (chart::horizontal(&caption, &bars, lang)) } }
}

/// A channel as a bar with its conversion beside it.
pub(crate) fn bar_of(row: &ChannelRow, lang: Lang) -> Row {
    let figures = &row.figures;
    let conversion =
        percent(figures.redemptions, figures.visits).unwrap_or_else(|| NONE.to_owned());
    let none = || lang.pick("経路なし", "No channel").to_owned();
    Row {
        label: row.channel.clone().unwrap_or_else(none),
        value: figures.redemptions,
        text: format!(
            "{} · {} {conversion}",
            number(count(figures.redemptions)),
            lang.pick("利用率", "conversion")
        ),
    }
}
