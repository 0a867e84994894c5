#![doc = include_str!("../README.md")]

mod blobs;
mod check;
mod clock;
mod gate;
mod grow;
mod library;
mod ports;
mod scenario;
mod store;
mod world;

pub use clock::SimClock;
pub use gate::{Fault, Gate, Weather};
pub use grow::definition;
pub use library::Library;
pub use ports::{SimBus, SimHttp, SimQueue};
pub use scenario::Scenario;
pub use store::{Bug, MemoryStore};
pub use world::{Report, simulate, waits};
