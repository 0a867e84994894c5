//! The tables, on an emulated DynamoDB.

mod accounts;
mod claims;
mod corrupt;
mod due;
mod heads;
mod items;
mod journal;
mod list;
mod tables;
mod tenants;
mod versions;
mod workflows;
