//! Metrics of the business, as lines of `CloudWatch`'s embedded metric format in a function's log: no request, no wait.
//!
//! A metric holds counts and words of ours: no id of anybody, no code, no order. Ours rather than a crate: those for it
//! (`metrics_cloudwatch_embedded`, newest) hang on one recorder for the whole process, which has to be flushed after each call,
//! where a line at a time is all that is needed.

use std::io::Write as _;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::env::Env;

/// Where metrics go. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    namespace: Option<Arc<str>>,
}

impl Metrics {
    /// Reads `METRICS_NAMESPACE`; without it, as in the local stack, nothing is written.
    pub fn from_env(env: &Env) -> Self {
        Self {
            namespace: env.get("METRICS_NAMESPACE").map(Arc::from),
        }
    }

    /// Adds `count` to the metric `name`; `by` (a name and one of its few values) tells kinds apart.
    pub fn count(&self, now: DateTime<Utc>, name: &str, count: u64, by: Option<(&str, &str)>) {
        if count > 0 {
            self.write(now, &[(name, count)], by);
        }
    }

    /// Says how each of these stands, also at zero.
    pub fn gauges(&self, now: DateTime<Utc>, values: &[(&str, u64)]) {
        self.write(now, values, None);
    }

    fn write(&self, now: DateTime<Utc>, values: &[(&str, u64)], by: Option<(&str, &str)>) {
        let Some(namespace) = &self.namespace else {
            return;
        };
        let line = document(namespace, now, values, by);
        // One write, so that lines of calls side by side stay whole. Without a log there is nobody to tell.
        let _ = std::io::stdout()
            .lock()
            .write_all(format!("{line}\n").as_bytes());
    }
}

/// Source of the form: "Specification: Embedded metric format", `CloudWatch` user guide.
fn document(
    namespace: &str,
    now: DateTime<Utc>,
    values: &[(&str, u64)],
    by: Option<(&str, &str)>,
) -> Value {
    let metrics: Vec<Value> = values
        .iter()
        .map(|(name, _)| json!({"Name": name, "Unit": "Count"}))
        .collect();
    let dimensions: Vec<&str> = by.iter().map(|(name, _)| *name).collect();
    let mut document = json!({"_aws": {
        "Timestamp": now.timestamp_millis(),
        "CloudWatchMetrics": [{"Namespace": namespace, "Dimensions": [dimensions], "Metrics": metrics}],
    }});
    if let Some(fields) = document.as_object_mut() {
        let words = by.map(|(name, value)| (name.to_owned(), Value::from(value)));
        fields.extend(words);
        let values = values.iter();
        fields.extend(values.map(|(name, value)| ((*name).to_owned(), Value::from(*value))));
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_a_line_in_the_embedded_format() {
        let at = DateTime::from_timestamp_millis(1_795_344_399_699).unwrap();
        let by = Some(("Outcome", "redeemed"));
        let expected = json!({
            "_aws": {"Timestamp": 1_795_344_399_699_i64, "CloudWatchMetrics": [{
                "Namespace": "shop", "Dimensions": [["Outcome"]], "Metrics": [{"Name": "Redemptions", "Unit": "Count"}],
            }]},
            "Outcome": "redeemed", "Redemptions": 1,
        });
        assert_eq!(document("shop", at, &[("Redemptions", 1)], by), expected);
        let gauges = document("shop", at, &[("A", 0), ("B", 2)], None);
        assert_eq!(
            gauges["_aws"]["CloudWatchMetrics"][0]["Dimensions"],
            json!([[]])
        );
        assert_eq!((&gauges["A"], &gauges["B"]), (&json!(0), &json!(2)));
    }
}
