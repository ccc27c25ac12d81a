//! One mail from one source: subject, text part and HTML part.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use minijinja::{Value, context};
use unicode_normalization::UnicodeNormalization;

use super::blocks::{self, Block, Marks};
use super::offer::{Language, Offer};
use super::template;
use crate::domain::code::SealedCode;
use crate::domain::follow_up::{Sender, Template};
use crate::domain::order::{OrderId, clean_display_name, turns_text};

/// Why the buyer gets the mail; said in the footer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// They agreed to receive marketing mail.
    Consented,
    /// They bought here, and the follow-up asks for no more.
    Bought,
}

/// Everything a mail says. It holds a code and a name, so it has no `Debug`.
#[derive(Clone, Copy)]
pub struct MailInput<'a> {
    /// The buyer's language tag, if known.
    pub locale: Option<&'a str>,
    /// The follow-up's own texts.
    pub templates: Option<&'a BTreeMap<String, Template>>,
    /// The code.
    pub code: &'a SealedCode,
    /// What it gives.
    pub offer: &'a Offer,
    /// Whether the code works for its buyer alone.
    pub bound: bool,
    /// First moment it no longer works.
    pub code_expires_at: DateTime<Utc>,
    /// The shop's time zone, in which dates are shown.
    pub zone: Tz,
    /// How to greet the buyer. A name that looks like a link is left out.
    pub customer_name: Option<&'a str>,
    /// The order that earned the code.
    pub order_id: &'a OrderId,
    /// The shop's name.
    pub shop_name: &'a str,
    /// Where to shop with the code; the code is added as the fragment, which no server sees.
    pub shop_url: &'a str,
    /// The buyer's own unsubscribe link.
    pub unsubscribe_url: &'a str,
    /// The legal sender.
    pub sender: &'a Sender,
    /// Why they get it.
    pub reason: Reason,
}

/// A mail ready to be sent. It holds a code, so it has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct RenderedMail {
    /// One line.
    pub subject: String,
    /// The plain text part.
    pub text: String,
    /// The HTML part.
    pub html: String,
}

/// Why a mail could not be rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The text, with its line. Saved texts were checked, so this needs a value the check did not think of.
    #[error("the template failed: {0}")]
    Template(String),
    /// The layout around it, which is built in.
    #[error("the layout failed: {0}")]
    Layout(String),
}

/// Renders a mail in the best language there is for its reader.
///
/// # Errors
/// [`RenderError`] if the follow-up's own text fails.
pub fn render(input: &MailInput<'_>) -> Result<RenderedMail, RenderError> {
    let (template, language) = template::choose(input.templates, input.locale);
    let code = input.code.reveal();
    let shop_url = with_fragment(input.shop_url, &code);
    let context = context(input, language, &code, &shop_url);
    let text = |source: &str| {
        template::text(source, &context)
            .map_err(|error| RenderError::Template(template::describe(&error)))
    };
    let subject = one_line(&text(&template.subject)?);
    let body = text(&template.body)?;
    let footer = text(template::footer(language))?;
    let marks = Marks {
        code: &code,
        shop_url: &shop_url,
        unsubscribe_url: input.unsubscribe_url,
    };
    let html = template::html(context! {
        lang => language.tag(),
        subject => subject.as_str(),
        preheader => preheader(input, language),
        shop => plain(input.shop_name),
        worth => capitalised(&input.offer.phrase(language)),
        code => code.as_str(),
        shop_url => shop_url.as_str(),
        unsubscribe_url => input.unsubscribe_url,
        words => words(input, language),
        body => blocks::read(&body, marks).iter().map(value).collect::<Vec<_>>(),
        footer => blocks::read(&footer, marks).iter().map(value).collect::<Vec<_>>(),
    });
    let html = html.map_err(RenderError::Layout)?;
    let text = blocks::wrap(&format!("{body}\n\n----\n{footer}"));
    Ok(RenderedMail {
        subject,
        text,
        html,
    })
}

/// The variables of templates (and the footer's own).
fn context(input: &MailInput<'_>, language: Language, code: &str, shop_url: &str) -> Value {
    let offer = input.offer;
    let name = input.customer_name.and_then(greetable).unwrap_or_default();
    context! {
        code => code,
        discount => offer.discount(language),
        offer => offer.phrase(language),
        expires_on => language.last_day(input.code_expires_at, input.zone),
        expires_at => language.last_moment(input.code_expires_at, input.zone),
        minimum => offer.minimum_subtotal(language).unwrap_or_default(),
        minimum_quantity => offer.minimum_quantity().unwrap_or_default(),
        maximum => offer.maximum(language).unwrap_or_default(),
        selected_products => offer.selected_products,
        combinable => offer.combinable,
        bound => input.bound,
        customer => context! { name => name },
        order => context! { id => input.order_id.as_str() },
        shop => context! { name => plain(input.shop_name) },
        shop_url => shop_url,
        unsubscribe_url => input.unsubscribe_url,
        sender => context! {
            name => plain(&input.sender.name),
            address => plain(&input.sender.address),
            contact => plain(&input.sender.contact),
        },
        consented => input.reason == Reason::Consented,
    }
}

/// The name if it can stand in a greeting. Mail programs make links of what looks like one, and whoever placed the order
/// chose the name, so such a name is left out.
fn greetable(name: &str) -> Option<String> {
    let name = clean_display_name(name)?;
    let plain: String = name.nfkc().collect::<String>().to_lowercase();
    let domain = plain.split('.').skip(1).any(|rest| {
        rest.chars()
            .take(2)
            .filter(|symbol| symbol.is_alphanumeric())
            .count()
            == 2
    });
    let link = domain || ["://", "www.", "@"].iter().any(|mark| plain.contains(mark));
    (!link).then_some(name)
}

fn with_fragment(url: &str, code: &str) -> String {
    let base = url.split('#').next().unwrap_or(url);
    format!("{base}#{code}")
}

/// What a setting says, as one line without what turns text around.
fn plain(setting: &str) -> String {
    let shown: String = setting
        .chars()
        .filter(|symbol| !turns_text(*symbol))
        .collect();
    one_line(&shown)
}

fn one_line(text: &str) -> String {
    let line: String = text
        .chars()
        .map(|symbol| if symbol.is_control() { ' ' } else { symbol })
        .collect();
    line.trim().to_owned()
}

/// What mail lists show behind the subject: adds to it, never repeats it.
fn preheader(input: &MailInput<'_>, language: Language) -> String {
    let day = language.last_day(input.code_expires_at, input.zone);
    match (language, input.offer.minimum_subtotal(language)) {
        (Language::Ja, Some(minimum)) => format!("{minimum}以上のご注文で、{day}まで。"),
        (Language::Ja, None) => format!("{day}までお使いいただけます。"),
        (Language::En, Some(minimum)) => format!("On orders of {minimum} or more, until {day}."),
        (Language::En, None) => format!("Works until {day}."),
    }
}

/// With a capital first letter, where it has one: `Free shipping`.
fn capitalised(phrase: &str) -> String {
    let mut symbols = phrase.chars();
    let first = symbols.next();
    first
        .into_iter()
        .flat_map(char::to_uppercase)
        .chain(symbols)
        .collect()
}

/// Labels where the text brings none, and what the box around the code says besides.
fn words(input: &MailInput<'_>, language: Language) -> Value {
    let end = language.last_moment(input.code_expires_at, input.zone);
    match language {
        Language::Ja => context! {
            button => "クーポンを使って買い物をする",
            unsubscribe => "配信停止はこちら",
            until => format!("{end}まで"),
        },
        Language::En => context! {
            button => "Shop with this code",
            unsubscribe => "Unsubscribe here",
            until => format!("Until {end}"),
        },
    }
}

fn value(block: &Block) -> Value {
    match block {
        Block::Paragraph(lines) => context! { kind => "paragraph", lines => lines },
        Block::Code { label } => context! { kind => "code", label => label, lines => () },
        Block::Button { label } => context! { kind => "button", label => label, lines => () },
        Block::Unsubscribe { label } => context! { kind => "unsubscribe", label => label },
        Block::Rule => context! { kind => "rule", lines => () },
    }
}

/// Made-up readers that a template is tried on.
pub(super) mod sample {
    use super::{Language, MailInput, Offer, Reason, Value, context, with_fragment};
    use crate::domain::code::TypedCode;
    use crate::domain::follow_up::Sender;
    use crate::domain::order::OrderId;
    use crate::domain::promotion::PromotionTerms;

    /// A code of the right shape, all letters.
    const CODE: &str = "ZZZZ-ZZZZ-ZZZZ-ZZZZ";

    /// The variables of a reader about whom everything is known and of one about whom nothing is, each with the code.
    ///
    /// # Errors
    /// None: everything here is made up and fits its type.
    pub(crate) fn contexts(language: Language) -> Result<Vec<(Value, &'static str)>, String> {
        let rich = r#"{"name":"x","currency":"JPY","combinability":"exclusive",
            "benefit":{"type":"percent_off","percent":10,"max_discount":3000},
            "products":{"include":["x"]},"minimum":{"subtotal":3000,"quantity":2}}"#;
        let plain = r#"{"name":"x","currency":"JPY","combinability":"unrestricted",
            "benefit":{"type":"amount_off","amount":500}}"#;
        [(rich, Some("花子")), (plain, None)]
            .into_iter()
            .map(|(terms, name)| {
                let terms: PromotionTerms =
                    serde_json::from_str(terms).map_err(|error| error.to_string())?;
                Ok((reader(language, &Offer::of(&terms), name)?, CODE))
            })
            .collect()
    }

    fn reader(language: Language, offer: &Offer, name: Option<&str>) -> Result<Value, String> {
        let TypedCode::Sealed(code) = TypedCode::read(CODE) else {
            return Err("the sample code is none".to_owned());
        };
        let order_id = OrderId::try_from("1001".to_owned()).map_err(|error| error.to_string())?;
        let sender = Sender {
            name: "Shop".to_owned(),
            address: "1-1".to_owned(),
            contact: "03".to_owned(),
        };
        let input = MailInput {
            locale: Some(language.tag()),
            templates: None,
            code: &code,
            offer,
            bound: name.is_some(),
            code_expires_at: chrono::DateTime::UNIX_EPOCH,
            zone: chrono_tz::UTC,
            customer_name: name,
            order_id: &order_id,
            shop_name: "Shop",
            shop_url: "https://shop.example/",
            unsubscribe_url: "https://promo.shop.example/u/u1.x.y",
            sender: &sender,
            reason: Reason::Consented,
        };
        let shop_url = with_fragment(input.shop_url, CODE);
        Ok(context(&input, language, CODE, &shop_url))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::code::TypedCode;

    const UNSUBSCRIBE: &str = "https://promo.shop.example/u/u1.abc.def";

    struct Fixture {
        code: SealedCode,
        order: OrderId,
        sender: Sender,
        offer: Offer,
    }

    impl Fixture {
        fn new() -> Self {
            let TypedCode::Sealed(code) = TypedCode::read("THX9-7K3M-9QXA-2F4T") else {
                panic!("a sealed code")
            };
            let sender = Sender {
                name: "株式会社はなこ & Co.".to_owned(),
                address: "東京都千代田区1-1".to_owned(),
                contact: "help@shop.example".to_owned(),
            };
            let terms = r#"{"name":"x","currency":"JPY","minimum":{"subtotal":3000},
                "benefit":{"type":"percent_off","percent":10}}"#;
            Self {
                code,
                order: OrderId::try_from("1001".to_owned()).unwrap(),
                sender,
                offer: Offer::of(&serde_json::from_str(terms).unwrap()),
            }
        }

        fn input(&self) -> MailInput<'_> {
            MailInput {
                locale: Some("ja-JP"),
                templates: None,
                code: &self.code,
                offer: &self.offer,
                bound: false,
                code_expires_at: "2026-12-25T15:00:00Z".parse().unwrap(),
                zone: chrono_tz::Asia::Tokyo,
                customer_name: Some("花子"),
                order_id: &self.order,
                shop_name: "はなこ商店",
                shop_url: "https://shop.example/?a=1&b=2#top",
                unsubscribe_url: UNSUBSCRIBE,
                sender: &self.sender,
                reason: Reason::Consented,
            }
        }

        fn render(&self, change: impl FnOnce(&mut MailInput<'_>)) -> RenderedMail {
            let mut input = self.input();
            change(&mut input);
            render(&input).unwrap_or_else(|error| panic!("{error}"))
        }
    }

    #[test]
    fn every_part_in_every_language_shows_code_terms_sender_and_way_out() {
        let fixture = Fixture::new();
        for (locale, expected) in [
            (
                "ja-JP",
                [
                    "花子様",
                    "10%OFF",
                    "2026年12月25日(金) 23:59",
                    "3,000円以上",
                    "併用できません",
                ],
            ),
            (
                "en",
                [
                    "Dear 花子,",
                    "10% off",
                    "25 Dec 2026, 23:59 (JST)",
                    "¥3,000 or more",
                    "not together with",
                ],
            ),
        ] {
            let mail = fixture.render(|input| input.locale = Some(locale));
            for (part, company) in [
                (&mail.text, "はなこ & Co."),
                (&mail.html, "はなこ &amp; Co."),
            ] {
                let footer = [
                    company,
                    "東京都千代田区1-1",
                    "help@shop.example",
                    UNSUBSCRIBE,
                ];
                for words in expected
                    .iter()
                    .chain(&footer)
                    .chain(&["THX9-7K3M-9QXA-2F4T"])
                {
                    assert!(part.contains(words), "{locale}: {words}\n{part}");
                }
            }
        }
    }

    #[test]
    fn the_text_part_has_code_and_links_alone_on_their_lines() {
        let mail = Fixture::new().render(|_| {});
        let shop = "https://shop.example/?a=1&b=2#THX9-7K3M-9QXA-2F4T";
        for line in ["THX9-7K3M-9QXA-2F4T", shop, UNSUBSCRIBE] {
            assert!(
                mail.text.lines().any(|found| found == line),
                "{line}\n{}",
                mail.text
            );
        }
        assert!(!mail.text.contains("&amp;"));
    }

    #[test]
    fn the_html_part_fits_gmail_loads_nothing_and_links_only_where_it_should() {
        let mail = Fixture::new().render(|_| {});
        assert!(mail.html.len() < 30_000, "{}", mail.html.len());
        for forbidden in ["<img", "<script", "<link", "@import", "url(", "{{", "{%"] {
            assert!(!mail.html.contains(forbidden), "{forbidden}");
        }
        let links: Vec<&str> = mail.html.split("href=\"").skip(1).collect();
        assert_eq!(links.len(), 2);
        assert!(links[0].starts_with("https://shop.example/?a=1&amp;b=2#THX9-7K3M-9QXA-2F4T\""));
        assert!(links[1].starts_with(&format!("{UNSUBSCRIBE}\"")));
    }

    #[test]
    fn a_name_cannot_become_a_link_markup_or_turned_text() {
        let fixture = Fixture::new();
        for name in [
            "<b>http://evil",
            "www.evil",
            "evil.com",
            "ｅｖｉｌ．ｃｏｍ",
            "a@evil",
            "\u{202e}moc.live",
            " ",
        ] {
            let mail = fixture.render(|input| input.customer_name = Some(name));
            assert!(mail.text.starts_with("お客様へ\n"), "{name}: {}", mail.text);
            assert!(
                !mail.html.contains("evil") && !mail.html.contains('\u{202e}'),
                "{name}"
            );
        }
        for (name, shown) in [
            ("<b>花子</b>", "&lt;b&gt;花子&lt;/b&gt;様"),
            ("J. R. Smith", "J. R. Smith様"),
            ("J.R.", "J.R.様"),
            ("\u{202e}花子\u{2066}", "花子様"),
            ("{{ code }}", "{{ code }}様"),
            ("O'Neil \"x\" & y", "O&#39;Neil &quot;x&quot; &amp; y様"),
        ] {
            let mail = fixture.render(|input| input.customer_name = Some(name));
            assert!(mail.html.contains(shown), "{name}");
        }
    }

    #[test]
    fn the_subject_is_one_line_in_the_readers_language() {
        let fixture = Fixture::new();
        let subject = fixture.render(|_| {}).subject;
        assert_eq!(
            subject,
            "ご購入のお礼に、次回使える10%OFFクーポンをお届けします"
        );
        let english = fixture.render(|input| input.locale = None).subject;
        assert_eq!(english, "A small thank-you for your next order: 10% off");
        let template = Template {
            subject: "From {{ shop.name }}".to_owned(),
            body: "{{ code }}".to_owned(),
        };
        let own = [("ja".to_owned(), template)].into();
        let mut input = fixture.input();
        input.templates = Some(&own);
        input.shop_name = "Shop\r\nBcc: x@y.jp\u{202e}";
        let subject = render(&input).map(|mail| mail.subject);
        assert_eq!(subject.unwrap_or_default(), "From Shop  Bcc: x@y.jp");
    }

    #[test]
    fn a_follow_ups_own_text_is_used_with_footer_and_frame_around_it() {
        let fixture = Fixture::new();
        let template = Template {
            subject: "{{ discount }} for {{ order.id }}".to_owned(),
            body: "{{ customer.name }}: <{{ code }}> until {{ expires_on }}".to_owned(),
        };
        let own = [("en".to_owned(), template)].into();
        let mut input = fixture.input();
        input.templates = Some(&own);
        let Ok(mail) = render(&input) else {
            panic!("renders")
        };
        assert_eq!(mail.subject, "10% for 1001");
        assert!(
            mail.text
                .starts_with("花子: <THX9-7K3M-9QXA-2F4T> until 25 Dec 2026\n")
        );
        assert!(
            mail.html
                .contains("花子: &lt;THX9-7K3M-9QXA-2F4T&gt; until 25 Dec 2026")
        );
        assert!(mail.html.contains("Unsubscribe here"));
    }

    #[test]
    fn only_who_consented_is_told_so() {
        let fixture = Fixture::new();
        assert!(fixture.render(|_| {}).text.contains("同意いただいた方"));
        let bought = fixture.render(|input| input.reason = Reason::Bought).text;
        assert!(!bought.contains("同意") && bought.contains("ご購入いただいた方"));
    }
}
