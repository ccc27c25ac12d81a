//! `okaeri keys`: makes, lists and revokes API keys of a local stack or of a deployment.

use std::fmt::Write as _;

use shared::clock::Clock;
use shared::env::StartError;
use shared::store::{ApiKey, NewApiKey, Scope, Store, StoreError};

use crate::args::{self, Keys};
use crate::table::Table;
use crate::{CliError, Said};

/// Symbols of a digest that are shown: enough to tell keys apart, and to name one.
const SHOWN_DIGEST: usize = 12;
/// Shortest beginning of a digest that names a key.
const MIN_DIGEST: usize = 6;
/// Runs one of the key commands.
pub(crate) async fn run(command: Keys) -> Said {
    match command {
        Keys::Create {
            name,
            scope,
            target,
        } => {
            let table = Table::open(&target).await?;
            let said = create(table.store(), name, scope, &Clock::default()).await;
            table.close().await;
            said
        }
        Keys::List { target } => {
            let table = Table::open(&target).await?;
            let said = list(table.store()).await;
            table.close().await;
            said
        }
        Keys::Revoke { key, target } => {
            let table = Table::open(&target).await?;
            let said = revoke(table.store(), &key).await;
            table.close().await;
            said
        }
    }
}

async fn create(store: &Store, name: String, scope: args::Scope, clock: &Clock) -> Said {
    let name = name.trim().to_owned();
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        return told("A key's name has 1 to 100 characters. Nothing was made.");
    }
    if store
        .list_api_keys()
        .await?
        .iter()
        .any(|key| key.name == name)
    {
        return told(format!(
            "There is a key named {name} already. Nothing was made.\nChoose another name, or revoke the old one first: cargo run -p okaeri -- keys revoke '{name}'"
        ));
    }
    let scope = match scope {
        args::Scope::Admin => Scope::Admin,
        args::Scope::Checkout => Scope::Checkout,
    };
    let key = NewApiKey::random(name, scope, clock.now());
    store.put_api_key(&key.stored).await?;
    Ok(format!(
        "{}\n\nThis is the only time the key is shown: keep it now, where secrets are kept.\nSend it as `Authorization: Bearer <key>`. It works at once.\n",
        key.text
    ))
}

async fn list(store: &Store) -> Said {
    let mut keys = store.list_api_keys().await?;
    if keys.is_empty() {
        return Ok(
            "There are no keys. Make one: cargo run -p okaeri -- keys create --name checkout --scope checkout\n"
                .to_owned(),
        );
    }
    keys.sort_by(|a, b| (a.created_at, &a.name).cmp(&(b.created_at, &b.name)));
    let width = keys
        .iter()
        .map(|key| key.name.chars().count())
        .max()
        .unwrap_or_default();
    let mut said = String::new();
    for key in &keys {
        let created = key.created_at.format("%Y-%m-%d %H:%M UTC");
        // Writing to a string cannot fail.
        let _ = writeln!(
            said,
            "{}  {:width$}  {:8}  {created}",
            shown(key),
            key.name,
            word(key.scope)
        );
    }
    Ok(said)
}

async fn revoke(store: &Store, wanted: &str) -> Said {
    let keys = store.list_api_keys().await?;
    let key = match named(&keys, wanted).as_slice() {
        [key] => *key,
        [] => {
            return told(format!(
                "There is no key named {wanted}. See `okaeri keys list`."
            ));
        }
        several => {
            let digests: Vec<&str> = several.iter().map(|key| shown(key)).collect();
            return told(format!(
                "{wanted} names {} keys. Nothing was revoked.\nName one by its digest: {}",
                several.len(),
                digests.join(", ")
            ));
        }
    };
    if store.revoke_api_key(&key.digest).await? {
        Ok(format!(
            "Revoked {} ({}). Functions stop taking it within a minute.\n",
            key.name,
            shown(key)
        ))
    } else {
        told(format!(
            "{} was revoked by someone else just now.",
            key.name
        ))
    }
}

/// The keys of this name, or else those whose digest begins so.
fn named<'a>(keys: &'a [ApiKey], wanted: &str) -> Vec<&'a ApiKey> {
    let by_name: Vec<&ApiKey> = keys.iter().filter(|key| key.name == wanted).collect();
    if !by_name.is_empty() || wanted.len() < MIN_DIGEST {
        return by_name;
    }
    keys.iter()
        .filter(|key| key.digest.starts_with(wanted))
        .collect()
}

fn shown(key: &ApiKey) -> &str {
    key.digest.get(..SHOWN_DIGEST).unwrap_or(&key.digest)
}

fn word(scope: Scope) -> &'static str {
    match scope {
        Scope::Admin => "admin",
        Scope::Checkout => "checkout",
    }
}

fn told<T>(what: impl Into<String>) -> Result<T, CliError> {
    Err(CliError::Told(what.into()))
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        Self::Told(format!(
            "{error}\nNothing is known about the outcome: see `okaeri keys list`, then try again. For a deployment, check the table's name, AWS_REGION and the credentials."
        ))
    }
}

impl From<StartError> for CliError {
    fn from(error: StartError) -> Self {
        Self::Told(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Target;
    use crate::local;

    fn key(name: &str) -> ApiKey {
        NewApiKey::random(name.to_owned(), Scope::Admin, Clock::default().now()).stored
    }

    #[test]
    fn a_key_is_named_by_its_name_or_the_beginning_of_its_digest() {
        let keys = [key("shop"), key("shop"), key("console")];
        assert_eq!(named(&keys, "shop").len(), 2);
        assert_eq!(named(&keys, shown(&keys[1])), [&keys[1]]);
        assert!(named(&keys, "nobody").is_empty());
        assert!(named(&keys, "").is_empty());
    }

    #[tokio::test]
    async fn keys_can_be_made_listed_and_revoked_while_no_stack_runs_and_while_one_does() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let target = || Target {
            data: data.clone(),
            table: None,
        };
        assert!(
            run(Keys::List { target: target() })
                .await
                .unwrap_err()
                .to_string()
                .contains("cargo run -p okaeri")
        );

        let options = local::Options {
            port: 0,
            place: local::Place::Directory(data.clone()),
            ..Default::default()
        };
        let stack = local::start(options.clone()).await.unwrap();
        let create = |name: &str| Keys::Create {
            name: name.to_owned(),
            scope: args::Scope::Checkout,
            target: target(),
        };
        let made = run(create("running")).await.unwrap();
        let text = made.lines().next().unwrap();
        let found = stack
            .store()
            .unwrap()
            .api_key(text, stack.clock().now())
            .await
            .unwrap();
        assert_eq!(found.unwrap().name, "running");
        assert!(run(create("running")).await.is_err());
        stack.stop().await;

        run(create("stopped")).await.unwrap();
        run(Keys::Revoke {
            key: "running".to_owned(),
            target: target(),
        })
        .await
        .unwrap();
        let listed = run(Keys::List { target: target() }).await.unwrap();
        assert!(
            listed.contains("stopped") && !listed.contains("running"),
            "{listed}"
        );
        assert!(!listed.contains(text));
    }
}
