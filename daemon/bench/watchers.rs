//! Many watchers of one znode. The znode is changed; once every watcher has heard (and a one-shot watch is set
//! again), it is changed again.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

use super::args::{Args, WatchKind};
use super::connection::{Connection, InFlight, Received, reply_bytes};
use super::control::Control;
use super::tally::{Outcome, Trouble};
use super::wire::{self, Action, PathShape, STAT_BYTES, Template, opcode};

/// A round in which nothing happens for so long is given up.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);
/// How often silent watchers are looked at for a ping that is due.
const HOUSEKEEPING: Duration = Duration::from_millis(500);
/// Events, and a reply with the znode's data.
const BUFFER_BYTES: usize = 2 << 20;

/// Sessions that watch, one that writes, and the znode's path.
pub struct FanOut {
    poll: Poll,
    /// The writer is the last.
    connections: Vec<Connection>,
    kind: WatchKind,
    path: PathShape,
    path_text: String,
    size: usize,
    changes_at_once: usize,
    buffer: Vec<u8>,
    server: SocketAddr,
    timeout: Duration,
    housekeeping: Instant,
}

impl FanOut {
    /// Makes the znode and opens the sessions.
    ///
    /// # Errors
    /// If the znode cannot be made or a session cannot be opened.
    pub fn open(args: &Args, server: SocketAddr) -> io::Result<Self> {
        let path = PathShape::flat(&format!("{}-watched-", args.root));
        let path_text = format!("{}-watched-{:010}", args.root, std::process::id());
        let timeout = args.session_timeout();
        let mut control = Control::open(server, timeout)?;
        control.create(&path_text, &vec![b'x'; args.size as usize])?;
        control.close()?;
        let poll = Poll::new()?;
        let mut connections = Connection::open_many(server, args.connections as usize + 1, timeout, || ())?;
        for (index, connection) in connections.iter_mut().enumerate() {
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut connection.stream, Token(index), interest)?;
        }
        Ok(Self {
            poll,
            connections,
            kind: args.watch,
            path,
            path_text,
            size: args.size as usize,
            // A one-shot watch hears only the first of several changes.
            changes_at_once: if args.watch == WatchKind::OneShot { 1 } else { args.depth as usize },
            buffer: vec![0; BUFFER_BYTES],
            server,
            timeout,
            housekeeping: Instant::now() + HOUSEKEEPING,
        })
    }

    /// Changes the znode over and over until `length` after `warmup`.
    ///
    /// # Errors
    /// The poll's. What goes wrong on a session is counted in the outcome.
    pub fn run(
        &mut self,
        warmup: Duration,
        length: Duration,
        start: Instant,
        progress: &AtomicU64,
    ) -> io::Result<Outcome> {
        let watchers = self.connections.len() - 1;
        let mut outcome = Outcome::new();
        let mut round = Round { awaited_replies: watchers, ..Round::default() };
        for index in 0..watchers {
            self.set_watch(index, start);
        }
        self.wait_for(&mut round, &mut outcome, start, None)?;

        let change = Template::single(&Action::Set(vec![b'y'; self.size]), &self.path);
        let opens = start + warmup;
        let closes = opens + length;
        let mut last = opens;
        while Instant::now() < closes && outcome.troubles.total() == 0 {
            let begun = Instant::now();
            let measured = begun >= opens;
            let writer = &mut self.connections[watchers];
            for _ in 0..self.changes_at_once {
                let xid = writer.pending.next_xid();
                change.append(&mut writer.output, xid, || u64::from(std::process::id()));
                let reply_bytes = reply_bytes(STAT_BYTES);
                writer.pending.push(InFlight { xid, reply_bytes, due_nanos: 0 });
            }
            flush(writer, start, &mut outcome);
            let events = watchers * self.changes_at_once;
            let again = if self.kind == WatchKind::OneShot { watchers } else { 0 };
            let mut round = Round { awaited_events: events, awaited_replies: self.changes_at_once + again };
            self.wait_for(&mut round, &mut outcome, start, measured.then_some(begun))?;
            if measured && outcome.troubles.total() == 0 {
                outcome.finished += events as u64;
                last = Instant::now();
                progress.fetch_add(events as u64, Ordering::Relaxed);
            }
        }
        outcome.window_seconds = (last - opens).as_secs_f64();
        Ok(outcome)
    }

    /// Closes the sessions and deletes the znode.
    ///
    /// # Errors
    /// If the znode cannot be deleted.
    pub fn close(self) -> io::Result<()> {
        Connection::close_many(self.connections);
        let mut control = Control::open(self.server, self.timeout)?;
        control.delete(&self.path_text)?;
        control.close()
    }

    fn set_watch(&mut self, index: usize, start: Instant) {
        let connection = &mut self.connections[index];
        let xid = connection.pending.next_xid();
        let (request, body) = match self.kind {
            WatchKind::OneShot => {
                (wire::read_request(xid, opcode::GET_DATA, &self.path_text, true), 4 + self.size + STAT_BYTES)
            }
            WatchKind::Persistent => (wire::add_watch(xid, &self.path_text, 0), 4),
        };
        connection.output.extend_from_slice(&request);
        connection.pending.push(InFlight { xid, reply_bytes: reply_bytes(body), due_nanos: 0 });
        let now = start.elapsed().as_nanos() as u64;
        // A lost connection shows at its next read, which counts it.
        let _ = connection.flush(now);
    }

    /// Handles events until nothing of the round is awaited, or something went wrong.
    fn wait_for(
        &mut self,
        round: &mut Round,
        outcome: &mut Outcome,
        start: Instant,
        begun: Option<Instant>,
    ) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        let mut last_event = Instant::now();
        while !round.is_over() && outcome.troubles.total() == 0 {
            match self.poll.poll(&mut events, Some(Duration::from_millis(500))) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result?,
            }
            if Instant::now() >= self.housekeeping {
                self.housekeeping = Instant::now() + HOUSEKEEPING;
                for connection in &mut self.connections {
                    connection.keep_alive(start.elapsed().as_nanos() as u64);
                    flush(connection, start, outcome);
                }
            }
            if events.is_empty() && last_event.elapsed() > STALL_TIMEOUT {
                outcome.troubles.add(Trouble::Unanswered(round.awaited_events + round.awaited_replies));
            }
            for event in &events {
                last_event = Instant::now();
                self.handle(event.token().0, round, outcome, start, begun);
            }
        }
        Ok(())
    }

    fn handle(
        &mut self,
        index: usize,
        round: &mut Round,
        outcome: &mut Outcome,
        start: Instant,
        begun: Option<Instant>,
    ) {
        let now = Instant::now();
        let connection = &mut self.connections[index];
        let mut heard = 0;
        let result = connection.receive(&mut self.buffer, |pending, frame| {
            match pending.settle(frame) {
                Received::Reply(_) => round.awaited_replies = round.awaited_replies.saturating_sub(1),
                Received::Notification => heard += 1,
                Received::Pong => {}
                Received::Faulty(_, trouble) | Received::Broken(trouble) => {
                    outcome.troubles.add(trouble);
                    return false;
                }
            }
            true
        });
        if let Err(error) = result {
            outcome.troubles.add(Trouble::Socket(error.to_string()));
            return;
        }
        for _ in 0..heard {
            if round.awaited_events == 0 {
                outcome.troubles.add(Trouble::Unasked(wire::XID_NOTIFICATION));
                return;
            }
            round.awaited_events -= 1;
            if let Some(begun) = begun {
                outcome.latencies.record((now - begun).as_nanos() as u64);
            }
        }
        if heard > 0 && self.kind == WatchKind::OneShot {
            self.set_watch(index, start);
        } else {
            flush(&mut self.connections[index], start, outcome);
        }
    }
}

/// What the current change still has to bring.
#[derive(Debug, Default)]
struct Round {
    awaited_events: usize,
    awaited_replies: usize,
}

impl Round {
    fn is_over(&self) -> bool {
        self.awaited_events == 0 && self.awaited_replies == 0
    }
}

fn flush(connection: &mut Connection, start: Instant, outcome: &mut Outcome) {
    if let Err(error) = connection.flush(start.elapsed().as_nanos() as u64) {
        outcome.troubles.add(Trouble::Socket(error.to_string()));
    }
}
