//! Changing a promotion's name, end and limits.

use axum::Router;
use axum::extract::{Path, State as Shared};
use axum::response::Response;
use axum::routing::get;
use http::Method;
use maud::html;
use serde_json::{Map, Value, json};
use shared::domain::promotion::{Limits, Promotion};

use super::find;
use super::new::terms::{Reader, last_day, sign};
use super::parts::path;
use crate::State;
use crate::api::Call;
use crate::failure::Failure;
use crate::fields::Fields;
use crate::figures::{Spent, spent};
use crate::form::{Errors, Input, Place};
use crate::format::{money, number};
use crate::frame::{Nav, Page};
use crate::visit::Visit;

pub(super) fn routes() -> Router<State> {
    Router::new().route("/console/promotions/{id}/edit", get(ask).post(change))
}

/// The fields as the promotion stands.
fn fields_of(promotion: &Promotion, visit: &Visit) -> Fields {
    let terms = &promotion.terms;
    let (day, time) = last_day(terms.ends_at, visit.zone());
    let plain = |amount: u64| super::new::terms::decimal(amount, terms.currency);
    let text = |limit: Option<u32>| limit.map(|limit| limit.to_string()).unwrap_or_default();
    Fields::of([
        ("name", terms.name.clone()),
        ("ends", day),
        ("ends_time", time),
        (
            "budget",
            terms
                .limits
                .budget
                .map(|budget| plain(budget.minor()))
                .unwrap_or_default(),
        ),
        ("redemptions", text(terms.limits.redemptions)),
        ("per_customer", text(terms.limits.per_customer)),
        ("version", promotion.version.to_string()),
    ])
}

async fn ask(
    Shared(state): Shared<State>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let known = find(&state, &visit, id).await?;
    let promotion = known.promotion.as_ref();
    let spent = spent(&state, &[promotion])
        .await?
        .remove(&promotion.id)
        .unwrap_or_default();
    Ok(form(
        promotion,
        spent,
        &visit,
        &fields_of(promotion, &visit),
        &Errors::new(),
    ))
}

fn form(
    promotion: &Promotion,
    spent: Spent,
    visit: &Visit,
    fields: &Fields,
    errors: &Errors,
) -> Response {
    let lang = visit.lang;
    let limits = promotion.terms.limits;
    let begun = promotion.effective_at <= visit.now;
    let body = html! {
        (errors.summary(lang))
        form .form method="post" action=(format!("{}/edit", path(&promotion.id))) novalidate {
            (visit.token_field())
            input type="hidden" name="version" value=(fields.get("version"));
            section .card .form-section {
                h2 { (lang.pick("名前と終了", "Name and end")) }
                (Input::new("name", lang.pick("名前", "Name"), fields.get("name")).maxlength(200).render(errors, lang))
                div .row {
                    (Input::new("ends", lang.pick("終了日", "Last day"), fields.get("ends")).kind("date").optional()
                        .hint(html! { (lang.pick("空にすると終了日なしになります。", "Leave it empty for no end.")) }).render(errors, lang))
                    (Input::new("ends_time", lang.pick("終了時刻", "Until"), fields.get("ends_time")).kind("time").optional()
                        .hint(html! { (lang.pick("空なら23:59まで", "Empty means 23:59")) }).render(errors, lang))
                }
            }
            section .card .form-section {
                h2 { (lang.pick("上限", "Limits")) }
                @if begun { p .note { (lang.pick(
                    "開始後は、すでにある上限の値だけを変更できます。上限の追加と削除はできません。",
                    "After the start only limits that exist can be changed; none can be added or removed.",
                )) } }
                @if !begun || limits.budget.is_some() {
                    (Input::new("budget", lang.pick("予算（割引総額の上限）", "Budget"), fields.get("budget")).numeric()
                        .before(sign(promotion.terms.currency))
                        .hint(html! { (lang.pick("利用済み：", "Used so far: ")) (money(spent.amount.into(), promotion.terms.currency)) }).render(errors, lang))
                }
                @if !begun || limits.redemptions.is_some() {
                    (Input::new("redemptions", lang.pick("利用上限", "Usage limit"), fields.get("redemptions")).numeric()
                        .after(lang.pick("回", "orders"))
                        .hint(html! { (lang.pick("利用済み：", "Used so far: ")) (number(spent.uses)) }).render(errors, lang))
                }
                @if !begun || limits.per_customer.is_some() {
                    (Input::new("per_customer", lang.pick("お一人様の上限", "Per customer"), fields.get("per_customer")).numeric()
                        .after(lang.pick("回", "orders")).render(errors, lang))
                }
                @if begun && limits.budget.is_none() && limits.redemptions.is_none() && limits.per_customer.is_none() {
                    p { (lang.pick("このプロモーションに上限はありません。", "This promotion has no limits.")) }
                }
            }
            div .buttons {
                button .button .primary type="submit" { (lang.pick("変更を保存する", "Save changes")) }
                a .button href=(path(&promotion.id)) { (lang.pick("戻る", "Go back")) }
            }
        }
    };
    let title = lang.pick("名前・期間・上限の変更", "Change name, end, limits");
    Page::new(visit, Nav::Promotions, title)
        .crumb(path(&promotion.id), promotion.terms.name.clone())
        .errors(errors.len())
        .render(&body)
}

async fn change(
    Shared(state): Shared<State>,
    visit: Visit,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Failure> {
    let known = find(&state, &visit, id).await?;
    let promotion = known.promotion.as_ref();
    let spent = spent(&state, &[promotion])
        .await?
        .remove(&promotion.id)
        .unwrap_or_default();
    let mut reader = Reader::new(&fields, promotion.terms.currency, &visit);
    let body = changes(promotion, &mut reader);
    let mut errors = reader.into_errors();
    if !errors.is_empty() {
        return Ok(form(promotion, spent, &visit, &fields, &errors));
    }
    let called = format!("/v1/promotions/{}", promotion.id);
    let call = Call::new(Method::PATCH, &called).body(body);
    match state.api.call(&visit, call).await {
        Ok(_) => Ok(visit.done(
            &path(&promotion.id),
            visit.lang.pick("変更を保存しました。", "Saved."),
        )),
        Err(refusal) => {
            let budget = money(spent.amount.into(), promotion.terms.currency);
            let least = (
                format!("予算は利用済みの {budget} 以上にしてください"),
                format!("The budget must be at least the {budget} that are used"),
            );
            errors.refused(&refusal, &places((&least.0, &least.1)), visit.lang);
            Ok(form(promotion, spent, &visit, &fields, &errors))
        }
    }
}

/// What the form changes, as the API takes it: only what is another than before.
fn changes(promotion: &Promotion, reader: &mut Reader<'_>) -> Value {
    let terms = &promotion.terms;
    let mut body = Map::new();
    body.insert(
        "version".to_owned(),
        json!(reader.whole("version").unwrap_or(0)),
    );
    if let Some(name) = reader.name() {
        body.insert("name".to_owned(), json!(name));
    }
    let ends_at = reader.end();
    if ends_at != terms.ends_at {
        body.insert("ends_at".to_owned(), json!(ends_at));
    }
    let seen = terms.limits;
    let new = Limits {
        budget: reader.amount("budget"),
        redemptions: reader.limit("redemptions"),
        per_customer: reader.limit("per_customer"),
        ..seen
    };
    let mut limits = Map::new();
    let mut note = |name: &str, same: bool, value: Value| {
        if !same {
            limits.insert(name.to_owned(), value);
        }
    };
    note("budget", new.budget == seen.budget, json!(new.budget));
    note(
        "redemptions",
        new.redemptions == seen.redemptions,
        json!(new.redemptions),
    );
    note(
        "per_customer",
        new.per_customer == seen.per_customer,
        json!(new.per_customer),
    );
    if !limits.is_empty() {
        body.insert("limits".to_owned(), Value::Object(limits));
    }
    Value::Object(body)
}

fn places<'a>(budget: (&'a str, &'a str)) -> [Place<'a>; 5] {
    let place = |pointer, field, words| Place {
        pointer,
        field,
        words,
    };
    [
        place("/name", "name", None),
        place(
            "/ends_at",
            "ends",
            Some((
                "終了日時は開始日時より後にしてください",
                "The end must be later than the start",
            )),
        ),
        place("/limits/budget", "budget", Some(budget)),
        place(
            "/limits/redemptions",
            "redemptions",
            Some((
                "利用上限はこれまでの利用回数以上にしてください",
                "The usage limit must be at least what is used",
            )),
        ),
        place("/limits/per_customer", "per_customer", None),
    ]
}
