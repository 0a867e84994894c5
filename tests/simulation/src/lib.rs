#![doc = include_str!("../README.md")]

mod check;
mod gate;
mod ports;
mod store;
mod world;

pub use gate::{Fault, Gate, Weather};
pub use ports::{SimBus, SimClock, SimHttp, SimQueue};
pub use store::{Bug, MemoryStore};
pub use world::{Library, Report, Scenario, simulate};
