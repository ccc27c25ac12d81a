//! What the template sets on AWS: the environment variables every function starts with.

use std::collections::BTreeMap;

/// The table's name.
pub(super) const TABLE: &str = "okaeri-local";
/// Names of the secrets in the Secrets Manager stand-in.
pub(super) const CODE_KEYS: &str = "okaeri-local/code-keys";
pub(super) const IDENTITY_KEY: &str = "okaeri-local/identity-key";
pub(super) const WEBHOOK_SECRETS: &str = "okaeri-local/webhook-secrets";
/// Path of the orders queue at the SQS stand-in: a made-up account, then the queue's name.
pub(super) const ORDERS_QUEUE: &str = "/000000000000/okaeri-local-orders";

/// The stack's settings, with `overrides` in place of its own.
pub(super) fn compose(
    url: &str,
    dynamodb_url: &str,
    aws_url: &str,
    overrides: BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let own = [
        ("TABLE_NAME", TABLE),
        ("QUARANTINE_TABLE_NAME", "okaeri-local-quarantine"),
        ("CODE_KEYS_SECRET", CODE_KEYS),
        ("IDENTITY_KEY_SECRET", IDENTITY_KEY),
        ("WEBHOOK_SECRETS_SECRET", WEBHOOK_SECRETS),
        ("SHOP_NAME", "Okaeri Tea"),
        ("SHOP_URL", "https://shop.example"),
        ("TIME_ZONE", "Asia/Tokyo"),
        ("LEAD_TIME", "PT0S"),
        ("PUBLIC_URL", url),
        // Made up, since the law requires a sender in every mail and nothing leaves this machine.
        ("SENDER_NAME", "Okaeri Tea (local stack)"),
        (
            "SENDER_ADDRESS",
            "1-2-3 Example, Chiyoda-ku, Tokyo 100-0001, Japan",
        ),
        ("SENDER_CONTACT", "hello@shop.example"),
        ("AWS_REGION", "ap-northeast-1"),
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
        ("AWS_ENDPOINT_URL", aws_url),
        ("AWS_ENDPOINT_URL_DYNAMODB", dynamodb_url),
    ];
    let mut settings: BTreeMap<String, String> = own
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    settings.insert(
        "ORDERS_QUEUE_URL".to_owned(),
        format!("{aws_url}{ORDERS_QUEUE}"),
    );
    settings.extend(overrides);
    settings
}
