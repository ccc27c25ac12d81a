//! Keys from Secrets Manager, fetched when a function starts. Nothing here shows a secret in `Debug` or in an error.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use aws_sdk_secretsmanager::Client;
use serde::Deserialize;

use crate::aws::{Aws, describe};
use crate::domain::code::{CodeKey, PromotionId};
use crate::domain::identity::IdentityKey;
use crate::domain::promotion::Promotion;
use crate::env::{Env, StartError};

/// Shortest secret that is taken as a key, in bytes: 256 bits if random, and never an empty one, which HMAC would accept.
const MIN_SECRET_BYTES: usize = 32;

/// Most promotions whose keys are kept, about 1 KB each; beyond it they are derived afresh.
const MAX_DERIVED: usize = 1_000;

/// A secret in Secrets Manager.
struct SecretSource {
    client: Client,
    id: String,
}

impl SecretSource {
    fn from_env(env: &Env, aws: &Aws<'_>, variable: &str) -> Result<Self, StartError> {
        Ok(Self {
            client: Client::new(&aws.config("SECRETS_MANAGER")),
            id: env.require(variable)?,
        })
    }

    async fn fetch(&self) -> Result<String, StartError> {
        let answer = self
            .client
            .get_secret_value()
            .secret_id(&self.id)
            .send()
            .await;
        let answer = answer.map_err(|error| self.unusable(describe(&error)))?;
        answer
            .secret_string
            .ok_or_else(|| self.unusable("it holds no text".to_owned()))
    }

    fn unusable(&self, why: String) -> StartError {
        StartError::Secret {
            name: self.id.clone(),
            why,
        }
    }
}

/// The master keys under which promotions derive their code keys, by version. Versions are only added.
pub struct CodeKeys {
    source: SecretSource,
    keys: RwLock<BTreeMap<u32, Arc<[u8]>>>,
    /// Keys of promotions that were used: deriving one takes longer than opening a code. What they are derived from never changes.
    derived: RwLock<HashMap<PromotionId, Arc<CodeKey>>>,
}

impl CodeKeys {
    /// Fetches the secret that `CODE_KEYS_SECRET` names: a JSON object of version → text of at least 32 bytes.
    ///
    /// # Errors
    /// [`StartError`] if it cannot be fetched or is not of that form.
    pub async fn fetch(env: &Env, aws: &Aws<'_>) -> Result<Self, StartError> {
        let source = SecretSource::from_env(env, aws, "CODE_KEYS_SECRET")?;
        let keys = read_code_keys(&source).await?;
        Ok(Self {
            source,
            keys: RwLock::new(keys),
            derived: RwLock::default(),
        })
    }

    /// Version that new promotions take.
    ///
    /// # Errors
    /// [`StartError::Secret`] if there is none (refused at the start, so this does not happen).
    pub fn newest(&self) -> Result<u32, StartError> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let newest = keys.last_key_value().map(|(version, _)| *version);
        newest.ok_or_else(|| self.source.unusable("it holds no key".to_owned()))
    }

    /// The key that seals and opens a promotion's codes. A master key of unknown version causes one fetch, since a version may have
    /// been added meanwhile.
    ///
    /// # Errors
    /// [`StartError::Secret`] if the version is unknown even then.
    pub async fn of(&self, promotion: &Promotion) -> Result<Arc<CodeKey>, StartError> {
        if let Some(known) = self.derived_for(&promotion.id) {
            return Ok(known);
        }
        let master_key = self.version(promotion.master_key_version).await?;
        let key = Arc::new(promotion.code_key(&master_key));
        let mut derived = self.derived.write().unwrap_or_else(PoisonError::into_inner);
        if derived.len() >= MAX_DERIVED {
            derived.clear();
        }
        derived.insert(promotion.id.clone(), Arc::clone(&key));
        Ok(key)
    }

    fn derived_for(&self, id: &PromotionId) -> Option<Arc<CodeKey>> {
        let derived = self.derived.read().unwrap_or_else(PoisonError::into_inner);
        derived.get(id).cloned()
    }

    async fn version(&self, version: u32) -> Result<Arc<[u8]>, StartError> {
        let known = self
            .keys
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&version)
            .cloned();
        if let Some(key) = known {
            return Ok(key);
        }
        let fetched = read_code_keys(&self.source).await?;
        let key = fetched.get(&version).cloned();
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = fetched;
        key.ok_or_else(|| self.source.unusable(format!("it has no version {version}")))
    }
}

async fn read_code_keys(source: &SecretSource) -> Result<BTreeMap<u32, Arc<[u8]>>, StartError> {
    let text = source.fetch().await?;
    code_keys(&text).map_err(|why| source.unusable(why))
}

fn code_keys(text: &str) -> Result<BTreeMap<u32, Arc<[u8]>>, String> {
    // The parser's message is left out: it may quote the secret.
    let keys: BTreeMap<u32, String> = serde_json::from_str(text)
        .map_err(|_| "it is not a JSON object of version → key".to_owned())?;
    if keys.is_empty() || keys.values().any(|key| key.len() < MIN_SECRET_BYTES) {
        return Err(format!("every key needs at least {MIN_SECRET_BYTES} bytes"));
    }
    Ok(keys
        .into_iter()
        .map(|(version, key)| (version, Arc::from(key.as_bytes())))
        .collect())
}

/// The versions in a secret's text, if [`CodeKeys::fetch`] would take it.
///
/// # Errors
/// What is wrong with it, in words that quote nothing of it.
pub fn code_key_versions(text: &str) -> Result<Vec<u32>, String> {
    code_keys(text).map(|keys| keys.into_keys().collect())
}

impl fmt::Debug for CodeKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeKeys(…)")
    }
}

/// Fetches the secret that `IDENTITY_KEY_SECRET` names: text of at least 32 bytes.
///
/// # Errors
/// [`StartError`] if it cannot be fetched or is too short.
pub async fn fetch_identity_key(env: &Env, aws: &Aws<'_>) -> Result<IdentityKey, StartError> {
    let source = SecretSource::from_env(env, aws, "IDENTITY_KEY_SECRET")?;
    let text = source.fetch().await?;
    check_identity_key(&text).map_err(|why| source.unusable(why))?;
    Ok(IdentityKey::from_secret(text.as_bytes()))
}

/// Whether [`fetch_identity_key`] would take a secret's text.
///
/// # Errors
/// What is wrong with it.
pub fn check_identity_key(text: &str) -> Result<(), String> {
    if text.len() < MIN_SECRET_BYTES {
        return Err(format!("it needs at least {MIN_SECRET_BYTES} bytes"));
    }
    Ok(())
}

/// One provider's webhook secrets: the current one first, then those still valid while a sender rotates.
#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProviderSecrets {
    /// The shop's name at the provider; facts about the shop come from here, never from a header.
    pub shop: String,
    /// The secrets. An empty list refuses every request.
    pub secrets: Vec<String>,
    /// Where the shop keeps a buyer's consent to marketing mail, for providers that have no place for it: the key of an order's
    /// `meta_data` (WooCommerce) or `metadata` (Stripe). Without it nobody has agreed, but for Stripe's own `consent`.
    pub consent_key: Option<String>,
    /// The status from which on a WooCommerce order counts as completed.
    pub completed_at: CompletedAt,
    /// Whether only live (`true`) or only test (`false`) payments of Stripe count; both if absent.
    pub livemode: Option<bool>,
}

/// A status of a WooCommerce order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CompletedAt {
    /// It was paid for, and is being prepared.
    Processing,
    /// It was fulfilled.
    #[default]
    Completed,
}

impl fmt::Debug for ProviderSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ProviderSecrets({}, {} secrets)",
            self.shop,
            self.secrets.len()
        )
    }
}

/// Webhook secrets of all providers.
///
/// `generated` is what the template generates for Standard Webhooks at the first deployment; it stays valid until staff
/// list others under `standard.secrets`.
#[derive(Clone, Debug, Default)]
pub struct WebhookSecrets {
    /// Standard Webhooks.
    pub standard: ProviderSecrets,
    /// Shopify.
    pub shopify: ProviderSecrets,
    /// WooCommerce.
    pub woocommerce: ProviderSecrets,
    /// Stripe.
    pub stripe: ProviderSecrets,
}

#[derive(Deserialize)]
struct WebhookSecretsText {
    generated: String,
    #[serde(default)]
    standard: ProviderSecrets,
    #[serde(default)]
    shopify: ProviderSecrets,
    #[serde(default)]
    woocommerce: ProviderSecrets,
    #[serde(default)]
    stripe: ProviderSecrets,
}

/// Where the webhook secrets are, for whoever needs them once in a while only.
pub struct WebhookSecretsSource(SecretSource);

impl WebhookSecretsSource {
    /// The secret that `WEBHOOK_SECRETS_SECRET` names. Opens no connection yet.
    ///
    /// # Errors
    /// [`StartError::Missing`] without `WEBHOOK_SECRETS_SECRET`.
    pub fn from_env(env: &Env, aws: &Aws<'_>) -> Result<Self, StartError> {
        SecretSource::from_env(env, aws, "WEBHOOK_SECRETS_SECRET").map(Self)
    }

    /// The secrets as they stand.
    ///
    /// # Errors
    /// [`StartError`] if they cannot be fetched, are not of the form expected, or hold an empty one.
    pub async fn fetch(&self) -> Result<WebhookSecrets, StartError> {
        let Self(source) = self;
        WebhookSecrets::read(&source.fetch().await?).map_err(|why| source.unusable(why))
    }
}

impl WebhookSecrets {
    /// Fetches the secret that `WEBHOOK_SECRETS_SECRET` names: `{"generated": "…", "shopify": {"shop", "secrets"}, …}`.
    ///
    /// # Errors
    /// [`StartError`] if it cannot be fetched, is not of that form, or holds an empty secret.
    pub async fn fetch(env: &Env, aws: &Aws<'_>) -> Result<Self, StartError> {
        WebhookSecretsSource::from_env(env, aws)?.fetch().await
    }

    /// Reads the secret's text.
    ///
    /// # Errors
    /// What is wrong with it, in words that quote nothing of it.
    pub fn read(text: &str) -> Result<Self, String> {
        // The parser's message is left out: it may quote the secret.
        let text: WebhookSecretsText =
            serde_json::from_str(text).map_err(|_| "it is not of the expected form".to_owned())?;
        let mut standard = text.standard;
        if standard.secrets.is_empty() {
            standard.secrets.push(text.generated);
        }
        let providers = [&standard, &text.shopify, &text.woocommerce, &text.stripe];
        if providers
            .iter()
            .any(|provider| provider.secrets.iter().any(String::is_empty))
        {
            return Err("a secret is empty".to_owned());
        }
        Ok(Self {
            standard,
            shopify: text.shopify,
            woocommerce: text.woocommerce,
            stripe: text.stripe,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generated_secret_serves_until_staff_list_their_own() {
        let generated = WebhookSecrets::read(r#"{"generated":"whsec_x"}"#).unwrap();
        assert_eq!(generated.standard.secrets, ["whsec_x"]);
        let own =
            WebhookSecrets::read(r#"{"generated":"whsec_x","standard":{"secrets":["a","b"]}}"#)
                .unwrap();
        assert_eq!(own.standard.secrets, ["a", "b"]);
    }

    #[test]
    fn an_empty_webhook_secret_is_refused_and_none_is_shown() {
        assert!(WebhookSecrets::read(r#"{"generated":""}"#).is_err());
        let why =
            WebhookSecrets::read(r#"{"generated":"x","shopify":{"shop":"s","secrets":["",7]}}"#)
                .unwrap_err();
        assert!(!why.contains('7'), "{why}");
        let debug = format!(
            "{:?}",
            WebhookSecrets::read(r#"{"generated":"topsecret"}"#).unwrap()
        );
        assert!(!debug.contains("topsecret"));
    }
}
