//! What the function is configured with.

use runtime::{MissingVariable, Vars};
use store::TableNames;

#[derive(Debug, Clone)]
pub struct Config {
    pub tables: TableNames,
    pub queue_url: String,
}

impl Config {
    pub fn read(vars: &Vars) -> Result<Self, MissingVariable> {
        Ok(Self {
            tables: TableNames::read(|name| vars.required(name))?,
            queue_url: vars.required("STEP_QUEUE_URL")?.to_owned(),
        })
    }
}
