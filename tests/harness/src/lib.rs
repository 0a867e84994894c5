#![doc = include_str!("../README.md")]

mod blobs;
mod bus;
mod faults;
mod http;
mod mails;
mod queue;
mod sandbox;
mod secrets;
mod time;
pub mod workflows;
mod world;

pub use self::blobs::FaultyBlobs;
pub use self::http::{Reply, ScriptedHttp, SentRequest, spooled};
pub use bus::RecordingBus;
pub use faults::{
    Fault, Faults, FaultyBus, FaultyDue, FaultyHttp, FaultyLimits, FaultyQueue, FaultyRuns, FaultySandbox,
    FaultyTriggers,
};
pub use mails::Mails;
pub use queue::{Message, ModelQueue};
pub use sandbox::{ModelSandbox, modelled};
pub use secrets::{CREDENTIALS, FixedSealer, ModelSecrets, secrets_of};
pub use time::{ManualClock, SeededDraw};
pub use world::{Delivery, RunView, START, World};
