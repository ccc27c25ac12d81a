//! `okaeri doctor --stack` against canned answers of AWS: a stack in order, and every problem it knows.

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
type Answers = BTreeMap<String, (u16, String)>;

/// AWS, as far as the doctor looks at it.
struct Cloud {
    address: String,
    answers: Arc<Mutex<Answers>>,
    healthy: Answers,
    /// What was called, with the Authorization header and body of each.
    calls: Arc<Mutex<Vec<(String, String, String)>>>,
}

type Shared = (
    Arc<Mutex<Answers>>,
    Arc<Mutex<Vec<(String, String, String)>>>,
);

async fn answer(
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
fn list<'a>(name: &str, members: impl IntoIterator<Item = Vec<(&'a str, String)>>) -> String {
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

fn xml(inner: &str) -> (u16, String) {
    (
        200,
        format!("<R xmlns=\"urn:x\"><Result>{inner}</Result></R>"),
    )
}

fn pairs(name: &str, [key, value]: [&str; 2], pairs: &[(&str, String)]) -> String {
    let members = pairs
        .iter()
        .map(|(name, text)| vec![(key, (*name).to_owned()), (value, text.clone())]);
    list(name, members)
}

fn ok(body: &Value) -> (u16, String) {
    (200, body.to_string())
}

/// The template's resources, named as AWS would; in two pages.
fn resources() -> [String; 2] {
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

fn stack(address: &str, status: &str, public_url: &str) -> (u16, String) {
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

fn subscriptions(arns: &[&str]) -> (u16, String) {
    let members = arns.iter().map(|arn| {
        vec![
            ("SubscriptionArn", (*arn).to_owned()),
            ("Endpoint", "staff@shop.example".to_owned()),
        ]
    });
    xml(&list("Subscriptions", members))
}

fn identity(kind: &str, verified: bool, dkim: &str) -> (u16, String) {
    ok(
        &json!({"IdentityType": kind, "VerifiedForSendingStatus": verified,
        "DkimAttributes": {"SigningEnabled": true, "Status": dkim}}),
    )
}

fn destination(enabled: bool, kinds: &[&str]) -> (u16, String) {
    ok(
        &json!({"EventDestinations": [{"Enabled": enabled, "MatchingEventTypes": kinds,
        "EventBridgeDestination": {"EventBusArn": "arn"}}]}),
    )
}

fn count(visible: u32) -> (u16, String) {
    let (visible, taken) = (visible.to_string(), "0");
    ok(
        &json!({"Attributes": {"ApproximateNumberOfMessages": visible, "ApproximateNumberOfMessagesNotVisible": taken}}),
    )
}

fn secret(text: &Value) -> (u16, String) {
    let text = text
        .as_str()
        .map_or_else(|| text.to_string(), str::to_owned);
    ok(&json!({"SecretString": text}))
}

fn table(status: &str, protected: bool, streams: bool) -> (u16, String) {
    ok(
        &json!({"Table": {"TableStatus": status, "DeletionProtectionEnabled": protected,
        "StreamSpecification": {"StreamEnabled": streams, "StreamViewType": "NEW_AND_OLD_IMAGES"}}}),
    )
}

fn keys(scopes: &[&str]) -> (u16, String) {
    let items: Vec<Value> = scopes
        .iter()
        .map(|scope| {
            json!({"pk": {"S": "api-keys"}, "sk": {"S": scope}, "digest": {"S": "d"}, "name": {"S": scope},
                "scope": {"S": scope}, "created_at": {"S": "2026-11-22T00:00:00Z"}})
        })
        .collect();
    ok(&json!({"Items": items, "Count": items.len()}))
}

const EVENTS: [&str; 6] = [
    "SEND",
    "DELIVERY",
    "BOUNCE",
    "COMPLAINT",
    "REJECT",
    "DELIVERY_DELAY",
];
const MASTER_KEY: &str = "SECRETsecretSECRETsecretSECRETsecret";
const SET: &str = "/v2/email/configuration-sets/tea%2DConfigurationSet%2D1A2B/event-destinations";
const IDENTITY: &str = "/v2/email/identities/shop%2Eexample";
const ACCOUNT: &str = "/v2/email/account";

/// Answers that show nothing wrong.
fn healthy(address: &str) -> Answers {
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

fn account(changes: &Value) -> (u16, String) {
    let mut account = json!({"EnforcementStatus": "HEALTHY", "ProductionAccessEnabled": true, "SendingEnabled": true,
        "SendQuota": {"Max24HourSend": 50000.0}});
    for (name, value) in changes.as_object().unwrap() {
        account[name] = value.clone();
    }
    ok(&account)
}

fn recovery(status: &str) -> (u16, String) {
    ok(
        &json!({"ContinuousBackupsDescription": {"PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": status}}}),
    )
}

fn alarm(name: &str) -> (u16, String) {
    let fields = [
        ("AlarmName", name),
        ("StateValue", "ALARM"),
        ("AlarmDescription", "What is wrong."),
    ];
    let fields = fields.map(|(name, value)| (name, value.to_owned())).into();
    xml(&list("MetricAlarms", [fields]))
}

fn denied() -> (u16, String) {
    let body = json!({"__type": "AccessDeniedException", "message": "not you"});
    (400, body.to_string())
}

fn absent() -> (u16, String) {
    let body = json!({"__type": "ResourceNotFoundException", "message": "no such thing"});
    (400, body.to_string())
}

impl Cloud {
    async fn start() -> Self {
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
    async fn doctor(&self, changed: &[(&str, (u16, String))]) -> (i32, String) {
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

#[tokio::test]
async fn a_stack_in_order_is_told_line_by_line_with_no_secret_and_every_call_is_signed_for_its_service()
 {
    let cloud = Cloud::start().await;
    let (code, said) = cloud.doctor(&[]).await;
    assert_eq!(code, 0, "{said}");
    assert!(
        !said.contains("problem:") && !said.contains("not checked:"),
        "{said}"
    );
    assert!(
        !said.contains("SECRET") && !said.contains("staff@"),
        "{said}"
    );
    for line in [
        "ok: stack: tea is deployed (UPDATE_COMPLETE)",
        "ok: this machine's clock: within 30 s of AWS's",
        "ok: SES account: it may send to everybody, up to 50000 mails a day",
        "ok: sender identity: shop.example is verified, and its mails are signed (DKIM)",
        "ok: reports on mails: SES tells what becomes of mails (tea-ConfigurationSet-1A2B)",
        "ok: table, point-in-time recovery: on",
        "ok: table, deletion protection: on",
        "ok: table, expiry of items (TTL): on",
        "ok: table, stream: on",
        "ok: code keys: versions 1, 2",
        "ok: identity key: readable",
        "ok: webhook secrets: for standard (with the generated secret), shopify; without one, so that their webhooks are refused: woocommerce, stripe",
        "ok: dead letters of orders: none",
        "ok: dead letters of mail reports: none",
        "ok: failures of statistics: none",
        "ok: failures of scheduled runs: none",
        "ok: who gets alarms: 1 confirmed",
        "ok: alarms: none is on",
        "ok: API keys: 1 of scope checkout, 1 of scope admin",
    ] {
        assert!(said.lines().any(|told| told == line), "{line}\n{said}");
    }
    let calls = cloud.calls.lock().unwrap();
    for (call, service) in [
        ("DescribeStacks", "cloudformation"),
        ("ListSubscriptionsByTopic", "sns"),
        ("DescribeAlarms", "monitoring"),
        ("DescribeTable", "dynamodb"),
        ("GetSecretValue tea-CodeKeys-1A2B", "secretsmanager"),
        ("GetQueueAttributes TallyFailures", "sqs"),
        (IDENTITY, "ses"),
    ] {
        let (_, signature, _) = calls.iter().find(|(name, ..)| name == call).unwrap();
        let scope = format!("/ap-northeast-1/{service}/aws4_request");
        assert!(
            signature.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
                && signature.contains(&scope),
            "{call}: {signature}"
        );
    }
    for (call, _, body) in calls.iter() {
        let read_only = ["Describe", "List", "Get", "Query", "/"];
        assert!(
            read_only.iter().any(|start| call.starts_with(start)),
            "{call} {body}"
        );
    }
}

#[tokio::test]
async fn every_problem_is_named_with_what_to_do_next_and_ends_in_1() {
    let cloud = Cloud::start().await;
    let events_off = destination(false, &EVENTS);
    let stripe_empty = json!({"generated": MASTER_KEY, "stripe": {"secrets": [""]}});
    let unread = cloud.address.clone();
    for (call, answer, problem, next) in [
        (
            "DescribeStacks",
            stack(&unread, "UPDATE_ROLLBACK_COMPLETE", ""),
            "stack: the last deployment did not end well",
            "describe-stack-events",
        ),
        (
            "DescribeStacks",
            stack(&unread, "UPDATE_COMPLETE", "http://127.0.0.1:1"),
            "API at the address in mails: http://127.0.0.1:1/healthz did not answer",
            "PublicUrl",
        ),
        (
            ACCOUNT,
            account(&json!({"ProductionAccessEnabled": false})),
            "SES account: it is in the sandbox",
            "Request production access",
        ),
        (
            ACCOUNT,
            account(&json!({"SendingEnabled": false})),
            "SES account: sending is switched off",
            "put-account-sending-attributes --sending-enabled",
        ),
        (
            ACCOUNT,
            account(&json!({"EnforcementStatus": "PROBATION"})),
            "SES account: AWS reviews how this account sends (PROBATION)",
            "Support Center",
        ),
        (
            ACCOUNT,
            account(&json!({"EnforcementStatus": "SHUTDOWN"})),
            "SES account: AWS took the account's right to send away",
            "Support Center",
        ),
        (
            IDENTITY,
            (404, json!({"message": "none"}).to_string()),
            "sender identity: SES does not know shop.example",
            "create-email-identity --email-identity shop.example",
        ),
        (
            IDENTITY,
            identity("DOMAIN", false, "PENDING"),
            "sender identity: shop.example is not verified",
            "create-email-identity",
        ),
        (
            IDENTITY,
            identity("DOMAIN", true, "FAILED"),
            "sender identity: shop.example is verified, but its mails are not signed",
            "CNAME",
        ),
        (
            SET,
            (404, "{}".to_owned()),
            "reports on mails (configuration set): it is gone",
            "sam deploy",
        ),
        (
            SET,
            events_off,
            "reports on mails: SES tells nobody",
            "sam deploy",
        ),
        (
            SET,
            destination(true, &EVENTS[..3]),
            "reports on mails: SES does not tell of COMPLAINT, REJECT, DELIVERY_DELAY",
            "sam deploy",
        ),
        (
            "DescribeTable",
            absent(),
            "table: it is gone",
            "Restore the table",
        ),
        (
            "DescribeTable",
            table("DELETING", true, true),
            "table: tea-Table-1A2B is DELETING",
            "Restore the table",
        ),
        (
            "DescribeTable",
            table("ACTIVE", false, true),
            "table, deletion protection: off",
            "--deletion-protection-enabled",
        ),
        (
            "DescribeTable",
            table("ACTIVE", true, false),
            "table, stream: off",
            "StreamViewType=NEW_AND_OLD_IMAGES",
        ),
        (
            "DescribeContinuousBackups",
            recovery("DISABLED"),
            "table, point-in-time recovery: off",
            "update-continuous-backups --table-name tea-Table-1A2B",
        ),
        (
            "DescribeTimeToLive",
            ok(&json!({"TimeToLiveDescription": {"TimeToLiveStatus": "DISABLED"}})),
            "table, expiry of items (TTL): off",
            "update-time-to-live",
        ),
        (
            "GetSecretValue tea-CodeKeys-1A2B",
            secret(&json!({"1": "short SECRET"})),
            "code keys: no function can start with it: every key needs at least 32 bytes",
            "AWSPREVIOUS",
        ),
        (
            "GetSecretValue tea-CodeKeys-1A2B",
            secret(&json!("SECRET")),
            "code keys: no function can start with it: it is not a JSON object",
            "AWSPREVIOUS",
        ),
        (
            "GetSecretValue tea-CodeKeys-1A2B",
            absent(),
            "code keys: it is gone",
            "restore-secret",
        ),
        (
            "GetSecretValue tea-IdentityKey-1A2B",
            secret(&json!("SECRET")),
            "identity key: no function can start with it",
            "AWSPREVIOUS",
        ),
        (
            "GetSecretValue tea-WebhookSecrets-1A2B",
            secret(&stripe_empty),
            "webhook secrets: webhooks cannot be received with it: a secret is empty",
            "AWSPREVIOUS",
        ),
        (
            "GetQueueAttributes OrdersDeadLetters",
            count(3),
            "dead letters of orders: 3 order events",
            "okaeri orders redrive --dead-letters-url https://sqs.example/1/OrdersDeadLetters --queue-url https://sqs.example/1/OrdersQueue",
        ),
        (
            "GetQueueAttributes MailFeedbackDeadLetters",
            count(1),
            "dead letters of mail reports: 1",
            "start-message-move-task",
        ),
        (
            "GetQueueAttributes TallyFailures",
            count(1),
            "failures of statistics: 1",
            "okaeri stats rebuild --table tea-Table-1A2B --time-zone Asia/Tokyo",
        ),
        (
            "GetQueueAttributes ScheduleFailures",
            count(3),
            "failures of scheduled runs: 3",
            "SendMail",
        ),
        (
            "GetQueueAttributes ScheduleFailures",
            (
                400,
                json!({"__type": "com.amazonaws.sqs#QueueDoesNotExist"}).to_string(),
            ),
            "failures of scheduled runs: it is gone",
            "sam deploy",
        ),
        (
            "ListSubscriptionsByTopic",
            subscriptions(&[]),
            "who gets alarms: nobody",
            "AlarmEmail",
        ),
        (
            "ListSubscriptionsByTopic",
            subscriptions(&["PendingConfirmation"]),
            "who gets alarms: nobody: the subscription waits to be confirmed",
            "Subscription Confirmation",
        ),
        (
            "DescribeAlarms",
            alarm("tea-MailPausedAlarm-1A2B"),
            "alarm MailPausedAlarm: What is wrong.",
            "see MailPausedAlarm in docs/operations.md",
        ),
        ("/healthz", (500, String::new()), "API: ", "Landing"),
        (
            "Query",
            keys(&["admin"]),
            "API keys: none of scope checkout",
            "okaeri keys create --name checkout --scope checkout --table tea-Table-1A2B",
        ),
        (
            "Query",
            keys(&[]),
            "API keys: there are none",
            "okaeri keys create",
        ),
    ] {
        let (code, said) = cloud.doctor(&[(call, answer)]).await;
        let mut lines = said.lines();
        let told = lines.find(|line| line.starts_with("problem: "));
        assert!(
            told.is_some_and(|line| line.contains(problem)),
            "{problem}\n{said}"
        );
        assert!(
            lines
                .next()
                .is_some_and(|line| line.contains("Next: ") && line.contains(next)),
            "{next}\n{said}"
        );
        assert_eq!(code, 1, "{said}");
        assert!(said.contains("1 of ") && !said.contains("SECRET"), "{said}");
    }
}

#[tokio::test]
async fn an_alarm_of_another_stack_or_an_address_signed_for_its_domain_is_no_problem() {
    let cloud = Cloud::start().await;
    let (code, said) = cloud
        .doctor(&[("DescribeAlarms", alarm("tea-Others-9"))])
        .await;
    assert_eq!(code, 0, "{said}");
    let (status, described) = stack(&cloud.address, "CREATE_COMPLETE", "");
    let described = described.replace(">shop.example<", ">hello@shop.example<");
    let address = "/v2/email/identities/hello%40shop%2Eexample";
    let (code, said) = cloud
        .doctor(&[
            ("DescribeStacks", (status, described)),
            (address, identity("EMAIL_ADDRESS", true, "NOT_STARTED")),
        ])
        .await;
    assert_eq!(code, 0, "{said}");
}

#[tokio::test]
async fn what_may_not_be_looked_at_is_said_to_be_unchecked_and_ends_in_2() {
    let cloud = Cloud::start().await;
    let xml_denied = (
        403,
        "<E><Error><Code>AccessDenied</Code><Message>not you</Message></Error></E>".to_owned(),
    );
    let calls = [
        (ACCOUNT, denied()),
        (IDENTITY, denied()),
        (SET, denied()),
        ("DescribeTable", denied()),
        ("DescribeContinuousBackups", denied()),
        ("DescribeTimeToLive", denied()),
        ("GetSecretValue tea-CodeKeys-1A2B", denied()),
        ("GetQueueAttributes TallyFailures", denied()),
        ("ListSubscriptionsByTopic", xml_denied.clone()),
        ("DescribeAlarms", xml_denied.clone()),
        ("Query", denied()),
    ];
    for call in calls {
        let (code, said) = cloud.doctor(&[call]).await;
        assert_eq!(code, 2, "{said}");
        assert!(
            said.contains("not checked: ") && !said.contains("problem: "),
            "{said}"
        );
    }
    let (code, said) = cloud.doctor(&[("DescribeStacks", xml_denied)]).await;
    assert!(code == 2 && said.contains("AccessDenied"), "{said}");
    let other = xml("<Stacks><member><StackStatus>CREATE_COMPLETE</StackStatus></member></Stacks>");
    let (code, said) = cloud.doctor(&[("DescribeStacks", other)]).await;
    assert!(code == 2 && said.contains("no stack of Okaeri"), "{said}");
    let running = stack(&cloud.address, "UPDATE_IN_PROGRESS", "");
    let (code, said) = cloud.doctor(&[("DescribeStacks", running)]).await;
    assert!(
        code == 2 && said.contains("a deployment is under way"),
        "{said}"
    );
}
