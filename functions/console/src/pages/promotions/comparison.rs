//! The tab of what a promotion's products sold before it began and since.

use axum::Router;
use axum::extract::{Path, State as Shared};
use axum::response::Response;
use axum::routing::get;
use chrono::NaiveDate;
use maud::{Markup, html};
use serde::Deserialize;
use shared::domain::promotion::Promotion;

use super::one::Standing;
use super::parts::Tab;
use crate::State;
use crate::failure::Failure;
use crate::format::{days, figure, money, number, percent};
use crate::lang::Lang;
use crate::visit::Visit;

pub(super) fn routes() -> Router<State> {
    Router::new().route("/console/promotions/{id}/sales", get(sales))
}

async fn sales(
    Shared(state): Shared<State>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let standing = Standing::read(&state, &visit, id).await?;
    let body = card(&state, &visit, standing.promotion()).await?;
    Ok(standing.page(&visit, Tab::Sales, &body))
}

/// What the API answers, as far as it is shown.
#[derive(Deserialize)]
struct Comparison {
    products: Option<u64>,
    compared: Option<u64>,
    before: Option<Period>,
    since: Option<Period>,
}

/// Some days, and what was sold on them.
#[derive(Deserialize)]
struct Period {
    from: NaiveDate,
    to: NaiveDate,
    units: u64,
    sales: u64,
}

/// How a figure changed: `+12.5%`.
fn change(before: u64, since: u64) -> Option<String> {
    let (before, since) = (i128::from(before), i128::from(since));
    let sign = if since > before { "+" } else { "" };
    percent(since - before, before).map(|text| format!("{sign}{text}"))
}

async fn card(state: &State, visit: &Visit, promotion: &Promotion) -> Result<Markup, Failure> {
    let lang = visit.lang;
    let path = format!("/v1/promotions/{}/comparison", promotion.id);
    let answer = state.api.get(visit, &path).await?;
    let answer: Comparison = serde_json::from_value(answer).map_err(|_| Failure::Unavailable)?;
    let body = match (&answer.before, &answer.since) {
        (Some(before), Some(since)) if before.units > 0 || since.units > 0 => {
            table(before, since, promotion, lang)
        }
        (Some(_), Some(_)) => html! {
            p { (lang.pick(
                "対象商品の注文データがまだありません。ショップのWebhookをつなぐと表示されます。",
                "No order has named its products yet. Connect the shop's webhooks, and they appear here.",
            )) }
            p { a href="/console/settings#webhooks" { (lang.pick("Webhookの設定を見る", "See how to connect webhooks")) } }
        },
        _ => html! {
            p { (lang.pick("開始後、最初の1日が終わると表示されます。", "It appears once its first day is over.")) }
        },
    };
    let part = answer
        .compared
        .filter(|_| answer.compared < answer.products);
    Ok(html! {
        section .card {
            div .card-head {
                h2 { (lang.pick("対象商品の売れ行き（開始前と比較）", "Sales of its products, before and since")) }
            }
            (body)
            p .note {
                (lang.pick(
                    "コードを使っていない注文も含みます。割引前の金額。取消・全額返金の注文と、商品が分からない注文は含みません。曜日をそろえて比べています。",
                    "Orders without its codes count too, at prices before discounts; orders that were cancelled, refunded in full, or do not name their products do not. Both are of the same weekdays.",
                ))
                @if let Some(part) = part {
                    " " (lang.pick(
                        format!("対象商品が多いため、最初の{}点で比べています。", number(part)),
                        format!("It has many products: the first {} are compared.", number(part)),
                    ))
                }
            }
        }
    })
}

fn table(before: &Period, since: &Period, promotion: &Promotion, lang: Lang) -> Markup {
    let amount = |sales: u64| money(sales.into(), promotion.terms.currency);
    let (units, sales) = (lang.pick("販売数", "Units"), lang.pick("売上", "Sales"));
    let row = |name: &str, period: &Period| {
        html! {
            tr {
                th scope="row" { (name) " " span .note { (days(period.from, period.to, lang)) } }
                td .right data-label=(units) { (number(period.units)) }
                td .right data-label=(sales) { (amount(period.sales)) }
            }
        }
    };
    html! {
        table {
            thead { tr {
                th scope="col" { (lang.pick("期間", "Days")) }
                th scope="col" .right { (units) }
                th scope="col" .right { (sales) }
            } }
            tbody {
                (row(lang.pick("開始前", "Before"), before))
                (row(lang.pick("開始後", "Since"), since))
                tr {
                    th scope="row" { (lang.pick("変化", "Change")) }
                    td .right data-label=(units) { (figure(change(before.units, since.units), lang)) }
                    td .right data-label=(sales) { (figure(change(before.sales, since.sales), lang)) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_say_their_direction_and_nothing_where_there_was_nothing() {
        assert_eq!(change(0, 3), None);
        assert_eq!(change(100, 125).unwrap(), "+25.0%");
        assert_eq!(change(100, 75).unwrap(), "\u{2212}25.0%");
        assert_eq!(change(100, 100).unwrap(), "0.0%");
    }
}
