//! An SES event as it is published through `EventBridge`, or through SNS with or without raw delivery. Source of the shapes: "Contents of
//! event data that Amazon SES publishes" in the SES developer guide; of what they mean here: webhooks-and-mail.md §8.4.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use shared::domain::outbox::MailId;

/// What SES reports about one attempt at a mail of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) mail_id: MailId,
    pub(crate) attempt: u32,
    /// The id SES gave the attempt.
    pub(crate) message_id: String,
    /// When SES took it.
    pub(crate) mailed_at: DateTime<Utc>,
    pub(crate) news: News,
}

/// What happened to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// SES took it, and nothing has to be done: it is on its way or delayed.
    Taken,
    /// SES took it and handed it over.
    Delivered,
    /// SES took it, and it came back for a passing reason.
    SoftBounced,
    /// SES took it, and the address does not exist or takes no mail for good.
    Bounced,
    /// SES took it, and its reader reported it as spam.
    Complained,
    /// SES took it and then would not deliver it.
    Rejected {
        /// SES's own words.
        reason: String,
    },
}

/// The message is no SES event, or lacks this. The message itself is not quoted: it holds an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the message is not an SES event: {0}")]
pub(crate) struct Malformed(&'static str);

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "eventType")]
    kind: String,
    mail: Mail,
    bounce: Option<Bounce>,
    complaint: Option<Complaint>,
    reject: Option<Reject>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mail {
    message_id: String,
    timestamp: DateTime<Utc>,
    #[serde(default)]
    tags: BTreeMap<String, Vec<String>>,
}

impl Mail {
    fn tag(&self, name: &str) -> Option<&str> {
        self.tags.get(name)?.first().map(String::as_str)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bounce {
    bounce_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Complaint {
    complaint_feedback_type: Option<String>,
    complaint_sub_type: Option<String>,
}

#[derive(Deserialize)]
struct Reject {
    reason: String,
}

/// Reads a message; `None` if it is about no mail of ours or reports nothing that matters here.
///
/// # Errors
/// [`Malformed`] if it is not what SES publishes.
pub(crate) fn read(body: &str) -> Result<Option<Report>, Malformed> {
    let mut json: Value = serde_json::from_str(body).map_err(|_| Malformed("it is not JSON"))?;
    // SNS without raw delivery wraps the event as text. Source: "HTTP/HTTPS notification JSON format" in its developer guide.
    if json.get("Type").is_some() {
        let Some(message) = json.get("Message").and_then(Value::as_str) else {
            return Err(Malformed("an SNS notification without Message"));
        };
        if json.get("Type").and_then(Value::as_str) != Some("Notification") {
            return Ok(None);
        }
        json = serde_json::from_str(message).map_err(|_| Malformed("its Message is not JSON"))?;
    }
    let event = match json.get_mut("detail") {
        Some(detail) => detail.take(),
        None => json,
    };
    let event: Event = serde_json::from_value(event)
        .map_err(|_| Malformed("eventType or mail is absent or of another form"))?;
    let Some(news) = news(&event)? else {
        return Ok(None);
    };
    let id = event.mail.tag("mail_id").map(str::to_owned);
    let Some(mail_id) = id.and_then(|id| MailId::try_from(id).ok()) else {
        return Ok(None);
    };
    let attempt = event.mail.tag("attempt").and_then(|tag| tag.parse().ok());
    Ok(Some(Report {
        mail_id,
        attempt: attempt.ok_or(Malformed("the tag attempt is absent or no number"))?,
        message_id: event.mail.message_id,
        mailed_at: event.mail.timestamp,
        news,
    }))
}

fn news(event: &Event) -> Result<Option<News>, Malformed> {
    let news = match event.kind.as_str() {
        "Send" | "DeliveryDelay" => News::Taken,
        "Delivery" => News::Delivered,
        "Bounce" => bounced(event.bounce.as_ref().ok_or(Malformed("bounce is absent"))?),
        "Complaint" => complained(
            event
                .complaint
                .as_ref()
                .ok_or(Malformed("complaint is absent"))?,
        ),
        "Reject" => News::Rejected {
            reason: event
                .reject
                .as_ref()
                .ok_or(Malformed("reject is absent"))?
                .reason
                .clone(),
        },
        _ => return Ok(None),
    };
    Ok(Some(news))
}

/// Only a permanent bounce says something about the address.
fn bounced(bounce: &Bounce) -> News {
    match bounce.bounce_type.as_str() {
        "Permanent" => News::Bounced,
        _ => News::SoftBounced,
    }
}

/// `not-spam` takes a complaint back, and for an address on the account's own list no mail was sent to complain of.
fn complained(complaint: &Complaint) -> News {
    let taken_back = complaint.complaint_feedback_type.as_deref() == Some("not-spam");
    let not_sent = complaint.complaint_sub_type.as_deref() == Some("OnAccountSuppressionList");
    if taken_back || not_sent {
        News::Taken
    } else {
        News::Complained
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ID: &str = "abcdefghijklmnopqrstuvwxyz";

    fn event(kind: &str, more: Value) -> Value {
        let mut event = json!({
            "eventType": kind,
            "mail": {
                "timestamp": "2026-11-25T03:04:05.678Z", "messageId": "0100-ses", "destination": ["hanako@example.jp"],
                "tags": {"mail_id": [ID], "attempt": ["2"], "ses:configuration-set": ["okaeri"]},
            },
        });
        if let Value::Object(more) = more {
            event.as_object_mut().unwrap().extend(more);
        }
        event
    }

    fn news_of(event: &Value) -> Option<News> {
        read(&event.to_string()).unwrap().map(|report| report.news)
    }

    #[test]
    fn an_event_reads_the_same_through_eventbridge_sns_and_raw() {
        let raw = event("Send", json!({"send": {}}));
        let wrapped = json!({"version": "0", "source": "aws.ses", "detail-type": "Email Sent", "detail": raw});
        let report = read(&raw.to_string()).unwrap().unwrap();
        assert_eq!(read(&wrapped.to_string()).unwrap().unwrap(), report);
        let sns = json!({"Type": "Notification", "MessageId": "m", "Message": raw.to_string()});
        assert_eq!(read(&sns.to_string()).unwrap().unwrap(), report);
        let confirm = json!({"Type": "SubscriptionConfirmation", "Message": "You have chosen …"});
        assert_eq!(read(&confirm.to_string()).unwrap(), None);
        let expected = Report {
            mail_id: MailId::try_from(ID.to_owned()).unwrap(),
            attempt: 2,
            message_id: "0100-ses".to_owned(),
            mailed_at: "2026-11-25T03:04:05.678Z".parse().unwrap(),
            news: News::Taken,
        };
        assert_eq!(report, expected);
    }

    #[test]
    fn only_permanent_bounces_and_true_complaints_speak_against_an_address() {
        let bounce = |kind: &str| event("Bounce", json!({"bounce": {"bounceType": kind}}));
        let complaint = |fields: Value| event("Complaint", json!({"complaint": fields}));
        let listed = json!({"complaintSubType": "OnAccountSuppressionList"});
        for (event, expected) in [
            (bounce("Permanent"), News::Bounced),
            (bounce("Transient"), News::SoftBounced),
            (bounce("Undetermined"), News::SoftBounced),
            (complaint(json!({})), News::Complained),
            (
                complaint(json!({"complaintFeedbackType": "abuse", "complaintSubType": null})),
                News::Complained,
            ),
            (
                complaint(json!({"complaintFeedbackType": "not-spam"})),
                News::Taken,
            ),
            (complaint(listed), News::Taken),
            (event("Delivery", json!({"delivery": {}})), News::Delivered),
            (event("DeliveryDelay", Value::Null), News::Taken),
            (
                event("Reject", json!({"reject": {"reason": "Bad content"}})),
                News::Rejected {
                    reason: "Bad content".to_owned(),
                },
            ),
        ] {
            assert_eq!(news_of(&event), Some(expected), "{event}");
        }
    }

    #[test]
    fn events_of_other_mails_and_of_other_kinds_are_no_news() {
        for kind in ["Open", "Click", "Subscription", "Rendering Failure", "New"] {
            assert_eq!(news_of(&event(kind, Value::Null)), None, "{kind}");
        }
        for tags in [
            json!({}),
            json!({"mail_id": []}),
            json!({"mail_id": ["another-senders"]}),
        ] {
            let mut other = event("Send", Value::Null);
            other["mail"]["tags"] = tags;
            assert_eq!(news_of(&other), None, "{other}");
        }
    }

    #[test]
    fn what_is_no_event_is_refused_without_being_quoted() {
        let mut no_attempt = event("Send", Value::Null);
        no_attempt["mail"]["tags"]["attempt"] = json!(["two"]);
        let mut no_id = event("Send", Value::Null);
        no_id["mail"]["messageId"] = Value::Null;
        for body in [
            "hanako@example.jp".to_owned(),
            "[]".to_owned(),
            json!({"detail": "hanako@example.jp"}).to_string(),
            json!({"eventType": "Send", "mail": "hanako@example.jp"}).to_string(),
            event("Bounce", Value::Null).to_string(),
            event("Complaint", Value::Null).to_string(),
            event("Reject", Value::Null).to_string(),
            no_attempt.to_string(),
            no_id.to_string(),
        ] {
            let error = read(&body).unwrap_err();
            assert!(!error.to_string().contains("hanako"), "{error}");
        }
    }

    #[test]
    fn the_reference_events_are_read() {
        let text = include_str!("../../../events/mail-feedback.batch.json");
        let batch: aws_lambda_events::event::sqs::SqsEvent = serde_json::from_str(text).unwrap();
        let news: Vec<News> = batch
            .records
            .iter()
            .map(|record| read(record.body.as_deref().unwrap()).unwrap().unwrap().news)
            .collect();
        assert_eq!(news, [News::Taken, News::Bounced]);
    }
}
