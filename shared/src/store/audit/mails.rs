//! Thank-you mails against the markers, codes and follow-ups they belong to.

use super::difference::{Finding, Kind, Subject};
use super::facts::Due;
use super::fold::Fold;
use crate::domain::channel::Channel;
use crate::domain::outbox::{MailState, OutboxMail};
use crate::store::schema::BOUNCED_LIST;
use crate::store::{CodeItem, OrderMarker, OrderOutcome, due};

pub(super) fn findings(fold: &Fold) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (mail, due) in fold.mails.values() {
        findings.extend(of_mail(fold, mail, due));
    }
    for ((order, follow_up), marker) in &fold.markers {
        let subject = || Subject::Marker(order.clone(), follow_up.clone());
        let version = (follow_up.clone(), marker.follow_up_version);
        if !fold.rule_versions.contains(&version) {
            let expected = format!("version {} of the follow-up", marker.follow_up_version);
            findings.push(Finding::new(subject(), Kind::RuleVersion, expected, "none"));
        }
        if let OrderOutcome::Mail { mail_id, .. } = &marker.outcome
            && !fold.mails.contains_key(mail_id)
        {
            let expected = format!("mail {mail_id}");
            findings.push(Finding::new(subject(), Kind::MarkerMail, expected, "none"));
        }
    }
    for (id, version) in &fold.rules {
        for earlier in 1..=*version {
            if !fold.rule_versions.contains(&(id.clone(), earlier)) {
                let subject = Subject::Rule(id.clone(), earlier);
                let finding =
                    Finding::new(subject, Kind::RuleVersion, "its terms as they were", "none");
                findings.push(finding);
            }
        }
    }
    findings
}

fn of_mail(fold: &Fold, mail: &OutboxMail, due: &Due) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |kind, expected: String, found: String| {
        let finding = Finding::new(Subject::Mail(mail.id.clone()), kind, expected, found);
        findings.push(finding.with_orders(vec![mail.order_id.clone()]));
    };
    let marker = fold
        .markers
        .get(&(mail.order_id.clone(), mail.follow_up_id.clone()));
    if !marker.is_some_and(|marker| names(marker, first(fold, mail))) {
        let found = if marker.is_some() {
            "another outcome"
        } else {
            "none"
        };
        let expected = "that the follow-up gave the order this mail".to_owned();
        add(Kind::MailMarker, expected, found.to_owned());
    }
    let (promotion, number) = (&mail.promotion_id, mail.serial.get());
    match fold.codes.get(&(promotion.clone(), mail.serial)) {
        None => {
            let expected = format!("code number {number} of promotion {promotion}");
            add(Kind::MailCode, expected, "none".to_owned());
        }
        Some(code) => {
            if let Some(what) = differs(code, mail) {
                add(
                    Kind::MailCodeTerms,
                    format!("the mail's {what}"),
                    format!("the code's {what} differs"),
                );
            }
        }
    }
    let version = (mail.follow_up_id.clone(), mail.follow_up_version);
    if !fold.rule_versions.contains(&version) {
        let expected = format!(
            "version {} of {}",
            mail.follow_up_version, mail.follow_up_id
        );
        add(Kind::MailRule, expected, "none".to_owned());
    }
    if !is_found_in_time(mail, due) {
        let expected =
            right_due(mail).map_or_else(|| "some time".to_owned(), |due| due.to_string());
        add(Kind::MailDue, expected, due.to_string());
    }
    findings
}

/// The mail that a marker names: a reminder's is the one it reminds of, if that one names the reminder in turn.
fn first<'a>(fold: &'a Fold, mail: &'a OutboxMail) -> &'a OutboxMail {
    let first = mail.reminder_of.as_ref().and_then(|id| fold.mails.get(id));
    match first {
        Some((first, _)) if first.reminder.as_ref() == Some(&mail.id) => first,
        _ => mail,
    }
}

/// Whether a marker says that this mail was queued.
pub(super) fn names(marker: &OrderMarker, mail: &OutboxMail) -> bool {
    match &marker.outcome {
        OrderOutcome::Mail {
            mail_id,
            promotion_id,
            serial,
        } => {
            (mail_id, promotion_id, *serial) == (&mail.id, &mail.promotion_id, mail.serial)
                && marker.follow_up_version == mail.follow_up_version
        }
        OrderOutcome::NoMail { .. } => false,
    }
}

fn differs(code: &CodeItem, mail: &OutboxMail) -> Option<&'static str> {
    if code.expires_ms != Some(mail.code_expires_at.timestamp_millis()) {
        Some("end of the code")
    } else if code.earned_by.as_ref() != Some(&mail.order_id) {
        Some("order")
    } else if code.issued_to.as_ref() != Some(&mail.person) {
        Some("buyer")
    } else if code.channel.as_ref() != Some(&Channel::thank_you(&mail.variant)) {
        Some("channel")
    } else {
        None
    }
}

fn is_found_in_time(mail: &OutboxMail, due: &Due) -> bool {
    if among_bounced(mail).as_ref() == Some(due) {
        return true;
    }
    match right_due(mail) {
        Some(right) => right == *due,
        None => due.ms.is_some() && due.shard == Some(due::shard(&mail.id)),
    }
}

/// The due index's attributes as they must be; `None` if the time is not to be known from the mail (its part is).
pub(super) fn right_due(mail: &OutboxMail) -> Option<Due> {
    let at = match mail.state {
        MailState::Due => mail.due_at,
        MailState::Sending => mail.lease_until?,
        MailState::Unsettled => return None,
        MailState::Sent => mail.mailed_at.unwrap_or(mail.due_at),
        // Mails that ended before that time was kept are found by when they were due.
        MailState::Failed | MailState::Parked | MailState::Withdrawn => {
            mail.ended_at.unwrap_or(mail.due_at)
        }
    };
    let list = due::list(mail.state).map(str::to_owned);
    Some(Due {
        shard: Some(list.unwrap_or_else(|| due::shard(&mail.id))),
        ms: Some(at.timestamp_millis()),
    })
}

/// The list of those that came back, if it did; that may have been heard before it was known to be sent, and so of a later try.
fn among_bounced(mail: &OutboxMail) -> Option<Due> {
    let at = mail.bounced_at.filter(|_| mail.state == MailState::Sent)?;
    Some(Due {
        shard: Some(BOUNCED_LIST.to_owned()),
        ms: Some(at.timestamp_millis()),
    })
}
