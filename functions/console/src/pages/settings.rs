//! Settings: what the deployment says about the shop, keys, webhooks, and people.

mod keys;
mod people;

use axum::Router;
use axum::extract::State as Shared;
use axum::response::Response;
use axum::routing::get;
use maud::{Markup, html};
use shared::domain::watching::SourceRecord;

use crate::State;
use crate::failure::Failure;
use crate::format::{relative, time, zone_name};
use crate::frame::{Nav, Page, views};
use crate::lang::Lang;
use crate::pages::mails::sender_banner;
use crate::visit::Visit;

pub(crate) fn routes() -> Router<State> {
    Router::new()
        .route("/console/settings", get(page))
        .merge(keys::routes())
        .merge(people::routes())
}

/// The tabs of the settings' pages.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tab {
    Shop,
    Keys,
    People,
}

fn tabs(here: Tab, lang: Lang) -> Markup {
    let item = |tab, path: &str, word: &str| (path.to_owned(), word.to_owned(), None, tab == here);
    views(
        lang.pick("設定の表示", "Settings"),
        &[
            item(
                Tab::Shop,
                "/console/settings",
                lang.pick("ショップ・差出人・連携", "Shop, sender, webhooks"),
            ),
            item(Tab::Keys, keys::LIST, lang.pick("APIキー", "API keys")),
            item(
                Tab::People,
                people::LOOK_UP,
                lang.pick("配信停止・個人情報", "Suppression & forget"),
            ),
        ],
    )
}

async fn page(visit: Visit, Shared(state): Shared<State>) -> Result<Response, Failure> {
    let lang = visit.lang;
    let mut sources = state.store.sources().await?;
    sources.sort_by_key(|source| std::cmp::Reverse(source.last_at));
    let body = html! {
        (tabs(Tab::Shop, lang))
        (sender_banner(&visit))
        div .stack {
            (shop(&visit))
            (sender(&visit))
            (webhooks(&visit, &sources))
        }
    };
    Ok(Page::new(&visit, Nav::Settings, Nav::Settings.word(lang)).render(&body))
}

/// How deployed settings are changed, as there is no form for them.
fn how(names: &str, lang: Lang) -> Markup {
    html! { p .note {
        (lang.pick("デプロイ時のパラメーターです。変更するには ", "Set when deployed. To change them, set "))
        code translate="no" { (names) }
        (lang.pick(" を指定して ", " and run ")) code translate="no" { "sam deploy" } (lang.pick(" を実行します。", " again."))
    } }
}

fn shop(visit: &Visit) -> Markup {
    let (lang, shop) = (visit.lang, &visit.shop);
    html! {
        section .card #shop {
            h2 { (lang.pick("ショップ", "Shop")) }
            dl .facts {
                dt { (lang.pick("店名", "Name")) } dd { bdi { (shop.shop_name) } }
                dt { (lang.pick("ショップのURL", "Shop address")) } dd { bdi { (shop.shop_url) } }
                dt { (lang.pick("公開URL", "Public address")) } dd { bdi { (shop.public_url) } }
                dt { (lang.pick("タイムゾーン", "Time zone")) } dd { (shop.zone.name()) " (" (zone_name(visit.now, shop.zone)) ")" }
                dt { (lang.pick("通貨", "Currency")) } dd { (lang.pick("プロモーションごとに設定します", "Set with each promotion")) }
                dt { (lang.pick("表示言語", "Language")) } dd { (lang.pick("ブラウザーの設定、またはメニューの切り替えに従います", "As the browser asks, or as chosen in the menu")) }
            }
            (how("ShopName, ShopUrl, TimeZone, PublicUrl", lang))
        }
    }
}

fn sender(visit: &Visit) -> Markup {
    let lang = visit.lang;
    html! {
        section .card #sender {
            h2 { (lang.pick("差出人情報", "Sender details")) }
            p { (lang.pick("すべてのメールに記載されます（特定電子メール法）。", "Printed in every mail, as the law requires.")) }
            @match &visit.shop.sender {
                Some(sender) => dl .facts {
                    dt { (lang.pick("名称", "Name")) } dd { bdi { (sender.name) } }
                    dt { (lang.pick("住所", "Postal address")) } dd { bdi { (sender.address) } }
                    dt { (lang.pick("連絡先", "Contact")) } dd { bdi { (sender.contact) } }
                },
                None => p .notice { (lang.pick("未設定です", "Not set")) },
            }
            (how("SenderName, SenderAddress, SenderContact", lang))
        }
    }
}

/// Where each provider sends to, by name, with the last part of its address.
const PROVIDERS: [(&str, &str); 4] = [
    ("Shopify", "shopify"),
    ("WooCommerce", "woocommerce"),
    ("Stripe", "stripe"),
    ("Standard Webhooks", "standard"),
];

fn webhooks(visit: &Visit, sources: &[SourceRecord]) -> Markup {
    let lang = visit.lang;
    html! {
        section .card #webhooks {
            h2 { (lang.pick("注文の連携（Webhook）", "Webhooks")) }
            p { (lang.pick("ショップの管理画面で、注文の通知先に次のURLを登録します。", "In your shop's admin, send order events to:")) }
            dl .facts { @for (name, path) in PROVIDERS {
                dt { (name) } dd { code translate="no" { (visit.shop.public_url) "/v1/webhooks/" (path) } }
            } }
            h3 { (lang.pick("最後に届いた注文", "Newest event by source")) }
            @if sources.is_empty() {
                p .muted { (lang.pick("まだ注文は届いていません", "No order has come yet")) }
            } @else {
                div .table { table .stacked {
                    caption { (lang.pick("直近28日に届いた送信元。1時間単位の記録です", "Sources of the last 28 days, noted once an hour")) }
                    thead { tr { th scope="col" { (lang.pick("送信元", "Source")) } th scope="col" { (lang.pick("最後の受信", "Newest event")) } th scope="col" { (lang.pick("状態", "State")) } } }
                    tbody { @for source in sources { tr {
                        th scope="row" { bdi { (source.source.as_str()) } }
                        td data-label=(lang.pick("最後の受信", "Newest event")) { div { (time(source.last_at, visit.zone(), lang)) " " span .note { (relative(source.last_at, visit.now, lang)) } } }
                        td data-label=(lang.pick("状態", "State")) { (silence(source, visit)) }
                    } } }
                } }
            }
        }
    }
}

fn silence(source: &SourceRecord, visit: &Visit) -> Markup {
    use crate::words::{Tone, badge};
    if source.is_silent_at(visit.now) {
        badge(
            Tone::Warning,
            "!",
            visit
                .lang
                .pick("24時間届いていません", "Silent for 24 hours"),
        )
    } else {
        badge(
            Tone::Good,
            "●",
            visit.lang.pick("受信しています", "Received"),
        )
    }
}
