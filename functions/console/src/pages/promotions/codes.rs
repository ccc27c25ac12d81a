//! A promotion's codes: batches, words, looking one up, issuing more.

use std::collections::HashMap;

use axum::Router;
use axum::extract::{Path, State as Shared};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use chrono::DateTime;
use http::{Method, StatusCode};
use maud::{Markup, html};
use serde_json::{Map, Value, json};
use shared::domain::channel::Channel;
use shared::domain::follow_up::random_symbols;
use shared::domain::promotion::{ClaimCode, Promotion, Status};
use shared::store::{Batch, GroupCode};

use super::csv::{part_path, parts_of};
use super::find;
use super::new::terms::Reader;
use super::one::Standing;
use super::parts::{Tab, path};
use crate::State;
use crate::api::{Call, text};
use crate::failure::Failure;
use crate::fields::Fields;
use crate::form::{Errors, Input, Place};
use crate::format::{end_text, figure, number, time};
use crate::frame::{Nav, Page};
use crate::lang::Lang;
use crate::visit::Visit;
use crate::words::{self, code_status};

/// Most codes whose use is counted for one page: a request for each 1,024 serials.
const COUNTED: u64 = 5_120;

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/console/promotions/{id}/codes", get(show).post(issue))
        .route("/console/codes/lookup", post(look_up).get(to_promotions))
}

async fn to_promotions() -> Redirect {
    Redirect::to("/console/promotions")
}

async fn show(
    Shared(state): Shared<State>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let fields = Fields::of([("once", random_symbols(24)), ("count", "100".to_owned())]);
    page(&state, &visit, id, &fields, &Errors::new()).await
}

/// The tab, with the form as it was filled in.
async fn page(
    state: &State,
    visit: &Visit,
    id: String,
    fields: &Fields,
    errors: &Errors,
) -> Result<Response, Failure> {
    let standing = Standing::read(state, visit, id).await?;
    let promotion = standing.known.promotion.as_ref();
    let lang = visit.lang;
    let content = match promotion.terms.claim_code {
        ClaimCode::None => html! { div .empty { p { (lang.pick(
            "このプロモーションはコードなしで自動的に適用されます。",
            "This promotion applies by itself and has no codes.",
        )) } } },
        ClaimCode::SingleUse => {
            let batches = state.store.batches(&promotion.id).await?;
            let used = used_of(state, promotion, &batches).await?;
            batch_table(promotion, &batches, &used, visit)
        }
        ClaimCode::Group => {
            let words = state.store.group_codes_of(&promotion.id).await?;
            word_table(promotion, &words, visit)
        }
    };
    let open = promotion.status_at(visit.now) != Status::Ended;
    let body = html! {
        (errors.summary(lang))
        div .columns {
            div .stack { (content) }
            div .stack {
                @if open { (issue_form(promotion, visit, fields, errors)) }
                @if promotion.terms.claim_code != ClaimCode::None { (lookup_form(visit, "")) }
            }
        }
    };
    if errors.is_empty() {
        return Ok(standing.page(visit, Tab::Codes, &body));
    }
    let mut response = standing.page(visit, Tab::Codes, &body);
    *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    Ok(response)
}

/// How many codes of each batch were used, as far as that can be counted quickly.
async fn used_of(
    state: &State,
    promotion: &Promotion,
    batches: &[Batch],
) -> Result<HashMap<String, u64>, Failure> {
    let mut used = HashMap::new();
    let mut counted: u64 = 0;
    // The newest first: they are what staff look for.
    for batch in batches.iter().rev() {
        counted = counted.saturating_add(batch.count);
        if counted > COUNTED {
            break;
        }
        let end = batch.first_serial.saturating_add(batch.count);
        let codes = state
            .store
            .minted_codes(&promotion.id, batches, batch.first_serial, end)
            .await?;
        let count = codes
            .iter()
            .filter(|code| {
                code.item
                    .as_ref()
                    .is_some_and(|item| item.order_id.is_some())
            })
            .count();
        used.insert(
            batch.batch_id.clone(),
            u64::try_from(count).unwrap_or(u64::MAX),
        );
    }
    Ok(used)
}

fn batch_table(
    promotion: &Promotion,
    batches: &[Batch],
    used: &HashMap<String, u64>,
    visit: &Visit,
) -> Markup {
    let lang = visit.lang;
    if batches.is_empty() {
        return html! { div .empty { p { (lang.pick(
            "まだコードがありません。枚数を決めて発行すると、CSVでダウンロードして配れます。",
            "No codes yet. Issue as many as you need, download them as CSV and hand them out.",
        )) } } };
    }
    let base = path(&promotion.id);
    let words = [
        lang.pick("発行日時", "Issued"),
        lang.pick("配布経路", "Channel"),
        lang.pick("枚数", "Codes"),
        lang.pick("利用済み", "Used"),
    ];
    html! {
        div .table { table .stacked {
            caption .hidden { (lang.pick("発行したコード", "Batches of codes")) }
            thead { tr { th scope="col" { (words[0]) } th scope="col" { (words[1]) } th .right scope="col" { (words[2]) }
                th .right scope="col" { (words[3]) } th scope="col" { span .hidden { (lang.pick("操作", "Actions")) } } } }
            tbody { @for batch in batches.iter().rev() { tr {
                th scope="row" { (time(batch.created_at, visit.zone(), lang))
                    @if batch.pending { " " (words::badge(words::Tone::Warning, "◐", lang.pick("作成中", "Being made"))) } }
                td data-label=(words[1]) { span { @match &batch.channel { Some(channel) => bdi { (channel.as_str()) }, None => (figure(None, lang)) } } }
                td .right data-label=(words[2]) { (number(batch.count)) }
                td .right data-label=(words[3]) { (figure(used.get(&batch.batch_id).map(|used| number(*used)), lang)) }
                td { @if !batch.pending { (batch_actions(&base, batch, lang)) } }
            } } }
        } }
        @if used.len() < batches.len() {
            p .note { (lang.pick(
                "「利用済み」は新しい順に合計5,120件まで数えています。それより前はCSVで確認できます。",
                "Used codes are counted for the newest 5,120; the CSV tells of earlier ones.",
            )) }
        }
    }
}

fn batch_actions(base: &str, batch: &Batch, lang: Lang) -> Markup {
    let parts = parts_of(batch.count);
    html! {
        div .row {
            @for part in 0..parts {
                a .button .small href=(part_path(base, &batch.batch_id, part)) download {
                    (lang.pick("CSVをダウンロード", "Download CSV")) @if parts > 1 { " " (part + 1) "/" (parts) }
                }
            }
            a .button .small href=(format!("{base}/batches/{}/void", batch.batch_id)) { (lang.pick("無効にする", "Void")) }
        }
    }
}

fn word_table(promotion: &Promotion, all: &[GroupCode], visit: &Visit) -> Markup {
    let lang = visit.lang;
    if all.is_empty() {
        return html! { div .empty { p { (lang.pick(
            "まだ共通コードがありません。覚えやすい言葉を決めて、インフルエンサーごとに渡せます。",
            "No shared codes yet. Choose a word for each influencer, easy to remember.",
        )) } } };
    }
    let over = promotion.status_at(visit.now) == Status::Ended;
    let words = [
        lang.pick("配布経路", "Channel"),
        lang.pick("状態", "Status"),
        lang.pick("利用上限", "Usage limit"),
        lang.pick("お一人様", "Per customer"),
    ];
    let limit = |limit: Option<u32>| {
        limit.map_or(lang.pick("なし", "None").to_owned(), |limit| {
            number(limit.into())
        })
    };
    html! {
        div .table { table .stacked {
            caption .hidden { (lang.pick("共通コード", "Shared codes")) }
            thead { tr { th scope="col" { (lang.pick("コード", "Code")) } th scope="col" { (words[0]) } th scope="col" { (words[1]) }
                th .right scope="col" { (words[2]) } th .right scope="col" { (words[3]) }
                th scope="col" { span .hidden { (lang.pick("操作", "Actions")) } } } }
            tbody { @for word in all {
                @let status = if word.voided { "voided" } else if over { "expired" } else { "works" };
                tr {
                    th scope="row" { span .code-box { code translate="no" { (word.code.as_str()) } (copy_button(word.code.as_str(), lang)) } }
                    td data-label=(words[0]) { span { @match &word.channel { Some(channel) => bdi { (channel.as_str()) }, None => (figure(None, lang)) } } }
                    td data-label=(words[1]) { span { (code_status(status, lang)) } }
                    td .right data-label=(words[2]) { (limit(word.limits.redemptions)) }
                    td .right data-label=(words[3]) { (limit(word.limits.per_customer)) }
                    td { @if status == "works" { (void_button(word.code.as_str(), visit, "small")) } }
                }
            } }
        } }
    }
}

/// A button that copies, which the script shows.
pub(crate) fn copy_button(text: &str, lang: Lang) -> Markup {
    html! {
        button .button .small type="button" data-copy=(text) data-copied=(lang.pick("コピーしました", "Copied")) hidden {
            (lang.pick("コピー", "Copy"))
        }
    }
}

fn void_button(code: &str, visit: &Visit, class: &str) -> Markup {
    html! {
        form method="post" action="/console/codes/void" {
            (visit.token_field())
            input type="hidden" name="code" value=(code);
            button .button .(class) type="submit" { (visit.lang.pick("無効にする", "Void code")) }
        }
    }
}

/// Any code, of whichever promotion, by what was typed; never by a link.
fn lookup_form(visit: &Visit, typed: &str) -> Markup {
    let lang = visit.lang;
    html! {
        form .card .form method="post" action="/console/codes/lookup" novalidate {
            h2 { (lang.pick("コードを照会する", "Look up a code")) }
            (visit.token_field())
            (Input::new("code", lang.pick("コード", "Code"), typed).autocomplete("off").render(&Errors::new(), lang))
            div { button .button type="submit" { (lang.pick("照会する", "Look up")) } }
        }
    }
}

async fn look_up(
    Shared(state): Shared<State>,
    visit: Visit,
    fields: Fields,
) -> Result<Response, Failure> {
    let (lang, typed) = (visit.lang, fields.get("code"));
    let title = lang.pick("コードの照会", "Look up a code");
    let page = Page::new(&visit, Nav::Promotions, title).below_nav();
    let called = state
        .api
        .post(&visit, "/v1/codes/lookup", json!({"code": typed}))
        .await;
    let facts = match called {
        Ok(facts) => facts,
        Err(refusal)
            if [StatusCode::NOT_FOUND, StatusCode::BAD_REQUEST].contains(&refusal.status) =>
        {
            return Ok(page.render(&html! {
                div .empty { p { (lang.pick("該当するコードは見つかりませんでした。", "There is no such code.")) } }
                div .narrow { (lookup_form(&visit, typed)) }
            }));
        }
        Err(refusal) => return Err(refusal.into()),
    };
    let id = text(&facts, "promotion_id").to_owned();
    let known = find(&state, &visit, id).await?;
    let body = facts_card(&facts, &known.promotion, &visit);
    Ok(page.render(&html! { (body) div .narrow { (lookup_form(&visit, "")) } }))
}

fn facts_card(facts: &Value, promotion: &Promotion, visit: &Visit) -> Markup {
    let lang = visit.lang;
    let text = |name: &str| facts.get(name).and_then(Value::as_str);
    let at = |name: &str| {
        text(name)
            .and_then(|at| DateTime::parse_from_rfc3339(at).ok())
            .map(|at| at.to_utc())
    };
    let code = text("code").unwrap_or_default();
    let status = text("status").unwrap_or_default();
    html! {
        section .card .narrow {
            div .card-head { h2 { code translate="no" { (code) } } (code_status(status, lang)) }
            dl .facts {
                dt { (lang.pick("プロモーション", "Promotion")) } dd { a href=(path(&promotion.id)) { bdi { (promotion.terms.name) } } }
                dt { (lang.pick("種類", "Kind")) } dd { (words::claim_code(promotion.terms.claim_code, lang)) }
                dt { (lang.pick("配布経路", "Channel")) } dd { bdi { (figure(text("channel").map(str::to_owned), lang)) } }
                @if let Some(order) = text("order_id") { dt { (lang.pick("注文番号", "Order")) } dd { code translate="no" { (order) } } }
                @if let Some(at) = at("redeemed_at") { dt { (lang.pick("利用日時", "Redeemed")) } dd { (time(at, visit.zone(), lang)) } }
                dt { (lang.pick("有効期限", "Valid until")) }
                dd { @match at("expires_at") { Some(at) => (end_text(at, visit.zone(), lang)), None => (lang.pick("期限なし", "No end")) } }
            }
            @if status == "unused" { (void_button(code, visit, "button")) }
        }
    }
}

/// The form that makes more codes.
fn issue_form(promotion: &Promotion, visit: &Visit, fields: &Fields, errors: &Errors) -> Markup {
    let lang = visit.lang;
    let channel = Input::new("channel", lang.pick("配布経路", "Channel"), fields.get("channel")).optional().autocomplete("off").hint(html! {
        (lang.pick("半角英数字と . _ / - 。例：", "Letters, digits and . _ / - such as ")) code { "influencer/hanako" }
    });
    let (title, verb, inputs) = match promotion.terms.claim_code {
        ClaimCode::None => return html! {},
        ClaimCode::SingleUse => (
            lang.pick("コードを発行する", "Issue codes"),
            lang.pick("コードを発行する", "Issue codes"),
            html! {
                (Input::new("count", lang.pick("枚数", "How many"), fields.get("count")).numeric().after(lang.pick("件", "codes")).render(errors, lang))
            },
        ),
        ClaimCode::Group => (
            lang.pick("共通コードを追加する", "Add a shared code"),
            lang.pick("共通コードを追加する", "Add shared code"),
            html! {
                (Input::new("code", lang.pick("コード", "Code"), fields.get("code")).class("middle").autocomplete("off").hint(html! {
                    (lang.pick("半角英数字3〜20文字（16文字を除く）。例：", "3 to 20 letters and digits, but not 16, such as ")) code { "HANAKO10" }
                }).render(errors, lang))
                (Input::new("redemptions", lang.pick("このコードの利用上限", "Usage limit of this code"), fields.get("redemptions"))
                    .numeric().optional().after(lang.pick("回", "orders")).render(errors, lang))
                (Input::new("per_customer", lang.pick("お一人様の上限", "Per customer"), fields.get("per_customer"))
                    .numeric().optional().after(lang.pick("回", "orders")).render(errors, lang))
            },
        ),
    };
    html! {
        form #issue .card .form method="post" action=(format!("{}/codes", path(&promotion.id))) novalidate {
            h2 { (title) }
            (visit.token_field())
            input type="hidden" name="once" value=(fields.get("once"));
            (inputs)
            (channel.render(errors, lang))
            div { button .button type="submit" { (verb) } }
        }
    }
}

/// Reads what the form asks for, as the API takes it.
pub(super) fn asked_for(
    promotion: &Promotion,
    fields: &Fields,
    visit: &Visit,
) -> Result<Value, Errors> {
    let mut reader = Reader::new(fields, promotion.terms.currency, visit);
    let mut body = Map::new();
    let channel = fields.get("channel");
    if !channel.is_empty() {
        if Channel::try_from(channel.to_owned()).is_err() {
            reader.wrong(
                "channel",
                "配布経路は半角英数字と . _ / - の64文字以内で入力してください",
                "A channel has at most 64 letters, digits and . _ / -",
            );
        }
        body.insert("channel".to_owned(), json!(channel));
    }
    if promotion.terms.claim_code == ClaimCode::Group {
        if fields.get("code").is_empty() {
            reader.wrong("code", "コードを入力してください", "Enter a code");
        }
        body.insert("code".to_owned(), json!(fields.get("code")));
        let limits = [
            ("redemptions", reader.limit("redemptions")),
            ("per_customer", reader.limit("per_customer")),
        ];
        let limits: Map<String, Value> = limits
            .into_iter()
            .filter_map(|(name, limit)| Some((name.to_owned(), json!(limit?))))
            .collect();
        if !limits.is_empty() {
            body.insert("limits".to_owned(), Value::Object(limits));
        }
    } else {
        match reader.whole("count") {
            Some(0) | None => reader.wrong(
                "count",
                "枚数は1以上の整数で入力してください",
                "Enter how many, 1 or more",
            ),
            Some(count) => {
                body.insert("count".to_owned(), json!(count));
            }
        }
    }
    let errors = reader.into_errors();
    if errors.is_empty() {
        Ok(Value::Object(body))
    } else {
        Err(errors)
    }
}

/// Has the API make the codes; what it refuses stands at the field.
pub(super) async fn add(
    state: &State,
    visit: &Visit,
    promotion: &Promotion,
    (body, once): (Value, &str),
) -> Result<Value, Errors> {
    let called = format!("/v1/promotions/{}/codes", promotion.id);
    let word = text(&body, "code").to_uppercase();
    let call = Call::new(Method::POST, &called).body(body).once(once);
    state.api.call(visit, call).await.map_err(|refusal| {
        let mut errors = Errors::new();
        if refusal.code == "code-taken" {
            let taken = visit.lang.pick(
                format!("{word}はすでに使われています。別の言葉にしてください"),
                format!("{word} is in use already. Choose another word"),
            );
            errors.add("code", taken);
        } else {
            errors.refused(&refusal, &PLACES, visit.lang);
        }
        errors
    })
}

const PLACES: [Place<'static>; 5] = [
    Place {
        pointer: "/code",
        field: "code",
        words: Some((
            "コードは半角英数字3〜20文字（16文字を除く）で入力してください",
            "A shared code has 3 to 20 letters and digits, but not 16",
        )),
    },
    Place {
        pointer: "/count",
        field: "count",
        words: Some(("この枚数は発行できません", "That many cannot be issued")),
    },
    Place {
        pointer: "/channel",
        field: "channel",
        words: None,
    },
    Place {
        pointer: "/limits/redemptions",
        field: "redemptions",
        words: None,
    },
    Place {
        pointer: "/limits/per_customer",
        field: "per_customer",
        words: None,
    },
];

async fn issue(
    Shared(state): Shared<State>,
    visit: Visit,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Failure> {
    let known = find(&state, &visit, id.clone()).await?;
    let promotion = known.promotion.as_ref();
    let made = match asked_for(promotion, &fields, &visit) {
        Ok(body) => add(&state, &visit, promotion, (body, fields.get("once"))).await,
        Err(errors) => Err(errors),
    };
    let lang = visit.lang;
    match made {
        Err(errors) => page(&state, &visit, id, &fields, &errors).await,
        Ok(made) => {
            let said = match made.get("count").and_then(Value::as_u64) {
                Some(count) => {
                    let count = number(count);
                    lang.pick(
                        format!("コードを{count}件発行しました。CSVをダウンロードして配れます。"),
                        format!("{count} codes issued. Download them as CSV to hand them out."),
                    )
                }
                None => lang
                    .pick("共通コードを追加しました。", "Shared code added.")
                    .to_owned(),
            };
            Ok(visit
                .done(&format!("{}/codes", path(&promotion.id)), &said)
                .into_response())
        }
    }
}
