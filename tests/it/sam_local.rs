//! The functions in the containers of `sam local`, called with their sample events and through its API.
//!
//! It needs a Docker engine with Lambda's image, which `.ci/sam-local` makes by hand in a network of its own; by itself it is skipped.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use integration::Stack;
use okaeri::local::CHECKOUT_KEY;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use crate::story::{self, Host, Story};

/// Longest start of `sam local start-api` with all its containers.
const PATIENCE: Duration = Duration::from_mins(2);

/// The SAM CLI, what `sam build` made, and this machine's address as containers see it; `None` where there is no engine for it.
fn tools() -> Option<(PathBuf, PathBuf, String)> {
    let set = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
    let (Some(sam), Some(build), Some(address)) = (
        set("OKAERI_SAM"),
        set("OKAERI_SAM_BUILD"),
        set("OKAERI_DOCKER_HOST_ADDRESS"),
    ) else {
        #[expect(clippy::print_stderr, reason = "says why nothing was tested")]
        {
            eprintln!("skipped: no Docker engine for `sam local`; `.ci/sam-local` makes one");
        }
        return None;
    };
    Some((sam.into(), build.into(), address))
}

/// `sam local` with a template that also says where the stack's stand-ins are.
struct SamLocal {
    sam: PathBuf,
    directory: TempDir,
}

impl SamLocal {
    /// SAM hands functions only such variables as the template names, so those of `settings` are written into a copy of it.
    fn prepare(sam: PathBuf, build: &std::path::Path, settings: &BTreeMap<String, String>) -> Self {
        let text = std::fs::read_to_string(build.join("template.yaml")).unwrap();
        let mut template: serde_norway::Value = serde_norway::from_str(&text).unwrap();
        let resources = template["Resources"].as_mapping_mut().unwrap();
        for (_, resource) in resources.iter_mut() {
            if resource["Type"] != "AWS::Serverless::Function" {
                continue;
            }
            let properties = &mut resource["Properties"];
            let code = build.join(properties["CodeUri"].as_str().unwrap());
            properties["CodeUri"] = code.to_str().unwrap().into();
            let variables = serde_norway::to_value(settings).unwrap();
            properties["Environment"] = serde_norway::Value::Mapping(
                [("Variables".into(), variables)].into_iter().collect(),
            );
        }
        let directory = tempfile::tempdir().unwrap();
        let text = serde_norway::to_string(&template).unwrap();
        std::fs::write(directory.path().join("template.yaml"), text).unwrap();
        Self { sam, directory }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.sam);
        command
            .current_dir(self.directory.path())
            .args(words)
            .arg("--skip-pull-image")
            .args(["--parameter-overrides", "Architecture=x86_64"])
            .env("SAM_CLI_TELEMETRY", "0")
            .env("AWS_DEFAULT_REGION", "ap-northeast-1")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }
}

impl Host for SamLocal {
    async fn invoke(&mut self, function: &str, event: Value) -> Value {
        let file = self.directory.path().join("event.json");
        std::fs::write(&file, event.to_string()).unwrap();
        let logical = logical(function);
        let words = ["local", "invoke", &logical, "--event", "event.json"];
        let output = self.command(&words).output().await.unwrap();
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{function}: {log}");
        let answer = String::from_utf8_lossy(&output.stdout);
        serde_json::from_str(answer.trim())
            .unwrap_or_else(|_| panic!("{function}: {answer}\n{log}"))
    }
}

/// `redeem-code` as the template calls it: `RedeemCode`.
fn logical(function: &str) -> String {
    let words = function.split('-').map(|word| {
        let (first, rest) = word.split_at(1);
        first.to_uppercase() + rest
    });
    words.collect()
}

/// A stack whose stand-ins containers reach at `address`, and the settings of functions in them.
async fn reachable_stack(address: &str) -> (Stack, BTreeMap<String, String>) {
    let stack = Stack::start().await;
    let mut settings = story::settings_of(&stack).await;
    let endpoints = settings
        .iter_mut()
        .filter(|(name, _)| name.starts_with("AWS_ENDPOINT_URL"));
    for (_, value) in endpoints {
        let Some(rest) = value.strip_prefix("http://127.0.0.1:") else {
            continue;
        };
        let (port, path) = rest.split_once('/').unwrap_or((rest, ""));
        let relay = relay(address, port.parse().unwrap()).await;
        *value = format!("http://{address}:{relay}/{path}");
    }
    (stack, settings)
}

/// The port at `address` where a server of this machine's loopback can be had too, for as long as the test runs.
async fn relay(address: &str, port: u16) -> u16 {
    let listener = TcpListener::bind((address, 0)).await.unwrap();
    let relay = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut server = TcpStream::connect(("127.0.0.1", port)).await?;
                tokio::io::copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    relay
}

#[tokio::test]
async fn every_sample_event_is_answered_in_the_containers_of_sam_local() {
    let Some((sam, build, address)) = tools() else {
        return;
    };
    let (stack, settings) = reachable_stack(&address).await;
    let host = SamLocal::prepare(sam, &build, &settings);
    let mut story = Story::begin(stack, host);
    story.tell_all().await;
}

#[tokio::test]
async fn the_api_of_sam_local_quotes_and_redeems() {
    let Some((sam, build, address)) = tools() else {
        return;
    };
    let (stack, mut settings) = reachable_stack(&address).await;
    // What the stack's own API makes is to be seen here too.
    let table = stack.running().settings()["TABLE_NAME"].clone();
    settings.insert("TABLE_NAME".to_owned(), table);
    let local = SamLocal::prepare(sam, &build, &settings);
    let port = free_port().await;
    let text = port.to_string();
    let words = ["local", "start-api", "--host", "127.0.0.1", "--port", &text];
    let mut api = local.command(&words).spawn().unwrap();
    answers(&mut api, port).await;
    let promotion = stack.promotion(json!({})).await;
    let code = stack.codes(&promotion, 1).await.remove(0);
    let cart =
        json!({"currency": "JPY", "lines": [{"sku": "TEA-01", "quantity": 2, "unit_price": 1980}]});
    let http = reqwest::Client::new();
    let ask = async |method, path: &str| {
        let request = http
            .request(method, format!("http://localhost:{port}{path}"))
            .bearer_auth(CHECKOUT_KEY)
            .json(&json!({"codes": [code], "cart": cart}));
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json::<Value>().await.unwrap())
    };
    let (status, quote) = ask(reqwest::Method::POST, "/v1/quotes").await;
    assert_eq!((status, &quote["discount"]), (200, &json!(396)), "{quote}");
    let (status, _) = ask(reqwest::Method::PUT, "/v1/redemptions/2001").await;
    assert_eq!(status, 201);
    let (status, _) = ask(reqwest::Method::PUT, "/v1/redemptions/2001").await;
    assert_eq!(status, 200);
    let (status, refused) = ask(reqwest::Method::PUT, "/v1/redemptions/2002").await;
    assert_eq!(
        (status, &refused["code"]),
        (409, &json!("code-already-redeemed"))
    );
    end(api).await;
}

/// A port that nothing listens on.
async fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    listener.local_addr().unwrap().port()
}

/// Waits until the API answers.
async fn answers(api: &mut Child, port: u16) {
    let began = Instant::now();
    let health = format!("http://localhost:{port}/healthz");
    while began.elapsed() < PATIENCE {
        assert_eq!(api.try_wait().unwrap(), None, "sam local start-api ended");
        if reqwest::get(&health)
            .await
            .is_ok_and(|answer| answer.status() == 200)
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("no answer within {PATIENCE:?}");
}

/// Asks it to end with its containers, as SAM does on SIGTERM.
async fn end(mut api: Child) {
    let id = api.id().unwrap().to_string();
    Command::new("kill").arg(id).status().await.unwrap();
    let _ = tokio::time::timeout(Duration::from_secs(20), api.wait()).await;
}
