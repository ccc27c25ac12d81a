//! The stack as `sam deploy` makes it, on an emulator of AWS: MiniStack, which runs the release binaries as processes of its own.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use okaeri::local::{ADMIN_KEY, CHECKOUT_KEY, WEBHOOK_SECRET};
use reqwest::Method;
use serde_json::{Value, json};
use shared::aws::Aws;
use shared::clock::Clock;
use shared::env::Env;
use shared::store::{NewApiKey, Scope, Store};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::Caller;

/// Name of the CloudFormation stack.
pub const STACK: &str = "okaeri-test";
/// The emulator asks for some, and looks at none.
const CREDENTIALS: [(&str, &str); 5] = [
    ("AWS_ACCESS_KEY_ID", "test"),
    ("AWS_SECRET_ACCESS_KEY", "test"),
    ("AWS_REGION", "us-east-1"),
    ("AWS_DEFAULT_REGION", "us-east-1"),
    ("SAM_CLI_TELEMETRY", "0"),
];
/// What a shop owner answers. No lead time, so that the test's promotions apply at once.
const ANSWERS: [&str; 8] = [
    "ShopName=Okaeri Tea",
    "ShopUrl=https://shop.example/cart",
    "SenderIdentity=shop.example",
    "SenderName=Okaeri Tea",
    "SenderAddress=1-1 Tokyo",
    "SenderContact=hello@shop.example",
    "LeadTime=PT0S",
    "Architecture=x86_64",
];

/// Programs and files that a deployment takes.
#[derive(Clone, Debug)]
pub struct Tools {
    /// MiniStack's command.
    pub ministack: PathBuf,
    /// The SAM CLI.
    pub sam: PathBuf,
    /// What `sam build` made: `template.yaml` and a directory for each function.
    pub build: PathBuf,
}

impl Tools {
    /// Those that `OKAERI_MINISTACK`, `OKAERI_SAM` and `OKAERI_SAM_BUILD` name, or the name of one that does not.
    ///
    /// # Errors
    /// Which variable is not set.
    pub fn from_env() -> Result<Self, &'static str> {
        let path = |name| {
            let set = std::env::var_os(name).filter(|text| !text.is_empty());
            set.map(PathBuf::from).ok_or(name)
        };
        Ok(Self {
            ministack: path("OKAERI_MINISTACK")?,
            sam: path("OKAERI_SAM")?,
            build: path("OKAERI_SAM_BUILD")?,
        })
    }
}

/// A deployed stack. The emulator and what it started end with it.
#[derive(Debug)]
pub struct Deployment {
    emulator: Child,
    endpoint: String,
    /// Calls the API as its `ApiUrl`.
    pub caller: Caller,
    outputs: Value,
    http: reqwest::Client,
    _directory: TempDir,
}

impl Deployment {
    /// Starts an emulator, deploys to it, fills in the webhooks' secret, verifies the sender's domain with SES, and puts in the two
    /// keys that [`Caller`] uses.
    pub async fn start(tools: &Tools) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let (emulator, address) = start_emulator(tools, directory.path()).await;
        let endpoint = format!("http://{address}");
        let http = reqwest::Client::new();
        let created = http.put(format!("{endpoint}/deployments")).send().await;
        created.expect("a bucket for the packages");
        let outputs = deploy(tools, directory.path(), &endpoint).await;
        let url = output(&outputs, "ApiUrl");
        let host = url.strip_prefix("http://").expect("a plain URL");
        let name = host.split(':').next().unwrap_or(host);
        let deployment = Self {
            caller: Caller::at(&url, name, address),
            emulator,
            endpoint,
            outputs,
            http,
            _directory: directory,
        };
        deployment.make_ready().await;
        deployment
    }

    async fn make_ready(&self) {
        let secrets = json!({"generated": WEBHOOK_SECRET}).to_string();
        let arn = self.output("WebhookSecretsArn");
        let put = json!({"SecretId": arn, "SecretString": secrets});
        self.aws("secretsmanager.PutSecretValue", &put).await;
        let identity = json!({"EmailIdentity": "shop.example"});
        self.rest(Method::POST, "/v2/email/identities", &identity)
            .await;
        let store = self.store();
        let now = Clock::default().now();
        for (key, scope) in [(ADMIN_KEY, Scope::Admin), (CHECKOUT_KEY, Scope::Checkout)] {
            let key = NewApiKey::given(key.to_owned(), key.to_owned(), scope, now);
            store.put_api_key(&key.stored).await.expect("a key is put");
        }
    }

    /// The deployed table.
    pub fn store(&self) -> Store {
        let env = Env::from_map(self.settings().into_iter().collect());
        let aws = Aws::from_env(&env).expect("settings");
        Store::connect(&env, &aws).expect("settings")
    }

    /// What a command needs in its environment to work on this deployment.
    pub fn settings(&self) -> Vec<(String, String)> {
        let mut settings: Vec<_> = CREDENTIALS
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        settings.push(("AWS_ENDPOINT_URL".to_owned(), self.endpoint.clone()));
        settings.push(("TABLE_NAME".to_owned(), self.output("TableName")));
        settings
    }

    /// An output of the stack.
    pub fn output(&self, name: &str) -> String {
        output(&self.outputs, name)
    }

    /// Calls a service by its JSON protocol.
    pub async fn aws(&self, target: &str, body: &Value) -> Value {
        let request = self
            .http
            .post(&self.endpoint)
            .header("x-amz-target", target)
            .header("content-type", "application/x-amz-json-1.0")
            .body(body.to_string());
        answer(request, target).await
    }

    /// Calls a service that has paths.
    pub async fn rest(&self, method: Method, path: &str, body: &Value) -> Value {
        let request = self
            .http
            .request(method, format!("{}{path}", self.endpoint));
        answer(request.body(body.to_string()), path).await
    }

    /// The name that the deployment gave a function of the template.
    pub async fn function(&self, logical: &str) -> String {
        let listed = self
            .rest(Method::GET, "/2015-03-31/functions/", &Value::Null)
            .await;
        let functions = listed["Functions"].as_array().expect("functions");
        let names = functions
            .iter()
            .filter_map(|function| function["FunctionName"].as_str());
        let prefix = format!("{STACK}-{logical}-");
        let found = names.into_iter().find(|name| name.starts_with(&prefix));
        found.expect("the function is deployed").to_owned()
    }

    /// What SES took, oldest first, as the emulator shows it.
    pub async fn mails(&self) -> Vec<Value> {
        let answer = self
            .rest(Method::GET, "/_ministack/ses/messages", &Value::Null)
            .await;
        let accounts = answer["messages"].as_object().expect("messages by account");
        let lists = accounts.values().filter_map(Value::as_array);
        lists.flatten().cloned().collect()
    }

    /// Processes of functions that run now.
    pub fn function_processes(&self) -> Vec<u32> {
        let parent = self.emulator.id().expect("the emulator runs");
        let processes = std::fs::read_dir("/proc").expect("Linux");
        let ids =
            processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
        ids.filter(|id| {
            let status = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
            // `pid (name) state ppid …`; the kernel cuts names to 15 bytes.
            let Some((name, rest)) = status.rsplit_once(')') else {
                return false;
            };
            let its_parent = rest.split_whitespace().nth(1);
            name.ends_with("(bootstrap") && its_parent == Some(parent.to_string().as_str())
        })
        .collect()
    }

    /// Ends the emulator and all it started.
    pub async fn stop(mut self) {
        // It ends its functions' processes only when asked to end itself.
        if let Some(id) = self.emulator.id() {
            let _ = Command::new("kill").arg(id.to_string()).status().await;
        }
        let _ = tokio::time::timeout(Duration::from_secs(10), self.emulator.wait()).await;
    }
}

fn output(outputs: &Value, name: &str) -> String {
    let outputs = outputs.as_array().expect("outputs");
    let found = outputs.iter().find(|output| output["OutputKey"] == name);
    let found = found.unwrap_or_else(|| unreachable!("the template has no output {name}"));
    found["OutputValue"].as_str().expect("text").to_owned()
}

async fn answer(request: reqwest::RequestBuilder, what: &str) -> Value {
    let answer = request.send().await.expect("the emulator answers");
    let status = answer.status();
    let text = answer.text().await.unwrap_or_default();
    assert!(status.is_success(), "{what}: {status} {text}");
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

/// Starts MiniStack at a free port of this machine alone, and waits until it answers.
async fn start_emulator(tools: &Tools, directory: &Path) -> (Child, SocketAddr) {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr());
    let address = free.expect("a free port");
    let log = std::fs::File::create(directory.join("ministack.log")).expect("a log");
    let emulator = Command::new(&tools.ministack)
        .envs(CREDENTIALS)
        // Without these two it listens on every address, and on a second port.
        .env("BIND_HOST", "127.0.0.1")
        .env("IOT_MTLS_ENABLED", "0")
        .env("GATEWAY_PORT", address.port().to_string())
        .env("MINISTACK_HOST", "localhost")
        .env("LAMBDA_EXECUTOR", "local")
        // Functions inherit it, and so find the emulator instead of AWS.
        .env("AWS_ENDPOINT_URL", format!("http://{address}"))
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a log"))
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .expect("MiniStack starts");
    let health = format!("http://{address}/_ministack/health");
    for _ in 0..300 {
        if reqwest::get(&health).await.is_ok() {
            return (emulator, address);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    unreachable!("MiniStack does not answer at {health}");
}

/// Deploys as the README says, and answers the stack's outputs.
async fn deploy(tools: &Tools, directory: &Path, endpoint: &str) -> Value {
    let sam = |arguments: &[&str]| {
        let mut command = Command::new(&tools.sam);
        command
            .args(arguments)
            .args(["--stack-name", STACK])
            .envs(CREDENTIALS)
            .env("AWS_ENDPOINT_URL", endpoint)
            .current_dir(directory);
        command
    };
    let deployed = sam(&["deploy"])
        .arg("--template-file")
        .arg(tools.build.join("template.yaml"))
        .args([
            "--s3-bucket",
            "deployments",
            "--capabilities",
            "CAPABILITY_IAM",
        ])
        .args(["--no-confirm-changeset", "--no-progressbar"])
        .arg("--parameter-overrides")
        .args(ANSWERS.map(|answer| {
            let (name, value) = answer.split_once('=').unwrap_or_default();
            format!("{name}=\"{value}\"")
        }))
        .output()
        .await
        .expect("the SAM CLI starts");
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        deployed.status.success(),
        "{}{}",
        said(&deployed.stdout),
        said(&deployed.stderr)
    );
    let listed = sam(&["list", "stack-outputs", "--output", "json"])
        .output()
        .await
        .expect("the SAM CLI starts");
    serde_json::from_slice(&listed.stdout).expect("outputs as JSON")
}
