//! What the template sets on AWS: the environment variables every function starts with.

use std::collections::BTreeMap;

/// The table's name.
pub(super) const TABLE: &str = "okaeri-local";
/// Names of the secrets in the Secrets Manager stand-in.
pub(super) const CODE_KEYS: &str = "okaeri-local/code-keys";
pub(super) const IDENTITY_KEY: &str = "okaeri-local/identity-key";
pub(super) const WEBHOOK_SECRETS: &str = "okaeri-local/webhook-secrets";
/// Name of the queue that orders wait in.
pub(super) const ORDERS_QUEUE: &str = "okaeri-local-orders";
/// Name of the queue that events of SES wait in.
pub(super) const FEEDBACK_QUEUE: &str = "okaeri-local-mail-feedback";

/// Where the orders queue is at the SQS stand-in: a made-up account, then the queue's name.
pub(super) fn orders_queue_url(aws_url: &str) -> String {
    format!("{aws_url}/000000000000/{ORDERS_QUEUE}")
}

/// Where the dead letters of the orders queue are.
pub(super) fn orders_dead_letters_url(aws_url: &str) -> String {
    format!("{}-dead-letters", orders_queue_url(aws_url))
}

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
        // SES reports only about mails sent with one.
        ("CONFIGURATION_SET", "okaeri-local"),
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
    settings.insert("ORDERS_QUEUE_URL".to_owned(), orders_queue_url(aws_url));
    settings.extend(overrides);
    settings
}
