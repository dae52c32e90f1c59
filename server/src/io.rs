//! The I/O threads: each waits for its sockets and serves them.
//!
//! A thread reads what a socket has, cuts it into frames and hands all complete ones to the peer as a batch: reads
//! under the shared lock, from the first request on that needs a step under the exclusive one. It sends replies
//! itself. A connection belongs to one thread, which alone reads from it and removes it; other threads may send to
//! it (`out.rs`) and may give it up by shutting its socket, which its thread then sees.
//!
//! Between two reads an idle connection keeps no buffer. Sockets are edge-triggered: one is read until it is empty,
//! or put on a list to be looked at again.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::mem;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use mio::event::Event;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token, Waker};
use zkrs_core::Now;
use zkrs_core::peer::{Effect, Input, ReadOutcome};
use zkrs_core::proto::OpCode;

use crate::accept::{Acceptor, RETRY};
use crate::conn::{Conn, slot_of};
use crate::driver::{Requester, Shared, Work};
use crate::four_letter::{self, Word};
use crate::frames::{BadLength, Frames};
use crate::out::Stage;
use crate::throttle::SessionKind;

const LISTENER: Token = Token(usize::MAX);
const WAKER: Token = Token(usize::MAX - 1);
const EVENTS_MAX: usize = 256;
/// What one read takes from a socket at most.
const READ_BYTES_MAX: usize = 64 << 10;
/// Reads from one socket before the others get their turn.
const READS_PER_TURN_MAX: usize = 8;
/// Frames handled under one hold of the peer's lock.
const FRAMES_PER_LOCK_MAX: u64 = 64;
/// Replies collected under one hold of the peer's lock.
const REPLY_BYTES_PER_LOCK_MAX: usize = 256 << 10;
/// Replies that wait for a slow client before its requests are no longer read.
const BACKLOG_BYTES_MAX: usize = 1 << 20;
/// Requests that wait in the peer behind a connection's own writes before no more of them are read.
const HELD_BYTES_MAX: usize = 1 << 20;
/// Memory that a thread's reply buffer keeps, at most.
const REPLY_BYTES_KEPT_MAX: usize = 1 << 20;

/// How the other threads reach the I/O threads.
pub(crate) struct IoWakers {
    threads: Vec<IoWaker>,
    phase: AtomicU8,
}

struct IoWaker {
    waker: Waker,
    registry: Registry,
    /// It has connections that are not read because too much is in work.
    stalled: AtomicBool,
}

/// What the I/O threads are to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
#[repr(u8)]
pub(crate) enum Phase {
    /// Serve.
    Serving = 0,
    /// Take no more connections and requests, go on sending.
    Draining = 1,
    /// End.
    Stopped = 2,
}

impl IoWakers {
    /// A way to wake each of these polls.
    pub(crate) fn new(polls: &[Poll]) -> io::Result<Self> {
        let waker = |poll: &Poll| {
            let waker = Waker::new(poll.registry(), WAKER)?;
            let registry = poll.registry().try_clone()?;
            Ok(IoWaker { waker, registry, stalled: AtomicBool::new(false) })
        };
        let threads = polls.iter().map(waker).collect::<io::Result<_>>()?;
        Ok(Self { threads, phase: AtomicU8::new(Phase::Serving as u8) })
    }

    /// Reads again from connections that were not read because too much was in work.
    pub(crate) fn resume(&self) {
        for thread in &self.threads {
            if thread.stalled.load(Ordering::SeqCst) && thread.stalled.swap(false, Ordering::SeqCst) {
                // It fails only when the process has no more descriptors or memory; the thread looks again by itself.
                let _ = thread.waker.wake();
            }
        }
    }

    /// Tells the threads what to do from now on.
    pub(crate) fn set_phase(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::SeqCst);
        for thread in &self.threads {
            let _ = thread.waker.wake();
        }
    }

    fn is(&self, phase: Phase) -> bool {
        self.phase.load(Ordering::SeqCst) >= phase as u8
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.threads.len()
    }

    /// Hands a new connection to its thread. Its first event, that it is writable, comes at once.
    pub(crate) fn register(&self, conn: &Conn) -> io::Result<()> {
        let interests = Interest::READABLE | Interest::WRITABLE;
        let descriptor = conn.stream.as_raw_fd();
        self.threads[conn.io_thread].registry.register(
            &mut SourceFd(&descriptor),
            Token(slot_of(conn.id)),
            interests,
        )
    }
}

/// The reading half of a connection.
struct Reader {
    conn: Arc<Conn>,
    /// What was read and is not handled: a partial frame, or whole ones while the connection is not to be read.
    leftover: Vec<u8>,
    /// Nothing was read yet: a four-letter word may come.
    fresh: bool,
    /// The peer knows the connection.
    opened: bool,
    /// The client sends no more; what is waiting for it is still sent.
    ended: bool,
    /// Not read until the client has taken what waits for it.
    backed_up: bool,
    /// Many of its requests wait in the peer.
    held: bool,
    /// On the list of connections that are not read because too much is in work.
    stalled: bool,
    /// This connection's part of [`Shared::large_request_bytes`].
    large_bytes: usize,
}

/// Why a connection is to be closed now.
struct CloseNow;

impl From<BadLength> for CloseNow {
    fn from(_: BadLength) -> Self {
        CloseNow
    }
}

/// One I/O thread.
pub(crate) struct IoThread {
    shared: Arc<Shared>,
    index: usize,
    poll: Poll,
    acceptor: Option<Acceptor>,
    /// By place in the table of connections; `None` for those of other threads.
    readers: Vec<Option<Box<Reader>>>,
    /// Places to look at again before sleeping.
    again: VecDeque<usize>,
    /// Places that are not read because too much is in work.
    stalled: Vec<usize>,
    scratch: Vec<u8>,
    replies: Vec<u8>,
    work: Work,
    drained: std::sync::mpsc::Sender<()>,
}

impl IoThread {
    /// A thread's state; `acceptor` is for one of them. `drained` hears when it has stopped taking requests.
    pub(crate) fn new(
        shared: Arc<Shared>,
        index: usize,
        poll: Poll,
        acceptor: Option<Acceptor>,
        drained: std::sync::mpsc::Sender<()>,
    ) -> io::Result<Self> {
        let mut thread = Self {
            shared,
            index,
            poll,
            acceptor,
            readers: Vec::new(),
            again: VecDeque::new(),
            stalled: Vec::new(),
            scratch: vec![0; READ_BYTES_MAX],
            replies: Vec::new(),
            work: Work::default(),
            drained,
        };
        if let Some(acceptor) = &mut thread.acceptor {
            acceptor.register(thread.poll.registry(), LISTENER)?;
        }
        Ok(thread)
    }

    /// Serves until [`Phase::Stopped`].
    pub(crate) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS_MAX);
        let mut told_drained = false;
        loop {
            match self.poll.poll(&mut events, self.timeout()) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => panic!("waiting for sockets failed: {error}"),
            }
            if self.shared.io.is(Phase::Draining) {
                if self.shared.io.is(Phase::Stopped) {
                    return;
                }
                self.acceptor = None;
                if !mem::replace(&mut told_drained, true) {
                    // The one who waits may have given up waiting.
                    let _ = self.drained.send(());
                }
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept(),
                    WAKER => self.unstall(),
                    Token(slot) => self.on_event(slot, event),
                }
            }
            if self.acceptor.as_ref().is_some_and(Acceptor::is_retry_due) {
                self.accept();
            }
            if !self.stalled.is_empty() && !self.shared.is_overloaded() {
                self.unstall();
            }
            for _ in 0..self.again.len() {
                if let Some(slot) = self.again.pop_front() {
                    self.serve(slot);
                }
            }
        }
    }

    fn timeout(&self) -> Option<Duration> {
        if !self.again.is_empty() {
            return Some(Duration::ZERO);
        }
        if !self.stalled.is_empty() || self.acceptor.as_ref().is_some_and(Acceptor::is_waiting) {
            return Some(RETRY);
        }
        None
    }

    fn accept(&mut self) {
        if let Some(acceptor) = &mut self.acceptor {
            acceptor.accept_all(&self.shared);
        }
    }

    fn on_event(&mut self, slot: usize, event: &Event) {
        let Some(reader) = self.reader(slot) else { return };
        let conn = &reader.conn;
        let mut resumes = false;
        if event.is_writable() {
            conn.out.flush_writable(&conn.stream);
            resumes = reader.backed_up && !conn.out.is_backed_up(BACKLOG_BYTES_MAX);
            reader.backed_up &= !resumes;
        }
        let stage = conn.out.stage();
        if event.is_error() || stage == Stage::Dead || (reader.ended && stage == Stage::Shut) {
            return self.close(slot);
        }
        if event.is_readable() || event.is_read_closed() || resumes {
            self.serve(slot);
        }
    }

    /// The reading half at a place, made at its first event.
    fn reader(&mut self, slot: usize) -> Option<&mut Reader> {
        if self.readers.len() <= slot {
            self.readers.resize_with(slot + 1, || None);
        }
        let place = &mut self.readers[slot];
        if place.is_none() {
            // An event of a connection that is gone may find its place empty, or taken by another thread's.
            let core = self.shared.read();
            let conn = core.conns.at(slot).filter(|conn| conn.io_thread == self.index)?;
            *place = Some(Box::new(Reader {
                conn: Arc::clone(conn),
                leftover: Vec::new(),
                fresh: true,
                opened: false,
                ended: false,
                backed_up: false,
                held: false,
                stalled: false,
                large_bytes: 0,
            }));
        }
        place.as_deref_mut()
    }

    /// Reads again from connections that were not read because too much was in work.
    fn unstall(&mut self) {
        for slot in mem::take(&mut self.stalled) {
            if let Some(reader) = self.readers.get_mut(slot).and_then(Option::as_deref_mut) {
                reader.stalled = false;
                self.again.push_back(slot);
            }
        }
    }

    /// Handles what a connection has sent.
    fn serve(&mut self, slot: usize) {
        let Some(mut reader) = self.readers.get_mut(slot).and_then(Option::take) else { return };
        let result = self.serve_reader(slot, &mut reader);
        self.readers[slot] = Some(reader);
        if result.is_err() {
            self.close(slot);
        }
    }

    fn serve_reader(&mut self, slot: usize, reader: &mut Reader) -> Result<(), CloseNow> {
        if !reader.leftover.is_empty() && !self.holds_back(slot, reader) {
            self.take_leftover(reader)?;
        }
        for _ in 0..READS_PER_TURN_MAX {
            if self.holds_back(slot, reader) {
                return Ok(());
            }
            let mut scratch = mem::take(&mut self.scratch);
            let result = self.read_once(reader, &mut scratch);
            self.scratch = scratch;
            match result? {
                Drained::Yes => return Ok(()),
                Drained::No => {}
            }
        }
        self.again.push_back(slot);
        Ok(())
    }

    /// Whether a connection is not to be read now; if so, notes what will bring it back.
    fn holds_back(&mut self, slot: usize, reader: &mut Reader) -> bool {
        if reader.ended || reader.stalled {
            return true;
        }
        if !reader.opened {
            return false;
        }
        if self.shared.io.is(Phase::Draining) {
            return true;
        }
        if reader.conn.out.is_backed_up(BACKLOG_BYTES_MAX) {
            // The event that unblocks it comes to this thread, so it cannot have been missed.
            reader.backed_up = true;
            return true;
        }
        if self.is_too_much(reader) {
            self.shared.io.threads[self.index].stalled.store(true, Ordering::SeqCst);
            // Whoever took load away before the store did not see it: look again.
            if self.is_too_much(reader) {
                self.shared.stats.throttle_waits.fetch_add(1, Ordering::Relaxed);
                reader.stalled = true;
                self.stalled.push(slot);
                return true;
            }
        }
        false
    }

    /// Whether so much is in work, of all or of this connection, that no more of its requests should be read.
    fn is_too_much(&self, reader: &mut Reader) -> bool {
        if reader.held {
            reader.held = self.shared.read().peer.backlog_bytes(reader.conn.id) > HELD_BYTES_MAX;
        }
        reader.held || self.shared.is_overloaded()
    }

    /// Reads once from the socket and handles what came.
    fn read_once(&mut self, reader: &mut Reader, scratch: &mut [u8]) -> Result<Drained, CloseNow> {
        let count = match (&reader.conn.stream).read(scratch) {
            Ok(0) => return self.on_end(reader),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Drained::Yes),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Drained::No),
            Err(_) => return Err(CloseNow),
        };
        self.shared.stats.bytes_received.fetch_add(count as u64, Ordering::Relaxed);
        let bytes = &scratch[..count];
        if reader.leftover.is_empty() {
            let used = self.take_bytes(reader, bytes)?;
            reader.leftover = bytes[used..].to_vec();
        } else {
            reader.leftover.extend_from_slice(bytes);
            self.take_leftover(reader)?;
        }
        // A short read took all there was; when more comes, or the end, there is a new event.
        Ok(if cfg!(unix) && count < scratch.len() { Drained::Yes } else { Drained::No })
    }

    /// The client sends no more. Its connection ends with that, unless its last answer is still being sent.
    fn on_end(&mut self, reader: &mut Reader) -> Result<Drained, CloseNow> {
        if reader.conn.out.stage() != Stage::Draining {
            return Err(CloseNow);
        }
        reader.ended = true;
        Ok(Drained::Yes)
    }

    fn take_leftover(&mut self, reader: &mut Reader) -> Result<(), CloseNow> {
        let mut leftover = mem::take(&mut reader.leftover);
        let used = self.take_bytes(reader, &leftover)?;
        if used < leftover.len() {
            leftover.drain(..used);
            reader.leftover = leftover;
        }
        Ok(())
    }

    /// Handles the frames at the front of what a connection sent; returns how many bytes that were.
    fn take_bytes(&mut self, reader: &mut Reader, bytes: &[u8]) -> Result<usize, CloseNow> {
        if reader.conn.out.stage() != Stage::Open {
            return Ok(bytes.len());
        }
        if reader.fresh {
            let Some(start) = bytes.first_chunk::<4>() else { return Ok(0) };
            if let Some(word) = Word::from_bytes(*start) {
                self.answer_word(reader, word, &bytes[4..]);
                return Ok(bytes.len());
            }
        }
        let mut frames = Frames::new(bytes, self.shared.config.requests.jute_bytes_max as usize);
        loop {
            let before = frames.rest().len();
            self.reserve_large(reader, frames.next_length()?)?;
            if reader.fresh {
                self.connect(reader, &mut frames)?;
            } else {
                self.read_batch(reader, &mut frames);
                self.step_batch(reader, &mut frames, None);
            }
            let used = frames.rest().len() < before;
            if !used || frames.rest().is_empty() {
                // A bad length behind good frames.
                self.reserve_large(reader, frames.next_length()?)?;
                break;
            }
            if reader.conn.out.stage() != Stage::Open {
                return Ok(bytes.len());
            }
            if reader.conn.out.is_backed_up(BACKLOG_BYTES_MAX) || self.is_too_much(reader) {
                self.again.push_back(slot_of(reader.conn.id));
                break;
            }
        }
        Ok(bytes.len() - frames.rest().len())
    }

    /// Accounts for a request that counts as large, from when its length is known until it is handled.
    fn reserve_large(&self, reader: &mut Reader, length: Option<usize>) -> Result<(), CloseNow> {
        let requests = &self.shared.config.requests;
        let Some(threshold) = requests.large_request_bytes else { return Ok(()) };
        let now = length.filter(|length| *length > threshold as usize).unwrap_or(0);
        let before = mem::replace(&mut reader.large_bytes, now);
        if now > before {
            let in_work =
                self.shared.large_request_bytes.fetch_add(now - before, Ordering::SeqCst) + now - before;
            if in_work > requests.large_requests_bytes_max as usize {
                self.shared.stats.large_requests_rejected.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(address = %reader.conn.address, bytes = now, in_work, "closed: largeRequestMaxBytes");
                return Err(CloseNow);
            }
        } else {
            self.shared.large_request_bytes.fetch_sub(before - now, Ordering::SeqCst);
        }
        Ok(())
    }

    fn answer_word(&mut self, reader: &mut Reader, word: Word, rest: &[u8]) {
        reader.fresh = false;
        let (conn, shared) = (&reader.conn, &self.shared);
        shared.stats.received.fetch_add(1, Ordering::Relaxed);
        conn.stats.received.fetch_add(1, Ordering::Relaxed);
        let answer = four_letter::answer(word, rest, shared, conn.id);
        shared.stats.sent.fetch_add(1, Ordering::Relaxed);
        let limit = shared.config.clients.out_buffer_bytes_max as usize;
        conn.out.append(&answer, &conn.stream, limit);
        conn.out.drain();
        shared.deadlines.ending(conn.id, shared.clock.mono_ms());
        conn.flush();
    }

    /// Handles the connect request, if all of it is there.
    fn connect(&mut self, reader: &mut Reader, frames: &mut Frames<'_>) -> Result<(), CloseNow> {
        let Some(request) = frames.clone().next()? else { return Ok(()) };
        let shared = &self.shared;
        if !shared.serving.load(Ordering::SeqCst) {
            return Err(CloseNow);
        }
        shared.stats.connection_requests.fetch_add(1, Ordering::Relaxed);
        if !shared.throttle.admit(session_kind(request), shared.clock.mono_ms()) {
            shared.stats.connections_dropped.fetch_add(1, Ordering::Relaxed);
            return Err(CloseNow);
        }
        reader.fresh = false;
        self.step_batch(
            reader,
            frames,
            Some(Input::ClientOpened {
                conn: reader.conn.id,
                address: reader.conn.address.ip().to_canonical(),
            }),
        );
        Ok(())
    }

    /// Serves requests from the front on, as long as they need no step, under the shared lock.
    fn read_batch(&mut self, reader: &Reader, frames: &mut Frames<'_>) {
        let mut ahead = frames.clone();
        match ahead.next() {
            Ok(Some(first)) if !is_write(first) => {}
            _ => return,
        }
        let (shared, conn) = (&self.shared, &reader.conn);
        let mut last: &[u8] = &[];
        let mut count = 0u64;
        self.replies.clear();
        let core = shared.read();
        let now = shared.clock.now();
        let mut ahead = frames.clone();
        while count < FRAMES_PER_LOCK_MAX && self.replies.len() < REPLY_BYTES_PER_LOCK_MAX {
            let Ok(Some(payload)) = ahead.next() else { break };
            match core.peer.read(now, conn.id, payload, &mut self.replies) {
                ReadOutcome::Served => {}
                ReadOutcome::NeedsStep => break,
            }
            count += 1;
            last = payload;
            *frames = ahead.clone();
        }
        // Under the lock, so that no notification made after these replies overtakes them.
        let claimed = count > 0 && conn.out.claim_or_append(&self.replies);
        drop(core);
        if count > 0 {
            self.count_requests(conn, count, last, true);
            shared.count_replies(conn, &self.replies, now);
            let latency_ms = shared.clock.mono_ms() - now.mono_ms;
            shared.stats.read_latency(latency_ms, count);
            conn.stats.latency(latency_ms, count);
        }
        if claimed {
            conn.out.flush_claimed(&self.replies, &conn.stream);
        }
        if self.replies.capacity() > REPLY_BYTES_KEPT_MAX {
            self.replies = Vec::new();
        }
    }

    /// Gives requests from the front on to the peer, under the exclusive lock.
    fn step_batch(&mut self, reader: &mut Reader, frames: &mut Frames<'_>, opened: Option<Input<'_>>) {
        if !matches!(frames.clone().next(), Ok(Some(_))) {
            return;
        }
        let received_ms = self.shared.clock.mono_ms();
        let (shared, conn, work) = (&self.shared, &reader.conn, &mut self.work);
        let mut count = 0u64;
        let mut last: &[u8] = &[];
        let mut core = shared.write();
        let now: Now = shared.clock.now();
        let is_first = opened.is_some();
        if let Some(opened) = opened {
            core.peer.step(now, opened, &mut work.effects);
            reader.opened = true;
        }
        while count < FRAMES_PER_LOCK_MAX {
            let Ok(Some(payload)) = frames.next() else { break };
            core.peer.step(now, Input::ClientRequest { conn: conn.id, payload }, &mut work.effects);
            count += 1;
            last = payload;
            if work.effects.list.last() == Some(&Effect::Close { conn: conn.id }) {
                break;
            }
        }
        // Before the replies are counted.
        self.shared.stats.received.fetch_add(count, Ordering::Relaxed);
        conn.stats.requests(count, last, !is_first || count > 1);
        work.requester = Some(Requester { conn: conn.id, received_ms });
        let appended = shared.carry_out(&mut core, now, work);
        reader.held = core.peer.backlog_bytes(conn.id) > HELD_BYTES_MAX;
        drop(core);
        // What became no transaction was answered at once, or waits behind one and is counted as if it did not.
        let answered = count.saturating_sub(u64::from(appended));
        if answered > 0 {
            let latency_ms = now.mono_ms - received_ms;
            shared.stats.read_latency(latency_ms, answered);
            conn.stats.latency(latency_ms, answered);
        }
        shared.finish(work);
    }

    fn count_requests(&self, conn: &Conn, count: u64, last: &[u8], has_header: bool) {
        self.shared.stats.received.fetch_add(count, Ordering::Relaxed);
        conn.stats.requests(count, last, has_header);
    }

    /// Removes a connection.
    fn close(&mut self, slot: usize) {
        let Some(mut reader) = self.readers.get_mut(slot).and_then(Option::take) else { return };
        let shared = &self.shared;
        shared.large_request_bytes.fetch_sub(mem::take(&mut reader.large_bytes), Ordering::SeqCst);
        let id = reader.conn.id;
        let mut core = shared.write();
        if reader.opened {
            let now = shared.clock.now();
            core.peer.step(now, Input::ClientClosed { conn: id }, &mut self.work.effects);
            shared.carry_out(&mut core, now, &mut self.work);
        }
        core.conns.remove(id);
        drop(core);
        shared.finish(&mut self.work);
        // The socket closes with the last reference, which another thread may hold for the length of a flush.
    }
}

enum Drained {
    Yes,
    No,
}

/// Whether a request surely needs a step. What is undecidable here the peer decides.
fn is_write(payload: &[u8]) -> bool {
    let Some([_, _, _, _, o0, o1, o2, o3]) = payload.first_chunk::<8>() else { return true };
    match i32::from_be_bytes([*o0, *o1, *o2, *o3]) {
        4 | 3 | 8 | 11 | 12 => false,
        number => OpCode::from_wire(number).is_none_or(OpCode::is_write),
    }
}

/// What a connect request asks for, by its session id (bytes 16 to 24).
fn session_kind(request: &[u8]) -> SessionKind {
    match request.get(16..24) {
        Some(id) if id != [0; 8] => SessionKind::Renewed,
        _ => SessionKind::New,
    }
}

/// Starts an I/O thread.
pub(crate) fn spawn(thread: IoThread) -> io::Result<std::thread::JoinHandle<()>> {
    let exit = thread.shared.exit.clone();
    std::thread::Builder::new().name(format!("zkrs-io-{}", thread.index)).spawn(move || {
        let _guard = exit.guard();
        thread.run();
    })
}
