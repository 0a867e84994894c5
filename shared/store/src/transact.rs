//! Several writes that take place together or not at all.

use crate::attr::Item;
use crate::{Store, StoreError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{ConditionCheck, Delete, Put, TransactWriteItem, Update};
use std::collections::HashMap;

/// What became of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Written,
    /// Nothing was written: the conditions of the writes at these places did not hold.
    Refused(Vec<usize>),
}

impl Outcome {
    pub(crate) fn held(&self) -> bool {
        *self == Self::Written
    }
}

/// The writes, in order.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    items: Vec<TransactWriteItem>,
}

const UNBUILT: StoreError = StoreError::Corrupt("write");

impl Writes {
    pub(crate) fn put(&mut self, table: &str, item: Item) -> Result<&mut Self, StoreError> {
        self.put_when(table, item, None, Item::new())
    }

    /// A new item: refused if one with its key is there.
    pub(crate) fn create(&mut self, table: &str, item: Item) -> Result<&mut Self, StoreError> {
        self.put_when(table, item, Some("attribute_not_exists(pk)"), Item::new())
    }

    pub(crate) fn put_if(
        &mut self,
        table: &str,
        item: Item,
        condition: &str,
        values: Item,
    ) -> Result<&mut Self, StoreError> {
        self.put_when(table, item, Some(condition), values)
    }

    fn put_when(
        &mut self,
        table: &str,
        item: Item,
        condition: Option<&str>,
        values: Item,
    ) -> Result<&mut Self, StoreError> {
        let put = Put::builder()
            .table_name(table)
            .set_item(Some(item))
            .set_condition_expression(condition.map(str::to_owned))
            .set_expression_attribute_values(Some(values).filter(|values| !values.is_empty()));
        self.items.push(TransactWriteItem::builder().put(put.build().map_err(|_| UNBUILT)?).build());
        Ok(self)
    }

    /// A name with `#` stands for itself: some attributes are words of DynamoDB's own language.
    pub(crate) fn update(&mut self, update: Change) -> Result<&mut Self, StoreError> {
        let said = [Some(&update.expression), update.condition.as_ref()];
        let words = said.into_iter().flatten().flat_map(|text| text.split([' ', ',', '=', '(', ')']));
        let names: HashMap<_, _> =
            words.filter_map(|w| w.strip_prefix('#').map(|name| (w.to_owned(), name.to_owned()))).collect();
        let built = Update::builder()
            .table_name(update.table)
            .set_key(Some(update.key))
            .update_expression(update.expression)
            .set_condition_expression(update.condition)
            .set_expression_attribute_names(Some(names).filter(|names| !names.is_empty()))
            .set_expression_attribute_values(Some(update.values).filter(|values| !values.is_empty()))
            .build()
            .map_err(|_| UNBUILT)?;
        self.items.push(TransactWriteItem::builder().update(built).build());
        Ok(self)
    }

    pub(crate) fn delete(
        &mut self,
        table: &str,
        key: Item,
        condition: Option<(&str, Item)>,
    ) -> Result<&mut Self, StoreError> {
        let mut delete = Delete::builder().table_name(table).set_key(Some(key));
        if let Some((expression, values)) = condition {
            delete = delete.condition_expression(expression);
            if !values.is_empty() {
                delete = delete.set_expression_attribute_values(Some(values));
            }
        }
        let delete = delete.build().map_err(|_| UNBUILT)?;
        self.items.push(TransactWriteItem::builder().delete(delete).build());
        Ok(self)
    }

    /// Writes nothing itself: the others take place only if this holds of the item with this key, or of its absence.
    pub(crate) fn check(&mut self, table: &str, key: Item, condition: &str) -> Result<&mut Self, StoreError> {
        let check = ConditionCheck::builder().table_name(table).set_key(Some(key));
        let check = check.condition_expression(condition).build().map_err(|_| UNBUILT)?;
        self.items.push(TransactWriteItem::builder().condition_check(check).build());
        Ok(self)
    }
}

/// A change of one item.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) table: String,
    pub(crate) key: Item,
    pub(crate) expression: String,
    pub(crate) condition: Option<String>,
    pub(crate) values: Item,
}

impl Store {
    /// Writes all of `writes` or nothing.
    pub(crate) async fn transact(
        &self,
        operation: &'static str,
        writes: Writes,
    ) -> Result<Outcome, StoreError> {
        let sent = self.client.transact_write_items().set_transact_items(Some(writes.items)).send().await;
        let Err(error) = sent else { return Ok(Outcome::Written) };
        if let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) =
            error.as_service_error()
        {
            let reasons = cancelled.cancellation_reasons();
            let refused: Vec<usize> =
                (0..reasons.len()).filter(|&i| reasons[i].code() == Some("ConditionalCheckFailed")).collect();
            if !refused.is_empty() {
                return Ok(Outcome::Refused(refused));
            }
            if reasons.iter().any(|r| r.code() == Some("ThrottlingError")) {
                return Err(StoreError::Throttled { operation });
            }
            return Err(StoreError::Conflict { operation });
        }
        Err(StoreError::of(operation, &error))
    }
}
