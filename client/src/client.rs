//! The handle: opening, watching and ending a session.

use crate::connect_string::ConnectString;
use crate::driver;
use crate::shared::{Shared, Token};
use crate::{Builder, Error, Options, SessionInfo, SessionState};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{broadcast, watch};
use zkrs_core::Zxid;
use zkrs_core::client::ClientSession;

/// A session with a ZooKeeper service. Clones share it; the last one to be dropped closes it.
#[derive(Debug, Clone)]
pub struct Client {
    handle: Arc<Handle>,
}

/// What the clones share, apart from the driver: its end is the session's.
#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
    options: Options,
    chroot: String,
}

impl Client {
    /// Opens a session and waits for it. `connect_string` is `host:port,host:port/chroot`; ports default to
    /// 2181, the servers are tried in random order, and all paths lie below the chroot.
    ///
    /// # Errors
    /// As [`Client::start`]; [`Error::ConnectTimeout`], or [`Error::SessionEnded`] if the session to resume
    /// has expired or the credentials are refused.
    pub async fn connect(connect_string: &str, options: Options) -> Result<Self, Error> {
        let limit = options.connect_timeout;
        let client = Self::start(connect_string, options)?;
        match limit {
            Some(limit) => client.wait_connected(limit).await?,
            None => client.connected().await?,
        }
        Ok(client)
    }

    /// Opens a session without waiting for it: operations wait until there is a connection.
    ///
    /// # Errors
    /// [`Error::InvalidConnectString`], [`Error::NoRuntime`], [`Error::Refused`] for too many credentials.
    pub fn start(connect_string: &str, options: Options) -> Result<Self, Error> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| Error::NoRuntime)?;
        let ConnectString { hosts, chroot } = ConnectString::parse(connect_string)?;
        let seed = options.seed.unwrap_or_else(random);
        let mut session: ClientSession<Token> =
            ClientSession::new(options.config(hosts.len(), chroot.clone()), seed);
        for (scheme, credentials) in &options.auth {
            // Refused credentials end the session, which is how everybody learns of them.
            session
                .add_auth(Token::unheard(), scheme, credentials)
                .map_err(|reason| Error::from_submit(reason, None))?;
        }
        let shared = Arc::new(Shared::new(session, hosts, options.requests_max));
        runtime.spawn(driver::run(shared.clone()));
        Ok(Self { handle: Arc::new(Handle { shared, options, chroot }) })
    }

    /// Options one by one, then [`Builder::connect`].
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The session's id and password, for [`Options::resume`]; the id is 0 before the first connection.
    pub fn session(&self) -> SessionInfo {
        self.shared().core().session.session()
    }

    /// The session timeout the server granted; the one asked for before it did.
    pub fn session_timeout(&self) -> Duration {
        Duration::from_millis(u64::from(self.shared().core().session.timeout_ms()))
    }

    /// Where the session stands.
    pub fn state(&self) -> SessionState {
        *self.shared().states.borrow()
    }

    /// The newest state, now and at every change.
    pub fn states(&self) -> watch::Receiver<SessionState> {
        self.shared().states.subscribe()
    }

    /// Every change of state from now on, none left out.
    pub fn state_events(&self) -> StateEvents {
        let events = self.shared().state_events.subscribe();
        StateEvents { events, ended: self.state().is_final() }
    }

    /// Waits until a server serves the session.
    ///
    /// # Errors
    /// [`Error::ConnectTimeout`], [`Error::SessionEnded`].
    pub async fn wait_connected(&self, limit: Duration) -> Result<(), Error> {
        match tokio::time::timeout(limit, self.connected()).await {
            Ok(result) => result,
            Err(_) => Err(Error::ConnectTimeout { limit }),
        }
    }

    /// The server that serves the session, as written in the connect string.
    pub fn server(&self) -> Option<String> {
        let host = self.shared().core().session.host()?;
        Some(self.shared().hosts[host].clone())
    }

    /// The largest zxid in a reply so far.
    pub fn last_zxid(&self) -> Zxid {
        self.shared().core().session.last_zxid()
    }

    /// The path below which all of the client's paths lie; empty for none.
    pub fn chroot(&self) -> &str {
        &self.handle.chroot
    }

    /// Ends the session, after the requests made so far: its ephemeral znodes go, its watches end. Operations
    /// fail from now on. Without a connection it ends on this side only.
    ///
    /// # Errors
    /// [`Error::ConnectionLoss`] if the server could not be told, so that the session stays until it expires;
    /// [`Error::SessionEnded`] if it was over already.
    pub async fn close(&self) -> Result<(), Error> {
        let shared = self.shared();
        let answer =
            shared.call_with(None, |core, token| core.session.close(token, &mut core.effects)).await?;
        answer.result.map(drop).map_err(|error| Error::from_request(error, None))
    }

    /// Drops the connection, not the session, which is resumed on a new one at once.
    pub fn disconnect(&self) {
        let shared = self.shared();
        let now_ms = shared.now_ms();
        {
            let core = &mut *shared.core();
            core.session.disconnect(now_ms, &mut core.effects);
        }
        shared.wake_driver.notify_one();
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.handle.shared
    }

    pub(crate) fn options(&self) -> &Options {
        &self.handle.options
    }

    async fn connected(&self) -> Result<(), Error> {
        let mut states = self.states();
        let settled = |state: &SessionState| state.is_connected() || state.is_final();
        // The sender lives in `shared`, so it cannot be gone.
        let state = states.wait_for(settled).await.map_or(SessionState::Closed, |state| *state);
        if state.is_connected() {
            return Ok(());
        }
        Err(Error::SessionEnded { state, path: None, maybe_applied: false })
    }
}

/// The changes of a session's state, in order.
#[derive(Debug)]
pub struct StateEvents {
    events: broadcast::Receiver<SessionState>,
    ended: bool,
}

impl StateEvents {
    /// The next change; `None` after the last one, when the session is over. Whoever lags behind by more than
    /// 64 changes misses the oldest.
    pub async fn next(&mut self) -> Option<SessionState> {
        while !self.ended {
            match self.events.recv().await {
                Ok(state) => {
                    self.ended = state.is_final();
                    return Some(state);
                }
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => self.ended = true,
            }
        }
        None
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        {
            let core = &mut *self.shared.core();
            // Fails if the session is over already.
            let _ = core.session.close(Token::unheard(), &mut core.effects);
        }
        self.shared.wake_driver.notify_one();
    }
}

/// A random number from the standard library's only source of them.
pub(crate) fn random() -> u64 {
    RandomState::new().hash_one(0u8)
}
