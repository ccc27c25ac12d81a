//! `okaeri doctor --stack`: whether a deployed stack can do its work, and what to do where it cannot. It writes nothing.

mod aws;
mod kept;
mod live;
mod mail;
mod stack;

use std::fmt::{self, Write as _};

use crate::table::{deployed_env, unreachable};
use crate::{CliError, write};
use aws::{Aws, CallError, StartOrClient};
use stack::Stack;

/// What a look at one thing brought.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    /// It is as it should be; what was seen.
    Fine(String),
    /// What is wrong, and what to do.
    Problem { what: String, next: String },
    /// Why it could not be looked at.
    NotChecked(String),
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    about: String,
    verdict: Verdict,
}

impl Finding {
    fn fine(about: &str, what: impl Into<String>) -> Self {
        Self::new(about, Verdict::Fine(what.into()))
    }

    fn problem(about: &str, what: impl Into<String>, next: impl Into<String>) -> Self {
        let (what, next) = (what.into(), next.into());
        Self::new(about, Verdict::Problem { what, next })
    }

    fn not_checked(about: &str, why: impl Into<String>) -> Self {
        Self::new(about, Verdict::NotChecked(why.into()))
    }

    fn new(about: &str, verdict: Verdict) -> Self {
        Self {
            about: about.to_owned(),
            verdict,
        }
    }

    /// What a call without answer means: the thing is gone, which `next` mends, or nothing is known.
    fn unanswered(about: &str, error: &CallError, next: &str) -> Self {
        match error {
            CallError::Absent(why) => Self::problem(about, format!("it is gone ({why})"), next),
            CallError::Failed(why) => Self::not_checked(about, why),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let about = &self.about;
        match &self.verdict {
            Verdict::Fine(what) => write!(f, "ok: {about}: {what}"),
            Verdict::Problem { what, next } => {
                write!(f, "problem: {about}: {what}\n         Next: {next}")
            }
            Verdict::NotChecked(why) => write!(f, "not checked: {about}: {why}"),
        }
    }
}

/// Looks at everything, says what it found, and fails if anything is wrong or was not seen.
pub(crate) async fn run(name: &str) -> Result<(), CliError> {
    let env = deployed_env([]);
    let aws = Aws::from_env(&env).map_err(|error| match error {
        StartOrClient::Start(error) => CliError::Unseen(unreachable(&error).to_string()),
        StartOrClient::Client(error) => error,
    })?;
    let stack = Stack::find(&aws, name).await.map_err(|error| {
        CliError::Unseen(format!(
            "the stack {name} could not be looked at: {error}\nCheck its name, AWS_REGION and the credentials, which need cloudformation:DescribeStacks and ListStackResources. `aws cloudformation list-stacks` shows all stacks."
        ))
    })?;
    let mut findings = vec![stack.status(), live::clock(stack.ahead)];
    findings.extend(mail::check(&aws, &stack).await);
    findings.extend(kept::check(&aws, &stack).await);
    findings.extend(live::check(&aws, &stack).await);
    write(&told(&findings, &stack))?;
    judged(&findings)
}

fn told(findings: &[Finding], stack: &Stack) -> String {
    let mut said = String::new();
    for finding in findings {
        // Writing to a string cannot fail.
        let _ = writeln!(said, "{finding}");
    }
    let _ = writeln!(
        said,
        "Not to be seen from here: whether your shop's webhooks are sent to this stack (`okaeri doctor --stack` sees only their secrets), and whether the books agree: okaeri doctor --table {}",
        stack.table()
    );
    said
}

fn judged(findings: &[Finding]) -> Result<(), CliError> {
    let count = |wanted: fn(&Verdict) -> bool| {
        let found = findings.iter().filter(|finding| wanted(&finding.verdict));
        found.count()
    };
    let problems = count(|verdict| matches!(verdict, Verdict::Problem { .. }));
    let unseen = count(|verdict| matches!(verdict, Verdict::NotChecked(_)));
    match (problems, unseen) {
        (0, 0) => Ok(()),
        (0, unseen) => Err(CliError::Unseen(format!(
            "no problem was seen, but {unseen} of {} checks could not be made",
            findings.len()
        ))),
        (problems, unseen) => Err(CliError::Differences(format!(
            "{problems} of {} checks found a problem, {unseen} could not be made",
            findings.len()
        ))),
    }
}
