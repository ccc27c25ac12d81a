//! What mail programs break on, as a table of rules that every built-in mail keeps, in whatever language, for whatever
//! offer, to whomever.

mod cases;
mod page;

use cases::{Case, SHOP_URL, UNSUBSCRIBE};
use page::{Element, Page};

use super::{RenderedMail, list_headers, sender};

/// A mail as the rules see it.
struct Seen {
    case: Case,
    page: Page,
}

impl Seen {
    fn new(case: Case) -> Self {
        let page = Page::read(&case.mail.html);
        Self { case, page }
    }

    fn mail(&self) -> &RenderedMail {
        &self.case.mail
    }

    fn elements<'a>(&'a self, tag: &'a str) -> impl Iterator<Item = &'a Element> {
        let elements = self.page.elements.iter().map(AsRef::as_ref);
        elements.filter(move |element: &&Element| element.tag == tag)
    }

    /// The HTML with the parts left out that only Outlook reads … and the names that readers and shops chose.
    fn lower_html(&self) -> String {
        let mut html = self.mail().html.clone();
        for name in [self.case.customer, Some(self.case.shop)]
            .into_iter()
            .flatten()
        {
            html = html.replace(name, "");
        }
        html.to_ascii_lowercase()
    }
}

type Check = fn(&Seen) -> Result<(), String>;
/// Changes a mail so that it breaks a rule.
type Break = fn(&mut RenderedMail);

/// One rule: its name, why it is one, the check, and what breaks it.
struct Rule(&'static str, &'static str, Check, Break);

fn swap(part: &mut String, from: &str, to: &str) {
    assert!(part.contains(from), "{from}");
    *part = part.replace(from, to);
}

fn ensure(holds: bool, why: impl Into<String>) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why.into()) }
}

/// Fails for the first of `found`.
fn none<T: std::fmt::Debug>(mut found: impl Iterator<Item = T>) -> Result<(), String> {
    found
        .next()
        .map_or(Ok(()), |first| Err(format!("{first:?}")))
}

const RULES: [Rule; 24] = [
    Rule(
        "well-formed",
        "each program repairs broken HTML in its own way",
        |seen| none(seen.page.errors.iter()),
        |mail| swap(&mut mail.html, "</code>", "</kode>"),
    ),
    Rule(
        "plain elements",
        "scripts, forms, frames and media are removed, or make a mail look dangerous",
        |seen| {
            let known =
                "html head title meta style body div table tbody tr td p a br code".split(' ');
            let known: Vec<&str> = known.collect();
            none(seen.page.elements.iter().filter(|element| {
                let handler = element.attributes.keys().any(|name| name.starts_with("on"));
                handler || !known.contains(&element.tag.as_str())
            }))
        },
        |mail| swap(&mut mail.html, "<code", "<script></script><code"),
    ),
    Rule(
        "nothing to load",
        "images are off by default, and fonts and style sheets are not fetched; it reads the same without",
        |seen| {
            let html = seen.lower_html();
            let loads = [
                "<img",
                "<link",
                "@import",
                "url(",
                "src=",
                "background=\"",
                "@font-face",
            ];
            none(loads.into_iter().filter(|text| html.contains(text)))
        },
        |mail| swap(&mut mail.html, "<code", "<img alt=\"\" src=\"x\"><code"),
    ),
    Rule(
        "language",
        "screen readers choose their voice by it, and programs the glyphs of kanji",
        |seen| {
            none(
                seen.elements("html")
                    .filter(|html| html.attribute("lang") != seen.case.language),
            )
        },
        |mail| swap(&mut mail.html, "<html lang=", "<html data-lang="),
    ),
    Rule(
        "character set",
        "saved or forwarded, a mail has no headers to tell; browsers look at the first 1,024 bytes",
        |seen| {
            let at = seen.mail().html.find("text/html; charset=UTF-8");
            ensure(at.is_some_and(|at| at < 1_000), format!("{at:?}"))
        },
        |mail| swap(&mut mail.html, "charset=UTF-8", "charset=Shift_JIS"),
    ),
    Rule(
        "viewport",
        "without it phones shrink a page of 980 pixels",
        |seen| {
            let viewport = |meta: &Element| {
                meta.attribute("name") == "viewport"
                    && meta.attribute("content").contains("width=device-width")
            };
            ensure(seen.elements("meta").any(viewport), "missing")
        },
        |mail| swap(&mut mail.html, "width=device-width", "width=980"),
    ),
    Rule(
        "at most 600 wide",
        "reading panes are 600 to 700 pixels wide, also Outlook's",
        |seen| {
            let html = seen.lower_html();
            let widths = ["width=\"", "width:"]
                .into_iter()
                .flat_map(|mark| html.split(mark).skip(1));
            let pixels = widths.filter_map(|rest| {
                let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
                let percent = rest.get(digits.len()..)?.starts_with('%');
                digits.parse::<u32>().ok().filter(|_| !percent)
            });
            none(pixels.filter(|width| *width > 600))
        },
        |mail| swap(&mut mail.html, "max-width:600px", "max-width:640px"),
    ),
    Rule(
        "no modern layout",
        "Outlook draws with Word, and Gmail removes position",
        |seen| {
            let html = seen.lower_html();
            let modern = [
                "position:",
                "flex",
                "grid",
                "float:",
                "var(",
                "calc(",
                "<svg",
            ];
            none(modern.into_iter().filter(|text| html.contains(text)))
        },
        |mail| swap(&mut mail.html, "display:inline-block", "display:flex"),
    ),
    Rule(
        "styles inline",
        "Gmail drops the style element in some of its apps and when a mail is forwarded",
        |seen| {
            none(seen.page.shown().filter(|text| {
                let said = |property: &str| {
                    text.inside
                        .iter()
                        .any(|element| !element.says(property).is_empty())
                };
                let set = ["font-family", "font-size", "line-height", "color"]
                    .into_iter()
                    .all(said);
                let margins = text
                    .inside
                    .iter()
                    .filter(|element| element.tag == "p")
                    .all(|p| p.says("margin") == "0");
                !set || !margins
            }))
        },
        |mail| swap(&mut mail.html, "<p style=\"margin:0\">", "<p>"),
    ),
    Rule(
        "whole links",
        "a relative link leads nowhere in a mail, and http is marked as unsafe",
        |seen| {
            let links: Vec<&str> = seen.elements("a").map(|a| a.attribute("href")).collect();
            let code = cases::code().map_err(|error| error.to_string())?.reveal();
            let expected = [format!("{SHOP_URL}#{code}"), UNSUBSCRIBE.to_owned()];
            ensure(
                links == expected && links.iter().all(|link| link.starts_with("https://")),
                format!("{links:?}"),
            )
        },
        |mail| {
            swap(
                &mut mail.html,
                "https://shop.example",
                "http://shop.example",
            );
        },
    ),
    Rule(
        "small",
        "Gmail clips at 102 kB of HTML, and with the end goes the way out",
        |seen| {
            ensure(
                seen.mail().html.len() < 102_400,
                seen.mail().html.len().to_string(),
            )
        },
        |mail| mail.html.push_str(&" ".repeat(102_400)),
    ),
    Rule(
        "everything filled in",
        "nobody is Dear {{ customer.name }}",
        |seen| {
            let html = seen.lower_html();
            let mut text = format!("{}{}", seen.mail().subject, seen.mail().text);
            for name in [seen.case.customer, Some(seen.case.shop)]
                .into_iter()
                .flatten()
            {
                text = text.replace(name, "");
            }
            none(
                ["{{", "}}", "{%", "%}"]
                    .into_iter()
                    .filter(|mark| html.contains(mark) || text.contains(mark)),
            )
        },
        |mail| mail.text.push_str("{{ x }}"),
    ),
    Rule(
        "preheader",
        "mail lists show the first words of the body behind the subject, so these add to it, and nothing leaks in after",
        |seen| {
            let hidden: Vec<&str> = seen.page.hidden().map(|text| text.text.as_str()).collect();
            let [text] = hidden.as_slice() else {
                return Err(format!("{hidden:?}"));
            };
            let words = text.split('\u{34F}').next().unwrap_or_default();
            let first = seen
                .page
                .texts
                .iter()
                .find(|text| text.inside.iter().any(|element| element.tag == "body"));
            ensure(
                first.is_some_and(|first| first.text == *text)
                    && (10..=90).contains(&words.chars().count())
                    && text.chars().count() > 150
                    && !seen.mail().subject.contains(words),
                words,
            )
        },
        |mail| {
            swap(
                &mut mail.html,
                "<div style=\"display:none;",
                "<div style=\"",
            );
        },
    ),
    Rule(
        "tables are layout",
        "screen readers count rows and columns of any other",
        |seen| {
            let tables = seen.mail().html.split("<table").skip(1);
            let other = tables.filter(|rest| {
                !rest
                    .split('>')
                    .next()
                    .unwrap_or_default()
                    .contains("role=\"presentation\"")
            });
            none(other.map(|rest| rest.chars().take(60).collect::<String>()))
        },
        |mail| swap(&mut mail.html, "role=\"presentation\"", ""),
    ),
    Rule(
        "contrast",
        "WCAG 2.2 §1.4.3: at least 4.5 to 1, on light screens",
        |seen| contrast(seen, false),
        |mail| swap(&mut mail.html, "color:#55605A", "color:#999999"),
    ),
    Rule(
        "contrast in the dark",
        "the same where a program asks for dark colours",
        |seen| contrast(seen, true),
        |mail| {
            swap(
                &mut mail.html,
                ".text p { color: #E8ECE9",
                ".text p { color: #1F2421",
            );
        },
    ),
    Rule(
        "one code, whole",
        "it is typed from a screen or taken with one touch: large, of one width, in one piece, untranslated",
        |seen| {
            let code = cases::code().map_err(|error| error.to_string())?.reveal();
            let texts: Vec<_> = seen
                .page
                .shown()
                .filter(|text| text.text.contains(&code))
                .collect();
            let [text] = texts.as_slice() else {
                return Err(format!("{} times", texts.len()));
            };
            let element = text.inside.last().ok_or("outside")?;
            let whole = text.text == code
                && element.tag == "code"
                && element.attribute("translate") == "no";
            let large = element.pixels("font-size").is_some_and(|size| size >= 20.0);
            let taken =
                element.says("white-space") == "nowrap" && element.says("user-select") == "all";
            let monospace = element.says("font-family").ends_with("monospace");
            ensure(whole && large && taken && monospace, format!("{element:?}"))
        },
        |mail| swap(&mut mail.html, "-NNWA-", "-<b>NNWA</b>-"),
    ),
    Rule(
        "one button, large enough",
        "a thumb needs 44 pixels",
        |seen| {
            let buttons: Vec<&Element> = seen
                .elements("a")
                .filter(|a| a.attribute("href").starts_with(SHOP_URL))
                .collect();
            let [button] = buttons.as_slice() else {
                return Err(format!("{} buttons", buttons.len()));
            };
            let (padding, size) = (button.pixels("padding"), button.pixels("font-size"));
            let height = padding
                .zip(size)
                .map(|(padding, size)| 2.0 * padding + size);
            ensure(
                height.is_some_and(|height| height >= 44.0),
                format!("{height:?}"),
            )
        },
        |mail| {
            swap(
                &mut mail.html,
                "padding:14px 20px;mso",
                "padding:4px 20px;mso",
            );
        },
    ),
    Rule(
        "both parts say what matters",
        "either part may be the only one that is read, and the law asks for the sender and the way out",
        |seen| {
            let shown: Vec<&str> = seen.page.shown().map(|text| text.text.as_str()).collect();
            let html = format!("{}\n{UNSUBSCRIBE}", shown.join("\n"));
            let code = cases::code().map_err(|error| error.to_string())?.reveal();
            let sender = cases::sender();
            let year = if seen.case.language == "ja" {
                "年"
            } else {
                " 2026, 23:59 (JST)"
            };
            let needed = [&code, &sender.name, &sender.address, &sender.contact];
            let needed = needed
                .into_iter()
                .map(String::as_str)
                .chain([UNSUBSCRIBE, year, "23:59"]);
            none(
                needed.filter(|words| !html.contains(words) || !seen.mail().text.contains(words)),
            )?;
            ensure(
                html.contains(&format!("{SHOP_URL}#")) || seen.elements("a").count() == 2,
                "the way to the shop",
            )
        },
        |mail| swap(&mut mail.text, "23:59", ""),
    ),
    Rule(
        "short lines of text",
        "RFC 5322 §2.1.1: 78 characters are asked for, 998 bytes are the limit; only links may be longer",
        |seen| {
            let columns = |line: &str| {
                line.chars()
                    .map(|symbol| if symbol.is_ascii() { 1 } else { 2 })
                    .sum::<usize>()
            };
            let long =
                |line: &&str| line.len() > 900 || (columns(line) > 78 && !line.contains("://"));
            none(
                seen.mail()
                    .text
                    .lines()
                    .filter(long)
                    .filter(|line| line.contains(' ') || !line.is_ascii()),
            )
        },
        |mail| mail.text.push_str(&"word ".repeat(20)),
    ),
    Rule(
        "text alone on its line",
        "what is taken from a text part is taken by lines",
        |seen| {
            let code = cases::code().map_err(|error| error.to_string())?.reveal();
            let alone = |words: &str| seen.mail().text.lines().any(|line| line == words);
            ensure(
                alone(&code) && alone(&format!("{SHOP_URL}#{code}")) && alone(UNSUBSCRIBE),
                "code and links",
            )
        },
        |mail| swap(&mut mail.text, "https://promo", "see https://promo"),
    ),
    Rule(
        "short subject of one line",
        "lists cut it, and a control character could begin another header",
        |seen| {
            let subject = &seen.mail().subject;
            let fits = (5..78).contains(&subject.chars().count());
            ensure(fits && !subject.contains(char::is_control), subject)
        },
        |mail| mail.subject.push('\r'),
    ),
    Rule(
        "one-click headers",
        "RFC 8058, which Gmail and Yahoo ask of everybody who sends much; SES takes 870 characters of ASCII",
        |seen| {
            let html_link = seen
                .elements("a")
                .last()
                .map_or("", |a| a.attribute("href"));
            let kind = seen
                .case
                .name
                .split("-ja-")
                .next()
                .and_then(|kind| kind.split("-en-").next());
            let headers = list_headers(kind.unwrap_or_default(), html_link);
            let from = sender::encode(&format!("{} <hello@shop.example>", seen.case.shop));
            let values = headers.iter().map(|(_, value)| value).chain(&from);
            none(values.filter(|value| {
                !value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) || value.len() > 870
            }))?;
            let [(_, link), (_, post), _] = &headers;
            ensure(
                link == &format!("<{UNSUBSCRIBE}>") && post == "List-Unsubscribe=One-Click",
                format!("{headers:?}"),
            )
        },
        |mail| swap(&mut mail.html, "https://promo", "mailto:promo"),
    ),
    Rule(
        "names stay names",
        "whoever orders chooses the name, so it must not become a link, another line or turned text",
        |seen| {
            let parts = [&seen.mail().subject, &seen.mail().text, &seen.mail().html];
            let turned =
                |part: &&&String| part.contains(['\u{202e}', '\u{2066}']) || part.contains("evil");
            none(parts.iter().filter(turned))?;
            none(
                seen.mail()
                    .text
                    .lines()
                    .filter(|line| line.starts_with("Bcc")),
            )
        },
        |mail| mail.text.push_str("\nBcc: a"),
    ),
];

fn contrast(seen: &Seen, dark: bool) -> Result<(), String> {
    none(seen.page.shown().filter_map(|text| {
        let contrast = seen.page.contrast(text, dark);
        (!contrast.is_some_and(|contrast| contrast >= 4.5)).then_some((contrast, &text.text))
    }))
}

#[test]
fn every_built_in_mail_keeps_every_rule_of_mail_programs() {
    let mut broken = Vec::new();
    for seen in cases::all().unwrap().into_iter().map(Seen::new) {
        for Rule(name, reason, check, _) in &RULES {
            if let Err(why) = check(&seen) {
                broken.push(format!("{}: {name} ({reason}): {why}", seen.case.name));
            }
        }
    }
    assert!(
        broken.is_empty(),
        "{} broken:\n{}",
        broken.len(),
        broken.join("\n")
    );
}

#[test]
fn each_rule_notices_what_breaks_it() {
    let sound = cases::all().unwrap().swap_remove(0);
    for Rule(name, _, check, spoil) in &RULES {
        let mut case = sound.clone();
        spoil(&mut case.mail);
        assert!(check(&Seen::new(case)).is_err(), "{name}");
    }
}
