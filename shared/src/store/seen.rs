//! What is known of an order: the events seen about it, and how each follow-up dealt with it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::transaction::{Action, Outcome};
use super::{OrderMarker, OrderOutcome, Store, StoreError, keys, read, write};
use crate::domain::identity::PersonHash;
use crate::domain::money::{Amount, Currency};
use crate::domain::order::{OrderEvent, OrderEventKind, OrderId, Source};
use crate::domain::outbox::OutboxMail;
use crate::domain::sales::Sold;

/// An event about an order. Of several of one kind, the first that was worked off; of its buyer only the keyed hash is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenEvent {
    /// What happened.
    pub kind: OrderEventKind,
    /// Who said so.
    pub source: Source,
    /// When it arrived.
    pub received_at: DateTime<Utc>,
    /// Whose order it is, if it was completed and had an address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<PersonHash>,
    /// What the event says the order came to, in minor units.
    #[serde(default)]
    pub total: Amount,
    /// In which currency, if the shop said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// Whether no other completed order of the buyer was known when it was seen, but for cancelled ones.
    #[serde(default)]
    pub first_order: bool,
    /// What a completed order sold, as far as the shop said so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub products: Vec<Sold>,
}

impl SeenEvent {
    /// An event of which it does not matter who the buyer is.
    pub(super) fn of(order: &OrderEvent, received_at: DateTime<Utc>) -> Self {
        Self {
            kind: order.kind,
            source: order.source.clone(),
            received_at,
            person: None,
            total: order.total,
            currency: order.currency,
            first_order: true,
            products: match order.kind {
                OrderEventKind::Completed => Sold::of(&order.lines),
                OrderEventKind::Cancelled | OrderEventKind::Refunded => Vec::new(),
            },
        }
    }
}

/// What is known of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderHistory {
    /// The events seen, in the order they arrived.
    pub events: Vec<SeenEvent>,
    /// How each follow-up dealt with it, and the mail it gave, if any.
    pub decisions: Vec<(OrderMarker, Option<OutboxMail>)>,
}

impl Store {
    /// Keeps that an event was seen, for a completed order with its buyer. The first of its kind stands and is answered, so a
    /// duplicate changes nothing.
    ///
    /// # Errors
    /// [`StoreError`] if it is not confirmed.
    pub async fn record_event(
        &self,
        order: &OrderEvent,
        buyer: Option<&PersonHash>,
        received_at: DateTime<Utc>,
    ) -> Result<SeenEvent, StoreError> {
        match (order.kind, buyer) {
            (OrderEventKind::Completed, Some(person)) => {
                self.record_completed(order, person, received_at).await
            }
            _ => self.record_alone(order, received_at).await,
        }
    }

    /// Keeps that an event was seen, without its buyer.
    pub(super) async fn record_alone(
        &self,
        order: &OrderEvent,
        received_at: DateTime<Utc>,
    ) -> Result<SeenEvent, StoreError> {
        let seen = SeenEvent::of(order, received_at);
        let item = write(&keys::order_event(&order.order_id, order.kind), &seen)?;
        match self.decide(&[Action::PutNew(item)]).await? {
            Ok(()) => Ok(seen),
            // It was seen before.
            Err(outcomes) => match outcomes.into_iter().next() {
                Some(Outcome::Refused(Some(item))) => read(item),
                _ => Ok(seen),
            },
        }
    }

    /// What is known of an order, strongly consistent; `None` for one that no event named.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn order_history(
        &self,
        order_id: &OrderId,
    ) -> Result<Option<OrderHistory>, StoreError> {
        let partition = keys::order_partition(order_id);
        let mut events: Vec<SeenEvent> = self.query_prefix(&partition, keys::EVENT_PREFIX).await?;
        events.sort_by_key(|event| event.received_at);
        let mut decisions = Vec::new();
        for marker in self.order_markers(order_id).await? {
            let mail = match &marker.outcome {
                OrderOutcome::Mail { mail_id, .. } => self.mail(mail_id).await?,
                OrderOutcome::NoMail { .. } => None,
            };
            decisions.push((marker, mail));
        }
        let known = !(events.is_empty() && decisions.is_empty());
        Ok(known.then_some(OrderHistory { events, decisions }))
    }
}
