//! What one request changed, as webhooks will tell it.

use super::model::{Cells, Field};
use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub(crate) struct Change {
    /// By table and record: the cells before, or that there was no record.
    pub(crate) touched: BTreeMap<(String, String), Option<Cells>>,
    pub(crate) destroyed: Vec<(String, String)>,
    pub(crate) created_tables: Vec<String>,
    /// By table: its name and description before.
    pub(crate) renamed_tables: Vec<(String, String, Option<String>)>,
    pub(crate) created_fields: Vec<(String, String)>,
    /// By table: the field before.
    pub(crate) changed_fields: Vec<(String, Field)>,
}

impl Change {
    /// A record is about to change. The first time counts: it has the cells from before the request.
    pub(crate) fn touch(&mut self, table: &str, record: &str, before: Option<Cells>) {
        self.touched.entry((table.to_owned(), record.to_owned())).or_insert(before);
    }

    pub(crate) fn destroy(&mut self, table: &str, record: &str, before: Option<Cells>) {
        self.touch(table, record, before);
        self.destroyed.push((table.to_owned(), record.to_owned()));
    }
}
