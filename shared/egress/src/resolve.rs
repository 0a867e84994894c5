//! Names to addresses: asked once a connection, and answered only if every address may be connected to.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::error::{Blocked, EgressError};
use crate::target::{allowed, is_localhost};

/// Where addresses of names come from. Only tests and the simulation give another one than [`SystemLookup`].
#[async_trait]
pub trait Lookup: Send + Sync {
    /// All addresses of `host`.
    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The operating system's resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemLookup;

#[async_trait]
impl Lookup for SystemLookup {
    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        #[expect(clippy::disallowed_methods, reason = "this is where names are resolved")]
        let found = tokio::net::lookup_host((host, 0)).await?;
        Ok(found.map(|address| address.ip()).collect())
    }
}

/// The resolver that reqwest connects by: what it returns has been judged, and nothing else is connected to.
pub(crate) struct Guarded {
    pub(crate) lookup: Arc<dyn Lookup>,
    pub(crate) allow_loopback: bool,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let lookup = Arc::clone(&self.lookup);
        let allow_loopback = self.allow_loopback;
        Box::pin(async move {
            let addresses = judged(&*lookup, name.as_str(), allow_loopback).await?;
            // reqwest puts the URL's port in place of 0. A scope id, which could name an interface, is not
            // carried over.
            Ok(Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}

impl fmt::Debug for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded").field("allow_loopback", &self.allow_loopback).finish_non_exhaustive()
    }
}

async fn judged(lookup: &dyn Lookup, host: &str, allow_loopback: bool) -> Result<Vec<IpAddr>, EgressError> {
    let blocked = || EgressError::Blocked { host: host.to_owned(), why: Blocked::Name };
    if is_localhost(host) {
        // RFC 6761: never a question for the DNS.
        let loopback = vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        return if allow_loopback { Ok(loopback) } else { Err(blocked()) };
    }
    let addresses =
        lookup.addresses(host).await.map_err(|_| EgressError::DnsFailed { host: host.to_owned() })?;
    if addresses.is_empty() {
        return Err(EgressError::DnsFailed { host: host.to_owned() });
    }
    // One bad address refuses the name: to skip it would let a mixed answer probe which of them answers.
    if addresses.iter().all(|address| allowed(*address, allow_loopback)) {
        Ok(addresses)
    } else {
        Err(blocked())
    }
}
