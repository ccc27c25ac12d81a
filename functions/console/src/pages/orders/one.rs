//! One order: what was heard of it, how each follow-up dealt with it, and what it redeemed.

use axum::Router;
use axum::extract::State as Shared;
use axum::response::Response;
use axum::routing::get;
use chrono::{DateTime, Utc};
use maud::{Markup, html};
use serde::Deserialize;
use shared::domain::order::{OrderEventKind, OrderId};
use shared::domain::redemption::{CodeRef, Redeemed, Redemption, RedemptionStatus};
use shared::store::{OrderHistory, OrderMarker, OrderOutcome, Unreconciled};

use super::reason_words;
use crate::State;
use crate::failure::Failure;
use crate::format::{money, number, relative, time};
use crate::frame::{Nav, Page, Weight, banner};
use crate::lang::Lang;
use crate::pages::follow_ups::{self, Names};
use crate::pages::mails;
use crate::query::Lenient;
use crate::reasons;
use crate::visit::Visit;
use crate::words::{Tone, badge};

pub(super) fn routes() -> Router<State> {
    Router::new().route("/console/orders/order", get(page))
}

/// Everything known of an order.
struct Known {
    history: Option<OrderHistory>,
    redemption: Option<Redemption>,
    unreconciled: Option<Unreconciled>,
}

async fn read(state: &State, id: &OrderId) -> Result<Known, Failure> {
    let store = &state.store;
    Ok(Known {
        history: store.order_history(id).await?,
        redemption: store.redemption(id).await?,
        unreconciled: store.unreconciled(id).await?,
    })
}

/// Whether anything is known of an order.
pub(super) async fn is_known(state: &State, id: &OrderId) -> Result<bool, Failure> {
    let known = read(state, id).await?;
    Ok(known.history.is_some() || known.redemption.is_some())
}

#[derive(Default, Deserialize)]
struct Asked {
    id: String,
}

async fn page(
    visit: Visit,
    Shared(state): Shared<State>,
    Lenient(asked): Lenient<Asked>,
) -> Result<Response, Failure> {
    let lang = visit.lang;
    let id = OrderId::try_from(asked.id).map_err(|_| Failure::NotFound)?;
    let known = read(&state, &id).await?;
    if known.history.is_none() && known.redemption.is_none() {
        return Err(Failure::NotFound);
    }
    let names = Names::read(&state).await?;
    let body = html! {
        @if let Some(unreconciled) = &known.unreconciled { (banner(Weight::Warning, lang.pick("未照合のコードがあります", "A code could not be reconciled"), &super::codes(unreconciled, lang))) }
        div .columns {
            div .stack {
                section .card { h2 { (lang.pick("フォローメール", "Follow-ups")) } (decisions(&visit, known.history.as_ref(), &names)) }
                section .card { h2 { (lang.pick("コードの利用", "Redemption")) } (redemption(&visit, known.redemption.as_ref())) }
            }
            aside .stack { section .card { h2 { (lang.pick("経過", "Timeline")) } (timeline(&visit, &known)) } }
        }
    };
    let title = lang.pick(format!("注文 {id}"), format!("Order {id}"));
    Ok(Page::new(&visit, Nav::Orders, title)
        .below_nav()
        .render(&body))
}

fn event_word(kind: OrderEventKind, lang: Lang) -> &'static str {
    match kind {
        OrderEventKind::Completed => lang.pick("注文完了", "Order completed"),
        OrderEventKind::Cancelled => lang.pick("注文取消", "Order cancelled"),
        OrderEventKind::Refunded => lang.pick("全額返金", "Refunded in full"),
    }
}

/// A moment, what happened, and a remark.
type Step = (DateTime<Utc>, String, Option<String>);

fn timeline(visit: &Visit, known: &Known) -> Markup {
    let lang = visit.lang;
    let mut steps: Vec<Step> = Vec::new();
    if let Some(history) = &known.history {
        for event in &history.events {
            let mut remark = event.source.as_str().to_owned();
            if let Some(currency) = event.currency {
                remark = format!(
                    "{remark} · {}",
                    money(i128::from(event.total.minor()), currency)
                );
            }
            if event.kind == OrderEventKind::Completed
                && event.person.is_some()
                && event.first_order
            {
                remark = format!("{remark} · {}", lang.pick("初回の注文", "first order"));
            }
            steps.push((
                event.received_at,
                event_word(event.kind, lang).to_owned(),
                Some(remark),
            ));
        }
        for mail in history
            .decisions
            .iter()
            .filter_map(|(_, mail)| mail.as_ref())
        {
            steps.extend(
                mail.mailed_at
                    .map(|at| (at, lang.pick("メールを送信", "Mail sent").to_owned(), None)),
            );
        }
    }
    if let Some(redemption) = &known.redemption {
        steps.extend(of_redemption(redemption, lang));
    }
    if let Some(unreconciled) = &known.unreconciled {
        steps.push((
            unreconciled.at,
            lang.pick("コードを照合できず", "A code could not be reconciled")
                .to_owned(),
            None,
        ));
    }
    steps.sort_by_key(|(at, _, _)| *at);
    html! {
        ol .timeline { @for (at, word, remark) in &steps {
            li { span { (word) } @if let Some(remark) = remark { div .note { bdi { (remark) } } } div .note { (time(*at, visit.zone(), lang)) } }
        } }
    }
}

fn of_redemption(redemption: &Redemption, lang: Lang) -> Vec<Step> {
    let mut steps = Vec::new();
    if let Some(redeemed) = &redemption.redeemed {
        let word = match redemption.status {
            RedemptionStatus::Held => lang.pick("コードを仮押さえ", "Codes held"),
            RedemptionStatus::Redeemed | RedemptionStatus::Lapsed | RedemptionStatus::Cancelled => {
                lang.pick("コードを利用", "Codes redeemed")
            }
        };
        steps.push((redeemed.redeemed_at, word.to_owned(), None));
        for back in &redemption.returns {
            let amount = money(i128::from(back.discount.minor()), redeemed.priced.currency);
            let remark = lang.pick(
                format!("割引 {amount} を戻し"),
                format!("{amount} of the discount came back"),
            );
            steps.push((
                back.returned_at,
                lang.pick("返品", "Return").to_owned(),
                Some(remark),
            ));
        }
    }
    steps.extend(redemption.cancelled_at.map(|at| {
        (
            at,
            lang.pick("利用を取消", "Redemption cancelled").to_owned(),
            None,
        )
    }));
    steps
}

fn decisions(visit: &Visit, history: Option<&OrderHistory>, names: &Names) -> Markup {
    let lang = visit.lang;
    let decisions = history
        .map(|history| history.decisions.as_slice())
        .unwrap_or_default();
    if decisions.is_empty() {
        return html! { p .muted { (lang.pick("この注文に適用されたフォローメールはありません", "No follow-up has dealt with this order")) } };
    }
    html! {
        div .table { table .stacked {
            thead { tr {
                th scope="col" { (lang.pick("フォローメール", "Follow-up")) }
                th scope="col" { (lang.pick("結果", "Outcome")) }
                th scope="col" { (lang.pick("配信予定・配信", "Due and sent")) }
            } }
            tbody { @for (marker, mail) in decisions { tr {
                th scope="row" { a href=(follow_ups::path(&marker.follow_up_id)) { bdi { (names.of(&marker.follow_up_id, lang)) } }
                    @if let Some(arm) = &marker.arm { div .note { bdi { (arm_word(arm, lang)) } } } }
                td data-label=(lang.pick("結果", "Outcome")) { div { (outcome(marker, mail.as_ref(), lang)) } }
                td data-label=(lang.pick("配信", "Sent")) { div { @match mail {
                    None => (crate::format::figure(None, lang)),
                    Some(mail) => {
                        div { (lang.pick("予定 ", "Due ")) (time(mail.due_at, visit.zone(), lang)) }
                        @if let Some(at) = mail.mailed_at { div { (lang.pick("配信 ", "Sent ")) (time(at, visit.zone(), lang)) } }
                        @else if mail.due_at > visit.now { div .note { (relative(mail.due_at, visit.now, lang)) } }
                    },
                } } }
            } } }
        } }
    }
}

fn arm_word(arm: &str, lang: Lang) -> String {
    if arm == shared::domain::follow_up::HOLDOUT {
        lang.pick("比較用グループ", "Hold-out").to_owned()
    } else {
        arm.to_owned()
    }
}

fn outcome(
    marker: &OrderMarker,
    mail: Option<&shared::domain::outbox::OutboxMail>,
    lang: Lang,
) -> Markup {
    match (&marker.outcome, mail) {
        (OrderOutcome::NoMail { reason }, _) => html! {
            (badge(Tone::Plain, "—", lang.pick("メールなし", "No mail")))
            div .note { (reasons::no_mail(*reason, lang)) }
        },
        (OrderOutcome::Mail { .. }, Some(mail)) => html! {
            (reasons::state_and_reason(mail, lang))
            div { a href=(mails::one::path(&mail.id)) { (lang.pick("メールを見る", "See the mail")) } }
        },
        (OrderOutcome::Mail { .. }, None) => html! { (crate::format::figure(None, lang)) },
    }
}

fn redemption(visit: &Visit, redemption: Option<&Redemption>) -> Markup {
    let lang = visit.lang;
    let none = html! { p .muted { (lang.pick("この注文ではコードは利用されていません", "This order redeemed no code")) } };
    let Some(redemption) = redemption else {
        return none;
    };
    let Some(redeemed) = &redemption.redeemed else {
        return html! { (status(redemption, visit)) (none) };
    };
    let currency = redeemed.priced.currency;
    let amount =
        |amount: shared::domain::money::Amount| money(i128::from(amount.minor()), currency);
    html! {
        (status(redemption, visit))
        ul .plain-list { @for code in &redeemed.codes { li {
            (code_ref(&code.code, lang)) " · " a href=(format!("/console/promotions/{}", code.promotion_id)) { (code.promotion_id) } " · "
            @match (code.discount, code.reason) {
                (Some(discount), _) => (amount(discount)),
                (None, Some(reason)) => (reason_words(reason, lang)),
                (None, None) => "—",
            }
        } } }
        (lines(redemption, redeemed, lang))
    }
}

fn status(redemption: &Redemption, visit: &Visit) -> Markup {
    let lang = visit.lang;
    let badge = match redemption.status {
        RedemptionStatus::Held => badge(
            Tone::Info,
            "◐",
            lang.pick("仮押さえ（決済待ち）", "Held (unpaid)"),
        ),
        RedemptionStatus::Redeemed => badge(Tone::Good, "●", lang.pick("利用済み", "Redeemed")),
        RedemptionStatus::Lapsed => badge(
            Tone::Plain,
            "■",
            lang.pick("仮押さえの期限切れ", "Hold lapsed"),
        ),
        RedemptionStatus::Cancelled => badge(Tone::Bad, "×", lang.pick("取消済み", "Cancelled")),
    };
    html! { p { (badge) @if let Some(until) = redemption.held_until { " " span .note { (lang.pick("期限 ", "until ")) (time(until, visit.zone(), lang)) } } } }
}

/// A code without its text.
fn code_ref(code: &CodeRef, lang: Lang) -> Markup {
    match code {
        CodeRef::Serial(serial) => {
            html! { (lang.pick("1回限りのコード No.", "Single-use code no. ")) (number(serial.get())) }
        }
        CodeRef::Word(_) => html! { (lang.pick("共通コード", "Shared code")) },
        CodeRef::Automatic => html! { (lang.pick("自動適用", "Applied by itself")) },
    }
}

fn lines(redemption: &Redemption, redeemed: &Redeemed, lang: Lang) -> Markup {
    let priced = &redeemed.priced;
    let amount =
        |amount: shared::domain::money::Amount| money(i128::from(amount.minor()), priced.currency);
    let returned = |line: usize| {
        let lines = redemption.returns.iter().flat_map(|back| &back.lines);
        lines
            .filter(|back| back.line == line)
            .fold(0_u64, |sum, back| sum.saturating_add(back.quantity))
    };
    html! {
        div .table { table .stacked {
            caption { (lang.pick("金額は ", "Amounts in ")) (priced.currency.code()) }
            thead { tr {
                th scope="col" { "SKU" }
                th .right scope="col" { (lang.pick("数量", "Quantity")) }
                th .right scope="col" { (lang.pick("返品", "Returned")) }
                th .right scope="col" { (lang.pick("小計", "Subtotal")) }
                th .right scope="col" { (lang.pick("割引", "Discount")) }
            } }
            tbody { @for (index, line) in priced.lines.iter().enumerate() { tr {
                th scope="row" { bdi { (line.sku.as_str()) } }
                td .right data-label=(lang.pick("数量", "Quantity")) { (number(line.quantity)) }
                td .right data-label=(lang.pick("返品", "Returned")) { (number(returned(index))) }
                td .right data-label=(lang.pick("小計", "Subtotal")) { (amount(line.subtotal)) }
                td .right data-label=(lang.pick("割引", "Discount")) { (amount(line.discount)) }
            } } }
            tfoot { tr {
                th scope="row" { (lang.pick("合計", "Total")) }
                td .right {} td .right {}
                td .right data-label=(lang.pick("小計", "Subtotal")) { (amount(priced.subtotal)) }
                td .right data-label=(lang.pick("割引", "Discount")) { (amount(priced.discount)) }
            } }
        } }
        p { (lang.pick("お支払い ", "To pay ")) strong { (amount(priced.total)) }
            @if priced.shipping_discount.minor() > 0 { " " span .note { (lang.pick("送料割引 ", "shipping discount ")) (amount(priced.shipping_discount)) } } }
    }
}
