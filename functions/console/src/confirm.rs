//! Pages that ask before something is done. Nothing irreversible happens on a link or in one click.

use axum::response::Response;
use maud::{Markup, html};

use crate::fields::Fields;
use crate::form::{Errors, Input};
use crate::frame::{Nav, Page};
use crate::visit::Visit;

/// How hard it is to undo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gravity {
    /// It can be undone, such as a pause.
    Reversible,
    /// It cannot, such as an end.
    Final,
    /// It cannot and touches many things or erases: the words to type before it is done.
    Mass(String),
}

/// A question.
#[derive(Clone, Debug)]
pub struct Confirm<'a> {
    /// The menu's place.
    pub nav: Nav,
    /// What is asked, naming the thing: "Pause “Spring sale”".
    pub title: String,
    /// What then happens, in sentences with numbers.
    pub consequences: Vec<String>,
    /// Where the form goes.
    pub action: String,
    /// The verb on the button.
    pub verb: &'a str,
    /// Where "Go back" leads.
    pub back: String,
    /// How hard it is to undo.
    pub gravity: Gravity,
    /// Fields the form carries.
    pub carries: Vec<(&'a str, String)>,
}

impl Confirm<'_> {
    /// Name of the field into which the words of [`Gravity::Mass`] are typed.
    pub const TYPED: &'static str = "typed";

    /// The page.
    pub fn page(&self, visit: &Visit) -> Response {
        self.render(visit, "", &Errors::new())
    }

    /// Whether the form may be obeyed: what was to be typed was.
    pub fn is_confirmed(&self, fields: &Fields) -> bool {
        match &self.gravity {
            Gravity::Reversible | Gravity::Final => true,
            Gravity::Mass(words) => {
                let tidy = |text: &str| crate::fields::tidy_number(text).to_lowercase();
                tidy(fields.get(Self::TYPED)) == tidy(words)
            }
        }
    }

    /// The page again, because something else was typed.
    pub fn mistyped(&self, visit: &Visit, fields: &Fields) -> Response {
        let mut errors = Errors::new();
        if let Gravity::Mass(words) = &self.gravity {
            let text = visit.lang.pick(
                format!("確認のため「{words}」と入力してください"),
                format!("Type “{words}” to confirm"),
            );
            errors.add(Self::TYPED, text);
        }
        self.render(visit, fields.get(Self::TYPED), &errors)
    }

    /// The page with what the API said against it.
    pub fn refused(&self, visit: &Visit, errors: &Errors) -> Response {
        self.render(visit, "", errors)
    }

    fn render(&self, visit: &Visit, typed: &str, errors: &Errors) -> Response {
        let lang = visit.lang;
        let dangerous = self.gravity != Gravity::Reversible;
        let body = html! {
            (errors.summary(lang))
            div .card .narrow {
                ul .consequences { @for line in &self.consequences { li { (line) } } }
                form method="post" action=(self.action) novalidate {
                    (visit.token_field())
                    @for (name, value) in &self.carries { input type="hidden" name=(name) value=(value); }
                    (self.typed_field(visit, typed, errors))
                    div .buttons {
                        button .button .danger[dangerous] .primary[!dangerous] type="submit" { (self.verb) }
                        a .button href=(self.back) { (lang.pick("戻る", "Go back")) }
                    }
                }
            }
        };
        Page::new(visit, self.nav, self.title.clone())
            .below_nav()
            .errors(errors.len())
            .render(&body)
    }

    fn typed_field(&self, visit: &Visit, typed: &str, errors: &Errors) -> Markup {
        let lang = visit.lang;
        match &self.gravity {
            Gravity::Reversible | Gravity::Final => html! {},
            Gravity::Mass(words) => {
                let label = lang.pick(
                    format!("確認のため「{words}」と入力"),
                    format!("Type “{words}” to confirm"),
                );
                Input::new(Self::TYPED, &label, typed)
                    .class("middle")
                    .autocomplete("off")
                    .render(errors, lang)
            }
        }
    }
}
