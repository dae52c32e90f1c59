//! What a connection still has to send, and the one way to the socket.
//!
//! Whoever holds the peer's lock appends, so the order of bytes here is the order of steps. Whoever appended
//! flushes after letting go of that lock, from its own thread, without blocking. At most one thread writes to the
//! socket at a time; it holds no lock while it does, and takes along what others append meanwhile. When the socket
//! takes no more, the connection's I/O thread goes on when the system says that it is writable.

use std::io::{self, Write};
use std::mem;
use std::net::Shutdown;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mio::net::TcpStream;

/// Bytes waiting for one connection, and who is at it.
#[derive(Debug, Default)]
pub(crate) struct Out {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Being sent; from `unsent_from` on. Always ahead of `pending`.
    unsent: Vec<u8>,
    unsent_from: usize,
    /// Appended since.
    pending: Vec<u8>,
    /// On some thread's list of connections to flush.
    listed: bool,
    /// A thread is writing to the socket.
    flushing: bool,
    /// The socket became writable while that thread was at it: it must try again before it gives up.
    again: bool,
    /// The socket took no more; only its becoming writable helps.
    blocked: bool,
    stage: Stage,
}

/// How far a connection is from its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Open.
    #[default]
    Open,
    /// To be closed once everything is sent.
    Draining,
    /// Everything is sent and our side is shut; the client's close is awaited, so that no reset overtakes the last
    /// bytes.
    Shut,
    /// Broken or given up: nothing is sent any more.
    Dead,
}

impl Out {
    /// Appends bytes. True: the caller must flush after letting go of the peer's lock.
    ///
    /// A connection whose backlog is beyond `backlog_bytes_max` already is given up: its client does not read.
    pub(crate) fn append(&self, bytes: &[u8], stream: &TcpStream, backlog_bytes_max: usize) -> bool {
        let mut state = self.lock();
        if state.stage != Stage::Open {
            return false;
        }
        if state.backlog_bytes() > backlog_bytes_max {
            state.die(stream);
            return false;
        }
        state.pending.extend_from_slice(bytes);
        !mem::replace(&mut state.listed, true)
    }

    /// Takes the right to write to the socket, if nothing is waiting; else appends `bytes` to what is. True: the
    /// caller must call [`Out::flush_claimed`] with the same bytes after letting go of the peer's lock.
    pub(crate) fn claim_or_append(&self, bytes: &[u8]) -> bool {
        let mut state = self.lock();
        if state.stage != Stage::Open {
            return false;
        }
        if state.flushing || state.backlog_bytes() > 0 {
            state.pending.extend_from_slice(bytes);
            return false;
        }
        state.flushing = true;
        true
    }

    /// Marks the connection for closing once all is sent. True: the caller must flush.
    pub(crate) fn drain(&self) -> bool {
        let mut state = self.lock();
        if state.stage != Stage::Open {
            return false;
        }
        state.stage = Stage::Draining;
        !mem::replace(&mut state.listed, true)
    }

    /// Sends what is waiting, as far as the socket takes it.
    pub(crate) fn flush(&self, stream: &TcpStream) {
        let mut state = self.lock();
        state.listed = false;
        // Who is flushing takes along what was appended; who is blocked waits for the socket.
        if !state.flushing && !state.blocked {
            state.flushing = true;
            self.pump(state, stream);
        }
    }

    /// The same when the system says that the socket is writable.
    pub(crate) fn flush_writable(&self, stream: &TcpStream) {
        let mut state = self.lock();
        if state.flushing {
            state.again = true;
        } else if state.blocked {
            state.blocked = false;
            state.flushing = true;
            self.pump(state, stream);
        }
    }

    /// Sends `bytes`, then what was appended since they were claimed for.
    pub(crate) fn flush_claimed(&self, bytes: &[u8], stream: &TcpStream) {
        let sent = send(stream, bytes);
        let mut state = self.lock();
        match sent {
            Ok(count) if count == bytes.len() => {}
            Ok(count) => {
                state.unsent.extend_from_slice(&bytes[count..]);
                state.unsent_from = 0;
                if !mem::take(&mut state.again) {
                    state.blocked = true;
                    state.flushing = false;
                    return;
                }
            }
            Err(_) => state.die(stream),
        }
        self.pump(state, stream);
    }

    /// Gives the connection up; its I/O thread learns of it from the socket.
    pub(crate) fn kill(&self, stream: &TcpStream) {
        self.lock().die(stream);
    }

    /// Whether the socket takes no more and more than `backlog_bytes_max` wait for it.
    pub(crate) fn is_backed_up(&self, backlog_bytes_max: usize) -> bool {
        let state = self.lock();
        state.blocked && state.backlog_bytes() > backlog_bytes_max
    }

    /// Whether anything waits.
    pub(crate) fn is_empty(&self) -> bool {
        let state = self.lock();
        state.backlog_bytes() == 0 && !state.flushing
    }

    pub(crate) fn stage(&self) -> Stage {
        self.lock().stage
    }

    /// Whether the socket took no more.
    pub(crate) fn is_blocked(&self) -> bool {
        self.lock().blocked
    }

    /// Sends until nothing waits or the socket takes no more. `flushing` is set on entry and clear on return.
    fn pump<'a>(&'a self, mut state: MutexGuard<'a, State>, stream: &TcpStream) {
        loop {
            if state.stage == Stage::Dead {
                state.flushing = false;
                return;
            }
            if state.unsent.is_empty() {
                state.unsent = mem::take(&mut state.pending);
                state.unsent_from = 0;
            }
            if state.unsent.is_empty() {
                state.flushing = false;
                state.again = false;
                if state.stage == Stage::Draining {
                    state.stage = Stage::Shut;
                    // An error means that the client is gone already, which the I/O thread sees.
                    let _ = stream.shutdown(Shutdown::Write);
                }
                return;
            }
            let bytes = mem::take(&mut state.unsent);
            let from = state.unsent_from;
            state.again = false;
            drop(state);
            let sent = send(stream, &bytes[from..]);
            state = self.lock();
            match sent {
                Ok(count) if from + count == bytes.len() => {}
                Ok(count) => {
                    state.unsent = bytes;
                    state.unsent_from = from + count;
                    if !state.again {
                        state.blocked = true;
                        state.flushing = false;
                        return;
                    }
                }
                Err(_) => state.die(stream),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code here panics with the lock held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn backlog_bytes(&self) -> usize {
        self.unsent.len() - self.unsent_from.min(self.unsent.len()) + self.pending.len()
    }

    fn die(&mut self, stream: &TcpStream) {
        self.stage = Stage::Dead;
        self.unsent = Vec::new();
        self.unsent_from = 0;
        self.pending = Vec::new();
        let _ = stream.shutdown(Shutdown::Both);
    }
}

/// Writes until all is sent or the socket takes no more; returns how much it took.
fn send(mut stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    let mut sent = 0;
    while sent < bytes.len() {
        match stream.write(&bytes[sent..]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => sent += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(sent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::{Events, Interest, Poll, Token};
    use std::io::Read;
    use std::net::{TcpListener, TcpStream as StdStream};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    /// A socket of ours that is watched, and its other end.
    fn pair(poll: &Poll) -> (TcpStream, StdStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let far = StdStream::connect(listener.local_addr().unwrap()).unwrap();
        far.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let (near, _) = listener.accept().unwrap();
        near.set_nonblocking(true).unwrap();
        let mut near = TcpStream::from_std(near);
        poll.registry().register(&mut near, Token(0), Interest::READABLE | Interest::WRITABLE).unwrap();
        (near, far)
    }

    #[test]
    fn bytes_of_many_threads_arrive_whole_in_order_and_all() {
        const THREADS: u64 = 4;
        const ROUNDS: u64 = 3_000;
        let mut poll = Poll::new().unwrap();
        let (near, mut far) = pair(&poll);
        let out = Out::default();
        // Stands for the peer's lock: what it hands out is the order in which bytes are appended.
        let order = Mutex::new(0u64);
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (out, order, near) = (&out, &order, &near);
                scope.spawn(move || {
                    for round in 0..ROUNDS {
                        let mut number = order.lock().unwrap();
                        // Long enough to fill the socket now and then.
                        let bytes = number.to_be_bytes().repeat(64);
                        *number += 1;
                        if thread == 0 && round % 2 == 0 {
                            let claimed = out.claim_or_append(&bytes);
                            drop(number);
                            if claimed {
                                out.flush_claimed(&bytes, near);
                            }
                        } else {
                            out.append(&bytes, near, usize::MAX);
                            drop(number);
                            out.flush(near);
                        }
                    }
                });
            }
            scope.spawn(|| {
                let mut events = Events::with_capacity(8);
                while !done.load(Ordering::SeqCst) {
                    poll.poll(&mut events, Some(Duration::from_millis(10))).unwrap();
                    if events.iter().any(|event| event.is_writable()) {
                        out.flush_writable(&near);
                    }
                }
            });
            let mut frame = [0; 8 * 64];
            for number in 0..THREADS * ROUNDS {
                far.read_exact(&mut frame).unwrap();
                assert_eq!(frame[..], number.to_be_bytes().repeat(64)[..]);
            }
            done.store(true, Ordering::SeqCst);
        });
        assert!(out.is_empty());
    }

    #[test]
    fn what_waits_is_sent_before_the_end() {
        let poll = Poll::new().unwrap();
        let (near, mut far) = pair(&poll);
        let out = Out::default();
        assert!(out.append(b"last ", &near, usize::MAX));
        assert!(!out.append(b"words", &near, usize::MAX), "listed already");
        assert!(!out.drain());
        assert!(!out.append(b"too late", &near, usize::MAX));
        assert_eq!(out.stage(), Stage::Draining);
        out.flush(&near);
        assert_eq!(out.stage(), Stage::Shut);
        let mut all = String::new();
        far.read_to_string(&mut all).unwrap();
        assert_eq!(all, "last words");
    }

    #[test]
    fn a_backlog_beyond_the_limit_ends_the_connection() {
        let poll = Poll::new().unwrap();
        let (near, mut far) = pair(&poll);
        let out = Out::default();
        assert!(out.append(&[1; 100], &near, 99), "one reply of any size is taken");
        assert!(!out.append(&[1], &near, 99));
        assert_eq!(out.stage(), Stage::Dead);
        assert_eq!(far.read(&mut [0; 10]).unwrap(), 0);
    }
}
