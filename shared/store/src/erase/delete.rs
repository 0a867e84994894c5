//! What every stage of an erasure does: look at a few items, and delete or change them.

use super::AT_ONCE;
use crate::attr::{self, Item, s};
use crate::{Store, StoreError};
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use futures::stream::{self, StreamExt, TryStreamExt};

impl Store {
    /// The items of a part of the index: the partition of each, and its place.
    pub(super) async fn listed(
        &self,
        lp: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, String)>, StoreError> {
        let got = self
            .client
            .query()
            .table_name(&self.tables.runs)
            .index_name(crate::tables::LIST_INDEX)
            .key_condition_expression("lp = :lp AND ls > :after")
            .expression_attribute_values(":lp", s(lp))
            .expression_attribute_values(":after", s(after.unwrap_or(" ")))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(|e| StoreError::of("listed", &e))?;
        let found = got.items.unwrap_or_default();
        found
            .iter()
            .map(|item| Ok((attr::text(item, "pk")?.to_owned(), attr::text(item, "ls")?.to_owned())))
            .collect()
    }

    /// The first items of a partition, with what they are found and judged by.
    pub(super) async fn first_of(
        &self,
        table: &str,
        pk: &str,
        limit: usize,
    ) -> Result<Vec<Item>, StoreError> {
        self.client
            .query()
            .table_name(table)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", s(pk))
            .projection_expression("pk, sk, run, sl, ts, dl, wk")
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .consistent_read(true)
            .send()
            .await
            .map(|got| got.items.unwrap_or_default())
            .map_err(|e| StoreError::of("first_of", &e))
    }

    /// Deletes the first items of a partition; whether there were any.
    pub(super) async fn erase_partition(
        &self,
        table: &str,
        pk: &str,
        most: usize,
    ) -> Result<bool, StoreError> {
        let items = self.first_of(table, pk, most).await?;
        let more = !items.is_empty();
        self.delete_all(table, items.iter().map(key_of).collect::<Result<_, _>>()?).await?;
        Ok(more)
    }

    pub(super) async fn delete_all(&self, table: &str, keys: Vec<Item>) -> Result<(), StoreError> {
        stream::iter(keys)
            .map(|key| async move {
                let delete = self.client.delete_item().table_name(table).set_key(Some(key));
                delete.send().await.map(drop).map_err(|e| StoreError::of("erase", &e))
            })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await
    }

    pub(super) async fn delete_if(&self, key: Item, condition: &str, values: Item) -> Result<(), StoreError> {
        let deleted = self
            .client
            .delete_item()
            .table_name(&self.tables.control)
            .set_key(Some(key))
            .condition_expression(condition)
            .set_expression_attribute_values(Some(values))
            .send()
            .await;
        match deleted {
            Ok(_) => Ok(()),
            Err(e)
                if e.as_service_error()
                    .is_some_and(DeleteItemError::is_conditional_check_failed_exception) =>
            {
                Ok(())
            }
            Err(e) => Err(StoreError::of("erase", &e)),
        }
    }

    /// Changes an item of the control table, unless the condition fails: then there is nothing to change.
    pub(super) async fn change_if(
        &self,
        key: Item,
        change: &str,
        condition: &str,
        values: Item,
    ) -> Result<(), StoreError> {
        let mut update = self
            .client
            .update_item()
            .table_name(&self.tables.control)
            .set_key(Some(key))
            .update_expression(change)
            .condition_expression(condition)
            .set_expression_attribute_values(Some(values).filter(|values| !values.is_empty()));
        if change.contains("#on") {
            update = update.expression_attribute_names("#on", "on");
        }
        match update.send().await {
            Ok(_) => Ok(()),
            Err(e)
                if e.as_service_error()
                    .is_some_and(UpdateItemError::is_conditional_check_failed_exception) =>
            {
                Ok(())
            }
            Err(e) => Err(StoreError::of("erase", &e)),
        }
    }
}

/// The key of an item.
pub(super) fn key_of(item: &Item) -> Result<Item, StoreError> {
    Ok(Item::from([
        ("pk".to_owned(), s(attr::text(item, "pk")?)),
        ("sk".to_owned(), s(attr::text(item, "sk")?)),
    ]))
}
