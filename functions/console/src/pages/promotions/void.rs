//! Taking codes back for good: one, or a whole batch.

use axum::Router;
use axum::extract::{Path, State as Shared};
use axum::response::{Redirect, Response};
use axum::routing::{get, post};
use maud::html;
use serde_json::{Value, json};
use shared::store::{Batch, Known};

use super::find;
use super::parts::path;
use crate::State;
use crate::api::text;
use crate::confirm::{Confirm, Gravity};
use crate::failure::Failure;
use crate::fields::Fields;
use crate::format::number;
use crate::frame::{Nav, Page};
use crate::visit::Visit;

/// Codes that one request takes back. At 100 to a transaction that is 20 of them, well within a function's time.
const AT_ONCE: u64 = 2_000;
/// Codes that one call of the API takes.
const PER_CALL: usize = 1_000;

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route(
            "/console/codes/void",
            post(void_one).get(async || Redirect::to("/console/promotions")),
        )
        .route(
            "/console/promotions/{id}/batches/{batch}/void",
            get(ask_batch).post(void_batch),
        )
}

/// Asks, and does it when the question was answered. The code is only ever in forms.
async fn void_one(
    Shared(state): Shared<State>,
    visit: Visit,
    fields: Fields,
) -> Result<Response, Failure> {
    let lang = visit.lang;
    let code = fields.get("code");
    let facts = state
        .api
        .post(&visit, "/v1/codes/lookup", json!({"code": code}))
        .await?;
    let id = text(&facts, "promotion_id").to_owned();
    let known = find(&state, &visit, id).await?;
    let back = format!("{}/codes", path(&known.promotion.id));
    let canonical = text(&facts, "code");
    if fields.has("sure") {
        let answer = state
            .api
            .post(&visit, "/v1/codes/void", json!({"codes": [code]}))
            .await?;
        let done = answer
            .get("voided")
            .and_then(Value::as_array)
            .is_some_and(|voided| !voided.is_empty());
        let said = if done {
            lang.pick("コードを無効にしました。", "The code is void.")
        } else {
            lang.pick(
                "変更はありません。このコードは利用済みか、すでに無効です。",
                "Nothing changed: the code was used, or is void already.",
            )
        };
        return Ok(visit.done(&back, said));
    }
    let name = &known.promotion.terms.name;
    let confirm = Confirm {
        nav: Nav::Promotions,
        title: lang.pick(
            format!("コード「{canonical}」を無効にしますか"),
            format!("Void code “{canonical}”?"),
        ),
        consequences: vec![
            lang.pick(
                format!("「{name}」のこのコードは使えなくなります。"),
                format!("This code of “{name}” stops working."),
            ),
            lang.pick(
                "すでに注文で利用済みのコードは変わりません。元に戻せません。",
                "A code that an order has used stays with it. This cannot be undone.",
            )
            .to_owned(),
        ],
        action: "/console/codes/void".to_owned(),
        verb: lang.pick("無効にする", "Void code"),
        back,
        gravity: Gravity::Final,
        carries: vec![("code", code.to_owned()), ("sure", "yes".to_owned())],
    };
    Ok(confirm.page(&visit))
}

type BatchPath = Path<(String, String)>;

async fn batch_of(
    state: &State,
    visit: &Visit,
    (id, batch): (String, String),
) -> Result<(Known, Batch), Failure> {
    let known = find(state, visit, id).await?;
    let batches = state.store.batches(&known.promotion.id).await?;
    let batch = batches
        .into_iter()
        .find(|known| known.batch_id == batch && !known.pending);
    Ok((known, batch.ok_or(Failure::NotFound)?))
}

fn question(known: &Known, batch: &Batch, visit: &Visit, from: u64) -> Confirm<'static> {
    let lang = visit.lang;
    let (id, name, count) = (
        &known.promotion.id,
        &known.promotion.terms.name,
        number(batch.count),
    );
    let channel = batch
        .channel
        .as_ref()
        .map(|channel| channel.as_str().to_owned());
    let mut consequences = vec![lang.pick(
        format!("「{name}」のこの発行分{count}件のうち、まだ使われていないコードがすべて使えなくなります。"),
        format!("Of the {count} codes of this batch of “{name}”, all that are unused stop working."),
    )];
    consequences.extend(channel.map(|channel| {
        lang.pick(
            format!("配布経路：{channel}"),
            format!("Channel: {channel}"),
        )
    }));
    consequences.push(
        lang.pick(
            "すでに注文で利用済みのコードは変わりません。元に戻せません。",
            "Codes that orders have used stay with them. This cannot be undone.",
        )
        .to_owned(),
    );
    Confirm {
        nav: Nav::Promotions,
        title: lang.pick(
            format!("コード{count}件を無効にしますか"),
            format!("Void {count} codes?"),
        ),
        consequences,
        action: format!("{}/batches/{}/void", path(id), batch.batch_id),
        verb: lang.pick("すべて無効にする", "Void all of them"),
        back: format!("{}/codes", path(id)),
        gravity: Gravity::Mass(batch.count.to_string()),
        carries: vec![("from", from.to_string())],
    }
}

async fn ask_batch(
    Shared(state): Shared<State>,
    visit: Visit,
    Path(names): BatchPath,
) -> Result<Response, Failure> {
    let (known, batch) = batch_of(&state, &visit, names).await?;
    Ok(question(&known, &batch, &visit, 0).page(&visit))
}

async fn void_batch(
    Shared(state): Shared<State>,
    visit: Visit,
    Path(names): BatchPath,
    fields: Fields,
) -> Result<Response, Failure> {
    let (known, batch) = batch_of(&state, &visit, names).await?;
    let from: u64 = fields.get("from").parse().unwrap_or(0);
    let asked = question(&known, &batch, &visit, from);
    if !asked.is_confirmed(&fields) {
        return Ok(asked.mistyped(&visit, &fields));
    }
    let end = from.saturating_add(AT_ONCE).min(batch.count);
    void_some(&state, &visit, &known, &batch, (from, end)).await?;
    if end < batch.count {
        return Ok(go_on(&asked, &visit, &batch, end));
    }
    let said = visit.lang.pick(
        "この発行分の未使用コードをすべて無効にしました。",
        "All unused codes of the batch are void.",
    );
    Ok(visit.done(&asked.back, said))
}

/// Takes back what is unused among some codes of a batch.
async fn void_some(
    state: &State,
    visit: &Visit,
    known: &Known,
    batch: &Batch,
    (from, end): (u64, u64),
) -> Result<(), Failure> {
    let id = &known.promotion.id;
    let key = state.code_keys.of(&known.promotion).await?;
    let (first, behind) = (
        batch.first_serial.saturating_add(from),
        batch.first_serial.saturating_add(end),
    );
    let codes = state
        .store
        .minted_codes(id, std::slice::from_ref(batch), first, behind)
        .await?;
    let codes: Vec<String> = codes
        .into_iter()
        .map(|code| key.seal(code.serial).reveal())
        .collect();
    for some in codes.chunks(PER_CALL) {
        let _: Value = state
            .api
            .post(visit, "/v1/codes/void", json!({"codes": some}))
            .await?;
    }
    Ok(())
}

/// A large batch is taken back in several steps, each of which somebody asks for.
fn go_on(asked: &Confirm<'_>, visit: &Visit, batch: &Batch, done: u64) -> Response {
    let lang = visit.lang;
    let (so_far, all) = (number(done), number(batch.count));
    let body = html! {
        div .card .narrow {
            p { (lang.pick(
                format!("{all}件中{so_far}件まで処理しました。続けて残りを無効にします。"),
                format!("{so_far} of {all} are done. Go on with the rest."),
            )) }
            form method="post" action=(asked.action) {
                (visit.token_field())
                input type="hidden" name="from" value=(done);
                input type="hidden" name=(Confirm::TYPED) value=(batch.count);
                div .buttons {
                    button .button .danger type="submit" { (lang.pick("続ける", "Go on")) }
                    a .button href=(asked.back) { (lang.pick("ここで止める", "Stop here")) }
                }
            }
        }
    };
    Page::new(
        visit,
        Nav::Promotions,
        lang.pick("コードを無効にしています", "Voiding codes"),
    )
    .below_nav()
    .render(&body)
}
