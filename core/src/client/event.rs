//! What a client is told without having asked: the state of its session and changes it watches.

use crate::Zxid;
use crate::proto::EventType;
use alloc::string::String;

/// Where a session stands, as its client sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SessionState {
    /// No server has accepted the session yet.
    Connecting,
    /// A server serves the session.
    Connected,
    /// A read-only server serves the session: reads work, writes answer NOTREADONLY.
    ConnectedReadOnly,
    /// The connection was lost; another one is being sought. The session may still be alive.
    Disconnected,
    /// The session is over: its ephemeral znodes and watches are gone. Final.
    Expired,
    /// A server refused the client's credentials. Final.
    AuthFailed,
    /// The client closed the session. Final.
    Closed,
}

impl SessionState {
    /// Whether requests are being served.
    pub fn is_connected(self) -> bool {
        matches!(self, Self::Connected | Self::ConnectedReadOnly)
    }

    /// Whether nothing can follow: a new client is needed.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Expired | Self::AuthFailed | Self::Closed)
    }

    /// The name of the `KeeperState` that Apache's clients show for it.
    pub fn keeper_state(self) -> &'static str {
        match self {
            Self::Connected => "SyncConnected",
            Self::ConnectedReadOnly => "ConnectedReadOnly",
            Self::Connecting | Self::Disconnected => "Disconnected",
            Self::Expired => "Expired",
            Self::AuthFailed => "AuthFailed",
            Self::Closed => "Closed",
        }
    }
}

/// What a [`WatchedEvent`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventKind {
    /// Nothing happened to a znode: the session's state changed. Persistent watchers get one for every change,
    /// because a persistent watch misses what happens while disconnected; one-shot watches only for final ones.
    Session,
    /// The path exists now.
    NodeCreated,
    /// The path exists no more.
    NodeDeleted,
    /// The data was set.
    NodeDataChanged,
    /// A child was created or deleted.
    NodeChildrenChanged,
    /// The data watch was removed on request.
    DataWatchRemoved,
    /// The child watch was removed on request.
    ChildWatchRemoved,
    /// The persistent watch was removed on request.
    PersistentWatchRemoved,
    /// The watcher was too slow and lost events; whatever it mirrors must be read again. Made by the client
    /// library, never by the state machine.
    EventsLost,
}

impl EventKind {
    /// The name of Apache's `EventType`; `None` for session events, as there.
    pub fn name(self) -> &'static str {
        match self {
            Self::Session => "None",
            Self::NodeCreated => "NodeCreated",
            Self::NodeDeleted => "NodeDeleted",
            Self::NodeDataChanged => "NodeDataChanged",
            Self::NodeChildrenChanged => "NodeChildrenChanged",
            Self::DataWatchRemoved => "DataWatchRemoved",
            Self::ChildWatchRemoved => "ChildWatchRemoved",
            Self::PersistentWatchRemoved => "PersistentWatchRemoved",
            Self::EventsLost => "EventsLost",
        }
    }
}

impl From<EventType> for EventKind {
    fn from(kind: EventType) -> Self {
        match kind {
            EventType::NodeCreated => Self::NodeCreated,
            EventType::NodeDeleted => Self::NodeDeleted,
            EventType::NodeDataChanged => Self::NodeDataChanged,
            EventType::NodeChildrenChanged => Self::NodeChildrenChanged,
        }
    }
}

/// One event, as a watcher receives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchedEvent {
    /// What happened.
    pub kind: EventKind,
    /// The session's state at that moment.
    pub state: SessionState,
    /// Where it happened, as the client names paths; empty for session events.
    pub path: String,
    /// The transaction that caused it; -1 where the server did not say (setWatches, servers before 3.9) and
    /// for events made by the client itself.
    pub zxid: Zxid,
}

/// What it takes to resume a session on another connection or in another process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionInfo {
    /// The session's id; 0 while there is none.
    pub id: i64,
    /// Its password.
    pub password: [u8; 16],
}
