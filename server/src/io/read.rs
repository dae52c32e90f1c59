//! One connection's bytes: reading them, cutting them, and when not to.
//!
//! Between two reads an idle connection keeps no buffer: what a thread reads goes to memory of its own, and only a
//! partial frame stays with its connection.

use std::io::{self, Read};
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{IoThread, Phase};
use crate::conn::{Conn, slot_of};
use crate::four_letter::Word;
use crate::frames::{BadLength, Frames};
use crate::out::Stage;

/// What one read takes from a socket at most.
pub(super) const READ_BYTES_MAX: usize = 64 << 10;
/// Reads from one socket before the others get their turn.
const READS_PER_TURN_MAX: usize = 8;
/// Replies that wait for a slow client before its requests are no longer read.
pub(super) const BACKLOG_BYTES_MAX: usize = 1 << 20;
/// Requests that wait in the peer behind a connection's own writes before no more of them are read.
pub(super) const HELD_BYTES_MAX: usize = 1 << 20;

/// The reading half of a connection.
pub(super) struct Reader {
    pub(super) conn: Arc<Conn>,
    /// What was read and is not handled: a partial frame, or whole ones while the connection is not to be read.
    pub(super) leftover: Vec<u8>,
    /// Nothing was read yet: a four-letter word may come.
    pub(super) fresh: bool,
    /// The peer knows the connection.
    pub(super) opened: bool,
    /// The system said that the client sends no more: its end may be right behind the bytes that are there.
    pub(super) end_is_near: bool,
    /// The client sends no more; what is waiting for it is still sent.
    pub(super) ended: bool,
    /// Not read until the client has taken what waits for it.
    pub(super) backed_up: bool,
    /// Many of its requests wait in the peer.
    pub(super) held: bool,
    /// On the list of connections that are not read because too much is in work.
    pub(super) stalled: bool,
    /// This connection's part of [`Shared::large_request_bytes`].
    pub(super) large_bytes: usize,
}

impl Reader {
    pub(super) fn new(conn: Arc<Conn>) -> Self {
        Self {
            conn,
            leftover: Vec::new(),
            fresh: true,
            opened: false,
            end_is_near: false,
            ended: false,
            backed_up: false,
            held: false,
            stalled: false,
            large_bytes: 0,
        }
    }
}

/// Why a connection is to be closed now.
pub(super) struct CloseNow;

impl From<BadLength> for CloseNow {
    fn from(_: BadLength) -> Self {
        CloseNow
    }
}

impl IoThread {
    /// Handles what a connection has sent.
    pub(super) fn serve(&mut self, slot: usize) {
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
        // A short read took all there was; when more comes, or the end, there is a new event. But an end that came
        // together with the bytes had its event already.
        let took_all = cfg!(unix) && count < scratch.len() && !reader.end_is_near;
        Ok(if took_all { Drained::Yes } else { Drained::No })
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
}

/// Whether a socket has no more for now.
enum Drained {
    Yes,
    No,
}
