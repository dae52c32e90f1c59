//! Waiting for changes.

use crate::shared::Shared;
use crate::{AddWatchMode, Error, EventKind, SessionState, WatchedEvent};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use tokio::sync::{mpsc, oneshot};
use zkrs_core::client::WatcherId;

/// A change to wait for, once: a future that resolves to the event.
///
/// It survives reconnects, with the guarantee of the protocol: a change that happened while disconnected is
/// reported. It also resolves, to an [`EventKind::Session`] event, when the session ends. Dropping it forgets
/// the watch.
#[derive(Debug)]
#[must_use = "a watch that is dropped tells nobody"]
pub struct OneShotWatch {
    event: oneshot::Receiver<WatchedEvent>,
    _registration: Registration,
}

impl OneShotWatch {
    /// The event, if it has arrived; it is not reported again.
    pub fn try_event(&mut self) -> Option<WatchedEvent> {
        self.event.try_recv().ok()
    }
}

impl Future for OneShotWatch {
    type Output = WatchedEvent;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<WatchedEvent> {
        Pin::new(&mut self.event).poll(context).map(|event| {
            // The driver tells every watcher how it ends, unless its runtime was torn down.
            event.unwrap_or_else(|_| session_event(SessionState::Closed))
        })
    }
}

/// A stream of changes below, or at, a path.
///
/// # Notable behaviors
/// A persistent watch is set anew after a reconnect, but what happened in between is lost; the
/// [`EventKind::Session`] events (Disconnected, then Connected) tell when to read again. The same holds for
/// [`EventKind::EventsLost`], which follows when this side read too slowly. Dropping the watcher removes the
/// watch in the background.
#[derive(Debug)]
pub struct Watcher {
    events: mpsc::Receiver<WatchedEvent>,
    lost: Arc<AtomicBool>,
    registration: Registration,
    path: String,
    mode: AddWatchMode,
}

impl Watcher {
    /// The next event; `None` after the last one, when the watch was removed or the session has ended.
    pub async fn next(&mut self) -> Option<WatchedEvent> {
        match self.try_next() {
            Some(event) => Some(event),
            None => self.events.recv().await,
        }
    }

    /// The next event, if it has arrived.
    pub fn try_next(&mut self) -> Option<WatchedEvent> {
        match self.events.try_recv() {
            Ok(event) => Some(event),
            Err(_) if self.lost.swap(false, Ordering::Relaxed) => Some(WatchedEvent {
                kind: EventKind::EventsLost,
                path: self.path.clone(),
                ..session_event(*self.registration.shared.states.borrow())
            }),
            Err(_) => None,
        }
    }

    /// The path it was set at.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether it covers everything below the path.
    pub fn mode(&self) -> AddWatchMode {
        self.mode
    }

    /// Removes the watch and waits until it is removed. The server keeps it if another watcher of this client
    /// needs it.
    ///
    /// # Errors
    /// As for any operation; [`crate::ErrorCode::NoWatcher`] if the watch is gone already.
    pub async fn remove(self) -> Result<(), Error> {
        let (shared, id) = (&self.registration.shared, self.registration.id);
        let path = Some(self.path.as_str());
        let answer = shared.call_with(path, |core, token| core.session.remove_watcher(token, id)).await?;
        answer.result.map(drop).map_err(|error| Error::from_request(error, path))
    }
}

/// Where a watcher's events go.
#[derive(Debug)]
pub(crate) enum Sink {
    Once(oneshot::Sender<WatchedEvent>),
    Stream { events: mpsc::Sender<WatchedEvent>, lost: Arc<AtomicBool> },
}

impl Sink {
    /// Passes an event on; what a full stream cannot take is noted as lost.
    pub fn send(self, event: WatchedEvent) {
        match self {
            Self::Once(sender) => drop(sender.send(event)),
            Self::Stream { .. } => self.send_more(event),
        }
    }

    /// As [`Sink::send`], for a watcher that is not done.
    pub fn send_more(&self, event: WatchedEvent) {
        if let Self::Stream { events, lost } = self {
            // Once something is lost, nothing follows until the reader knows.
            if lost.load(Ordering::Relaxed) || events.try_send(event).is_err() {
                lost.store(true, Ordering::Relaxed);
            }
        }
    }
}

/// A watcher's name in the state machine, given back when dropped.
#[derive(Debug)]
pub(crate) struct Registration {
    shared: Arc<Shared>,
    pub id: WatcherId,
}

impl Registration {
    /// A one-shot watcher, to be named in a request.
    pub fn one_shot(shared: &Arc<Shared>) -> Result<(Self, PendingOneShot), Error> {
        let (sender, event) = oneshot::channel();
        Ok((Self::new(shared, Sink::Once(sender))?, PendingOneShot(event)))
    }

    /// A persistent watcher, to be named in a request.
    pub fn stream(
        shared: &Arc<Shared>,
        queue_events_max: usize,
        path: &str,
        mode: AddWatchMode,
    ) -> Result<Watcher, Error> {
        let (sender, events) = mpsc::channel(queue_events_max.max(1));
        let lost = Arc::new(AtomicBool::new(false));
        let registration = Self::new(shared, Sink::Stream { events: sender, lost: lost.clone() })?;
        Ok(Watcher { events, lost, registration, path: path.to_owned(), mode })
    }

    fn new(shared: &Arc<Shared>, sink: Sink) -> Result<Self, Error> {
        let id =
            shared.core().session.reserve_watcher().map_err(|reason| Error::from_submit(reason, None))?;
        shared.sinks().insert(id, sink);
        Ok(Self { shared: shared.clone(), id })
    }
}

impl Watcher {
    pub(crate) fn id(&self) -> WatcherId {
        self.registration.id
    }
}

/// The receiving half of a one-shot watch whose request is not answered yet.
pub(crate) struct PendingOneShot(oneshot::Receiver<WatchedEvent>);

impl PendingOneShot {
    pub fn confirmed(self, registration: Registration) -> OneShotWatch {
        OneShotWatch { event: self.0, _registration: registration }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // Without a sink the watcher was told its last event, and the state machine has forgotten it.
        if self.shared.sinks().remove(&self.id).is_some() {
            self.shared.core().session.forget_watcher(self.id);
            self.shared.wake_driver.notify_one();
        }
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

fn session_event(state: SessionState) -> WatchedEvent {
    WatchedEvent { kind: EventKind::Session, state, path: String::new(), zxid: -1 }
}
