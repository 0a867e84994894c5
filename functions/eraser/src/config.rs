//! What the function is configured with.

use blobs::Bucket;
use runtime::{MissingVariable, Vars};
use store::TableNames;

#[derive(Debug, Clone)]
pub struct Config {
    pub tables: TableNames,
    pub bucket: Bucket,
    /// What the names of the secrets of connections begin with.
    pub credentials_prefix: String,
}

impl Config {
    pub fn read(vars: &Vars) -> Result<Self, MissingVariable> {
        Ok(Self {
            tables: TableNames::read(|name| vars.required(name))?,
            bucket: Bucket::read(vars)?,
            credentials_prefix: vars.required("CREDENTIALS_PREFIX")?.to_owned(),
        })
    }
}
