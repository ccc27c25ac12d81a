//! What became of an order: one marker for each follow-up that dealt with it, and a tombstone once it was cancelled.
//!
//! A marker is written once and never changed; it is what makes an order earn at most one code and one mail per follow-up,
//! however often and in whatever order its events arrive. Markers and tombstones stay for good.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::transaction::{Action, Expression, Outcome, TransactError};
use super::{CodeItem, CodeState, Item, Store, StoreError, due, keys, retry, schema, write};
use crate::domain::channel::Channel;
use crate::domain::code::{PromotionId, Serial};
use crate::domain::follow_up::{FollowUp, FollowUpId, Variant};
use crate::domain::identity::PersonHash;
use crate::domain::order::{OrderEventKind, OrderId};
use crate::domain::outbox::{Contact, MailId, MailState, OutboxMail};
use crate::domain::thank_you::{NoMail, Schedule};

/// How a follow-up dealt with an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderMarker {
    /// The follow-up …
    pub follow_up_id: FollowUpId,
    /// … and its version at the time.
    pub follow_up_version: u64,
    /// When it decided.
    pub decided_at: DateTime<Utc>,
    /// What it decided.
    pub outcome: OrderOutcome,
}

/// What a follow-up decided about an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum OrderOutcome {
    /// A code was issued and its mail queued.
    Mail {
        /// The mail in the outbox; what became of it stands there.
        mail_id: MailId,
        /// The promotion of its code.
        promotion_id: PromotionId,
        /// The code's serial.
        serial: Serial,
    },
    /// There is no mail.
    NoMail {
        /// Why not.
        reason: NoMail,
    },
}

/// That an order was cancelled or refunded: from then on it earns nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// Which of the two came first.
    pub kind: OrderEventKind,
    /// When we learnt of it.
    pub at: DateTime<Utc>,
}

/// A thank-you to be issued.
#[derive(Clone, Debug)]
pub struct ThankYou<'a> {
    /// The order that earned it.
    pub order_id: &'a OrderId,
    /// The follow-up under which it did.
    pub follow_up: &'a FollowUp,
    /// The arm the buyer fell into.
    pub variant: &'a Variant,
    /// The buyer.
    pub person: &'a PersonHash,
    /// How to reach them; kept at least until its `forget_at`.
    pub contact: &'a Contact,
    /// When the mail is due and the code ends.
    pub schedule: Schedule,
    /// The present.
    pub now: DateTime<Utc>,
}

/// What became of a thank-you.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Issue {
    /// Code and mail are in the table.
    Issued,
    /// The follow-up had dealt with the order before (possibly by an earlier try whose answer was lost).
    DecidedBefore,
    /// The order was cancelled.
    Cancelled,
}

/// Places of the actions in the transaction of [`Store::issue_thank_you`] whose refusal ends it.
const MARKER: usize = 0;
const TOMBSTONE: usize = 1;

impl Store {
    /// Issues a code and queues its mail, unless the follow-up has dealt with the order or the order was cancelled: one
    /// transaction, all or nothing.
    ///
    /// # Errors
    /// [`StoreError`] if it is not confirmed; trying again never issues a second code.
    pub async fn issue_thank_you(&self, thank_you: &ThankYou<'_>) -> Result<Issue, StoreError> {
        let mut attempts = retry::Attempts::new();
        loop {
            let known: Option<Contact> = self.get(&keys::contact(thank_you.person)).await?;
            let ids = MailIds::new(thank_you);
            let actions =
                issue_actions(thank_you, &ids, Serial::random_thank_you(), known.as_ref())?;
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

    /// Records that a follow-up gives an order no mail, unless it has dealt with it before.
    ///
    /// # Errors
    /// [`StoreError`] if it is not confirmed.
    pub async fn record_no_mail(
        &self,
        order_id: &OrderId,
        follow_up: &FollowUp,
        reason: NoMail,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let outcome = OrderOutcome::NoMail { reason };
        let marker = marker_item(order_id, follow_up, outcome, now)?;
        self.put_once(marker).await
    }

    /// Marks an order as cancelled and takes back what it earned: mails not yet sent are withdrawn, unused codes voided.
    /// A mail that is being sent is left to its sender, whose claim looks at the tombstone. Doing it again changes nothing.
    ///
    /// # Errors
    /// [`StoreError`] if any part is not confirmed; doing it again completes it.
    pub async fn cancel_order(
        &self,
        order_id: &OrderId,
        kind: OrderEventKind,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let tombstone = Tombstone { kind, at: now };
        let tombstone = write(&keys::tombstone(order_id), &tombstone)?;
        self.put_once(tombstone).await?;
        // Whatever is issued after the tombstone fails its check, so this strongly consistent read sees all there is.
        for marker in self.order_markers(order_id).await? {
            if let OrderOutcome::Mail {
                mail_id,
                promotion_id,
                serial,
            } = marker.outcome
            {
                self.take_back(&mail_id, &promotion_id, serial).await?;
            }
        }
        Ok(())
    }

    /// How each follow-up dealt with an order, strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn order_markers(&self, order_id: &OrderId) -> Result<Vec<OrderMarker>, StoreError> {
        self.query_prefix(&keys::order_partition(order_id), keys::MARKER_PREFIX)
            .await
    }

    /// Puts an item that can only be there if the same thing happened before.
    async fn put_once(&self, item: Item) -> Result<(), StoreError> {
        self.decide(&[Action::PutNew(item)]).await.map(|_| ())
    }

    /// Withdraws a mail and its reminder, each if it is still due, and voids their code if unused, together.
    async fn take_back(
        &self,
        mail_id: &MailId,
        promotion_id: &PromotionId,
        serial: Serial,
    ) -> Result<(), StoreError> {
        let mut attempts = retry::Attempts::new();
        loop {
            let mail: Option<OutboxMail> = self.get(&keys::mail(mail_id)).await?;
            let code: Option<CodeItem> = self.get(&keys::code(promotion_id, serial)).await?;
            let reminder_id = mail.as_ref().and_then(|mail| mail.reminder.clone());
            let reminder: Option<OutboxMail> = match &reminder_id {
                None => None,
                Some(id) => self.get(&keys::mail(id)).await?,
            };
            let mails = [mail, reminder].into_iter().flatten();
            let mut actions: Vec<Action> = mails
                .filter(|mail| mail.state == MailState::Due)
                .map(|mail| withdrawal(&mail.id))
                .collect();
            if code.is_some_and(|code| code.state == CodeState::Unused) {
                actions.push(voiding(promotion_id, serial));
            }
            if actions.is_empty() {
                return Ok(());
            }
            match self.transact(actions).await {
                Ok(()) => return Ok(()),
                Err(TransactError::Store(error)) => return Err(error),
                // One of the two has moved on: look again.
                Err(TransactError::Cancelled(_)) => attempts.pause().await?,
            }
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
    fn new(thank_you: &ThankYou<'_>) -> Self {
        let before = thank_you.follow_up.terms.reminder_before_expiry;
        let due_at = before.and_then(|before| thank_you.schedule.reminder_at(before));
        Self {
            mail: MailId::random(),
            reminder: due_at.map(|due_at| (MailId::random(), due_at)),
        }
    }
}

fn issue_actions(
    thank_you: &ThankYou<'_>,
    ids: &MailIds,
    serial: Serial,
    known: Option<&Contact>,
) -> Result<Vec<Action>, StoreError> {
    let promotion_id = &thank_you.variant.promotion_id;
    let outcome = OrderOutcome::Mail {
        mail_id: ids.mail.clone(),
        promotion_id: promotion_id.clone(),
        serial,
    };
    let marker = marker_item(
        thank_you.order_id,
        thank_you.follow_up,
        outcome,
        thank_you.now,
    )?;
    let not_cancelled = Expression::new("attribute_not_exists(pk)");
    let mail = mail(thank_you, ids, serial);
    let mut actions = vec![
        Action::PutNew(marker),
        Action::Check(keys::tombstone(thank_you.order_id), not_cancelled),
        Action::PutNew(write(
            &keys::code(promotion_id, serial),
            &code(thank_you, serial),
        )?),
        Action::PutNew(mail_item(&mail)?),
        contact_action(thank_you, ids, known)?,
    ];
    if let Some((id, due_at)) = &ids.reminder {
        actions.push(Action::PutNew(mail_item(&OutboxMail {
            id: id.clone(),
            due_at: *due_at,
            reminder: None,
            reminder_of: Some(mail.id.clone()),
            ..mail
        })?));
    }
    Ok(actions)
}

fn marker_item(
    order_id: &OrderId,
    follow_up: &FollowUp,
    outcome: OrderOutcome,
    now: DateTime<Utc>,
) -> Result<Item, StoreError> {
    let marker = OrderMarker {
        follow_up_id: follow_up.id.clone(),
        follow_up_version: follow_up.version,
        decided_at: now,
        outcome,
    };
    write(&keys::order_marker(order_id, &follow_up.id), &marker)
}

fn code(thank_you: &ThankYou<'_>, serial: Serial) -> CodeItem {
    CodeItem {
        serial,
        state: CodeState::Unused,
        order_id: None,
        redeemed_at: None,
        held_until_ms: None,
        channel: Some(Channel::thank_you(&thank_you.variant.name)),
        expires_ms: Some(thank_you.schedule.code_expires_at.timestamp_millis()),
        bound_to: Vec::new(),
        issued_to: Some(thank_you.person.clone()),
        earned_by: Some(thank_you.order_id.clone()),
    }
}

fn mail(thank_you: &ThankYou<'_>, ids: &MailIds, serial: Serial) -> OutboxMail {
    OutboxMail {
        id: ids.mail.clone(),
        state: MailState::Due,
        follow_up_id: thank_you.follow_up.id.clone(),
        follow_up_version: thank_you.follow_up.version,
        variant: thank_you.variant.name.clone(),
        order_id: thank_you.order_id.clone(),
        person: thank_you.person.clone(),
        promotion_id: thank_you.variant.promotion_id.clone(),
        serial,
        code_expires_at: thank_you.schedule.code_expires_at,
        due_at: thank_you.schedule.due_at,
        created_at: thank_you.now,
        attempt: 0,
        lease_until: None,
        mailed_at: None,
        message_id: None,
        reason: None,
        duplicate_risk: false,
        reminder: ids.reminder.as_ref().map(|(id, _)| id.clone()),
        reminder_of: None,
    }
}

fn mail_item(mail: &OutboxMail) -> Result<Item, StoreError> {
    let mut item = write(&keys::mail(&mail.id), mail)?;
    due::add(&mut item, &mail.id, mail.due_at);
    Ok(item)
}

/// Keeps the newest address, for the longest of the times asked for. Where there is an item, the write rests on its time not
/// having moved since it was read.
fn contact_action(
    thank_you: &ThankYou<'_>,
    ids: &MailIds,
    known: Option<&Contact>,
) -> Result<Action, StoreError> {
    let mut kept_until = thank_you.contact.forget_at;
    if let Some((_, due_at)) = &ids.reminder {
        kept_until = kept_until.max(thank_you.schedule.forget_after(*due_at));
    }
    if let Some(known) = known {
        kept_until = kept_until.max(known.forget_at);
    }
    let contact = Contact {
        forget_at: kept_until,
        ..thank_you.contact.clone()
    };
    let mut item = write(&keys::contact(thank_you.person), &contact)?;
    schema::set_ttl(&mut item, kept_until);
    let Some(known) = known else {
        return Ok(Action::PutNew(item));
    };
    let seen = serde_dynamo::to_attribute_value(known.forget_at)
        .map_err(|error| StoreError::Corrupt(error.to_string()))?;
    Ok(Action::Put(
        item,
        Expression::new("forget_at = :seen").value(":seen", seen),
    ))
}

fn withdrawal(mail_id: &MailId) -> Action {
    Action::Update {
        key: keys::mail(mail_id),
        update: "SET #state = :withdrawn, #reason = :reason REMOVE due_shard, due_ms",
        condition: Expression::new("#state = :due")
            .name("#state", "state")
            .name("#reason", "reason")
            .string(":due", "due")
            .string(":withdrawn", "withdrawn")
            .string(":reason", "cancelled"),
    }
}

fn voiding(promotion_id: &PromotionId, serial: Serial) -> Action {
    Action::Update {
        key: keys::code(promotion_id, serial),
        update: "SET #state = :voided",
        condition: Expression::new("#state = :unused")
            .name("#state", "state")
            .string(":unused", "unused")
            .string(":voided", "voided"),
    }
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;

    use super::super::read;
    use super::*;
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
            terms: terms.unwrap(),
        };
        let now = at("2026-11-22T03:04:05Z");
        let delay = "P3D".parse().unwrap();
        then(&ThankYou {
            order_id: &OrderId::try_from("1001".to_owned()).unwrap(),
            follow_up: &follow_up,
            variant: &follow_up.terms.variants[0],
            person: &IdentityKey::from_secret(b"secret").person(&contact.email),
            contact,
            schedule: Schedule::plan(now, delay, 30, Tz::Asia__Tokyo).unwrap(),
            now,
        })
    }

    fn actions(known: Option<&Contact>, contact: &Contact) -> Vec<Action> {
        with_thank_you(contact, |thank_you| {
            issue_actions(
                thank_you,
                &MailIds::new(thank_you),
                Serial::random_thank_you(),
                known,
            )
            .unwrap()
        })
    }

    #[test]
    fn one_transaction_holds_marker_tombstone_check_code_mail_and_contact() {
        let actions = actions(None, &contact("2026-12-25T03:04:05Z"));
        let [
            Action::PutNew(marker),
            Action::Check(tombstone, _),
            Action::PutNew(code),
            Action::PutNew(mail),
            Action::PutNew(contact),
        ] = &actions[..]
        else {
            panic!("{actions:?}");
        };
        assert_eq!(tombstone.sk, "tombstone");
        let marker: OrderMarker = read(marker.clone()).unwrap();
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
            let Some(Action::Put(item, condition)) = actions.last() else {
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
        assert_eq!(judge(&[held(), held(), refused(), held(), held()]), None);
        assert_eq!(judge(&[held(), held(), held(), held(), refused()]), None);
        assert_eq!(judge(&[]), None);
    }

    #[test]
    fn a_marker_without_a_mail_reads_back_with_its_reason() {
        let item = with_thank_you(&contact("2026-12-25T00:00:00Z"), |thank_you| {
            let outcome = OrderOutcome::NoMail {
                reason: NoMail::NoConsent,
            };
            marker_item(
                thank_you.order_id,
                thank_you.follow_up,
                outcome,
                thank_you.now,
            )
            .unwrap()
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
