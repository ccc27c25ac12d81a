//! The release binaries as Lambda runs them: started under a Runtime API, called with their sample events, judged by what they
//! answer, do and log.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use integration::Stack;
use lambda_simulator::{InvocationStatus, Simulator};
use serde_json::Value;
use tempfile::NamedTempFile;
use tokio::process::{Child, Command};

use crate::events;
use crate::story::{self, Host, Story};
use crate::tls::TlsFront;

/// Longest start and answer together; both take milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);
/// What each call is given, as `send-mail` is in the template: with less than 20 s left it sends nothing.
const TIMEOUT: Duration = Duration::from_mins(2);
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

/// Every function's binary, started.
struct Bootstraps(BTreeMap<String, Function>);

impl Bootstraps {
    async fn start(directory: &Path, settings: &BTreeMap<String, String>) -> Self {
        let mut functions = BTreeMap::new();
        for name in events::functions() {
            let function = Function::start(&name, directory, settings).await;
            functions.insert(name, function);
        }
        Self(functions)
    }

    /// Every function still runs, and no log tells a secret or who anybody is.
    fn end(mut self, secrets: &[String]) {
        for (name, function) in &mut self.0 {
            let log = function.log();
            let ended = function.process.try_wait().unwrap();
            assert_eq!(ended, None, "{name}\n{log}");
            for line in log.lines() {
                let line: Value = serde_json::from_str(line).unwrap_or_default();
                assert!(line.is_object(), "{name} logs other than JSON:\n{log}");
            }
            for secret in secrets {
                assert!(
                    !log.contains(secret.as_str()),
                    "{name} logs {secret}:\n{log}"
                );
            }
        }
    }
}

impl Host for Bootstraps {
    async fn invoke(&mut self, function: &str, event: Value) -> Value {
        self.0.get_mut(function).unwrap().invoke(event).await
    }
}

#[tokio::test]
async fn every_release_binary_starts_and_answers_its_sample_events() {
    let Some(bootstraps) = bootstraps() else {
        return;
    };
    let stack = Stack::start().await;
    let host = Bootstraps::start(&bootstraps, &story::settings_of(&stack).await).await;
    let mut story = Story::begin(stack, host);
    story.tell_all().await;
    story.host.end(&story.secrets);
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
    let mut settings = story::settings_of(&stack).await;
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
