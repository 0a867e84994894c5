//! One table for people, one file for programs.

use serde_json::{Value, json};
use std::path::Path;

#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
    details: Vec<(String, Vec<(String, f64)>)>,
}

struct Row {
    name: String,
    value: f64,
    unit: &'static str,
    goal: Option<&'static str>,
}

impl Report {
    pub(crate) fn add(&mut self, name: &str, value: f64, unit: &'static str, goal: Option<&'static str>) {
        eprintln!("… {name}: {value:.2} {unit}");
        self.rows.push(Row { name: name.to_owned(), value, unit, goal });
    }

    /// What a figure is made of, in the same unit.
    pub(crate) fn detail(&mut self, name: &str, lines: Vec<(String, f64)>) {
        self.details.push((name.to_owned(), lines));
    }

    pub(crate) fn print(&self) {
        println!("\n{:<62} {:>10} {:<6} {:<8}", "figure", "measured", "", "goal");
        for row in &self.rows {
            let (goal, met) = match row.goal {
                Some(goal) if row.met() => (goal, "met"),
                Some(goal) => (goal, "MISSED"),
                None => ("", ""),
            };
            println!("{:<62} {:>10.2} {:<6} {:<8} {met}", row.name, row.value, row.unit, goal);
        }
        for (name, lines) in &self.details {
            println!("\n{name} is made of ($)");
            for (line, value) in lines {
                println!("  {line:<60} {value:>8.4}");
            }
        }
    }

    pub(crate) fn write(&self, file: &Path) {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(
                |r| json!({"name": r.name, "value": r.value, "unit": r.unit, "goal": r.goal, "met": r.met()}),
            )
            .collect();
        let details: Vec<Value> =
            self.details.iter().map(|(name, lines)| json!({"of": name, "lines": lines})).collect();
        let text =
            serde_json::to_string_pretty(&json!({"rows": rows, "details": details})).unwrap_or_default();
        std::fs::write(file, text).expect("the target folder can be written");
    }
}

impl Row {
    fn met(&self) -> bool {
        let Some((sign, bound)) = self.goal.and_then(|goal| goal.split_once(' ')) else { return true };
        let bound: f64 = bound.parse().expect("goals are numbers");
        if sign == "≤" { self.value <= bound } else { self.value >= bound }
    }
}
