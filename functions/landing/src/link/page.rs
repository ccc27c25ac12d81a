//! A link's page as HTML.

use axum::response::Response;
use chrono::{DateTime, SecondsFormat, Utc};
use http::StatusCode;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use shared::domain::link::{CODE_PLACE, TargetUrl, with_code};
use shared::domain::promotion::{ClaimCode, Promotion};
use shared::http::page::page_with_script;
use shared::mailer::Language;
use shared::store::GroupCode;

use super::script_path;
use super::words::{self, pick};
use crate::State;

const STYLE: &str = concat!(include_str!("../page.css"), include_str!("page.css"));

/// What there is to show.
pub(super) enum View<'a> {
    /// What works now.
    Open {
        promotion: &'a Promotion,
        word: Option<&'a GroupCode>,
        /// If that is limited and can be told.
        uses_left: Option<u64>,
        /// Where the button leads, if not to the shop's cart.
        target: Option<&'a TargetUrl>,
    },
    /// What will work.
    Soon(&'a Promotion),
    /// What is paused, over or used up; from outside they look alike.
    Unavailable,
    /// No link.
    Unknown,
    /// The table did not answer.
    Failed,
}

/// The parts of a page that differ.
struct Parts {
    title: String,
    description: Option<String>,
    content: Markup,
    status: StatusCode,
    scripted: bool,
}

pub(super) fn render(
    state: &State,
    language: Language,
    view: &View<'_>,
    now: DateTime<Utc>,
) -> Response {
    let parts = match view {
        View::Open { promotion, .. } => Parts {
            title: words::offer(language, promotion),
            description: words::condition(language, promotion),
            content: open(state, language, view, now),
            status: StatusCode::OK,
            scripted: true,
        },
        View::Soon(promotion) => Parts {
            title: words::offer(language, promotion),
            description: words::condition(language, promotion),
            content: soon(state, language, promotion, now),
            status: StatusCode::OK,
            scripted: false,
        },
        View::Unavailable => bare(
            state,
            language,
            StatusCode::OK,
            pick(
                language,
                "このクーポンは現在ご利用いただけません",
                "This offer is not available at the moment",
            ),
        ),
        View::Unknown => bare(
            state,
            language,
            StatusCode::NOT_FOUND,
            pick(language, "ページが見つかりません", "There is no such page"),
        ),
        View::Failed => bare(
            state,
            language,
            StatusCode::SERVICE_UNAVAILABLE,
            pick(
                language,
                "ただいま混み合っています。少し待ってから、もう一度お試しください。",
                "We are busy right now. Please try again in a moment.",
            ),
        ),
    };
    let document = document(state, language, &parts);
    page_with_script(parts.status, document.into_string(), STYLE)
}

fn document(state: &State, language: Language, parts: &Parts) -> Markup {
    let shop = &state.shop.shop_name;
    html! {
        (DOCTYPE)
        html lang=(language.tag()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                meta name="color-scheme" content="light dark";
                title { (parts.title) " – " (shop) }
                meta property="og:type" content="website";
                meta property="og:site_name" content=(shop);
                meta property="og:title" content=(parts.title);
                meta property="og:locale" content=(pick(language, "ja_JP", "en_US"));
                @if let Some(picture) = &state.site.picture {
                    meta property="og:image" content=(picture.as_str());
                }
                @if let Some(description) = &parts.description {
                    meta property="og:description" content=(description);
                    meta name="description" content=(description);
                }
                style { (PreEscaped(STYLE)) }
                @if parts.scripted { script defer src=(script_path()) {} }
            }
            body class="link" {
                header { bdi { (shop) } }
                main { h1 { (parts.title) } (parts.content) }
                (footer(state, language))
            }
        }
    }
}

/// The shop, who to ask, and what the law wants named.
fn footer(state: &State, language: Language) -> Markup {
    let (shop, site) = (&state.shop, &state.site);
    let (other, name) = match language {
        Language::Ja => (Language::En, "English"),
        Language::En => (Language::Ja, "日本語"),
    };
    html! {
        footer {
            ul {
                li { a href=(shop.shop_url) { bdi { (shop.shop_name) } } }
                @if let Some(notice) = &site.legal {
                    li { a href=(notice.as_str()) { (pick(language, "特定商取引法に基づく表記", "Legal notice")) } }
                }
                @if let Some(privacy) = &site.privacy {
                    li { a href=(privacy.as_str()) { (pick(language, "プライバシーポリシー", "Privacy")) } }
                }
                li { a #language href={ "?lang=" (other.tag()) } lang=(other.tag()) hreflang=(other.tag()) { (name) } }
            }
            @if let Some(sender) = &shop.sender {
                p { bdi { (sender.name) } " · " (pick(language, "お問い合わせ：", "Contact: ")) bdi { (sender.contact) } }
            }
        }
    }
}

fn bare(state: &State, language: Language, status: StatusCode, title: &str) -> Parts {
    Parts {
        title: title.to_owned(),
        description: None,
        content: to_shop(state, language),
        status,
        scripted: false,
    }
}

fn to_shop(state: &State, language: Language) -> Markup {
    html! { p.go { a.button href=(state.shop.shop_url) { (pick(language, "ショップを見る", "Go to the shop")) } } }
}

/// What must be bought, if anything, and the terms.
fn conditions(language: Language, promotion: &Promotion) -> Markup {
    html! { @if let Some(condition) = words::condition(language, promotion) { p.condition { (condition) } } }
}

fn terms(language: Language, promotion: &Promotion, word: Option<&GroupCode>) -> Markup {
    html! {
        section.terms {
            h2 { (pick(language, "ご利用条件", "Terms")) }
            ul { @for term in words::terms(language, promotion, word) { li { (term) } } }
        }
    }
}

fn soon(state: &State, language: Language, promotion: &Promotion, now: DateTime<Utc>) -> Markup {
    let start = promotion.effective_at;
    html! {
        (conditions(language, promotion))
        p.until { time datetime=(machine(start)) { (words::from(language, start, state.shop.zone, now)) } }
        (to_shop(state, language))
        (terms(language, promotion, None))
    }
}

fn open(state: &State, language: Language, view: &View<'_>, now: DateTime<Utc>) -> Markup {
    let View::Open {
        promotion,
        word,
        uses_left,
        target,
    } = view
    else {
        return html! {};
    };
    let code = word.map(|word| &word.code);
    let pattern = target.map_or(state.cart.as_str(), TargetUrl::as_str);
    // Without a code the button leads to the shop; the script, which sees the code behind `#`, has it lead to the cart.
    let href = match (code, pattern.contains(CODE_PLACE)) {
        (Some(code), _) => with_code(pattern, code.as_str()),
        (None, false) => pattern.to_owned(),
        (None, true) => state.shop.shop_url.clone(),
    };
    let automatic = promotion.terms.claim_code == ClaimCode::None;
    let button = if automatic {
        pick(language, "買い物をする", "Start shopping")
    } else {
        pick(
            language,
            "クーポンを使って買い物をする",
            "Shop with this code",
        )
    };
    let fragment = match promotion.terms.claim_code {
        ClaimCode::SingleUse => Some("single-use"),
        ClaimCode::Group if code.is_none() => Some("group"),
        ClaimCode::Group | ClaimCode::None => None,
    };
    html! {
        (conditions(language, promotion))
        @if !automatic { (code_box(language, code.map(shared::domain::code::GroupWord::as_str), fragment)) }
        p #how { (words::how(language, promotion, code)) }
        @if fragment.is_some() { p #how-shown hidden { (pick(language, "ご注文時にこのコードを入力してください", "Enter this code when you order.")) } }
        (deadline(state, language, promotion, *uses_left, now))
        p.go { a.button #go href=(href) data-pattern=[fragment.map(|_| pattern)] { (button) } }
        (terms(language, promotion, *word))
    }
}

/// The code, or where the script shows the one that stands behind `#`.
fn code_box(language: Language, code: Option<&str>, fragment: Option<&str>) -> Markup {
    html! {
        div.code #code-box hidden[code.is_none()] data-fragment=[fragment] {
            code #code translate="no" { (code.unwrap_or_default()) }
            button #copy type="button" hidden { (pick(language, "コピー", "Copy")) }
            span #copied role="status" aria-live="polite" data-said=(pick(language, "コピーしました", "Copied")) {}
        }
    }
}

fn deadline(
    state: &State,
    language: Language,
    promotion: &Promotion,
    uses_left: Option<u64>,
    now: DateTime<Utc>,
) -> Markup {
    let end = promotion.terms.ends_at;
    let remaining = uses_left.map(|uses| words::remaining(language, uses));
    if end.is_none() && remaining.is_none() {
        return html! {};
    }
    let separator = pick(language, "・", " · ");
    html! {
        p.until {
            @if let Some(end) = end {
                time #ends datetime=(machine(end)) { (words::until(language, end, state.shop.zone, now)) }
                @if remaining.is_some() { (separator) }
            }
            @if let Some(remaining) = remaining { span { (remaining) } }
            @if end.is_some() {
                span #countdown aria-hidden="true" hidden data-now=(machine(now))
                    data-left=(pick(language, "あと{}", "{} left"))
                    data-units=(pick(language, "日|時間|分|秒", " d | h | min | s"))
                    data-over=(pick(language, "終了しました", "Over")) {}
            }
        }
    }
}

fn machine(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}
