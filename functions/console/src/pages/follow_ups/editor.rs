//! The form that makes and changes follow-ups.

use axum::Router;
use axum::extract::{Path, State as Shared};
use axum::response::Response;
use axum::routing::get;
use http::Method;
use maud::{Markup, html};
use shared::domain::code::PromotionId;
use shared::domain::follow_up::{FollowUp, FollowUpTerms, MAX_VARIANTS};
use shared::domain::money::Currency;
use shared::domain::promotion::{ClaimCode, Status};
use shared::mailer::{Language, template};
use shared::store::Freshness;

use super::form::{LANGUAGES, empty, of_terms, of_variant, places, read, variant_places, variants};
use super::{find, path};
use crate::State;
use crate::api::{Call, text};
use crate::failure::Failure;
use crate::fields::Fields;
use crate::figures::newest;
use crate::form::{Choice, Errors, Input, checkbox, select};
use crate::frame::{Nav, Page, Weight, banner};
use crate::lang::Lang;
use crate::pages::mails::sender_banner;
use crate::visit::Visit;
use crate::words::benefit;

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/console/follow-ups/new", get(begin).post(create))
        .route("/console/follow-ups/{id}/edit", get(edit).post(save))
}

/// What a form shows besides its fields.
struct Form<'a> {
    visit: &'a Visit,
    /// The follow-up that is changed; none while one is made.
    of: Option<&'a FollowUp>,
    fields: Fields,
    errors: Errors,
    /// Promotions to choose from, with what they give.
    promotions: Vec<(String, String)>,
    currency: Option<Currency>,
    /// Whether arms were changed and staff have not yet said that a new experiment may begin.
    asks: bool,
}

async fn begin(visit: Visit, Shared(state): Shared<State>) -> Result<Response, Failure> {
    let fields = empty(visit.lang);
    let form = Form::of(&state, &visit, None, fields).await?;
    Ok(form.page())
}

async fn edit(
    visit: Visit,
    Shared(state): Shared<State>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let follow_up = find(&state, id).await?;
    let currency = state.store.currency_of(&follow_up, visit.now).await?;
    let fields = of_terms(&follow_up.terms, currency);
    let form = Form::of(&state, &visit, Some(&follow_up), fields).await?;
    Ok(form.page())
}

async fn create(
    visit: Visit,
    Shared(state): Shared<State>,
    fields: Fields,
) -> Result<Response, Failure> {
    let form = Form::of(&state, &visit, None, fields).await?;
    if form.only_moves() {
        return Ok(form.moved().page());
    }
    let lang = visit.lang;
    let (terms, errors) = read(&form.fields, None, form.currency, lang);
    if !errors.is_empty() {
        return Ok(form.with(errors).page());
    }
    let once = form.fields.get("once").to_owned();
    let call = Call::new(Method::POST, "/v1/follow-ups")
        .body(terms)
        .once(&once);
    match state.api.call(&visit, call).await {
        Ok(made) => {
            let there = format!("/console/follow-ups/{}", text(&made, "id"));
            let said = lang.pick(
                "作成しました。これからの注文に適用されます。",
                "Created. It applies to orders from now on.",
            );
            Ok(visit.done(&there, said))
        }
        Err(refusal) => Ok(form.refused(&refusal).page()),
    }
}

async fn save(
    visit: Visit,
    Shared(state): Shared<State>,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Failure> {
    let follow_up = find(&state, id).await?;
    let form = Form::of(&state, &visit, Some(&follow_up), fields).await?;
    if form.only_moves() {
        return Ok(form.moved().page());
    }
    let lang = visit.lang;
    let (terms, errors) = read(&form.fields, Some(&follow_up.terms), form.currency, lang);
    if !errors.is_empty() {
        return Ok(form.with(errors).page());
    }
    let next: Option<FollowUpTerms> = serde_json::from_value(terms.clone()).ok();
    let same = next.is_none_or(|next| {
        next.variants == follow_up.terms.variants
            && next.holdout_percent == follow_up.terms.holdout_percent
    });
    if !same && !form.fields.has("confirmed") {
        return Ok(Form { asks: true, ..form }.page());
    }
    let call = format!("/v1/follow-ups/{}", follow_up.id);
    match state
        .api
        .call(&visit, Call::new(Method::PUT, &call).body(terms))
        .await
    {
        Ok(_) => {
            let said = lang.pick(
                "保存しました。これからの注文に適用されます。",
                "Saved. It applies to orders from now on.",
            );
            Ok(visit.done(&path(&follow_up.id), said))
        }
        Err(refusal) => Ok(form.refused(&refusal).page()),
    }
}

impl<'a> Form<'a> {
    async fn of(
        state: &State,
        visit: &'a Visit,
        of: Option<&'a FollowUp>,
        mut fields: Fields,
    ) -> Result<Self, Failure> {
        let lang = visit.lang;
        let mut promotions = Vec::new();
        for promotion in newest(state).await?.promotions {
            let terms = &promotion.terms;
            if terms.claim_code != ClaimCode::SingleUse
                || promotion.status_at(visit.now) == Status::Ended
            {
                continue;
            }
            let gives = benefit(&terms.benefit, terms.currency, lang);
            promotions.push((
                promotion.id.to_string(),
                format!("{} · {gives} ({})", terms.name, promotion.id),
            ));
        }
        for index in 0..variants(&fields) {
            let chosen = fields.get(&of_variant(index, "promotion")).to_owned();
            if !chosen.is_empty() && promotions.iter().all(|(id, _)| *id != chosen) {
                promotions.push((chosen.clone(), chosen));
            }
        }
        let first = PromotionId::try_from(fields.get("v0-promotion").to_owned()).ok();
        let currency = match first {
            None => None,
            Some(id) => {
                state
                    .store
                    .promotion(&id, Freshness::Remembered, visit.now)
                    .await?
            }
        };
        if fields.get("once").is_empty() {
            fields.set("once", shared::domain::follow_up::random_symbols(26));
        }
        Ok(Self {
            visit,
            of,
            fields,
            errors: Errors::new(),
            promotions,
            currency: currency.map(|known| known.promotion.terms.currency),
            asks: false,
        })
    }

    /// Whether a button was pressed that adds or removes a variant, and saves nothing.
    fn only_moves(&self) -> bool {
        self.fields.has("add") || self.fields.has("remove")
    }

    /// The form with a variant more or less.
    fn moved(mut self) -> Self {
        let count = variants(&self.fields);
        if self.fields.has("add") && count < MAX_VARIANTS {
            for (name, value) in [("delay", "7"), ("unit", "D"), ("weight", "1")] {
                self.fields.set(&of_variant(count, name), value);
            }
            self.fields
                .set("variants", count.saturating_add(1).to_string());
        } else if let Ok(gone) = self.fields.get("remove").parse::<usize>() {
            for index in gone..count {
                for name in ["name", "promotion", "delay", "unit", "weight"] {
                    let next = self
                        .fields
                        .get(&of_variant(index.saturating_add(1), name))
                        .to_owned();
                    self.fields.set(&of_variant(index, name), next);
                }
            }
            self.fields
                .set("variants", count.saturating_sub(1).max(1).to_string());
        }
        self
    }

    fn with(mut self, errors: Errors) -> Self {
        self.errors = errors;
        self
    }

    fn refused(mut self, refusal: &crate::api::Refusal) -> Self {
        let names = variant_places(variants(&self.fields));
        self.errors
            .refused(refusal, &places(&names), self.visit.lang);
        self
    }

    fn page(&self) -> Response {
        let lang = self.visit.lang;
        let (title, action, back) = match self.of {
            None => (
                lang.pick("フォローメールを作成", "New follow-up")
                    .to_owned(),
                "/console/follow-ups/new".to_owned(),
                "/console/follow-ups".to_owned(),
            ),
            Some(follow_up) => (
                lang.pick(
                    format!("「{}」を編集", follow_up.terms.name),
                    format!("Edit “{}”", follow_up.terms.name),
                ),
                format!("{}/edit", path(&follow_up.id)),
                path(&follow_up.id),
            ),
        };
        let body = html! {
            (sender_banner(self.visit))
            (self.errors.summary(lang))
            @if self.asks { (new_experiment(lang)) }
            form .form method="post" action=(action) novalidate {
                (self.visit.token_field())
                input type="hidden" name="once" value=(self.fields.get("once"));
                input type="hidden" name="variants" value=(variants(&self.fields));
                @if self.asks { input type="hidden" name="confirmed" value="yes"; }
                // What Enter presses: the first submit button of a form.
                button .hidden type="submit" tabindex="-1" aria-hidden="true" {}
                (self.orders()) (self.arms()) (self.codes()) (self.sender()) (self.texts())
                div .buttons {
                    button .button .primary type="submit" { (self.verb()) }
                    a .button href=(back) { (lang.pick("戻る", "Go back")) }
                }
            }
        };
        Page::new(self.visit, Nav::FollowUps, title)
            .below_nav()
            .errors(self.errors.len())
            .render(&body)
    }

    fn verb(&self) -> &'static str {
        let lang = self.visit.lang;
        match (self.of, self.asks) {
            (None, _) => lang.pick("フォローメールを作成する", "Create follow-up"),
            (Some(_), false) => lang.pick("変更を保存する", "Save changes"),
            (Some(_), true) => lang.pick(
                "新しい比較を始めて保存する",
                "Save and start a new experiment",
            ),
        }
    }

    fn input<'b>(&'b self, name: &'b str, label: &'b str) -> Input<'b> {
        Input::new(name, label, self.fields.get(name))
    }

    fn orders(&self) -> Markup {
        let (lang, errors) = (self.visit.lang, &self.errors);
        let sign = self.currency.map(|currency| currency.code().to_owned());
        let min = self
            .input("min", lang.pick("最低購入金額", "Minimum order total"))
            .numeric()
            .optional();
        let min = match sign {
            Some(sign) => min.before(sign),
            None => min,
        };
        html! {
            section .card .form-section {
                h2 { span .step-number { "1" } (lang.pick("対象の注文", "Which orders")) }
                (self.input("name", lang.pick("名前", "Name")).maxlength(200)
                    .hint(html! { (lang.pick("スタッフだけに見えます", "Only staff see it")) }).render(errors, lang))
                (min.render(errors, lang))
                (checkbox("consent", lang.pick("お知らせメールに同意したお客様だけに送る", "Only buyers who agreed to mail"), self.fields.has("consent"),
                    Some(lang.pick("同意なしに広告メールを送ることは、日本では原則として法律で禁止されています", "In Japan, advertising by mail without consent is forbidden as a rule"))))
                (checkbox("first", lang.pick("初回の注文だけ", "First orders only"), self.fields.has("first"), None))
                div .row {
                    (self.input("cooldown", lang.pick("配信間隔", "At most one mail in")).numeric().optional().after(lang.pick("日に1通まで", "days")).render(errors, lang))
                    (self.input("most", lang.pick("お一人様の上限", "At most, ever")).numeric().optional().after(lang.pick("通", "mails")).render(errors, lang))
                }
            }
        }
    }

    fn arms(&self) -> Markup {
        let (lang, errors) = (self.visit.lang, &self.errors);
        let count = variants(&self.fields);
        html! {
            section .card .form-section {
                h2 { span .step-number { "2" } (lang.pick("配信パターン", "Arms")) }
                @if self.of.is_some() { p .notice { (lang.pick(
                    "パターン・割合・比較用グループを変えると、新しい比較が始まります。これまでの結果は実績ページで引き続き見られます。",
                    "Changing variants, weights or hold-out starts a new experiment. Results so far stay readable.",
                )) } }
                @for index in 0..count { (self.arm(index, count)) }
                @if count < MAX_VARIANTS { div { button .button .small type="submit" name="add" value="yes" { (lang.pick("パターンを追加", "Add a variant")) } } }
                (self.input("holdout", lang.pick("比較用グループ（配信なし）", "Hold-out")).numeric().after("%")
                    .hint(html! { (lang.pick("この割合のお客様には送らず、効果を比べます。0にすると効果は判定できません", "This share of buyers gets nothing, to compare with. With 0 no effect can be told")) })
                    .render(errors, lang))
            }
        }
    }

    fn arm(&self, index: usize, count: usize) -> Markup {
        let (lang, errors) = (self.visit.lang, &self.errors);
        let field = |name: &str| of_variant(index, name);
        let (name, promotion, delay, unit, weight) = (
            field("name"),
            field("promotion"),
            field("delay"),
            field("unit"),
            field("weight"),
        );
        let mut choices = vec![Choice::new("", lang.pick("選んでください", "Choose one"))];
        choices.extend(
            self.promotions
                .iter()
                .map(|(id, label)| Choice::new(id, label.clone())),
        );
        html! {
            fieldset .arm {
                legend { (lang.pick(format!("パターン{}", index + 1), format!("Variant {}", index + 1))) }
                (self.input(&name, lang.pick("パターン名", "Name")).maxlength(100).class("middle").render(errors, lang))
                (select((&promotion, lang.pick("プロモーション（1回限りのコード）", "Promotion (single-use codes)")), self.fields.get(&promotion), &choices, errors, lang))
                div .row {
                    (self.input(&delay, lang.pick("注文から", "After the order")).numeric().render(errors, lang))
                    (select((&unit, lang.pick("単位", "Unit")), self.fields.get(&unit), &units(self.fields.get(&unit), lang), errors, lang))
                    (self.input(&weight, lang.pick("割合（重み）", "Weight")).numeric().render(errors, lang))
                }
                @if count > 1 { div { button .button .small type="submit" name="remove" value=(index) { (lang.pick(format!("パターン{}を外す", index + 1), format!("Remove variant {}", index + 1))) } } }
            }
        }
    }

    fn codes(&self) -> Markup {
        let (lang, errors) = (self.visit.lang, &self.errors);
        let unit = match self.fields.get("reminder-unit") {
            "" => "D",
            given => given,
        };
        html! {
            section .card .form-section {
                h2 { span .step-number { "3" } (lang.pick("コードとお知らせ", "Codes and reminder")) }
                (self.input("valid", lang.pick("コードの有効期間", "Codes work for")).numeric().after(lang.pick("日間", "days"))
                    .hint(html! { (lang.pick("配信予定日から数え、最終日の23:59まで", "From the day the mail is due, to the end of the last day")) }).render(errors, lang))
                (checkbox("bound", lang.pick("コードを本人だけが使えるようにする", "Only the buyer can use the code"), self.fields.has("bound"), None))
                div .row {
                    (self.input("reminder", lang.pick("期限前のお知らせ", "Reminder before the end")).numeric().optional().render(errors, lang))
                    (select(("reminder-unit", lang.pick("単位", "Unit")), unit, &units_before(unit, lang), errors, lang))
                }
            }
        }
    }

    fn sender(&self) -> Markup {
        let (lang, errors) = (self.visit.lang, &self.errors);
        html! {
            section .card .form-section {
                h2 { span .step-number { "4" } (lang.pick("差出人", "Sender")) }
                (self.input("from", lang.pick("差出人メールアドレス", "From")).hint(html! { (lang.pick("例：", "Such as ")) code { "Shop <hello@shop.example>" } (lang.pick("。SESで確認済みのもの", ", verified with SES")) }).render(errors, lang))
                details open[self.has_sender()] {
                    summary { (lang.pick("このメールだけの差出人情報", "Sender details of its own")) }
                    div .form-section {
                        p .note { (lang.pick("空欄なら、設定の差出人情報を使います", "Empty: the details in Settings are used")) }
                        (self.input("sender-name", lang.pick("名称", "Name")).optional().render(errors, lang))
                        (self.input("sender-address", lang.pick("住所", "Postal address")).optional().render(errors, lang))
                        (self.input("sender-contact", lang.pick("連絡先", "Contact")).optional().render(errors, lang))
                    }
                }
            }
        }
    }

    fn has_sender(&self) -> bool {
        let parts = ["sender-name", "sender-address", "sender-contact"];
        parts
            .iter()
            .any(|name| !self.fields.get(name).is_empty() || self.errors.of(name).is_some())
    }

    fn texts(&self) -> Markup {
        let (lang, errors) = (self.visit.lang, &self.errors);
        html! {
            section .card .form-section {
                h2 { span .step-number { "5" } (lang.pick("本文", "Text")) }
                p .note { (lang.pick("空欄なら、組み込みの文面を使います。使える変数：", "Empty: the built-in text is used. Variables: "))
                    @for name in template::VARIABLES { code translate="no" { "{{ " (name) " }}" } " " } }
                @for tag in LANGUAGES {
                    @let (subject, body) = (format!("subject-{tag}"), format!("body-{tag}"));
                    @let own = !self.fields.get(&subject).is_empty() || !self.fields.get(&body).is_empty() || errors.of(&subject).is_some() || errors.of(&body).is_some();
                    @let word = if tag == "ja" { lang.pick("日本語の文面", "Japanese text") } else { lang.pick("英語の文面", "English text") };
                    @let (subject_word, body_word) = (lang.pick(format!("件名（{tag}）"), format!("Subject ({tag})")), lang.pick(format!("本文（{tag}）"), format!("Body ({tag})")));
                    details open[own] {
                        summary { (word) }
                        div .form-section {
                            (self.input(&subject, &subject_word).optional().maxlength(300).render(errors, lang))
                            (self.input(&body, &body_word).optional().rows(10).render(errors, lang))
                            details { summary { (lang.pick("組み込みの文面を見る", "See the built-in text")) } pre .mail-text lang=(tag) { (built_in(tag)) } }
                        }
                    }
                }
            }
        }
    }
}

fn built_in(tag: &str) -> String {
    let text = template::built_in(Language::of(tag));
    format!("{}\n\n{}", text.subject, text.body)
}

/// The units of a reminder, which counts back from the code's end.
fn units_before(chosen: &str, lang: Lang) -> Vec<Choice<'static>> {
    let mut units = units(chosen, lang);
    let words = ["日前", "時間前", "分前", "秒前"];
    for (unit, ja) in units.iter_mut().zip(words) {
        if lang == Lang::Ja {
            ja.clone_into(&mut unit.label);
        }
    }
    units
}

fn units(chosen: &str, lang: Lang) -> Vec<Choice<'static>> {
    let mut units = vec![
        Choice::new("D", lang.pick("日後", "days")),
        Choice::new("H", lang.pick("時間後", "hours")),
        Choice::new("M", lang.pick("分後", "minutes")),
    ];
    if chosen == "S" {
        units.push(Choice::new("S", lang.pick("秒後", "seconds")));
    }
    units
}

fn new_experiment(lang: Lang) -> Markup {
    banner(
        Weight::Warning,
        lang.pick("新しい比較が始まります", "This starts a new experiment"),
        &html! { p { (lang.pick(
            "配信パターンか割合が変わるため、お客様のグループ分けと数字は0から数え直します。これまでの結果は実績ページで引き続き見られます。配信予定のメールは前の内容で送られます。",
            "Variants or weights change: buyers are spread anew and figures begin at zero. Results so far stay readable. Mails already queued keep their terms.",
        )) } },
    )
}
