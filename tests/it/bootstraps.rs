//! The release binaries as Lambda runs them: started under a Runtime API, called with their sample events, judged by what they
//! answer, do and log.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use integration::Stack;
use lambda_simulator::{InvocationStatus, Simulator};
use okaeri::local::{ADMIN_KEY, CHECKOUT_KEY, WEBHOOK_SECRET};
use receive_order::verify::{sign_standard, sign_stripe};
use serde_json::{Value, json};
use shared::aws::Aws;
use shared::env::Env;
use shared::store::{NewApiKey, Scope, Store};
use tempfile::NamedTempFile;
use tokio::process::{Child, Command};

use crate::events;
use crate::tls::TlsFront;

/// Longest start and answer together; both take milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);
/// What each call is given, as `send-mail` is in the template: with less than 20 s left it sends nothing.
const TIMEOUT: Duration = Duration::from_mins(2);
/// A table that only the binaries use, so that the stack's own functions do not do their work.
const TABLE: &str = "bootstraps";

/// A code, a promotion and an unsubscribe token as the samples name them, where only running shows real ones.
const SAMPLE_CODE: &str = "THX9-7K3M-9QXA-2F4T";
const SAMPLE_PROMOTION: &str = "THX9";
const SAMPLE_TOKEN: &str = "UNSUBSCRIBE_TOKEN";
/// The same for a session of the console.
const SAMPLE_SESSION: &str = "SESSION";
/// Secrets and personal data in the samples.
const SECRETS: [&str; 5] = [ADMIN_KEY, CHECKOUT_KEY, WEBHOOK_SECRET, "hanako", "花子"];

/// The directory of what `cargo lambda build` made, or `None` if there is none and none is required.
fn bootstraps() -> Option<PathBuf> {
    let set = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
    let directory = set("OKAERI_BOOTSTRAPS").map(|directory| events::root().join(directory));
    if directory.is_none() {
        let required = set("OKAERI_REQUIRE_ALL").is_some_and(|text| text == "1");
        assert!(!required, "OKAERI_BOOTSTRAPS is not set");
        #[expect(clippy::print_stderr, reason = "says why nothing was tested")]
        {
            eprintln!("skipped: OKAERI_BOOTSTRAPS names no directory of release binaries");
        }
    }
    directory
}

/// A binary under a Runtime API of its own.
struct Function {
    name: String,
    api: Simulator,
    process: Child,
    log: NamedTempFile,
}

impl Function {
    /// Starts it with nothing in its environment but `settings` and what Lambda sets. It is killed with its value.
    async fn start(name: &str, bootstraps: &Path, settings: &BTreeMap<String, String>) -> Self {
        let binary = bootstraps.join(name).join("bootstrap");
        let api = Simulator::builder()
            .function_name(name)
            .invocation_timeout(TIMEOUT)
            .build()
            .await
            .unwrap();
        let log = NamedTempFile::new().unwrap();
        let output = log.reopen().unwrap();
        let process = Command::new(&binary)
            .env_clear()
            .envs(api.lambda_env_vars())
            .envs(settings)
            .env("AWS_LAMBDA_LOG_FORMAT", "JSON")
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", binary.display()));
        Self {
            name: name.to_owned(),
            api,
            process,
            log,
        }
    }

    /// What it answers; the test ends with its log if it answers nothing, fails or ends.
    async fn invoke(&mut self, event: Value) -> Value {
        let id = self.api.enqueue_payload(event).await;
        let answer = tokio::select! {
            answer = self.api.wait_for_invocation_complete(&id, PATIENCE) => answer,
            ended = self.process.wait() => panic!("{} ended: {ended:?}\n{}", self.name, self.log()),
        };
        match answer {
            Ok(answer) if answer.status == InvocationStatus::Success => {
                answer.response.unwrap().payload
            }
            other => panic!("{}: {other:?}\n{}", self.name, self.log()),
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.log.path()).unwrap()
    }
}

/// All functions at work for one shop, told sample by sample.
struct Story {
    stack: Stack,
    functions: BTreeMap<String, Function>,
    /// What stands in the samples, and what stands for it here; the later goes first.
    words: Vec<(&'static str, String)>,
    /// What no log may tell.
    secrets: Vec<String>,
    told: BTreeSet<String>,
}

impl Story {
    async fn begin(bootstraps: &Path) -> Self {
        let stack = Stack::start().await;
        let mut settings = stack.running().settings().clone();
        settings.insert("TABLE_NAME".to_owned(), TABLE.to_owned());
        prepare_table(settings.clone(), stack.clock().now()).await;
        let mut functions = BTreeMap::new();
        for name in events::functions() {
            let function = Function::start(&name, bootstraps, &settings).await;
            functions.insert(name, function);
        }
        Self {
            stack,
            functions,
            words: Vec::new(),
            secrets: SECRETS.map(str::to_owned).into(),
            told: BTreeSet::new(),
        }
    }

    /// From now on `real` stands for `word` of the samples.
    fn learn(&mut self, word: &'static str, real: &str) {
        self.words.push((word, real.to_owned()));
    }

    /// The same for what no log may tell.
    fn learn_secret(&mut self, word: &'static str, real: &str) {
        self.learn(word, real);
        self.secrets.push(real.to_owned());
    }

    /// Calls the sample's function with it.
    async fn tell(&mut self, sample: &str) -> Value {
        self.told.insert(sample.to_owned());
        let mut text = events::sample(sample);
        for (word, real) in self.words.iter().rev() {
            text = text.replace(word, real);
        }
        let mut event = serde_json::from_str(&text).unwrap();
        refresh(&mut event, self.stack.clock().now());
        let function = self.functions.get_mut(events::function_of(sample));
        function.unwrap().invoke(event).await
    }

    /// The same for a request: its body, if it is answered with `status`.
    async fn ask(&mut self, sample: &str, status: u16) -> Value {
        let answer = self.tell(sample).await;
        assert_eq!(answer["statusCode"], status, "{sample}: {answer}");
        serde_json::from_str(answer["body"].as_str().unwrap_or_default()).unwrap_or_default()
    }

    /// Every sample was told, every function still runs, and no log tells a secret or who anybody is.
    fn end(mut self) {
        assert_eq!(self.told, events::samples());
        for (name, function) in &mut self.functions {
            let log = function.log();
            let ended = function.process.try_wait().unwrap();
            assert_eq!(ended, None, "{name}\n{log}");
            for line in log.lines() {
                let line: Value = serde_json::from_str(line).unwrap_or_default();
                assert!(line.is_object(), "{name} logs other than JSON:\n{log}");
            }
            for secret in &self.secrets {
                assert!(
                    !log.contains(secret.as_str()),
                    "{name} logs {secret}:\n{log}"
                );
            }
        }
    }
}

async fn prepare_table(settings: BTreeMap<String, String>, now: DateTime<Utc>) {
    let env = Env::from_map(settings);
    let store = Store::connect(&env, &Aws::from_env(&env).unwrap()).unwrap();
    store.create_table().await.unwrap();
    for (text, scope) in [(ADMIN_KEY, Scope::Admin), (CHECKOUT_KEY, Scope::Checkout)] {
        let key = NewApiKey::given(text.to_owned(), text.to_owned(), scope, now);
        store.put_api_key(&key.stored).await.unwrap();
    }
}

/// Renews what goes stale in a file: signed times, and times of arrival, which become three days ago, when mails now due were
/// earned.
fn refresh(event: &mut Value, now: DateTime<Utc>) {
    if let Some(id) = event.pointer("/headers/webhook-id") {
        let (id, body) = (id.as_str().unwrap(), event["body"].as_str().unwrap());
        let signature = sign_standard(WEBHOOK_SECRET, id, now.timestamp(), body.as_bytes());
        event["headers"]["webhook-signature"] = json!(signature.unwrap());
        event["headers"]["webhook-timestamp"] = json!(now.timestamp().to_string());
    }
    if event.pointer("/headers/stripe-signature").is_some() {
        let body = event["body"].as_str().unwrap();
        let signature = sign_stripe(WEBHOOK_SECRET, now.timestamp(), body.as_bytes());
        event["headers"]["stripe-signature"] = json!(signature.unwrap());
    }
    let records = event.get_mut("Records").and_then(Value::as_array_mut);
    for record in records.into_iter().flatten() {
        let sent = now - TimeDelta::days(3);
        record["attributes"]["SentTimestamp"] = json!(sent.timestamp_millis().to_string());
    }
}

#[tokio::test]
async fn every_release_binary_starts_and_answers_its_sample_events() {
    let Some(bootstraps) = bootstraps() else {
        return;
    };
    let mut story = Story::begin(&bootstraps).await;
    sell(&mut story).await;
    story.ask("create-promotion.follow-up", 201).await;
    for webhook in ["standard", "shopify", "woocommerce", "stripe"] {
        let receipt = story.ask(&format!("receive-order.{webhook}"), 200).await;
        assert_eq!(receipt, json!({"received": true, "queued": true}));
    }
    thank(&mut story).await;
    count(&mut story).await;
    story.ask("landing.health", 200).await;
    let document = story.ask("docs.openapi", 200).await;
    assert_eq!(document["openapi"], "3.1.0");
    story.ask("docs.page", 200).await;
    story.ask("landing.unsubscribe", 200).await;
    look(&mut story).await;
    story.end();
}

/// Staff sign in and see a page.
async fn look(story: &mut Story) {
    let signed_in = story.tell("console.sign-in").await;
    assert_eq!(signed_in["statusCode"], 303, "{signed_in}");
    let cookie = signed_in["cookies"][0].as_str().unwrap();
    let value = cookie.split_once('=').unwrap().1.split_once(';').unwrap().0;
    story.learn_secret(SAMPLE_SESSION, value);
    let page = story.tell("console.page").await;
    assert_eq!(page["statusCode"], 200, "{page}");
    assert!(page["body"].as_str().unwrap().contains("lang=\"ja\""));
}

/// A promotion, its codes, and one of them used.
async fn sell(story: &mut Story) {
    let promotion = story.ask("create-promotion.create", 201).await;
    assert_eq!(promotion["status"], "active");
    story.learn(SAMPLE_PROMOTION, promotion["id"].as_str().unwrap());
    let link = story.ask("create-promotion.link", 201).await;
    assert_eq!(link["slug"], "hanako");
    story.ask("landing.link", 200).await;
    let batch = story.ask("create-promotion.mint", 201).await;
    assert_eq!(batch["count"], 1000);
    let codes = story.ask("create-promotion.list-codes", 200).await;
    assert_eq!(codes["codes"].as_array().unwrap().len(), 10);
    story.learn_secret(SAMPLE_CODE, codes["codes"][0]["code"].as_str().unwrap());
    let quote = story.ask("redeem-code.quote", 200).await;
    assert_eq!(quote["discount"], 396, "{quote}");
    let redeemed = story.ask("redeem-code.redeem", 201).await;
    assert_eq!(redeemed["discount"], 396);
    assert_eq!(story.ask("redeem-code.redeem", 200).await, redeemed);
}

/// A stream's batch counts once, and the sums are read through the function that answers.
async fn count(story: &mut Story) {
    let done = json!({"batchItemFailures": []});
    assert_eq!(story.tell("tally.batch").await, done);
    assert_eq!(story.tell("tally.batch").await, done);
    let stats = story.ask("create-promotion.stats", 200).await;
    let totals = &stats["totals"];
    let figures = [
        "redemptions",
        "revenue",
        "discount",
        "buyers",
        "mails",
        "visits",
    ]
    .map(|name| totals[name].clone());
    assert_eq!(figures, [1, 3564, 396, 1, 1, 1], "{stats}");
}

/// An order earns one mail, however often it is told, and a poison message fails alone.
async fn thank(story: &mut Story) {
    let done = json!({"batchItemFailures": []});
    assert_eq!(story.tell("order-completed.order").await, done);
    let batch = story.tell("order-completed.batch").await;
    let poison = json!([{"itemIdentifier": "3f6f9a52-1d0c-4e0b-9a77-5b8f3f0f7a11"}]);
    assert_eq!(batch["batchItemFailures"], poison);
    let report = story.tell("send-mail.schedule").await;
    assert_eq!(
        (&report["claimed"], &report["sent"]),
        (&json!(1), &json!(1)),
        "{report}"
    );
    assert_eq!(story.tell("order-completed.order").await, done);
    assert_eq!(story.tell("send-mail.schedule").await["claimed"], 0);
    assert_eq!(story.tell("order-completed.cancelled").await, done);
    assert_eq!(story.tell("lapse-holds.schedule").await["lapsed"], 0);
    assert_eq!(story.tell("watch.schedule").await["news"], json!([]));
    // Its mails are other mails than this story's, which SES may report long after they are gone.
    assert_eq!(story.tell("mail-feedback.batch").await, done);

    let inbox = story.stack.inbox().await;
    assert_eq!(inbox.len(), 1, "{inbox:?}");
    assert_eq!(inbox[0]["to"], json!(["hanako@example.jp"]));
    let link = inbox[0]["headers"]["List-Unsubscribe"].as_str().unwrap();
    let (_, token) = link.trim_end_matches('>').rsplit_once("/u/").unwrap();
    story.learn_secret(SAMPLE_TOKEN, token);
    let mut words = inbox[0]["text"].as_str().unwrap().split_whitespace();
    let code = words.find(|word| word.len() == SAMPLE_CODE.len() && word.matches('-').count() == 3);
    story.secrets.push(code.unwrap().to_owned());
}

/// Most processor time that a start and a first call take together, in milliseconds. ring takes 8 to 15 here; the random numbers
/// that aws-lc gathers when it first meets TLS take 45 more, and a second TLS stack reads the list of roots once more
/// (shared/speed.md has both measured).
const FIRST_CALL_MS: u64 = 40;

/// Processor time that a process has taken, in milliseconds, threads that ended left out.
fn processor_ms(process: u32) -> u64 {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let spent = threads.map(|thread| {
        let said = std::fs::read_to_string(thread.unwrap().path().join("schedstat"));
        let nanoseconds = said.unwrap_or_default().split(' ').next().map(str::parse);
        nanoseconds.and_then(Result::<u64, _>::ok).unwrap_or(0)
    });
    spent.sum::<u64>() / 1_000_000
}

#[tokio::test]
async fn a_first_call_over_tls_gathers_no_entropy_for_long_and_starts_no_second_tls_stack() {
    let Some(bootstraps) = bootstraps() else {
        return;
    };
    let stack = Stack::start().await;
    let mut settings = stack.running().settings().clone();
    settings.insert("TABLE_NAME".to_owned(), TABLE.to_owned());
    prepare_table(settings.clone(), stack.clock().now()).await;
    let tls = TlsFront::new();
    for name in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB"] {
        let behind = settings[name].trim_start_matches("http://").to_owned();
        settings.insert(name.to_owned(), tls.before(behind).await);
    }
    settings.insert("SSL_CERT_FILE".to_owned(), tls.certificate());
    let mut function = Function::start("redeem-code", &bootstraps, &settings).await;
    let quote = serde_json::from_str(&events::sample("redeem-code.quote")).unwrap();
    let answer = function.invoke(quote).await;
    assert_eq!(answer["statusCode"], 200, "{answer}");
    let spent = processor_ms(function.process.id().unwrap());
    assert!(spent < FIRST_CALL_MS, "{spent} ms");
}
