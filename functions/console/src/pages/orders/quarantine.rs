//! Signed webhooks that could not be used: to look at, read again, or discard.

use axum::Router;
use axum::extract::{Path, State as Shared};
use axum::response::Response;
use axum::routing::{get, post};
use maud::{Markup, html};
use receive_order::quarantine::Reprocessed;
use serde::Deserialize;
use serde_json::Value;
use shared::store::Quarantined;

use super::{Tab, tabs};
use crate::State;
use crate::confirm::{Confirm, Gravity};
use crate::failure::Failure;
use crate::fields::Fields;
use crate::format::{day, figure, number, time};
use crate::frame::{Nav, Page, nothing_yet};
use crate::lang::Lang;
use crate::query::Lenient;
use crate::reasons::{mask_all, masked};
use crate::visit::Visit;

/// Most bodies that the list shows and one press reads again.
const MOST: usize = 100;
/// Longest body that is shown, in characters.
const MAX_SHOWN_CHARS: usize = 100_000;
const LIST: &str = "/console/orders/quarantine";

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route(LIST, get(list))
        .route(
            "/console/orders/quarantine/reprocess",
            get(ask_all).post(reprocess_all),
        )
        .route("/console/orders/quarantine/{id}", get(page))
        .route("/console/orders/quarantine/{id}/reprocess", post(reprocess))
        .route(
            "/console/orders/quarantine/{id}/discard",
            get(ask_discard).post(discard),
        )
}

/// Why a body is here, in words; the reader's own words are English.
fn why(reason: &str, lang: Lang) -> String {
    let ja = match reason {
        "no total in a known currency" => "合計金額または通貨を読み取れません",
        "no known currency" => "通貨を読み取れません",
        "no total" => "合計金額がありません",
        "the order's id is none" => "注文番号の形式が不正です",
        "the event is longer than a message of the queue" => "データが大きすぎます",
        "this version knows no such sender" => "このバージョンでは扱えない送信元です",
        "data is not an order event" => "注文イベントの形式ではありません",
        "not a Checkout Session" | "not a charge or dispute" => {
            "Stripeのイベントの形式が想定と異なります"
        }
        _ if reason.starts_with("not a JSON object") => "JSONの形式が想定と異なります",
        other => return lang.pick(format!("読み取れない内容です（{other}）"), other.to_owned()),
    };
    lang.pick(ja.to_owned(), reason.to_owned())
}

fn provider(scheme: &str, lang: Lang) -> &str {
    match scheme {
        "standard" => lang.pick("自社システム", "Own system"),
        "shopify" => "Shopify",
        "woocommerce" => "WooCommerce",
        "stripe" => "Stripe",
        other => other,
    }
}

async fn list(visit: Visit, Shared(state): Shared<State>) -> Result<Response, Failure> {
    let lang = visit.lang;
    let (mut found, mut more) = state.quarantine.glance(visit.now).await?;
    more |= found.len() > MOST;
    found.truncate(MOST);
    let actions = html! { @if !found.is_empty() {
        a .button .primary href=(format!("{LIST}/reprocess")) { (lang.pick("すべて再取り込みする", "Reprocess all shown")) }
    } };
    let body = html! {
        (tabs(Tab::Quarantine, lang))
        @if found.is_empty() {
            (nothing_yet(lang.pick("取り込みエラーはありません", "Nothing is in quarantine"), &html! {}))
        } @else {
            p .note { (lang.pick(
                "署名は正しいが内容を読み取れなかった通知です。設定を直してから再取り込みできます。30日で自動的に消えます。",
                "Signed notices that could not be read. Mend the settings, then reprocess. They go by themselves after 30 days.",
            )) }
            @if more { p .notice { (lang.pick(
                "件数が多いため一部だけを表示しています。残りは再取り込みまたは破棄のあとに表示されます。",
                "There are more than fit here; the rest shows once these are reprocessed or discarded.",
            )) } }
            div .table { table .stacked {
                caption { (lang.pick("新しい順", "The latest first")) }
                thead { tr {
                    th scope="col" { (lang.pick("受信", "Received")) }
                    th scope="col" { (lang.pick("送信元", "Provider")) }
                    th scope="col" { (lang.pick("理由", "Reason")) }
                    th .right scope="col" { (lang.pick("サイズ（バイト）", "Size (bytes)")) }
                    th scope="col" { (lang.pick("消える日", "Gone on")) }
                } }
                tbody { @for one in &found { (row(&visit, one)) } }
            } }
        }
    };
    Ok(Page::new(
        &visit,
        Nav::Orders,
        lang.pick("取り込みエラー", "Quarantine"),
    )
    .below_nav()
    .actions(actions)
    .render(&body))
}

fn row(visit: &Visit, one: &Quarantined) -> Markup {
    let lang = visit.lang;
    let gone = one.gone_at().with_timezone(&visit.zone()).date_naive();
    html! { tr {
        th scope="row" { a href=(format!("{LIST}/{}", one.id)) { (time(one.received_at, visit.zone(), lang)) } }
        td data-label=(lang.pick("送信元", "Provider")) { (provider(&one.scheme, lang)) }
        td data-label=(lang.pick("理由", "Reason")) { (why(&one.reason, lang)) }
        td .right data-label=(lang.pick("サイズ", "Size")) { (figure(one.size.map(number), lang)) }
        td data-label=(lang.pick("消える日", "Gone on")) { (day(gone, lang)) }
    } }
}

#[derive(Default, Deserialize)]
struct Asked {
    #[serde(default)]
    show: String,
}

async fn page(
    visit: Visit,
    Shared(state): Shared<State>,
    Path(id): Path<String>,
    Lenient(asked): Lenient<Asked>,
) -> Result<Response, Failure> {
    let lang = visit.lang;
    let found = state.quarantine.read(&id, visit.now).await?;
    let (about, body) = found.ok_or(Failure::NotFound)?;
    let open = asked.show == "all";
    let here = format!("{LIST}/{id}");
    let text = shown(&body, open);
    let markup = html! {
        div .columns {
            section .card {
                div .card-head { h2 { (lang.pick("受信した内容", "What was received")) }
                    @if open { a .button .small href=(here) { (lang.pick("個人情報を隠す", "Hide personal data")) } }
                    @else { a .button .small href=(format!("{here}?show=all")) { (lang.pick("個人情報を表示する", "Show personal data")) } }
                }
                @if !open { p .note { (lang.pick("氏名・住所・メールアドレスは伏せています", "Names and addresses are masked")) } }
                pre .body-text { (text) }
            }
            aside .stack { section .card {
                h2 { (lang.pick("この通知", "This notice")) }
                dl .facts {
                    dt { (lang.pick("理由", "Reason")) } dd { (why(&about.reason, lang)) }
                    dt { (lang.pick("送信元", "Provider")) } dd { (provider(&about.scheme, lang)) }
                    dt { (lang.pick("受信", "Received")) } dd { (time(about.received_at, visit.zone(), lang)) }
                    dt { (lang.pick("サイズ", "Size")) } dd { (number(u64::try_from(body.len()).unwrap_or(u64::MAX))) (lang.pick(" バイト", " bytes")) }
                    dt { (lang.pick("消える日", "Gone on")) } dd { (day(about.gone_at().with_timezone(&visit.zone()).date_naive(), lang)) }
                }
            } }
        }
    };
    let actions = html! {
        form method="post" action=(format!("{here}/reprocess")) { (visit.token_field()) button .button .primary type="submit" { (lang.pick("再取り込みする", "Reprocess")) } }
        a .button href=(format!("{here}/discard")) { (lang.pick("破棄する", "Discard")) }
    };
    Ok(Page::new(
        &visit,
        Nav::Orders,
        lang.pick("読み取れなかった通知", "A notice that could not be read"),
    )
    .crumb(LIST, lang.pick("取り込みエラー", "Quarantine"))
    .actions(actions)
    .render(&markup))
}

/// A body to be read by people: JSON laid out, and without what says who the buyer is unless that was asked for.
fn shown(body: &[u8], open: bool) -> String {
    let text = if let Ok(mut json) = serde_json::from_slice::<Value>(body) {
        if !open {
            mask(&mut json, false);
        }
        serde_json::to_string_pretty(&json).unwrap_or_default()
    } else {
        let text = String::from_utf8_lossy(body);
        if open {
            text.into_owned()
        } else {
            mask_all(&text)
        }
    };
    let short: String = text.chars().take(MAX_SHOWN_CHARS).collect();
    if short.len() < text.len() {
        format!("{short}…")
    } else {
        short
    }
}

/// What fields that say who somebody is are called, in part.
const PERSONAL: [&str; 14] = [
    "email", "name", "phone", "address", "company", "city", "zip", "postal", "postcode", "street",
    "province", "state", "line1", "line2",
];

/// Masks what says who somebody is: texts in fields named so, and addresses anywhere.
fn mask(json: &mut Value, personal: bool) {
    match json {
        Value::String(text) if text.contains('@') => *text = mask_all(text),
        Value::String(text) if personal && !text.is_empty() => "•••".clone_into(text),
        Value::Array(items) => items.iter_mut().for_each(|item| mask(item, personal)),
        Value::Object(fields) => {
            for (name, value) in fields.iter_mut() {
                let name = name.to_ascii_lowercase();
                let named = PERSONAL.iter().any(|part| name.contains(part));
                mask(value, named || personal);
            }
        }
        Value::Number(number) if personal => *json = Value::String(masked(&number.to_string())),
        Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null => {}
    }
}

fn outcome(done: Reprocessed, lang: Lang) -> String {
    match done {
        Reprocessed::Queued => lang
            .pick(
                "再取り込みしました。注文として処理されます。",
                "Reprocessed: it is on its way as an order.",
            )
            .to_owned(),
        Reprocessed::Uninteresting => lang
            .pick(
                "対象外の通知だったため、破棄しました。",
                "It says nothing that matters here, and is gone.",
            )
            .to_owned(),
        Reprocessed::Unusable(reason) => {
            let why = why(reason, lang);
            lang.pick(
                format!("まだ読み取れません：{why}"),
                format!("It still cannot be read: {why}"),
            )
        }
        Reprocessed::Gone => lang
            .pick(
                "すでに処理または破棄されています。",
                "It was reprocessed or discarded before.",
            )
            .to_owned(),
    }
}

async fn reprocess(
    visit: Visit,
    Shared(state): Shared<State>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let done = state
        .webhooks
        .reprocess(&state.quarantine, &id, visit.now)
        .await?;
    let there = match done {
        Reprocessed::Unusable(_) => format!("{LIST}/{id}"),
        Reprocessed::Queued | Reprocessed::Uninteresting | Reprocessed::Gone => LIST.to_owned(),
    };
    Ok(visit.done(&there, &outcome(done, visit.lang)))
}

fn all_question<'a>(visit: &Visit, ids: &[String]) -> Confirm<'a> {
    let lang = visit.lang;
    let count = ids.len();
    Confirm {
        nav: Nav::Orders,
        title: lang.pick("すべて再取り込み", "Reprocess all shown").to_owned(),
        consequences: vec![
            lang.pick(
                format!("{count}件を今の設定で読み直し、読み取れたものを注文として処理します。"),
                format!("{count} notices are read again with today's settings; those that can be read become orders."),
            ),
            lang.pick(
                "同じ注文が二重に数えられることはありません。読み取れないものは残ります。",
                "No order counts twice. Those that still cannot be read stay.",
            ).to_owned(),
        ],
        action: format!("{LIST}/reprocess"),
        verb: lang.pick("再取り込みする", "Reprocess"),
        back: LIST.to_owned(),
        gravity: Gravity::Reversible,
        carries: ids.iter().map(|id| ("id", id.clone())).collect(),
    }
}

async fn ask_all(visit: Visit, Shared(state): Shared<State>) -> Result<Response, Failure> {
    let (found, _) = state.quarantine.glance(visit.now).await?;
    let ids: Vec<String> = found.into_iter().take(MOST).map(|one| one.id).collect();
    Ok(all_question(&visit, &ids).page(&visit))
}

async fn reprocess_all(
    visit: Visit,
    Shared(state): Shared<State>,
    fields: Fields,
) -> Result<Response, Failure> {
    let lang = visit.lang;
    let (mut done, mut left) = (0_u64, 0_u64);
    for id in fields.all("id").take(MOST) {
        match state
            .webhooks
            .reprocess(&state.quarantine, id, visit.now)
            .await?
        {
            Reprocessed::Unusable(_) => left = left.saturating_add(1),
            Reprocessed::Queued | Reprocessed::Uninteresting | Reprocessed::Gone => {
                done = done.saturating_add(1);
            }
        }
    }
    let said = lang.pick(
        format!("{done}件を処理しました。{left}件はまだ読み取れません。"),
        format!("{done} are done, {left} still cannot be read."),
    );
    Ok(visit.done(LIST, &said))
}

fn discard_question<'a>(visit: &Visit, id: &str) -> Confirm<'a> {
    let lang = visit.lang;
    Confirm {
        nav: Nav::Orders,
        title: lang.pick("通知を破棄", "Discard this notice").to_owned(),
        consequences: vec![
            lang.pick(
                "この注文のお礼メールとコードの利用は記録されません。",
                "Its order earns no mail, and codes it used are not redeemed.",
            )
            .to_owned(),
            lang.pick("元に戻せません。", "This cannot be undone.")
                .to_owned(),
        ],
        action: format!("{LIST}/{id}/discard"),
        verb: lang.pick("破棄する", "Discard"),
        back: format!("{LIST}/{id}"),
        gravity: Gravity::Final,
        carries: Vec::new(),
    }
}

async fn ask_discard(
    visit: Visit,
    Shared(state): Shared<State>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    state
        .quarantine
        .read(&id, visit.now)
        .await?
        .ok_or(Failure::NotFound)?;
    Ok(discard_question(&visit, &id).page(&visit))
}

async fn discard(
    visit: Visit,
    Shared(state): Shared<State>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let gone = state.quarantine.discard(&id).await?;
    tracing::info!(quarantine.id = %id, by = visit.key.name, gone, "staff discarded a quarantined webhook");
    let said = visit.lang.pick("破棄しました。", "Discarded.");
    Ok(visit.done(LIST, said))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_the_buyer_is_is_masked_until_asked_for() {
        let body = r#"{"id":7,"email":"hanako@example.jp","customer":{"first_name":"花子","default_address":{"x":"港区","zip":"1050011"}},"note":"to a@b.jp","total":"12"}"#;
        let body = body.as_bytes();
        let hidden = shown(body, false);
        for personal in ["hanako", "花子", "港区", "1050011", "a@b.jp"] {
            assert!(!hidden.contains(personal), "{personal}: {hidden}");
        }
        assert!(
            hidden.contains("\"total\": \"12\"") && hidden.contains("h•••@example.jp"),
            "{hidden}"
        );
        assert!(shown(body, true).contains("hanako@example.jp"));
        assert_eq!(shown(b"not json a@b.jp", false), "not json a•••@b.jp");
    }
}
