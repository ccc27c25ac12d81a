//! Follow-ups: the list, one with its rule, mail and switches.

mod editor;
mod form;
mod mail;
mod results;
mod rule;

use std::collections::HashMap;

use axum::Router;
use axum::extract::{Path, State as Shared};
use axum::response::Response;
use axum::routing::get;
use http::Method;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;
use shared::domain::experiment::Verdict;
use shared::domain::follow_up::{Arm, FollowUp, FollowUpId, FollowUpStatus};

use crate::State;
use crate::api::Call;
use crate::confirm::{Confirm, Gravity};
use crate::failure::Failure;
use crate::fields::Fields;
use crate::format::{figure, number, percent};
use crate::frame::{Nav, Page, nothing_yet, views};
use crate::lang::Lang;
use crate::pages::mails::sender_banner;
use crate::query::Lenient;
use crate::visit::Visit;
use crate::words::{Tone, badge};

pub(crate) fn routes() -> Router<State> {
    Router::new()
        .route("/console/follow-ups", get(list))
        .route("/console/follow-ups/{id}", get(page))
        .route("/console/follow-ups/{id}/pause", get(ask_pause).post(pause))
        .route(
            "/console/follow-ups/{id}/resume",
            get(ask_resume).post(resume),
        )
        .route(
            "/console/follow-ups/{id}/delete",
            get(ask_delete).post(delete),
        )
        .merge(editor::routes())
        .merge(mail::routes())
        .merge(results::routes())
}

/// The page of a follow-up.
pub(crate) fn path(id: &FollowUpId) -> String {
    format!("/console/follow-ups/{id}")
}

/// What follow-ups are called, for lists that name them.
pub(crate) struct Names(HashMap<FollowUpId, String>);

impl Names {
    /// Reads the names of all that are not deleted.
    pub(crate) async fn read(state: &State) -> Result<Self, Failure> {
        let all = state.store.follow_ups().await?;
        let named = all
            .into_iter()
            .map(|follow_up| (follow_up.id, follow_up.terms.name));
        Ok(Self(named.collect()))
    }

    /// The name of one; a deleted one is told by its id.
    pub(crate) fn of(&self, id: &FollowUpId, lang: Lang) -> String {
        let deleted = || lang.pick(format!("削除済み（{id}）"), format!("Deleted ({id})"));
        self.0.get(id).cloned().unwrap_or_else(deleted)
    }
}

/// The follow-up that a path names.
async fn find(state: &State, id: String) -> Result<FollowUp, Failure> {
    let id = FollowUpId::try_from(id).map_err(|_| Failure::NotFound)?;
    state.store.follow_up(&id).await?.ok_or(Failure::NotFound)
}

fn status(follow_up: &FollowUp, lang: Lang) -> Markup {
    match follow_up.status {
        FollowUpStatus::Active => badge(Tone::Good, "●", lang.pick("配信中", "Active")),
        FollowUpStatus::Paused => badge(Tone::Warning, "‖", lang.pick("一時停止中", "Paused")),
    }
}

async fn list(visit: Visit, Shared(state): Shared<State>) -> Result<Response, Failure> {
    let lang = visit.lang;
    let follow_ups = state.store.follow_ups().await?;
    let mut rows = Vec::new();
    for follow_up in &follow_ups {
        rows.push((follow_up, results::of(&state, follow_up).await?));
    }
    let create = html! { a .button .primary href="/console/follow-ups/new" { (lang.pick("フォローメールを作成する", "Create follow-up")) } };
    let body = html! {
        (sender_banner(&visit))
        @if rows.is_empty() {
            (nothing_yet(lang.pick("購入後に自動でお礼メールを送れます", "Thank buyers by mail after each order, by itself"), &create))
        } @else {
            div .table { table .stacked {
                caption { (lang.pick("数字は現在の比較が始まってからの合計です", "Figures since the present experiment began")) }
                thead { tr {
                    th scope="col" { (lang.pick("名前", "Name")) }
                    th scope="col" { (lang.pick("状態", "State")) }
                    th .right scope="col" { (lang.pick("対象人数", "Assigned")) }
                    th .right scope="col" { (lang.pick("到達数", "Delivered")) }
                    th .right scope="col" { (lang.pick("利用回数", "Redeemed")) }
                    th .right scope="col" { (lang.pick("リピート購入率", "Repeat rate")) }
                    th scope="col" { (lang.pick("判定", "Verdict")) }
                } }
                tbody { @for (follow_up, arms) in &rows { (row(follow_up, arms, lang)) } }
            } }
        }
    };
    let actions = html! { @if !rows.is_empty() { (create) } };
    Ok(Page::new(&visit, Nav::FollowUps, Nav::FollowUps.word(lang))
        .actions(actions)
        .render(&body))
}

fn row(follow_up: &FollowUp, arms: &[results::ArmResults], lang: Lang) -> Markup {
    let sum = |value: fn(&results::ArmResults) -> u64| -> u64 {
        let mailed = arms.iter().filter(|arm| !arm.holdout);
        mailed.map(value).fold(0, u64::saturating_add)
    };
    let assigned = sum(|arm| arm.assigned);
    let rate = percent(
        i128::from(sum(|arm| arm.repeat_buyers)),
        i128::from(assigned),
    );
    html! {
        tr {
            th scope="row" { a href=(path(&follow_up.id)) { bdi { (follow_up.terms.name) } }
                div .note { (rule::short(&follow_up.terms, lang)) } }
            td data-label=(lang.pick("状態", "State")) { (status(follow_up, lang)) }
            td .right data-label=(lang.pick("対象人数", "Assigned")) { (number(assigned)) }
            td .right data-label=(lang.pick("到達数", "Delivered")) { (number(sum(|arm| arm.delivered))) }
            td .right data-label=(lang.pick("利用回数", "Redeemed")) { (number(sum(|arm| arm.redeemed))) }
            td .right data-label=(lang.pick("リピート購入率", "Repeat rate")) { (figure(rate, lang)) }
            td data-label=(lang.pick("判定", "Verdict")) { (verdict(arms, lang)) }
        }
    }
}

/// The verdict of a whole follow-up: that of its most telling variant.
fn verdict(arms: &[results::ArmResults], lang: Lang) -> Markup {
    let told = |verdict| arms.iter().any(|arm| arm.verdict == verdict);
    let verdict = [Verdict::Better, Verdict::Worse, Verdict::NoDifferenceSeen]
        .into_iter()
        .find(|verdict| told(*verdict));
    results::verdict_badge(verdict.unwrap_or(Verdict::NotEnoughData), lang)
}

#[derive(Default, Deserialize)]
struct Asked {
    #[serde(default)]
    mail: String,
    #[serde(default)]
    arm: usize,
    #[serde(default)]
    width: String,
    test: Option<String>,
}

/// The tabs of a follow-up's page.
fn tabs(id: &FollowUpId, results: bool, lang: Lang) -> Markup {
    let here = path(id);
    views(
        lang.pick("フォローメールの表示", "Parts of the follow-up"),
        &[
            (
                here.clone(),
                lang.pick("内容", "Rule and mail").to_owned(),
                None,
                !results,
            ),
            (
                format!("{here}/results"),
                lang.pick("実績", "Results").to_owned(),
                None,
                results,
            ),
        ],
    )
}

/// A follow-up's page, whichever tab.
fn framed<'a>(visit: &'a Visit, follow_up: &FollowUp) -> Page<'a> {
    let lang = visit.lang;
    let here = path(&follow_up.id);
    let actions = html! {
        @match follow_up.status {
            FollowUpStatus::Active => a .button href=(format!("{here}/pause")) { (lang.pick("一時停止する", "Pause")) },
            FollowUpStatus::Paused => a .button .primary href=(format!("{here}/resume")) { (lang.pick("再開する", "Resume")) },
        }
        a .button href=(format!("{here}/edit")) { (lang.pick("編集する", "Edit")) }
        details .menu {
            summary .button { (lang.pick("その他", "More")) }
            ul .menu-items { li { a .danger-text href=(format!("{here}/delete")) { (lang.pick("削除する", "Delete")) } } }
        }
    };
    Page::new(visit, Nav::FollowUps, follow_up.terms.name.clone())
        .below_nav()
        .beside(status(follow_up, lang))
        .actions(actions)
}

async fn page(
    visit: Visit,
    Shared(state): Shared<State>,
    Path(id): Path<String>,
    Lenient(asked): Lenient<Asked>,
) -> Result<Response, Failure> {
    let lang = visit.lang;
    let follow_up = find(&state, id).await?;
    let currency = state.store.currency_of(&follow_up, visit.now).await?;
    let body = html! {
        (sender_banner(&visit))
        (tabs(&follow_up.id, false, lang))
        div .columns {
            div .stack {
                section .card {
                    h2 { (lang.pick("ルール", "Rule")) }
                    p .lead { (rule::sentence(&follow_up.terms, currency, lang)) }
                    ul .terms { @for line in rule::lines(&follow_up.terms, lang) { li { (line) } } }
                }
                section .card {
                    h2 { (lang.pick("配信パターン", "Arms")) }
                    (arms(&follow_up, lang))
                }
                (mail::preview(&visit, &state, &follow_up, &asked).await)
            }
            aside .stack { (mail::test_card(&visit, &state, &follow_up, asked.test.as_deref()).await) (from(&visit, &follow_up)) }
        }
    };
    Ok(framed(&visit, &follow_up).render(&body))
}

fn arms(follow_up: &FollowUp, lang: Lang) -> Markup {
    let arms = follow_up.terms.arms();
    let whole: u64 = arms
        .iter()
        .map(|(_, weight)| weight)
        .fold(0, |sum, weight| sum.saturating_add(*weight));
    html! {
        div .table { table .stacked {
            thead { tr {
                th scope="col" { (lang.pick("配信パターン", "Arm")) }
                th scope="col" { (lang.pick("プロモーション", "Promotion")) }
                th scope="col" { (lang.pick("配信時期", "Sent")) }
                th .right scope="col" { (lang.pick("割合", "Share")) }
            } }
            tbody { @for (arm, weight) in &arms {
                tr {
                    @match arm {
                        Arm::Holdout => {
                            th scope="row" { (lang.pick("比較用グループ（配信なし）", "Hold-out")) }
                            td data-label=(lang.pick("プロモーション", "Promotion")) { "—" }
                            td data-label=(lang.pick("配信時期", "Sent")) { (lang.pick("送らない", "Nothing")) }
                        },
                        Arm::Variant(variant) => {
                            th scope="row" { bdi { (variant.name) } }
                            td data-label=(lang.pick("プロモーション", "Promotion")) { a href=(format!("/console/promotions/{}", variant.promotion_id)) { (variant.promotion_id) } }
                            td data-label=(lang.pick("配信時期", "Sent")) { (rule::after(variant.delay, lang)) }
                        },
                    }
                    td .right data-label=(lang.pick("割合", "Share")) { (figure(percent(i128::from(*weight), i128::from(whole)), lang)) }
                }
            } }
        } }
    }
}

/// Who the mails are from.
fn from(visit: &Visit, follow_up: &FollowUp) -> Markup {
    let lang = visit.lang;
    let mail = &follow_up.terms.mail;
    html! {
        section .card {
            h2 { (lang.pick("差出人", "Sender")) }
            dl .facts {
                dt { "From" } dd { bdi { (mail.from) } }
                @match visit.shop.sender_of(mail) {
                    Some(sender) => {
                        dt { (lang.pick("名称", "Name")) } dd { bdi { (sender.name) } }
                        dt { (lang.pick("住所", "Address")) } dd { bdi { (sender.address) } }
                        dt { (lang.pick("連絡先", "Contact")) } dd { bdi { (sender.contact) } }
                    },
                    None => { dt { (lang.pick("差出人情報", "Details")) } dd { (lang.pick("未設定", "Not set")) } },
                }
            }
        }
    }
}

async fn ask_pause(
    visit: Visit,
    Shared(state): Shared<State>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let follow_up = find(&state, id).await?;
    Ok(question(&visit, &follow_up, "pause").page(&visit))
}

async fn ask_resume(
    visit: Visit,
    Shared(state): Shared<State>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let follow_up = find(&state, id).await?;
    Ok(question(&visit, &follow_up, "resume").page(&visit))
}

async fn ask_delete(
    visit: Visit,
    Shared(state): Shared<State>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let follow_up = find(&state, id).await?;
    Ok(question(&visit, &follow_up, "delete").page(&visit))
}

/// What pausing means, in both languages.
const PAUSING: [(&str, &str); 3] = [
    (
        "配信予定のメールは待機し、再開すると15分以内に送信します。",
        "Mails that are due wait, and go within 15 minutes of Resume.",
    ),
    (
        "注文の受付とコードの発行は続きます。",
        "Orders go on earning codes.",
    ),
    (
        "停止中にコードの期限が切れたメールは取りやめになります。",
        "Mails whose code runs out meanwhile are withdrawn.",
    ),
];

/// What pausing, resuming and deleting mean.
fn question<'a>(visit: &Visit, follow_up: &FollowUp, what: &str) -> Confirm<'a> {
    let lang = visit.lang;
    let name = &follow_up.terms.name;
    let (title, verb, gravity, lines): (_, _, _, &[(&str, &str)]) = match what {
        "pause" => (
            lang.pick(format!("「{name}」を一時停止"), format!("Pause “{name}”")),
            lang.pick("一時停止する", "Pause"),
            Gravity::Reversible,
            &PAUSING,
        ),
        "resume" => (
            lang.pick(format!("「{name}」を再開"), format!("Resume “{name}”")),
            lang.pick("再開する", "Resume"),
            Gravity::Reversible,
            &[(
                "待機していたメールを15分以内に送信します。",
                "Mails that waited are sent within 15 minutes.",
            )],
        ),
        _ => (
            lang.pick(format!("「{name}」を削除"), format!("Delete “{name}”")),
            lang.pick("削除する", "Delete"),
            Gravity::Mass(name.clone()),
            &[
                (
                    "まだ送っていないメールはすべて取りやめになります。",
                    "All its unsent mails are withdrawn.",
                ),
                (
                    "送信済みのメールのコードは引き続き使えます。",
                    "Codes in mails already sent go on working.",
                ),
                ("元に戻せません。", "This cannot be undone."),
            ],
        ),
    };
    Confirm {
        nav: Nav::FollowUps,
        title,
        consequences: lines
            .iter()
            .map(|(ja, en)| lang.pick(*ja, *en).to_owned())
            .collect(),
        action: format!("{}/{what}", path(&follow_up.id)),
        verb,
        back: path(&follow_up.id),
        gravity,
        carries: Vec::new(),
    }
}

async fn pause(
    visit: Visit,
    Shared(state): Shared<State>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let follow_up = find(&state, id).await?;
    let call = format!("/v1/follow-ups/{}/pause", follow_up.id);
    let _ = state.api.post(&visit, &call, Value::Null).await?;
    let said = visit.lang.pick("一時停止しました。", "Paused.");
    Ok(visit.done(&path(&follow_up.id), said))
}

async fn resume(
    visit: Visit,
    Shared(state): Shared<State>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let follow_up = find(&state, id).await?;
    let call = format!("/v1/follow-ups/{}/resume", follow_up.id);
    let _ = state.api.post(&visit, &call, Value::Null).await?;
    let said = visit.lang.pick("再開しました。", "Resumed.");
    Ok(visit.done(&path(&follow_up.id), said))
}

async fn delete(
    visit: Visit,
    Shared(state): Shared<State>,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Failure> {
    let follow_up = find(&state, id).await?;
    let question = question(&visit, &follow_up, "delete");
    if !question.is_confirmed(&fields) {
        return Ok(question.mistyped(&visit, &fields));
    }
    let call = format!("/v1/follow-ups/{}", follow_up.id);
    let _ = state
        .api
        .call(&visit, Call::new(Method::DELETE, &call))
        .await?;
    let name = &follow_up.terms.name;
    let said = visit.lang.pick(
        format!("「{name}」を削除しました。"),
        format!("Deleted “{name}”."),
    );
    Ok(visit.done("/console/follow-ups", &said))
}
