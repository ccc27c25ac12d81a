//! Client settings that all AWS clients share.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use aws_types::sdk_config::{SharedCredentialsProvider, TimeoutConfig};

use crate::env::{Env, StartError};

/// One attempt at a request must answer within this. The SDK's default is no limit at all.
/// Source: promises.md, fact 4 (measured: a stalled connection otherwise hangs until Lambda kills the function).
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(700);
/// All attempts at a request together must answer within this; below every function's Lambda timeout.
pub const OPERATION_TIMEOUT: Duration = Duration::from_secs(2);

/// Region, credentials, TLS and endpoints, read once per function.
///
/// `aws-config` is left out on purpose: on Lambda credentials always come from the environment, and its provider
/// chain costs cold start (0.6 ms and 1 MB measured).
#[derive(Debug)]
pub struct Aws<'a> {
    env: &'a Env,
    config: SdkConfig,
}

impl<'a> Aws<'a> {
    /// Reads region and credentials as Lambda provides them.
    ///
    /// # Errors
    /// [`StartError::Missing`] without region or credentials.
    pub fn from_env(env: &'a Env) -> Result<Self, StartError> {
        let credentials = Credentials::new(
            env.require("AWS_ACCESS_KEY_ID")?,
            env.require("AWS_SECRET_ACCESS_KEY")?,
            env.get("AWS_SESSION_TOKEN"),
            None,
            "environment",
        );
        // ring: first TLS call 8 ms at 128 MB against 625 ms with aws-lc as it comes (shared/speed.md, measured).
        let tls = Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build_https();
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(ATTEMPT_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .operation_timeout(OPERATION_TIMEOUT)
            .build();
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(env.require("AWS_REGION")?))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(tls)
            .timeout_config(timeouts)
            // An attempt's time covers its whole answer too, which is never a stream.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build();
        Ok(Self { env, config })
    }

    /// The shared settings with the endpoint of one service, if the environment overrides it
    /// (`AWS_ENDPOINT_URL_<SERVICE>`, then `AWS_ENDPOINT_URL`; the local stack, tests and emulators do).
    pub(crate) fn config(&self, service: &str) -> SdkConfig {
        let specific = self.env.get(&format!("AWS_ENDPOINT_URL_{service}"));
        match specific.or_else(|| self.env.get("AWS_ENDPOINT_URL")) {
            Some(url) => self.config.clone().into_builder().endpoint_url(url).build(),
            None => self.config.clone(),
        }
    }
}

/// What an error says, with its causes. The SDK's own way to show them adds the raw answer, which may hold addresses or secrets.
pub fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}
