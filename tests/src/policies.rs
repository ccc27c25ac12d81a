//! What the template's policies allow each function, and which of it was made use of.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use okaeri::local::{Access, Call};
use serde_norway::Value;

static GRANTED: LazyLock<BTreeSet<Call>> = LazyLock::new(|| read(&template()));

/// The template, read anew.
pub fn template() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../template.yaml");
    let text = std::fs::read_to_string(path).expect("the template");
    serde_norway::from_str(&text).expect("YAML")
}

/// Every call that a policy of the template allows.
pub fn granted() -> &'static BTreeSet<Call> {
    &GRANTED
}

fn read(template: &Value) -> BTreeSet<Call> {
    let mut granted = BTreeSet::new();
    let resources = template["Resources"].as_mapping().expect("resources");
    for resource in resources.values() {
        let Some(function) = resource["Metadata"]["BuildProperties"]["Binary"].as_str() else {
            continue;
        };
        for policy in list(&resource["Properties"]["Policies"]) {
            for statement in list(&policy["Statement"]) {
                assert_eq!(statement["Effect"], "Allow", "{function}");
                for action in list(&statement["Action"]) {
                    for resource in list(&statement["Resource"]) {
                        granted.insert(Call {
                            function: function.to_owned(),
                            action: action.as_str().expect("an action").to_owned(),
                            resource: local_name(resource),
                        });
                    }
                }
            }
        }
    }
    granted
}

/// A value that stands for a list of one, or a list.
pub fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Sequence(values) => values.iter().collect(),
        one => vec![one],
    }
}

/// What the local stack calls a resource of the template.
fn local_name(resource: &Value) -> String {
    let text = match resource {
        Value::Tagged(tagged) => tagged.value.as_str(),
        other => other.as_str(),
    };
    let name = match text.expect("a resource") {
        "Table.Arn" => "okaeri-local",
        "${Table.Arn}/index/due" => "okaeri-local/index/due",
        "QuarantineTable.Arn" => "okaeri-local-quarantine",
        "OrdersQueue.Arn" => "okaeri-local-orders",
        "CodeKeys" => "okaeri-local/code-keys",
        "IdentityKey" => "okaeri-local/identity-key",
        "WebhookSecrets" => "okaeri-local/webhook-secrets",
        "*" => "*",
        ses if ses.contains(":identity/") => "identity",
        ses if ses.contains(":configuration-set/") => "configuration-set",
        other => panic!("tell tests/src/policies.rs what the local stack calls {other}"),
    };
    name.to_owned()
}

/// The calls of functions, each allowed only if a policy allows it.
#[derive(Clone, Debug, Default)]
pub struct Recorder(Arc<Mutex<BTreeSet<Call>>>);

impl Recorder {
    /// For the stack to judge by.
    pub fn access(&self) -> Access {
        let seen = Arc::clone(&self.0);
        Access::new(move |call| {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.insert(call.clone());
            granted().contains(call)
        })
    }

    /// Everything asked for so far.
    pub fn calls(&self) -> BTreeSet<Call> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.clone()
    }
}
