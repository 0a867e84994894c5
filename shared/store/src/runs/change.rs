//! What a record of the runs table's stream tells of an organisation's usage.

use super::{HEAD, INPUT, journal};
use crate::StoreError;
use crate::attr::{self, Item};
use domain::run::{Entry, RunStatus};
use domain::{Day, Figures, Millis, OrgId, OrgKey, Provenance};

/// What one change of the table counts for: figures of an organisation, by day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    pub org: OrgKey,
    /// One, or two where a segment holds outcomes of either side of midnight.
    pub days: Vec<(Day, Figures)>,
}

impl Counted {
    /// Reads a change: an item before and after it, empty where there was or is none. `None` where it counts for nothing.
    ///
    /// A change counts by what it brings about, so that an item that is written again unchanged counts for nothing.
    pub fn read(before: Item, after: Item) -> Result<Option<Self>, StoreError> {
        let before = Some(&before).filter(|item| !item.is_empty());
        let Some(item) = Some(&after).filter(|item| !item.is_empty()) else { return Ok(None) };
        let bytes = attr::size(item);
        let mut days = match (attr::text(item, "sk")?, before) {
            (HEAD, None) => {
                let started = Millis(attr::number(item, "ts")?);
                vec![(Day::of(started), Figures { table_bytes: bytes, ..Figures::start() })]
            }
            (HEAD, Some(before)) => {
                let (was, is) = (status(before)?, status(item)?);
                if was.is_terminal() || !is.is_terminal() {
                    return Ok(None);
                }
                let (from, to) = (Millis(attr::number(item, "ts")?), Millis(attr::number(item, "fin")?));
                let took = u64::try_from(from.until(to).as_millis()).unwrap_or(u64::MAX);
                let table_bytes = bytes.saturating_sub(attr::size(before));
                vec![(Day::of(to), Figures { table_bytes, ..Figures::end(is, took) })]
            }
            (INPUT, None) => {
                let started = Millis(attr::number(item, "ts")?);
                vec![(Day::of(started), Figures { table_bytes: bytes, ..Figures::default() })]
            }
            (sort, before) if journal::is_entry(sort) => {
                if attr::optional_bytes(item, "e").is_none()
                    || before.is_some_and(|before| attr::optional_bytes(before, "e").is_some())
                {
                    return Ok(None);
                }
                let written = Figures { table_bytes: bytes, ..Figures::default() };
                if let Some(at) = attr::optional_number(item, journal::TAKEN_OVER) {
                    // The run that it was taken over from has been counted for the rest.
                    vec![(Day::of(Millis(at)), written)]
                } else {
                    of_segment(&journal::entries(item)?, written)
                }
            }
            _ => return Ok(None),
        };
        days.retain(|(_, figures)| *figures != Figures::default());
        Ok(Some(Self { org: organization(item)?, days }))
    }
}

/// The figures of a segment's outcomes, each on its day, and what was written with the newest.
fn of_segment(entries: &[Entry], written: Figures) -> Vec<(Day, Figures)> {
    let newest = entries.iter().map(|entry| entry.finished_at).max().unwrap_or_default();
    let mut days = vec![(Day::of(newest), written)];
    for entry in entries {
        let (day, figures) = (Day::of(entry.finished_at), Figures::of_entry(entry));
        match days.iter_mut().find(|(of, _)| *of == day) {
            Some((_, sum)) => sum.add(&figures),
            None => days.push((day, figures)),
        }
    }
    days
}

fn status(item: &Item) -> Result<RunStatus, StoreError> {
    RunStatus::parse(attr::text(item, "st")?).ok_or(StoreError::Corrupt("st"))
}

fn organization(item: &Item) -> Result<OrgKey, StoreError> {
    let org = attr::text(item, "pk")?.split_once('#').map_or("", |(org, _)| org);
    let org = OrgId::parse(org).map_err(|_| StoreError::Corrupt("pk"))?;
    Ok(OrgKey::verified(org, Provenance::Stream))
}
