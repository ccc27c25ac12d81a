//! The way out: SES v2 `SendEmail`, one recipient, one attempt.

use std::fmt;
use std::time::Duration;

use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::config::retry::RetryConfig;
use aws_sdk_sesv2::config::timeout::TimeoutConfig;
use aws_sdk_sesv2::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sesv2::operation::send_email::SendEmailError;
use aws_sdk_sesv2::types::{
    Body, Content, Destination, EmailContent, Message, MessageHeader, MessageTag,
};

use super::render::RenderedMail;
use super::sender;
use crate::aws::{Aws, describe};
use crate::domain::identity::Email;
use crate::domain::outbox::MailId;
use crate::env::{Env, StartError};

/// SES must answer within this, well inside a claim's lease; the SDK's default is no limit. Source: promises.md, fact 4.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection must stand within this.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Longest header value SES takes, in characters. Source: webhooks-and-mail.md §8.
const MAX_HEADER_CHARS: usize = 870;

/// A mail on its way. It holds an address and a code, so it has no `Debug`.
#[derive(Clone, Copy)]
pub struct Outgoing<'a> {
    /// Its id; comes back with every event SES reports about it.
    pub mail_id: &'a MailId,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// What kind of mail it is, `[a-z-]`: a tag, and the readable part of List-Id.
    pub kind: &'a str,
    /// `Name <address>` or a bare address, verified with SES.
    pub from: &'a str,
    /// The one recipient.
    pub to: &'a Email,
    /// What it says.
    pub mail: &'a RenderedMail,
    /// The recipient's own unsubscribe link; must be printable ASCII.
    pub unsubscribe_url: &'a str,
}

/// Why a mail was not accepted, or may not have been. Source: webhooks-and-mail.md §8.2.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Not accepted: sent too quickly. Try again in a while.
    #[error("SES asks to slow down")]
    SlowDown,
    /// Not accepted: the day's quota is used up; it frees over the next 24 hours.
    #[error("the daily SES quota is used up")]
    QuotaExceeded,
    /// Not accepted, and no other mail will be until somebody acts.
    #[error("SES takes no mail: {reason}")]
    QueueStopped {
        /// SES's own name for it.
        reason: String,
    },
    /// Not accepted, and this mail never will be.
    #[error("SES refuses this mail: {reason}")]
    Refused {
        /// SES's own name for it.
        reason: String,
    },
    /// Nobody knows: the answer was lost or says nothing.
    #[error("the outcome is unknown: {0}")]
    Unknown(String),
}

/// SES, as one deployment uses it.
#[derive(Clone)]
pub struct Mailer {
    pub(super) client: Client,
    configuration_set: Option<String>,
}

impl Mailer {
    /// Prepares the client; opens no connection yet. The SDK's retries are off: with them one lost answer made two mails
    /// (measured, webhooks-and-mail.md §8.2).
    ///
    /// # Errors
    /// None today; a `Result` like all that connect.
    pub fn connect(env: &Env, aws: &Aws<'_>) -> Result<Self, StartError> {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(OPERATION_TIMEOUT)
            .operation_timeout(OPERATION_TIMEOUT)
            .build();
        let config = aws_sdk_sesv2::config::Builder::from(&aws.config("SESV2"))
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            .build();
        Ok(Self {
            client: Client::from_conf(config),
            configuration_set: env.get("CONFIGURATION_SET"),
        })
    }

    /// Sends one mail to one person, in one attempt, and returns the id SES gave it.
    ///
    /// # Errors
    /// [`SendError`], which says what may be done next.
    pub async fn send(&self, mail: Outgoing<'_>) -> Result<String, SendError> {
        let from = sender::encode(mail.from).ok_or_else(|| refused("from-address"))?;
        let message = message(&mail).map_err(|reason| refused(&reason))?;
        let request = self
            .client
            .send_email()
            .from_email_address(from)
            .destination(
                Destination::builder()
                    .to_addresses(mail.to.as_str())
                    .build(),
            )
            .content(EmailContent::builder().simple(message).build())
            .set_configuration_set_name(self.configuration_set.clone())
            .set_email_tags(Some(tags(&mail).map_err(|reason| refused(&reason))?));
        let answer = request.send().await.map_err(|error| judge(&error))?;
        answer
            .message_id
            .ok_or_else(|| SendError::Unknown("SES accepted without a message id".to_owned()))
    }
}

impl fmt::Debug for Mailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mailer({:?})", self.configuration_set)
    }
}

fn refused(reason: &str) -> SendError {
    SendError::Refused {
        reason: reason.to_owned(),
    }
}

fn message(mail: &Outgoing<'_>) -> Result<Message, String> {
    let content = |data: &str| {
        Content::builder()
            .charset("UTF-8")
            .data(data)
            .build()
            .map_err(|error| error.to_string())
    };
    let body = Body::builder()
        .text(content(&mail.mail.text)?)
        .html(content(&mail.mail.html)?)
        .build();
    Ok(Message::builder()
        .subject(content(&mail.mail.subject)?)
        .body(body)
        .set_headers(Some(headers(mail)?))
        .build())
}

/// The kind of a thank-you mail: its SES tag, and the readable part of its List-Id.
pub const THANK_YOU: &str = "thank-you";

/// The headers every mail carries beside its own: one-click unsubscribe (RFC 8058) and the list's name (RFC 2919).
pub fn list_headers(kind: &str, unsubscribe_url: &str) -> [(&'static str, String); 3] {
    let host = host(unsubscribe_url);
    [
        ("List-Unsubscribe", format!("<{unsubscribe_url}>")),
        (
            "List-Unsubscribe-Post",
            "List-Unsubscribe=One-Click".to_owned(),
        ),
        ("List-Id", format!("<{kind}.{host}>")),
    ]
}

fn headers(mail: &Outgoing<'_>) -> Result<Vec<MessageHeader>, String> {
    let header = |(name, value): (&str, String)| {
        let printable = value
            .bytes()
            .all(|byte| byte == b' ' || byte.is_ascii_graphic());
        if !printable || value.len() > MAX_HEADER_CHARS {
            return Err(format!("header {name} cannot be sent"));
        }
        let header = MessageHeader::builder().name(name).value(value);
        header.build().map_err(|error| error.to_string())
    };
    let headers = list_headers(mail.kind, mail.unsubscribe_url);
    headers.into_iter().map(header).collect()
}

fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', ':', '?', '#']).next().unwrap_or(rest)
}

fn tags(mail: &Outgoing<'_>) -> Result<Vec<MessageTag>, String> {
    let attempt = mail.attempt.to_string();
    [
        ("mail_id", mail.mail_id.as_str()),
        ("attempt", &attempt),
        ("kind", mail.kind),
    ]
    .into_iter()
    .map(|(name, value)| {
        let tag = MessageTag::builder().name(name).value(value);
        tag.build().map_err(|error| error.to_string())
    })
    .collect()
}

/// What an error means for the mail. Only an answer from SES proves that it was not accepted.
fn judge(error: &SdkError<SendEmailError>) -> SendError {
    match error {
        SdkError::ConstructionFailure(_) => refused("not-buildable"),
        SdkError::ServiceError(answer) => {
            let told = answer.err();
            let status = answer.raw().status().as_u16();
            judge_answer(
                status,
                told.code().unwrap_or_default(),
                told.message().unwrap_or_default(),
            )
        }
        SdkError::TimeoutError(_) => SendError::Unknown("SES did not answer in time".to_owned()),
        SdkError::DispatchFailure(lost) => {
            let cause = lost.as_connector_error().map(|error| describe(error));
            SendError::Unknown(cause.unwrap_or_else(|| "the connection was lost".to_owned()))
        }
        // The answer is left out: it may quote the address.
        _ => SendError::Unknown("SES's answer could not be read".to_owned()),
    }
}

fn judge_answer(status: u16, code: &str, message: &str) -> SendError {
    let says = |text: &str| message.to_ascii_lowercase().contains(text);
    let reason = code.to_owned();
    if status >= 500 {
        return SendError::Unknown(format!("SES answered {status} {code}"));
    }
    if says("daily message quota exceeded") {
        return SendError::QuotaExceeded;
    }
    if status == 429 || says("maximum sending rate exceeded") {
        return SendError::SlowDown;
    }
    match code {
        "TooManyRequestsException" | "ThrottlingException" | "Throttling" => SendError::SlowDown,
        "LimitExceededException" => SendError::QuotaExceeded,
        "SendingPausedException"
        | "AccountSuspendedException"
        | "MailFromDomainNotVerifiedException"
        | "NotFoundException" => SendError::QueueStopped { reason },
        // Our own access is refused, not the mail.
        _ if matches!(status, 401 | 403) => SendError::QueueStopped { reason },
        _ => SendError::Refused { reason },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_from_ses_proves_that_a_mail_was_not_accepted() {
        let stopped = |reason: &str| SendError::QueueStopped {
            reason: reason.to_owned(),
        };
        for (status, code, message, expected) in [
            (
                429,
                "TooManyRequestsException",
                "Maximum sending rate exceeded.",
                SendError::SlowDown,
            ),
            (
                400,
                "LimitExceededException",
                "Maximum sending rate exceeded.",
                SendError::SlowDown,
            ),
            (
                429,
                "TooManyRequestsException",
                "Daily message quota exceeded.",
                SendError::QuotaExceeded,
            ),
            (400, "LimitExceededException", "", SendError::QuotaExceeded),
            (
                400,
                "SendingPausedException",
                "",
                stopped("SendingPausedException"),
            ),
            (
                403,
                "AccessDeniedException",
                "",
                stopped("AccessDeniedException"),
            ),
            (404, "NotFoundException", "", stopped("NotFoundException")),
            (
                400,
                "MessageRejected",
                "Email address is not verified.",
                refused("MessageRejected"),
            ),
            (
                400,
                "BadRequestException",
                "",
                refused("BadRequestException"),
            ),
        ] {
            assert_eq!(
                judge_answer(status, code, message),
                expected,
                "{status} {code} {message}"
            );
        }
        for status in [500, 503, 504] {
            let lost = judge_answer(status, "TooManyRequestsException", "");
            assert!(matches!(lost, SendError::Unknown(_)), "{status}");
        }
    }

    #[test]
    fn the_lists_name_carries_the_links_host_without_its_port() {
        assert_eq!(
            host("https://promo.shop.example/u/u1.a.b"),
            "promo.shop.example"
        );
        assert_eq!(host("http://127.0.0.1:8787/u/u1.a.b"), "127.0.0.1");
    }
}
