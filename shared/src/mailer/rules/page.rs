//! A mail's HTML as an independent parser reads it, with the colours each text is shown in.

#![expect(
    clippy::float_arithmetic,
    reason = "contrasts are ratios, and no money is near"
)]

use std::collections::BTreeMap;
use std::rc::Rc;

use html5ever::tendril::TendrilSink;
use html5ever::{ParseOpts, parse_document};
use markup5ever_rcdom::{Handle, NodeData, RcDom};

/// One element with what its `style` says.
#[derive(Clone, Debug)]
pub(super) struct Element {
    pub(super) tag: String,
    pub(super) attributes: BTreeMap<String, String>,
    pub(super) style: BTreeMap<String, String>,
}

impl Element {
    pub(super) fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }

    pub(super) fn says(&self, property: &str) -> &str {
        self.style.get(property).map_or("", String::as_str)
    }

    /// What `property` says in CSS pixels, of several lengths the first.
    pub(super) fn pixels(&self, property: &str) -> Option<f64> {
        let first = self.says(property).split(' ').next()?;
        first.strip_suffix("px")?.parse().ok()
    }

    fn has_class(&self, class: &str) -> bool {
        self.attribute("class").split(' ').any(|own| own == class)
    }
}

/// One piece of text with the elements it stands in, from the outermost.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) text: String,
    pub(super) inside: Vec<Rc<Element>>,
}

/// The whole page.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) errors: Vec<String>,
    pub(super) elements: Vec<Rc<Element>>,
    pub(super) texts: Vec<Text>,
    dark: Vec<DarkRule>,
}

/// One selector of the styles for dark screens, and its declarations.
#[derive(Debug)]
struct DarkRule {
    steps: Vec<String>,
    style: BTreeMap<String, String>,
}

impl Page {
    pub(super) fn read(html: &str) -> Self {
        let mut options = ParseOpts::default();
        options.tokenizer.exact_errors = true;
        options.tree_builder.exact_errors = true;
        let parsed = parse_document(RcDom::default(), options).one(html);
        let mut page = Self {
            errors: parsed
                .errors
                .borrow()
                .iter()
                .map(ToString::to_string)
                .collect(),
            elements: Vec::new(),
            texts: Vec::new(),
            dark: dark_rules(html),
        };
        page.walk(&parsed.document, &[]);
        page
    }

    fn walk(&mut self, node: &Handle, inside: &[Rc<Element>]) {
        let mut path = inside.to_vec();
        match &node.data {
            NodeData::Element { name, attrs, .. } => {
                let attributes: BTreeMap<String, String> = attrs
                    .borrow()
                    .iter()
                    .map(|attribute| {
                        (
                            attribute.name.local.to_string(),
                            attribute.value.to_string(),
                        )
                    })
                    .collect();
                let element = Rc::new(Element {
                    tag: name.local.to_string(),
                    style: declarations(attributes.get("style").map_or("", String::as_str)),
                    attributes,
                });
                self.elements.push(Rc::clone(&element));
                path.push(element);
            }
            NodeData::Text { contents } => {
                let text = contents.borrow().trim().to_owned();
                if !text.is_empty() {
                    let inside = path.clone();
                    self.texts.push(Text { text, inside });
                }
            }
            _ => {}
        }
        for child in node.children.borrow().iter() {
            self.walk(child, &path);
        }
    }

    /// What people see: texts of the body that are not hidden.
    pub(super) fn shown(&self) -> impl Iterator<Item = &Text> {
        let shown = |text: &&Text| {
            let hidden = |element: &Rc<Element>| element.says("display") == "none";
            text.inside.iter().any(|element| element.tag == "body")
                && !text.inside.iter().any(hidden)
        };
        self.texts.iter().filter(shown)
    }

    /// What stands in the body but is not shown: the preheader.
    pub(super) fn hidden(&self) -> impl Iterator<Item = &Text> {
        let hidden = |element: &Rc<Element>| element.says("display") == "none";
        self.texts
            .iter()
            .filter(move |text| text.inside.iter().any(hidden))
    }

    /// The contrast of a text with what is behind it, by WCAG 2: 1 to 21. `None` if a colour is unknown.
    pub(super) fn contrast(&self, text: &Text, dark: bool) -> Option<f64> {
        let colour = |properties: &[&str]| {
            let found = (0..text.inside.len()).rev().find_map(|at| {
                let path = text.inside.get(..=at)?;
                let own = path.last()?;
                properties.iter().find_map(|property| {
                    let overruled = dark.then(|| self.overruled(path, property)).flatten();
                    let said = overruled.unwrap_or_else(|| own.says(property));
                    (!said.is_empty()).then(|| said.to_owned())
                })
            })?;
            luminance(&found)
        };
        let (front, back) = (
            colour(&["color"])?,
            colour(&["background-color", "background"])?,
        );
        Some((front.max(back) + 0.05) / (front.min(back) + 0.05))
    }

    /// What the styles for dark screens say of the last element of `path`: the most specific rule, of equals the last.
    fn overruled(&self, path: &[Rc<Element>], property: &str) -> Option<&str> {
        let rules = self.dark.iter().filter(|rule| rule.matches(path));
        let said = rules.filter_map(|rule| Some((rule.weight(), rule.style.get(property)?)));
        said.max_by_key(|(weight, _)| *weight)
            .map(|(_, said)| said.as_str())
    }
}

impl DarkRule {
    fn matches(&self, path: &[Rc<Element>]) -> bool {
        let (Some((last, before)), Some((element, around))) =
            (self.steps.split_last(), path.split_last())
        else {
            return false;
        };
        let fits = |step: &str, element: &Element| {
            step.strip_prefix('.')
                .map_or(element.tag == step, |class| element.has_class(class))
        };
        let mut around = around.iter();
        fits(last, element)
            && before
                .iter()
                .all(|step| around.any(|outer| fits(step, outer)))
    }

    fn weight(&self) -> usize {
        let class = |step: &String| if step.starts_with('.') { 10 } else { 1 };
        self.steps.iter().map(class).sum()
    }
}

/// `color:#1F2421;margin:0` as a map. `!important` is left out.
fn declarations(style: &str) -> BTreeMap<String, String> {
    let pairs = style.split(';').filter_map(|one| one.split_once(':'));
    pairs
        .map(|(name, value)| {
            (
                name.trim().to_owned(),
                value.replace("!important", "").trim().to_owned(),
            )
        })
        .collect()
}

fn dark_rules(html: &str) -> Vec<DarkRule> {
    let Some((_, after)) = html.split_once("@media (prefers-color-scheme: dark) {") else {
        return Vec::new();
    };
    let block = after.split("</style>").next().unwrap_or_default();
    let rules = block.split('}').filter_map(|rule| rule.split_once('{'));
    rules
        .flat_map(|(selectors, style)| {
            let style = declarations(style);
            let read = |selector: &str| DarkRule {
                steps: selector
                    .split([' ', '>'])
                    .map(str::trim)
                    .filter(|step| !step.is_empty())
                    .map(str::to_owned)
                    .collect(),
                style: style.clone(),
            };
            selectors.split(',').map(read).collect::<Vec<_>>()
        })
        .collect()
}

/// Relative luminance of `#RRGGBB`, 0 to 1. Source: WCAG 2.2, "relative luminance".
fn luminance(colour: &str) -> Option<f64> {
    let digits = colour
        .strip_prefix('#')
        .filter(|digits| digits.len() == 6)?;
    let channel = |at: usize| {
        let value = u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()?;
        let share = f64::from(value) / 255.0;
        Some(if share <= 0.04045 {
            share / 12.92
        } else {
            ((share + 0.055) / 1.055).powf(2.4)
        })
    };
    Some(0.2126 * channel(0)? + 0.7152 * channel(2)? + 0.0722 * channel(4)?)
}

#[test]
fn contrasts_are_those_of_the_guidelines() {
    let page = |style: &str| Page::read(&format!("<!doctype html><body style=\"{style}\">text"));
    for (style, expected) in [
        ("color:#000000;background-color:#FFFFFF", 21.0),
        ("color:#1F2421;background-color:#FFFFFF", 15.76),
        ("color:#FFFFFF;background:#0B6B4F", 6.50),
    ] {
        let page = page(style);
        let found = page.contrast(&page.texts[0], false).unwrap();
        assert!((found - expected).abs() < 0.01, "{style}: {found}");
    }
}
