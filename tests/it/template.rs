//! The template against the code: functions, routes, environment variables, table, and what must never change.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use axum::Router;
use http::Request;
use integration::Stack;
use integration::policies::{granted, template};
use okaeri::local::Call;
use serde_norway::Value;
use shared::clock::Clock;
use shared::env::Env;
use tower::ServiceExt;

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// Resources of one type, by name.
pub(crate) fn resources(template: &Value, kind: &str) -> BTreeMap<String, Value> {
    let all = template["Resources"].as_mapping().unwrap();
    let wanted = all.iter().filter(|(_, resource)| resource["Type"] == kind);
    wanted
        .map(|(name, resource)| (name.as_str().unwrap().to_owned(), resource.clone()))
        .collect()
}

/// Each function's resource, by the binary it runs.
pub(crate) fn functions(template: &Value) -> BTreeMap<String, (String, Value)> {
    let functions = resources(template, "AWS::Serverless::Function").into_iter();
    functions
        .map(|(name, function)| {
            let binary = function["Metadata"]["BuildProperties"]["Binary"]
                .as_str()
                .unwrap()
                .to_owned();
            (binary, (name, function["Properties"].clone()))
        })
        .collect()
}

#[test]
fn every_function_crate_is_deployed_and_nothing_else() {
    let crates: BTreeSet<String> = std::fs::read_dir(root().join("functions"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let deployed: BTreeSet<String> = functions(&template()).into_keys().collect();
    assert_eq!(deployed, crates);
}

/// The routers and the environment variables they ask for, by binary.
async fn load(
    stack: &Stack,
) -> (
    BTreeMap<&'static str, Router>,
    BTreeMap<&'static str, BTreeSet<String>>,
) {
    let (mut routers, mut asked) = (BTreeMap::new(), BTreeMap::new());
    let env = || stack.env_through(stack.running().dynamodb_url());
    let clock = Clock::default();
    let mut seen = |name: &'static str, env: &Env| {
        let own = env
            .asked()
            .into_iter()
            .filter(|name| !name.starts_with("AWS_"));
        asked.insert(name, own.collect());
    };
    let one = env();
    routers.insert(
        "create-promotion",
        create_promotion::router(
            create_promotion::State::load(&one, clock.clone())
                .await
                .unwrap(),
        ),
    );
    seen("create-promotion", &one);
    let one = env();
    routers.insert(
        "redeem-code",
        redeem_code::router(redeem_code::State::load(&one, clock.clone()).await.unwrap()),
    );
    seen("redeem-code", &one);
    let one = env();
    routers.insert(
        "receive-order",
        receive_order::router(
            receive_order::State::load(&one, clock.clone())
                .await
                .unwrap(),
        ),
    );
    seen("receive-order", &one);
    let one = env();
    routers.insert(
        "landing",
        landing::router(landing::State::load(&one, clock.clone()).await.unwrap()),
    );
    seen("landing", &one);
    let one = env();
    routers.insert(
        "console",
        console::router(console::State::load(&one, clock.clone()).await.unwrap()),
    );
    seen("console", &one);
    let one = env();
    order_completed::State::load(&one, clock.clone())
        .await
        .unwrap();
    seen("order-completed", &one);
    let one = env();
    mail_feedback::State::load(&one, clock.clone())
        .await
        .unwrap();
    seen("mail-feedback", &one);
    let one = env();
    send_mail::State::load(&one, clock.clone()).await.unwrap();
    seen("send-mail", &one);
    let one = env();
    lapse_holds::State::load(&one, clock.clone()).await.unwrap();
    seen("lapse-holds", &one);
    let one = env();
    tally::State::load(&one, clock.clone()).await.unwrap();
    seen("tally", &one);
    let one = env();
    ::watch::State::load(&one, clock).await.unwrap();
    seen("watch", &one);
    routers.insert("docs", docs::router());
    seen("docs", &env());
    (routers, asked)
}

#[tokio::test]
async fn every_function_gets_exactly_the_environment_variables_it_reads() {
    let stack = Stack::start().await;
    let (_, asked) = load(&stack).await;
    for (binary, (_, properties)) in functions(&template()) {
        let given = properties["Environment"]["Variables"].as_mapping();
        let given: BTreeSet<String> = given
            .into_iter()
            .flat_map(|given| given.keys())
            .map(|name| name.as_str().unwrap().to_owned())
            .collect();
        assert_eq!(given, asked[binary.as_str()], "{binary}");
    }
}

/// Calls of the HTTP contract that exist so far, and the function that answers each.
pub(crate) const CALLS: [(&str, &str); 48] = [
    ("POST /v1/promotions", "create-promotion"),
    ("GET /v1/promotions", "create-promotion"),
    ("GET /v1/promotions/THX9", "create-promotion"),
    ("PATCH /v1/promotions/THX9", "create-promotion"),
    ("POST /v1/promotions/THX9/pause", "create-promotion"),
    ("POST /v1/promotions/THX9/resume", "create-promotion"),
    ("POST /v1/promotions/THX9/end", "create-promotion"),
    ("GET /v1/promotions/THX9/stats", "create-promotion"),
    ("GET /v1/promotions/THX9/comparison", "create-promotion"),
    ("POST /v1/promotions/THX9/codes", "create-promotion"),
    ("GET /v1/promotions/THX9/codes", "create-promotion"),
    ("POST /v1/codes/lookup", "create-promotion"),
    ("POST /v1/codes/void", "create-promotion"),
    ("POST /v1/follow-ups", "create-promotion"),
    ("GET /v1/follow-ups", "create-promotion"),
    ("GET /v1/follow-ups/x", "create-promotion"),
    ("PUT /v1/follow-ups/x", "create-promotion"),
    ("DELETE /v1/follow-ups/x", "create-promotion"),
    ("GET /v1/follow-ups/x/results", "create-promotion"),
    ("POST /v1/follow-ups/x/preview", "create-promotion"),
    ("POST /v1/follow-ups/x/test", "create-promotion"),
    ("GET /v1/follow-ups/x/test/y", "create-promotion"),
    ("POST /v1/customers/forget", "create-promotion"),
    ("POST /v1/follow-ups/x/pause", "create-promotion"),
    ("POST /v1/follow-ups/x/resume", "create-promotion"),
    ("GET /v1/orders/1", "create-promotion"),
    ("POST /v1/links", "create-promotion"),
    ("GET /v1/links", "create-promotion"),
    ("GET /v1/links/hanako", "create-promotion"),
    ("PATCH /v1/links/hanako", "create-promotion"),
    ("DELETE /v1/links/hanako", "create-promotion"),
    ("POST /v1/quotes", "redeem-code"),
    ("PUT /v1/redemptions/1", "redeem-code"),
    ("GET /v1/redemptions/1", "redeem-code"),
    ("POST /v1/redemptions/1/cancel", "redeem-code"),
    ("POST /v1/redemptions/1/confirm", "redeem-code"),
    ("POST /v1/redemptions/1/returns", "redeem-code"),
    ("POST /v1/webhooks/standard", "receive-order"),
    ("POST /v1/webhooks/shopify", "receive-order"),
    ("POST /v1/webhooks/woocommerce", "receive-order"),
    ("POST /v1/webhooks/stripe", "receive-order"),
    ("GET /healthz", "landing"),
    ("GET /l/hanako", "landing"),
    ("GET /u/token", "landing"),
    ("POST /u/token", "landing"),
    ("GET /v1/openapi.json", "docs"),
    ("GET /docs", "docs"),
    ("GET /docs/start.js", "docs"),
];

/// Pages of the console, which stand in no contract.
const PAGES: [(&str, &str); 4] = [
    ("GET /console", "console"),
    ("GET /console/promotions", "console"),
    ("GET /console/sign-in", "console"),
    ("POST /console/sign-out", "console"),
];

#[tokio::test]
async fn the_gateway_sends_every_call_to_the_function_that_answers_it() {
    let template = template();
    let by_resource: BTreeMap<String, String> = functions(&template)
        .into_iter()
        .map(|(binary, (resource, _))| (resource, binary))
        .collect();
    let routes: Vec<(String, String)> = resources(&template, "AWS::ApiGatewayV2::Route")
        .into_values()
        .map(|route| {
            let key = route["Properties"]["RouteKey"].as_str().unwrap().to_owned();
            let target = text(&route["Properties"]["Target"]);
            let integration = target
                .strip_prefix("integrations/${")
                .unwrap()
                .strip_suffix("Integration}")
                .unwrap()
                .to_owned();
            (key, by_resource[&integration].clone())
        })
        .collect();
    let stack = Stack::start().await;
    let (routers, _) = load(&stack).await;
    for (call, binary) in CALLS.into_iter().chain(PAGES) {
        assert_eq!(route(&routes, call), Some(binary), "{call}");
        for (name, router) in &routers {
            let (method, path) = call.split_once(' ').unwrap();
            let request = Request::builder()
                .method(method)
                .uri(path)
                .body(axum::body::Body::empty())
                .unwrap();
            let response = router.clone().oneshot(request).await.unwrap();
            let unrouted = response.headers().get("content-type").is_none()
                && [404, 405].contains(&response.status().as_u16());
            assert_eq!(
                unrouted,
                *name != binary,
                "{call} at {name}: {}",
                response.status()
            );
        }
    }
}

/// The function that API Gateway would choose: the most specific route, `$default` last.
fn route<'a>(routes: &'a [(String, String)], call: &str) -> Option<&'a str> {
    let path = call.split_once(' ').unwrap().1;
    let matches = |key: &str| match key.strip_prefix("ANY ") {
        Some(pattern) => match pattern.strip_suffix("{proxy+}") {
            Some(prefix) => path
                .strip_prefix(prefix)
                .is_some_and(|rest| !rest.is_empty()),
            None => pattern == path,
        },
        None => key == "$default",
    };
    let found = routes
        .iter()
        .filter(|(key, _)| matches(key))
        .max_by_key(|(key, _)| (key != "$default", key.len()));
    found.map(|(_, binary)| binary.as_str())
}

#[test]
fn every_integration_is_called_by_a_permitted_gateway() {
    let template = template();
    let integrations = resources(&template, "AWS::ApiGatewayV2::Integration");
    let permissions = resources(&template, "AWS::Lambda::Permission");
    assert!(!integrations.is_empty());
    for (name, integration) in integrations {
        assert_eq!(
            integration["Properties"]["PayloadFormatVersion"], "2.0",
            "{name}"
        );
        let function = name.strip_suffix("Integration").unwrap();
        let permission = &permissions[&format!("{function}Permission")]["Properties"];
        assert_eq!(text(&permission["FunctionName"]), function);
        assert_eq!(permission["Principal"], "apigateway.amazonaws.com");
    }
}

/// `sam local start-api` asks only the kind of resource that it meets first for routes, and ours are all resources of the gateway.
#[test]
fn the_gateway_stands_before_the_functions() {
    let template = template();
    let kinds = template["Resources"].as_mapping().unwrap().values();
    let kinds: Vec<&str> = kinds
        .map(|resource| resource["Type"].as_str().unwrap())
        .collect();
    let first = |prefix| kinds.iter().position(|kind| kind.starts_with(prefix));
    let gateway = first("AWS::ApiGatewayV2::").unwrap();
    assert!(gateway < first("AWS::Serverless::").unwrap());
}

#[test]
fn the_table_is_declared_as_the_code_uses_it_and_kept_when_the_stack_goes() {
    use shared::store::schema;
    let template = template();
    let table = &template["Resources"]["Table"];
    assert_eq!(
        (&table["DeletionPolicy"], &table["UpdateReplacePolicy"]),
        (&"Retain".into(), &"Retain".into())
    );
    let keys = |schema: &Value| -> Vec<String> {
        let keys = schema.as_sequence().unwrap().iter();
        keys.map(|key| {
            format!(
                "{} {}",
                key["AttributeName"].as_str().unwrap(),
                key["KeyType"].as_str().unwrap()
            )
        })
        .collect()
    };
    let properties = &table["Properties"];
    let (pk, sk) = (schema::PARTITION_KEY, schema::SORT_KEY);
    assert_eq!(
        keys(&properties["KeySchema"]),
        [format!("{pk} HASH"), format!("{sk} RANGE")]
    );
    let index = &properties["GlobalSecondaryIndexes"][0];
    assert_eq!(index["IndexName"], schema::DUE_INDEX);
    let (shard, ms) = (schema::DUE_SHARD, schema::DUE_MS);
    assert_eq!(
        keys(&index["KeySchema"]),
        [format!("{shard} HASH"), format!("{ms} RANGE")]
    );
    assert_eq!(
        properties["TimeToLiveSpecification"]["AttributeName"],
        schema::TTL
    );
    assert_eq!(
        properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"],
        true
    );
    assert_eq!(
        properties["StreamSpecification"]["StreamViewType"],
        "NEW_AND_OLD_IMAGES"
    );
}

#[test]
fn secrets_are_kept_for_good_and_their_generators_never_change() {
    let template = template();
    let pinned = [
        (
            "CodeKeys",
            r#"{"SecretStringTemplate":"{}","GenerateStringKey":"1","PasswordLength":64,"ExcludePunctuation":true}"#,
        ),
        (
            "IdentityKey",
            r#"{"PasswordLength":64,"ExcludePunctuation":true}"#,
        ),
        (
            "WebhookSecrets",
            r#"{"SecretStringTemplate":"{\"standard\": {\"shop\": \"\", \"secrets\": []}, \"shopify\": {\"shop\": \"\", \"secrets\": []}}","GenerateStringKey":"generated","PasswordLength":44,"ExcludePunctuation":true}"#,
        ),
    ];
    assert_eq!(
        resources(&template, "AWS::SecretsManager::Secret").len(),
        pinned.len()
    );
    for (name, generator) in pinned {
        let secret = &template["Resources"][name];
        assert_eq!(
            (&secret["DeletionPolicy"], &secret["UpdateReplacePolicy"]),
            (&"Retain".into(), &"Retain".into()),
            "{name}"
        );
        let generator: Value = serde_norway::from_str(generator).unwrap();
        assert_eq!(
            secret["Properties"]["GenerateSecretString"], generator,
            "{name}"
        );
    }
}

/// What AWS ties to no resource. Source: "Actions, resources, and condition keys for Amazon SES v2".
const EVERYWHERE: [&str; 1] = ["ses:GetAccount"];

#[test]
fn no_function_may_do_everything_anywhere() {
    for Call {
        function,
        action,
        resource,
    } in granted()
    {
        assert!(!action.contains('*'), "{function}: {action}");
        let everywhere = EVERYWHERE.contains(&action.as_str());
        assert_eq!(resource.contains('*'), everywhere, "{function}: {action}");
        let public = ["landing", "receive-order", "redeem-code", "docs"];
        if public.contains(&function.as_str()) {
            let too_much = action.starts_with("ses:") || action == "dynamodb:Scan";
            assert!(!too_much, "{function}: {action}");
        }
    }
}

#[test]
fn poison_messages_end_in_a_dead_letter_queue_after_five_tries_and_batches_fail_in_part() {
    let template = template();
    let consumers = functions(&template);
    for (binary, event, queue) in [
        ("order-completed", "Orders", "OrdersQueue"),
        ("mail-feedback", "Feedback", "MailFeedbackQueue"),
    ] {
        let consumer = &consumers[binary].1;
        let source = &consumer["Events"][event]["Properties"];
        assert_eq!(text(&source["Queue"]), format!("{queue}.Arn"));
        assert_eq!(
            source["FunctionResponseTypes"][0],
            "ReportBatchItemFailures"
        );
        let queue = &template["Resources"][queue]["Properties"];
        assert_eq!(queue["RedrivePolicy"]["maxReceiveCount"], 5, "{binary}");
        let timeout = consumer["Timeout"].as_u64().unwrap();
        assert!(
            queue["VisibilityTimeout"].as_u64().unwrap() >= 6 * timeout,
            "{binary}"
        );
    }
}

#[test]
fn the_stream_calls_tally_with_what_it_counts_and_a_record_that_fails_is_named_and_holds_up_no_other()
 {
    let template = template();
    let source = &functions(&template)["tally"].1["Events"]["Changes"];
    assert_eq!(source["Type"], "DynamoDB");
    let source = &source["Properties"];
    assert_eq!(text(&source["Stream"]), "Table.StreamArn");
    let pattern = source["FilterCriteria"]["Filters"][0]["Pattern"].as_str();
    let pattern: serde_json::Value = serde_json::from_str(pattern.unwrap()).unwrap();
    let kinds = &pattern["dynamodb"]["Keys"]["sk"]["S"];
    assert_eq!(
        *kinds,
        serde_json::json!(["redemption", "mail", "visits", "tombstone", "event#order.completed", {"prefix": "marker#"}])
    );
    assert_eq!(
        source["FunctionResponseTypes"][0],
        "ReportBatchItemFailures"
    );
    assert_eq!(source["BisectBatchOnFunctionError"], true);
    assert_eq!(source["MaximumRetryAttempts"], 5);
    let failures = &source["DestinationConfig"]["OnFailure"];
    assert_eq!(text(&failures["Destination"]), "TallyFailures.Arn");
}

#[test]
fn what_ses_reports_about_our_mails_and_nothing_else_reaches_mail_feedback() {
    let template = template();
    let properties = |name: &str| &template["Resources"][name]["Properties"];
    let destination = properties("MailEvents");
    assert_eq!(
        text(&destination["ConfigurationSetName"]),
        "ConfigurationSet"
    );
    let kinds = destination["EventDestination"]["MatchingEventTypes"]
        .as_sequence()
        .unwrap();
    let kinds: BTreeSet<&str> = kinds.iter().filter_map(Value::as_str).collect();
    for kind in [
        "send",
        "delivery",
        "bounce",
        "complaint",
        "reject",
        "deliveryDelay",
    ] {
        assert!(kinds.contains(kind), "{kind}");
    }
    // Either would have SES rewrite the links.
    assert!(!kinds.contains("open") && !kinds.contains("click"));

    let rule = properties("MailEventsRule");
    let tags = &rule["EventPattern"]["detail"]["mail"]["tags"];
    assert_eq!(rule["EventPattern"]["source"][0], "aws.ses");
    assert_eq!(text(&tags["ses:configuration-set"][0]), "ConfigurationSet");
    assert_eq!(text(&rule["Targets"][0]["Arn"]), "MailFeedbackQueue.Arn");
    let statement = &properties("MailFeedbackQueuePolicy")["PolicyDocument"]["Statement"][0];
    assert_eq!(statement["Action"], "sqs:SendMessage");
    let sources = &statement["Condition"]["ArnEquals"]["aws:SourceArn"];
    assert_eq!(text(sources), "MailEventsRule.Arn");
    let sender = &functions(&template)["send-mail"].1["Environment"]["Variables"];
    assert_eq!(text(&sender["CONFIGURATION_SET"]), "ConfigurationSet");
}

/// The text of a plain or tagged (`!Ref`, `!Sub`) scalar.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Tagged(tagged) => text(&tagged.value),
        other => other.as_str().unwrap_or_default().to_owned(),
    }
}
