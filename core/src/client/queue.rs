//! Requests on their way: encoded and waiting for a connection, then sent and waiting for an answer.

use super::watches::{WatchList, WatcherId};
use crate::proto::{OpCode, WatcherType};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// What is remembered of a request until its answer.
#[derive(Debug)]
pub(super) struct Asked<T> {
    /// Whom to tell; `None` for what the session itself sends.
    pub token: Option<T>,
    pub op: OpCode,
    pub then: Option<Box<Then>>,
}

/// What an answer does to the watch table. Paths are the server's.
#[derive(Debug)]
pub(super) enum Then {
    /// Success lists the watcher. `exists` chooses its list by the answer.
    Watch { id: WatcherId, list: WatchList, path: Arc<str> },
    /// Success takes watchers out; `local`: a lost connection too.
    Unwatch { path: Arc<str>, kind: WatcherType, local: bool, only: Option<WatcherId> },
}

/// A sent request.
#[derive(Debug)]
pub(super) struct InFlight<T> {
    pub xid: i32,
    pub asked: Asked<T>,
}

/// Requests that no connection has taken yet, encoded once; their xids are filled in when one does.
#[derive(Debug)]
pub(super) struct Queue<T> {
    frames: Vec<u8>,
    /// Where the first unsent frame begins in `frames`.
    head: usize,
    waiting: VecDeque<(Asked<T>, usize)>,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { frames: Vec::new(), head: 0, waiting: VecDeque::new() }
    }
}

impl<T> Queue<T> {
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Lets `write` append one frame, keeps it unless `accept` refuses its size and the queue's.
    pub fn push<E>(
        &mut self,
        asked: Asked<T>,
        write: impl FnOnce(&mut Vec<u8>),
        accept: impl FnOnce(usize, usize) -> Result<(), E>,
    ) -> Result<(), E> {
        let start = self.frames.len();
        write(&mut self.frames);
        let frame_bytes = self.frames.len() - start;
        if let Err(refusal) = accept(frame_bytes, self.frames.len() - self.head) {
            self.frames.truncate(start);
            return Err(refusal);
        }
        self.waiting.push_back((asked, frame_bytes));
        Ok(())
    }

    /// Moves the first request to `out`, under this xid.
    pub fn pop_into(&mut self, xid: i32, out: &mut Vec<u8>) -> Option<InFlight<T>> {
        let (asked, frame_bytes) = self.waiting.pop_front()?;
        let start = out.len();
        out.extend_from_slice(&self.frames[self.head..self.head + frame_bytes]);
        out[start + 4..start + 8].copy_from_slice(&xid.to_be_bytes());
        self.head += frame_bytes;
        if self.waiting.is_empty() {
            self.frames.clear();
            self.frames.shrink_to(KEPT_BYTES);
            self.head = 0;
        } else if self.head > KEPT_BYTES && self.head * 2 > self.frames.len() {
            self.frames.drain(..self.head);
            self.head = 0;
        }
        Some(InFlight { xid, asked })
    }

    /// What the unsent requests will do to the watch table.
    pub fn thens(&self) -> impl Iterator<Item = &Then> {
        self.waiting.iter().filter_map(|(asked, _)| asked.then.as_deref())
    }

    /// Empties the queue.
    pub fn drain(&mut self) -> VecDeque<(Asked<T>, usize)> {
        core::mem::take(self).waiting
    }
}

/// Memory an empty queue keeps for the next requests.
const KEPT_BYTES: usize = 64 << 10;
