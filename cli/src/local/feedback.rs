//! SES's event publishing: what becomes of every accepted mail reaches its queue at least once, however the process ends.
//!
//! The inbox alone says which mails were accepted. Their events are queued first and the place reached in the inbox is kept
//! afterwards, so a process that dies anywhere in between leaves events to be queued (again) by the next one.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::domain::follow_up::random_symbols;

use super::LocalError;
use super::data::{read_json, write_whole};
use super::inbox::{Accepted, CONFIGURATION_SET_TAG, Inbox};
use super::queue::Queue;

/// Queues the events of accepted mails.
#[derive(Debug)]
pub(super) struct Publisher {
    inbox: Arc<Inbox>,
    queue: Arc<Queue>,
    path: PathBuf,
    cursor: Mutex<Cursor>,
}

/// How far into the inbox all events are queued.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Cursor {
    bytes: u64,
}

impl Publisher {
    /// Goes on where the cursor in `path` stands: the events of every mail accepted so far are queued when this returns.
    pub(super) fn open(
        path: &Path,
        inbox: Arc<Inbox>,
        queue: Arc<Queue>,
    ) -> Result<Self, LocalError> {
        let publisher = Self {
            inbox,
            queue,
            path: path.to_owned(),
            cursor: Mutex::new(read_json(path)?.unwrap_or_default()),
        };
        match publisher.publish() {
            Ok(()) => Ok(publisher),
            Err(error) => Err(LocalError::data(path, error)),
        }
    }

    /// Queues the events of all mails accepted since the last call.
    pub(super) fn publish(&self) -> std::io::Result<()> {
        let mut cursor = self.cursor.lock().unwrap_or_else(PoisonError::into_inner);
        let (mails, bytes) = self.inbox.accepted_since(cursor.bytes)?;
        for event in mails.iter().flat_map(events) {
            self.queue.send(event.to_string())?;
        }
        *cursor = Cursor { bytes };
        write_whole(&self.path, &serde_json::to_vec(&*cursor)?)
    }
}

/// What SES publishes about a mail, in order. Source of the shapes: "Contents of event data that Amazon SES publishes" and "SES
/// events schema reference" in the SES developer guide.
fn events(accepted: &Accepted) -> Vec<Value> {
    let Some(configuration_set) = accepted.tags.get(CONFIGURATION_SET_TAG) else {
        return Vec::new();
    };
    let event = |kind: &str, (name, detail): (&str, Value)| {
        json!({
            "version": "0",
            "id": random_symbols(26),
            "detail-type": kind,
            "source": "aws.ses",
            "account": "000000000000",
            "time": accepted.mail.sent_at,
            "region": "ap-northeast-1",
            "resources": [format!("arn:aws:ses:ap-northeast-1:000000000000:configuration-set/{configuration_set}")],
            "detail": {"eventType": name, "mail": mail(accepted), (name.to_lowercase()): detail},
        })
    };
    let sent = event("Email Sent", ("Send", json!({})));
    let delivered = || event("Email Delivered", ("Delivery", delivery(accepted)));
    let bounced = |subtype| event("Email Bounced", ("Bounce", bounce(accepted, subtype)));
    let complained = || {
        let complaint = ("Complaint", complaint(accepted));
        event("Email Complaint Received", complaint)
    };
    match simulated(recipient(accepted)) {
        Some("bounce") => vec![sent, bounced("General")],
        Some("suppressionlist") => vec![sent, bounced("OnAccountSuppressionList")],
        Some("complaint") => vec![sent, delivered(), complained()],
        _ => vec![sent, delivered()],
    }
}

/// Which mailbox of the SES mailbox simulator an address is, without its label. Source: "Using the mailbox simulator" in the SES
/// developer guide.
fn simulated(address: &str) -> Option<&str> {
    let local = address.strip_suffix("@simulator.amazonses.com")?;
    local.split('+').next()
}

fn recipient(accepted: &Accepted) -> &str {
    let to = accepted.mail.to.first().map_or("", String::as_str);
    let bare = to.rsplit_once('<').map_or(to, |(_, bare)| bare);
    bare.trim_end_matches('>')
}

fn mail(accepted: &Accepted) -> Value {
    let tags = accepted.tags.iter();
    let tags: serde_json::Map<String, Value> = tags
        .map(|(name, value)| (name.clone(), json!([value])))
        .collect();
    json!({
        "timestamp": accepted.mail.sent_at,
        "source": accepted.mail.from,
        "sendingAccountId": "000000000000",
        "messageId": accepted.mail.id,
        "destination": accepted.mail.to,
        "headersTruncated": false,
        "tags": tags,
    })
}

fn delivery(accepted: &Accepted) -> Value {
    json!({
        "timestamp": accepted.mail.sent_at,
        "processingTimeMillis": 0,
        "recipients": [recipient(accepted)],
        "smtpResponse": "250 ok",
    })
}

fn bounce(accepted: &Accepted, subtype: &str) -> Value {
    json!({
        "bounceType": "Permanent",
        "bounceSubType": subtype,
        "bouncedRecipients": [{"emailAddress": recipient(accepted)}],
        "timestamp": accepted.mail.sent_at,
        "feedbackId": accepted.mail.id,
    })
}

fn complaint(accepted: &Accepted) -> Value {
    json!({
        "complainedRecipients": [{"emailAddress": recipient(accepted)}],
        "complaintFeedbackType": "abuse",
        "complaintSubType": null,
        "timestamp": accepted.mail.sent_at,
        "feedbackId": accepted.mail.id,
    })
}

#[cfg(test)]
mod tests {
    use shared::clock::Clock;

    use super::super::inbox::{Limits, SendEmail};
    use super::*;

    struct Place {
        dir: tempfile::TempDir,
    }

    impl Place {
        fn new() -> Self {
            Self {
                dir: tempfile::tempdir().unwrap(),
            }
        }

        fn inbox(&self) -> Arc<Inbox> {
            let limits = Limits {
                a_second: 100,
                a_day: 100,
            };
            let path = self.dir.path().join("inbox.jsonl");
            Arc::new(Inbox::open(&path, limits, Clock::default()).unwrap())
        }

        fn queue(&self) -> Arc<Queue> {
            let path = self.dir.path().join("feedback");
            Arc::new(Queue::open(&path, "test", Clock::default()).unwrap())
        }

        fn publisher(&self, inbox: &Arc<Inbox>, queue: &Arc<Queue>) -> Publisher {
            let path = self.dir.path().join("published.json");
            Publisher::open(&path, Arc::clone(inbox), Arc::clone(queue)).unwrap()
        }
    }

    fn request(to: &str) -> SendEmail {
        serde_json::from_value(json!({
            "FromEmailAddress": "hello@shop.example",
            "Destination": {"ToAddresses": [to]},
            "Content": {"Simple": {"Subject": {"Data": "s"}, "Body": {"Text": {"Data": "text"}}}},
            "EmailTags": [{"Name": "mail_id", "Value": "abc"}, {"Name": "attempt", "Value": "2"}],
            "ConfigurationSetName": "okaeri-local",
        }))
        .unwrap()
    }

    /// Kinds of the events that wait, taken out.
    fn taken(queue: &Queue) -> Vec<String> {
        let kinds = queue.receive(100).into_iter().map(|delivery| {
            let event: Value = serde_json::from_str(&delivery.body).unwrap();
            let kind = event["detail"]["eventType"].as_str().unwrap().to_owned();
            queue.handled(delivery);
            kind
        });
        kinds.collect()
    }

    #[test]
    fn each_accepted_mail_is_reported_once_while_nothing_dies() {
        let place = Place::new();
        let (inbox, queue) = (place.inbox(), place.queue());
        let publisher = place.publisher(&inbox, &queue);
        for _ in 0..2 {
            inbox.accept(request("hanako@example.jp")).unwrap();
            publisher.publish().unwrap();
            publisher.publish().unwrap();
            assert_eq!(taken(&queue), ["Send", "Delivery"]);
        }
    }

    #[test]
    fn a_mail_accepted_just_before_a_death_is_reported_by_the_next_process() {
        let place = Place::new();
        let (inbox, queue) = (place.inbox(), place.queue());
        let publisher = place.publisher(&inbox, &queue);
        inbox.accept(request("a@example.jp")).unwrap();
        publisher.publish().unwrap();
        inbox.accept(request("b@example.jp")).unwrap();
        drop((publisher, inbox, queue));

        let (inbox, queue) = (place.inbox(), place.queue());
        let publisher = place.publisher(&inbox, &queue);
        assert_eq!(taken(&queue), ["Send", "Delivery", "Send", "Delivery"]);
        drop((publisher, queue));
        // Dead after queuing and before the cursor was kept: reported again rather than not at all.
        std::fs::remove_file(place.dir.path().join("published.json")).unwrap();
        let queue = place.queue();
        let publisher = place.publisher(&inbox, &queue);
        assert_eq!(taken(&queue).len(), 4);
        drop((publisher, queue));

        let queue = place.queue();
        place.publisher(&inbox, &queue);
        assert!(taken(&queue).is_empty());
    }

    #[test]
    fn addresses_of_the_mailbox_simulator_behave_as_with_ses() {
        let place = Place::new();
        let (inbox, queue) = (place.inbox(), place.queue());
        let publisher = place.publisher(&inbox, &queue);
        for (local, expected) in [
            ("bounce", &["Send", "Bounce"][..]),
            ("bounce+label", &["Send", "Bounce"]),
            ("suppressionlist", &["Send", "Bounce"]),
            ("complaint", &["Send", "Delivery", "Complaint"]),
            ("success", &["Send", "Delivery"]),
        ] {
            let address = format!("{local}@simulator.amazonses.com");
            inbox.accept(request(&address)).unwrap();
            publisher.publish().unwrap();
            assert_eq!(taken(&queue), expected, "{local}");
        }
    }

    #[test]
    fn nothing_is_reported_about_a_mail_sent_without_configuration_set() {
        let place = Place::new();
        let (inbox, queue) = (place.inbox(), place.queue());
        let mut unset = request("hanako@example.jp");
        unset.configuration_set_name = None;
        inbox.accept(unset).unwrap();
        place.publisher(&inbox, &queue);
        assert!(taken(&queue).is_empty());
    }

    #[test]
    fn an_event_carries_the_mails_tags_and_id() {
        let place = Place::new();
        let (inbox, queue) = (place.inbox(), place.queue());
        let id = inbox.accept(request("Hanako <hanako@example.jp>")).unwrap();
        place.publisher(&inbox, &queue);
        let event: Value = serde_json::from_str(&queue.receive(1)[0].body).unwrap();
        let mail = &event["detail"]["mail"];
        assert_eq!(mail["messageId"], json!(id));
        let tags = json!({"mail_id": ["abc"], "attempt": ["2"], "ses:configuration-set": ["okaeri-local"]});
        assert_eq!(mail["tags"], tags);
        assert_eq!(event["source"], "aws.ses");
    }
}
