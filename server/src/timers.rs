//! The timer thread: steps the peer when it is due, and ends connections that take too long.
//!
//! Two waits have the same length for every connection, so the ends of each wait come in the order in which they
//! began, and a queue is all it takes: connections that got no session (half-open ones, slow talkers), and
//! connections whose last bytes were sent but whose client does not close.
//!
//! A client that has a session and sends half a frame needs no watch here: half a frame is no sign of life, and its
//! session expires.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use zkrs_core::peer::{ConnId, Input};

use crate::driver::{Shared, Work};
use crate::out::Stage;

/// How long a client that was told the last word may keep its connection open.
const ENDING_MS: u64 = 5_000;
/// The longest sleep: the bound of the delay by anything that fails to wake this thread.
const SLEEP_MS_MAX: u64 = 1_000;

/// Waits of connections, oldest first.
#[derive(Debug)]
pub(crate) struct Deadlines {
    sessionless_ms: u64,
    queues: Mutex<Queues>,
}

#[derive(Debug, Default)]
struct Queues {
    sessionless: VecDeque<(u64, ConnId)>,
    ending: VecDeque<(u64, ConnId)>,
}

impl Deadlines {
    /// `sessionless_ms` is `nio.sessionlessCnxnTimeout`.
    pub(crate) fn new(sessionless_ms: u64) -> Self {
        Self { sessionless_ms, queues: Mutex::default() }
    }

    /// A connection was let in: it has so long to get a session.
    pub(crate) fn accepted(&self, conn: ConnId, now_ms: u64) {
        self.lock().sessionless.push_back((now_ms + self.sessionless_ms, conn));
    }

    /// A connection is sent its last bytes: its client has so long to close it.
    pub(crate) fn ending(&self, conn: ConnId, now_ms: u64) {
        self.lock().ending.push_back((now_ms + ENDING_MS, conn));
    }

    /// Takes those whose wait for a session is over, and those whose wait for the client's close is over.
    fn take_due(&self, now_ms: u64) -> (Vec<ConnId>, Vec<ConnId>) {
        let mut queues = self.lock();
        let Queues { sessionless, ending } = &mut *queues;
        (take_due_of(sessionless, now_ms), take_due_of(ending, now_ms))
    }

    /// When the next wait ends.
    fn next_ms(&self) -> Option<u64> {
        let queues = self.lock();
        [&queues.sessionless, &queues.ending].into_iter().filter_map(|queue| Some(queue.front()?.0)).min()
    }

    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn take_due_of(queue: &mut VecDeque<(u64, ConnId)>, now_ms: u64) -> Vec<ConnId> {
    let due = queue.iter().take_while(|(due_ms, _)| *due_ms <= now_ms).count();
    let ids = queue.drain(..due).map(|(_, id)| id).collect();
    if queue.is_empty() {
        // Ten thousand connections an hour ago are no reason to keep their places.
        queue.shrink_to(1024);
    }
    ids
}

/// Runs until the server stops.
fn run(shared: &Shared) {
    shared.set_timer(std::thread::current());
    let mut work = Work::default();
    while !shared.stopping.load(Ordering::SeqCst) {
        let now = shared.clock.now();
        if shared.read().peer.next_deadline().is_some_and(|due_ms| due_ms <= now.mono_ms) {
            shared.step(now, Input::Wake, &mut work);
        }
        end_overdue(shared, now.mono_ms);
        let wake_ms = {
            let core = shared.read();
            let next = [core.peer.next_deadline(), shared.deadlines.next_ms()].into_iter().flatten().min();
            let wake_ms = next.unwrap_or(u64::MAX).min(now.mono_ms + SLEEP_MS_MAX);
            // Under the lock, so that a step that makes the peer due earlier sees it and wakes us.
            shared.timer_wakes_ms.store(wake_ms, Ordering::SeqCst);
            wake_ms
        };
        let sleep_ms = wake_ms.saturating_sub(shared.clock.mono_ms());
        if sleep_ms > 0 {
            std::thread::park_timeout(Duration::from_millis(sleep_ms));
        }
    }
}

fn end_overdue(shared: &Shared, now_ms: u64) {
    let (sessionless, ending) = shared.deadlines.take_due(now_ms);
    let find = |ids: Vec<ConnId>| -> Vec<_> {
        let core = shared.read();
        ids.iter().filter_map(|id| core.conns.get(*id)).cloned().collect()
    };
    if !sessionless.is_empty() {
        for conn in find(sessionless) {
            if conn.stats.session.load(Ordering::Relaxed) == 0 && conn.out.stage() == Stage::Open {
                shared.stats.sessionless_expired.fetch_add(1, Ordering::Relaxed);
                conn.out.kill(&conn.stream);
            }
        }
    }
    if !ending.is_empty() {
        for conn in find(ending) {
            conn.out.kill(&conn.stream);
        }
    }
}

/// Starts the timer thread.
pub(crate) fn spawn(shared: Arc<Shared>) -> std::io::Result<std::thread::JoinHandle<()>> {
    std::thread::Builder::new().name("zkrs-timer".to_owned()).spawn(move || {
        let _guard = shared.exit.guard();
        run(&shared);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_end_in_order_and_once() {
        let deadlines = Deadlines::new(100);
        deadlines.accepted(1, 0);
        deadlines.ending(2, 10);
        deadlines.accepted(3, 50);
        assert_eq!(deadlines.next_ms(), Some(100));
        assert_eq!(deadlines.take_due(99), (vec![], vec![]));
        assert_eq!(deadlines.take_due(149), (vec![1], vec![]));
        assert_eq!(deadlines.next_ms(), Some(150));
        assert_eq!(deadlines.take_due(ENDING_MS + 10), (vec![3], vec![2]));
        assert_eq!(deadlines.next_ms(), None);
    }
}
