//! A new promotion: choose its kind, fill in one form, look it over, create it.

mod form;
mod like;
mod price;
mod review;
pub(super) mod terms;
mod warnings;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State as Shared};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use http::Method;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;
use shared::domain::follow_up::random_symbols;
use shared::domain::money::Currency;
use shared::domain::promotion::{ClaimCode, KeyRef, Promotion, PromotionTerms};
use shared::domain::word_filter;

use super::codes::{add, asked_for};
use super::find;
use super::parts::path;
use crate::State;
use crate::api::{Call, text};
use crate::failure::Failure;
use crate::fields::Fields;
use crate::form::{Errors, Place};
use crate::frame::{Nav, Page};
use crate::query::Lenient;
use crate::visit::Visit;
use crate::words;
use like::{fields_like, kind_of};
use terms::Reader;

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/console/promotions/new", get(kinds))
        .route("/console/promotions/new/{kind}", get(begin).post(go_on))
        .route("/console/promotions/new/{kind}/price", post(priced))
        .route("/console/promotions/{id}/created", get(created))
}

/// The kinds of promotions as addresses name them, each with a title, an example and a sentence, in Japanese and English.
const KINDS: [(&str, [&str; 3], [&str; 3]); 5] = [
    (
        "percent_off",
        [
            "割引率",
            "10%OFF",
            "対象商品の合計から決まった割合を引きます。割引の上限額も決められます。",
        ],
        [
            "Percent off",
            "10% off",
            "A share of the eligible products, with a cap if you like.",
        ],
    ),
    (
        "amount_off",
        [
            "値引き額",
            "¥500引き",
            "対象商品の合計から決まった金額を引きます。",
        ],
        [
            "Amount off",
            "¥500 off",
            "A fixed amount off the eligible products.",
        ],
    ),
    (
        "tiered_percent_off",
        [
            "段階割引",
            "5%→10%→15%OFF",
            "購入金額が上がるほど割引率が上がります。",
        ],
        [
            "Tiered discount",
            "5% → 10% → 15% off",
            "The more they buy, the larger the share.",
        ],
    ),
    (
        "buy_x_get_y",
        [
            "まとめ買い割引",
            "2点購入で1点無料",
            "決まった点数を買うと、次の商品が割引や無料になります。",
        ],
        [
            "Buy X get Y",
            "Buy 2, get 1 free",
            "Whoever buys some gets others at a discount or free.",
        ],
    ),
    (
        "free_shipping",
        ["送料無料", "送料 ¥0", "送料だけを無料にします。"],
        [
            "Free shipping",
            "Shipping ¥0",
            "Takes off the shipping and nothing else.",
        ],
    ),
];

/// What a new promotion is to be like.
#[derive(Default, Deserialize)]
struct Like {
    #[serde(default)]
    from: String,
}

fn known_kind(kind: &str) -> Result<(&'static str, [&'static str; 3], [&'static str; 3]), Failure> {
    let found = KINDS.into_iter().find(|(known, ..)| *known == kind);
    found.ok_or(Failure::NotFound)
}

async fn kinds(
    Shared(state): Shared<State>,
    visit: Visit,
    Lenient(Like { from }): Lenient<Like>,
) -> Result<Response, Failure> {
    if !from.is_empty() {
        let known = find(&state, &visit, from).await?;
        let mut fields = fields_like(&known.promotion, &visit);
        begin_with(&mut fields);
        return Ok(form::page(
            &state,
            &visit,
            kind_of(&known.promotion.terms.benefit),
            &fields,
            &Errors::new(),
        ));
    }
    let earlier = state.store.list_promotions(None, 10).await?;
    Ok(kinds_page(&visit, &earlier.promotions))
}

fn kinds_page(visit: &Visit, earlier: &[Arc<Promotion>]) -> Response {
    let lang = visit.lang;
    let body = html! {
        p .muted { (lang.pick("割引の種類を選びます。", "Choose what buyers get.")) }
        ul .choice-cards {
            @for (kind, ja, en) in KINDS { @let [title, example, note] = lang.pick(ja, en);
                li { a href=(format!("/console/promotions/new/{kind}")) {
                    strong { (title) } span .example { (example) } span .note { (note) }
                } }
            }
        }
        @if !earlier.is_empty() {
            section .card .narrow {
                h2 { (lang.pick("以前のものを複製する", "Or duplicate an earlier one")) }
                table { caption .hidden { (lang.pick("最近のプロモーション", "Recent promotions")) } tbody { @for promotion in earlier { @let terms = &promotion.terms;
                    tr { th scope="row" { a href=(format!("/console/promotions/new?from={}", promotion.id)) { bdi { (terms.name) } } }
                        td { (words::benefit(&terms.benefit, terms.currency, lang)) }
                        td { (words::status(promotion.status_at(visit.now), lang)) } }
                } } }
            }
        }
    };
    Page::new(
        visit,
        Nav::Promotions,
        lang.pick("プロモーションを作成", "New promotion"),
    )
    .below_nav()
    .render(&body)
}

/// What every new form begins with: a name for its creation, so that sending it twice creates once, and a sample cart.
fn begin_with(fields: &mut Fields) {
    fields.set("once", random_symbols(24));
    for (name, value) in [
        ("cart_price_1", "2980"),
        ("cart_quantity_1", "2"),
        ("cart_price_2", "1200"),
        ("cart_quantity_2", "1"),
        ("cart_shipping", "500"),
        ("count", "100"),
    ] {
        fields.set(name, value);
    }
}

async fn begin(
    Shared(state): Shared<State>,
    visit: Visit,
    Path(kind): Path<String>,
) -> Result<Response, Failure> {
    let (kind, ..) = known_kind(&kind)?;
    let mut fields = Fields::of([
        ("currency", "JPY".to_owned()),
        ("products", "all".to_owned()),
        ("claim_code", "single_use".to_owned()),
        ("combinability", "exclusive".to_owned()),
        ("get_percent", "100".to_owned()),
    ]);
    begin_with(&mut fields);
    Ok(form::page(&state, &visit, kind, &fields, &Errors::new()))
}

/// The currency that a form names, or the yen.
fn currency_of(fields: &Fields) -> Option<Currency> {
    let code = fields.get("currency").to_ascii_uppercase();
    Currency::try_from(code).ok()
}

fn yen() -> Option<Currency> {
    Currency::try_from("JPY".to_owned()).ok()
}

/// A form's terms as the API takes them, or what is wrong with them.
fn body_of(kind: &str, fields: &Fields, visit: &Visit) -> Result<Value, Errors> {
    let Some(currency) = currency_of(fields) else {
        let mut errors = Errors::new();
        let text = visit.lang.pick("通貨を選んでください", "Choose a currency");
        errors.add("currency", text);
        return Err(errors);
    };
    let mut reader = Reader::new(fields, currency, visit);
    match reader.terms(kind) {
        Some(body) => Ok(body),
        None => Err(reader.into_errors()),
    }
}

/// The promotion that a form describes, as it would be if it were created now. It is stored nowhere.
fn draft(state: &State, visit: &Visit, body: &Value) -> Result<Promotion, Errors> {
    let wrong = |detail: &str| {
        let mut errors = Errors::new();
        let text = visit.lang.pick("入力内容を読み取れませんでした", detail);
        errors.add("", text);
        errors
    };
    let terms: PromotionTerms =
        serde_json::from_value(body.clone()).map_err(|error| wrong(&error.to_string()))?;
    let keys = KeyRef {
        salt: [0; 16],
        master_key_version: 1,
        word_list: word_filter::CURRENT,
    };
    let id = shared::domain::code::PromotionId::random();
    Ok(Promotion::new(id, terms, keys, visit.now, state.lead_time))
}

/// What else is wrong with a draft: the API's own rules, and those of its first codes.
fn faults(promotion: &Promotion, fields: &Fields, visit: &Visit) -> Errors {
    let mut errors = Errors::new();
    for fault in promotion.terms.faults() {
        let place = PLACES
            .iter()
            .find(|place| fault.pointer.starts_with(place.pointer));
        let field = place.map_or("", |place| place.field);
        let detail = visit.lang.pick(
            format!("この項目の内容を確認してください（{}）", fault.detail),
            fault.detail.clone(),
        );
        errors.add(field, detail);
    }
    if wants_codes(promotion, fields)
        && let Err(found) = asked_for(promotion, &code_fields(fields), visit)
    {
        for (field, message) in found.iter() {
            let field = if promotion.terms.claim_code == ClaimCode::Group && field == "code" {
                "word"
            } else {
                field
            };
            errors.add(field, message);
        }
    }
    errors
}

/// Whether codes are to be made right away.
fn wants_codes(promotion: &Promotion, fields: &Fields) -> bool {
    match promotion.terms.claim_code {
        ClaimCode::SingleUse => !fields.get("count").is_empty(),
        ClaimCode::Group => !fields.get("word").is_empty(),
        ClaimCode::None => false,
    }
}

/// The form's fields for its first codes, as the form that only makes codes names them.
fn code_fields(fields: &Fields) -> Fields {
    Fields::of([
        ("count", fields.get("count").to_owned()),
        ("code", fields.get("word").to_owned()),
        ("channel", fields.get("channel").to_owned()),
    ])
}

async fn go_on(
    Shared(state): Shared<State>,
    visit: Visit,
    Path(kind): Path<String>,
    fields: Fields,
) -> Result<Response, Failure> {
    let (kind, ..) = known_kind(&kind)?;
    let step = fields.get("step").to_owned();
    if step == "edit" || step == "price" {
        return Ok(form::page(&state, &visit, kind, &fields, &Errors::new()));
    }
    let read = body_of(kind, &fields, &visit).and_then(|body| {
        let promotion = draft(&state, &visit, &body)?;
        let errors = faults(&promotion, &fields, &visit);
        if errors.is_empty() {
            Ok((body, promotion))
        } else {
            Err(errors)
        }
    });
    let (body, promotion) = match read {
        Ok(read) => read,
        Err(errors) => return Ok(form::page(&state, &visit, kind, &fields, &errors)),
    };
    if let Some(errors) = word_taken(&state, &visit, &promotion, &fields).await? {
        return Ok(form::page(&state, &visit, kind, &fields, &errors));
    }
    if step != "create" {
        return review::page(&state, &visit, (kind, &promotion), &fields).await;
    }
    create(&state, &visit, (kind, body), &fields).await
}

/// Says so if the first word is in use already; of those that this form made before it says nothing.
async fn word_taken(
    state: &State,
    visit: &Visit,
    promotion: &Promotion,
    fields: &Fields,
) -> Result<Option<Errors>, Failure> {
    let word = fields.get("word");
    if promotion.terms.claim_code != ClaimCode::Group
        || word.is_empty()
        || fields.get("step") == "create"
    {
        return Ok(None);
    }
    let lang = visit.lang;
    let mut errors = Errors::new();
    match shared::domain::code::GroupWord::try_from(word.to_owned()) {
        Err(_) => errors.add(
            "word",
            lang.pick(
                "コードは半角英数字3〜20文字（16文字を除く）で入力してください",
                "A shared code has 3 to 20 letters and digits, but not 16",
            ),
        ),
        Ok(word) => {
            let found = state
                .store
                .group_code(&word.folded(), shared::store::Freshness::Now, visit.now)
                .await?;
            if found.is_some() {
                let word = word.as_str();
                let taken = lang.pick(
                    format!("{word}はすでに使われています。別の言葉にしてください"),
                    format!("{word} is in use already. Choose another word"),
                );
                errors.add("word", taken);
            }
        }
    }
    Ok((!errors.is_empty()).then_some(errors))
}

/// Creates it, and its first codes. The form's own name makes the same form, sent again, find what it made.
async fn create(
    state: &State,
    visit: &Visit,
    (kind, body): (&'static str, Value),
    fields: &Fields,
) -> Result<Response, Failure> {
    let once = fields.get("once");
    let call = Call::new(Method::POST, "/v1/promotions")
        .body(body)
        .once(once);
    let made = match state.api.call(visit, call).await {
        Ok(made) => made,
        Err(refusal) => {
            let mut errors = Errors::new();
            errors.refused(&refusal, &PLACES, visit.lang);
            return Ok(form::page(state, visit, kind, fields, &errors));
        }
    };
    let id = text(&made, "id").to_owned();
    let known = find(state, visit, id).await?;
    let promotion = known.promotion.as_ref();
    let done = format!("{}/created", path(&promotion.id));
    if wants_codes(promotion, fields)
        && let Ok(body) = asked_for(promotion, &code_fields(fields), visit)
        && let Err(errors) = add(state, visit, promotion, (body, &format!("{once}-codes"))).await
    {
        let why: Vec<&str> = errors.iter().map(|(_, message)| message).collect();
        let why = why.join(" ");
        let said = visit.lang.pick(
            format!("プロモーションは作成しましたが、コードは作成できませんでした：{why}"),
            format!("The promotion was created, but not its codes: {why}"),
        );
        return Ok(visit.done(&format!("{}/codes", path(&promotion.id)), &said));
    }
    Ok(visit.done(
        &done,
        visit
            .lang
            .pick("プロモーションを作成しました。", "Promotion created."),
    ))
}

/// Which field a value of the terms stands in.
pub(super) const PLACES: [Place<'static>; 14] = [
    place("/name", "name"),
    place("/currency", "currency"),
    place("/benefit/percent", "percent"),
    place("/benefit/max_discount", "max_discount"),
    place("/benefit/amount", "amount"),
    place("/benefit/tiers", "tier_min_1"),
    place("/benefit/get_products", "get_skus"),
    place("/products/include", "skus"),
    place("/products/exclude", "exclude_skus"),
    place("/ends_at", "ends"),
    place("/claim_code", "claim_code"),
    place("/limits/budget", "budget"),
    place("/limits/redemptions", "redemptions"),
    place("/limits/units_per_order", "units_per_order"),
];

const fn place(pointer: &'static str, field: &'static str) -> Place<'static> {
    Place {
        pointer,
        field,
        words: None,
    }
}

/// The price preview alone, for the script that renews it while somebody types.
async fn priced(
    Shared(state): Shared<State>,
    visit: Visit,
    Path(kind): Path<String>,
    fields: Fields,
) -> Result<Response, Failure> {
    let (kind, ..) = known_kind(&kind)?;
    let markup = preview(&state, &visit, kind, &fields);
    Ok(Html(markup.into_string()).into_response())
}

/// What stands beside the form: terms in words, the sample cart's price, warnings.
fn preview(state: &State, visit: &Visit, kind: &str, fields: &Fields) -> Markup {
    let draft = body_of(kind, fields, visit).and_then(|body| draft(state, visit, &body));
    price::markup(visit, draft, fields)
}

async fn created(
    Shared(state): Shared<State>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let known = find(&state, &visit, id).await?;
    Ok(review::done(&visit, &known))
}
