//! How a client behaves.

use crate::{Client, Error, RetryPolicy, SessionInfo};
use std::time::Duration;
use zkrs_core::client::ClientConfig;

/// The parameters of a [`Client`]. Every limit has its unit in its name.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// The session timeout to ask for; servers clamp it to what they allow.
    pub session_timeout: Duration,
    /// How long [`Client::connect`] waits for the first session; `None` for as long as it takes.
    pub connect_timeout: Option<Duration>,
    /// How long an operation waits for its answer, connected or not; `None` (the default) for as long as the
    /// session lives.
    pub request_timeout: Option<Duration>,
    /// Whether a read-only server will do.
    pub read_only: bool,
    /// A session to resume.
    pub resume: Option<SessionInfo>,
    /// Credentials to present on every connection, before anything else.
    pub auth: Vec<(String, Vec<u8>)>,
    /// Whether operations are repeated after a lost connection.
    pub retry: RetryPolicy,
    /// The longest reply that is accepted.
    pub reply_bytes_max: usize,
    /// The longest request that is sent; servers drop the connection on one beyond their `jute.maxbuffer`.
    pub request_bytes_max: usize,
    /// How many requests may await an answer; further ones wait their turn.
    pub requests_max: usize,
    /// How many bytes of requests may await a connection; further ones wait.
    pub request_queue_bytes_max: usize,
    /// How many watches may be set.
    pub watches_max: usize,
    /// How many events a [`crate::Watcher`] holds for a slow reader before it loses some.
    pub watcher_queue_events_max: usize,
    /// Decides the order of servers and the pauses between attempts; random if `None`.
    pub seed: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        let config = ClientConfig::default();
        Self {
            session_timeout: Duration::from_millis(u64::from(config.session_timeout_ms)),
            connect_timeout: Some(Duration::from_secs(30)),
            request_timeout: None,
            read_only: false,
            resume: None,
            auth: Vec::new(),
            retry: RetryPolicy::never(),
            reply_bytes_max: config.reply_bytes_max,
            request_bytes_max: config.request_bytes_max,
            requests_max: config.requests_max,
            request_queue_bytes_max: config.request_queue_bytes_max,
            watches_max: config.watches_max,
            watcher_queue_events_max: 65_536,
            seed: None,
        }
    }
}

impl Options {
    pub(crate) fn config(&self, hosts: usize, chroot: String) -> ClientConfig {
        ClientConfig {
            hosts,
            chroot,
            session_timeout_ms: u32::try_from(self.session_timeout.as_millis())
                .unwrap_or(i32::MAX as u32)
                .clamp(1, i32::MAX as u32),
            read_only: self.read_only,
            resume: self.resume,
            reply_bytes_max: self.reply_bytes_max,
            request_bytes_max: self.request_bytes_max,
            requests_max: self.requests_max,
            request_queue_bytes_max: self.request_queue_bytes_max,
            watches_max: self.watches_max,
            ..ClientConfig::default()
        }
    }
}

/// [`Options`], one by one.
#[derive(Debug, Clone, Default)]
pub struct Builder {
    options: Options,
}

impl Builder {
    /// Replaces everything set so far.
    #[must_use]
    pub fn options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// See [`Options::session_timeout`].
    #[must_use]
    pub fn session_timeout(mut self, timeout: Duration) -> Self {
        self.options.session_timeout = timeout;
        self
    }

    /// See [`Options::connect_timeout`].
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.options.connect_timeout = timeout;
        self
    }

    /// See [`Options::request_timeout`].
    #[must_use]
    pub fn request_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.options.request_timeout = timeout;
        self
    }

    /// See [`Options::read_only`].
    #[must_use]
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.options.read_only = read_only;
        self
    }

    /// See [`Options::resume`].
    #[must_use]
    pub fn resume(mut self, session: SessionInfo) -> Self {
        self.options.resume = Some(session);
        self
    }

    /// Adds to [`Options::auth`].
    #[must_use]
    pub fn auth(mut self, scheme: &str, credentials: &[u8]) -> Self {
        self.options.auth.push((scheme.to_owned(), credentials.to_vec()));
        self
    }

    /// See [`Options::retry`].
    #[must_use]
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.options.retry = retry;
        self
    }

    /// See [`Options::reply_bytes_max`].
    #[must_use]
    pub fn reply_bytes_max(mut self, bytes: usize) -> Self {
        self.options.reply_bytes_max = bytes;
        self
    }

    /// As [`Client::connect`].
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub async fn connect(self, connect_string: &str) -> Result<Client, Error> {
        Client::connect(connect_string, self.options).await
    }

    /// As [`Client::start`].
    ///
    /// # Errors
    /// As [`Client::start`].
    pub fn start(self, connect_string: &str) -> Result<Client, Error> {
        Client::start(connect_string, self.options)
    }
}
