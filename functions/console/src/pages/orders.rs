//! Orders: look one up, what could not be read, and what could not be reconciled.

mod one;
mod quarantine;

use axum::Router;
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use maud::{Markup, html};
use serde::Deserialize;
use shared::domain::order::OrderId;
use shared::domain::redemption::Reason;
use shared::store::{IndexPlace, Unreconciled};

use crate::State;
use crate::failure::Failure;
use crate::fields::Fields;
use crate::form::{Errors, Input};
use crate::format::time;
use crate::frame::{Nav, Page, nothing_yet, paging, views};
use crate::lang::Lang;
use crate::query::Lenient;
use crate::visit::Visit;
use crate::words::refusal;

/// Orders on a page of the list.
const PER_PAGE: usize = 50;

pub(crate) fn routes() -> Router<State> {
    Router::new()
        .route("/console/orders", get(begin).post(look_up))
        .route("/console/orders/unreconciled", get(unreconciled))
        .merge(one::routes())
        .merge(quarantine::routes())
}

/// The page of an order. The id stands in the query, because one of dots alone would be no path.
pub(crate) fn path(id: &OrderId) -> String {
    format!("/console/orders/order?id={id}")
}

/// The tabs of the orders' pages.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tab {
    LookUp,
    Quarantine,
    Unreconciled,
}

fn tabs(here: Tab, lang: Lang) -> Markup {
    let item = |tab, path: &str, word: &str| (path.to_owned(), word.to_owned(), None, tab == here);
    views(
        lang.pick("注文の表示", "Orders"),
        &[
            item(
                Tab::LookUp,
                "/console/orders",
                lang.pick("注文を照会", "Look up"),
            ),
            item(
                Tab::Quarantine,
                "/console/orders/quarantine",
                lang.pick("取り込みエラー", "Quarantine"),
            ),
            item(
                Tab::Unreconciled,
                "/console/orders/unreconciled",
                lang.pick("未照合", "Unreconciled"),
            ),
        ],
    )
}

async fn begin(visit: Visit) -> Response {
    form(&visit, "", &Errors::new())
}

fn form(visit: &Visit, typed: &str, errors: &Errors) -> Response {
    let lang = visit.lang;
    let body = html! {
        (tabs(Tab::LookUp, lang))
        (errors.summary(lang))
        section .card .narrow {
            form .form method="post" action="/console/orders" novalidate {
                (visit.token_field())
                (Input::new("order", lang.pick("注文番号", "Order id"), typed).class("middle").autocomplete("off")
                    .hint(html! { (lang.pick("ショップの注文ID。英数字と . _ : - で128文字まで", "As the shop names it: letters, digits and . _ : -, 128 at most")) })
                    .render(errors, lang))
                div .buttons { button .button .primary type="submit" { (lang.pick("注文を照会する", "Look up the order")) } }
            }
        }
        p .note { (lang.pick(
            "メールが届かない理由、コードの利用、返品の記録を確認できます。",
            "See why a mail was or was not sent, which codes the order used, and what came back.",
        )) }
    };
    Page::new(visit, Nav::Orders, Nav::Orders.word(lang))
        .errors(errors.len())
        .render(&body)
}

async fn look_up(
    visit: Visit,
    Shared(state): Shared<State>,
    fields: Fields,
) -> Result<Response, Failure> {
    let lang = visit.lang;
    let typed = fields.get("order");
    let mut errors = Errors::new();
    let Ok(id) = OrderId::try_from(typed.to_owned()) else {
        errors.add(
            "order",
            lang.pick(
                "注文番号を英数字と . _ : - で入力してください",
                "Enter an order id of letters, digits and . _ : -",
            ),
        );
        return Ok(form(&visit, typed, &errors));
    };
    if one::is_known(&state, &id).await? {
        return Ok(Redirect::to(&path(&id)).into_response());
    }
    errors.add(
        "order",
        lang.pick(
            "この注文は見つかりません。連携前の注文か、番号違いの可能性があります",
            "No such order is known: it may be from before the shop was connected, or mistyped",
        ),
    );
    Ok(form(&visit, typed, &errors))
}

#[derive(Default, Deserialize)]
struct Asked {
    after: Option<String>,
}

async fn unreconciled(
    visit: Visit,
    Shared(state): Shared<State>,
    Lenient(asked): Lenient<Asked>,
) -> Result<Response, Failure> {
    let lang = visit.lang;
    let after = asked.after.as_deref().map(str::parse::<IndexPlace>);
    let after = after.transpose().map_err(|_| Failure::NotFound)?;
    let (found, next) = state
        .store
        .list_unreconciled(after.as_ref(), PER_PAGE)
        .await?;
    let here = "/console/orders/unreconciled";
    let next = next.map(|place| format!("{here}?after={place}"));
    let body = html! {
        (tabs(Tab::Unreconciled, lang))
        p .note { (lang.pick(
            "ショップが割引を適用したのに、こちらでは利用済みにできなかったコードのある注文です。",
            "Orders for which the shop took a code of ours that could not be redeemed here.",
        )) }
        @if found.is_empty() {
            (nothing_yet(lang.pick("未照合の注文はありません", "No order is unreconciled"), &html! {}))
        } @else {
            div .table { table .stacked {
                caption { (lang.pick("新しい順", "The latest first")) }
                thead { tr {
                    th scope="col" { (lang.pick("注文", "Order")) }
                    th scope="col" { (lang.pick("判明した日時", "Found out")) }
                    th scope="col" { (lang.pick("プロモーションと理由", "Promotion and reason")) }
                } }
                tbody { @for (order, unreconciled) in &found { tr {
                    th scope="row" { a href=(path(order)) { bdi { (order) } } }
                    td data-label=(lang.pick("判明した日時", "Found out")) { (time(unreconciled.at, visit.zone(), lang)) }
                    td data-label=(lang.pick("理由", "Reason")) { (codes(unreconciled, lang)) }
                } } }
            } }
            (paging(after.is_some().then_some(here), next.as_deref(), lang))
        }
    };
    Ok(
        Page::new(&visit, Nav::Orders, lang.pick("未照合", "Unreconciled"))
            .below_nav()
            .render(&body),
    )
}

/// Which promotions' codes, and why, without their text.
fn codes(unreconciled: &Unreconciled, lang: Lang) -> Markup {
    html! { ul .plain-list { @for code in &unreconciled.codes { li {
        a href=(format!("/console/promotions/{}", code.promotion_id)) { (code.promotion_id) } " · "
        (code.reason.map_or_else(|| lang.pick("ほかのコードと併用できませんでした", "Another code stood in its way").to_owned(), |reason| reason_words(reason, lang)))
    } } } }
}

/// Why a code gave nothing, in words.
fn reason_words(reason: Reason, lang: Lang) -> String {
    let name = serde_json::to_value(reason).unwrap_or_default();
    let name = name.as_str().unwrap_or_default();
    refusal(name, lang)
        .unwrap_or(lang.pick("適用できません", "It does not apply"))
        .to_owned()
}
