//! What is counted of a buyer, by keyed hash: their completed orders, as far as it matters which was the first, and their
//! places under each follow-up that limits how often a buyer is thanked.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::keys::Key;
use super::transaction::{Action, Expression, Outcome, TransactError};
use super::{SeenEvent, Store, StoreError, keys, read, retry, write};
use crate::domain::follow_up::{FollowUp, FollowUpId, Places};
use crate::domain::identity::PersonHash;
use crate::domain::order::{OrderEvent, OrderId};
use crate::domain::thank_you::NoMail;

/// Orders of a buyer that are remembered, the first ones: a later one only becomes the first after all of these were cancelled.
const MAX_ORDERS: usize = 20;

/// A buyer's completed orders in the order in which they were seen, without the cancelled ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Orders {
    version: u64,
    ids: Vec<OrderId>,
}

impl Orders {
    fn next(&self, ids: Vec<OrderId>) -> Self {
        Self {
            version: self.version.saturating_add(1),
            ids,
        }
    }
}

impl Store {
    /// Keeps that a completed order was seen, and whether its buyer's first one, in one transaction with the list of their orders.
    /// What was kept first stands.
    pub(super) async fn record_completed(
        &self,
        order: &OrderEvent,
        person: &PersonHash,
        received_at: DateTime<Utc>,
    ) -> Result<SeenEvent, StoreError> {
        let mut attempts = retry::Attempts::new();
        loop {
            let list: Option<Orders> = self.get(&keys::buyer_orders(person)).await?;
            let earlier = list.as_ref().and_then(|list| list.ids.first());
            let seen = SeenEvent {
                person: Some(person.clone()),
                first_order: earlier.is_none_or(|first| *first == order.order_id),
                ..SeenEvent::of(order, received_at)
            };
            let event = write(&keys::order_event(&order.order_id, order.kind), &seen)?;
            let mut actions = vec![
                Action::PutNew(event),
                Action::Check(
                    keys::tombstone(&order.order_id),
                    Expression::new("attribute_not_exists(pk)"),
                ),
                Action::Check(
                    keys::suppression(person),
                    Expression::new("attribute_not_exists(forgotten_at)"),
                ),
            ];
            actions.extend(joining(person, list.as_ref(), &order.order_id)?);
            match self.transact(actions).await {
                Ok(()) => return Ok(seen),
                Err(TransactError::Store(error @ StoreError::Corrupt(_))) => return Err(error),
                Err(TransactError::Cancelled(outcomes))
                    if !outcomes.contains(&Outcome::Undecided) =>
                {
                    let mut outcomes = outcomes.into_iter();
                    match (outcomes.next(), outcomes.next(), outcomes.next()) {
                        (Some(Outcome::Refused(Some(item))), ..) => return read(item),
                        // A cancelled order is nobody's first, and has no part in what others are; nor is anything counted of
                        // who was forgotten.
                        (_, Some(Outcome::Refused(_)), _) | (.., Some(Outcome::Refused(_))) => {
                            return self.record_alone(order, received_at).await;
                        }
                        // Another order of theirs came in between.
                        _ => {}
                    }
                }
                Err(TransactError::Cancelled(_) | TransactError::Store(_)) => {}
            }
            attempts.pause().await?;
        }
    }

    /// Takes a cancelled order off the list of its buyer's orders. Doing it again changes nothing.
    pub(super) async fn leave_orders(
        &self,
        person: &PersonHash,
        order_id: &OrderId,
    ) -> Result<(), StoreError> {
        let key = keys::buyer_orders(person);
        let mut attempts = retry::Attempts::new();
        loop {
            let Some(list) = self.get::<Orders>(&key).await? else {
                return Ok(());
            };
            let mut ids = list.ids.clone();
            ids.retain(|id| id != order_id);
            if ids.len() == list.ids.len() {
                return Ok(());
            }
            let item = write(&key, &list.next(ids))?;
            let put = Action::put_as_seen(item, "version", Some(list.version));
            if self.decide(&[put]).await?.is_ok() {
                return Ok(());
            }
            attempts.pause().await?;
        }
    }

    /// The write by which an order takes a place under a follow-up that limits its buyers (none under one that does not), or why
    /// it gets none. To be part of the transaction that thanks the buyer.
    pub(super) async fn taking_a_place(
        &self,
        follow_up: &FollowUp,
        person: &PersonHash,
        order_id: &OrderId,
        received_at: DateTime<Utc>,
    ) -> Result<Result<Option<Action>, NoMail>, StoreError> {
        let conditions = &follow_up.terms.conditions;
        if !conditions.limit_buyers() {
            return Ok(Ok(None));
        }
        let key = keys::places(person, &follow_up.id);
        let known: Option<Places> = self.get(&key).await?;
        let places = known.clone().unwrap_or_default();
        match places.take(order_id, received_at, conditions) {
            Err(reason) => Ok(Err(reason)),
            Ok(next) => Ok(Ok(Some(put(&key, &next, known.as_ref())?))),
        }
    }

    /// The write by which a cancelled order gives its place back, if it has one.
    pub(super) async fn giving_back_a_place(
        &self,
        follow_up: &FollowUpId,
        person: &PersonHash,
        order_id: &OrderId,
    ) -> Result<Option<Action>, StoreError> {
        let key = keys::places(person, follow_up);
        let known: Option<Places> = self.get(&key).await?;
        let next = known.as_ref().and_then(|known| known.give_back(order_id));
        next.map(|next| put(&key, &next, known.as_ref()))
            .transpose()
    }

    /// Gives back the place of a cancelled order whose buyer was held out. Doing it again changes nothing.
    pub(super) async fn give_back_place(
        &self,
        follow_up: &FollowUpId,
        person: &PersonHash,
        order_id: &OrderId,
    ) -> Result<(), StoreError> {
        let mut attempts = retry::Attempts::new();
        loop {
            let give_back = self
                .giving_back_a_place(follow_up, person, order_id)
                .await?;
            let Some(action) = give_back else {
                return Ok(());
            };
            if self.decide(&[action]).await?.is_ok() {
                return Ok(());
            }
            attempts.pause().await?;
        }
    }
}

/// The write by which an order joins its buyer's list; none if it is there or the list is full.
fn joining(
    person: &PersonHash,
    list: Option<&Orders>,
    order_id: &OrderId,
) -> Result<Option<Action>, StoreError> {
    let key = keys::buyer_orders(person);
    let known = list.cloned().unwrap_or_default();
    if known.ids.contains(order_id) || known.ids.len() >= MAX_ORDERS {
        return Ok(None);
    }
    let item = write(
        &key,
        &known.next([known.ids.as_slice(), std::slice::from_ref(order_id)].concat()),
    )?;
    let seen = list.map(|list| list.version);
    Ok(Some(Action::put_as_seen(item, "version", seen)))
}

fn put(key: &Key, next: &Places, known: Option<&Places>) -> Result<Action, StoreError> {
    let item = write(key, next)?;
    let seen = known.map(|known| known.version);
    Ok(Action::put_as_seen(item, "version", seen))
}
