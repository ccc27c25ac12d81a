//! Settings a function starts with: environment variables on Lambda, a map in the local stack and in tests.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

/// Why a function cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A variable the function needs is absent or empty.
    #[error("environment variable {0} is not set")]
    Missing(String),
    /// A variable is set to something its reader cannot use.
    #[error("environment variable {name} is not usable: {why}")]
    Unusable {
        /// The variable's name.
        name: String,
        /// What its reader said.
        why: String,
    },
    /// A secret could not be fetched or read.
    #[error("secret {name} is not usable: {why}")]
    Secret {
        /// The secret's name or ARN.
        name: String,
        /// What went wrong; never the secret's text.
        why: String,
    },
}

impl StartError {
    /// Says in the function's log why it cannot start. The runtime shows an error that ends `main` only in its `Debug` form.
    #[must_use]
    pub fn logged(self) -> Self {
        tracing::error!(error = %self, "the function cannot start");
        self
    }
}

/// Where settings come from. It remembers what was asked for, so that a test can hold the template against the code.
#[derive(Debug, Default)]
pub struct Env {
    map: Option<BTreeMap<String, String>>,
    asked: Mutex<BTreeSet<String>>,
}

impl Env {
    /// The process's own environment.
    pub fn process() -> Self {
        Self::default()
    }

    /// Exactly these variables and no others.
    pub fn from_map(map: BTreeMap<String, String>) -> Self {
        Self {
            map: Some(map),
            asked: Mutex::default(),
        }
    }

    /// The variable's value; empty counts as absent, since `sam local` turns `AWS::NoValue` into `""`.
    pub fn get(&self, name: &str) -> Option<String> {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.to_owned());
        let value = match &self.map {
            Some(map) => map.get(name).cloned(),
            None => std::env::var(name).ok(),
        };
        value.filter(|value| !value.is_empty())
    }

    /// The variable's value.
    ///
    /// # Errors
    /// [`StartError::Missing`] if it is absent or empty.
    pub fn require(&self, name: &str) -> Result<String, StartError> {
        self.get(name)
            .ok_or_else(|| StartError::Missing(name.to_owned()))
    }

    /// The variable read as a `T`, or `default` if absent.
    ///
    /// # Errors
    /// [`StartError::Unusable`] if `T` refuses the text.
    pub fn parse_or<T>(&self, name: &str, default: T) -> Result<T, StartError>
    where
        T: FromStr<Err: std::fmt::Display>,
    {
        match self.get(name) {
            None => Ok(default),
            Some(text) => text.parse().map_err(|why: T::Err| StartError::Unusable {
                name: name.to_owned(),
                why: why.to_string(),
            }),
        }
    }

    /// Whether it is that of a function on Lambda, where a call follows the start at once. Elsewhere it may come much later.
    pub fn is_lambdas(&self) -> bool {
        self.get("AWS_LAMBDA_RUNTIME_API").is_some()
    }

    /// Names of all variables asked for so far.
    pub fn asked(&self) -> BTreeSet<String> {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_variable_counts_as_absent_and_is_remembered_as_asked() {
        let env = Env::from_map([("TABLE_NAME".to_owned(), String::new())].into());
        assert!(
            matches!(env.require("TABLE_NAME"), Err(StartError::Missing(name)) if name == "TABLE_NAME")
        );
        assert!(env.asked().contains("TABLE_NAME"));
    }
}
