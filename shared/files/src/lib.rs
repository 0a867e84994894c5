#![doc = include_str!("../README.md")]

mod archive;
mod bounded;
mod csv;
mod input;
mod json_lines;
mod plain;
mod rows;
mod run;
mod table;
mod text;
mod workbook;

pub use run::{Done, Made, Source, run};
