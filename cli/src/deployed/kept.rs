//! Whether what must be kept is kept: the table, the secrets, and messages that wait for a person.

use serde_json::{Value, json};
use shared::secrets::{WebhookSecrets, check_identity_key, code_key_versions};

use super::Finding;
use super::aws::{Aws, Service};
use super::stack::Stack;

const TABLE: &str = "table";

pub(super) async fn check(aws: &Aws, stack: &Stack) -> Vec<Finding> {
    let mut findings = table(aws, stack.table()).await;
    for (about, logical, judge) in SECRETS {
        findings.push(match stack.resource(about, logical) {
            Ok(id) => secret(aws, about, id, judge).await,
            Err(finding) => finding,
        });
    }
    for letters in LETTERS {
        findings.push(match stack.resource(letters.about, letters.logical) {
            Ok(url) => queue(aws, stack, &letters, url).await,
            Err(finding) => finding,
        });
    }
    findings
}

async fn table(aws: &Aws, name: &str) -> Vec<Finding> {
    let ask = json!({"TableName": name});
    let restore = "see docs/operations.md, \"Restore the table\"";
    let described = match aws.json(Service::DynamoDb, "DescribeTable", &ask).await {
        Ok(described) => described,
        Err(error) => return vec![Finding::unanswered(TABLE, &error, restore)],
    };
    let mut findings = judged_table(name, &described);
    let backups = aws.json(Service::DynamoDb, "DescribeContinuousBackups", &ask);
    findings.push(match backups.await {
        Ok(backups) => switched(
            &backups,
            "/ContinuousBackupsDescription/PointInTimeRecoveryDescription/PointInTimeRecoveryStatus",
            "point-in-time recovery",
            "what is lost or spoilt cannot be brought back",
            &format!("aws dynamodb update-continuous-backups --table-name {name} --point-in-time-recovery-specification PointInTimeRecoveryEnabled=true"),
        ),
        Err(error) => Finding::not_checked("table, point-in-time recovery", error.to_string()),
    });
    let expiry = aws.json(Service::DynamoDb, "DescribeTimeToLive", &ask);
    findings.push(match expiry.await {
        Ok(expiry) => switched(
            &expiry,
            "/TimeToLiveDescription/TimeToLiveStatus",
            "expiry of items (TTL)",
            "addresses and names outlive their 30 days",
            &format!("aws dynamodb update-time-to-live --table-name {name} --time-to-live-specification Enabled=true,AttributeName=ttl"),
        ),
        Err(error) => Finding::not_checked("table, expiry of items (TTL)", error.to_string()),
    });
    findings
}

fn judged_table(name: &str, described: &Value) -> Vec<Finding> {
    let field = |pointer: &str| described.pointer(pointer);
    let status = field("/Table/TableStatus").and_then(Value::as_str);
    let mut findings = vec![match status {
        Some("ACTIVE" | "UPDATING") => Finding::fine(TABLE, format!("{name} is there")),
        other => Finding::problem(
            TABLE,
            format!("{name} is {}", other.unwrap_or("in no known state")),
            "wait until aws dynamodb describe-table says ACTIVE; if it is being deleted, see docs/operations.md, \"Restore the table\"",
        ),
    }];
    let protected = field("/Table/DeletionProtectionEnabled") == Some(&Value::Bool(true));
    findings.push(if protected {
        Finding::fine("table, deletion protection", "on")
    } else {
        Finding::problem(
            "table, deletion protection",
            "off: one slip deletes every order's record",
            format!("aws dynamodb update-table --table-name {name} --deletion-protection-enabled"),
        )
    });
    let streams = field("/Table/StreamSpecification/StreamEnabled") == Some(&Value::Bool(true));
    let view = field("/Table/StreamSpecification/StreamViewType").and_then(Value::as_str);
    findings.push(if streams && view == Some("NEW_AND_OLD_IMAGES") {
        Finding::fine("table, stream", "on")
    } else {
        Finding::problem(
            "table, stream",
            "off, or without both images: statistics and results count nothing",
            format!("aws dynamodb update-table --table-name {name} --stream-specification StreamEnabled=true,StreamViewType=NEW_AND_OLD_IMAGES (disable it first if it has another view); then tally must be pointed at it, as in docs/operations.md, \"Restore the table\", and okaeri stats rebuild counts what was missed"),
        )
    });
    findings
}

/// A setting that says `ENABLED` (or, for a moment, `ENABLING`).
fn switched(answer: &Value, pointer: &str, what: &str, harm: &str, next: &str) -> Finding {
    let about = format!("table, {what}");
    match answer.pointer(pointer).and_then(Value::as_str) {
        Some("ENABLED" | "ENABLING") => Finding::fine(&about, "on"),
        _ => Finding::problem(&about, format!("off: {harm}"), next),
    }
}

/// Judges the text of a secret.
type JudgeSecret = fn(&str, &str) -> Finding;

const SECRETS: [(&str, &str, JudgeSecret); 3] = [
    ("code keys", "CodeKeys", judged_code_keys),
    ("identity key", "IdentityKey", judged_identity_key),
    ("webhook secrets", "WebhookSecrets", judged_webhook_secrets),
];

async fn secret(aws: &Aws, about: &str, id: &str, judge: JudgeSecret) -> Finding {
    let ask = json!({"SecretId": id});
    let answer = aws
        .json(Service::SecretsManager, "GetSecretValue", &ask)
        .await;
    match answer {
        Ok(answer) => {
            let text = answer.get("SecretString").and_then(Value::as_str);
            judge(about, text.unwrap_or_default())
        }
        Err(error) => Finding::unanswered(
            about,
            &error,
            "aws secretsmanager restore-secret --secret-id, within 30 days of its deletion; after that see docs/operations.md, \"A secret is gone\"",
        ),
    }
}

/// How to see and mend a secret without its text in a log or a shell's history.
const MEND_SECRET: &str = "correct it in the Secrets Manager console; its earlier value is there as AWSPREVIOUS. See docs/operations.md, \"A secret is gone\"";

fn judged_code_keys(about: &str, text: &str) -> Finding {
    match code_key_versions(text) {
        Ok(versions) => {
            let versions: Vec<String> = versions.iter().map(ToString::to_string).collect();
            Finding::fine(about, format!("versions {}", versions.join(", ")))
        }
        Err(why) => Finding::problem(
            about,
            format!("no function can start with it: {why}"),
            MEND_SECRET,
        ),
    }
}

fn judged_identity_key(about: &str, text: &str) -> Finding {
    match check_identity_key(text) {
        Ok(()) => Finding::fine(about, "readable"),
        Err(why) => Finding::problem(
            about,
            format!("no function can start with it: {why}"),
            MEND_SECRET,
        ),
    }
}

fn judged_webhook_secrets(about: &str, text: &str) -> Finding {
    let secrets = match WebhookSecrets::read(text) {
        Ok(secrets) => secrets,
        Err(why) => {
            let what = format!("webhooks cannot be received with it: {why}");
            return Finding::problem(about, what, MEND_SECRET);
        }
    };
    let raw: Value = serde_json::from_str(text).unwrap_or_default();
    let own = raw
        .pointer("/standard/secrets")
        .and_then(Value::as_array)
        .is_some_and(|secrets| !secrets.is_empty());
    let standard = if own {
        "standard"
    } else {
        "standard (with the generated secret)"
    };
    let (mut set, mut unset) = (vec![standard], Vec::new());
    for (name, provider) in [
        ("shopify", &secrets.shopify),
        ("woocommerce", &secrets.woocommerce),
        ("stripe", &secrets.stripe),
    ] {
        if provider.secrets.is_empty() {
            unset.push(name);
        } else {
            set.push(name);
        }
    }
    let refused = if unset.is_empty() {
        String::new()
    } else {
        format!(
            "; without one, so that their webhooks are refused: {}",
            unset.join(", ")
        )
    };
    Finding::fine(about, format!("for {}{refused}", set.join(", ")))
}

/// A queue that should be empty.
struct Letters {
    about: &'static str,
    logical: &'static str,
    what: &'static str,
    /// Messages that are no problem yet. Source: the threshold of its alarm in the template.
    tolerated: u64,
}

const LETTERS: [Letters; 4] = [
    Letters {
        about: "dead letters of orders",
        logical: "OrdersDeadLetters",
        what: "order events could not be processed five times",
        tolerated: 0,
    },
    Letters {
        about: "dead letters of mail reports",
        logical: "MailFeedbackDeadLetters",
        what: "reports of SES could not be taken in five times",
        tolerated: 0,
    },
    Letters {
        about: "failures of statistics",
        logical: "TallyFailures",
        what: "batches of changes could not be counted",
        tolerated: 0,
    },
    Letters {
        about: "failures of scheduled runs",
        logical: "ScheduleFailures",
        what: "scheduled runs failed within a day",
        tolerated: 2,
    },
];

async fn queue(aws: &Aws, stack: &Stack, letters: &Letters, url: &str) -> Finding {
    let names = [
        "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesNotVisible",
    ];
    let ask = json!({"QueueUrl": url, "AttributeNames": names});
    let answer = match aws.json(Service::Sqs, "GetQueueAttributes", &ask).await {
        Ok(answer) => answer,
        Err(error) => {
            let next = "deploy again: sam build && sam deploy";
            return Finding::unanswered(letters.about, &error, next);
        }
    };
    let number = |name: &str| -> Option<u64> {
        let attributes = answer.get("Attributes")?;
        attributes.get(name)?.as_str()?.parse().ok()
    };
    let [visible, taken] = names.map(number);
    let Some(visible) = visible else {
        return Finding::not_checked(letters.about, "SQS did not say how many there are");
    };
    match visible.saturating_add(taken.unwrap_or(0)) {
        0 => Finding::fine(letters.about, "none"),
        count if count <= letters.tolerated => Finding::fine(
            letters.about,
            format!("{count}, which later runs made up for"),
        ),
        count => Finding::problem(
            letters.about,
            format!("{count} {}", letters.what),
            next(stack, letters.logical, url),
        ),
    }
}

fn next(stack: &Stack, logical: &str, url: &str) -> String {
    match logical {
        "OrdersDeadLetters" => format!(
            "read the log of OrderCompleted, mend the cause, then okaeri orders redrive --dead-letters-url {url} --queue-url {}",
            stack.output("OrdersQueueUrl")
        ),
        "TallyFailures" => format!(
            "okaeri stats rebuild --table {} --time-zone {}, then aws sqs purge-queue --queue-url {url}",
            stack.table(),
            stack.parameter("TimeZone")
        ),
        "ScheduleFailures" => {
            "read the logs of SendMail, LapseHolds and Watch; the messages go by themselves after a day".to_owned()
        }
        _ => format!(
            "read the log of MailFeedback, mend the cause, then aws sqs start-message-move-task --source-arn \"$(aws sqs get-queue-attributes --queue-url {url} --attribute-names QueueArn --query Attributes.QueueArn --output text)\""
        ),
    }
}
