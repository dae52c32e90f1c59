//! What a client's handles and its driver task share.

use crate::watch::Sink;
use crate::{Error, SessionState};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, Semaphore, broadcast, oneshot, watch};
use tokio::time::Instant;
use zkrs_core::Zxid;
use zkrs_core::client::{ClientSession, Effect, RequestError, Response, SubmitError, WatcherId};
use zkrs_core::proto::Request;

/// Where a request's result goes.
#[derive(Debug)]
pub(crate) struct Token {
    pub sender: oneshot::Sender<Answer>,
    /// Whether the request counts among those that [`crate::Options::requests_max`] allows.
    pub has_permit: bool,
}

impl Token {
    /// For a request whose result nobody waits for.
    pub fn unheard() -> Self {
        Self { sender: oneshot::channel().0, has_permit: false }
    }
}

/// A request's result, with the zxid of the reply's header.
#[derive(Debug)]
pub(crate) struct Answer {
    pub zxid: Zxid,
    pub result: Result<Response, RequestError>,
}

/// Shared state. No lock is ever held across an await, and `core` and `sinks` are never held together.
pub(crate) struct Shared {
    core: Mutex<Core>,
    /// Where events go, by watcher.
    sinks: Mutex<HashMap<WatcherId, Sink>>,
    /// Wakes the driver: requests to send, effects to carry out.
    pub wake_driver: Notify,
    /// One per request that may still be submitted.
    permits: Semaphore,
    /// Wakes those whom the queue had no room for.
    room: Notify,
    pub states: watch::Sender<SessionState>,
    pub state_events: broadcast::Sender<SessionState>,
    pub hosts: Vec<String>,
    epoch: Instant,
}

/// The state machine, and effects that nobody has carried out yet.
pub(crate) struct Core {
    pub session: ClientSession<Token>,
    pub effects: Vec<Effect<Token>>,
}

impl Shared {
    pub fn new(session: ClientSession<Token>, hosts: Vec<String>, requests_max: usize) -> Self {
        let state = session.state();
        Self {
            core: Mutex::new(Core { session, effects: Vec::new() }),
            sinks: Mutex::default(),
            wake_driver: Notify::new(),
            permits: Semaphore::new(requests_max.clamp(1, Semaphore::MAX_PERMITS)),
            room: Notify::new(),
            states: watch::Sender::new(state),
            state_events: broadcast::Sender::new(STATE_EVENTS_MAX),
            hosts,
            epoch: Instant::now(),
        }
    }

    /// A panic while the lock was held would be a bug of the state machine; its state is still the best there
    /// is.
    pub fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn sinks(&self) -> MutexGuard<'_, HashMap<WatcherId, Sink>> {
        self.sinks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Milliseconds since the client was opened.
    pub fn now_ms(&self) -> u64 {
        self.epoch.elapsed().as_millis() as u64
    }

    /// The moment of a deadline of the state machine.
    pub fn instant(&self, at_ms: u64) -> Instant {
        // A year stands for never: `Instant` overflows on more.
        self.epoch + std::time::Duration::from_millis(at_ms.min(self.now_ms() + 365 * 24 * 3_600_000))
    }

    /// Submits a request and waits for its result. While there is no room, it waits before submitting.
    pub async fn call(
        &self,
        request: &Request<'_>,
        watcher: Option<WatcherId>,
        path: Option<&str>,
    ) -> Result<Answer, Error> {
        self.call_with(path, |core, token| core.session.submit(token, request, watcher)).await
    }

    /// As [`Shared::call`], for whatever `submit` asks of the session.
    pub async fn call_with(
        &self,
        path: Option<&str>,
        submit: impl Fn(&mut Core, Token) -> Result<(), SubmitError>,
    ) -> Result<Answer, Error> {
        let permit = match self.permits.try_acquire() {
            Ok(permit) => permit,
            Err(_) => self.permits.acquire().await.expect("the semaphore is never closed"),
        };
        let answer = match self.try_submit(&submit) {
            Err(error) if error.is_transient() => self.submit_when_there_is_room(&submit).await,
            submitted => submitted,
        };
        let answer = answer.map_err(|reason| Error::from_submit(reason, path))?;
        // The driver returns it with the result, which may come long after this future is gone.
        permit.forget();
        self.wake_driver.notify_one();
        // The driver answers every token, even when it is torn down.
        answer.await.map_err(|_| Error::SessionEnded {
            state: SessionState::Closed,
            path: path.map(str::to_owned),
            maybe_applied: true,
        })
    }

    fn try_submit(
        &self,
        submit: &impl Fn(&mut Core, Token) -> Result<(), SubmitError>,
    ) -> Result<oneshot::Receiver<Answer>, SubmitError> {
        let (sender, answer) = oneshot::channel();
        submit(&mut self.core(), Token { sender, has_permit: true }).map(|()| answer)
    }

    async fn submit_when_there_is_room(
        &self,
        submit: &impl Fn(&mut Core, Token) -> Result<(), SubmitError>,
    ) -> Result<oneshot::Receiver<Answer>, SubmitError> {
        loop {
            let mut room = std::pin::pin!(self.room.notified());
            // Listens before it looks, so that no room is missed.
            room.as_mut().enable();
            match self.try_submit(submit) {
                Err(error) if error.is_transient() => room.await,
                submitted => return submitted,
            }
        }
    }

    /// Some requests were answered.
    pub fn answered(&self, requests: usize) {
        if requests > 0 {
            self.permits.add_permits(requests);
            self.room.notify_waiters();
        }
    }

    /// Some requests were written, which makes room for others.
    pub fn transmitted(&self) {
        self.room.notify_waiters();
    }
}

/// How many state changes a slow [`crate::StateEvents`] may lag behind before it misses the oldest.
const STATE_EVENTS_MAX: usize = 64;
