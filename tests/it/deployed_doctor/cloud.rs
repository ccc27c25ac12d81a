//! AWS, as far as `okaeri doctor --stack` looks at it, with canned answers: all in order, and each to be changed.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::IntoResponse;
use integration::policies::template;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::Command;

/// Answers by call: the action, or the path of those that have none; status and body.
pub(super) type Answers = BTreeMap<String, (u16, String)>;

/// AWS, as far as the doctor looks at it.
pub(super) struct Cloud {
    pub(super) address: String,
    pub(super) answers: Arc<Mutex<Answers>>,
    pub(super) healthy: Answers,
    /// What was called, with the Authorization header and body of each.
    pub(super) calls: Arc<Mutex<Vec<(String, String, String)>>>,
}

pub(super) type Shared = (
    Arc<Mutex<Answers>>,
    Arc<Mutex<Vec<(String, String, String)>>>,
);

pub(super) async fn answer(
    State((answers, calls)): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> impl IntoResponse {
    let text = String::from_utf8(body.into()).unwrap();
    let header = |name| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let target = header("x-amz-target");
    let mut call = match (method, target.rsplit_once('.')) {
        (_, Some((_, action))) => action.to_owned(),
        (Method::GET, None) => uri.path().to_owned(),
        _ => {
            let action = text.split('&').next().unwrap_or_default();
            action.trim_start_matches("Action=").to_owned()
        }
    };
    let body: Value = serde_json::from_str(&text).unwrap_or_default();
    for name in ["QueueUrl", "SecretId"] {
        if let Some(of) = body[name].as_str() {
            call = format!("{call} {}", of.rsplit('/').next().unwrap());
        }
    }
    if text.contains("&NextToken=") {
        call.push_str(" page 2");
    }
    calls
        .lock()
        .unwrap()
        .push((call.clone(), header("authorization"), text));
    let answers = answers.lock().unwrap();
    let (status, body) = answers
        .get(&call)
        .unwrap_or_else(|| panic!("no answer to {call}"));
    (StatusCode::from_u16(*status).unwrap(), body.clone())
}

/// A list as the Query protocol writes it.
pub(super) fn list<'a>(
    name: &str,
    members: impl IntoIterator<Item = Vec<(&'a str, String)>>,
) -> String {
    let members = members.into_iter().map(|fields| {
        let fields = fields.into_iter();
        let fields: Vec<String> = fields
            .map(|(name, value)| format!("<{name}>{value}</{name}>"))
            .collect();
        format!("<member>{}</member>", fields.concat())
    });
    let members: Vec<String> = members.collect();
    format!("<{name}>{}</{name}>", members.concat())
}

pub(super) fn xml(inner: &str) -> (u16, String) {
    (
        200,
        format!("<R xmlns=\"urn:x\"><Result>{inner}</Result></R>"),
    )
}

pub(super) fn pairs(name: &str, [key, value]: [&str; 2], pairs: &[(&str, String)]) -> String {
    let members = pairs
        .iter()
        .map(|(name, text)| vec![(key, (*name).to_owned()), (value, text.clone())]);
    list(name, members)
}

pub(super) fn ok(body: &Value) -> (u16, String) {
    (200, body.to_string())
}

/// The template's resources, named as AWS would; in two pages.
pub(super) fn resources() -> [String; 2] {
    let template = template();
    let all = template["Resources"].as_mapping().unwrap();
    let members: Vec<_> = all
        .iter()
        .map(|(name, resource)| {
            let name = name.as_str().unwrap();
            let physical = match resource["Type"].as_str().unwrap() {
                "AWS::SQS::Queue" => format!("https://sqs.example/1/{name}"),
                "AWS::SNS::Topic" => format!("arn:aws:sns:x:1:{name}"),
                _ => format!("tea-{name}-1A2B"),
            };
            vec![
                ("LogicalResourceId", name.to_owned()),
                ("PhysicalResourceId", physical),
            ]
        })
        .collect();
    let (first, second) = members.split_at(members.len() / 2);
    [first, second].map(|half| list("StackResourceSummaries", half.iter().cloned()))
}

pub(super) fn stack(address: &str, status: &str, public_url: &str) -> (u16, String) {
    let parameters = [
        ("SenderIdentity", "shop.example".to_owned()),
        ("TimeZone", "Asia/Tokyo".to_owned()),
        ("PublicUrl", public_url.to_owned()),
    ];
    let outputs = [
        ("ApiUrl", address.to_owned()),
        ("TableName", "tea-Table-1A2B".to_owned()),
        (
            "OrdersQueueUrl",
            "https://sqs.example/1/OrdersQueue".to_owned(),
        ),
    ];
    let parameters = pairs(
        "Parameters",
        ["ParameterKey", "ParameterValue"],
        &parameters,
    );
    let outputs = pairs("Outputs", ["OutputKey", "OutputValue"], &outputs);
    xml(&format!(
        "<Stacks><member><StackStatus>{status}</StackStatus>{parameters}{outputs}</member></Stacks>"
    ))
}

pub(super) fn subscriptions(arns: &[&str]) -> (u16, String) {
    let members = arns.iter().map(|arn| {
        vec![
            ("SubscriptionArn", (*arn).to_owned()),
            ("Endpoint", "staff@shop.example".to_owned()),
        ]
    });
    xml(&list("Subscriptions", members))
}

pub(super) fn identity(kind: &str, verified: bool, dkim: &str) -> (u16, String) {
    ok(
        &json!({"IdentityType": kind, "VerifiedForSendingStatus": verified,
        "DkimAttributes": {"SigningEnabled": true, "Status": dkim}}),
    )
}

pub(super) fn destination(enabled: bool, kinds: &[&str]) -> (u16, String) {
    ok(
        &json!({"EventDestinations": [{"Enabled": enabled, "MatchingEventTypes": kinds,
        "EventBridgeDestination": {"EventBusArn": "arn"}}]}),
    )
}

pub(super) fn count(visible: u32) -> (u16, String) {
    let (visible, taken) = (visible.to_string(), "0");
    ok(
        &json!({"Attributes": {"ApproximateNumberOfMessages": visible, "ApproximateNumberOfMessagesNotVisible": taken}}),
    )
}

pub(super) fn secret(text: &Value) -> (u16, String) {
    let text = text
        .as_str()
        .map_or_else(|| text.to_string(), str::to_owned);
    ok(&json!({"SecretString": text}))
}

pub(super) fn table(status: &str, protected: bool, streams: bool) -> (u16, String) {
    ok(
        &json!({"Table": {"TableStatus": status, "DeletionProtectionEnabled": protected,
        "StreamSpecification": {"StreamEnabled": streams, "StreamViewType": "NEW_AND_OLD_IMAGES"}}}),
    )
}

pub(super) fn keys(scopes: &[&str]) -> (u16, String) {
    let items: Vec<Value> = scopes
        .iter()
        .map(|scope| {
            json!({"pk": {"S": "api-keys"}, "sk": {"S": scope}, "digest": {"S": "d"}, "name": {"S": scope},
                "scope": {"S": scope}, "created_at": {"S": "2026-11-22T00:00:00Z"}})
        })
        .collect();
    ok(&json!({"Items": items, "Count": items.len()}))
}

pub(super) const EVENTS: [&str; 6] = [
    "SEND",
    "DELIVERY",
    "BOUNCE",
    "COMPLAINT",
    "REJECT",
    "DELIVERY_DELAY",
];
pub(super) const MASTER_KEY: &str = "SECRETsecretSECRETsecretSECRETsecret";
pub(super) const SET: &str =
    "/v2/email/configuration-sets/tea%2DConfigurationSet%2D1A2B/event-destinations";
pub(super) const IDENTITY: &str = "/v2/email/identities/shop%2Eexample";
pub(super) const ACCOUNT: &str = "/v2/email/account";

/// Answers that show nothing wrong.
pub(super) fn healthy(address: &str) -> Answers {
    let [first, second] = resources();
    let webhooks = json!({"generated": MASTER_KEY, "shopify": {"shop": "tea.example", "secrets": [MASTER_KEY]}});
    let mut answers: Vec<(&str, (u16, String))> = vec![
        ("DescribeStacks", stack(address, "UPDATE_COMPLETE", "")),
        (
            "ListStackResources",
            xml(&format!("{first}<NextToken>2</NextToken>")),
        ),
        ("ListStackResources page 2", xml(&second)),
        (ACCOUNT, account(&json!({}))),
        (IDENTITY, identity("DOMAIN", true, "SUCCESS")),
        (SET, destination(true, &EVENTS)),
        ("DescribeTable", table("ACTIVE", true, true)),
        ("DescribeContinuousBackups", recovery("ENABLED")),
        (
            "DescribeTimeToLive",
            ok(&json!({"TimeToLiveDescription": {"TimeToLiveStatus": "ENABLED"}})),
        ),
        (
            "GetSecretValue tea-CodeKeys-1A2B",
            secret(&json!({"1": MASTER_KEY, "2": MASTER_KEY})),
        ),
        (
            "GetSecretValue tea-IdentityKey-1A2B",
            secret(&json!(MASTER_KEY)),
        ),
        ("GetSecretValue tea-WebhookSecrets-1A2B", secret(&webhooks)),
        (
            "ListSubscriptionsByTopic",
            subscriptions(&["arn:aws:sns:x:1:Alarms:2"]),
        ),
        ("DescribeAlarms", xml("<MetricAlarms/>")),
        ("/healthz", (200, "{}".to_owned())),
        ("Query", keys(&["admin", "checkout"])),
    ];
    for queue in [
        "OrdersDeadLetters",
        "MailFeedbackDeadLetters",
        "TallyFailures",
        "ScheduleFailures",
    ] {
        let call: &'static str = Box::leak(format!("GetQueueAttributes {queue}").into_boxed_str());
        answers.push((call, count(0)));
    }
    answers
        .into_iter()
        .map(|(call, answer)| (call.to_owned(), answer))
        .collect()
}

pub(super) fn account(changes: &Value) -> (u16, String) {
    let mut account = json!({"EnforcementStatus": "HEALTHY", "ProductionAccessEnabled": true, "SendingEnabled": true,
        "SendQuota": {"Max24HourSend": 50000.0}});
    for (name, value) in changes.as_object().unwrap() {
        account[name] = value.clone();
    }
    ok(&account)
}

pub(super) fn recovery(status: &str) -> (u16, String) {
    ok(
        &json!({"ContinuousBackupsDescription": {"PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": status}}}),
    )
}

pub(super) fn alarm(name: &str) -> (u16, String) {
    let fields = [
        ("AlarmName", name),
        ("StateValue", "ALARM"),
        ("AlarmDescription", "What is wrong."),
    ];
    let fields = fields.map(|(name, value)| (name, value.to_owned())).into();
    xml(&list("MetricAlarms", [fields]))
}

pub(super) fn denied() -> (u16, String) {
    let body = json!({"__type": "AccessDeniedException", "message": "not you"});
    (400, body.to_string())
}

pub(super) fn absent() -> (u16, String) {
    let body = json!({"__type": "ResourceNotFoundException", "message": "no such thing"});
    (400, body.to_string())
}

impl Cloud {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let healthy = healthy(&address);
        let answers = Arc::new(Mutex::new(healthy.clone()));
        let calls = Arc::new(Mutex::default());
        let shared: Shared = (Arc::clone(&answers), Arc::clone(&calls));
        let app = Router::new().fallback(answer).with_state(shared);
        // A `Date`, as AWS sends one; hyper adds it.
        tokio::spawn(async { axum::serve(listener, app).await });
        Self {
            address,
            answers,
            healthy,
            calls,
        }
    }

    /// Runs the doctor while these calls are answered otherwise: its exit code, and all it says.
    pub(super) async fn doctor(&self, changed: &[(&str, (u16, String))]) -> (i32, String) {
        let mut answers = self.healthy.clone();
        for (call, answer) in changed {
            answers.insert((*call).to_owned(), answer.clone());
        }
        *self.answers.lock().unwrap() = answers;
        let ran = Command::new(env!("CARGO_BIN_EXE_integration"))
            .args(["doctor", "--stack", "tea"])
            .env("AWS_REGION", "ap-northeast-1")
            .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "none")
            .env_remove("AWS_SESSION_TOKEN")
            .env("AWS_ENDPOINT_URL", &self.address)
            .output()
            .await
            .unwrap();
        let said = [ran.stdout, ran.stderr].concat();
        (ran.status.code().unwrap(), String::from_utf8(said).unwrap())
    }
}
