//! `TransactWriteItems` with every condition's outcome told apart.

use std::borrow::Cow;
use std::collections::HashMap;

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Delete, Put,
    ReturnValuesOnConditionCheckFailure as ReturnValues, TransactWriteItem, Update,
};

use super::keys::Key;
use super::{Item, Store, StoreError};

/// A condition (or update) with its `:values` and `#names`.
#[derive(Clone, Debug, Default)]
pub(super) struct Expression {
    pub(super) text: Cow<'static, str>,
    pub(super) values: HashMap<String, AttributeValue>,
    pub(super) names: HashMap<String, String>,
}

impl Expression {
    pub(super) fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }

    /// The expression with more of its text.
    pub(super) fn and_text(mut self, more: &str) -> Self {
        self.text.to_mut().push_str(more);
        self
    }

    pub(super) fn value(mut self, name: &str, value: AttributeValue) -> Self {
        self.values.insert(name.to_owned(), value);
        self
    }

    pub(super) fn string(self, name: &str, value: impl Into<String>) -> Self {
        self.value(name, AttributeValue::S(value.into()))
    }

    pub(super) fn number(self, name: &str, value: impl std::fmt::Display) -> Self {
        self.value(name, AttributeValue::N(format!("{value}")))
    }

    pub(super) fn name(mut self, name: &str, attribute: &str) -> Self {
        self.names.insert(name.to_owned(), attribute.to_owned());
        self
    }
}

/// One write of a transaction, always under a condition, always asking for the item that failed it.
#[derive(Clone, Debug)]
pub(super) enum Action {
    /// Put an item that must not exist yet.
    PutNew(Item),
    /// Put an item under a condition.
    Put(Item, Expression),
    /// Update under a condition; both share values and names.
    Update {
        key: Key,
        update: &'static str,
        condition: Expression,
    },
    /// Write nothing, but fail unless the condition holds.
    Check(Key, Expression),
    /// Delete under a condition.
    Delete(Key, Expression),
}

impl Action {
    /// Puts an item that nobody has put yet, or whose `counter`, which grows with each write, is as it was `seen`.
    pub(super) fn put_as_seen(
        item: Item,
        counter: &str,
        seen: Option<impl std::fmt::Display>,
    ) -> Self {
        match seen {
            None => Self::PutNew(item),
            Some(seen) => Self::Put(
                item,
                Expression::new(format!("{counter} = :seen")).number(":seen", seen),
            ),
        }
    }
}

/// What became of one action of a cancelled transaction.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    /// It did not fail itself.
    Held,
    /// Its condition failed; the item as it stood, if there was one.
    Refused(Option<Item>),
    /// Another transaction was at the same item, or the table was throttled, or a reason this version does not know:
    /// nothing is decided.
    Undecided,
}

/// Why a transaction was not applied, or may not have been.
#[derive(Debug)]
pub(super) enum TransactError {
    /// Not applied: one outcome per action, in order.
    Cancelled(Vec<Outcome>),
    /// Unknown whether applied.
    Store(StoreError),
}

impl From<StoreError> for TransactError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Store {
    /// Applies all actions or none.
    pub(super) async fn transact(&self, actions: Vec<Action>) -> Result<(), TransactError> {
        let items: Result<Vec<_>, StoreError> = actions
            .into_iter()
            .map(|action| self.item(action))
            .collect();
        let sent = self
            .client
            .transact_write_items()
            .set_transact_items(Some(items?))
            .send()
            .await;
        let Err(error) = sent else { return Ok(()) };
        match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                let reasons = cancelled
                    .cancellation_reasons()
                    .iter()
                    .map(outcome)
                    .collect();
                Err(TransactError::Cancelled(reasons))
            }
            _ => Err(TransactError::Store(StoreError::unavailable(error))),
        }
    }

    fn item(&self, action: Action) -> Result<TransactWriteItem, StoreError> {
        let built = TransactWriteItem::builder();
        let built = match action {
            Action::PutNew(item) => {
                built.put(self.put(item, Expression::new("attribute_not_exists(pk)"))?)
            }
            Action::Put(item, condition) => built.put(self.put(item, condition)?),
            Action::Update {
                key,
                update,
                condition,
            } => built.update(self.update(&key, update, condition)?),
            Action::Check(key, condition) => built.condition_check(self.check(&key, condition)?),
            Action::Delete(key, condition) => built.delete(self.delete(&key, condition)?),
        };
        Ok(built.build())
    }

    fn put(&self, item: Item, condition: Expression) -> Result<Put, StoreError> {
        Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression(condition.text)
            .set_expression_attribute_values(given(condition.values))
            .set_expression_attribute_names(given(condition.names))
            .return_values_on_condition_check_failure(ReturnValues::AllOld)
            .build()
            .map_err(StoreError::unavailable)
    }

    fn update(&self, key: &Key, update: &str, condition: Expression) -> Result<Update, StoreError> {
        Update::builder()
            .table_name(&self.table)
            .set_key(Some(key.attributes()))
            .update_expression(update)
            .condition_expression(condition.text)
            .set_expression_attribute_values(given(condition.values))
            .set_expression_attribute_names(given(condition.names))
            .return_values_on_condition_check_failure(ReturnValues::AllOld)
            .build()
            .map_err(StoreError::unavailable)
    }

    fn check(&self, key: &Key, condition: Expression) -> Result<ConditionCheck, StoreError> {
        ConditionCheck::builder()
            .table_name(&self.table)
            .set_key(Some(key.attributes()))
            .condition_expression(condition.text)
            .set_expression_attribute_values(given(condition.values))
            .set_expression_attribute_names(given(condition.names))
            .return_values_on_condition_check_failure(ReturnValues::AllOld)
            .build()
            .map_err(StoreError::unavailable)
    }

    fn delete(&self, key: &Key, condition: Expression) -> Result<Delete, StoreError> {
        Delete::builder()
            .table_name(&self.table)
            .set_key(Some(key.attributes()))
            .condition_expression(condition.text)
            .set_expression_attribute_values(given(condition.values))
            .set_expression_attribute_names(given(condition.names))
            .return_values_on_condition_check_failure(ReturnValues::AllOld)
            .build()
            .map_err(StoreError::unavailable)
    }
}

/// What DynamoDB takes for names or values: it refuses none given.
fn given<V>(named: HashMap<String, V>) -> Option<HashMap<String, V>> {
    (!named.is_empty()).then_some(named)
}

fn outcome(reason: &aws_sdk_dynamodb::types::CancellationReason) -> Outcome {
    match reason.code() {
        None | Some("None") => Outcome::Held,
        Some("ConditionalCheckFailed") => {
            Outcome::Refused(reason.item.clone().filter(|item| !item.is_empty()))
        }
        Some(_) => Outcome::Undecided,
    }
}
