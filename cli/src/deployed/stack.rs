//! What CloudFormation knows of a stack.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::Finding;
use super::aws::{Aws, CallError, Service, element, members};

/// Most pages of resources that are asked for; each has about a hundred. The template has fewer than three. Ours.
const MAX_PAGES: usize = 20;

/// A stack made from the template.
pub(super) struct Stack {
    pub(super) name: String,
    status: String,
    parameters: BTreeMap<String, String>,
    outputs: BTreeMap<String, String>,
    resources: BTreeMap<String, String>,
    /// How far this machine's clock is ahead of CloudFormation's.
    pub(super) ahead: Option<TimeDelta>,
}

impl Stack {
    /// Asks CloudFormation for it.
    ///
    /// # Errors
    /// [`CallError`] if there is none of this name, or it is none of Okaeri's.
    pub(super) async fn find(aws: &Aws, name: &str) -> Result<Self, CallError> {
        let service = Service::CloudFormation;
        let asked = [("StackName", name)];
        let described = aws.query(service, "DescribeStacks", &asked);
        let described = described.await?;
        let map = |list, key, value| -> Result<BTreeMap<String, String>, CallError> {
            let members = members(&described.text, list)?.into_iter();
            Ok(members
                .map(|member| (member.get(key).to_owned(), member.get(value).to_owned()))
                .collect())
        };
        let stack = Self {
            name: name.to_owned(),
            status: element(&described.text, "StackStatus").unwrap_or_default(),
            parameters: map("Parameters", "ParameterKey", "ParameterValue")?,
            outputs: map("Outputs", "OutputKey", "OutputValue")?,
            resources: resources(aws, name).await?,
            ahead: described.ahead,
        };
        let ours = ["TableName", "ApiUrl"].map(|name| stack.outputs.contains_key(name));
        if ours != [true, true] {
            let what = "it has no outputs TableName and ApiUrl: either it is no stack of Okaeri, or its first deployment has not ended";
            return Err(CallError::Failed(format!("{what} ({})", stack.status)));
        }
        Ok(stack)
    }

    /// How its last deployment ended.
    pub(super) fn status(&self) -> Finding {
        let (about, status) = ("stack", self.status.as_str());
        match status {
            "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "IMPORT_COMPLETE" => {
                Finding::fine(about, format!("{} is deployed ({status})", self.name))
            }
            _ if status.ends_with("IN_PROGRESS") => Finding::not_checked(
                about,
                format!("a deployment is under way ({status}); look again when it has ended"),
            ),
            _ => Finding::problem(
                about,
                format!(
                    "the last deployment did not end well ({status}); the one before may still serve"
                ),
                format!(
                    "aws cloudformation describe-stack-events --stack-name {} says why; then deploy again",
                    self.name
                ),
            ),
        }
    }

    /// The name of the table it works on.
    pub(super) fn table(&self) -> &str {
        self.output("TableName")
    }

    /// An output, or nothing.
    pub(super) fn output(&self, name: &str) -> &str {
        self.outputs.get(name).map_or("", String::as_str)
    }

    /// What was answered at its deployment, or nothing.
    pub(super) fn parameter(&self, name: &str) -> &str {
        self.parameters.get(name).map_or("", String::as_str)
    }

    /// What AWS calls a resource of the template, or a finding that it has none.
    pub(super) fn resource(&self, about: &str, logical: &str) -> Result<&str, Finding> {
        let found = self.resources.get(logical).map(String::as_str);
        found.ok_or_else(|| {
            Finding::problem(
                about,
                format!("the stack has no {logical}"),
                "deploy the template of this version: sam build && sam deploy",
            )
        })
    }

    /// The template's name of a resource that AWS calls so.
    pub(super) fn logical(&self, physical: &str) -> Option<&str> {
        let mut resources = self.resources.iter();
        let found = resources.find(|(_, name)| name.as_str() == physical);
        found.map(|(logical, _)| logical.as_str())
    }
}

async fn resources(aws: &Aws, name: &str) -> Result<BTreeMap<String, String>, CallError> {
    let (mut all, mut next) = (BTreeMap::new(), None::<String>);
    for _ in 0..MAX_PAGES {
        let mut parameters = vec![("StackName", name)];
        parameters.extend(next.as_deref().map(|token| ("NextToken", token)));
        let listed = aws.query(Service::CloudFormation, "ListStackResources", &parameters);
        let listed = listed.await?;
        for member in members(&listed.text, "StackResourceSummaries")? {
            let physical = member.get("PhysicalResourceId").to_owned();
            all.insert(member.get("LogicalResourceId").to_owned(), physical);
        }
        next = element(&listed.text, "NextToken");
        if next.is_none() {
            return Ok(all);
        }
    }
    Err(CallError::Failed(
        "it has more resources than any stack of Okaeri".to_owned(),
    ))
}
