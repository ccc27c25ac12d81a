//! A visitor of a stack's pages: what they see and do, and what is looked at on every page they come to.

use std::cell::Cell;
use std::time::Duration;

use integration::Stack;
use serde_json::{Value, json};

use crate::driver::{self, Session};

/// Finds what a person would point at: a control by the words of its label, a button or link by its own.
const FIND: &str = r"
const words = (text) => (text ?? '').replace(/\s+/g, ' ').trim();
const seen = (element) => element.getClientRects().length > 0;
const named = (elements, text) => {
  const all = [...elements].filter(seen);
  return all.find((one) => words(one.textContent) === text || words(one.getAttribute('aria-label')) === text || words(one.value) === text)
    ?? all.find((one) => words(one.textContent).startsWith(text));
};
const field = (text) => {
  const label = named(document.querySelectorAll('label, legend'), text);
  if (label?.tagName === 'LEGEND') { return label.parentElement.querySelector('input, select, textarea'); }
  return label?.control ?? named(document.querySelectorAll('input, select, textarea'), text);
};
const press = (text) => named(document.querySelectorAll('main button, main input[type=submit], main summary'), text)
  ?? named(document.querySelectorAll('main a'), text)
  ?? named(document.querySelectorAll('button, input[type=submit], summary, a'), text);
";

/// Marks the document, and says whether a click on the element leads to another: a link elsewhere or a form that will be sent.
const LEAVES: &str = r"
const leaves = (element) => {
  window.isLeft = true;
  const one = element.closest('a[href], button, input[type=submit]');
  if (one === null) { return false; }
  if (one.tagName === 'A') { return !one.getAttribute('href').startsWith('#') && !one.hasAttribute('download'); }
  return one.type === 'submit' && one.form !== null && (one.form.noValidate || one.form.checkValidity());
};
";
/// How often, and how far apart, it is looked whether the other document is there: 3 s, then it is taken that none comes.
const PAGE_TRIES: usize = 150;
const PAGE_PAUSE: Duration = Duration::from_millis(20);

/// A language that pages are asked for, and said in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lang {
    Ja,
    En,
}

impl Lang {
    /// Both.
    pub(crate) const BOTH: [Self; 2] = [Self::Ja, Self::En];

    pub(crate) fn pick<'a>(self, ja: &'a str, en: &'a str) -> &'a str {
        match self {
            Self::Ja => ja,
            Self::En => en,
        }
    }

    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Ja => "ja",
            Self::En => "en",
        }
    }
}

/// A browser at a stack.
#[derive(Debug)]
pub(crate) struct Visitor {
    session: Session,
    home: String,
    pub(crate) lang: Lang,
    /// Whether axe-core is still asked.
    judged: Cell<bool>,
}

/// What was seen of the network since the last look.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    /// Address and bytes of everything that was loaded.
    pub(crate) loaded: Vec<(String, u64)>,
    /// Address, status and headers of pages.
    pages: Vec<(String, u64, Value)>,
}

impl Visitor {
    /// Opens a browser; none where there is none, and none is required.
    pub(crate) async fn arrive(stack: &Stack, lang: Lang) -> Option<Self> {
        Self::arrive_with(stack, lang, (1_280, 900)).await
    }

    /// The same with a window of this size.
    pub(crate) async fn arrive_with(stack: &Stack, lang: Lang, size: (u32, u32)) -> Option<Self> {
        if !driver::available() {
            return None;
        }
        let languages = lang.pick("ja,ja-JP", "en,en-GB");
        Some(Self {
            session: Session::open(languages, size).await,
            home: stack.running().url().to_owned(),
            lang,
            judged: Cell::new(true),
        })
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    /// From here on pages are not shown to axe-core, which knows them all.
    pub(crate) fn look_less(&self) {
        self.judged.set(false);
    }

    /// Makes the window this wide.
    pub(crate) async fn narrow_to(&self, width: u32) {
        let metrics =
            json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
        self.session
            .devtools("Emulation.setDeviceMetricsOverride", metrics)
            .await;
    }

    /// Closes the browser, and looks at the last page.
    pub(crate) async fn leave(self) {
        self.look().await;
    }

    /// Comes to a page, and looks at it.
    pub(crate) async fn visit(&self, path: &str) -> Traffic {
        let url = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}{path}", self.home)
        };
        self.session.go(&url).await;
        self.look().await
    }

    /// Looks at the page as it stands: nothing went wrong, nothing came from elsewhere, nothing inline is let run, and nothing
    /// keeps people out.
    pub(crate) async fn look(&self) -> Traffic {
        let place = self.session.url().await;
        let wrong: Vec<Value> = self
            .session
            .log("browser")
            .await
            .into_iter()
            .filter(|entry| entry["level"] == "SEVERE" || entry["level"] == "WARNING")
            // The browser says so of every page that was refused or lacks something; the page itself is what it should be.
            .filter(|entry| !(entry["source"] == "network" && is_page(entry, &place)))
            .collect();
        assert!(wrong.is_empty(), "{place}: {wrong:?}");
        let traffic = self.traffic().await;
        for (address, _) in &traffic.loaded {
            let inside =
                address.starts_with(&format!("{}/", self.home)) || address.starts_with("data:");
            assert!(inside, "{place} asked for {address}");
        }
        for (address, _, headers) in &traffic.pages {
            check_policy(address, headers);
        }
        if self.judged.get() {
            self.axe(&place).await;
        }
        traffic
    }

    /// Comes to a page that others made, whose looks are not ours: only where it asks for things is looked at.
    pub(crate) async fn visit_unjudged(&self, path: &str) {
        self.session.go(&format!("{}{path}", self.home)).await;
    }

    /// Closes the browser after such a page.
    pub(crate) async fn leave_unjudged(self) {
        for (address, _) in self.traffic().await.loaded {
            let inside =
                address.starts_with(&format!("{}/", self.home)) || address.starts_with("data:");
            assert!(inside, "the page asked for {address}");
        }
    }

    /// Waits, as long as scripts may take (WebDriver: 30 s), until a script's body returns true.
    pub(crate) async fn until(&self, condition: &str) {
        let script = format!(
            "const done = arguments[arguments.length - 1]; const met = () => {{ {condition} }};
             const timer = setInterval(() => {{ if (met()) {{ clearInterval(timer); done(true); }} }}, 20);"
        );
        assert_eq!(self.session.run_async(&script).await, true);
    }

    /// What the network saw since the last look.
    async fn traffic(&self) -> Traffic {
        let mut traffic = Traffic::default();
        let mut asked: Vec<(String, String)> = Vec::new();
        for entry in self.session.log("performance").await {
            let event: Value = serde_json::from_str(entry["message"].as_str().unwrap()).unwrap();
            let (event, id) = (
                &event["message"],
                event["message"]["params"]["requestId"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned(),
            );
            let params = &event["params"];
            match event["method"].as_str().unwrap() {
                "Network.requestWillBeSent" => {
                    let url = params["request"]["url"].as_str().unwrap().to_owned();
                    // Pages of the browser itself, before the first visit.
                    if !url.starts_with("chrome") && !url.starts_with("about:") {
                        traffic.loaded.push((url.clone(), 0));
                        asked.push((id, url));
                    }
                }
                "Network.responseReceived" if params["type"] == "Document" => {
                    let answer = &params["response"];
                    let url = answer["url"].as_str().unwrap().to_owned();
                    let status = answer["status"].as_u64().unwrap();
                    traffic.pages.push((url, status, answer["headers"].clone()));
                }
                "Network.loadingFinished" => {
                    let bytes = params["encodedDataLength"].as_f64().unwrap();
                    let Some((_, url)) = asked.iter().rev().find(|(known, _)| *known == id) else {
                        continue;
                    };
                    if let Some(loaded) = traffic
                        .loaded
                        .iter_mut()
                        .rev()
                        .find(|(known, _)| known == url)
                    {
                        loaded.1 = format!("{bytes:.0}").parse().unwrap();
                    }
                }
                _ => {}
            }
        }
        traffic.pages.retain(|(url, ..)| url.starts_with("http"));
        traffic
    }

    /// What axe-core finds serious or critical.
    async fn axe(&self, place: &str) {
        let path = std::env::var("OKAERI_AXE").unwrap();
        let source =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let known = self.session.run("return !!window.axe", json!([])).await;
        if known != true {
            self.session
                .run(&format!("{source}\nwindow.axe = axe;"), json!([]))
                .await;
        }
        let found = self
            .session
            .run_async(
                "const done = arguments[arguments.length - 1];
                 axe.run(document, {iframes: false, resultTypes: ['violations']}).then(
                   (found) => done(found.violations
                     .filter((one) => ['serious', 'critical'].includes(one.impact))
                     .map((one) => `${one.impact}: ${one.id}: ${one.nodes.map((node) => node.html).slice(0, 3).join(' | ')} ${one.nodes[0].failureSummary}`)),
                   (error) => done([String(error)]));",
            )
            .await;
        let found = found.as_array().unwrap();
        assert!(found.is_empty(), "{place}: {found:#?}");
    }

    /// Clicks on a button or link by its words, and looks at where that leads.
    pub(crate) async fn press(&self, words: &str) -> Traffic {
        let found = self
            .session
            .element(
                &format!("{FIND}\nreturn press(arguments[0]) ?? null;"),
                json!([words]),
            )
            .await;
        let Some(found) = found else {
            panic!(
                "there is no {words:?} to press on {}: {}",
                self.session.url().await,
                self.text().await
            );
        };
        let leaves = self
            .session
            .run(
                &format!("{LEAVES}\nreturn leaves(arguments[0]);"),
                json!([Session::argument(&found)]),
            )
            .await;
        self.session.click(&found).await;
        if leaves == true {
            self.wait_for_page().await;
        }
        self.look().await
    }

    /// Waits until another document is there in place of the marked one. WebDriver's click may answer before the browser has begun
    /// to leave, and what looked at the old document would be cut off.
    async fn wait_for_page(&self) {
        for _ in 0..PAGE_TRIES {
            let is_there = "return window.isLeft !== true && document.readyState === 'complete';";
            if self.session.run(is_there, json!([])).await == true {
                return;
            }
            tokio::time::sleep(PAGE_PAUSE).await;
        }
    }

    /// Types into the field with this label, in place of what stands there.
    pub(crate) async fn fill(&self, label: &str, text: &str) {
        let field = self.field(label).await;
        self.session.clear(&field).await;
        self.session.type_into(&field, text).await;
    }

    /// Types into the field of this name.
    pub(crate) async fn type_by_name(&self, name: &str, text: &str) {
        let script = "return document.querySelector(`[name=\"${arguments[0]}\"]`)";
        let Some(field) = self.session.element(script, json!([name])).await else {
            panic!("there is no field {name} on {}", self.session.url().await);
        };
        self.session.clear(&field).await;
        self.session.type_into(&field, text).await;
    }

    /// Goes from one control to the next by the tabulator until the one with these words has the keyboard.
    pub(crate) async fn reach(&self, words: &str) {
        for _ in 0..80 {
            let here = self.session.focused().await;
            let said = self
                .session
                .run(
                    "return (arguments[0].innerText ?? '').trim()",
                    json!([Session::argument(&here)]),
                )
                .await;
            if said == words {
                return;
            }
            self.session.press_key("\u{e004}").await;
        }
        panic!(
            "the keyboard does not reach {words:?} on {}",
            self.session.url().await
        );
    }

    /// Presses the enter key, and looks at where that leads.
    pub(crate) async fn enter(&self) -> Traffic {
        self.session.press_key("\u{e007}").await;
        self.look().await
    }

    /// Chooses a radio button, a checkbox or a list's entry by its words.
    pub(crate) async fn choose(&self, words: &str) {
        let script = format!(
            "{FIND}\nconst option = [...document.querySelectorAll('option')].find((one) => words(one.textContent).startsWith(arguments[0]));\nif (option) {{ return option; }}\nreturn field(arguments[0]) ?? null;"
        );
        let found = self.session.element(&script, json!([words])).await;
        let Some(found) = found else {
            let url = self.session.url().await;
            panic!("there is no {words:?} to choose on {url}");
        };
        self.session.click(&found).await;
    }

    async fn field(&self, label: &str) -> crate::driver::Element {
        let found = self
            .session
            .element(
                &format!("{FIND}\nreturn field(arguments[0]) ?? null;"),
                json!([label]),
            )
            .await;
        match found {
            Some(found) => found,
            None => panic!(
                "there is no field {label:?} on {}: {}",
                self.session.url().await,
                self.text().await
            ),
        }
    }

    /// What stands in the field with this label.
    pub(crate) async fn value(&self, label: &str) -> String {
        let field = self.field(label).await;
        let value = self
            .session
            .run(
                "return arguments[0].value",
                json!([Session::argument(&field)]),
            )
            .await;
        value.as_str().unwrap().to_owned()
    }

    /// All words of the page.
    pub(crate) async fn text(&self) -> String {
        let text = self
            .session
            .run("return document.body.innerText", json!([]))
            .await;
        text.as_str().unwrap_or_default().to_owned()
    }

    /// The words of everything that a selector finds.
    pub(crate) async fn texts(&self, selector: &str) -> Vec<String> {
        let script = "return [...document.querySelectorAll(arguments[0])].map((one) => (one.innerText ?? one.textContent).replace(/\\s+/g, ' ').trim())";
        let texts = self.session.run(script, json!([selector])).await;
        texts
            .as_array()
            .unwrap()
            .iter()
            .map(|text| text.as_str().unwrap().to_owned())
            .collect()
    }

    /// The test ends unless these words stand on the page.
    pub(crate) async fn sees(&self, words: &str) {
        let text = self.text().await;
        assert!(
            text.contains(words),
            "{} says nothing of {words:?}:\n{text}",
            self.session.url().await
        );
    }

    /// Path and query of the page.
    pub(crate) async fn place(&self) -> String {
        let url = self.session.url().await;
        url.strip_prefix(&self.home).unwrap_or(&url).to_owned()
    }
}

/// Whether an entry of the console is only about the status of the page itself.
fn is_page(entry: &Value, place: &str) -> bool {
    let message = entry["message"].as_str().unwrap_or_default();
    let bare = place.split(['?', '#']).next().unwrap_or(place);
    message.starts_with(bare) && message.contains("Failed to load resource")
}

/// A page says what may run on it, and nothing written into it may.
fn check_policy(address: &str, headers: &Value) {
    let headers = headers.as_object().unwrap();
    let found = headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("content-security-policy"));
    let (_, policy) =
        found.unwrap_or_else(|| panic!("{address} has no Content-Security-Policy: {headers:?}"));
    let policy = policy.as_str().unwrap();
    // A mail is shown with the styles that it is sent with, alone in a frame in which nothing runs.
    let still = policy.starts_with("sandbox;")
        && policy.contains("default-src 'none'")
        && !policy.contains("script-src");
    let inline = policy.contains("unsafe-inline") && !still;
    assert!(
        !inline && !policy.contains("unsafe-eval"),
        "{address}: {policy}"
    );
    assert!(
        policy.contains("default-src 'none'") || policy.contains("default-src 'self'"),
        "{address}: {policy}"
    );
    assert!(policy.contains("frame-ancestors"), "{address}: {policy}");
}
