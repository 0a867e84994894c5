//! Stories against real servers on 127.0.0.1, and tables of addresses.

mod addresses;
mod failures;
mod limits;
mod names;
mod redirects;
mod requests;
mod server;
mod tls;

use std::time::Duration;

use http::Method;

use crate::{Egress, EgressConfig, EgressError, HttpPort, HttpRequest, HttpResponse};

/// A client as local development has it.
fn local() -> Egress {
    Egress::new(EgressConfig { allow_loopback: true, ..EgressConfig::default() }).unwrap()
}

/// A client as the cloud has it.
fn cloud() -> Egress {
    Egress::new(EgressConfig::default()).unwrap()
}

async fn get(client: &Egress, url: &str) -> Result<HttpResponse, EgressError> {
    client.send(HttpRequest { timeout: Duration::from_secs(10), ..client.request(Method::GET, url) }).await
}
