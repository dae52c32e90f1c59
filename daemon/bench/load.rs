//! The load loop: one thread, its sessions, and requests in flight on each.
//!
//! Closed loop: every session keeps `depth` requests in flight, and a reply makes room for the next. Open loop:
//! requests fall due on a fixed timetable, whatever the server does; latency counts from the due time, so a
//! stall is charged to every request that it delayed (no coordinated omission).

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

use super::connection::{Connection, InFlight, Pending, RECEIVE_BUFFER_BYTES, Received};
use super::pacer::{Alarm, Timetable};
use super::tally::{Outcome, Sample, Trouble, Troubles};
use super::workload::Workload;

/// How long the loop waits for the last replies after the window.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);
/// How often idle sessions are looked at.
const HOUSEKEEPING: Duration = Duration::from_millis(500);
const EVENTS_MAX: usize = 1024;
const ALARM: Token = Token(usize::MAX);

/// When a run ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Stop {
    /// After this long, warm-up not included.
    After(Duration),
    /// After this many requests, warm-up not included.
    Requests(u64),
}

/// One run of the loop.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// Requests in flight on each session, at most.
    pub depth: usize,
    /// Time before the measured window.
    pub warmup: Duration,
    pub stop: Stop,
    /// Requests per second of an open loop; `None` is a closed loop.
    pub rate: Option<f64>,
    /// The zero of all times; threads of one run share it.
    pub start: Instant,
    pub keep_samples: bool,
}

/// A thread's sessions and its poll.
#[derive(Debug)]
pub struct Driver {
    poll: Poll,
    connections: Vec<Connection>,
    buffer: Vec<u8>,
    alarm: Alarm,
}

impl Driver {
    /// Opens the sessions.
    ///
    /// # Errors
    /// See [`Connection::open_many`].
    pub fn open(server: SocketAddr, count: usize, timeout: Duration) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut connections = Connection::open_many(server, count, timeout, || ())?;
        for (index, connection) in connections.iter_mut().enumerate() {
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut connection.stream, Token(index), interest)?;
        }
        let alarm = Alarm::register(poll.registry(), ALARM)?;
        Ok(Self { poll, connections, buffer: vec![0; RECEIVE_BUFFER_BYTES], alarm })
    }

    /// Runs the load to its end, and waits for the last replies. `progress` counts finished requests as they come.
    ///
    /// # Errors
    /// The poll's. What goes wrong on a session is counted in the outcome.
    pub fn drive(&mut self, run: Run, workload: &mut Workload, progress: &AtomicU64) -> io::Result<Outcome> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        let mut state = State::new(run, workload, progress);
        let mut housekeeping = Instant::now() + HOUSEKEEPING;

        for connection in &mut self.connections {
            state.send(connection);
        }
        while !state.is_done(&self.connections) {
            let timeout = self.alarm.arm(state.next_due(&self.connections), HOUSEKEEPING)?;
            match self.poll.poll(&mut events, Some(timeout)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result?,
            }
            let mut alarmed = events.is_empty();
            for event in &events {
                let Some(connection) = self.connections.get_mut(event.token().0) else {
                    alarmed = true;
                    continue;
                };
                if event.is_readable() {
                    state.receive(connection, &mut self.buffer);
                }
                state.send(connection);
            }
            if alarmed && run.rate.is_some() {
                state.send_due(&mut self.connections);
            }
            if Instant::now() >= housekeeping {
                housekeeping += HOUSEKEEPING;
                state.keep_alive(&mut self.connections);
            }
        }
        Ok(state.finish(&mut self.connections))
    }

    /// Closes the sessions.
    pub fn close(self) {
        Connection::close_many(self.connections);
    }
}

/// What one run of the loop carries along.
struct State<'a> {
    run: Run,
    workload: &'a mut Workload,
    progress: &'a AtomicU64,
    timetable: Option<Timetable>,
    window: Window,
    outcome: Outcome,
    next_connection: usize,
    last_reply_nanos: u64,
}

/// The measured window, in nanoseconds since the start.
struct Window {
    opens: u64,
    /// For a run by time.
    closes: u64,
    /// For a run by count: requests yet to be sent inside the window.
    requests_left: u64,
    drain_deadline: Option<Instant>,
}

impl<'a> State<'a> {
    fn new(run: Run, workload: &'a mut Workload, progress: &'a AtomicU64) -> Self {
        let opens = nanos(run.warmup);
        let (closes, requests_left) = match run.stop {
            Stop::After(length) => (opens + nanos(length), u64::MAX),
            Stop::Requests(count) => (u64::MAX, count),
        };
        Self {
            run,
            workload,
            progress,
            timetable: run.rate.map(Timetable::new),
            window: Window { opens, closes, requests_left, drain_deadline: None },
            outcome: Outcome::new(),
            next_connection: 0,
            last_reply_nanos: 0,
        }
    }

    fn now_nanos(&self) -> u64 {
        nanos(self.run.start.elapsed())
    }

    /// Whether requests are still to be sent. An open loop also sends, late, all that fell due in its window.
    fn has_more(&self, now: u64) -> bool {
        let due = self.timetable.as_ref().map_or(now, Timetable::next_nanos);
        due < self.window.closes && self.window.requests_left > 0
    }

    /// The due time of the next request if it may be sent now.
    fn take_due(&mut self, now: u64) -> Option<u64> {
        if !self.has_more(now) {
            return None;
        }
        let due = match &mut self.timetable {
            None => now,
            Some(timetable) => timetable.take(now)?,
        };
        if due >= self.window.opens && self.window.requests_left != u64::MAX {
            self.window.requests_left -= 1;
        }
        Some(due)
    }

    fn queue(&mut self, connection: &mut Connection, due: u64) {
        let xid = connection.pending.next_xid();
        let asked = self.workload.append(&mut connection.output, xid);
        let xid = if asked.is_ping { super::wire::XID_PING } else { xid };
        connection.pending.push(InFlight { xid, reply_bytes: asked.reply_bytes, due_nanos: due });
        self.outcome.issued += 1;
    }

    /// Fills one session up to its depth with what is due, and writes.
    fn send(&mut self, connection: &mut Connection) {
        if connection.is_closed() {
            return;
        }
        let now = self.now_nanos();
        while connection.pending.len() < self.run.depth {
            let Some(due) = self.take_due(now) else { break };
            self.queue(connection, due);
        }
        self.flush(connection, now);
    }

    /// Spreads what is due over the sessions in turn.
    fn send_due(&mut self, connections: &mut [Connection]) {
        let now = self.now_nanos();
        let mut passed_over = 0;
        while passed_over < connections.len() {
            let index = self.next_connection % connections.len();
            self.next_connection = index + 1;
            let connection = &mut connections[index];
            if connection.is_closed() || connection.pending.len() >= self.run.depth {
                passed_over += 1;
                continue;
            }
            let Some(due) = self.take_due(now) else { return };
            self.queue(connection, due);
            self.flush(connection, now);
            passed_over = 0;
        }
    }

    fn flush(&mut self, connection: &mut Connection, now: u64) {
        if let Err(error) = connection.flush(now) {
            self.lose(connection, &error);
        }
    }

    fn receive(&mut self, connection: &mut Connection, buffer: &mut [u8]) {
        if connection.is_closed() {
            return;
        }
        let now = self.now_nanos();
        let mut replies = Replies { now, window: &self.window, run: &self.run, outcome: &mut self.outcome };
        let before = replies.outcome.finished;
        let mut broken = false;
        let result = connection.receive(buffer, |pending, frame| {
            broken = !replies.take(pending, frame);
            !broken
        });
        let finished = self.outcome.finished - before;
        if finished > 0 {
            self.progress.fetch_add(finished, Ordering::Relaxed);
        }
        self.last_reply_nanos = now;
        if broken {
            connection.close();
        } else if let Err(error) = result {
            self.lose(connection, &error);
        }
    }

    fn lose(&mut self, connection: &mut Connection, error: &io::Error) {
        if error.kind() != io::ErrorKind::UnexpectedEof {
            self.outcome.troubles.add(Trouble::Socket(error.to_string()));
        }
        let unanswered = connection.close();
        self.outcome.troubles.add(Trouble::ConnectionLost(unanswered));
    }

    fn keep_alive(&mut self, connections: &mut [Connection]) {
        let now = self.now_nanos();
        for connection in connections {
            connection.keep_alive(now);
            self.flush(connection, now);
        }
    }

    /// When the loop must wake for the timetable, if any session has room.
    fn next_due(&self, connections: &[Connection]) -> Option<Duration> {
        let due = self.timetable.as_ref()?.next_nanos();
        if !self.has_more(due) {
            return None;
        }
        let has_room = connections.iter().any(|c| !c.is_closed() && c.pending.len() < self.run.depth);
        has_room.then(|| Duration::from_nanos(due.saturating_sub(self.now_nanos())))
    }

    fn is_done(&mut self, connections: &[Connection]) -> bool {
        if connections.iter().all(Connection::is_closed) {
            return true;
        }
        let now = self.now_nanos();
        let has_more = self.has_more(now);
        if has_more && now < self.window.closes {
            return false;
        }
        let deadline = *self.window.drain_deadline.get_or_insert_with(|| Instant::now() + DRAIN_TIMEOUT);
        let idle = connections.iter().all(|c| c.is_closed() || c.pending.len() == 0);
        (idle && !has_more) || Instant::now() >= deadline
    }

    fn finish(mut self, connections: &mut [Connection]) -> Outcome {
        for connection in connections {
            if !connection.is_closed() && connection.pending.len() > 0 {
                self.outcome.troubles.add(Trouble::Unanswered(connection.close()));
            }
        }
        if let Some(timetable) = &mut self.timetable {
            let mut unsent = 0;
            while self.window.closes != u64::MAX && timetable.take(self.window.closes - 1).is_some() {
                unsent += 1;
            }
            if unsent > 0 {
                self.outcome.troubles.add(Trouble::Unanswered(unsent));
            }
        }
        // An open loop that the server could not follow ends late, and its throughput is what was reached.
        let closes = match (self.run.stop, self.run.rate) {
            (Stop::After(_), None) => self.window.closes,
            (Stop::After(_), Some(_)) => self.window.closes.max(self.last_reply_nanos),
            (Stop::Requests(_), _) => self.last_reply_nanos.max(self.window.opens),
        };
        self.outcome.window_seconds = (closes - self.window.opens) as f64 / 1e9;
        self.outcome
    }
}

/// Takes replies apart for one session at one moment.
struct Replies<'a> {
    now: u64,
    window: &'a Window,
    run: &'a Run,
    outcome: &'a mut Outcome,
}

impl Replies<'_> {
    /// Counts one frame; whether the session is still good.
    fn take(&mut self, pending: &mut Pending, frame: &[u8]) -> bool {
        match pending.settle(frame) {
            Received::Reply(request) => self.count(request),
            Received::Faulty(_, trouble) => self.outcome.troubles.add(trouble),
            Received::Notification | Received::Pong => {}
            Received::Broken(trouble) => {
                break_off(&mut self.outcome.troubles, pending, trouble);
                return false;
            }
        }
        true
    }

    fn count(&mut self, request: InFlight) {
        // An open loop owns the requests that fell due in the window, however late they end; a closed loop
        // those that ended in it.
        let inside = match (self.run.rate, self.run.stop) {
            (Some(_), _) | (None, Stop::Requests(_)) => request.due_nanos >= self.window.opens,
            (None, Stop::After(_)) => self.now >= self.window.opens && self.now < self.window.closes,
        };
        if inside {
            let latency = self.now.saturating_sub(request.due_nanos);
            self.outcome.finished += 1;
            self.outcome.latencies.record(latency);
            if self.run.keep_samples {
                self.outcome.samples.push(Sample { due_nanos: request.due_nanos, latency_nanos: latency });
            }
        }
    }
}

fn break_off(troubles: &mut Troubles, pending: &Pending, trouble: Trouble) {
    troubles.add(trouble);
    troubles.add(Trouble::ConnectionLost(pending.len()));
}

fn nanos(duration: Duration) -> u64 {
    duration.as_nanos().min(u128::from(u64::MAX)) as u64
}
