//! The tables: their names, and how to make them where no template does (the local stack and tests).

use crate::{Store, StoreError};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType, StreamSpecification, StreamViewType, TimeToLiveSpecification,
};

/// What the tables of this deployment are called.
#[derive(Debug, Clone)]
pub struct TableNames {
    pub control: String,
    pub runs: String,
    pub due: String,
    pub ledger: String,
    pub tokens: String,
}

impl TableNames {
    /// The names that a function's variables give.
    pub fn read<'a, E>(variable: impl Fn(&'static str) -> Result<&'a str, E>) -> Result<Self, E> {
        Ok(Self {
            control: variable("TABLE_CONTROL")?.to_owned(),
            runs: variable("TABLE_RUNS")?.to_owned(),
            due: variable("TABLE_DUE")?.to_owned(),
            ledger: variable("TABLE_LEDGER")?.to_owned(),
            tokens: variable("TABLE_TOKENS")?.to_owned(),
        })
    }

    /// The names under a common prefix.
    pub fn with_prefix(prefix: &str) -> Self {
        Self {
            control: format!("{prefix}-control"),
            runs: format!("{prefix}-runs"),
            due: format!("{prefix}-due"),
            ledger: format!("{prefix}-ledger"),
            tokens: format!("{prefix}-tokens"),
        }
    }
}

pub(crate) const LIST_INDEX: &str = "list";

impl Store {
    /// Makes the tables that do not exist yet, as `template.yaml` declares them.
    pub async fn create_tables(&self) -> Result<(), StoreError> {
        for (name, list) in [
            (&self.tables.control, false),
            (&self.tables.runs, true),
            (&self.tables.due, false),
            (&self.tables.ledger, false),
            (&self.tables.tokens, false),
        ] {
            self.create_table(name, list).await?;
        }
        Ok(())
    }

    /// Lets the runs table tell what changes in it, as `template.yaml` declares it, unless it does so already: a table of an earlier
    /// version does not.
    pub async fn stream_runs(&self) -> Result<(), StoreError> {
        let name = &self.tables.runs;
        let described = self.client.describe_table().table_name(name).send().await;
        let described = described.map_err(|e| StoreError::of("describe_table", &e))?;
        if described
            .table
            .and_then(|table| table.stream_specification)
            .is_some_and(|stream| stream.stream_enabled)
        {
            return Ok(());
        }
        let stream = StreamSpecification::builder()
            .stream_enabled(true)
            .stream_view_type(StreamViewType::NewAndOldImages)
            .build()
            .map_err(|_| StoreError::Corrupt("stream"))?;
        self.client
            .update_table()
            .table_name(name)
            .stream_specification(stream)
            .send()
            .await
            .map(|_| ())
            .map_err(|e| StoreError::of("update_table", &e))
    }

    /// What the table of runs is called.
    pub fn runs_table(&self) -> &str {
        &self.tables.runs
    }

    async fn create_table(&self, name: &str, with_list: bool) -> Result<(), StoreError> {
        let mut request = self
            .client
            .create_table()
            .table_name(name)
            .billing_mode(BillingMode::PayPerRequest)
            .attribute_definitions(attribute("pk"))
            .attribute_definitions(attribute("sk"))
            .key_schema(key("pk", KeyType::Hash))
            .key_schema(key("sk", KeyType::Range));
        if with_list {
            let index = GlobalSecondaryIndex::builder()
                .index_name(LIST_INDEX)
                .key_schema(key("lp", KeyType::Hash))
                .key_schema(key("ls", KeyType::Range))
                .projection(
                    Projection::builder()
                        .projection_type(ProjectionType::Include)
                        .non_key_attributes("wf")
                        .build(),
                )
                .build()
                .map_err(|_| StoreError::Corrupt("index"))?;
            request = request
                .attribute_definitions(attribute("lp"))
                .attribute_definitions(attribute("ls"))
                .global_secondary_indexes(index);
        }
        match request.send().await {
            Ok(_) => {}
            Err(e)
                if e.as_service_error().is_some_and(
                    aws_sdk_dynamodb::operation::create_table::CreateTableError::is_resource_in_use_exception,
                ) =>
            {
                return Ok(());
            }
            Err(e) => return Err(StoreError::of("create_table", &e)),
        }
        let ttl = TimeToLiveSpecification::builder()
            .attribute_name("ttl")
            .enabled(true)
            .build()
            .map_err(|_| StoreError::Corrupt("ttl"))?;
        self.client
            .update_time_to_live()
            .table_name(name)
            .time_to_live_specification(ttl)
            .send()
            .await
            .map_err(|e| StoreError::of("update_time_to_live", &e))?;
        Ok(())
    }
}

fn attribute(name: &str) -> AttributeDefinition {
    AttributeDefinition::builder()
        .attribute_name(name)
        .attribute_type(ScalarAttributeType::S)
        .build()
        .expect("name and type are given")
}

fn key(name: &str, kind: KeyType) -> KeySchemaElement {
    KeySchemaElement::builder().attribute_name(name).key_type(kind).build().expect("name and type are given")
}
