//! The client: policy before each hop, one deadline over all of them.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use http::header::{ACCEPT_ENCODING, HeaderValue};

use crate::attached::Attached;
use crate::error::EgressError;
use crate::instead::Instead;
use crate::message::{HttpPort, HttpRequest, HttpResponse};
use crate::redirect::{Hop, location};
use crate::resolve::{Guarded, Lookup, SystemLookup};
use crate::spool::Spool;
use crate::{body, headers, target};

pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
pub(crate) const DEFAULT_MAX_RESPONSE_BYTES: usize = 5 * 1024 * 1024;
/// Lambda's `/tmp` has 512 MB.
const DEFAULT_MAX_BYTES_IN_FILES: u64 = 400 * 1024 * 1024;

/// Limits and manners of the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EgressConfig {
    /// Also reach `127.0.0.0/8`, `::1` and `localhost`. For local development only.
    pub allow_loopback: bool,
    /// Which servers are called in the place of others; nothing comes of it without `allow_loopback`.
    pub instead: Vec<Instead>,
    /// For name, connection and TLS handshake together.
    pub connect_timeout: Duration,
    /// What [`Egress::request`] gives a request.
    pub default_timeout: Duration,
    /// No response may be larger, whatever its request says.
    pub max_response_bytes: usize,
    /// How many bytes of responses may be in files at the same time: disks are small where functions run.
    pub max_bytes_in_files: u64,
    pub max_redirects: u8,
    /// How long an idle connection is kept for the next request.
    pub pool_idle_timeout: Duration,
    /// Sent with requests that name none.
    pub user_agent: String,
}

impl Default for EgressConfig {
    fn default() -> Self {
        Self {
            allow_loopback: false,
            instead: Vec::new(),
            connect_timeout: Duration::from_secs(5),
            default_timeout: DEFAULT_TIMEOUT,
            max_response_bytes: DEFAULT_MAX_RESPONSE_BYTES,
            max_bytes_in_files: DEFAULT_MAX_BYTES_IN_FILES,
            max_redirects: 5,
            pool_idle_timeout: Duration::from_secs(15),
            user_agent: concat!("Patchbay/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// The only client for addresses that a user chose. Clones share its connections.
#[derive(Debug, Clone)]
pub struct Egress {
    wire: Arc<Wire>,
    config: Arc<EgressConfig>,
    spool: Spool,
}

/// What connects, made when it is first used: a function is ready sooner, and one that calls nobody never pays.
struct Wire {
    client: OnceLock<Result<reqwest::Client, String>>,
    user_agent: HeaderValue,
    lookup: Arc<dyn Lookup>,
    /// Mozilla's, unless a test brings its own.
    roots: Option<rustls::RootCertStore>,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire").field("made", &self.client.get().is_some()).finish_non_exhaustive()
    }
}

impl Wire {
    fn make(&self, config: &EgressConfig) -> Result<reqwest::Client, String> {
        let roots = self
            .roots
            .clone()
            .unwrap_or_else(|| rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() });
        #[expect(clippy::disallowed_methods, reason = "this is where the client is made")]
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls(roots).map_err(|error| error.to_string())?)
            .dns_resolver(Guarded { lookup: self.lookup.clone(), allow_loopback: config.allow_loopback })
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .user_agent(self.user_agent.clone())
            .connect_timeout(config.connect_timeout)
            .pool_idle_timeout(config.pool_idle_timeout)
            .build();
        client.map_err(|error| error.to_string())
    }
}

impl Egress {
    /// A client that resolves names by the operating system.
    pub fn new(config: EgressConfig) -> Result<Self, EgressError> {
        Self::with_lookup(config, Arc::new(SystemLookup))
    }

    /// A client whose names come from `lookup`; its answers are judged like the system's.
    pub fn with_lookup(config: EgressConfig, lookup: Arc<dyn Lookup>) -> Result<Self, EgressError> {
        Self::with_roots(config, lookup, None)
    }

    pub(crate) fn with_roots(
        config: EgressConfig,
        lookup: Arc<dyn Lookup>,
        roots: Option<rustls::RootCertStore>,
    ) -> Result<Self, EgressError> {
        let setup = |reason: String| EgressError::Setup { reason };
        let user_agent = HeaderValue::from_str(&config.user_agent).map_err(|_| {
            setup(format!("`{}` is not a valid user agent", config.user_agent.escape_default()))
        })?;
        let wire = Wire { client: OnceLock::new(), user_agent, lookup, roots };
        let spool = Spool::new(config.max_bytes_in_files);
        Ok(Self { wire: Arc::new(wire), config: Arc::new(config), spool })
    }

    fn client(&self) -> Result<&reqwest::Client, EgressError> {
        let made = self.wire.client.get_or_init(|| self.wire.make(&self.config));
        made.as_ref().map_err(|reason| EgressError::Setup { reason: reason.clone() })
    }

    /// A request with this client's own limits.
    pub fn request(&self, method: Method, url: impl Into<String>) -> HttpRequest {
        HttpRequest {
            timeout: self.config.default_timeout,
            max_response_bytes: self.config.max_response_bytes,
            ..HttpRequest::new(method, url)
        }
    }

    async fn follow(&self, mut hop: Hop, limits: Limits) -> Result<HttpResponse, EgressError> {
        let mut redirects = 0;
        let mut from = String::new();
        loop {
            let placed = |error: EgressError| {
                if redirects > 0 { error.after_redirect(&from) } else { error }
            };
            let host = target::host_of(&hop.url).to_owned();
            let mut response = self.once(&hop, &host).await.map_err(placed)?;
            let status = response.status();
            let location = location(status, response.headers()).filter(|_| limits.follow_redirects);
            let Some(location) = location else {
                let mut headers = response.headers().clone();
                let read = body::read(&mut response, &mut headers, &host, limits, &self.spool);
                let (body, file) = read.await.map_err(placed)?;
                return Ok(HttpResponse { status, headers, body, file, url: hop.url.into(), redirects });
            };
            // Closes the connection with the redirect's unread body.
            drop(response);
            if redirects == self.config.max_redirects {
                return Err(EgressError::RedirectLimit { limit: self.config.max_redirects });
            }
            hop = hop
                .next(status, &location, self.config.allow_loopback)
                .map_err(|error| error.after_redirect(&host))?;
            redirects += 1;
            from = host;
        }
    }

    async fn once(&self, hop: &Hop, host: &str) -> Result<reqwest::Response, EgressError> {
        self.client()?
            .request(hop.method.clone(), hop.url.clone())
            .headers(hop.headers.clone())
            .body(if hop.attached.is_empty() {
                reqwest::Body::from(hop.body.clone())
            } else {
                reqwest::Body::wrap(Attached::new(hop.body.clone(), &hop.attached))
            })
            .send()
            .await
            .map_err(|error| EgressError::from_reqwest(&error, host))
    }
}

#[async_trait]
impl HttpPort for Egress {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, EgressError> {
        let HttpRequest {
            method,
            url,
            mut headers,
            body,
            attached,
            timeout,
            max_response_bytes,
            max_bytes_in_memory,
            follow_redirects,
        } = request;
        headers::check_method(&method)?;
        headers::check(&headers)?;
        let mut url = target::parse(&url, self.config.allow_loopback)?;
        if self.config.allow_loopback
            && let Some(other) = self.config.instead.iter().find_map(|instead| instead.of(&url))
        {
            url = other;
        }
        let limits = Limits {
            max_response_bytes: max_response_bytes.min(self.config.max_response_bytes),
            max_bytes_in_memory,
            follow_redirects,
            unpack: !headers.contains_key(ACCEPT_ENCODING),
        };
        if limits.unpack {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        }
        let host = target::host_of(&url).to_owned();
        let hop = Hop { method, url, headers, body, attached };
        match tokio::time::timeout(timeout, self.follow(hop, limits)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(EgressError::RequestTimeout { host, after: timeout }),
        }
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) max_response_bytes: usize,
    pub(crate) max_bytes_in_memory: usize,
    pub(crate) follow_redirects: bool,
    pub(crate) unpack: bool,
}

/// rustls with its provider and roots named, so that nothing is read from the process or the system.
fn tls(roots: rustls::RootCertStore) -> Result<rustls::ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
