//! The slots of workflows that limit how many of their runs are under way.

use super::head;
use crate::attr::{self, b, n, s};
use crate::{Store, StoreError, codec};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::run::{Slot, Slots};
use domain::{OrgKey, RunId};

/// All slots of a name are one item, in a partition of their own.
const SLOTS: &str = "slots";

fn slots_partition(org: &OrgKey, name: &str) -> String {
    format!("{}#slots_{name}", org.org())
}

impl Store {
    pub(super) async fn say_slot(&self, org: &OrgKey, run: &RunId, slot: &Slot) -> Result<bool, StoreError> {
        let update = self
            .update_head(org, run)
            .update_expression("SET sl = :of, sh = :held")
            .condition_expression("attribute_exists(pk) AND attribute_not_exists(fin)")
            .expression_attribute_values(":of", s(&slot.of))
            .expression_attribute_values(":held", AttributeValue::Bool(slot.held))
            .send()
            .await;
        head::condition_held("mark_slot", update)
    }

    pub(super) async fn read_slots(&self, org: &OrgKey, name: &str) -> Result<(Slots, u64), StoreError> {
        let got = self
            .client
            .get_item()
            .table_name(&self.tables.runs)
            .key("pk", s(slots_partition(org, name)))
            .key("sk", s(SLOTS))
            .consistent_read(true)
            .send()
            .await
            .map_err(|e| StoreError::of("slots", &e))?;
        let Some(item) = got.item else { return Ok((Slots::default(), 0)) };
        Ok((codec::unpack(attr::bytes(&item, "sl")?)?, attr::number(&item, "n")?))
    }

    /// An update and not a put: so that it needs no right that the functions do not have already.
    pub(super) async fn write_slots(
        &self,
        org: &OrgKey,
        name: &str,
        slots: &Slots,
        seen: u64,
    ) -> Result<bool, StoreError> {
        let mut request = self
            .client
            .update_item()
            .table_name(&self.tables.runs)
            .key("pk", s(slots_partition(org, name)))
            .key("sk", s(SLOTS))
            .update_expression("SET sl = :slots, n = :next, #ttl = :ttl")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":slots", b(codec::pack(slots)?))
            .expression_attribute_values(":next", n(seen + 1))
            .expression_attribute_values(":ttl", n(head::ttl(slots.until())));
        request = if seen == 0 {
            request.condition_expression("attribute_not_exists(pk)")
        } else {
            request.condition_expression("n = :seen").expression_attribute_values(":seen", n(seen))
        };
        head::condition_held("put_slots", request.send().await)
    }
}
