//! Whether SES takes this stack's mails, and reports on them.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::Finding;
use super::aws::{Aws, CallError, Service};
use super::stack::Stack;

const ACCOUNT: &str = "SES account";
const IDENTITY: &str = "sender identity";
const EVENTS: &str = "reports on mails";
/// Without each of these, mails stay unsettled or dead addresses are mailed again. Source: `MailEvents` in the template.
const EVENT_TYPES: [&str; 6] = [
    "SEND",
    "DELIVERY",
    "BOUNCE",
    "COMPLAINT",
    "REJECT",
    "DELIVERY_DELAY",
];

pub(super) async fn check(aws: &Aws, stack: &Stack) -> Vec<Finding> {
    let mut findings = match aws.get(Service::Ses, "/v2/email/account").await {
        Ok(account) => judged_account(&account),
        Err(error) => vec![Finding::not_checked(ACCOUNT, error.to_string())],
    };
    findings.push(identity(aws, stack.parameter("SenderIdentity")).await);
    findings.push(match stack.resource(EVENTS, "ConfigurationSet") {
        Ok(set) => events(aws, set).await,
        Err(finding) => finding,
    });
    findings
}

fn judged_account(account: &Value) -> Vec<Finding> {
    let mut problems = Vec::new();
    match account.get("EnforcementStatus").and_then(Value::as_str) {
        Some("HEALTHY") | None => {}
        Some("SHUTDOWN") => problems.push(Finding::problem(
            ACCOUNT,
            "AWS took the account's right to send away; all mails wait",
            "answer AWS's case in the Support Center, and see docs/operations.md, \"SES reviews the account\"",
        )),
        Some(other) => problems.push(Finding::problem(
            ACCOUNT,
            format!("AWS reviews how this account sends ({other}); mails still go out"),
            "answer AWS's case in the Support Center, and see docs/operations.md, \"SES reviews the account\"",
        )),
    }
    if account.get("SendingEnabled") == Some(&Value::Bool(false)) {
        problems.push(Finding::problem(
            ACCOUNT,
            "sending is switched off; all mails wait",
            "find out who switched it off and why; then aws sesv2 put-account-sending-attributes --sending-enabled",
        ));
    }
    if account.get("ProductionAccessEnabled") != Some(&Value::Bool(true)) {
        problems.push(Finding::problem(
            ACCOUNT,
            "it is in the sandbox: only addresses you verified yourself get mail, 200 a day at most",
            "ask AWS for production access: SES console, Account dashboard, \"Request production access\"",
        ));
    }
    if problems.is_empty() {
        let quota = account.pointer("/SendQuota/Max24HourSend");
        let quota = quota.map(ToString::to_string);
        // SES writes a float.
        let quota = quota.map_or_else(String::new, |quota| {
            format!(", up to {} mails a day", quota.trim_end_matches(".0"))
        });
        problems.push(Finding::fine(
            ACCOUNT,
            format!("it may send to everybody{quota}"),
        ));
    }
    problems
}

async fn identity(aws: &Aws, name: &str) -> Finding {
    let verify = format!(
        "aws sesv2 create-email-identity --email-identity {name}, then do what SES asks: three CNAME records for a domain, one click for an address"
    );
    let own = match described(aws, name).await {
        Ok(own) => own,
        Err(error @ CallError::Absent(_)) => {
            let what = format!("SES does not know {name} ({error})");
            return Finding::problem(IDENTITY, what, verify);
        }
        Err(error) => return Finding::not_checked(IDENTITY, error.to_string()),
    };
    if own.get("VerifiedForSendingStatus") != Some(&Value::Bool(true)) {
        let what = format!("{name} is not verified, so SES refuses every mail");
        return Finding::problem(IDENTITY, what, verify);
    }
    let mut signs = is_signed(&own);
    // An address's mails are signed for its domain, if that is an identity too.
    if let (false, Some((_, domain))) = (signs, name.split_once('@')) {
        signs = match described(aws, domain).await {
            Ok(domain) => is_signed(&domain),
            Err(CallError::Absent(_)) => false,
            Err(error) => return Finding::not_checked(IDENTITY, error.to_string()),
        };
    }
    if signs {
        let what = format!("{name} is verified, and its mails are signed (DKIM)");
        return Finding::fine(IDENTITY, what);
    }
    let domain = name.rsplit('@').next().unwrap_or(name);
    Finding::problem(
        IDENTITY,
        format!("{name} is verified, but its mails are not signed (DKIM), so many land among junk"),
        format!(
            "publish the CNAME records that aws sesv2 get-email-identity --email-identity {domain} lists as tokens (create-email-identity first if it is unknown); SES sees them within 72 hours"
        ),
    )
}

async fn described(aws: &Aws, name: &str) -> Result<Value, CallError> {
    let name = utf8_percent_encode(name, NON_ALPHANUMERIC);
    aws.get(Service::Ses, &format!("/v2/email/identities/{name}"))
        .await
}

fn is_signed(identity: &Value) -> bool {
    let status = identity.pointer("/DkimAttributes/Status");
    let signing = identity.pointer("/DkimAttributes/SigningEnabled");
    status.and_then(Value::as_str) == Some("SUCCESS") && signing != Some(&Value::Bool(false))
}

async fn events(aws: &Aws, set: &str) -> Finding {
    let mend = "deploy again (sam build && sam deploy); if CloudFormation sees no change, see docs/operations.md, \"What the doctor says\"";
    let encoded = utf8_percent_encode(set, NON_ALPHANUMERIC);
    let path = format!("/v2/email/configuration-sets/{encoded}/event-destinations");
    let answer = match aws.get(Service::Ses, &path).await {
        Ok(answer) => answer,
        Err(error) => {
            return Finding::unanswered(&format!("{EVENTS} (configuration set)"), &error, mend);
        }
    };
    let destinations = answer.get("EventDestinations").and_then(Value::as_array);
    let on = destinations.into_iter().flatten().find(|destination| {
        destination.get("Enabled") == Some(&Value::Bool(true))
            && destination
                .get("EventBridgeDestination")
                .is_some_and(|bus| !bus.is_null())
    });
    let Some(on) = on else {
        let what = format!(
            "SES tells nobody what becomes of mails: {set} has no event destination that is on"
        );
        return Finding::problem(EVENTS, what, mend);
    };
    // Compared without `_`, in which emulators differ.
    let plain = |kind: &str| kind.replace('_', "").to_ascii_uppercase();
    let kinds = on.get("MatchingEventTypes").and_then(Value::as_array);
    let kinds: Vec<String> = kinds
        .into_iter()
        .flatten()
        .filter_map(|kind| kind.as_str().map(plain))
        .collect();
    let absent: Vec<&str> = EVENT_TYPES
        .into_iter()
        .filter(|kind| !kinds.contains(&plain(kind)))
        .collect();
    if absent.is_empty() {
        return Finding::fine(EVENTS, format!("SES tells what becomes of mails ({set})"));
    }
    let what = format!("SES does not tell of {}", absent.join(", "));
    Finding::problem(EVENTS, what, mend)
}
