//! The I/O threads: each waits for its sockets and serves them.
//!
//! A connection belongs to one thread, which alone reads from it and removes it; other threads may send to it
//! (`out.rs`) and may give it up by shutting its socket, which its thread then sees. Sockets are edge-triggered: one
//! is read until it is empty, or put on a list to be looked at again.
//!
//! `read` is about one connection's bytes, `batch` about the requests in them.

mod batch;
mod read;

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use mio::event::Event;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token, Waker};
use zkrs_core::peer::Input;

use crate::accept::{Acceptor, RETRY};
use crate::conn::{Conn, slot_of};
use crate::driver::{Shared, Work};
use crate::out::Stage;
use read::{BACKLOG_BYTES_MAX, READ_BYTES_MAX, Reader};

const LISTENER: Token = Token(usize::MAX);
const WAKER: Token = Token(usize::MAX - 1);
const EVENTS_MAX: usize = 256;

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
    drained: Sender<()>,
}

impl IoThread {
    /// A thread's state; `acceptor` is for one of them. `drained` hears when it has stopped taking requests.
    pub(crate) fn new(
        shared: Arc<Shared>,
        index: usize,
        poll: Poll,
        acceptor: Option<Acceptor>,
        drained: Sender<()>,
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
        reader.end_is_near |= event.is_read_closed();
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
            *place = Some(Box::new(Reader::new(Arc::clone(conn))));
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

/// Starts an I/O thread.
pub(crate) fn spawn(thread: IoThread) -> io::Result<std::thread::JoinHandle<()>> {
    let exit = thread.shared.exit.clone();
    std::thread::Builder::new().name(format!("zkrs-io-{}", thread.index)).spawn(move || {
        let _guard = exit.guard();
        thread.run();
    })
}
