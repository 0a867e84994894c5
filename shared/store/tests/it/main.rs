//! The tables, on an emulated DynamoDB.

mod accounts;
mod claims;
mod connections;
mod corrupt;
mod due;
mod heads;
mod items;
mod journal;
mod keys;
mod ledger;
mod limits;
mod list;
mod members;
mod own_connectors;
mod polls;
mod sessions;
mod tables;
mod tenants;
mod tokens;
mod usage;
mod versions;
mod workflows;
