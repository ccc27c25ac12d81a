//! Fields of forms with their labels, hints and errors, and the summary of errors above them.

use maud::{Markup, html};

use crate::api::Refusal;
use crate::lang::Lang;

/// What somebody has to mend, in the order of the form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Errors(Vec<(String, String)>);

impl Errors {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what is wrong at a field; a field's first error stands. An empty name belongs to the form as a whole.
    pub fn add(&mut self, field: &str, message: impl Into<String>) {
        if field.is_empty() || self.of(field).is_none() {
            self.0.push((field.to_owned(), message.into()));
        }
    }

    /// What is wrong at a field.
    pub fn of(&self, field: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == field);
        found.map(|(_, message)| message.as_str())
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each with its field.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(field, message)| (field.as_str(), message.as_str()))
    }

    /// Takes over what the API refused: `places` says which field a JSON pointer (or what it begins with) belongs to, and what to say of
    /// it in Japanese and English; without words of its own the API's are shown, which are English.
    pub fn refused(&mut self, refusal: &Refusal, places: &[Place<'_>], lang: Lang) {
        if refusal.errors.is_empty() {
            self.add("", general(refusal, lang));
        }
        for wrong in &refusal.errors {
            let place = places.iter().find(|place| {
                let rest = wrong.pointer.strip_prefix(place.pointer);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            });
            let (field, words) = place.map_or(("", None), |place| (place.field, place.words));
            let words = match (words, lang) {
                (Some((ja, en)), _) => lang.pick(ja, en).to_owned(),
                (None, Lang::Ja) => format!("この項目の内容を確認してください（{}）", wrong.detail),
                (None, Lang::En) => capitalised(&wrong.detail),
            };
            self.add(field, words);
        }
    }

    /// The summary that stands above a form, takes the focus and leads to each field.
    pub fn summary(&self, lang: Lang) -> Markup {
        if self.is_empty() {
            return html! {};
        }
        html! {
            section .error-summary role="alert" tabindex="-1" autofocus aria-labelledby="errors" {
                h2 #errors { @match lang {
                    Lang::Ja => { "入力内容をご確認ください（" (self.len()) "件）" }
                    Lang::En => { "There is a problem" }
                } }
                ul {
                    @for (field, message) in self.iter() {
                        li { @if field.is_empty() { (message) } @else { a href=(format!("#{}", id(field))) { (message) } } }
                    }
                }
            }
        }
    }
}

/// Where in a form a value of the API stands.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// JSON pointer, or what it begins with.
    pub pointer: &'a str,
    /// The field's name.
    pub field: &'a str,
    /// What to say, in Japanese and English, whatever is wrong with it.
    pub words: Option<(&'a str, &'a str)>,
}

fn general(refusal: &Refusal, lang: Lang) -> String {
    match (refusal.code.as_str(), lang) {
        ("version-conflict", _) => lang
            .pick(
                "ほかの人が先に変更しました。最新の内容を確認して、もう一度お試しください。",
                "Somebody else changed this meanwhile. Look at it as it is now and try again.",
            )
            .to_owned(),
        ("unavailable", _) => lang
            .pick(
                "一時的に処理できませんでした。数秒後にもう一度お試しください。",
                "This did not work for the moment. Try again in a few seconds.",
            )
            .to_owned(),
        (_, Lang::Ja) => format!("処理できませんでした（{}）", refusal.detail),
        (_, Lang::En) => refusal.detail.clone(),
    }
}

fn capitalised(text: &str) -> String {
    let mut symbols = text.chars();
    let first = symbols.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(symbols).collect()
}

/// The id of a field's control.
pub fn id(field: &str) -> String {
    format!("f-{field}")
}

/// A field of one line, or several.
#[derive(Clone, Debug)]
pub struct Input<'a> {
    name: &'a str,
    label: &'a str,
    value: &'a str,
    kind: &'a str,
    hint: Option<Markup>,
    optional: bool,
    class: &'a str,
    before: Option<String>,
    after: Option<&'a str>,
    rows: Option<u8>,
    extra: Extra<'a>,
}

/// What browsers help with.
#[derive(Clone, Copy, Debug, Default)]
struct Extra<'a> {
    inputmode: Option<&'a str>,
    autocomplete: Option<&'a str>,
    maxlength: Option<u32>,
}

impl<'a> Input<'a> {
    /// A field for text.
    pub fn new(name: &'a str, label: &'a str, value: &'a str) -> Self {
        Self {
            name,
            label,
            value,
            kind: "text",
            hint: None,
            optional: false,
            class: "",
            before: None,
            after: None,
            rows: None,
            extra: Extra::default(),
        }
    }

    /// Another `type`, such as `date` or `password`.
    #[must_use]
    pub fn kind(mut self, kind: &'a str) -> Self {
        self.kind = kind;
        self
    }

    /// For a number, which may be written with full-width digits and commas.
    #[must_use]
    pub fn numeric(mut self) -> Self {
        self.extra.inputmode = Some("decimal");
        self.extra.autocomplete = Some("off");
        self.class = "short";
        self
    }

    /// Below the label.
    #[must_use]
    pub fn hint(mut self, hint: Markup) -> Self {
        self.hint = Some(hint);
        self
    }

    /// It may be left empty, which the label says.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// A width: `short`, `middle`, or the form's.
    #[must_use]
    pub fn class(mut self, class: &'a str) -> Self {
        self.class = class;
        self
    }

    /// A unit before the control, such as a currency's sign.
    #[must_use]
    pub fn before(mut self, unit: impl Into<String>) -> Self {
        self.before = Some(unit.into());
        self
    }

    /// A unit behind the control.
    #[must_use]
    pub fn after(mut self, unit: &'a str) -> Self {
        self.after = Some(unit);
        self
    }

    /// Several lines.
    #[must_use]
    pub fn rows(mut self, rows: u8) -> Self {
        self.rows = Some(rows);
        self
    }

    /// What browsers may fill in.
    #[must_use]
    pub fn autocomplete(mut self, what: &'a str) -> Self {
        self.extra.autocomplete = Some(what);
        self
    }

    /// The longest text a browser takes, in UTF-16 units.
    #[must_use]
    pub fn maxlength(mut self, longest: u32) -> Self {
        self.extra.maxlength = Some(longest);
        self
    }

    /// The field.
    pub fn render(&self, errors: &Errors, lang: Lang) -> Markup {
        let id = id(self.name);
        let error = errors.of(self.name);
        let described = described_by(&id, self.hint.is_some(), error.is_some());
        html! {
            div .field .wrong[error.is_some()] {
                label for=(id) { (self.label) @if self.optional { (optional(lang)) } }
                (hint_and_error(&id, self.hint.as_ref(), error, lang))
                @if let Some(rows) = self.rows {
                    textarea #(id) name=(self.name) rows=(rows) class=(self.class) aria-describedby=[described]
                        aria-invalid=[error.map(|_| "true")] spellcheck="false" { "\n" (self.value) }
                } @else {
                    div .control {
                        @if let Some(unit) = &self.before { span .unit { (unit) } }
                        input #(id) name=(self.name) type=(self.kind) value=(self.value) class=(self.class)
                            inputmode=[self.extra.inputmode] autocomplete=[self.extra.autocomplete] maxlength=[self.extra.maxlength]
                            aria-describedby=[described] aria-invalid=[error.map(|_| "true")];
                        @if let Some(unit) = self.after { span .unit { (unit) } }
                    }
                }
            }
        }
    }
}

fn optional(lang: Lang) -> Markup {
    html! { span .optional { (lang.pick("（任意）", " (optional)")) } }
}

fn described_by(id: &str, hint: bool, error: bool) -> Option<String> {
    let hint = hint.then(|| format!("{id}-hint"));
    let error = error.then(|| format!("{id}-error"));
    let both: Vec<String> = hint.into_iter().chain(error).collect();
    (!both.is_empty()).then(|| both.join(" "))
}

fn hint_and_error(id: &str, hint: Option<&Markup>, error: Option<&str>, lang: Lang) -> Markup {
    html! {
        @if let Some(hint) = hint { div .hint #(format!("{id}-hint")) { (hint) } }
        @if let Some(error) = error {
            p .error #(format!("{id}-error")) { span .hidden { (lang.pick("エラー：", "Error: ")) } (error) }
        }
    }
}

/// One of several that can be chosen.
#[derive(Clone, Debug)]
pub struct Choice<'a> {
    /// What is sent.
    pub value: &'a str,
    /// What it is called.
    pub label: String,
    /// A sentence about it.
    pub note: Option<String>,
}

impl<'a> Choice<'a> {
    /// A choice without a note.
    pub fn new(value: &'a str, label: impl Into<String>) -> Self {
        Self {
            value,
            label: label.into(),
            note: None,
        }
    }

    /// With a sentence about it.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }
}

/// Radio buttons under a legend.
pub fn radios(
    (name, legend): (&str, &str),
    chosen: &str,
    choices: &[Choice<'_>],
    errors: &Errors,
    lang: Lang,
) -> Markup {
    let id = id(name);
    let error = errors.of(name);
    html! {
        fieldset .field .wrong[error.is_some()] aria-describedby=[error.map(|_| format!("{id}-error"))] {
            legend { (legend) }
            (hint_and_error(&id, None, error, lang))
            div .radios {
                @for (index, choice) in choices.iter().enumerate() {
                    @let own = if index == 0 { id.clone() } else { format!("{id}-{index}") };
                    div .radio {
                        input #(own) type="radio" name=(name) value=(choice.value) checked[choice.value == chosen];
                        label for=(own) { span .radio-label { (choice.label) }
                            @if let Some(note) = &choice.note { span .note { (note) } } }
                    }
                }
            }
        }
    }
}

/// A drop-down list.
pub fn select(
    (name, label): (&str, &str),
    chosen: &str,
    choices: &[Choice<'_>],
    errors: &Errors,
    lang: Lang,
) -> Markup {
    let id = id(name);
    let error = errors.of(name);
    html! {
        div .field .wrong[error.is_some()] {
            label for=(id) { (label) }
            (hint_and_error(&id, None, error, lang))
            select #(id) name=(name) aria-invalid=[error.map(|_| "true")] aria-describedby=[error.map(|_| format!("{id}-error"))] {
                @for choice in choices {
                    option value=(choice.value) selected[choice.value == chosen] { (choice.label) }
                }
            }
        }
    }
}

/// A box to check.
pub fn checkbox(name: &str, label: &str, checked: bool, note: Option<&str>) -> Markup {
    let id = id(name);
    html! {
        div .field .check {
            input #(id) type="checkbox" name=(name) value="yes" checked[checked];
            label for=(id) { span .radio-label { (label) } @if let Some(note) = note { span .note { (note) } } }
        }
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::api::Wrong;

    #[test]
    fn the_summary_leads_to_each_field_in_the_words_that_stand_there() {
        let mut errors = Errors::new();
        errors.add(
            "percent",
            "割引率は0より大きく100以下の数字で入力してください",
        );
        errors.add("percent", "later");
        let summary = errors.summary(Lang::Ja).into_string();
        assert!(
            summary.contains("入力内容をご確認ください（1件）")
                && summary.contains("href=\"#f-percent\"")
        );
        let field = Input::new("percent", "割引率", "<b>")
            .numeric()
            .render(&errors, Lang::Ja)
            .into_string();
        assert!(field.contains("割引率は0より") && field.contains("aria-invalid=\"true\""));
        assert!(field.contains("value=\"&lt;b&gt;\""), "{field}");
        assert!(Errors::new().summary(Lang::En).into_string().is_empty());
    }

    #[test]
    fn what_the_api_refuses_stands_at_its_field_and_the_rest_above_the_form() {
        let wrong = |pointer: &str| Wrong {
            pointer: pointer.to_owned(),
            detail: "is wrong".to_owned(),
        };
        let refusal = Refusal {
            status: StatusCode::BAD_REQUEST,
            code: "invalid-body".to_owned(),
            detail: String::new(),
            errors: vec![wrong("/products/include/3"), wrong("/nameless")],
        };
        let place = Place {
            pointer: "/products/include",
            field: "skus",
            words: None,
        };
        let named = Place {
            pointer: "/name",
            field: "name",
            words: Some(("名前", "name")),
        };
        let mut errors = Errors::new();
        errors.refused(&refusal, &[named, place], Lang::En);
        assert_eq!(errors.of("skus"), Some("Is wrong"));
        assert_eq!(errors.of(""), Some("Is wrong"));
        assert_eq!(errors.of("name"), None);
    }
}
