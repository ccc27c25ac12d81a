//! Chromium through chromedriver: the few calls of WebDriver that the tests make, and of chromedriver's own, which no client crate has
//! (logs and the network's events). Sources: W3C WebDriver, §7 "List of endpoints"; chromedriver's "capabilities" and "logging" pages.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

/// The key under which WebDriver names an element. Source: W3C WebDriver, "web element identifier".
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// How long a browser may take to close.
const CLOSING: Duration = Duration::from_secs(10);

/// A running chromedriver. It ends with this process, however that ends: its keeper waits for the other end of a pipe to close.
struct Driver {
    url: String,
    address: String,
    /// Where the browsers keep what they must; gone with the keeper.
    profiles: PathBuf,
    _keeper: Child,
    _pipe: ChildStdin,
}

/// The one chromedriver of all tests, or why there is none.
static DRIVER: LazyLock<Result<Driver, String>> = LazyLock::new(Driver::start);

/// What the keeper does. Browsers whose test was killed outlive chromedriver, and are known by where their profile is.
const KEEPER: &str =
    "command -v chromium >/dev/null && command -v chromedriver >/dev/null || exit 1
chromedriver --port=0 2>&1 </dev/null & driver=$!
cat >/dev/null
kill $driver
wait $driver
pkill -f -- \"user-data-dir=$1\"
rm -rf -- \"$1\"";

impl Driver {
    fn start() -> Result<Self, String> {
        let profiles = tempfile::tempdir()
            .map_err(|error| error.to_string())?
            .keep();
        let begun = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .arg(&profiles)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut keeper = begun.map_err(|error| error.to_string())?;
        let (pipe, said) = (keeper.stdin.take(), keeper.stdout.take());
        let (Some(pipe), Some(said)) = (pipe, said) else {
            return Err("chromedriver has no pipes".to_owned());
        };
        let mut lines = BufReader::new(said).lines().map_while(Result::ok);
        let port = lines.find_map(|line| {
            let (_, rest) = line.split_once("started successfully on port ")?;
            rest.trim_end_matches('.').parse::<u16>().ok()
        });
        let port = port.ok_or(
            "chromium or chromedriver is not installed (apt-get install chromium chromium-driver)",
        )?;
        // Nobody reads what it says from here on, and it must not wait for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self {
            url: format!("http://127.0.0.1:{port}"),
            address: format!("127.0.0.1:{port}"),
            profiles,
            _keeper: keeper,
            _pipe: pipe,
        })
    }
}

/// Whether the tests of this binary can run; says why not. With `OKAERI_REQUIRE_ALL=1` they have to.
pub(crate) fn available() -> bool {
    let set = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
    let missing = match (&*DRIVER, set("OKAERI_AXE")) {
        (Err(why), _) => why.clone(),
        (Ok(_), None) => "OKAERI_AXE names no axe.min.js (npm install axe-core)".to_owned(),
        (Ok(_), Some(_)) => return true,
    };
    let required = set("OKAERI_REQUIRE_ALL").is_some_and(|text| text == "1");
    assert!(!required, "{missing}");
    #[expect(clippy::print_stderr, reason = "says why nothing was tested")]
    {
        eprintln!("skipped: {missing}");
    }
    false
}

/// A browser of its own, without any history.
#[derive(Debug)]
pub(crate) struct Session {
    http: reqwest::Client,
    url: String,
}

impl Drop for Session {
    /// Closes the browser, also when a test fails; one that does not answer is left to the keeper.
    fn drop(&mut self) {
        let Some((address, path)) = DRIVER
            .as_ref()
            .ok()
            .and_then(|driver| Some((&driver.address, self.url.strip_prefix(&driver.url)?)))
        else {
            return;
        };
        if let Ok(mut stream) = std::net::TcpStream::connect(address) {
            let request =
                format!("DELETE {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
            // chromedriver keeps the connection, so only the answer's begin is waited for.
            let _ = stream.set_read_timeout(Some(CLOSING));
            let _ = stream.write_all(request.as_bytes());
            let _ = stream.read(&mut [0; 64]);
        }
    }
}

/// An element of the page as it stands.
#[derive(Clone, Debug)]
pub(crate) struct Element(String);

impl Session {
    /// Opens a window of this width that asks for pages in this language.
    pub(crate) async fn open(language: &str, (width, height): (u32, u32)) -> Self {
        let driver = DRIVER.as_ref().unwrap();
        let profile = tempfile::tempdir_in(&driver.profiles).unwrap().keep();
        let args = [
            "--headless".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-quic".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--hide-scrollbars".to_owned(),
            // A name that is asked for all the same is found nowhere.
            "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1".to_owned(),
            // As in somebody's hands: visits of programs that say what they are do not count.
            "--user-agent=Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36".to_owned(),
            format!("--window-size={width},{height}"),
            format!("--user-data-dir={}", profile.display()),
        ];
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
            "goog:chromeOptions": {
                "args": args,
                "prefs": {
                    "intl.accept_languages": language,
                    "download.default_directory": profile.join("downloads"),
                    "credentials_enable_service": false,
                },
            },
        }}});
        let http = reqwest::Client::new();
        let begun = send(
            &http,
            Method::POST,
            &format!("{}/session", driver.url),
            &wanted,
        )
        .await;
        let id = begun["sessionId"].as_str().unwrap().to_owned();
        let session = Self {
            http,
            url: format!("{}/session/{id}", driver.url),
        };
        // The width of the page, whatever the window's frame takes.
        let metrics =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        session
            .devtools("Emulation.setDeviceMetricsOverride", metrics)
            .await;
        let copying = json!({"permissions": ["clipboardSanitizedWrite", "clipboardReadWrite"]});
        session.devtools("Browser.grantPermissions", copying).await;
        session
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        send(
            &self.http,
            Method::POST,
            &format!("{}/{path}", self.url),
            &body,
        )
        .await
    }

    async fn get(&self, path: &str) -> Value {
        send(
            &self.http,
            Method::GET,
            &format!("{}/{path}", self.url),
            &Value::Null,
        )
        .await
    }

    /// A command of the DevTools protocol.
    pub(crate) async fn devtools(&self, command: &str, params: Value) -> Value {
        self.post(
            "goog/cdp/execute",
            json!({"cmd": command, "params": params}),
        )
        .await
    }

    /// Goes to an address and waits until the page is loaded.
    pub(crate) async fn go(&self, url: &str) {
        self.post("url", json!({"url": url})).await;
    }

    pub(crate) async fn url(&self) -> String {
        self.get("url").await.as_str().unwrap().to_owned()
    }

    /// What a script's body returns. It comes as text: chromedriver itself fails at objects on pages that no library has touched
    /// ("Right-hand side of 'instanceof' is not an object", chromedriver 156).
    pub(crate) async fn run(&self, script: &str, args: Value) -> Value {
        let script = format!(
            "const found = (function () {{ {script} }}).apply(null, arguments); return JSON.stringify(found ?? null);"
        );
        let body = json!({"script": script, "args": args});
        let text = self.post("execute/sync", body).await;
        serde_json::from_str(text.as_str().unwrap()).unwrap()
    }

    /// What a script hands to its last argument, a function.
    pub(crate) async fn run_async(&self, script: &str) -> Value {
        self.post("execute/async", json!({"script": script, "args": []}))
            .await
    }

    /// The element that a script's body returns, if it returns one.
    pub(crate) async fn element(&self, script: &str, args: Value) -> Option<Element> {
        let body = json!({"script": script, "args": args});
        let found = self.post("execute/sync", body).await;
        Some(Element(found[ELEMENT].as_str()?.to_owned()))
    }

    /// Clicks as a person does: scrolled to, and refused if something covers it. Waits for the page that it leads to.
    pub(crate) async fn click(&self, element: &Element) {
        self.post(&format!("element/{}/click", element.0), json!({}))
            .await;
    }

    /// Types into an element. `\u{e004}` is the tabulator, `\u{e007}` the enter key. Source: W3C WebDriver, "Keyboard actions".
    pub(crate) async fn type_into(&self, element: &Element, text: &str) {
        self.post(
            &format!("element/{}/value", element.0),
            json!({"text": text}),
        )
        .await;
    }

    /// Presses a key, wherever the keyboard is.
    pub(crate) async fn press_key(&self, key: &str) {
        let keys = json!({"actions": [{"type": "key", "id": "keyboard", "actions": [
            {"type": "keyDown", "value": key}, {"type": "keyUp", "value": key},
        ]}]});
        self.post("actions", keys).await;
    }

    /// Empties a field.
    pub(crate) async fn clear(&self, element: &Element) {
        self.post(&format!("element/{}/clear", element.0), json!({}))
            .await;
    }

    /// The element that has the keyboard.
    pub(crate) async fn focused(&self) -> Element {
        let found = self.get("element/active").await;
        Element(found[ELEMENT].as_str().unwrap().to_owned())
    }

    /// An element as scripts take it for an argument.
    pub(crate) fn argument(element: &Element) -> Value {
        json!({ELEMENT: element.0})
    }

    /// What the browser has logged since the last look: `browser` for the page's console, `performance` for the network.
    pub(crate) async fn log(&self, kind: &str) -> Vec<Value> {
        let entries = self.post("se/log", json!({"type": kind})).await;
        entries.as_array().cloned().unwrap_or_default()
    }
}

/// One call; the test ends with what WebDriver says is wrong.
async fn send(http: &reqwest::Client, method: Method, url: &str, body: &Value) -> Value {
    let mut request = http.request(method.clone(), url);
    if !body.is_null() {
        request = request.json(body);
    }
    let answer = request.send().await.unwrap();
    let good = answer.status().is_success();
    let mut answer: Value = answer.json().await.unwrap();
    assert!(good, "{method} {url}: {}", answer["value"]["message"]);
    answer["value"].take()
}
