//! Templates: which one serves a reader, and what is refused when one is saved.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use minijinja::{AutoEscape, Environment, Error, Output, State, UndefinedBehavior, Value};

use super::offer::Language;
use super::render::sample;
use crate::domain::Fault;
use crate::domain::follow_up::Template;

/// Every variable a template may use. Source: design.md §8, and what the built-in texts need besides.
pub const VARIABLES: [&str; 16] = [
    "code",
    "discount",
    "offer",
    "expires_on",
    "expires_at",
    "minimum",
    "minimum_quantity",
    "maximum",
    "selected_products",
    "combinable",
    "bound",
    "customer.name",
    "order.id",
    "shop.name",
    "shop_url",
    "unsubscribe_url",
];

/// Longest subject a follow-up may bring, in characters of its source.
pub const MAX_SUBJECT_CHARS: usize = 300;
/// Longest body a follow-up may bring, in characters of its source. Gmail cuts mails at 102 kB of HTML (ux-crates.md).
pub const MAX_BODY_CHARS: usize = 20_000;
/// Steps one rendering may take: a thousand times what the built-in ones take, so that no loop holds a function up.
const FUEL: u64 = 1_000_000;

/// Checks a template before it is saved. Pointers are relative to it: `/subject`, `/body`.
///
/// # Errors
/// One [`Fault`] for each thing wrong: bad syntax and unknown variables with their line, a subject of several lines, a body
/// that does not show every reader the code.
pub fn check(locale: &str, template: &Template) -> Result<(), Vec<Fault>> {
    let parts = [
        ("/subject", &template.subject, MAX_SUBJECT_CHARS),
        ("/body", &template.body, MAX_BODY_CHARS),
    ];
    let mut faults: Vec<Fault> = parts
        .into_iter()
        .flat_map(|(pointer, source, max)| check_source(pointer, source, max))
        .collect();
    if faults.is_empty() {
        faults = check_samples(Language::of(locale), template);
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults)
    }
}

fn fault(pointer: &str, detail: impl Into<String>) -> Fault {
    Fault {
        pointer: pointer.to_owned(),
        detail: detail.into(),
    }
}

fn check_source(pointer: &str, source: &str, max_chars: usize) -> Vec<Fault> {
    if source.trim().is_empty() {
        return vec![fault(pointer, "must not be empty")];
    }
    if source.chars().count() > max_chars {
        return vec![fault(
            pointer,
            format!("has at most {max_chars} characters"),
        )];
    }
    if pointer == "/subject" && source.contains(char::is_control) {
        return vec![fault(pointer, "must be a single line")];
    }
    let parsed = match environment().template_from_named_str("text", source) {
        Ok(parsed) => parsed,
        Err(error) => return vec![fault(pointer, describe(&error))],
    };
    let unknown: BTreeSet<String> = parsed
        .undeclared_variables(true)
        .into_iter()
        .filter(|name| !VARIABLES.contains(&name.as_str()))
        .collect();
    unknown
        .iter()
        .map(|name| {
            let line = line_of(source, name);
            let known = VARIABLES.join(", ");
            fault(
                pointer,
                format!("line {line}: there is no variable `{name}`; there are {known}"),
            )
        })
        .collect()
}

/// Renders what the sources' syntax cannot show: unknown filters, endless loops, a code that only some readers see.
fn check_samples(language: Language, template: &Template) -> Vec<Fault> {
    let contexts = match sample::contexts(language) {
        Ok(contexts) => contexts,
        Err(why) => return vec![fault("", why)],
    };
    for (context, code) in contexts {
        for (pointer, source) in [("/subject", &template.subject), ("/body", &template.body)] {
            match text(source, &context) {
                Err(error) => return vec![fault(pointer, describe(&error))],
                Ok(shown) if pointer == "/body" && !shown.contains(code) => {
                    let detail = "must show every reader the code: `{{ code }}`, outside conditions and unchanged";
                    return vec![fault(pointer, detail)];
                }
                Ok(shown) if shown.trim().is_empty() => {
                    return vec![fault(pointer, "is empty for some readers")];
                }
                Ok(_) => {}
            }
        }
    }
    Vec::new()
}

/// minijinja's message with its line; its name for the template means nothing to staff.
pub(super) fn describe(error: &Error) -> String {
    let line = error
        .line()
        .map(|line| format!("line {line}: "))
        .unwrap_or_default();
    match error.detail() {
        Some(detail) => format!("{line}{}: {detail}", error.kind()),
        None => format!("{line}{}", error.kind()),
    }
}

/// The first line on which `name` stands inside a tag, counted from 1.
fn line_of(source: &str, name: &str) -> usize {
    let part_of_name = |symbol: char| symbol.is_alphanumeric() || symbol == '_' || symbol == '.';
    let found = source.match_indices(name).find(|(at, _)| {
        let (before, rest) = source.split_at_checked(*at).unwrap_or_default();
        let after = rest.get(name.len()..).unwrap_or_default();
        let opened = before.rfind("{{").max(before.rfind("{%"));
        let closed = before.rfind("}}").max(before.rfind("%}"));
        opened > closed && !before.ends_with(part_of_name) && !after.starts_with(part_of_name)
    });
    let before = found.and_then(|(at, _)| source.get(..at));
    before.unwrap_or_default().matches('\n').count() + 1
}

/// The texts that serve a reader: the follow-up's own by `locale`, its primary language, then English; then the built-in
/// ones the same way. With them comes the language of the words around them.
pub(super) fn choose<'a>(
    own: Option<&'a BTreeMap<String, Template>>,
    locale: Option<&str>,
) -> (Cow<'a, Template>, Language) {
    for tag in tags(locale) {
        let own = own.and_then(|own| own.iter().find(|(key, _)| same_tag(key, &tag)));
        if let Some((key, template)) = own {
            return (Cow::Borrowed(template), Language::of(key));
        }
    }
    let language = Language::of(locale.unwrap_or_default());
    (Cow::Owned(built_in(language)), language)
}

/// `ja-JP` → `ja-JP`, `ja`, `en`.
fn tags(locale: Option<&str>) -> Vec<String> {
    let mut tags = Vec::new();
    let mut tag = locale.unwrap_or_default().trim().replace('_', "-");
    while !tag.is_empty() {
        tags.push(tag.clone());
        tag = tag
            .rsplit_once('-')
            .map(|(head, _)| head.to_owned())
            .unwrap_or_default();
    }
    tags.push("en".to_owned());
    tags
}

fn same_tag(key: &str, tag: &str) -> bool {
    key.replace('_', "-").eq_ignore_ascii_case(tag)
}

/// The text that serves a follow-up without templates of its own: the first line is the subject.
pub fn built_in(language: Language) -> Template {
    let source = match language {
        Language::Ja => include_str!("../../templates/thank-you.ja.txt"),
        Language::En => include_str!("../../templates/thank-you.en.txt"),
    };
    of_source(source)
}

/// A text whose first line is the subject.
fn of_source(source: &str) -> Template {
    let (subject, body) = source.split_once('\n').unwrap_or((source, ""));
    Template {
        subject: subject.to_owned(),
        body: body.trim().to_owned(),
    }
}

/// The texts of reminders, by language tag; a follow-up's own texts are for its first mail.
pub fn reminders() -> BTreeMap<String, Template> {
    let texts = [
        ("ja", include_str!("../../templates/reminder.ja.txt")),
        ("en", include_str!("../../templates/reminder.en.txt")),
    ];
    let read = |(tag, source): (&str, &str)| (tag.to_owned(), of_source(source));
    texts.into_iter().map(read).collect()
}

/// The legal footer's source.
pub(super) fn footer(language: Language) -> &'static str {
    match language {
        Language::Ja => include_str!("../../templates/footer.ja.txt"),
        Language::En => include_str!("../../templates/footer.en.txt"),
    }
}

/// Renders a source as plain text: nothing is escaped.
pub(super) fn text(source: &str, context: &Value) -> Result<String, Error> {
    environment().render_named_str("text", source, context.clone())
}

/// Renders the HTML layout: every value is escaped.
pub(super) fn html(context: Value) -> Result<String, String> {
    let layout = LAYOUT.as_ref().map_err(Clone::clone)?;
    environment()
        .render_named_str("layout.html", layout, context)
        .map_err(|error| describe(&error))
}

/// The layout as HTML with its variables still in it: MJML is read once per process, when the first mail is rendered.
static LAYOUT: LazyLock<Result<String, String>> = LazyLock::new(|| {
    let parsed = mrml::parse(include_str!("../../templates/layout.mjml"));
    let layout = parsed.map_err(|error| error.to_string())?.element;
    layout
        .render(&mrml::prelude::render::RenderOptions::default())
        .map_err(|error| error.to_string())
});

fn environment() -> &'static Environment<'static> {
    static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        environment.set_auto_escape_callback(|name| match name {
            "layout.html" => AutoEscape::Html,
            _ => AutoEscape::None,
        });
        environment.set_formatter(format_value);
        environment
    });
    &ENVIRONMENT
}

/// Writes a value, in HTML with the five characters escaped that end text or an attribute. minijinja's own escaping also
/// takes `/`, which makes every link unreadable to plain tools.
fn format_value(
    out: &mut Output<'_>,
    state: &mut State<'_, '_>,
    value: &Value,
) -> Result<(), Error> {
    let text = value.to_string();
    if !matches!(state.auto_escape(), AutoEscape::Html) {
        out.write_str(&text)?;
        return Ok(());
    }
    for symbol in text.chars() {
        match symbol {
            '&' => out.write_str("&amp;")?,
            '<' => out.write_str("&lt;")?,
            '>' => out.write_str("&gt;")?,
            '"' => out.write_str("&quot;")?,
            '\'' => out.write_str("&#39;")?,
            plain => out.write_str(plain.encode_utf8(&mut [0; 4]))?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(subject: &str, body: &str) -> Template {
        Template {
            subject: subject.to_owned(),
            body: body.to_owned(),
        }
    }

    fn faults(subject: &str, body: &str) -> Vec<(String, String)> {
        let faults = check("ja", &template(subject, body)).unwrap_err();
        faults
            .into_iter()
            .map(|fault| (fault.pointer, fault.detail))
            .collect()
    }

    #[test]
    fn the_built_in_texts_pass_their_own_check() {
        for locale in ["ja", "en"] {
            assert_eq!(check(locale, &built_in(Language::of(locale))), Ok(()));
            assert_eq!(check(locale, &reminders()[locale]), Ok(()));
        }
    }

    #[test]
    fn an_unknown_variable_is_refused_with_its_line() {
        let found = faults(
            "{{ shop.nam }}",
            "unknown\n{{ code }}\n{% if unknown %}{{ customer.nickname }}{% endif %}",
        );
        let expected = [
            ("/subject", "line 1: there is no variable `shop.nam`"),
            ("/body", "line 3: there is no variable `customer.nickname`"),
            ("/body", "line 3: there is no variable `unknown`"),
        ];
        assert_eq!(found.len(), 3, "{found:?}");
        for ((pointer, detail), (at, starts)) in found.iter().zip(expected) {
            assert!(pointer == at && detail.starts_with(starts), "{found:?}");
        }
        assert!(found[1].1.contains("customer.name"), "{found:?}");
    }

    #[test]
    fn what_cannot_be_sent_is_refused_with_its_place() {
        for (subject, body, pointer, says) in [
            ("Hi", "a\n{{ code", "/body", "line 2"),
            ("Hi", "a\n{{ code | nofilter }}", "/body", "line 2"),
            ("Hi", "{% include 'x' %}{{ code }}", "/body", "line 1"),
            ("Hi", "no code", "/body", "{{ code }}"),
            (
                "Hi",
                "{% if customer.name %}{{ code }}{% endif %}",
                "/body",
                "{{ code }}",
            ),
            ("Hi", "{{ code | lower }}", "/body", "{{ code }}"),
            ("Hi", "{{ customer }}{{ code }}", "/body", "`customer`"),
            ("Hi", " ", "/body", "empty"),
            ("", "{{ code }}", "/subject", "empty"),
            (
                "{% if customer.name %}Hi{% endif %}",
                "{{ code }}",
                "/subject",
                "empty",
            ),
            ("Hi\nBcc: x@y.jp", "{{ code }}", "/subject", "single line"),
        ] {
            let found = faults(subject, body);
            let (at, detail) = &found[0];
            assert!(
                at == pointer && detail.contains(says),
                "{subject:?} {body:?}: {found:?}"
            );
        }
    }

    #[test]
    fn an_endless_template_is_refused_instead_of_holding_the_function_up() {
        let nested = "{% for a in code %}".repeat(9) + &"{% endfor %}".repeat(9) + "{{ code }}";
        let found = faults("Hi", &nested);
        assert!(found[0].1.contains("fuel"), "{found:?}");
    }

    #[test]
    fn the_locale_falls_back_to_its_language_then_english_then_the_built_in_texts() {
        let own: BTreeMap<String, Template> = ["ja", "en", "pt-BR"]
            .map(|key| (key.to_owned(), template(key, "")))
            .into();
        let subject = |own: Option<&BTreeMap<String, Template>>, locale| {
            choose(own, locale).0.subject.clone()
        };
        for (locale, expected) in [
            (Some("ja-JP"), "ja"),
            (Some("JA_jp"), "ja"),
            (Some("pt-br"), "pt-BR"),
            (Some("pt"), "en"),
            (Some("fr-CA"), "en"),
            (None, "en"),
        ] {
            assert_eq!(subject(Some(&own), locale), expected, "{locale:?}");
        }
        let ja_only: BTreeMap<String, Template> = [("ja".to_owned(), template("ja", ""))].into();
        assert_eq!(
            subject(Some(&ja_only), Some("fr")),
            built_in(Language::En).subject
        );
        assert_eq!(subject(None, Some("ja-JP")), built_in(Language::Ja).subject);
        assert_eq!(choose(None, Some("de")).1, Language::En);
    }
}
