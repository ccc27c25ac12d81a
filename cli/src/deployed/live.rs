//! Whether it runs and would be heard: clock, API, keys, alarms and who gets them.

use std::path::PathBuf;

use axum::body::Body;
use axum::http::{Request, StatusCode, Uri, header};
use chrono::TimeDelta;
use shared::store::Scope;

use super::Finding;
use super::aws::{Aws, CALL_TIMEOUT, CallError, Service, element, members};
use super::stack::Stack;
use crate::CliError;
use crate::args::Target;
use crate::client::Pooled;
use crate::table::Table;

/// How far this machine's clock may be off. AWS refuses signatures from 5 minutes on, webhook receivers likewise; ours.
pub(super) const MAX_CLOCK_DISTANCE: TimeDelta = TimeDelta::seconds(30);
/// Most pages of alarms or subscriptions that are asked for, of a hundred each. Ours.
const MAX_PAGES: usize = 20;

pub(super) async fn check(aws: &Aws, stack: &Stack) -> Vec<Finding> {
    let mut findings = vec![subscriptions(aws, stack).await];
    findings.extend(alarms(aws, stack).await);
    findings.push(health("API", stack.output("ApiUrl")).await);
    let public = stack.parameter("PublicUrl");
    if !public.is_empty() {
        findings.push(health("API at the address in mails", public).await);
    }
    findings.push(keys(stack.table()).await);
    findings
}

/// Judges this machine's clock.
pub(super) fn clock(ahead: Option<TimeDelta>) -> Finding {
    let about = "this machine's clock";
    match ahead {
        None => Finding::not_checked(about, "AWS's answer had no time"),
        Some(ahead) if ahead.abs() <= MAX_CLOCK_DISTANCE => {
            Finding::fine(about, "within 30 s of AWS's")
        }
        Some(ahead) => Finding::problem(
            about,
            format!("{} s off AWS's", ahead.num_seconds()),
            "switch on its time synchronisation (on Linux: timedatectl set-ntp true); from 5 minutes on AWS refuses its calls",
        ),
    }
}

/// Everything that a call with pages lists.
async fn pages(
    aws: &Aws,
    service: Service,
    (action, list): (&str, &str),
    parameters: &[(&str, &str)],
) -> Result<Vec<super::aws::Member>, CallError> {
    let (mut all, mut next) = (Vec::new(), None::<String>);
    for _ in 0..MAX_PAGES {
        let mut parameters = parameters.to_vec();
        parameters.extend(next.as_deref().map(|token| ("NextToken", token)));
        let answer = aws.query(service, action, &parameters).await?;
        all.extend(members(&answer.text, list)?);
        next = element(&answer.text, "NextToken");
        if next.is_none() {
            return Ok(all);
        }
    }
    Err(CallError::Failed("there are more than expected".to_owned()))
}

async fn subscriptions(aws: &Aws, stack: &Stack) -> Finding {
    let about = "who gets alarms";
    let topic = match stack.resource(about, "Alarms") {
        Ok(topic) => topic,
        Err(finding) => return finding,
    };
    let call = ("ListSubscriptionsByTopic", "Subscriptions");
    let listed = pages(aws, Service::Sns, call, &[("TopicArn", topic)]).await;
    let listed = match listed {
        Ok(listed) => listed,
        Err(error) => {
            return Finding::unanswered(about, &error, "deploy again: sam build && sam deploy");
        }
    };
    let of = |wanted: fn(&str) -> bool| {
        let arns = listed.iter().map(|member| member.get("SubscriptionArn"));
        arns.filter(|arn| wanted(arn)).count()
    };
    // Addresses are not shown.
    match (
        of(|arn| arn.starts_with("arn:")),
        of(|arn| arn == "PendingConfirmation"),
    ) {
        (0, 0) => Finding::problem(
            about,
            "nobody",
            format!(
                "deploy with AlarmEmail, or aws sns subscribe --topic-arn {topic} --protocol email --notification-endpoint you@shop.example"
            ),
        ),
        (0, _) => Finding::problem(
            about,
            "nobody: the subscription waits to be confirmed",
            format!(
                "open the link in the mail \"AWS Notification - Subscription Confirmation\"; if it is gone, aws sns subscribe --topic-arn {topic} --protocol email --notification-endpoint the same address sends another"
            ),
        ),
        (confirmed, 0) => Finding::fine(about, format!("{confirmed} confirmed")),
        (confirmed, waiting) => Finding::fine(
            about,
            format!("{confirmed} confirmed; {waiting} more not confirmed yet"),
        ),
    }
}

async fn alarms(aws: &Aws, stack: &Stack) -> Vec<Finding> {
    let about = "alarms";
    let prefix = format!("{}-", stack.name);
    let asked = [("StateValue", "ALARM"), ("AlarmNamePrefix", &prefix)];
    let call = ("DescribeAlarms", "MetricAlarms");
    let listed = match pages(aws, Service::CloudWatch, call, &asked).await {
        Ok(listed) => listed,
        Err(error) => return vec![Finding::not_checked(about, error.to_string())],
    };
    let mut findings: Vec<Finding> = listed
        .iter()
        // Emulators do not filter by state.
        .filter(|alarm| alarm.get("StateValue") == "ALARM")
        .filter_map(|alarm| Some((stack.logical(alarm.get("AlarmName"))?, alarm)))
        .map(|(logical, alarm)| {
            let what = alarm.get("AlarmDescription");
            let what = if what.is_empty() { "it is on" } else { what };
            let next = format!("see {logical} in docs/operations.md");
            Finding::problem(&format!("alarm {logical}"), what, next)
        })
        .collect();
    if findings.is_empty() {
        findings.push(Finding::fine(about, "none is on"));
    }
    findings
}

async fn health(about: &str, url: &str) -> Finding {
    match asked_health(url).await {
        Ok(StatusCode::OK) => Finding::fine(about, format!("{url} answers")),
        Ok(status) => Finding::problem(
            about,
            format!("{url}/healthz answered {status}"),
            "read the log of Landing and the API's access log; deploy again if a function is missing",
        ),
        Err(why) => Finding::problem(
            about,
            format!("{url}/healthz did not answer: {why}"),
            "see whether this machine reaches the internet and the address is right (PublicUrl: its DNS record and API mapping)",
        ),
    }
}

async fn asked_health(url: &str) -> Result<StatusCode, String> {
    let uri: Uri = format!("{}/healthz", url.trim_end_matches('/'))
        .parse()
        .map_err(|_| "it is no address".to_owned())?;
    let host = uri.authority().map(ToString::to_string).unwrap_or_default();
    let client = Pooled::new(uri.scheme_str() == Some("https"));
    let client = client.map_err(|error| error.to_string())?;
    let request = Request::builder()
        .uri(reachable(uri))
        .header(header::HOST, host)
        .body(Body::empty())
        .map_err(|error| error.to_string())?;
    let sent = tokio::time::timeout(CALL_TIMEOUT, client.send(request)).await;
    let answer = sent.map_err(|_| format!("no answer in {CALL_TIMEOUT:?}"))?;
    answer
        .map(|answer| answer.status())
        .map_err(|error| error.text)
}

/// Names under `localhost`, as emulators give them, are this machine, which not every resolver knows. Source: RFC 6761, 6.3.
fn reachable(uri: Uri) -> Uri {
    let own = uri.host().is_some_and(|host| host.ends_with(".localhost"));
    let port = uri.port_u16().unwrap_or(80);
    let path = uri.path();
    match format!("http://127.0.0.1:{port}{path}").parse() {
        Ok(here) if own && uri.scheme_str() == Some("http") => here,
        _ => uri,
    }
}

async fn keys(table: &str) -> Finding {
    let about = "API keys";
    let target = Target {
        data: PathBuf::new(),
        table: Some(table.to_owned()),
    };
    let listed = match Table::open(&target).await {
        Ok(table) => table.store().list_api_keys().await.map_err(CliError::from),
        Err(error) => Err(error),
    };
    let keys = match listed {
        Ok(keys) => keys,
        Err(error) => {
            let said = error.to_string();
            return Finding::not_checked(about, said.lines().next().unwrap_or_default());
        }
    };
    let of = |scope: Scope| keys.iter().filter(|key| key.scope == scope).count();
    let make = |scope| format!("okaeri keys create --name {scope} --scope {scope} --table {table}");
    match (of(Scope::Checkout), of(Scope::Admin)) {
        (0, 0) => Finding::problem(
            about,
            "there are none, so nobody can call the API",
            format!("{}, and the same with admin", make("checkout")),
        ),
        (0, _) => Finding::problem(
            about,
            "none of scope checkout: the checkout should not hold a key that may do everything",
            make("checkout"),
        ),
        (checkout, admin) => Finding::fine(
            about,
            format!("{checkout} of scope checkout, {admin} of scope admin"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn a_clock_may_be_30_seconds_off_either_way_and_no_more() {
        for (seconds, fine) in [
            (-30, true),
            (0, true),
            (30, true),
            (31, false),
            (-31, false),
        ] {
            let verdict = clock(Some(TimeDelta::seconds(seconds))).verdict;
            assert_eq!(matches!(verdict, Verdict::Fine(_)), fine, "{seconds}");
            assert_eq!(matches!(verdict, Verdict::Problem { .. }), !fine);
        }
        assert!(matches!(clock(None).verdict, Verdict::NotChecked(_)));
    }

    #[test]
    fn names_under_localhost_are_this_machine_and_no_others() {
        let here = |uri: &str| reachable(uri.parse().unwrap()).to_string();
        assert_eq!(
            here("http://abc.execute-api.localhost:4566/healthz"),
            "http://127.0.0.1:4566/healthz"
        );
        for other in ["https://abc.localhost/healthz", "http://localhost.example/"] {
            assert_eq!(here(other), other);
        }
    }
}
