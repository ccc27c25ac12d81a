//! `TransactWriteItems` with every condition's outcome told apart.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Delete, Put,
    ReturnValuesOnConditionCheckFailure as ReturnValues, TransactWriteItem, Update,
};

use super::keys::Key;
use super::{Item, Store, StoreError};

/// Most actions one transaction holds. Source: `TransactWriteItems` in the DynamoDB API reference.
pub(super) const MAX_ACTIONS: usize = 100;

/// A condition (or update) with its `:values` and `#names`.
#[derive(Clone, Debug, Default)]
pub(super) struct Expression {
    pub(super) text: &'static str,
    pub(super) values: HashMap<String, AttributeValue>,
    pub(super) names: HashMap<String, String>,
}

impl Expression {
    pub(super) fn new(text: &'static str) -> Self {
        Self {
            text,
            ..Self::default()
        }
    }

    pub(super) fn value(mut self, name: &str, value: AttributeValue) -> Self {
        self.values.insert(name.to_owned(), value);
        self
    }

    pub(super) fn string(self, name: &str, value: impl Into<String>) -> Self {
        self.value(name, AttributeValue::S(value.into()))
    }

    pub(super) fn number(self, name: &str, value: impl ToString) -> Self {
        self.value(name, AttributeValue::N(value.to_string()))
    }

    pub(super) fn name(mut self, name: &str, attribute: &str) -> Self {
        self.names.insert(name.to_owned(), attribute.to_owned());
        self
    }

    fn values(&self) -> Option<HashMap<String, AttributeValue>> {
        (!self.values.is_empty()).then(|| self.values.clone())
    }

    fn names(&self) -> Option<HashMap<String, String>> {
        (!self.names.is_empty()).then(|| self.names.clone())
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
        let builder = TransactWriteItem::builder();
        let table = &self.table;
        let all_old = ReturnValues::AllOld;
        let built = match action {
            Action::PutNew(item) => {
                let put = Put::builder().table_name(table).set_item(Some(item));
                let put = put
                    .condition_expression("attribute_not_exists(pk)")
                    .return_values_on_condition_check_failure(all_old);
                builder.put(put.build().map_err(StoreError::unavailable)?)
            }
            Action::Put(item, condition) => {
                let put = Put::builder()
                    .table_name(table)
                    .set_item(Some(item))
                    .condition_expression(condition.text);
                let put = put
                    .set_expression_attribute_values(condition.values())
                    .set_expression_attribute_names(condition.names());
                builder.put(
                    put.return_values_on_condition_check_failure(all_old)
                        .build()
                        .map_err(StoreError::unavailable)?,
                )
            }
            Action::Update {
                key,
                update,
                condition,
            } => {
                let change = Update::builder()
                    .table_name(table)
                    .set_key(Some(key.attributes()))
                    .update_expression(update);
                let change = change
                    .condition_expression(condition.text)
                    .set_expression_attribute_values(condition.values());
                let change = change
                    .set_expression_attribute_names(condition.names())
                    .return_values_on_condition_check_failure(all_old);
                builder.update(change.build().map_err(StoreError::unavailable)?)
            }
            Action::Check(key, condition) => {
                let check = ConditionCheck::builder()
                    .table_name(table)
                    .set_key(Some(key.attributes()));
                let check = check
                    .condition_expression(condition.text)
                    .set_expression_attribute_values(condition.values());
                let check = check
                    .set_expression_attribute_names(condition.names())
                    .return_values_on_condition_check_failure(all_old);
                builder.condition_check(check.build().map_err(StoreError::unavailable)?)
            }
            Action::Delete(key, condition) => {
                let delete = Delete::builder()
                    .table_name(table)
                    .set_key(Some(key.attributes()));
                let delete = delete
                    .condition_expression(condition.text)
                    .set_expression_attribute_values(condition.values());
                let delete = delete
                    .set_expression_attribute_names(condition.names())
                    .return_values_on_condition_check_failure(all_old);
                builder.delete(delete.build().map_err(StoreError::unavailable)?)
            }
        };
        Ok(built.build())
    }
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
