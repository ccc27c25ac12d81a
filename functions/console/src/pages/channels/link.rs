//! One landing link: its address, its visits, what it cost, and taking it back.

use axum::Router;
use axum::extract::{Path, State as Shared};
use axum::response::Response;
use axum::routing::get;
use http::Method;
use maud::html;
use serde_json::json;
use shared::domain::link::{Link, Slug};
use shared::domain::promotion::Promotion;
use shared::store::Freshness;

use crate::State;
use crate::api::Call;
use crate::confirm::{Confirm, Gravity};
use crate::failure::Failure;
use crate::fields::Fields;
use crate::form::{Errors, Input, Place};
use crate::format::{number, time};
use crate::frame::{Nav, Page};
use crate::pages::promotions::{Reader, copy_button, decimal, find, sign};
use crate::visit::Visit;

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/console/channels/links/{slug}", get(show).post(change))
        .route(
            "/console/channels/links/{slug}/delete",
            get(ask).post(delete),
        )
}

/// The page of a link.
pub(super) fn path(slug: &Slug) -> String {
    format!("/console/channels/links/{slug}")
}

/// A link that was not taken back, its promotion and its visits.
struct Found {
    link: Link,
    promotion: std::sync::Arc<Promotion>,
    visits: u64,
}

async fn read(state: &State, visit: &Visit, slug: String) -> Result<Found, Failure> {
    let slug = Slug::try_from(slug).map_err(|_| Failure::NotFound)?;
    let link = state.store.link(&slug, Freshness::Now, visit.now).await?;
    let link = link
        .filter(|link| link.deleted_at.is_none())
        .ok_or(Failure::NotFound)?;
    let known = find(state, visit, link.promotion_id.to_string()).await?;
    let visits = state.store.visits_of(&link).await?;
    Ok(Found {
        link,
        promotion: known.promotion,
        visits,
    })
}

async fn show(
    Shared(state): Shared<State>,
    visit: Visit,
    Path(slug): Path<String>,
) -> Result<Response, Failure> {
    let found = read(&state, &visit, slug).await?;
    let currency = found.promotion.terms.currency;
    let cost = found.link.cost.map(|cost| decimal(cost.minor(), currency));
    let target = found
        .link
        .target_url
        .as_ref()
        .map(|target| target.as_str().to_owned());
    let fields = Fields::of([
        ("cost", cost.unwrap_or_default()),
        ("target_url", target.unwrap_or_default()),
    ]);
    Ok(page(&found, &visit, &fields, &Errors::new()))
}

fn page(found: &Found, visit: &Visit, fields: &Fields, errors: &Errors) -> Response {
    let (lang, link) = (visit.lang, &found.link);
    let url = visit.shop.link_url(&link.slug);
    let terms = &found.promotion.terms;
    let body = html! {
        (errors.summary(lang))
        section .card .narrow {
            h2 { (lang.pick("渡すもの", "To hand out")) }
            dl .facts {
                dt { (lang.pick("配布用リンク", "Landing link")) }
                dd { span .code-box { code translate="no" { (url) } (copy_button(&url, lang)) } }
                @if let Some(word) = &link.code {
                    dt { (lang.pick("コード", "Code")) }
                    dd { span .code-box { code translate="no" { (word.as_str()) } (copy_button(word.as_str(), lang)) } }
                }
                dt { (lang.pick("配布経路", "Channel")) } dd { bdi { (link.channel.as_str()) } }
                dt { (lang.pick("プロモーション", "Promotion")) }
                dd { a href=(format!("/console/promotions/{}", link.promotion_id)) { bdi { (terms.name) } } }
                dt { (lang.pick("訪問数", "Visits")) } dd { (number(found.visits)) }
                dt { (lang.pick("作成日時", "Made")) } dd { (time(link.created_at, visit.zone(), lang)) }
            }
        }
        form .form method="post" action=(path(&link.slug)) novalidate {
            (visit.token_field())
            section .card .form-section {
                h2 { (lang.pick("広告費と行き先", "Cost and target")) }
                (Input::new("cost", lang.pick("広告費", "Ad cost"), fields.get("cost")).numeric().optional().before(sign(terms.currency)).render(errors, lang))
                (Input::new("target_url", lang.pick("ボタンの行き先", "Where its button leads"), fields.get("target_url")).optional().hint(html! {
                    (lang.pick("https:// で始まるアドレス。空ならショップのカートへ。", "An https:// address; left empty, the shop's cart. "))
                    code { "{code}" } (lang.pick(" はコードに置き換わります。", " stands for the code."))
                }).render(errors, lang))
            }
            div .buttons {
                button .button .primary type="submit" { (lang.pick("変更を保存する", "Save changes")) }
                a .button href=(format!("{}/delete", path(&link.slug))) { (lang.pick("リンクを取り下げる", "Take link back")) }
            }
        }
    };
    Page::new(visit, Nav::Channels, format!("/l/{}", link.slug))
        .below_nav()
        .errors(errors.len())
        .render(&body)
}

async fn change(
    Shared(state): Shared<State>,
    visit: Visit,
    Path(slug): Path<String>,
    fields: Fields,
) -> Result<Response, Failure> {
    let found = read(&state, &visit, slug).await?;
    let mut reader = Reader::new(&fields, found.promotion.terms.currency, &visit);
    let cost = reader.amount("cost");
    let mut errors = reader.into_errors();
    if !errors.is_empty() {
        return Ok(page(&found, &visit, &fields, &errors));
    }
    let target = Some(fields.get("target_url")).filter(|target| !target.is_empty());
    let called = format!("/v1/links/{}", found.link.slug);
    let call = Call::new(Method::PATCH, &called).body(json!({"cost": cost, "target_url": target}));
    if let Err(refusal) = state.api.call(&visit, call).await {
        errors.refused(&refusal, &PLACES, visit.lang);
        return Ok(page(&found, &visit, &fields, &errors));
    }
    Ok(visit.done(
        &path(&found.link.slug),
        visit.lang.pick("変更を保存しました。", "Saved."),
    ))
}

const PLACES: [Place<'static>; 2] = [
    Place {
        pointer: "/cost",
        field: "cost",
        words: None,
    },
    Place {
        pointer: "/target_url",
        field: "target_url",
        words: Some((
            "https:// で始まるアドレスを入力してください（1回限りのコードは書けません）",
            "Enter an https:// address, without a single-use code in it",
        )),
    },
];

fn question(found: &Found, visit: &Visit) -> Confirm<'static> {
    let (lang, link) = (visit.lang, &found.link);
    let (slug, visits) = (&link.slug, number(found.visits));
    Confirm {
        nav: Nav::Channels,
        title: lang.pick(
            format!("リンク /l/{slug} を取り下げますか"),
            format!("Take link /l/{slug} back?"),
        ),
        consequences: vec![
            lang.pick(
                "10秒以内に開けなくなります。同じ末尾は二度と使えません。",
                "Its page is gone within 10 seconds, and its end is never given out again.",
            )
            .to_owned(),
            lang.pick(
                format!(
                    "これまでの訪問{visits}回と広告費は実績に残ります。コードはそのまま使えます。"
                ),
                format!(
                    "Its visits ({visits}) and its cost stay in the figures. Codes go on working."
                ),
            ),
        ],
        action: format!("{}/delete", path(slug)),
        verb: lang.pick("取り下げる", "Take link back"),
        back: path(slug),
        gravity: Gravity::Final,
        carries: Vec::new(),
    }
}

async fn ask(
    Shared(state): Shared<State>,
    visit: Visit,
    Path(slug): Path<String>,
) -> Result<Response, Failure> {
    let found = read(&state, &visit, slug).await?;
    Ok(question(&found, &visit).page(&visit))
}

async fn delete(
    Shared(state): Shared<State>,
    visit: Visit,
    Path(slug): Path<String>,
) -> Result<Response, Failure> {
    let found = read(&state, &visit, slug).await?;
    let called = format!("/v1/links/{}", found.link.slug);
    let _ = state
        .api
        .call(&visit, Call::new(Method::DELETE, &called))
        .await?;
    let said = visit
        .lang
        .pick("リンクを取り下げました。", "The link was taken back.");
    Ok(visit.done(Nav::Channels.path(), said))
}
