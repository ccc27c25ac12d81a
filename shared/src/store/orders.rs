//! What became of an order: one marker for each follow-up that dealt with it, and a tombstone once it was cancelled.
//!
//! A marker is written once and never changed; it is what makes an order earn at most one code and one mail per follow-up,
//! however often and in whatever order its events arrive. Markers and tombstones stay for good.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::outbox::{MARK_ENDED, ended};
use super::transaction::{Action, Expression, TransactError};
use super::{CodeItem, CodeState, Item, SeenEvent, Store, StoreError, keys, retry, write};
use crate::domain::code::{PromotionId, Serial};
use crate::domain::follow_up::{FollowUp, FollowUpId};
use crate::domain::identity::PersonHash;
use crate::domain::order::{OrderEventKind, OrderId};
use crate::domain::outbox::{MailId, MailState, OutboxMail};
use crate::domain::thank_you::NoMail;

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
    /// The arm the buyer fell into: a variant's name or `holdout`. None if the order did not meet the conditions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arm: Option<String>,
    /// Who fell into it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<PersonHash>,
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

impl Store {
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
        let marker = marker(follow_up, outcome, now);
        let item = write(&keys::order_marker(order_id, &follow_up.id), &marker)?;
        self.put_once(item).await
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
            match (&marker.outcome, &marker.person) {
                (OrderOutcome::Mail { .. }, _) => self.take_back(order_id, &marker, now).await?,
                (OrderOutcome::NoMail { .. }, Some(person)) => {
                    self.give_back_place(&marker.follow_up_id, person, order_id)
                        .await?;
                }
                (OrderOutcome::NoMail { .. }, None) => {}
            }
        }
        let completed = keys::order_event(order_id, OrderEventKind::Completed);
        let seen: Option<SeenEvent> = self.get(&completed).await?;
        match seen.and_then(|seen| seen.person) {
            Some(person) => self.leave_orders(&person, order_id).await,
            None => Ok(()),
        }
    }

    /// That the order was cancelled or refunded, strongly consistent, if it was.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn tombstone(&self, order_id: &OrderId) -> Result<Option<Tombstone>, StoreError> {
        self.get(&keys::tombstone(order_id)).await
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
    pub(super) async fn put_once(&self, item: Item) -> Result<(), StoreError> {
        self.decide(&[Action::PutNew(item)]).await.map(|_| ())
    }

    /// Withdraws a mail that is still due and gives its place back, withdraws its reminder, and voids their code if unused, all
    /// together.
    async fn take_back(
        &self,
        order_id: &OrderId,
        marker: &OrderMarker,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let OrderOutcome::Mail {
            mail_id,
            promotion_id,
            serial,
        } = &marker.outcome
        else {
            return Ok(());
        };
        let is_due = |mail: &OutboxMail| mail.state == MailState::Due;
        let mut attempts = retry::Attempts::new();
        loop {
            let mail: Option<OutboxMail> = self.get(&keys::mail(mail_id)).await?;
            let code: Option<CodeItem> = self.get(&keys::code(promotion_id, *serial)).await?;
            let reminder: Option<OutboxMail> =
                match mail.as_ref().and_then(|mail| mail.reminder.as_ref()) {
                    None => None,
                    Some(id) => self.get(&keys::mail(id)).await?,
                };
            let mut actions = Vec::new();
            if mail.as_ref().is_some_and(is_due) {
                actions.push(withdrawal(mail_id, now)?);
                if let Some(person) = &marker.person {
                    let place = self
                        .giving_back_a_place(&marker.follow_up_id, person, order_id)
                        .await?;
                    actions.extend(place);
                }
            }
            if let Some(reminder) = reminder.filter(is_due) {
                actions.push(withdrawal(&reminder.id, now)?);
            }
            if code.is_some_and(|code| code.state == CodeState::Unused) {
                actions.push(voiding(promotion_id, *serial));
            }
            if actions.is_empty() {
                return Ok(());
            }
            match self.transact(actions).await {
                Ok(()) => return Ok(()),
                Err(TransactError::Store(error)) => return Err(error),
                // Something of it has moved on: look again.
                Err(TransactError::Cancelled(_)) => attempts.pause().await?,
            }
        }
    }
}

/// How a follow-up dealt with an order.
pub(super) fn marker(
    follow_up: &FollowUp,
    outcome: OrderOutcome,
    now: DateTime<Utc>,
) -> OrderMarker {
    OrderMarker {
        follow_up_id: follow_up.id.clone(),
        follow_up_version: follow_up.version,
        decided_at: now,
        outcome,
        arm: None,
        person: None,
    }
}

fn withdrawal(mail_id: &MailId, now: DateTime<Utc>) -> Result<Action, StoreError> {
    let due = Expression::new("#state = :due").string(":due", "due");
    Ok(Action::Update {
        key: keys::mail(mail_id),
        update: MARK_ENDED,
        condition: ended(due, MailState::Withdrawn, "cancelled", now)?,
    })
}

pub(super) fn voiding(promotion_id: &PromotionId, serial: Serial) -> Action {
    Action::Update {
        key: keys::code(promotion_id, serial),
        update: "SET #state = :voided",
        condition: Expression::new("#state = :unused")
            .name("#state", "state")
            .string(":unused", "unused")
            .string(":voided", "voided"),
    }
}
