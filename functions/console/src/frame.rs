//! What every page has around it: head, menu, language, breadcrumb, what was just done, and how lists end.

use axum::response::{Html, IntoResponse, Response};
use http::StatusCode;
use maud::{DOCTYPE, Markup, html};

use crate::assets;
use crate::format::{number, zone_name};
use crate::lang::Lang;
use crate::visit::Visit;

/// The menu's words, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nav {
    /// Nowhere in the menu.
    None,
    /// The first page.
    Overview,
    /// Promotions.
    Promotions,
    /// Influencers and links.
    Channels,
    /// Follow-ups.
    FollowUps,
    /// Mails.
    Mails,
    /// Orders.
    Orders,
    /// Settings.
    Settings,
}

impl Nav {
    const ALL: [Self; 7] = [
        Self::Overview,
        Self::Promotions,
        Self::Channels,
        Self::FollowUps,
        Self::Mails,
        Self::Orders,
        Self::Settings,
    ];

    /// Its page.
    pub fn path(self) -> &'static str {
        match self {
            Self::None | Self::Overview => "/console",
            Self::Promotions => "/console/promotions",
            Self::Channels => "/console/channels",
            Self::FollowUps => "/console/follow-ups",
            Self::Mails => "/console/mails",
            Self::Orders => "/console/orders",
            Self::Settings => "/console/settings",
        }
    }

    /// Its word.
    pub fn word(self, lang: Lang) -> &'static str {
        match self {
            Self::None => "",
            Self::Overview => lang.pick("概要", "Overview"),
            Self::Promotions => lang.pick("プロモーション", "Promotions"),
            Self::Channels => lang.pick("インフルエンサー・リンク", "Influencers & links"),
            Self::FollowUps => lang.pick("フォローメール", "Follow-ups"),
            Self::Mails => lang.pick("メール配信", "Mails"),
            Self::Orders => lang.pick("注文", "Orders"),
            Self::Settings => lang.pick("設定", "Settings"),
        }
    }
}

/// A page to be.
#[derive(Clone, Debug)]
pub struct Page<'a> {
    visit: &'a Visit,
    nav: Nav,
    title: String,
    crumbs: Vec<(String, String)>,
    beside: Option<Markup>,
    below: Option<Markup>,
    actions: Option<Markup>,
    errors: usize,
    status: StatusCode,
}

impl<'a> Page<'a> {
    /// A page of this place in the menu, under its one `h1`.
    pub fn new(visit: &'a Visit, nav: Nav, title: impl Into<String>) -> Self {
        Self {
            visit,
            nav,
            title: title.into(),
            crumbs: Vec::new(),
            beside: None,
            below: None,
            actions: None,
            errors: 0,
            status: StatusCode::OK,
        }
    }

    /// A page above it. The menu's own page is added first by itself.
    #[must_use]
    pub fn crumb(mut self, path: impl Into<String>, word: impl Into<String>) -> Self {
        if self.crumbs.is_empty() {
            let (nav, lang) = (self.nav, self.visit.lang);
            self.crumbs
                .push((nav.path().to_owned(), nav.word(lang).to_owned()));
        }
        self.crumbs.push((path.into(), word.into()));
        self
    }

    /// The menu's own page is above it, and nothing else.
    #[must_use]
    pub fn below_nav(mut self) -> Self {
        let (nav, lang) = (self.nav, self.visit.lang);
        self.crumbs = vec![(nav.path().to_owned(), nav.word(lang).to_owned())];
        self
    }

    /// Beside the title, such as a status.
    #[must_use]
    pub fn beside(mut self, markup: Markup) -> Self {
        self.beside = Some(markup);
        self
    }

    /// A line below the title.
    #[must_use]
    pub fn below(mut self, markup: Markup) -> Self {
        self.below = Some(markup);
        self
    }

    /// Buttons at the title's right. One of them at most is the page's primary one.
    #[must_use]
    pub fn actions(mut self, markup: Markup) -> Self {
        self.actions = Some(markup);
        self
    }

    /// How many things a form's reader has to mend; any make the title begin with "Error".
    #[must_use]
    pub fn errors(mut self, count: usize) -> Self {
        self.errors = count;
        self
    }

    /// Another status than 200.
    #[must_use]
    pub fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// The answer, with this below the title.
    pub fn render(self, body: &Markup) -> Response {
        let lang = self.visit.lang;
        let place = self.nav.word(lang);
        let mut title = self.title.clone();
        if !place.is_empty() && place != title {
            title = format!("{title} – {place}");
        }
        if self.errors > 0 {
            title = format!("{}{title}", lang.pick("エラー：", "Error: "));
        }
        let status = if self.errors > 0 && self.status == StatusCode::OK {
            StatusCode::UNPROCESSABLE_ENTITY
        } else {
            self.status
        };
        let markup = document(lang, &title, &self.whole(body));
        (status, Html(markup.into_string())).into_response()
    }

    fn whole(&self, body: &Markup) -> Markup {
        let (visit, lang) = (self.visit, self.visit.lang);
        html! {
            a .skip href="#main" { (lang.pick("本文へ移動", "Skip to content")) }
            div .shell {
                (self.side())
                div .stage {
                    main #main tabindex="-1" {
                        (crumbs(&self.crumbs, &self.title, lang))
                        @if let Some(flash) = &visit.flash {
                            p .flash role="status" { span aria-hidden="true" { "✓" } (flash) }
                        }
                        div .head {
                            div { div .title { h1 { bdi { (self.title) } } @if let Some(beside) = &self.beside { (beside) } }
                                @if let Some(below) = &self.below { div .below { (below) } } }
                            @if let Some(actions) = &self.actions { div .actions { (actions) } }
                        }
                        (body)
                    }
                }
            }
        }
    }

    fn side(&self) -> Markup {
        let (visit, lang) = (self.visit, self.visit.lang);
        html! {
            header .side {
                div .brand {
                    a href="/console" { (logo()) span .brand-name { "Okaeri" } }
                    span .shop-name { bdi { (visit.shop.shop_name) } }
                }
                nav aria-label=(lang.pick("メインメニュー", "Main menu")) {
                    ul {
                        @for nav in Nav::ALL {
                            li { a href=(nav.path()) aria-current=[(nav == self.nav).then_some("page")] { (nav.word(lang)) } }
                        }
                        li { form method="post" action="/console/sign-out" {
                            (visit.token_field())
                            button .link type="submit" { (lang.pick("サインアウト", "Sign out")) }
                        } }
                    }
                }
                div .side-foot {
                    (language_switch(lang, &visit.path))
                    p .note {
                        (lang.pick("時刻は", "Times in ")) (zone_name(visit.now, visit.zone()))
                    }
                }
            }
        }
    }
}

/// A whole document.
pub(crate) fn document(lang: Lang, title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang=(lang.code()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " | Okaeri" }
                link rel="stylesheet" href=(assets::STYLE.path());
                link rel="icon" type="image/svg+xml" href=(assets::ICON.path());
                script src=(assets::SCRIPT.path()) defer {}
            }
            body { (body) }
        }
    }
}

/// The sign of the house: a returning arrow in a circle.
pub(crate) fn logo() -> Markup {
    html! {
        svg .logo viewBox="0 0 32 32" width="28" height="28" aria-hidden="true" focusable="false" {
            rect width="32" height="32" rx="8" .logo-ground {}
            path .logo-line d="M22.5 20.5a7.5 7.5 0 1 1 .3-8.6M23 7.5v4.8h-4.8" fill="none" stroke-width="2.6" stroke-linecap="round" stroke-linejoin="round" {}
        }
    }
}

/// Buttons for the two languages; `path` is where they lead back to.
pub(crate) fn language_switch(lang: Lang, path: &str) -> Markup {
    html! {
        form .languages method="post" action="/console/language" {
            input type="hidden" name="next" value=(path);
            @for (each, word) in [(Lang::Ja, "日本語"), (Lang::En, "English")] {
                button .link type="submit" name="lang" value=(each.code()) lang=(each.code())
                    aria-pressed=(if each == lang { "true" } else { "false" }) { (word) }
            }
        }
    }
}

fn crumbs(crumbs: &[(String, String)], here: &str, lang: Lang) -> Markup {
    if crumbs.is_empty() {
        return html! {};
    }
    html! {
        nav .crumbs aria-label=(lang.pick("現在位置", "Breadcrumb")) {
            ol {
                @for (path, word) in crumbs { li { a href=(path) { bdi { (word) } } } }
                li aria-current="page" { bdi { (here) } }
            }
        }
    }
}

/// How grave a banner is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Good to know.
    Info,
    /// May hurt.
    Warning,
    /// Hurts already.
    Danger,
}

/// One matter with its next step, at the top of what it concerns.
pub fn banner(weight: Weight, title: &str, body: &Markup) -> Markup {
    let (class, shape) = match weight {
        Weight::Info => ("info", "i"),
        Weight::Warning => ("warning", "!"),
        Weight::Danger => ("bad", "!"),
    };
    html! {
        section .banner .(class) {
            span .banner-shape aria-hidden="true" { (shape) }
            div { p .banner-title { (title) } (body) }
        }
    }
}

/// What a list shows while there is nothing yet: one sentence of benefit and one button.
pub fn nothing_yet(sentence: &str, button: &Markup) -> Markup {
    html! { div .empty { p { (sentence) } (button) } }
}

/// What a list shows when nothing matches.
pub fn no_match(clear: &str, lang: Lang) -> Markup {
    html! {
        div .empty {
            p { (lang.pick("条件に合うものがありません", "Nothing matches")) }
            a .button href=(clear) { (lang.pick("絞り込みを解除", "Clear filters")) }
        }
    }
}

/// Links to the first and the next page of a list.
pub fn paging(first: Option<&str>, next: Option<&str>, lang: Lang) -> Markup {
    if first.is_none() && next.is_none() {
        return html! {};
    }
    html! {
        nav .paging aria-label=(lang.pick("ページ送り", "Pages")) {
            @if let Some(first) = first { a .button href=(first) rel="first" { (lang.pick("最初へ", "First")) } }
            @if let Some(next) = next { a .button href=(next) rel="next" { (lang.pick("次へ", "Next")) } }
        }
    }
}

/// Links between views of one list, with counts where they are known.
pub fn views(label: &str, items: &[(String, String, Option<u64>, bool)]) -> Markup {
    html! {
        nav .views aria-label=(label) { ul {
            @for (path, word, count, here) in items {
                li { a href=(path) aria-current=[here.then_some("page")] { (word)
                    @if let Some(count) = count { " " span .count { (number(*count)) } } } }
            }
        } }
    }
}

/// A figure with what it is called, and a line below it.
pub fn key_figure(name: &str, value: &Markup, note: &Markup) -> Markup {
    html! { div .figure { dt { (name) } dd .value { (value) } dd .note { (note) } } }
}

/// How much of something bounded is used, as a bar; words stand beside it.
pub fn bar(part: u64, whole: u64, name: &str) -> Markup {
    let thousandths = u128::from(part)
        .saturating_mul(1_000)
        .checked_div(u128::from(whole));
    let thousandths = thousandths.unwrap_or(1_000).min(1_000);
    let thousandths = if part > 0 { thousandths.max(10) } else { 0 };
    let class = match thousandths {
        950.. => "bar full",
        800.. => "bar high",
        _ => "bar",
    };
    html! {
        svg class=(class) role="img" aria-label=(name) width="100%" height="8" preserveAspectRatio="none" {
            rect .bar-ground width="100%" height="8" rx="4" {}
            @if part > 0 {
                rect .bar-part width=(format!("{}.{}%", thousandths / 10, thousandths % 10)) height="8" rx="4" {}
            }
        }
    }
}
