#![doc = include_str!("../README.md")]

mod admin;
mod airtable;
pub mod call;
mod clock;
pub mod deliver;
mod desk;
mod drawn;
mod faults;
mod google;
mod moment;
pub mod multipart;
mod notion;
mod oauth;
mod openai;
mod oz;
mod path;
pub mod rate;
mod received;
pub mod reply;
mod server;
mod slack;
mod vendor;

pub use clock::Clock;
pub use desk::Desk;
pub use faults::{Faults, Plan};
pub use rate::{Rates, Rule};
pub use received::{Received, Request};
pub use vendor::Vendor;

use jiff::Timestamp;
use serde_json::Value;
use server::Server;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

type Make = fn(Arc<Desk>) -> Arc<dyn Vendor>;

/// Every fake: its name, and how it is made. Their ports follow each other in this order.
const ALL: [(&str, Make); 7] = [
    ("slack", |desk| Arc::new(slack::Slack::new(desk))),
    ("notion", |desk| Arc::new(notion::Notion::new(desk))),
    ("openai", |desk| Arc::new(openai::OpenAi::new(desk))),
    ("oz", |desk| Arc::new(oz::Oz::new(desk))),
    ("airtable", |desk| Arc::new(airtable::Airtable::new(desk))),
    ("google", |desk| Arc::new(google::Google::new(desk))),
    ("oauth", |desk| Arc::new(oauth::OAuth::new(desk))),
];

/// The names of all fakes.
pub fn names() -> impl Iterator<Item = &'static str> {
    ALL.into_iter().map(|(name, _)| name)
}

/// Running fakes. They stop when this is dropped.
#[derive(Debug)]
pub struct Fakes {
    running: Vec<Running>,
}

/// One running fake.
#[derive(Debug)]
pub struct Running {
    pub vendor: Arc<dyn Vendor>,
    pub desk: Arc<Desk>,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Fakes {
    /// Starts all fakes, or those that are named: the first at this address, each further one at the next port. With port 0 each
    /// gets a free one. `stands_at` gives them clocks that pass only when they are moved.
    pub async fn start(first: SocketAddr, only: &[String], stands_at: Option<Timestamp>) -> io::Result<Self> {
        let mut running = Vec::new();
        for (at, (name, make)) in (0..).zip(ALL) {
            if !only.is_empty() && !only.iter().any(|wanted| wanted == name) {
                continue;
            }
            let port = if first.port() == 0 { 0 } else { first.port().saturating_add(at) };
            let listener = TcpListener::bind(SocketAddr::new(first.ip(), port)).await?;
            let url = format!("http://{}", listener.local_addr()?);
            let clock = stands_at.map_or_else(Clock::real, Clock::standing_at);
            let desk = Arc::new(Desk::new(url, clock));
            let vendor = make(desk.clone());
            let server = Arc::new(Server::new(vendor.clone(), desk.clone()));
            let task = tokio::spawn(server.serve(listener));
            running.push(Running { vendor, desk, task });
        }
        Ok(Self { running })
    }

    /// All that run.
    pub fn running(&self) -> &[Running] {
        &self.running
    }

    /// Where a fake listens.
    pub fn url(&self, name: &str) -> Option<&str> {
        let fake = self.running.iter().find(|fake| fake.vendor.name() == name)?;
        Some(&fake.desk.url)
    }

    /// What sends the local stack's calls to these fakes: the value of `PATCHBAY_INSTEAD`.
    pub fn instead(&self) -> String {
        let pairs = self.running.iter().flat_map(|fake| {
            fake.vendor.stands_for().iter().map(|address| format!("{address}={}", fake.desk.url))
        });
        pairs.collect::<Vec<_>>().join(",")
    }

    /// Each fake's address and what a client must know, by name.
    pub fn described(&self) -> Value {
        let one = |fake: &Running| {
            (
                fake.vendor.name().to_owned(),
                serde_json::json!({ "url": fake.desk.url, "stands_for": fake.vendor.stands_for(), "about": fake.vendor.about() }),
            )
        };
        self.running.iter().map(one).collect::<serde_json::Map<_, _>>().into()
    }
}
