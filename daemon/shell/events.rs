//! Watch and session events, printed as they come, in the order in which they came.
//!
//! Every watch and the session feed one queue, and one task prints from it. zkCli registers one watcher
//! everywhere, and a change that several of its watches see is told once; the same is done here.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use zkrs_client::{Client, EventKind, OneShotWatch, SessionState, WatchedEvent, Watcher};

use super::output::Output;

/// Takes watches and prints what they bring.
#[derive(Clone)]
pub struct Events {
    // Bounded by the client library: each watch queues at most its own limit of events, and a one-shot one.
    queue: UnboundedSender<WatchedEvent>,
    are_printed: Arc<AtomicBool>,
    session_is_printed: Arc<AtomicBool>,
}

impl Events {
    /// Starts the task that prints.
    pub fn start(out: Output) -> Self {
        let (queue, events) = unbounded_channel();
        let are_printed = Arc::new(AtomicBool::new(true));
        tokio::spawn(print_all(events, out, Arc::clone(&are_printed)));
        Self { queue, are_printed, session_is_printed: Arc::new(AtomicBool::new(true)) }
    }

    /// Whether events are printed or dropped (`printwatches`).
    pub fn are_printed(&self) -> bool {
        self.are_printed.load(Ordering::Relaxed)
    }

    pub fn set_printed(&self, printed: bool) {
        self.are_printed.store(printed, Ordering::Relaxed);
    }

    /// Whether changes of the session's state are among the events.
    pub fn set_session_printed(&self, printed: bool) {
        self.session_is_printed.store(printed, Ordering::Relaxed);
    }

    /// Lets what arrived so far be printed: a turn for the task of the watch, one for the task that prints, and one
    /// for the client's own.
    pub async fn settle(&self) {
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
    }

    /// Waits for one event and prints it.
    pub fn one_shot(&self, watch: OneShotWatch) {
        let queue = self.queue.clone();
        tokio::spawn(async move {
            send(&queue, watch.await);
        });
    }

    /// Prints the events of a persistent watch until it is removed.
    pub fn persistent(&self, mut watcher: Watcher) {
        let queue = self.queue.clone();
        tokio::spawn(async move {
            while let Some(event) = watcher.next().await {
                send(&queue, event);
            }
        });
    }

    /// Prints the session's changes of state until it ends; the task ends with it.
    pub fn session(&self, client: &Client) -> tokio::task::JoinHandle<()> {
        let mut states = client.state_events();
        let queue = self.queue.clone();
        let is_printed = Arc::clone(&self.session_is_printed);
        tokio::spawn(async move {
            while let Some(state) = states.next().await {
                if state != SessionState::Connecting && is_printed.load(Ordering::Relaxed) {
                    let _ = queue.send(session_event(state));
                }
                if is_over(state) {
                    break;
                }
            }
        })
    }
}

/// Hands a watch's event on. A session's end reaches every watch too, and is told once, by the session itself.
fn send(queue: &UnboundedSender<WatchedEvent>, event: WatchedEvent) {
    if event.kind != EventKind::Session {
        // The queue is gone only when the shell is.
        let _ = queue.send(event);
    }
}

/// Whether a session in this state is at its end: zkCli says "Not connected" to every command.
pub fn is_over(state: SessionState) -> bool {
    matches!(state, SessionState::Closed | SessionState::Expired | SessionState::AuthFailed)
}

fn session_event(state: SessionState) -> WatchedEvent {
    WatchedEvent { kind: EventKind::Session, state, path: String::new(), zxid: -1 }
}

async fn print_all(mut events: UnboundedReceiver<WatchedEvent>, out: Output, are_printed: Arc<AtomicBool>) {
    let mut last: Option<WatchedEvent> = None;
    while let Some(event) = events.recv().await {
        let told = event.zxid != -1 && last.as_ref().is_some_and(|last| is_same(last, &event));
        if !told && are_printed.load(Ordering::Relaxed) {
            print(&event, &out);
        }
        last = Some(event);
    }
}

fn is_same(one: &WatchedEvent, other: &WatchedEvent) -> bool {
    one.zxid == other.zxid && one.kind == other.kind && one.path == other.path
}

fn print(event: &WatchedEvent, out: &Output) {
    let (state, kind) = (event.state.keeper_state(), event.kind.name());
    let path = Some(event.path.as_str()).filter(|path| !path.is_empty());
    let shown = path.unwrap_or("null");
    let text =
        format!("\nWATCHER::\n\nWatchedEvent state:{state} type:{kind} path:{shown} zxid: {}\n", event.zxid);
    let value = json!({ "event": { "state": state, "type": kind, "path": path, "zxid": event.zxid } });
    out.event(&text, value);
}
