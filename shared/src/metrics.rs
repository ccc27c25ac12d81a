//! Metrics of the business, as lines of `CloudWatch`'s embedded metric format in a function's log: no request, no wait.
//!
//! A metric holds counts and words of ours: no id of anybody, no code, no order. Ours rather than a crate: those for it
//! (`metrics_cloudwatch_embedded`, newest) hang on one recorder for the whole process, which has to be flushed after each call,
//! where a line at a time is all that is needed.

use std::io::Write as _;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use tokio::runtime::Handle;

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
        let document = Document {
            namespace,
            now,
            values,
            by,
        };
        // It holds nothing that JSON cannot say.
        let Ok(mut line) = serde_json::to_vec(&document) else {
            return;
        };
        line.push(b'\n');
        // One write, so that lines of calls side by side stay whole. Without a log there is nobody to tell.
        after_the_answer(move || drop(std::io::stdout().lock().write_all(&line)));
    }
}

/// Runs once nothing else is ready to: an answer that is being given goes out first, since a caller waits for it and nobody for a log.
/// Lambda freezes a function when it asks for its next call, and it asks only when the answer was taken, which is later still.
fn after_the_answer(run: impl FnOnce() + Send + 'static) {
    match Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn(async move {
            tokio::task::yield_now().await;
            run();
        })),
        Err(_) => run(),
    }
}

/// Source of the form: "Specification: Embedded metric format", `CloudWatch` user guide.
struct Document<'a> {
    namespace: &'a str,
    now: DateTime<Utc>,
    values: &'a [(&'a str, u64)],
    by: Option<(&'a str, &'a str)>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata<'a> {
    timestamp: i64,
    cloud_watch_metrics: [Directive<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive<'a> {
    namespace: &'a str,
    dimensions: [Vec<&'a str>; 1],
    metrics: Vec<Definition<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Definition<'a> {
    name: &'a str,
    unit: &'static str,
}

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let metrics = self.values.iter();
        let metrics = metrics.map(|(name, _)| Definition {
            name,
            unit: "Count",
        });
        let directive = Directive {
            namespace: self.namespace,
            dimensions: [self.by.iter().map(|(name, _)| *name).collect()],
            metrics: metrics.collect(),
        };
        let metadata = Metadata {
            timestamp: self.now.timestamp_millis(),
            cloud_watch_metrics: [directive],
        };
        let mut fields = to.serialize_map(None)?;
        fields.serialize_entry("_aws", &metadata)?;
        if let Some((name, word)) = self.by {
            fields.serialize_entry(name, word)?;
        }
        for (name, value) in self.values {
            fields.serialize_entry(name, value)?;
        }
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
        let document = |values, by| {
            let (namespace, now) = ("shop", at);
            serde_json::to_value(Document {
                namespace,
                now,
                values,
                by,
            })
            .unwrap()
        };
        assert_eq!(document(&[("Redemptions", 1)], by), expected);
        let gauges = document(&[("A", 0), ("B", 2)], None);
        assert_eq!(
            gauges["_aws"]["CloudWatchMetrics"][0]["Dimensions"],
            json!([[]])
        );
        assert_eq!((&gauges["A"], &gauges["B"]), (&json!(0), &json!(2)));
    }

    #[tokio::test]
    async fn what_is_told_waits_for_what_is_ready() {
        let (tell, told) = std::sync::mpsc::channel();
        let answer = tell.clone();
        after_the_answer(move || tell.send("metric").unwrap());
        tokio::spawn(async move { answer.send("answer").unwrap() });
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        assert_eq!(told.try_iter().collect::<Vec<_>>(), ["answer", "metric"]);
    }
}
