//! The list of promotions: views, search, filters.

use std::collections::HashMap;

use axum::Router;
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::{Markup, html};
use serde::Deserialize;
use shared::domain::code::{PromotionId, TypedCode};
use shared::domain::promotion::{ClaimCode, Promotion, Status};
use shared::store::{Freshness, ListPlace, PromotionPage};

use super::parts::{budget_cell, path, window};
use crate::State;
use crate::failure::Failure;
use crate::fields::Fields;
use crate::figures::{NEWEST, Spent, newest, spent};
use crate::form::{Choice, Errors, select};
use crate::format::{money, number};
use crate::frame::{Nav, Page, no_match, nothing_yet, paging, views};
use crate::lang::Lang;
use crate::query::Lenient;
use crate::visit::Visit;
use crate::words;

/// Promotions on one page.
const PAGE: usize = 20;

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/console/promotions", get(list))
        .route("/console/promotions/search", post(search).get(to_list))
}

async fn to_list() -> Redirect {
    Redirect::to("/console/promotions")
}

/// What of the list is to be shown. No code is ever part of it.
#[derive(Clone, Default, Deserialize)]
struct Asked {
    #[serde(default)]
    view: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    q: String,
    #[serde(default)]
    after: String,
}

/// A view of the list, and which promotions are in it.
const VIEWS: [(&str, Option<Status>); 5] = [
    ("active", Some(Status::Active)),
    ("scheduled", Some(Status::Scheduled)),
    ("paused", Some(Status::Paused)),
    ("ended", Some(Status::Ended)),
    ("all", None),
];

impl Asked {
    /// The view that is shown; all of them unless one was chosen.
    fn view(&self) -> (&'static str, Option<Status>) {
        let found = VIEWS.iter().find(|(name, _)| *name == self.view);
        *found.unwrap_or(&("all", None))
    }

    fn is_filtered(&self) -> bool {
        self.view().1.is_some() || self.kind().is_some() || !self.q.is_empty()
    }

    fn kind(&self) -> Option<ClaimCode> {
        match self.kind.as_str() {
            "single_use" => Some(ClaimCode::SingleUse),
            "group" => Some(ClaimCode::Group),
            "none" => Some(ClaimCode::None),
            _ => None,
        }
    }

    /// Whether a promotion is to be shown, its status aside.
    fn matches(&self, promotion: &Promotion) -> bool {
        let wanted = self.q.to_lowercase();
        let named = promotion.terms.name.to_lowercase().contains(&wanted)
            || promotion.id.as_str().to_lowercase() == wanted;
        named
            && self
                .kind()
                .is_none_or(|kind| promotion.terms.claim_code == kind)
    }

    /// The address of this list with something else about it.
    fn address(&self, view: &str, after: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in [
            ("view", view),
            ("kind", &self.kind),
            ("q", &self.q),
            ("after", after),
        ] {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        let query = query.finish();
        let separator = if query.is_empty() { "" } else { "?" };
        format!("/console/promotions{separator}{query}")
    }
}

async fn list(
    Shared(state): Shared<State>,
    visit: Visit,
    Lenient(asked): Lenient<Asked>,
) -> Result<Response, Failure> {
    let found = newest(&state).await?;
    let after = ListPlace::from_cursor(&asked.after);
    let looked = match &after {
        None => found.clone(),
        Some(after) => state.store.list_promotions(Some(after), NEWEST).await?,
    };
    let (shown, next) = page_of(&asked, &looked, &visit);
    let spent = spent(&state, &shown).await?;
    let body = if found.promotions.is_empty() {
        empty(visit.lang)
    } else {
        html! {
            (view_links(&asked, &found, &visit))
            (filters(&asked, &visit))
            @if found.next.is_some() { p .note { (bounded(visit.lang)) } }
            @if shown.is_empty() && next.is_none() { (no_match("/console/promotions", visit.lang)) }
            @else if shown.is_empty() { (keep_looking(visit.lang)) }
            @else { (table(&shown, &spent, &visit)) }
            (paging(
                after.as_ref().map(|_| asked.address(asked.view().0, "")).as_deref(),
                next.map(|next| asked.address(asked.view().0, &next)).as_deref(),
                visit.lang,
            ))
        }
    };
    Ok(
        Page::new(&visit, Nav::Promotions, Nav::Promotions.word(visit.lang))
            .actions(create_button(visit.lang))
            .render(&body),
    )
}

/// The promotions of one page, and after which place the next one goes on.
fn page_of<'a>(
    asked: &Asked,
    looked: &'a PromotionPage,
    visit: &Visit,
) -> (Vec<&'a Promotion>, Option<String>) {
    let status = asked.view().1;
    let wanted = |promotion: &&Promotion| {
        status.is_none_or(|status| promotion.status_at(visit.now) == status)
            && asked.matches(promotion)
    };
    let promotions = looked.promotions.iter().map(AsRef::as_ref);
    let mut matching = promotions.filter(wanted);
    let shown: Vec<&Promotion> = matching.by_ref().take(PAGE).collect();
    let next = if matching.next().is_some() {
        shown.last().map(|promotion| ListPlace::of(promotion))
    } else {
        looked.next.clone()
    };
    let next = next.map(ListPlace::cursor);
    (shown, next)
}

fn bounded(lang: Lang) -> String {
    let most = number(NEWEST.into());
    lang.pick(
        format!(
            "件数と検索は新しい{most}件が対象です。それより前のものは「次へ」で続けて探せます。"
        ),
        format!(
            "Counts and search cover the newest {most} promotions; “Next” goes on with older ones."
        ),
    )
}

fn keep_looking(lang: Lang) -> Markup {
    html! { div .empty { p { (lang.pick(
        "ここまでの範囲に該当するものはありません。「次へ」で続けて探せます。",
        "None so far. “Next” goes on looking among older ones.",
    )) } } }
}

pub(super) fn create_button(lang: Lang) -> Markup {
    html! { a .button .primary href="/console/promotions/new" { (lang.pick("プロモーションを作成", "Create promotion")) } }
}

fn empty(lang: Lang) -> Markup {
    nothing_yet(
        lang.pick(
            "最初のプロモーションを作りましょう。割引の内容・期間・予算を決めると、コードを配れるようになります。",
            "Create your first promotion. Decide what buyers get, when and for how much, and hand out its codes.",
        ),
        &html! {},
    )
}

fn view_links(asked: &Asked, found: &PromotionPage, visit: &Visit) -> Markup {
    let lang = visit.lang;
    let count = |status: Option<Status>| {
        let matching = found.promotions.iter().filter(|promotion| {
            asked.matches(promotion)
                && status.is_none_or(|status| promotion.status_at(visit.now) == status)
        });
        u64::try_from(matching.count()).unwrap_or(u64::MAX)
    };
    let items = VIEWS.map(|(name, status)| {
        let word = status.map_or(lang.pick("すべて", "All"), |status| {
            words::status_word(status, lang)
        });
        let count = count(status);
        (
            asked.address(name, ""),
            word.to_owned(),
            Some(count),
            asked.view().0 == name,
        )
    });
    views(lang.pick("状態で絞り込む", "By status"), &items)
}

fn filters(asked: &Asked, visit: &Visit) -> Markup {
    let lang = visit.lang;
    let kinds = [
        Choice::new("", lang.pick("すべて", "All")),
        Choice::new("single_use", words::claim_code(ClaimCode::SingleUse, lang)),
        Choice::new("group", words::claim_code(ClaimCode::Group, lang)),
        Choice::new("none", words::claim_code(ClaimCode::None, lang)),
    ];
    html! {
        form .filters method="post" action="/console/promotions/search" role="search" {
            (visit.token_field())
            input type="hidden" name="view" value=(asked.view().0);
            div .field .grow {
                label for="f-q" { (lang.pick("名前・ID・共通コードで検索", "Search by name, id or shared code")) }
                input #f-q type="search" name="q" value=(asked.q) autocomplete="off";
            }
            (select(("kind", lang.pick("コードの種類", "Code kind")), &asked.kind, &kinds, &Errors::new(), lang))
            button .button type="submit" { (lang.pick("検索する", "Search")) }
            @if asked.is_filtered() { a .button href="/console/promotions" { (lang.pick("絞り込みを解除", "Clear filters")) } }
        }
    }
}

fn table(shown: &[&Promotion], spent: &HashMap<PromotionId, Spent>, visit: &Visit) -> Markup {
    let lang = visit.lang;
    let words = Columns::in_language(lang);
    html! {
        div .table { table .stacked {
            caption .hidden { (Nav::Promotions.word(lang)) }
            thead { tr {
                th scope="col" { (lang.pick("名前", "Name")) } th scope="col" { (words.benefit) } th scope="col" { (words.code) }
                th scope="col" { (words.status) } th scope="col" { (words.window) }
                th .right scope="col" { (words.uses) } th .right scope="col" { (words.discount) } th scope="col" { (words.budget) }
            } }
            tbody { @for promotion in shown {
                @let terms = &promotion.terms;
                @let spent = spent.get(&promotion.id).copied().unwrap_or_default();
                tr {
                    th scope="row" { a href=(path(&promotion.id)) { bdi { (terms.name) } } br; code .note translate="no" { (promotion.id) } }
                    td data-label=(words.benefit) { (words::benefit(&terms.benefit, terms.currency, lang)) }
                    td data-label=(words.code) { (words::claim_code(terms.claim_code, lang)) }
                    td data-label=(words.status) { span { (words::status(promotion.status_at(visit.now), lang)) } }
                    td data-label=(words.window) { span { (window(promotion, visit)) } }
                    td .right data-label=(words.uses) { span { (number(spent.uses))
                        @if let Some(limit) = terms.limits.redemptions { span .muted { " / " (number(limit.into())) } } } }
                    td .right data-label=(words.discount) { (money(spent.amount.into(), terms.currency)) }
                    td data-label=(words.budget) { (budget_cell(promotion, spent, lang)) }
                }
            } }
        } }
    }
}

/// The words above the columns, which narrow screens show beside each value.
struct Columns {
    benefit: &'static str,
    code: &'static str,
    status: &'static str,
    window: &'static str,
    uses: &'static str,
    discount: &'static str,
    budget: &'static str,
}

impl Columns {
    fn in_language(lang: Lang) -> Self {
        Self {
            benefit: lang.pick("割引内容", "Benefit"),
            code: lang.pick("コード", "Code"),
            status: lang.pick("状態", "Status"),
            window: lang.pick("期間", "Window"),
            uses: lang.pick("利用回数", "Redemptions"),
            discount: lang.pick("割引総額", "Discount given"),
            budget: lang.pick("予算消化", "Budget used"),
        }
    }
}

/// Looks for what was typed. A code, word or id leads to its promotion and never into an address; anything else is part of a name.
async fn search(
    Shared(state): Shared<State>,
    visit: Visit,
    fields: Fields,
) -> Result<Response, Failure> {
    let text = fields.get("q");
    let mut asked = Asked {
        view: fields.get("view").to_owned(),
        kind: fields.get("kind").to_owned(),
        ..Asked::default()
    };
    if let Some(id) = promotion_of(&state, &visit, text).await? {
        return Ok(Redirect::to(&path(&id)).into_response());
    }
    if let TypedCode::Sealed(_) = TypedCode::read(text) {
        let to = asked.address(asked.view().0, "");
        let said = visit.lang.pick(
            "該当するコードは見つかりませんでした",
            "There is no such code",
        );
        return Ok(visit.done(&to, said));
    }
    text.chars()
        .take(100)
        .collect::<String>()
        .clone_into(&mut asked.q);
    Ok(Redirect::to(&asked.address(asked.view().0, "")).into_response())
}

/// The promotion that a text names by its id, by a word of it, or by the front of a code that exists.
async fn promotion_of(
    state: &State,
    visit: &Visit,
    text: &str,
) -> Result<Option<PromotionId>, Failure> {
    let store = &state.store;
    let exists = async |id: PromotionId| {
        let known = store.promotion(&id, Freshness::Now, visit.now).await?;
        Ok::<_, Failure>(known)
    };
    if let Ok(id) = PromotionId::try_from(text.to_uppercase())
        && exists(id.clone()).await?.is_some()
    {
        return Ok(Some(id));
    }
    match TypedCode::read(text) {
        TypedCode::Word(word) => {
            let found = store.group_code(&word, Freshness::Now, visit.now).await?;
            Ok(found.map(|found| found.promotion_id))
        }
        TypedCode::Sealed(code) => {
            let id = code.promotion_id();
            let Some(known) = exists(id.clone()).await? else {
                return Ok(None);
            };
            let key = state.code_keys.of(&known.promotion).await?;
            Ok(key.open(&code).map(|_| id))
        }
        TypedCode::Garbled(_) => Ok(None),
    }
}
