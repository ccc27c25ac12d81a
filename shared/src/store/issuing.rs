//! Thank-yous: a code and its mails for an order, in one transaction that also says that the follow-up has dealt with it.

use chrono::{DateTime, Utc};

use super::forgetting::PersonMail;
use super::orders::{OrderMarker, OrderOutcome, marker};
use super::people::contact_action;
use super::transaction::{Action, Expression, Outcome, TransactError};
use super::{CodeItem, CodeState, Item, Store, StoreError, due, keys, retry, schema, write};
use crate::domain::channel::Channel;
use crate::domain::code::Serial;
use crate::domain::follow_up::{FollowUp, HOLDOUT, Variant};
use crate::domain::identity::PersonHash;
use crate::domain::order::OrderId;
use crate::domain::outbox::{Contact, MailId, MailState, OutboxMail};
use crate::domain::thank_you::{NoMail, Schedule};

/// What an order that meets a follow-up's conditions earns.
#[derive(Clone, Debug)]
pub struct ThankYou<'a> {
    /// The order that earned it.
    pub order_id: &'a OrderId,
    /// The follow-up under which it did.
    pub follow_up: &'a FollowUp,
    /// The buyer.
    pub person: &'a PersonHash,
    /// The code and mail; none for a buyer in the hold-out.
    pub gift: Option<Gift<'a>>,
    /// When the order arrived.
    pub received_at: DateTime<Utc>,
    /// The present.
    pub now: DateTime<Utc>,
}

/// A code and its mail, to be issued.
#[derive(Clone, Debug)]
pub struct Gift<'a> {
    /// The arm the buyer fell into.
    pub variant: &'a Variant,
    /// How to reach them; kept at least until its `forget_at`.
    pub contact: &'a Contact,
    /// When the mail is due and the code ends.
    pub schedule: Schedule,
    /// Who alone may use the code; anybody, if nobody is named.
    pub bound_to: &'a [PersonHash],
}

impl ThankYou<'_> {
    fn arm(&self) -> &str {
        self.gift
            .as_ref()
            .map_or(HOLDOUT, |gift| gift.variant.name.as_str())
    }
}

/// What became of a thank-you.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Issue {
    /// Code and mail (or that the buyer is held out) are in the table.
    Issued,
    /// The follow-up had dealt with the order before (possibly by an earlier try whose answer was lost).
    DecidedBefore,
    /// The order was cancelled.
    Cancelled,
    /// The buyer asked to be forgotten.
    Forgotten,
    /// The buyer was thanked too often or too lately.
    Refused(NoMail),
}

/// Places of the actions in the transaction of [`Store::issue_thank_you`] whose refusal ends it.
const MARKER: usize = 0;
const TOMBSTONE: usize = 1;
const SUPPRESSION: usize = 2;

impl Store {
    /// Issues a code and queues its mail, or records that the buyer is held out, unless the follow-up has dealt with the order,
    /// the order was cancelled or the buyer forgotten: one transaction, all or nothing.
    ///
    /// # Errors
    /// [`StoreError`] if it is not confirmed; trying again never issues a second code.
    pub async fn issue_thank_you(&self, thank_you: &ThankYou<'_>) -> Result<Issue, StoreError> {
        let mut attempts = retry::Attempts::new();
        loop {
            let place = self
                .taking_a_place(
                    thank_you.follow_up,
                    thank_you.person,
                    thank_you.order_id,
                    thank_you.received_at,
                )
                .await?;
            let place = match place {
                Ok(place) => place,
                Err(reason) => return Ok(Issue::Refused(reason)),
            };
            let mut actions = match &thank_you.gift {
                None => marker_actions(thank_you, holdout())?,
                Some(gift) => {
                    let known: Option<Contact> = self.get(&keys::contact(thank_you.person)).await?;
                    let ids = MailIds::new(thank_you.follow_up, gift);
                    let serial = Serial::random_thank_you();
                    issue_actions(thank_you, gift, &ids, serial, known.as_ref())?
                }
            };
            actions.extend(place);
            match self.transact(actions).await {
                Ok(()) => return Ok(Issue::Issued),
                Err(TransactError::Store(error)) => return Err(error),
                Err(TransactError::Cancelled(outcomes)) => {
                    if let Some(issue) = judge(&outcomes) {
                        return Ok(issue);
                    }
                }
            }
            attempts.pause().await?;
        }
    }
}

/// What a cancelled transaction of [`Store::issue_thank_you`] decided; `None` to try again with a new serial, a new mail id
/// and the contact as it is by then.
fn judge(outcomes: &[Outcome]) -> Option<Issue> {
    let refused = |place: usize| matches!(outcomes.get(place), Some(Outcome::Refused(_)));
    if outcomes.contains(&Outcome::Undecided) {
        None
    } else if refused(MARKER) {
        Some(Issue::DecidedBefore)
    } else if refused(TOMBSTONE) {
        Some(Issue::Cancelled)
    } else if refused(SUPPRESSION) {
        Some(Issue::Forgotten)
    } else {
        None
    }
}

/// The mails of a thank-you: itself and, where the follow-up asks for one, its reminder with the time it is due.
struct MailIds {
    mail: MailId,
    reminder: Option<(MailId, DateTime<Utc>)>,
}

impl MailIds {
    fn new(follow_up: &FollowUp, gift: &Gift<'_>) -> Self {
        let before = follow_up.terms.reminder_before_expiry;
        let due_at = before.and_then(|before| gift.schedule.reminder_at(before));
        Self {
            mail: MailId::random(),
            reminder: due_at.map(|due_at| (MailId::random(), due_at)),
        }
    }
}

fn issue_actions(
    thank_you: &ThankYou<'_>,
    gift: &Gift<'_>,
    ids: &MailIds,
    serial: Serial,
    known: Option<&Contact>,
) -> Result<Vec<Action>, StoreError> {
    let promotion_id = &gift.variant.promotion_id;
    let outcome = OrderOutcome::Mail {
        mail_id: ids.mail.clone(),
        promotion_id: promotion_id.clone(),
        serial,
    };
    let code = code(thank_you, gift, serial);
    let mail = mail(thank_you, gift, ids, serial);
    let mut contact = gift.contact.clone();
    if let Some((_, due_at)) = &ids.reminder {
        contact.forget_at = contact.forget_at.max(gift.schedule.forget_after(*due_at));
    }
    let mut actions = marker_actions(thank_you, outcome)?;
    actions.extend([
        Action::PutNew(write(&keys::code(promotion_id, serial), &code)?),
        Action::PutNew(mail_item(&mail)?),
        contact_action(thank_you.person, &contact, known)?,
        Action::PutNew(pointer_item(thank_you, gift, &mail.id)?),
    ]);
    if let Some((id, due_at)) = &ids.reminder {
        let reminder = OutboxMail {
            id: id.clone(),
            due_at: *due_at,
            reminder: None,
            reminder_of: Some(mail.id.clone()),
            ..mail
        };
        actions.extend([
            Action::PutNew(mail_item(&reminder)?),
            Action::PutNew(pointer_item(thank_you, gift, id)?),
        ]);
    }
    Ok(actions)
}

/// What is written whatever arm the buyer fell into.
fn marker_actions(
    thank_you: &ThankYou<'_>,
    outcome: OrderOutcome,
) -> Result<Vec<Action>, StoreError> {
    let (order_id, follow_up) = (thank_you.order_id, thank_you.follow_up);
    let marker = OrderMarker {
        arm: Some(thank_you.arm().to_owned()),
        person: Some(thank_you.person.clone()),
        ..marker(follow_up, outcome, thank_you.now)
    };
    let not_cancelled = Expression::new("attribute_not_exists(pk)");
    let not_forgotten = Expression::new("attribute_not_exists(forgotten_at)");
    Ok(vec![
        Action::PutNew(write(
            &keys::order_marker(order_id, &follow_up.id),
            &marker,
        )?),
        Action::Check(keys::tombstone(order_id), not_cancelled),
        Action::Check(keys::suppression(thank_you.person), not_forgotten),
    ])
}

/// Finds the mail for its person, as long as it may be unsent.
fn pointer_item(
    thank_you: &ThankYou<'_>,
    gift: &Gift<'_>,
    mail_id: &MailId,
) -> Result<Item, StoreError> {
    let pointer = PersonMail {
        mail_id: mail_id.clone(),
    };
    let mut item = write(&keys::person_mail(thank_you.person, mail_id), &pointer)?;
    let Schedule {
        code_expires_at,
        forget_at,
        ..
    } = gift.schedule;
    schema::set_ttl(&mut item, code_expires_at.max(forget_at));
    Ok(item)
}

fn holdout() -> OrderOutcome {
    let reason = NoMail::Holdout;
    OrderOutcome::NoMail { reason }
}

fn code(thank_you: &ThankYou<'_>, gift: &Gift<'_>, serial: Serial) -> CodeItem {
    CodeItem {
        serial,
        state: CodeState::Unused,
        order_id: None,
        redeemed_at: None,
        held_until_ms: None,
        channel: Some(Channel::thank_you(&gift.variant.name)),
        expires_ms: Some(gift.schedule.code_expires_at.timestamp_millis()),
        bound_to: gift.bound_to.to_vec(),
        issued_to: Some(thank_you.person.clone()),
        earned_by: Some(thank_you.order_id.clone()),
    }
}

fn mail(thank_you: &ThankYou<'_>, gift: &Gift<'_>, ids: &MailIds, serial: Serial) -> OutboxMail {
    OutboxMail {
        id: ids.mail.clone(),
        state: MailState::Due,
        follow_up_id: thank_you.follow_up.id.clone(),
        follow_up_version: thank_you.follow_up.version,
        variant: gift.variant.name.clone(),
        order_id: thank_you.order_id.clone(),
        person: thank_you.person.clone(),
        promotion_id: gift.variant.promotion_id.clone(),
        serial,
        code_expires_at: gift.schedule.code_expires_at,
        due_at: gift.schedule.due_at,
        created_at: thank_you.now,
        attempt: 0,
        lease_until: None,
        mailed_at: None,
        message_id: None,
        reason: None,
        ended_at: None,
        resends: 0,
        duplicate_risk: false,
        delivered_at: None,
        bounced_at: None,
        reminder: ids.reminder.as_ref().map(|(id, _)| id.clone()),
        reminder_of: None,
    }
}

fn mail_item(mail: &OutboxMail) -> Result<Item, StoreError> {
    let mut item = write(&keys::mail(&mail.id), mail)?;
    due::add(&mut item, &mail.id, mail.due_at);
    Ok(item)
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;

    use super::super::{read, schema};
    use super::*;
    use crate::domain::follow_up::FollowUpId;
    use crate::domain::identity::{Email, IdentityKey};

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn contact(forget_at: &str) -> Contact {
        Contact {
            email: Email::try_from("a@b.jp".to_owned()).unwrap(),
            name: Some("花子".to_owned()),
            locale: None,
            forget_at: at(forget_at),
        }
    }

    fn with_thank_you<T>(contact: &Contact, then: impl FnOnce(&ThankYou<'_>) -> T) -> T {
        let terms = serde_json::from_value(
            serde_json::json!({"name": "Thank you", "mail": {"from": "a@b.jp"},
            "variants": [{"name": "10% after 3 days", "promotion_id": "THX9", "delay": "P3D"}]}),
        );
        let follow_up = FollowUp {
            id: FollowUpId::random(),
            version: 2,
            created_at: at("2026-11-01T00:00:00Z"),
            experiment: 1,
            status: crate::domain::follow_up::FollowUpStatus::Active,
            terms: terms.unwrap(),
        };
        let now = at("2026-11-22T03:04:05Z");
        let delay = "P3D".parse().unwrap();
        then(&ThankYou {
            order_id: &OrderId::try_from("1001".to_owned()).unwrap(),
            follow_up: &follow_up,
            person: &IdentityKey::from_secret(b"secret").person(&contact.email),
            gift: Some(Gift {
                variant: &follow_up.terms.variants[0],
                contact,
                schedule: Schedule::plan(now, delay, 30, Tz::Asia__Tokyo).unwrap(),
                bound_to: &[],
            }),
            received_at: now,
            now,
        })
    }

    fn actions(known: Option<&Contact>, contact: &Contact) -> Vec<Action> {
        with_thank_you(contact, |thank_you| {
            let gift = thank_you.gift.as_ref().unwrap();
            let ids = MailIds::new(thank_you.follow_up, gift);
            let serial = Serial::random_thank_you();
            issue_actions(thank_you, gift, &ids, serial, known).unwrap()
        })
    }

    #[test]
    fn one_transaction_holds_marker_checks_code_mail_contact_and_pointer() {
        let actions = actions(None, &contact("2026-12-25T03:04:05Z"));
        let [
            Action::PutNew(marker),
            Action::Check(tombstone, _),
            Action::Check(suppression, not_forgotten),
            Action::PutNew(code),
            Action::PutNew(mail),
            Action::PutNew(contact),
            Action::PutNew(pointer),
        ] = &actions[..]
        else {
            panic!("{actions:?}");
        };
        assert_eq!(tombstone.sk, "tombstone");
        assert_eq!(suppression.sk, "suppression");
        assert_eq!(not_forgotten.text, "attribute_not_exists(forgotten_at)");
        assert_eq!(pointer["pk"], contact["pk"]);
        let marker: OrderMarker = read(marker.clone()).unwrap();
        assert_eq!(marker.arm.as_deref(), Some("10% after 3 days"));
        let OrderOutcome::Mail {
            mail_id, serial, ..
        } = marker.outcome
        else {
            panic!("{marker:?}");
        };
        let code: CodeItem = read(code.clone()).unwrap();
        assert_eq!((code.serial, code.state), (serial, CodeState::Unused));
        assert_eq!(code.channel.unwrap().as_str(), "thank-you/10--after-3-days");
        assert_eq!(
            code.expires_ms,
            Some(at("2026-12-25T15:00:00Z").timestamp_millis())
        );
        assert_eq!(
            mail[schema::DUE_MS].as_n().unwrap(),
            &at("2026-11-25T03:04:05Z").timestamp_millis().to_string()
        );
        assert_eq!(
            mail[schema::DUE_SHARD].as_s().unwrap(),
            &due::shard(&mail_id)
        );
        let mail: OutboxMail = read(mail.clone()).unwrap();
        assert_eq!(
            (mail.id, mail.serial, mail.state),
            (mail_id, serial, MailState::Due)
        );
        assert_eq!(
            contact[schema::TTL].as_n().unwrap(),
            &at("2026-12-25T03:04:05Z").timestamp().to_string()
        );
    }

    #[test]
    fn a_contacts_time_is_never_shortened() {
        let kept = |known: &str, asked: &str| {
            let actions = actions(Some(&contact(known)), &contact(asked));
            let [.., Action::Put(item, condition), _] = &actions[..] else {
                panic!("{actions:?}");
            };
            assert_eq!(condition.text, "forget_at = :seen");
            assert_eq!(
                condition.values[":seen"],
                item_of(&contact(known))["forget_at"]
            );
            read::<Contact>(item.clone()).unwrap().forget_at
        };
        let (early, late) = ("2026-12-25T00:00:00Z", "2027-01-25T00:00:00.5Z");
        assert_eq!(kept(early, late), at(late));
        assert_eq!(kept(late, early), at(late));
    }

    fn item_of(contact: &Contact) -> Item {
        serde_dynamo::to_item(contact).unwrap()
    }

    #[test]
    fn an_undecided_transaction_decides_nothing_and_the_marker_comes_first() {
        let refused = || Outcome::Refused(None);
        let held = || Outcome::Held;
        assert_eq!(
            judge(&[refused(), Outcome::Undecided, held(), held(), held()]),
            None
        );
        assert_eq!(
            judge(&[refused(), refused(), held(), held(), held()]),
            Some(Issue::DecidedBefore)
        );
        assert_eq!(
            judge(&[held(), refused(), held(), held(), held()]),
            Some(Issue::Cancelled)
        );
        assert_eq!(
            judge(&[held(), held(), refused(), held(), held()]),
            Some(Issue::Forgotten)
        );
        assert_eq!(judge(&[held(), held(), held(), refused(), held()]), None);
        assert_eq!(judge(&[held(), held(), held(), held(), refused()]), None);
        assert_eq!(judge(&[]), None);
    }

    #[test]
    fn a_marker_without_a_mail_reads_back_with_its_reason() {
        let item: Item = with_thank_you(&contact("2026-12-25T00:00:00Z"), |thank_you| {
            let outcome = OrderOutcome::NoMail {
                reason: NoMail::NoConsent,
            };
            serde_dynamo::to_item(marker(thank_you.follow_up, outcome, thank_you.now)).unwrap()
        });
        let outcome = item["outcome"].as_m().unwrap();
        assert_eq!(outcome["reason"].as_s().unwrap(), "no-consent");
        let marker: OrderMarker = read(item).unwrap();
        assert_eq!(
            marker.outcome,
            OrderOutcome::NoMail {
                reason: NoMail::NoConsent
            }
        );
    }
}
