//! `okaeri doctor --stack` against canned answers of AWS: a stack in order, and every problem it knows.

mod cloud;

use serde_json::json;

use cloud::{
    ACCOUNT, Cloud, EVENTS, IDENTITY, MASTER_KEY, SET, absent, account, alarm, count, denied,
    destination, identity, keys, ok, recovery, secret, stack, subscriptions, table, xml,
};

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
