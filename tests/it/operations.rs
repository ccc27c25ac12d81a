//! The template as a system that people operate: alarms, logs, throttling, and what is set aside.

use std::collections::BTreeSet;

use integration::policies::template;
use serde_norway::Value;

use crate::template::{functions, resources, root, text};

/// What an alarm looks at: its metric and the resource that its only dimension names.
fn watched(template: &Value) -> BTreeSet<(String, String)> {
    let alarms = resources(template, "AWS::CloudWatch::Alarm").into_values();
    let watched = alarms.map(|alarm| {
        let properties = &alarm["Properties"];
        assert_eq!(text(&properties["AlarmActions"][0]), "Alarms");
        let dimension = text(&properties["Dimensions"][0]["Value"]);
        let resource = dimension.split('.').next().unwrap_or_default();
        (text(&properties["MetricName"]), resource.to_owned())
    });
    watched.collect()
}

#[test]
fn every_function_has_alarms_for_errors_and_throttles_and_a_log_that_ends() {
    let template = template();
    let watched = watched(&template);
    let logs = resources(&template, "AWS::Logs::LogGroup");
    for (binary, (name, properties)) in functions(&template) {
        for metric in ["Errors", "Throttles"] {
            let alarm = (metric.to_owned(), name.clone());
            assert!(watched.contains(&alarm), "{binary}: {metric}");
        }
        let log = text(&properties["LoggingConfig"]["LogGroup"]);
        assert_eq!(properties["LoggingConfig"]["LogFormat"], "JSON");
        assert_eq!(log, format!("{name}Logs"));
        assert_eq!(logs[&log]["Properties"]["RetentionInDays"], 30, "{binary}");
    }
    assert_eq!(logs["ApiLogs"]["Properties"]["RetentionInDays"], 30);
    let age = ("IteratorAge".to_owned(), "Tally".to_owned());
    assert!(watched.contains(&age));
}

#[test]
fn every_queue_is_encrypted_and_what_ends_in_one_raises_an_alarm() {
    let template = template();
    let watched = watched(&template);
    for (name, queue) in resources(&template, "AWS::SQS::Queue") {
        let properties = &queue["Properties"];
        assert_eq!(properties["SqsManagedSseEnabled"], true, "{name}");
        let metric = if properties["RedrivePolicy"].is_null() {
            "ApproximateNumberOfMessagesVisible"
        } else {
            "ApproximateAgeOfOldestMessage"
        };
        let alarm = (metric.to_owned(), name.clone());
        assert!(watched.contains(&alarm), "{name}: {metric}");
    }
}

#[test]
fn every_metric_of_ours_that_an_alarm_rests_on_is_one_that_functions_put() {
    let template = template();
    let sources = ["watch", "receive-order"].map(|function| {
        let path = root().join("functions").join(function).join("src/lib.rs");
        std::fs::read_to_string(path).unwrap()
    });
    let mut ours = 0;
    for (name, alarm) in resources(&template, "AWS::CloudWatch::Alarm") {
        let properties = &alarm["Properties"];
        if text(&properties["Namespace"]) == "AWS::StackName" {
            let metric = format!("\"{}\"", text(&properties["MetricName"]));
            assert!(
                sources.iter().any(|source| source.contains(&metric)),
                "{name}"
            );
            ours += 1;
        }
    }
    assert_eq!(ours, 7);
}

#[test]
fn a_scheduled_run_that_fails_is_named_and_not_repeated() {
    for (binary, (_, properties)) in functions(&template()) {
        let events = properties["Events"].as_mapping();
        let events = events.into_iter().flat_map(|events| events.values());
        for event in events.filter(|event| event["Type"] == "ScheduleV2") {
            let retries = &event["Properties"]["RetryPolicy"]["MaximumRetryAttempts"];
            assert_eq!(*retries, 0, "{binary}");
            let invoke = &properties["EventInvokeConfig"];
            assert_eq!(invoke["MaximumRetryAttempts"], 0, "{binary}");
            let failures = &invoke["DestinationConfig"]["OnFailure"]["Destination"];
            assert_eq!(text(failures), "ScheduleFailures.Arn", "{binary}");
        }
    }
}

#[test]
fn what_strangers_reach_is_throttled_more_and_no_access_log_names_a_path_or_a_query() {
    let template = template();
    let stages = resources(&template, "AWS::ApiGatewayV2::Stage");
    let stage = &stages["HttpStage"];
    let format = text(&stage["Properties"]["AccessLogSettings"]["Format"]);
    let log: serde_json::Value = serde_json::from_str(&format).unwrap();
    let fields: BTreeSet<&str> = log
        .as_object()
        .unwrap()
        .values()
        .filter_map(serde_json::Value::as_str)
        .collect();
    // Nothing else of a request is known to hold no code, token, id or address.
    let allowed = BTreeSet::from([
        "$context.requestTime",
        "$context.requestId",
        "$context.httpMethod",
        "$context.routeKey",
        "$context.status",
        "$context.responseLength",
        "$context.responseLatency",
        "$context.error.message",
    ]);
    assert!(fields.is_subset(&allowed), "{fields:?}");
    let rate = |settings: &Value| settings["ThrottlingRateLimit"].as_u64().unwrap();
    let most = rate(&stage["Properties"]["DefaultRouteSettings"]);
    let public = [
        "ConsoleIntegration",
        "DocsIntegration",
        "LandingIntegration",
        "ReceiveOrderIntegration",
    ];
    let waits_for: BTreeSet<String> = stage["DependsOn"]
        .as_sequence()
        .unwrap()
        .iter()
        .map(text)
        .collect();
    for (name, route) in resources(&template, "AWS::ApiGatewayV2::Route") {
        let target = text(&route["Properties"]["Target"]);
        let key = route["Properties"]["RouteKey"].as_str().unwrap();
        let settings = &stage["Properties"]["RouteSettings"][key];
        let is_public = public.iter().any(|public| target.contains(public));
        assert_eq!(!settings.is_null(), is_public, "{key}");
        if is_public {
            assert!(rate(settings) < most, "{key}");
            assert!(waits_for.contains(&name), "{key}");
        }
    }
}

#[test]
fn nothing_is_set_aside_of_a_young_accounts_ten_concurrent_executions() {
    let template = template();
    assert_eq!(template["Parameters"]["PublicConcurrency"]["Default"], 0);
    let mut reserving = BTreeSet::new();
    for (binary, (_, properties)) in functions(&template) {
        let reserved = &properties["ReservedConcurrentExecutions"];
        if let Value::Tagged(tagged) = reserved {
            assert_eq!(tagged.value[0], "ReservesConcurrency", "{binary}");
            reserving.insert(binary);
        } else {
            assert!(reserved.is_null(), "{binary}");
        }
    }
    let expected = ["docs", "landing", "receive-order", "send-mail"];
    assert_eq!(reserving, BTreeSet::from(expected.map(str::to_owned)));
}
