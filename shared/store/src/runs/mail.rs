//! Answers to steps that wait for one, and the sets of strands that have ended.

use super::{head, partition};
use crate::attr::{self, b, n, s};
use crate::{Store, StoreError, codec};
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure as OnFailure,
};
use domain::OrgKey;
use domain::run::{Head, Mail};
use std::collections::BTreeSet;

pub(super) fn sort(path: &str) -> String {
    format!("m#{path}")
}

impl Store {
    /// An update and not a put: so that it needs no right that the functions do not have already.
    pub(super) async fn deliver_mail(
        &self,
        org: &OrgKey,
        head: &Head,
        path: &str,
        mail: &Mail,
    ) -> Result<Mail, StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.tables.runs)
            .key("pk", s(partition(org, &head.id)))
            .key("sk", s(sort(path)))
            .update_expression("SET m = :mail, #ttl = :ttl")
            .expression_attribute_names("#ttl", "ttl")
            .condition_expression("attribute_not_exists(pk)")
            .expression_attribute_values(":mail", b(codec::pack(mail)?))
            .expression_attribute_values(":ttl", n(head::ttl(head.deadline)))
            .return_values_on_condition_check_failure(OnFailure::AllOld)
            .send()
            .await;
        match update {
            Ok(_) => Ok(mail.clone()),
            Err(SdkError::ServiceError(e)) => match e.into_err() {
                UpdateItemError::ConditionalCheckFailedException(failed) => {
                    codec::unpack(attr::bytes(&failed.item.ok_or(StoreError::Corrupt("m"))?, "m")?)
                }
                other => Err(StoreError::of::<_, ()>("put_mail", &SdkError::service_error(other, ()))),
            },
            Err(e) => Err(StoreError::of("put_mail", &e)),
        }
    }

    /// The strands of a block that have ended, once this one is among them.
    pub(super) async fn join_strands(
        &self,
        org: &OrgKey,
        head: &Head,
        block: &str,
        lane: Option<u16>,
    ) -> Result<BTreeSet<u16>, StoreError> {
        let sk = format!("x#{block}");
        let Some(lane) = lane else {
            let item = self.get_run_item(org, &head.id, &sk).await?;
            return Ok(item.map(|item| attr::numbers(&item, "ln")).unwrap_or_default());
        };
        let updated = self
            .client
            .update_item()
            .table_name(&self.tables.runs)
            .key("pk", s(partition(org, &head.id)))
            .key("sk", s(sk))
            .update_expression("ADD ln :lane SET #ttl = :ttl")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":lane", AttributeValue::Ns(vec![lane.to_string()]))
            .expression_attribute_values(":ttl", n(head::ttl(head.deadline)))
            .return_values(ReturnValue::AllNew)
            .send()
            .await
            .map_err(|e| StoreError::of("join", &e))?;
        Ok(updated.attributes.map(|item| attr::numbers(&item, "ln")).unwrap_or_default())
    }
}
